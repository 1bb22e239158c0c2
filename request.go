package passfort

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/passfort-go/passfort/internal/checkpoint"
	"github.com/passfort-go/passfort/internal/transport"
	"github.com/passfort-go/passfort/internal/wire"
)

// Request is a call of something the SDK does not model yet. Send it with Do.
type Request struct {
	// Method is the HTTP method. GET is repeated like any read; everything
	// else is sent once.
	Method string
	// Path is relative to the base URL, such as "/profiles/"+id+"/news", with
	// every element escaped. See Path.
	Path string
	// Query is put after the path.
	Query url.Values
	// Body is encoded as JSON; nil sends none.
	Body any
	// Header is added to the SDK's own; it cannot replace the key.
	Header http.Header
	// Route names the path in errors, logs and metrics, with names in place of
	// ids. Empty, the path is not shown at all.
	Route string
}

// Path joins path elements for Request.Path and escapes each of them. Elements
// that are only dots stay what they are, and Do refuses them.
func Path(elements ...string) string {
	var b strings.Builder
	for _, element := range elements {
		b.WriteString("/" + url.PathEscape(element))
	}
	return b.String()
}

// Do sends a request that the SDK has no method for, over the same road: with
// key, limits, retries by method, *Error, and errors in a 200 found. The
// answer is decoded into a T by encoding/json; T may be json.RawMessage. An
// empty answer gives a zero T. For an answer that is no JSON there is DoTo.
//
// The Body is encoded by encoding/json. What that would change is an
// ErrInvalidInput: an io.Reader, a []byte (JSON text is a json.RawMessage) and
// text that is not valid UTF-8.
func Do[T any](ctx context.Context, c *Client, r Request, opts ...CallOption) (*T, error) {
	out := new(T)
	cl := r.call(opts)
	room := 2 * c.road.settings.maxAnswer
	cl.accept = func(body []byte) error {
		valid := json.Valid(body)
		if raw, ok := any(out).(*json.RawMessage); ok && valid {
			*raw = body
			return nil
		}
		if valid && int64(len(body))+wire.Cost(body, reflect.TypeFor[T]()) > room {
			return wire.ErrSize
		}
		if json.Unmarshal(body, out) != nil {
			return wire.ErrShape
		}
		return nil
	}
	if _, err := c.road.sendTo(ctx, r.operation(), "/"+strings.TrimPrefix(r.Path, "/"), cl); err != nil {
		return nil, err
	}
	return out, nil
}

// DoTo is Do for an answer that is no JSON, such as a PDF: it streams the body of a
// success into w, whatever it is, up to 500 MB; beyond them the error is
// ErrAnswerTooLarge. It accepts every media type unless the request says which. A
// refusal in JSON with status 200, of up to 64 KiB, is an *Error and not written.
// Once something was written to w, or w failed, the call is not repeated: after an
// error discard what w holds. The Response has the status and the headers,
// Content-Type among them.
func DoTo(ctx context.Context, c *Client, r Request, w io.Writer, opts ...CallOption) (*Response, error) {
	content := rawContent{w: w, check: func([]byte, http.Header) error { return nil }}
	var got Response
	settings := settingsOf(opts)
	cl := r.call(append(slices.Clip(opts), CaptureResponse(&got)))
	cl.problem = cmp.Or(cl.problem, content.problem())
	cl.consume = content.consume
	cl.header = http.Header{"Accept": {"*/*"}}
	maps.Copy(cl.header, r.Header)
	_, err := c.road.sendTo(ctx, r.operation(), "/"+strings.TrimPrefix(r.Path, "/"), cl)
	if settings.capture != nil {
		*settings.capture = got
	}
	if err != nil {
		return nil, err
	}
	return &got, nil
}

// operation describes the request as the operations of the SDK are described.
func (r Request) operation() operation {
	op := operation{name: "Do", method: strings.ToUpper(r.Method), route: r.Route, class: transport.Once, bare: true}
	if op.route == "" {
		op.route = "(custom path)"
	}
	if op.method == http.MethodGet || op.method == http.MethodHead {
		op.class = transport.Safe
	}
	if checkRequest(r) == noMethod {
		op.method = "?" // it would be printed
	}
	return op
}

