package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The flags of a layout.
const (
	flagPartitions = "partitions"
	flagReplicas   = "replicas"
	flagAckWait    = "ack-wait"
	flagDuplicates = "duplicates"
	flagKeep       = "keep"
	flagParkedKeep = "parked-keep"
	flagStoreBytes = "store-bytes"
	flagBulkQueue  = "bulk-queue"
)

// flags lets the user choose.
func (l *layout) flags(flags *flag.FlagSet) {
	flags.IntVar(&l.Partitions, flagPartitions, l.Partitions, "`number` of partitions of profile ids")
	flags.IntVar(&l.Replicas, flagReplicas, l.Replicas, "`number` of servers of a cluster that keep each message")
	flags.DurationVar(&l.AckWait, flagAckWait, l.AckWait,
		"`time` after which the message of a silent worker goes to another")
	flags.DurationVar(&l.Duplicates, flagDuplicates, l.Duplicates, "`time` for which the engine knows a message again")
	flags.DurationVar(&l.Keep, flagKeep, l.Keep, "`time` for which effects are remembered")
	flags.DurationVar(&l.ParkedKeep, flagParkedKeep, l.ParkedKeep,
		"`time` after which parked messages and parts of large ones are removed; 0: never")
	flags.Int64Var(&l.StoreBytes, flagStoreBytes, l.StoreBytes,
		"`bytes` of webhooks that may wait, and once more of large ones")
	flags.Int64Var(&l.BulkQueue, flagBulkQueue, l.BulkQueue,
		"`number` of profiles that may wait in the queue of bulk jobs")
	flags.BoolVar(&l.Force, "force", false, "accept what makes an existing fleet less safe")
}

// choose notes which flags were given: only these change what exists.
func (l *layout) choose(flags *flag.FlagSet) {
	l.Chosen = map[string]bool{}
	flags.Visit(func(f *flag.Flag) { l.Chosen[f.Name] = true })
}

// change is one line of a plan.
type change struct {
	what, from, to string
	// loses reports that an existing fleet is less safe afterwards.
	loses bool
}

// plan collects what a setup does before any of it is done.
type plan struct {
	layout  layout
	streams []jetstream.StreamConfig
	changes []change
}

// set moves a value of something that exists to the chosen one.
func set[T comparable](p *plan, name, where string, have *T, want T, loses bool) {
	if !p.layout.Chosen[name] || *have == want {
		return
	}
	p.changes = append(p.changes, change{where + " " + name, fmt.Sprint(*have), fmt.Sprint(want), loses})
	*have = want
}

// streamPlan plans a stream. Of one that exists, only chosen values change.
func (p *plan) stream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	want.Replicas, want.Storage = p.layout.Replicas, jetstream.FileStorage
	old, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		p.changes = append(p.changes, change{
			what: "stream " + want.Name, to: "new, replicas " + strconv.Itoa(want.Replicas),
		})
		p.streams = append(p.streams, want)
		return nil
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	have, l := old.CachedInfo().Config, p.layout
	set(p, flagReplicas, want.Name, &have.Replicas, l.Replicas, l.Replicas < have.Replicas)
	switch want.Name {
	case webhookStream, largeStream:
		set(p, flagStoreBytes, want.Name, &have.MaxBytes, l.StoreBytes,
			uint64(max(l.StoreBytes, 0)) < old.CachedInfo().State.Bytes)
	case bulkStream:
		set(p, flagBulkQueue, want.Name, &have.MaxMsgs, l.BulkQueue,
			uint64(max(l.BulkQueue, 0)) < old.CachedInfo().State.Msgs)
	}
	switch want.Name {
	case webhookStream, bulkStream:
		set(p, flagDuplicates, want.Name, &have.Duplicates, l.Duplicates, l.Duplicates < have.Duplicates)
	case effectStream:
		set(p, flagKeep, want.Name, &have.MaxAge, l.Keep, shorter(l.Keep, have.MaxAge))
	case parkedStream, largeStream:
		set(p, flagParkedKeep, want.Name, &have.MaxAge, l.ParkedKeep, shorter(l.ParkedKeep, have.MaxAge))
	}
	// A direct read may be answered by a server that is behind.
	if have.AllowDirect {
		have.AllowDirect = false
		p.changes = append(p.changes, change{want.Name + " reads", "any copy", "the leader", false})
	}
	p.streams = append(p.streams, have)
	return nil
}

