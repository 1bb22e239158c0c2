package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The errors of Unmarshal. Their texts never hold a part of the input.
var (
	ErrSyntax = errors.New("not valid JSON")
	ErrShape  = errors.New("JSON of another shape than expected")
	ErrSize   = errors.New("JSON that takes more memory than there is room for")
)

// Unmarshal replaces what v points to by the document in data. A member whose
// type is not the field's never fails the document: the field stays at its
// zero value and the member is kept. Neither does text that is not Unicode, an
// emoji cut in half say: it is read with U+FFFD for what is broken, and kept.
// Only data that is not JSON (ErrSyntax), or whose outermost type does not fit
// (ErrShape), is an error.
func Unmarshal(data []byte, v any) error { return UnmarshalReporting(data, v, nil) }

// UnmarshalJSON is Unmarshal for the method of that name of a model type, which
// encoding/json also calls for a null: in a list or a map of models, say. The
// null is kept, as it is where a model stands in another.
func UnmarshalJSON(data []byte, v any) error {
	if !bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return Unmarshal(data, v)
	}
	target := reflect.ValueOf(v).Elem()
	target.SetZero()
	d := decoder{data: []byte("null")}
	d.value(codecOf(target.Type()), target)
	return nil
}

// UnmarshalReporting is Unmarshal that calls report, if it is not nil, with every
// difference between the document and the model.
func UnmarshalReporting(data []byte, v any, report func(Drift)) error {
	return UnmarshalWithin(data, v, report, 0)
}

// UnmarshalWithin is UnmarshalReporting of a document whose value may take up about
// room bytes, 0 for any number. If it would take more the error is ErrSize.
func UnmarshalWithin(data []byte, v any, report func(Drift), room int64) error {
	return Look(data, "", true).Unmarshal(v, report, room)
}

// fit says how well a typed value stands for the JSON it was decoded from.
type fit uint8

const (
	exact  fit = iota // encoding the value gives the JSON back
	near              // the value is right, but its JSON was spelled differently
	misfit            // the value is zero: null, or another type
)

// decoder walks over data that is known to be valid JSON.
type decoder struct {
	data   []byte
	pos    int
	broken bool  // some text in data may not be Unicode
	room   int64 // for what is decoded, 0: any
	taken  int64
	report func(Drift)
	path   []byte // of the current value, kept only for report
}

// take notes that a value takes up n bytes, and reports whether there is room.
func (d *decoder) take(n int) bool {
	d.taken += int64(n)
	return !d.full()
}

// full reports whether decoding has to end.
func (d *decoder) full() bool { return d.room > 0 && d.taken > d.room }

// What is counted beside the text and the size of a type: for an entry of a map or
// of Members, with the slack of what grows.
const (
	mapEntry    = 96
	memberEntry = 144
)

// value decodes the value at pos into v, which is settable and zero, and moves
// pos behind it.
func (d *decoder) value(c *codec, v reflect.Value) fit {
	switch c.kind {
	case kindString:
		if d.data[d.pos] != '"' {
			return d.skipMisfit()
		}
		s, got := d.stringValue()
		v.SetString(s)
		if d.report != nil && c.isEnum && !v.Interface().(interface{ Known() bool }).Known() {
			d.drift(UnknownValue)
		}
		return got
	case kindBool:
		switch d.data[d.pos] {
		case 't':
			v.SetBool(true)
		case 'f':
		default:
			return d.skipMisfit()
		}
		d.skip()
		return exact
	case kindInt, kindFloat:
		return d.number(c, v)
	case kindPointer:
		if d.data[d.pos] == 'n' {
			return d.skipMisfit()
		}
		if !d.take(int(c.elem.typ.Size())) {
			return misfit
		}
		target := reflect.New(c.elem.typ)
		if c.elem.kind == kindStruct && d.data[d.pos] != '{' {
			return d.skipMisfit()
		}
		got := d.value(c.elem, target.Elem())
		if got != misfit {
			v.Set(target)
		}
		return got
	case kindSlice:
		return d.slice(c, v)
	case kindMap:
		return d.mapValue(c, v)
	case kindStruct:
		return d.structValue(c, v)
	case kindAny:
		value, got := d.anyValue()
		if value != nil {
			v.Set(reflect.ValueOf(value))
		}
		return got
	case kindRaw:
		raw := d.raw()
		if d.take(len(raw)) {
			v.SetBytes(bytes.Clone(raw))
		}
		return exact
	default: // kindCustom
		if v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(d.raw()) != nil {
			v.SetZero()
			d.drift(TypeChanged)
			return misfit
		}
		return exact
	}
}

