package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// follower is what all pages of an applicant read from: however many are open,
// the API is asked once.
type follower struct {
	mu      sync.Mutex
	last    stage // empty until something is known
	over    bool  // nothing more comes, unless something wakes it
	readers int
	began   time.Time
	stop    context.CancelFunc // nil while it does not run
	changed chan struct{}      // closed with the next change
}

const (
	// maxReaders is how many pages of an applicant may be kept up to date.
	maxReaders = 20
	// restart is the least time between two beginnings: a page that is loaded over
	// and over asks no more than this.
	restart = time.Second
	// afterFailure is the pause after the API could not be asked.
	afterFailure = 5 * time.Second
)

// enter counts a reader in, who must leave. It reports whether there is room.
func (f *follower) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers >= maxReaders {
		return false
	}
	f.readers++
	return true
}

// leave ends the following with the last reader.
func (f *follower) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers--
	if f.readers == 0 && f.stop != nil {
		f.stop()
		f.stop = nil
	}
}

// news returns the newest stage, whether it is the last, and what is closed when
// there is a newer one.
func (f *follower) news() (last stage, over bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.last, f.over, f.changed
}

// set takes the newest stage from who follows until ctx ends, and the last one.
func (f *follower) set(ctx context.Context, next stage, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return // another request follows, or none
	}
	f.last, f.over = next, over
	if over {
		f.stop = nil
	}
	f.announce()
}

func (f *follower) announce() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// wake lets what seemed to be over, or is not to be asked again yet, begin anew.
func (f *follower) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began = time.Time{}
}

// forget is for a new request: what was known was about the one before.
func (f *follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
	f.last, f.over, f.began = stage{}, false, time.Time{}
	f.announce()
}

// watch lets a reader follow a registration; leave ends that. It reports whether
// there is room for one more.
func (s *site) watch(a *applicant) bool {
	f := &a.follower
	if !f.enter() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	wait := restart - time.Since(f.began)
	switch {
	case f.stop != nil, f.over && f.last.settled(), f.over && wait > 0, s.ending.Err() != nil:
		return true
	}
	// The pages come and go; what they read goes on for as long as there is one.
	ctx, stop := context.WithCancel(s.ending)
	f.stop = stop
	if f.over {
		f.last, f.over = stage{}, false
	}
	s.followers.Go(func() {
		defer stop()
		pause(ctx, wait)
		s.keepFollowing(ctx, a)
	})
	return true
}

// keepFollowing follows until the last stage, and again after a failure.
func (s *site) keepFollowing(ctx context.Context, a *applicant) {
	f := &a.follower
	for ctx.Err() == nil {
		f.mu.Lock()
		f.began = time.Now()
		f.mu.Unlock()
		var last stage
		err := s.follow(ctx, a, func(next stage) {
			last = next
			f.set(ctx, next, false)
		})
		if err == nil {
			f.set(ctx, last, true)
			return
		}
		s.logFollow(err)
		pause(ctx, afterFailure)
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// current returns the stage reached within a moment.
func (s *site) current(ctx context.Context, a *applicant) stage {
	last := checkingStage()
	if !s.watch(a) {
		return last
	}
	defer a.follower.leave()
	moment := time.After(300 * time.Millisecond)
	for {
		next, over, changed := a.follower.news()
		if next.Name != "" {
			last = next
		}
		if next.Name != "" && next.Name != "checking" || over {
			return last
		}
		select {
		case <-changed:
		case <-moment:
			return last
		case <-ctx.Done():
			return last
		}
	}
}

// checkingPage is the Data of checking.html.
type checkingPage struct {
	Stage stage
	Kind  string
}

// checking shows where the registration stands; checking.js keeps it up to date.
// Whoever completed the form in another browser than the one that registered
// comes here without a session, and must not begin another registration.
func (s *site) checking(w http.ResponseWriter, r *http.Request) {
	a := s.applicants.of(r)
	if a == nil || !a.snapshot().hasForm() {
		p := page{Title: "Thank you", Step: 3, Data: thanksPage{Ended: s.applicants.hadSession(r)}}
		if s.applicants.hadSession(r) {
			p.Title = endedStage().Title
		}
		s.show(w, r, http.StatusOK, "thanks.html", p)
		return
	}
	last := s.current(r.Context(), a)
	s.show(w, r, http.StatusOK, "checking.html", page{
		Title: last.Title, Step: last.Step, Data: checkingPage{last, kindOf(a.snapshot().role)},
	})
}

// thanksPage is the Data of thanks.html.
type thanksPage struct{ Ended bool }

// events sends the stages as server-sent events.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	a := s.applicants.of(r)
	signedIn := a != nil && a.snapshot().hasForm()
	if signedIn && !s.watch(a) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many pages of one registration are open", http.StatusTooManyRequests)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, private")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no")
	control := http.NewResponseController(w)
	send := func(next stage) error {
		data, _ := json.Marshal(next)
		if _, err := fmt.Fprintf(w, "event: stage\ndata: %s\n\n", data); err != nil {
			return err
		}
		return control.Flush()
	}
	if !signedIn {
		// Without a word the page would keep showing what it showed last.
		_ = send(endedStage())
		return
	}
	defer a.follower.leave()
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	_ = control.SetReadDeadline(time.Time{}) // the server's would end the stream
	var sent stage
	for {
		next, over, changed := a.follower.news()
		if next != sent && next.Name != "" {
			if send(next) != nil {
				return
			}
			sent = next
		}
		if over {
			return
		}
		select {
		case <-changed:
		case <-alive.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil || control.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.ending.Done():
			return
		}
	}
}

func (s *site) logFollow(err error) {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.log.Error("a registration could not be followed", "error", err)
	}
}
