package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// asUser makes this binary a user's program in another container, which
// reaches the simulator by the name that compose.yaml gives it.
const asUser = "PASSFORT_SIM_TEST_AS_USER"

// use calls the simulator at PASSFORT_BASE_URL. The resolver of the network is
// played: its name leads to the address in PASSFORT_SIM_TEST_AS_USER.
func use() error {
	transport := passfort.DefaultTransport()
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, os.Getenv(asUser))
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		authority, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	opts := []passfort.Option{passfort.WithHTTPClient(&http.Client{Transport: transport})}
	if os.Getenv("PLAIN") != "" {
		opts = append(opts, passfort.WithPlainHTTP())
	}
	client, err := passfort.NewFromEnv(opts...)
	if err != nil {
		return err
	}
	made, err := client.Profiles.Create(context.Background(), person("Doe"))
	if err != nil {
		return err
	}
	_, err = fmt.Println("made", made.ID)
	return err
}

// user runs such a program to its end.
func user(t *testing.T, base, addr string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{asUser + "=" + addr, "PASSFORT_API_KEY=compose-key", "PASSFORT_BASE_URL=" + base}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The compose file, without a container engine: the simulator and its user are
// two processes that know each other by the names of the file, over https and,
// where that is asked for, over plain http.
func TestComposeInProcesses(t *testing.T) {
	t.Parallel()
	compose, err := os.ReadFile("../../compose.yaml")
	require.NoError(t, err)
	for _, line := range []string{"  passfort-sim:", "PASSFORT_SIM_HOSTS: passfort-sim",
		"https://passfort-sim:4010/4.0", "PASSFORT_SIM_TLS:", "SSL_CERT_FILE:"} {
		require.Contains(t, string(compose), line)
	}
	authority := filepath.Join(t.TempDir(), "ca.pem")
	env := map[string]string{"PASSFORT_SIM_API_KEY": "compose-key", "PASSFORT_SIM_HOSTS": "passfort-sim"}
	plain := begin(t, env)
	env["PASSFORT_SIM_TLS"] = authority
	secure := begin(t, env)
	address := func(p *program) (addr, port string) {
		addr = strings.TrimSuffix(p.base[strings.Index(p.base, "//")+2:], "/4.0")
		_, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		return addr, port
	}

	addr, port := address(secure)
	require.True(t, strings.HasPrefix(secure.base, "https://"), secure.base)
	out, err := user(t, "https://passfort-sim:"+port+"/4.0", addr, "SSL_CERT_FILE="+authority)
	require.NoError(t, err, out)
	require.Contains(t, out, "made ")
	out, err = user(t, "https://passfort-sim:"+port+"/4.0", addr)
	require.Error(t, err, "no other client trusts the authority")
	require.Contains(t, out, "certificate")
	out, err = user(t, "https://another:"+port+"/4.0", addr, "SSL_CERT_FILE="+authority)
	require.Error(t, err, "the certificate is for the names that were given")
	require.Contains(t, out, "certificate")

	addr, port = address(plain)
	out, err = user(t, "http://passfort-sim:"+port+"/4.0", addr, "PLAIN=1")
	require.NoError(t, err, out)
	out, err = user(t, "http://passfort-sim:"+port+"/4.0", addr)
	require.Error(t, err)
	require.Contains(t, out, "plain http")
}

// The file of the authority never follows a link, and can be read by others.
func TestAuthorityReplacesALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(target, []byte("mine"), 0o600))
	require.NoError(t, os.Symlink(target, link))
	begin(t, nil, "-tls", link)
	got, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))
	authority, err := os.ReadFile(link)
	require.NoError(t, err)
	require.Contains(t, string(authority), "BEGIN CERTIFICATE")
	require.ErrorContains(t, publish(filepath.Join(dir, "none", "ca.pem"), nil), "none")
}

// Callers from other machines need the key for the pages, even under a name that
// was opened; the API needs it anyway.
func TestPagesNeedTheKeyFromOtherMachines(t *testing.T) {
	t.Parallel()
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := keyed("right", []string{"sim.internal"}, inner)
	for name, row := range map[string]struct {
		from, host, password string
		want                 int
	}{
		"this machine":                     {"127.0.0.1:1", "localhost", "", 204},
		"this machine, IPv6":               {"[::1]:1", "[::1]:4010", "", 204},
		"another, without a key":           {"172.17.0.1:1", "localhost", "", 401},
		"another, a wrong key":             {"172.17.0.1:1", "localhost", "wrong", 401},
		"another, the key":                 {"172.17.0.1:1", "localhost", "right", 204},
		"no address":                       {"@", "localhost", "", 401},
		"a proxy on this machine":          {"127.0.0.1:1", "sim.internal", "", 401},
		"a proxy that passes the port on":  {"127.0.0.1:1", "SIM.internal:443", "", 401},
		"a proxy, a wrong key":             {"127.0.0.1:1", "sim.internal", "wrong", 401},
		"a proxy on this machine, the key": {"127.0.0.1:1", "sim.internal", "right", 204},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/_sim/", nil)
			require.NoError(t, err)
			r.RemoteAddr, r.Host = row.from, row.host
			if row.password != "" {
				r.SetBasicAuth("me", row.password)
			}
			rec := &status{header: http.Header{}}
			h.ServeHTTP(rec, r)
			require.Equal(t, row.want, rec.code)
		})
	}
}

// status is a ResponseWriter that notes the status.
type status struct {
	code   int
	header http.Header
}

func (s *status) Header() http.Header         { return s.header }
func (s *status) WriteHeader(code int)        { s.code = code }
func (s *status) Write(p []byte) (int, error) { return len(p), nil }

// A web page whose name leads to this machine reaches nothing.
func TestReboundNamesReachNothing(t *testing.T) {
	t.Parallel()
	p := begin(t, nil, "-hosts", "sim.internal")
	for _, path := range []string{"/4.0/whoami", "/4.0/profiles", "/_sim/", "/embed.js", "/form", "/healthz",
		"/nothing"} {
		for host, foreign := range map[string]bool{
			"evil.example": true, "evil.example:4010": true, "localhost.evil.example": true, "10.0.0.1": true,
			"localhost": false, "LOCALHOST:1": false, "app.localhost": false, "127.0.0.1": false, "[::1]:4010": false,
			"sim.internal": false,
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(p.base, "/4.0")+path,
				nil)
			require.NoError(t, err)
			r.Host = host
			r.Header.Set("apikey", "sim-master-key")
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			refused := resp.StatusCode == http.StatusMisdirectedRequest || path == "/_sim/" &&
				resp.StatusCode == http.StatusForbidden
			if path == "/_sim/" && host == "sim.internal" || path == "/healthz" {
				continue
			}
			require.Equal(t, foreign, refused, "%s%s: %d", host, path, resp.StatusCode)
		}
	}
}
