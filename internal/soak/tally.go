package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort"
)

// tally counts what happens. It observes the client.
type tally struct {
	calls, repeats, unanswered atomic.Int64
	done, failed, unknown      atomic.Int64
	mu                         sync.Mutex
	err                        error
}

// CallStarted does nothing.
func (t *tally) CallStarted(ctx context.Context, _ passfort.CallInfo) context.Context { return ctx }

// AttemptEnded counts repeats and attempts without an answer.
func (t *tally) AttemptEnded(_ context.Context, a passfort.AttemptInfo) {
	if a.Attempt > 1 {
		t.repeats.Add(1)
	}
	if a.StatusCode == 0 {
		t.unanswered.Add(1)
	}
}

// CallEnded counts calls.
func (t *tally) CallEnded(context.Context, passfort.CallResult) { t.calls.Add(1) }

func (t *tally) onboarded(err error) {
	if err == nil {
		t.done.Add(1)
		return
	}
	t.failed.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

func (t *tally) first() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *tally) print(w io.Writer, took time.Duration, requests, charged int) {
	fmt.Fprintf(w, "%s: %d onboardings, %d failed\n", took.Round(time.Second), t.done.Load(), t.failed.Load())
	fmt.Fprintf(w, "%d calls, %d requests at the server, %d repeats, %d attempts without an answer, %d unknown "+
		"outcomes looked into\n",
		t.calls.Load(), requests, t.repeats.Load(), t.unanswered.Load(), t.unknown.Load())
	fmt.Fprintf(w, "%d checks charged\n", charged)
}
