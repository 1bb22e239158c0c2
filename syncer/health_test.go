package syncer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

func TestStates(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, good := w.add(0)
		_, gone := w.add(2)
		_, failing := w.add(4)
		require.NoError(t, w.sim.Client().Profiles.Delete(t.Context(), gone, "a test"))
		stop := w.start()
		w.quiet()
		w.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: 403, Times: -1})
		w.edit(passfort.EntityTypeIndividual, 4, "mail", "zqcanary@sampleton.example")
		var states []syncer.State
		require.Eventually(t, func() bool {
			var err error
			states, err = w.sync.States(t.Context(), passfort.EntityTypeIndividual, "")
			return err == nil && states[2].Failures > 0
		}, timeout, tick)
		stop()
		require.Len(t, states, 3)
		require.Equal(t, []string{good, gone, failing},
			[]string{states[0].ProfileID, states[1].ProfileID, states[2].ProfileID})
		require.Equal(t, syncer.Values{"surname": "Person 0", "citizen_of": "GBR"}, states[0].Values)
		require.False(t, states[0].SyncedAt.IsZero())
		require.False(t, states[0].Working)
		require.False(t, states[1].GoneAt.IsZero())
		require.True(t, states[2].Working)
		require.Contains(t, states[2].Problem, "403")
		require.NotContains(t, states[2].Problem, "zqcanary")
		after, err := w.sync.States(t.Context(), passfort.EntityTypeIndividual, key(2))
		require.NoError(t, err)
		require.Len(t, after, 1)
	})
}

// Profiles without a customer get one: by a sweep, or when a message says of them. A try
// that fails leaves nothing behind.
func TestProfilesGetCustomers(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		mapping := people(w.dialect)
		var calls atomic.Int64
		mapping.Add = func(ctx context.Context, tx *sql.Tx, _ string) (string, error) {
			n := int(calls.Add(1))
			_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO crm_people (person) VALUES ('%s')`, key(n)))
			if n == 2 {
				err = errors.New("no reason")
			}
			return key(n), err
		}
		w.box, w.sync = services(t, w.db, w.dialect, w.sim.Client(), mapping)
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(500))
		create := func(ref string) string {
			data := passfort.NewIndividual()
			data.CustomerRef, name(data).FamilyName = ref, "Sample "+ref
			p, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
				Role: passfort.RoleIndividualCustomer, CollectedData: data,
			})
			require.NoError(t, err)
			return p.ID
		}
		create("")
		known := create(key(500))
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Repair: true, PerSecond: 10_000})
		require.NoError(t, err)
		require.Equal(t, 2, report.Repaired)
		require.EqualValues(t, 1, calls.Load(), "one is a customer by its customer_ref")
		w.start()
		w.quiet()
		require.Equal(t, known, w.one(`SELECT profile_id FROM passfort_sync_customers
			WHERE customer_key = ?`, key(500)))

		third := create("a stranger")
		w.portal(third, func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		require.Eventually(t, func() bool {
			return w.one(`SELECT COUNT(*) FROM crm_people WHERE citizen_of = 'IRN'`) == "1"
		}, timeout, tick)
		w.quiet()
		require.Equal(t, "3", w.one(`SELECT COUNT(*) FROM crm_people`), "the try that failed left none")
		require.Equal(t, "3", w.one(`SELECT COUNT(*) FROM passfort_sync_customers`))
	})
}
