// Package passfort is a client of the Passfort 4.0 API, with which companies
// verify the people and companies they deal with (KYC).
//
// # Quickstart
//
//	client, err := passfort.New(os.Getenv("PASSFORT_API_KEY"))
//	if err != nil {
//		return err
//	}
//	person := passfort.NewIndividual()
//	person.PersonalDetails = &passfort.PersonalDetails{
//		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sampleton"},
//		DOB:  "1990-04-12",
//	}
//	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
//		Role:          passfort.RoleIndividualCustomer,
//		CollectedData: person,
//		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "current_account"}}},
//	})
//	if err != nil {
//		return err
//	}
//	check, err := client.Checks.RunAndWait(ctx, profile.ID, &passfort.CheckRequest{
//		Type: passfort.CheckTypeIdentityCheck,
//	}, nil)
//	if err != nil {
//		return err
//	}
//	fmt.Println(check.Decision)
//
// The example of the package does this and approves the application. "go run ./examples/onboarding"
// in the repository shows a person and a company from the first profile to the decision, without a
// key. Package passforttest is the Passfort that both run against, and that your own tests can.
//
// # The words
//
// A profile is one customer, a person or a company, or an associate of a
// company. Its collected data is what the customer gave you. It applies for
// products; an application requires tasks, and tasks are completed by checks
// that data providers run, or by people. When nothing blocks an application any
// more, it is approved, or rejected. A customer request asks the customer for
// data with a hosted form. Webhooks tell you of all that.
//
// # Clients and calls
//
// [New] makes a [Client] without connecting; [Client.WhoAmI] tries the key. A
// Client is safe for concurrent use and never changes. Its fields are the parts
// of the API: Profiles, CollectedData, Applications, Checks, Tasks, and so on.
// Every call is bounded by its context, every attempt has a limit of its own on
// top. [CallOption] values such as [CaptureResponse] change one call. [Do] sends
// what the package has no method for, over the same road.
//
// # Changing collected data
//
// Passfort replaces all of the collected data with each write, and people change
// it in the portal meanwhile. [CollectedDataService.Update] takes a function
// that makes one change, sends the result only if the data is unchanged, and runs
// the function again on the newer data if it is not:
//
//	data, err := client.CollectedData.Update(ctx, profileID, func(data *passfort.EntityData) error {
//		data.CustomerRef = "C-1042"
//		return nil
//	})
//
// What the function does not touch goes back unchanged: members this
// package does not know, at every depth, explicit nulls, empty strings, the last
// digit of long numbers, and text that is not valid Unicode (Go strings have
// U+FFFD for the broken part).
//
// # Values
//
// Strings are plain, and "" is absent. Booleans, numbers and nested objects are
// pointers. Lists are slices, and nil is absent. Ids and dates are strings;
// [ParseDateTime] and [ParsePartialDate] read the latter. Enums are strings with
// constants and a method Known; a value that appears later is never an error.
// Every struct of the API's data has a field Unknown with the members it has no
// field for.
//
// # Checks take time
//
// A check may take seconds or, where people look at documents, days. Even in
// [CheckModeSync] it may come back unfinished. [ChecksService.Wait] asks with
// growing pauses until it is done or the context ends; with a [CheckInbox] that
// a [WebhookHandler] fills, it returns as soon as the webhook arrives.
//
// # Errors
//
// A call that was refused, lost or never sent returns an [*Error]; bad input is
// found before anything leaves. An error of your own function comes back as it
// is, and a wait that ends with its context returns a [*WaitError].
//
// For a write, the question is what happened at Passfort, and
// [Error].Outcome answers it: it was not sent, it was rejected, or its outcome is unknown.
//
//	switch {
//	case errors.Is(err, passfort.ErrOutcomeUnknown):
//		// It may have been done. Look before you repeat it.
//	case errors.Is(err, passfort.CodeChargeableLimitReached):
//		// Passfort's own codes are errors to compare with.
//	case errors.Is(err, passfort.ErrNotFound):
//	}
//
// Calls are repeated by themselves only where that can do no harm: reads, writes
// that are conditional or leave the same state, and everything that provably
// never left or that the server turned away with 429. See [RetryPolicy].
//
// # What is logged
//
// Nothing, unless [WithLogger] or [WithObserver] asks for it. Logs, error texts
// and what observers receive are made of operation names, route templates,
// statuses, codes and durations: never keys, ids, queries, headers or bodies.
// [Secret] values print as "[redacted]".
//
// # What is not certain
//
// The API is not described by a current public document, and this package
// has not run against a live account. Comments name the page
// and the section of docs/api that holds the fact, its source, its age and how
// sure it is. Please report what differs; [WithDriftReporter] finds it.
package passfort
