package tasks_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"

	"teapots.example/accounts/tasks"
	"teapots.example/accounts/tasks/before"
)

// start starts a simulated Passfort with a product whose task is an identity check.
func start(t *testing.T) *passforttest.Server {
	t.Helper()
	sim := passforttest.NewServer(passforttest.WithProducts(passforttest.Product{Alias: "current_account"}))
	t.Cleanup(sim.Close)
	return sim
}

// robin is a person of whom everything is known.
func robin() *passfort.EntityData {
	person := passfort.NewIndividual()
	person.CustomerRef = "T-100"
	person.PersonalDetails = &passfort.PersonalDetails{
		Name: &passfort.FullName{GivenNames: []string{"Robin"}, FamilyName: "Sample"},
		DOB:  "1990-02-03",
	}
	person.AddressHistory = []passfort.DatedAddress{{Address: street("Sample Street")}}
	return person
}

func street(name string) *passfort.Address {
	address := passfort.NewStructuredAddress("GBR")
	address.Route, address.Locality = name, "Sampleton"
	return address
}

// stored makes a profile and returns its id.
func stored(t *testing.T, sim *passforttest.Server, person *passfort.EntityData) string {
	t.Helper()
	profile, err := sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: person,
	})
	require.NoError(t, err)
	return profile.ID
}

// Not parallel: the environment belongs to the process.
func TestConnect(t *testing.T) {
	for name, connect := range map[string]func(...passfort.Option) (*passfort.Client, error){
		"now": tasks.Connect, "before": before.Connect,
	} {
		t.Run(name, func(t *testing.T) {
			sim := start(t)
			t.Setenv("PASSFORT_API_KEY", sim.APIKey())
			t.Setenv("PASSFORT_BASE_URL", sim.URL())
			client, err := connect()
			require.NoError(t, err)
			_, err = client.WhoAmI(t.Context())
			require.NoError(t, err)

			t.Setenv("PASSFORT_BASE_URL", "")
			t.Setenv("PASSFORT_REGION", "mars")
			_, err = connect()
			require.Error(t, err)
		})
	}
}

func TestForAccounts(t *testing.T) {
	t.Parallel()
	sim := start(t)
	keys := map[string]string{"shop": sim.APIKey(), "bank": sim.AddAPIKey("bank")}
	now, err := tasks.ForAccounts(sim.Client(), keys)
	require.NoError(t, err)
	then, err := before.ForAccounts(sim.URL(), keys)
	require.NoError(t, err)
	for account, key := range keys {
		for _, client := range []*passfort.Client{now[account], then[account]} {
			sim.ForgetRequests()
			_, err := client.WhoAmI(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, sim.Count("WhoAmI"))
			require.NotContains(t, fmt.Sprintf("%+v", client), key)
		}
	}
	_, err = tasks.ForAccounts(sim.Client(), map[string]string{"none": ""})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
}

func TestOnboard(t *testing.T) {
	t.Parallel()
	type onboard = func(
		context.Context, *passfort.Client, *passfort.EntityData, string,
	) (*passfort.Application, error)
	for name, onboard := range map[string]onboard{"now": tasks.Onboard, "before": before.Onboard} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := start(t)
			application, err := onboard(t.Context(), sim.Client(), robin(), "current_account")
			require.NoError(t, err)
			require.Equal(t, passfort.ApplicationStatusApproved, application.Status)
			sim.AssertApplied(t, "Checks.Run", 1)
		})
	}
}

