package wire

import (
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// The errors of Encode for values whose JSON would not be what was meant.
var (
	ErrReader = errors.New("an io.Reader has no JSON form: give JSON text as a json.RawMessage")
	ErrBytes  = errors.New("a []byte would be sent as Base64: give JSON text as a json.RawMessage, other text as a string")
)

// Encode encodes a value of a type of the caller's as encoding/json does, and
// refuses what encoding/json would change: text that is not UTF-8, a reader, and a
// []byte that is the whole value.
func Encode(value any) ([]byte, error) {
	v := reflect.ValueOf(value)
	for v.Kind() == reflect.Pointer && !v.IsNil() && !marshals(v) {
		if v.Type().Implements(readerType) {
			return nil, ErrReader
		}
		v = v.Elem()
	}
	if v.IsValid() && v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && !marshals(v) {
		return nil, ErrBytes
	}
	raw, err := json.Marshal(value)
	if err != nil {
		if errors.Is(err, ErrUTF8) {
			return nil, ErrUTF8
		}
		return nil, errNoForm
	}
	return raw, fitToLeave(reflect.ValueOf(value)) // which has no cycle: it was encoded
}

var errNoForm = errors.New("the value has no JSON form")

var (
	readerType = reflect.TypeFor[io.Reader]()
	textType   = reflect.TypeFor[encoding.TextMarshaler]()
)

// marshals reports whether encoding/json asks the value itself.
func marshals(v reflect.Value) bool {
	return v.Type().Implements(marshalerType) || v.Type().Implements(textType)
}

// fitToLeave finds what encoding/json changes without an error.
func fitToLeave(v reflect.Value) error {
	if !v.IsValid() {
		return nil
	}
	switch t := v.Type(); {
	case t.Implements(marshalerType), v.CanAddr() && reflect.PointerTo(t).Implements(marshalerType):
		return nil // its own text
	case t.Implements(textType):
		if v.Kind() == reflect.Pointer && v.IsNil() {
			return nil
		}
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err == nil && !utf8.Valid(text) {
			return ErrUTF8
		}
		return nil
	case t.Implements(readerType), v.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(readerType):
		if v.Kind() == reflect.Pointer && v.IsNil() {
			return nil
		}
		return ErrReader
	}
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return ErrUTF8
		}
	case reflect.Pointer, reflect.Interface:
		return fitToLeave(v.Elem())
	case reflect.Slice, reflect.Array:
		if flat(v.Type().Elem().Kind()) && v.Type().Elem().Kind() != reflect.String {
			return nil
		}
		for i := range v.Len() {
			if err := fitToLeave(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			if err := fitToLeave(iter.Key()); err != nil {
				return err
			}
			if err := fitToLeave(iter.Value()); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if tag := field.Tag.Get("json"); tag == "-" || !field.IsExported() && !field.Anonymous || isOmitted(tag, v.Field(i)) {
				continue
			}
			if !field.IsExported() && field.Type.Kind() != reflect.Struct {
				continue
			}
			if err := fitToLeave(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOmitted reports whether a field is empty and left out.
func isOmitted(tag string, v reflect.Value) bool {
	_, options, _ := strings.Cut(tag, ",")
	return v.IsZero() && strings.Contains(options, "omit")
}
