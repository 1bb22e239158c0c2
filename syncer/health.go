package syncer

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/passfort-go/passfort"
)

// Health is how a syncer is, for a page or for metrics. It holds no id.
type Health struct {
	// Customers have a profile; Gone are those whose profile Passfort does not have.
	Customers, Gone int64
	// Working may not be in step; Failing of them failed at least once.
	Working, Failing int64
	// Conflicts are open.
	Conflicts int64
}

// Health reads how the syncer is.
func (s *Syncer) Health(ctx context.Context) (h Health, err error) {
	err = s.place.Row(ctx, s.db, []any{&h.Customers, &h.Gone, &h.Working, &h.Failing, &h.Conflicts}, `SELECT
		(SELECT COUNT(*) FROM {table:customers} WHERE profile_id IS NOT NULL),
		(SELECT COUNT(*) FROM {table:customers} WHERE gone_at IS NOT NULL),
		(SELECT COUNT(*) FROM {table:work}), (SELECT COUNT(*) FROM {table:work} WHERE tries > 0),
		(SELECT COUNT(*) FROM {table:conflicts} WHERE resolved_at IS NULL)`)
	return h, err
}

// State is how a customer is. It holds personal data.
type State struct {
	Entity passfort.EntityType
	Key    string
	// ProfileID is empty if the customer has no profile.
	ProfileID string
	// Values are what both sides had when they last agreed, and SyncedAt is when, or zero.
	Values   Values
	SyncedAt time.Time
	// GoneAt is when the profile was first not found at Passfort, or zero.
	GoneAt time.Time
	// Working reports whether the customer may not be in step.
	Working bool
	// Failures is how often bringing it in step failed since it last succeeded, Problem a
	// word for the last failure, without a value.
	Failures int
	Problem  string
}

// maxStates is how many states are returned at once.
const maxStates = 1000

// States returns up to 1,000 customers of an entity after a key, in the order of their
// keys: those that the syncer knows of, so a new one once it was worked on.
func (s *Syncer) States(ctx context.Context, entity passfort.EntityType, after string) (list []State, err error) {
	err = s.place.Each(ctx, s.db, func(scan func(...any) error) error {
		c := State{Entity: entity}
		var base string
		var profile, problem sql.NullString
		var synced, gone, failures sql.NullInt64
		if err := scan(&c.Key, &profile, &base, &synced, &gone, &failures, &problem); err != nil {
			return err
		}
		c.ProfileID, c.SyncedAt, c.GoneAt = profile.String, instant(synced), instant(gone)
		c.Working, c.Failures, c.Problem = failures.Valid, int(failures.Int64), problem.String
		err := json.Unmarshal([]byte(base), &c.Values)
		list = append(list, c)
		return err
	}, `SELECT c.customer_key, c.profile_id, c.base, c.synced_at, c.gone_at, w.tries, w.problem
		FROM {table:customers} c LEFT JOIN {table:work} w ON w.entity = c.entity AND w.customer_key = c.customer_key
		WHERE c.entity = ? AND c.customer_key > ? ORDER BY c.customer_key LIMIT ?`, string(entity), after, maxStates)
	return list, err
}

// instant returns the time of milliseconds since 1970, zero for none.
func instant(ms sql.NullInt64) time.Time {
	if ms.Int64 == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}
