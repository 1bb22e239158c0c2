package verify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

// What bounds a run beside its plan.
const (
	defaultPace = 500 * time.Millisecond
	answerLimit = 10 * time.Second  // of one request
	checkLimit  = 130 * time.Second // of a check in sync mode
	maxAnswer   = 4 << 20           // bytes of an answer that are read
	maxSilent   = 3                 // requests without an answer, one after the other
)

// session is a run under way.
type session struct {
	ctx    context.Context //nolint:containedctx // a session is one run
	client *passfort.Client
	opts   Options
	plan   Plan
	report *Report

	pace     time.Duration
	next     time.Time // when the next request may start
	requests int
	silent   int    // requests without an answer, the last ones
	foreign  string // why what answers is not asked on
	host     string // of the last request
	protocol string // HTTP/1.1 or HTTP/2
	limited  *answer
	kept     map[string]*answer
	made     *madeProfile
	failed   bool      // the profile of the demo tier could not be made
	chosen   *[]string // the profiles that are looked at
	reports  bool      // the audit report was asked for
	outdated *rewritten
	echoed   *rewritten
}

func newSession(ctx context.Context, client *passfort.Client, opts Options, plan Plan) *session {
	s := &session{ctx: ctx, client: client, opts: opts, plan: plan, pace: opts.Pace, kept: map[string]*answer{}}
	if s.pace == 0 {
		s.pace = defaultPace
	}
	s.report = &Report{
		SDK: passfort.Version, Tier: opts.Tier, Date: time.Now().UTC().Format(time.DateOnly),
		Server: "nothing answered yet",
	}
	return s
}

// ended says why nothing more is asked, or "".
func (s *session) ended() string {
	switch {
	case s.foreign != "":
		return s.foreign
	case s.silent >= maxSilent:
		return "the server stopped answering"
	case errors.Is(s.ctx.Err(), context.Canceled):
		return "the run was stopped"
	case s.ctx.Err() != nil:
		return "the time of the run was used up"
	case s.requests >= s.plan.MaxRequests:
		return "the requests of the run were used up"
	}
	return ""
}

// get makes a GET request, or returns what it answered before in this run.
func (s *session) get(path string, query ...string) *answer {
	key := path + "?" + strings.Join(query, "&")
	if a := s.kept[key]; a != nil {
		return a
	}
	a := s.fresh(path, query...)
	s.kept[key] = a
	return a
}

// fresh makes a GET request. The query has names and values in turn.
func (s *session) fresh(path string, query ...string) *answer {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return s.send(s.client, passfort.Request{Method: http.MethodGet, Path: path, Query: values}, answerLimit)
}

// readToWrite reads what is written back next. That write follows at once, so that
// another writer has no more than this moment to come between; its pause comes before.
func (s *session) readToWrite(path string) *answer {
	s.next = s.next.Add(s.pace)
	a := s.fresh(path)
	s.next = time.Time{}
	return a
}

// post sends a body, once. Only the tiers that may write call it.
func (s *session) post(path string, body any, header http.Header) *answer {
	r := passfort.Request{Method: http.MethodPost, Path: path, Body: body, Header: header}
	return s.send(s.client, r, answerLimit)
}

