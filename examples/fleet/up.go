package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/passfort-go/passfort/fleet"
)

// up starts a fleet on this machine and keeps it up until ctx ends: what a
// cluster's scheduler does, small enough to read.
func up(ctx context.Context, p *program, args []string) (err error) {
	var l fleet.Layout
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	workers := flags.Int("workers", 3, "`number` of workers")
	dir := flags.String("dir", "", "`directory` of the embedded NATS server; empty: a new one, removed at the end")
	port := flags.Int("nats-port", defaultEnginePort, "`port` of the embedded NATS server")
	lazy := flags.Bool("lazy-sync", false,
		"let the embedded server answer before a message is on the disk:\nfaster, and safe if the process dies, but "+
			"not if the machine does")
	front := flags.String("listen", defaultFront, "`address` for webhooks, spread over the workers")
	simulator := flags.String("sim", defaultSimulator, "`address` of the simulator")
	hourly := flags.Int("hourly", 3_600_000,
		"the simulator's `requests` an hour that may replace collected data; 0: no limit")
	readTimeout := flags.Duration("read-timeout", defaultReadTimeout, "`time` that a delivery may take to arrive")
	layoutFlags(flags, &l)
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if err := cmp.Or(p.atLeast("up", 1, *workers, "workers"), p.atLeast("up", 0, *hourly, "hourly"),
		p.atLeast("up", 1, *port, "nats-port"), p.longEnough("up", *readTimeout)); err != nil {
		return err
	}
	secret := p.getenv(envSecret)
	switch {
	case secret == "" && p.live():
		return errors.New("set " + envSecret + " to the secret that the portal has for your webhooks")
	case secret == "":
		secret = rand.Text()
	}

	// A port that is taken is said now and not after half of a fleet has started.
	taken := map[string]string{"listen": *front}
	if !p.live() {
		taken["sim"] = *simulator
	}
	if p.getenv(envEngine) == "" {
		taken["nats-port"] = net.JoinHostPort(defaultEngineHost, strconv.Itoa(*port))
	}
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		l, err := takeAddress(ctx, taken[name], name)
		if err != nil {
			return err
		}
		_ = l.Close()
	}
	engineURL := p.getenv(envEngine)
	if engineURL == "" {
		token := p.getenv(envToken)
		if token == "" && p.live() {
			return errors.New("set " + envToken +
				" to a password for the embedded NATS server: who can write to it spends your money")
		}
		if *dir == "" {
			if *dir, err = os.MkdirTemp("", "fleet"); err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(*dir) }()
		}
		engine, err := startEngine(engineOptions{
			Host: defaultEngineHost, Port: *port, Dir: *dir, Lazy: *lazy, Token: token, Key: p.getenv(envStoreKey),
		})
		if err != nil {
			return err
		}
		defer func() {
			engine.Shutdown()
			engine.WaitForShutdown()
		}()
		engineURL = engine.ClientURL()
		_, _ = fmt.Fprintf(p.stdout, "NATS      %s, embedded, stored in %s\n", engineURL, *dir)
		if token != "" {
			engineURL = withToken(engineURL, token)
		}
	}
	if err := prepare(ctx, engineURL, p.prefix(), l, io.Discard, p.log); err != nil {
		return err
	}

	s, err := newSupervisor(p, *front, *readTimeout, []string{
		envEngine + "=" + engineURL, envSecret + "=" + secret, envPrefix + "=" + p.prefix(),
	})
	if err != nil {
		return err
	}
	defer s.stop()
	if p.live() {
		_, _ = fmt.Fprintf(p.stdout, "Passfort  a real account\n")
	} else {
		child, err := s.start("sim", "sim", "-child", "-addr", *simulator, "-webhook", s.url(), "-hourly",
			fmt.Sprint(*hourly))
		if err != nil {
			return err
		}
		s.env = append(s.env, envKey+"="+simulatorKey, envBase+"="+child.said)
		_, _ = fmt.Fprintf(p.stdout, "Passfort  %s, simulated\n", child.said)
	}
	_, _ = fmt.Fprintf(p.stdout, "Webhooks  %s\n", s.url())
	for i := range *workers {
		if err := s.keep(ctx, fmt.Sprintf("w%d", i+1)); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(p.stdout, "Workers   %[1]d; now try: %[2]s top, %[2]s check, %[2]s bulk -profiles 1000\n",
		*workers, called(os.Args))
	if *port != defaultEnginePort && p.getenv(envEngine) == "" {
		_, _ = fmt.Fprintf(p.stdout, "          with %s set to the address of NATS above\n", envEngine)
	}
	if *simulator != defaultSimulator && !p.live() {
		_, _ = fmt.Fprintf(p.stdout, "          with %s set to that of Passfort\n", envBase)
	}
	<-ctx.Done()
	return nil
}

