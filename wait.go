package passfort

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/passfort-go/passfort/internal/poll"
)

// WaitOptions say how a Wait method asks. Nil means the defaults.
type WaitOptions struct {
	// MinInterval is the first pause between two questions, 500 ms by default.
	// The pauses grow by half each time, with jitter.
	MinInterval time.Duration
	// MaxInterval bounds the pause, 30 s by default.
	MaxInterval time.Duration
	// Inbox wakes the wait for a check or a customer request as soon as a webhook
	// tells of it. See NewCheckInbox.
	Inbox *CheckInbox
	// OnPoll is called before each question, with its number from 1.
	OnPoll func(attempt int)
}

func (o *WaitOptions) pace() poll.Pace {
	pace := poll.Pace{Min: 500 * time.Millisecond, Max: 30 * time.Second}
	if o == nil {
		return pace
	}
	if o.MaxInterval > 0 {
		pace.Max = o.MaxInterval
	}
	if o.MinInterval > 0 {
		pace.Min = o.MinInterval
	}
	if o.MaxInterval > 0 {
		pace.Min = min(pace.Min, pace.Max)
	}
	pace.Max = max(pace.Min, pace.Max)
	return pace
}

func (o *WaitOptions) polled(attempt int) {
	if o != nil && o.OnPoll != nil {
		o.OnPoll(attempt)
	}
}

func (o *WaitOptions) inbox() *CheckInbox {
	if o == nil {
		return nil
	}
	return o.Inbox
}

// waitFor gets a value again and again until it is what is waited for. It
// returns the last value seen and, if the wait ended otherwise, the error, to
// which the caller adds what was waited for.
func waitFor[T any](ctx context.Context, o *WaitOptions, wake <-chan struct{}, get func() (*T, error), isIt func(*T) bool) (last *T, ended *WaitError) {
	polls := 0
	err := poll.Until(ctx, o.pace(), wake, func() (bool, error) {
		polls++
		o.polled(polls)
		value, err := get()
		if err != nil {
			return false, keepWaiting(ctx, err)
		}
		last = value
		return isIt(value), nil
	})
	if err != nil {
		return last, &WaitError{Polls: polls, cause: err}
	}
	return last, nil
}

// keepWaiting returns nil if a question that failed may succeed next time.
func keepWaiting(ctx context.Context, err error) error {
	var failed *Error
	if ctx != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.As(err, &failed) && failed.Transient() {
		return nil
	}
	return err
}

// WaitError is how a wait ends that did not see what it waited for. Unwrap
// gives the context's error when the context ended, or the error of the
// question that failed.
type WaitError struct {
	// Check is the last check seen, by Checks.Wait and RunAndWait.
	Check *Check
	// Application is the last application seen, by Applications.Wait.
	Application *Application
	// CustomerRequest is the last request seen, by Forms.Wait.
	CustomerRequest *CustomerRequest
	// Polls is how many times the API was asked.
	Polls int

	waitedFor string
	cause     error
}

// Error tells what was waited for, without ids.
func (e *WaitError) Error() string {
	seen := "was never seen"
	switch {
	case e.Check != nil:
		seen = fmt.Sprintf("was last seen %q", e.Check.State)
	case e.Application != nil:
		seen = fmt.Sprintf("was last seen %q, flag %q", e.Application.Status, e.Application.Flag)
	case e.CustomerRequest != nil:
		seen = "was last seen open"
	}
	return fmt.Sprintf("passfort: waiting for the %s: %v; it %s after %d polls", e.waitedFor, e.cause, seen, e.Polls)
}

// Unwrap returns why the wait ended.
func (e *WaitError) Unwrap() error { return e.cause }

// Format prints what Error returns for every verb.
func (e *WaitError) Format(f fmt.State, verb rune) { formatText(f, verb, e.Error()) }

// GoString returns what Error returns.
func (e *WaitError) GoString() string { return e.Error() }

// LogValue returns what Error returns.
func (e *WaitError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON encodes what Error returns, as a string.
func (e *WaitError) MarshalJSON() ([]byte, error) { return jsonText(e), nil }
