package passfort_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	goBlock     = regexp.MustCompile("(?s)```go\n(.*?)```")
	testName    = regexp.MustCompile("`(Test[A-Z]\\w*)`")
	linkTarget  = regexp.MustCompile(`\]\(([^)#:]+)\)`)
	packageUsed = regexp.MustCompile(`\b([a-z]+)\.[A-Z]`)
)

// importPaths are the packages that a block of the README may use without
// importing them, by name.
var importPaths = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "testing": "testing",
	"passfort": "github.com/passfort-go/passfort", "passforttest": "github.com/passfort-go/passfort/passforttest",
}

// The Go of the README compiles as it is printed, in the module of a stranger:
// a program as a program, functions after the imports that they need.
func TestReadmeCompiles(t *testing.T) {
	t.Parallel()
	blocks := goBlock.FindAllStringSubmatch(readFile(t, "README.md"), -1)
	require.NotEmpty(t, blocks)
	require.True(t, strings.HasPrefix(blocks[0][1], "package main\n"), "the first block is a whole program")

	repository, err := filepath.Abs(".")
	require.NoError(t, err)
	dir := t.TempDir()
	mod := strings.Replace(readFile(t, "go.mod"), "module github.com/passfort-go/passfort", "module stranger.example/readme", 1)
	mod += fmt.Sprintf("\nrequire github.com/passfort-go/passfort v0.0.0\n\nreplace github.com/passfort-go/passfort => %q\n", repository)
	write(t, filepath.Join(dir, "go.mod"), mod)
	write(t, filepath.Join(dir, "go.sum"), readFile(t, "go.sum"))
	for i, block := range blocks {
		source, name := block[1], "block.go"
		if !strings.HasPrefix(source, "package ") {
			source = "package readme\n\n" + importsOf(t, source) + source
		}
		if strings.Contains(source, "func Test") {
			name = "block_test.go"
		}
		write(t, filepath.Join(dir, fmt.Sprintf("block%d", i+1), name), source)
	}

	vet := exec.CommandContext(t.Context(), "go", "vet", "./...")
	vet.Dir = dir
	vet.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := vet.CombinedOutput()
	require.NoError(t, err, string(out))
}

// The quickstart of the README is the one that an example runs.
func TestReadmeQuickstartRuns(t *testing.T) {
	t.Parallel()
	blocks := goBlock.FindAllStringSubmatch(readFile(t, "README.md"), -1)
	require.GreaterOrEqual(t, len(blocks), 2)
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

// The files that the README links to exist.
func TestReadmeLinks(t *testing.T) {
	t.Parallel()
	links := linkTarget.FindAllStringSubmatch(readFile(t, "README.md"), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		_, err := os.Stat(link[1])
		require.NoError(t, err)
	}
}

// The tests that the README names exist.
func TestReadmeNamesTests(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			tests.WriteString(readFile(t, file))
		}
	}
	named := testName.FindAllStringSubmatch(readFile(t, "README.md"), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		require.Contains(t, tests.String(), "func "+name[1]+"(t ", name[1])
	}
}

func importsOf(t *testing.T, source string) string {
	t.Helper()
	var paths []string
	for _, used := range packageUsed.FindAllStringSubmatch(source, -1) {
		if path := importPaths[used[1]]; path != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	var b strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&b, "import %q\n", path)
	}
	return b.String() + "\n"
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}
