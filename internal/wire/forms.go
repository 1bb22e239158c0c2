package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
)

// Other encoders know nothing of what a Members holds. For them a value is its
// JSON: a text, bytes, or a BSON document with the text in it.

// The errors of the other forms. Their texts never hold a part of the input.
var (
	ErrYAML = errors.New(
		"passfort: not a text: this package reads from YAML what it wrote, the JSON of a value as a text",
	)
	ErrBSON = errors.New(
		"passfort: not the BSON that this package writes, a document with the JSON of a value as a text called json",
	)
)

// UnmarshalYAML decodes the JSON text that unmarshal reads.
func UnmarshalYAML(unmarshal func(any) error, v any) error {
	var text string
	if unmarshal(&text) != nil || text == "" {
		return ErrYAML
	}
	return UnmarshalJSON([]byte(text), v)
}

// element begins the text of a document that MarshalBSON writes: its type and its name.
const element = "\x02json\x00"

// MarshalBSON encodes what v points to as a BSON document with one text.
func MarshalBSON(v any) ([]byte, error) {
	text, err := Marshal(v)
	if err != nil {
		return nil, err
	}
	size := 4 + len(element) + 4 + len(text) + 2
	doc := binary.LittleEndian.AppendUint32(make([]byte, 0, size), uint32(size))
	doc = append(doc, element...)
	doc = binary.LittleEndian.AppendUint32(doc, uint32(len(text)+1))
	return append(append(doc, text...), 0, 0), nil
}

// UnmarshalBSON decodes what MarshalBSON wrote. Other elements, such as the _id
// that a database puts before it, are ignored.
func UnmarshalBSON(doc []byte, v any) error {
	if len(doc) < 5 || binary.LittleEndian.Uint32(doc) != uint32(len(doc)) || doc[len(doc)-1] != 0 {
		return ErrBSON
	}
	for rest := doc[4 : len(doc)-1]; len(rest) > 0; {
		name := bytes.IndexByte(rest[1:], 0) + 1
		if name == 0 {
			return ErrBSON
		}
		size, ok := bsonSize(rest[0], rest[name+1:])
		if !ok {
			return ErrBSON
		}
		value := rest[name+1:][:size]
		if bytes.HasPrefix(rest, []byte(element)) {
			return UnmarshalJSON(value[4:len(value)-1], v)
		}
		rest = rest[name+1+size:]
	}
	return ErrBSON
}

// bsonSize returns how many bytes the BSON value at the beginning of data takes.
func bsonSize(kind byte, data []byte) (int, bool) {
	size := 0
	switch kind {
	case 0x06, 0x0a, 0x7f, 0xff: // undefined, null, the ends of the order
	case 0x08: // a boolean
		size = 1
	case 0x10: // 32 bits
		size = 4
	case 0x01, 0x09, 0x11, 0x12: // 64 bits
		size = 8
	case 0x07: // an ObjectId
		size = 12
	case 0x13: // a decimal
		size = 16
	default:
		prefix, counted := map[byte]int{0x02: 4, 0x03: 0, 0x04: 0, 0x05: 5, 0x0d: 4, 0x0e: 4, 0x0f: 0}[kind]
		if !counted || len(data) < 4 {
			return 0, false
		}
		least := 5
		if kind == 0x05 {
			least = 0
		} else if prefix == 4 {
			least = 1
		}
		length := int64(binary.LittleEndian.Uint32(data))
		if length < int64(least) || length > int64(len(data)-prefix) {
			return 0, false
		}
		return prefix + int(length), true
	}
	return size, size <= len(data)
}

// Clone returns a copy of what v points to that shares nothing with it that can
// be changed. It is nil if v is.
func Clone[T any](v *T) *T {
	if v == nil {
		return nil
	}
	return clone(reflect.ValueOf(v)).Interface().(*T)
}

// clone copies what can be changed in place. An unexported field is not reached
// from outside, and what it refers to is shared.
func clone(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || v.Type() == heldType {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(clone(v.Elem()))
		return out.Convert(v.Type())
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		return clone(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		if flat(v.Type().Elem().Kind()) {
			reflect.Copy(out, v)
			return out
		}
		for i := range v.Len() {
			out.Index(i).Set(clone(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for iter := v.MapRange(); iter.Next(); {
			out.SetMapIndex(iter.Key(), clone(iter.Value()))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if field := out.Field(i); field.CanSet() && !flat(field.Kind()) {
				field.Set(clone(field))
			}
		}
		return out
	case reflect.Array:
		out := reflect.New(v.Type()).Elem()
		for i := range v.Len() {
			out.Index(i).Set(clone(v.Index(i)))
		}
		return out
	default:
		return v
	}
}

var heldType = reflect.TypeFor[*Held]()

// flat reports whether values of a kind refer to nothing that can be changed.
func flat(k reflect.Kind) bool {
	return k <= reflect.Complex128 && k != reflect.Invalid ||
		slices.Contains([]reflect.Kind{reflect.String, reflect.Func, reflect.Chan}, k)
}
