package fleet

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// halfChanged leaves a fleet as a process does that is killed at the end of Repartition:
// the stream has its new partitions, of which some have no consumer.
func halfChanged(t *testing.T, f *Fleet, n int) {
	t.Helper()
	info, err := f.info(t.Context(), webhookStream)
	require.NoError(t, err)
	cfg := info.Config
	cfg.Subjects, cfg.Metadata[partitionsKey] = []string{f.names.partitions(n)}, strconv.Itoa(n)
	require.NoError(t, f.dropConsumers(t.Context(), n))
	require.NoError(t, f.putStream(t.Context(), cfg))
	f.partitions.Store(0)
}

func TestRepartitionAfterAKillAtItsEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		next int
	}{{"with another number", 3}, {"with the same", 5}, {"back", 16}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := madeFleet(t)
			halfChanged(t, f, 5)
			require.Equal(t, 200, post(t, newFront(t, f), message(1, 1)), "a partition without a consumer")
			work(t, f, WorkOptions{})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			require.NoError(t, f.Repartition(ctx, row.next, nil))
			eventually(t, "it is handled", func() bool { return held(t, f, effectStream) == 1 })
			require.Equal(t, 200, post(t, newFront(t, f), message(1, 2)))
			eventually(t, "so is the next", func() bool { return held(t, f, effectStream) == 2 })
		})
	}
}

// TestRepartitionGivenUp: a message that keeps failing holds a change, which refuses
// webhooks; with the number that the fleet has it takes them again at once.
func TestRepartitionGivenUp(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front := newFront(t, f)
	require.Equal(t, 200, post(t, front, message(1, 1)))
	moved := make(chan error, 1)
	begun := make(chan struct{}, 1000)
	go func() { moved <- f.Repartition(t.Context(), 5, func(uint64) { begun <- struct{}{} }) }()
	<-begun
	require.Equal(t, 500, post(t, front, message(2, 1)))
	require.NoError(t, f.Repartition(t.Context(), 16, nil))
	require.ErrorIs(t, <-moved, errOvertaken, "the one before ends")
	require.Equal(t, 200, post(t, front, message(2, 1)))
	work(t, f, WorkOptions{})
	eventually(t, "everything is handled", func() bool { return held(t, f, effectStream) == 2 })
}

// TestLaterRepartitionCounts: two at once leave the partitions of one, and nothing behind.
func TestLaterRepartitionCounts(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front := newFront(t, f)
	require.Equal(t, 200, post(t, front, message(1, 1)))
	first, second := make(chan error, 1), make(chan error, 1)
	begun := make(chan struct{}, 1000)
	go func() { first <- f.Repartition(t.Context(), 5, func(uint64) { begun <- struct{}{} }) }()
	<-begun
	go func() { second <- f.Repartition(t.Context(), 3, nil) }()
	require.ErrorIs(t, <-first, errOvertaken)
	work(t, f, WorkOptions{})
	require.NoError(t, <-second)
	n, err := f.readPartitions(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

// TestStalePlanKeepsThePartitions: a plan is applied after Repartition changed what it saw.
func TestStalePlanKeepsThePartitions(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	plan, err := f.Plan(t.Context(), Layout{})
	require.NoError(t, err)
	require.NoError(t, f.Repartition(t.Context(), 3, nil))
	require.Equal(t, 200, post(t, newFront(t, f), message(1, 1)))
	require.NoError(t, plan.Apply(t.Context()))
	n, err := f.readPartitions(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []string{"test.webhooks.3.*"}, configured(t, f)[webhookStream].Subjects)
}

func TestMissingConsumerIsLogged(t *testing.T) {
	t.Parallel()
	log := &notes{}
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Log: log.logger()})
	apply(t, f, testLayout())
	require.NoError(t, f.dropConsumers(t.Context(), 1))
	work(t, f, WorkOptions{})
	eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), "a queue cannot be read") })
}

// TestDeniedBesideTheFleet: what something else on the connection may not do is not named
// as the cause of what the fleet waited for.
func TestDeniedBesideTheFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Prefix: "live"})
	for _, row := range []struct {
		subject string
		ours    bool
	}{
		{"live.webhooks.>", true}, {"live.wake", true}, {"$JS.ACK.>", true}, {"_INBOX.>", true},
		{"$JS.API.STREAM.INFO.live_WEBHOOKS", true}, {"$JS.hub.API.CONSUMER.INFO.live_JOBS.items", true},
		{"live-2.webhooks.>", false}, {"$JS.API.STREAM.INFO.live-2_WEBHOOKS", false}, {"orders.new", false},
	} {
		require.Equal(t, row.ours, f.concerns("publish to "+row.subject), row.subject)
	}
}
