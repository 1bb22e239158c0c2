package syncer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

func TestBothSidesOfEveryKind(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, person := w.add(0)
		firmEntity, firm := w.add(1)
		w.start()
		w.quiet()
		require.Equal(t, "Person 0", w.one(`SELECT surname FROM crm_people`))
		require.Empty(t, w.one(`SELECT born FROM crm_people`), "NULL is absent")
		require.Equal(t, "Firm 1", w.one(`SELECT title FROM crm_firms`))

		for column, value := range map[string]string{
			"first_names": "Robin Sam", "born": "1990-02-03", "mail": "robin@sampleton.example", "vip": "true",
			"score": "12.5",
			"home":  `{"country":"GBR","type":"STRUCTURED","route":"High Street"}`,
		} {
			w.edit(passfort.EntityTypeIndividual, 0, column, value)
		}
		w.edit(firmEntity, 1, "founded", "2001-01-01")
		w.edit(firmEntity, 1, "staff", "7")
		w.quiet()
		d := w.at(person)
		require.Equal(t, []string{"Robin", "Sam"}, d.PersonalDetails.Name.GivenNames)
		require.Equal(t, "Person 0", d.PersonalDetails.Name.FamilyName)
		require.Equal(t, "1990-02-03", d.PersonalDetails.DOB)
		require.Equal(t, "robin@sampleton.example", d.ContactDetails.Email)
		require.Equal(t, "High Street", d.AddressHistory[0].Address.Route)
		require.Equal(t, map[string]any{"vip": true, "score": 12.5}, d.CustomFieldsData)
		require.Equal(t, "2001-01-01", w.at(firm).Metadata.IncorporationDate)
		require.InDelta(t, 7, *w.at(firm).Metadata.NumberOfEmployees, 0)

		w.portal(person, func(d *passfort.EntityData) {
			d.PersonalDetails.DOB, d.ContactDetails = "", nil
			d.PersonalDetails.Nationality = "IRN"
			d.CustomFieldsData = map[string]any{"vip": false}
			d.AddressHistory[0].Address.Route = "Low Street"
		})
		w.portal(firm, func(d *passfort.EntityData) { d.Metadata.NumberOfEmployees = passfort.Ensure(new(*float64)) })
		w.quiet()
		require.Empty(t, w.one(`SELECT born FROM crm_people`))
		require.Empty(t, w.one(`SELECT mail FROM crm_people`))
		require.Equal(t, "IRN", w.one(`SELECT citizen_of FROM crm_people`))
		require.Empty(t, w.one(`SELECT score FROM crm_people`))
		require.Contains(t, w.one(`SELECT home FROM crm_people`), "Low Street")
		require.Equal(t, "0", w.one(`SELECT CAST(staff AS INTEGER) FROM crm_firms`))
		require.Equal(t, "ours alone", w.one(`SELECT notes FROM crm_people`))
	})
}

