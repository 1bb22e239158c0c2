package passfort_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// shelf is a list of profiles that a server pages over.
type shelf struct {
	mu     sync.Mutex
	ids    []string
	hidden map[string]bool
	most   int              // that fit on a page, 0: as many as asked for
	silent bool             // no count and limit in the answer
	stuck  bool             // always the first page
	extra  int              // that the count has too many
	wide   bool             // count and limit are numbers of more than 64 bits
	onPage func(offset int) // called before a page is made
}

func newShelf(n int) *shelf {
	s := &shelf{hidden: map[string]bool{}}
	for i := range n {
		s.ids = append(s.ids, fmt.Sprint("p", i))
	}
	return s
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := 50
	if given := r.URL.Query().Get("limit"); given != "" {
		limit, _ = strconv.Atoi(given)
	}
	if s.most > 0 {
		limit = min(limit, s.most)
	}
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	if s.stuck {
		offset = 0
	}
	if s.onPage != nil {
		s.onPage(offset)
	}
	page := s.ids[min(offset, len(s.ids)):min(offset+limit, len(s.ids))]
	results := []map[string]string{}
	for _, id := range page {
		if !s.hidden[id] {
			results = append(results, map[string]string{"id": id})
		}
	}
	answer := map[string]any{
		"count": len(s.ids) + s.extra, "limit": limit, "offset": offset, "results": results,
		"hidden": len(page) - len(results),
	}
	if s.wide {
		answer["count"], answer["limit"] = json.Number("99999999999999999999"), json.Number("99999999999999999999")
	}
	if s.silent {
		answer = map[string]any{"results": results}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func all(t *testing.T, c *passfort.Client, options *passfort.ProfileListOptions) []string {
	t.Helper()
	var ids []string
	for profile, err := range c.Profiles.All(t.Context(), options) {
		require.NoError(t, err)
		ids = append(ids, profile.ID)
	}
	return ids
}

func TestAllProfiles(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		shelf   *shelf
		options *passfort.ProfileListOptions
		want    []string
		pages   int
	}{
		{"none", newShelf(0), nil, nil, 1},
		{"less than a page", newShelf(3), nil, newShelf(3).ids, 1},
		{"exactly two pages", newShelf(400), nil, newShelf(400).ids, 2},
		{"a page size of one's own", newShelf(7), &passfort.ProfileListOptions{Limit: 3}, newShelf(7).ids, 3},
		{"from an offset", newShelf(7), &passfort.ProfileListOptions{Limit: 3, Offset: 5}, []string{"p5", "p6"}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, row.shelf.ServeHTTP)
			require.Equal(t, row.want, all(t, newClient(t, s), row.options))
			require.Len(t, s.seen(), row.pages)
		})
	}
}

func TestAllProfilesOfOddServers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		shape func(*shelf)
		want  []string
		pages int
	}{
		{"smaller pages than asked for", func(s *shelf) { s.most = 2 }, newShelf(7).ids, 4},
		{"no count", func(s *shelf) { s.silent = true }, newShelf(7).ids, 4},
		{"a count that has wrapped around", func(s *shelf) { s.extra = -10 }, newShelf(7).ids, 4},
		{"a count of 32 bits and more", func(s *shelf) { s.extra = math.MaxInt - 7 }, newShelf(7).ids, 4},
		{"a count and a limit of 64 bits and more", func(s *shelf) { s.wide = true }, newShelf(7).ids, 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			shelf := newShelf(7)
			row.shape(shelf)
			s := serve(t, shelf.ServeHTTP)
			require.Equal(t, row.want, all(t, newClient(t, s), &passfort.ProfileListOptions{Limit: 3}))
			require.Len(t, s.seen(), row.pages)
		})
	}
}

// A page that comes again is an error, and not the end of the list; an empty page
// that hides nothing is the end, whatever the count says.
func TestAllProfilesOfBrokenServers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		shape func(*shelf)
		pages int
		fails bool
	}{
		{"one page again and again, no count", func(s *shelf) { s.silent, s.stuck = true, true }, 2, true},
		{"one page again and again", func(s *shelf) { s.stuck = true }, 2, true},
		{"a count that is too large", func(s *shelf) { s.extra = 1_000_000 }, 4, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			shelf := newShelf(9)
			row.shape(shelf)
			s := serve(t, shelf.ServeHTTP)
			var ids []string
			var failure error
			for profile, err := range newClient(t, s).Profiles.All(t.Context(),
				&passfort.ProfileListOptions{Limit: 3}) {
				if failure = err; err == nil {
					ids = append(ids, profile.ID)
				}
			}
			require.Len(t, s.seen(), row.pages)
			if row.fails {
				require.EqualError(t, failure, "passfort: Profiles.List: GET /profiles: "+
					"the server returned the page before again: JSON of another shape than expected")
				var e *passfort.Error
				require.ErrorAs(t, failure, &e)
				require.Zero(t, e.Outcome, "it was sent")
				require.Equal(t, shelf.ids[:3], ids)
				return
			}
			require.NoError(t, failure)
			require.Equal(t, shelf.ids, ids)
		})
	}
}

