package passfort_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// TestEverySequenceOfForms ends up to four forms of a simulated request in every
// way and holds its state, and what Wait and the webhook tell, against
// CustomerRequestStateOf.
func TestEverySequenceOfForms(t *testing.T) {
	t.Parallel()
	var flows []passforttest.Flow
	for n := 1; n <= 4; n++ {
		flows = append(flows, passforttest.Flow{Alias: fmt.Sprint(n), Forms: make([]passforttest.Form, n)})
	}
	sim := passforttest.NewServer(passforttest.WithFlows(flows...))
	t.Cleanup(sim.Close)
	webhook, err := passfort.NewWebhookHandler([]string{"secret"})
	require.NoError(t, err)
	inbox := passfort.NewCheckInbox()
	webhook.Handle(passfort.EventCustomerRequestChanged, inbox.Deliver)
	endpoint := httptest.NewServer(webhook)
	t.Cleanup(endpoint.Close)
	sim.SetWebhook(endpoint.URL, "secret", false)
	forms := sim.Client().Forms

	check := func(outcomes []passfort.FormState) {
		started, err := forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
			Role: passfort.RoleIndividualCustomer, FlowTemplate: fmt.Sprint(len(outcomes)), Theme: "theme",
		})
		require.NoError(t, err)
		states := make([]passfort.FormState, len(outcomes))
		for i := range states {
			states[i] = passfort.FormStateSent
		}
		for i, form := range sim.CustomerRequests(started.ProfileID)[0].Forms {
			latest, err := forms.CustomerRequest(t.Context(), started.ProfileID)
			require.NoError(t, err)
			require.False(t, *latest.IsCompleted, "%q after %d", outcomes, i)
			require.NoError(t, sim.EndForm(started.ProfileID, form.ID, string(outcomes[i])))
			states[i] = outcomes[i]
			require.Equal(t, string(passfort.CustomerRequestStateOf(states...)),
				sim.CustomerRequests(started.ProfileID)[0].State, "%q", states)
		}
		done, err := forms.Wait(t.Context(), started.ProfileID, &passfort.WaitOptions{Inbox: inbox})
		require.NoError(t, err)
		require.Equal(t, passfort.CustomerRequestStateOf(outcomes...), done.State, "%q", outcomes)
	}
	sequences := 0
	var visit func([]passfort.FormState)
	visit = func(outcomes []passfort.FormState) {
		if len(outcomes) > 0 {
			check(outcomes)
			sequences++
		}
		if len(outcomes) == 4 {
			return
		}
		for _, next := range []passfort.FormState{passfort.FormStateCancelled, passfort.FormStateCompleted,
			passfort.FormStateExpired} {
			visit(append(outcomes[:len(outcomes):len(outcomes)], next))
		}
	}
	visit(nil)
	require.Equal(t, 3+9+27+81, sequences)
}

// TestSimulatedHalfDoneRegistrations breaks the second step of 100 registrations
// against the simulator, before and after it was carried out.
func TestSimulatedHalfDoneRegistrations(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault passforttest.Fault
		stuck bool // the request exists, and its key is lost
	}{
		{"refused", passforttest.Fault{Status: http.StatusInternalServerError}, false},
		{"dropped before", passforttest.Fault{DropBeforeWrite: true}, false},
		{"dropped after", passforttest.Fault{DropAfterWrite: true}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sim := passforttest.NewServer()
			t.Cleanup(sim.Close)
			forms := sim.Client(passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1})).Forms
			row.fault.Operation = "Forms.CreateCustomerRequest"
			for range 100 {
				sim.Inject(row.fault)
				params := &passfort.RegistrationParams{
					Role: passfort.RoleIndividualCustomer, FlowTemplate: "flow", Theme: "theme",
				}
				_, err := forms.StartRegistration(t.Context(), params)
				half, ok := errors.AsType[*passfort.RegistrationError](err)
				require.True(t, ok, err)
				params.ProfileID = half.ProfileID
				_, err = forms.StartRegistration(t.Context(), params)
				if row.stuck {
					require.ErrorIs(t, err, passfort.CodeDataPresent)
				} else {
					require.NoError(t, err)
				}
				require.Len(t, sim.CustomerRequests(half.ProfileID), 1)
			}
			require.Equal(t, 100, sim.Count("Profiles.Create"))
		})
	}
}

func TestRequestKeyAsAnObject(t *testing.T) {
	t.Parallel()
	sim := passforttest.NewServer(passforttest.WithSwitches(passforttest.Switches{RequestKeyObject: true}))
	t.Cleanup(sim.Close)
	started, err := sim.Client().Forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
		Role: passfort.RoleCompanyCustomer, FlowTemplate: "flow", Theme: "theme",
	})
	require.NoError(t, err)
	require.Equal(t, sim.CustomerRequests(started.ProfileID)[0].APIKey, started.Request.APIKey.Reveal())
}

// TestWaitSeesTheExpiry lets a request run out on the simulator's clock.
func TestWaitSeesTheExpiry(t *testing.T) {
	t.Parallel()
	sim := passforttest.NewServer()
	t.Cleanup(sim.Close)
	forms := sim.Client().Forms
	started, err := forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
		Role: passfort.RoleCompanyCustomer, FlowTemplate: "flow", Theme: "theme",
	})
	require.NoError(t, err)
	got, err := forms.Wait(t.Context(), started.ProfileID,
		&passfort.WaitOptions{MinInterval: time.Millisecond, OnPoll: func(n int) {
			if n == 3 {
				sim.AdvanceClock(31 * 24 * time.Hour)
			}
		}})
	require.NoError(t, err)
	require.True(t, *got.IsCompleted)
	require.Empty(t, got.State, "without a webhook it is unknown")
}
