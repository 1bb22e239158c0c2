//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/fleet"
	"github.com/passfort-go/passfort/passforttest"
)

// nowhere is an API that a test does not use.
const nowhere = "http://127.0.0.1:1/4.0"

func TestNothingLostNothingTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts and kills processes for many seconds")
	}
	total, killEvery := pick(3_000, 50_000), pick(1500*time.Millisecond, 5*time.Second)
	f := newFleet(t, newEngine(t, testLayout()), nowhere, 3)
	lanes := newLanes(f.url(), 4, total, 300)
	for _, l := range lanes {
		l.repeats, l.pace = true, pick(8*time.Second, time.Minute)*4/time.Duration(total)
	}
	stop := f.killing(killEvery, "w1", "w2", "w3")
	// One worker stands still for longer than its messages are left with it, and
	// goes on with them when others have taken over.
	stalled := time.AfterFunc(killEvery*3/2, func() {
		c := f.worker("w2")
		if c != nil && c.cmd.Process.Signal(syscall.SIGSTOP) == nil {
			time.AfterFunc(3*time.Second, func() { _ = c.cmd.Process.Signal(syscall.SIGCONT) })
		}
	})
	defer stalled.Stop()
	began := time.Now()
	drive(t.Context(), lanes)
	took := time.Since(began)
	kills := stop()
	eventually(t, time.Minute, "everything is handled", func() bool { return waiting(t, f.js, webhookStream) == 0 })
	tried, effects := requireEffects(t, f.js, lanes)
	deliveries := 0
	for _, l := range lanes {
		deliveries += l.deliveries
	}
	require.Equal(t, total, effects)
	require.GreaterOrEqual(t, kills, 3)
	require.Greater(t, deliveries, total)
	require.Zero(t, waiting(t, f.js, parkedStream))
	t.Logf("%d messages in %d acknowledged deliveries within %s, %d workers killed: %d effects, %d of them by a "+
		"second worker",
		total, deliveries, took.Round(time.Second), kills, effects, tried)
}

func TestEngineDown(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts and kills processes for many seconds")
	}
	down := pick(3*time.Second, 20*time.Second)
	dir, port := t.TempDir(), freePort(t)
	engine := startEngineProcess(t, dir, port, alwaysSync)
	require.NoError(t, prepare(t.Context(), engine.said, testPrefix, testLayout(), io.Discard, quietLog()))
	f := newFleet(t, engine.said, nowhere, 3)
	lanes := newLanes(f.url(), 4, pick(1_500, 10_000), 100)
	var mu sync.Mutex
	died, phase, answers := time.Time{}, "before", map[string]map[int]int{"before": {}, "down": {}, "after": {}}
	enough := make(chan struct{})
	reached := sync.OnceFunc(func() { close(enough) })
	for _, l := range lanes {
		l.repeats, l.pace = true, pick(down+3*time.Second, down+20*time.Second)*4/time.Duration(pick(1_500, 10_000))
		l.answered = func(sent time.Time, status int) {
			mu.Lock()
			defer mu.Unlock()
			if sent.Before(died) {
				return // it was on its way when the engine died
			}
			answers[phase][status]++
			if phase == "before" && answers[phase][http.StatusOK] == 5 {
				reached()
			}
		}
	}
	enter := func(next string) {
		mu.Lock()
		defer mu.Unlock()
		if phase = next; phase == "down" {
			died = time.Now()
		}
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		drive(t.Context(), lanes)
	}()
	<-enough
	require.NoError(t, engine.cmd.Process.Kill())
	_ = engine.cmd.Wait()
	enter("down")
	<-time.After(down)
	enter("after")
	startEngineProcess(t, dir, port, alwaysSync)
	<-finished
	eventually(t, time.Minute, "everything is handled", func() bool { return waiting(t, f.js, webhookStream) == 0 })
	_, effects := requireEffects(t, f.js, lanes)
	mu.Lock()
	defer mu.Unlock()
	require.Zero(t, answers["down"][http.StatusOK], "acknowledged without an engine")
	require.NotEmpty(t, answers["down"])
	t.Logf("engine killed and away for %s: answers by status then %v, afterwards %v; %d effects", down, answers["down"],
		answers["after"], effects)
}

// writes counts, for each profile, the replacements of collected data that the
// simulator carried out.
type writes struct {
	next http.Handler

	mu    sync.Mutex
	count map[string]int
	other int // refused ones
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (c *writes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, found := strings.CutSuffix(r.URL.Path, "/collected_data")
	if r.Method != http.MethodPost || !found {
		c.next.ServeHTTP(w, r)
		return
	}
	seen := &statusWriter{ResponseWriter: w}
	c.next.ServeHTTP(seen, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen.status == http.StatusOK {
		c.count[path]++
	} else {
		c.other++
	}
}

// newAccount returns a simulator with profiles, and a count of writes.
func newAccount(t *testing.T, profiles int) (*passforttest.Server, *writes, string) {
	t.Helper()
	sim := newSimulator(0)
	t.Cleanup(sim.Close)
	for range profiles {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/4.0/profiles", strings.NewReader(
			`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL",`+
				`"personal_details":{"name":{"given_names":["Made"],"family_name":"Up"}},`+
				`"custom_fields_data":{"kept":1}}}`))
		req.Header.Set("apikey", simulatorKey)
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, req)
		require.Equal(t, http.StatusOK, w.Code)
	}
	count := &writes{next: sim, count: map[string]int{}}
	srv := httptest.NewServer(count)
	t.Cleanup(srv.Close)
	return sim, count, srv.URL + "/4.0"
}