// A loop may delete what it lists.
func TestAllProfilesWhileTheyAreDeleted(t *testing.T) {
	t.Parallel()
	shelf := newShelf(450)
	c := newClient(t, serve(t, shelf.ServeHTTP))
	seen := map[string]int{}
	for profile, err := range c.Profiles.All(t.Context(), nil) {
		require.NoError(t, err)
		seen[profile.ID]++
		shelf.mu.Lock()
		shelf.ids = slices.DeleteFunc(shelf.ids, func(id string) bool { return id == profile.ID })
		shelf.mu.Unlock()
	}
	require.Len(t, seen, 450)
	for id, times := range seen {
		require.Equal(t, 1, times, id)
	}
}

// Too many deletions at once to know what was missed.
func TestAllProfilesWhenManyAreDeleted(t *testing.T) {
	t.Parallel()
	shelf := newShelf(3000)
	c := newClient(t, serve(t, shelf.ServeHTTP))
	n := 0
	var failure error
	for _, err := range c.Profiles.All(t.Context(), nil) {
		failure = err
		if n++; n == 200 {
			shelf.mu.Lock()
			shelf.ids = shelf.ids[:1000]
			shelf.mu.Unlock()
		}
	}
	require.ErrorIs(t, failure, passfort.ErrPagesMoved)
	require.EqualError(t, failure, "passfort: Profiles.List: GET /profiles: profiles were deleted between two pages")
}

// A page that cannot be read ends every walk with the error that List returns.
func TestAllProfilesEndWithTheErrorOfAPage(t *testing.T) {
	t.Parallel()
	walks := map[string]func(context.Context, *passfort.Client, *passfort.ProfileListOptions) error{
		"All": func(ctx context.Context, c *passfort.Client, o *passfort.ProfileListOptions) error {
			for _, err := range c.Profiles.All(ctx, o) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Pages": func(ctx context.Context, c *passfort.Client, o *passfort.ProfileListOptions) error {
			for _, err := range c.Profiles.Pages(ctx, o) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"FindByCustomerRef": func(ctx context.Context, c *passfort.Client, _ *passfort.ProfileListOptions) error {
			_, err := c.Profiles.FindByCustomerRef(ctx, "C-1")
			return err
		},
	}
	for name, walk := range walks {
		for _, ahead := range []int{0, 4} {
			for status, is := range map[int]error{401: passfort.ErrUnauthorized, 403: passfort.ErrForbidden,
				404: passfort.ErrNotFound, 503: nil} {
				t.Run(fmt.Sprintf("%s, %d ahead, %d", name, ahead, status), func(t *testing.T) {
					t.Parallel()
					shelf := newShelf(600)
					s := serve(t, func(w http.ResponseWriter, r *http.Request) {
						if offset := r.URL.Query().Get("offset"); offset != "" && offset != "0" {
							w.WriteHeader(status)
							return
						}
						shelf.ServeHTTP(w, r)
					})
					c := newClient(t, s, passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))
					_, want := c.Profiles.List(t.Context(), &passfort.ProfileListOptions{Limit: 200, Offset: 200})
					require.Error(t, want)
					err := walk(t.Context(), c, &passfort.ProfileListOptions{Limit: 200, Ahead: ahead})
					require.EqualError(t, err, want.Error())
					var e *passfort.Error
					require.ErrorAs(t, err, &e)
					require.Equal(t, status, e.StatusCode)
					if is != nil {
						require.ErrorIs(t, err, is)
					}
				})
			}
		}
	}
}

// The options are those of the call, not of the loop.
func TestAllProfilesTakesItsOptionsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, newShelf(5).ServeHTTP)
	options := &passfort.ProfileListOptions{Limit: 2}
	profiles := newClient(t, s).Profiles.All(t.Context(), options)
	options.Limit = 5
	for _, err := range profiles {
		require.NoError(t, err)
	}
	require.Len(t, s.seen(), 3)
	require.Contains(t, s.seen()[0].URI, "limit=2")
}

