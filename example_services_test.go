package passfort_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// report prints the error of an example, if there is one.
func report(err error) {
	if err != nil {
		fmt.Println(err)
	}
}

// ban bans a customer, unless it is banned already.
func ban(ctx context.Context, client *passfort.Client, profileID string) error {
	status, err := client.Profiles.Status(ctx, profileID)
	if err != nil || status == passfort.ProfileStatusBanned {
		return err
	}
	status, err = client.Profiles.SetStatus(ctx, profileID, passfort.ProfileStatusBanned)
	if err != nil {
		return err
	}
	fmt.Println(status)
	return nil
}

func ExampleProfilesService_SetStatus() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	profile := newCustomer(context.Background(), client)

	report(ban(context.Background(), client, profile.ID))
	report(ban(context.Background(), client, profile.ID)) // nothing to do
	// Output: BANNED
}

func ExampleProfilesService_Delete() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	if err := client.Profiles.Delete(ctx, profile.ID, "the customer asked for it"); err != nil {
		fmt.Println(err) // after ErrOutcomeUnknown, see whether Get finds it
		return
	}
	_, err := client.Profiles.Get(ctx, profile.ID)
	fmt.Println(errors.Is(err, passfort.ErrNotFound))
	// Output: true
}

// reopen takes back a rejection.
func reopen(ctx context.Context, client *passfort.Client, profileID, applicationID string) error {
	application, err := client.Applications.Get(ctx, profileID, applicationID)
	if err != nil || application.Status != passfort.ApplicationStatusRejected {
		return err
	}
	// The API may make a new application of it: go on with the id it answers.
	application, err = client.Applications.RevertDecision(ctx, profileID, applicationID, "rejected by mistake")
	if err != nil {
		return err
	}
	fmt.Println(application.Status)
	return nil
}

func ExampleApplicationsService_RevertDecision() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)
	application, err := client.Applications.SetStatus(ctx, profile.ID, profile.Applications[0].ID,
		passfort.ApplicationStatusRejected)
	if err != nil {
		fmt.Println(err)
		return
	}

	report(reopen(ctx, client, profile.ID, application.ID))
	// Output: APPLIED
}

func ExampleCheck_IdentityResult() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	check, err := client.Checks.Run(ctx, profile.ID, &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck,
		Mode: passfort.CheckModeSync,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	output, err := check.IdentityResult()
	switch {
	case errors.Is(err, passfort.ErrNoOutput):
		fmt.Println("not complete yet:", check.State) // Wait for it
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(check.Decision, len(output.ElectronicIDCheck.Matches) > 0)
	}
	// Output: PASS true
}

// assign makes every screening of a profile count for the task.
func assign(ctx context.Context, client *passfort.Client, profileID, taskID string) error {
	checks, err := client.Checks.List(ctx, profileID)
	if err != nil {
		return err
	}
	for _, check := range checks {
		if check.Type != passfort.CheckTypePEPsAndSanctionsScreen {
			continue
		}
		updated, err := client.Checks.SetTasks(ctx, profileID, check.ID, []string{taskID})
		if err != nil {
			return err
		}
		fmt.Println(updated.Type, len(updated.TaskIDs))
	}
	return nil
}

func ExampleChecksService_SetTasks() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)
	if _, err := client.Checks.Run(ctx, profile.ID,
		&passfort.CheckRequest{Type: passfort.CheckTypePEPsAndSanctionsScreen}); err != nil {
		fmt.Println(err)
		return
	}
	task, err := client.Tasks.Create(ctx, profile.ID, &passfort.TaskRequest{
		Type: passfort.TaskTypeIndividualManualTask,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	report(assign(ctx, client, profile.ID, task.ID))
	// Output: PEPS_AND_SANCTIONS_SCREEN 1
}

// overrule decides by hand about a check that did not pass automatically.
func overrule(ctx context.Context, client *passfort.Client, profileID, checkID string, genuine bool) error {
	check, err := client.Checks.Get(ctx, profileID, checkID)
	if err != nil || check.Decision == passfort.DecisionPass {
		return err
	}
	if genuine {
		return client.Checks.Approve(ctx, profileID, check.ID)
	}
	return client.Checks.Reject(ctx, profileID, check.ID)
}

func ExampleChecksService_Approve() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)
	srv.SetCheckOutcome(passfort.CheckTypeIdentityCheck, passforttest.Outcome{Result: passfort.CheckResultFail})
	check, err := client.Checks.Run(ctx, profile.ID, &passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck})
	if err != nil {
		fmt.Println(err)
		return
	}

	report(overrule(ctx, client, profile.ID, check.ID, true))
	checks, err := client.Checks.List(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range checks { // the decision is a check of its own
		fmt.Println(c.ID == check.ID, c.Decision)
	}
	// Unordered output:
	// true FAIL
	// false PASS
}

