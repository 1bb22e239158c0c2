package wire_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
)

const bad = "caf\xe9"

type badText struct{}

func (badText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type pointerText struct{ N int }

func (*pointerText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type ownJSON struct{ io.Reader }

func (ownJSON) MarshalJSON() ([]byte, error) { return []byte(`{"own":1}`), nil }

type hidden struct{ Text string }

func (hidden) MarshalText() ([]byte, error) { return []byte("never asked"), nil }

// around has the fields of hidden, and is not asked for its text: two embedded
// structs have one.
type around struct {
	hidden
	time.Location `json:"-"`
	pointerText
}

type beneath struct{ *hidden }

// MarshalJSON of a struct around an embedded one is asked before it.
func (beneath) MarshalJSON() ([]byte, error) { return []byte(`1`), nil }

func TestEncodeAsEncodingJSON(t *testing.T) {
	t.Parallel()
	when := time.Date(2020, 3, 18, 14, 33, 23, 0, time.UTC)
	for name, value := range map[string]any{
		"nothing":                nil,
		"a nil pointer":          (*hidden)(nil),
		"a nil reader":           struct{ R io.Reader }{},
		"text":                   "café \u2028 \ufffd <&>",
		"text with U+FFFD":       map[string]string{"\ufffd": "\ufffd"},
		"JSON text":              json.RawMessage(` {"a": 1.50, "half": "\ud83d"} `),
		"a pointer to JSON text": &[]json.RawMessage{json.RawMessage(`1`)}[0],
		"bytes in a field":       struct{ Data []byte }{[]byte("\xff")},
		"a list of bytes":        [][]byte{{1}, {2}},
		"an array of bytes":      [2]byte{1, 2},
		"a time":                 []any{when, &when},
		"an address":             map[string]any{"ip": net.IPv4(127, 0, 0, 1)},
		"a big number":           big.NewInt(7),
		"a reader with its JSON": ownJSON{strings.NewReader("x")},
		"what is left out": struct {
			A string `json:"-"`
			B []int  `json:"b,omitempty"`
			c string
		}{A: bad, c: bad},
		"a shadowed embedded one": beneath{&hidden{bad}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := json.Marshal(value)
			require.NoError(t, err)
			got, err := wire.Encode(value)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	type text string
	type bytesOfMine []byte
	type plain struct{ Text string }
	type outer struct{ *plain }
	content := []byte("x")
	for _, row := range []struct {
		name  string
		value any
		want  error
	}{
		{"text", bad, wire.ErrUTF8},
		{"a type of text", text(bad), wire.ErrUTF8},
		{"a pointer to text", &[]string{bad}[0], wire.ErrUTF8},
		{"a list", []string{"a", bad}, wire.ErrUTF8},
		{"an array", [1]text{bad}, wire.ErrUTF8},
		{"a list of lists", [][]any{{1, bad}}, wire.ErrUTF8},
		{"a map", map[string]string{"a": bad}, wire.ErrUTF8},
		{"a key of a map", map[text]int{bad: 1}, wire.ErrUTF8},
		{"a field", struct{ A any }{struct{ B *string }{&[]string{bad}[0]}}, wire.ErrUTF8},
		{"a field of an embedded struct", around{hidden: hidden{bad}}, wire.ErrUTF8},
		{"a field of an embedded pointer", outer{&plain{bad}}, wire.ErrUTF8},
		{"a MarshalText", badText{}, wire.ErrUTF8},
		{"a MarshalText in a list", []badText{{}}, wire.ErrUTF8},
		{"a MarshalText as a key", map[badText]int{{}: 1}, wire.ErrUTF8},
		{"a MarshalText of a pointer", &struct{ P pointerText }{}, wire.ErrUTF8},
		{"JSON text", json.RawMessage(`"` + bad + `"`), wire.ErrUTF8},
		{"JSON text in a map", map[string]any{"a": json.RawMessage(`"` + bad + `"`)}, wire.ErrUTF8},
		{"a model", &place{Street: bad}, wire.ErrUTF8},
		{"a model in a list", []place{{Street: bad}}, wire.ErrUTF8},
		{"a reader", strings.NewReader("{}"), wire.ErrReader},
		{"a buffer", bytes.NewBufferString("{}"), wire.ErrReader},
		{"a buffer that is no pointer", *bytes.NewBufferString("{}"), wire.ErrReader},
		{"a reader of a struct", io.NopCloser(strings.NewReader("{}")), wire.ErrReader},
		{"a reader with a channel", readerOf(make(chan int)), wire.ErrReader},
		{"a pointer to a reader", &[]io.Reader{strings.NewReader("{}")}[0], wire.ErrReader},
		{"a reader in a field", struct{ R io.Reader }{strings.NewReader("{}")}, wire.ErrReader},
		{"a reader in a map", map[string]any{"r": bytes.NewReader(nil)}, wire.ErrReader},
		{"bytes", content, wire.ErrBytes},
		{"no bytes", []byte(nil), wire.ErrBytes},
		{"a type of bytes", bytesOfMine("x"), wire.ErrBytes},
		{"a pointer to bytes", &content, wire.ErrBytes},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := wire.Encode(row.value)
			require.ErrorIs(t, err, row.want)
			require.Nil(t, got)
		})
	}
	for name, value := range map[string]any{
		"a function": func() {}, "a channel": make(chan int), "NaN": []float64{math.NaN()},
		"broken JSON text": json.RawMessage(`{"kim"`),
	} {
		_, err := wire.Encode(value)
		require.EqualError(t, err, "the value has no JSON form", name)
	}
}

type chanReader chan int

func (chanReader) Read([]byte) (int, error) { return 0, io.EOF }

func readerOf(c chan int) io.Reader { return chanReader(c) }
