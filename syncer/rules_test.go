package syncer_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// pair is one customer and its profile, in step. Messages wait in sent until the test hands
// them over, and nothing runs but while sync does.
type pair struct {
	*world
	profile string
	before  func(r *http.Request) error // what happens before a write

	mu   sync.Mutex
	sent []string
}

func newPair(t *testing.T, w *world, ownKey string) *pair {
	t.Helper()
	p := &pair{world: w}
	_, p.profile = w.add(0)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sent = append(p.sent, string(body))
	}))
	t.Cleanup(endpoint.Close)
	w.sim.EnableWebhooks("COLLECTED_DATA_UPDATED")
	w.sim.SetWebhook(endpoint.URL, "a secret", false)
	client := w.sim.Client(passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}),
		passfort.WithHTTPClient(&http.Client{Transport: p}))
	var err error
	w.sync, err = syncer.New(w.db, w.dialect, client, []syncer.Mapping{people(w.dialect)}, syncer.WithKeyName(ownKey),
		syncer.WithPoll(tick), syncer.WithBackoff(tick, tick))
	require.NoError(t, err)
	w.box, err = inbox.New(w.db, w.dialect, inbox.WithPoll(tick))
	require.NoError(t, err)
	p.inStepAfterAll()
	w.sim.ForgetRequests()
	return p
}

func (p *pair) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && p.before != nil {
		if err := p.before(r); err != nil {
			return nil, err
		}
	}
	return p.sim.Transport().RoundTrip(r)
}

// inStepAfterAll runs the service until nothing is left to do.
func (p *pair) inStepAfterAll() {
	p.t.Helper()
	stop := p.start()
	require.Eventually(p.t, func() bool {
		in, err := p.box.Health(p.t.Context())
		if err != nil || in.Pending > 0 {
			return false
		}
		out, err := p.sync.Health(p.t.Context())
		return err == nil && out.Working == 0
	}, timeout, tick)
	stop()
}

// fail runs the service until the first attempt failed, whose word has to contain want.
func (p *pair) fail(want string) {
	p.t.Helper()
	failed := make(chan syncer.Result, 1)
	s, err := syncer.New(p.db, p.dialect, p.client(), []syncer.Mapping{people(p.dialect)}, syncer.WithPoll(tick),
		syncer.WithBackoff(timeout, timeout), syncer.WithObserver(func(r syncer.Result) {
			select {
			case failed <- r:
			default:
			}
		}))
	require.NoError(p.t, err)
	stop := start(p.t, p.box, s)
	r := <-failed
	stop()
	require.Equal(p.t, "failed", r.Outcome)
	require.Contains(p.t, r.Problem, want)
	p.exec(`UPDATE passfort_sync_work SET ready_at = 0`)
}

func (p *pair) client() *passfort.Client {
	return p.sim.Client(passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}),
		passfort.WithHTTPClient(&http.Client{Transport: p}))
}

func (p *pair) here(column, value string) {
	p.t.Helper()
	p.edit(passfort.EntityTypeIndividual, 0, column, value)
}

func (p *pair) there(mail string) {
	p.t.Helper()
	p.portal(p.profile, func(d *passfort.EntityData) { passfort.Ensure(&d.ContactDetails).Email = mail })
}

