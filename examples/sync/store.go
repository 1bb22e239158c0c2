package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/passfort-go/passfort"
)

// store is the database of the service: the team's own customer table and what
// keeping it in step needs. It is SQL that SQLite and PostgreSQL both
// understand; the differences are in dialect.
//
//	customers  the team's table; base is what both sides had when they last agreed
//	outbox     one row for each local edit that is not known to be at Passfort
//	inbox      one row for each webhook message, by its id or a hash of it
//	intents    what may have been written to Passfort since base was read
//	writes     what was written to Passfort, until its echo comes
//	conflicts  what lost
type store struct {
	db *sql.DB
	dialect
	ownKey  string // the name of our API key, if known
	process string // identifies this process on the database
}

type dialect struct {
	serial  string // a column that numbers rows
	forLock string // after a SELECT whose rows are about to change
	numbers bool   // placeholders are $1, $2
	alone   string // makes a schema change wait for that of another process
}

var (
	sqliteDialect   = dialect{serial: "INTEGER PRIMARY KEY AUTOINCREMENT"}
	postgresDialect = dialect{
		serial: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", forLock: " FOR UPDATE", numbers: true,
		alone: "SELECT pg_advisory_xact_lock(7262)",
	}
)

// openStore opens the PostgreSQL database at databaseURL, or the SQLite file if
// that is empty, and creates the tables that are missing. The name of the API
// key may be empty.
func openStore(ctx context.Context, databaseURL, file, ownKey string) (*store, error) {
	s := &store{ownKey: ownKey, process: rand.Text()}
	var err error
	if databaseURL != "" {
		s.dialect = postgresDialect
		if s.db, err = sql.Open("pgx", databaseURL); err != nil {
			return nil, errors.New("DATABASE_URL is not valid") // the cause would print it, password included
		}
		s.db.SetMaxOpenConns(10)
	} else {
		s.dialect = sqliteDialect
		if err := ownFile(file); err != nil {
			return nil, err
		}
		// An acknowledged webhook must outlive a power cut, hence synchronous=FULL.
		// A transaction takes the lock when it begins: other processes wait for it.
		options := url.Values{
			"_txlock": {"immediate"},
			"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(30000)", "foreign_keys(1)"},
		}
		if s.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+
			options.Encode()); err != nil {
			return nil, err
		}
		s.db.SetMaxOpenConns(1) // SQLite has one writer; waiting for it here is fair
	}
	if err := s.migrate(ctx); err != nil {
		_ = s.db.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return s, nil
}

// ownFile creates the file where it is missing and lets its owner alone read it:
// it holds personal data. SQLite gives its -wal and -shm files the same mode.
func ownFile(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func (s *store) close() error { return s.db.Close() }

func (s *store) migrate(ctx context.Context) error {
	columns := ""
	for _, name := range fieldNames() {
		columns += name + " TEXT NOT NULL DEFAULT '',\n"
	}
	return s.tx(ctx, func(tx *tx) error {
		if s.alone != "" {
			if err := tx.exec(s.alone); err != nil {
				return err
			}
		}
		for _, stmt := range []string{
			`CREATE TABLE IF NOT EXISTS customers (
				id TEXT PRIMARY KEY,
				profile_id TEXT NOT NULL UNIQUE,
				` + columns + `
				base TEXT NOT NULL,
				base_version BIGINT NOT NULL DEFAULT 0,
				synced_at BIGINT NOT NULL DEFAULT 0,
				gone_at BIGINT)`,
			`CREATE TABLE IF NOT EXISTS outbox (
				id ` + s.serial + `,
				customer_id TEXT NOT NULL REFERENCES customers (id),
				created_at BIGINT NOT NULL,
				done_at BIGINT)`,
			`CREATE INDEX IF NOT EXISTS outbox_pending ON outbox (customer_id) WHERE done_at IS NULL`,
			`CREATE TABLE IF NOT EXISTS inbox (
				message_id TEXT PRIMARY KEY,
				profile_id TEXT NOT NULL,
				by_user INTEGER NOT NULL,
				api_key TEXT NOT NULL,
				changes TEXT,
				fingerprint TEXT NOT NULL,
				received_at BIGINT NOT NULL,
				applied_at BIGINT,
				outcome TEXT NOT NULL DEFAULT '')`,
			`CREATE INDEX IF NOT EXISTS inbox_pending ON inbox (profile_id) WHERE applied_at IS NULL`,
			`CREATE TABLE IF NOT EXISTS intents (
				id ` + s.serial + `,
				customer_id TEXT NOT NULL REFERENCES customers (id),
				process TEXT NOT NULL,
				fingerprint TEXT NOT NULL,
				sent TEXT NOT NULL,
				written_at BIGINT NOT NULL)`,
			`CREATE INDEX IF NOT EXISTS intents_customer ON intents (customer_id)`,
			`CREATE TABLE IF NOT EXISTS writes (
				customer_id TEXT NOT NULL REFERENCES customers (id),
				fingerprint TEXT NOT NULL,
				written_at BIGINT NOT NULL,
				PRIMARY KEY (customer_id, fingerprint))`,
			`CREATE TABLE IF NOT EXISTS conflicts (
				id ` + s.serial + `,
				customer_id TEXT NOT NULL REFERENCES customers (id),
				field TEXT NOT NULL,
				base TEXT NOT NULL,
				ours TEXT NOT NULL,
				theirs TEXT NOT NULL,
				at BIGINT NOT NULL)`,
		} {
			if err := tx.exec(stmt); err != nil {
				return err
			}
		}
		return nil
	})
}

// tx is a transaction whose statements have ? for placeholders.
type tx struct {
	ctx context.Context //nolint:containedctx // it lives as long as the transaction
	*sql.Tx
	dialect
}

func (s *store) tx(ctx context.Context, do func(*tx) error) error {
	t, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }()
	if err := do(&tx{ctx, t, s.dialect}); err != nil {
		return err
	}
	return t.Commit()
}

