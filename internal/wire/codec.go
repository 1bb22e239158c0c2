package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// kind says how a Go type meets JSON.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt
	kindFloat
	kindPointer
	kindSlice
	kindMap
	kindStruct
	kindAny    // an interface value: any JSON
	kindRaw    // json.RawMessage: the text itself
	kindCustom // has its own MarshalJSON and UnmarshalJSON
)

// codec is what decoding and encoding need to know of one Go type.
type codec struct {
	typ    reflect.Type
	kind   kind
	elem   *codec // of a pointer, slice or map
	isEnum bool   // a string type with a Known method

	fields  []field
	byName  map[string]int
	members int // index of the field that embeds Members, or -1
}

// field is one typed member of a model struct.
type field struct {
	name   string
	quoted string // "name": as it stands in the output
	index  int
	codec  *codec
}

var (
	membersType     = reflect.TypeFor[Members]()
	rawType         = reflect.TypeFor[json.RawMessage]()
	marshalerType   = reflect.TypeFor[json.Marshaler]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	enumType        = reflect.TypeFor[interface{ Known() bool }]()
)

// codecs remembers the codec of each type. It is a memo of a pure function:
// nothing can be configured through it.
var codecs sync.Map // reflect.Type -> *codec

func codecOf(t reflect.Type) *codec {
	if c, ok := codecs.Load(t); ok {
		return c.(*codec)
	}
	building := map[reflect.Type]*codec{}
	c := build(t, building)
	for typ, made := range building {
		codecs.LoadOrStore(typ, made)
	}
	return c
}

// build makes the codec of t. The map ends the recursion of recursive types.
func build(t reflect.Type, building map[reflect.Type]*codec) *codec {
	if c, ok := building[t]; ok {
		return c
	}
	c := &codec{typ: t, members: -1}
	building[t] = c
	switch {
	case t == rawType:
		c.kind = kindRaw
	case t.Kind() == reflect.Struct && membersField(t) >= 0:
		buildStruct(c, building)
	case t.Implements(marshalerType) && reflect.PointerTo(t).Implements(unmarshalerType):
		c.kind = kindCustom
	case t.Kind() == reflect.Struct:
		buildStruct(c, building)
	case t.Kind() == reflect.String:
		c.kind = kindString
		c.isEnum = t.Implements(enumType)
	case t.Kind() == reflect.Bool:
		c.kind = kindBool
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		c.kind = kindInt
	case t.Kind() == reflect.Float64:
		c.kind = kindFloat
	case t.Kind() == reflect.Pointer:
		c.kind, c.elem = kindPointer, build(t.Elem(), building)
	case t.Kind() == reflect.Slice:
		c.kind, c.elem = kindSlice, build(t.Elem(), building)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		c.kind, c.elem = kindMap, build(t.Elem(), building)
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		c.kind = kindAny
	default:
		panic("wire: no JSON form for " + t.String())
	}
	return c
}

func buildStruct(c *codec, building map[reflect.Type]*codec) {
	c.kind = kindStruct
	c.members = membersField(c.typ)
	c.byName = map[string]int{}
	for i := range c.typ.NumField() {
		f := c.typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if i == c.members || name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			panic("wire: " + c.typ.String() + "." + f.Name + " has no json name")
		}
		c.byName[name] = len(c.fields)
		c.fields = append(c.fields, field{
			name:   name,
			quoted: `"` + name + `":`,
			index:  i,
			codec:  build(f.Type, building),
		})
	}
}

// membersField returns the index of the field whose struct type embeds
// Members, or -1.
func membersField(t reflect.Type) int {
	for i := range t.NumField() {
		f := t.Field(i).Type
		if f.Kind() == reflect.Struct && f.NumField() == 1 && f.Field(0).Type == membersType {
			return i
		}
	}
	return -1
}

// membersOf returns the Members of the addressable struct v, or nil if its
// type has none.
func (c *codec) membersOf(v reflect.Value) *Members {
	if c.members < 0 {
		return nil
	}
	return v.Field(c.members).Field(0).Addr().Interface().(*Members)
}
