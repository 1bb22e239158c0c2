// Package transport sends one call of the API, which may take several
// attempts. It sets go-retryablehttp up once, so that nothing else in the
// module has to know how that library is kept from repeating writes,
// following redirects with a key in the header, or printing addresses.
//
// Each call is an exchange of its own, which is at once the transport below
// go-retryablehttp and the policy above it: what an attempt found out (whether
// it was sent, what it was answered) is there when the decision about the next
// one is made. An attempt reads its answer to the end, so that a broken answer
// is a failed attempt.
package transport

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Class says when a call may be sent again.
type Class uint8

// The replay classes.
const (
	Once        Class = iota // only if it provably never left, or the server said it did nothing
	Safe                     // a read: whenever it failed
	Conditional              // a write with If-Match: whenever it failed; a repeat is refused by the server
	Idempotent               // a write that leaves the same state when repeated
)

// String returns the class as the operations reference prints it.
func (c Class) String() string {
	return [...]string{"once", "safe", "conditional", "idempotent"}[c]
}

// Policy bounds the attempts of a call.
type Policy struct {
	MaxAttempts            int           // the first one counts
	MinBackoff, MaxBackoff time.Duration // our own waits; a wait that the server asks for may be longer
	MaxElapsed             time.Duration // no attempt starts later than this after the call began
}

// Body is a request body. Open is called once before each attempt. The reader it
// gives may be closed before it was read to the end, or at all.
type Body struct {
	Open       func() (io.ReadCloser, error)
	Length     int64       // -1: unknown, sent in chunks
	Replayable func() bool // whether Open still gives the whole body; nil: always
}

// Call is what Do sends.
type Call struct {
	Class   Class
	Method  string
	URL     string
	Header  http.Header
	Body    *Body
	Limit   time.Duration               // of one attempt, 0: none
	Most    int                         // attempts, 0: as the policy says
	MaxBody int64                       // of an answer that is read whole
	Admit   func(context.Context) error // asked before each attempt; may be nil
	Done    func(Attempt)               // receives each attempt; may be nil

	// Consume reads the body of a 2xx in a stream and returns what becomes the
	// Result's Body. It may be nil.
	Consume func(status int, h http.Header, r io.Reader) ([]byte, error)
}

// Attempt is one try that has ended.
type Attempt struct {
	Number   int
	Status   int // 0: no answer
	Header   http.Header
	Duration time.Duration
	Asked    time.Duration // the wait that the answer asked for
	Err      error
}

// Sent says what is known of a request's way to the server.
type Sent uint8

// What can be known.
const (
	No    Sent = iota // it never left
	Maybe             // it may have been handled, and no answer says
	Yes               // there is an answer
)

// Result is how a call ended.
type Result struct {
	Status   int // of the last answer, 0: none
	Header   http.Header
	Body     []byte // of the last answer
	Attempts int
	Sent     Sent          // of the last attempt
	Cut      bool          // the last answer came although the end of the body was never handed over
	Lost     bool          // an earlier attempt may have been handled although no answer came
	Asked    time.Duration // the wait that the last answer asked for
	Paused   bool          // the call ended in the wait after the last attempt, which Lost then covers
	Err      error         // nil: there is an answer; without any address in its text
}

// The reasons for a failed attempt that the transport itself finds.
var (
	ErrAttemptTimeout error = attemptTimeout{}
	ErrBodyTooLarge         = errors.New("the response body is larger than the limit")
)

// attemptTimeout is a net.Error, and no context.DeadlineExceeded: the caller's
// context is still alive.
type attemptTimeout struct{}

func (attemptTimeout) Error() string   { return "the attempt took longer than its limit" }
func (attemptTimeout) Timeout() bool   { return true }
func (attemptTimeout) Temporary() bool { return true }

// Ended is why a call ended with its context. Beside the context's error it holds
// the cause that the caller gave, and how the attempt before ended.
type Ended struct {
	err, cause error
	Before     error // nil: there was none
}

// Error returns the text of the context's error.
func (e *Ended) Error() string { return e.err.Error() }

// Unwrap returns what it holds.
func (e *Ended) Unwrap() []error {
	return slices.DeleteFunc([]error{e.err, e.cause, e.Before}, func(err error) bool { return err == nil })
}

func ended(ctx context.Context, before error) error {
	e := &Ended{err: ctx.Err(), Before: before}
	if cause := context.Cause(ctx); cause != e.err { //nolint:errorlint // the very same
		e.cause = cause
	}
	return e
}

// Client sends calls. It is safe for concurrent use.
type Client struct {
	http   http.Client
	pool   *pool
	over   func(http.RoundTripper) http.RoundTripper // put above the pool's transport, or nil
	policy Policy
}

// New returns a Client that sends through a copy of hc, or through a
// transport of its own if hc is nil.
func New(hc *http.Client, policy Policy) *Client {
	c := &Client{policy: policy}
	if hc != nil {
		c.http = *hc
	}
	base := c.http.Transport
	if base == nil {
		base = Default()
	}
	c.pool = &pool{base: base}
	return c
}

// Wrap puts a transport above the one that sends.
func (c *Client) Wrap(over func(http.RoundTripper) http.RoundTripper) { c.over = over }

// CloseIdleConnections closes the connections that no attempt uses.
func (c *Client) CloseIdleConnections() { c.pool.closeIdle() }

// Do sends the call and returns how it ended. It returns as soon as ctx ends.
func (c *Client) Do(ctx context.Context, call *Call) *Result {
	if ctx.Err() != nil {
		return &Result{Err: ended(ctx, nil)}
	}
	x := &exchange{pool: c.pool, over: c.over, policy: c.policy, call: *call, began: time.Now()}
	if call.Most > 0 {
		x.policy.MaxAttempts = call.Most
	}
	req, err := x.request(ctx)
	if err != nil {
		return &Result{Err: WithoutAddress(err)}
	}
	x.http = c.http
	x.http.Transport, x.http.CheckRedirect = x, noRedirect
	if call.Class == Safe {
		x.http.CheckRedirect = sameHost
	}
	x.retrying.HTTPClient = &x.http
	x.retrying.RetryMax = math.MaxInt // checkRetry counts
	x.retrying.CheckRetry, x.retrying.Backoff = x.checkRetry, backoff
	x.retrying.ErrorHandler = retryablehttp.PassthroughErrorHandler
	resp, err := x.retrying.Do(req)
	if resp != nil {
		_ = resp.Body.Close() // the exchange has read it
	}
	if ctx.Err() != nil && err != nil {
		x.result.Err = ended(ctx, x.before)
	} else if err != nil && x.result.Err == nil {
		x.result.Err = WithoutAddress(err)
	}
	return &x.result
}

// WithoutAddress returns err without the wrapping of net/http that prints the
// whole URL, path and query included.
func WithoutAddress(err error) error {
	for {
		var located *url.Error
		if !errors.As(err, &located) {
			return err
		}
		err = located.Err
	}
}
