package wire_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
	"github.com/passfort-go/passfort/internal/wire/wiretest"
)

type rest struct{ wire.Members }

type colour string

func (c colour) Known() bool { return c == "RED" || c == "BLUE" }

type person struct {
	Name    string             `json:"name"`
	Colour  colour             `json:"colour"`
	Active  *bool              `json:"active"`
	Count   *int               `json:"count"`
	Share   *float64           `json:"share"`
	Tags    []string           `json:"tags"`
	Shares  []float64          `json:"shares"`
	Home    *place             `json:"home"`
	Places  []place            `json:"places"`
	Numbers map[string]string  `json:"numbers"`
	Custom  map[string]any     `json:"custom"`
	Friends map[string]place   `json:"friends"`
	Ranges  [][]int            `json:"ranges"`
	Best    *person            `json:"best"`
	Info    json.RawMessage    `json:"info"`
	Anyway  any                `json:"anyway"`
	Scores  map[string]float64 `json:"scores"`
	Unknown rest               `json:"-"`
}

type place struct {
	Street  string `json:"street"`
	Number  *int   `json:"number"`
	Country string `json:"country"`
	Unknown rest   `json:"-"`
}

func decode(t *testing.T, doc string) *person {
	t.Helper()
	var p person
	require.NoError(t, wire.Unmarshal([]byte(doc), &p))
	return &p
}

func encode(t *testing.T, p *person) string {
	t.Helper()
	out, err := wire.Marshal(p)
	require.NoError(t, err)
	return string(out)
}

func tree(t require.TestingT, doc []byte) any {
	v, err := wiretest.Tree(doc)
	require.NoError(t, err, "%s", doc)
	return v
}

func TestRoundTripKeeps(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, doc string }{
		{"empty object", `{}`},
		{"unknown members", `{"new":1,"deep":{"a":[1,{"b":null}]},"name":"x"}`},
		{"explicit nulls", `{"name":null,"active":null,"count":null,"tags":null,"home":null,"custom":null,` +
			`"info":null,"anyway":null,"best":null,"numbers":null}`},
		{"empty values", `{"name":"","tags":[],"home":{},"places":[],"custom":{},"numbers":{},"active":false,` +
			`"count":0,"share":0}`},
		{"nested empties", `{"places":[{"street":""},{"street":null},{},null],"best":{"home":{"street":""}}}`},
		{"long numbers", `{"share":12345678901234567890.123456789,"count":12345678901234567890,` +
			`"custom":{"n":12345678901234567890123,"m":0.1000000000000000055511151231257827}}`},
		{"odd spellings", `{"share":50.0,"count":1e2,"custom":{"a":1.0,"b":[2.50]},"scores":{"x":1.50},"shares":[1.0,` +
			`2]}`},
		{"overflow", `{"share":1e999,"count":1e400,"custom":{"n":1e999}}`},
		{"wrong scalar", `{"name":7,"active":"yes","count":"3","share":"0.5","colour":true}`},
		{"wrong container", `{"tags":"one","home":[1],"places":{"a":1},"numbers":[1],"custom":"x","best":"someone",` +
			`"friends":3}`},
		{"wrong elements", `{"tags":["a",null,7,""],"places":["x",3,{"street":"y"}],"numbers":{"GBR":null,"USA":7},` +
			`"ranges":[[1,2],[3],"x"],"friends":{"a":null,"b":{"street":"z","q":1}}}`},
		{"fraction in an integer", `{"count":1.5}`},
		{"escaped names and values", "{\"n\\u0061me\":\"\\ud83d\\ude00\\n\\\"\\\\\",\"x\\\"y\":\"\\u2028\"}"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			out := encode(t, decode(t, row.doc))
			require.Equal(t, tree(t, []byte(row.doc)), tree(t, []byte(out)))
		})
	}
}

