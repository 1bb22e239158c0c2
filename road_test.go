package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/internal/unreachable"
	"github.com/passfort-go/passfort/passforttest"
)

// timesSent counts the requests of the operation itself: a lost check is also
// looked for in the list, a lost status read.
func timesSent(s *server, op cases.Case) int {
	n := 0
	for _, r := range s.seen() {
		if r.Method == op.Method && r.URI == "/base/4.0"+op.Path {
			n++
		}
	}
	return n
}

func isRead(op cases.Case) bool { return op.Method == http.MethodGet && !op.Once }

func TestWritesAreNotRepeated(t *testing.T) {
	t.Parallel()
	const attempts = 3 // of quick
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		reads  int // how often a read is sent
		others int // how often a write is sent that may be repeated
		status int
		writes passfort.Outcome
	}{
		{"503", respond(503, "busy"), attempts, attempts, 503, passfort.OutcomeUnknown},
		{"502 with HTML", respond(502, "<html>"), attempts, attempts, 502, passfort.OutcomeUnknown},
		{"reset after the write", hangUp, attempts, attempts, 0, passfort.OutcomeUnknown},
		{"400", respond(400, `{"errors":[{"code":201}]}`), 1, 1, 400, passfort.OutcomeRejected},
		{"429", respond(429, ""), attempts, attempts, 429, passfort.OutcomeRejected},
		{"307 to another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.2:9"+r.RequestURI, http.StatusTemporaryRedirect)
		}, 1, 1, 307, passfort.OutcomeRejected},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, op := range cases.All() {
				t.Run(op.Name, func(t *testing.T) {
					t.Parallel()
					s := serve(t, row.answer)
					err := op.Call(t.Context(), newClient(t, s), cases.Wire())

					var failure *passfort.Error
					require.ErrorAs(t, err, &failure)
					require.Equal(t, op.Name, failure.Operation)
					require.Equal(t, row.status, failure.StatusCode)
					want := row.others
					switch {
					case op.Once && row.status == 429:
					case op.Once:
						want = 1
					case isRead(op):
						want = row.reads
					}
					require.Equal(t, want, timesSent(s, op))
					if isRead(op) {
						require.NotErrorIs(t, err, passfort.ErrOutcomeUnknown)
					} else {
						require.Equal(t, row.writes, failure.Outcome)
						require.Equal(t, row.writes == passfort.OutcomeUnknown,
							errors.Is(err, passfort.ErrOutcomeUnknown))
					}
				})
			}
		})
	}
}

func TestWritesAreNotReposted(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, op := range cases.All() {
			t.Run(op.Name, func(t *testing.T) {
				t.Parallel()
				var hops atomic.Int32
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if hops.Add(1) == 1 {
						http.Redirect(w, r, r.RequestURI, status)
						return
					}
					_, _ = io.WriteString(w, op.Answer)
				})
				err := op.Call(t.Context(), newClient(t, s), cases.Wire())
				if isRead(op) {
					require.NoError(t, err)
					require.Len(t, s.seen(), 2)
					return
				}
				seen := s.seen()
				if status == http.StatusSeeOther { // it may have been done, so some look
					require.True(t, err == nil || errors.Is(err, passfort.ErrOutcomeUnknown))
				} else {
					require.Error(t, err)
					require.Len(t, seen, 1)
				}
				for _, later := range seen[1:] {
					require.Equal(t, http.MethodGet, later.Method)
					require.NotEqual(t, seen[0].Method+seen[0].URI, later.Method+later.URI)
				}
			})
		}
	}
}

// TestNotSentIsRepeated refuses the first connection: the server must see
// every operation once, whatever its class.
func TestNotSentIsRepeated(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		err  error
	}{
		{"refused", &net.OpError{Op: "dial", Net: "tcp", Err: unreachable.Error()}},
		{"no such host", &net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}},
		{"TLS", errors.New("tls: handshake failure")},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, op := range cases.All() {
				t.Run(op.Name, func(t *testing.T) {
					t.Parallel()
					s := serve(t, respond(200, op.Answer))
					var dials atomic.Int32
					transport := trusting(s.Server)
					transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
						if dials.Add(1) == 1 {
							return nil, row.err
						}
						return new(net.Dialer).DialContext(ctx, network, address)
					}
					t.Cleanup(transport.CloseIdleConnections)
					c := newClient(t, s, passfort.WithHTTPClient(&http.Client{Transport: transport}))
					require.NoError(t, op.Call(t.Context(), c, cases.Wire()))
					require.Equal(t, 1, timesSent(s, op))
				})
			}
		})
	}
}

