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
	"sync"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort/internal/bounded"
	"github.com/passfort-go/passfort/internal/lanes"
)

// WebhookHandler receives webhooks. It is an http.Handler to be mounted at the URL configured in
// the portal (docs/api/webhooks.md#delivery), and it is safe for concurrent use.
//
// A delivery is one message or a batch. It is authenticated as a whole before
// anything else happens. Its messages are then handled one after the other: one
// that the store has seen is skipped, any other goes to the handlers of its
// event and then to those of HandleAll, and is committed to the store when all
// of them returned nil. The first message that fails ends the delivery with
// status 500, so that Passfort sends it again; what was committed before is
// then skipped. So a handler runs again only for a message that was not
// committed, and it should be able to stand that: a crash, or a failing
// Commit, between its success and the commit makes it run twice.
//
// A message without any handler is acknowledged, committed and logged. The same message delivered
// to one handler twice at once runs its functions once: the second delivery waits for the first.
// Two processes that share a store may both run them, because Seen and Commit are two steps. What
// must happen once needs a unique key, such as WebhookEvent.Key, in the transaction that does it. A
// delivery whose sender hangs up goes on all the same: the repeat finds its messages committed.
// Passfort does not promise any order between messages (docs/api/webhooks.md#delivery).
//
// Status 200 is only answered when every message was handled, skipped or
// parked. Other answers are 401 (header or body secret), 405 (not POST), 413
// (body too large), 400 (not a webhook) and 503 (after Shutdown).
type WebhookHandler struct {
	secrets  atomic.Pointer[secretSums]
	settings webhookSettings
	drift    *driftFilter

	//nolint:containedctx // it bounds the handler's life, not a call
	stopping context.Context // ends when Shutdown runs out of patience
	stop     context.CancelFunc

	mu       sync.Mutex
	handlers map[EventName][]webhookFunc
	all      []webhookFunc
	inFlight map[string]*flight
	failures *bounded.Map[int]

	strangers *bounded.Bytes // for deliveries without the header
	active    int
	idle      chan struct{} // made by Shutdown; closed when nothing is active
}

type webhookFunc = func(context.Context, *WebhookEvent) error

// flight is one message being handled.
type flight struct {
	done chan struct{}
	ok   bool // valid once done is closed
}

// WebhookOption configures a WebhookHandler.
type WebhookOption func(*webhookSettings)

type webhookSettings struct {
	store       WebhookStore
	bodyLimit   int64
	timeout     time.Duration
	logger      *slog.Logger
	observer    func(WebhookResult)
	drift       func(Drift)
	undecodable func(context.Context, []byte) error
	concurrency int
	parkAfter   int
	park        func(context.Context, *WebhookEvent, error) error
}

const (
	defaultWebhookBodyLimit = 16 << 20
	defaultWebhookTimeout   = 5 * time.Minute
	defaultWebhookMemory    = 100_000
	rememberedFailures      = 10_000
)

// WithWebhookStore makes the handler remember messages in s, which several
// processes may share. The default remembers the last 100,000 messages in memory.
func WithWebhookStore(s WebhookStore) WebhookOption {
	return func(o *webhookSettings) { o.store = s }
}

// WithWebhookBodyLimit sets the size in bytes from which a body is refused with status 413. The
// default is 16 MiB: a batch has up to 100 messages, and one about collected data holds it twice
// (docs/api/webhooks.md#delivery, docs/api/webhooks.md#collected-data-changed).
func WithWebhookBodyLimit(n int64) WebhookOption {
	return func(o *webhookSettings) { o.bodyLimit = n }
}

// WithHandlerTimeout bounds the context of each call of a handler, of the store
// and of the park hook. The default is 5 minutes.
func WithHandlerTimeout(d time.Duration) WebhookOption {
	return func(o *webhookSettings) { o.timeout = d }
}

// WithWebhookLogger logs one line per message and per refused delivery: event,
// outcome, duration, and the Go type of an error. Names of unknown events,
// error texts, ids and data are not logged.
func WithWebhookLogger(l *slog.Logger) WebhookOption {
	return func(o *webhookSettings) { o.logger = l }
}

// WithWebhookObserver calls fn after each message and each refused delivery,
// for metrics. It is called on the goroutine of the delivery, so it must be
// quick and safe for concurrent use.
func WithWebhookObserver(fn func(WebhookResult)) WebhookOption {
	return func(o *webhookSettings) { o.observer = fn }
}

// WithWebhookDriftReporter sets who is notified of an event without a constant, and
// of what is new in the data of the events whose payload is described, once for
// each event, pointer and kind: see Drift. It is called on the goroutine of the
// delivery before the handlers, so it must be quick and safe for concurrent use.
func WithWebhookDriftReporter(report func(Drift)) WebhookOption {
	return func(o *webhookSettings) { o.drift = report }
}

// WithUndecodable hands fn the body of an authenticated delivery that is not a webhook in any shape
// this package knows. If fn returns nil, having stored it, the delivery is acknowledged; without
// this option it never is, and Passfort sends it again (docs/api/webhooks.md#messages). Only a
// right Authorization header authenticates such a body. It holds the shared secret and personal
// data, and is valid until fn returns.
func WithUndecodable(fn func(ctx context.Context, body []byte) error) WebhookOption {
	return func(o *webhookSettings) { o.undecodable = fn }
}

// WithWebhookConcurrency handles the messages of up to n profiles of one delivery
// at the same time, for handlers that wait for a database or an engine. Those of
// one profile, and those without one, stay in the order of the delivery. After a
// failure no other message is begun, and those that were begun are finished. The
// default is 1: one message after the other.
func WithWebhookConcurrency(n int) WebhookOption {
	return func(o *webhookSettings) { o.concurrency = n }
}

