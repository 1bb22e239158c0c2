package fleet

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

const checkType = passfort.CheckTypeIdentityCheck

// account returns a simulated account with profiles.
func account(t *testing.T, profiles int) (*passforttest.Server, []string) {
	t.Helper()
	sim := passforttest.NewServer(passforttest.WithoutRateLimits())
	t.Cleanup(sim.Close)
	var ids []string
	for range profiles {
		p, err := sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		})
		require.NoError(t, err)
		ids = append(ids, p.ID)
	}
	return sim, ids
}

func TestJobRunsOverAllProfiles(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	sim, ids := account(t, 250)
	var mu sync.Mutex
	done := map[string]int{}
	work(t, f, WorkOptions{Client: sim.Client(), Items: 3, Jobs: map[string]Job{
		"touch": func(_ context.Context, item *Item) error {
			mu.Lock()
			defer mu.Unlock()
			if done[item.ProfileID]++; item.ProfileID == ids[0] {
				return &passfort.Error{StatusCode: http.StatusNotFound}
			}
			return nil
		},
	}})
	require.NoError(t, f.StartJob(t.Context(), "first", "touch"))
	status := func() JobStatus {
		s, err := f.Job(t.Context(), "first")
		require.NoError(t, err)
		return s
	}
	eventually(t, "it is finished", func() bool { return status().Finished })
	require.Equal(t, 250, status().Recorded)
	require.Equal(t, 250, status().Listed)
	require.EqualValues(t, 1, f.Stats().JobRefused)
	mu.Lock()
	require.Len(t, done, 250)
	for id, n := range done {
		require.Equal(t, 1, n, id)
	}
	mu.Unlock()
	require.NoError(t, f.StartJob(t.Context(), "first", "touch"), "the same job goes on: nothing is left of it")
	require.ErrorContains(t, f.StartJob(t.Context(), "first", "another"), "another kind")
	_, err := f.Job(t.Context(), "second")
	require.ErrorIs(t, err, ErrNoJob)
	require.NoError(t, f.PauseJobs(t.Context()))
	require.True(t, status().Paused)
	require.NoError(t, f.ResumeJobs(t.Context()))
	require.False(t, status().Paused)
}

func TestCheckDoesNotRunTwice(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	sim, ids := account(t, 1)
	w := newWorker(t, f, WorkOptions{Jobs: map[string]Job{"check": RunCheck(sim.Client(), checkType)}})
	runs := func() int { return sim.Count("Checks.Run") }
	do := func(job string) error {
		body, err := json.Marshal(task{job, "check", ids[0]})
		require.NoError(t, err)
		return w.do(t.Context(), body, 1)
	}
	require.NoError(t, do("one"))
	require.Equal(t, 1, runs())
	require.ErrorIs(t, do("one"), errAlreadyDone)
	require.Equal(t, 1, runs())
	require.NoError(t, do("two"), "another job checks again")
	require.Equal(t, 2, runs())

	// A process that died after the check was run, before it was recorded.
	require.NoError(t, w.Jobs["check"](t.Context(), &Item{Job: "three", ProfileID: ids[0], fleet: f}))
	require.Equal(t, 3, runs())
	require.NoError(t, do("three"))
	require.Equal(t, 3, runs(), "the check that the dead process ran is found")

	// One that died before it.
	checks, err := sim.Client().Checks.List(t.Context(), ids[0])
	require.NoError(t, err)
	var before []string
	for _, c := range checks {
		before = append(before, c.ID)
	}
	note, err := json.Marshal(before)
	require.NoError(t, err)
	item := &Item{Job: "four", ProfileID: ids[0], fleet: f}
	_, err = item.Note(t.Context(), note)
	require.NoError(t, err)
	require.NoError(t, do("four"))
	require.Equal(t, 4, runs())
	first, err := item.Note(t.Context(), []byte("later"))
	require.NoError(t, err)
	require.Equal(t, note, first)
}

func TestJobRecordsWhatIsRefused(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	status := http.StatusForbidden
	w := newWorker(t, f, WorkOptions{Jobs: map[string]Job{
		"x":      func(context.Context, *Item) error { return &passfort.Error{StatusCode: status} },
		"panics": func(context.Context, *Item) error { panic("x") },
	}})
	do := func(kind string) error {
		body, err := json.Marshal(task{"job", kind, "gone"})
		require.NoError(t, err)
		return w.do(t.Context(), body, 1)
	}
	for _, status = range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway} {
		require.Error(t, do("x"), "status %d is not about the profile", status)
	}
	require.Error(t, do("panics"))
	require.ErrorIs(t, do("unknown"), errUnknownKind)
	require.ErrorIs(t, w.do(t.Context(), []byte("x"), 1), errUnreadable)
	require.Zero(t, held(t, f, effectStream))
	status = http.StatusNotFound
	require.NoError(t, do("x"))
	body, err := f.effect(t.Context(), (&Item{Job: "job", ProfileID: "gone", fleet: f}).effect())
	require.NoError(t, err)
	var recorded outcome
	require.NoError(t, json.Unmarshal(body, &recorded))
	require.Equal(t, http.StatusNotFound, recorded.Status)
}

