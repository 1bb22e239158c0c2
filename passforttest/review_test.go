package passforttest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

const (
	screening = "INDIVIDUAL_ASSESS_POLITICAL_AND_SANCTIONS_EXPOSURE"
	day       = 24 * time.Hour
)

// monitored is a product that screens, verifies by hand and approves automatically.
func monitored(change ...func(*passforttest.Product)) passforttest.Option {
	p := passforttest.Product{
		Alias: "monitored", AutoApprove: true, Tasks: []passforttest.ProductTask{
			{Type: screening, Checks: []string{"PEPS_AND_SANCTIONS_SCREEN"}},
			{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"}},
		},
	}
	for _, c := range change {
		c(&p)
	}
	return passforttest.WithProducts(p)
}

// approved returns a server with one approved application of the product, and
// the ids of the profile and of its tasks.
func approved(t *testing.T, opts ...passforttest.Option) (w *wire, id string, tasks []string) {
	t.Helper()
	w = start(t, byHand(opts...)...)
	id = w.applied("monitored")
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, "APPROVED", w.application(id)["status"])
	return w, id, w.tasks(id)
}

// tasks returns the ids of the tasks that the application requires.
func (w *wire) tasks(profile string) (ids []string) {
	w.t.Helper()
	for _, r := range w.application(profile)["required_tasks"].([]any) {
		ids = append(ids, text(r, "id"))
	}
	return ids
}

func (w *wire) task(profile, id string) map[string]any {
	w.t.Helper()
	return w.get("/profiles/" + profile + "/tasks/" + id).object(w.t)
}

func (w *wire) hit(profile, event string) string {
	w.t.Helper()
	id, err := w.srv.AddEvent(profile, map[string]any{"event_type": event})
	require.NoError(w.t, err)
	return id
}

func TestOpenTaskReopens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open func(w *wire, id string, task string)
		by   string
	}{
		"opened in the portal": {func(w *wire, id, task string) {
			require.NoError(w.t, w.srv.SetTaskState(id, task, "INCOMPLETE"))
		}, "user"},
		"failed in the portal": {func(w *wire, id, task string) {
			require.NoError(w.t, w.srv.SetTaskState(id, task, "COMPLETED_FAIL"))
		}, "user"},
		"opened by a call": {func(w *wire, id, task string) {
			w.post("/profiles/"+id+"/tasks/"+task, `{"state":"INCOMPLETE"}`)
		}, "apikey"},
		"a new version": {func(w *wire, id, _ string) {
			w.created("/profiles/"+id+"/tasks", `{"type":"INDIVIDUAL_VERIFY_IDENTITY","variant":{"alias":"default"}}`)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, id, tasks := approved(t, monitored())
			sent := hooked(t, w)
			c.open(w, id, tasks[1])
			a := w.application(id)
			require.Equal(t, "IN_REVIEW", a["status"])
			require.Equal(t, "AUTOMATING", a["flag"])
			status := sent("PRODUCT_STATUS_CHANGED")
			require.Len(t, status, 1)
			require.Equal(t, "IN_REVIEW", status[0]["new_status"])
			require.Nil(t, status[0]["user"])
			require.Nil(t, status[0]["apikey"])
			if c.by != "" {
				require.NotNil(t, sent("TASK_STATE_CHANGED")[0][c.by])
			}
			history := a["history"].([]any)
			require.Nil(t, history[len(history)-1].(map[string]any)["decisioner"])
		})
	}
}

func TestApprovedStays(t *testing.T) {
	t.Parallel()
	w, id, tasks := approved(t, monitored(), passforttest.WithSwitches(passforttest.Switches{ApprovedStays: true}))
	require.NoError(t, w.srv.SetTaskState(id, tasks[1], "INCOMPLETE"))
	w.hit(id, "SANCTION_FLAG")
	require.Equal(t, "APPROVED", w.application(id)["status"])
	require.Equal(t, "INCOMPLETE", w.task(id, tasks[0])["state"])
}

func TestReviewRunsChecksAgain(t *testing.T) {
	t.Parallel()
	w, id, tasks := approved(t, monitored())
	require.NoError(t, w.srv.SetTaskState(id, tasks[1], "INCOMPLETE"))
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, map[string]int{"PEPS_AND_SANCTIONS_SCREEN": 1, "IDENTITY_CHECK": 1}, w.srv.Charges(),
		"not on a task that a person opened")
	require.Equal(t, "REQUIRES_MANUAL_TASK_COMPLETION", w.application(id)["flag"])

	w.post("/profiles/"+id+"/tasks/"+tasks[1], `{"state":"COMPLETED_PASS"}`)
	require.Equal(t, "APPROVED", w.application(id)["status"], "a product that approves automatically does so again")
	w.created("/profiles/"+id+"/tasks", `{"type":"INDIVIDUAL_VERIFY_IDENTITY","variant":{"alias":"default"}}`)
	require.Equal(t, "IN_REVIEW", w.application(id)["status"])
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, map[string]int{"PEPS_AND_SANCTIONS_SCREEN": 1, "IDENTITY_CHECK": 2}, w.srv.Charges())
	require.Equal(t, "APPROVED", w.application(id)["status"])
}

func TestReviewByHand(t *testing.T) {
	t.Parallel()
	w, id, tasks := approved(t, monitored(), passforttest.WithSwitches(passforttest.Switches{ReviewByHand: true}))
	require.NoError(t, w.srv.SetTaskState(id, tasks[1], "INCOMPLETE"))
	require.NoError(t, w.srv.SetTaskState(id, tasks[1], "COMPLETED_PASS"))
	w.srv.AdvanceClock(time.Minute)
	a := w.application(id)
	require.Equal(t, "IN_REVIEW", a["status"])
	require.Equal(t, "READY_FOR_DECISION", a["flag"])
}

