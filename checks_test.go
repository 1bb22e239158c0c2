package passfort_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// TestLostCheck: the answer of Run is lost, and the checks of the profile are
// what the list says.
func TestLostCheck(t *testing.T) {
	t.Parallel()
	const now = "2026-05-01 10:00:00"
	const before = "2026-05-01 09:58:59"
	check := func(id, typ, variant, task, at string) string {
		return fmt.Sprintf(
			`{"id":%q,"check_type":%q,"variant":{"id":"v","alias":%q},"task_ids":[%q],"state":"RUNNING",`+
				`"instructed_on":%q}`, id, typ, variant, task, at,
		)
	}
	old := check("old", "IDENTITY_CHECK", "provider", oid, before)
	for _, row := range []struct {
		name string
		list string
		want string // "" for an unknown outcome
		many bool   // more than one fits
	}{
		{"the one", "[" + old + "," + check("new", "IDENTITY_CHECK", "provider", oid, now) + "]", "new", false},
		{"none yet", "[" + old + "]", "", false},
		{"no checks", "[]", "", false},
		{"of another type", "[" + check("new", "DOCUMENT_FETCH", "provider", oid, now) + "]", "", false},
		{"of another variant", "[" + check("new", "IDENTITY_CHECK", "other", oid, now) + "]", "", false},
		{"for another task", "[" + check("new", "IDENTITY_CHECK", "provider", nid, now) + "]", "", false},
		{"without a time", "[" + check("new", "IDENTITY_CHECK", "provider", oid, "") + "]", "", false},
		{"two that fit", "[" + check("a", "IDENTITY_CHECK", "provider", oid, now) + "," +
			check("b", "IDENTITY_CHECK", "provider", oid, now) + "]", "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				posts := 0
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPost {
						posts++
						<-time.After(time.Minute) // of the bubble: the check took as long
						return nil, errors.New("reset")
					}
					// The server's clock, not this machine's, which is in the year 2000.
					return answered(200, row.list, "Date", "Fri, 01 May 2026 10:00:01 GMT"), nil
				})
				began := time.Now()
				got, err := clientOn(t, transport).Checks.Run(t.Context(), pid, newCheck)
				require.Equal(t, 1, posts)
				if row.want == "" {
					require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
					if !row.many {
						require.Equal(t, time.Minute+1300*time.Millisecond, time.Since(began), "it may show up late")
					}
					return
				}
				require.NoError(t, err)
				require.Equal(t, row.want, got.ID)
			})
		})
	}
}

// What the server repeats of a request identifies its check.
func TestLostCheckIsNotAnother(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		req  passfort.CheckRequest
		got  string // members of the check in the list
		ok   bool
	}{
		{"same document", passfort.CheckRequest{DocumentID: oid}, `"document_id":"` + oid + `"`, true},
		{"not repeated", passfort.CheckRequest{DocumentID: oid}, `"document_id":null`, true},
		{"tasks filled in by the server", passfort.CheckRequest{}, `"task_ids":["` + oid + `"]`, true},
		{"tasks in another order", passfort.CheckRequest{TaskIDs: []string{oid, nid}},
			`"task_ids":["` + nid + `","` + oid + `"]`, true},
		{"fewer tasks", passfort.CheckRequest{TaskIDs: []string{oid, nid}}, `"task_ids":["` + oid + `"]`, false},
		{"variant by id", passfort.CheckRequest{Variant: &passfort.VariantRef{ID: "v"}},
			`"variant":{"id":"v","alias":"a"}`, true},
		{"another variant", passfort.CheckRequest{Variant: &passfort.VariantRef{ID: "v"}},
			`"variant":{"id":"w","alias":"a"}`, false},
		{"no variant", passfort.CheckRequest{Variant: &passfort.VariantRef{Alias: "a"}}, `"variant":null`, false},
		{"filled in by the server", passfort.CheckRequest{}, `"document_id":"` + oid + `"`, true},
		{"document", passfort.CheckRequest{DocumentID: oid}, `"document_id":"` + nid + `"`, false},
		{"source", passfort.CheckRequest{Source: "A"}, `"source":"B"`, false},
		{"reference", passfort.CheckRequest{Reference: "A"}, `"reference":"B"`, false},
		{"filing", passfort.CheckRequest{SourceID: "A"}, `"source_id":"B"`, false},
		{"form", passfort.CheckRequest{FormID: "A"}, `"form_id":"B"`, false},
		{"category", passfort.CheckRequest{Category: "A"}, `"category":"B"`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOn(t, roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPost {
						return nil, errors.New("reset")
					}
					list := `[{"id":"c","check_type":"X","instructed_on":"2026-05-01 10:00:00",` + row.got + `}]`
					return answered(200, list, "Date", "Fri, 01 May 2026 10:00:00 GMT"), nil
				}))
				row.req.Type = "X"
				got, err := c.Checks.Run(t.Context(), pid, &row.req)
				if !row.ok {
					require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
					return
				}
				require.NoError(t, err)
				require.Equal(t, "c", got.ID)
			})
		})
	}
}

