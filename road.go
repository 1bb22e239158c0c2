package passfort

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-querystring/query"

	"github.com/passfort-go/passfort/internal/transport"
	"github.com/passfort-go/passfort/internal/wire"
)

// defaultMaxAnswer is how long an answer may be unless WithMaxAnswer says otherwise.
const defaultMaxAnswer = 64 << 20

// road is what every call takes: it builds the request, sends it within its
// replay class, and turns the end into a value or an *Error.
type road struct {
	base      string
	transport *transport.Client
	userAgent string
	header    func() http.Header // with the key, which no print form of the road can reach
	logger    *slog.Logger
	observer  Observer
	limiter   Limiter
	drift     *driftFilter
	waits     *waits
	settings  clientSettings
}

// call is one call of an operation.
type call struct {
	args   []string // for the {names} of the route, in order
	query  any      // a struct with url tags, url.Values, or nil
	body   any      // a pointer to what is sent as JSON, or nil
	upload *upload  // what is sent as a stream, or nil
	out    any      // a pointer to what is decoded, or nil

	// consume reads the body of a success in a stream. What it returns is
	// decoded into out, or without an out only looked through for a refusal.
	consume func(status int, h http.Header, r io.Reader) ([]byte, error)

	// accept decodes a success that is more than its out. If unique is set, names that
	// appear twice were looked for.
	accept func(doc wire.Document) error
	unique bool

	// verify finds what is wrong with a decoded success.
	verify func() error

	header  http.Header // added to the SDK's own
	problem string      // bad input that the method found
	opts    []CallOption
}

// answer is what came back, beside the decoded value.
type answer struct {
	header http.Header
	body   []byte
}

// do makes one call. Every error it returns is an *Error.
func (r *road) do(ctx context.Context, name string, c call) (answer, error) {
	return r.send(ctx, operationNamed(name), c)
}

func (r *road) send(ctx context.Context, op operation, c call) (answer, error) {
	path, problem := expand(op.route, c.args)
	c.problem = cmp.Or(c.problem, problem)
	return r.sendTo(ctx, op, path, c)
}

// sendTo makes one call of a path below the base URL.
func (r *road) sendTo(ctx context.Context, op operation, path string, c call) (answer, error) {
	settings := settingsOf(c.opts)
	info := CallInfo{Operation: op.name, Method: op.method, Route: op.route}
	if ctx == nil {
		return answer{}, failure(info, op, &transport.Result{Err: inputError("the context is nil")})
	}
	var began time.Time
	if r.isWatched() {
		began = time.Now()
	}
	if r.observer != nil {
		ctx = r.observer.CallStarted(ctx, info)
	}
	res := r.attempt(ctx, op, path, c, settings)
	err := failure(info, op, res)
	if err != nil && err.StatusCode == http.StatusNotFound && len(err.Errors) == 0 && !hasVersion(r.base) {
		err.problem = "the base URL has no version: does it need /4.0 at its end?"
	}
	if err == nil && (c.consume == nil || c.out != nil || len(res.Body) > 0) {
		err = r.decode(info, op, c, res)
	}
	if err == nil && c.verify != nil {
		switch cause := c.verify(); {
		case errors.Is(cause, wire.ErrShape):
			err = unreadable(info, op, res, describe(cause))
		case cause != nil:
			err = newError(info, res)
			err.cause, err.problem = cause, describe(cause)
		}
	}
	if settings.capture != nil {
		*settings.capture = Response{StatusCode: res.Status, Header: res.Header, Attempts: res.Attempts}
	}
	if err != nil {
		err.RequestID = r.requestID(res.Header)
	}
	if r.isWatched() {
		r.ended(ctx, info, res, time.Since(began), err)
	}
	if err != nil {
		c.upload.rewind()
		return answer{}, err
	}
	return answer{header: res.Header, body: res.Body}, nil
}

