package passforttest

import (
	"context"
	"sync"
	"time"
)

// Clock is the time of a Server. The default is the real clock, or the
// synthetic one of a testing/synctest bubble.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// After returns a channel that receives once d has passed.
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// ManualClock is a Clock that stands still until it is told to move. It is
// safe for concurrent use.
type ManualClock struct {
	mu      sync.Mutex
	now     time.Time
	auto    time.Duration
	waiters []clockWaiter
}

type clockWaiter struct {
	at time.Time
	ch chan time.Time
}

// NewClock returns a ManualClock that shows start.
func NewClock(start time.Time) *ManualClock { return &ManualClock{now: start} }

// Now returns the time the clock shows.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After returns a channel that receives once the clock was moved by at least d.
func (c *ManualClock) After(d time.Duration) <-chan time.Time {
	ch := make(chan time.Time, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if d <= 0 {
		ch <- c.now
		return ch
	}
	c.waiters = append(c.waiters, clockWaiter{c.now.Add(d), ch})
	return ch
}

// Advance moves the clock forward by d and wakes everything that waited for
// the time it now shows.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(d)
}

func (c *ManualClock) advance(d time.Duration) {
	c.now = c.now.Add(d)
	kept := c.waiters[:0]
	for _, w := range c.waiters {
		if w.at.After(c.now) {
			kept = append(kept, w)
			continue
		}
		w.ch <- c.now
	}
	clear(c.waiters[len(kept):])
	c.waiters = kept
}

// AutoAdvance makes the clock move by itself: by step with every request a
// Server answers, and over the wait for a synchronous check at once, so that
// nothing takes real time and polling still comes to an end. Zero stops it.
func (c *ManualClock) AutoAdvance(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.auto = step
}

func (c *ManualClock) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.auto > 0 {
		c.advance(c.auto)
	}
}

// skip moves a clock set to AutoAdvance over a wait.
func (c *ManualClock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.auto > 0 {
		c.advance(d)
	}
}

// Now returns the time of the simulated world: the clock plus everything
// AdvanceClock added.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clockNow()
}

func (s *Server) clockNow() time.Time { return s.cfg.clock.Now().Add(s.offset).UTC() }

// AdvanceClock moves the server's time forward by d, on any Clock, and lets
// everything happen that is due: checks complete, requests expire, webhooks
// are queued.
func (s *Server) AdvanceClock(d time.Duration) {
	s.mu.Lock()
	defer s.leave()
	s.offset += d
	s.settle()
	s.changed()
}

// wait blocks until the server's time reaches at, ctx ends or the server is
// closed. The caller does not hold the lock.
func (s *Server) wait(ctx context.Context, at time.Time) {
	for {
		s.mu.Lock()
		left := at.Sub(s.clockNow())
		moved := s.moved
		s.mu.Unlock()
		if left <= 0 {
			return
		}
		timer := s.cfg.clock.After(left)
		if c, is := s.cfg.clock.(*ManualClock); is {
			c.skip(left)
		}
		select {
		case <-timer:
		case <-moved:
		case <-ctx.Done():
			return
		case <-s.closed:
			return
		}
	}
}
