package inbox_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/internal/postgrestest"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv("INBOX_TEST_WORKER"); kind != "" {
		work(kind, os.Getenv("INBOX_TEST_DATABASE"))
		return
	}
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// postgres is the server of all tests.
var postgres postgrestest.Shared

// full reports whether figures are to be measured in full.
func full() bool { return os.Getenv("PASSFORT_LONG") == "1" }

// base is a database of a kind.
type base struct {
	dialect sqldb.Dialect
	url     string
	db      *sql.DB
}

func connect(dialect sqldb.Dialect, address string) (*sql.DB, error) {
	if dialect == inbox.PostgreSQL {
		return sql.Open("pgx", address)
	}
	return sql.Open("sqlite", sqliteName(address))
}

func sqliteName(path string) string {
	return "file:" + path + "?" + url.Values{"_pragma": {"journal_mode(WAL)", "busy_timeout(30000)"}}.Encode()
}

// bases runs a test on an empty database of each kind.
func bases(t *testing.T, test func(t *testing.T, b base)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, inbox.SQLite, filepath.Join(t.TempDir(), "inbox.db")))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)))
	})
}

func open(t *testing.T, dialect sqldb.Dialect, address string) base {
	t.Helper()
	db, err := connect(dialect, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return base{dialect: dialect, url: address, db: db}
}

// exec executes a statement of a test.
func (b base) exec(t *testing.T, statement string) {
	t.Helper()
	_, err := b.db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// one returns the single value of a query as text.
func (b base) one(t *testing.T, query string) string {
	t.Helper()
	var v string
	require.NoError(t, b.db.QueryRowContext(t.Context(), query).Scan(&v))
	return v
}

// inbox returns a migrated inbox with short times, and a table for effects.
func (b base) inbox(t *testing.T, opts ...inbox.Option) *inbox.Inbox {
	t.Helper()
	box, err := inbox.New(b.db, b.dialect, append([]inbox.Option{
		inbox.WithPoll(20 * time.Millisecond), inbox.WithLease(time.Second),
		inbox.WithBackoff(time.Millisecond, 10*time.Millisecond),
	}, opts...)...)
	require.NoError(t, err)
	_, err = box.Migrate(t.Context())
	require.NoError(t, err)
	serial := "INTEGER PRIMARY KEY AUTOINCREMENT"
	if b.dialect == inbox.PostgreSQL {
		serial = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	}
	b.exec(t, `CREATE TABLE IF NOT EXISTS effects (id `+serial+`, message_key TEXT NOT NULL)`)
	return box
}

// effect is a handler whose effect is a row.
func effect(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO effects (message_key) VALUES ('`+m.Key+`')`)
	return err
}

// effects returns the keys of the messages that took effect, in order.
func (b base) effects(t *testing.T) (keys []string) {
	t.Helper()
	rows, err := b.db.QueryContext(t.Context(), `SELECT message_key FROM effects ORDER BY id`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var key string
		require.NoError(t, rows.Scan(&key))
		keys = append(keys, key)
	}
	require.NoError(t, rows.Err())
	return keys
}

// run runs an inbox until the test, or stop, ends it.
func run(t *testing.T, box *inbox.Inbox, handle inbox.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx, handle) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(stop)
	return stop
}

// empty waits until nothing is pending.
func empty(t *testing.T, box *inbox.Inbox) {
	t.Helper()
	require.Eventually(t, func() bool {
		h, err := box.Health(t.Context())
		return err == nil && h.Pending == 0 && h.Profiles == 0
	}, time.Minute, 10*time.Millisecond)
}

// message returns the nth message about a profile.
func message(profile string, n int) *passfort.WebhookEvent {
	return &passfort.WebhookEvent{
		ID: fmt.Sprintf("m%d", n), Event: passfort.EventCheckCompleted, ProfileID: profile,
		Timestamp: time.Unix(1_700_000_000, 0).UTC(),
		Data:      fmt.Appendf(nil, `{"profile_id":%q,"check":{"id":"c%d"}}`, profile, n),
	}
}

// receive stores n messages about each profile.
func receive(t *testing.T, box *inbox.Inbox, n int, profiles ...string) {
	t.Helper()
	for i := range n {
		for _, profile := range profiles {
			require.NoError(t, box.Receive(t.Context(), message(profile, i)))
		}
	}
}

// faulty returns the same database through a driver that loses the answer of a
// statement if lost says so: it is executed, or not, as carryOut says.
func (b base) faulty(t *testing.T, carryOut bool, lost func(statement string) bool) base {
	t.Helper()
	dsn := b.url
	if b.dialect == inbox.SQLite {
		dsn = sqliteName(b.url)
	}
	db := sql.OpenDB(faultyDriver{b.db.Driver(), dsn, carryOut, lost})
	t.Cleanup(func() { _ = db.Close() })
	return base{dialect: b.dialect, url: b.url, db: db}
}

var errLost = errors.New("the connection broke")

type faultyDriver struct {
	driver   driver.Driver
	dsn      string
	carryOut bool
	lost     func(statement string) bool
}

func (d faultyDriver) Driver() driver.Driver { return d.driver }

func (d faultyDriver) Connect(context.Context) (driver.Conn, error) {
	conn, err := d.driver.Open(d.dsn)
	return faultyConn{conn, d}, err
}

type faultyConn struct {
	driver.Conn
	faults faultyDriver
}

func (c faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	lost := c.faults.lost(query)
	if lost && !c.faults.carryOut {
		return nil, errLost
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if lost {
		return nil, errLost
	}
	return result, err
}

func (c faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	lost := c.faults.lost(query)
	if lost && !c.faults.carryOut {
		return nil, errLost
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if lost && err == nil {
		return nil, errors.Join(errLost, rows.Close())
	}
	return rows, err
}
