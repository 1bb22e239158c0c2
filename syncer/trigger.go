package syncer

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

// Trigger returns the SQL of triggers that say what Edited says, for software that cannot
// call it: after each INSERT, and each UPDATE of a field, of the SQLTable of an entity.
// Execute the statements in order, once and after each change of the mapping: they
// replace what they made before. It is ErrMapping if the table is no SQLTable.
func (s *Syncer) Trigger(entity passfort.EntityType) ([]string, error) {
	m := s.mapping(entity)
	if m == nil {
		return nil, fmt.Errorf("%w: there is none for this entity", ErrMapping)
	}
	table, ok := m.Table.(SQLTable)
	if !ok {
		return nil, fmt.Errorf("%w: a trigger needs an SQLTable", ErrMapping)
	}
	if !columnName.MatchString(table.Name) || !columnName.MatchString(table.Key) {
		return nil, fmt.Errorf("%w: the names of a table and of its key are plain identifiers", ErrMapping)
	}
	name := "edited_individual"
	if entity == passfort.EntityTypeCompany {
		name = "edited_company"
	}
	function := s.place.Table(name)
	name = s.place.Prefix + name
	mark := s.place.SQL(fmt.Sprintf(
		`INSERT INTO {table:work} (entity, customer_key, ready_at) VALUES ('%s', CAST(NEW.%s AS TEXT), {now})
		ON CONFLICT (entity, customer_key) DO UPDATE SET changes = {table:work}.changes + 1;`, entity, table.Key))
	if s.place.Dialect == sqldb.PostgreSQL {
		return []string{
			`CREATE OR REPLACE FUNCTION ` + function + `() RETURNS trigger LANGUAGE plpgsql AS $trigger$ BEGIN ` +
				mark + ` RETURN NULL; END $trigger$`,
			`DROP TRIGGER IF EXISTS ` + name + ` ON ` + table.Name,
			`CREATE TRIGGER ` + name + ` AFTER INSERT OR UPDATE OF ` + names(m.Fields) + ` ON ` + table.Name +
				` FOR EACH ROW EXECUTE FUNCTION ` + function + `()`,
		}, nil
	}
	return []string{
		`DROP TRIGGER IF EXISTS ` + name + `_insert`,
		`DROP TRIGGER IF EXISTS ` + name + `_update`,
		`CREATE TRIGGER ` + name + `_insert AFTER INSERT ON ` + table.Name + ` BEGIN ` + mark + ` END`,
		`CREATE TRIGGER ` + name + `_update AFTER UPDATE OF ` + names(m.Fields) + ` ON ` + table.Name + ` BEGIN ` +
			mark + ` END`,
	}, nil
}

// InstallTriggers executes what Trigger returns for each mapping, in one transaction, at
// each start of a service or once: processes may call it at once. It waits for
// transactions that use the tables. It returns what Check says before.
func (s *Syncer) InstallTriggers(ctx context.Context) error {
	if err := s.Check(ctx); err != nil {
		return err
	}
	return s.migrations().Alone(ctx, s.db, func(tx *sql.Tx) error {
		for _, m := range s.mappings {
			statements, err := s.Trigger(m.Entity)
			if err != nil {
				return err
			}
			for _, statement := range statements {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
