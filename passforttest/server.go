package passforttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
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
	cfg    config
	routes *router
	forms  forms

	mu         sync.Mutex
	state      *state
	roster     *roster
	sw         Switches
	offset     time.Duration
	tick       time.Time // the time of what is being applied
	due        dueQueue
	source     *rand.ChaCha8
	random     *rand.Rand
	faults     []*armedFault
	buckets    map[string]*bucket
	moved      chan struct{} // closed and replaced whenever something changed
	outcome    outcomes
	hooks      webhooks
	journal    Journal // nil: the state is gone with the process
	compacting bool
	changes    changes

	connMu sync.Mutex
	conns  map[net.Conn]struct{}

	recorder  recorder
	calls     callLog
	requests  atomic.Int64
	closing   sync.Once
	closed    chan struct{}
	running   sync.WaitGroup
	httpSrv   *http.Server
	addr      string
	listener  net.Listener
	refusing  bool
	pipe      *pipeListener
	transport *http.Transport
	origin    *originServer
	visits    visitLog
}

// New returns a Server that does not listen: use it as a handler, or through
// Transport or Client, which reach it without a socket. Close it all the same.
func New(opts ...Option) *Server {
	cfg := defaults()
	for _, o := range opts {
		o(&cfg)
	}
	s := &Server{
		cfg: cfg, routes: newRouter(), sw: cfg.switches,
		buckets: map[string]*bucket{}, conns: map[net.Conn]struct{}{}, moved: make(chan struct{}),
		closed: make(chan struct{}),
	}
	s.source = newSource(cfg.seed)
	s.random = rand.New(s.source)
	s.recorder.init(cfg.recordLimit)
	s.tick = s.clockNow()
	s.state, s.roster = newState(), newRoster()
	s.configure()
	s.state.Keys[cfg.apiKey] = &keyInfo{Name: cfg.apiKeyName, Kind: keyMaster}
	s.httpSrv = &http.Server{
		Handler: s, ReadHeaderTimeout: time.Minute, MaxHeaderBytes: headerLimit, ConnState: s.trackConn,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return s
}

// configure adds the products and flows of the options.
func (s *Server) configure() {
	for _, p := range s.cfg.products {
		s.addProduct(p)
	}
	for _, f := range s.cfg.flows {
		s.addFlow(f)
	}
}

// NewServer returns a Server that listens on a loopback port. It panics if
// there is none to be had.
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
	s.running.Go(func() { _ = s.httpSrv.Serve(l) })
}

// Close stops the server, drops its connections and waits for everything it
// started. It may be called more than once.
func (s *Server) Close() {
	s.closing.Do(func() {
		close(s.closed)
		_ = s.httpSrv.Close()
		s.mu.Lock()
		pipe, transport, origin, client := s.pipe, s.transport, s.origin, s.hooks.client
		s.mu.Unlock()
		if pipe != nil {
			_ = pipe.Close()
			transport.CloseIdleConnections()
		}
		if origin != nil {
			_ = origin.srv.Close()
		}
		s.running.Wait()
		if client != nil {
			client.CloseIdleConnections()
		}
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
		s.running.Go(func() { _ = s.httpSrv.Serve(pipe) })
	}
	return s.transport
}

func (s *Server) isRefusing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusing
}

// Refuse makes the server refuse new connections and drops the open ones;
// Refuse(false) lets them in again, at the same address. It panics if the
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
	s.connMu.Lock()
	defer s.connMu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	}
}

func (s *Server) dropConns() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// call is one request on its way through the server.
type call struct {
	ctx    context.Context //nolint:containedctx // a call is one request on its way
	req    *http.Request
	route  *route
	params map[string]string
	body   []byte
	key    *keyInfo
	fault  Fault
	record *RecordedRequest

	arriving *punctual
	answer   []byte // what was answered, unless it was streamed
	codes    []int  // of a refusal
}

func (c *call) query(name string) string { return c.req.URL.Query().Get(name) }

// object decodes the body as a JSON object.
func (c *call) object() (object, error) {
	o, err := decodeObject(c.body)
	if err != nil {
		return nil, invalid("the body is not a JSON object")
	}
	return o, nil
}

// reply is what a handler wants to answer.
type reply struct {
	status      int
	header      http.Header
	contentType string
	body        []byte
	stream      func(io.Writer) error
}

func ok(v any) *reply { return &reply{body: encode(v)} }

// nothing answers a call that has nothing to say.
func (s *Server) nothing() *reply {
	if s.sw.EmptyBodies {
		return &reply{}
	}
	return ok(nil)
}

// ServeHTTP answers one API request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, is := s.cfg.clock.(*ManualClock); is {
		c.tick()
	}
	if r.Body == nil { // a request that no server made
		r.Body = http.NoBody
	}
	if s.misdirected(r) {
		refuseMisdirected(w)
		return
	}
	arriving := hurry(w, r)
	rt, params, allow := s.routes.find(r.Method, r.URL.EscapedPath())
	keep := s.cfg.recordBytes
	if rt != nil && rt.streams {
		keep = min(keep, uploadBytesKept)
	}
	fault, hit := s.takeFault(rt.operation(), r)
	c := &call{ctx: r.Context(), req: r, route: rt, params: params, fault: fault, arriving: arriving}
	c.record = s.recorder.begin(r, rt.operation(), s.Now(), keep, hit)
	lost := false
	defer func() { // after what notes the call: the caller may look at once
		if lost {
			drop(w)
		}
	}()
	if s.calls.isOn() {
		defer s.noteCall(c, time.Now())
	}
	if s.cfg.logger != nil {
		defer s.log(w, c, time.Now())
	}
	f := &c.fault
	switch {
	case !pause(c.ctx, s.closed, f.Delay), f.DropBeforeWrite:
		lost = true
		return
	case f.answersBefore():
		s.send(w, c, f.reply(s.switches()))
		return
	}
	rep := s.answer(c, allow)
	switch {
	case f.DropAfterWrite:
		lost = true
		return
	case f.AfterWrite:
		rep = f.reply(s.switches())
	}
	s.send(w, c, rep)
}

