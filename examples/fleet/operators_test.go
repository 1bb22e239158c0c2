package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// caller returns a function that calls the program as an operator does.
func caller(t *testing.T, env map[string]string) func(code int, args ...string) string {
	return func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		got := run(t.Context(), args, strings.NewReader(""), &out, &errs, func(name string) string {
			return env[name]
		})
		require.Equal(t, code, got, errs.String())
		return out.String() + errs.String()
	}
}

// TestOperators has what operators do by mistake: refused or harmless, with a line that
// names the cause.
func TestOperators(t *testing.T) {
	t.Parallel()
	s, err := startEngine(engineOptions{Host: "127.0.0.1", Port: -1, Dir: t.TempDir(), Token: "right"})
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	bare, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	bare.Start()
	t.Cleanup(bare.Shutdown)
	require.True(t, bare.ReadyForConnections(20*time.Second))
	url := withToken(s.ClientURL(), "right")
	call := caller(t, map[string]string{envEngine: url})
	require.Contains(t, call(exitOK, "setup", "-ack-wait", "60s", "-keep", "100h"),
		"stream sim_WEBHOOKS: new, replicas 1")
	for _, row := range []struct {
		name string
		env  map[string]string
		code int
		args []string
		says string
	}{
		{"setup repeated without its flags", nil, exitOK, []string{"setup"}, "nothing changes"},
		{"a plan", nil, exitOK, []string{"setup", "-plan", "-ack-wait", "2m"}, "consumers ack wait: 1m0s -> 2m0s"},
		{"the plan was not carried out", nil, exitOK, []string{"setup", "-ack-wait", "60s"}, "nothing changes"},
		{"a shorter ack wait", nil, exitFailed, []string{"setup", "-ack-wait", "10s"}, "LESS SAFE"},
		{"and what it says", nil, exitFailed, []string{"setup", "-ack-wait", "10s"},
			"consumers ack wait from 1m0s to 10s: it loses safety: nothing was changed; give -force to do it"},
		{"effects forgotten sooner", nil, exitFailed, []string{"setup", "-keep", "1h"}, "give -force"},
		{"more copies than servers", nil, exitFailed, []string{"setup", "-replicas", "3"}, "non-clustered mode"},
		{"partitions by setup", nil, exitFailed, []string{"setup", "-partitions", "3"}, "partitions -n 3 does it"},
		{"partitions by their command", nil, exitOK, []string{"partitions", "-n", "4"}, "4 partitions"},
		{"too many partitions", nil, exitFailed, []string{"partitions", "-n", "5000"}, "1 to 1024"},
		{"a malformed URL", map[string]string{envEngine: "nats://u:hunter2@[::1"}, exitFailed, []string{"setup"},
			"NATS_URL is not a URL"},
		{"a wrong password", map[string]string{envEngine: withToken(s.ClientURL(), "hunter2")}, exitFailed,
			[]string{"top"}, "the engine refused the login"},
		{"nothing listens", map[string]string{envEngine: "nats://127.0.0.1:1"}, exitFailed, []string{"top"},
			"there is no engine"},
		{"an engine without JetStream", map[string]string{envEngine: bare.ClientURL()}, exitFailed, []string{"setup"},
			"no JetStream"},
		{"another prefix", map[string]string{envEngine: url, envPrefix: "other"}, exitFailed, []string{"top"},
			"no fleet of this prefix"},
		{"a prefix that is none", map[string]string{envEngine: url, envPrefix: "a.b"}, exitFailed, []string{"setup"},
			"Prefix is 1 to 32"},
		{"the commands of test at a live account", map[string]string{envEngine: url, envKey: "made-up"}, exitFailed,
			[]string{"top"}, "FLEET_PREFIX is live"},
		{"a check at a live account", map[string]string{envEngine: url, envKey: "made-up"}, exitFailed,
			[]string{"check"}, "simulator alone"},
		{"a job of no name", nil, exitFailed, []string{"bulk", "watch", "-job", "none"}, "no job of this name"},
		{"a parked message that is none", nil, exitFailed, []string{"parked", "show", "-id", "7"},
			"no parked message of this number"},
		{"a purge without a word", nil, exitUsage, []string{"parked", "purge"}, "-yes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			env := row.env
			if env == nil {
				env = map[string]string{envEngine: url}
			}
			said := caller(t, env)(row.code, row.args...)
			require.Contains(t, said, row.says)
			require.NotContains(t, said, "hunter2")
			require.NotContains(t, said, "right")
		})
	}
}

