package journal

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A replacement is put on the disk on its way, not all at its end.
func TestReplacementIsSyncedOnItsWay(t *testing.T) {
	t.Parallel()
	j, err := Open(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	r, err := j.Replace()
	require.NoError(t, err)
	record := make([]byte, 1<<10)
	for range 3 * unsynced / len(record) {
		require.NoError(t, r.Write(record))
		require.Less(t, r.size-r.kept, int64(unsynced))
	}
	require.GreaterOrEqual(t, r.kept, int64(2*unsynced))
	info, err := r.file.Stat()
	require.NoError(t, err)
	require.Equal(t, r.kept, info.Size(), "synced, and nothing since")
	r.Abort()
	require.NoError(t, j.Close())
}
