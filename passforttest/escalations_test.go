package passforttest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

func TestEscalation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		risk     bool // what the second team says
		blocker  string
		approved int
	}{
		"all approve": {true, "", http.StatusOK},
		"one rejects": {false, "REJECTION_OUTCOME", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, byHand(monitored(func(p *passforttest.Product) {
				p.EscalateTo = []string{"legal", "risk"}
			}))...)
			id := w.applied("monitored")
			a := text(w.application(id), "id")
			require.Error(t, w.srv.DecideEscalation(id, a, "legal", true), "not before the tasks have passed")
			w.srv.AdvanceClock(time.Minute)
			require.Equal(t, "WAITING_ON_ESCALATION", w.application(id)["flag"])
			require.Equal(t, "WAITING_ON_ESCALATION", text(w.application(id)["approval_blockers"].([]any)[0],
				"blocker_type"))
			path := "/profiles/" + id + "/applications/" + a
			require.Equal(t, http.StatusBadRequest, w.post(path, `{"status":"APPROVED"}`).status)

			require.NoError(t, w.srv.DecideEscalation(id, a, "legal", true))
			require.Error(t, w.srv.DecideEscalation(id, a, "legal", true), "once a team")
			require.Error(t, w.srv.DecideEscalation(id, a, "sales", true))
			require.Error(t, w.srv.DecideEscalation(id, "nothing", "risk", true))
			require.Error(t, w.srv.DecideEscalation("nobody", a, "risk", true))
			require.Equal(t, "WAITING_ON_ESCALATION", w.application(id)["flag"])
			require.NoError(t, w.srv.DecideEscalation(id, a, "risk", c.risk))
			blockers := w.application(id)["approval_blockers"].([]any)
			if c.blocker == "" {
				require.Empty(t, blockers)
				require.Equal(t, "READY_FOR_DECISION", w.application(id)["flag"])
				require.Equal(t, "APPLIED", w.application(id)["status"], "a person approves")
			} else {
				require.Equal(t, c.blocker, text(blockers[0], "blocker_type"))
			}
			require.Equal(t, c.approved, w.post(path, `{"status":"APPROVED"}`).status)
			if c.blocker != "" {
				require.Equal(t, http.StatusOK, w.post(path, `{"status":"REJECTED"}`).status)
			}
		})
	}
}

func TestReasonToReject(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(monitored(func(p *passforttest.Product) { p.ReasonToReject = true }))...)
	id := w.applied("monitored")
	a := text(w.application(id), "id")
	refused := w.post("/profiles/"+id+"/applications/"+a, `{"status":"REJECTED"}`)
	require.Equal(t, http.StatusBadRequest, refused.status)
	require.Equal(t, "105", refused.code(t))
	require.NoError(t, w.srv.SetApplicationStatus(id, a, "REJECTED"), "the portal asks for one")
}
