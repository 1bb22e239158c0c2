package passfort_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/unreachable"
	"github.com/passfort-go/passfort/passforttest"
)

func TestCheckInboxWakesWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inbox := passfort.NewCheckInbox()
		h := newHandler(t)
		h.Handle(passfort.EventCheckCompleted, inbox.Deliver)
		states := make(chan string, 2)
		states <- "RUNNING"
		client := inMemory(t, func(w http.ResponseWriter) {
			fmt.Fprintf(w, `{"id":"c1","check_type":"IDENTITY_CHECK","state":%q}`, <-states)
		})

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
		require.Equal(t, http.StatusOK, send(h, delivery(t.Context(),
			`{"id":"1","event":"CHECK_COMPLETED","data":{"check":{"id":"c1"}}}`)).Code)
		got := <-waited
		require.NoError(t, got.err)
		require.True(t, got.check.Done())
		require.Zero(t, time.Since(start), "by the clock of the bubble")
	})
}

// instantly delivers webhooks to a handler without a network.
type instantly struct{ handler http.Handler }

func (i instantly) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestWebhookWakesWaitAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inbox := passfort.NewCheckInbox()
		h := newHandler(t)
		var delivered time.Time
		h.Handle(passfort.EventCheckCompleted, func(context.Context, *passfort.WebhookEvent) error {
			delivered = time.Now() // before the inbox wakes the wait, which reads it
			return nil
		})
		h.Handle(passfort.EventCheckCompleted, inbox.Deliver)
		sim := passforttest.New(passforttest.WithCheckTime(7*time.Second), passforttest.WithWebhookClient(&http.Client{
			Transport: instantly{h},
		}))
		defer sim.Close()
		sim.SetWebhook("http://localhost/webhooks", "s0", false)
		client := sim.Client()
		id := newPerson(t, sim, client)
		check, err := client.Checks.Run(t.Context(), id, &passfort.CheckRequest{
			Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeAsync,
		})
		require.NoError(t, err)
		require.False(t, check.Done())
		start := time.Now()
		check, err = client.Checks.Wait(t.Context(), id, check.ID, &passfort.WaitOptions{
			MinInterval: 30 * time.Second, MaxInterval: 30 * time.Second, Inbox: inbox,
		})
		require.NoError(t, err)
		require.True(t, check.Done())
		require.False(t, delivered.IsZero())
		require.Less(t, time.Since(start), 8*time.Second)
		require.LessOrEqual(t, time.Since(delivered), 20*time.Millisecond,
			"by the clock of the bubble, where work takes no time and waiting does")
	})
}

// TestWaitTellsTheState lets the webhook come before, between and after the
// polls.
func TestWaitTellsTheState(t *testing.T) {
	t.Parallel()
	const expired, completed = passfort.CustomerRequestStateExpired, passfort.CustomerRequestStateCompleted
	for _, row := range []struct {
		name   string
		before func(*passfort.CheckInbox) // the wait
		atPoll func(*passfort.CheckInbox, int)
		want   passfort.CustomerRequestState
		took   time.Duration
	}{
		{"before the wait, with the id", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "ID", expired)
		}, nil, expired, 0},
		{"before the wait, without an id", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "", expired)
		}, nil, "", 10 * time.Second},
		{"of an earlier request", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "OLD", completed)
		}, nil, "", 10 * time.Second},
		{"with the id, and then of an earlier request", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "ID", expired)
			b.RequestChanged("profile-1", "OLD", completed)
		}, nil, expired, 0},
		{"and a late one that it was sent", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "ID", expired)
			b.RequestChanged("profile-1", "ID", passfort.CustomerRequestStateSent)
		}, nil, expired, 0},
		{"a state that is not known, and then one that is", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "ID", "IN_PROGRESS")
			b.RequestChanged("profile-1", "ID", completed)
			b.RequestChanged("profile-1", "ID", "IN_PROGRESS")
		}, nil, completed, 0},
		{"a state that is not known", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "ID", "IN_PROGRESS")
		}, nil, "", 10 * time.Second},
		{"of another profile", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-2", "", completed)
		}, nil, "", 10 * time.Second},
		{"during the wait", nil, func(b *passfort.CheckInbox, n int) {
			if n == 3 {
				b.RequestChanged("profile-1", "", expired)
			}
		}, expired, 0},
		{"during the wait, overtaken by a poll that denies it", nil, func(b *passfort.CheckInbox, n int) {
			if n == 1 {
				b.RequestChanged("profile-1", "", completed)
			}
		}, "", 10 * time.Second},
		{"sent again", func(b *passfort.CheckInbox) {
			b.RequestChanged("profile-1", "ID", passfort.CustomerRequestStateSent)
		}, nil, "", 10 * time.Second},
		{"none", nil, nil, "", 10 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				polls := 0
				client := inMemory(t, func(w http.ResponseWriter) {
					polls++
					fmt.Fprintf(w, `{"id":"ID","is_completed":%t}`, polls == 3)
				})
				inbox := passfort.NewCheckInbox()
				if row.before != nil {
					row.before(inbox)
				}
				start := time.Now()
				var last time.Time
				got, err := client.Forms.Wait(t.Context(), "profile-1",
					&passfort.WaitOptions{Inbox: inbox, OnPoll: func(n int) {
						last = time.Now()
						if row.atPoll != nil {
							row.atPoll(inbox, n)
						}
					}})
				require.NoError(t, err)
				require.Equal(t, row.want, got.State)
				require.Equal(t, row.took, time.Since(last))
				require.Less(t, last.Sub(start), 3*time.Second)
			})
		})
	}
}

func TestWebhookEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		polls := 0
		client := inMemory(t, func(w http.ResponseWriter) {
			polls++
			fmt.Fprintf(w, `{"id":"ID","is_completed":%t}`, polls == 2)
		})
		inbox := passfort.NewCheckInbox()
		start := time.Now()
		go func() {
			<-time.After(time.Second)
			data := json.RawMessage(`{"profile_id":"profile-1","customer_request":{"id":"ID","state":"EXPIRED"}}`)
			_ = inbox.Deliver(t.Context(), &passfort.WebhookEvent{Event: "customer_request_changed", Data: data})
		}()
		got, err := client.Forms.Wait(t.Context(), "profile-1", &passfort.WaitOptions{
			Inbox: inbox, MinInterval: time.Hour, MaxInterval: time.Hour,
		})
		require.NoError(t, err)
		require.Equal(t, passfort.CustomerRequestStateExpired, got.State)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// inMemory returns a client whose requests a function answers without a network.
func inMemory(t *testing.T, answer func(http.ResponseWriter)) *passfort.Client {
	t.Helper()
	client, err := passfort.New("account-key",
		passfort.WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			answer(w)
			return w.Result(), nil
		})}))
	require.NoError(t, err)
	return client
}

// waits are the three waits.
var waits = map[string]func(context.Context, *passfort.Client) error{
	"check": func(ctx context.Context, c *passfort.Client) error { return failed(c.Checks.Wait(ctx, pid, oid, nil)) },
	"application": func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Applications.Wait(ctx, pid, oid, func(*passfort.Application) bool { return false }, nil))
	},
	"customer request": func(ctx context.Context, c *passfort.Client) error {
		return failed(c.Forms.Wait(ctx, pid, nil))
	},
}

// A wait that ends says how its last question failed, and one whose question
// cannot succeed ends at once.
func TestWaitSaysWhy(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: unreachable.Error()}
	untrusted := &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	nameless := &net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}
	for _, row := range []struct {
		name   string
		answer func() (*http.Response, error)
		cause  error // reachable, nil: the status is
		status int
		says   string
		ends   bool // at once
	}{
		{"refused", func() (*http.Response, error) { return nil, refused }, unreachable.Error(), 0,
			"connection refused", false},
		{"no name", func() (*http.Response, error) { return nil, nameless }, nameless, 0,
			"the host name was not resolved", false},
		{"always 503", func() (*http.Response, error) { return answered(503, ""), nil }, nil, 503,
			"503 Service Unavailable", false},
		{"always 561", func() (*http.Response, error) { return answered(561, ""), nil }, nil, 561, "561", false},
		{"always HTML", func() (*http.Response, error) {
			return answered(502, "<html>"), nil
		}, nil, 502, "502", false},
		{"untrusted", func() (*http.Response, error) { return nil, untrusted }, untrusted, 0,
			"certificate was not accepted", true},
		{"a proxy's password", func() (*http.Response, error) {
			return nil, errors.New("Proxy Authentication Required")
		}, nil, 0, "407", true},
		{"a proxy's answer", func() (*http.Response, error) { return answered(407, ""), nil }, nil, 407, "407", true},
		{"no permission", func() (*http.Response, error) { return answered(403, ""), nil }, passfort.ErrForbidden, 403,
			"403", true},
		{"501", func() (*http.Response, error) { return answered(501, ""), nil }, nil, 501, "501", true},
	} {
		for what, wait := range waits {
			for _, limit := range []time.Duration{time.Second / 5, time.Minute} {
				t.Run(fmt.Sprintf("%s/%s/%v", row.name, what, limit), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
							<-time.After(10 * time.Millisecond)
							return row.answer()
						}))
						ctx, cancel := context.WithTimeout(t.Context(), limit)
						defer cancel()
						began := time.Now()
						err := wait(ctx, c)
						var ended *passfort.WaitError
						require.ErrorAs(t, err, &ended)
						var question *passfort.Error
						require.ErrorAs(t, err, &question)
						require.Contains(t, err.Error(), row.says)
						require.Equal(t, 1, strings.Count(err.Error(), "passfort:"), err.Error())
						if row.cause != nil {
							require.ErrorIs(t, err, row.cause)
						}
						require.Equal(t, row.status, question.StatusCode)
						if row.ends {
							require.Less(t, time.Since(began), 100*time.Millisecond)
							require.NotErrorIs(t, err, context.DeadlineExceeded)
							return
						}
						require.InDelta(t, limit, time.Since(began), float64(20*time.Millisecond))
						require.ErrorIs(t, err, context.DeadlineExceeded)
					})
				})
			}
		}
	}
}

