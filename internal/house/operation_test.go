package house_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// placesToEdit are the files that are written by hand and name nearly every operation,
// with the reason: one more is written into the first two. Beside them an operation has
// a method in the file of its service, and a route and a rule in the file of the simulator
// with its subject.
var placesToEdit = map[string]string{
	"operations.go":                   "the table",
	"internal/cases/cases.go":         "the cases",
	"internal/apigen/shapes.go":       "words of the description, where those of the method do not do",
	"internal/apigen/traffic_test.go": "a walk that ends with the cases it did not come by",
}

// No other file is a list of the operations, which one more would have to be added to.
func TestOperationsAreListedOnce(t *testing.T) {
	t.Parallel()
	var names []string
	for _, row := range tableRows(readFile(t, "docs/operations.md")) {
		if slices.Contains([]string{"GET", "POST", "DELETE"}, row[1]) {
			names = append(names, strings.Trim(row[0], "`"))
		}
	}
	require.Greater(t, len(names), 50)
	var lists []string
	for _, file := range slices.Concat(filesNamed(t, "*.go"), filesNamed(t, "*.tsv"), filesNamed(t, "*.md")) {
		text, named := readFile(t, file), 0
		if strings.Contains(text, "DO NOT EDIT.") || strings.Contains(text, `Written by "go generate"`) {
			continue
		}
		for _, name := range names {
			if strings.Contains(text, name) {
				named++
			}
		}
		if named*10 > len(names)*9 {
			lists = append(lists, filepath.ToSlash(file))
		}
	}
	for _, file := range lists {
		require.NotEmpty(t, placesToEdit[file], "%s names nearly every operation: derive it", file)
	}
	require.Len(t, lists, len(placesToEdit))
}

// edit is what a person writes into a file: each text behind another one, or at the end.
type edit map[string]string

// additions are the edits that add two operations, one with a body.
var additions = map[string]edit{
	"operations.go": {"var operations = []operation{\n": `	{
		name: "Tags.List", method: get, route: "/profiles/{profile_id}/tags", class: safe,
		since: "guide", sure: "low",
	},
	{
		name: "Tags.SetName", method: post, route: "/profiles/{profile_id}/tags/{tag_id}", class: idempotent,
		since: "guide", sure: "low",
	},
`},
	"tags.go": {"type TagsService struct{ road *road }\n": `
// List reads the tags of a profile. It may be repeated.
func (s *TagsService) List(ctx context.Context, profileID string, opts ...CallOption) ([]Tag, error) {
	return list[Tag](ctx, s.road, "Tags.List", call{args: []string{profileID}, opts: opts})
}

// SetName gives a tag of a profile another name and returns it. It may be repeated.
func (s *TagsService) SetName(ctx context.Context, profileID, tagID, name string, opts ...CallOption) (*Tag, error) {
	body := struct {
		Name string ` + "`json:\"name\"`" + `
	}{name}
	return result[Tag](ctx, s.road, "Tags.SetName", call{
		args: []string{profileID, tagID}, problem: missing("tag name", name), body: &body, opts: opts,
	})
}
`},
	"internal/cases/cases.go": {"	return []Case{\n": `
		{"Tags.List", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tags.List(ctx, at.Profile))
		}, "GET", "/profiles/" + pid + "/tags", "", "[]", false},
		{"Tags.SetName", func(ctx context.Context, c *passfort.Client, at World) error {
			return failed(c.Tags.SetName(ctx, at.Profile, at.Tag, "late"))
		}, "POST", "/profiles/" + pid + "/tags/" + oid, ` + "`{\"name\":\"late\"}`" + `, identity, false},
`},
	"passforttest/profiles.go": {"func profileRoutes() []*route {\n	return []*route{\n": `
		{Operation: "Tags.List", Method: get, Path: onProfile + "/tags",
			handle: withProfile((*world).listTags)},
		{Operation: "Tags.SetName", Method: post, Path: onProfile + "/tags/{tag_id}",
			handle: withBoth((*world).setTagName)},
`, "": `
func (w *world) listTags(_ *call, p *profile) (*reply, error) {
	tags := []any{}
	for _, name := range p.TagNames {
		tags = append(tags, w.tagWire(name))
	}
	return ok(tags), nil
}

func (w *world) setTagName(c *call, p *profile, body object) (*reply, error) {
	if _, err := w.removeTag(c, p); err != nil {
		return nil, err
	}
	return w.addTag(c, p, body)
}
`},
}

// Four files are edited by hand to add an operation. The rest is generated, and every
// test that looks for what is missing finds nothing.
func TestAddingAnOperation(t *testing.T) {
	if os.Getenv("PASSFORT_OPERATION_TEST") == "" {
		t.Skip("builds a copy of the repository: set PASSFORT_OPERATION_TEST=1")
	}
	t.Parallel()
	require.LessOrEqual(t, len(additions), 4)
	dir := t.TempDir()
	copyTree(t, dir)
	for file, edits := range additions {
		text := readFile(t, file)
		for behind, added := range edits {
			if behind == "" {
				text += added
				continue
			}
			require.Equal(t, 1, strings.Count(text, behind), "%s: %q", file, behind)
			text = strings.Replace(text, behind, behind+added, 1)
		}
		write(t, filepath.Join(dir, file), text)
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PASSFORT_OPERATION_TEST=")
		began := time.Now()
		out, err := cmd.CombinedOutput()
		t.Log(time.Since(began), args)
		require.NoError(t, err, "go %s\n%s", strings.Join(args, " "), out)
	}
	run("generate", ".")
	for _, written := range []string{"docs/operations.md", "api/openapi.yaml", "api/openapi.html"} {
		text, err := os.ReadFile(filepath.Join(dir, written))
		require.NoError(t, err)
		require.Contains(t, string(text), "Tags.SetName", written)
	}
	description, err := os.ReadFile(filepath.Join(dir, "api", "openapi.yaml"))
	require.NoError(t, err)
	for _, text := range []string{
		"summary: Gives a tag of a profile another name and returns it\n",
		`result, err := client.Tags.SetName(ctx, profileID, tagID, "late")` + "\n",
	} {
		require.Contains(t, string(description), text)
	}
	run("test", "-vet=off", "-run", "Operations|EveryOperation|Cases|Verbs|^Example$", ".", "./api",
		"./internal/cases", "./internal/house")
	run("test", "-C", "internal/apigen", "-vet=off", "-run", "Files|EveryOperation|Requests|Sources", ".")
	run("test", "-C", "internal/faultmatrix", "-vet=off", "-run", "EveryOperation", ".")
}

// copyTree copies what the repository has, but for what is not of it.
func copyTree(t *testing.T, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == ".ci-out"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), text, 0o600)
	}))
}
