package passfort

import (
	"net/http"
	"time"

	"github.com/passfort-go/passfort/internal/transport"
)

//go:generate go test -run ^TestOperationsReference$ . -update

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
	rateLimited bool   // has a quota of its own (sheet 1.9)
	since       string // the source that first names it
	sure        string // how well it is known (sheet 7)
}

// attemptLimit is the time limit of one attempt: the API's own is 60 s (sheet 1.10).
const attemptLimit = 75 * time.Second

type operationID int

const (
	opProfilesList operationID = iota
	opProfilesCreate
	opProfilesGet
	opCollectedDataGet
	opCollectedDataReplace
	opDocumentsCreate
	opProfilesStatus
	opProfilesSetStatus
	opApplicationsList
	opApplicationsCreate
	opApplicationsGet
	opApplicationsSetStatus
	opApplicationsRevertDecision
	opChecksList
	opChecksRun
	opChecksGet
	opChecksSetTasks
	opChecksApprove
	opChecksReject
	opTasksList
	opTasksCreate
	opTasksGet
	opTasksUpdate
	opTasksNotes
	opTasksAddNote
	opTasksDeleteNote
	opEventsList
	opEventsCreate
	opEventsGet
	opEventsUpdate
	opEventsBulkUpdate
	opFilesUpload
	opFilesGet
	opDocumentsListImages
	opDocumentsUploadImage
	opDocumentsGetImage
	opTagsAdd
	opTagsRemove
	opTagsSearch
	opAuditItems
	opAuditPDFReport
	opCollectSteps
	opCollectSetSteps
	opCollectCreateKey
	opCollectCreateProfileKey
	opSearchCompanies
	opSearchAddresses
	opSearchFormatAddress
	opWhoAmI
	opFormsCreateCustomerRequest
	opFormsCustomerRequest
	opProfilesDelete

	operationCount
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	del  = http.MethodDelete

	once        = transport.Once
	safe        = transport.Safe
	conditional = transport.Conditional
	idempotent  = transport.Idempotent
)

