package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

const (
	// defaultBodyLimit is the size of the largest delivery that is accepted. Passfort
	// sends a larger one again and again, with all that is behind it, so it must
	// never be reached. The engine's limit for one message does not matter here.
	defaultBodyLimit = 16 << 20
	// storeAtOnce is how many messages of a delivery, each of another profile, wait
	// for the engine at the same time: on a cluster one takes a round trip and more.
	storeAtOnce = 100
	// partsTimeout is how long it may take to store one message, in all its parts.
	partsTimeout = time.Minute
)

// FrontOptions configure [Fleet.Front].
type FrontOptions struct {
	// Secrets are those of the webhooks: one, or the new one and the one before while
	// it changes. They are required.
	Secrets []string
	// BodyLimit is the size of the largest delivery that is taken, in bytes. Passfort
	// sends a larger one again without an end, with all that is behind it. The default
	// is 16 MiB.
	BodyLimit int64
	// Options are further options of the [passfort.WebhookHandler], such as an observer.
	Options []passfort.WebhookOption
}

// Front is an endpoint for webhooks, which stores what it receives and does nothing
// else: it answers fast however long handling takes. It is an [http.Handler] and safe
// for concurrent use.
type Front struct {
	fleet   *Fleet
	handler *passfort.WebhookHandler
}

// Front returns an endpoint for webhooks. It asks the engine nothing before the first
// delivery comes, and answers 500 to that as long as the fleet is not ready.
//
// A delivery is answered with 200 when the engine has confirmed that each of its
// messages is kept. Messages of 100 profiles are stored at a time, those of one profile
// in their order. A message that comes again within [Layout].Duplicates is stored once.
func (f *Fleet) Front(o FrontOptions) (*Front, error) {
	if o.BodyLimit < 0 {
		return nil, errors.New("fleet: BodyLimit is negative")
	}
	if o.BodyLimit == 0 {
		o.BodyLimit = defaultBodyLimit
	}
	front := &Front{fleet: f}
	options := []passfort.WebhookOption{
		passfort.WithWebhookBodyLimit(o.BodyLimit),
		passfort.WithHandlerTimeout(partsTimeout),
		passfort.WithWebhookConcurrency(storeAtOnce),
		passfort.WithWebhookLogger(slog.New(quiet{f.log.Handler()})),
		passfort.WithWebhookObserver(func(result passfort.WebhookResult) {
			if result.Outcome != passfort.WebhookHandled {
				f.counts.refused.Add(1)
			}
		}),
	}
	options = append(options, o.Options...)
	options = append(options, passfort.WithWebhookStore(engineKnows{}))
	h, err := passfort.NewWebhookHandler(o.Secrets, options...)
	if err != nil {
		return nil, err
	}
	h.HandleAll(front.store)
	front.handler = h
	return front, nil
}

// ServeHTTP receives a delivery.
func (r *Front) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.handler.ServeHTTP(w, req) }

// SetSecrets changes the secrets while deliveries come, as
// [passfort.WebhookHandler.SetSecrets] does: the new one and the one before, and later
// the new one alone.
func (r *Front) SetSecrets(secrets []string) error { return r.handler.SetSecrets(secrets) }

// Shutdown refuses deliveries and returns when those in hand are answered, or ctx ends.
func (r *Front) Shutdown(ctx context.Context) error { return r.handler.Shutdown(ctx) }

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
func (r *Front) store(ctx context.Context, e *passfort.WebhookEvent) error {
	f := r.fleet
	body, err := encode(e)
	if err != nil {
		return err
	}
	var duplicate bool
	if f.fits(body) {
		duplicate, err = f.enqueue(ctx, e.ProfileID, body, jetstream.WithMsgID(token(e.Key())))
	} else {
		duplicate, err = r.storeLarge(ctx, e, body)
	}
	if err != nil {
		f.complain("a webhook could not be stored", err)
		return fmt.Errorf("the message could not be stored: %w", err)
	}
	f.counts.received.Add(1)
	if duplicate {
		f.counts.duplicates.Add(1)
	}
	f.wake(e)
	return nil
}