// placeholders writes ? as the database wants it.
func (d dialect) placeholders(query string) string {
	if !d.numbers {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.ExecContext(t.ctx, t.placeholders(query), args...)
	return err
}

// affected executes a statement and returns how many rows it changed.
func (t *tx) affected(query string, args ...any) (int64, error) {
	res, err := t.ExecContext(t.ctx, t.placeholders(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// each calls row for each row of the result.
func (t *tx) each(row func(scan func(...any) error) error, query string, args ...any) error {
	return each(t.ctx, t.Tx, row, t.placeholders(query), args...)
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func each(ctx context.Context, q querier, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
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

func now() int64 { return time.Now().UnixMilli() }

// customer is one row of the customer table.
type customer struct {
	id, profileID string
	ours          values // the columns
	base          values // what both sides had when they last agreed
	baseVersion   int64  // moves on with base
}

// customer reads and locks the customer with a value in a column that is
// unique. It is sql.ErrNoRows if there is none.
func (t *tx) customer(column, value string) (*customer, error) {
	names := fieldNames()
	c := &customer{ours: values{}, base: values{}}
	var base string
	columns := make([]string, len(names))
	into := []any{&c.id, &c.profileID, &base, &c.baseVersion}
	for i := range names {
		into = append(into, &columns[i])
	}
	query := `SELECT id, profile_id, base, base_version, ` + strings.Join(names,
		", ") + ` FROM customers WHERE ` + column + ` = ?` + t.forLock
	if err := t.QueryRowContext(t.ctx, t.placeholders(query), value).Scan(into...); err != nil {
		return nil, err
	}
	for i, name := range names {
		c.ours[name] = columns[i]
	}
	return c, json.Unmarshal([]byte(base), &c.base)
}

// setValues writes the columns of a customer.
func (t *tx) setValues(id string, v values) error {
	set, args := "", []any{}
	for _, name := range fieldNames() {
		set += ", " + name + " = ?"
		args = append(args, v[name])
	}
	return t.exec(`UPDATE customers SET `+set[2:]+` WHERE id = ?`, append(args, id)...)
}

// link adds a customer for a profile, unless it has one, and has the profile
// read. One that was put aside is taken up again.
func (s *store) link(ctx context.Context, profileID string) error {
	return s.tx(ctx, func(t *tx) error {
		if err := t.link(profileID); err != nil {
			return err
		}
		if err := t.exec(`UPDATE customers SET gone_at = NULL WHERE profile_id = ?`, profileID); err != nil {
			return err
		}
		if err := t.exec(`UPDATE inbox SET outcome = '' WHERE profile_id = ? AND applied_at IS NULL`,
			profileID); err != nil {
			return err
		}
		return t.receive(message{id: "link:" + profileID, profileID: profileID})
	})
}

func (t *tx) link(profileID string) error {
	return t.exec(`INSERT INTO customers (id, profile_id, base) VALUES (?, ?, '{}') ON CONFLICT DO NOTHING`,
		"C-"+rand.Text()[:10], profileID)
}

// edit is what the rest of the team's software does: it changes a customer and,
// in the same transaction, says so in the outbox. It returns the columns as they
// were before.
func (s *store) edit(ctx context.Context, customerID string, change values) (before values, err error) {
	err = s.tx(ctx, func(t *tx) error {
		c, err := t.customer("id", customerID)
		if err != nil {
			return err
		}
		before = c.ours
		after := values{}
		for _, name := range fieldNames() {
			after[name] = before[name]
			if v, ok := change[name]; ok {
				after[name] = normal(v)
			}
		}
		if len(before.changes(after)) == 0 {
			return nil
		}
		if err := t.setValues(customerID, after); err != nil {
			return err
		}
		return t.exec(`INSERT INTO outbox (customer_id, created_at) VALUES (?, ?)`, customerID, now())
	})
	return before, err
}

// message is what the inbox keeps of a webhook message.
type message struct {
	id, profileID string
	byUser        bool   // a person in the portal did it
	apiKey        string // the name of the key that did it, if any
	changes       values // nil: unknown, the profile has to be read
	fingerprint   string // of the values after it
}

// receive stores a message. A stored one is left alone.
func (t *tx) receive(m message) error {
	var changes any
	if m.changes != nil {
		changes = encoded(m.changes)
	}
	return t.exec(`INSERT INTO inbox (message_id, profile_id, by_user, api_key, changes, fingerprint, received_at)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		m.id, m.profileID, number(m.byUser), m.apiKey, changes, m.fingerprint, now())
}

func encoded(v values) string {
	raw, _ := json.Marshal(v) // strings always encode
	return string(raw)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// webhookStore is a passfort.WebhookStore on the inbox: what is in there was
// received, and its row and its being seen are one commit.
type webhookStore struct{ *store }

var _ passfort.WebhookStore = webhookStore{}

// Seen reports whether the message is in the inbox.
func (s webhookStore) Seen(ctx context.Context, id string) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, s.placeholders(`SELECT COUNT(*) FROM inbox WHERE message_id = ?`), id).Scan(&n)
	return n > 0, err
}

// Commit puts a message that no handler stored into the inbox, as done.
func (s webhookStore) Commit(ctx context.Context, id string) error {
	_, err := s.db.ExecContext(ctx, s.placeholders(`INSERT INTO inbox
		(message_id, profile_id, by_user, api_key, fingerprint, received_at, applied_at, outcome)
		VALUES (?, '', 0, '', '', ?, ?, 'not ours') ON CONFLICT DO NOTHING`), id, now(), now())
	return err
}

// pending returns the profiles with something to send or to apply, in no order.
// What was put aside with a profile that is gone is not pending, until a new
// message says of that profile.
func (s *store) pending(ctx context.Context) ([]string, error) {
	var profiles []string
	err := each(ctx, s.db, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		profiles = append(profiles, id)
		return err
	}, `SELECT profile_id FROM inbox WHERE applied_at IS NULL AND outcome = ''
		UNION SELECT c.profile_id FROM outbox o JOIN customers c ON c.id = o.customer_id WHERE o.done_at IS NULL AND c.gone_at IS NULL`)
	return profiles, err
}

// work is what there is to do for one customer, and what is known before.
type work struct {
	customer
	messages []message // that may be news
	edits    []int64   // rows of the outbox
	intents  []intent
}

// intent is a write that may have been done since base was read.
type intent struct {
	id   int64
	sent values // the fields that differed
}

// sent returns the values of the intents.
func (w *work) sent() []values {
	var sent []values
	for _, i := range w.intents {
		sent = append(sent, i.sent)
	}
	return sent
}

// take finds what has to be done for a profile. Messages that bring nothing new
// are marked as applied on the way. It returns nil if nothing is left.
//
// A message brings nothing new if base already has what it changed: whatever
// changed later has a message of its own. Or if it is of a write of ours,
// which is known by its content and by who did it; that write is then struck
// off, so it excuses one message only.
func (s *store) take(ctx context.Context, profileID string) (*work, error) {
	var w *work
	err := s.tx(ctx, func(t *tx) error {
		c, err := t.customer("profile_id", profileID)
		if errors.Is(err, sql.ErrNoRows) {
			if err := t.link(profileID); err != nil {
				return err
			}
			c, err = t.customer("profile_id", profileID)
		}
		if err != nil {
			return err
		}
		w = &work{customer: *c}
		if err := t.load(w); err != nil {
			return err
		}
		var news []message
		for _, m := range w.messages {
			var outcome string
			switch echo, err := t.strikeOff(c.id, s.ownKey, m); {
			case err != nil:
				return err
			case echo:
				outcome = "our own write"
			case c.baseVersion > 0 && m.changes != nil && c.base.holds(m.changes):
				outcome = "nothing new"
			default:
				news = append(news, m)
				continue
			}
			if err := t.applied(m.id, outcome); err != nil {
				return err
			}
		}
		if len(news) < len(w.messages) {
			// A process that is reading the profile now must look again.
			w.baseVersion++
			if err := t.exec(`UPDATE customers SET base_version = ? WHERE id = ?`, w.baseVersion, c.id); err != nil {
				return err
			}
		}
		w.messages = news
		if len(w.messages) == 0 && len(w.edits) == 0 {
			w = nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (t *tx) load(w *work) error {
	err := t.each(func(scan func(...any) error) error {
		var m message
		var byUser int
		var changes sql.NullString
		if err := scan(&m.id, &byUser, &m.apiKey, &changes, &m.fingerprint); err != nil {
			return err
		}
		m.byUser = byUser != 0
		w.messages = append(w.messages, m)
		if !changes.Valid {
			return nil
		}
		return json.Unmarshal([]byte(changes.String), &w.messages[len(w.messages)-1].changes)
	}, `SELECT message_id, by_user, api_key, changes, fingerprint FROM inbox WHERE profile_id = ? AND applied_at IS `+
		`NULL ORDER BY received_at, message_id`, w.profileID)
	if err != nil {
		return err
	}
	err = t.each(func(scan func(...any) error) error {
		var id int64
		if err := scan(&id); err != nil {
			return err
		}
		w.edits = append(w.edits, id)
		return nil
	}, `SELECT id FROM outbox WHERE customer_id = ? AND done_at IS NULL`, w.id)
	if err != nil {
		return err
	}
	// One that a process repeated says nothing new. Of two processes each keeps
	// its own: it may yet be withdrawn.
	err = t.exec(`DELETE FROM intents WHERE customer_id = ? AND EXISTS (SELECT 1 FROM intents i WHERE i.id < intents.id
		AND i.customer_id = intents.customer_id AND i.process = intents.process AND i.fingerprint = intents.fingerprint AND i.sent = intents.sent)`, w.id)
	if err != nil {
		return err
	}
	return t.each(func(scan func(...any) error) error {
		var i intent
		var sent string
		if err := scan(&i.id, &sent); err != nil {
			return err
		}
		err := json.Unmarshal([]byte(sent), &i.sent)
		w.intents = append(w.intents, i)
		return err
	}, `SELECT id, sent FROM intents WHERE customer_id = ?`, w.id)
}

// strikeOff reports whether the message is the echo of a write that is known,
// and forgets that write.
func (t *tx) strikeOff(customerID, ownKey string, m message) (bool, error) {
	if m.byUser || m.fingerprint == "" || ownKey != "" && m.apiKey != ownKey {
		return false, nil
	}
	n, err := t.affected(`DELETE FROM writes WHERE customer_id = ? AND fingerprint = ?`, customerID, m.fingerprint)
	return n > 0, err
}

// applied marks a message, and forgets what it said. It is an error if it was
// applied before.
func (t *tx) applied(id, outcome string) error {
	n, err := t.affected(
		`UPDATE inbox SET applied_at = ?, outcome = ?, changes = NULL WHERE message_id = ? AND applied_at IS NULL`,
		now(), outcome, id,
	)
	if err == nil && n != 1 {
		return errMoved
	}
	return err
}

// errMoved says that another process did the work in the meantime.
var errMoved = errors.New("the customer was synchronised by another process")

// intend records what is about to be written: after a crash, or with the answer
// lost, it distinguishes our own values from those of others.
func (s *store) intend(ctx context.Context, w *work, after, sent values) (id int64, err error) {
	err = s.tx(ctx, func(t *tx) error {
		return t.QueryRowContext(t.ctx,
			t.placeholders(`INSERT INTO intents (customer_id, process, fingerprint, sent, written_at)
			VALUES (?, ?, ?, ?, ?) RETURNING id`), w.id, s.process, after.fingerprint(), encoded(sent), now()).Scan(&id)
	})
	if err == nil {
		w.intents = append(w.intents, intent{id, sent})
	}
	return id, err
}

// withdraw forgets intents that certainly came to nothing: what another writer
// writes must not be taken for them. After a crash before it they count as
// writes that may have been done, as all others do.
func (s *store) withdraw(ctx context.Context, w *work, ids []int64) error {
	return s.tx(ctx, func(t *tx) error {
		for _, id := range ids {
			if err := t.exec(`DELETE FROM intents WHERE id = ?`, id); err != nil {
				return err
			}
		}
		w.intents = slices.DeleteFunc(w.intents, func(i intent) bool { return slices.Contains(ids, i.id) })
		return nil
	})
}

// putAside makes a customer wait whose profile is not at Passfort, with all
// that is to be done for it. A later message about the profile, or link, takes
// it up again.
func (s *store) putAside(ctx context.Context, w *work) error {
	return s.tx(ctx, func(t *tx) error {
		c, err := t.customer("id", w.id)
		if err != nil {
			return err
		}
		if c.baseVersion != w.baseVersion {
			return errMoved
		}
		for _, m := range w.messages {
			if err := t.exec(`UPDATE inbox SET outcome = 'put aside' WHERE message_id = ? AND applied_at IS NULL`,
				m.id); err != nil {
				return err
			}
		}
		return t.exec(`UPDATE customers SET gone_at = ? WHERE id = ?`, now(), c.id)
	})
}

// rememberWrites is how long an echo that never comes is waited for.
const rememberWrites = 24 * time.Hour

// settle records that Passfort has stored, and brings the customer in line with
// it: columns, base, conflicts, inbox and outbox in one transaction. Edits made
// since take are merged, and stay in the outbox.
func (s *store) settle(ctx context.Context, w *work, stored values) (lost []conflict, err error) {
	err = s.tx(ctx, func(t *tx) error {
		c, err := t.customer("id", w.id)
		if err != nil {
			return err
		}
		if c.baseVersion != w.baseVersion {
			return errMoved
		}
		var merged values
		merged, lost = merge(w.base, c.ours, stored, w.sent())
		if err := t.setValues(c.id, merged); err != nil {
			return err
		}
		at := now()
		if err := t.exec(
			`UPDATE customers SET base = ?, base_version = base_version + 1, synced_at = ?, gone_at = NULL WHERE id = ?`, encoded(stored), at, c.id,
		); err != nil {
			return err
		}
		for _, l := range lost {
			if err := t.exec(`INSERT INTO conflicts (customer_id, field, base, ours, theirs, at) VALUES (?, ?, ?, ?, `+
				`?, ?)`,
				c.id, l.field, l.base, l.ours, l.theirs, at); err != nil {
				return err
			}
		}
		for _, id := range w.edits {
			if err := t.exec(`UPDATE outbox SET done_at = ? WHERE id = ?`, at, id); err != nil {
				return err
			}
		}
		for _, i := range w.intents {
			if err := t.exec(`INSERT INTO writes (customer_id, fingerprint, written_at)
				SELECT customer_id, fingerprint, written_at FROM intents WHERE id = ?
				ON CONFLICT (customer_id, fingerprint) DO UPDATE SET written_at = excluded.written_at`,
				i.id); err != nil {
				return err
			}
			if err := t.exec(`DELETE FROM intents WHERE id = ?`, i.id); err != nil {
				return err
			}
		}
		if err := t.exec(`DELETE FROM writes WHERE customer_id = ? AND written_at < ?`, c.id,
			at-rememberWrites.Milliseconds()); err != nil {
			return err
		}
		for _, m := range w.messages {
			if _, err := t.strikeOff(c.id, s.ownKey, m); err != nil {
				return err
			}
			if err := t.applied(m.id, "read"); err != nil {
				return err
			}
		}
		return nil
	})
	return lost, err
}
