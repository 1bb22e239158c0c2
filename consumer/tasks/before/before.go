// Package before holds the twelve tasks as a service had to write them with version
// 0.1 of the SDK, for comparison: nothing in it needs a name that is newer.
package before

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// Connect returns a client as the environment says: key, region or address.
func Connect(opts ...passfort.Option) (*passfort.Client, error) {
	base := os.Getenv("PASSFORT_BASE_URL")
	if base == "" {
		switch region := os.Getenv("PASSFORT_REGION"); region {
		case "", "eu":
		case "us", "ae":
			base = "https://api." + region + ".maxsight.com/4.0"
		default:
			return nil, fmt.Errorf("PASSFORT_REGION is %q", region)
		}
	}
	if base != "" {
		opts = append([]passfort.Option{passfort.WithBaseURL(base)}, opts...)
	}
	return passfort.New(os.Getenv("PASSFORT_API_KEY"), opts...)
}

// ForAccounts returns a client for the key of each account. They share one pool of
// connections.
func ForAccounts(base string, keys map[string]string) (map[string]*passfort.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 1024
	transport.MaxIdleConnsPerHost = 1024
	transport.MaxConnsPerHost = 1024
	transport.DisableCompression = true
	shared := &http.Client{Transport: transport}
	clients := make(map[string]*passfort.Client, len(keys))
	for account, key := range keys {
		own, err := passfort.New(key, passfort.WithBaseURL(base), passfort.WithHTTPClient(shared))
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
	application, err := client.Applications.Wait(ctx, profile.ID, id, func(a *passfort.Application) bool {
		switch a.Status {
		case passfort.ApplicationStatusApproved, passfort.ApplicationStatusRejected,
			passfort.ApplicationStatusCancelled, passfort.ApplicationStatusInReview:
			return true
		}
		switch a.Flag {
		case passfort.ApplicationFlagReadyForDecision, passfort.ApplicationFlagRequiresManualTaskCompletion,
			passfort.ApplicationFlagRequiresData, passfort.ApplicationFlagWaitingOnEscalation:
			return true
		}
		return false
	}, nil)
	if err != nil || application.Flag != passfort.ApplicationFlagReadyForDecision {
		return application, err // decided already, or a person decides
	}
	return client.Applications.SetStatus(ctx, profile.ID, id, passfort.ApplicationStatusApproved)
}

// Move gives a person a new street and a new telephone number.
func Move(ctx context.Context, client *passfort.Client, profileID string, to passfort.Address, phone string) error {
	_, err := client.CollectedData.Update(ctx, profileID, func(data *passfort.EntityData) error {
		if data.ContactDetails == nil {
			data.ContactDetails = new(passfort.ContactDetails)
		}
		data.ContactDetails.PhoneNumber = phone
		data.AddressHistory = append(data.AddressHistory, passfort.DatedAddress{Address: &to})
		return nil
	})
	return err
}

// Find returns the profile of one of our customers, or ErrNotFound.
func Find(ctx context.Context, client *passfort.Client, customer string) (*passfort.Profile, error) {
	for profile, err := range client.Profiles.All(ctx, &passfort.ProfileListOptions{Limit: 200}) {
		if err != nil {
			return nil, err
		}
		if profile.CollectedData != nil && profile.CollectedData.CustomerRef == customer {
			return profile, nil
		}
	}
	return nil, passfort.ErrNotFound
}

// Walk calls fn with every profile, eight at a time. The ids of those that are done
// are kept in done, which the caller stores.
func Walk(
	ctx context.Context, client *passfort.Client, done *sync.Map,
	fn func(context.Context, *passfort.Profile) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *passfort.Profile)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for p := range work {
				if err := fn(ctx, p); err != nil {
					cancel(err)
					continue
				}
				done.Store(p.ID, true)
			}
		})
	}
	for p, err := range client.Profiles.All(ctx, nil) {
		if err != nil {
			cancel(err)
			break
		}
		if _, ok := done.Load(p.ID); ok {
			continue
		}
		select {
		case work <- p:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	workers.Wait()
	return context.Cause(ctx)
}

// AccountNumber returns a number of any length out of a field of our own.
func AccountNumber(data *passfort.EntityData, field string) (string, bool) {
	switch value := data.CustomFieldsData[field].(type) {
	case json.Number:
		return value.String(), true
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64), true
	}
	return "", false
}

// SubmitPassport submits a passport out of a file. It is held in memory, so that an
// attempt can be repeated.
func SubmitPassport(ctx context.Context, client *passfort.Client, profileID, file string) (*passfort.Document, error) {
	scan, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return client.Documents.Submit(ctx, profileID, &passfort.DocumentSubmission{
		Category: passfort.DocumentCategoryProofOfIdentity,
		Type:     passfort.DocumentTypePassport,
		Images:   []passfort.ImageUpload{{Type: passfort.ImageTypeFront, Body: bytes.NewReader(scan)}},
	})
}

// Missing says what an identity check would miss, before it is paid for.
func Missing(person *passfort.EntityData) []string {
	var missing []string
	details := person.PersonalDetails
	if details == nil {
		details = new(passfort.PersonalDetails)
	}
	name := details.Name
	if name == nil {
		name = new(passfort.FullName)
	}
	if name.FamilyName == "" {
		missing = append(missing, "/personal_details/name/family_name")
	}
	if len(name.GivenNames) == 0 {
		missing = append(missing, "/personal_details/name/given_names")
	}
	if !regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`).MatchString(details.DOB) {
		missing = append(missing, "/personal_details/dob")
	}
	if len(person.AddressHistory) == 0 {
		missing = append(missing, "/address_history")
	}
	return missing
}

// withRequestID puts a header on every request.
type withRequestID struct {
	id   string
	next http.RoundTripper
}

func (t withRequestID) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Request-Id", t.id)
	return t.next.RoundTrip(r)
}

// Status reads the status of a profile for a page that a person waits for: one
// attempt of a second, and the page's own request id on it.
func Status(ctx context.Context, base, key, profileID, requestID string) (passfort.ProfileStatus, error) {
	client, err := passfort.New(key, passfort.WithBaseURL(base),
		passfort.WithHTTPClient(&http.Client{Transport: withRequestID{requestID, http.DefaultTransport}}),
		passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return client.Profiles.Status(ctx, profileID)
}

// Export writes what the SDK has no method for, and what is no JSON.
func Export(ctx context.Context, base, key, profileID string, w io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/profiles/"+profileID+"/export", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Apikey", key)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New("the export was answered with " + strconv.Itoa(answer.StatusCode))
	}
	_, err = io.Copy(w, answer.Body)
	return err
}

// Latest returns the check that was completed last, or nil.
func Latest(checks []passfort.Check) *passfort.Check {
	var latest *passfort.Check
	var at time.Time
	for i := range checks {
		c := &checks[i]
		text := c.CompletedOn
		if text == "" {
			text = c.PerformedOn
		}
		if text == "" {
			continue
		}
		t, err := passfort.ParseDateTime(text)
		if err == nil && !t.Before(at) {
			latest, at = c, t
		}
	}
	return latest
}