func TestMove(t *testing.T) {
	t.Parallel()
	type move = func(context.Context, *passfort.Client, string, passfort.Address, string) error
	for name, move := range map[string]move{"now": tasks.Move, "before": before.Move} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := start(t)
			id := stored(t, sim, robin())
			require.NoError(t, move(t.Context(), sim.Client(), id, *street("Other Street"), "+44 20 7946 0000"))
			read, err := sim.Client().CollectedData.Get(t.Context(), id)
			require.NoError(t, err)
			data := &read.EntityData
			require.Equal(t, "+44 20 7946 0000", data.ContactDetails.PhoneNumber)
			require.Len(t, data.AddressHistory, 2)
			require.Equal(t, "Other Street", data.AddressHistory[1].Address.Route)
			require.Equal(t, "Sample", data.PersonalDetails.Name.FamilyName)
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	sim := start(t)
	sim.MakeUp(300)
	id := stored(t, sim, robin())
	for name, find := range map[string]func(context.Context, *passfort.Client, string) (*passfort.Profile, error){
		"now": tasks.Find, "before": before.Find,
	} {
		t.Run(name, func(t *testing.T) {
			found, err := find(t.Context(), sim.Client(), "T-100")
			require.NoError(t, err)
			require.Equal(t, id, found.ID)
			_, err = find(t.Context(), sim.Client(), "T-101")
			require.ErrorIs(t, err, passfort.ErrNotFound)
		})
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	sim := start(t)
	sim.MakeUp(230)
	type walk func(context.Context, func(context.Context, *passfort.Profile) error) error
	checkpoint, done := new(passfort.Checkpoint), new(sync.Map)
	for name, walk := range map[string]walk{
		"now": func(ctx context.Context, fn func(context.Context, *passfort.Profile) error) error {
			raw, err := json.Marshal(checkpoint) // as after a restart
			if err != nil {
				return err
			}
			if err := json.Unmarshal(raw, checkpoint); err != nil {
				return err
			}
			return tasks.Walk(ctx, sim.Client(), checkpoint, fn)
		},
		"before": func(ctx context.Context, fn func(context.Context, *passfort.Profile) error) error {
			return before.Walk(ctx, sim.Client(), done, fn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			seen := map[string]int{}
			handle := func(limit int) func(context.Context, *passfort.Profile) error {
				return func(_ context.Context, p *passfort.Profile) error {
					mu.Lock()
					defer mu.Unlock()
					if len(seen) == limit {
						return io.ErrUnexpectedEOF
					}
					seen[p.ID]++
					return nil
				}
			}
			require.ErrorIs(t, walk(t.Context(), handle(100)), io.ErrUnexpectedEOF)
			require.Len(t, seen, 100)
			require.NoError(t, walk(t.Context(), handle(-1)))
			require.Len(t, seen, 230)
			for _, times := range seen {
				require.Equal(t, 1, times)
			}
		})
	}
}

func TestAccountNumber(t *testing.T) {
	t.Parallel()
	data := new(passfort.EntityData)
	require.NoError(t, json.Unmarshal(
		[]byte(`{"custom_fields_data":{"long":12345678901234567890,"short":7,"text":"7"}}`), data))
	for name, number := range map[string]func(*passfort.EntityData, string) (string, bool){
		"now": tasks.AccountNumber, "before": before.AccountNumber,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for field, want := range map[string]string{
				"long": "12345678901234567890", "short": "7", "text": "", "none": "",
			} {
				got, ok := number(data, field)
				require.Equal(t, want, got, field)
				require.Equal(t, want != "", ok, field)
			}
		})
	}
}

