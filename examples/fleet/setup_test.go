package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

func TestSetupKeepsWhatExists(t *testing.T) {
	made := testLayout()
	made.AckWait, made.Keep, made.StoreBytes = time.Minute, 100*time.Hour, 1<<20
	url := newEngine(t, made)
	_, js := dialEngine(t, url)
	for _, row := range []struct {
		name    string
		chosen  string
		change  func(*layout)
		refused bool
	}{
		{"nothing chosen", "", func(*layout) {}, false},
		{"partitions", flagPartitions, func(l *layout) { l.Partitions = 3 }, true},
		{"a shorter wait", flagAckWait, func(l *layout) { l.AckWait = 10 * time.Second }, true},
		{"a shorter memory of duplicates", flagDuplicates, func(l *layout) { l.Duplicates = time.Second }, true},
		{"effects forgotten sooner", flagKeep, func(l *layout) { l.Keep = time.Hour }, true},
		{"parked messages removed sooner", flagParkedKeep, func(l *layout) { l.ParkedKeep = time.Hour }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := defaultLayout()
			l.Chosen = map[string]bool{row.chosen: true}
			row.change(&l)
			var out bytes.Buffer
			err := l.prepare(t.Context(), js, &out)
			if row.refused {
				require.ErrorContains(t, err, "nothing was changed")
				require.ErrorContains(t, err, row.chosen)
			} else {
				require.NoError(t, err)
				require.Equal(t, "nothing changes\n", out.String())
			}
			n, err := partitionsOf(t.Context(), js)
			require.NoError(t, err)
			require.Equal(t, made.Partitions, n)
			items, err := js.Consumer(t.Context(), bulkStream, itemsConsumer)
			require.NoError(t, err)
			require.Equal(t, made.AckWait, items.CachedInfo().Config.AckWait)
			table, err := js.Stream(t.Context(), effectStream)
			require.NoError(t, err)
			require.Equal(t, made.Keep, table.CachedInfo().Config.MaxAge)
			webhooks, err := js.Stream(t.Context(), webhookStream)
			require.NoError(t, err)
			require.Equal(t, made.Duplicates, webhooks.CachedInfo().Config.Duplicates)
			require.Equal(t, made.StoreBytes, webhooks.CachedInfo().Config.MaxBytes)
		})
	}
	forced := defaultLayout()
	forced.Chosen, forced.Force = map[string]bool{flagKeep: true}, true
	forced.Keep = time.Hour
	var out bytes.Buffer
	require.NoError(t, forced.prepare(t.Context(), js, &out))
	require.Contains(t, out.String(), "EFFECTS keep: 100h0m0s -> 1h0m0s   LESS SAFE")
}

func TestFewerReplicasAreRefused(t *testing.T) {
	t.Parallel()
	l := layout{Replicas: 1, Chosen: map[string]bool{flagReplicas: true}}
	p, have := &plan{layout: l}, 3
	set(p, flagReplicas, "WEBHOOKS", &have, l.Replicas, l.Replicas < have)
	require.EqualError(t, p.refusal(),
		"WEBHOOKS replicas from 3 to 1 loses safety: nothing was changed; give -force to do it")
}

func TestReadsAskTheLeader(t *testing.T) {
	_, js := dialEngine(t, newEngine(t, testLayout()))
	for _, name := range []string{effectStream, "KV_" + jobBucket} {
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		require.False(t, stream.CachedInfo().Config.AllowDirect, name)
	}
}

func TestPartitionsChangeWhileAWorkerRuns(t *testing.T) {
	url := newEngine(t, testLayout())
	_, js := dialEngine(t, url)
	w := startWorker(t, "w", url, nowhere)
	require.Equal(t, http.StatusOK, post(t, w, message{1, 1}.json()))
	require.NoError(t, repartition(t.Context(), js, 5, io.Discard))
	_, err := js.Publish(t.Context(), partitionSubject(0, testLayout().Partitions), nil)
	require.ErrorIs(t, err, jetstream.ErrNoStreamResponse, "what missed the change is refused, not stranded")
	eventually(t, 10*time.Second, "the worker follows", func() bool {
		return post(t, w, message{1, 2}.json()) == http.StatusOK
	})
	eventually(t, 10*time.Second, "everything is handled", func() bool { return waiting(t, js, webhookStream) == 0 })
	_, total := requireEffects(t, js, []*lane{{messages: []message{{1, 1}, {1, 2}}}})
	require.Equal(t, 2, total)
	require.NoError(t, repartition(t.Context(), js, 2, io.Discard), "and back to fewer")
}
