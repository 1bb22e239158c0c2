package passfort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort/internal/lanes"
)

// ServeHTTP handles one delivery.
func (h *WebhookHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	status, outcome := h.deliver(w, r)
	if outcome != "" {
		h.report(r.Context(), WebhookResult{Outcome: outcome, Duration: time.Since(start)}, nil)
	}
	switch status {
	case http.StatusOK:
		w.WriteHeader(status)
		return
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	http.Error(w, http.StatusText(status), status)
}

// deliver returns the status of the answer and, where it reported no message,
// the outcome of the delivery.
func (h *WebhookHandler) deliver(w http.ResponseWriter, r *http.Request) (int, WebhookOutcome) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, WebhookRefused
	}
	secrets := *h.secrets.Load()
	header := secrets.header(r.Header)
	if header == secretWrong {
		return http.StatusUnauthorized, WebhookDenied
	}
	body, err := h.readBody(w, r, secrets, header)
	if errors.Is(err, ErrWebhookUnauthorized) {
		return http.StatusUnauthorized, WebhookDenied
	}
	if errors.Is(err, errStrangers) {
		return http.StatusServiceUnavailable, WebhookRefused
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, WebhookTooLarge
	}
	if err != nil {
		return http.StatusBadRequest, WebhookUnread
	}
	if !h.begin() {
		return http.StatusServiceUnavailable, WebhookRefused
	}
	defer h.end()
	messages, err := parseWebhook(secrets, header, body)
	if errors.Is(err, ErrWebhookUnauthorized) {
		return http.StatusUnauthorized, WebhookDenied
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	defer context.AfterFunc(h.stopping, cancel)()
	if err != nil {
		return h.malformed(ctx, body)
	}
	var refused atomic.Bool
	profile := func(m *webhookMessage) string { return m.event.ProfileID }
	done := lanes.Run(messages, h.settings.concurrency, profile, func(m *webhookMessage) bool {
		if h.stopping.Err() != nil {
			refused.Store(true)
			return false
		}
		return h.message(ctx, r.Context(), m)
	})
	switch {
	case refused.Load():
		return http.StatusServiceUnavailable, WebhookRefused
	case !done:
		return http.StatusInternalServerError, ""
	}
	return http.StatusOK, ""
}

// errStrangers means that deliveries without the header hold all the memory that
// they may.
var errStrangers = errors.New("too many deliveries without the header")

