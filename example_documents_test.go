package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// scan returns a picture in place of a scan.
func scan() *bytes.Reader {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 32, 20))); err != nil {
		panic(err)
	}
	return bytes.NewReader(b.Bytes())
}

// exampleProfile makes a profile to add to.
func exampleProfile(ctx context.Context, client *passfort.Client) string {
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	if err != nil {
		panic(err)
	}
	return profile.ID
}

// Upload a form, and read it back if the account may.
func ExampleFilesService() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)

	file, err := client.Files.Upload(ctx, profileID, &passfort.FileUpload{Name: "Declaration", Body: scan()})
	if errors.Is(err, passfort.ErrImageType) || errors.Is(err, passfort.ErrImageTooLarge) {
		fmt.Println("ask the customer for another scan")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err = client.Files.Download(ctx, profileID, file.ID, io.Discard)
	if errors.Is(err, passfort.ErrContentUnavailable) {
		fmt.Printf("%q is stored, and Passfort keeps its content\n", file.Name)
	}
	// Output: "Declaration" is stored, and Passfort keeps its content
}

// Submit uploads the sides of a document and creates it, ready to be checked.
func ExampleDocumentsService_Submit() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)

	document, err := client.Documents.Submit(ctx, profileID, &passfort.DocumentSubmission{
		Category: passfort.DocumentCategoryProofOfIdentity,
		Type:     passfort.DocumentTypeDrivingLicence,
		Images: []passfort.ImageUpload{
			{Type: passfort.ImageTypeFront, Body: scan()},
			{Type: passfort.ImageTypeBack, Body: scan()},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	check, err := client.Checks.RunAndWait(ctx, profileID, &passfort.CheckRequest{
		Type: passfort.CheckTypeDocumentVerification, DocumentID: document.ID,
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(document.Images), "images:", check.State)
	// Output: 2 images: COMPLETE
}

// After half a submission the second try uploads only what is missing.
func ExampleSubmitError() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)
	srv.Inject(passforttest.Fault{Operation: "Documents.Create", Status: 400})

	submission := &passfort.DocumentSubmission{
		Category: passfort.DocumentCategoryProofOfIdentity,
		Type:     passfort.DocumentTypePassport,
		Images:   []passfort.ImageUpload{{Body: scan()}, {Body: scan()}},
	}
	_, err := client.Documents.Submit(ctx, profileID, submission)
	var half *passfort.SubmitError
	if errors.As(err, &half) {
		for _, stored := range half.Stored {
			submission.Images[stored.Index].ID = stored.ID
		}
		_, err = client.Documents.Submit(ctx, profileID, submission)
	}
	fmt.Println(err, srv.Count("Documents.UploadImage"))
	// Output: <nil> 2
}

// An upload streams from the file; nothing of it is held in memory.
func ExampleDocumentsService_UploadImage() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	profileID := exampleProfile(ctx, client)

	stored, err := client.Documents.UploadImage(ctx, profileID, &passfort.ImageUpload{
		Type: passfort.ImageTypeFront,
		Open: func() (io.ReadCloser, error) { return os.Open("testdata/front.png") },
		Progress: func(sent, total int64) {
			if sent == total {
				fmt.Println("all of it is sent")
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stored.Type)
	// Output:
	// all of it is sent
	// FRONT
}

func ExampleFormsService_StartRegistration() {
	sim := passforttest.NewServer()
	defer sim.Close()
	client := sim.Client()

	// The second of two steps fails: the error says which profile to go on with.
	sim.Inject(passforttest.Fault{Operation: "Forms.CreateCustomerRequest", Status: http.StatusServiceUnavailable})
	params := &passfort.RegistrationParams{Role: passfort.RoleIndividualCustomer, FlowTemplate: "flow", Theme: "theme"}
	started, err := client.Forms.StartRegistration(context.Background(), params)
	if half, ok := errors.AsType[*passfort.RegistrationError](err); ok {
		params.ProfileID = half.ProfileID // store it
		started, err = client.Forms.StartRegistration(context.Background(), params)
	}
	if err != nil {
		panic(err)
	}
	fmt.Println("request made:", started.Request.ID != "", "key:", started.Request.APIKey)
	fmt.Println("profiles:", sim.Count("Profiles.Create"))
	// Output:
	// request made: true key: [redacted]
	// profiles: 1
}

func ExampleDynamicLoader() {
	page := passfort.DynamicLoader(func(r *http.Request) (passfort.LoaderCredentials, error) {
		session, err := r.Cookie("session")
		if err != nil {
			return passfort.LoaderCredentials{}, passfort.ErrNotSignedIn
		}
		// Look the request of this session up in your database.
		return passfort.LoaderCredentials{RequestID: "request-of-" + session.Value,
			APIKey: passfort.NewSecret("key-of-" + session.Value)}, nil
	}, passfort.LoaderOptions{
		Title:       "Your details",
		FormOrigins: []string{passfort.CollectionOriginEU}, // beside the default
		Microphone:  true,                                  // a check with a video needs it
		ReportURL:   "/violations",
	})

	visit := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/form", nil)
	visit.AddCookie(&http.Cookie{Name: "session", Value: "ada"})
	w := httptest.NewRecorder()
	page.ServeHTTP(w, visit)
	fmt.Println(w.Code, w.Header().Get("Cache-Control"))
	fmt.Println(strings.Contains(w.Body.String(),
		`PassFortCollect.init({request_id: "request-of-ada", apikey: "key-of-ada"});`))
	// Output:
	// 200 no-store, private
	// true
}

func ExampleRedactRequest() {
	logged := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			clean := passfort.RedactRequest(r)
			fmt.Println(clean.Method, clean.RequestURI)
		})
	}
	site := logged(passfort.StaticLoader(passfort.LoaderOptions{CollectionOrigin: passfort.CollectionOriginEU}))
	site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet,
		"/onboarding?request_id=1&apikey=secret", nil))
	// Output: GET /onboarding?redacted
}

