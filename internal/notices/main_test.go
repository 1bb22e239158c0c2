package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := func(name, file, text string) string {
		at := filepath.Join(dir, name)
		require.NoError(t, os.Mkdir(at, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(at, file), []byte(text), 0o600))
		return at
	}
	mit := module{"example.com/mit", "v1.2.3", folder("mit", "LICENSE.md", "MIT: do what you like\r\n")}
	mpl := module{"example.com/mpl", "v0.1.0", folder("mpl", "LICENSE", "Mozilla Public License, version 2.0\n")}
	text, err := notices([]module{mit, mpl})
	require.NoError(t, err)
	require.Equal(t, "This program contains the following software. Written by internal/notices.\n\n"+
		rule+"example.com/mit v1.2.3\n"+rule+"\nMIT: do what you like\n\n"+
		rule+"example.com/mpl v0.1.0\n"+
		"Its source code form, unchanged, is available under the licence below, at no\n"+
		"charge, as version v0.1.0 of the Go module example.com/mpl:\n"+
		"go mod download example.com/mpl@v0.1.0, or https://example.com/mpl/tree/v0.1.0\n"+
		rule+"\nMozilla Public License, version 2.0\n", string(text))
	_, err = notices([]module{{"example.com/none", "v1.0.0", folder("none", "README.md", "hello")}})
	require.EqualError(t, err, "example.com/none: there is no licence in its folder")
}

// TestNoticesOfTheSimulator: everything in its binary is in the file that is
// shipped with it.
func TestNoticesOfTheSimulator(t *testing.T) {
	t.Parallel()
	modules, err := list(t.Context(), "github.com/passfort-go/passfort/cmd/passfort-sim")
	require.NoError(t, err)
	want, err := notices(modules)
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join("..", "..", "cmd", "passfort-sim", "THIRD_PARTY.txt"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go generate ./cmd/passfort-sim")
	require.Contains(t, string(got), "go mod download github.com/hashicorp/go-retryablehttp@")
}
