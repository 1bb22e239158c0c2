// Package wire carries the API's JSON both ways without losing anything.
//
// A model type is a struct with a field that embeds [Members]. Decoding fills
// the typed fields and puts into Members every object member that has no
// field, and every member whose typed value could not give the same JSON back:
// an explicit null, an empty string, a number that float64 would spell
// differently, a value of an unexpected type. Encoding writes the typed fields
// where the caller changed them and the kept text elsewhere.
package wire

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Members holds what one JSON object has beyond its typed fields. The zero
// value holds nothing. Copies share their content, which is never changed in
// place.
//
// All fields are exported, so that a library that copies by reflection and
// passes over what is unexported copies them too. Nothing else may touch them.
type Members struct {
	Held *Held
	// Whole is always nil. An encoder that goes by kinds and asks no value for its
	// form cannot keep a model whole, and fails on a channel.
	Whole chan struct{}
}

// Held is the content of a Members.
type Held struct {
	Unknown []Member // as decoded, in order
	ByName  []int    // the indices of Unknown sorted by name, if there are many
	Kept    []Kept
	Edits   *Edit // what was set and deleted since, by name
	Made    int   // how many edits there were
	Count   int   // of the unknown members, after the edits
}

// Member is one unknown member.
type Member struct {
	Name     string
	Spelling string // with its quotes, if the name is broken text
	Value    []byte
}

// Get returns the raw value of the unknown member called name.
func Get(m *Members, name string) (json.RawMessage, bool) {
	if m.Held == nil {
		return nil, false
	}
	if e := m.Held.Edits.find(name); e != nil {
		return bytes.Clone(e.Member.Value), !e.Gone
	}
	if at := m.Held.decoded(name); at >= 0 {
		return bytes.Clone(m.Held.Unknown[at].Value), true
	}
	return nil, false
}

// Set adds or replaces the unknown member called name. The value must be valid JSON.
func Set(m *Members, name string, value json.RawMessage) {
	m.edit(Edit{Member: Member{Name: name, Value: bytes.Clone(value)}})
}

// Delete removes the unknown member called name, if it is there.
func Delete(m *Members, name string) {
	if m.Held.has(name) {
		m.edit(Edit{Member: Member{Name: name}, Gone: true})
	}
}

// Len returns how many unknown members there are.
func Len(m *Members) int {
	if m.Held == nil {
		return 0
	}
	return m.Held.Count
}

// All yields the unknown members in the order in which they were received, those
// that were set after them in the order of setting.
func All(m *Members) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for _, u := range m.Held.members() {
			if !yield(u.Name, bytes.Clone(u.Value)) {
				return
			}
		}
	}
}

// Same reports whether a and b hold the same: the same unknown members, in any
// order, and the same text of what typed fields cannot hold. Two texts are the
// same if they differ only in white space, in the order of members and in the
// spelling of strings and numbers.
func Same(a, b *Members) bool {
	if a.Held == b.Held {
		return true
	}
	if Len(a) != Len(b) || a.Held.keptCount() != b.Held.keptCount() {
		return false
	}
	for _, u := range a.Held.members() {
		if other, ok := Get(b, u.Name); !ok || !sameText(u.Value, other) {
			return false
		}
	}
	if a.Held != nil {
		for _, k := range a.Held.Kept {
			if other := b.Held.keptFor(k.Field); other == nil || !sameText(k.Raw, other) {
				return false
			}
		}
	}
	return true
}

// sameText reports whether two JSON texts are the same value, digit by digit.
// Text that is not Unicode is only the same as itself.
func sameText(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, okX := tree(a)
	y, okY := tree(b)
	return okX && okY && sameTree(x, y)
}

func tree(text []byte) (any, bool) {
	if !jsontext.Value(text).IsValid() {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err == nil
}

func sameTree(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, sameTree)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameTree)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(string(a), string(b))
	default:
		return a == b
	}
}

func (h *Held) has(name string) bool {
	if h == nil {
		return false
	}
	if e := h.Edits.find(name); e != nil {
		return !e.Gone
	}
	return h.decoded(name) >= 0
}

func (h *Held) keptCount() int {
	if h == nil {
		return 0
	}
	return len(h.Kept)
}

// indexed is the number of members from which on they are found by an index.
const indexed = 32

