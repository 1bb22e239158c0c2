package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	const (
		free       = `{"address":{"type":"FREEFORM","country":"GBR","text":"1 Elm Row, Leeds"}}`
		structured = `{"address":{"type":"STRUCTURED","country":"GBR","route":"Elm Row",` +
			`"original_freeform_address":"1 Elm Row, Leeds"}}`
	)
	tests := []struct {
		name string
		a, b string
		want bool
	}{
		{"same text", `{"a":1}`, `{"a":1}`, true},
		{"member order and space", `{"a":1,"b":2}`, ` { "b" : 2 , "a" : 1 } `, true},
		{"value differs", `{"a":"x"}`, `{"a":"y"}`, false},
		{"case of a string", `"a"`, `"A"`, false},
		{"string spelling", `"\u0041\/"`, `"A/"`, true},
		{"string is no number", `{"a":"1"}`, `{"a":1}`, false},
		{"string is no literal", `"true"`, `true`, false},
		{"literals", `[true,false]`, `[true,true]`, false},
		{"null is absent", `{"a":null,"b":1}`, `{"b":1}`, true},
		{"empty string is absent", `{"a":"","b":1}`, `{"b":1}`, true},
		{"empty list is absent", `{"a":[],"b":1}`, `{"b":1}`, true},
		{"empty object is absent", `{"a":{},"b":1}`, `{"b":1}`, true},
		{"object of nothing is absent", `{"a":{"b":{"c":null,"d":[]}}}`, `{}`, true},
		{"empty is one thing", `{"a":""}`, `{"a":null}`, true},
		{"false is not absent", `{"a":false}`, `{}`, false},
		{"zero is not absent", `{"a":0}`, `{}`, false},
		{"element is not absent", `[null]`, `[]`, false},
		{"no text is null", ``, `null`, true},
		{"decimal", `1.0`, `1`, true},
		{"exponent", `[1e2,12e-1,0.10e+2]`, `[100,1.2,10]`, true},
		{"zeros", `[0,-0,0.00,0e999999999999999999999]`, `[0,0,0,0]`, true},
		{"sign", `-1`, `1`, false},
		{"no rounding", `9007199254740993`, `9007199254740992`, false},
		{"no rounding after the point", `0.1000000000000000000001`, `0.1`, false},
		{"long exponent", `1e1000000000`, `10e999999999`, true},
		{"huge exponent", `1e99999999999999999999`, `1e99999999999999999998`, false},
		{"element order", `[1,2]`, `[2,1]`, false},
		{"server's structured original",
			`{"a":{"type":"STRUCTURED","route":"Elm Row","original_structured_address":{"route":"elm"}}}`,
			`{"a":{"type":"STRUCTURED","route":"Elm Row"}}`, true},
		{"server's freeform original", `{"a":{"route":"Elm Row","original_freeform_address":"x"}}`,
			`{"a":{"route":"Elm Row"}}`, true},
		{"freeform became structured", free, structured, true},
		{"text differs from the original", strings.Replace(free, "1 Elm", "2 Elm", 1), structured, false},
		{"country differs", strings.Replace(free, "GBR", "FRA", 1), structured, false},
		{"freeform with more than the server knows", strings.Replace(free, `"text"`, `"note":1,"text"`, 1), structured,
			false},
		{"structured without original", free, `{"address":{"type":"STRUCTURED","country":"GBR","route":"Elm Row"}}`,
			false},
		{"structured edited", structured, strings.Replace(structured, `"Elm Row"`, `"Oak Row"`, 1), false},
		{"given names split", `{"given_names":["Ada May"," Jo "]}`, `{"given_names":["Ada","May","Jo"]}`, true},
		{"given names differ", `{"given_names":["Ada May"]}`, `{"given_names":["Ada","Mai"]}`, false},
		{"given names of space", `{"given_names":[" "]}`, `{}`, true},
		{"other lists are not split", `{"alt_family_names":["Ada May"]}`, `{"alt_family_names":["Ada","May"]}`, false},
		{"given names of other types", `{"given_names":["A B",1]}`, `{"given_names":["A","B",1]}`, false},
		{"not JSON", `{"a":`, `{"a":`, true},
		{"not JSON, different", `{"a":`, `{"b":`, false},
		{"not JSON and JSON", `{"a":1,"a":1}`, `{"a":1}`, false},
		{"trailing text", `1 2`, `1`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := []byte(tt.a), []byte(tt.b)
			require.Equal(t, tt.want, wire.Equal(a, b))
			require.Equal(t, tt.want, wire.Equal(b, a), "the other way round")
			require.Equal(t, tt.want, len(wire.Diff(a, b)) == 0)
			require.Equal(t, tt.want, len(wire.Diff(b, a)) == 0, "the other way round")
		})
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		a, b string
		want []string
	}{
		{"nothing", `{"a":1}`, `{"a":1.0}`, nil},
		{"changed", `{"a":{"b":"x"}}`, `{"a":{"b":"y"}}`, []string{`/a/b "x" -> "y"`}},
		{"added", `{}`, `{"a":{"b":1}}`, []string{`/a  -> {"b":1}`}},
		{"removed", `{"a": [ 1 ]}`, `{}`, []string{`/a [ 1 ] -> `}},
		{"cleared", `{"a":"x"}`, `{"a":""}`, []string{`/a "x" -> `}},
		{"filled", `{"a":null}`, `{"a":1}`, []string{`/a  -> 1`}},
		{"type", `{"a":{"b":1}}`, `{"a":[1]}`, []string{`/a {"b":1} -> [1]`}},
		{"root", `1`, `2`, []string{` 1 -> 2`}},
		{"escaped name", `{"a/b~c":1}`, `{"a/b~c":2}`, []string{`/a~1b~0c 1 -> 2`}},
		{"in member order", `{"b":1,"a":1}`, `{"c":1,"b":2}`, []string{`/a 1 -> `, `/b 1 -> 2`, `/c  -> 1`}},
		{"inserted in front", `{"l":[1,2,3]}`, `{"l":[0,1,2,3]}`, []string{`/l/0  -> 0`}},
		{"removed in the middle", `{"l":[1,2,3]}`, `{"l":[1,3]}`, []string{`/l/1 2 -> `}},
		{"appended", `{"l":[1]}`, `{"l":[1,2,3]}`, []string{`/l/1  -> 2`, `/l/2  -> 3`}},
		{"element changed", `[{"x":1,"y":1},{"x":2}]`, `[{"x":1,"y":2},{"x":2}]`, []string{`/0/y 1 -> 2`}},
		{"moved", `[1,2,3]`, `[3,1,2]`, []string{`/0  -> 3`, `/2 3 -> `}},
		{"insert and change", `[{"a":1,"b":2,"c":3}]`, `[{"a":9,"b":8,"c":7},{"a":1,"b":2,"c":4}]`,
			[]string{`/0  -> {"a":9,"b":8,"c":7}`, `/1/c 3 -> 4`}},
		{"remove and change", `[{"a":9},{"a":1,"b":{"c":1,"d":2}}]`, `[{"a":1,"b":{"c":1,"d":3}}]`,
			[]string{`/0 {"a":9} -> `, `/0/b/d 2 -> 3`}},
		{"matched by id", `[{"id":"a","v":1},{"id":"b","v":1}]`, `[{"id":"c","v":1},{"id":"a","v":2}]`,
			[]string{`/0  -> {"id":"c","v":1}`, `/1/v 1 -> 2`, `/1 {"id":"b","v":1} -> `}},
		{"matched by associate id", `[{"associate_id":"a","v":1}]`,
			`[{"associate_id":"b","v":1},{"associate_id":"a","v":2}]`,
			[]string{`/0  -> {"associate_id":"b","v":1}`, `/1/v 1 -> 2`}},
		{"matched by resolver id", `[{"resolver_id":"a","v":1},{"resolver_id":"b","v":2}]`,
			`[{"resolver_id":"b","v":3}]`, []string{`/0 {"resolver_id":"a","v":1} -> `, `/0/v 2 -> 3`}},
		{"another id is another element", `[{"id":"a","v":1},{"v":2}]`, `[{"id":"b","v":1},{"v":2}]`,
			[]string{`/0 {"id":"a","v":1} -> `, `/0  -> {"id":"b","v":1}`}},
		{"freeform text", `{"type":"FREEFORM","text":"x"}`, `{"type":"FREEFORM","text":"y"}`,
			[]string{`/text "x" -> "y"`}},
		{"address of another type", `{"a":{"type":"FREEFORM","text":"x"}}`, `{"a":{"type":"STRUCTURED","route":"x"}}`,
			[]string{`/a {"type":"FREEFORM","text":"x"} -> {"type":"STRUCTURED","route":"x"}`}},
		{"given names", `{"given_names":["A"]}`, `{"given_names":["A","B"]}`, []string{`/given_names/1  -> "B"`}},
		{"given names to be split", `{"given_names":["A B"]}`, `{"given_names":["A","C"]}`,
			[]string{`/given_names ["A B"] -> ["A","C"]`}},
		{"noise beside a change", `{"a":{"v":1}}`, `{"a":{"v":2,"original_structured_address":{"v":1}},"b":[]}`,
			[]string{`/a/v 1 -> 2`}},
		{"not JSON", `{`, `{}`, []string{` { -> {}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range wire.Diff([]byte(tt.a), []byte(tt.b)) {
				got = append(got, fmt.Sprintf("%s %s -> %s", c.Pointer, string(c.Old), string(c.New)))
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestDiffOwnsItsValues(t *testing.T) {
	t.Parallel()
	a, b := []byte(`{"a":"old"}`), []byte(`{"a":"new"}`)
	changes := wire.Diff(a, b)
	clear(a)
	clear(b)
	require.Equal(t, []wire.Change{{Pointer: "/a", Old: json.RawMessage(`"old"`), New: json.RawMessage(`"new"`)}},
		changes)
}

func TestDiffOfLongLists(t *testing.T) {
	t.Parallel()
	list := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, ",%d", i)
		}
		return "[" + b.String()[1:] + "]"
	}
	changes := wire.Diff([]byte(list(0, 20_000)), []byte(strings.Replace(list(5, 20_003), ",9000,", ",", 1)))
	require.Len(t, changes, 5+1+3)
}

func TestCovers(t *testing.T) {
	t.Parallel()
	const (
		free       = `{"l":[{"type":"FREEFORM","country":"GBR","text":"1 Elm Row"}]}`
		structured = `{"l":[{"type":"STRUCTURED","country":"GBR","route":"Elm Row","original_freeform_address":"1 ` +
			`Elm Row"}]}`
	)
	tests := []struct {
		name               string
		base, sent, latest string
		want               bool
	}{
		{"written", `{"a":1}`, `{"a":2}`, `{"a":2}`, true},
		{"not written", `{"a":1}`, `{"a":2}`, `{"a":1}`, false},
		{"written, another member changed", `{"a":1,"b":1}`, `{"a":2,"b":1}`, `{"a":2,"b":5,"c":1}`, true},
		{"overwritten", `{"a":1}`, `{"a":2}`, `{"a":3}`, false},
		{"nothing was changed", `{"a":1}`, `{"a":1.0}`, `{"a":7}`, true},
		{"added", `{}`, `{"a":{"b":1}}`, `{"a":{"b":1,"c":2}}`, true},
		{"added, not written", `{}`, `{"a":{"b":1}}`, `{"a":{"c":2}}`, false},
		{"half written", `{}`, `{"a":1,"b":2}`, `{"a":1}`, false},
		{"removed", `{"a":1,"b":1}`, `{"b":1}`, `{"b":2}`, true},
		{"removed, not written", `{"a":1,"b":1}`, `{"b":1}`, `{"a":1,"b":1}`, false},
		{"removed, set again", `{"a":1}`, `{}`, `{"a":2}`, false},
		{"removed object, other content", `{"a":{"x":1}}`, `{}`, `{"a":{"y":1}}`, false},
		{"cleared with an empty string", `{"a":"x"}`, `{"a":""}`, `{}`, true},
		{"nested", `{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":2}}}`, `{"a":{"b":{"c":2,"d":1}}}`, true},
		{"type changed", `{"a":1}`, `{"a":[1]}`, `{"a":[1,2]}`, true},
		{"type changed, not written", `{"a":1}`, `{"a":[1]}`, `{"a":1}`, false},
		{"scalar removed, list there", `{"a":1}`, `{}`, `{"a":[2]}`, false},
		{"appended", `[1]`, `[1,2]`, `[0,1,2,3]`, true},
		{"appended, not written", `[1]`, `[1,2]`, `[1]`, false},
		{"appended once more, not written", `[1]`, `[1,1]`, `[1]`, false},
		{"appended once more", `[1]`, `[1,1]`, `[1,1]`, true},
		{"first element", `{}`, `{"l":[1]}`, `{"l":[1,2]}`, true},
		{"first element, not written", `{}`, `{"l":[1]}`, `{}`, false},
		{"element removed", `[1,2]`, `[1]`, `[1,3]`, true},
		{"element removed, not written", `[1,2]`, `[1]`, `[1,2]`, false},
		{"one of two removed, not written", `[1,1]`, `[1]`, `[1,1]`, false},
		{"last element removed", `{"l":[1]}`, `{}`, `{"l":[2]}`, true},
		{"all removed by others too", `[1,2]`, `[1]`, `[]`, true},
		{"element replaced", `[{"v":1}]`, `[{"v":2}]`, `[{"v":2},{"v":3}]`, true},
		{"element replaced, old one still there", `[{"v":1}]`, `[{"v":2}]`, `[{"v":2},{"v":1}]`, false},
		{"reordered", `[1,2]`, `[2,1]`, `[2,1]`, true},
		{"reordered, not written", `[1,2]`, `[2,1]`, `[1,2]`, false},
		{"reordered, more on top", `[1,2]`, `[2,1]`, `[2,3,1]`, true},
		{"reordered and appended, only appended", `[1,2]`, `[2,1,3]`, `[1,2,3]`, false},
		{"element changed by id", `[{"id":"a","v":1}]`, `[{"id":"a","v":2}]`, `[{"id":"b"},{"id":"a","v":2,"w":1}]`,
			true},
		{"element changed by id, not written", `[{"id":"a","v":1}]`, `[{"id":"a","v":2}]`, `[{"id":"a","v":1,"w":1}]`,
			false},
		{"element removed by id", `[{"id":"a"},{"id":"b"}]`, `[{"id":"b"}]`, `[{"id":"b","v":1}]`, true},
		{"element removed by id, not written", `[{"id":"a"},{"id":"b"}]`, `[{"id":"b"}]`,
			`[{"id":"a","v":1},{"id":"b"}]`, false},
		{"element added by id, not written", `[]`, `[{"id":"a"}]`, `[{"id":"b"}]`, false},
		{"reordered by id, not written", `[{"id":"a"},{"id":"b"}]`, `[{"id":"b"},{"id":"a"}]`,
			`[{"id":"a","v":1},{"id":"b"}]`, false},
		{"same element twice by id", `[{"id":"a"}]`, `[{"id":"a"},{"id":"a"}]`, `[{"id":"a"}]`, false},
		{"server noise", `{"a":{"v":1}}`, `{"a":{"v":2}}`, `{"a":{"v":2,"original_structured_address":{"v":2}}}`, true},
		{"freeform stored as structured", `{}`, free, structured, true},
		{"freeform stored as structured, one of two", `{}`,
			`{"l":[` + free[6:len(free)-2] + `,` + free[6:len(free)-2] + `]}`, structured, false},
		{"freeform over another", strings.Replace(free, "1 Elm", "2 Elm", 1), free, structured, true},
		{"freeform over another, not written", strings.Replace(free, "1 Elm", "2 Elm", 1), free,
			strings.Replace(structured, "1 Elm", "2 Elm", 1), false},
		{"freeform removed, stored since", free, `{}`, structured, false},
		{"structured over structured, freeform there", structured,
			strings.Replace(structured, `"Elm Row"`, `"Oak Row"`, 1), free, false},
		{"given names split", `{}`, `{"given_names":["A B"]}`, `{"given_names":["A","B"]}`, true},
		{"base is not JSON", `{`, `{"a":1}`, `{"a":1}`, false},
		{"sent is not JSON", `{}`, `{"a"`, `{"a":1}`, false},
		{"latest is not JSON", `{}`, `{"a":1}`, `{"a":1}]`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, wire.Covers([]byte(tt.base), []byte(tt.sent), []byte(tt.latest)))
		})
	}
}

func TestCompareDeepNesting(t *testing.T) {
	t.Parallel()
	deep := func(n int, leaf string) []byte {
		return []byte(strings.Repeat(`[{"a":`, n) + leaf + strings.Repeat(`}]`, n))
	}
	a, b := deep(4000, "1"), deep(4000, "2")
	require.True(t, wire.Equal(a, a))
	require.Len(t, wire.Diff(a, b), 1)
	require.False(t, wire.Covers(a, b, a))
	require.True(t, wire.Equal(deep(100_000, "1"), deep(100_000, "1")), "too deep to be read: means itself")
	require.False(t, wire.Equal(deep(100_000, "1"), deep(100_000, "2")))
}

func FuzzCompare(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":null}],"given_names":["A B"]}`, `{"given_names":["A","B"],"a":[1.0,{}]}`,
		`[{"id":"a"},{"id":"b"}]`, `[{"id":"b","type":"FREEFORM","text":"x"}]`,
		`[{"id":"b","type":"STRUCTURED","original_freeform_address":"x"}]`,
		`1e999999999999`, `"\ud800"`, `{"a":1,"a":2}`, `[[1,2,3],[2,3]]`,
	} {
		f.Add([]byte(s), []byte(`[{"id":"a","v":0}]`), []byte(`{"a":[1]}`))
		f.Add([]byte(`{"a":[0,1]}`), []byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		require.True(t, wire.Equal(a, a), "reflexive")
		equal := wire.Equal(a, b)
		require.Equal(t, equal, wire.Equal(b, a), "symmetric")
		require.Equal(t, equal, len(wire.Diff(a, b)) == 0)
		require.Empty(t, wire.Diff(b, b))
		wire.Covers(a, b, c)
		if json.Valid(a) && json.Valid(b) && !wire.Covers(a, b, b) {
			require.Error(t, strict(a, b), "what was sent is there")
		}
		if wire.Covers(a, b, a) {
			require.True(t, equal, "a change is taken for written where nothing was")
		}
	})
}

// strict reports an error for texts encoding/json takes and the comparison does not.
func strict(texts ...[]byte) error {
	for _, text := range texts {
		if err := jsontext.NewDecoder(bytes.NewReader(text)).SkipValue(); err != nil {
			return err
		}
	}
	return nil
}
