package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// handed is a RoundTripper that hands requests to a handler, after a while.
type handed struct {
	to    http.Handler
	after time.Duration
}

func (h *handed) RoundTrip(r *http.Request) (*http.Response, error) {
	<-time.After(h.after)
	w := httptest.NewRecorder()
	h.to.ServeHTTP(w, r)
	return w.Result(), nil
}

// inBubble runs a test against the site and its simulated Passfort without a
// socket, where waiting takes no time. Webhooks are late by so much.
func inBubble(t *testing.T, late time.Duration, test func(t *testing.T, h *hosted)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		webhooks := &handed{after: late}
		sim := passforttest.New(append(simulatedOptions("flow"),
			passforttest.WithWebhookClient(&http.Client{Transport: webhooks}))...)
		defer sim.Close()
		log := &lockedBuffer{}
		site, err := newSite(siteSettings{
			client: sim.Client(), flow: "flow", theme: "theme", collection: passfort.DefaultCollectionOrigin,
			webhookSecret: "secret", log: slog.New(slog.NewTextHandler(log, nil)), simulated: &simulated{sim},
		})
		require.NoError(t, err)
		defer site.close()
		webhooks.to = site
		sim.SetWebhook("http://site.example/webhook", "secret", false)
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		test(t, &hosted{
			t: t, sim: sim, url: "http://site.example", log: log, site: site,
			visitor: &http.Client{Jar: jar, Transport: &handed{to: site}},
		})
	})
}

var (
	asPerson  = url.Values{"kind": {"person"}}
	asCompany = url.Values{"kind": {"company"}}
)

// TestALateWebhookTellsTheEnd: the end of a request is seen before a webhook
// says what it was.
func TestALateWebhookTellsTheEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		end   func(h *hosted, profileID string)
		last  string
		later string
	}{
		{"expired", func(h *hosted, _ string) {
			h.post("/simulation/expire", nil, http.StatusOK)
		}, "expired", "Your form has expired"},
		{"expired, with an application of before", func(h *hosted, id string) {
			_, err := h.sim.Client().Applications.Create(h.t.Context(), id, &passfort.ApplicationRequest{
				Product: passfort.ProductRef{Alias: "account"},
			})
			require.NoError(h.t, err)
			h.post("/simulation/expire", nil, http.StatusOK)
		}, "expired", "Your form has expired"},
		{"completed", func(h *hosted, id string) {
			require.NoError(h.t, h.sim.EndForm(id, "", passforttest.StateCompleted))
		}, "approved", "You are approved"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, time.Second, func(t *testing.T, h *hosted) {
				h.get("/")
				h.post("/register", asPerson, http.StatusOK)
				<-time.After(5 * time.Second) // its creation was announced
				row.end(h, h.profile())
				require.Contains(t, h.get("/checking"), "We are checking")
				seen := stagesIn(h.get("/events"))
				require.Equal(t, row.last, seen[len(seen)-1], seen)
				require.Contains(t, h.get("/checking"), row.later)
			})
		})
	}
}

// TestNobodyTellsTheEnd: no webhook comes and no application appears. The
// search for them ends.
func TestNobodyTellsTheEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.get("/")
		h.post("/register", asPerson, http.StatusOK)
		h.sim.SetWebhook("", "", false)
		h.post("/simulation/expire", nil, http.StatusOK)
		began := time.Now()
		require.Equal(t, []string{"checking", "late"}, stagesIn(h.get("/events")))
		require.Less(t, time.Since(began), patience+time.Minute)
		asked := h.sim.Count("Applications.List")
		require.Less(t, asked, 150)
		require.Contains(t, h.get("/checking"), "This takes longer than usual")
		require.Equal(t, asked+1, h.sim.Count("Applications.List"))

		h.tell(passfort.CustomerRequestStateExpired)
		require.Contains(t, h.get("/checking"), "Your form has expired", "better late than never")
	})
}

// TestACompletedRequestWithoutAnApplication waits for an application that the
// flow does not make.
func TestACompletedRequestWithoutAnApplication(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.get("/")
		h.post("/register", asPerson, http.StatusOK)
		h.tell(passfort.CustomerRequestStateCompleted)
		require.Equal(t, []string{"checking", "late"}, stagesIn(h.get("/events")))
		require.Less(t, h.sim.Count("Applications.List"), 150)
	})
}

