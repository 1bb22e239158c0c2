package faultmatrix

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/passforttest"
)

// world is a simulator with one of everything, and how to get back to it.
type world struct {
	cases.World
	srv      *passforttest.Server
	snapshot []byte
}

// fill makes one of everything, through c.
func fill(t *testing.T, srv *passforttest.Server, c *passfort.Client) *world {
	t.Helper()
	made := cases.Fill(t, c)
	snapshot, err := srv.Snapshot()
	require.NoError(t, err)
	return &world{made, srv, snapshot}
}

func failed[T any](_ T, err error) error { return err }

// operations are those of the reference, in its order.
func operations() []cases.Case {
	all := cases.All()
	order := map[string]int{}
	for i, row := range reference() {
		order[row.name] = i
	}
	slices.SortFunc(all, func(a, b cases.Case) int { return order[a.Name] - order[b.Name] })
	return all
}

// referenceRow is a row of docs/operations.md, which is written from the SDK's own
// table.
type referenceRow struct{ name, route, class string }

var referenceLine = regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| [A-Z]+ \\| `([^`]+)` \\| (\\w+) \\|")

func reference() []referenceRow {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		panic(err)
	}
	var rows []referenceRow
	for _, cells := range referenceLine.FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, referenceRow{cells[1], cells[2], cells[3]})
	}
	return rows
}

// classes returns the replay class of each operation.
func classes() map[string]string {
	out := map[string]string{}
	for _, row := range reference() {
		out[row.name] = row.class
	}
	return out
}

func TestEveryOperationIsThere(t *testing.T) {
	t.Parallel()
	var names, listed []string
	for _, op := range operations() {
		names = append(names, op.Name)
	}
	for _, row := range reference() {
		listed = append(listed, row.name)
	}
	require.Equal(t, listed, names)
	slices.Sort(names)
	require.Equal(t, passforttest.Operations(), names)
}
