package passforttest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// RecordedRequest is one request the server saw.
type RecordedRequest struct {
	Method    string
	Host      string
	Path      string // as it was sent, escapes included
	RawQuery  string
	Header    http.Header
	Operation string // "" for a path or method the API does not have
	Status    int    // of the answer; 0 while there is none and when the connection was dropped
	Time      time.Time
	Faulty    bool // a Fault hit this request
	Applied   bool // it was carried out, whatever answer was sent or lost

	// Body is what the server read of the body, at most the number of bytes
	// WithRecorder allows, and of an upload at most 4 KiB. Size and SHA256 (hexadecimal) are
	// of everything read.
	Body   []byte
	Size   int64
	SHA256 string

	dropped bool // no longer among the recorded
}

// bodyBudget bounds the bytes of all recorded bodies together; the oldest are
// forgotten first.
const bodyBudget = 64 << 20

// uploadBytesKept is how much of the body of an upload is recorded at most, so
// that many large ones at once stay cheap.
const uploadBytesKept = 4 << 10

// headBudget bounds the bytes of all recorded paths, queries and headers together;
// the oldest are forgotten first, but for headLeft bytes of a path.
const (
	headBudget = 32 << 20
	headLeft   = 256
)

type recorder struct {
	mu      sync.Mutex
	entries []*RecordedRequest // a ring
	next    int
	limit   int
	kept    int64 // bytes of bodies
	heads   int64 // bytes of paths, queries and headers
	counts  map[string]int
}

func (rec *recorder) init(limit int) {
	rec.limit = max(limit, 0)
	rec.counts = map[string]int{}
}

// Requests returns the requests the server saw, oldest first. It keeps the
// newest ones; see WithRecorder. Of older ones only the start of the path is left
// when all headers together exceed 32 MiB, and no body when all bodies exceed
// 64 MiB. Count never forgets.
func (s *Server) Requests() []RecordedRequest {
	rec := &s.recorder
	rec.mu.Lock()
	defer rec.mu.Unlock()
	out := make([]RecordedRequest, 0, len(rec.entries))
	for i := range rec.entries {
		e := *rec.entries[(rec.next+i)%len(rec.entries)]
		e.Header = e.Header.Clone()
		out = append(out, e)
	}
	return out
}

// RequestsTo returns the recorded requests to one operation, oldest first. With ""
// it returns those to a path that the server does not know. An operation that does
// not exist panics, here and in all that take one.
func (s *Server) RequestsTo(operation string) []RecordedRequest {
	if operation != "" {
		mustBe("operation", operation, Operations())
	}
	var out []RecordedRequest
	for _, r := range s.Requests() {
		if r.Operation == operation {
			out = append(out, r)
		}
	}
	return out
}

// Count returns how many requests to one operation the server saw since it
// started or since ForgetRequests; with "", how many requests in all.
func (s *Server) Count(operation string) int {
	if operation != "" {
		mustBe("operation", operation, Operations())
	}
	rec := &s.recorder
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if operation != "" {
		return rec.counts[operation]
	}
	n := 0
	for _, c := range rec.counts {
		n += c
	}
	return n
}

// ForgetRequests empties the recorder and resets its counts.
func (s *Server) ForgetRequests() {
	rec := &s.recorder
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, e := range rec.entries {
		e.dropped = true
	}
	rec.entries, rec.next, rec.kept, rec.heads = nil, 0, 0, 0
	clear(rec.counts)
}

