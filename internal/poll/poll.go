// Package poll waits for something by asking again and again, at moments that
// what was seen before, a crowd of waits and wake-ups decide. It knows nothing of
// what is waited for.
package poll

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pace bounds the pauses between two questions.
type Pace struct {
	// Min is about the shortest pause, and the first where nothing is known.
	Min time.Duration
	// Max bounds the pauses that grow by half.
	Max time.Duration
	// Long bounds all of them: a pause is longer than Max where it is not longer
	// than a tenth of what has passed, or where what is known allows it.
	Long time.Duration
}

// Plan is one wait.
type Plan struct {
	Pace Pace
	Wake <-chan struct{}
	// Crowd counts the waits that begin together; nil: this one is alone.
	Crowd *Crowd
	// Began is when what is waited for began, if that is known, and Heard when it was
	// last known not to be done. Without Heard the first question is asked at once.
	// Ask sets both as it learns of them.
	Began, Heard time.Time
	// Known returns how long the like of it took; nil: nothing is known.
	Known func() Sample
	// Live reports whether a wake-up can be relied on: then most questions are left
	// out. Nil: never.
	Live func() bool
	// Precise says that a wake-up means the end, not just news: when the question
	// that follows denies it, the next ones are asked as if nothing was live.
	Precise bool

	start   time.Time     // of the wait
	step    time.Duration // the next pause where nothing is known
	asked   time.Time     // the last question
	urgent  int           // questions that are asked whatever is live
	woken   bool          // the last question followed a wake-up
	overdue bool          // the last question was due before the wait
}

// afterWake is how many questions follow a precise wake-up that a question denied.
const afterWake = 3

// Until calls ask until it reports done or fails. When ctx ends in a pause, it
// returns ctx's error.
func (p *Plan) Until(ctx context.Context, ask func() (done bool, err error)) error {
	p.start, p.step, p.asked = time.Now(), p.Pace.Min, p.Heard
	next, first := p.start.Add(p.Crowd.join(p.start)), p.Heard.IsZero()
	if !first {
		next = p.Heard.Add(p.pause(p.Heard))
	}
	p.overdue = len(p.Wake) > 0 || !next.After(p.start)
	for {
		p.woken = false
		if wait := time.Until(next); wait > 0 && ctx != nil {
			var err error
			if p.woken, err = Pause(ctx, wait, p.Wake); err != nil {
				return err
			}
		}
		if now := time.Now(); first || p.woken || p.due(now) {
			p.asked, first = now, false
			done, err := ask()
			if done || err != nil {
				return err
			}
			p.denied()
		}
		p.overdue = false
		now := time.Now()
		next = now.Add(p.pause(now))
	}
}

// denied notes that a question did not see the end.
func (p *Plan) denied() {
	p.urgent = max(0, p.urgent-1)
	if p.woken {
		p.step = p.Pace.Min
		if p.Precise {
			p.urgent = afterWake
		}
	}
}

// pause returns how long to wait at now for the next question.
func (p *Plan) pause(now time.Time) time.Duration {
	passed, long := now.Sub(p.began()), p.Pace.Long
	var pause time.Duration
	if known := p.known(); known.enough() && p.urgent == 0 {
		pause = max(min(known.next(passed)-passed, long), jitter(p.Pace.Min))
	} else {
		pause = p.step
		if pause >= p.Pace.Max {
			pause = max(pause, min(passed/10, long))
		}
		pause = jitter(pause)
		p.step = max(p.step, min(p.step+p.step/2, p.Pace.Max))
	}
	return max(pause, min(p.Crowd.floor(now), long))
}

// began returns when what is waited for began: at the latest with the wait.
func (p *Plan) began() time.Time {
	if p.Began.IsZero() {
		return p.start
	}
	return p.Began
}

func (p *Plan) known() Sample {
	if p.Known == nil {
		return nil
	}
	return p.Known()
}

// quiet is how long a wait that relies on wake-ups asks nothing at least.
const quiet = 10 * time.Second

// due reports whether a question is to be asked at now. Where a wake-up can be
// relied on, one is a safety net: when half and almost all of the like would be
// done, and after long silence.
func (p *Plan) due(now time.Time) bool {
	if p.urgent > 0 || p.Live == nil || !p.Live() {
		return true
	}
	passed, last := now.Sub(p.began()), max(0, p.asked.Sub(p.began()))
	gap := max(quiet, last/2)
	if known := p.known(); known.enough() {
		for _, percent := range []int{50, 95} {
			if late := known.at(percent); last < late {
				return passed >= min(max(late, last+p.Pace.Min), last+p.Pace.Long)
			}
		}
		gap = last / 4
	}
	return passed >= last+min(gap, p.Pace.Long)
}

// Took returns between which bounds it took from its beginning to its end, which
// a wake-up says exactly, and reports whether that is known.
func (p *Plan) Took() (least, most time.Duration, known bool) {
	if p.Began.IsZero() || p.Heard.IsZero() || p.overdue {
		return 0, 0, false
	}
	most = max(0, p.asked.Sub(p.Began))
	if p.woken {
		return most, most, true
	}
	return min(max(0, p.Heard.Sub(p.Began)), most), most, true
}

// Missed reports whether the end was not seen before and came without a wake-up.
func (p *Plan) Missed() bool { return !p.woken && !p.Heard.IsZero() && !p.overdue && len(p.Wake) == 0 }

// jitter returns a duration in the upper half of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// Doubled returns the pause after failures that follow each other: first, doubled with
// each further one, and at most most.
func Doubled(first, most time.Duration, further int) time.Duration {
	for range further {
		if first > most/2 {
			return most
		}
		first *= 2
	}
	return min(first, most)
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