func TestServerGone(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{"id":"x"}`))
	var gone atomic.Bool
	transport := trusting(s.Server)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if gone.Load() {
			address = "127.0.0.1:1" // its own port may belong to the server of another test by now
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	t.Cleanup(transport.CloseIdleConnections)
	c := newClient(t, s, passfort.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, failed(c.Profiles.Create(t.Context(), newProfile)), "to fill the pool with a connection")
	gone.Store(true)
	s.Close()
	for _, op := range cases.All() {
		err := op.Call(t.Context(), c, cases.Wire())
		var failure *passfort.Error
		require.ErrorAs(t, err, &failure, op.Name)
		require.Equal(t, passfort.OutcomeNotSent, failure.Outcome, op.Name)
		require.ErrorIs(t, err, unreachable.Error(), op.Name)
		require.Contains(t, err.Error(), "connection refused", op.Name)
		require.Contains(t, err.Error(), "; not sent", op.Name)
	}
}

// stuck is a transport that reads the request and never answers.
type stuck struct{ sent atomic.Int32 }

func (s *stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	s.sent.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestTimeoutOfAnAttempt(t *testing.T) {
	t.Parallel()
	for _, op := range cases.All() {
		t.Run(op.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stuck{}
				c, err := passfort.New(testKey, passfort.WithHTTPClient(&http.Client{Transport: s}),
					passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 2, MaxElapsed: time.Hour}))
				require.NoError(t, err)
				start := time.Now()
				err = op.Call(t.Context(), c, cases.Wire())
				var failure *passfort.Error
				require.ErrorAs(t, err, &failure)
				if op.Once {
					require.Equal(t, 1, failure.Attempts)
				} else {
					require.Equal(t, 2, failure.Attempts)
				}
				require.Equal(t, !isRead(op), errors.Is(err, passfort.ErrOutcomeUnknown))
				if op.Name == "Checks.Run" {
					require.Greater(t, time.Since(start), 130*time.Second)
				}
				require.Contains(t, err.Error(), "the attempt took longer than its limit")
			})
		})
	}
}

func TestCancelledCallReturnsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			name      string
			transport http.RoundTripper
		}{
			{"while waiting for the answer", &stuck{}},
			{"in the middle of a back-off", roundTrip(func(*http.Request) (*http.Response, error) {
				return answered(503, "", "Retry-After", "3600"), nil
			})},
		} {
			c, err := passfort.New(testKey, passfort.WithHTTPClient(&http.Client{Transport: row.transport}),
				passfort.WithRetry(passfort.RetryPolicy{MaxElapsed: 24 * time.Hour}))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			start := time.Now()
			_, err = c.Profiles.Get(ctx, pid)
			require.ErrorIs(t, err, context.Canceled, row.name)
			require.Equal(t, time.Second, time.Since(start), row.name)
			require.Contains(t, err.Error(), "the context was cancelled", row.name)
		}
	})
}

func TestWaitsThatTheServerAsksFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		status int
		header []string
		asked  time.Duration // 0: our own back-off
	}{
		{"Retry-After in seconds", 429, []string{"Retry-After", "20"}, 20 * time.Second},
		{"Retry-After with a fraction", 429, []string{"Retry-After", "1.5"}, 1500 * time.Millisecond},
		{"Retry-After as a date", 429, []string{"Retry-After", "Sat, 01 Jan 2000 00:00:30 GMT"}, 30 * time.Second},
		{"Retry-After on 503", 503, []string{"Retry-After", "7"}, 7 * time.Second},
		{"the rate limit's retry before its reset", 429, []string{"X-RateLimit-Retry-Secs", "2",
			"X-RateLimit-Reset-Secs", "3000"}, 2 * time.Second},
		{"the rate limit's reset", 429, []string{"X-RateLimit-Reset-Secs", "0.25"}, 250 * time.Millisecond},
		{"Retry-After before both", 429, []string{"Retry-After", "1", "X-RateLimit-Reset-Secs", "30"}, time.Second},
		{"reset means nothing on 503", 503, []string{"X-RateLimit-Reset-Secs", "30"}, 0},
		{"longer than our own longest back-off", 429, []string{"Retry-After", "45"}, 45 * time.Second},
		{"unusable: words", 429, []string{"Retry-After", "soon"}, 0},
		{"unusable: negative", 429, []string{"Retry-After", "-3"}, 0},
		{"unusable: not a number", 429, []string{"Retry-After", "NaN"}, 0},
		{"unusable: in the past", 429, []string{"Retry-After", "Fri, 31 Dec 1999 23:59:00 GMT"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				transport := roundTrip(func(*http.Request) (*http.Response, error) {
					sent++
					if sent == 1 {
						return answered(row.status, "", row.header...), nil
					}
					return answered(200, `{"id":"x"}`), nil
				})
				c, err := passfort.New(testKey, passfort.WithHTTPClient(&http.Client{Transport: transport}))
				require.NoError(t, err)
				start := time.Now()
				require.NoError(t, failed(c.Profiles.Get(t.Context(), pid)))
				waited := time.Since(start)
				if row.asked == 0 {
					require.LessOrEqual(t, waited, 250*time.Millisecond)
					require.GreaterOrEqual(t, waited, 125*time.Millisecond)
					return
				}
				require.GreaterOrEqual(t, waited, row.asked)
				require.LessOrEqual(t, waited, row.asked+row.asked/10+time.Millisecond)
			})
		})
	}
}

func TestWaitThatCannotEndInTimeIsNotBegun(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		asked  string
		within time.Duration // of the context, 0: none
		want   time.Duration
	}{
		{"beyond the deadline", "10", 5 * time.Second, 10 * time.Second},
		{"beyond the budget", "3600", 0, time.Hour},
		{"beyond any clock", "99999999999999999999", 0, 1<<63 - 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := passfort.New(testKey,
					passfort.WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response,
						error) {
						return answered(429, `{"errors":{"code":104}}`, "Retry-After", row.asked, "X-Request-Id",
							"req-1"), nil
					})}))
				require.NoError(t, err)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if row.within > 0 {
					ctx, cancel = context.WithTimeout(ctx, row.within)
				}
				defer cancel()
				start := time.Now()
				_, err = c.Profiles.Create(ctx, newProfile)
				require.Zero(t, time.Since(start))
				require.ErrorIs(t, err, passfort.ErrRateLimited)
				require.ErrorIs(t, err, passfort.CodeChargeableLimitReached)
				var failure *passfort.Error
				require.ErrorAs(t, err, &failure)
				require.Equal(t, row.want, failure.RetryAfter)
				require.Equal(t, 1, failure.Attempts)
				require.Equal(t, "req-1", failure.RequestID)
				require.Equal(t, passfort.OutcomeRejected, failure.Outcome)
			})
		})
	}
}

// TestLostThenRefused: when an earlier attempt may have been carried out, the
// refusal of a later one does not make the write undone.
func TestLostThenRefused(t *testing.T) {
	t.Parallel()
	var sent atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if sent.Add(1) == 1 {
			hangUp(w, r)
			return
		}
		w.WriteHeader(http.StatusConflict)
	})
	_, err := newClient(t, s).Profiles.SetStatus(t.Context(), pid, passfort.ProfileStatusBanned)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, 409, failure.StatusCode)
	require.Equal(t, passfort.OutcomeUnknown, failure.Outcome)
}

// A call that the end of its context kept from being repeated was refused all
// the same.
func TestTurnedAwayAndCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
			return answered(http.StatusTooManyRequests, "", "Retry-After", "30"), nil
		}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := c.Profiles.Create(ctx, newProfile)
		var failure *passfort.Error
		require.ErrorAs(t, err, &failure)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, passfort.OutcomeRejected, failure.Outcome)
	})
}

func TestProfileStatusWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	srv, c, id := simulated(t)
	ctx := t.Context()
	srv.Inject(passforttest.Fault{Operation: "Profiles.SetStatus", AfterWrite: true, Body: []byte{}})
	status, err := c.Profiles.SetStatus(ctx, id, passfort.ProfileStatusBanned)
	require.NoError(t, err)
	require.Equal(t, passfort.ProfileStatusBanned, status)
	srv.Inject(passforttest.Fault{Operation: "Profiles.SetStatus", Status: http.StatusInternalServerError, Times: -1})
	_, err = c.Profiles.SetStatus(ctx, id, passfort.ProfileStatusNormal)
	require.ErrorIs(t, err, passfort.ErrOutcomeUnknown, "another status is there")
}

func TestDeletedNoteWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	defer srv.Close()
	c := srv.Client(quick)
	ctx := t.Context()
	p, err := c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
	})
	require.NoError(t, err)
	task := p.Tasks[0].ID
	note, err := c.Tasks.AddNote(ctx, p.ID, task, &passfort.NoteRequest{Text: "seen"})
	require.NoError(t, err)
	srv.Inject(passforttest.Fault{Operation: "Tasks.DeleteNote", DropAfterWrite: true})
	require.NoError(t, c.Tasks.DeleteNote(ctx, p.ID, task, note.ID))
	require.ErrorIs(t, c.Tasks.DeleteNote(ctx, p.ID, task, note.ID), passfort.ErrNotFound)
}

// The id of a request is kept as it was sent, but for the key in it; texts and
// logs show what can only be an id.
func TestRequestIDsThatAreShown(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, id    string
		kept, shown bool
	}{
		{"a UUID", "7d9c5f1e-3b0a-4c43-9a51-0c8f1f2d3e4b", true, true},
		{"hex", "4bf92f3577b34da6a3ce929d0e0e4736", true, true},
		{"a trace", "Root=1-67891233-abcdef012345678912345678", true, true},
		{"short", "req-7", true, false},
		{"as long as may be kept", strings.Repeat("x", 128), true, false},
		{"too long", strings.Repeat("x", 129), false, false},
		{"every printable character", "a !~0123456789abcdef", true, false},
		{"another character", "caf\u00e9", false, false},
		{"a name", "Christopher-Sampleton", true, false},
		{"a date", "1901-02-03", true, false},
		{"an e-mail address", "kim.sampleton1901@kim.example", true, false},
		{"an account", "GB33BUKB20201555555555", true, false},
		{"a passport", "P123456789", true, false},
		{"the key", testKey, false, false},
		{"the key inside", "0123456789abcdef" + testKey, false, false},
		{"a part of the key", testKey[2:], false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Request-Id", row.id)
				w.WriteHeader(http.StatusNotFound)
			})
			var failure *passfort.Error
			var lines bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
			require.ErrorAs(t, failed(newClient(t, s, passfort.WithLogger(logger)).Profiles.Get(t.Context(), pid)),
				&failure)
			require.Equal(t, row.kept, failure.RequestID == row.id)
			require.Equal(t, row.kept, failure.RequestID != "")
			asJSON, err := json.Marshal(failure)
			require.NoError(t, err)
			for _, text := range []string{failure.Error(), fmt.Sprintf("%+v", failure), string(asJSON),
				lines.String()} {
				require.Equal(t, row.shown, strings.Contains(text, row.id), text)
			}
		})
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := serve(t, respond(200, identity))
	require.NoError(t, failed(newClient(t, s, passfort.WithLogger(logger)).Profiles.Get(t.Context(), pid)))
	s = serve(t, respond(404, ""))
	require.Error(t, failed(newClient(t, s, passfort.WithLogger(logger)).Profiles.Get(t.Context(), pid)))
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var members map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &members))
		lines = append(lines, members)
	}
	require.Len(t, lines, 4)
	require.Equal(t, []any{"passfort attempt", "DEBUG", 200.0},
		[]any{lines[0]["msg"], lines[0]["level"], lines[0]["status"]})
	require.Equal(t, []any{"passfort call", "DEBUG", 200.0},
		[]any{lines[1]["msg"], lines[1]["level"], lines[1]["status"]})
	require.NotContains(t, lines[1], "error")
	require.Equal(t, []any{"passfort attempt", "DEBUG", 404.0},
		[]any{lines[2]["msg"], lines[2]["level"], lines[2]["status"]})
	require.Equal(t, []any{"passfort call", "WARN"}, []any{lines[3]["msg"], lines[3]["level"]})
	require.Equal(t, "404", fmt.Sprint(lines[3]["error"].(map[string]any)["status"]))
}

// A server that asks for less than our own back-off waits for that all the same.
func TestTinyRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c, err := passfort.New(testKey,
			passfort.WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return answered(429, "", "Retry-After", "0.000000001"), nil
			})}))
		require.NoError(t, err)
		err = failed(c.Profiles.Create(t.Context(), newProfile))
		var failure *passfort.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, 4, failure.Attempts)
		require.Equal(t, time.Nanosecond, failure.RetryAfter)
		require.Greater(t, time.Since(began), 850*time.Millisecond)
	})
}

// The hint of a base URL without a version, and the place of a refusal's words.
func TestErrorsSayWhereToLook(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(404, "<html>not found</html>"))
	tr := trusting(s.Server)
	t.Cleanup(tr.CloseIdleConnections)
	c, err := passfort.New(testKey, passfort.WithBaseURL(s.URL), passfort.WithHTTPClient(&http.Client{Transport: tr}))
	require.NoError(t, err)
	require.ErrorContains(t, failed(c.Profiles.Get(t.Context(), pid)), "does it need /4.0 at its end?")
	require.NotContains(t, failed(newClient(t, s).Profiles.Get(t.Context(), pid)).Error(), "/4.0")
	err = failed(newClient(t,
		serve(t, respond(400,
			`{"errors":[{"code":201,"message":"the name Kim"}]}`))).Profiles.Create(t.Context(), newProfile))
	require.ErrorContains(t, err, "(messages in Errors)")
	require.NotContains(t, err.Error(), "Kim")
}
