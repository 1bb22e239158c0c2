package passfort_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestNewFromEnv(t *testing.T) {
	const key = "key-of-the-environment"
	for _, row := range []struct {
		name, key, base, region string
		host, problem           string
	}{
		{"default", key, "", "", "api.passfort.com", ""},
		{"eu", key, "", "eu", "api.eu.maxsight.com", ""},
		{"us in capitals", key, "", "US", "api.us.maxsight.com", ""},
		{"ae", key, "", "ae", "api.ae.maxsight.com", ""},
		{"a base URL wins over the region", key, "https://gateway.example/4.0", "us", "gateway.example", ""},
		{"no key", "", "", "eu", "", "PASSFORT_API_KEY is not set"},
		{"unknown region", key, "", "mars", "", "PASSFORT_REGION is none of eu, us and ae"},
		{"a base URL that is none", key, "gateway.example", "", "", "the base URL"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("PASSFORT_API_KEY", row.key)
			t.Setenv("PASSFORT_BASE_URL", row.base)
			t.Setenv("PASSFORT_REGION", row.region)
			var asked *http.Request
			hc := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = r
				return answered(200, `{}`), nil
			})}
			c, err := passfort.NewFromEnv(passfort.WithHTTPClient(hc))
			if row.problem != "" {
				require.ErrorIs(t, err, passfort.ErrInvalidInput)
				require.ErrorContains(t, err, row.problem)
				require.NotContains(t, err.Error(), "mars")
				return
			}
			require.NoError(t, err)
			require.NoError(t, failed(c.WhoAmI(t.Context())))
			require.Equal(t, row.host, asked.URL.Host)
			require.Equal(t, "/4.0/whoami", asked.URL.Path)
			require.Equal(t, key, asked.Header.Get("apikey"))
		})
	}
	t.Run("later options win", func(t *testing.T) {
		t.Setenv("PASSFORT_API_KEY", key)
		t.Setenv("PASSFORT_REGION", "us")
		s := serve(t, respond(200, `{}`))
		c, err := passfort.NewFromEnv(passfort.WithBaseURL(s.URL), passfort.WithHTTPClient(&http.Client{
			Transport: trusting(s.Server),
		}))
		require.NoError(t, err)
		require.NoError(t, failed(c.WhoAmI(t.Context())))
		require.Len(t, s.seen(), 1)
	})
}

func TestWithKey(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{"id":"p"}`))
	seen := &events{}
	c := newClient(t, s, passfort.WithObserver(seen), passfort.WithUserAgent("acme/1"))
	other, err := c.WithKey("another-key")
	require.NoError(t, err)
	require.NoError(t, failed(other.Profiles.Get(t.Context(), pid)))
	require.NoError(t, failed(c.Profiles.Get(t.Context(), pid)))
	got := s.seen()
	require.Equal(t, "another-key", got[0].Header.Get("apikey"))
	require.Equal(t, testKey, got[1].Header.Get("apikey"), "the first client keeps its key")
	require.Equal(t, got[1].Header.Get("User-Agent"), got[0].Header.Get("User-Agent"))
	require.Equal(t, got[1].URI, got[0].URI)
	for _, bad := range []string{"", "two words", "line\nend"} {
		_, err := c.WithKey(bad)
		require.ErrorIs(t, err, passfort.ErrInvalidInput)
	}
}

// A thousand clients of WithKey hold no more connections and goroutines than one
// of New.
func TestManyKeysShareConnections(t *testing.T) {
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(respond(200, `{"id":"p"}`))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	one, err := passfort.New(testKey, passfort.WithBaseURL(s.URL))
	require.NoError(t, err)
	require.NoError(t, failed(one.Profiles.Get(t.Context(), pid)))
	before := runtime.NumGoroutine()
	clients := make([]*passfort.Client, 1000)
	for i := range clients {
		clients[i], err = one.WithKey(fmt.Sprintf("key-%d", i))
		require.NoError(t, err)
		require.NoError(t, failed(clients[i].Profiles.Get(t.Context(), pid)))
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before+10)
	require.LessOrEqual(t, opened.Load(), int32(5))
	clients[0].CloseIdleConnections()
	require.NoError(t, failed(one.Profiles.Get(t.Context(), pid)))
	require.LessOrEqual(t, opened.Load(), int32(6), "a call after CloseIdleConnections opens one")
	require.Greater(t, opened.Load(), int32(1), "the connections are shared, so those of all are closed")
	runtime.KeepAlive(clients)
}

func TestCallOptionsOnTheWire(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{"profiles":[],"count":0}`))
	_, err := newClient(t, s).Profiles.List(t.Context(), &passfort.ProfileListOptions{Limit: 7},
		passfort.Header("x-correlation-id", "c-1"), passfort.Header("X-Correlation-Id", "c-2"),
		passfort.Header("User-Agent", "mine/1"),
		passfort.Query("limit", "9"), passfort.Query("new_filter", "a b"), passfort.Query("new_filter", "c"))
	require.NoError(t, err)
	got := s.seen()[0]
	require.Equal(t, []string{"c-1", "c-2"}, got.Header["X-Correlation-Id"])
	require.Equal(t, []string{"mine/1"}, got.Header["User-Agent"])
	require.Equal(t, testKey, got.Header.Get("apikey"))
	require.Equal(t, "/base/4.0/profiles?limit=9&new_filter=a+b&new_filter=c", got.URI)
}

