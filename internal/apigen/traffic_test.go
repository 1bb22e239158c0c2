package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	validator "github.com/pb33f/libopenapi-validator"
	validatorerrors "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/passforttest"
)

// judge holds requests, and the answers of the simulator, against the
// description.
type judge struct {
	t    *testing.T
	next http.RoundTripper

	mu         sync.Mutex
	v          validator.Validator
	schemas    schema_validation.SchemaValidator
	model      *v3.Document
	operations map[string]*v3.Operation // by the SDK's name
	events     map[string]bool          // of the webhooks that were judged
}

func newJudge(t *testing.T, next http.RoundTripper) *judge {
	t.Helper()
	document, model := load(t)
	v, errs := validator.NewValidator(document)
	require.Empty(t, errs)
	j := &judge{
		t: t, next: next, v: v, schemas: schema_validation.NewSchemaValidator(), model: model,
		operations: map[string]*v3.Operation{}, events: map[string]bool{},
	}
	for _, item := range model.Paths.PathItems.FromOldest() {
		for _, op := range item.GetOperations().FromOldest() {
			j.operations[op.Extensions.GetOrZero("x-sdk-name").Value] = op
		}
	}
	return j
}

// RoundTrip sends r and judges both ways.
func (j *judge) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	again := func() *http.Request {
		r := r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		return r
	}
	resp, err := j.next.RoundTrip(again())
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	j.judge(again(), body, resp, answer)
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp, nil
}

