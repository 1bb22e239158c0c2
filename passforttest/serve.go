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

	"github.com/passfort-go/passfort/internal/uploadscan"
)

// exchange is one request on its way through the server.
type exchange struct {
	call

	ctx    context.Context //nolint:containedctx // one request on its way
	req    *http.Request
	route  *route
	fault  Fault
	record *RecordedRequest

	arriving *punctual
	answer   []byte // what was answered, unless it was streamed
	codes    []int  // of a refusal
}

// answer is what is sent.
type answer struct {
	status int // 200 if 0
	header http.Header
	media  string // JSON if empty
	body   []byte
	stream func(io.Writer) error
}

// status returns the HTTP status of a kind.
func (k kind) status() int {
	switch k {
	case carriedOut:
		return http.StatusOK
	case wrong:
		return http.StatusBadRequest
	case unauthorized:
		return http.StatusUnauthorized
	case forbidden:
		return http.StatusForbidden
	case absent:
		return http.StatusNotFound
	case notAllowed:
		return http.StatusMethodNotAllowed
	case late:
		return http.StatusRequestTimeout
	case conflicting:
		return http.StatusConflict
	case stale:
		return http.StatusPreconditionFailed
	case tooLarge:
		return http.StatusRequestEntityTooLarge
	case misdirected:
		return http.StatusMisdirectedRequest
	case tooMany:
		return http.StatusTooManyRequests
	case broken:
	}
	return http.StatusInternalServerError
}

// ServeHTTP answers one API request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.misdirected(r) {
		refuseMisdirected(w)
		return
	}
	if c, is := s.cfg.clock.(*ManualClock); is {
		c.tick()
	}
	if r.Body == nil { // a request that no server made
		r.Body = http.NoBody
	}
	arriving := hurry(w, r)
	rt, params, allow := s.routes.find(r.Method, r.URL.EscapedPath())
	keep := s.cfg.recordBytes
	if rt != nil && rt.image != nil {
		keep = min(keep, uploadBytesKept)
	}
	fault, hit := s.faults.take(rt.operation(), r, s.world.chance)
	x := &exchange{
		call: call{
			reads: r.Method == http.MethodGet, params: params, query: r.URL.Query(),
			ifMatch: r.Header.Values("If-Match"), overtaken: fault.StaleETag,
		},
		ctx: r.Context(), req: r, route: rt, fault: fault, arriving: arriving,
	}
	x.record = s.recorder.begin(r, rt.operation(), s.Now(), keep, hit)
	lost := false
	defer func() { // runs last: the caller may look at the records at once
		if lost {
			drop(w)
		}
	}()
	if s.calls.isOn() {
		defer s.noteCall(x, time.Now())
	}
	if s.cfg.logger != nil {
		defer s.log(w, x, time.Now())
	}
	f := &x.fault
	switch {
	case !pause(x.ctx, s.closed, f.Delay), f.DropBeforeWrite:
		lost = true
		return
	case f.answersBefore():
		s.send(w, x, f.answer(s.world.switches()))
		return
	}
	a := s.answer(x, allow)
	switch {
	case f.DropAfterWrite:
		lost = true
		return
	case f.AfterWrite:
		a = f.answer(s.world.switches())
	}
	s.send(w, x, a)
}

// log writes one line about a call that has ended, even in a panic that cuts
// the connection. Status 0 is a connection that was dropped.
func (s *Server) log(w http.ResponseWriter, x *exchange, began time.Time) {
	s.recorder.mu.Lock()
	status := x.record.Status
	s.recorder.mu.Unlock()
	s.cfg.logger.LogAttrs(x.ctx, slog.LevelInfo, "call",
		slog.String("operation", x.route.operation()),
		slog.String("method", knownMethod(x.req.Method)),
		slog.Int("status", status),
		slog.Duration("duration", time.Since(began)),
		slog.String("request_id", w.Header().Get("X-Request-Id")),
		slog.Bool("fault", x.record.Faulty))
}

// knownMethod returns a method that may be logged: not one that a caller made up.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodHead, http.MethodPut, http.MethodPatch,
		http.MethodOptions:
		return method
	}
	return "other"
}

// answer authenticates, limits and handles the call.
func (s *Server) answer(x *exchange, allow string) *answer {
	a, err := s.handle(x, allow)
	if s.world.kept() != nil {
		err = errNotKept()
	}
	if err == nil {
		if a.status/100 <= 2 {
			s.recorder.applied(x.record)
		}
		return a
	}
	sw := s.world.switches()
	var no *refusal
	switch {
	case x.arriving.late != nil:
		no = errLate()
	case !errors.As(err, &no):
		no = refuse(broken, CodeUnknownInternalError, "internal error")
	}
	all := append([]ErrorObject{no.err}, no.more...)
	for _, e := range all {
		x.codes = append(x.codes, e.Code)
	}
	refused := &answer{status: no.kind.status(), body: envelope(sw, all...)}
	switch no.kind {
	case tooMany:
		refused.header = a.header
		return refused
	case notAllowed:
		refused.header = http.Header{"Allow": {no.allow}}
	}
	if sw.ErrorsInOK {
		refused.status = http.StatusOK
	}
	return refused
}

