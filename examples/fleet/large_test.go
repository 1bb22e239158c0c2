package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// newSmallEngine returns the URL of an engine that takes messages of 1 MiB, as
// NATS does unless configured otherwise.
func newSmallEngine(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		JetStreamMaxStore: 16 << 30,
	})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(20*time.Second))
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.NoError(t, prepare(t.Context(), s.ClientURL(), testLayout(), io.Discard, quietLog()))
	return s.ClientURL()
}

// partsOf returns a receiver and a handler without a worker around them.
func partsOf(t *testing.T, conn *nats.Conn, js jetstream.JetStream) (*receiver, *handler) {
	t.Helper()
	table := tableOf(t, js)
	aside, err := openLarge(t.Context(), conn, js, table)
	require.NoError(t, err)
	r := &receiver{js: js, conn: conn, effects: table, large: aside, name: "x"}
	r.partitions.Store(int64(defaultLayout().Partitions))
	return r,
		&handler{js: js, effects: table, large: aside, name: "x", ackWait: time.Second, log: quietLog()}
}

// sized is a webhook of profile 1 whose note is n times text.
func sized(id, text string, n int) string {
	return fmt.Sprintf(`{"id":%q,"event":"TASK_STATE_CHANGED","timestamp":1700000000,"secret":%q,`+
		`"data":{"profile_id":%q,"task":{"note":%q}}}`,
		id, testSecret, profileName(1), "note:"+strings.Repeat(text, n))
}

func event(t *testing.T, body string) *passfort.WebhookEvent {
	t.Helper()
	events, err := passfort.ParseWebhook(http.Header{}, []byte(body), testSecret)
	require.NoError(t, err)
	return &events[0]
}

func TestLargeMessages(t *testing.T) {
	small := sized("small", "x", 1)
	for _, row := range []struct {
		name   string
		engine func(*testing.T) string
		bodies []string
		want   []string // in the order of their effects
	}{
		{"alone", func(t *testing.T) string { return newEngine(t, testLayout()) }, []string{sized("big", "x", 9<<20)},
			[]string{"big"}},
		{
			"others around it", func(t *testing.T) string { return newEngine(t, testLayout()) },
			[]string{"[" + small + "," + sized("big", "x", 9<<20) + "," + sized("next", "x", 1) + "]"},
			[]string{"small", "big", "next"},
		},
		{"what HTML escapes", func(t *testing.T) string {
			return newEngine(t, testLayout())
		}, []string{sized("tags", "<&>", 700_000)}, []string{"tags"}},
		{
			"the default of NATS", newSmallEngine,
			[]string{
				"[" + small + "," + sized("big", "<", 3<<20) + "," + sized("bigger", "x", 4<<20) + "]",
				sized("next", "x", 1),
				sized("border", "x", 1<<20-headerRoom), sized("below", "x", 1<<20-2*headerRoom),
			},
			[]string{"small", "big", "bigger", "next", "border", "below"},
		},
		{"as much as the endpoint takes", newSmallEngine, []string{sized("full", "x", maxDelivery-300)},
			[]string{"full"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			engineURL := row.engine(t)
			_, js := dialEngine(t, engineURL)
			sent := map[string]string{}
			for _, body := range row.bodies {
				events, err := passfort.ParseWebhook(http.Header{}, []byte(body), testSecret)
				require.NoError(t, err)
				for i := range events {
					sent[events[i].ID] = string(events[i].Data)
				}
			}
			var mu sync.Mutex
			var acted []string
			w := startWorkerThat(t, "a", engineURL, nowhereToo,
				func(_ context.Context, e *passfort.WebhookEvent) error {
					mu.Lock()
					defer mu.Unlock()
					acted = append(acted, e.ID)
					if sent[e.ID] != string(e.Data) || e.ProfileID != profileName(1) || e.Timestamp.IsZero() {
						return fmt.Errorf("%w: it is not what was sent", errMessage)
					}
					return nil
				})
			for range 2 { // and once more, as Passfort may
				for _, body := range row.bodies {
					require.Equal(t, http.StatusOK, post(t, w, body))
				}
			}
			eventually(t, 30*time.Second, "everything is handled", func() bool {
				return waiting(t, js, webhookStream) == 0
			})
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, row.want, acted)
			require.Equal(t, len(row.want), waiting(t, js, effectStream))
			require.Zero(t, waiting(t, js, parkedStream))
			require.Zero(t, waiting(t, js, largeStream), "parts are left")
		})
	}
}