// readBody reads a body whose header is right, up to the limit. Without the header
// it reads as much as may come before the secret, and the rest if the secret is in
// there.
func (h *WebhookHandler) readBody(
	w http.ResponseWriter, r *http.Request, secrets secretSums, header secretState,
) ([]byte, error) {
	if r.ContentLength > h.settings.bodyLimit {
		return nil, &http.MaxBytesError{Limit: h.settings.bodyLimit}
	}
	if r.Body == nil { // a request that no server made
		return nil, nil
	}
	body := http.MaxBytesReader(w, r.Body, h.settings.bodyLimit)
	var b bytes.Buffer
	if header == secretMissing {
		// A stranger may send slowly, or nothing. The deadline is that of the body.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(strangerTime))
		end, err := h.readStranger(&b, body, secrets)
		if err != nil || end {
			return b.Bytes(), err
		}
	} else {
		b.Grow(int(min(max(r.ContentLength, 0), defaultWebhookBodyLimit)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(body)
	return b.Bytes(), err
}

const (
	// maxStranger is how much a delivery without the header may have before its
	// secret is known.
	maxStranger = 1 << 20
	// maxStrangers is how much all of them together may have.
	maxStrangers = 16 << 20
	// strangerTime is how long such a delivery may take.
	strangerTime = 30 * time.Second
	strangerStep = 16 << 10
)

// readStranger reads the beginning of a body that has to have the secret, and
// reports whether that is all of it.
func (h *WebhookHandler) readStranger(b *bytes.Buffer, body io.Reader, secrets secretSums) (end bool, err error) {
	taken := int64(0)
	defer func() { h.strangers.Give(taken) }()
	for b.Len() < maxStranger {
		if !h.strangers.Take(strangerStep) {
			return false, errStrangers
		}
		taken += strangerStep
		if b.Available() < strangerStep {
			b.Grow(min(max(b.Len(), strangerStep), maxStranger-b.Len()))
		}
		_, err := io.CopyN(b, body, min(strangerStep, int64(maxStranger-b.Len())))
		if err == io.EOF { //nolint:errorlint // io.CopyN returns it as it is
			if !secrets.signed(b.Bytes(), true) { // while its part is still taken
				return true, ErrWebhookUnauthorized
			}
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	if !secrets.signed(b.Bytes(), false) {
		return false, ErrWebhookUnauthorized
	}
	return false, nil
}

func (h *WebhookHandler) malformed(ctx context.Context, body []byte) (int, WebhookOutcome) {
	if h.settings.undecodable == nil {
		return http.StatusBadRequest, WebhookMalformed
	}
	err := h.call(ctx, func(ctx context.Context) error { return h.settings.undecodable(ctx, body) })
	if err != nil {
		return http.StatusInternalServerError, WebhookMalformed
	}
	return http.StatusOK, WebhookUndecodable
}

// message handles one message and reports it. It returns whether the message
// may be acknowledged.
func (h *WebhookHandler) message(ctx, sender context.Context, m *webhookMessage) bool {
	result := WebhookResult{Event: m.event.Event.label()}
	start := time.Now()
	f, err := h.enter(ctx, sender, m.key)
	switch {
	case err != nil:
		result.Outcome = WebhookFailed
	case f == nil:
		result.Outcome = WebhookDuplicate
	default:
		func() {
			defer h.leave(m.key, f)
			result.Outcome, err = h.handle(ctx, m)
			f.ok = err == nil
		}()
	}
	result.Duration = time.Since(start)
	h.report(ctx, result, err)
	return err == nil
}

// flight is one message being handled.
type flight struct {
	done chan struct{}
	ok   bool // valid once done is closed
}

// enter takes the message with that key. If another delivery has it, enter
// waits; it returns nil if the other one succeeded.
func (h *WebhookHandler) enter(ctx, sender context.Context, key string) (*flight, error) {
	for {
		h.mu.Lock()
		f := h.inFlight[key]
		if f == nil {
			f = &flight{done: make(chan struct{})}
			h.inFlight[key] = f
			h.mu.Unlock()
			return f, nil
		}
		h.mu.Unlock()
		select {
		case <-f.done:
			if f.ok {
				return nil, nil
			}
		case <-sender.Done():
			return nil, sender.Err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h *WebhookHandler) leave(key string, f *flight) {
	h.mu.Lock()
	delete(h.inFlight, key)
	h.mu.Unlock()
	close(f.done)
}

// handle takes a message from Seen to Commit.
func (h *WebhookHandler) handle(ctx context.Context, m *webhookMessage) (WebhookOutcome, error) {
	var seen bool
	err := h.call(ctx, func(ctx context.Context) (err error) {
		if seen, err = h.settings.store.Seen(ctx, m.key); err != nil || seen {
			return err
		}
		seen, err = h.settings.store.Seen(ctx, m.event.oldKey())
		return err
	})
	if err != nil {
		return WebhookFailed, err
	}
	if seen {
		return WebhookDuplicate, nil
	}
	h.reportDrift(&m.event)
	h.mu.Lock()
	fns := slices.Concat(h.handlers[m.event.Event.canonical()], h.all)
	h.mu.Unlock()
	outcome := WebhookHandled
	if len(fns) == 0 {
		outcome = WebhookUnhandled
	}
	for _, fn := range fns {
		if err = h.call(ctx, func(ctx context.Context) error { return fn(ctx, &m.event) }); err != nil {
			break
		}
	}
	if err != nil {
		if !h.failedTooOften(m.key) {
			return WebhookFailed, err
		}
		failure := err
		if err = h.call(ctx, func(ctx context.Context) error {
			return h.settings.park(ctx, &m.event, failure)
		}); err != nil {
			return WebhookFailed, err
		}
		outcome = WebhookParked
	}
	// What was handled is recorded even while the process is being stopped.
	err = h.call(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return h.settings.store.Commit(ctx, m.key)
	})
	if err != nil {
		return WebhookFailed, err
	}
	h.mu.Lock()
	h.failures.Remove(m.key)
	h.mu.Unlock()
	return outcome, nil
}

// reportDrift reports what is new in a message. A reporter that
// panics changes no answer.
func (h *WebhookHandler) reportDrift(e *WebhookEvent) {
	defer func() { _ = recover() }()
	h.drift.lookIntoWebhook(e)
}

// failedTooOften counts a failure. One that the end of the process may have
// caused does not count.
func (h *WebhookHandler) failedTooOften(key string) bool {
	if h.settings.park == nil || h.stopping.Err() != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n, _ := h.failures.Get(key)
	h.failures.Put(key, n+1)
	return n+1 >= h.settings.parkAfter
}

// call runs fn, one of the caller's functions, within the time limit, and
// makes a panic an error.
func (h *WebhookHandler) call(ctx context.Context, fn func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, h.settings.timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v}
		}
	}()
	return fn(ctx)
}

func (h *WebhookHandler) report(ctx context.Context, r WebhookResult, err error) {
	level := slog.LevelInfo
	switch r.Outcome {
	case WebhookHandled, WebhookUnhandled, WebhookDuplicate:
	case WebhookFailed:
		level = slog.LevelError
	default:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("outcome", string(r.Outcome)), slog.Duration("duration", r.Duration)}
	if r.Event != "" {
		attrs = append(attrs, slog.String("event", string(r.Event)))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error_type", fmt.Sprintf("%T", err)))
	}
	h.settings.logger.LogAttrs(ctx, level, "passfort webhook", attrs...)
	if h.settings.observer != nil {
		defer func() { _ = recover() }() // metrics that panic change no answer
		h.settings.observer(r)
	}
}
