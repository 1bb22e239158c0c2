package house_test

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/passfort-go/passfort"

// The files that one opens to follow a call to the socket are those of CONTRIBUTING.md,
// and few: of each function between the call and net/http, and of what these call.
func TestWalks(t *testing.T) {
	t.Parallel()
	_, section, found := strings.Cut(readFile(t, "CONTRIBUTING.md"), "### Walks\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	listed := map[string][]string{}
	for _, cells := range tableRows(section) {
		require.Len(t, cells, 2)
		for file := range strings.SplitSeq(strings.ReplaceAll(cells[1], "`", ""), ", ") {
			listed[strings.Trim(cells[0], "`")] = append(listed[strings.Trim(cells[0], "`")], file)
		}
	}
	calls := callsOf(t)
	for _, walk := range []struct {
		call, function string
		most           int
	}{
		{"Checks.Run", "(*" + module + ".ChecksService).Run", 12},
		{"CollectedData.Update", "(*" + module + ".CollectedDataService).Update", 15},
		{"Files.Upload", "(*" + module + ".FilesService).Upload", 15},
	} {
		files := calls.walk(walk.function, "(*net/http.Client).Do")
		require.LessOrEqual(t, len(files), walk.most, walk.call)
		assert.Equal(t, files, listed[walk.call], "%s: `%s`", walk.call, strings.Join(files, "`, `"))
	}
}

// calls knows the functions of the SDK, by full name.
type calls struct {
	files map[string]string   // where each is, in this module only
	uses  map[string][]string // what each of them calls, or hands on
}

// walk returns the files of the functions on the ways between two of them, and of
// those that they call.
func (c calls) walk(from, to string) []string {
	leads := map[string]bool{to: true} // whether a function leads there
	for grown := true; grown; {
		grown = false
		for caller, used := range c.uses {
			if !leads[caller] && slices.ContainsFunc(used, func(name string) bool { return leads[name] }) {
				leads[caller], grown = true, true
			}
		}
	}
	var files []string
	open := func(name string) {
		if file := c.files[name]; file != "" && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	seen := map[string]bool{}
	var follow func(name string)
	follow = func(name string) {
		if seen[name] || !leads[name] {
			return
		}
		seen[name] = true
		open(name)
		for _, used := range c.uses[name] {
			open(used)
			follow(used)
		}
	}
	follow(from)
	slices.Sort(files)
	return files
}

// callsOf reads the functions of the SDK and of the loop of attempts below it.
func callsOf(t *testing.T) calls {
	t.Helper()
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps",
		"-json=ImportPath,Dir,Export,GoFiles", ".").Output()
	require.NoError(t, err)
	exports := map[string]string{}
	var sources []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		require.NoError(t, dec.Decode(&p))
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, module) || strings.HasSuffix(p.ImportPath, "/go-retryablehttp") {
			sources = append(sources, p)
		}
	}
	fset := token.NewFileSet()
	from := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	root, err := os.Getwd()
	require.NoError(t, err)
	c := calls{files: map[string]string{}, uses: map[string][]string{}}
	for _, p := range sources {
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
		info := types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
		_, err := (&types.Config{Importer: from}).Check(p.ImportPath, fset, files, &info)
		require.NoError(t, err)
		for _, file := range files {
			for _, decl := range file.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
					name := info.Defs[fn.Name].(*types.Func).FullName()
					path, err := filepath.Rel(root, fset.Position(fn.Pos()).Filename)
					if err == nil && filepath.IsLocal(path) {
						c.files[name] = filepath.ToSlash(path)
					}
					c.uses[name] = functionsIn(fn.Body, info)
				}
			}
		}
	}
	return c
}

// functionsIn returns the functions that a body names, in the order it does.
func functionsIn(body *ast.BlockStmt, info types.Info) []string {
	var names []string
	ast.Inspect(body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if fn, ok := info.Uses[id].(*types.Func); ok {
				names = append(names, fn.Origin().FullName())
			}
		}
		return true
	})
	return names
}
