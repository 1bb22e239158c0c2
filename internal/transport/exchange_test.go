package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/transport"
)

func TestClassesAreNamed(t *testing.T) {
	t.Parallel()
	for i, name := range []string{"once", "safe", "conditional", "idempotent"} {
		require.Equal(t, name, classes[i].String())
	}
}

// What may be sent again, by class and by what came back.
func TestRepeats(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, row := range []struct {
		name   string
		first  turn
		once   int // attempts of a call in class once
		others int
		sent   transport.Sent // after a first attempt that is not repeated
	}{
		{"success", answer(200, "{}"), 1, 1, transport.Yes},
		{"created", answer(201, "{}"), 1, 1, transport.Yes},
		{"bad request", answer(400, "{}"), 1, 1, transport.Yes},
		{"not found", answer(404, "{}"), 1, 1, transport.Yes},
		{"precondition failed", answer(412, "{}"), 1, 1, transport.Yes},
		{"request timeout", answer(408, ""), 1, 2, transport.Yes},
		{"too early", answer(425, ""), 1, 2, transport.Yes},
		{"rate limited", answer(429, ""), 2, 2, transport.Yes},
		{"server error", answer(500, ""), 1, 2, transport.Yes},
		{"unknown method", answer(501, ""), 1, 1, transport.Yes},
		{"bad gateway", answer(502, ""), 1, 2, transport.Yes},
		{"unavailable", answer(503, ""), 1, 2, transport.Yes},
		{"gateway timeout", answer(504, ""), 1, 2, transport.Yes},
		{"reset", broken(errReset), 1, 2, transport.Maybe},
		{"refused", broken(refused), 2, 2, transport.No},
		{"no such host", broken(&net.DNSError{Name: "api.example"}), 2, 2, transport.No},
		{"certificate", broken(&tls.CertificateVerificationError{Err: errReset}), 1, 1, transport.Maybe},
		{"authority", broken(x509.UnknownAuthorityError{}), 1, 1, transport.Maybe},
		{"broken answer", func(*http.Request) reply {
			return respond(200, io.MultiReader(strings.NewReader("{"), iotest.ErrReader(errReset)))
		}, 1, 2, transport.Yes},
	} {
		for _, class := range classes {
			t.Run(row.name+" "+class.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					res, s := do(t, &transport.Call{Class: class}, row.first, answer(200, "second"))
					want := row.others
					if class == transport.Once {
						want = row.once
					}
					require.Len(t, s.at, want)
					require.Equal(t, want, res.Attempts)
					if want == 2 {
						require.NoError(t, res.Err)
						require.Equal(t, "second", string(res.Body))
						require.Equal(t, transport.Yes, res.Sent)
						return
					}
					require.Equal(t, row.sent, res.Sent)
				})
			})
		}
	}
}

// An earlier attempt that may have been done is not forgotten.
func TestLost(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		first turn
		want  bool
	}{
		{"reset", broken(errReset), true},
		{"server error", answer(503, ""), true},
		{"rate limited", answer(429, ""), false},
		{"never left", broken(&net.OpError{Op: "dial", Err: errReset}), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				res, _ := do(t, &transport.Call{Class: transport.Idempotent}, row.first, answer(400, "no"))
				require.Equal(t, 2, res.Attempts)
				require.Equal(t, row.want, res.Lost)
				require.Equal(t, row.want, res.Uncertain())
			})
		})
	}
}

func TestAttemptsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		res, s := do(t, &transport.Call{Class: transport.Safe}, answer(503, "busy", "X-Request-Id", "r1"))
		require.Equal(t, 4, res.Attempts)
		require.Equal(t, 503, res.Status)
		require.Equal(t, "busy", string(res.Body))
		require.Equal(t, "r1", res.Header.Get("X-Request-Id"))
		require.NoError(t, res.Err)
		for i, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			paused := s.at[i+1].Sub(s.at[i])
			require.GreaterOrEqual(t, paused, wait/2)
			require.LessOrEqual(t, paused, wait)
		}
		require.LessOrEqual(t, time.Since(began), 7*time.Second, "no pause after the last attempt")
	})
}