// messages returns what Passfort has sent, oldest first.
func (p *pair) messages() []string {
	p.t.Helper()
	require.NoError(p.t, p.sim.WaitWebhooks(p.t.Context()))
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

func (p *pair) deliver(body string) {
	p.t.Helper()
	hooks, err := p.box.WebhookHandler([]string{"a secret"})
	require.NoError(p.t, err)
	r := httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer a secret")
	w := httptest.NewRecorder()
	hooks.ServeHTTP(w, r)
	require.Equal(p.t, http.StatusOK, w.Code)
}

// inStep requires that both sides have a mail, with so many conflicts and requests so far.
func (p *pair) inStep(mail string, conflicts, requests int) {
	p.t.Helper()
	p.inStepAfterAll()
	d := p.at(p.profile)
	require.Equal(p.t, mail, passfort.Ensure(&d.ContactDetails).Email, "there")
	require.Equal(p.t, mail, p.one(`SELECT mail FROM crm_people`), "here")
	require.Equal(p.t, fmt.Sprint(conflicts), p.one(`SELECT COUNT(*) FROM passfort_sync_conflicts`), "conflicts")
	require.Equal(p.t, requests, p.sim.Count(""), "requests")
	require.Equal(p.t, "0", p.one(`SELECT COUNT(*) FROM passfort_sync_intents`))
}

// rule runs a test of one pair on both databases.
func rule(t *testing.T, ownKey string, test func(t *testing.T, p *pair)) {
	t.Helper()
	worlds(t, func(t *testing.T, w *world) { test(t, newPair(t, w, ownKey)) })
}

func TestEchoCostsNothing(t *testing.T) {
	t.Parallel()
	rule(t, keyName, func(_ *testing.T, p *pair) {
		p.here("mail", "a@sampleton.example")
		p.here("mail", "a@sampleton.example") // makes no difference
		p.inStep("a@sampleton.example", 0, 2)
		p.deliver(p.messages()[0])
		p.deliver(p.messages()[0])
		p.inStep("a@sampleton.example", 0, 2)
		p.there("b@sampleton.example")
		p.deliver(p.messages()[1])
		p.inStep("b@sampleton.example", 0, 3)
	})
}

func TestLateEchoIsNoNews(t *testing.T) {
	t.Parallel()
	rule(t, keyName, func(_ *testing.T, p *pair) {
		p.here("mail", "ours@sampleton.example")
		p.inStep("ours@sampleton.example", 0, 2)
		p.there("theirs@sampleton.example")
		m := p.messages()
		p.deliver(m[1])
		p.inStep("theirs@sampleton.example", 0, 3)
		p.deliver(m[0])
		p.inStep("theirs@sampleton.example", 0, 3)
	})
}

func TestStaleNewsIsNotBelieved(t *testing.T) {
	t.Parallel()
	rule(t, keyName, func(_ *testing.T, p *pair) {
		for n := range 3 {
			p.there(fmt.Sprintf("%d@sampleton.example", n))
		}
		for _, n := range []int{2, 0, 1} {
			p.deliver(p.messages()[n])
			p.inStepAfterAll()
		}
		p.inStep("2@sampleton.example", 0, p.sim.Count(""))
	})
}

// Another writer stores what we wrote once: that is news, whoever it was and whatever we
// know of our key, and our echo excuses one message only.
func TestAnotherWriterWritesWhatWeWrote(t *testing.T) {
	t.Parallel()
	byKey := func(keyOf func(p *pair) string) func(*pair, string) {
		return func(p *pair, mail string) {
			other, err := passfort.New(keyOf(p), passfort.WithBaseURL(p.sim.URL()))
			require.NoError(p.t, err)
			_, err = other.CollectedData.Update(p.t.Context(), p.profile, func(d *passfort.EntityData) error {
				passfort.Ensure(&d.ContactDetails).Email = mail
				return nil
			})
			require.NoError(p.t, err)
		}
	}
	another := byKey(func(p *pair) string { return p.sim.AddAPIKey("another system") })
	ours := byKey(func(p *pair) string { return p.sim.APIKey() })
	byUser := (*pair).there
	for _, tt := range []struct {
		name      string
		write     func(p *pair, mail string)
		ownKey    string
		echoFirst bool // or after all the others
	}{
		{"another key", another, keyName, false},
		{"another key, after our echo", another, keyName, true},
		{"our key, after our echo", ours, keyName, true},
		{"a person", byUser, keyName, false},
		{"a person, after our echo", byUser, keyName, true},
		{"a person, and our key's name is not known", byUser, "", false},
		{"another key, after our echo, and our key's name is not known", another, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule(t, tt.ownKey, func(_ *testing.T, p *pair) {
				const mail = "ours@sampleton.example"
				p.here("mail", mail)
				p.inStep(mail, 0, 2)
				if tt.echoFirst {
					p.deliver(p.messages()[0])
					p.inStep(mail, 0, 2)
				}
				tt.write(p, "others@sampleton.example")
				p.deliver(p.messages()[1])
				p.inStep("others@sampleton.example", 0, p.sim.Count("")+1)
				tt.write(p, mail)
				requests := p.sim.Count("")
				p.deliver(p.messages()[2])
				p.inStep(mail, 0, requests+1)
				p.deliver(p.messages()[0])
				p.inStep(mail, 0, requests+1)
			})
		})
	}
}

// loseAnswer makes the next write happen without an answer.
func (p *pair) loseAnswer() {
	p.t.Helper()
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", DropAfterWrite: true})
	p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Get", Skip: 1, Status: 500})
	p.fail("")
	require.Zero(p.t, p.sim.ClearFaults())
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		then      func(*pair)
		want      string
		conflicts int
	}{
		{"nothing left to do", func(*pair) {}, "1@sampleton.example", 0},
		{"another edit here", func(p *pair) { p.here("mail", "2@sampleton.example") }, "2@sampleton.example", 0},
		{"another edit there", func(p *pair) { p.there("3@sampleton.example") }, "3@sampleton.example", 1},
		{"another edit here, lost too", func(p *pair) {
			p.here("mail", "2@sampleton.example")
			p.loseAnswer()
			p.here("mail", "4@sampleton.example")
		}, "4@sampleton.example", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule(t, keyName, func(_ *testing.T, p *pair) {
				p.here("mail", "1@sampleton.example")
				p.loseAnswer()
				tt.then(p)
				p.inStepAfterAll()
				p.inStep(tt.want, tt.conflicts, p.sim.Count(""))
				requests := p.sim.Count("")
				for _, m := range p.messages() {
					p.deliver(m)
				}
				p.inStepAfterAll()
				require.LessOrEqual(p.t, p.sim.Count(""), requests+1)
				p.inStep(tt.want, tt.conflicts, p.sim.Count(""))
			})
		})
	}
}

