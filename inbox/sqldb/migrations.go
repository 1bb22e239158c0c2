package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
)

// Migration is one numbered change of the tables of a module.
type Migration struct {
	// Number counts from 1, without a gap.
	Number int
	Name   string
	// SQL are the statements, in order, as Place.SQL takes them.
	SQL []string
}

// ErrSchema means that the tables are not those that this version of the module
// works with. Branch on it with errors.Is; the text says which way they differ.
var ErrSchema = errors.New("the tables are not those of this version")

// Migrations are all changes of the tables of a module, by number.
type Migrations struct {
	Place Place
	All   []Migration
}

// Plan returns the migrations that Apply would make, with the statements as they
// would be executed. It changes nothing.
func (m Migrations) Plan(ctx context.Context, db *sql.DB) ([]Migration, error) {
	at, err := m.version(ctx, db)
	if err != nil {
		return nil, err
	}
	if at > len(m.All) {
		return nil, m.tooNew(at)
	}
	var plan []Migration
	for _, next := range m.All[at:] {
		plan = append(plan, m.written(next))
	}
	return plan, nil
}

func (m Migrations) written(next Migration) Migration {
	written := Migration{Number: next.Number, Name: next.Name}
	if next.Number == 1 && m.Place.Schema != "" {
		written.SQL = append(written.SQL, "CREATE SCHEMA IF NOT EXISTS "+m.Place.Schema)
	}
	for _, statement := range next.SQL {
		written.SQL = append(written.SQL, m.Place.SQL(statement))
	}
	return written
}

func (m Migrations) tooNew(at int) error {
	return fmt.Errorf("%w: the database is at migration %d, this version knows %d: use a newer version", ErrSchema, at,
		len(m.All))
}

// Apply makes the missing migrations and returns them: all of them or none, in one
// transaction. Of several processes that call it at once, one does it and the
// others find it done.
func (m Migrations) Apply(ctx context.Context, db *sql.DB) ([]Migration, error) {
	var done []Migration
	err := m.Alone(ctx, db, func(tx *sql.Tx) error {
		at, err := m.version(ctx, tx)
		if err != nil {
			return err
		}
		if at > len(m.All) {
			return m.tooNew(at)
		}
		for _, next := range m.All[at:] {
			written := m.written(next)
			for _, statement := range written.SQL {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("migration %d (%s): %w", next.Number, next.Name, err)
				}
			}
			if next.Number == 1 {
				if _, err := m.Place.Exec(ctx, tx, `CREATE TABLE {table:migrations} (
					number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)`); err != nil {
					return err
				}
			}
			if _, err := m.Place.Exec(ctx, tx, `INSERT INTO {table:migrations} VALUES (?, ?, {now})`, next.Number,
				next.Name); err != nil {
				return err
			}
			done = append(done, written)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// Alone calls do in a transaction that waits for another one that migrates these tables.
func (m Migrations) Alone(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	return m.Place.Tx(ctx, db, func(tx *sql.Tx) error {
		if err := m.alone(ctx, tx); err != nil {
			return err
		}
		return do(tx)
	})
}

// alone makes the transaction wait for another one that migrates.
func (m Migrations) alone(ctx context.Context, tx *sql.Tx) error {
	if m.Place.Dialect == PostgreSQL {
		h := fnv.New32a()
		_, _ = h.Write([]byte(m.Place.Table("migrations")))
		_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1, $2)", int32(7262), int32(h.Sum32()))
		return err
	}
	// SQLite has one writer, and becomes it with the first statement that writes.
	if _, err := m.Place.Exec(ctx, tx, `CREATE TABLE {table:lock} (x INTEGER)`); err != nil {
		return err
	}
	_, err := m.Place.Exec(ctx, tx, `DROP TABLE {table:lock}`)
	return err
}

// version returns the number of the last migration made, 0 for none.
func (m Migrations) version(ctx context.Context, q Querier) (int, error) {
	exists, args := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?`, []any{
		m.Place.Table("migrations"),
	}
	if m.Place.Dialect == PostgreSQL {
		// Not to_regclass: it may remember what was before another process migrated.
		exists = `SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = ?
			AND CASE WHEN ? = '' THEN pg_table_is_visible(c.oid) ELSE n.nspname = ? END`
		args = []any{m.Place.Prefix + "migrations", m.Place.Schema, m.Place.Schema}
	}
	var n int
	if err := m.Place.Row(ctx, q, []any{&n}, exists, args...); err != nil || n == 0 {
		return 0, err
	}
	var at int
	err := m.Place.Row(ctx, q, []any{&at}, `SELECT COALESCE(MAX(number), 0) FROM {table:migrations}`)
	return at, err
}

// Check returns ErrSchema if the tables are older or newer than this version
// works with, or another error if the database cannot be asked. It changes nothing.
func (m Migrations) Check(ctx context.Context, db *sql.DB) error {
	at, err := m.version(ctx, db)
	switch {
	case err != nil:
		return err
	case at > len(m.All):
		return m.tooNew(at)
	case at < len(m.All):
		return fmt.Errorf("%w: the database is at migration %d, this version needs %d: call Migrate", ErrSchema, at,
			len(m.All))
	}
	if m.Place.Dialect == SQLite {
		var timeout int
		if err := db.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil {
			return err
		}
		if timeout == 0 {
			return fmt.Errorf(
				"%w: SQLite does not wait for other connections: set the pragma busy_timeout in the data source name",
				ErrSchema,
			)
		}
	}
	return nil
}
