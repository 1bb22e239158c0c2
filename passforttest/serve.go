package passforttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

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
func (w *world) nothing() *reply {
	if w.sw.EmptyBodies {
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
	fault, hit := s.faults.take(rt.operation(), r, s.world.chance)
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
		s.send(w, c, f.reply(s.world.switches()))
		return
	}
	rep := s.answer(c, allow)
	switch {
	case f.DropAfterWrite:
		lost = true
		return
	case f.AfterWrite:
		rep = f.reply(s.world.switches())
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

// answer authenticates, limits and handles the call.
func (s *Server) answer(c *call, allow string) *reply {
	rep, err := s.handle(c, allow)
	if s.world.kept() != nil {
		err = errNotKept()
	}
	if err == nil {
		if rep.status/100 <= 2 {
			s.recorder.applied(c.record)
		}
		return rep
	}
	sw := s.world.switches()
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
	var err error
	// A key in the query does not count.
	if c.key, err = s.world.authenticate(c.req.Header.Get("apikey"), c.route, c.params["profile_id"]); err != nil {
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
		rep, err = c.route.handle(s.world, c)
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
		if c.route.creates && rep.status == 0 && s.world.switches().CreatedStatus {
			rep.status = http.StatusCreated
		}
	}
	return rep, err
}

func (s *Server) locked(c *call) (*reply, error) {
	w := s.world.enter()
	defer w.leave()
	return c.route.handle(s.world, c)
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
	h.Set("X-Request-Id", fmt.Sprintf("sim-%08d", s.requests.Add(1)))
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
