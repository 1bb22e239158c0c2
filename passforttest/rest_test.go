package passforttest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

func TestCreateProfile(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithProducts(
		passforttest.Product{Alias: "everyone", AutoApply: true},
		passforttest.Product{Alias: "firms", AutoApply: true, EntityType: "COMPANY"},
		passforttest.Product{Alias: "other"},
	))
	for name, c := range map[string]struct{ body, code string }{
		"no role":      {`{"collected_data":` + person + `}`, "101"},
		"unknown role": {`{"role":"BOSS","collected_data":` + person + `}`, "201"},
		"no data":      {`{"role":"INDIVIDUAL_CUSTOMER"}`, "101"},
		"no type":      {`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{}}`, "101"},
		"another type": {`{"role":"COMPANY_CUSTOMER","collected_data":` + person + `}`, "201"},
		"no product":   {`{"role":"INDIVIDUAL_CUSTOMER","collected_data":` + person + `,"applications":[{}]}`, "101"},
		"unknown id": {`{"role":"INDIVIDUAL_CUSTOMER","collected_data":` + person +
			`,"applications":[{"product":{"id":"x"}}]}`, "201"},
		"wrong product": {`{"role":"INDIVIDUAL_CUSTOMER","collected_data":` + person +
			`,"applications":[{"product":{"alias":"firms"}}]}`, "105"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post("/profiles", c.body)
			require.Equal(t, http.StatusBadRequest, a.status)
			require.Equal(t, c.code, a.code(t))
		})
	}
	aliases := func(body string) (out []string) {
		for _, a := range w.post("/profiles", body).object(t)["applications"].([]any) {
			out = append(out, text(a, "product", "alias"))
		}
		return out
	}
	require.Equal(t, []string{"everyone"}, aliases(newPerson))
	require.Equal(t, []string{"everyone", "firms"},
		aliases(`{"role":"COMPANY_CUSTOMER","collected_data":{"entity_type":"COMPANY"}}`))
	require.Empty(t, aliases(newPerson[:len(newPerson)-1]+`,"applications":[]}`))
	require.Equal(t, []string{"made_up"}, aliases(newPerson[:len(newPerson)-1]+
		`,"applications":[{"product":{"alias":"made_up"}}]}`))
}

func TestProfileList(t *testing.T) {
	t.Parallel()
	w := start(t)
	var ids []string
	for range 5 {
		ids = append(ids, w.person())
	}
	firm := w.company()
	w.post("/profiles/"+firm+"/tags", `{"name":"VIP"}`)
	page := w.get("/profiles?limit=2&offset=3").object(t)
	require.Equal(t, "6", page["count"].(interface{ String() string }).String())
	require.Len(t, page["results"], 2)
	require.Equal(t, ids[3], text(page["results"].([]any)[0], "id"))
	require.Contains(t, page, "hidden")
	require.NotContains(t, page["results"].([]any)[0], "checks", "results are minimal")
	found := func(query string) int { return len(w.get("/profiles?" + query).object(t)["results"].([]any)) }
	require.Equal(t, 5, found("q=kim+d"))
	require.Equal(t, 1, found("q=vip"))
	require.Equal(t, 6, found("categories=CUSTOMER,APPLICANT"))
	require.Equal(t, 0, found("categories=CUSTOMER"))
	require.Equal(t, http.StatusBadRequest, w.get("/profiles?limit=201").status)
	require.Equal(t, http.StatusBadRequest, w.get("/profiles?offset=-1").status)
}

func TestStatusIsABareString(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	path := "/profiles/" + id + "/status"
	require.Equal(t, `"NORMAL"`, w.get(path).raw)
	require.Equal(t, `"SUSPENDED"`, w.post(path, `"SUSPENDED"`).raw)
	blockers := w.get("/profiles/" + id + "/applications").list(t)[0]["approval_blockers"].([]any)
	require.Equal(t, "SUSPENDED_PROFILE", text(blockers[1], "blocker_type"))
	require.Equal(t, http.StatusBadRequest, w.post(path, `"HAPPY"`).status)
	require.Equal(t, http.StatusBadRequest, w.post(path, `{"status":"NORMAL"}`).status)
}

