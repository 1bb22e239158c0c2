package passforttest

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// bucket refills continuously; a refused request does not lower it.
type bucket struct {
	level float64
	at    time.Time
}

// limit takes one request from the operation's bucket and returns the headers
// that limited endpoints send (sheet 1.9).
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
		"X-Ratelimit-Reset":      {now.Add(time.Duration(full * float64(time.Second))).Format("Mon, 02 Jan 2006 15:04:05 -0700")},
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
