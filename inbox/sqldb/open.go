package sqldb

import (
	"database/sql"
	"errors"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Open opens the PostgreSQL database at a URL with pgx, or, if the URL is empty, a SQLite
// file with the driver "sqlite", which the program has to import. It does not connect.
// The file is created if it is missing, and its owner alone can read it from then on: it
// holds personal data. An acknowledged message in it outlives a power cut. No error holds
// the URL, which may have a password. Connect to another machine with
// sslmode=verify-full.
func Open(databaseURL, file string) (*sql.DB, Dialect, error) {
	if databaseURL != "" {
		config, err := pgx.ParseConfig(databaseURL)
		if err != nil {
			return nil, PostgreSQL, errors.New("the URL of the database is not valid")
		}
		return stdlib.OpenDB(*config), PostgreSQL, nil
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, SQLite, err
	}
	// SQLite gives its -wal and -shm files the same mode.
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return nil, SQLite, err
	}
	options := url.Values{"_txlock": {"immediate"},
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(30000)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+options.Encode())
	return db, SQLite, err
}