// shorter reports whether an age limit removes what the old one keeps. 0 is none.
func shorter(now, before time.Duration) bool { return now > 0 && (before == 0 || now < before) }

// print shows the plan.
func (p *plan) print(w io.Writer) {
	for _, c := range p.changes {
		mark := ""
		if c.loses {
			mark = "   LESS SAFE"
		}
		if c.from == "" {
			_, _ = fmt.Fprintf(w, "%s: %s%s\n", c.what, c.to, mark)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s: %s -> %s%s\n", c.what, c.from, c.to, mark)
	}
	if len(p.changes) == 0 {
		_, _ = fmt.Fprintln(w, "nothing changes")
	}
}

// refusal names the first change that makes an existing fleet less safe.
func (p *plan) refusal() error {
	for _, c := range p.changes {
		if c.loses && !p.layout.Force {
			return fmt.Errorf("%s from %s to %s loses safety: nothing was changed; give -force to do it", c.what,
				c.from, c.to)
		}
	}
	return nil
}

// prepare makes the streams and consumers, and prints to w what that changes.
// It may be repeated: what exists is kept unless a flag chose otherwise.
func (l layout) prepare(ctx context.Context, js jetstream.JetStream, w io.Writer) error {
	if l.Partitions < 1 || l.Replicas < 1 || l.AckWait < 300*time.Millisecond {
		return errors.New("there is at least one partition and one replica, and -ack-wait is at least 300ms")
	}
	switch old, err := partitionsOf(ctx, js); {
	case errors.Is(err, jetstream.ErrStreamNotFound):
	case err != nil:
		return err
	case l.Chosen[flagPartitions] && old != l.Partitions:
		return fmt.Errorf("the fleet has %d partitions: nothing was changed; %s partitions -n %d changes that", old,
			called(os.Args), l.Partitions)
	default:
		l.Partitions = old
	}
	p := &plan{layout: l}
	for _, s := range l.streams() {
		if err := p.stream(ctx, js, s); err != nil {
			return err
		}
	}
	ackWait, err := p.ackWait(ctx, js)
	if err != nil {
		return err
	}
	p.print(w)
	if err := p.refusal(); err != nil {
		return err
	}
	for _, s := range p.streams {
		if _, err := js.CreateOrUpdateStream(ctx, s); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	if err := webhookConsumers(ctx, js, l.Partitions, ackWait); err != nil {
		return err
	}
	if err := workConsumer(ctx, js, bulkStream, pagesConsumer, "bulk.page.>", 1, ackWait); err != nil {
		return err
	}
	if err := workConsumer(ctx, js, bulkStream, itemsConsumer, "bulk.item.>", 1024, ackWait); err != nil {
		return err
	}
	return l.jobs(ctx, js)
}

// ackWait returns what the consumers get: what they have, unless it was chosen.
func (p *plan) ackWait(ctx context.Context, js jetstream.JetStream) (time.Duration, error) {
	items, err := js.Consumer(ctx, bulkStream, itemsConsumer)
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return p.layout.AckWait, nil
	}
	if err != nil {
		return 0, err
	}
	have := items.CachedInfo().Config.AckWait
	set(p, flagAckWait, "consumers", &have, p.layout.AckWait, p.layout.AckWait < have)
	return have, nil
}

// jobs makes the bucket of jobs, which is read from its leader alone.
func (l layout) jobs(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: jobBucket, Replicas: l.Replicas})
	if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
		return fmt.Errorf("bucket %s: %w", jobBucket, err)
	}
	stream, err := js.Stream(ctx, "KV_"+jobBucket)
	if err != nil {
		return err
	}
	cfg := stream.CachedInfo().Config
	cfg.AllowDirect = false
	if l.Chosen[flagReplicas] {
		cfg.Replicas = l.Replicas
	}
	_, err = js.UpdateStream(ctx, cfg)
	return err
}

