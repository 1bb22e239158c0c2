package passforttest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// hooked collects the webhooks of a server.
func hooked(t *testing.T, w *wire) func(event string) []map[string]any {
	t.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(endpoint.Close)
	w.srv.SetWebhook(endpoint.URL, "secret", false)
	return func(event string) (out []map[string]any) {
		for _, m := range append(w.srv.DeliveredWebhooks(), w.srv.PendingWebhooks()...) {
			if m.Event == event {
				out = append(out, decode(t, string(m.Data)).(map[string]any))
			}
		}
		return out
	}
}

func (w *wire) applied(product string) string {
	w.t.Helper()
	return w.created("/profiles", `{"role":"INDIVIDUAL_CUSTOMER","collected_data":`+person+
		`,"applications":[{"product":{"alias":"`+product+`"}}]}`)
}

func (w *wire) application(profile string) map[string]any {
	w.t.Helper()
	return w.get("/profiles/" + profile + "/applications").list(w.t)[0]
}

func TestRiskOfAnApplication(t *testing.T) {
	t.Parallel()
	low := 10.0
	none := []passforttest.ProductTask{}
	w := start(t, byHand(passforttest.WithProducts(
		passforttest.Product{Alias: "scored", Tasks: none, Risk: &passforttest.RiskModel{Default: &low}},
		passforttest.Product{
			Alias: "open", Tasks: none, Risk: &passforttest.RiskModel{LowMedium: 2, MediumHigh: 4, RejectHigh: true},
		},
	))...)
	sent := hooked(t, w)
	id := w.applied("scored")
	require.Equal(t, "AUTOMATING", text(w.application(id), "flag"))
	w.srv.AdvanceClock(time.Minute)
	a := w.application(id)
	require.Equal(t, "LOW", text(a, "risk", "overall", "level"))
	require.Equal(t, "READY_FOR_DECISION", text(a, "flag"))

	id = w.applied("open")
	w.srv.AdvanceClock(time.Minute)
	a = w.application(id)
	require.Equal(t, "REQUIRES_RISK_SCORE", text(a, "flag"))
	require.Equal(t, "UNDETERMINED", text(a, "risk", "overall", "level"))
	require.Equal(t, "UNDETERMINED_RISK", text(a["approval_blockers"].([]any)[0], "blocker_type"))
	require.NoError(t, w.srv.SetRiskScore(id, 3))
	a = w.application(id)
	require.Equal(t, "MEDIUM", text(a, "risk", "overall", "level"))
	require.Equal(t, "READY_FOR_DECISION", text(a, "flag"))
	require.NoError(t, w.srv.SetRiskScore(id, 3))
	require.NoError(t, w.srv.SetRiskScore(id, 3.5))
	require.NoError(t, w.srv.SetRiskScore(id, 4))
	require.Equal(t, "REJECTED", text(w.application(id), "status"))
	require.Error(t, w.srv.SetRiskScore("nobody", 1))

	require.Len(t, sent("RISK_SCORE_CHANGED"), 1+3, "the same score again is no change")
	levels := sent("RISK_LEVEL_CHANGED")
	require.Len(t, levels, 1+2)
	require.Equal(t, "UNDETERMINED", text(levels[1], "old_level"))
	require.Equal(t, "MEDIUM", text(levels[1], "new_level"))
	require.Equal(t, "HIGH", text(levels[2], "new_level"))
	require.NotEmpty(t, text(levels[2], "application_id"))
	require.Equal(t, id, text(levels[2], "profile_id"))
}

func TestRiskOfAProfile(t *testing.T) {
	t.Parallel()
	w := start(t, byHand()...)
	sent := hooked(t, w)
	id := w.person()
	require.Empty(t, w.get("/profiles/" + id).object(t)["risk"])
	require.NoError(t, w.srv.SetRiskScore(id, 90))
	require.Equal(t, "HIGH", text(w.get("/profiles/"+id).object(t), "risk", "overall_risk", "category"))
	require.Len(t, sent("RISK_SCORE_CHANGED"), 1)
	require.NotContains(t, sent("RISK_LEVEL_CHANGED")[0], "application_id")
	require.NotContains(t, w.application(id), "risk")
}