// tell sends the webhook that the only request has a state.
func (h *hosted) tell(state passfort.CustomerRequestState) {
	h.t.Helper()
	body := fmt.Sprintf(
		`{"id":"1","event":"CUSTOMER_REQUEST_CHANGED","secret":"secret","timestamp":1,"data":{"profile_id":%q,`+
			`"state":%q}}`, h.profile(), state,
	)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(h.t.Context(), http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Content-Type", "application/json")
	h.site.ServeHTTP(w, r)
	require.Equal(h.t, http.StatusOK, w.Code)
}

// TestALostAnswer loses what becomes of the first step.
func TestALostAnswer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		bare bool // the list shows neither data nor dates
	}{
		{"found in the list", false},
		{"found behind the list", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 0, func(t *testing.T, h *hosted) {
				h.get("/")
				h.sim.Inject(passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true})
				require.Contains(t, h.post("/register", asPerson, http.StatusServiceUnavailable), "cannot tell yet")
				id := h.profile()
				require.Contains(t, h.post("/register", asCompany, http.StatusConflict),
					"You have begun to open an account for a person")
				if row.bare {
					h.sim.Inject(passforttest.Fault{
						Operation: "Profiles.List", Status: http.StatusOK,
						Body: []byte(`{"count":1,"limit":200,"offset":0,"results":[{"id":"` + id + `"}]}`),
					})
				}
				h.post("/register", asPerson, http.StatusOK)
				require.Len(t, h.sim.CustomerRequests(h.profile()), 1)
				require.Equal(t, 1, h.sim.Count("Profiles.Create"))
			})
		})
	}
}

// TestItCannotBeTold: as long as the profile of a lost answer may exist, no
// other is made.
func TestItCannotBeTold(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.get("/")
		h.sim.Inject(passforttest.Fault{Operation: "Profiles.Create", DropBeforeWrite: true})
		h.post("/register", asPerson, http.StatusServiceUnavailable)
		h.sim.ClearFaults()
		require.Equal(t, 1, h.sim.Count("Profiles.Create"))
		require.Contains(t, h.post("/register", asPerson, http.StatusServiceUnavailable), "we look into it",
			"it may be on its way")
		h.sim.Inject(passforttest.Fault{Operation: "Profiles.List", Status: http.StatusForbidden, Times: -1})
		<-time.After(lateWrite)
		require.Contains(t, h.post("/register", asPerson, http.StatusServiceUnavailable), "we look into it",
			"the list is not to be had")
		require.Equal(t, 1, h.sim.Count("Profiles.Create"))
		require.Contains(t, h.log.String(), "looking for the profile of a lost answer")

		h.sim.ClearFaults()
		h.post("/register", asPerson, http.StatusOK)
		require.Equal(t, 2, h.sim.Count("Profiles.Create"))
		h.profile()
	})
}

// TestSessions keeps nothing of those who look, and forgets who registered when
// their time is over.
func TestSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newApplicants(false)
		for range 20_000 {
			s.greet(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		}
		require.Zero(t, s.inOrder.Len())

		admit := func(visit string) *applicant {
			a, err := s.admit(httptest.NewRecorder(), visit, "", func() error { return nil })
			require.NoError(t, err)
			return a
		}
		first := admit("first-0")
		for i := range maxApplicants - 1 {
			admit(fmt.Sprint("first-", i+1))
		}
		s.keepProfile(first, "profile")
		require.NotNil(t, s.ofProfile("profile"))
		_, err := s.admit(httptest.NewRecorder(), "one too many", "", func() error { return nil })
		require.ErrorIs(t, err, errNoRoom)

		<-time.After(idle + time.Second)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "registration", Value: first.session})
		require.Equal(t, first, s.of(r))
		admit("takes the place of who has not been here for long")
		require.Equal(t, maxApplicants, s.inOrder.Len())
		require.Equal(t, first, s.of(r), "who is here stays")
		require.Nil(t, s.byVisit["first-1"])

		<-time.After(sessionLife + time.Second)
		for i := range maxApplicants / 2 {
			admit(fmt.Sprint("second-", i))
		}
		require.Equal(t, maxApplicants/2, s.inOrder.Len(), "the first are gone")
		require.Len(t, s.bySession, maxApplicants/2)
		require.Len(t, s.byVisit, maxApplicants/2)
		require.Nil(t, s.ofProfile("profile"))
	})
}

func TestNoRoom(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, h *hosted) {
		h.get("/")
		for i := range maxApplicants {
			_, err := h.site.applicants.admit(httptest.NewRecorder(), fmt.Sprint(i), "", func() error { return nil })
			require.NoError(t, err)
		}
		require.Contains(t, h.post("/register", asPerson, http.StatusServiceUnavailable), "Too many people")
		require.Zero(t, h.sim.Count("Profiles.Create"))
	})
}
