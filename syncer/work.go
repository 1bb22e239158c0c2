package syncer

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/internal/poll"
)

// Run brings customers and profiles in line until ctx ends, and then gives work its
// grace. What does not finish is done by another process, or by the next Run. It returns
// nil when ctx has ended, and what Check says if it cannot begin. Customers whose mapping
// has fields that it had not when they were last compared are compared again.
func (s *Syncer) Run(ctx context.Context) error {
	if err := s.begin(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var running sync.WaitGroup
	free := make(chan struct{}, s.settings.workers)
	for range s.settings.workers {
		free <- struct{}{}
	}
	tick := time.NewTicker(s.settings.poll)
	defer tick.Stop()
	churns := sqldb.Churn(s.db)
	for ctx.Err() == nil {
		items, err := s.claim(ctx, len(free))
		if err != nil && ctx.Err() == nil {
			s.settings.log.Error("syncer: cannot look for work", "problem", sqldb.Word(err))
		}
		for _, i := range items {
			<-free
			running.Go(func() {
				defer func() { free <- struct{}{}; s.Wake() }()
				s.attempt(working, i)
			})
		}
		select {
		case <-s.wake:
		case <-tick.C:
			s.heedClock(ctx)
			if churns() {
				s.settings.log.Warn("syncer: the pool opens a connection for most statements; give it SetMaxIdleConns")
			}
		case <-ctx.Done():
		}
	}
	defer time.AfterFunc(s.settings.grace, cancel).Stop()
	running.Wait()
	return nil
}

// begin checks what Run stands on, and marks the customers of a mapping with new fields.
func (s *Syncer) begin(ctx context.Context) error {
	if err := s.Check(ctx); err != nil {
		return err
	}
	for _, m := range s.mappings {
		_, err := s.place.Exec(ctx, s.db, `INSERT INTO {table:work} (entity, customer_key, ready_at)
			SELECT entity, customer_key, {now} FROM {table:customers} WHERE entity = ? AND fields <> ?
			AND fields <> '' AND gone_at IS NULL
			ON CONFLICT (entity, customer_key) DO NOTHING`, string(m.Entity), m.version())
		if err != nil {
			return err
		}
	}
	return nil
}

// item is a customer that may not be in step, as this process has it.
type item struct {
	entity, key, owner string
	tries              int
}

// claimTime bounds a claim, also while the process is being stopped: one whose answer
// no process waits for would keep its customers for the lease.
const claimTime = 5 * time.Second

func (s *Syncer) claim(ctx context.Context, n int) (items []item, err error) {
	if n == 0 || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTime)
	defer cancel()
	owner := rand.Text()
	err = s.place.Statement(ctx, s.db, func(q sqldb.Querier) error {
		items = nil
		return s.place.Each(ctx, q, func(scan func(...any) error) error {
			i := item{owner: owner}
			err := scan(&i.entity, &i.key, &i.tries)
			items = append(items, i)
			return err
		}, `UPDATE {table:work} SET owner = ?, ready_at = {now} + ?
			WHERE (entity, customer_key) IN (WITH ready AS MATERIALIZED (
				SELECT entity, customer_key FROM {table:work} WHERE ready_at <= (SELECT {now})
				ORDER BY ready_at LIMIT ? {skip}) SELECT entity, customer_key FROM ready)
			RETURNING entity, customer_key, tries`, owner, s.settings.lease.Milliseconds(), n)
	})
	return items, err
}

// heedSome is how many customers heedClock makes ready at a time.
const heedSome = 10_000

// heedClock makes customers ready that seem to wait for longer than any has to: the clock
// of the database was set back.
func (s *Syncer) heedClock(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	_, err := s.place.Exec(bounded, s.db, `UPDATE {table:work} SET ready_at = {now}
		WHERE (entity, customer_key) IN (WITH late AS MATERIALIZED (
			SELECT entity, customer_key FROM {table:work} WHERE ready_at > (SELECT {now} + ?)
			ORDER BY ready_at DESC LIMIT ? {skip}) SELECT entity, customer_key FROM late)`,
		s.settings.longest.Milliseconds(), heedSome)
	if err != nil && ctx.Err() == nil {
		s.settings.log.Error("syncer: cannot look for work", "problem", sqldb.Word(err))
	}
}

