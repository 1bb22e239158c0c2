package passforttest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// see returns one page.
func see(t *testing.T, h http.Handler, path string) string {
	t.Helper()
	rec := browse(t, h, http.MethodGet, path, nil, nil)
	require.Equal(t, http.StatusOK, rec.Code, path)
	return rec.Body.String()
}

func TestWindowShowsCalls(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithRecorder(0, 0), passforttest.WithAPIKey("canary-key"))
	h := w.srv.AdminHandler()
	id, other := w.person(), w.person()
	w.post("/profiles/"+id+"/tags", `{"name":5}`)
	w.srv.Inject(passforttest.Fault{Operation: "Tags.Add", DropAfterWrite: true})
	_, err := w.send(http.MethodPost, "/profiles/"+id+"/tags", `{"name":"lost"}`)
	require.Error(t, err)
	collect := text(w.post("/api_keys/collect/"+id, "").object(t), "key")
	w.do(http.MethodGet, "/no/such/canary", "", "apikey", "wrong")

	all := see(t, h, "calls")
	for _, line := range []string{"POST Profiles.Create", "400, code 201", "dropped, by a fault",
		"The answer has a key.", "no valid key", "Kim", "&#34;name&#34;: 5"} {
		require.Contains(t, all, line)
	}
	for _, secret := range []string{"canary", collect} {
		require.NotContains(t, all, secret)
	}
	require.Less(t, strings.Index(all, "Tags.Add"), strings.Index(all, "Profiles.Create"), "the newest first")

	refused := see(t, h, "calls?status=4")
	require.Contains(t, refused, "code 201")
	require.NotContains(t, refused, "Profiles.Create")
	require.Contains(t, see(t, h, "calls?status=0"), "dropped, by a fault")
	mine := see(t, h, "calls?profile="+other)
	require.Equal(t, 1, strings.Count(mine, "POST Profiles.Create"))
	require.NotContains(t, mine, "Tags.Add")
	require.Contains(t, see(t, h, "calls?watch=1"), `http-equiv="refresh"`)
	require.Contains(t, see(t, h, "profiles/"+id), "POST Tags.Add")
}

func TestCallLogIsBounded(t *testing.T) {
	t.Parallel()
	srv := passforttest.New(passforttest.WithRecorder(0, 0))
	defer srv.Close()
	h := srv.AdminHandler()
	large := `{"name":"` + strings.Repeat("x", 100_000) + `"}`
	for range 500 {
		serveOnce(srv, http.MethodPost, "/profiles/"+strings.Repeat("y", 1_000)+"/tags", large, srv.APIKey())
	}
	page := see(t, h, "calls")
	require.Equal(t, 100, strings.Count(page, "POST Tags.Add"))
	require.Less(t, len(page), 100*(8<<10+2_000))
	require.NotContains(t, page, strings.Repeat("y", 301))
}

func TestWindowArmsFaults(t *testing.T) {
	t.Parallel()
	w := start(t)
	h := w.srv.AdminHandler()
	id := w.person()
	tag := func() (answer, error) { return w.send(http.MethodPost, "/profiles/"+id+"/tags", `{"name":"x"}`) }
	for kind, want := range map[string]int{"429": 429, "502": 502, "500": 500, "before": 0, "after": 0} {
		require.Contains(t, press(t, h, "faults", url.Values{"operation": {"Tags.Add"}, "kind": {kind}}),
			"Tags.Add</th>")
		got, err := tag()
		require.Equal(t, want, got.status, kind)
		require.Equal(t, want == 0, err != nil)
	}
	require.Contains(t, press(t, h, "faults", url.Values{"kind": {"stale"}, "times": {"3"}}),
		"another writer: 412</td><td>3")
	require.Equal(t, http.StatusOK, w.post("/profiles/"+id+"/collected_data", person).status)
	tagged := w.get("/profiles/" + id + "/collected_data").header.Get("Etag")
	require.Equal(t, http.StatusPreconditionFailed, w.post("/profiles/"+id+"/collected_data", person, "If-Match",
		tagged).status)
	require.Contains(t, press(t, h, "faults/clear", url.Values{}), "1 faults disarmed")
	for _, bad := range []url.Values{{"kind": {"fire"}}, {"kind": {"429"}, "operation": {"Nothing"}},
		{"kind": {"429"}, "times": {"0"}}, {"kind": {"429"}, "times": {"many"}}} {
		require.Contains(t, press(t, h, "faults", bad), "Not done")
	}
	require.Zero(t, w.srv.ClearFaults())
}

