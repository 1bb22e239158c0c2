// Package inbox keeps the webhooks of Passfort in a database until they are handled,
// for a service that runs more than once. It stands on database/sql, with
// PostgreSQL (pgx) or SQLite.
//
// A message is stored before Passfort gets its 200, once however often it is
// delivered. Run hands out the messages of a profile in the order in which they
// were stored and one at a time, those of different profiles at once, in as many
// processes as call it. A Handler gets the transaction that records its message as
// handled, so that what it does there and "handled" are one commit: it takes effect
// once, through crashes of processes and of the database.
//
//	box, err := inbox.New(db, inbox.PostgreSQL)
//	_, err = box.Migrate(ctx)
//	webhooks, err := box.WebhookHandler(secrets)
//	http.Handle("/webhooks", webhooks)
//	err = box.Run(ctx, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error { ... })
//
// What a handler does outside of its transaction happens again when it is tried
// again. A message that fails too often is parked: see WithTries and Parked.
package inbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

// The dialects for New.
const (
	PostgreSQL = sqldb.PostgreSQL
	SQLite     = sqldb.SQLite
)

// ErrSchema means that the tables are older or newer than this version works with.
var ErrSchema = sqldb.ErrSchema

// Inbox is the tables of one inbox. It is safe for concurrent use; several inboxes
// with prefixes of their own may share a database.
type Inbox struct {
	db       *sql.DB
	place    sqldb.Place
	settings settings
	name     string // of this Inbox among those that notify
	wake     chan struct{}

	saying chan struct{} // is full while a NOTIFY is under way

	mu        sync.Mutex
	listening bool
	owed      []claimed // what the database did not take back
	next      *notification
}

// Option configures New.
type Option func(*settings)

type settings struct {
	schema, prefix string
	workers        int
	tries          int
	backoff        [2]time.Duration
	lease          time.Duration
	timeout        time.Duration
	poll           time.Duration
	grace          time.Duration
	keepData       time.Duration
	keepKeys       time.Duration
	listen         bool
	checks         *passfort.CheckInbox
	log            *slog.Logger
	observer       func(Result)
}

// WithSchema puts the tables into a schema of PostgreSQL, which Migrate creates if
// it is missing. The default is the first of the search path.
func WithSchema(name string) Option { return func(s *settings) { s.schema = name } }

// WithPrefix begins the names of tables. The default is "passfort_inbox_".
func WithPrefix(prefix string) Option { return func(s *settings) { s.prefix = prefix } }

// WithWorkers sets how many profiles Run handles messages of at once in this
// process. The default is 8. Each takes a connection while its handler runs.
func WithWorkers(n int) Option { return func(s *settings) { s.workers = n } }

// WithTries sets after how many failures, in all processes together, a message is
// parked. The default is 10. A message that ends its process is parked when that
// happened as often one after the other, and at least 3 times.
func WithTries(n int) Option { return func(s *settings) { s.tries = n } }

// WithBackoff sets how long a message waits after its first failure, which doubles
// with each further one, and the most. The defaults are a second and a minute. The
// later messages of its profile wait with it.
func WithBackoff(first, most time.Duration) Option {
	return func(s *settings) { s.backoff = [2]time.Duration{first, most} }
}

// WithLease sets how long a process that does not answer keeps a profile from the
// others. The default is 30 seconds. A process that works renews its lease.
func WithLease(d time.Duration) Option { return func(s *settings) { s.lease = d } }

// WithHandlerTimeout bounds the context of each call of the handler. The default is
// 5 minutes.
func WithHandlerTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithPoll sets how often Run looks for messages that nothing woke it for: those that
// waited after a failure, those of a process that is gone, and, on SQLite or without
// LISTEN, those that another process stored. The default is a second.
func WithPoll(d time.Duration) Option { return func(s *settings) { s.poll = d } }

// WithGrace sets how long Run lets handlers finish when its context ends. The
// default is 10 seconds.
func WithGrace(d time.Duration) Option { return func(s *settings) { s.grace = d } }

// WithKeepData keeps the payload of a handled message for so long. By default it is
// erased in the commit that records the message as handled: it is personal data.
func WithKeepData(d time.Duration) Option { return func(s *settings) { s.keepData = d } }

// WithKeepKeys sets for how long a handled message is remembered by its key, so that
// a repeat is recognised. The default is 30 days; 0 keeps them permanently.
func WithKeepKeys(d time.Duration) Option { return func(s *settings) { s.keepKeys = d } }

// WithoutListen makes Run poll only. By default it takes one connection of the pool
// for LISTEN, if the driver is pgx and the pool may open more than one; behind a pooler
// of transactions that does not work.
func WithoutListen() Option { return func(s *settings) { s.listen = false } }

// WithCheckInbox wakes the waits of this process for every message that any process
// stores, while Run runs. On SQLite, and without LISTEN, it does for the messages
// that this process stores.
func WithCheckInbox(b *passfort.CheckInbox) Option { return func(s *settings) { s.checks = b } }

// WithLogger logs failures of the database and what becomes of messages that fail.
// Lines hold the event, counts and words of a fixed set, no id and no error text.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// WithObserver calls fn for every message that is stored, handled, failed or parked,
// for metrics. It must be quick and safe for concurrent use.
func WithObserver(fn func(Result)) Option { return func(s *settings) { s.observer = fn } }

