package passforttest

import (
	"math"
	"net/http"
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
