package passfort

import (
	"net/http"
	"slices"
	"time"

	"github.com/passfort-go/passfort/internal/transport"
)

//go:generate go test -run ^TestOperationsReference$ . -update
//go:generate go run -C internal/apigen .

// operation is one operation of the API: all that the road must know to send
// it and to read its answer.
type operation struct {
	name   string // Service.Method, as in errors, logs and metrics
	method string
	route  string // relative to the base URL; {names} are filled in order
	class  transport.Class
	limit  time.Duration // of one attempt, 0: attemptLimit
	errors errorsRule
	bare   bool // a success may have no body

	charged     string // what it may cost
	rateLimited bool   // has a quota of its own (docs/api/basics.md#rate-limits)
	since       string // the source that first names it
	sure        string // how well it is known (docs/api/README.md#certainty)
}

// attemptLimit is the time limit of one attempt: the API's own is 60 s
// (docs/api/basics.md#time-limits-repeats-and-charges).
const attemptLimit = 75 * time.Second

const (
	get  = http.MethodGet
	post = http.MethodPost
	del  = http.MethodDelete

	once        = transport.Once
	safe        = transport.Safe
	conditional = transport.Conditional
	idempotent  = transport.Idempotent
)

// operationNamed returns the operation of the table with that name.
func operationNamed(name string) operation {
	return operations[slices.IndexFunc(operations, func(op operation) bool { return op.name == name })]
}

// routes returns the routes of all operations.
func routes() []string {
	var all []string
	for _, op := range operations {
		all = append(all, op.route)
	}
	return all
}

