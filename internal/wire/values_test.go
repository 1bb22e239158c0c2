package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
)

// What numbers become in fields, beside the spelling that goes back.
func TestNumbersInFields(t *testing.T) {
	t.Parallel()
	whole := func(n int64) *int { // nil where an int of this platform cannot hold n
		if int64(int(n)) != n {
			return nil
		}
		short := int(n)
		return &short
	}
	fraction := func(f float64) *float64 { return &f }
	for _, row := range []struct {
		literal string
		count   *int
		share   *float64
		drifts  int // of count and share together
	}{
		{"0", whole(0), fraction(0), 0},
		{"9", whole(9), fraction(9), 0},
		{"-1", whole(-1), fraction(-1), 0},
		{"1e2", whole(100), fraction(100), 0},
		{"10.0", whole(10), fraction(10), 0},
		{"1.5", nil, fraction(1.5), 1},
		{"9007199254740992.0", whole(1 << 53), fraction(1 << 53), 0},
		{"9007199254740994.0", nil, fraction(1<<53 + 2), 1},
		{"9007199254740993", whole(1<<53 + 1), fraction(1 << 53), 0},
		{"1e999", nil, nil, 2},
		{`"7"`, nil, nil, 2},
		{"true", nil, nil, 2},
		{"[1]", nil, nil, 2},
	} {
		t.Run(row.literal, func(t *testing.T) {
			t.Parallel()
			doc := `{"count":` + row.literal + `,"share":` + row.literal + `}`
			var p person
			drifts := 0
			require.NoError(t, wire.UnmarshalReporting([]byte(doc), &p, func(d wire.Drift) {
				require.Equal(t, wire.TypeChanged, d.Kind)
				drifts++
			}))
			require.Equal(t, row.count, p.Count)
			require.Equal(t, row.share, p.Share)
			require.Equal(t, row.drifts, drifts)
			require.Equal(t, doc, encode(t, &p), "it goes back unchanged")
		})
	}
}

func TestAnyValues(t *testing.T) {
	t.Parallel()
	p := decode(t, `{"anyway":[1.5,0,-7,1e999,12345678901234567890,"x",true,null,{"a":[]}]}`)
	require.Equal(t, []any{
		1.5, float64(0), float64(-7), json.Number("1e999"), json.Number("12345678901234567890"), "x", true, nil,
		map[string]any{"a": []any{}},
	}, p.Anyway)
}

func TestWhiteSpace(t *testing.T) {
	t.Parallel()
	p := decode(
		t, " \n{ \"name\" :\t\"x\" ,\r\n \"tags\" : [ \"a\" , \"b\" ] , \"home\" : { \"street\" : \"s\" , \"new\" : "+
			"[ 1 , { } ] } , \"count\" : 3 } \n ",
	)
	require.Equal(t, "x", p.Name)
	require.Equal(t, []string{"a", "b"}, p.Tags)
	require.Equal(t, "s", p.Home.Street)
	require.Equal(t, 3, *p.Count)
	require.JSONEq(t, `{"name":"x","tags":["a","b"],"home":{"street":"s","new":[1,{}]},"count":3}`, encode(t, p))
}

func TestEscapes(t *testing.T) {
	t.Parallel()
	p := decode(t, `{"\u006eame":"\"","col\u006fur":"\\","tags":["\\\"","\\\\","a\"b",""],"\u0078":1}`)
	require.Equal(t, `"`, p.Name)
	require.Equal(t, colour(`\`), p.Colour)
	require.Equal(t, []string{`\"`, `\\`, `a"b`, ""}, p.Tags)
	x, found := wire.Get(&p.Unknown.Members, "x")
	require.True(t, found)
	require.Equal(t, "1", string(x))
}

// A struct without Members keeps nothing, and harms nothing.
func TestStructWithoutMembers(t *testing.T) {
	t.Parallel()
	type inner struct {
		A string `json:"a"`
		B string `json:"b"`
	}
	type outer struct {
		Inner   inner `json:"inner"`
		Unknown rest  `json:"-"`
	}
	for doc, want := range map[string]string{
		`{"inner":{"a":"1","c":2},"x":3}`: `{"inner":{"a":"1"},"x":3}`,
		`{"inner":"text"}`:                `{"inner":"text"}`,
	} {
		var o outer
		require.NoError(t, wire.Unmarshal([]byte(doc), &o))
		out, err := wire.Marshal(&o)
		require.NoError(t, err)
		require.JSONEq(t, want, string(out))
	}
}

// Members may stand first in a struct, also in one that a map holds.
func TestMembersFirst(t *testing.T) {
	t.Parallel()
	type first struct {
		Unknown rest             `json:"-"`
		A       string           `json:"a"`
		M       map[string]first `json:"m"`
	}
	const doc = `{"a":"1","b":[2],"m":{"x":{"a":"3","c":4}}}`
	var v first
	require.NoError(t, wire.Unmarshal([]byte(doc), &v))
	out, err := wire.Marshal(&v)
	require.NoError(t, err)
	require.JSONEq(t, doc, string(out))
}

// What others added to a list meanwhile does not undo what was sent.
func TestCoversWhatOthersAdded(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, base, sent, latest string
		want                     bool
	}{
		{"added beside it", `[1]`, `[1,2]`, `[1,2,3]`, true},
		{"one more of what was there", `[1]`, `[1,2]`, `[1,1,2]`, true},
		{"one less of what was there", `[1,1]`, `[1,1,2]`, `[1,2]`, true},
		{"it is not there", `[1]`, `[1,2]`, `[1,3]`, false},
		{"removed", `[1,2]`, `[1]`, `[1,3]`, true},
		{"not removed", `[1,2]`, `[1]`, `[1,2,3]`, false},
		{"turned round, and added to", `["b","a"]`, `["a","b"]`, `["a","b","c"]`, true},
		{"not turned round", `["b","a"]`, `["a","b"]`, `["b","a","c"]`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, wire.Covers([]byte(row.base), []byte(row.sent), []byte(row.latest)))
		})
	}
}
