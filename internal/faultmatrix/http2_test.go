package faultmatrix

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/passforttest"
)

// h2fault is something that goes wrong with a request over HTTP/2.
type h2fault struct {
	name string
	plan func(always bool) func(*h2stream) verdict
	// unprocessed says that the protocol says that the server did nothing.
	unprocessed bool
}

func (f h2fault) isSilent() bool { return strings.HasPrefix(f.name, "silent") }

// first lets a plan meet the first request only, or every one.
func first(always bool, plan func(*h2stream) verdict) func(*h2stream) verdict {
	return func(st *h2stream) verdict {
		if st.number > 1 && !always {
			return handle
		}
		return plan(st)
	}
}

// afterwards carries a request out when all of it is there, and then breaks it.
func afterwards(end func(*h2stream)) func(*h2stream) verdict {
	return func(st *h2stream) verdict {
		if !st.whole {
			return handle
		}
		st.server.carryOut(st)
		end(st)
		return drop
	}
}

func h2faults() []h2fault {
	once := func(plan func(*h2stream) verdict) func(bool) func(*h2stream) verdict {
		return func(always bool) func(*h2stream) verdict { return first(always, plan) }
	}
	return []h2fault{
		{"GOAWAY that excludes the stream", once(func(st *h2stream) verdict {
			st.goAway(0)
			_ = st.conn.Close()
			return drop
		}), true},
		{"GOAWAY that excludes the stream, connection left open", once(func(st *h2stream) verdict {
			st.goAway(0)
			return drop
		}), true},
		{"REFUSED_STREAM", once(func(st *h2stream) verdict {
			st.reset(http2.ErrCodeRefusedStream)
			return drop
		}), true},
		{"GOAWAY that includes the stream, not carried out", once(func(st *h2stream) verdict {
			st.goAway(st.id)
			_ = st.conn.Close()
			return drop
		}), false},
		{"GOAWAY that includes the stream, carried out", once(afterwards(func(st *h2stream) {
			st.goAway(st.id)
			_ = st.conn.Close()
		})), false},
		{"INTERNAL_ERROR, carried out", once(afterwards(func(st *h2stream) {
			st.reset(http2.ErrCodeInternal)
		})), false},
		{"INTERNAL_ERROR, not carried out", once(func(st *h2stream) verdict {
			st.reset(http2.ErrCodeInternal)
			return drop
		}), false},
		{"CANCEL, carried out", once(afterwards(func(st *h2stream) { st.reset(http2.ErrCodeCancel) })), false},
		{"ENHANCE_YOUR_CALM, carried out", once(afterwards(func(st *h2stream) {
			st.reset(http2.ErrCodeEnhanceYourCalm)
		})), false},
		{"GOAWAY with an error that excludes the stream", once(func(st *h2stream) verdict {
			st.goAwayWith(0, http2.ErrCodeEnhanceYourCalm)
			_ = st.conn.Close()
			return drop
		}), true},
		{"GOAWAY with an error that includes the stream, carried out", once(afterwards(func(st *h2stream) {
			st.goAwayWith(st.id, http2.ErrCodeInternal)
			_ = st.conn.Close()
		})), false},
		{"closed, carried out", once(afterwards(func(st *h2stream) { _ = st.conn.Close() })), false},
		{"closed, not carried out", once(func(st *h2stream) verdict { _ = st.conn.Close(); return drop }), false},
		{"silent, carried out", once(afterwards(func(st *h2stream) { st.conn.silent.Store(true) })), false},
		{"silent, not carried out", once(func(st *h2stream) verdict {
			st.conn.silent.Store(true)
			return drop
		}), false},
	}
}

// TestHTTP2 is every operation against every fault of HTTP/2: what the SDK says
// is true, no write is carried out twice, and its attempts are the requests that
// the server saw.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	class := classes()
	for _, f := range h2faults() {
		for _, always := range []bool{false, true} {
			name := f.name
			if always {
				name += ", always"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				all := func(t *testing.T, start func(*testing.T, http.Handler) *h2server) {
					t.Helper()
					sim := passforttest.New(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
					t.Cleanup(sim.Close)
					w := fill(t, sim, sim.Client())
					server := start(t, sim.Handler())
					for _, op := range operations() {
						overHTTP2(t, server, w, f, always, op, class[op.Name])
					}
				}
				if f.isSilent() {
					synctest.Test(t, func(t *testing.T) { all(t, newH2bubble) })
					return
				}
				all(t, func(t *testing.T, h http.Handler) *h2server {
					t.Helper()
					return newH2server(t, h, tls.NoClientCert)
				})
			})
		}
	}
}

