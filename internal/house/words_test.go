package house_test

import (
	"regexp"
	"strings"
	"testing"

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