// A message that never arrives is found by one sweep, and nothing else is changed.
func TestMissedMessageIsFound(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		const customers = 40
		profiles := map[int]string{}
		for n := range customers {
			_, profiles[n] = w.add(n)
		}
		w.start()
		w.quiet()
		w.sim.SetWebhook("", "", true) // switched off, as in the portal
		missed := []int{4, 22}
		for _, n := range missed {
			w.portal(profiles[n], func(d *passfort.EntityData) { d.PersonalDetails.Nationality = "IRN" })
		}
		w.exec(`UPDATE crm_people SET mail = 'unsaid@sampleton.example' WHERE person = ?`, key(8))
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(500))
		stranger, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		})
		require.NoError(t, err)
		require.NoError(t, w.sim.Client().Profiles.Delete(t.Context(), profiles[10], "a test"))
		w.sim.ForgetRequests()

		want := map[syncer.FindingKind]int{
			syncer.FindingChanged: 2, syncer.FindingEdited: 1, syncer.FindingNoProfile: 1, syncer.FindingNoCustomer: 1,
			syncer.FindingGone: 1,
		}
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{PerSecond: 10_000})
		require.NoError(t, err)
		require.Equal(t, want, report.Found)
		require.True(t, report.Complete)
		require.Equal(t, "GBR", w.one(`SELECT citizen_of FROM crm_people WHERE person = ?`, key(4)), "only reported")
		require.Zero(t, w.sim.Count("CollectedData.Replace"))

		var keys []string
		report, err = w.sync.Reconcile(t.Context(), syncer.Sweep{Repair: true, PerSecond: 10_000,
			Found: func(f syncer.Finding) {
				if f.Kind == syncer.FindingChanged {
					keys = append(keys, f.Key)
					require.Equal(t, []string{"citizen_of"}, f.Fields)
				}
				if f.Kind == syncer.FindingNoCustomer {
					require.Equal(t, stranger.ID, f.ProfileID)
				}
			}})
		require.NoError(t, err)
		require.Equal(t, want, report.Found)
		require.Equal(t, 4, report.Repaired)
		w.quiet()
		require.ElementsMatch(t, []string{key(4), key(22)}, keys)
		require.Equal(t, "2", w.one(`SELECT COUNT(*) FROM crm_people WHERE citizen_of = 'IRN'`))
		require.Equal(t, "unsaid@sampleton.example", w.at(profiles[8]).ContactDetails.Email)
		require.Equal(t, 1, w.sim.Count("CollectedData.Replace"), "nothing else is written")

		report, err = w.sync.Reconcile(t.Context(), syncer.Sweep{PerSecond: 10_000})
		require.NoError(t, err)
		require.Equal(t, map[syncer.FindingKind]int{syncer.FindingNoProfile: 1, syncer.FindingNoCustomer: 1,
			syncer.FindingGone: 1}, report.Found)
	})
}

func TestSweepIsResumed(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		for n := range 10 {
			w.add(n)
		}
		stop := w.start()
		w.quiet()
		stop()
		w.sim.ForgetRequests()
		reads := 0
		for complete := false; !complete; {
			report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Name: "nightly", Budget: 4, PerSecond: 10_000})
			require.NoError(t, err)
			require.LessOrEqual(t, report.Read, 4)
			require.Empty(t, report.Found)
			reads += report.Read
			complete = report.Complete
		}
		require.Equal(t, 10, reads)
		require.Equal(t, 10, w.sim.Count("CollectedData.Get"), "each is read once")
	})
}

// Profiles without a customer are read once for each sweep, however small its budget is.
func TestSweepOverStrangersIsResumed(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		for range 6 {
			_, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
				Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
			})
			require.NoError(t, err)
		}
		w.add(0)
		stop := w.start()
		w.quiet()
		stop()
		for range 2 { // the next sweep begins at the first
			w.sim.ForgetRequests()
			calls, found := 0, map[string]int{}
			for complete := false; !complete; calls++ {
				require.Less(t, calls, 5, "each call goes on")
				report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Name: "nightly", Budget: 2, PerSecond: 10_000,
					Found: func(f syncer.Finding) {
						require.Equal(t, syncer.FindingNoCustomer, f.Kind)
						found[f.ProfileID]++
					}})
				require.NoError(t, err)
				complete = report.Complete
			}
			require.Len(t, found, 6)
			for _, n := range found {
				require.Equal(t, 1, n)
			}
			require.Equal(t, 7, w.sim.Count("CollectedData.Get"), "each is read once")
		}
	})
}

