package statuspage_test

import (
	"database/sql"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/syncer"
	"github.com/passfort-go/passfort/syncer/statuspage"
)

// services returns an inbox and a syncer of an empty database.
func services(t testing.TB) (*sql.DB, *inbox.Inbox, *syncer.Syncer) {
	t.Helper()
	db, dialect, err := sqldb.Open("", filepath.Join(t.TempDir(), "crm.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	client, err := passfort.New("test-key")
	require.NoError(t, err)
	box, err := inbox.New(db, dialect)
	require.NoError(t, err)
	sync, err := syncer.New(db, dialect, client, []syncer.Mapping{{
		Entity: passfort.EntityTypeIndividual,
		Table:  syncer.SQLTable{Dialect: dialect, Name: "people", Key: "id"},
		Fields: []syncer.Field{syncer.Custom("surname", syncer.KindText, "surname")},
	}})
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE people (id TEXT PRIMARY KEY, surname TEXT)`)
	require.NoError(t, err)
	return db, box, sync
}

func migrate(t testing.TB, box *inbox.Inbox, sync *syncer.Syncer) {
	t.Helper()
	_, err := box.Migrate(t.Context())
	require.NoError(t, err)
	_, err = sync.Migrate(t.Context())
	require.NoError(t, err)
}

func ask(t *testing.T, h http.Handler, method, target, host string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	t.Parallel()
	db, box, sync := services(t)
	migrate(t, box, sync)
	page := statuspage.Page(box, sync)
	const surname = `<script>alert("x")</script>`
	for _, row := range []struct{ key, columns string }{
		{"C-1", `'{"surname":"<script>alert(\"x\")</script>"}', 1000, NULL`}, {"C-2", `'{}', NULL, 1000`},
		{"C-3", `'{}', NULL, NULL`},
	} {
		_, err := db.ExecContext(t.Context(), `INSERT INTO passfort_sync_customers
			(entity, customer_key, profile_id, base, synced_at, gone_at)
			VALUES ('INDIVIDUAL', '`+row.key+`', 'p`+row.key+`', `+row.columns+`)`)
		require.NoError(t, err)
	}
	_, err := db.ExecContext(t.Context(), `INSERT INTO passfort_sync_work (entity, customer_key, ready_at, tries,
		problem)
		VALUES ('INDIVIDUAL', 'C-3', 0, 2, 'no rows')`)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO passfort_sync_conflicts
		(entity, customer_key, profile_id, field, base, ours, theirs, found_at)
		VALUES ('INDIVIDUAL', 'C-1', 'pC-1', 'surname', '', 'ours', '', 1000)`)
	require.NoError(t, err)

	w := ask(t, page, http.MethodGet, "/", "127.0.0.1:8081")
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	require.NotContains(t, body, surname)
	for _, want := range []string{html.EscapeString(surname), "in step</span>", "gone at Passfort since 1970-01-01",
		"failed 2 times, will be tried again: no rows", "<s>ours</s></td><td><span class=\"soft\">removed"} {
		require.Contains(t, body, want)
	}
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	nonce := regexp.MustCompile(`'nonce-(\w+)'`).FindStringSubmatch(w.Header().Get("Content-Security-Policy"))[1]
	require.Equal(t, 2, strings.Count(body, `nonce="`+nonce+`"`))

	live := ask(t, page, http.MethodGet, "/live", "localhost").Body.String()
	require.True(t, strings.HasPrefix(live, `<main id="live"`) && strings.HasSuffix(live, "</main>"))
	require.Contains(t, live, `data-title="1 under way`)
	_, counts, found := strings.Cut(live, "<dl>")
	require.True(t, found)
	require.Contains(t, body, counts)

	require.Equal(t, http.StatusOK, ask(t, page, http.MethodHead, "/", "[::1]:8081").Code)
	require.Equal(t, http.StatusMisdirectedRequest, ask(t, page, http.MethodGet, "/", "rebound.example.com").Code)
	require.Equal(t, http.StatusMethodNotAllowed, ask(t, page, http.MethodPost, "/", "localhost").Code)
	require.Equal(t, http.StatusNotFound, ask(t, page, http.MethodGet, "/favicon.ico", "localhost").Code)
	require.NoError(t, db.Close())
	require.Equal(t, http.StatusServiceUnavailable, ask(t, page, http.MethodGet, "/", "localhost").Code)
}

func TestOps(t *testing.T) {
	t.Parallel()
	db, box, sync := services(t)
	ops := statuspage.Ops(box, sync)
	require.Equal(t, http.StatusOK, ask(t, ops, http.MethodGet, "/healthz", "probe").Code)
	before := ask(t, ops, http.MethodGet, "/readyz", "probe")
	require.Equal(t, http.StatusServiceUnavailable, before.Code)
	require.Contains(t, before.Body.String(), "call Migrate")
	migrate(t, box, sync)
	require.Equal(t, http.StatusOK, ask(t, ops, http.MethodGet, "/readyz", "probe").Code)
	require.NoError(t, box.Pause(t.Context()))
	metrics := ask(t, ops, http.MethodGet, "/metrics", "probe")
	require.Equal(t, http.StatusOK, metrics.Code)
	require.Contains(t, metrics.Body.String(), "# TYPE passfort_inbox_paused gauge\npassfort_inbox_paused 1\n")
	require.Contains(t, metrics.Body.String(), "\npassfort_sync_conflicts 0\n")
	require.Equal(t, http.StatusNotFound, ask(t, ops, http.MethodGet, "/", "probe").Code)
	require.NoError(t, db.Close())
	require.Equal(t, http.StatusServiceUnavailable, ask(t, ops, http.MethodGet, "/readyz", "probe").Code)
	require.Equal(t, http.StatusServiceUnavailable, ask(t, ops, http.MethodGet, "/metrics", "probe").Code)
	require.Equal(t, http.StatusOK, ask(t, ops, http.MethodGet, "/healthz", "probe").Code, "the process itself runs")
}

// Two listeners: the page for this machine only, and what probes ask.
func ExamplePage() {
	t := &testing.B{}
	_, box, sync := services(t)
	migrate(t, box, sync)
	page := &http.Server{Addr: "127.0.0.1:8081", Handler: statuspage.Page(box, sync)}
	ops := &http.Server{Addr: ":8083", Handler: statuspage.Ops(box, sync)}
	fmt.Println(page.Addr, ops.Addr)
}
