package inbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/inbox"
)

// within requires that something happens long before an inbox polls once an hour.
func within(t *testing.T, happened <-chan struct{}) {
	t.Helper()
	select {
	case <-happened:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing woke the process")
	}
}

// The messages behind one that is parked need no poll.
func TestWokenForTheRestOfALane(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t, inbox.WithPoll(time.Hour))
		receive(t, box, 2, "p1")
		done := make(chan struct{})
		run(t, box, func(_ context.Context, _ *sql.Tx, m *inbox.Message) error {
			if m.Event.ID == "m0" {
				<-time.After(100 * time.Millisecond) // Run looks meanwhile
				return inbox.ErrPark
			}
			close(done)
			return nil
		})
		within(t, done)
	})
}

// A message that fails when an earlier one of its profile was replayed leaves it the turn.
func TestWokenForAnEarlierMessage(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)) // SQLite has one writer
	box := b.inbox(t, inbox.WithPoll(time.Hour))
	receive(t, box, 2, "p1")
	done := make(chan struct{})
	calls := map[string]int{}
	run(t, box, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
		calls[m.Event.ID]++
		switch {
		case m.Event.ID == "m0" && calls["m0"] == 1:
			return inbox.ErrPark
		case m.Event.ID == "m1" && calls["m1"] == 1:
			_, err := box.Replay(ctx, inbox.Selection{All: true})
			<-time.After(100 * time.Millisecond) // Run looks meanwhile
			return fmt.Errorf("%w %w", errBroken, err)
		case m.Event.ID == "m1":
			defer close(done)
		}
		return effect(ctx, tx, m)
	})
	within(t, done)
	require.Eventually(t, func() bool { return len(b.effects(t)) == 2 }, time.Minute, 10*time.Millisecond)
	requireOrder(t, b.effects(t), 2)
}

// A lane that another transaction locks, such as that of a person at a shell, holds up no
// other, also if it seems to wait for longer than it can.
func TestLockedLane(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)) // SQLite locks no row
	box := b.inbox(t)
	b.exec(t, fmt.Sprintf(`INSERT INTO passfort_inbox_lanes (lane, ready_at) VALUES ('now', 0), ('later', %d)`,
		time.Now().Add(24*time.Hour).UnixMilli()))
	tx, err := b.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `SELECT * FROM passfort_inbox_lanes FOR UPDATE`)
	require.NoError(t, err)
	run(t, box, effect)
	for i := range 5 {
		<-time.After(30 * time.Millisecond) // a poll
		require.NoError(t, box.Receive(t.Context(), message("p1", i)))
	}
	require.Eventually(t, func() bool { return len(b.effects(t)) == 5 }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, tx.Rollback())
	empty(t, box) // the clock was set back: they are looked at
}

// A lane that is to be given back and that another transaction locks holds up no other,
// and is given back when it can be.
func TestOwedLaneIsLocked(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)) // SQLite locks no row
	for _, test := range []struct{ name, taken string }{
		{"still this process's", ""},
		{"taken by another one", `UPDATE passfort_inbox_lanes SET owner = 'another', deaths = 2 WHERE lane = 'p0'`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var once sync.Once
			person := make(chan *sql.Tx, 1)
			box := b.faulty(t, false, func(statement string) (lost bool) {
				if !strings.Contains(statement, "SET owner = '', deaths = 0") {
					return false
				}
				once.Do(func() {
					lost = true
					if test.taken != "" {
						b.exec(t, test.taken)
					}
					tx, err := b.db.BeginTx(context.Background(), nil)
					if err == nil {
						_, err = tx.ExecContext(t.Context(), `SELECT * FROM passfort_inbox_lanes FOR UPDATE`)
					}
					if err != nil {
						t.Errorf("lock: %v", err)
					}
					person <- tx
				})
				return lost
			}).inbox(t, inbox.WithLease(time.Hour))
			receive(t, box, 1, "p0")
			stop := run(t, box, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
				if m.Event.ProfileID == "p0" && len(person) == 0 {
					return state("57P01")
				}
				return effect(ctx, tx, m)
			})
			defer stop()
			require.Eventually(t, func() bool { return len(person) == 1 }, 30*time.Second, time.Millisecond)
			receive(t, box, 5, "p1")
			require.Eventually(t, func() bool {
				return b.one(t, `SELECT COUNT(*) FROM effects WHERE message_key LIKE 'p1/%'`) == "5"
			}, 30*time.Second, 10*time.Millisecond)
			require.Equal(t, "1", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_lanes`))
			require.NoError(t, (<-person).Rollback())
			if test.taken != "" {
				require.Eventually(t, func() bool {
					return b.one(t, `SELECT CAST(deaths AS TEXT) || owner FROM passfort_inbox_lanes`) == "1another"
				}, 30*time.Second, 10*time.Millisecond)
				b.exec(t, `UPDATE passfort_inbox_lanes SET owner = '', ready_at = 0`)
			}
			person <- nil
			empty(t, box)
			stop()
			b.exec(t, `DELETE FROM effects`)
			b.exec(t, `DELETE FROM passfort_inbox_messages`)
		})
	}
}

// A pool with few connections is slow and no more: no handler waits for itself.
func TestSmallPools(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		most int
		opts []inbox.Option
	}{
		{"one connection", 1, nil},
		{"one connection, not listening", 1, []inbox.Option{inbox.WithoutListen()}},
		{"two connections, one of them listening", 2, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
			box := b.inbox(t)
			receive(t, box, 2, "p1")
			own := open(t, inbox.PostgreSQL, b.url)
			own.db.SetMaxOpenConns(test.most)
			var calls atomic.Int64
			run(t, own.inbox(t, append(test.opts, inbox.WithLease(6*time.Second))...),
				func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
					if calls.Add(1) == 1 {
						<-time.After(2100 * time.Millisecond) // the lease is to be renewed
					}
					return effect(ctx, tx, m)
				})
			empty(t, box)
			requireOrder(t, b.effects(t), 2)
		})
	}
}
