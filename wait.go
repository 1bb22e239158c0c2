package passfort

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/passfort-go/passfort/internal/bounded"
	"github.com/passfort-go/passfort/internal/poll"
)

// WaitOptions say how a Wait method asks. Nil means the defaults.
type WaitOptions struct {
	// MinInterval is about the shortest pause between two questions, 500 ms by
	// default. Where nothing is known of how long the like takes, it is the first
	// pause, and the pauses grow by half each time. Every pause has jitter.
	MinInterval time.Duration
	// MaxInterval bounds every pause. By default that is 30 s, or a tenth of what has
	// passed since the wait began if that is more, up to 10 minutes. If the context has
	// a deadline, the last question is asked half a second before it, and up to two
	// seconds sooner where many waits began together.
	MaxInterval time.Duration
	// Inbox ends the pauses when a webhook arrives. While it delivers, a wait asks
	// little on its own: see CheckInbox.
	Inbox *CheckInbox
	// OnPoll is called before each question, with its number from 1.
	OnPoll func(attempt int)
}

func (o *WaitOptions) pace() poll.Pace {
	pace := poll.Pace{Min: 500 * time.Millisecond, Max: 30 * time.Second, Long: 10 * time.Minute}
	if o == nil {
		return pace
	}
	if o.MaxInterval > 0 {
		pace.Max, pace.Long = o.MaxInterval, o.MaxInterval
	}
	if o.MinInterval > 0 {
		pace.Min = o.MinInterval
	}
	if o.MaxInterval > 0 {
		pace.Min = min(pace.Min, pace.Max)
	}
	pace.Max = max(pace.Min, pace.Max)
	pace.Long = max(pace.Max, pace.Long)
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

// waits is what the waits of a client, and of those that share its connections,
// know of each other.
type waits struct {
	crowd  poll.Crowd
	checks *poll.Memory // how long checks took, by type and variant
}

func newWaits() *waits { return &waits{checks: poll.NewMemory()} }

// plan returns the plan of a wait that wake wakes.
func (w *waits) plan(o *WaitOptions, wake <-chan struct{}) *poll.Plan {
	plan := &poll.Plan{Pace: o.pace(), Wake: wake, Crowd: &w.crowd}
	if inbox := o.inbox(); inbox != nil {
		plan.Live, plan.Trust = inbox.pulse.Live, &inbox.others
	}
	return plan
}

// waitFor gets a value again and again until it is what is waited for. It
// returns the last value seen and, if the wait ended otherwise, the error, to
// which the caller adds what was waited for.
func waitFor[T any](
	ctx context.Context, o *WaitOptions, plan *poll.Plan, get func() (*T, error), isIt func(*T) bool,
) (last *T, ended *WaitError) {
	ended = &WaitError{}
	err := plan.Until(ctx, func() (bool, error) {
		ended.Polls++
		o.polled(ended.Polls)
		asked := time.Now()
		value, err := get()
		if err != nil {
			return false, ended.failed(ctx, err)
		}
		last, ended.question, ended.cut = value, nil, nil
		if isIt(value) {
			return true, nil
		}
		plan.Heard = asked
		return false, nil
	})
	if err == nil {
		return last, nil
	}
	ended.causes = []error{err}
	if ctx != nil && ctx.Err() != nil && context.Cause(ctx) != ctx.Err() { //nolint:errorlint // the very same
		ended.causes = append(ended.causes, context.Cause(ctx))
	}
	return last, ended
}

// failed notes a question that failed, and returns nil if the next one may
// succeed.
func (e *WaitError) failed(ctx context.Context, err error) error {
	if ctx != nil && ctx.Err() != nil {
		e.cut = err
		return ctx.Err()
	}
	e.question = err
	var failed *Error
	if errors.As(err, &failed) && failed.Transient() {
		return nil
	}
	return err
}

// WaitError is how a wait ends that did not see what it waited for: with its
// context, or with a question that failed in a way that does not pass by
// itself. Error and errors.As give both: the context's error, and the *Error of
// the last question that failed, if no question after it succeeded.
type WaitError struct {
	// Check is the last check seen, by Checks.Wait and RunAndWait.
	Check *Check `json:"-"`
	// Application is the last application seen, by Applications.Wait.
	Application *Application `json:"-"`
	// CustomerRequest is the last request seen, by Forms.Wait.
	CustomerRequest *CustomerRequest `json:"-"`
	// Polls is how many times the API was asked.
	Polls int

	waitedFor string
	causes    []error // why the wait ended
	question  error   // the last question, if it failed
	cut       error   // the question that the end of the context cut off
}

// Error says what was waited for and why it ended, without ids and without values
// that this version of the package does not know.
func (e *WaitError) Error() string {
	seen := "was never seen"
	switch {
	case e.Check != nil:
		seen = "was last seen " + known(e.Check.State)
	case e.Application != nil:
		seen = "was last seen " + known(e.Application.Status) + ", flag " + known(e.Application.Flag)
	case e.CustomerRequest != nil:
		seen = "was last seen open"
	}
	why := "it ended"
	if len(e.causes) > 0 {
		why = unprefixed(e.causes[0])
	}
	text := fmt.Sprintf("passfort: waiting for the %s: %s; it %s after %d polls", e.waitedFor, why, seen, e.Polls)
	last := cmp.Or(e.question, e.cut)
	if last != nil && (len(e.causes) == 0 || last != e.causes[0]) { //nolint:errorlint // the very same
		text += "; the last question failed: " + unprefixed(last)
	}
	return text
}

// known prints a value of the API if it is one that can be printed.
func known[E interface {
	~string
	Known() bool
}](value E) string {
	if value == "" || value.Known() {
		return strconv.Quote(string(value))
	}
	return "with a value that this version does not know"
}

// unprefixed returns the text of an error to be put inside another one.
func unprefixed(err error) string { return strings.TrimPrefix(err.Error(), "passfort: ") }

// MarshalText returns what Error returns, for encoders such as YAML, TOML and XML.
func (e WaitError) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBinary returns what Error returns, for encoders such as MessagePack and CBOR.
func (e WaitError) MarshalBinary() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBSON fails: an error is no document.
func (e WaitError) MarshalBSON() ([]byte, error) { return nil, errNoDocument }

// Unwrap returns why the wait ended, and how the last question failed.
func (e *WaitError) Unwrap() []error {
	return slices.DeleteFunc(append(slices.Clone(e.causes), e.question, e.cut), func(err error) bool {
		return err == nil
	})
}

// Format prints what Error returns for every verb.
func (e WaitError) Format(f fmt.State, verb rune) { formatText(f, verb, e.Error()) }

// GoString returns what Error returns.
func (e WaitError) GoString() string { return e.Error() }

// LogValue returns what Error returns.
func (e WaitError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON encodes what Error returns, as a string.
func (e WaitError) MarshalJSON() ([]byte, error) { return jsonText(&e), nil }

// CheckInbox ends the pauses of waits as soon as a webhook arrives that may be about
// what they wait for: its check, or anything about its profile. Give it to
// Checks.Wait, Applications.Wait or Forms.Wait in WaitOptions, and feed it with
//
//	h.HandleAll(inbox.Deliver)
//
// It remembers the last checks and requests it heard of, so it does not matter
// whether the webhook or the wait comes first. Waking is a hint: a waiter gets
// the check or request and looks. While webhooks arrive, whatever they are about,
// waits rely on it and ask only as a safety net: after 10 s, or when half and 95 of
// 100 checks of the kind would be done. When they have been missing for three times as
// long as they lately did, or what was waited for ended without one or before it,
// waits ask as they do without an inbox until others come in time.
//
// A nil CheckInbox never wakes anyone, the zero value is an empty one. It is safe
// for concurrent use.
type CheckInbox struct {
	made     sync.Once
	signals  *signals // by check id
	requests *requestNews

	pulse  poll.Pulse
	checks poll.Trust // that the news of checks come in time
	others poll.Trust // that those of profiles do
}

const rememberedChecks = 10_000

// NewCheckInbox returns an empty inbox.
func NewCheckInbox() *CheckInbox { return new(CheckInbox) }

func (b *CheckInbox) make() {
	b.made.Do(func() {
		b.signals = newSignals(rememberedChecks)
		b.requests = newRequestNews(rememberedChecks)
	})
}

// Deliver takes note of a message: of the check or customer request that it is about,
// and of its profile. It never fails: a wait that is not woken finds out by asking.
func (b *CheckInbox) Deliver(_ context.Context, e *WebhookEvent) error {
	if b == nil {
		return nil
	}
	b.pulse.Beat()
	if c, err := e.CheckCompleted(); err == nil {
		b.Completed(c.Check.ID)
	}
	if c, err := e.CustomerRequestChanged(); err == nil {
		b.RequestChanged(c.ProfileID, c.RequestID, c.State)
	} else {
		b.RequestChanged(e.ProfileID, "", "") // whatever it is, it is news of this profile
	}
	return nil
}

// Completed wakes those who wait for the check. Use it where webhooks arrive
// through a queue or in another process.
func (b *CheckInbox) Completed(checkID string) {
	if b != nil && checkID != "" {
		b.make()
		b.pulse.Beat()
		b.signals.send(checkID)
	}
}

// RequestChanged wakes those who wait for the customer request of the profile,
// with its state. The request id and the state may be empty: not
// known. Use it where webhooks arrive through a queue or in another process.
func (b *CheckInbox) RequestChanged(profileID, requestID string, state CustomerRequestState) {
	if b != nil && profileID != "" {
		b.make()
		b.pulse.Beat()
		b.requests.add(profileID, requestID, state)
	}
}

// subscribe returns a channel that gets a value when the check is completed, at
// once if it was before. The caller calls cancel when it stops waiting.
func (b *CheckInbox) subscribe(checkID string) (wake <-chan struct{}, cancel func()) {
	if b == nil {
		return nil, func() {}
	}
	b.make()
	return b.signals.subscribe(checkID)
}

// follow returns a channel that gets a value when there is news of the profile. The
// caller calls cancel when it stops waiting.
func (b *CheckInbox) follow(profileID string) (wake <-chan struct{}, cancel func()) {
	if b == nil {
		return nil, func() {}
	}
	b.make()
	return b.requests.signals.wait(profileID, false)
}

// requestNews is what webhooks said of how customer requests ended.
type requestNews struct {
	signals *signals

	mu    sync.Mutex
	count int
	last  *bounded.Map[requestHeard] // by profile, and by profile and request
}

// requestHeard is the last news of a profile or a request. Number counts the
// news of all profiles.
type requestHeard struct {
	requestID string
	state     CustomerRequestState
	number    int
}

func newRequestNews(remember int) *requestNews {
	return &requestNews{signals: newSignals(remember), last: bounded.New[requestHeard](2 * remember)}
}

func (n *requestNews) add(profileID, requestID string, state CustomerRequestState) {
	if state.Terminal() {
		n.mu.Lock()
		n.count++
		heard := requestHeard{bounded.Key(requestID), state, n.count}
		n.last.Put(bounded.Key(profileID), heard)
		if requestID != "" {
			n.last.Put(bounded.Key(profileID+"/"+requestID), heard)
		}
		n.mu.Unlock()
	}
	n.signals.send(profileID)
}

func (n *requestNews) heard(key string) requestHeard {
	n.mu.Lock()
	defer n.mu.Unlock()
	h, _ := n.last.Get(bounded.Key(key))
	return h
}

// requestListener follows the news of one profile for a wait.
type requestListener struct {
	news      *requestNews // nil: no webhooks
	pulse     *poll.Pulse
	profileID string
	wake      <-chan struct{}
	settled   int // news up to this number is about something else
}

// listen returns a listener. What came before it counts only for the request it
// names, as a profile has one request after the other. The caller calls cancel.
func (b *CheckInbox) listen(profileID string) (l *requestListener, cancel func()) {
	l = &requestListener{profileID: profileID}
	if b == nil {
		return l, func() {}
	}
	b.make()
	l.news, l.pulse = b.requests, &b.pulse
	l.wake, cancel = b.requests.signals.subscribe(profileID)
	l.settled = l.number()
	return l, cancel
}

// number returns that of the last news.
func (l *requestListener) number() int {
	if l.news == nil {
		return 0
	}
	return l.news.heard(l.profileID).number
}

// state returns the terminal state of the request, or "".
func (l *requestListener) state(requestID string) CustomerRequestState {
	if requestID != "" {
		if h := l.news.heard(l.profileID + "/" + requestID); h.state != "" {
			return h.state
		}
	}
	h := l.news.heard(l.profileID)
	if h.requestID != "" && requestID != "" || h.number <= l.settled {
		return ""
	}
	return h.state
}

// stateGrace is how long a webhook may take that has the state of a request
// which is completed.
const stateGrace = 10 * time.Second

// await returns the state of a completed request once it is known. It does not wait
// for a webhook if none has come since another wait did so in vain.
func (l *requestListener) await(ctx context.Context, requestID string) CustomerRequestState {
	if l.news == nil {
		return ""
	}
	grace := stateGrace
	if l.pulse.Silent() {
		grace = 0
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for {
		state := l.state(requestID)
		if state != "" {
			return state
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return ""
		case <-timer.C:
			l.pulse.Silence()
			return l.state(requestID)
		}
	}
}

// signals notifies subscribers of a key that something happened to it, also when it
// happened before they came, as long as it is remembered.
type signals struct {
	mu      sync.Mutex
	recent  *bounded.Map[struct{}]
	waiting map[string]map[chan struct{}]bool
}

func newSignals(remember int) *signals {
	return &signals{
		recent:  bounded.New[struct{}](remember),
		waiting: map[string]map[chan struct{}]bool{},
	}
}

func (s *signals) send(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent.Put(bounded.Key(key), struct{}{})
	for ch := range s.waiting[key] {
		notify(ch)
	}
}

func (s *signals) subscribe(key string) (<-chan struct{}, func()) { return s.wait(key, true) }

// wait is subscribe; past says whether a signal from before counts.
func (s *signals) wait(key string, past bool) (<-chan struct{}, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := make(chan struct{}, 1)
	if _, ok := s.recent.Get(bounded.Key(key)); ok && past {
		notify(ch)
	}
	if s.waiting[key] == nil {
		s.waiting[key] = map[chan struct{}]bool{}
	}
	s.waiting[key][ch] = true
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting[key], ch)
		if len(s.waiting[key]) == 0 {
			delete(s.waiting, key)
		}
	}
}

// notify leaves a value in ch unless one is there.
func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