// The reason is reachable too where the deadline cut off the only question.
func TestWaitSaysWhyTheOnlyQuestionFailed(t *testing.T) {
	t.Parallel()
	for what, wait := range waits {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				c := clientOn(t, roundTrip(func(r *http.Request) (*http.Response, error) {
					if asked++; asked == 1 {
						return nil, &net.OpError{Op: "dial", Err: unreachable.Error()}
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				}))
				cause := errors.New("the shift is over")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
				defer cancel()
				err := wait(ctx, c)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, cause)
				require.ErrorIs(t, err, unreachable.Error())
				var question *passfort.Error
				require.ErrorAs(t, err, &question)
				require.ErrorContains(t, err, "the deadline passed; before that: connection refused")
			})
		})
	}
}

// Any webhook of its profile ends the pause of a wait for an application or a
// customer request, at once.
func TestAnyWebhookOfTheProfileEndsThePause(t *testing.T) {
	t.Parallel()
	waits := map[string]func(context.Context, *passfort.Client, *passfort.WaitOptions) error{
		"application": func(ctx context.Context, c *passfort.Client, o *passfort.WaitOptions) error {
			return failed(c.Applications.Wait(ctx, pid, oid, (*passfort.Application).Settled, o))
		},
		"customer request": func(ctx context.Context, c *passfort.Client, o *passfort.WaitOptions) error {
			return failed(c.Forms.Wait(ctx, pid, o))
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var done atomic.Bool
				asked := 0
				c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
					asked++
					if done.Load() {
						return answered(200,
							`{"id":"x","status":"APPLIED","flag":"READY_FOR_DECISION","is_completed":true}`), nil
					}
					return answered(200, `{"id":"x","status":"APPLIED","flag":"AUTOMATING","is_completed":false}`), nil
				}))
				inbox := passfort.NewCheckInbox()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				go func() {
					<-time.After(20 * time.Second) // of the bubble
					other := &passfort.WebhookEvent{Event: passfort.EventTaskCreated, ProfileID: "another"}
					_ = inbox.Deliver(ctx, other)
					<-time.After(time.Second)
					done.Store(true)
					_ = inbox.Deliver(ctx, &passfort.WebhookEvent{
						Event: passfort.EventProductBadgeChanged, ProfileID: pid,
					})
				}()
				began := time.Now()
				options := &passfort.WaitOptions{MinInterval: time.Minute, MaxInterval: time.Minute, Inbox: inbox}
				require.NoError(t, wait(ctx, c, options))
				require.Less(t, time.Since(began), 32*time.Second)
				require.Equal(t, 2, asked)
			})
		})
	}
}

// slowChecks runs checks that each take so long, by the clock of the bubble.
type slowChecks struct {
	takes time.Duration
	mu    sync.Mutex
	ended map[string]time.Time
	asked map[string][]time.Time
}

func (s *slowChecks) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := path.Base(r.URL.Path)
	if r.Method == http.MethodPost {
		id = fmt.Sprintf("ea560000-0000-4000-8000-%012d", len(s.ended))
		s.ended[id] = time.Now().Add(s.takes)
	} else {
		s.asked[id] = append(s.asked[id], time.Now())
	}
	state := "RUNNING"
	if !time.Now().Before(s.ended[id]) {
		state = "COMPLETE"
	}
	return answered(200, fmt.Sprintf(`{"id":%q,"check_type":"IDENTITY_CHECK","state":%q}`, id, state)), nil
}