// sort makes the index of many members.
func (h *Held) sort() {
	h.Count = len(h.Unknown)
	if h.Count < indexed {
		return
	}
	h.ByName = make([]int, h.Count)
	for i := range h.ByName {
		h.ByName[i] = i
	}
	slices.SortFunc(h.ByName, func(a, b int) int { return strings.Compare(h.Unknown[a].Name, h.Unknown[b].Name) })
}

// decoded returns the index of the member called name among those decoded, or -1.
func (h *Held) decoded(name string) int {
	if h.ByName == nil {
		return slices.IndexFunc(h.Unknown, func(u Member) bool { return u.Name == name })
	}
	i, ok := slices.BinarySearchFunc(h.ByName, name, func(at int, name string) int {
		return strings.Compare(h.Unknown[at].Name, name)
	})
	if !ok {
		return -1
	}
	return h.ByName[i]
}

// members returns the unknown members in order. The caller must not change them.
func (h *Held) members() []Member {
	if h == nil || h.Edits == nil {
		if h == nil {
			return nil
		}
		return h.Unknown
	}
	all := make([]Member, 0, h.Count)
	for _, u := range h.Unknown {
		if h.Edits.find(u.Name) == nil {
			all = append(all, u)
		}
	}
	var set []*Edit
	h.Edits.walk(func(e *Edit) {
		if !e.Gone {
			set = append(set, e)
		}
	})
	slices.SortFunc(set, func(a, b *Edit) int { return a.Serial - b.Serial })
	for _, e := range set {
		all = append(all, e.Member)
	}
	return all
}

// Edit is one member that was set or deleted after decoding: a node of a tree
// ordered by name whose nodes are never changed, so that a copy taken before an
// edit shares all but the way to it. The priorities are random and fall from the
// root on, which keeps the tree about as low as it can be.
type Edit struct {
	Member      Member
	Gone        bool
	Serial      int
	Priority    uint64
	Left, Right *Edit
}

// edit gives m new content with one more edit.
func (m *Members) edit(e Edit) {
	next := Held{}
	if m.Held != nil {
		next = *m.Held
	}
	had := m.Held.has(e.Member.Name)
	switch {
	case had && e.Gone:
		next.Count--
	case !had && !e.Gone:
		next.Count++
	}
	next.Made++
	e.Serial, e.Priority = next.Made, rand.Uint64()
	next.Edits = next.Edits.with(e)
	if next.Made > 2*next.Count+2*indexed { // mostly edits of edits
		next.Unknown, next.Edits, next.Made, next.ByName = next.members(), nil, 0, nil
		next.sort()
	}
	m.Held = &next
}

func (e *Edit) find(name string) *Edit {
	for e != nil {
		switch order := strings.Compare(name, e.Member.Name); {
		case order < 0:
			e = e.Left
		case order > 0:
			e = e.Right
		default:
			return e
		}
	}
	return nil
}

func (e *Edit) walk(visit func(*Edit)) {
	if e != nil {
		e.Left.walk(visit)
		visit(e)
		e.Right.walk(visit)
	}
}

// with returns the tree with one more node, or with another one of its name.
func (e *Edit) with(added Edit) *Edit {
	if e == nil {
		return &added
	}
	next := *e
	switch order := strings.Compare(added.Member.Name, e.Member.Name); {
	case order == 0:
		next.Member, next.Gone, next.Serial = added.Member, added.Gone, added.Serial
	case order < 0:
		next.Left = e.Left.with(added)
		if left := next.Left; left.Priority > next.Priority {
			root := *left
			next.Left, root.Right = root.Right, &next
			return &root
		}
	default:
		next.Right = e.Right.with(added)
		if right := next.Right; right.Priority > next.Priority {
			root := *right
			next.Right, root.Left = root.Left, &next
			return &root
		}
	}
	return &next
}

// wholeValue stands for the field index of a struct that was decoded from
// something other than an object.
const wholeValue = -1

// Kept is the text of a member whose typed value does not spell it.
type Kept struct {
	Field int // index in codec.fields, or wholeValue
	Raw   []byte
}

// hold returns the content for the decoder to fill.
func (m *Members) hold() *Held {
	if m.Held == nil {
		m.Held = &Held{}
	}
	return m.Held
}

func (h *Held) keptFor(field int) []byte {
	if h == nil {
		return nil
	}
	for i := range h.Kept {
		if h.Kept[i].Field == field {
			return h.Kept[i].Raw
		}
	}
	return nil
}
