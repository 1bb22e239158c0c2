package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// budget paces the calls of an operation whose hourly quota the whole account
// shares. The quota is not divided: each worker slows down when the API says
// that little is left, or refuses, and speeds up again when it does not, as TCP
// does on a line that many share. It is the passfort.Limiter and the
// passfort.Observer of a client.
type budget struct {
	// reserve is how many requests are left to others, such as the onboarding of
	// customers who wait.
	reserve int

	mu         sync.Mutex
	operations map[string]*pace

	attempts int64
	repeats  int64
	limited  int64
}

// pace is what a worker knows of one operation.
type pace struct {
	interval  time.Duration // between two calls of this worker
	next      time.Time     // when the next call may be made
	slowed    time.Time     // when the interval was last made longer
	remaining int           // as last seen; -1: never
}

const (
	shortestInterval = time.Millisecond // below it, calls are not spaced
	firstInterval    = 50 * time.Millisecond
	longestInterval  = time.Minute
	longestRefusal   = time.Minute
)

func newBudget(reserve int) *budget { return &budget{reserve: reserve, operations: map[string]*pace{}} }

func (b *budget) pace(operation string) *pace {
	p := b.operations[operation]
	if p == nil {
		p = &pace{remaining: -1}
		b.operations[operation] = p
	}
	return p
}

// Wait returns when this worker may make its next call.
func (b *budget) Wait(ctx context.Context, operation string) error {
	b.mu.Lock()
	p := b.pace(operation)
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(jittered(p.interval))
	b.mu.Unlock()
	if at.After(now) {
		rest(ctx, at.Sub(now))
	}
	return ctx.Err()
}

// CallStarted does nothing.
func (b *budget) CallStarted(ctx context.Context, _ passfort.CallInfo) context.Context { return ctx }

// CallEnded does nothing.
func (b *budget) CallEnded(context.Context, passfort.CallResult) {}

// AttemptEnded learns from what the API reports of the quota.
func (b *budget) AttemptEnded(_ context.Context, a passfort.AttemptInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts++
	if a.Attempt > 1 {
		b.repeats++
	}
	refused := a.StatusCode == http.StatusTooManyRequests
	if refused {
		b.limited++
	}
	if a.Quota == nil && !refused {
		return
	}
	p := b.pace(a.Operation)
	if a.Quota != nil {
		p.remaining = a.Quota.Remaining
	}
	now := time.Now()
	if !refused && p.remaining > b.reserve {
		p.interval -= p.interval / 16
		if p.interval < shortestInterval {
			p.interval = 0
		}
		return
	}
	// One refusal or shortage slows down once, however many calls it meets.
	if now.Sub(p.slowed) > 2*p.interval {
		p.slowed = now
		p.interval = min(max(p.interval+p.interval/2, firstInterval), longestInterval)
	}
	if refused {
		// What was asked for may be the time until the quota is full again. It
		// refills all the while, so that long a wait would be idle.
		if until := now.Add(jittered(min(max(a.RetryAfter, p.interval), longestRefusal))); until.After(p.next) {
			p.next = until
		}
	}
}

// seen is what a worker reports of its calls.
type seen struct {
	Attempts, Repeats, Limited int64
	Remaining                  int // of the replacement of collected data; -1: not known
}

func (b *budget) seen() seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := seen{b.attempts, b.repeats, b.limited, -1}
	if p := b.operations["CollectedData.Replace"]; p != nil {
		s.Remaining = p.remaining
	}
	return s
}