func TestDeleteProfile(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	require.Equal(t, "101", w.post("/profiles/"+id+"/delete", `{}`).code(t))
	require.Equal(t, "201", w.post("/profiles/"+id+"/delete", `{"confirm_id":"x"}`).code(t))
	gone := w.post("/profiles/"+id+"/delete", `{"confirm_id":"`+id+`","message":"asked to"}`)
	require.Equal(t, "null", gone.raw)
	require.Equal(t, http.StatusNotFound, w.get("/profiles/"+id).status)
	require.Empty(t, w.get("/profiles").object(t)["results"])
}

func TestTasks(t *testing.T) {
	t.Parallel()
	w := start(t)
	p := "/profiles/" + w.person()
	first := w.get(p + "/tasks").list(t)[0]
	require.Equal(t, "INCOMPLETE", first["state"])
	path := p + "/tasks/" + text(first, "id")
	require.Equal(t, "COMPLETED_FAIL", w.post(path, `{"state":"COMPLETED_FAIL"}`).object(t)["state"])
	require.Equal(t, "INCOMPLETE", w.post(path, `{"is_complete":false}`).object(t)["state"])
	require.Equal(t, "COMPLETED_PASS", w.post(path, `{"is_complete":true}`).object(t)["state"])
	require.Equal(t, "201", w.post(path, `{"state":"DONE"}`).code(t))
	require.Equal(t, "101", w.post(path, `{}`).code(t))
	require.Equal(t, "201", w.post(path, `{"check_ids":["x"]}`).code(t))

	manual := w.post(p+"/tasks", `{"type":"INDIVIDUAL_MANUAL_TASK"}`).object(t)
	require.Equal(t, "INDIVIDUAL_MANUAL_TASK", manual["type"])
	require.Equal(t, "101", w.post(p+"/tasks", `{}`).code(t))
	require.Equal(t, "201", w.post(p+"/tasks", `{"type":"COMPANY_MANUAL_TASK"}`).code(t))

	again := w.post(p+"/tasks", `{"variant":{"id":"`+text(first, "variant", "id")+`"}}`).object(t)
	old := w.get(path).object(t)
	require.Equal(t, true, old["is_expired"])
	require.Equal(t, "NEW_TASK_VERSION", old["expiry_reason"])
	required := w.get(p + "/applications").list(t)[0]["required_tasks"].([]any)
	require.Equal(t, again["id"], text(required[0], "id"), "the application requires the new version")

	note := w.post(path+"/notes", `{"text":"called them"}`).object(t)
	require.Equal(t, "Simulator key", note["author_name"])
	require.Len(t, w.get(path+"/notes").list(t), 1)
	require.Equal(t, http.StatusOK, w.do(http.MethodDelete, path+"/notes/"+text(note, "id"), "").status)
	require.Equal(t, "[]", w.get(path+"/notes").raw)
	require.Equal(t, http.StatusNotFound, w.do(http.MethodDelete, path+"/notes/"+text(note, "id"), "").status)
}

func TestTaskExpires(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithProducts(passforttest.Product{
		Alias: "gold_account", Tasks: []passforttest.ProductTask{
			{Type: "INDIVIDUAL_VERIFY_IDENTITY", ExpiresAfter: time.Hour},
		},
	}))...)
	p := "/profiles/" + w.person()
	task := w.get(p + "/tasks").list(t)[0]
	w.post(p+"/tasks/"+text(task, "id"), `{"state":"COMPLETED_PASS"}`)
	w.srv.AdvanceClock(time.Hour)
	tasks := w.get(p + "/tasks").list(t)
	require.Equal(t, "EXPIRY_PERIOD_ENDED", tasks[0]["expiry_reason"])
	require.Equal(t, "INCOMPLETE", tasks[1]["state"])
}

func TestSmartPolicy(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithProducts(passforttest.Product{
		Alias: "gold_account", AutoApprove: true, Tasks: []passforttest.ProductTask{
			{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"},
				PassOn: []string{"PASS", "PARTIAL"}},
			{Type: "INDIVIDUAL_ASSESS_SANCTIONS_EXPOSURE", Checks: []string{"PEPS_AND_SANCTIONS_SCREEN"}},
		},
	}))...)
	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Result: "1+1"})
	p := "/profiles/" + w.person()
	w.srv.AdvanceClock(time.Second)
	require.Equal(t, "WAITING_ON_CHECKS", text(w.get(p + "/applications").list(t)[0], "flag"))
	w.srv.AdvanceClock(time.Minute)
	app := w.get(p + "/applications").list(t)[0]
	require.Equal(t, "APPROVED", app["status"])
	require.Nil(t, app["history"].([]any)[1].(map[string]any)["decisioner"])
}

