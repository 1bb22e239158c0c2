package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

const (
	// maxDelivery is the size of the largest delivery that is accepted. Passfort
	// sends a larger one again and again, with all that is behind it, so it must
	// never be reached. The engine's limit for one message does not matter here.
	maxDelivery = 16 << 20
	// storeTimeout is how long the engine may take to confirm a message, or a part
	// of one. After that the delivery is answered with 500, and Passfort sends it
	// again.
	storeTimeout = 5 * time.Second
	// storeAtOnce is how many messages of a delivery, each of another profile, wait
	// for the engine at the same time: on a cluster one takes a round trip and more.
	storeAtOnce = 32
	// partsTimeout is how long it may take to confirm all parts of one.
	partsTimeout = time.Minute
)

// receiver is the webhook endpoint of a worker. It stores what it receives and
// does nothing else, so it answers fast however long handling takes.
type receiver struct {
	js         jetstream.JetStream
	conn       *nats.Conn
	effects    *effects
	large      *large
	name       string
	partitions atomic.Int64

	received   atomic.Int64
	duplicates atomic.Int64
	refused    atomic.Int64
}

// handler returns the endpoint. WebhookHandler authenticates, takes batches
// apart and answers 200 only if store succeeded for every message.
func (r *receiver) handler(log *slog.Logger, secrets ...string) (*passfort.WebhookHandler, error) {
	h, err := passfort.NewWebhookHandler(secrets,
		passfort.WithWebhookStore(engineKnows{}),
		passfort.WithWebhookBodyLimit(maxDelivery),
		passfort.WithHandlerTimeout(partsTimeout),
		passfort.WithWebhookConcurrency(storeAtOnce),
		passfort.WithWebhookLogger(slog.New(quiet{log.Handler()})),
		passfort.WithWebhookObserver(func(result passfort.WebhookResult) {
			if result.Outcome != passfort.WebhookHandled {
				r.refused.Add(1)
			}
		}))
	if err != nil {
		return nil, err
	}
	h.HandleAll(r.store)
	return h, nil
}

// engineKnows is a passfort.WebhookStore for a handler whose messages go to an
// engine that deduplicates: storing the message is the commit.
type engineKnows struct{}

// Seen leaves it to the engine.
func (engineKnows) Seen(context.Context, string) (bool, error) { return false, nil }

// Commit has nothing to add to what was stored.
func (engineKnows) Commit(context.Context, string) error { return nil }

// store puts a message into the queue of its partition, and returns when the
// engine has confirmed that it is kept. The key of the message is its id
// there, so that a repeated delivery is stored once.
func (r *receiver) store(ctx context.Context, e *passfort.WebhookEvent) error {
	body, err := encode(e)
	if err != nil {
		return err
	}
	var duplicate bool
	if r.large.fits(body) {
		duplicate, err = r.publish(ctx, e, body)
	} else {
		duplicate, err = r.storeLarge(ctx, e, body)
	}
	if err != nil {
		return fmt.Errorf("the message could not be stored: %w", err)
	}
	r.received.Add(1)
	if duplicate {
		r.duplicates.Add(1)
	}
	r.wake(e)
	return nil
}

func (r *receiver) publish(ctx context.Context, e *passfort.WebhookEvent, body []byte) (duplicate bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	of := int(r.partitions.Load())
	ack, err := r.js.Publish(ctx, partitionSubject(partition(e.ProfileID, of), of), body,
		jetstream.WithMsgID(token(e.Key())))
	return err == nil && ack.Duplicate, err
}

// storeLarge stores the parts of a message and then a reference to them, which
// takes its place in the queue.
func (r *receiver) storeLarge(ctx context.Context, e *passfort.WebhookEvent, body []byte) (duplicate bool, err error) {
	effect := webhookEffect(e)
	done, err := r.effects.find(ctx, effect)
	if err == nil && done == nil {
		at, putErr := r.large.put(ctx, effect, body)
		if putErr != nil {
			return false, putErr
		}
		reference, encodeErr := encode(stored{WebhookEvent: passfort.WebhookEvent{ProfileID: e.ProfileID}, Parts: at})
		if encodeErr != nil {
			return false, encodeErr
		}
		if duplicate, err = r.publish(ctx, e, reference); err != nil || !duplicate {
			return false, err
		}
		done, err = r.effects.find(ctx, effect)
	}
	if err == nil && done != nil {
		// It was handled, so no other process will remove what this delivery stored.
		err = r.large.drop(ctx, effect)
	}
	return true, err
}

// hint notifies all workers that a wait may be over. It is lost if no worker
// listens: a wait that gets none finds out by asking.
type hint struct {
	CheckID   string                        `json:"check,omitempty"`
	ProfileID string                        `json:"profile,omitempty"`
	RequestID string                        `json:"request,omitempty"`
	State     passfort.CustomerRequestState `json:"state,omitempty"`
	From      string                        `json:"from"`
	At        time.Time                     `json:"at"`
}

func (r *receiver) wake(e *passfort.WebhookEvent) {
	h := hint{From: r.name, At: time.Now()}
	if c, err := e.CheckCompleted(); err == nil && c.Check != nil {
		h.CheckID = c.Check.ID
	} else if c, err := e.CustomerRequestChanged(); err == nil {
		h.ProfileID, h.RequestID, h.State = c.ProfileID, c.RequestID, c.State
	} else {
		return
	}
	if body, err := json.Marshal(h); err == nil {
		_ = r.conn.Publish(wakeSubject, body)
	}
}

// listen feeds the inbox with what any worker of the fleet received.
func listen(conn *nats.Conn, inbox *passfort.CheckInbox, heard func(hint)) (*nats.Subscription, error) {
	return conn.Subscribe(wakeSubject, func(msg *nats.Msg) {
		var h hint
		if json.Unmarshal(msg.Data, &h) != nil {
			return
		}
		heard(h)
		inbox.Completed(h.CheckID)
		inbox.RequestChanged(h.ProfileID, h.RequestID, h.State)
	})
}

// quiet is a slog.Handler that leaves out the lines about single messages that
// went well.
type quiet struct{ slog.Handler }

// Enabled reports whether the level is above Info.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level > slog.LevelInfo && q.Handler.Enabled(ctx, level)
}
