// Package ratelimit spreads calls of the operations that the API limits
// (docs/api/basics.md#rate-limits) over time, inside one process:
//
//	client, err := passfort.New(apiKey, passfort.WithLimiter(ratelimit.New(nil)))
//
// Without it the SDK sends at once and waits when the API answers 429, which is
// right for most programs. With it a program that creates thousands of profiles
// does not run into the limit in the first place.
//
// The quotas do not hold for a process: with several processes on one key, and
// perhaps on one account, give each its part. See Quota.Share.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// Quota is how often an operation may be called.
type Quota struct {
	// Calls is how many calls may be made in each Per.
	Calls float64
	Per   time.Duration
	// Burst is how many of them may be made at once after a pause, at least 1.
	Burst int
}

// Share returns the quota of one of n processes that share it.
func (q Quota) Share(n int) Quota {
	n = max(n, 1)
	return Quota{Calls: q.Calls / float64(n), Per: q.Per, Burst: max(q.Burst/n, 1)}
}

// Documented returns the quotas that Passfort documents (docs/api/basics.md#rate-limits), by
// operation. The size of its bursts is not documented; those here are small enough for an hour to
// stay within one part in a thousand of the quota.
func Documented() map[string]Quota {
	return map[string]Quota{
		"Profiles.Create":       {Calls: 10_000, Per: time.Hour, Burst: 10},
		"CollectedData.Replace": {Calls: 10_000, Per: time.Hour, Burst: 10},
		"Audit.PDFReport":       {Calls: 0.75, Per: time.Second, Burst: 1},
	}
}

// ErrTooLate means that the call was not made because its turn would come after
// its deadline. It is a context.DeadlineExceeded.
var ErrTooLate = fmt.Errorf("ratelimit: the turn would come after the deadline: %w", context.DeadlineExceeded)

// Limiter is a passfort.Limiter with a token bucket for each operation. It is
// safe for concurrent use, needs no closing and runs no goroutine.
type Limiter struct {
	buckets map[string]*rate.Limiter
}

// New returns a limiter with the given quotas, by operation; nil means
// Documented. An operation without a quota is not limited, and the SDK asks only
// for those that the API limits. It panics on a quota that lets nothing through:
// one without Calls, Per or Burst.
func New(quotas map[string]Quota) *Limiter {
	if quotas == nil {
		quotas = Documented()
	}
	l := &Limiter{buckets: map[string]*rate.Limiter{}}
	for operation, q := range quotas {
		if q.Calls <= 0 || q.Per <= 0 || q.Burst < 1 {
			panic("ratelimit: a quota that lets nothing through")
		}
		l.buckets[operation] = rate.NewLimiter(rate.Limit(q.Calls/q.Per.Seconds()), q.Burst)
	}
	return l
}

// Wait returns when the operation may be called, in the order of the calls of
// Wait. It returns at once with ErrTooLate if that would be after the deadline
// of ctx, and with the error of ctx when that ends; neither uses up the quota.
func (l *Limiter) Wait(ctx context.Context, operation string) error {
	bucket := l.buckets[operation]
	if bucket == nil {
		return ctx.Err()
	}
	err := bucket.Wait(ctx)
	if err == nil || ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return err
	}
	return ErrTooLate
}
