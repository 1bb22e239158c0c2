package wire

import (
	"hash/maphash"
	"slices"
)

// covers is Covers of one value.
func covers(base, sent, latest *node) bool {
	if identical(base, sent) || stored(sent, latest) {
		return true
	}
	switch {
	case sent.isObject() && latest.isObject():
		if base.kind != object {
			base = none()
		}
		for _, name := range memberNames(base, sent) {
			if !covers(base.member(name), sent.member(name), latest.member(name)) {
				return false
			}
		}
		return true
	case isList(sent) && isList(latest) && (sent.kind == array || base.kind == array):
		if base.kind != array {
			base = none()
		}
		return coversList(base.elems, sent.elems, latest.elems)
	default:
		return false
	}
}

func isList(n *node) bool { return n.kind == array || n.kind == empty }

func coversList(base, sent, latest []*node) bool {
	if key := identity(base, sent, latest); key != "" {
		return coversIdentified(key, base, sent, latest)
	}
	var t tallies
	b, ok := t.classes(base, true)
	if !ok {
		return false
	}
	s, ok := t.classes(sent, true)
	if !ok {
		return false
	}
	l, ok := t.classes(latest, false)
	if !ok {
		return false
	}
	countB, countS, countL := count(b), count(s), count(l)
	for class := range len(t.elements) {
		was, want, got := countB[class], countS[class], countL[class]
		if want > was && got < want || want < was && got > want {
			return false
		}
	}
	return coversOrder(b, s, l)
}

func coversIdentified(key string, base, sent, latest []*node) bool {
	b, s, l := byIdentity(key, base), byIdentity(key, sent), byIdentity(key, latest)
	at := func(m map[string]*node, id string) *node {
		if n := m[id]; n != nil {
			return n
		}
		return none()
	}
	for id := range b {
		if s[id] == nil && l[id] != nil {
			return false
		}
	}
	for id, e := range s {
		if !covers(at(b, id), e, at(l, id)) {
			return false
		}
	}
	ids := func(list []*node) []string {
		names := make([]string, len(list))
		for i, e := range list {
			names[i] = e.member(key).text
		}
		return names
	}
	return coversOrder(ids(base), ids(sent), ids(latest))
}

func byIdentity(key string, list []*node) map[string]*node {
	m := make(map[string]*node, len(list))
	for _, e := range list {
		m[e.member(key).text] = e
	}
	return m
}

// tallies numbers the distinct elements of several lists.
type tallies struct {
	elements []*node
	byHash   map[uint64][]int
}

// maxAlike bounds how many distinct elements with one hash are compared.
const maxAlike = 1000

// classes returns the number of each element of list: -1 for one that is not
// known yet, unless learn is set. An element not known as such is taken for
// what the server made of a known one. It gives up on more than maxAlike
// distinct elements of one hash.
func (t *tallies) classes(list []*node, learn bool) ([]int, bool) {
	if t.byHash == nil {
		t.byHash = make(map[uint64][]int)
	}
	numbers := make([]int, len(list))
	for i, e := range list {
		known := t.byHash[e.hash]
		at := slices.IndexFunc(known, func(c int) bool { return identical(t.elements[c], e) })
		if at < 0 && !learn {
			at = slices.IndexFunc(known, func(c int) bool { return stored(t.elements[c], e) })
		}
		switch {
		case at >= 0:
			numbers[i] = known[at]
		case !learn:
			numbers[i] = -1
		case len(known) == maxAlike:
			return nil, false
		default:
			numbers[i] = len(t.elements)
			t.byHash[e.hash] = append(known, len(t.elements))
			t.elements = append(t.elements, e)
		}
	}
	return numbers, true
}

func count[E comparable](list []E) map[E]int {
	m := make(map[E]int, len(list))
	for _, e := range list {
		m[e]++
	}
	return m
}

// coversOrder reports whether sent left the elements it shares with base in
// their order; if it did not, whether latest has all of sent in sent's order.
func coversOrder[E comparable](base, sent, latest []E) bool {
	was, shared := count(base), 0
	for e, n := range count(sent) {
		shared += min(n, was[e])
	}
	seed := maphash.MakeSeed()
	of := func(e E) marks {
		h := maphash.Comparable(seed, e)
		return marks{h, h}
	}
	if len(align(marksOfAll(base, of), marksOfAll(sent, of), func(i, j int) bool {
		return base[i] == sent[j]
	})) == shared {
		return true
	}
	i := 0
	for _, e := range latest {
		if i < len(sent) && sent[i] == e {
			i++
		}
	}
	return i == len(sent)
}
