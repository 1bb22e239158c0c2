package passforttest

import (
	"time"
)

// notice is how long before a version of a task expires the next one appears,
// unless the product says otherwise.
const notice = 30 * 24 * time.Hour

// superseded reports whether there is a newer version of the task. One that is
// superseded counts until it expires, but takes nothing but notes.
func (t *task) superseded() bool { return t.Next != "" || t.Expired }

func (t *task) passed() bool { return t.State == "COMPLETED_PASS" && !t.Expired }

// wanted returns what a task was made from, for its next version.
func (t *task) wanted() ProductTask {
	return ProductTask{
		Type: t.Type, Variant: t.Alias, Name: t.Name, Description: t.Description,
		Accept: t.Accept, PassOn: t.PassOn, FailOn: t.FailOn, ExpiresAfter: t.ExpiresAfter,
	}
}

// successor returns the version after a task, and adds it if there is none.
func (w *world) successor(p *profile, t *task) *task {
	next := p.task(t.Next)
	if next == nil {
		next = w.newTask(p, t.wanted(), actor{})
		t.Next = next.ID
	}
	return next
}

// replace lets a version of a task expire now: the next one takes its place.
func (w *world) replace(p *profile, t *task, reason string) {
	w.expire(p, t, w.successor(p, t), reason)
}

// expire ends the time of a version. Applications that required it require the
// next one.
func (w *world) expire(p *profile, old, next *task, reason string) {
	old.Expired, old.ExpiredAt, old.ExpiryReason = true, dateTime(w.tick), reason
	for _, t := range p.Tasks {
		if t == old || t.Next == old.ID {
			t.Next = next.ID
		}
	}
	for _, a := range p.Applications {
		for i, id := range a.Tasks {
			if id == old.ID {
				a.Tasks[i] = next.ID
			}
		}
	}
}

// lasts returns how long a passed task is valid, zero for permanently, and how
// long before its end the next version appears. Of several applications the
// shortest time counts.
func (w *world) lasts(p *profile, t *task) (period, before time.Duration) {
	period, before = t.ExpiresAfter, notice
	for _, a := range p.Applications {
		if a.Hidden {
			continue
		}
		for i, want := range w.product(a).tasksFor(p.Summary.EntityType) {
			if i >= len(a.Tasks) || a.Tasks[i] != t.ID && p.nextOf(a.Tasks[i]) != t.ID {
				continue
			}
			after := want.ExpiresAfter
			if byRisk := want.ExpiresByRisk[w.riskLevel(p, a)]; byRisk > 0 {
				after = byRisk
			}
			if after > 0 && (period == 0 || after <= period) {
				period = after
				if before = want.Notice; before == 0 {
					before = notice
				}
			}
		}
	}
	return period, before
}

// nextOf returns the id of the version after a task.
func (p *profile) nextOf(id string) string {
	if t := p.task(id); t != nil {
		return t.Next
	}
	return ""
}

func (w *world) riskLevel(p *profile, a *application) string {
	if m := w.product(a).Risk; m != nil {
		return m.level(a.Risk)
	}
	return (*RiskModel)(nil).level(p.Risk)
}

// startExpiry starts the time for which a task that just passed is valid.
func (w *world) startExpiry(p *profile, t *task) {
	t.Passed = w.tick
	if period, before := w.lasts(p, t); period > 0 {
		w.expireAt(p, t, t.Passed.Add(period), period, before)
	}
}

// shortenExpiry applies the times of a new risk: the sooner date counts.
func (w *world) shortenExpiry(p *profile) {
	for _, t := range p.Tasks {
		if !t.passed() || t.Passed.IsZero() {
			continue
		}
		period, before := w.lasts(p, t)
		if at := t.Passed.Add(period); period > 0 && (t.WillExpire.IsZero() || at.Before(t.WillExpire)) {
			w.expireAt(p, t, at, period, before)
		}
	}
}

func (w *world) expireAt(p *profile, t *task, at time.Time, period, before time.Duration) {
	t.WillExpire, t.NoticeAt = at, time.Time{}
	if before > 0 && before < period && !w.switches().VersionsAtExpiry {
		t.NoticeAt = at.Add(-before)
	}
	w.scheduleExpiry(p.ID, t)
}

// scheduleExpiry lets a passed task expire: some time before that the next
// version appears, and then it takes the place of the old one.
func (w *world) scheduleExpiry(profileID string, t *task) {
	id, at := t.ID, t.WillExpire
	due := func(at time.Time) time.Time {
		if at.Before(w.tick) {
			return w.tick
		}
		return at
	}
	then := func(what func(*profile, *task)) func() {
		return func() {
			p := w.waiting(profileID)
			if p == nil {
				return
			}
			if t := p.task(id); t != nil && !t.Expired && t.WillExpire.Equal(at) {
				what(p, t)
				w.review(p)
			}
		}
	}
	if !t.NoticeAt.IsZero() {
		w.at(due(t.NoticeAt), then(func(p *profile, t *task) { w.successor(p, t) }))
	}
	w.at(due(at), then(func(p *profile, t *task) { w.replace(p, t, "EXPIRY_PERIOD_ENDED") }))
}

// nearest returns when the first of the tasks of an approved application will
// expire, zero for never. A task whose next version has passed lasts as long as
// that.
func (p *profile) nearest(a *application) time.Time {
	var first time.Time
	for _, id := range a.Tasks {
		t := p.task(id)
		for t != nil && p.task(t.Next) != nil && p.task(t.Next).passed() {
			t = p.task(t.Next)
		}
		if t != nil && !t.WillExpire.IsZero() && (first.IsZero() || t.WillExpire.Before(first)) {
			first = t.WillExpire
		}
	}
	return first
}

// hasNotice reports whether a version that the application rests on ends soon
// and the next one has not passed.
func (p *profile) hasNotice(a *application) bool {
	for _, id := range a.Tasks {
		if next := p.task(p.nextOf(id)); next != nil && !next.passed() {
			return true
		}
	}
	return false
}

// ExpireCheck lets the complete tasks of a check expire, with the reason
// CHECK_EXPIRED, as new data of a company that is monitored does.
func (s *Server) ExpireCheck(profileID, checkID string) error {
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	ch := p.check(checkID)
	if ch == nil {
		return notFound("check")
	}
	for _, id := range ch.Tasks {
		if t := p.task(id); t != nil && t.complete() && !t.Expired {
			w.replace(p, t, "CHECK_EXPIRED")
		}
	}
	w.review(p)
	return nil
}
