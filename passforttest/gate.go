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
	"sync"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// bucket refills continuously; a refused request does not lower it.
type bucket struct {
	level float64
	at    time.Time
}

// limiter has a bucket for each operation that is limited. Its lock is taken before
// that of the world.
type limiter struct {
	limits map[string]RateLimit

	mu      sync.Mutex
	buckets map[string]*bucket
}

// reset fills every bucket.
func (l *limiter) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets = nil
}

// limit takes one request from the operation's bucket and returns the headers that limited
// endpoints send (docs/api/basics.md#rate-limits).
func (s *Server) limit(operation string) (http.Header, error) {
	l, limited := s.cfg.limits[operation]
	if !limited || l.Requests <= 0 || l.Per <= 0 {
		return nil, nil
	}
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	size := float64(l.Burst)
	if l.Burst <= 0 {
		size = float64(l.Requests)
	}
	rate := float64(l.Requests) / l.Per.Seconds()
	now := s.Now()
	b := s.limiter.buckets[operation]
	if b == nil {
		b = &bucket{level: size, at: now}
		if s.limiter.buckets == nil {
			s.limiter.buckets = map[string]*bucket{}
		}
		s.limiter.buckets[operation] = b
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
	sw := s.world.switches()
	if sw.RateLimitRetrySecs {
		h["X-Ratelimit-Retry-Secs"] = []string{strconv.FormatFloat(next, 'f', 3, 64)}
	}
	if sw.RetryAfter {
		h["Retry-After"] = []string{itoa(int(math.Ceil(next)))}
	}
	return h, refuse(tooMany, 0, "rate limit exceeded")
}

// headerLimit bounds the headers of one request in bytes.
const headerLimit = 64 << 10

// How long a body may take to arrive: between two pieces of it, and in all.
const (
	bodyPause = time.Minute
	bodyTime  = 15 * time.Minute
)

// WithHosts adds names under which the server may be called on an address of
// this machine. Without them only localhost, names that end in .localhost and loopback
// addresses are answered there: a web page can let a name of its own resolve to this
// machine, and could then call it.
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

// hostOf returns the host that a request asks for, without its port.
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
	no := refuse(misdirected, CodeInvalidInputData, "this address answers to its own names only")
	writeJSON(w, no.kind.status(), envelope(Switches{}, no.err))
}

// punctual is a body that fails if it does not arrive in time.
type punctual struct {
	io.ReadCloser
	control *http.ResponseController
	until   time.Time
	late    error // the deadline that passed
}

// hurry sets deadlines for the body of a request.
func hurry(w http.ResponseWriter, r *http.Request) *punctual {
	b := &punctual{r.Body, http.NewResponseController(w), time.Now().Add(bodyTime), nil}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = b
	}
	return b
}

// Read reads from the body and sets the deadline of the read.
func (b *punctual) Read(p []byte) (int, error) {
	if b.late != nil {
		return 0, b.late
	}
	next := time.Now().Add(bodyPause)
	if next.After(b.until) {
		next = b.until
	}
	_ = b.control.SetReadDeadline(next) // fails where there is no connection
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.late = err
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// errLate refuses a call whose body did not arrive in time.
func errLate() *refusal {
	return refuse(late, CodeInvalidInputData, "the body did not arrive in time")
}