// A check that Run has returned is not found again for the next, lost one.
func TestLostCheckIsNotTheOneBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		posts := 0
		c := clientOn(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			check := `{"id":"c","check_type":"X","instructed_on":"2026-05-01 10:00:00"}`
			if r.Method == http.MethodGet {
				return answered(200, `[`+check+`]`, "Date", "Fri, 01 May 2026 10:00:00 GMT"), nil
			}
			if posts++; posts == 1 {
				return answered(200, check), nil
			}
			return nil, errors.New("reset")
		}))
		_, err := c.Checks.Run(t.Context(), pid, &passfort.CheckRequest{Type: "X"})
		require.NoError(t, err)
		_, err = c.Checks.Run(t.Context(), pid, &passfort.CheckRequest{Type: "X"})
		require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)

		other := clientOn(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answered(200, `[{"id":"c","check_type":"X","instructed_on":"2026-05-01 10:00:00"}]`, "Date",
					"Fri, 01 May 2026 10:00:00 GMT"), nil
			}
			return nil, errors.New("reset")
		}))
		_, err = other.Checks.Run(t.Context(), pid, &passfort.CheckRequest{Type: "X"})
		require.NoError(t, err)
		_, err = other.Checks.Run(t.Context(), pid, &passfort.CheckRequest{Type: "X"})
		require.ErrorIs(t, err, passfort.ErrOutcomeUnknown, "nor one that was found")
	})
}

func TestLostCheckOnTheSimulator(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		lose passforttest.Fault
		ok   bool
	}{
		{"run, then reset", passforttest.Fault{DropAfterWrite: true}, true},
		{"run, then a gateway's 502", passforttest.Fault{AfterWrite: true, Status: 502, Body: []byte("<html>")}, true},
		{"run, answer cut", passforttest.Fault{Truncate: true}, true},
		{"not run, reset", passforttest.Fault{DropBeforeWrite: true}, false},
		{"not run, 503", passforttest.Fault{Status: 503}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sim, c, id := simulated(t)
			row.lose.Operation = "Checks.Run"
			sim.Inject(row.lose)
			check, err := c.Checks.Run(t.Context(), id, &passfort.CheckRequest{
				Type: passfort.CheckTypePEPsAndSanctionsScreen,
			})
			require.Equal(t, 1, sim.Count("Checks.Run"))
			checks, listErr := c.Checks.List(t.Context(), id)
			require.NoError(t, listErr)
			if !row.ok {
				require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
				require.Empty(t, checks)
				return
			}
			require.NoError(t, err)
			require.Len(t, checks, 1)
			require.Equal(t, checks[0].ID, check.ID)
		})
	}
}

// progressing answers Get with one state after the other, the last permanently.
func progressing(states ...string) roundTrip {
	var mu sync.Mutex
	n := 0
	return func(_ *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		state := states[min(n, len(states)-1)]
		n++
		if state == "503" {
			return answered(503, ""), nil
		}
		if state == "404" {
			return answered(404, ""), nil
		}
		return answered(200, `{"id":"`+oid+`","check_type":"IDENTITY_CHECK","state":"`+state+`","status":"`+state+
			`"}`), nil
	}
}

func TestWaitForACheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		once := passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1})
		var polls []int
		options := &passfort.WaitOptions{MinInterval: time.Second, MaxInterval: 4 * time.Second, OnPoll: func(n int) {
			polls = append(polls, n)
		}}
		c := clientOn(t, progressing("PENDING", "RUNNING", "SOMETHING_NEW", "503", "RUNNING", "COMPLETE"), once)
		start := time.Now()
		check, err := c.Checks.Wait(t.Context(), pid, oid, options)
		require.NoError(t, err)
		require.True(t, check.Done())
		require.Equal(t, []int{1, 2, 3, 4, 5, 6}, polls)
		waited := time.Since(start)
		require.GreaterOrEqual(t, waited, (1000+1500+2250+3375+4000)/2*time.Millisecond)
		require.LessOrEqual(t, waited, (1000+1500+2250+3375+4000)*time.Millisecond)

		// The context ends: the last check comes back, in both places.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start = time.Now()
		check, err = clientOn(t, progressing("PENDING", "RUNNING"), once).Checks.Wait(ctx, pid, oid, nil)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var ended *passfort.WaitError
		require.ErrorAs(t, err, &ended)
		require.Equal(t, passfort.CheckStateRunning, ended.Check.State)
		require.Same(t, check, ended.Check)
		require.NotContains(t, err.Error(), oid)

		// A refusal ends the wait at once.
		start = time.Now()
		_, err = clientOn(t, progressing("404"), once).Checks.Wait(t.Context(), pid, oid, nil)
		require.Zero(t, time.Since(start))
		require.ErrorIs(t, err, passfort.ErrNotFound)
		require.ErrorAs(t, err, &ended)
		require.Nil(t, ended.Check)

		// RunAndWait: the check that was run comes back even if no poll got through.
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		check, err = clientOn(t, progressing("PENDING", "503"), once).Checks.RunAndWait(ctx, pid, newCheck, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorAs(t, err, &ended)
		require.Equal(t, oid, ended.Check.ID)
		require.Equal(t, oid, check.ID)

		// A check that is complete is not asked for again.
		asked := 0
		check, err = clientOn(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			asked++
			return progressing("COMPLETE")(r)
		}), once).Checks.RunAndWait(t.Context(), pid, newCheck, nil)
		require.NoError(t, err)
		require.True(t, check.Done())
		require.Equal(t, 1, asked)
	})
}

func TestWaitForAnApplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		approved := func(a *passfort.Application) bool { return a.Status == "APPROVED" }
		app, err := clientOn(t, progressing("APPLIED", "503", "APPROVED")).Applications.Wait(t.Context(), pid, oid,
			approved, nil)
		require.NoError(t, err)
		require.Equal(t, passfort.ApplicationStatusApproved, app.Status)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		app, err = clientOn(t, progressing("APPLIED")).Applications.Wait(ctx, pid, oid, approved, &passfort.WaitOptions{
			MaxInterval: time.Second,
		})
		var ended *passfort.WaitError
		require.ErrorAs(t, err, &ended)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Same(t, app, ended.Application)
		require.Contains(t, err.Error(),
			`waiting for the application: context deadline exceeded; it was last seen "APPLIED"`)
	})
}

// TestSyncCheckFallsBack: a sync check that takes too long answers unfinished,
// and the wait gets its result.
func TestSyncCheckFallsBack(t *testing.T) {
	t.Parallel()
	sim := passforttest.NewServer(passforttest.WithCheckTime(300*time.Millisecond),
		passforttest.WithSyncLimit(50*time.Millisecond))
	t.Cleanup(sim.Close)
	c := sim.Client(quick)
	id := newPerson(t, sim, c)
	request := &passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeSync}
	check, err := c.Checks.Run(t.Context(), id, request)
	require.NoError(t, err)
	require.False(t, check.Done())
	check, err = c.Checks.Wait(t.Context(), id, check.ID, &passfort.WaitOptions{MinInterval: 20 * time.Millisecond})
	require.NoError(t, err)
	require.True(t, check.Done())
	require.Equal(t, passfort.DecisionPass, check.Decision)
}

func TestLostDecisionsAreLookedUp(t *testing.T) {
	t.Parallel()
	sim := passforttest.NewServer()
	t.Cleanup(sim.Close)
	c := sim.Client(passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))
	ctx := t.Context()
	id := newPerson(t, sim, c)
	task, err := c.Tasks.Create(ctx, id, &passfort.TaskRequest{Type: passfort.TaskTypeIndividualManualTask})
	require.NoError(t, err)

	sim.Inject(passforttest.Fault{Operation: "Tasks.Update", DropAfterWrite: true})
	task, err = c.Tasks.Complete(ctx, id, task.ID, passfort.TaskStateCompletedPass)
	require.NoError(t, err)
	require.Equal(t, passfort.TaskStateCompletedPass, task.State)

	sim.Inject(passforttest.Fault{Operation: "Tasks.Update", DropBeforeWrite: true})
	_, err = c.Tasks.Complete(ctx, id, task.ID, passfort.TaskStateCompletedFail)
	require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)

	tag, err := c.Tags.Add(ctx, id, "vip")
	require.NoError(t, err)
	twice := sim.Client(quick)
	sim.Inject(passforttest.Fault{Operation: "Tags.Remove", DropAfterWrite: true})
	gone, err := twice.Tags.Remove(ctx, id, tag.ID)
	require.NoError(t, err, "lost, repeated, and then not found: it has been removed")
	require.Equal(t, tag.ID, gone.ID)
	_, err = twice.Tags.Remove(ctx, id, tag.ID)
	require.ErrorIs(t, err, passfort.ErrNotFound)
	require.NotErrorIs(t, err, passfort.ErrOutcomeUnknown)

	task, err = c.Tasks.Create(ctx, id, &passfort.TaskRequest{Type: passfort.TaskTypeIndividualManualTask})
	require.NoError(t, err)
	check, err := c.Checks.Run(ctx, id, &passfort.CheckRequest{Type: passfort.CheckTypePEPsAndSanctionsScreen})
	require.NoError(t, err)
	sim.Inject(passforttest.Fault{Operation: "Checks.SetTasks", DropAfterWrite: true})
	check, err = c.Checks.SetTasks(ctx, id, check.ID, []string{task.ID})
	require.NoError(t, err)
	require.Equal(t, []string{task.ID}, check.TaskIDs)
}

