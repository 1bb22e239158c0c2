package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Forever is a time for which something is kept: nothing is removed.
const Forever time.Duration = -1

// MaxPartitions bounds [Layout].Partitions: each is a consumer of its own.
const MaxPartitions = 1024

// leastAckWait is the shortest [Layout].AckWait that a busy machine keeps.
const leastAckWait = 300 * time.Millisecond

// leastQueue is the smallest [Layout].JobQueue: the tasks to list the next page of each
// job are in the queue too, and leave room for a page.
const leastQueue = 2 * pageSize

// Layout is how the streams of a fleet are made. All processes read it from there.
//
// A value that is zero keeps what exists; where nothing exists yet it means the default.
type Layout struct {
	// Partitions bounds how many messages are handled at once: one for each. The
	// default is 16, the most are [MaxPartitions]. [Fleet.Repartition] changes it.
	Partitions int
	// Replicas is how many servers of a cluster keep each stream. The default is 1.
	Replicas int
	// AckWait is how long a message stays with a process that gives no sign of life,
	// before another one gets it. The default is 10 s, the least 300 ms.
	AckWait time.Duration
	// Duplicates is how long the engine knows a message again. The default is 2 hours.
	Duplicates time.Duration
	// Keep is how long effects are remembered, and so how late a duplicate may be. The
	// default is 90 days.
	Keep time.Duration
	// ParkedKeep is how long parked messages and the parts of large ones are kept,
	// which hold personal data. The default is 90 days; [Forever] removes none.
	ParkedKeep time.Duration
	// StoreBytes bounds the webhooks that wait to be handled, and once more the large
	// ones. A full stream refuses more, and Passfort sends them again. The default is
	// 4 GiB.
	StoreBytes int64
	// JobQueue bounds the profiles that wait in the queue of jobs. The default is
	// 20,000, the least 400.
	JobQueue int64
	// Force accepts what makes an existing fleet less safe.
	Force bool
}

// defaults is the layout of a new fleet.
func defaults() Layout {
	return Layout{
		Partitions: 16, Replicas: 1, AckWait: 10 * time.Second, Duplicates: 2 * time.Hour,
		Keep: 90 * 24 * time.Hour, ParkedKeep: 90 * 24 * time.Hour, StoreBytes: 4 << 30, JobQueue: 20_000,
	}
}

// check names the first value that cannot be.
func (l Layout) check() error {
	switch {
	case l.Partitions < 0 || l.Partitions > MaxPartitions:
		return fmt.Errorf("fleet: Partitions is 1 to %d", MaxPartitions)
	case l.Replicas < 0 || l.Replicas > 5:
		return errors.New("fleet: Replicas is 1 to 5")
	case l.AckWait != 0 && l.AckWait < leastAckWait:
		return fmt.Errorf("fleet: AckWait is at least %s", leastAckWait)
	case l.Duplicates < 0 || l.Keep < 0 && l.Keep != Forever || l.ParkedKeep < 0 && l.ParkedKeep != Forever:
		return errors.New("fleet: a time is negative")
	case l.StoreBytes < 0:
		return errors.New("fleet: StoreBytes is negative")
	case l.JobQueue != 0 && l.JobQueue < leastQueue:
		return fmt.Errorf("fleet: JobQueue is at least %d", leastQueue)
	}
	return nil
}

