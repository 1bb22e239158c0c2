// Package statuspage shows on a web page how a syncer and its inbox are, with open
// conflicts, and answers what probes and a collector of metrics ask.
//
// The page holds personal data and asks for no password: give it a listener of its own,
// on the machine. What Ops answers holds none.
package statuspage

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed" // the page
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/syncer"
)

//go:embed status.html
var html string

// status is what the page and the metrics show.
type status struct {
	Nonce, At string
	Inbox     inbox.Health
	Sync      syncer.Health
	Tables    []table
	Conflicts []syncer.Conflict
}

// table is the customers of a mapping.
type table struct {
	syncer.Mapping
	Customers []syncer.State
}

// server answers for an inbox and a syncer.
type server struct {
	box  *inbox.Inbox
	sync *syncer.Syncer
	page *template.Template
}

func newServer(box *inbox.Inbox, sync *syncer.Syncer) *server {
	return &server{box, sync, template.Must(template.New("status").Parse(html))}
}

// shown is how many customers of a mapping, and how many conflicts, the page shows.
const shown = 200

// Page returns the page: GET / and what it asks for itself. It answers to addresses and to
// localhost only, so that no page of another site can read it.
func Page(box *inbox.Inbox, sync *syncer.Syncer) http.Handler {
	s := newServer(box, sync)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { s.show(w, r, "status") })
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) { s.show(w, r, "live") })
	return mux
}

// Ops answers GET /healthz, which says that the process runs, /readyz, whether its database
// has the tables of this version, and /metrics, for Prometheus. Figures are those of the
// database, so they are the same in all processes. Nothing of it is personal data.
func Ops(box *inbox.Inbox, sync *syncer.Syncer) http.Handler {
	s := newServer(box, sync)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.ready(r.Context()); err != nil {
			http.Error(w, "not ready: "+syncer.Word(err), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /metrics", s.metrics)
	return mux
}

func (s *server) ready(ctx context.Context) error {
	if err := s.box.Check(ctx); err != nil {
		return err
	}
	return s.sync.Ready(ctx)
}

func (s *server) health(ctx context.Context) (st status, err error) {
	if st.Inbox, err = s.box.Health(ctx); err == nil {
		st.Sync, err = s.sync.Health(ctx)
	}
	return st, err
}

func (s *server) read(ctx context.Context) (status, error) {
	st, err := s.health(ctx)
	for _, m := range s.sync.Mappings() {
		t := table{Mapping: m}
		if err == nil {
			t.Customers, err = s.sync.States(ctx, m.Entity, "")
		}
		t.Customers = t.Customers[:min(len(t.Customers), shown)]
		st.Tables = append(st.Tables, t)
	}
	if err == nil {
		st.Conflicts, err = s.sync.Conflicts(ctx, false, 0)
	}
	st.Conflicts = st.Conflicts[:min(len(st.Conflicts), shown)]
	st.At = time.Now().UTC().Format(time.TimeOnly)
	return st, err
}

func (s *server) show(w http.ResponseWriter, r *http.Request, part string) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Security-Policy", strings.ReplaceAll("default-src 'none'; connect-src 'self'; style-src 'nonce-N'; "+
		"script-src 'nonce-N'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", "nonce-N", "nonce-"+nonce))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	host, _, _ := net.SplitHostPort(r.Host) // which has no port where this fails
	host = strings.Trim(cmp.Or(host, r.Host), "[]")
	if host != "localhost" && net.ParseIP(host) == nil { // a page of another site that had its name point here
		http.Error(w, "unknown host", http.StatusMisdirectedRequest)
		return
	}
	st, err := s.read(r.Context())
	if err != nil {
		http.Error(w, "the database does not answer: "+syncer.Word(err), http.StatusServiceUnavailable)
		return
	}
	st.Nonce = nonce
	h.Set("Content-Type", "text/html; charset=utf-8")
	_ = s.page.ExecuteTemplate(w, part, st) // it fails when the reader went away
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	st, err := s.health(r.Context())
	if err != nil {
		http.Error(w, syncer.Word(err), http.StatusServiceUnavailable)
		return
	}
	paused := int64(0)
	if st.Inbox.Paused {
		paused = 1
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, gauge := range []struct {
		name, help string
		value      float64
	}{
		{"inbox_pending", "Messages that wait or are being handled.", float64(st.Inbox.Pending)},
		{"inbox_oldest_seconds", "How long the first of them has waited.", st.Inbox.Oldest.Seconds()},
		{"inbox_retrying", "Messages that failed at least once.", float64(st.Inbox.Retrying)},
		{"inbox_parked", "Messages that a person has to look at.", float64(st.Inbox.Parked)},
		{"inbox_paused", "1 while no message is handed out.", float64(paused)},
		{"sync_customers", "Customers with a profile.", float64(st.Sync.Customers)},
		{"sync_gone", "Customers whose profile Passfort does not have.", float64(st.Sync.Gone)},
		{"sync_working", "Customers that may not be in step.", float64(st.Sync.Working)},
		{"sync_failing", "Of them, those that failed at least once.", float64(st.Sync.Failing)},
		{"sync_conflicts", "Open conflicts.", float64(st.Sync.Conflicts)},
	} {
		_, _ = fmt.Fprintf(w, "# HELP passfort_%[1]s %[2]s\n# TYPE passfort_%[1]s gauge\npassfort_%[1]s %[3]g\n",
			gauge.name, gauge.help, gauge.value)
	}
}
