// Package cases has a call of every operation of the API: how the SDK is asked for
// it, what must go over the wire then, and an answer. The tests of the SDK hold the
// wire to it, the fault matrix and the description of the API call the simulator with
// it, and the description shows it as a sample.
package cases

import (
	"context"
	"encoding/base64"
	"io"
	"strings"

	"github.com/passfort-go/passfort"
)

// Case is one operation.
type Case struct {
	Name   string // as in Error.Operation
	Call   func(context.Context, *passfort.Client, World) error
	Method string
	Path   string // below the base URL, query included, for a call in Wire
	Body   string // exact JSON, "" for none
	Answer string
	Once   bool // must never be sent twice
}

const (
	pid = "a2c4393a-e219-67a4-5ab4-2186952e9038" // a profile
	oid = "b0ce7c17-2cab-86e7-9a83-ebee0d4d5dc8" // something of the profile
	nid = "3d7a333c-418d-72a1-007b-06854dbb28eb" // a second one

	person   = `{"entity_type":"INDIVIDUAL"}`
	identity = `{"id":"` + oid + `"}`

	scan = "%PDF-1.7\n%%EOF\n" // an image, as far as it is looked at
)

var scan64 = base64.StdEncoding.EncodeToString([]byte(scan))

func failed[T any](_ T, err error) error { return err }