// attempt builds the request and gives it to the transport.
func (r *road) attempt(
	ctx context.Context, op operation, path string, c call, settings callSettings,
) *transport.Result {
	refuse := func(problem string) *transport.Result { return &transport.Result{Err: inputError(problem)} }
	if problem := cmp.Or(c.problem, settings.problem); problem != "" {
		return refuse(problem)
	}
	values, err := queryOf(c.query)
	if err != nil {
		return refuse("the options cannot be put into a query")
	}
	if len(settings.query) > 0 {
		whole := url.Values{}
		maps.Copy(whole, values)
		maps.Copy(whole, settings.query)
		values = whole
	}
	for name, all := range values {
		if !utf8.ValidString(name + strings.Join(all, "")) {
			return refuse("the query: " + wire.ErrUTF8.Error())
		}
	}
	if encoded := values.Encode(); encoded != "" {
		path += "?" + encoded
	}
	tc := &transport.Call{
		Class:   op.class,
		Method:  op.method,
		URL:     r.base + path,
		Header:  r.header(),
		Limit:   cmp.Or(settings.limit, op.limit, attemptLimit),
		Most:    settings.attempts,
		MaxBody: r.settings.maxAnswer,
		Consume: c.consume,
	}
	for _, added := range []http.Header{c.header, settings.header} {
		if problem := checkHeader(added); problem != "" {
			return refuse(problem)
		}
		for name, values := range added {
			tc.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if c.body != nil {
		raw, err := encodeBody(c.body)
		if err != nil {
			return refuse("the request cannot be encoded: " + err.Error())
		}
		tc.Body = bytesBody(raw)
	}
	if c.upload != nil {
		if err := c.upload.prepare(ctx); err != nil {
			return &transport.Result{Err: err}
		}
		tc.Body = c.upload.transportBody(ctx)
	}
	if tc.Body != nil {
		tc.Header.Set("Content-Type", "application/json")
	}
	if r.limiter != nil && op.rateLimited {
		tc.Admit = func(ctx context.Context) error { return r.limiter.Wait(ctx, op.name) }
	}
	if r.isWatched() {
		info := CallInfo{Operation: op.name, Method: op.method, Route: op.route}
		tc.Done = func(a transport.Attempt) { r.attempted(ctx, info, a) }
	}
	res := r.transport.Do(ctx, tc)
	if c.upload != nil {
		c.upload.finish(ctx, res)
	}
	return res
}

// encodeBody encodes a request of this package, or raw JSON.
func encodeBody(body any) ([]byte, error) {
	if raw, ok := body.(json.RawMessage); ok {
		return raw, nil
	}
	return wire.Marshal(body)
}

func bytesBody(raw []byte) *transport.Body {
	return &transport.Body{
		Open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		Length: int64(len(raw)),
	}
}

// decode reads the value of a successful call.
func (r *road) decode(info CallInfo, op operation, c call, res *transport.Result) *Error {
	body := bytes.TrimSpace(res.Body)
	if len(body) == 0 {
		if op.bare {
			return nil
		}
		return unreadable(info, op, res, "the answer is empty")
	}
	notRead := func(cause error) *Error {
		err := unreadable(info, op, res, describe(cause))
		err.cause = cause
		return err
	}
	doc, plain := lookForErrors(body, c.out != nil || c.unique)
	details, err := op.errors.refusals(plain)
	if err != nil {
		return notRead(err)
	}
	if len(details) > 0 {
		err := newError(info, res)
		err.Errors = details
		err.Outcome = outcomeOf(op, res, OutcomeRejected)
		return err
	}
	if c.accept != nil {
		if err := c.accept(doc); err != nil {
			return notRead(err)
		}
		return nil
	}
	if c.out == nil {
		if !doc.Valid() {
			return unreadable(info, op, res, "the answer is not JSON")
		}
		return nil
	}
	if c.header.Get("If-Match") == "" && op.name != "CollectedData.Get" {
		doc = plain // what goes back as a whole has to be whole
	}
	if err := doc.Unmarshal(c.out, r.drift.reporter(op.name), r.room(doc)); err != nil {
		return notRead(err)
	}
	r.drift.lookIntoChecks(op.name, c.out)
	if made, ok := c.out.(identified); ok && op.class == transport.Once && made.identity() == "" {
		return unreadable(info, op, res, "the answer has no id")
	}
	return nil
}

// room is how much the value of an answer may take up. Text and value together take up
// at most twice the limit, which with what the collector has not freed yet is four times.
func (r *road) room(doc wire.Document) int64 { return 2*r.settings.maxAnswer - int64(len(doc.Text())) }

// lookForErrors looks through an answer. If it is no JSON, plain is without the numbers
// that JSON does not have.
func lookForErrors(body []byte, unique bool) (doc, plain wire.Document) {
	doc = wire.Look(body, "errors", unique)
	if doc.Valid() {
		return doc, doc
	}
	if text, odd := wire.WithoutOddNumbers(body); odd {
		return doc, wire.Look(text, "errors", unique)
	}
	return doc, doc
}

// identified is a resource that the API gives an id when it is made. Without
// it nothing can be done with the resource.
type identified interface{ identity() string }

// failure returns the error of a call that did not end in a 2xx answer.
func failure(info CallInfo, op operation, res *transport.Result) *Error {
	if res.Err == nil && res.Status/100 == 2 {
		return nil
	}
	err := newError(info, res)
	err.cause = res.Err
	err.problem = describe(res.Err)
	if res.Status/100 != 2 {
		err.Errors = refusedWith(res.Body)
	}
	switch {
	case res.Status/100 == 3 && res.Status != http.StatusNotModified:
		err.problem = "a redirect that is not followed, so that the key stays with this host"
	case res.Status == http.StatusBadRequest &&
		bytes.HasPrefix(res.Body, []byte("Client sent an HTTP request to an HTTPS server")):
		err.problem = "the server speaks TLS where the base URL says http"
	}
	switch {
	case res.Sent == transport.No, res.Cut && res.Status >= 500 && !res.Lost:
		err.Outcome = outcomeOf(op, res, OutcomeNotSent)
	case res.Sent == transport.Yes && (res.Err == nil || res.Paused):
		err.Outcome = outcomeOf(op, res, OutcomeRejected)
	default:
		err.Outcome = outcomeOf(op, res, 0)
	}
	return err
}

// unreadable is the error of a 2xx answer that is not what the operation
// answers with. A write may have been done all the same.
func unreadable(info CallInfo, op operation, res *transport.Result, problem string) *Error {
	err := newError(info, res)
	err.problem = problem
	if isWrite(op) {
		err.Outcome = OutcomeUnknown
	}
	return err
}

// outcomeOf returns the outcome of a call that certain describes, unless it
// is a write that may have been done in this attempt or an earlier one.
func outcomeOf(op operation, res *transport.Result, certain Outcome) Outcome {
	if isWrite(op) && res.Uncertain() {
		return OutcomeUnknown
	}
	return certain
}

// isWrite reports whether a repeat of the operation could do something: a
// lookup that costs money counts as a write.
func isWrite(op operation) bool { return op.class != transport.Safe }

func newError(info CallInfo, res *transport.Result) *Error {
	err := &Error{
		Operation:  info.Operation,
		Method:     info.Method,
		Route:      info.Route,
		StatusCode: res.Status,
		Attempts:   res.Attempts,
		RetryAfter: res.Asked,
	}
	err.answer = func() *answer { return &answer{header: res.Header, body: res.Body} }
	return err
}

// requestID returns the id that the server gave the request, if it is fit to
// be printed.
func (r *road) requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if len(id) > 128 || !isHeaderText(id) {
		return ""
	}
	// A server that echoes the key, or a part of it, does not show it here.
	if key := r.header()["Apikey"][0]; id != "" && (strings.Contains(id, key) || strings.Contains(key, id)) {
		return ""
	}
	return id
}

// printedID returns a request id if it can be nothing but an id that a program made
// up: long, with digits and small letters. What a server echoes there, a name or a
// number of a person, does not get into texts and logs.
func printedID(id string) string {
	digits, small := 0, 0
	for _, c := range []byte(id) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
			small++
		case c >= 'A' && c <= 'Z', strings.IndexByte("-_.:=/", c) >= 0:
		default:
			return ""
		}
	}
	if len(id) < 16 || len(id) > 64 || digits < 4 || small == 0 {
		return ""
	}
	return id
}