// stream returns the stream of a new fleet.
func (l Layout) stream(n names, kind string) jetstream.StreamConfig {
	s := jetstream.StreamConfig{Name: n.stream(kind), Replicas: l.Replicas, Storage: jetstream.FileStorage}
	switch kind {
	case webhookStream:
		s.Subjects = []string{n.partitions(l.Partitions)}
		s.Retention, s.Discard = jetstream.WorkQueuePolicy, jetstream.DiscardNew
		s.MaxBytes, s.Duplicates = l.StoreBytes, l.Duplicates
		s.Metadata = map[string]string{partitionsKey: strconv.Itoa(l.Partitions)}
	case largeStream:
		s.Subjects = []string{n.subject("large", ">")}
		s.Discard, s.MaxBytes, s.MaxAge = jetstream.DiscardNew, l.StoreBytes, age(l.ParkedKeep)
	case effectStream:
		s.Subjects, s.MaxAge = []string{n.subject("effects", ">")}, age(l.Keep)
	case parkedStream:
		s.Subjects, s.MaxAge = []string{n.subject("parked", ">")}, age(l.ParkedKeep)
	case jobStream:
		s.Subjects = []string{n.subject("jobs", ">")}
		s.Retention, s.Discard = jetstream.WorkQueuePolicy, jetstream.DiscardNew
		s.MaxMsgs, s.Duplicates = l.JobQueue, l.Duplicates
	case listStream:
		s.Subjects, s.MaxMsgsPerSubject = []string{n.subject("lists", ">")}, 1
		s.MaxAge = age(l.Keep)
	}
	return s
}

// age is what the engine calls a time for which something is kept.
func age(d time.Duration) time.Duration { return max(d, 0) }

// Change is one line of a [Plan].
type Change struct {
	// What changes: "stream live_EFFECTS", or "live_EFFECTS replicas".
	What string
	// From is the value that exists, empty for what is new.
	From string
	To   string
	// LessSafe reports that an existing fleet is less safe afterwards.
	LessSafe bool
}

// String returns the change in a line.
func (c Change) String() string {
	mark := ""
	if c.LessSafe {
		mark = "   LESS SAFE"
	}
	if c.From == "" {
		return c.What + ": " + c.To + mark
	}
	return c.What + ": " + c.From + " -> " + c.To + mark
}

// Plan is what applying a [Layout] changes, before any of it is done.
type Plan struct {
	// Changes are the changes, none if the engine has it all.
	Changes []Change

	fleet   *Fleet
	layout  Layout
	streams []jetstream.StreamConfig
	ackWait time.Duration
}

// ErrLessSafe means that a plan would make an existing fleet less safe, and that
// nothing was changed: see [Layout].Force.
var ErrLessSafe = errors.New("it loses safety: nothing was changed")

// ErrPartitions means that a layout has another number of partitions than the fleet, and
// that nothing was changed: [Fleet.Repartition] changes it.
var ErrPartitions = errors.New("only Repartition changes that: nothing was changed")

// Plan compares a layout with what the engine has. It changes nothing, and may be
// repeated, as may [Plan.Apply].
//
// The error names what cannot be. It is [ErrPartitions] if a fleet that exists has another
// number of them.
func (f *Fleet) Plan(ctx context.Context, l Layout) (*Plan, error) {
	if err := errors.Join(l.check(), f.supported()); err != nil {
		return nil, err
	}
	old, err := f.readPartitions(ctx)
	switch {
	case errors.Is(err, ErrNoFleet):
		old = cmp.Or(l.Partitions, defaults().Partitions)
	case err != nil:
		return nil, err
	case l.Partitions != 0 && l.Partitions != old:
		return nil, fmt.Errorf("fleet: there are %d partitions and not %d: %w", old, l.Partitions, ErrPartitions)
	}
	p := &Plan{fleet: f, layout: l}
	fresh := l.orDefaults()
	fresh.Partitions = old
	for _, kind := range streamKinds {
		info, err := f.info(ctx, kind)
		switch {
		case errors.Is(err, ErrNoFleet):
			want := fresh.stream(f.names, kind)
			p.streams = append(p.streams, want)
			p.Changes = append(p.Changes, Change{
				What: "stream " + want.Name, To: "new, replicas " + strconv.Itoa(want.Replicas),
			})
		case err != nil:
			return nil, err
		default:
			p.streams = append(p.streams, p.revise(kind, info))
		}
	}
	p.ackWait = fresh.AckWait
	info, err := f.consumerInfo(ctx, jobStream, itemsConsumer)
	switch {
	case errors.Is(err, ErrNoFleet):
	case err != nil:
		return nil, err
	default:
		p.ackWait = info.Config.AckWait
		set(p, "consumers ack wait", &p.ackWait, l.AckWait, l.AckWait < info.Config.AckWait)
	}
	return p, nil
}

