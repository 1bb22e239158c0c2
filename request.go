package passfort

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"

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
// empty answer gives a zero T.
func Do[T any](ctx context.Context, c *Client, r Request, opts ...CallOption) (*T, error) {
	op := operation{name: "Do", method: strings.ToUpper(r.Method), route: r.Route, class: transport.Once, bare: true}
	if op.route == "" {
		op.route = "(custom path)"
	}
	if op.method == http.MethodGet || op.method == http.MethodHead {
		op.class = transport.Safe
	}
	cl := call{query: r.Query, header: r.Header, opts: opts}
	if cl.problem = checkRequest(r); cl.problem == noMethod {
		op.method = "?" // it would be printed
	}
	if r.Body != nil && cl.problem == "" {
		body, err := json.Marshal(r.Body)
		if err != nil {
			cl.problem = "the body has no JSON form"
		}
		cl.body = json.RawMessage(body)
	}
	out := new(T)
	room := 2 * c.road.settings.maxAnswer
	cl.accept = func(body []byte) error {
		if json.Valid(body) && int64(len(body))+wire.Cost(body, reflect.TypeFor[T]()) > room {
			return wire.ErrSize
		}
		if json.Unmarshal(body, out) != nil {
			return wire.ErrShape
		}
		return nil
	}
	if _, err := c.road.sendTo(ctx, op, "/"+strings.TrimPrefix(r.Path, "/"), cl); err != nil {
		return nil, err
	}
	return out, nil
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
		if plain, err := url.PathUnescape(element); err != nil || plain == "." || plain == ".." {
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