func TestCustomersGetProfiles(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		mapping := people(w.dialect)
		mapping.Create = true
		w.box, w.sync = services(t, w.db, w.dialect, w.sim.Client(), mapping)
		add := func(n int) {
			w.exec(`INSERT INTO crm_people (person, surname) VALUES (?, ?)`, key(n), fmt.Sprintf("Person %d", n))
			w.tx(func(tx *sql.Tx) error {
				return w.sync.Edited(t.Context(), tx, passfort.EntityTypeIndividual, key(n))
			})
		}
		// One that exists already is adopted by its customer_ref, by a sweep or when it
		// would be created. A company with that customer_ref is another customer.
		there := func(n int, data *passfort.EntityData, role passfort.Role) string {
			data.CustomerRef = key(n)
			p, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
				Role: role, CollectedData: data,
			})
			require.NoError(t, err)
			return p.ID
		}
		person := func(family string) *passfort.EntityData {
			data := passfort.NewIndividual()
			name(data).FamilyName = family
			return data
		}
		existing := there(1, person("Person there"), passfort.RoleIndividualCustomer)
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(1))
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{Repair: true})
		require.NoError(t, err)
		require.Equal(t, 1, report.Found[syncer.FindingNoCustomer])
		require.Equal(t, 1, report.Repaired)
		firm := there(6, passfort.NewCompany(), passfort.RoleCompanyCustomer)
		unswept := there(6, person("Person 6"), passfort.RoleIndividualCustomer)
		add(6)

		// The answer to a creation is lost.
		w.sim.Inject(passforttest.Fault{Operation: "Profiles.Create", DropAfterWrite: true, Times: 2})
		for n := 2; n < 6; n++ {
			add(n)
		}
		w.start()
		w.quiet()
		require.Equal(t, "Person there", w.one(`SELECT surname FROM crm_people WHERE person = ?`, key(1)))
		require.Equal(t, existing, w.one(`SELECT profile_id FROM passfort_sync_customers WHERE customer_key = ?`,
			key(1)))
		require.Equal(t, unswept, w.one(`SELECT profile_id FROM passfort_sync_customers WHERE customer_key = ?`,
			key(6)))
		refs := map[string]int{}
		for p, err := range w.sim.Client().Profiles.All(t.Context(), nil) {
			require.NoError(t, err)
			if p.ID != firm {
				refs[w.at(p.ID).CustomerRef]++
			}
		}
		require.Len(t, refs, 6)
		for ref, n := range refs {
			require.Equal(t, 1, n, "one profile for %s", ref)
		}
	})
}

func TestBadInputIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(1))
		w.exec(`CREATE TABLE keyless (name TEXT, born TEXT)`)
		w.exec(`INSERT INTO keyless VALUES ('a', '2001-01-01'), ('b', '31.12.1999'), ('a', NULL)`)
		text := func(column string) syncer.Field {
			return syncer.Text(column, func(d *passfort.EntityData) *string { return &d.CustomerRef })
		}
		date := syncer.Date("born", func(d *passfort.EntityData) *string { return &d.CustomerRef })
		for _, test := range []struct {
			name   string
			table  syncer.SQLTable
			fields []syncer.Field
			is     error
			want   string
		}{
			{"an unknown column", syncer.SQLTable{Name: "crm_people", Key: "person"}, []syncer.Field{text("nickname")},
				syncer.ErrMapping, `"nickname"`},
			{"two fields on one column", syncer.SQLTable{Name: "crm_people", Key: "person"},
				[]syncer.Field{text("mail"), text("mail")}, syncer.ErrMapping, `"mail"`},
			{"a table without the key", syncer.SQLTable{Name: "keyless", Key: "id"}, []syncer.Field{text("name")},
				syncer.ErrMapping, `"id"`},
			{"a key that is not unique", syncer.SQLTable{Name: "keyless", Key: "name"}, []syncer.Field{date},
				syncer.ErrMapping, `"name"`},
			{"no such table", syncer.SQLTable{Name: "nowhere", Key: "id"}, []syncer.Field{text("name")},
				syncer.ErrMapping, `"nowhere"`},
			{"a name that is SQL", syncer.SQLTable{Name: "crm_people; DROP TABLE keyless", Key: "id"},
				[]syncer.Field{text("name")}, syncer.ErrMapping, "plain"},
			{"the key as a field", syncer.SQLTable{Name: "crm_people", Key: "person"}, []syncer.Field{text("person")},
				syncer.ErrMapping, `"person"`},
			{"a date that is none", syncer.SQLTable{Name: "keyless", Key: "born"},
				[]syncer.Field{syncer.Date("name", func(d *passfort.EntityData) *string {
					return &d.CustomerRef
				})}, nil, ""},
			{"no fields", syncer.SQLTable{Name: "crm_people", Key: "person"}, nil, syncer.ErrMapping, "fields"},
			{"a field made by hand", syncer.SQLTable{Name: "crm_people", Key: "person"}, []syncer.Field{{Name: "mail"}},
				syncer.ErrMapping, `"mail"`},
		} {
			t.Run(test.name, func(t *testing.T) {
				test.table.Dialect = w.dialect
				s, err := syncer.New(w.db, w.dialect, w.sim.Client(), []syncer.Mapping{
					{Entity: passfort.EntityTypeIndividual, Table: test.table, Fields: test.fields},
				})
				if err == nil {
					err = s.Run(t.Context())
				}
				require.Error(t, err)
				if test.is != nil {
					require.ErrorIs(t, err, test.is)
				}
				require.ErrorContains(t, err, test.want)
			})
		}
		w.exec(`DELETE FROM keyless WHERE name = 'a'`)
		s, err := syncer.New(w.db, w.dialect, w.sim.Client(), []syncer.Mapping{{
			Entity: passfort.EntityTypeIndividual, Table: syncer.SQLTable{Dialect: w.dialect, Name: "keyless",
				Key: "name"}, Fields: []syncer.Field{date},
		}})
		require.NoError(t, err)
		err = s.Run(t.Context())
		require.ErrorIs(t, err, syncer.ErrValue)
		require.ErrorContains(t, err, `field "born" has a value that is no date of the table "keyless"`)
		require.NotContains(t, err.Error(), "31.12", "the value itself is personal data")
		require.Equal(t, "0", w.one(`SELECT COUNT(*) FROM passfort_sync_customers`), "nothing is written")
		require.Zero(t, w.sim.Count(""))
	})
}

