package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const (
	maxLevels    = 10_000 // of nesting, as in encoding/json
	lookedLevels = 24     // in which names are compared
	lookedNames  = 96     // of all objects that are open
)

// Valid reports whether text is one JSON value, as json.Valid does, in a fraction of
// the time. Strings need not be valid UTF-8.
func Valid(text []byte) bool {
	g := grammar{text: text}
	return g.whole()
}

// wellFormed is Valid and, if names are looked at, without a name that appears twice in
// an object. It reports whether it is sure: a reader that unescapes names and looks at
// each character knows better than an unsure one.
func wellFormed(text []byte, names bool) (valid, sure bool) {
	g := grammar{text: text, looks: names}
	valid = g.whole() && !g.twice
	return valid, !g.unsure && utf8.Valid(text)
}

// grammar walks over a text that may be JSON. A place of -1 is a violation.
type grammar struct {
	text    []byte
	level   int
	escapes int                      // met so far
	objects [maxLevels/64 + 1]uint64 // a bit for each level: whether it is an object

	looks  bool // whether a name that appears twice in an object is looked for
	twice  bool // there was one
	unsure bool
	scopes [lookedLevels]scope
	names  [lookedNames]span // of what is open
	known  int               // how many of names
}

// scope is an object whose end was not met yet.
type scope struct {
	names int    // where its names begin
	seen  uint64 // a bit for each of them, which others may share
}

// span is a part of the text.
type span struct{ from, to int }

// whole walks over the text.
func (g *grammar) whole() bool { return g.value(g.space(0)) == len(g.text) }

// value walks over the value at the given place and the space behind it.
func (g *grammar) value(at int) int {
	outer := g.level
	for {
		if at < 0 || at == len(g.text) {
			return -1
		}
		switch c := g.text[at]; c {
		case '{', '[':
			if g.level == maxLevels {
				return -1
			}
			g.begin(c == '{')
			if at = g.space(at + 1); at == len(g.text) || g.text[at] == c+2 { // in ASCII
				break
			}
			if c == '{' {
				at = g.name(at)
			}
			continue
		case '"':
			at = g.stringEnd(at)
		case 't':
			at = g.word(at, "true")
		case 'f':
			at = g.word(at, "false")
		case 'n':
			at = g.word(at, "null")
		default:
			at = g.numberEnd(at)
		}
		if at = g.valueEnded(at, outer); at < 0 || g.level == outer {
			return at
		}
	}
}

// begin opens an array or object.
func (g *grammar) begin(object bool) {
	word, bit := g.level/64, uint64(1)<<(g.level%64)
	g.objects[word] &^= bit
	if object {
		g.objects[word] |= bit
	}
	if g.level < lookedLevels {
		g.scopes[g.level] = scope{names: g.known}
	}
	g.level++
}

// end closes the array or object that was opened last.
func (g *grammar) end() {
	g.level--
	if g.level < lookedLevels {
		g.known = g.scopes[g.level].names
	}
}

// valueEnded closes what ends behind a value, down to the level outer, and returns
// where the next value is, or what is behind the space at that level.
func (g *grammar) valueEnded(at, outer int) int {
	for at >= 0 {
		at = g.space(at)
		if g.level == outer {
			return at
		}
		if at == len(g.text) {
			return -1
		}
		last := g.level - 1
		closing := byte(']')
		if g.objects[last/64]>>(last%64)&1 != 0 {
			closing = '}'
		}
		switch g.text[at] {
		case closing:
			g.end()
			at++
		case ',':
			at = g.space(at + 1)
			if closing == '}' {
				at = g.name(at)
			}
			return at
		default:
			return -1
		}
	}
	return at
}

// name passes over a name, its colon and the space behind it.
func (g *grammar) name(at int) int {
	start, escapes := at, g.escapes
	at = g.stringEnd(at)
	if at < 0 {
		return -1
	}
	g.unsure = g.unsure || g.escapes != escapes
	if g.looks && !g.unsure {
		g.note(span{start, at})
	}
	if at = g.space(at); at == len(g.text) || g.text[at] != ':' {
		return -1
	}
	return g.space(at + 1)
}

// note adds a name in quotes to those of the object that is open, and looks whether it
// was there.
func (g *grammar) note(at span) {
	name := g.text[at.from:at.to]
	if g.level > lookedLevels || g.known == lookedNames {
		g.unsure = true
		return
	}
	object := &g.scopes[g.level-1]
	bit := uint64(1) << ((uint(len(name)) + 7*uint(name[1]) + 31*uint(name[len(name)-2])) % 64)
	if object.seen&bit != 0 {
		for _, other := range g.names[object.names:g.known] {
			g.twice = g.twice || string(g.text[other.from:other.to]) == string(name)
		}
	}
	object.seen |= bit
	g.names[g.known] = at
	g.known++
}

func (g *grammar) space(at int) int {
	for at < len(g.text) {
		if c := g.text[at]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			break
		}
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
	for at++; at < len(text); at++ {
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
