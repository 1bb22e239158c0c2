package verify

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// What bounds a Listener.
const (
	maxDelivery = 16 << 20 // bytes of one delivery
	maxStranger = 1 << 20  // bytes of one without the header
	maxHeard    = 10_000   // messages that are remembered
	maxNames    = 100      // names of events
	maxPauses   = 8        // between repeats
)

// ListenOptions says how a Listener answers.
type ListenOptions struct {
	// Secrets are the shared secrets that a delivery may have: at least one.
	Secrets []string
	// Refuse is how many deliveries are answered with 500 on purpose, the first ones,
	// to see how they are repeated.
	Refuse int
	// Batching says that batching is on in the portal. Without it, deliveries of one
	// message say nothing of batches.
	Batching bool
	// Progress is called after each delivery, one at a time, with the names of its
	// events. A name that no program would choose is *.
	Progress func(status int, events []string)
}

// Listener is an http.Handler that receives webhooks, authenticates them and notes
// their shapes: event names, where the secret stands, how batches look, whether a
// repeat keeps its id, and how long the pauses between repeats are. It keeps no
// value of a message and acts on none. What is authentic is acknowledged and so
// lost for all others: use an account for tests. It is safe for concurrent use.
type Listener struct {
	opts ListenOptions

	mu         sync.Mutex
	deliveries int
	refused    int
	strangers  int
	malformed  int
	inHeader   int
	inBody     int
	arrays     int
	batches    int // deliveries of several messages
	objects    int
	singles    int
	disorder   int
	stamps     int
	lastStamp  time.Time
	names      map[string]bool
	ids        map[string]bool
	refusedIDs map[string]bool
	refusedAs  map[[32]byte]bool
	keptID     int
	newID      int
	twice      int
	pauses     []time.Duration
	lastTry    time.Time
}

// NewListener returns a Listener. The error is an ErrInvalidInput of package
// passfort: no secret, an empty one, or a negative count.
func NewListener(opts ListenOptions) (*Listener, error) {
	switch {
	case len(opts.Secrets) == 0, slices.Contains(opts.Secrets, ""):
		return nil, invalid("a listener needs the shared secret")
	case opts.Refuse < 0:
		return nil, invalid("the count of refused deliveries is negative")
	}
	opts.Secrets = slices.Clone(opts.Secrets)
	return &Listener{
		opts: opts, names: map[string]bool{}, ids: map[string]bool{},
		refusedIDs: map[string]bool{}, refusedAs: map[[32]byte]bool{},
	}, nil
}

// ServeHTTP answers one delivery: 200, 500 if it is refused on purpose, and 401
// without a right secret.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	limit := int64(maxStranger)
	inHeader := l.authorized(r.Header)
	if inHeader {
		limit = maxDelivery
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil || int64(len(body)) > limit {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	w.WriteHeader(l.hear(r.Header, body, inHeader))
}

func (l *Listener) authorized(h http.Header) bool {
	_, err := passfort.ParseWebhook(h, nil, l.opts.Secrets...)
	return errors.Is(err, passfort.ErrWebhookMalformed)
}

// hear notes a delivery and returns the status of its answer.
func (l *Listener) hear(h http.Header, body []byte, inHeader bool) int {
	events, err := passfort.ParseWebhook(h, body, l.opts.Secrets...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, passfort.ErrWebhookUnauthorized) {
		l.strangers++
		return l.answered(http.StatusUnauthorized, nil)
	}
	l.deliveries++
	if inHeader {
		l.inHeader++
	}
	if err != nil {
		l.malformed++
		return l.answered(http.StatusOK, nil)
	}
	l.shape(body)
	refuse := l.refused < l.opts.Refuse
	now := time.Now()
	if len(l.pauses) < min(l.refused, maxPauses) {
		l.pauses = append(l.pauses, now.Sub(l.lastTry))
	}
	l.lastTry = now
	var names []string
	for i := range events {
		names = append(names, l.message(&events[i], refuse))
	}
	if refuse {
		l.refused++
		return l.answered(http.StatusInternalServerError, names)
	}
	return l.answered(http.StatusOK, names)
}

func (l *Listener) answered(status int, names []string) int {
	if l.opts.Progress != nil {
		l.opts.Progress(status, names)
	}
	return status
}

// shape notes how the body of a delivery looks.
func (l *Listener) shape(body []byte) {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return
	}
	messages := objects(v)
	switch o, is := v.(object); {
	case !is:
		l.arrays++
	case o["event"] != nil:
		l.singles++
		messages = []object{o}
	default:
		l.objects++
		for _, e := range o {
			messages = append(messages, objects(e)...)
		}
	}
	if len(messages) > 1 {
		l.batches++
	}
	if !slices.ContainsFunc(messages, func(o object) bool { return text(o, "secret") == "" }) {
		l.inBody++
	}
}