func TestOneAttempt(t *testing.T) {
	for _, most := range []int{0, 1} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := policy
				p.MaxAttempts = most
				res, s := doIn(t.Context(), &transport.Call{Class: transport.Safe}, p, answer(503, ""))
				require.Equal(t, 1, res.Attempts)
				require.Len(t, s.at, 1)
			})
		})
	}
}

// A wait that the server asks for is waited, and a little more, so that not
// all come back at once.
func TestAskedWaitIsWaited(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spread := map[time.Duration]bool{}
		for range 20 {
			res, s := do(t, &transport.Call{Class: transport.Once}, answer(429, "", "Retry-After", "20"),
				answer(200, "{}"))
			require.Equal(t, 2, res.Attempts)
			require.Zero(t, res.Asked, "the last answer asked for nothing")
			paused := s.at[1].Sub(s.at[0])
			require.GreaterOrEqual(t, paused, 20*time.Second)
			require.LessOrEqual(t, paused, 21*time.Second, "at most a second more")
			spread[paused] = true
		}
		require.Greater(t, len(spread), 10)
	})
}

func TestShortAskedWaitIsSpreadByATenth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for range 20 {
			_, s := do(t, &transport.Call{Class: transport.Once}, answer(429, "", "Retry-After", "1"),
				answer(200, "{}"))
			require.LessOrEqual(t, s.at[1].Sub(s.at[0]), 1100*time.Millisecond)
		}
	})
}

// A wait that cannot end in time is not begun.
func TestWaitThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		asked    string
		deadline time.Duration // 0: none
		elapsed  time.Duration
		attempts int
	}{
		{"fits the budget", "59", 0, time.Minute, 2},
		{"is the whole budget", "60", 0, time.Minute, 1},
		{"is longer than the budget", "61", 0, time.Minute, 1},
		{"fits the deadline", "9", 10 * time.Second, time.Minute, 2},
		{"is all of the time to the deadline", "10", 10 * time.Second, time.Minute, 1},
		{"is longer than the deadline", "11", 10 * time.Second, time.Minute, 1},
		{"the budget is shorter than the deadline", "9", time.Hour, 8 * time.Second, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := t.Context()
				if row.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, row.deadline)
					defer cancel()
				}
				p := policy
				p.MaxElapsed = row.elapsed
				began := time.Now()
				res, _ := doIn(ctx, &transport.Call{Class: transport.Safe}, p,
					answer(429, "", "Retry-After", row.asked), answer(200, "{}"))
				require.Equal(t, row.attempts, res.Attempts)
				require.NoError(t, res.Err)
				if row.attempts == 1 {
					require.Zero(t, time.Since(began))
					require.Equal(t, 429, res.Status)
					require.NotZero(t, res.Asked)
				}
			})
		})
	}
}

// What the attempts themselves took counts.
func TestTimeOfAttemptsIsPartOfTheBudget(t *testing.T) {
	for asked, attempts := range map[string]int{"29": 2, "31": 1} {
		t.Run(asked, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				slow := func(*http.Request) reply {
					<-time.After(30 * time.Second)
					return respond(429, strings.NewReader(""), "Retry-After", asked)
				}
				res, _ := do(t, &transport.Call{Class: transport.Safe}, slow, answer(200, "{}"))
				require.Equal(t, attempts, res.Attempts)
			})
		})
	}
}

// The little more is never so much that the wait ends after the deadline.
func TestSpreadStaysBeforeTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			res, _ := doIn(ctx, &transport.Call{Class: transport.Safe}, policy, answer(429, "", "Retry-After", "9.99"),
				answer(200, "{}"))
			cancel()
			require.NoError(t, res.Err)
			require.Equal(t, 200, res.Status)
		}
	})
}

// Our own waits are spread already: nothing is put on top.
func TestBackoffIsNotExceeded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := transport.Policy{MaxAttempts: 2, MinBackoff: time.Second, MaxBackoff: time.Second, MaxElapsed: time.Minute}
		for range 500 {
			_, s := doIn(t.Context(), &transport.Call{Class: transport.Safe}, p, answer(503, ""), answer(200, "{}"))
			require.LessOrEqual(t, s.at[1].Sub(s.at[0]), time.Second)
		}
	})
}

