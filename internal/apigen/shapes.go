package main

// shape is what an operation takes and answers. Types are those of package passfort,
// "[]" before one is a list, and a lower case name is one of inline.
type shape struct {
	query    string
	body     string
	required []string // members of the body that the API demands, or that say what to do
	answer   string   // "" is null or nothing
	summary  string
	page     string // of docs/api, with its section
	etag     string // "read": the answer has an ETag. "write": the request may have If-Match too
	unnamed  bool   // the answer may lack its id

	queryParts, bodyParts []part // the members of what has no type of its own
	id                    bool   // the answer names what it is by its id
}

// shapes lists what the methods do not say, or say at greater length, by operation.
// An operation that is not here is described by its method alone: the types of what it
// sends and returns, the first sentence of its comment, and the first page of docs/api
// that its comment or that of its service names.
var shapes = map[string]shape{
	"Profiles.List":   {summary: "List profiles, one page", page: "profiles.md#list-profiles"},
	"Profiles.Create": {required: []string{"role", "collected_data"}, summary: "Create a profile"},
	"Profiles.Get":    {summary: "Read a profile with everything below it", page: "profiles.md#the-profile"},

	"CollectedData.Get": {
		answer: "EntityData", etag: "read",
		summary: "Read collected data and its ETag", page: "profiles.md#collected-data",
	},
	"CollectedData.Replace": {
		body: "EntityData", required: []string{"entity_type"}, answer: "EntityData", etag: "write",
		summary: "Replace all collected data", page: "profiles.md#collected-data",
	},

	"Documents.Create": {
		required: []string{"category", "document_type", "images"},
		summary:  "Make a document of images", page: "documents.md#documents",
	},

	"Profiles.Status":    {summary: "Read the status of a profile", page: "profiles.md#status"},
	"Profiles.SetStatus": {summary: "Set the status of a profile", page: "profiles.md#status"},
	"Profiles.Delete": {
		body: "deletion", required: []string{"confirm_id"},
		summary: "Delete a profile permanently", page: "profiles.md#delete-a-profile",
	},

	"Applications.List": {
		summary: "List the applications of a profile", page: "applications.md#the-application",
	},
	"Applications.Create":         {required: []string{"product"}, summary: "Apply for a product"},
	"Applications.Get":            {summary: "Read an application", page: "applications.md#the-application"},
	"Applications.SetStatus":      {summary: "Decide an application", page: "applications.md#decide"},
	"Applications.RevertDecision": {body: "revert", summary: "Revert a rejection or a cancellation"},

	"Checks.List": {summary: "List the checks of a profile", page: "checks.md#the-check"},
	"Checks.Run":  {required: []string{"check_type"}, summary: "Run a check"},
	"Checks.Get":  {summary: "Read a check", page: "checks.md#the-check"},
	"Checks.SetTasks": {
		body: "checkTasks", required: []string{"task_ids"},
		summary: "Say which tasks a check is for",
	},
	"Checks.Approve": {summary: "Overrule a check: a new one that passes", page: "checks.md#approve-and-reject"},
	"Checks.Reject":  {summary: "Overrule a check: a new one that fails", page: "checks.md#approve-and-reject"},

	"Tasks.List":       {summary: "List the tasks of a profile", page: "tasks.md#the-task"},
	"Tasks.Create":     {summary: "Add a task, or a new version of one", page: "tasks.md#add-a-task"},
	"Tasks.Get":        {summary: "Read a task", page: "tasks.md#the-task"},
	"Tasks.Update":     {body: "TaskUpdate", summary: "Complete a task, or open it"},
	"Tasks.Notes":      {summary: "List the notes of a task", page: "tasks.md#notes"},
	"Tasks.AddNote":    {summary: "Add a note to a task", page: "tasks.md#notes"},
	"Tasks.DeleteNote": {summary: "Delete a note", page: "tasks.md#notes"},

	"Events.List":       {summary: "List the findings of a profile", page: "checks.md#events"},
	"Events.Create":     {required: []string{"data"}, summary: "Add a finding", page: "checks.md#events"},
	"Events.Get":        {summary: "Read a finding", page: "checks.md#events"},
	"Events.Update":     {summary: "Resolve a finding"},
	"Events.BulkUpdate": {required: []string{"id"}, summary: "Resolve several findings", page: "checks.md#events"},

	"Files.Upload": {
		body: "fileUpload", required: []string{"data"},
		summary: "Upload a file", page: "documents.md#files",
	},
	"Files.Get": {unnamed: true, summary: "Read what describes a file", page: "documents.md#files"},

	"Documents.ListImages": {summary: "List the images of a profile", page: "documents.md#document-images"},
	"Documents.UploadImage": {
		body: "imageUpload", required: []string{"data"},
		summary: "Upload an image of a document", page: "documents.md#document-images",
	},
	"Documents.GetImage": {
		query: "fullImage", unnamed: true,
		summary: "Read what describes an image", page: "documents.md#document-images",
	},

	"Tags.Add":    {body: "tagName", required: []string{"name"}, summary: "Tag a profile"},
	"Tags.Remove": {unnamed: true, summary: "Remove a tag from a profile"},
	"Tags.Search": {query: "tagLimit", summary: "Search tags"},

	"Audit.Items": {summary: "List what happened to a profile"},
	"Audit.PDFReport": {
		answer:  "pdf",
		summary: "Read the audit report as a PDF", page: "audit-and-risk.md#the-audit-report",
	},

	"Collect.Steps":    {summary: "List what the customer still has to give"},
	"Collect.SetSteps": {required: []string{"collection_type"}, summary: "Say what the customer has to give"},
	"Collect.CreateKey": {
		body: "keyProfiles", required: []string{"profile_ids"},
		summary: "Make a key for the data of several profiles", page: "customer-requests.md#collect-keys",
	},
	"Collect.CreateProfileKey": {
		summary: "Make a key for the data of one profile", page: "customer-requests.md#collect-keys",
	},

	"Search.Companies": {summary: "Search companies"},
	"Search.Addresses": {summary: "Search addresses", page: "search.md#addresses"},
	"Search.FormatAddress": {
		query:   "addressID",
		summary: "Make an address of what a search found", page: "search.md#addresses",
	},

	"WhoAmI": {summary: "Say whose key this is", page: "basics.md#who-am-i"},

	"Forms.CreateCustomerRequest": {
		required: []string{"type", "flow_template"},
		summary:  "Ask a customer to fill in forms", page: "customer-requests.md#create-a-customer-request",
	},
	"Forms.CustomerRequest": {
		summary: "Read the latest customer request of a profile", page: "customer-requests.md#read-a-customer-request",
	},
}

