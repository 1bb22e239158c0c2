package passforttest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// roleOf returns the role of the associates in a list of that name, or "".
func roleOf(list string) string {
	switch list {
	case "authorized_persons", "unauthorized_persons", "shareholders", "beneficial_owners", "directors", "partners",
		"trustees":
		return strings.ToUpper(strings.TrimSuffix(list, "s"))
	case "secretaries":
		return "COMPANY_SECRETARY"
	case "resigned":
		return "RESIGNED_OFFICER"
	case "other":
		return "OTHER"
	}
	return ""
}

// eachLink calls visit for every linked_profile object under v, with the name
// of the list that it is in.
func eachLink(v any, in string, visit func(link object, list string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			eachLink(e, in, visit)
		}
	case object:
		for k, e := range v {
			if link, is := e.(object); is && k == "linked_profile" {
				visit(link, in)
				continue
			}
			name := in
			if roleOf(k) != "" {
				name = k
			}
			eachLink(e, name, visit)
		}
	}
}

// linksIn lists the profiles that data links to, each role once, in order.
func linksIn(o object) []link {
	var links []link
	eachLink(o, "", func(l object, list string) {
		links = append(links, link{strings.ToLower(text(l, "id")), roleOf(list)})
	})
	slices.SortFunc(links, func(a, b link) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Role, b.Role))
	})
	return slices.Compact(links)
}

// shownData returns collected data as the API shows it: links to other profiles are expanded
// (docs/api/companies.md#associates).
func (w *world) shownData(p *profile) json.RawMessage {
	if !p.Summary.HasLinks {
		return p.Data
	}
	o, err := decodeObject(p.Data)
	if err != nil {
		return p.Data
	}
	eachLink(o, "", func(link object, _ string) {
		other := w.state.Profiles[strings.ToLower(text(link, "id"))]
		if other == nil || other == p {
			return
		}
		for k, v := range map[string]any{
			"category": other.category(), "role": other.Role, "status": other.Status, "tags": w.tagsWire(other),
			"collected_data": other.Data, "creation_date": dateTime(other.Created), "display_name": other.Summary.Name,
			"has_associates": other.Summary.Associates, "has_collection_steps": len(other.Steps) > 0,
			"task_progress": other.progress(), "tasks": w.tasksWire(other),
			"unresolved_event_types": other.unresolvedTypes(),
		} {
			link[k] = v
		}
	})
	return encode(o)
}

// linkAssociates adds the company's applications to the profiles it links to
// (docs/api/companies.md#link-an-associate).
func (w *world) linkAssociates(p *profile, by actor) {
	if !p.Summary.HasLinks {
		return
	}
	roles := map[string]string{}
	var order []string
	for _, l := range p.Summary.Links {
		if _, there := roles[l.ID]; !there {
			order = append(order, l.ID)
		}
		roles[l.ID] = l.Role
	}
	for _, id := range order {
		other := w.state.Profiles[id]
		if other == nil || !strings.HasSuffix(other.Role, "_ASSOCIATED") {
			continue
		}
		for _, a := range p.Applications {
			product := w.productByID(a.Product)
			has := find(other.Applications, func(b *application) bool {
				return b.Product == a.Product && !b.Hidden
			}) != nil
			if a.Hidden || has || product == nil || !product.fits(other.Summary.EntityType) {
				continue
			}
			w.audit(other, by, "linked-profile", object{"profile_id": p.ID})
			w.apply(other, product, roles[id], by)
		}
	}
}

// linkedTo lists the companies a profile is linked to.
func (w *world) linkedTo(p *profile) []object {
	out := []object{}
	if !strings.HasSuffix(p.Role, "_ASSOCIATED") {
		return out
	}
	for _, company := range w.roster.links[p.ID] {
		w.roster.looked++
		if company == p {
			continue
		}
		roles := []string{}
		for _, l := range company.Summary.Links {
			if l.ID == p.ID && l.Role != "" {
				roles = append(roles, l.Role)
			}
		}
		out = append(out, object{
			"profile": object{"id": company.ID, "role": company.Role, "display_name": company.Summary.Name},
			"roles":   roles,
		})
	}
	return out
}

// verifiedData returns what checks have confirmed: the data of the last one that
// passed.
func (w *world) verifiedData(p *profile) any {
	for _, ch := range slices.Backward(p.Checks) {
		if ch.Decision == "PASS" && ch.Input != nil {
			return ch.Input
		}
	}
	return object{"entity_type": p.Summary.EntityType}
}
