package main

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/ratelimit"
)

// workerConfig is all a worker needs to know.
type workerConfig struct {
	Name      string
	Listen    string // address of the webhook endpoint
	EngineURL string
	BaseURL   string
	APIKey    string
	Secret    string // of the webhooks
	OldSecret string // valid as well, while the secret changes; may be empty
	Ops       string // address of health and metrics; empty: none
	Items     int    // profiles of bulk jobs at once
	Reserve   int    // of the hourly quota, left to others
	Log       *slog.Logger
}

// worker is one member of the fleet. All of them are alike.
type worker struct {
	cfg      workerConfig
	conn     *nats.Conn
	js       jetstream.JetStream
	client   *passfort.Client
	inbox    *passfort.CheckInbox
	receiver *receiver
	handler  *handler
	bulk     *bulk
	budget   *ratelimit.Adaptive

	partitions int
	listener   net.Listener
	ops        net.Listener // nil: none
	waits      waits
}

// newWorker connects a worker to the engine and lets it listen. It waits until
// the streams are there. Run does the rest.
func newWorker(ctx context.Context, cfg workerConfig) (*worker, error) {
	w := &worker{cfg: cfg, inbox: passfort.NewCheckInbox(), budget: ratelimit.NewAdaptive(cfg.Reserve)}
	var err error
	w.client, err = passfort.New(cfg.APIKey, passfort.WithBaseURL(cfg.BaseURL),
		passfort.WithUserAgent("passfort-fleet"),
		passfort.WithLimiter(w.budget), passfort.WithObserver(w.budget),
		passfort.WithRetry(passfort.RetryPolicy{MaxElapsed: 20 * time.Second}))
	if err != nil {
		return nil, err
	}
	if w.conn, err = connect(cfg.EngineURL, cfg.Name, cfg.Log); err != nil {
		return nil, err
	}
	if err := w.join(ctx); err != nil {
		w.conn.Close()
		return nil, err
	}
	return w, nil
}

func (w *worker) join(ctx context.Context) (err error) {
	if w.js, err = jetstream.New(w.conn); err != nil {
		return err
	}
	for {
		if w.partitions, err = partitionsOf(ctx, w.js); err == nil {
			break
		}
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		if pause(ctx, time.Second); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	items, err := w.js.Consumer(ctx, bulkStream, itemsConsumer)
	if err != nil {
		return err
	}
	stream, err := w.js.Stream(ctx, bulkStream)
	if err != nil {
		return err
	}
	ackWait, queue := items.CachedInfo().Config.AckWait, stream.CachedInfo().Config.MaxMsgs
	table, err := openEffects(ctx, w.js)
	if err != nil {
		return err
	}
	aside, err := openLarge(ctx, w.conn, w.js, table)
	if err != nil {
		return err
	}
	w.receiver = &receiver{js: w.js, conn: w.conn, effects: table, large: aside, name: w.cfg.Name}
	w.receiver.partitions.Store(int64(w.partitions))
	w.handler = &handler{js: w.js, effects: table, large: aside, name: w.cfg.Name, ackWait: ackWait, log: w.cfg.Log}
	w.bulk = &bulk{
		js: w.js, effects: table, client: w.client, name: w.cfg.Name, ackWait: ackWait, queue: queue, log: w.cfg.Log,
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

// stopTimeout is how long a worker that is asked to stop may take to finish
// what it has in hand.
const stopTimeout = 10 * time.Second

// readTimeout is how long a delivery may take to arrive: a sender that dribbles
// does not hold a connection for longer.
const readTimeout = 20 * time.Second

func (w *worker) secrets() []string {
	if w.cfg.OldSecret == "" {
		return []string{w.cfg.Secret}
	}
	return []string{w.cfg.Secret, w.cfg.OldSecret}
}

// runPartitions handles messages until ctx ends. When the number of partitions
// changes it goes on with the new ones.
func (w *worker) runPartitions(ctx context.Context) {
	for of := w.partitions; ctx.Err() == nil; {
		w.receiver.partitions.Store(int64(of))
		era, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		for p := range of {
			running.Go(func() { w.handler.run(era, p, of) })
		}
		now := of
		for now == of && ctx.Err() == nil {
			if n, err := partitionsOf(ctx, w.js); err == nil {
				now = n
			}
			if now == of {
				pause(ctx, time.Second)
			}
		}
		cancel()
		running.Wait()
		of = now
	}
}

// Run works until ctx ends: then it refuses webhooks, finishes the messages in
// hand and gives the rest back.
func (w *worker) Run(ctx context.Context) error {
	defer w.conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	endpoint, err := w.receiver.handler(w.cfg.Log, w.secrets()...)
	if err != nil {
		return err
	}
	hints, err := listen(w.conn, w.inbox, w.waits.heard)
	if err != nil {
		return err
	}
	defer func() { _ = hints.Unsubscribe() }()
	var running sync.WaitGroup
	if w.cfg.APIKey == simulatorKey { // any client that can publish may ask, and a check costs money
		checks, err := w.conn.QueueSubscribe(checkSubject, "workers", func(msg *nats.Msg) {
			running.Go(func() { w.answerCheck(ctx, msg) })
		})
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = checks.Unsubscribe() })()
	}
	if w.ops != nil {
		running.Go(func() { w.serveOps(ctx) })
	}
	running.Go(func() { w.runPartitions(ctx) })
	running.Go(func() { w.bulk.runPages(ctx) })
	for range w.cfg.Items {
		running.Go(func() { w.bulk.runItems(ctx) })
	}
	running.Go(func() { w.report(ctx) })

	mux := http.NewServeMux()
	mux.Handle("/webhooks", endpoint)
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: readTimeout, IdleTimeout: 2 * time.Minute,
	}
	stopped := make(chan error, 1)
	running.Go(func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- errors.Join(endpoint.Shutdown(limit), srv.Shutdown(limit))
	})
	err = srv.Serve(w.listener)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	cancel()
	running.Wait()
	return errors.Join(err, <-stopped)
}

