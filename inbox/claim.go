package inbox

import (
	"context"
	"time"

	"github.com/passfort-go/passfort/inbox/sqldb"
)

// A process looks for messages at once when it is woken, but not sooner than claimPause
// after it looked last. The pause doubles while others had all that it was woken for.
const (
	claimPause    = 5 * time.Millisecond
	maxClaimPause = 40 * time.Millisecond
)

// await returns when it is time to look for messages: when the inbox is woken, and not
// before the pause is over, or with the tick, which it reports.
func (b *Inbox) await(ctx context.Context, pause time.Duration, tick <-chan time.Time) (ticked bool) {
	over := time.NewTimer(pause)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
		return false
	}
	select {
	case <-b.wake:
	case <-tick:
		return true
	case <-ctx.Done():
	}
	return false
}

// lane is a profile with messages, as this process has it.
type lane struct {
	name   string
	deaths int // of processes that had it
}

// claimed is a lane that this process may have and does not work on. The lane is
// empty if the answer to a claim was lost: then it is all lanes of the owner.
type claimed struct{ lane, owner string }

func (b *Inbox) owe(c ...claimed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed = append(b.owed, c...)
}

// repay gives back what release, or a claim whose answer was lost, left behind: this
// process lives, so no message is to blame for it. If another process took the lane
// in the meantime, it counted an end that was none.
func (b *Inbox) repay(ctx context.Context) error {
	b.mu.Lock()
	owed := b.owed
	b.owed = nil
	b.mu.Unlock()
	for i, c := range owed {
		repaid, err := b.giveBack(ctx, c)
		switch {
		case err != nil:
			b.owe(owed[i:]...)
			return err
		case !repaid:
			b.owe(c)
		}
	}
	return nil
}

// giveBack reports whether all is given back: what another transaction locks is not, as
// waiting for it would hold up all other lanes.
func (b *Inbox) giveBack(ctx context.Context, c claimed) (repaid bool, err error) {
	for _, step := range []struct {
		change, which string
		args          []any
	}{
		{`owner = '', ready_at = {now}`, `owner = ? AND ? IN ('', lane)`, []any{c.owner, c.lane}},
		{`deaths = deaths - 1`, `lane = ? AND deaths > 0`, []any{c.lane}},
	} {
		n, err := b.place.Exec(ctx, b.db, `UPDATE {table:lanes} SET `+step.change+`
			WHERE lane IN (WITH free AS MATERIALIZED (SELECT lane FROM {table:lanes} WHERE `+step.which+
			` {skip}) SELECT lane FROM free)`, step.args...)
		if err != nil {
			return false, err
		}
		var locked int64
		if n == 0 || c.lane == "" {
			err = b.place.Row(ctx, b.db, []any{&locked}, `SELECT COUNT(*) FROM {table:lanes} WHERE `+step.which,
				step.args...)
		}
		if err != nil || locked > 0 || n > 0 {
			return err == nil && locked == 0, err
		}
	}
	return true, nil
}

// claimTime bounds a claim, also while the process is being stopped.
const claimTime = 5 * time.Second

// clockSteps is how far the clock of the database may be set back before profiles that
// seem to wait for longer than they can are taken at once.
const clockSteps = 10 * time.Minute

// heedSome is how many lanes heedClock makes ready at a time.
const heedSome = 10_000

// heedClock makes lanes ready that seem to wait for longer than any has to: the clock of
// the database was set back.
func (b *Inbox) heedClock(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	longest := 2*max(b.settings.lease, b.settings.backoff[1]) + clockSteps
	_, err := b.place.Exec(bounded, b.db, `UPDATE {table:lanes} SET ready_at = {now}
		WHERE lane IN (WITH late AS MATERIALIZED (
			SELECT lane FROM {table:lanes} WHERE ready_at > (SELECT {now} + ?)
			ORDER BY ready_at DESC LIMIT ? {skip}) SELECT lane FROM late)`, longest.Milliseconds(), heedSome)
	if err != nil && ctx.Err() == nil {
		b.settings.log.Error("inbox: cannot look for messages", "problem", sqldb.Word(err))
	}
}

// claim takes up to n lanes that are free and that need not wait, for the lease.
func (b *Inbox) claim(ctx context.Context, n int) (lanes []lane, owner string, err error) {
	if n == 0 {
		return nil, "", nil
	}
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	// A claim whose answer is not awaited would keep its lanes for the lease.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTime)
	defer cancel()
	if err := b.repay(ctx); err != nil {
		return nil, "", err
	}
	owner = newOwner()
	err = b.place.Statement(ctx, b.db, func(q sqldb.Querier) error {
		lanes = nil
		return b.place.Each(ctx, q, func(scan func(...any) error) error {
			var l lane
			err := scan(&l.name, &l.deaths)
			lanes = append(lanes, l)
			return err
		}, `UPDATE {table:lanes} SET deaths = deaths + CASE WHEN owner = '' THEN 0 ELSE 1 END, owner = ?,
			ready_at = {now} + ?
			WHERE lane IN (WITH ready AS MATERIALIZED (
				SELECT lane FROM {table:lanes} WHERE ready_at <= (SELECT {now})
				AND NOT EXISTS (SELECT 1 FROM {table:state} WHERE name = 'paused')
				ORDER BY ready_at LIMIT ? {skip}) SELECT lane FROM ready)
			RETURNING lane, deaths`, owner, b.settings.lease.Milliseconds(), n)
	})
	if err != nil {
		b.owe(claimed{owner: owner})
		return nil, "", err
	}
	return lanes, owner, nil
}
