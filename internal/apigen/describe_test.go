package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// load reads the description that is committed.
func load(t *testing.T) (libopenapi.Document, *v3.Document) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "api", "openapi.yaml"))
	require.NoError(t, err)
	document, err := libopenapi.NewDocument(raw)
	require.NoError(t, err)
	model, err := document.BuildV3Model()
	require.NoError(t, err)
	return document, &model.Model
}

func TestFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	files, err := generate(t.Context(), root)
	require.NoError(t, err)
	require.Len(t, files, 2)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, "api", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run go generate")
	}
}

func TestDescriptionIsOpenAPI(t *testing.T) {
	t.Parallel()
	document, _ := load(t)
	v, errs := validator.NewValidator(document)
	require.Empty(t, errs)
	valid, problems := v.ValidateDocument()
	require.True(t, valid, "%v", problems)
}

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	s, err := read(t.Context(), root)
	require.NoError(t, err)
	require.NotEmpty(t, s.operations)
	require.Len(t, s.shapes, len(s.operations))
	for name := range shapes {
		require.Contains(t, s.shapes, name, "shapes names no operation")
	}
	_, model := load(t)
	described := map[string]string{}
	for path, item := range model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			described[method+" "+path] = op.OperationId
			for _, name := range []string{"x-since", "x-certainty", "x-source", "x-replay", "x-codeSamples"} {
				require.NotNil(t, op.Extensions.GetOrZero(name), "%s of %s", name, op.OperationId)
			}
		}
	}
	require.Len(t, described, len(s.operations))
	for _, op := range s.operations {
		require.Equal(t, strings.ReplaceAll(op.name, ".", ""), described[op.method+" "+op.route])
	}
	require.Len(t, s.events, model.Webhooks.Len())
}

// Every member of every object, and every value of every enum, that the API is
// held to have is described.
func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	_, model := load(t)
	raw, err := os.ReadFile(filepath.Join(root, "testdata", "model_fields.tsv"))
	require.NoError(t, err)
	rows := 0
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(line, "#") || len(cells) != 3 {
			continue
		}
		rows++
		if cells[0] == "enum" {
			schema := model.Components.Schemas.GetOrZero(cells[1])
			require.NotNil(t, schema, cells)
			known := schema.Schema().Extensions.GetOrZero("x-known-values")
			require.NotNil(t, known, cells)
			values := []string{}
			require.NoError(t, known.Decode(&values))
			require.Contains(t, values, cells[2], cells)
			continue
		}
		for name := range strings.SplitSeq(cells[2], ",") {
			schema := model.Components.Schemas.GetOrZero(name)
			require.NotNil(t, schema, cells)
			require.NotNil(t, schema.Schema().Properties.GetOrZero(cells[1]), cells)
		}
	}
	require.Greater(t, rows, 500)
}

// The tables that are written by hand name what is there, and nothing that is not
// used: a member that gets another name would lose what they say of it.
func TestTablesNameWhatIsThere(t *testing.T) {
	t.Parallel()
	s, err := read(t.Context(), root)
	require.NoError(t, err)
	member := func(typ, name string) {
		require.NotNil(t, s.structs[typ], typ)
		require.True(t, slices.ContainsFunc(s.structs[typ].fields, func(f field) bool {
			return f.name == name
		}), "%s.%s", typ, name)
	}
	for typ, names := range nullable {
		for _, name := range names {
			member(typ, name)
		}
	}
	for name := range kept {
		typ, m, _ := strings.Cut(name, ".")
		member(typ, m)
	}
	for typ := range guessed {
		require.NotNil(t, s.structs[typ], typ)
	}
	for name, typ := range payloads {
		require.True(t, slices.ContainsFunc(s.events, func(e event) bool { return e.name == name }), name)
		for _, cause := range causes {
			member(typ, cause)
		}
	}
	used := map[string]bool{}
	for name, shape := range s.shapes {
		used[shape.body], used[shape.query] = true, true
		for _, m := range shape.required {
			if shape.bodyParts != nil {
				require.True(t, slices.ContainsFunc(shape.bodyParts, func(p part) bool {
					return p.name == m
				}), "%s: %s", name, m)
				continue
			}
			member(strings.TrimPrefix(shape.body, "[]"), m)
		}
	}
	for name := range inline {
		require.True(t, used[name], name)
	}
	for query, names := range requiredParameters {
		require.True(t, used[query], query)
		for _, name := range names {
			if inline[query] == nil {
				member(query, name)
				continue
			}
			require.True(t, slices.ContainsFunc(inline[query], func(p part) bool {
				return p.name == name
			}), "%s: %s", query, name)
		}
	}
	tags := map[string]bool{"Webhooks": true}
	for _, op := range s.operations {
		tags[tagOf(op.name)] = true
	}
	require.Len(t, tagText, len(tags))
	for tag := range tags {
		require.NotEmpty(t, tagText[tag], tag)
	}
}

// What is open stays open.
func TestObjectsAndEnumsAreOpen(t *testing.T) {
	t.Parallel()
	_, model := load(t)
	for name, proxy := range model.Components.Schemas.FromOldest() {
		schema := proxy.Schema()
		require.Empty(t, schema.Enum, name)
		if len(schema.Type) == 1 && schema.Type[0] == "object" {
			require.True(t, schema.AdditionalProperties != nil && schema.AdditionalProperties.B, name)
		}
	}
}

// The pages and sections that operations name are there.
func TestSourcesAreThere(t *testing.T) {
	t.Parallel()
	pages := map[string]string{}
	source, err := read(t.Context(), root)
	require.NoError(t, err)
	for name, s := range source.shapes {
		page, anchor, _ := strings.Cut(s.page, "#")
		if pages[page] == "" {
			raw, err := os.ReadFile(filepath.Join(root, "docs", "api", page))
			require.NoError(t, err, name)
			pages[page] = strings.ToLower(string(raw))
		}
		require.Contains(t, pages[page], "\n## "+strings.ReplaceAll(anchor, "-", " ")+"\n", name)
	}
}

func TestProse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ doc, want string }{
		"a pointer to Go":  {"Expiry is a date. See ParseDateTime.", "`expiry` is a date."},
		"a page":           {"Deleted (docs/api/profiles.md#delete-a-profile). Really.", "Deleted. Really."},
		"lines":            {"One\ntwo.\n", "One two."},
		"a dotted pointer": {"Kept. See Check.Result and the like.", "Kept."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, prose(c.doc, "", []field{{goName: "Expiry", name: "expiry"}}))
		})
	}
}
