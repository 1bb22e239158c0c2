package syncer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// The tables as examples/sync made them.
func exampleTables(w *world) {
	serial := "INTEGER PRIMARY KEY AUTOINCREMENT"
	if w.dialect.String() == "PostgreSQL" {
		serial = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	}
	for _, statement := range []string{
		`CREATE TABLE customers (id TEXT PRIMARY KEY, profile_id TEXT NOT NULL UNIQUE,
			family_name TEXT NOT NULL DEFAULT '', email TEXT NOT NULL DEFAULT '',
			base TEXT NOT NULL, base_version BIGINT NOT NULL DEFAULT 0, synced_at BIGINT NOT NULL DEFAULT 0,
			gone_at BIGINT)`,
		`CREATE TABLE outbox (id ` + serial +
			`, customer_id TEXT NOT NULL REFERENCES customers (id), created_at BIGINT NOT NULL, done_at BIGINT)`,
		`CREATE TABLE inbox (message_id TEXT PRIMARY KEY, profile_id TEXT NOT NULL, by_user INTEGER NOT NULL,
			api_key TEXT NOT NULL, changes TEXT,
			fingerprint TEXT NOT NULL, received_at BIGINT NOT NULL, applied_at BIGINT,
			outcome TEXT NOT NULL DEFAULT '')`,
		`CREATE TABLE intents (id ` + serial + `, customer_id TEXT NOT NULL REFERENCES customers (id),
			process TEXT NOT NULL, fingerprint TEXT NOT NULL,
			sent TEXT NOT NULL, written_at BIGINT NOT NULL)`,
		`CREATE TABLE writes (customer_id TEXT NOT NULL REFERENCES customers (id), fingerprint TEXT NOT NULL,
			written_at BIGINT NOT NULL,
			PRIMARY KEY (customer_id, fingerprint))`,
		`CREATE TABLE conflicts (id ` + serial + `, customer_id TEXT NOT NULL REFERENCES customers (id),
			field TEXT NOT NULL, base TEXT NOT NULL,
			ours TEXT NOT NULL, theirs TEXT NOT NULL, at BIGINT NOT NULL)`,
	} {
		w.exec(statement)
	}
}

// Nothing of the example's database is lost: an edit that was not sent, a message that
// was not applied, an intent in doubt and the conflicts.
func TestExampleIsImported(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		none, err := syncer.HasExample(t.Context(), w.db)
		require.NoError(t, err)
		require.False(t, none)
		exampleTables(w)
		profile := func(family string) string {
			data := passfort.NewIndividual()
			name(data).FamilyName = family
			p, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
				Role: passfort.RoleIndividualCustomer, CollectedData: data,
			})
			require.NoError(t, err)
			return p.ID
		}
		edited, behind, doubtful := profile("Base"), profile("Newer"), profile("Written")
		w.exec(
			`INSERT INTO customers (id, profile_id, family_name, base, base_version) VALUES ('C-1', ?, 'Edited', `+
				`'{"family_name":"Base"}', 3)`, edited,
		)
		w.exec(
			`INSERT INTO customers (id, profile_id, family_name, base, base_version) VALUES ('C-2', ?, 'Base', `+
				`'{"family_name":"Base"}', 2)`, behind,
		)
		w.exec(
			`INSERT INTO customers (id, profile_id, family_name, base, base_version) VALUES ('C-3', ?, 'Later', `+
				`'{"family_name":"Base"}', 2)`, doubtful,
		)
		w.exec(`INSERT INTO outbox (customer_id, created_at) VALUES ('C-1', 1), ('C-3', 1)`)
		w.exec(`INSERT INTO intents (customer_id, process, fingerprint, sent, written_at) VALUES ('C-3', 'x', 'y', ` +
			`'{"family_name":"Written"}', 1)`)
		w.exec(`INSERT INTO conflicts (customer_id, field, base, ours, theirs, at) VALUES ('C-2', 'family_name', 'a',` +
			` 'b', 'c', 1)`)
		w.exec(
			`INSERT INTO inbox (message_id, profile_id, by_user, api_key, fingerprint, received_at, applied_at) `+
				`VALUES ('m1', ?, 0, '', '', 1, 2), ('link:x', ?, 0, '', '', 1, 2)`, edited, edited,
		)
		w.exec(
			`INSERT INTO inbox (message_id, profile_id, by_user, api_key, fingerprint, received_at) VALUES ('m2', ?, `+
				`0, '', '', 1)`, behind,
		)

		mapping := syncer.Mapping{
			Entity: passfort.EntityTypeIndividual,
			Table: syncer.SQLTable{
				Dialect: w.dialect, Name: "customers", Key: "id", NotNull: []string{"family_name", "email"},
			},
			Fields: []syncer.Field{
				syncer.Text("family_name", func(d *passfort.EntityData) *string { return &name(d).FamilyName }),
				syncer.Text("email", func(d *passfort.EntityData) *string {
					return &passfort.Ensure(&d.ContactDetails).Email
				}),
			},
		}
		_, w.sync = services(t, w.db, w.dialect, w.sim.Client(), mapping)
		there, err := syncer.HasExample(t.Context(), w.db)
		require.NoError(t, err)
		require.True(t, there)
		for range 2 { // it may be repeated
			n, err := w.sync.ImportExample(t.Context(), w.box)
			require.NoError(t, err)
			require.Equal(t, &syncer.Imported{Customers: 3, Messages: 2, Intents: 1, Conflicts: 1, Edits: 2}, n)
		}
		for _, key := range []string{"m1", "m2"} {
			seen, err := w.box.Seen(t.Context(), key)
			require.NoError(t, err)
			require.True(t, seen)
		}
		w.start()
		w.quiet()
		require.Equal(t, "Edited", w.at(edited).PersonalDetails.Name.FamilyName)
		require.Equal(t, "Newer", w.one(`SELECT family_name FROM customers WHERE id = 'C-2'`))
		require.Equal(t, "Later", w.at(doubtful).PersonalDetails.Name.FamilyName,
			"its own write of before is no conflict")
		open, err := w.sync.Conflicts(t.Context(), false, 0)
		require.NoError(t, err)
		require.Len(t, open, 1)
		require.Equal(t, "b", open[0].Ours)

		// A later start takes over nothing again: an intent that is settled would pass for a
		// write of ours.
		require.NoError(t, w.sync.Resolve(t.Context(), open[0].ID, "a reviewer", syncer.KeptTheirs))
		w.sim.ForgetRequests()
		_, err = w.sync.ImportExample(t.Context(), w.box)
		require.NoError(t, err)
		w.quiet()
		require.Zero(t, w.sim.Count(""))
		require.Equal(t, "0", w.one(`SELECT COUNT(*) FROM passfort_sync_intents`))
		require.Equal(t, "1", w.one(`SELECT COUNT(*) FROM passfort_sync_conflicts`))
	}, passforttest.WithSeed(1))
}
