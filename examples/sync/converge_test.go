package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// field is a column, and where it is at Passfort.
type field struct {
	entity        passfort.EntityType
	table, column string
	get           func(*passfort.EntityData) string
	set           func(*passfort.EntityData, string)
}

func text(
	entity passfort.EntityType, table, column string, at func(*passfort.EntityData) *string,
) field {
	return field{entity, table, column, func(d *passfort.EntityData) string { return *at(d) },
		func(d *passfort.EntityData, v string) { *at(d) = v }}
}

// edited are the fields that people edit. Each edit has a value of its own, of which a
// nationality has not enough.
func edited() []field {
	person, firm := passfort.EntityTypeIndividual, passfort.EntityTypeCompany
	return []field{
		{person, "crm_people", "given_names",
			func(d *passfort.EntityData) string { return strings.Join(name(d).GivenNames, " ") },
			func(d *passfort.EntityData, v string) { name(d).GivenNames = strings.Fields(v) }},
		text(person, "crm_people", "family_name", func(d *passfort.EntityData) *string { return &name(d).FamilyName }),
		text(person, "crm_people", "date_of_birth", func(d *passfort.EntityData) *string { return &personal(d).DOB }),
		text(person, "crm_people", "email", func(d *passfort.EntityData) *string { return &contact(d).Email }),
		text(person, "crm_people", "phone", func(d *passfort.EntityData) *string { return &contact(d).PhoneNumber }),
		{person, "crm_people", "segment",
			func(d *passfort.EntityData) string { s, _ := d.CustomFieldsData["segment"].(string); return s },
			func(d *passfort.EntityData, v string) {
				if d.CustomFieldsData == nil {
					d.CustomFieldsData = map[string]any{}
				}
				d.CustomFieldsData["segment"] = v
			}},
		text(firm, "crm_companies", "name", func(d *passfort.EntityData) *string { return &company(d).Name }),
		text(firm, "crm_companies", "registration_number", func(d *passfort.EntityData) *string {
			return &company(d).Number
		}),
		text(firm, "crm_companies", "incorporated_on", func(d *passfort.EntityData) *string {
			return &company(d).IncorporationDate
		}),
	}
}

// value returns one that is not used yet.
func (w *world) value(f field) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number++
	switch f.column {
	case "date_of_birth", "incorporated_on":
		return time.Date(1900, 1, 1+w.number, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	case "given_names":
		return fmt.Sprintf("%s %d", canary, w.number)
	case "email":
		return fmt.Sprintf("%s%d@sampleton.example", canary, w.number)
	default:
		return fmt.Sprintf("%s%d", canary, w.number)
	}
}

func (w *world) did(profile string, f field, from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edits[place{profile, f.column}] = append(w.edits[place{profile, f.column}], edit{from, to})
}

// here returns what the team's table has.
func (w *world) here(q interface {
	QueryRow(query string, args ...any) *sql.Row
}, profile string, f field) string {
	var v sql.NullString
	if err := q.QueryRow(`SELECT CAST(`+f.column+` AS TEXT) FROM `+f.table+` WHERE id = $1`,
		w.customers[profile].Key).Scan(&v); err != nil {
		w.t.Errorf("our own table: %v", err)
	}
	return v.String
}

// editHere is a person in the team's own software, which knows nothing of the service.
func (w *world) editHere(profile string, f field) {
	to, key := w.value(f), w.customers[profile].Key
	var before string
	for { // as a team's software does after a deadlock
		tx, err := w.own.db.BeginTx(w.t.Context(), nil)
		if err == nil {
			_, err = tx.ExecContext(w.t.Context(), `UPDATE `+f.table+` SET id = id WHERE id = $1`, key)
		}
		if err == nil {
			before = w.here(tx, profile, f)
			_, err = tx.ExecContext(w.t.Context(), `UPDATE `+f.table+` SET `+f.column+` = $1 WHERE id = $2`, to, key)
		}
		if err == nil {
			err = tx.Commit()
		}
		if err == nil || w.t.Context().Err() != nil {
			break
		}
		if tx != nil {
			_ = tx.Rollback()
		}
	}
	w.did(profile, f, before, to)
}

// editThere is a person in the portal, who also writes something that our table has no
// column for.
func (w *world) editThere(profile string, f field) {
	to := w.value(f)
	_, err := w.sim.EditCollectedData(profile, func(data map[string]any) {
		d := decoded(w.t, data)
		w.did(profile, f, f.get(d), to)
		f.set(d, to)
		raw, err := json.Marshal(d)
		require.NoError(w.t, err)
		clear(data)
		require.NoError(w.t, json.Unmarshal(raw, &data))
		data["portal_note"] = map[string]any{"text": to}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notes[profile] = to
	})
	if err != nil {
		w.t.Errorf("an edit in the portal: %v", err)
	}
}

// edit makes n edits on each side, with random pauses of up to pause; one in five hits the
// same field of the same customer on both sides.
func (w *world) edit(random *rand.Rand, n int, pause time.Duration) {
	type step struct {
		profile string
		field   field
		pause   time.Duration
	}
	steps := func() (out []step) {
		for range n {
			profile := w.profiles[random.IntN(len(w.profiles))]
			fields := slices.DeleteFunc(edited(), func(f field) bool { return f.entity != w.customers[profile].Entity })
			out = append(out, step{profile, fields[random.IntN(len(fields))],
				time.Duration(random.Int64N(int64(pause) + 1))})
		}
		return out
	}
	here, there := steps(), steps()
	for i := range n {
		if random.IntN(5) == 0 {
			there[i].profile, there[i].field = here[i].profile, here[i].field
		}
	}
	var both sync.WaitGroup
	for _, side := range []struct {
		steps []step
		edit  func(profile string, f field)
	}{{here, w.editHere}, {there, w.editThere}} {
		both.Go(func() {
			for _, s := range side.steps {
				<-time.After(s.pause)
				side.edit(s.profile, s.field)
			}
		})
	}
	both.Wait()
}