func TestReviewBegunByAPersonIsTheirs(t *testing.T) {
	t.Parallel()
	w, id, _ := approved(t, monitored())
	require.NoError(t, w.srv.SetApplicationStatus(id, text(w.application(id), "id"), "IN_REVIEW"))
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, "IN_REVIEW", w.application(id)["status"])
	require.Equal(t, 1, w.srv.Charges()["IDENTITY_CHECK"])
}

func TestMonitoringReopens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ event, status string }{
		"sanction":   {"SANCTION_FLAG", "IN_REVIEW"},
		"PEP":        {"PEP_FLAG", "IN_REVIEW"},
		"bad press":  {"ADVERSE_MEDIA_FLAG", "IN_REVIEW"},
		"referral":   {"REFER_FLAG", "IN_REVIEW"},
		"no match":   {"REVIEW_NEEDED", "APPROVED"},
		"a new word": {"SOMETHING_NEW", "APPROVED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, id, tasks := approved(t, monitored())
			sent := hooked(t, w)
			w.hit(id, c.event)
			require.Equal(t, c.status, w.application(id)["status"])
			require.Equal(t, "COMPLETED_PASS", w.task(id, tasks[1])["state"], "not a screening task")
			for _, event := range []string{"EVENTS_CREATED", "TASK_STATE_CHANGED", "PRODUCT_STATUS_CHANGED"} {
				for _, m := range sent(event) {
					require.Nil(t, m["user"])
				}
			}
			require.Equal(t, c.status == "IN_REVIEW", len(sent("TASK_STATE_CHANGED")) == 1)
		})
	}
}

func TestUnmonitoredScreening(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(monitored())...)
	id := w.applied("monitored")
	w.srv.AdvanceClock(time.Minute)
	w.post("/profiles/"+id+"/checks?mode=async", `{"check_type":"PEPS_AND_SANCTIONS_SCREEN","disable_monitoring":true}`)
	w.srv.AdvanceClock(time.Minute)
	w.hit(id, "SANCTION_FLAG")
	require.Equal(t, "APPROVED", w.application(id)["status"])
}

func TestOpenMatchHoldsAScreening(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		switches passforttest.Switches
		after    string
	}{
		"a match is left":  {passforttest.Switches{}, "INCOMPLETE"},
		"the other ruling": {passforttest.Switches{OpenMatchesPass: true}, "COMPLETED_PASS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, id, tasks := approved(t, monitored(), passforttest.WithSwitches(c.switches))
			event := w.hit(id, "SANCTION_FLAG")
			w.srv.AdvanceClock(time.Minute)
			require.Equal(t, 2, w.srv.Charges()["PEPS_AND_SANCTIONS_SCREEN"], "screened again, and clean")
			require.Equal(t, c.after, w.task(id, tasks[0])["state"])
			w.post("/profiles/"+id+"/events/"+event, `{"resolution":"MISMATCH"}`)
			require.Equal(t, c.after, w.task(id, tasks[0])["state"], "resolving passes nothing")
			if c.after == "INCOMPLETE" {
				require.Equal(t, "IN_REVIEW", w.application(id)["status"])
				w.post("/profiles/"+id+"/tasks/"+tasks[0], `{"state":"COMPLETED_PASS"}`)
			}
			require.Equal(t, "APPROVED", w.application(id)["status"])
		})
	}
}

func TestAcceptanceChecks(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithProducts(passforttest.Product{
		Alias: "strict", Tasks: []passforttest.ProductTask{{
			Type: "INDIVIDUAL_VERIFY_IDENTITY", Accept: []string{"IDENTITY_CHECK"},
		}},
	}))...)
	id := w.applied("strict")
	task := w.tasks(id)[0]
	run := func(body string) { w.created("/profiles/"+id+"/checks?mode=async", body) }
	run(`{"check_type":"DOCUMENT_FETCH","source":"GENERIC","reference":"R-1"}`)
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, "INCOMPLETE", w.task(id, task)["state"], "no acceptance check")

	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Decision: "PASS", After: time.Hour},
		passforttest.Outcome{Decision: "FAIL"})
	run(`{"check_type":"IDENTITY_CHECK"}`)
	w.srv.AdvanceClock(time.Minute)
	run(`{"check_type":"IDENTITY_CHECK"}`)
	w.srv.AdvanceClock(2 * time.Hour)
	require.Equal(t, "INCOMPLETE", w.task(id, task)["state"],
		"the latest check failed, though the first one passed after it")

	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Decision: "PASS"})
	run(`{"check_type":"IDENTITY_CHECK"}`)
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, "COMPLETED_PASS", w.task(id, task)["state"])
}

func TestReviewOutlivesASnapshot(t *testing.T) {
	t.Parallel()
	w, id, _ := approved(t, monitored())
	event := w.hit(id, "SANCTION_FLAG")
	saved, err := w.srv.Snapshot()
	require.NoError(t, err)
	require.NoError(t, w.srv.Restore(saved))
	w.srv.AdvanceClock(time.Minute)
	require.Equal(t, 2, w.srv.Charges()["PEPS_AND_SANCTIONS_SCREEN"])
	w.post("/profiles/"+id+"/events/"+event, `{"resolution":"MISMATCH"}`)
	w.post("/profiles/"+id+"/tasks/"+w.tasks(id)[0], `{"state":"COMPLETED_PASS"}`)
	require.Equal(t, "APPROVED", w.application(id)["status"])
}
