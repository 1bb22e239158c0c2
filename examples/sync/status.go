package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"html/template"
	"net"
	"net/http"
	"strings"
	"time"
)

//go:embed status.html
var statusHTML string

// statusPage shows customers, what is pending and what lost a conflict. It
// shows personal data to whoever can reach it, so it has a listener of its own,
// on this machine only unless configured otherwise.
type statusPage struct {
	store    *store
	failing  func() map[string]string
	demo     bool
	template *template.Template
}

func newStatusPage(st *store, failing func() map[string]string, demo bool) *statusPage {
	return &statusPage{st, failing, demo, template.Must(template.New("status").Parse(statusHTML))}
}

// status is what the page shows.
type status struct {
	Nonce      string
	Demo       bool
	At         string
	Fields     []string // column titles
	Customers  []statusRow
	Total      int
	In, Out    int
	Messages   int
	Gone       int
	Conflicts  []statusConflict
	Conflicted int
}

type statusRow struct {
	ID, Problem string
	Values      []string
	In, Out     int
	Synced      string
	Gone        string // since when the profile is not at Passfort
}

type statusConflict struct{ At, Customer, Field, Ours, Theirs string }

const (
	shownCustomers = 200
	shownConflicts = 20
)

func (p *statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; style-src 'nonce-"+nonce+
		"'; script-src 'nonce-"+nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	switch {
	case r.URL.Path != "/" && r.URL.Path != "/live":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case !fromHere(r):
		// A page of another site that had its name point here.
		http.Error(w, "unknown host", http.StatusMisdirectedRequest)
		return
	}
	s, err := p.read(r.Context())
	if err != nil {
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	s.Nonce = nonce
	h.Set("Content-Type", "text/html; charset=utf-8")
	part := "status"
	if r.URL.Path == "/live" { // what a page that is open asks for
		part = "live"
	}
	_ = p.template.ExecuteTemplate(w, part, s) // it fails when the reader went away
}

// fromHere reports whether the page was asked for by an address, or as localhost.
func fromHere(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}

func (p *statusPage) read(ctx context.Context) (*status, error) {
	s := &status{Demo: p.demo, At: time.Now().UTC().Format("15:04:05")}
	columns := fieldNames()
	for _, name := range columns {
		s.Fields = append(s.Fields, strings.ReplaceAll(name, "_", " "))
	}
	db, q := p.store.db, p.store.placeholders
	for query, into := range map[string]*int{
		`SELECT COUNT(*) FROM customers`:                                       &s.Total,
		`SELECT COUNT(*) FROM inbox WHERE applied_at IS NULL AND outcome = ''`: &s.In,
		`SELECT COUNT(*) FROM outbox o JOIN customers c ON c.id = o.customer_id WHERE o.done_at IS NULL AND ` +
			`c.gone_at IS NULL`: &s.Out,
		`SELECT COUNT(*) FROM customers WHERE gone_at IS NOT NULL`: &s.Gone,
		`SELECT COUNT(*) FROM inbox`:                               &s.Messages,
		`SELECT COUNT(*) FROM conflicts`:                           &s.Conflicted,
	} {
		if err := db.QueryRowContext(ctx, query).Scan(into); err != nil {
			return nil, err
		}
	}
	failing := p.failing()
	err := each(ctx, db, func(scan func(...any) error) error {
		var row statusRow
		var profileID string
		var synced int64
		var gone sql.NullInt64
		row.Values = make([]string, len(columns))
		into := []any{&row.ID, &profileID, &synced, &gone, &row.In, &row.Out}
		for i := range row.Values {
			into = append(into, &row.Values[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		row.Problem = failing[profileID]
		row.Synced = clock(synced)
		if gone.Valid {
			row.Gone = time.UnixMilli(gone.Int64).UTC().Format("2006-01-02 15:04")
		}
		s.Customers = append(s.Customers, row)
		return nil
	}, q(`SELECT c.id, c.profile_id, c.synced_at, c.gone_at,
			(SELECT COUNT(*) FROM inbox i WHERE i.profile_id = c.profile_id AND i.applied_at IS NULL),
			(SELECT COUNT(*) FROM outbox o WHERE o.customer_id = c.id AND o.done_at IS NULL),
			`+strings.Join(columns, ", ")+` FROM customers c ORDER BY c.id LIMIT ?`), shownCustomers)
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, func(scan func(...any) error) error {
		var c statusConflict
		var at int64
		err := scan(&at, &c.Customer, &c.Field, &c.Ours, &c.Theirs)
		c.At = clock(at)
		s.Conflicts = append(s.Conflicts, c)
		return err
	}, q(`SELECT at, customer_id, field, ours, theirs FROM conflicts ORDER BY id DESC LIMIT ?`), shownConflicts)
	return s, err
}

func clock(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return time.UnixMilli(ms).UTC().Format("15:04:05")
}
