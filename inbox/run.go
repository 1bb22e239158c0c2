package inbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/internal/poll"
)

// Handler handles a message. What it does in tx is committed together with the fact
// that the message is handled, or not at all; it must not end tx. On SQLite no other
// process can write while it runs, so it should be short there. On PostgreSQL it may call
// Receive, Replay and Pause, but not Erase for the profile of m, which would wait for tx.
// An error, or a panic, makes the message be tried again: see WithTries. An error that is
// ErrPark parks it at once.
type Handler func(ctx context.Context, tx *sql.Tx, m *Message) error

// ErrPark parks a message without another try. Return it, or wrap it, from a Handler.
var ErrPark = errors.New("inbox: park the message")

// Message is a stored message.
type Message struct {
	// ID numbers the messages in the order in which they were stored.
	ID int64
	// Key is what the message is known by: see passfort.WebhookEvent.Key.
	Key string
	// Event is the message. Its Data is personal data.
	Event passfort.WebhookEvent
	// Tries is how often the message failed before.
	Tries      int
	ReceivedAt time.Time
}

// leastDeaths is how many processes have to end for a message to be blamed.
const leastDeaths = 3

// turn is how many messages of a profile are handled before others get their turn.
const turn = 50

// Run hands out messages until ctx ends, and then gives handlers their grace. What
// does not finish is handled by another process, or by the next Run. It returns nil
// when ctx has ended, and ErrSchema, or what the database says, if it cannot begin.
func (b *Inbox) Run(ctx context.Context, handle Handler) error {
	if handle == nil {
		return errors.New("inbox: nil handler")
	}
	if err := b.Check(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var helpers, running sync.WaitGroup
	defer helpers.Wait()
	if b.settings.listen && b.place.Dialect == PostgreSQL && b.db.Stats().MaxOpenConnections != 1 {
		helpers.Go(func() { b.listen(ctx) })
	}
	helpers.Go(func() { b.forgetHourly(ctx) })
	free := make(chan struct{}, b.settings.workers)
	for range b.settings.workers {
		free <- struct{}{}
	}
	tick := time.NewTicker(b.settings.poll)
	defer tick.Stop()
	churns := sqldb.Churn(b.db)
	var short atomic.Bool // of workers: there may be more lanes than were claimed
	for pause, ticked := claimPause, false; ctx.Err() == nil; {
		short.Store(true) // first: a worker that is not counted here sees it
		n := len(free)
		lanes, owner, err := b.claim(ctx, n)
		if err != nil && ctx.Err() == nil {
			b.settings.log.Error("inbox: cannot look for messages", "problem", sqldb.Word(err))
		}
		for _, l := range lanes {
			<-free
			running.Go(func() {
				defer func() {
					free <- struct{}{}
					if short.Load() {
						b.Wake()
					}
				}()
				b.work(ctx, working, handle, l, owner)
				if ctx.Err() != nil {
					b.notify(ctx, "") // this process takes no more of the lane
				}
			})
		}
		short.Store(len(lanes) == n || err != nil)
		switch {
		case len(lanes) > 0:
			pause = claimPause
		case n > 0 && !ticked:
			pause = min(2*pause, maxClaimPause)
		}
		if ticked = b.await(ctx, pause, tick.C); ticked {
			b.heedClock(ctx)
			if churns() {
				b.settings.log.Warn("inbox: the pool opens a connection for most statements; give it SetMaxIdleConns")
			}
		}
	}
	defer time.AfterFunc(b.settings.grace, cancel).Stop()
	running.Wait()
	return nil
}

// work handles the messages of a lane until there are none, its turn is over, or
// stopping ends. Handlers run until working ends.
func (b *Inbox) work(stopping, working context.Context, handle Handler, l lane, owner string) {
	if l.deaths >= max(b.settings.tries, leastDeaths) {
		if err := b.fail(working, l.name, owner, nil, errDied); err != nil {
			b.settings.log.Error("inbox: cannot park a message", "problem", sqldb.Word(err))
		}
		return
	}
	for range turn {
		if stopping.Err() != nil {
			break
		}
		more, err := b.step(working, handle, l.name, owner)
		switch {
		case errors.Is(err, errNotOurs):
			b.owe(claimed{l.name, owner}) // this process is late, not gone
			b.Wake()                      // and gives it back
			return
		case err != nil:
			if working.Err() == nil {
				b.settings.log.Error("inbox: the database failed, the message is handled again", "problem",
					sqldb.Word(err))
			}
			pause := b.settings.backoff[0]
			if working.Err() != nil {
				pause = 0 // it is this process that ends
			}
			b.release(l.name, owner, pause)
			return
		case !more:
			return
		}
	}
	b.release(l.name, owner, 0)
	b.Wake()
}

var (
	// errNotOurs says that another process has the lane by now.
	errNotOurs = errors.New("the lane is another process's")
	errDied    = errors.New("the process ended while it handled the message, each time")
)

// releaseTime bounds what is recorded while the process is being stopped.
const releaseTime = 3 * time.Second

// release gives a lane back, to be had after a pause.
func (b *Inbox) release(name, owner string, pause time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	_, err := b.place.Exec(ctx, b.db,
		`UPDATE {table:lanes} SET owner = '', deaths = 0, ready_at = {now} + ? WHERE lane = ? AND owner = ?`,
		pause.Milliseconds(), name, owner)
	if err != nil {
		b.owe(claimed{name, owner})
		b.settings.log.Warn("inbox: a lane is released when the database answers", "problem", sqldb.Word(err))
	}
}

// step handles the first message of a lane and reports whether the lane goes on. An
// error is the database's, not the handler's.
func (b *Inbox) step(ctx context.Context, handle Handler, name, owner string) (more bool, err error) {
	var m *Message
	var failure error
	start := time.Now()
	wait := time.Duration(0)
	err = b.place.Tx(ctx, b.db, func(tx *sql.Tx) error {
		var now int64
		var data string
		if m, data, now, err = b.first(ctx, tx, name, owner); err != nil || m == nil {
			return err
		}
		wait = time.Duration(now-m.ReceivedAt.UnixMilli()) * time.Millisecond
		if failure = json.Unmarshal([]byte(data), &m.Event); failure == nil {
			failure = b.call(ctx, handle, tx, m, name, owner)
		}
		if failure != nil {
			if ctx.Err() == nil && (errors.Is(failure, context.DeadlineExceeded) || !sqldb.Transient(failure) &&
				b.alive(ctx, tx)) {
				return failure
			}
			failure, err = nil, failure
			return err
		}
		more, err = b.done(ctx, tx, m, name, owner)
		return err
	})
	switch {
	case failure != nil:
		return false, b.fail(ctx, name, owner, m, failure)
	case err != nil || m == nil:
		return false, err
	}
	b.observe(Result{Event: m.Event.Event, Outcome: OutcomeHandled, Wait: wait, Duration: time.Since(start)})
	return more, nil
}

// alive reports whether the connection of a transaction is there, even if the
// transaction can only be rolled back.
func (b *Inbox) alive(ctx context.Context, tx *sql.Tx) bool {
	_, err := tx.ExecContext(ctx, "SELECT 1")
	return err == nil || b.place.Dialect == SQLite || sqldb.Word(err) == "SQLSTATE 25P02"
}

// first returns the first message of a lane and its payload, locked until the
// transaction ends, or nil if the lane was given back. On PostgreSQL the lane itself is
// not locked: new messages are stored while the handler runs.
func (b *Inbox) first(
	ctx context.Context, tx *sql.Tx, name, owner string,
) (m *Message, data string, now int64, err error) {
	if b.place.Dialect == SQLite {
		// A transaction that reads first might not be allowed to write later.
		n, err := b.place.Exec(ctx, tx, `UPDATE {table:lanes} SET owner = owner WHERE lane = ? AND owner = ?`, name,
			owner)
		if err != nil {
			return nil, "", 0, err
		}
		if n == 0 {
			return nil, "", 0, errNotOurs
		}
	}
	m = &Message{}
	var received int64
	err = b.place.Row(ctx, tx, []any{&m.ID, &m.Key, &data, &m.Tries, &received, &now},
		`SELECT id, message_key, COALESCE(data, ''), tries, received_at, {now}
		FROM {table:messages}
		WHERE id = (SELECT MIN(id) FROM {table:messages} WHERE lane = ? AND state = 0) AND state = 0
		AND NOT EXISTS (SELECT 1 FROM {table:state} WHERE name = 'paused') {skip}`, name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", 0, b.nothing(ctx, tx, name, owner)
	}
	if err != nil {
		return nil, "", 0, err
	}
	m.ReceivedAt = time.UnixMilli(received).UTC()
	return m, data, now, nil
}

// nothing gives back a lane without a message that may be handled now: there is none,
// another process is at it, or the inbox is paused.
func (b *Inbox) nothing(ctx context.Context, tx *sql.Tx, name, owner string) error {
	if err := b.lockLane(ctx, tx, name, owner); err != nil {
		return err
	}
	return b.leave(ctx, tx, name, b.settings.poll, "")
}

// lockLane locks a lane until the transaction ends. Messages are stored with the lane
// locked: the next statement sees all that were stored before, and no others follow.
func (b *Inbox) lockLane(ctx context.Context, tx *sql.Tx, name, owner string) error {
	var one int
	err := b.place.Row(ctx, tx, []any{&one}, `SELECT 1 FROM {table:lanes} WHERE lane = ? AND owner = ? {update}`, name,
		owner)
	if errors.Is(err, sql.ErrNoRows) {
		return errNotOurs
	}
	return err
}

// leave gives back a lane that is locked, to be had after a pause, and ends it if it has
// no pending message. What else changes of a lane that is given back begins with a comma.
func (b *Inbox) leave(ctx context.Context, tx *sql.Tx, name string, pause time.Duration, change string) error {
	var n int
	err := b.place.Row(ctx, tx, []any{&n},
		`SELECT COUNT(*) FROM (SELECT 1 FROM {table:messages} WHERE lane = ? AND state = 0 LIMIT 1) AS x`, name)
	if err != nil {
		return err
	}
	if n == 0 {
		return b.end(ctx, tx, name)
	}
	_, err = b.place.Exec(ctx, tx, `UPDATE {table:lanes} SET owner = '', ready_at = {now} + ?`+change+` WHERE lane = ?`,
		pause.Milliseconds(), name)
	return err
}

// end ends a lane that is locked and has no pending message.
func (b *Inbox) end(ctx context.Context, tx *sql.Tx, name string) error {
	_, err := b.place.Exec(ctx, tx, `DELETE FROM {table:lanes} WHERE lane = ?`, name)
	return err
}

// call runs the handler within its time, renews the lease meanwhile, and makes a panic
// an error.
func (b *Inbox) call(ctx context.Context, handle Handler, tx *sql.Tx, m *Message, name, owner string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, b.settings.timeout)
	defer cancel()
	var renewing sync.WaitGroup
	defer renewing.Wait()
	during, over := context.WithCancel(ctx)
	defer over()                       // also a renewal that waits for a connection, which this transaction may have
	if b.place.Dialect == PostgreSQL { // on SQLite no other process can take the lane: the transaction has written
		renewing.Go(func() { b.renew(during, cancel, name, owner) })
	}
	defer func() {
		if v := recover(); v != nil {
			err = &passfort.PanicError{Value: v}
		}
	}()
	return handle(ctx, tx, m)
}

