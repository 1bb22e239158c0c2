package main

import (
	"context"
	"database/sql"
	"strings"

	"github.com/google/uuid"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/syncer"
)

// tables are those of customers: replace them by yours, and mappings with them.
func tables(dialect sqldb.Dialect) sqldb.Migrations {
	key := " TEXT PRIMARY KEY"
	if dialect == sqldb.PostgreSQL {
		key = " UUID PRIMARY KEY"
	}
	return sqldb.Migrations{Place: sqldb.Place{Dialect: dialect, Prefix: "crm_"}, All: []sqldb.Migration{
		{Number: 1, Name: "people and companies", SQL: []string{
			`CREATE TABLE {table:people} (id` + key + `, given_names TEXT, family_name TEXT, date_of_birth DATE,
				nationality TEXT, email TEXT, phone TEXT, segment TEXT)`,
			`CREATE TABLE {table:companies} (id` + key + `, name TEXT, registration_number TEXT, incorporated_on DATE,
				country TEXT, employees NUMERIC)`,
		}},
	}}
}

// mappings say which column is what at Passfort. In a database that this program had
// before it stood on syncer, people stay where they are.
func mappings(dialect sqldb.Dialect, takenOver bool, c *config) []syncer.Mapping {
	people, born := syncer.SQLTable{Dialect: dialect, Name: "crm_people", Key: "id"}, syncer.Date
	addPerson := add(c, dialect, `INSERT INTO crm_people (id) VALUES (?)`)
	if takenOver { // its columns are not NULL, and that of dates takes a year alone
		people.Name, people.NotNull, born = "customers", []string{"given_names", "family_name", "date_of_birth",
			"nationality", "email", "phone", "segment"}, syncer.Text
		addPerson = add(c, dialect, `INSERT INTO customers (id, profile_id, base) VALUES (?, ?, '{}')`)
	}
	return []syncer.Mapping{{
		Entity: passfort.EntityTypeIndividual, Create: c.create, Add: addPerson, Table: people, Fields: []syncer.Field{
			syncer.Words("given_names", func(d *passfort.EntityData) *[]string { return &name(d).GivenNames }),
			syncer.Text("family_name", func(d *passfort.EntityData) *string { return &name(d).FamilyName }),
			born("date_of_birth", func(d *passfort.EntityData) *string { return &personal(d).DOB }),
			syncer.Text("nationality", func(d *passfort.EntityData) *string { return &personal(d).Nationality }),
			syncer.Text("email", func(d *passfort.EntityData) *string { return &contact(d).Email }),
			syncer.Text("phone", func(d *passfort.EntityData) *string { return &contact(d).PhoneNumber }),
			syncer.Custom("segment", syncer.KindText, "segment"), // a custom field of the account
		},
	}, {
		Entity: passfort.EntityTypeCompany, Create: c.create,
		Add:   add(c, dialect, `INSERT INTO crm_companies (id) VALUES (?)`),
		Table: syncer.SQLTable{Dialect: dialect, Name: "crm_companies", Key: "id"}, Fields: []syncer.Field{
			syncer.Text("name", func(d *passfort.EntityData) *string { return &company(d).Name }),
			syncer.Text("registration_number", func(d *passfort.EntityData) *string { return &company(d).Number }),
			syncer.Date("incorporated_on", func(d *passfort.EntityData) *string {
				return &company(d).IncorporationDate
			}),
			syncer.Text("country", func(d *passfort.EntityData) *string { return &company(d).CountryOfIncorporation }),
			syncer.Number("employees", func(d *passfort.EntityData) **float64 { return &company(d).NumberOfEmployees }),
		},
	}}
}

// add returns what adds a customer for a profile that has none, if that is wanted.
func add(c *config, dialect sqldb.Dialect, insert string) func(context.Context, *sql.Tx, string) (string, error) {
	if !c.add {
		return nil
	}
	return func(ctx context.Context, tx *sql.Tx, profileID string) (string, error) {
		key := uuid.NewString()
		args := []any{key, profileID}[:strings.Count(insert, "?")]
		_, err := sqldb.Place{Dialect: dialect}.Exec(ctx, tx, insert, args...)
		return key, err
	}
}

func personal(d *passfort.EntityData) *passfort.PersonalDetails {
	return passfort.Ensure(&d.PersonalDetails)
}
func name(d *passfort.EntityData) *passfort.FullName { return passfort.Ensure(&personal(d).Name) }
func contact(d *passfort.EntityData) *passfort.ContactDetails {
	return passfort.Ensure(&d.ContactDetails)
}
func company(d *passfort.EntityData) *passfort.CompanyMetadata { return passfort.Ensure(&d.Metadata) }
