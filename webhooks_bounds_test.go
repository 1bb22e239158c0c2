package passfort_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// strangers are deliveries of up to 15 MiB without the header and without the secret.
func strangers() map[string]func() io.Reader {
	const size = 15 << 20
	repeated := func(begin, part string) func() io.Reader {
		return func() io.Reader {
			return io.LimitReader(io.MultiReader(strings.NewReader(begin), &endlessText{part: part}), size)
		}
	}
	broken := func(begin, end string) func() io.Reader { // three times as long as Unicode
		return func() io.Reader {
			return strings.NewReader(begin + strings.Repeat("\xff", 1<<20-100) + end)
		}
	}
	return map[string]func() io.Reader{
		"empty messages":           repeated(`[`, `{},`),
		"messages":                 repeated(`[`, `{"event":"X","data":{"profile_id":"p"}},`),
		"messages around":          repeated(`{"batch":[`, `{"event":"X"},`),
		"a secret that comes late": repeated(`{"batch":[`, `{"event":"X"},`),
		"one text":                 repeated(`{"event":"`, `x`),
		"a text as the secret":     repeated(`{"secret":"`, `x`),
		"one name":                 repeated(`{"`, `x`),
		"many members":             func() io.Reader { return io.LimitReader(&members{}, size) },
		"the same member":          repeated(`{`, `"a":1,`),
		"levels":                   repeated(``, `[`),
		"levels of objects":        repeated(``, `{"a":`),
		"data that is large":       repeated(`{"event":"X","data":{"a":"`, `x`),
		"numbers":                  repeated(`[`, `0,`),
		"no JSON":                  repeated(``, `x`),
		"nothing":                  func() io.Reader { return strings.NewReader("") },
		"wrong secrets":            repeated(`[`, `{"event":"X","secret":"wrong"},`),
		"a right one in the data":  repeated(`{"data":{"secret":"s0"},"event":"`, `x`),
		"white space":              repeated(``, ` `),
		"a broken text as secret":  broken(`{"secret":"`, `"}`),
		"a broken name":            broken(`{"`, `":1}`),
		"a broken name, cut off":   broken(`{"`, `":1`+strings.Repeat(" ", 1<<20)),
		"a broken name in a list":  broken(`[{"`, `":1}]`),
	}
}

// endlessText repeats a part.
type endlessText struct {
	part string
	at   int
}

func (e *endlessText) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.part[e.at]
		e.at = (e.at + 1) % len(e.part)
	}
	return len(p), nil
}

// members is an object of ever new members.
type members struct {
	n    int
	left []byte
}

func (m *members) Read(p []byte) (int, error) {
	for len(m.left) < len(p) {
		if m.n == 0 {
			m.left = append(m.left, '{')
		}
		m.n++
		m.left = fmt.Appendf(m.left, `"%d":1,`, m.n)
	}
	n := copy(p, m.left)
	m.left = append(m.left[:0], m.left[n:]...)
	return n, nil
}

// peakHeap returns by how much what fn holds grew at most while it ran. It looks at
// what each collection found to be alive, and there is one whenever a tenth has been
// added: how far the collector lags behind, which is a matter of how busy the machine
// is, does not count.
func peakHeap(fn func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	before := liveHeap()
	done := make(chan struct{})
	go func() {
		fn()
		close(done)
	}()
	peak := before
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		peak = max(peak, liveHeap())
		select {
		case <-done:
			return peak - before
		case <-tick.C:
		}
	}
}

// liveHeap returns what the last collection found to be alive.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64()) //nolint:gosec // a heap
}

// What a stranger sends, of any shape and size, makes the process hold at most 8
// MiB, and is refused.
func TestStrangersHoldLittle(t *testing.T) {
	measuresMemory(t)
	for name, body := range strangers() {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t)
			h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { panic("a stranger's message") })
			var code int
			peak := peakHeap(func() {
				r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", body())
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				code = w.Code
			})
			require.Equal(t, http.StatusUnauthorized, code)
			require.LessOrEqual(t, peak, int64(8<<20))
			t.Logf("%d KiB", peak>>10)
		})
	}
}

