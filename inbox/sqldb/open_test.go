package sqldb_test

import (
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
