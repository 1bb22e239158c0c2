package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// acknowledged is what the server said it had done.
type acknowledged struct {
	mu       sync.Mutex
	profiles map[string]string // the name last acknowledged, by id
	doubtful map[string]bool   // names sent and never answered
	tags     map[string]string
	checks   map[string]string // profile by check
}

// TestKilled kills the program under load, again and again, and looks for
// every write that was acknowledged. PASSFORT_SIM_KILLS sets how often: 10 by
// default, 50 in .ci/run.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := 10
	if v := os.Getenv("PASSFORT_SIM_KILLS"); v != "" {
		_, err := fmt.Sscan(v, &kills)
		require.NoError(t, err)
	}
	file := filepath.Join(t.TempDir(), "state")
	acked := &acknowledged{
		profiles: map[string]string{}, doubtful: map[string]bool{}, tags: map[string]string{},
		checks: map[string]string{},
	}
	for round := range kills {
		child, c := spawn(t, file)
		checkKept(t, c, acked, round, fmt.Sprintf("round%d-", round-1))
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for worker := range 6 {
			load.Go(func() { write(ctx, c, acked, fmt.Sprintf("round%d-worker%d", round, worker)) })
		}
		<-time.After(time.Duration(20+37*round%150) * time.Millisecond)
		require.NoError(t, child.Process.Kill())
		_ = child.Wait()
		cancel()
		load.Wait()
	}
	child, c := spawn(t, file)
	checkKept(t, c, acked, kills, "")
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.NotEmpty(t, acked.profiles)
	t.Logf("%d kills, %d profiles, %d checks, 0 missing", kills, len(acked.profiles), len(acked.checks))
}

// spawn starts this binary as the program.
func spawn(t *testing.T, file string) (*exec.Cmd, *passfort.Client) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-addr", "127.0.0.1:0", "-state", file, "-no-rate-limits",
		"-log-level", "ERROR")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	c, err := passfort.New("sim-master-key", passfort.WithBaseURL(strings.TrimSpace(line)),
		passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 1}))
	require.NoError(t, err)
	return cmd, c
}

// write makes profiles, changes them, runs checks and adds tags until the
// server is gone.
func write(ctx context.Context, c *passfort.Client, acked *acknowledged, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		first, second := fmt.Sprintf("%s-%d-a", name, n), fmt.Sprintf("%s-%d-b", name, n)
		request := person(first)
		request.Applications = []passfort.ApplicationRequest{{Product: passfort.ProductRef{Alias: "gold"}}}
		made, err := c.Profiles.Create(ctx, request)
		if err != nil {
			return
		}
		acked.note(func() { acked.profiles[made.ID] = first; acked.doubtful[second] = true })
		if _, err := c.CollectedData.Update(ctx, made.ID, func(d *passfort.EntityData) error {
			d.PersonalDetails.Name.FamilyName = second
			return nil
		}); err != nil {
			return
		}
		acked.note(func() { acked.profiles[made.ID] = second })
		ran, err := c.Checks.Run(ctx, made.ID, &passfort.CheckRequest{
			Type: passfort.CheckTypeIdentityCheck, Mode: passfort.CheckModeAsync,
		})
		if err != nil {
			return
		}
		acked.note(func() { acked.checks[ran.ID] = made.ID })
		if _, err := c.Tags.Add(ctx, made.ID, first); err != nil {
			return
		}
		acked.note(func() { acked.tags[made.ID] = first })
	}
}

func (a *acknowledged) note(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// checkKept reads everything that was acknowledged to writers whose name starts
// so.
func checkKept(t *testing.T, c *passfort.Client, acked *acknowledged, round int, writers string) {
	t.Helper()
	for id, name := range acked.profiles {
		if !strings.HasPrefix(name, writers) {
			continue
		}
		p, err := c.Profiles.Get(t.Context(), id)
		require.NoError(t, err, "round %d: an acknowledged profile is missing", round)
		got := p.CollectedData.PersonalDetails.Name.FamilyName
		if got != name {
			require.True(t, acked.doubtful[got], "round %d: a change is missing: %s instead of %s", round, got, name)
			require.True(t, strings.HasSuffix(name, "-a"), "round %d: an acknowledged change is missing: %s", round,
				name)
		}
		if tag := acked.tags[id]; tag != "" {
			require.Equal(t, tag, p.Tags[0].Name, "round %d", round)
		}
	}
	for id, profile := range acked.checks {
		if !strings.HasPrefix(acked.profiles[profile], writers) {
			continue
		}
		_, err := c.Checks.Get(t.Context(), profile, id)
		require.NoError(t, err, "round %d: an acknowledged check is missing", round)
	}
}
