package passforttest

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sort"
	"strings"
)

const opReplace = "CollectedData.Replace"

// route is one operation of the API: its name, where it lives and what handles
// it. The names are the ones the SDK uses.
type route struct {
	Operation string
	Method    string
	Path      string
	handle    handler

	creates bool // answers 201 when the switch says so
	collect bool // open to the narrow key of a collect session
	master  bool // needs the master key

	image  func(Switches) bool // the body is an upload, whose content the switch keeps
	unless func(Switches) bool // the method is not allowed unless the switch says so

	segments []string
}

// operations is the one table of everything the API can do.
func operations() []*route {
	const (
		get  = http.MethodGet
		post = http.MethodPost
		del  = http.MethodDelete
		p    = "/profiles/{profile_id}"
	)
	return []*route{
		{Operation: "Profiles.List", Method: get, Path: "/profiles",
			handle: (*world).listProfiles},
		{Operation: "Profiles.Create", Method: post, Path: "/profiles",
			handle: withObject((*world).createProfile), creates: true},
		{Operation: "Profiles.Get", Method: get, Path: p,
			handle: withProfile((*world).getProfile)},
		{Operation: "Profiles.Status", Method: get, Path: p + "/status",
			handle: withProfile((*world).getStatus)},
		{Operation: "Profiles.SetStatus", Method: post, Path: p + "/status",
			handle: withProfile((*world).setStatus)},
		{Operation: "Profiles.Delete", Method: post, Path: p + "/delete",
			handle: withBoth((*world).deleteProfile)},

		{Operation: "CollectedData.Get", Method: get, Path: p + "/collected_data",
			handle: withProfile((*world).getCollectedData), collect: true},
		{Operation: opReplace, Method: post, Path: p + "/collected_data",
			handle: withProfile((*world).replaceCollectedData), collect: true},
		{Operation: "Documents.Create", Method: post, Path: p + "/collected_data/documents",
			handle: withBoth((*world).createDocument), creates: true, collect: true},

		{Operation: "Applications.List", Method: get, Path: p + "/applications",
			handle: withProfile((*world).listApplications)},
		{Operation: "Applications.Create", Method: post, Path: p + "/applications",
			handle: withBoth((*world).createApplication), creates: true},
		{Operation: "Applications.Get", Method: get, Path: p + "/applications/{application_id}",
			handle: below("application", (*profile).application, (*world).getApplication)},
		{Operation: "Applications.SetStatus", Method: post, Path: p + "/applications/{application_id}",
			handle: belowWithObject("application", (*profile).application, (*world).setApplicationStatus)},
		{Operation: "Applications.RevertDecision", Method: post,
			Path:   p + "/applications/{application_id}/revert_decision",
			handle: below("application", (*profile).application, (*world).revertDecision)},

		{Operation: "Checks.List", Method: get, Path: p + "/checks",
			handle: withProfile((*world).listChecks)},
		{Operation: "Checks.Run", Method: post, Path: p + "/checks",
			handle: withBoth((*world).runCheck), creates: true},
		{Operation: "Checks.Get", Method: get, Path: p + "/checks/{check_id}",
			handle: below("check", (*profile).check, (*world).getCheck)},
		{Operation: "Checks.SetTasks", Method: post, Path: p + "/checks/{check_id}",
			handle: belowWithObject("check", (*profile).check, (*world).setCheckTasks)},
		{Operation: "Checks.Approve", Method: post, Path: p + "/checks/{check_id}/approve",
			handle: below("check", (*profile).check, (*world).approveCheck)},
		{Operation: "Checks.Reject", Method: post, Path: p + "/checks/{check_id}/reject",
			handle: below("check", (*profile).check, (*world).rejectCheck)},

		{Operation: "Tasks.List", Method: get, Path: p + "/tasks",
			handle: withProfile((*world).listTasks)},
		{Operation: "Tasks.Create", Method: post, Path: p + "/tasks",
			handle: withBoth((*world).createTask), creates: true},
		{Operation: "Tasks.Get", Method: get, Path: p + "/tasks/{task_id}",
			handle: below("task", (*profile).task, (*world).getTask)},
		{Operation: "Tasks.Update", Method: post, Path: p + "/tasks/{task_id}",
			handle: belowWithObject("task", (*profile).task, (*world).updateTask)},
		{Operation: "Tasks.Notes", Method: get, Path: p + "/tasks/{task_id}/notes",
			handle: below("task", (*profile).task, (*world).listNotes)},
		{Operation: "Tasks.AddNote", Method: post, Path: p + "/tasks/{task_id}/notes",
			handle: belowWithObject("task", (*profile).task, (*world).addNote), creates: true},
		{Operation: "Tasks.DeleteNote", Method: del, Path: p + "/tasks/{task_id}/notes/{note_id}",
			handle: below("task", (*profile).task, (*world).deleteNote)},

		{Operation: "Events.List", Method: get, Path: p + "/events",
			handle: withProfile((*world).listEvents)},
		{Operation: "Events.Create", Method: post, Path: p + "/events",
			handle: withBoth((*world).createEvent), creates: true},
		{Operation: "Events.Get", Method: get, Path: p + "/events/{event_id}",
			handle: withProfile((*world).getEvent)},
		{Operation: "Events.Update", Method: post, Path: p + "/events/{event_id}",
			handle: withBoth((*world).updateEvent)},
		{Operation: "Events.BulkUpdate", Method: post, Path: p + "/events/bulk_update",
			handle: withProfile((*world).bulkUpdateEvents)},

		{Operation: "Files.Upload", Method: post, Path: p + "/files",
			handle: withProfile((*world).uploadFile), creates: true,
			image: func(sw Switches) bool { return sw.ReadableFiles }},
		{Operation: "Files.Get", Method: get, Path: p + "/files/{file_id}",
			handle: below("file", (*profile).file, (*world).getFile)},
		{Operation: "Files.Get", Method: post, Path: p + "/files/{file_id}",
			handle: below("file", (*profile).file, (*world).getFile),
			unless: func(sw Switches) bool { return sw.FileReadByPOST }},
		{Operation: "Documents.ListImages", Method: get, Path: p + "/document_images",
			handle: withProfile((*world).listImages), collect: true},
		{Operation: "Documents.UploadImage", Method: post, Path: p + "/document_images",
			handle: withProfile((*world).uploadImage), creates: true, collect: true,
			image: func(sw Switches) bool { return sw.ReadableImages }},
		{Operation: "Documents.GetImage", Method: get, Path: p + "/document_images/{document_image_id}",
			handle: below("document_image", (*profile).image, (*world).getImage)},

		{Operation: "Tags.Add", Method: post, Path: p + "/tags",
			handle: withBoth((*world).addTag), creates: true},
		{Operation: "Tags.Remove", Method: del, Path: p + "/tags/{tag_id}",
			handle: withProfile((*world).removeTag)},
		{Operation: "Tags.Search", Method: get, Path: "/tags/search/{term}",
			handle: (*world).searchTags},

		{Operation: "Audit.Items", Method: get, Path: p + "/audit-items",
			handle: withProfile((*world).auditItems)},
		{Operation: "Audit.PDFReport", Method: get, Path: p + "/audit/pdf_report",
			handle: withProfile((*world).auditReport)},

		{Operation: "Collect.Steps", Method: get, Path: p + "/collection_steps",
			handle: withProfile((*world).getSteps), collect: true},
		{Operation: "Collect.SetSteps", Method: post, Path: p + "/collection_steps",
			handle: withProfile((*world).setSteps)},
		{Operation: "Collect.CreateKey", Method: post, Path: "/api_keys/collect",
			handle: withObject((*world).createCollectKey), creates: true},
		{Operation: "Collect.CreateProfileKey", Method: post, Path: "/api_keys/collect/{profile_id}",
			handle: (*world).createProfileKey, creates: true},

		{Operation: "Search.Companies", Method: get, Path: "/search/companies",
			handle: (*world).searchCompanies},
		{Operation: "Search.Addresses", Method: get, Path: "/address/search",
			handle: (*world).searchAddresses},
		{Operation: "Search.FormatAddress", Method: get, Path: "/address/format",
			handle: (*world).formatAddress},

		{Operation: "WhoAmI", Method: get, Path: "/whoami",
			handle: (*world).whoAmI},

		{Operation: "Forms.CreateCustomerRequest", Method: post, Path: "/forms/profile/{profile_id}/customer_request",
			handle: withBoth((*world).createCustomerRequest), creates: true, master: true},
		{Operation: "Forms.CustomerRequest", Method: get, Path: "/forms/profile/{profile_id}/customer_request",
			handle: withProfile((*world).latestCustomerRequest)},
	}
}