// isWatched reports whether calls and attempts are observed or logged.
func (r *road) isWatched() bool { return r.observer != nil || r.logger != nil }

func (r *road) attempted(ctx context.Context, info CallInfo, a transport.Attempt) {
	made := AttemptInfo{
		CallInfo:   info,
		Attempt:    a.Number,
		StatusCode: a.Status,
		RequestID:  r.requestID(a.Header),
		Duration:   a.Duration,
		RetryAfter: a.Asked,
		Problem:    describe(a.Err),
	}
	if quota := transport.QuotaOf(a.Header); quota != nil {
		made.Quota = &Quota{Remaining: quota.Remaining, Reset: quota.Reset}
	}
	if r.observer != nil {
		r.observer.AttemptEnded(ctx, made)
	}
	if r.logger != nil {
		r.logger.LogAttrs(ctx, slog.LevelDebug, "passfort attempt",
			slog.String("operation", info.Operation),
			slog.String("method", info.Method),
			slog.String("route", info.Route),
			slog.Int("attempt", made.Attempt),
			slog.Int("status", made.StatusCode),
			slog.Duration("duration", made.Duration),
			slog.String("request_id", printedID(made.RequestID)),
			slog.String("problem", made.Problem))
	}
}

func (r *road) ended(ctx context.Context, info CallInfo, res *transport.Result, took time.Duration, err *Error) {
	if r.observer != nil {
		r.observer.CallEnded(ctx, CallResult{
			CallInfo:   info,
			Attempts:   res.Attempts,
			StatusCode: res.Status,
			RequestID:  r.requestID(res.Header),
			Duration:   took,
			Err:        err,
		})
	}
	if r.logger == nil {
		return
	}
	level, attrs := slog.LevelDebug, []slog.Attr{
		slog.String("operation", info.Operation),
		slog.String("method", info.Method),
		slog.String("route", info.Route),
		slog.Int("status", res.Status),
		slog.Int("attempts", res.Attempts),
		slog.Duration("duration", took),
	}
	if err != nil {
		level, attrs = slog.LevelWarn, []slog.Attr{slog.Any("error", err), slog.Duration("duration", took)}
	}
	r.logger.LogAttrs(ctx, level, "passfort call", attrs...)
}

