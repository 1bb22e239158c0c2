package passforttest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// yearly makes the identity of the product good for a year.
func yearly(p *passforttest.Product) { p.Tasks[1].ExpiresAfter, p.Tasks[1].Checks = 365*day, nil }

// verified is approved, of a product whose identity task a person passes.
func verified(t *testing.T, change func(*passforttest.Product), opts ...passforttest.Option) (*wire, string, []string) {
	t.Helper()
	w := start(t, byHand(append(opts, monitored(yearly, change))...)...)
	id := w.applied("monitored")
	w.srv.AdvanceClock(time.Minute)
	tasks := w.tasks(id)
	require.NoError(t, w.srv.SetTaskState(id, tasks[1], "COMPLETED_PASS"))
	require.Equal(t, "APPROVED", w.application(id)["status"])
	return w, id, tasks
}

func asItIs(*passforttest.Product) {}

// versions returns the versions of the identity task, the oldest first.
func (w *wire) versions(profile string) (out []map[string]any) {
	w.t.Helper()
	for _, task := range w.get("/profiles/" + profile + "/tasks").list(w.t) {
		if task["type"] == "INDIVIDUAL_VERIFY_IDENTITY" {
			out = append(out, task)
		}
	}
	return out
}

func TestTaskNearsItsExpiry(t *testing.T) {
	t.Parallel()
	w, id, tasks := verified(t, asItIs)
	sent := hooked(t, w)
	require.NotEmpty(t, w.application(id)["will_expire_at"])
	w.srv.AdvanceClock(334 * day)
	require.Equal(t, "DECIDED", w.application(id)["flag"])
	w.srv.AdvanceClock(2 * day)

	a, versions := w.application(id), w.versions(id)
	require.Equal(t, "APPROVED", a["status"])
	require.Equal(t, "NEARING_EXPIRY", a["flag"])
	require.Len(t, versions, 2)
	old, next := versions[0], versions[1]
	require.Equal(t, tasks, w.tasks(id), "the old version counts")
	require.Equal(t, []any{"COMPLETED_PASS", false}, []any{old["state"], old["is_expired"]})
	require.Equal(t, []any{"INCOMPLETE", false}, []any{next["state"], next["is_expired"]})
	require.Equal(t, a["will_expire_at"], old["will_expire_at"])
	require.Nil(t, sent("TASK_CREATED")[0]["user"])
	require.Equal(t, "NEARING_EXPIRY", sent("PRODUCT_BADGE_CHANGED")[0]["new_flag"])

	path := "/profiles/" + id + "/tasks/" + text(old, "id")
	require.Equal(t, http.StatusBadRequest, w.post(path, `{"state":"INCOMPLETE"}`).status, "the old version is frozen")
	require.Error(t, w.srv.SetTaskState(id, text(old, "id"), "INCOMPLETE"))
	require.Equal(t, http.StatusBadRequest,
		w.post("/profiles/"+id+"/checks", `{"check_type":"IDENTITY_CHECK","task_ids":["`+text(old, "id")+`"]}`).status)
	require.Equal(t, http.StatusOK, w.post(path+"/notes", `{"text":"called them"}`).status)

	w.srv.AdvanceClock(30 * day)
	a, versions = w.application(id), w.versions(id)
	require.Equal(t, "IN_REVIEW", a["status"])
	require.Equal(t, "EXPIRY_PERIOD_ENDED", versions[0]["expiry_reason"])
	require.Equal(t, []string{tasks[0], text(next, "id")}, w.tasks(id))
	require.NotContains(t, a, "will_expire_at")
	last := sent("PRODUCT_STATUS_CHANGED")
	require.Equal(t, "IN_REVIEW", last[len(last)-1]["new_status"])
	require.Nil(t, last[len(last)-1]["user"])
}

