package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// startWorker runs a worker inside the test.
func startWorker(t *testing.T, name, engineURL, baseURL string) *worker {
	t.Helper()
	return startWorkerThat(t, name, engineURL, baseURL, nil)
}

// startWorkerThat runs a worker that does something with its messages.
func startWorkerThat(
	t *testing.T, name, engineURL, baseURL string, act func(context.Context, *passfort.WebhookEvent) error,
) *worker {
	t.Helper()
	w, err := newWorker(t.Context(), workerConfig{
		Name: name, Listen: "127.0.0.1:0", EngineURL: engineURL, BaseURL: baseURL, APIKey: simulatorKey,
		Secret: testSecret, Items: 1, Log: quietLog(),
	})
	require.NoError(t, err)
	w.handler.act = act
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return w
}

func tableOf(t *testing.T, js jetstream.JetStream) *effects {
	t.Helper()
	table, err := openEffects(t.Context(), js)
	require.NoError(t, err)
	return table
}

func TestWakeUpAcrossWorkers(t *testing.T) {
	sim := passforttest.NewServer(passforttest.WithAPIKey(simulatorKey))
	t.Cleanup(sim.Close)
	sim.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Never: true})
	engineURL := newEngine(t, testLayout())
	a, b := startWorker(t, "a", engineURL, sim.URL()), startWorker(t, "b", engineURL, sim.URL())
	sim.SetWebhook("http://"+b.Addr()+"/webhooks", testSecret, false)
	profile, err := a.client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	var woken []time.Duration
	for range pick(20, 300) {
		check, err := a.client.Checks.Run(t.Context(), profile.ID, &passfort.CheckRequest{
			Type: recheckType, Mode: passfort.CheckModeAsync,
		})
		require.NoError(t, err)
		body, err := json.Marshal(checkRequest{ProfileID: profile.ID, CheckID: check.ID})
		require.NoError(t, err)
		var answer checkAnswer
		ended := make(chan error, 1)
		go func() { ended <- a.waitForCheck(t.Context(), body, &answer) }()
		eventually(t, 10*time.Second, "worker a waits", func() bool { return a.waits.count(check.ID) == 1 })
		require.NoError(t, sim.CompleteCheck(profile.ID, check.ID, passforttest.Outcome{Result: "2+2"}))
		require.NoError(t, <-ended)
		require.Equal(t, "b", answer.ReceivedAt)
		require.LessOrEqual(t, answer.Polls, 3, "the wait asks again when it is woken, not by its clock")
		woken = append(woken, answer.Woken)
	}
	slices.Sort(woken)
	require.Less(t, woken[len(woken)/2], 100*time.Millisecond)
	t.Logf("%d waits on worker a ended after worker b had the webhook: half within %s, 99%% within %s, all within %s",
		len(woken), woken[len(woken)/2], woken[len(woken)*99/100], woken[len(woken)-1])
}

// count returns how many wait for a check.
func (s *waits) count(checkID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open[checkID])
}

func TestWakeUpForACustomerRequest(t *testing.T) {
	engineURL := newEngine(t, testLayout())
	conn, _ := dialEngine(t, engineURL)
	heard := make(chan hint, 1)
	sub, err := listen(conn, passfort.NewCheckInbox(), func(h hint) { heard <- h })
	require.NoError(t, err)
	defer func() { _ = sub.Unsubscribe() }()
	require.NoError(t, conn.Flush())
	w := startWorker(t, "b", engineURL, nowhereToo)
	require.Equal(t, http.StatusOK, post(t, w, `{"id":"1","event":"customer_request_changed","secret":"`+testSecret+
		`","data":{"profile_id":"p","state":"COMPLETED","request_id":"r"}}`))
	h := <-heard
	require.Equal(t, "p", h.ProfileID)
	require.Equal(t, passfort.CustomerRequestStateCompleted, h.State)
	require.Equal(t, "b", h.From)
}

