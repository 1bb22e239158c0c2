package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/journal"
	"github.com/passfort-go/passfort/passforttest"
)

// foreigner is a client that knows nothing but the description, and keeps to it or
// not.
type foreigner struct {
	t     *testing.T
	g     *generator
	j     *judge
	clock *passforttest.ManualClock
	ops   []operation

	srv      *passforttest.Server
	file     *journal.File
	path     string // of the file
	profiles []*known
	calls    int
	answers  map[string]map[int]int // by operation and status
	problems map[string]bool
}

// known is what the client has seen of a profile.
type known struct {
	id, etag string
	below    map[string][]string // ids by kind
}

// kinds says what the ids in the answers of an operation are of.
var kinds = map[string]string{
	"Applications.List": "application", "Applications.Create": "application", "Checks.List": "check",
	"Checks.Run": "check", "Tasks.List": "task", "Tasks.Create": "task", "Events.List": "event",
	"Events.Create": "event", "Files.Upload": "file", "Documents.UploadImage": "document_image",
	"Documents.ListImages": "document_image", "Search.Addresses": "address", "Tags.Add": "tag",
	"Tasks.AddNote": "note", "Tasks.Notes": "note",
}

// members says which of them a member of a body holds.
var members = map[string]map[string]string{
	"Search.FormatAddress": {"id": "address"},
	"Documents.Create":     {"id": "document_image"}, "Events.BulkUpdate": {"id": "event"},
	"Tasks.AddNote":   {"id": "file"},
	"Checks.SetTasks": {"task_ids": "task"}, "Checks.Run": {"task_ids": "task", "document_id": "document_image"},
}

// Whatever foreign clients send, the simulator answers as the description says,
// and its state can be opened again.
func TestForeignClients(t *testing.T) {
	t.Parallel()
	calls := 3_000
	if testing.Short() {
		calls = 600
	}
	if os.Getenv("PASSFORT_LONG") != "" {
		calls = 20_000
	}
	s, err := read(t.Context(), root)
	require.NoError(t, err)
	f := &foreigner{
		t: t, g: newGenerator(t, rand.New(rand.NewPCG(20, 16))), j: newJudge(t, nil), ops: s.operations,
		clock: passforttest.NewClock(time.Unix(1_700_000_000, 0)), path: filepath.Join(t.TempDir(), "0"),
		answers: map[string]map[int]int{}, problems: map[string]bool{},
	}
	f.open()
	for f.calls < calls {
		f.call()
		if f.calls%(calls/6) == 0 {
			f.kill()
		}
	}
	require.NoError(t, f.file.Close())
	f.srv.Close()
	total := map[int]int{}
	for _, op := range f.ops {
		done, refused := 0, 0
		for status, n := range f.answers[op.name] {
			total[status] += n
			if status/100 == 2 {
				done += n
			} else {
				refused += n
			}
		}
		if calls == 20_000 {
			require.NotZero(t, done, "no %s was carried out", op.name)
			require.NotZero(t, refused, "no %s was refused", op.name)
		}
	}
	t.Logf("%d calls: %v", f.calls, total)
}

// open starts a server on the file.
func (f *foreigner) open() {
	score := 5.0
	f.srv = passforttest.New(passforttest.WithClock(f.clock), passforttest.WithoutRateLimits(),
		passforttest.WithSeed(1), passforttest.WithRecorder(1, 0),
		passforttest.WithProducts(passforttest.Product{
			Alias: "rich", Risk: &passforttest.RiskModel{Default: &score}, Tasks: []passforttest.ProductTask{
				{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"},
					ExpiresAfter: 365 * 24 * time.Hour},
				{Type: "INDIVIDUAL_ASSESS_POLITICAL_AND_SANCTIONS_EXPOSURE"},
			},
		}))
	var err error
	f.file, err = journal.Open(f.path)
	require.NoError(f.t, err)
	require.NoError(f.t, f.srv.KeepIn(unhurried{f.file}), "the state cannot be opened again")
	f.clock.AutoAdvance(time.Second)
}

// unhurried is a journal that waits for no disk, which holds up a call for long.
type unhurried struct{ *journal.File }

// Sync does nothing.
func (unhurried) Sync() error { return nil }

// kill takes the file as it is, and opens it: everything is there, as it was.
func (f *foreigner) kill() {
	require.NoError(f.t, f.file.Sync())
	raw, err := os.ReadFile(f.path)
	require.NoError(f.t, err)
	old, oldFile := f.srv, f.file
	f.path = filepath.Join(filepath.Dir(f.path), fmt.Sprint(f.calls))
	require.NoError(f.t, os.WriteFile(f.path, raw, 0o600))
	f.open()
	f.clock.AutoAdvance(0)
	want, got := f.look(old, f.profiles...), f.look(f.srv, f.profiles...)
	require.Len(f.t, got, len(want))
	for path := range want {
		require.Equal(f.t, want[path], got[path], path)
	}
	f.clock.AutoAdvance(time.Second)
	old.Close()
	require.NoError(f.t, oldFile.Close())
}

