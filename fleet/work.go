package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
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
	// tries, so they are a clock that processes share.
	parkLate = 7 * 24 * 360
)

// longestPause is the longest between two tries.
const longestPause = 10 * time.Second

// WorkOptions configure [Fleet.Work].
type WorkOptions struct {
	// Handle does what a message asks for, before its effect is recorded. It is called
	// for the messages of one profile in their order, for those of others at the same
	// time. It may be called again for a message whose effect was not recorded.
	//
	// A message that fails is tried again in its place, with pauses that grow to 10 s.
	// It is parked after 20 tries if it is at fault: the error wraps [ErrMessage],
	// [passfort.ErrWebhookMalformed] or a refusal of Passfort (400, 404, 410, 422), or
	// Handle panicked. Any other error may be an outage, which parks nothing for a
	// week.
	//
	// Nil records the message, and does nothing.
	Handle func(context.Context, *passfort.WebhookEvent) error
	// Jobs are what this process can do with the profiles of a job, by kind.
	Jobs map[string]Job
	// Client lists the profiles of jobs. It is required if there are Jobs.
	Client *passfort.Client
	// Items is how many profiles of jobs are worked on at once. The default is 4.
	Items int
}

// worker is a call of Work.
type worker struct {
	*Fleet
	WorkOptions
	ackWait time.Duration
	queue   int64 // how many profiles of jobs may wait
}