func (d *decoder) number(c *codec, v reflect.Value) fit {
	if first := d.data[d.pos]; first != '-' && (first < '0' || first > '9') {
		return d.skipMisfit()
	}
	literal := d.raw()
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		d.drift(TypeChanged)
		return misfit
	}
	var scratch [32]byte
	var again []byte
	if c.kind == kindInt {
		n, err := strconv.ParseInt(string(literal), 10, 64)
		if err != nil {
			if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				d.drift(TypeChanged)
				return misfit
			}
			n = int64(f)
		}
		if v.OverflowInt(n) { // an int of 32 bits: the member is kept
			return misfit
		}
		v.SetInt(n)
		again = strconv.AppendInt(scratch[:0], n, 10)
	} else {
		v.SetFloat(f)
		again = appendFloat(scratch[:0], f)
	}
	if !bytes.Equal(again, literal) {
		return near
	}
	return exact
}

func (d *decoder) slice(c *codec, v reflect.Value) fit {
	if d.data[d.pos] != '[' {
		return d.skipMisfit()
	}
	v.Set(reflect.MakeSlice(c.typ, 0, 0))
	got := exact
	depth := d.enter("*")
	size := int(c.elem.typ.Size())
	for n := 0; !d.full() && d.next(']'); n++ {
		if !d.take(2*size + size/4) { // while a slice grows there are two
			break
		}
		v.Grow(1)
		v.SetLen(n + 1)
		if d.value(c.elem, v.Index(n)) != exact {
			got = near
		}
	}
	d.leave(depth)
	return got
}

func (d *decoder) mapValue(c *codec, v reflect.Value) fit {
	if d.data[d.pos] != '{' {
		return d.skipMisfit()
	}
	v.Set(reflect.MakeMap(c.typ))
	got := exact
	depth := d.enter("*")
	for !d.full() && d.next('}') {
		name, fits := d.name()
		if !d.take(len(name) + int(c.elem.typ.Size()) + mapEntry) {
			break
		}
		elem := reflect.New(c.elem.typ).Elem()
		if d.value(c.elem, elem) != exact || fits != exact {
			got = near
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(c.typ.Key()), elem)
	}
	d.leave(depth)
	return got
}

// structValue decodes an object. Anything else is kept whole in the struct's
// own Members, so that an odd element of a list stays with its element.
func (d *decoder) structValue(c *codec, v reflect.Value) fit {
	m := c.membersOf(v)
	if d.data[d.pos] != '{' {
		if d.data[d.pos] != 'n' {
			d.drift(TypeChanged)
		}
		raw := d.raw()
		if m == nil {
			return misfit
		}
		if d.take(len(raw) + memberEntry) {
			m.Held = &Held{Kept: []Kept{{wholeValue, bytes.Clone(raw)}}}
		}
		return exact
	}
	for !d.full() && d.next('}') {
		name, spelling := d.nameBytes()
		at, known := c.byName[string(name)]
		if !known {
			if d.report != nil {
				depth := d.enter(string(name))
				d.drift(UnknownMember)
				d.leave(depth)
			}
			raw := d.raw()
			if m != nil && d.take(len(name)+len(spelling)+len(raw)+memberEntry) {
				h := m.hold()
				h.Unknown = append(h.Unknown, Member{string(name), string(spelling), bytes.Clone(raw)})
			}
			continue
		}
		f := &c.fields[at]
		depth := d.enter(f.name)
		start := d.pos
		fv := v.Field(f.index)
		if got := d.value(f.codec, fv); m != nil && (got != exact || fv.IsZero()) && d.take(d.pos-start+memberEntry) {
			h := m.hold()
			h.Kept = append(h.Kept, Kept{at, bytes.Clone(d.data[start:d.pos])})
		}
		d.leave(depth)
	}
	if m != nil && m.Held != nil {
		m.Held.sort()
	}
	return exact
}

