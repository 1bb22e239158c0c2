package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestConfigure(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		args    []string
		env     map[string]string
		problem string
	}{
		{"the demo", nil, nil, ""},
		{"the real thing", nil, map[string]string{"PASSFORT_API_KEY": "k", "WEBHOOK_SECRET": "s0",
			"WEBHOOK_SECRET_PREVIOUS": "r0"}, ""},
		{"no secret", nil, map[string]string{"PASSFORT_API_KEY": "k"}, "WEBHOOK_SECRET is missing"},
		{"arguments", []string{"now"}, nil, "unexpected arguments"},
		{"an unknown flag", []string{"-nope"}, nil, "not defined"},
		{"help", []string{"-h"}, nil, flag.ErrHelp.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c, err := configure(tt.args, func(name string) string { return tt.env[name] }, &out)
			if tt.problem != "" {
				require.ErrorContains(t, err, tt.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"127.0.0.1:8082", "127.0.0.1:8081", "127.0.0.1:8083"},
				[]string{c.listen, c.status, c.ops}, "8080 is that of the registration example")
			require.Len(t, c.secrets, len(tt.env)/3*2)
		})
	}
}

func TestWhatIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	env := func(databaseURL string) func(string) string {
		return func(name string) string {
			return map[string]string{"PASSFORT_API_KEY": "k", "WEBHOOK_SECRET": "secret",
				"DATABASE_URL": databaseURL}[name]
		}
	}
	for _, tt := range []struct {
		name, url, want string
		args            []string
	}{
		{"a URL that is none", "postgres://u:Zqcanary@[::1", "not valid", nil},
		{"nothing listens", "postgres://u:Zqcanary@127.0.0.1:1/db?sslmode=disable", "cannot connect", nil},
		{"no pace", "", "must be positive", []string{"-poll", "0s"}},
		{"sweeps without a pause", "", "must be positive", []string{"-sweep", "0s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append(anywhere(), "-database", filepath.Join(t.TempDir(), "sync.db"))
			args = append(args, tt.args...)
			err := run(t.Context(), args, env(tt.url), io.Discard)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), canary)
		})
	}
}

func TestDemoLivesAndStops(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	out := w.output()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, anywhere(), func(string) string { return "" }, out)
	}()
	addresses := <-out.ready
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, addresses["status"]), "passfort") == false &&
			strings.Count(get(t, addresses["status"]), "in step</span>") >= 18
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, "ok\n", get(t, addresses["ops"]+"/readyz"))
	require.Contains(t, get(t, addresses["ops"]+"/metrics"), "\npassfort_sync_customers 20\n")
	asked := time.Now()
	cancel()
	require.NoError(t, <-done)
	require.Less(t, time.Since(asked), 5*time.Second)
	t.Logf("stopped within %v", time.Since(asked).Round(time.Millisecond))
}

func get(t *testing.T, address string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	taken := strings.TrimPrefix(server.URL, "http://")
	for _, name := range []string{"listen", "status", "ops"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(anywhere(), "-"+name, taken)
			err := run(t.Context(), args, func(string) string { return "" }, io.Discard)
			require.ErrorContains(t, err, "choose another address with -"+name)
		})
	}
}

