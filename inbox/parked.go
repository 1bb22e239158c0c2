package inbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/passfort-go/passfort"
)

// Parked is a message that was put aside. It holds no payload: see Show.
type Parked struct {
	ID    int64
	Key   string
	Event passfort.EventName
	// ProfileID is empty for a message that names no profile.
	ProfileID  string
	Tries      int
	ReceivedAt time.Time
	ParkedAt   time.Time
	// Problem is the text of the last error of the handler, at most 500 bytes. It may
	// hold what the handler put there.
	Problem string
}

// Selection says which parked messages a call is about: those that fit all of its
// members. The zero value selects none.
type Selection struct {
	// IDs selects messages by number.
	IDs []int64
	// ProfileID selects the messages of a profile.
	ProfileID string
	// Event selects messages of an event.
	Event passfort.EventName
	// Before selects messages that were parked before a time.
	Before time.Time
	// All selects every parked message, if nothing else is given.
	All bool
}

// ErrSelection means that a Selection is empty: nothing was done. Set All to mean
// every parked message.
var ErrSelection = errors.New("inbox: the selection is empty")

// maxSelected is how many messages a Selection may name by their numbers.
const maxSelected = 1000

func (s Selection) where() (condition string, args []any, err error) {
	condition = "state = 2"
	if s.ProfileID != "" {
		condition, args = condition+" AND profile_id = ?", append(args, storable(s.ProfileID))
	}
	if s.Event != "" {
		condition, args = condition+" AND event = ?", append(args, storable(string(s.Event)))
	}
	if !s.Before.IsZero() {
		condition, args = condition+" AND done_at < ?", append(args, s.Before.UnixMilli())
	}
	if len(s.IDs) > maxSelected {
		return "", nil, errors.New("inbox: a selection has at most 1,000 ids")
	}
	if len(s.IDs) > 0 {
		condition += " AND id IN ("
		for i, id := range s.IDs {
			if i > 0 {
				condition += ", "
			}
			condition, args = condition+"?", append(args, id)
		}
		condition += ")"
	}
	if len(args) == 0 && !s.All {
		return "", nil, ErrSelection
	}
	return condition, args, nil
}

// Parked returns parked messages by their number, at most limit (1,000 if it is 0),
// those after the number given. The next page begins after the last of this one.
func (b *Inbox) Parked(ctx context.Context, s Selection, after int64, limit int) ([]Parked, error) {
	where, args, err := s.where()
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > maxSelected {
		limit = maxSelected
	}
	var list []Parked
	err = b.place.Each(ctx, b.db, func(scan func(...any) error) error {
		var p Parked
		var received, at int64
		err := scan(&p.ID, &p.Key, &p.Event, &p.ProfileID, &p.Tries, &received, &at, &p.Problem)
		p.ReceivedAt, p.ParkedAt = time.UnixMilli(received).UTC(), time.UnixMilli(at).UTC()
		list = append(list, p)
		return err
	}, `SELECT id, message_key, event, profile_id, tries, received_at, done_at, problem FROM {table:messages}
		WHERE `+where+` AND id > ? ORDER BY id LIMIT ?`, append(args, after, limit)...)
	return list, err
}

// Show returns a message with its payload: one that is parked or pending, or was
// handled and is kept. It is sql.ErrNoRows if there is none.
func (b *Inbox) Show(ctx context.Context, id int64) (*Message, error) {
	m := &Message{ID: id}
	var data sql.NullString
	var received int64
	err := b.place.Row(ctx, b.db, []any{&m.Key, &data, &m.Tries, &received},
		`SELECT message_key, data, tries, received_at FROM {table:messages} WHERE id = ? AND data IS NOT NULL`, id)
	if err != nil {
		return nil, err
	}
	m.ReceivedAt = time.UnixMilli(received).UTC()
	return m, json.Unmarshal([]byte(data.String), &m.Event)
}

