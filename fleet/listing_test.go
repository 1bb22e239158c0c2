package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// roll is an account as the list of its profiles shows it.
type roll struct {
	ids       []string
	hidden    map[string]bool
	largest   int // page
	uncounted bool
	before    func(r *roll, offset int) // an answer
	made      int
	offsets   []int // that were asked for
}

func newRoll(profiles int) *roll {
	r := &roll{largest: pageSize, hidden: map[string]bool{}}
	r.create(0, profiles)
	return r
}

// create puts n new profiles at a place.
func (r *roll) create(at, n int) {
	var ids []string
	for range n {
		ids = append(ids, profileName(r.made))
		r.made++
	}
	r.ids = slices.Insert(r.ids, at, ids...)
}

// remove deletes up to n profiles from a place on, some of which may not be there.
func (r *roll) remove(at, n int) {
	at = max(0, min(at, len(r.ids)))
	r.ids = slices.Delete(r.ids, at, min(at+n, len(r.ids)))
}

func (r *roll) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	limit, _ := strconv.Atoi(req.URL.Query().Get("limit"))
	offset, _ := strconv.Atoi(req.URL.Query().Get("offset"))
	r.offsets = append(r.offsets, offset)
	if r.before != nil {
		r.before(r, offset)
	}
	limit = min(limit, r.largest)
	hidden, results := 0, []map[string]string{}
	for _, id := range r.ids[min(offset, len(r.ids)):min(offset+limit, len(r.ids))] {
		if r.hidden[id] {
			hidden++
			continue
		}
		results = append(results, map[string]string{"id": id})
	}
	page := map[string]any{"limit": limit, "offset": offset, "results": results, "hidden": hidden}
	if !r.uncounted {
		page["count"] = len(r.ids)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(page)
}

// client returns a client of an account that only has the roll.
func (r *roll) client(t *testing.T) *passfort.Client {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	client, err := passfort.New("key", passfort.WithBaseURL(server.URL))
	require.NoError(t, err)
	return client
}

// listAll lists a job as processes would that are killed at each page, and returns what
// it has in the queue and where the listing ended.
func listAll(t *testing.T, w *worker, job string, kill func(*worker, listing) error) ([]string, listing) {
	t.Helper()
	require.NoError(t, w.StartJob(t.Context(), job, "x"))
	var bodies [][]byte
	for {
		msg, err := w.last(t.Context(), jobStream, w.names.subject("jobs", "page", job))
		require.NoError(t, err)
		bodies = append(bodies, msg.Data)
		var at listing
		require.NoError(t, json.Unmarshal(msg.Data, &at))
		require.Equal(t, len(bodies), at.Page+1, "a page has one task")
		if kill != nil {
			require.NoError(t, kill(w, at))
		}
		require.NoError(t, w.list(t.Context(), msg.Data))
		now, _, err := w.listing(t.Context(), job)
		require.NoError(t, err)
		if now.Done {
			break
		}
		require.Less(t, len(bodies), 500, "it gets on")
	}
	require.NoError(t, w.list(t.Context(), bodies[len(bodies)/2]), "a process that was thought dead comes late")
	end, _, err := w.listing(t.Context(), job)
	require.NoError(t, err)
	require.True(t, end.Done)
	require.Empty(t, end.Last)
	stream, err := w.stream(t.Context(), jobStream)
	require.NoError(t, err)
	prefix := w.names.subject("jobs", "item", job) + "."
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(prefix+">"))
	require.NoError(t, err)
	var queued []string
	for subject, n := range info.State.Subjects {
		require.EqualValues(t, 1, n, "a profile is queued once")
		queued = append(queued, strings.TrimPrefix(subject, prefix))
	}
	return queued, end
}

// listWorker returns a worker that lists the roll. Nothing takes what it queues.
func listWorker(t *testing.T, f *Fleet, r *roll) *worker {
	t.Helper()
	return newWorker(t, f, WorkOptions{Client: r.client(t)})
}

// The kills of a process at a page: what it did before.
var killsAtAPage = []struct {
	name string
	kill func(*worker, listing) error
}{
	{"none", nil},
	{"the page is read", func(w *worker, at listing) error {
		_, _, err := w.pageAfter(context.Background(), &at)
		return err
	}},
	{"half of its profiles are queued", func(w *worker, at listing) error {
		page, _, err := w.pageAfter(context.Background(), &at)
		if err != nil {
			return err
		}
		return w.enqueueItems(context.Background(), at, page.Results[len(page.Results)/2:])
	}},
	{"the page is not acknowledged", func(w *worker, at listing) error {
		body, err := json.Marshal(at)
		if err != nil {
			return err
		}
		return w.list(context.Background(), body)
	}},
}

