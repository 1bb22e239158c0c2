package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/transport"
)

const address = "https://api.example/4.0/profiles"

var (
	errReset = errors.New("connection reset")
	policy   = transport.Policy{MaxAttempts: 4, MinBackoff: time.Second, MaxBackoff: 8 * time.Second, MaxElapsed: time.Minute}
	classes  = []transport.Class{transport.Once, transport.Safe, transport.Conditional, transport.Idempotent}
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
// everybody comes back at once.
func TestAskedWaitIsWaited(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spread := map[time.Duration]bool{}
		for range 20 {
			res, s := do(t, &transport.Call{Class: transport.Once}, answer(429, "", "Retry-After", "20"), answer(200, "{}"))
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
			_, s := do(t, &transport.Call{Class: transport.Once}, answer(429, "", "Retry-After", "1"), answer(200, "{}"))
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
				res, _ := doIn(ctx, &transport.Call{Class: transport.Safe}, p, answer(429, "", "Retry-After", row.asked), answer(200, "{}"))
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
			res, _ := doIn(ctx, &transport.Call{Class: transport.Safe}, policy, answer(429, "", "Retry-After", "9.99"), answer(200, "{}"))
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

func TestContextEndsInAnAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		res, _ := doIn(ctx, &transport.Call{Class: transport.Safe, Limit: time.Minute}, policy, func(req *http.Request) reply {
			<-req.Context().Done()
			return reply{err: req.Context().Err()}
		})
		require.ErrorIs(t, res.Err, context.DeadlineExceeded)
		require.NotErrorIs(t, res.Err, transport.ErrAttemptTimeout)
		require.Equal(t, 1, res.Attempts)
	})
}

func TestBodies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opened := 0
		body := &transport.Body{Length: 5, Open: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(strings.NewReader("hello")), nil
		}}
		res, s := do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(503, ""), answer(200, "{}"))
		require.NoError(t, res.Err)
		require.Equal(t, []string{"hello", "hello"}, s.bodies)

		whole := false
		body.Replayable = func() bool { return whole }
		res, s = do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(503, ""), answer(200, "{}"))
		require.Equal(t, 503, res.Status)
		require.Len(t, s.at, 1)
		whole = true
		res, _ = do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(503, ""), answer(200, "{}"))
		require.Equal(t, 200, res.Status)

		body.Open = func() (io.ReadCloser, error) { return nil, errReset }
		res, s = do(t, &transport.Call{Class: transport.Safe, Body: body}, answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Equal(t, transport.No, res.Sent)
		require.Empty(t, s.at)
	})
}

func TestLengthOfTheBody(t *testing.T) {
	for _, length := range []int64{5, -1} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				body := &transport.Body{Length: length, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("hello")), nil }}
				var got int64
				_, _ = do(t, &transport.Call{Body: body}, func(req *http.Request) reply {
					got = req.ContentLength
					return respond(200, strings.NewReader("{}"))
				})
				require.Equal(t, length, got)
			})
		})
	}
}

// net/http repeats a request by itself if it can open the body again. It must
// not where only the exchange knows whether that is whole.
func TestGetBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		body := &transport.Body{Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }}
		var has bool
		see := func(req *http.Request) reply {
			has = req.GetBody != nil
			return respond(200, strings.NewReader("{}"))
		}
		_, _ = do(t, &transport.Call{Body: body}, see)
		require.True(t, has)
		body.Replayable = func() bool { return true }
		_, _ = do(t, &transport.Call{Body: body}, see)
		require.False(t, has)
	})
}

func TestAdmit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		call := &transport.Call{Class: transport.Safe, Admit: func(context.Context) error { asked++; return nil }}
		_, _ = do(t, call, answer(503, ""), answer(503, ""), answer(200, "{}"))
		require.Equal(t, 3, asked, "before each attempt")

		closed := false
		call = &transport.Call{
			Class: transport.Safe,
			Admit: func(context.Context) error { return errReset },
			Body: &transport.Body{Open: func() (io.ReadCloser, error) {
				return readCloser{strings.NewReader("x"), func() { closed = true }}, nil
			}},
		}
		res, s := do(t, call, answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Equal(t, transport.No, res.Sent)
		require.Equal(t, 1, res.Attempts)
		require.Empty(t, s.at)
		require.True(t, closed)
	})
}

