package wire

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

const (
	maxLevels    = 10_000 // of nesting, as in encoding/json
	lookedLevels = 24     // in which names are compared
	lookedNames  = 96     // of all objects that are open
)

// grammar walks over a text that may be JSON. A place of -1 is a violation.
type grammar struct {
	text    []byte
	level   int
	objects uint64   // a bit for each of the 64 innermost levels: whether it is an object
	outside []uint64 // what objects was at the levels 64, 128 and so on
	escapes int      // met so far
	names   *names   // nil: they are not looked at
	wanted  string   // a name
	has     bool     // the outermost object has it, or has a name with an escape
}

// names are those of the objects that are open.
type names struct {
	twice  bool // a name appears twice in an object
	unsure bool // perhaps one does
	scopes [lookedLevels]scope
	open   [lookedNames]span
	known  int // how many of open
}

// scope is an object whose end was not met yet.
type scope struct {
	from int    // where its names begin
	seen uint64 // a bit for each of them, which others may share
}

// span is a part of the text.
type span struct{ from, to int }

// whole walks over the text.
func (g *grammar) whole() bool { return g.value(g.space(0)) == len(g.text) }

// value walks over the value at the given place and the space behind it.
func (g *grammar) value(at int) int {
	text, outer := g.text, g.level
	closing := byte(0) // of what is open
	for {
		if at < 0 || at == len(text) {
			return -1
		}
		switch c := text[at]; c {
		case '"':
			at = g.stringEnd(at)
		case '{', '[':
			if g.level == maxLevels {
				return -1
			}
			g.begin(c == '{')
			closing = c + 2 // in ASCII
			if at = g.space(at + 1); at == len(text) || text[at] == closing {
				break
			}
			if c == '{' {
				at = g.name(at)
			}
			continue
		case 't':
			at = g.word(at, "true")
		case 'f':
			at = g.word(at, "false")
		case 'n':
			at = g.word(at, "null")
		default:
			at = g.numberEnd(at)
		}
		for {
			if at < 0 {
				return -1
			}
			if at = g.space(at); g.level == outer {
				return at
			}
			if at == len(text) {
				return -1
			}
			if text[at] == ',' {
				break
			}
			if text[at] != closing {
				return -1
			}
			at, closing = at+1, g.end()
		}
		if at = g.space(at + 1); closing == '}' {
			at = g.name(at)
		}
	}
}

// begin opens an array or object.
func (g *grammar) begin(object bool) {
	if g.level > 0 && g.level%64 == 0 {
		n := len(g.outside)
		if n == cap(g.outside) { // append would take g.names to the heap
			outer := make([]uint64, n, 2*n+1)
			copy(outer, g.outside)
			g.outside = outer
		}
		g.outside = g.outside[:n+1]
		g.outside[n] = g.objects
	}
	g.objects <<= 1
	if object {
		g.objects |= 1
	}
	if g.names != nil {
		g.names.begin(g.level)
	}
	g.level++
}

// end closes the array or object that was opened last, and returns what closes the one
// around it.
func (g *grammar) end() (closing byte) {
	g.level--
	g.objects >>= 1
	if g.level > 0 && g.level%64 == 0 {
		last := len(g.outside) - 1
		g.objects, g.outside = g.outside[last], g.outside[:last]
	}
	if g.names != nil {
		g.names.end(g.level)
	}
	if g.objects&1 != 0 {
		return '}'
	}
	return ']'
}

// name passes over a name, its colon and the space behind it.
func (g *grammar) name(at int) int {
	start, escapes := at, g.escapes
	if at = g.stringEnd(at); at < 0 {
		return -1
	}
	if g.level == 1 || g.names != nil {
		g.note(span{start, at}, g.escapes == escapes)
	}
	if at = g.space(at); at == len(g.text) || g.text[at] != ':' {
		return -1
	}
	return g.space(at + 1)
}

// note looks at a name in quotes.
func (g *grammar) note(at span, plain bool) {
	if g.level == 1 && (!plain || string(g.text[at.from+1:at.to-1]) == g.wanted) {
		g.has = true
	}
	if g.names != nil {
		g.names.note(g.text, at, g.level, plain)
	}
}

func (n *names) begin(level int) {
	if level < lookedLevels {
		n.scopes[level] = scope{from: n.known}
	}
}

func (n *names) end(level int) {
	if level < lookedLevels {
		n.known = n.scopes[level].from
	}
}