// tidy reopens a task and takes away the notes on it.
func tidy(ctx context.Context, client *passfort.Client, profileID, taskID string) error {
	task, err := client.Tasks.Get(ctx, profileID, taskID)
	if err != nil {
		return err
	}
	notes, err := client.Tasks.Notes(ctx, profileID, task.ID)
	if err != nil {
		return err
	}
	for _, note := range notes {
		if err := client.Tasks.DeleteNote(ctx, profileID, task.ID, note.ID); err != nil {
			return err
		}
		fmt.Println("deleted:", note.Text)
	}
	task, err = client.Tasks.Update(ctx, profileID, task.ID, &passfort.TaskUpdate{State: passfort.TaskStateIncomplete})
	if err != nil {
		return err
	}
	fmt.Println(task.State)
	return nil
}

func ExampleTasksService_Update() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)
	task, err := client.Tasks.Create(ctx, profile.ID, &passfort.TaskRequest{
		Type: passfort.TaskTypeIndividualManualTask,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Tasks.AddNote(ctx, profile.ID, task.ID,
		&passfort.NoteRequest{Text: "Ask for the original."}); err != nil {
		fmt.Println(err)
		return
	}

	report(tidy(ctx, client, profile.ID, task.ID))
	// Output:
	// deleted: Ask for the original.
	// INCOMPLETE
}

// flag adds two findings of your own to a profile and resolves them.
func flag(ctx context.Context, client *passfort.Client, profileID string) error {
	data := &passfort.EventData{EventType: passfort.EventTypeReferFlag, MatchName: "Robin Sampleton"}
	first, err := client.Events.Create(ctx, profileID, &passfort.Event{Data: data})
	if err != nil {
		return err
	}
	second, err := client.Events.Create(ctx, profileID, &passfort.Event{Data: data})
	if err != nil {
		return err
	}
	first, err = client.Events.Get(ctx, profileID, first.ID)
	if err != nil {
		return err
	}
	first.ResolutionReason = "looked into"
	if first, err = client.Events.Update(ctx, profileID, first.ID, first); err != nil {
		return err
	}
	second.Resolution = passfort.EventResolutionIgnore
	first.Resolution = passfort.EventResolutionMatch
	resolved, err := client.Events.BulkUpdate(ctx, profileID, []passfort.Event{*first, *second})
	if err != nil {
		return err
	}
	for _, event := range resolved {
		fmt.Println(event.Type(), event.Resolution, event.ResolutionReason)
	}
	return nil
}

func ExampleEventsService_BulkUpdate() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	profile := newCustomer(context.Background(), client)

	report(flag(context.Background(), client, profile.ID))
	// Output:
	// REFER_FLAG MATCH looked into
	// REFER_FLAG IGNORE
}

// statement is a file to upload. Only its first bytes look like a PDF.
const statement = "%PDF-1.7 a made up bank statement"

func ExampleFilesService_Upload() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	file, err := client.Files.Upload(ctx, profile.ID, &passfort.FileUpload{
		Name: "statement.pdf",
		Body: strings.NewReader(statement), // or an *os.File
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err = client.Files.Get(ctx, profile.ID, file.ID) // there is no list: keep the id
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.Name)

	var content bytes.Buffer
	_, err = client.Files.Download(ctx, profile.ID, file.ID, &content)
	fmt.Println("kept encrypted:", errors.Is(err, passfort.ErrContentUnavailable))
	// Output:
	// statement.pdf
	// kept encrypted: true
}

// addDocument makes a document of an image, step by step.
func addDocument(ctx context.Context, client *passfort.Client, profileID string) error {
	image, err := client.Documents.UploadImage(ctx, profileID, &passfort.ImageUpload{
		Type: passfort.ImageTypeFront,
		Body: strings.NewReader(statement),
	})
	if err != nil {
		return err
	}
	if image, err = client.Documents.GetImage(ctx, profileID, image.ID); err != nil {
		return err
	}
	images, err := client.Documents.ListImages(ctx, profileID)
	if err != nil {
		return err
	}
	document, err := client.Documents.Create(ctx, profileID, &passfort.DocumentRequest{
		Category: passfort.DocumentCategoryProofOfBankAccount,
		Type:     passfort.DocumentTypeBankStatement,
		ImageIDs: []string{image.ID},
	})
	if err != nil {
		return err
	}
	fmt.Println(len(images), document.Type)
	return nil
}