func webhookConsumers(ctx context.Context, js jetstream.JetStream, partitions int, ackWait time.Duration) error {
	for p := range partitions {
		name, subject := partitionConsumer(p, partitions), partitionSubject(p, partitions)
		if err := workConsumer(ctx, js, webhookStream, name, subject, 1, ackWait); err != nil {
			return err
		}
	}
	return nil
}

// workConsumer makes a durable consumer that all workers share. With maxPending
// 1 only one message of it is with any worker at a time: that is what keeps the
// order of a partition. It has as many copies as its stream.
func workConsumer(
	ctx context.Context, js jetstream.JetStream, stream, name, filter string, maxPending int, ackWait time.Duration,
) error {
	want := jetstream.ConsumerConfig{
		Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxDeliver: -1, MaxAckPending: maxPending,
	}
	old, err := js.Consumer(ctx, stream, name)
	if err == nil {
		want = old.CachedInfo().Config
		want.AckWait = ackWait
	}
	if _, err := js.CreateOrUpdateConsumer(ctx, stream, want); err != nil {
		return fmt.Errorf("consumer %s: %w", name, err)
	}
	return nil
}

// movingSubject is the only one of the webhooks' stream while the number of
// partitions changes: the engine then takes no webhook.
const movingSubject = "webhooks.moving"

// repartition changes the number of partitions while workers run. The engine
// refuses webhooks until those that wait are handled, so no profile's order
// changes; Passfort sends what was refused again. It may be repeated after it
// was interrupted, and goes on.
func repartition(ctx context.Context, js jetstream.JetStream, n int, w io.Writer) error {
	stream, err := js.Stream(ctx, webhookStream)
	if err != nil {
		return err
	}
	items, err := js.Consumer(ctx, bulkStream, itemsConsumer)
	if err != nil {
		return err
	}
	cfg := stream.CachedInfo().Config
	cfg.Subjects = []string{movingSubject}
	if _, err := js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("stream %s: %w", webhookStream, err)
	}
	for {
		info, err := stream.Info(ctx)
		if err == nil && info.State.Msgs == 0 {
			break
		}
		if err == nil {
			_, _ = fmt.Fprintf(w, "%d messages are still to be handled\n", info.State.Msgs)
		}
		if rest(ctx, 200*time.Millisecond); ctx.Err() != nil {
			return errors.New("interrupted: webhooks are refused until " + called(os.Args) + " partitions is run again")
		}
	}
	wanted := map[string]bool{}
	for p := range n {
		wanted[partitionConsumer(p, n)] = true
	}
	names := stream.ConsumerNames(ctx)
	var gone []string
	for name := range names.Name() {
		if !wanted[name] {
			gone = append(gone, name)
		}
	}
	if err := names.Err(); err != nil {
		return err
	}
	for _, name := range gone {
		if err := stream.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
	}
	cfg.Subjects = []string{partitionSubjects(n)}
	cfg.Metadata = map[string]string{partitionsKey: strconv.Itoa(n)}
	if _, err := js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("stream %s: %w", webhookStream, err)
	}
	if err := webhookConsumers(ctx, js, n, items.CachedInfo().Config.AckWait); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "%d partitions\n", n)
	return nil
}

// setup makes the streams of a fleet whose engine and workers run elsewhere.
func setup(ctx context.Context, p *program, args []string) error {
	l := defaultLayout()
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	l.flags(flags)
	if err := p.parse(flags, args); err != nil {
		return err
	}
	l.choose(flags)
	return prepare(ctx, p.engineURL(), l, p.stdout, p.log)
}

// runPartitions changes the number of partitions of a fleet that runs.
func runPartitions(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("partitions", flag.ContinueOnError)
	n := flags.Int("n", 0, "`number` of partitions to have")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if err := p.atLeast("partitions", 1, *n, "n"); err != nil {
		return err
	}
	conn, js, err := p.dial(ctx, "fleet-partitions")
	if err != nil {
		return err
	}
	defer conn.Close()
	return repartition(ctx, js, *n, p.stdout)
}
