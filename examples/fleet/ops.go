package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
)

// serveOps answers for the scheduler and for Prometheus until ctx ends.
func (w *worker) serveOps(ctx context.Context) {
	srv := &http.Server{
		Handler: w.opsHandler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
		IdleTimeout: time.Minute,
	}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	_ = srv.Serve(w.ops)
}

// opsHandler has /healthz (the process answers), /readyz (it is connected, so it
// can take webhooks) and /metrics (the format of Prometheus).
func (w *worker) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok\n") })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		if w.conn.Status() != nats.CONNECTED {
			http.Error(rw, "no connection to the engine", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(rw, "ok\n")
	})
	mux.HandleFunc("GET /metrics", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.stats().write(rw)
	})
	return mux
}

// write writes the counts in the format of Prometheus. Nothing in them names a
// profile.
func (s stats) write(out io.Writer) {
	for _, m := range []struct {
		name, kind string
		value      int64
	}{
		{"webhooks_received_total", "counter", s.Received},
		{"webhooks_duplicate_total", "counter", s.Duplicates},
		{"webhooks_refused_total", "counter", s.Refused},
		{"messages_handled_total", "counter", s.Handled},
		{"messages_redelivered_total", "counter", s.Redone},
		{"messages_failed_total", "counter", s.Failed},
		{"messages_parked_total", "counter", s.Parked},
		{"message_lag_microseconds", "gauge", s.LagMicros},
		{"bulk_done_total", "counter", s.BulkDone},
		{"bulk_refused_total", "counter", s.BulkFailed},
		{"api_retries_total", "counter", s.Retries},
		{"api_limited_total", "counter", s.Limited},
		{"api_remaining", "gauge", int64(s.Remaining)},
		{"memory_bytes", "gauge", s.Memory},
	} {
		_, _ = fmt.Fprintf(out, "# TYPE fleet_%s %s\nfleet_%s %d\n", m.name, m.kind, m.name, m.value)
	}
}