// renew keeps the lease of a lane until ctx ends, and calls lost when another process has it.
func (b *Inbox) renew(ctx context.Context, lost func(), name, owner string) {
	tick := time.NewTicker(b.settings.lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, err := b.place.Exec(ctx, b.db, `UPDATE {table:lanes} SET ready_at = {now} + ? WHERE lane = ? AND owner = ?`,
			b.settings.lease.Milliseconds(), name, owner)
		if err == nil && n == 0 {
			lost()
			return
		}
	}
}

// done records a message as handled and reports whether the lane has more. The lane
// is locked before the message is changed, as everywhere.
func (b *Inbox) done(ctx context.Context, tx *sql.Tx, m *Message, name, owner string) (more bool, err error) {
	if err := b.lockLane(ctx, tx, name, owner); err != nil {
		return false, err
	}
	erase := ", data = NULL"
	if b.settings.keepData > 0 {
		erase = ""
	}
	var rest int
	err = b.place.Row(ctx, tx, []any{&rest}, `UPDATE {table:messages} SET state = 1, problem = '', done_at = {now}`+
		erase+` WHERE id = ? AND state = 0 RETURNING (SELECT COUNT(*) FROM (
			SELECT 1 FROM {table:messages} WHERE lane = ? AND state = 0 AND id <> ? LIMIT 1) AS x)`, m.ID, name, m.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return false, errNotOurs
	}
	if err != nil {
		return false, err
	}
	if rest == 0 {
		return false, b.end(ctx, tx, name)
	}
	_, err = b.place.Exec(ctx, tx, `UPDATE {table:lanes} SET deaths = 0, ready_at = {now} + ? WHERE lane = ?`,
		b.settings.lease.Milliseconds(), name)
	return true, err
}

