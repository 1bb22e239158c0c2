package passforttest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// deliveredKept is how many acknowledged messages are remembered, and attemptsKept how
// many deliveries.
const (
	deliveredKept = 10_000
	attemptsKept  = 200
)

// deliverySettings say how messages are sent.
type deliverySettings struct {
	pace              time.Duration // between two batches
	shortest, longest time.Duration // before a delivery is tried again
	batch             int
	client            *http.Client // nil: one of its own
	shuffle           bool
	repeated          float64
}

// deliveries is the queue of webhook messages and what sends them. Its lock may be
// taken with that of the world held, never the other way round.
type deliveries struct {
	*lifetime
	deliverySettings

	woken chan struct{} // receives when there may be something to send
	begun sync.Once

	mu        sync.Mutex
	http      *http.Client
	random    *rand.Rand
	endpoint  endpoint
	events    []string // enabled ones; nil is all
	queue     []*Webhook
	delivered []Webhook // the newest ones
	attempts  []attempt // the newest ones
	sent      int
	last      int // status of the last answer; 0 for none
	paused    bool
}

// endpoint is where messages go. The zero value is none.
type endpoint struct {
	url, secret string
	batching    bool
}

// attempt is one delivery that was tried.
type attempt struct {
	at       time.Time
	event    string // of the first message
	id       string
	messages int
	status   int // 0 if there was no answer
	took     time.Duration
}

func newDeliveries(cfg config, life *lifetime) *deliveries {
	return &deliveries{
		lifetime: life, deliverySettings: cfg.delivery, woken: make(chan struct{}, 1),
		random: rand.New(newSource(cfg.seed, forDeliveries)),
	}
}

// wake lets run look at the queue.
func (d *deliveries) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// begin begins to send, once.
func (d *deliveries) begin(w *world) {
	d.begun.Do(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.http = d.client; d.http == nil {
			d.http = &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
		}
		d.start(w.keepTime)
		d.start(func() { d.run(w) })
	})
}

// closeIdle closes the idle connections.
func (d *deliveries) closeIdle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.http != nil {
		d.http.CloseIdleConnections()
	}
}

// configure sets the endpoint. The zero endpoint forgets the queue: configure returns
// the ids of its messages.
func (d *deliveries) configure(to endpoint) (forgotten []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endpoint = to
	if to.url == "" {
		for _, m := range d.queue {
			forgotten = append(forgotten, m.ID)
		}
		d.queue = nil
	}
	d.wake()
	return forgotten
}

// enable limits the events; nil is all.
func (d *deliveries) enable(events []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = events
}

// pause stops the deliveries, or lets them go on.
func (d *deliveries) pause(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paused = on
	d.wake()
}

// reset forgets every message.
func (d *deliveries) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue, d.delivered, d.attempts, d.sent = nil, nil, nil, 0
}

// hasEndpoint reports whether there is an endpoint.
func (d *deliveries) hasEndpoint() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.endpoint.url != ""
}

// wants reports whether messages of an event are sent.
func (d *deliveries) wants(event string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.endpoint.url != "" && (d.events == nil || slices.Contains(d.events, event))
}

// add puts messages at the end of the queue.
func (d *deliveries) add(messages ...Webhook) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range messages {
		d.queue = append(d.queue, &m)
	}
	d.wake()
}

// waiting returns the messages that were not acknowledged yet, in order.
func (d *deliveries) waiting() []Webhook {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Webhook, len(d.queue))
	for i, m := range d.queue {
		out[i] = *m
	}
	return out
}

// acknowledged returns the newest messages that were, oldest first.
func (d *deliveries) acknowledged() []Webhook {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.delivered)
}

// counts returns how many messages wait and how many were acknowledged.
func (d *deliveries) counts() (waiting, sent int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue), d.sent
}

