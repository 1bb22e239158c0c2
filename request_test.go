package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestPages(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t, newShelf(450).ServeHTTP))
	var got []string
	for page, err := range c.Profiles.Pages(t.Context(), nil) {
		require.NoError(t, err)
		got = append(got, fmt.Sprint(passfort.Deref(page.Offset), "+", len(page.Results), " of ",
			passfort.Deref(page.Count)))
	}
	require.Equal(t, []string{"0+200 of 450", "200+200 of 450", "400+50 of 450"}, got)
	for page, err := range newClient(t, serve(t, respond(500, ""))).Profiles.Pages(t.Context(), nil) {
		require.Nil(t, page)
		require.Error(t, err)
	}
}

func TestFindByCustomerRef(t *testing.T) {
	t.Parallel()
	listed := func(id, ref string) string {
		return `{"id":"` + id + `","collected_data":{"entity_type":"COMPANY","customer_ref":"` + ref + `"}}`
	}
	page := func(profiles ...string) http.HandlerFunc {
		return respond(200, `{"count":`+strconv.Itoa(len(profiles))+`,"results":[`+strings.Join(profiles, ",")+`]}`)
	}
	bare := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/profiles"):
			page(`{"id":"p0"}`, `{"id":"p1"}`, `{"id":"p2"}`)(w, r)
		case strings.Contains(r.URL.Path, "/p0/"):
			respond(404, "")(w, r)
		default:
			respond(200, `{"entity_type":"COMPANY","customer_ref":"ours"}`)(w, r)
		}
	}
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
		sent   int
	}{
		{"first of two", page(listed("p0", "theirs"), listed("p1", "ours"), listed("p2", "ours")), "p1", 1},
		{"none", page(listed("p0", "OURS"), listed("p1", "")), "", 1},
		{"the list has no data", bare, "p1", 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, row.answer)
			profile, err := newClient(t, s).Profiles.FindByCustomerRef(t.Context(), "ours")
			require.Len(t, s.seen(), row.sent)
			require.Equal(t, "/base/4.0/profiles?limit=200", s.seen()[0].URI)
			if row.want == "" {
				require.ErrorIs(t, err, passfort.ErrNotFound)
				require.NotContains(t, err.Error(), "ours")
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, profile.ID)
		})
	}
	s := serve(t, respond(403, ""))
	_, err := newClient(t, s).Profiles.FindByCustomerRef(t.Context(), "ours")
	require.ErrorIs(t, err, passfort.ErrForbidden)
	_, err = newClient(t, s).Profiles.FindByCustomerRef(t.Context(), "")
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	require.Len(t, s.seen(), 1)
}

