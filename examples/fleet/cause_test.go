package main

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestCausesAreFixedWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"the engine refuses", fmt.Errorf("x: %w", &jetstream.APIError{ErrorCode: 10077, Description: "secret"}),
			"jetstream 10077"},
		{"passfort refuses", &passfort.Error{StatusCode: 422}, "passfort 422"},
		{"login", nats.ErrAuthorization, "login refused"},
		{"no stream", jetstream.ErrNoStreamResponse, "no stream takes it"},
		{"anything else", fmt.Errorf("secret"), "*errors.errorString"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, cause(row.err))
		})
	}
}

func TestOldEnginesAreNamed(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.10.29", "1.4.1", "", "x"} {
		require.ErrorContains(t, supported(version), "2.11.0 or later", version)
	}
	for _, version := range []string{"2.11.0", "2.15.2", "3.0.0", "2.12.0-RC.1"} {
		require.NoError(t, supported(version), version)
	}
}

func TestConnectNamesNoPassword(t *testing.T) {
	s, err := startEngine(engineOptions{Host: "127.0.0.1", Port: -1, Dir: t.TempDir(), Token: "right"})
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	for _, row := range []struct{ name, url, want string }{
		{"malformed", "nats://u:hunter2@[::1", "not a URL"},
		{"a port that is none", "nats://u:hunter2@127.0.0.1:x", "not a URL"},
		{"a percent sign", "nats://u:hunter2%zz@127.0.0.1:1", "not a URL"},
		{"wrong password", withToken(s.ClientURL(), "hunter2"), "refused the login"},
		{"nobody there", "nats://u:hunter2@127.0.0.1:1", "no engine"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := connect(row.url, "test", quietLog())
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	conn, err := connect(withToken(s.ClientURL(), "right"), "test", quietLog())
	require.NoError(t, err)
	conn.Close()
}
