package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// counts is what a process counts.
type counts struct {
	received, duplicates, refused  atomic.Int64
	handled, again, redone, failed atomic.Int64
	parked, lag                    atomic.Int64
	jobDone, jobAgain, jobRefused  atomic.Int64
	jobRetries                     atomic.Int64
}

// Stats is what this process has done since [New].
type Stats struct {
	// Received counts the messages that were stored, Duplicates those of them that the
	// engine knew, Refused the deliveries and messages that were not taken.
	Received, Duplicates, Refused int64
	// Handled counts the messages whose effect was recorded here, Again those whose
	// effect was found there, Redone the ones that had been handed out before, Failed
	// the tries that failed, Parked the messages that were put aside.
	Handled, Again, Redone, Failed, Parked int64
	// Lag is the time from stored to handled, of the last message.
	Lag time.Duration
	// JobDone counts the profiles of jobs that were recorded here, JobAgain those that
	// were found recorded, JobRefused those of JobDone that Passfort refused for good,
	// JobRetries the tries that failed.
	JobDone, JobAgain, JobRefused, JobRetries int64
}

// Stats returns the counts of this process.
func (f *Fleet) Stats() Stats {
	c := &f.counts
	return Stats{
		Received: c.received.Load(), Duplicates: c.duplicates.Load(), Refused: c.refused.Load(),
		Handled: c.handled.Load(), Again: c.again.Load(), Redone: c.redone.Load(), Failed: c.failed.Load(),
		Parked: c.parked.Load(), Lag: time.Duration(c.lag.Load()),
		JobDone: c.jobDone.Load(), JobAgain: c.jobAgain.Load(), JobRefused: c.jobRefused.Load(),
		JobRetries: c.jobRetries.Load(),
	}
}

// WriteMetrics writes the counts of this process and what waits in the engine, in the
// text format of Prometheus. Nothing in it names a profile. If the engine does not
// answer within 2 seconds, fleet_ready is 0 and the queues are left out.
func (f *Fleet) WriteMetrics(ctx context.Context, w io.Writer) error {
	var out bytes.Buffer
	write := func(name, kind string, value any) {
		_, _ = fmt.Fprintf(&out, "# TYPE fleet_%s %s\n", name, kind)
		_, _ = fmt.Fprintf(&out, "fleet_%s{prefix=%q} %v\n", name, string(f.names), value)
	}
	s := f.Stats()
	for _, m := range []struct {
		name  string
		value int64
	}{
		{"webhooks_received_total", s.Received}, {"webhooks_duplicate_total", s.Duplicates},
		{"webhooks_refused_total", s.Refused}, {"messages_handled_total", s.Handled},
		{"messages_again_total", s.Again}, {"messages_redelivered_total", s.Redone},
		{"messages_failed_total", s.Failed}, {"messages_parked_total", s.Parked},
		{"job_profiles_done_total", s.JobDone}, {"job_profiles_again_total", s.JobAgain},
		{"job_profiles_refused_total", s.JobRefused}, {"job_retries_total", s.JobRetries},
	} {
		write(m.name, "counter", m.value)
	}
	write("message_lag_seconds", "gauge", s.Lag.Seconds())
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	q, err := f.Queues(ctx)
	if err != nil {
		write("ready", "gauge", 0)
	} else {
		write("ready", "gauge", 1)
		write("queue_webhooks", "gauge", q.Webhooks)
		write("queue_parked", "gauge", q.Parked)
		write("queue_jobs", "gauge", q.Jobs)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// Ops returns a handler for the scheduler and for Prometheus: /healthz answers 200 as
// long as the process answers and the connection was not closed for good, /readyz if
// [Fleet.Ready] reports no error and otherwise 503 with its cause, /metrics with
// [Fleet.WriteMetrics]. It is for a port that strangers do not reach.
func (f *Fleet) Ops() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, Cause(err), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if f.conn.IsClosed() {
			answer(w, errClosed)
			return
		}
		answer(w, nil)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, f.Ready(r.Context())) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_ = f.WriteMetrics(r.Context(), w)
	})
	return mux
}