// look reads what there is of profiles.
func (f *foreigner) look(srv *passforttest.Server, profiles ...*known) map[string]string {
	all := map[string]string{}
	for _, p := range profiles {
		for _, below := range []string{
			"", "/status", "/collected_data", "/collection_steps", "/document_images", "/audit-items", "/applications",
			"/checks", "/events", "/tasks",
		} {
			path := "/profiles/" + p.id + below
			r := f.serve(srv, http.MethodGet, path, "", nil)
			all[path] = fmt.Sprintf("%d %s %s", r.Code, r.Header().Get("Etag"), r.Body)
		}
	}
	return all
}

func (f *foreigner) serve(
	srv *passforttest.Server, method, path, body string, header map[string]string,
) (rec *httptest.ResponseRecorder) {
	r, err := http.NewRequestWithContext(f.t.Context(), method, "http://127.0.0.1/4.0"+path, strings.NewReader(body))
	require.NoError(f.t, err)
	r.Header.Set("apikey", srv.APIKey())
	for name, value := range header {
		r.Header.Set(name, value)
	}
	rec = httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			f.t.Errorf("%s %s %.300s: panic %v\n%s", method, path, body, v, debug.Stack())
		}
	}()
	srv.ServeHTTP(rec, r)
	return rec
}

// call makes one call and holds what comes of it against the description.
func (f *foreigner) call() {
	f.calls++
	op, p := f.next()
	wild := f.g.chance(0.4)
	path := f.route(op, p, wild)
	var body string
	if described := f.described(op)["requestBody"]; described != nil {
		body = f.body(op, p, described.(map[string]any), wild)
	}
	header := f.header(op, p, wild)
	var before map[string]string
	if op.name != "Checks.Run" && f.g.chance(0.1) { // a check waits for the clock
		f.clock.AutoAdvance(0)
		before = f.look(f.srv, p)
	}
	rec := f.serve(f.srv, strings.ToUpper(op.method), path, body, header)
	seen := f.srv.Requests()[0].Operation
	f.judged(op, seen, path, body, rec)
	if before != nil && rec.Code/100 == 4 {
		for path, got := range f.look(f.srv, p) {
			if got != before[path] {
				f.say("a refusal of "+op.name+" changed something", path+"\n"+before[path]+"\n"+got+"\n"+body)
			}
		}
	}
	f.clock.AutoAdvance(time.Second)
	if rec.Code/100 == 2 {
		f.learn(seen, p, rec)
	}
}

