package syncer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/syncer"
)

// A trigger says what changed, and what the syncer writes itself costs no request.
func TestTrigger(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, profile := w.add(0)
		for range 2 { // twice is once
			require.NoError(t, w.sync.InstallTriggers(t.Context()))
		}
		w.start()
		w.quiet()
		w.sim.ForgetRequests()
		w.exec(`UPDATE crm_people SET notes = 'not a field'`)
		w.exec(`UPDATE crm_people SET mail = 'robin@sampleton.example'`)
		w.quiet()
		require.Equal(t, "robin@sampleton.example", w.at(profile).ContactDetails.Email)
		require.Equal(t, 2, w.sim.Count(""), "one GET and one POST")
		w.portal(profile, func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		w.quiet()
		require.Equal(t, "IRN", w.one(`SELECT citizen_of FROM crm_people`))
		require.Equal(t, 3, w.sim.Count(""), "and one GET: its own write is no edit")
		_, err := w.sync.Trigger("ELSE")
		require.ErrorIs(t, err, syncer.ErrMapping)
	})
}