var eventForm = regexp.MustCompile(`^[A-Za-z]+(_[A-Za-z]+){0,6}$`)

// message notes a message and returns the name of its event.
func (l *Listener) message(e *passfort.WebhookEvent, refuse bool) string {
	name := strings.ToUpper(string(e.Event))
	if len(name) > 40 || !eventForm.MatchString(name) {
		name = "*"
	}
	if len(l.names) < maxNames {
		l.names[name] = true
	}
	if !e.Timestamp.IsZero() {
		l.stamps++
		if e.Timestamp.Before(l.lastStamp) {
			l.disorder++
		}
		l.lastStamp = e.Timestamp
	}
	as := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", e.Event, e.Timestamp.Unix(), e.Data))
	switch {
	case l.refusedIDs[e.ID] && e.ID != "":
		l.keptID++
	case l.refusedAs[as]:
		l.newID++
	case l.ids[e.ID] && e.ID != "":
		l.twice++
	}
	if refuse && len(l.refusedIDs) < maxHeard {
		l.refusedIDs[e.ID], l.refusedAs[as] = true, true
	}
	if !refuse && len(l.ids) < maxHeard {
		l.ids[e.ID] = true
		delete(l.refusedIDs, e.ID)
		delete(l.refusedAs, as)
	}
	return name
}

// Report returns what was heard so far.
func (l *Listener) Report() *Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &Report{
		SDK: passfort.Version, Tier: TierListen, Date: time.Now().UTC().Format(time.DateOnly),
		Server: "the sender of webhooks", Requests: l.deliveries, Complete: true,
	}
	if l.deliveries == 0 {
		r.Server = "nothing came with the right secret; " + plural(l.strangers, "delivery") + " came without it"
	}
	for _, p := range Probes() {
		j := judgement{NotTried, "webhooks say nothing of it", ""}
		if p.hear != nil {
			j = p.hear(l)
		}
		r.Findings = append(r.Findings, p.finding(j))
	}
	return r
}

func listenProbe(p Probe, hear func(*Listener) judgement) Probe {
	p.Tier, p.Asks, p.hear = TierListen, "nothing: webhooks that come in", hear
	return p
}

