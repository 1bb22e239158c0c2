package transport

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// askedWait is how long a refusal asks to wait, 0 if it does not say so in a
// usable way. Retry-After comes first because it is the standard's. The rate
// limit headers also stand on answers that refuse nothing, so they count on a
// 429 alone: first the time until one call is allowed, then the time until the
// bucket is full.
func askedWait(status int, h http.Header, now func() time.Time) time.Duration {
	if status/100 == 2 {
		return 0
	}
	if wait := retryAfter(h.Get("Retry-After"), now); wait > 0 {
		return wait
	}
	if status != http.StatusTooManyRequests {
		return 0
	}
	for _, name := range []string{"X-RateLimit-Retry-Secs", "X-RateLimit-Reset-Secs"} {
		if wait := seconds(h.Get(name)); wait > 0 {
			return wait
		}
	}
	return 0
}

// Quota is what an answer says of its operation's rate limit.
type Quota struct {
	Remaining int
	Reset     time.Duration
}

// QuotaOf reads the rate limit headers, which stand on every answer of a
// limited operation. It returns nil if they do not say what is left.
func QuotaOf(h http.Header) *Quota {
	remaining, err := strconv.Atoi(strings.TrimSpace(h.Get("X-RateLimit-Remaining")))
	if err != nil || remaining < 0 {
		return nil
	}
	return &Quota{Remaining: remaining, Reset: seconds(h.Get("X-RateLimit-Reset-Secs"))}
}

func retryAfter(value string, now func() time.Time) time.Duration {
	if wait := seconds(value); wait > 0 {
		return wait
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now())
	}
	return 0
}

// seconds reads a number of seconds, whole or not.
func seconds(value string) time.Duration {
	f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f <= 0 {
		return 0
	}
	if f > float64(math.MaxInt64/int64(time.Second)) {
		return math.MaxInt64
	}
	return time.Duration(f * float64(time.Second))
}
