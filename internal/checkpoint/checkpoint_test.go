package checkpoint_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/checkpoint"
)

func again(t *testing.T, c *checkpoint.Checkpoint) *checkpoint.Checkpoint {
	t.Helper()
	stored, err := json.Marshal(c)
	require.NoError(t, err)
	next := new(checkpoint.Checkpoint)
	require.NoError(t, json.Unmarshal(stored, next))
	return next
}

func TestGoesOnAtTheFirstUnfinishedPage(t *testing.T) {
	t.Parallel()
	c, count := new(checkpoint.Checkpoint), 6
	place := func() int {
		offset, of := c.Place()
		require.Equal(t, 6, *of)
		return offset
	}
	for i, ids := range [][]string{{"a", "b"}, {"c", "d"}, {"e", "f"}} {
		fresh, err := c.Begin(2*i, 2*i+2, &count, ids)
		require.NoError(t, err)
		require.Equal(t, []bool{true, true}, fresh)
	}
	c.Add("c")
	c.Add("d")
	c.Add("e")
	c.Add("a")
	require.Equal(t, 0, place(), "b is not handled")
	c = again(t, c)
	require.Equal(t, 0, place())
	require.Equal(t, 4, c.Done())
	fresh, err := c.Begin(0, 2, &count, []string{"a", "b"})
	require.NoError(t, err)
	require.Equal(t, []bool{false, true}, fresh)
	c.Add("b")
	c.Add("b")
	require.Equal(t, 5, c.Done(), "added twice is handled once")
	fresh, err = c.Begin(2, 4, &count, []string{"c", "d"})
	require.NoError(t, err)
	require.Equal(t, []bool{false, false}, fresh)
	require.Equal(t, 4, place(), "a page of handled items is passed")
	fresh, err = c.Begin(4, 6, &count, []string{"e", "f"})
	require.NoError(t, err)
	require.Equal(t, []bool{false, true}, fresh)
	c.Add("f")
	require.Equal(t, 6, place())
	require.Equal(t, 6, c.Done())
}

func TestFollowsDeletions(t *testing.T) {
	t.Parallel()
	c, count := new(checkpoint.Checkpoint), 10
	_, err := c.Begin(4, 6, &count, []string{"a", "b"})
	require.NoError(t, err)
	c.Fell(3, 7)
	offset, left := c.Place()
	require.Equal(t, 1, offset)
	require.Equal(t, 7, *left)
	c.Fell(3, 4)
	offset, _ = c.Place()
	require.Zero(t, offset)
}

func TestIsBounded(t *testing.T) {
	t.Parallel()
	c := new(checkpoint.Checkpoint)
	for i := range 5000 {
		c.Add(fmt.Sprint(i))
	}
	stored, err := json.Marshal(c)
	require.NoError(t, err)
	require.Less(t, len(stored), 23_000)
	require.Equal(t, 5000, c.Done())
	for i := range checkpoint.Most {
		_, err := c.Begin(i, i+1, nil, []string{fmt.Sprint("x", i)})
		require.NoError(t, err)
	}
	_, err = c.Begin(99, 100, nil, []string{"y"})
	require.ErrorIs(t, err, checkpoint.ErrBehind)
	c.Add("x0")
	_, err = c.Begin(99, 100, nil, []string{"y"})
	require.NoError(t, err)
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"offset":200,"count":3,"done":2,"handled":"AAAAAAAAAAAAAAAAAAAAAA=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := new(checkpoint.Checkpoint)
		if json.Unmarshal(data, c) != nil {
			return
		}
		offset, _ := c.Place()
		require.GreaterOrEqual(t, offset, 0)
		stored, err := json.Marshal(c)
		require.NoError(t, err)
		kept, err := json.Marshal(again(t, c))
		require.NoError(t, err)
		require.JSONEq(t, string(stored), string(kept))
	})
}
