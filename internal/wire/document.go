package wire

import (
	"reflect"
	"unicode/utf8"
)

// Document is a text that may be JSON and was looked through once.
type Document struct {
	text   []byte
	valid  bool
	has    bool
	twice  bool // a name appears twice in an object
	unsure bool // perhaps one does
}

// Look looks through a text, for a member of the outermost object too. With unique it
// looks for names that appear twice in an object, which matter to Unmarshal alone.
func Look(text []byte, member string, unique bool) Document {
	g := grammar{text: text, wanted: member}
	if !unique {
		valid := g.whole()
		return Document{text: text, valid: valid, has: g.has}
	}
	var seen names
	g.names = &seen
	valid := g.whole()
	return Document{text: text, valid: valid, has: g.has, twice: seen.twice, unsure: seen.unsure}
}

// Valid reports whether the text is one JSON value, as json.Valid does, in a fraction of
// the time. Strings need not be valid UTF-8.
func (d Document) Valid() bool { return d.valid }

// Text returns the text.
func (d Document) Text() []byte { return d.text }

// Has reports whether the text is an object that has the member, or may have it: a name
// with an escape is not read.
func (d Document) Has() bool { return d.valid && d.has }

// Unmarshal is UnmarshalWithin of the text.
func (d Document) Unmarshal(v any, report func(Drift), room int64) error {
	unicode := utf8.Valid(d.text)
	if !d.valid || d.twice || (d.unsure || !unicode) && hasTwice(d.text) {
		return ErrSyntax
	}
	target := reflect.ValueOf(v).Elem()
	target.SetZero()
	dec := decoder{data: d.text, broken: !unicode, report: report, room: room}
	c := codecOf(target.Type())
	dec.space()
	if c.kind == kindStruct && dec.data[dec.pos] != '{' {
		return ErrShape
	}
	got := dec.value(c, target)
	switch {
	case dec.full():
		target.SetZero()
		return ErrSize
	case got == misfit:
		return ErrShape
	}
	return nil
}