func TestWordsInTheName(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithCheckTime(time.Microsecond))
	for name, c := range map[string]struct{ check, result, decision string }{
		"Fail":         {"IDENTITY_CHECK", "Fail", "FAIL"},
		"Partial":      {"IDENTITY_CHECK", "1+1", "PARTIAL"},
		"Error":        {"IDENTITY_CHECK", "Error", "ERROR"},
		"Doe":          {"PEPS_AND_SANCTIONS_SCREEN", "Pass", "PASS"},
		"PEP":          {"PEPS_AND_SANCTIONS_SCREEN", "PEP", "WARN"},
		"Sanction PEP": {"PEPS_AND_SANCTIONS_SCREEN", "Sanction", "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			p := "/profiles/" + w.created("/profiles", strings.Replace(newPerson, "Doe", name, 1))
			check := w.post(p+"/checks?mode=sync", `{"check_type":"`+c.check+`"}`).object(t)
			require.Equal(t, c.result, check["result"])
			require.Equal(t, c.decision, check["decision"])
			require.Equal(t, c.decision == "ERROR", len(check["errors"].([]any)) == 1)
		})
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithCheckTime(time.Microsecond))
	p := "/profiles/" + w.created("/profiles", strings.Replace(newPerson, "Doe", "PEP Sanction", 1))
	w.post(p+"/checks?mode=sync", `{"check_type":"PEPS_AND_SANCTIONS_SCREEN"}`)
	events := w.get(p + "/events").list(t)
	require.Len(t, events, 2)
	require.Equal(t, "UNRESOLVED", events[0]["resolution"])
	require.ElementsMatch(t, []any{"PEP_FLAG", "SANCTION_FLAG"}, w.get(p).object(t)["unresolved_event_types"])
	one := w.post(p+"/events/"+text(events[0], "id"),
		`{"resolution":"MISMATCH","resolution_reason":"other person"}`).object(t)
	require.Equal(t, "MISMATCH", one["resolution"])
	require.NotEmpty(t, one["resolution_date"])
	require.NotEmpty(t, one["data"], "a partial event keeps the rest")
	bulk := w.post(p+"/events/bulk_update", `[{"id":"`+text(events[1], "id")+`","resolution":"IGNORE"}]`).list(t)
	require.Equal(t, "IGNORE", bulk[0]["resolution"])
	require.Empty(t, w.get(p).object(t)["unresolved_event_types"])
	require.Equal(t, "201", w.post(p+"/events/bulk_update", `[{"id":"x"}]`).code(t))
	made := w.post(p+"/events", `{"data":{"event_type":"REVIEW_NEEDED","x":null}}`).object(t)
	require.Equal(t, made, w.get(p+"/events/"+text(made, "id")).object(t))
}

func TestChecksAreImmutable(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithCheckTime(time.Microsecond))
	p := "/profiles/" + w.person()
	w.srv.AdvanceClock(time.Second)
	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Result: "Fail"})
	id := text(w.post(p+"/checks", `{"check_type":"IDENTITY_CHECK","x":{"y":null}}`).object(t), "id")
	require.Equal(t, map[string]any{"y": nil}, w.get(p + "/checks/" + id).object(t)["x"])
	require.Equal(t, "null", w.post(p+"/checks/"+id+"/approve", "").raw)
	checks := w.get(p + "/checks").list(t)
	require.Len(t, checks, 2)
	require.Equal(t, "FAIL", checks[0]["decision"])
	require.Equal(t, "PASS", checks[1]["decision"])
	require.Equal(t, "READY_FOR_DECISION", text(w.get(p + "/applications").list(t)[0], "flag"))
	w.post(p+"/checks/"+id+"/reject", "")
	require.Equal(t, "FAIL", w.get(p + "/checks").list(t)[2]["decision"])
	task := text(w.post(p+"/tasks", `{"type":"INDIVIDUAL_MANUAL_TASK"}`).object(t), "id")
	moved := w.post(p+"/checks/"+id, `{"task_ids":["`+task+`"],"state":"PENDING"}`).object(t)
	require.Equal(t, []any{task}, moved["task_ids"])
	require.Equal(t, "COMPLETE", moved["state"])
	require.Equal(t, []any{id}, w.get(p + "/tasks/" + task).object(t)["check_ids"])
	ext := w.post(p+"/checks",
		`{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"2+2","output_data":{"a":1}}`).object(t)
	require.Equal(t, "PASS", ext["decision"])
	require.Equal(t, map[string]int{"IDENTITY_CHECK": 1}, w.srv.Charges(),
		"a judgement and an external check cost nothing")
}