type readCloser struct {
	io.Reader
	close func()
}

func (r readCloser) Close() error { r.close(); return nil }

func TestDoneIsToldOfEachAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told []transport.Attempt
		call := &transport.Call{Class: transport.Safe, Done: func(a transport.Attempt) { told = append(told, a) }}
		_, _ = do(t, call,
			func(*http.Request) reply {
				<-time.After(3 * time.Second)
				return reply{err: errReset}
			},
			answer(200, "{}", "X-Request-Id", "r2"))
		require.Len(t, told, 2)
		require.Equal(t, 1, told[0].Number)
		require.Zero(t, told[0].Status)
		require.Equal(t, 3*time.Second, told[0].Duration)
		require.ErrorIs(t, told[0].Err, errReset)
		require.Equal(t, 2, told[1].Number)
		require.Equal(t, 200, told[1].Status)
		require.Equal(t, "r2", told[1].Header.Get("X-Request-Id"))
		require.NoError(t, told[1].Err)
	})
}

// How much of an answer is kept.
func TestBodyOfTheAnswer(t *testing.T) {
	t.Parallel()
	const limit, ofRefusal = 2 << 20, 1 << 20
	for _, row := range []struct {
		name    string
		status  int
		size    int
		broken  bool
		kept    int
		err     error
		certain bool
	}{
		{"success at the limit", 200, limit, false, limit, nil, true},
		{"success over the limit", 200, limit + 1, false, -1, transport.ErrBodyTooLarge, false},
		{"success that broke off", 200, 10, true, 10, errReset, false},
		{"last of the successes", 299, limit, false, limit, nil, true},
		{"latest data of a race", 412, limit, false, limit, nil, true},
		{"too much latest data", 412, limit + 1, false, limit, nil, true},
		{"latest data that broke off", 412, 10, true, 10, errReset, false},
		{"refusal at its limit", 400, ofRefusal, false, ofRefusal, nil, true},
		{"refusal over its limit", 400, ofRefusal + 1, false, ofRefusal, nil, true},
		{"refusal that broke off", 400, 10, true, 10, nil, true},
		{"redirect", 300, ofRefusal + 1, false, ofRefusal, nil, true},
	} {
		for _, announced := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					res, _ := do(t, &transport.Call{MaxBody: limit}, func(*http.Request) reply {
						var body io.Reader = bytes.NewReader(make([]byte, row.size))
						if row.broken {
							body = io.MultiReader(body, iotest.ErrReader(errReset))
						}
						r := respond(row.status, body)
						if announced {
							r.length = int64(row.size)
						}
						return r
					})
					require.ErrorIs(t, res.Err, row.err)
					require.Equal(t, row.status, res.Status)
					require.Equal(t, transport.Yes, res.Sent)
					require.Equal(t, !row.certain, res.Uncertain())
					if row.kept >= 0 {
						require.Len(t, res.Body, row.kept)
					}
				})
			})
		}
	}
}

func TestTooLargeIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{Class: transport.Safe, MaxBody: 3}, answer(200, "four"))
		require.ErrorIs(t, res.Err, transport.ErrBodyTooLarge)
		require.Len(t, s.at, 1)
	})
}

func TestConsume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		call := &transport.Call{Class: transport.Safe, MaxBody: 1, Consume: func(_ int, h http.Header, r io.Reader) ([]byte, error) {
			all, err := io.ReadAll(r)
			return []byte(h.Get("X-What") + string(all)), err
		}}
		res, _ := do(t, call, answer(206, "content", "X-What", "some "))
		require.NoError(t, res.Err)
		require.Equal(t, "some content", string(res.Body))

		res, _ = do(t, call, answer(404, "refusal"))
		require.Equal(t, "refusal", string(res.Body), "a refusal is read as ever")
	})
}