func TestChangeOfOneField(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, doc string
		change    func(*person)
		want      string
	}{
		{"null replaced", `{"name":null,"x":1}`, func(p *person) { p.Name = "n" }, `{"name":"n","x":1}`},
		{"empty list cleared", `{"tags":[],"x":1}`, func(p *person) { p.Tags = nil }, `{"x":1}`},
		{"object cleared", `{"home":{"street":"s"}}`, func(p *person) { p.Home = nil }, `{}`},
		{"long number replaced", `{"share":1.00000000000000000001}`, func(p *person) { *p.Share = 2 }, `{"share":2}`},
		{"long number cleared", `{"share":1.00000000000000000001}`, func(p *person) { p.Share = nil }, `{}`},
		{"wrong type replaced", `{"name":[1]}`, func(p *person) { p.Name = "n" }, `{"name":"n"}`},
		{"appended beside nulls", `{"tags":["a",null,7]}`, func(p *person) {
			p.Tags = append(p.Tags, "z")
		}, `{"tags":["a",null,7,"z"]}`},
		{"appended beside long numbers", `{"shares":[1.0,0.10000000000000000001,3]}`,
			func(p *person) {
				p.Shares = append([]float64{9}, p.Shares...)
			}, `{"shares":[9,1.0,0.10000000000000000001,3]}`},
		{"map beside nulls", `{"numbers":{"GBR":null,"USA":7}}`, func(p *person) {
			p.Numbers["DEU"] = "1"
		}, `{"numbers":{"DEU":"1","GBR":null,"USA":7}}`},
		{"custom beside long numbers", `{"custom":{"a":1.0,"b":[12345678901234567890]}}`,
			func(p *person) { p.Custom["c"] = true }, `{"custom":{"a":1.0,"b":[12345678901234567890],"c":true}}`},
		{"reordered elements", `{"places":[{"street":"","q":1},{"street":null,"number":2.0},"odd"]}`,
			func(p *person) { p.Places[0], p.Places[2] = p.Places[2], p.Places[0] },
			`{"places":["odd",{"street":null,"number":2.0},{"street":"","q":1}]}`},
		{"odd element replaced", `{"places":["odd"]}`, func(p *person) {
			p.Places[0].Street = "s"
		}, `{"places":[{"street":"s"}]}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := decode(t, row.doc)
			row.change(p)
			require.Equal(t, tree(t, []byte(row.want)), tree(t, []byte(encode(t, p))))
		})
	}
}

func TestOddElementWithAMemberIsAnObject(t *testing.T) {
	t.Parallel()
	odd := decode(t, `{"places":[null,"odd"]}`)
	wire.Set(&odd.Places[0].Unknown.Members, "new", json.RawMessage(`1`))
	require.Equal(t, `{"places":[{"new":1},"odd"]}`, encode(t, odd))
}

// Python writes an emoji that was cut in half as half a surrogate pair.
func TestBrokenTextSurvives(t *testing.T) {
	t.Parallel()
	const half = `"cut \ud83d"`
	for _, row := range []struct{ name, doc string }{
		{"typed field", `{"name":%s}`},
		{"in a list", `{"tags":["a",%s]}`},
		{"in a map", `{"numbers":{"GBR":%s}}`},
		{"key of a map", `{"numbers":{%s:"1"}}`},
		{"open values", `{"custom":{"a":[%s]},"anyway":%[1]s}`},
		{"key of open values", `{"anyway":{%s:1}}`},
		{"raw", `{"info":{"a":%s}}`},
		{"unknown member", `{"new":{"a":%s}}`},
		{"name of unknown members", `{"home":{%s:1},"new":true,%[1]s:2}`},
		{"another type", `{"active":%s,"count":%[1]s}`},
	} {
		for spelling, broken := range map[string]string{"half a pair": half, "bytes": "\"cut \xf0\x9f\""} {
			t.Run(row.name+", "+spelling, func(t *testing.T) {
				t.Parallel()
				doc := fmt.Sprintf(row.doc, broken)
				require.Equal(t, doc, encode(t, decode(t, doc)))
			})
		}
	}
	p := decode(t, `{"name":`+half+`,"tags":["a",`+half+`],"colour":"BLUE"}`)
	require.Equal(t, "cut \ufffd", p.Name)
	require.Equal(t, []string{"a", "cut \ufffd"}, p.Tags)
	p.Name, p.Tags = "whole", append(p.Tags, "b")
	require.Equal(t, `{"name":"whole","colour":"BLUE","tags":["a",`+half+`,"b"]}`, encode(t, p))
	require.Empty(t, wire.Diff([]byte(`{"a":`+half+`}`), []byte(`{"a":`+half+`}`)))
	require.Len(t, wire.Diff([]byte(`{"a":`+half+`,"b":1}`), []byte(`{"a":`+half+`,"b":2}`)), 1)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, doc string
		want      error
	}{
		{"truncated", `{"name":"secret`, wire.ErrSyntax},
		{"empty", ``, wire.ErrSyntax},
		{"two values", `{} {}`, wire.ErrSyntax},
		{"duplicate member", `{"name":"a","name":"b"}`, wire.ErrSyntax},
		{"array for an object", `[]`, wire.ErrShape},
		{"null for an object", `null`, wire.ErrShape},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var p person
			require.ErrorIs(t, wire.Unmarshal([]byte(row.doc), &p), row.want)
		})
	}

	p := &person{Name: "\xff"}
	_, err := wire.Marshal(p)
	require.ErrorIs(t, err, wire.ErrUTF8)
	require.Equal(t, "name: string is not valid UTF-8", err.Error())

	clash := &person{}
	wire.Set(&clash.Unknown.Members, "name", json.RawMessage(`1`))
	_, err = wire.Marshal(clash)
	require.ErrorIs(t, err, wire.ErrModel)
}

