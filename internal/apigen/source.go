package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// source is what the files of package passfort declare.
type source struct {
	structs    map[string]*structure
	enums      map[string]*enum
	operations []operation
	events     []event
	shapes     map[string]shape // by operation
}

// structure is a struct with tags of JSON or of a query.
type structure struct {
	doc    string
	fields []field
	model  bool // it keeps members that it has no field for
}

type field struct {
	goName, name string
	typ          ast.Expr
	doc          string
}

// enum is a string type with constants.
type enum struct {
	doc    string
	values []string
}

// operation is a row of the operations table.
type operation struct {
	name, method, route, class, charged, since, sure string
	rateLimited                                      bool
}

// event is a webhook event.
type event struct{ name, doc string }

// read parses the package in dir.
func read(ctx context.Context, dir string) (*source, error) {
	paths, exports, err := listed(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &source{structs: map[string]*structure{}, enums: map[string]*enum{}, shapes: map[string]shape{}}
	var files, generated []*ast.File
	fset := token.NewFileSet()
	for _, path := range paths {
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if ast.IsGenerated(file) {
			generated = append(generated, file)
		} else {
			files = append(files, file)
		}
	}
	// Types first: a constant may be in another file than its type.
	for _, file := range files {
		for _, decl := range file.Decls {
			if decl, ok := decl.(*ast.GenDecl); ok && decl.Tok == token.TYPE {
				s.addTypes(decl)
			}
		}
	}
	for _, file := range files {
		for _, decl := range file.Decls {
			decl, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.ValueSpec); ok {
					s.addValue(spec)
				}
			}
		}
	}
	if len(s.operations) == 0 || len(s.events) == 0 {
		return nil, fmt.Errorf("no operations or no events in %s", dir)
	}
	c, err := check(fset, slices.Concat(files, generated), exports)
	if err != nil {
		return nil, err
	}
	for _, op := range s.operations {
		said, err := c.shapeOf(op)
		if err != nil {
			return nil, err
		}
		s.shapes[op.name] = shapes[op.name].over(said)
	}
	return s, nil
}

func (s *source) addTypes(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		spec := spec.(*ast.TypeSpec)
		doc := spec.Doc
		if doc == nil {
			doc = decl.Doc
		}
		switch typ := spec.Type.(type) {
		case *ast.StructType:
			s.structs[spec.Name.Name] = structureOf(typ, doc.Text())
		case *ast.Ident:
			if typ.Name == "string" && spec.Name.IsExported() {
				s.enums[spec.Name.Name] = &enum{doc: doc.Text()}
			}
		}
	}
}

func structureOf(typ *ast.StructType, doc string) *structure {
	st := &structure{doc: doc}
	for _, f := range typ.Fields.List {
		if len(f.Names) == 0 || f.Tag == nil {
			continue
		}
		raw, _ := strconv.Unquote(f.Tag.Value)
		tag := reflect.StructTag(raw)
		for _, ident := range f.Names {
			if ident.Name == "Unknown" {
				st.model = true
				continue
			}
			name, _, _ := strings.Cut(tag.Get("url"), ",")
			if name == "" {
				name, _, _ = strings.Cut(tag.Get("json"), ",")
			}
			if name == "" || name == "-" {
				continue
			}
			st.fields = append(st.fields, field{
				goName: ident.Name, name: name, typ: f.Type, doc: f.Doc.Text() + f.Comment.Text(),
			})
		}
	}
	return st
}

func (s *source) addValue(spec *ast.ValueSpec) {
	if len(spec.Names) != 1 || len(spec.Values) != 1 {
		return
	}
	if spec.Names[0].Name == "operations" {
		for _, row := range spec.Values[0].(*ast.CompositeLit).Elts {
			s.operations = append(s.operations, operationOf(row.(*ast.CompositeLit)))
		}
		return
	}
	typ, isTyped := spec.Type.(*ast.Ident)
	if !isTyped || s.enums[typ.Name] == nil {
		return
	}
	known, err := types.Eval(token.NewFileSet(), nil, token.NoPos, types.ExprString(spec.Values[0]))
	if err != nil {
		return
	}
	value := constant.StringVal(known.Value)
	if typ.Name == "EventName" {
		_, doc, _ := strings.Cut(spec.Doc.Text(), ": ")
		if doc == "" {
			_, doc, _ = strings.Cut(spec.Doc.Text(), " is ")
			doc = "Is " + doc
		}
		s.events = append(s.events, event{value, doc})
	}
	if of := s.enums[typ.Name]; !slices.Contains(of.values, value) {
		of.values = append(of.values, value)
	}
}

func operationOf(row *ast.CompositeLit) operation {
	var op operation
	for _, e := range row.Elts {
		pair := e.(*ast.KeyValueExpr)
		text := ""
		switch v := pair.Value.(type) {
		case *ast.BasicLit:
			text, _ = strconv.Unquote(v.Value)
		case *ast.Ident:
			text = v.Name
		}
		switch pair.Key.(*ast.Ident).Name {
		case "name":
			op.name = text
		case "method":
			op.method = map[string]string{"get": "get", "post": "post", "del": "delete"}[text]
		case "route":
			op.route = text
		case "class":
			op.class = text
		case "charged":
			op.charged = text
		case "since":
			op.since = text
		case "sure":
			op.sure = text
		case "rateLimited":
			op.rateLimited = text == "true"
		}
	}
	return op
}

var (
	pageMark = regexp.MustCompile(`\s*\((?:[^()]*\b)?docs/[a-z/-]+\.md\b[^()]*\)`)
	pointer  = regexp.MustCompile(`(?:^| )(?:See|It is what|For all pages see) [^.]*(?:\.[A-Z][^.]*)*\.`)
	spaces   = regexp.MustCompile(`\s+`)
)

// prose makes a comment of Go a description of the API: without where
// facts stand and what points to Go, and with the names of members as they are on
// the wire.
func prose(doc string, own string, fields []field) string {
	doc = pageMark.ReplaceAllString(doc, "")
	doc = spaces.ReplaceAllString(strings.TrimSpace(doc), " ")
	doc = pointer.ReplaceAllString(doc, "")
	for _, f := range fields {
		name := regexp.MustCompile(`\b` + f.goName + `\b`)
		doc = name.ReplaceAllString(doc, "`"+f.name+"`")
	}
	if own != "" {
		doc = strings.Replace(doc, own+" is ", "Is ", 1)
	}
	return strings.TrimSpace(doc)
}
