package passfort_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

func TestReportThatIsARefusal(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(http.StatusOK, `{"errors":[{"code":204}]}`))
	var out bytes.Buffer
	_, err := newClient(t, s).Audit.PDFReport(t.Context(), pid, &out)
	require.ErrorIs(t, err, passfort.CodeInvalidAPIKey)
	require.Zero(t, out.Len())
	require.Equal(t, "application/pdf, */*", s.seen()[0].Header.Get("Accept"))

	for name, report := range map[string]string{
		"short":         "%PDF-1.7 report",
		"long":          "%PDF-1.7 " + strings.Repeat("report ", 100_000),
		"JSON":          `{"report":"as JSON","errors":[]}`,
		"brace at once": "{\"errors\" is how it begins",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			got, err := newClient(t, serve(t, respond(http.StatusOK, report))).Audit.PDFReport(t.Context(), pid, &out)
			require.NoError(t, err)
			require.Equal(t, report, out.String())
			require.EqualValues(t, len(report), got.Size)
		})
	}
}

// A call that the end of its context kept from being repeated was refused all
// the same.
func TestTurnedAwayAndCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
			return answered(http.StatusTooManyRequests, "", "Retry-After", "30"), nil
		}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := c.Profiles.Create(ctx, newProfile)
		var failure *passfort.Error
		require.ErrorAs(t, err, &failure)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, passfort.OutcomeRejected, failure.Outcome)
	})
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
