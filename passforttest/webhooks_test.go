package passforttest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// sink is a webhook endpoint that keeps what it receives.
type sink struct {
	*httptest.Server
	mu       sync.Mutex
	bodies   []string
	auth     []string
	messages []map[string]any
	answers  []int // statuses to give, then 200
}

func receive(t *testing.T, answers ...int) *sink {
	s := &sink{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			return
		}
		s.bodies = append(s.bodies, string(raw))
		s.auth = append(s.auth, r.Header.Get("Authorization"))
		status := http.StatusOK
		if len(s.answers) > 0 {
			status, s.answers = s.answers[0], s.answers[1:]
		}
		if status == http.StatusOK {
			s.messages = append(s.messages, messagesIn(raw)...)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func messagesIn(raw []byte) []map[string]any {
	if bytes.HasPrefix(raw, []byte("[")) {
		var l []map[string]any
		_ = json.Unmarshal(raw, &l)
		return l
	}
	var one map[string]any
	_ = json.Unmarshal(raw, &one)
	if l, is := one["events"].([]any); is {
		var out []map[string]any
		for _, e := range l {
			out = append(out, e.(map[string]any))
		}
		return out
	}
	return []map[string]any{one}
}

func (s *sink) events() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.messages {
		out = append(out, m["event"].(string))
	}
	return out
}

// data returns the payloads of one event.
func (s *sink) data(event string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []map[string]any
	for _, m := range s.messages {
		if m["event"] == event {
			out = append(out, m["data"].(map[string]any))
		}
	}
	return out
}

func TestWebhooksOfFindings(t *testing.T) {
	t.Parallel()
	w := start(t)
	in := receive(t)
	w.srv.SetWebhook(in.URL, "s3cr3t", false)
	id := w.person()
	event := w.created("/profiles/"+id+"/events", `{"data":{"event_type":"PEP_FLAG"}}`)
	require.Equal(t, http.StatusOK, w.post("/profiles/"+id+"/events/"+event, `{"resolution":"MISMATCH"}`).status)
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	finding := func(resolution string) []any {
		return []any{map[string]any{"id": event, "event_type": "PEP_FLAG", "resolution": resolution}}
	}
	for name, want := range map[string]any{
		"EVENTS_CREATED": finding("UNRESOLVED"), "EVENTS_UPDATED": finding("MISMATCH"),
	} {
		all := in.data(name)
		require.Len(t, all, 1, name)
		require.Equal(t, want, all[0]["events"], name)
		require.Equal(t, id, all[0]["profile_id"], name)
	}
}

func TestWebhooksOfAnOnboarding(t *testing.T) {
	t.Parallel()
	w := start(t)
	in := receive(t)
	w.srv.SetWebhook(in.URL, "s3cr3t", false)
	id := w.person()
	app := "/profiles/" + id + "/applications/" + text(w.get("/profiles/" + id + "/applications").list(t)[0], "id")
	w.post("/profiles/"+id+"/checks", `{"check_type":"IDENTITY_CHECK"}`)
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	require.Equal(t, http.StatusOK, w.post(app, `{"status":"APPROVED"}`).status)
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))

	events := in.events()
	for _, want := range []string{
		"TASK_CREATED", "PRODUCT_BADGE_CHANGED", "CHECK_COMPLETED", "TASK_STATE_CHANGED", "PRODUCT_STATUS_CHANGED",
	} {
		require.Contains(t, events, want)
	}
	require.Less(t, slices.Index(events, "CHECK_COMPLETED"), slices.Index(events, "PRODUCT_STATUS_CHANGED"))
	for _, a := range in.auth {
		require.Equal(t, "Bearer s3cr3t", a)
	}
	m := in.messages[0]
	require.Equal(t, "s3cr3t", m["secret"])
	require.Len(t, m, 5)
	require.InDelta(t, float64(time.Now().Unix()), m["timestamp"], 5)

	status := in.data("PRODUCT_STATUS_CHANGED")[0]
	require.Equal(t, "APPROVED", status["new_status"])
	require.Equal(t, map[string]any{"name": "Simulator key"}, status["apikey"])
	require.Nil(t, status["user"])
	require.Equal(t, id, status["profile_id"])
	check := in.data("CHECK_COMPLETED")[0]
	require.Equal(t, "2+2", text(check, "check", "result"))
	require.NotContains(t, check, "user")
}

func TestCollectedDataWebhook(t *testing.T) {
	t.Parallel()
	w := start(t)
	in := receive(t)
	id := w.person()
	w.srv.SetWebhook(in.URL, "s", false)
	w.srv.EnableWebhooks("COLLECTED_DATA_UPDATED")
	w.post("/profiles/"+id+"/collected_data", `{"entity_type":"INDIVIDUAL","customer_ref":"C-9"}`)
	_, err := w.srv.EditCollectedData(id, func(d map[string]any) { d["x"] = nil })
	require.NoError(t, err)
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	got := in.data("COLLECTED_DATA_UPDATED")
	require.Len(t, got, 2)
	data := got[0]["old_data"].(map[string]any)
	name := data["personal_details"].(map[string]any)["name"].(map[string]any)
	require.Equal(t, "Kim", name["given_names"].([]any)[0])
	require.Equal(t, "C-9", text(got[0], "new_data", "customer_ref"))
	require.Equal(t, "C-9", got[0]["customer_ref"])
	require.Nil(t, got[0]["user"], "an API key did it")
	require.Equal(t, w.srv.PortalUser().Name, text(got[1], "user", "name"))
	require.Nil(t, got[1]["apikey"])
}