// Work handles messages and jobs until ctx ends; it then finishes what it has in hand
// and gives the rest back. It waits until the streams are there, and outlives outages
// of the engine. Any number of processes may work.
//
// The error is nil if ctx ended. Otherwise it names why the process can never work:
// options, the engine's version, or a connection that was closed.
func (f *Fleet) Work(ctx context.Context, o WorkOptions) error {
	switch {
	case len(o.Jobs) > 0 && o.Client == nil:
		return errors.New("fleet: there are Jobs, and no Client to list profiles with")
	case o.Items < 0:
		return errors.New("fleet: Items is negative")
	}
	o.Items = cmp.Or(o.Items, 4)
	closed := f.conn.StatusChanged(nats.CLOSED)
	defer f.conn.RemoveStatusListener(closed)
	if f.conn.IsClosed() {
		return errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	running.Go(func() {
		select {
		case <-closed:
			cancel(errClosed)
		case <-ctx.Done():
		}
	})
	w := &worker{Fleet: f, WorkOptions: o}
	of, err := w.join(ctx)
	if err == nil {
		running.Go(func() { w.runPartitions(ctx, of) })
		if len(o.Jobs) > 0 {
			running.Go(func() { w.runPages(ctx) })
			for range o.Items {
				running.Go(func() { w.runItems(ctx) })
			}
		}
		<-ctx.Done()
		err = context.Cause(ctx)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// join waits until the streams are there, and reads how they are laid out.
func (w *worker) join(ctx context.Context) (partitions int, err error) {
	for {
		if w.conn.IsConnected() {
			if err := w.supported(); err != nil {
				return 0, err
			}
		}
		if partitions, err = w.layout(ctx); err == nil {
			return partitions, nil
		}
		w.complain("the fleet is not there yet", err)
		if pause(ctx, time.Second); ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
}

func (w *worker) layout(ctx context.Context) (partitions int, err error) {
	if partitions, err = w.readPartitions(ctx); err != nil {
		return 0, err
	}
	items, err := w.consumerInfo(ctx, jobStream, itemsConsumer)
	if err != nil {
		return 0, err
	}
	stream, err := w.info(ctx, jobStream)
	if err != nil {
		return 0, err
	}
	w.ackWait, w.queue = items.Config.AckWait, stream.Config.MaxMsgs
	return partitions, nil
}

// runPartitions handles messages until ctx ends. When the number of partitions
// changes it goes on with the new ones.
func (w *worker) runPartitions(ctx context.Context, of int) {
	for ctx.Err() == nil {
		era, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		for p := range of {
			running.Go(func() {
				name := partitionConsumer(p, of)
				w.consume(era, webhookStream, name, 32, func(msg jetstream.Msg) { w.handle(era, p, msg) })
			})
		}
		now := of
		for now == of && ctx.Err() == nil {
			pause(ctx, time.Second)
			if n, err := w.readPartitions(ctx); err == nil {
				now = n
			}
		}
		cancel()
		running.Wait()
		of = now
	}
}

// record is what is kept of a message that was handled. It holds no data of the
// profile.
type record struct {
	Event     passfort.EventName `json:"event"`
	Message   string             `json:"message"`
	Sequence  uint64             `json:"sequence"` // where the message stood in the stream
	Partition int                `json:"partition"`
	Worker    string             `json:"worker"`
	Tries     uint64             `json:"tries"`
	At        time.Time          `json:"at"`
}

// handle takes one message to its effect. The message is acknowledged after the
// effect was committed; if the process dies in between, the next one finds the
// effect there and only acknowledges.
func (w *worker) handle(ctx context.Context, p int, msg jetstream.Msg) {
	defer holding(msg, w.ackWait)()
	ctx = context.WithoutCancel(ctx)
	about, err := msg.Metadata()
	if err != nil {
		return
	}
	if about.NumDelivered > 1 {
		w.counts.redone.Add(1)
	}
	err = w.apply(ctx, p, msg.Data(), about)
	switch {
	case err == nil:
		w.counts.handled.Add(1)
		w.counts.lag.Store(int64(time.Since(about.Timestamp)))
	case errors.Is(err, errAlreadyDone):
		w.counts.again.Add(1)
	case parks(err, about.NumDelivered):
		if err := w.park(ctx, msg, about, err); err != nil {
			w.complain("a message could not be parked", err)
			_ = msg.NakWithDelay(jittered(time.Second))
			return
		}
		w.counts.parked.Add(1)
	default:
		w.counts.failed.Add(1)
		level := slog.LevelWarn
		if about.NumDelivered >= parkAfter {
			level = slog.LevelError
		}
		w.log.Log(ctx, level, "a message was not handled", "cause", Cause(err), "tries", about.NumDelivered)
		// The partition waits: what comes after this message may need it.
		wait := time.Duration(min(about.NumDelivered, parkLate)) * 100 * time.Millisecond //nolint:gosec // it is small
		_ = msg.NakWithDelay(jittered(min(wait, longestPause)))
		return
	}
	_ = msg.Ack()
}

var errUnreadable = errors.New("not a message that a front wrote")

// ErrMessage means that a message cannot be handled, now or later, and that no outage
// is to blame. [WorkOptions].Handle wraps it in its error.
var ErrMessage = errors.New("the message cannot be handled")

// parks reports whether a message that failed with err so often makes way.
func parks(err error, tries uint64) bool {
	return errors.Is(err, errUnreadable) || tries >= parkAfter && ownFault(err) || tries >= parkLate
}

// ownFault reports whether a message failed because of what it is: another one
// might not.
func ownFault(err error) bool {
	var panicked *passfort.PanicError
	return errors.Is(err, ErrMessage) || errors.Is(err, passfort.ErrWebhookMalformed) ||
		errors.As(err, &panicked) || finalStatus(err) != 0
}

// finalStatus returns the status of a refusal that is about the profile, such as one
// that was deleted since; 0 for any other error. Others, such as that of a key that is
// not accepted, are about the process: the work waits until it is helped.
func finalStatus(err error) int {
	final := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity}
	var refused *passfort.Error
	if errors.As(err, &refused) && slices.Contains(final, refused.StatusCode) {
		return refused.StatusCode
	}
	return 0
}

// apply takes a message from the queue to its effect. One that was put aside in
// parts loses them when the effect is there, before it is acknowledged.
func (w *worker) apply(ctx context.Context, p int, body []byte, about *jetstream.MsgMetadata) error {
	m, err := readStored(body)
	if err != nil {
		return err
	}
	if m.Parts == nil {
		return w.once(ctx, p, &m.WebhookEvent, about)
	}
	done, err := w.effect(ctx, m.Parts.Effect)
	if err != nil {
		return err
	}
	err = errAlreadyDone
	if done == nil {
		if body, err = w.getParts(ctx, m.Parts); err != nil {
			return err
		}
		var e passfort.WebhookEvent
		if err = json.Unmarshal(body, &e); err != nil {
			return errUnreadable
		}
		err = w.once(ctx, p, &e, about)
	}
	if err == nil || errors.Is(err, errAlreadyDone) {
		err = cmp.Or(w.dropParts(ctx, m.Parts.Effect), err)
	}
	return err
}

// readStored reads a message as it waits in the queue.
func readStored(body []byte) (m stored, err error) {
	if json.Unmarshal(body, &m) != nil {
		return m, errUnreadable
	}
	return m, nil
}

// once does what a message asks for and commits its effect.
func (w *worker) once(ctx context.Context, p int, e *passfort.WebhookEvent, about *jetstream.MsgMetadata) error {
	subject := w.names.webhookEffect(e)
	if w.Handle != nil {
		if done, err := w.effect(ctx, subject); err != nil || done != nil {
			return cmp.Or(err, errAlreadyDone)
		}
		if err := safely(func() error { return w.Handle(ctx, e) }); err != nil {
			return err
		}
	}
	body, err := json.Marshal(record{
		Event: e.Event[:min(len(e.Event), longestName)], Message: e.Key(), Sequence: about.Sequence.Stream,
		Partition: p, Worker: w.name, Tries: about.NumDelivered, At: time.Now(),
	})
	if err != nil {
		return err
	}
	return w.commit(ctx, &nats.Msg{Subject: subject, Data: body})
}

// longestName bounds what is recorded of the name of an event.
const longestName = 128

// safely makes a panic an error, so that one message does not end the process.
func safely(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &passfort.PanicError{Value: v}
		}
	}()
	return do()
}

// park puts a message aside, whole, for a person to look at. The parts of a
// large one stay where they are.
func (w *worker) park(ctx context.Context, msg jetstream.Msg, about *jetstream.MsgMetadata, why error) error {
	aside := &nats.Msg{
		Subject: w.names.subject("parked", strconv.FormatUint(about.Sequence.Stream, 10), hashOf(msg.Data())),
		Header:  nats.Header{causeHeader: {Cause(why)}, triesHeader: {strconv.FormatUint(about.NumDelivered, 10)}},
		Data:    msg.Data(),
	}
	if err := w.commit(ctx, aside); err != nil && !errors.Is(err, errAlreadyDone) {
		return fmt.Errorf("park: %w", err)
	}
	w.log.Error("a message was parked", "cause", Cause(why), "tries", about.NumDelivered)
	return nil
}
