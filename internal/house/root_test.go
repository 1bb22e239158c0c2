package house_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What one may have to look at: lines of a file, and entries of the root.
const (
	longestFile = 550
	widestLine  = 120 // columns, with a tab as 4
	rootCode    = 37
	rootTests   = 35
	rootEntries = 95
)

// No file that a person writes is longer than what one can keep in mind.
func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	var long []string
	for _, file := range filesNamed(t, "*.go") {
		text := readFile(t, file)
		if strings.Count(text, "\n") > longestFile && !strings.Contains(text, "DO NOT EDIT.") {
			long = append(long, filepath.ToSlash(file))
		}
	}
	require.Empty(t, long)
}

// No line of Go that a person writes is wider than a window beside another one.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	for _, file := range filesNamed(t, "*.go") {
		text := readFile(t, file)
		if strings.Contains(text, "DO NOT EDIT.") {
			continue
		}
		number := 0
		for line := range strings.Lines(text) {
			number++
			columns := utf8.RuneCountInString(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    "))
			assert.LessOrEqual(t, columns, widestLine, "%s:%d", filepath.ToSlash(file), number)
		}
	}
}

// The root shows its plan to whoever lists it.
func TestRootShowsItsPlan(t *testing.T) {
	t.Parallel()
	tests, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	all, err := filepath.Glob("*.go")
	require.NoError(t, err)
	require.LessOrEqual(t, len(all)-len(tests), rootCode, "code files")
	require.LessOrEqual(t, len(tests), rootTests, "test files")
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })
	require.LessOrEqual(t, len(entries), rootEntries, "entries of the root")
}