func TestHTMLIsNotEscaped(t *testing.T) {
	t.Parallel()
	body := sized("tags", "<&>", 1000)
	out, err := encode(event(t, body))
	require.NoError(t, err)
	require.Less(t, len(out), len(body)+500)
	var back passfort.WebhookEvent
	require.NoError(t, json.Unmarshal(out, &back))
	require.Equal(t, event(t, body), &back)
}

// TestLargeMessageAndCrashes goes through what two workers, one of which died,
// can leave behind.
func TestLargeMessageAndCrashes(t *testing.T) {
	conn, js := dialEngine(t, newEngine(t, defaultLayout()))
	r, h := partsOf(t, conn, js)
	acted := 0
	h.act = func(context.Context, *passfort.WebhookEvent) error { acted++; return nil }
	e := event(t, sized("big", "x", 9<<20))
	effect := webhookEffect(e)
	body, err := encode(e)
	require.NoError(t, err)
	count := func() int { return waiting(t, js, largeStream) }
	whole := len(body)/partSize + 1

	// The worker that took the delivery died when it had stored some of it.
	at, err := r.large.put(t.Context(), effect, body)
	require.NoError(t, err)
	require.Equal(t, whole, at.Count)
	stream, err := js.Stream(t.Context(), largeStream)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(at.part(3))))
	require.NoError(t, r.store(t.Context(), e))
	require.Equal(t, whole, count(), "the repeat goes on with the parts that are there")
	require.NoError(t, r.store(t.Context(), e))
	require.EqualValues(t, 1, r.duplicates.Load())
	require.Equal(t, whole, count(), "a duplicate does not touch what still waits")

	// The worker that handled it died before it acknowledged it.
	p := partition(profileName(1), int(r.partitions.Load()))
	consumer, err := js.Consumer(t.Context(), webhookStream, partitionConsumer(p, defaultLayout().Partitions))
	require.NoError(t, err)
	msg, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
	require.NoError(t, err)
	about, err := msg.Metadata()
	require.NoError(t, err)
	require.NoError(t, h.apply(t.Context(), p, msg.Data(), about))
	require.Zero(t, count())
	require.ErrorIs(t, h.apply(t.Context(), p, msg.Data(), about), errAlreadyDone)
	require.Equal(t, 1, acted)

	// A late repeat: the effect knows it, whatever the engine has forgotten.
	require.NoError(t, r.store(t.Context(), e))
	require.EqualValues(t, 2, r.duplicates.Load())
	require.Zero(t, count())

	// A reference without its parts is not the fault of an outage.
	lost, err := encode(stored{Parts: &parts{Effect: effect + "-2", Subject: "large.none", Count: 1}})
	require.NoError(t, err)
	err = h.apply(t.Context(), p, lost, about)
	require.True(t, ownFault(err))
	require.Equal(t, 1, acted)
}

func TestLargeMessageIsParkedWhole(t *testing.T) {
	conn, js := dialEngine(t, newSmallEngine(t))
	r, h := partsOf(t, conn, js)
	h.act = func(context.Context, *passfort.WebhookEvent) error { return errMessage }
	e := event(t, sized("big", "x", 2<<20))
	require.NoError(t, r.store(t.Context(), e))
	handleTry(t, js, h, parkAfter)
	require.EqualValues(t, 1, h.parked.Load())
	eventually(t, 5*time.Second, "it makes way", func() bool { return waiting(t, js, webhookStream) == 0 })
	parked, err := js.Stream(t.Context(), parkedStream)
	require.NoError(t, err)
	msg, err := parked.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	var m stored
	require.NoError(t, json.Unmarshal(msg.Data, &m))
	body, err := h.large.get(t.Context(), m.Parts)
	require.NoError(t, err)
	var back passfort.WebhookEvent
	require.NoError(t, json.Unmarshal(body, &back))
	require.Equal(t, e, &back)
}

