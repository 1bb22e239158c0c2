package passforttest

import (
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

type keyKind string

const (
	keyMaster  keyKind = "master"
	keyAccount keyKind = "account" // a further key of the account
	keyCollect keyKind = "collect" // for the data of some profiles
	keyRequest keyKind = "request" // for one customer request
)

type keyInfo struct {
	Name     string    `json:"name"`
	Kind     keyKind   `json:"kind"`
	Profiles []string  `json:"profiles,omitempty"`
	Request  string    `json:"request,omitempty"`
	Expiry   time.Time `json:"expiry,omitzero"`
}

// AddAPIKey creates a further key of the account, called name. It may do everything but create
// customer requests, which takes the master key (docs/api/basics.md#keys).
func (s *Server) AddAPIKey(name string) string {
	s.enter()
	defer s.leave()
	key := s.newKey()
	s.addKey(key, &keyInfo{Name: name, Kind: keyAccount})
	return key
}

// authenticate finds the key of the call. A key in the query does not count.
func (s *Server) authenticate(c *call) error {
	sent := c.req.Header.Get("apikey")
	if sent == "" {
		return refuse(http.StatusUnauthorized, CodeMissingAPIKey, "missing API key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.state.Keys[sent]
	if key == nil || !key.Expiry.IsZero() && s.clockNow().After(key.Expiry) {
		return refuse(http.StatusUnauthorized, CodeInvalidAPIKey, "invalid API key")
	}
	c.key = key
	if c.route == nil {
		return nil
	}
	permitted := true
	switch key.Kind {
	case keyAccount:
		permitted = !c.route.master
	case keyCollect:
		permitted = c.route.collect && slices.Contains(key.Profiles, strings.ToLower(c.params["profile_id"]))
	case keyRequest:
		permitted = false
	}
	if !permitted {
		return refuse(http.StatusForbidden, CodeInvalidAPIKey, "this API key is not permitted to do that")
	}
	return nil
}

func (s *Server) whoAmI(c *call) (*reply, error) {
	return ok(object{
		"auditee_name": c.key.Name,
		"institution": object{
			"id": s.nameID("institution", s.cfg.institution), "name": s.cfg.institution, "logo_url": nil,
		},
		"user": nil,
	}), nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// bucket refills continuously; a refused request does not lower it.
type bucket struct {
	level float64
	at    time.Time
}

// limit takes one request from the operation's bucket and returns the headers that limited
// endpoints send (docs/api/basics.md#rate-limits).
func (s *Server) limit(operation string) (http.Header, error) {
	l, limited := s.cfg.limits[operation]
	if !limited || l.Requests <= 0 || l.Per <= 0 {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	size := float64(l.Burst)
	if l.Burst <= 0 {
		size = float64(l.Requests)
	}
	rate := float64(l.Requests) / l.Per.Seconds()
	now := s.clockNow()
	b := s.buckets[operation]
	if b == nil {
		b = &bucket{level: size, at: now}
		s.buckets[operation] = b
	}
	b.level = min(size, b.level+now.Sub(b.at).Seconds()*rate)
	b.at = now
	allowed := b.level >= 1
	if allowed {
		b.level--
	}
	full := (size - b.level) / rate
	h := http.Header{
		"X-Ratelimit-Remaining":  {itoa(int(b.level))},
		"X-Ratelimit-Reset-Secs": {strconv.FormatFloat(full, 'f', 3, 64)},
		"X-Ratelimit-Reset": {
			now.Add(time.Duration(full * float64(time.Second))).Format("Mon, 02 Jan 2006 15:04:05 -0700"),
		},
	}
	if allowed {
		return h, nil
	}
	next := (1 - b.level) / rate
	if s.sw.RateLimitRetrySecs {
		h["X-Ratelimit-Retry-Secs"] = []string{strconv.FormatFloat(next, 'f', 3, 64)}
	}
	if s.sw.RetryAfter {
		h["Retry-After"] = []string{itoa(int(math.Ceil(next)))}
	}
	no := refuse(http.StatusTooManyRequests, 0, "rate limit exceeded")
	no.header = h
	return nil, no
}

// headerLimit bounds the headers of one request in bytes.
const headerLimit = 64 << 10

// How long a body may take to arrive: between two pieces of it, and in all.
const (
	bodyPause = time.Minute
	bodyTime  = 15 * time.Minute
)

// WithHosts adds names under which the server may be called on an address of
// this machine. Without them only localhost, what ends in .localhost and loopback
// addresses are answered there: a web page can have a name of its own resolve to
// this machine, and would then be free to call it.
func WithHosts(names ...string) Option {
	return func(c *config) { c.hosts = append(c.hosts, names...) }
}

// misdirected reports whether a request reached this machine's own address under
// the name of another one.
func (s *Server) misdirected(r *http.Request) bool {
	local, is := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !is || !local.IP.IsLoopback() {
		return false
	}
	host := hostOf(r)
	return !isOwnName(host) && !slices.ContainsFunc(s.cfg.hosts, func(h string) bool {
		return strings.EqualFold(h, host)
	})
}

// hostOf is the host that a request asks for, without its port.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}

func isOwnName(host string) bool {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || isLoopback(host)
}

// refuseMisdirected answers a request for another machine.
func refuseMisdirected(w http.ResponseWriter) {
	no := refuse(http.StatusMisdirectedRequest, CodeInvalidInputData, "this address answers to its own names only")
	writeJSON(w, no.status, envelope(Switches{}, no.err))
}

// punctual ends a request whose body does not arrive.
type punctual struct {
	io.ReadCloser
	control *http.ResponseController
	until   time.Time
	late    error // the deadline that passed
}

// hurry makes the body of a request arrive in time.
func hurry(w http.ResponseWriter, r *http.Request) *punctual {
	b := &punctual{r.Body, http.NewResponseController(w), time.Now().Add(bodyTime), nil}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = b
	}
	return b
}

// Read reads from the body and gives the next read its time.
func (b *punctual) Read(p []byte) (int, error) {
	if b.late != nil {
		return 0, b.late
	}
	next := time.Now().Add(bodyPause)
	if next.After(b.until) {
		next = b.until
	}
	_ = b.control.SetReadDeadline(next) // what cannot do that has no connection
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.late = err
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// errLate answers a call whose body did not arrive.
func errLate() *refusal {
	return refuse(http.StatusRequestTimeout, CodeInvalidInputData, "the body did not arrive in time")
}
