// Package river shows the inbox beside River, a queue on PostgreSQL: a job that is
// inserted in the transaction of a handler, and the throughput of both.
package river
