package syncer_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/internal/postgrestest"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv("SYNCER_TEST_WORKER"); kind != "" {
		work(kind)
		return
	}
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// postgres is the server of all tests.
var postgres postgrestest.Shared

// full reports whether figures are to be measured in full.
func full() bool { return os.Getenv("PASSFORT_LONG") == "1" }

const keyName = "sync"

// How long, and how often, tests look for what has to happen.
const (
	timeout = time.Minute
	tick    = 10 * time.Millisecond
)

// Two tables of foreign shape: a uuid for a key, a date, numbers, NULLs, and names that
// are not Passfort's.
const (
	peopleTable = `CREATE TABLE crm_people (person %s PRIMARY KEY, first_names TEXT NOT NULL DEFAULT '', surname TEXT,
		born %s, citizen_of TEXT,
		mail TEXT, home TEXT, vip %s, score %s, notes TEXT)`
	companiesTable = `CREATE TABLE crm_firms (firm %s PRIMARY KEY, title TEXT, reg_no TEXT, founded %s, staff %s, ` +
		`notes TEXT)`
)

func people(d sqldb.Dialect) syncer.Mapping {
	return syncer.Mapping{
		Entity: passfort.EntityTypeIndividual,
		Table:  syncer.SQLTable{Dialect: d, Name: "crm_people", Key: "person", NotNull: []string{"first_names"}},
		Fields: []syncer.Field{
			syncer.Words("first_names", func(d *passfort.EntityData) *[]string { return &name(d).GivenNames }),
			syncer.Text("surname", func(d *passfort.EntityData) *string { return &name(d).FamilyName }),
			syncer.Date("born", func(d *passfort.EntityData) *string {
				return &passfort.Ensure(&d.PersonalDetails).DOB
			}),
			syncer.Text("citizen_of", func(d *passfort.EntityData) *string {
				return &passfort.Ensure(&d.PersonalDetails).Nationality
			}),
			syncer.Text("mail", func(d *passfort.EntityData) *string {
				return &passfort.Ensure(&d.ContactDetails).Email
			}),
			syncer.Address("home", syncer.CurrentAddress),
			syncer.Custom("vip", syncer.KindBool, "vip"),
			syncer.Custom("score", syncer.KindNumber, "score"),
		},
	}
}

func name(d *passfort.EntityData) *passfort.FullName {
	return passfort.Ensure(&passfort.Ensure(&d.PersonalDetails).Name)
}

func companies(d sqldb.Dialect) syncer.Mapping {
	return syncer.Mapping{
		Entity: passfort.EntityTypeCompany,
		Table:  syncer.SQLTable{Dialect: d, Name: "crm_firms", Key: "firm"},
		Fields: []syncer.Field{
			syncer.Text("title", func(d *passfort.EntityData) *string { return &passfort.Ensure(&d.Metadata).Name }),
			syncer.Text("reg_no", func(d *passfort.EntityData) *string { return &passfort.Ensure(&d.Metadata).Number }),
			syncer.Date("founded", func(d *passfort.EntityData) *string {
				return &passfort.Ensure(&d.Metadata).IncorporationDate
			}),
			syncer.Number("staff", func(d *passfort.EntityData) **float64 {
				return &passfort.Ensure(&d.Metadata).NumberOfEmployees
			}),
		},
	}
}

// world is a simulated Passfort, a database and the endpoint of its webhooks.
type world struct {
	t       *testing.T
	sim     *passforttest.Server
	api     *passfort.Client // of another system than the syncer
	dialect sqldb.Dialect
	url     string
	db      *sql.DB
	box     *inbox.Inbox
	sync    *syncer.Syncer
}

func connect(d sqldb.Dialect, address string) (*sql.DB, error) {
	if d == sqldb.PostgreSQL {
		return sql.Open("pgx", address)
	}
	options := url.Values{"_pragma": {"journal_mode(WAL)", "busy_timeout(30000)", "synchronous(NORMAL)"}}
	return sql.Open("sqlite", "file:"+address+"?"+options.Encode())
}

// worlds runs a test with an empty database of each kind.
func worlds(t *testing.T, test func(t *testing.T, w *world), opts ...passforttest.Option) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, sqldb.SQLite, filepath.Join(t.TempDir(), "crm.db"), opts...))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, sqldb.PostgreSQL, postgres.Get(t).Database(t), opts...))
	})
}

