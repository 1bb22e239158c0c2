package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startPostgres starts a PostgreSQL server of its own on a loopback port and
// returns its URL. Without the programs of PostgreSQL the test is skipped,
// except in CI.
func startPostgres(t *testing.T) string {
	t.Helper()
	initdb := postgresProgram("initdb")
	if initdb == "" {
		const missing = "the programs of PostgreSQL are not installed (Debian: postgresql)"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir, err := os.MkdirTemp("", "passfort-pg-") //nolint:usetesting // PostgreSQL may run as a user who cannot enter the test's own
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		owner, err := user.Lookup("postgres")
		require.NoError(t, err)
		uid, err := strconv.ParseUint(owner.Uid, 10, 32)
		require.NoError(t, err)
		gid, err := strconv.ParseUint(owner.Gid, 10, 32)
		require.NoError(t, err)
		require.NoError(t, os.Chown(dir, int(uid), int(gid)))
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	data := filepath.Join(dir, "data")
	create := exec.CommandContext(t.Context(), initdb, "--pgdata", data, "--username", "sync", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync")
	create.Dir, create.SysProcAttr = dir, as
	out, err := create.CombinedOutput()
	require.NoError(t, err, string(out))

	host, port, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	// The server outlives what the tests kill, so it need not sync to disk.
	server := exec.CommandContext(context.WithoutCancel(t.Context()), postgresProgram("postgres"), "-D", data, "-c",
		"listen_addresses="+host, "-p", port, "-k", dir, "-c", "fsync=off")
	server.Dir, server.SysProcAttr = dir, as
	log, err := os.Create(filepath.Join(t.TempDir(), "postgres.log"))
	require.NoError(t, err)
	defer log.Close()
	server.Stdout, server.Stderr = log, log
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // ends connections and stops
		_ = server.Wait()
	})
	url := fmt.Sprintf("postgres://sync@%s:%s/postgres?sslmode=disable", host, port)
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	defer db.Close()
	require.Eventually(t, func() bool { return db.PingContext(t.Context()) == nil }, time.Minute, 50*time.Millisecond,
		"see %s", log.Name())
	return url
}

// postgresProgram finds a program of PostgreSQL, which Debian keeps out of PATH.
func postgresProgram(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}
