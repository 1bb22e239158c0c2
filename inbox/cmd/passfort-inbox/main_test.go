package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `CREATE TABLE customers (id TEXT)`)
	require.NoError(t, err)
	do := func(args ...string) (string, error) {
		var out, help strings.Builder
		err := run(t.Context(), append([]string{"-sqlite", file}, args...), func(string) string {
			return ""
		}, &out, &help)
		return out.String(), err
	}
	ok := func(want string, args ...string) {
		t.Helper()
		out, err := do(args...)
		require.NoError(t, err)
		require.Contains(t, out, want)
	}
	_, err = do("check")
	require.ErrorIs(t, err, inbox.ErrSchema)
	ok("CREATE TABLE passfort_inbox_messages", "plan")
	ok("migration 1", "migrate")
	ok("nothing to migrate", "migrate")
	ok("those of this version", "check")

	box, err := inbox.New(db, inbox.SQLite)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	for _, id := range []string{"m1", "m2"} {
		require.NoError(t, box.Receive(ctx, &passfort.WebhookEvent{
			ID: id, Event: passfort.EventCheckCompleted, ProfileID: "p1", Data: []byte(`{"x":1}`),
		}))
	}
	n := 0
	require.NoError(t, box.Run(ctx, func(context.Context, *sql.Tx, *inbox.Message) error {
		if n++; n == 2 {
			defer cancel()
		}
		return inbox.ErrPark
	}))
	ok("parked 2", "health")
	ok("CHECK_COMPLETED", "parked")
	ok(`"x": 1`, "show", "1")
	_, err = do("purge")
	require.ErrorIs(t, err, inbox.ErrSelection)
	ok("1 deleted", "purge", "1")
	ok("1 replayed", "-event", "CHECK_COMPLETED", "replay")
	ok("pending 1", "health")
	ok("", "pause")
	ok("paused true", "health")
	ok("", "resume")
	ok("1 deleted", "-profile", "p1", "erase")
	for name, args := range map[string][]string{
		"an unknown command": {"explode"}, "no id": {"show"}, "an id that is none": {"show", "x"},
		"a message that is not there": {"show", "99"},
	} {
		_, err := do(args...)
		require.Error(t, err, name)
	}
}

func TestCommandKeepsThePassword(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"postgres://u:Zqcanary@[::1",
		"postgres://u:Zqcanary@127.0.0.1:1/x?connect_timeout=1", ""} {
		err := run(t.Context(), []string{"health"}, func(string) string { return address }, new(strings.Builder),
			new(strings.Builder))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Zqcanary")
	}
	require.Error(t, run(t.Context(), []string{"-sqlite", filepath.Join(t.TempDir(), "no.db"), "health"},
		func(string) string { return "" }, new(strings.Builder), new(strings.Builder)))
}
