package wire

import (
	"bytes"
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
