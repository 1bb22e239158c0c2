package passfort_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

const (
	requestID  = "7d0a5bb2-3c0e-4b61-9d0f-6f2f0a1c9e11"
	requestKey = "narrow-key-of-one-request"
)

// formsAPI is the part of the API that registrations use, with one profile per
// POST and answers that a test sets.
type formsAPI struct {
	mu       sync.Mutex
	profiles int
	posts    int
	gets     int
	bodies   []string
	paths    []string
	create   func(w http.ResponseWriter, n int)
	latest   func(w http.ResponseWriter, n int)
}

func (a *formsAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	a.paths = append(a.paths, r.Method+" "+r.URL.Path)
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/profiles":
		a.profiles++
		a.bodies = append(a.bodies, string(body))
		fmt.Fprintf(w, `{"id":"profile-%d","role":"INDIVIDUAL_CUSTOMER"}`, a.profiles)
	case r.Method == http.MethodPost:
		a.posts++
		a.bodies = append(a.bodies, string(body))
		a.create(w, a.posts)
	default:
		a.gets++
		if a.latest == nil {
			http.Error(w, `{"errors":[]}`, http.StatusNotFound)
			return
		}
		a.latest(w, a.gets)
	}
}

func (a *formsAPI) client(t *testing.T) *passfort.Client {
	t.Helper()
	server := listen(t, a)
	client, err := passfort.New("account-key", passfort.WithBaseURL(server.URL),
		passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}),
		passfort.WithHTTPClient(&http.Client{Transport: trusting(server)}))
	require.NoError(t, err)
	return client
}

func made(w http.ResponseWriter, _ int) {
	fmt.Fprintf(w, `{"id":%q,"apikey":%q}`, requestID, requestKey)
}

func refused(w http.ResponseWriter, _ int) {
	w.WriteHeader(http.StatusConflict)
	_, _ = io.WriteString(w, `{"errors":[{"code":202,"message":"there is one"}]}`)
}

// lost breaks the connection: the client cannot know what was done.
func lost(http.ResponseWriter, int) { panic(http.ErrAbortHandler) }

var flow = &passfort.CustomerRequestParams{FlowTemplate: "flow", Theme: "theme"}

func TestCreateCustomerRequestSendsTheFlow(t *testing.T) {
	t.Parallel()
	api := &formsAPI{create: made}
	got, err := api.client(t).Forms.CreateCustomerRequest(t.Context(), "profile-1", flow)
	require.NoError(t, err)
	require.Equal(t, requestID, got.ID)
	require.Equal(t, requestKey, got.APIKey.Reveal())
	require.Equal(t, []string{"POST /forms/profile/profile-1/customer_request"}, api.paths)
	require.JSONEq(t, `{"type":"FLOW","flow_template":{"alias":"flow"},"theme":{"alias":"theme"}}`, api.bodies[0])
}

