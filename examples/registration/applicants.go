package main

import (
	"container/list"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// applicants knows who is signed in. A real site has its own sign-in and keeps
// registrations in its database.
//
// A visitor gets a cookie with the first page, and another one, a session, with
// the registration: a cookie that another person put into the browser before opens
// nothing. Those who only look take no room.
type applicants struct {
	cookie http.Cookie

	mu        sync.Mutex
	bySession map[string]*list.Element
	byVisit   map[string]*applicant // by the cookie of before the registration
	byProfile map[string]*applicant
	inOrder   *list.List // of *applicant: who was here longest ago is first
}

// applicant is one visitor who registers. The lock is held while a registration
// is being started, so that a button pressed twice does not start two.
type applicant struct {
	session       string
	visit, ticket string    // of the page whose button began this
	expires, seen time.Time // seen is guarded by the lock of applicants
	starting      sync.Mutex
	follower      follower

	mu        sync.Mutex
	state     registration
	formAsked time.Time
}

// registration is what a site must store: what will recognise the profile,
// before it is asked for; the profile as soon as there is one; the credentials
// as soon as there are any; how the request ended, when a webhook says it.
type registration struct {
	role        passfort.Role // of the profile; empty until one is asked for
	reference   string        // its customer_ref, made here
	asked       time.Time     // when it was asked for
	profileID   string
	credentials passfort.LoaderCredentials
	closed      time.Time                     // when the end of the request was first seen
	ended       passfort.CustomerRequestState // empty unless known
	renewed     bool                          // there was a request before this one
}

func (r registration) hasForm() bool { return r.credentials.RequestID != "" }

// lost reports whether a profile was asked for and the answer did not come.
func (r registration) lost() bool { return r.reference != "" && r.profileID == "" }

// ranOut reports whether the time for the form is over, as far as is known.
func (r registration) ranOut() bool {
	return r.ended == passfort.CustomerRequestStateExpired ||
		r.ended == "" && !r.closed.IsZero() && time.Since(r.closed) > patience
}

const (
	sessionLife   = 24 * time.Hour
	maxApplicants = 10_000
	// idle is how long ago an applicant must have been here to make room for
	// another.
	idle = time.Hour
	// sessionMark begins the cookie of a session, visitMark that of a visitor.
	sessionMark, visitMark = "s-", "v-"
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
		bySession: map[string]*list.Element{}, byVisit: map[string]*applicant{}, byProfile: map[string]*applicant{},
		inOrder: list.New(),
	}
}

// given returns what the cookie of a request says, or "".
func (s *applicants) given(r *http.Request) string {
	cookie, err := r.Cookie(s.cookie.Name)
	if err != nil || len(cookie.Value) < len(rand.Text()) || len(cookie.Value) > 64 {
		return ""
	}
	return cookie.Value
}

// greet gives a visitor a cookie who has none that is of use, and keeps nothing.
func (s *applicants) greet(w http.ResponseWriter, r *http.Request) {
	given := s.given(r)
	s.mu.Lock()
	useless := given == "" || s.byVisit[given] != nil ||
		strings.HasPrefix(given, sessionMark) && live(s.bySession[given]) == nil
	s.mu.Unlock()
	if useless {
		s.sendCookie(w, visitMark+rand.Text())
	}
}

func (s *applicants) sendCookie(w http.ResponseWriter, value string) {
	cookie := s.cookie
	cookie.Value = value
	http.SetCookie(w, &cookie)
}

// of returns the applicant whose session the request has, or nil.
func (s *applicants) of(r *http.Request) *applicant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enter(s.given(r))
}

// hadSession reports whether the request has a session that is over.
func (s *applicants) hadSession(r *http.Request) bool {
	return strings.HasPrefix(s.given(r), sessionMark) && s.of(r) == nil
}

// enter returns the applicant with a session, who was here now, or nil.
func (s *applicants) enter(session string) *applicant {
	place := s.bySession[session]
	a := live(place)
	if a != nil {
		a.seen = time.Now()
		s.inOrder.MoveToBack(place)
	}
	return a
}

var (
	errNoCookie = errors.New("the visitor has no cookie")
	errEnded    = errors.New("the session has ended")
	errUsed     = errors.New("the page has been used")
	errNoRoom   = errors.New("there is no room for another applicant")
)

// admit returns the applicant who sent a form of the first page, and sends the
// session. The ticket is a secret of that page: with it, a button that is pressed
// twice is one applicant's. The cookie alone does not do, as another person may
// know it. A new applicant must be allowed in first.
func (s *applicants) admit(w http.ResponseWriter, given, ticket string, allow func() error) (*applicant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.enter(given); a != nil {
		return a, nil
	}
	if a := s.byVisit[given]; a != nil && live(s.bySession[a.session]) != nil {
		if ticket == "" || subtle.ConstantTimeCompare([]byte(ticket), []byte(a.ticket)) == 0 {
			return nil, errUsed
		}
		s.sendCookie(w, a.session)
		return s.enter(a.session), nil
	}
	switch {
	case given == "":
		return nil, errNoCookie
	case strings.HasPrefix(given, sessionMark):
		return nil, errEnded
	}
	s.makeRoom()
	if s.inOrder.Len() >= maxApplicants {
		return nil, errNoRoom
	}
	if err := allow(); err != nil {
		return nil, err
	}
	now := time.Now()
	a := &applicant{
		session: sessionMark + rand.Text(), visit: given, ticket: ticket, expires: now.Add(sessionLife), seen: now,
	}
	s.bySession[a.session], s.byVisit[given] = s.inOrder.PushBack(a), a
	s.sendCookie(w, a.session)
	return a, nil
}

// makeRoom forgets at most two whose time is over, which is enough to be rid of
// all of them, and, when full, one who has not been here for long.
func (s *applicants) makeRoom() {
	for range 2 {
		if first := s.inOrder.Front(); live(first) == nil {
			s.remove(first)
		}
	}
	if first := at(s.inOrder.Front()); first != nil && s.inOrder.Len() >= maxApplicants &&
		time.Since(first.seen) > idle {
		s.remove(s.inOrder.Front())
	}
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
	s.remove(s.bySession[s.given(r)])
	s.mu.Unlock()
	cookie := s.cookie
	cookie.MaxAge = -1
	http.SetCookie(w, &cookie)
}

// remove forgets an applicant. Nil is no applicant.
func (s *applicants) remove(e *list.Element) {
	if a := at(e); a != nil {
		delete(s.bySession, a.session)
		delete(s.byVisit, a.visit)
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

// mayAsk reports whether the API may be asked for a page now: once a second.
func (a *applicant) mayAsk() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.formAsked) < restart {
		return false
	}
	a.formAsked = time.Now()
	return true
}

// renew makes ready for another request for the same profile.
func (a *applicant) renew() {
	a.update(func(r *registration) {
		r.credentials, r.closed, r.ended, r.renewed = passfort.LoaderCredentials{}, time.Time{}, "", true
	})
	a.follower.forget()
}

func (a *applicant) update(change func(*registration)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.state)
}