func TestChargeableLimit(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithChargeableLimit(1))
	checks := "/profiles/" + w.person() + "/checks?mode=async"
	require.Equal(t, http.StatusOK, w.post(checks, `{"check_type":"IDENTITY_CHECK"}`).status)
	require.Equal(t, "104", w.post(checks, `{"check_type":"IDENTITY_CHECK"}`).code(t))
}

func TestCheckControl(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	w.srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Never: true})
	check := text(w.post("/profiles/"+id+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`).object(t), "id")
	w.srv.AdvanceClock(1000 * time.Hour)
	path := "/profiles/" + id + "/checks/" + check
	require.Equal(t, "RUNNING", w.get(path).object(t)["state"])
	require.NoError(t, w.srv.CompleteCheck(id, check, passforttest.Outcome{Result: "2+2"}))
	require.Equal(t, "COMPLETE", w.get(path).object(t)["state"])
	require.Error(t, w.srv.CompleteCheck(id, check, passforttest.Outcome{}))
}

func TestCollectionSteps(t *testing.T) {
	t.Parallel()
	w := start(t, byHand()...)
	p := "/profiles/" + w.person()
	w.srv.AdvanceClock(time.Second)
	steps := w.post(p+"/collection_steps",
		`[{"collection_type":"FULL_NAME"},{"collection_type":"DOB","precision":"YEAR"}]`).list(t)
	require.Len(t, steps, 1, "the name is there already")
	require.Equal(t, "WAITING_ON_COLLECTION_STEPS", text(w.get(p + "/applications").list(t)[0], "flag"))
	check := w.post(p+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`).object(t)
	w.srv.AdvanceClock(time.Hour)
	require.Equal(t, "PENDING", w.get(p + "/checks/" + text(check, "id")).object(t)["state"])
	w.post(p+"/collected_data", `{"entity_type":"INDIVIDUAL","personal_details":{"dob":"1990"}}`)
	require.Equal(t, "[]", w.get(p+"/collection_steps").raw)
	w.srv.AdvanceClock(time.Hour)
	require.Equal(t, "COMPLETE", w.get(p + "/checks/" + text(check, "id")).object(t)["state"])
	require.Equal(t, "101", w.post(p+"/collection_steps", `[{}]`).code(t))
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := start(t)
	p := "/profiles/" + w.person()
	tag := w.post(p+"/tags", `{"name":"a/b tag"}`).object(t)
	require.Equal(t, false, tag["is_automatic"])
	require.Equal(t, tag, w.post(p+"/tags", `{"name":"a/b tag"}`).object(t))
	require.Equal(t, []map[string]any{tag}, w.get("/tags/search/"+url.PathEscape("A/B")).list(t))
	require.Equal(t, tag, w.do(http.MethodDelete, p+"/tags/"+text(tag, "id"), "").object(t))
	require.Equal(t, http.StatusNotFound, w.do(http.MethodDelete, p+"/tags/"+text(tag, "id"), "").status)
	require.Equal(t, "201", w.post(p+"/tags", `{"name":"`+strings.Repeat("x", 65)+`"}`).code(t))
}

func TestSearch(t *testing.T) {
	t.Parallel()
	w := start(t)
	found := w.get("/search/companies?country=GBR&query=acme").object(t)
	require.Equal(t, "ACME LTD", text(found["companies"].([]any)[0], "name"))
	require.Equal(t, []any{}, found["errors"])
	require.Equal(t, "101", w.get("/search/companies?country=USA&query=acme").code(t))
	require.Empty(t, w.get("/search/companies?country=GBR&query=none").object(t)["companies"])
	addresses := w.get("/address/search?country_code=GBR&address=High+Street%2C+London").object(t)
	id := text(addresses["results"].([]any)[0], "id")
	a := w.get("/address/format?country_code=GBR&id=" + id).object(t)
	require.Equal(t, "STRUCTURED", a["type"])
	require.Equal(t, "London", a["locality"])
	require.Equal(t, map[string]int{"address/format": 1}, w.srv.Charges())
}