// nowhereToo is an API that a test does not use.
const nowhereToo = "http://127.0.0.1:1/4.0"

// post sends a body to a worker's endpoint and returns the status.
func post(t *testing.T, w *worker, body string) int {
	t.Helper()
	l := &lane{client: http.DefaultClient, url: "http://" + w.Addr() + "/webhooks"}
	return l.post(t.Context(), []byte(body))
}

func TestEndpointRefusesStrangers(t *testing.T) {
	w := startWorker(t, "a", newEngine(t, testLayout()), nowhereToo)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.Addr()+"/webhooks",
		strings.NewReader(message{1, 1}.json()))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer another")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Zero(t, w.receiver.received.Load())
	require.Equal(t, http.StatusBadRequest, post(t, w, `{"no":"webhook"}`))
}

func TestDuplicatesWithinAndAfterTheEnginesMemory(t *testing.T) {
	l := testLayout()
	l.Duplicates = 200 * time.Millisecond
	engineURL := newEngine(t, l)
	_, js := dialEngine(t, engineURL)
	w := startWorker(t, "a", engineURL, nowhereToo)
	body := message{1, 1}.json()
	without := strings.Replace(body, `"id":"m-1-1",`, "", 1)
	require.NotEqual(t, body, without)
	for range 2 {
		require.Equal(t, http.StatusOK, post(t, w, "["+body+","+without+"]"))
	}
	require.EqualValues(t, 2, w.receiver.duplicates.Load(), "a message without an id is known again by what it says")
	<-time.After(time.Second) // the engine forgets
	require.Equal(t, http.StatusOK, post(t, w, body))
	require.EqualValues(t, 2, w.receiver.duplicates.Load())
	eventually(t, 10*time.Second, "everything is handled", func() bool { return waiting(t, js, webhookStream) == 0 })
	require.EqualValues(t, 1, w.handler.again.Load(), "the table of effects knows it")
	require.Equal(t, 2, waiting(t, js, effectStream))
}

func TestFailingMessageIsTriedAgainInItsPlaceAndParkedAtLast(t *testing.T) {
	conn, js := dialEngine(t, newEngine(t, testLayout()))
	r, h := partsOf(t, conn, js)
	var mu sync.Mutex
	var acted []string
	bad := map[string]int{"m-1-1": 2, "m-1-2": 1 << 30}
	h.act = func(_ context.Context, e *passfort.WebhookEvent) error {
		mu.Lock()
		defer mu.Unlock()
		if bad[e.ID]--; bad[e.ID] >= 0 {
			return fmt.Errorf("%w: it has no name", errMessage)
		}
		acted = append(acted, e.ID)
		return nil
	}
	for n := 1; n <= 3; n++ {
		events, err := passfort.ParseWebhook(http.Header{}, []byte(message{1, n}.json()), testSecret)
		require.NoError(t, err)
		require.NoError(t, r.store(t.Context(), &events[0]))
	}
	p := partition(profileName(1), int(r.partitions.Load()))
	consumer, err := js.Consumer(t.Context(), webhookStream, partitionConsumer(p, defaultLayout().Partitions))
	require.NoError(t, err)
	for h.handled.Load()+h.parked.Load() < 3 {
		// Tries are counted by the engine; a message at its last one is made by
		// giving the 19 before back at once.
		msg, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
		require.NoError(t, err)
		about, err := msg.Metadata()
		require.NoError(t, err)
		if about.Sequence.Stream == 2 && about.NumDelivered < parkAfter {
			require.NoError(t, msg.Nak())
			continue
		}
		h.handle(t.Context(), p, msg)
	}
	require.Equal(t, []string{"m-1-1", "m-1-3"}, acted)
	require.EqualValues(t, 2, h.failed.Load())
	require.EqualValues(t, 1, h.parked.Load())
	require.Equal(t, 1, waiting(t, js, parkedStream))
	require.Equal(t, 2, waiting(t, js, effectStream))
	eventually(t, 5*time.Second, "nothing waits", func() bool { return waiting(t, js, webhookStream) == 0 })
}

