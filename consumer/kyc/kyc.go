// Package kyc is what this service wants of identity checks. Nothing in it
// says which supplier makes them.
package kyc

import (
	"context"
	"errors"
)

// Applicant is a person who wants an account.
type Applicant struct {
	Reference             string // ours
	GivenName, FamilyName string
	Born                  string // YYYY-MM-DD
	Email                 string
}

// Verdict is what became of a case.
type Verdict string

// The verdicts.
const (
	Accepted Verdict = "accepted"
	Refused  Verdict = "refused"
	Referred Verdict = "referred" // a person decides
)

// Checker opens and decides cases.
type Checker interface {
	// Open makes a case for the applicant and returns its id.
	Open(ctx context.Context, a Applicant) (caseID string, err error)
	// Verify has the applicant's identity checked. It may take minutes.
	Verify(ctx context.Context, caseID string) (Verdict, error)
	// ChangeEmail corrects the applicant's address. It loses no change that
	// others make to the case.
	ChangeEmail(ctx context.Context, caseID, email string) error
}

// The errors that callers tell apart. Any other is for an operator to look at.
var (
	// ErrUncertain: it may have been done. A person must look before it is tried again.
	ErrUncertain = errors.New("kyc: unknown whether it was done")
	// ErrLater: nothing was done, and the same call may work in a while.
	ErrLater = errors.New("kyc: try again later")
	// ErrUnknownCase: there is no such case.
	ErrUnknownCase = errors.New("kyc: unknown case")
)
