package passforttest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/passfort-go/passfort"
)

// Webhook is one message on its way to the endpoint.
type Webhook struct {
	ID        string
	Event     string
	Timestamp int64 // Unix seconds
	ProfileID string
	Data      []byte // the data member, as JSON
	Attempts  int    // deliveries tried
}

// webhooks is the queue and its delivery.
type webhooks struct {
	url, secret string
	batching    bool
	events      []string // enabled ones; nil is all
	queue       []*Webhook
	delivered   []Webhook // the newest ones
	sent        int
	last        int // status of the last answer; 0 for none
	paused      bool
	attempts    []attempt // the newest ones
	started     bool
	client      *http.Client
}

// deliveredKept is how many acknowledged messages are remembered.
const deliveredKept = 10_000

// SetWebhook sets the endpoint that gets the messages of everything that
// happens from now on, the shared secret, and whether messages travel in
// batches. An empty url turns webhooks off and forgets what is queued.
//
// The secret is sent in the Authorization header and in every message. A message is sent again
// until it is answered with 200. Unless batching, one message is sent at a time, in order; a
// message that is not accepted holds up all behind it (docs/api/webhooks.md#delivery).
func (s *Server) SetWebhook(url, secret string, batching bool) {
	s.enter()
	defer s.leave()
	h := &s.hooks
	h.url, h.secret, h.batching = url, secret, batching
	if url == "" {
		for _, m := range h.queue {
			s.changes.sent = append(s.changes.sent, m.ID)
		}
		h.queue = nil
		s.changed()
		return
	}
	if h.started {
		s.changed()
		return
	}
	h.started = true
	h.client = s.cfg.webhookClient
	if h.client == nil {
		h.client = &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	}
	s.running.Go(s.keepTime)
	s.running.Go(s.deliver)
}

