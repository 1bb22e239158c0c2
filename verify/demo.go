package verify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

// madeProfile is what a run of TierDemo made.
type madeProfile struct {
	id          string
	created     *answer
	application string
	task        string
	images      []string
	file        string
	rejected    string // the status after the rejection
	deleted     bool
}

// pixel is an image of one pixel, as Base64.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

// left is what remains of a profile that could not be deleted.
const left = "the profile of this run, a person called Verify Probe: delete it in the portal"

const perhapsLeft = "perhaps a profile: its creation was not answered. Look for a person called Verify Probe"

// createProbes come first in a demo run: the others look at what they make.
func createProbes() []Probe {
	return []Probe{{
		Name: "created-status", Tier: TierDemo, Switch: "CreatedStatus",
		Asks:   "POST a profile of a made-up person, an application, four small images and a file",
		Belief: "a creation is answered with 200",
		Means:  "code that compares with 200 fails; the SDK takes any 2xx",
		Page:   "docs/api/basics.md#statuses",
		judge: func(s *session) judgement {
			if j := whoAmI(s); s.foreign != "" {
				return notSeen(j.seen)
			}
			m := s.demo()
			if m == nil {
				return notSeen("no profile could be made")
			}
			return either(m.created.status == http.StatusOK, m.created.said(), m.created.said())
		},
	}}
}

// demo makes the profile of a demo run, once.
func (s *session) demo() *madeProfile {
	if s.opts.Tier != TierDemo || s.made != nil || s.failed {
		return s.made
	}
	alias := "verify"
	for _, p := range objects(s.get("/profiles").object()["results"]) {
		for _, o := range objects(p["applications"]) {
			if seen := text(inner(o, "product"), "alias"); seen != "" {
				alias = seen
			}
		}
	}
	a := s.post("/profiles", object{
		"role": "INDIVIDUAL_CUSTOMER", "applications": []any{},
		"collected_data": madeData("1990-01-01"),
	}, nil)
	id := text(a.object(), "id")
	if !a.ok() || id == "" {
		s.failed = true
		if a.status == 0 || a.status/100 == 5 {
			s.report.Left = append(s.report.Left, perhapsLeft)
		}
		return nil
	}
	m := &madeProfile{id: id, created: a}
	s.made = m
	if a := s.post(m.path("applications"), object{"product": object{"alias": alias}}, nil); a.ok() {
		m.application = text(a.object(), "id")
	}
	for _, t := range s.get(m.path("tasks")).list() {
		m.task = text(t, "id")
	}
	for range 4 {
		if a := s.post(m.path("document_images"), object{"data": pixel, "image_type": "FRONT"}, nil); a.ok() {
			m.images = append(m.images, text(a.object(), "id"))
		}
	}
	if a := s.post(m.path("files"), object{"data": pixel, "name": "verify.png"}, nil); a.ok() {
		m.file = text(a.object(), "id")
	}
	return m
}

// madeData is the collected data of a made-up person.
func madeData(dob string) object {
	return object{
		"entity_type": "INDIVIDUAL",
		"personal_details": object{
			"name": object{"given_names": []string{"Verify"}, "family_name": "Probe"}, "dob": dob,
		},
		"address_history": []object{{"address": object{
			"type": "STRUCTURED", "country": "GBR", "locality": "London", "postal_code": "N1 1AA",
			"route": "Example Road", "street_number": "1",
		}}},
	}
}

// path returns a path below the profile.
func (m *madeProfile) path(elements ...string) string {
	return passfort.Path(append([]string{"profiles", m.id}, elements...)...)
}

// demoProbe is a probe that needs the profile of a demo run.
func demoProbe(p Probe, judge func(*session, *madeProfile) judgement) Probe {
	p.Tier = TierDemo
	p.judge = func(s *session) judgement {
		m := s.demo()
		if m == nil {
			return notSeen("no profile could be made")
		}
		return judge(s, m)
	}
	return p
}

