// Package signup opens accounts.
package signup

import (
	"context"
	"errors"
	"fmt"

	"teapots.example/accounts/kyc"
)

// State is how far a sign-up has come.
type State string

// The states.
const (
	Open     State = "open"
	Declined State = "declined"
	Waiting  State = "waiting" // for a person
	Retry    State = "retry"   // nothing was done, Join again
)

// Cases remembers which case belongs to which applicant.
type Cases interface {
	Find(reference string) (caseID string, found bool)
	Keep(reference, caseID string) error
}

// Service signs applicants up.
type Service struct {
	Checker kyc.Checker
	Cases   Cases
}

// Join takes an applicant as far as it goes without a person. It may be called
// again with the same applicant: a case that was opened is used again.
func (s *Service) Join(ctx context.Context, a kyc.Applicant) (State, error) {
	caseID, found := s.Cases.Find(a.Reference)
	if !found {
		opened, err := s.Checker.Open(ctx, a)
		if err != nil {
			return after(err)
		}
		if err := s.Cases.Keep(a.Reference, opened); err != nil {
			return Waiting, fmt.Errorf("the case of %s is open and not kept: %w", a.Reference, err)
		}
		caseID = opened
	}
	verdict, err := s.Checker.Verify(ctx, caseID)
	if err != nil {
		return after(err)
	}
	switch verdict {
	case kyc.Accepted:
		return Open, nil
	case kyc.Refused:
		return Declined, nil
	default:
		return Waiting, nil
	}
}

// after decides what an error means for the applicant. What may have been done
// is never tried again without a person.
func after(err error) (State, error) {
	if errors.Is(err, kyc.ErrLater) {
		return Retry, nil
	}
	return Waiting, err
}
