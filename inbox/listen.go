package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

// news is what a process that stores a message says to the others: ids only.
type news struct {
	From    string `json:"f"` // which Inbox says it
	Profile string `json:"p,omitempty"`
	Check   string `json:"c,omitempty"`
	Request string `json:"r,omitempty"`
	State   string `json:"s,omitempty"`
}

// maxNews is the longest payload of a NOTIFY of PostgreSQL, in bytes.
const maxNews = 7999

// newsOf returns the payload of the NOTIFY for a message.
func (b *Inbox) newsOf(e *passfort.WebhookEvent) string {
	n := news{From: b.name, Profile: e.ProfileID}
	if c, err := e.CheckCompleted(); err == nil {
		n.Check = c.Check.ID
	}
	if c, err := e.CustomerRequestChanged(); err == nil {
		n.Request, n.State = c.RequestID, string(c.State)
	}
	payload, err := json.Marshal(n)
	if err != nil || len(payload) > maxNews {
		return "" // they look all the same
	}
	return string(payload)
}

// notifyTime bounds a NOTIFY.
const notifyTime = 3 * time.Second

// notification is what one statement says to the other processes.
type notification struct {
	payloads []string
	over     chan struct{} // is closed when it was said, or could not be
}

func newNotification() *notification { return &notification{over: make(chan struct{})} }

// notify wakes the other processes for what is committed; without it, they would look at
// their next poll. An empty payload only makes them look. PostgreSQL commits one transaction
// with a NOTIFY at a time, so payloads that come meanwhile share the next, and no caller
// waits for more than the one under way and the next.
func (b *Inbox) notify(ctx context.Context, payload string) {
	if b.place.Dialect != sqldb.PostgreSQL {
		return
	}
	b.mu.Lock()
	mine := b.next
	mine.payloads = append(mine.payloads, payload)
	b.mu.Unlock()
	select {
	case b.saying <- struct{}{}:
		defer func() { <-b.saying }()
	case <-mine.over:
		return
	}
	b.mu.Lock()
	if b.next != mine { // it was over just now
		b.mu.Unlock()
		return
	}
	b.next = newNotification()
	b.mu.Unlock()
	defer close(mine.over)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyTime)
	defer cancel()
	list, err := json.Marshal(mine.payloads)
	if err == nil {
		_, err = b.db.ExecContext(ctx, `SELECT pg_notify($1, x) FROM json_array_elements_text($2::json) AS x`,
			b.channel(), string(list))
	}
	if err != nil {
		b.settings.log.Warn("inbox: the other processes are not woken", "problem", sqldb.Word(err))
	}
}

// maxChannel is the longest name of a channel of PostgreSQL, in bytes.
const maxChannel = 63

// channel returns the name of the channel, which is a hash if it would be too long.
func (b *Inbox) channel() string {
	name := b.place.Table("news")
	if len(name) <= maxChannel {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "passfort_inbox_" + hex.EncodeToString(sum[:16])
}

// errNotPGX means that the driver cannot listen.
var errNotPGX = errors.New("the driver is not pgx")

// listen wakes Run and the waits of this process for what any process stores, until
// ctx ends.
func (b *Inbox) listen(ctx context.Context) {
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, time.Minute) {
		began := time.Now()
		err := b.listenOnce(ctx)
		if errors.Is(err, errNotPGX) {
			return
		}
		if ctx.Err() == nil {
			b.settings.log.Warn("inbox: the connection for LISTEN ended", "problem", sqldb.Word(err))
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (b *Inbox) listenOnce(ctx context.Context) error {
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(driver any) error {
		pgx, ok := driver.(*stdlib.Conn)
		if !ok {
			return errNotPGX
		}
		c := pgx.Conn()
		// The connection is not given back: it would go on listening.
		defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
		if _, err := c.Exec(ctx, `LISTEN "`+b.channel()+`"`); err != nil {
			return err
		}
		b.setListening(true)
		defer b.setListening(false)
		b.Wake() // for what came before
		for {
			n, err := c.WaitForNotification(ctx)
			if err != nil {
				return err
			}
			b.hear(n.Payload)
		}
	})
}

// hear takes note of what a process stored. Receive has woken this one for its own.
func (b *Inbox) hear(payload string) {
	var n news
	err := json.Unmarshal([]byte(payload), &n)
	if err == nil && n.From == b.name {
		return
	}
	b.Wake()
	if err != nil || b.settings.checks == nil {
		return
	}
	b.settings.checks.Completed(n.Check)
	b.settings.checks.RequestChanged(n.Profile, n.Request, passfort.CustomerRequestState(n.State))
}

func (b *Inbox) setListening(listening bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listening = listening
}
