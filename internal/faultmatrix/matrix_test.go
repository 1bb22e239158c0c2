package faultmatrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/passforttest"
)

// cell is how one call ended.
type cell struct {
	outcome  string
	class    string // of the error
	attempts int
	seen     int // requests that reached the server
	applied  int // of which it carried out
}

// String is the cell as the document prints it.
func (c cell) String() string {
	end := c.outcome
	if c.class != "" {
		end += ": " + c.class
	}
	return fmt.Sprintf("%s; %d/%d/%d", end, c.attempts-1, c.seen, c.applied)
}

// result is a cell and where it belongs.
type result struct {
	fault, operation string
	always           bool // every attempt met the fault
	cell
}

// results collects what all runs found.
type results struct {
	mu  sync.Mutex
	all []result
}

func (r *results) add(one result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

// watcher counts the attempts of one operation and when one ended.
type watcher struct {
	operation string
	attempts  atomic.Int32
	ended     func()
}

// CallStarted does nothing.
func (w *watcher) CallStarted(ctx context.Context, _ passfort.CallInfo) context.Context { return ctx }

// AttemptEnded counts.
func (w *watcher) AttemptEnded(_ context.Context, a passfort.AttemptInfo) {
	if a.Operation != w.operation {
		return
	}
	w.attempts.Store(int32(a.Attempt)) //nolint:gosec // a handful
	if w.ended != nil {
		w.ended()
	}
}

// CallEnded does nothing.
func (w *watcher) CallEnded(context.Context, passfort.CallResult) {}

// route passes notifications on to the watcher of the call that runs.
type route struct{ to atomic.Pointer[watcher] }

// CallStarted passes it on.
func (r *route) CallStarted(ctx context.Context, _ passfort.CallInfo) context.Context { return ctx }

// AttemptEnded passes it on.
func (r *route) AttemptEnded(ctx context.Context, a passfort.AttemptInfo) {
	if w := r.to.Load(); w != nil {
		w.AttemptEnded(ctx, a)
	}
}

// CallEnded passes it on.
func (r *route) CallEnded(context.Context, passfort.CallResult) {}

// look finds out how a call ended, and whether what it says is true.
func look(t *testing.T, w *world, op cases.Case, class string, attempts int, err error) cell {
	t.Helper()
	c := cell{attempts: attempts, seen: w.srv.Count(op.Name)}
	for _, r := range w.srv.RequestsTo(op.Name) {
		if r.Applied {
			c.applied++
		}
	}
	c.outcome, c.class = ending(t, err)
	switch c.outcome {
	case "ok":
		require.NotZero(t, c.applied, "%s succeeded and was not carried out", op.Name)
	case "not sent":
		require.Zero(t, c.seen, "%s was sent", op.Name)
	case "rejected":
		if class != "safe" {
			require.Zero(t, c.applied, "%s was carried out", op.Name)
		}
	case "failed":
		require.Equal(t, "safe", class, "%s has no outcome", op.Name)
	}
	if class == "once" || class == "conditional" {
		require.LessOrEqual(t, c.applied, 1, "%s was carried out twice", op.Name)
	}
	return c
}

// ending is the outcome of a call and the class of its error.
func ending(t *testing.T, err error) (outcome, class string) {
	t.Helper()
	if err == nil {
		return "ok", ""
	}
	var failed *passfort.Error
	require.ErrorAs(t, err, &failed)
	require.NotContains(t, err.Error(), "sim-master-key")
	outcome = map[passfort.Outcome]string{
		passfort.OutcomeNotSent: "not sent", passfort.OutcomeRejected: "rejected", passfort.OutcomeUnknown: "unknown",
	}[failed.Outcome]
	if outcome == "" {
		outcome = "failed"
	}
	require.Equal(t, outcome == "unknown", errors.Is(err, passfort.ErrOutcomeUnknown))
	switch {
	case failed.StatusCode == 0 && errors.Is(err, context.DeadlineExceeded):
		class = "deadline"
	case failed.StatusCode == 0:
		class = "no answer"
	case failed.StatusCode/100 == 2:
		class = "unreadable"
	case errors.Is(err, passfort.ErrRateLimited):
		class = "rate limited"
	default:
		class = fmt.Sprint(failed.StatusCode)
	}
	return outcome, class
}

// budget is how long a call may take: what the retry policy allows, the
// longest attempt, and what a look for a lost check takes.
const budget = 40 * time.Minute

// inBubble runs every operation against one fault in a bubble of its own,
// where time is not real: limits of minutes are waited for, and a goroutine
// that is left fails the test.
func inBubble(t *testing.T, f fault, always bool, found *results, class map[string]string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := passforttest.New(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
		defer srv.Close()
		observer := &route{}
		c := srv.Client(passfort.WithObserver(observer), passfort.WithHTTPClient(&http.Client{
			Transport: toItself{srv.Transport()},
		}))
		w := fill(t, srv, c)
		for _, op := range operations() {
			require.NoError(t, srv.Restore(w.snapshot))
			srv.ClearFaults()
			srv.ForgetRequests()
			arm := f.sim
			arm.Operation, arm.Times = op.Name, 1
			if always {
				arm.Times = -1
			}
			date := time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
			for _, name := range []string{"Retry-After", "X-RateLimit-Reset"} {
				if arm.Header.Get(name) == "date" {
					arm.Header = http.Header{}
					arm.Header.Set(name, date)
				}
			}
			srv.Inject(arm)
			watch := &watcher{operation: op.Name}
			observer.to.Store(watch)
			ctx, cancel := context.WithTimeout(t.Context(), budget)
			if f.deadline > 0 {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), f.deadline)
			}
			began := time.Now()
			err := op.Call(ctx, c, w.World)
			took := time.Since(began)
			require.True(t, took < budget, "%s took %s", op.Name, took)
			if f.deadline > 0 {
				require.LessOrEqual(t, took, f.deadline+time.Second, op.Name)
			}
			cancel()
			attempts := int(watch.attempts.Load())
			require.GreaterOrEqual(t, took, f.wait*time.Duration(attempts-1), "%s did not wait as it was asked to",
				op.Name)
			if strings.Contains(f.name, "another host") {
				require.Zero(t, requestsTo(srv, "elsewhere.example"), "%s went to another host", op.Name)
			}
			found.add(result{f.name, op.Name, always, look(t, w, op, class[op.Name], attempts, err)})
			synctest.Wait()
		}
	})
}

// toItself makes redirects to the same host lead to where the request went.
type toItself struct{ http.RoundTripper }

// RoundTrip completes the Location of a redirect.
func (rt toItself) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := rt.RoundTripper.RoundTrip(req)
	if err == nil && resp.Header.Get("Location") == itself {
		resp.Header.Set("Location", req.URL.String())
	}
	return resp, err
}

func requestsTo(srv *passforttest.Server, host string) int {
	n := 0
	for _, r := range srv.Requests() {
		if r.Host == host {
			n++
		}
	}
	return n
}

// TestMatrix is every operation against every fault. It compares what it finds
// with docs/fault-matrix.md.
func TestMatrix(t *testing.T) {
	found, class := &results{}, classes()
	t.Run("runs", func(t *testing.T) {
		for _, f := range faults("date") {
			for _, always := range []bool{false, true} {
				if f.only && !always {
					continue
				}
				t.Run(fmt.Sprintf("%s, always %v", f.name, always), func(t *testing.T) {
					t.Parallel()
					if f.net != noNetwork {
						onTheNetwork(t, f, always, found, class)
					} else {
						inBubble(t, f, always, found, class)
					}
				})
			}
		}
	})
	if !t.Failed() {
		document(t, found.all, class)
	}
}