// Without -import a profile gets no customer; a customer gets a profile with -create only.
func TestNothingIsAddedUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 2, "")
	_, err := w.own.db.ExecContext(t.Context(), `INSERT INTO crm_people (id, family_name) VALUES ('C-1', 'Sample')`)
	require.NoError(t, err)
	for _, tt := range []struct {
		name                string
		args                []string
		customers, profiles int
	}{
		{"neither", nil, 1, 2},
		{"create", []string{"-create"}, 1, 3},
		{"import", []string{"-import"}, 3, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			out := w.output()
			done := make(chan error, 1)
			args := append(anywhere(), "-poll", "20ms", "-database", w.file, "-sweep-now")
			go func() { done <- run(ctx, append(args, tt.args...), w.getenv, out) }()
			<-out.ready
			require.Eventually(t, func() bool {
				h, err := w.own.sync.Health(t.Context())
				return err == nil && h.Working == 0 && strings.Contains(w.logged(), "msg=swept complete=true")
			}, time.Minute, 10*time.Millisecond)
			require.Eventually(t, func() bool { return w.sim.Profiles() == tt.profiles }, time.Minute,
				10*time.Millisecond)
			var n int
			require.Eventually(t, func() bool {
				return w.own.db.QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM crm_people) +
					(SELECT COUNT(*) FROM crm_companies)`).Scan(&n) == nil && n == tt.customers
			}, time.Minute, 10*time.Millisecond)
			cancel()
			require.NoError(t, <-done)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.log.Reset()
		})
	}
}

// What the service made before it stood on inbox and syncer is taken over: customers stay
// in their table, with their ids, an edit that was not sent is sent, and a change that was
// missed meanwhile is read. New people are added to that table too.
func TestOlderDatabaseIsTakenOver(t *testing.T) {
	t.Parallel()
	for kind, database := range map[string]func(*testing.T) string{
		"SQLite":     func(*testing.T) string { return "" },
		"PostgreSQL": func(t *testing.T) string { return postgres.Get(t).Database(t) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, 3, database(t))
			older := w.older()
			_, stop := w.start()
			defer stop()
			w.settle()
			require.Equal(t, "Sent later", name(w.at(w.profiles[0])).FamilyName)
			older(`SELECT family_name FROM customers WHERE id = 'C-1'`, "Sent later")
			older(`SELECT email FROM customers WHERE id = 'C-1'`, "there@sampleton.example")
			older(`SELECT date_of_birth FROM customers WHERE id = 'C-1'`, "1990")
			older(`SELECT COUNT(*) FROM customers WHERE profile_id = '`+w.profiles[1]+`'`, "1")
			older(`SELECT COUNT(*) FROM crm_companies`, "1")
			conflicts, err := w.own.sync.Conflicts(t.Context(), false, 0)
			require.NoError(t, err)
			require.Len(t, conflicts, 1)
			require.Equal(t, "lost then", conflicts[0].Ours)
			seen, err := w.own.box.Seen(t.Context(), "m1")
			require.NoError(t, err)
			require.True(t, seen)
		})
	}
}

// anywhere are the arguments for addresses that are free.
func anywhere() []string {
	return []string{"-listen", "127.0.0.1:0", "-status", "127.0.0.1:0", "-ops", "127.0.0.1:0"}
}

// older makes the tables of the time before syncer in an empty database, with a customer
// of the first profile, and returns what compares a value.
func (w *world) older() func(query, want string) {
	w.t.Helper()
	serial := "INTEGER PRIMARY KEY AUTOINCREMENT"
	if w.url != "" {
		serial = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	}
	for _, statement := range []string{
		`DROP TABLE crm_people`, `DROP TABLE crm_companies`, `DROP TABLE crm_migrations`,
		`CREATE TABLE customers (id TEXT PRIMARY KEY, profile_id TEXT NOT NULL UNIQUE,
			given_names TEXT NOT NULL DEFAULT '', family_name TEXT NOT NULL DEFAULT '',
			date_of_birth TEXT NOT NULL DEFAULT '', nationality TEXT NOT NULL DEFAULT '',
			email TEXT NOT NULL DEFAULT '', phone TEXT NOT NULL DEFAULT '', segment TEXT NOT NULL DEFAULT '',
			base TEXT NOT NULL,
			base_version BIGINT NOT NULL DEFAULT 0, synced_at BIGINT NOT NULL DEFAULT 0, gone_at BIGINT)`,
		`CREATE TABLE outbox (id ` + serial + `, customer_id TEXT NOT NULL REFERENCES customers (id),
			created_at BIGINT NOT NULL, done_at BIGINT)`,
		`CREATE TABLE inbox (message_id TEXT PRIMARY KEY, profile_id TEXT NOT NULL, by_user INTEGER NOT NULL,
			api_key TEXT NOT NULL, changes TEXT, fingerprint TEXT NOT NULL, received_at BIGINT NOT NULL,
			applied_at BIGINT, outcome TEXT NOT NULL DEFAULT '')`,
		`CREATE TABLE intents (id ` + serial + `, customer_id TEXT NOT NULL REFERENCES customers (id),
			process TEXT NOT NULL, fingerprint TEXT NOT NULL, sent TEXT NOT NULL, written_at BIGINT NOT NULL)`,
		`CREATE TABLE writes (customer_id TEXT NOT NULL REFERENCES customers (id), fingerprint TEXT NOT NULL,
			written_at BIGINT NOT NULL, PRIMARY KEY (customer_id, fingerprint))`,
		`CREATE TABLE conflicts (id ` + serial + `, customer_id TEXT NOT NULL REFERENCES customers (id),
			field TEXT NOT NULL, base TEXT NOT NULL, ours TEXT NOT NULL, theirs TEXT NOT NULL, at BIGINT NOT NULL)`,
		`INSERT INTO customers (id, profile_id, family_name, date_of_birth, base, base_version) VALUES ('C-1', '` +
			w.profiles[0] + `', 'Sent later', '1990', '{"family_name":"Zqcanary","date_of_birth":"1990"}', 3)`,
		`INSERT INTO outbox (customer_id, created_at) VALUES ('C-1', 1)`,
		`INSERT INTO conflicts (customer_id, field, base, ours, theirs, at)
			VALUES ('C-1', 'phone', '', 'lost then', '', 1)`,
		`INSERT INTO inbox (message_id, profile_id, by_user, api_key, fingerprint, received_at, applied_at)
			VALUES ('m1', '` + w.profiles[0] + `', 0, '', '', 1, 2)`,
	} {
		_, err := w.own.db.ExecContext(w.t.Context(), statement)
		require.NoError(w.t, err)
	}
	_, err := w.sim.Client().CollectedData.Update(w.t.Context(), w.profiles[0], func(d *passfort.EntityData) error {
		personal(d).DOB, contact(d).Email = "1990", "there@sampleton.example"
		return nil
	})
	require.NoError(w.t, err)
	return func(query, want string) {
		w.t.Helper()
		var v string
		require.NoError(w.t, w.own.db.QueryRowContext(w.t.Context(), query).Scan(&v))
		require.Equal(w.t, want, v, query)
	}
}