// Lost is about earlier attempts.
func TestLastAttemptIsNotEarlier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := policy
		p.MaxAttempts = 1
		res, _ := doIn(t.Context(), &transport.Call{Class: transport.Idempotent}, p, answer(503, ""))
		require.False(t, res.Lost)
		require.True(t, res.Uncertain())
	})
}

func TestAttemptLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := func(req *http.Request) reply {
			<-req.Context().Done()
			return reply{err: req.Context().Err()}
		}
		began := time.Now()
		res, _ := do(t, &transport.Call{Class: transport.Once, Limit: 5 * time.Second}, slow)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.ErrorIs(t, res.Err, transport.ErrAttemptTimeout)
		require.Equal(t, transport.Maybe, res.Sent)
		require.Equal(t, 1, res.Attempts)

		res, _ = do(t, &transport.Call{Class: transport.Safe, Limit: 5 * time.Second}, slow, answer(200, "{}"))
		require.NoError(t, res.Err)
		require.Equal(t, 2, res.Attempts)
	})
}

// The limit holds for the body of the answer too.
func TestAttemptLimitWhileReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		trickle := func(req *http.Request) reply {
			body, w := io.Pipe()
			context.AfterFunc(req.Context(), func() { _ = w.CloseWithError(req.Context().Err()) })
			return respond(200, body)
		}
		res, _ := do(t, &transport.Call{Class: transport.Once, Limit: 5 * time.Second}, trickle)
		require.ErrorIs(t, res.Err, transport.ErrAttemptTimeout)
		require.Equal(t, transport.Yes, res.Sent)
		require.True(t, res.Uncertain())
	})
}

func TestContextEndedBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		res, s := doIn(ctx, &transport.Call{Class: transport.Safe}, policy, answer(200, "{}"))
		require.ErrorIs(t, res.Err, context.Canceled)
		require.Equal(t, transport.No, res.Sent)
		require.Empty(t, s.at)
	})
}

func TestContextEndsInAPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		began := time.Now()
		res, s := doIn(ctx, &transport.Call{Class: transport.Safe}, policy, answer(503, ""))
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		require.ErrorIs(t, res.Err, context.Canceled)
		require.Len(t, s.at, 1)
	})
}

// The end of a pause says nothing about the attempt before it.
func TestWhatAPauseLeavesKnown(t *testing.T) {
	for _, row := range []struct {
		name      string
		class     transport.Class
		turn      turn
		sent      transport.Sent
		uncertain bool
	}{
		{"turned away", transport.Once, answer(429, ""), transport.Yes, false},
		{"failed", transport.Conditional, answer(503, ""), transport.Yes, true},
		{"broken", transport.Conditional, broken(errReset), transport.Maybe, true},
		{"never left", transport.Once, broken(&net.DNSError{}), transport.No, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(100*time.Millisecond, cancel)
				res, s := doIn(ctx, &transport.Call{Class: row.class}, policy, row.turn)
				require.ErrorIs(t, res.Err, context.Canceled)
				require.Len(t, s.at, 1)
				require.True(t, res.Paused)
				require.Equal(t, row.sent, res.Sent)
				require.Equal(t, row.uncertain, res.Uncertain())
			})
		})
	}
}

// net/http repeats a GET when a kept connection breaks.
func TestOnceMeansOnceForNetHTTPToo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		class  transport.Class
		method string
		header http.Header
		sent   int
	}{
		{"once", transport.Once, http.MethodGet, http.Header{}, 1},
		{"once, with the header of a repeat", transport.Once, http.MethodPost, http.Header{"Idempotency-Key": {"1"}},
			1},
		{"safe", transport.Safe, http.MethodGet, http.Header{}, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/first" {
					return
				}
				seen.Add(1)
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					_ = conn.Close()
				}
			}))
			defer srv.Close()
			c := transport.New(nil, transport.Policy{
				MaxAttempts: 1, MinBackoff: 1, MaxBackoff: 1, MaxElapsed: time.Minute,
			})
			first := c.Do(t.Context(), &transport.Call{
				Method: http.MethodGet, URL: srv.URL + "/first", Header: http.Header{},
			})
			require.NoError(t, first.Err)
			res := c.Do(t.Context(), &transport.Call{
				Class: row.class, Method: row.method, URL: srv.URL + "/", Header: row.header,
			})
			require.Error(t, res.Err)
			require.Equal(t, transport.Maybe, res.Sent)
			require.EqualValues(t, row.sent, seen.Load())
		})
	}
}