func ExampleWebhookHandler() {
	// Messages of four profiles at once; those of one profile are handled in order.
	h, err := passfort.NewWebhookHandler([]string{"the-secret-of-the-portal"}, passfort.WithWebhookConcurrency(4))
	if err != nil {
		panic(err)
	}
	h.Handle(passfort.EventCheckCompleted, func(_ context.Context, e *passfort.WebhookEvent) error {
		c, err := e.CheckCompleted()
		if err != nil {
			return err
		}
		fmt.Println("check completed:", c.Check.Type, c.Check.Decision)
		return nil
	})
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		fmt.Println("from:", e.Origin())
		return nil
	})

	// Mount h on your server. This is what Passfort sends to it.
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/webhooks", strings.NewReader(`{
		"id": "5f0e7a10-0000-4000-8000-000000000003", "event": "CHECK_COMPLETED", "timestamp": 1700000120,
		"data": {"check": {"id": "ea560000-0000-4000-8000-000000000003", 
			"check_type": "IDENTITY_CHECK", "decision": "PASS"}}}`))
	r.Header.Set("Authorization", "Bearer the-secret-of-the-portal")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// check completed: IDENTITY_CHECK PASS
	// from: system
	// 200
}

// A secret is rotated without a restart: first both, and the new one alone when the
// portal has it.
func ExampleWebhookHandler_SetSecrets() {
	h, err := passfort.NewWebhookHandler([]string{"old secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.SetSecrets([]string{"new secret", "old secret"}))
	fmt.Println(h.SetSecrets([]string{"new secret"}))
	// Output:
	// <nil>
	// <nil>
}

// What the SDK has no field for goes back unchanged. It can be read, set and
// compared too.
func ExampleUnknown() {
	var address passfort.Address
	if err := json.Unmarshal([]byte(`{"country":"GBR","plus_code":"9C3W+X","floors":[1,2.50]}`), &address); err != nil {
		fmt.Println(err)
		return
	}
	floors, _ := address.Unknown.Get("floors")
	fmt.Println(string(floors))

	copied := address.Clone()
	fmt.Println(copied.Unknown.Equal(address.Unknown))
	if err := copied.Unknown.Set("plus_code", json.RawMessage(`"9C3W+Y"`)); err != nil {
		fmt.Println(err)
		return
	}
	copied.Unknown.Delete("floors")
	fmt.Println(copied.Unknown.Equal(address.Unknown), copied.Unknown.Len(), address.Unknown.Len())
	// Output:
	// [1,2.50]
	// true
	// false 1 2
}

// A clone shares nothing with what it was made from, at any depth.
func ExampleEntityData_Clone() {
	data := passfort.NewIndividual()
	passfort.Ensure(&data.ContactDetails).Email = "robin@sampleton.example"
	cached := data.Clone()
	data.ContactDetails.Email = ""
	fmt.Println(cached.ContactDetails.Email)
	// Output: robin@sampleton.example
}

// The account's own fields, by the kind that each has.
func ExampleEntityData_CustomField() {
	var data passfort.EntityData
	err := json.Unmarshal([]byte(`{"custom_fields_data":{
		"account": 12345678901234567890, "tier": "gold", "pep": false,
		"since": "2020-03", "sectors": ["retail", "travel"]
	}}`), &data)
	if err != nil {
		fmt.Println(err)
		return
	}
	account, _ := data.CustomField("account").Number() // every digit of it
	tier, _ := data.CustomField("tier").Text()
	pep, known := data.CustomField("pep").Bool()
	since, _ := data.CustomField("since").Date()
	fmt.Println(account, tier, pep, known, since.Year)
	for _, sector := range data.CustomField("sectors").Values() {
		text, _ := sector.Text()
		fmt.Println(text)
	}
	fmt.Println(data.CustomField("absent").IsSet())
	// Output:
	// 12345678901234567890 gold false true 2020
	// retail
	// travel
	// false
}

// Pages have the count of all profiles.
func ExampleProfilesService_Pages() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()
	exampleProfile(ctx, client)

	for page, err := range client.Profiles.Pages(ctx, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(page.Results), "of", passfort.Deref(page.Count))
	}
	// Output: 1 of 1
}

// After ErrOutcomeUnknown the reference finds the profile that may have been created.
func ExampleProfilesService_FindByCustomerRef() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client, ctx := srv.Client(), context.Background()

	data := passfort.NewIndividual()
	data.CustomerRef = "customer-1"
	srv.Inject(passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true})
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: data,
	})
	if errors.Is(err, passfort.ErrOutcomeUnknown) {
		profile, err = client.Profiles.FindByCustomerRef(ctx, data.CustomerRef)
	}
	fmt.Println(err, profile.Role)
	// Output: <nil> INDIVIDUAL_CUSTOMER
}

func ExampleCheck_CompletedAt() {
	check := &passfort.Check{CompletedOn: "2026-03-18 09:30:00"}
	at, ok := check.CompletedAt()
	fmt.Println(at.Format(time.RFC3339), ok)
	// Output: 2026-03-18T09:30:00Z true
}

// onboardCompany creates a company and a profile for each of its directors, and
// links them all in one write.
func onboardCompany(
	ctx context.Context, client *passfort.Client, company *passfort.EntityData, directors ...*passfort.EntityData,
) (*passfort.CollectedData, error) {
	profile, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role:          passfort.RoleCompanyCustomer,
		CollectedData: company,
		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "business_account"}}},
	})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, director := range directors {
		associate, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role:          passfort.RoleIndividualAssociated,
			CollectedData: director,
		})
		if err != nil {
			return nil, err
		}
		ids = append(ids, associate.ID)
	}
	return client.CollectedData.Update(ctx, profile.ID, func(data *passfort.EntityData) error {
		for _, id := range ids {
			entity, err := data.LinkAssociate(passfort.AssociateLink{
				ProfileID:  id,
				EntityType: passfort.EntityTypeIndividual,
				Role:       passfort.AssociatedRoleDirector,
			})
			if err != nil {
				return err
			}
			entity.AppointedOn = "2024-02-01"
		}
		return nil
	})
}

// Onboard a company with its directors: each has a profile of its own, and one
// Update of the company's data links them all.
func ExampleEntityData_LinkAssociate() {
	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client() // or passfort.New(apiKey)

	company := passfort.NewCompany()
	company.Metadata = &passfort.CompanyMetadata{Name: "Sample Trading Ltd", CountryOfIncorporation: "GBR"}
	robin := passfort.NewIndividual()
	robin.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sampleton"},
	}
	alex := passfort.NewIndividual()
	alex.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Alex"}, FamilyName: "Mustermann"},
	}

	data, err := onboardCompany(context.Background(), client, company, robin, alex)
	if err != nil {
		fmt.Println(err)
		return
	}
	for associate := range data.Associates() {
		who, err := client.CollectedData.Get(context.Background(), associate.ProfileID())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(who.PersonalDetails.Name.GivenNames[0], associate.Roles(), "since", associate.Entity.AppointedOn)
	}
	// Output:
	// Robin [DIRECTOR] since 2024-02-01
	// Alex [DIRECTOR] since 2024-02-01
}
