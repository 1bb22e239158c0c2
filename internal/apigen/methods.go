package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checked is the package with its types, as the compiler sees them.
type checked struct {
	info    types.Info
	methods map[string]*ast.FuncDecl // by Type.Method
	docs    map[string]string        // of types
}

// listed asks for the files of the package in dir and for the exported types of what it
// imports, by import path.
func listed(ctx context.Context, dir string) (names []string, exports map[string]string, err error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-export", "-deps",
		"-json=Dir,ImportPath,Export,GoFiles,DepOnly", ".")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	exports = map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			Dir, ImportPath, Export string
			GoFiles                 []string
			DepOnly                 bool
		}
		if err := dec.Decode(&p); err != nil {
			return nil, nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			for _, name := range p.GoFiles {
				names = append(names, filepath.Join(p.Dir, name))
			}
		}
	}
	return names, exports, nil
}

// check finds out the types of the files of a package.
func check(fset *token.FileSet, files []*ast.File, exports map[string]string) (*checked, error) {
	c := &checked{
		info:    types.Info{Types: map[ast.Expr]types.TypeAndValue{}},
		methods: map[string]*ast.FuncDecl{}, docs: map[string]string{},
	}
	from := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	if _, err := (&types.Config{Importer: from}).Check("passfort", fset, files, &c.info); err != nil {
		return nil, err
	}
	for _, file := range files {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv != nil {
					of := strings.TrimPrefix(types.ExprString(decl.Recv.List[0].Type), "*")
					c.methods[of+"."+decl.Name.Name] = decl
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if spec, is := spec.(*ast.TypeSpec); is {
						c.docs[spec.Name.Name] = decl.Doc.Text() + spec.Doc.Text()
					}
				}
			}
		}
	}
	return c, nil
}

// shapeOf returns what the method of an operation says: what it sends and returns, and
// what its comment begins with.
func (c *checked) shapeOf(op operation) (shape, error) {
	service, name, isOfService := strings.Cut(op.name, ".")
	if isOfService {
		service += "Service"
	} else {
		service, name = "Client", service
	}
	method := c.methods[service+"."+name]
	if method == nil {
		return shape{}, fmt.Errorf("%s has no method", op.name)
	}
	comment := method.Doc.Text()
	s := shape{summary: summaryOf(comment, name)}
	for _, text := range []string{comment, c.docs[service]} {
		if page := pageName.FindStringSubmatch(text); page != nil && s.page == "" {
			s.page = page[1]
		}
	}
	if answer := c.info.TypeOf(method.Type.Results.List[0].Type); answer.String() != "error" {
		s.answer, _ = typeText(answer)
		s.id = hasIdentity(answer)
	}
	ast.Inspect(method.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, is := n.Key.(*ast.Ident); is {
				s.sends(key.Name, c.info.TypeOf(n.Value))
			}
		case *ast.AssignStmt:
			if to, is := n.Lhs[0].(*ast.SelectorExpr); is && c.info.TypeOf(to.X).String() == "passfort.call" {
				s.sends(to.Sel.Name, c.info.TypeOf(n.Rhs[0]))
			}
		}
		return true
	})
	return s, nil
}

// over returns what a method says with what s says in place of it.
func (s shape) over(said shape) shape {
	if s.query != "" {
		said.query, said.queryParts = s.query, inline[s.query]
	}
	if s.body != "" {
		said.body, said.bodyParts, said.required = s.body, inline[s.body], nil
	}
	said.required = append(said.required, s.required...)
	said.answer, said.etag = cmp.Or(s.answer, said.answer), s.etag
	said.summary, said.page = cmp.Or(s.summary, said.summary), cmp.Or(s.page, said.page)
	said.id = said.id && !s.unnamed
	return said
}

// hasIdentity reports whether the API gives what is answered an id.
func hasIdentity(answer types.Type) bool {
	set := types.NewMethodSet(answer)
	for method := range set.Methods() {
		if method.Obj().Name() == "identity" {
			return true
		}
	}
	return false
}

// sends notes the type of the member of a call, if it is the query or the body.
func (s *shape) sends(member string, typ types.Type) {
	switch member {
	case "query":
		s.query, s.queryParts = typeText(typ)
	case "body":
		s.body, s.bodyParts = typeText(typ)
		for _, p := range s.bodyParts {
			s.required = append(s.required, p.name)
		}
	}
}

// typeText returns the name of a type, with "[]" before that of an element, or the
// members of one without a name.
func typeText(typ types.Type) (string, []part) {
	switch typ := typ.(type) {
	case *types.Pointer:
		return typeText(typ.Elem())
	case *types.Slice:
		name, _ := typeText(typ.Elem())
		return "[]" + name, nil
	case *types.Named:
		return typ.Obj().Name(), nil
	case *types.Basic:
		return typ.Name(), nil
	case *types.Struct:
		var parts []part
		for i := range typ.NumFields() {
			tag := reflect.StructTag(typ.Tag(i))
			name, _, _ := strings.Cut(tag.Get("json")+tag.Get("url"), ",")
			kind, _ := typeText(typ.Field(i).Type())
			parts = append(parts, part{name: name, typ: kind})
		}
		return "", parts
	}
	return "", nil
}

var pageName = regexp.MustCompile(`\bdocs/api/([a-z-]+\.md#[a-z0-9-]+)`)

// summaryOf returns the first sentence of the comment of a method, without its name.
func summaryOf(comment, name string) string {
	text := (&doc.Package{}).Synopsis(pageMark.ReplaceAllString(comment, ""))
	text = strings.TrimSuffix(strings.TrimPrefix(text, name+" "), ".")
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
