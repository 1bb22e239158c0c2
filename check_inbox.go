package passfort

import (
	"context"
	"sync"
)

// CheckInbox wakes those who wait for checks as soon as a webhook says that a
// check is complete. Give it to Checks.Wait in WaitOptions, and feed it with
//
//	h.Handle(passfort.EventCheckCompleted, inbox.Deliver)
//
// It remembers the last checks it heard of, so it does not matter whether the
// webhook or the wait comes first. Waking is a hint: a waiter gets the check and
// looks. A nil CheckInbox never wakes anyone. It is safe for concurrent use.
type CheckInbox struct{ signals *signals }

const rememberedChecks = 10_000

// NewCheckInbox returns an empty inbox.
func NewCheckInbox() *CheckInbox { return &CheckInbox{newSignals(rememberedChecks)} }

// Deliver takes note of an EventCheckCompleted; other events are left alone. It
// never fails: a waiter that is not woken finds out by asking.
func (b *CheckInbox) Deliver(_ context.Context, e *WebhookEvent) error {
	if c, err := e.CheckCompleted(); err == nil && c.Check != nil {
		b.Completed(c.Check.ID)
	}
	return nil
}

// Completed wakes those who wait for the check. Use it where webhooks arrive
// through a queue or in another process.
func (b *CheckInbox) Completed(checkID string) {
	if b != nil && checkID != "" {
		b.signals.send(checkID)
	}
}

// subscribe returns a channel that gets a value when the check is completed, at
// once if it was before. The caller calls cancel when it stops waiting.
func (b *CheckInbox) subscribe(checkID string) (wake <-chan struct{}, cancel func()) {
	if b == nil {
		return nil, func() {}
	}
	return b.signals.subscribe(checkID)
}

// signals tells subscribers of a key that something happened to it, also when it
// happened before they came, as long as it is remembered.
type signals struct {
	mu      sync.Mutex
	recent  *boundedMap[struct{}]
	waiting map[string]map[chan struct{}]bool
}

func newSignals(remember int) *signals {
	return &signals{
		recent:  newBoundedMap[struct{}](remember),
		waiting: map[string]map[chan struct{}]bool{},
	}
}

func (s *signals) send(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent.put(key, struct{}{})
	for ch := range s.waiting[key] {
		notify(ch)
	}
}

func (s *signals) subscribe(key string) (<-chan struct{}, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := make(chan struct{}, 1)
	if _, ok := s.recent.get(key); ok {
		notify(ch)
	}
	if s.waiting[key] == nil {
		s.waiting[key] = map[chan struct{}]bool{}
	}
	s.waiting[key][ch] = true
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting[key], ch)
		if len(s.waiting[key]) == 0 {
			delete(s.waiting, key)
		}
	}
}

// notify leaves a value in ch unless one is there.
func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
