package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
)

// readInto steps into arrays and objects down to a level, and returns what it met.
func readInto(r *wire.Reader, levels int) string {
	var met strings.Builder
	switch kind := r.Kind(); {
	case kind == '{' && levels > 0:
		r.Object(func(name string) { met.WriteString(name + "(" + readInto(r, levels-1) + ")") })
	case kind == '[' && levels > 0:
		r.Array(func() { met.WriteString("(" + readInto(r, levels-1) + ")") })
	default:
		met.Write(r.Value())
	}
	return met.String()
}

func TestReader(t *testing.T) {
	t.Parallel()
	const text = ` { "a" : [ 1 , {"b":null} ] , "\u0063\/" : { "d" : "e" , "f":[ ]} } `
	for levels, met := range []string{
		strings.TrimSpace(text),
		`a([ 1 , {"b":null} ])c/({ "d" : "e" , "f":[ ]})`,
		`a((1)({"b":null}))c/(d("e")f([ ]))`,
		`a((1)(b(null)))c/(d("e")f())`,
	} {
		r := wire.NewReader([]byte(text))
		require.Equal(t, met, readInto(r, levels))
		require.True(t, r.Ended())
	}

	r := wire.NewReader([]byte(text))
	names := 0
	object := r.Object(func(string) { names++ }) // reads nothing
	require.Equal(t, 2, names)
	require.Equal(t, strings.TrimSpace(text), string(object))
	require.True(t, r.Ended())

	r = wire.NewReader([]byte(`[1,{"a":2]]`))
	require.Nil(t, r.Array(func() {}))
	require.Zero(t, r.Kind())
	require.Nil(t, r.Value(), "nothing is behind a violation")
	require.False(t, r.Ended())
	require.Nil(t, wire.NewReader([]byte(`[]`)).Object(func(string) {}), "another kind than asked for")
	require.False(t, wire.NewReader(nil).Ended(), "nothing was read")
}

func TestReaderHandsOutNoVeryLongName(t *testing.T) {
	t.Parallel()
	for n, expected := range map[int]int{1022: 1022, 1023: 0} {
		r := wire.NewReader([]byte(`{"` + strings.Repeat("x", n) + `":1}`))
		met := -1
		r.Object(func(name string) { met = len(name) })
		require.Equal(t, expected, met)
		require.True(t, r.Ended())
	}
}

// Who reads a second value where one is finds nothing, also where the text has two.
func TestReaderReadsEachValueOnce(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"a":1 2}`, `{"a":1{"b":2}}`, `{"a":[1][2]}`, `{"a":1}`, `{"a":1,"b":2}`} {
		r := wire.NewReader([]byte(text))
		require.Nil(t, r.Object(func(string) {
			require.NotNil(t, r.Value())
			require.Zero(t, r.Kind())
			require.Nil(t, r.Value())
		}), text)
		require.False(t, r.Ended(), text)
	}
	for _, text := range []string{`1 2`, `[] []`, `{}`} {
		r := wire.NewReader([]byte(text))
		require.NotNil(t, r.Value())
		require.Nil(t, r.Value())
		require.False(t, r.Ended(), text)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for value, text := range map[string]string{
		``: "", `null`: "", `1`: "", `[]`: "", `""`: "",
		`"a\u00e9\n"`: "aé\n", "\"\xff\"": "\uFFFD", `"\ud800"`: "\uFFFD",
	} {
		require.Equal(t, text, wire.Text([]byte(value)), value)
	}
}
