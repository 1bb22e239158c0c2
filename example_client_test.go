package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// An account lives in one region.
func ExampleWithBaseURL() {
	for _, region := range []string{passfort.BaseURLEU, passfort.BaseURLUS, passfort.BaseURLAE} {
		client, err := passfort.New("the-key-of-the-account", passfort.WithBaseURL(region))
		fmt.Println(client != nil, err)
	}
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
}

// Transports of your own begin with a copy of the SDK's, so that the pool and the
// pings of HTTP/2 stay.
func ExampleDefaultTransport() {
	transport := passfort.DefaultTransport()
	transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.sampleton.example:3128"})
	client, err := passfort.New("key", passfort.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections() // a client of one job; others keep theirs
}

func ExampleWithMaxAnswer() {
	srv := passforttest.New()
	defer srv.Close()
	client := srv.Client(passfort.WithMaxAnswer(20)) // bytes: far too few
	_, err := client.WhoAmI(context.Background())
	fmt.Println(errors.Is(err, passfort.ErrAnswerTooLarge))
	// Output: true
}

// A support case gets the shape of what was sent, without a value.
func ExampleWithWireDump() {
	srv := passforttest.New()
	defer srv.Close()
	var dump bytes.Buffer
	id := exampleProfile(context.Background(), srv.Client(passfort.WithWireDump(&dump)))
	fmt.Println(strings.Contains(dump.String(), "--> POST "), strings.Contains(dump.String(), id))
	// Output: true false
}

// Codes that need a person, and one that passes.
func ExampleErrorCode() {
	next := func(err error) string {
		switch {
		case errors.Is(err, passfort.CodeTooManyMatches):
			return "add to the data: too many people match it"
		case errors.Is(err, passfort.CodeProviderMisconfigured):
			return "mend the provider's settings in the portal"
		case errors.Is(err, passfort.CodeProviderTimeout):
			return "read the check again later"
		}
		return "as for any other error"
	}
	fmt.Println(next(passfort.CodeProviderTimeout))
	fmt.Println(next(io.ErrUnexpectedEOF))
	// Output:
	// read the check again later
	// as for any other error
}

// An answer that is no JSON goes into a writer.
func ExampleDoTo() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	var report bytes.Buffer
	got, err := passfort.DoTo(ctx, client, passfort.Request{
		Method: http.MethodGet,
		Path:   passfort.Path("profiles", profile.ID, "audit", "pdf_report"),
		Route:  "/profiles/{profile_id}/audit/pdf_report", // what errors and logs may show
	}, &report)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.StatusCode, got.Header.Get("Content-Type"), report.Len() > 0)
	// Output: 200 application/pdf true
}

// A walk over all profiles, four at a time, that goes on after a kill.
func ExampleEach() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	exampleProfile(ctx, client)
	exampleProfile(ctx, client)

	place := new(passfort.Checkpoint) // or unmarshalled from what was stored
	profiles := client.Profiles.All(ctx, &passfort.ProfileListOptions{Checkpoint: place})
	err := passfort.Each(ctx, profiles, 4, func(_ context.Context, profile *passfort.Profile) error {
		// What is to be done with the profile.
		place.Add(profile)
		stored, err := json.Marshal(place) // keep it in the same transaction
		_ = stored
		return err
	})
	fmt.Println(place.Done(), "of", place.Total(), err)
	// Output: 2 of 2 <nil>
}

func ExampleClient_WithKey() {
	srv := passforttest.New()
	defer srv.Close()
	live := srv.Client()
	// Another account: the same connections, limiter and settings.
	other, err := live.WithKey(srv.APIKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := other.WhoAmI(context.Background(),
		passfort.Header("X-Correlation-Id", "c-1"), passfort.MaxAttempts(2), passfort.AttemptTimeout(10*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(who.Institution.Name)
	// Output: Simulated Institution
}

func ExampleDo() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	newCustomer(ctx, client)

	type page struct {
		Count int `json:"count"`
	}
	got, err := passfort.Do[page](ctx, client, passfort.Request{
		Method: http.MethodGet,
		Path:   passfort.Path("profiles"),
		Query:  url.Values{"limit": {"1"}},
		Route:  "/profiles", // what errors and logs may show
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Count)
	// Output: 1
}

func ExampleError() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)
	application := profile.Applications[0]

	_, err := client.Applications.SetStatus(ctx, profile.ID, application.ID, passfort.ApplicationStatusApproved)
	var failed *passfort.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Operation, failed.StatusCode, failed.Outcome)
	}
	if errors.Is(err, passfort.CodeConstraintsNotSatisfied) {
		fmt.Println("not ready: see its approval blockers")
	}
	// Output:
	// Applications.SetStatus 400 rejected
	// not ready: see its approval blockers
}

func ExampleOutcome() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()

	srv.Inject(passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true})
	_, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	fmt.Println(errors.Is(err, passfort.ErrOutcomeUnknown))
	fmt.Println("requests sent:", srv.Count("Profiles.Create"))
	// Output:
	// true
	// requests sent: 1
}

// A simulator in another container is reached without https. Never give a real key
// to such a client.
func ExampleWithPlainHTTP() {
	_, err := passfort.New("made-up-key", passfort.WithBaseURL("http://passfort-sim:4010/4.0"),
		passfort.WithPlainHTTP())
	fmt.Println(err)
	// Output: <nil>
}