func newWorld(t *testing.T, d sqldb.Dialect, address string, opts ...passforttest.Option) *world {
	t.Helper()
	w := &world{t: t, dialect: d, url: address}
	w.sim = passforttest.NewServer(append([]passforttest.Option{
		passforttest.WithAPIKey("test-key"), passforttest.WithAPIKeyName(keyName), passforttest.WithoutRateLimits(),
		passforttest.WithWebhookPace(10 * time.Millisecond),
		passforttest.WithWebhookBackoff(5*time.Millisecond, 50*time.Millisecond),
	}, opts...)...)
	t.Cleanup(w.sim.Close)
	w.api = w.sim.Client()
	var err error
	w.db, err = connect(d, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.db.Close() })
	uuid, date, boolean, number := "TEXT", "TEXT", "INTEGER", "REAL"
	if d == sqldb.PostgreSQL {
		uuid, date, boolean, number = "UUID", "DATE", "BOOLEAN", "NUMERIC"
	}
	w.exec(fmt.Sprintf(peopleTable, uuid, date, boolean, number))
	w.exec(fmt.Sprintf(companiesTable, uuid, date, number))
	w.box, w.sync = services(t, w.db, d, w.sim.Client(), people(d), companies(d))
	_, err = w.box.Migrate(t.Context())
	require.NoError(t, err)
	_, err = w.sync.Migrate(t.Context())
	require.NoError(t, err)
	hooks, err := w.box.WebhookHandler([]string{"a secret"})
	require.NoError(t, err)
	endpoint := httptest.NewServer(hooks)
	t.Cleanup(endpoint.Close)
	w.sim.SetWebhook(endpoint.URL, "a secret", true)
	return w
}

// services returns the parts of a process.
func services(
	t testing.TB, db *sql.DB, d sqldb.Dialect, client *passfort.Client, mappings ...syncer.Mapping,
) (*inbox.Inbox, *syncer.Syncer) {
	t.Helper()
	box, err := inbox.New(db, d, inbox.WithPoll(20*time.Millisecond), inbox.WithLease(time.Second),
		inbox.WithWorkers(4), inbox.WithTries(1000))
	require.NoError(t, err)
	sync, err := syncer.New(db, d, client, mappings, syncer.WithKeyName(keyName), syncer.WithPoll(20*time.Millisecond),
		syncer.WithLease(time.Second), syncer.WithBackoff(10*time.Millisecond,
			200*time.Millisecond), syncer.WithWorkers(4))
	require.NoError(t, err)
	return box, sync
}

func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	_, err := w.db.ExecContext(w.t.Context(), sqldb.Place{Dialect: w.dialect}.SQL(statement), args...)
	require.NoError(w.t, err)
}

// one returns the single value of a query as text, "" for NULL.
func (w *world) one(query string, args ...any) string {
	w.t.Helper()
	var v sql.NullString
	require.NoError(w.t, w.db.QueryRowContext(w.t.Context(), sqldb.Place{Dialect: w.dialect}.SQL(query),
		args...).Scan(&v))
	return v.String
}

// start runs the parts of a process until the test, or stop, ends it.
func (w *world) start() (stop func()) { return start(w.t, w.box, w.sync) }

func start(t *testing.T, box *inbox.Inbox, sync *syncer.Syncer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 2)
	go func() { done <- box.Run(ctx, sync.Handle) }()
	go func() { done <- sync.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(stop)
	return stop
}

// quiet waits until nothing is under way anywhere.
func (w *world) quiet() {
	w.t.Helper()
	most := 2 * time.Minute
	if full() {
		most = 20 * time.Minute
	}
	require.Eventually(w.t, func() bool {
		if w.sim.WaitWebhooks(w.t.Context()) != nil || len(w.sim.PendingWebhooks()) > 0 {
			return false
		}
		inboxHealth, err := w.box.Health(w.t.Context())
		if err != nil || inboxHealth.Pending > 0 {
			return false
		}
		h, err := w.sync.Health(w.t.Context())
		return err == nil && h.Working == 0
	}, most, 20*time.Millisecond)
}

