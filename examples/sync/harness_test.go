package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// full reports whether the figures are to be measured in full, as CI does.
func full() bool { return os.Getenv("CI") == "true" || os.Getenv("PASSFORT_LONG") == "1" }

// report prints a figure, and in CI writes it where it can be looked at.
func report(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
	dir := os.Getenv("CI_OUT")
	if dir == "" {
		return
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	f, err := os.OpenFile(filepath.Join(dir, "sync.txt"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	require.NoError(t, err)
	defer f.Close()
	_, err = fmt.Fprintf(f, t.Name()+": "+format+"\n", args...)
	require.NoError(t, err)
}

// seedOf returns PASSFORT_SEED or a new seed, and prints it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("PASSFORT_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	report(t, "PASSFORT_SEED=%d", seed)
	return seed
}

const (
	canary        = "Zqcanary" // in every value, so that a log can be searched for it
	webhookSecret = "Zqcanary-secret"
	apiKey        = "Zqcanary-key"
)

// world is a simulated Passfort, a database, and people who edit on both sides
// and remember what they did.
type world struct {
	t         *testing.T
	sim       *passforttest.Server
	store     *store
	env       map[string]string
	profiles  []string
	customers map[string]string // by profile

	mu     sync.Mutex
	number int
	edits  map[place][]edit
	notes  map[string]string // by profile: what only the portal knows
	log    bytes.Buffer
}

type place struct{ profile, field string }

// edit is what one person did: they saw from and made it to.
type edit struct{ from, to string }

// flaky loses deliveries of webhooks and answers to them.
type flaky struct {
	mu     sync.Mutex
	random *rand.Rand
	base   http.RoundTripper
}

func (f *flaky) chance() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Float64()
}

var errFlaky = errors.New("connection reset")

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	p := f.chance()
	if p < 0.05 {
		return nil, errFlaky
	}
	resp, err := f.base.RoundTrip(r)
	if err == nil && p < 0.10 {
		_ = resp.Body.Close()
		return nil, errFlaky
	}
	return resp, err
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// newWorld makes people at Passfort with a customer each. databaseURL may be
// empty for SQLite.
func newWorld(t *testing.T, seed uint64, people int, databaseURL string) *world {
	t.Helper()
	listen := freeAddress(t)
	w := &world{
		t: t, customers: map[string]string{}, edits: map[place][]edit{}, notes: map[string]string{},
		sim: passforttest.NewServer(
			passforttest.WithSeed(seed), passforttest.WithAPIKey(apiKey), passforttest.WithAPIKeyName("sync"),
			passforttest.WithoutRateLimits(),
			// Each edit has a value of its own, of which no nationality has enough.
			passforttest.WithSwitches(passforttest.Switches{OriginalStructuredAddress: true, Lenient: true}),
			passforttest.WithWebhookShuffle(), passforttest.WithWebhookDuplicates(0.2),
			passforttest.WithWebhookPace(20*time.Millisecond),
			passforttest.WithWebhookBackoff(10*time.Millisecond, 100*time.Millisecond),
			passforttest.WithWebhookClient(&http.Client{
				Transport: &flaky{random: rand.New(rand.NewPCG(seed, 1)), base: &http.Transport{}},
				Timeout:   30 * time.Second,
			}),
		),
	}
	t.Cleanup(w.sim.Close)
	file := filepath.Join(t.TempDir(), "sync.db")
	w.env = map[string]string{
		"PASSFORT_API_KEY": apiKey, "PASSFORT_BASE_URL": w.sim.URL(), "PASSFORT_API_KEY_NAME": "sync",
		"WEBHOOK_SECRET": webhookSecret, "DATABASE_URL": databaseURL, "LISTEN": listen, "STATUS_LISTEN": "127.0.0.1:0",
		"FILE": file,
	}
	var err error
	w.store, err = openStore(t.Context(), databaseURL, file, "sync")
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.close() })
	w.countEffects()
	client := w.sim.Client()
	for range people {
		p, err := client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer,
			CollectedData: &passfort.EntityData{
				EntityType: passfort.EntityTypeIndividual,
				PersonalDetails: &passfort.PersonalDetails{
					Name: &passfort.FullName{GivenNames: []string{canary}, FamilyName: canary},
				},
				AddressHistory: []passfort.DatedAddress{{Address: &passfort.Address{
					Type: passfort.AddressTypeStructured, Country: "GBR", Route: canary, Locality: "Sampletown",
				}}},
			},
		})
		require.NoError(t, err)
		require.NoError(t, w.store.link(t.Context(), p.ID))
		w.profiles = append(w.profiles, p.ID)
	}
	for _, id := range w.profiles {
		w.customers[id] = w.one(`SELECT id FROM customers WHERE profile_id = ?`, id)
	}
	w.sim.SetWebhook("http://"+listen+"/webhooks", webhookSecret, true)
	return w
}

