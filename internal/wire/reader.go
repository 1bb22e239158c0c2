package wire

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// longestName is how many bytes a name may have that a Reader hands out, in quotes: the
// text of one that is not Unicode takes several times as many.
const longestName = 1 << 10

// Reader reads a text that may be JSON in one pass: it steps into some values and
// passes over the others. Behind a violation there is nothing more to read.
type Reader struct {
	g    grammar
	at   int  // where the next value is, or what is behind one; -1 behind a violation
	next bool // whether a value is to be read there
}

// NewReader returns a reader of text.
func NewReader(text []byte) *Reader {
	r := &Reader{g: grammar{text: text, names: new(names)}, next: true}
	r.at = r.g.space(0)
	return r
}

// Kind returns the first byte of the next value, 0 if there is none.
func (r *Reader) Kind() byte {
	if !r.next {
		return 0
	}
	return r.peek()
}

func (r *Reader) peek() byte {
	if r.at < 0 || r.at == len(r.g.text) {
		return 0
	}
	return r.g.text[r.at]
}

// Value passes over the next value and returns its text, nil if it is none.
func (r *Reader) Value() []byte {
	if !r.next {
		return r.fail()
	}
	r.next = false
	start := r.at
	r.at = r.g.value(start)
	return r.since(start)
}

// Object reads the object that is next and returns its text. It calls member with each
// name, "" for a very long one, before its value, which it passes over if member did not
// read it. To read another value there is a violation.
func (r *Reader) Object(member func(name string)) []byte { return r.compound('{', member) }

// Array is Object for an array. Element has no name.
func (r *Reader) Array(element func()) []byte {
	return r.compound('[', func(string) { element() })
}

func (r *Reader) compound(opening byte, each func(name string)) []byte {
	start, g := r.at, &r.g
	if r.Kind() != opening || g.level == maxLevels {
		return r.fail()
	}
	r.next = false
	closing := opening + 2 // in ASCII
	g.begin(opening == '{')
	r.at = g.space(start + 1)
	for more := r.peek() != closing; more; {
		name := ""
		if opening == '{' {
			from := r.at
			if r.at = g.name(from); r.at < 0 {
				return nil
			}
			if quoted := bytes.TrimRight(g.text[from:r.at], " \t\r\n:"); len(quoted) <= longestName {
				name = Text(quoted)
			}
		}
		r.next = true
		each(name)
		if r.next {
			r.Value()
		}
		switch r.peek() {
		case closing:
			more = false
		case ',':
			r.at = g.space(r.at + 1)
		default:
			return r.fail()
		}
	}
	g.end()
	r.at = g.space(r.at + 1)
	return r.since(start)
}

// since returns the text from a place up to the last value that was read.
func (r *Reader) since(start int) []byte {
	if r.at < 0 {
		return nil
	}
	return bytes.TrimRight(r.g.text[start:r.at], " \t\r\n")
}

func (r *Reader) fail() []byte {
	r.at, r.next = -1, false
	return nil
}

// Ended reports whether the text was one value, with no name twice in an object, and
// was read to its end. Strings need not be valid UTF-8.
func (r *Reader) Ended() bool {
	switch {
	case r.next || r.at != len(r.g.text) || r.g.names.twice:
		return false
	case r.g.names.unsure || !utf8.Valid(r.g.text):
		return !hasTwice(r.g.text)
	}
	return true
}

// Text returns the text of a string, with U+FFFD for what is not Unicode, and "" for
// any other value.
func Text(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	if bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
		return string(value[1 : len(value)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, value) // the error is of what is not Unicode
	return string(text)
}
