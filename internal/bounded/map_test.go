package bounded

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBoundedMap(t *testing.T) {
	t.Parallel()
	m := New[int](2)
	for i := range 10_000 {
		m.Put("kept", i)
		m.Put("gone", i)
		m.Remove("gone")
	}
	require.LessOrEqual(t, len(m.order), 4, "removed keys do not pile up")
	m = New[int](0)
	m.Put("a", 1)
	m.Put("b", 2)
	_, ok := m.Get("a")
	require.False(t, ok)
	b, ok := m.Get("b")
	require.True(t, ok)
	require.Equal(t, 2, b)
}

// A key stays while there is room, however often others come and go.
func TestOthersThatComeAndGo(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{2, 3, 100} {
		m := New[int](limit)
		m.Put("kept", 1)
		for i := range 10_000 {
			m.Put("gone", i)
			m.Remove("gone")
			require.LessOrEqual(t, len(m.order), 2*limit)
		}
		kept, ok := m.Get("kept")
		require.True(t, ok, limit)
		require.Equal(t, 1, kept)
	}
}
