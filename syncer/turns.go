package syncer

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/passfort-go/passfort/inbox/sqldb"
)

// sweepAgain is how long a sweep that failed waits, if its pause is not shorter.
const sweepAgain = time.Minute

// ReconcileEvery calls Reconcile until ctx ends: when no process did so yet, and again so
// long after a sweep was complete, which a restart does not change. Of the processes that
// call it with one name one sweeps, and another goes on where it ended if it stops. It
// calls done, if it is not nil, after each call of Reconcile; a sweep that failed is resumed
// after at most a minute. It returns nil when ctx has ended.
func (s *Syncer) ReconcileEvery(
	ctx context.Context, every time.Duration, sweep Sweep, done func(*Report, error),
) error {
	if every <= 0 {
		return errors.New("syncer: sweeps need a positive pause")
	}
	owner := rand.Text()
	for {
		wait := min(every, sweepAgain)
		turn, err := s.turn(ctx, sweep.Name, owner, every, &wait)
		if err != nil && ctx.Err() == nil {
			s.settings.log.Error("syncer: cannot look whose turn a sweep is", "problem", sqldb.Word(err))
		}
		if turn {
			report, err := s.inTurn(ctx, owner, sweep)
			wait = min(every, sweepAgain)
			if err == nil && report.Complete {
				wait = every
			}
			s.endTurn(ctx, sweep.Name, owner, wait)
			if done != nil {
				done(report, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(wait, sweepAgain)):
		}
	}
}

// SweepNow makes ReconcileEvery of a name sweep within a minute, in one of the processes:
// after webhooks were off or stalled. A sweep that is under way is resumed.
func (s *Syncer) SweepNow(ctx context.Context, name string) error {
	_, err := s.place.Exec(ctx, s.db, `UPDATE {table:turns} SET owner = '', ready_at = {now} WHERE name = ?`, name)
	return err
}

// turn reports whether this process sweeps now, and otherwise sets how long to wait.
func (s *Syncer) turn(
	ctx context.Context, name, owner string, every time.Duration, wait *time.Duration,
) (bool, error) {
	n, err := s.place.Exec(ctx, s.db, `INSERT INTO {table:turns} (name, owner, ready_at) VALUES (?, ?, {now} + ?)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, ready_at = excluded.ready_at
		WHERE {table:turns}.ready_at <= {now} OR {table:turns}.ready_at > {now} + ?`, name, owner,
		s.settings.lease.Milliseconds(), (2*every + s.settings.longest).Milliseconds())
	if err != nil || n > 0 {
		return n > 0, err
	}
	var left int64
	err = s.place.Row(ctx, s.db, []any{&left}, `SELECT ready_at - {now} FROM {table:turns} WHERE name = ?`, name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	*wait = max(time.Duration(left)*time.Millisecond, s.settings.poll)
	return false, err
}

// inTurn sweeps, and renews the lease meanwhile. If another process took over, it ends.
func (s *Syncer) inTurn(ctx context.Context, owner string, sweep Sweep) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var renewing sync.WaitGroup
	defer renewing.Wait()
	over := make(chan struct{})
	defer close(over)
	renewing.Go(func() {
		s.renewal(ctx, over, cancel, `UPDATE {table:turns} SET ready_at = {now} + ? WHERE name = ? AND owner = ?`,
			sweep.Name, owner)
	})
	return s.Reconcile(ctx, sweep)
}

// endTurn lets a sweep begin again after a pause.
func (s *Syncer) endTurn(ctx context.Context, name, owner string, pause time.Duration) {
	if ctx.Err() != nil {
		pause = 0
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if _, err := s.place.Exec(ctx, s.db, `UPDATE {table:turns} SET ready_at = {now} + ? WHERE name = ? AND owner = ?`,
		pause.Milliseconds(), name, owner); err != nil {
		s.settings.log.Warn("syncer: a sweep begins again when its lease ends", "problem", sqldb.Word(err))
	}
}
