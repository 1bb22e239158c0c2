package transport

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxErrorBody is how much of a refusal's body is read.
const maxErrorBody = 1 << 20

// exchange is one call on its way.
type exchange struct {
	pool   *pool
	over   func(http.RoundTripper) http.RoundTripper
	policy Policy
	call   Call
	began  time.Time
	free   freeRepeat
	before error // how the attempt before the last one ended
	result Result

	http     http.Client
	retrying retryablehttp.Client // its RetryWaitMin is the wait before the next attempt
}

// freeRepeat is the one repeat that a call has beyond the policy, at once: of an
// attempt that the server says it did not process, and of a read on a kept
// connection that turned out to be dead.
type freeRepeat uint8

const (
	freeNot  freeRepeat = iota // the last attempt gives no right to it
	freeNow                    // it does
	freeUsed                   // it was made
)

// request makes the request of all attempts.
func (x *exchange) request(ctx context.Context) (*retryablehttp.Request, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, x.call.Method, x.call.URL, nil)
	if err != nil {
		return nil, err
	}
	if body := x.call.Body; body != nil {
		open := func() (io.ReadCloser, error) { return http.NoBody, nil } // SetBody looks for a length
		next := func() (io.Reader, error) { return open() }
		if err := req.SetBody(retryablehttp.ReaderFunc(next)); err != nil {
			return nil, err
		}
		open = body.Open
		req.ContentLength = body.Length
	}
	return req, nil
}

// noRedirect returns a redirect as the answer that it is.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// sameHost lets a read follow to the same host and scheme, without a user and a password
// of the redirect's own, and returns every other one as the answer that it is.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) <= 3 && req.URL.Scheme == first.Scheme && req.URL.Host == first.Host && req.URL.User == nil {
		return nil
	}
	return http.ErrUseLastResponse
}

// RoundTrip makes one attempt and notes how it went.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response == nil { // not the next hop of a redirect
		x.result.Attempts++
	}
	var began time.Time
	if x.call.Done != nil {
		began = time.Now()
	}
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
	if req.Response != nil { // which answered the hop before
		x.result.Sent = Maybe
	}
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
	ctx, stop := context.WithCancelCause(req.Context())
	defer stop(nil)
	if x.call.Limit > 0 { // a context with a deadline of its own costs more
		limit := time.AfterFunc(x.call.Limit, func() { stop(ErrAttemptTimeout) })
		defer limit.Stop()
	}
	// net/http waits for a body that is being read, which may wait for anything.
	if req.Body != nil && req.Body != http.NoBody {
		defer context.AfterFunc(ctx, func() { closeBody(req) })()
	}
	base := x.pool.current()
	_, plain := base.(*http.Transport)
	way := &way{plain: plain, stop: stop}
	sender := base
	if x.over != nil {
		sender = x.over(base)
	}
	traced := req.WithContext(httptrace.WithClientTrace(ctx, way.trace(x.pool.h1.Load())))
	traced.Header = x.header(req)
	withoutRedirects(traced, base)
	body := metered(traced)
	traced.GetBody = x.reopen(body)
	traced.Cancel = nil //nolint:staticcheck // http.Client.Timeout sets it beside the context's deadline
	resp, err := sender.RoundTrip(traced)
	if err == nil && resp == nil {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		x.pool.h1.Store(resp.ProtoMajor == 1)
		x.result.Sent, x.result.Cut = Yes, way.isTraced() && body.cut()
		x.result.Status, x.result.Header = resp.StatusCode, resp.Header
		x.result.Asked = askedWait(resp.StatusCode, resp.Header, time.Now)
		err = x.read(resp)
		if err == nil && resp.StatusCode/100 == 2 && way.isTraced() && body.cut() && x.call.Body.Replayable != nil {
			err = errEarly
		}
	} else if cut := body.seal() && way.isTraced(); !cut && !way.neverLeft(err) {
		x.result.Sent = Maybe
	}
	if err == nil {
		return resp, nil
	}
	cause := context.Cause(ctx)
	var network net.Error
	timedOut := errors.Is(cause, ErrAttemptTimeout) || errors.Is(req.Context().Err(), context.DeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
	if conn := way.shared(); timedOut && conn != nil {
		x.pool.leave(base, conn)
	}
	refused := x.result.Sent == No && way.stoppedOrRefused(err)
	if x.free != freeUsed && !timedOut && (refused || x.call.Class == Safe && way.stale()) {
		x.free = freeNow
	}
	switch {
	case req.Context().Err() != nil:
		err = ended(req.Context(), x.before)
	case errors.Is(cause, ErrAttemptTimeout), errors.Is(cause, errAgain):
		err = cause
	}
	return nil, named(WithoutAddress(err))
}

