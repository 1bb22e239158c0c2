package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// demo configures the service for a simulated Passfort with made-up customers. It returns
// what lets people edit on both sides until ctx ends, now and then both the same field.
func demo(c *config) (live func(ctx context.Context, s *service, webhooks string), end func(), err error) {
	dir, err := os.MkdirTemp("", "passfort-sync-")
	if err != nil {
		return nil, nil, err
	}
	sim := passforttest.NewServer(passforttest.WithAPIKeyName("sync example"), passforttest.WithWebhookShuffle(),
		passforttest.WithWebhookPace(500*time.Millisecond), passforttest.WithWebhookDuplicates(0.1))
	sim.MakeUp(20)
	sim.Inject(passforttest.Fault{Status: 503, Probability: 0.05, Times: -1})
	c.apiKey, c.baseURL, c.keyName, c.secrets = sim.APIKey(), sim.URL(), "sync example", []string{"demo-secret"}
	c.add, c.create, c.databaseURL, c.file = true, true, "", filepath.Join(dir, "demo.db")
	return func(ctx context.Context, s *service, webhooks string) {
		sim.SetWebhook(webhooks, c.secrets[0], true)
		for ; ctx.Err() == nil; <-time.After(900 * time.Millisecond) {
			f := demoFields[rand.N(len(demoFields))]
			states, err := s.sync.States(ctx, f.entity, "")
			if err != nil || len(states) == 0 {
				continue
			}
			customer, where := states[rand.N(len(states))], rand.N(5)
			if where >= 2 { // 2, 3: the portal; 4: both
				_, err = sim.EditCollectedData(customer.ProfileID, func(data map[string]any) {
					part, _ := data[f.part].(map[string]any)
					if part == nil {
						part = map[string]any{}
					}
					part[f.member], data[f.part] = pick(f.values), part
				})
			}
			if err == nil && (where < 2 || where == 4) {
				_, err = s.db.ExecContext(ctx, `UPDATE `+f.table+` SET `+f.column+` = ? WHERE id = ?`, pick(f.values),
					customer.Key)
			}
			if err != nil && ctx.Err() == nil {
				s.log.Error("an edit of the demo failed", "problem", syncer.Word(err))
			}
		}
	}, func() { sim.Close(); _ = os.RemoveAll(dir) }, nil
}

var demoFields = []struct {
	entity                              passfort.EntityType
	table, column, part, member, values string
}{
	{"INDIVIDUAL", "crm_people", "nationality", "personal_details", "nationality", "GBR DEU FRA ESP POL NLD"},
	{"INDIVIDUAL", "crm_people", "email", "contact_details", "email", "a@sampleton.example b@sampleton.example"},
	{"INDIVIDUAL", "crm_people", "segment", "custom_fields_data", "segment", "retail private business student"},
	{"COMPANY", "crm_companies", "name", "metadata", "name", "Sample Specimen Muster Modelo"},
}

func pick(values string) string { all := strings.Fields(values); return all[rand.N(len(all))] }
