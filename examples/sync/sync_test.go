package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// pair is one person at Passfort and the customer of theirs, in step. Webhooks
// wait in sent until the test hands them over.
type pair struct {
	t        *testing.T
	sim      *passforttest.Server
	store    *store
	syncer   *syncer
	webhooks *passfort.WebhookHandler
	profile  string
	customer string

	mu   sync.Mutex
	sent []string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	t.Parallel()
	p := &pair{t: t, sim: passforttest.NewServer(passforttest.WithAPIKeyName("sync"))}
	t.Cleanup(p.sim.Close)
	var err error
	p.store, err = openStore(t.Context(), "", filepath.Join(t.TempDir(), "a database.db"), "sync")
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.store.close() })
	log := slog.New(slog.DiscardHandler)
	p.syncer = newSyncer(p.store, p.sim.Client(passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1})), log)
	p.webhooks, err = newWebhookHandler(p.store, []string{"s0"}, log, p.syncer.wake)
	require.NoError(t, err)

	profile, err := p.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	p.profile = profile.ID
	require.NoError(t, p.store.link(t.Context(), p.profile))
	require.NoError(t, p.store.link(t.Context(), p.profile), "twice is no error")
	p.sync()
	require.NoError(t, p.store.db.QueryRowContext(t.Context(), `SELECT id FROM customers`).Scan(&p.customer))
	p.sim.ForgetRequests()

	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sent = append(p.sent, string(body))
	}))
	t.Cleanup(endpoint.Close)
	p.sim.EnableWebhooks("COLLECTED_DATA_UPDATED")
	p.sim.SetWebhook(endpoint.URL, "s0", false)
	return p
}

func (p *pair) sync() {
	p.t.Helper()
	require.NoError(p.t, p.syncer.sync(p.t.Context(), p.profile))
}

func (p *pair) editHere(field, v string) {
	p.t.Helper()
	_, err := p.store.edit(p.t.Context(), p.customer, values{field: v})
	require.NoError(p.t, err)
}

func (p *pair) editThere(field, v string) {
	p.t.Helper()
	_, err := p.sim.EditCollectedData(p.profile, portalEdit(values{field: v}))
	require.NoError(p.t, err)
}

// messages returns the webhooks Passfort has sent, oldest first.
func (p *pair) messages() []string {
	p.t.Helper()
	require.NoError(p.t, p.sim.WaitWebhooks(p.t.Context()))
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

func (p *pair) deliver(body string) {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer s0")
	w := httptest.NewRecorder()
	p.webhooks.ServeHTTP(w, r)
	require.Equal(p.t, http.StatusOK, w.Code)
}

// inStep requires that both sides have the value, with so many conflicts and
// requests so far.
func (p *pair) inStep(field, v string, conflicts, requests int) {
	p.t.Helper()
	raw, _ := p.sim.CollectedData(p.profile)
	require.Equal(p.t, v, decoded(jsonText(raw))[field], "there")
	var here string
	require.NoError(p.t, p.store.db.QueryRowContext(p.t.Context(), `SELECT `+field+` FROM customers`).Scan(&here))
	require.Equal(p.t, v, here, "here")
	var n int
	require.NoError(p.t, p.store.db.QueryRowContext(p.t.Context(), `SELECT COUNT(*) FROM conflicts`).Scan(&n))
	require.Equal(p.t, conflicts, n, "conflicts")
	require.Equal(p.t, requests, p.sim.Count(""), "requests")
	pending, err := p.store.pending(p.t.Context())
	require.NoError(p.t, err)
	require.Empty(p.t, pending)
}

// count returns the number that a query gives.
func (p *pair) count(query string) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.store.db.QueryRowContext(p.t.Context(), query).Scan(&n))
	return n
}

type jsonText []byte

func (j jsonText) MarshalJSON() ([]byte, error) { return j, nil }

func TestEditHereReachesPassfortAndItsEchoCostsNothing(t *testing.T) {
	p := newPair(t)
	p.editHere("email", "a@example.com")
	p.editHere("email", "a@example.com") // makes no difference
	p.sync()
	p.inStep("email", "a@example.com", 0, 2)
	p.deliver(p.messages()[0])
	p.deliver(p.messages()[0])
	p.sync()
	p.inStep("email", "a@example.com", 0, 2)
}

func TestEditThereReachesUsWithOneRead(t *testing.T) {
	p := newPair(t)
	p.editThere("email", "a@example.com")
	p.deliver(p.messages()[0])
	p.sync()
	p.inStep("email", "a@example.com", 0, 1)
}