// note adds a name in quotes to those of the object that is open, and looks whether it
// was there.
func (n *names) note(text []byte, at span, level int, plain bool) {
	if n.unsure = n.unsure || !plain || level > lookedLevels || n.known == lookedNames; n.unsure {
		return
	}
	name := text[at.from:at.to]
	object := &n.scopes[level-1]
	bit := uint64(1) << ((uint(len(name)) + 7*uint(name[1]) + 31*uint(name[len(name)-2])) % 64)
	if object.seen&bit != 0 {
		for _, other := range n.open[object.from:n.known] {
			n.twice = n.twice || string(text[other.from:other.to]) == string(name)
		}
	}
	object.seen |= bit
	n.open[n.known] = at
	n.known++
}

// space passes over the space at the given place. Mostly there is none.
func (g *grammar) space(at int) int {
	if at < len(g.text) && g.text[at] > ' ' {
		return at
	}
	return g.spaceEnd(at)
}

func (g *grammar) spaceEnd(at int) int {
	for at < len(g.text) && strings.IndexByte(" \n\r\t", g.text[at]) >= 0 {
		at++
	}
	return at
}

// stringEnd returns where the string at the given place ends, -1 if it is none.
func (g *grammar) stringEnd(at int) int {
	text := g.text
	if at == len(text) || text[at] != '"' {
		return -1
	}
	at++
	for len(text)-at >= 8 {
		found := special(binary.LittleEndian.Uint64(text[at : at+8]))
		if found == 0 {
			at += 8
			continue
		}
		if at += bits.TrailingZeros64(found) >> 3; text[at] == '"' {
			return at + 1
		}
		break
	}
	return g.restEnd(at)
}

// restEnd is stringEnd from a place inside the string: of one that has escapes, or is
// at the end of the text.
func (g *grammar) restEnd(at int) int {
	text := g.text
	for ; at < len(text); at++ {
		for len(text)-at >= 16 {
			sixteen := text[at : at+16]
			first := special(binary.LittleEndian.Uint64(sixteen))
			second := special(binary.LittleEndian.Uint64(sixteen[8:]))
			n := bits.TrailingZeros64(first)
			if first == 0 {
				n = 64 + bits.TrailingZeros64(second)
			}
			at += n / 8
			if first|second != 0 {
				break
			}
		}
		if at == len(text) {
			return -1
		}
		switch c := text[at]; {
		case c == '"':
			return at + 1
		case c < ' ':
			return -1
		case c == '\\':
			if at = g.escapeEnd(at + 1); at < 0 {
				return -1
			}
		}
	}
	return -1
}

// special finds the first of eight bytes that does not simply stand for itself in a
// string: its highest bit is the lowest that is set. A quote and what is below a space
// are what is below 33 with its second bit turned.
func special(eight uint64) uint64 {
	const each = 0x0101010101010101
	control, backslash := (eight^each*2)-each*33, (eight^each*'\\')-each
	return (control | backslash) &^ eight & (each << 7)
}

// escapeEnd returns the last byte of what follows a backslash, -1 if that is none.
func (g *grammar) escapeEnd(at int) int {
	g.escapes++
	if at == len(g.text) {
		return -1
	}
	switch g.text[at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at
	case 'u':
	default:
		return -1
	}
	if len(g.text)-at < 5 {
		return -1
	}
	for _, c := range g.text[at+1 : at+5] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return -1
		}
	}
	return at + 4
}

func (g *grammar) word(at int, word string) int {
	if len(g.text)-at < len(word) || string(g.text[at:at+len(word)]) != word {
		return -1
	}
	return at + len(word)
}

// numberEnd returns where the number at the given place ends, -1 if it is none.
func (g *grammar) numberEnd(at int) int {
	if g.text[at] == '-' {
		at++
	}
	switch {
	case at < len(g.text) && g.text[at] == '0':
		at++
	default:
		at = g.digits(at)
	}
	if at >= 0 && at < len(g.text) && g.text[at] == '.' {
		at = g.digits(at + 1)
	}
	if at >= 0 && at < len(g.text) && g.text[at]|0x20 == 'e' {
		at++
		if at < len(g.text) && (g.text[at] == '+' || g.text[at] == '-') {
			at++
		}
		at = g.digits(at)
	}
	return at
}

// digits returns the end of one or more digits, -1 if there is none.
func (g *grammar) digits(at int) int {
	start := at
	for at < len(g.text) && '0' <= g.text[at] && g.text[at] <= '9' {
		at++
	}
	if at == start {
		return -1
	}
	return at
}