// A profile that exists from the beginning to the end is queued, whatever is created and
// deleted before each answer and wherever processes are killed.
func TestJobMissesNoProfileThatMoves(t *testing.T) {
	t.Parallel()
	const profiles, least = 700, 350
	for _, test := range []struct {
		name   string
		before func(r *roll, offset int)
	}{
		{"one is deleted at the front", func(r *roll, _ int) { r.remove(0, 1) }},
		{"25 are deleted at the front", func(r *roll, _ int) { r.remove(0, 25) }},
		{"a page is deleted at the front", func(r *roll, _ int) { r.remove(0, pageSize) }},
		{"the one before the page is deleted", func(r *roll, offset int) { r.remove(offset, 1) }},
		{"the page before is deleted", func(r *roll, offset int) { r.remove(offset-pageSize+1, pageSize) }},
		{"around the boundary some are deleted", func(r *roll, offset int) { r.remove(offset-3, 7) }},
		{"those before the page are deleted, others follow", func(r *roll, offset int) {
			r.remove(offset-20, 20)
			r.create(len(r.ids), 20)
		}},
		{"some are created at the front", func(r *roll, _ int) { r.create(0, 7) }},
		{"at the front some are created, more are deleted", func(r *roll, offset int) {
			r.remove(max(0, offset-30), 20)
			r.create(0, 7)
		}},
		{"at the boundary some are created", func(r *roll, offset int) { r.create(min(offset, len(r.ids)), 3) }},
		{"any", func() func(*roll, int) {
			random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
			return func(r *roll, _ int) {
				for range random.IntN(4) {
					r.remove(random.IntN(len(r.ids)), random.IntN(30))
					r.create(random.IntN(len(r.ids)), random.IntN(30))
				}
			}
		}()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := madeFleet(t)
			for i, k := range killsAtAPage {
				r := newRoll(profiles)
				first := slices.Clone(r.ids)
				r.before = func(r *roll, offset int) {
					if len(r.offsets) > 1 && len(r.ids) > least && r.made < 2*profiles {
						test.before(r, offset)
					}
				}
				queued, _ := listAll(t, listWorker(t, f, r), fmt.Sprint("job", i), k.kill)
				there := map[string]bool{}
				for _, id := range r.ids {
					there[id] = true
				}
				missing := slices.DeleteFunc(first, func(id string) bool { return !there[id] })
				require.NotEmpty(t, missing)
				missing = slices.DeleteFunc(missing, func(id string) bool { return slices.Contains(queued, id) })
				require.Empty(t, missing, "killed: %s; asked for %v", k.name, r.offsets)
			}
		})
	}
}

// Where nothing changes, or profiles are only created, no place is read twice but those
// that pages share.
func TestListingOfWhatDoesNotMove(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	for i, test := range []struct {
		name     string
		profiles int
		change   func(r *roll)
		offsets  []int
		listed   int
	}{
		{"none", 0, nil, []int{0}, 0},
		{"one page", pageSize, nil, []int{0}, pageSize},
		{"one more", pageSize + 1, nil, []int{0, 199}, pageSize + 1},
		{"three pages", 450, nil, []int{0, 199, 398}, 450},
		{"a server with smaller pages", 250, func(r *roll) { r.largest = 100 }, []int{0, 99, 198}, 250},
		{"no count", 200, func(r *roll) { r.uncounted = true }, []int{0, 199}, 200},
		{"no count, and a part of a page", 250, func(r *roll) { r.uncounted = true },
			[]int{0, 199, 398, 373, 323, 223}, 250},
		{"pages that are hidden", 900, func(r *roll) {
			for _, id := range r.ids[150:700] {
				r.hidden[id] = true
			}
		}, []int{0, 199, 398, 597, 796}, 350},
		{"all is hidden, not counted", 250, func(r *roll) {
			for _, id := range r.ids {
				r.hidden[id] = true
			}
			r.uncounted = true
		}, []int{0, 199, 398}, 0},
	} {
		r := newRoll(test.profiles)
		if test.change != nil {
			test.change(r)
		}
		w := listWorker(t, f, r)
		queued, end := listAll(t, w, fmt.Sprint("job", i), nil)
		require.Len(t, queued, test.listed, test.name)
		require.Equal(t, test.listed, end.Listed, test.name)
		require.Equal(t, test.offsets, r.offsets[:len(r.offsets)-1], "%s: the last is of the late process", test.name)
	}
}

