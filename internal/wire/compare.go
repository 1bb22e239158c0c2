package wire

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"slices"
	"strings"
)

// Comparison by meaning.
//
// Two documents mean the same when they differ only in what the server adds or
// rewrites and in what JSON allows to be spelled in several ways:
//
//   - the members original_structured_address and original_freeform_address,
//     wherever they stand;
//   - an address sent as FREEFORM and stored as STRUCTURED with the text in
//     original_freeform_address;
//   - given_names split at white space;
//   - null, "", [], {} and an object of nothing but these: all the same as absent;
//   - the order of members, the spelling of a string and of a number (compared
//     by its exact decimal value).
//
// The order of array elements has a meaning. A text that is not one valid JSON
// value (duplicate names included) means only itself; an empty text means null.

// Change is one difference between two documents.
type Change struct {
	// Pointer is the RFC 6901 pointer of the value. An array index counts in the
	// new document; only the last index of a removed element counts in the old one.
	Pointer string
	// Old is the value before; nil when there was none, or an empty one.
	Old json.RawMessage
	// New is the value after; nil when there is none, or an empty one.
	New json.RawMessage
}

// Equal reports whether a and b mean the same.
func Equal(a, b []byte) bool {
	x, y, ok := parseBoth(a, b)
	if !ok {
		return bytes.Equal(bytes.TrimSpace(a), bytes.TrimSpace(b))
	}
	return same(x, y)
}

// Diff lists what differs in meaning between from and to, in the order of
// member names and array indices. It is empty exactly when Equal holds.
//
// Elements of an array are matched by "id", "associate_id" or "resolver_id"
// when all have one, otherwise by the longest common run of equal elements;
// what stands between two matches is paired by likeness. An element that moved
// is removed in one place and added in another.
func Diff(from, to []byte) []Change {
	x, y, ok := parseBoth(from, to)
	if !ok {
		if bytes.Equal(bytes.TrimSpace(from), bytes.TrimSpace(to)) {
			return nil
		}
		return []Change{{Old: bytes.Clone(from), New: bytes.Clone(to)}}
	}
	var d differ
	d.diff(nil, x, y)
	return d.changes
}

// Covers reports whether latest already holds everything that sent changed
// relative to base, whatever else latest holds. It answers the question that a
// write with a lost answer leaves open, so it says false when in doubt.
//
// Members are followed by name, array elements by their id when all have one.
// Other elements are counted: what became more in sent must be there at least
// as often in latest, what became less at most as often. A changed order of the
// elements both know must be found in latest too.
func Covers(base, sent, latest []byte) bool {
	p := parser{seed: maphash.MakeSeed()}
	b, err := p.parse(base)
	if err != nil {
		return false
	}
	s, err := p.parse(sent)
	if err != nil {
		return false
	}
	l, err := p.parse(latest)
	if err != nil {
		return false
	}
	return covers(b, s, l)
}

func parseBoth(a, b []byte) (x, y *node, ok bool) {
	p := parser{seed: maphash.MakeSeed()}
	x, errX := p.parse(a)
	y, errY := p.parse(b)
	return x, y, errX == nil && errY == nil
}

// same reports whether a and b mean the same.
func same(a, b *node) bool {
	return match(a, b, func(a, b *node) bool { return rewritten(a, b) || rewritten(b, a) })
}

// identical is same without the rewriting of addresses.
func identical(a, b *node) bool {
	return match(a, b, func(_, _ *node) bool { return false })
}

// stored reports whether got is what the server makes of sent.
func stored(sent, got *node) bool { return match(sent, got, rewritten) }

// rewritten reports whether got is the STRUCTURED address that the server made
// of the FREEFORM address sent.
func rewritten(sent, got *node) bool {
	if sent.addressType() != "FREEFORM" || got.addressType() != "STRUCTURED" {
		return false
	}
	for _, m := range sent.members {
		if m.name != "type" && m.name != "text" && m.name != "country" {
			return false
		}
	}
	sentText := strings.TrimSpace(sent.member("text").text)
	return sentText != "" && sentText == strings.TrimSpace(got.freeform) &&
		identical(sent.member("country"), got.member("country"))
}

func match(a, b *node, addresses func(a, b *node) bool) bool {
	if a.kind != b.kind || a.hash != b.hash {
		return false
	}
	switch a.kind {
	case object:
		if a.addressType() != b.addressType() {
			return addresses(a, b)
		}
		return slices.EqualFunc(a.members, b.members, func(x, y namedNode) bool {
			return x.name == y.name && match(x.value, y.value, addresses)
		})
	case array:
		return slices.EqualFunc(a.elems, b.elems, func(x, y *node) bool { return match(x, y, addresses) })
	default:
		return a.text == b.text
	}
}
