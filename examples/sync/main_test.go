package main

import (
	"bytes"
	"context"
	"flag"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfigure(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		args    []string
		env     map[string]string
		problem string
	}{
		{"the demo", nil, nil, ""},
		{"the real thing", nil, map[string]string{"PASSFORT_API_KEY": "k", "WEBHOOK_SECRET": "s0",
			"WEBHOOK_SECRET_PREVIOUS": "r0"}, ""},
		{"no secret", nil, map[string]string{"PASSFORT_API_KEY": "k"}, "WEBHOOK_SECRET is missing"},
		{"arguments", []string{"now"}, nil, "unexpected arguments"},
		{"no pace", []string{"-poll", "0"}, nil, "-poll must be positive"},
		{"an unknown flag", []string{"-nope"}, nil, "not defined"},
		{"help", []string{"-h"}, nil, flag.ErrHelp.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c, err := configure(tt.args, func(name string) string { return tt.env[name] }, &out)
			if tt.problem != "" {
				require.ErrorContains(t, err, tt.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "127.0.0.1:8081", c.status)
			require.Equal(t, "127.0.0.1:8082", c.listen, "8080 is that of the registration example")
			require.Len(t, c.secrets, len(tt.env)/3*2)
		})
	}
}

func TestDatabaseURLIsNotPrinted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:Zqcanary@[::1", "postgres://u:Zqcanary@127.0.0.1:1/db?sslmode=disable"} {
		_, err := openStore(t.Context(), url, "", "")
		require.Error(t, err)
		require.NotContains(t, err.Error(), canary)
	}
}

// output is what a service prints, and the addresses in it.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
	once  sync.Once
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if bytes.Contains(p, []byte("msg=ready")) {
		defer o.once.Do(func() { close(o.ready) })
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestDemoLivesAndStops(t *testing.T) {
	t.Parallel()
	out := &output{ready: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-status", "127.0.0.1:0"}, func(string) string {
			return ""
		}, out)
	}()
	<-out.ready
	page := regexp.MustCompile(`status=(\S+)`).FindStringSubmatch(out.String())[1]
	require.Eventually(t, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return err == nil && strings.Count(string(body), "in step</span>") == demoPeople
	}, time.Minute, 50*time.Millisecond)
	asked := time.Now()
	cancel()
	require.NoError(t, <-done)
	require.Less(t, time.Since(asked), 5*time.Second)
	t.Logf("stopped within %v", time.Since(asked).Round(time.Millisecond))
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	taken := strings.TrimPrefix(server.URL, "http://")
	for _, args := range [][]string{{"-listen", taken, "-status", "127.0.0.1:0"},
		{"-listen", "127.0.0.1:0", "-status", taken}} {
		require.Error(t, run(t.Context(), args, func(string) string { return "" }, io.Discard))
	}
}

func TestImport(t *testing.T) {
	p := newPair(t)
	other, err := openStore(t.Context(), "", filepath.Join(t.TempDir(), "other.db"), "sync")
	require.NoError(t, err)
	defer other.close()
	for range 2 {
		require.NoError(t, importAll(t.Context(), p.sim.Client(), other))
	}
	profiles, err := other.pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{p.profile}, profiles)
}

func TestStatusPage(t *testing.T) {
	p := newPair(t)
	const name = `<script>alert("x")</script>`
	p.editHere("family_name", name)
	p.editHere("phone", "ours")
	p.editThere("phone", "theirs")
	p.sync()
	p.editHere("email", "waiting@example.com")
	page := newStatusPage(p.store, func() map[string]string { return nil }, false)
	get := func(method, target, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
		r.Host = host
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		return w
	}
	w := get(http.MethodGet, "/", "127.0.0.1:8081")
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	require.NotContains(t, body, name)
	require.Contains(t, body, html.EscapeString(name))
	require.Contains(t, body, "0 in, 1 out")
	require.Regexp(t, `<s>ours</s></td><td>theirs`, body)
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	nonce := regexp.MustCompile(`'nonce-(\w+)'`).FindStringSubmatch(w.Header().Get("Content-Security-Policy"))[1]
	require.Equal(t, 2, strings.Count(body, `nonce="`+nonce+`"`))

	live := get(http.MethodGet, "/live", "localhost").Body.String()
	require.True(t, strings.HasPrefix(live, `<main id="live"`) && strings.HasSuffix(live, "</main>"))
	_, counts, found := strings.Cut(live, "<dl>")
	require.True(t, found)
	require.Contains(t, body, counts)
	require.Contains(t, live, `data-title="0 in, 1 out`)

	page.failing = func() map[string]string { return map[string]string{p.profile: "it is gone"} }
	require.Contains(t, get(http.MethodGet, "/", "localhost").Body.String(), "it is gone")
	require.Equal(t, http.StatusOK, get(http.MethodHead, "/", "[::1]:8081").Code)
	require.Equal(t, http.StatusMisdirectedRequest, get(http.MethodGet, "/", "rebound.example.com").Code)
	require.Equal(t, http.StatusMethodNotAllowed, get(http.MethodPost, "/", "localhost").Code)
	require.Equal(t, http.StatusNotFound, get(http.MethodGet, "/favicon.ico", "localhost").Code)
	require.NoError(t, p.store.close())
	require.Equal(t, http.StatusServiceUnavailable, get(http.MethodGet, "/", "localhost").Code)
}