// A theme that is not given is left out.
func TestCreateCustomerRequestWithoutTheme(t *testing.T) {
	t.Parallel()
	api := &formsAPI{create: made}
	_, err := api.client(t).Forms.CreateCustomerRequest(t.Context(), "profile-1", &passfort.CustomerRequestParams{
		FlowTemplate: "flow",
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"FLOW","flow_template":{"alias":"flow"}}`, api.bodies[0])
}

func TestCustomerRequestIsFoundInEveryPlausibleShape(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, body string }{
		{"plain", `{"id":"ID","apikey":"KEY","is_completed":false,"more":1}`},
		{"key object", `{"id":"ID","apikey":{"key":"KEY","name":"n"},"is_completed":false,"more":1}`},
		{"key object, apikey inside", `{"id":"ID","apikey":{"apikey":"KEY"},"is_completed":false,"more":1}`},
		{"envelope", `{"customer_request":{"id":"ID","apikey":"KEY","is_completed":false,"more":1}}`},
		{"envelope beside the key", `{"customer_request":{"id":"ID","is_completed":false,"more":1},"apikey":"KEY"}`},
		{"envelope beside the id", `{"id":"ID","request":{"apikey":{"key":"KEY"},"is_completed":false,"more":1}}`},
		{"data", `{"data":{"id":"ID","apikey":"KEY","is_completed":"false","more":1}}`},
		{"an object of something else",
			`{"id":"ID","apikey":"KEY","is_completed":false,"more":1,"data":{"id":"OTHER","key":"SECOND KEY"}}`},
		{"an object of something else, and no key in the answer",
			`{"id":"ID","is_completed":false,"more":1,"apikey":"KEY","request":{"id":"OTHER"}}`},
		{"two keys", `{"id":"ID","apikey":"KEY","api_key":"SECOND KEY","key":{"key":"THIRD KEY"},` +
			`"is_completed":false,"more":1}`},
		{"two objects", `{"customer_request":{"id":"ID","apikey":"KEY","is_completed":false,"more":1},` +
			`"data":{"apikey":"SECOND KEY"}}`},
		{"key in an object without an id", `{"id":"ID","is_completed":false,"more":1,"data":{"apikey":"KEY"}}`},
		{"other names", `{"request_id":"ID","api_key":"KEY","is_completed":"FALSE","more":1}`},
		{"other name of the id", `{"customer_request_id":"ID","key":{"key":"KEY"},"is_completed":false,"more":1}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			answer := func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, row.body) }
			client := (&formsAPI{create: answer, latest: answer}).client(t)
			created, err := client.Forms.CreateCustomerRequest(t.Context(), "profile-1", flow)
			require.NoError(t, err)
			latest, err := client.Forms.CustomerRequest(t.Context(), "profile-1")
			require.NoError(t, err)
			for _, got := range []*passfort.CustomerRequest{created, latest} {
				require.Equal(t, "ID", got.ID)
				require.Equal(t, "KEY", got.APIKey.Reveal())
				require.NotNil(t, got.IsCompleted)
				require.False(t, *got.IsCompleted)
				for _, moved := range []string{"id", "customer_request_id", "request_id", "api_key", "key"} {
					_, twice := got.Unknown.Get(moved)
					require.False(t, twice, moved)
				}
				more, ok := got.Unknown.Get("more")
				require.True(t, ok)
				require.Equal(t, "1", string(more))
				raw, err := json.Marshal(got)
				require.NoError(t, err)
				require.NotContains(t, string(raw), "KEY")
				require.NotContains(t, fmt.Sprintf("%v %+v %#v", got, *got, got.APIKey), "KEY")
			}
		})
	}
}

// An object beside the request is another thing, unless it has no id or the same.
func TestObjectsBesideTheRequest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, body string
		completed  bool
		data       string // what is left of the object
	}{
		{"another", `{"id":"ID","apikey":"KEY","data":{"id":"OTHER","apikey":"SECOND KEY","key":"THIRD KEY",` +
			`"is_completed":true,"x":1}}`, false,
			`{"id":"OTHER","apikey":"[redacted]","is_completed":true,"x":1}`},
		{"the same", `{"id":"ID","apikey":"KEY","data":{"id":"ID","is_completed":true}}`, true, ""},
		{"without an id", `{"id":"ID","apikey":"KEY","data":{"is_completed":true}}`, true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			answer := func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, row.body) }
			got, err := (&formsAPI{create: answer}).client(t).Forms.CreateCustomerRequest(t.Context(), "profile-1",
				flow)
			require.NoError(t, err)
			require.Equal(t, "ID", got.ID)
			require.Equal(t, "KEY", got.APIKey.Reveal())
			require.Equal(t, row.completed, got.IsCompleted != nil && *got.IsCompleted)
			data, _ := got.Unknown.Get("data")
			if row.data == "" {
				require.Zero(t, got.Unknown.Len())
				return
			}
			require.JSONEq(t, row.data, string(data))
			require.Equal(t, 1, got.Unknown.Len())
		})
	}
}

func TestNumbersAreIDsToo(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, _ int) {
		_, _ = io.WriteString(w, `{"id":12345678901234567890,"apikey":"KEY"}`)
	}
	got, err := (&formsAPI{create: answer}).client(t).Forms.CreateCustomerRequest(t.Context(), "profile-1", flow)
	require.NoError(t, err)
	require.Equal(t, "12345678901234567890", got.ID)
	require.Nil(t, got.IsCompleted)
}

func TestCreateWithoutCredentialsIsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"id":"ID"}`, `{"apikey":"KEY"}`, `{"id":"ID","apikey":[1]}`, `[]`, `"ID"`,
		`null`, ``, `{"id":"I`} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			answer := func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, body) }
			_, err := (&formsAPI{create: answer}).client(t).Forms.CreateCustomerRequest(t.Context(), "profile-1", flow)
			require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
		})
	}
}

func TestBadInputIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	api := &formsAPI{create: made}
	client := api.client(t)
	for _, params := range []*passfort.CustomerRequestParams{nil, {}, {Theme: "theme"}} {
		_, err := client.Forms.CreateCustomerRequest(t.Context(), "profile-1", params)
		require.ErrorIs(t, err, passfort.ErrInvalidInput)
	}
	_, err := client.Forms.CreateCustomerRequest(t.Context(), "", flow)
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	for _, params := range []*passfort.RegistrationParams{
		nil,
		{},
		{Role: passfort.RoleCompanyCustomer},
		{FlowTemplate: "flow", Theme: "theme"},
		{Role: "NEW_ROLE", FlowTemplate: "flow", Theme: "theme"},
	} {
		_, err := client.Forms.StartRegistration(t.Context(), params)
		require.ErrorIs(t, err, passfort.ErrInvalidInput)
	}
	require.Empty(t, api.paths)
}

func TestStartRegistration(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		role passfort.Role
		want string
	}{
		{"person", passfort.RoleIndividualCustomer,
			`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL"}}`},
		{"company", passfort.RoleCompanyCustomer,
			`{"role":"COMPANY_CUSTOMER","collected_data":{"entity_type":"COMPANY"}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			api := &formsAPI{create: made}
			got, err := api.client(t).Forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
				Role: row.role, FlowTemplate: "flow", Theme: "theme",
			})
			require.NoError(t, err)
			require.Equal(t, "profile-1", got.ProfileID)
			require.Equal(t, "profile-1", got.Profile.ID)
			require.Equal(t, requestKey, got.Request.APIKey.Reveal())
			require.JSONEq(t, row.want, api.bodies[0])
			require.Equal(t, []string{"POST /profiles", "POST /forms/profile/profile-1/customer_request"}, api.paths)
		})
	}
}

// TestHalfDoneRegistrationsKeepOneProfile loses or refuses the second step of
// every one of 100 registrations, in four ways.
func TestHalfDoneRegistrationsKeepOneProfile(t *testing.T) {
	t.Parallel()
	const flows = 100
	api := &formsAPI{}
	api.create = func(w http.ResponseWriter, n int) {
		if n%2 == 0 {
			made(w, n)
			return
		}
		switch n / 2 % 4 {
		case 0:
			lost(w, n)
		case 1:
			refused(w, n)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = io.WriteString(w, `{"id":"half`)
		}
	}
	client := api.client(t)
	profiles := map[string]bool{}
	for range flows {
		params := &passfort.RegistrationParams{
			Role: passfort.RoleIndividualCustomer, FlowTemplate: "flow", Theme: "theme",
		}
		half, err := client.Forms.StartRegistration(t.Context(), params)
		var failed *passfort.RegistrationError
		require.ErrorAs(t, err, &failed)
		require.NotEmpty(t, failed.ProfileID)
		require.Equal(t, failed.ProfileID, half.ProfileID)
		require.Nil(t, half.Request)

		params.ProfileID = failed.ProfileID
		done, err := client.Forms.StartRegistration(t.Context(), params)
		require.NoError(t, err)
		require.Equal(t, failed.ProfileID, done.ProfileID)
		require.Nil(t, done.Profile)
		require.NotNil(t, done.Request)
		profiles[done.ProfileID] = true
	}
	require.Len(t, profiles, flows)
	require.Equal(t, flows, api.profiles)
}

func TestLostRequestIsFound(t *testing.T) {
	t.Parallel()
	api := &formsAPI{create: lost, latest: func(w http.ResponseWriter, _ int) {
		fmt.Fprintf(w, `{"id":%q,"apikey":%q,"is_completed":false}`, requestID, requestKey)
	}}
	got, err := api.client(t).Forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
		Role: passfort.RoleIndividualCustomer, FlowTemplate: "flow", Theme: "theme",
	})
	require.NoError(t, err)
	require.Equal(t, requestKey, got.Request.APIKey.Reveal())
	require.Equal(t, 1, api.posts)
}