func TestDeliveryIsRetried(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithWebhookBackoff(time.Microsecond, time.Millisecond))
	in := receive(t, 500, 201, 404)
	w.srv.SetWebhook(in.URL, "s", false)
	w.srv.EnableWebhooks("TASK_CREATED")
	w.person()
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	require.Len(t, in.bodies, 4, "only 200 acknowledges")
	require.Equal(t, in.bodies[0], in.bodies[3], "the same message")
	require.Equal(t, 4, w.srv.DeliveredWebhooks()[0].Attempts)
	require.Empty(t, w.srv.PendingWebhooks())
}

// A receiver that switches to another protocol is left, and sent the message again.
func TestDeliveryToAnotherProtocol(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithWebhookBackoff(time.Microsecond, time.Millisecond))
	left := make(chan error, 1)
	first := true
	in := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if !first {
			return
		}
		first = false
		conn, _, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			left <- err
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
		_, err = io.Copy(io.Discard, conn)
		_ = conn.Close()
		left <- err
	}))
	t.Cleanup(in.Close)
	w.srv.SetWebhook(in.URL, "s", false)
	w.srv.EnableWebhooks("TASK_CREATED")
	w.person()
	require.NoError(t, <-left)
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	require.Equal(t, 2, w.srv.DeliveredWebhooks()[0].Attempts)
}

func TestBatches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shape  passforttest.BatchShape
		prefix string
	}{
		"array":  {passforttest.BatchArray, "["},
		"object": {passforttest.BatchObject, `{"events":[`},
		"single": {passforttest.BatchSingle, `{"data"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, passforttest.WithWebhookPace(time.Millisecond), passforttest.WithWebhookBatchSize(10),
				passforttest.WithSwitches(passforttest.Switches{BatchShape: c.shape}))
			in := receive(t)
			id := w.person()
			w.srv.SetWebhook(in.URL, "s", true)
			w.srv.EnableWebhooks("COLLECTED_DATA_UPDATED")
			for range 25 {
				w.post("/profiles/"+id+"/collected_data", person)
			}
			require.NoError(t, w.srv.WaitWebhooks(t.Context()))
			require.Len(t, in.messages, 25)
			seen := map[string]bool{}
			for _, b := range in.bodies {
				require.LessOrEqual(t, len(messagesIn([]byte(b))), 10)
				require.Equal(t, c.prefix, b[:len(c.prefix)])
			}
			for _, m := range in.messages {
				seen[m["id"].(string)] = true
			}
			require.Len(t, seen, 25)
		})
	}
}

func TestDuplicatesAndOrder(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithSeed(3), passforttest.WithWebhookDuplicates(0.5), passforttest.WithWebhookShuffle(),
		passforttest.WithWebhookPace(time.Millisecond), passforttest.WithWebhookBatchSize(5))
	in := receive(t, 503)
	id := w.person()
	w.srv.SetWebhook(in.URL, "s", true)
	w.srv.EnableWebhooks("COLLECTED_DATA_UPDATED")
	for range 40 {
		w.post("/profiles/"+id+"/collected_data", person)
	}
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	seen := map[string]int{}
	for _, m := range in.messages {
		seen[m["id"].(string)]++
	}
	require.Len(t, seen, 40, "none is lost")
	require.Greater(t, len(in.messages), 40, "some came twice")
}

func TestWebhooksAreTurnedOff(t *testing.T) {
	t.Parallel()
	w := start(t)
	in := receive(t)
	w.srv.SetWebhook(in.URL, "s", false)
	w.srv.SetWebhook("", "", false)
	w.person()
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	require.Empty(t, in.bodies)
}

// The same calls give the same ids with a seed, however messages are delivered.
func TestDeliveriesTakeNoIDs(t *testing.T) {
	t.Parallel()
	ids := func(opts ...passforttest.Option) []string {
		srv := passforttest.New(append(opts, passforttest.WithSeed(7), passforttest.WithWebhookPace(0))...)
		defer srv.Close()
		srv.SetWebhook(receive(t).URL, "secret", true)
		out := srv.MakeUp(2)
		for range 20 {
			_, err := srv.EditCollectedData(out[0], func(data map[string]any) { data["x"] = 1 })
			require.NoError(t, err)
		}
		require.NoError(t, srv.WaitWebhooks(t.Context()))
		return append(out, srv.AddAPIKey("one more"))
	}
	// Nothing is due that would take an id at a time of its own.
	quiet := passforttest.WithClock(passforttest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	plain := ids(quiet, passforttest.WithAutomationTime(0))
	require.Equal(t, plain, ids(quiet, passforttest.WithAutomationTime(0), passforttest.WithWebhookShuffle(),
		passforttest.WithWebhookDuplicates(0.5)))
}

// A message that is on its way during a reset belongs to what the reset forgot.
func TestResetForgetsADeliveryUnderWay(t *testing.T) {
	t.Parallel()
	w := start(t)
	arrived, answer := make(chan struct{}, 8), make(chan struct{})
	in := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	}))
	t.Cleanup(in.Close)
	w.srv.EnableWebhooks("COLLECTED_DATA_UPDATED")
	w.srv.SetWebhook(in.URL, "s3cr3t", false)
	require.Equal(t, http.StatusOK, w.post("/profiles/"+w.person()+"/collected_data", person).status)
	<-arrived
	require.NoError(t, w.srv.Reset())
	id := w.person()
	require.Equal(t, http.StatusOK, w.post("/profiles/"+id+"/collected_data", person).status)
	close(answer)
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	delivered := w.srv.DeliveredWebhooks()
	require.Len(t, delivered, 1)
	require.Equal(t, id, delivered[0].ProfileID)
}