// An error of Consume is like a broken answer, unless it is final.
func TestConsumeFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failing := func(err error) *transport.Call {
			return &transport.Call{Class: transport.Safe, Consume: func(int, http.Header, io.Reader) ([]byte, error) { return nil, err }}
		}
		res, s := do(t, failing(errReset), answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Len(t, s.at, 4)
		res, s = do(t, failing(transport.Final(errReset)), answer(200, "{}"))
		require.ErrorIs(t, res.Err, errReset)
		require.Equal(t, errReset.Error(), res.Err.Error())
		require.Len(t, s.at, 1)
	})
}

func TestBodiesOfAnswersAreClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, status := range []int{200, 400, 412, 503} {
			closed := false
			_, _ = do(t, &transport.Call{}, func(*http.Request) reply {
				return respond(status, readCloser{strings.NewReader("{}"), func() { closed = true }})
			})
			require.True(t, closed, status)
		}
	})
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	to := func(where string) func(*http.Request) reply {
		return answer(307, "moved", "Location", where)
	}
	for _, row := range []struct {
		name   string
		class  transport.Class
		where  string
		status int
		hops   int
	}{
		{"read, same host", transport.Safe, "/4.0/elsewhere", 200, 2},
		{"read, other host", transport.Safe, "https://other.example/4.0", 307, 1},
		{"read, other port", transport.Safe, "https://api.example:8443/4.0", 307, 1},
		{"read, in the clear", transport.Safe, "http://api.example/4.0", 307, 1},
		{"write once", transport.Once, "/4.0/elsewhere", 307, 1},
		{"conditional write", transport.Conditional, "/4.0/elsewhere", 307, 1},
		{"write that may be repeated", transport.Idempotent, "/4.0/elsewhere", 307, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				res, s := do(t, &transport.Call{Class: row.class, Method: http.MethodGet}, to(row.where), answer(200, "{}"))
				require.Equal(t, row.status, res.Status)
				require.NoError(t, res.Err)
				require.Len(t, s.urls, row.hops)
				require.Equal(t, 1, res.Attempts, "a hop is no attempt")
			})
		})
	}
}

func TestRedirectsWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{Class: transport.Safe, Method: http.MethodGet}, answer(307, "", "Location", "/4.0/again"))
		require.Equal(t, 307, res.Status)
		require.Len(t, s.urls, 4, "three are followed")
		require.Equal(t, 1, res.Attempts)
	})
}

func TestRedirectToNowhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{Class: transport.Safe, Method: http.MethodGet}, answer(307, "", "Location", "https://[broken"))
		require.Error(t, res.Err)
		require.NotContains(t, res.Err.Error(), "profiles")
		require.Len(t, s.urls, 1)
	})
}

func TestBadURL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, s := do(t, &transport.Call{URL: "https://api.example/\x7f?apikey=secret"}, answer(200, "{}"))
		require.Error(t, res.Err)
		require.NotContains(t, res.Err.Error(), "secret")
		require.Equal(t, transport.No, res.Sent)
		require.Empty(t, s.at)
	})
}

func TestWithoutAddress(t *testing.T) {
	t.Parallel()
	require.Equal(t, errReset, transport.WithoutAddress(errReset))
	located := &url.Error{Op: "Get", URL: address, Err: errReset}
	require.Equal(t, errReset, transport.WithoutAddress(located))
	require.Equal(t, errReset, transport.WithoutAddress(&url.Error{Err: located}))
	require.NoError(t, transport.WithoutAddress(nil))
}

// The caller's client is copied, with its time limit and jar, and left alone.
func TestClientIsCopied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &server{turns: []turn{func(req *http.Request) reply {
			<-req.Context().Done()
			return reply{err: req.Context().Err()}
		}}}
		hc := &http.Client{Transport: slow, Timeout: time.Second}
		c := transport.New(hc, transport.Policy{MaxAttempts: 1})
		began := time.Now()
		res := c.Do(t.Context(), &transport.Call{Class: transport.Safe, Method: http.MethodGet, URL: address, Header: http.Header{}})
		require.Error(t, res.Err)
		require.Equal(t, time.Second, time.Since(began))
		require.Same(t, slow, hc.Transport)
		require.Nil(t, hc.CheckRedirect)
	})
}
