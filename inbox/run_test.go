package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/internal/postgrestest"
)

var errBroken = errors.New("broken")

func TestMessagesOfAProfileInOrder(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t)
		receive(t, box, 20, "p1", "p2", "p3")
		run(t, box, effect)
		empty(t, box)
		requireOrder(t, b.effects(t), 60)
		require.Equal(t, "60",
			b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages WHERE state = 1 AND data IS NULL`),
			"what was handled is erased")
	})
}

// requireOrder requires n keys, each once, those of a profile in order.
func requireOrder(t *testing.T, keys []string, n int) {
	t.Helper()
	require.Len(t, keys, n)
	last := map[string]int{}
	for _, key := range keys {
		profile, id, _ := strings.Cut(key, "/")
		var i int
		_, err := fmt.Sscanf(id, "m%d", &i)
		require.NoError(t, err)
		require.Equal(t, last[profile], i, "%s: once and in order", profile)
		last[profile]++
	}
}

func TestOneAtATimeForAProfile(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box, other := b.inbox(t), b.inbox(t)
		var mu sync.Mutex
		busy, most := map[string]bool{}, 0
		together := make(chan struct{}) // closed when two profiles are at it at once
		meet := sync.OnceFunc(func() { close(together) })
		if b.dialect == inbox.SQLite {
			meet() // it has one writer
		}
		handle := func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
			mu.Lock()
			if busy[m.Event.ProfileID] {
				t.Errorf("two messages of a profile at once")
			}
			busy[m.Event.ProfileID] = true
			if most = max(most, len(busy)); most > 1 {
				meet()
			}
			mu.Unlock()
			select {
			case <-together:
			case <-time.After(10 * time.Second):
			}
			<-time.After(2 * time.Millisecond)
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				delete(busy, m.Event.ProfileID)
			}()
			return effect(ctx, tx, m)
		}
		receive(t, box, 10, "p1", "p2", "p3", "p4")
		run(t, box, handle)
		run(t, other, handle)
		empty(t, box)
		requireOrder(t, b.effects(t), 40)
		if b.dialect == inbox.PostgreSQL {
			require.Greater(t, most, 1, "different profiles at once")
		}
	})
}

func TestFailureIsTriedAgainThenParked(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		var outcomes sync.Map
		box := b.inbox(t, inbox.WithTries(3), inbox.WithObserver(func(r inbox.Result) {
			n, _ := outcomes.LoadOrStore(r.Outcome, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		}))
		receive(t, box, 3, "p1")
		var calls atomic.Int64
		run(t, box, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
			if m.Event.ID != "m1" {
				return effect(ctx, tx, m)
			}
			if err := effect(ctx, tx, m); err != nil {
				return err
			}
			if calls.Add(1) == 2 {
				panic("Zqcanary")
			}
			return errBroken
		})
		empty(t, box)
		require.Equal(t, []string{"p1/m0", "p1/m2"}, b.effects(t), "what a failed handler did is undone")
		require.EqualValues(t, 3, calls.Load())
		list, err := box.Parked(t.Context(), inbox.Selection{All: true}, 0, 0)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "p1/m1", list[0].Key)
		require.Equal(t, 3, list[0].Tries)
		require.Equal(t, "broken", list[0].Problem)
		for outcome, want := range map[inbox.Outcome]int64{inbox.OutcomeStored: 3, inbox.OutcomeHandled: 2,
			inbox.OutcomeFailed: 2, inbox.OutcomeParked: 1} {
			n, _ := outcomes.Load(outcome)
			require.Equal(t, want, n.(*atomic.Int64).Load(), outcome)
		}
	})
}

func TestFailuresThatAreNotTheHandlers(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		for _, test := range []struct {
			name   string
			err    error
			parked bool
		}{
			{"a serialization failure", state("40001"), false},
			{"the server shuts down", state("57P01"), false},
			{"a unique key", state("23505"), true},
			{"a statement that takes too long", state("57014"), true},
			{"a timeout of the handler's own", context.DeadlineExceeded, true},
			{"to be parked", fmt.Errorf("no use: %w", inbox.ErrPark), true},
		} {
			t.Run(test.name, func(t *testing.T) {
				box := b.inbox(t, inbox.WithTries(1), inbox.WithPrefix("p"+fmt.Sprint(time.Now().UnixNano())))
				receive(t, box, 1, "p1")
				var calls atomic.Int64
				stop := run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error {
					if calls.Add(1) == 1 {
						return test.err
					}
					return nil
				})
				empty(t, box)
				stop()
				h, err := box.Health(t.Context())
				require.NoError(t, err)
				require.Equal(t, test.parked, h.Parked == 1)
			})
		}
	})
}

type state string

func (s state) Error() string    { return "Zqcanary" }
func (s state) SQLState() string { return string(s) }

// A payload that cannot be read, such as one that was changed by hand, holds up no profile.
func TestUnreadablePayloadIsParked(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t, inbox.WithTries(2))
		receive(t, box, 2, "p1")
		b.exec(t, `UPDATE passfort_inbox_messages SET data = '{' WHERE message_key = 'p1/m0'`)
		run(t, box, effect)
		empty(t, box)
		require.Equal(t, []string{"p1/m1"}, b.effects(t))
		h, err := box.Health(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, h.Parked)
	})
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t)
		require.NoError(t, box.Pause(t.Context()))
		require.NoError(t, box.Pause(t.Context()), "twice is no error")
		receive(t, box, 2, "p1")
		started := make(chan struct{}, 10)
		run(t, box, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
			started <- struct{}{}
			if m.Event.ID == "m0" {
				if err := box.Pause(context.WithoutCancel(ctx)); b.dialect == inbox.PostgreSQL {
					return err // SQLite has one writer
				}
			}
			return effect(ctx, tx, m)
		})
		<-time.After(100 * time.Millisecond)
		require.Empty(t, started)
		h, err := box.Health(t.Context())
		require.NoError(t, err)
		require.True(t, h.Paused)
		require.EqualValues(t, 2, h.Pending)
		if b.dialect == inbox.SQLite {
			return // the handler above holds the only writer
		}
		require.NoError(t, box.Resume(t.Context()))
		<-started
		<-time.After(100 * time.Millisecond)
		require.Empty(t, started, "a pause holds within the turn of a profile")
		require.NoError(t, box.Resume(t.Context()))
		empty(t, box)
	})
}

func TestStopGivesLanesBack(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t, inbox.WithLease(time.Hour), inbox.WithGrace(time.Millisecond))
		receive(t, box, 2, "p1")
		started := make(chan struct{}, 1)
		stop := run(t, box, func(ctx context.Context, _ *sql.Tx, _ *inbox.Message) error {
			started <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
		<-started
		stop()
		run(t, box, effect)
		empty(t, box)
		requireOrder(t, b.effects(t), 2)
	})
}

// A message that ends its process each time is parked as any other.
func TestDeadlyMessageIsParked(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t, inbox.WithTries(2), inbox.WithLease(200*time.Millisecond))
		receive(t, box, 2, "p1")
		for range 3 {
			worker := start(t, "deadly", b)
			require.Error(t, worker.Wait())
		}
		run(t, box, effect)
		empty(t, box)
		require.Equal(t, []string{"p1/m1"}, b.effects(t))
	})
}

// What the database does to a process that lives is no end of it: the message is not
// parked.
func TestFaultsOfTheDatabaseParkNothing(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		for _, test := range []struct {
			name, statement string
			carryOut        bool
			failures        int64 // of the handler
		}{
			{"the answers to claims are lost", "RETURNING lane, deaths", true, 0},
			{"the database is away when the lane is given back", "SET owner = '', deaths = 0", false, 4},
		} {
			t.Run(test.name, func(t *testing.T) {
				var faults, calls atomic.Int64
				var began time.Time
				faulty := b.faulty(t, test.carryOut, func(statement string) bool {
					if !strings.Contains(statement, test.statement) {
						return false
					}
					// Claims that find nothing are lost too: these go on for some leases.
					return faults.Add(1) <= 4 || test.failures == 0 && time.Since(began) < 3*time.Second
				})
				box := faulty.inbox(t, inbox.WithTries(1), inbox.WithLease(500*time.Millisecond),
					inbox.WithPrefix("p"+fmt.Sprint(time.Now().UnixNano())))
				receive(t, box, 1, "p1")
				began = time.Now()
				stop := run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error {
					if calls.Add(1) <= test.failures {
						return state("57P01")
					}
					return nil
				})
				empty(t, box)
				stop()
				require.GreaterOrEqual(t, faults.Load(), int64(4))
				h, err := box.Health(t.Context())
				require.NoError(t, err)
				require.Zero(t, h.Parked)
			})
		}
	})
}

// Another process took the lane before this one could give it back, and counted an end.
func TestEndThatWasNoneIsTakenBack(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		var once sync.Once
		faulty := b.faulty(t, false, func(statement string) (lost bool) {
			if strings.Contains(statement, "SET owner = '', deaths = 0") {
				once.Do(func() {
					lost = true
					b.exec(t, fmt.Sprintf(`UPDATE passfort_inbox_lanes SET owner = 'another', deaths = 2,
						ready_at = %d`,
						time.Now().Add(5*time.Minute).UnixMilli()))
				})
			}
			return lost
		})
		box := faulty.inbox(t)
		receive(t, box, 1, "p1")
		run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error { return state("57P01") })
		require.Eventually(t, func() bool {
			return b.one(t, `SELECT CAST(deaths AS TEXT) || owner FROM passfort_inbox_lanes`) == "1another"
		}, time.Minute, 10*time.Millisecond)
	})
}

// A handler that was late, with its lane taken by another process, commits nothing, and
// takes back the end that the other one counted: this process lives.
func TestLateProcessIsNoEnd(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t)) // on SQLite no lane is taken while a handler runs
	box := b.inbox(t, inbox.WithLease(time.Hour))
	receive(t, box, 1, "p1")
	run(t, box, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
		b.exec(t, fmt.Sprintf(`UPDATE passfort_inbox_lanes SET owner = 'another', deaths = deaths + 1, ready_at = %d`,
			time.Now().Add(5*time.Minute).UnixMilli()))
		return effect(ctx, tx, m)
	})
	require.Eventually(t, func() bool {
		return b.one(t, `SELECT CAST(deaths AS TEXT) || owner FROM passfort_inbox_lanes`) == "0another"
	}, time.Minute, 10*time.Millisecond)
	require.Empty(t, b.effects(t))
	require.Equal(t, "0", b.one(t, `SELECT tries FROM passfort_inbox_messages`), "and no failure of the message")
}

// start starts this test binary as a process that works on the inbox.
func start(t *testing.T, kind string, b base) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), "INBOX_TEST_WORKER="+b.dialect.String()+" "+kind, "INBOX_TEST_DATABASE="+b.url)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// work is the process of start.
func work(kind, address string) {
	dialect := inbox.PostgreSQL
	if strings.HasPrefix(kind, inbox.SQLite.String()) {
		dialect = inbox.SQLite
	}
	db, err := connect(dialect, address)
	if err != nil {
		panic(err)
	}
	handle := effect
	lease := time.Second
	if strings.HasSuffix(kind, "deadly") {
		lease = 200 * time.Millisecond
		handle = func(context.Context, *sql.Tx, *inbox.Message) error { os.Exit(1); return nil }
	}
	box, err := inbox.New(db, dialect, inbox.WithLease(lease), inbox.WithPoll(50*time.Millisecond),
		inbox.WithTries(1000))
	if err != nil {
		panic(err)
	}
	for {
		// The database may be starting again.
		if err := box.Run(context.Background(), handle); err == nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}

// Once means once, and in the order of each profile, while processes are killed and
// the database crashes.
func TestOnceThroughKills(t *testing.T) {
	t.Parallel()
	messages, pause := 600, 700*time.Millisecond
	if full() {
		messages, pause = 50_000, 5*time.Second
	}
	for _, test := range []struct {
		name      string
		processes int
		crashes   int
		open      func(t *testing.T) (base, func())
	}{
		{"PostgreSQL", 3, 3, func(t *testing.T) (base, func()) {
			own := postgrestest.Start(t)
			return open(t, inbox.PostgreSQL, own.Database(t)), func() { own.Crash(t) }
		}},
		{"SQLite", 1, 0, func(t *testing.T) (base, func()) {
			return open(t, inbox.SQLite, t.TempDir()+"/inbox.db"), func() {}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, crash := test.open(t)
			box := b.inbox(t)
			began := time.Now()
			var processes []*exec.Cmd
			for range test.processes {
				processes = append(processes, start(t, "", b))
			}
			var feeding sync.WaitGroup
			fed := make(chan struct{})
			const profiles = 40
			for p := range profiles {
				feeding.Go(func() {
					for n := range messages / profiles {
						for box.Receive(t.Context(), message(fmt.Sprintf("p%d", p), n)) != nil { // as Passfort does
							<-time.After(20 * time.Millisecond)
						}
					}
				})
			}
			go func() { feeding.Wait(); close(fed) }()
			kills, crashed := 0, 0
			for over := false; !over || crashed < test.crashes; {
				<-time.After(pause)
				victim := kills % test.processes
				require.NoError(t, processes[victim].Process.Signal(syscall.SIGKILL))
				_ = processes[victim].Wait()
				processes[victim] = start(t, "", b)
				kills++
				if crashed < test.crashes && kills%2 == 0 {
					crash()
					crashed++
				}
				select {
				case <-fed:
					h, err := box.Health(t.Context())
					over = err == nil && h.Pending == 0
				default:
				}
				require.Less(t, time.Since(began), 20*time.Minute)
			}
			empty(t, box)
			requireOrder(t, b.effects(t), messages)
			h, err := box.Health(t.Context())
			require.NoError(t, err)
			require.Zero(t, h.Parked)
			t.Logf("%d messages, %d processes, %d kills, %d crashes of the database: %s", messages, test.processes,
				kills, crashed, time.Since(began).Round(time.Millisecond))
		})
	}
}

// A process that was taken for dead and is not cannot commit what another one does.
func TestLostLease(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	box := b.inbox(t)
	receive(t, box, 1, "p1")
	var lost, calls atomic.Int64
	run(t, box, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
		if calls.Add(1) == 1 {
			_, err := b.db.ExecContext(t.Context(), `UPDATE passfort_inbox_lanes SET owner = 'another', ready_at = 0`)
			if err != nil {
				return err
			}
			<-ctx.Done()
			lost.Add(1)
		}
		return effect(context.WithoutCancel(ctx), tx, m)
	})
	empty(t, box)
	require.EqualValues(t, 1, lost.Load(), "the handler's context ends")
	requireOrder(t, b.effects(t), 1)
}

func TestWordsOfErrors(t *testing.T) {
	t.Parallel()
	require.Equal(t, "SQLSTATE 23505", sqldb.Word(fmt.Errorf("x: %w", state("23505"))))
	require.Equal(t, "*errors.errorString", sqldb.Word(fmt.Errorf("Zqcanary: %w", errBroken)))
}

// Looking for messages reads those that are ready, not those that wait.
func TestLookingReadsWhatIsReady(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	box := b.inbox(t, inbox.WithPoll(10*time.Millisecond), inbox.WithoutListen())
	b.exec(t, fmt.Sprintf(`INSERT INTO passfort_inbox_lanes (lane, ready_at)
		SELECT 'waits ' || i, %d FROM generate_series(1, 20000) AS i`, time.Now().Add(time.Minute).UnixMilli()))
	b.exec(t, `ANALYZE passfort_inbox_lanes`)
	own := open(t, inbox.PostgreSQL, b.url)
	stop := run(t, own.inbox(t, inbox.WithPoll(10*time.Millisecond), inbox.WithoutListen()), effect)
	for i := range 50 {
		require.NoError(t, box.Receive(t.Context(), message("p1", i)))
		require.Eventually(t, func() bool { return len(b.effects(t)) == i+1 }, time.Minute, time.Millisecond)
	}
	stop()
	require.NoError(t, own.db.Close()) // which makes PostgreSQL count what its connections did
	require.NoError(t, b.db.Close())
	b = open(t, inbox.PostgreSQL, b.url)
	read := func() int {
		n, err := strconv.Atoi(b.one(t, `SELECT seq_tup_read + (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes
			WHERE relname = 'passfort_inbox_lanes') FROM pg_stat_user_tables WHERE relname = 'passfort_inbox_lanes'`))
		require.NoError(t, err)
		return n
	}
	require.Eventually(t, func() bool { return read() > 50 }, time.Minute, 10*time.Millisecond)
	require.Less(t, read(), 60_000, "the lanes themselves, once for ANALYZE and to spare, and each message some")
}

// A pool that keeps too few connections is reported once.
func TestPoolWithoutRoomIsReported(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.SQLite, filepath.Join(t.TempDir(), "inbox.db"))
	var log bytes.Buffer
	box := b.inbox(t, inbox.WithPoll(time.Millisecond), inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	stop := run(t, box, effect)
	b.db.SetMaxIdleConns(-1) // each is closed
	require.Eventually(t, func() bool { return b.db.Stats().MaxIdleClosed > 1200 }, time.Minute, time.Millisecond)
	for range 20 {
		require.NoError(t, box.Check(t.Context()))
	}
	stop()
	require.Equal(t, 1, strings.Count(log.String(), "SetMaxIdleConns"), "%s", log.String())
}
