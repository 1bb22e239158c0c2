package syncer_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/syncer"
)

// A value that cannot be kept closes no conflict.
func TestConflictsThatCannotBeResolvedForOurs(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		w.add(0)
		for _, test := range []struct {
			name, entity, key, field string
			is                       error
		}{
			{"a field that the mapping had before", "INDIVIDUAL", key(0), "nickname", syncer.ErrMapping},
			{"an entity without a mapping", "ELSE", key(0), "surname", syncer.ErrMapping},
			{"a customer that is gone", "INDIVIDUAL", key(9), "surname", sql.ErrNoRows},
		} {
			t.Run(test.name, func(t *testing.T) {
				w.exec(`INSERT INTO passfort_sync_conflicts (entity, customer_key, profile_id, field, base, ours,
					theirs, found_at)
					VALUES (?, ?, 'p', ?, 'b', 'o', 't', 1)`, test.entity, test.key, test.field)
				open, err := w.sync.Conflicts(t.Context(), false, 0)
				require.NoError(t, err)
				require.Len(t, open, 1)
				require.ErrorIs(t, w.sync.Resolve(t.Context(), open[0].ID, "a reviewer", syncer.KeptOurs), test.is)
				require.NoError(t, w.sync.Resolve(t.Context(), open[0].ID, "a reviewer", syncer.KeptTheirs),
					"it was still open")
			})
		}
	})
}
