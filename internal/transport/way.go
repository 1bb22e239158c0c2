package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
)

// way watches a request leave: each connection that it got, and what was written
// there. Whoever is below may send it again: net/http after a GOAWAY or on a
// dead connection, a RoundTripper of the caller's that retries. Each of these is
// a request that the server sees, so the way stops them, and the exchange makes
// the next attempt itself.
type way struct {
	stop   context.CancelCauseFunc // ends the attempt
	plain  bool                    // net/http alone is below
	unseen bool                    // no hook reports the header fields

	hooks httptrace.ClientTrace

	mu      sync.Mutex
	traced  bool // the transport calls the hooks
	stopped bool // the request was about to be sent again
	tries   []try
	room    [1]try // of tries: more are rare
}

// try is one connection that the request got.
type try struct {
	conn     net.Conn
	reused   bool
	counted  *countingConn // nil: the connection does not count
	before   int64         // what had been written when the request got it
	h2       bool          // the request went out as a stream
	unseen   bool          // no hook reports when its header is written
	fields   bool          // its header was written, at least to a buffer
	whole    bool          // all of it was written
	broken   bool          // writing it failed
	answered bool          // the answer began
}

// left reports whether something of the request may have reached the server.
func (t *try) left() bool {
	switch {
	case t.h2: // others write to the connection too
		return t.fields || t.unseen
	case t.counted != nil:
		return t.counted.written.Load() != t.before
	default:
		return true
	}
}

// sent reports whether the server may have all of the request.
func (t *try) sent() bool {
	return t.left() && (t.h2 || t.answered || t.counted != nil || !t.broken && (t.whole || t.fields))
}

// trace returns the hooks. The one of each header field costs most: where net/http
// alone is below and the server is known to speak HTTP/1, it is left out, and a
// stream counts as sent once it has a connection.
func (w *way) trace(h1 bool) *httptrace.ClientTrace {
	w.hooks = httptrace.ClientTrace{
		GetConn:      func(string) { w.another(nil) },
		GotConn:      func(info httptrace.GotConnInfo) { w.another(&info) },
		WroteHeaders: func() { w.note(func(t *try) { t.fields = true }) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			w.note(func(t *try) { t.broken, t.whole = info.Err != nil, info.Err == nil })
		},
		GotFirstResponseByte: func() { w.note(func(t *try) { t.answered = true }) },
	}
	if w.unseen = w.plain && h1; !w.unseen {
		w.hooks.WroteHeaderField = func(name string, _ []string) {
			w.note(func(t *try) { t.fields, t.h2 = true, t.h2 || strings.HasPrefix(name, ":") })
		}
	}
	return &w.hooks
}

// another notes that the request is about to get a connection, or has got one,
// and stops it where it may have been sent before.
func (w *way) another(got *httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.traced = true
	if w.sentBefore() != nil {
		w.stopped = true
		w.stop(errAgain)
	}
	if got == nil {
		return
	}
	if w.stopped && !speaksH2(got.Conn) && got.Conn != nil {
		_ = got.Conn.Close() // net/http may write before it looks at the context
	}
	t := try{
		conn: got.Conn, reused: got.Reused, counted: counting(got.Conn), h2: speaksH2(got.Conn), unseen: w.unseen,
	}
	if t.counted != nil {
		t.before = t.counted.written.Load()
	}
	if w.tries == nil {
		w.tries = w.room[:0]
	}
	w.tries = append(w.tries, t)
}

// note changes what is known of the connection that the request has.
func (w *way) note(change func(*try)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.tries); n > 0 && !w.stopped {
		change(&w.tries[n-1])
	}
}

// sentBefore returns the connection on which the request may have been sent.
func (w *way) sentBefore() *try {
	for i := range w.tries {
		if w.tries[i].sent() {
			return &w.tries[i]
		}
	}
	return nil
}

// neverLeft reports whether the request provably did not reach the server, or
// was provably not looked at by it. Without proof the answer is no.
func (w *way) neverLeft(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.traced { // a transport that reports nothing: only its error can
		var dial *net.OpError
		var dns *net.DNSError
		return errors.As(err, &dns) || errors.As(err, &dial) && dial.Op == "dial"
	}
	if w.stopped {
		// net/http sends a stream again only if the server says that it
		// was not processed.
		t := w.sentBefore()
		return w.plain && t != nil && t.h2 && !t.answered
	}
	last := w.last()
	if err != nil && plainToTLS(err.Error()) || last != nil && !last.reused && !last.answered && refusedHandshake(err) {
		return true
	}
	for i := range w.tries {
		if w.tries[i].left() {
			return notProcessed(err)
		}
	}
	return true
}

