package passfort_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	var address passfort.Address
	require.NoError(t, json.Unmarshal([]byte(`{"country":"GBR","what3words":"a.b.c","floors":[1,2]}`), &address))
	require.Equal(t, 2, address.Unknown.Len())
	words, found := address.Unknown.Get("what3words")
	require.True(t, found)
	require.Equal(t, `"a.b.c"`, string(words))
	_, found = address.Unknown.Get("country")
	require.False(t, found, "a member with a field is not unknown")

	copied := address
	require.NoError(t, copied.Unknown.Set("what3words", "d.e.f"))
	require.NoError(t, copied.Unknown.Set("lift", map[string]bool{"works": true}))
	copied.Unknown.Delete("floors")
	copied.Unknown.Delete("not there")
	encoded, err := json.Marshal(copied)
	require.NoError(t, err)
	require.JSONEq(t, `{"country":"GBR","what3words":"d.e.f","lift":{"works":true}}`, string(encoded))

	encoded, err = json.Marshal(address)
	require.NoError(t, err)
	require.JSONEq(t, `{"country":"GBR","what3words":"a.b.c","floors":[1,2]}`, string(encoded), "the copy's changes are its own")
}

func TestUnknownMembersOfANewValue(t *testing.T) {
	t.Parallel()
	var person passfort.EntityData
	require.Zero(t, person.Unknown.Len())
	_, found := person.Unknown.Get("x")
	require.False(t, found)
	person.Unknown.Delete("x")
	for range person.Unknown.All() {
		require.Fail(t, "there is none")
	}

	require.NoError(t, person.Unknown.Set("b", 1))
	require.NoError(t, person.Unknown.Set("a", json.RawMessage(`12345678901234567890.10`)))
	require.NoError(t, person.Unknown.Set("b", nil))
	var names []string
	for name, value := range person.Unknown.All() {
		names = append(names, name+"="+string(value))
	}
	require.Equal(t, []string{"a=12345678901234567890.10", "b=null"}, names)
	for name := range person.Unknown.All() {
		require.Equal(t, "a", name)
		break
	}
}

func TestUnknownMembersThatCannotBe(t *testing.T) {
	t.Parallel()
	var person passfort.EntityData
	require.Error(t, person.Unknown.Set("", 1))
	require.Error(t, person.Unknown.Set("x", make(chan int)))
	require.Zero(t, person.Unknown.Len())
}
