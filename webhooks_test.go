package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func bearer(secret string) http.Header {
	return http.Header{"Authorization": {"Bearer " + secret}}
}

// delivery returns a request with the header of the secret "s".
func delivery(ctx context.Context, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header = bearer("s")
	return r
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newHandler(t testing.TB, opts ...passfort.WebhookOption) *passfort.WebhookHandler {
	t.Helper()
	h, err := passfort.NewWebhookHandler([]string{"s"}, opts...)
	require.NoError(t, err)
	return h
}

// batch returns messages with these ids.
func batch(ids ...string) string {
	var messages []string
	for _, id := range ids {
		messages = append(messages, `{"id":"`+id+`","event":"TASK_CREATED","data":{"profile_id":"`+id+`"}}`)
	}
	return "[" + strings.Join(messages, ",") + "]"
}

// log collects what handlers saw.
type log struct {
	mu      sync.Mutex
	entries []string
}

func (l *log) add(entry string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry)
}

func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

func (l *log) handle(_ context.Context, e *passfort.WebhookEvent) error {
	l.add(e.ID)
	return nil
}

func TestNewWebhookHandlerErrors(t *testing.T) {
	t.Parallel()
	park := func(context.Context, *passfort.WebhookEvent, error) error { return nil }
	tests := []struct {
		name    string
		secrets []string
		opts    []passfort.WebhookOption
	}{
		{"no secret", nil, nil},
		{"empty secret", []string{"a", ""}, nil},
		{"secret of space", []string{" \t"}, nil},
		{"nil store", []string{"a"}, []passfort.WebhookOption{passfort.WithWebhookStore(nil)}},
		{"no body allowed", []string{"a"}, []passfort.WebhookOption{passfort.WithWebhookBodyLimit(0)}},
		{"no time", []string{"a"}, []passfort.WebhookOption{passfort.WithHandlerTimeout(0)}},
		{"nil park hook", []string{"a"}, []passfort.WebhookOption{passfort.WithPark(1, park), passfort.WithPark(3, nil)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := passfort.NewWebhookHandler(tt.secrets, tt.opts...)
			require.Error(t, err)
		})
	}
}

// authCases are deliveries by header and body secret; "old" and "new" are configured.
var authCases = []struct {
	name    string
	header  http.Header
	body    string
	allowed bool
}{
	{"header", bearer("new"), `{"event":"X"}`, true},
	{"header with the other secret", bearer("old"), `{"event":"X"}`, true},
	{"header and body", bearer("new"), `{"event":"X","secret":"new"}`, true},
	{"header and body during rotation", bearer("new"), `{"event":"X","secret":"old"}`, true},
	{"body only", http.Header{}, `{"event":"X","secret":"old"}`, true},
	{"body only, batch", http.Header{}, `[{"event":"X","secret":"old"},{"event":"X","id":"2","secret":"new"}]`, true},
	{"scheme in another case", http.Header{"Authorization": {"bearer new"}}, `{"event":"X"}`, true},
	{"header name in another case", http.Header{"authorization": {"Bearer new"}}, `{"event":"X"}`, true},
	{"empty body secret with header", bearer("new"), `{"event":"X","secret":""}`, true},
	{"nothing", http.Header{}, `{"event":"X"}`, false},
	{"empty body secret", http.Header{}, `{"event":"X","secret":""}`, false},
	{"null body secret", http.Header{}, `{"event":"X","secret":null}`, false},
	{"wrong header", bearer("bad"), `{"event":"X"}`, false},
	{"wrong header, right body", bearer("bad"), `{"event":"X","secret":"new"}`, false},
	{"wrong header name in another case, right body", http.Header{"authorization": {"Bearer bad"}}, `{"event":"X","secret":"new"}`, false},
	{"empty header, right body", http.Header{"Authorization": {""}}, `{"event":"X","secret":"new"}`, false},
	{"empty bearer", http.Header{"Authorization": {"Bearer "}}, `{"event":"X","secret":"new"}`, false},
	{"no scheme", http.Header{"Authorization": {"new"}}, `{"event":"X"}`, false},
	{"another scheme", http.Header{"Authorization": {"Basic new"}}, `{"event":"X"}`, false},
	{"two headers", http.Header{"Authorization": {"Bearer new", "Bearer new"}}, `{"event":"X"}`, false},
	{"prefix of the secret", bearer("ne"), `{"event":"X"}`, false},
	{"longer than the secret", bearer("newer"), `{"event":"X"}`, false},
	{"case of the secret", bearer("NEW"), `{"event":"X"}`, false},
	{"right header, wrong body", bearer("new"), `{"event":"X","secret":"bad"}`, false},
	{"right header, number in the body", bearer("new"), `{"event":"X","secret":1}`, false},
	{"right header, list in the body", bearer("new"), `{"event":"X","secret":["new"]}`, false},
	{"right header, object in the body", bearer("new"), `[{"event":"X","secret":{}}]`, false},
	{"right header, one wrong in a batch", bearer("new"), `[{"event":"X","secret":"new"},{"event":"X","secret":"bad"}]`, false},
	{"right header, wrong around a batch", bearer("new"), `{"secret":"bad","batch":[{"event":"X"}]}`, false},
	{"no header, one without in a batch", http.Header{}, `[{"event":"X","secret":"new"},{"event":"X"}]`, false},
	{"no header, only around a batch", http.Header{}, `{"secret":"new","batch":[{"event":"X"}]}`, false},
	{"secret in another case", http.Header{}, `{"event":"X","Secret":"new"}`, false},
	{"secret in the data", http.Header{}, `{"event":"X","data":{"secret":"new"}}`, false},
	{"no header, unreadable", http.Header{}, `{"event":"X","secret":"new"`, false},
	{"wrong header, unreadable", bearer("bad"), `{`, false},
}