// faults makes Passfort unreliable.
func (w *world) faults() {
	w.sim.Inject(passforttest.Fault{Status: 503, Probability: 0.03, Times: -1})
	w.sim.Inject(passforttest.Fault{Status: 502, AfterWrite: true, Probability: 0.01, Times: -1})
	w.sim.Inject(passforttest.Fault{DropBeforeWrite: true, Probability: 0.02, Times: -1})
	w.sim.Inject(passforttest.Fault{DropAfterWrite: true, Probability: 0.02, Times: -1})
}

// check holds the outcome against what each writer did.
func (w *world) check() {
	t := w.t
	t.Helper()
	conflicts, err := w.own.sync.Conflicts(t.Context(), true, 0)
	require.NoError(t, err)
	lost := map[place][]string{}
	for _, c := range conflicts {
		at := place{c.ProfileID, c.Field}
		lost[at] = append(lost[at], c.Ours)
	}
	losses := 0
	for _, profile := range w.profiles {
		raw, _ := w.sim.CollectedData(profile)
		var portal struct {
			Note struct {
				Text string `json:"text"`
			} `json:"portal_note"`
		}
		require.NoError(t, json.Unmarshal(raw, &portal))
		require.Equal(t, w.notes[profile], portal.Note.Text, "what we have no column for")
		for _, f := range edited() {
			if f.entity != w.customers[profile].Entity {
				continue
			}
			there := f.get(w.at(profile))
			require.Equal(t, there, w.here(w.own.db, profile, f), "both sides are equal")
			at := place{profile, f.column}
			replaced := map[string]bool{}
			for _, e := range w.edits[at] {
				replaced[e.from] = true
			}
			var last []string // values that no edit replaced knowingly
			for _, e := range w.edits[at] {
				if !replaced[e.to] {
					last = append(last, e.to)
				}
			}
			if len(last) == 0 {
				continue
			}
			require.Contains(t, last, there, "nothing that was replaced came back")
			for _, v := range last {
				if v != there {
					losses++
					require.Contains(t, lost[at], v, "an edit was lost without a conflict")
				}
			}
		}
	}
	report(t, "%d edits lost to a conflict, each recorded (%d records)", losses, len(conflicts))
	require.NotContains(t, w.logged(), canary, "no name, key or secret in the log")
	require.NotEmpty(t, w.logged())
}

// quiet watches that no request comes any more.
func (w *world) quiet(edits int) {
	w.t.Helper()
	requests := w.sim.Count("")
	report(w.t, "%d edits, %d requests to Passfort (%.2f each): %d GET, %d POST", edits, requests,
		float64(requests)/float64(edits), w.sim.Count("CollectedData.Get"), w.sim.Count("CollectedData.Replace"))
	require.LessOrEqual(w.t, requests, 2*edits)
	<-time.After(1500 * time.Millisecond)
	require.Equal(w.t, requests, w.sim.Count(""), "and none after the last edit was synchronised")
}

// sizes are how many customers there are and how many edits each side makes.
func sizes() (customers, edits int) {
	if full() {
		return 50, 1000
	}
	return 20, 150
}

func TestConvergence(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	customers, edits := sizes()
	w := newWorld(t, seed, customers, "")
	_, stop := w.start()
	defer stop()
	w.meet()
	w.sim.ForgetRequests()
	w.faults()
	w.edit(rand.New(rand.NewPCG(seed, 2)), edits, 12*time.Millisecond)
	w.settle()
	w.quiet(2 * edits)
	w.check()
}

// Two processes, killed in turn.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	path, err := program()
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(path)) })
	for kind, database := range map[string]func(*testing.T) string{
		"SQLite":     func(*testing.T) string { return "" },
		"PostgreSQL": func(t *testing.T) string { return postgres.Get(t).Database(t) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			random := rand.New(rand.NewPCG(seed, 3))
			kills := 6
			if full() {
				kills = 20
			}
			customers, edits := sizes()
			w := newWorld(t, seed, customers, database(t))
			first, firstHooks := w.process(path)
			second, secondHooks := w.process(path)
			w.meet()
			w.sim.ForgetRequests()
			w.faults()
			done := make(chan struct{})
			go func() {
				defer close(done)
				w.edit(rand.New(rand.NewPCG(seed, 2)), edits,
					time.Duration(kills)*600*time.Millisecond/time.Duration(edits))
			}()
			for range kills {
				<-time.After(50*time.Millisecond + time.Duration(random.Int64N(int64(500*time.Millisecond))))
				w.listens(firstHooks, false)
				require.NoError(t, first.Process.Kill())
				require.Error(t, first.Wait())
				require.Equal(t, -1, first.ProcessState.ExitCode(), "it ran until it was killed")
				first, firstHooks = second, secondHooks
				second, secondHooks = w.process(path)
			}
			<-done
			w.settle()
			report(t, "killed %d times", kills)
			w.quiet(2 * edits)
			w.check()
			asked := time.Now()
			require.NoError(t, first.Process.Signal(syscall.SIGTERM))
			require.NoError(t, first.Wait(), "it stops in good order")
			report(t, "stopped within %v", time.Since(asked).Round(time.Millisecond))
			require.Less(t, time.Since(asked), 5*time.Second)
		})
	}
}
