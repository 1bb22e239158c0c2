// Package wiredump writes what goes over the wire for a support case: methods,
// routes, statuses, headers and the shape of JSON bodies. Keys, ids and values
// are left out.
package wiredump

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxBody is how much of a body is kept to print its shape.
const maxBody = 256 << 10

// Dump writes the shape of exchanges to an io.Writer, one at a time.
type Dump struct {
	words map[string]bool // the path elements that are no ids

	mu sync.Mutex
	w  io.Writer
}

// New returns a Dump that writes to w. Of a path it prints the elements of the
// given routes, and {} for every other one.
func New(w io.Writer, routes []string) *Dump {
	d := &Dump{w: w, words: map[string]bool{"": true, "4.0": true}}
	for _, route := range routes {
		for word := range strings.SplitSeq(route, "/") {
			if !strings.HasPrefix(word, "{") {
				d.words[word] = true
			}
		}
	}
	return d
}

// Over returns a transport that sends through base and dumps.
func (d *Dump) Over(base http.RoundTripper) http.RoundTripper { return &dumper{d, base} }

type dumper struct {
	*Dump
	base http.RoundTripper
}

// RoundTrip sends the request. The dump is written when the answer's body is
// closed.
func (t *dumper) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	sent := &kept{}
	if req.Body != nil && req.Body != http.NoBody {
		body := req.Body
		req = req.Clone(req.Context())
		req.Body = &tee{ReadCloser: body, kept: sent}
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil || resp == nil {
		t.write(req, sent, func(b *bytes.Buffer) {
			fmt.Fprintf(b, "<-- no answer after %v\n", time.Since(began).Round(time.Millisecond))
		})
		return nil, err
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	received := &kept{}
	resp.Body = &tee{ReadCloser: resp.Body, kept: received, done: func() {
		t.write(req, sent, func(b *bytes.Buffer) {
			fmt.Fprintf(b, "<-- %d %s after %v\n", resp.StatusCode, resp.Proto,
				time.Since(began).Round(time.Millisecond))
			headers(b, resp.Header)
			received.print(b)
		})
	}}
	return resp, nil
}

func (d *Dump) write(req *http.Request, sent *kept, answer func(*bytes.Buffer)) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "--> %s %s\n", req.Method, d.path(req.URL))
	headers(&b, req.Header)
	sent.print(&b)
	answer(&b)
	b.WriteByte('\n')
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = d.w.Write(b.Bytes())
}

// path returns the path with {} for what may be an id, and the names of the
// query.
func (d *Dump) path(u *url.URL) string {
	elements := strings.Split(u.Path, "/")
	for i, element := range elements {
		if !d.words[element] {
			elements[i] = "{}"
		}
	}
	path := strings.Join(elements, "/")
	var names []string
	for name := range u.Query() {
		names = append(names, plainName(name)+"=")
	}
	if len(names) > 0 {
		slices.Sort(names)
		path += "?" + strings.Join(names, "&")
	}
	return path
}

// shown are the headers whose values say how something was sent, not what.
var shown = []string{
	"Accept", "Accept-Encoding", "Age", "Allow", "Cache-Control", "Connection", "Content-Encoding", "Content-Length",
	"Content-Type", "Retry-After", "Server", "Transfer-Encoding", "Vary", "Via", "X-Ratelimit-Limit",
	"X-Ratelimit-Remaining", "X-Ratelimit-Reset-Secs", "X-Ratelimit-Retry-Secs",
}

// maxHeaders is how many headers of a message are printed.
const maxHeaders = 64

func headers(b *bytes.Buffer, h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i == maxHeaders {
			fmt.Fprintf(b, "... %d more\n", len(names)-i)
			return
		}
		value := "[redacted]"
		if text := strings.Join(h[name], ", "); slices.Contains(shown, name) && len(text) <= 128 {
			value = printable(text)
		}
		fmt.Fprintf(b, "%s: %s\n", plainName(name), value)
	}
}

// kept is the beginning of a body.
type kept struct {
	mu    sync.Mutex
	text  []byte
	total int64
}

func (k *kept) add(p []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.total += int64(len(p))
	k.text = append(k.text, p[:min(len(p), maxBody-len(k.text))]...)
}

func (k *kept) print(b *bytes.Buffer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.total == 0:
	case k.total > int64(len(k.text)):
		fmt.Fprintf(b, "(%d bytes, too many to print their shape)\n", k.total)
	default:
		shape, ok := shapeOf(k.text)
		if !ok {
			fmt.Fprintf(b, "(%d bytes that are no JSON)\n", k.total)
			return
		}
		b.Write(shape)
		b.WriteByte('\n')
	}
}

// tee keeps what is read, and calls done at the first Close.
type tee struct {
	io.ReadCloser
	kept *kept
	done func()
	once sync.Once
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.kept.add(p[:n])
	return n, err
}

func (t *tee) Close() error {
	err := t.ReadCloser.Close()
	if t.done != nil {
		t.once.Do(t.done)
	}
	return err
}