// operations lists every operation of the API. It is never changed.
var operations = []operation{
	{
		name: "Profiles.List", method: get, route: "/profiles", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Profiles.Create", method: post, route: "/profiles", class: once,
		charged: "profiles under management", rateLimited: true, since: "2019", sure: "high",
	},
	{
		name: "Profiles.Get", method: get, route: "/profiles/{profile_id}", class: safe,
		since: "2019", sure: "high",
	},

	{
		name: "CollectedData.Get", method: get, route: "/profiles/{profile_id}/collected_data", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "CollectedData.Replace", method: post, route: "/profiles/{profile_id}/collected_data", class: conditional,
		rateLimited: true, since: "2019", sure: "high",
	},
	{
		name: "Documents.Create", method: post, route: "/profiles/{profile_id}/collected_data/documents", class: once,
		since: "2019", sure: "high",
	},

	{
		name: "Profiles.Status", method: get, route: "/profiles/{profile_id}/status", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Profiles.SetStatus", method: post, route: "/profiles/{profile_id}/status", class: idempotent,
		since: "2019", sure: "high",
	},

	{
		name: "Applications.List", method: get, route: "/profiles/{profile_id}/applications", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Applications.Create", method: post, route: "/profiles/{profile_id}/applications", class: once,
		since: "2019", sure: "high",
	},
	{
		name: "Applications.Get", method: get, route: "/profiles/{profile_id}/applications/{application_id}",
		class: safe, since: "2019", sure: "high",
	},
	{
		name: "Applications.SetStatus", method: post, route: "/profiles/{profile_id}/applications/{application_id}",
		class: idempotent, since: "2019", sure: "high",
	},
	{
		name: "Applications.RevertDecision", method: post,
		route: "/profiles/{profile_id}/applications/{application_id}/revert_decision",
		class: once, since: "2019", sure: "medium",
	},

	{
		name: "Checks.List", method: get, route: "/profiles/{profile_id}/checks", class: safe,
		errors: errorsUnlessID, since: "2019", sure: "high",
	},
	{
		name: "Checks.Run", method: post, route: "/profiles/{profile_id}/checks", class: once,
		limit: 150 * time.Second, errors: errorsUnlessID, charged: "the check, on a live account",
		since: "2019", sure: "high",
	},
	{
		name: "Checks.Get", method: get, route: "/profiles/{profile_id}/checks/{check_id}", class: safe,
		errors: errorsUnlessID, since: "2019", sure: "high",
	},
	{
		name: "Checks.SetTasks", method: post, route: "/profiles/{profile_id}/checks/{check_id}", class: idempotent,
		errors: errorsUnlessID, since: "2019", sure: "high",
	},
	{
		name: "Checks.Approve", method: post, route: "/profiles/{profile_id}/checks/{check_id}/approve", class: once,
		errors: errorsUnlessID, bare: true, since: "2019", sure: "high",
	},
	{
		name: "Checks.Reject", method: post, route: "/profiles/{profile_id}/checks/{check_id}/reject", class: once,
		errors: errorsUnlessID, bare: true, since: "2019", sure: "high",
	},

	{
		name: "Tasks.List", method: get, route: "/profiles/{profile_id}/tasks", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Tasks.Create", method: post, route: "/profiles/{profile_id}/tasks", class: once,
		since: "2019", sure: "high",
	},
	{
		name: "Tasks.Get", method: get, route: "/profiles/{profile_id}/tasks/{task_id}", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Tasks.Update", method: post, route: "/profiles/{profile_id}/tasks/{task_id}", class: idempotent,
		since: "2019", sure: "medium",
	},
	{
		name: "Tasks.Notes", method: get, route: "/profiles/{profile_id}/tasks/{task_id}/notes", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Tasks.AddNote", method: post, route: "/profiles/{profile_id}/tasks/{task_id}/notes", class: once,
		since: "2019", sure: "high",
	},
	{
		name: "Tasks.DeleteNote", method: del, route: "/profiles/{profile_id}/tasks/{task_id}/notes/{note_id}",
		class: idempotent, bare: true, since: "2019", sure: "high",
	},

	{
		name: "Events.List", method: get, route: "/profiles/{profile_id}/events", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Events.Create", method: post, route: "/profiles/{profile_id}/events", class: once,
		since: "2019", sure: "high",
	},
	{
		name: "Events.Get", method: get, route: "/profiles/{profile_id}/events/{event_id}", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Events.Update", method: post, route: "/profiles/{profile_id}/events/{event_id}", class: idempotent,
		since: "2019", sure: "high",
	},
	{
		name: "Events.BulkUpdate", method: post, route: "/profiles/{profile_id}/events/bulk_update", class: idempotent,
		since: "2019", sure: "high",
	},

	{
		name: "Files.Upload", method: post, route: "/profiles/{profile_id}/files", class: once,
		limit: transferLimit, since: "2019", sure: "high",
	},
	{
		name: "Files.Get", method: get, route: "/profiles/{profile_id}/files/{file_id}", class: safe,
		limit: transferLimit, since: "2019", sure: "medium",
	},

	{
		name: "Documents.ListImages", method: get, route: "/profiles/{profile_id}/document_images", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Documents.UploadImage", method: post, route: "/profiles/{profile_id}/document_images", class: once,
		limit: transferLimit, since: "2019", sure: "high",
	},
	{
		name: "Documents.GetImage", method: get, route: "/profiles/{profile_id}/document_images/{document_image_id}",
		class: safe, limit: transferLimit, since: "2019", sure: "medium-high",
	},

	{
		name: "Tags.Add", method: post, route: "/profiles/{profile_id}/tags", class: once,
		since: "2019", sure: "high",
	},
	{
		name: "Tags.Remove", method: del, route: "/profiles/{profile_id}/tags/{tag_id}", class: idempotent,
		since: "2019", sure: "high",
	},
	{
		name: "Tags.Search", method: get, route: "/tags/search/{term}", class: safe,
		since: "2019", sure: "high",
	},

	{
		name: "Audit.Items", method: get, route: "/profiles/{profile_id}/audit-items", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Audit.PDFReport", method: get, route: "/profiles/{profile_id}/audit/pdf_report", class: safe,
		limit: transferLimit, rateLimited: true, since: "help pages", sure: "low",
	},

	{
		name: "Collect.Steps", method: get, route: "/profiles/{profile_id}/collection_steps", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Collect.SetSteps", method: post, route: "/profiles/{profile_id}/collection_steps", class: idempotent,
		since: "2019", sure: "high",
	},
	{
		name: "Collect.CreateKey", method: post, route: "/api_keys/collect", class: once,
		since: "2019", sure: "high",
	},
	{
		name: "Collect.CreateProfileKey", method: post, route: "/api_keys/collect/{profile_id}", class: once,
		since: "2019", sure: "high",
	},

	{
		name: "Search.Companies", method: get, route: "/search/companies", class: safe,
		errors: errorsUnlessResults, charged: "maybe, by the provider", since: "2019", sure: "high",
	},
	{
		name: "Search.Addresses", method: get, route: "/address/search", class: safe,
		since: "2019", sure: "high",
	},
	{
		name: "Search.FormatAddress", method: get, route: "/address/format", class: once,
		charged: "address credits", since: "2019", sure: "high",
	},

	{
		name: "WhoAmI", method: get, route: "/whoami", class: safe,
		since: "2019", sure: "high",
	},

	{
		name: "Forms.CreateCustomerRequest", method: post, route: "/forms/profile/{profile_id}/customer_request",
		class: once, since: "guide", sure: "low-medium",
	},
	{
		name: "Forms.CustomerRequest", method: get, route: "/forms/profile/{profile_id}/customer_request", class: safe,
		since: "guide", sure: "medium",
	},

	{
		name: "Profiles.Delete", method: post, route: "/profiles/{profile_id}/delete", class: once,
		bare: true, since: "2022", sure: "medium-high",
	},
}

// transferLimit is the time limit of one attempt to move an image or a report.
const transferLimit = 15 * time.Minute
