package passfort_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// onboard takes one person from nothing to a decision.
func onboard(ctx context.Context, client *passfort.Client, person *passfort.EntityData) (*passfort.Application, error) {
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role:          passfort.RoleIndividualCustomer,
		CollectedData: person,
	})
	if err != nil {
		return nil, err
	}
	application, err := client.Applications.Create(ctx, profile.ID, &passfort.ApplicationRequest{
		Product: passfort.ProductRef{Alias: "current_account"},
	})
	if err != nil {
		return nil, err
	}
	check, err := client.Checks.RunAndWait(ctx, profile.ID, &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck,
	}, nil)
	if err != nil {
		return nil, err
	}
	if check.Decision != passfort.DecisionPass {
		return application, nil // a person decides
	}
	application, err = client.Applications.Wait(ctx, profile.ID, application.ID, (*passfort.Application).Settled, nil)
	if err != nil || application.Flag != passfort.ApplicationFlagReadyForDecision {
		return application, err // decided already, or a person decides
	}
	return client.Applications.SetStatus(ctx, profile.ID, application.ID, passfort.ApplicationStatusApproved)
}

// The quickstart of the README, against a simulator.
func Example() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client() // or passfort.New(apiKey)

	person := passfort.NewIndividual()
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sampleton"},
		DOB:  "1990-04-12",
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	application, err := onboard(ctx, client, person)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(application.Product.Alias, application.Status)
	// Output: current_account APPROVED
}

// newCustomer creates a profile for an example.
func newCustomer(ctx context.Context, client *passfort.Client) *passfort.Profile {
	person := passfort.NewIndividual()
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sampleton"},
	}
	person.ContactDetails = &passfort.ContactDetails{PhoneNumber: "+44 20 7946 0958"}
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role:          passfort.RoleIndividualCustomer,
		CollectedData: person,
		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "current_account"}}},
	})
	if err != nil {
		panic(err)
	}
	return profile
}

