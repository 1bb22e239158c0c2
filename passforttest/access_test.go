package passforttest_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

func TestEveryOperationNeedsAKey(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	ops := passforttest.Operations()
	require.NotEmpty(t, ops)
	for _, path := range []string{"/profiles", "/whoami", "/profiles/" + id, "/profiles/" + id + "/collected_data",
		"/nowhere"} {
		a := w.do(http.MethodGet, path+"?apikey="+w.srv.APIKey(), "", "apikey", "")
		require.Equal(t, http.StatusUnauthorized, a.status, "the query does not count")
		require.Equal(t, "203", a.code(t))
		a = w.do(http.MethodGet, path, "", "apikey", "wrong")
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Equal(t, "204", a.code(t))
	}
}

func TestNarrowKeys(t *testing.T) {
	t.Parallel()
	w := start(t)
	id, other := w.person(), w.person()
	collect := text(w.post("/api_keys/collect/"+id, "").object(t), "key")
	require.Equal(t, http.StatusOK, w.do(http.MethodGet, "/profiles/"+id+"/collected_data", "", "apikey",
		collect).status)
	require.Equal(t, http.StatusForbidden, w.do(http.MethodGet, "/profiles/"+other+"/collected_data", "", "apikey",
		collect).status)
	require.Equal(t, http.StatusForbidden, w.do(http.MethodGet, "/profiles/"+id+"/checks", "", "apikey",
		collect).status)
	both := w.post("/api_keys/collect", `{"profile_ids":["`+id+`","`+other+`"]}`).object(t)
	require.Equal(t, http.StatusOK, w.do(http.MethodGet, "/profiles/"+other+"/collected_data", "", "apikey",
		text(both, "key")).status)
	w.srv.AdvanceClock(25 * time.Hour)
	require.Equal(t, http.StatusUnauthorized, w.do(http.MethodGet, "/profiles/"+id+"/collected_data", "", "apikey",
		collect).status)

	second := w.srv.AddAPIKey("CRM key")
	require.Equal(t, "CRM key", w.do(http.MethodGet, "/whoami", "", "apikey", second).object(t)["auditee_name"])
	require.Equal(t, http.StatusForbidden,
		w.do(http.MethodPost, "/forms/profile/"+id+"/customer_request", `{}`, "apikey",
			second).status, "that takes the master key")
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	for path, want := range map[string]int{
		"/profiles/" + strings.ToUpper(id): 200,
		"/profiles/":                       404,
		"/profiles//checks":                404,
		"/profiles/../whoami":              404,
		"/profiles/%2e%2e":                 404,
		"/nothing":                         404,
		"/profiles/none":                   404,
		"/profiles/" + id + "/checks/none": 404,
		"/api_keys/collect":                405,
		"/profiles/" + id + "/notes":       404,
	} {
		require.Equal(t, want, w.get(path).status, path)
	}
	require.Equal(t, "POST", w.get("/api_keys/collect").header.Get("Allow"))
	a := w.get("/whoami")
	require.Regexp(t, `^sim-\d+$`, a.header.Get("X-Request-Id"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
}

func TestErrorSwitches(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetSwitches(passforttest.Switches{ErrorsInOK: true, ErrorsAsObject: true, CreatedStatus: true})
	a := w.do(http.MethodGet, "/whoami", "", "apikey", "wrong")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "204", a.object(t)["errors"].(map[string]any)["code"].(interface{ String() string }).String())
	require.Equal(t, http.StatusCreated, w.post("/profiles", newPerson).status)
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	clock := passforttest.NewClock(time.Date(2022, 1, 27, 11, 30, 20, 0, time.UTC))
	w := start(t, passforttest.WithClock(clock),
		passforttest.WithRateLimit("Profiles.Create", passforttest.RateLimit{Requests: 2, Per: 4 * time.Second}),
		passforttest.WithSwitches(passforttest.Switches{RateLimitRetrySecs: true, RetryAfter: true}))
	a := w.post("/profiles", newPerson)
	require.Equal(t, "1", a.header.Get("X-RateLimit-Remaining"))
	require.Equal(t, "2.000", a.header.Get("X-RateLimit-Reset-Secs"))
	require.Equal(t, "Thu, 27 Jan 2022 11:30:22 +0000", a.header.Get("X-RateLimit-Reset"))
	require.Equal(t, http.StatusOK, w.post("/profiles", newPerson).status)
	a = w.post("/profiles", newPerson)
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "4.000", a.header.Get("X-RateLimit-Reset-Secs"), "until the bucket is full")
	require.Equal(t, "2.000", a.header.Get("X-RateLimit-Retry-Secs"))
	require.Equal(t, "2", a.header.Get("Retry-After"))
	require.Empty(t, w.get("/profiles").header.Get("X-RateLimit-Remaining"), "not a limited endpoint")
	clock.Advance(2 * time.Second)
	require.Equal(t, http.StatusOK, w.post("/profiles", newPerson).status)
}