func (j *judge) judge(r *http.Request, body []byte, resp *http.Response, answer []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if resp.StatusCode/100 == 2 {
		j.request(r, body)
	}
	if !strings.Contains(resp.Header.Get("Content-Type"), "json") {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	valid, problems := j.v.ValidateHttpResponse(r, resp)
	if !valid {
		j.t.Errorf("answer of %s %s, %d: %s\n%.600s", r.Method, r.URL.Path, resp.StatusCode, reasons(problems), answer)
	}
}

func (j *judge) request(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	if valid, problems := j.v.ValidateHttpRequest(r); !valid {
		j.t.Errorf("request %s %s: %s\n%.600s", r.Method, r.URL, reasons(problems), body)
	}
}

func reasons(problems []*validatorerrors.ValidationError) string {
	var all []string
	for _, p := range problems {
		all = append(all, p.Message+": "+p.Reason)
		for _, s := range p.SchemaValidationErrors {
			all = append(all, s.Reason+" at "+s.FieldPath)
		}
	}
	return strings.Join(all, "; ")
}

// Every answer of the simulator on a walk through all operations, and every
// request of the SDK, is what the description says.
func TestSimulatorFitsTheDescription(t *testing.T) {
	t.Parallel()
	srv := passforttest.New(passforttest.WithoutRateLimits(), passforttest.WithCheckTime(time.Microsecond),
		passforttest.WithProducts(passforttest.Product{
			Alias: "rich", Risk: &passforttest.RiskModel{}, Tasks: []passforttest.ProductTask{
				{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"},
					ExpiresAfter: 365 * 24 * time.Hour},
				{Type: "INDIVIDUAL_ASSESS_POLITICAL_AND_SANCTIONS_EXPOSURE"},
			},
		}),
		passforttest.WithCompanies(passforttest.Company{Name: "Acme Ltd", Number: "01234567", Country: "GBR"}))
	t.Cleanup(srv.Close)
	j := newJudge(t, srv.Transport())
	client, err := passfort.New(srv.APIKey(), passfort.WithBaseURL(srv.URL()),
		passfort.WithHTTPClient(&http.Client{Transport: j}))
	require.NoError(t, err)
	w := walker{t, srv, client}
	w.person(t.Context())
	w.company(t.Context())
	w.refusals(t.Context())
	w.others(t.Context())
	for _, name := range passforttest.Operations() {
		require.NotZero(t, srv.Count(name), "the walk does not meet %s", name)
	}
}

type walker struct {
	t   *testing.T
	srv *passforttest.Server
	c   *passfort.Client
}

// must returns the value of a call that has to succeed.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

func (w *walker) person(ctx context.Context) {
	t, c := w.t, w.c
	data := passfort.NewIndividual()
	data.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Kim"}, FamilyName: "Doe Sanction"}, DOB: "1990-02-28",
		Nationality: "GBR",
	}
	data.AddressHistory = []passfort.DatedAddress{
		{Address: &passfort.Address{Type: "FREEFORM", Text: "1 High Street", Country: "GBR"}},
	}
	profile := must[*passfort.Profile](t)(c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: data,
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "rich"}}},
	}))
	id := profile.ID
	must[*passfort.CollectedData](t)(c.CollectedData.Update(ctx, id, func(d *passfort.EntityData) error {
		d.CustomerRef = "C-1"
		return nil
	}))
	image := must[*passfort.DocumentImage](t)(c.Documents.UploadImage(ctx, id, &passfort.ImageUpload{
		Type: passfort.ImageTypeFront, Body: strings.NewReader("%PDF-1.7\n%%EOF\n"),
	}))
	must[*passfort.Document](t)(c.Documents.Create(ctx, id, &passfort.DocumentRequest{
		Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
		ImageIDs: []string{image.ID},
	}))
	must[*passfort.DocumentImage](t)(c.Documents.GetImage(ctx, id, image.ID))
	must[[]passfort.DocumentImage](t)(c.Documents.ListImages(ctx, id))
	file := must[*passfort.File](t)(c.Files.Upload(ctx, id, &passfort.FileUpload{
		Name: "a.pdf", Body: strings.NewReader("%PDF-1.7\n%%EOF\n"),
	}))
	must[*passfort.File](t)(c.Files.Get(ctx, id, file.ID))

	w.srv.AdvanceClock(time.Minute)
	w.checks(ctx, id)
	w.tasks(ctx, id, file.ID)
	w.findings(ctx, id)
	w.application(ctx, id)

	must[[]passfort.CollectionStep](t)(c.Collect.SetSteps(ctx, id, []passfort.CollectionStep{
		{CollectionType: passfort.CollectionTypeDOB},
	}))
	must[[]passfort.CollectionStep](t)(c.Collect.Steps(ctx, id))
	must[*passfort.CollectKey](t)(c.Collect.CreateKey(ctx, []string{id}))
	must[*passfort.CollectKey](t)(c.Collect.CreateProfileKey(ctx, id))
	tag := must[*passfort.Tag](t)(c.Tags.Add(ctx, id, "vip"))
	must[[]passfort.Tag](t)(c.Tags.Search(ctx, "vi", 3))
	must[*passfort.Profile](t)(c.Profiles.Get(ctx, id))
	must[*passfort.Tag](t)(c.Tags.Remove(ctx, id, tag.ID))
	must[*passfort.CustomerRequest](t)(c.Forms.CreateCustomerRequest(ctx, id, &passfort.CustomerRequestParams{
		FlowTemplate: "flow",
	}))
	must[*passfort.CustomerRequest](t)(c.Forms.CustomerRequest(ctx, id))
	must[[]passfort.AuditItem](t)(c.Audit.Items(ctx, id))
	must[*passfort.AuditReport](t)(c.Audit.PDFReport(ctx, id, io.Discard))
	must[passfort.ProfileStatus](t)(c.Profiles.SetStatus(ctx, id, passfort.ProfileStatusSuspended))
	must[passfort.ProfileStatus](t)(c.Profiles.Status(ctx, id))
	must[*passfort.ProfilePage](t)(c.Profiles.List(ctx, &passfort.ProfileListOptions{
		Query: "Kim", Limit: 5, Categories: []passfort.ProfileCategory{passfort.ProfileCategoryCustomer,
			passfort.ProfileCategoryApplicant},
	}))
	require.NoError(t, c.Profiles.Delete(ctx, id, "asked to"))
}

