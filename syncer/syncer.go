// Package syncer keeps customers in a table of yours and their profiles at Passfort in
// step, in both directions and in as many processes as run, on PostgreSQL or SQLite. It
// stands on the module inbox, which keeps the webhooks; docs/sync.md has its rules.
//
//	sync, err := syncer.New(db, sqldb.PostgreSQL, client, []syncer.Mapping{people, companies})
//	_, err = sync.Migrate(ctx)
//	go box.Run(ctx, sync.Handle)     // what changed at Passfort
//	err = sync.Edited(ctx, tx, ...)  // what changed here, in your transaction
//	err = sync.Run(ctx)              // brings both sides together
//	report, err := sync.Reconcile(ctx, syncer.Sweep{Repair: true}) // what no message said
package syncer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

// ErrSchema means that the tables are older or newer than this version works with.
var ErrSchema = sqldb.ErrSchema

// Syncer brings customers and profiles in line. It is safe for concurrent use.
type Syncer struct {
	db       *sql.DB
	place    sqldb.Place
	client   *passfort.Client
	mappings []Mapping
	settings settings
	wake     chan struct{}

	walks   atomic.Int64  // over the profiles that were begun: see adoptAll
	walking chan struct{} // is taken by a walk
	walked  int64         // the last that came to its end
}

// clockSteps is how far the clock of the database may be set back before customers that
// seem to wait for longer than they can are taken at once.
const clockSteps = 10 * time.Minute

// Option configures New.
type Option func(*settings)

type settings struct {
	schema, prefix string
	ownKey         string
	workers        int
	lease          time.Duration
	poll, grace    time.Duration
	backoff        [2]time.Duration
	longest        time.Duration // that a customer may wait: see clockSteps
	log            *slog.Logger
	observer       func(Result)
}

// WithSchema puts the tables of the syncer into a schema of PostgreSQL.
func WithSchema(name string) Option { return func(s *settings) { s.schema = name } }

// WithPrefix begins the names of its tables. The default is "passfort_sync_".
func WithPrefix(prefix string) Option { return func(s *settings) { s.prefix = prefix } }

// WithKeyName names the API key of the client, as the portal does. Give the service a
// key of its own: a message of that key is then an echo of its writes, and no other is.
func WithKeyName(name string) Option { return func(s *settings) { s.ownKey = name } }

// WithWorkers sets how many profiles Run works on at once in this process. The default
// is 8.
func WithWorkers(n int) Option { return func(s *settings) { s.workers = n } }

// WithLease sets how long a process that does not answer keeps a customer from the
// others. The default is 30 seconds. A process that works renews its lease.
func WithLease(d time.Duration) Option { return func(s *settings) { s.lease = d } }

// WithPoll sets how often Run looks for work that nothing woke it for: edits, whichever
// process made them, failures that waited, and what another process marked. The default is
// a second.
func WithPoll(d time.Duration) Option { return func(s *settings) { s.poll = d } }

// WithGrace sets how long Run lets work finish when its context ends. The default is 10
// seconds.
func WithGrace(d time.Duration) Option { return func(s *settings) { s.grace = d } }

// WithBackoff sets how long a customer waits after a failure, which doubles with each
// further one, and the most. The defaults are a second and 5 minutes.
func WithBackoff(first, most time.Duration) Option {
	return func(s *settings) { s.backoff = [2]time.Duration{first, most} }
}

// WithLogger logs failures, with words of a fixed set: no id, value or error text.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// WithObserver calls fn after each attempt to bring a customer in line. It must be quick
// and safe for concurrent use.
func WithObserver(fn func(Result)) Option { return func(s *settings) { s.observer = fn } }

// Result is what an observer gets. It holds nothing of a customer.
type Result struct {
	// Outcome is "in step", "created", "adopted", "gone", "no customer" or "failed".
	Outcome   string
	Conflicts int
	Duration  time.Duration
	// Problem is a word for what failed.
	Problem string
}

