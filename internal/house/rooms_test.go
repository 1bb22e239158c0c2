package house_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mayKnow lists the rooms of this module that each room may know; what is not
// listed knows none.
var mayKnow = map[string][]string{
	".": {"internal/bounded", "internal/checkpoint", "internal/countries", "internal/imagebody",
		"internal/lanes", "internal/poll", "internal/transport", "internal/wire", "internal/wiredump"},
	"verify": {"."},
	"passforttest": {".", "api", "internal/countries", "internal/unreachable", "internal/uploadscan",
		"verify"},
	"cmd/passfort":          {".", "verify"},
	"internal/cases":        {"."},
	"internal/poll":         {"internal/bounded"},
	"internal/growth":       {"."},
	"internal/soak":         {".", "passforttest"},
	"cmd/passfort-sim":      {"internal/journal", "passforttest", "verify"},
	"examples/onboarding":   {".", "passforttest"},
	"examples/registration": {".", "passforttest"},
}

// No package imports more of the house than the tour in CONTRIBUTING.md says, and
// none imports one above it.
func TestRoomsKnowWhatTheyMay(t *testing.T) {
	t.Parallel()
	own := map[string]bool{}
	for _, mod := range filesNamed(t, "go.mod") {
		own[filepath.Dir(mod)] = true
	}
	for _, file := range filesNamed(t, "*.go") {
		room := filepath.ToSlash(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || isNested(own, room) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if known, ours := strings.CutPrefix(path, module); ours {
				known = strings.TrimPrefix(known, "/")
				if known == "" {
					known = "."
				}
				require.Contains(t, mayKnow[room], known, "%s imports %s", file, path)
			}
		}
	}
}

// isNested reports whether a directory is in a module of its own.
func isNested(modules map[string]bool, dir string) bool {
	for ; dir != "."; dir = filepath.ToSlash(filepath.Dir(dir)) {
		if modules[dir] {
			return true
		}
	}
	return false
}