func TestAllProfilesPassesOverHiddenOnes(t *testing.T) {
	t.Parallel()
	s := newShelf(9)
	for _, id := range []string{"p3", "p4", "p5"} { // a whole page
		s.hidden[id] = true
	}
	require.Equal(t, []string{"p0", "p1", "p2", "p6", "p7", "p8"},
		all(t, newClient(t, serve(t, s.ServeHTTP)), &passfort.ProfileListOptions{Limit: 3}))
}

// TestAllProfilesWhileOthersCome: a profile that is put in front moves one that
// was seen to the next page.
func TestAllProfilesWhileOthersCome(t *testing.T) {
	t.Parallel()
	s := newShelf(6)
	s.onPage = func(offset int) {
		if offset == 3 {
			s.ids = slices.Insert(s.ids, 0, "new")
		}
	}
	require.Equal(t, []string{"p0", "p1", "p2", "p3", "p4", "p5"},
		all(t, newClient(t, serve(t, s.ServeHTTP)), &passfort.ProfileListOptions{Limit: 3}))
}

func TestAllProfilesStops(t *testing.T) {
	t.Parallel()
	s := serve(t, newShelf(1000).ServeHTTP)
	c := newClient(t, s)
	options := &passfort.ProfileListOptions{Limit: 10}
	for profile, err := range c.Profiles.All(t.Context(), options) {
		require.NoError(t, err)
		if profile.ID == "p12" {
			break
		}
	}
	require.Len(t, s.seen(), 2, "no page is read ahead")
	require.Equal(t, &passfort.ProfileListOptions{Limit: 10}, options, "the options stay as they were")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs []error
	n := 0
	for _, err := range c.Profiles.All(ctx, options) {
		if n++; n == 10 {
			cancel()
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], context.Canceled)
}

func TestListProfiles(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t,
		respond(
			200, `{"count":3,"limit":50,"offset":0,"hidden":1,"results":[{"id":"a","risk":{}}],`+
				`"capabilities":{"a":["READ_PROFILE","NEW_ONE"]},"associated_results":[{"x":1}]}`,
		)))
	page, err := c.Profiles.List(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, 3, *page.Count)
	require.Equal(t, 1, *page.Hidden)
	require.Equal(t, "a", page.Results[0].ID)
	require.NotNil(t, page.Results[0].Risk)
	require.Equal(t, []passfort.Capability{"READ_PROFILE", "NEW_ONE"}, page.Capabilities["a"])
	require.JSONEq(t, `[{"x":1}]`, string(page.AssociatedResults))
}

// answerAfter serves pages from memory, each after a time by the clock of the bubble.
type answerAfter struct {
	pages       http.Handler
	takes       time.Duration
	now, most   atomic.Int64 // requests under way
	asked, gone atomic.Int64
}

func (a *answerAfter) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked.Add(1)
	now := a.now.Add(1)
	defer a.now.Add(-1)
	for most := a.most.Load(); now > most && !a.most.CompareAndSwap(most, now); most = a.most.Load() {
	}
	select {
	case <-time.After(a.takes):
	case <-r.Context().Done():
		a.gone.Add(1)
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	a.pages.ServeHTTP(w, r)
	return w.Result(), nil
}

// Four pages at once take less than a third of the time, in order, and no more than
// four are asked for.
func TestAllProfilesAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const page = 50 * time.Millisecond
		took := map[int]time.Duration{}
		for _, ahead := range []int{0, 1, 4} {
			server := &answerAfter{pages: newShelf(4000), takes: page}
			began := time.Now()
			got := all(t, clientOn(t, server), &passfort.ProfileListOptions{Ahead: ahead})
			took[ahead] = time.Since(began)
			require.Equal(t, newShelf(4000).ids, got)
			require.EqualValues(t, 20, server.asked.Load())
			require.EqualValues(t, max(1, ahead), server.most.Load())
		}
		require.Equal(t, 20*page, took[0])
		require.Equal(t, 20*page, took[1])
		require.LessOrEqual(t, 3*took[4], took[0], "at least three times as fast")
	})
}