func (l Layout) orDefaults() Layout {
	d := defaults()
	l.Replicas, l.AckWait = cmp.Or(l.Replicas, d.Replicas), cmp.Or(l.AckWait, d.AckWait)
	l.Duplicates, l.Keep = cmp.Or(l.Duplicates, d.Duplicates), cmp.Or(l.Keep, d.Keep)
	l.ParkedKeep = cmp.Or(l.ParkedKeep, d.ParkedKeep)
	l.StoreBytes, l.JobQueue = cmp.Or(l.StoreBytes, d.StoreBytes), cmp.Or(l.JobQueue, d.JobQueue)
	return l
}

// set moves a value of something that exists to the chosen one, if one was chosen.
func set[T comparable](p *Plan, what string, have *T, want T, lessSafe bool) {
	var none T
	if want == none || *have == want {
		return
	}
	p.Changes = append(p.Changes, Change{what, fmt.Sprint(*have), fmt.Sprint(want), lessSafe})
	*have = want
}

// revise returns the configuration of a stream that exists, with what was chosen.
func (p *Plan) revise(kind string, info *jetstream.StreamInfo) jetstream.StreamConfig {
	have, l := info.Config, p.layout
	name := func(of string) string { return have.Name + " " + of }
	set(p, name("replicas"), &have.Replicas, l.Replicas, l.Replicas < have.Replicas)
	switch kind {
	case webhookStream:
		set(p, name("duplicates"), &have.Duplicates, l.Duplicates, l.Duplicates < have.Duplicates)
		p.setRoom(name("bytes"), &have.MaxBytes, l.StoreBytes, info.State.Bytes)
	case largeStream:
		p.setAge(name("age"), &have.MaxAge, l.ParkedKeep)
		p.setRoom(name("bytes"), &have.MaxBytes, l.StoreBytes, info.State.Bytes)
	case effectStream, listStream:
		p.setAge(name("age"), &have.MaxAge, l.Keep)
	case parkedStream:
		p.setAge(name("age"), &have.MaxAge, l.ParkedKeep)
	case jobStream:
		set(p, name("duplicates"), &have.Duplicates, l.Duplicates, l.Duplicates < have.Duplicates)
		p.setRoom(name("messages"), &have.MaxMsgs, l.JobQueue, info.State.Msgs)
	}
	// A direct read may be answered by a server that is behind.
	if have.AllowDirect {
		have.AllowDirect = false
		p.Changes = append(p.Changes, Change{name("reads"), "any copy", "the leader", false})
	}
	return have
}

// setRoom is set for a bound. One below what is in use refuses messages at once.
func (p *Plan) setRoom(what string, have *int64, want int64, used uint64) {
	set(p, what, have, want, want > 0 && uint64(want) < used) //nolint:gosec // it is positive
}

// setAge is set for a time that something is kept. A shorter one removes what is there.
func (p *Plan) setAge(what string, have *time.Duration, want time.Duration) {
	if want == 0 || age(want) == *have {
		return
	}
	p.Changes = append(p.Changes, Change{
		what, keptFor(*have), keptFor(want), want > 0 && (*have == 0 || want < *have),
	})
	*have = age(want)
}

func keptFor(d time.Duration) string {
	if d <= 0 {
		return "unlimited"
	}
	return d.String()
}

