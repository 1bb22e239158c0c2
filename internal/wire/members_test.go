package wire_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/wire"
)

func TestSame(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, a, b string
		want       bool
	}{
		{"nothing", `{}`, `{}`, true},
		{"fields alone", `{"name":"x"}`, `{"name":"y"}`, true},
		{"the same", `{"new":1}`, `{"new":1}`, true},
		{"another order", `{"new":1,"newer":2}`, `{"newer":2,"new":1}`, true},
		{"another value", `{"new":1}`, `{"new":2}`, false},
		{"another name", `{"new":1}`, `{"newer":1}`, false},
		{"one more", `{"new":1}`, `{"new":1,"newer":1}`, false},
		{"one less", `{"new":1,"newer":1}`, `{"new":1}`, false},
		{"null and absent", `{"new":null}`, `{}`, false},
		{"null and zero", `{"new":null}`, `{"new":0}`, false},
		{"empty lists and objects", `{"new":[]}`, `{"new":{}}`, false},
		{"white space", `{"new":[1,{"a":2}]}`, `{"new": [ 1, { "a" : 2 } ]}`, true},
		{"the order of members inside", `{"new":{"a":1,"b":2}}`, `{"new":{"b":2,"a":1}}`, true},
		{"the order of a list", `{"new":[1,2]}`, `{"new":[2,1]}`, false},
		{"the spelling of a number", `{"new":[1.50,100]}`, `{"new":[1.5,1e2]}`, true},
		{"the last digit", `{"new":12345678901234567890.5}`, `{"new":12345678901234567890.6}`, false},
		{"the spelling of a text", `{"new":"\u00e9\/"}`, `{"new":"é/"}`, true},
		{"broken text", `{"new":"\ud83d"}`, `{"new":"\ud83d"}`, true},
		{"other broken text", `{"new":"\ud83d"}`, `{"new":"\ufffd"}`, false},
		{"null in a field", `{"name":null}`, `{"name":null}`, true},
		{"null in a field and absent", `{"name":null}`, `{}`, false},
		{"null and another type", `{"name":null}`, `{"name":5}`, false},
		{"an empty text and absent", `{"name":""}`, `{}`, false},
		{"null in two fields", `{"name":null}`, `{"colour":null}`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a, b := decode(t, row.a), decode(t, row.b)
			require.Equal(t, row.want, wire.Same(&a.Unknown.Members, &b.Unknown.Members))
			require.Equal(t, row.want, wire.Same(&b.Unknown.Members, &a.Unknown.Members))
		})
	}
}

// What was set and deleted since counts as what was decoded does.
func TestSameAfterEdits(t *testing.T) {
	t.Parallel()
	a, b := decode(t, `{"new":1,"old":2}`), decode(t, `{"new":1}`)
	wire.Delete(&a.Unknown.Members, "old")
	require.True(t, wire.Same(&a.Unknown.Members, &b.Unknown.Members))
	wire.Set(&a.Unknown.Members, "new", []byte(`1.0`))
	require.True(t, wire.Same(&a.Unknown.Members, &b.Unknown.Members))
	wire.Delete(&a.Unknown.Members, "new")
	wire.Delete(&b.Unknown.Members, "new")
	require.True(t, wire.Same(&a.Unknown.Members, &b.Unknown.Members))
	require.True(t, wire.Same(&a.Unknown.Members, &(&person{}).Unknown.Members))
	for i := range 200 {
		wire.Set(&a.Unknown.Members, fmt.Sprint("m", i), []byte(`[]`))
		wire.Set(&b.Unknown.Members, fmt.Sprint("m", 199-i), []byte(` [ ] `))
	}
	require.True(t, wire.Same(&a.Unknown.Members, &b.Unknown.Members))
}
