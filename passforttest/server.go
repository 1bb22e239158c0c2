package passforttest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/unreachable"
)

// basePath is where the API lives on a Server: the version is part of it.
const basePath = "/4.0"

// Server is a simulated Passfort. It is an http.Handler; NewServer also
// listens. All methods are safe for concurrent use.
type Server struct {
	*lifetime

	cfg    config
	world  *world
	routes *router

	limiter  limiter
	faults   faults
	recorder recorder
	calls    callLog
	visits   visitLog
	requests atomic.Int64

	mu        sync.Mutex // guards what follows
	conns     map[net.Conn]struct{}
	listener  net.Listener
	refusing  bool
	pipe      *pipeListener
	transport *http.Transport
	origin    *originServer

	httpSrv *http.Server
	addr    string
}

// lifetime is shared by all that a server starts.
type lifetime struct {
	closing sync.Once
	closed  chan struct{}

	starting sync.Mutex // held while something starts, and while closed is closed
	running  sync.WaitGroup
}

// hold makes Close wait for running.Done. It reports false once Close was called.
func (l *lifetime) hold() bool {
	l.starting.Lock()
	defer l.starting.Unlock()
	select {
	case <-l.closed:
		return false
	default:
	}
	l.running.Add(1)
	return true
}

// start runs do in a goroutine that Close waits for. It reports false, and runs nothing,
// once Close was called.
func (l *lifetime) start(do func()) bool {
	if !l.hold() {
		return false
	}
	go func() {
		defer l.running.Done()
		do()
	}()
	return true
}

// held lets Close wait for the calls of a handler.
func (l *lifetime) held(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.hold() {
			panic(http.ErrAbortHandler)
		}
		defer l.running.Done()
		h.ServeHTTP(w, r)
	})
}

// end closes closed: nothing starts any more.
func (l *lifetime) end() {
	l.starting.Lock()
	defer l.starting.Unlock()
	close(l.closed)
}

// New returns a Server that does not listen: use it as a handler, or through
// Transport or Client, which reach it without a socket. It has to be closed too.
func New(opts ...Option) *Server {
	cfg := defaults()
	for _, o := range opts {
		o(&cfg)
	}
	life := &lifetime{closed: make(chan struct{})}
	s := &Server{
		lifetime: life, cfg: cfg, world: newWorld(cfg, life), routes: newRouter(),
		limiter: limiter{limits: cfg.limits}, conns: map[net.Conn]struct{}{},
	}
	s.recorder.init(cfg.recordLimit)
	s.httpSrv = &http.Server{
		Handler: life.held(s), ReadHeaderTimeout: time.Minute, MaxHeaderBytes: headerLimit, ConnState: s.trackConn,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return s
}

// NewServer returns a Server that listens on a loopback port. It panics if
// no port is available.
func NewServer(opts ...Option) *Server {
	s := New(opts...)
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic("passforttest: no loopback port: " + err.Error())
	}
	s.addr = l.Addr().String()
	s.serve(l)
	return s
}

func (s *Server) serve(l net.Listener) {
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	if !s.start(func() { _ = s.httpSrv.Serve(l) }) {
		_ = l.Close()
	}
}

// Close stops the server, drops its connections and waits for everything it started and
// for the calls under way. Where the Server is the handler of a server of yours, close
// that one first: calls from there are not waited for. Close may be called more than
// once, but not by a function of DecideChecks or a slog.Handler of WithLogger, which a
// call waits for.
func (s *Server) Close() {
	s.closing.Do(func() {
		s.end()
		_ = s.httpSrv.Close()
		s.mu.Lock()
		pipe, transport, origin := s.pipe, s.transport, s.origin
		s.mu.Unlock()
		if pipe != nil {
			_ = pipe.Close()
			transport.CloseIdleConnections()
		}
		if origin != nil {
			_ = origin.srv.Close()
		}
		s.running.Wait()
		s.world.out.closeIdle()
	})
}

// URL returns the base URL of the API, version included and without a slash at
// the end.
func (s *Server) URL() string {
	if s.addr == "" {
		return "http://127.0.0.1" + basePath
	}
	return "http://" + s.addr + basePath
}

// APIKey returns the master key.
func (s *Server) APIKey() string { return s.cfg.apiKey }

// Client returns an SDK client of this server. The options come after the ones
// that point it here. It panics if they are not valid.
func (s *Server) Client(opts ...passfort.Option) *passfort.Client {
	all := []passfort.Option{passfort.WithBaseURL(s.URL())}
	if s.addr == "" {
		all = append(all, passfort.WithHTTPClient(&http.Client{Transport: s.Transport()}))
	}
	c, err := passfort.New(s.APIKey(), append(all, opts...)...)
	if err != nil {
		panic("passforttest: " + err.Error())
	}
	return c
}

// Handler returns the API as a handler. It answers paths that start with /4.0.
func (s *Server) Handler() http.Handler { return s }

// Transport returns a RoundTripper that takes every request, whatever its
// host, to this server through in-memory connections: no sockets, so it works
// inside a testing/synctest bubble.
func (s *Server) Transport() http.RoundTripper {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport == nil {
		pipe := newPipeListener()
		s.pipe = pipe
		s.transport = &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if s.isRefusing() {
					return nil, &net.OpError{Op: "dial", Net: "pipe", Err: unreachable.Error()}
				}
				return pipe.dial(ctx)
			},
			MaxIdleConnsPerHost: 64,
		}
		if !s.start(func() { _ = s.httpSrv.Serve(pipe) }) {
			_ = pipe.Close()
		}
	}
	return s.transport
}

func (s *Server) isRefusing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusing
}

// Refuse makes the server refuse new connections and drops the open ones;
// Refuse(false) accepts them again, at the same address. It panics if the
// address was taken meanwhile.
func (s *Server) Refuse(on bool) {
	s.mu.Lock()
	was, l := s.refusing, s.listener
	s.refusing = on
	s.mu.Unlock()
	if was == on {
		return
	}
	if on {
		if l != nil {
			_ = l.Close()
		}
		s.dropConns()
		return
	}
	if s.addr == "" {
		return
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.addr)
	if err != nil {
		panic("passforttest: cannot listen again: " + err.Error())
	}
	s.serve(l)
}

func (s *Server) trackConn(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	}
}

func (s *Server) dropConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// pipeListener hands out in-memory connections.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		err = &net.OpError{Op: "dial", Net: "pipe", Err: unreachable.Error()}
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = server.Close()
	_ = client.Close()
	return nil, err
}

// Accept waits for the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns a placeholder: there is no address.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
