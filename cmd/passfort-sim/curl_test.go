package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCurlWalk runs the blocks of docs/curl.md as one script. Without curl, jq
// or bash it is skipped, unless PASSFORT_SIM_CURL says that they must be there.
func TestCurlWalk(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("PASSFORT_SIM_CURL") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	page, err := os.ReadFile("../../docs/curl.md")
	require.NoError(t, err)
	script := []string{"set -euo pipefail"}
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		script = append(script, block[1])
	}
	require.Greater(t, len(script), 10)
	p := begin(t, nil, "-api-key", "sim-master-key")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.Join(script, "\n"))
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "BASE="+p.base, "KEY=sim-master-key")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