func (rec *recorder) begin(
	r *http.Request, operation string, now time.Time, bodyBytes int, faulty bool,
) *RecordedRequest {
	e := &RecordedRequest{
		Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header,
		Operation: operation, Time: now, Faulty: faulty,
	}
	if r.Body != http.NoBody {
		r.Body = &recordedBody{ReadCloser: r.Body, rec: rec, entry: e, limit: bodyBytes}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.counts[operation]++
	if rec.limit == 0 {
		e.dropped = true
		return e
	}
	rec.heads += e.head()
	if len(rec.entries) < rec.limit {
		rec.entries = append(rec.entries, e)
	} else {
		oldest := rec.entries[rec.next]
		oldest.dropped = true
		rec.kept -= int64(len(oldest.Body))
		rec.heads -= oldest.head()
		rec.entries[rec.next] = e
		rec.next = (rec.next + 1) % rec.limit
	}
	for i := 0; rec.heads > headBudget && i < len(rec.entries)-1; i++ {
		old := rec.entries[(rec.next+i)%len(rec.entries)]
		rec.heads -= old.head()
		old.Header, old.RawQuery, old.Path = nil, "", strings.Clone(old.Path[:min(len(old.Path), headLeft)])
		rec.heads += old.head()
	}
	return e
}

// head returns how many bytes a request has without its body.
func (r *RecordedRequest) head() int64 {
	return int64(len(r.Path) + len(r.RawQuery) + len(r.Host) + headerSize(r.Header))
}

func headerSize(h http.Header) int {
	n := 0
	for name, values := range h {
		n += len(name)
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

// applied records that a call was carried out.
func (rec *recorder) applied(e *RecordedRequest) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	e.Applied = true
}

// answered records the status of an answer before it is sent, so that its receiver
// finds it recorded.
func (rec *recorder) answered(e *RecordedRequest, status int) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	e.Status = status
	for i := 0; rec.kept > bodyBudget && i < len(rec.entries); i++ {
		old := rec.entries[(rec.next+i)%len(rec.entries)]
		rec.kept -= int64(len(old.Body))
		old.Body = nil
	}
}

// recordedBody copies what is read through it into its entry.
type recordedBody struct {
	io.ReadCloser
	rec   *recorder
	entry *RecordedRequest
	limit int
	kept  []byte
	size  int64
	hash  hash.Hash
}

// Read reads from the request's body and records what it read.
func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		if b.hash == nil {
			b.hash = sha256.New()
		}
		b.hash.Write(p[:n])
		b.size += int64(n)
		b.kept = append(b.kept, p[:min(n, b.limit-len(b.kept))]...)
	}
	if err != nil {
		b.flush()
	}
	return n, err
}

// Close ends the body.
func (b *recordedBody) Close() error {
	b.flush()
	return b.ReadCloser.Close()
}

func (b *recordedBody) flush() {
	if b.hash == nil {
		return
	}
	b.rec.mu.Lock()
	defer b.rec.mu.Unlock()
	if b.entry.dropped {
		return
	}
	b.rec.kept += int64(len(b.kept) - len(b.entry.Body))
	b.entry.Body, b.entry.Size = b.kept, b.size
	b.entry.SHA256 = hex.EncodeToString(b.hash.Sum(nil))
}

// Reporter is the part of *testing.T that the assertions need.
type Reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// AssertSeen fails the test unless the server saw so many requests to an
// operation since it started or since ForgetRequests.
func (s *Server) AssertSeen(t Reporter, operation string, times int) {
	t.Helper()
	if got := s.Count(operation); got != times {
		t.Errorf("%s: the server saw %d requests, not %d%s", operation, got, times, s.seen(operation))
	}
}

// AssertApplied fails the test unless the server carried out so many of the
// recorded requests to an operation, whatever answer was sent or lost. With 1
// it says that a write happened, and happened once.
func (s *Server) AssertApplied(t Reporter, operation string, times int) {
	t.Helper()
	got := 0
	for _, r := range s.RequestsTo(operation) {
		if r.Applied {
			got++
		}
	}
	if got != times {
		t.Errorf("%s: carried out %d times, not %d%s", operation, got, times, s.seen(operation))
	}
}

// AssertOnly fails the test if the server saw a request to any other operation.
func (s *Server) AssertOnly(t Reporter, operations ...string) {
	t.Helper()
	for _, operation := range operations {
		mustBe("operation", operation, Operations())
	}
	var other []string
	for _, r := range s.Requests() {
		if !slices.Contains(operations, r.Operation) {
			other = append(other, r.Method+" "+r.Path)
		}
	}
	if other != nil {
		t.Errorf("the server saw other requests: %s", strings.Join(other, ", "))
	}
}