func TestAudit(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	for range 3 {
		w.get("/profiles/" + id)
	}
	views := 0
	for _, i := range w.get("/profiles/" + id + "/audit-items").list(t) {
		require.Equal(t, id, i["profileID"])
		if i["action"] == "viewed-profile" {
			views++
			require.Equal(t, "Simulator key", text(i, "apikey", "name"))
		}
	}
	require.Equal(t, 1, views, "once a day")
	pdf := w.get("/profiles/" + id + "/audit/pdf_report")
	require.Equal(t, "application/pdf", pdf.header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(pdf.raw, "%PDF-"))
	require.Equal(t, http.StatusTooManyRequests, w.get("/profiles/"+id+"/audit/pdf_report").status)
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithAPIKeyName("Shop API Key"), passforttest.WithInstitution("Shop Ltd"))
	me := w.get("/whoami").object(t)
	require.Equal(t, "Shop API Key", me["auditee_name"])
	require.Equal(t, "Shop Ltd", text(me, "institution", "name"))
	require.Contains(t, me, "user")
	require.Nil(t, me["user"])
}

func TestAssociates(t *testing.T) {
	t.Parallel()
	w := start(t)
	director := w.created("/profiles", strings.Replace(newPerson, "INDIVIDUAL_CUSTOMER", "INDIVIDUAL_ASSOCIATED", 1))
	firm := w.company()
	got := w.post("/profiles/"+firm+"/collected_data",
		`{"entity_type":"COMPANY","officers":{"directors":[{"entity_type":"INDIVIDUAL","linked_profile":{"id":"`+
			director+`"}}]}}`).object(t)
	link := got["officers"].(map[string]any)["directors"].([]any)[0].(map[string]any)["linked_profile"].(map[string]any)
	require.Equal(t, "Kim Doe", link["display_name"], "a link is shown expanded")
	apps := w.get("/profiles/" + director + "/applications").list(t)
	require.Equal(t, "gold_account", text(apps[0], "product", "alias"))
	require.Equal(t, "DIRECTOR", apps[0]["associated_role"])
	linked := w.get("/profiles/" + director).object(t)["linked_to"].([]any)
	require.Equal(t, firm, text(linked[0], "profile", "id"))
	require.Equal(t, true, w.get("/profiles/" + firm).object(t)["has_associates"])
}

// An ownership check has what the company itself named, or empty lists.
func TestOwnershipOutput(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetCheckOutcome("COMPANY_OWNERSHIP", passforttest.Outcome{After: 1})
	id := w.company()
	run := func() any {
		check := w.created("/profiles/"+id+"/checks?mode=sync", `{"check_type":"COMPANY_OWNERSHIP"}`)
		return w.get("/profiles/" + id + "/checks/" +
			check).object(t)["output_data"].(map[string]any)["ownership_structure"]
	}
	require.Equal(t, map[string]any{"shareholders": []any{}, "share_classes": []any{}, "beneficial_owners": []any{}},
		run())
	w.post("/profiles/"+id+"/collected_data",
		`{"entity_type":"COMPANY","ownership_structure":{"share_classes":[{"name":"A"}]}}`)
	require.Equal(t, []any{map[string]any{"name": "A"}}, run().(map[string]any)["share_classes"])
}

func TestCollectKeyTakesIDsInAnyCase(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	for _, made := range []answer{
		w.post("/api_keys/collect", `{"profile_ids":["`+strings.ToUpper(id)+`"]}`),
		w.post("/api_keys/collect/"+strings.ToUpper(id), ""),
	} {
		key := text(made.object(t), "key")
		for _, spelled := range []string{id, strings.ToUpper(id)} {
			require.Equal(t, http.StatusOK, w.do(http.MethodGet, "/profiles/"+spelled+"/collected_data", "", "apikey",
				key).status)
		}
	}
}

func TestRevertWithANullBody(t *testing.T) {
	t.Parallel()
	w := start(t, byHand()...)
	id := w.person()
	p := "/profiles/" + id + "/applications/" + text(w.application(id), "id")
	for _, body := range []string{"", "null", " null ", "{}", `{"comment":null}`} {
		require.Equal(t, http.StatusOK, w.post(p, `{"status":"REJECTED"}`).status)
		require.Equal(t, http.StatusOK, w.post(p+"/revert_decision", body).status, body)
	}
	require.Equal(t, http.StatusBadRequest, w.post(p+"/revert_decision", `[]`).status)
}

func TestAuditNamesTheKey(t *testing.T) {
	t.Parallel()
	w := start(t)
	item := w.get("/profiles/" + w.person() + "/audit-items").list(t)[0]
	require.Equal(t, map[string]any{"name": "Simulator key"}, item["apikey"])
}
