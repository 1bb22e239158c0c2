package verify

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/passfort-go/passfort"
)

// carefulProbes write what leaves the data as it is.
func carefulProbes() []Probe {
	return []Probe{
		{
			Name:   "stale-status",
			Tier:   TierCareful,
			Asks:   "POST the collected data that is there with an ETag that is out of date",
			Belief: "a write with a stale If-Match is refused with 412",
			Page:   "docs/api/profiles.md#etags",
			Means:  "two writers can overwrite each other: take turns yourself",
			judge: func(s *session) judgement {
				a := s.stale()
				if a.status == 0 {
					return notSeen(a.said())
				}
				return either(a.status == http.StatusPreconditionFailed, a.said(), a.said())
			},
		},
		{
			Name:   "stale-data",
			Tier:   TierCareful,
			Switch: "PreconditionEnvelope",
			Asks:   "the same",
			Belief: "a 412 holds the data that is stored",
			Means:  "the SDK reads the data again after a lost race: one call more",
			Page:   "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				a := s.stale()
				if a.status != http.StatusPreconditionFailed {
					return notSeen(a.said())
				}
				return either(text(a.object(), "entity_type") != "", "the data", "no data")
			},
		},
		{
			Name:   "stale-etag",
			Tier:   TierCareful,
			Switch: "PreconditionWithoutETag",
			Asks:   "the same",
			Belief: "a 412 has the ETag of what is stored",
			Means:  "the SDK reads the data again after a lost race: one call more",
			Page:   "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				a := s.stale()
				if a.status != http.StatusPreconditionFailed {
					return notSeen(a.said())
				}
				return either(a.header.Get("Etag") != "", "it has one", "it has none")
			},
		},
		{
			Name:   "echo-version",
			Tier:   TierCareful,
			Asks:   "POST the same collected data back with its ETag",
			Belief: "the ETag moves with every write",
			Means:  "an ETag tells nothing of a write that changed nothing",
			Page:   "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				e := s.echo()
				if e.problem != "" {
					return notSeen(e.problem)
				}
				return either(e.moved, "it moved", "it did not move")
			},
		},
		{
			Name:   "echo-data",
			Tier:   TierCareful,
			Asks:   "GET the collected data after it",
			Belief: "data that is sent back is stored as it is",
			Means:  "the server rewrites what it stored before: compare by meaning",
			Page:   "docs/api/profiles.md#full-replacement",
			judge: func(s *session) judgement {
				e := s.echo()
				if e.problem != "" {
					return notSeen(e.problem)
				}
				return either(e.same, "the same", "something was added or changed")
			},
		},
	}
}

// stale writes the present data with an ETag that is out of date, once.
func (s *session) stale() *answer {
	const key = "stale"
	if a := s.kept[key]; a != nil {
		return a
	}
	path := passfort.Path("profiles", s.profileID(), "collected_data")
	data := s.fresh(path) // what a server that ignores If-Match would store again
	etag := data.header.Get("Etag")
	if !data.ok() || data.long || etag == "" {
		return &answer{problem: "no collected data with an ETag", header: http.Header{}}
	}
	old := `W/"1000000000.001"`
	if strings.Contains(etag, "'") {
		old = strings.ReplaceAll(old, `"`, "'")
	}
	a := s.post(path, json.RawMessage(data.body), http.Header{"If-Match": {old}})
	s.kept[key] = a
	return a
}

// echoed is how writing back what is there went.
type echoed struct {
	problem     string
	moved, same bool
}

// echo writes the collected data back as it is, once.
func (s *session) echo() *echoed {
	if s.echoed != nil {
		return s.echoed
	}
	e := &echoed{}
	s.echoed = e
	id := s.profileID()
	path := passfort.Path("profiles", id, "collected_data")
	before := s.fresh(path)
	if !before.ok() || before.long {
		e.problem = "no collected data: " + before.said()
		return e
	}
	etag := before.header.Get("Etag")
	if etag == "" {
		e.problem = "the collected data has no ETag"
		return e
	}
	if a := s.post(path, json.RawMessage(before.body), http.Header{"If-Match": {etag}}); !a.ok() {
		e.problem = "the write was not accepted: " + a.said()
		return e
	}
	after := s.fresh(path)
	if !after.ok() {
		e.problem = after.said()
		return e
	}
	s.kept[path+"?"] = after
	e.moved = after.header.Get("Etag") != before.header.Get("Etag")
	e.same = reflect.DeepEqual(withoutCopies(before.json()), withoutCopies(after.json()))
	return e
}

// withoutCopies returns v without what another probe looks at.
func withoutCopies(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = withoutCopies(e)
		}
		return out
	case object:
		out := object{}
		for name, e := range v {
			if name != "original_structured_address" {
				out[name] = withoutCopies(e)
			}
		}
		return out
	}
	return v
}

// repeatedProbe sets an application to the status that it has.
func repeatedProbe() Probe {
	return Probe{
		Name: "repeated-decision", Tier: TierCareful, Switch: "RepeatedDecisionRefused",
		Asks:   "POST to an application that is APPROVED or REJECTED the status that it has",
		Belief: "a decision that is there already changes nothing",
		Page:   "docs/api/applications.md#status-machine",
		Means:  "a decision that is sent twice is refused with code 102 or 103: take that for done",
		judge: func(s *session) judgement {
			var profileID, id, status string
			if s.opts.Tier == TierDemo {
				if m := s.demo(); m != nil {
					profileID, id = m.id, m.application
					status = s.reject()
				}
			} else {
				profileID = s.profileID()
				for _, o := range s.below("applications").list() {
					if now := text(o, "status"); now == "APPROVED" || now == "REJECTED" {
						id, status = text(o, "id"), now
						break
					}
				}
			}
			if id == "" || status == "" {
				return notSeen("no application that is APPROVED or REJECTED")
			}
			a := s.post(passfort.Path("profiles", profileID, "applications", id), object{"status": status}, nil)
			codes := a.codes()
			switch {
			case a.ok():
				return confirmed("it is accepted")
			case slices.Contains(codes, "102"), slices.Contains(codes, "103"):
				return differs("it is refused with code 102 or 103")
			}
			return notSeen("refused otherwise: " + a.said())
		},
	}
}
