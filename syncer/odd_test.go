package syncer_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/syncer"
)

// creating makes a world whose people get profiles.
func creating(w *world) {
	mapping := people(w.dialect)
	mapping.Create = true
	w.box, w.sync = services(w.t, w.db, w.dialect, w.sim.Client(), mapping)
}

func (w *world) profile(ref, family string) string {
	w.t.Helper()
	data := passfort.NewIndividual()
	data.CustomerRef, name(data).FamilyName = ref, family
	p, err := w.sim.Client().Profiles.Create(w.t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: data,
	})
	require.NoError(w.t, err)
	return p.ID
}

func (w *world) edited(key string) {
	w.t.Helper()
	w.tx(func(tx *sql.Tx) error { return w.sync.Edited(w.t.Context(), tx, passfort.EntityTypeIndividual, key) })
}

// A search for a customer_ref reads each profile without a customer once, also one whose
// customer comes later, and needs no sweep before.
func TestSearchReadsAStrangerOnce(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		creating(w)
		later := w.profile(strings.ToUpper(key(9)), "Person later") // a uuid in capitals
		for range 5 {
			w.profile("", "Stranger")
		}
		w.start()
		w.sim.ForgetRequests()
		for n := range 3 {
			w.exec(`INSERT INTO crm_people (person, surname) VALUES (?, 'Sample')`, key(n))
			w.edited(key(n))
			w.quiet()
		}
		require.Equal(t, 5, w.sim.Count("CollectedData.Get"), "each stranger once")
		require.Equal(t, 3, w.sim.Count("Profiles.Create"))
		if w.dialect == sqldb.SQLite {
			return // text in capitals is another key
		}
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(9))
		w.edited(key(9))
		w.quiet()
		require.Equal(t, 3, w.sim.Count("Profiles.Create"), "it was there")
		require.Equal(t, later, w.one(`SELECT profile_id FROM passfort_sync_customers WHERE customer_key = ?`, key(9)))
		require.Equal(t, "5", w.one(`SELECT COUNT(*) FROM passfort_sync_strangers`))
	})
}

// A profile gets its customer_ref later, and no message says so: it is read again, as the
// others are not.
func TestChangedStrangerIsReadAgain(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		creating(w)
		theirs := w.profile("", "Sample")
		w.profile("", "Other")
		w.start()
		w.exec(`INSERT INTO crm_people (person, surname) VALUES (?, 'First')`, key(1))
		w.edited(key(1))
		w.quiet()
		require.Equal(t, 3, w.sim.Count("Profiles.Create"))
		w.sim.AdvanceClock(time.Minute) // the dates of the list have seconds
		w.sim.SetWebhook("", "", false)
		w.portal(theirs, func(d *passfort.EntityData) { d.CustomerRef = key(2) })
		w.sim.ForgetRequests()
		w.exec(`INSERT INTO crm_people (person, surname) VALUES (?, 'Sample')`, key(2))
		w.edited(key(2))
		w.quiet()
		require.Zero(t, w.sim.Count("Profiles.Create"))
		require.Equal(t, theirs, w.one(`SELECT profile_id FROM passfort_sync_customers WHERE customer_key = ?`, key(2)))
		require.LessOrEqual(t, w.sim.Count("CollectedData.Get"), 3, "the changed one, and as a customer")
	})
}

