//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Server is a running PostgreSQL.
type Server struct {
	dir     string
	host    string
	port    string
	as      *syscall.SysProcAttr
	process *exec.Cmd

	mu        sync.Mutex
	databases int
}

// errMissing means that the programs of PostgreSQL are not there.
var errMissing = errors.New("the programs of PostgreSQL are not installed (Debian: postgresql)")

// Start returns a server that lives as long as the test. Without the programs of
// PostgreSQL the test is skipped, except in CI.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Shared{}
	t.Cleanup(s.Stop)
	return s.Get(t)
}

// Shared is a server for all tests of a package: it starts for the first that asks,
// and TestMain stops it.
type Shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Get returns the server. Without the programs of PostgreSQL the test is skipped,
// except in CI.
func (s *Shared) Get(t testing.TB) *Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = begin() })
	if errors.Is(s.err, errMissing) && os.Getenv("CI") != "true" {
		t.Skip(s.err)
	}
	must(t, s.err)
	return s.server
}

// Stop stops the server, if it was started, and removes its data.
func (s *Shared) Stop() {
	if s.server != nil {
		_ = s.server.process.Process.Signal(syscall.SIGINT) // ends connections and stops
		_ = s.server.process.Wait()
		_ = os.RemoveAll(s.server.dir)
	}
}

func begin() (*Server, error) {
	initdb := program("initdb")
	if initdb == "" {
		return nil, errMissing
	}
	dir, err := os.MkdirTemp("", "passfort-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if s.as, err = asPostgres(dir); err != nil {
		return nil, err
	}
	create := exec.CommandContext(context.Background(), initdb, "--pgdata", filepath.Join(dir, "data"),
		"--username", "test", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	create.Dir, create.SysProcAttr = dir, s.as
	if out, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s.host = "127.0.0.1"
	if s.port, err = freePort(s.host); err != nil {
		return nil, err
	}
	return s, s.run()
}

// freePort returns a port for a server that is to start on it, and to come back to it
// after a crash. It is outside of what the system gives to connections and to servers
// that leave the choice to it: one of those may be given away before the server
// listens. Each call returns another one, and processes begin at different ports.
func freePort(host string) (port string, err error) {
	for range 1000 {
		port = strconv.Itoa(10_000 + (os.Getpid()*64+int(portsTried.Add(1)))%20_000)
		l, failed := net.Listen("tcp", net.JoinHostPort(host, port)) //nolint:noctx // it only finds a port
		if failed == nil {
			return port, l.Close()
		}
		err = failed
	}
	return "", err
}

var portsTried atomic.Int64

// asPostgres returns what lets a program run as the user postgres, who then owns
// the directory: PostgreSQL refuses to run as root.
func asPostgres(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(owner.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(owner.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(dir,
		int(uid), int(gid))
}

// run starts the server and waits until it takes connections.
func (s *Server) run() error {
	// A crash of the server alone loses nothing that was written, so it need not
	// sync to disk.
	s.process = exec.CommandContext(context.Background(), program("postgres"), "-D", filepath.Join(s.dir, "data"),
		"-c", "listen_addresses="+s.host, "-p", s.port, "-k", s.dir, "-c", "fsync=off", "-c", "max_connections=200")
	s.process.Dir, s.process.SysProcAttr = s.dir, s.as
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		ready := exec.CommandContext(context.Background(), program("pg_isready"), "-q", "-h", s.host, "-p", s.port)
		if ready.Run() == nil {
			return nil
		}
		<-time.After(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("PostgreSQL does not start:\n%s", text)
}

// Crash ends every process of the server at once, without a checkpoint, and starts
// it again.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	must(t, s.process.Process.Signal(syscall.SIGQUIT))
	_ = s.process.Wait()
	must(t, s.run())
}

// Database creates an empty database and returns the URL that connects to it as the
// superuser.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	s.mu.Unlock()
	create := exec.CommandContext(t.Context(), program("createdb"), "-h", s.host, "-p", s.port, "-U", "test", "-T",
		"template0", name)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("createdb: %v\n%s", err, out)
	}
	return fmt.Sprintf("postgres://test@%s/%s?sslmode=disable", net.JoinHostPort(s.host, s.port), name)
}

// program finds a program of PostgreSQL, which Debian keeps out of PATH.
func program(name string) string {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