// All returns the cases: one for each operation.
func All() []Case {
	return []Case{
		{"Profiles.List", func(ctx context.Context, c *passfort.Client, _ World) error {
			return failed(c.Profiles.List(ctx, &passfort.ProfileListOptions{
				Query: "a b&c", Limit: 10, Offset: 20, Categories: []passfort.ProfileCategory{"CUSTOMER", "APPLICANT"},
			}))
		}, "GET", "/profiles?categories=CUSTOMER%2CAPPLICANT&limit=10&offset=20&q=a+b%26c", "",
			`{"count":0,"results":[]}`, false},
		{"Profiles.Create", func(ctx context.Context, c *passfort.Client, _ World) error {
			return failed(c.Profiles.Create(ctx, &passfort.ProfileRequest{
				Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
				Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
			}))
		}, "POST", "/profiles",
			`{"role":"COMPANY_CUSTOMER","collected_data":{"entity_type":"COMPANY"},` +
				`"applications":[{"product":{"alias":"gold"}}]}`, identity, true},
		{"Profiles.Get", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Profiles.Get(ctx, at.Profile))
		}, "GET", "/profiles/" + pid, "", identity, false},
		{"CollectedData.Get", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.CollectedData.Get(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/collected_data", "", person, false},
		{"CollectedData.Replace", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.CollectedData.Replace(ctx, at.Profile, &passfort.CollectedData{
				EntityData: *passfort.NewIndividual(), ETag: at.ETag,
			}))
		}, "POST", "/profiles/" + pid + "/collected_data", person, person, false},
		{"Profiles.Status", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Profiles.Status(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/status", "", `"NORMAL"`, false},
		{"Profiles.SetStatus", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Profiles.SetStatus(ctx, at.Profile, passfort.ProfileStatusSuspended))
		}, "POST", "/profiles/" + pid + "/status", `"SUSPENDED"`, `"SUSPENDED"`, false},
		{"Profiles.Delete", func(ctx context.Context, c *passfort.Client, at World) error {
			return c.Profiles.Delete(ctx, at.Profile, "asked to")
		}, "POST", "/profiles/" + pid + "/delete", `{"confirm_id":"` + pid + `","message":"asked to"}`, "", true},
		{"Applications.List", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Applications.List(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/applications", "", `[]`, false},
		{"Applications.Create", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Applications.Create(ctx, at.Profile, &passfort.ApplicationRequest{
				Product: passfort.ProductRef{Alias: "bronze"}, AssociatedRole: passfort.AssociatedRoleDirector,
			}))
		}, "POST", "/profiles/" + pid + "/applications",
			`{"product":{"alias":"bronze"},"associated_role":"DIRECTOR"}`, identity, true},
		{"Applications.Get", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Applications.Get(ctx, at.Profile, at.Application))
		}, "GET", "/profiles/" + pid + "/applications/" + oid, "", identity, false},
		{"Applications.SetStatus", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Applications.SetStatus(ctx, at.Profile, at.Application, passfort.ApplicationStatusRejected))
		}, "POST", "/profiles/" + pid + "/applications/" + oid, `{"status":"REJECTED"}`, identity, false},
		{"Applications.RevertDecision", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Applications.RevertDecision(ctx, at.Profile, at.Rejected, "a slip"))
		}, "POST", "/profiles/" + pid + "/applications/" + oid + "/revert_decision", `{"comment":"a slip"}`, identity,
			true},
		{"Checks.List", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Checks.List(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/checks", "", `[]`, false},
		{"Checks.Run", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Checks.Run(ctx, at.Profile, &passfort.CheckRequest{
				Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeSync, TaskIDs: []string{at.Task},
				Variant: &passfort.VariantRef{Alias: "provider"},
			}))
		}, "POST", "/profiles/" + pid + "/checks?mode=sync",
			`{"check_type":"IDENTITY_CHECK","task_ids":["` + oid + `"],"variant":{"alias":"provider"}}`,
			identity, true},
		{"Checks.Get", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Checks.Get(ctx, at.Profile, at.Check))
		}, "GET", "/profiles/" + pid + "/checks/" + oid, "", identity, false},
		{"Checks.SetTasks", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Checks.SetTasks(ctx, at.Profile, at.Check, []string{at.Task}))
		}, "POST", "/profiles/" + pid + "/checks/" + oid, `{"task_ids":["` + oid + `"]}`, identity, false},
		{"Checks.Approve", func(ctx context.Context, c *passfort.Client, at World) error {
			return c.Checks.Approve(ctx, at.Profile, at.Check)
		}, "POST", "/profiles/" + pid + "/checks/" + oid + "/approve", "", "null", true},
		{"Checks.Reject", func(ctx context.Context, c *passfort.Client, at World) error {
			return c.Checks.Reject(ctx, at.Profile, at.Check)
		}, "POST", "/profiles/" + pid + "/checks/" + oid + "/reject", "", "", true},
		{"Tasks.List", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tasks.List(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/tasks", "", `[]`, false},
		{"Tasks.Create", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tasks.Create(ctx, at.Profile, &passfort.TaskRequest{
				Type: passfort.TaskTypeIndividualManualTask,
			}))
		}, "POST", "/profiles/" + pid + "/tasks", `{"type":"INDIVIDUAL_MANUAL_TASK"}`, identity, true},
		{"Tasks.Get", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tasks.Get(ctx, at.Profile, at.Task))
		}, "GET", "/profiles/" + pid + "/tasks/" + oid, "", identity, false},
		{"Tasks.Update", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tasks.Complete(ctx, at.Profile, at.Task, passfort.TaskStateCompletedPass))
		}, "POST", "/profiles/" + pid + "/tasks/" + oid, `{"state":"COMPLETED_PASS"}`, identity, false},
		{"Tasks.Notes", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tasks.Notes(ctx, at.Profile, at.Task))
		}, "GET", "/profiles/" + pid + "/tasks/" + oid + "/notes", "", `[]`, false},
		{"Tasks.AddNote", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tasks.AddNote(ctx, at.Profile, at.Task, &passfort.NoteRequest{
				Text: "seen", Attachments: []passfort.NoteAttachment{{ID: at.File, Name: "form"}},
			}))
		}, "POST", "/profiles/" + pid + "/tasks/" + oid + "/notes",
			`{"text":"seen","attachments":[{"id":"` + oid + `","name":"form"}]}`, identity, true},
		{"Tasks.DeleteNote", func(ctx context.Context, c *passfort.Client, at World) error {
			return c.Tasks.DeleteNote(ctx, at.Profile, at.Task, at.Note)
		}, "DELETE", "/profiles/" + pid + "/tasks/" + oid + "/notes/" + nid, "", "", false},
		{"Events.List", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Events.List(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/events", "", `[]`, false},
		{"Events.Create", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Events.Create(ctx, at.Profile, &passfort.Event{
				Data: &passfort.EventData{EventType: passfort.EventTypeReviewNeeded},
			}))
		}, "POST", "/profiles/" + pid + "/events", `{"data":{"event_type":"REVIEW_NEEDED"}}`, identity, true},
		{"Events.Get", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Events.Get(ctx, at.Profile, at.Event))
		}, "GET", "/profiles/" + pid + "/events/" + oid, "", identity, false},
		{"Events.Update", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Events.Resolve(ctx, at.Profile, at.Event, passfort.EventResolutionMismatch,
				"another person"))
		}, "POST", "/profiles/" + pid + "/events/" + oid,
			`{"resolution":"MISMATCH","resolution_reason":"another person"}`, identity, false},
		{"Events.BulkUpdate", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Events.BulkResolve(ctx, at.Profile, []string{at.Event, at.OtherEvent},
				passfort.EventResolutionIgnore, ""))
		}, "POST", "/profiles/" + pid + "/events/bulk_update",
			`[{"id":"` + oid + `","resolution":"IGNORE"},{"id":"` + nid + `","resolution":"IGNORE"}]`, `[]`, false},
		{"Tags.Add", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tags.Add(ctx, at.Profile, "vip"))
		}, "POST", "/profiles/" + pid + "/tags", `{"name":"vip"}`, identity, true},
		{"Tags.Remove", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tags.Remove(ctx, at.Profile, at.Tag))
		}, "DELETE", "/profiles/" + pid + "/tags/" + oid, "", identity, false},
		{"Tags.Search", func(ctx context.Context, c *passfort.Client, _ World) error {
			return failed(c.Tags.Search(ctx, "a/b ?..", 5))
		}, "GET", "/tags/search/a%2Fb%20%3F..?limit=5", "", `[]`, false},
		{"Audit.Items", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Audit.Items(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/audit-items", "", `[]`, false},
		{"Audit.PDFReport", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Audit.PDFReport(ctx, at.Profile, io.Discard))
		}, "GET", "/profiles/" + pid + "/audit/pdf_report", "", "%PDF-1.7", false},
		{"Collect.Steps", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Collect.Steps(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/collection_steps", "", `[]`, false},
		{"Collect.SetSteps", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Collect.SetSteps(ctx, at.Profile, []passfort.CollectionStep{
				{CollectionType: "DOB", Precision: "YEAR"},
			}))
		}, "POST", "/profiles/" + pid + "/collection_steps",
			`[{"collection_type":"DOB","precision":"YEAR"}]`, `[]`, false},
		{"Collect.CreateKey", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Collect.CreateKey(ctx, []string{at.Profile, at.Asked}))
		}, "POST", "/api_keys/collect", `{"profile_ids":["` + pid + `","` + oid + `"]}`, `{"key":"k"}`, true},
		{"Collect.CreateProfileKey", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Collect.CreateProfileKey(ctx, at.Profile))
		}, "POST", "/api_keys/collect/" + pid, "", `{"key":"k"}`, true},
		{"Search.Companies", func(ctx context.Context, c *passfort.Client, _ World) error {
			return failed(c.Search.Companies(ctx, &passfort.CompanySearchOptions{
				Country: "USA", Query: "acme & co", State: "DE",
			}))
		}, "GET", "/search/companies?country=USA&query=acme+%26+co&state=DE", "", `{"companies":[]}`, false},
		{"Search.Addresses", func(ctx context.Context, c *passfort.Client, _ World) error {
			return failed(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{
				Address: "1 High St", CountryCode: "GBR",
			}))
		}, "GET", "/address/search?address=1+High+St&country_code=GBR", "", `{"count":0}`, false},
		{"Search.FormatAddress", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Search.FormatAddress(ctx, at.Address, "GBR"))
		}, "GET", "/address/format?country_code=GBR&id=GB%7C1", "", `{"type":"STRUCTURED"}`, true},
		{"Files.Upload", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Files.Upload(ctx, at.Profile, &passfort.FileUpload{
				Name: "statement.pdf", Body: strings.NewReader(scan),
			}))
		}, "POST", "/profiles/" + pid + "/files", `{"name":"statement.pdf","data":"` + scan64 + `"}`, identity, true},
		{"Files.Get", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Files.Get(ctx, at.Profile, at.File))
		}, "GET", "/profiles/" + pid + "/files/" + oid, "", identity, false},
		{"Documents.UploadImage", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Documents.UploadImage(ctx, at.Profile, &passfort.ImageUpload{
				Type: passfort.ImageTypeFront, Body: strings.NewReader(scan),
			}))
		}, "POST", "/profiles/" + pid + "/document_images", `{"image_type":"FRONT","data":"` + scan64 + `"}`, identity,
			true},
		{"Documents.GetImage", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Documents.GetImage(ctx, at.Profile, at.Image))
		}, "GET", "/profiles/" + pid + "/document_images/" + oid + "?full=false", "", identity, false},
		{"Documents.ListImages", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Documents.ListImages(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/document_images", "", `[]`, false},
		{"Documents.Create", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Documents.Create(ctx, at.Profile, &passfort.DocumentRequest{
				Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
				ImageIDs: []string{at.Image, at.OtherImage},
			}))
		}, "POST", "/profiles/" + pid + "/collected_data/documents",
			`{"category":"PROOF_OF_IDENTITY","document_type":"PASSPORT","images":[{"id":"` + oid + `"},{"id":"` + nid +
				`"}]}`, identity, true},
		{"Forms.CreateCustomerRequest", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Forms.CreateCustomerRequest(ctx, at.Profile, &passfort.CustomerRequestParams{
				FlowTemplate: "onboarding", Theme: "brand",
			}))
		}, "POST", "/forms/profile/" + pid + "/customer_request",
			`{"type":"FLOW","flow_template":{"alias":"onboarding"},"theme":{"alias":"brand"}}`,
			`{"id":"r","apikey":"k"}`, true},
		{"Forms.CustomerRequest", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Forms.CustomerRequest(ctx, at.Asked))
		}, "GET", "/forms/profile/" + oid + "/customer_request", "", `{"id":"r","is_completed":false}`, false},
		{"WhoAmI", func(ctx context.Context, c *passfort.Client, _ World) error {
			return failed(c.WhoAmI(ctx))
		}, "GET", "/whoami", "", `{"auditee_name":"k"}`, false},
	}
}
