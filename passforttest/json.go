package passforttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// object is one decoded or to-be-encoded JSON object.
type object = map[string]any

// encode returns v as compact JSON without HTML escapes: the bytes of encoding/json.
func encode(v any) []byte { return appendJSON(make([]byte, 0, sizeHint(v)), v) }

// appendJSON appends v as JSON. What most answers are made of takes no reflection.
func appendJSON(to []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(to, "null"...)
	case bool:
		return strconv.AppendBool(to, v)
	case int:
		return strconv.AppendInt(to, int64(v), 10)
	case string:
		if isPlain(v) {
			return append(append(append(to, '"'), v...), '"')
		}
	case json.RawMessage: // stored, and compact
		if v != nil {
			return append(to, v...)
		}
	case object:
		if v != nil {
			return appendObject(to, v)
		}
	case []any:
		if v != nil {
			return appendList(to, v)
		}
	case []object:
		if v != nil {
			return appendList(to, v)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("passforttest: state cannot be encoded: " + err.Error())
	}
	return append(to, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

func appendObject(to []byte, o object) []byte {
	to = append(to, '{')
	for i, name := range sortedKeys(o) {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(appendJSON(to, name), ':')
		to = appendJSON(to, o[name])
	}
	return append(to, '}')
}

func appendList[T any](to []byte, l []T) []byte {
	to = append(to, '[')
	for i, e := range l {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendJSON(to, e)
	}
	return append(to, ']')
}

// isPlain reports whether a text is the same in JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// sizeHint returns about how long v is as JSON.
func sizeHint(v any) int {
	const other = 16 // with the comma
	n := other
	switch v := v.(type) {
	case string:
		n = len(v) + len(`"",`)
	case json.RawMessage:
		n += len(v)
	case object:
		for name, e := range v {
			n += len(name) + len(`"":`) + sizeHint(e)
		}
	case []any:
		for _, e := range v {
			n += sizeHint(e)
		}
	case []object:
		for _, e := range v {
			n += sizeHint(e)
		}
	}
	return n
}

var errNotJSON = errors.New("not one JSON value")

// maxDepth is how many objects and lists a body may have inside each other.
// encoding/json reads 10,000, and what is stored lies deeper than what was sent.
const maxDepth = 500

// tooDeep reports whether JSON is nested more than that.
func tooDeep(raw []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return false
}

// decode reads exactly one JSON value and keeps numbers as they are written.
func decode(raw []byte) (any, error) {
	if !utf8.Valid(raw) || tooDeep(raw) {
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

// decodeState reads what encode wrote: numbers stay as they are written wherever
// the state holds what a caller sent.
func decodeState(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
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

// indented returns JSON for a person to read, numbers as they are written.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}
