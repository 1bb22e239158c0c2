package sqldb_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/passfort-go/passfort/inbox/sqldb"
)

func TestOpenKeepsTheFileToItsOwner(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a ?#% database.db")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	db, dialect, err := sqldb.Open("", file)
	require.NoError(t, err)
	defer db.Close()
	require.Equal(t, sqldb.SQLite, dialect)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE x (y INTEGER)`)
	require.NoError(t, err)
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Greater(t, len(entries), 1, "with what SQLite has beside it")
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), entry.Name())
	}
}

func TestOpenPrintsNoPassword(t *testing.T) {
	t.Parallel()
	_, _, err := sqldb.Open("postgres://u:Zqcanary@[::1", "")
	require.EqualError(t, err, "the URL of the database is not valid")
	db, dialect, err := sqldb.Open("postgres://u:Zqcanary@127.0.0.1:1/db?sslmode=disable", "")
	require.NoError(t, err)
	defer db.Close()
	require.Equal(t, sqldb.PostgreSQL, dialect)
	require.Equal(t, "cannot connect", sqldb.Word(db.PingContext(t.Context())))
	_, _, err = sqldb.Open("", t.TempDir())
	require.Error(t, err)
}

func TestOpenKeepsConnections(t *testing.T) {
	t.Parallel()
	db, _, err := sqldb.Open("", filepath.Join(t.TempDir(), "database.db"))
	require.NoError(t, err)
	defer db.Close()
	var conns []*sql.Conn
	for range 30 {
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		conns = append(conns, c)
	}
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	require.Zero(t, db.Stats().MaxIdleClosed)
	require.Equal(t, 30, db.Stats().Idle)
	churns := sqldb.Churn(db)
	require.False(t, churns())
	db.SetMaxIdleConns(-1)
	for range 1000 {
		require.NoError(t, db.PingContext(t.Context()))
	}
	require.True(t, churns())
	require.False(t, churns(), "once")
}