func TestConflictsAreAWorklist(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, profile := w.add(0)
		stop := w.start()
		w.quiet()
		stop()
		for _, side := range []string{"first", "second"} {
			w.edit(passfort.EntityTypeIndividual, 0, "surname", "Ours "+side)
			w.portal(profile, func(d *passfort.EntityData) { d.PersonalDetails.Name.FamilyName = "Theirs " + side })
			stop := w.start()
			w.quiet()
			stop()
		}
		require.Equal(t, "Theirs second", w.one(`SELECT surname FROM crm_people`))
		open, err := w.sync.Conflicts(t.Context(), false, 0)
		require.NoError(t, err)
		require.Len(t, open, 2)
		c := open[1]
		require.Equal(t, []string{"surname", "Theirs first", "Ours second", "Theirs second", profile, key(0)},
			[]string{c.Field, c.Base, c.Ours, c.Theirs, c.ProfileID, c.Key})

		require.Error(t, w.sync.Resolve(t.Context(), c.ID, "", syncer.KeptOurs))
		require.NoError(t, w.sync.Resolve(t.Context(), open[0].ID, "a reviewer", syncer.KeptTheirs))
		require.NoError(t, w.sync.Resolve(t.Context(), c.ID, "a reviewer", syncer.KeptOurs))
		require.ErrorIs(t, w.sync.Resolve(t.Context(), c.ID, "another", syncer.KeptTheirs), syncer.ErrResolved)
		require.ErrorIs(t, w.sync.Resolve(t.Context(), 999, "another", syncer.KeptTheirs), syncer.ErrResolved)
		w.start()
		w.quiet()
		require.Equal(t, "Ours second", w.at(profile).PersonalDetails.Name.FamilyName)
		open, err = w.sync.Conflicts(t.Context(), false, 0)
		require.NoError(t, err)
		require.Empty(t, open)
		all, err := w.sync.Conflicts(t.Context(), true, 0)
		require.NoError(t, err)
		require.Equal(t, "a reviewer", all[1].ResolvedBy)
		require.Equal(t, syncer.KeptOurs, all[1].Kept)
	})
}

// A field that a mapping gets later is read for the customers of before.
func TestNewFieldIsRead(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		_, profile := w.add(0)
		w.portal(profile, func(d *passfort.EntityData) { d.PersonalDetails.DOB = "1990-02-03" })
		fewer := people(w.dialect)
		fewer.Fields = fewer.Fields[:2]
		_, before := services(t, w.db, w.dialect, w.sim.Client(), fewer)
		stop := start(t, w.box, before)
		w.quiet()
		stop()
		require.Empty(t, w.one(`SELECT born FROM crm_people`))
		w.start()
		require.Eventually(t, func() bool {
			return w.one(`SELECT CAST(born AS TEXT) FROM crm_people`) == "1990-02-03"
		}, time.Minute, 10*time.Millisecond)
	})
}

