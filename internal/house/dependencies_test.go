package house_test

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDependenciesAreNamed holds go.mod against docs/decisions.md, both
// ways.
func TestDependenciesAreNamed(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	list, err := os.ReadFile("docs/decisions.md")
	require.NoError(t, err)
	_, section, found := bytes.Cut(list, []byte("\n## Dependencies\n"))
	require.True(t, found)
	require.Equal(t,
		matches(string(mod), `(?m)^(?:require)?\s+(\S+\.\S+/\S+) v`),
		matches(string(section), "(?m)^\\| `(\\S+)` \\|"),
		"docs/decisions.md must name what go.mod requires, and nothing else")
	require.NotRegexp(t, `(?m)^replace`, string(mod), "users of a module do not see what it replaces")
}

// matches returns the set of what the group of the pattern matches in text.
func matches(text, pattern string) map[string]bool {
	set := map[string]bool{}
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		set[match[1]] = true
	}
	return set
}