// What is received with the right secret makes the process hold at most four times its
// text, though each name in it is another one, which are compared.
func TestDeliveriesHoldLittle(t *testing.T) {
	measuresMemory(t)
	const size = 15 << 20
	many := closed(io.MultiReader(strings.NewReader(`{"event":"X","data":`), &members{}), size)
	messages := strings.Repeat(`{"event":"X","data":{"profile_id":"p"}},`, 19_999)
	for name, row := range map[string]struct {
		body string
		code int
	}{
		"names":                 {many, http.StatusOK},
		"one of them twice":     {strings.Replace(many, `"data":{`, `"data":{"\u0039":1,`, 1), http.StatusBadRequest},
		"names and broken text": {strings.Replace(many, `"X"`, "\"\xff\"", 1), http.StatusOK},
		"messages": {`[` + messages + `{"event":"X","data":{"a":"` + strings.Repeat("\xff", size-len(messages)) +
			`"}}]`, http.StatusOK},
	} {
		for _, announced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/length announced %v", name, announced), func(t *testing.T) {
				h := newHandler(t, passfort.WithWebhookStore(forgetful{}))
				var code int
				peak := peakHeap(func() {
					r := delivery(context.Background(), row.body)
					if !announced {
						r.ContentLength = -1
					}
					code = send(h, r).Code
				})
				require.Equal(t, row.code, code)
				require.LessOrEqual(t, peak, int64(4*size))
				t.Logf("%d KiB", peak>>10)
			})
		}
	}
}

// The value of the data of a message may take up 128 MiB, however little text that is, and
// to look for what is new in it no more than its text.
func TestPayloadsHoldLittle(t *testing.T) {
	measuresMemory(t)
	const size = 15 << 20
	begin := `{"event":"COLLECTED_DATA_CHANGED","data":{"new_data":{"officers":{"directors":[`
	body := closed(io.MultiReader(strings.NewReader(begin), &endlessText{part: `{"data":{}},`}), size)
	reported := 0
	h := newHandler(t, passfort.WithWebhookStore(forgetful{}),
		passfort.WithWebhookDriftReporter(func(passfort.Drift) { reported++ }))
	peak := peakHeap(func() { require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), body)).Code) })
	require.LessOrEqual(t, peak, int64(4*size))
	require.NotZero(t, reported)
	t.Logf("%d KiB", peak>>10)

	made := func(begin string, rest io.Reader) string {
		return closed(io.MultiReader(strings.NewReader(begin), rest), size)
	}
	for _, row := range []struct {
		body    string
		payload func(*passfort.WebhookEvent) error
	}{
		{body, func(e *passfort.WebhookEvent) error { return failed(e.CollectedDataChange()) }},
		{made(`{"event":"EVENTS_CREATED","data":{"events":[`, &endlessText{part: `0,`}),
			func(e *passfort.WebhookEvent) error { return failed(e.EventsChanged()) }},
		{made(`{"event":"CUSTOMER_REQUEST_CHANGED","data":{"customer_request":`, &members{}),
			func(e *passfort.WebhookEvent) error { return failed(e.CustomerRequestChanged()) }},
	} {
		events, err := passfort.ParseWebhook(bearer("s0"), []byte(row.body), "s0")
		require.NoError(t, err)
		peak = peakHeap(func() { err = row.payload(&events[0]) })
		require.ErrorIs(t, err, passfort.ErrWebhookMalformed)
		require.LessOrEqual(t, peak, int64(160<<20))
		t.Logf("%s: %d KiB", events[0].Event, peak>>10)
	}
}

// forgetful is a store that keeps nothing.
type forgetful struct{}

func (forgetful) Seen(context.Context, string) (bool, error) { return false, nil }
func (forgetful) Commit(context.Context, string) error       { return nil }

