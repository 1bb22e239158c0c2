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
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

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
		{"secret with the end of its file", []string{"a\n"}, nil},
		{"nil store", []string{"a"}, []passfort.WebhookOption{passfort.WithWebhookStore(nil)}},
		{"no body allowed", []string{"a"}, []passfort.WebhookOption{passfort.WithWebhookBodyLimit(0)}},
		{"no time", []string{"a"}, []passfort.WebhookOption{passfort.WithHandlerTimeout(0)}},
		{"no concurrency", []string{"a"}, []passfort.WebhookOption{passfort.WithWebhookConcurrency(0)}},
		{"nil park hook", []string{"a"}, []passfort.WebhookOption{passfort.WithPark(1, park),
			passfort.WithPark(3, nil)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := passfort.NewWebhookHandler(tt.secrets, tt.opts...)
			require.Error(t, err)
		})
	}
}

func TestNilWebhookOptionIsNone(t *testing.T) {
	t.Parallel()
	_, err := passfort.NewWebhookHandler([]string{"a0"}, nil)
	require.NoError(t, err)
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
	{"wrong header name in another case, right body", http.Header{"authorization": {"Bearer bad"}},
		`{"event":"X","secret":"new"}`, false},
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
	{"right header, one wrong in a batch", bearer("new"), `[{"event":"X","secret":"new"},{"event":"X","secret":"bad"}]`,
		false},
	{"right header, wrong around a batch", bearer("new"), `{"secret":"bad","batch":[{"event":"X"}]}`, false},
	{"no header, one without in a batch", http.Header{}, `[{"event":"X","secret":"new"},{"event":"X"}]`, false},
	{"no header, only around a batch", http.Header{}, `{"secret":"new","batch":[{"event":"X"}]}`, true},
	{"no header, around a batch after the messages", http.Header{},
		`{"batch":[{"event":"X"},{"event":"Y"}],"secret":"old"}`, true},
	{"no header, around a batch, one message with a wrong one", http.Header{},
		`{"secret":"new","batch":[{"event":"X"},{"event":"Y","secret":"bad"}]}`, false},
	{"no header, wrong around a batch, right in the messages", http.Header{},
		`{"secret":"bad","batch":[{"event":"X","secret":"new"}]}`, false},
	{"no header, empty around a batch", http.Header{}, `{"secret":"","batch":[{"event":"X"}]}`, false},
	{"secret in another case", http.Header{}, `{"event":"X","Secret":"new"}`, false},
	{"an escaped secret", http.Header{}, `{"event":"X","\u0073ecret":"n\u0065w"}`, true},
	{"an escaped wrong secret", bearer("new"), `{"event":"X","\u0073ecret":"\u006eEW"}`, false},
	{"a list of secrets around a batch", bearer("new"), `{"secret":["new"],"batch":[{"event":"X"}]}`, false},
	{"a wrong and a right secret", http.Header{}, `{"event":"X","secret":"bad","secret":"new"}`, false},
	{"a right and a wrong secret", http.Header{}, `{"event":"X","secret":"new","secret":"bad"}`, false},
	{"a right secret twice, once escaped", http.Header{}, `{"event":"X","secret":"new","\u0073ecret":"new"}`, false},
	{"a batch as the secret", http.Header{}, `{"secret":[{"event":"X","secret":"new"}]}`, false},
	{"a batch as the data", http.Header{}, `{"data":[{"event":"X","secret":"new"}]}`, true},
	{"a batch as the event", http.Header{}, `{"event":[{"event":"X"}],"secret":"new"}`, true},
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
	{"object with an array", `{"count":2,"webhooks":[{"id":"1","event":"X"},{"id":"2","event":"X"}]}`,
		[]string{"1", "2"}},
	{"object with an array called data", `{"data":[{"id":"1","event":"X"}]}`, []string{"1"}},
	{"object with two arrays, one of messages",
		`{"ids":["1"],"more":[{"a":1}],"none":[],"events":[{"id":"1","event":"X"}]}`, []string{"1"}},
	{"message with an array of messages", `{"events":[{"id":"2","event":"X"}],"id":"1","event":"X"}`, []string{"1"}},
	{"space around", " \r\n\t" + `[ { "id" : "1" , "event" : "X" } ]` + " \n", []string{"1"}},
	{"escaped names", `{"\u0069d":"1","e\u0076ent":"X"}`, []string{"1"}},
	{"deep data", `{"id":"1","event":"X","data":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		[]string{"1"}},
	{"invalid UTF-8", "{\"id\":\"1\",\"event\":\"X\",\"data\":{\"a\":\"\xff\"}}", []string{"1"}},
	{"invalid UTF-8 in a name", "{\"id\":\"1\",\"event\":\"X\",\"data\":{\"\xff\":1}}", []string{"1"}},
	{"half a surrogate pair", `{"id":"1","event":"X","data":{"a":"\ud800"}}`, []string{"1"}},
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
	{"secret twice", `{"id":"1","event":"X","secret":"bad","secret":"s0"}`, nil},
	{"name twice in the data", `{"id":"1","event":"X","data":{"a":1,"a":2}}`, nil},
	{"name twice deep in the data", `{"id":"1","event":"X","data":{"l":[{"a":1,"\u0061":2}]}}`, nil},
	{"broken name twice in the data", `{"id":"1","event":"X","data":{"\ud800":1,"\ud800":2}}`, nil},
	{"control character", "{\"id\":\"1\",\"event\":\"X\nY\"}", nil},
	{"byte order mark", "\ufeff" + `{"id":"1","event":"X"}`, nil},
	{"trailing comma", `[{"id":"1","event":"X"},]`, nil},
	{"too deep data", `{"id":"1","event":"X","data":` + strings.Repeat("[", 1_000_000) +
		strings.Repeat("]", 1_000_000) + `}`, nil},
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
			events, err := passfort.ParseWebhook(bearer("s0"), []byte(tt.body), "s0")
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
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete,
		http.MethodOptions, "WHATEVER"} {
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
		r.Header = bearer("s0")
		require.Equal(t, http.StatusRequestEntityTooLarge, send(newHandler(t), r).Code)
		require.Less(t, body.read, 40_000_000)
	})
	t.Run("announced length", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", unreadable{t})
		r.Header = bearer("s0")
		r.ContentLength = 100_000_000
		require.Equal(t, http.StatusRequestEntityTooLarge, send(newHandler(t), r).Code)
	})
	t.Run("body breaks off", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/",
			io.MultiReader(strings.NewReader(`{"event":"X"}`), failing{}))
		r.Header = bearer("s0")
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
		r.Header.Set("Authorization", "Bearer s0")
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

func TestWebhookLogLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := newHandler(t, passfort.WithWebhookLogger(slog.New(slog.NewJSONHandler(&out, nil))))
	fails := true
	h.Handle("CHECK_COMPLETED", func(context.Context, *passfort.WebhookEvent) error {
		if fails {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	const body = `{"id":"1","event":"CHECK_COMPLETED","data":{}}`
	send(h, delivery(t.Context(), body))
	fails = false
	send(h, delivery(t.Context(), body))
	send(h, delivery(t.Context(), `{`))
	var lines []string
	for line := range strings.Lines(out.String()) {
		var members map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &members))
		lines = append(lines, fmt.Sprint(members["level"], " ", members["outcome"], " ", members["event"], " ",
			members["error_type"]))
	}
	require.Equal(t, []string{
		"ERROR failed CHECK_COMPLETED *errors.errorString",
		"INFO handled CHECK_COMPLETED <nil>",
		"WARN malformed <nil> <nil>",
	}, lines)
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

func TestWebhookSetSecrets(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	deliver := func(secret string) int {
		r := delivery(t.Context(), `{"id":"1","event":"CHECK_COMPLETED"}`)
		r.Header.Set("Authorization", "Bearer "+secret)
		return send(h, r).Code
	}
	require.NoError(t, h.SetSecrets([]string{"newest", "newer"}))
	for _, test := range []struct {
		secret string
		want   int
	}{{"newest", http.StatusOK}, {"newer", http.StatusOK}, {"older", http.StatusUnauthorized}} {
		require.Equal(t, test.want, deliver(test.secret), test.secret)
	}
	for _, broken := range [][]string{nil, {""}, {"good one", "x"}, {"a secret\n"}} {
		require.Error(t, h.SetSecrets(broken))
		require.Equal(t, http.StatusOK, deliver("newest"), "a refused change changes nothing")
	}
}
