package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
)

// accessLog writes a line for each request, of what RedactRequest leaves.
func accessLog(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		watched := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(watched, r)
		clean := passfort.RedactRequest(r)
		log.Info("request", "method", clean.Method, "uri", clean.URL.RequestURI(), "referer", clean.Referer(),
			"status", watched.status, "duration", time.Since(began).Round(time.Millisecond))
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// reports holds how many reports of stopped content are logged: any page can post
// them.
type reports struct {
	mu   sync.Mutex
	full time.Time
}

const maxReport = 16 << 10

func reportRate() rate { return rate{burst: 20, pause: time.Second} }

// policyReport logs what the policy of a page stopped. The rest of a report stays
// out of the log: the URL of the page may have a key in it.
func (s *site) policyReport(w http.ResponseWriter, r *http.Request) {
	var report struct {
		Body struct {
			Directive string `json:"effective-directive"`
			Violated  string `json:"violated-directive"`
			Blocked   string `json:"blocked-uri"`
		} `json:"csp-report"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReport))
	if err == nil {
		err = json.Unmarshal(body, &report)
	}
	if err != nil {
		http.Error(w, "that is no report", http.StatusBadRequest)
		return
	}
	if directive := directiveName(report.Body.Directive, report.Body.Violated); directive != "" && s.reports.take() {
		s.log.Warn("a policy stopped something", "directive", directive, "blocked", blockedOrigin(report.Body.Blocked))
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *reports) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	full, ok := reportRate().take(r.full, time.Now())
	if ok {
		r.full = full
	}
	return ok
}

// directiveName returns the first text that can be the name of a directive.
func directiveName(texts ...string) string {
	for _, text := range texts {
		if text != "" && len(text) <= 32 && !strings.ContainsFunc(text, func(r rune) bool {
			return r != '-' && (r < 'a' || r > 'z')
		}) {
			return text
		}
	}
	return ""
}

// blockedOrigin returns the origin of what was stopped, or the word for what has
// none, such as inline.
func blockedOrigin(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > 2048:
		return "unknown"
	case u.Host != "":
		return u.Scheme + "://" + u.Host
	case u.Scheme != "":
		return u.Scheme + ":"
	}
	if name := directiveName(text); name != "" {
		return name
	}
	return "unknown"
}
