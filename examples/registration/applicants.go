package main

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// applicants knows who is signed in. A real site has its own sign-in and keeps
// the three values of a registration in its database.
type applicants struct {
	cookie http.Cookie

	mu        sync.Mutex
	bySession map[string]*applicant
}

// applicant is one visitor. The lock is held while a registration is being
// started, so that a button pressed twice does not start two.
type applicant struct {
	starting sync.Mutex

	mu      sync.Mutex
	state   registration
	expires time.Time
}

// registration is what a site must store: the profile as soon as there is one,
// the credentials as soon as there are any.
type registration struct {
	company     bool
	profileID   string
	credentials passfort.LoaderCredentials
	ended       passfort.CustomerRequestState
}

func (r registration) hasForm() bool { return r.credentials.RequestID != "" }

const sessionLife = 24 * time.Hour

// newApplicants returns an empty store. On https the name of the cookie makes
// browsers insist that it is secure and belongs to this host alone.
func newApplicants(secure bool) *applicants {
	name := "registration"
	if secure {
		name = "__Host-registration"
	}
	return &applicants{
		cookie: http.Cookie{
			Name: name, Path: "/", MaxAge: int(sessionLife / time.Second),
			HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
		},
		bySession: map[string]*applicant{},
	}
}

// of returns the applicant whose session the request has, or nil.
func (s *applicants) of(r *http.Request) *applicant {
	cookie, err := r.Cookie(s.cookie.Name)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.bySession[cookie.Value]
	if a == nil || time.Now().After(a.expires) {
		return nil
	}
	return a
}

// start signs a visitor in.
func (s *applicants) start(w http.ResponseWriter) *applicant {
	cookie := s.cookie
	cookie.Value = rand.Text()
	http.SetCookie(w, &cookie)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for session, a := range s.bySession {
		if now.After(a.expires) {
			delete(s.bySession, session)
		}
	}
	a := &applicant{expires: now.Add(sessionLife)}
	s.bySession[cookie.Value] = a
	return a
}

// end signs the visitor out.
func (s *applicants) end(w http.ResponseWriter, r *http.Request) {
	if sent, err := r.Cookie(s.cookie.Name); err == nil {
		s.mu.Lock()
		delete(s.bySession, sent.Value)
		s.mu.Unlock()
	}
	cookie := s.cookie
	cookie.MaxAge = -1
	http.SetCookie(w, &cookie)
}

func (a *applicant) snapshot() registration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

func (a *applicant) update(change func(*registration)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.state)
}
