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
			Asks:   "POST the existing collected data with an ETag that is out of date",
			Belief: "a write with a stale If-Match is refused with 412",
			Page:   "docs/api/profiles.md#etags",
			Means:  "two writers can overwrite each other: take turns yourself",
			judge: func(s *session) judgement {
				a := s.stale()
				switch {
				case a.status == http.StatusPreconditionFailed:
					return confirmed(a.said())
				case a.ok():
					return differs("it is stored: " + a.said())
				}
				return notSeen(a.said())
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
			Means:  "an ETag says nothing of a write that changed nothing",
			Page:   "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				w, problem := s.echo()
				if problem != "" {
					return notSeen(problem)
				}
				return either(w.after.header.Get("Etag") != w.before.header.Get("Etag"), "it moved", "it did not move")
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
				w, problem := s.echo()
				if problem != "" {
					return notSeen(problem)
				}
				return either(w.same(), "the same", "something was added or changed")
			},
		},
	}
}

// rewritten is how writing the collected data back went.
type rewritten struct {
	*answer               // of the write
	before, after *answer // of the reads around it; after is nil if nothing can be stored
}

// rewrite reads the collected data and writes it back at once, with an If-Match made
// of its ETag. What may be stored is read again.
func (s *session) rewrite(ifMatch func(etag string) string) *rewritten {
	path := passfort.Path("profiles", s.profileID(), "collected_data")
	w := &rewritten{before: s.readToWrite(path)}
	etag := w.before.header.Get("Etag")
	if !w.before.ok() || w.before.long || etag == "" {
		w.answer = &answer{problem: "no collected data with an ETag", header: http.Header{}}
		return w
	}
	w.answer = s.post(path, json.RawMessage(w.before.body), http.Header{"If-Match": {ifMatch(etag)}})
	if w.status == 0 || w.status/100 == 5 || w.ok() {
		w.after = s.fresh(path)
		if w.after.ok() {
			s.kept[path+"?"] = w.after
		}
		if s.made == nil && !w.same() {
			s.report.Left = append(s.report.Left, changedMeanwhile)
		}
	}
	return w
}

// same reports whether the data is what it was.
func (w *rewritten) same() bool {
	return w.after.ok() && reflect.DeepEqual(withoutCopies(w.before.json()), withoutCopies(w.after.json()))
}

// changedMeanwhile is what a run cannot put right.
const changedMeanwhile = "the collected data of the profile is not as it was read, or could not be read again: " +
	"another writer changed it meanwhile, or the server rewrote it. Look at its history in the portal"

// stale writes the present data with an ETag that is out of date, once. That is also
// what a server that ignores If-Match stores.
func (s *session) stale() *rewritten {
	if s.outdated == nil {
		s.outdated = s.rewrite(func(etag string) string {
			if strings.Contains(etag, "'") {
				return "W/'1000000000.001'"
			}
			return `W/"1000000000.001"`
		})
	}
	return s.outdated
}

// echo writes the collected data back as it is, once. It takes the stale write for it
// if that was stored, and writes nothing where it is open whether If-Match counts.
func (s *session) echo() (w *rewritten, problem string) {
	switch stale := s.stale(); {
	case stale.ok():
		s.echoed = stale
	case stale.failed():
		return nil, "whether If-Match is heeded is open: " + stale.said()
	case s.echoed == nil:
		s.echoed = s.rewrite(func(etag string) string { return etag })
	}
	switch w = s.echoed; {
	case !w.ok():
		return nil, "the write was not accepted: " + w.said()
	case !w.after.ok():
		return nil, w.after.said()
	}
	return w, ""
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
		Belief: "an existing decision changes nothing when repeated",
		Page:   "docs/api/applications.md#status-machine",
		Means:  "a decision that is sent twice is refused with code 102 or 103: take that for done",
		judge: func(s *session) judgement {
			var id string
			if s.opts.Tier == TierDemo {
				if s.reject() != "" {
					id = s.made.application
				}
			} else if i := slices.IndexFunc(s.below("applications").list(), decided); i >= 0 {
				id = text(s.below("applications").list()[i], "id")
			}
			if id == "" {
				return notSeen("no application that is APPROVED or REJECTED")
			}
			path := passfort.Path("profiles", s.profileID(), "applications", id)
			now := s.readToWrite(path)
			if !now.ok() || !decided(now.object()) {
				return notSeen("the application is no longer APPROVED or REJECTED")
			}
			a := s.post(path, object{"status": text(now.object(), "status")}, nil)
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

func decided(application object) bool {
	status := text(application, "status")
	return status == "APPROVED" || status == "REJECTED"
}