func TestRecheckDoesNotRunTwice(t *testing.T) {
	sim := passforttest.NewServer(passforttest.WithAPIKey(simulatorKey))
	t.Cleanup(sim.Close)
	_, js := dialEngine(t, newEngine(t, testLayout()))
	b := &bulk{js: js, effects: tableOf(t, js), client: sim.Client(), name: "x", ackWait: time.Second, log: quietLog()}
	profile, err := b.client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	runs := func() int { return sim.Count("Checks.Run") }
	do := func(job string) error {
		body, err := json.Marshal(work{job, kindRecheck, profile.ID})
		require.NoError(t, err)
		return b.work(t.Context(), body, 1)
	}
	require.NoError(t, do("one"))
	require.Equal(t, 1, runs())
	require.ErrorIs(t, do("one"), errAlreadyDone)
	require.Equal(t, 1, runs())
	require.NoError(t, do("two"), "another job checks again")
	require.Equal(t, 2, runs())

	// A worker that died after the check was run, before it was recorded.
	w := work{"three", kindRecheck, profile.ID}
	require.NoError(t, b.act(t.Context(), w))
	require.Equal(t, 3, runs())
	require.NoError(t, do("three"))
	require.Equal(t, 3, runs(), "the check that the dead worker ran is found")

	// One that died before it.
	before, err := b.checksOf(t.Context(), profile.ID)
	require.NoError(t, err)
	note, err := json.Marshal(before)
	require.NoError(t, err)
	require.NoError(t, b.effects.commit(t.Context(), work{"four", kindRecheck, profile.ID}.intent(), note))
	require.NoError(t, do("four"))
	require.Equal(t, 4, runs())
}

func TestBulkRecordsWhatIsRefused(t *testing.T) {
	sim := passforttest.NewServer(passforttest.WithAPIKey(simulatorKey))
	t.Cleanup(sim.Close)
	_, js := dialEngine(t, newEngine(t, testLayout()))
	b := &bulk{
		js: js, effects: tableOf(t, js), client: sim.Client(passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1})),
		name: "x", log: quietLog(),
	}
	gone := work{"job", kindResync, "a2c40000-0000-4000-8000-00000000dead"}
	body, err := json.Marshal(gone)
	require.NoError(t, err)
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway} {
		sim.Inject(passforttest.Fault{Status: status})
		require.Error(t, b.work(t.Context(), body, 1), "status %d is not about the profile", status)
	}
	require.NoError(t, b.work(t.Context(), body, 1))
	record, err := b.effects.find(t.Context(), gone.effect())
	require.NoError(t, err)
	var effect workEffect
	require.NoError(t, json.Unmarshal(record, &effect))
	require.Equal(t, http.StatusNotFound, effect.Status)
	require.EqualValues(t, 1, b.refused.Load())
}

func TestListingGoesForwardOnly(t *testing.T) {
	_, js := dialEngine(t, newEngine(t, testLayout()))
	save := func(offset int, done bool) {
		require.NoError(t, saveListing(t.Context(), js, listing{
			Job: "job", Offset: offset, Listed: offset, Done: done,
		}))
	}
	at := func() listing {
		p, err := progressOf(t.Context(), js, "job")
		require.NoError(t, err)
		return p.listing
	}
	save(0, false)
	save(400, false)
	save(200, false)
	require.Equal(t, 400, at().Offset, "a late worker does not set it back")
	save(600, true)
	save(400, false)
	save(600, false)
	require.True(t, at().Done)
	require.Equal(t, 600, at().Offset)
}

