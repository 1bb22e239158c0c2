package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The errors of Marshal. Their texts name the field, never its value.
var (
	ErrUTF8   = errors.New("string is not valid UTF-8")
	ErrNumber = errors.New("number has no JSON form")
	ErrModel  = errors.New("unknown member has the name of a field")
)

// Marshal encodes what v points to. Zero fields are left out. A member that
// was kept by Unmarshal goes back unchanged if its field still has the value
// that was decoded from it.
func Marshal(v any) ([]byte, error) {
	target := reflect.ValueOf(v).Elem()
	return appendValue(make([]byte, 0, 512), codecOf(target.Type()), target)
}

func appendValue(dst []byte, c *codec, v reflect.Value) ([]byte, error) {
	switch c.kind {
	case kindString:
		return appendString(dst, v.String())
	case kindBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case kindInt:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case kindFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, ErrNumber
		}
		return appendFloat(dst, f), nil
	case kindPointer:
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return appendValue(dst, c.elem, v.Elem())
	case kindSlice:
		return appendList(dst, v.Len(), func(dst []byte, i int) ([]byte, error) {
			return appendValue(dst, c.elem, v.Index(i))
		})
	case kindMap:
		return appendMap(dst, v, func(dst []byte, _ string, elem reflect.Value) ([]byte, error) {
			return appendValue(dst, c.elem, elem)
		})
	case kindStruct:
		return appendStruct(dst, c, v)
	case kindAny:
		return appendAny(dst, v.Interface())
	case kindRaw:
		raw := jsontext.Value(v.Bytes())
		if !raw.IsValid(jsontext.AllowInvalidUTF8(true)) {
			return nil, ErrSyntax
		}
		return append(dst, raw...), nil
	default: // kindCustom
		raw, err := v.Interface().(json.Marshaler).MarshalJSON()
		return append(dst, raw...), err
	}
}

