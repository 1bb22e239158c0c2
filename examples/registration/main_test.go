package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// hosted is the site on a test server, with a visitor.
type hosted struct {
	t       *testing.T
	sim     *passforttest.Server
	url     string
	visitor *http.Client
	log     *lockedBuffer
	site    *site
}

func host(t *testing.T) *hosted {
	t.Helper()
	s := startSimulator("flow", "", "secret")
	s.server.SetWebhook("", "", false)
	t.Cleanup(s.server.Close)
	h := &hosted{t: t, sim: s.server, log: &lockedBuffer{}}
	site, err := newSite(siteSettings{
		client: s.server.Client(), flow: "flow", theme: "theme", collection: s.server.CollectionURL(),
		webhookSecret: "secret", log: slog.New(slog.NewTextHandler(h.log, nil)), simulated: s,
	})
	require.NoError(t, err)
	h.site = site
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	t.Cleanup(site.close)
	s.server.SetWebhook(server.URL+"/webhook", "secret", false)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	h.url, h.visitor = server.URL, &http.Client{Jar: jar}
	return h
}

func (h *hosted) get(path string) string {
	h.t.Helper()
	return h.do(http.MethodGet, path, nil, http.StatusOK)
}

func (h *hosted) post(path string, form url.Values, status int) string {
	h.t.Helper()
	return h.do(http.MethodPost, path, form, status)
}

func (h *hosted) do(method, path string, form url.Values, status int) string {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(form.Encode()))
	require.NoError(h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := h.visitor.Do(r)
	require.NoError(h.t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	require.Equal(h.t, status, answer.StatusCode, string(body))
	return string(body)
}

// profile returns the id of the only profile.
func (h *hosted) profile() string {
	h.t.Helper()
	profiles, err := h.sim.Client().Profiles.List(h.t.Context(), nil)
	require.NoError(h.t, err)
	require.Len(h.t, profiles.Results, 1)
	return profiles.Results[0].ID
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	h := host(t)
	require.Contains(t, h.get("/"), "Open an account")
	page := h.post("/register", url.Values{"kind": {"person"}}, http.StatusOK)
	id := h.profile()
	request := h.sim.CustomerRequests(id)[0]
	require.Contains(t, page, request.APIKey)
	require.Contains(t, h.get("/"), "Your registration is under way")
	require.Contains(t, h.get("/simulation/email"), request.APIKey)
	require.Contains(t, h.get("/checking"), "Your form is not finished")

	events := h.follow()
	require.Equal(t, "open", events.next())
	require.NoError(t, h.sim.EndForm(id, "", passforttest.StateCompleted))
	require.Equal(t, "checking", events.next())
	require.Equal(t, "approved", events.next())
	require.Contains(t, h.get("/checking"), "You are approved")
	require.Contains(t, h.get("/"), "You are approved", "the first page knows")
	closed := h.get("/form")
	require.Contains(t, closed, "The form is closed", "who goes back gets past it")
	require.NotContains(t, closed, request.APIKey)

	h.post("/sign-out", nil, http.StatusOK)
	require.Contains(t, h.get("/form"), "Who is the account for?")
	require.Contains(t, h.get("/checking"), "Thank you")
	for _, secret := range []string{request.APIKey, request.ID, id, h.sim.APIKey()} {
		require.NotContains(t, h.log.String(), secret)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	h := host(t)
	h.get("/")
	h.post("/register", url.Values{"kind": {"company"}}, http.StatusOK)
	events := h.follow()
	require.Equal(t, "open", events.next())
	h.post("/simulation/expire", nil, http.StatusOK)
	require.Equal(t, "expired", events.next())
	require.Contains(t, h.get("/checking"), "Your form has expired")
}

// TestOneProfileForEachApplicant fails the second step, and presses the button
// many times at once.
func TestOneProfileForEachApplicant(t *testing.T) {
	t.Parallel()
	h := host(t)
	h.get("/")
	h.sim.Inject(passforttest.Fault{
		Operation: "Forms.CreateCustomerRequest", Status: http.StatusInternalServerError, Times: 1,
	})
	require.Contains(t, h.post("/register", url.Values{"kind": {"person"}}, http.StatusBadGateway), "Please try again.")
	var pressed sync.WaitGroup
	for range 10 {
		pressed.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/register",
				strings.NewReader("kind=person"))
			if err != nil {
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if answer, err := h.visitor.Do(r); err == nil {
				_ = answer.Body.Close()
			}
		})
	}
	pressed.Wait()
	require.Len(t, h.sim.CustomerRequests(h.profile()), 1)
}