func TestListingWaitsWhenTheQueueIsFull(t *testing.T) {
	sim := passforttest.NewServer(passforttest.WithAPIKey(simulatorKey))
	t.Cleanup(sim.Close)
	_, js := dialEngine(t, newEngine(t, testLayout()))
	b := &bulk{js: js, effects: tableOf(t, js), client: sim.Client(), name: "x", queue: pageSize - 1, log: quietLog()}
	body, err := json.Marshal(listing{Job: "job", Kind: kindResync})
	require.NoError(t, err)
	require.ErrorIs(t, b.list(t.Context(), body), errQueueFull)
	require.Zero(t, sim.Count("Profiles.List"))
	b.queue = pageSize
	require.NoError(t, b.list(t.Context(), body))
}

func TestPartitionsAreEven(t *testing.T) {
	t.Parallel()
	const profiles, partitions = 16_000, 16
	count := make([]int, partitions)
	for n := range profiles {
		count[partition(fmt.Sprintf("%08x-0000-4000-8000-%012d", n*2654435761, n), partitions)]++
	}
	for _, n := range count {
		require.InDelta(t, profiles/partitions, n, profiles/partitions/5)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	require.Equal(t, profileName(1), token(profileName(1)))
	seen := map[string]bool{}
	for _, id := range []string{"", "a.b", "a b", "*", ">", "a\r\nb", strings.Repeat("x", 65), "é", "plain"} {
		got := token(id)
		require.NotEmpty(t, got)
		require.NotContains(t, got, ".")
		require.Regexp(t, `^[A-Za-z0-9_-]+$`, got)
		require.False(t, seen[got])
		seen[got] = true
	}
}

func TestBoard(t *testing.T) {
	t.Parallel()
	b := &board{workers: map[string]*row{}}
	at := time.Unix(1_700_000_000, 0)
	b.note(stats{Worker: "w1", Pid: 1, Received: 100, Handled: 50, Remaining: -1}, at)
	b.note(stats{Worker: "w2", Pid: 2, Remaining: 42}, at.Add(-10*time.Second))
	b.note(stats{Worker: "w3", Pid: 3}, at.Add(-2*time.Minute))
	b.note(stats{Worker: "w1", Pid: 1, Received: 300, Handled: 150, Duplicates: 7, LagMicros: 1500, Retries: 3,
		Limited: 2, Remaining: 9000, Memory: 20 << 20}, at.Add(2*time.Second))
	got := b.render(at.Add(2*time.Second), queued{webhooks: 5, bulk: 6, effects: 7, paused: true})
	require.Equal(t, strings.TrimLeft(`
waiting: 5 webhooks, 6 of bulk jobs (paused)   committed: 7 effects   parked: 0
  worker    in/s  dup  done/s  again    lag  bulk/s  retries  429  budget  MB
      w1     100    7      50      0  1.5ms       0        3    2    9000  20
      w2  silent                                                             
`, "\n"), got)
	require.Contains(t, b.render(at, queued{away: true}), "does not answer")
	b.note(stats{Worker: "w1", Pid: 99, Received: 1}, at.Add(3*time.Second))
	require.Contains(t, b.render(at.Add(3*time.Second), queued{}), "-    0",
		"a worker that was started again has no rate yet")
}

func TestFrontSpreadsAndLeavesOut(t *testing.T) {
	t.Parallel()
	f := &front{workers: map[string]string{}}
	h := f.handler()
	ask := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil))
		return w.Code
	}
	require.Equal(t, http.StatusBadGateway, ask("/webhooks"), "no worker is there")
	require.Equal(t, http.StatusNotFound, ask("/elsewhere"))
	count := map[string]int{}
	for _, name := range []string{"a", "b"} {
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { count[name]++ }))
		t.Cleanup(s.Close)
		f.set(name, strings.TrimPrefix(s.URL, "http://"))
	}
	for range 10 {
		require.Equal(t, http.StatusOK, ask("/webhooks"))
	}
	require.Equal(t, map[string]int{"a": 5, "b": 5}, count)
	f.set("a", "")
	require.Equal(t, http.StatusOK, ask("/webhooks"))
	require.Equal(t, 6, count["b"])
}

