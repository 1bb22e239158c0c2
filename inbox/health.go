package inbox

import (
	"context"
	"time"

	"github.com/passfort-go/passfort/inbox/sqldb"
)

// Health is how an inbox is, for a page or for metrics. It holds no id.
type Health struct {
	// Pending is how many messages wait or are being handled.
	Pending int64
	// Oldest is how long the first of them has waited.
	Oldest time.Duration
	// Retrying is how many of them failed at least once.
	Retrying int64
	// Profiles is how many profiles they are of.
	Profiles int64
	Parked   int64
	// Paused reports whether no message is handed out: see Pause.
	Paused bool
	// Listening reports whether this process is woken by the others.
	Listening bool
}

// Health reads how the inbox is. Its cost grows with what is pending and parked, not
// with what was handled.
func (b *Inbox) Health(ctx context.Context) (Health, error) {
	var h Health
	var oldest int64
	err := b.place.Row(ctx, b.db, []any{&h.Pending, &oldest, &h.Retrying},
		`SELECT COUNT(*), COALESCE({now} - MIN(received_at), 0), COALESCE(SUM(CASE WHEN tries > 0 THEN 1 ELSE 0 END), 0)
		FROM {table:messages} WHERE state = 0`)
	if err != nil {
		return h, err
	}
	h.Oldest = time.Duration(max(oldest, 0)) * time.Millisecond
	var paused int
	err = b.place.Row(ctx, b.db, []any{&h.Profiles, &h.Parked, &paused}, `SELECT (SELECT COUNT(*) FROM {table:lanes}),
		(SELECT COUNT(*) FROM {table:messages} WHERE state = 2),
		(SELECT COUNT(*) FROM {table:state} WHERE name = 'paused')`)
	h.Paused = paused > 0
	b.mu.Lock()
	defer b.mu.Unlock()
	h.Listening = b.listening
	return h, err
}

// Pause makes every process hand out no further message until Resume. Messages are
// stored all the same. It outlives restarts.
func (b *Inbox) Pause(ctx context.Context) error {
	_, err := b.place.Exec(ctx, b.db,
		`INSERT INTO {table:state} (name, since) VALUES ('paused', {now}) ON CONFLICT (name) DO NOTHING`)
	return err
}

// Resume ends Pause.
func (b *Inbox) Resume(ctx context.Context) error {
	_, err := b.place.Exec(ctx, b.db, `DELETE FROM {table:state} WHERE name = 'paused'`)
	if err == nil {
		b.Wake()
		b.notify(ctx, "")
	}
	return err
}

// forgetSome is how many messages Forget changes in one statement.
const forgetSome = 1000

// Forget erases the payload of handled messages that is older than WithKeepData, and
// the messages that are older than WithKeepKeys, and returns how many it changed.
// Parked and pending messages are unchanged: see Purge. Run does this every hour.
func (b *Inbox) Forget(ctx context.Context) (int, error) {
	total := 0
	for _, step := range []struct {
		statement string
		keep      time.Duration
		always    bool
	}{
		{`UPDATE {table:messages} SET data = NULL WHERE ` +
			unlocked(`state = 1 AND data IS NOT NULL AND done_at < {now} - ? LIMIT ?`), b.settings.keepData, true},
		{`DELETE FROM {table:messages} WHERE ` + unlocked(`state = 1 AND done_at < {now} - ? LIMIT ?`),
			b.settings.keepKeys, b.settings.keepKeys > 0},
	} {
		for step.always {
			n, err := b.place.Exec(ctx, b.db, step.statement, step.keep.Milliseconds(), forgetSome)
			total += int(n)
			if err != nil {
				return total, err
			}
			if n < forgetSome {
				break
			}
		}
	}
	return total, nil
}

func (b *Inbox) forgetHourly(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := b.Forget(ctx); err != nil && ctx.Err() == nil {
			b.settings.log.Warn("inbox: cannot forget old messages", "problem", sqldb.Word(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