func appendStruct(dst []byte, c *codec, v reflect.Value) ([]byte, error) {
	if c.members >= 0 && !v.CanAddr() { // an element of a map
		addressable := reflect.New(c.typ).Elem()
		addressable.Set(v)
		v = addressable
	}
	var h *Held
	if m := c.membersOf(v); m != nil {
		h = m.Held
	}
	if h != nil && len(h.Kept) == 1 && h.Kept[0].Field == wholeValue && h.Count == 0 && isBare(c, v) {
		return append(dst, h.Kept[0].Raw...), nil
	}
	if cap(dst)-len(dst) < 512 { // append alone grows a long text by a quarter
		dst = slices.Grow(dst, len(dst)+512)
	}
	dst = append(dst, '{')
	start := len(dst)
	for at := range c.fields {
		f := &c.fields[at]
		fv := v.Field(f.index)
		raw := h.keptFor(at)
		if raw == nil && fv.IsZero() {
			continue
		}
		mark := len(dst)
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, f.quoted...)
		var err error
		switch {
		case raw == nil:
			dst, err = appendValue(dst, f.codec, fv)
		case unchanged(f.codec, fv, raw):
			dst = append(dst, raw...)
		case fv.IsZero(): // the caller cleared it
			dst = dst[:mark]
		default:
			dst, err = appendRestoring(dst, f.codec, fv, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	for _, u := range h.members() {
		if _, modelled := c.byName[u.Name]; modelled {
			return nil, ErrModel
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		var err error
		if u.Spelling != "" {
			dst = append(dst, u.Spelling...)
		} else if dst, err = appendString(dst, u.Name); err != nil {
			return nil, err
		}
		dst = append(append(dst, ':'), u.Value...)
	}
	return append(dst, '}'), nil
}

// isBare reports whether every typed field of the struct is zero.
func isBare(c *codec, v reflect.Value) bool {
	for at := range c.fields {
		if !v.Field(c.fields[at].index).IsZero() {
			return false
		}
	}
	return true
}

// unchanged reports whether v still is what raw decodes to.
func unchanged(c *codec, v reflect.Value, raw []byte) bool {
	was, _ := redecode(c, raw)
	return reflect.DeepEqual(was.Interface(), v.Interface())
}

func redecode(c *codec, raw []byte) (reflect.Value, fit) {
	was := reflect.New(c.typ).Elem()
	d := decoder{data: raw, broken: true}
	got := d.value(c, was)
	return was, got
}

// appendRestoring encodes a value that the caller changed, and gives back the
// original text of each element of a list or map that he did not.
func appendRestoring(dst []byte, c *codec, v reflect.Value, raw []byte) ([]byte, error) {
	switch {
	case c.kind == kindSlice && raw[0] == '[':
		kept := keptElements(c.elem, raw)
		return appendList(dst, v.Len(), func(dst []byte, i int) ([]byte, error) {
			if text := kept.take(v.Index(i)); text != nil {
				return append(dst, text...), nil
			}
			return appendValue(dst, c.elem, v.Index(i))
		})
	case c.kind == kindMap && raw[0] == '{':
		texts := memberTexts(raw)
		return appendMap(dst, v, func(dst []byte, key string, elem reflect.Value) ([]byte, error) {
			switch text := texts[key]; {
			case text == nil:
				return appendValue(dst, c.elem, elem)
			case unchanged(c.elem, elem, text):
				return append(dst, text...), nil
			default:
				return appendRestoring(dst, c.elem, elem, text)
			}
		})
	default:
		return appendValue(dst, c, v)
	}
}

// leftovers are the elements of a list whose text their value does not spell,
// by the JSON of the value.
type leftovers struct {
	codec *codec
	texts map[string][][]byte
}

func keptElements(c *codec, raw []byte) leftovers {
	l := leftovers{c, map[string][][]byte{}}
	for d := (decoder{data: raw, broken: true}); d.next(']'); {
		text := d.raw()
		if was, got := redecode(c, text); got != exact {
			if key, err := appendValue(nil, c, was); err == nil {
				l.texts[string(key)] = append(l.texts[string(key)], text)
			}
		}
	}
	return l
}

// take returns the text of the first element left that has the value v, or nil.
func (l leftovers) take(v reflect.Value) []byte {
	if len(l.texts) == 0 {
		return nil
	}
	key, err := appendValue(nil, l.codec, v)
	if err != nil {
		return nil
	}
	alike := l.texts[string(key)] // what decodes to one value: the first stands for all
	if len(alike) == 0 || !unchanged(l.codec, v, alike[0]) {
		return nil
	}
	l.texts[string(key)] = alike[1:]
	return alike[0]
}

func memberTexts(raw []byte) map[string][]byte {
	texts := map[string][]byte{}
	for d := (decoder{data: raw, broken: true}); d.next('}'); {
		name, _ := d.name()
		texts[name] = d.raw()
	}
	return texts
}

func appendList(dst []byte, n int, element func([]byte, int) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = element(dst, i); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendMap(
	dst []byte, v reflect.Value, element func([]byte, string, reflect.Value) ([]byte, error),
) ([]byte, error) {
	byKey := make(map[string]reflect.Value, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		byKey[iter.Key().String()] = iter.Value()
	}
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(byKey)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendString(dst, key); err != nil {
			return nil, err
		}
		if dst, err = element(append(dst, ':'), key, byKey[key]); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// appendAny encodes a value of an untyped member: what anyValue decodes to
// or anything else that encoding/json can encode.
func appendAny(dst []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, value), nil
	case string:
		return appendString(dst, value)
	case float64:
		return appendValue(dst, codecOf(reflect.TypeFor[float64]()), reflect.ValueOf(value))
	case []any:
		return appendList(dst, len(value), func(dst []byte, i int) ([]byte, error) {
			return appendAny(dst, value[i])
		})
	case map[string]any:
		return appendMap(dst, reflect.ValueOf(value), func(dst []byte, _ string, elem reflect.Value) ([]byte, error) {
			return appendAny(dst, elem.Interface())
		})
	default:
		raw, err := Encode(value)
		if err != nil {
			return nil, fmt.Errorf("value of type %T: %w", value, err)
		}
		return append(dst, raw...), nil
	}
}

func appendString(dst []byte, s string) ([]byte, error) {
	dst, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		return nil, ErrUTF8
	}
	return dst, nil
}

// appendFloat spells f the way encoding/json does.
func appendFloat(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst) - start; n >= 4 && bytes.HasSuffix(dst[:len(dst)-1], []byte("e-0")) {
			dst[len(dst)-2] = dst[len(dst)-1]
			dst = dst[:len(dst)-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}
