package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Comparison by meaning.
//
// Two documents mean the same when they differ only in what the server adds or
// rewrites by itself and in what JSON allows to be spelled in several ways:
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

// node is one JSON value brought to its meaning.
type node struct {
	kind    nodeKind
	text    string // of a string, a number (canonical) or a literal
	members []namedNode
	elems   []*node
	raw     []byte
	// hash is the same for all values that are the same; so different hashes
	// spare a comparison.
	hash uint64
	// freeform is the original_freeform_address of an object.
	freeform string
	// resplit says that the elements are not the ones that stand in raw.
	resplit bool
}

type namedNode struct {
	name  string
	value *node
}

type nodeKind uint8

const (
	empty nodeKind = iota // null, "", [], {}: as good as absent
	literal
	text
	number
	object
	array
)

const (
	freeformKey   = "original_freeform_address"
	structuredKey = "original_structured_address"
	givenNamesKey = "given_names"
)

// none stands for a value that is not there.
func none() *node { return &node{} }

func (n *node) member(name string) *node {
	i, ok := slices.BinarySearchFunc(n.members, name, func(m namedNode, name string) int {
		return strings.Compare(m.name, name)
	})
	if !ok {
		return none()
	}
	return n.members[i].value
}

// isObject also holds for {} and an object of nothing but empty values.
func (n *node) isObject() bool { return bytes.HasPrefix(n.raw, []byte("{")) }

// isArray also holds for [].
func (n *node) isArray() bool { return bytes.HasPrefix(n.raw, []byte("[")) }

// addressType returns FREEFORM or STRUCTURED for an address, "" for anything else.
func (n *node) addressType() string {
	if n.kind != object {
		return ""
	}
	t := n.member("type")
	if t.kind == text && (t.text == "FREEFORM" || t.text == "STRUCTURED") {
		return t.text
	}
	return ""
}

type parser struct {
	seed maphash.Seed
	data []byte
	dec  *jsontext.Decoder
}

var errTrailing = errors.New("wire: text after the JSON value")

func (p *parser) parse(data []byte) (*node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return none(), nil
	}
	p.data = data
	p.dec = jsontext.NewDecoder(bytes.NewBuffer(data))
	n, err := p.value("")
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	return n, nil
}

// value reads the next value, the one of the member called name.
func (p *parser) value(name string) (*node, error) {
	before := p.dec.InputOffset()
	tok, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &node{}
	switch tok.Kind() {
	case 'n':
	case '"':
		n.setText(p.seed, tok.String())
	case '0':
		n.kind, n.text = number, exactNumber(tok.String())
		n.hash = maphash.String(p.seed, "0"+n.text)
	case '{':
		err = p.object(n)
	case '[':
		err = p.array(n, name)
	default:
		n.kind, n.text = literal, tok.String()
		n.hash = maphash.String(p.seed, "l"+n.text)
	}
	if err != nil {
		return nil, err
	}
	n.raw = bytes.TrimLeft(p.data[before:p.dec.InputOffset()], " \t\r\n,:")
	return n, nil
}

func (n *node) setText(seed maphash.Seed, s string) {
	if s == "" {
		return
	}
	n.kind, n.text = text, s
	n.hash = maphash.String(seed, "s"+s)
}

