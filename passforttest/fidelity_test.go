package passforttest_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// TestFidelityIsDocumented holds docs/simulator.md against the code: the files
// it names are there, and every switch has its row.
func TestFidelityIsDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../docs/simulator.md")
	require.NoError(t, err)
	rows := 0
	named := map[string]bool{}
	for _, line := range strings.Split(string(raw), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 5 || strings.HasPrefix(line, "| Behaviour") ||
			strings.HasPrefix(line, "| ---") {
			continue
		}
		rows++
		files := regexp.MustCompile("`([a-z_]+\\.go)`").FindAllStringSubmatch(cells[3], -1)
		require.NotEmpty(t, files, line)
		for _, f := range files {
			require.FileExists(t, f[1])
		}
		require.Regexp(t, `high|medium|low|guess`, cells[2], line)
		for _, name := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(cells[4], -1) {
			named[name[1]] = true
		}
	}
	require.Greater(t, rows, 50)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[passforttest.Switches]()) {
		require.True(t, named[f.Name], "the switch %s has no row in docs/simulator.md", f.Name)
	}
}
