package syncer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// One message in a hundred is never delivered: one sweep finds and repairs exactly those.
func TestOneInAHundredIsMissed(t *testing.T) {
	t.Parallel()
	messages := 300
	if full() {
		messages = 10_000
	}
	worlds(t, func(t *testing.T, w *world) {
		var lost sync.Map
		hooks, err := w.box.WebhookHandler([]string{"a secret"})
		require.NoError(t, err)
		dropped := atomic.Int64{}
		endpoint := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			drop := false
			lost.Range(func(profile, _ any) bool {
				drop = drop || bytes.Contains(body, []byte(profile.(string)))
				return !drop
			})
			if drop {
				dropped.Add(1)
				return // acknowledged, and never seen again
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			hooks.ServeHTTP(out, r)
		}))
		t.Cleanup(endpoint.Close)
		w.sim.SetWebhook(endpoint.URL, "a secret", false)
		profiles := make([]string, messages)
		for n := range messages {
			_, profiles[n] = w.add(n)
		}
		w.start()
		w.quiet()
		for n := 0; n < messages; n += 100 {
			lost.Store(profiles[n+n/100%2], n) // people and companies
		}
		for n, profile := range profiles {
			w.portal(profile, func(d *passfort.EntityData) {
				if n%2 == 1 {
					d.Metadata.Number = fmt.Sprintf("%08d", n)
				} else {
					d.PersonalDetails.Nationality = "IRN"
				}
			})
		}
		w.quiet()
		require.EqualValues(t, messages/100, dropped.Load())
		behind := func() string {
			return w.one(`SELECT (SELECT COUNT(*) FROM crm_people WHERE citizen_of = 'GBR') +
				(SELECT COUNT(*) FROM crm_firms WHERE reg_no IS NULL)`)
		}
		require.Equal(t, fmt.Sprint(messages/100), behind())
		before := w.rows()
		w.sim.ForgetRequests()
		began := time.Now()
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Repair: true, PerSecond: 100_000,
			Found: func(f syncer.Finding) {
				if _, ok := lost.Load(f.ProfileID); !ok {
					t.Errorf("%s is found of a profile whose message arrived", f.Kind)
				}
			}})
		require.NoError(t, err)
		require.True(t, report.Complete)
		require.Equal(t, map[syncer.FindingKind]int{syncer.FindingChanged: messages / 100}, report.Found)
		w.quiet()
		require.Equal(t, "0", behind())
		changed := 0
		for key, row := range w.rows() {
			if before[key] != row {
				changed++
			}
		}
		require.Equal(t, messages/100, changed, "nothing else is changed")
		require.Zero(t, w.sim.Count("CollectedData.Replace"))
		t.Logf("%d messages, %d lost: found and repaired in one sweep of %s, %d requests", messages, messages/100,
			time.Since(began).Round(time.Millisecond), w.sim.Count(""))
	}, passforttest.WithWebhookPace(time.Millisecond))
}

// rows returns what each customer's row is, hashed.
func (w *world) rows() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for table, columns := range map[string]string{
		"crm_people": `person, first_names, surname, born, citizen_of, mail, home, vip, score, notes`,
		"crm_firms":  `firm, title, reg_no, founded, staff, notes`,
	} {
		rows, err := w.db.QueryContext(w.t.Context(), `SELECT `+columns+` FROM `+table)
		require.NoError(w.t, err)
		defer rows.Close()
		names, err := rows.Columns()
		require.NoError(w.t, err)
		for rows.Next() {
			values, into := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(w.t, rows.Scan(into...))
			sum := sha256.Sum256(fmt.Append(nil, values...))
			all[table+fmt.Sprint(values[0])] = hex.EncodeToString(sum[:])
		}
		require.NoError(w.t, rows.Err())
	}
	return all
}

// An edit, and its echo, cost two requests, in one process or in two, and two processes
// are done sooner, with Passfort as far away as over a network.
func TestSecondProcessHelps(t *testing.T) {
	t.Parallel()
	customers, away := 60, 20*time.Millisecond
	if full() {
		customers, away = 2000, 100*time.Millisecond
	}
	worlds(t, func(t *testing.T, w *world) {
		for n := range customers {
			w.add(n)
		}
		other, err := connect(w.dialect, w.url)
		require.NoError(t, err)
		t.Cleanup(func() { _ = other.Close() })
		stop := w.start()
		w.quiet()
		stop()
		far := w.sim.Client(passfort.WithHTTPClient(&http.Client{Transport: farAway{w.sim.Transport(), away}}))
		w.box, w.sync = services(t, w.db, w.dialect, far, people(w.dialect), companies(w.dialect))
		box, sync := services(t, other, w.dialect, far, people(w.dialect), companies(w.dialect))
		requests, took := map[int]int{}, map[int]time.Duration{}
		for processes := 1; processes <= 2; processes++ {
			for n := range customers {
				if n%2 == 0 {
					w.edit(passfort.EntityTypeIndividual, n, "surname", fmt.Sprintf("Person %d.%d", n, processes))
				} else {
					w.edit(passfort.EntityTypeCompany, n, "title", fmt.Sprintf("Firm %d.%d", n, processes))
				}
			}
			w.sim.ForgetRequests()
			began := time.Now()
			stop, stopOther := w.start(), func() {}
			if processes == 2 {
				stopOther = start(t, box, sync)
			}
			w.idle()
			took[processes] = time.Since(began)
			w.quiet()
			requests[processes] = w.sim.Count("")
			t.Logf("%d edits, %d processes: %d requests, %s", customers, processes, requests[processes],
				took[processes].Round(time.Millisecond))
			stop()
			stopOther()
		}
		ratio := float64(took[2]) / float64(took[1])
		t.Logf("two processes: %.2f of the time, %.3f of the requests", ratio,
			float64(requests[2])/float64(requests[1]))
		require.LessOrEqual(t, requests[1], 2*customers)
		require.LessOrEqual(t, float64(requests[2]), 1.02*float64(requests[1]))
		if full() {
			require.LessOrEqual(t, ratio, 0.65)
		}
	})
}

// farAway is a network that takes its time for each call.
type farAway struct {
	base http.RoundTripper
	time time.Duration
}

func (f farAway) RoundTrip(r *http.Request) (*http.Response, error) {
	<-time.After(f.time)
	return f.base.RoundTrip(r)
}

// idle waits until no customer is to be brought in step.
func (w *world) idle() {
	w.t.Helper()
	for {
		h, err := w.sync.Health(context.WithoutCancel(w.t.Context()))
		require.NoError(w.t, err)
		if h.Working == 0 {
			return
		}
		<-time.After(tick)
	}
}