// WithPark hands fn a message that has failed n times (at least 1), with its
// last error, so that it does not block the messages behind it. If fn returns
// nil, having put the message aside, the message is committed and the delivery
// goes on. Failures are counted in memory, so a restart starts again at 0.
func WithPark(n int, fn func(ctx context.Context, e *WebhookEvent, err error) error) WebhookOption {
	return func(o *webhookSettings) { o.parkAfter, o.park = max(n, 1), fn }
}

// NewWebhookHandler returns a handler that accepts deliveries carrying any of
// the secrets: give the old and the new one while you rotate them. It is an
// error to give none or an empty one.
func NewWebhookHandler(secrets []string, opts ...WebhookOption) (*WebhookHandler, error) {
	sums, err := sumSecrets(secrets)
	if err != nil {
		return nil, err
	}
	s := webhookSettings{
		store:     NewMemoryWebhookStore(defaultWebhookMemory),
		bodyLimit: defaultWebhookBodyLimit,
		timeout:   defaultWebhookTimeout,

		concurrency: 1,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	switch {
	case s.store == nil:
		return nil, errors.New("passfort: the webhook store is nil")
	case s.bodyLimit <= 0:
		return nil, errors.New("passfort: the body limit of webhooks must be positive")
	case s.timeout <= 0:
		return nil, errors.New("passfort: the handler timeout of webhooks must be positive")
	case s.concurrency <= 0:
		return nil, errors.New("passfort: the concurrency of webhooks must be positive")
	case s.parkAfter > 0 && s.park == nil:
		return nil, errors.New("passfort: the park hook is nil")
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	h := &WebhookHandler{
		settings: s,
		drift:    newDriftFilter(s.drift),
		handlers: map[EventName][]webhookFunc{},
		inFlight: map[string]*flight{},
		failures: bounded.New[int](rememberedFailures),

		strangers: bounded.NewBytes(maxStrangers),
	}
	h.secrets.Store(&sums)
	h.stopping, h.stop = context.WithCancel(context.Background())
	return h, nil
}

// SetSecrets replaces the secrets, while the handler runs too: a rotation needs no
// restart. A delivery that has begun keeps those that it began with. If it is an
// error, for the reasons of NewWebhookHandler, the secrets are unchanged.
func (h *WebhookHandler) SetSecrets(secrets []string) error {
	sums, err := sumSecrets(secrets)
	if err != nil {
		return err
	}
	h.secrets.Store(&sums)
	return nil
}

// Handle calls fn for every message of the event, whose name is compared
// without case. Several functions for one event are called in the order of
// their registration, until one fails. If fn fails or panics, all of them run
// again when the message is delivered again. The context of fn does not end
// when the sender hangs up: see WithHandlerTimeout and Shutdown. It panics if fn
// is nil.
func (h *WebhookHandler) Handle(event EventName, fn func(context.Context, *WebhookEvent) error) {
	if fn == nil {
		panic("passfort: nil webhook handler")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	event = event.canonical()
	h.handlers[event] = append(h.handlers[event], fn)
}

// HandleAll calls fn for every message, of known and unknown events, after the
// functions registered for its event. It panics if fn is nil.
func (h *WebhookHandler) HandleAll(fn func(context.Context, *WebhookEvent) error) {
	if fn == nil {
		panic("passfort: nil webhook handler")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, fn)
}

// Shutdown makes the handler refuse new deliveries with status 503 and waits
// for those being handled. If ctx ends first, Shutdown ends the contexts of the
// handlers and returns the error of ctx at once; deliveries still running then
// stop after their current message and are not acknowledged. Call it before, or
// beside, the Shutdown of the http.Server.
func (h *WebhookHandler) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	if h.idle == nil {
		h.idle = make(chan struct{})
		if h.active == 0 {
			close(h.idle)
		}
	}
	idle := h.idle
	h.mu.Unlock()
	select {
	case <-idle:
		h.stop()
		return nil
	case <-ctx.Done():
		h.stop()
		return ctx.Err()
	}
}

func (h *WebhookHandler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.idle != nil {
		return false
	}
	h.active++
	return true
}

func (h *WebhookHandler) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.active--
	if h.idle != nil && h.active == 0 {
		close(h.idle)
	}
}

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
		b.Grow(int(min(max(r.ContentLength, 0), 1<<20)) + bytes.MinRead)
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

// WebhookStore remembers which messages were handled. An implementation on a
// database needs one table with the id as its key; share it between all
// processes that receive webhooks. It may forget what is old: it is unknown how
// long Passfort repeats a message, and one repeated later is handled again. The
// id is the message's own, or a hash of its
// content if it has none; it is at most 128 bytes long. Both methods must be
// safe for concurrent use; if one fails the delivery is not acknowledged.
type WebhookStore interface {
	// Seen reports whether the message was committed.
	Seen(ctx context.Context, id string) (bool, error)
	// Commit records that the message was handled or parked. Committing twice is
	// no error.
	Commit(ctx context.Context, id string) error
}

// MemoryWebhookStore is a WebhookStore that forgets: with the process, and the
// oldest message when it is full.
type MemoryWebhookStore struct {
	mu   sync.Mutex
	seen *bounded.Map[struct{}]
}

// NewMemoryWebhookStore returns a store for the last n messages (at least 1).
func NewMemoryWebhookStore(n int) *MemoryWebhookStore {
	return &MemoryWebhookStore{seen: bounded.New[struct{}](n)}
}

// Seen reports whether the message was committed and is not forgotten.
func (s *MemoryWebhookStore) Seen(_ context.Context, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.seen.Get(bounded.Key(id))
	return ok, nil
}

// Commit remembers the message.
func (s *MemoryWebhookStore) Commit(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Put(bounded.Key(id), struct{}{})
	return nil
}
