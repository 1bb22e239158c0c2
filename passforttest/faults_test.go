package passforttest_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

const newPerson = `{"role":"INDIVIDUAL_CUSTOMER","collected_data":` + person + `}`

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   passforttest.Fault
		status  int // 0: no answer
		applied bool
	}{
		"status":            {passforttest.Fault{Status: 503}, 503, false},
		"dropped before":    {passforttest.Fault{DropBeforeWrite: true}, 0, false},
		"dropped after":     {passforttest.Fault{DropAfterWrite: true}, 0, true},
		"status after":      {passforttest.Fault{Status: 502, AfterWrite: true}, 502, true},
		"truncated":         {passforttest.Fault{Truncate: true}, 0, true},
		"delayed":           {passforttest.Fault{Delay: time.Millisecond}, 200, true},
		"slow":              {passforttest.Fault{Trickle: time.Microsecond}, 200, true},
		"gzipped":           {passforttest.Fault{Gzip: true}, 200, true},
		"by operation":      {passforttest.Fault{Operation: "Profiles.Create", Status: 500}, 500, false},
		"by path":           {passforttest.Fault{Method: "POST", Path: "/4.0/profiles", Status: 500}, 500, false},
		"another operation": {passforttest.Fault{Operation: "Profiles.Get", Status: 500}, 200, true},
		"another path":      {passforttest.Fault{Path: "/4.0/whoami", Status: 500}, 200, true},
		"empty body after":  {passforttest.Fault{AfterWrite: true, Body: []byte{}}, 200, true},
		"stale tag, no tag": {passforttest.Fault{StaleETag: true}, 200, true},
		"skipped":           {passforttest.Fault{Skip: 1, Status: 500}, 200, true},
		"all, then none":    {passforttest.Fault{Times: -1, Status: 429}, 429, false},
		"redirect": {passforttest.Fault{Status: 307, Header: http.Header{"Location": {"/4.0/whoami"}}},
			307, false},
		"improbable, by seed 1": {passforttest.Fault{Probability: 1e-12, Status: 500}, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, passforttest.WithSeed(1))
			w.hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			w.srv.Inject(c.fault)
			a, err := w.send(http.MethodPost, "/profiles", newPerson)
			if c.status == 0 {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				require.Equal(t, c.status, a.status)
			}
			require.Equal(t, 1, w.srv.Count("Profiles.Create"))
			w.srv.ClearFaults()
			require.Equal(t, c.applied,
				w.get("/profiles").object(t)["count"].(interface{ String() string }).String() == "1")
		})
	}
}

func TestFaultTimes(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.Inject(passforttest.Fault{Operation: "WhoAmI", Status: 503, Times: 2})
	w.srv.Inject(passforttest.Fault{Status: 500})
	var got []int
	for range 4 {
		got = append(got, w.get("/whoami").status)
	}
	require.Equal(t, []int{503, 503, 500, 200}, got)
}

func TestResetIsAReset(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.Inject(passforttest.Fault{DropAfterWrite: true})
	_, err := w.send(http.MethodPost, "/profiles", newPerson)
	require.True(t, errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "connection reset"), "%v",
		err)
	require.Equal(t, 0, w.srv.Requests()[0].Status)
	require.True(t, w.srv.Requests()[0].Faulty)
}

func TestStaleETagFault(t *testing.T) {
	t.Parallel()
	w := start(t)
	path := "/profiles/" + w.person() + "/collected_data"
	tag := w.get(path).header.Get("Etag")
	w.srv.Inject(passforttest.Fault{StaleETag: true})
	lost := w.post(path, person, "If-Match", tag)
	require.Equal(t, http.StatusPreconditionFailed, lost.status)
	require.NotEqual(t, tag, lost.header.Get("Etag"))
	require.Equal(t, http.StatusOK, w.post(path, person, "If-Match", lost.header.Get("Etag")).status)
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*wire{"socket": start(t), "in memory": inMemory(t)} {
		require.Equal(t, http.StatusOK, w.get("/whoami").status, name)
		w.srv.Refuse(true)
		_, err := w.send(http.MethodGet, "/whoami", "")
		require.ErrorContains(t, err, "connection refused", name)
		w.srv.Refuse(false)
		require.Equal(t, http.StatusOK, w.get("/whoami").status, name)
	}
}