func demoProbes() []Probe {
	return []Probe{
		demoProbe(Probe{
			Name:   "structured-address",
			Switch: "OriginalStructuredAddress",
			Asks:   "GET the collected data, which was sent without a copy of its address",
			Belief: "the server adds no original_structured_address",
			Means:  "addresses come back with a copy of what was sent: keep it, and compare without it",
			Page:   "docs/api/people.md#addresses",
		}, func(s *session, m *madeProfile) judgement {
			for _, dated := range objects(s.get(m.path("collected_data")).object()["address_history"]) {
				address := inner(dated, "address")
				if text(address, "type") == "STRUCTURED" {
					return either(inner(address, "original_structured_address") == nil, "there is none", "there is one")
				}
			}
			return notSeen("no structured address")
		}),
		demoProbe(Probe{
			Name:   "file-by-post",
			Switch: "FileReadByPOST",
			Asks:   "POST nothing to the file",
			Belief: "a file is read by GET; POST is refused",
			Means:  "both work: nothing to do", Page: "docs/api/documents.md#files",
		}, func(s *session, m *madeProfile) judgement {
			if m.file == "" {
				return notSeen("no file could be uploaded")
			}
			a := s.post(m.path("files", m.file), object{}, nil)
			if a.failed() {
				return notSeen(a.said())
			}
			return either(!a.ok(), a.said(), a.said())
		}),
		demoProbe(Probe{
			Name:   "document-etag",
			Asks:   "POST a document with one of the images",
			Belief: "adding a document moves the ETag",
			Means:  "an ETag does not tell that a document was added",
			Page:   "docs/api/profiles.md#etags",
		}, func(s *session, m *madeProfile) judgement {
			if len(m.images) == 0 {
				return notSeen("no image could be uploaded")
			}
			before := s.fresh(m.path("collected_data")).header.Get("Etag")
			a := s.post(m.path("collected_data", "documents"), object{
				"category": "PROOF_OF_IDENTITY", "document_type": "PASSPORT", "images": []object{{"id": m.images[0]}},
			}, nil)
			after := s.fresh(m.path("collected_data")).header.Get("Etag")
			if !a.ok() || before == "" || after == "" {
				return notSeen(a.said())
			}
			return either(before != after, "it moved", "it did not move")
		}),
		demoProbe(Probe{
			Name:   "strictness",
			Switch: "Lenient",
			Asks:   "POST collected data with a date of birth that is no date",
			Belief: "a value of another form is refused",
			Means:  "what is wrong is stored: call EntityData.Validate before you send",
			Page:   "docs/api/basics.md#values",
		}, func(s *session, m *madeProfile) judgement {
			a := s.post(m.path("collected_data"), madeData("31.01.1990"), nil)
			if a.failed() {
				return notSeen(a.said())
			}
			return either(!a.ok(), a.said(), "it is accepted")
		}),
		demoProbe(Probe{
			Name:   "empty-answers",
			Switch: "EmptyBodies",
			Asks:   "POST a note to a task and DELETE it",
			Belief: "a call with nothing to say answers null",
			Means:  "code that decodes every answer fails on an empty one; the SDK does not",
			Page:   "docs/api/basics.md#requests-and-answers",
		}, emptyAnswers),
		demoProbe(Probe{
			Name:   "check-sync",
			Asks:   "POST an identity check in sync mode",
			Belief: "a sync check is complete in the answer",
			Means:  "wait for the check: Checks.RunAndWait",
			Page:   "docs/api/checks.md#modes-and-waiting",
		}, func(s *session, m *madeProfile) judgement {
			a := s.check(m, "sync")
			if !a.ok() {
				return notSeen(a.said())
			}
			if state := text(a.object(), "state"); state != "COMPLETE" {
				return notSeen("it was not complete: the provider took too long, or something is awaited")
			}
			return confirmed("it is")
		}),
		demoProbe(Probe{
			Name:   "check-async",
			Asks:   "POST an identity check in async mode",
			Belief: "an async check is PENDING or RUNNING in the answer",
			Means:  "nothing: look at Check.Done always",
			Page:   "docs/api/checks.md#modes-and-waiting",
		}, func(s *session, m *madeProfile) judgement {
			a := s.check(m, "async")
			if !a.ok() {
				return notSeen(a.said())
			}
			if text(a.object(), "state") == "COMPLETE" {
				return notSeen("it was complete already")
			}
			return either(passfort.CheckState(text(a.object(), "state")).Known(), "so it is", "another state")
		}),
		repeatedProbe(),
		demoProbe(Probe{
			Name:   "revert",
			Switch: "RevertCreatesApplication",
			Asks:   "POST the end of the rejection",
			Belief: "reverting a decision keeps the application",
			Means:  "go on with the id of the answer: the old application is hidden",
			Page:   "docs/api/applications.md#revert-a-decision",
		}, func(s *session, m *madeProfile) judgement {
			if s.reject() == "" {
				return notSeen("no application could be rejected")
			}
			a := s.post(m.path("applications", m.application, "revert_decision"), object{"comment": "verify"}, nil)
			id := text(a.object(), "id")
			if !a.ok() || id == "" {
				return notSeen(a.said())
			}
			j := either(strings.EqualFold(id, m.application), "the same id", "another id")
			m.application, m.rejected = id, ""
			return j
		}),
		demoProbe(Probe{
			Name: "approved-review", Switch: "ApprovedStays",
			Asks:   "POST the tasks as passed, the approval, and then one of the tasks as open",
			Belief: "an approved application goes into review when a task that it requires is opened",
			Means:  "an approval stays whatever happens to its tasks: look at the tasks too",
			Page:   "docs/api/applications.md#review",
		}, approvedReview),
		demoProbe(Probe{
			Name:   "request-key",
			Switch: "RequestKeyObject",
			Asks:   "POST a customer request with the flow \"default\"",
			Belief: "the answer has the key of the request as a text",
			Means:  "the SDK reads both; other code has to look into the object",
			Page:   "docs/api/customer-requests.md#create-a-customer-request",
		}, func(s *session, m *madeProfile) judgement {
			a := s.post("/forms"+passfort.Path("profile", m.id, "customer_request"), object{
				"type": "FLOW", "flow_template": object{"alias": "default"}, "theme": object{"alias": "default"},
			}, nil)
			switch a.object()["apikey"].(type) {
			case string:
				return confirmed("a text")
			case object:
				return differs("an object")
			}
			return notSeen("no key: " + a.said())
		}),
	}
}

