package passforttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// object is one decoded or to-be-encoded JSON object.
type object = map[string]any

// encode returns v as compact JSON without HTML escapes.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("passforttest: state cannot be encoded: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

var errNotJSON = errors.New("not one JSON value")

// decode reads exactly one JSON value and keeps numbers as they are written.
func decode(raw []byte) (any, error) {
	if !utf8.Valid(raw) {
		return nil, errNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return v, nil
}

func decodeObject(raw []byte) (object, error) {
	v, err := decode(raw)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, errNotJSON
	}
	return o, nil
}

func compact(raw []byte) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		panic("passforttest: state cannot be encoded: " + err.Error())
	}
	return b.Bytes()
}

// text returns o[key] if it is a string.
func text(o object, key string) string {
	v, _ := o[key].(string)
	return v
}

func child(o object, key string) object {
	v, _ := o[key].(object)
	return v
}

func list(o object, key string) []any {
	v, _ := o[key].([]any)
	return v
}

// stringList returns o[key] if it is a list of strings.
func stringList(o object, key string) ([]string, bool) {
	v, ok := o[key].([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(v))
	for _, e := range v {
		t, ok := e.(string)
		if !ok {
			return nil, false
		}
		out = append(out, t)
	}
	return out, true
}

func copyObject(o object) object {
	c, _ := decodeObject(encode(o))
	return c
}

// orEmpty makes a nil list encode as [] rather than null.
func orEmpty[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// indented is JSON for a person to read, numbers as they are written.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}
