package sqldb

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Open opens the PostgreSQL database at a URL with pgx, or, if the URL is empty, a SQLite
// file with the driver "sqlite", which the program has to import. It does not connect.
// The file is created if it is missing, and its owner alone can read it from then on: it
// holds personal data. An acknowledged message in it outlives a power cut. No error holds
// the URL, which may have a password. Connect to another machine with
// sslmode=verify-full. The pool keeps up to 30 idle connections for five minutes: see
// Churn.
func Open(databaseURL, file string) (*sql.DB, Dialect, error) {
	if databaseURL != "" {
		config, err := pgx.ParseConfig(databaseURL)
		if err != nil {
			return nil, PostgreSQL, errors.New("the URL of the database is not valid")
		}
		return roomy(stdlib.OpenDB(*config)), PostgreSQL, nil
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
	if err != nil {
		return nil, SQLite, err
	}
	return roomy(db), SQLite, nil
}

// roomy makes a pool keep its connections between two bursts.
func roomy(db *sql.DB) *sql.DB {
	db.SetMaxIdleConns(30)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db
}

// maxChurn is how many connections a pool closes before Churn reports it.
const maxChurn = 1000

// Churn returns a function that reports, once, that a pool has closed 1,000 connections
// for want of room since Churn was called. A pool of database/sql keeps 2 idle
// connections unless SetMaxIdleConns says otherwise: where more are in use at once, most
// are opened for a statement or two, which costs PostgreSQL several times as much as the
// statements. The function is not safe for concurrent use.
func Churn(db *sql.DB) func() bool {
	before, reported := db.Stats().MaxIdleClosed, false
	return func() bool {
		if reported || db.Stats().MaxIdleClosed-before < maxChurn {
			return false
		}
		reported = true
		return true
	}
}
