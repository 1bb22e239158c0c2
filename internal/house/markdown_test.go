package house_test

import (
	"fmt"
	"io/fs"
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
	codeFence   = regexp.MustCompile("(?s)```.*?```")
	codeSpan    = regexp.MustCompile("`[^`\n]+`")
	linkTarget  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingLine = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	testNamed   = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	testFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	packageUsed = regexp.MustCompile(`\b([a-z]+)\.[A-Z]`)
)

// importPaths are the packages that a block may use without importing them, by
// name.
var importPaths = map[string]string{
	"atomic": "sync/atomic", "context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http",
	"httptest": "net/http/httptest", "io": "io", "json": "encoding/json", "log": "log", "os": "os", "slog": "log/slog",
	"sql": "database/sql", "sync": "sync", "synctest": "testing/synctest", "testing": "testing", "time": "time",
	"tls": "crypto/tls", "url": "net/url",
	"passfort": "github.com/passfort-go/passfort", "verify": "github.com/passfort-go/passfort/verify",
	"passforttest": "github.com/passfort-go/passfort/passforttest",
}

// The Go of every Markdown file compiles as it is printed, in the module of a
// stranger: a program as a program, functions after the imports that they need.
func TestMarkdownGoCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the compiler")
	}
	t.Parallel()
	repository, err := filepath.Abs(".")
	require.NoError(t, err)
	dir := t.TempDir()
	mod := strings.Replace(readFile(t, "go.mod"), "module github.com/passfort-go/passfort",
		"module stranger.example/copied", 1)
	mod += fmt.Sprintf(
		"\nrequire github.com/passfort-go/passfort v0.0.0\n\nreplace github.com/passfort-go/passfort => %q\n",
		repository,
	)
	write(t, filepath.Join(dir, "go.mod"), mod)
	write(t, filepath.Join(dir, "go.sum"), readFile(t, "go.sum"))
	for _, file := range markdownFiles(t) {
		for i, block := range goBlock.FindAllStringSubmatch(readFile(t, file), -1) {
			source, name := block[1], "block.go"
			if !strings.HasPrefix(source, "package ") {
				source = "package copied\n\n" + importsOf(source) + source
			}
			if strings.Contains(source, "func Test") {
				name = "block_test.go"
			}
			page := strings.ToLower(strings.TrimSuffix(filepath.ToSlash(file), ".md"))
			write(t, filepath.Join(dir, page, fmt.Sprintf("block%d", i+1), name), source)
		}
	}

	vet := exec.CommandContext(t.Context(), "go", "vet", "./...")
	vet.Dir = dir
	vet.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := vet.CombinedOutput()
	require.NoError(t, err, string(out))
}

// Every relative link of every Markdown file leads to a file that exists, and
// to a heading where it names one.
func TestMarkdownLinks(t *testing.T) {
	t.Parallel()
	for _, file := range markdownFiles(t) {
		text := codeSpan.ReplaceAllString(codeFence.ReplaceAllString(readFile(t, file), ""), "")
		for _, link := range linkTarget.FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], ":") {
				continue // on another host
			}
			path, anchor, _ := strings.Cut(link[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), filepath.FromSlash(path))
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", file, link[1])
			if anchor != "" {
				require.Contains(t, anchorsOf(readFile(t, target)), anchor, "%s links to %s", file, link[1])
			}
		}
	}
}

// Every page of docs is linked from the README or from another page.
func TestMarkdownPagesAreFound(t *testing.T) {
	t.Parallel()
	files := markdownFiles(t)
	for _, page := range files {
		if filepath.Dir(page) != "docs" {
			continue
		}
		require.True(t, slices.ContainsFunc(files, func(file string) bool {
			return file != page && strings.Contains(readFile(t, file), filepath.Base(page)+")")
		}), page)
	}
}

// The tests that a page names outside of its Go exist, as whole names or, in
// a command, as the beginning of some.
func TestMarkdownNamesTests(t *testing.T) {
	t.Parallel()
	var tests []string
	for _, file := range filesNamed(t, "*_test.go") {
		for _, test := range testFunc.FindAllStringSubmatch(readFile(t, file), -1) {
			tests = append(tests, test[1])
		}
	}
	for _, file := range markdownFiles(t) {
		for _, name := range testNamed.FindAllString(goBlock.ReplaceAllString(readFile(t, file), ""), -1) {
			require.True(t, slices.ContainsFunc(tests, func(test string) bool {
				return strings.HasPrefix(test, name)
			}), "%s names %s", file, name)
		}
	}
}

func markdownFiles(t *testing.T) []string {
	t.Helper()
	files := filesNamed(t, "*.md")
	require.Contains(t, files, "README.md")
	return files
}

// filesNamed returns the files of the repository whose names match, of nested
// modules too.
func filesNamed(t *testing.T, pattern string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || len(path) > 1 && strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		matches, err := filepath.Match(pattern, entry.Name())
		if matches {
			files = append(files, path)
		}
		return err
	})
	require.NoError(t, err)
	return files
}

// anchorsOf returns the names that GitHub gives the headings of a page.
func anchorsOf(text string) []string {
	var anchors []string
	for _, heading := range headingLine.FindAllStringSubmatch(codeFence.ReplaceAllString(text, ""), -1) {
		name := notInAnchor.ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(name, " ", "-"))
	}
	return anchors
}

func importsOf(source string) string {
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
