package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

func TestWhatNewRefuses(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.SQLite, filepath.Join(t.TempDir(), "inbox.db"))
	for _, test := range []struct {
		name    string
		dialect sqldb.Dialect
		option  inbox.Option
		want    string
	}{
		{"no dialect", 0, nil, "neither PostgreSQL nor SQLite"},
		{"a prefix that is SQL", inbox.SQLite, inbox.WithPrefix(`x"; DROP TABLE customers; --`), "prefix"},
		{"no prefix", inbox.SQLite, inbox.WithPrefix(""), "prefix"},
		{"a schema on SQLite", inbox.SQLite, inbox.WithSchema("s"), "no schemas"},
		{"a schema that is SQL", inbox.PostgreSQL, inbox.WithSchema("s.t"), "schema"},
		{"no workers", inbox.SQLite, inbox.WithWorkers(0), "worker"},
		{"no tries", inbox.SQLite, inbox.WithTries(0), "try"},
		{"no lease", inbox.SQLite, inbox.WithLease(0), "lease"},
		{"no poll", inbox.SQLite, inbox.WithPoll(0), "poll"},
		{"a backoff that shrinks", inbox.SQLite, inbox.WithBackoff(time.Second, 0), "backoff"},
		{"keys forgotten before data", inbox.SQLite, inbox.WithKeepData(365 * 24 * time.Hour), "keys"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := inbox.New(b.db, test.dialect, test.option)
			require.ErrorContains(t, err, test.want)
		})
	}
	_, err := inbox.New(nil, inbox.SQLite)
	require.ErrorContains(t, err, "nil")
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		opts := []inbox.Option{inbox.WithPrefix("team_")}
		tables := `SELECT COUNT(*) FROM sqlite_master WHERE name LIKE 'team_%' AND type = 'table'`
		if b.dialect == inbox.PostgreSQL {
			opts = append(opts, inbox.WithSchema("webhooks"))
			tables = `SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'webhooks'`
		}
		box, err := inbox.New(b.db, b.dialect, opts...)
		require.NoError(t, err)
		require.ErrorIs(t, box.Check(t.Context()), inbox.ErrSchema)
		require.ErrorIs(t, box.Run(t.Context(), effect), inbox.ErrSchema)
		plan, err := box.Plan(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, plan)
		require.Contains(t, plan[0].SQL[len(plan[0].SQL)-1], "team_state")
		require.Equal(t, "0", b.one(t, tables), "a plan changes nothing")

		var both sync.WaitGroup
		made := make([]int, 4)
		for i := range made {
			both.Go(func() {
				done, err := box.Migrate(t.Context())
				if err != nil {
					t.Errorf("migrations at once: %v", err)
				}
				made[i] = len(done)
			})
		}
		both.Wait()
		total := 0
		for _, n := range made {
			total += n
		}
		require.Len(t, plan, total, "each is made once")
		require.Equal(t, "4", b.one(t, tables))
		require.NoError(t, box.Check(t.Context()))
		plan, err = box.Plan(t.Context())
		require.NoError(t, err)
		require.Empty(t, plan)
		require.NoError(t, box.Receive(t.Context(), message("p1", 0)))

		migrations := "team_migrations"
		if b.dialect == inbox.PostgreSQL {
			migrations = "webhooks." + migrations
		}
		b.exec(t, `INSERT INTO `+migrations+` VALUES (99, 'of a newer version', 0)`)
		require.ErrorIs(t, box.Check(t.Context()), inbox.ErrSchema)
		_, err = box.Migrate(t.Context())
		require.ErrorIs(t, err, inbox.ErrSchema)
	})
}

// A SQLite that does not wait for its writer would fail under any load.
func TestCheckWantsATimeout(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.SQLite, filepath.Join(t.TempDir(), "inbox.db"))
	box := b.inbox(t)
	b.db.SetMaxOpenConns(1)
	b.exec(t, "PRAGMA busy_timeout = 0")
	require.ErrorContains(t, box.Check(t.Context()), "busy_timeout")
}