// part is a member or a parameter of what has no type of its own.
type part struct{ name, typ, doc string }

// inline lists shapes that methods write on the spot.
var inline = map[string][]part{
	"deletion": {
		{"confirm_id", "string", "The id of the profile once more."},
		{"message", "string", "Why. It stays in the audit log for good, so no personal data in it."},
	},
	"revert":     {{"comment", "string", "Stands in the history of the application."}},
	"checkTasks": {{"task_ids", "[]string", "All tasks that the check is for."}},
	"fullImage":  {{"full", "bool", "False leaves the content out."}},
	"tagName":    {{"name", "string", ""}},
	"tagLimit":   {{"limit", "int", "How many at most."}},
	"addressID": {
		{"id", "string", "Of a candidate of the search."},
		{"country_code", "string", "ISO 3166-1 alpha-3, as in the search."},
	},
	"keyProfiles": {{"profile_ids", "[]string", "The profiles that the key is for."}},
	"fileUpload": {
		{"data", "string", "Base64, or a data URI, of at most 50 MB."},
		{"name", "string", "Shown in the portal, which says \"Untitled\" without one."},
	},
	"imageUpload": {
		{"data", "string", "Base64, or a data URI, of a GIF, JPG, PNG, PDF or TIFF of at most 50 MB."},
		{"image_type", "ImageType", ""},
	},
}

// requiredParameters are the query parameters that the API demands.
var requiredParameters = map[string][]string{
	"CompanySearchOptions": {"country", "query"},
	"AddressSearchOptions": {"address", "country_code"},
	"addressID":            {"id", "country_code"},
}

// nullable lists members that are null where there is nothing, as samples have
// them, or as a guess of the simulator.
var nullable = map[string][]string{
	"ApplicationRiskScore":    {"score"},
	"ApplicationStatusChange": {"decisioner"},
	"AuditItem":               {"user", "apikey", "message", "filename", "filehash", "signature"},
	"CompanyCandidate":        {"state"},
	"Institution":             {"logo_url"},
	"Note":                    {"author"},
	"WhoAmI":                  {"user"},
}

// causes are the members of every payload that are null where no one caused the
// event, or the profile has none.
var causes = []string{"apikey", "user", "customer_ref"}

// kept lists members that the SDK keeps as they came, and what is known of them.
var kept = map[string]string{
	"Check.input_data": "EntityData", "Check.output_data": "output", "CheckRequest.output_data": "output",
	"CustomerRequest.apikey": "requestKey",
}

// guessed lists members that the SDK looks for in several places.
var guessed = map[string][]part{
	"EventsChanged": {{"events", "[]WebhookFinding", "The findings; their place is a guess."}},
}

// payloads lists the events whose data has a type.
var payloads = map[string]string{
	"PRODUCT_STATUS_CHANGED":   "ProductStatusChanged",
	"COLLECTED_DATA_UPDATED":   "CollectedDataChange",
	"COLLECTED_DATA_CHANGED":   "CollectedDataChange",
	"CHECK_COMPLETED":          "CheckCompleted",
	"MANUAL_ACTION_REQUIRED":   "ManualActionRequired",
	"CUSTOMER_REQUEST_CHANGED": "CustomerRequestChanged",
	"EVENTS_CREATED":           "EventsChanged",
	"EVENTS_UPDATED":           "EventsChanged",
}

// replayed says in words when an operation may be sent again.
var replayed = map[string]string{
	"safe":        "a read: whenever it failed",
	"conditional": "with If-Match whenever it failed, as the server refuses what it has done already; without never",
	"idempotent":  "whenever it failed: a repeat leaves the same state",
	"once":        "never, unless it provably did not arrive",
}
