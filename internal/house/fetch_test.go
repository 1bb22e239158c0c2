package house_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFetch runs the SDK in WebAssembly on the fetch of Node, which net/http uses
// only where it does not know Node. It needs Node, so it runs only where
// PASSFORT_FETCH_TEST is set, as in .ci/run.
func TestFetch(t *testing.T) {
	t.Parallel()
	if os.Getenv("PASSFORT_FETCH_TEST") == "" {
		t.Skip("PASSFORT_FETCH_TEST is not set")
	}
	var elsewhere, redirected, hungUp atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Header.Get("Apikey") != "key-for-tests":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/4.0/whoami":
			_, _ = io.WriteString(w, `{"institution":{"name":"Sample"}}`)
		case r.URL.Path == "/4.0/redirect":
			redirected.Add(1)
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case r.URL.Path == "/4.0/hang-up":
			hungUp.Add(1)
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/4.0/refused":
			w.WriteHeader(http.StatusBadRequest)
		case strings.Contains(string(body), "JVBERi0xLjcgbWFkZSB1cA=="):
			_, _ = io.WriteString(w, `{"id":"f1"}`)
		}
	}))
	t.Cleanup(srv.Close)

	dir := t.TempDir()
	program := filepath.Join(dir, "fetch.wasm")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./testdata/fetch")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	run := exec.CommandContext(ctx, "node", //nolint:gosec // of this test
		filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec_node.js"), program, srv.URL+"/4.0")
	run.Args[0] = "browser"                                        // by its name net/http knows Node
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir} // wasm_exec_node.js has little room for more
	out, err = run.CombinedOutput()
	require.NoError(t, err, string(out))
	const want = "read: Sample\nupload: f1\nGET /redirect: no outcome 1\nPOST /redirect: outcome unknown 1\n" +
		"POST /hang-up: outcome unknown 1\nPOST /refused: rejected 1\n"
	require.Equal(t, strings.Repeat(want, 3), string(out))
	require.Zero(t, elsewhere.Load(), "the key went with a redirect")
	require.EqualValues(t, 6, redirected.Load())
	require.EqualValues(t, 3, hungUp.Load())
}
