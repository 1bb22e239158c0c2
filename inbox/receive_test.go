package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
)

func post(t *testing.T, h http.Handler, secret, body string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestStoredBeforeItIsAcknowledged(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t)
		h, err := box.WebhookHandler([]string{"s1"})
		require.NoError(t, err)
		const body = `[{"id":"1","event":"CHECK_COMPLETED","timestamp":1700000000,
			"data":{"profile_id":"p1","x":"é\u0000"}},
			{"id":"2","event":"SOMETHING_NEW","timestamp":1700000001,"data":{"profile_id":"p1"}}]`
		require.Equal(t, http.StatusUnauthorized, post(t, h, "s2", body))
		require.Equal(t, http.StatusOK, post(t, h, "s1", body))
		require.Equal(t, "2", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages`))
		require.Equal(t, http.StatusOK, post(t, h, "s1", body), "a repeat")
		require.Equal(t, "2", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages`))

		require.NoError(t, h.SetSecrets([]string{"s2", "s3"}))
		require.Equal(t, http.StatusUnauthorized, post(t, h, "s1", body))
		require.Equal(t, http.StatusOK, post(t, h, "s2", body))

		var got []passfort.WebhookEvent
		done := make(chan struct{})
		run(t, box, func(_ context.Context, _ *sql.Tx, m *inbox.Message) error {
			if got = append(got, m.Event); len(got) == 2 {
				close(done)
			}
			return nil
		})
		<-done
		want, err := passfort.ParseWebhook(http.Header{"Authorization": {"Bearer s1"}}, []byte(body), "s1")
		require.NoError(t, err)
		require.Equal(t, want, got, "the event is what the endpoint got")

		b.exec(t, `DROP TABLE passfort_inbox_lanes`)
		require.Equal(t, http.StatusInternalServerError, post(t, h, "s2",
			strings.ReplaceAll(body, `"id":"1"`, `"id":"3"`)))
	})
}

// What a stranger could put into a message is stored without harm.
func TestOddMessages(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t)
		long := strings.Repeat("x", 10_000)
		for _, e := range []*passfort.WebhookEvent{
			{Event: "A", Data: json.RawMessage(`{}`)},
			{ID: "a\x00b", ProfileID: "p\x00", Event: "E\x00"},
			{ID: long, ProfileID: long, Event: passfort.EventName(long)},
			{ID: "'); DROP TABLE passfort_inbox_messages; --", ProfileID: "?", Event: "{now}"},
			{ID: "no profile", Event: "B"},
		} {
			require.NoError(t, box.Receive(t.Context(), e))
			require.NoError(t, box.Receive(t.Context(), e), "twice")
			seen, err := box.Seen(t.Context(), e.Key())
			require.NoError(t, err)
			require.True(t, seen)
		}
		run(t, box, func(context.Context, *sql.Tx, *inbox.Message) error { return nil })
		empty(t, box)
		require.Equal(t, "5", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages WHERE state = 1`))
	})
}

// A process is woken by what another one stores, and so are its waits.
func TestOtherProcessesAreWoken(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	checks := passfort.NewCheckInbox()
	box := b.inbox(t, inbox.WithPoll(time.Hour), inbox.WithCheckInbox(checks))
	handled := make(chan string, 10)
	run(t, box, func(_ context.Context, _ *sql.Tx, m *inbox.Message) error { handled <- m.Key; return nil })
	require.Eventually(t, func() bool {
		h, err := box.Health(t.Context())
		return err == nil && h.Listening
	}, time.Minute, 10*time.Millisecond)

	asked := make(chan struct{}, 10)
	questions := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		questions++
		state := map[bool]string{true: "RUNNING", false: "COMPLETE"}[questions == 1]
		_, _ = w.Write([]byte(`{"id":"c7","state":"` + state + `","result":"Pass"}`))
		asked <- struct{}{}
	}))
	t.Cleanup(api.Close)
	client, err := passfort.New("key", passfort.WithBaseURL(api.URL))
	require.NoError(t, err)
	waiting := make(chan error, 1)
	go func() { // a wait that asks once an hour, but for the inbox
		_, err := client.Checks.Wait(t.Context(), "p1", "c7", &passfort.WaitOptions{
			Inbox: checks, MinInterval: time.Hour, MaxInterval: time.Hour,
		})
		waiting <- err
	}()
	<-asked
	other := open(t, inbox.PostgreSQL, b.url)
	require.NoError(t, other.inbox(t).Receive(t.Context(), message("p1", 7)))
	select {
	case key := <-handled:
		require.Equal(t, "p1/m7", key)
	case <-time.After(30 * time.Second):
		t.Fatal("nothing woke the process")
	}
	select {
	case err := <-waiting:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("nothing woke the wait")
	}
}

// Others are woken if they can be; the message is stored all the same.
func TestStoredThoughNobodyCanBeWoken(t *testing.T) {
	t.Parallel()
	b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
	var log bytes.Buffer
	box := b.faulty(t, false, func(statement string) bool { return strings.Contains(statement, "pg_notify") }).
		inbox(t, inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, box.Receive(t.Context(), message("p1", 1)))
	require.Equal(t, "1", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_messages`))
	require.Contains(t, log.String(), "the other processes are not woken")
	require.NotContains(t, log.String(), "p1")
	run(t, b.inbox(t), effect) // which counts what is committed: a call may be repeated
	empty(t, box)
	require.Equal(t, []string{"p1/m1"}, b.effects(t))
}

// A database whose default is another isolation refuses what two statements lock at once.
func TestEveryIsolationReceives(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			b := open(t, inbox.PostgreSQL, postgres.Get(t).Database(t))
			b.exec(t, `DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() ||
				' SET default_transaction_isolation = "`+level+`"'; END $$`)
			var logs [3]bytes.Buffer
			var stops []func()
			var box *inbox.Inbox
			for i := range logs {
				box = open(t, inbox.PostgreSQL, b.url).inbox(t,
					inbox.WithLogger(slog.New(slog.NewTextHandler(&logs[i], nil))))
				stops = append(stops, run(t, box, effect))
			}
			var receiving sync.WaitGroup
			for n := range 8 {
				receiving.Go(func() {
					for i := range 50 {
						if err := box.Receive(t.Context(), message("p"+strconv.Itoa(i%5), 1000*n+i)); err != nil {
							t.Errorf("receive: %v", err)
						}
					}
				})
			}
			receiving.Wait()
			empty(t, box)
			require.Len(t, b.effects(t), 400)
			for i, stop := range stops {
				stop()
				require.Empty(t, logs[i].String())
			}
		})
	}
}

// A message that is received twice, also at once, leaves no lane without a message.
func TestDuplicatesLeaveNothing(t *testing.T) {
	t.Parallel()
	bases(t, func(t *testing.T, b base) {
		box := b.inbox(t)
		for i := range 50 {
			var receiving sync.WaitGroup
			for range 3 {
				receiving.Go(func() {
					if err := box.Receive(t.Context(), message("p"+strconv.Itoa(i), i)); err != nil {
						t.Errorf("receive: %v", err)
					}
				})
			}
			receiving.Wait()
		}
		stop := run(t, box, effect)
		empty(t, box)
		stop()
		require.Len(t, b.effects(t), 50)
		require.NoError(t, box.Receive(t.Context(), message("p0", 0)))
		require.Equal(t, "0", b.one(t, `SELECT COUNT(*) FROM passfort_inbox_lanes`))
	})
}