func TestParseWebhookAuthentication(t *testing.T) {
	t.Parallel()
	for _, tt := range authCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events, err := passfort.ParseWebhook(tt.header, []byte(tt.body), "old", "new")
			if tt.allowed {
				require.NoError(t, err)
				require.NotEmpty(t, events)
				return
			}
			require.ErrorIs(t, err, passfort.ErrWebhookUnauthorized)
			require.Empty(t, events)
		})
	}
	for name, secrets := range map[string][]string{"no secret": nil, "empty secret": {""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := passfort.ParseWebhook(bearer(""), []byte(`{"event":"X","secret":""}`), secrets...)
			require.ErrorIs(t, err, passfort.ErrWebhookUnauthorized)
		})
	}
}

func TestWebhookHandlerAuthentication(t *testing.T) {
	t.Parallel()
	for _, tt := range authCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, err := passfort.NewWebhookHandler([]string{"old", "new"})
			require.NoError(t, err)
			var seen log
			h.HandleAll(seen.handle)
			r := delivery(t.Context(), tt.body)
			r.Header = tt.header
			w := send(h, r)
			if tt.allowed {
				require.Equal(t, http.StatusOK, w.Code)
				require.NotEmpty(t, seen.all())
				return
			}
			require.Equal(t, http.StatusUnauthorized, w.Code)
			require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			require.Empty(t, seen.all())
		})
	}
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body of a delivery with a wrong header was read")
	return 0, io.EOF
}

func TestWebhookHandlerReadsNothingFromStrangers(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", unreadable{t})
	r.Header = bearer("bad")
	require.Equal(t, http.StatusUnauthorized, send(newHandler(t), r).Code)
}