func inMemory(t *testing.T, opts ...passforttest.Option) *wire {
	srv := passforttest.New(opts...)
	t.Cleanup(srv.Close)
	return &wire{t, srv, &http.Client{Transport: srv.Transport()}, nil}
}

func TestFaultBodies(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.Inject(passforttest.Fault{Status: 502})
	a := w.get("/whoami")
	require.Equal(t, "text/html", a.header.Get("Content-Type"))
	w.srv.Inject(passforttest.Fault{
		Status: 418, Body: []byte("tea"), Header: http.Header{"Content-Type": {"text/plain"}, "Retry-After": {"3"}},
	})
	a = w.get("/whoami")
	require.Equal(t, "tea", a.raw)
	require.Equal(t, "3", a.header.Get("Retry-After"))
	w.srv.Inject(passforttest.Fault{DropBeforeWrite: true})
	_, err := w.send(http.MethodPost, "/profiles", strings.Repeat(" ", 1<<20))
	require.Error(t, err)
	require.EqualValues(t, 0, w.srv.RequestsTo("Profiles.Create")[0].Size, "the body was not read")
}

// A name that does not exist would pass for something that never happens.
func product(task passforttest.ProductTask) passforttest.Product {
	return passforttest.Product{Alias: "a", Tasks: []passforttest.ProductTask{task}}
}

func TestTyposPanic(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	t.Cleanup(srv.Close)
	for name, row := range map[string]struct {
		do   func()
		near string
	}{
		"fault": {func() {
			srv.Inject(passforttest.Fault{Operation: "CollectedData.Update"})
		}, "CollectedData.Replace"},
		"method of a fault": {func() { srv.Inject(passforttest.Fault{Method: "get"}) }, "GET"},
		"path of a fault":   {func() { srv.Inject(passforttest.Fault{Path: "/["}) }, "no pattern"},
		"chance of a fault": {func() { srv.Inject(passforttest.Fault{Probability: 2}) }, "between 0 and 1"},
		"count":             {func() { srv.Count("Profiles.create") }, "Profiles.Create"},
		"seen":              {func() { srv.AssertSeen(t, "Profile.Create", 0) }, "Profiles.Create"},
		"applied":           {func() { srv.AssertApplied(t, "Check.Run", 0) }, "Checks.Run"},
		"only":              {func() { srv.AssertOnly(t, "Checks.Lists") }, "Checks.List"},
		"last":              {func() { srv.LastRequest(t, "Task.Update") }, "Tasks.Update"},
		"requests":          {func() { srv.RequestsTo("Whoami") }, "WhoAmI"},
		"rate limit": {func() {
			passforttest.WithRateLimit("Checks.Rum", passforttest.RateLimit{})
		}, "Checks.Run"},
		"type of a waterfall": {func() { passforttest.WithWaterfall("IDENTITY", "a", "b") }, "IDENTITY_CHECK"},
		"entity type of a product": {func() {
			passforttest.WithProducts(passforttest.Product{Alias: "a", EntityType: "PERSON"})
		}, "no entity type"},
		"task type of a product": {func() {
			srv.AddProduct(product(passforttest.ProductTask{Type: "INDIVIDUAL_VERIFY"}))
		}, "no task type"},
		"check of a product": {func() {
			passforttest.WithProducts(product(passforttest.ProductTask{
				Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY"},
			}))
		}, "IDENTITY_CHECK"},
		"accepted check of a product": {func() {
			srv.AddProduct(product(passforttest.ProductTask{
				Type: "INDIVIDUAL_VERIFY_IDENTITY", Accept: []string{"identity_check"},
			}))
		}, "IDENTITY_CHECK"},
		"decision of a product": {func() {
			passforttest.WithProducts(product(passforttest.ProductTask{
				Type: "INDIVIDUAL_VERIFY_IDENTITY", PassOn: []string{"PASSED"},
			}))
		}, "PASS"},
		"check type":       {func() { srv.SetCheckOutcome("IDENTITY") }, "IDENTITY_CHECK"},
		"small check type": {func() { srv.SetCheckOutcome("identity_check") }, "IDENTITY_CHECK"},
		"number of a type": {func() { srv.SetCheckOutcome(5) }, "not a int"},
		"no check type":    {func() { srv.SetCheckOutcome("") }, "no check type"},
		"result": {func() {
			srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Result: "fail"})
		}, "Fail"},
		"kind of result": {func() {
			srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Result: 2})
		}, "not a int"},
		"decision": {func() {
			srv.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Decision: "PASSED"})
		}, "PASS"},
		"completed": {func() {
			_ = srv.CompleteCheck("p", "c", passforttest.Outcome{Decision: "FAILED"})
		}, "FAIL"},
		"event":              {func() { srv.EnableWebhooks("CHECK_COMPLETE") }, "CHECK_COMPLETED"},
		"endless duplicates": {func() { passforttest.WithWebhookDuplicates(1) }, "less than 1"},
		"no duplicates":      {func() { passforttest.WithWebhookDuplicates(-1) }, "less than 1"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				text, _ := recover().(string)
				require.Contains(t, text, row.near)
			}()
			row.do()
		})
	}
	srv.Inject(passforttest.Fault{})
	require.Equal(t, 1, srv.ClearFaults(), "only that one is armed")
}

