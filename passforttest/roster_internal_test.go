package passforttest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireFreshIndexes compares every index of the roster with a look at all
// profiles.
func requireFreshIndexes(t *testing.T, s *Server, after string) {
	t.Helper()
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	want := newRoster()
	ids := []string{}
	for _, b := range s.world.roster.blocks {
		require.NotEmpty(t, b, after)
		for _, p := range b {
			ids = append(ids, p.ID)
			require.Same(t, p, s.world.state.Profiles[p.ID], after)
			eachGram(strings.ToLower(p.Summary.Name), func(g string) { include(want.grams, g, p.place.seq) })
			for _, tag := range p.TagNames {
				include(want.tagged, tag, p.place.seq)
			}
			include(want.categories, p.category(), p.place.seq)
			for _, l := range p.Summary.Links {
				want.link(l.ID, p)
			}
		}
	}
	require.Len(t, ids, s.world.roster.count, after)
	require.ElementsMatch(t, slices.Collect(maps.Keys(s.world.state.Profiles)), ids, after)
	require.Equal(t, want.grams, s.world.roster.grams, after)
	require.Equal(t, want.tagged, s.world.roster.tagged, after)
	require.Equal(t, want.categories, s.world.roster.categories, after)
	links := func(r *roster) map[string][]string {
		out := map[string][]string{}
		for id, companies := range r.links {
			for _, p := range companies {
				out[id] = append(out[id], p.ID)
			}
		}
		return out
	}
	require.Equal(t, links(want), links(s.world.roster), after)
}

// onboarding walks through everything that changes a profile, and looks at the
// indexes after each step.
type onboarding struct {
	t *testing.T
	s *Server
}

func (w *onboarding) call(method, path, body string) string {
	w.t.Helper()
	answer := ask(w.t, w.s, method, path, body)
	requireFreshIndexes(w.t, w.s, method+" "+path+" "+body)
	return answer
}

func (w *onboarding) made(path, body string) string {
	w.t.Helper()
	return idIn(w.t, w.call(http.MethodPost, path, body))
}

// does is a control method that must not fail.
func (w *onboarding) does(what string, err error) {
	w.t.Helper()
	require.NoError(w.t, err, what)
	requireFreshIndexes(w.t, w.s, what)
}

func (w *onboarding) press(path string, form url.Values) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://localhost"+AdminPath+path,
		strings.NewReader(form.Encode()))
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.s.AdminHandler().ServeHTTP(rec, r)
	require.Equal(w.t, http.StatusSeeOther, rec.Code)
	requireFreshIndexes(w.t, w.s, path)
}

// task returns the id of the newest task of a profile, application that of its
// first application.
func (w *onboarding) task(id string) string {
	return w.s.world.state.Profiles[id].Tasks[len(w.s.world.state.Profiles[id].Tasks)-1].ID
}

func (w *onboarding) application(id string) string {
	return w.s.world.state.Profiles[id].Applications[0].ID
}