func TestContinuing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		latest string
		posts  int
	}{
		{"open request with its key is taken", `{"id":"ID","apikey":"KEY","is_completed":false}`, 0},
		{"open request without key", `{"id":"ID","is_completed":false}`, 1},
		{"completed request", `{"id":"ID","apikey":"KEY","is_completed":true}`, 1},
		{"request that does not say", `{"id":"ID","apikey":"KEY"}`, 1},
		{"none, as null", `null`, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			api := &formsAPI{create: made, latest: func(w http.ResponseWriter, _ int) {
				_, _ = io.WriteString(w, row.latest)
			}}
			got, err := api.client(t).Forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
				FlowTemplate: "flow", Theme: "theme", ProfileID: "profile-9",
			})
			require.NoError(t, err)
			require.Equal(t, "profile-9", got.ProfileID)
			require.NotNil(t, got.Request)
			require.Equal(t, row.posts, api.posts)
			require.Zero(t, api.profiles)
		})
	}
	t.Run("a server that fails is not asked to write", func(t *testing.T) {
		t.Parallel()
		api := &formsAPI{create: made, latest: func(w http.ResponseWriter, _ int) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}}
		_, err := api.client(t).Forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
			FlowTemplate: "flow", Theme: "theme", ProfileID: "profile-9",
		})
		var failed *passfort.RegistrationError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "profile-9", failed.ProfileID)
		require.Zero(t, api.posts)
	})
	t.Run("the refusal of a second request comes through", func(t *testing.T) {
		t.Parallel()
		api := &formsAPI{create: refused, latest: func(w http.ResponseWriter, _ int) {
			_, _ = io.WriteString(w, `{"id":"ID","is_completed":false}`)
		}}
		_, err := api.client(t).Forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
			FlowTemplate: "flow", Theme: "theme", ProfileID: "profile-9",
		})
		require.ErrorIs(t, err, passfort.CodeDataPresent)
	})
}

func TestRegistrationErrorHasNoIDInPrint(t *testing.T) {
	t.Parallel()
	api := &formsAPI{create: refused}
	_, err := api.client(t).Forms.StartRegistration(t.Context(), &passfort.RegistrationParams{
		Role: passfort.RoleCompanyCustomer, FlowTemplate: "flow", Theme: "theme",
	})
	var failed *passfort.RegistrationError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "profile-1", failed.ProfileID)
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Error("failed", "error", err)
	slog.New(slog.NewTextHandler(&logged, nil)).Error("failed", "error", err)
	raw, jsonErr := json.Marshal(err)
	require.NoError(t, jsonErr)
	for _, printed := range []string{fmt.Sprintf("%v|%+v|%#v|%s|%q", err, err, err, err, err), string(raw),
		logged.String()} {
		require.NotContains(t, printed, "profile-1")
		require.NotContains(t, printed, "account-key")
		require.Contains(t, printed, "Forms.CreateCustomerRequest")
	}
	var called *passfort.Error
	require.ErrorAs(t, err, &called)
	require.Equal(t, passfort.OutcomeRejected, called.Outcome)
}

func TestWaitForCustomerRequest(t *testing.T) {
	t.Parallel()
	t.Run("until it is completed", func(t *testing.T) {
		t.Parallel()
		api := &formsAPI{latest: func(w http.ResponseWriter, n int) {
			if n == 2 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			fmt.Fprintf(w, `{"id":"ID","is_completed":%t}`, n == 4)
		}}
		var polls []int
		got, err := api.client(t).Forms.Wait(t.Context(), "profile-1", &passfort.WaitOptions{
			MinInterval: time.Millisecond, MaxInterval: time.Millisecond, OnPoll: func(n int) {
				polls = append(polls, n)
			},
		})
		require.NoError(t, err)
		require.True(t, *got.IsCompleted)
		require.Equal(t, []int{1, 2, 3, 4}, polls)
	})
	t.Run("until the context ends", func(t *testing.T) {
		t.Parallel()
		api := &formsAPI{latest: func(w http.ResponseWriter, _ int) {
			_, _ = io.WriteString(w, `{"id":"ID","is_completed":false}`)
		}}
		ctx, cancel := context.WithCancel(t.Context())
		last, err := api.client(t).Forms.Wait(ctx, "profile-1", &passfort.WaitOptions{
			MinInterval: time.Millisecond, MaxInterval: time.Millisecond,
			OnPoll: func(n int) {
				if n == 3 {
					cancel()
				}
			},
		})
		require.ErrorIs(t, err, context.Canceled)
		var ended *passfort.WaitError
		require.ErrorAs(t, err, &ended)
		require.Same(t, last, ended.CustomerRequest)
		require.Equal(t, "ID", last.ID)
		require.Contains(t, err.Error(), "customer request")
		require.NotContains(t, err.Error(), "ID ")
	})
	t.Run("not after a refusal", func(t *testing.T) {
		t.Parallel()
		_, err := (&formsAPI{}).client(t).Forms.Wait(t.Context(), "profile-1", nil)
		require.ErrorIs(t, err, passfort.ErrNotFound)
	})
}

