package syncer

import (
	"context"
	"database/sql"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

// HasExample reports whether a database has the tables that ImportExample takes over.
func HasExample(ctx context.Context, db *sql.DB) (bool, error) {
	_, err := db.ExecContext(ctx, `SELECT base_version FROM customers LIMIT 0`)
	switch sqldb.Word(err) {
	case "":
		return true, nil
	case "SQLSTATE 42P01", "SQLSTATE 42703", "SQLite result 1": // no such table, or column
		return false, nil
	}
	return false, err
}

// Imported is what ImportExample found in the tables of the example, by rows.
type Imported struct {
	Customers, Messages, Intents, Writes, Conflicts, Edits int64
}

// ImportExample takes over a database of examples/sync as it was before this module, in
// one transaction: what it knows of its customers, messages, writes and conflicts. Stop
// the example first. The table customers stays yours: map it as people, by the names of
// its columns, with all of them in NotNull. Its other tables are unchanged, and may be
// dropped when Run has compared every customer, which it does once. ImportExample may be
// repeated, at each start too: what is known of a customer by then is unchanged.
func (s *Syncer) ImportExample(ctx context.Context, box *inbox.Inbox) (*Imported, error) {
	n := &Imported{}
	entity := string(passfort.EntityTypeIndividual)
	err := s.migrations().Alone(ctx, s.db, func(tx *sql.Tx) (err error) {
		for _, step := range []struct {
			rows             *int64
			count, statement string
		}{
			{&n.Edits, `SELECT COUNT(*) FROM outbox WHERE done_at IS NULL`, importWork},
			{&n.Intents, `SELECT COUNT(*) FROM intents`, importIntents},
			{&n.Writes, `SELECT COUNT(*) FROM writes`, importWrites},
			{&n.Conflicts, `SELECT COUNT(*) FROM conflicts`, importConflicts},
			{&n.Customers, `SELECT COUNT(*) FROM customers`, importCustomers}, // last: the others skip what is known
		} {
			if _, err := s.place.Exec(ctx, tx, step.statement, entity); err != nil {
				return err
			}
			if err := s.place.Row(ctx, tx, []any{step.rows}, step.count); err != nil {
				return err
			}
		}
		if _, err := s.place.Exec(ctx, tx, importStrangers, unlinked); err != nil {
			return err
		}
		n.Messages, err = s.importMessages(ctx, tx, box)
		return err
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// What ImportExample executes. The parameter is the entity.
const (
	importWork = `INSERT INTO {table:work} (entity, customer_key, ready_at)
		SELECT p.entity, c.id, 0 FROM customers c CROSS JOIN (SELECT CAST(? AS TEXT) AS entity) p
		WHERE NOT EXISTS (SELECT 1 FROM {table:customers} k WHERE k.entity = p.entity AND k.customer_key = c.id)
		ON CONFLICT DO NOTHING`
	importIntents = `INSERT INTO {table:intents} (entity, customer_key, fingerprint, sent, written_at)
		SELECT p.entity, i.customer_id, i.fingerprint, i.sent, i.written_at
		FROM intents i CROSS JOIN (SELECT CAST(? AS TEXT) AS entity) p
		WHERE NOT EXISTS (SELECT 1 FROM {table:customers} k WHERE k.entity = p.entity
		AND k.customer_key = i.customer_id)
		ORDER BY i.id`
	importWrites = `INSERT INTO {table:writes} (entity, customer_key, fingerprint, written_at)
		SELECT p.entity, w.customer_id, w.fingerprint, w.written_at
		FROM writes w CROSS JOIN (SELECT CAST(? AS TEXT) AS entity) p
		WHERE NOT EXISTS (SELECT 1 FROM {table:customers} k WHERE k.entity = p.entity
		AND k.customer_key = w.customer_id)
		ON CONFLICT DO NOTHING`
	importConflicts = `INSERT INTO {table:conflicts}
			(entity, customer_key, profile_id, field, base, ours, theirs, found_at)
		SELECT p.entity, l.customer_id, c.profile_id, l.field, l.base, l.ours, l.theirs, l.at
		FROM conflicts l JOIN customers c ON c.id = l.customer_id CROSS JOIN (SELECT CAST(? AS TEXT) AS entity) p
		WHERE NOT EXISTS (SELECT 1 FROM {table:customers} k WHERE k.entity = p.entity
		AND k.customer_key = l.customer_id)
		ORDER BY l.id`
	importCustomers = `INSERT INTO {table:customers}
			(entity, customer_key, profile_id, base, base_version, fields, synced_at, gone_at)
		SELECT ?, id, profile_id, base, base_version, CASE WHEN base_version > 0 THEN 'example' ELSE '' END,
			synced_at, gone_at
		FROM customers WHERE 1 = 1 ON CONFLICT DO NOTHING`
	// importStrangers are messages about profiles that have no customer yet.
	importStrangers = `INSERT INTO {table:work} (entity, customer_key, ready_at)
		SELECT DISTINCT ?, profile_id, 0 FROM inbox WHERE applied_at IS NULL AND profile_id <> ''
			AND profile_id NOT IN (SELECT profile_id FROM customers)
		ON CONFLICT DO NOTHING`
)

// importPage is how many messages are read at once.
const importPage = 1000

// importMessages remembers every message of the example: those that it did not apply yet
// are of customers that are compared anyway.
func (s *Syncer) importMessages(ctx context.Context, tx *sql.Tx, box *inbox.Inbox) (n int64, err error) {
	for after := ""; ; {
		var keys []string
		err := s.place.Each(ctx, tx, func(scan func(...any) error) error {
			var key string
			err := scan(&key)
			keys = append(keys, key)
			return err
		}, `SELECT message_id FROM inbox WHERE message_id > ? AND message_id NOT LIKE 'link:%' ORDER BY message_id `+
			`LIMIT ?`, after, importPage)
		if err != nil || len(keys) == 0 {
			return n, err
		}
		for _, key := range keys {
			if err := box.Remember(ctx, tx, key); err != nil {
				return n, err
			}
			after = key
			n++
		}
	}
}