// LastRequest returns the newest recorded request to an operation. It fails the
// test if there is none.
func (s *Server) LastRequest(t Reporter, operation string) RecordedRequest {
	t.Helper()
	all := s.RequestsTo(operation)
	if len(all) == 0 {
		t.Errorf("%s: no request", operation)
		return RecordedRequest{}
	}
	return all[len(all)-1]
}

// JSON decodes what was kept of the body into v.
func (r RecordedRequest) JSON(v any) error {
	if r.Size > int64(len(r.Body)) {
		return fmt.Errorf("passforttest: only %d of %d bytes of the body were kept", len(r.Body), r.Size)
	}
	return json.Unmarshal(r.Body, v)
}

// seen lists the requests to an operation, a line each.
func (s *Server) seen(operation string) string {
	var b strings.Builder
	for _, r := range s.RequestsTo(operation) {
		fmt.Fprintf(&b, "\n\t%s %s: status %d, applied %v, fault %v", r.Method, r.Path, r.Status, r.Applied, r.Faulty)
	}
	return b.String()
}

// The bounds of the log of calls that the pages show.
const (
	callsKept = 400
	callPath  = 300     // bytes of a path
	callBody  = 8 << 10 // bytes of a body, and of an answer
)

// callLog has the newest calls for the pages. It stays empty until there are
// pages.
type callLog struct {
	mu    sync.Mutex
	on    bool
	calls []shownCall // a ring
	next  int
	seq   int
}

// shownCall is one call as the pages show it.
type shownCall struct {
	Seq                        int
	Time                       time.Time
	Method, Path, Operation    string
	ProfileID                  string
	Status                     int // 0 if the connection was dropped
	Codes                      []int
	Took                       time.Duration
	Sent, Answer               string
	SentIsCut, AnswerIsCut     bool
	SentBytes, AnswerBytes     int
	Fault, Unauthorized, Hides bool
}

func (l *callLog) turnOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = true
}

func (l *callLog) isOn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

// noteCall adds a call that has ended to the log. Without a key, only its line is
// kept. Answers that hold a key are not kept.
func (s *Server) noteCall(x *exchange, began time.Time) {
	s.recorder.mu.Lock()
	status := x.record.Status
	s.recorder.mu.Unlock()
	n := shownCall{
		Time: x.record.Time, Method: knownMethod(x.req.Method), Operation: x.route.operation(), Status: status,
		Codes: x.codes,
		Took:  time.Since(began), Fault: x.record.Faulty, Unauthorized: x.key == nil,
	}
	if path := x.req.URL.EscapedPath(); x.route != nil || x.key != nil {
		n.Path = strings.Clone(path[:min(len(path), callPath)])
	} else {
		n.Path = "(a path that is none)"
	}
	if x.key != nil {
		n.ProfileID = strings.ToLower(x.params["profile_id"])
		n.SentBytes, n.AnswerBytes = len(x.body), len(x.answer)
		n.Sent, n.SentIsCut = cut(x.body)
		n.Answer, n.AnswerIsCut = cut(x.answer)
		switch n.Operation {
		case "Forms.CreateCustomerRequest", "Collect.CreateKey", "Collect.CreateProfileKey":
			n.Answer, n.Hides = "", true
		case "Profiles.Create":
			var made struct{ ID string }
			if status/100 == 2 && json.Unmarshal(x.answer, &made) == nil {
				n.ProfileID = made.ID
			}
		}
	}
	s.calls.add(n)
}

func cut(body []byte) (text string, isCut bool) {
	if len(body) > callBody {
		return strings.ToValidUTF8(string(body[:callBody]), ""), true
	}
	return indented(body), false
}

func (l *callLog) add(n shownCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	n.Seq = l.seq
	if len(l.calls) < callsKept {
		l.calls = append(l.calls, n)
		return
	}
	l.calls[l.next] = n
	l.next = (l.next + 1) % callsKept
}

// newest returns the calls for which wanted reports true, the newest first.
func (l *callLog) newest(wanted func(*shownCall) bool) []shownCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []shownCall
	for i := range l.calls {
		if c := &l.calls[(l.next+i)%len(l.calls)]; wanted(c) {
			out = append(out, *c)
		}
	}
	slices.Reverse(out)
	return out
}
