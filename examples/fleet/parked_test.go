package main

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParked(t *testing.T) {
	url := newEngine(t, testLayout())
	_, js := dialEngine(t, url)
	call := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		got := run(t.Context(), append([]string{"parked"}, args...), strings.NewReader(""), &out, &errs,
			func(name string) string {
				return map[string]string{envEngine: url}[name]
			})
		require.Equal(t, code, got, errs.String())
		return out.String() + errs.String()
	}
	require.Equal(t, "0 messages\n", call(exitOK, "list"))
	for _, body := range []string{`{"ProfileID":"p1"}`, `{"ProfileID":"p2"}`, "unreadable"} {
		_, err := js.Publish(t.Context(), "parked."+webhookStream+"."+token(body), []byte(body))
		require.NoError(t, err)
	}
	require.Contains(t, call(exitOK, "list"), "3 messages")
	require.NotContains(t, call(exitOK, "list"), "p1", "a list shows no data")
	require.Equal(t, "{\"ProfileID\":\"p2\"}\n", call(exitOK, "show", "-id", "2"))
	require.Contains(t, call(exitUsage, "show"), "which -id")
	require.Contains(t, call(exitUsage, "purge"), "-yes")
	require.Contains(t, call(exitUsage, "dance"), "say list")
	call(exitOK, "replay", "-id", "1")
	require.Equal(t, 1, waiting(t, js, webhookStream))
	require.Equal(t, 2, waiting(t, js, parkedStream))
	require.Contains(t, call(exitFailed, "replay", "-id", "3"), "message 3 stays parked: unreadable")
	require.Contains(t, call(exitFailed, "show", "-id", "1"), "no such message")
	require.Equal(t, "2 messages\n", call(exitOK, "purge", "-yes"))
	require.Zero(t, waiting(t, js, parkedStream))
}

func TestOps(t *testing.T) {
	w := startWorker(t, "w", newEngine(t, testLayout()), nowhere)
	ask := func(path string) (int, string) {
		out := httptest.NewRecorder()
		w.opsHandler().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return out.Code, out.Body.String()
	}
	require.Equal(t, 200, post(t, w, message{1, 1}.json()))
	for _, path := range []string{"/healthz", "/readyz"} {
		code, _ := ask(path)
		require.Equal(t, 200, code)
	}
	_, text := ask("/metrics")
	require.Contains(t, text, "# TYPE fleet_webhooks_received_total counter\nfleet_webhooks_received_total 1\n")
	w.conn.Close()
	code, _ := ask("/readyz")
	require.Equal(t, 503, code)
	code, _ = ask("/healthz")
	require.Equal(t, 200, code)
}
