// Package sqldb is what tables beside those of a team need on PostgreSQL and on
// SQLite: names with a prefix, SQL that both understand, numbered migrations, and
// words for errors that hold no data. The modules inbox and syncer stand on it.
package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Dialect is a kind of database.
type Dialect int

// The dialects. PostgreSQL is tested with the driver pgx, SQLite with
// modernc.org/sqlite.
const (
	PostgreSQL Dialect = iota + 1
	SQLite
)

// String returns the name of the dialect.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case SQLite:
		return "SQLite"
	}
	return "unknown dialect"
}

// Place is where the tables of a module are.
type Place struct {
	Dialect Dialect
	// Schema is that of PostgreSQL; empty means the first of the search path. The
	// first migration creates it if it is missing.
	Schema string
	// Prefix begins the name of every table and index.
	Prefix string
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// Problem reports what is wrong with the place, or nil. Names are lower case ASCII
// letters, digits and underscores, at most 40.
func (p Place) Problem() error {
	switch {
	case p.Dialect != PostgreSQL && p.Dialect != SQLite:
		return errors.New("the dialect is neither PostgreSQL nor SQLite")
	case !identifier.MatchString(p.Prefix):
		return errors.New("the table prefix is not of a-z, 0-9 and _, beginning with a letter, at most 40 characters")
	case p.Schema != "" && p.Dialect == SQLite:
		return errors.New("SQLite has no schemas")
	case p.Schema != "" && !identifier.MatchString(p.Schema):
		return errors.New("the schema is not of a-z, 0-9 and _, beginning with a letter, at most 40 characters")
	}
	return nil
}

// Table returns the full name of a table of the module.
func (p Place) Table(name string) string {
	if p.Schema != "" {
		return p.Schema + "." + p.Prefix + name
	}
	return p.Prefix + name
}

var token = regexp.MustCompile(`\{[a-z_:]+\}|\?`)

// SQL writes a statement for the database of the place. A question mark is a
// parameter, {table:name} is a table of the module, {prefix} its prefix, {now} the
// milliseconds since 1970 by the clock of the database, {serial} a column that
// numbers rows, {update} and {skip} lock the rows of a SELECT, waiting or not.
func (p Place) SQL(statement string) string {
	n := 0
	return token.ReplaceAllStringFunc(statement, func(t string) string {
		if table, ok := strings.CutPrefix(t, "{table:"); ok {
			return p.Table(strings.TrimSuffix(table, "}"))
		}
		postgres := p.Dialect == PostgreSQL
		switch {
		case t == "?" && postgres:
			n++
			return "$" + strconv.Itoa(n)
		case t == "{prefix}":
			return p.Prefix
		case t == "{now}" && postgres:
			return "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
		case t == "{now}":
			return "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
		case t == "{serial}" && postgres:
			return "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
		case t == "{serial}":
			return "INTEGER PRIMARY KEY AUTOINCREMENT"
		case t == "{update}" && postgres:
			return " FOR UPDATE"
		case t == "{skip}" && postgres:
			return " FOR UPDATE SKIP LOCKED"
		case t == "{update}", t == "{skip}":
			return ""
		}
		return t
	})
}

// Querier is a *sql.DB, a *sql.Tx or a *sql.Conn.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Exec executes a statement and returns how many rows it changed. On a *sql.DB it is a
// Statement.
func (p Place) Exec(ctx context.Context, q Querier, statement string, args ...any) (n int64, err error) {
	err = p.Statement(ctx, q, func(q Querier) error {
		result, err := q.ExecContext(ctx, p.SQL(statement), args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, err
}

// Row reads one row. The error is sql.ErrNoRows if there is none. On a *sql.DB it is a
// Statement.
func (p Place) Row(ctx context.Context, q Querier, into []any, statement string, args ...any) error {
	return p.Statement(ctx, q, func(q Querier) error {
		return q.QueryRowContext(ctx, p.SQL(statement), args...).Scan(into...)
	})
}

// Statement calls do, which executes one statement. A PostgreSQL whose default isolation is
// not READ COMMITTED refuses one that meets another (SQLSTATE 40001): on a *sql.DB, do is
// then called again, in a transaction of READ COMMITTED, and has to begin afresh.
func (p Place) Statement(ctx context.Context, q Querier, do func(Querier) error) error {
	err := do(q)
	if db, ok := q.(*sql.DB); ok && p.Dialect == PostgreSQL && sqlState(err) == "40001" {
		return p.Tx(ctx, db, func(tx *sql.Tx) error { return do(tx) })
	}
	return err
}

// Each calls row for each row of a result.
func (p Place) Each(
	ctx context.Context, q Querier, row func(scan func(...any) error) error, statement string, args ...any,
) error {
	rows, err := q.QueryContext(ctx, p.SQL(statement), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Tx calls do in a transaction, which is committed if do returns nil. On
// PostgreSQL it is READ COMMITTED, whatever the default of the database is.
func (p Place) Tx(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	options := &sql.TxOptions{}
	if p.Dialect == PostgreSQL {
		options.Isolation = sql.LevelReadCommitted
	}
	tx, err := db.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// sqlState returns the SQLSTATE of an error of PostgreSQL, or "".
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) && len(coded.SQLState()) == 5 {
		return coded.SQLState()
	}
	return ""
}

// sqliteCode returns the result code of an error of SQLite, or 0.
func sqliteCode(err error) int {
	var coded interface {
		error
		Code() int
	}
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return 0
}

// Word returns what may be logged of an error of a database: its SQLSTATE or
// SQLite's result code, the name of an error of database/sql or of a context, that there
// was no connection, and otherwise the Go type. The text of such an error may hold a row.
func Word(err error) string {
	state, code := sqlState(err), sqliteCode(err)
	switch {
	case err == nil:
		return ""
	case state != "":
		return "SQLSTATE " + state
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline exceeded"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, sql.ErrNoRows):
		return "no rows"
	case errors.Is(err, sql.ErrTxDone):
		return "the transaction was ended before"
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, driver.ErrBadConn):
		return "the connection is gone"
	case errors.As(err, new(*pgconn.ConnectError)):
		return "cannot connect"
	case code != 0:
		return "SQLite result " + strconv.Itoa(code)
	}
	return fmt.Sprintf("%T", innermost(err))
}

// innermost returns the last error of the chain of a text and a cause, which says
// more than *fmt.wrapError.
func innermost(err error) error {
	for {
		cause := errors.Unwrap(err)
		if cause == nil {
			return err
		}
		err = cause
	}
}

// Transient reports whether an error says nothing about what was asked: the
// connection broke, the server ended, or another transaction was in the way. The
// same may succeed when it is tried again.
func Transient(err error) bool {
	if state := sqlState(err); state != "" {
		switch state[:2] {
		case "08", "40", "53", "57":
			return state != "57014" // the statement took too long
		}
		return state == "55P03"
	}
	switch sqliteCode(err) & 0xff {
	case 5, 6: // busy, locked
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || connectFailed(err)
}

// connectFailed reports whether a driver says that a statement never reached the
// server, as pgconn does.
func connectFailed(err error) bool {
	var safe interface{ SafeToRetry() bool }
	return errors.As(err, &safe) && safe.SafeToRetry()
}
