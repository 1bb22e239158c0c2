package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

// How often a message is tried before it makes way for the ones behind it. A
// try that a crash cut short counts too.
const (
	// parkAfter is for a message that is itself the trouble.
	parkAfter = 20
	// parkLate is for one that fails for another reason, such as an outage of
	// Passfort or of your database: it would hit the next message as well, so
	// parking does not help. With pauses of 10 s it is a week. The engine counts
	// tries, so they are a clock that workers share.
	parkLate = 7 * 24 * 360
)

// longestPause is the longest between two tries.
const longestPause = 10 * time.Second

// handler does what a webhook asks for, in order for each profile.
type handler struct {
	js      jetstream.JetStream
	effects *effects
	large   *large
	name    string
	ackWait time.Duration
	log     *slog.Logger
	// act is what your program does with a message before its effect is
	// committed. It may run again for a message whose effect was not committed.
	// It wraps errMessage in its error when no outage is to blame, but the message.
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
func (h *handler) run(ctx context.Context, p, of int) {
	consume(ctx, h.js, webhookStream, partitionConsumer(p, of), 32, func(msg jetstream.Msg) { h.handle(ctx, p, msg) })
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
	case parks(err, about.NumDelivered):
		if err := h.park(ctx, msg, about); err != nil {
			_ = msg.NakWithDelay(jittered(time.Second))
			return
		}
		h.parked.Add(1)
	default:
		h.failed.Add(1)
		level := slog.LevelWarn
		if about.NumDelivered >= parkAfter {
			level = slog.LevelError
		}
		h.log.Log(ctx, level, "a message was not handled", "cause", cause(err), "tries", about.NumDelivered)
		// The partition waits: what comes after this message may need it.
		_ = msg.NakWithDelay(jittered(min(time.Duration(about.NumDelivered)*100*time.Millisecond, longestPause)))
		return
	}
	_ = msg.Ack()
}

var (
	errUnreadable = errors.New("not a message that a receiver wrote")
	// errMessage: the message is at fault, and would be tomorrow.
	errMessage = errors.New("the message cannot be handled")
)

// parks reports whether a message that failed with err so often makes way.
func parks(err error, tries uint64) bool {
	return errors.Is(err, errUnreadable) || tries >= parkAfter && ownFault(err) || tries >= parkLate
}

// ownFault reports whether a message failed because of what it is: another one
// might not.
func ownFault(err error) bool {
	var refused *passfort.Error
	var panicked *passfort.PanicError
	return errors.Is(err, errMessage) || errors.Is(err, passfort.ErrWebhookMalformed) || errors.As(err, &panicked) ||
		errors.As(err, &refused) && slices.Contains(final, refused.StatusCode)
}

// apply takes a message from the queue to its effect. One that was put aside in
// parts loses them when the effect is there, before it is acknowledged.
func (h *handler) apply(ctx context.Context, p int, body []byte, about *jetstream.MsgMetadata) error {
	var m stored
	if err := json.Unmarshal(body, &m); err != nil {
		return errUnreadable
	}
	if m.Parts == nil {
		return h.once(ctx, p, &m.WebhookEvent, about)
	}
	done, err := h.effects.find(ctx, m.Parts.Effect)
	if err != nil {
		return err
	}
	err = errAlreadyDone
	if done == nil {
		if body, err = h.large.get(ctx, m.Parts); err != nil {
			return err
		}
		var e passfort.WebhookEvent
		if err = json.Unmarshal(body, &e); err != nil {
			return errUnreadable
		}
		err = h.once(ctx, p, &e, about)
	}
	if err == nil || errors.Is(err, errAlreadyDone) {
		err = cmp.Or(h.large.drop(ctx, m.Parts.Effect), err)
	}
	return err
}

// once does what a message asks for and commits its effect.
func (h *handler) once(ctx context.Context, p int, e *passfort.WebhookEvent, about *jetstream.MsgMetadata) error {
	if h.act != nil {
		if done, err := h.effects.find(ctx, webhookEffect(e)); err != nil || done != nil {
			return cmp.Or(err, errAlreadyDone)
		}
		if err := h.actSafely(ctx, e); err != nil {
			return err
		}
	}
	record, err := json.Marshal(effect{
		Event: e.Event[:min(len(e.Event), longestName)], Message: e.Key(), Sequence: about.Sequence.Stream,
		Partition: p,
		Worker:    h.name, Tries: about.NumDelivered, At: time.Now(),
	})
	if err != nil {
		return err
	}
	return h.effects.commit(ctx, webhookEffect(e), record)
}

// longestName bounds what is recorded of the name of an event.
const longestName = 128

// actSafely makes a panic an error, so that one message does not end the worker.
func (h *handler) actSafely(ctx context.Context, e *passfort.WebhookEvent) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &passfort.PanicError{Value: v}
		}
	}()
	return h.act(ctx, e)
}

// park puts a message aside, whole, for a person to look at. The parts of a
// large one stay where they are.
func (h *handler) park(ctx context.Context, msg jetstream.Msg, about *jetstream.MsgMetadata) error {
	subject := "parked." + webhookStream + "." + strconv.FormatUint(about.Sequence.Stream, 10)
	if err := h.effects.commit(ctx, subject, msg.Data()); err != nil && !errors.Is(err, errAlreadyDone) {
		return err
	}
	h.log.Error("a message was parked", "tries", about.NumDelivered)
	return nil
}