func ExampleClient_WhoAmI() {
	srv := passforttest.NewServer(passforttest.WithInstitution("Sample Bank"),
		passforttest.WithAPIKeyName("onboarding service"))
	defer srv.Close()
	client := srv.Client()

	who, err := client.WhoAmI(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(who.AuditeeName, "of", who.Institution.Name)
	// Output: onboarding service of Sample Bank
}

func ExampleProfilesService_Create() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()

	company := passfort.NewCompany()
	company.Metadata = &passfort.CompanyMetadata{
		Name: "Sampleton Teapots Ltd", Number: "09999999", CountryOfIncorporation: "GBR",
	}
	profile, err := client.Profiles.Create(context.Background(), &passfort.ProfileRequest{
		Role:          passfort.RoleCompanyCustomer,
		CollectedData: company,
		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "business_account"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.DisplayName, profile.Applications[0].Status)
	// Output: Sampleton Teapots Ltd APPLIED
}

func ExampleProfilesService_All() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	newCustomer(ctx, client)
	newCustomer(ctx, client)

	count := 0
	for profile, err := range client.Profiles.All(ctx, &passfort.ProfileListOptions{Query: "Sampleton", Ahead: 4}) {
		if errors.Is(err, passfort.ErrPagesMoved) {
			fmt.Println("profiles were deleted meanwhile: begin again")
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		count++
		fmt.Println(profile.DisplayName)
	}
	fmt.Println(count)
	// Output:
	// Robin Sampleton
	// Robin Sampleton
	// 2
}

func ExampleCollectedDataService_Update() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	attempt := 0
	data, err := client.CollectedData.Update(ctx, profile.ID, func(data *passfort.EntityData) error {
		attempt++
		if attempt == 1 {
			// A colleague is quicker, in the portal.
			_, err := srv.EditCollectedData(profile.ID, func(data map[string]any) { data["customer_ref"] = "C-1042" })
			if err != nil {
				return err
			}
		}
		data.ContactDetails.Email = "robin@mail.example"
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the change ran", attempt, "times")
	fmt.Println(data.ContactDetails.Email, data.ContactDetails.PhoneNumber, data.CustomerRef)
	// Output:
	// the change ran 2 times
	// robin@mail.example +44 20 7946 0958 C-1042
}

func ExampleConflictError() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	data, err := client.CollectedData.Get(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := srv.EditCollectedData(profile.ID, func(data map[string]any) {
		data["customer_ref"] = "C-1042"
	}); err != nil {
		fmt.Println(err)
		return
	}
	data.CustomerRef = "C-2000"
	_, err = client.CollectedData.Replace(ctx, profile.ID, data)
	var conflict *passfort.ConflictError
	if errors.As(err, &conflict) {
		fmt.Println("nothing was written; it is now", conflict.Latest.CustomerRef)
		fmt.Println("would the same write be refused again?", conflict.Stuck)
	}
	// Output:
	// nothing was written; it is now C-1042
	// would the same write be refused again? false
}

func ExampleApplicationsService_Wait() {
	srv := passforttest.NewServer(passforttest.WithProducts(
		passforttest.Product{Alias: "savings_account", Tasks: []passforttest.ProductTask{}},
	))
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	application, err := client.Applications.Create(ctx, profile.ID, &passfort.ApplicationRequest{
		Product: passfort.ProductRef{Alias: "savings_account"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	application, err = client.Applications.Wait(ctx, profile.ID, application.ID, func(a *passfort.Application) bool {
		return a.Flag == passfort.ApplicationFlagReadyForDecision
	}, &passfort.WaitOptions{MinInterval: 20 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	application, err = client.Applications.SetStatus(ctx, profile.ID, application.ID,
		passfort.ApplicationStatusApproved)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(application.Product.Alias, application.Status, application.Flag)
	// Output: savings_account APPROVED DECIDED
}

func ExampleApplication_approvalBlockers() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	applications, err := client.Applications.List(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, application := range applications {
		for _, blocker := range application.ApprovalBlockers {
			fmt.Println(application.Product.Alias, blocker.BlockerType, blocker.TaskType)
		}
	}
	// Output: current_account INCOMPLETE_TASK INDIVIDUAL_VERIFY_IDENTITY
}

func ExampleChecksService_RunAndWait() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	profile := newCustomer(ctx, client)

	check, err := client.Checks.RunAndWait(ctx, profile.ID, &passfort.CheckRequest{
		Type: passfort.CheckTypePEPsAndSanctionsScreen,
		Mode: passfort.CheckModeAsync,
	}, &passfort.WaitOptions{MinInterval: 20 * time.Millisecond})
	var waited *passfort.WaitError
	switch {
	case errors.As(err, &waited):
		fmt.Println("it goes on at Passfort:", waited.Check.State) // wait for it again, do not run another
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(check.Result, check.Decision)
	}
	// Output: Pass PASS
}

func ExampleTasksService_Complete() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	tasks, err := client.Tasks.List(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	note := &passfort.NoteRequest{Text: "Seen in the branch."}
	if _, err := client.Tasks.AddNote(ctx, profile.ID, tasks[0].ID, note); err != nil {
		fmt.Println(err)
		return
	}
	task, err := client.Tasks.Complete(ctx, profile.ID, tasks[0].ID, passfort.TaskStateCompletedPass)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.Type, task.State)
	// Output: INDIVIDUAL_VERIFY_IDENTITY COMPLETED_PASS
}

func ExampleEventsService_Resolve() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)
	if _, err := srv.AddEvent(profile.ID, map[string]any{"event_type": "SANCTION_FLAG",
		"match_name": "Robin Sampleton"}); err != nil {
		fmt.Println(err)
		return
	}

	events, err := client.Events.List(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, event := range events {
		if event.Resolution != passfort.EventResolutionUnresolved {
			continue
		}
		// EventResolutionConfirmed is the other answer: it is the customer.
		resolved, err := client.Events.Resolve(ctx, profile.ID, event.ID, passfort.EventResolutionDismissed,
			"another date of birth")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resolved.Data.EventType, resolved.Resolution)
	}
	// Output: SANCTION_FLAG MISMATCH
}

func ExampleTagsService() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	tag, err := client.Tags.Add(ctx, profile.ID, "branch 12")
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := client.Tags.Search(ctx, "branch", 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	removed, err := client.Tags.Remove(ctx, profile.ID, tag.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(found), removed.Name)
	// Output: 1 branch 12
}

func ExampleCollectService_SetSteps() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	steps, err := client.Collect.SetSteps(ctx, profile.ID, []passfort.CollectionStep{
		{CollectionType: passfort.CollectionTypeDOB, Precision: passfort.DatePrecisionYearMonthDay},
		{CollectionType: passfort.CollectionTypeEmail},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range steps {
		fmt.Println(step.CollectionType)
	}
	key, err := client.Collect.CreateProfileKey(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(key.Key) // Reveal gives the key itself
	// Output:
	// DOB
	// EMAIL
	// [redacted]
}

func ExampleSearchService_Companies() {
	srv := passforttest.NewServer(passforttest.WithCompanies(
		passforttest.Company{Name: "SAMPLETON TEAPOTS LTD", Number: "09999999", Country: "GBR"},
	))
	defer srv.Close()
	client := srv.Client()

	result, err := client.Search.Companies(context.Background(), &passfort.CompanySearchOptions{
		Country: "GBR", Query: "teapots",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, company := range result.Companies {
		fmt.Println(company.Number, company.Name)
	}
	// Output: 09999999 SAMPLETON TEAPOTS LTD
}

func ExampleAuditService_Items() {
	srv := passforttest.NewServer(passforttest.WithAPIKeyName("onboarding service"))
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	items, err := client.Audit.Items(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range items {
		if item.Action == passfort.AuditActionCreatedProfile {
			fmt.Println(item.Action, "by", item.APIKey.Name)
		}
	}
	// Output: created-profile by onboarding service
}