// anyValue decodes any JSON into nil, bool, string, float64, []any and
// map[string]any. A number that float64 would change is a json.Number.
func (d *decoder) anyValue() (any, fit) {
	switch d.data[d.pos] {
	case 'n':
		d.skip()
		return nil, exact
	case 't', 'f':
		return d.raw()[0] == 't', exact
	case '"':
		return d.stringValue()
	case '[':
		list, got := []any{}, exact
		for !d.full() && d.next(']') {
			if !d.take(3 * int(reflect.TypeFor[any]().Size())) {
				break
			}
			elem, fits := d.anyValue()
			if fits != exact {
				got = near
			}
			list = append(list, elem)
		}
		return list, got
	case '{':
		object, got := map[string]any{}, exact
		for !d.full() && d.next('}') {
			name, named := d.name()
			if !d.take(len(name) + mapEntry) {
				break
			}
			elem, fits := d.anyValue()
			if fits != exact || named != exact {
				got = near
			}
			object[name] = elem
		}
		return object, got
	default:
		literal := string(d.raw())
		f, err := strconv.ParseFloat(literal, 64)
		if err != nil {
			return json.Number(literal), exact
		}
		again := string(appendFloat(nil, f))
		switch {
		case again == literal:
			return f, exact
		case sameNumber(again, literal):
			return f, near
		default:
			return json.Number(literal), exact
		}
	}
}

// next moves to the next element of the array or object at pos and reports
// whether there is one. At the closing byte it moves behind it.
func (d *decoder) next(closing byte) bool {
	d.space()
	switch d.data[d.pos] {
	case '[', '{', ',':
		d.pos++
		d.space()
	}
	if d.data[d.pos] == closing {
		d.pos++
		return false
	}
	return true
}

// nameBytes reads a member's name and its colon. The second result is nil, or
// how the name is spelled if its text does not tell.
func (d *decoder) nameBytes() (name, spelling []byte) {
	raw := d.raw()
	d.space()
	d.pos++ // the colon
	d.space()
	name, got := d.unquote(raw)
	if got != exact {
		spelling = raw
	}
	return name, spelling
}

func (d *decoder) name() (string, fit) {
	name, spelling := d.nameBytes()
	if spelling != nil {
		return string(name), near
	}
	return string(name), exact
}

func (d *decoder) stringValue() (string, fit) {
	text, got := d.unquote(d.raw())
	if !d.take(len(text)) {
		return "", misfit
	}
	return string(text), got
}

// unquote returns the text of a string: near if it is broken.
func (d *decoder) unquote(raw []byte) ([]byte, fit) {
	if !d.broken && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], exact
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return text, near
	}
	return text, exact
}

// raw returns the text of the value at pos and moves behind it.
func (d *decoder) raw() []byte {
	start := d.pos
	d.skip()
	return d.data[start:d.pos]
}

// skipMisfit passes over a value that the target cannot hold. A null is
// nothing to report: it is how the API spells absent.
func (d *decoder) skipMisfit() fit {
	if d.data[d.pos] != 'n' {
		d.drift(TypeChanged)
	}
	d.skip()
	return misfit
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) skip() {
	switch d.data[d.pos] {
	case '"':
		d.skipString()
	case '{', '[':
		for depth := 0; ; {
			switch d.data[d.pos] {
			case '"':
				d.skipString()
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			d.pos++
			if depth == 0 {
				return
			}
		}
	default: // a literal or a number: up to the next delimiter
		for d.pos < len(d.data) {
			switch d.data[d.pos] {
			case ',', ']', '}', ' ', '\t', '\n', '\r':
				return
			}
			d.pos++
		}
	}
}

func (d *decoder) skipString() {
	d.pos++
	for {
		end := bytes.IndexByte(d.data[d.pos:], '"') + d.pos
		backslashes := 0
		for end-backslashes > d.pos && d.data[end-1-backslashes] == '\\' {
			backslashes++
		}
		d.pos = end + 1
		if backslashes%2 == 0 {
			return
		}
	}
}