// New returns the inbox of a database. It does not connect: call Migrate or Check
// before the inbox is used. A name or a figure that cannot be right is an error.
func New(db *sql.DB, dialect sqldb.Dialect, opts ...Option) (*Inbox, error) {
	s := settings{
		prefix: "passfort_inbox_", workers: 8, tries: 10, backoff: [2]time.Duration{time.Second, time.Minute},
		lease: 30 * time.Second, timeout: 5 * time.Minute, poll: time.Second, grace: 10 * time.Second,
		keepKeys: 30 * 24 * time.Hour, listen: true,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	place := sqldb.Place{Dialect: dialect, Schema: s.schema, Prefix: s.prefix}
	if problem := place.Problem(); problem != nil {
		return nil, fmt.Errorf("inbox: %w", problem)
	}
	if problem := s.problem(db); problem != "" {
		return nil, errors.New("inbox: " + problem)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return &Inbox{
		db: db, place: place, settings: s, name: newOwner(), wake: make(chan struct{}, 1),
		saying: make(chan struct{}, 1), next: newNotification(),
	}, nil
}

func (s *settings) problem(db *sql.DB) string {
	switch {
	case db == nil:
		return "the database is nil"
	case s.workers < 1:
		return "there must be at least one worker"
	case s.tries < 1:
		return "there must be at least one try"
	case s.backoff[0] <= 0 || s.backoff[1] < s.backoff[0]:
		return "the backoff must be positive, and its most not less than its first"
	case s.lease < 100*time.Millisecond:
		return "the lease must be at least 100 ms"
	case s.timeout <= 0 || s.poll <= 0 || s.grace < 0:
		return "timeout and poll must be positive, and the grace not negative"
	case s.keepData < 0 || s.keepKeys < 0:
		return "what is kept must be kept for a time that is not negative"
	case s.keepKeys > 0 && s.keepKeys < s.keepData:
		return "keys must be kept at least as long as data"
	}
	return ""
}

// States of a message.
const (
	pending = 0
	handled = 1
	parked  = 2
)

func (b *Inbox) migrations() sqldb.Migrations {
	return sqldb.Migrations{Place: b.place, All: []sqldb.Migration{
		{Number: 1, Name: "messages, lanes and state", SQL: []string{
			`CREATE TABLE {table:messages} (
				id {serial},
				message_key TEXT NOT NULL UNIQUE,
				lane TEXT NOT NULL,
				profile_id TEXT NOT NULL,
				event TEXT NOT NULL,
				data TEXT,
				state INTEGER NOT NULL DEFAULT 0,
				tries INTEGER NOT NULL DEFAULT 0,
				problem TEXT NOT NULL DEFAULT '',
				received_at BIGINT NOT NULL,
				done_at BIGINT)`,
			`CREATE INDEX {prefix}messages_pending ON {table:messages} (lane, id) WHERE state = 0`,
			`CREATE INDEX {prefix}messages_parked ON {table:messages} (id) WHERE state = 2`,
			`CREATE INDEX {prefix}messages_handled ON {table:messages} (done_at) WHERE state = 1`,
			`CREATE INDEX {prefix}messages_profile ON {table:messages} (profile_id)`,
			// A lane is a profile with pending messages. No process may have it before ready_at.
			`CREATE TABLE {table:lanes} (
				lane TEXT PRIMARY KEY,
				ready_at BIGINT NOT NULL,
				owner TEXT NOT NULL DEFAULT '',
				deaths INTEGER NOT NULL DEFAULT 0,
				stored INTEGER NOT NULL DEFAULT 1)`,
			`CREATE INDEX {prefix}lanes_ready ON {table:lanes} (ready_at)`,
			`CREATE TABLE {table:state} (name TEXT PRIMARY KEY, since BIGINT NOT NULL)`,
		}},
	}}
}

// Plan returns the migrations that Migrate would make, with their statements, for
// a person to read or to run. It changes nothing.
func (b *Inbox) Plan(ctx context.Context) ([]sqldb.Migration, error) {
	return b.migrations().Plan(ctx, b.db)
}

// Migrate brings the tables to what this version works with, in one transaction,
// and returns the migrations made. Processes may call it at once. The error is
// ErrSchema if the tables are newer.
func (b *Inbox) Migrate(ctx context.Context) ([]sqldb.Migration, error) {
	return b.migrations().Apply(ctx, b.db)
}

// Check returns nil if the database answers and its tables are those of this version,
// and ErrSchema if they are not. It changes nothing: call it before a start, and
// where a process is asked whether it is ready.
func (b *Inbox) Check(ctx context.Context) error { return b.migrations().Check(ctx, b.db) }

// Result is what an observer gets. It holds nothing from a message but the name of a
// known event.
type Result struct {
	// Event is "unknown" for an event without a constant.
	Event   passfort.EventName
	Outcome Outcome
	// Wait is the time from storing the message to the call of its handler.
	Wait time.Duration
	// Duration is what storing or handling took.
	Duration time.Duration
	// Problem is a word for what failed.
	Problem string
}

// Outcome says what became of a message.
type Outcome string

// The outcomes.
const (
	OutcomeStored    Outcome = "stored"
	OutcomeDuplicate Outcome = "duplicate" // stored before
	OutcomeHandled   Outcome = "handled"
	OutcomeFailed    Outcome = "failed" // to be tried again
	OutcomeParked    Outcome = "parked"
	OutcomeReplayed  Outcome = "replayed"
)

func (b *Inbox) observe(r Result) {
	if !r.Event.Known() {
		r.Event = "unknown"
	}
	switch r.Outcome {
	case OutcomeFailed:
		b.settings.log.Warn("inbox: a message failed and will be tried again", "event", string(r.Event), "problem",
			r.Problem)
	case OutcomeParked:
		b.settings.log.Error("inbox: a message was parked", "event", string(r.Event), "problem", r.Problem)
	}
	if b.settings.observer != nil {
		defer func() { _ = recover() }() // metrics that panic stop no message
		b.settings.observer(r)
	}
}

// newOwner returns what distinguishes a claim, or an Inbox, from all others.
func newOwner() string { return rand.Text() }
