package passfort

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort/internal/bounded"
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
		drift:    newDriftFilter(s.drift, s.bodyLimit),
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

// WebhookOutcome says what became of a message or a delivery.
type WebhookOutcome string

// Values of WebhookOutcome. The first five are about a message, the others
// about a delivery that had no message to handle.
const (
	WebhookHandled     WebhookOutcome = "handled"
	WebhookUnhandled   WebhookOutcome = "unhandled" // acknowledged; no handler wanted it
	WebhookDuplicate   WebhookOutcome = "duplicate"
	WebhookParked      WebhookOutcome = "parked"
	WebhookFailed      WebhookOutcome = "failed"
	WebhookRefused     WebhookOutcome = "refused" // not POST, or shutting down
	WebhookTooLarge    WebhookOutcome = "too_large"
	WebhookUnread      WebhookOutcome = "unread" // the sender broke off
	WebhookDenied      WebhookOutcome = "unauthorized"
	WebhookMalformed   WebhookOutcome = "malformed"
	WebhookUndecodable WebhookOutcome = "undecodable" // taken by the hook of WithUndecodable
)

// WebhookResult is what an observer receives. It holds nothing from the message
// but the name of a known event.
type WebhookResult struct {
	// Event is empty for a delivery without messages, and "unknown" for an event
	// without a constant.
	Event    EventName
	Outcome  WebhookOutcome
	Duration time.Duration
}

// PanicError is the failure of a handler that panicked, as the park hook gets
// it. Its print forms do not hold the value, which may be personal data.
type PanicError struct {
	Value any `json:"-"`
}

// Error returns a fixed text.
func (e *PanicError) Error() string { return "passfort: a webhook handler panicked" }

// Format prints what Error returns for every verb.
func (e PanicError) Format(f fmt.State, verb rune) { formatText(f, verb, e.Error()) }

// GoString returns what Error returns.
func (e PanicError) GoString() string { return e.Error() }

// LogValue returns what Error returns.
func (e PanicError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalText returns what Error returns, for encoders such as YAML, TOML and XML.
func (e PanicError) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBinary returns what Error returns, for encoders such as MessagePack and CBOR.
func (e PanicError) MarshalBinary() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBSON fails: an error is no document.
func (e PanicError) MarshalBSON() ([]byte, error) { return nil, errNoDocument }

// Unwrap returns the value the handler panicked with, if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
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