// A hundred of them at once hold at most 64 MiB, and a delivery with the header is
// served beside them.
func TestManyStrangers(t *testing.T) {
	measuresMemory(t)
	h := newHandler(t)
	var handled log
	h.HandleAll(handled.handle)
	release := make(chan struct{})
	var wg sync.WaitGroup
	codes := make(chan int, 100)
	text := `{"event":"` + strings.Repeat("x", 900<<10)
	peak := peakHeap(func() {
		for range 100 {
			wg.Go(func() {
				body := io.MultiReader(strings.NewReader(text), stalled{release})
				r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", body)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				codes <- w.Code
			})
		}
		// Those that found no memory left are refused at once, the others stall.
		refused := 0
		for ; refused < 80; refused++ {
			require.Equal(t, http.StatusServiceUnavailable, <-codes)
		}
		require.Equal(t, http.StatusOK, send(h, delivery(context.Background(), batch("1"))).Code)
		close(release)
		wg.Wait()
	})
	require.LessOrEqual(t, peak, int64(64<<20))
	require.Len(t, handled.all(), 1)
	// Afterwards the secret in the body is enough again.
	r := delivery(context.Background(), `{"id":"2","event":"X","secret":"s0"}`)
	r.Header.Del("Authorization")
	require.Equal(t, http.StatusOK, send(h, r).Code)
}

// stalled sends nothing until it is released.
type stalled struct{ release chan struct{} }

func (s stalled) Read([]byte) (int, error) {
	<-s.release
	return 0, io.ErrUnexpectedEOF
}

// A delivery with the secret in its body may be as large as one with the header, if
// the secret comes within the first MiB.
func TestLargeDeliveryWithTheSecretInItsBody(t *testing.T) {
	t.Parallel()
	message := func(id int, secret string) string {
		return fmt.Sprintf(`{"id":"%d","event":"X"%s,"data":{"text":%q}}`, id, secret, strings.Repeat("x", 100<<10))
	}
	const signed = `,"secret":"s0"`
	list := func(secrets ...string) string {
		var all []string
		for i, secret := range secrets {
			all = append(all, message(i, secret))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	thirty := strings.Split(strings.Repeat(signed+"|", 29)+signed, "|")
	for _, row := range []struct {
		name, body string
		code       int
	}{
		{"every message signed", list(thirty...), 200},
		{"the last one not", list(append(thirty, "")...), 401},
		{"the last one wrongly", list(append(thirty, `,"secret":"no"`)...), 401},
		{"the secret around, first", `{"secret":"s0","batch":` + list(strings.Split(strings.Repeat("|", 29), "|")...) +
			`}`, 200},
		{"the secret around, last", `{"batch":` + list(strings.Split(strings.Repeat("|", 29), "|")...) +
			`,"secret":"s0"}`, 401},
		{"the secret around, last, within the limit", `{"batch":` + list("", "", "") + `,"secret":"s0"}`, 200},
		{"the secret after large data", `{"id":"1","event":"X","data":{"text":"` + strings.Repeat("x", 900<<10) +
			`"},"secret":"s0"}`, 200},
		{"the secret after too much data", `{"id":"1","event":"X","data":{"text":"` + strings.Repeat("x", 1100<<10) +
			`"},"secret":"s0"}`, 401},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(row.body))
			w := httptest.NewRecorder()
			newHandler(t).ServeHTTP(w, r)
			require.Equal(t, row.code, w.Code)
		})
	}
}

// A delivery has at most 20,000 messages.
func TestDeliveryOfTooManyMessages(t *testing.T) {
	t.Parallel()
	for n, code := range map[int]int{20_000: 200, 20_001: 400} {
		body := "[" + strings.Repeat(`{"id":"1","event":"X"},`, n-1) + `{"id":"1","event":"X"}]`
		require.Equal(t, code, send(newHandler(t), delivery(t.Context(), body)).Code, n)
	}
}

// After the first MiB of a delivery without the header more is read only if what came may
// belong to a delivery with the secret: behind it this body fails.
func TestRestOfABodyIsRead(t *testing.T) {
	t.Parallel()
	const first = 1 << 20
	filled := func(begin, end string) string { // up to the end of the first MiB
		return begin + strings.Repeat("x", first-len(begin)-len(end)) + end
	}
	const signed = `{"event":"X","secret":"s0"},`
	for name, row := range map[string]struct {
		body string
		code int
	}{
		"a message without it":        {filled(`[`+signed+`{"event":"X"},{"event":"`, ""), http.StatusUnauthorized},
		"a message with another one":  {filled(`[`+signed+`{"secret":"bad","event":"`, ""), http.StatusUnauthorized},
		"a message with a list":       {filled(`[`+signed+`{"event":"`, `","secret":["s0`), http.StatusUnauthorized},
		"none so far":                 {filled(`[{"event":"`, ""), http.StatusUnauthorized},
		"the last message is cut off": {filled(`[`+signed+`{"event":"`, ""), http.StatusBadRequest},
		"the secret is cut off":       {filled(`[`+signed+`{"event":"`, `","secret":"s`), http.StatusBadRequest},
		"its name is cut off":         {filled(`[`+signed+`{"event":"`, `","sec`), http.StatusBadRequest},
		"it may be around":            {filled(`{"l":[`+signed+`{"event":"X"},{"event":"`, ""), http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Len(t, row.body, first)
			body := io.MultiReader(strings.NewReader(row.body), iotest.ErrReader(errors.New("the rest is read")))
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
			w := httptest.NewRecorder()
			newHandler(t).ServeHTTP(w, r)
			require.Equal(t, row.code, w.Code)
		})
	}
}

