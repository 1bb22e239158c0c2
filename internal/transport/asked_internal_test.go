package transport

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAskedWait(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const (
		after = "Retry-After"
		retry = "X-RateLimit-Retry-Secs"
		reset = "X-RateLimit-Reset-Secs"
	)
	for _, row := range []struct {
		name   string
		status int
		header map[string]string
		want   time.Duration
	}{
		{"nothing said", 429, nil, 0},
		{"seconds", 503, map[string]string{after: "7"}, 7 * time.Second},
		{"part of a second", 429, map[string]string{retry: "0.25"}, 250 * time.Millisecond},
		{"spaces", 429, map[string]string{retry: " 3 "}, 3 * time.Second},
		{"a date", 429, map[string]string{after: "Sun, 01 Mar 2026 12:00:30 GMT"}, 30 * time.Second},
		{"a date that has passed", 429, map[string]string{after: "Sun, 01 Mar 2026 11:59:00 GMT", reset: "5"},
			5 * time.Second},
		{"the standard's header first", 429, map[string]string{after: "1", retry: "2", reset: "3"}, time.Second},
		{"then until one call", 429, map[string]string{retry: "2", reset: "3"}, 2 * time.Second},
		{"then until the bucket is full", 429, map[string]string{reset: "3"}, 3 * time.Second},
		{"the standard's is not readable", 429, map[string]string{after: "soon", retry: "2"}, 2 * time.Second},
		{"zero is nothing", 429, map[string]string{after: "0", retry: "0", reset: "4"}, 4 * time.Second},
		{"negative", 429, map[string]string{after: "-5"}, 0},
		{"no number", 429, map[string]string{after: "NaN"}, 0},
		{"no end", 429, map[string]string{retry: "+Inf"}, 0},
		{"more than there is", 429, map[string]string{retry: "1e300"}, math.MaxInt64},
		{"rate limit headers of another refusal", 503, map[string]string{retry: "2", reset: "3"}, 0},
		{"a refusal that is not repeated", 403, map[string]string{after: "7"}, 7 * time.Second},
		{"a success", 200, map[string]string{after: "7", reset: "3"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for name, value := range row.header {
				h.Set(name, value)
			}
			require.Equal(t, row.want, askedWait(row.status, h, func() time.Time { return now }))
		})
	}
}

func TestQuotaOf(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name             string
		remaining, reset string
		want             *Quota
	}{
		{"nothing said", "", "", nil},
		{"no number", "many", "5", nil},
		{"negative", "-1", "5", nil},
		{"none left", "0", "5", &Quota{Reset: 5 * time.Second}},
		{"some left", " 41 ", "", &Quota{Remaining: 41}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			h.Set("X-RateLimit-Remaining", row.remaining)
			h.Set("X-RateLimit-Reset-Secs", row.reset)
			require.Equal(t, row.want, QuotaOf(h))
		})
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	p := Policy{MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Second}
	for attempts, longest := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 3: 400 * time.Millisecond, 4: 800 * time.Millisecond,
		5: time.Second, 6: time.Second, 100: time.Second,
	} {
		least, most := time.Hour, time.Duration(0)
		for range 2000 {
			wait := p.backoff(attempts)
			least, most = min(least, wait), max(most, wait)
		}
		require.GreaterOrEqual(t, least, longest/2)
		require.Less(t, least, longest*6/10)
		require.LessOrEqual(t, most, longest)
		require.Greater(t, most, longest*9/10)
	}
	small := Policy{MinBackoff: time.Second, MaxBackoff: 10 * time.Millisecond}
	require.LessOrEqual(t, small.backoff(1), 10*time.Millisecond)

	endless := Policy{MinBackoff: time.Second, MaxBackoff: math.MaxInt64}
	require.Positive(t, endless.backoff(100), "no overflow, however long the waits may get")
}

func TestUncertain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		result Result
		want   bool
	}{
		{"never left", Result{Sent: No, Err: ErrAttemptTimeout}, false},
		{"maybe", Result{Sent: Maybe, Err: ErrAttemptTimeout}, true},
		{"done", Result{Sent: Yes, Status: 200}, false},
		{"done, and the answer broke off", Result{Sent: Yes, Status: 200, Err: ErrBodyTooLarge}, true},
		{"refused", Result{Sent: Yes, Status: 400}, false},
		{"turned away", Result{Sent: Yes, Status: 429}, false},
		{"the last status that is certain", Result{Sent: Yes, Status: 499}, false},
		{"server error", Result{Sent: Yes, Status: 500}, true},
		{"gateway", Result{Sent: Yes, Status: 502}, true},
		{"see another place", Result{Sent: Yes, Status: 303}, true},
		{"moved", Result{Sent: Yes, Status: 308}, false},
		{"timeout of the server", Result{Sent: Yes, Status: 408}, true},
		{"lost before", Result{Sent: Yes, Status: 400, Lost: true}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, row.result.Uncertain())
		})
	}
}