func TestApprovalExpires(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithProducts(passforttest.Product{
		Alias: "yearly", Tasks: []passforttest.ProductTask{}, AutoApprove: true,
		ExpiresAfter: 365 * 24 * time.Hour, NearingExpiry: 30 * 24 * time.Hour,
	}))...)
	sent := hooked(t, w)
	id := w.applied("yearly")
	w.srv.AdvanceClock(time.Minute)
	a := w.application(id)
	require.Equal(t, "APPROVED", a["status"])
	require.NotEmpty(t, a["will_expire_at"])

	saved, err := w.srv.Snapshot()
	require.NoError(t, err)
	require.NoError(t, w.srv.Restore(saved), "what is due outlives a snapshot")
	w.srv.AdvanceClock(336 * 24 * time.Hour)
	require.Equal(t, "NEARING_EXPIRY", w.application(id)["flag"])
	w.srv.AdvanceClock(30 * 24 * time.Hour)
	a = w.application(id)
	require.Equal(t, "IN_REVIEW", a["status"])
	require.NotContains(t, a, "will_expire_at")
	last := sent("PRODUCT_STATUS_CHANGED")
	require.Equal(t, "IN_REVIEW", last[len(last)-1]["new_status"])
	require.Nil(t, last[len(last)-1]["user"])

	require.NoError(t, w.srv.SetApplicationStatus(id, text(a, "id"), "APPROVED"))
	require.NotEmpty(t, w.application(id)["will_expire_at"], "a new approval, a new year")
}

func TestFailedTaskRejects(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithProducts(passforttest.Product{
		Alias: "strict", AutoReject: true, AutoApprove: true,
		Tasks: []passforttest.ProductTask{
			{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"}, FailOn: []string{"FAIL"}},
		},
	}))...)
	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Decision: "FAIL"},
		passforttest.Outcome{Decision: "PASS"})
	bad, good := w.applied("strict"), w.applied("strict")
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, "REJECTED", w.application(bad)["status"])
	require.Equal(t, "APPROVED", w.application(good)["status"])
}

func TestListOrder(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithSeed(3))...)
	ids := []string{w.person(), w.person(), w.person()}
	for range 12 {
		w.post("/profiles/"+ids[0]+"/tasks", `{"type":"INDIVIDUAL_MANUAL_TASK"}`)
	}
	listed := func(path string) (out []string) {
		for _, o := range w.get(path).list(t) {
			out = append(out, text(o, "id"))
		}
		return out
	}
	tasks := "/profiles/" + ids[0] + "/tasks"
	before := listed(tasks)
	w.srv.SetSwitches(passforttest.Switches{ListOrder: passforttest.NewestFirst})
	after := listed(tasks)
	require.Equal(t, before[0], after[len(after)-1])
	require.Equal(t, ids[2], text(w.get("/profiles").object(t)["results"].([]any)[0], "id"))
	w.srv.SetSwitches(passforttest.Switches{ListOrder: passforttest.Shuffled})
	shuffled := listed(tasks)
	require.NotEqual(t, before, shuffled)
	require.ElementsMatch(t, before, shuffled)
	w.srv.SetSwitches(passforttest.Switches{})
	require.Equal(t, before, listed(tasks))
}

// report is a test that may fail.
type report struct{ failures int }

func (*report) Helper()                 {}
func (r *report) Errorf(string, ...any) { r.failures++ }

func TestAssertions(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.Inject(passforttest.Fault{Operation: "Profiles.Create", Status: 503})
	w.srv.Inject(passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true, Skip: 1})
	w.post("/profiles", newPerson)
	w.post("/profiles", newPerson)
	_, err := w.send(http.MethodPost, "/profiles", newPerson)
	require.Error(t, err)
	w.post("/profiles", `{}`)
	w.srv.AssertSeen(t, "Profiles.Create", 4)
	w.srv.AssertApplied(t, "Profiles.Create", 2)
	w.srv.AssertOnly(t, "Profiles.Create")
	var body struct{ Role string }
	require.NoError(t, w.srv.RequestsTo("Profiles.Create")[1].JSON(&body))
	require.Equal(t, "INDIVIDUAL_CUSTOMER", body.Role)
	require.Equal(t, "{}", string(w.srv.LastRequest(t, "Profiles.Create").Body))

	var r report
	w.srv.AssertSeen(&r, "Profiles.Create", 1)
	w.srv.AssertApplied(&r, "Profiles.Create", 1)
	w.srv.AssertOnly(&r, "WhoAmI")
	w.srv.LastRequest(&r, "WhoAmI")
	require.Equal(t, 4, r.failures)
}
