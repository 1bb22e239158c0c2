// Package postgrestest starts a PostgreSQL server for a test, on a loopback port
// and with data of its own, and stops it.
package postgrestest
