package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModelJSONIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := generate("../..")
	require.NoError(t, err)
	have, err := os.ReadFile("../../" + target)
	require.NoError(t, err)
	require.Equal(t, string(want), string(have), `run "go generate" in the root`)
}

func TestModelTypes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write(
		"model.go", "package p\ntype (\n\tZ struct {\n\t\tID string\n\t\tUnknown Unknown `json:\"-\"`\n\t}\n\tA "+
			"struct{ Unknown Unknown }\n)\n",
	)
	write(
		"others.go", "package p\ntype Unknown struct{}\ntype B struct{ Unknown bool }\ntype C struct{ Unknown "+
			"}\ntype D string\n",
	)
	write("model_test.go", "package p\ntype E struct{ Unknown Unknown }\n")
	files, err := parse(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "Z"}, modelTypes(files))
}

func TestEnums(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.go"), []byte(`package p
type Kind string
const (
	KindA Kind = "A"
	KindB Kind = "B"
	KindOldB Kind = "B"
	other = "C"
)
type Own string
const OwnA Own = "A"
func (o Own) Known() bool { return true }
type Text string
type hidden string
const hiddenA hidden = "A"
type Number int
const NumberOne Number = 1
`), 0o600))
	files, err := parse(dir)
	require.NoError(t, err)
	require.Equal(t, []enum{{"Kind", []string{"KindA", "KindB"}}}, enums(files))
}

func TestModelTypesReportsSourceItCannotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.go"), []byte("package"), 0o600))
	_, err := generate(dir)
	require.Error(t, err)
}