func TestEach(t *testing.T) {
	t.Parallel()
	errOdd := errors.New("odd")
	numbers := func(n int, err error) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			if err != nil {
				yield(0, err)
			}
		}
	}
	for _, row := range []struct {
		name   string
		values iter.Seq2[int, error]
		n      int
		fails  int // the value whose handling fails, -1: none
		most   int // values handled
		want   error
	}{
		{"none", numbers(0, nil), 3, -1, 0, nil},
		{"one at a time", numbers(10, nil), 1, -1, 10, nil},
		{"no number", numbers(10, nil), 0, -1, 10, nil},
		{"more workers than values", numbers(3, nil), 50, -1, 3, nil},
		{"the list fails", numbers(10, errOdd), 4, -1, 10, errOdd},
		{"a value fails", numbers(1000, nil), 4, 5, 20, errOdd},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var handled, now, most atomic.Int32
			err := passfort.Each(t.Context(), row.values, row.n, func(ctx context.Context, i int) error {
				require.NoError(t, ctx.Err(), "what is under way is finished")
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				handled.Add(1)
				if i == row.fails {
					return errOdd
				}
				return nil
			})
			require.ErrorIs(t, err, row.want)
			require.LessOrEqual(t, int(most.Load()), max(row.n, 1))
			if row.fails < 0 {
				require.EqualValues(t, row.most, handled.Load())
			}
			require.Less(t, handled.Load(), int32(1000), "no further value is taken")
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := passfort.Each(ctx, numbers(1000, nil), 2, func(context.Context, int) error {
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

// A walk over all profiles that is killed three times: each is handled once, the
// memory does not grow, and what a kill leaves is the JSON that was stored last.
func TestBulkWithKills(t *testing.T) {
	size := 3000
	if os.Getenv("PASSFORT_LONG") != "" {
		size = 100_000
	}
	shelf := newShelf(size)
	c := newClient(t, &server{Server: listen(t, shelf)}) // which remembers no requests
	handled := make(map[string]int, size)
	var (
		mu    sync.Mutex
		saved []byte
		peak  uint64
		stats runtime.MemStats
	)
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before := stats.HeapAlloc
	run := func(until int) error {
		place := new(passfort.Checkpoint)
		if saved != nil {
			require.NoError(t, json.Unmarshal(saved, place))
		}
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		profiles := c.Profiles.All(ctx, &passfort.ProfileListOptions{Checkpoint: place})
		return passfort.Each(ctx, profiles, 8, func(_ context.Context, profile *passfort.Profile) error {
			mu.Lock()
			defer mu.Unlock()
			if ctx.Err() != nil {
				return ctx.Err() // dead processes handle nothing
			}
			handled[profile.ID]++
			place.Add(profile)
			var err error
			if saved, err = json.Marshal(place); err != nil {
				return err
			}
			require.Equal(t, size, place.Total())
			if place.Done()%(size/10) == 0 {
				runtime.GC()
				runtime.ReadMemStats(&stats)
				peak = max(peak, stats.HeapAlloc)
			}
			if place.Done() == until {
				kill()
			}
			return nil
		})
	}
	for _, until := range []int{size / 7, size / 2, size - 5} {
		require.ErrorIs(t, run(until), context.Canceled)
	}
	require.NoError(t, run(-1))
	require.Len(t, handled, size)
	for id, times := range handled {
		require.Equal(t, 1, times, id)
	}
	require.LessOrEqual(t, int64(peak)-int64(before), int64(8<<20)+int64(size)*100,
		"beside what the test itself remembers")
	require.Less(t, len(saved), 64<<10)
	t.Logf("%d profiles, %d KB of heap at most, %d bytes of checkpoint", size, (int64(peak)-int64(before))>>10,
		len(saved))
}

// A list that moves while it is walked and between the kills.
func TestCheckpointFollowsTheList(t *testing.T) {
	t.Parallel()
	shelf := newShelf(1000)
	shelf.most = 50
	c := newClient(t, serve(t, shelf.ServeHTTP))
	handled := map[string]int{}
	place := new(passfort.Checkpoint)
	errKilled := errors.New("killed")
	run := func(n int) error {
		profiles := c.Profiles.All(t.Context(), &passfort.ProfileListOptions{Checkpoint: place})
		return passfort.Each(t.Context(), profiles, 1, func(_ context.Context, profile *passfort.Profile) error {
			handled[profile.ID]++
			place.Add(profile)
			if len(handled)%3 == 0 { // every third one is deleted by its handling
				shelf.mu.Lock()
				shelf.ids = slices.DeleteFunc(shelf.ids, func(id string) bool { return id == profile.ID })
				shelf.mu.Unlock()
			}
			if n--; n == 0 {
				return errKilled
			}
			return nil
		})
	}
	for i := 0; run(130) != nil; i++ {
		stored, err := json.Marshal(place)
		require.NoError(t, err)
		place = new(passfort.Checkpoint)
		require.NoError(t, json.Unmarshal(stored, place))
		shelf.mu.Lock()
		shelf.ids = slices.Insert(shelf.ids, 0, fmt.Sprint("new", i))          // which moves all others
		shelf.ids = slices.Delete(shelf.ids, len(shelf.ids)-1, len(shelf.ids)) // and one at the end goes
		shelf.mu.Unlock()
	}
	for id, times := range handled {
		require.Equal(t, 1, times, id)
	}
	for _, id := range shelf.ids {
		if !strings.HasPrefix(id, "new") {
			require.Contains(t, handled, id)
		}
	}
}

func TestCheckpointThatIsNotKept(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t, newShelf(20_000).ServeHTTP))
	var failure error
	n := 0
	for _, err := range c.Profiles.All(t.Context(),
		&passfort.ProfileListOptions{Checkpoint: new(passfort.Checkpoint)}) {
		failure = err
		n++
	}
	require.ErrorIs(t, failure, passfort.ErrInvalidInput)
	require.Equal(t, 10_001, n)
	for _, broken := range []string{`{"offset":-1}`, `{"done":-1}`, `{"count":-1}`, `{"handled":"AA=="}`, `[]`, `1`} {
		require.Error(t, json.Unmarshal([]byte(broken), new(passfort.Checkpoint)), broken)
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{"headline":"x","n":12345678901234567890}`))
	c := newClient(t, s)
	type news struct {
		Headline string      `json:"headline"`
		N        json.Number `json:"n"`
	}
	got, err := passfort.Do[news](t.Context(), c, passfort.Request{
		Method: "post",
		Path:   passfort.Path("profiles", "a/b ?#%", "news"),
		Query:  url.Values{"q": {"a b"}},
		Body:   map[string]int{"n": 1},
		Header: http.Header{"X-New": {"1"}},
		Route:  "/profiles/{profile_id}/news",
	})
	require.NoError(t, err)
	require.Equal(t, &news{"x", "12345678901234567890"}, got)
	require.Equal(t, "POST", s.seen()[0].Method)
	require.Equal(t, "/base/4.0/profiles/a%2Fb%20%3F%23%25/news?q=a+b", s.seen()[0].URI)
	require.Equal(t, `{"n":1}`, s.seen()[0].Body)
	require.Equal(t, "1", s.seen()[0].Header.Get("X-New"))
	require.Equal(t, testKey, s.seen()[0].Header.Get("apikey"))

	raw, err := passfort.Do[json.RawMessage](t.Context(), c, passfort.Request{Method: "GET", Path: "whoami"})
	require.NoError(t, err)
	require.JSONEq(t, `{"headline":"x","n":12345678901234567890}`, string(*raw))

	// JSON text is sent as it is, but for white space.
	text := json.RawMessage(`{"b":"<&>\u2028","a":12345678901234567890.10}`)
	_, err = passfort.Do[any](t.Context(), c, passfort.Request{Method: "POST", Path: "/x", Body: text})
	require.NoError(t, err)
	require.Equal(t, string(text), s.seen()[2].Body)

	profile, err := passfort.Do[passfort.Profile](t.Context(),
		newClient(t, serve(t, respond(200, `{"id":"x","new":1}`))), passfort.Request{Method: "GET", Path: "/p"})
	require.NoError(t, err)
	require.Equal(t, 1, profile.Unknown.Len())

	empty, err := passfort.Do[news](t.Context(), newClient(t, serve(t, respond(204, ``))), passfort.Request{
		Method: "DELETE", Path: "/p",
	})
	require.NoError(t, err)
	require.Equal(t, &news{}, empty)

	for _, row := range []struct {
		method string
		sent   int
	}{{"GET", 3}, {"HEAD", 3}, {"POST", 1}, {"DELETE", 1}, {"PUT", 1}} {
		s := serve(t, respond(503, ""))
		_, err := passfort.Do[news](t.Context(), newClient(t, s), passfort.Request{
			Method: row.method, Path: "/x/" + pid,
		})
		require.Error(t, err)
		require.NotContains(t, err.Error(), pid)
		require.ErrorContains(t, err, row.method+" (custom path)")
		require.Len(t, s.seen(), row.sent, row.method)
		_, err = passfort.Do[news](t.Context(), newClient(t, s), passfort.Request{
			Method: row.method, Path: "/x/" + pid, Route: "/x/{id}",
		})
		require.ErrorContains(t, err, row.method+" /x/{id}")
	}

	_, err = passfort.Do[news](t.Context(), newClient(t, serve(t, respond(200, `{"errors":[{"code":201}]}`))),
		passfort.Request{Method: "POST", Path: "/x"})
	require.ErrorIs(t, err, passfort.CodeInvalidInputData)
	_, err = passfort.Do[news](t.Context(), newClient(t, serve(t, respond(200, `[1]`))), passfort.Request{
		Method: "POST", Path: "/x",
	})
	require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
}

// TestDoRefusesOddMethods: a method is printed, so it cannot be anything else.
func TestDoRefusesOddMethods(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET\r\nX-Kim: 1", "kim@kim.example", "kim example", "K\u00c4M",
		strings.Repeat("kim", 11), "\x00kim"} {
		s := serve(t, respond(200, `{}`))
		var log bytes.Buffer
		c := newClient(t, s, passfort.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
			Level: slog.LevelDebug,
		}))))
		_, err := passfort.Do[json.RawMessage](t.Context(), c, passfort.Request{Method: method, Path: "/x"})
		require.ErrorIs(t, err, passfort.ErrInvalidInput, "%q", method)
		text := strings.ToLower(printed(t, err) + log.String())
		require.NotContains(t, text, "kim")
		require.NotContains(t, text, "k\u00e4m")
		require.Empty(t, s.seen())
	}
}

func TestHeaderNamesOfRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{}`))
	c := newClient(t, s)
	for i, token := range []string{"azAZ09!#$%&'*+-.^_`|~", "A-Z"} {
		_, err := passfort.Do[any](t.Context(), c, passfort.Request{
			Method: "GET", Path: "/x", Header: http.Header{token: {"\t ~\u00e9"}},
		})
		require.NoError(t, err)
		require.Len(t, s.seen(), 1+i)
	}
	for _, odd := range []string{"@", "[", "]", "{", "}", "/", ":", ";", "\"", "(", "\u00e9", "\x7f"} {
		_, err := passfort.Do[any](t.Context(), c, passfort.Request{
			Method: "GET", Path: "/x", Header: http.Header{"X" + odd: {"a"}},
		})
		require.ErrorIs(t, err, passfort.ErrInvalidInput, odd)
	}
	require.Len(t, s.seen(), 2)
}
