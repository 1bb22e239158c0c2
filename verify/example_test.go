package verify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

// What an account does, on the terminal and in a file.
func ExampleRun() {
	client, err := passfort.NewFromEnv()
	if err != nil {
		fmt.Println("PASSFORT_API_KEY is not set")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	report, err := verify.Run(ctx, client, verify.Options{Progress: func(s verify.Step) {
		if s.Finding == nil {
			fmt.Println(s.Number, s.Of, s.Probe.Asks)
		}
	}})
	switch {
	case errors.Is(err, passfort.ErrInvalidInput), errors.Is(err, verify.ErrDeclined):
		fmt.Println("nothing was sent:", err)
		return
	case err != nil:
		fmt.Println("stopped; what there is so far:")
	}
	_ = report.WriteText(os.Stdout)
	if f, err := os.Create("report.json"); err == nil {
		_ = report.WriteJSON(f)
		_ = f.Close()
	}
}

// A demo run, by a program that asks first.
func ExamplePlan() {
	plan := verify.TierDemo.Plan()
	fmt.Println(plan.Tier, "makes at most", plan.MaxRequests, "requests in", plan.MaxTime)
	fmt.Println(verify.TierListen, verify.TierListen.Plan().May)
	// Output:
	// demo makes at most 120 requests in 6m0s
	// listen receives webhooks and sends nothing.
}

// Which beliefs an account does not share, and what that means for code.
func ExampleReport_With() {
	account := passforttest.NewServer(passforttest.WithSwitches(passforttest.Switches{ErrorsAsObject: true}))
	defer account.Close()
	report, err := verify.Run(context.Background(), account.Client(), verify.Options{Pace: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range report.With(verify.Differs) {
		fmt.Printf("%s: %s (%s)\n", f.Probe, f.Seen, f.Switch)
	}
	fmt.Println(report.Count(verify.Confirmed) > 10, report.Count(verify.NotTried) > 10)
	// Output:
	// error-shape: one bare object (ErrorsAsObject)
	// true true
}

// Tests against a simulator that answers as the account did.
func ExampleReadReport() {
	report, err := verify.ReadReport(strings.NewReader(`{"tier": "read", "findings": [
		{"probe": "errors-in-200", "verdict": "differs", "switch": "ErrorsInOK"},
		{"probe": "list-order", "verdict": "not seen", "switch": "ListOrder"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	account := passforttest.NewServer(passforttest.Like(report))
	defer account.Close()
	_, err = account.Client().Profiles.Get(context.Background(), "00000000-0000-4000-8000-000000000000")
	var failed *passfort.Error
	fmt.Println(errors.As(err, &failed), failed.StatusCode)
	fmt.Println("not seen:", report.Unseen())
	// Output:
	// true 200
	// not seen: [ListOrder]
}

// Which shapes webhooks have.
func ExampleListener() {
	listener, err := verify.NewListener(verify.ListenOptions{Secrets: []string{"s3cr3t"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	in := httptest.NewServer(listener)
	defer in.Close()
	account := passforttest.NewServer()
	defer account.Close()
	account.SetWebhook(in.URL, "s3cr3t", true)
	_, err = account.Client().Profiles.Create(context.Background(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
	})
	if err != nil || account.WaitWebhooks(context.Background()) != nil {
		return
	}
	for _, f := range listener.Report().Findings {
		if f.Probe == "batch-shape" {
			fmt.Println(f.Verdict, f.Seen)
		}
	}
	// Output: confirmed an array
}

// What is asked, and why that is safe.
func ExampleProbes() {
	for _, p := range verify.Probes() {
		if p.Name == "etag-quotes" {
			fmt.Println(p.Tier, p.Switch, p.Belief)
		}
	}
	// Output: read SingleQuotedETags the ETag is in double quotes
}
