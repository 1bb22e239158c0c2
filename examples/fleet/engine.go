package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The streams and what travels on them. See README.md for the picture.
const (
	// webhookStream holds the messages that were answered with 200 and not yet
	// handled: webhooks.<partitions>.<partition>.
	webhookStream = "WEBHOOKS"
	// largeStream holds, in parts, the messages that are larger than the engine
	// takes: large.webhook.<profile>.<message>.<content>.<part>.
	largeStream = "LARGE"
	// effectStream is the table of effects. Each subject is written once:
	// effects.webhook.<profile>.<message> and effects.bulk.<job>.<profile>.
	effectStream = "EFFECTS"
	// parkedStream holds messages that kept failing, for a person to look at.
	parkedStream = "PARKED"
	// bulkStream is the work of bulk jobs: bulk.page.<job> and
	// bulk.item.<job>.<profile>.
	bulkStream = "BULK"
	// jobBucket holds how far each bulk job was listed.
	jobBucket = "JOBS"

	pagesConsumer = "bulk-pages"
	itemsConsumer = "bulk-items"

	// wakeSubject carries hints for waits, without any promise.
	wakeSubject = "fleet.wake"
	// statsSubject is followed by the name of a worker.
	statsSubject = "fleet.stats."
	// checkSubject asks any worker to run a check and to wait for it.
	checkSubject = "fleet.check"

	partitionsKey = "fleet_partitions"
)

// layout is how the streams are made. `fleet up` decides; workers read it from
// the streams, so that all of them follow the same one.
type layout struct {
	// Partitions bounds how many messages are handled at once: one for each.
	Partitions int
	// Replicas is how many servers of a cluster keep each stream.
	Replicas int
	// AckWait is how long a message stays with a worker that gives no sign of
	// life, before another one gets it.
	AckWait time.Duration
	// Duplicates is how long the engine knows a message again.
	Duplicates time.Duration
	// Keep is how long effects are remembered, and so how late a duplicate may be.
	Keep time.Duration
	// StoreBytes bounds the webhooks waiting to be handled, and once more the
	// large ones. A full stream refuses more, and Passfort sends them again.
	StoreBytes int64
	// BulkQueue bounds the profiles waiting in the queue of bulk jobs.
	BulkQueue int64
	// ParkedKeep is how long parked messages and the parts of large ones, which
	// hold personal data, are kept. 0: permanently.
	ParkedKeep time.Duration

	// Chosen names the flags that were given. What exists changes only by these.
	Chosen map[string]bool
	// Force accepts what makes an existing fleet less safe.
	Force bool
}

func defaultLayout() layout {
	return layout{
		Partitions: 16, Replicas: 1, AckWait: 10 * time.Second, Duplicates: 2 * time.Hour,
		Keep: 90 * 24 * time.Hour, StoreBytes: 4 << 30, BulkQueue: 20_000,
		ParkedKeep: 90 * 24 * time.Hour,
	}
}

// streams returns the streams of a new fleet.
func (l layout) streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		// Workers start when they see the webhooks' stream: what large ones need is
		// there before.
		{
			Name: largeStream, Subjects: []string{"large.>"}, Discard: jetstream.DiscardNew, MaxBytes: l.StoreBytes,
			MaxAge: l.ParkedKeep,
		},
		{
			Name: webhookStream, Subjects: []string{partitionSubjects(l.Partitions)},
			Retention: jetstream.WorkQueuePolicy,
			Discard:   jetstream.DiscardNew, MaxBytes: l.StoreBytes, Duplicates: l.Duplicates,
			Metadata: map[string]string{partitionsKey: strconv.Itoa(l.Partitions)},
		},
		{Name: effectStream, Subjects: []string{"effects.>"}, MaxAge: l.Keep},
		{Name: parkedStream, Subjects: []string{"parked.>"}, MaxAge: l.ParkedKeep},
		{
			Name: bulkStream, Subjects: []string{"bulk.>"}, Retention: jetstream.WorkQueuePolicy,
			Discard: jetstream.DiscardNew, MaxMsgs: l.BulkQueue, Duplicates: l.Duplicates,
		},
	}
}

func partitionsOf(ctx context.Context, js jetstream.JetStream) (int, error) {
	stream, err := js.Stream(ctx, webhookStream)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(stream.CachedInfo().Config.Metadata[partitionsKey])
	if err != nil || n < 1 {
		return 0, errors.New("the stream of webhooks was not made by this program")
	}
	return n, nil
}