// What is no batch after all, because there are several, is not held: of 55 lists of
// 20,000 messages no more than two.
func TestManyBatchesHoldLittle(t *testing.T) {
	measuresMemory(t)
	list := strings.Repeat(`{"event":"X"},`, 19_999) + `{"event":"X"}`
	var lists []string
	for i := range 55 {
		lists = append(lists, fmt.Sprintf(`"%d":[%s]`, i, list))
	}
	body := []byte("{" + strings.Join(lists, ",") + "}")
	var err error
	peak := peakHeap(func() { _, err = passfort.ParseWebhook(bearer("s0"), body, "s0") })
	require.ErrorIs(t, err, passfort.ErrWebhookMalformed)
	require.LessOrEqual(t, peak, int64(32<<20))
	t.Logf("%d KiB", peak>>10)
}

// A part of a message of over 64 KiB is in its data alone: to read it takes many times
// as much memory. What is not in the data is refused.
func TestLongPartsAreLeftOut(t *testing.T) {
	t.Parallel()
	quoted := func(n int) string { return `"` + strings.Repeat("1", n-2) + `"` }
	for name, row := range map[string]struct {
		body func(part string) string
		read func(passfort.WebhookEvent) string
	}{
		"profile": {func(part string) string { return `{"event":"X","data":{"profile_id":` + part + `}}` },
			func(e passfort.WebhookEvent) string { return e.ProfileID }},
		"reference": {func(part string) string { return `{"event":"X","data":{"customer_ref":` + part + `}}` },
			func(e passfort.WebhookEvent) string { return e.CustomerRef }},
		"key": {func(part string) string {
			return `{"event":"X","data":{"apikey":{"name":"` + part[len(`{"name":"}`):] + `}}}`
		},
			func(e passfort.WebhookEvent) string { return e.APIKeyName }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, empty := range map[int]bool{64 << 10: false, 64<<10 + 1: true} {
				body := row.body(quoted(n))
				events, err := passfort.ParseWebhook(bearer("s0"), []byte(body), "s0")
				require.NoError(t, err)
				require.Len(t, events, 1)
				require.Equal(t, empty, row.read(events[0]) == "", n)
				require.True(t, len(events[0].Data) == 0 || strings.Contains(body, string(events[0].Data)))
			}
		})
	}
	for n, expected := range map[int]error{64 << 10: nil, 64<<10 + 1: passfort.ErrWebhookMalformed} {
		for _, body := range []string{`{"event":` + quoted(n) + `}`, `[{"event":"X","id":` + quoted(n) + `}]`} {
			events, err := passfort.ParseWebhook(bearer("s0"), []byte(body), "s0")
			require.ErrorIs(t, err, expected)
			require.Len(t, events, map[bool]int{true: 1}[expected == nil])
		}
	}
}

// A message of one profile does not hide one of another with the same id, nor does
// an id that looks like a hash. Keys of 0.1 are recognised.
func TestKeysOfProfiles(t *testing.T) {
	t.Parallel()
	store := passfort.NewMemoryWebhookStore(100)
	require.NoError(t, store.Commit(t.Context(), "old"))
	h := newHandler(t, passfort.WithWebhookStore(store))
	var ids []string
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		ids = append(ids, e.ProfileID+" "+e.ID)
		return nil
	})
	message := func(profile, id string) string {
		return fmt.Sprintf(`{"id":%q,"event":"X","data":{"profile_id":%q}}`, id, profile)
	}
	hashed := passfort.WebhookEvent{Event: "X", ProfileID: "a", Data: []byte(`{"profile_id":"a"}`)}
	for _, body := range []string{
		message("a", "1"), message("b", "1"), message("a", "1"), message("a", "old"), message("", hashed.Key()),
		message("a", ""),
	} {
		require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), body)).Code)
	}
	require.Equal(t, []string{"a 1", "b 1", " " + hashed.Key(), "a "}, ids)
}