func TestValidateFor(t *testing.T) {
	t.Parallel()
	whole := passfort.NewIndividual()
	whole.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sampleton"}, DOB: "1990-04-12",
	}
	whole.AddressHistory = []passfort.DatedAddress{{Address: passfort.NewStructuredAddress("GBR")}}
	company := passfort.NewCompany()
	company.Metadata = &passfort.CompanyMetadata{Name: "Sample Ltd", CountryOfIncorporation: "GBR"}
	branch := company.Clone()
	branch.Metadata.Addresses = []passfort.CompanyAddress{
		{Type: "branch_address", Address: passfort.NewStructuredAddress("GBR")},
	}
	const name = "/personal_details/name/"
	for title, row := range map[string]struct {
		data   *passfort.EntityData
		checks []passfort.CheckType
		want   []string
	}{
		"nil":           {nil, []passfort.CheckType{passfort.CheckTypeIdentityCheck}, []string{""}},
		"no check":      {passfort.NewIndividual(), nil, nil},
		"unknown check": {passfort.NewIndividual(), []passfort.CheckType{"NEWEST"}, nil},
		"identity":      {whole, []passfort.CheckType{passfort.CheckTypeIdentityCheck}, nil},
		"identity of nothing": {passfort.NewIndividual(), []passfort.CheckType{passfort.CheckTypeIdentityCheck},
			[]string{"/address_history", "/personal_details/dob", name + "family_name", name + "given_names"}},
		"the same twice": {passfort.NewIndividual(), []passfort.CheckType{passfort.CheckTypePEPsScreen,
			passfort.CheckTypeSanctionsScreen},
			[]string{name + "family_name", name + "given_names"}},
		"bank account": {whole, []passfort.CheckType{passfort.CheckTypeCRABankAccountVerification},
			[]string{"/banking_details"}},
		"identity of a company": {company, []passfort.CheckType{passfort.CheckTypeIdentityCheck},
			[]string{"/entity_type"}},
		"register for a person": {whole, []passfort.CheckType{passfort.CheckTypeCompanyRegistry},
			[]string{"/entity_type"}},
		"register, no number": {company, []passfort.CheckType{passfort.CheckTypeCompanyRegistry}, nil},
		"register, nothing": {passfort.NewCompany(), []passfort.CheckType{passfort.CheckTypeCompanyRegistry},
			[]string{"/metadata", "/metadata/country_of_incorporation"}},
		"screening": {company, []passfort.CheckType{passfort.CheckTypeCompanyPEPsAndSanctionsScreen}, nil},
		"screening of a branch": {branch, []passfort.CheckType{passfort.CheckTypeCompanyPEPsAndSanctionsScreen},
			[]string{"/metadata/addresses"}},
		"screening of nothing": {passfort.NewCompany(),
			[]passfort.CheckType{passfort.CheckTypeCompanyPEPsAndSanctionsScreen},
			[]string{"/metadata/name"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, pointers(row.data.ValidateFor(row.checks...)))
		})
	}
}

