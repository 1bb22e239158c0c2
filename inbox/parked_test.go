package inbox_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
)

// park stores messages about profiles and parks all of them.
func park(t *testing.T, b base, opts ...inbox.Option) *inbox.Inbox {
	t.Helper()
	box := b.inbox(t, append(opts, inbox.WithTries(1))...)
	receive(t, box, 2, "p1", "p2")
	other := message("p1", 2)
	other.Event = passfort.EventCollectedDataChanged
	require.NoError(t, box.Receive(t.Context(), other))
	stop := run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error { return errBroken })
	empty(t, box)
	stop()
	return box
}

func TestParkedMessages(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := park(t, b)
		for _, test := range []struct {
			name      string
			selection inbox.Selection
			want      int
		}{
			{"all", inbox.Selection{All: true}, 5},
			{"of a profile", inbox.Selection{ProfileID: "p1"}, 3},
			{"of an event", inbox.Selection{Event: passfort.EventCheckCompleted}, 4},
			{"of both", inbox.Selection{ProfileID: "p1", Event: passfort.EventCollectedDataChanged}, 1},
			{"parked before", inbox.Selection{Before: time.Now().Add(-time.Hour)}, 0},
			{"by number", inbox.Selection{IDs: []int64{1, 2, 99}}, 2},
		} {
			list, err := box.Parked(t.Context(), test.selection, 0, 0)
			require.NoError(t, err, test.name)
			require.Len(t, list, test.want, test.name)
		}
		page, err := box.Parked(t.Context(), inbox.Selection{All: true}, 2, 2)
		require.NoError(t, err)
		require.Len(t, page, 2)
		require.EqualValues(t, 3, page[0].ID)
		m, err := box.Show(t.Context(), page[0].ID)
		require.NoError(t, err)
		require.Contains(t, string(m.Event.Data), "profile_id")
		_, err = box.Show(t.Context(), 99)
		require.ErrorIs(t, err, sql.ErrNoRows)
		for _, call := range []func(context.Context, inbox.Selection) (int, error){box.Replay, box.Purge} {
			_, err = call(t.Context(), inbox.Selection{})
			require.ErrorIs(t, err, inbox.ErrSelection)
		}
		_, err = box.Parked(t.Context(), inbox.Selection{IDs: make([]int64, 1001)}, 0, 0)
		require.ErrorContains(t, err, "1,000")

		n, err := box.Purge(t.Context(), inbox.Selection{ProfileID: "p2"})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		n, err = box.Replay(t.Context(), inbox.Selection{All: true})
		require.NoError(t, err)
		require.Equal(t, 3, n)
		run(t, box, effect)
		empty(t, box)
		require.Equal(t, []string{"p1/m0", "p1/m1", "p1/m2"}, b.effects(t), "in their order")
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t, inbox.WithKeepData(time.Hour), inbox.WithKeepKeys(2*time.Hour))
		receive(t, box, 3, "p1")
		stop := run(t, box, effect)
		empty(t, box)
		stop()
		requireCount := func(want string) {
			t.Helper()
			require.Equal(t, want, b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages WHERE data IS NOT NULL`))
		}
		requireCount("3")
		n, err := box.Forget(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		b.exec(t, `UPDATE passfort_inbox_messages SET done_at = done_at - 3600001 WHERE id < 3`)
		n, err = box.Forget(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		requireCount("1")
		b.exec(t, `UPDATE passfort_inbox_messages SET done_at = done_at - 3600001 WHERE id = 1`)
		n, err = box.Forget(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, "2", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages`))
	})
}

func TestErase(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := park(t, b)
		require.NoError(t, box.Receive(t.Context(), message("p1", 9)))
		n, err := box.Erase(t.Context(), "p1")
		require.NoError(t, err)
		require.Equal(t, 4, n)
		require.Equal(t, "0", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages WHERE profile_id = 'p1'`))
		_, err = box.Erase(t.Context(), "")
		require.ErrorIs(t, err, inbox.ErrSelection)
		run(t, box, effect)
		empty(t, box)
		require.Empty(t, b.effects(t))
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := park(t, b)
		receive(t, box, 6, "p3")
		b.exec(t, `UPDATE passfort_inbox_messages SET tries = 1, received_at = received_at - 60000
			WHERE profile_id = 'p3'`)
		h, err := box.Health(t.Context())
		require.NoError(t, err)
		require.InDelta(t, time.Minute, h.Oldest, float64(10*time.Second))
		h.Oldest = 0
		require.Equal(t, inbox.Health{Pending: 6, Retrying: 6, Profiles: 1, Parked: 5}, h)
	})
}

// Whatever is done to the messages of some profiles at once, no two transactions wait for
// each other.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	b.db.SetMaxIdleConns(40)
	handle := func(context.Context, *sql.Tx, *inbox.Message) error {
		if rand.IntN(3) == 0 {
			return inbox.ErrPark
		}
		return nil
	}
	box, other := b.inbox(t, inbox.WithKeepKeys(time.Millisecond)), b.inbox(t, inbox.WithKeepKeys(time.Millisecond))
	run(t, box, handle)
	run(t, other, handle)
	ctx := t.Context() // not one that ends: a call that is cut off may be carried out after the Erase below
	var over atomic.Bool
	time.AfterFunc(5*time.Second, func() { over.Store(true) })
	var calling sync.WaitGroup
	var messages atomic.Int64
	profile := func() string { return "p" + strconv.Itoa(rand.IntN(3)) }
	for name, call := range map[string]func() error{
		"Receive": func() error { return box.Receive(ctx, message(profile(), int(messages.Add(1)))) },
		"Receive again": func() error {
			return other.Receive(ctx, message(profile(), int(messages.Load())-rand.IntN(3)))
		},
		"Erase":  func() error { _, err := box.Erase(ctx, profile()); return err },
		"Purge":  func() error { _, err := box.Purge(ctx, inbox.Selection{All: true}); return err },
		"Replay": func() error { _, err := other.Replay(ctx, inbox.Selection{All: true}); return err },
		"Forget": func() error { _, err := other.Forget(ctx); return err },
	} {
		for range 3 {
			calling.Go(func() {
				for !over.Load() {
					if err := call(); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
	calling.Wait()
	for _, profile := range []string{"p0", "p1", "p2"} {
		_, err := box.Erase(ctx, profile)
		require.NoError(t, err)
	}
	empty(t, box)
	require.Equal(t, "0", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages`))
	require.Equal(t, "0", b.one(t, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
}

// What a handler is at is erased when it has ended, and nothing else waits for it.
func TestEraseWaitsForAHandler(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)) // SQLite has one writer
	box := b.inbox(t)
	receive(t, box, 3, "p1")
	started, end := make(chan struct{}, 3), make(chan struct{})
	release := sync.OnceFunc(func() { close(end) })
	run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error { started <- struct{}{}; <-end; return nil })
	t.Cleanup(release) // before what run waits for
	<-started
	erased := make(chan int, 1)
	go func() {
		n, err := box.Erase(t.Context(), "p1")
		if err != nil {
			t.Errorf("erase: %v", err)
		}
		erased <- n
	}()
	require.Eventually(t, func() bool { return b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages`) == "1" },
		time.Minute, time.Millisecond)
	receive(t, box, 3, "p2")
	require.Empty(t, erased)
	release()
	require.Equal(t, 3, <-erased)
	empty(t, box)
	require.Equal(t, "3", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages`))
}
