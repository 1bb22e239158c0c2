package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestDuplicatesWithinAndAfterTheEnginesMemory(t *testing.T) {
	t.Parallel()
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{})
	apply(t, f, Layout{AckWait: time.Second, Duplicates: 3 * time.Second})
	work(t, f, WorkOptions{})
	front := newFront(t, f)
	body := message(1, 1)
	without := strings.Replace(body, `"id":"m-1-1",`, "", 1)
	require.NotEqual(t, body, without)
	for range 2 {
		require.Equal(t, 200, post(t, front, "["+body+","+without+"]"))
	}
	require.EqualValues(t, 2, f.Stats().Duplicates, "a message without an id is known again by what it says")
	<-time.After(4 * time.Second) // the engine forgets
	require.Equal(t, 200, post(t, front, body))
	require.EqualValues(t, 2, f.Stats().Duplicates)
	eventually(t, "everything is handled", func() bool { return held(t, f, webhookStream) == 0 })
	require.EqualValues(t, 1, f.Stats().Again, "the table of effects knows it")
	require.Equal(t, 2, held(t, f, effectStream))
}

func TestFrontRefusesStrangers(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front, err := f.Front(FrontOptions{Secrets: []string{"new", testSecret}, BodyLimit: 2000})
	require.NoError(t, err)
	require.Equal(t, 200, post(t, front, message(1, 1)), "the secret of before is valid while it changes")
	require.Equal(t, 400, post(t, front, `{"no":"webhook"}`))
	require.Equal(t, http.StatusRequestEntityTooLarge, post(t, front, sized("big", "x", 3000)))
	require.NoError(t, front.SetSecrets([]string{"new"}))
	require.Equal(t, 401, post(t, front, message(1, 1)), "and then no more")
	require.NoError(t, front.SetSecrets([]string{testSecret}))
	require.Equal(t, 200, post(t, front, message(1, 1)))
	other, err := f.Front(FrontOptions{Secrets: []string{"another"}})
	require.NoError(t, err)
	require.Equal(t, 401, post(t, other, message(1, 2)))
	require.Equal(t, 1, held(t, f, webhookStream))
	require.NoError(t, front.Shutdown(t.Context()))
	require.Equal(t, 503, post(t, front, message(1, 3)))
}

func TestFrontBeforeSetup(t *testing.T) {
	t.Parallel()
	log := &notes{}
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Log: log.logger()})
	front := newFront(t, f)
	require.Equal(t, 500, post(t, front, message(1, 1)))
	require.Contains(t, log.String(), "no fleet of this prefix")
	work(t, f, WorkOptions{}) // waits
	apply(t, f, testLayout())
	require.Equal(t, 200, post(t, front, message(1, 1)))
	eventually(t, "it is handled", func() bool { return held(t, f, effectStream) == 1 })
}

func TestFailingMessageIsTriedAgainInItsPlaceAndParkedAtLast(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front := newFront(t, f)
	var acted []string
	bad := map[string]int{"m-1-1": 2, "m-1-2": 1 << 30}
	w := newWorker(t, f, WorkOptions{Handle: func(_ context.Context, e *passfort.WebhookEvent) error {
		if bad[e.ID]--; bad[e.ID] >= 0 {
			return fmt.Errorf("%w: it has no name", ErrMessage)
		}
		acted = append(acted, e.ID)
		return nil
	}})
	for n := 1; n <= 3; n++ {
		require.Equal(t, 200, post(t, front, message(1, n)))
	}
	for range 3 {
		handleTry(t, w, 1)
	}
	handleTry(t, w, parkAfter)
	handleTry(t, w, 1)
	require.Equal(t, []string{"m-1-1", "m-1-3"}, acted)
	require.EqualValues(t, 2, f.Stats().Failed)
	require.EqualValues(t, 1, f.Stats().Parked)
	require.Equal(t, 1, held(t, f, parkedStream))
	require.Equal(t, 2, held(t, f, effectStream))
	eventually(t, "nothing waits", func() bool { return held(t, f, webhookStream) == 0 })
}