// The number of partitions is part of their names: a worker that has missed a
// change of it is refused by the engine, and strands nothing.
func partitionConsumer(p, of int) string { return fmt.Sprintf("webhooks-%d-%03d", of, p) }

func partitionSubject(p, of int) string { return fmt.Sprintf("webhooks.%d.%d", of, p) }

func partitionSubjects(of int) string { return fmt.Sprintf("webhooks.%d.*", of) }

// partition returns where the messages of a profile go.
func partition(profileID string, partitions int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(profileID))
	return int(h.Sum32() % uint32(partitions))
}

var plainToken = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// token makes an id one token of a subject. An id is a UUID; what is not as
// plain, or empty, becomes a hash.
func token(id string) string {
	if plainToken.MatchString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// connect returns a connection that survives the absence of the engine. While
// there is none, publishing fails at once rather than being kept in memory.
func connect(url, name string, log *slog.Logger) (*nats.Conn, error) {
	conn, err := nats.Connect(url, nats.Name(name), nats.IgnoreAuthErrorAbort(), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(300*time.Millisecond, time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the engine is away")
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the engine is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("engine", "cause", cause(err))
		}),
	)
	if err != nil {
		return nil, connectError(err)
	}
	if err := supported(conn.ConnectedServerVersion()); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// maxPayload is the size of a message of the embedded server, the largest that
// NATS recommends. What is larger goes in parts.
const maxPayload = 8 << 20

// engineOptions are the choices for the embedded server.
type engineOptions struct {
	Host string
	Port int // -1: any
	Dir  string
	// Lazy answers before a message is on the disk. The server then syncs every
	// two minutes: a crash of the process loses nothing, one of the machine may.
	Lazy bool
	// Token is what clients log in with. Empty: any process on this machine may.
	Token string
	// Key encrypts what is stored. Empty: in the clear.
	Key string
}

// startEngine runs a NATS server in this process.
func startEngine(o engineOptions) (*server.Server, error) {
	options := &server.Options{
		ServerName: "fleet", Host: o.Host, Port: o.Port, NoSigs: true, NoLog: true, MaxPayload: maxPayload,
		Authorization: o.Token,
		JetStream:     true, StoreDir: o.Dir, SyncAlways: !o.Lazy, JetStreamMaxMemory: 64 << 20,
		JetStreamMaxStore: 16 << 30,
	}
	if o.Key != "" {
		options.JetStreamKey, options.JetStreamCipher = o.Key, server.ChaCha
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		s.Shutdown()
		return nil, errors.New("the embedded NATS server does not start: is its address in use?")
	}
	return s, nil
}

// errAlreadyDone: the subject has its message.
var errAlreadyDone = errors.New("already done")

// effects is the table of what was done.
type effects struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

func openEffects(ctx context.Context, js jetstream.JetStream) (*effects, error) {
	stream, err := js.Stream(ctx, effectStream)
	if err != nil {
		return nil, err
	}
	return &effects{js, stream}, nil
}

// commit writes what was done, once: the engine takes the first message of a
// subject and refuses every other with what becomes errAlreadyDone. This is the
// one place that makes effects happen exactly once.
func (e *effects) commit(ctx context.Context, subject string, record []byte) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := e.js.Publish(ctx, subject, record, jetstream.WithExpectLastSequencePerSubject(0))
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		return errAlreadyDone
	}
	return err
}

// find reads what was committed to a subject, nil if nothing.
func (e *effects) find(ctx context.Context, subject string) ([]byte, error) {
	return read(ctx, e.stream, subject)
}

// read returns the last message of a subject, nil if there is none.
func read(ctx context.Context, stream jetstream.Stream, subject string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return msg.Data, nil
}

// consume hands the messages of a consumer to handle, one at a time, until ctx
// ends; the message in hand is then finished. It outlives a restart of the
// engine.
func consume(
	ctx context.Context, js jetstream.JetStream, stream, name string, prefetch int, handle func(jetstream.Msg),
) {
	for ctx.Err() == nil {
		consumer, err := js.Consumer(ctx, stream, name)
		if err == nil {
			err = drain(ctx, consumer, prefetch, handle)
		}
		if err != nil {
			pause(ctx, time.Second)
		}
	}
}

func drain(ctx context.Context, consumer jetstream.Consumer, prefetch int, handle func(jetstream.Msg)) error {
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

// pause waits for about d, so that workers that failed together do not come
// back together, or until ctx ends.
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
	return d/2 + rand.N(d)
}
