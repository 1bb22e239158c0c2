package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTypeScriptClient onboards a person with the client of
// internal/apigen/typescript, which is generated from the description that the
// program serves. PASSFORT_SIM_TYPESCRIPT says where it is built.
func TestTypeScriptClient(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("PASSFORT_SIM_TYPESCRIPT")
	if dir == "" {
		t.Skip("PASSFORT_SIM_TYPESCRIPT is not set: see .ci/run")
	}
	p := begin(t, nil, "-api-key", "sim-master-key")
	cmd := exec.CommandContext(t.Context(), "node", "out/onboard.js")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BASE="+p.base, "KEY=sim-master-key")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "created\ncompleted\nchecked: PASS\ndecided: APPROVED\n", string(out))
}
