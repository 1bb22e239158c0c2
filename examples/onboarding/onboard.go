package main

import (
	"context"
	"errors"
	"time"

	"github.com/passfort-go/passfort"
)

// Copy from here: the steps of an onboarding, each of them a function from a
// client and an id to a result. tell.go calls them and prints.

// createCustomer makes a profile that applies for the product, unless that is
// empty. A call with an unknown outcome may have made one: look for it before
// you call again.
func createCustomer(ctx context.Context, client *passfort.Client, role passfort.Role, data *passfort.EntityData,
	product string) (
	*passfort.Profile, error,
) {
	request := &passfort.ProfileRequest{Role: role, CollectedData: data}
	if product != "" {
		request.Applications = []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: product}}}
	}
	return client.Profiles.Create(ctx, request)
}

// linkDirector makes the profile of a person a director of the company that the
// data belongs to. It links a director only once, so Update may run it again.
func linkDirector(data *passfort.EntityData, personID string) error {
	_, err := data.LinkAssociate(passfort.AssociateLink{
		ProfileID:  personID,
		EntityType: passfort.EntityTypeIndividual,
		Role:       passfort.AssociatedRoleDirector,
	})
	return err
}

// addProduct applies for one more product.
func addProduct(
	ctx context.Context, client *passfort.Client, profileID, product string,
) (*passfort.Application, error) {
	return client.Applications.Create(ctx, profileID, &passfort.ApplicationRequest{
		Product: passfort.ProductRef{Alias: product},
	})
}

// runCheck instructs a check, which is charged on a live account. Even in sync
// mode the check may come back unfinished: give it to finish.
func runCheck(
	ctx context.Context, client *passfort.Client, profileID string,
	kind passfort.CheckType, mode passfort.CheckMode, variant string,
) (*passfort.Check, error) {
	request := &passfort.CheckRequest{Type: kind, Mode: mode}
	if variant != "" {
		request.Variant = &passfort.VariantRef{Alias: variant}
	}
	return client.Checks.Run(ctx, profileID, request)
}

// finish waits for a check, but no longer than patience. A check that takes
// longer is returned unfinished: it goes on at Passfort.
func finish(
	ctx context.Context, client *passfort.Client, profileID string, check *passfort.Check,
	patience time.Duration, pace *passfort.WaitOptions,
) (*passfort.Check, error) {
	if check.Done() {
		return check, nil
	}
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last, err := client.Checks.Wait(patient, profileID, check.ID, pace)
	if last == nil {
		last = check
	}
	return last, unlessPatienceEnded(ctx, err)
}

// currentTasks returns the tasks of a profile that have not expired.
func currentTasks(ctx context.Context, client *passfort.Client, profileID string) ([]passfort.Task, error) {
	tasks, err := client.Tasks.List(ctx, profileID)
	if err != nil {
		return nil, err
	}
	var current []passfort.Task
	for _, task := range tasks {
		if task.IsExpired == nil || !*task.IsExpired {
			current = append(current, task)
		}
	}
	return current, nil
}

// approve waits until an application is ready, but no longer than patience, and
// approves it. One that is not ready in time is returned as it stands, for a
// person to look at.
func approve(
	ctx context.Context, client *passfort.Client, profileID, applicationID string,
	patience time.Duration, pace *passfort.WaitOptions,
) (*passfort.Application, error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	application, err := client.Applications.Wait(patient, profileID, applicationID, ready, pace)
	if err := unlessPatienceEnded(ctx, err); err != nil {
		return nil, err
	}
	if application == nil {
		return client.Applications.Get(ctx, profileID, applicationID)
	}
	if !ready(application) || application.Status != passfort.ApplicationStatusApplied {
		return application, nil
	}
	return client.Applications.SetStatus(ctx, profileID, applicationID, passfort.ApplicationStatusApproved)
}

// ready reports whether an application waits for nothing but the decision.
func ready(application *passfort.Application) bool {
	return application.Flag == passfort.ApplicationFlagReadyForDecision ||
		application.Flag == passfort.ApplicationFlagDecided
}

// unlessPatienceEnded drops the error of a wait that took longer than patience,
// and no other: ctx itself is still alive.
func unlessPatienceEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Copy to here.