// handle returns the answer to a call, or a refusal. If the rate limit refuses it, the
// answer has its headers.
func (s *Server) handle(x *exchange, allow string) (*answer, error) {
	var err error
	// A key in the query does not count.
	if x.key, err = s.world.authenticate(x.req.Header.Get("apikey"), x.route, x.params["profile_id"]); err != nil {
		return nil, err
	}
	if x.route == nil {
		if allow != "" {
			return nil, methodNotAllowed(allow)
		}
		return nil, notFound("path")
	}
	limits, err := s.limit(x.route.Operation)
	if err != nil {
		return &answer{header: limits}, err
	}
	if err := s.receive(x); err != nil {
		return nil, err
	}
	rep, err := s.apply(x)
	if err != nil {
		return nil, err
	}
	a := &answer{header: limits, media: rep.media, body: rep.body, stream: rep.stream}
	if a.header == nil {
		a.header = http.Header{}
	}
	if rep.etag != "" {
		a.header["Etag"] = []string{rep.etag}
	}
	if rep.stream != nil {
		a.header["Content-Length"] = []string{itoa(rep.size)}
	}
	switch {
	case rep.kind != carriedOut:
		a.status = rep.kind.status()
	case x.route.creates && s.world.switches().CreatedStatus:
		a.status = http.StatusCreated
	}
	return a, nil
}

func methodNotAllowed(allow string) *refusal {
	no := refuse(notAllowed, CodeInvalidInputData, "method not allowed")
	no.allow = allow
	return no
}

// receive reads the body of a call and checks its form.
func (s *Server) receive(x *exchange) (err error) {
	if x.route.image != nil {
		return s.receiveImage(x)
	}
	if x.body, err = readBody(x.req, s.cfg.bodyLimit); err != nil {
		return err
	}
	sw := s.world.switches()
	if !sw.Lenient {
		if x.decoded, err = s.world.forms.judgeBody(x.route.Operation, x.body); err != nil {
			return err
		}
	}
	if x.route.unless != nil && !x.route.unless(sw) {
		return methodNotAllowed(http.MethodGet)
	}
	return nil
}

// receiveImage decodes an upload while it arrives. It also reads the rest of a refused
// one, so that the caller gets to read the refusal.
func (s *Server) receiveImage(x *exchange) error {
	keep := false
	err := s.world.change(func(w *world) error {
		keep = x.route.image(w.switches())
		_, err := w.profileOf(&x.call)
		return err
	})
	if err == nil {
		x.upload, err = uploadscan.Scan(x.req.Body, s.cfg.imageLimit, keep)
		switch {
		case errors.Is(err, uploadscan.ErrSize):
			err = refuse(tooLarge, CodeInvalidInputData, err.Error())
		case err != nil:
			err = invalid(err.Error())
		}
	}
	if err != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(x.req.Body, 128<<20))
	}
	return err
}

// apply carries a call out, and waits if the rule holds its answer.
func (s *Server) apply(x *exchange) (*reply, error) {
	var rep *reply
	err := s.world.change(func(w *world) (err error) {
		rep, err = x.route.handle(w, &x.call)
		return err
	})
	for err == nil && rep.then != nil {
		s.world.wait(x.ctx, rep.until)
		_ = s.world.change(func(w *world) error {
			rep = rep.then(w)
			return nil
		})
	}
	return rep, err
}

// bodyAtOnce is how much memory a body gets before it has arrived.
const bodyAtOnce = 64 << 10

func readBody(r *http.Request, limit int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(r.ContentLength, 0), bodyAtOnce)) + bytes.MinRead)
	n, err := io.Copy(&b, io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, invalid("the body could not be read")
	}
	if n > limit {
		return nil, refuse(tooLarge, CodeInvalidInputData, "the body is too large")
	}
	return b.Bytes(), nil
}

// send writes the answer.
func (s *Server) send(w http.ResponseWriter, x *exchange, a *answer) {
	x.answer = a.body
	if x.fault.Gzip {
		a.gzipped()
	}
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	if a.media == "" {
		a.media = "application/json"
	}
	if h.Get("Content-Type") == "" && (len(a.body) > 0 || a.stream != nil) {
		h.Set("Content-Type", a.media)
	}
	h.Set("X-Request-Id", fmt.Sprintf("sim-%08d", s.requests.Add(1)))
	h.Set("Date", s.Now().Format(http.TimeFormat))
	if a.status == 0 {
		a.status = http.StatusOK
	}
	for k, v := range x.fault.Header {
		h[http.CanonicalHeaderKey(k)] = v
	}
	s.recorder.answered(x.record, a.status)
	f := &x.fault
	switch {
	case f.Truncate:
		truncated(w, a)
	case f.Trickle > 0:
		trickled(x.ctx, w, s.closed, a, f.Trickle)
	default:
		if a.stream == nil && len(a.body) > 0 && h.Get("Content-Length") == "" {
			h.Set("Content-Length", itoa(len(a.body)))
		}
		w.WriteHeader(a.status)
		if a.stream != nil {
			if err := a.stream(w); err != nil {
				panic(http.ErrAbortHandler)
			}
		} else {
			_, _ = w.Write(a.body)
		}
	}
}
