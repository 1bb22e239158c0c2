package wire

import (
	"reflect"

	"github.com/go-json-experiment/json/jsontext"
)

// Cost returns about how many bytes encoding/json makes of a valid JSON text when it
// decodes it into a value of type t, which may be far more than the text has.
func Cost(text []byte, t reflect.Type) int64 {
	value, object := costs(t, map[reflect.Type]bool{})
	if value == 0 {
		return 0 // it stays text
	}
	var total int64
	d := decoder{data: text}
	for d.pos < len(text) {
		switch text[d.pos] {
		case '"':
			start := d.pos
			d.skipString()
			total += int64(d.pos - start)
		case ',', '[':
			total += value
			d.pos++
		case '{':
			total += value + object
			d.pos++
		default:
			d.pos++
		}
	}
	return total
}

// costs returns the most that one value, and one object besides, takes up anywhere
// in a value of type t.
func costs(t reflect.Type, seen map[reflect.Type]bool) (value, object int64) {
	if seen[t] || t == reflect.TypeFor[jsontext.Value]() || t.Kind() == reflect.Slice &&
		t.Elem().Kind() == reflect.Uint8 {
		return 0, 0
	}
	seen[t] = true
	both := func(elem reflect.Type, least, more int64) {
		v, o := costs(elem, seen)
		value, object = max(value, v, least), max(object, o, more)
	}
	switch t.Kind() {
	case reflect.Interface:
		value, object = 64, 320
	case reflect.Map:
		both(t.Elem(), int64(t.Elem().Size())+mapEntry, 320)
	case reflect.Slice, reflect.Pointer, reflect.Array:
		both(t.Elem(), 2*int64(t.Elem().Size()), 0)
	case reflect.Struct:
		for i := range t.NumField() {
			both(t.Field(i).Type, 0, 0)
		}
	default:
		value = 8
	}
	return value, object
}
