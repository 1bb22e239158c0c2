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
	"time"
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
	cl.accept = func(doc wire.Document) error {
		body := doc.Text()
		if raw, ok := any(out).(*json.RawMessage); ok && doc.Valid() {
			*raw = body
			return nil
		}
		if doc.Valid() && int64(len(body))+wire.Cost(body, reflect.TypeFor[T]()) > room {
			return wire.ErrSize
		}
		if json.Unmarshal(body, out) != nil {
			return wire.ErrShape
		}
		return nil
	}
	if _, err := c.road.sendTo(ctx, r.operation(), r.path(), cl); err != nil {
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
	_, err := c.road.sendTo(ctx, r.operation(), r.path(), cl)
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
	if !isMethod(r.Method) {
		op.method = "?" // it would be printed
	}
	return op
}

func (r Request) path() string {
	if strings.HasPrefix(r.Path, "/") {
		return r.Path
	}
	return "/" + r.Path
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

// isMethod reports whether a method can be sent, or is empty.
func isMethod(method string) bool {
	return len(method) <= maxMethod && !strings.ContainsFunc(method, func(r rune) bool { return !isTokenRune(r) })
}

func checkRequest(r Request) string {
	if r.Method == "" {
		return "the method is empty"
	}
	if !isMethod(r.Method) {
		return "the method is not one of HTTP"
	}
	if r.Path == "" || strings.ContainsAny(r.Path, "?#\\ ") || strings.Contains(r.Path, "//") {
		return "the path is not a path below the base URL"
	}
	for element := range strings.SplitSeq(r.Path, "/") {
		plain, err := url.PathUnescape(element)
		if err != nil || plain == "." || plain == ".." || !utf8.ValidString(plain) {
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

// CallOption changes one call.
type CallOption func(*callSettings)

type callSettings struct {
	capture   *Response
	overwrite bool
	progress  func(done, total int64)
	header    http.Header
	query     url.Values
	attempts  int
	limit     time.Duration
	problem   string // what is wrong with an option
}

// refuse notes what is wrong with an option. The first problem stays.
func (s *callSettings) refuse(problem string) { s.problem = cmp.Or(s.problem, problem) }

func settingsOf(opts []CallOption) callSettings {
	if len(opts) == 0 {
		return callSettings{}
	}
	var s callSettings // what opts may keep, so it is on the heap
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	return s
}

// Header adds a header to the requests of one call, such as a correlation id
// that your gateway asks for. Given twice for a name it sends both values; it
// replaces User-Agent and Accept. A header that the SDK or net/http sets itself
// (Apikey, Content-Type, If-Match, Host, ...), or one that no header can hold, is
// an ErrInvalidInput of the call.
func Header(name, value string) CallOption {
	return func(s *callSettings) {
		canonical := http.CanonicalHeaderKey(name)
		if slices.Contains(ownHeaders, canonical) {
			s.refuse("the header " + canonical + " is not for a caller to set")
			return
		}
		if s.header == nil {
			s.header = http.Header{}
		}
		s.header[canonical] = append(s.header[canonical], value)
	}
}

// ownHeaders are the headers that the SDK or net/http sets.
var ownHeaders = []string{
	"Apikey", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "If-Match",
	"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// Query sets a query parameter of the requests of one call, for what the options
// of its method have no field for. It replaces the method's own parameter of that
// name; given twice for a name it sends both values.
func Query(name, value string) CallOption {
	return func(s *callSettings) {
		if name == "" {
			s.refuse("the name of a query parameter is empty")
		}
		if s.query == nil {
			s.query = url.Values{}
		}
		s.query.Add(name, value)
	}
}

// MaxAttempts bounds the attempts of each request of one call, in place of
// RetryPolicy.MaxAttempts; 1 means no repeat. Whether a call may be repeated at
// all still depends on its operation.
func MaxAttempts(n int) CallOption {
	return func(s *callSettings) {
		if n < 1 {
			s.refuse("there is at least one attempt")
		}
		s.attempts = n
	}
}

// AttemptTimeout bounds each attempt of one call, in place of the operation's
// own limit (75 s, 150 s for Checks.Run, 15 min for files, images and reports).
// The time of the whole call is bounded by its context.
func AttemptTimeout(d time.Duration) CallOption {
	return func(s *callSettings) {
		if d <= 0 {
			s.refuse("the limit of an attempt is not positive")
		}
		s.limit = d
	}
}

// Response is what CaptureResponse captures.
type Response struct {
	StatusCode int // 0: no answer
	Header     http.Header
	Attempts   int
}

// CaptureResponse fills dst with status, header and number of attempts of the
// last attempt, whether the call succeeds or fails.
func CaptureResponse(dst *Response) CallOption {
	return func(s *callSettings) { s.capture = dst }
}

// checkHeader refuses what net/http would not send, whose error does not say that
// nothing was sent.
func checkHeader(h http.Header) string {
	for name, values := range h {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isTokenRune(r) }) {
			return "a header has a name that no header has"
		}
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return "a header has characters that a header cannot hold"
			}
		}
	}
	return ""
}

func isTokenRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// checkSegment refuses what cannot be an id. A search term is free text.
func checkSegment(name, value string) string {
	words := strings.ReplaceAll(name, "_", " ")
	switch {
	case strings.TrimSpace(value) == "":
		return "the " + words + " is empty"
	case value == ".", value == "..":
		return "the " + words + " would be taken for a step in the path"
	case name == "term":
		return ""
	case strings.Contains(value, ".."), strings.ContainsAny(value, `/\?#%`),
		strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "the " + words + " has characters that no id has"
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