// handleTry lets h handle the next message of profile 1 at its nth try. Those
// before are given back at once.
func handleTry(t *testing.T, js jetstream.JetStream, h *handler, n uint64) {
	t.Helper()
	p := partition(profileName(1), defaultLayout().Partitions)
	consumer, err := js.Consumer(t.Context(), webhookStream, partitionConsumer(p, defaultLayout().Partitions))
	require.NoError(t, err)
	for {
		msg, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		require.NoError(t, err)
		about, err := msg.Metadata()
		require.NoError(t, err)
		if about.NumDelivered >= n {
			h.handle(t.Context(), p, msg)
			return
		}
		require.NoError(t, msg.Nak())
	}
}

func TestOnlyMessagesThatAreTheTroubleAreParked(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		panics bool
		parks  bool
	}{
		{"the database is away", errors.New("connection refused"), false, false},
		{"too late", context.DeadlineExceeded, false, false},
		{"Passfort is away", fmt.Errorf("update: %w", &passfort.Error{StatusCode: http.StatusServiceUnavailable}),
			false, false},
		{"the quota is used up", &passfort.Error{StatusCode: http.StatusTooManyRequests}, false, false},
		{"the key is not accepted", &passfort.Error{StatusCode: http.StatusForbidden}, false, false},
		{"Passfort refuses it", fmt.Errorf("update: %w", &passfort.Error{StatusCode: http.StatusUnprocessableEntity}),
			false, true},
		{"it cannot be read", fmt.Errorf("read: %w", passfort.ErrWebhookMalformed), false, true},
		{"it is at fault", fmt.Errorf("%w: it has no name", errMessage), false, true},
		{"a panic", nil, true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			conn, js := dialEngine(t, newEngine(t, testLayout()))
			r, h := partsOf(t, conn, js)
			trouble, acted := true, []string{}
			h.act = func(_ context.Context, e *passfort.WebhookEvent) error {
				switch {
				case trouble && row.panics:
					panic("x")
				case trouble:
					return row.err
				}
				acted = append(acted, e.ID)
				return nil
			}
			for _, id := range []string{"one", "two"} {
				require.NoError(t, r.store(t.Context(), event(t, sized(id, "x", 1))))
			}
			handleTry(t, js, h, parkAfter-1)
			require.Zero(t, h.parked.Load())
			handleTry(t, js, h, parkAfter)
			if row.parks {
				require.EqualValues(t, 1, h.parked.Load())
				return
			}
			require.Zero(t, h.parked.Load(), "an outage parks a message")
			trouble = false
			handleTry(t, js, h, 1)
			handleTry(t, js, h, 1)
			require.Equal(t, []string{"one", "two"}, acted)
		})
	}
}

func TestWhatFailsForAWeekIsParked(t *testing.T) {
	t.Parallel()
	away := errors.New("connection refused")
	require.False(t, parks(away, parkLate-1))
	require.True(t, parks(away, parkLate))
	require.Equal(t, 7*24*time.Hour, parkLate*longestPause)
	require.True(t, parks(errUnreadable, 1))
}

func TestTwoWaitsForOneCheck(t *testing.T) {
	sim := passforttest.NewServer(passforttest.WithAPIKey(simulatorKey))
	t.Cleanup(sim.Close)
	sim.SetCheckOutcome("IDENTITY_CHECK", passforttest.Outcome{Never: true})
	w := startWorker(t, "a", newEngine(t, testLayout()), sim.URL())
	sim.SetWebhook("http://"+w.Addr()+"/webhooks", testSecret, false)
	profile, err := w.client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	check, err := w.client.Checks.Run(t.Context(), profile.ID, &passfort.CheckRequest{
		Type: recheckType, Mode: passfort.CheckModeAsync,
	})
	require.NoError(t, err)
	body, err := json.Marshal(checkRequest{ProfileID: profile.ID, CheckID: check.ID})
	require.NoError(t, err)
	var answers [2]checkAnswer
	ended := make(chan error, len(answers))
	for i := range answers {
		go func() { ended <- w.waitForCheck(t.Context(), body, &answers[i]) }()
	}
	eventually(t, 10*time.Second, "both wait", func() bool { return w.waits.count(check.ID) == 2 })
	require.NoError(t, sim.CompleteCheck(profile.ID, check.ID, passforttest.Outcome{Result: "2+2"}))
	for range answers {
		require.NoError(t, <-ended)
	}
	for _, answer := range answers {
		require.Equal(t, "a", answer.ReceivedAt, "both were woken")
	}
	require.Empty(t, w.waits.open)
}
