package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
)

// nearlyJSON are texts at the edges of the grammar.
func nearlyJSON() []string {
	texts := []string{
		``, ` `, `{}`, `[]`, ` [ ] `, "\t{\r\n}", `{ "a" : [ 1 , {} , [] ] , "b" : "" }`, `null`, `true`,
		`false`, `nul`,
		`nulls`, `tru`, `True`, `[1,]`, `[,1]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{1:1}`,
		`{"a" 1}`,
		`{"a":1 "b":2}`, `[}`, `{]`, `[`, `{`, `]`, `}`, `[[]`, `[]]`, `{"a":[}`, `{}{}`, `1 2`, `"`, `"a`,
		`"\"`, `"\\"`,
		`"\/\b\f\n\r\t\""`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\uDE00"`, `"\u`,
		"\"\x00\"", "\"\n\"", "\"\x7f\"", "\"\xff\"", "\"\xc3\xa9\"", "\xef\xbb\xbf{}", "\xff", "[\xa0]",
		"{\"\xff\":1}",
		`0`, `-0`, `00`, `01`, `-`, `--1`, `+1`, `.5`, `1.`, `1.5`, `1.e1`, `1e`, `1e+`, `1E-07`, `1e5.`, `0x1`, `NaN`,
		`-Infinity`, `1_0`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"a":1},"b":{"a":1}}`, `[{"a":1},{"a":1}]`,
		`{"":1}`, `{"":1,"":2}`, `{"ab":1,"ba":2,"ab":3}`, `{"a":"\"","a\"":1}`, `/**/1`, `"a" :`, `[1]x`, `{"a":1}:`,
		// Names of objects inside each other: those with the same ends and length share a bit.
		`{"a":{"c":1},"a":2}`, `{"a":{"b":1},"b":{"a":1}}`, `{"a1z":{"a2z":1},"a2z":2}`, `{"a1z":[{"a2z":1}],"a2z":2}`,
		`{"a1z":1,"b":{"a2z":1,"a1z":1}}`, `{"a1z":1,"b":[{"a2z":1},{"a1z":1}],"a3z":1,"a1z":2}`,
		"{\"\xff\":1,\"\xfe\":2}", "{\"\xff\":1,\"\ufffd\":2}", `{"a":1,"b":[{},{"c":1}]],"d":2}`,
		"[" + strings.Repeat(`{"a":[]},`, 10_001) + "{}]",
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000),
	}
	for _, n := range []int{95, 96, 97, 200} {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"name%d":%d`, i, i))
		}
		whole := strings.Join(members, ",")
		texts = append(texts, "{"+whole+"}", "{"+whole+`,"name7":1}`, "[{"+whole+"},{"+whole+"}]")
	}
	for _, n := range []int{22, 23, 24, 25, 65} {
		deep := func(inner string) string {
			return strings.Repeat(`{"a":[`, n/2) + inner + strings.Repeat(`]}`, n/2)
		}
		texts = append(texts, deep(`{"b":1,"c":2}`), deep(`{"b":1,"b":2}`), deep(`{"b":1],"b":2}`), deep(`{"b":1}`)+"}")
	}
	return texts
}

// What is valid is what encoding/json takes for it, and what is decoded is what
// jsontext, which looks at every name, takes for it, as is what is read in parts.
func TestValid(t *testing.T) {
	t.Parallel()
	for _, text := range nearlyJSON() {
		requireSameGrammar(t, []byte(text))
		requireSameGrammar(t, []byte(text+strings.Repeat(" ", 40))) // looked at sixteen bytes at a time
		requireSameGrammar(t, []byte(`{"`+strings.Repeat("x", 40)+`":`+text+"}"))
	}
	require.True(t, isValid([]byte(`{"a":[1,-2.5e3,true,null,"\u00e9"]}`)))
	require.False(t, isValid([]byte(`{"a":[1,-2.5e3,true,null,"\u00e9"}`)))
}

func isValid(text []byte) bool { return wire.Look(text, "", false).Valid() }

func requireSameGrammar(t *testing.T, text []byte) {
	t.Helper()
	require.Equal(t, json.Valid(text), isValid(text), "%.200q", text)
	requireSameMember(t, text)
	decoded := jsontext.Value(text).IsValid(jsontext.AllowInvalidUTF8(true))
	var out any
	require.Equal(t, decoded, wire.Unmarshal(text, &out) == nil, "%.200q", text)
	for _, levels := range []int{0, 1, 3, 10_001} {
		r := wire.NewReader(text)
		readInto(r, levels)
		require.Equal(t, decoded, r.Ended(), "%d: %.200q", levels, text)
	}
}

// A member is found where encoding/json finds it, and may be found where a name has an
// escape.
func requireSameMember(t *testing.T, text []byte) {
	t.Helper()
	var members map[string]json.RawMessage
	isObject := json.Unmarshal(text, &members) == nil
	_, is := members["a"]
	for _, unique := range []bool{false, true} {
		has := wire.Look(text, "a", unique).Has()
		require.True(t, has || !is, "%.200q", text)
		require.True(t, !has || is || isObject && bytes.IndexByte(text, '\\') >= 0, "%.200q", text)
	}
}

// A name that appears twice is found however it is spelled, in large objects and deep
// ones, as jsontext finds it.
func TestNamesThatAppearTwice(t *testing.T) {
	t.Parallel()
	pieces := []string{
		"", "", "", "a", `\u0061`, "/", `\/`, `\n`, `\u000A`, `\\`, `\u005c`, `\"`, `\u0022`, "é", `\u00e9`, "\xff",
		"\xe2\x82", "\ufffd", `\ufffd`, "😀", `\ud83d\ude00`, `\uD83D`, `\ude00`, `\ud83d\u0061`, `\t`,
		`\b\f\r`, `\u0008\u000c\u000d`,
	}
	next := rand.New(rand.NewPCG(1, 2))
	found := map[bool]int{}
	for range 4000 {
		object := &strings.Builder{}
		fmt.Fprint(object, `{"x":[{"a":1},{"a":{"b":1}}],"b":1`)
		if next.IntN(2) == 0 {
			for i := range 100 {
				fmt.Fprintf(object, `,"%d":1`, i)
			}
		}
		for range next.IntN(10) {
			fmt.Fprintf(object, `, "%s%s" :1`, pieces[next.IntN(len(pieces))], pieces[next.IntN(5)])
		}
		levels := next.IntN(30)
		text := []byte(strings.Repeat(`{"a":[`, levels) + object.String() + "}" + strings.Repeat(`]}`, levels))
		unique := jsontext.Value(text).IsValid(jsontext.AllowInvalidUTF8(true))
		found[unique]++
		var out any
		require.Equal(t, unique, wire.Unmarshal(text, &out) == nil, "%q", text)
		r := wire.NewReader(text)
		r.Value()
		require.Equal(t, unique, r.Ended(), "%q", text)
	}
	require.Greater(t, min(found[true], found[false]), 500)
}

func FuzzValid(f *testing.F) {
	for _, text := range nearlyJSON() {
		if len(text) < 2000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		requireSameGrammar(t, text)
	})
}

// A look at each byte is all that it takes.
func TestValidAsksForNoMemory(t *testing.T) {
	text := []byte(`{"a":[` + strings.TrimSuffix(strings.Repeat(`{"name":"Robin","n":1.5},`, 1000), ",") + `]}`)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		require.True(t, isValid(text))
		require.True(t, wire.Look(text, "errors", true).Valid(), "with its names")
	}))
}

// Nor does a level that is left and entered again and again.
func TestValidAsksForLittleMemoryBetweenLevels(t *testing.T) {
	const levels = 100 * 64
	deep := strings.Repeat("[", levels) + strings.Repeat("[],", 1000) + "1" + strings.Repeat("]", levels)
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
		require.True(t, isValid([]byte(deep)))
	}), 10.0)
}