// Hidden profiles do not show that others moved: the count does.
func TestJobMissesNoProfileBehindHiddenOnes(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	r := newRoll(700)
	for _, id := range r.ids[100:450] {
		r.hidden[id] = true
	}
	first := slices.Clone(r.ids[450:])
	r.before = func(r *roll, offset int) {
		if offset == 398 {
			r.remove(0, 60) // the first that are seen behind the hidden ones are on the page before now
		}
	}
	queued, _ := listAll(t, listWorker(t, f, r), "job", nil)
	for _, id := range first {
		require.Contains(t, queued, id)
	}
}

// A job that deletes its profiles before the next page leaves none, and reads the list
// again only from where its count says.
func TestJobDeletesWhatItLists(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	r := newRoll(1000)
	queued, _ := listAll(t, listWorker(t, f, r), "job", func(_ *worker, at listing) error {
		r.ids = slices.DeleteFunc(r.ids, func(id string) bool { return slices.Contains(at.Last, id) })
		return nil
	})
	require.Len(t, queued, 1000)
	require.Equal(t, []int{0, 199, 0, 199, 0, 199, 0, 199, 0}, r.offsets[:9])
}

// A list in another order each time has an end too, and the log names what that means.
func TestListThatKeepsNoOrder(t *testing.T) {
	t.Parallel()
	log := &notes{}
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Name: "x", Log: log.logger()})
	apply(t, f, testLayout())
	r := newRoll(1000)
	r.largest = 10                        // so that two pages seldom have a profile in common
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	r.before = func(r *roll, _ int) {
		random.Shuffle(len(r.ids), func(i, j int) { r.ids[i], r.ids[j] = r.ids[j], r.ids[i] })
	}
	_, end := listAll(t, listWorker(t, f, r), "job", nil)
	require.Greater(t, end.Listed, 1000)
	require.Contains(t, log.String(), `msg="a job may miss profiles" cause="the list keeps no order"`)
}

// Where a job moves what it changes to the end, the rest is found.
func TestListThatPutsWhatChangedLast(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	r := newRoll(1000)
	changed := map[string]bool{}
	queued, _ := listAll(t, listWorker(t, f, r), "job", func(_ *worker, at listing) error {
		for _, id := range at.Last {
			if i := slices.Index(r.ids, id); !changed[id] && i >= 0 {
				changed[id] = true
				r.ids = append(slices.Delete(r.ids, i, i+1), id)
			}
		}
		return nil
	})
	require.Len(t, queued, 1000)
}

// A page that an older version put into the queue goes on as it would have.
func TestPageOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	r := newRoll(450)
	w := listWorker(t, f, r)
	require.NoError(t, w.list(t.Context(), []byte(`{"job":"job","kind":"x","offset":200,"listed":200,"total":450}`)))
	now, _, err := f.listing(t.Context(), "job")
	require.NoError(t, err)
	require.Equal(t, 400, now.Listed)
	require.False(t, now.Done)
	require.Equal(t, []int{200}, r.offsets)
}

// Nor does one that runs beside this version stop a job: what it queues counts no pages.
func TestOlderVersionBesideThisOne(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	r := newRoll(1500)
	w := listWorker(t, f, r)
	require.NoError(t, w.StartJob(t.Context(), "job", "x"))
	for range 4 {
		msg, err := w.last(t.Context(), jobStream, w.names.subject("jobs", "page", "job"))
		require.NoError(t, err)
		require.NoError(t, w.list(t.Context(), msg.Data))
		next, err := w.last(t.Context(), jobStream, w.names.subject("jobs", "page", "job"))
		require.NoError(t, err)
		require.NotEqual(t, msg.Sequence, next.Sequence, "the next page is queued")
		var at listing
		require.NoError(t, json.Unmarshal(next.Data, &at))
		older := fmt.Appendf(nil, `{"job":"job","kind":"x","offset":%d,"listed":%d}`, at.Offset+pageSize, at.Listed)
		_, err = w.js.Publish(t.Context(), w.names.subject("jobs", "page", "job"), older)
		require.NoError(t, err)
	}
}
