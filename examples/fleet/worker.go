package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/fleet"
	"github.com/passfort-go/passfort/ratelimit"
)

// workerConfig is all a worker needs to know.
type workerConfig struct {
	Name        string
	Listen      string // address of the webhook endpoint
	EngineURL   string
	Prefix      string // of the fleet
	BaseURL     string
	APIKey      string
	Secret      string        // of the webhooks
	OldSecret   string        // valid as well, while the secret changes; may be empty
	Ops         string        // address of health and metrics; empty: none
	Items       int           // profiles of bulk jobs at once; 0: none
	Reserve     int           // of the hourly quota, left to others
	MaxDelivery int64         // bytes of a delivery; 0: the default of package fleet
	ReadTimeout time.Duration // of a delivery; 0: defaultReadTimeout
	Log         *slog.Logger
	// Handle does what a message asks for: your program.
	Handle func(context.Context, *passfort.WebhookEvent) error
}

// worker is one member of the fleet. All of them are alike.
type worker struct {
	cfg    workerConfig
	conn   *nats.Conn
	fleet  *fleet.Fleet
	front  *fleet.Front
	client *passfort.Client
	inbox  *passfort.CheckInbox
	budget *ratelimit.Adaptive

	listener net.Listener
	ops      net.Listener // nil: none
	waits    waits
}

// newWorker connects a worker to the engine and lets it listen. Run does the rest.
func newWorker(ctx context.Context, cfg workerConfig) (*worker, error) {
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = defaultReadTimeout
	}
	w := &worker{cfg: cfg, inbox: passfort.NewCheckInbox(), budget: ratelimit.NewAdaptive(cfg.Reserve)}
	var err error
	w.client, err = passfort.New(cfg.APIKey, passfort.WithBaseURL(cfg.BaseURL),
		passfort.WithUserAgent("passfort-fleet"),
		passfort.WithLimiter(w.budget), passfort.WithObserver(w.budget),
		passfort.WithRetry(passfort.RetryPolicy{MaxElapsed: 20 * time.Second}))
	if err != nil {
		return nil, err
	}
	if w.conn, w.fleet, err = join(cfg.EngineURL, cfg.Prefix, cfg.Name, cfg.Log); err != nil {
		return nil, err
	}
	if err := w.open(ctx); err != nil {
		w.conn.Close()
		return nil, err
	}
	return w, nil
}

// open takes the addresses.
func (w *worker) open(ctx context.Context) (err error) {
	secrets := slices.DeleteFunc([]string{w.cfg.Secret, w.cfg.OldSecret}, func(s string) bool { return s == "" })
	if w.front, err = w.fleet.Front(fleet.FrontOptions{Secrets: secrets, BodyLimit: w.cfg.MaxDelivery}); err != nil {
		return err
	}
	if w.cfg.Ops != "" {
		if w.ops, err = takeAddress(ctx, w.cfg.Ops, "ops"); err != nil {
			return err
		}
	}
	if w.listener, err = takeAddress(ctx, w.cfg.Listen, "listen"); err != nil && w.ops != nil {
		_ = w.ops.Close()
	}
	return err
}

// Addr returns where the worker listens for webhooks.
func (w *worker) Addr() string { return w.listener.Addr().String() }

const (
	// stopTimeout is how long a worker that is asked to stop may take to finish
	// what it has in hand.
	stopTimeout = 10 * time.Second
	// defaultReadTimeout is how long a delivery may take to arrive: a sender that
	// dribbles does not hold a connection for longer.
	defaultReadTimeout = 20 * time.Second
)

// serve returns a server that no sender keeps busy.
func serve(h http.Handler, readTimeout time.Duration) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: min(readTimeout, 10*time.Second), ReadTimeout: readTimeout,
		IdleTimeout: 2 * time.Minute,
	}
}

