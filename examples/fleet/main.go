// Command fleet runs a service that many workers share, on NATS JetStream:
// webhooks that are stored before they are acknowledged and handled in order,
// waits that end on whichever worker waits, and bulk jobs over all profiles.
//
//	go run . up -workers 3            # in one terminal: NATS, a simulator, workers
//	go run . top                      # in another one
//	go run . bulk -profiles 100000    # in a third one
//
// Everything talks to a simulated Passfort unless PASSFORT_API_KEY is set, and
// to a NATS server inside `fleet up` unless NATS_URL is.
//
// The engine is package fleet; worker.go puts a worker together with it: the part to
// copy. The rest is the demonstration.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/passfort-go/passfort"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// The defaults of a fleet on one machine.
const (
	defaultEngineHost = "127.0.0.1"
	defaultEnginePort = 4222
	defaultSimulator  = "127.0.0.1:4410"
	defaultFront      = "127.0.0.1:8480"

	// simulatorKey is the API key of the simulator, no secret.
	simulatorKey = "sim-master-key"
)

// The environment. What is secret comes only from there.
const (
	envEngine   = "NATS_URL"
	envKey      = "PASSFORT_API_KEY"
	envBase     = "PASSFORT_BASE_URL"
	envSecret   = "PASSFORT_WEBHOOK_SECRET"
	envStoreKey = "FLEET_STORE_KEY"
	// envOldSecret is the secret that was valid before, while it changes.
	envOldSecret = "PASSFORT_WEBHOOK_SECRET_OLD"
	// envToken is the password of the embedded NATS server.
	envToken = "FLEET_NATS_TOKEN"
	// envPrefix sets fleets on one engine apart.
	envPrefix = "FLEET_PREFIX"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// command is a part of the program that can be called by name.
type command func(ctx context.Context, p *program, args []string) error

// program is what commands have in common.
type program struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	log    *slog.Logger
}

const usage = `usage: fleet <command> [flags]

  up       start a fleet: NATS, a simulated Passfort, workers
  bulk     do something with every profile; bulk pause, bulk resume, bulk watch
  check    run checks on any worker and tell how fast webhooks end their waits
  top      watch the workers
  worker   one worker of a fleet, for machines of their own
  setup    make the streams of a fleet on the engine at NATS_URL
  partitions  change the number of partitions while the fleet runs
  parked      list, show, replay or purge the messages that were put aside
  permissions what the engine must permit to a process
  sim      the simulated Passfort alone

fleet <command> -help lists the flags. Environment: NATS_URL, PASSFORT_API_KEY,
PASSFORT_BASE_URL, PASSFORT_WEBHOOK_SECRET, PASSFORT_WEBHOOK_SECRET_OLD,
FLEET_NATS_TOKEN, FLEET_STORE_KEY, FLEET_PREFIX.
`

// errUsage: the command line was not understood, and that was said.
var errUsage = errors.New("usage")

// run is the program. It ends soon after ctx does.
func run(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string,
) int {
	commands := map[string]command{
		"up": up, "bulk": runBulk, "check": runChecks, "top": top, "worker": runWorker, "setup": setup,
		"sim":        runSimulator,
		"partitions": runPartitions, "parked": runParked, "permissions": runPermissions,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		_, _ = io.WriteString(stderr, usage)
		return exitUsage
	}
	p := &program{stdin, stdout, stderr, getenv, slog.New(slog.NewTextHandler(stderr, nil))}
	switch err := commands[args[0]](ctx, p, args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case ctx.Err() != nil:
		return exitOK
	default:
		_, _ = fmt.Fprintf(stderr, "fleet %s: %v\n", args[0], err)
		return exitFailed
	}
}

// called returns how the person at the terminal calls this program: go run keeps
// the binary in a folder of its own.
func called(args []string) string {
	if strings.Contains(args[0], "go-build") {
		return "go run ."
	}
	return "fleet"
}

// takeAddress listens on an address, or says which flag chooses another one.
func takeAddress(ctx context.Context, addr, flagName string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another one with -%s", err, flagName)
	}
	return l, nil
}

// atLeast says which flag is below its least value, if any.
func (p *program) atLeast(command string, least, value int, flagName string) error {
	if value >= least {
		return nil
	}
	_, _ = fmt.Fprintf(p.stderr, "fleet %s: -%s is at least %d\n", command, flagName, least)
	return errUsage
}

// longEnough refuses a read timeout that is none.
func (p *program) longEnough(command string, readTimeout time.Duration) error {
	if readTimeout > 0 {
		return nil
	}
	_, _ = fmt.Fprintf(p.stderr, "fleet %s: -read-timeout must be positive\n", command)
	return errUsage
}

// parse reads the flags of a command, which takes no other arguments.
func (p *program) parse(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(p.stderr)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(p.stderr, "fleet %s: too many arguments; see -help\n", flags.Name())
		return errUsage
	}
	return nil
}

// env returns a variable of the environment, or what stands for it.
func (p *program) env(name, absent string) string {
	if v := p.getenv(name); v != "" {
		return v
	}
	return absent
}

// live reports whether a real account is used.
func (p *program) live() bool { return p.getenv(envKey) != "" }

// prefix returns the prefix of the fleet: that of a real account is another one than
// that of the simulator.
func (p *program) prefix() string {
	if key := p.getenv(envKey); key != "" && key != simulatorKey {
		return p.env(envPrefix, "live")
	}
	return p.env(envPrefix, "sim")
}

func (p *program) baseURL() string {
	if p.live() {
		return p.env(envBase, passfort.DefaultBaseURL)
	}
	return p.env(envBase, "http://"+defaultSimulator+"/4.0")
}

func (p *program) engineURL() string {
	embedded := fmt.Sprintf("nats://%s:%d", defaultEngineHost, defaultEnginePort)
	if token := p.getenv(envToken); token != "" {
		embedded = withToken(embedded, token)
	}
	return p.env(envEngine, embedded)
}

// withToken puts a password into the URL of an engine.
func withToken(engine, token string) string {
	scheme, host, _ := strings.Cut(engine, "://")
	return (&url.URL{Scheme: scheme, User: url.User(token), Host: host}).String()
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