func TestScreeningAddress(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		kinds []passfort.CompanyAddressType
		want  int
	}{
		{nil, -1}, {[]passfort.CompanyAddressType{"branch_address", "contact_address"}, -1},
		{[]passfort.CompanyAddressType{"branch_address", ""}, 1},
		{[]passfort.CompanyAddressType{"", "trading_address"}, 1},
		{[]passfort.CompanyAddressType{"trading_address", "registered_address"}, 1},
		{[]passfort.CompanyAddressType{"registered_address", "registered_address", "head_office_address"}, 2},
	} {
		m := new(passfort.CompanyMetadata)
		for _, kind := range row.kinds {
			m.Addresses = append(m.Addresses, passfort.CompanyAddress{Type: kind})
		}
		var want *passfort.CompanyAddress
		if row.want >= 0 {
			want = &m.Addresses[row.want]
		}
		require.Same(t, want, m.ScreeningAddress(), row.kinds)
	}
	require.Nil(t, (*passfort.CompanyMetadata)(nil).ScreeningAddress())
}

func TestCheckRequestValidate(t *testing.T) {
	t.Parallel()
	yes := true
	for name, row := range map[string]struct {
		req  *passfort.CheckRequest
		want []string
	}{
		"nil":      {nil, []string{""}},
		"no type":  {&passfort.CheckRequest{}, []string{""}},
		"identity": {&passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck}, nil},
		"document": {&passfort.CheckRequest{Type: passfort.CheckTypeDocumentVerification},
			[]string{"/document_id"}},
		"fetch": {&passfort.CheckRequest{Type: passfort.CheckTypeDocumentFetch},
			[]string{"/source", "/reference"}},
		"filing": {&passfort.CheckRequest{Type: passfort.CheckTypeCompanyFilingPurchase},
			[]string{"/source_id"}},
		"form": {&passfort.CheckRequest{Type: passfort.CheckTypeCompanyManualForm}, []string{"/form_id"}},
		"device": {&passfort.CheckRequest{Type: passfort.CheckTypeDeviceFraudDetection},
			[]string{"/device_metadata"}},
		"visa": {&passfort.CheckRequest{Type: passfort.CheckTypeVisaCheck}, []string{"/document_metadata"}},
		"made elsewhere": {&passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck, InstructedExternally: &yes},
			[]string{"/result"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, pointers(row.req.Validate()))
		})
	}
}

// A check that another process ran is as old as the server says.
func TestWaitForACheckOfAnotherProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		skew := -time.Hour // the clock of the server
		var instructed time.Time
		var asked []time.Time
		takes := 20 * time.Second
		c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
			asked = append(asked, time.Now())
			text := fmt.Sprintf(`"state":"RUNNING","instructed_on":%q`,
				instructed.Add(skew).UTC().Format(time.DateTime))
			if time.Since(instructed) >= takes {
				text = fmt.Sprintf(`"state":"COMPLETE","instructed_on":%q,"completed_on":%q`,
					instructed.Add(skew).UTC().Format(time.DateTime), instructed.Add(skew+
						takes).UTC().Format(time.DateTime))
			}
			a := answered(200, `{"id":"`+oid+`","check_type":"IDENTITY_CHECK",`+text+`}`)
			a.Header.Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
			return a, nil
		}))
		for i := range 12 {
			instructed, asked = time.Now(), nil
			<-time.After(5 * time.Second) // of the bubble
			check, err := c.Checks.Wait(t.Context(), pid, oid, nil)
			require.NoError(t, err)
			require.True(t, check.Done())
			if i >= 8 {
				require.Equal(t, 5*time.Second, asked[0].Sub(instructed),
					"the age is not known before the first question")
				require.Greater(t, asked[1].Sub(instructed), 18*time.Second)
				require.Less(t, time.Since(instructed), 23*time.Second)
				require.LessOrEqual(t, len(asked), 4)
			}
		}
	})
}

// A check whose webhook is late says nothing of that of a request: the wait for its state
// lasts as long as ever.
func TestStateAfterALateWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		client := inMemory(t, func(w http.ResponseWriter) {
			state := "RUNNING"
			if time.Since(began) > 5*time.Second {
				state = "COMPLETE"
			}
			fmt.Fprintf(w, `{"id":"ID","state":%q,"is_completed":true}`, state)
		})
		options := &passfort.WaitOptions{Inbox: passfort.NewCheckInbox()}
		_, err := client.Checks.Wait(t.Context(), "profile-1", "ID", options)
		require.NoError(t, err)
		time.AfterFunc(3*time.Second, func() {
			options.Inbox.RequestChanged("profile-1", "ID", passfort.CustomerRequestStateExpired)
		})
		got, err := client.Forms.Wait(t.Context(), "profile-1", options)
		require.NoError(t, err)
		require.Equal(t, passfort.CustomerRequestStateExpired, got.State)
	})
}