func TestBulkWithKills(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts and kills processes for many seconds")
	}
	profiles, killEvery := pick(1_200, 100_000), pick(time.Second, 5*time.Second)
	_, count, base := newAccount(t, profiles)
	f := newFleet(t, newEngine(t, testLayout()), base, 3)

	// The third worker is spared, so that its memory can be watched.
	var mu sync.Mutex
	var memory []int64
	again := int64(0)
	sub, err := f.conn.Subscribe(f.fleet.Subject("stats", "*"), func(msg *nats.Msg) {
		var s stats
		if json.Unmarshal(msg.Data, &s) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		again = max(again, s.JobAgain)
		if s.Worker == "w3" && s.JobDone > 0 {
			memory = append(memory, s.Memory)
		}
	})
	require.NoError(t, err)
	defer func() { _ = sub.Unsubscribe() }()

	stop := f.killing(killEvery, "w1", "w2")
	began := time.Now()
	require.NoError(t, f.fleet.StartJob(t.Context(), "job", kindResync))
	now := func() (p fleet.JobStatus) {
		for range 5 { // the machine may be too busy to answer
			if p, err = f.fleet.Job(t.Context(), "job"); err == nil {
				return p
			}
		}
		require.NoError(t, err)
		return p
	}
	for now().Recorded <= profiles/10 {
		require.Less(t, time.Since(began), 3*time.Minute)
		rest(t.Context(), 20*time.Millisecond) // so soon after a tenth that most is left
	}
	require.NoError(t, f.fleet.PauseJobs(t.Context()))
	require.True(t, now().Paused)
	// What was in hand is finished, or given to another worker, and then nothing is done.
	eventually(t, time.Minute, "a second without work", func() bool {
		before := now().Recorded
		rest(t.Context(), time.Second)
		return now().Recorded == before
	})
	require.Less(t, now().Recorded, profiles, "work was done while the job was paused")
	require.NoError(t, f.fleet.ResumeJobs(t.Context()))
	eventually(t, pick(time.Minute, 20*time.Minute), "the job is finished", func() bool { return now().Finished })
	took := time.Since(began)
	kills := stop()

	require.Equal(t, profiles, now().Recorded)
	require.Equal(t, profiles, now().Listed)
	count.mu.Lock()
	defer count.mu.Unlock()
	require.Len(t, count.count, profiles)
	for path, n := range count.count {
		require.Equal(t, 1, n, "written more than once: %s", path)
	}
	require.GreaterOrEqual(t, kills, pick(1, 10))
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, memory)
	early, late := memory[len(memory)/5], memory[len(memory)-1]
	require.Less(t, late, early+64<<20, "the memory of a worker grows with the profiles")
	t.Logf("%d profiles in %s, paused once, %d workers killed: each written once, %d writes refused; a worker's "+
		"memory went from %d to %d MB",
		profiles, took.Round(time.Second), kills, count.other, early>>20, late>>20)
}

func TestScaling(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts and kills processes for many seconds")
	}
	total := pick(1_000, 20_000)
	for _, sync := range pick([]string{alwaysSync}, []string{alwaysSync, lazySync}) {
		for _, workers := range []int{1, 2, 3} {
			engine := startEngineProcess(t, t.TempDir(), freePort(t), sync)
			require.NoError(t, prepare(t.Context(), engine.said, testPrefix, fleet.Layout{}, io.Discard, quietLog()))
			f := newFleet(t, engine.said, nowhere, workers)
			used := func() (d time.Duration) {
				for i := range workers {
					d += cpuTime(t, f.worker(fmt.Sprintf("w%d", i+1)).cmd.Process.Pid)
				}
				return d
			}
			lanes := newLanes(f.url(), 6, total, 2_000)
			usedBefore, brokerBefore := used(), cpuTime(t, engine.cmd.Process.Pid)
			began := time.Now()
			drive(t.Context(), lanes)
			stored := time.Since(began)
			eventually(t, time.Minute, "everything is handled", func() bool {
				return waiting(t, f.js, webhookStream) == 0
			})
			took := time.Since(began)
			each := func(d time.Duration) time.Duration { return (d / time.Duration(total)).Round(time.Microsecond) }
			t.Logf("sync %s, %d workers: %.0f messages/s stored, %.0f/s stored and handled; processor time per "+
				"message: workers %s, engine %s",
				sync, workers, float64(total)/stored.Seconds(), float64(total)/took.Seconds(),
				each(used()-usedBefore), each(cpuTime(t, engine.cmd.Process.Pid)-brokerBefore))
			requireEffects(t, f.js, lanes)
			f.end()
		}
	}
}
