package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTakenPorts: a port that is taken ends up, sim and worker at once, with the
// flag that chooses another one.
func TestTakenPorts(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	taken := l.Addr().String()
	_, port, err := net.SplitHostPort(taken)
	require.NoError(t, err)
	for _, row := range []struct {
		name, flag string
		args       []string
	}{
		{"NATS", "-nats-port", []string{"up", "-nats-port", port, "-listen", "127.0.0.1:0", "-sim", "127.0.0.1:0"}},
		{"simulator", "-sim", []string{"up", "-sim", taken, "-listen", "127.0.0.1:0", "-nats-port",
			fmt.Sprint(freePort(t))}},
		{"webhooks", "-listen", []string{"up", "-listen", taken, "-sim", "127.0.0.1:0", "-nats-port",
			fmt.Sprint(freePort(t))}},
		{"simulator alone", "-addr", []string{"sim", "-addr", taken}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var out, errs bytes.Buffer
			code := run(ctx, row.args, strings.NewReader(""), &out, &errs, func(string) string { return "" })
			require.NoError(t, ctx.Err())
			require.Equal(t, exitFailed, code)
			require.Contains(t, errs.String(), taken+": bind: address already in use; choose another one with "+
				row.flag)
			require.Empty(t, out.String(), "nothing was started")
		})
	}
}

func TestCountsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		want string
		args []string
	}{
		{"fleet up: -workers is at least 1", []string{"up", "-workers", "-3"}},
		{"fleet up: -hourly is at least 0", []string{"up", "-hourly", "-1"}},
		{"fleet up: -nats-port is at least 1", []string{"up", "-nats-port", "-1"}},
		{"fleet check: -n is at least 1", []string{"check", "-n", "-5"}},
		{"fleet check: -n is at least 1", []string{"check", "-n", "0"}},
		{"fleet bulk: -profiles is at least 0", []string{"bulk", "-profiles", "-1"}},
		{"fleet top: -n is at least 0", []string{"top", "-n", "-1"}},
		{"fleet sim: -hourly is at least 0", []string{"sim", "-hourly", "-1"}},
		{"fleet worker: -items is at least 0", []string{"worker", "-items", "-1"}},
		{"fleet worker: -reserve is at least 0", []string{"worker", "-reserve", "-1"}},
		{"fleet partitions: -n is at least 1", []string{"partitions", "-n", "-1"}},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			require.Equal(t, exitUsage, run(t.Context(), row.args, strings.NewReader(""), &out, &errs,
				func(string) string { return "" }))
			require.Contains(t, errs.String(), row.want)
		})
	}
}

// TestCalled: whoever has no binary is not sent to one.
func TestCalled(t *testing.T) {
	t.Parallel()
	require.Equal(t, "fleet", called([]string{"/usr/bin/fleet"}))
	require.Equal(t, "go run .", called([]string{"/var/cache/go-build123/b001/exe/fleet"}))
}