// shapes are bodies with the ids of the messages in them; none means malformed.
var shapes = []struct {
	name string
	body string
	ids  []string
}{
	{"one message", `{"id":"1","event":"X"}`, []string{"1"}},
	{"array", `[{"id":"1","event":"X"},{"id":"2","event":"Y"}]`, []string{"1", "2"}},
	{"object with an array", `{"count":2,"webhooks":[{"id":"1","event":"X"},{"id":"2","event":"X"}]}`, []string{"1", "2"}},
	{"object with an array called data", `{"data":[{"id":"1","event":"X"}]}`, []string{"1"}},
	{"object with two arrays, one of messages", `{"ids":["1"],"more":[{"a":1}],"none":[],"events":[{"id":"1","event":"X"}]}`, []string{"1"}},
	{"message with an array of messages", `{"events":[{"id":"2","event":"X"}],"id":"1","event":"X"}`, []string{"1"}},
	{"space around", " \r\n\t" + `[ { "id" : "1" , "event" : "X" } ]` + " \n", []string{"1"}},
	{"escaped names", `{"\u0069d":"1","e\u0076ent":"X"}`, []string{"1"}},
	{"deep data", `{"id":"1","event":"X","data":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, []string{"1"}},
	{"empty body", ``, nil},
	{"space", "  \n", nil},
	{"text", `hello`, nil},
	{"form", `event=X&id=1`, nil},
	{"null", `null`, nil},
	{"string", `"X"`, nil},
	{"number", `1`, nil},
	{"empty object", `{}`, nil},
	{"empty array", `[]`, nil},
	{"object with an empty array", `{"webhooks":[]}`, nil},
	{"object with two batches", `{"a":[{"event":"X"}],"b":[{"event":"X"}]}`, nil},
	{"no event", `{"id":"1","data":{}}`, nil},
	{"empty event", `{"id":"1","event":""}`, nil},
	{"event is a number", `{"id":"1","event":1}`, nil},
	{"event is null", `{"id":"1","event":null}`, nil},
	{"event is an object", `{"id":"1","event":{}}`, nil},
	{"event in another case", `{"id":"1","Event":"X"}`, nil},
	{"array with a string", `[{"id":"1","event":"X"},"X"]`, nil},
	{"array with null", `[null]`, nil},
	{"array with another object", `[{"id":"1","event":"X"},{"id":"2"}]`, nil},
	{"array in an array", `[[{"id":"1","event":"X"}]]`, nil},
	{"batch with another object", `{"a":[{"event":"X"},{"id":"2"}]}`, nil},
	{"batch with a number", `{"a":[{"event":"X"},2]}`, nil},
	{"truncated", `{"id":"1","event":"X","data":{"a":`, nil},
	{"truncated batch", `[{"id":"1","event":"X"},{"id":`, nil},
	{"text behind", `{"id":"1","event":"X"} x`, nil},
	{"two values", `{"id":"1","event":"X"}{"id":"2","event":"X"}`, nil},
	{"event twice", `{"id":"1","event":"X","event":"Y"}`, nil},
	{"secret twice", `{"id":"1","event":"X","secret":"bad","secret":"s"}`, nil},
	{"name twice in the data", `{"id":"1","event":"X","data":{"a":1,"a":2}}`, nil},
	{"name twice deep in the data", `{"id":"1","event":"X","data":{"l":[{"a":1,"\u0061":2}]}}`, nil},
	{"invalid UTF-8", "{\"id\":\"1\",\"event\":\"X\",\"data\":{\"a\":\"\xff\"}}", nil},
	{"invalid UTF-8 in a name", "{\"id\":\"1\",\"event\":\"X\",\"data\":{\"\xff\":1}}", nil},
	{"half a surrogate pair", `{"id":"1","event":"X","data":{"a":"\ud800"}}`, nil},
	{"control character", "{\"id\":\"1\",\"event\":\"X\nY\"}", nil},
	{"byte order mark", "\ufeff" + `{"id":"1","event":"X"}`, nil},
	{"trailing comma", `[{"id":"1","event":"X"},]`, nil},
	{"too deep data", `{"id":"1","event":"X","data":` + strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000) + `}`, nil},
	{"too deep objects", strings.Repeat(`{"a":`, 1_000_000), nil},
	{"too deep arrays", strings.Repeat(`[`, 1_000_000), nil},
}

func TestWebhookShapes(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t)
			var seen log
			h.HandleAll(seen.handle)
			w := send(h, delivery(t.Context(), tt.body))
			events, err := passfort.ParseWebhook(bearer("s"), []byte(tt.body), "s")
			if tt.ids == nil {
				require.Equal(t, http.StatusBadRequest, w.Code)
				require.Empty(t, seen.all())
				require.ErrorIs(t, err, passfort.ErrWebhookMalformed)
				require.Empty(t, events)
				return
			}
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, tt.ids, seen.all())
			require.NoError(t, err)
			require.Len(t, events, len(tt.ids))
		})
	}
}

func TestWebhookMethods(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "WHATEVER"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := delivery(t.Context(), `{"event":"X"}`)
			r.Method = method
			w := send(newHandler(t), r)
			require.Equal(t, http.StatusMethodNotAllowed, w.Code)
			require.Equal(t, "POST", w.Header().Get("Allow"))
		})
	}
}

// endless is a JSON string without end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	if e.read == 0 {
		p[0] = '"'
	}
	e.read += len(p)
	return len(p), nil
}

func TestWebhookBodyLimit(t *testing.T) {
	t.Parallel()
	padded := func(n int) string {
		const frame = `{"id":"1","event":"X","data":""}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("a", n-len(frame))+`"`, 1)
	}
	t.Run("8 MB go through", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusOK, send(newHandler(t), delivery(t.Context(), padded(8_000_000))).Code)
	})
	t.Run("just fits", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, passfort.WithWebhookBodyLimit(1000))
		require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), padded(1000))).Code)
	})
	t.Run("one byte too many", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, passfort.WithWebhookBodyLimit(1000))
		require.Equal(t, http.StatusRequestEntityTooLarge, send(h, delivery(t.Context(), padded(1001))).Code)
	})
	t.Run("endless without length", func(t *testing.T) {
		t.Parallel()
		body := &endless{}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
		r.Header = bearer("s")
		require.Equal(t, http.StatusRequestEntityTooLarge, send(newHandler(t), r).Code)
		require.Less(t, body.read, 40_000_000)
	})
	t.Run("announced length", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", unreadable{t})
		r.Header = bearer("s")
		r.ContentLength = 100_000_000
		require.Equal(t, http.StatusRequestEntityTooLarge, send(newHandler(t), r).Code)
	})
	t.Run("body breaks off", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"event":"X"}`), failing{}))
		r.Header = bearer("s")
		require.Equal(t, http.StatusBadRequest, send(newHandler(t), r).Code)
	})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestWebhookOverTheWire(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var seen log
	h.HandleAll(seen.handle)
	server := httptest.NewServer(h)
	defer server.Close()
	post := func(body io.Reader) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer s")
		resp, err := server.Client().Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Less(t, len(answer), 100)
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, post(strings.NewReader(batch("1", "2"))))
	require.Equal(t, http.StatusOK, post(io.MultiReader(strings.NewReader(batch("2", "3")))), "chunked")
	require.Equal(t, http.StatusBadRequest, post(strings.NewReader(`{`)))
	require.Equal(t, []string{"1", "2", "3"}, seen.all())
}

func TestWebhookDispatch(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var seen log
	note := func(name string) func(context.Context, *passfort.WebhookEvent) error {
		return func(_ context.Context, e *passfort.WebhookEvent) error { seen.add(name + " " + e.ID); return nil }
	}
	h.HandleAll(note("all"))
	h.Handle("check_completed", note("lower"))
	h.Handle(passfort.EventCheckCompleted, note("const"))
	h.Handle("brand_new", note("new"))
	body := `[{"id":"1","event":"CHECK_COMPLETED"},{"id":"2","event":"Brand_New"},{"id":"3","event":"TASK_CREATED"}]`
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), body)).Code)
	require.Equal(t, []string{"lower 1", "const 1", "all 1", "new 2", "all 2", "all 3"}, seen.all())
	require.Panics(t, func() { h.Handle("X", nil) })
	require.Panics(t, func() { h.HandleAll(nil) })
}

func TestWebhookFailureEndsTheBatch(t *testing.T) {
	t.Parallel()
	store := passfort.NewMemoryWebhookStore(10)
	h := newHandler(t, passfort.WithWebhookStore(store))
	var seen log
	broken := true
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		seen.add(e.ID)
		if e.ID == "2" && broken {
			return errors.New("database is down")
		}
		return nil
	})
	require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1", "2", "3"))).Code)
	require.Equal(t, []string{"1", "2"}, seen.all())
	for id, want := range map[string]bool{"1": true, "2": false, "3": false} {
		got, err := store.Seen(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, got, id)
	}
	broken = false
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1", "2", "3"))).Code)
	require.Equal(t, []string{"1", "2", "2", "3"}, seen.all())
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("3", "2", "1"))).Code)
	require.Len(t, seen.all(), 4)
}

func TestWebhookFirstFailingHandlerEndsTheMessage(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var seen log
	h.Handle("TASK_CREATED", func(context.Context, *passfort.WebhookEvent) error { return errors.New("no") })
	h.Handle("TASK_CREATED", seen.handle)
	h.HandleAll(seen.handle)
	require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1"))).Code)
	require.Empty(t, seen.all())
}

func TestWebhookWithoutHandlerIsCommitted(t *testing.T) {
	t.Parallel()
	store := passfort.NewMemoryWebhookStore(10)
	h := newHandler(t, passfort.WithWebhookStore(store))
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1"))).Code)
	seen, err := store.Seen(t.Context(), "1")
	require.NoError(t, err)
	require.True(t, seen)
}

func TestWebhookWithoutID(t *testing.T) {
	t.Parallel()
	var keys log
	h, err := passfort.NewWebhookHandler([]string{"s", "s2"}, passfort.WithWebhookStore(&scriptedStore{commit: func(id string) error { keys.add(id); return nil }}))
	require.NoError(t, err)
	var told log
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		told.add(e.Key())
		return nil
	})
	long := strings.Repeat("x", 10_000)
	for _, body := range []string{
		`{"event":"X","timestamp":1,"secret":"s","data":{"a":1}}`,
		`{"event":"X","timestamp":1,"secret":"s2","data":{"a":1}}`,
		`{"event":"X","timestamp":2,"secret":"s","data":{"a":1}}`,
		`{"event":"X","timestamp":1,"secret":"s","data":{"a":2}}`,
		`{"event":"Y","timestamp":1,"secret":"s","data":{"a":1}}`,
		`{"event":"X","id":"` + long + `"}`,
		`{"event":"X","id":"` + long + `y"}`,
	} {
		require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), body)).Code)
	}
	got := keys.all()
	require.Equal(t, got, told.all(), "handlers can know the key of the store")
	require.Equal(t, got[0], got[1], "the same message after the secret was rotated")
	slices.Sort(got)
	require.Len(t, slices.Compact(got), 6)
	for _, key := range got {
		require.Less(t, len(key), 129)
	}
}

// scriptedStore is a store that fails as told.
type scriptedStore struct {
	seen   func(id string) (bool, error)
	commit func(id string) error
}

func (s *scriptedStore) Seen(_ context.Context, id string) (bool, error) {
	if s.seen == nil {
		return false, nil
	}
	return s.seen(id)
}

func (s *scriptedStore) Commit(_ context.Context, id string) error {
	if s.commit == nil {
		return nil
	}
	return s.commit(id)
}

func TestWebhookStoreFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		store  *scriptedStore
		status int
		calls  int
	}{
		{"seen fails", &scriptedStore{seen: func(string) (bool, error) { return false, errors.New("down") }}, 500, 0},
		{"seen panics", &scriptedStore{seen: func(string) (bool, error) { panic("down") }}, 500, 0},
		{"commit fails", &scriptedStore{commit: func(string) error { return errors.New("down") }}, 500, 1},
		{"commit panics", &scriptedStore{commit: func(string) error { panic("down") }}, 500, 1},
		{"seen elsewhere", &scriptedStore{seen: func(string) (bool, error) { return true, nil }}, 200, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, passfort.WithWebhookStore(tt.store))
			var seen log
			h.HandleAll(seen.handle)
			require.Equal(t, tt.status, send(h, delivery(t.Context(), batch("1"))).Code)
			require.Len(t, seen.all(), tt.calls)
		})
	}
}

func TestWebhookPanics(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for name, value := range map[string]any{"text": "Robin Sample", "error": cause, "abort": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var parked error
			h := newHandler(t, passfort.WithPark(2, func(_ context.Context, _ *passfort.WebhookEvent, err error) error {
				parked = err
				return nil
			}))
			h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { panic(value) })
			require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1"))).Code)
			require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1"))).Code)
			var p *passfort.PanicError
			require.ErrorAs(t, parked, &p)
			require.Equal(t, value, p.Value)
			require.NotContains(t, fmt.Sprintf("%v %+v %s", p, p, parked), "Robin")
			if name == "error" {
				require.ErrorIs(t, parked, cause)
			}
		})
	}
}

func TestWebhookHandlerGoexit(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	exit := true
	h.HandleAll(func(context.Context, *passfort.WebhookEvent) error {
		if exit {
			exit = false
			runtime.Goexit()
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		send(h, delivery(t.Context(), batch("1")))
	}()
	<-done
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1"))).Code, "the message was left to others")
	require.NoError(t, h.Shutdown(t.Context()))
}

func TestWebhookPark(t *testing.T) {
	t.Parallel()
	var seen, parked log
	h := newHandler(t, passfort.WithPark(3, func(_ context.Context, e *passfort.WebhookEvent, err error) error {
		parked.add(e.ID + ": " + err.Error())
		if len(parked.all()) == 1 {
			return errors.New("nowhere to put it")
		}
		return nil
	}))
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		if e.ID == "bad" {
			return errors.New("never")
		}
		seen.add(e.ID)
		return nil
	})
	ids := []string{"first", "bad"}
	for i := range 10_000 {
		ids = append(ids, fmt.Sprint(i))
	}
	for _, status := range []int{500, 500, 500, 200, 200} {
		require.Equal(t, status, send(h, delivery(t.Context(), batch(ids...))).Code)
	}
	require.Equal(t, []string{"bad: never", "bad: never"}, parked.all(), "after 3 failures, and again because the hook failed")
	require.Equal(t, append([]string{"first"}, ids[2:]...), seen.all())
}

func TestWebhookWithoutParkBlocks(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var seen log
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		seen.add(e.ID)
		if e.ID == "bad" {
			return errors.New("never")
		}
		return nil
	})
	for range 20 {
		require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("bad", "behind"))).Code)
	}
	require.NotContains(t, seen.all(), "behind")
}

func TestWebhookUndecodable(t *testing.T) {
	t.Parallel()
	const body = `{"not":"a webhook"}`
	tests := []struct {
		name   string
		hook   func(context.Context, []byte) error
		header http.Header
		status int
		called bool
	}{
		{"taken", func(context.Context, []byte) error { return nil }, bearer("s"), 200, true},
		{"hook fails", func(context.Context, []byte) error { return errors.New("down") }, bearer("s"), 500, true},
		{"hook panics", func(context.Context, []byte) error { panic("down") }, bearer("s"), 500, true},
		{"not authenticated", func(context.Context, []byte) error { return nil }, http.Header{}, 401, false},
		{"wrong header", func(context.Context, []byte) error { return nil }, bearer("bad"), 401, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got string
			h := newHandler(t, passfort.WithUndecodable(func(ctx context.Context, b []byte) error {
				got = string(b)
				return tt.hook(ctx, b)
			}))
			r := delivery(t.Context(), body)
			r.Header = tt.header
			require.Equal(t, tt.status, send(h, r).Code)
			require.Equal(t, tt.called, got == body)
		})
	}
}

func TestWebhookSameMessageTwiceAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		failures int
		calls    int
		failed   int
	}{
		{"first one succeeds", 0, 1, 0},
		{"first one fails", 1, 2, 1},
		{"three fail", 3, 4, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(t)
				var calls, running int
				h.HandleAll(func(_ context.Context, _ *passfort.WebhookEvent) error {
					calls++ // not guarded: the race detector sees two at once
					running++
					defer func() { running-- }()
					require.Equal(t, 1, running)
					<-time.After(time.Second)
					if calls <= tt.failures {
						return errors.New("no")
					}
					return nil
				})
				codes := make(chan int, 10)
				for range cap(codes) {
					go func() { codes <- send(h, delivery(t.Context(), batch("1"))).Code }()
				}
				failed := 0
				for range cap(codes) {
					if <-codes != http.StatusOK {
						failed++
					}
				}
				require.Equal(t, tt.calls, calls)
				require.Equal(t, tt.failed, failed)
			})
		})
	}
}

func TestWebhookWaiterGivesUpWithItsSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		release := make(chan struct{})
		h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { <-release; return nil })
		first := make(chan int, 1)
		go func() { first <- send(h, delivery(t.Context(), batch("1"))).Code }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.Equal(t, http.StatusInternalServerError, send(h, delivery(ctx, batch("1"))).Code)
		close(release)
		require.Equal(t, http.StatusOK, <-first)
	})
}

func TestWebhookGoesOnWhenTheSenderHangsUp(t *testing.T) {
	t.Parallel()
	type key struct{}
	h := newHandler(t)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	var seen log
	h.HandleAll(func(ctx context.Context, e *passfort.WebhookEvent) error {
		cancel()
		require.NoError(t, ctx.Err())
		require.Equal(t, "kept", ctx.Value(key{}))
		return seen.handle(ctx, e)
	})
	send(h, delivery(ctx, batch("1", "2")))
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), batch("1", "2"))).Code)
	require.Equal(t, []string{"1", "2"}, seen.all())
}

func TestWebhookHandlerTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, passfort.WithHandlerTimeout(10*time.Second))
		h.HandleAll(func(ctx context.Context, _ *passfort.WebhookEvent) error {
			<-ctx.Done()
			return ctx.Err()
		})
		start := time.Now()
		require.Equal(t, http.StatusInternalServerError, send(h, delivery(t.Context(), batch("1"))).Code)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestWebhookShutdown(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t)
		require.NoError(t, h.Shutdown(t.Context()))
		require.NoError(t, h.Shutdown(t.Context()))
		require.Equal(t, http.StatusServiceUnavailable, send(h, delivery(t.Context(), batch("1"))).Code)
	})
	t.Run("running ones finish", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := newHandler(t)
			h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { <-time.After(time.Second); return nil })
			code := make(chan int, 1)
			go func() { code <- send(h, delivery(t.Context(), batch("1", "2", "3"))).Code }()
			synctest.Wait()
			start := time.Now()
			require.NoError(t, h.Shutdown(t.Context()))
			require.Equal(t, 3*time.Second, time.Since(start))
			require.Equal(t, http.StatusOK, <-code)
		})
	})
	t.Run("out of patience", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store := passfort.NewMemoryWebhookStore(10)
			parked := false
			h := newHandler(t, passfort.WithWebhookStore(store), passfort.WithPark(1, func(context.Context, *passfort.WebhookEvent, error) error {
				parked = true
				return nil
			}))
			var seen log
			h.HandleAll(func(ctx context.Context, e *passfort.WebhookEvent) error {
				seen.add(e.ID)
				<-ctx.Done()
				if e.ID == "stubborn" {
					return nil
				}
				return ctx.Err()
			})
			codes := map[string]chan int{}
			for _, id := range []string{"obedient", "stubborn"} {
				code := make(chan int, 1)
				codes[id] = code
				go func() { code <- send(h, delivery(t.Context(), batch(id, "behind "+id))).Code }()
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, h.Shutdown(ctx), context.DeadlineExceeded)
			require.Equal(t, http.StatusInternalServerError, <-codes["obedient"])
			require.Equal(t, http.StatusServiceUnavailable, <-codes["stubborn"])
			require.ElementsMatch(t, []string{"obedient", "stubborn"}, seen.all())
			require.False(t, parked, "a failure that the end of the process caused does not count")
			done, err := store.Seen(t.Context(), "stubborn")
			require.NoError(t, err)
			require.True(t, done, "what was handled is committed")
		})
	})
}

func TestWebhookObserver(t *testing.T) {
	t.Parallel()
	var results log
	h := newHandler(t,
		passfort.WithWebhookObserver(func(r passfort.WebhookResult) {
			results.add(fmt.Sprintf("%s %s", r.Event, r.Outcome))
		}),
		passfort.WithWebhookBodyLimit(1000),
		passfort.WithPark(2, func(context.Context, *passfort.WebhookEvent, error) error { return nil }))
	h.Handle("CHECK_COMPLETED", func(context.Context, *passfort.WebhookEvent) error { return nil })
	h.Handle("RISK_LEVEL_CHANGED", func(context.Context, *passfort.WebhookEvent) error { return errors.New("no") })
	send(h, delivery(t.Context(), `[{"id":"1","event":"check_completed"},{"id":"1","event":"CHECK_COMPLETED"},{"id":"2","event":"Robin Sample"}]`))
	send(h, delivery(t.Context(), `{"id":"3","event":"RISK_LEVEL_CHANGED"}`))
	send(h, delivery(t.Context(), `{"id":"3","event":"RISK_LEVEL_CHANGED"}`))
	send(h, delivery(t.Context(), `{`))
	send(h, delivery(t.Context(), strings.Repeat(" ", 1001)))
	send(h, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	send(h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, []string{
		"CHECK_COMPLETED handled", "CHECK_COMPLETED duplicate", "unknown unhandled",
		"RISK_LEVEL_CHANGED failed", "RISK_LEVEL_CHANGED parked",
		" malformed", " too_large", " unauthorized", " refused",
	}, results.all())
}

// TestWebhookCanary sends marked secrets and personal data down every path and
// looks for them in logs and answers.
func TestWebhookCanary(t *testing.T) {
	t.Parallel()
	const canary, secret = "C4naryName", "C4narySecret"
	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	data := `"data":{"profile_id":"C4naryName","customer_ref":"C4naryName","user":{"name":"C4naryName"},"apikey":{"name":"C4naryName"}}`
	bodies := []string{
		`{"id":"C4naryName","event":"CHECK_COMPLETED","secret":"C4narySecret",` + data + `}`,
		`{"id":"C4naryName","event":"C4naryName","secret":"C4narySecret",` + data + `}`,
		`{"event":"C4naryName","secret":"C4narySecretX",` + data + `}`,
		`{"event":"C4naryName","secret":["C4narySecret"],` + data + `}`,
		`{"C4naryName":"C4narySecret"}`, `C4naryName`, `{"event":"X","C4naryName":1,"C4naryName":2}`, `{"C4naryName`, `["C4naryName"]`,
	}
	handlers := []func(context.Context, *passfort.WebhookEvent) error{
		nil,
		func(context.Context, *passfort.WebhookEvent) error { return nil },
		func(context.Context, *passfort.WebhookEvent) error { return errors.New(canary) },
		func(context.Context, *passfort.WebhookEvent) error { panic(canary) },
		func(context.Context, *passfort.WebhookEvent) error { panic(errors.New(canary)) },
	}
	headers := []http.Header{bearer(secret), bearer(secret + "X"), {}, {"Authorization": {secret}}}
	leaks := func(s string) bool { return strings.Contains(strings.ToLower(s), "c4nary") }
	for _, body := range bodies {
		for _, handler := range handlers {
			for _, header := range headers {
				h, err := passfort.NewWebhookHandler([]string{secret}, passfort.WithWebhookLogger(logger),
					passfort.WithWebhookObserver(func(r passfort.WebhookResult) { require.False(t, leaks(fmt.Sprintf("%+v", r))) }),
					passfort.WithUndecodable(func(context.Context, []byte) error { return errors.New(canary) }))
				require.NoError(t, err)
				if handler != nil {
					h.HandleAll(handler)
				}
				r := delivery(t.Context(), body)
				r.Header = header
				w := send(h, r)
				require.False(t, leaks(w.Body.String()+fmt.Sprint(w.Header())))
				events, err := passfort.ParseWebhook(header, []byte(body), secret)
				require.False(t, leaks(fmt.Sprintf("%v %+v %#v", err, err, err)))
				for _, e := range events {
					text, err := json.Marshal(e)
					require.NoError(t, err)
					require.NotContains(t, string(text), secret)
				}
				require.False(t, leaks(fmt.Sprintf("%+v %#v", h, h)))
			}
		}
	}
	require.NotEmpty(t, logged.String())
	require.False(t, leaks(logged.String()), logged.String())
}

func TestWebhookEventOwnsItsData(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"1","event":"X","data":{"profile_id":"p"}}`)
	events, err := passfort.ParseWebhook(bearer("s"), body, "s")
	require.NoError(t, err)
	clear(body)
	require.Equal(t, "1", events[0].ID)
	require.Equal(t, "p", events[0].ProfileID)
	require.JSONEq(t, `{"profile_id":"p"}`, string(events[0].Data))
}

func TestMemoryWebhookStore(t *testing.T) {
	t.Parallel()
	s := passfort.NewMemoryWebhookStore(3)
	seen := func() (ids string) {
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			ok, err := s.Seen(t.Context(), id)
			require.NoError(t, err)
			if ok {
				ids += id
			}
		}
		return ids
	}
	require.Empty(t, seen())
	for _, step := range []struct{ commit, want string }{
		{"a", "a"}, {"b", "ab"}, {"a", "ab"}, {"c", "abc"}, {"d", "bcd"}, {"e", "cde"}, {"a", "ade"},
	} {
		require.NoError(t, s.Commit(t.Context(), step.commit))
		require.Equal(t, step.want, seen())
	}
}

func TestWebhookConcurrentDeliveries(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	var mu sync.Mutex
	calls := map[string]int{}
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		mu.Lock()
		defer mu.Unlock()
		calls[e.ID]++
		if calls[e.ID] == 1 && len(e.ID)%2 == 0 {
			return errors.New("first try of even ones")
		}
		return nil
	})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			ids := make([]string, 50)
			for i := range ids {
				ids[i] = strings.Repeat("x", 1+(i+worker*7)%50)
			}
			for send(h, delivery(t.Context(), batch(ids...))).Code != http.StatusOK {
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			h.Handle("LATER", func(context.Context, *passfort.WebhookEvent) error { return nil })
		}
	})
	wg.Wait()
	require.Len(t, calls, 50)
	for id, n := range calls {
		require.Equal(t, 2-len(id)%2, n)
	}
}

// fuzzSeeds adds every body of the tables.
func fuzzSeeds(f *testing.F) {
	for _, tt := range shapes {
		if len(tt.body) < 20_000 {
			f.Add([]byte(tt.body), true)
		}
	}
	for _, tt := range authCases {
		f.Add([]byte(tt.body), false)
	}
	for _, name := range []string{"product_status_changed", "collected_data_updated", "check_completed", "manual_action_required", "customer_request_changed", "events_created"} {
		f.Add(golden(f, name), true)
	}
}

func FuzzParseWebhook(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte, header bool) {
		h := http.Header{}
		if header {
			h = bearer(goldenSecret)
		}
		before := bytes.Clone(body)
		events, err := passfort.ParseWebhook(h, body, goldenSecret)
		require.Equal(t, before, body)
		if err != nil {
			require.Empty(t, events)
			require.True(t, errors.Is(err, passfort.ErrWebhookMalformed) != errors.Is(err, passfort.ErrWebhookUnauthorized))
			return
		}
		require.NotEmpty(t, events)
		require.True(t, header || bytes.Contains(body, []byte(`secret`)) || bytes.Contains(body, []byte(`\u`)))
		for _, e := range events {
			require.NotEmpty(t, e.Event)
			require.True(t, len(e.Data) == 0 || json.Valid(e.Data))
			_ = e.Origin()
			_, _ = e.CheckCompleted()
			_, _ = e.ProductStatusChanged()
			_, _ = e.ManualActionRequired()
			_, _ = e.CustomerRequestChanged()
			_, _ = e.EventsChanged()
			if c, err := e.CollectedDataChange(); err == nil {
				c.Changes()
			}
		}
	})
}

func FuzzHandler(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte, header bool) {
		_, err := statusFor(t.Context(), body, header, io.Discard)
		require.NoError(t, err)
	})
}

// largeBatch returns 100 messages of about 20 KB.
func largeBatch() []byte {
	var address strings.Builder
	for i := range 40 {
		fmt.Fprintf(&address, `,{"address":{"type":"STRUCTURED","country":"GBR","locality":"Sampletown","route":"Sample Street","street_number":"%d","postal_code":"SA1 1MP"},"start_date":"2001-02","end_date":"2003-04","note":"made up text that is a little longer"}`, i)
	}
	entity := `{"entity_type":"INDIVIDUAL","address_history":[` + address.String()[1:] + `],"custom_fields_data":{"limit":1000.50,"ok":true}}`
	var b bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(&b, `,{"id":"%d","event":"COLLECTED_DATA_UPDATED","secret":"s","timestamp":1700000000,"data":{"profile_id":"p","customer_ref":"r","user":null,"apikey":{"name":"CRM"},"old_data":%s,"new_data":%s}}`, i, entity, entity)
	}
	b.WriteByte(']')
	b.Bytes()[0] = '['
	return b.Bytes()
}

// BenchmarkWebhookBatch authenticates, decodes and dispatches a batch of 100
// messages of 20 KB. "ratio" is its time by the time encoding/json needs to
// decode the same bytes into bare envelopes.
func BenchmarkWebhookBatch(b *testing.B) {
	body := largeBatch()
	b.SetBytes(int64(len(body)))
	type envelope struct {
		ID, Event, Secret string
		Timestamp         int64
		Data              json.RawMessage
	}
	var bare, ours time.Duration
	for b.Loop() {
		start := time.Now()
		var envelopes []envelope
		if err := json.Unmarshal(body, &envelopes); err != nil || len(envelopes) != 100 {
			b.Fatal(err)
		}
		bare += time.Since(start)

		h, err := passfort.NewWebhookHandler([]string{"old", "s"})
		require.NoError(b, err)
		handled := 0
		h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { handled++; return nil })
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", bytes.NewReader(body))
		r.Header = bearer("s")
		start = time.Now()
		w := send(h, r)
		ours += time.Since(start)
		if w.Code != http.StatusOK || handled != 100 {
			b.Fatal(w.Code, handled)
		}
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ours-ns/op")
}

func TestCheckInboxWakesWait(t *testing.T) {
	t.Parallel()
	inbox := passfort.NewCheckInbox()
	h := newHandler(t)
	h.Handle(passfort.EventCheckCompleted, inbox.Deliver)
	states := make(chan string, 2)
	states <- "RUNNING"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"id":"c1","check_type":"IDENTITY_CHECK","state":%q}`, <-states)
	}))
	defer server.Close()
	client, err := passfort.New("key", passfort.WithBaseURL(server.URL))
	require.NoError(t, err)

	type outcome struct {
		check *passfort.Check
		err   error
	}
	waited := make(chan outcome, 1)
	polls := make(chan int, 10)
	start := time.Now()
	go func() {
		check, err := client.Checks.Wait(t.Context(), "p1", "c1", &passfort.WaitOptions{
			MinInterval: 30 * time.Second, MaxInterval: 30 * time.Second, Inbox: inbox,
			OnPoll: func(n int) { polls <- n },
		})
		waited <- outcome{check, err}
	}()
	require.Equal(t, 1, <-polls)
	states <- "COMPLETE"
	require.Equal(t, http.StatusOK, send(h, delivery(t.Context(), `{"id":"1","event":"CHECK_COMPLETED","data":{"check":{"id":"c1"}}}`)).Code)
	got := <-waited
	require.NoError(t, got.err)
	require.True(t, got.check.Done())
	require.Less(t, time.Since(start), 10*time.Second)
}