func TestWindowOfWebhooks(t *testing.T) {
	t.Parallel()
	var status atomic.Int32
	status.Store(http.StatusTeapot)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
	}))
	defer endpoint.Close()
	w := start(t, byHand()...)
	h := w.srv.AdminHandler()
	id := w.person()
	w.srv.AdvanceClock(time.Minute) // nothing is due any more
	require.Contains(t, press(t, h, "webhooks/sample", url.Values{"event": {"TASK_CREATED"}, "profile": {id}}),
		"Not done: no endpoint")
	w.srv.SetWebhook(endpoint.URL, "hush", false)
	require.Contains(t, press(t, h, "webhooks/pause", url.Values{"paused": {"true"}}), "Deliveries are paused")
	page := see(t, h, "webhooks")
	events := strings.Count(page[strings.Index(page, `id="event"`):strings.Index(page, `id="sampled"`)], "<option>")
	require.Equal(t, 17, events)
	for _, event := range []string{"CHECK_COMPLETED", "COLLECTED_DATA_UPDATED", "RISK_SCORE_CHANGED"} {
		require.Contains(t, press(t, h, "webhooks/sample", url.Values{"event": {event}, "profile": {id}}),
			"A sample waits: "+event)
	}
	require.Len(t, w.srv.PendingWebhooks(), 3, "nothing is sent while paused")
	require.Contains(t, see(t, h, "webhooks"), "3 waiting, the first since")
	require.Contains(t, see(t, h, "profiles/"+id), "CHECK_COMPLETED")

	press(t, h, "webhooks/pause", url.Values{"paused": {"false"}})
	require.Eventually(t, func() bool {
		return strings.Contains(see(t, h, "webhooks"), "<td>418</td>")
	}, time.Minute, time.Millisecond)
	require.Contains(t, see(t, h, "webhooks"), "The queue is stalled")
	status.Store(http.StatusOK)
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	page = see(t, h, "webhooks")
	require.Contains(t, page, "<td>200</td>")
	require.NotContains(t, page, "hush")
	first := w.srv.DeliveredWebhooks()[0].ID
	require.Contains(t, press(t, h, "webhooks/redeliver", url.Values{"id": {first}}), "The message waits once more")
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	delivered := w.srv.DeliveredWebhooks()
	require.Equal(t, first, delivered[len(delivered)-1].ID)
	for _, bad := range []string{"nothing", "<script>"} {
		require.Contains(t, press(t, h, "webhooks/redeliver", url.Values{"id": {bad}}), "Not done")
		require.Contains(t, press(t, h, "webhooks/sample", url.Values{"event": {bad}, "profile": {id}}),
			"Not done: unknown event")
	}
	w.srv.EnableWebhooks("TASK_CREATED")
	require.Contains(t, press(t, h, "webhooks/sample", url.Values{"event": {"CHECK_COMPLETED"}, "profile": {id}}),
		"not enabled")
	require.Contains(t, press(t, h, "webhooks/sample", url.Values{"event": {"TASK_CREATED"}, "profile": {"nobody"}}),
		"Not done")
}

// membersOf collects the pointers of all members below v; of a list it looks at the
// first element.
func membersOf(v any, at string, into map[string]bool) map[string]bool {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			into[at+"/"+name] = true
			membersOf(e, at+"/"+name, into)
		}
	case []any:
		if len(v) > 0 {
			membersOf(v[0], at+"/0", into)
		}
	}
	return into
}

