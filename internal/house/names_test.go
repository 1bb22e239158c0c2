package house_test

import (
	"cmp"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// namedPackages are the packages whose names users write, by directory, with
// the words that would only repeat the package's name there.
var namedPackages = map[string][]string{
	".":            {"Passfort", "SDK"},
	"passforttest": {"Passfort", "Test", "Mock", "Fake"},
	"ratelimit":    {"Passfort", "Ratelimit"},
	"otelpassfort": {"Passfort", "Otel"},
	"verify":       {"Passfort", "Verify"},
}

// initialisms are the words that are written in capitals: Go's own, those of
// the API, and those of its field.
var initialisms = strings.Fields(`AE API BSON E EU HTTP ID IP JSON MB OK PDF POST SDK SHA256 T UK URL US YAML
	BVD BVD9 CIFAS CRA DB DOB EIN ISIN LEI MRZ MRZ1 MRZ2 MRZ3 NACE NAICS PEP PSC RCA SIC VAT A`)

// abbreviations are words that names do not have, with what they have instead.
var abbreviations = map[string]string{
	"Addr": "Address", "App": "Application", "Apps": "Applications", "Auth": "Authentication", "Cert": "Certificate",
	"Cfg": "Config",
	"Cnt": "Count", "Conf": "Config", "Cust": "Customer", "Desc": "Description", "Doc": "Document", "Docs": "Documents",
	"Evt": "Event",
	"Fn":  "what it does", "Idx": "Index", "Img": "Image", "Imgs": "Images", "Impl": "what it is",
	"Mgr": "what it does", "Msg": "Message",
	"Num": "Count or Number", "Obj": "what it is", "Op": "Operation", "Opt": "Option", "Opts": "Options",
	"Org":  "Organisation",
	"Prof": "Profile", "Req": "Request", "Resp": "Response", "Res": "Result or Response", "Sig": "Signature",
	"Src": "Source", "Str": "String",
	"Svc": "Service", "Tmp": "what it is", "Txt": "Text", "Usr": "User", "Util": "what it does",
	"Utils": "what it does", "Helper": "what it does",
	"Manager": "what it does", "Val": "Value", "Ver": "Version",
}

// serviceVerbs says what the first word of a service's method means. A method
// that begins with another word is named after what it reads, such as
// Profiles.Status and Tasks.Notes: an operation that is a GET, or one of serviceNouns.
var serviceVerbs = map[string]string{
	"Add":      "attach something small to a profile or a task",
	"All":      "iterate over all pages",
	"Approve":  "decide for",
	"Bulk":     "do the next word to several",
	"Complete": "set a state that ends something",
	"Create":   "make a resource that has an id",
	"Delete":   "take away permanently",
	"Download": "stream out",
	"Format":   "ask the provider to spell out",
	"Get":      "read one by its id",
	"List":     "read all, or one page",
	"Reject":   "decide against",
	"Remove":   "detach what Add attached",
	"Replace":  "write the whole of something",
	"Resolve":  "decide what a finding is",
	"Revert":   "undo a decision",
	"Run":      "instruct, which may be charged",
	"Search":   "find by text",
	"Set":      "write one thing, whatever it was before",
	"Start":    "begin something with several calls",
	"Submit":   "upload and create",
	"Update":   "change something existing",
	"Upload":   "stream in",
	"Wait":     "return when something has happened",
}

var serviceNouns = []string{"ProfilesService.FindByCustomerRef", "ProfilesService.Pages"}

// exported is one identifier of a package that its users can name.
type exported struct {
	name  string // Type.Member for methods and fields
	kind  string // type, func, method, field, const, var
	doc   string
	group bool // a const or var whose comment is its group's
}

func (e exported) last() string { return e.name[strings.LastIndexByte(e.name, '.')+1:] }

// exportedOf parses a package and returns what it exports.
func exportedOf(t *testing.T, dir string) []exported {
	t.Helper()
	fset := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") {
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	pkg, err := doc.NewFromFiles(fset, files, "example.com/"+dir)
	require.NoError(t, err)
	require.NotEmpty(t, pkg.Doc, "package %s has no comment", dir)
	var all []exported
	values := func(kind string, groups []*doc.Value) {
		for _, group := range groups {
			for _, spec := range group.Decl.Specs {
				spec := spec.(*ast.ValueSpec)
				text := spec.Doc.Text() + spec.Comment.Text()
				for _, name := range spec.Names {
					if name.IsExported() {
						all = append(all, exported{
							name: name.Name, kind: kind, doc: group.Doc + text, group: group.Decl.Lparen.IsValid(),
						})
					}
				}
			}
		}
	}
	funcs := func(funcs []*doc.Func) {
		for _, f := range funcs {
			if f.Recv == "" {
				all = append(all, exported{name: f.Name, kind: "func", doc: f.Doc})
			} else if receiver := strings.Trim(f.Recv, "*"); ast.IsExported(receiver) {
				all = append(all, exported{name: receiver + "." + f.Name, kind: "method", doc: f.Doc})
			}
		}
	}
	values("const", pkg.Consts)
	values("var", pkg.Vars)
	funcs(pkg.Funcs)
	for _, typ := range pkg.Types {
		all = append(all, exported{name: typ.Name, kind: "type", doc: typ.Doc})
		values("const", typ.Consts)
		values("var", typ.Vars)
		funcs(typ.Funcs)
		funcs(typ.Methods)
		for _, spec := range typ.Decl.Specs {
			if structure, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
				for _, field := range structure.Fields.List {
					for _, name := range field.Names {
						if name.IsExported() {
							all = append(all, exported{name: typ.Name + "." + name.Name, kind: "field"})
						}
					}
				}
			}
		}
	}
	return all
}

