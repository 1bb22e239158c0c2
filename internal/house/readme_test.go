package house_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's first code is a whole program, and its quickstart is the one
// that an example runs.
func TestReadmeQuickstartRuns(t *testing.T) {
	t.Parallel()
	blocks := goBlock.FindAllStringSubmatch(readFile(t, "README.md"), -1)
	require.GreaterOrEqual(t, len(blocks), 2)
	require.True(t, strings.HasPrefix(blocks[0][1], "package main\n"))
	require.Contains(t, blocks[1][1], "func onboard(")
	require.Contains(t, readFile(t, "example_test.go"), "\n"+blocks[1][1])
}

// The README's first screen has the two commands, each on a line of its own.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	lines := strings.Split(readFile(t, "README.md"), "\n")
	for _, command := range []string{"go run ./examples/onboarding", "go test ./..."} {
		at := slices.Index(lines, command)
		require.True(t, at >= 0 && at < 20, command)
	}
}
