package verify

import (
	"slices"
	"strconv"

	"github.com/passfort-go/passfort"
)

func listProbes() []Probe {
	return []Probe{
		{
			Name:   "page-form",
			Asks:   "GET the first page of profiles",
			Belief: "a page has count, limit, offset and results",
			Means:  "Profiles.All may end too early", Page: "docs/api/profiles.md#list-profiles",
			judge: func(s *session) judgement {
				a := s.get("/profiles")
				if !a.ok() {
					return notSeen(a.said())
				}
				_, count := integer(a.object(), "count")
				_, limit := integer(a.object(), "limit")
				_, offset := integer(a.object(), "offset")
				_, results := a.object()["results"].([]any)
				return either(count && limit && offset && results, "all four", "one of the four is missing")
			},
		},
		{
			Name:   "page-default",
			Asks:   "the same",
			Belief: "a page has 50 profiles unless a limit is sent",
			Means:  "send ProfileListOptions.Limit", Page: "docs/api/basics.md#lists",
			judge: func(s *session) judgement {
				limit, there := integer(s.get("/profiles").object(), "limit")
				if !there {
					return notSeen("no limit in the answer")
				}
				j := either(limit == 50, "50", strconv.Itoa(limit))
				if j.verdict == Differs {
					j.value = strconv.Itoa(limit)
				}
				return j
			},
		},
		{
			Name:   "page-most",
			Asks:   "GET a page with limit=201",
			Belief: "a page has at most 200 profiles, and a larger limit is refused",
			Means:  "a larger limit is accepted or cut: look at ProfilePage.Limit",
			Page:   "docs/api/basics.md#lists",
			judge: func(s *session) judgement {
				a := s.get("/profiles", "limit", "201")
				limit, _ := integer(a.object(), "limit")
				switch {
				case a.failed(), a.long:
					return notSeen(a.said())
				case !a.ok():
					return confirmed(a.said())
				}
				return differs("accepted; the limit of the answer is " + strconv.Itoa(limit))
			},
		},
		{
			Name:   "page-offset",
			Asks:   "GET the second profile of the list",
			Belief: "offset and limit choose what a page has",
			Means:  "do not page: Profiles.All ends with ErrPagesMoved",
			Page:   "docs/api/basics.md#lists",
			judge: func(s *session) judgement {
				a := s.get("/profiles", "limit", "1", "offset", "1")
				count, _ := integer(a.object(), "count")
				if !a.ok() || count < 2 {
					return notSeen("less than two profiles: " + a.said())
				}
				offset, _ := integer(a.object(), "offset")
				n := len(objects(a.object()["results"]))
				seen := plural(n, "profile") + " at offset " + strconv.Itoa(offset)
				return either(offset == 1 && n <= 1, seen, seen)
			},
		},
		{
			Name:   "page-hidden",
			Asks:   "nothing more",
			Belief: "hidden is how many profiles of the page the key may not see",
			Means:  "there are profiles that this key cannot see: a page may be shorter than its limit",
			Page:   "docs/api/profiles.md#list-profiles",
			judge: func(s *session) judgement {
				hidden, there := integer(s.get("/profiles").object(), "hidden")
				if !there {
					return notSeen("no such member")
				}
				if hidden > 0 {
					return confirmed("some profiles are hidden from this key")
				}
				return confirmed("0")
			},
		},
		{
			Name:   "list-order",
			Switch: "ListOrder",
			Asks:   "GET lists of profiles, tasks and audit items twice each",
			Belief: "a list is in the order of creation, the oldest first",
			Means:  "sort by a date before you take the first or the last of a list",
			Page:   "docs/api/basics.md#lists", judge: listOrder,
		},
	}
}

// listOrder looks at lists twice: at the dates in them, and at whether they moved.
func listOrder(s *session) judgement {
	var d direction
	moved := false
	note := func(first, second []object) {
		d.add(timesOf(first))
		moved = moved || sameInAnotherOrder(idsOf(first), idsOf(second))
	}
	id := s.profileID()
	if s.opts.ProfileID == "" && s.opts.Tier != TierDemo {
		page := func() []object { return objects(s.fresh("/profiles", "limit", "20").object()["results"]) }
		note(page(), page())
	}
	if id != "" {
		for _, list := range []string{"tasks", "audit-items"} {
			path := passfort.Path("profiles", id, list)
			note(s.fresh(path).list(), s.fresh(path).list())
		}
	}
	if m := s.made; m != nil && len(m.images) > 1 {
		path := passfort.Path("profiles", id, "document_images")
		first, second := idsOf(s.fresh(path).list()), idsOf(s.fresh(path).list())
		moved = moved || sameInAnotherOrder(first, second)
		if slices.Equal(first, m.images) {
			d.up++
		} else if slices.Reverse(first); slices.Equal(first, m.images) {
			d.down++
		}
	}
	switch {
	case moved, d.up > 0 && d.down > 0:
		if moved {
			return judgement{Differs, "another order each time", "Shuffled"}
		}
		return differs("no order by date, the same each time")
	case d.up > 0:
		return confirmed("the oldest first")
	case d.down > 0:
		return judgement{Differs, "the newest first", "NewestFirst"}
	}
	return notSeen("too few items with different dates")
}

// profileID returns the profile that the run looks at, or "".
func (s *session) profileID() string {
	if ids := s.subjects(); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// subjects returns the profile to look at, and up to three others for what it lacks.
func (s *session) subjects() []string {
	switch {
	case s.opts.Tier == TierDemo:
		if m := s.demo(); m != nil {
			return []string{m.id}
		}
		return nil
	case s.opts.ProfileID != "":
		return []string{s.opts.ProfileID}
	case s.chosen != nil:
		return *s.chosen
	}
	var ids []string
	for i, id := range s.newest() {
		readable := len(ids) > 0 || i < maxTried && s.get(passfort.Path("profiles", id)).ok()
		if readable && len(ids) <= maxOthers {
			ids = append(ids, id)
		}
	}
	s.chosen = &ids
	return ids
}

// How many profiles are looked at.
const (
	maxTried  = 3 // until one can be read
	maxOthers = 3 // for what the first one lacks
	tailSize  = 20
)

// newest returns ids of profiles, the newest first: of the first page and the last.
func (s *session) newest() []string {
	page := s.get("/profiles")
	items := objects(page.object()["results"])
	if count, _ := integer(page.object(), "count"); count > len(items) && len(items) > 0 {
		offset := strconv.Itoa(max(0, count-tailSize))
		tail := s.get("/profiles", "limit", strconv.Itoa(tailSize), "offset", offset)
		items = append(items, objects(tail.object()["results"])...)
	}
	slices.Reverse(items) // of one second, the last of a list is taken for the newest
	slices.SortStableFunc(items, func(a, b object) int {
		x, _ := passfort.ParseDateTime(text(a, "creation_date"))
		y, _ := passfort.ParseDateTime(text(b, "creation_date"))
		return y.Compare(x)
	})
	var ids []string
	for _, id := range idsOf(items) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// first returns the first profile whose list has something in it, and the list.
func (s *session) first(list string, has func(object) bool) (profileID string, items []object) {
	for _, id := range s.subjects() {
		all := s.get(passfort.Path("profiles", id, list)).list()
		if slices.ContainsFunc(all, has) {
			return id, all
		}
	}
	return "", nil
}
