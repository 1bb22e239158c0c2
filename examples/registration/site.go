package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

//go:embed web
var web embed.FS

type siteSettings struct {
	client        *passfort.Client
	flow, theme   string
	collection    string   // origin of the script and the forms
	formOrigins   []string // more of them
	microphone    bool
	admission     *admission // nil is that of the flags' defaults
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
	reports    reports

	ending    context.Context //nolint:containedctx // the site's own: followers outlive the requests that begin them
	end       context.CancelFunc
	followers sync.WaitGroup
}

// close ends what follows applications.
func (s *site) close() {
	s.end()
	s.followers.Wait()
}

const (
	defaultEachPerHour  = 20
	defaultAllPerMinute = 60
	reportPath          = "/policy-report"
)

func newSite(settings siteSettings) (*site, error) {
	pages, err := template.ParseFS(web, "web/*.html")
	if err != nil {
		return nil, err
	}
	s := &site{siteSettings: settings, applicants: newApplicants(settings.secure), pages: pages}
	s.ending, s.end = context.WithCancel(context.Background())
	if s.admission == nil {
		s.admission = newAdmission("", defaultEachPerHour, defaultAllPerMinute)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.start)
	mux.HandleFunc("POST /register", s.register)
	mux.HandleFunc("POST /sign-out", s.signOut)
	mux.HandleFunc("GET /checking", s.checking)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("POST "+reportPath, s.policyReport)
	for _, name := range []string{"style.css", "checking.js", "icon.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, web, "web/"+name)
		})
	}

	loader := passfort.LoaderOptions{
		CollectionOrigin: settings.collection,
		FormOrigins:      settings.formOrigins,
		Microphone:       settings.microphone,
		ReportURL:        reportPath,
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
	mux.Handle("/form", s.unlessSent(passfort.DynamicLoader(s.credentials, loader)))
	mux.Handle("/request", passfort.StaticLoader(loader))

	if s.webhookSecret != "" {
		webhook, err := passfort.NewWebhookHandler([]string{s.webhookSecret}, passfort.WithWebhookLogger(s.log))
		if err != nil {
			return nil, err
		}
		s.inbox = passfort.NewCheckInbox()
		webhook.Handle(passfort.EventCustomerRequestChanged, s.requestChanged)
		mux.Handle("/webhook", webhook)
	}
	if s.simulated != nil {
		s.addSimulation(mux)
	}
	protection := http.NewCrossOriginProtection()
	protection.AddInsecureBypassPattern("POST " + reportPath) // it changes nothing
	s.Handler = accessLog(s.log, protection.Handler(mux))
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
	h.Set("Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "+
			"base-uri 'self'; form-action 'self'; frame-ancestors 'none'; report-uri "+reportPath)
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
	Registers bool   // a registration is under way
	Stage     *stage // where it stands, once the form was sent or ran out
	Kind      string // what was chosen when it began, or ""
	Ticket    string // makes a button pressed twice one applicant's
}

// roleOf returns the role of a kind of applicant on the first page, or "".
func roleOf(kind string) passfort.Role {
	switch kind {
	case "person":
		return passfort.RoleIndividualCustomer
	case "company":
		return passfort.RoleCompanyCustomer
	}
	return ""
}

// kindOf is the reverse of roleOf.
func kindOf(role passfort.Role) string {
	switch role {
	case passfort.RoleIndividualCustomer:
		return "person"
	case passfort.RoleCompanyCustomer:
		return "company"
	}
	return ""
}

func (s *site) start(w http.ResponseWriter, r *http.Request) {
	problem := ""
	if s.applicants.hadSession(r) {
		problem = endedStage().Title + ". " + endedStage().Text
	}
	s.applicants.greet(w, r)
	s.showStart(w, r, http.StatusOK, s.applicants.of(r), problem)
}

func (s *site) showStart(w http.ResponseWriter, r *http.Request, status int, a *applicant, problem string) {
	data := startPage{Simulated: s.simulated != nil, Ticket: rand.Text()}
	if a != nil {
		state := a.snapshot()
		data.Registers, data.Kind = state.hasForm(), kindOf(state.role)
		if state.hasForm() && !state.closed.IsZero() {
			now := s.current(r.Context(), a)
			data.Stage = &now
		}
	}
	s.show(w, r, status, "start.html", page{Title: "Open an account", Step: 1, Error: problem, Data: data})
}

// unlessSent shows next as long as there is a form to fill in. Afterwards it
// redirects to no other page: whoever goes back must get past it.
func (s *site) unlessSent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := s.applicants.of(r)
		if a == nil || r.Method != http.MethodGet || !a.snapshot().hasForm() {
			next.ServeHTTP(w, r)
			return
		}
		if a.snapshot().closed.IsZero() && a.mayAsk() {
			ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
			defer cancel()
			if s.now(ctx, a) != openStage() {
				a.close("")
			}
		}
		if a.snapshot().closed.IsZero() {
			next.ServeHTTP(w, r)
			return
		}
		last := s.current(r.Context(), a)
		s.show(w, r, http.StatusOK, "sent.html", page{Title: "The form is closed", Step: last.Step, Data: last})
	})
}

const (
	tryAgain = "That did not work. Please try again."
	unclear  = "We cannot tell yet whether that worked, and we look into it. Please come back in a few minutes, or " +
		"write to us."
)

