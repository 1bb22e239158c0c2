package syncer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// intend records what is about to be written: after a crash, or with the answer lost, it
// distinguishes our own values from those of others.
func (s *Syncer) intend(ctx context.Context, m *Mapping, t *taken, after, sent Values) (id int64, err error) {
	raw, err := json.Marshal(sent)
	if err != nil {
		return 0, err
	}
	err = s.place.Row(ctx, s.db, []any{&id},
		`INSERT INTO {table:intents} (entity, customer_key, fingerprint, sent, written_at)
		VALUES (?, ?, ?, ?, {now}) RETURNING id`, t.entity, t.key, m.fingerprint(after), string(raw))
	if err == nil {
		t.intents = append(t.intents, intent{id, sent})
	}
	return id, err
}

// withdraw forgets intents that certainly came to nothing: what another writer writes must
// not be taken for them.
func (s *Syncer) withdraw(ctx context.Context, t *taken, ids []int64) error {
	// Also while the service is being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	err := s.place.Tx(ctx, s.db, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := s.place.Exec(ctx, tx, `DELETE FROM {table:intents} WHERE id = ?`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		t.intents = slices.DeleteFunc(t.intents, func(i intent) bool { return slices.Contains(ids, i.id) })
	}
	return err
}

// putAside makes a customer wait whose profile is not at Passfort. What is to be sent is
// still in its row; the next message about the profile, edit, or Link takes it up again.
func (s *Syncer) putAside(ctx context.Context, i item, t *taken) error {
	return s.place.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if _, err := s.place.Exec(ctx, tx,
			`UPDATE {table:customers} SET gone_at = {now} WHERE entity = ? AND customer_key = ?`, i.entity,
			i.key); err != nil {
			return err
		}
		now, err := s.owned(ctx, tx, i)
		if err != nil {
			return err
		}
		return s.finishIn(ctx, tx, i, t.changes, now)
	})
}

// rememberWrites is how long an echo that never comes is waited for.
const rememberWrites = 24 * time.Hour

// settle records that Passfort has stored, and brings the customer in line with it:
// columns, base, conflicts and work in one transaction. Edits made since take are merged,
// and stay to be done.
func (s *Syncer) settle(ctx context.Context, i item, m *Mapping, t *taken, stored Values) (conflicts int, err error) {
	base, err := encodeValues(m.carry(t.base, stored))
	if err != nil {
		return 0, err
	}
	err = s.place.Tx(ctx, s.db, func(tx *sql.Tx) error {
		_, ours, err := s.load(ctx, tx, m, i.key)
		if errors.Is(err, sql.ErrNoRows) {
			return s.removed(ctx, tx, i)
		}
		if err != nil {
			return err
		}
		c, err := s.customerWhere(ctx, tx, ` WHERE entity = ? AND customer_key = ? {update}`, i.entity, i.key)
		if err != nil {
			return err
		}
		changes, err := s.owned(ctx, tx, i)
		if err != nil {
			return err
		}
		if c.version != t.version {
			return errMoved
		}
		merged, losses := m.merge(t.base, ours, stored, t.sent())
		conflicts = len(losses)
		// A trigger may count this as an edit: changes is what it was before.
		if diff := m.changes(ours, merged); len(diff) > 0 {
			if err := m.Table.Save(ctx, tx, i.key, diff, m.Fields); err != nil {
				return err
			}
		}
		if _, err := s.place.Exec(ctx, tx,
			`UPDATE {table:customers} SET base = ?, base_version = base_version + 1, fields = ?, synced_at = {now},
				gone_at = NULL
			WHERE entity = ? AND customer_key = ?`, base, m.version(), i.entity, i.key); err != nil {
			return err
		}
		for _, l := range losses {
			if _, err := s.place.Exec(ctx, tx,
				`INSERT INTO {table:conflicts} (entity, customer_key, profile_id, field, base, ours, theirs, found_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, {now})`, i.entity, i.key, t.profileID.String, l.field, l.base, l.ours,
				l.theirs); err != nil {
				return err
			}
		}
		if err := s.settleIntents(ctx, tx, t); err != nil {
			return err
		}
		return s.finishIn(ctx, tx, i, t.changes, changes)
	})
	if err != nil {
		return 0, err
	}
	return conflicts, nil
}

// settleIntents makes writes of the intents whose echo is still to come.
func (s *Syncer) settleIntents(ctx context.Context, tx *sql.Tx, t *taken) error {
	for _, in := range t.intents {
		if _, err := s.place.Exec(ctx, tx, `INSERT INTO {table:writes} (entity, customer_key, fingerprint, written_at)
			SELECT entity, customer_key, fingerprint, written_at FROM {table:intents} WHERE id = ? AND echoed = 0
			ON CONFLICT (entity, customer_key, fingerprint) DO UPDATE SET written_at = excluded.written_at`,
			in.id); err != nil {
			return err
		}
		if _, err := s.place.Exec(ctx, tx, `DELETE FROM {table:intents} WHERE id = ?`, in.id); err != nil {
			return err
		}
	}
	_, err := s.place.Exec(ctx, tx,
		`DELETE FROM {table:writes} WHERE entity = ? AND customer_key = ? AND written_at < {now} - ?`,
		t.entity, t.key, rememberWrites.Milliseconds())
	return err
}
