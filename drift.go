package passfort

import (
	"sync"

	"github.com/passfort-go/passfort/internal/wire"
)

// Drift is one difference between what the API sent and what this package
// models: news from the server. Nothing is lost by it: unknown members and
// values of an unexpected type are kept and sent back as they came.
type Drift struct {
	// Operation is the name of the API operation, such as "Profiles.Get", or
	// the name of the webhook event.
	Operation string
	// Pointer is the JSON pointer of the member, with "*" for list indexes and
	// map keys. It holds names of members, never values.
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

// WithDriftReporter sets who is told when the API sends something this package
// does not know, once for each operation, pointer and kind. It is called from
// the goroutine of the call and must be safe for concurrent use.
func WithDriftReporter(report func(Drift)) Option {
	return func(s *settings) { s.drift = report }
}

// maxDrift bounds what the filter remembers. Beyond it nothing is reported, as
// a server that invents names without end is not news.
const maxDrift = 10_000

// driftFilter reports each difference once.
type driftFilter struct {
	report func(Drift)
	mu     sync.Mutex
	seen   map[Drift]bool
}

func newDriftFilter(report func(Drift)) *driftFilter {
	if report == nil {
		return nil
	}
	return &driftFilter{report: report, seen: map[Drift]bool{}}
}

// reporter returns what the decoder reports to, nil if nobody wants to know.
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