// expand fills the names of a route with the given ids, escaped.
func expand(route string, args []string) (path, problem string) {
	if len(args) == 0 {
		return route, ""
	}
	var b strings.Builder
	for rest := route; ; {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return b.String(), ""
		}
		name, tail, _ := strings.Cut(after, "}")
		if problem := checkSegment(name, args[0]); problem != "" {
			return "", problem
		}
		b.WriteString(url.PathEscape(args[0]))
		rest, args = tail, args[1:]
	}
}

func queryOf(options any) (url.Values, error) {
	switch options := options.(type) {
	case nil:
		return nil, nil
	case url.Values:
		return options, nil
	default:
		return query.Values(options)
	}
}

// result is do for an operation that answers with one value.
func result[T any](ctx context.Context, r *road, name string, c call) (*T, error) {
	out := new(T)
	c.out = out
	if _, err := r.do(ctx, name, c); err != nil {
		return nil, err
	}
	return out, nil
}

// list is do for an operation that answers with a bare list.
func list[T any](ctx context.Context, r *road, name string, c call) ([]T, error) {
	out, err := result[[]T](ctx, r, name, c)
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// settle ends a write that sets something. If its outcome is unknown, it reads
// what is there and takes it for the result if it is what was to be set.
func settle[T any](out *T, err error, read func() (*T, error), isSet func(*T) bool) (*T, error) {
	if !errors.Is(err, ErrOutcomeUnknown) {
		return out, err
	}
	if now, readErr := read(); readErr == nil && isSet(now) {
		return now, nil
	}
	return nil, err
}

// refuse returns the error for bad input to an operation that is not called.
func (r *road) refuse(name string, problem string) error {
	return r.refused(name, inputError(problem))
}

// refused returns the error of an operation that is not called because of err.
func (r *road) refused(name string, err error) error {
	op := operationNamed(name)
	return failure(CallInfo{Operation: op.name, Method: op.method, Route: op.route}, op, &transport.Result{Err: err})
}

// without returns the error of an operation whose answers are there and do not have
// what is asked for.
func (r *road) without(name string, err error) error {
	op := operationNamed(name)
	failed := newError(CallInfo{Operation: op.name, Method: op.method, Route: op.route}, &transport.Result{})
	failed.cause, failed.problem = err, strings.TrimPrefix(err.Error(), "passfort: ")
	return failed
}

// missing returns the problem of an empty required argument.
func missing(what, value string) string {
	if value == "" {
		return "the " + what + " is empty"
	}
	return ""
}
