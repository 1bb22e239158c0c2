package verify_test

import (
	"bytes"
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

// heard lets an account with the switches send webhooks to a Listener.
func heard(t *testing.T, o verify.ListenOptions, us ...turn) *verify.Report {
	t.Helper()
	o.Secrets = []string{secret}
	l, err := verify.NewListener(o)
	require.NoError(t, err)
	in := httptest.NewServer(l)
	t.Cleanup(in.Close)
	srv := passforttest.NewServer(with(us...), passforttest.WithWebhookBackoff(20*time.Millisecond, time.Second),
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
		report := heard(t, verify.ListenOptions{Batching: batching, Refuse: 3})
		require.Empty(t, report.With(verify.Differs))
		require.GreaterOrEqual(t, report.Count(verify.Confirmed), 7)
	}
	for _, u := range seenBy(verify.TierListen) {
		t.Run(u.name+u.value, func(t *testing.T) {
			t.Parallel()
			report := heard(t, verify.ListenOptions{Batching: true}, u)
			require.Equal(t, names([]turn{u}), switchesOf(report))

			again := heard(t, verify.ListenOptions{Batching: true})
			require.Empty(t, switchesOf(again))
			srv := passforttest.New(passforttest.Like(report))
			defer srv.Close()
			var b bytes.Buffer
			require.NoError(t, report.WriteJSON(&b))
			require.NotContains(t, b.String(), "MARKED")
			require.NotContains(t, b.String(), secret)
		})
	}
}

func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	message := func(event, secret string) string {
		return `{"id":"1","event":"` + event + `","secret":"` + secret + `","timestamp":1,"data":{}}`
	}
	told := 0
	l, err := verify.NewListener(verify.ListenOptions{Secrets: []string{secret}, Progress: func(int, []string) { told++ }})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		method, auth, body string
		status             int
	}{
		"a GET":                     {http.MethodGet, "Bearer " + secret, "", http.StatusMethodNotAllowed},
		"no secret":                 {http.MethodPost, "", message("X", ""), http.StatusUnauthorized},
		"another secret":            {http.MethodPost, "Bearer x", message("X", "x"), http.StatusUnauthorized},
		"a long body of a stranger": {http.MethodPost, "", strings.Repeat(" ", 1<<20+1), http.StatusRequestEntityTooLarge},
		"no JSON with the secret":   {http.MethodPost, "Bearer " + secret, "<html>", http.StatusOK},
		"a name that is a value":    {http.MethodPost, "Bearer " + secret, message("Ada Example 1990", secret), http.StatusOK},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/", strings.NewReader(c.body))
		r.Header.Set("Authorization", c.auth)
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, name)
	}
	require.Equal(t, 4, told)
	var b bytes.Buffer
	require.NoError(t, l.Report().WriteJSON(&b))
	require.NotContains(t, strings.ToUpper(b.String()), "ADA EXAMPLE")
	_, err = verify.NewListener(verify.ListenOptions{})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	_, err = verify.NewListener(verify.ListenOptions{Secrets: []string{secret}, Refuse: -1})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
}