// countEffects makes the database itself count how often a message is applied.
func (w *world) countEffects() {
	w.t.Helper()
	stmts := []string{`CREATE TABLE effects (message_id TEXT NOT NULL)`}
	if w.store.numbers {
		stmts = append(stmts,
			`CREATE FUNCTION count_effect() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO effects VALUES `+
				`(NEW.message_id); RETURN NEW; END'`,
			`CREATE TRIGGER count_effect AFTER UPDATE OF applied_at ON inbox FOR EACH ROW EXECUTE FUNCTION `+
				`count_effect()`)
	} else {
		stmts = append(stmts,
			`CREATE TRIGGER count_effect AFTER UPDATE OF applied_at ON inbox BEGIN INSERT INTO effects VALUES `+
				`(NEW.message_id); END`)
	}
	for _, stmt := range stmts {
		_, err := w.store.db.ExecContext(w.t.Context(), stmt)
		require.NoError(w.t, err)
	}
}

// one returns the single value of a query as text.
func (w *world) one(query string, args ...any) string {
	w.t.Helper()
	var v string
	require.NoError(w.t, w.store.db.QueryRowContext(context.WithoutCancel(w.t.Context()), w.store.placeholders(query),
		args...).Scan(&v))
	return v
}

// Write collects the log of the service.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// value returns one that is not used yet.
func (w *world) value(field string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number++
	switch field {
	case "date_of_birth":
		return time.Date(1900, 1, 1+w.number, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	case "given_names":
		return fmt.Sprintf("%s %d", canary, w.number)
	default:
		return fmt.Sprintf("%s%d", canary, w.number)
	}
}

func (w *world) did(profile, field, from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edits[place{profile, field}] = append(w.edits[place{profile, field}], edit{from, to})
}

// editHere is a person in the team's own software.
func (w *world) editHere(profile, field string) {
	to := w.value(field)
	before, err := w.store.edit(w.t.Context(), w.customers[profile], values{field: to})
	if err != nil {
		w.t.Errorf("an edit in our own table: %v", err)
		return
	}
	w.did(profile, field, before[field], to)
}

// editThere is a person in the portal, who also writes something that our table
// has no column for.
func (w *world) editThere(profile, field string) {
	to := w.value(field)
	_, err := w.sim.EditCollectedData(profile, func(data map[string]any) {
		w.did(profile, field, decoded(data)[field], to)
		portalEdit(values{field: to})(data)
		data["portal_note"] = map[string]any{"text": to}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notes[profile] = to
	})
	if err != nil {
		w.t.Errorf("an edit in the portal: %v", err)
	}
}

func decoded(data any) values {
	raw, _ := json.Marshal(data)
	var d passfort.EntityData
	_ = json.Unmarshal(raw, &d)
	return valuesOf(&d)
}

// edit makes n edits on each side, with random pauses of up to pause; one in
// five hits the same field of the same person on both sides.
func (w *world) edit(random *rand.Rand, n int, pause time.Duration) {
	type step struct {
		profile, field string
		pause          time.Duration
	}
	steps := func() []step {
		var out []step
		for range n {
			out = append(out, step{w.profiles[random.IntN(len(w.profiles))],
				fieldNames()[random.IntN(len(fieldNames()))], time.Duration(random.Int64N(int64(pause) + 1))})
		}
		return out
	}
	here, there := steps(), steps()
	for i := range n {
		if random.IntN(5) == 0 {
			there[i].profile, there[i].field = here[i].profile, here[i].field
		}
	}
	var both sync.WaitGroup
	for _, side := range []struct {
		steps []step
		edit  func(profile, field string)
	}{{here, w.editHere}, {there, w.editThere}} {
		both.Go(func() {
			for _, s := range side.steps {
				<-time.After(s.pause)
				side.edit(s.profile, s.field)
			}
		})
	}
	both.Wait()
}

// faults makes Passfort unreliable.
func (w *world) faults() {
	w.sim.Inject(passforttest.Fault{Status: 503, Probability: 0.03, Times: -1})
	w.sim.Inject(passforttest.Fault{Status: 502, AfterWrite: true, Probability: 0.01, Times: -1})
	w.sim.Inject(passforttest.Fault{DropBeforeWrite: true, Probability: 0.02, Times: -1})
	w.sim.Inject(passforttest.Fault{DropAfterWrite: true, Probability: 0.02, Times: -1})
}

// settle waits until nothing is pending anywhere.
func (w *world) settle() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		if w.sim.WaitWebhooks(w.t.Context()) != nil {
			return false
		}
		profiles, err := w.store.pending(w.t.Context())
		return err == nil && len(profiles) == 0 && len(w.sim.PendingWebhooks()) == 0
	}, 2*time.Minute, 20*time.Millisecond)
}