// operations lists every operation of the API in the order of sheet 2.1. It is
// never changed.
var operations = [operationCount]operation{
	opProfilesList:   {name: "Profiles.List", method: get, route: "/profiles", class: safe, since: "2019", sure: "high"},
	opProfilesCreate: {name: "Profiles.Create", method: post, route: "/profiles", class: once, charged: "profiles under management", rateLimited: true, since: "2019", sure: "high"},
	opProfilesGet:    {name: "Profiles.Get", method: get, route: "/profiles/{profile_id}", class: safe, since: "2019", sure: "high"},

	opCollectedDataGet:     {name: "CollectedData.Get", method: get, route: "/profiles/{profile_id}/collected_data", class: safe, since: "2019", sure: "high"},
	opCollectedDataReplace: {name: "CollectedData.Replace", method: post, route: "/profiles/{profile_id}/collected_data", class: conditional, rateLimited: true, since: "2019", sure: "high"},
	opDocumentsCreate:      {name: "Documents.Create", method: post, route: "/profiles/{profile_id}/collected_data/documents", class: once, since: "2019", sure: "high"},

	opProfilesStatus:    {name: "Profiles.Status", method: get, route: "/profiles/{profile_id}/status", class: safe, since: "2019", sure: "high"},
	opProfilesSetStatus: {name: "Profiles.SetStatus", method: post, route: "/profiles/{profile_id}/status", class: idempotent, since: "2019", sure: "high"},

	opApplicationsList:           {name: "Applications.List", method: get, route: "/profiles/{profile_id}/applications", class: safe, since: "2019", sure: "high"},
	opApplicationsCreate:         {name: "Applications.Create", method: post, route: "/profiles/{profile_id}/applications", class: once, since: "2019", sure: "high"},
	opApplicationsGet:            {name: "Applications.Get", method: get, route: "/profiles/{profile_id}/applications/{application_id}", class: safe, since: "2019", sure: "high"},
	opApplicationsSetStatus:      {name: "Applications.SetStatus", method: post, route: "/profiles/{profile_id}/applications/{application_id}", class: idempotent, since: "2019", sure: "high"},
	opApplicationsRevertDecision: {name: "Applications.RevertDecision", method: post, route: "/profiles/{profile_id}/applications/{application_id}/revert_decision", class: once, since: "2019", sure: "medium"},

	opChecksList:     {name: "Checks.List", method: get, route: "/profiles/{profile_id}/checks", class: safe, errors: errorsUnlessID, since: "2019", sure: "high"},
	opChecksRun:      {name: "Checks.Run", method: post, route: "/profiles/{profile_id}/checks", class: once, limit: 150 * time.Second, errors: errorsUnlessID, charged: "the check, on a live account", since: "2019", sure: "high"},
	opChecksGet:      {name: "Checks.Get", method: get, route: "/profiles/{profile_id}/checks/{check_id}", class: safe, errors: errorsUnlessID, since: "2019", sure: "high"},
	opChecksSetTasks: {name: "Checks.SetTasks", method: post, route: "/profiles/{profile_id}/checks/{check_id}", class: idempotent, errors: errorsUnlessID, since: "2019", sure: "high"},
	opChecksApprove:  {name: "Checks.Approve", method: post, route: "/profiles/{profile_id}/checks/{check_id}/approve", class: once, errors: errorsUnlessID, bare: true, since: "2019", sure: "high"},
	opChecksReject:   {name: "Checks.Reject", method: post, route: "/profiles/{profile_id}/checks/{check_id}/reject", class: once, errors: errorsUnlessID, bare: true, since: "2019", sure: "high"},

	opTasksList:       {name: "Tasks.List", method: get, route: "/profiles/{profile_id}/tasks", class: safe, since: "2019", sure: "high"},
	opTasksCreate:     {name: "Tasks.Create", method: post, route: "/profiles/{profile_id}/tasks", class: once, since: "2019", sure: "high"},
	opTasksGet:        {name: "Tasks.Get", method: get, route: "/profiles/{profile_id}/tasks/{task_id}", class: safe, since: "2019", sure: "high"},
	opTasksUpdate:     {name: "Tasks.Update", method: post, route: "/profiles/{profile_id}/tasks/{task_id}", class: idempotent, since: "2019", sure: "medium"},
	opTasksNotes:      {name: "Tasks.Notes", method: get, route: "/profiles/{profile_id}/tasks/{task_id}/notes", class: safe, since: "2019", sure: "high"},
	opTasksAddNote:    {name: "Tasks.AddNote", method: post, route: "/profiles/{profile_id}/tasks/{task_id}/notes", class: once, since: "2019", sure: "high"},
	opTasksDeleteNote: {name: "Tasks.DeleteNote", method: del, route: "/profiles/{profile_id}/tasks/{task_id}/notes/{note_id}", class: idempotent, bare: true, since: "2019", sure: "high"},

	opEventsList:       {name: "Events.List", method: get, route: "/profiles/{profile_id}/events", class: safe, since: "2019", sure: "high"},
	opEventsCreate:     {name: "Events.Create", method: post, route: "/profiles/{profile_id}/events", class: once, since: "2019", sure: "high"},
	opEventsGet:        {name: "Events.Get", method: get, route: "/profiles/{profile_id}/events/{event_id}", class: safe, since: "2019", sure: "high"},
	opEventsUpdate:     {name: "Events.Update", method: post, route: "/profiles/{profile_id}/events/{event_id}", class: idempotent, since: "2019", sure: "high"},
	opEventsBulkUpdate: {name: "Events.BulkUpdate", method: post, route: "/profiles/{profile_id}/events/bulk_update", class: idempotent, since: "2019", sure: "high"},

	opFilesUpload: {name: "Files.Upload", method: post, route: "/profiles/{profile_id}/files", class: once, limit: transferLimit, since: "2019", sure: "high"},
	opFilesGet:    {name: "Files.Get", method: get, route: "/profiles/{profile_id}/files/{file_id}", class: safe, limit: transferLimit, since: "2019", sure: "medium"},

	opDocumentsListImages:  {name: "Documents.ListImages", method: get, route: "/profiles/{profile_id}/document_images", class: safe, since: "2019", sure: "high"},
	opDocumentsUploadImage: {name: "Documents.UploadImage", method: post, route: "/profiles/{profile_id}/document_images", class: once, limit: transferLimit, since: "2019", sure: "high"},
	opDocumentsGetImage:    {name: "Documents.GetImage", method: get, route: "/profiles/{profile_id}/document_images/{document_image_id}", class: safe, limit: transferLimit, since: "2019", sure: "medium-high"},

	opTagsAdd:    {name: "Tags.Add", method: post, route: "/profiles/{profile_id}/tags", class: once, since: "2019", sure: "high"},
	opTagsRemove: {name: "Tags.Remove", method: del, route: "/profiles/{profile_id}/tags/{tag_id}", class: idempotent, since: "2019", sure: "high"},
	opTagsSearch: {name: "Tags.Search", method: get, route: "/tags/search/{term}", class: safe, since: "2019", sure: "high"},

	opAuditItems:     {name: "Audit.Items", method: get, route: "/profiles/{profile_id}/audit-items", class: safe, since: "2019", sure: "high"},
	opAuditPDFReport: {name: "Audit.PDFReport", method: get, route: "/profiles/{profile_id}/audit/pdf_report", class: safe, limit: transferLimit, rateLimited: true, since: "help pages", sure: "low"},

	opCollectSteps:            {name: "Collect.Steps", method: get, route: "/profiles/{profile_id}/collection_steps", class: safe, since: "2019", sure: "high"},
	opCollectSetSteps:         {name: "Collect.SetSteps", method: post, route: "/profiles/{profile_id}/collection_steps", class: idempotent, since: "2019", sure: "high"},
	opCollectCreateKey:        {name: "Collect.CreateKey", method: post, route: "/api_keys/collect", class: once, since: "2019", sure: "high"},
	opCollectCreateProfileKey: {name: "Collect.CreateProfileKey", method: post, route: "/api_keys/collect/{profile_id}", class: once, since: "2019", sure: "high"},

	opSearchCompanies:     {name: "Search.Companies", method: get, route: "/search/companies", class: safe, errors: errorsUnlessResults, charged: "maybe, by the provider", since: "2019", sure: "high"},
	opSearchAddresses:     {name: "Search.Addresses", method: get, route: "/address/search", class: safe, since: "2019", sure: "high"},
	opSearchFormatAddress: {name: "Search.FormatAddress", method: get, route: "/address/format", class: once, charged: "address credits", since: "2019", sure: "high"},

	opWhoAmI: {name: "WhoAmI", method: get, route: "/whoami", class: safe, since: "2019", sure: "high"},

	opFormsCreateCustomerRequest: {name: "Forms.CreateCustomerRequest", method: post, route: "/forms/profile/{profile_id}/customer_request", class: once, since: "guide", sure: "low-medium"},
	opFormsCustomerRequest:       {name: "Forms.CustomerRequest", method: get, route: "/forms/profile/{profile_id}/customer_request", class: safe, since: "guide", sure: "medium"},

	opProfilesDelete: {name: "Profiles.Delete", method: post, route: "/profiles/{profile_id}/delete", class: once, bare: true, since: "2022", sure: "medium-high"},
}

// transferLimit is the time limit of one attempt to move an image or a report.
const transferLimit = 15 * time.Minute
