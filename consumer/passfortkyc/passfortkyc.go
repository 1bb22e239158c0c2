// Package passfortkyc is the kyc.Checker that Passfort makes. It is the only
// package of this service that knows the SDK.
package passfortkyc

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/passfort-go/passfort"

	"teapots.example/accounts/kyc"
)

// Checker checks identities at Passfort. A case is a profile.
type Checker struct {
	client  *passfort.Client
	product string // alias of the product that a case applies for
	inbox   *passfort.CheckInbox
}

var _ kyc.Checker = (*Checker)(nil)

// New returns a Checker for one product.
func New(client *passfort.Client, product string) *Checker {
	return &Checker{client: client, product: product, inbox: passfort.NewCheckInbox()}
}

// Webhooks is what Passfort calls when a check is complete. Without it Verify
// asks now and then.
func (c *Checker) Webhooks(secret string) (http.Handler, error) {
	h, err := passfort.NewWebhookHandler([]string{secret})
	if err != nil {
		return nil, err
	}
	h.Handle(passfort.EventCheckCompleted, c.inbox.Deliver)
	return h, nil
}

// Open makes a profile that applies for the product.
func (c *Checker) Open(ctx context.Context, a kyc.Applicant) (string, error) {
	person := passfort.NewIndividual()
	person.CustomerRef = a.Reference
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{a.GivenName}, FamilyName: a.FamilyName},
		DOB:  a.Born,
	}
	person.ContactDetails = &passfort.ContactDetails{Email: a.Email}
	profile, err := c.client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role:          passfort.RoleIndividualCustomer,
		CollectedData: person,
		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: c.product}}},
	})
	if err != nil {
		return "", translated("open", err)
	}
	return profile.ID, nil
}

// Verify runs an identity check, unless there is one already, and approves the
// application if it passed and nothing else blocks it.
func (c *Checker) Verify(ctx context.Context, caseID string) (kyc.Verdict, error) {
	check, err := c.identityCheck(ctx, caseID)
	if err != nil {
		return "", translated("verify", err)
	}
	switch check.Decision {
	case passfort.DecisionPass:
		return c.approve(ctx, caseID)
	case passfort.DecisionFail:
		return kyc.Refused, nil
	default: // partial, an error of the provider, or a decision of next year
		return kyc.Referred, nil
	}
}

// identityCheck returns the finished check of a case. A check costs money, so
// one that was run before a restart is used.
func (c *Checker) identityCheck(ctx context.Context, caseID string) (*passfort.Check, error) {
	wait := &passfort.WaitOptions{Inbox: c.inbox}
	checks, err := c.client.Checks.List(ctx, caseID)
	if err != nil {
		return nil, err
	}
	for i := range checks {
		if checks[i].Type == passfort.CheckTypeIdentityCheck {
			return c.client.Checks.Wait(ctx, caseID, checks[i].ID, wait)
		}
	}
	return c.client.Checks.RunAndWait(ctx, caseID, &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck,
		Mode: passfort.CheckModeAsync,
	}, wait)
}

// approve approves the case's application, or leaves it to a person.
func (c *Checker) approve(ctx context.Context, caseID string) (kyc.Verdict, error) {
	applications, err := c.client.Applications.List(ctx, caseID)
	if err != nil {
		return "", translated("verify", err)
	}
	for i := range applications {
		a := &applications[i]
		if a.Product == nil || a.Product.Alias != c.product || a.Status != passfort.ApplicationStatusApplied {
			continue
		}
		_, err := c.client.Applications.SetStatus(ctx, caseID, a.ID, passfort.ApplicationStatusApproved)
		if errors.Is(err, passfort.CodeConstraintsNotSatisfied) {
			return kyc.Referred, nil
		}
		if err != nil {
			return "", translated("verify", err)
		}
	}
	return kyc.Accepted, nil
}

// ChangeEmail changes one field, whatever else changes meanwhile.
func (c *Checker) ChangeEmail(ctx context.Context, caseID, email string) error {
	_, err := c.client.CollectedData.Update(ctx, caseID, func(data *passfort.EntityData) error {
		if data.ContactDetails == nil {
			data.ContactDetails = &passfort.ContactDetails{}
		}
		data.ContactDetails.Email = email
		return nil
	})
	return translated("change e-mail", err)
}

// translated puts an error of the SDK into this service's terms, and keeps it
// for the log, which it is fit for.
func translated(what string, err error) error {
	var failed *passfort.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, passfort.ErrOutcomeUnknown):
		return fmt.Errorf("%s: %w: %w", what, kyc.ErrUncertain, err)
	case errors.Is(err, passfort.ErrNotFound):
		return fmt.Errorf("%s: %w: %w", what, kyc.ErrUnknownCase, err)
	case errors.As(err, &failed) && failed.Transient():
		return fmt.Errorf("%s: %w: %w", what, kyc.ErrLater, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}
