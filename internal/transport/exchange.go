package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxErrorBody is how much of a refusal's body is read.
const maxErrorBody = 1 << 20

// exchange is one call on its way.
type exchange struct {
	base   http.RoundTripper
	policy Policy
	call   *Call
	began  time.Time
	wait   time.Duration // before the next attempt
	result Result
}

// request makes the request of all attempts.
func (x *exchange) request(ctx context.Context) (*retryablehttp.Request, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, x.call.Method, x.call.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header = x.call.Header
	if body := x.call.Body; body != nil {
		open := func() (io.Reader, error) { return body.Open() }
		if err := req.SetBody(retryablehttp.ReaderFunc(open)); err != nil {
			return nil, err
		}
		req.ContentLength = body.Length
		if body.Replayable != nil {
			req.GetBody = nil // net/http must not repeat it on its own
		}
	}
	return req, nil
}

// checkRedirect lets a read follow to the same host and scheme, and returns
// every other redirect as the answer that it is.
func (x *exchange) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if x.call.Class == Safe && len(via) <= 3 && req.URL.Scheme == first.Scheme && req.URL.Host == first.Host {
		return nil
	}
	return http.ErrUseLastResponse
}

// RoundTrip makes one attempt and notes how it went.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response == nil { // not the next hop of a redirect
		x.result.Attempts++
	}
	began := time.Now()
	resp, err := x.attempt(req)
	x.result.Err = err
	if x.call.Done != nil {
		done := Attempt{Number: x.result.Attempts, Duration: time.Since(began), Asked: x.result.Asked, Err: err}
		if resp != nil {
			done.Status, done.Header = resp.StatusCode, resp.Header
		}
		x.call.Done(done)
	}
	return resp, err
}

func (x *exchange) attempt(req *http.Request) (*http.Response, error) {
	x.result.Status, x.result.Header, x.result.Body, x.result.Asked = 0, nil, nil, 0
	x.result.Sent, x.result.Paused = No, false
	if x.call.Admit != nil {
		if err := x.call.Admit(req.Context()); err != nil {
			closeBody(req)
			return nil, &refusedError{err}
		}
	}
	if err := req.Context().Err(); err != nil { // it may have ended while nothing was admitted
		closeBody(req)
		return nil, err
	}
	ctx, stopHere := context.WithCancelCause(req.Context())
	defer stopHere(nil)
	if x.call.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, x.call.Limit, ErrAttemptTimeout)
		defer cancel()
	}
	// net/http waits for a body that is being read, which may wait for anything.
	stop := context.AfterFunc(ctx, func() { closeBody(req) })
	defer stop()
	way := &way{}
	if x.call.Class == Once && replayable(req) {
		way.again = func() { stopHere(errAgain) }
	}
	resp, err := x.base.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, way.trace())))
	if err == nil && resp == nil {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		x.result.Sent = Yes
		x.result.Status, x.result.Header = resp.StatusCode, resp.Header
		x.result.Asked = askedWait(resp.StatusCode, resp.Header, time.Now())
		err = x.read(resp)
	} else if !way.neverLeft(err) {
		x.result.Sent = Maybe
	}
	if err == nil {
		return resp, nil
	}
	if cause := context.Cause(ctx); req.Context().Err() == nil && (errors.Is(cause, ErrAttemptTimeout) || errors.Is(cause, errAgain)) {
		err = cause
	}
	return nil, WithoutAddress(err)
}

// read takes the body of an answer while the attempt's limit still runs.
func (x *exchange) read(resp *http.Response) error {
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	defer func() {
		_ = resp.Body.Close()
		resp.Body = http.NoBody
	}()
	success := resp.StatusCode/100 == 2
	if success && x.call.Consume != nil {
		var err error
		x.result.Body, err = x.call.Consume(resp.StatusCode, resp.Header, resp.Body)
		return err
	}
	limit := x.call.MaxBody
	if !success && resp.StatusCode != http.StatusPreconditionFailed {
		limit = maxErrorBody
	}
	body, err := readAll(resp, limit)
	if success && err == nil && int64(len(body)) > limit {
		return ErrBodyTooLarge
	}
	if int64(len(body)) > limit {
		body = body[:limit]
	}
	x.result.Body = body
	if success || resp.StatusCode == http.StatusPreconditionFailed {
		return err
	}
	return nil // a refusal is a refusal, however much of its text arrived
}