// words splits a name at its humps: WhoAmI is Who, Am, I.
func words(name string) []string {
	var parts []string
	start := 0
	runes := []rune(strings.ReplaceAll(name, "IDs", "ID"))
	runes = []rune(strings.NewReplacer("PEPs", "PEP", "DOBs", "DOB", "WhoAmI", "WhoAm").Replace(string(runes)))
	for i := 1; i < len(runes); i++ {
		endOfWord := !unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if unicode.IsUpper(runes[i]) && endOfWord {
			parts = append(parts, string(runes[start:i]))
			start = i
		}
	}
	return append(parts, string(runes[start:]))
}

func TestExportedNames(t *testing.T) {
	t.Parallel()
	for dir, repeats := range namedPackages {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			all := exportedOf(t, dir)
			require.NotEmpty(t, all)
			for _, e := range all {
				require.NotContains(t, e.last(), "_", e.name)
				for i, word := range words(e.last()) {
					require.NotContains(t, repeats, word, "%s repeats the package", e.name)
					require.NotContains(t, abbreviations, word, "%s: write %s", e.name, abbreviations[word])
					if strings.ToUpper(word) == word {
						require.True(t, splits(word), "%s: %s is no known initialism", e.name, word)
					} else {
						require.NotContains(t, initialisms, strings.ToUpper(word), "%s: word %d in capitals", e.name, i)
					}
				}
				if owner, member, ok := strings.Cut(e.name, "."); ok && e.kind == "method" {
					require.False(t, strings.HasPrefix(member, owner) && member != owner, "%s repeats its type", e.name)
				}
			}
		})
	}
}

// splits reports whether the word is a row of initialisms, such as PDFURL.
func splits(word string) bool {
	return word == "" || slices.ContainsFunc(initialisms, func(known string) bool {
		rest, ok := strings.CutPrefix(word, known)
		return ok && splits(rest)
	})
}

func TestVerbsOfServices(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	var nouns []string
	operations := readFile(t, "docs/operations.md")
	for _, e := range exportedOf(t, ".") {
		service, method, _ := strings.Cut(e.name, ".")
		if e.kind != "method" || !strings.HasSuffix(service, "Service") {
			continue
		}
		verb := words(method)[0]
		if serviceVerbs[verb] == "" {
			if !strings.Contains(operations, "| `"+strings.Replace(e.name, "Service", "", 1)+"` | GET |") {
				nouns = append(nouns, e.name)
			}
			continue
		}
		used[verb] = true
	}
	require.ElementsMatch(t, serviceNouns, nouns, "neither a verb of the list nor a noun of it")
	require.Len(t, used, len(serviceVerbs), "a verb that nothing uses")
}

