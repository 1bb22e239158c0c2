package syncer_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// Random edits on both sides, messages shuffled, doubled and lost for a while, Passfort
// failing, processes killed: both sides end equal, and what lost is in the worklist.
func TestConvergesThroughKills(t *testing.T) {
	t.Parallel()
	edits, customers := 120, 20
	if full() {
		edits, customers = 1000, 50
	}
	worlds(t, func(t *testing.T, w *world) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		entities, profiles := map[int]passfort.EntityType{}, map[int]string{}
		for n := range customers {
			entities[n], profiles[n] = w.add(n)
		}
		processes := []*exec.Cmd{w.process(), w.process()}
		w.quiet()
		w.sim.Inject(passforttest.Fault{Status: 503, Probability: 0.03, Times: -1})
		w.sim.Inject(passforttest.Fault{DropAfterWrite: true, Probability: 0.02, Times: -1})

		var mu sync.Mutex
		last := map[string][]string{} // by customer and column: values that no edit replaced knowingly
		note := func(place, from, to string) {
			mu.Lock()
			defer mu.Unlock()
			var kept []string
			for _, v := range last[place] {
				if v != from {
					kept = append(kept, v)
				}
			}
			last[place] = append(kept, to)
		}
		var both sync.WaitGroup
		both.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for i := range edits {
				n := random.IntN(customers)
				table, keyColumn, column := "crm_people", "person", "surname"
				if entities[n] == passfort.EntityTypeCompany {
					table, keyColumn, column = "crm_firms", "firm", "title"
				}
				value := fmt.Sprintf("here %d", i)
				place := sqldb.Place{Dialect: w.dialect}
				var before sql.NullString
				err := errors.New("not tried")
				for err != nil { // as a team's software does after a deadlock
					err = place.Tx(t.Context(), w.db, func(tx *sql.Tx) error {
						if _, err := place.Exec(t.Context(), tx, `UPDATE `+table+` SET notes = notes WHERE `+keyColumn+
							` = ?`, key(n)); err != nil {
							return err
						}
						if err := place.Row(t.Context(), tx, []any{&before},
							`SELECT `+column+` FROM `+table+` WHERE `+keyColumn+` = ?`, key(n)); err != nil {
							return err
						}
						if _, err := place.Exec(t.Context(), tx, `UPDATE `+table+` SET `+column+` = ? WHERE `+keyColumn+
							` = ?`, value, key(n)); err != nil {
							return err
						}
						note(fmt.Sprint(n), before.String, value)
						return w.sync.Edited(t.Context(), tx, entities[n], key(n))
					})
				}
				<-time.After(time.Duration(random.IntN(20)) * time.Millisecond)
			}
		})
		both.Go(func() {
			random := rand.New(rand.NewPCG(seed, 2))
			for i := range edits {
				n := random.IntN(customers)
				value := fmt.Sprintf("there %d", i)
				w.portal(profiles[n], func(d *passfort.EntityData) {
					to := &passfort.Ensure(&d.Metadata).Name
					if entities[n] == passfort.EntityTypeIndividual {
						d.Metadata = nil
						to = &name(d).FamilyName
					}
					note(fmt.Sprint(n), *to, value)
					*to = value
				})
				<-time.After(time.Duration(random.IntN(20)) * time.Millisecond)
			}
		})
		edited := make(chan struct{})
		go func() { both.Wait(); close(edited) }()
		kills := 0
		for over := false; !over; {
			select {
			case <-edited:
				over = true
			case <-time.After(400 * time.Millisecond):
				victim := kills % 2
				require.NoError(t, processes[victim].Process.Signal(syscall.SIGKILL))
				_ = processes[victim].Wait()
				processes[victim] = w.process()
				kills++
			}
		}
		w.quiet()
		conflicts, err := w.sync.Conflicts(t.Context(), true, 0)
		require.NoError(t, err)
		lost := map[string]bool{}
		for _, c := range conflicts {
			lost[c.Ours] = true
		}
		for n := range customers {
			var here, there string
			if entities[n] == passfort.EntityTypeCompany {
				here, there = w.one(`SELECT title FROM crm_firms WHERE firm = ?`,
					key(n)), w.at(profiles[n]).Metadata.Name
			} else {
				here, there = w.one(`SELECT surname FROM crm_people WHERE person = ?`,
					key(n)), w.at(profiles[n]).PersonalDetails.Name.FamilyName
			}
			require.Equal(t, there, here, "both sides are equal")
			for _, v := range last[fmt.Sprint(n)] {
				require.True(t, v == there || lost[v], "an edit was lost without a conflict: %s", v)
			}
		}
		t.Logf("%d edits, %d kills, %d conflicts", 2*edits, kills, len(conflicts))
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{PerSecond: 10_000})
		require.NoError(t, err)
		require.Empty(t, report.Found, "a sweep finds nothing")
	}, passforttest.WithWebhookShuffle(), passforttest.WithWebhookDuplicates(0.2))
}