// Replay makes parked messages pending again, with all their tries, and returns how
// many. They keep their numbers, so they come before the messages of their profile
// that are waiting.
func (b *Inbox) Replay(ctx context.Context, s Selection) (int, error) {
	n := 0
	err := b.eachSelected(ctx, s, func(id int64, lane string) error {
		replayed := int64(0)
		var event string
		err := b.place.Tx(ctx, b.db, func(tx *sql.Tx) (err error) {
			if err := b.ready(ctx, tx, lane); err != nil {
				return err
			}
			replayed, err = b.place.Exec(ctx, tx,
				`UPDATE {table:messages} SET state = 0, tries = 0, problem = '', done_at = NULL WHERE id = ? AND `+
					`state = 2`, id)
			if err == nil && replayed == 0 {
				err = errDuplicate // another process replayed it: leave the lane as it was
			}
			if err != nil {
				return err
			}
			return b.place.Row(ctx, tx, []any{&event}, `SELECT event FROM {table:messages} WHERE id = ?`, id)
		})
		if errors.Is(err, errDuplicate) {
			return nil
		}
		if err == nil {
			n++
			b.observe(Result{Event: passfort.EventName(event), Outcome: OutcomeReplayed})
		}
		return err
	})
	b.Wake()
	if n > 0 {
		b.notify(ctx, "")
	}
	return n, err
}

// Purge deletes parked messages and returns how many. A repeat of one that Passfort
// sends is a new message. One that is being replayed is unchanged.
func (b *Inbox) Purge(ctx context.Context, s Selection) (int, error) {
	where, args, err := s.where()
	if err != nil {
		return 0, err
	}
	n, err := b.place.Exec(ctx, b.db, `DELETE FROM {table:messages} WHERE `+unlocked(where), args...)
	return int(n), err
}

// unlocked is a condition for the messages that fit another one and that no other
// transaction has locked. A statement that locks many waits for none: so no two wait for
// each other.
func unlocked(condition string) string {
	return `id IN (WITH free AS MATERIALIZED (SELECT id FROM {table:messages} WHERE ` + condition +
		` {skip}) SELECT id FROM free)`
}

// eachSelected calls do for each parked message that is selected.
func (b *Inbox) eachSelected(ctx context.Context, s Selection, do func(id int64, lane string) error) error {
	where, args, err := s.where()
	if err != nil {
		return err
	}
	type row struct {
		id   int64
		lane string
	}
	for after := int64(0); ; {
		var rows []row
		err := b.place.Each(ctx, b.db, func(scan func(...any) error) error {
			var r row
			err := scan(&r.id, &r.lane)
			rows = append(rows, r)
			return err
		}, `SELECT id, lane FROM {table:messages} WHERE `+where+` AND id > ? ORDER BY id LIMIT 1000`,
			append(args[:len(args):len(args)], after)...)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if err := do(r.id, r.lane); err != nil {
				return err
			}
			after = r.id
		}
	}
}

// Erase deletes everything that the inbox holds about a profile, pending and parked
// messages too, and returns how many messages that were. A repeat of one of them is a
// new message. It waits for a handler that is at a message of the profile, so such a
// handler must not call it.
func (b *Inbox) Erase(ctx context.Context, profileID string) (int, error) {
	if profileID == "" {
		return 0, ErrSelection
	}
	total, profile := 0, storable(profileID)
	for {
		n, err := b.place.Exec(ctx, b.db, `DELETE FROM {table:messages} WHERE `+unlocked(`profile_id = ?`), profile)
		total += int(n)
		if err != nil {
			return total, err
		}
		var id int64 // the first of those that are locked
		err = b.place.Row(ctx, b.db, []any{&id},
			`SELECT COALESCE(MIN(id), 0) FROM {table:messages} WHERE profile_id = ?`, profile)
		if err != nil || id == 0 {
			return total, err
		}
		n, err = b.place.Exec(ctx, b.db, `DELETE FROM {table:messages} WHERE id = ?`, id)
		total += int(n)
		if err != nil {
			return total, err
		}
	}
}
