package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// raw sends a request with these cookies and follows no redirect.
func (h *hosted) raw(method, path, cookie string, form url.Values) (answered, string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(form.Encode()))
	require.NoError(h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", cookie)
	transport := h.visitor.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	answer, err := transport.RoundTrip(r)
	require.NoError(h.t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	return answered{answer.StatusCode, answer.Header}, string(body)
}

// answered is an answer without its body.
type answered struct {
	StatusCode int
	Header     http.Header
}

// cookieOf returns the cookie that an answer sets, or "".
func cookieOf(answer answered) string {
	cookie, _, _ := strings.Cut(answer.Header.Get("Set-Cookie"), ";")
	return cookie
}

var ticketInPage = regexp.MustCompile(`name="ticket" value="([A-Z0-9]+)"`)

// TestTheSessionBeginsWithTheRegistration: a cookie that was in the browser
// before opens nothing afterwards.
func TestTheSessionBeginsWithTheRegistration(t *testing.T) {
	t.Parallel()
	h := host(t)
	const planted = "registration=planted-by-another-who-knows-it"
	answer, page := h.raw(http.MethodGet, "/", planted, nil)
	require.Empty(t, cookieOf(answer))
	form := url.Values{"kind": {"person"}, "ticket": ticketInPage.FindStringSubmatch(page)[1:]}
	answer, _ = h.raw(http.MethodPost, "/register", planted, form)
	require.Equal(t, http.StatusSeeOther, answer.StatusCode)
	session := cookieOf(answer)
	require.NotEmpty(t, session)
	require.NotEqual(t, planted, session)
	key := h.sim.CustomerRequests(h.profile())[0].APIKey
	_, page = h.raw(http.MethodGet, "/form", session, nil)
	require.Contains(t, page, key)

	for _, path := range []string{"/form", "/checking", "/simulation/email", "/"} {
		_, page = h.raw(http.MethodGet, path, planted, nil)
		require.NotContains(t, page, key, path)
		require.NotContains(t, page, "under way", path)
	}
	for _, ticket := range []string{"", "GUESSED"} {
		answer, page = h.raw(http.MethodPost, "/register", planted, url.Values{"kind": {"person"}, "ticket": {ticket}})
		require.Equal(t, http.StatusConflict, answer.StatusCode)
		require.NotEqual(t, session, cookieOf(answer))
		require.Contains(t, page, "A registration has begun from this page")
	}
	answer, _ = h.raw(http.MethodPost, "/register", planted, form)
	require.Equal(t, http.StatusSeeOther, answer.StatusCode, "the button pressed twice is one applicant's")
	require.Equal(t, session, cookieOf(answer))
	h.profile()

	h.raw(http.MethodPost, "/sign-out", session, nil)
	_, page = h.raw(http.MethodGet, "/form", session, nil)
	require.NotContains(t, page, key)
}

// TestAnotherBrowser completes a form without a registration.
func TestAnotherBrowser(t *testing.T) {
	t.Parallel()
	h := host(t)
	h.get("/")
	h.post("/register", asPerson, http.StatusOK)
	answer, page := h.raw(http.MethodGet, "/checking", "", nil)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Contains(t, page, "If you have just sent the form, we have it.")
	require.NotContains(t, page, "Who is the account for?")
	require.NotContains(t, page, `action="/register"`)
}

// TestARestart: the site has forgotten a session that the browser still has.
func TestARestart(t *testing.T) {
	t.Parallel()
	h := host(t)
	const session = "registration=s-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	_, page := h.raw(http.MethodGet, "/checking", session, nil)
	require.Contains(t, page, "Your session has ended")
	require.Contains(t, page, "there is no need to start again")
	_, stream := h.raw(http.MethodGet, "/events", session, nil)
	require.Contains(t, stream, `"name":"ended"`)
	require.Contains(t, stream, `"final":true`)
	answer, _ := h.raw(http.MethodGet, "/form", session, nil)
	require.Equal(t, "/", answer.Header.Get("Location"))
	answer, page = h.raw(http.MethodGet, "/", session, nil)
	require.Contains(t, page, "Your session has ended")
	require.True(t, strings.HasPrefix(cookieOf(answer), "registration=v-"))
	answer, _ = h.raw(http.MethodPost, "/register", session, asPerson)
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	require.Zero(t, h.sim.Count("Profiles.Create"))
}

// TestAfterTheEnd starts again once the time for the form ran out: with another
// request for the same profile.
func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.get("/")
		h.post("/register", asCompany, http.StatusOK)
		<-time.After(5 * time.Second)
		h.post("/simulation/expire", nil, http.StatusOK)
		<-time.After(5 * time.Second)
		page := h.get("/checking")
		require.Contains(t, page, "Your form has expired")
		require.Contains(t, page,
			`<form id="again" class="again" method="post" action="/register"><button class="button" name="kind" `+
				`value="company">`)
		require.Contains(t, h.get("/"), "Your form has expired")
		h.post("/register", asPerson, http.StatusConflict)
		page = h.post("/register", asCompany, http.StatusOK)
		requests := h.sim.CustomerRequests(h.profile())
		require.Len(t, requests, 2)
		require.Contains(t, page, requests[1].APIKey)
		require.Contains(t, h.get("/checking"), "Your form is not finished")

		h.tell(passfort.CustomerRequestStateExpired) // the message of before, once more
		require.Contains(t, h.get("/checking"), "Your form is not finished")
		require.NoError(t, h.sim.EndForm(h.profile(), "", passforttest.StateCompleted))
		seen := stagesIn(h.get("/events"))
		require.Equal(t, "approved", seen[len(seen)-1])
	})
}

