package house_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSizeOfHelloWorld compares a program that uses the SDK with one that does
// the same with net/http and encoding/json. It links two programs, so it runs
// only where PASSFORT_SIZE_TEST is set, as in .ci/run.
func TestSizeOfHelloWorld(t *testing.T) {
	t.Parallel()
	if os.Getenv("PASSFORT_SIZE_TEST") == "" {
		t.Skip("PASSFORT_SIZE_TEST is not set")
	}
	sdk, plain := built(t, "sdk"), built(t, "plain")
	t.Logf("with the SDK %d KiB, without %d KiB, more by %d KiB", sdk>>10, plain>>10, (sdk-plain)>>10)
	require.Greater(t, sdk, plain)
	require.LessOrEqual(t, sdk-plain, int64(3_000_000))
}

// built returns the size of a program of testdata/hello, built without any flag.
func built(t *testing.T, program string) int64 {
	t.Helper()
	binary := filepath.Join(t.TempDir(), program)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary,
		"./testdata/hello/"+program).CombinedOutput()
	require.NoError(t, err, string(out))
	info, err := os.Stat(binary)
	require.NoError(t, err)
	return info.Size()
}
