package passfort_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, key, url, want string }{
		{"an empty key", "", "", "the API key is empty"},
		{"a key with a space", "a b", "", "characters that no key has"},
		{"a key with a line end", "key\n", "", "characters that no key has"},
		{"a key with a control character", "key\x7f", "", "characters that no key has"},
		{"a key that is not ASCII", "clé", "", "characters that no key has"},
		{"no URL", "k", "://", "cannot be parsed"},
		{"another scheme", "k", "ftp://api.example", "needs https"},
		{"no host", "k", "https:///4.0", "needs https"},
		{"a query", "k", "https://api.example/4.0?apikey=x", "more than scheme, host and path"},
		{"a user", "k", "https://me:secret@api.example", "more than scheme, host and path"},
		{"plain http to another machine", "k", "http://api.example/4.0", "plain http"},
		{"plain http to a name like this machine's", "k", "http://localhost.example", "plain http"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var opts []passfort.Option
			if row.url != "" {
				opts = append(opts, passfort.WithBaseURL(row.url))
			}
			c, err := passfort.New(row.key, opts...)
			require.Nil(t, c)
			require.ErrorIs(t, err, passfort.ErrInvalidInput)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
	for _, good := range []string{"https://api.passfort.com/4.0", "http://127.0.0.1:4010/4.0/", "http://[::1]:4010",
		"http://LOCALHOST:4010"} {
		_, err := passfort.New("k", passfort.WithBaseURL(good), nil)
		require.NoError(t, err, good)
	}
	_, err := passfort.New("k", passfort.WithBaseURL("http://simulator:4010/4.0"), passfort.WithPlainHTTP())
	require.NoError(t, err)
	_, err = passfort.New("k", passfort.WithBaseURL("ftp://simulator/4.0"), passfort.WithPlainHTTP())
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	_, err = passfort.New("!key~")
	require.NoError(t, err)
	_, err = passfort.New("k", passfort.WithUserAgent("a\r\nb: c"))
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
}

// TestBadInput: a clear error before any request, and no outcome but "not sent".
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{}`))
	c := newClient(t, s)
	ctx := t.Context()
	var none context.Context
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"empty id", failed(c.Profiles.Get(ctx, "")), "the profile id is empty"},
		{"blank id", failed(c.Profiles.Get(ctx, " ")), "the profile id is empty"},
		{"step up", failed(c.Profiles.Get(ctx, "..")), "would be taken for a step in the path"},
		{"step up in a term", failed(c.Tags.Search(ctx, "..", 0)), "would be taken for a step in the path"},
		{"step up inside", failed(c.Checks.Get(ctx, pid, "../../whoami")), "the check id has characters"},
		{"slash", failed(c.Profiles.Get(ctx, "a/b")), "the profile id has characters"},
		{"query", failed(c.Profiles.Get(ctx, "a?x=1")), "the profile id has characters"},
		{"line end", failed(c.Profiles.Get(ctx, "a\nb")), "the profile id has characters"},
		{"no profile", failed(c.Profiles.Create(ctx, nil)), "the profile request is nil"},
		{"no role", failed(c.Profiles.Create(ctx, &passfort.ProfileRequest{CollectedData: passfort.NewCompany()})),
			"the role is empty"},
		{"no data", failed(c.Profiles.Create(ctx, &passfort.ProfileRequest{Role: "X"})), "the collected data is nil"},
		{"no entity type", failed(c.Profiles.Create(ctx, &passfort.ProfileRequest{Role: "X",
			CollectedData: &passfort.EntityData{}})), "the entity type is empty"},
		{"no product at creation", failed(c.Profiles.Create(ctx,
			&passfort.ProfileRequest{Role: "X", CollectedData: passfort.NewCompany(),
				Applications: make([]passfort.ApplicationRequest, 1)})), "the product has neither alias nor id"},
		{"no search options", failed(c.Search.Companies(ctx, nil)), "the search options are nil"},
		{"no country", failed(c.Search.Companies(ctx, &passfort.CompanySearchOptions{Query: "x"})),
			"the country is empty"},
		{"no query", failed(c.Search.Companies(ctx, &passfort.CompanySearchOptions{Country: "GBR"})),
			"the query is empty"},
		{"no address options", failed(c.Search.Addresses(ctx, nil)), "the search options are nil"},
		{"no address", failed(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{CountryCode: "GBR"})),
			"the address is empty"},
		{"long address", failed(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{CountryCode: "GBR",
			Address: strings.Repeat("é", 201)})), "the address has more than 200 characters"},
		{"no country code", failed(c.Search.Addresses(ctx,
			&passfort.AddressSearchOptions{Address: strings.Repeat("é", 200)})), "the country code is empty"},
		{"negative limit", failed(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{CountryCode: "GBR",
			Address: "x", Limit: -1})), "the limit is not between 0 and 100"},
		{"large limit", failed(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{CountryCode: "GBR", Address: "x",
			Limit: 101})), "the limit is not between 0 and 100"},
		{"no product", failed(c.Applications.Create(ctx, pid, &passfort.ApplicationRequest{})),
			"the product has neither alias nor id"},
		{"no application", failed(c.Applications.Create(ctx, pid, nil)), "the application request is nil"},
		{"no status", failed(c.Applications.SetStatus(ctx, pid, oid, "")), "the status is empty"},
		{"no condition", failed(c.Applications.Wait(ctx, pid, oid, nil, nil)), "the condition to wait for is nil"},
		{"ETag with a line end", failed(c.CollectedData.Replace(ctx, pid,
			&passfort.CollectedData{EntityData: *passfort.NewCompany(), ETag: "W/\"1\n\""})),
			"a header has characters that a header cannot hold"},
		{"header with a line end", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/x", Header: http.Header{"X-New": {"a\nb"}}})),
			"a header has characters that a header cannot hold"},
		{"header without a name", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/x", Header: http.Header{"": {"a"}}})),
			"a header has a name that no header has"},
		{"header with a space in its name", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/x", Header: http.Header{"X New": {"a"}}})),
			"a header has a name that no header has"},
		{"no context for a check", failed(c.Checks.Wait(none, pid, oid, nil)), "the context is nil"},
		{"no context for an application", failed(c.Applications.Wait(none, pid, oid, func(*passfort.Application) bool {
			return false
		}, nil)), "the context is nil"},
		{"no context for a customer request", failed(c.Forms.Wait(none, pid, nil)), "the context is nil"},
		{"no context for a registration", failed(c.Forms.StartRegistration(none,
			&passfort.RegistrationParams{ProfileID: pid, FlowTemplate: "f", Theme: "t"})), "the context is nil"},
		{"no change", failed(c.CollectedData.Update(ctx, pid, nil)), "the change function is nil"},
		{"no check", failed(c.Checks.Run(ctx, pid, nil)), "the check request is nil"},
		{"no check type", failed(c.Checks.Run(ctx, pid, &passfort.CheckRequest{})), "the check type is empty"},
		{"no task", failed(c.Tasks.Create(ctx, pid, nil)), "the task request is nil"},
		{"no task type", failed(c.Tasks.Create(ctx, pid, &passfort.TaskRequest{})), "neither type nor variant"},
		{"no task update", failed(c.Tasks.Update(ctx, pid, oid, nil)), "the task update is nil"},
		{"no task state", failed(c.Tasks.Complete(ctx, pid, oid, "")), "the state is empty"},
		{"no note", failed(c.Tasks.AddNote(ctx, pid, oid, nil)), "the note request is nil"},
		{"empty note", failed(c.Tasks.AddNote(ctx, pid, oid, &passfort.NoteRequest{})), "the note is empty"},
		{"no event", failed(c.Events.Create(ctx, pid, nil)), "the event is nil"},
		{"event without a type", failed(c.Events.Create(ctx, pid, &passfort.Event{})), "the event has no type"},
		{"no event to update", failed(c.Events.Update(ctx, pid, oid, nil)), "the event is nil"},
		{"no resolution", failed(c.Events.Resolve(ctx, pid, oid, "", "")), "the resolution is empty"},
		{"no events", failed(c.Events.BulkUpdate(ctx, pid, nil)), "there are no events"},
		{"event without an id", failed(c.Events.BulkUpdate(ctx, pid, make([]passfort.Event, 1))), "an event has no id"},
		{"no bulk resolution", failed(c.Events.BulkResolve(ctx, pid, []string{oid}, "", "")),
			"the resolution is empty"},
		{"no tag", failed(c.Tags.Add(ctx, pid, "")), "the tag name is empty"},
		{"long tag", failed(c.Tags.Add(ctx, pid, strings.Repeat("é", 65))), "more than 64 characters"},
		{"no term", failed(c.Tags.Search(ctx, "", 0)), "the term is empty"},
		{"negative limit", failed(c.Tags.Search(ctx, "x", -1)), "the limit is negative"},
		{"page too large", failed(c.Profiles.List(ctx, &passfort.ProfileListOptions{Limit: 201})),
			"not between 0 and 200"},
		{"negative offset", failed(c.Profiles.List(ctx, &passfort.ProfileListOptions{Offset: -1})),
			"the offset is negative"},
		{"no profiles for a key", failed(c.Collect.CreateKey(ctx, nil)), "there are no profile ids"},
		{"bad profile for a key", failed(c.Collect.CreateKey(ctx, []string{"a/b"})), "the profile id has characters"},
		{"step without a type", failed(c.Collect.SetSteps(ctx, pid, make([]passfort.CollectionStep, 1))),
			"has no type"},
		{"no country", failed(c.Search.Companies(ctx, &passfort.CompanySearchOptions{Query: "x"})),
			"the country is empty"},
		{"no query", failed(c.Search.Companies(ctx, &passfort.CompanySearchOptions{Country: "GBR"})),
			"the query is empty"},
		{"no search", failed(c.Search.Addresses(ctx, nil)), "the search options are nil"},
		{"long address", failed(c.Search.Addresses(ctx, &passfort.AddressSearchOptions{Address: strings.Repeat("x",
			201), CountryCode: "GBR"})), "more than 200"},
		{"no address id", failed(c.Search.FormatAddress(ctx, "", "GBR")), "the address id is empty"},
		{"no writer", failed(c.Audit.PDFReport(ctx, pid, nil)), "the writer is nil"},
		{"invalid UTF-8", failed(c.Tags.Add(ctx, pid, "\xff")), "name: string is not valid UTF-8"},
		{"nil context", failed(c.Profiles.Get(none, pid)), "the context is nil"},
		{"request without a method", failed(passfort.Do[any](ctx, c, passfort.Request{Path: "/x"})),
			"the method is empty"},
		{"request to another host", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "GET", Path: "//evil.example/x"})), "not a path below"},
		{"request with an element that steps up", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "GET", Path: passfort.Path("a", "..")})), "not a path below"},
		{"request that steps up", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "GET", Path: "/a/%2e%2e/b"})), "not a path below"},
		{"request with a query in its path", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "GET", Path: "/a?b=c"})), "not a path below"},
		{"request with another key", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "GET", Path: "/a", Header: http.Header{"apiKey": {"x"}}})), "the SDK's own"},
		{"request that has no JSON form", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/a", Body: func() {}})), "no JSON form"},
		{"request with a reader", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/a", Body: strings.NewReader("{}")})), "json.RawMessage"},
		{"request with bytes", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/a", Body: []byte("{}")})), "json.RawMessage"},
		{"request with invalid UTF-8", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/a", Body: []string{"\xff"}})), "not valid UTF-8"},
		{"request of bad JSON text", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "POST", Path: "/a", Body: json.RawMessage("{\"a\":\"\xff\"}")})),
			"not valid UTF-8"},
		{"path with invalid UTF-8", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "GET", Path: passfort.Path("\xff")})), "not a path below"},
		{"query with invalid UTF-8", failed(passfort.Do[any](ctx, c,
			passfort.Request{Method: "GET", Path: "/a", Query: url.Values{"q": {"\xff"}}})), "not valid UTF-8"},
		{"query option with invalid UTF-8", failed(c.Profiles.Get(ctx, pid, passfort.Query("\xff", "1"))),
			"not valid UTF-8"},
		{"search with invalid UTF-8", failed(c.Search.Companies(ctx,
			&passfort.CompanySearchOptions{Query: "\xff", Country: "GBR"})), "not valid UTF-8"},
		{"stream without a writer", failed(passfort.DoTo(ctx, c, passfort.Request{Method: "GET", Path: "/a"}, nil)),
			"the writer is nil"},
		{"stream of a bad request", failed(passfort.DoTo(ctx, c,
			passfort.Request{Method: "POST", Path: "/a", Body: []byte("x")}, io.Discard)), "json.RawMessage"},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.ErrorIs(t, row.err, passfort.ErrInvalidInput)
			require.ErrorContains(t, row.err, row.want)
			var failure *passfort.Error
			require.ErrorAs(t, row.err, &failure)
			require.Equal(t, passfort.OutcomeNotSent, failure.Outcome)
			require.Zero(t, failure.Attempts)
			require.False(t, failure.Transient())
		})
	}
	require.Empty(t, s.seen())
}

func TestCaptureResponse(t *testing.T) {
	t.Parallel()
	var seen passfort.Response
	c := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Thing", "1")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, identity)
	}))
	require.NoError(t, failed(c.Profiles.Create(t.Context(), newProfile, nil, passfort.CaptureResponse(&seen))))
	require.Equal(t, 201, seen.StatusCode)
	require.Equal(t, "1", seen.Header.Get("X-Thing"))
	require.Equal(t, 1, seen.Attempts)

	c = newClient(t, serve(t, respond(503, "")))
	require.Error(t, failed(c.Profiles.Get(t.Context(), pid, passfort.CaptureResponse(&seen))))
	require.Equal(t, 503, seen.StatusCode)
	require.Equal(t, 3, seen.Attempts)
}

func TestHTTPClientIsNotAltered(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, identity))
	transport := trusting(s.Server)
	mine := &http.Client{Transport: transport, Timeout: time.Minute}
	before := *mine
	require.NoError(t, failed(newClient(t, s, passfort.WithHTTPClient(mine)).Profiles.Get(t.Context(), pid)))
	require.Same(t, transport, mine.Transport)
	require.Nil(t, mine.CheckRedirect)
	require.Equal(t, before.Timeout, mine.Timeout)
}

// TestFailedCallKeepsOtherConnections: a call that fails must not make the
// others dial anew.
func TestFailedCallKeepsOtherConnections(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	remotes := map[string]bool{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		remotes[r.RemoteAddr] = true
		mu.Unlock()
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, strings.Repeat("x", 64<<10))
	})
	c := newClient(t, s)
	for range 5 {
		require.Error(t, failed(c.Profiles.Get(t.Context(), pid)))
	}
	require.Len(t, s.seen(), 15)
	require.Len(t, remotes, 1)
}

func TestRedirectsKeepTheKeyHere(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, respond(200, identity))
	for _, row := range []struct {
		name   string
		target string
	}{
		{"another host", elsewhere.URL + "/profiles/x"},
		{"the same host by another name", ""},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			target := row.target
			if target == "" {
				target = strings.Replace("http://"+r.Host, "127.0.0.1", "localhost", 1) + "/x"
			}
			http.Redirect(w, r, target, http.StatusFound)
		})
		_, err := newClient(t, s).Profiles.Get(t.Context(), pid)
		require.ErrorContains(t, err, "302 Found: a redirect that is not followed", row.name)
		require.Len(t, s.seen(), 1, row.name)
	}
	require.Empty(t, elsewhere.seen())

	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+r.RequestURI, http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	c, err := passfort.New(testKey, passfort.WithBaseURL(secure.URL), passfort.WithHTTPClient(secure.Client()))
	require.NoError(t, err)
	require.ErrorContains(t, failed(c.Profiles.Get(t.Context(), pid)), "a redirect that is not followed")
	c = newClient(t, serve(t, respond(http.StatusNotModified, "")))
	require.NotContains(t, failed(c.Profiles.Get(t.Context(), pid)).Error(), "redirect")
}

func TestCertificateIsNotAccepted(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(respond(200, identity))
	s.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	c, err := passfort.New(testKey, passfort.WithBaseURL(s.URL), quick)
	require.NoError(t, err)
	_, err = c.Profiles.Create(t.Context(), newProfile)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, passfort.OutcomeNotSent, failure.Outcome)
	require.Equal(t, 1, failure.Attempts, "another attempt would not help")
	var certificate *tls.CertificateVerificationError
	require.ErrorAs(t, err, &certificate)
	require.ErrorContains(t, err, "certificate was not accepted")
}

type limiter func(ctx context.Context, operation string) error

func (l limiter) Wait(ctx context.Context, operation string) error { return l(ctx, operation) }

func TestLimiter(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	s := serve(t, respond(429, ""))
	c := newClient(t, s, passfort.WithLimiter(limiter(func(_ context.Context, operation string) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, operation)
		return nil
	})))
	for _, op := range cases.All() {
		require.Error(t, op.Call(t.Context(), c, cases.Wire()))
	}
	require.Equal(t, []string{
		"Profiles.Create", "Profiles.Create", "Profiles.Create",
		"CollectedData.Replace", "CollectedData.Replace", "CollectedData.Replace",
		"Audit.PDFReport", "Audit.PDFReport", "Audit.PDFReport",
	}, asked, "limited operations, each attempt")

	full := errors.New("the bucket is empty")
	s = serve(t, respond(200, identity))
	_, err := newClient(t, s, passfort.WithLimiter(limiter(func(context.Context, string) error {
		return full
	}))).Profiles.Create(t.Context(), newProfile)
	require.ErrorIs(t, err, full)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, passfort.OutcomeNotSent, failure.Outcome)
	require.Empty(t, s.seen())
}

type spanKey struct{}

type events struct {
	mu       sync.Mutex
	attempts []passfort.AttemptInfo
	results  []passfort.CallResult
	inSpan   bool
}

func (e *events) CallStarted(ctx context.Context, call passfort.CallInfo) context.Context {
	return context.WithValue(ctx, spanKey{}, call.Operation)
}

func (e *events) AttemptEnded(ctx context.Context, a passfort.AttemptInfo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.attempts = append(e.attempts, a)
	e.inSpan = ctx.Value(spanKey{}) == a.Operation
}

func (e *events) CallEnded(_ context.Context, r passfort.CallResult) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.results = append(e.results, r)
}

func TestObserver(t *testing.T) {
	t.Parallel()
	n := 0
	var mu sync.Mutex
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("X-Request-Id", fmt.Sprint("req-", n))
		if n++; n < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, identity)
	})
	seen := &events{}
	require.NoError(t, failed(newClient(t, s, passfort.WithObserver(seen)).Profiles.Get(t.Context(), pid)))
	info := passfort.CallInfo{Operation: "Profiles.Get", Method: "GET", Route: "/profiles/{profile_id}"}
	require.Len(t, seen.attempts, 3)
	for i, a := range seen.attempts {
		require.Positive(t, a.Duration)
		a.Duration = 0
		require.Equal(t, passfort.AttemptInfo{CallInfo: info, Attempt: i + 1, StatusCode: []int{502, 502, 200}[i],
			RequestID: fmt.Sprint("req-", i)}, a)
	}
	require.True(t, seen.inSpan, "attempts carry the context that CallStarted returned")
	require.Len(t, seen.results, 1)
	require.Equal(t, 3, seen.results[0].Attempts)
	require.Equal(t, 200, seen.results[0].StatusCode)
	require.Nil(t, seen.results[0].Err)

	seen = &events{}
	require.Error(t, failed(newClient(t, serve(t, respond(404, "")),
		passfort.WithObserver(seen)).Profiles.Get(t.Context(), pid)))
	require.ErrorIs(t, seen.results[0].Err, passfort.ErrNotFound)
}

func TestObserverIsToldTheQuota(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		status int
		header []string
		want   *passfort.Quota
		asked  time.Duration
	}{
		{"a success", 200, []string{"X-RateLimit-Remaining", "9999", "X-RateLimit-Reset-Secs", "0.36"},
			&passfort.Quota{Remaining: 9999, Reset: 360 * time.Millisecond}, 0},
		{"a refusal", 429, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset-Secs", "3600",
			"X-RateLimit-Retry-Secs", "0.5"}, &passfort.Quota{Reset: time.Hour}, 500 * time.Millisecond},
		{"without a reset", 200, []string{"X-RateLimit-Remaining", "3"}, &passfort.Quota{Remaining: 3}, 0},
		{"no headers", 200, nil, nil, 0},
		{"not a number", 200, []string{"X-RateLimit-Remaining", "many"}, nil, 0},
		{"negative", 200, []string{"X-RateLimit-Remaining", "-1"}, nil, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			seen := &events{}
			transport := roundTrip(func(*http.Request) (*http.Response, error) {
				return answered(row.status, identity, row.header...), nil
			})
			c, err := passfort.New(testKey, passfort.WithHTTPClient(&http.Client{Transport: transport}),
				passfort.WithObserver(seen), passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))
			require.NoError(t, err)
			_, err = c.Profiles.Create(t.Context(), newProfile)
			require.Equal(t, row.status == 200, err == nil)
			require.Len(t, seen.attempts, 1)
			require.Equal(t, row.want, seen.attempts[0].Quota)
			require.Equal(t, row.asked, seen.attempts[0].RetryAfter)
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, identity))
	c := newClient(t, s)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 10 {
				if err := failed(c.Profiles.Get(context.Background(), pid)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, s.seen(), 500)
}

func TestIDsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, identity))
	c := newClient(t, s)
	for _, odd := range []string{"", " ", ".", "..", "a b", "a\x7f", "a\n", "a/b", "a..b", "a%b", "a?b", "a#b", `a\b`} {
		_, err := c.Profiles.Get(t.Context(), odd)
		require.ErrorIs(t, err, passfort.ErrInvalidInput, "%q", odd)
	}
	require.Empty(t, s.seen())
	require.NoError(t, failed(c.Profiles.Get(t.Context(), "a!~")))
}

func TestTagNamesMayHave64Characters(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t, respond(200, identity)))
	require.NoError(t, failed(c.Tags.Add(t.Context(), pid, strings.Repeat("é", 64))))
	require.ErrorIs(t, failed(c.Tags.Add(t.Context(), pid, strings.Repeat("é", 65))), passfort.ErrInvalidInput)
}
