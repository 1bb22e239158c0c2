package house_test

import (
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

	"github.com/stretchr/testify/require"
)

// simulatorFiles parses the code of passforttest.
func simulatorFiles(t *testing.T) (*token.FileSet, map[string]*ast.File) {
	t.Helper()
	paths, err := filepath.Glob("passforttest/*.go")
	require.NoError(t, err)
	fset, files := token.NewFileSet(), map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files[path], err = parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
	}
	return fset, files
}

// receiver returns the name of the type that a declaration is a method of, or "".
func receiver(d ast.Decl) string {
	method, is := d.(*ast.FuncDecl)
	if !is || method.Recv == nil {
		return ""
	}
	kind := method.Recv.List[0].Type
	if star, is := kind.(*ast.StarExpr); is {
		kind = star.X
	}
	name, _ := kind.(*ast.Ident)
	return name.String()
}

// The rules of the simulator stand in files that do not know HTTP.
func TestRulesDoNotKnowHTTP(t *testing.T) {
	t.Parallel()
	_, files := simulatorFiles(t)
	rules := 0
	for path, file := range files {
		if !slices.ContainsFunc(file.Decls, func(d ast.Decl) bool { return receiver(d) == "world" }) {
			continue
		}
		rules++
		for _, spec := range file.Imports {
			require.NotContains(t, spec.Path.Value, "net/http", path)
		}
	}
	require.Greater(t, rules, 15)
}

// What a rule can get at from its receiver and its arguments has no ResponseWriter and
// no Server in it.
func TestRulesReachNoServer(t *testing.T) {
	t.Parallel()
	fset, files := simulatorFiles(t)
	exports := exportData(t, "./passforttest")
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	all := make([]*ast.File, 0, len(files))
	for _, file := range files {
		all = append(all, file)
	}
	simulator, err := conf.Check("passforttest", fset, all, nil)
	require.NoError(t, err)
	world, is := simulator.Scope().Lookup("world").Type().(*types.Named)
	require.True(t, is)

	reached := map[types.Type]bool{}
	var visit func(types.Type, string)
	visit = func(kind types.Type, from string) {
		if reached[kind] {
			return
		}
		reached[kind] = true
		switch kind := kind.(type) {
		case *types.Pointer:
			visit(kind.Elem(), from)
		case *types.Slice:
			visit(kind.Elem(), from)
		case *types.Chan:
			visit(kind.Elem(), from)
		case *types.Map:
			visit(kind.Key(), from)
			visit(kind.Elem(), from)
		case *types.Signature:
			visit(kind.Params(), from)
			visit(kind.Results(), from)
		case *types.Tuple:
			for v := range kind.Variables() {
				visit(v.Type(), from)
			}
		case *types.Struct:
			for field := range kind.Fields() {
				visit(field.Type(), from+"."+field.Name())
			}
		case *types.Named:
			name := kind.String()
			require.NotContains(t, []string{"net/http.ResponseWriter", "passforttest.Server"}, name, from)
			if kind.Obj().Pkg() != simulator {
				return
			}
			visit(kind.Underlying(), name)
			for method := range kind.Methods() {
				visit(method.Type(), name+"."+method.Name())
			}
		}
	}
	visit(world, "")
	require.Greater(t, len(reached), 100)
}

// exportData returns the files with the exported types of everything that a package
// imports, by import path.
func exportData(t *testing.T, pattern string) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f",
		"{{.ImportPath}}\t{{.Export}}", pattern).Output()
	require.NoError(t, err)
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	return exports
}

// Server has the control methods and HTTP; what is a rule is a method of world.
func TestServerStaysSmall(t *testing.T) {
	t.Parallel()
	_, files := simulatorFiles(t)
	var own []string
	for _, file := range files {
		for _, d := range file.Decls {
			if method, is := d.(*ast.FuncDecl); is && receiver(d) == "Server" && !method.Name.IsExported() {
				own = append(own, method.Name.Name)
			}
		}
	}
	require.NotEmpty(t, own)
	require.LessOrEqual(t, len(own), 20, own)
}

// A method of world that takes the lock says so, and no other one calls it: that would
// wait for itself.
func TestLockOfTheWorld(t *testing.T) {
	t.Parallel()
	_, files := simulatorFiles(t)
	methods := map[string]*ast.FuncDecl{}
	takes := map[string]bool{}
	for path, file := range files {
		for _, d := range file.Decls {
			if receiver(d) != "world" {
				continue
			}
			method, is := d.(*ast.FuncDecl)
			require.True(t, is)
			name := method.Name.Name
			methods[name] = method
			called := callsOnReceiver(method)
			takes[name] = strings.Contains(strings.Join(strings.Fields(method.Doc.Text()), " "), "takes the lock")
			locks := slices.Contains(called, "mu.Lock") || slices.Contains(called, "enter")
			releases := slices.Index(called, "mu.Unlock") >= 0 &&
				slices.Index(called, "mu.Unlock") < slices.Index(called, "mu.Lock")
			if !releases {
				require.Equal(t, locks, takes[name], "%s: %s", path, name)
			}
		}
	}
	require.True(t, takes["enter"])
	for name, method := range methods {
		if takes[name] {
			continue
		}
		for _, other := range callsOnReceiver(method) {
			require.False(t, takes[other], "%s calls %s", name, other)
		}
	}
}

// callsOnReceiver returns what a method calls on its receiver, in order, but for what
// it leaves to another goroutine.
func callsOnReceiver(method *ast.FuncDecl) []string {
	if len(method.Recv.List[0].Names) == 0 {
		return nil
	}
	self := method.Recv.List[0].Names[0].Name
	var called []string
	ast.Inspect(method.Body, func(n ast.Node) bool {
		call, is := n.(*ast.CallExpr)
		if !is {
			return true
		}
		name := types.ExprString(call.Fun)
		rest, own := strings.CutPrefix(name, self+".")
		if own {
			called = append(called, rest)
		}
		return !strings.HasSuffix(name, ".Go") && rest != "start"
	})
	return called
}