func TestParked(t *testing.T) {
	t.Parallel()
	url := newEngine(t, testLayout())
	_, js := dialEngine(t, url)
	call := caller(t, map[string]string{envEngine: url})
	require.Equal(t, "0 messages\n", call(exitOK, "parked", "list"))
	for i, body := range []string{`{"ProfileID":"p1"}`, `{"ProfileID":"p2"}`, "unreadable"} {
		_, err := js.Publish(t.Context(), fmt.Sprintf("sim.parked.%d.x", i), []byte(body))
		require.NoError(t, err)
	}
	require.Contains(t, call(exitOK, "parked", "list"), "3 messages")
	require.NotContains(t, call(exitOK, "parked", "list"), "p1", "a list shows no data")
	require.Contains(t, call(exitOK, "parked", "show", "-id", "2"), `"ProfileID":"p2"`)
	require.Contains(t, call(exitUsage, "parked", "show"), "which -id")
	require.Contains(t, call(exitUsage, "parked", "dance"), "say list")
	call(exitOK, "parked", "replay", "-id", "1")
	require.Equal(t, 1, waiting(t, js, webhookStream))
	require.Equal(t, 2, waiting(t, js, parkedStream))
	require.Contains(t, call(exitFailed, "parked", "replay"), "message 3 stays parked: unreadable")
	require.Equal(t, 2, waiting(t, js, webhookStream), "the others go on")
	require.Equal(t, "1 messages\n", call(exitOK, "parked", "purge", "-yes"))
	require.Zero(t, waiting(t, js, parkedStream))
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	call := caller(t, map[string]string{envPrefix: "bank"})
	require.Contains(t, call(exitOK, "permissions", "-role", "front"), `"bank.webhooks.>"`)
	require.NotContains(t, call(exitOK, "permissions", "-role", "front"), "effects")
	require.Contains(t, call(exitOK, "permissions", "-role", "setup,operator"), "STREAM.CREATE.bank_WEBHOOKS")
}

func TestOps(t *testing.T) {
	t.Parallel()
	w := startWorker(t, "w", newEngine(t, testLayout()), nowhere)
	require.Equal(t, 200, post(t, w, message{1, 1}.json()))
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ok\n", "/metrics": "fleet_webhooks_received_total{prefix=\"sim\"} 1\n",
	} {
		out := httptest.NewRecorder()
		w.opsHandler().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		require.Equal(t, 200, out.Code, path)
		require.Contains(t, out.Body.String(), want)
	}
	out := httptest.NewRecorder()
	w.opsHandler().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Contains(t, out.Body.String(), "\nfleet_api_limited_total 0\n")
}

// TestStrangersSpendNothing: with a real account no worker runs checks that it is asked
// for on the engine, and the embedded server wants a password.
func TestStrangersSpendNothing(t *testing.T) {
	t.Parallel()
	url := newEngine(t, testLayout())
	conn, _ := dialEngine(t, url)
	w := startWorkerThat(t, workerConfig{Name: "w", EngineURL: url, BaseURL: nowhere, APIKey: "made-up"})
	require.Equal(t, 200, post(t, w, message{1, 1}.json()), "it works")
	_, err := conn.Request(w.fleet.Subject("check"), []byte("{}"), 10*time.Second)
	require.ErrorIs(t, err, nats.ErrNoResponders)
	env := map[string]string{envKey: "made-up", envSecret: testSecret}
	up := caller(t, env)(exitFailed, "up", "-listen", "127.0.0.1:0", "-nats-port", fmt.Sprint(freePort(t)))
	require.Contains(t, up, envToken)
	for _, args := range [][]string{{"check"}, {"bulk", "-profiles", "5"}, {"bulk"}} {
		var out bytes.Buffer
		code := run(t.Context(), args, strings.NewReader(""), &out, &out, func(name string) string { return env[name] })
		require.NotEqual(t, exitOK, code, args)
	}
}

// TestSlowBodies: a sender that dribbles holds no connection of a worker or of the front.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	const senders, limit = 50, 300 * time.Millisecond
	w := startWorkerThat(t, workerConfig{
		Name: "w", EngineURL: newEngine(t, testLayout()), BaseURL: nowhere, ReadTimeout: limit,
	})
	s, err := newSupervisor(&program{stderr: new(strings.Builder), log: quietLog()}, "127.0.0.1:0", limit, nil)
	require.NoError(t, err)
	t.Cleanup(s.stop)
	s.front.set("w", w.Addr())
	for name, addr := range map[string]string{"worker": w.Addr(), "front": s.listener.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			var open []net.Conn
			for range senders {
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
				require.NoError(t, err)
				t.Cleanup(func() { _ = conn.Close() })
				_, err = fmt.Fprintf(conn, "POST /webhooks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
					"Content-Length: 1000000\r\n\r\n[", testSecret)
				require.NoError(t, err)
				open = append(open, conn)
			}
			for _, conn := range open {
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
				for err = nil; err == nil; {
					_, err = conn.Read(make([]byte, 1024))
				}
				var late net.Error
				require.False(t, errors.As(err, &late) && late.Timeout(), "a slow sender still holds its connection")
			}
			eventually(t, 20*time.Second, "the others are served", func() bool {
				return post(t, w, message{1, 1}.json()) == 200
			})
		})
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
		{"nothing listens", "nats://u:hunter2@127.0.0.1:1", "no engine"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := join(row.url, testPrefix, "test", quietLog())
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	conn, _, err := join(withToken(s.ClientURL(), "right"), testPrefix, "test", quietLog())
	require.NoError(t, err)
	conn.Close()
}