// An edit, and its echo, cost two requests, in one process or in two.
func TestSecondProcessHelps(t *testing.T) {
	t.Parallel()
	customers := 40
	if full() {
		customers = 2000
	}
	worlds(t, func(t *testing.T, w *world) {
		profiles := map[int]string{}
		for n := range customers {
			_, profiles[n] = w.add(n)
		}
		other, err := connect(w.dialect, w.url)
		require.NoError(t, err)
		t.Cleanup(func() { _ = other.Close() })
		box, sync := services(t, other, w.dialect, w.sim.Client(), people(w.dialect), companies(w.dialect))
		figures := map[int]int{}
		for processes := 1; processes <= 2; processes++ {
			stop := w.start()
			stopOther := func() {}
			if processes == 2 {
				stopOther = start(t, box, sync)
			}
			w.quiet()
			w.sim.ForgetRequests()
			began := time.Now()
			for n := range customers {
				if n%2 == 0 {
					w.edit(passfort.EntityTypeIndividual, n, "surname", fmt.Sprintf("Person %d.%d", n, processes))
				} else {
					w.edit(passfort.EntityTypeCompany, n, "title", fmt.Sprintf("Firm %d.%d", n, processes))
				}
			}
			w.quiet()
			figures[processes] = w.sim.Count("")
			t.Logf("%d edits, %d processes: %d requests, %s", customers, processes, figures[processes],
				time.Since(began).Round(time.Millisecond))
			require.LessOrEqual(t, figures[processes], 2*customers)
			stop()
			stopOther()
		}
		require.LessOrEqual(t, float64(figures[2]), 1.02*float64(figures[1]))
	})
}

