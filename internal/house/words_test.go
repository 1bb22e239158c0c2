package house_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// terms returns the table of words of CONTRIBUTING.md: what is written, and
// instead of what.
func terms(t *testing.T) map[string][]string {
	t.Helper()
	_, after, found := strings.Cut(readFile(t, "CONTRIBUTING.md"), "### Words\n")
	require.True(t, found)
	section, _, _ := strings.Cut(after, "\n## ")
	words := map[string][]string{}
	for _, cells := range tableRows(section) {
		require.Len(t, cells, 2, cells)
		words[cells[0]] = strings.Split(cells[1], ", ")
	}
	require.NotEmpty(t, words)
	return words
}

// inComments matches what a line of Go says in words: a comment, to its end.
var inComments = regexp.MustCompile(`(?m)(?:^|[\t ])//[ ](.*)$`)

// Comments and pages use the words of the table, and not those beside them.
func TestWords(t *testing.T) {
	t.Parallel()
	avoided := map[*regexp.Regexp]string{}
	for word, instead := range terms(t) {
		for _, other := range instead {
			avoided[regexp.MustCompile(`(?i)\b`+regexp.QuoteMeta(other)+`\b`)] = word
		}
	}
	check := func(file, text string) {
		for pattern, word := range avoided {
			if pattern.MatchString(text) {
				t.Errorf("%s: write %q: %s", file, word, text)
			}
		}
	}
	for _, file := range filesNamed(t, "*.go") {
		if strings.HasPrefix(file, "internal/house/") {
			continue
		}
		for _, comment := range inComments.FindAllStringSubmatch(readFile(t, file), -1) {
			check(file, comment[1])
		}
	}
	for _, file := range markdownFiles(t) {
		if file == "CHANGELOG.md" {
			continue
		}
		text := readFile(t, file)
		if file == "CONTRIBUTING.md" {
			before, after, _ := strings.Cut(text, "### Words\n")
			_, after, _ = strings.Cut(after, "\n## ")
			text = before + after
		}
		text = codeSpan.ReplaceAllString(codeFence.ReplaceAllString(text, ""), "")
		for paragraph := range strings.SplitSeq(text, "\n\n") {
			check(file, strings.ReplaceAll(paragraph, "\n", " "))
		}
	}
}

// What users of the library cannot open is not named as a source.
func TestSourcesCanBeOpened(t *testing.T) {
	t.Parallel()
	sheet := regexp.MustCompile(`(?i)\bsheet \d`)
	for _, name := range []string{"*.go", "*.md", "*.tsv", "*.html"} {
		for _, file := range filesNamed(t, name) {
			require.NotRegexp(t, sheet, readFile(t, file), file)
		}
	}
}

// little are words that add nothing to a name.
var little = strings.Fields("a an and are be for in is it its of on one or that the this to")

// saysNothing reports whether the first sentence of a comment has only words of the
// name that it is about.
func saysNothing(name, comment string) bool {
	rest, ofName := strings.CutPrefix(strings.Join(strings.Fields(comment), " "), name+" ")
	sentence, _, _ := strings.Cut(rest+" ", ". ")
	stem := func(word string) string { return strings.TrimRight(strings.ToLower(word), "es") }
	var known []string
	for _, word := range words(name) {
		known = append(known, stem(word))
	}
	said := strings.FieldsFunc(sentence, func(r rune) bool { return !unicode.IsLetter(r) })
	said = slices.DeleteFunc(said, func(word string) bool {
		return slices.Contains(little, word) || slices.Contains(known, stem(word))
	})
	return ofName && len(said) == 0
}

// A comment says something that the name does not: "BankAccount is a bank account" goes.
func TestCommentsSaySomething(t *testing.T) {
	t.Parallel()
	require.True(t, saysNothing("BankAccount", "BankAccount is a bank account."))
	require.True(t, saysNothing("CompanyAddress", "CompanyAddress is an address of a company. Type may be missing."))
	require.False(t, saysNothing("BankAccount", "BankAccount is an account that a person gave."))
	commented := 0
	for _, path := range filesNamed(t, "*.go") {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		if ast.IsGenerated(file) {
			continue
		}
		check := func(name *ast.Ident, doc *ast.CommentGroup) {
			if doc != nil {
				commented++
				assert.False(t, saysNothing(name.Name, doc.Text()), "%s: %s", path, doc.Text())
			}
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				check(decl.Name, decl.Doc)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if spec, is := spec.(*ast.TypeSpec); is {
						check(spec.Name, cmp.Or(spec.Doc, decl.Doc))
					}
				}
			}
		}
	}
	require.Greater(t, commented, 2000)
}