// enqueue puts a message at the end of the queue of its profile. Where the number of
// partitions has changed, the engine refuses the old subject: then it is read again.
func (f *Fleet) enqueue(
	ctx context.Context, profileID string, body []byte, opts ...jetstream.PublishOpt,
) (duplicate bool, err error) {
	of := int(f.partitions.Load())
	if of == 0 {
		if of, err = f.readPartitions(ctx); err != nil {
			return false, err
		}
	}
	send := func() (*jetstream.PubAck, error) {
		msg := &nats.Msg{Subject: f.names.partition(partition(profileID, of), of), Data: body}
		return f.publish(ctx, "store a webhook", msg, opts...)
	}
	ack, err := send()
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		now, readErr := f.readPartitions(ctx)
		if readErr != nil || now == of {
			return false, errors.Join(err, readErr)
		}
		of = now
		ack, err = send()
	}
	return err == nil && ack.Duplicate, err
}

// storeLarge stores the parts of a message and then a reference to them, which
// takes its place in the queue.
func (r *Front) storeLarge(ctx context.Context, e *passfort.WebhookEvent, body []byte) (duplicate bool, err error) {
	f := r.fleet
	effect := f.names.webhookEffect(e)
	done, err := f.effect(ctx, effect)
	if err == nil && done == nil {
		at, putErr := f.putParts(ctx, effect, body)
		if putErr != nil {
			return false, putErr
		}
		reference, encodeErr := encode(stored{WebhookEvent: passfort.WebhookEvent{ProfileID: e.ProfileID}, Parts: at})
		if encodeErr != nil {
			return false, encodeErr
		}
		duplicate, err = f.enqueue(ctx, e.ProfileID, reference, jetstream.WithMsgID(token(e.Key())))
		if err != nil || !duplicate {
			return false, err
		}
		done, err = f.effect(ctx, effect)
	}
	if err == nil && done != nil {
		// It was handled, so no other process will remove what this delivery stored.
		err = f.dropParts(ctx, effect)
	}
	return true, err
}

// Hint says that a wait may be over.
type Hint struct {
	CheckID   string                        `json:"check,omitempty"`
	ProfileID string                        `json:"profile,omitempty"`
	RequestID string                        `json:"request,omitempty"`
	State     passfort.CustomerRequestState `json:"state,omitempty"`
	// From is the name of the process that received the webhook.
	From string    `json:"from"`
	At   time.Time `json:"at"`
}

// wake notifies all processes that a wait may be over. The hint is lost if none
// listens: a wait that gets none finds out by asking.
func (f *Fleet) wake(e *passfort.WebhookEvent) {
	h := Hint{From: f.name, At: time.Now()}
	if c, err := e.CheckCompleted(); err == nil && c.Check != nil {
		h.CheckID = c.Check.ID
	} else if c, err := e.CustomerRequestChanged(); err == nil {
		h.ProfileID, h.RequestID, h.State = c.ProfileID, c.RequestID, c.State
	} else {
		return
	}
	if body, err := json.Marshal(h); err == nil {
		_ = f.conn.Publish(f.names.wake(), body)
	}
}

// Listen feeds an inbox with what any front of the fleet receives, so that
// [passfort.ChecksService.Wait] ends wherever the webhook arrived. heard, if not nil,
// gets each hint first. Hints are promises of nothing: a wait that misses one asks by
// its clock. The caller stops it.
func (f *Fleet) Listen(inbox *passfort.CheckInbox, heard func(Hint)) (stop func() error, err error) {
	sub, err := f.conn.Subscribe(f.names.wake(), func(msg *nats.Msg) {
		var h Hint
		if json.Unmarshal(msg.Data, &h) != nil {
			return
		}
		if heard != nil {
			heard(h)
		}
		inbox.Completed(h.CheckID)
		inbox.RequestChanged(h.ProfileID, h.RequestID, h.State)
	})
	if err != nil {
		return nil, f.engineError("listen", nil, err)
	}
	return sub.Unsubscribe, nil
}

// quiet is a slog.Handler that leaves out the lines about single messages that
// went well.
type quiet struct{ slog.Handler }

// Enabled reports whether the level is above Info.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level > slog.LevelInfo && q.Handler.Enabled(ctx, level)
}
