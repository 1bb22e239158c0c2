package passfort

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A line is gone when nobody stands in it.
func TestLinesOfUpdatesAreForgotten(t *testing.T) {
	t.Parallel()
	var queue turns
	first := queue.take(t.Context(), "a")
	other := queue.take(t.Context(), "b")
	require.Len(t, queue.lines, 2)
	second := make(chan func())
	go func() { second <- queue.take(t.Context(), "a") }()
	first()
	end := <-second
	other()
	require.Len(t, queue.lines, 1)
	end()
	require.Empty(t, queue.lines)
}