func TestDrift(t *testing.T) {
	t.Parallel()
	doc := `{"name":7,"new":1,"colour":"GREEN","places":[{"street":"s","zip":"z"},3],"numbers":{"GBR":1},` +
		`"best":{"colour":"RED","count":null}}`
	var got []wire.Drift
	var p person
	require.NoError(t, wire.UnmarshalReporting([]byte(doc), &p, func(d wire.Drift) { got = append(got, d) }))
	require.Equal(t, []wire.Drift{
		{"/name", wire.TypeChanged},
		{"/new", wire.UnknownMember},
		{"/colour", wire.UnknownValue},
		{"/places/*/zip", wire.UnknownMember},
		{"/places/*", wire.TypeChanged},
		{"/numbers/*", wire.TypeChanged},
	}, got)
}

func TestRandomDocumentsSurvive(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := wiretest.New(seed, 0.7)
	documents := 10_000
	if testing.Short() {
		documents = 300
	}
	for range documents {
		doc := r.Object(reflect.TypeFor[person](), 4)
		p := decode(t, doc)
		require.Equal(t, tree(t, []byte(doc)), tree(t, []byte(encode(t, p))), "seed %d", seed)

		p.Name = "changed"
		r.Shuffle(len(p.Places), func(i, j int) { p.Places[i], p.Places[j] = p.Places[j], p.Places[i] })
		want := tree(t, []byte(doc)).(map[string]any)
		want["name"] = "changed"
		got := tree(t, []byte(encode(t, p))).(map[string]any)
		if places, ok := want["places"].([]any); ok {
			require.ElementsMatch(t, places, got["places"], "seed %d", seed)
			delete(want, "places")
			delete(got, "places")
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"name":null,"places":[{"street":""}],"custom":{"a":1.0}}`))
	f.Add([]byte(`{"a\u0062":"\ud800","best":{"best":{}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var p person
		if wire.Unmarshal(doc, &p) != nil {
			return
		}
		require.True(t, json.Valid(doc))
		out, err := wire.Marshal(&p)
		require.NoError(t, err)
		require.Equal(t, tree(t, doc), tree(t, out))
	})
}
