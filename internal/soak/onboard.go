package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

// applicant is one person on the way to an approved application.
type applicant struct {
	client *passfort.Client
	count  *tally
	name   string // unique

	profile string
}

const scan = "%PDF-1.7\n%%EOF\n"

// onboard takes one person through all of it, checks the end state and deletes
// the profile.
func (a *applicant) onboard(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"create", a.create}, {"complete the data", a.complete}, {"submit the document", a.submit},
		{"check", a.check}, {"approve", a.approve}, {"tag", a.tag}, {"verify", a.verify}, {"delete", a.remove},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// sure repeats a step until its outcome is known. The step looks what is there
// before it does anything, so that a repeat never does it twice.
func (a *applicant) sure(ctx context.Context, step func() error) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := step()
		if err == nil || !passing(err) {
			return err
		}
		if errors.Is(err, passfort.ErrOutcomeUnknown) {
			a.count.unknown.Add(1)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// passing says whether an error may be gone the next time.
func passing(err error) bool {
	var failed *passfort.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, passfort.ErrInvalidInput):
		return false
	case errors.Is(err, passfort.ErrOutcomeUnknown), errors.Is(err, passfort.ErrRateLimited):
		return true
	case errors.As(err, &failed):
		return failed.StatusCode == 0 || failed.StatusCode >= 500 || failed.StatusCode/100 == 2
	}
	return false
}

// create makes the profile, unless a lost answer was about it.
func (a *applicant) create(ctx context.Context) error {
	person := passfort.NewIndividual()
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Kim"}, FamilyName: a.name},
	}
	asked := false
	return a.sure(ctx, func() error {
		if asked {
			found, err := a.client.Profiles.List(ctx, &passfort.ProfileListOptions{Query: a.name})
			if err != nil {
				return err
			}
			var mine []string
			for _, p := range found.Results {
				if strings.HasSuffix(p.DisplayName, " "+a.name) {
					mine = append(mine, p.ID)
				}
			}
			switch len(mine) {
			case 0:
			case 1:
				a.profile = mine[0]
				return nil
			default:
				return fmt.Errorf("%d profiles of one person", len(mine))
			}
		}
		asked = true
		made, err := a.client.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: person,
			Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
		})
		if err == nil {
			a.profile = made.ID
		}
		return err
	})
}

// complete adds a phone number. The change function does nothing where the
// number is there, so it may run as often as it likes.
func (a *applicant) complete(ctx context.Context) error {
	return a.sure(ctx, func() error {
		_, err := a.client.CollectedData.Update(ctx, a.profile, func(d *passfort.EntityData) error {
			if d.ContactDetails == nil {
				d.ContactDetails = &passfort.ContactDetails{}
			}
			d.ContactDetails.PhoneNumber = "+44 20 7946 0000"
			return nil
		})
		if errors.Is(err, passfort.ErrPreconditionFailed) {
			return fmt.Errorf("others keep changing the data: %w", passfort.ErrOutcomeUnknown)
		}
		return err
	})
}

// submit uploads one image and makes a document of it.
func (a *applicant) submit(ctx context.Context) error {
	image := ""
	err := a.sure(ctx, func() error {
		there, err := a.client.Documents.ListImages(ctx, a.profile)
		switch {
		case err != nil:
			return err
		case len(there) > 1:
			return fmt.Errorf("%d images", len(there))
		case len(there) == 1:
			image = there[0].ID
			return nil
		}
		up, err := a.client.Documents.UploadImage(ctx, a.profile, &passfort.ImageUpload{
			Type: passfort.ImageTypeFront, Body: strings.NewReader(scan),
		})
		if err == nil {
			image = up.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.sure(ctx, func() error {
		there, err := a.client.Documents.List(ctx, a.profile)
		if err != nil || len(there) > 0 {
			return err
		}
		_, err = a.client.Documents.Create(ctx, a.profile, &passfort.DocumentRequest{
			Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
			ImageIDs: []string{image},
		})
		return err
	})
}

// check runs one identity check and waits for it.
func (a *applicant) check(ctx context.Context) error {
	id := ""
	err := a.sure(ctx, func() error {
		there, err := a.client.Checks.List(ctx, a.profile)
		switch {
		case err != nil:
			return err
		case len(there) > 1:
			return fmt.Errorf("%d checks", len(there))
		case len(there) == 1:
			id = there[0].ID
			return nil
		}
		ran, err := a.client.Checks.Run(ctx, a.profile, &passfort.CheckRequest{
			Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeAsync,
		})
		if err == nil {
			id = ran.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.sure(ctx, func() error {
		_, err := a.client.Checks.Wait(ctx, a.profile, id, &passfort.WaitOptions{
			MinInterval: 20 * time.Millisecond, MaxInterval: 200 * time.Millisecond,
		})
		return err
	})
}

// approve decides the application once nothing is missing.
func (a *applicant) approve(ctx context.Context) error {
	return a.sure(ctx, func() error {
		all, err := a.client.Applications.List(ctx, a.profile)
		if err != nil {
			return err
		}
		if len(all) != 1 {
			return fmt.Errorf("%d applications", len(all))
		}
		_, err = a.client.Applications.Wait(ctx, a.profile, all[0].ID, func(app *passfort.Application) bool {
			return app.Flag == passfort.ApplicationFlagReadyForDecision ||
				app.Status == passfort.ApplicationStatusApproved
		}, &passfort.WaitOptions{MinInterval: 20 * time.Millisecond, MaxInterval: 200 * time.Millisecond})
		if err != nil {
			return err
		}
		_, err = a.client.Applications.SetStatus(ctx, a.profile, all[0].ID, passfort.ApplicationStatusApproved)
		return err
	})
}

func (a *applicant) tag(ctx context.Context) error {
	return a.sure(ctx, func() error {
		p, err := a.client.Profiles.Get(ctx, a.profile)
		if err != nil || len(p.Tags) > 0 {
			return err
		}
		_, err = a.client.Tags.Add(ctx, a.profile, "onboarded")
		return err
	})
}

// verify looks at everything that was done.
func (a *applicant) verify(ctx context.Context) error {
	var p *passfort.Profile
	err := a.sure(ctx, func() (err error) {
		p, err = a.client.Profiles.Get(ctx, a.profile)
		return err
	})
	if err != nil {
		return err
	}
	data := p.CollectedData
	switch {
	case p.Category != passfort.ProfileCategoryCustomer, len(p.Applications) != 1,
		p.Applications[0].Status != passfort.ApplicationStatusApproved:
		return errors.New("the person is not a customer")
	case len(p.Checks) != 1, p.Checks[0].Decision != passfort.DecisionPass:
		return errors.New("not one check that passed")
	case data.ContactDetails == nil, data.ContactDetails.PhoneNumber == "":
		return errors.New("the phone number is missing")
	case data.PersonalDetails.Name.FamilyName != a.name, len(data.Documents) != 1, len(p.DocumentImages) != 1,
		len(p.Tags) != 1:
		return errors.New("something of the data is missing, or there twice")
	}
	return nil
}

// remove deletes the profile, and looks whether it is gone when that is unknown.
func (a *applicant) remove(ctx context.Context) error {
	return a.sure(ctx, func() error {
		err := a.client.Profiles.Delete(ctx, a.profile, "soak")
		if errors.Is(err, passfort.ErrNotFound) {
			return nil
		}
		return err
	})
}
