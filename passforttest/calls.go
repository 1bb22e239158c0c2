package passforttest

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of the log of calls that the pages show.
const (
	callsKept = 400
	callPath  = 300     // bytes of a path
	callBody  = 8 << 10 // bytes of a body, and of an answer
)

// callLog has the newest calls for the pages. It stays empty until there are
// pages.
type callLog struct {
	mu    sync.Mutex
	on    bool
	calls []shownCall // a ring
	next  int
	seq   int
}

// shownCall is one call as the pages show it.
type shownCall struct {
	Seq                        int
	Time                       time.Time
	Method, Path, Operation    string
	ProfileID                  string
	Status                     int // 0 if the connection was dropped
	Codes                      []int
	Took                       time.Duration
	Sent, Answer               string
	SentIsCut, AnswerIsCut     bool
	SentBytes, AnswerBytes     int
	Fault, Unauthorized, Hides bool
}

func (l *callLog) turnOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = true
}

func (l *callLog) isOn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

// noteCall puts a call that has ended into the log. Of a caller without a key
// nothing but the line is kept, and answers that hold a key are not.
func (s *Server) noteCall(c *call, began time.Time) {
	s.recorder.mu.Lock()
	status := c.record.Status
	s.recorder.mu.Unlock()
	n := shownCall{
		Time: c.record.Time, Method: knownMethod(c.req.Method), Operation: c.route.operation(), Status: status,
		Codes: c.codes,
		Took:  time.Since(began), Fault: c.record.Faulty, Unauthorized: c.key == nil,
	}
	if path := c.req.URL.EscapedPath(); c.route != nil || c.key != nil {
		n.Path = strings.Clone(path[:min(len(path), callPath)])
	} else {
		n.Path = "(a path that is none)"
	}
	if c.key != nil {
		n.ProfileID = strings.ToLower(c.params["profile_id"])
		n.SentBytes, n.AnswerBytes = len(c.body), len(c.answer)
		n.Sent, n.SentIsCut = cut(c.body)
		n.Answer, n.AnswerIsCut = cut(c.answer)
		switch n.Operation {
		case "Forms.CreateCustomerRequest", "Collect.CreateKey", "Collect.CreateProfileKey":
			n.Answer, n.Hides = "", true
		case "Profiles.Create":
			var made struct{ ID string }
			if status/100 == 2 && json.Unmarshal(c.answer, &made) == nil {
				n.ProfileID = made.ID
			}
		}
	}
	s.calls.add(n)
}

func cut(body []byte) (text string, isCut bool) {
	if len(body) > callBody {
		return strings.ToValidUTF8(string(body[:callBody]), ""), true
	}
	return indented(body), false
}

func (l *callLog) add(n shownCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	n.Seq = l.seq
	if len(l.calls) < callsKept {
		l.calls = append(l.calls, n)
		return
	}
	l.calls[l.next] = n
	l.next = (l.next + 1) % callsKept
}

// newest returns the calls that wanted wants, the newest first.
func (l *callLog) newest(wanted func(*shownCall) bool) []shownCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []shownCall
	for i := range l.calls {
		if c := &l.calls[(l.next+i)%len(l.calls)]; wanted(c) {
			out = append(out, *c)
		}
	}
	slices.Reverse(out)
	return out
}

// notes are what a page says once after a form was sent. They stay here, and only
// their id travels in the address, so that no link can make a page say anything.
type notes struct {
	mu    sync.Mutex
	notes map[string]pageNote
	order []string
}

// pageNote is one of them, for one page.
type pageNote struct {
	Page        string
	Done, Error string
	Edit        string // what was typed and is not stored
}

// The bounds of notes.
const (
	notesKept = 32
	editKept  = 1 << 20
)

func (n *notes) put(id string, say pageNote) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes == nil {
		n.notes = map[string]pageNote{}
	}
	if len(say.Edit) > editKept {
		say.Edit = ""
	}
	n.notes[id] = say
	n.order = append(n.order, id)
	if len(n.order) > notesKept {
		delete(n.notes, n.order[0])
		n.order = n.order[1:]
	}
}

// of returns the note with an id, if it is for that page.
func (n *notes) of(id, page string) pageNote {
	n.mu.Lock()
	defer n.mu.Unlock()
	if say := n.notes[id]; say.Page == page {
		return say
	}
	return pageNote{}
}
