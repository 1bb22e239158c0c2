package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

// parkAfter is how often a message is tried before it makes way for the ones
// behind it. A try that a crash cut short counts too.
const parkAfter = 20

// handler does what a webhook asks for, in order for each profile.
type handler struct {
	js      jetstream.JetStream
	effects *effects
	name    string
	ackWait time.Duration
	log     *slog.Logger
	// act is what your program does with a message before its effect is
	// committed. It may run again for a message whose effect was not committed.
	act func(context.Context, *passfort.WebhookEvent) error

	handled   atomic.Int64
	again     atomic.Int64 // found done
	redone    atomic.Int64 // delivered more than once
	failed    atomic.Int64
	parked    atomic.Int64
	lagMicros atomic.Int64 // from stored to handled, of the last message
}

// effect is what is recorded of a message that was handled. It holds no data of
// the profile.
type effect struct {
	Event     passfort.EventName `json:"event"`
	Message   string             `json:"message"`
	Sequence  uint64             `json:"sequence"` // where the message stood in the stream
	Partition int                `json:"partition"`
	Worker    string             `json:"worker"`
	Tries     uint64             `json:"tries"`
	At        time.Time          `json:"at"`
}

func webhookEffect(e *passfort.WebhookEvent) string {
	return "effects.webhook." + token(e.ProfileID) + "." + token(e.Key())
}

// run handles the messages of one partition until ctx ends.
func (h *handler) run(ctx context.Context, p int) {
	consume(ctx, h.js, webhookStream, partitionConsumer(p), 32, func(msg jetstream.Msg) { h.handle(ctx, p, msg) })
}

// handle takes one message to its effect. The message is acknowledged after the
// effect was committed; if the worker dies in between, the next one finds the
// effect there and only acknowledges.
func (h *handler) handle(ctx context.Context, p int, msg jetstream.Msg) {
	defer holding(msg, h.ackWait)()
	ctx = context.WithoutCancel(ctx)
	about, err := msg.Metadata()
	if err != nil {
		return
	}
	if about.NumDelivered > 1 {
		h.redone.Add(1)
	}
	err = h.apply(ctx, p, msg.Data(), about)
	switch {
	case err == nil:
		h.handled.Add(1)
		h.lagMicros.Store(time.Since(about.Timestamp).Microseconds())
	case errors.Is(err, errAlreadyDone):
		h.again.Add(1)
	case about.NumDelivered >= parkAfter || errors.Is(err, errUnreadable):
		if err := h.park(ctx, msg, about); err != nil {
			_ = msg.NakWithDelay(jittered(time.Second))
			return
		}
		h.parked.Add(1)
	default:
		h.failed.Add(1)
		h.log.Warn("a message was not handled", "error_type", fmt.Sprintf("%T", err), "tries", about.NumDelivered)
		// The partition waits: what comes after this message may need it.
		_ = msg.NakWithDelay(jittered(min(time.Duration(about.NumDelivered)*100*time.Millisecond, 10*time.Second)))
		return
	}
	_ = msg.Ack()
}

var errUnreadable = errors.New("not a message that a receiver wrote")

func (h *handler) apply(ctx context.Context, p int, body []byte, about *jetstream.MsgMetadata) error {
	var e passfort.WebhookEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return errUnreadable
	}
	if h.act != nil {
		if done, err := h.effects.find(ctx, webhookEffect(&e)); err != nil || done != nil {
			return cmp.Or(err, errAlreadyDone)
		}
		if err := h.act(ctx, &e); err != nil {
			return err
		}
	}
	record, err := json.Marshal(effect{
		Event: e.Event, Message: e.Key(), Sequence: about.Sequence.Stream, Partition: p,
		Worker: h.name, Tries: about.NumDelivered, At: time.Now(),
	})
	if err != nil {
		return err
	}
	return h.effects.commit(ctx, webhookEffect(&e), record)
}

// park puts a message aside, whole, for a person to look at.
func (h *handler) park(ctx context.Context, msg jetstream.Msg, about *jetstream.MsgMetadata) error {
	subject := "parked." + webhookStream + "." + strconv.FormatUint(about.Sequence.Stream, 10)
	if err := h.effects.commit(ctx, subject, msg.Data()); err != nil && !errors.Is(err, errAlreadyDone) {
		return err
	}
	h.log.Error("a message was parked", "tries", about.NumDelivered)
	return nil
}