// supervisor starts processes of this program and spreads webhooks over the
// workers among them.
type supervisor struct {
	program  string
	env      []string
	log      *slog.Logger
	stderr   io.Writer
	front    *front
	listener net.Listener
	srv      *http.Server
	stopping chan struct{}
	running  sync.WaitGroup
	// readTimeout is that of the front and of the workers.
	readTimeout time.Duration

	mu       sync.Mutex
	children []*child
}

func newSupervisor(p *program, addr string, readTimeout time.Duration, env []string) (*supervisor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &supervisor{
		program: self, env: append(os.Environ(), env...), log: p.log, stderr: p.stderr,
		front: &front{workers: map[string]string{}}, stopping: make(chan struct{}), readTimeout: readTimeout,
	}
	if s.listener, err = takeAddress(context.Background(), addr, "listen"); err != nil {
		return nil, err
	}
	s.srv = serve(s.front.handler(), s.readTimeout)
	s.running.Go(func() { _ = s.srv.Serve(s.listener) })
	return s, nil
}

func (s *supervisor) url() string { return "http://" + s.listener.Addr().String() + "/webhooks" }

// child is a process of this program. It stops when its standard input ends,
// so it does not outlive this process.
type child struct {
	name  string
	cmd   *exec.Cmd
	input io.Closer
	said  string // its first line
	ended chan struct{}
}

// start starts a process and returns when it has printed its first line.
func (s *supervisor) start(name string, args ...string) (*child, error) {
	//nolint:noctx // it ends with its input, so that it can finish what it has in hand
	cmd := exec.Command(s.program, args...)
	cmd.Env, cmd.Stderr = s.env, s.stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{name: name, cmd: cmd, input: input, ended: make(chan struct{})}
	s.mu.Lock()
	s.children = append(s.children, c)
	s.mu.Unlock()
	if s.isStopping() { // stop may have looked at the children before
		_ = input.Close()
	}
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	c.said = strings.TrimSpace(line)
	s.running.Go(func() {
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait()
		close(c.ended)
	})
	if err != nil {
		_ = input.Close()
		<-c.ended
		s.forget(c)
		return nil, fmt.Errorf("%s did not start", name)
	}
	return c, nil
}

// keep starts a worker, and starts it again whenever it ends, until stop.
func (s *supervisor) keep(ctx context.Context, name string) error {
	start := func() (*child, error) {
		c, err := s.start(name, "worker", "-child", "-name", name, "-listen", "127.0.0.1:0",
			"-read-timeout", s.readTimeout.String())
		if err == nil {
			s.front.set(name, c.said)
		}
		return c, err
	}
	c, err := start()
	if err != nil {
		return err
	}
	s.running.Go(func() {
		for {
			if c != nil {
				<-c.ended
				s.front.set(name, "")
				s.forget(c)
			}
			if ctx.Err() != nil || s.isStopping() {
				return
			}
			s.log.Warn("a worker ended and is started again", "worker", name)
			rest(ctx, 200*time.Millisecond)
			if c, err = start(); err != nil {
				s.log.Error("a worker could not be started", "worker", name)
			}
		}
	})
	return nil
}

