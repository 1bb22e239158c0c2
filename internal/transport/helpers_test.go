package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/passfort-go/passfort/internal/transport"
)

const address = "https://api.example/4.0/profiles"

var (
	errReset = errors.New("connection reset")
	policy   = transport.Policy{
		MaxAttempts: 4, MinBackoff: time.Second, MaxBackoff: 8 * time.Second, MaxElapsed: time.Minute,
	}
	classes = []transport.Class{transport.Once, transport.Safe, transport.Conditional, transport.Idempotent}
)

// reply is how an attempt ends: with an answer, or with err.
type reply struct {
	status int
	body   io.Reader
	header http.Header
	length int64 // that the header announces, 0: none
	err    error
}

// turn makes the reply to one attempt.
type turn func(*http.Request) reply

// server is a transport that gives each attempt the next of its turns, and the
// last one from then on.
type server struct {
	turns  []turn
	at     []time.Time // of each attempt
	urls   []string
	bodies []string
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	s.at = append(s.at, time.Now())
	s.urls = append(s.urls, req.URL.String())
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body)
		s.bodies = append(s.bodies, string(body))
		_ = req.Body.Close()
	}
	r := s.turns[min(len(s.at), len(s.turns))-1](req)
	if r.err != nil {
		return nil, r.err
	}
	body, closes := r.body.(io.ReadCloser)
	if !closes {
		body = io.NopCloser(r.body)
	}
	length := r.length
	if length == 0 {
		length = -1
	}
	return &http.Response{StatusCode: r.status, Header: r.header, Body: body, ContentLength: length, Request: req}, nil
}

// do sends a call to a server with these answers.
func do(t *testing.T, call *transport.Call, turns ...turn) (*transport.Result, *server) {
	t.Helper()
	return doIn(t.Context(), call, policy, turns...)
}

func doIn(ctx context.Context, call *transport.Call, p transport.Policy, turns ...turn) (*transport.Result, *server) {
	s := &server{turns: turns}
	if call.Method == "" {
		call.Method = http.MethodPost
	}
	if call.URL == "" {
		call.URL = address
	}
	if call.MaxBody == 0 {
		call.MaxBody = 8 << 20
	}
	if call.Header == nil {
		call.Header = http.Header{}
	}
	return transport.New(&http.Client{Transport: s}, p).Do(ctx, call), s
}

func answer(status int, body string, header ...string) turn {
	return func(*http.Request) reply { return respond(status, strings.NewReader(body), header...) }
}

func respond(status int, body io.Reader, header ...string) reply {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return reply{status: status, body: body, header: h}
}

func broken(err error) turn { return func(*http.Request) reply { return reply{err: err} } }

// bubble runs a test in which waiting takes no time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