// stats is what a worker reports every second. Counts are since its start.
type stats struct {
	Worker     string `json:"worker"`
	Addr       string `json:"addr"`
	Pid        int    `json:"pid"`
	Received   int64  `json:"received"`
	Duplicates int64  `json:"duplicates"`
	Refused    int64  `json:"refused"`
	Handled    int64  `json:"handled"`
	Redone     int64  `json:"redone"`
	Failed     int64  `json:"failed"`
	Parked     int64  `json:"parked"`
	LagMicros  int64  `json:"lag_us"`
	BulkDone   int64  `json:"bulk_done"`
	BulkAgain  int64  `json:"bulk_again"`
	BulkFailed int64  `json:"bulk_refused"`
	Retries    int64  `json:"retries"`
	Limited    int64  `json:"limited"`
	Remaining  int    `json:"remaining"` // of the hourly quota; -1: not known
	Memory     int64  `json:"memory"`    // bytes in use by the process
}

func (w *worker) stats() stats {
	calls := w.budget.Seen()
	remaining, known := w.budget.Remaining("CollectedData.Replace")
	if !known {
		remaining = -1
	}
	return stats{
		Worker: w.cfg.Name, Addr: w.Addr(), Pid: os.Getpid(),
		Received: w.receiver.received.Load(), Duplicates: w.receiver.duplicates.Load(),
		Refused: w.receiver.refused.Load(),
		Handled: w.handler.handled.Load(), Redone: w.handler.redone.Load(), Failed: w.handler.failed.Load(),
		Parked: w.handler.parked.Load(), LagMicros: w.handler.lagMicros.Load(),
		BulkDone: w.bulk.done.Load(), BulkAgain: w.bulk.again.Load(), BulkFailed: w.bulk.refused.Load(),
		Retries: calls.Repeats + w.bulk.retried.Load(), Limited: calls.Limited, Remaining: remaining,
		Memory: memory(),
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
			_ = w.conn.Publish(statsSubject+w.cfg.Name, body)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// waits remembers when a hint came for the checks that are waited for here, by
// one wait or several.
type waits struct {
	mu   sync.Mutex
	open map[string][]*hint
}

func (s *waits) begin(checkID string) *hint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string][]*hint{}
	}
	h := &hint{}
	s.open[checkID] = append(s.open[checkID], h)
	return h
}

func (s *waits) heard(h hint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.open[h.CheckID] {
		if open.At.IsZero() {
			*open = h
		}
	}
}

// end ends a wait that began with h, and returns the hint that came for it.
func (s *waits) end(checkID string, h *hint) hint {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[checkID] = slices.DeleteFunc(s.open[checkID], func(open *hint) bool { return open == h })
	if len(s.open[checkID]) == 0 {
		delete(s.open, checkID)
	}
	return *h
}

// checkRequest asks a worker for a check. Without a check id it makes up a
// person and runs one.
type checkRequest struct {
	ProfileID string `json:"profile,omitempty"`
	CheckID   string `json:"check,omitempty"`
}

// checkAnswer says how a wait ended.
type checkAnswer struct {
	WaitedAt   string        `json:"waited_at"`
	ReceivedAt string        `json:"received_at"` // empty: no webhook was heard of
	Woken      time.Duration `json:"woken"`       // from there to the end of the wait
	Polls      int           `json:"polls"`
	Problem    string        `json:"problem,omitempty"`
}

func (w *worker) answerCheck(ctx context.Context, msg *nats.Msg) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	answer := checkAnswer{WaitedAt: w.cfg.Name}
	if err := w.waitForCheck(ctx, msg.Data, &answer); err != nil {
		answer.Problem = err.Error()
	}
	if body, err := json.Marshal(answer); err == nil {
		_ = msg.Respond(body)
	}
}

// waitForCheck is what an onboarding does: it runs a check and waits, on this
// worker, whichever one gets the webhook.
func (w *worker) waitForCheck(ctx context.Context, body []byte, answer *checkAnswer) error {
	var req checkRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return errors.New("not a request for a check")
	}
	if req.CheckID == "" {
		data := passfort.NewIndividual()
		data.PersonalDetails = &passfort.PersonalDetails{
			Name: &passfort.FullName{GivenNames: []string{"Made"}, FamilyName: "Up"},
		}
		profile, err := w.client.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: data,
		})
		if err != nil {
			return err
		}
		check, err := w.client.Checks.Run(ctx, profile.ID, &passfort.CheckRequest{
			Type: recheckType, Mode: passfort.CheckModeAsync,
		})
		if err != nil {
			return err
		}
		req.ProfileID, req.CheckID = profile.ID, check.ID
	}
	open := w.waits.begin(req.CheckID)
	_, err := w.client.Checks.Wait(ctx, req.ProfileID, req.CheckID, &passfort.WaitOptions{
		MinInterval: 20 * time.Second, // the webhook is what ends the wait
		Inbox:       w.inbox,
		OnPoll:      func(int) { answer.Polls++ },
	})
	ended := time.Now()
	if h := w.waits.end(req.CheckID, open); !h.At.IsZero() {
		answer.ReceivedAt, answer.Woken = h.From, ended.Sub(h.At)
	}
	return err
}