func (w *walker) checks(ctx context.Context, id string) {
	t, c := w.t, w.c
	check := must[*passfort.Check](t)(c.Checks.Run(ctx, id, &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeAsync,
	}))
	w.srv.AdvanceClock(time.Minute)
	must[*passfort.Check](t)(c.Checks.Get(ctx, id, check.ID))
	must[*passfort.Check](t)(c.Checks.SetTasks(ctx, id, check.ID, check.TaskIDs))
	require.NoError(t, c.Checks.Reject(ctx, id, check.ID))
	require.NoError(t, c.Checks.Approve(ctx, id, check.ID))
	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Decision: "ERROR"})
	must[*passfort.Check](t)(c.Checks.Run(ctx, id, &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeSync,
	}))
	must[*passfort.Check](t)(c.Checks.Run(ctx, id, &passfort.CheckRequest{
		Type: passfort.CheckTypePEPsAndSanctionsScreen, Mode: passfort.CheckModeSync,
	}))
	must[[]passfort.Check](t)(c.Checks.List(ctx, id))
}

func (w *walker) tasks(ctx context.Context, id, fileID string) {
	t, c := w.t, w.c
	task := must[*passfort.Task](t)(c.Tasks.Create(ctx, id, &passfort.TaskRequest{
		Type: passfort.TaskTypeIndividualManualTask,
	}))
	must[*passfort.Task](t)(c.Tasks.Complete(ctx, id, task.ID, passfort.TaskStateCompletedFail))
	must[*passfort.Task](t)(c.Tasks.Get(ctx, id, task.ID))
	note := must[*passfort.Note](t)(c.Tasks.AddNote(ctx, id, task.ID, &passfort.NoteRequest{
		Text: "seen", Attachments: []passfort.NoteAttachment{{ID: fileID}},
	}))
	must[[]passfort.Note](t)(c.Tasks.Notes(ctx, id, task.ID))
	require.NoError(t, c.Tasks.DeleteNote(ctx, id, task.ID, note.ID))
}

func (w *walker) findings(ctx context.Context, id string) {
	t, c := w.t, w.c
	made := must[*passfort.Event](t)(c.Events.Create(ctx, id, &passfort.Event{
		Data: &passfort.EventData{EventType: passfort.EventTypeReviewNeeded},
	}))
	must[*passfort.Event](t)(c.Events.Get(ctx, id, made.ID))
	must[*passfort.Event](t)(c.Events.Resolve(ctx, id, made.ID, passfort.EventResolutionMatch, "true"))
	var open []string
	for _, e := range must[[]passfort.Event](t)(c.Events.List(ctx, id)) {
		if e.Resolution == passfort.EventResolutionUnresolved {
			open = append(open, e.ID)
		}
	}
	require.NotEmpty(t, open)
	must[[]passfort.Event](t)(c.Events.BulkResolve(ctx, id, open, passfort.EventResolutionMismatch, "another"))
}

func (w *walker) application(ctx context.Context, id string) {
	t, c := w.t, w.c
	for _, task := range must[[]passfort.Task](t)(c.Tasks.List(ctx, id)) {
		must[*passfort.Task](t)(c.Tasks.Complete(ctx, id, task.ID, passfort.TaskStateCompletedPass))
	}
	require.NoError(t, w.srv.SetRiskScore(id, 10))
	application := must[[]passfort.Application](t)(c.Applications.List(ctx, id))[0]
	must[*passfort.Application](t)(c.Applications.SetStatus(ctx, id, application.ID,
		passfort.ApplicationStatusApproved))
	w.srv.AdvanceClock(340 * 24 * time.Hour)
	must[*passfort.Application](t)(c.Applications.Get(ctx, id, application.ID))
	w.srv.AdvanceClock(30 * 24 * time.Hour)
	must[*passfort.Application](t)(c.Applications.SetStatus(ctx, id, application.ID,
		passfort.ApplicationStatusCancelled))
	must[*passfort.Application](t)(c.Applications.RevertDecision(ctx, id, application.ID, "a slip"))
	must[*passfort.Application](t)(c.Applications.Create(ctx, id, &passfort.ApplicationRequest{
		Product: passfort.ProductRef{Alias: "plain"},
	}))
}

