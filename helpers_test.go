package passfort_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/wire/wiretest"
	"github.com/passfort-go/passfort/passforttest"
)

func failed[T any](_ T, err error) error { return err }

// received is what a server of these tests was sent.
type received struct {
	Method, URI, Body string
	Header            http.Header
}

// server answers every request with the next of its answers, the last one for
// ever, and records what it was sent.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []received
}

func serve(t testing.TB, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests = append(s.requests, received{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		s.mu.Unlock()
		answer(w, r)
	}))
	return s
}

// overHTTP2 reports whether the tests run over HTTP/2 with TLS: see .ci/run.
func overHTTP2() bool { return os.Getenv("PASSFORT_TEST_HTTP2") != "" }

// onHTTP1 skips a test that is about HTTP/1 only.
func onHTTP1(t testing.TB) {
	t.Helper()
	if overHTTP2() {
		t.Skip("of HTTP/1 only")
	}
}

// measuresMemory skips a test of memory where that is not what a program has: under
// the race detector, and where the server of the test speaks HTTP/2.
func measuresMemory(t testing.TB) {
	t.Helper()
	onHTTP1(t)
	if info, ok := debug.ReadBuildInfo(); ok &&
		slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector takes memory of its own")
	}
}

// listen starts a server of the protocol that the tests run over.
func listen(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if overHTTP2() {
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

// trusting returns the transport of the SDK with trust in the server.
func trusting(srv *httptest.Server) *http.Transport {
	tr := passfort.DefaultTransport()
	if srv.TLS != nil {
		tr.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	}
	return tr
}

func (s *server) seen() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.requests...)
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func newClient(t testing.TB, s *server, opts ...passfort.Option) *passfort.Client {
	t.Helper()
	tr := trusting(s.Server)
	t.Cleanup(tr.CloseIdleConnections)
	first := []passfort.Option{passfort.WithBaseURL(s.URL + "/base/4.0/"),
		passfort.WithHTTPClient(&http.Client{Transport: tr}), quick}
	c, err := passfort.New(testKey, append(first, opts...)...)
	require.NoError(t, err)
	return c
}

func clientOn(t testing.TB, transport http.RoundTripper, opts ...passfort.Option) *passfort.Client {
	t.Helper()
	c, err := passfort.New(testKey,
		append([]passfort.Option{passfort.WithHTTPClient(&http.Client{Transport: transport}), quick}, opts...)...)
	require.NoError(t, err)
	return c
}

func tree(t testing.TB, doc string) any {
	t.Helper()
	v, err := wiretest.Tree([]byte(doc))
	require.NoError(t, err)
	return v
}

// newPerson makes a profile on the simulator.
func newPerson(t testing.TB, sim *passforttest.Server, c *passfort.Client) string {
	t.Helper()
	data := passfort.NewIndividual()
	data.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sample"},
	}
	profile, err := c.Profiles.Create(context.Background(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: data,
	})
	require.NoError(t, err)
	sim.ForgetRequests()
	return profile.ID
}

// simulated starts a simulator, makes a client of it and a profile on it.
func simulated(
	t testing.TB, opts ...passforttest.Option,
) (sim *passforttest.Server, c *passfort.Client, profileID string) {
	t.Helper()
	sim = passforttest.NewServer(opts...)
	t.Cleanup(sim.Close)
	c = sim.Client(quick)
	return sim, c, newPerson(t, sim, c)
}

// hangUp closes the connection without an answer, after the request was read.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler) // which ends the stream
	}
	conn, _, err := hijacker.Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answered(status int, body string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func requireOutcome(t *testing.T, err error, want passfort.Outcome) *passfort.Error {
	t.Helper()
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, want, failure.Outcome, err.Error())
	return failure
}

func bearer(secret string) http.Header {
	return http.Header{"Authorization": {"Bearer " + secret}}
}

// delivery returns a request with the header of the secret "s0".
func delivery(ctx context.Context, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header = bearer("s0")
	return r
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newHandler(t testing.TB, opts ...passfort.WebhookOption) *passfort.WebhookHandler {
	t.Helper()
	h, err := passfort.NewWebhookHandler([]string{"s0"}, opts...)
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

const (
	pid = "a2c4393a-e219-67a4-5ab4-2186952e9038" // a profile
	oid = "b0ce7c17-2cab-86e7-9a83-ebee0d4d5dc8" // something of the profile
	nid = "3d7a333c-418d-72a1-007b-06854dbb28eb" // a note
)

const testKey = "key-for-tests"

// quick keeps the retries of tests on real connections short.
var quick = passfort.WithRetry(passfort.RetryPolicy{
	MaxAttempts: 3, MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
})
