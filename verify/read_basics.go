package verify

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/passfort-go/passfort"
)

// missingID is the id of no profile.
const missingID = "00000000-0000-4000-8000-000000000000"

func basicProbes() []Probe {
	return []Probe{
		{
			Name:   "whoami",
			Asks:   "GET who am I",
			Belief: "the answer names the key and its institution; there is no user",
			Means:  "this is another API or another version: do not rely on the SDK here",
			Page:   "docs/api/basics.md#who-am-i",
			judge:  whoAmI,
		},
		{
			Name: "host", Asks: "nothing more", Belief: "the host is that of one of three regions",
			Means: "a host that is not documented: check PASSFORT_BASE_URL",
			Page:  "docs/api/basics.md#hosts-and-regions",
			judge: func(s *session) judgement {
				switch name := hostName(s.host); {
				case s.host == "", name == thisMachine:
					return notSeen("the server is on this machine, or the transport does not say")
				default:
					return either(name != "", "the host of "+name, "a host of no known region")
				}
			},
		},
		{
			Name:   "http-version",
			Asks:   "nothing more",
			Belief: "HTTP/1.1 or HTTP/2",
			Page:   "docs/api/basics.md#requests-and-answers",
			judge: func(s *session) judgement {
				if s.protocol == "" {
					return notSeen("the transport does not say")
				}
				return confirmed(s.protocol)
			},
		},
		{
			Name:   "gateway",
			Asks:   "nothing more",
			Belief: "something may stand before the API",
			Page:   "docs/api/basics.md#statuses",
			judge: func(s *session) judgement {
				if name := gatewayOf(s.get("/whoami").header); name != "" {
					return confirmed("a gateway names itself: " + name)
				}
				return notSeen("no header names one")
			},
		},
		{
			Name:   "request-id",
			Asks:   "nothing more",
			Belief: "every answer has the header X-Request-Id",
			Means:  "Error.RequestID is empty: give Passfort the time of a call instead",
			Page:   "docs/api/basics.md#requests-and-answers",
			judge: func(s *session) judgement {
				return either(s.get("/whoami").header.Get("X-Request-Id") != "", "there is one", "there is none")
			},
		},
		{
			Name:   "wrong-key",
			Asks:   "GET who am I, once, with a key that is none",
			Belief: "a wrong key is refused with 401 or 403, or code 203 or 204",
			Means:  "errors.Is(err, passfort.ErrUnauthorized) may be false for a wrong key",
			Page:   "docs/api/basics.md#keys",
			judge:  wrongKey,
		},
		{
			Name: "errors-in-200", Switch: "ErrorsInOK", Asks: "GET a profile that does not exist",
			Belief: "a refusal has a status of its own",
			Means: "the SDK finds the refusal all the same; code that calls the API without it " +
				"must not trust a 200",
			Page: "docs/api/basics.md#errors-with-status-200",
			judge: func(s *session) judgement {
				switch a := missing(s); {
				case a.refusedInOK():
					return differs("a refusal with status 200")
				case a.status/100 == 4 && !a.failed():
					return confirmed(a.said())
				default:
					return notSeen(a.said())
				}
			},
		},
		{
			Name:   "error-status",
			Asks:   "the same",
			Belief: "what does not exist is answered with 404",
			Means:  "errors.Is(err, passfort.ErrNotFound) may be false for what does not exist",
			Page:   "docs/api/basics.md#statuses",
			judge: func(s *session) judgement {
				a := missing(s)
				if a.failed() || a.refusedInOK() {
					return notSeen(a.said())
				}
				return either(a.status == http.StatusNotFound, a.said(), a.said())
			},
		},
		{
			Name:   "error-shape",
			Switch: "ErrorsAsObject",
			Asks:   "the same",
			Belief: "errors is an array of objects",
			Means:  "the SDK reads both; other code has to expect an object",
			Page:   "docs/api/basics.md#errors",
			judge: func(s *session) judgement {
				a := missing(s)
				if a.failed() {
					return notSeen(a.said())
				}
				v, there := a.object()["errors"]
				switch v.(type) {
				case object:
					return differs("one bare object")
				case []any:
					return confirmed("an array")
				}
				if there {
					return judgement{NotSeen, "errors is " + kindOf(v), ""}
				}
				return notSeen("no errors in the answer")
			},
		},
		{
			Name:   "error-codes",
			Asks:   "the same",
			Belief: "an error item has a code",
			Page:   "docs/api/basics.md#codes",
			Means:  "branch on statuses, not on codes",
			judge: func(s *session) judgement {
				a := missing(s)
				if errs, _ := a.errors(); a.failed() || len(errs) == 0 {
					return notSeen("no error items: " + a.said())
				}
				codes := a.codes()
				return either(len(codes) > 0, plural(len(codes), "code"), "items without a code")
			},
		},
		{
			Name:   "malformed-id",
			Asks:   "GET a profile with an id that is no UUID",
			Belief: "it is refused, and no failure of the server",
			Means:  "the SDK repeats it as a failure of the server: check ids before",
			Page:   "docs/api/basics.md#statuses",
			judge: func(s *session) judgement {
				a := s.get("/profiles/not-an-id")
				if a.failed() && a.status != http.StatusInternalServerError {
					return notSeen(a.said())
				}
				return either(a.status/100 == 4 || a.refusedInOK(), a.said(), a.said())
			},
		},
		{
			Name: "unknown-path", Asks: "GET a path that does not exist", Belief: "it is refused",
			Means: "a misspelt path looks like a success", Page: "docs/api/basics.md#statuses",
			judge: func(s *session) judgement {
				a := s.get("/verify-no-such-path")
				if a.failed() {
					return notSeen(a.said())
				}
				return either(!a.ok(), a.said(), a.said())
			},
		},
	}
}