func TestNextVersionPassesInTime(t *testing.T) {
	t.Parallel()
	w, id, _ := verified(t, asItIs)
	w.srv.AdvanceClock(340 * day)
	first := w.application(id)["will_expire_at"]
	saved, err := w.srv.Snapshot()
	require.NoError(t, err)
	require.NoError(t, w.srv.Restore(saved), "the window outlives a snapshot")

	w.created("/profiles/"+id+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`)
	w.srv.AdvanceClock(time.Minute)
	versions := w.versions(id)
	require.Len(t, versions, 2)
	require.Equal(t, "COMPLETED_PASS", versions[1]["state"], "a check is for the version that is open")
	require.Empty(t, versions[0]["check_ids"])
	a := w.application(id)
	require.Equal(t, "DECIDED", a["flag"])
	require.NotEqual(t, first, a["will_expire_at"])

	w.srv.AdvanceClock(30 * day)
	require.Equal(t, "APPROVED", w.application(id)["status"])
	require.Equal(t, text(versions[1], "id"), w.tasks(id)[1])
	w.srv.AdvanceClock(310 * day)
	require.Len(t, w.versions(id), 3)
	require.Equal(t, "NEARING_EXPIRY", w.application(id)["flag"])
}

func TestNoticePeriod(t *testing.T) {
	t.Parallel()
	before := 364 * day
	for name, c := range map[string]struct {
		change   func(*passforttest.Product)
		switches passforttest.Switches
		flag     string
		versions int
		expired  any
	}{
		"none": {func(p *passforttest.Product) { p.Tasks[1].Notice = -1 }, passforttest.Switches{},
			"DECIDED", 1, false},
		"a day": {func(p *passforttest.Product) { p.Tasks[1].Notice = day }, passforttest.Switches{},
			"NEARING_EXPIRY", 2, false},
		"longer than all": {func(p *passforttest.Product) {
			p.Tasks[1].Notice = 365 * day
		}, passforttest.Switches{}, "DECIDED", 1, false},
		"at expiry only":  {asItIs, passforttest.Switches{VersionsAtExpiry: true}, "DECIDED", 1, false},
		"expired already": {asItIs, passforttest.Switches{ExpiredInWindow: true}, "NEARING_EXPIRY", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, id, _ := verified(t, c.change, passforttest.WithSwitches(c.switches))
			w.srv.AdvanceClock(before)
			require.Equal(t, c.flag, w.application(id)["flag"])
			versions := w.versions(id)
			require.Len(t, versions, c.versions)
			require.Equal(t, c.expired, versions[0]["is_expired"])
			w.srv.AdvanceClock(day)
			require.Equal(t, "IN_REVIEW", w.application(id)["status"])
			require.Len(t, w.versions(id), 2)
		})
	}
}

func TestNewVersionInTheWindow(t *testing.T) {
	t.Parallel()
	w, id, tasks := verified(t, asItIs)
	w.srv.AdvanceClock(340 * day)
	third := w.created("/profiles/"+id+"/tasks", `{"type":"INDIVIDUAL_VERIFY_IDENTITY","variant":{"alias":"default"}}`)
	require.Equal(t, "APPROVED", w.application(id)["status"])
	require.Equal(t, tasks, w.tasks(id))
	w.srv.AdvanceClock(30 * day)
	require.Equal(t, third, w.tasks(id)[1])
	require.Len(t, w.versions(id), 3)
}

func TestExpiryByRisk(t *testing.T) {
	t.Parallel()
	byRisk := func(p *passforttest.Product) {
		p.Risk = &passforttest.RiskModel{Default: new(float64)}
		p.Tasks[1].ExpiresByRisk = map[string]time.Duration{"MEDIUM": 180 * day, "HIGH": 90 * day}
	}
	w, id, _ := verified(t, byRisk)
	ends := func() string {
		at, err := time.Parse("2006-01-02 15:04:05", text(w.application(id), "will_expire_at"))
		require.NoError(t, err)
		return at.Sub(time.Date(2026, 3, 18, 14, 34, 23, 0, time.UTC)).String()
	}
	require.Equal(t, (365 * day).String(), ends())
	require.NoError(t, w.srv.SetRiskScore(id, 40))
	require.Equal(t, (180 * day).String(), ends())
	require.NoError(t, w.srv.SetRiskScore(id, 1))
	require.Equal(t, (180 * day).String(), ends(), "the shorter of both")
	w.srv.AdvanceClock(100 * day)
	require.NoError(t, w.srv.SetRiskScore(id, 80))
	w.srv.AdvanceClock(time.Second)
	require.Equal(t, "IN_REVIEW", w.application(id)["status"], "its time was over")
	require.NoError(t, w.srv.SetTaskState(id, w.tasks(id)[1], "COMPLETED_PASS"))
	require.Equal(t, (100*day + 90*day + time.Second).String(), ends())
}

func TestShortestExpiryOfSeveralProducts(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(monitored(yearly), passforttest.WithProducts(passforttest.Product{
		Alias: "short", Tasks: []passforttest.ProductTask{{Type: "INDIVIDUAL_VERIFY_IDENTITY", ExpiresAfter: 60 * day}},
	}))...)
	id := w.applied("monitored")
	w.created("/profiles/"+id+"/applications", `{"product":{"alias":"short"}}`)
	require.NoError(t, w.srv.SetTaskState(id, w.tasks(id)[1], "COMPLETED_PASS"))
	require.Equal(t, "2026-05-17 14:33:23", w.versions(id)[0]["will_expire_at"])
}

func TestRevertRenewsScreening(t *testing.T) {
	t.Parallel()
	for name, switches := range map[string]passforttest.Switches{
		"the same application": {}, "a new application": {RevertCreatesApplication: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, id, tasks := approved(t, monitored(), passforttest.WithSwitches(switches))
			a := text(w.application(id), "id")
			require.NoError(t, w.srv.SetApplicationStatus(id, a, "CANCELLED"))
			w.post("/profiles/"+id+"/applications/"+a+"/revert_decision", "")
			require.Equal(t, "PROFILE_DEACTIVATED", w.task(id, tasks[0])["expiry_reason"])
			now := w.tasks(id)
			require.NotEqual(t, tasks[0], now[0])
			require.Equal(t, tasks[1], now[1], "no screening")
			require.Equal(t, "APPLIED", w.application(id)["status"])
			w.srv.AdvanceClock(time.Minute)
			require.Equal(t, 2, w.srv.Charges()["PEPS_AND_SANCTIONS_SCREEN"])
			require.Equal(t, "APPROVED", w.application(id)["status"])
		})
	}
}

func TestExpireCheck(t *testing.T) {
	t.Parallel()
	w, id, tasks := approved(t, monitored())
	check := w.task(id, tasks[1])["check_ids"].([]any)[0].(string)
	require.NoError(t, w.srv.ExpireCheck(id, check))
	require.Equal(t, "CHECK_EXPIRED", w.task(id, tasks[1])["expiry_reason"])
	require.Equal(t, "IN_REVIEW", w.application(id)["status"])
	require.NoError(t, w.srv.ExpireCheck(id, check), "it rests on nothing any more")
	require.Len(t, w.versions(id), 2)
	require.Error(t, w.srv.ExpireCheck(id, "nothing"))
	require.Error(t, w.srv.ExpireCheck("nobody", check))
}
