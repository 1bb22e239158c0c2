package fleet

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// storeTimeout is how long the engine may take to confirm a message, or to answer a
// question. After that a delivery is answered with 500, and Passfort sends it again.
const storeTimeout = 5 * time.Second

// ask puts one question to the engine, with a bound.
func ask[T any](ctx context.Context, f *Fleet, what string, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	before := f.conn.LastError()
	got, err := do(ctx)
	return got, f.engineError(what, before, err)
}

// stream returns a stream. It asks the engine the first time.
func (f *Fleet) stream(ctx context.Context, kind string) (jetstream.Stream, error) {
	f.mu.Lock()
	known := f.streams[kind]
	f.mu.Unlock()
	if known != nil {
		return known, nil
	}
	stream, err := ask(ctx, f, "stream "+f.names.stream(kind), func(ctx context.Context) (jetstream.Stream, error) {
		return f.js.Stream(ctx, f.names.stream(kind))
	})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams[kind] = stream
	return stream, nil
}

// info asks for the configuration and state of a stream.
func (f *Fleet) info(ctx context.Context, kind string) (*jetstream.StreamInfo, error) {
	stream, err := f.stream(ctx, kind)
	if err != nil {
		return nil, err
	}
	return ask(ctx, f, "stream "+f.names.stream(kind), func(ctx context.Context) (*jetstream.StreamInfo, error) {
		return stream.Info(ctx)
	})
}

func (f *Fleet) consumerInfo(ctx context.Context, kind, name string) (*jetstream.ConsumerInfo, error) {
	consumer, err := ask(ctx, f, "consumer "+name, func(ctx context.Context) (jetstream.Consumer, error) {
		return f.js.Consumer(ctx, f.names.stream(kind), name)
	})
	if err != nil {
		return nil, err
	}
	return consumer.CachedInfo(), nil
}

// readPartitions asks for the number of partitions, which every process follows.
func (f *Fleet) readPartitions(ctx context.Context) (int, error) {
	info, err := f.info(ctx, webhookStream)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(info.Config.Metadata[partitionsKey])
	if err != nil || n < 1 || n > MaxPartitions {
		return 0, errors.New("fleet: the stream " + f.names.stream(webhookStream) + " was not made by this package")
	}
	f.partitions.Store(int64(n))
	return n, nil
}

// publish sends a message and returns when the engine has confirmed that it is kept.
func (f *Fleet) publish(
	ctx context.Context, what string, msg *nats.Msg, opts ...jetstream.PublishOpt,
) (*jetstream.PubAck, error) {
	return ask(ctx, f, what, func(ctx context.Context) (*jetstream.PubAck, error) {
		return f.js.PublishMsg(ctx, msg, opts...)
	})
}

// errAlreadyDone: the subject has its message.
var errAlreadyDone = errors.New("already done")

// commit writes what was done, once: the engine takes the first message of a subject
// and refuses every other with what becomes errAlreadyDone. This is the one place that
// makes effects happen exactly once.
func (f *Fleet) commit(ctx context.Context, msg *nats.Msg) error { return f.commitAfter(ctx, msg, 0) }

// commitAfter writes the message that follows the one with a sequence on its subject.
func (f *Fleet) commitAfter(ctx context.Context, msg *nats.Msg, sequence uint64) error {
	_, err := f.publish(ctx, "store a record", msg, jetstream.WithExpectLastSequencePerSubject(sequence))
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		return errAlreadyDone
	}
	return err
}

// effect reads what was committed to a subject, nil if nothing.
func (f *Fleet) effect(ctx context.Context, subject string) ([]byte, error) {
	msg, err := f.last(ctx, effectStream, subject)
	if msg == nil {
		return nil, err
	}
	return msg.Data, nil
}

// last returns the last message of a subject, nil if there is none. The leader of the
// stream answers: see Plan.
func (f *Fleet) last(ctx context.Context, kind, subject string) (*jetstream.RawStreamMsg, error) {
	stream, err := f.stream(ctx, kind)
	if err != nil {
		return nil, err
	}
	msg, err := ask(ctx, f, "read "+f.names.stream(kind),
		func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
			return stream.GetLastMsgForSubject(ctx, subject)
		})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	return msg, err
}

// goneFor is how many looks for a consumer, a second apart, find none before that is
// logged: then it is missing, and Plan.Apply makes it.
const goneFor = 5

// consume hands the messages of a consumer to handle, one at a time, until ctx ends;
// the message in hand is then finished. It outlives a restart of the engine.
func (f *Fleet) consume(ctx context.Context, kind, name string, prefetch int, handle func(jetstream.Msg)) {
	for gone := 0; ctx.Err() == nil; {
		consumer, err := ask(ctx, f, "consumer "+name, func(ctx context.Context) (jetstream.Consumer, error) {
			return f.js.Consumer(ctx, f.names.stream(kind), name)
		})
		if err == nil {
			err = f.drain(ctx, consumer, prefetch, handle)
		}
		if err != nil && ctx.Err() == nil {
			// A consumer that is gone belongs to another number of partitions, which is seen soon.
			if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrConsumerDeleted) {
				gone++
			} else {
				gone = goneFor
			}
			if gone >= goneFor {
				f.complain("a queue cannot be read", err)
			}
			pause(ctx, time.Second)
			continue
		}
		gone = 0
	}
}

func (f *Fleet) drain(
	ctx context.Context, consumer jetstream.Consumer, prefetch int, handle func(jetstream.Msg),
) error {
	before := f.conn.LastError()
	messages, err := consumer.Messages(jetstream.PullMaxMessages(prefetch),
		jetstream.PullExpiry(5*time.Second), jetstream.PullHeartbeat(time.Second))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Drain)()
	for {
		msg, err := messages.Next()
		switch {
		case err == nil:
			handle(msg)
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			f.complain("a queue cannot be read", f.engineError("pull", before, err))
		default:
			return err
		}
	}
}

// holding notifies the engine that a message is being worked on, as long as it
// takes. The caller calls the function it returns.
func holding(msg jetstream.Msg, ackWait time.Duration) (release func()) {
	var mu sync.Mutex
	var timer *time.Timer
	released := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(ackWait/3, func() {
		mu.Lock()
		defer mu.Unlock()
		if released {
			return
		}
		_ = msg.InProgress()
		timer.Reset(ackWait / 3)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		released = true
		timer.Stop()
	}
}

// pause waits for about d, so that processes that failed together do not come back
// together, or until ctx ends.
func pause(ctx context.Context, d time.Duration) { rest(ctx, jittered(d)) }

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// jittered returns something between d/2 and 3d/2.
func jittered(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d) //nolint:gosec // spread, not a secret
}