func (s *session) check(m *madeProfile, mode string) *answer {
	return s.send(s.client, passfort.Request{
		Method: http.MethodPost, Path: m.path("checks"), Query: map[string][]string{"mode": {mode}},
		Body: object{"check_type": "IDENTITY_CHECK"},
	}, checkLimit)
}

// reject rejects the application of a demo run, once, and returns its status then.
func (s *session) reject() string {
	m := s.made
	if m == nil || m.application == "" || m.rejected != "" {
		if m == nil {
			return ""
		}
		return m.rejected
	}
	if a := s.post(m.path("applications", m.application), object{"status": "REJECTED"}, nil); a.ok() {
		m.rejected = text(a.object(), "status")
	}
	return m.rejected
}

func emptyAnswers(s *session, m *madeProfile) judgement {
	if m.task == "" {
		return notSeen("no task to write a note to")
	}
	attachments := []object{}
	if m.file != "" {
		attachments = append(attachments, object{"id": m.file})
	}
	note := s.post(m.path("tasks", m.task, "notes"), object{"text": "verify", "attachments": attachments}, nil)
	id := text(note.object(), "id")
	if !note.ok() || id == "" {
		return notSeen(note.said())
	}
	path := m.path("tasks", m.task, "notes", id)
	a := s.send(s.client, passfort.Request{Method: http.MethodDelete, Path: path}, answerLimit)
	switch text := strings.TrimSpace(string(a.body)); {
	case !a.ok():
		return notSeen(a.said())
	case text == "":
		return differs("no body")
	case text == "null":
		return confirmed("null")
	}
	return notSeen("something else: " + kindOf(a.json()))
}

// approvedReview approves the application of a demo run and opens a task of it.
func approvedReview(s *session, m *madeProfile) judgement {
	if m.application == "" || m.rejected != "" {
		return notSeen("no application that can be approved")
	}
	status := func() string { return text(s.fresh(m.path("applications", m.application)).object(), "status") }
	var required string
	for _, t := range s.fresh(m.path("tasks")).list() {
		if expired, _ := t["is_expired"].(bool); expired {
			continue
		}
		if required = text(t, "id"); text(t, "state") == "COMPLETED_PASS" {
			continue
		}
		if a := s.post(m.path("tasks", required), object{"state": "COMPLETED_PASS"}, nil); !a.ok() {
			return notSeen("a task could not be passed: " + a.said())
		}
	}
	if required == "" {
		return notSeen("no task to open")
	}
	if status() == "APPLIED" { // and not approved by the product itself
		s.post(m.path("applications", m.application), object{"status": "APPROVED"}, nil)
	}
	if now := status(); now != "APPROVED" {
		return notSeen("the application could not be approved")
	}
	if a := s.post(m.path("tasks", required), object{"state": "INCOMPLETE"}, nil); !a.ok() {
		return notSeen("the task could not be opened: " + a.said())
	}
	switch status() {
	case "IN_REVIEW":
		return confirmed("it does")
	case "APPROVED":
		return differs("it stays APPROVED")
	}
	return notSeen("it has another status then")
}

// lastProbes end a demo run.
func lastProbes() []Probe {
	return []Probe{
		demoProbe(Probe{
			Name:   "delete",
			Asks:   "POST the deletion of the profile, and GET it",
			Belief: "a deleted profile is gone at once",
			Means:  "Profiles.Delete takes effect later",
			Page:   "docs/api/profiles.md#delete-a-profile",
		}, func(s *session, m *madeProfile) judgement {
			a := s.post(m.path("delete"), object{"confirm_id": m.id}, nil)
			if !a.ok() {
				return notSeen(a.said())
			}
			m.deleted = true
			after := s.fresh(m.path())
			if after.failed() {
				return notSeen("it was deleted; reading it: " + after.said())
			}
			return either(!after.ok(), "it is gone", "it can still be read")
		}),
	}
}

// cleanUpTime bounds the deletion that follows a run that was stopped.
const cleanUpTime = 10 * time.Second

// clean deletes what an unfinished demo run made, also after ctx has ended, and
// notes what is left.
func (s *session) clean(ctx context.Context) {
	m := s.made
	if m == nil || m.deleted {
		return
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	s.requests++
	_, err := passfort.Do[any](within, s.client, passfort.Request{
		Method: http.MethodPost, Path: m.path("delete"), Body: object{"confirm_id": m.id}, Route: "(verify)",
	}, passfort.MaxAttempts(1))
	if m.deleted = err == nil || errors.Is(err, passfort.ErrNotFound); !m.deleted {
		s.report.Left = append(s.report.Left, left)
	}
}