func TestUsage(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	for _, row := range []struct {
		name string
		args []string
		env  func(string) string
		code int
		says string
	}{
		{"nothing", nil, none, exitUsage, "usage: fleet"},
		{"unknown", []string{"dance"}, none, exitUsage, "usage: fleet"},
		{"help", []string{"top", "-help"}, none, exitOK, "-every"},
		{"bad flag", []string{"up", "-x"}, none, exitUsage, "not defined"},
		{"no workers", []string{"up", "-workers", "0"}, none, exitUsage, "at least 1"},
		{"too much", []string{"sim", "x"}, none, exitUsage, "too many"},
		{"bulk word", []string{"bulk", "stop"}, none, exitUsage, "say pause"},
		{"bulk kind", []string{"bulk", "-kind", "delete"}, none, exitUsage, "resync or recheck"},
		{"worker name", []string{"worker", "-name", "a.b"}, none, exitUsage, "-name is"},
		{"made-up profiles in a real account", []string{"bulk", "-profiles", "5"}, func(name string) string {
			return map[string]string{envKey: "k"}[name]
		}, exitUsage, "simulator alone"},
		{"every profile of a real account", []string{"bulk"}, func(name string) string {
			return map[string]string{envKey: "k"}[name]
		}, exitUsage, "give -yes"},
		{"setup without an engine", []string{"setup"}, func(name string) string {
			return map[string]string{envEngine: "nats://127.0.0.1:1"}[name]
		}, exitFailed, "connect"},
		{"a real account without a secret", []string{"up"}, func(name string) string {
			return map[string]string{envKey: "k"}[name]
		}, exitFailed, envSecret},
		{"no engine", []string{"top"}, func(name string) string {
			return map[string]string{envEngine: "nats://127.0.0.1:1"}[name]
		}, exitFailed, "no engine"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			require.Equal(t, row.code, run(t.Context(), row.args, strings.NewReader(""), &out, &errs, row.env))
			require.Contains(t, errs.String(), row.says)
		})
	}
}

// lines is a writer that notifies when it got a text.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestCommands goes through all commands as a user does.
func TestCommands(t *testing.T) {
	t.Setenv(asChild, "1")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	port := freePort(t)
	env := map[string]string{}
	getenv := func(name string) string { return env[name] }
	var out, errs lines
	ended := make(chan int, 1)
	simulator := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	go func() {
		ended <- run(ctx, []string{"up", "-workers", "2", "-nats-port", fmt.Sprint(port), "-listen", "127.0.0.1:0",
			"-sim", simulator}, strings.NewReader(""), &out, &errs, getenv)
	}()
	eventually(t, 30*time.Second, "the fleet is up", func() bool {
		return strings.Contains(out.String(), "Workers   2")
	})
	client := map[string]string{
		envEngine: fmt.Sprintf("nats://127.0.0.1:%d", port), envBase: "http://" + simulator + "/4.0",
	}
	call := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), args, strings.NewReader(""), &out, &errs, func(name string) string {
			return client[name]
		}), errs.String())
		return out.String()
	}
	require.Contains(t, call("check", "-n", "3"), "got the webhook")
	require.Contains(t, call("bulk", "-profiles", "250", "-job", "one"), "done 25")
	call("bulk", "pause")
	require.Contains(t, call("bulk", "-kind", "recheck", "-job", "two", "-detach"), "job two")
	require.Contains(t, call("top", "-n", "2"), "(paused)")
	call("bulk", "resume")
	require.Contains(t, call("bulk", "watch", "-job", "two"), "finished")
	require.Regexp(t, `w1 .*\n.*w2 `, call("top", "-n", "2"))
	stop()
	require.Equal(t, exitOK, <-ended)
	for _, text := range []string{out.String(), errs.String()} {
		require.NotContains(t, text, simulatorKey)
		require.NotContains(t, text, "Made")
	}
}