// errMoved says that another process has the customer, or that a message made what was
// read too old.
var errMoved = errors.New("the customer was synchronised by another process")

// attempt brings a customer in line and records a failure.
func (s *Syncer) attempt(ctx context.Context, i item) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var renewing sync.WaitGroup
	over := make(chan struct{})
	renewing.Go(func() { s.renew(ctx, over, cancel, i) })
	defer renewing.Wait()
	defer close(over)
	start := time.Now()
	result := Result{Outcome: "in step"}
	err := s.tryToBring(ctx, i, &result)
	for errors.Is(err, errMoved) && ctx.Err() == nil {
		if _, lost := s.holds(ctx, i); lost != nil {
			return
		}
		err = s.tryToBring(ctx, i, &result)
	}
	if err != nil {
		result.Outcome, result.Problem = "failed", Word(err)
		s.fail(ctx, i, result.Problem)
		s.settings.log.Warn("syncer: a customer is not in step and will be tried again", "problem", result.Problem,
			"failures", i.tries+1)
	}
	result.Duration = time.Since(start)
	if s.settings.observer != nil {
		defer func() { _ = recover() }() // metrics that panic stop nothing
		s.settings.observer(result)
	}
}

// tryToBring is bring, with a panic of a Table, a Field or Mapping.Add as an error.
func (s *Syncer) tryToBring(ctx context.Context, i item, result *Result) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &passfort.PanicError{Value: v}
		}
	}()
	return s.bring(ctx, i, result)
}

func (s *Syncer) renew(ctx context.Context, over <-chan struct{}, lost func(), i item) {
	s.renewal(ctx, over, lost,
		`UPDATE {table:work} SET ready_at = {now} + ? WHERE entity = ? AND customer_key = ? AND owner = ?`,
		i.entity, i.key, i.owner)
}

// renewal executes a statement that makes a lease last, whose first parameter is how long,
// until over, and calls lost when there is no lease any more.
func (s *Syncer) renewal(
	ctx context.Context, over <-chan struct{}, lost func(), statement string, args ...any,
) {
	args = append([]any{s.settings.lease.Milliseconds()}, args...)
	tick := time.NewTicker(s.settings.lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, err := s.place.Exec(ctx, s.db, statement, args...)
		if err == nil && n == 0 {
			lost()
			return
		}
	}
}

// recordTime bounds what is recorded while the process is being stopped.
const recordTime = 3 * time.Second

