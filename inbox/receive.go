package inbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/passfort-go/passfort"
)

// WebhookHandler returns the endpoint that stores every message and does nothing
// else. The options are those of passfort.NewWebhookHandler; the store is the inbox.
// To change the secrets while it runs, call its SetSecrets.
func (b *Inbox) WebhookHandler(secrets []string, opts ...passfort.WebhookOption) (*passfort.WebhookHandler, error) {
	h, err := passfort.NewWebhookHandler(secrets, append(opts[:len(opts):len(opts)], passfort.WithWebhookStore(b))...)
	if err != nil {
		return nil, err
	}
	h.HandleAll(b.Receive)
	return h, nil
}

var _ passfort.WebhookStore = (*Inbox)(nil)

// Seen reports whether the message is stored. It makes the inbox a
// passfort.WebhookStore.
func (b *Inbox) Seen(ctx context.Context, key string) (bool, error) {
	var n int
	err := b.place.Row(ctx, b.db, []any{&n}, `SELECT COUNT(*) FROM {table:messages} WHERE message_key = ?`,
		storable(key))
	return n > 0, err
}

// Commit does nothing: a message is stored by Receive, and that it is stored and that
// it was seen are one row.
func (b *Inbox) Commit(context.Context, string) error { return nil }

// Receive stores a message, for Run to hand out. One that is stored already, handled
// or not, is unchanged. When Receive returns nil the message is committed, so that
// the delivery may be acknowledged.
func (b *Inbox) Receive(ctx context.Context, e *passfort.WebhookEvent) error {
	start := time.Now()
	stored, err := b.receive(ctx, e)
	b.Wake() // whatever became of it: Run may have looked while the lane was locked
	if err != nil {
		return err
	}
	if b.settings.checks != nil {
		_ = b.settings.checks.Deliver(ctx, e) // it never fails
	}
	outcome := OutcomeDuplicate
	if stored {
		outcome = OutcomeStored
	}
	b.notify(ctx, b.newsOf(e))
	b.observe(Result{Event: e.Event, Outcome: outcome, Duration: time.Since(start)})
	return nil
}

// receive stores a message and reports whether it is new. The lane is locked first,
// until the commit: so the numbers of its messages are in the order of their commits, and
// no process hands out a later one before it sees the earlier one.
func (b *Inbox) receive(ctx context.Context, e *passfort.WebhookEvent) (stored bool, err error) {
	data, err := json.Marshal(e)
	if err != nil {
		return false, err
	}
	key := storable(e.Key())
	lane := storable(e.ProfileID)
	if lane == "" {
		lane = "message " + key // in no order with any other
	}
	message := []any{key, lane, storable(e.ProfileID), storable(string(e.Event)), string(data)}
	if b.place.Dialect == PostgreSQL {
		return b.receiveAtOnce(ctx, lane, message)
	}
	err = b.place.Tx(ctx, b.db, func(tx *sql.Tx) error {
		if err := b.ready(ctx, tx, lane); err != nil {
			return err
		}
		n, err := b.place.Exec(ctx, tx, insertMessage+`VALUES (?, ?, ?, ?, ?, {now})`+onceForEachKey, message...)
		if err == nil && n == 0 {
			err = errDuplicate // and the lane as it was
		}
		return err
	})
	if errors.Is(err, errDuplicate) {
		return false, nil
	}
	return err == nil, err
}

const (
	insertMessage  = `INSERT INTO {table:messages} (message_key, lane, profile_id, event, data, received_at) `
	onceForEachKey = ` ON CONFLICT (message_key) DO NOTHING`
)

// receiveAtOnce stores a message in one statement: an endpoint receives as many as the
// database can answer statements, and a lane is locked no longer than it takes. A lane
// without a message, of one that two processes received at once, is ended by who claims it.
func (b *Inbox) receiveAtOnce(ctx context.Context, lane string, message []any) (stored bool, err error) {
	const statement = `WITH locked AS (INSERT INTO {table:lanes} (lane, ready_at) SELECT ?, {now}
		WHERE NOT EXISTS (SELECT 1 FROM {table:messages} WHERE message_key = ?)` + lockExisting + ` RETURNING lane) ` +
		insertMessage + `SELECT ?, ?, ?, ?, ?, {now} FROM locked` + onceForEachKey
	args := append([]any{lane, message[0]}, message...)
	n, err := b.place.Exec(ctx, b.db, statement, args...)
	return n > 0, err
}

var errDuplicate = errors.New("the message is stored already")

// ready makes sure that a lane exists, and locks it. When it may be had is unchanged.
func (b *Inbox) ready(ctx context.Context, tx *sql.Tx, lane string) error {
	_, err := b.place.Exec(ctx, tx, `INSERT INTO {table:lanes} (lane, ready_at) VALUES (?, {now})`+lockExisting, lane)
	return err
}

const lockExisting = ` ON CONFLICT (lane) DO UPDATE SET stored = {table:lanes}.stored + 1`

// maxText is the longest key, profile id or event that is stored as it is, in bytes.
const maxText = 128

// storable returns what is stored of a short text from outside: a hash if a database
// could not hold it or would hold too much of it.
func storable(s string) string {
	if len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsRune(s, 0) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Wake makes Run look for messages now.
func (b *Inbox) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Remember records a message that was handled before this inbox, by its key, in a
// transaction of yours: for moving here from another store. One that is stored is
// unchanged.
func (b *Inbox) Remember(ctx context.Context, tx *sql.Tx, key string) error {
	_, err := b.place.Exec(ctx, tx,
		`INSERT INTO {table:messages} (message_key, lane, profile_id, event, state, received_at, done_at)
		VALUES (?, '', '', '', ?, {now}, {now}) ON CONFLICT (message_key) DO NOTHING`, storable(key), handled)
	return err
}
