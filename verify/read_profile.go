package verify

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/passfort-go/passfort"
)

func profileProbes() []Probe {
	return []Probe{
		{
			Name:   "profile-form",
			Asks:   "GET the newest profile that can be read, or the one that is named",
			Belief: "a profile has id, role, status, collected_data and lists of what is below it",
			Means:  "fields of passfort.Profile stay empty",
			Page:   "docs/api/profiles.md#the-profile",
			judge: func(s *session) judgement {
				a := s.profile()
				if !a.ok() {
					return notSeen(a.said())
				}
				for _, name := range []string{"id", "role", "status", "collected_data", "applications", "checks",
					"tasks"} {
					if _, there := a.object()[name]; !there {
						return differs("there is no " + name)
					}
				}
				return confirmed("all of them")
			},
		},
		{
			Name:   "profile-status",
			Asks:   "GET the status of the profile",
			Belief: "a bare JSON string",
			Means:  "Profiles.Status fails", Page: "docs/api/profiles.md#status",
			judge: func(s *session) judgement {
				a := s.below("status")
				if !a.ok() {
					return notSeen(a.said())
				}
				_, is := a.json().(string)
				return either(is, "so it is", kindOf(a.json()))
			},
		},
		{
			Name:   "dates",
			Asks:   "nothing more",
			Belief: "date-times are in a form that passfort.ParseDateTime reads",
			Means:  "times such as Check.CompletedAt report false",
			Page:   "docs/api/basics.md#values",
			judge: func(s *session) judgement {
				at := text(s.profile().object(), "creation_date")
				if at == "" {
					return notSeen("no creation_date")
				}
				_, err := passfort.ParseDateTime(at)
				return either(err == nil, "so they are", "another form")
			},
		},
		{
			Name:   "unknown-members",
			Asks:   "GET the profile's collected data",
			Belief: "there may be members that the SDK has no field for: it keeps them",
			Page:   "docs/api/basics.md#new-fields-and-values", judge: newMembers,
		},
		{
			Name: "etag", Asks: "the same", Belief: "collected data has a weak ETag",
			Means: "CollectedData.Update cannot be sure: every write may overwrite another one",
			Page:  "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				a := s.data()
				if !a.ok() {
					return notSeen(a.said())
				}
				etag := a.header.Get("Etag")
				if etag == "" {
					return differs("none")
				}
				return either(weakETag.MatchString(etag), "a weak one", "one that is not weak")
			},
		},
		{
			Name:   "etag-quotes",
			Switch: "SingleQuotedETags",
			Asks:   "the same",
			Belief: "the ETag is in double quotes",
			Means:  "the SDK sends it back as it is; code that builds If-Match itself fails",
			Page:   "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				switch etag := s.data().header.Get("Etag"); {
				case strings.Contains(etag, `"`):
					return confirmed("double quotes")
				case strings.Contains(etag, "'"):
					return differs("single quotes")
				default:
					return notSeen("no quotes")
				}
			},
		},
		{
			Name:   "etag-number",
			Asks:   "the same",
			Belief: "the ETag is a time in seconds with a fraction",
			Means:  "nothing: the SDK does not look into it",
			Page:   "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				etag := s.data().header.Get("Etag")
				if etag == "" {
					return notSeen("no ETag")
				}
				return either(timedETag.MatchString(etag), "so it is", "another form")
			},
		},
		{
			Name:   "etag-compressed",
			Asks:   "GET the collected data once more, compressed",
			Belief: "a compressed answer has the same ETag",
			Means: "a gateway rewrites ETags: CollectedData.Update asks for answers that are not " +
				"compressed, other code has to",
			Page: "docs/api/profiles.md#etags",
			judge: func(s *session) judgement {
				plain := s.data().header.Get("Etag")
				if plain == "" {
					return notSeen("no ETag")
				}
				a := s.send(s.client, passfort.Request{
					Method: http.MethodGet, Path: passfort.Path("profiles", s.profileID(), "collected_data"),
					Header: http.Header{"Accept-Encoding": {"gzip"}},
				}, answerLimit)
				if !a.ok() {
					return notSeen(a.said())
				}
				return either(a.header.Get("Etag") == plain, "the same", "another one")
			},
		},
	}
}

func (s *session) profile() *answer { return s.below() }

func (s *session) data() *answer { return s.below("collected_data") }

// below gets something of the profile that is looked at.
func (s *session) below(elements ...string) *answer {
	id := s.profileID()
	if id == "" {
		return &answer{problem: "no profile to look at", header: http.Header{}}
	}
	return s.get(passfort.Path(append([]string{"profiles", id}, elements...)...))
}

func newMembers(s *session) judgement {
	a := s.data()
	if !a.ok() {
		return notSeen(a.said())
	}
	names := map[string]bool{}
	var data passfort.EntityData
	var profile passfort.Profile
	if json.Unmarshal(a.body, &data) == nil {
		unknownMembers(reflect.ValueOf(data), names)
	}
	if p := s.profile(); p.ok() && json.Unmarshal(p.body, &profile) == nil {
		profile.CollectedData = nil
		unknownMembers(reflect.ValueOf(profile), names)
	}
	sorted := slices.Sorted(maps.Keys(names))
	if len(sorted) == 0 {
		return confirmed("none")
	}
	const shown = 20
	seen := plural(len(sorted), "member") + ": " + strings.Join(sorted[:min(shown, len(sorted))], ", ")
	if more := len(sorted) - shown; more > 0 {
		seen += " and " + strconv.Itoa(more) + " more"
	}
	return confirmed(seen)
}
