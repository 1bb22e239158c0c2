package inbox_test

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/inbox"
)

// sleepy runs an inbox that polls once an hour, and returns it when it is listening, and
// what is closed at its first message.
func sleepy(t *testing.T, b base, opts ...inbox.Option) (box *inbox.Inbox, handled <-chan struct{}) {
	t.Helper()
	box = b.inbox(t, append(opts, inbox.WithPoll(time.Hour))...)
	done := make(chan struct{})
	run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error { close(done); return nil })
	require.Eventually(t, func() bool {
		h, err := box.Health(t.Context())
		return err == nil && h.Listening
	}, time.Minute, 10*time.Millisecond)
	<-time.After(100 * time.Millisecond) // it looked
	return box, done
}

// A lane is locked for a moment by a message that turns out to be stored already. A process
// that looked just then has to look again.
func TestWokenForWhatWasReceivedTwice(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	other := open(t, inbox.PostgreSQL, b.url).inbox(t)
	receive(t, other, 1, "p1")
	first, err := b.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = first.ExecContext(t.Context(), `INSERT INTO passfort_inbox_messages
		(message_key, lane, profile_id, event, received_at, state) VALUES ('p1/m1', 'p1', 'p1', 'E', 1, 1)`)
	require.NoError(t, err)
	second := make(chan error, 1)
	go func() { second <- other.Receive(t.Context(), message("p1", 1)) }()
	require.Eventually(t, func() bool {
		return b.one(t, `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
			AND datname = current_database()`) == "1"
	}, time.Minute, 10*time.Millisecond)
	_, handled := sleepy(t, open(t, inbox.PostgreSQL, b.url))
	require.NoError(t, first.Commit())
	require.NoError(t, <-second)
	within(t, handled)
}

// What a person does at a shell is another process too.
func TestWokenByReplayAndResume(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		first, do func(ctx context.Context, other *inbox.Inbox) error
	}{
		{"resume", func(ctx context.Context, other *inbox.Inbox) error { return other.Pause(ctx) },
			func(ctx context.Context, other *inbox.Inbox) error { return other.Resume(ctx) }},
		{"replay", func(ctx context.Context, other *inbox.Inbox) error {
			ctx, cancel := context.WithCancel(ctx)
			return other.Run(ctx, func(context.Context, *sql.Tx, *inbox.Message) error {
				cancel()
				return inbox.ErrPark
			})
		}, func(ctx context.Context, other *inbox.Inbox) error {
			_, err := other.Replay(ctx, inbox.Selection{All: true})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
			other := open(t, inbox.PostgreSQL, b.url).inbox(t)
			receive(t, other, 1, "p1")
			require.NoError(t, test.first(t.Context(), other))
			_, handled := sleepy(t, b)
			require.NoError(t, test.do(t.Context(), other))
			within(t, handled)
		})
	}
}

// A process that stops leaves lanes that others would only see when they poll: one with
// further messages, and one whose handler did not end in its grace.
func TestWokenByAStop(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		messages int
		handle   func(stopping, ctx context.Context) error
	}{
		{"between two messages", 2, func(stopping, _ context.Context) error { <-stopping.Done(); return nil }},
		{"after a message that is parked", 2, func(stopping, _ context.Context) error {
			<-stopping.Done()
			return inbox.ErrPark
		}},
		{"within a message", 1, func(_, ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)) // SQLite has no NOTIFY
			other := open(t, inbox.PostgreSQL, b.url).inbox(t, inbox.WithLease(time.Hour),
				inbox.WithGrace(100*time.Millisecond), inbox.WithBackoff(time.Hour, time.Hour))
			receive(t, other, test.messages, "p1")
			stopping, stop := context.WithCancel(t.Context())
			defer stop()
			started, stopped := make(chan struct{}), make(chan error, 1)
			go func() {
				stopped <- other.Run(stopping, func(ctx context.Context, _ *sql.Tx, _ *inbox.Message) error {
					close(started)
					return test.handle(stopping, ctx)
				})
			}()
			<-started
			_, handled := sleepy(t, b)
			stop()
			require.NoError(t, <-stopped)
			within(t, handled)
		})
	}
}

// PostgreSQL refuses a NOTIFY whose channel has a long name.
func TestWokenUnderLongNames(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	long := []inbox.Option{inbox.WithSchema(strings.Repeat("s", 40)), inbox.WithPrefix(strings.Repeat("p", 40))}
	_, handled := sleepy(t, b, long...)
	receive(t, open(t, inbox.PostgreSQL, b.url).inbox(t, long...), 1, "p1")
	within(t, handled)
}

// A NOTIFY that hangs holds up no delivery for more than that one and its own.
func TestHangingNotify(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	var began atomic.Int64
	over := make(chan struct{})
	box := b.faulty(t, true, func(statement string) bool {
		if strings.Contains(statement, "pg_notify") {
			began.Add(1)
			<-over
		}
		return false
	}).inbox(t)
	received := make(chan int, 10)
	deliver := func(n int) {
		go func() {
			if err := box.Receive(t.Context(), message("p"+strconv.Itoa(n), n)); err != nil {
				t.Errorf("receive: %v", err)
			}
			received <- n
		}()
	}
	reach := func(notifications int64, unsaid int) {
		t.Helper()
		require.Eventually(t, func() bool {
			return began.Load() == notifications && box.Unsaid() == unsaid
		}, time.Minute, time.Millisecond)
	}
	deliver(0)
	reach(1, 0)
	for n := 1; n <= 4; n++ {
		deliver(n)
		reach(1, n)
	}
	over <- struct{}{}
	require.Equal(t, 0, <-received)
	reach(2, 0) // which wakes for 1 to 4
	deliver(5)
	reach(2, 1)
	over <- struct{}{}
	for range 4 {
		require.NotEqual(t, 5, <-received)
	}
	reach(3, 0)
	close(over)
	require.Equal(t, 5, <-received)
}
