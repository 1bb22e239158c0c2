package fleet

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// madeOnce is the layout of a fleet that operators then do things to.
func madeOnce() Layout {
	return Layout{
		AckWait: time.Minute, Duplicates: time.Hour, Keep: 100 * time.Hour, ParkedKeep: 100 * time.Hour,
		StoreBytes: 1 << 20, JobQueue: 1000,
	}
}

// configured is what the engine has of a fleet.
func configured(t *testing.T, f *Fleet) map[string]jetstream.StreamConfig {
	t.Helper()
	all := map[string]jetstream.StreamConfig{}
	for _, kind := range streamKinds {
		info, err := f.info(t.Context(), kind)
		require.NoError(t, err)
		all[kind] = info.Config
	}
	return all
}

// TestSetupAgain has the acts of an operator who sets up what is there.
func TestSetupAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{})
	apply(t, f, madeOnce())
	before := configured(t, f)
	for _, row := range []struct {
		name   string
		layout Layout
		plans  string // of Plan's error, empty if none
		says   string // of Apply's
	}{
		{"setup repeated without anything", Layout{}, "", ""},
		{"setup repeated as it was made", madeOnce(), "", ""},
		{"another number of partitions", Layout{Partitions: 3}, "Repartition", ""},
		{"a shorter ack wait", Layout{AckWait: 10 * time.Second}, "", "ack wait from 1m0s to 10s"},
		{"an ack wait that a busy machine breaks", Layout{AckWait: time.Millisecond}, "at least 300ms", ""},
		{"duplicates known for less", Layout{Duplicates: time.Second}, "", "duplicates from 1h0m0s to 1s"},
		{"effects forgotten sooner", Layout{Keep: time.Hour}, "", "EFFECTS age from 100h0m0s to 1h0m0s"},
		{"parked messages removed sooner", Layout{ParkedKeep: time.Hour}, "", "LARGE age from 100h0m0s"},
		{"a negative count", Layout{Replicas: -1}, "Replicas", ""},
		{"too many partitions", Layout{Partitions: 5000}, "1 to 1024", ""},
		{"a queue without room for a page beside its task", Layout{JobQueue: 200}, "at least 400", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			plan, err := f.Plan(t.Context(), row.layout)
			if row.plans != "" {
				require.ErrorContains(t, err, row.plans)
				return
			}
			require.NoError(t, err)
			err = plan.Apply(t.Context())
			if row.says == "" {
				require.NoError(t, err)
				require.Empty(t, plan.Changes)
			} else {
				require.ErrorIs(t, err, ErrLessSafe)
				require.ErrorContains(t, err, row.says)
				require.ErrorContains(t, err, "nothing was changed")
			}
			require.Equal(t, before, configured(t, f))
			info, err := f.consumerInfo(t.Context(), jobStream, itemsConsumer)
			require.NoError(t, err)
			require.Equal(t, time.Minute, info.Config.AckWait)
		})
	}
	plan, err := f.Plan(t.Context(), Layout{
		Keep: time.Hour, AckWait: 2 * time.Minute, ParkedKeep: Forever, Force: true,
	})
	require.NoError(t, err)
	require.Equal(t, before, configured(t, f), "a plan changes nothing")
	require.NoError(t, plan.Apply(t.Context()))
	var lines []string
	for _, c := range plan.Changes {
		lines = append(lines, c.String())
	}
	require.Equal(t, []string{
		"test_LARGE age: 100h0m0s -> unlimited",
		"test_EFFECTS age: 100h0m0s -> 1h0m0s   LESS SAFE",
		"test_PARKED age: 100h0m0s -> unlimited",
		"test_LISTS age: 100h0m0s -> 1h0m0s   LESS SAFE",
		"consumers ack wait: 1m0s -> 2m0s",
	}, lines)
	require.Equal(t, time.Hour, configured(t, f)[effectStream].MaxAge)
	require.Zero(t, configured(t, f)[parkedStream].MaxAge)
	plan, err = f.Plan(t.Context(), Layout{ParkedKeep: time.Hour})
	require.NoError(t, err)
	require.ErrorIs(t, plan.Apply(t.Context()), ErrLessSafe, "an age where there was none removes")
}

func TestLessRoomThanIsUsed(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	require.Equal(t, 200, post(t, newFront(t, f), sized("a", "x", 5000)))
	plan, err := f.Plan(t.Context(), Layout{StoreBytes: 1000})
	require.NoError(t, err)
	require.ErrorIs(t, plan.Apply(t.Context()), ErrLessSafe)
}

