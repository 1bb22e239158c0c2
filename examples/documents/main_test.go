package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/stretchr/testify/require"
)

type ended struct {
	code           int
	stdout, stderr string
}

func play(ctx context.Context, env map[string]string, args ...string) ended {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, strings.NewReader(""), &stdout, &stderr, func(name string) string { return env[name] })
	return ended{code, stdout.String(), stderr.String()}
}

// account is a server in the place of a real account.
func account(t *testing.T) (*passforttest.Server, map[string]string) {
	srv := passforttest.NewServer()
	t.Cleanup(srv.Close)
	return srv, map[string]string{"PASSFORT_API_KEY": srv.APIKey(), "PASSFORT_BASE_URL": srv.URL()}
}

func TestOnTheSimulator(t *testing.T) {
	t.Parallel()
	end := play(t.Context(), nil)
	require.Equal(t, exitOK, end.code, end.stderr)
	for _, line := range []string{"Sent FRONT: front.png", "Sent BACK: back.png", "Sent FACE: face.jpg",
		"Document of 3 images", "COMPLETE, PASS"} {
		require.Contains(t, end.stdout, line)
	}
	require.NotContains(t, end.stdout, "\r", "plain lines")
}

func TestAnAccountIsAskedAbout(t *testing.T) {
	t.Parallel()
	srv, env := account(t)
	end := play(t.Context(), env)
	require.Equal(t, exitUsage, end.code)
	require.Contains(t, end.stdout, "charged")
	require.Contains(t, end.stdout, "profiles under management")
	require.Zero(t, srv.Count(""))

	require.Equal(t, exitOK, play(t.Context(), env, "-yes", "-type", "STATE_ID").code)
	require.Equal(t, 1, srv.Count("Profiles.Create"))
	require.Equal(t, 3, srv.Count("Documents.UploadImage"))
	require.Equal(t, 1, srv.Count("Checks.Run"))
}

// Sides come from names, types from content.
func TestFolder(t *testing.T) {
	t.Parallel()
	front, err := drawings.ReadFile("images/front.png")
	require.NoError(t, err)
	for name, row := range map[string]struct {
		files  map[string][]byte
		code   int
		stderr string
	}{
		"front only": {map[string][]byte{"My Front side.JPG": front, "front.txt": nil, "notes.png": nil}, exitOK,
			""},
		"two fronts": {map[string][]byte{"front1.png": front, "front2.png": front}, exitUsage,
			"more than one front"},
		"none":          {map[string][]byte{"scan.png": front}, exitUsage, "need front, back or face"},
		"not an image":  {map[string][]byte{"front.png": []byte("hello")}, exitFailed, "by what is in the file"},
		"no such image": {nil, exitUsage, "need front"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, content := range row.files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), content, 0o600))
			}
			end := play(t.Context(), nil, "-dir", dir)
			require.Equal(t, row.code, end.code, end.stderr)
			require.Contains(t, end.stderr, row.stderr)
		})
	}
	gone := filepath.Join(t.TempDir(), "gone")
	end := play(t.Context(), nil, "-dir", gone)
	require.Equal(t, exitUsage, end.code)
	require.Contains(t, end.stderr, gone, "the folder is named")
	require.NoError(t, os.WriteFile(gone, nil, 0o600))
	require.Contains(t, play(t.Context(), nil, "-dir", gone).stderr, "is no folder")
}

func TestGoesOnAfterHalf(t *testing.T) {
	t.Parallel()
	srv, env := account(t)
	srv.Inject(passforttest.Fault{Operation: "Documents.Create", Status: 429, Times: 4})
	client, err := passfort.New(env["PASSFORT_API_KEY"], passfort.WithBaseURL(env["PASSFORT_BASE_URL"]),
		passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 4, MinBackoff: 1, MaxBackoff: 1}))
	require.NoError(t, err)
	cfg, err := parse(nil, &bytes.Buffer{})
	require.NoError(t, err)
	files, err := folder("")
	require.NoError(t, err)
	images, err := find(files)
	require.NoError(t, err)
	cfg.profile, err = newProfile(t.Context(), client)
	require.NoError(t, err)
	_, err = submit(t.Context(), client, cfg.profile, submission(cfg, images, newProgress(&bytes.Buffer{}, images)))
	require.NoError(t, err)
	require.Equal(t, 3, srv.Count("Documents.UploadImage"))
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, exitInterrupted, play(ctx, nil).code)
}

func TestBar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := newBar(&out, pictures{{size: 1000}, {size: 3000}})
	b.sent(0, 1000)
	b.sent(1, 1000)
	require.InDelta(t, 0.5, b.view.State().CurrentPercent, 0.01)
	b.sent(1, 0) // starts over
	require.InDelta(t, 0.25, b.view.State().CurrentPercent, 0.01)
	b.end()
	require.Contains(t, out.String(), "Uploading 2 images")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	require.Equal(t, exitOK, play(t.Context(), nil, "-help").code)
	require.Equal(t, exitUsage, play(t.Context(), nil, "-nonsense").code)
	require.Equal(t, exitUsage, play(t.Context(), nil, "-patience", "-1s").code)
}