// readAll reads up to one byte more than limit, into a buffer of the announced
// size where there is one.
func readAll(resp *http.Response, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= min(limit, 1<<20) {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	return buf.Bytes(), err
}

// checkRetry decides whether there is another attempt, and when.
func (x *exchange) checkRetry(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	if ctx.Err() != nil || x.result.Attempts >= x.policy.MaxAttempts || !x.mayRepeat() {
		return false, nil //nolint:nilerr // an error from here would take the place of the real one
	}
	wait := x.result.Asked
	if wait <= 0 {
		wait = x.policy.backoff(x.result.Attempts)
	}
	left := x.policy.MaxElapsed - time.Since(x.began)
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	if wait >= left {
		return false, nil
	}
	if x.result.Asked > 0 { // spread those who were all told the same
		wait += rand.N(min(wait/10, time.Second, left-wait) + 1)
	}
	x.wait = wait
	x.result.Lost = x.result.Uncertain()
	x.result.Paused = true
	return true, nil
}

func (x *exchange) backoff(time.Duration, time.Duration, int, *http.Response) time.Duration {
	return x.wait
}

// mayRepeat applies the replay class to what the attempt found.
func (x *exchange) mayRepeat() bool {
	if body := x.call.Body; body != nil && body.Replayable != nil && !body.Replayable() {
		return false
	}
	r := &x.result
	var refused *refusedError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(r.Err, &refused), errors.As(r.Err, &certificate), errors.As(r.Err, &authority):
		return false // the next attempt would end the same way
	case errors.Is(r.Err, ErrBodyTooLarge), IsFinal(r.Err):
		return false
	case r.Err != nil:
		return r.Sent == No || x.call.Class != Once
	case r.Status == http.StatusTooManyRequests:
		return true
	default:
		return x.call.Class != Once && slices.Contains(transient, r.Status)
	}
}

// transient lists the statuses after which a repeat may help.
var transient = []int{
	http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// uncertain reports whether a write answered with this status may have been
// carried out all the same. See Other is what follows something that was done.
func uncertain(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusSeeOther
}

// Uncertain reports whether the call may have been carried out although it
// did not succeed.
func (r *Result) Uncertain() bool {
	return r.Lost || !r.Paused && (r.Sent == Maybe || r.Sent == Yes && (r.Err != nil || uncertain(r.Status)))
}

// backoff is the wait after the given number of attempts: doubling from the
// smallest, and anywhere in the upper half of it.
func (p Policy) backoff(attempts int) time.Duration {
	wait := min(p.MinBackoff, p.MaxBackoff)
	for range attempts - 1 {
		wait = 2 * min(wait, p.MaxBackoff/2) // in this order nothing overflows
	}
	return wait/2 + rand.N(wait/2+1)
}

// refusedError marks an attempt that the limiter did not admit.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// Final wraps an error of Consume or of a request body that no other attempt
// would change.
func Final(err error) error { return &finalError{err} }

type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// IsFinal reports whether err was wrapped by Final.
func IsFinal(err error) bool {
	var final *finalError
	return errors.As(err, &final)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// replayable reports whether net/http sends the request again by itself although
// some of it may have left: what it sends again otherwise provably did not.
func replayable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return req.Header["Idempotency-Key"] != nil || req.Header["X-Idempotency-Key"] != nil
}

// errAgain ends an attempt at a call that is sent once, when net/http is about
// to send it again.
var errAgain = fmt.Errorf("the connection broke: %w", io.ErrUnexpectedEOF)

// way watches a request leave.
type way struct {
	again func() // called before it is sent again after it may have left; may be nil

	mu     sync.Mutex
	traced bool // the transport tells what it does
	conns  []connMark
}

// connMark is a connection and what had been written to it when the request
// got it. Nothing can be said of a connection that does not count.
type connMark struct {
	conn    *countingConn
	written int64
}

func (w *way) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.traced = true
			if w.again != nil && !w.unwritten() {
				w.again()
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			mark := connMark{conn: counting(info.Conn)}
			if mark.conn != nil {
				mark.written = mark.conn.written.Load()
			}
			w.conns = append(w.conns, mark)
		},
	}
}

// neverLeft reports whether the request provably did not reach the server.
// Without proof the answer is no.
func (w *way) neverLeft(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.traced { // a transport that tells nothing: only its error can
		var dial *net.OpError
		var dns *net.DNSError
		return errors.As(err, &dns) || errors.As(err, &dial) && dial.Op == "dial"
	}
	return w.unwritten()
}

// unwritten reports whether nothing was written to any connection that the
// request got.
func (w *way) unwritten() bool {
	for _, mark := range w.conns {
		if mark.conn == nil || mark.conn.written.Load() != mark.written {
			return false
		}
	}
	return true
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