func TestFewerReplicasAreLessSafe(t *testing.T) {
	t.Parallel()
	p, have := &Plan{}, 3
	set(p, "live_WEBHOOKS replicas", &have, 0, true)
	require.Empty(t, p.Changes, "what was not chosen stays")
	set(p, "live_WEBHOOKS replicas", &have, 1, true)
	require.EqualError(t, p.Apply(t.Context()),
		"fleet: live_WEBHOOKS replicas from 3 to 1: it loses safety: nothing was changed")
}

func TestMoreReplicasThanServers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{})
	plan, err := f.Plan(t.Context(), Layout{Replicas: 3})
	require.NoError(t, err)
	require.ErrorContains(t, plan.Apply(t.Context()), "replicas > 1 not supported in non-clustered mode")
}

// TestStaleReads: a direct read may be answered by a server that is behind, so a fleet
// of an earlier version, or one that an operator edited, is set back.
func TestStaleReads(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	for _, cfg := range configured(t, f) {
		require.False(t, cfg.AllowDirect, cfg.Name)
	}
	cfg := configured(t, f)[effectStream]
	cfg.AllowDirect = true
	require.NoError(t, f.putStream(t.Context(), cfg))
	apply(t, f, Layout{})
	require.False(t, configured(t, f)[effectStream].AllowDirect)
}

// TestRepartitionStrandsNothing changes the number of partitions under load. What was
// answered with 200 is handled, once and in order.
func TestRepartitionStrandsNothing(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front := newFront(t, f)
	late := newFleet(t, f.conn, Options{Name: "late"}) // misses the change
	require.NoError(t, late.Ready(t.Context()))
	waiting := 0
	for n := range 40 {
		require.Equal(t, 200, post(t, front, message(n%8, n/8+1)))
		waiting++
	}
	changed := make(chan error, 1)
	var seen []uint64
	begun := make(chan struct{})
	go func() {
		changed <- f.Repartition(t.Context(), 5, func(n uint64) {
			if seen = append(seen, n); len(seen) == 1 {
				close(begun)
			}
		})
	}()
	<-begun
	require.Equal(t, http.StatusInternalServerError, post(t, front, message(0, 6)), "refused, so it comes again")
	work(t, f, WorkOptions{})
	require.NoError(t, <-changed)
	require.EqualValues(t, waiting, seen[0])
	_, err := f.js.Publish(t.Context(), f.names.partition(0, 16), nil)
	require.ErrorIs(t, err, jetstream.ErrNoStreamResponse, "the old subject is refused, not stranded")
	require.Equal(t, 200, post(t, newFront(t, late), message(0, 6)), "what missed the change follows")
	eventually(t, "everything is handled", func() bool { return held(t, f, webhookStream) == 0 })
	last := map[string]string{}
	for _, id := range effects(t, f) {
		profile := id[:strings.LastIndexByte(id, '-')]
		require.Greater(t, id, last[profile])
		last[profile] = id
	}
	require.Len(t, effects(t, f), waiting+1)
	require.NoError(t, f.Repartition(t.Context(), 2, nil), "and back to fewer")
	require.ErrorContains(t, f.Repartition(t.Context(), 0, nil), "1 to 1024")
}

func TestInterruptedRepartitionGoesOn(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front := newFront(t, f)
	require.Equal(t, 200, post(t, front, message(1, 1)))
	ctx, cancel := context.WithCancel(t.Context())
	err := f.Repartition(ctx, 5, func(uint64) { cancel() })
	require.ErrorContains(t, err, "webhooks are refused until Repartition is run again")
	require.Equal(t, 500, post(t, front, message(1, 2)))
	apply(t, f, Layout{})
	require.Equal(t, 500, post(t, front, message(1, 2)), "a setup meanwhile ends nothing")
	work(t, f, WorkOptions{})
	require.NoError(t, f.Repartition(t.Context(), 5, nil))
	require.Equal(t, 200, post(t, front, message(1, 2)))
	eventually(t, "everything is handled", func() bool { return held(t, f, webhookStream) == 0 })
	require.Equal(t, []string{"m-1-1", "m-1-2"}, effects(t, f))
}