// Query leaves the values of the caller's Request alone.
func TestQueryDoesNotChangeTheRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{}`))
	given := url.Values{"a": {"1"}}
	request := passfort.Request{Method: "GET", Path: "new", Query: given}
	require.NoError(t, failed(passfort.Do[map[string]any](t.Context(), newClient(t, s), request,
		passfort.Query("b", "2"))))
	require.Equal(t, "/base/4.0/new?a=1&b=2", s.seen()[0].URI)
	require.Equal(t, url.Values{"a": {"1"}}, given)
}

func TestCallOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{"id":"p"}`))
	c := newClient(t, s)
	for name, option := range map[string]passfort.CallOption{
		"the key":              passfort.Header("APIKEY", "secret"),
		"the host":             passfort.Header("host", "elsewhere.example"),
		"the condition":        passfort.Header("If-Match", "*"),
		"a length":             passfort.Header("content-length", "0"),
		"a name with a space":  passfort.Header("X Y", "1"),
		"an empty name":        passfort.Header("", "1"),
		"a value of two lines": passfort.Header("X-Y", "1\r\nApikey: secret"),
		"a query without name": passfort.Query("", "1"),
		"no attempt":           passfort.MaxAttempts(0),
		"a negative limit":     passfort.AttemptTimeout(-time.Second),
		"no limit":             passfort.AttemptTimeout(0),
	} {
		t.Run(name, func(t *testing.T) {
			err := failed(c.Profiles.Get(t.Context(), pid, option))
			require.ErrorIs(t, err, passfort.ErrInvalidInput)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "elsewhere")
		})
	}
	require.Empty(t, s.seen())
}

func TestMaxAttemptsOfOneCall(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(503, ""))
	c := newClient(t, s)
	for _, n := range []int{1, 2, 5} {
		before := len(s.seen())
		var failure *passfort.Error
		require.ErrorAs(t, failed(c.Profiles.Get(t.Context(), pid, passfort.MaxAttempts(n))), &failure)
		require.Len(t, s.seen()[before:], n)
		require.Equal(t, n, failure.Attempts)
	}
	before := len(s.seen())
	require.ErrorIs(t, failed(c.Profiles.Create(t.Context(), newProfile, passfort.MaxAttempts(5))),
		passfort.ErrOutcomeUnknown)
	require.Len(t, s.seen()[before:], 1, "a write that is sent once stays so")
}

func TestAttemptTimeoutOfOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clientOn(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		began := time.Now()
		err := failed(c.Profiles.Get(t.Context(), pid, passfort.AttemptTimeout(3*time.Second), passfort.MaxAttempts(1)))
		require.Error(t, err)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestWireDump(t *testing.T) {
	t.Parallel()
	const secret = "canary"
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "canary-request")
		w.Header().Set("Etag", `"canary-tag"`)
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w,
			`{"errors":[{"code":201,"message":"canary Kim","info":{"canary@kim.example":true}}],"born":"1901-02-03",
			"id":"`+pid+`","list":[1,2,3,4,5],"none":null,"canary kim":{}}`)
	})
	var dump bytes.Buffer
	c := newClient(t, s, passfort.WithWireDump(&dump))
	_, err := c.Tags.Add(t.Context(), pid, "canary tag", passfort.Header("X-Note", "canary note"),
		passfort.Query("q", "canary query"))
	require.Error(t, err)
	text := dump.String()
	require.NotContains(t, strings.ToLower(text), secret)
	for _, hidden := range []string{testKey, pid, "Kim", "1901-02-03", "kim.example"} {
		require.NotContains(t, text, hidden)
	}
	for _, shown := range []string{
		"--> POST /{}/4.0/profiles/{}/tags?q=\n", "Apikey: [redacted]\n", "X-Note: [redacted]\n",
		"Content-Type: application/json\n",
		"{name: text(10)}\n", "<-- 422 HTTP/", "Etag: [redacted]\n",
		"{errors: [{code: number, message: text(10), info: {*: bool}}], born: date, id: uuid, " +
			"list: [number, number, number, ... 2 more], none: null, *: {}}\n",
	} {
		require.Contains(t, text, shown)
	}
}

// A transport that gives no body, or no answer, is dumped too.
func TestWireDumpOfNothing(t *testing.T) {
	t.Parallel()
	for shown, resp := range map[string]*http.Response{
		"<-- 404 ": {StatusCode: http.StatusNotFound}, "<-- no answer after": nil,
	} {
		var dump bytes.Buffer
		c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) { return resp, nil }),
			passfort.WithWireDump(&dump))
		require.Error(t, c.Profiles.Delete(t.Context(), pid, ""))
		require.Equal(t, 1, strings.Count(dump.String(), shown))
	}
}

// A dump of an image does not hold the image.
func TestWireDumpOfAnImage(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{"id":"i"}`))
	var dump bytes.Buffer
	c := newClient(t, s, passfort.WithWireDump(&dump))
	image := append([]byte("%PDF-1.7\n"), make([]byte, 1<<20)...)
	_, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{Name: "canary.pdf", Body: bytes.NewReader(image)})
	require.NoError(t, err)
	require.Contains(t, dump.String(), "too many to print their shape")
	require.NotContains(t, dump.String(), "canary")
	require.Less(t, dump.Len(), 4096)
}

// A transport that keeps the two idle connections of net/http is warned of, once.
func TestFewIdleConnectionsAreWarnedOf(t *testing.T) {
	t.Parallel()
	built := passfort.DefaultTransport()
	none := &http.Transport{DisableKeepAlives: true}
	for name, row := range map[string]struct {
		transport http.RoundTripper
		says      string
	}{
		"net/http's":      {http.DefaultTransport, "idle_connections=2"},
		"made anew":       {&http.Transport{}, "idle_connections=2"},
		"eight":           {&http.Transport{MaxIdleConnsPerHost: 8}, "idle_connections=8"},
		"ours":            {built, ""},
		"without any":     {none, ""},
		"not of net/http": {roundTrip(nil), ""},
		"nil":             {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, nil))
			_, err := passfort.New(testKey, passfort.WithHTTPClient(&http.Client{Transport: row.transport}),
				passfort.WithLogger(logger))
			require.NoError(t, err)
			if row.says == "" {
				require.Empty(t, log.String())
				return
			}
			require.Contains(t, log.String(), row.says)
			require.Contains(t, log.String(), "level=WARN")
		})
	}
}