func (w *walker) company(ctx context.Context) {
	t, c := w.t, w.c
	must[*passfort.WhoAmI](t)(c.WhoAmI(ctx))
	must[*passfort.CompanySearchResult](t)(c.Search.Companies(ctx, &passfort.CompanySearchOptions{
		Country: "GBR", Query: "acme",
	}))
	found := must[*passfort.AddressSearchResult](t)(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{
		Address: "High", CountryCode: "GBR",
	}))
	require.NotEmpty(t, found.Results)
	must[*passfort.Address](t)(c.Search.FormatAddress(ctx, found.Results[0].ID, "GBR"))
	data := passfort.NewCompany()
	data.Metadata = &passfort.CompanyMetadata{Name: "Acme Ltd", Number: "01234567"}
	profile := must[*passfort.Profile](t)(c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleCompanyCustomer, CollectedData: data,
	}))
	must[*passfort.Check](t)(c.Checks.Run(ctx, profile.ID, &passfort.CheckRequest{
		Type: passfort.CheckTypeCompanyRegistry, Mode: passfort.CheckModeSync,
	}))
	must[*passfort.CollectedData](t)(c.CollectedData.Get(ctx, profile.ID))
}

// others calls the operations that the walk did not come by.
func (w *walker) others(ctx context.Context) {
	world := cases.Fill(w.t, w.c)
	for _, op := range cases.All() {
		if w.srv.Count(op.Name) == 0 {
			require.NoError(w.t, op.Call(ctx, w.c, world), op.Name)
		}
	}
}

// refusals meets answers that are none.
func (w *walker) refusals(ctx context.Context) {
	t, c := w.t, w.c
	_, err := c.Profiles.Get(ctx, "6ba7b810-9dad-41d1-80b4-00c04fd430c8")
	require.ErrorIs(t, err, passfort.ErrNotFound)
	profile := must[*passfort.Profile](t)(c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "plain"}}},
	}))
	application := must[[]passfort.Application](t)(c.Applications.List(ctx, profile.ID))[0]
	_, err = c.Applications.SetStatus(ctx, profile.ID, application.ID, passfort.ApplicationStatusApproved)
	require.Error(t, err)
	_, err = c.CollectedData.Replace(ctx, profile.ID, &passfort.CollectedData{
		EntityData: *passfort.NewIndividual(), ETag: `W/"1.5"`,
	})
	var conflict *passfort.ConflictError
	require.ErrorAs(t, err, &conflict)
	w.srv.Inject(passforttest.Fault{Operation: "WhoAmI", Status: http.StatusServiceUnavailable, Times: 10})
	_, err = c.WhoAmI(ctx, passfort.MaxAttempts(1))
	require.Error(t, err)
}

// The judge sees what is wrong.
func TestJudgeSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	document, _ := load(t)
	v, errs := validator.NewValidator(document)
	require.Empty(t, errs)
	ask := func(method, path, body string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, "https://api.passfort.com/4.0"+path,
			strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("apikey", "key")
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		return r
	}
	for name, r := range map[string]*http.Request{
		"no role": ask(http.MethodPost, "/profiles", `{"collected_data":{"entity_type":"INDIVIDUAL"}}`),
		"a role in digits": ask(http.MethodPost, "/profiles",
			`{"role":5,"collected_data":{"entity_type":"INDIVIDUAL"}}`),
		"no such route": ask(http.MethodGet, "/nothing", ""),
		"no country":    ask(http.MethodGet, "/search/companies?query=acme", ""),
	} {
		t.Run(name, func(t *testing.T) {
			valid, _ := v.ValidateHttpRequest(r)
			require.False(t, valid)
		})
	}
}

// Every request that the tests of the SDK hold it to is in the description.
func TestRequestsFitTheDescription(t *testing.T) {
	t.Parallel()
	j := newJudge(t, nil)
	all := cases.All()
	require.Len(t, all, len(j.operations))
	for _, op := range all {
		req, err := http.NewRequestWithContext(t.Context(), op.Method, "https://api.passfort.com/4.0"+op.Path, nil)
		require.NoError(t, err)
		req.Header.Set("apikey", "key")
		if op.Body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		j.request(req, []byte(op.Body))
	}
}