func TestLateEchoIsToldFromNews(t *testing.T) {
	p := newPair(t)
	p.editHere("email", "ours@example.com")
	p.sync()
	p.editThere("email", "theirs@example.com")
	m := p.messages()
	p.deliver(m[1])
	p.sync()
	p.deliver(m[0])
	p.sync()
	p.inStep("email", "theirs@example.com", 0, 3)
}

func TestSomebodyElseWritesWhatWeWrote(t *testing.T) {
	byKey := func(name string) func(*testing.T, *pair) func(email string) {
		return func(t *testing.T, p *pair) func(string) {
			key := p.sim.APIKey()
			if name != "" {
				key = p.sim.AddAPIKey(name)
			}
			other, err := passfort.New(key, passfort.WithBaseURL(p.sim.URL()))
			require.NoError(t, err)
			return func(email string) {
				_, err := other.CollectedData.Update(t.Context(), p.profile, func(d *passfort.EntityData) error {
					contactOf(d).Email = email
					return nil
				})
				require.NoError(t, err)
			}
		}
	}
	byUser := func(_ *testing.T, p *pair) func(string) {
		return func(email string) { p.editThere("email", email) }
	}
	tests := []struct {
		name       string
		writer     func(*testing.T, *pair) func(email string)
		ownKeyName string
		echoFirst  bool // or after all the others
	}{
		{"another key", byKey("another system"), "sync", false},
		{"another key, after our echo", byKey("another system"), "sync", true},
		{"our key, after our echo", byKey(""), "sync", true},
		{"a person", byUser, "sync", false},
		{"a person, after our echo", byUser, "sync", true},
		{"a person, and we do not know our key's name", byUser, "", false},
		{"another key, after our echo, and we do not know our key's name", byKey("another system"), "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.store.ownKey = tt.ownKeyName
			write := tt.writer(t, p)
			p.editHere("email", "ours@example.com")
			p.sync()
			if tt.echoFirst {
				p.deliver(p.messages()[0])
				p.sync()
			}
			write("others@example.com")
			p.deliver(p.messages()[1])
			p.sync()
			write("ours@example.com")
			requests := p.sim.Count("")
			p.deliver(p.messages()[2])
			p.sync()
			p.inStep("email", "ours@example.com", 0, requests+1)
			p.deliver(p.messages()[0])
			p.sync()
			p.inStep("email", "ours@example.com", 0, requests+1)
		})
	}
}

// A key that is shared makes another's write look like our echo. The echo
// itself, when it comes, then decides.
func TestSharedKey(t *testing.T) {
	p := newPair(t)
	other := p.sim.Client()
	p.editHere("email", "ours@example.com")
	p.sync()
	for _, email := range []string{"others@example.com", "ours@example.com"} {
		_, err := other.CollectedData.Update(t.Context(), p.profile, func(d *passfort.EntityData) error {
			contactOf(d).Email = email
			return nil
		})
		require.NoError(t, err)
		m := p.messages()
		p.deliver(m[len(m)-1])
		p.sync()
	}
	p.deliver(p.messages()[0])
	p.sync()
	p.inStep("email", "ours@example.com", 0, p.sim.Count(""))
}

func TestEchoOfAWriteNobodyKnowsOf(t *testing.T) {
	p := newPair(t)
	p.editHere("phone", "1")
	p.loseAnswer()
	p.deliver(p.messages()[0])
	p.editHere("phone", "2")
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Get", Status: 500})
	require.Error(t, p.syncer.sync(t.Context(), p.profile))
	p.sync()
	p.inStep("phone", "2", 0, p.sim.Count(""))
}

func TestStaleNewsIsNotBelieved(t *testing.T) {
	p := newPair(t)
	for _, v := range []string{"1@example.com", "2@example.com", "3@example.com"} {
		p.editThere("email", v)
	}
	m := p.messages()
	p.deliver(m[2])
	p.sync()
	p.deliver(m[0])
	p.sync()
	p.deliver(m[1])
	p.sync()
	p.inStep("email", "3@example.com", 0, 3)
}

func TestOlderMessageFirst(t *testing.T) {
	p := newPair(t)
	p.editThere("email", "1@example.com")
	p.editThere("email", "2@example.com")
	p.deliver(p.messages()[0])
	p.sync()
	p.inStep("email", "2@example.com", 0, 1)
	p.deliver(p.messages()[1])
	p.sync()
	p.inStep("email", "2@example.com", 0, 1)
}