// A key has many forms: a uuid in capitals, a number with zeros. They are one customer.
func TestKeyInAnotherForm(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE numbered (id INTEGER PRIMARY KEY, surname TEXT)`)
		mapping := syncer.Mapping{
			Entity: passfort.EntityTypeIndividual, Create: true,
			Table: syncer.SQLTable{Dialect: w.dialect, Name: "numbered", Key: "id"},
			Fields: []syncer.Field{
				syncer.Text("surname", func(d *passfort.EntityData) *string { return &name(d).FamilyName }),
			},
		}
		w.box, w.sync = services(t, w.db, w.dialect, w.sim.Client(), mapping)
		w.exec(`INSERT INTO numbered VALUES (7, 'Sample'), (8, 'Other')`)
		there := w.profile("008", "Person there")
		w.start()
		for _, form := range []string{"7", "007", "+7"} {
			w.edited(form)
		}
		w.edited("8")
		w.quiet()
		require.Equal(t, "2", w.one(`SELECT COUNT(*) FROM passfort_sync_customers`))
		require.Equal(t, 1, w.sim.Count("Profiles.Create")-1, "one of them was there")
		require.Equal(t, there, w.one(`SELECT profile_id FROM passfort_sync_customers WHERE customer_key = '8'`))
		w.tx(func(tx *sql.Tx) error {
			return w.sync.Link(t.Context(), tx, passfort.EntityTypeIndividual, "008", there)
		})
		require.Equal(t, "2", w.one(`SELECT COUNT(*) FROM passfort_sync_customers`))
		tx, err := w.db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		require.ErrorIs(t, w.sync.Link(t.Context(), tx, passfort.EntityTypeIndividual, "9", there), sql.ErrNoRows)
		require.ErrorIs(t, w.sync.Link(t.Context(), tx, passfort.EntityTypeCompany, "7", there), syncer.ErrMapping)
	})
}

// Two profiles that claim one customer: one is linked, the other is reported, and no third
// one is made.
func TestTwoProfilesOfOneCustomer(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		creating(w)
		first, second := w.profile(key(1), "First"), w.profile(key(1), "Second")
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(1))
		w.start()
		w.portal(first, func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "GBR" })
		w.portal(second, func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		w.edited(key(1))
		w.quiet()
		linked := w.one(`SELECT profile_id FROM passfort_sync_customers`)
		require.Contains(t, []string{first, second}, linked)
		require.Equal(t, 2, w.sim.Profiles())
		var found []string
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Repair: true, PerSecond: 10_000,
			Found: func(f syncer.Finding) { found = append(found, f.ProfileID) }})
		require.NoError(t, err)
		require.Zero(t, report.Repaired)
		require.Equal(t, 1, report.Found[syncer.FindingNoCustomer])
		require.NotContains(t, found, linked)
	})
}

// Of two customers that claim one profile at once, one gets it.
func TestTwoCustomersOfOneProfile(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		profile := w.profile("", "Claimed")
		w.exec(`INSERT INTO crm_people (person) VALUES (?), (?)`, key(1), key(2))
		errs := make(chan error, 2)
		var both sync.WaitGroup
		for n := 1; n <= 2; n++ {
			both.Go(func() {
				errs <- sqldb.Place{Dialect: w.dialect}.Tx(t.Context(), w.db, func(tx *sql.Tx) error {
					return w.sync.Link(t.Context(), tx, passfort.EntityTypeIndividual, key(n), profile)
				})
			})
		}
		both.Wait()
		first, second := <-errs, <-errs
		require.True(t, (first == nil) != (second == nil), "%v, %v", first, second)
		require.ErrorIs(t, errors.Join(first, second), syncer.ErrLinked)
	})
}

// hookAt calls do once, before the next request of a method.
type hookAt struct {
	base   http.RoundTripper
	method string
	once   sync.Once
	do     func()
}

func (h *hookAt) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == h.method {
		h.once.Do(h.do)
	}
	return h.base.RoundTrip(r)
}

// A process that lost a customer while it searched for its profile makes none: the one
// that has it now does.
func TestNoProfileForACustomerThatAnotherHas(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		hook := &hookAt{base: w.sim.Transport(), method: http.MethodGet, do: func() {
			w.exec(`UPDATE passfort_sync_work SET owner = 'another', ready_at = ready_at + 600000`)
		}}
		mapping := people(w.dialect)
		mapping.Create = true
		client := w.sim.Client(passfort.WithHTTPClient(&http.Client{Transport: hook}))
		w.box, w.sync = services(t, w.db, w.dialect, client, mapping)
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(0))
		w.edit(passfort.EntityTypeIndividual, 0, "mail", "robin@sampleton.example")
		stop := w.start()
		require.Eventually(t, func() bool {
			return w.one(`SELECT owner FROM passfort_sync_work`) == "another" && w.sim.Count("Profiles.List") > 0
		}, time.Minute, 10*time.Millisecond)
		stop()
		require.Zero(t, w.sim.Count("Profiles.Create"))
		w.exec(`UPDATE passfort_sync_work SET owner = '', ready_at = 0`)
		w.start()
		w.quiet()
		require.Equal(t, 1, w.sim.Count("Profiles.Create"))
	})
}

// A customer whose row is deleted while its edit is being sent: nothing fails, its values
// are forgotten, and it does not come back.
func TestCustomerIsDeletedUnderWay(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, profile := w.add(0)
		stop := w.start()
		w.quiet()
		stop()
		hook := &hookAt{base: w.sim.Transport(), method: http.MethodPost, do: func() {
			w.exec(`DELETE FROM crm_people WHERE person = ?`, key(0))
		}}
		mapping := people(w.dialect)
		mapping.Add = func(context.Context, *sql.Tx, string) (string, error) {
			t.Error("a customer that was deleted comes back")
			return "", errors.New("not wanted")
		}
		client := w.sim.Client(passfort.WithHTTPClient(&http.Client{Transport: hook}))
		w.box, w.sync = services(t, w.db, w.dialect, client, mapping)
		w.edit(passfort.EntityTypeIndividual, 0, "mail", "robin@sampleton.example")
		w.start()
		w.quiet()
		require.Equal(t, "{}", w.one(`SELECT base FROM passfort_sync_customers`))
		require.Equal(t, "0", w.one(`SELECT COUNT(*) FROM passfort_sync_intents`))
		w.portal(profile, func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		w.quiet()
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Repair: true, PerSecond: 10_000})
		require.NoError(t, err)
		require.Equal(t, map[syncer.FindingKind]int{syncer.FindingNoCustomer: 1}, report.Found)
		require.Zero(t, report.Repaired)
	})
}

// The clock of the database is set back an hour: no work waits until it comes round.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, profile := w.add(0)
		stop := w.start()
		w.quiet()
		stop()
		w.edit(passfort.EntityTypeIndividual, 0, "mail", "robin@sampleton.example")
		w.portal(profile, func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		require.NoError(t, w.sim.WaitWebhooks(t.Context()))
		w.exec(`UPDATE passfort_sync_work SET ready_at = ready_at + 3600000, owner = 'of before'`)
		w.exec(`UPDATE passfort_inbox_lanes SET ready_at = ready_at + 3600000`)
		w.start()
		w.quiet()
		require.Equal(t, "IRN", w.one(`SELECT citizen_of FROM crm_people`))
		require.Equal(t, "robin@sampleton.example", w.at(profile).ContactDetails.Email)
	})
}

// A table or a field that panics is a failure of its customer, not the end of the process.
func TestFieldThatPanics(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		w.add(0)
		mapping := people(w.dialect)
		mapping.Fields = append(mapping.Fields[:1:1], syncer.Text("mail", func(d *passfort.EntityData) *string {
			return &d.ContactDetails.Email // nil for most
		}))
		var once sync.Once
		failed := make(chan syncer.Result)
		s, err := syncer.New(w.db, w.dialect, w.sim.Client(), []syncer.Mapping{mapping},
			syncer.WithBackoff(time.Minute, time.Minute), syncer.WithObserver(func(r syncer.Result) {
				once.Do(func() { failed <- r })
				panic("of the metrics")
			}))
		require.NoError(t, err)
		start(t, w.box, s)
		result := <-failed
		require.Equal(t, "failed", result.Outcome)
		_, err = s.Reconcile(t.Context(), syncer.Sweep{})
		require.Error(t, err)
	})
}

// A process that runs an older version, with fewer fields, keeps what base has of the
// others: a value that is deleted here meanwhile stays deleted.
func TestProcessesOfTwoVersions(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, profile := w.add(0)
		w.edit(passfort.EntityTypeIndividual, 0, "mail", "robin@sampleton.example")
		stop := w.start()
		w.quiet()
		stop()
		older := people(w.dialect)
		older.Fields = older.Fields[:2]
		_, before := services(t, w.db, w.dialect, w.sim.Client(), older)
		w.edit(passfort.EntityTypeIndividual, 0, "surname", "Of the older")
		stop = start(t, w.box, before)
		w.quiet()
		stop()
		require.Equal(t, "Of the older", w.at(profile).PersonalDetails.Name.FamilyName)
		w.exec(`UPDATE crm_people SET mail = NULL`)
		w.edited(key(0))
		w.start()
		w.quiet()
		require.Empty(t, w.one(`SELECT mail FROM crm_people`))
		d := w.at(profile)
		require.True(t, d.ContactDetails == nil || d.ContactDetails.Email == "", "and is deleted there")
		conflicts, err := w.sync.Conflicts(t.Context(), true, 0)
		require.NoError(t, err)
		require.Empty(t, conflicts)
	})
}

// Messages with ids that no profile has, and one of 15 MiB, hold up nothing.
func TestOddMessages(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, profile := w.add(0)
		w.start()
		w.quiet()
		for n, id := range []string{"../../etc", "a\x00b", `'; DROP TABLE crm_people; --`, strings.Repeat("x", 5000),
			"\u202e"} {
			require.NoError(t, w.box.Receive(t.Context(), &passfort.WebhookEvent{
				ID: fmt.Sprint(n), Event: passfort.EventCollectedDataUpdated, ProfileID: id, Data: []byte(`{}`),
			}))
		}
		big := append([]byte(`{"profile_id":"`+profile+`","new_data":{"entity_type":"INDIVIDUAL","x":"`),
			bytes.Repeat([]byte("y"), 15<<20)...)
		require.NoError(t, w.box.Receive(t.Context(), &passfort.WebhookEvent{
			ID: "big", Event: passfort.EventCollectedDataUpdated, ProfileID: profile, Data: append(big, `"}}`...),
		}))
		w.portal(profile, func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		w.quiet()
		require.Equal(t, "IRN", w.one(`SELECT citizen_of FROM crm_people`))
		parked, err := w.box.Parked(t.Context(), inbox.Selection{All: true}, 0, 0)
		require.NoError(t, err)
		require.Len(t, parked, 1, "that with a zero byte")
		require.Zero(t, parked[0].Tries-1, "at once")
	})
}

