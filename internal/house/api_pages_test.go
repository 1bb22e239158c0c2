package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const leftOut = "docs/api/left-out.md"

var (
	codeSpans   = regexp.MustCompile("`([^`\n]+)`")
	switchNamed = regexp.MustCompile("`(CreatedStatus|[A-Z][a-z]+[A-Za-z]*)`")
	inWords     = regexp.MustCompile(`[A-Za-z0-9_+.-]+`)
)

// sourceMarks are the kinds of sources that docs/api/README.md explains.
var sourceMarks = []string{
	"guide", "help", "help 2019", "help 2022", "help 2024", "help 2025", "changelog", "2019", "2022", "client",
	"partner", "migration", "guess",
	"none found", "not known", "",
}

// certainties are what a fact's mark of certainty begins with.
var certainties = []string{"high", "medium", "low", "guess", "unknown", "switch", "option", ""}

// Every section of the notes that all sources were gathered in has its heading
// on a page, and none was forgotten.
func TestAPIPagesCoverTheSources(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, row := range tsv(t, "testdata/api_pages.tsv") {
		section, _, _ := strings.Cut(row[0], " (")
		covered[section] = true
		page, anchor, _ := strings.Cut(row[1], "#")
		require.Contains(t, anchorsOf(readFile(t, page)), anchor, row)
	}
	for chapter, sections := range []int{1: 11, 2: 18, 3: 10, 4: 10, 5: 7, 6: 4} {
		for section := range sections {
			require.True(t, covered[fmt.Sprintf("facts %d.%d", chapter, section+1)], "facts %d.%d", chapter, section+1)
		}
	}
	for _, section := range strings.Fields("1 2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.8 2.9 2.10 2.11 3 4 5 6 7") {
		require.True(t, covered["2026 "+section], "2026 %s", section)
	}
}

// Every member and value of the data model, and every other name of the
// sources, stands on a page.
func TestAPIPagesNameEverything(t *testing.T) {
	t.Parallel()
	onPages := names(t, apiPages(t))
	for _, row := range tsv(t, "testdata/model_fields.tsv") {
		name := row[1]
		if row[0] == "enum" {
			name = row[2]
		}
		require.True(t, onPages[name], "no page names %s of %s", name, row[0])
	}
	for _, row := range tsv(t, "testdata/api_names.tsv") {
		require.True(t, onPages[row[1]], "no page names %s", row)
	}
}

// What the list of what was left out names is on no other page, and each row
// has its reason.
func TestAPIPagesLeaveOutOnlyWhatIsListed(t *testing.T) {
	t.Parallel()
	onPages := names(t, slices.DeleteFunc(apiPages(t), func(page string) bool { return page == leftOut }))
	rows := 0
	for _, cells := range tableRows(readFile(t, leftOut)) {
		rows++
		require.Len(t, cells, 3)
		require.NotEmpty(t, cells[2], cells)
		for _, span := range codeSpans.FindAllStringSubmatch(cells[0], -1) {
			require.False(t, onPages[span[1]], "%s is on a page", span[1])
		}
	}
	require.NotZero(t, rows)
}

// A table of facts says of each where it is from and how sure it is, in the
// words that the first page explains.
func TestAPIPagesMarkTheirFacts(t *testing.T) {
	t.Parallel()
	facts := 0
	for _, page := range apiPages(t) {
		var header []string
		for _, line := range strings.Split(readFile(t, page), "\n") {
			cells := cellsOf(line)
			switch {
			case cells == nil:
				header = nil
				continue
			case header == nil:
				header = cells
				continue
			case strings.HasPrefix(cells[0], "---"):
				continue
			}
			require.Len(t, cells, len(header), "%s: %s", page, line)
			if page == leftOut {
				continue
			}
			if i := slices.Index(header, "Source"); i >= 0 {
				facts++
				marks, _, _ := strings.Cut(cells[i], ";")
				for mark := range strings.SplitSeq(marks, ",") {
					require.True(t, isMark(strings.TrimSpace(mark)), "%s: source %q in %s", page, mark, line)
				}
			}
			if i := slices.Index(header, "Sure"); i >= 0 && page != "docs/api/webhooks.md" {
				sure := func(mark string) bool {
					return cells[i] == mark || mark != "" && strings.HasPrefix(cells[i], mark)
				}
				require.True(t, slices.ContainsFunc(certainties, sure), "%s: certainty %q", page, cells[i])
			}
		}
	}
	require.Greater(t, facts, 100)
}