// header returns the header of an attempt: that of the call and what http.Client added,
// the cookies of a jar or the referrer of a redirect. http.Client does not get the call's,
// which it would copy each time for a redirect that rarely comes.
func (x *exchange) header(req *http.Request) http.Header {
	added := req.Header
	if len(added) == 0 && req.Response == nil {
		return x.call.Header
	}
	whole := maps.Clone(added)
	maps.Copy(whole, x.call.Header)
	if req.Response != nil && req.Body == nil { // a redirect may leave the body out
		delete(whole, "Content-Type")
	}
	if cookies := slices.Concat(x.call.Header["Cookie"], added["Cookie"]); len(cookies) > 0 {
		whole["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	clear(added) // the next attempt has the same request
	return whole
}

// reopen returns what opens the body of a request anew, for net/http to send it
// again when nothing was written to a dead connection of HTTP/1. Over HTTP/2, and
// where the protocol is not known yet, it returns nil: net/http then says in its
// error why a stream was not processed.
func (x *exchange) reopen(m *meter) func() (io.ReadCloser, error) {
	if m == nil || x.call.Body.Replayable != nil || !x.pool.h1.Load() {
		return nil
	}
	return func() (io.ReadCloser, error) {
		body, err := x.call.Body.Open()
		if err != nil {
			return nil, err
		}
		return m.body(body), nil
	}
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
	if resp.StatusCode < http.StatusOK { // net/http leaves the connection to whoever reads its body
		return errNotFinal
	}
	success := resp.StatusCode/100 == 2
	whole := success || resp.StatusCode == http.StatusPreconditionFailed
	if err := unpack(resp); err != nil && whole {
		return err
	}
	if success && x.call.Consume != nil {
		var err error
		x.result.Body, err = x.call.Consume(resp.StatusCode, resp.Header, resp.Body)
		return err
	}
	limit := x.call.MaxBody
	if !whole {
		limit = maxErrorBody
	}
	body, err := readAll(resp, limit, !success)
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // RFC 8259, 8.1
	x.result.Body = body
	if whole {
		return err
	}
	return nil // a refusal is a refusal, however much of its text arrived
}

// maxCodings is how many compressions of an answer are undone. Each holds memory.
const maxCodings = 3

// unpack undoes the compression of an answer. net/http does so only if it asked
// for it, and a gateway may compress unasked. What it does not know stays as it is. After
// an error there is no body.
func unpack(resp *http.Response) error {
	named := resp.Header.Values("Content-Encoding")
	if len(named) == 0 {
		return nil
	}
	var openers []func(io.Reader) (io.Reader, error)
	for coding := range strings.SplitSeq(strings.ToLower(strings.Join(named, ",")), ",") {
		switch strings.TrimSpace(coding) {
		case "gzip", "x-gzip":
			openers = append(openers, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
		case "deflate":
			openers = append(openers, inflate)
		case "identity", "":
		default:
			return nil
		}
	}
	if len(openers) > maxCodings {
		return nil
	}
	body, err := io.Reader(resp.Body), error(nil)
	for _, open := range slices.Backward(openers) {
		if body, err = open(body); err != nil {
			body = http.NoBody
			break
		}
	}
	if err == io.EOF { //nolint:errorlint // nothing to unpack
		err = nil
	}
	resp.Body, resp.ContentLength = struct {
		io.Reader
		io.Closer
	}{body, resp.Body}, -1
	resp.Header.Del("Content-Encoding")
	return err
}

// inflate undoes "deflate", which some send without the frame of zlib.
func inflate(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	start, err := buffered.Peek(2)
	if err != nil && len(start) == 0 {
		return nil, err
	}
	if len(start) == 2 && start[0]&0x0f == 8 && binary.BigEndian.Uint16(start)%31 == 0 { // RFC 1950, 2.2
		return zlib.NewReader(buffered)
	}
	return flate.NewReader(buffered), nil
}

const (
	chunk = 1 << 20 // how much of a large body is read at once
	guess = 4 << 10 // of a body whose size is not announced: most fit
)

// readAll reads up to one byte more than limit. A small body goes into a buffer of
// the announced size where there is one. A large one is read in chunks, so that it
// is not held twice while it grows. One that is too large is ErrBodyTooLarge, or
// else cut.
func readAll(resp *http.Response, limit int64, cut bool) ([]byte, error) {
	size := int64(guess)
	if n := resp.ContentLength; n > 0 && n <= min(limit, chunk) {
		size = n + 1 // so that the end is seen
	}
	var (
		chunks [][]byte
		total  int64
		err    error
	)
	whole := make([]byte, 0, size)
	for err == nil && total <= limit {
		if len(whole) == cap(whole) {
			if len(whole) < chunk {
				whole = slices.Grow(whole, min(len(whole), chunk-len(whole)))
			} else {
				chunks = append(chunks, whole)
				whole = make([]byte, 0, chunk)
			}
		}
		var got int
		room := min(int64(cap(whole)-len(whole)), limit+1-total)
		got, err = resp.Body.Read(whole[len(whole) : len(whole)+int(room)])
		whole, total = whole[:len(whole)+got], total+int64(got)
	}
	if err == io.EOF { // one that is wrapped is no end of a body
		err = nil
	}
	if total > limit && !cut {
		return nil, ErrBodyTooLarge
	}
	if len(chunks) > 0 {
		chunks = append(chunks, whole)
		whole = make([]byte, 0, total)
		for i, part := range chunks {
			whole, chunks[i] = append(whole, part...), nil
		}
	}
	whole = whole[:min(total, limit)]
	if len(whole) < cap(whole)/2 { // it may be kept for long
		whole = bytes.Clone(whole)
	}
	return whole, err
}

// checkRetry decides whether there is another attempt, and when.
func (x *exchange) checkRetry(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	free := x.free == freeNow
	if ctx.Err() != nil || !free && x.result.Attempts >= x.policy.MaxAttempts || !x.mayRepeat() {
		return false, nil //nolint:nilerr // an error from here would take the place of the real one
	}
	wait := time.Duration(0)
	if !free {
		// A server that asks for less than our own back-off does not know how many ask it.
		wait = max(x.result.Asked, x.policy.backoff(x.result.Attempts))
	}
	left := x.policy.MaxElapsed - time.Since(x.began)
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	if wait >= left {
		return false, nil
	}
	if free {
		x.free = freeUsed
	}
	if x.result.Asked > 0 && !free { // spread those with the same answer
		wait += rand.N(min(wait/10, time.Second, left-wait) + 1)
	}
	x.retrying.RetryWaitMin = wait
	if x.before = x.result.Err; x.before == nil {
		x.before = &Reason{
			text: "the answer was " + strings.TrimSpace(strconv.Itoa(x.result.Status)+" "+
				http.StatusText(x.result.Status)),
		}
	}
	x.result.Lost = x.result.Uncertain()
	x.result.Paused = true
	return true, nil
}

// backoff returns the wait that checkRetry chose.
func backoff(wait, _ time.Duration, _ int, _ *http.Response) time.Duration { return wait }

// mayRepeat applies the replay class to what the attempt found.
func (x *exchange) mayRepeat() bool {
	if body := x.call.Body; body != nil && body.Replayable != nil && !body.Replayable() {
		return false
	}
	r := &x.result
	if r.Err == nil && r.Status/100 == 2 {
		return false
	}
	var refused *refusedError
	switch {
	case errors.As(r.Err, &refused), IsLasting(r.Err), errors.Is(r.Err, ErrBodyTooLarge), IsFinal(r.Err):
		return false // the next attempt would end the same way
	case r.Err != nil:
		return r.Sent == No || x.call.Class != Once
	case r.Status == http.StatusTooManyRequests:
		return true
	default:
		return x.call.Class != Once && IsTransient(r.Status)
	}
}

// IsTransient reports whether a repeat may help after this status: the server or
// a gateway before it asks for one, or failed. That a server does not know the
// method or the version of HTTP does not pass.
func IsTransient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status/100 == 5
}

// uncertain reports whether a write answered with this status may have been
// carried out all the same. See Other is what follows something that was done.
func uncertain(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusSeeOther
}

// Uncertain reports whether the call may have been carried out although it
// did not succeed.
func (r *Result) Uncertain() bool {
	return r.Lost || !r.Paused && (r.Sent == Maybe || r.Sent == Yes && (r.Err != nil || uncertain(r.Status) && !r.Cut))
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

// errNotFinal ends an attempt whose answer is none. A connection that speaks another
// protocol from now on may still bring one.
var errNotFinal error = &Reason{text: "the answer is not a final one", lasting: true}

// errEarly ends an attempt that succeeded although the end of what it streams was never
// handed over: what the server has is not what it was to get. Of a small body it may not
// have wanted any, and have answered before that was read.
var errEarly error = &Reason{text: "the answer came before all of the request was sent"}

// errAgain ends an attempt whose request was about to be sent again from below.
var errAgain = fmt.Errorf("the connection broke: %w", io.ErrUnexpectedEOF)
