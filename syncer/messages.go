package syncer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

// Handle is an inbox.Handler for messages about collected data. It makes no request: it
// recognises the echoes of the syncer's own writes and what brings nothing new, and has
// Run read any other profile. It ignores messages of other events.
func (s *Syncer) Handle(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
	e := &m.Event
	if e.ProfileID == "" || e.Event != passfort.EventCollectedDataChanged &&
		e.Event != passfort.EventCollectedDataUpdated {
		return nil
	}
	if strings.ContainsRune(e.ProfileID, 0) {
		return fmt.Errorf("%w: no profile has such an id", inbox.ErrPark)
	}
	c, err := s.customerWhere(ctx, tx, ` WHERE profile_id = ? {update}`, e.ProfileID)
	if errors.Is(err, sql.ErrNoRows) {
		defer s.Wake()
		return s.mark(ctx, tx, unlinked, e.ProfileID)
	}
	if err != nil {
		return err
	}
	news, err := s.isNews(ctx, tx, c, e)
	if err != nil {
		return err
	}
	if news {
		defer s.Wake()
		return s.mark(ctx, tx, c.entity, c.key)
	}
	return nil
}

// unlinked stands for the entity in work about a profile without a customer.
const unlinked = ""

// isNews reports whether a message may say what base does not have.
//
// It brings nothing new if base already has what it changed: whatever changed later has
// a message of its own. Or if it is about a write of ours, which is known by its content
// and by who did it; that write is then struck off, so it excuses one message only.
func (s *Syncer) isNews(ctx context.Context, tx *sql.Tx, c *customer, e *passfort.WebhookEvent) (bool, error) {
	m := s.mapping(passfort.EntityType(c.entity))
	change, err := e.CollectedDataChange()
	if m == nil || err != nil || change.New == nil {
		return true, nil //nolint:nilerr // an unexpected payload still says that there is something to read
	}
	now, err := m.valuesOf(change.New)
	if err != nil {
		return true, nil //nolint:nilerr // the profile is read, and the failure is shown there
	}
	if e.Origin() != passfort.OriginUser && (s.settings.ownKey == "" || e.APIKeyName == s.settings.ownKey) {
		echo, err := s.strikeOff(ctx, tx, c, m.fingerprint(now))
		if err != nil || echo {
			return false, err
		}
	}
	if c.version == 0 || c.fields != m.version() || change.Old == nil {
		return true, nil
	}
	before, err := m.valuesOf(change.Old)
	if err != nil || !c.base.holds(m.changes(before, now)) {
		return true, nil //nolint:nilerr // as above
	}
	return false, s.lookAgain(ctx, tx, c)
}

// lookAgain makes a process that is reading the profile at the moment look again: what
// it read may be older than a message that brought nothing new.
func (s *Syncer) lookAgain(ctx context.Context, tx *sql.Tx, c *customer) error {
	_, err := s.place.Exec(ctx, tx,
		`UPDATE {table:customers} SET base_version = base_version + 1 WHERE entity = ? AND customer_key = ?`, c.entity,
		c.key)
	return err
}

// strikeOff reports whether values are those of a write of ours, and forgets it.
func (s *Syncer) strikeOff(ctx context.Context, tx *sql.Tx, c *customer, fingerprint string) (bool, error) {
	n, err := s.place.Exec(ctx, tx,
		`DELETE FROM {table:writes} WHERE entity = ? AND customer_key = ? AND fingerprint = ?`, c.entity, c.key,
		fingerprint)
	if err != nil {
		return false, err
	}
	if n > 0 {
		return true, s.lookAgain(ctx, tx, c)
	}
	// The write is under way, and its answer is newer than anything that was read.
	n, err = s.place.Exec(ctx, tx,
		`UPDATE {table:intents} SET echoed = 1 WHERE id = (SELECT MIN(id) FROM {table:intents}
		WHERE entity = ? AND customer_key = ? AND fingerprint = ? AND echoed = 0)`, c.entity, c.key, fingerprint)
	return n > 0, err
}

// customer is what the syncer knows of a customer.
type customer struct {
	entity, key string
	profileID   sql.NullString
	base        Values
	version     int64 // moves on with base
	fields      string
	gone        sql.NullInt64
}

// customerWhere reads a customer, and locks it if where ends in {update}.
func (s *Syncer) customerWhere(ctx context.Context, q sqldb.Querier, where string, args ...any) (*customer, error) {
	c := &customer{}
	var base string
	err := s.place.Row(ctx, q, []any{&c.entity, &c.key, &c.profileID, &base, &c.version, &c.fields, &c.gone},
		`SELECT entity, customer_key, profile_id, base, base_version, fields, gone_at FROM {table:customers}`+where,
		args...)
	if err != nil {
		return nil, err
	}
	return c, json.Unmarshal([]byte(base), &c.base)
}
