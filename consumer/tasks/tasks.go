// Package tasks holds twelve tasks of an integration, one function for each, as a
// service writes them with the SDK. Package before holds the same with version 0.1
// of the SDK.
package tasks

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/passfort-go/passfort"
)

// Connect returns a client as the environment says: key, region or address.
func Connect(opts ...passfort.Option) (*passfort.Client, error) {
	return passfort.NewFromEnv(opts...)
}

// ForAccounts returns a client for the key of each account. They share one pool of
// connections.
func ForAccounts(client *passfort.Client, keys map[string]string) (map[string]*passfort.Client, error) {
	clients := make(map[string]*passfort.Client, len(keys))
	for account, key := range keys {
		own, err := client.WithKey(key)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", account, err)
		}
		clients[account] = own
	}
	return clients, nil
}

// Onboard takes a person from nothing to a decision.
func Onboard(
	ctx context.Context, client *passfort.Client, person *passfort.EntityData, product string,
) (*passfort.Application, error) {
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role:          passfort.RoleIndividualCustomer,
		CollectedData: person,
		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: product}}},
	})
	if err != nil {
		return nil, err
	}
	_, err = client.Checks.RunAndWait(ctx, profile.ID, &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck,
	}, nil)
	if err != nil {
		return nil, err
	}
	id := profile.Applications[0].ID
	application, err := client.Applications.Wait(ctx, profile.ID, id, (*passfort.Application).Settled, nil)
	if err != nil || application.Flag != passfort.ApplicationFlagReadyForDecision {
		return application, err // decided already, or a person decides
	}
	return client.Applications.SetStatus(ctx, profile.ID, id, passfort.ApplicationStatusApproved)
}

// Move gives a person a new street and a new telephone number.
func Move(ctx context.Context, client *passfort.Client, profileID string, to passfort.Address, phone string) error {
	_, err := client.CollectedData.Update(ctx, profileID, func(data *passfort.EntityData) error {
		passfort.Ensure(&data.ContactDetails).PhoneNumber = phone
		data.AddressHistory = append(data.AddressHistory, passfort.DatedAddress{Address: &to})
		return nil
	})
	return err
}

// Find returns the profile of one of our customers, or ErrNotFound.
func Find(ctx context.Context, client *passfort.Client, customer string) (*passfort.Profile, error) {
	return client.Profiles.FindByCustomerRef(ctx, customer)
}

// Walk calls fn with every profile, eight at a time. What is done goes on the
// checkpoint, which the caller stores: a walk that was killed goes on from there.
func Walk(
	ctx context.Context, client *passfort.Client, done *passfort.Checkpoint,
	fn func(context.Context, *passfort.Profile) error,
) error {
	profiles := client.Profiles.All(ctx, &passfort.ProfileListOptions{Checkpoint: done, Ahead: 4})
	return passfort.Each(ctx, profiles, 8, func(ctx context.Context, p *passfort.Profile) error {
		if err := fn(ctx, p); err != nil {
			return err
		}
		done.Add(p)
		return nil
	})
}

// AccountNumber returns a number of any length out of a field of our own.
func AccountNumber(data *passfort.EntityData, field string) (string, bool) {
	number, ok := data.CustomField(field).Number()
	return number.String(), ok
}

// SubmitPassport submits a passport out of a file, which is opened anew if an
// attempt has to be repeated.
func SubmitPassport(ctx context.Context, client *passfort.Client, profileID, file string) (*passfort.Document, error) {
	return client.Documents.Submit(ctx, profileID, &passfort.DocumentSubmission{
		Category: passfort.DocumentCategoryProofOfIdentity,
		Type:     passfort.DocumentTypePassport,
		Images: []passfort.ImageUpload{{
			Type: passfort.ImageTypeFront,
			Open: func() (io.ReadCloser, error) { return os.Open(file) },
		}},
	})
}

// Missing says what an identity check would miss, before it is paid for.
func Missing(person *passfort.EntityData) []string {
	var missing []string
	for _, problem := range person.ValidateFor(passfort.CheckTypeIdentityCheck) {
		missing = append(missing, problem.Pointer)
	}
	return missing
}

// Status reads the status of a profile for a page that a person waits for: one
// attempt of a second, and the page's own request id on it.
func Status(
	ctx context.Context, client *passfort.Client, profileID, requestID string,
) (passfort.ProfileStatus, error) {
	return client.Profiles.Status(ctx, profileID,
		passfort.MaxAttempts(1), passfort.AttemptTimeout(time.Second), passfort.Header("X-Request-Id", requestID))
}

// Export writes what the SDK has no method for, and what is no JSON.
func Export(ctx context.Context, client *passfort.Client, profileID string, w io.Writer) error {
	_, err := passfort.DoTo(ctx, client, passfort.Request{
		Method: "GET", Path: passfort.Path("profiles", profileID, "export"),
	}, w)
	return err
}

// Latest returns the check that was completed last, or nil.
func Latest(checks []passfort.Check) *passfort.Check {
	var latest *passfort.Check
	var at time.Time
	for i := range checks {
		if t, ok := checks[i].CompletedAt(); ok && !t.Before(at) {
			latest, at = &checks[i], t
		}
	}
	return latest
}