// Operations returns the names of all operations, sorted.
func Operations() []string {
	var names []string
	for _, r := range operations() {
		names = append(names, r.Operation)
	}
	sort.Strings(names)
	return slices.Compact(names)
}

func (r *route) operation() string {
	if r == nil {
		return ""
	}
	return r.Operation
}

// router finds routes by the number of path segments.
type router struct{ bySize map[int][]*route }

func newRouter() *router {
	rt := &router{bySize: map[int][]*route{}}
	for _, r := range operations() {
		r.segments = strings.Split(strings.TrimPrefix(r.Path, "/"), "/")
		rt.bySize[len(r.segments)] = append(rt.bySize[len(r.segments)], r)
	}
	for _, routes := range rt.bySize {
		// Fixed segments win over parameters: events/bulk_update is not an event.
		slices.SortStableFunc(routes, func(a, b *route) int {
			return strings.Count(a.Path, "{") - strings.Count(b.Path, "{")
		})
	}
	return rt
}

// find returns the route and its path parameters, or the methods the path
// allows.
func (rt *router) find(method, escaped string) (*route, map[string]string, string) {
	rest, is := strings.CutPrefix(escaped, basePath+"/")
	if !is {
		return nil, nil, ""
	}
	segments := strings.Split(rest, "/")
	var allowed []string
	for _, r := range rt.bySize[len(segments)] {
		params, is := r.match(segments)
		if !is {
			continue
		}
		if r.Method == method {
			return r, params, ""
		}
		if !slices.Contains(allowed, r.Method) {
			allowed = append(allowed, r.Method)
		}
	}
	return nil, nil, strings.Join(allowed, ", ")
}

