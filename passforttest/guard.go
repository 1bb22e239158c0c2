package passforttest

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

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
