package wire

import (
	"bytes"
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
	ErrBytes  = errors.New(
		"a []byte would be sent as Base64: give JSON text as a json.RawMessage, other text as a string",
	)
)

var errNoForm = errors.New("the value has no JSON form")

// Encode encodes a value of a type of the caller's as encoding/json does, and
// refuses what encoding/json would change: text that is not UTF-8, a reader, and a
// []byte that is the whole value. Text that has its JSON already, such as a
// json.RawMessage, has to be UTF-8 too.
func Encode(value any) ([]byte, error) {
	v := reflect.ValueOf(value)
	if v.IsValid() && isReader(v.Type()) && !marshals(v.Type()) {
		return nil, ErrReader
	}
	for v.Kind() == reflect.Pointer && !v.IsNil() && !marshals(v.Type()) {
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && !marshals(v.Type()) {
		return nil, ErrBytes
	}
	raw, err := json.Marshal(value)
	switch {
	case errors.Is(err, ErrUTF8):
		return nil, ErrUTF8
	case err != nil:
		return nil, errNoForm
	case !utf8.Valid(raw):
		return nil, ErrUTF8
	}
	// What was encoded has no cycle.
	if err := fitToLeave(reflect.ValueOf(value)); err != nil {
		return nil, err
	}
	if text, is := value.(json.RawMessage); is && len(text) > 0 {
		var plain bytes.Buffer // which json.Marshal would escape for HTML
		err := json.Compact(&plain, text)
		return plain.Bytes(), err
	}
	return raw, nil
}

var (
	readerType = reflect.TypeFor[io.Reader]()
	textType   = reflect.TypeFor[encoding.TextMarshaler]()
)

// marshals reports whether encoding/json asks values of the type for their form.
func marshals(t reflect.Type) bool { return t.Implements(marshalerType) || t.Implements(textType) }

// isReader reports whether values of the type, or pointers to it, are readers.
func isReader(t reflect.Type) bool {
	return t.Implements(readerType) || t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(readerType)
}

// fitToLeave finds what encoding/json changes without an error.
func fitToLeave(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Invalid:
		return nil
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
	}
	switch t := v.Type(); {
	case t.Implements(marshalerType), v.CanAddr() && reflect.PointerTo(t).Implements(marshalerType):
		return nil // its own text
	case t.Implements(textType):
		return textFitToLeave(v)
	case v.CanAddr() && reflect.PointerTo(t).Implements(textType):
		return textFitToLeave(v.Addr())
	case isReader(t):
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
		if elem := v.Type().Elem(); flat(elem.Kind()) && elem.Kind() != reflect.String && !marshals(elem) {
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
		return fieldsFitToLeave(v)
	}
	return nil
}

func textFitToLeave(v reflect.Value) error {
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err == nil && !utf8.Valid(text) {
		return ErrUTF8
	}
	return nil
}

// fieldsFitToLeave is fitToLeave of the fields that encoding/json encodes. Those of
// an embedded struct are the fields of the struct around it.
func fieldsFitToLeave(v reflect.Value) error {
	for i := range v.NumField() {
		field, fv := v.Type().Field(i), v.Field(i)
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if tag == "-" || fv.IsZero() && strings.Contains(options, "omit") {
			continue
		}
		if field.Anonymous && name == "" {
			for fv.Kind() == reflect.Pointer && !fv.IsNil() {
				fv = fv.Elem()
			}
			if fv.Kind() == reflect.Struct {
				if err := fieldsFitToLeave(fv); err != nil {
					return err
				}
				continue
			}
		}
		if !field.IsExported() {
			continue
		}
		if err := fitToLeave(fv); err != nil {
			return err
		}
	}
	return nil
}