// TestStateOfEverySequence holds CustomerRequestStateOf against the guide's
// words, for every sequence of up to four forms.
func TestStateOfEverySequence(t *testing.T) {
	t.Parallel()
	all := []passfort.FormState{passfort.FormStateSent, passfort.FormStateCancelled, passfort.FormStateCompleted,
		passfort.FormStateExpired}
	sequences := 0
	var visit func(forms []passfort.FormState)
	visit = func(forms []passfort.FormState) {
		sequences++
		got := passfort.CustomerRequestStateOf(forms...)
		open, decided := len(forms) == 0, passfort.CustomerRequestStateExpired
		for i := len(forms) - 1; i >= 0; i-- {
			open = open || forms[i] == passfort.FormStateSent
		}
		for i := len(forms) - 1; i >= 0; i-- {
			if forms[i] != passfort.FormStateCancelled {
				decided = passfort.CustomerRequestState(forms[i])
				break
			}
		}
		if open {
			require.Equal(t, passfort.CustomerRequestStateSent, got, forms)
		} else {
			require.Equal(t, decided, got, forms)
			require.True(t, got.Terminal())
		}
		require.True(t, got.Known())
		if len(forms) == 4 {
			return
		}
		for _, next := range all {
			visit(append(forms[:len(forms):len(forms)], next))
		}
	}
	visit(nil)
	require.Equal(t, 1+4+16+64+256, sequences)
}

func TestStateOfNamedSequences(t *testing.T) {
	t.Parallel()
	const (
		sent, cancelled    = passfort.FormStateSent, passfort.FormStateCancelled
		completed, expired = passfort.FormStateCompleted, passfort.FormStateExpired
	)
	for _, row := range []struct {
		name  string
		forms []passfort.FormState
		want  passfort.CustomerRequestState
	}{
		{"nothing yet", nil, passfort.CustomerRequestStateSent},
		{"one open", []passfort.FormState{completed, sent, completed}, passfort.CustomerRequestStateSent},
		{"the guide's own example", []passfort.FormState{completed, completed, expired},
			passfort.CustomerRequestStateExpired},
		{"expired, then completed", []passfort.FormState{expired, completed}, passfort.CustomerRequestStateCompleted},
		{"last one cancelled", []passfort.FormState{completed, cancelled}, passfort.CustomerRequestStateCompleted},
		{"only cancelled", []passfort.FormState{cancelled, cancelled}, passfort.CustomerRequestStateExpired},
		{"a state of the future", []passfort.FormState{completed, "PAUSED"}, passfort.CustomerRequestStateSent},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, passfort.CustomerRequestStateOf(row.forms...))
		})
	}
	require.False(t, passfort.FormState("PAUSED").Known())
	require.False(t, passfort.CustomerRequestState("CANCELLED").Known())
	require.False(t, passfort.CustomerRequestState("CANCELLED").Terminal())
	require.False(t, passfort.CustomerRequestStateSent.Terminal())
}

// An inbox that is given nothing makes the first wait late, and no other one.
func TestStateThatDoesNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := inMemory(t, func(w http.ResponseWriter) { fmt.Fprint(w, `{"id":"ID","is_completed":true}`) })
		inbox := passfort.NewCheckInbox()
		wait := func(want passfort.CustomerRequestState, after time.Duration) {
			began := time.Now()
			got, err := client.Forms.Wait(t.Context(), "profile-1", &passfort.WaitOptions{Inbox: inbox})
			require.NoError(t, err)
			require.Equal(t, want, got.State)
			require.Equal(t, after, time.Since(began))
		}
		wait("", 10*time.Second)
		wait("", 0)
		inbox.Completed("c1") // they arrive again
		time.AfterFunc(3*time.Second, func() {
			inbox.RequestChanged("profile-1", "ID", passfort.CustomerRequestStateExpired)
		})
		wait(passfort.CustomerRequestStateExpired, 3*time.Second)
	})
}