func missing(s *session) *answer { return s.get("/profiles/" + missingID) }

// whoAmI also finds out whether what answers is a Passfort at all.
func whoAmI(s *session) judgement {
	a := s.get("/whoami")
	server := ""
	o := a.object()
	_, named := o["auditee_name"]
	_, belongs := o["institution"]
	switch {
	case a.status == 0:
		server = "nothing that answers: " + a.problem
	case a.long:
		server = "a server that answers " + statusText(a.status) + " with more than 4 MiB: no Passfort API"
	case refusesKey(a):
		server = "a server that refuses the key: another region's, a wrong one, or one that this address may not use"
	case a.status == http.StatusTooManyRequests:
		server = "a server that answers 429: run this again later"
	case isHTML(a):
		server = "a server that answers HTML with " + statusText(a.status) + ": no Passfort API, or a gateway before it"
	case a.status == http.StatusNotFound:
		server = "a server that does not know this path: no Passfort API, or the base URL lacks /4.0 at its end"
	case a.status/100 != 2:
		server = "a server that answers " + a.said()
	case a.json() == nil:
		server = "a server that answers no JSON with " + statusText(a.status) + ": no Passfort API"
	case !named && !belongs:
		server = "a server that answers other JSON: another API"
	}
	if server != "" {
		s.report.Server, s.foreign = server, "the server was not asked on"
		if a.failed() || refusesKey(a) {
			return notSeen(server)
		}
		return differs("this is " + server)
	}
	s.report.Server = "a Passfort API"
	switch name := hostName(s.host); name {
	case "":
	case thisMachine:
		s.report.Server += " on " + name
	default:
		s.report.Server += " in " + name
	}
	if !named || !belongs {
		return differs("the answer lacks the name of the key or the institution")
	}
	if o["user"] != nil {
		return differs("there is a user")
	}
	return confirmed("so it is")
}

func wrongKey(s *session) judgement {
	other, err := s.client.WithKey("verify-no-such-key")
	if err != nil {
		return notSeen("no other key could be used")
	}
	a := s.send(other, passfort.Request{Method: http.MethodGet, Path: "/whoami"}, answerLimit)
	if a.failed() {
		return notSeen(a.said())
	}
	return either(refusesKey(a), a.said(), a.said())
}

func isHTML(a *answer) bool {
	return a.json() == nil && strings.Contains(a.header.Get("Content-Type"), "html") ||
		bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
}

// refusesKey reports whether an answer refuses the key, by its status or a code.
func refusesKey(a *answer) bool {
	codes := a.codes()
	return a.status == http.StatusUnauthorized || a.status == http.StatusForbidden ||
		slices.Contains(codes, "203") || slices.Contains(codes, "204")
}
