package passforttest

import (
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/passfort-go/passfort/internal/uploadscan"
)

// call is what a rule sees of a request.
type call struct {
	reads     bool // the profile that the path names is only read
	params    map[string]string
	query     url.Values
	ifMatch   []string
	body      []byte
	decoded   any                // the body, if it was judged
	upload    *uploadscan.Upload // the body, of an operation with an image
	key       *keyInfo
	overtaken bool // another writer was there just before
}

func byKey(c *call) actor { return actor{key: c.key.Name} }

// object returns the body, a JSON object.
func (c *call) object() (object, error) {
	if o, is := c.decoded.(object); is {
		return o, nil
	}
	o, err := decodeObject(c.body)
	if err != nil {
		return nil, invalid("the body is not a JSON object")
	}
	return o, nil
}

// reply is what a rule answers.
type reply struct {
	kind   kind
	etag   string
	media  string // type of the body; JSON if empty
	body   []byte
	size   int // of what stream writes
	stream func(io.Writer) error

	// A rule that holds its answer says until when, and what to answer then. The
	// lock is not held meanwhile.
	until time.Time
	then  func(*world) *reply
}

func ok(v any) *reply { return &reply{body: encode(v)} }

// nothing answers a call that has no result.
func (w *world) nothing() *reply {
	if w.switches().EmptyBodies {
		return &reply{}
	}
	return ok(nil)
}

// handler is the rule that answers an operation.
type handler func(*world, *call) (*reply, error)

// withObject hands in the body, a JSON object.
func withObject(do func(*world, *call, object) (*reply, error)) handler {
	return func(w *world, c *call) (*reply, error) {
		body, err := c.object()
		if err != nil {
			return nil, err
		}
		return do(w, c, body)
	}
}

// withProfile hands in the profile that the path names.
func withProfile(do func(*world, *call, *profile) (*reply, error)) handler {
	return func(w *world, c *call) (*reply, error) {
		p, err := w.profileOf(c)
		if err != nil {
			return nil, err
		}
		return do(w, c, p)
	}
}

// withBoth hands in the profile and the body.
func withBoth(do func(*world, *call, *profile, object) (*reply, error)) handler {
	return withProfile(func(w *world, c *call, p *profile) (*reply, error) {
		body, err := c.object()
		if err != nil {
			return nil, err
		}
		return do(w, c, p, body)
	})
}

// below hands in the profile and something of it that the path names too, such as a
// task: find returns it by its id.
func below[T any](
	what string, find func(*profile, string) *T, do func(*world, *call, *profile, *T) (*reply, error),
) handler {
	return withProfile(func(w *world, c *call, p *profile) (*reply, error) {
		it := find(p, strings.ToLower(c.params[what+"_id"]))
		if it == nil {
			return nil, notFound(strings.ReplaceAll(what, "_", " "))
		}
		return do(w, c, p, it)
	})
}

// belowWithObject is below with the body.
func belowWithObject[T any](
	what string, find func(*profile, string) *T, do func(*world, *call, *profile, *T, object) (*reply, error),
) handler {
	return below(what, find, func(w *world, c *call, p *profile, it *T) (*reply, error) {
		body, err := c.object()
		if err != nil {
			return nil, err
		}
		return do(w, c, p, it, body)
	})
}

// The codes Passfort puts into an error object. They are independent of HTTP statuses
// (docs/api/basics.md#errors).
const (
	CodeMissingRequiredFields   = 101
	CodeEntityAlreadyApproved   = 102
	CodeEntityAlreadyRejected   = 103
	CodeChargeableLimitReached  = 104
	CodeConstraintsNotSatisfied = 105
	CodeInvalidInputData        = 201
	CodeDataPresent             = 202
	CodeMissingAPIKey           = 203
	CodeInvalidAPIKey           = 204
	CodeProviderConnectionError = 302
	CodeUnknownInternalError    = 401
	CodeTransitionError         = 402
)

// ErrorObject is one entry of an error envelope, or of a check's errors.
type ErrorObject struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Source  string `json:"source,omitempty"` // API, ENGINE or PROVIDER
	// Info is anything more. A refusal of a body has {"pointer": ...}, a JSON
	// pointer to what is wrong.
	Info any `json:"info,omitempty"`
}

// kind is how a call ended. HTTP makes a status of it.
type kind int

const (
	carriedOut kind = iota
	wrong
	unauthorized
	forbidden
	absent
	notAllowed // the method
	late
	conflicting
	stale // the ETag
	tooLarge
	misdirected
	tooMany
	broken
)

// refusal is the answer to a call that fails.
type refusal struct {
	kind  kind
	err   ErrorObject
	more  []ErrorObject
	allow string // methods, if the method is not allowed
}

func (r *refusal) Error() string { return r.err.Message }

func refuse(k kind, code int, message string) *refusal {
	return &refusal{kind: k, err: ErrorObject{Code: code, Message: message, Source: "API"}}
}

func invalid(message string) *refusal {
	return refuse(wrong, CodeInvalidInputData, message)
}

func missing(field string) *refusal {
	return refuse(wrong, CodeMissingRequiredFields, "missing required field: "+field)
}

func notFound(what string) *refusal {
	return refuse(absent, CodeInvalidInputData, what+" not found")
}

// envelope is the body of a refused call: an array of error objects, or the
// single object older clients saw.
func envelope(sw Switches, errs ...ErrorObject) []byte {
	if sw.ErrorsAsObject && len(errs) == 1 {
		return encode(object{"errors": errs[0]})
	}
	return encode(object{"errors": errs})
}