func TestSecretsThatCannotBeReceived(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]string{
		"one character": "x", "a line end": "secret\n", "a line end inside": "sec\r\nret", "space around": " secret",
		"pound":   "secret£",
		"Latin-1": "secret\xa3", "a control character": "sec\x01ret", "empty": "", "blank": "  ", "a tab": "sec\tret",
		"delete": "sec\x7fret",
	} {
		_, err := passfort.NewWebhookHandler([]string{"fine-secret", secret})
		require.Error(t, err, name)
		_, err = passfort.ParseWebhook(http.Header{}, []byte(`{}`), secret)
		require.ErrorIs(t, err, passfort.ErrWebhookUnauthorized, name)
	}
	h := newHandler(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
		text := fmt.Sprintf(verb, h)
		require.NotContains(t, text, "s0")
		require.NotRegexp(t, `(0x[0-9a-f]{1,2}, ){8}`, text, "a hash")
	}
}

// What a body may have as a secret is long enough for any secret, all of it escaped.
func TestLongSecretInABody(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 3000)
	body := `{"event":"X","secret":"` + strings.Repeat(`\u0073`, 3000)
	for end, expected := range map[string]error{`"}`: nil, `s"}`: passfort.ErrWebhookUnauthorized} {
		_, err := passfort.ParseWebhook(http.Header{}, []byte(body+end), "s0", secret)
		require.ErrorIs(t, err, expected, end)
	}
}

// An observer or a drift reporter that panics changes no answer.
func TestObserversThatPanic(t *testing.T) {
	t.Parallel()
	h := newHandler(t, passfort.WithWebhookObserver(func(passfort.WebhookResult) { panic("metrics") }),
		passfort.WithWebhookDriftReporter(func(passfort.Drift) { panic("drift") }))
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1"))).Code)
	require.Equal(t, http.StatusUnauthorized, send(h, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/",
		bytes.NewReader(nil))).Code)
}

// An inbox holds no more than its part of what a delivery names.
func TestInboxIsBoundedByBytes(t *testing.T) {
	measuresMemory(t)
	inbox := passfort.NewCheckInbox()
	long := strings.Repeat("x", 1<<20)
	peak := peakHeap(func() {
		for i := range 40 {
			inbox.Completed(fmt.Sprint(i, long))
			inbox.RequestChanged(fmt.Sprint(i, long), fmt.Sprint(i, long), passfort.CustomerRequestStateCompleted)
		}
	})
	require.Less(t, peak, int64(48<<20), "of 120 MiB")
}

// TestWebhookConcurrency: 100 messages of 10 profiles, 10 at a time, each profile
// in its order; a failure keeps the delivery from being acknowledged.
func TestWebhookConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, passfort.WithWebhookConcurrency(10))
		var mu sync.Mutex
		last, failing := map[string]int64{}, ""
		h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
			<-time.After(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if e.ProfileID == failing {
				return errors.New("no")
			}
			order := e.Timestamp.Unix()
			require.Greater(t, order, last[e.ProfileID], "the order of %s", e.ProfileID)
			last[e.ProfileID] = order
			return nil
		})
		hundred := func(run int) string {
			var all []string
			for n := range 100 {
				all = append(
					all, fmt.Sprintf(
						`{"id":"m%d-%d","event":"PROFILE_CREATED","timestamp":%d,"data":{"profile_id":"p%d"}}`, run, n,
						1000*run+n+1, n%10,
					),
				)
			}
			return "[" + strings.Join(all, ",") + "]"
		}
		began := time.Now()
		require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), hundred(1))).Code)
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		failing = "p3"
		require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), hundred(2))).Code)
		failing = ""
		require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), hundred(2))).Code)
		require.Len(t, last, 10)
		for _, order := range last {
			require.Greater(t, order, int64(2090))
		}
	})
}
