package syncer_test

import (
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
			broken = `CAST(person || '{' AS INTEGER)`
		}
		w.exec(`CREATE VIEW broken AS SELECT person, '1990-02-03' AS born, ` + broken + ` AS label FROM crm_people`)
		w.exec(`INSERT INTO crm_people (person) VALUES (?)`, key(1))
		table := syncer.SQLTable{Dialect: w.dialect, Name: "broken", Key: "person"}
		label := syncer.Text("label", func(d *passfort.EntityData) *string { return &d.CustomerRef })
		born := syncer.Custom("born", syncer.KindDate, "born")
		require.NoError(t, table.Check(t.Context(), w.db, []syncer.Field{label}))
		require.NoError(t, table.Check(t.Context(), w.db, []syncer.Field{label, born}))
		require.Error(t, table.Check(t.Context(), w.db, []syncer.Field{born, syncer.Custom("label", syncer.KindNumber, "label")}))
	})
}
