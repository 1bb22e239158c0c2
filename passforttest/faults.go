package passforttest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"path"
	"sync"
	"time"
)

// Fault is something that goes wrong with a call. The fields before Status say
// which calls it hits, the others what happens; they may be combined, and
// Delay comes first.
type Fault struct {
	// Operation is the name of the operation to hit, as in "Profiles.Create";
	// see Operations. Empty hits any.
	Operation string
	// Method and Path narrow it further. Path is a pattern of package path,
	// matched against the whole escaped request path. Empty hits any.
	Method, Path string
	// Times is how many calls are hit; 0 means once, a negative number all.
	Times int
	// Skip lets so many matching calls pass first.
	Skip int
	// Probability hits a matching call by chance, from the server's seed; 0
	// means always.
	Probability float64

	// Status is answered instead of handling the call, with Body or a plausible
	// body for that status, and with Header.
	Status int
	// Header is added to the answer, whichever it is.
	Header http.Header
	// Body is the body of the answer that Status or AfterWrite gives. A non-nil
	// empty Body is an empty body.
	Body []byte
	// AfterWrite handles the call first and only then answers with Status (200 if
	// it is 0) and Body.
	AfterWrite bool
	// DropBeforeWrite resets the connection before the call is handled.
	DropBeforeWrite bool
	// DropAfterWrite handles the call and resets the connection instead of
	// answering.
	DropAfterWrite bool
	// Delay is real time spent before anything else; it ends early when the
	// caller goes away.
	Delay time.Duration
	// StaleETag makes CollectedData.Replace behave as if another writer had just
	// been there: the ETag moves on, the call is answered with 412. It hits only
	// calls of that operation that have an If-Match header.
	StaleETag bool
	// Truncate sends half of the answer's body and closes the connection.
	Truncate bool
	// Trickle sends the answer's body in small pieces with this time between
	// them.
	Trickle time.Duration
	// Gzip compresses the answer's body, asked for or not.
	Gzip bool
}

type armedFault struct {
	Fault
	left, skip int
}

// faults are the armed ones, in order. Their lock is taken before that of the world.
type faults struct {
	mu    sync.Mutex
	armed []*armedFault
}

// Inject arms a fault. Faults are tried in the order in which they were
// injected; a call is hit by at most one. A fault that could hit nothing panics:
// its operation or method does not exist, or its path is no pattern.
func (s *Server) Inject(f Fault) {
	if f.Operation != "" {
		mustBe("operation", f.Operation, Operations())
	}
	if f.Method != "" {
		mustBe("method", f.Method, []string{http.MethodGet, http.MethodPost, http.MethodDelete})
	}
	if _, err := path.Match(f.Path, ""); err != nil {
		panic(fmt.Sprintf("passforttest: %q is no pattern of a path", f.Path))
	}
	if !(f.Probability >= 0 && f.Probability <= 1) {
		panic("passforttest: a probability is between 0 and 1")
	}
	a := &armedFault{Fault: f, left: max(f.Times, 1), skip: f.Skip}
	if f.Times < 0 {
		a.left = -1
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.armed = append(s.faults.armed, a)
}

// ClearFaults disarms every fault and returns how many were still armed.
func (s *Server) ClearFaults() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	n := len(s.faults.armed)
	s.faults.armed = nil
	return n
}

// take returns the fault that hits a call, if any. The chance function reports true with
// the given probability.
func (l *faults) take(operation string, r *http.Request, chance func(float64) bool) (Fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, a := range l.armed {
		if !a.matches(operation, r) {
			continue
		}
		if a.skip > 0 {
			a.skip--
			continue
		}
		if a.Probability > 0 && !chance(a.Probability) {
			continue
		}
		if a.left > 0 {
			a.left--
		}
		if a.left == 0 {
			l.armed = append(l.armed[:i:i], l.armed[i+1:]...)
		}
		return a.Fault, true
	}
	return Fault{}, false
}

func (f *Fault) matches(operation string, r *http.Request) bool {
	if f.Operation != "" && f.Operation != operation || f.Method != "" && f.Method != r.Method {
		return false
	}
	if f.StaleETag && (operation != opReplace || r.Header.Get("If-Match") == "") {
		return false
	}
	if f.Path == "" {
		return true
	}
	hit, err := path.Match(f.Path, r.URL.EscapedPath())
	return err == nil && hit
}

func (f *Fault) answersBefore() bool { return f.Status != 0 && !f.AfterWrite && !f.DropAfterWrite }

// answer returns what the fault answers in place of the server.
func (f *Fault) answer(sw Switches) *answer {
	rep := &answer{status: f.Status, body: f.Body}
	if rep.status == 0 {
		rep.status = http.StatusOK
	}
	if f.Body != nil {
		return rep
	}
	switch {
	case rep.status == http.StatusBadGateway, rep.status == http.StatusGatewayTimeout:
		rep.media = "text/html"
		rep.body = []byte("<html><body><h1>" + http.StatusText(rep.status) + "</h1></body></html>\n")
	case rep.status == http.StatusTooManyRequests:
		rep.body = envelope(sw, ErrorObject{Message: "rate limit exceeded", Source: "API"})
	case rep.status >= 500:
		rep.body = envelope(sw, ErrorObject{
			Code: CodeUnknownInternalError, Message: "internal error", Source: "ENGINE",
		})
	case rep.status >= 400:
		rep.body = envelope(sw, ErrorObject{Code: CodeInvalidInputData, Message: "refused", Source: "API"})
	}
	return rep
}

// pause waits and reports whether the caller is still there.
func pause(ctx context.Context, closed <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-closed:
	}
	return false
}

// drop resets the connection without an answer.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, is := conn.(*net.TCPConn); is {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (a *answer) bytes() []byte {
	if a.stream == nil {
		return a.body
	}
	var b bytes.Buffer
	_ = a.stream(&b)
	return b.Bytes()
}

// gzipped compresses the body of an answer.
func (a *answer) gzipped() {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(a.bytes())
	_ = w.Close()
	a.body, a.stream = b.Bytes(), nil
	h := a.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Del("Content-Length")
	h.Set("Content-Encoding", "gzip")
	a.header = h
}

func truncated(w http.ResponseWriter, a *answer) {
	body := a.bytes()
	w.Header().Set("Content-Length", itoa(len(body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func trickled(ctx context.Context, w http.ResponseWriter, closed <-chan struct{}, a *answer, gap time.Duration) {
	const pieces = 16
	body := a.bytes()
	w.WriteHeader(a.status)
	rc := http.NewResponseController(w)
	size := max(1, (len(body)+pieces-1)/pieces)
	for len(body) > 0 {
		n := min(size, len(body))
		_, _ = w.Write(body[:n])
		_ = rc.Flush()
		body = body[n:]
		if len(body) > 0 && !pause(ctx, closed, gap) {
			panic(http.ErrAbortHandler)
		}
	}
}
