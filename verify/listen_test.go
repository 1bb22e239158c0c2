package verify_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

const secret = "webhook-s3cr3t"

// heard lets an account with the option send webhooks to a Listener.
func heard(t *testing.T, o verify.ListenOptions, as passforttest.Option) *verify.Report {
	t.Helper()
	o.Secrets = []string{secret}
	l, err := verify.NewListener(o)
	require.NoError(t, err)
	in := httptest.NewServer(l)
	t.Cleanup(in.Close)
	srv := passforttest.NewServer(as, passforttest.WithWebhookBackoff(20*time.Millisecond, time.Second),
		passforttest.WithWebhookPace(time.Millisecond), passforttest.WithAutomationTime(time.Hour))
	t.Cleanup(srv.Close)
	srv.SetWebhook(in.URL, secret, o.Batching)
	id := world(t, srv)
	_, err = srv.EditCollectedData(id, func(data map[string]any) { data["customer_ref"] = "MARKED" })
	require.NoError(t, err)
	require.NoError(t, srv.WaitWebhooks(t.Context()))
	return l.Report()
}

func TestEverySwitchOfWebhooksIsDetected(t *testing.T) {
	t.Parallel()
	for _, batching := range []bool{false, true} {
		report := heard(t, verify.ListenOptions{Batching: batching, Refuse: 3}, with())
		require.Empty(t, report.With(verify.Differs))
		require.GreaterOrEqual(t, report.Count(verify.Confirmed), 7)
	}
	for _, u := range seenBy(verify.TierListen) {
		t.Run(u.name+u.value, func(t *testing.T) {
			t.Parallel()
			report := heard(t, verify.ListenOptions{Batching: true}, with(u))
			require.Equal(t, names([]turn{u}), switchesOf(report))
			again := heard(t, verify.ListenOptions{Batching: true}, passforttest.Like(report))
			require.Equal(t, switchesOf(report), switchesOf(again))

			var b bytes.Buffer
			require.NoError(t, report.WriteJSON(&b))
			require.NotContains(t, b.String(), "MARKED")
			require.NotContains(t, b.String(), secret)
		})
	}
}

// batch is a delivery of messages with the numbers from..to-1 in their ids.
func batch(from, to int, event func(int) string) string {
	var messages []string
	for i := from; i < to; i++ {
		messages = append(messages, fmt.Sprintf(`{"id":"%d","event":"%s","secret":"%s","timestamp":1,"data":{"n":%d}}`,
			i, event(i), secret, i))
	}
	return "[" + strings.Join(messages, ",") + "]"
}

// deliver gives a delivery to a Listener and returns the status of the answer.
func deliver(t *testing.T, l *verify.Listener, body string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w.Code
}

// What a Listener keeps has bounds: what comes after them is answered, and not remembered.
func TestListenerIsBounded(t *testing.T) {
	t.Parallel()
	const most = 10_000
	created := func(int) string { return "TASK_CREATED" }
	listener := func(refuse int) *verify.Listener {
		l, err := verify.NewListener(verify.ListenOptions{Secrets: []string{secret}, Refuse: refuse})
		require.NoError(t, err)
		return l
	}
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		l := listener(0)
		require.Equal(t, http.StatusOK, deliver(t, l, batch(0, most+1, created)))
		deliver(t, l, batch(most, most+1, created))
		require.NotContains(t, finding(t, l.Report(), "webhook-order").Seen, "twice")
		deliver(t, l, batch(most-1, most, created))
		require.Contains(t, finding(t, l.Report(), "webhook-order").Seen, "twice")
	})
	t.Run("refused messages", func(t *testing.T) {
		t.Parallel()
		l := listener(1)
		require.Equal(t, http.StatusInternalServerError, deliver(t, l, batch(0, most+1, created)))
		deliver(t, l, batch(most, most+1, created))
		require.Contains(t, finding(t, l.Report(), "repeat-id").Seen, "no repeat")
		deliver(t, l, batch(most-1, most, created))
		require.Equal(t, "it does", finding(t, l.Report(), "repeat-id").Seen)
	})
	t.Run("names", func(t *testing.T) {
		t.Parallel()
		l := listener(0)
		deliver(t, l, batch(0, 130, func(i int) string {
			return "E_" + string(rune('A'+i/26)) + string(rune('A'+i%26))
		}))
		require.Len(t, strings.Split(finding(t, l.Report(), "event-names").Seen, ", "), 100)
	})
	t.Run("pauses", func(t *testing.T) {
		t.Parallel()
		l := listener(20)
		for range 20 {
			deliver(t, l, batch(0, 1, created))
		}
		require.Len(t, strings.Split(finding(t, l.Report(), "repeat-pauses").Seen, ", "), 8)
	})
}

// Messages without an id are no repeats of each other.
func TestMessagesWithoutAnID(t *testing.T) {
	t.Parallel()
	l, err := verify.NewListener(verify.ListenOptions{Secrets: []string{secret}})
	require.NoError(t, err)
	for i := range 3 {
		body := strings.ReplaceAll(batch(i, i+1, func(int) string {
			return "TASK_CREATED"
		}), fmt.Sprintf(`"id":"%d",`, i), "")
		deliver(t, l, body)
	}
	require.Equal(t, "in the order of their times", finding(t, l.Report(), "webhook-order").Seen)
}

func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	message := func(event, secret string) string {
		return `{"id":"1","event":"` + event + `","secret":"` + secret + `","timestamp":1,"data":{}}`
	}
	reported := 0
	l, err := verify.NewListener(verify.ListenOptions{Secrets: []string{secret}, Progress: func(int, []string) {
		reported++
	}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		method, auth, body string
		status             int
	}{
		"a GET":          {http.MethodGet, "Bearer " + secret, "", http.StatusMethodNotAllowed},
		"no secret":      {http.MethodPost, "", message("X", ""), http.StatusUnauthorized},
		"another secret": {http.MethodPost, "Bearer x", message("X", "x"), http.StatusUnauthorized},
		"a long body of a stranger": {http.MethodPost, "", strings.Repeat(" ", 1<<20+1),
			http.StatusRequestEntityTooLarge},
		"no JSON with the secret": {http.MethodPost, "Bearer " + secret, "<html>", http.StatusOK},
		"a name that is a value": {http.MethodPost, "Bearer " + secret, message("Ada Example 1990", secret),
			http.StatusOK},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/", strings.NewReader(c.body))
		r.Header.Set("Authorization", c.auth)
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, name)
	}
	require.Equal(t, 4, reported)
	var b bytes.Buffer
	require.NoError(t, l.Report().WriteJSON(&b))
	require.NotContains(t, strings.ToUpper(b.String()), "ADA EXAMPLE")
	_, err = verify.NewListener(verify.ListenOptions{})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	_, err = verify.NewListener(verify.ListenOptions{Secrets: []string{secret}, Refuse: -1})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
}