// EnableWebhooks limits the events that are sent, as the portal does. Without
// names all are. One that is no event panics.
func (s *Server) EnableWebhooks(events ...string) {
	for _, event := range events {
		if !passfort.EventName(event).Known() {
			mustBe("event", event, eventNames())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.events = events
}

// eventNames are the events there are: to suggest in the place of one that does not
// exist, and to send samples of.
func eventNames() []string {
	return []string{
		string(passfort.EventProductStatusChanged), string(passfort.EventCollectedDataUpdated),
		string(passfort.EventCollectedDataChanged),
		string(passfort.EventCheckCompleted), string(passfort.EventManualActionRequired),
		string(passfort.EventProductBadgeChanged), string(passfort.EventTaskCreated),
		string(passfort.EventTaskStateChanged),
		string(passfort.EventRiskLevelChanged), string(passfort.EventRiskScoreChanged),
		string(passfort.EventFormStateChanged),
		string(passfort.EventCustomerRequestChanged), string(passfort.EventEventsCreated),
		string(passfort.EventEventsUpdated),
		string(passfort.EventProfileStatusChanged), string(passfort.EventTaskIsCompleteChanged),
		string(passfort.EventCollectionStepsCompleted),
	}
}

// emit queues a message about a profile, with the members most payloads share.
func (s *Server) emit(p *profile, by actor, event string, data object) {
	if s.hooks.url == "" {
		return
	}
	data["apikey"], data["user"] = by.keyValue(), by.userValue()
	s.emitBare(p, event, data)
}

func (s *Server) emitBare(p *profile, event string, data object) {
	h := &s.hooks
	if h.url == "" || h.events != nil && !slices.Contains(h.events, event) {
		return
	}
	data["profile_id"], data["customer_ref"] = p.ID, nullable(p.Summary.CustomerRef)
	m := &Webhook{ID: s.newID(), Event: event, Timestamp: s.tick.Unix(), ProfileID: p.ID, Data: encode(data)}
	h.queue = append(h.queue, m)
	s.changes.queued = append(s.changes.queued, m)
	s.changed()
}

// keepTime lets things happen when they are due, because with a webhook
// it is always read.
func (s *Server) keepTime() {
	var next time.Time
	var timer <-chan time.Time
	for {
		s.enter()
		moved := s.moved
		switch {
		case s.due.Len() == 0:
			next, timer = time.Time{}, nil
		case !s.due.items[0].at.Equal(next):
			next, timer = s.due.items[0].at, s.nextDue()
		}
		s.leave()
		select {
		case <-timer:
			next = time.Time{}
		case <-moved:
		case <-s.closed:
			return
		}
	}
}

// nextDue receives when the next thing is due. The caller holds the lock.
func (s *Server) nextDue() <-chan time.Time {
	if s.due.Len() == 0 {
		return nil
	}
	return s.cfg.clock.After(s.due.items[0].at.Sub(s.tick))
}

// deliver sends what is queued until the server is closed.
func (s *Server) deliver() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.running.Go(func() {
		select {
		case <-s.closed:
			cancel()
		case <-ctx.Done():
		}
	})
	backoff := s.cfg.webhookBackoff[0]
	for {
		messages, moved, hook := s.nextDelivery()
		if len(messages) == 0 {
			select {
			case <-moved:
				continue
			case <-s.closed:
				return
			}
		}
		status, began := 0, time.Now()
		if s.kept() == nil {
			status = hook.post(ctx, messages, s.switches().BatchShape)
		}
		again := s.settleDelivery(messages, status, time.Since(began))
		wait := time.Duration(0)
		switch {
		case !again:
			backoff = s.cfg.webhookBackoff[0]
			if hook.batching {
				wait = s.cfg.webhookPace
			}
		default:
			wait = backoff
			backoff = min(2*backoff, s.cfg.webhookBackoff[1])
		}
		pause(ctx, s.closed, wait)
		select {
		case <-s.closed:
			return
		default:
		}
	}
}

// nextDelivery takes the messages to send next; they stay queued.
func (s *Server) nextDelivery() ([]*Webhook, <-chan struct{}, webhooks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.hooks
	if h.paused {
		return nil, s.moved, *h
	}
	n := 1
	if h.batching && s.sw.BatchShape != BatchSingle {
		n = s.cfg.webhookBatch
	}
	if s.cfg.webhookShuffle {
		for i := range min(n, len(h.queue)) {
			j := i + s.random.IntN(len(h.queue)-i)
			h.queue[i], h.queue[j] = h.queue[j], h.queue[i]
		}
	}
	batch := slices.Clone(h.queue[:min(n, len(h.queue))])
	for _, m := range batch {
		m.Attempts++
	}
	return batch, s.moved, *h
}

// settleDelivery removes what was acknowledged and says whether to try again.
func (s *Server) settleDelivery(batch []*Webhook, status int, took time.Duration) bool {
	s.mu.Lock()
	defer s.leave()
	h := &s.hooks
	h.last = status
	h.attempts = append(h.attempts, attempt{s.clockNow(), batch[0].Event, batch[0].ID, len(batch), status, took})
	if len(h.attempts) > 2*attemptsKept {
		h.attempts = slices.Clone(h.attempts[attemptsKept:])
	}
	if status == http.StatusOK {
		h.queue = s.acknowledged(batch)
		for _, m := range batch {
			h.sent++
			h.delivered = append(h.delivered, *m)
		}
		if len(h.delivered) > 2*deliveredKept {
			h.delivered = slices.Clone(h.delivered[len(h.delivered)-deliveredKept:])
		}
	}
	s.changed()
	return status != http.StatusOK
}

// acknowledged is the queue without a batch, which was its head and still is
// unless webhooks were turned off. What is delivered twice by chance stays in front.
func (s *Server) acknowledged(batch []*Webhook) []*Webhook {
	queue := s.hooks.queue
	if len(queue) < len(batch) || queue[0] != batch[0] {
		return queue
	}
	var again []*Webhook
	for _, m := range batch {
		if s.cfg.webhookRepeated > 0 && s.random.Float64() < s.cfg.webhookRepeated {
			again = append(again, m)
			continue
		}
		s.changes.sent = append(s.changes.sent, m.ID)
	}
	gone := len(batch) - len(again)
	clear(queue[:gone])
	copy(queue[gone:], again)
	return queue[gone:]
}

// post sends one request and returns the status of the answer, 0 if there was
// none.
func (h *webhooks) post(ctx context.Context, batch []*Webhook, shape BatchShape) int {
	var messages []object
	for _, m := range batch {
		messages = append(messages, object{
			"id": m.ID, "event": m.Event, "secret": h.secret, "timestamp": m.Timestamp, "data": json.RawMessage(m.Data),
		})
	}
	var body any = messages
	switch {
	case !h.batching || shape == BatchSingle:
		body = messages[0]
	case shape == BatchObject:
		body = object{"events": messages}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(encode(body)))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+h.secret)
	resp, err := h.client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode
}

// PendingWebhooks returns the messages that were not acknowledged yet, in the
// order in which they wait.
func (s *Server) PendingWebhooks() []Webhook {
	s.enter()
	defer s.leave()
	out := make([]Webhook, 0, len(s.hooks.queue))
	for _, m := range s.hooks.queue {
		out = append(out, *m)
	}
	return out
}

// DeliveredWebhooks returns the newest acknowledged messages, oldest first. A
// message that was delivered twice is there twice.
func (s *Server) DeliveredWebhooks() []Webhook {
	s.enter()
	defer s.leave()
	return slices.Clone(s.hooks.delivered)
}

// WaitWebhooks waits until every message is acknowledged and nothing is due
// that would cause another, or until ctx ends. What lies further in the future
// than a check takes (the expiry of a request) is not waited for.
func (s *Server) WaitWebhooks(ctx context.Context) error {
	for {
		s.enter()
		quiet := len(s.hooks.queue) == 0
		soon := s.tick.Add(max(s.cfg.checkTime, s.cfg.automationTime))
		if s.due.Len() > 0 && !s.due.items[0].at.After(soon) {
			quiet = false
		}
		moved, timer := s.moved, s.nextDue()
		s.leave()
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
