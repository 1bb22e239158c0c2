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

// What routes are made of.
const (
	get  = http.MethodGet
	post = http.MethodPost
	del  = http.MethodDelete

	onProfile = "/profiles/{profile_id}" // what most paths begin with
)

// operations lists everything that the API can do. Each route stands in the file of
// the rule that handles it.
func operations() []*route {
	return slices.Concat(
		profileRoutes(), collectedDataRoutes(), fileRoutes(),
		applicationRoutes(), checkRoutes(), taskRoutes(),
		findingRoutes(), auditRoutes(), stepRoutes(),
		keyRoutes(), searchRoutes(), formRoutes(),
	)
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