// TestRefusedLogins: a password that is wrong for a while ends nothing.
func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	var o *server.Options
	s := startServer(t, func(options *server.Options) {
		options.Username, options.Password = "fleet", "one"
		o = options
	})
	log := &notes{}
	f := newFleet(t, dial(t, s.ClientURL(), log.logger(), nats.UserInfo("fleet", "one")), Options{})
	apply(t, f, testLayout())
	work(t, f, WorkOptions{})
	front := newFront(t, f)
	password := func(now string) {
		changed := o.Clone()
		changed.Password = now
		require.NoError(t, s.ReloadOptions(changed))
	}
	password("another")
	eventually(t, "three logins are refused", func() bool { return strings.Count(log.String(), "login refused") >= 3 })
	require.Equal(t, 500, post(t, front, message(1, 1)))
	require.ErrorContains(t, f.Ready(t.Context()), "no connection")
	password("one")
	eventually(t, "it recovers", func() bool { return post(t, front, message(1, 1)) == 200 })
	eventually(t, "it is handled", func() bool { return held(t, f, effectStream) == 1 })
	require.NotContains(t, log.String(), "another")
}

func TestOldEnginesAreNamed(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.10.29", "1.4.1", "", "x"} {
		require.ErrorContains(t, supported(version), "2.11.0 or later", version)
	}
	for _, version := range []string{"2.11.0", "2.15.2", "3.0.0", "2.12.0-RC.1"} {
		require.NoError(t, supported(version), version)
	}
}

func TestEngineWithoutJetStream(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(o *server.Options) { o.JetStream = false })
	f := newFleet(t, dial(t, s.ClientURL(), quietLog()), Options{})
	_, err := f.Plan(t.Context(), Layout{})
	require.Equal(t, "jetstream is not enabled", Cause(err))
	require.Equal(t, "jetstream is not enabled", Cause(f.Ready(t.Context())))
}

func TestAFullStreamRefuses(t *testing.T) {
	t.Parallel()
	log := &notes{}
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Log: log.logger()})
	apply(t, f, Layout{StoreBytes: 3000})
	front := newFront(t, f)
	var codes []int
	for n := 1; n <= 10; n++ {
		codes = append(codes, post(t, front, message(1, n)))
	}
	require.Equal(t, 200, codes[0])
	require.Equal(t, 500, codes[9])
	require.Contains(t, log.String(), "jetstream 10077", "the line names the engine's code")
	work(t, f, WorkOptions{})
	eventually(t, "there is room again", func() bool { return post(t, front, message(1, 10)) == 200 })
}

func TestStreamOfSomebodyElse(t *testing.T) {
	t.Parallel()
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{})
	require.NoError(t, f.putStream(t.Context(), jetstream.StreamConfig{
		Name: "test_WEBHOOKS", Subjects: []string{"another.program"},
	}))
	require.ErrorContains(t, f.Ready(t.Context()), "was not made by this package")
	_, err := f.Plan(t.Context(), Layout{})
	require.ErrorContains(t, err, "was not made by this package")
}

func TestCausesAreFixedWords(t *testing.T) {
	t.Parallel()
	violation := errors.Join(nats.ErrPermissionViolation,
		errors.New(`Permissions Violation for Publish to "live.effects.webhook.a2c4.m"`))
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"a permission", violation, "permission missing: publish to live.effects.>"},
		{"a permission of an answer", &denied{"subscribe to live.wake"}, "permission missing: subscribe to live.wake"},
		{"a permission to read a message", errors.Join(nats.ErrPermissionViolation, errors.New(
			`Permissions Violation for Publish to "$JS.hub.API.DIRECT.GET.live_EFFECTS.live.effects.webhook.a2c4.m"`)),
			"permission missing: publish to $JS.hub.API.DIRECT.GET.live_EFFECTS.>"},
		{"late", context.DeadlineExceeded, "no answer in time"},
		{"login", nats.ErrAuthorization, "login refused"},
		{"no stream", jetstream.ErrNoStreamResponse, "no stream takes it"},
		{"the engine refuses", &jetstream.APIError{ErrorCode: 10077, Description: "hunter2"}, "jetstream 10077"},
		{"anything else", errors.New("hunter2"), "*errors.errorString"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, Cause(row.err))
		})
	}
	log := &notes{}
	f := &Fleet{log: log.logger(), said: map[string]time.Time{}}
	for range 3 {
		f.complain("x", violation)
	}
	require.Equal(t, 1, strings.Count(log.String(), "permission missing"), "the same is said once for a while")
}