// Random edits on both sides, messages shuffled, doubled and lost for a while, Passfort
// failing, processes killed: both sides end equal, and what lost is in the worklist.
func TestConvergesThroughKills(t *testing.T) {
	t.Parallel()
	edits, customers := 120, 20
	if full() {
		edits, customers = 1000, 50
	}
	worlds(t, func(t *testing.T, w *world) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		entities, profiles := map[int]passfort.EntityType{}, map[int]string{}
		for n := range customers {
			entities[n], profiles[n] = w.add(n)
		}
		processes := []*exec.Cmd{w.process(), w.process()}
		w.quiet()
		w.sim.Inject(passforttest.Fault{Status: 503, Probability: 0.03, Times: -1})
		w.sim.Inject(passforttest.Fault{DropAfterWrite: true, Probability: 0.02, Times: -1})

		var mu sync.Mutex
		last := map[string][]string{} // by customer and column: values that no edit replaced knowingly
		note := func(place, from, to string) {
			mu.Lock()
			defer mu.Unlock()
			var kept []string
			for _, v := range last[place] {
				if v != from {
					kept = append(kept, v)
				}
			}
			last[place] = append(kept, to)
		}
		var both sync.WaitGroup
		both.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for i := range edits {
				n := random.IntN(customers)
				table, keyColumn, column := "crm_people", "person", "surname"
				if entities[n] == passfort.EntityTypeCompany {
					table, keyColumn, column = "crm_firms", "firm", "title"
				}
				value := fmt.Sprintf("here %d", i)
				place := sqldb.Place{Dialect: w.dialect}
				var before sql.NullString
				err := errors.New("not tried")
				for err != nil { // as a team's software does after a deadlock
					err = place.Tx(t.Context(), w.db, func(tx *sql.Tx) error {
						if _, err := place.Exec(t.Context(), tx, `UPDATE `+table+` SET notes = notes WHERE `+keyColumn+
							` = ?`, key(n)); err != nil {
							return err
						}
						if err := place.Row(t.Context(), tx, []any{&before},
							`SELECT `+column+` FROM `+table+` WHERE `+keyColumn+` = ?`, key(n)); err != nil {
							return err
						}
						if _, err := place.Exec(t.Context(), tx, `UPDATE `+table+` SET `+column+` = ? WHERE `+keyColumn+
							` = ?`, value, key(n)); err != nil {
							return err
						}
						note(fmt.Sprint(n), before.String, value)
						return w.sync.Edited(t.Context(), tx, entities[n], key(n))
					})
				}
				<-time.After(time.Duration(random.IntN(20)) * time.Millisecond)
			}
		})
		both.Go(func() {
			random := rand.New(rand.NewPCG(seed, 2))
			for i := range edits {
				n := random.IntN(customers)
				value := fmt.Sprintf("there %d", i)
				w.portal(profiles[n], func(d *passfort.EntityData) {
					to := &passfort.Ensure(&d.Metadata).Name
					if entities[n] == passfort.EntityTypeIndividual {
						d.Metadata = nil
						to = &name(d).FamilyName
					}
					note(fmt.Sprint(n), *to, value)
					*to = value
				})
				<-time.After(time.Duration(random.IntN(20)) * time.Millisecond)
			}
		})
		edited := make(chan struct{})
		go func() { both.Wait(); close(edited) }()
		kills := 0
		for over := false; !over; {
			select {
			case <-edited:
				over = true
			case <-time.After(400 * time.Millisecond):
				victim := kills % 2
				require.NoError(t, processes[victim].Process.Signal(syscall.SIGKILL))
				_ = processes[victim].Wait()
				processes[victim] = w.process()
				kills++
			}
		}
		w.quiet()
		conflicts, err := w.sync.Conflicts(t.Context(), true, 0)
		require.NoError(t, err)
		lost := map[string]bool{}
		for _, c := range conflicts {
			lost[c.Ours] = true
		}
		for n := range customers {
			var here, there string
			if entities[n] == passfort.EntityTypeCompany {
				here, there = w.one(`SELECT title FROM crm_firms WHERE firm = ?`,
					key(n)), w.at(profiles[n]).Metadata.Name
			} else {
				here, there = w.one(`SELECT surname FROM crm_people WHERE person = ?`,
					key(n)), w.at(profiles[n]).PersonalDetails.Name.FamilyName
			}
			require.Equal(t, there, here, "both sides are equal")
			for _, v := range last[fmt.Sprint(n)] {
				require.True(t, v == there || lost[v], "an edit was lost without a conflict: %s", v)
			}
		}
		t.Logf("%d edits, %d kills, %d conflicts", 2*edits, kills, len(conflicts))
		report, err := w.sync.Reconcile(t.Context(), syncer.Sweep{PerSecond: 10_000})
		require.NoError(t, err)
		require.Empty(t, report.Found, "a sweep finds nothing")
	}, passforttest.WithWebhookShuffle(), passforttest.WithWebhookDuplicates(0.2))
}

func TestWhatNewRefuses(t *testing.T) {
	t.Parallel()
	db, err := connect(sqldb.SQLite, filepath.Join(t.TempDir(), "crm.db"))
	require.NoError(t, err)
	defer db.Close()
	client, err := passfort.New("test-key")
	require.NoError(t, err)
	person := people(sqldb.SQLite)
	for _, test := range []struct {
		name     string
		mappings []syncer.Mapping
		option   syncer.Option
		want     string
	}{
		{"no mapping", nil, nil, "there is none"},
		{"two of one entity", []syncer.Mapping{person, person}, nil, "one entity"},
		{"no workers", []syncer.Mapping{person}, syncer.WithWorkers(0), "workers"},
		{"a prefix that is SQL", []syncer.Mapping{person}, syncer.WithPrefix("a b"), "prefix"},
	} {
		_, err := syncer.New(db, sqldb.SQLite, client, test.mappings, test.option)
		require.ErrorContains(t, err, test.want, test.name)
	}
	s, err := syncer.New(db, sqldb.SQLite, client, []syncer.Mapping{person})
	require.NoError(t, err)
	require.ErrorIs(t, s.Run(context.Background()), syncer.ErrSchema)
}