// check holds the outcome against what each writer did.
func (w *world) check() {
	t := w.t
	t.Helper()
	lost := map[place][]string{}
	require.NoError(t, each(t.Context(), w.store.db, func(scan func(...any) error) error {
		var p place
		var ours string
		err := scan(&p.profile, &p.field, &ours)
		lost[p] = append(lost[p], ours)
		return err
	}, `SELECT c.profile_id, l.field, l.ours FROM conflicts l JOIN customers c ON c.id = l.customer_id`))
	conflicts := 0
	for _, profile := range w.profiles {
		raw, _ := w.sim.CollectedData(profile)
		there := decoded(json.RawMessage(raw))
		var here *customer
		require.NoError(t, w.store.tx(t.Context(), func(tx *tx) (err error) {
			here, err = tx.customer("profile_id", profile)
			return err
		}))
		require.Empty(t, here.ours.changes(there), "both sides are equal")
		require.Empty(t, here.base.changes(there), "and known to be")
		var portal struct {
			Note struct {
				Text string `json:"text"`
			} `json:"portal_note"`
		}
		require.NoError(t, json.Unmarshal(raw, &portal))
		require.Equal(t, w.notes[profile], portal.Note.Text, "what we have no column for")
		for _, field := range fieldNames() {
			at := place{profile, field}
			edits := w.edits[at]
			replaced := map[string]bool{}
			for _, e := range edits {
				replaced[e.from] = true
			}
			var last []string // values not replaced knowingly
			for _, e := range edits {
				if !replaced[e.to] {
					last = append(last, e.to)
				}
			}
			if len(edits) == 0 {
				continue
			}
			require.Contains(t, last, there[field], "nothing that was replaced came back")
			for _, v := range last {
				if v != there[field] {
					conflicts++
					require.True(t, slices.Contains(lost[at], v), "an edit was lost without a record")
				}
			}
		}
	}
	report(t, "%d edits lost to a conflict, each recorded (%s records)", conflicts,
		w.one(`SELECT COUNT(*) FROM conflicts`))

	delivered := map[string]bool{}
	for _, m := range w.sim.DeliveredWebhooks() {
		if m.Event == string(passfort.EventCollectedDataUpdated) {
			delivered[m.ProfileID+"/"+m.ID] = true
		}
	}
	applied := 0
	require.NoError(t, each(t.Context(), w.store.db, func(scan func(...any) error) error {
		var id string
		var n int
		if err := scan(&id, &n); err != nil {
			return err
		}
		applied++
		require.Equal(t, 1, n, "applied once")
		require.True(t, delivered[id] || strings.HasPrefix(id, "link:"))
		return nil
	}, `SELECT i.message_id, COUNT(e.message_id) FROM inbox i LEFT JOIN effects e ON e.message_id = i.message_id `+
		`GROUP BY i.message_id`))
	require.Equal(t, len(delivered)+len(w.profiles), applied)
	report(t, "%d messages, %d deliveries of them acknowledged, each applied once", len(delivered),
		len(w.sim.DeliveredWebhooks()))
	for _, outcome := range []string{"our own write", "nothing new", "read"} {
		report(t, "of them %q: %s", outcome, w.one(`SELECT COUNT(*) FROM inbox WHERE outcome = ?`, outcome))
	}
	require.NotContains(t, w.logged(), canary, "no name, key or secret in the log")
	require.NotEmpty(t, w.logged())
}

// quiet watches that no request comes any more.
func (w *world) quiet(edits int) {
	w.t.Helper()
	requests := w.sim.Count("")
	report(w.t, "%d edits, %d requests to Passfort (%.2f each): %d GET, %d POST", edits, requests,
		float64(requests)/float64(edits),
		w.sim.Count("CollectedData.Get"), w.sim.Count("CollectedData.Replace"))
	require.LessOrEqual(w.t, requests, 2*edits)
	<-time.After(1500 * time.Millisecond)
	require.Equal(w.t, requests, w.sim.Count(""), "and none after the last edit was synchronised")
}
