// Package fleet runs many processes as one service on NATS JetStream: webhooks that
// are stored before they are acknowledged and handled once, in the order of each
// profile; waits that end on whichever process waits; jobs over all profiles.
//
//	f, err := fleet.New(conn, fleet.Options{Prefix: "live"})
//
//	plan, err := f.Plan(ctx, fleet.Layout{Replicas: 3}) // once: makes the streams
//	err = plan.Apply(ctx)
//
//	front, err := f.Front(fleet.FrontOptions{Secrets: secrets}) // stores webhooks
//	http.Handle("/webhooks", front)
//
//	err = f.Work(ctx, fleet.WorkOptions{Handle: handle}) // handles them, until ctx ends
//
// # The connection
//
// The connection is yours: credentials, TLS, addresses. [ConnOptions] has what a
// connection needs so that no outage ends it. The engine is NATS 2.11 or later with
// JetStream. [PermissionsFor] returns what each process must be allowed, and nothing
// more.
//
// # The prefix
//
// [Options].Prefix begins the name of every stream and subject. Fleets with different
// prefixes on one engine share nothing: give each account of Passfort its own, and test
// and live as well.
//
// # What is kept
//
// Messages wait in the streams until they are handled, which is personal data. What was
// handled leaves a record without data in the stream of effects: the engine takes the
// first record of a message and refuses every other, so a message that is handed out
// twice has one effect. README.md describes the streams, limits and operation.
package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options configure [New].
type Options struct {
	// Prefix sets the fleet apart from others on the same engine: 1 to 32 letters,
	// digits and hyphens. It is required.
	Prefix string
	// Domain is the JetStream domain of the streams, for an engine that is reached
	// through a leaf node. Empty: the one of the connection.
	Domain string
	// Name is the name of this process in hints and records: 1 to 64 letters, digits,
	// hyphens and underscores. Empty: a random one.
	Name string
	// Log gets what went wrong, with fixed words for causes. It names no profile and
	// holds no data. Nil: slog.Default.
	Log *slog.Logger
}

// Fleet is one process of a fleet. It is safe for concurrent use, and starts nothing
// that outlives a call.
type Fleet struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	names  names
	name   string
	log    *slog.Logger
	counts counts

	partitions atomic.Int64 // as last read; 0: not known

	mu      sync.Mutex
	streams map[string]jetstream.Stream
	said    map[string]time.Time // when a complaint was last logged
}

var plainPrefix = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)

// New returns a fleet on a connection, which stays yours to close. It sends nothing.
//
// The error names an option that cannot be, or an engine older than 2.11. A connection
// that is not connected yet is taken; [Fleet.Ready] reports when it can be used.
func New(conn *nats.Conn, o Options) (*Fleet, error) {
	switch {
	case conn == nil:
		return nil, errors.New("fleet: there is no connection")
	case !plainPrefix.MatchString(o.Prefix):
		return nil, errors.New("fleet: Prefix is 1 to 32 letters, digits and hyphens")
	case o.Name != "" && !plainToken.MatchString(o.Name):
		return nil, errors.New("fleet: Name is 1 to 64 letters, digits, hyphens and underscores")
	case o.Domain != "" && !plainToken.MatchString(o.Domain):
		return nil, errors.New("fleet: Domain is 1 to 64 letters, digits, hyphens and underscores")
	}
	f := &Fleet{
		conn: conn, names: names(o.Prefix), name: o.Name, log: o.Log,
		streams: map[string]jetstream.Stream{}, said: map[string]time.Time{},
	}
	if f.name == "" {
		f.name = rand.Text()
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	var err error
	if o.Domain == "" {
		f.js, err = jetstream.New(conn)
	} else {
		f.js, err = jetstream.NewWithDomain(conn, o.Domain)
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if conn.IsConnected() {
		if err := f.supported(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// ConnOptions returns what a connection needs so that it outlives outages of the
// engine and logins that are refused for a while, and fails at once rather than keep
// messages in memory. log gets a line when the engine is away or back, with the cause.
//
//	conn, err := nats.Connect(url, append(fleet.ConnOptions(log), nats.UserCredentials(file))...)
func ConnOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.IgnoreAuthErrorAbort(), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(200 * time.Millisecond), nats.ReconnectJitter(300*time.Millisecond, time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the engine is away", "cause", Cause(err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the engine is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("engine", "cause", Cause(err))
		}),
	}
}

// Name returns the name of this process, as in [Hint].
func (f *Fleet) Name() string { return f.name }

// Subject returns a subject below the prefix for messages of your own, which no part of
// the package uses and [PermissionsFor] allows to workers and operators. A token that
// has more than letters, digits, hyphens and underscores becomes a hash; "*" stays.
func (f *Fleet) Subject(tokens ...string) string {
	all := []string{"own"}
	for _, t := range tokens {
		if t != "*" {
			t = token(t)
		}
		all = append(all, t)
	}
	return f.names.subject(all...)
}

// Ready reports whether the fleet can be used: the connection is there, the engine is
// not too old, and the streams can be read. The error names the cause, such as
// [ErrNoFleet]. It asks the engine once, for 2 seconds at most.
func (f *Fleet) Ready(ctx context.Context) error {
	switch f.conn.Status() {
	case nats.CONNECTED:
	case nats.CLOSED:
		return errClosed
	default:
		return errors.New("fleet: there is no connection to the engine")
	}
	if err := f.supported(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	_, err := f.readPartitions(ctx)
	return err
}

// readyTimeout bounds [Fleet.Ready].
const readyTimeout = 2 * time.Second

var (
	// ErrNoFleet means that the engine has no streams of this prefix: no
	// [Plan] was applied, or the connection belongs to another account of NATS.
	ErrNoFleet = errors.New("the engine has no fleet of this prefix")
	// ErrDenied means that the engine did not permit something: compare its
	// configuration with [PermissionsFor]. The text names the subject.
	ErrDenied = errors.New("the engine does not permit it")

	errClosed = errors.New("fleet: the connection is closed and does not come back: " +
		"connect with ConnOptions")
)

// oldest is the first version of the engine that can pause consumers.
const oldest = "2.11.0"

func (f *Fleet) supported() error { return supported(f.conn.ConnectedServerVersion()) }

// supported refuses an engine that is too old for what a fleet asks of it.
func supported(version string) error {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d.", &major, &minor); err != nil || major < 2 || major == 2 && minor < 11 {
		return fmt.Errorf("fleet: the engine is NATS %s: a fleet needs %s or later", version, oldest)
	}
	return nil
}

// Queues is what waits in the engine.
type Queues struct {
	// Webhooks were acknowledged and wait to be handled.
	Webhooks uint64
	// Parked messages wait for a person.
	Parked uint64
	// Jobs are the pages and profiles that wait in jobs.
	Jobs uint64
	// Effects are the records of what was done.
	Effects uint64
	// JobsPaused reports whether [Fleet.PauseJobs] holds the jobs.
	JobsPaused bool
}

// Queues asks the engine what waits.
func (f *Fleet) Queues(ctx context.Context) (q Queues, err error) {
	for _, of := range []struct {
		kind string
		n    *uint64
	}{{webhookStream, &q.Webhooks}, {parkedStream, &q.Parked}, {jobStream, &q.Jobs}, {effectStream, &q.Effects}} {
		info, err := f.info(ctx, of.kind)
		if err != nil {
			return Queues{}, err
		}
		*of.n = info.State.Msgs
	}
	info, err := f.consumerInfo(ctx, jobStream, itemsConsumer)
	if err != nil {
		return Queues{}, err
	}
	q.JobsPaused = info.Paused
	return q, nil
}
