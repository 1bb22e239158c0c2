package syncer

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

// update brings the profile in line, and withdraws the intents that certainly came to
// nothing.
func (s *Syncer) update(ctx context.Context, m *Mapping, t *taken) (*passfort.CollectedData, error) {
	var tried []int64 // the intent of each version of the data, 0: nothing to send
	var last passfort.Response
	data, err := s.client.CollectedData.Update(ctx, t.profileID.String, func(d *passfort.EntityData) error {
		tried = append(tried, 0)
		theirs, err := m.valuesOf(d)
		if err != nil {
			return err
		}
		if d.EntityType != m.Entity {
			return errKind
		}
		merged, _ := m.merge(t.base, t.ours, theirs, t.sent())
		send := m.changes(theirs, merged)
		if len(send) == 0 {
			return nil
		}
		if err := m.write(d, merged); err != nil {
			return err
		}
		tried[len(tried)-1], err = s.intend(ctx, m, t, merged, send)
		return err
	}, passfort.CaptureResponse(&last))
	refused := slices.DeleteFunc(cameToNothing(tried, &last, err), func(id int64) bool { return id == 0 })
	if len(refused) == 0 {
		return data, err
	}
	if failed := s.withdraw(ctx, t, refused); failed != nil {
		if err == nil {
			return nil, failed
		}
		s.settings.log.Error("syncer: cannot record that a write was refused", "problem", sqldb.Word(failed))
	}
	return data, err
}

// cameToNothing returns which of the intents of an Update were certainly not carried
// out. Update goes on to another version of the data when a write was refused, and then
// writes again. It also does when the outcome of a write is unknown, but once, and only
// to see whether anything is left to do.
func cameToNothing(tried []int64, last *passfort.Response, err error) []int64 {
	n := len(tried)
	var conflict *passfort.ConflictError
	switch {
	case err != nil && !errors.Is(err, passfort.ErrOutcomeUnknown):
		return tried
	case n < 2:
		return nil
	case errors.As(err, &conflict): // the last was not sent, the one before it is in doubt
		return append(slices.Clone(tried[:n-2]), tried[n-1])
	case err != nil || tried[n-1] != 0: // the last was sent
		return tried[:n-1]
	case last.StatusCode == http.StatusPreconditionFailed && last.Attempts == 1:
		return tried
	default:
		return tried[:n-2]
	}
}

// create makes the profile of a customer that has none by its customer_ref: one that the
// team made before, or whose answer was lost, is adopted.
func (s *Syncer) create(ctx context.Context, i item, m *Mapping, t *taken, result *Result) error {
	if err := s.adoptAll(ctx); err != nil {
		return err
	}
	if err := s.adoptStranger(ctx, i); err != nil {
		return err
	}
	var adopted int
	if err := s.place.Row(ctx, s.db, []any{&adopted},
		`SELECT COUNT(*) FROM {table:customers} WHERE entity = ? AND customer_key = ? AND profile_id IS NOT NULL`,
		i.entity, i.key); err != nil {
		return err
	}
	if adopted > 0 {
		result.Outcome = "adopted"
		return s.finish(ctx, i, t.changes) // it was marked by Link, and goes on
	}
	data := &passfort.EntityData{EntityType: m.Entity, CustomerRef: i.key}
	if err := m.write(data, t.ours); err != nil {
		return err
	}
	if _, err := s.holds(ctx, i); err != nil { // the search may have taken longer than the lease
		return err
	}
	profile, err := s.client.Profiles.Create(ctx, &passfort.ProfileRequest{Role: m.role(), CollectedData: data})
	if err != nil {
		return err
	}
	result.Outcome = "created"
	return s.created(ctx, i, profile.ID, profile.CollectedData, t)
}