// register starts the registration of the visitor, or goes on with one that
// failed half-way or whose time ran out.
func (s *site) register(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	kind := r.PostFormValue("kind")
	role := roleOf(kind)
	if role == "" {
		s.showStart(w, r, http.StatusBadRequest, s.applicants.of(r), "Please choose who you are.")
		return
	}
	a, err := s.applicants.admit(w, s.applicants.given(r), r.PostFormValue("ticket"), func() error {
		return s.admission.mayRegister(r)
	})
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	a.starting.Lock()
	defer a.starting.Unlock()
	begun := a.snapshot()
	switch {
	case begun.hasForm() && !begun.ranOut():
		http.Redirect(w, r, "/form", http.StatusSeeOther)
		return
	case begun.role != "" && begun.role != role:
		// The profile has its role permanently.
		s.showStart(w, r, http.StatusConflict, a, "You have begun to open an account for a "+kindOf(begun.role)+
			". Please go on with it, or sign out to open one for a "+kind+" instead.")
		return
	case begun.hasForm():
		a.renew()
	}
	// What was begun is finished and stored even if the visitor goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	if err := s.begin(ctx, a, role); err != nil {
		s.log.Error("a registration could not be started", "error", err)
		// What is present is a request whose key was lost with an answer.
		if a.snapshot().lost() || errors.Is(err, passfort.CodeDataPresent) {
			s.showStart(w, r, http.StatusServiceUnavailable, a, unclear)
			return
		}
		s.showStart(w, r, http.StatusBadGateway, a, tryAgain)
		return
	}
	http.Redirect(w, r, "/form", http.StatusSeeOther)
}

// refuse says why a visitor is not admitted.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.applicants.greet(w, r)
	var tooMany *tooManyError
	switch {
	case errors.As(err, &tooMany):
		minutes := int(tooMany.after/time.Minute) + 1
		w.Header().Set("Retry-After", strconv.Itoa(60*minutes))
		s.log.Warn("a registration was refused", "error", err)
		s.showStart(w, r, http.StatusTooManyRequests, nil,
			fmt.Sprintf("Too many accounts are being opened from your network. Please try again in %d min.", minutes))
	case errors.Is(err, errNoRoom):
		s.log.Error("a registration was refused", "error", err)
		s.showStart(w, r, http.StatusServiceUnavailable, nil,
			"Too many people register right now. Please come back later.")
	case errors.Is(err, errUsed):
		s.showStart(w, r, http.StatusConflict, nil,
			"A registration has begun from this page. Please go on in the window where you began it, or start again.")
	default:
		s.showStart(w, r, http.StatusForbidden, nil,
			"Your session has ended. Please start again. This site needs cookies.")
	}
}

// begin makes the profile and the customer request of an applicant. An applicant
// has one profile, however often this fails and wherever: the reference that
// will recognise it is stored before it is asked for, its id as soon as it is
// known, and after a lost answer no other is made before that one was looked for.
func (s *site) begin(ctx context.Context, a *applicant, role passfort.Role) error {
	before := a.snapshot()
	if before.lost() {
		found, err := s.find(ctx, before)
		if err != nil {
			return fmt.Errorf("looking for the profile of a lost answer: %w", err)
		}
		if found != "" {
			s.applicants.keepProfile(a, found)
		}
	}
	now := a.snapshot()
	if now.profileID == "" {
		if now.reference == "" {
			now.role, now.reference = role, rand.Text()
		}
		now.asked = time.Now()
		a.update(func(state *registration) { *state = now })
	}
	data := passfort.NewIndividual()
	if role == passfort.RoleCompanyCustomer {
		data = passfort.NewCompany()
	}
	data.CustomerRef = now.reference
	started, err := s.client.Forms.StartRegistration(ctx, &passfort.RegistrationParams{
		Role: role, CollectedData: data, FlowTemplate: s.flow, Theme: s.theme, ProfileID: now.profileID,
	})
	if started != nil {
		s.applicants.keepProfile(a, started.ProfileID)
	} else if now.profileID == "" && !errors.Is(err, passfort.ErrOutcomeUnknown) {
		a.update(func(state *registration) { *state = before }) // no profile was made
	}
	if err != nil {
		return err
	}
	a.update(func(state *registration) {
		state.credentials = passfort.LoaderCredentials{RequestID: started.Request.ID, APIKey: started.Request.APIKey}
	})
	return nil
}

const (
	// lateWrite is how long a call whose answer was lost may be at work: the API
	// gives up after a minute.
	lateWrite = 2 * time.Minute
	// clockDifference is how far the clocks here and there may be apart.
	clockDifference = 5 * time.Minute
)

var errTooEarly = errors.New("it is not there, and may still be made")

// find returns the profile that a lost answer left behind, or "" if there is
// none. An error means that it is unknown.
//
// The API searches names and tags, not references, so all profiles
// are gone through. What it shows of each in a list may be less than it has.
func (s *site) find(ctx context.Context, lost registration) (profileID string, err error) {
	for p, err := range s.client.Profiles.All(ctx, nil) {
		if err != nil {
			return "", err
		}
		if made, err := passfort.ParseDateTime(p.CreationDate); err == nil &&
			made.Before(lost.asked.Add(-clockDifference)) {
			continue
		}
		data := p.CollectedData
		if data == nil || data.CustomerRef == "" {
			whole, err := s.client.CollectedData.Get(ctx, p.ID)
			if err != nil {
				return "", err
			}
			data = &whole.EntityData
		}
		if data.CustomerRef == lost.reference {
			return p.ID, nil
		}
	}
	if time.Since(lost.asked) < lateWrite {
		return "", errTooEarly
	}
	return "", nil
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	s.applicants.end(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
