package wire_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
)

// bsonOf returns a BSON document of the elements.
func bsonOf(elements string) []byte {
	doc := binary.LittleEndian.AppendUint32(nil, uint32(len(elements)+5))
	return append(append(doc, elements...), 0)
}

const stored = "\x02json\x00\x0d\x00\x00\x00{\"name\":\"x\"}\x00"

func TestMarshalBSON(t *testing.T) {
	t.Parallel()
	doc, err := wire.MarshalBSON(&person{Name: "x"})
	require.NoError(t, err)
	require.Equal(t, string(bsonOf(stored)), string(doc))
	_, err = wire.MarshalBSON(&person{Name: "\xff"})
	require.ErrorIs(t, err, wire.ErrUTF8)
}

func TestUnmarshalBSON(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]string{
		"nothing else":         "",
		"an ObjectId":          "\x07_id\x00123456789012",
		"a double":             "\x01d\x0012345678",
		"a text":               "\x02t\x00\x03\x00\x00\x00ab\x00",
		"a document":           "\x03d\x00\x05\x00\x00\x00\x00",
		"a document with json": "\x03d\x00" + string(bsonOf("\x02json\x00\x03\x00\x00\x00{]\x00")),
		"a list":               "\x04l\x00\x05\x00\x00\x00\x00",
		"bytes":                "\x05b\x00\x02\x00\x00\x00\x00ab",
		"no bytes":             "\x05b\x00\x00\x00\x00\x00\x00",
		"undefined, null":      "\x06u\x00\x0an\x00",
		"a boolean":            "\x08b\x00\x01",
		"a date":               "\x09d\x0012345678",
		"code":                 "\x0dc\x00\x02\x00\x00\x00a\x00",
		"32 bits":              "\x10i\x001234",
		"64 bits":              "\x12i\x0012345678\x11t\x0012345678",
		"a decimal":            "\x13d\x001234567890123456",
		"the ends of keys":     "\xffa\x00\x7fb\x00",
		"a number called json": "\x10json\x001234",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, doc := range []string{others + stored, stored + others} {
				var p person
				require.NoError(t, wire.UnmarshalBSON(bsonOf(doc), &p))
				require.Equal(t, "x", p.Name)
			}
		})
	}
}

func TestUnmarshalBSONRefuses(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string][]byte{
		"nothing":                   nil,
		"short":                     {4, 0, 0, 0},
		"empty":                     bsonOf(""),
		"another length":            append(bsonOf(stored), 0),
		"no end":                    append(bsonOf(stored)[:len(stored)+4], 1),
		"no name":                   bsonOf("\x10json"),
		"another kind":              bsonOf("\x7e\x00" + stored),
		"a text that goes beyond":   bsonOf("\x02json\x00\xff\x00\x00\x00{}\x00"),
		"a text of no length":       bsonOf("\x02json\x00\x00\x00\x00\x00{}\x00"),
		"a text of negative length": bsonOf("\x02json\x00\xff\xff\xff\xff{}\x00"),
		"a document too short":      bsonOf("\x03d\x00\x04\x00\x00\x00\x00" + stored),
		"half a number":             bsonOf("\x12i\x001234"),
		"no json":                   bsonOf("\x02jso\x00\x03\x00\x00\x00{}\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, wire.UnmarshalBSON(doc, new(person)), wire.ErrBSON)
		})
	}
	require.ErrorIs(t, wire.UnmarshalBSON(bsonOf("\x02json\x00\x01\x00\x00\x00\x00"), new(person)), wire.ErrSyntax)
}

func TestUnmarshalYAML(t *testing.T) {
	t.Parallel()
	text := func(s string, err error) func(any) error {
		return func(into any) error {
			*into.(*string) = s
			return err
		}
	}
	var p person
	require.NoError(t, wire.UnmarshalYAML(text(`{"name":"x","new":1.50}`, nil), &p))
	require.JSONEq(t, `{"name":"x","new":1.50}`, encode(t, &p))
	require.ErrorIs(t, wire.UnmarshalYAML(text("", errors.New("a mapping, Kim")), &p), wire.ErrYAML)
	require.ErrorIs(t, wire.UnmarshalYAML(text("", nil), &p), wire.ErrYAML)
	require.ErrorIs(t, wire.UnmarshalYAML(text("name: x", nil), &p), wire.ErrSyntax)
}

func TestClone(t *testing.T) {
	t.Parallel()
	require.Nil(t, wire.Clone[person](nil))
	type pair struct{ A, B *int }
	seven := 7
	for name, value := range map[string]any{
		"nil":            nil,
		"nil and empty":  []any{[]int(nil), []int{}, map[string]int(nil), map[string]int{}, (*int)(nil)},
		"levels":         map[string]any{"a": []any{map[string]any{"b": []string{"c"}}}},
		"numbers":        []any{json.Number("1.50"), 1.5, 7},
		"arrays":         [2]*int{&seven, nil},
		"structs":        pair{A: &seven},
		"pointers":       &pair{B: &seven},
		"JSON text":      json.RawMessage(`{"a":1}`),
		"a map of lists": map[string][]float64{"a": {1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, &person{Anyway: value}, wire.Clone(&person{Anyway: value}))
		})
	}
	from := person{Anyway: []any{&seven, map[string][]int{"a": {1}}}}
	to := wire.Clone(&from).Anyway.([]any)
	*to[0].(*int) = 8
	to[1].(map[string][]int)["a"][0] = 2
	require.Equal(t, 7, seven)
	require.Equal(t, []int{1}, from.Anyway.([]any)[1].(map[string][]int)["a"])
}

// A database hands over bytes of unknown origin.
func FuzzUnmarshalBSON(f *testing.F) {
	f.Add(bsonOf(stored))
	f.Add(bsonOf("\x07_id\x00123456789012" + stored))
	f.Add(bsonOf("\x03d\x00\x05\x00\x00\x00\x00\x05b\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var p person
		if wire.UnmarshalBSON(doc, &p) != nil {
			return
		}
		again, err := wire.MarshalBSON(&p)
		require.NoError(t, err)
		var q person
		require.NoError(t, wire.UnmarshalBSON(again, &q))
		require.Equal(t, encode(t, &p), encode(t, &q))
	})
}
