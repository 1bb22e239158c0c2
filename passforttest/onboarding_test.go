package passforttest_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

func byHand(opts ...passforttest.Option) []passforttest.Option {
	clock := passforttest.NewClock(time.Date(2026, 3, 18, 14, 33, 23, 0, time.UTC))
	return append([]passforttest.Option{
		passforttest.WithClock(clock), passforttest.WithSeed(7), passforttest.WithCheckTime(4 * time.Second),
		passforttest.WithAutomationTime(time.Second),
	}, opts...)
}

func TestOnboarding(t *testing.T) {
	t.Parallel()
	w := start(t, byHand()...)
	id := w.person()
	p := w.get("/profiles/" + id).object(t)
	require.Equal(t, "INDIVIDUAL_CUSTOMER", p["role"])
	require.Equal(t, "Kim Doe", p["display_name"])
	require.Equal(t, "2026-03-18 14:33:23", p["creation_date"])
	app := w.get("/profiles/" + id + "/applications").list(t)[0]
	require.Equal(t, "APPLIED", app["status"])
	require.Equal(t, "AUTOMATING", app["flag"])
	required := app["required_tasks"].([]any)[0].(map[string]any)
	require.Equal(t, "INDIVIDUAL_VERIFY_IDENTITY", required["task_type"])
	taskID := required["id"].(string)
	appPath := "/profiles/" + id + "/applications/" + app["id"].(string)

	flag := func() string { return text(w.get(appPath).object(t), "flag") }
	w.srv.AdvanceClock(time.Second)
	require.Equal(t, "REQUIRES_MANUAL_TASK_COMPLETION", flag())

	refused := w.post(appPath, `{"status":"APPROVED"}`)
	require.Equal(t, http.StatusBadRequest, refused.status)
	require.Equal(t, "105", refused.code(t))

	check := w.post("/profiles/"+id+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`).object(t)
	require.Equal(t, "PENDING", check["state"])
	require.Equal(t, []any{taskID}, check["task_ids"], "the server fills in the tasks")
	require.NotContains(t, check, "result")
	require.NotContains(t, check, "output_data")
	require.Equal(t, "WAITING_ON_CHECKS", flag())

	checkPath := "/profiles/" + id + "/checks/" + check["id"].(string)
	w.srv.AdvanceClock(time.Second)
	require.Equal(t, "RUNNING", w.get(checkPath).object(t)["state"])
	w.srv.AdvanceClock(3 * time.Second)
	check = w.get(checkPath).object(t)
	require.Equal(t, "COMPLETE", check["state"])
	require.Equal(t, "2+2", check["result"])
	require.Equal(t, "PASS", check["decision"])
	require.Equal(t, "2026-03-18 14:33:28", check["completed_on"])

	task := w.get("/profiles/" + id + "/tasks/" + taskID).object(t)
	require.Equal(t, "COMPLETED_PASS", task["state"])
	require.Equal(t, true, task["is_complete"])
	require.Equal(t, []any{check["id"]}, task["check_ids"])
	require.Equal(t, "READY_FOR_DECISION", flag())

	approved := w.post(appPath, `{"status":"APPROVED"}`).object(t)
	require.Equal(t, "APPROVED", approved["status"])
	require.Equal(t, "DECIDED", approved["flag"])
	require.Empty(t, approved["approval_blockers"])
	require.Len(t, approved["history"], 2)
	require.Len(t, approved["flag_history"], 5)
	require.Equal(t, "CUSTOMER", w.get("/profiles/" + id).object(t)["category"])
	require.Equal(t, map[string]int{"IDENTITY_CHECK": 1}, w.srv.Charges())
}

func TestCompanyOnboarding(t *testing.T) {
	t.Parallel()
	w := start(t, byHand()...)
	id := w.company()
	w.post("/profiles/"+id+"/checks", `{"check_type":"COMPANY_REGISTRY"}`)
	w.srv.AdvanceClock(time.Minute)
	app := w.get("/profiles/" + id + "/applications").list(t)[0]
	require.Equal(t, "READY_FOR_DECISION", app["flag"])
	require.Equal(t, "400", w.post("/profiles/"+id+"/checks", `{"check_type":"IDENTITY_CHECK"}`).statusText(),
		"a check for people")
}

func TestStatusMachine(t *testing.T) {
	t.Parallel()
	free := passforttest.WithProducts(passforttest.Product{Alias: "gold_account", Tasks: []passforttest.ProductTask{}})
	for name, c := range map[string]struct {
		steps []string
		last  string
	}{
		"approve, review, approve, cancel": {[]string{"APPROVED", "IN_REVIEW", "APPROVED", "CANCELLED"}, "200"},
		"reject":                           {[]string{"REJECTED"}, "200"},
		"reject is final":                  {[]string{"REJECTED", "APPROVED"}, "400"},
		"cancel is final":                  {[]string{"APPROVED", "CANCELLED", "APPROVED"}, "400"},
		"applied cannot be cancelled":      {[]string{"CANCELLED"}, "400"},
		"approved cannot be rejected":      {[]string{"APPROVED", "REJECTED"}, "400"},
		"repeated":                         {[]string{"APPROVED", "APPROVED"}, "200"},
		"unknown":                          {[]string{"HAPPY"}, "400"},
		"missing":                          {[]string{""}, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, free)
			id := w.person()
			path := "/profiles/" + id + "/applications/" + text(w.get("/profiles/" + id + "/applications").list(t)[0],
				"id")
			for i, status := range c.steps {
				want := "200"
				if i == len(c.steps)-1 {
					want = c.last
				}
				a := w.post(path, `{"status":"`+status+`"}`)
				require.Equal(t, want, a.statusText(), a.raw)
			}
		})
	}
}

func (a answer) statusText() string { return strconv.Itoa(a.status) }

func TestRevert(t *testing.T) {
	t.Parallel()
	for _, creates := range []bool{false, true} {
		w := start(t, passforttest.WithSwitches(passforttest.Switches{RevertCreatesApplication: creates}))
		id := w.person()
		old := text(w.get("/profiles/" + id + "/applications").list(t)[0], "id")
		path := "/profiles/" + id + "/applications/" + old
		require.Equal(t, "402", w.post(path+"/revert_decision", "").code(t), "nothing is decided yet")
		require.Equal(t, http.StatusOK, w.post(path, `{"status":"REJECTED"}`).status)
		got := w.post(path+"/revert_decision", `{"comment":"a mistake"}`).object(t)
		require.Equal(t, "APPLIED", got["status"])
		require.Equal(t, creates, got["id"] != old)
		require.Equal(t, creates, w.get(path).object(t)["hidden"])
		require.Len(t, w.get("/profiles/"+id+"/applications").list(t), 1)
		history := got["history"].([]any)
		require.Equal(t, "a mistake", text(history[2], "comment"))
	}
}

func TestSyncMode(t *testing.T) {
	t.Parallel()
	auto := passforttest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	auto.AutoAdvance(time.Millisecond)
	w := start(t, passforttest.WithClock(auto), passforttest.WithCheckTime(90*time.Second))
	checks := "/profiles/" + w.person() + "/checks"
	require.Equal(t, "COMPLETE", w.post(checks+"?mode=sync", `{"check_type":"IDENTITY_CHECK"}`).object(t)["state"])
	require.Equal(t, "COMPLETE", w.post(checks, `{"check_type":"IDENTITY_CHECK"}`).object(t)["state"],
		"an identity check is sync by default")
	require.Equal(t, "PENDING", w.post(checks, `{"check_type":"PEPS_AND_SANCTIONS_SCREEN"}`).object(t)["state"],
		"others are async")
	require.Equal(t, http.StatusBadRequest, w.post(checks+"?mode=fast", `{"check_type":"IDENTITY_CHECK"}`).status)

	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Result: "1+1", After: 5 * time.Minute})
	before := w.srv.Now()
	slow := w.post(checks+"?mode=sync", `{"check_type":"IDENTITY_CHECK"}`).object(t)
	require.Equal(t, "RUNNING", slow["state"], "it fell back to asynchronous")
	require.WithinDuration(t, before.Add(120*time.Second), w.srv.Now(), time.Second)
	w.srv.AdvanceClock(3 * time.Minute)
	done := w.get(checks + "/" + text(slow, "id")).object(t)
	require.Equal(t, "PARTIAL", done["decision"])
}