// A client learns how long checks take, asks nothing right after Run, and does not
// mix up types.
func TestWaitsLearn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := &slowChecks{takes: 20 * time.Second, ended: map[string]time.Time{}, asked: map[string][]time.Time{}}
		c := clientOn(t, api)
		var questions, took []float64
		for i := range 108 {
			began := time.Now()
			check, err := c.Checks.RunAndWait(t.Context(), pid,
				&passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck}, nil)
			require.NoError(t, err)
			require.True(t, check.Done())
			asked := api.asked[check.ID]
			require.GreaterOrEqual(t, asked[0].Sub(began), 250*time.Millisecond)
			require.LessOrEqual(t, len(asked), 12)
			if i >= 8 {
				require.Greater(t, asked[0].Sub(began), 15*time.Second)
				require.Less(t, time.Since(began), 32*time.Second, "the longest pause is 0.55 of what has passed")
				questions = append(questions, float64(len(asked)))
				took = append(took, time.Since(began).Seconds())
			}
		}
		// Each pause is a matter of luck, the median of a hundred waits is not.
		slices.Sort(questions)
		slices.Sort(took)
		require.LessOrEqual(t, questions[50], 4.0)
		require.LessOrEqual(t, questions[95], 6.0)
		require.Less(t, took[50], 22.0)
		// Another process learns the age of the check with the first question.
		began := time.Now()
		check, err := c.Checks.Run(t.Context(), pid, &passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck})
		require.NoError(t, err)
		var polls []time.Duration
		_, err = c.Checks.Wait(t.Context(), pid, check.ID, &passfort.WaitOptions{
			MaxInterval: 2 * time.Second, OnPoll: func(int) { polls = append(polls, time.Since(began)) },
		})
		require.NoError(t, err)
		require.LessOrEqual(t, polls[0], 2*time.Second, "the interval of the caller rules")
		require.Less(t, time.Since(began), 22*time.Second)
	})
}

// While webhooks arrive, each of the three waits asks little and is never late.
func TestWaitsThatRelyOnWebhooks(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(context.Context, *passfort.Client, *passfort.WaitOptions) error{
		"check": func(ctx context.Context, c *passfort.Client, o *passfort.WaitOptions) error {
			return failed(c.Checks.Wait(ctx, pid, oid, o))
		},
		"application": func(ctx context.Context, c *passfort.Client, o *passfort.WaitOptions) error {
			return failed(c.Applications.Wait(ctx, pid, oid, (*passfort.Application).Settled, o))
		},
		"customer request": func(ctx context.Context, c *passfort.Client, o *passfort.WaitOptions) error {
			return failed(c.Forms.Wait(ctx, pid, o))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const takes = 20 * time.Second
				began, asked := time.Now(), 0
				c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
					asked++
					if time.Since(began) >= takes {
						return answered(200,
							`{"id":"`+oid+`","check_type":"IDENTITY_CHECK","state":"COMPLETE","status":"APPROVED",`+
								`"is_completed":true}`), nil
					}
					return answered(200,
						`{"id":"`+oid+`","check_type":"IDENTITY_CHECK","state":"RUNNING","status":"APPLIED",`+
							`"flag":"AUTOMATING","is_completed":false}`), nil
				}))
				inbox := passfort.NewCheckInbox()
				webhook := func(profileID string, state passfort.CustomerRequestState) {
					data, err := json.Marshal(map[string]any{
						"profile_id": profileID, "check": map[string]any{"id": oid},
						"customer_request": map[string]any{"id": oid, "state": state},
					})
					require.NoError(t, err)
					for _, event := range []passfort.EventName{passfort.EventCheckCompleted,
						passfort.EventCustomerRequestChanged} {
						if profileID != pid && event == passfort.EventCheckCompleted {
							continue // it is about the check
						}
						require.NoError(t, inbox.Deliver(t.Context(), &passfort.WebhookEvent{
							Event: event, ProfileID: profileID, Data: data,
						}))
					}
				}
				other := func() { webhook("another", passfort.CustomerRequestStateSent) }
				other()
				<-time.After(15 * time.Second) // of the bubble
				other()
				began = time.Now()
				time.AfterFunc(takes/2, other)
				time.AfterFunc(takes, func() { webhook(pid, passfort.CustomerRequestStateCompleted) })
				require.NoError(t, wait(t.Context(), c, &passfort.WaitOptions{Inbox: inbox}))
				require.LessOrEqual(t, time.Since(began)-takes, 100*time.Millisecond)
				require.LessOrEqual(t, asked, 4)

				// They stop: the waits ask as often as they do without.
				<-time.After(2 * time.Minute)
				inboxless := 0
				began, asked = time.Now(), 0
				require.NoError(t, wait(t.Context(), clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
					inboxless++
					if time.Since(began) >= takes {
						return answered(200,
							`{"id":"`+oid+`","state":"COMPLETE","status":"APPROVED","is_completed":true}`), nil
					}
					return answered(200,
						`{"id":"`+oid+`","state":"RUNNING","status":"APPLIED",`+
							`"flag":"AUTOMATING","is_completed":false}`), nil
				})), nil))
				began = time.Now()
				require.NoError(t, wait(t.Context(), c, &passfort.WaitOptions{Inbox: inbox}))
				require.InDelta(t, inboxless, asked, 4)
			})
		})
	}
}