// A sample has the members that a real message of the event has, and what the smart
// policy causes names no user.
func TestSamplesAreLikeRealMessages(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithSwitches(passforttest.Switches{DeprecatedEvents: true}),
		passforttest.WithProducts(
			passforttest.Product{Alias: "rich", Risk: &passforttest.RiskModel{},
				Tasks: []passforttest.ProductTask{{Type: "INDIVIDUAL_MANUAL_TASK"}}}))...)
	sent := hooked(t, w)
	h := w.srv.AdminHandler()
	press(t, h, "webhooks/pause", url.Values{"paused": {"true"}})
	id := w.applied("rich")
	p := "/profiles/" + id
	w.srv.AdvanceClock(time.Minute)
	w.post(p+"/status", `"SUSPENDED"`)
	w.post(p+"/collected_data", person)
	w.post(p+"/collection_steps", `[{"collection_type":"EMAIL"}]`)
	w.post(p+"/collection_steps", `[]`)
	event := w.created(p+"/events", `{"data":{"event_type":"PEP_FLAG"}}`)
	w.post(p+"/events/"+event, `{"resolution":"MISMATCH"}`)
	w.post(p+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`)
	w.srv.AdvanceClock(time.Minute)
	require.NoError(t, w.srv.SetRiskScore(id, 80))
	require.NoError(t, w.srv.SetRiskScore(id, 10))
	require.NoError(t, w.srv.SetTaskState(id, text(w.get(p + "/tasks").list(t)[0], "id"), "COMPLETED_FAIL"))
	w.post(p+"/applications/"+text(w.application(id), "id"), `{"status":"REJECTED"}`)
	w.post("/forms/profile/"+id+"/customer_request", `{"type":"FLOW","flow_template":{"alias":"f"}}`)
	require.NoError(t, w.srv.EndForm(id, "", "COMPLETED"))

	happened := map[string]map[string]any{}
	for _, m := range w.srv.PendingWebhooks() {
		happened[m.Event] = decode(t, string(m.Data)).(map[string]any)
	}
	require.Len(t, happened, 16, "every event but COLLECTED_DATA_CHANGED")
	for name, data := range happened {
		require.Contains(t, press(t, h, "webhooks/sample", url.Values{"event": {name}, "profile": {id}}),
			"A sample waits: "+name)
		all := sent(name)
		sample := all[len(all)-1]
		want, got := membersOf(data, "", map[string]bool{}), membersOf(sample, "", map[string]bool{})
		if name == "MANUAL_ACTION_REQUIRED" && len(sample["actions"].([]any)) == 0 {
			sample["actions"] = data["actions"]
			got = membersOf(sample, "", got)
		}
		for _, cause := range []string{"/apikey/name", "/user/id", "/user/name", "/user/email"} {
			delete(want, cause)
			delete(got, cause)
		}
		require.Equal(t, want, got, name)
		switch name {
		case "MANUAL_ACTION_REQUIRED", "PRODUCT_BADGE_CHANGED", "RISK_LEVEL_CHANGED", "RISK_SCORE_CHANGED":
			require.Nil(t, sample["user"], name)
		}
	}
	press(t, h, "webhooks/sample", url.Values{"event": {"COLLECTED_DATA_CHANGED"}, "profile": {id}})
	waiting := len(w.srv.PendingWebhooks())
	press(t, h, "webhooks/pause", url.Values{"paused": {"false"}})
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	require.Len(t, w.srv.DeliveredWebhooks(), waiting)
	require.Len(t, sent("COLLECTED_DATA_CHANGED"), 1)
}

func TestWindowShowsAProfileWhole(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithProducts(passforttest.Product{Alias: "gold_account",
		Tasks: []passforttest.ProductTask{
			{Type: "INDIVIDUAL_VERIFY_IDENTITY", ExpiresAfter: 1e15},
		}}))...)
	h := w.srv.AdminHandler()
	id := w.person()
	p := "/profiles/" + id
	task := text(w.get(p + "/tasks").list(t)[0], "id")
	w.post(p+"/tasks/"+task, `{"state":"COMPLETED_PASS"}`)
	w.post(p+"/tasks/"+task+"/notes", `{"text":"looked twice"}`)
	w.post(p+"/tags", `{"name":"important"}`)
	w.post(p+"/events", `{"data":{"event_type":"PEP_FLAG","score":0.50}}`)
	w.post(p+"/files", `{"data":"JVBERi0x","name":"contract.pdf"}`)
	image := w.created(p+"/document_images", `{"data":"JVBERi0x","image_type":"FACE"}`)
	w.post(p+"/collected_data/documents",
		`{"category":"PROOF_OF_IDENTITY","document_type":"PASSPORT","images":[{"id":"`+image+`"}]}`)
	w.post(p+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`)
	w.post(p+"/collection_steps", `[{"collection_type":"EMAIL"}]`)
	page := see(t, h, "profiles/"+id)
	for _, line := range []string{
		"until 2", "looked twice", "Tags: important", "Waits for: EMAIL", "PEP_FLAG: UNRESOLVED", "0.50",
		"File: contract.pdf", "Image: FACE, application/pdf, 6 bytes, in document",
		"Document: PASSPORT, PROOF_OF_IDENTITY", "UNRESOLVED_EVENT",
		"1 statuses", "Input", "IDENTITY_CHECK", "POST Tags.Add", "added-a-tag, Simulator key",
	} {
		require.Contains(t, page, line)
	}
}

// What was typed and is no JSON is still there; nothing of it is stored.
func TestWindowKeepsTheEdit(t *testing.T) {
	t.Parallel()
	w := start(t)
	h := w.srv.AdminHandler()
	id := w.person()
	stored, etag := w.srv.CollectedData(id)
	shown := press(t, h, "profiles/"+id+"/data", url.Values{
		"data": {`{"entity_type":"INDIVIDUAL", "mine": `}, "etag": {etag},
	})
	require.Contains(t, shown, "Not done")
	require.Contains(t, shown, `{&#34;entity_type&#34;:&#34;INDIVIDUAL&#34;, &#34;mine&#34;: </textarea>`)
	again, _ := w.srv.CollectedData(id)
	require.Equal(t, stored, again)
	require.NotContains(t, see(t, h, "profiles/"+id), "mine")
}