// TestManyPagesOfOneApplicant: the API is asked for one of them.
func TestManyPagesOfOneApplicant(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.get("/")
		h.post("/register", asPerson, http.StatusOK)
		before := len(h.sim.Requests())
		var open sync.WaitGroup
		var mu sync.Mutex
		status := map[int]int{}
		for range 1000 {
			open.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/events", nil)
				if err != nil {
					return
				}
				answer, err := h.visitor.Do(r)
				if err != nil {
					return
				}
				defer func() { _ = answer.Body.Close() }()
				mu.Lock()
				defer mu.Unlock()
				status[answer.StatusCode]++
			})
		}
		<-time.After(30 * time.Second)
		require.Less(t, len(h.sim.Requests())-before, 40)
		require.NoError(t, h.sim.EndForm(h.profile(), "", passforttest.StateCompleted))
		open.Wait()
		require.Equal(t, map[int]int{http.StatusOK: maxReaders, http.StatusTooManyRequests: 1000 - maxReaders}, status)

		before = len(h.sim.Requests())
		for range 500 {
			require.Contains(t, h.get("/checking"), "You are approved")
		}
		require.Len(t, h.sim.Requests(), before, "what stays so is not asked for again")
	})
}

// TestAPageLoadedOverAndOver asks once a second at most.
func TestAPageLoadedOverAndOver(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.get("/")
		h.post("/register", asPerson, http.StatusOK)
		began, before := time.Now(), len(h.sim.Requests())
		for range 300 {
			h.get("/checking")
			h.get("/form")
		}
		seconds := int(time.Since(began)/time.Second) + 1
		require.Less(t, len(h.sim.Requests())-before, 4*seconds+4)
	})
}

// TestAFloodOfRegistrations begins as many as it can from one address, and from
// many.
func TestAFloodOfRegistrations(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.site.admission = newAdmission("X-Real-IP", 20, 60)
		register := func(address string) int {
			jar, err := cookiejar.New(nil)
			require.NoError(t, err)
			visitor := &http.Client{Jar: jar, Transport: &handed{to: h.site}}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				path := map[string]string{http.MethodGet: "/", http.MethodPost: "/register"}[method]
				r, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader("kind=person"))
				require.NoError(t, err)
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("X-Real-IP", address)
				answer, err := visitor.Do(r)
				require.NoError(t, err)
				require.NoError(t, answer.Body.Close())
				if method == http.MethodPost {
					if answer.StatusCode == http.StatusTooManyRequests {
						require.NotEmpty(t, answer.Header.Get("Retry-After"))
					}
					return answer.StatusCode
				}
			}
			return 0
		}
		for range 1000 {
			register("192.0.2.7")
		}
		require.Equal(t, 20, h.sim.Count("Profiles.Create"), "one address")
		for i := range 1000 {
			register(fmt.Sprintf("2001:db8::%x", i))
		}
		require.Equal(t, 40, h.sim.Count("Profiles.Create"), "one network")
		for i := range 1000 {
			register(fmt.Sprintf("198.51.100.%d", i%250))
		}
		require.Equal(t, 60, h.sim.Count("Profiles.Create"), "all together")
		<-time.After(2 * time.Second)
		require.Equal(t, http.StatusOK, register("203.0.113.5"), "no other visitor is locked out for long")
	})
}