func (s *supervisor) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

func (s *supervisor) forget(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.children {
		if s.children[i] == c {
			s.children = append(s.children[:i], s.children[i+1:]...)
			return
		}
	}
}

// stop stops what was started, workers before the simulator, and kills what
// does not stop in time.
func (s *supervisor) stop() {
	close(s.stopping)
	s.mu.Lock()
	children := append([]*child(nil), s.children...)
	s.mu.Unlock()
	late := time.After(stopTimeout + 5*time.Second)
	for i := len(children) - 1; i >= 0; i-- {
		_ = children[i].input.Close()
	}
	for _, c := range children {
		select {
		case <-c.ended:
		case <-late:
			_ = c.cmd.Process.Kill()
			<-c.ended
		}
	}
	_ = s.srv.Close()
	s.running.Wait()
}

// front spreads webhooks over the workers: your load balancer. It repeats
// nothing; Passfort does.
type front struct {
	mu      sync.Mutex
	workers map[string]string // address by name
	order   []string
	turn    int
}

// set adds a worker, or takes it out if the address is empty.
func (f *front) set(name, addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if addr == "" {
		delete(f.workers, name)
	} else {
		f.workers[name] = addr
	}
	f.order = f.order[:0]
	for _, addr := range f.workers {
		f.order = append(f.order, addr)
	}
}

func (f *front) next() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) == 0 {
		return ""
	}
	f.turn++
	return f.order[f.turn%len(f.order)]
}

func (f *front) handler() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", f.next()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/webhooks" {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// runWorker is one worker, until ctx ends. It prints its address first.
func runWorker(ctx context.Context, p *program, args []string) error {
	cfg := workerConfig{
		EngineURL: p.engineURL(), Prefix: p.prefix(), APIKey: p.env(envKey, simulatorKey), Secret: p.getenv(envSecret),
		OldSecret: p.getenv(envOldSecret), Log: p.log,
		BaseURL: p.baseURL(),
	}
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.StringVar(&cfg.Name, "name", "worker", "`name` that no other worker has")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "`address` for webhooks; put TLS in front of it")
	flags.StringVar(&cfg.Ops, "ops", "", "`address` of /healthz, /readyz and /metrics; empty: none")
	flags.IntVar(&cfg.Items, "items", 4, "`number` of profiles of bulk jobs to work on at once")
	flags.IntVar(&cfg.Reserve, "reserve", 500, "`requests` of the hourly quota that bulk jobs leave to others")
	flags.Int64Var(&cfg.MaxDelivery, "max-delivery", 16<<20,
		"`bytes` of the largest delivery; Passfort sends a larger one again and again")
	flags.DurationVar(&cfg.ReadTimeout, "read-timeout", defaultReadTimeout, "`time` that a delivery may take to arrive")
	isChild := flags.Bool("child", false, "stop when standard input ends")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if !plainName.MatchString(cfg.Name) {
		_, _ = fmt.Fprintln(p.stderr, "fleet worker: -name is letters, digits, - and _")
		return errUsage
	}
	if err := cmp.Or(p.atLeast("worker", 0, cfg.Items, "items"),
		p.atLeast("worker", 0, cfg.Reserve, "reserve"),
		p.atLeast("worker", 1, int(cfg.MaxDelivery), "max-delivery"),
		p.longEnough("worker", cfg.ReadTimeout)); err != nil {
		return err
	}
	if *isChild {
		ctx = untilEOF(ctx, p.stdin)
	}
	cfg.Log = p.log.With("worker", cfg.Name)
	w, err := newWorker(ctx, cfg)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(p.stdout, w.Addr())
	return w.Run(ctx)
}

// untilEOF returns a context that also ends when r does. The goroutine that
// reads ends with the process.
func untilEOF(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, r)
		cancel()
	}()
	return ctx
}