// Every operation and every control method leaves the indexes as a look at all
// profiles has them.
func TestIndexesFollowEveryChange(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	s := New(WithSeed(1), WithoutRateLimits(), WithRecorder(0, 0), WithClock(NewClock(time.Unix(1e9, 0))),
		WithCheckTime(0), WithAutomationTime(0), WithFlows(Flow{Alias: "after", Product: "gold"}),
		WithProducts(
			Product{
				Alias: "gold", ExpiresAfter: 90 * day, Risk: &RiskModel{},
				Tasks: []ProductTask{{Type: "INDIVIDUAL_VERIFY_IDENTITY", ExpiresAfter: 60 * day}},
			},
			Product{Alias: "auto", AutoApprove: true, Tasks: []ProductTask{
				{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"}},
			}},
			Product{Alias: "teams", EscalateTo: []string{"second line"}, Tasks: []ProductTask{}},
		))
	defer s.Close()
	w := &onboarding{t, s}

	person := w.made("/profiles",
		`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL",`+
			`"personal_details":{"name":{"family_name":"Ümlaut Pep"}}},"applications":[{"product":{"alias":"gold"}}]}`)
	associate := w.made("/profiles", `{"role":"INDIVIDUAL_ASSOCIATED","collected_data":{"entity_type":"INDIVIDUAL"}}`)
	linked := `[{"linked_profile":{"id":"` + associate + `"}}]`
	link := `{"entity_type":"COMPANY","metadata":{"name":"Acme"},"officers":{"directors":` + linked + `,"other":` +
		linked + `}}`
	company := w.made("/profiles", `{"role":"COMPANY_CUSTOMER","collected_data":`+link+`}`)
	p := "/profiles/" + person
	w.made("/profiles/"+company+"/applications", `{"product":{"alias":"auto"}}`)
	w.call(http.MethodPost, "/profiles/"+company+"/collected_data", `{"entity_type":"COMPANY"}`)
	w.call(http.MethodPost, "/profiles/"+company+"/collected_data", link)
	w.call(http.MethodGet, "/profiles/"+associate, "")

	w.made(p+"/checks?mode=sync", `{"check_type":"PEPS_AND_SANCTIONS_SCREEN"}`)
	check := w.made(p+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`)
	w.call(http.MethodPost, p+"/checks/"+check, `{"task_ids":[]}`)
	w.call(http.MethodPost, p+"/checks/"+check+"/reject", "")
	w.call(http.MethodPost, p+"/checks/"+check+"/approve", "")
	w.made(p+"/checks", `{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"2+2"}`)
	added := w.made(p+"/tasks", `{"type":"INDIVIDUAL_MANUAL_TASK"}`)
	note := w.made(p+"/tasks/"+added+"/notes", `{"text":"x"}`)
	w.call(http.MethodDelete, p+"/tasks/"+added+"/notes/"+note, "")
	event := w.made(p+"/events", `{"data":{"event_type":"REVIEW_NEEDED"}}`)
	w.call(http.MethodPost, p+"/events/"+event, `{"resolution":"MATCH"}`)
	found, err := s.AddEvent(person, map[string]any{"event_type": "PEP_FLAG"})
	w.does("AddEvent", err)
	w.call(http.MethodPost, p+"/events/bulk_update", `[{"id":"`+found+`","resolution":"MISMATCH"}]`)
	for _, e := range s.world.state.Profiles[person].Events {
		w.call(http.MethodPost, p+"/events/"+text(e, "id"), `{"resolution":"MISMATCH"}`)
	}
	tag := w.made(p+"/tags", `{"name":"Vip"}`)
	w.made(p+"/tags", `{"name":"Vip two"}`)
	w.call(http.MethodDelete, p+"/tags/"+tag, "")
	w.made(p+"/files", `{"data":"JVBERi0x","name":"contract.pdf"}`)
	image := w.made(p+"/document_images", `{"data":"JVBERi0x","image_type":"FACE"}`)
	w.made(p+"/collected_data/documents",
		`{"category":"PROOF_OF_IDENTITY","document_type":"PASSPORT","images":[{"id":"`+image+`"}]}`)
	w.call(http.MethodPost, p+"/collection_steps", `[{"collection_type":"EMAIL"}]`)
	w.call(http.MethodPost, p+"/collection_steps", `[]`)
	w.call(http.MethodPost, p+"/status", `"SUSPENDED"`)
	w.call(http.MethodPost, p+"/status", `"NORMAL"`)

	w.call(http.MethodPost, p+"/tasks/"+w.task(person), `{"state":"COMPLETED_FAIL"}`)
	w.does("SetTaskState", s.SetTaskState(person, w.task(person), "COMPLETED_PASS"))
	w.does("SetRiskScore", s.SetRiskScore(person, 10))
	for _, status := range []string{"APPROVED", "IN_REVIEW", "CANCELLED"} {
		w.does(status, s.SetApplicationStatus(person, w.application(person), status))
	}
	w.call(http.MethodPost, p+"/applications/"+w.application(person)+"/revert_decision", "")
	w.call(http.MethodPost, p+"/applications/"+w.application(person), `{"status":"APPROVED"}`)
	require.Equal(t, "CUSTOMER", s.world.state.Profiles[person].category())
	w.does("ExpireCheck",
		s.ExpireCheck(person, s.world.state.Profiles[person].Checks[len(s.world.state.Profiles[person].Checks)-1].ID))
	s.AdvanceClock(100 * day)
	w.does("AdvanceClock", nil)

	w.call(http.MethodPost, "/forms/profile/"+person+"/customer_request",
		`{"type":"FLOW","flow_template":{"alias":"after"}}`)
	w.does("EndForm", s.EndForm(person, "", StateCompleted))
	_, err = s.EditCollectedData(person, func(data map[string]any) {
		data["personal_details"] = map[string]any{"name": map[string]any{"family_name": "Zoë"}}
	})
	w.does("EditCollectedData", err)
	s.SetCheckOutcome("IDENTITY_CHECK", Outcome{Never: true})
	never := w.made(p+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`)
	w.does("CompleteCheck", s.CompleteCheck(person, never, Outcome{Decision: "FAIL"}))
	team := w.made(p+"/applications", `{"product":{"alias":"teams"}}`)
	w.does("DecideEscalation", s.DecideEscalation(person, team, "second line", true))
	_, etag := s.CollectedData(person)
	w.press("profiles/"+person+"/data", url.Values{
		"etag": {etag}, "data": {`{"entity_type":"INDIVIDUAL","personal_details":{"name":{"family_name":"Pages"}}}`},
	})
	require.Len(t, s.world.roster.search("pages"), 1)
	w.press("profiles", url.Values{"role": {"COMPANY_CUSTOMER"}, "name": {"Made Ltd"}, "product": {"gold"}})

	saved, err := s.Snapshot()
	w.does("Snapshot", err)
	w.call(http.MethodPost, p+"/delete", `{"confirm_id":"`+person+`"}`)
	w.call(http.MethodPost, "/profiles/"+associate+"/delete", `{"confirm_id":"`+associate+`"}`)
	w.does("Restore", s.Restore(saved))
	require.Len(t, s.world.roster.search("pages"), 1)
	w.call(http.MethodPost, "/profiles/"+company+"/delete", `{"confirm_id":"`+company+`"}`)
	w.does("Reset", s.Reset())
	require.Empty(t, s.MakeUp(-1))
	s.MakeUp(20)
	w.does("MakeUp", nil)
}

// What the passing of time changed is found by the very next call, which is the one
// that lets it happen.
func TestListFindsWhatTimeChanged(t *testing.T) {
	t.Parallel()
	clock := NewClock(time.Unix(1e9, 0))
	s := New(WithClock(clock), WithCheckTime(time.Minute), WithAutomationTime(time.Minute), WithProducts(Product{
		Alias: "auto", AutoApprove: true, Tasks: []ProductTask{
			{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"}},
		},
	}))
	defer s.Close()
	id := idIn(t, ask(t, s, http.MethodPost, "/profiles",
		`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL"},`+
			`"applications":[{"product":{"alias":"auto"}}]}`))
	require.Contains(t, ask(t, s, http.MethodGet, "/profiles?categories=APPLICANT", ""), id)
	clock.Advance(time.Hour)
	require.Contains(t, ask(t, s, http.MethodGet, "/profiles?categories=CUSTOMER", ""), id)
	require.NotContains(t, ask(t, s, http.MethodGet, "/profiles?categories=APPLICANT", ""), id)
}
