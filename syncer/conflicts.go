package syncer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passfort-go/passfort"
)

// Conflict is a field that both sides changed to different values. Passfort's was kept.
// It holds personal data.
type Conflict struct {
	ID        int64
	Entity    passfort.EntityType
	Key       string
	ProfileID string
	Field     string
	// Base is what both had before, Ours what lost, Theirs what was kept.
	Base, Ours, Theirs string
	FoundAt            time.Time
	// ResolvedAt is zero while the conflict is open.
	ResolvedAt time.Time
	ResolvedBy string
	// Kept is what was kept in the end.
	Kept Kept
}

// Kept is a side of a conflict.
type Kept string

// The sides of a conflict.
const (
	KeptTheirs Kept = "theirs"
	KeptOurs   Kept = "ours"
)

// ErrResolved means that there is no such conflict that is open.
var ErrResolved = errors.New("syncer: there is no such open conflict")

// maxConflicts is how many conflicts are returned at once.
const maxConflicts = 1000

// Conflicts returns up to 1,000 conflicts after the id given, in the order in which they
// were found: the open ones, or all.
func (s *Syncer) Conflicts(ctx context.Context, all bool, after int64) (list []Conflict, err error) {
	open := ` AND resolved_at IS NULL`
	if all {
		open = ""
	}
	err = s.place.Each(ctx, s.db, func(scan func(...any) error) error {
		var c Conflict
		var found int64
		var resolved sql.NullInt64
		err := scan(&c.ID, &c.Entity, &c.Key, &c.ProfileID, &c.Field, &c.Base, &c.Ours, &c.Theirs, &found, &resolved,
			&c.ResolvedBy, &c.Kept)
		c.FoundAt = time.UnixMilli(found).UTC()
		c.ResolvedAt = instant(resolved)
		list = append(list, c)
		return err
	}, `SELECT id, entity, customer_key, profile_id, field, base, ours, theirs, found_at, resolved_at, resolved_by, kept
		FROM {table:conflicts} WHERE id > ?`+open+` ORDER BY id LIMIT ?`, after, maxConflicts)
	return list, err
}

// Resolve closes an open conflict for a person: what was kept stays, or our value is
// written to the customer and sent to Passfort as an edit. It is ErrResolved if it was
// closed before, ErrMapping if our value has no field any more, and sql.ErrNoRows if the
// customer is gone; the conflict is then unchanged.
func (s *Syncer) Resolve(ctx context.Context, id int64, by string, kept Kept) error {
	if by == "" || kept != KeptTheirs && kept != KeptOurs {
		return errors.New("syncer: no conflict is resolved without a name of who decided, for ours or theirs")
	}
	var entity, key, field, ours string
	err := s.place.Row(ctx, s.db, []any{&entity, &key, &field, &ours},
		`SELECT entity, customer_key, field, ours FROM {table:conflicts} WHERE id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrResolved
	}
	if err != nil {
		return err
	}
	defer s.Wake()
	return s.place.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if kept == KeptOurs {
			m := s.mapping(passfort.EntityType(entity))
			if m == nil || !slices.ContainsFunc(m.Fields, func(f Field) bool { return f.Name == field }) {
				return fmt.Errorf("%w: it has no field for the value of this conflict", ErrMapping)
			}
			if _, _, err := m.Table.Load(ctx, tx, key, m.Fields); err != nil {
				return err
			}
			if err := m.Table.Save(ctx, tx, key, Values{field: ours}, m.Fields); err != nil {
				return err
			}
			if err := s.Edited(ctx, tx, m.Entity, key); err != nil {
				return err
			}
		}
		n, err := s.place.Exec(ctx, tx,
			`UPDATE {table:conflicts} SET resolved_at = {now}, resolved_by = ?, kept = ? WHERE id = ? AND `+
				`resolved_at IS NULL`, by, string(kept), id)
		if err == nil && n == 0 {
			err = ErrResolved
		}
		return err
	})
}