// Another writer stores just what a write of ours would have, had it not come to nothing.
// That is theirs, and wins.
func TestTheirValueIsNotTakenForAWriteThatCameToNothing(t *testing.T) {
	t.Parallel()
	const theirs, ours = "business@sampleton.example", "private@sampleton.example"
	once := func(do func()) func(*http.Request) error {
		var once sync.Once
		return func(*http.Request) error { once.Do(do); return nil }
	}
	for _, tt := range []struct {
		name string
		lose func(*pair)
	}{
		{"refused", func(p *pair) {
			p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: 403})
			p.fail("403")
			p.there(theirs)
			p.here("mail", ours)
		}},
		{"not sent", func(p *pair) {
			p.before = func(*http.Request) error { return &net.OpError{Op: "dial", Err: errors.New("refused")} }
			p.fail("")
			p.before = nil
			p.there(theirs)
			p.here("mail", ours)
		}},
		{"lost a race, nothing left to send", func(p *pair) {
			p.before = once(func() { p.there(theirs); p.here("mail", ours) })
		}},
		{"lost a race, something left to send", func(p *pair) {
			p.here("surname", "Sample")
			p.before = once(func() { p.there(theirs); p.here("mail", ours) })
		}},
		{"lost a race, then refused", func(p *pair) {
			p.here("surname", "Sample")
			p.before = once(func() {
				p.there(theirs)
				p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Skip: 1, Status: 403})
			})
			p.fail("403")
			p.here("mail", ours)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule(t, keyName, func(_ *testing.T, p *pair) {
				p.here("mail", theirs)
				tt.lose(p)
				p.inStepAfterAll()
				p.inStep(theirs, 1, p.sim.Count(""))
				require.Equal(p.t, ours, p.one(`SELECT ours FROM passfort_sync_conflicts WHERE field = 'mail'`))
			})
		})
	}
}

func TestMessagesThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		reads      int
	}{
		{"no payload", `{"id":"m","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"PROFILE"}}`, 1},
		{"another payload",
			`{"id":"m","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"PROFILE","new_data":7}}`, 1},
		{"no old data", `{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{"profile_id":"PROFILE",` +
			`"new_data":{"entity_type":"INDIVIDUAL"}}}`, 1},
		{"what there is no column for", `{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{"profile_id":"PROFILE",` +
			`"old_data":{"entity_type":"INDIVIDUAL"},"new_data":{"entity_type":"INDIVIDUAL","x":1}}}`, 0},
		{"no profile", `{"id":"m","event":"COLLECTED_DATA_UPDATED","data":{}}`, 0},
		{"another event", `{"id":"m","event":"CHECK_COMPLETED","data":{"profile_id":"PROFILE"}}`, 0},
		{"an unknown event", `{"id":"m","event":"SOMETHING","data":{"profile_id":"PROFILE"}}`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule(t, keyName, func(_ *testing.T, p *pair) {
				require.True(p.t, json.Valid([]byte(tt.body)))
				p.deliver(strings.ReplaceAll(tt.body, "PROFILE", p.profile))
				p.deliver(strings.ReplaceAll(tt.body, "PROFILE", p.profile))
				p.inStep("", 0, tt.reads)
			})
		})
	}
}

// A profile that was not found and is there after all loses nothing.
func TestProfileThatWasGone(t *testing.T) {
	t.Parallel()
	rule(t, keyName, func(_ *testing.T, p *pair) {
		p.here("mail", "a@sampleton.example")
		p.sim.Inject(passforttest.Fault{Operation: "CollectedData.Get", Status: 404})
		p.inStepAfterAll()
		require.Equal(p.t, "1", p.one(`SELECT COUNT(*) FROM passfort_sync_customers WHERE gone_at IS NOT NULL`))
		p.deliver(`{"id":"n","event":"COLLECTED_DATA_CHANGED","data":{"profile_id":"` + p.profile + `"}}`)
		p.inStep("a@sampleton.example", 0, 3)
		require.Equal(p.t, "0", p.one(`SELECT COUNT(*) FROM passfort_sync_customers WHERE gone_at IS NOT NULL`))
	})
}

// The server splits and trims names: that is no edit of theirs.
func TestServerSplitsNames(t *testing.T) {
	t.Parallel()
	rule(t, keyName, func(_ *testing.T, p *pair) {
		p.here("first_names", "  Ann \t Marie ")
		p.inStep("", 0, 2)
		for _, m := range p.messages() {
			p.deliver(m)
		}
		p.inStep("", 0, 2)
		require.Equal(p.t, []string{"Ann", "Marie"}, p.at(p.profile).PersonalDetails.Name.GivenNames)
	})
}

// A profile of another kind than its customer is not written to.
func TestProfileOfAnotherKind(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		p, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
			Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
		})
		require.NoError(t, err)
		w.exec(`INSERT INTO crm_people (person, mail) VALUES (?, 'a@sampleton.example')`, key(1))
		w.tx(func(tx *sql.Tx) error {
			return w.sync.Link(t.Context(), tx, passfort.EntityTypeIndividual, key(1), p.ID)
		})
		stop := w.start()
		require.Eventually(t, func() bool {
			return strings.Contains(w.one(`SELECT problem FROM passfort_sync_work`), "another kind")
		}, timeout, tick)
		stop()
		require.Zero(t, w.sim.Count("CollectedData.Replace"))
	})
}