func ExampleDocumentsService_Create() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	profile := newCustomer(context.Background(), client)

	report(addDocument(context.Background(), client, profile.ID))
	// Output: 1 BANK_STATEMENT
}

func ExampleFormsService_CreateCustomerRequest() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client() // with the master key
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	request, err := client.Forms.CreateCustomerRequest(ctx, profile.ID, &passfort.CustomerRequestParams{
		FlowTemplate: "onboarding_flow",
		Theme:        "brand_theme",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(request.ID != "", request.APIKey) // store both; Reveal gives the key itself
	latest, err := client.Forms.CustomerRequest(ctx, profile.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(latest.ID == request.ID, *latest.IsCompleted)
	// Output:
	// true [redacted]
	// true false
}

func ExampleCollectService_CreateKey() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	one, two := newCustomer(ctx, client), newCustomer(ctx, client)

	key, err := client.Collect.CreateKey(ctx, []string{one.ID, two.ID})
	if err != nil {
		fmt.Println(err)
		return
	}
	steps, err := client.Collect.Steps(ctx, one.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(key.Key, len(steps))
	// Output: [redacted] 0
}

func ExampleSearchService_FormatAddress() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()

	found, err := client.Search.Addresses(ctx, &passfort.AddressSearchOptions{
		Address: "1 Sample Street", CountryCode: "GBR", Limit: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Searching is free, formatting costs credits: let the customer choose first.
	address, err := client.Search.FormatAddress(ctx, found.Results[0].ID, "GBR")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(address.Type, address.Country)
	// Output: STRUCTURED GBR
}

func ExampleAuditService_PDFReport() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	profile := newCustomer(ctx, client)

	var pdf bytes.Buffer // or a file: it is streamed
	if _, err := client.Audit.PDFReport(ctx, profile.ID, &pdf); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bytes.HasPrefix(pdf.Bytes(), []byte("%PDF")))
	// Output: true
}

func ExampleEnsure() {
	data := passfort.NewIndividual()
	passfort.Ensure(&data.ContactDetails).Email = "robin@sampleton.example"
	fmt.Println(passfort.Deref(data.ContactDetails).Email, passfort.Deref(data.PersonalDetails).DOB == "")
	// Output: robin@sampleton.example true
}

func ExampleSecret() {
	key := passfort.NewSecret("key-of-a-request")
	fmt.Println(key, key.IsZero(), key.Equal(passfort.NewSecret(key.Reveal())))
	// Output: [redacted] false true
}

// What a form or an import would send is looked at before it is sent.
func ExampleEntityData_Validate() {
	data := passfort.NewCompany()
	data.Metadata = &passfort.CompanyMetadata{
		Name: "Sample Ltd", CountryOfIncorporation: "UK",
		Addresses: []passfort.CompanyAddress{{
			Type:    passfort.CompanyAddressTypeRegisteredAddress,
			Address: passfort.NewFreeformAddress("GBR", "1 Sample Street, Sampleton"),
		}},
	}
	for _, problem := range data.Validate() {
		fmt.Println(problem)
	}
	data.Metadata.CountryOfIncorporation = "GBR"
	fmt.Println(len(data.ValidateFor(passfort.CheckTypeCompanyRegistry,
		passfort.CheckTypeCompanyPEPsAndSanctionsScreen)))
	fmt.Println(data.Metadata.ScreeningAddress().Address.Text)
	// Output:
	// /metadata/country_of_incorporation: has two letters: ISO 3166-1 alpha-3 has three
	// 0
	// 1 Sample Street, Sampleton
}

// A structured address is filled in by its parts.
func ExampleNewStructuredAddress() {
	address := passfort.NewStructuredAddress("USA")
	address.Locality = "Sampleton"
	data := passfort.NewIndividual()
	data.AddressHistory = []passfort.DatedAddress{{Address: address}}
	fmt.Println(data.Validate())
	fmt.Println((&passfort.CheckRequest{Type: passfort.CheckTypeDocumentVerification}).Validate())
	// Output:
	// [/address_history/0/address/state_province: is missing: it is required in the USA and Canada]
	// [/document_id: is missing]
}