func (p *parser) object(n *node) error {
	for p.dec.PeekKind() != '}' {
		tok, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		v, err := p.value(name)
		if err != nil {
			return err
		}
		switch {
		case name == freeformKey:
			n.freeform = v.text
		case name == structuredKey, v.kind == empty:
		default:
			n.members = append(n.members, namedNode{name, v})
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	if len(n.members) == 0 {
		return nil
	}
	n.kind = object
	slices.SortFunc(n.members, func(a, b namedNode) int { return strings.Compare(a.name, b.name) })
	if n.addressType() != "" {
		n.hash = maphash.String(p.seed, "a"+n.member("country").text)
		return nil
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
	h.WriteByte('{')
	for _, m := range n.members {
		h.WriteString(m.name)
		h.WriteByte(0)
		maphash.WriteComparable(&h, m.value.hash)
	}
	n.hash = h.Sum64()
	return nil
}

func (p *parser) array(n *node, name string) error {
	for p.dec.PeekKind() != ']' {
		v, err := p.value("")
		if err != nil {
			return err
		}
		n.elems = append(n.elems, v)
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	if name == givenNamesKey {
		p.splitNames(n)
	}
	if len(n.elems) == 0 {
		return nil
	}
	n.kind = array
	var h maphash.Hash
	h.SetSeed(p.seed)
	h.WriteByte('[')
	for _, e := range n.elems {
		maphash.WriteComparable(&h, e.hash)
	}
	n.hash = h.Sum64()
	return nil
}

// splitNames does to given names what the server does: it splits them at white
// space and drops what is empty.
func (p *parser) splitNames(n *node) {
	var names []*node
	resplit := false
	for _, e := range n.elems {
		if e.kind != text && e.kind != empty {
			return
		}
		fields := strings.Fields(e.text)
		if len(fields) == 1 && fields[0] == e.text {
			names = append(names, e)
			continue
		}
		resplit = true
		for _, f := range fields {
			name := &node{}
			name.setText(p.seed, f)
			names = append(names, name)
		}
	}
	n.elems, n.resplit = names, resplit
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

type differ struct{ changes []Change }

func (d *differ) add(path []string, from, to *node) {
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(pointerEscape.Replace(p))
	}
	c := Change{Pointer: b.String()}
	if from.kind != empty {
		c.Old = bytes.Clone(from.raw)
	}
	if to.kind != empty {
		c.New = bytes.Clone(to.raw)
	}
	d.changes = append(d.changes, c)
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func (d *differ) diff(path []string, from, to *node) {
	if same(from, to) {
		return
	}
	switch {
	case from.isObject() && to.isObject() && from.addressType() == to.addressType():
		for _, name := range memberNames(from, to) {
			d.diff(append(path, name), from.member(name), to.member(name))
		}
	case from.isArray() && to.isArray() && !from.resplit && !to.resplit:
		d.arrays(path, from.elems, to.elems)
	default:
		d.add(path, from, to)
	}
}

func memberNames(nodes ...*node) []string {
	var names []string
	for _, n := range nodes {
		for _, m := range n.members {
			names = append(names, m.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (d *differ) arrays(path []string, from, to []*node) {
	key := identity(from, to)
	equal := func(i, j int) bool { return same(from[i], to[j]) }
	if key != "" {
		equal = func(i, j int) bool { return from[i].member(key).text == to[j].member(key).text }
	}
	i, j := 0, 0
	for _, p := range align(len(from), len(to), equal) {
		d.gap(path, key, from, to, i, p[0], j, p[1])
		d.diff(append(path, strconv.Itoa(p[1])), from[p[0]], to[p[1]])
		i, j = p[0]+1, p[1]+1
	}
	d.gap(path, key, from, to, i, len(from), j, len(to))
}

// gap handles from[i:iEnd] and to[j:jEnd], which share no equal element.
func (d *differ) gap(path []string, key string, from, to []*node, i, iEnd, j, jEnd int) {
	var pairs [][2]int
	if key == "" {
		pairs = alike(from[i:iEnd], to[j:jEnd])
	}
	firstI, firstJ := i, j
	until := func(nextI, nextJ int) {
		for ; i < nextI; i++ {
			d.add(append(path, strconv.Itoa(i)), from[i], none())
		}
		for ; j < nextJ; j++ {
			d.add(append(path, strconv.Itoa(j)), none(), to[j])
		}
	}
	for _, p := range pairs {
		until(firstI+p[0], firstJ+p[1])
		d.diff(append(path, strconv.Itoa(j)), from[i], to[j])
		i, j = i+1, j+1
	}
	until(iEnd, jEnd)
}

// identity returns the member that tells the elements of all lists apart, or "".
func identity(lists ...[]*node) string {
	for _, key := range []string{"id", "associate_id", "resolver_id"} {
		if identifies(key, lists...) {
			return key
		}
	}
	return ""
}

func identifies(key string, lists ...[]*node) bool {
	for _, list := range lists {
		seen := make(map[string]bool, len(list))
		for _, e := range list {
			id := e.member(key)
			if id.kind != text || seen[id.text] {
				return false
			}
			seen[id.text] = true
		}
	}
	return true
}

const (
	// maxTable bounds the table of an alignment; longer lists are aligned
	// greedily, looking window elements ahead.
	maxTable = 1 << 20
	window   = 1024
)

// align returns the index pairs of a common subsequence of two lists of n and m
// elements: the longest one unless the lists are huge.
func align(n, m int, equal func(i, j int) bool) [][2]int {
	var pairs [][2]int
	start := 0
	for start < n && start < m && equal(start, start) {
		pairs = append(pairs, [2]int{start, start})
		start++
	}
	tail := 0
	for tail < min(n, m)-start && equal(n-1-tail, m-1-tail) {
		tail++
	}
	midN, midM := n-start-tail, m-start-tail
	if midN == 0 || midM <= maxTable/midN {
		for _, p := range best(midN, midM, func(i, j int) float32 {
			if equal(start+i, start+j) {
				return 1
			}
			return 0
		}) {
			pairs = append(pairs, [2]int{start + p[0], start + p[1]})
		}
	} else {
		from := start
		for i := start; i < n-tail; i++ {
			for j := from; j < min(m-tail, from+window); j++ {
				if equal(i, j) {
					pairs = append(pairs, [2]int{i, j})
					from = j + 1
					break
				}
			}
		}
	}
	for i := range tail {
		pairs = append(pairs, [2]int{n - tail + i, m - tail + i})
	}
	return pairs
}

// alike pairs the elements of two lists that share no equal element: one by one
// when they are equally long, otherwise those that have half of their content in common.
func alike(a, b []*node) [][2]int {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	if len(a) == len(b) {
		pairs := make([][2]int, 0, len(a))
		for i := range a {
			if !otherIdentity(a[i], b[i]) {
				pairs = append(pairs, [2]int{i, i})
			}
		}
		return pairs
	}
	if len(b) > 1024/len(a) {
		return nil
	}
	return best(len(a), len(b), func(i, j int) float32 {
		if s := likeness(a[i], b[j]); s >= 0.5 && !otherIdentity(a[i], b[j]) {
			return s
		}
		return 0
	})
}

func otherIdentity(a, b *node) bool {
	for _, key := range []string{"id", "associate_id", "resolver_id"} {
		if x, y := a.member(key), b.member(key); x.kind != empty && y.kind != empty && !same(x, y) {
			return true
		}
	}
	return false
}

func likeness(a, b *node) float32 {
	if same(a, b) {
		return 1
	}
	if a.kind != object || b.kind != object {
		return 0
	}
	names := memberNames(a, b)
	var sum float32
	for _, name := range names {
		sum += likeness(a.member(name), b.member(name))
	}
	return sum / float32(len(names))
}

// best returns the pairs, rising in both indices, with the highest sum of
// scores; a score of 0 makes no pair.
func best(n, m int, score func(i, j int) float32) [][2]int {
	if n == 0 || m == 0 {
		return nil
	}
	scores := make([]float32, n*m)
	sums := make([]float32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			s := score(i, j)
			scores[i*m+j] = s
			top := max(sums[(i+1)*(m+1)+j], sums[i*(m+1)+j+1])
			if s > 0 {
				top = max(top, s+sums[(i+1)*(m+1)+j+1])
			}
			sums[i*(m+1)+j] = top
		}
	}
	var pairs [][2]int
	for i, j := 0, 0; i < n && j < m; {
		here, s := sums[i*(m+1)+j], scores[i*m+j]
		switch {
		case s > 0 && here == s+sums[(i+1)*(m+1)+j+1]:
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case here == sums[(i+1)*(m+1)+j]:
			i++
		default:
			j++
		}
	}
	return pairs
}

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
	if len(align(len(base), len(sent), func(i, j int) bool { return base[i] == sent[j] })) == shared {
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