func TestAddressOfAVisitor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, header, value, remote, want string }{
		{"of the connection", "", "203.0.113.9", "192.0.2.1:1234", "192.0.2.1/32"},
		{"of a proxy's header", "X-Real-IP", "203.0.113.9", "192.0.2.1:1234", "203.0.113.9/32"},
		{"the last of a list, which the nearest proxy wrote", "X-Forwarded-For", "1.2.3.4, 203.0.113.9",
			"192.0.2.1:1234", "203.0.113.9/32"},
		{"IPv6", "", "", "[2001:db8:1:2:3:4:5:6]:99", "2001:db8:1:2::/64"},
		{"IPv4 within IPv6", "", "", "[::ffff:192.0.2.1]:99", "192.0.2.1/32"},
		{"none", "X-Real-IP", "", "192.0.2.1:1234", "invalid Prefix"},
		{"not one", "X-Real-IP", "who knows", "192.0.2.1:1234", "invalid Prefix"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/register", nil)
			r.RemoteAddr = row.remote
			if row.value != "" {
				r.Header.Set(row.header+map[bool]string{true: "X-Real-IP"}[row.header == ""], row.value)
			}
			require.Equal(t, row.want, newAdmission(row.header, 1, 1).address(r).String())
		})
	}
}

func TestAddressesAreBounded(t *testing.T) {
	t.Parallel()
	a := newAdmission("X-Real-IP", 1, 1_000_000)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/register", nil)
	for i := range maxAddresses + 100 {
		r.Header.Set("X-Real-IP", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		require.NoError(t, a.mayRegister(r))
	}
	require.Len(t, a.addresses, maxAddresses)
}

// TestPolicyReports logs what was stopped, and nothing that a report says of
// where.
func TestPolicyReports(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, body, want string
		status           int
	}{
		{"a script", `{"csp-report":{"document-uri":"https://site.example/request?apikey=THEKEY",` +
			`"effective-directive":"script-src-elem","blocked-uri":"https://evil.example/x.js?THEKEY"}}`,
			"directive=script-src-elem blocked=https://evil.example", 204},
		{"an attribute", `{"csp-report":{"violated-directive":"style-src-attr","blocked-uri":"inline"}}`,
			"directive=style-src-attr blocked=inline", 204},
		{"a scheme", `{"csp-report":{"effective-directive":"img-src","blocked-uri":"data"}}`,
			"directive=img-src blocked=data", 204},
		{"a made-up directive", `{"csp-report":{"effective-directive":"THEKEY\nlevel=ERROR","blocked-uri":"inline"}}`,
			"", 204},
		{"no report", `[]`, "", 400},
		{"no JSON", `THEKEY`, "", 400},
		{"too long", `{"csp-report":{"blocked-uri":"` + strings.Repeat("a", maxReport) + `"}}`, "", 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			log := &lockedBuffer{}
			sim := passforttest.New()
			defer sim.Close()
			site, err := newSite(siteSettings{client: sim.Client(), log: slog.New(slog.NewTextHandler(log, nil))})
			require.NoError(t, err)
			defer site.close()
			for range 100 {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, reportPath,
					strings.NewReader(row.body))
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				w := httptest.NewRecorder()
				site.ServeHTTP(w, r)
				require.Equal(t, row.status, w.Code)
			}
			require.Contains(t, log.String(), row.want)
			require.NotContains(t, log.String(), "THEKEY")
			require.LessOrEqual(t, strings.Count(log.String(), "a policy stopped something"), 25)
		})
	}
}

// TestTheFormMayUse what the flags allow.
func TestTheFormMayUse(t *testing.T) {
	t.Parallel()
	sim := passforttest.New()
	defer sim.Close()
	site, err := newSite(siteSettings{
		client: sim.Client(), log: slog.New(slog.DiscardHandler), collection: passfort.DefaultCollectionOrigin,
		formOrigins: []string{passfort.CollectionOriginEU}, microphone: true,
	})
	require.NoError(t, err)
	defer site.close()
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/request", nil))
	require.Contains(t, w.Header().Get("Content-Security-Policy"),
		"frame-src https://collection.passfort.com https://collection.eu.maxsight.com;")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "report-uri /policy-report")
	require.Contains(t, w.Header().Get("Permissions-Policy"),
		`microphone=(self "https://collection.passfort.com" "https://collection.eu.maxsight.com")`)
	require.Contains(t, w.Body.String(), `<a href="/checking">`, "a way on, should the form have none")
}