// log writes one line about a call that has ended, even in a panic that cuts
// the connection. Status 0 is a connection that was dropped.
func (s *Server) log(w http.ResponseWriter, c *call, began time.Time) {
	s.recorder.mu.Lock()
	status := c.record.Status
	s.recorder.mu.Unlock()
	s.cfg.logger.LogAttrs(c.ctx, slog.LevelInfo, "call",
		slog.String("operation", c.route.operation()),
		slog.String("method", knownMethod(c.req.Method)),
		slog.Int("status", status),
		slog.Duration("duration", time.Since(began)),
		slog.String("request_id", w.Header().Get("X-Request-Id")),
		slog.Bool("fault", c.record.Faulty))
}

// knownMethod keeps what a caller made up out of the log.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodHead, http.MethodPut, http.MethodPatch,
		http.MethodOptions:
		return method
	}
	return "other"
}

func (s *Server) switches() Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sw
}

// answer authenticates, limits and handles the call.
func (s *Server) answer(c *call, allow string) *reply {
	rep, err := s.handle(c, allow)
	if s.kept() != nil {
		err = errNotKept()
	}
	if err == nil {
		if rep.status/100 <= 2 {
			s.recorder.applied(c.record)
		}
		return rep
	}
	sw := s.switches()
	var no *refusal
	switch {
	case c.arriving.late != nil:
		no = errLate()
	case !errors.As(err, &no):
		no = refuse(http.StatusInternalServerError, CodeUnknownInternalError, "internal error")
	}
	for _, e := range append([]ErrorObject{no.err}, no.more...) {
		c.codes = append(c.codes, e.Code)
	}
	rep = &reply{status: no.status, header: no.header, body: envelope(sw, append([]ErrorObject{no.err}, no.more...)...)}
	if sw.ErrorsInOK && no.status != http.StatusTooManyRequests {
		rep.status = http.StatusOK
	}
	return rep
}

func (s *Server) handle(c *call, allow string) (*reply, error) {
	if err := s.authenticate(c); err != nil {
		return nil, err
	}
	if c.route == nil {
		if allow != "" {
			no := refuse(http.StatusMethodNotAllowed, CodeInvalidInputData, "method not allowed")
			no.header = http.Header{"Allow": {allow}}
			return nil, no
		}
		return nil, notFound("path")
	}
	limits, err := s.limit(c.route.Operation)
	if err != nil {
		return nil, err
	}
	if !c.route.streams {
		if c.body, err = readBody(c.req, s.cfg.bodyLimit); err != nil {
			return nil, err
		}
		if err := s.judgeBody(c); err != nil {
			return nil, err
		}
	}
	var rep *reply
	if c.route.locks {
		rep, err = c.route.handle(s, c)
	} else {
		rep, err = s.locked(c)
	}
	if rep != nil {
		if rep.header == nil {
			rep.header = http.Header{}
		}
		for k, v := range limits {
			rep.header[k] = v
		}
		if c.route.creates && rep.status == 0 && s.switches().CreatedStatus {
			rep.status = http.StatusCreated
		}
	}
	return rep, err
}

func (s *Server) locked(c *call) (*reply, error) {
	s.enter()
	defer s.leave()
	return c.route.handle(s, c)
}

// enter takes the lock and brings the world up to date.
func (s *Server) enter() {
	s.mu.Lock()
	s.settle()
}

// leave notes what changed and gives the lock back.
func (s *Server) leave() {
	s.commit()
	s.mu.Unlock()
}

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, invalid("the body could not be read")
	}
	if n > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge, CodeInvalidInputData, "the body is too large")
	}
	return b.Bytes(), nil
}

// send writes the answer.
func (s *Server) send(w http.ResponseWriter, c *call, rep *reply) {
	c.answer = rep.body
	if c.fault.Gzip {
		rep.gzipped()
	}
	h := w.Header()
	for k, v := range rep.header {
		h[k] = v
	}
	if rep.contentType == "" {
		rep.contentType = "application/json"
	}
	if h.Get("Content-Type") == "" && (len(rep.body) > 0 || rep.stream != nil) {
		h.Set("Content-Type", rep.contentType)
	}
	h.Set("X-Request-Id", s.requestID())
	h.Set("Date", s.Now().Format(http.TimeFormat))
	if rep.status == 0 {
		rep.status = http.StatusOK
	}
	for k, v := range c.fault.Header {
		h[http.CanonicalHeaderKey(k)] = v
	}
	s.recorder.answered(c.record, rep.status)
	f := &c.fault
	switch {
	case f.Truncate:
		truncated(w, rep)
	case f.Trickle > 0:
		trickled(c.ctx, w, s.closed, rep, f.Trickle)
	default:
		w.WriteHeader(rep.status)
		if rep.stream != nil {
			if err := rep.stream(w); err != nil {
				panic(http.ErrAbortHandler)
			}
		} else {
			_, _ = w.Write(rep.body)
		}
	}
}