func TestLogHoldsNoData(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		var log buffer
		box := b.inbox(t, inbox.WithTries(2), inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		e := message("Zqcanary", 1)
		e.Event = "ZQCANARY"
		require.NoError(t, box.Receive(t.Context(), e))
		run(t, box, func(ctx context.Context, tx *sql.Tx, _ *inbox.Message) error {
			_, err := tx.ExecContext(ctx, `SELECT 'Zqcanary' FROM zqcanary`)
			return err
		})
		empty(t, box)
		require.Contains(t, log.String(), "a message was parked")
		require.Contains(t, log.String(), "event=unknown")
		if b.dialect == inbox.PostgreSQL {
			require.Contains(t, log.String(), `problem="SQLSTATE 42P01"`)
		}
		require.NotContains(t, log.String(), "qcanary")
	})
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A pause that doubled very often is the most, and not over at once.
func TestManyFailures(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		failed := make(chan struct{}, 1)
		box := b.inbox(t, inbox.WithTries(1000), inbox.WithBackoff(10*time.Second, time.Hour),
			inbox.WithObserver(func(r inbox.Result) {
				if r.Outcome == inbox.OutcomeFailed {
					select {
					case failed <- struct{}{}:
					default:
					}
				}
			}))
		receive(t, box, 1, "p1")
		b.exec(t, `UPDATE passfort_inbox_messages SET tries = 30`)
		run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error { return errBroken })
		<-failed
		require.Equal(t, "1", b.one(t, fmt.Sprintf(`SELECT COUNT(*) FROM passfort_inbox_lanes WHERE ready_at > %d`,
			time.Now().Add(30*time.Minute).UnixMilli())))
	})
}

// Behind a pooler, pgx executes statements in other ways, of which some send no types.
func TestEveryModeOfPGX(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"simple_protocol", "exec", "cache_describe", "describe_exec"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)+"&default_query_exec_mode="+mode)
			var log bytes.Buffer
			box := b.inbox(t, inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), inbox.WithTries(1),
				inbox.WithKeepData(time.Hour))
			plan, err := box.Plan(t.Context())
			require.NoError(t, err)
			require.Empty(t, plan)
			receive(t, box, 3, "p1", "p2", `it's \ é`)
			receive(t, box, 3, "p1")
			require.NoError(t, box.Pause(t.Context()))
			stop := run(t, box, func(_ context.Context, _ *sql.Tx, m *inbox.Message) error {
				if m.Tries == 0 && m.Event.ID == "m1" {
					return errBroken
				}
				return nil
			})
			require.NoError(t, box.Resume(t.Context()))
			empty(t, box)
			parked, err := box.Parked(t.Context(), inbox.Selection{
				ProfileID: "p1", Event: passfort.EventCheckCompleted, Before: time.Now().Add(time.Hour),
			}, 0, 0)
			require.NoError(t, err)
			require.Len(t, parked, 1)
			shown, err := box.Show(t.Context(), parked[0].ID)
			require.NoError(t, err)
			require.Equal(t, "p1", shown.Event.ProfileID)
			n, err := box.Replay(t.Context(), inbox.Selection{IDs: []int64{parked[0].ID}})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			empty(t, box)
			n, err = box.Purge(t.Context(), inbox.Selection{ProfileID: "p2"})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			n, err = box.Erase(t.Context(), "p1")
			require.NoError(t, err)
			require.Equal(t, 3, n)
			_, err = box.Forget(t.Context())
			require.NoError(t, err)
			require.NoError(t, sqldb.Place{Dialect: b.dialect}.Tx(t.Context(), b.db, func(tx *sql.Tx) error {
				return box.Remember(t.Context(), tx, "before")
			}))
			stop()
			for line := range strings.Lines(log.String()) {
				require.Contains(t, line, "a message was parked")
			}
		})
	}
}