// key returns the nth key.
func key(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// add makes a customer and a profile that belong together and differ: a person, or for
// an odd number a company.
func (w *world) add(n int) (entity passfort.EntityType, profileID string) {
	w.t.Helper()
	data := passfort.NewIndividual()
	role := passfort.RoleIndividualCustomer
	if n%2 == 1 {
		data, role = passfort.NewCompany(), passfort.RoleCompanyCustomer
		passfort.Ensure(&data.Metadata).Name = fmt.Sprintf("Firm %d", n)
		w.exec(`INSERT INTO crm_firms (firm, notes) VALUES (?, 'ours alone')`, key(n))
	} else {
		name(data).FamilyName = fmt.Sprintf("Person %d", n)
		passfort.Ensure(&data.PersonalDetails).Nationality = "GBR"
		w.exec(`INSERT INTO crm_people (person, notes) VALUES (?, 'ours alone')`, key(n))
	}
	p, err := w.api.Profiles.Create(w.t.Context(), &passfort.ProfileRequest{Role: role, CollectedData: data})
	require.NoError(w.t, err)
	w.tx(func(tx *sql.Tx) error { return w.sync.Link(w.t.Context(), tx, data.EntityType, key(n), p.ID) })
	return data.EntityType, p.ID
}

func (w *world) tx(do func(*sql.Tx) error) {
	w.t.Helper()
	require.NoError(w.t, sqldb.Place{Dialect: w.dialect}.Tx(w.t.Context(), w.db, do))
}

// edit is what the team's own software does: it changes a column and says so.
func (w *world) edit(entity passfort.EntityType, n int, column, value string) {
	w.t.Helper()
	table, keyColumn := "crm_people", "person"
	if entity == passfort.EntityTypeCompany {
		table, keyColumn = "crm_firms", "firm"
	}
	place := sqldb.Place{Dialect: w.dialect}
	w.tx(func(tx *sql.Tx) error {
		if _, err := place.Exec(w.t.Context(), tx, `UPDATE `+table+` SET `+column+` = ? WHERE `+keyColumn+` = ?`, value,
			key(n)); err != nil {
			return err
		}
		return w.sync.Edited(w.t.Context(), tx, entity, key(n))
	})
}

// portal is a person in the portal.
func (w *world) portal(profileID string, change func(*passfort.EntityData)) {
	w.t.Helper()
	_, err := w.sim.EditCollectedData(profileID, func(data map[string]any) {
		raw, err := json.Marshal(data)
		require.NoError(w.t, err)
		var d passfort.EntityData
		require.NoError(w.t, json.Unmarshal(raw, &d))
		change(&d)
		raw, err = json.Marshal(d)
		require.NoError(w.t, err)
		clear(data)
		require.NoError(w.t, json.Unmarshal(raw, &data))
	})
	require.NoError(w.t, err)
}

func (w *world) at(profileID string) *passfort.EntityData {
	w.t.Helper()
	raw, _ := w.sim.CollectedData(profileID)
	var d passfort.EntityData
	require.NoError(w.t, json.Unmarshal(raw, &d))
	return &d
}

// process starts this test binary as a process of the service.
func (w *world) process() *exec.Cmd {
	w.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(w.t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), "SYNCER_TEST_WORKER="+w.dialect.String(), "SYNCER_TEST_DATABASE="+w.url,
		"SYNCER_TEST_API="+w.sim.URL())
	cmd.Stderr = os.Stderr
	require.NoError(w.t, cmd.Start())
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// work is the process that process starts.
func work(kind string) {
	d := sqldb.PostgreSQL
	if kind == sqldb.SQLite.String() {
		d = sqldb.SQLite
	}
	db, err := connect(d, os.Getenv("SYNCER_TEST_DATABASE"))
	if err != nil {
		panic(err)
	}
	client, err := passfort.New("test-key", passfort.WithBaseURL(os.Getenv("SYNCER_TEST_API")),
		passfort.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		panic(err)
	}
	box, sync := services(&testing.B{}, db, d, client, people(d), companies(d))
	go func() { _ = box.Run(context.Background(), sync.Handle) }()
	if err := sync.Run(context.Background()); err != nil {
		panic(err)
	}
}
