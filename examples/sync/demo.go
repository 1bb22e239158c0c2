package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// demo is a simulated Passfort with made-up people in it.
type demo struct {
	sim      *passforttest.Server
	profiles []string
}

const demoPeople = 12

func newDemo(ctx context.Context) (*demo, error) {
	d := &demo{sim: passforttest.NewServer(
		passforttest.WithAPIKeyName("sync example"),
		passforttest.WithWebhookPace(500*time.Millisecond),
		passforttest.WithWebhookShuffle(),
		passforttest.WithWebhookDuplicates(0.1),
	)}
	client := d.sim.Client()
	for range demoPeople {
		p, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer,
			CollectedData: &passfort.EntityData{
				EntityType: passfort.EntityTypeIndividual,
				PersonalDetails: &passfort.PersonalDetails{
					Name: &passfort.FullName{GivenNames: []string{pick(givenNames)}, FamilyName: pick(familyNames)},
					DOB:  madeUp("date_of_birth"), Nationality: madeUp("nationality"),
				},
				ContactDetails:   &passfort.ContactDetails{Email: madeUp("email"), PhoneNumber: madeUp("phone")},
				CustomFieldsData: map[string]any{"segment": madeUp("segment")},
			},
		})
		if err != nil {
			d.sim.Close()
			return nil, err
		}
		d.profiles = append(d.profiles, p.ID)
	}
	d.sim.Inject(passforttest.Fault{Status: 503, Probability: 0.05, Times: -1})
	return d, nil
}

// run links the people, turns webhooks on and lets both sides live.
func (d *demo) run(ctx context.Context, st *store, url, secret string, log *slog.Logger, wake func()) {
	for _, id := range d.profiles {
		if err := st.link(ctx, id); err != nil {
			log.Error("the demo cannot begin", "problem", problem(err))
			return
		}
	}
	wake()
	d.sim.SetWebhook(url, secret, true)
	d.live(ctx, st, log, wake)
}

// live makes people edit on both sides until ctx ends. Now and then two of them
// edit the same field of the same person.
func (d *demo) live(ctx context.Context, st *store, log *slog.Logger, wake func()) {
	tick := time.NewTicker(900 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		profile := pick(d.profiles)
		change := madeUpChange()
		where := rand.N(5)
		if where >= 2 { // 2, 3: the portal; 4: both
			if _, err := d.sim.EditCollectedData(profile, portalEdit(change)); err != nil {
				log.Error("the portal user of the demo failed")
			}
		}
		if where < 2 || where == 4 {
			if where == 4 {
				for name := range change {
					change = values{name: madeUp(name)}
				}
			}
			if err := editByProfile(ctx, st, profile, change); err != nil && ctx.Err() == nil {
				log.Error("the own software of the demo failed", "problem", problem(err))
			}
			wake()
		}
	}
}

func editByProfile(ctx context.Context, st *store, profileID string, change values) error {
	var id string
	if err := st.db.QueryRowContext(ctx, st.placeholders(`SELECT id FROM customers WHERE profile_id = ?`),
		profileID).Scan(&id); err != nil {
		return err
	}
	_, err := st.edit(ctx, id, change)
	return err
}

// portalEdit makes a change as a person in the portal does.
func portalEdit(change values) func(map[string]any) {
	return func(data map[string]any) {
		for name, v := range change {
			parent, key, value := data, name, any(v)
			switch name {
			case "given_names":
				parent, key, value = inner(inner(data, "personal_details"), "name"), name, []string{v}
			case "family_name":
				parent = inner(inner(data, "personal_details"), "name")
			case "date_of_birth":
				parent, key = inner(data, "personal_details"), "dob"
			case "nationality":
				parent = inner(data, "personal_details")
			case "email":
				parent = inner(data, "contact_details")
			case "phone":
				parent, key = inner(data, "contact_details"), "phone_number"
			case "segment":
				parent = inner(data, "custom_fields_data")
			}
			parent[key] = value
		}
	}
}

func inner(data map[string]any, name string) map[string]any {
	if m, ok := data[name].(map[string]any); ok {
		return m
	}
	m := map[string]any{}
	data[name] = m
	return m
}

var (
	givenNames  = []string{"Robin", "Kim", "Sam", "Alex", "Noor", "Jules", "Sasha", "Charlie", "Mika", "Ariel"}
	familyNames = []string{"Sample", "Specimen", "Example", "Muster", "Placeholder", "Draft", "Modelo", "Testa"}
	countries   = []string{"GBR", "DEU", "FRA", "ESP", "POL", "NLD"}
	segments    = []string{"retail", "private", "business", "student"}
)

func madeUpChange() values {
	name := pick(fieldNames())
	return values{name: madeUp(name)}
}

func madeUp(name string) string {
	switch name {
	case "given_names":
		return pick(givenNames) + " " + pick(givenNames)
	case "family_name":
		return pick(familyNames)
	case "date_of_birth":
		return fmt.Sprintf("19%02d-%02d-%02d", 50+rand.N(50), 1+rand.N(12), 1+rand.N(28))
	case "nationality":
		return pick(countries)
	case "email":
		return fmt.Sprintf("person%d@example.com", rand.N(1000))
	case "phone":
		return fmt.Sprintf("+44 20 7946 %04d", rand.N(1000))
	default:
		return pick(segments)
	}
}

func pick[T any](from []T) T { return from[rand.N(len(from))] }
