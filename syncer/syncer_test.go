package syncer_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
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