// Run works until ctx ends: then it refuses webhooks, finishes the messages in
// hand and gives the rest back.
func (w *worker) Run(ctx context.Context) error {
	defer w.conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopHints, err := w.fleet.Listen(w.inbox, w.waits.heard)
	if err != nil {
		return err
	}
	defer func() { _ = stopHints() }()
	var running sync.WaitGroup
	if w.cfg.APIKey == simulatorKey { // any client that can publish may ask, and a check costs money
		checks, err := w.conn.QueueSubscribe(w.fleet.Subject("check"), "workers", func(msg *nats.Msg) {
			running.Go(func() { w.answerCheck(ctx, msg) })
		})
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = checks.Unsubscribe() })()
	}
	if w.ops != nil {
		ops := serve(w.opsHandler(), 5*time.Second)
		defer context.AfterFunc(ctx, func() { _ = ops.Close() })()
		running.Go(func() { _ = ops.Serve(w.ops) })
	}
	work := fleet.WorkOptions{Handle: w.cfg.Handle}
	if w.cfg.Items > 0 {
		work.Client, work.Items, work.Jobs = w.client, w.cfg.Items, jobs(w.client)
	}
	worked := make(chan error, 1)
	running.Go(func() {
		worked <- w.fleet.Work(ctx, work)
		cancel()
	})
	running.Go(func() { w.report(ctx) })

	mux := http.NewServeMux()
	mux.Handle("/webhooks", w.front)
	srv := serve(mux, w.cfg.ReadTimeout)
	stopped := make(chan error, 1)
	running.Go(func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- errors.Join(w.front.Shutdown(limit), srv.Shutdown(limit))
	})
	err = srv.Serve(w.listener)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	cancel()
	running.Wait()
	return errors.Join(err, <-worked, <-stopped)
}

// The kinds of bulk jobs.
const (
	// kindResync writes the name of the job into the custom fields of each
	// profile: the place of your own data.
	kindResync = "resync"
	// kindRecheck runs one check on each profile.
	kindRecheck = "recheck"
)

// resyncField is the custom field that a resync sets.
const resyncField = "last_resync"

// recheckType is the check that a recheck runs.
const recheckType = passfort.CheckTypeIdentityCheck

// jobs are what a worker can do with all profiles.
func jobs(client *passfort.Client) map[string]fleet.Job {
	return map[string]fleet.Job{
		kindRecheck: fleet.RunCheck(client, recheckType),
		// Update reads before it writes, and writes only if something is to be
		// changed and the data is unchanged: a repeat finds it done.
		kindResync: func(ctx context.Context, item *fleet.Item) error {
			_, err := client.CollectedData.Update(ctx, item.ProfileID, func(data *passfort.EntityData) error {
				if data.CustomFieldsData == nil {
					data.CustomFieldsData = map[string]any{}
				}
				data.CustomFieldsData[resyncField] = item.Job
				return nil
			})
			return err
		},
	}
}

// opsHandler adds what the API said to the metrics of the fleet.
func (w *worker) opsHandler() http.Handler {
	ops, mux := w.fleet.Ops(), http.NewServeMux()
	mux.Handle("/", ops)
	mux.HandleFunc("GET /metrics", func(rw http.ResponseWriter, r *http.Request) {
		ops.ServeHTTP(rw, r)
		s := w.stats()
		for _, m := range []struct {
			name, kind string
			value      int64
		}{
			{"api_retries_total", "counter", s.Retries},
			{"api_limited_total", "counter", s.Limited},
			{"api_remaining", "gauge", int64(s.Remaining)},
			{"memory_bytes", "gauge", s.Memory},
		} {
			_, _ = fmt.Fprintf(rw, "# TYPE fleet_%s %s\nfleet_%s %d\n", m.name, m.kind, m.name, m.value)
		}
	})
	return mux
}

// stats is what a worker reports every second. Counts are since its start.
type stats struct {
	fleet.Stats
	Worker    string `json:"worker"`
	Addr      string `json:"addr"`
	Pid       int    `json:"pid"`
	Retries   int64  `json:"retries"`
	Limited   int64  `json:"limited"`
	Remaining int    `json:"remaining"` // of the hourly quota; -1: not known
	Memory    int64  `json:"memory"`    // bytes in use by the process
}

func (w *worker) stats() stats {
	calls := w.budget.Seen()
	remaining, known := w.budget.Remaining("CollectedData.Replace")
	if !known {
		remaining = -1
	}
	s := w.fleet.Stats()
	return stats{
		Stats: s, Worker: w.cfg.Name, Addr: w.Addr(), Pid: os.Getpid(),
		Retries: calls.Repeats + s.JobRetries, Limited: calls.Limited, Remaining: remaining, Memory: memory(),
	}
}

// memory returns the resident memory of this process, or what the Go runtime
// has from the system where there is no /proc.
func memory() int64 {
	if status, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(status)); len(fields) > 1 {
			if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}

func (w *worker) report(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if body, err := json.Marshal(w.stats()); err == nil {
			_ = w.conn.Publish(w.fleet.Subject("stats", w.cfg.Name), body)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
