package ratelimit

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// Adaptive paces the calls of operations whose quota many processes share, without a
// coordinator and without a number to divide. Each process slows down when the API
// says that little is left, or refuses, and speeds up again when it does not, as TCP
// does on a line that many share. It is a passfort.Limiter and a passfort.Observer;
// a client needs it as both:
//
//	pace := ratelimit.NewAdaptive(500)
//	client, err := passfort.New(apiKey, passfort.WithLimiter(pace), passfort.WithObserver(pace))
//
// The quotas are those of a key (help pages, medium), so keys need one each. It is
// safe for concurrent use, needs no closing and runs no goroutine.
type Adaptive struct {
	reserve int

	mu         sync.Mutex
	operations map[string]*pace
	seen       Seen
}

// Seen is what an Adaptive has seen of the calls of its client.
type Seen struct {
	Attempts int64 // requests
	Repeats  int64 // of them, those after the first of a call
	Limited  int64 // of them, those answered with 429
}

// pace is what is known of one operation.
type pace struct {
	interval  time.Duration // between two calls
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

// NewAdaptive returns one that leaves so many requests of each quota to others, such
// as the onboarding of customers who wait.
func NewAdaptive(reserve int) *Adaptive {
	return &Adaptive{reserve: max(reserve, 0), operations: map[string]*pace{}}
}

func (a *Adaptive) pace(operation string) *pace {
	p := a.operations[operation]
	if p == nil {
		p = &pace{remaining: -1}
		a.operations[operation] = p
	}
	return p
}

// Wait returns when the operation may be called. It returns at once with ErrTooLate
// if that would be after the deadline of ctx, and with the error of ctx when that ends.
func (a *Adaptive) Wait(ctx context.Context, operation string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	p := a.pace(operation)
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	if deadline, ok := ctx.Deadline(); ok && at.After(deadline) {
		a.mu.Unlock()
		return ErrTooLate
	}
	p.next = at.Add(jittered(p.interval))
	a.mu.Unlock()
	if !at.After(now) {
		return nil
	}
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jittered returns something between d/2 and 3d/2.
func jittered(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d)
}

// CallStarted returns ctx.
func (a *Adaptive) CallStarted(ctx context.Context, _ passfort.CallInfo) context.Context { return ctx }

// CallEnded does nothing.
func (a *Adaptive) CallEnded(context.Context, passfort.CallResult) {}

// AttemptEnded learns from what the API says of the quota.
func (a *Adaptive) AttemptEnded(_ context.Context, info passfort.AttemptInfo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen.Attempts++
	if info.Attempt > 1 {
		a.seen.Repeats++
	}
	refused := info.StatusCode == http.StatusTooManyRequests
	if refused {
		a.seen.Limited++
	}
	if info.Quota == nil && !refused {
		return
	}
	p := a.pace(info.Operation)
	if info.Quota != nil {
		p.remaining = info.Quota.Remaining
	}
	now := time.Now()
	if !refused && p.remaining > a.reserve {
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
		if until := now.Add(jittered(min(max(info.RetryAfter, p.interval), longestRefusal))); until.After(p.next) {
			p.next = until
		}
	}
}

// Seen returns what it has seen so far.
func (a *Adaptive) Seen() Seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

// Remaining returns what the API last said is left of an operation's quota, and
// whether it said so.
func (a *Adaptive) Remaining(operation string) (int, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.operations[operation]
	if p == nil || p.remaining < 0 {
		return 0, false
	}
	return p.remaining, true
}
