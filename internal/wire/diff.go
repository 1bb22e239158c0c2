package wire

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
)

// differ collects the changes from one value to another.
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
	marksOf := func(n *node) marks { return n.marks }
	equal := func(i, j int) bool { return same(from[i], to[j]) }
	if key != "" {
		seed := maphash.MakeSeed()
		marksOf = func(n *node) marks {
			h := maphash.String(seed, n.member(key).text)
			return marks{h, h}
		}
		equal = func(i, j int) bool { return from[i].member(key).text == to[j].member(key).text }
	}
	i, j := 0, 0
	for _, p := range align(marksOfAll(from, marksOf), marksOfAll(to, marksOf), equal) {
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

// identity returns the member that identifies the elements of lists, or "".
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

// marks are two hashes of an element. Elements that are equal have one of them in
// common.
type marks [2]uint64

func marksOfAll[E any](list []E, of func(E) marks) []marks {
	all := make([]marks, len(list))
	for i, e := range list {
		all[i] = of(e)
	}
	return all
}

// places are the places of elements by their marks, rising.
type places map[uint64][]int

func (p places) add(m marks, at int) {
	p[m[0]] = append(p[m[0]], at)
	if m[1] != m[0] {
		p[m[1]] = append(p[m[1]], at)
	}
}

func (p places) has(m marks) bool { return len(p[m[0]]) > 0 || len(p[m[1]]) > 0 }

// align returns the index pairs of a common subsequence of two lists of elements
// with these marks: the longest one unless the lists are huge. Elements without a
// mark in common with any of the other list are passed over, so that lists that
// differ everywhere take no longer than lists that are the same.
func align(from, to []marks, equal func(i, j int) bool) [][2]int {
	n, m := len(from), len(to)
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
	onlyIn := func(list []marks, end int, other places) (kept []int, at places) {
		at = places{}
		for i := start; i < end; i++ {
			if other == nil || other.has(list[i]) {
				kept = append(kept, i)
				at.add(list[i], i)
			}
		}
		return kept, at
	}
	_, there := onlyIn(to, m-tail, nil)
	left, here := onlyIn(from, n-tail, there)
	right, there := onlyIn(to, m-tail, here)
	if len(left) == 0 || len(right) <= maxTable/len(left) {
		for _, p := range best(len(left), len(right), func(i, j int) float32 {
			if a, b := from[left[i]], to[right[j]]; (a[0] == b[0] || a[1] == b[1]) && equal(left[i], right[j]) {
				return 1
			}
			return 0
		}) {
			pairs = append(pairs, [2]int{left[p[0]], right[p[1]]})
		}
	} else {
		next := start
		for _, i := range left {
			if j := there.first(from[i], next, min(m-tail, next+window), func(j int) bool {
				return equal(i, j)
			}); j >= 0 {
				pairs = append(pairs, [2]int{i, j})
				next = j + 1
			}
		}
	}
	for i := range tail {
		pairs = append(pairs, [2]int{n - tail + i, m - tail + i})
	}
	return pairs
}

// first returns the first place in [from,end) of one of the marks that fits, or -1.
func (p places) first(m marks, from, end int, fits func(int) bool) int {
	found := -1
	for _, mark := range m {
		list := p[mark]
		at, _ := slices.BinarySearch(list, from)
		for ; at < len(list) && list[at] < end && (found < 0 || list[at] < found); at++ {
			if fits(list[at]) {
				found = list[at]
				break
			}
		}
	}
	return found
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