func listenProbes() []Probe {
	return []Probe{
		listenProbe(Probe{
			Name:   "webhook-secret",
			Belief: "the secret is in every message and in the header Authorization",
			Page:   "docs/api/webhooks.md#authentication",
			Means:  "the secret comes once: WebhookHandler accepts it, other code may not",
		}, func(l *Listener) judgement {
			whole := l.deliveries - l.malformed
			switch {
			case whole == 0:
				return notSeen("no delivery")
			case l.inBody == whole && l.inHeader == l.deliveries:
				return confirmed("in both")
			case l.inHeader == l.deliveries:
				return differs("in the header only")
			}
			return differs("in the messages only, or not always in both")
		}),
		listenProbe(Probe{
			Name:   "webhook-form",
			Belief: "a delivery is a message or a batch of messages",
			Page:   "docs/api/webhooks.md#messages",
			Means:  "WebhookHandler needs WithUndecodable, or the queue stands still",
		}, func(l *Listener) judgement {
			if l.deliveries == 0 {
				return notSeen("no delivery")
			}
			return either(l.malformed == 0, "so it is", plural(l.malformed, "delivery")+" of another form")
		}),
		listenProbe(Probe{
			Name:   "batch-shape",
			Switch: "BatchShape",
			Belief: "a batch is an array of messages",
			Page:   "docs/api/webhooks.md#batches",
			Means:  "WebhookHandler reads it; other code has to expect it",
		}, func(l *Listener) judgement {
			switch {
			case l.objects > 0:
				return judgement{Differs, "an object with an array of messages", "BatchObject"}
			case l.arrays > 0:
				return confirmed("an array")
			case l.opts.Batching && l.singles > 1:
				return judgement{Differs, "one message in each delivery, although batching is on", "BatchSingle"}
			}
			return notSeen("no batch")
		}),
		listenProbe(Probe{
			Name:   "event-names",
			Belief: "events have the names that docs/api lists; there may be more",
			Page:   "docs/api/webhooks.md#event-names",
		}, func(l *Listener) judgement {
			if len(l.names) == 0 {
				return notSeen("no event")
			}
			return confirmed(strings.Join(slices.Sorted(maps.Keys(l.names)), ", "))
		}),
		listenProbe(Probe{
			Name:   "data-event",
			Switch: "CollectedDataEvent",
			Belief: "a change of collected data comes as COLLECTED_DATA_UPDATED",
			Means:  "handle COLLECTED_DATA_CHANGED too", Page: "docs/api/webhooks.md#event-names",
		}, func(l *Listener) judgement {
			switch {
			case l.names[string(passfort.EventCollectedDataChanged)]:
				return judgement{Differs, "as COLLECTED_DATA_CHANGED", string(passfort.EventCollectedDataChanged)}
			case l.names[string(passfort.EventCollectedDataUpdated)]:
				return confirmed("so it does")
			}
			return notSeen("no such event")
		}),
		listenProbe(Probe{
			Name:   "deprecated-events",
			Switch: "DeprecatedEvents",
			Belief: "deprecated events do not come",
			Page:   "docs/api/webhooks.md#event-names",
			Means:  "the same change comes as two events: switch the deprecated one off in the portal",
		}, func(l *Listener) judgement {
			for _, name := range []passfort.EventName{
				passfort.EventProfileStatusChanged, passfort.EventTaskIsCompleteChanged,
				passfort.EventCollectionStepsCompleted,
			} {
				if l.names[string(name)] {
					return differs("one came")
				}
			}
			if l.names[string(passfort.EventTaskStateChanged)] {
				return confirmed("a task changed, and none came")
			}
			return notSeen("nothing happened that has one")
		}),
		listenProbe(Probe{
			Name:   "repeat-id",
			Belief: "a repeat of a message keeps its id",
			Page:   "docs/api/webhooks.md#delivery",
			Means:  "a WebhookStore does not recognise repeats: make handlers idempotent",
		}, func(l *Listener) judgement {
			if l.keptID+l.newID == 0 {
				return notSeen("no repeat: refuse some deliveries")
			}
			return either(l.newID == 0, "it does", "it has another one")
		}),
		listenProbe(Probe{
			Name:   "repeat-pauses",
			Belief: "what is refused comes again after a pause, and pauses grow",
			Page:   "docs/api/webhooks.md#delivery",
		}, func(l *Listener) judgement {
			if len(l.pauses) < 2 {
				return notSeen("less than two repeats: refuse some deliveries")
			}
			var shown []string
			for _, p := range l.pauses {
				shown = append(shown, p.Round(10*time.Millisecond).String())
			}
			return confirmed(strings.Join(shown, ", "))
		}),
		listenProbe(Probe{
			Name:   "webhook-order",
			Belief: "messages may come in any order, and twice",
			Page:   "docs/api/webhooks.md#delivery",
		}, func(l *Listener) judgement {
			if l.stamps < 2 {
				return notSeen("less than two messages with a time")
			}
			seen := "in the order of their times"
			if l.disorder > 0 {
				seen = "not always in the order of their times"
			}
			if l.twice > 0 {
				seen += ", some twice"
			}
			return confirmed(seen)
		}),
	}
}
