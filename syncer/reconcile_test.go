package syncer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/syncer"
)

// A message that never arrives is found by one sweep, and nothing else is changed.
func TestMissedMessageIsFound(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		const customers = 40
		profiles := map[int]string{}
		for n := range customers {
			_, profiles[n] = w.add(n)
		}
		w.start()
		w.quiet()
		w.sim.SetWebhook("", "", true) // switched off, as in the portal
		missed := []int{4, 22}
		for _, n := range missed {
			w.portal(profiles[n], func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		}
		w.exec(`UPDATE crm_people SET mail = 'unsaid@sampleton.example' WHERE person = ?`, key(8))
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(500))
		stranger, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		})
		require.NoError(t, err)
		require.NoError(t, w.sim.Client().Profiles.Delete(t.Context(), profiles[10], "a test"))
		w.sim.ForgetRequests()

		want := map[syncer.FindingKind]int{
			syncer.FindingChanged: 2, syncer.FindingEdited: 1, syncer.FindingNoProfile: 1, syncer.FindingNoCustomer: 1,
			syncer.FindingGone: 1,
		}
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{PerSecond: 10_000})
		require.NoError(t, err)
		require.Equal(t, want, report.Found)
		require.True(t, report.Complete)
		require.Equal(t, "GBR", w.one(`SELECT citizen_of FROM crm_people WHERE person = ?`, key(4)), "only reported")
		require.Zero(t, w.sim.Count("CollectedData.Replace"))

		var keys []string
		report, err = w.sync.Reconcile(t.Context(), syncer.Sweep{Repair: true, PerSecond: 10_000,
			Found: func(f syncer.Finding) {
				if f.Kind == syncer.FindingChanged {
					keys = append(keys, f.Key)
					require.Equal(t, []string{"citizen_of"}, f.Fields)
				}
				if f.Kind == syncer.FindingNoCustomer {
					require.Equal(t, stranger.ID, f.ProfileID)
				}
			}})
		require.NoError(t, err)
		require.Equal(t, want, report.Found)
		require.Equal(t, 4, report.Repaired)
		w.quiet()
		require.ElementsMatch(t, []string{key(4), key(22)}, keys)
		require.Equal(t, "2", w.one(`SELECT COUNT(*) FROM crm_people WHERE citizen_of = 'IRN'`))
		require.Equal(t, "unsaid@sampleton.example", w.at(profiles[8]).ContactDetails.Email)
		require.Equal(t, 1, w.sim.Count("CollectedData.Replace"), "nothing else is written")

		report, err = w.sync.Reconcile(t.Context(), syncer.Sweep{PerSecond: 10_000})
		require.NoError(t, err)
		require.Equal(t, map[syncer.FindingKind]int{syncer.FindingNoProfile: 1, syncer.FindingNoCustomer: 1,
			syncer.FindingGone: 1}, report.Found)
	})
}

func TestSweepIsResumed(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		for n := range 10 {
			w.add(n)
		}
		stop := w.start()
		w.quiet()
		stop()
		w.sim.ForgetRequests()
		reads := 0
		for complete := false; !complete; {
			report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Name: "nightly", Budget: 4, PerSecond: 10_000})
			require.NoError(t, err)
			require.LessOrEqual(t, report.Read, 4)
			require.Empty(t, report.Found)
			reads += report.Read
			complete = report.Complete
		}
		require.Equal(t, 10, reads)
		require.Equal(t, 10, w.sim.Count("CollectedData.Get"), "each is read once")
	})
}

// Profiles without a customer are read once for each sweep, however small its budget is.
func TestSweepOverStrangersIsResumed(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		for range 6 {
			_, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
				Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
			})
			require.NoError(t, err)
		}
		w.add(0)
		stop := w.start()
		w.quiet()
		stop()
		for range 2 { // the next sweep begins at the first
			w.sim.ForgetRequests()
			calls, found := 0, map[string]int{}
			for complete := false; !complete; calls++ {
				require.Less(t, calls, 5, "each call goes on")
				report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Name: "nightly", Budget: 2, PerSecond: 10_000,
					Found: func(f syncer.Finding) {
						require.Equal(t, syncer.FindingNoCustomer, f.Kind)
						found[f.ProfileID]++
					}})
				require.NoError(t, err)
				complete = report.Complete
			}
			require.Len(t, found, 6)
			for _, n := range found {
				require.Equal(t, 1, n)
			}
			require.Equal(t, 7, w.sim.Count("CollectedData.Get"), "each is read once")
		}
	})
}
