package main

import (
	"container/list"
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// applicants knows who is signed in. A real site has its own sign-in and keeps
// registrations in its database.
//
// A visitor gets a cookie with the first page; a session begins with the first
// registration under it. So those who only look take no room, and a button
// pressed twice stays one applicant's.
type applicants struct {
	cookie http.Cookie

	mu        sync.Mutex
	bySession map[string]*list.Element
	byProfile map[string]*applicant
	inOrder   *list.List // of *applicant: who began first is first
}

// applicant is one visitor who registers. The lock is held while a registration
// is being started, so that a button pressed twice does not start two.
type applicant struct {
	session  string
	expires  time.Time
	starting sync.Mutex

	mu    sync.Mutex
	state registration
}

// registration is what a site must store: what will recognise the profile,
// before it is asked for; the profile as soon as there is one; the credentials
// as soon as there are any; how the request ended, when a webhook tells it.
type registration struct {
	role        passfort.Role // of the profile; empty until one is asked for
	reference   string        // its customer_ref, made here
	asked       time.Time     // when it was asked for
	profileID   string
	credentials passfort.LoaderCredentials
	closed      time.Time                     // when the end of the request was first seen
	ended       passfort.CustomerRequestState // empty unless told
}

func (r registration) hasForm() bool { return r.credentials.RequestID != "" }

// lost reports whether a profile was asked for and the answer did not come.
func (r registration) lost() bool { return r.reference != "" && r.profileID == "" }

const (
	sessionLife   = 24 * time.Hour
	maxApplicants = 10_000
)

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
		bySession: map[string]*list.Element{}, byProfile: map[string]*applicant{}, inOrder: list.New(),
	}
}

// session returns what the cookie of a request says, or "".
func (s *applicants) session(r *http.Request) string {
	cookie, err := r.Cookie(s.cookie.Name)
	if err != nil || len(cookie.Value) < len(rand.Text()) || len(cookie.Value) > 64 {
		return ""
	}
	return cookie.Value
}

// greet gives a visitor a cookie, unless there is one, and keeps nothing.
func (s *applicants) greet(w http.ResponseWriter, r *http.Request) {
	if s.session(r) == "" {
		s.sendCookie(w, rand.Text())
	}
}

func (s *applicants) sendCookie(w http.ResponseWriter, session string) {
	cookie := s.cookie
	cookie.Value = session
	http.SetCookie(w, &cookie)
}

// of returns the applicant whose session the request has, or nil.
func (s *applicants) of(r *http.Request) *applicant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return live(s.bySession[s.session(r)])
}

// admit returns the applicant with this session, who may be new, or nil if there
// is no room.
func (s *applicants) admit(w http.ResponseWriter, session string) *applicant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := live(s.bySession[session]); a != nil {
		return a
	}
	s.remove(s.bySession[session])
	// All sessions last equally long, so the first are the first to go. Two for
	// each that comes is enough to be rid of all of them.
	for range 2 {
		if first := s.inOrder.Front(); live(first) == nil {
			s.remove(first)
		}
	}
	if s.inOrder.Len() >= maxApplicants {
		return nil
	}
	a := &applicant{session: session, expires: time.Now().Add(sessionLife)}
	s.bySession[session] = s.inOrder.PushBack(a)
	s.sendCookie(w, session)
	return a
}

// keepProfile stores the profile of an applicant.
func (s *applicants) keepProfile(a *applicant, profileID string) {
	a.update(func(r *registration) { r.profileID = profileID })
	s.mu.Lock()
	defer s.mu.Unlock()
	if live(s.bySession[a.session]) == a {
		s.byProfile[profileID] = a
	}
}

// ofProfile returns the applicant with the profile, or nil.
func (s *applicants) ofProfile(profileID string) *applicant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byProfile[profileID]
}

// end signs the visitor out.
func (s *applicants) end(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.remove(s.bySession[s.session(r)])
	s.mu.Unlock()
	cookie := s.cookie
	cookie.MaxAge = -1
	http.SetCookie(w, &cookie)
}

// remove forgets an applicant. Nil is nobody.
func (s *applicants) remove(e *list.Element) {
	if a := at(e); a != nil {
		delete(s.bySession, a.session)
		delete(s.byProfile, a.snapshot().profileID)
		s.inOrder.Remove(e)
	}
}

// at returns the applicant in a place of the order, or nil.
func at(e *list.Element) *applicant {
	if e == nil {
		return nil
	}
	a, _ := e.Value.(*applicant)
	return a
}

// live returns the applicant in a place of the order whose session lasts, or nil.
func live(e *list.Element) *applicant {
	a := at(e)
	if a == nil || time.Now().After(a.expires) {
		return nil
	}
	return a
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
