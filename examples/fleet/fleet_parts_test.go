package main

import (
	"bytes"
	"cmp"
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

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/fleet"
	"github.com/passfort-go/passfort/passforttest"
)

// startWorker runs a worker inside the test.
func startWorker(t *testing.T, name, engineURL, baseURL string) *worker {
	t.Helper()
	return startWorkerThat(t, workerConfig{Name: name, EngineURL: engineURL, BaseURL: baseURL})
}

// startWorkerThat runs a worker as configured.
func startWorkerThat(t *testing.T, cfg workerConfig) *worker {
	t.Helper()
	cfg.Listen, cfg.Prefix, cfg.Secret = "127.0.0.1:0", testPrefix, testSecret
	cfg.APIKey = cmp.Or(cfg.APIKey, simulatorKey)
	cfg.Items, cfg.Log = 1, quietLog()
	w, err := newWorker(t.Context(), cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return w
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
	var polls []int
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
		woken, polls = append(woken, answer.Woken), append(polls, answer.Polls)
	}
	slices.Sort(polls) // a busy machine may be late for some of them
	require.LessOrEqual(t, polls[len(polls)/2], 3, "a wait asks again when it is woken, not by its clock")
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

// post sends a body to a worker's endpoint and returns the status.
func post(t *testing.T, w *worker, body string) int {
	t.Helper()
	l := &lane{client: http.DefaultClient, url: "http://" + w.Addr() + "/webhooks"}
	return l.post(t.Context(), []byte(body))
}

func TestBoard(t *testing.T) {
	t.Parallel()
	b := &board{workers: map[string]*row{}}
	at := time.Unix(1_700_000_000, 0)
	b.note(stats{Worker: "w1", Pid: 1, Stats: fleet.Stats{Received: 100, Handled: 50}, Remaining: -1}, at)
	b.note(stats{Worker: "w2", Pid: 2, Remaining: 42}, at.Add(-10*time.Second))
	b.note(stats{Worker: "w3", Pid: 3}, at.Add(-2*time.Minute))
	b.note(stats{Worker: "w1", Pid: 1, Stats: fleet.Stats{
		Received: 300, Handled: 150, Duplicates: 7, Lag: 1500 * time.Microsecond,
	}, Retries: 3, Limited: 2, Remaining: 9000, Memory: 20 << 20}, at.Add(2*time.Second))
	got := b.render(at.Add(2*time.Second), &fleet.Queues{Webhooks: 5, Jobs: 6, Effects: 7, JobsPaused: true})
	require.Equal(t, strings.TrimLeft(`
waiting: 5 webhooks, 6 of bulk jobs (paused)   committed: 7 effects   parked: 0
  worker    in/s  dup  done/s  again    lag  bulk/s  retries  429  budget  MB
      w1     100    7      50      0  1.5ms       0        3    2    9000  20
      w2  silent                                                             
`, "\n"), got)
	require.Contains(t, b.render(at, nil), "does not answer")
	b.note(stats{Worker: "w1", Pid: 99, Stats: fleet.Stats{Received: 1}}, at.Add(3*time.Second))
	require.Contains(t, b.render(at.Add(3*time.Second), &fleet.Queues{}), "-    0",
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
		{"no read timeout", []string{"worker", "-read-timeout", "0s"}, none, exitUsage, "must be positive"},
		{"a role", []string{"permissions", "-role", "king"}, none, exitUsage, "-role is"},
		{"a time", []string{"setup", "-keep", "0"}, none, exitUsage, "nor forever"},
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

func TestTwoWaitsForOneCheck(t *testing.T) {
	sim := passforttest.NewServer(passforttest.WithAPIKey(simulatorKey))
	t.Cleanup(sim.Close)
	sim.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Never: true})
	w := startWorker(t, "a", newEngine(t, testLayout()), sim.URL())
	sim.SetWebhook("http://"+w.Addr()+"/webhooks", testSecret, false)
	profile, err := w.client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	check, err := w.client.Checks.Run(t.Context(), profile.ID, &passfort.CheckRequest{
		Type: recheckType, Mode: passfort.CheckModeAsync,
	})
	require.NoError(t, err)
	body, err := json.Marshal(checkRequest{ProfileID: profile.ID, CheckID: check.ID})
	require.NoError(t, err)
	var answers [2]checkAnswer
	ended := make(chan error, len(answers))
	for i := range answers {
		go func() { ended <- w.waitForCheck(t.Context(), body, &answers[i]) }()
	}
	eventually(t, 10*time.Second, "both wait", func() bool { return w.waits.count(check.ID) == 2 })
	require.NoError(t, sim.CompleteCheck(profile.ID, check.ID, passforttest.Outcome{Result: "2+2"}))
	for range answers {
		require.NoError(t, <-ended)
	}
	for _, answer := range answers {
		require.Equal(t, "a", answer.ReceivedAt, "both were woken")
	}
	require.Empty(t, w.waits.open)
}