// isMark reports whether text begins with a source's mark, perhaps with a few
// words after it.
func isMark(text string) bool {
	return slices.ContainsFunc(sourceMarks, func(mark string) bool {
		return text == mark || mark != "" && strings.HasPrefix(text, mark+" ")
	})
}

// Every switch of the simulator is named beside the disagreement that it plays,
// and what the pages call a switch is one.
func TestAPIPagesNameEverySwitch(t *testing.T) {
	t.Parallel()
	switches := fieldsOf(t, "passforttest/switches.go", "Switches")
	require.NotEmpty(t, switches)
	onPages := names(t, apiPages(t))
	for _, name := range switches {
		require.True(t, onPages[name], "no page names the switch %s", name)
	}
	named := regexp.MustCompile("[Ss]witch(?:es)? ((?:`[A-Za-z]+`(?:, | and )?)+)")
	for _, page := range apiPages(t) {
		for _, list := range named.FindAllStringSubmatch(strings.ReplaceAll(readFile(t, page), "\n", " "), -1) {
			for _, name := range switchNamed.FindAllStringSubmatch(list[1], -1) {
				require.Contains(t, switches, name[1], page)
			}
		}
	}
}

// What comments of the code name as a place in docs is there.
func TestAPIPagesAreWhereCommentsSay(t *testing.T) {
	t.Parallel()
	place := regexp.MustCompile(`\b(docs/[a-z/-]+\.md)(?:#([a-z0-9-]+))?`)
	for _, file := range filesNamed(t, "*.go") {
		for _, found := range place.FindAllStringSubmatch(readFile(t, file), -1) {
			require.FileExists(t, found[1], file)
			if found[2] != "" {
				require.Contains(t, anchorsOf(readFile(t, found[1])), found[2], "%s names %s", file, found[0])
			}
		}
	}
}

func apiPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("docs/api/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	return pages
}

// names returns what stands between backticks on the pages: as it is, and each
// of its words.
func names(t *testing.T, pages []string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, page := range pages {
		text := readFile(t, page)
		for _, span := range codeSpans.FindAllStringSubmatch(text, -1) {
			found[span[1]] = true
			for _, word := range inWords.FindAllString(span[1], -1) {
				found[word] = true
			}
		}
		for _, block := range codeFence.FindAllString(text, -1) {
			for _, word := range inWords.FindAllString(block, -1) {
				found[word] = true
			}
		}
	}
	return found
}

// tableRows returns the cells of every row of every table, without headers.
func tableRows(text string) [][]string {
	var rows [][]string
	inTable := false
	for _, line := range strings.Split(text, "\n") {
		cells := cellsOf(line)
		switch {
		case cells == nil:
			inTable = false
		case !inTable:
			inTable = true
		case !strings.HasPrefix(cells[0], "---"):
			rows = append(rows, cells)
		}
	}
	return rows
}

// cellsOf returns the cells of a line of a table, nil if it is none.
func cellsOf(line string) []string {
	if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") || len(line) < 2 {
		return nil
	}
	cells := strings.Split(line[1:len(line)-1], "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// tsv returns the rows of a file of testdata, without comments.
func tsv(t *testing.T, name string) [][]string {
	t.Helper()
	var rows [][]string
	for _, line := range strings.Split(readFile(t, name), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			rows = append(rows, strings.Split(line, "\t"))
		}
	}
	require.NotEmpty(t, rows)
	return rows
}

// fieldsOf returns the names of the fields of a struct.
func fieldsOf(t *testing.T, path, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var fields []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			for _, ident := range field.Names {
				fields = append(fields, ident.Name)
			}
		}
		return false
	})
	return fields
}
