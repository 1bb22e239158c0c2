package passforttest

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// encode writes what encoding/json does, whether it takes its own way or not.
func TestEncode(t *testing.T) {
	t.Parallel()
	number := 0.1
	for _, row := range []struct {
		name  string
		value any
	}{
		{"null", nil},
		{"true", true},
		{"whole number", -12},
		{"number", 1e21},
		{"pointer", &number},
		{"number as written", json.Number("1.50e3")},
		{"text", "Dana Brook"},
		{"empty text", ""},
		{"quoted text", `a "b" \c`},
		{"control characters", "a\n\t\x00\x1f\x7f"},
		{"marks of HTML", "<a href='b'>&</a>"},
		{"letters", "Zoë 王 \u2028\u2029"},
		{"broken letters", "a\xff\xc3"},
		{"stored", json.RawMessage(`{"b":1,"a":"\u00e9"}`)},
		{"stored nothing", json.RawMessage(nil)},
		{"no object", object(nil)},
		{"empty object", object{}},
		{"no list", []any(nil)},
		{"no objects", []object(nil)},
		{"empty list", []any{}},
		{"object", object{"b": nil, "a": []any{"x", 1, object{"é\"": "y"}}, "B": []object{{}, nil}, "": false}},
		{"strings", []string{"a", "b"}},
		{"struct", object{"user": portalUser(), "at": time.Unix(0, 0).UTC(), "pair": [2]int{1, 2}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var want bytes.Buffer
			e := json.NewEncoder(&want)
			e.SetEscapeHTML(false)
			require.NoError(t, e.Encode(row.value))
			require.Equal(t, want.String(), string(encode(row.value))+"\n")
		})
	}
}

// What is stored is sent as it is, so a snapshot that a person laid out is read compact.
func TestRestoreOfIndentedSnapshot(t *testing.T) {
	t.Parallel()
	s := New()
	t.Cleanup(s.Close)
	id := s.MakeUp(1)[0]
	want := ask(t, s, "GET", "/profiles/"+id+"/collected_data", "")
	saved, err := s.Snapshot()
	require.NoError(t, err)
	require.NoError(t, s.Restore([]byte(indented(saved))))
	require.Equal(t, want, ask(t, s, "GET", "/profiles/"+id+"/collected_data", ""))
	require.Contains(t, ask(t, s, "GET", "/profiles/"+id, ""), `"collected_data":`+want)
	require.ErrorContains(t, s.Restore([]byte("{")), "restore")
}