func (w *way) last() *try {
	if n := len(w.tries); n > 0 {
		return &w.tries[n-1]
	}
	return nil
}

// isTraced reports whether the transport says what it does. One that does not may
// have had the body in another way than by reading it.
func (w *way) isTraced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.traced
}

// stale reports whether the request ended on a kept connection that was dead
// already, as far as one can know.
func (w *way) stale() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.last()
	if w.stopped {
		t = w.sentBefore()
	}
	return t != nil && t.reused && !t.answered
}

// stoppedOrRefused reports whether the server said of the request that it did not
// process it, after it had got some of it.
func (w *way) stoppedOrRefused(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped || notProcessed(err)
}

// shared returns the connection that the request had, unless it is provably one
// that no other request uses at the same time.
func (w *way) shared() net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.last()
	if t == nil || t.conn == nil || t.fields && !t.h2 || speaksH1(t.conn) {
		return nil
	}
	return t.conn
}

func negotiated(conn net.Conn) (protocol string, known bool) {
	secure, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return "", false
	}
	return secure.ConnectionState().NegotiatedProtocol, true
}

func speaksH2(conn net.Conn) bool {
	protocol, _ := negotiated(conn)
	return protocol == "h2"
}

func speaksH1(conn net.Conn) bool {
	protocol, known := negotiated(conn)
	return known && protocol != "h2"
}

// streamError has the fields of the HTTP/2 stream error of net/http, which
// errors.As copies into any struct that has them.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error" }

// refusedStream is REFUSED_STREAM: the server did nothing with the stream (RFC
// 9113, 8.7).
const refusedStream = 7

// notProcessed reports whether HTTP/2 says that the server did nothing with the
// request: REFUSED_STREAM, or a GOAWAY that excludes its stream.
func notProcessed(err error) bool {
	var stream streamError
	if errors.As(err, &stream) {
		return stream.Code == refusedStream
	}
	// net/http has no type for these: they hold no more than these words.
	text := ""
	if err != nil {
		text = err.Error()
	}
	if inner, ok := strings.CutPrefix(text, "http2: Transport: cannot retry err ["); ok {
		text, _, _ = strings.Cut(inner, "]")
	}
	return text == "http2: Transport received Server's graceful shutdown GOAWAY" ||
		text == "http2: client conn not usable" ||
		// with an error, excludes stream 1
		strings.HasPrefix(text, "http2: Transport received GOAWAY from server ErrCode:") ||
		strings.HasPrefix(text, "stream error: stream ID ") && strings.Contains(text, "; REFUSED_STREAM")
}

// meter sees whether the end of a request's body was ever handed over to be
// sent. What reaches the server is at most that.
type meter struct {
	length int64 // -1: unknown

	mu     sync.Mutex
	ended  bool // the end was handed over
	sealed bool // nothing more is
}

// errSealed ends the body of an attempt that has ended.
var errSealed = errors.New("the attempt has ended")

// metered gives the request a body that the meter sees. One without a body has no
// meter.
func metered(req *http.Request) *meter {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	m := &meter{length: req.ContentLength}
	if m.length == 0 { // there is a body, so this means unknown
		m.length = -1
	}
	req.Body = m.body(req.Body)
	return m
}

func (m *meter) body(body io.ReadCloser) io.ReadCloser {
	return &meteredBody{ReadCloser: body, meter: m}
}

// seal lets nothing more through, and reports whether the end was never handed
// over.
func (m *meter) seal() (cut bool) {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sealed = true
	return !m.ended
}

// cut reports whether the end was not handed over so far.
func (m *meter) cut() bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.ended
}

// meteredBody is one reading of a body.
type meteredBody struct {
	io.ReadCloser
	meter *meter
	read  int64
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	m := b.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sealed {
		return 0, errSealed
	}
	m.ended = m.ended || err == io.EOF || m.length >= 0 && b.read >= m.length
	return n, err
}

// countingConn counts the bytes that were handed to it, before they are sent,
// without those that it then turned out not to send.
type countingConn struct {
	net.Conn
	written atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}

func counting(conn net.Conn) *countingConn {
	switch conn := conn.(type) {
	case *countingConn:
		return conn
	case *tls.Conn:
		return counting(conn.NetConn())
	default:
		return nil
	}
}
