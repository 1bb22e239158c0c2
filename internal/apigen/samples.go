package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"path/filepath"
	"strconv"
	"strings"
)

// samples returns how each operation is called in Go, by its name: the calls of
// package cases, with names in place of what only tests have.
func samples(root string) (map[string]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, filepath.Join(root, "internal", "cases", "cases.go"), nil,
		parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		row, is := n.(*ast.CompositeLit)
		if !is || len(row.Elts) < 2 {
			return true
		}
		name, isText := row.Elts[0].(*ast.BasicLit)
		fn, isFunc := row.Elts[1].(*ast.FuncLit)
		if !isText || !isFunc {
			return true
		}
		call := fn.Body.List[len(fn.Body.List)-1].(*ast.ReturnStmt).Results[0].(*ast.CallExpr)
		results := "err"
		if types.ExprString(call.Fun) == "failed" {
			call, results = call.Args[0].(*ast.CallExpr), "result, err"
		}
		forReaders(call)
		var b bytes.Buffer
		err = (&printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 4}).Fprint(&b, fset, call)
		if err != nil {
			return false
		}
		lines := strings.Split(b.String(), "\n")
		for i, line := range lines {
			lines[i] = strings.ReplaceAll(strings.Replace(line, "\t\t\t", "", 1), "\t", "    ")
		}
		operation, _ := strconv.Unquote(name.Value)
		all[operation] = results + " := " + strings.Join(lines, "\n")
		return false
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no cases in %s", file.Name)
	}
	return all, err
}

// forReaders gives what a call of the tests names the names of a program.
func forReaders(call *ast.CallExpr) {
	rename := func(e ast.Expr) ast.Expr {
		switch text := types.ExprString(e); text {
		case "at.Asked":
			return ast.NewIdent("profileID")
		case "at.Rejected":
			return ast.NewIdent("applicationID")
		case "at.ETag":
			return ast.NewIdent("etag")
		case "strings.NewReader(scan)":
			return ast.NewIdent("file")
		default:
			if id, is := strings.CutPrefix(text, "at."); is {
				return ast.NewIdent(strings.ToLower(id[:1]) + id[1:] + "ID")
			}
			return e
		}
	}
	ast.Inspect(call, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			for i, arg := range n.Args {
				n.Args[i] = rename(arg)
			}
		case *ast.CompositeLit:
			for i, e := range n.Elts {
				n.Elts[i] = rename(e)
			}
		case *ast.KeyValueExpr:
			n.Value = rename(n.Value)
		case *ast.Ident:
			if n.Name == "c" {
				n.Name = "client"
			}
		}
		return true
	})
}
