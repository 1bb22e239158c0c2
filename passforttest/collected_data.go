package passforttest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// collectedDataRoutes are the operations on collected data.
func collectedDataRoutes() []*route {
	return []*route{
		{Operation: "CollectedData.Get", Method: get, Path: onProfile + "/collected_data",
			handle: withProfile((*world).getCollectedData), collect: true},
		{Operation: opReplace, Method: post, Path: onProfile + "/collected_data",
			handle: withProfile((*world).replaceCollectedData), collect: true},
	}
}

// member returns the raw JSON of one member of a JSON object. The body was
// decoded before.
func member(body []byte, name string) json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(body, &o) != nil {
		return nil
	}
	return o[name]
}

// storable checks collected data and returns what is stored: what was sent,
// but for the addresses and names that the server rewrites.
func (w *world) storable(raw json.RawMessage) (json.RawMessage, summary, error) {
	o, err := decodeObject(raw)
	switch {
	case err != nil && tooDeep(raw):
		return nil, summary{}, invalid("collected data is nested too deep")
	case err != nil:
		return nil, summary{}, invalid("collected data is not a JSON object")
	}
	return w.storableObject(raw, o)
}

// storableObject is storable for data that was decoded: raw is o, which it rewrites.
func (w *world) storableObject(raw json.RawMessage, o object) (json.RawMessage, summary, error) {
	raw = compact(raw)
	addresses := w.rewriteAddresses(o)
	if splitNames(o) || addresses {
		raw = encode(o)
	}
	sum := summarise(o)
	switch sum.EntityType {
	case "INDIVIDUAL", "COMPANY":
		return raw, sum, nil
	case "":
		return nil, sum, missing("entity_type")
	}
	return nil, sum, invalid("unknown entity_type")
}

// splitNames splits given names at white space, wherever they are
// (docs/api/people.md#individual-data). It reports whether anything changed.
func splitNames(v any) bool {
	changed := false
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			changed = splitNames(e) || changed
		}
	case object:
		for k, e := range v {
			given, is := e.([]any)
			if k != "given_names" || !is {
				changed = splitNames(e) || changed
				continue
			}
			names := []any{}
			for _, name := range given {
				s, is := name.(string)
				if !is {
					names = append(names, name)
					continue
				}
				parts := strings.Fields(s)
				changed = changed || len(parts) != 1 || parts[0] != s
				for _, part := range parts {
					names = append(names, part)
				}
			}
			v[k] = names
		}
	}
	return changed
}

// summarise returns what the server needs of collected data. A member of an unexpected
// type counts as absent.
func summarise(o object) summary {
	sum := summary{EntityType: text(o, "entity_type"), CustomerRef: text(o, "customer_ref")}
	if sum.EntityType == "INDIVIDUAL" {
		name := child(child(o, "personal_details"), "name")
		var parts []string
		for _, given := range list(name, "given_names") {
			if s, is := given.(string); is {
				parts = append(parts, s)
			}
		}
		parts = append(parts, text(name, "family_name"))
		sum.Name = strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
		return sum
	}
	sum.Name = text(child(o, "metadata"), "name")
	sum.Links = linksIn(o)
	sum.HasLinks = len(sum.Links) > 0
	sum.Associates = sum.HasLinks || hasMember(o, "immediate_data")
	return sum
}

// hasMember reports whether any object under v has a member of that name.
func hasMember(v any, name string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return hasMember(e, name) })
	case object:
		for k, e := range v {
			if k == name || hasMember(e, name) {
				return true
			}
		}
	}
	return false
}

// nextVersion returns a number that grows with every write: milliseconds, and
// one more than the last if the clock has not moved on.
func (w *world) nextVersion() int64 {
	w.state.Version = max(w.state.Version+1, w.tick.UnixMilli())
	return w.state.Version
}

func (w *world) etag(p *profile) string {
	quote := `"`
	if w.switches().SingleQuotedETags {
		quote = "'"
	}
	ms := strconv.FormatInt(p.Version%1000+1000, 10)[1:]
	return "W/" + quote + strconv.FormatInt(p.Version/1000, 10) + "." + ms + quote
}

func (w *world) dataReply(p *profile) *reply {
	return &reply{body: w.shownData(p), etag: w.etag(p)}
}

func (w *world) getCollectedData(_ *call, p *profile) (*reply, error) {
	return w.dataReply(p), nil
}

func (w *world) replaceCollectedData(c *call, p *profile) (*reply, error) {
	if c.overtaken {
		p.Version = w.nextVersion()
	}
	if len(c.ifMatch) > 0 && c.ifMatch[0] != w.etag(p) {
		return w.overtaken(p), nil
	}
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil, invalid("the body is empty")
	}
	if err := w.judgeData(c.body, p.Data); err != nil {
		return nil, err
	}
	raw, sum, err := w.storable(c.body)
	if err != nil {
		return nil, err
	}
	if sum.EntityType != p.Summary.EntityType {
		return nil, invalid("the entity_type of a profile cannot change")
	}
	w.storeData(p, raw, sum, byKey(c))
	return w.dataReply(p), nil
}

// overtaken answers a write that lost: the latest data, without its changes, and the latest ETag
// (docs/api/profiles.md#etags).
func (w *world) overtaken(p *profile) *reply {
	rep := w.dataReply(p)
	rep.kind = stale
	if w.switches().PreconditionWithoutETag {
		rep.etag = ""
	}
	if w.switches().PreconditionEnvelope {
		rep.body = envelope(w.switches(), ErrorObject{
			Code: CodeConstraintsNotSatisfied, Message: "the ETag does not match", Source: "API",
		})
	}
	return rep
}

// storeData makes data the profile's collected data. Every write counts: the
// ETag moves and the webhook is sent even if nothing differs.
func (w *world) storeData(p *profile, raw json.RawMessage, sum summary, by actor) {
	old := p.Data
	p.Data, p.Summary = raw, sum
	p.Version, p.Modified = w.nextVersion(), w.tick
	w.audit(p, by, "replace-collected-data", nil)
	event := w.switches().CollectedDataEvent
	if event == "" {
		event = "COLLECTED_DATA_UPDATED"
	}
	w.emit(p, by, event, object{"old_data": old, "new_data": raw})
	w.satisfySteps(p, by)
	w.linkAssociates(p, by)
}

// EditCollectedData changes a profile's collected data as a person in the
// portal would: the ETag moves, and the webhook names a user. The change gets
// the decoded data (numbers are json.Number) and alters it in place. It returns
// the new ETag, or an error if there is no such profile or the result is not
// valid collected data.
func (s *Server) EditCollectedData(profileID string, change func(data map[string]any)) (string, error) {
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return "", err
	}
	o, err := decodeObject(p.Data)
	if err != nil {
		return "", err
	}
	change(o)
	raw, sum, err := w.storable(encode(o))
	if err != nil {
		return "", err
	}
	w.storeData(p, raw, sum, portal())
	return w.etag(p), nil
}

// CollectedData returns what is stored for a profile and its ETag, without a
// request. It is nil if there is no such profile.
func (s *Server) CollectedData(profileID string) (data []byte, etag string) {
	w := s.world.enter()
	defer w.leave()
	p, err := w.look(profileID)
	if err != nil {
		return nil, ""
	}
	return bytes.Clone(p.Data), w.etag(p)
}

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