func (r *route) match(segments []string) (map[string]string, bool) {
	var params map[string]string
	for i, want := range r.segments {
		name, isParam := strings.CutPrefix(want, "{")
		if !isParam {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		if params == nil {
			params = make(map[string]string, 2)
		}
		params[strings.TrimSuffix(name, "}")] = value
	}
	return params, true
}

// mustBe panics if a name that a test gives is none of the known ones, and names
// those that are near: a typo would look like something that never happens.
func mustBe(kind, name string, known []string) {
	if slices.Contains(known, name) {
		return
	}
	text := fmt.Sprintf("passforttest: there is no %s %q", kind, name)
	if near := nearest(name, known); len(near) > 0 {
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	panic(text)
}

// word returns the text of a string or of a constant of a string type.
func word(kind string, value any) string {
	v := reflect.ValueOf(value)
	switch {
	case value == nil:
		return ""
	case v.Kind() != reflect.String:
		panic(fmt.Sprintf("passforttest: a %s is a string, not a %T", kind, value))
	}
	return v.String()
}

// nearest returns up to three of the known names that take the fewest edits, and
// those that have the name in them.
func nearest(name string, known []string) []string {
	best, near := len(name)/2+1, []string{}
	for _, candidate := range known {
		distance := edits(strings.ToLower(name), strings.ToLower(candidate))
		service, method, _ := strings.Cut(strings.ToLower(candidate), ".")
		asked, part, dotted := strings.Cut(strings.ToLower(name), ".")
		if name != "" && strings.Contains(strings.ToLower(candidate), strings.ToLower(name)) || dotted &&
			service == asked && method != part {
			distance = min(distance, 2)
		}
		switch {
		case distance < best:
			best, near = distance, []string{candidate}
		case distance == best && len(near) < 3:
			near = append(near, candidate)
		}
	}
	return near
}

// edits is the Levenshtein distance of two short names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