func TestBothSidesEdit(t *testing.T) {
	p := newPair(t)
	p.editHere("email", "ours@example.com")
	p.editHere("phone", "1")
	p.editThere("email", "theirs@example.com")
	p.editThere("segment", "retail")
	p.sync()
	for field, v := range map[string]string{"email": "theirs@example.com", "phone": "1", "segment": "retail"} {
		p.inStep(field, v, 1, 2)
	}
	var lost conflict
	require.NoError(t, p.store.db.QueryRowContext(t.Context(),
		`SELECT field, base, ours, theirs FROM conflicts`).Scan(&lost.field, &lost.base, &lost.ours, &lost.theirs))
	require.Equal(t, conflict{"email", "", "ours@example.com", "theirs@example.com"}, lost)
}

// loseAnswer makes the next write happen unnoticed here.
func (p *pair) loseAnswer() {
	p.t.Helper()
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", DropAfterWrite: true})
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Get", Skip: 1, Status: 500})
	require.ErrorIs(p.t, p.syncer.sync(p.t.Context(), p.profile), passfort.ErrOutcomeUnknown)
	require.Zero(p.t, p.sim.ClearFaults())
}

func TestUnknownOutcome(t *testing.T) {
	tests := []struct {
		name      string
		then      func(*pair)
		want      string
		conflicts int
		requests  int
	}{
		{"nothing left to do", func(*pair) {}, "1", 0, 4},
		{"another edit here", func(p *pair) { p.editHere("phone", "2") }, "2", 0, 5},
		{"taken back here", func(p *pair) { p.editHere("phone", "") }, "", 0, 5},
		{"another edit there", func(p *pair) { p.editThere("phone", "3") }, "3", 1, 4},
		{"another edit here, lost too", func(p *pair) {
			p.editHere("phone", "2")
			p.loseAnswer()
			p.editHere("phone", "4")
		}, "4", 0, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.editHere("phone", "1")
			p.loseAnswer()
			pending, err := p.store.pending(t.Context())
			require.NoError(t, err)
			require.Len(t, pending, 1)
			tt.then(p)
			p.sync()
			p.inStep("phone", tt.want, tt.conflicts, tt.requests)
			for _, m := range p.messages() {
				p.deliver(m)
			}
			p.sync()
			extra := p.sim.Count("") - tt.requests
			require.LessOrEqual(t, extra, 1)
			p.inStep("phone", tt.want, tt.conflicts, tt.requests+extra)
		})
	}
}

func TestEditWhileSynchronising(t *testing.T) {
	tests := []struct {
		name      string
		first     string // our edit before
		theirs    string // their edit before
		want      string
		conflicts int
	}{
		{"on top of what is being sent", "1", "", "during", 0},
		{"on top of nothing", "", "", "during", 0},
		{"against theirs", "", "theirs", "theirs", 1},
		{"on top of what loses", "1", "theirs", "theirs", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.editHere("email", "makes work")
			if tt.first != "" {
				p.editHere("phone", tt.first)
			}
			if tt.theirs != "" {
				p.editThere("phone", tt.theirs)
			}
			w, err := p.store.take(t.Context(), p.profile)
			require.NoError(t, err)
			p.editHere("phone", "during")
			data, err := p.syncer.client.CollectedData.Update(t.Context(), p.profile,
				func(d *passfort.EntityData) error {
					merged, _ := merge(w.base, w.ours, valuesOf(d), w.sent())
					send := valuesOf(d).changes(merged)
					merged.writeTo(d)
					_, err := p.store.intend(t.Context(), w, merged, send)
					return err
				})
			require.NoError(t, err)
			_, err = p.store.settle(t.Context(), w, valuesOf(&data.EntityData))
			require.NoError(t, err)
			p.sync()
			p.inStep("phone", tt.want, tt.conflicts, p.sim.Count(""))
			var lost int
			require.NoError(t, p.store.db.QueryRowContext(t.Context(),
				`SELECT COUNT(*) FROM conflicts WHERE ours = 'during'`).Scan(&lost))
			require.Equal(t, tt.conflicts, lost)
		})
	}
}

func TestTwoProcesses(t *testing.T) {
	p := newPair(t)
	p.editHere("phone", "1")
	slow, err := p.store.take(t.Context(), p.profile)
	require.NoError(t, err)
	p.sync()
	_, err = p.store.settle(t.Context(), slow, values{})
	require.ErrorIs(t, err, errMoved)
	p.inStep("phone", "1", 0, 2)

	p.editHere("phone", "2")
	slow, err = p.store.take(t.Context(), p.profile)
	require.NoError(t, err)
	p.deliver(p.messages()[0])
	_, err = p.store.take(t.Context(), p.profile) // the other process finds nothing new in the message
	require.NoError(t, err)
	_, err = p.store.settle(t.Context(), slow, values{"phone": "2"})
	require.ErrorIs(t, err, errMoved, "what was read meanwhile may be older than what was judged")
}