// prefixes of constants whose type's own name is not their prefix.
var constantPrefixes = map[string]string{
	"Code": "ErrorCode", "Drift": "DriftKind", "Event": "EventName", "Origin": "Origin", "Outcome": "Outcome",
	"Webhook": "WebhookOutcome",
}

// TestConstantsAreNamedAfterTheirType holds for the constants of every enum.
func TestConstantsAreNamedAfterTheirType(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	checked := 0
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			decl, ok := decl.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				continue
			}
			typ := ""
			for _, spec := range decl.Specs {
				spec := spec.(*ast.ValueSpec)
				if ident, ok := spec.Type.(*ast.Ident); ok {
					typ = ident.Name
				}
				if name := spec.Names[0].Name; ast.IsExported(name) && ast.IsExported(typ) {
					ok := strings.HasPrefix(name, typ) || constantPrefixes[words(name)[0]] == typ
					require.True(t, ok, "%s is a %s", name, typ)
					checked++
				}
			}
		}
	}
	require.Greater(t, checked, 400)
}

// TestEveryExportedNameIsDescribed wants a comment that begins with the name.
func TestEveryExportedNameIsDescribed(t *testing.T) {
	t.Parallel()
	article := regexp.MustCompile(`^(A|An|The) `)
	for dir := range namedPackages {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			for _, e := range exportedOf(t, dir) {
				switch {
				case e.kind == "field":
				case e.group:
					require.NotEmpty(t, strings.TrimSpace(e.doc), "%s has no comment, and neither has its group",
						e.name)
				default:
					text := article.ReplaceAllString(e.doc, "")
					require.True(t, strings.HasPrefix(text, e.last()+" "), "the comment of %s begins: %.40q", e.name,
						e.doc)
					require.Greater(t, len(strings.Fields(text)), 2, "the comment of %s says nothing", e.name)
				}
			}
		})
	}
}

// everything joins the files of the patterns.
func everything(t *testing.T, patterns ...string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, names, pattern)
		for _, name := range names {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			all.Write(text)
		}
	}
	return all.String()
}

// Every exported name that the newest section of the changelog adds stands in an
// example and on a page, so that it can be found by what it is for.
func TestNewNamesAreShown(t *testing.T) {
	t.Parallel()
	_, newest, found := strings.Cut(everything(t, "CHANGELOG.md"), "\n## ")
	require.True(t, found)
	newest, _, _ = strings.Cut(newest, "\n## ")
	_, added, found := strings.Cut(newest, "### Added\n")
	require.True(t, found)
	added, _, _ = strings.Cut(added, "\n### ")
	known := map[string]bool{}
	for dir := range namedPackages {
		for _, e := range exportedOf(t, dir) {
			known[e.name] = true
		}
	}
	examples := everything(t, "example*_test.go", "*/example*_test.go", "ratelimit/*_test.go")
	pages := everything(t, "README.md", "docs/*.md", "docs/api/*.md")
	shown := 0
	quoted := regexp.MustCompile("`([A-Z][A-Za-z]*(?:\\.[A-Z][A-Za-z]*)?)`")
	for _, name := range quoted.FindAllStringSubmatch(added, -1) {
		service, method, _ := strings.Cut(name[1], ".")
		if !known[name[1]] && !known[service+"Service."+method] {
			continue // a name of the API, or of a module of its own
		}
		shown++
		word := regexp.MustCompile(`\b` + cmp.Or(method, service) + `\b`)
		assert.True(t, word.MatchString(examples), "%s is in no example", name[1])
		assert.True(t, word.MatchString(pages), "%s is on no page", name[1])
	}
	require.Greater(t, shown, 40)
}