func TestOnlyMessagesThatAreTheTroubleAreParked(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		err    error
		panics bool
		parks  bool
		cause  string
	}{
		{name: "the database is away", err: errors.New("connection refused")},
		{name: "too late", err: context.DeadlineExceeded},
		{
			name: "Passfort is away",
			err:  fmt.Errorf("update: %w", &passfort.Error{StatusCode: http.StatusServiceUnavailable}),
		},
		{name: "the quota is used up", err: &passfort.Error{StatusCode: http.StatusTooManyRequests}},
		{name: "the key is not accepted", err: &passfort.Error{StatusCode: http.StatusForbidden}},
		{
			name:  "Passfort refuses it",
			err:   fmt.Errorf("update: %w", &passfort.Error{StatusCode: http.StatusUnprocessableEntity}),
			parks: true, cause: "passfort 422",
		},
		{
			name: "it cannot be read", err: fmt.Errorf("read: %w", passfort.ErrWebhookMalformed), parks: true,
			cause: "*errors.errorString",
		},
		{name: "it is at fault", err: fmt.Errorf("%w: Anna has no name", ErrMessage), parks: true,
			cause: "the message is at fault"},
		{name: "a panic", panics: true, parks: true, cause: "*passfort.PanicError"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := madeFleet(t)
			front := newFront(t, f)
			trouble, acted := true, []string{}
			w := newWorker(t, f, WorkOptions{Handle: func(_ context.Context, e *passfort.WebhookEvent) error {
				switch {
				case trouble && row.panics:
					panic("x")
				case trouble:
					return row.err
				}
				acted = append(acted, e.ID)
				return nil
			}})
			for n := 1; n <= 2; n++ {
				require.Equal(t, 200, post(t, front, message(1, n)))
			}
			handleTry(t, w, parkAfter-1)
			require.Zero(t, f.Stats().Parked)
			handleTry(t, w, parkAfter)
			if row.parks {
				require.EqualValues(t, 1, f.Stats().Parked)
				for m, err := range f.Parked(t.Context()) {
					require.NoError(t, err)
					require.Equal(t, row.cause, m.Cause)
					require.EqualValues(t, parkAfter, m.Tries)
				}
				return
			}
			require.Zero(t, f.Stats().Parked, "an outage parks a message")
			trouble = false
			handleTry(t, w, 1)
			handleTry(t, w, 1)
			require.Equal(t, []string{"m-1-1", "m-1-2"}, acted)
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

func TestParked(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front := newFront(t, f)
	w := newWorker(t, f, WorkOptions{Handle: func(context.Context, *passfort.WebhookEvent) error { return ErrMessage }})
	list := func() (all []*ParkedMessage) {
		for m, err := range f.Parked(t.Context()) {
			require.NoError(t, err)
			all = append(all, m)
		}
		return all
	}
	require.Empty(t, list())
	for n := 1; n <= 2; n++ {
		require.Equal(t, 200, post(t, front, message(1, n)))
		handleTry(t, w, parkAfter)
	}
	require.Equal(t, 200, post(t, front, sized("big", "x", 9<<20)))
	handleTry(t, w, parkAfter)
	_, err := f.js.Publish(t.Context(), f.names.partition(partition(profileName(1), 16), 16), []byte("unreadable"))
	require.NoError(t, err)
	handleTry(t, w, 1)
	all := list()
	require.Len(t, all, 4)
	require.Equal(t, "unreadable", all[3].Cause)
	require.Less(t, all[2].Bytes, 2000, "the parts of a large one stay where they are")
	e, err := f.ParkedEvent(t.Context(), all[1].ID)
	require.NoError(t, err)
	require.Equal(t, event(t, message(1, 2)), e)
	e, err = f.ParkedEvent(t.Context(), all[2].ID)
	require.NoError(t, err)
	require.Equal(t, event(t, sized("big", "x", 9<<20)), e, "a large one is shown whole")
	e, err = f.ParkedEvent(t.Context(), all[3].ID)
	require.ErrorIs(t, err, errUnreadable)
	require.Nil(t, e)

	require.NoError(t, f.Replay(t.Context(), all[0].ID))
	require.Equal(t, 1, held(t, f, webhookStream))
	require.ErrorIs(t, f.Replay(t.Context(), all[0].ID), ErrNotParked)
	require.ErrorIs(t, f.Replay(t.Context(), all[3].ID), errUnreadable)
	require.NoError(t, f.Purge(t.Context(), all[2].ID))
	require.Zero(t, held(t, f, largeStream), "parts are purged with it")
	require.NoError(t, f.Purge(t.Context(), all[3].ID))
	require.Len(t, list(), 1)
	require.ErrorIs(t, f.Purge(t.Context(), all[3].ID), ErrNotParked)

	// One that is parked again after a replay is another one.
	handleTry(t, w, parkAfter)
	require.Len(t, list(), 2)
	w.Handle = nil
	require.NoError(t, f.Replay(t.Context(), list()[0].ID))
	handleTry(t, w, 1)
	require.Equal(t, []string{"m-1-2"}, effects(t, f))
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	usual := func(o *server.Options) { o.MaxPayload = 8 << 20 }
	small := func(o *server.Options) { o.MaxPayload = 1 << 20 }
	for _, row := range []struct {
		name   string
		engine func(*server.Options)
		bodies []string
		want   []string // in the order of their effects
	}{
		{"alone", usual, []string{sized("big", "x", 9<<20)}, []string{"big"}},
		{
			"others around it", usual,
			[]string{"[" + sized("small", "x", 1) + "," + sized("big", "x", 9<<20) + "," + sized("next", "x", 1) + "]"},
			[]string{"small", "big", "next"},
		},
		{"what HTML escapes", usual, []string{sized("tags", "<&>", 700_000)}, []string{"tags"}},
		{
			"the default of NATS", small,
			[]string{
				"[" + sized("small", "x", 1) + "," + sized("big", "<", 3<<20) + "," + sized("bigger", "x", 4<<20) + "]",
				sized("next", "x", 1),
				sized("border", "x", 1<<20-headerRoom), sized("below", "x", 1<<20-2*headerRoom),
			},
			[]string{"small", "big", "bigger", "next", "border", "below"},
		},
		{"as much as the endpoint takes", small, []string{sized("full", "x", defaultBodyLimit-300)}, []string{"full"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, dial(t, startServer(t, row.engine).ClientURL(), quietLog()), Options{})
			apply(t, f, Layout{AckWait: 10 * time.Second})
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
			work(t, f, WorkOptions{Handle: func(_ context.Context, e *passfort.WebhookEvent) error {
				mu.Lock()
				defer mu.Unlock()
				acted = append(acted, e.ID)
				if sent[e.ID] != string(e.Data) || e.ProfileID != profileName(1) || e.Timestamp.IsZero() {
					return fmt.Errorf("%w: it is not what was sent", ErrMessage)
				}
				return nil
			}})
			front := newFront(t, f)
			for range 2 { // and once more, as Passfort may
				for _, body := range row.bodies {
					require.Equal(t, 200, post(t, front, body))
				}
			}
			eventually(t, "everything is handled", func() bool { return held(t, f, webhookStream) == 0 })
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, row.want, acted)
			require.Equal(t, len(row.want), held(t, f, effectStream))
			require.Zero(t, held(t, f, parkedStream))
			require.Zero(t, held(t, f, largeStream), "parts are left")
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

// TestLargeMessageAndCrashes goes through what two processes, one of which died,
// can leave behind.
func TestLargeMessageAndCrashes(t *testing.T) {
	t.Parallel()
	f := madeFleet(t)
	front := newFront(t, f)
	acted := 0
	w := newWorker(t, f, WorkOptions{
		Handle: func(context.Context, *passfort.WebhookEvent) error { acted++; return nil },
	})
	e := event(t, sized("big", "x", 9<<20))
	effect := f.names.webhookEffect(e)
	body, err := encode(e)
	require.NoError(t, err)
	count := func() int { return held(t, f, largeStream) }
	whole := len(body)/partSize + 1

	// The process that took the delivery died when it had stored some of it.
	at, err := f.putParts(t.Context(), effect, body)
	require.NoError(t, err)
	require.Equal(t, whole, at.Count)
	stream, err := f.stream(t.Context(), largeStream)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(at.part(3))))
	require.NoError(t, front.store(t.Context(), e))
	require.Equal(t, whole, count(), "the repeat goes on with the parts that are there")
	require.NoError(t, front.store(t.Context(), e))
	require.EqualValues(t, 1, f.Stats().Duplicates)
	require.Equal(t, whole, count(), "a duplicate does not touch what still waits")

	// The process that handled it died before it acknowledged it.
	p := partition(profileName(1), 16)
	consumer, err := f.js.Consumer(t.Context(), f.names.stream(webhookStream), partitionConsumer(p, 16))
	require.NoError(t, err)
	msg, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
	require.NoError(t, err)
	about, err := msg.Metadata()
	require.NoError(t, err)
	require.NoError(t, w.apply(t.Context(), p, msg.Data(), about))
	require.Zero(t, count())
	require.ErrorIs(t, w.apply(t.Context(), p, msg.Data(), about), errAlreadyDone)
	require.Equal(t, 1, acted)

	// A late repeat: the effect knows it, whatever the engine has forgotten.
	require.NoError(t, front.store(t.Context(), e))
	require.Zero(t, count())

	// A reference without its parts is not the fault of an outage.
	lost, err := encode(stored{Parts: &parts{Effect: effect + "-2", Subject: "test.large.none", Count: 1}})
	require.NoError(t, err)
	require.True(t, ownFault(w.apply(t.Context(), p, lost, about)))
	require.Equal(t, 1, acted)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	require.Equal(t, profileName(1), token(profileName(1)))
	seen := map[string]bool{}
	for _, id := range []string{"", "a.b", "a b", "*", ">", "a\r\nb", strings.Repeat("x", 65), "é", "plain"} {
		got := token(id)
		require.Regexp(t, `^[A-Za-z0-9_-]+$`, got)
		require.False(t, seen[got])
		seen[got] = true
	}
}
