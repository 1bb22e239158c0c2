package passfort_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/passforttest"
)

var (
	newProfile = &passfort.ProfileRequest{
		Role:          passfort.RoleCompanyCustomer,
		CollectedData: passfort.NewCompany(),
		Applications:  []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
	}
	newCheck = &passfort.CheckRequest{
		Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeSync, TaskIDs: []string{oid},
		Variant: &passfort.VariantRef{Alias: "provider"},
	}
	person   = `{"entity_type":"INDIVIDUAL"}`
	identity = `{"id":"` + oid + `"}`
)

func TestOperationsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, op := range cases.All() {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{http.StatusOK, http.StatusCreated} {
				s := serve(t, respond(status, op.Answer))
				c := newClient(t, s, passfort.WithUserAgent("acme/1"))
				require.NoError(t, op.Call(t.Context(), c, cases.Wire()))

				require.Len(t, s.seen(), 1)
				got := s.seen()[0]
				require.Equal(t, op.Method, got.Method)
				require.Equal(t, "/base/4.0"+op.Path, got.URI)
				require.Equal(t, op.Body, got.Body)
				require.Equal(t, []string{testKey}, got.Header.Values("apikey"))
				require.Regexp(t, `^acme/1 passfort-go/\d+\.\d+\.\d+ \(go.*\)$`, got.Header.Get("User-Agent"))
				if op.Body != "" {
					require.Equal(t, "application/json", got.Header.Get("Content-Type"))
				} else {
					require.Empty(t, got.Header.Get("Content-Type"))
				}
				if op.Name == "CollectedData.Replace" {
					require.Equal(t, []string{`W/"1.5"`}, got.Header.Values("If-Match"))
				} else {
					require.Empty(t, got.Header.Values("If-Match"))
				}
			}
		})
	}
}

// What the cases of all operations do not show: a list without elements is sent, and
// a product may be named by its id.
func TestOtherInputOnTheWire(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		call func(context.Context, *passfort.Client) error
		body string
	}{
		"a check for no task": {func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Checks.SetTasks(ctx, pid, oid, nil))
		}, `{"task_ids":[]}`},
		"a product by its id": {func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Applications.Create(ctx, pid, &passfort.ApplicationRequest{
				Product: passfort.ProductRef{ID: oid},
			}))
		}, `{"product":{"id":"` + oid + `"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, respond(http.StatusOK, identity))
			require.NoError(t, row.call(t.Context(), newClient(t, s)))
			require.Len(t, s.seen(), 1)
			require.Equal(t, row.body, s.seen()[0].Body)
		})
	}
}

// TestEveryOperationIsProvenAndShown holds the operations of the reference against
// their cases, the routes of the simulator, the description, which has a sample of each,
// and the examples.
func TestEveryOperationIsProvenAndShown(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("docs/operations.md")
	require.NoError(t, err)
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| (GET|POST|DELETE) ").FindAllSubmatch(reference,
		-1) {
		names = append(names, string(row[1]))
	}
	require.NotEmpty(t, names)

	var proven []string
	for _, op := range cases.All() {
		proven = append(proven, op.Name)
	}
	require.ElementsMatch(t, names, proven, "cases")
	require.Subset(t, passforttest.Operations(), names, "routes of the simulator")

	description, err := os.ReadFile("api/openapi.yaml")
	require.NoError(t, err)
	var described []string
	for _, row := range regexp.MustCompile(`(?m)^ +x-sdk-name: ([A-Za-z.]+)$`).FindAllSubmatch(description, -1) {
		described = append(described, string(row[1]))
	}
	require.ElementsMatch(t, names, described, "go generate")
	var examples strings.Builder
	for _, pattern := range []string{"example*_test.go", "examples/*/*.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			source, err := os.ReadFile(path)
			require.NoError(t, err)
			examples.Write(source)
		}
	}
	inExamples := 0
	for _, name := range names {
		if strings.Contains(examples.String(), "."+name+"(") {
			inExamples++
		}
	}
	require.GreaterOrEqual(t, inExamples, 52, "an operation that was in an example is in none now")
}
