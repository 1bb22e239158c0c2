package syncer_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/syncer"
)

// Any text fits, so a check reads none: reading this column fails.
func TestCheckReadsWhatMayNotFit(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		broken := `json(person || '{')`
		if w.dialect == sqldb.PostgreSQL {
			broken = `CAST(person || '{' AS NUMERIC)`
		}
		w.exec(`CREATE VIEW broken AS SELECT person, '1990-02-03' AS born, ` + broken + ` AS label FROM crm_people`)
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(1))
		table := syncer.SQLTable{Dialect: w.dialect, Name: "broken", Key: "person"}
		label := syncer.Text("label", func(d *passfort.EntityData) *string { return &d.CustomerRef })
		born := syncer.Custom("born", syncer.KindDate, "born")
		require.NoError(t, table.Check(t.Context(), w.db, []syncer.Field{label}))
		require.NoError(t, table.Check(t.Context(), w.db, []syncer.Field{label, born}))
		require.Error(t, table.Check(t.Context(), w.db, []syncer.Field{born,
			syncer.Custom("label", syncer.KindNumber, "label")}))
	})
}

// A check of a big table is bounded, and reads no value of a column that only holds what
// fits.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		rows := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) SELECT i AS id`
		broken := `abs(-9223372036854775807 - i)` // too big from the second row on
		if w.dialect == sqldb.PostgreSQL {
			rows, broken = `SELECT i AS id`, `1 / (1 - i) = 1`
		}
		from := map[bool]string{true: ` FROM generate_series(1, 100001) AS i`, false: `
			FROM n`}[w.dialect == sqldb.PostgreSQL]
		field := func(kind syncer.Kind) []syncer.Field { return []syncer.Field{syncer.Custom("v", kind, "v")} }
		for n, test := range []struct {
			name, value string
			kind        syncer.Kind
			fits        bool
		}{
			{"the last of 100,001", `CASE WHEN i = 100001 THEN 'Zqcanary' ELSE '1990-02-03' END`, syncer.KindDate,
				true},
			{"the last but one", `CASE WHEN i = 100000 THEN 'Zqcanary' ELSE '1990-02-03' END`, syncer.KindDate, false},
			{"booleans that cannot be read", broken, syncer.KindBool, w.dialect == sqldb.PostgreSQL},
		} {
			view := fmt.Sprintf("big%d", n)
			w.exec(`CREATE VIEW ` + view + ` AS ` + rows + `, ` + test.value + ` AS v` + from)
			err := syncer.SQLTable{Dialect: w.dialect, Name: view, Key: "id"}.Check(t.Context(), w.db, field(test.kind))
			require.Equal(t, test.fits, err == nil, "%s: %v", test.name, err)
		}
	})
}

func TestValuesThatDoNotFit(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		w.exec(`CREATE TABLE odd (id TEXT PRIMARY KEY, odd_value TEXT)`)
		table := syncer.SQLTable{Dialect: w.dialect, Name: "odd", Key: "id"}
		for _, test := range []struct {
			name  string
			kind  syncer.Kind
			value string
			fits  bool
		}{
			{"a date", syncer.KindDate, "1990-02-03", true},
			{"a date with a time", syncer.KindDate, "1990-02-03 00:00:00", true},
			{"a date with a time as in JSON", syncer.KindDate, "1990-02-03T00:00:00Z", true},
			{"a date with more digits", syncer.KindDate, "1990-02-031", false},
			{"a day that is none", syncer.KindDate, "1990-02-30", false},
			{"a number", syncer.KindNumber, "-12.50", true},
			{"no number", syncer.KindNumber, "NaN", false},
			{"infinity", syncer.KindNumber, "-Infinity", false},
			{"a word for a bool", syncer.KindBool, "perhaps", false},
			{"a list", syncer.KindList, `["a"]`, true},
			{"a text for a list", syncer.KindList, "Zqcanary", false},
			{"an object for an address", syncer.KindAddress, `{"country":"GBR"}`, true},
			{"a list for an address", syncer.KindAddress, "[]", false},
		} {
			t.Run(test.name, func(t *testing.T) {
				w.exec(`DELETE FROM odd`)
				w.exec(`INSERT INTO odd VALUES ('a', ?)`, test.value)
				err := table.Check(t.Context(), w.db, []syncer.Field{syncer.Custom("odd_value", test.kind, "odd")})
				if test.fits {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, syncer.ErrValue)
				require.NotContains(t, err.Error(), test.value)
			})
		}
	})
}