// New returns a syncer of a database. It does not connect: call Migrate, and Check
// before it is used. The error is ErrMapping if a mapping cannot be right.
func New(
	db *sql.DB, dialect sqldb.Dialect, client *passfort.Client, mappings []Mapping, opts ...Option,
) (*Syncer, error) {
	s := settings{
		prefix: "passfort_sync_", workers: 8, lease: 30 * time.Second, poll: time.Second, grace: 10 * time.Second,
		backoff: [2]time.Duration{time.Second, 5 * time.Minute},
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	place := sqldb.Place{Dialect: dialect, Schema: s.schema, Prefix: s.prefix}
	if problem := place.Problem(); problem != nil {
		return nil, fmt.Errorf("syncer: %w", problem)
	}
	switch {
	case db == nil || client == nil:
		return nil, errors.New("syncer: the database or the client is nil")
	case len(mappings) == 0:
		return nil, fmt.Errorf("%w: there is none", ErrMapping)
	case s.workers < 1 || s.poll <= 0 || s.grace < 0 || s.lease < 100*time.Millisecond || s.backoff[0] <= 0 ||
		s.backoff[1] < s.backoff[0]:
		return nil, errors.New("syncer: workers, poll and backoff must be positive, the lease at least 100 ms")
	}
	seen := map[passfort.EntityType]bool{}
	for i := range mappings {
		if err := mappings[i].problem(); err != nil {
			return nil, err
		}
		if seen[mappings[i].Entity] {
			return nil, fmt.Errorf("%w: two mappings are of one entity", ErrMapping)
		}
		seen[mappings[i].Entity] = true
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.longest = 2*max(s.lease, s.backoff[1]) + clockSteps
	return &Syncer{
		db: db, place: place, client: client, mappings: mappings, settings: s, wake: make(chan struct{}, 1),
		walking: make(chan struct{}, 1),
	}, nil
}

// Mappings returns the mappings that New got.
func (s *Syncer) Mappings() []Mapping { return slices.Clone(s.mappings) }

func (s *Syncer) mapping(entity passfort.EntityType) *Mapping {
	for i := range s.mappings {
		if s.mappings[i].Entity == entity {
			return &s.mappings[i]
		}
	}
	return nil
}

func (s *Syncer) migrations() sqldb.Migrations {
	return sqldb.Migrations{Place: s.place, All: []sqldb.Migration{
		{Number: 1, Name: "customers, work, intents, writes, conflicts and sweeps", SQL: []string{
			// base is what both sides had when they last agreed on the fields of a mapping.
			`CREATE TABLE {table:customers} (
				entity TEXT NOT NULL,
				customer_key TEXT NOT NULL,
				profile_id TEXT UNIQUE,
				base TEXT NOT NULL DEFAULT '{}',
				base_version BIGINT NOT NULL DEFAULT 0,
				fields TEXT NOT NULL DEFAULT '',
				synced_at BIGINT,
				gone_at BIGINT,
				PRIMARY KEY (entity, customer_key))`,
			// work is one row for each customer that may not be in step. No process may have it
			// before ready_at.
			`CREATE TABLE {table:work} (
				entity TEXT NOT NULL,
				customer_key TEXT NOT NULL,
				changes BIGINT NOT NULL DEFAULT 1,
				ready_at BIGINT NOT NULL,
				owner TEXT NOT NULL DEFAULT '',
				tries INTEGER NOT NULL DEFAULT 0,
				problem TEXT NOT NULL DEFAULT '',
				PRIMARY KEY (entity, customer_key))`,
			`CREATE INDEX {prefix}work_ready ON {table:work} (ready_at)`,
			// intents are what may have been written to Passfort since base was read.
			`CREATE TABLE {table:intents} (
				id {serial},
				entity TEXT NOT NULL,
				customer_key TEXT NOT NULL,
				fingerprint TEXT NOT NULL,
				sent TEXT NOT NULL,
				echoed INTEGER NOT NULL DEFAULT 0,
				written_at BIGINT NOT NULL)`,
			`CREATE INDEX {prefix}intents_customer ON {table:intents} (entity, customer_key)`,
			// writes are what was written, until its echo comes.
			`CREATE TABLE {table:writes} (
				entity TEXT NOT NULL,
				customer_key TEXT NOT NULL,
				fingerprint TEXT NOT NULL,
				written_at BIGINT NOT NULL,
				PRIMARY KEY (entity, customer_key, fingerprint))`,
			`CREATE TABLE {table:conflicts} (
				id {serial},
				entity TEXT NOT NULL,
				customer_key TEXT NOT NULL,
				profile_id TEXT NOT NULL,
				field TEXT NOT NULL,
				base TEXT NOT NULL,
				ours TEXT NOT NULL,
				theirs TEXT NOT NULL,
				found_at BIGINT NOT NULL,
				resolved_at BIGINT,
				resolved_by TEXT NOT NULL DEFAULT '',
				kept TEXT NOT NULL DEFAULT '')`,
			`CREATE INDEX {prefix}conflicts_open ON {table:conflicts} (id) WHERE resolved_at IS NULL`,
			`CREATE TABLE {table:sweeps} (name TEXT PRIMARY KEY, entity TEXT NOT NULL, after TEXT NOT NULL)`,
		}},
		{Number: 2, Name: "whose turn a sweep is, and profiles without a customer", SQL: []string{
			// No process may begin a sweep before ready_at.
			`CREATE TABLE {table:turns} (name TEXT PRIMARY KEY, owner TEXT NOT NULL, ready_at BIGINT NOT NULL)`,
			// strangers are profiles without a customer, as they were read: a search for a
			// customer_ref reads each once.
			`CREATE TABLE {table:strangers} (
				profile_id TEXT PRIMARY KEY,
				entity TEXT NOT NULL,
				customer_ref TEXT NOT NULL,
				read_at BIGINT NOT NULL)`,
			`CREATE INDEX {prefix}strangers_ref ON {table:strangers} (customer_ref)`,
		}},
		{Number: 3, Name: "when profiles without a customer changed", SQL: []string{
			`ALTER TABLE {table:strangers} ADD COLUMN modified TEXT NOT NULL DEFAULT ''`,
		}},
	}}
}

// Plan returns the migrations that Migrate would make. It changes nothing.
func (s *Syncer) Plan(ctx context.Context) ([]sqldb.Migration, error) {
	return s.migrations().Plan(ctx, s.db)
}

// Migrate makes the tables of the syncer, beside yours, in one transaction, and returns
// the migrations made. Processes may call it at once. Your tables are unchanged.
func (s *Syncer) Migrate(ctx context.Context) ([]sqldb.Migration, error) {
	return s.migrations().Apply(ctx, s.db)
}

// Check returns ErrSchema if the tables of the syncer are not those of this version,
// ErrMapping if a mapping does not fit its table, and ErrValue if a row has a value that
// is not of its field's kind. It is cheap, but for the values that SQLTable.Check reads, and
// changes nothing.
func (s *Syncer) Check(ctx context.Context) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	for _, m := range s.mappings {
		if err := m.Table.Check(ctx, s.db, m.Fields); err != nil {
			return err
		}
	}
	return nil
}

// Ready returns nil if the database answers and its tables are those of this version, and
// ErrSchema if they are not. It is what Check is without your tables, for where a process
// is asked whether it is ready.
func (s *Syncer) Ready(ctx context.Context) error { return s.migrations().Check(ctx, s.db) }

// Wake makes Run of this process look for work now, not that of others. Call it after the
// commit of an edit that should not wait for the poll.
func (s *Syncer) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Link makes a profile that of a customer, in a transaction of yours, and has both
// compared. A customer that has another profile, or a profile that has another customer,
// is ErrLinked, and nothing is changed. It is sql.ErrNoRows if there is no such customer. It
// may be repeated.
func (s *Syncer) Link(ctx context.Context, tx *sql.Tx, entity passfort.EntityType, key, profileID string) error {
	m := s.mapping(entity)
	if m == nil {
		return fmt.Errorf("%w: there is none for this entity", ErrMapping)
	}
	key, _, err := m.Table.Load(ctx, tx, key, m.Fields) // in its one form
	if err != nil {
		return err
	}
	n, err := s.place.Exec(ctx, tx, `INSERT INTO {table:customers} (entity, customer_key, profile_id) SELECT ?, ?, ?
		WHERE NOT EXISTS (SELECT 1 FROM {table:customers} WHERE profile_id = ? AND NOT (entity = ?
		AND customer_key = ?))
		ON CONFLICT (entity, customer_key) DO UPDATE SET profile_id = excluded.profile_id, gone_at = NULL
		WHERE {table:customers}.profile_id IS NULL OR {table:customers}.profile_id = excluded.profile_id`,
		string(entity), key, profileID, profileID, string(entity), key)
	if err != nil && slices.Contains(takenWords, sqldb.Word(err)) { // by another transaction, at the same time
		return fmt.Errorf("%w: %w", ErrLinked, err)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrLinked
	}
	if _, err := s.place.Exec(ctx, tx, `DELETE FROM {table:strangers} WHERE profile_id = ?`, profileID); err != nil {
		return err
	}
	return s.Edited(ctx, tx, entity, key)
}

// takenWords are words of errors that say that a unique value is there already.
var takenWords = []string{"SQLSTATE 23505", "SQLite result 2067", "SQLite result 1555"}

// ErrLinked means that a customer has another profile, or a profile another customer.
var ErrLinked = errors.New("syncer: the customer has another profile, or the profile another customer")

// Edited says that a customer may have changed, or is new: call it in the transaction
// that changes the row, and both are committed together. It may be repeated. Change your
// row first: the syncer locks rows of a table before rows of its own, and a transaction
// that does it the other way round can deadlock with it. A key in another form of the same,
// such as a uuid in capitals, is the same customer; one of no customer is ignored.
func (s *Syncer) Edited(ctx context.Context, tx *sql.Tx, entity passfort.EntityType, key string) error {
	return s.mark(ctx, tx, string(entity), key)
}

func (s *Syncer) mark(ctx context.Context, q sqldb.Querier, entity, key string) error {
	_, err := s.place.Exec(ctx, q, `INSERT INTO {table:work} (entity, customer_key, ready_at) VALUES (?, ?, {now})
		ON CONFLICT (entity, customer_key) DO UPDATE SET changes = {table:work}.changes + 1`, entity, key)
	return err
}
