// Package passforttest: this file is compiled into it by TestSuiteFitsTheDescription,
// in front of the functions that it calls, to write down what the simulator answers
// and sends while the tests of the SDK run.
package passforttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// sighting is a line of the file: an answer, or the body of a webhook.
type sighting struct {
	Operation string // "" for a path that the API does not have
	Method    string
	Status    int
	Header    http.Header
	Answer    []byte
	Fault     *Fault // that hit the call
	Lenient   bool   // the server takes anything, and gives it back
	Webhook   []byte
}

// longestAnswer bounds what is looked at. Longer ones are files, of the same form as
// short ones.
const longestAnswer = 4 << 20

// seen has one file, and the forms that are in it.
var seen struct {
	sync.Mutex
	forms map[[sha256.Size]byte]bool
	file  *os.File
}

// note writes a sighting down, unless one of its form is there.
func (x *sighting) note() {
	form := sha256.New()
	for _, part := range []string{
		x.Operation, x.Method, strconv.Itoa(x.Status), x.Header.Get("Content-Type"), x.fault(), formOf(x.Answer),
		formOf(x.Webhook), event.FindString(string(x.Webhook)), strconv.FormatBool(x.Lenient),
	} {
		_, _ = io.WriteString(form, part+"\n")
	}
	key := [sha256.Size]byte(form.Sum(nil))
	seen.Lock()
	defer seen.Unlock()
	if seen.forms[key] {
		return
	}
	line, err := json.Marshal(x)
	if err == nil && seen.file == nil {
		seen.forms = map[[sha256.Size]byte]bool{}
		seen.file, err = os.CreateTemp(os.Getenv("PASSFORT_EXCHANGES"), "*.jsonl")
	}
	if err == nil {
		_, err = seen.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic("a sighting cannot be written down: " + err.Error())
	}
	seen.forms[key] = true
}

var event = regexp.MustCompile(`"event":"[A-Za-z_]*"`)

func (x *sighting) fault() string {
	if x.Fault == nil {
		return ""
	}
	return strconv.Itoa(x.Fault.Status) + strconv.FormatBool(x.Fault.Body != nil) + strconv.FormatBool(x.Fault.Gzip)
}

// formOf is what a JSON text is without its values: names, types and, of lists, the
// forms that their elements have.
func formOf(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	var v any
	if json.Unmarshal(body, &v) != nil {
		return "no JSON"
	}
	return formOfValue(v)
}

var anID = regexp.MustCompile(`[0-9A-Fa-f-]{16,}`)

func formOfValue(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var members []string
		for name, m := range v {
			members = append(members, anID.ReplaceAllString(name, "id")+":"+formOfValue(m))
		}
		return "{" + sorted(members) + "}"
	case []any:
		var elements []string
		for _, e := range v {
			elements = append(elements, formOfValue(e))
		}
		return "[" + sorted(elements) + "]"
	case string:
		return "s"
	case float64:
		if v == float64(int64(v)) {
			return "i"
		}
		return "n"
	case bool:
		return "b"
	}
	return "0"
}

// sorted joins what differs.
func sorted(texts []string) string {
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ",")
}

// witness is a ResponseWriter that keeps what was written.
type witness struct {
	http.ResponseWriter
	x      sighting
	body   bytes.Buffer
	length int
}

// Unwrap returns the connection's own.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends the status.
func (w *witness) WriteHeader(status int) {
	w.x.Status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the answer.
func (w *witness) Write(p []byte) (int, error) {
	if w.length += len(p); w.length <= longestAnswer {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

type witnessKey struct{}

// ServeHTTP answers one API request, and notes the answer if it ended well.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if os.Getenv("PASSFORT_EXCHANGES") == "" {
		s.seenServeHTTP(w, r)
		return
	}
	seen := &witness{ResponseWriter: w}
	s.seenServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), witnessKey{}, seen)))
	x := &seen.x
	x.Lenient = s.world.cfg.switches.Lenient || s.world.switches().Lenient
	if x.Status == 0 || seen.length > longestAnswer {
		return
	}
	x.Method, x.Answer, x.Header = knownMethod(r.Method), seen.body.Bytes(), http.Header{}
	for name, values := range w.Header() {
		if kind, _, err := mime.ParseMediaType(values[0]); err == nil && name == "Content-Type" {
			values = []string{kind}
		}
		x.Header[name] = values
	}
	x.note()
}

func (l *faults) take(operation string, r *http.Request, chance func(float64) bool) (Fault, bool) {
	f, hit := l.seenTake(operation, r, chance)
	if seen, is := r.Context().Value(witnessKey{}).(*witness); is {
		seen.x.Operation = operation
		if hit {
			seen.x.Fault = &f
		}
	}
	return f, hit
}

// posting notes the bodies of webhooks.
type posting struct{ http.RoundTripper }

// RoundTrip sends one.
func (p posting) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	(&sighting{Method: r.Method, Header: http.Header{"Content-Type": r.Header["Content-Type"]}, Webhook: raw}).note()
	return p.RoundTripper.RoundTrip(r)
}

func (d *deliveries) post(ctx context.Context, to endpoint, batch []*Webhook, shape BatchShape) int {
	if _, is := d.http.Transport.(posting); !is && os.Getenv("PASSFORT_EXCHANGES") != "" {
		client := *d.http
		if client.Transport == nil {
			client.Transport = http.DefaultTransport
		}
		client.Transport = posting{client.Transport}
		d.http = &client
	}
	return d.seenPost(ctx, to, batch, shape)
}