// Constants of the SDK and plain strings are the same to the server.
func TestOutcomesOfConstants(t *testing.T) {
	t.Parallel()
	srv := passforttest.New(passforttest.WithCheckTime(0))
	t.Cleanup(srv.Close)
	client := srv.Client()
	profile, err := client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	srv.SetCheckOutcome(passfort.CheckTypeIdentityCheck,
		passforttest.Outcome{Result: passfort.CheckResultFail},
		passforttest.Outcome{Result: "1+1"},
		passforttest.Outcome{Decision: passfort.DecisionError},
		passforttest.Outcome{Result: "Newest", Decision: "PASS"},
	)
	for _, want := range []string{"Fail FAIL", "1+1 PARTIAL", "Error ERROR", "Newest PASS"} {
		check, err := client.Checks.RunAndWait(t.Context(), profile.ID,
			&passfort.CheckRequest{Type: passfort.CheckTypeIdentityCheck}, nil)
		require.NoError(t, err)
		require.Equal(t, want, string(check.Result)+" "+string(check.Decision))
	}
}

// A fault may claim another length than its body has, or have a status without a body.
func TestFaultsWithAnotherLength(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fault  passforttest.Fault
		length int64
		cut    error
	}{
		"longer": {passforttest.Fault{
			Status: 200, Body: []byte(`{}`), Header: http.Header{"Content-Length": {"999"}},
		}, 999, io.ErrUnexpectedEOF},
		"as it is":     {passforttest.Fault{Status: 400, Body: []byte(`{"errors":[]}`)}, 13, nil},
		"no content":   {passforttest.Fault{Status: 204, Body: []byte("none")}, 0, nil},
		"not modified": {passforttest.Fault{Status: 304, Body: []byte("none")}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.srv.Inject(row.fault)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.srv.URL()+"/whoami", http.NoBody)
			require.NoError(t, err)
			req.Header.Set("apikey", w.srv.APIKey())
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			require.Equal(t, row.length, resp.ContentLength)
			_, err = io.ReadAll(resp.Body)
			require.ErrorIs(t, err, row.cut)
		})
	}
}