// TestTheKindStays: a profile that was begun for a person is not gone on with
// for a company.
func TestTheKindStays(t *testing.T) {
	t.Parallel()
	h := host(t)
	h.get("/")
	h.sim.Inject(passforttest.Fault{Operation: "Forms.CreateCustomerRequest", Status: http.StatusInternalServerError})
	h.post("/register", asPerson, http.StatusBadGateway)
	page := h.post("/register", asCompany, http.StatusConflict)
	require.Contains(t, page, "You have begun to open an account for a person. Please go on with it, or sign out")
	require.Contains(t, page, `value="person" required checked`)
	require.Empty(t, h.sim.CustomerRequests(h.profile()))
	h.post("/register", asPerson, http.StatusOK)
	require.Len(t, h.sim.CustomerRequests(h.profile()), 1)

	h.post("/sign-out", nil, http.StatusOK)
	h.sim.Inject(passforttest.Fault{Operation: "Profiles.Create", Status: http.StatusBadRequest})
	h.post("/register", asPerson, http.StatusBadGateway)
	h.post("/register", asCompany, http.StatusOK)
	roles := map[passfort.Role]int{}
	for p, err := range h.sim.Client().Profiles.All(t.Context(), nil) {
		require.NoError(t, err)
		roles[p.Role]++
	}
	require.Equal(t, map[passfort.Role]int{passfort.RoleIndividualCustomer: 1, passfort.RoleCompanyCustomer: 1}, roles,
		"what was refused binds no one")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := host(t)
	require.Contains(t, h.post("/register", url.Values{"kind": {"person"}}, http.StatusForbidden), "needs cookies")
	require.Contains(t, h.post("/register", url.Values{"kind": {"robot"}}, http.StatusBadRequest), "Please choose")
	h.do(http.MethodDelete, "/form", nil, http.StatusMethodNotAllowed)
	h.post("/webhook", nil, http.StatusUnauthorized)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/register",
		strings.NewReader("kind=person"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := h.visitor.Do(r)
	require.NoError(t, err)
	_ = answer.Body.Close()
	require.Equal(t, http.StatusForbidden, answer.StatusCode, "another site cannot press the button")
	require.Zero(t, h.sim.Count("Profiles.Create"))
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		secure bool
		want   string
	}{
		{true, "__Host-registration=V; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
		{false, "registration=V; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"},
	} {
		w := httptest.NewRecorder()
		newApplicants(row.secure).greet(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		name, rest, _ := strings.Cut(w.Header().Get("Set-Cookie"), "=")
		value, attributes, _ := strings.Cut(rest, ";")
		require.GreaterOrEqual(t, len(value), 26)
		require.Equal(t, row.want, name+"=V;"+attributes)
	}
}

// TestRunStops ends the whole program while a page is being followed. How soon it ends
// is what TestServeEndsWithinASecond looks at.
func TestRunStops(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	printed, stdout := io.Pipe()
	log := &lockedBuffer{}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, func(string) string { return "" }, stdout, log)
	}()
	base, err := bufio.NewReader(printed).ReadString('\n')
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	h := &hosted{t: t, url: strings.TrimSuffix(base, "/\n"), visitor: &http.Client{Jar: jar}}
	h.get("/")
	h.post("/register", url.Values{"kind": {"person"}}, http.StatusOK)
	require.Equal(t, "open", h.follow().next())
	stop()
	require.NoError(t, <-ended)
}

// follow opens the stream of stages.
func (h *hosted) follow() *stages {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url+"/events", nil)
	require.NoError(h.t, err)
	answer, err := h.visitor.Do(r)
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(h.t, "text/event-stream", answer.Header.Get("Content-Type"))
	return &stages{t: h.t, lines: bufio.NewScanner(answer.Body)}
}

type stages struct {
	t     *testing.T
	lines *bufio.Scanner
	last  string
}

// stagesIn returns the names of the stages in a stream that has ended.
func stagesIn(stream string) []string {
	var names []string
	for _, event := range strings.Split(stream, `data: {"name":"`)[1:] {
		name, _, _ := strings.Cut(event, `"`)
		names = append(names, name)
	}
	return names
}

// next returns the name of the next stage that differs from the last.
func (s *stages) next() string {
	s.t.Helper()
	for s.lines.Scan() {
		_, rest, found := strings.Cut(s.lines.Text(), `data: {"name":"`)
		name, _, _ := strings.Cut(rest, `"`)
		if found && name != s.last {
			s.last = name
			return name
		}
	}
	require.NoError(s.t, s.lines.Err())
	require.Fail(s.t, "the stream ended after "+s.last)
	return ""
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