// Whoever is below the SDK may send a request again only where nothing of it, or
// not all of it, was written before. What was written is a request that the
// server saw, of whatever class.
func TestWhatIsBelowSendsOnce(t *testing.T) {
	t.Parallel()
	written := func(trace *httptrace.ClientTrace) {
		trace.WroteHeaderField("Accept", nil)
		trace.WroteHeaders()
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	for _, row := range []struct {
		name   string
		walk   func(*httptrace.ClientTrace)
		goesOn bool
	}{
		{"nothing written", func(*httptrace.ClientTrace) {}, true},
		{"all written", written, false},
		{"headers written", func(trace *httptrace.ClientTrace) { trace.WroteHeaderField("Accept", nil) }, false},
		{"the write failed", func(trace *httptrace.ClientTrace) {
			trace.WroteHeaders()
			trace.WroteRequest(httptrace.WroteRequestInfo{Err: errReset})
		}, true},
		{"the write failed after the answer began", func(trace *httptrace.ClientTrace) {
			trace.WroteHeaders()
			trace.GotFirstResponseByte()
			trace.WroteRequest(httptrace.WroteRequestInfo{Err: errReset})
		}, false},
		{"the header of a stream", func(trace *httptrace.ClientTrace) {
			trace.WroteHeaderField(":method", nil)
		}, false},
		{"a stream whose body failed", func(trace *httptrace.ClientTrace) {
			trace.WroteHeaderField(":method", nil)
			trace.WroteRequest(httptrace.WroteRequestInfo{Err: errReset})
		}, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			t.Run(row.name+"/"+method, func(t *testing.T) {
				t.Parallel()
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				second, other := net.Pipe()
				defer second.Close()
				defer other.Close()
				hc := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					trace := httptrace.ContextClientTrace(req.Context())
					trace.GetConn("host")
					trace.GotConn(httptrace.GotConnInfo{Conn: near}) // it does not count
					row.walk(trace)
					trace.GetConn("host")
					require.Equal(t, row.goesOn, req.Context().Err() == nil)
					trace.GotConn(httptrace.GotConnInfo{Conn: second})
					go func() { _, _ = io.Copy(io.Discard, other) }()
					_, err := second.Write([]byte("again"))
					require.Equal(t, row.goesOn, err == nil, "a connection that it must not use is closed")
					return nil, errReset
				})}
				once := transport.Policy{MaxAttempts: 1, MinBackoff: 1, MaxBackoff: 1, MaxElapsed: time.Minute}
				res := transport.New(hc, once).Do(t.Context(), &transport.Call{
					Method: method, URL: address, Header: http.Header{},
				})
				require.Equal(t, transport.Maybe, res.Sent)
				require.Equal(t, 1, res.Attempts)
			})
		}
	}
}

func TestTransportsThatAnswerWithNil(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		resp *http.Response
		sent transport.Sent
		fine bool
	}{
		{"no answer", nil, transport.Maybe, false},
		{"no body", &http.Response{StatusCode: http.StatusNoContent}, transport.Yes, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return row.resp, nil
			})}
			res := transport.New(hc, policy).Do(t.Context(), &transport.Call{
				Method: http.MethodPost, URL: address, Header: http.Header{},
			})
			require.Equal(t, row.fine, res.Err == nil)
			require.Equal(t, row.sent, res.Sent)
			require.Empty(t, res.Body)
		})
	}
}

func TestContextEndsInAnAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		res, _ := doIn(ctx, &transport.Call{Class: transport.Safe, Limit: time.Minute}, policy,
			func(req *http.Request) reply {
				<-req.Context().Done()
				return reply{err: req.Context().Err()}
			})
		require.ErrorIs(t, res.Err, context.DeadlineExceeded)
		require.NotErrorIs(t, res.Err, transport.ErrAttemptTimeout)
		require.Equal(t, 1, res.Attempts)
	})
}
