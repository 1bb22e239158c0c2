package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// TestPrefixesShareNothing: two fleets on one engine get the same messages, and each
// handles its own alone.
func TestPrefixesShareNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	sim := passforttest.NewServer()
	t.Cleanup(sim.Close)
	var mu sync.Mutex
	handled := map[string][]string{}
	hints := map[string]int{}
	fleets := map[string]*Fleet{}
	for _, prefix := range []string{"live", "test", "test-2"} {
		f := newFleet(t, dial(t, s.ClientURL(), quietLog()), Options{Prefix: prefix})
		require.ErrorIs(t, f.Ready(t.Context()), ErrNoFleet, "another one's streams are none of this prefix")
		apply(t, f, testLayout())
		require.NoError(t, f.Ready(t.Context()))
		stop, err := f.Listen(passfort.NewCheckInbox(), func(Hint) {
			mu.Lock()
			defer mu.Unlock()
			hints[prefix]++
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = stop() })
		work(t, f, WorkOptions{
			Client: sim.Client(), Jobs: map[string]Job{"nothing": func(context.Context, *Item) error { return nil }},
			Handle: func(_ context.Context, e *passfort.WebhookEvent) error {
				mu.Lock()
				defer mu.Unlock()
				handled[prefix] = append(handled[prefix], e.ID)
				return nil
			},
		})
		fleets[prefix] = f
	}
	waking := `{"id":"w","event":"customer_request_changed","secret":"` + testSecret +
		`","data":{"profile_id":"p","state":"COMPLETED","request_id":"r"}}`
	require.Equal(t, 200, post(t, newFront(t, fleets["live"]), "["+message(1, 1)+","+message(1, 2)+","+waking+"]"))
	require.Equal(t, 200, post(t, newFront(t, fleets["test"]), message(1, 1)))
	require.NoError(t, fleets["live"].StartJob(t.Context(), "job", "nothing"))
	require.NoError(t, fleets["test"].PauseJobs(t.Context()))
	eventually(t, "everything is handled", func() bool {
		q, err := fleets["live"].Queues(t.Context())
		require.NoError(t, err)
		return len(messages(t, fleets["live"])) == 3 && len(messages(t, fleets["test"])) == 1 && !q.JobsPaused
	})
	require.Empty(t, messages(t, fleets["test-2"]))
	_, err := fleets["test"].Job(t.Context(), "job")
	require.ErrorIs(t, err, ErrNoJob)
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(handled["live"])
	require.Equal(t, map[string][]string{"live": {"m-1-1", "m-1-2", "w"}, "test": {"m-1-1"}}, handled)
	require.Equal(t, map[string]int{"live": 1}, hints)
}

// messages returns the ids of messages alone.
func messages(t *testing.T, f *Fleet) []string {
	t.Helper()
	return slices.DeleteFunc(effects(t, f), func(id string) bool { return id == "" })
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	conn := dial(t, startServer(t).ClientURL(), quietLog())
	for _, row := range []struct {
		name string
		o    Options
		want string
	}{
		{"no prefix", Options{}, "Prefix"},
		{"a dot", Options{Prefix: "a.b"}, "Prefix"},
		{"a wildcard", Options{Prefix: "*"}, "Prefix"},
		{"an underscore", Options{Prefix: "a_b"}, "Prefix"},
		{"too long", Options{Prefix: "a12345678901234567890123456789012"}, "Prefix"},
		{"a name with a dot", Options{Prefix: "a", Name: "b.c"}, "Name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := New(conn, row.o)
			require.ErrorContains(t, err, row.want)
		})
	}
	_, err := New(nil, Options{Prefix: "a"})
	require.ErrorContains(t, err, "no connection")
	f := newFleet(t, conn, Options{})
	_, err = f.Front(FrontOptions{})
	require.Error(t, err, "a front without a secret")
	_, err = f.Front(FrontOptions{Secrets: []string{"x"}, BodyLimit: -1})
	require.ErrorContains(t, err, "BodyLimit")
	jobs := map[string]Job{"x": nil}
	require.ErrorContains(t, f.Work(t.Context(), WorkOptions{Jobs: jobs}), "Client")
	require.ErrorContains(t, f.Work(t.Context(), WorkOptions{Items: -1}), "Items")
}

// TestDomain reaches the streams of an engine with a domain through a leaf node that
// has none.
func TestDomain(t *testing.T) {
	t.Parallel()
	hub := startServer(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "hub"
		o.LeafNode = server.LeafNodeOpts{Host: "127.0.0.1", Port: -1}
	})
	leaf := startServer(t, func(o *server.Options) {
		o.ServerName, o.JetStream = "leaf", false
		o.LeafNode = server.LeafNodeOpts{
			Remotes: []*server.RemoteLeafOpts{{URLs: leafURLs(t, hub)}}, ReconnectInterval: 100 * time.Millisecond,
		}
	})
	conn := dial(t, leaf.ClientURL(), quietLog())
	f := newFleet(t, conn, Options{Domain: "hub"})
	eventually(t, "the leaf node has joined, and heard of the domain", func() bool {
		return errors.Is(f.Ready(t.Context()), ErrNoFleet)
	})
	apply(t, f, testLayout())
	work(t, f, WorkOptions{})
	front := newFront(t, f)
	eventually(t, "it has heard of the stream", func() bool { return post(t, front, message(1, 1)) == 200 })
	eventually(t, "it is handled", func() bool { return held(t, f, effectStream) == 1 })
	there := newFleet(t, dial(t, hub.ClientURL(), quietLog()), Options{})
	require.NoError(t, there.Ready(t.Context()), "the streams are at the hub")
	other := newFleet(t, conn, Options{Domain: "elsewhere"})
	require.Error(t, other.Ready(t.Context()))
	_, err := New(conn, Options{Prefix: "a", Domain: "b.>"})
	require.ErrorContains(t, err, "Domain")
}

func TestPartitionsAreEven(t *testing.T) {
	t.Parallel()
	const profiles, partitions = 16_000, 16
	count := make([]int, partitions)
	for n := range profiles {
		count[partition(fmt.Sprintf("%08x-0000-4000-8000-%012d", n*2654435761, n), partitions)]++
	}
	for _, n := range count {
		require.InDelta(t, profiles/partitions, n, profiles/partitions/5)
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	f := &Fleet{names: "live"}
	require.Equal(t, "live.own.stats.*", f.Subject("stats", "*"))
	require.NotContains(t, f.Subject("a.b"), "a.b")
}

// TestWorkEndsWithItsConnection: what can never work again says so.
func TestWorkEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	conn, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	f := newFleet(t, conn, Options{})
	apply(t, f, testLayout())
	ended := make(chan error, 1)
	go func() { ended <- f.Work(context.WithoutCancel(t.Context()), WorkOptions{}) }()
	require.Equal(t, 200, post(t, newFront(t, f), message(1, 1)))
	eventually(t, "it works", func() bool { return f.Stats().Handled == 1 })
	conn.Close()
	require.ErrorContains(t, <-ended, "the connection is closed")
	require.ErrorContains(t, f.Work(t.Context(), WorkOptions{}), "the connection is closed")
	require.ErrorContains(t, f.Ready(t.Context()), "the connection is closed")
}
