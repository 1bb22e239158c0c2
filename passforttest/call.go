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
	if w.sw.EmptyBodies {
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
