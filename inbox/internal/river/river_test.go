package river_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/internal/postgrestest"
)

// decision is a job about a message.
type decision struct {
	Key string `json:"key"`
}

func (decision) Kind() string { return "decision" }

// decide works jobs, and counts them.
type decide struct {
	river.WorkerDefaults[decision]
	done *atomic.Int64
}

func (d *decide) Work(context.Context, *river.Job[decision]) error {
	d.done.Add(1)
	return nil
}

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// migrate makes the tables of both.
func migrate(t *testing.T, db *sql.DB) *inbox.Inbox {
	t.Helper()
	migrator, err := rivermigrate.New(riverdatabasesql.New(db), nil)
	require.NoError(t, err)
	_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(t, err)
	box := newInbox(t, db)
	_, err = box.Migrate(t.Context())
	require.NoError(t, err)
	return box
}

func newInbox(t *testing.T, db *sql.DB) *inbox.Inbox {
	t.Helper()
	box, err := inbox.New(db, inbox.PostgreSQL, inbox.WithBackoff(time.Millisecond, time.Millisecond),
		inbox.WithPoll(100*time.Millisecond))
	require.NoError(t, err)
	return box
}

// client returns a River client that works jobs with 8 workers.
func client(t *testing.T, db *sql.DB, done *atomic.Int64) *river.Client[*sql.Tx] {
	t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &decide{done: done})
	c, err := river.NewClient(riverdatabasesql.New(db), &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 8}}, Workers: workers,
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 50 * time.Millisecond,
	})
	require.NoError(t, err)
	return c
}

func message(n int) *passfort.WebhookEvent {
	return &passfort.WebhookEvent{
		ID: fmt.Sprint(n), Event: passfort.EventCheckCompleted, ProfileID: fmt.Sprintf("p%d", n%100),
		Data: []byte(`{"check":{"id":"c1"},"profile_id":"p1"}`),
	}
}

// run runs do until the test ends, and waits for it.
func run(t *testing.T, do func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return stop
}

// A job and the fact that its message is handled are one commit.
func TestJobInTheTransactionOfTheHandler(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.Start(t).Database(t))
	box := migrate(t, db)
	var done, calls atomic.Int64
	jobs := client(t, db, &done)
	require.NoError(t, box.Receive(t.Context(), message(1)))
	stop := run(t, func(ctx context.Context) error {
		return box.Run(ctx, func(ctx context.Context, tx *sql.Tx, m *inbox.Message) error {
			if _, err := jobs.InsertTx(ctx, tx, decision{Key: m.Key}, nil); err != nil {
				return err
			}
			if calls.Add(1) == 1 {
				return errors.New("after the job was inserted")
			}
			return nil
		})
	})
	require.NoError(t, jobs.Start(t.Context()))
	require.Eventually(t, func() bool { return done.Load() > 0 }, time.Minute, 10*time.Millisecond)
	stop()
	require.NoError(t, jobs.Stop(context.WithoutCancel(t.Context())))
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job`).Scan(&n))
	require.Equal(t, 1, n, "the job of the try that failed is undone")
	require.EqualValues(t, 2, calls.Load())
	require.EqualValues(t, 1, done.Load())
}

// feed calls insert for n messages, 8 at a time, as requests of an endpoint would.
func feed(t *testing.T, n int, insert func(n int) error) {
	t.Helper()
	var feeding sync.WaitGroup
	for lane := range 8 {
		feeding.Go(func() {
			for i := lane; i < n; i += 8 {
				if err := insert(i); err != nil {
					t.Errorf("insert: %v", err)
					return
				}
			}
		})
	}
	feeding.Wait()
}

// Messages stored and handled beside jobs inserted and worked, with 1, 2 and 4 processes
// of 8 workers. River keeps no order and works a job at least once.
func TestThroughputBesideRiver(t *testing.T) {
	t.Parallel()
	messages := 200
	if os.Getenv("PASSFORT_LONG") == "1" {
		messages = 4000
	}
	server := postgrestest.Start(t)
	for _, processes := range []int{1, 2, 4} {
		var rates [2]float64
		for i, system := range []string{"inbox", "River"} {
			url := server.Database(t)
			db := open(t, url)
			box := migrate(t, db)
			var done atomic.Int64
			insert := func(n int) error { return box.Receive(t.Context(), message(n)) }
			var stops []func()
			for range processes {
				own := open(t, url)
				if system == "inbox" {
					b := newInbox(t, own)
					stops = append(stops, run(t, func(ctx context.Context) error {
						return b.Run(ctx, func(context.Context, *sql.Tx, *inbox.Message) error {
							done.Add(1)
							return nil
						})
					}))
					continue
				}
				c := client(t, own, &done)
				require.NoError(t, c.Start(t.Context()))
				stops = append(stops, func() { require.NoError(t, c.Stop(context.WithoutCancel(t.Context()))) })
				insert = func(n int) error {
					_, err := c.Insert(t.Context(), decision{Key: fmt.Sprint(n)}, nil)
					return err
				}
			}
			began := time.Now()
			feed(t, messages, insert)
			require.Eventually(t, func() bool { return done.Load() >= int64(messages) }, 5*time.Minute,
				time.Millisecond)
			rates[i] = float64(messages) / time.Since(began).Seconds()
			for _, stop := range stops {
				stop()
			}
		}
		t.Logf("%d messages, %d processes: inbox %.0f/s, River %.0f/s, ratio %.2f", messages, processes, rates[0],
			rates[1], rates[0]/rates[1])
	}
}
