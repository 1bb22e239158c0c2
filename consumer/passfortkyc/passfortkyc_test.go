package passfortkyc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"

	"teapots.example/accounts/kyc"
	"teapots.example/accounts/passfortkyc"
)

const product = "current_account"

var robin = kyc.Applicant{
	Reference: "T-1", GivenName: "Robin", FamilyName: "Sampleton", Born: "1990-04-12", Email: "robin@mail.example",
}

func named(familyName string) kyc.Applicant {
	a := robin
	a.FamilyName = familyName
	return a
}

// inBubble runs a test against a simulated Passfort whose checks take an hour,
// which is no time in a bubble.
func inBubble(t *testing.T, test func(t *testing.T, sim *passforttest.Server, checker *passfortkyc.Checker)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := passforttest.New(passforttest.WithCheckTime(time.Hour))
		defer sim.Close()
		test(t, sim, passfortkyc.New(sim.Client(), product))
	})
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		applicant kyc.Applicant
		want      kyc.Verdict
		status    passfort.ApplicationStatus
	}{
		{"pass", robin, kyc.Accepted, passfort.ApplicationStatusApproved},
		{"fail", named("Fail"), kyc.Refused, passfort.ApplicationStatusApplied},
		{"half a match", named("Partial"), kyc.Referred, passfort.ApplicationStatusApplied},
		{"error of the provider", named("Error"), kyc.Referred, passfort.ApplicationStatusApplied},
	} {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, sim *passforttest.Server, checker *passfortkyc.Checker) {
				caseID, err := checker.Open(t.Context(), row.applicant)
				require.NoError(t, err)
				verdict, err := checker.Verify(t.Context(), caseID)
				require.NoError(t, err)
				require.Equal(t, row.want, verdict)
				applications, err := sim.Client().Applications.List(t.Context(), caseID)
				require.NoError(t, err)
				require.Equal(t, row.status, applications[0].Status)
			})
		})
	}
}

// A lost answer to a new profile is not tried again.
func TestOpenUncertain(t *testing.T) {
	inBubble(t, func(t *testing.T, sim *passforttest.Server, checker *passfortkyc.Checker) {
		sim.Inject(passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true})
		_, err := checker.Open(t.Context(), robin)
		require.ErrorIs(t, err, kyc.ErrUncertain)
		require.Equal(t, 1, sim.Count("Profiles.Create"))
	})
}

func TestOpenLater(t *testing.T) {
	inBubble(t, func(t *testing.T, sim *passforttest.Server, checker *passfortkyc.Checker) {
		sim.Inject(passforttest.Fault{Operation: "Profiles.Create", Status: http.StatusTooManyRequests, Times: -1})
		_, err := checker.Open(t.Context(), robin)
		require.ErrorIs(t, err, kyc.ErrLater)
		require.NotErrorIs(t, err, kyc.ErrUncertain)
	})
}

func TestUnknownCase(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *passforttest.Server, checker *passfortkyc.Checker) {
		_, err := checker.Verify(t.Context(), "5f0e7a10-0000-4000-8000-000000000001")
		require.ErrorIs(t, err, kyc.ErrUnknownCase)
	})
}

// An empty id is a mistake of ours: it is neither to be tried later nor to be
// looked at.
func TestOwnMistake(t *testing.T) {
	inBubble(t, func(t *testing.T, sim *passforttest.Server, checker *passfortkyc.Checker) {
		_, err := checker.Verify(t.Context(), "")
		require.ErrorIs(t, err, passfort.ErrInvalidInput)
		require.NotErrorIs(t, err, kyc.ErrLater)
		require.Zero(t, sim.Count(""))
	})
}

// A check whose answer was lost, and one from before a restart, are paid once.
func TestChecksArePaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, sim *passforttest.Server, checker *passfortkyc.Checker) {
		caseID, err := checker.Open(t.Context(), robin)
		require.NoError(t, err)
		sim.Inject(passforttest.Fault{Operation: "Checks.Run", DropAfterWrite: true})
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = checker.Verify(short, caseID)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		restarted := passfortkyc.New(sim.Client(), product)
		verdict, err := restarted.Verify(t.Context(), caseID)
		require.NoError(t, err)
		require.Equal(t, kyc.Accepted, verdict)
		require.Equal(t, 1, sim.Charges()["IDENTITY_CHECK"])
	})
}

// What a colleague changes in the portal stays.
func TestChangeEmail(t *testing.T) {
	inBubble(t, func(t *testing.T, sim *passforttest.Server, checker *passfortkyc.Checker) {
		caseID, err := checker.Open(t.Context(), robin)
		require.NoError(t, err)
		_, err = sim.EditCollectedData(caseID, func(data map[string]any) {
			data["note_of_the_branch"] = "seen in person"
		})
		require.NoError(t, err)
		sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", StaleETag: true})

		require.NoError(t, checker.ChangeEmail(t.Context(), caseID, "robin@post.example"))
		stored, _ := sim.CollectedData(caseID)
		require.Contains(t, string(stored), `"note_of_the_branch":"seen in person"`)
		require.Contains(t, string(stored), `robin@post.example`)
		require.Contains(t, string(stored), `"customer_ref":"T-1"`)
	})
}

// handed is a RoundTripper that hands requests to a handler.
type handed struct{ to http.Handler }

func (h *handed) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.to.ServeHTTP(w, r)
	return w.Result(), nil
}

// The webhook ends a wait long before the next question would: minutes, after an hour.
func TestWebhookWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := &handed{}
		sim := passforttest.New(passforttest.WithCheckTime(time.Hour),
			passforttest.WithWebhookClient(&http.Client{Transport: endpoint}))
		defer sim.Close()
		checker := passfortkyc.New(sim.Client(), product)
		const secret = "the-secret-of-the-portal"
		hooks, err := checker.Webhooks(secret)
		require.NoError(t, err)
		endpoint.to = hooks
		sim.SetWebhook("http://accounts.example/webhooks", secret, false)

		caseID, err := checker.Open(t.Context(), robin)
		require.NoError(t, err)
		began := time.Now()
		verdict, err := checker.Verify(t.Context(), caseID)
		require.NoError(t, err)
		require.Equal(t, kyc.Accepted, verdict)
		require.NotZero(t, sim.Count("Checks.Get"))
		require.InDelta(t, time.Hour, time.Since(began), float64(time.Second))
	})
}

func TestWebhooksNeedASecret(t *testing.T) {
	t.Parallel()
	sim := passforttest.New()
	defer sim.Close()
	_, err := passfortkyc.New(sim.Client(), product).Webhooks("")
	require.Error(t, err)
}
