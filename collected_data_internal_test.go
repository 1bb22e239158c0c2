package passfort

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A line without a call in it is gone.
func TestLinesOfUpdatesAreForgotten(t *testing.T) {
	t.Parallel()
	var queue turns
	_, first := queue.take(t.Context(), "a")
	_, other := queue.take(t.Context(), "b")
	require.Len(t, queue.lines, 2)
	second := make(chan func(*version))
	go func() {
		_, end := queue.take(t.Context(), "a")
		second <- end
	}()
	first(nil)
	end := <-second
	other(nil)
	require.Len(t, queue.lines, 1)
	end(nil)
	require.Empty(t, queue.lines)
}