// adoptAll adopts every profile without a customer that was not read before, or changed
// since, one walk at a time. A walk that began after a call serves it: workers that create at once share one.
func (s *Syncer) adoptAll(ctx context.Context) error {
	asked := s.walks.Load()
	select {
	case s.walking <- struct{}{}:
		defer func() { <-s.walking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.walked > asked {
		return nil
	}
	walk := s.walks.Add(1)
	for p, err := range s.client.Profiles.All(ctx, &passfort.ProfileListOptions{Limit: profilesPage}) {
		if err != nil {
			return err
		}
		var known int
		if err := s.place.Row(ctx, s.db, []any{&known},
			`SELECT (SELECT COUNT(*) FROM {table:customers} WHERE profile_id = ?)
			+ (SELECT COUNT(*) FROM {table:strangers} WHERE profile_id = ? AND modified = ?)`, p.ID, p.ID,
			p.LastModifiedDate); err != nil {
			return err
		}
		if known > 0 {
			continue
		}
		if err := s.adoptProfile(ctx, p); err != nil {
			return err
		}
	}
	s.walked = walk
	return nil
}

// adoptStranger adopts a profile that was read before its customer was there.
func (s *Syncer) adoptStranger(ctx context.Context, i item) error {
	var profiles []string
	if err := s.place.Each(ctx, s.db, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		profiles = append(profiles, id)
		return err
	}, `SELECT profile_id FROM {table:strangers} WHERE customer_ref = ? AND entity = ? ORDER BY profile_id`,
		foldRef(i.key), i.entity); err != nil {
		return err
	}
	for _, id := range profiles {
		if err := s.adoptProfile(ctx, &passfort.Profile{ID: id}); err != nil {
			return err
		}
	}
	return nil
}

// remember records a profile without a customer as it was listed and read, so that a
// search for a customer_ref need not read it again. One that is gone is forgotten.
func (s *Syncer) remember(ctx context.Context, p *passfort.Profile, ref string, entity passfort.EntityType) error {
	if entity == "" {
		_, err := s.place.Exec(ctx, s.db, `DELETE FROM {table:strangers} WHERE profile_id = ?`, p.ID)
		return err
	}
	_, err := s.place.Exec(ctx, s.db,
		`INSERT INTO {table:strangers} (profile_id, entity, customer_ref, modified, read_at)
		VALUES (?, ?, ?, ?, {now}) ON CONFLICT (profile_id) DO UPDATE SET entity = excluded.entity,
		customer_ref = excluded.customer_ref, modified = excluded.modified, read_at = excluded.read_at`, p.ID,
		string(entity), foldRef(ref), p.LastModifiedDate)
	return err
}

// foldRef returns what a customer_ref is searched by: a uuid may be written in capitals.
func foldRef(ref string) string { return strings.ToLower(strings.ReplaceAll(ref, "\x00", "\uFFFD")) }

func (m *Mapping) role() passfort.Role {
	switch {
	case m.Role != "":
		return m.Role
	case m.Entity == passfort.EntityTypeCompany:
		return passfort.RoleCompanyCustomer
	}
	return passfort.RoleIndividualCustomer
}

// created links a new profile to its customer. The work stays: the profile is read, and
// compared with what the customer is by then.
func (s *Syncer) created(ctx context.Context, i item, profileID string, stored *passfort.EntityData, t *taken) error {
	m := s.mapping(passfort.EntityType(i.entity))
	return s.place.Tx(ctx, s.db, func(tx *sql.Tx) error {
		if err := s.Link(ctx, tx, passfort.EntityType(i.entity), i.key, profileID); err != nil {
			return err
		}
		now, err := s.owned(ctx, tx, i)
		if err != nil {
			return err
		}
		values, err := m.valuesOf(stored)
		if err != nil || stored == nil || len(m.changes(values, t.ours)) > 0 {
			return s.finishIn(ctx, tx, i, t.changes, now)
		}
		// What was sent is what is stored: base is known without reading it.
		raw, err := encodeValues(m.carry(t.base, values))
		if err != nil {
			return err
		}
		if _, err := s.place.Exec(ctx, tx,
			`UPDATE {table:customers} SET base = ?, base_version = base_version + 1, fields = ?, synced_at = {now}
			WHERE entity = ? AND customer_key = ?`, raw, m.version(), i.entity, i.key); err != nil {
			return err
		}
		return s.finishIn(ctx, tx, i, t.changes, now-1) // one change is the Link above
	})
}

// linked reports whether a profile has a customer.
func (s *Syncer) linked(ctx context.Context, profileID string) (bool, error) {
	var n int
	err := s.place.Row(ctx, s.db, []any{&n}, `SELECT COUNT(*) FROM {table:customers} WHERE profile_id = ?`, profileID)
	return n > 0, err
}

// refOf returns the customer_ref and the entity of a listed profile, whose collected data
// is read if the list does not have it. One that is gone has none.
func (s *Syncer) refOf(ctx context.Context, p *passfort.Profile) (string, passfort.EntityType, error) {
	if d := p.CollectedData; d != nil && d.CustomerRef != "" {
		return d.CustomerRef, d.EntityType, nil
	}
	data, err := s.client.CollectedData.Get(ctx, p.ID)
	if errors.Is(err, passfort.ErrNotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return data.CustomerRef, data.EntityType, nil
}

// adopt links a profile without a customer, which a message is about, to the customer
// whose key is its customer_ref. If there is none, nothing is done: Reconcile reports it.
func (s *Syncer) adopt(ctx context.Context, i item) error {
	saw, err := s.holds(ctx, i)
	if err != nil {
		return err
	}
	err = s.adoptProfile(ctx, &passfort.Profile{ID: i.key})
	if err != nil && !errors.Is(err, passfort.ErrInvalidInput) { // which no profile has for its id
		return err
	}
	return s.finish(ctx, i, saw)
}

// adoptProfile reads the customer_ref of a profile without a customer, and adopts it.
func (s *Syncer) adoptProfile(ctx context.Context, p *passfort.Profile) error {
	linked, err := s.linked(ctx, p.ID)
	if err != nil || linked {
		return err
	}
	ref, entity, err := s.refOf(ctx, p)
	if err != nil {
		return err
	}
	key, err := s.adoptRef(ctx, p.ID, ref, entity)
	if err != nil || key != "" {
		return err
	}
	return s.remember(ctx, p, ref, entity)
}

// adoptRef links a profile to the customer whose key is its customer_ref, if there is one
// without a profile, or else to one that Mapping.Add adds. It returns the key, or "".
func (s *Syncer) adoptRef(
	ctx context.Context, profileID, ref string, entity passfort.EntityType,
) (key string, err error) {
	m := s.mapping(entity)
	if m == nil {
		return "", nil
	}
	err = sql.ErrNoRows
	if ref != "" {
		err = s.place.Tx(ctx, s.db, func(tx *sql.Tx) (err error) {
			if key, _, err = m.Table.Load(ctx, tx, ref, m.Fields); err != nil {
				return err
			}
			return s.Link(ctx, tx, entity, key, profileID)
		})
	}
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, ErrLinked):
		return "", nil
	case !errors.Is(err, sql.ErrNoRows) && !notAKey(err):
		return "", err
	case m.Add == nil:
		return "", nil
	}
	err = s.place.Tx(ctx, s.db, func(tx *sql.Tx) (err error) {
		if key, err = m.Add(ctx, tx, profileID); err != nil {
			return err
		}
		return s.Link(ctx, tx, entity, key, profileID)
	})
	if err != nil {
		return "", err
	}
	return key, nil
}

// notAKey reports whether a customer_ref cannot be a key of the table, such as a text
// where keys are uuids.
func notAKey(err error) bool {
	switch sqldb.Word(err) {
	case "SQLSTATE 22P02", "SQLSTATE 22003", "SQLSTATE 22021": // no uuid or number, too big, a zero byte
		return true
	}
	return false
}