func TestMessagesThatAreNotUnderstood(t *testing.T) {
	tests := []struct {
		name    string
		body    string
		outcome string
	}{
		{"no payload", `{"id":"m","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"PROFILE"}}`, "read"},
		{"another payload", `{"id":"m","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"PROFILE","new_data":7}}`,
			"read"},
		{"no old data", `{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{"profile_id":"PROFILE",` +
			`"new_data":{"entity_type":"INDIVIDUAL"}}}`, "read"},
		{"what we have no column for",
			`{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{"profile_id":"PROFILE",` +
				`"old_data":{"entity_type":"INDIVIDUAL"},"new_data":{"entity_type":"INDIVIDUAL","x":1}}}`,
			"nothing new"},
		{"a company", `{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{"profile_id":"PROFILE",` +
			`"new_data":{"entity_type":"COMPANY"}}}`, "not ours"},
		{"no profile", `{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{}}`, "not ours"},
		{"another event", `{"id":"m","event":"CHECK_COMPLETED","data":{"profile_id":"PROFILE"}}`, "not ours"},
		{"an unknown event", `{"id":"m","event":"SOMETHING","data":{"profile_id":"PROFILE"}}`, "not ours"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			body := strings.ReplaceAll(tt.body, "PROFILE", p.profile)
			p.deliver(body)
			p.deliver(body)
			p.sync()
			var outcome string
			require.NoError(t, p.store.db.QueryRowContext(t.Context(),
				`SELECT outcome FROM inbox WHERE (message_id = 'm' OR message_id LIKE '%/m') AND applied_at IS NOT NULL`).Scan(&outcome))
			require.Equal(t, tt.outcome, outcome)
		})
	}
	t.Run("no id", func(t *testing.T) {
		p := newPair(t)
		post := func(second string) {
			p.deliver(`{"event":"COLLECTED_DATA_UPDATED","timestamp":170000000` + second + `,"data":{"profile_id":"` +
				p.profile + `"}}`)
		}
		post("1")
		post("1")
		post("2")
		p.sync()
		require.Equal(t, 1, p.sim.Count(""))
		post("3") // the same content as before, and yet news
		post("1")
		pending, err := p.store.pending(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{p.profile}, pending)
		require.Equal(t, []int{3, 1}, []int{
			p.count(`SELECT COUNT(*) FROM inbox WHERE message_id NOT LIKE 'link:%'`),
			p.count(`SELECT COUNT(*) FROM inbox WHERE applied_at IS NULL`),
		})
	})
}

func TestProfileThatWeDoNotKnow(t *testing.T) {
	p := newPair(t)
	data := passfort.NewIndividual()
	personalOf(data).DOB = "1990"
	profile, err := p.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: data,
	})
	require.NoError(t, err)
	p.deliver(`{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{"profile_id":"` + profile.ID +
		`","old_data":{"entity_type":"INDIVIDUAL","contact_details":{"email":"e"}},` +
		`"new_data":{"entity_type":"INDIVIDUAL"}}}`)
	require.NoError(t, p.syncer.sync(t.Context(), profile.ID))
	var dob string
	require.NoError(t, p.store.db.QueryRowContext(t.Context(),
		`SELECT date_of_birth FROM customers WHERE profile_id = ?`, profile.ID).Scan(&dob))
	require.Equal(t, "1990", dob)
}

func TestServerSplitsNames(t *testing.T) {
	p := newPair(t)
	p.editHere("given_names", "  Ann \t Marie ")
	p.sync()
	p.inStep("given_names", "Ann Marie", 0, 2)
	for _, m := range p.messages() {
		p.deliver(m)
	}
	p.sync()
	p.inStep("given_names", "Ann Marie", 0, 2)
}

func TestCompanyIsNotWrittenTo(t *testing.T) {
	p := newPair(t)
	profile, err := p.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
	})
	require.NoError(t, err)
	require.NoError(t, p.store.link(t.Context(), profile.ID))
	require.NoError(t, p.syncer.sync(t.Context(), profile.ID))
	require.NoError(t, editByProfile(t.Context(), p.store, profile.ID, values{"email": "a@example.com"}))
	p.sim.ForgetRequests()
	require.ErrorIs(t, p.syncer.sync(t.Context(), profile.ID), errNotAPerson)
	require.Zero(t, p.sim.Count("CollectedData.Replace"))
}