// Apply makes the streams and consumers. Of what exists it changes what [Plan.Changes]
// lists. It fails with [ErrLessSafe], and changes nothing, if that makes the fleet less
// safe and [Layout].Force was not given.
func (p *Plan) Apply(ctx context.Context) error {
	for _, c := range p.Changes {
		if c.LessSafe && !p.layout.Force {
			return fmt.Errorf("fleet: %s from %s to %s: %w", c.What, c.From, c.To, ErrLessSafe)
		}
	}
	f := p.fleet
	for _, s := range p.streams {
		if s.Name == f.names.stream(webhookStream) {
			if err := f.keepPartitions(ctx, &s); err != nil {
				return err
			}
		}
		if err := f.putStream(ctx, s); err != nil {
			return err
		}
	}
	of, err := f.readPartitions(ctx)
	if err != nil {
		return err
	}
	if err := f.webhookConsumers(ctx, of, p.ackWait); err != nil {
		return err
	}
	pages, items := f.names.subject("jobs", "page", ">"), f.names.subject("jobs", "item", ">")
	if err := f.workConsumer(ctx, jobStream, pagesConsumer, pages, 1, p.ackWait); err != nil {
		return err
	}
	return f.workConsumer(ctx, jobStream, itemsConsumer, items, 1024, p.ackWait)
}

// keepPartitions leaves to the stream of the webhooks the partitions that it has by now:
// a Repartition, or another process's first Apply, may have ended since the plan was made.
func (f *Fleet) keepPartitions(ctx context.Context, s *jetstream.StreamConfig) error {
	info, err := f.info(ctx, webhookStream)
	if errors.Is(err, ErrNoFleet) {
		return nil
	}
	if err == nil {
		s.Subjects, s.Metadata = info.Config.Subjects, info.Config.Metadata
	}
	return err
}

// putStream makes or changes a stream.
func (f *Fleet) putStream(ctx context.Context, s jetstream.StreamConfig) error {
	_, err := ask(ctx, f, "stream "+s.Name, func(ctx context.Context) (jetstream.Stream, error) {
		return f.js.CreateOrUpdateStream(ctx, s)
	})
	return err
}

func (f *Fleet) webhookConsumers(ctx context.Context, partitions int, ackWait time.Duration) error {
	for p := range partitions {
		name, subject := partitionConsumer(p, partitions), f.names.partition(p, partitions)
		if err := f.workConsumer(ctx, webhookStream, name, subject, 1, ackWait); err != nil {
			return err
		}
	}
	return nil
}

// workConsumer makes a durable consumer that all processes share. With maxPending 1
// only one message of it is with any of them at a time: that is what keeps the order
// of a partition. It has as many copies as its stream.
func (f *Fleet) workConsumer(
	ctx context.Context, kind, name, filter string, maxPending int, ackWait time.Duration,
) error {
	want := jetstream.ConsumerConfig{
		Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxDeliver: -1, MaxAckPending: maxPending,
	}
	switch info, err := f.consumerInfo(ctx, kind, name); {
	case err == nil && info.Config.AckWait == ackWait:
		return nil
	case err == nil:
		want = info.Config
		want.AckWait = ackWait
	case !errors.Is(err, ErrNoFleet):
		return err
	}
	_, err := ask(ctx, f, "consumer "+name, func(ctx context.Context) (jetstream.Consumer, error) {
		return f.js.CreateOrUpdateConsumer(ctx, f.names.stream(kind), want)
	})
	return err
}

