package syncer_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// A service with a customer table of its own: a customer gets a profile, and what is
// changed at Passfort reaches the table.
func Example() {
	dir, err := os.MkdirTemp("", "syncer-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "crm.db")+
		"?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sim := passforttest.NewServer(passforttest.WithWebhookPace(10 * time.Millisecond))
	defer sim.Close()

	person := syncer.Mapping{
		Entity: passfort.EntityTypeIndividual,
		Table:  syncer.SQLTable{Dialect: inbox.SQLite, Name: "people", Key: "id"},
		Fields: []syncer.Field{
			syncer.Text("surname", func(d *passfort.EntityData) *string {
				return &passfort.Ensure(&passfort.Ensure(&d.PersonalDetails).Name).FamilyName
			}),
			syncer.Text("nationality", func(d *passfort.EntityData) *string {
				return &passfort.Ensure(&d.PersonalDetails).Nationality
			}),
			syncer.Custom("segment", syncer.KindText, "segment"),
		},
		Create: true,
	}
	box, err := inbox.New(db, inbox.SQLite)
	if err != nil {
		panic(err)
	}
	sync, err := syncer.New(db, inbox.SQLite, sim.Client(), []syncer.Mapping{person},
		syncer.WithPoll(10*time.Millisecond))
	if err != nil {
		panic(err)
	}
	if _, err := box.Migrate(ctx); err != nil {
		panic(err)
	}
	if _, err := sync.Migrate(ctx); err != nil {
		panic(err)
	}
	hooks, err := box.WebhookHandler([]string{"example-secret"})
	if err != nil {
		panic(err)
	}
	endpoint := httptest.NewServer(hooks)
	defer endpoint.Close()
	sim.SetWebhook(endpoint.URL, "example-secret", true)

	// The team's own software adds a customer, and says so in the same transaction.
	if _, err := db.ExecContext(ctx,
		`CREATE TABLE people (id TEXT PRIMARY KEY, surname TEXT, nationality TEXT, segment TEXT)`); err != nil {
		panic(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		panic(err)
	}
	if _, err := tx.ExecContext(ctx,
		`INSERT INTO people (id, surname, nationality) VALUES ('C-1', 'Sample', 'GBR')`); err != nil {
		panic(err)
	}
	if err := sync.Edited(ctx, tx, passfort.EntityTypeIndividual, "C-1"); err != nil {
		panic(err)
	}
	if err := tx.Commit(); err != nil {
		panic(err)
	}

	stopped := make(chan error, 2)
	go func() { stopped <- box.Run(ctx, sync.Handle) }()
	go func() { stopped <- sync.Run(ctx) }()
	var profileID string
	for until := ""; until != "IRN"; { // a person in the portal changes the nationality
		for profile, err := range sim.Client().Profiles.All(ctx, nil) {
			if err != nil {
				panic(err)
			}
			if profileID == "" {
				profileID = profile.ID
				_, err = sim.EditCollectedData(profileID, func(data map[string]any) {
					data["personal_details"].(map[string]any)["nationality"] = "IRN"
				})
				if err != nil {
					panic(err)
				}
			}
		}
		if err := db.QueryRowContext(ctx, `SELECT nationality FROM people`).Scan(&until); err != nil {
			panic(err)
		}
	}
	cancel()
	fmt.Println(<-stopped, <-stopped)

	report, err := sync.Reconcile(context.Background(), syncer.Sweep{Name: "nightly", Repair: true})
	fmt.Println(report.Complete, report.Read, len(report.Found), err)
	// Output:
	// <nil> <nil>
	// true 1 0 <nil>
}