// run sends what is queued until the server is closed.
func (d *deliveries) run(w *world) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d.start(func() {
		select {
		case <-d.closed:
			cancel()
		case <-ctx.Done():
		}
	})
	backoff := d.shortest
	for {
		shape := w.switches().BatchShape
		messages, to := d.next(shape)
		if len(messages) == 0 {
			select {
			case <-d.woken:
				continue
			case <-d.closed:
				return
			}
		}
		status, began := 0, time.Now()
		if w.kept() == nil {
			status = d.post(ctx, to, messages, shape)
		}
		w.noteDelivery(messages, status, time.Since(began))
		wait := backoff
		backoff = min(2*backoff, d.longest)
		if status == http.StatusOK {
			wait, backoff = 0, d.shortest
			if to.batching {
				wait = d.pace
			}
		}
		pause(ctx, d.closed, wait)
		select {
		case <-d.closed:
			return
		default:
		}
	}
}

// next returns the messages to send next, which stay queued, and the endpoint.
func (d *deliveries) next(shape BatchShape) ([]*Webhook, endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.paused {
		return nil, d.endpoint
	}
	n := 1
	if d.endpoint.batching && shape != BatchSingle {
		n = d.batch
	}
	n = min(n, len(d.queue))
	if d.shuffle {
		for i := range n {
			j := i + d.random.IntN(len(d.queue)-i)
			d.queue[i], d.queue[j] = d.queue[j], d.queue[i]
		}
	}
	batch := slices.Clone(d.queue[:n])
	for _, m := range batch {
		m.Attempts++
	}
	return batch, d.endpoint
}

// settle records the answer to a batch, unless the queue was forgotten meanwhile. It
// returns the ids of the messages that leave the queue.
func (d *deliveries) settle(batch []*Webhook, status int, at time.Time, took time.Duration) (done []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) < len(batch) || d.queue[0] != batch[0] {
		return nil
	}
	d.last = status
	d.attempts = append(d.attempts, attempt{at, batch[0].Event, batch[0].ID, len(batch), status, took})
	if len(d.attempts) > 2*attemptsKept {
		d.attempts = slices.Clone(d.attempts[attemptsKept:])
	}
	if status != http.StatusOK {
		return nil
	}
	done = d.drop(batch)
	for _, m := range batch {
		d.sent++
		d.delivered = append(d.delivered, *m)
	}
	if len(d.delivered) > 2*deliveredKept {
		d.delivered = slices.Clone(d.delivered[len(d.delivered)-deliveredKept:])
	}
	return done
}

// drop removes a batch from the head of the queue. What is delivered twice by chance
// stays in front.
func (d *deliveries) drop(batch []*Webhook) (done []string) {
	var again []*Webhook
	for _, m := range batch {
		if d.repeated > 0 && d.random.Float64() < d.repeated {
			again = append(again, m)
			continue
		}
		done = append(done, m.ID)
	}
	gone := len(batch) - len(again)
	clear(d.queue[:gone])
	copy(d.queue[gone:], again)
	d.queue = d.queue[gone:]
	return done
}

// post sends one request and returns the status of the answer, 0 if there was
// none.
func (d *deliveries) post(ctx context.Context, to endpoint, batch []*Webhook, shape BatchShape) int {
	var messages []object
	for _, m := range batch {
		messages = append(messages, object{
			"id": m.ID, "event": m.Event, "secret": to.secret, "timestamp": m.Timestamp,
			"data": json.RawMessage(m.Data),
		})
	}
	var body any = messages
	switch {
	case !to.batching || shape == BatchSingle:
		body = messages[0]
	case shape == BatchObject:
		body = object{"events": messages}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(encode(body)))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+to.secret)
	resp, err := d.http.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusOK { // after 101 nothing would end the reading
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	}
	return resp.StatusCode
}

// WaitWebhooks waits until every message is acknowledged and nothing is due
// that would cause another, or until ctx ends. What lies further in the future
// than a check takes (the expiry of a request) is not waited for.
func (s *Server) WaitWebhooks(ctx context.Context) error {
	for {
		w := s.world.enter()
		waiting, _ := w.out.counts()
		quiet := waiting == 0
		soon := w.tick.Add(max(w.cfg.checkTime, w.cfg.automationTime))
		if w.due.Len() > 0 && !w.due.items[0].at.After(soon) {
			quiet = false
		}
		moved, timer := w.moved, w.nextDue()
		w.leave()
		if quiet {
			return nil
		}
		select {
		case <-timer:
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closed:
			return http.ErrServerClosed
		}
	}
}
