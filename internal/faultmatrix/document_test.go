package faultmatrix

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/fault-matrix.md")

const file = "../../docs/fault-matrix.md"

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// document compares what was found with the document, or writes it.
func document(t *testing.T, found []result, class map[string]string) {
	t.Helper()
	noGoroutineIsLeft(t)
	head, err := os.ReadFile("testdata/head.md")
	require.NoError(t, err)
	got := string(head) + tables(found, class)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "what was found is not what docs/fault-matrix.md says: go test . -update")
}

// noGoroutineIsLeft looks for anything of the SDK or of a connection that
// still runs.
func noGoroutineIsLeft(t *testing.T) {
	t.Helper()
	var left string
	for range 100 {
		var b bytes.Buffer
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
		left = ""
		for _, stack := range strings.Split(b.String(), "\n\n") {
			if strings.Contains(stack, "persistConn") || strings.Contains(stack, "passfort/internal/transport") {
				left = stack
			}
		}
		if left == "" {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	require.Empty(t, left, "a goroutine is left")
}

var columns = []string{"safe", "conditional", "idempotent", "once"}

// tables are the rows of each class where its operations agree, and what
// differs.
func tables(found []result, class map[string]string) string {
	var b strings.Builder
	differing := map[string][]string{} // by fault, mode and cell
	for _, always := range []bool{false, true} {
		if always {
			b.WriteString("\n## Every attempt meets the fault\n\n")
		} else {
			b.WriteString("\n## Only the first attempt meets the fault\n\n")
		}
		b.WriteString("| Fault | " + strings.Join(columns, " | ") + " |\n| --- | --- | --- | --- | --- |\n")
		for _, f := range faults("") {
			row := []string{}
			for _, column := range columns {
				var of []result
				for _, r := range found {
					if r.fault == f.name && r.always == always && class[r.operation] == column {
						of = append(of, r)
					}
				}
				if len(of) == 0 {
					continue
				}
				usual := most(of)
				row = append(row, usual.String())
				for _, r := range of {
					if r.cell != usual {
						key := fmt.Sprintf("%s | %s | %s", f.name, mode(always), r.cell)
						differing[key] = append(differing[key], "`"+r.operation+"`")
					}
				}
			}
			if len(row) > 0 {
				b.WriteString("| " + f.name + " | " + strings.Join(row, " | ") + " |\n")
			}
		}
	}
	b.WriteString("\n## Operations that differ from their class\n\n| Fault | Met by | Cell | Operations |\n| --- | " +
		"--- | --- | --- |\n")
	for _, f := range faults("") {
		var rows []string
		for key, operations := range differing {
			if strings.HasPrefix(key, f.name+" | ") {
				slices.Sort(operations)
				rows = append(rows, "| "+key+" | "+strings.Join(operations, ", ")+" |\n")
			}
		}
		slices.Sort(rows)
		b.WriteString(strings.Join(rows, ""))
	}
	return b.String()
}

func mode(always bool) string {
	if always {
		return "every attempt"
	}
	return "the first"
}

// most is the cell that most of a class have.
func most(of []result) cell {
	counts := map[cell]int{}
	for _, r := range of {
		counts[r.cell]++
	}
	cells := make([]cell, 0, len(counts))
	for c := range counts {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b cell) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a.String(), b.String()))
	})
	return cells[0]
}
