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
	// Ask sets both as it learns of them: a question that left Heard alone failed.
	Began, Heard time.Time
	// Known returns how long the like of it took; nil: nothing is known.
	Known func() Sample
	// Live reports whether a wake-up can be relied on: then most questions are left
	// out. Nil: never.
	Live func() bool
	// Trust says whether wake-ups come in time; nil: as far as they are live.
	Trust *Trust
	// Precise says that a wake-up means the end, not just news: when the question
	// that follows denies it, the next ones are asked as if nothing was live.
	Precise bool

	start   time.Time     // of the wait
	step    time.Duration // the next pause where nothing is known
	asked   time.Time     // the last question
	urgent  int           // questions that are asked whatever is live
	woken   bool          // the last question followed a wake-up
	wakeUps time.Time     // what they have used up of the time to follow them
	overdue bool          // the last question was due before the wait
	took    time.Duration // the last question
	final   bool          // the next question is the last one before the end of ctx
	apart   time.Duration // from the others of the crowd
}

// afterWake is how many questions follow a precise wake-up that a question denied.
const afterWake = 3

// Until calls ask until it reports done or fails. When ctx ends in a pause, it
// returns ctx's error.
func (p *Plan) Until(ctx context.Context, ask func() (done bool, err error)) error {
	p.start, p.step, p.asked = time.Now(), p.Pace.Min, p.Heard
	next, first := p.start, p.Heard.IsZero()
	if !first {
		next = p.Heard.Add(p.spaced(p.Heard))
	}
	p.overdue = len(p.Wake) > 0 || !next.After(p.start)
	// A crowd is spread also where what it waits for is due at one moment.
	p.apart = p.Crowd.join(p.start)
	next = p.start.Add(min(max(0, next.Sub(p.start))+p.apart, p.Pace.Long))
	for {
		if err := p.rest(ctx, p.before(ctx, next)); err != nil {
			return err
		}
		if now := time.Now(); first || p.woken || p.final || p.due(now) {
			p.asked, first = now, false
			done, err := ask()
			if done {
				p.Trust.ended(p)
			}
			if done || err != nil {
				return err
			}
			p.took = time.Since(now)
			p.denied()
		}
		p.overdue = false
		now := time.Now()
		next = now.Add(p.spaced(now))
	}
}

// spaced is pause, and in a crowd as much longer as it takes, from then on too.
func (p *Plan) spaced(now time.Time) time.Duration {
	pause, floor := p.pause(now), min(p.Crowd.floor(time.Now()), p.Pace.Long)
	if floor > pause {
		p.step = max(p.step, min(floor, p.Pace.Max))
	}
	return max(pause, floor)
}

// lastLook is how long before the end of a context the last question is asked at the
// latest.
const lastLook = 500 * time.Millisecond

// before returns when the next question is asked: at next, or before ctx ends so that
// what ended in the last pause is still seen, if there is the time for a pause before.
func (p *Plan) before(ctx context.Context, next time.Time) time.Time {
	p.final = false
	if ctx == nil {
		return next
	}
	end, ok := ctx.Deadline()
	latest := end.Add(-max(lastLook, 2*p.took))
	look := latest.Add(-p.apart) // a crowd may have one end
	if !ok || next.Before(end) || time.Until(latest) < p.Pace.Min || p.asked.After(look) {
		return next
	}
	p.final = true
	if soonest := time.Now().Add(p.Pace.Min); look.Before(soonest) {
		return soonest
	}
	return look
}

// rest waits until then, or for a wake-up. The question that comes next answers all
// wake-ups before it.
func (p *Plan) rest(ctx context.Context, then time.Time) (err error) {
	p.woken = false
	if wait := time.Until(then); wait > 0 && ctx != nil {
		if p.woken, err = Pause(ctx, wait, p.Wake); err != nil {
			return err
		}
		if hold := p.hold(time.Now()); hold > 0 {
			if _, err := Pause(ctx, hold, nil); err != nil {
				return err
			}
		}
	}
	select {
	case <-p.Wake:
		p.woken = true
	default:
	}
	return nil
}

// A storm of wake-ups: as many as there may be of one application are followed at once,
// and then one in each calm.
const (
	burst = 20
	calm  = 500 * time.Millisecond
)

// hold returns how long the question after a wake-up at now is held back.
func (p *Plan) hold(now time.Time) time.Duration {
	if !p.woken {
		return 0
	}
	each := min(p.Pace.Min, calm)
	if full := now.Add(-(burst - 1) * each); p.wakeUps.Before(full) {
		p.wakeUps = full
	}
	hold := p.wakeUps.Sub(now)
	p.wakeUps = p.wakeUps.Add(each)
	return hold
}

// denied notes that a question did not see the end. One that failed is asked again
// soon: what woke it, or made it due, has not been looked at.
func (p *Plan) denied() {
	p.urgent = max(0, p.urgent-1)
	if p.Heard.Before(p.asked) {
		p.urgent = max(p.urgent, 1)
	}
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
	if known := p.known(); known.enough() && p.urgent == 0 {
		return max(min(known.next(passed)-passed, long), jitter(p.Pace.Min))
	}
	pause := p.step
	if pause >= p.Pace.Max {
		pause = max(pause, min(passed/10, long))
	}
	p.step = max(p.step, min(p.step+p.step/2, p.Pace.Max))
	return jitter(pause)
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
	if p.urgent > 0 || p.Live == nil || !p.Live() || !p.Trust.holds() {
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

// lateWake is how much later than the end a wake-up has to come to show it, as what
// is said of how long it took may be of whole seconds.
const lateWake = 2 * time.Second

// Took returns how long it took from its beginning to its end, and reports whether
// that is known: exactly from a wake-up in time, and otherwise between what was seen
// before the end and after it. About is what is said of it, 0: nothing.
func (p *Plan) Took(about time.Duration) (took time.Duration, known bool) {
	if p.Began.IsZero() || p.Heard.IsZero() || p.overdue {
		return 0, false
	}
	most := max(0, p.asked.Sub(p.Began))
	if p.woken && (about == 0 || most-about < lateWake) {
		return most, true
	}
	return Within(min(max(0, p.Heard.Sub(p.Began)), most), most, about), true
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