// next is the operation to call, and of which profile.
func (f *foreigner) next() (operation, *known) {
	op := pick(f.g, f.ops...)
	for (op.name == "Profiles.Create" || op.name == "Profiles.Delete") && f.g.chance(0.8) {
		op = pick(f.g, f.ops...) // profiles live long enough to have something below them
	}
	if len(f.profiles) < 4 || f.g.chance(0.02) {
		op = f.ops[slices.IndexFunc(f.ops, func(op operation) bool { return op.name == "Profiles.Create" })]
	}
	if len(f.profiles) == 0 {
		return op, &known{id: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", below: map[string][]string{}}
	}
	return op, pick(f.g, f.profiles...)
}

// described is what the description says of an operation.
func (f *foreigner) described(op operation) map[string]any {
	item := f.g.description["paths"].(map[string]any)[op.route].(map[string]any)
	return item[op.method].(map[string]any)
}

// route is the path and query of a call.
func (f *foreigner) route(op operation, p *known, wild bool) string {
	path := braces.ReplaceAllStringFunc(op.route, func(name string) string {
		name = strings.Trim(name, "{}")
		id := p.id
		if kind := strings.TrimSuffix(name, "_id"); kind != "profile" {
			id = "vip"
			if op.name == "Applications.RevertDecision" && len(p.below["decided"]) > 0 {
				kind = "decided"
			}
			if all := p.below[kind]; len(all) > 0 {
				id = pick(f.g, all...)
			}
		}
		if wild && f.g.chance(0.15) {
			id = pick(f.g, strings.ToUpper(id), "6ba7b810-9dad-41d1-80b4-00c04fd430c8", f.other(), "x", "..", "a/b",
				"\x00",
				"%", "é", strings.Repeat("9", 300), " ")
		}
		return url.PathEscape(id)
	})
	f.g.ids = func(member string) []string { return p.below[members[op.name][member]] }
	query := url.Values{}
	parameters, _ := f.described(op)["parameters"].([]any)
	for _, v := range parameters {
		parameter := v.(map[string]any)
		name := parameter["name"].(string)
		if parameter["in"] != "query" || parameter["required"] == nil && f.g.chance(0.6) {
			continue
		}
		value := fmt.Sprint(f.g.value(parameter["schema"].(map[string]any), name, 1))
		if wild && f.g.chance(0.3) {
			value = strings.Trim(string(f.g.odd()), `"`)
			value = value[:min(len(value), 300)]
		}
		query.Set(name, strings.Trim(value, "[]"))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// other is an id of something else.
func (f *foreigner) other() string {
	for _, p := range f.profiles {
		for _, ids := range p.below {
			if f.g.chance(0.2) {
				return ids[0]
			}
		}
	}
	return "none"
}

func (f *foreigner) header(op operation, p *known, wild bool) map[string]string {
	header := map[string]string{}
	if op.name == "CollectedData.Replace" && p.etag != "" && f.g.chance(0.6) {
		header["If-Match"] = p.etag
		if wild {
			header["If-Match"] = pick(f.g, `W/"1.5"`, "*", "x", `""`, p.etag+","+p.etag)
		}
	}
	if wild && f.g.chance(0.05) {
		header["apikey"] = pick(f.g, "", "wrong", "é")
	}
	return header
}

func (f *foreigner) body(op operation, p *known, described map[string]any, wild bool) string {
	f.g.ids = func(member string) []string {
		switch member {
		case "profile_ids", "confirm_id", "profile_id", "linked_profile":
			return []string{p.id}
		}
		return p.below[members[op.name][member]]
	}
	media := described["content"].(map[string]any)["application/json"].(map[string]any)
	v := f.g.value(media["schema"].(map[string]any), "", 0)
	if o, is := v.(map[string]any); is && op.name == "Profiles.Create" {
		data, _ := o["collected_data"].(map[string]any)
		role, _ := o["role"].(string)
		if data != nil {
			data["entity_type"], _, _ = strings.Cut(role, "_")
		}
	}
	spoils := f.g.IntN(3)
	for ; wild && spoils > 0; spoils-- {
		v = f.g.spoiled(v)
	}
	raw, err := json.Marshal(v)
	require.NoError(f.t, err)
	if wild && f.g.chance(0.1) {
		return f.g.broken(string(raw))
	}
	return string(raw)
}

// judged holds an answer, and the request if it was carried out, against the
// description.
func (f *foreigner) judged(op operation, seen, path, body string, rec *httptest.ResponseRecorder) {
	if f.answers[seen] == nil {
		f.answers[seen] = map[int]int{}
	}
	f.answers[seen][rec.Code]++
	call := fmt.Sprintf("%s %s\n%.600s\n%d %.600s", op.method, path, body, rec.Code, rec.Body)
	if rec.Code >= 500 {
		f.say(fmt.Sprintf("%s: status %d", seen, rec.Code), call)
	}
	if problem := f.j.answer(seen, rec.Code, rec.Header(), rec.Body.Bytes()); problem != "" {
		f.say("answer of "+seen+": "+problem, call)
	}
	described := f.j.operations[op.name].RequestBody
	if rec.Code/100 != 2 || seen != op.name || described == nil {
		return
	}
	if body == "" && (described.Required == nil || !*described.Required) {
		return
	}
	schema := described.Content.GetOrZero("application/json").Schema.Schema()
	if problem := f.j.fits(schema, []byte(body)); problem != "" {
		f.say("carried out, "+seen+": "+problem, call)
	}
}

// say reports what is wrong, each kind once.
func (f *foreigner) say(problem, call string) {
	if !f.problems[problem] {
		f.problems[problem] = true
		f.t.Errorf("%s\n%s", problem, call)
	}
}

// learn keeps the ids of an answer.
func (f *foreigner) learn(seen string, p *known, rec *httptest.ResponseRecorder) {
	var one struct{ ID string }
	_ = json.Unmarshal(rec.Body.Bytes(), &one)
	switch seen {
	case "Profiles.Create":
		if f.profiles = append(f.profiles, &known{id: one.ID, below: map[string][]string{}}); len(f.profiles) > 12 {
			f.profiles = f.profiles[1:]
		}
	case "Profiles.Delete":
		f.profiles = slices.DeleteFunc(f.profiles, func(other *known) bool { return other == p })
	case "Applications.SetStatus":
		if bytes.Contains(rec.Body.Bytes(), []byte(`"status":"REJECTED"`)) {
			p.below["decided"] = []string{one.ID}
		}
	case "CollectedData.Get", "CollectedData.Replace":
		p.etag = rec.Header().Get("Etag")
	}
	kind := kinds[seen]
	if kind == "" {
		return
	}
	all := []struct{ ID string }{one}
	var page struct{ Results []struct{ ID string } }
	if json.Unmarshal(rec.Body.Bytes(), &page) == nil && page.Results != nil {
		all = page.Results
	} else if one.ID == "" {
		_ = json.Unmarshal(rec.Body.Bytes(), &all)
	}
	for _, found := range all {
		if found.ID != "" {
			p.below[kind] = append(p.below[kind], found.ID)
		}
		p.below[kind] = p.below[kind][max(0, len(p.below[kind])-6):]
	}
}