func TestSubmitPassport(t *testing.T) {
	t.Parallel()
	scan := append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), bytes.Repeat([]byte{1}, 1000)...)
	file := filepath.Join(t.TempDir(), "passport.jpg")
	require.NoError(t, os.WriteFile(file, scan, 0o600))
	for name, submit := range map[string]func(
		context.Context, *passfort.Client, string, string,
	) (*passfort.Document, error){"now": tasks.SubmitPassport, "before": before.SubmitPassport} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := start(t)
			id := stored(t, sim, robin())
			document, err := submit(t.Context(), sim.Client(), id, file)
			require.NoError(t, err)
			require.Equal(t, passfort.DocumentTypePassport, document.Type)
			images := sim.Images(id)
			require.Len(t, images, 1)
			require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(scan)), images[0].SHA256)
		})
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]func(*passfort.EntityData) []string{
		"now": tasks.Missing, "before": before.Missing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, missing(robin()))
			require.ElementsMatch(t, []string{
				"/address_history", "/personal_details/dob",
				"/personal_details/name/family_name", "/personal_details/name/given_names",
			}, missing(passfort.NewIndividual()))
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	sim := start(t)
	id := stored(t, sim, robin())
	for name, status := range map[string]func() (passfort.ProfileStatus, error){
		"now": func() (passfort.ProfileStatus, error) {
			return tasks.Status(t.Context(), sim.Client(), id, "page-7")
		},
		"before": func() (passfort.ProfileStatus, error) {
			return before.Status(t.Context(), sim.URL(), sim.APIKey(), id, "page-7")
		},
	} {
		t.Run(name, func(t *testing.T) {
			sim.ForgetRequests()
			got, err := status()
			require.NoError(t, err)
			require.Equal(t, passfort.ProfileStatusNormal, got)
			require.Equal(t, "page-7", sim.LastRequest(t, "Profiles.Status").Header.Get("X-Request-Id"))

			sim.ForgetRequests()
			sim.Inject(passforttest.Fault{Operation: "Profiles.Status", Status: http.StatusServiceUnavailable})
			_, err = status()
			require.Error(t, err)
			sim.AssertSeen(t, "Profiles.Status", 1)
		})
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	const id = "c0a80000-0000-4000-8000-000000000001"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/4.0/profiles/"+id+"/export" ||
			r.Header.Get("Apikey") != "k-1" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/zip")
		_, _ = io.WriteString(w, "PK")
	}))
	t.Cleanup(server.Close)
	client, err := passfort.New("k-1", passfort.WithBaseURL(server.URL+"/4.0"))
	require.NoError(t, err)
	for name, export := range map[string]func(string, io.Writer) error{
		"now": func(profile string, w io.Writer) error { return tasks.Export(t.Context(), client, profile, w) },
		"before": func(profile string, w io.Writer) error {
			return before.Export(t.Context(), server.URL+"/4.0", "k-1", profile, w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			require.NoError(t, export(id, &got))
			require.Equal(t, "PK", got.String())
			require.Error(t, export("other", io.Discard))
		})
	}
}

func TestLatest(t *testing.T) {
	t.Parallel()
	for name, latest := range map[string]func([]passfort.Check) *passfort.Check{
		"now": tasks.Latest, "before": before.Latest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Nil(t, latest(nil))
			require.Equal(t, "b", latest([]passfort.Check{
				{ID: "a", CompletedOn: "2026-01-02 10:00:00"},
				{ID: "b", PerformedOn: "2026-01-03 10:00:00"},
				{ID: "c"},
			}).ID)
		})
	}
}

// The table of the README has the lines of each task, now and before: those of its
// function, and of what only that needs.
func TestLines(t *testing.T) {
	t.Parallel()
	now, then := lines(t, "tasks.go"), lines(t, filepath.Join("before", "before.go"))
	require.Len(t, now, 12)
	then["Status"] += then["RoundTrip"] + then["withRequestID"]
	table := "| Task | Lines | Before |\n| --- | --- | --- |\n"
	for _, name := range []string{
		"Connect", "ForAccounts", "Onboard", "Move", "Find", "Walk", "AccountNumber", "SubmitPassport", "Missing",
		"Status", "Export", "Latest",
	} {
		require.NotZero(t, then[name], name)
		require.LessOrEqual(t, now[name], then[name], name)
		table += fmt.Sprintf("| `%s` | %d | %d |\n", name, now[name], then[name])
	}
	require.LessOrEqual(t, now["Onboard"], 30)
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(readme), table)
}

// lines returns how many lines each function and type of a file has, its comment
// left out.
func lines(t *testing.T, file string) map[string]int {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	require.NoError(t, err)
	counts := map[string]int{}
	for _, decl := range parsed.Decls {
		n := set.Position(decl.End()).Line - set.Position(decl.Pos()).Line + 1
		switch d := decl.(type) {
		case *ast.FuncDecl:
			counts[d.Name.Name] = n
		case *ast.GenDecl:
			if spec, ok := d.Specs[0].(*ast.TypeSpec); ok {
				counts[spec.Name.Name] = n
			}
		}
	}
	return counts
}
