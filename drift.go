package passfort

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/passfort-go/passfort/internal/wire"
)

// Drift is one difference between what the API sent and what this package
// models: news from the server. Nothing is lost by it: unknown members and
// values of an unexpected type are kept and sent back as they came.
type Drift struct {
	// Operation is the name of the API operation, such as "Profiles.Get", or
	// the name of the webhook event ("unknown" if it does not look like one).
	Operation string
	// Pointer is the JSON pointer of the member, with "*" for list indexes, map keys
	// and what is no plain name: more than 48 bytes, more than 4 digits, or other
	// characters than letters, digits, "_" and "-". It holds no values.
	Pointer string
	// Kind says what is different.
	Kind DriftKind
}

// DriftKind says how an answer differs from the model.
type DriftKind string

// The kinds of drift.
const (
	// DriftUnknownField: a member that has no field.
	DriftUnknownField DriftKind = "unknown field"
	// DriftUnknownValue: an enum value that has no constant.
	DriftUnknownValue DriftKind = "unknown enum value"
	// DriftTypeChanged: a value of another JSON type than the field's. The
	// field is at its zero value.
	DriftTypeChanged DriftKind = "type changed"
	// DriftUnknownEvent: a webhook event that has no constant.
	DriftUnknownEvent DriftKind = "unknown event"
)

// WithDriftReporter sets who is notified when the API sends something this package
// does not know, once for each operation, pointer and kind. Inputs and outputs
// of checks are looked into too. It is called from the goroutine of the call
// and must be safe for concurrent use. For webhooks see
// WithWebhookDriftReporter.
func WithDriftReporter(report func(Drift)) Option {
	return func(s *settings) { s.drift = report }
}

// maxDrift bounds what the filter remembers. Beyond it nothing is reported, as
// a server that invents names without end is not news.
const maxDrift = 10_000

// driftFilter reports each difference once.
type driftFilter struct {
	report func(Drift)
	room   int64 // that a value may take up which is decoded to look for differences
	mu     sync.Mutex
	seen   map[Drift]bool
}

func newDriftFilter(report func(Drift), room int64) *driftFilter {
	if report == nil {
		return nil
	}
	return &driftFilter{report: report, room: max(room, 1), seen: map[Drift]bool{}}
}

// reporter returns what the decoder reports to, nil without a reporter.
func (f *driftFilter) reporter(operation string) func(wire.Drift) {
	if f == nil {
		return nil
	}
	return func(d wire.Drift) {
		kind := map[wire.DriftKind]DriftKind{
			wire.UnknownMember: DriftUnknownField,
			wire.UnknownValue:  DriftUnknownValue,
			wire.TypeChanged:   DriftTypeChanged,
		}[d.Kind]
		f.tell(Drift{Operation: operation, Pointer: d.Pointer, Kind: kind})
	}
}

// look reports what is different in JSON that the model keeps raw: it is
// decoded into as, which is not used for anything else. What would take more than the
// room is looked into up to there.
func (f *driftFilter) look(operation, at string, raw json.RawMessage, as any) {
	if f == nil || len(raw) == 0 || string(raw) == "null" || as == nil {
		return
	}
	tell := f.reporter(operation)
	err := wire.UnmarshalWithin(raw, as, func(d wire.Drift) {
		d.Pointer = at + d.Pointer
		tell(d)
	}, f.room)
	if err != nil && !errors.Is(err, wire.ErrSize) {
		tell(wire.Drift{Pointer: at, Kind: wire.TypeChanged})
	}
}

// lookIntoChecks reports what is different in the inputs and outputs of the
// checks in an answer.
func (f *driftFilter) lookIntoChecks(operation string, answer any) {
	if f == nil {
		return
	}
	var checks []Check
	at := ""
	switch answer := answer.(type) {
	case *Check:
		checks = []Check{*answer}
	case *[]Check:
		checks, at = *answer, "/*"
	case *Profile:
		checks, at = answer.Checks, "/checks/*"
	}
	for i := range checks {
		f.look(operation, at+"/input_data", checks[i].InputData, new(EntityData))
		f.look(operation, at+"/output_data", checks[i].OutputData, checks[i].output())
	}
}

// lookIntoWebhook reports an event without a constant, and what is different in
// the data of one whose payload is described.
func (f *driftFilter) lookIntoWebhook(e *WebhookEvent) {
	if f == nil {
		return
	}
	var payload any
	switch e.Event {
	case EventProductStatusChanged:
		payload = new(ProductStatusChanged)
	case EventCollectedDataUpdated, EventCollectedDataChanged:
		payload = new(CollectedDataChange)
	case EventCheckCompleted:
		payload = new(CheckCompleted)
	case EventManualActionRequired:
		payload = new(ManualActionRequired)
	}
	if !e.Event.Known() {
		f.tell(Drift{Operation: e.Event.newsworthy(), Pointer: "/event", Kind: DriftUnknownEvent})
	}
	f.look(string(e.Event), "/data", e.Data, payload)
}

// newsworthy returns the name of an event if it has the form of one.
func (e EventName) newsworthy() string {
	odd := func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}
	if len(e) > 64 || strings.ContainsFunc(string(e), odd) {
		return "unknown"
	}
	return string(e)
}

func (f *driftFilter) tell(d Drift) {
	f.mu.Lock()
	known := f.seen[d] || len(f.seen) >= maxDrift
	if !known {
		f.seen[d] = true
	}
	f.mu.Unlock()
	if !known {
		f.report(d)
	}
}
