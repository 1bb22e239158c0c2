package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/passfort-go/passfort"
)

//go:embed web
var web embed.FS

type siteSettings struct {
	client        *passfort.Client
	flow, theme   string
	collection    string
	webhookSecret string
	secure        bool
	log           *slog.Logger
	simulated     *simulated // nil with the real Passfort
}

// site is the handler of the whole site.
type site struct {
	siteSettings
	http.Handler
	applicants *applicants
	inbox      *passfort.CheckInbox // nil without webhooks
	pages      *template.Template
}

func newSite(settings siteSettings) (*site, error) {
	pages, err := template.ParseFS(web, "web/*.html")
	if err != nil {
		return nil, err
	}
	s := &site{siteSettings: settings, applicants: newApplicants(settings.secure), pages: pages}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.start)
	mux.HandleFunc("POST /register", s.register)
	mux.HandleFunc("POST /sign-out", s.signOut)
	mux.HandleFunc("GET /checking", s.checking)
	mux.HandleFunc("GET /events", s.events)
	for _, name := range []string{"style.css", "checking.js", "icon.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, web, "web/"+name) })
	}

	loader := passfort.LoaderOptions{
		CollectionOrigin: settings.collection,
		Title:            "Your details",
		Template:         pages.Lookup("form.html"),
		Data:             func(r *http.Request) any { return formPage{r.URL.Path, s.simulated != nil} },
		SignInURL:        "/",
		OnError: func(_ *http.Request, err error) {
			if !errors.Is(err, passfort.ErrNotSignedIn) {
				s.log.Error("the form cannot be shown", "error", err)
			}
		},
	}
	mux.Handle("/form", passfort.DynamicLoader(s.credentials, loader))
	mux.Handle("/request", passfort.StaticLoader(loader))

	if s.webhookSecret != "" {
		webhook, err := passfort.NewWebhookHandler([]string{s.webhookSecret}, passfort.WithWebhookLogger(s.log))
		if err != nil {
			return nil, err
		}
		s.inbox = passfort.NewCheckInbox()
		webhook.Handle(passfort.EventCustomerRequestChanged, s.inbox.Deliver)
		mux.Handle("/webhook", webhook)
	}
	if s.simulated != nil {
		s.addSimulation(mux)
	}
	s.Handler = accessLog(s.log, http.NewCrossOriginProtection().Handler(mux))
	return s, nil
}

// credentials returns those of the visitor's own request.
func (s *site) credentials(r *http.Request) (passfort.LoaderCredentials, error) {
	a := s.applicants.of(r)
	if a == nil || !a.snapshot().hasForm() {
		return passfort.LoaderCredentials{}, passfort.ErrNotSignedIn
	}
	return a.snapshot().credentials, nil
}

// page is what a template of the site gets. Its fields are named as those of
// passfort.LoaderPage, so that all pages share their frame.
type page struct {
	Title string
	Step  int // 1 to 4, as in the list at the top
	Error string
	Data  any
}

func (s *site) show(w http.ResponseWriter, _ *http.Request, status int, name string, p page) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, p); err != nil {
		s.log.Error("a page cannot be shown", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store, private")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// formPage is the Data of form.html. The path is for links within the page, as
// its base is the root.
type formPage struct {
	Path      string
	Simulated bool
}

// startPage is the Data of start.html.
type startPage struct {
	Simulated bool
	Registers bool // a registration is under way
}

func (s *site) start(w http.ResponseWriter, r *http.Request) {
	a := s.applicants.of(r)
	if a == nil {
		a = s.applicants.start(w)
	}
	s.showStart(w, r, http.StatusOK, a, "")
}

func (s *site) showStart(w http.ResponseWriter, r *http.Request, status int, a *applicant, problem string) {
	s.show(w, r, status, "start.html", page{
		Title: "Open an account", Step: 1, Error: problem,
		Data: startPage{Simulated: s.simulated != nil, Registers: a != nil && a.snapshot().hasForm()},
	})
}

// register starts the registration of the visitor, or continues one whose
// second step failed: an applicant has one profile, however often this runs.
func (s *site) register(w http.ResponseWriter, r *http.Request) {
	a := s.applicants.of(r)
	if a == nil {
		s.showStart(w, r, http.StatusForbidden, s.applicants.start(w), "Your session has ended. Please start again. This site needs cookies.")
		return
	}
	a.starting.Lock()
	defer a.starting.Unlock()
	if a.snapshot().hasForm() {
		http.Redirect(w, r, "/form", http.StatusSeeOther)
		return
	}
	kind := r.PostFormValue("kind")
	if kind != "person" && kind != "company" {
		s.showStart(w, r, http.StatusBadRequest, a, "Please choose who you are.")
		return
	}
	role := passfort.RoleIndividualCustomer
	if kind == "company" {
		role = passfort.RoleCompanyCustomer
	}
	// What was begun is finished and stored even if the visitor goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	started, err := s.client.Forms.StartRegistration(ctx, &passfort.RegistrationParams{
		Role: role, FlowTemplate: s.flow, Theme: s.theme, ProfileID: a.snapshot().profileID,
	})
	if started != nil {
		a.update(func(state *registration) { state.profileID = started.ProfileID })
	}
	if err != nil {
		s.log.Error("a registration could not be started", "error", err)
		problem := "That did not work. Please try again."
		if half := (*passfort.RegistrationError)(nil); !errors.As(err, &half) && errors.Is(err, passfort.ErrOutcomeUnknown) {
			problem = "We could not tell whether that worked. Please try again in a few minutes, or write to us."
		}
		s.showStart(w, r, http.StatusBadGateway, a, problem)
		return
	}
	a.update(func(state *registration) {
		state.company = kind == "company"
		state.credentials = passfort.LoaderCredentials{RequestID: started.Request.ID, APIKey: started.Request.APIKey}
	})
	http.Redirect(w, r, "/form", http.StatusSeeOther)
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	s.applicants.end(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// accessLog writes a line for each request, of what RedactRequest leaves.
func accessLog(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		watched := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(watched, r)
		clean := passfort.RedactRequest(r)
		log.Info("request", "method", clean.Method, "uri", clean.URL.RequestURI(), "referer", clean.Referer(),
			"status", watched.status, "duration", time.Since(began).Round(time.Millisecond))
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
