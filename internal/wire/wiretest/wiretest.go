// Package wiretest makes random documents that hit a model in every way a
// server can: modelled and unknown members at every depth, nulls, empty
// values, numbers that do not fit, values of another type.
package wiretest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
)

// Source is a source of random documents.
type Source struct {
	*rand.Rand
	fill float64
}

// New returns the source with the given seed. The fill is the share of the
// modelled members that an object has.
func New(seed uint64, fill float64) Source { return Source{rand.New(rand.NewPCG(seed, 1)), fill} }

// Tree decodes a document with every number as its literal text, so that
// trees are equal only if nothing was lost.
func Tree(doc []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

func (r Source) scalar() string {
	return []string{
		`null`, `""`, `"text"`, `"é\n"`, `true`, `false`, `0`, `1`, `-1.50`, `12345678901234567890.5`,
		`0.1`, `1e3`, `1E+2`, `99999999999999999999999`, `[]`, `{}`,
	}[r.IntN(16)]
}

func (r Source) value(depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return r.scalar()
	}
	if r.IntN(2) == 0 {
		parts := make([]string, r.IntN(4))
		for i := range parts {
			parts[i] = r.value(depth - 1)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	parts := make([]string, r.IntN(4))
	for i := range parts {
		parts[i] = fmt.Sprintf(`"m%d":%s`, i, r.value(depth-1))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// Object returns a random JSON object: some members that the struct type has a
// field for, usually of the field's type, and some that it does not know.
func (r Source) Object(model reflect.Type, depth int) string {
	var parts []string
	for i := range model.NumField() {
		f := model.Field(i)
		name := f.Tag.Get("json")
		if name == "-" || r.Float64() > r.fill {
			continue
		}
		parts = append(parts, fmt.Sprintf("%q:%s", name, r.typed(f.Type, depth)))
	}
	for i := range r.IntN(3) {
		parts = append(parts, fmt.Sprintf(`"unknown_%d":%s`, i, r.value(depth)))
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return "{" + strings.Join(parts, ",") + "}"
}

// typed usually fits the field and sometimes does not.
func (r Source) typed(t reflect.Type, depth int) string {
	if depth <= 0 || r.IntN(4) == 0 {
		return r.scalar()
	}
	switch {
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		return r.Object(t.Elem(), depth-1)
	case t.Kind() == reflect.Struct:
		return r.Object(t, depth-1)
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		parts := make([]string, r.IntN(4))
		for i := range parts {
			parts[i] = r.typed(t.Elem(), depth-1)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case t.Kind() == reflect.Map:
		var parts []string
		for i := range r.IntN(4) {
			parts = append(parts, fmt.Sprintf(`"k%d":%s`, i, r.typed(t.Elem(), depth-1)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	default:
		return r.value(depth - 1)
	}
}
