// Package wire carries the API's JSON both ways without losing anything.
//
// A model type is a struct with a field that embeds [Members]. Decoding fills
// the typed fields and puts into Members every object member that has no
// field, and every member whose typed value could not give the same JSON back:
// an explicit null, an empty string, a number that float64 would spell
// differently, a value of an unexpected type. Encoding writes the typed fields
// where the caller changed them and the kept text where nobody did.
package wire

import (
	"bytes"
	"encoding/json"
	"iter"
)

// Members holds what one JSON object has beyond its typed fields. The zero
// value holds nothing. Copies share their content, which is never changed in
// place.
type Members struct{ held *held }

type held struct {
	unknown []member
	kept    []kept
}

type member struct {
	name     string
	spelling string // with its quotes, if the name is broken text
	value    json.RawMessage
}

// Get returns the raw value of the unknown member called name.
func Get(m *Members, name string) (json.RawMessage, bool) {
	if m.held == nil {
		return nil, false
	}
	for _, u := range m.held.unknown {
		if u.name == name {
			return bytes.Clone(u.value), true
		}
	}
	return nil, false
}

// Set adds or replaces the unknown member called name. The value must be valid JSON.
func Set(m *Members, name string, value json.RawMessage) {
	next := &held{}
	if m.held != nil {
		next.kept = m.held.kept
		for _, u := range m.held.unknown {
			if u.name != name {
				next.unknown = append(next.unknown, u)
			}
		}
	}
	next.unknown = append(next.unknown, member{name: name, value: bytes.Clone(value)})
	m.held = next
}

// Delete removes the unknown member called name, if it is there.
func Delete(m *Members, name string) {
	if _, ok := Get(m, name); !ok {
		return
	}
	next := &held{kept: m.held.kept}
	for _, u := range m.held.unknown {
		if u.name != name {
			next.unknown = append(next.unknown, u)
		}
	}
	m.held = next
}

// Len returns how many unknown members there are.
func Len(m *Members) int {
	if m.held == nil {
		return 0
	}
	return len(m.held.unknown)
}

// All yields the unknown members in the order in which they were received.
func All(m *Members) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		if m.held == nil {
			return
		}
		for _, u := range m.held.unknown {
			if !yield(u.name, bytes.Clone(u.value)) {
				return
			}
		}
	}
}

// wholeValue stands for the field index of a struct that was decoded from
// something other than an object.
const wholeValue = -1

// kept is the text of a member whose typed value does not spell it.
type kept struct {
	field int // index in codec.fields, or wholeValue
	raw   []byte
}

// hold returns the content for the decoder to fill.
func (m *Members) hold() *held {
	if m.held == nil {
		m.held = &held{}
	}
	return m.held
}

func (h *held) keptFor(field int) []byte {
	for i := range h.kept {
		if h.kept[i].field == field {
			return h.kept[i].raw
		}
	}
	return nil
}