func TestProfileThatIsGone(t *testing.T) {
	p := newPair(t)
	require.NoError(t, p.store.link(t.Context(), "0b5e0000-0000-4000-8000-000000000000"))
	profiles, err := p.store.pending(t.Context())
	require.NoError(t, err)
	require.Len(t, profiles, 1)
	require.NoError(t, p.syncer.sync(t.Context(), profiles[0]))
	require.NoError(t, editByProfile(t.Context(), p.store, profiles[0], values{"email": "kept@example.com"}))
	pending := func() []string {
		profiles, err := p.store.pending(t.Context())
		require.NoError(t, err)
		return profiles
	}
	require.Empty(t, pending())
	page := newStatusPage(p.store, p.syncer.failing, false)
	s, err := page.read(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{1, 0, 0}, []int{s.Gone, s.In, s.Out})
	shown := httptest.NewRecorder()
	page.ServeHTTP(shown, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/", nil))
	require.Regexp(t, `gone at Passfort since [0-9-]+ [0-9:]+; 1 in, 1 out put aside`, shown.Body.String())

	p.deliver(`{"id":"m","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"` + profiles[0] + `"}}`)
	require.Equal(t, profiles, pending(), "a message takes it up again")
	require.NoError(t, p.syncer.sync(t.Context(), profiles[0]))
	require.Empty(t, pending())
	require.NoError(t, p.store.link(t.Context(), profiles[0]))
	require.Equal(t, profiles, pending(), "and so does an import")
}

// A profile that was not found and is there after all loses nothing.
func TestProfileThatWasGone(t *testing.T) {
	p := newPair(t)
	p.editHere("email", "a@example.com")
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: 404})
	p.sync()
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Get", Status: 404})
	p.editHere("phone", "1")
	p.deliver(`{"id":"m","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"` + p.profile + `"}}`)
	p.sync()
	require.Zero(t, p.sim.ClearFaults())
	require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM inbox WHERE outcome = 'put aside'`))
	p.deliver(`{"id":"n","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"` + p.profile + `"}}`)
	p.sync()
	p.inStep("email", "a@example.com", 0, 5)
	p.inStep("phone", "1", 0, 5)
	require.Zero(t, p.count(`SELECT COUNT(*) FROM customers WHERE gone_at IS NOT NULL`))
	require.Zero(t, p.count(`SELECT COUNT(*) FROM inbox WHERE applied_at IS NULL`))
}

func TestFailureIsTriedAgain(t *testing.T) {
	p := newPair(t)
	p.editHere("email", "a@example.com")
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: 403, Times: -1})
	require.True(t, p.syncer.claim(p.profile))
	require.False(t, p.syncer.claim(p.profile), "one at a time")
	p.syncer.attempt(t.Context(), p.profile)
	require.Contains(t, p.syncer.failing()[p.profile], "403")
	require.NotContains(t, p.syncer.failing()[p.profile], p.profile)
	require.False(t, p.syncer.claim(p.profile), "not at once")
	p.syncer.failures[p.profile] = failure{times: 1000, retryAt: time.Now()}
	require.True(t, p.syncer.claim(p.profile))
	p.syncer.attempt(t.Context(), p.profile)
	require.LessOrEqual(t, time.Until(p.syncer.failures[p.profile].retryAt), longestBackoff)
}

func TestWebhookStore(t *testing.T) {
	p := newPair(t)
	s := webhookStore{p.store}
	seen, err := s.Seen(t.Context(), "m")
	require.NoError(t, err)
	require.False(t, seen)
	require.NoError(t, s.Commit(t.Context(), "m"))
	require.NoError(t, s.Commit(t.Context(), "m"))
	seen, err = s.Seen(t.Context(), "m")
	require.NoError(t, err)
	require.True(t, seen)
	p.sync()
	require.Zero(t, p.sim.Count(""))
}

func TestDatabaseDown(t *testing.T) {
	p := newPair(t)
	p.editThere("email", "a@example.com")
	m := p.messages()[0]
	require.NoError(t, p.store.close())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks", strings.NewReader(m))
	r.Header.Set("Authorization", "Bearer s0")
	w := httptest.NewRecorder()
	p.webhooks.ServeHTTP(w, r)
	require.Equal(t, http.StatusInternalServerError, w.Code, "what is not stored is not acknowledged")
	require.Error(t, p.syncer.sync(t.Context(), p.profile))
}

func TestProblemTellsNothing(t *testing.T) {
	t.Parallel()
	require.NotContains(t, problem(errors.New("duplicate key Robin")), "Robin")
	require.NotEmpty(t, problem(errMoved))
}