// send makes one request at the pace of the run.
func (s *session) send(client *passfort.Client, r passfort.Request, limit time.Duration) *answer {
	if s.opts.Tier == TierRead && r.Method != http.MethodGet {
		return &answer{problem: "the read tier makes GET requests only"}
	}
	if why := s.ended(); why != "" {
		return &answer{problem: why}
	}
	if !s.wait() {
		return &answer{problem: s.ended()}
	}
	r.Route = "(verify)"
	ctx := httptrace.WithClientTrace(s.ctx, &httptrace.ClientTrace{
		GetConn: func(hostPort string) { s.host = hostPort },
		GotConn: func(info httptrace.GotConnInfo) { s.protocol = protocolOf(info.Conn) },
	})
	var got passfort.Response
	body := &kept{}
	_, err := passfort.DoTo(ctx, client, r, body,
		passfort.CaptureResponse(&got), passfort.MaxAttempts(1), passfort.AttemptTimeout(limit))
	s.requests += max(1, got.Attempts)
	a := &answer{status: got.StatusCode, header: got.Header, body: body.b, long: body.long}
	var failed *passfort.Error
	var timeout net.Error
	switch {
	case err == nil, body.long:
	case errors.As(err, &timeout) && timeout.Timeout():
		a.status, a.problem = 0, "no answer within "+limit.String()
	case errors.As(err, &failed) && failed.StatusCode != 0 && failed.Unwrap() == nil:
		a.status, a.body = failed.StatusCode, failed.Body()
	case got.StatusCode != 0:
		a.status, a.problem = 0, "an answer that broke off"
	default:
		a.problem = "no answer"
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	s.silent++
	if a.status != 0 {
		s.silent = 0
	}
	if a.status == http.StatusTooManyRequests {
		s.limited = a
	}
	return a
}

// wait returns at the time of the next request, or false if the run ends before.
func (s *session) wait() bool {
	if pause := time.Until(s.next); pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return false
		}
	}
	s.next = time.Now().Add(s.pace)
	return s.ctx.Err() == nil
}

func protocolOf(conn net.Conn) string {
	c, secure := conn.(interface{ ConnectionState() tls.ConnectionState })
	if secure && c.ConnectionState().NegotiatedProtocol == "h2" {
		return "HTTP/2"
	}
	return "HTTP/1.1"
}

var errLong = errors.New("the answer is longer than a run reads")

// kept is the beginning of a body.
type kept struct {
	b    []byte
	long bool
}

// Write keeps p, and ends the call when the body is too long.
func (k *kept) Write(p []byte) (int, error) {
	if len(k.b)+len(p) > maxAnswer {
		k.long = true
		return 0, errLong
	}
	k.b = append(k.b, p...)
	return len(p), nil
}

// answer is what came back.
type answer struct {
	status  int // 0: nothing
	header  http.Header
	body    []byte
	long    bool   // the body is only a part
	problem string // why there is no answer

	parsed bool
	value  any
}

// json returns the body as decoded JSON, numbers as json.Number, or nil.
func (a *answer) json() any {
	if !a.parsed {
		a.parsed = true
		d := json.NewDecoder(strings.NewReader(string(a.body)))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				a.value = v
			}
		}
	}
	return a.value
}

func (a *answer) object() object { o, _ := a.json().(object); return o }

// list returns the objects of a body that is an array.
func (a *answer) list() []object {
	if !a.ok() {
		return nil
	}
	return objects(a.json())
}

// ok reports whether the answer is a success without an error in it.
func (a *answer) ok() bool { return a.status/100 == 2 && !a.refusedInOK() }

// failed reports whether the answer says nothing of the request: there is none, the
// server failed, or a limit was reached.
func (a *answer) failed() bool {
	return a.status == 0 || a.status/100 == 5 || a.status == http.StatusTooManyRequests
}

// refusedInOK reports whether the answer is a refusal with a status of success.
func (a *answer) refusedInOK() bool {
	errs, there := a.errors()
	return a.status/100 == 2 && there && len(errs) > 0
}

// errors returns the error items of the body, and whether it has the member that
// holds them.
func (a *answer) errors() ([]object, bool) {
	o := a.object()
	v, there := o["errors"]
	if _, companies := o["companies"]; companies || o["check_type"] != nil {
		return nil, false // where errors are a result
	}
	if one, is := v.(object); is {
		return []object{one}, true
	}
	return objects(v), there
}

// codes returns the codes of the error items.
func (a *answer) codes() []string {
	var out []string
	errs, _ := a.errors()
	for _, e := range errs {
		if n, is := e["code"].(json.Number); is {
			out = append(out, n.String())
		}
	}
	return out
}

// said describes the answer in a few fixed words.
func (a *answer) said() string {
	switch {
	case a.status == 0:
		return a.problem
	case a.refusedInOK():
		return "a refusal with " + statusText(a.status)
	}
	return statusText(a.status)
}