// Repartition changes the number of partitions while processes work. The engine
// refuses webhooks until those that wait are handled, so the order of a profile does
// not change; Passfort sends again what was refused. progress, if not nil, gets the
// number of messages that are still to be handled.
//
// It may be repeated after it was interrupted or failed, and goes on. Until then the
// fleet takes no webhooks, which the error says. With the number that the fleet has it
// waits for nothing and lets the fleet take webhooks again: so a change is given up that
// waits for a message which keeps failing. Of two calls at once the later one counts,
// and the other one fails.
func (f *Fleet) Repartition(ctx context.Context, n int, progress func(waiting uint64)) error {
	if n < 1 || n > MaxPartitions {
		return fmt.Errorf("fleet: there are 1 to %d partitions", MaxPartitions)
	}
	items, err := f.consumerInfo(ctx, jobStream, itemsConsumer)
	if err != nil {
		return err
	}
	from, err := f.readPartitions(ctx)
	if err != nil {
		return err
	}
	info, err := f.info(ctx, webhookStream)
	if err != nil {
		return err
	}
	m := &move{Fleet: f, call: rand.Text(), from: from, to: n, cfg: info.Config, ackWait: items.Config.AckWait}
	m.cfg.Metadata = maps.Clone(m.cfg.Metadata)
	m.cfg.Metadata[callKey] = m.call
	moving := []string{f.names.moving()}
	if from != n && !slices.Equal(m.cfg.Subjects, moving) {
		if err := f.putStream(ctx, m.cfg); err != nil {
			return err
		}
		// A call that was interrupted at its end left some out, and messages wait for them.
		if err := f.webhookConsumers(ctx, from, m.ackWait); err != nil {
			return err
		}
	}
	m.cfg.Subjects = moving
	if err := f.putStream(ctx, m.cfg); err != nil {
		return err
	}
	err = m.run(ctx, progress)
	if err != nil && !errors.Is(err, errOvertaken) {
		return fmt.Errorf("%w; webhooks are refused until Repartition is run again: with %d it goes on, with %d it "+
			"is given up", err, n, from)
	}
	return err
}

// move is a call of Repartition.
type move struct {
	*Fleet
	call     string // in the metadata of the stream, as long as no later call began
	from, to int
	cfg      jetstream.StreamConfig
	ackWait  time.Duration
}

// callKey is the metadata that names the last call of Repartition.
const callKey = "fleet_repartition"

var errOvertaken = errors.New("fleet: another Repartition began in the meantime: this one changed nothing more")

// movingEvery is how often Repartition looks whether everything is handled.
const movingEvery = 200 * time.Millisecond

func (m *move) run(ctx context.Context, progress func(uint64)) error {
	for m.from != m.to {
		waiting, err := m.waiting(ctx)
		if errors.Is(err, errOvertaken) {
			return err
		}
		if err == nil && waiting == 0 {
			break
		}
		if err == nil && progress != nil {
			progress(waiting)
		}
		if rest(ctx, movingEvery); ctx.Err() != nil {
			return fmt.Errorf("fleet: interrupted: %w", context.Cause(ctx))
		}
	}
	if err := m.dropConsumers(ctx, m.to); err != nil {
		return err
	}
	m.cfg.Subjects = []string{m.names.partitions(m.to)}
	m.cfg.Metadata[partitionsKey] = strconv.Itoa(m.to)
	if _, err := m.waiting(ctx); err != nil {
		return err
	}
	if err := m.putStream(ctx, m.cfg); err != nil {
		return err
	}
	m.partitions.Store(int64(m.to))
	return m.webhookConsumers(ctx, m.to, m.ackWait)
}

// waiting returns how many messages are still to be handled. The error is errOvertaken
// if a later call began.
func (m *move) waiting(ctx context.Context) (uint64, error) {
	info, err := m.info(ctx, webhookStream)
	if err != nil {
		return 0, err
	}
	if info.Config.Metadata[callKey] != m.call {
		return 0, errOvertaken
	}
	return info.State.Msgs, nil
}

// dropConsumers removes the consumers of every other number of partitions.
func (f *Fleet) dropConsumers(ctx context.Context, n int) error {
	stream, err := f.stream(ctx, webhookStream)
	if err != nil {
		return err
	}
	names := stream.ConsumerNames(ctx)
	var gone []string
	for name := range names.Name() {
		if !strings.HasPrefix(name, fmt.Sprintf("webhooks-%d-", n)) {
			gone = append(gone, name)
		}
	}
	if err := names.Err(); err != nil {
		return f.engineError("consumers", nil, err)
	}
	for _, name := range gone {
		_, err := ask(ctx, f, "consumer "+name, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, stream.DeleteConsumer(ctx, name)
		})
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
	}
	return nil
}
