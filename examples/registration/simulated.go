package main

import (
	"net/http"
	"net/url"
	"time"

	"github.com/passfort-go/passfort/passforttest"
)

// simulated is the Passfort inside, and what only a simulation can do: show the
// e-mail that Passfort sends, and let the time of a request run out.
type simulated struct{ server *passforttest.Server }

// requestLife is how long a simulated request can be filled in.
const requestLife = 30 * time.Minute

func startSimulator(flow, webhook, secret string) *simulated {
	server := passforttest.NewServer(simulatedOptions(flow)...)
	server.SetWebhook(webhook, secret, true)
	return &simulated{server}
}

func simulatedOptions(flow string) []passforttest.Option {
	return []passforttest.Option{
		passforttest.WithCheckTime(3 * time.Second),
		passforttest.WithAutomationTime(time.Second),
		passforttest.WithProducts(passforttest.Product{
			Alias: "account", Name: "Account", AutoApprove: true,
			Tasks: []passforttest.ProductTask{
				{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"}},
				{Type: "COMPANY_VERIFY_IDENTITY", Checks: []string{"COMPANY_REGISTRY"}},
			},
		}),
		passforttest.WithFlows(passforttest.Flow{
			Alias: flow, Product: "account", Lifetime: requestLife, RedirectURL: "/checking",
		}),
	}
}

func (s *site) addSimulation(mux *http.ServeMux) {
	mux.HandleFunc("GET /simulation/email", func(w http.ResponseWriter, r *http.Request) {
		a := s.applicants.of(r)
		if a == nil || !a.snapshot().hasForm() {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		given := a.snapshot().credentials
		query := url.Values{"request_id": {given.RequestID}, "apikey": {given.APIKey.Reveal()}}
		s.show(w, r, http.StatusOK, "email.html", page{
			Title: "An e-mail for you", Step: 2, Data: "/request?" + query.Encode(),
		})
	})
	mux.HandleFunc("POST /simulation/expire", func(w http.ResponseWriter, r *http.Request) {
		s.simulated.server.AdvanceClock(requestLife)
		http.Redirect(w, r, "/checking", http.StatusSeeOther)
	})
}
