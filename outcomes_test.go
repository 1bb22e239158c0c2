package passfort_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// A 200 that is not JSON may be the page of something in between, or a refusal
// that was cut off.
func TestSuccessThatIsNotJSONIsNotASuccess(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"HTML":           "<html><body>Sign in</body></html>",
		"a cut envelope": `{"errors":[{"code":201`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, respond(http.StatusOK, body))
			c := newClient(t, s)
			require.ErrorIs(t, c.Checks.Approve(t.Context(), pid, oid), passfort.ErrOutcomeUnknown)
			require.ErrorIs(t, c.Profiles.Delete(t.Context(), pid, ""), passfort.ErrOutcomeUnknown)
			require.Len(t, s.seen(), 2, "neither may be repeated")
		})
	}
}

func TestEmptyReportIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(http.StatusOK, ""))
	_, err := newClient(t, s).Audit.PDFReport(t.Context(), pid, io.Discard)
	require.Error(t, err)
	require.Len(t, s.seen(), 3, "a read is repeated")
}

func TestProfileStatusWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	defer srv.Close()
	c := srv.Client(quick)
	ctx := t.Context()
	p, err := c.Profiles.Create(ctx, &passfort.ProfileRequest{Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany()})
	require.NoError(t, err)
	srv.Inject(passforttest.Fault{Operation: "Profiles.SetStatus", AfterWrite: true, Body: []byte{}})
	status, err := c.Profiles.SetStatus(ctx, p.ID, passfort.ProfileStatusBanned)
	require.NoError(t, err)
	require.Equal(t, passfort.ProfileStatusBanned, status)
	srv.Inject(passforttest.Fault{Operation: "Profiles.SetStatus", Status: http.StatusInternalServerError, Times: -1})
	_, err = c.Profiles.SetStatus(ctx, p.ID, passfort.ProfileStatusNormal)
	require.ErrorIs(t, err, passfort.ErrOutcomeUnknown, "another status is there")
}

func TestDeletedNoteWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	defer srv.Close()
	c := srv.Client(quick)
	ctx := t.Context()
	p, err := c.Profiles.Create(ctx, &passfort.ProfileRequest{
		Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
	})
	require.NoError(t, err)
	task := p.Tasks[0].ID
	note, err := c.Tasks.AddNote(ctx, p.ID, task, &passfort.NoteRequest{Text: "seen"})
	require.NoError(t, err)
	srv.Inject(passforttest.Fault{Operation: "Tasks.DeleteNote", DropAfterWrite: true})
	require.NoError(t, c.Tasks.DeleteNote(ctx, p.ID, task, note.ID))
	require.ErrorIs(t, c.Tasks.DeleteNote(ctx, p.ID, task, note.ID), passfort.ErrNotFound)
}