func (s *Syncer) fail(ctx context.Context, i item, problem string) {
	pause := poll.Doubled(s.settings.backoff[0], s.settings.backoff[1], i.tries)
	if ctx.Err() != nil {
		pause = 0
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	_, err := s.place.Exec(ctx, s.db,
		`UPDATE {table:work} SET owner = '', tries = tries + 1, problem = ?, ready_at = {now} + ?
		WHERE entity = ? AND customer_key = ? AND owner = ?`, problem, pause.Milliseconds(), i.entity, i.key, i.owner)
	if err != nil {
		s.settings.log.Warn("syncer: a customer is released when its lease ends", "problem", sqldb.Word(err))
	}
}

// Word returns what may be logged of an error of this package: the text of an error of
// package passfort, of ErrSchema, ErrMapping and ErrValue, and otherwise what sqldb.Word
// says. It holds no value and no row.
func Word(err error) string {
	var failed *passfort.Error
	if errors.As(err, &failed) {
		return err.Error()
	}
	for _, known := range []error{ErrSchema, ErrMapping, ErrValue, ErrLinked, errKind} {
		if errors.Is(err, known) {
			return err.Error()
		}
	}
	return sqldb.Word(err)
}

// errKind means that a profile is of another entity than its customer.
var errKind = errors.New("syncer: the profile is of another kind than the customer")

// taken is what is known of a customer before it is brought in line.
type taken struct {
	customer
	ours    Values
	changes int64
	intents []intent
}

// intent is a write that may have been done since base was read.
type intent struct {
	id   int64
	sent Values
}

func (t *taken) sent() (sent []Values) {
	for _, i := range t.intents {
		sent = append(sent, i.sent)
	}
	return sent
}

// bring brings one customer and its profile in line.
func (s *Syncer) bring(ctx context.Context, i item, result *Result) error {
	if i.entity == unlinked {
		result.Outcome = "no customer"
		return s.adopt(ctx, i)
	}
	m := s.mapping(passfort.EntityType(i.entity))
	if m == nil {
		return fmt.Errorf("%w: there is none for this entity", ErrMapping)
	}
	t, err := s.take(ctx, i, m)
	if err != nil || t == nil {
		return err
	}
	if !t.profileID.Valid {
		if !m.Create {
			result.Outcome = "no customer"
			return s.finish(ctx, i, t.changes)
		}
		return s.create(ctx, i, m, t, result)
	}
	data, err := s.update(ctx, m, t)
	if errors.Is(err, passfort.ErrNotFound) {
		result.Outcome = "gone"
		return s.putAside(ctx, i, t)
	}
	if err != nil {
		// With an unknown outcome too: the work stays, and what was written will be found.
		return err
	}
	stored, err := m.valuesOf(&data.EntityData)
	if err != nil {
		return err
	}
	result.Conflicts, err = s.settle(ctx, i, m, t, stored)
	return err
}

// holds returns the changes of work that this process has, or errMoved.
func (s *Syncer) holds(ctx context.Context, i item) (changes int64, err error) {
	err = s.place.Row(ctx, s.db, []any{&changes},
		`SELECT changes FROM {table:work} WHERE entity = ? AND customer_key = ? AND owner = ?`, i.entity, i.key,
		i.owner)
	if errors.Is(err, sql.ErrNoRows) {
		err = errMoved
	}
	return changes, err
}

// owned locks the work on a customer and returns how often it changed.
func (s *Syncer) owned(ctx context.Context, tx *sql.Tx, i item) (changes int64, err error) {
	err = s.place.Row(ctx, tx, []any{&changes},
		`UPDATE {table:work} SET owner = owner WHERE entity = ? AND customer_key = ? AND owner = ? RETURNING changes`,
		i.entity, i.key, i.owner)
	if errors.Is(err, sql.ErrNoRows) {
		err = errMoved
	}
	return changes, err
}

// take reads a customer from all tables. It is nil if the row is gone from yours. Rows
// are locked in the order in which Edited is called: yours first.
func (s *Syncer) take(ctx context.Context, i item, m *Mapping) (t *taken, err error) {
	err = s.place.Tx(ctx, s.db, func(tx *sql.Tx) error {
		t = &taken{}
		var same string
		same, t.ours, err = s.load(ctx, tx, m, i.key)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			t = nil
			return s.removed(ctx, tx, i)
		case err != nil:
			return err
		case same != i.key: // another form of the key
			t = nil
			if err := s.mark(ctx, tx, i.entity, same); err != nil {
				return err
			}
			return s.drop(ctx, tx, i)
		}
		if _, err := s.place.Exec(ctx, tx, `INSERT INTO {table:customers} (entity, customer_key) VALUES (?, ?)
			ON CONFLICT (entity, customer_key) DO NOTHING`, i.entity, i.key); err != nil {
			return err
		}
		c, err := s.customerWhere(ctx, tx, ` WHERE entity = ? AND customer_key = ? {update}`, i.entity, i.key)
		if err != nil {
			return err
		}
		t.customer = *c
		if t.changes, err = s.owned(ctx, tx, i); err != nil {
			return err
		}
		// One that was repeated says nothing new.
		if _, err := s.place.Exec(ctx, tx,
			`DELETE FROM {table:intents} WHERE entity = ? AND customer_key = ? AND EXISTS (SELECT 1
				FROM {table:intents} i
			WHERE i.id < {table:intents}.id AND i.entity = {table:intents}.entity
			AND i.customer_key = {table:intents}.customer_key
			AND i.fingerprint = {table:intents}.fingerprint AND i.sent = {table:intents}.sent)`, i.entity,
			i.key); err != nil {
			return err
		}
		return s.place.Each(ctx, tx, func(scan func(...any) error) error {
			var in intent
			var sent string
			if err := scan(&in.id, &sent); err != nil {
				return err
			}
			err := json.Unmarshal([]byte(sent), &in.sent)
			t.intents = append(t.intents, in)
			return err
		}, `SELECT id, sent FROM {table:intents} WHERE entity = ? AND customer_key = ?`, i.entity, i.key)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// drop ends work without a look at whether there is more since.
func (s *Syncer) drop(ctx context.Context, tx *sql.Tx, i item) error {
	_, err := s.place.Exec(ctx, tx, `DELETE FROM {table:work} WHERE entity = ? AND customer_key = ? AND owner = ?`,
		i.entity, i.key, i.owner)
	return err
}

// removed ends work on a customer whose row is gone.
func (s *Syncer) removed(ctx context.Context, tx *sql.Tx, i item) error {
	if err := s.erase(ctx, tx, i.entity, i.key); err != nil {
		return err
	}
	return s.drop(ctx, tx, i)
}

// erase forgets the values of a customer whose row is gone. Its profile stays linked: it
// is no profile of a new customer.
func (s *Syncer) erase(ctx context.Context, tx *sql.Tx, entity, key string) error {
	for _, statement := range []string{
		`UPDATE {table:customers} SET base = '{}', base_version = base_version + 1, fields = '' WHERE entity = ? AND
			customer_key = ?`,
		`DELETE FROM {table:intents} WHERE entity = ? AND customer_key = ?`,
		`DELETE FROM {table:writes} WHERE entity = ? AND customer_key = ?`,
		`DELETE FROM {table:conflicts} WHERE entity = ? AND customer_key = ?`,
	} {
		if _, err := s.place.Exec(ctx, tx, statement, entity, key); err != nil {
			return err
		}
	}
	return nil
}

// load reads a customer of yours, locked, in the form of the kinds, and its key in the one
// form.
func (s *Syncer) load(
	ctx context.Context, tx *sql.Tx, m *Mapping, key string,
) (same string, ours Values, err error) {
	same, v, err := m.Table.Load(ctx, tx, key, m.Fields)
	if err != nil {
		return "", nil, err
	}
	ours = Values{}
	for _, f := range m.Fields {
		value, err := f.normal(v[f.Name])
		if err != nil {
			return "", nil, err
		}
		if value != "" {
			ours[f.Name] = value
		}
	}
	return same, ours, nil
}

// finish ends work that changed nothing, unless there is more since.
func (s *Syncer) finish(ctx context.Context, i item, changes int64) error {
	return s.place.Tx(ctx, s.db, func(tx *sql.Tx) error {
		now, err := s.owned(ctx, tx, i)
		if err != nil {
			return err
		}
		return s.finishIn(ctx, tx, i, changes, now)
	})
}

// finishIn ends work that saw as many changes as there are now; otherwise there is more
// to do.
func (s *Syncer) finishIn(ctx context.Context, tx *sql.Tx, i item, saw, now int64) error {
	if saw == now {
		n, err := s.place.Exec(ctx, tx, `DELETE FROM {table:work} WHERE entity = ? AND customer_key = ? AND owner = ?`,
			i.entity, i.key, i.owner)
		if err == nil && n == 0 {
			err = errMoved
		}
		return err
	}
	_, err := s.place.Exec(ctx, tx,
		`UPDATE {table:work} SET owner = '', tries = 0, problem = '', ready_at = {now} WHERE entity = ? AND `+
			`customer_key = ? AND owner = ?`, i.entity, i.key, i.owner)
	return err
}
