package main

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const people = 50

// editsPerSide returns how many edits a run makes on each side.
func editsPerSide() int {
	if full() {
		return 1000
	}
	return 300
}

// start runs the service inside the test.
func (w *world) start() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-poll", "50ms", "-database", w.env["FILE"]}, func(name string) string {
			return w.env[name]
		}, w)
	}()
	return func() {
		cancel()
		require.NoError(w.t, <-done)
	}
}

func TestConvergence(t *testing.T) {
	seed := seedOf(t)
	w := newWorld(t, seed, people, "")
	defer w.start()()
	w.settle()
	w.sim.ForgetRequests()
	w.faults()
	w.edit(rand.New(rand.NewPCG(seed, 2)), editsPerSide(), 12*time.Millisecond)
	w.settle()
	w.quiet(2 * editsPerSide())
	w.check()
}

// built returns the program, built once for all tests that ask.
func built(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sync")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// process starts the program.
func (w *world) process(program string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), program, "-poll", "50ms", "-database", w.env["FILE"])
	for name, v := range w.env {
		cmd.Env = append(cmd.Env, name+"="+v)
	}
	cmd.Env = append(cmd.Env, "TMPDIR="+os.TempDir())
	cmd.Stdout, cmd.Stderr = io.Discard, w
	require.NoError(w.t, cmd.Start())
	return cmd
}

func TestKilledAtRandomMoments(t *testing.T) {
	program := built(t)
	databases := map[string]func(*testing.T) string{
		"SQLite":     func(*testing.T) string { return "" },
		"PostgreSQL": startPostgres,
	}
	for name, start := range databases {
		t.Run(name, func(t *testing.T) {
			seed := seedOf(t)
			random := rand.New(rand.NewPCG(seed, 3))
			kills := 20
			if !full() {
				kills = 6
			}
			w := newWorld(t, seed, people, start(t))
			cmd := w.process(program)
			w.settle()
			w.sim.ForgetRequests()
			w.faults()
			edited := make(chan struct{})
			go func() {
				defer close(edited)
				w.edit(rand.New(rand.NewPCG(seed, 2)), editsPerSide(),
					time.Duration(kills)*600*time.Millisecond/time.Duration(editsPerSide()))
			}()
			for range kills {
				<-time.After(50*time.Millisecond + time.Duration(random.Int64N(int64(500*time.Millisecond))))
				require.NoError(t, cmd.Process.Kill())
				require.Error(t, cmd.Wait())
				require.Equal(t, -1, cmd.ProcessState.ExitCode(), "it ran until it was killed")
				cmd = w.process(program)
			}
			<-edited
			w.settle()
			report(t, "killed %d times", kills)
			w.quiet(2 * editsPerSide())
			w.check()

			asked := time.Now()
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, cmd.Wait(), "it stops in good order")
			report(t, "stopped within %v", time.Since(asked).Round(time.Millisecond))
			require.Less(t, time.Since(asked), 5*time.Second)
		})
	}
}