// A profile that is queued anew, when the engine has forgotten the first time, is not
// worked on again.
func TestARecordedProfileIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	ran := 0
	w := newWorker(t, f, WorkOptions{Jobs: map[string]Job{
		"x": func(context.Context, *Item) error { ran++; return nil },
	}})
	body, err := json.Marshal(task{"job", "x", "p"})
	require.NoError(t, err)
	require.NoError(t, w.do(t.Context(), body, 1))
	require.ErrorIs(t, w.do(t.Context(), body, 1), errAlreadyDone)
	require.Equal(t, 1, ran)
}

// What no listing wrote is dropped, and the log says so. A queue that is missing is
// logged too, but not at once: Repartition makes queues anew.
func TestWhatJobsCannotReadIsLogged(t *testing.T) {
	t.Parallel()
	log := &notes{}
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Name: "x", Log: log.logger()})
	apply(t, f, testLayout())
	for _, kind := range []string{"page", "item"} {
		_, err := f.js.Publish(t.Context(), f.names.subject("jobs", kind, "a"), []byte("x"))
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorker(t, f, WorkOptions{})
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { w.runPages(ctx) })
	running.Go(func() { w.runItems(ctx) })
	eventually(t, "both are dropped", func() bool {
		return strings.Contains(log.String(), "a page of a job was dropped") &&
			strings.Contains(log.String(), "a profile of a job was dropped") && held(t, f, jobStream) == 0
	})
	require.NotContains(t, log.String(), "a queue cannot be read")
	began := time.Now()
	require.NoError(t, f.js.DeleteConsumer(t.Context(), f.names.stream(jobStream), itemsConsumer))
	eventually(t, "the missing queue is logged", func() bool {
		return strings.Contains(log.String(), "a queue cannot be read")
	})
	require.Greater(t, time.Since(began), goneFor*time.Second/2)
}

func TestListingGoesForwardOnly(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	save := func(page, offset int, done bool) {
		_, err := f.saveListing(t.Context(), listing{Job: "job", Page: page, Offset: offset, Done: done})
		require.NoError(t, err)
	}
	at := func() listing {
		l, _, err := f.listing(t.Context(), "job")
		require.NoError(t, err)
		return l
	}
	save(0, 0, false)
	save(2, 398, false)
	save(1, 199, false)
	require.Equal(t, 2, at().Page, "a late process does not set it back")
	save(3, 373, false)
	require.Equal(t, 373, at().Offset, "a listing that read pages again gets on")
	save(4, 572, true)
	save(3, 373, false)
	save(4, 572, false)
	require.True(t, at().Done)
	require.Equal(t, 572, at().Offset)
}

func TestJobsInTheSmallestQueue(t *testing.T) {
	t.Parallel()
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Name: "x"})
	layout := testLayout()
	layout.JobQueue = leastQueue
	apply(t, f, layout)
	work(t, f, WorkOptions{Client: newRoll(500).client(t), Jobs: map[string]Job{
		"x": func(context.Context, *Item) error { return nil },
	}})
	jobs := []string{"one", "two"}
	for _, job := range jobs {
		require.NoError(t, f.StartJob(t.Context(), job, "x"))
	}
	for _, job := range jobs {
		eventually(t, "it is finished", func() bool {
			s, err := f.Job(t.Context(), job)
			return err == nil && s.Finished && s.Recorded == 500
		})
	}
}

func TestListingWaitsWhenTheQueueIsFull(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	sim, _ := account(t, 0)
	w := newWorker(t, f, WorkOptions{Client: sim.Client()})
	w.queue = pageSize - 1
	body, err := json.Marshal(listing{Job: "job", Kind: "x"})
	require.NoError(t, err)
	require.ErrorIs(t, w.list(t.Context(), body), errQueueFull)
	require.Zero(t, sim.Count("Profiles.List"))
	w.queue = pageSize
	require.NoError(t, w.list(t.Context(), body))
}