// A loop that is left, or whose context ends, leaves nothing behind, and no page is
// held but those ahead.
func TestAllProfilesAheadStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &answerAfter{pages: newShelf(4000), takes: 50 * time.Millisecond}
		c := clientOn(t, server)
		n := 0
		began := time.Now()
		for _, err := range c.Profiles.All(t.Context(), &passfort.ProfileListOptions{Ahead: 4}) {
			require.NoError(t, err)
			if n++; n == 201 { // of the second page, with four more under way
				<-time.After(time.Millisecond) // of the bubble
				break
			}
		}
		require.Equal(t, 101*time.Millisecond, time.Since(began))
		require.Zero(t, server.now.Load())
		require.EqualValues(t, 6, server.asked.Load())

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var failure error
		n = 0
		for _, err := range c.Profiles.All(ctx, &passfort.ProfileListOptions{Ahead: 4}) {
			if failure = err; err == nil {
				if n++; n == 201 {
					cancel()
				}
			}
		}
		require.ErrorIs(t, failure, context.Canceled)
		require.Zero(t, server.now.Load())

		// A slow loop over the second page holds those ahead of it, and no more.
		for _, ahead := range []int{1, 4, 16} {
			server.asked.Store(0)
			n = 0
			for _, err := range c.Profiles.All(t.Context(), &passfort.ProfileListOptions{Ahead: ahead}) {
				require.NoError(t, err)
				if n++; n == 400 {
					<-time.After(time.Minute)
					require.EqualValues(t, 2+ahead, server.asked.Load())
					require.Zero(t, server.now.Load())
					break
				}
			}
		}
	})
}

// What All promises of odd servers and moving pages holds with pages ahead.
func TestAllProfilesAheadOfOddServers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		shape func(*shelf)
		fails bool
	}{
		{"as usual", func(*shelf) {}, false},
		{"smaller pages than asked for", func(s *shelf) { s.most = 2 }, false},
		{"no count", func(s *shelf) { s.silent = true }, false},
		{"a count that has wrapped around", func(s *shelf) { s.extra = -100 }, false},
		{"a count and a limit of 64 bits and more", func(s *shelf) { s.wide = true }, false},
		{"a count that is too large", func(s *shelf) { s.extra = 1_000_000 }, false},
		{"one page again and again", func(s *shelf) { s.stuck = true }, true},
		{"one that is deleted between each two pages", func(s *shelf) {
			s.onPage = func(int) {
				if len(s.ids) > 20 {
					s.ids = s.ids[1:]
				}
			}
		}, false},
		{"many that are deleted", func(s *shelf) {
			s.onPage = func(offset int) {
				if offset > 0 {
					s.ids = s.ids[:1]
				}
			}
		}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			shelf := newShelf(25)
			if row.name == "many that are deleted" {
				shelf = newShelf(1500)
			}
			want := slices.Clone(shelf.ids)
			row.shape(shelf)
			c := newClient(t, serve(t, shelf.ServeHTTP))
			seen := map[string]int{}
			var failure error
			var last passfort.Response
			for profile, err := range c.Profiles.All(t.Context(), &passfort.ProfileListOptions{Limit: 3, Ahead: 4},
				passfort.CaptureResponse(&last)) {
				if failure = err; err == nil {
					seen[profile.ID]++
				}
			}
			require.Equal(t, 200, last.StatusCode)
			if row.fails {
				require.Error(t, failure)
				return
			}
			require.NoError(t, failure)
			shelf.mu.Lock()
			defer shelf.mu.Unlock()
			for _, id := range shelf.ids {
				require.Equal(t, 1, seen[id], id)
			}
			require.LessOrEqual(t, len(seen), len(want))
		})
	}
	c := newClient(t, serve(t, newShelf(1).ServeHTTP))
	for _, ahead := range []int{-1, 17} {
		for _, err := range c.Profiles.All(t.Context(), &passfort.ProfileListOptions{Ahead: ahead}) {
			require.ErrorIs(t, err, passfort.ErrInvalidInput)
		}
	}
}

// A loop that deletes what it lists misses nothing of what was there, however many
// pages are ahead.
func TestAllProfilesAheadWhileTheyAreDeleted(t *testing.T) {
	t.Parallel()
	for ahead, n := range map[int]int{1: 450, 4: 450, 16: 5000} {
		shelf := newShelf(n)
		c := newClient(t, serve(t, shelf.ServeHTTP))
		seen := map[string]int{}
		options := passfort.ProfileListOptions{Limit: n / 25, Ahead: ahead}
		for profile, err := range c.Profiles.All(t.Context(), &options) {
			require.NoError(t, err)
			seen[profile.ID]++
			shelf.mu.Lock()
			shelf.ids = slices.DeleteFunc(shelf.ids, func(id string) bool { return id == profile.ID })
			shelf.mu.Unlock()
		}
		require.Len(t, seen, n)
	}
}