func (r Request) call(opts []CallOption) call {
	cl := call{query: r.Query, header: r.Header, opts: opts, problem: checkRequest(r)}
	if r.Body != nil && cl.problem == "" {
		body, err := wire.Encode(r.Body)
		if err != nil {
			cl.problem = "the body cannot be encoded: " + err.Error()
		}
		cl.body = json.RawMessage(body)
	}
	return cl
}

// maxMethod is the longest method in bytes.
const maxMethod = 32

const noMethod = "the method is not one of HTTP"

func checkRequest(r Request) string {
	if r.Method == "" {
		return "the method is empty"
	}
	if len(r.Method) > maxMethod || strings.ContainsFunc(r.Method, func(r rune) bool { return !isTokenRune(r) }) {
		return noMethod
	}
	if r.Path == "" || strings.ContainsAny(r.Path, "?#\\ ") || strings.Contains(r.Path, "//") {
		return "the path is not a path below the base URL"
	}
	for element := range strings.SplitSeq(r.Path, "/") {
		if plain, err := url.PathUnescape(element); err != nil || plain == "." || plain == ".." ||
			!utf8.ValidString(plain) {
			return "the path is not a path below the base URL"
		}
	}
	for name := range r.Header {
		if strings.EqualFold(name, "apikey") || strings.EqualFold(name, "host") {
			return "the header " + http.CanonicalHeaderKey(name) + " is the SDK's own"
		}
	}
	return ""
}

var errCheckpointBehind = fmt.Errorf("%w: 10,000 profiles were taken and not added to the checkpoint", ErrInvalidInput)

// Checkpoint is how far a walk over the profiles has come, for one that has to go on
// after a kill. Put it into ProfileListOptions, Add each profile that is handled or
// passed over, and store its JSON; a Checkpoint read from that JSON goes on from
// there. What is stored together with the effect of handling a profile, in one
// transaction, makes that happen once; what is stored after it, at least once.
//
// It remembers the last 1,000 profiles by a hash, so that profiles that move to
// another page are not handled again, and follows a list that deletions make
// shorter. It is safe for concurrent use. A failure of All or Each does not change
// it: go on with the same one.
type Checkpoint struct{ at checkpoint.Checkpoint }

// Add notes that a profile is handled.
func (c *Checkpoint) Add(profile *Profile) { c.at.Add(profile.ID) }

// Done returns how many profiles were added.
func (c *Checkpoint) Done() int { return c.at.Done() }

// Total returns how many profiles match, as the last page said; 0 if it said nothing.
func (c *Checkpoint) Total() int {
	_, count := c.at.Place()
	return Deref(count)
}

// MarshalJSON returns what to store: at most some 250 KB, usually 22 KB. It holds no
// id and no personal data.
func (c *Checkpoint) MarshalJSON() ([]byte, error) { return c.at.MarshalJSON() }

// UnmarshalJSON takes what was stored.
func (c *Checkpoint) UnmarshalJSON(data []byte) error {
	if err := c.at.UnmarshalJSON(data); err != nil {
		return errors.New("passfort: not the JSON of a checkpoint")
	}
	return nil
}

// Each calls fn with the values of an iterator such as that of Profiles.All, n at a
// time. The first error ends it: no further value is taken, what is under way is
// finished with its own context, and the error is returned. When ctx ends, that is
// the error. No goroutine is left.
//
// The pace is that of the client: give it a Limiter to keep a quota. For a walk that
// goes on after a kill see Checkpoint.
func Each[T any](ctx context.Context, values iter.Seq2[T, error], n int, fn func(context.Context, T) error) error {
	var (
		work    sync.WaitGroup
		once    sync.Once
		failure error
		queue   = make(chan T)
		failed  = make(chan struct{})
	)
	fail := func(err error) {
		once.Do(func() {
			failure = err
			close(failed)
		})
	}
	for range max(n, 1) {
		work.Go(func() {
			for value := range queue {
				if err := fn(ctx, value); err != nil {
					fail(err)
				}
			}
		})
	}
	hand := func(value T, err error) bool {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			fail(err)
			return false
		}
		select {
		case <-failed:
			return false
		default:
		}
		select {
		case queue <- value:
			return true
		case <-failed:
			return false
		case <-ctx.Done():
			fail(ctx.Err())
			return false
		}
	}
	for value, err := range values {
		if !hand(value, err) {
			break
		}
	}
	close(queue)
	work.Wait()
	return failure
}
