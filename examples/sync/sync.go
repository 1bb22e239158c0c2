package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// syncer brings customers and profiles in line: it takes what the inbox and the
// outbox hold, one profile at a time each, reads the profile, merges, writes
// what only we have, and records the result. It never acts on the data inside a
// message: messages come late, twice and out of order, so they only say that
// there is something to read.
type syncer struct {
	store   *store
	client  *passfort.Client
	log     *slog.Logger
	workers int
	poll    time.Duration // how often to look for work without a notice
	backoff time.Duration // after the first failure of a profile; it doubles
	grace   time.Duration // for what runs when the service stops

	wakeUp   chan struct{}
	mu       sync.Mutex
	busy     map[string]bool
	failures map[string]failure
}

// failure is a profile that could not be synchronised.
type failure struct {
	times   int
	retryAt time.Time
	problem string
}

const longestBackoff = 5 * time.Minute

func newSyncer(st *store, client *passfort.Client, log *slog.Logger) *syncer {
	return &syncer{
		store: st, client: client, log: log,
		workers: 8, poll: time.Second, backoff: time.Second, grace: time.Second,
		wakeUp: make(chan struct{}, 1), busy: map[string]bool{}, failures: map[string]failure{},
	}
}

// wake makes run look for work now.
func (s *syncer) wake() {
	select {
	case s.wakeUp <- struct{}{}:
	default:
	}
}

// run works until ctx ends, and then gives what is running time to finish.
// What does not finish is found in inbox and outbox by the next run.
func (s *syncer) run(ctx context.Context) {
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var running sync.WaitGroup
	slots := make(chan struct{}, s.workers)
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		profiles, err := s.store.pending(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("cannot read what is pending", "problem", problem(err))
		}
		for _, id := range profiles {
			if !s.claim(id) {
				continue
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				s.release(id)
				continue
			}
			running.Go(func() {
				defer func() { <-slots }()
				s.attempt(working, id)
				s.wake()
			})
		}
		select {
		case <-s.wakeUp:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	defer time.AfterFunc(s.grace, cancel).Stop()
	running.Wait()
}

// claim takes a profile that no process works on and that need not wait.
func (s *syncer) claim(profileID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[profileID] || time.Now().Before(s.failures[profileID].retryAt) {
		return false
	}
	s.busy[profileID] = true
	return true
}

func (s *syncer) release(profileID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, profileID)
}

func (s *syncer) attempt(ctx context.Context, profileID string) {
	defer s.release(profileID)
	err := s.sync(ctx, profileID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.failures, profileID)
		return
	}
	f := s.failures[profileID]
	f.problem = problem(err)
	f.retryAt = time.Now().Add(min(s.backoff<<min(f.times, 16), longestBackoff))
	f.times++
	s.failures[profileID] = f
	s.log.Warn("a profile could not be synchronised and will be tried again", "problem", f.problem, "failures", f.times)
}

// failing returns the profiles that could not be synchronised.
func (s *syncer) failing() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]string, len(s.failures))
	for id, f := range s.failures {
		out[id] = f.problem
	}
	return out
}

var errNotAPerson = errors.New("the profile is not that of a person")

// sync brings one profile and its customer in line.
func (s *syncer) sync(ctx context.Context, profileID string) error {
	for {
		w, err := s.store.take(ctx, profileID)
		if err != nil || w == nil {
			return err
		}
		data, err := s.update(ctx, w)
		var lost []conflict
		gone := errors.Is(err, passfort.ErrNotFound)
		switch {
		case gone:
			err = s.store.putAside(ctx, w)
		case err == nil:
			lost, err = s.store.settle(ctx, w, valuesOf(&data.EntityData))
		}
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			// With an unknown outcome too: all is still pending, and what was written
			// will be found.
			return err
		}
		if gone {
			s.log.Warn("a profile is not at Passfort and was put aside", "messages", len(w.messages), "edits",
				len(w.edits))
			return nil
		}
		s.log.Info("synchronised", "messages", len(w.messages), "edits", len(w.edits), "conflicts", len(lost))
		return nil
	}
}

// update brings the profile in line, and withdraws the intents that certainly
// came to nothing.
func (s *syncer) update(ctx context.Context, w *work) (*passfort.CollectedData, error) {
	var tried []int64 // the intent of each version of the data, 0: nothing to send
	var last passfort.Response
	data, err := s.client.CollectedData.Update(ctx, w.profileID, func(d *passfort.EntityData) (err error) {
		tried = append(tried, 0)
		theirs := valuesOf(d)
		merged, _ := merge(w.base, w.ours, theirs, w.sent())
		send := theirs.changes(merged)
		if len(send) == 0 {
			return nil
		}
		if d.EntityType != passfort.EntityTypeIndividual {
			return errNotAPerson
		}
		merged.writeTo(d)
		tried[len(tried)-1], err = s.store.intend(ctx, w, merged, send)
		return err
	}, passfort.CaptureResponse(&last))
	refused := slices.DeleteFunc(cameToNothing(tried, &last, err), func(id int64) bool { return id == 0 })
	if len(refused) == 0 {
		return data, err
	}
	// Also while the service is being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawal)
	defer cancel()
	if failed := s.store.withdraw(ctx, w, refused); failed != nil {
		if err == nil {
			return nil, failed
		}
		s.log.Error("cannot record that a write was refused", "problem", problem(failed))
	}
	return data, err
}

// withdrawal is how long recording a refusal may take.
const withdrawal = 3 * time.Second

// cameToNothing returns which of the intents of an Update were certainly not
// carried out. Update goes on to another version of the data when a write was
// refused, and then writes again. It also does when the outcome of a write is
// unknown, but once, and only to see whether anything is left to do.
func cameToNothing(tried []int64, last *passfort.Response, err error) []int64 {
	n := len(tried)
	var conflict *passfort.ConflictError
	switch {
	case err != nil && !errors.Is(err, passfort.ErrOutcomeUnknown):
		return tried
	case n < 2:
		return nil
	case errors.As(err, &conflict): // the last was not sent, the one before it is in doubt
		return append(slices.Clone(tried[:n-2]), tried[n-1])
	case err != nil || tried[n-1] != 0: // the last was sent
		return tried[:n-1]
	case last.StatusCode == http.StatusPreconditionFailed && last.Attempts == 1:
		return tried
	default:
		return tried[:n-2]
	}
}

// problem is what may be logged of an error. The SDK's errors hold no data;
// those of a database might.
func problem(err error) string {
	var failed *passfort.Error
	switch {
	case errors.As(err, &failed), errors.Is(err, errMoved), errors.Is(err, errNotAPerson),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err.Error()
	}
	return fmt.Sprintf("%T", err)
}
