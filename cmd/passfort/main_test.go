package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

func command(in string, env map[string]string) (*program, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	lookup := func(name string) string { return env[name] }
	return &program{env: lookup, in: strings.NewReader(in), out: &out, errs: &errs}, &out, &errs
}

// account is a simulator that the environment names.
func account(t *testing.T, opts ...passforttest.Option) *passforttest.Server {
	t.Helper()
	srv := passforttest.NewServer(opts...)
	t.Cleanup(srv.Close)
	t.Setenv("PASSFORT_API_KEY", srv.APIKey())
	t.Setenv("PASSFORT_BASE_URL", srv.URL())
	return srv
}

func TestVerify(t *testing.T) {
	if testing.Short() {
		t.Skip("a run takes its time: two requests a second")
	}
	srv := account(t, passforttest.WithSwitches(passforttest.Switches{ErrorsAsObject: true}))
	p, out, errs := command("", nil)
	file := filepath.Join(t.TempDir(), "report.json")
	require.Equal(t, allAsked, p.run(t.Context(), []string{"verify", "-json", file}), errs.String())
	require.Empty(t, errs.String())
	text := out.String()
	require.Contains(t, text, "simulator: ErrorsAsObject")
	require.NotContains(t, text, "\x1b", "no terminal")
	require.NotContains(t, text, srv.APIKey())
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 80, line)
	}
	for _, r := range srv.Requests() {
		require.Equal(t, http.MethodGet, r.Method)
	}
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	report, err := verify.ReadReport(f)
	require.NoError(t, err)
	require.Equal(t, 1, report.Count(verify.Differs))
	info, err := f.Stat()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestVerifyThatIsStopped(t *testing.T) {
	account(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p, out, _ := command("", nil)
	p.terminal = true
	p.out = writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("request-id")) {
			stop()
		}
		return out.Write(b)
	})
	require.Equal(t, notAll, p.run(ctx, []string{"verify"}))
	require.Contains(t, out.String(), "The run ended before all of it was asked.")
	require.Contains(t, out.String(), "\r\x1b[K")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestVerifyAsksFirst(t *testing.T) {
	srv := account(t)
	for _, answer := range []string{"", "no\n", "yes please\n"} {
		p, out, errs := command(answer, nil)
		require.Equal(t, notAll, p.run(t.Context(), []string{"verify", "-tier", "demo"}))
		require.Contains(t, out.String(), "demo account only")
		require.Contains(t, errs.String(), "nothing was sent")
		require.Empty(t, srv.Requests(), answer)
	}
	file := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, os.WriteFile(file, []byte("an older report"), 0o600))
	p, _, _ := command("no\n", nil)
	require.Equal(t, notAll, p.run(t.Context(), []string{"verify", "-tier", "demo", "-json", file}))
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "an older report", string(kept))

	p, _, errs := command("yes\n", nil)
	require.Equal(t, badUsage, p.run(t.Context(), []string{"verify", "-tier", "careful"}))
	require.Contains(t, errs.String(), "profile id")
	require.Empty(t, srv.Requests())

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p, out, _ := command("yes\n", nil)
	p.out = writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("created-status")) {
			stop()
		}
		return out.Write(b)
	})
	require.Equal(t, notAll, p.run(ctx, []string{"verify", "-tier", "demo"}))
	require.NotEmpty(t, srv.Requests())
	srv.AssertApplied(t, "Profiles.Delete", 1)
}

func TestUsageThatCannotBeRight(t *testing.T) {
	t.Setenv("PASSFORT_API_KEY", "")
	for _, args := range [][]string{
		nil, {"help"}, {"frob"}, {"verify", "-tier", "all"}, {"verify", "x"}, {"verify", "-frob"}, {"verify"},
		{"listen"}, {"listen", "x"}, {"listen", "-refuse", "many"},
	} {
		p, out, errs := command("", nil)
		require.Equal(t, badUsage, p.run(t.Context(), args), args)
		require.NotEmpty(t, out.String()+errs.String(), args)
	}
	account(t)
	p, _, errs := command("", nil)
	require.Equal(t, badUsage, p.run(t.Context(), []string{"verify", "-json", filepath.Join(t.TempDir(), "none", "x")}))
	require.Contains(t, errs.String(), "cannot be written")
	for _, args := range [][]string{{"listen", "-addr", "nowhere:x"}, {"listen", "-refuse", "-1"}} {
		p, _, _ := command("", map[string]string{"PASSFORT_WEBHOOK_SECRET": "s3cr3t"})
		require.Equal(t, badUsage, p.run(t.Context(), args), args)
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p, out, errs := command("", map[string]string{"PASSFORT_WEBHOOK_SECRET": "s3cr3t"})
	address := make(chan string, 1)
	p.out = writerFunc(func(b []byte) (int, error) {
		if line := string(b); strings.HasPrefix(line, "http://") {
			address <- strings.TrimSpace(line)
		}
		return out.Write(b)
	})
	file := filepath.Join(t.TempDir(), "webhooks.json")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte(" older report"), 10_000), 0o600))
	status := make(chan int, 1)
	go func() {
		status <- p.run(ctx, []string{"listen", "-addr", "127.0.0.1:0", "-refuse", "2", "-json", file, "-batching"})
	}()
	srv := passforttest.NewServer(passforttest.WithWebhookBackoff(time.Millisecond, 10*time.Millisecond),
		passforttest.WithSwitches(passforttest.Switches{BatchShape: passforttest.BatchObject}))
	defer srv.Close()
	srv.SetWebhook(<-address, "s3cr3t", true)
	_, err := srv.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		Applications: []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}},
	})
	require.NoError(t, err)
	require.NoError(t, srv.WaitWebhooks(t.Context()))
	stop()
	require.Equal(t, allAsked, <-status, errs.String())
	require.Contains(t, out.String(), "TASK_CREATED")
	require.Contains(t, out.String(), "simulator: BatchShape BatchObject")
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "s3cr3t")
	report, err := verify.ReadReport(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, verify.TierListen, report.Tier)
}
