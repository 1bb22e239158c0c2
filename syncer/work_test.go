package syncer_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// A pause that doubled very often is the most, and not over at once.
func TestManyFailures(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		w.add(0)
		w.sim.Inject(passforttest.Fault{Status: 400, Times: -1})
		w.exec(`UPDATE passfort_sync_work SET tries = 30`)
		failed := make(chan struct{}, 1)
		s, err := syncer.New(w.db, w.dialect, w.sim.Client(), []syncer.Mapping{people(w.dialect)},
			syncer.WithBackoff(10*time.Second, time.Hour),
			syncer.WithObserver(func(syncer.Result) {
				select {
				case failed <- struct{}{}:
				default:
				}
			}))
		require.NoError(t, err)
		start(t, w.box, s)
		<-failed
		require.Equal(t, "1", w.one(fmt.Sprintf(`SELECT COUNT(*) FROM passfort_sync_work WHERE ready_at > %d`,
			time.Now().Add(30*time.Minute).UnixMilli())))
	})
}

func TestLink(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, person := w.add(0)
		_, firm := w.add(1)
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(2))
		for _, test := range []struct {
			name, key, profile string
			is                 error
		}{
			{"the same pair again", key(0), person, nil},
			{"a customer with another profile", key(0), "another", syncer.ErrLinked},
			{"a profile with another customer", key(2), person, syncer.ErrLinked},
			{"a profile of a customer of another entity", key(2), firm, syncer.ErrLinked},
			{"a new pair", key(2), "another", nil},
		} {
			t.Run(test.name, func(t *testing.T) {
				w.tx(func(tx *sql.Tx) error { // which goes on after a refusal
					require.ErrorIs(t, w.sync.Link(t.Context(), tx, passfort.EntityTypeIndividual, test.key,
						test.profile), test.is)
					return w.sync.Edited(t.Context(), tx, passfort.EntityTypeIndividual, test.key)
				})
			})
		}
		require.Equal(t, person, w.one(`SELECT profile_id FROM passfort_sync_customers WHERE customer_key = ?`, key(0)))
		require.Equal(t, "another", w.one(`SELECT profile_id FROM passfort_sync_customers WHERE customer_key = ?`,
			key(2)))
	})
}