// overHTTP2 makes one call through one fault with a client of its own.
func overHTTP2(t *testing.T, server *h2server, w *world, f h2fault, always bool, op cases.Case, class string) {
	t.Helper()
	require.NoError(t, w.srv.Restore(w.snapshot))
	w.srv.ForgetRequests()
	tr := passfort.DefaultTransport()
	server.trust(tr)
	hc := &http.Client{Transport: tr}
	if f.isSilent() {
		hc.Timeout = 300 * time.Millisecond // of an attempt, by the clock of the bubble
		defer synctest.Wait()
		defer tr.CloseIdleConnections()
	}
	defer server.closeAll()
	const most = 3
	c, err := passfort.New(w.srv.APIKey(), passfort.WithBaseURL("https://"+server.address+"/4.0"),
		passfort.WithHTTPClient(hc),
		passfort.WithRetry(passfort.RetryPolicy{
			MaxAttempts: most, MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
		}))
	require.NoError(t, err)
	plan := f.plan(always)
	server.forget()
	server.plan.Store(&plan)
	err = op.Call(t.Context(), c, w.World)
	seen := server.forget()
	server.plan.Store(nil)
	var applied int
	for _, r := range w.srv.RequestsTo(op.Name) {
		if r.Applied {
			applied++
		}
	}
	outcome, _ := ending(t, err)
	var failure *passfort.Error
	if errors.As(err, &failure) && failure.Operation == op.Name {
		require.LessOrEqual(t, failure.Attempts, most+1, op.Name)
		require.Equal(t, failure.Attempts, seen, "%s: attempts as the server saw them (%v)", op.Name, err)
	}
	switch outcome {
	case "ok":
		require.NotZero(t, applied, "%s succeeded and was not carried out", op.Name)
	case "not sent", "rejected":
		require.Zero(t, applied, "%s was carried out", op.Name)
	}
	if class == "once" || class == "conditional" {
		require.LessOrEqual(t, applied, 1, "%s was carried out twice", op.Name)
	}
	if f.unprocessed && always {
		require.Equal(t, "not sent", outcome, "%s: %v", op.Name, err)
	}
	if !always && (f.unprocessed || class == "safe") {
		require.Equal(t, "ok", outcome, "%s: %v", op.Name, err)
	}
	// Whatever happened, the next call is fine.
	require.NoError(t, failed(c.WhoAmI(t.Context())), "the call after %s", op.Name)
}

// wrapped is a RoundTripper of a user's that is no *http.Transport.
type wrapped struct{ http.RoundTripper }

// After a timeout another connection is used through a transport of the user's too:
// one that can be cloned, one of golang.org/x/net/http2, and one that hides what it is.
func TestSilentConnectionIsLeft(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]func(*h2server, *http.Transport) http.RoundTripper{
		"a plain one":   func(_ *h2server, tr *http.Transport) http.RoundTripper { return tr },
		"a wrapped one": func(_ *h2server, tr *http.Transport) http.RoundTripper { return wrapped{tr} },
		"one that x/net configured": func(_ *h2server, tr *http.Transport) http.RoundTripper {
			//nolint:staticcheck // Deprecated, and still what many users' transports were made with.
			if _, err := http2.ConfigureTransports(tr); err != nil {
				panic(err)
			}
			return tr
		},
		"one of x/net": func(server *h2server, tr *http.Transport) http.RoundTripper {
			//nolint:staticcheck // Deprecated, and still what many users' transports were made with.
			return &http2.Transport{TLSClientConfig: tr.TLSClientConfig, DialTLSContext: server.memory.dialTLS}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sim := passforttest.New(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
				t.Cleanup(sim.Close)
				w := fill(t, sim, sim.Client())
				server := newH2bubble(t, sim.Handler())
				tr := &http.Transport{ForceAttemptHTTP2: true}
				server.trust(tr)
				hc := &http.Client{Transport: transport(server, tr), Timeout: time.Second} // of the bubble
				c, err := passfort.New(sim.APIKey(), passfort.WithBaseURL("https://"+server.address+"/4.0"),
					passfort.WithHTTPClient(hc), impatient())
				require.NoError(t, err)
				silence := first(false, func(st *h2stream) verdict { st.conn.silent.Store(true); return drop })
				server.plan.Store(&silence)
				_, err = c.Profiles.Get(t.Context(), w.Profile)
				require.NoError(t, err, "the second attempt")
				server.forget()
				_, err = c.Checks.Run(t.Context(), w.Profile, &passfort.CheckRequest{
					Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeAsync,
				})
				require.True(t, err == nil || errors.Is(err, passfort.ErrOutcomeUnknown))
				require.Equal(t, 1, server.forget(), "a write is sent once and never again")
				_, err = c.WhoAmI(t.Context())
				require.NoError(t, err, "the call after it")
				hc.CloseIdleConnections()
			})
		})
	}
}

// A server that closes every connection with a GOAWAY sees MaxAttempts and one.
func TestGoAwayForEver(t *testing.T) {
	t.Parallel()
	sim := passforttest.New(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
	t.Cleanup(sim.Close)
	w := fill(t, sim, sim.Client())
	server := newH2server(t, sim.Handler(), tls.NoClientCert)
	for most := 1; most <= 4; most++ {
		for _, op := range operations() {
			for _, always := range []bool{true, false} {
				require.NoError(t, sim.Restore(w.snapshot))
				tr := passfort.DefaultTransport()
				server.trust(tr)
				c, err := passfort.New(sim.APIKey(), passfort.WithBaseURL("https://"+server.address+"/4.0"),
					passfort.WithHTTPClient(&http.Client{Transport: tr}),
					passfort.WithRetry(passfort.RetryPolicy{
						MaxAttempts: most, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond,
					}))
				require.NoError(t, err)
				server.forget()
				plan := first(always, func(st *h2stream) verdict { st.goAway(0); _ = st.conn.Close(); return drop })
				server.plan.Store(&plan)
				err = op.Call(t.Context(), c, w.World)
				server.plan.Store(nil)
				tr.CloseIdleConnections()
				seen := server.forget()
				if !always {
					require.NoError(t, err, "%s: one honest rotation, %d attempts", op.Name, most)
					continue
				}
				var failure *passfort.Error
				require.ErrorAs(t, err, &failure)
				require.Equal(t, passfort.OutcomeNotSent, failure.Outcome, "%s: %v", op.Name, err)
				require.Equal(t, failure.Attempts, seen, op.Name)
				require.LessOrEqual(t, seen, most+1, op.Name)
			}
		}
	}
}
