// Package poll waits for something by asking again and again, with growing,
// jittered pauses that a wake-up or the end of the context cuts short. It
// knows nothing of what is waited for.
package poll

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pace bounds the pauses between two questions.
type Pace struct {
	Min, Max time.Duration
}

// Until calls ask until it reports done or fails, first at once and then after
// each pause or wake-up. When ctx ends in a pause, it returns ctx's error.
func Until(ctx context.Context, pace Pace, wake <-chan struct{}, ask func() (done bool, err error)) error {
	pause := pace.Min
	for {
		done, err := ask()
		if done || err != nil {
			return err
		}
		woken, err := Pause(ctx, pause/2+rand.N(pause/2+1), wake)
		if err != nil {
			return err
		}
		if woken {
			pause = pace.Min
			continue
		}
		pause = min(pause+pause/2, pace.Max)
	}
}

// Pause waits for d, for a wake-up, or for the end of ctx, whose error it
// then returns.
func Pause(ctx context.Context, d time.Duration, wake <-chan struct{}) (woken bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-wake:
		return true, nil
	case <-timer.C:
		return false, nil
	}
}
