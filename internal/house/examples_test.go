package house_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	partToCopy = regexp.MustCompile(`(?ms)^// Copy from here.*?^// Copy to here\.$`)
	saidToCopy = regexp.MustCompile(`(\w+\.go) is the part to copy`)
)

// TestPartsToCopyCompile compiles each part that an example marks as the one to
// copy, alone, as a program with no more than the imports that it uses.
func TestPartsToCopyCompile(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the compiler")
	}
	t.Parallel()
	parts := 0
	for _, file := range filesNamed(t, "*.go") {
		part := partToCopy.FindString(readFile(t, file))
		if !strings.HasPrefix(file, "examples") || part == "" {
			continue
		}
		parts++
		t.Run(filepath.ToSlash(file), func(t *testing.T) {
			t.Parallel()
			source := "package main\n\n" + importsOf(part) + part + "\n"
			if !strings.Contains(part, "func main()") {
				source += "\nfunc main() {}\n"
			}
			temp := t.TempDir()
			write(t, filepath.Join(temp, "main.go"), source)
			module := moduleOf(t, filepath.Dir(file))
			pasted, err := filepath.Abs(filepath.Join(module, "pasted", "main.go"))
			require.NoError(t, err)
			overlay, err := json.Marshal(map[string]any{
				"Replace": map[string]string{pasted: filepath.Join(temp, "main.go")},
			})
			require.NoError(t, err)
			write(t, filepath.Join(temp, "overlay.json"), string(overlay))
			build := exec.CommandContext(t.Context(), "go", "-C", module, "build",
				"-overlay", filepath.Join(temp, "overlay.json"), "-o", os.DevNull, "./pasted")
			out, err := build.CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
	require.GreaterOrEqual(t, parts, 2)
	for _, file := range filesNamed(t, "main.go") {
		for _, named := range saidToCopy.FindAllStringSubmatch(readFile(t, file), -1) {
			require.Regexp(t, partToCopy, readFile(t, filepath.Join(filepath.Dir(file), named[1])), file)
		}
	}
}

// moduleOf returns the directory of the module that a directory belongs to.
func moduleOf(t *testing.T, dir string) string {
	t.Helper()
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		require.NotEqual(t, ".", dir)
		dir = filepath.Dir(dir)
	}
}
