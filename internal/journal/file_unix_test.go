//go:build unix

package journal

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A process being started has a copy of every descriptor until it runs.
func TestClosedFileIsFreeWhileAProcessStarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	first, err := Open(path)
	require.NoError(t, err)
	held, err := syscall.Dup(int(first.file.Fd()))
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(held)) }()
	require.NoError(t, first.Close())
	second, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, second.Close())
}
