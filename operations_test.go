package passfort_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// operationCase is one operation of the API: how the SDK is asked for it, what
// must go over the wire, and an answer.
type operationCase struct {
	name   string // as in Error.Operation
	call   func(context.Context, *passfort.Client) error
	method string
	path   string // below the base URL, query included
	body   string // exact JSON, "" for none
	answer string
	once   bool // must never be sent twice
}

var (
	newProfile = &passfort.ProfileRequest{
		Role:          passfort.RoleCompanyCustomer,
		CollectedData: passfort.NewCompany(),
		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
	}
	newCheck = &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeSync, TaskIDs: []string{oid},
		Variant: &passfort.VariantRef{Alias: "provider"},
	}
	person   = `{"entity_type":"INDIVIDUAL"}`
	identity = `{"id":"` + oid + `"}`

	tinyPDF   = "%PDF-1.7 sample"
	tinyPDF64 = base64.StdEncoding.EncodeToString([]byte(tinyPDF))
)

// operationCases lists every operation.
var operationCases = []operationCase{
	{"Profiles.List", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Profiles.List(ctx, &passfort.ProfileListOptions{
			Query: "a b&c", Limit: 10, Offset: 20, Categories: []passfort.ProfileCategory{"CUSTOMER", "APPLICANT"},
		}))
	}, "GET", "/profiles?categories=CUSTOMER%2CAPPLICANT&limit=10&offset=20&q=a+b%26c", "", `{"count":0,"results":[]}`,
		false},
	{"Profiles.Create", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Profiles.Create(ctx, newProfile))
	}, "POST", "/profiles",
		`{"role":"COMPANY_CUSTOMER","collected_data":{"entity_type":"COMPANY"},` +
			`"applications":[{"product":{"alias":"gold"}}]}`, identity, true},
	{"Profiles.Get", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Profiles.Get(ctx, pid))
	}, "GET", "/profiles/" + pid, "", identity, false},
	{"CollectedData.Get", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.CollectedData.Get(ctx, pid))
	}, "GET", "/profiles/" + pid + "/collected_data", "", person, false},
	{"CollectedData.Replace", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.CollectedData.Replace(ctx, pid, &passfort.CollectedData{
			EntityData: *passfort.NewIndividual(), ETag: `W/"1.5"`,
		}))
	}, "POST", "/profiles/" + pid + "/collected_data", person, person, false},
	{"Profiles.Status", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Profiles.Status(ctx, pid))
	}, "GET", "/profiles/" + pid + "/status", "", `"NORMAL"`, false},
	{"Profiles.SetStatus", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Profiles.SetStatus(ctx, pid, passfort.ProfileStatusSuspended))
	}, "POST", "/profiles/" + pid + "/status", `"SUSPENDED"`, `"SUSPENDED"`, false},
	{"Profiles.Delete", func(ctx context.Context, c *passfort.Client) error {
		return c.Profiles.Delete(ctx, pid, "asked to")
	}, "POST", "/profiles/" + pid + "/delete", `{"confirm_id":"` + pid + `","message":"asked to"}`, "", true},
	{"Applications.List", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Applications.List(ctx, pid))
	}, "GET", "/profiles/" + pid + "/applications", "", `[]`, false},
	{"Applications.Create", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Applications.Create(ctx, pid, &passfort.ApplicationRequest{
			Product: passfort.ProductRef{ID: oid}, AssociatedRole: passfort.AssociatedRoleDirector,
		}))
	}, "POST", "/profiles/" + pid + "/applications", `{"product":{"id":"` + oid + `"},"associated_role":"DIRECTOR"}`,
		identity, true},
	{"Applications.Get", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Applications.Get(ctx, pid, oid))
	}, "GET", "/profiles/" + pid + "/applications/" + oid, "", identity, false},
	{"Applications.SetStatus", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Applications.SetStatus(ctx, pid, oid, passfort.ApplicationStatusApproved))
	}, "POST", "/profiles/" + pid + "/applications/" + oid, `{"status":"APPROVED"}`, identity, false},
	{"Applications.RevertDecision", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Applications.RevertDecision(ctx, pid, oid, "a slip"))
	}, "POST", "/profiles/" + pid + "/applications/" + oid + "/revert_decision", `{"comment":"a slip"}`, identity,
		true},
	{"Checks.List", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Checks.List(ctx, pid))
	}, "GET", "/profiles/" + pid + "/checks", "", `[]`, false},
	{"Checks.Run", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Checks.Run(ctx, pid, newCheck))
	}, "POST", "/profiles/" + pid + "/checks?mode=sync",
		`{"check_type":"IDENTITY_CHECK","task_ids":["` + oid + `"],"variant":{"alias":"provider"}}`, identity, true},
	{"Checks.Get", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Checks.Get(ctx, pid, oid))
	}, "GET", "/profiles/" + pid + "/checks/" + oid, "", identity, false},
	{"Checks.SetTasks", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Checks.SetTasks(ctx, pid, oid, nil))
	}, "POST", "/profiles/" + pid + "/checks/" + oid, `{"task_ids":[]}`, identity, false},
	{"Checks.Approve", func(ctx context.Context, c *passfort.Client) error {
		return c.Checks.Approve(ctx, pid, oid)
	}, "POST", "/profiles/" + pid + "/checks/" + oid + "/approve", "", "null", true},
	{"Checks.Reject", func(ctx context.Context, c *passfort.Client) error {
		return c.Checks.Reject(ctx, pid, oid)
	}, "POST", "/profiles/" + pid + "/checks/" + oid + "/reject", "", "", true},
	{"Tasks.List", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tasks.List(ctx, pid))
	}, "GET", "/profiles/" + pid + "/tasks", "", `[]`, false},
	{"Tasks.Create", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tasks.Create(ctx, pid, &passfort.TaskRequest{Type: passfort.TaskTypeIndividualManualTask}))
	}, "POST", "/profiles/" + pid + "/tasks", `{"type":"INDIVIDUAL_MANUAL_TASK"}`, identity, true},
	{"Tasks.Get", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tasks.Get(ctx, pid, oid))
	}, "GET", "/profiles/" + pid + "/tasks/" + oid, "", identity, false},
	{"Tasks.Update", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tasks.Complete(ctx, pid, oid, passfort.TaskStateCompletedPass))
	}, "POST", "/profiles/" + pid + "/tasks/" + oid, `{"state":"COMPLETED_PASS"}`, identity, false},
	{"Tasks.Notes", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tasks.Notes(ctx, pid, oid))
	}, "GET", "/profiles/" + pid + "/tasks/" + oid + "/notes", "", `[]`, false},
	{"Tasks.AddNote", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tasks.AddNote(ctx, pid, oid, &passfort.NoteRequest{
			Text: "seen", Attachments: []passfort.NoteAttachment{{ID: nid, Name: "form"}},
		}))
	}, "POST", "/profiles/" + pid + "/tasks/" + oid + "/notes",
		`{"text":"seen","attachments":[{"id":"` + nid + `","name":"form"}]}`, identity, true},
	{"Tasks.DeleteNote", func(ctx context.Context, c *passfort.Client) error {
		return c.Tasks.DeleteNote(ctx, pid, oid, nid)
	}, "DELETE", "/profiles/" + pid + "/tasks/" + oid + "/notes/" + nid, "", "", false},
	{"Events.List", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Events.List(ctx, pid))
	}, "GET", "/profiles/" + pid + "/events", "", `[]`, false},
	{"Events.Create", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Events.Create(ctx, pid, &passfort.Event{
			Data: &passfort.EventData{EventType: passfort.EventTypeReviewNeeded},
		}))
	}, "POST", "/profiles/" + pid + "/events", `{"data":{"event_type":"REVIEW_NEEDED"}}`, identity, true},
	{"Events.Get", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Events.Get(ctx, pid, oid))
	}, "GET", "/profiles/" + pid + "/events/" + oid, "", identity, false},
	{"Events.Update", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Events.Resolve(ctx, pid, oid, passfort.EventResolutionMismatch, "another person"))
	}, "POST", "/profiles/" + pid + "/events/" + oid, `{"resolution":"MISMATCH","resolution_reason":"another person"}`,
		identity, false},
	{"Events.BulkUpdate", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Events.BulkResolve(ctx, pid, []string{oid, nid}, passfort.EventResolutionIgnore, ""))
	}, "POST", "/profiles/" + pid + "/events/bulk_update",
		`[{"id":"` + oid + `","resolution":"IGNORE"},{"id":"` + nid + `","resolution":"IGNORE"}]`, `[]`, false},
	{"Tags.Add", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tags.Add(ctx, pid, "vip"))
	}, "POST", "/profiles/" + pid + "/tags", `{"name":"vip"}`, identity, true},
	{"Tags.Remove", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tags.Remove(ctx, pid, oid))
	}, "DELETE", "/profiles/" + pid + "/tags/" + oid, "", identity, false},
	{"Tags.Search", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Tags.Search(ctx, "a/b ?..", 5))
	}, "GET", "/tags/search/a%2Fb%20%3F..?limit=5", "", `[]`, false},
	{"Audit.Items", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Audit.Items(ctx, pid))
	}, "GET", "/profiles/" + pid + "/audit-items", "", `[]`, false},
	{"Audit.PDFReport", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Audit.PDFReport(ctx, pid, io.Discard))
	}, "GET", "/profiles/" + pid + "/audit/pdf_report", "", "%PDF-1.7", false},
	{"Collect.Steps", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Collect.Steps(ctx, pid))
	}, "GET", "/profiles/" + pid + "/collection_steps", "", `[]`, false},
	{"Collect.SetSteps", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Collect.SetSteps(ctx, pid, []passfort.CollectionStep{
			{CollectionType: "DOB", Precision: "YEAR"},
		}))
	}, "POST", "/profiles/" + pid + "/collection_steps", `[{"collection_type":"DOB","precision":"YEAR"}]`, `[]`, false},
	{"Collect.CreateKey", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Collect.CreateKey(ctx, []string{pid, oid}))
	}, "POST", "/api_keys/collect", `{"profile_ids":["` + pid + `","` + oid + `"]}`, `{"key":"k"}`, true},
	{"Collect.CreateProfileKey", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Collect.CreateProfileKey(ctx, pid))
	}, "POST", "/api_keys/collect/" + pid, "", `{"key":"k"}`, true},
	{"Search.Companies", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Search.Companies(ctx, &passfort.CompanySearchOptions{
			Country: "USA", Query: "acme & co", State: "DE",
		}))
	}, "GET", "/search/companies?country=USA&query=acme+%26+co&state=DE", "", `{"companies":[]}`, false},
	{"Search.Addresses", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{Address: "1 High St", CountryCode: "GBR"}))
	}, "GET", "/address/search?address=1+High+St&country_code=GBR", "", `{"count":0}`, false},
	{"Search.FormatAddress", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Search.FormatAddress(ctx, "GB|1", "GBR"))
	}, "GET", "/address/format?country_code=GBR&id=GB%7C1", "", `{"type":"STRUCTURED"}`, true},
	{"Files.Upload", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Files.Upload(ctx, pid, &passfort.FileUpload{
			Name: "statement.pdf", Body: strings.NewReader(tinyPDF),
		}))
	}, "POST", "/profiles/" + pid + "/files", `{"name":"statement.pdf","data":"` + tinyPDF64 + `"}`, identity, true},
	{"Files.Get", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Files.Get(ctx, pid, oid))
	}, "GET", "/profiles/" + pid + "/files/" + oid, "", identity, false},
	{"Documents.UploadImage", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Documents.UploadImage(ctx, pid, &passfort.ImageUpload{
			Type: passfort.ImageTypeFront, Body: strings.NewReader(tinyPDF),
		}))
	}, "POST", "/profiles/" + pid + "/document_images", `{"image_type":"FRONT","data":"` + tinyPDF64 + `"}`, identity,
		true},
	{"Documents.GetImage", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Documents.GetImage(ctx, pid, oid))
	}, "GET", "/profiles/" + pid + "/document_images/" + oid + "?full=false", "", identity, false},
	{"Documents.ListImages", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Documents.ListImages(ctx, pid))
	}, "GET", "/profiles/" + pid + "/document_images", "", `[]`, false},
	{"Documents.Create", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Documents.Create(ctx, pid, &passfort.DocumentRequest{
			Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
			ImageIDs: []string{oid, nid},
		}))
	}, "POST", "/profiles/" + pid + "/collected_data/documents",
		`{"category":"PROOF_OF_IDENTITY","document_type":"PASSPORT","images":[{"id":"` + oid + `"},{"id":"` + nid +
			`"}]}`, identity, true},
	{"Forms.CreateCustomerRequest", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Forms.CreateCustomerRequest(ctx, pid, &passfort.CustomerRequestParams{
			FlowTemplate: "onboarding", Theme: "brand",
		}))
	}, "POST", "/forms/profile/" + pid + "/customer_request",
		`{"type":"FLOW","flow_template":{"alias":"onboarding"},"theme":{"alias":"brand"}}`, `{"id":"r","apikey":"k"}`,
		true},
	{"Forms.CustomerRequest", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Forms.CustomerRequest(ctx, pid))
	}, "GET", "/forms/profile/" + pid + "/customer_request", "", `{"id":"r","is_completed":false}`, false},
	{"WhoAmI", func(ctx context.Context, c *passfort.Client) error {
		return failed(c.WhoAmI(ctx))
	}, "GET", "/whoami", "", `{"auditee_name":"k"}`, false},
}

func TestOperationsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, op := range operationCases {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{http.StatusOK, http.StatusCreated} {
				s := serve(t, respond(status, op.answer))
				c := newClient(t, s, passfort.WithUserAgent("acme/1"))
				require.NoError(t, op.call(t.Context(), c))

				require.Len(t, s.seen(), 1)
				got := s.seen()[0]
				require.Equal(t, op.method, got.Method)
				require.Equal(t, "/base/4.0"+op.path, got.URI)
				require.Equal(t, op.body, got.Body)
				require.Equal(t, []string{testKey}, got.Header.Values("apikey"))
				require.Regexp(t, `^acme/1 passfort-go/\d+\.\d+\.\d+ \(go.*\)$`, got.Header.Get("User-Agent"))
				if op.body != "" {
					require.Equal(t, "application/json", got.Header.Get("Content-Type"))
				} else {
					require.Empty(t, got.Header.Get("Content-Type"))
				}
				if op.name == "CollectedData.Replace" {
					require.Equal(t, []string{`W/"1.5"`}, got.Header.Values("If-Match"))
				} else {
					require.Empty(t, got.Header.Values("If-Match"))
				}
			}
		})
	}
}

// TestEveryOperationIsProvenAndShown holds the operations of the reference
// against the wire tests above, the routes of the simulator and the examples.
func TestEveryOperationIsProvenAndShown(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("docs/operations.md")
	require.NoError(t, err)
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| (GET|POST|DELETE) ").FindAllSubmatch(reference,
		-1) {
		names = append(names, string(row[1]))
	}
	require.NotEmpty(t, names)

	var proven []string
	for _, op := range operationCases {
		proven = append(proven, op.name)
	}
	require.ElementsMatch(t, names, proven, "wire tests")
	require.Subset(t, passforttest.Operations(), names, "routes of the simulator")

	var shown strings.Builder
	for _, pattern := range []string{"example*_test.go", "examples/*/*.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			source, err := os.ReadFile(path)
			require.NoError(t, err)
			shown.Write(source)
		}
	}
	for _, name := range names {
		require.Contains(t, shown.String(), "."+name+"(", "no example uses it")
	}
}