func TestSameSeedSameIDs(t *testing.T) {
	t.Parallel()
	ids := func(seed uint64) string {
		w := start(t, passforttest.WithSeed(seed))
		return w.person() + w.company()
	}
	first := ids(1)
	require.Equal(t, first, ids(1))
	require.NotEqual(t, first, ids(2))
}

func TestInsideABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, passforttest.WithCheckTime(time.Hour))
		id := w.person()
		began := time.Now()
		check := w.post("/profiles/"+id+"/checks?mode=sync", `{"check_type":"IDENTITY_CHECK"}`).object(t)
		require.Equal(t, "RUNNING", check["state"])
		require.Equal(t, 120*time.Second, time.Since(began))
		<-time.After(time.Hour)
		require.Equal(t, "COMPLETE", w.get("/profiles/" + id + "/checks").list(t)[0]["state"])
	})
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithRecorder(3, 4))
	id := w.person()
	w.get("/profiles/" + id + "?x=%20y")
	w.post("/tags", `{}`)
	w.post("/profiles/"+id+"/tags", `{"name":"vip"}`, "X-Mine", "1")
	seen := w.srv.Requests()
	require.Len(t, seen, 3)
	require.Equal(t, []string{"Profiles.Get", "", "Tags.Add"},
		[]string{seen[0].Operation, seen[1].Operation, seen[2].Operation})
	require.Equal(t, "x=%20y", seen[0].RawQuery)
	require.Equal(t, 404, seen[1].Status)
	require.Equal(t, `{"na`, string(seen[2].Body))
	require.EqualValues(t, 14, seen[2].Size)
	require.Equal(t, "1", seen[2].Header.Get("X-Mine"))
	require.Equal(t, 1, w.srv.Count("Profiles.Create"), "counts are not forgotten")
	require.Equal(t, 4, w.srv.Count(""))
	w.srv.ForgetRequests()
	require.Empty(t, w.srv.Requests())
	require.Equal(t, "0", strconv.Itoa(w.srv.Count("")))
}

// Nothing starts once a server is closed.
func TestNothingStartsAfterClose(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	srv.Close()
	for name, row := range map[string]struct {
		through http.RoundTripper
		url     string
	}{
		"origin":    {&http.Transport{}, srv.CollectionURL() + "/embed.js"},
		"in memory": {srv.Transport(), srv.URL() + "/whoami"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, row.url, http.NoBody)
		require.NoError(t, err, name)
		resp, err := row.through.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		require.ErrorContains(t, err, "connection refused", name)
	}
}

// slow is a log that takes its time.
type slow struct {
	slog.Handler
	began chan struct{}
	ended atomic.Bool
}

func (l *slow) Handle(context.Context, slog.Record) error {
	close(l.began)
	for range 100_000 {
		runtime.Gosched()
	}
	l.ended.Store(true)
	return nil
}

// Close returns when the calls under way have ended.
func TestCloseWaitsForCalls(t *testing.T) {
	t.Parallel()
	log := &slow{Handler: slog.NewTextHandler(io.Discard, nil), began: make(chan struct{})}
	srv := passforttest.NewServer(passforttest.WithLogger(slog.New(log)))
	calling := make(chan struct{})
	go func() {
		defer close(calling)
		_, _ = srv.Client().WhoAmI(t.Context()) // answered or cut, as Close and the caller run
	}()
	<-log.began
	srv.Close()
	require.True(t, log.ended.Load())
	<-calling
}