// maxProblem is how much of an error a parked message keeps, in bytes.
const maxProblem = 500

// fail records that a message failed: it is tried again after a pause, or parked. A
// nil message is the first of the lane. The lane is given back.
func (b *Inbox) fail(ctx context.Context, name, owner string, m *Message, failure error) error {
	result := Result{Outcome: OutcomeFailed, Problem: sqldb.Word(failure)}
	err := b.place.Tx(ctx, b.db, func(tx *sql.Tx) error {
		if b.place.Dialect == SQLite {
			if _, err := b.place.Exec(ctx, tx, `UPDATE {table:lanes} SET owner = owner WHERE lane = ?`,
				name); err != nil {
				return err
			}
		}
		if err := b.lockLane(ctx, tx, name, owner); err != nil {
			return err
		}
		var id int64
		var event string
		var tries int
		err := b.place.Row(ctx, tx, []any{&id, &event, &tries}, `SELECT id, event, tries FROM {table:messages}
			WHERE id = (SELECT MIN(id) FROM {table:messages} WHERE lane = ? AND state = 0)`, name)
		if errors.Is(err, sql.ErrNoRows) { // erased in the meantime
			return b.leave(ctx, tx, name, b.settings.poll, "")
		}
		if err != nil {
			return err
		}
		result.Event = passfort.EventName(event)
		tries++
		state, pause := pending, poll.Doubled(b.settings.backoff[0], b.settings.backoff[1], tries-1)
		if tries >= b.settings.tries || errors.Is(failure, ErrPark) || errors.Is(failure, errDied) {
			state, pause, result.Outcome = parked, 0, OutcomeParked
		}
		if m != nil && m.ID != id {
			return errNotOurs
		}
		if _, err := b.place.Exec(ctx, tx,
			`UPDATE {table:messages} SET state = ?, tries = ?, problem = ?, done_at = CASE WHEN ? = 2 THEN {now} END `+
				`WHERE id = ?`,
			state, tries, problemOf(failure), state, id); err != nil {
			return err
		}
		return b.leave(ctx, tx, name, pause, ", deaths = 0")
	})
	if err == nil && result.Event != "" {
		b.observe(result)
	}
	if result.Outcome == OutcomeParked {
		b.Wake() // for the next message of the lane
	}
	return err
}

// problemOf returns the text of an error as a row keeps it, beside the message it is
// about.
func problemOf(err error) string {
	text := []rune(err.Error())
	for i, r := range text {
		if r == 0 {
			text[i] = '\uFFFD'
		}
	}
	for len(string(text)) > maxProblem {
		text = text[:len(text)-1]
	}
	return string(text)
}