// No address makes a page print what it holds, and a note is for its own page.
func TestWindowPrintsNothingOfTheQuery(t *testing.T) {
	t.Parallel()
	w := start(t)
	h := w.srv.AdminHandler()
	id := w.person()
	for _, page := range []string{"", "calls", "faults", "webhooks", "settings", "profiles/" + id} {
		for _, name := range []string{"done", "error", "note", "q", "status", "profile", "from", "watch", "edit"} {
			require.NotContains(t, see(t, h, page+"?"+name+"=canary"), "canary", "%s?%s", page, name)
		}
	}
	rec := browse(t, h, http.MethodPost, "clock", url.Values{"by": {"1h"}}, nil)
	_, note, _ := strings.Cut(rec.Header().Get("Location"), "?")
	require.Contains(t, see(t, h, "?"+note), "The clock moved")
	require.NotContains(t, see(t, h, "calls?"+note), "The clock moved")
}

func TestWindowSettings(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithProducts(passforttest.Product{Alias: "gold"}))
	h := w.srv.AdminHandler()
	page := see(t, h, "settings")
	for _, line := range []string{"Profiles.Create: 10000 in 1h0m0s", "32 MiB", "&#34;alias&#34;: &#34;gold&#34;",
		"Lenient"} {
		require.Contains(t, page, line)
	}
	page = press(t, h, "switches", url.Values{
		"CreatedStatus": {"on"}, "ListOrder": {"1"}, "BatchShape": {"0"},
		"CollectedDataEvent": {"COLLECTED_DATA_CHANGED"},
	})
	require.Contains(t, page, `name="CreatedStatus" checked`)
	require.Contains(t, page, `value="1" selected>newest first`)
	require.Equal(t, http.StatusCreated, w.post("/profiles", newPerson).status)
	require.Contains(t, press(t, h, "switches", url.Values{"ListOrder": {"7"}, "BatchShape": {"0"}}), "Not done")

	made := press(t, h, "profiles", url.Values{
		"role": {"INDIVIDUAL_CUSTOMER"}, "name": {"Anna Maria Doe"}, "product": {"gold"},
	})
	require.Contains(t, made, "<h1>Anna Maria Doe</h1>")
	require.Contains(t, made, "Gold</th>")
	require.Contains(t, press(t, h, "profiles", url.Values{"role": {"COMPANY_CUSTOMER"}, "name": {"Acme"}}),
		"<h1>Acme</h1>")
	require.Contains(t, press(t, h, "profiles", url.Values{"role": {"BOSS"}}), "Not done: unknown role")

	require.Contains(t, press(t, h, "reset", url.Values{}), "Not done")
	require.Equal(t, 3, w.srv.Profiles())
	require.Contains(t, press(t, h, "reset", url.Values{"sure": {"on"}}), "No profiles")
	require.Zero(t, w.srv.Profiles())
	require.Contains(t, see(t, h, "settings"), "gold", "what was configured stays")
	require.Contains(t, press(t, h, "clock", url.Values{"by": {"720h"}}), "The clock moved by 720h")
	require.Contains(t, press(t, h, "clock", url.Values{"by": {"2562047h"}}),
		"Not done: the clock moves by 200 years at most")
	require.Contains(t, press(t, h, "clock", url.Values{"by": {"1750000h"}}), "The clock moved")
	require.Contains(t, press(t, h, "clock", url.Values{"by": {"8760h"}}), "Not done")
}

// An event of a new name, as an account may have, does not stand in the way of the
// other switches.
func TestWindowSettingsKeepAnUnknownEvent(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithSwitches(passforttest.Switches{CollectedDataEvent: "DATA_MOVED"}))
	h := w.srv.AdminHandler()
	form := url.Values{
		"CreatedStatus": {"on"}, "ListOrder": {"0"}, "BatchShape": {"0"}, "CollectedDataEvent": {"DATA_MOVED"},
	}
	require.Contains(t, see(t, h, "settings"), `value="DATA_MOVED"`)
	require.Contains(t, press(t, h, "switches", form), "The switches are set")
	require.Equal(t, http.StatusCreated, w.post("/profiles", newPerson).status)
	form.Set("CollectedDataEvent", "DATA_SHAKEN")
	require.Contains(t, press(t, h, "switches", form), "Not done: unknown event")
}