// Connections that the server ends at any moment, in the middle of a commit too.
func TestConnectionsAreLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqldb.PostgreSQL, postgres.Get(t).Database(t))
	profiles := map[int]string{}
	for n := range 10 {
		_, profiles[n] = w.add(n)
	}
	w.start()
	w.quiet()
	ctx, cancel := context.WithCancel(t.Context())
	var ending sync.WaitGroup
	ending.Go(func() {
		for ctx.Err() == nil {
			_, _ = w.db.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.3`)
			<-time.After(5 * time.Millisecond)
		}
	})
	place := sqldb.Place{Dialect: w.dialect}
	for n := range 60 {
		entity, table, column, keyColumn := passfort.EntityTypeIndividual, "crm_people", "surname", "person"
		if n%2 == 1 {
			entity, table, column, keyColumn = passfort.EntityTypeCompany, "crm_firms", "title", "firm"
		}
		for err := errors.New("not tried"); err != nil; { // as a team's software does
			err = place.Tx(t.Context(), w.db, func(tx *sql.Tx) error {
				if _, err := place.Exec(t.Context(), tx, `UPDATE `+table+` SET `+column+` = ? WHERE `+keyColumn+` = ?`,
					fmt.Sprintf("Here %d", n), key(n%10)); err != nil {
					return err
				}
				return w.sync.Edited(t.Context(), tx, entity, key(n%10))
			})
		}
		w.portal(profiles[(n+5)%10], func(d *passfort.EntityData) { d.CustomerRef = fmt.Sprint(n) })
	}
	<-time.After(300 * time.Millisecond)
	cancel()
	ending.Wait()
	w.quiet()
	for n := range 10 {
		d := w.at(profiles[n])
		if n%2 == 1 {
			require.Equal(t, fmt.Sprintf("Here %d", 50+n), d.Metadata.Name)
		} else {
			require.Equal(t, fmt.Sprintf("Here %d", 50+n), d.PersonalDetails.Name.FamilyName)
		}
	}
	report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{PerSecond: 10_000})
	require.NoError(t, err)
	require.Empty(t, report.Found)
}
