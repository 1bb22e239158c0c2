package passforttest

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// profileRoutes are the operations on profiles and their tags.
func profileRoutes() []*route {
	return []*route{
		{Operation: "Profiles.List", Method: get, Path: "/profiles",
			handle: (*world).listProfiles},
		{Operation: "Profiles.Create", Method: post, Path: "/profiles",
			handle: withObject((*world).createProfile), creates: true},
		{Operation: "Profiles.Get", Method: get, Path: onProfile,
			handle: withProfile((*world).getProfile)},
		{Operation: "Profiles.Status", Method: get, Path: onProfile + "/status",
			handle: withProfile((*world).getStatus)},
		{Operation: "Profiles.SetStatus", Method: post, Path: onProfile + "/status",
			handle: withProfile((*world).setStatus)},
		{Operation: "Profiles.Delete", Method: post, Path: onProfile + "/delete",
			handle: withBoth((*world).deleteProfile)},
		{Operation: "Tags.Add", Method: post, Path: onProfile + "/tags",
			handle: withBoth((*world).addTag), creates: true},
		{Operation: "Tags.Remove", Method: del, Path: onProfile + "/tags/{tag_id}",
			handle: withProfile((*world).removeTag)},
		{Operation: "Tags.Search", Method: get, Path: "/tags/search/{term}",
			handle: (*world).searchTags},
	}
}

// entityOf returns the entity type that goes with a role, or "".
func entityOf(role string) string {
	switch role {
	case "INDIVIDUAL_CUSTOMER", "INDIVIDUAL_ASSOCIATED":
		return "INDIVIDUAL"
	case "COMPANY_CUSTOMER", "COMPANY_ASSOCIATED":
		return "COMPANY"
	}
	return ""
}

func (w *world) createProfile(c *call, body object) (*reply, error) {
	role := text(body, "role")
	if role == "" {
		return nil, missing("role")
	}
	entity := entityOf(role)
	if entity == "" {
		return nil, invalid("unknown role")
	}
	data := child(body, "collected_data")
	if data == nil {
		return nil, missing("collected_data")
	}
	raw, sum, err := w.storableObject(member(c.body, "collected_data"), data)
	if err != nil {
		return nil, err
	}
	if sum.EntityType != entity {
		return nil, invalid("entity_type does not fit the role")
	}
	products, err := w.wantedProducts(body, entity)
	if err != nil {
		return nil, err
	}
	by := byKey(c)
	p := &profile{
		ID: w.newID(), Role: role, Status: "NORMAL", Created: w.tick, Modified: w.tick,
		Data: raw, Summary: sum, Version: w.nextVersion(),
	}
	w.state.Profiles[p.ID] = p
	w.roster.add(p)
	w.audit(p, by, "created-profile", nil)
	for _, want := range products {
		w.apply(p, want.product, want.role, by)
	}
	w.linkAssociates(p, by)
	return ok(w.profileWire(p, false)), nil
}

type wanted struct {
	product *Product
	role    string
}

// wantedProducts returns the applications a new profile asks for. Without any it
// returns every product that is applied for automatically.
func (w *world) wantedProducts(body object, entity string) ([]wanted, error) {
	var out []wanted
	asked, present := body["applications"]
	if !present || asked == nil {
		for _, p := range w.state.Products {
			if p.AutoApply && !p.Deleted && p.fits(entity) {
				out = append(out, wanted{product: p})
			}
		}
		return out, nil
	}
	items, is := asked.([]any)
	if !is {
		return nil, invalid("applications is not a list")
	}
	for _, e := range items {
		o, _ := e.(object)
		want, err := w.wantedProduct(o, entity)
		if err != nil {
			return nil, err
		}
		out = append(out, want)
	}
	return out, nil
}

func (w *world) getProfile(c *call, p *profile) (*reply, error) {
	if seen := w.tick.Format("2006-01-02") + " " + c.key.Name; p.Viewed != seen {
		p.Viewed = seen
		w.audit(p, byKey(c), "viewed-profile", nil)
	}
	return ok(w.profileWire(p, false)), nil
}

// profileWire returns a profile as the API shows it; search results hold minimal ones.
func (w *world) profileWire(p *profile, minimal bool) object {
	o := object{
		"id": p.ID, "role": p.Role, "status": p.Status, "creation_date": dateTime(p.Created),
		"last_modified_date": dateTime(p.Modified), "display_name": p.Summary.Name,
		"category": p.category(), "tags": w.tagsWire(p), "applications": w.applicationsWire(p),
		"task_progress": p.progress(), "unresolved_event_types": p.unresolvedTypes(),
		"has_associates": p.Summary.Associates, "has_collection_steps": len(p.Steps) > 0,
		"collected_data": w.shownData(p),
	}
	if minimal {
		return o
	}
	o["verified_data"] = w.verifiedData(p)
	o["checks"] = w.checksWire(p)
	o["collection_steps"] = orEmpty(p.Steps)
	o["tasks"] = w.tasksWire(p)
	o["task_types"] = p.taskTypes()
	o["events"] = orEmpty(p.Events)
	o["document_images"] = imagesWire(p.Images)
	o["risk"] = p.overallRisk()
	o["linked_to"] = w.linkedTo(p)
	return o
}

func (p *profile) category() string {
	applied, was := false, false
	for _, a := range p.Applications {
		switch a.Status {
		case "APPROVED", "IN_REVIEW":
			return "CUSTOMER"
		case "APPLIED":
			applied = true
		case "CANCELLED":
			was = true
		}
	}
	switch {
	case applied:
		return "APPLICANT"
	case was:
		return "PREVIOUS_CUSTOMER"
	}
	return "INACTIVE_APPLICANT"
}

func (p *profile) progress() object {
	done, total := 0, 0
	for _, t := range p.Tasks {
		if t.Expired || t.Deleted {
			continue
		}
		total++
		if t.State != "INCOMPLETE" {
			done++
		}
	}
	return object{"completed_count": done, "total_count": total}
}

func (p *profile) taskTypes() []string {
	out := []string{}
	for _, t := range p.Tasks {
		if !slices.Contains(out, t.Type) {
			out = append(out, t.Type)
		}
	}
	return out
}

func (w *world) listProfiles(c *call) (*reply, error) {
	limit, err := intQuery(c, "limit", w.cfg.pageSize, 1, 200)
	if err != nil {
		return nil, err
	}
	offset, err := intQuery(c, "offset", 0, 0, 1<<31-1)
	if err != nil {
		return nil, err
	}
	var categories []string
	if q := c.query.Get("categories"); q != "" {
		categories = strings.Split(q, ",")
	}
	found, count := w.wantedProfiles(strings.ToLower(c.query.Get("q")), categories, offset, limit)
	results := []object{}
	for _, p := range found {
		results = append(results, w.profileWire(p, true))
	}
	return ok(object{"count": count, "limit": limit, "offset": offset, "results": results, "hidden": 0}), nil
}

// wantedProfiles returns one page of the profiles that a search finds, and how
// many it finds in all.
func (w *world) wantedProfiles(q string, categories []string, offset, limit int) ([]*profile, int) {
	var found []*profile
	switch all := q == "" && categories == nil; {
	case all && w.switches().ListOrder == OldestFirst:
		return w.roster.page(offset, limit), w.roster.count
	case all && w.switches().ListOrder == NewestFirst:
		last := w.roster.count - offset
		page := w.roster.page(max(0, last-limit), min(limit, max(0, last)))
		slices.Reverse(page)
		return page, w.roster.count
	case all:
		found = slices.Collect(w.roster.all())
	case q == "":
		found = w.roster.of(categories)
	default:
		found = w.roster.search(q)
		if categories != nil {
			found = slices.DeleteFunc(found, func(p *profile) bool {
				return !slices.Contains(categories, p.category())
			})
		}
	}
	found = ordered(w, found)
	return found[min(offset, len(found)):min(offset+limit, len(found))], len(found)
}

func intQuery(c *call, name string, absent, least, most int) (int, error) {
	v := c.query.Get(name)
	if v == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, invalid(name + " is out of range")
	}
	return n, nil
}

func (w *world) getStatus(_ *call, p *profile) (*reply, error) {
	return ok(p.Status), nil
}

func (w *world) setStatus(c *call, p *profile) (*reply, error) {
	v, err := decode(c.body)
	status, is := v.(string)
	if err != nil || !is || !slices.Contains([]string{"NORMAL", "SUSPENDED", "BANNED"}, status) {
		return nil, invalid("the body is not a profile status")
	}
	w.setProfileStatus(p, status, byKey(c))
	return ok(p.Status), nil
}

func (w *world) setProfileStatus(p *profile, status string, by actor) {
	if p.Status == status {
		return
	}
	p.Status = status
	w.audit(p, by, "profile-status-changed", object{"status": status})
	if w.switches().DeprecatedEvents {
		w.emit(p, by, "PROFILE_STATUS_CHANGED", object{"new_status": status})
	}
	w.review(p)
}

func (w *world) deleteProfile(_ *call, p *profile, body object) (*reply, error) {
	switch confirm := text(body, "confirm_id"); {
	case confirm == "":
		return nil, missing("confirm_id")
	case !strings.EqualFold(confirm, p.ID):
		return nil, refuse(wrong, CodeInvalidInputData, "confirm_id is not the id of the profile")
	}
	delete(w.state.Profiles, p.ID)
	w.roster.remove(p)
	return w.nothing(), nil
}

// MakeUp adds n made-up profiles and returns their ids, in order. Of each ten, seven
// are people, one is a company and two are its associates. The same n gives the same
// data, and the same seed the same ids; a second call adds the same people again.
// Less than one adds none. No person is real.
func (s *Server) MakeUp(n int) []string {
	ids := make([]string, 0, max(n, 0))
	for len(ids) < n {
		i := len(ids)
		if i%10 != 7 || n-i < 3 {
			ids = append(ids, s.makeUp("INDIVIDUAL_CUSTOMER", madeUpPerson(i), "standard"))
			continue
		}
		director := s.makeUp("INDIVIDUAL_ASSOCIATED", madeUpPerson(i), "")
		owner := s.makeUp("INDIVIDUAL_ASSOCIATED", madeUpPerson(i+1), "")
		link := func(id string) []object {
			return []object{{"entity_type": "INDIVIDUAL", "linked_profile": object{"id": id}}}
		}
		ids = append(ids, director, owner, s.makeUp("COMPANY_CUSTOMER", object{
			"entity_type": "COMPANY",
			"metadata": object{
				"name": fmt.Sprintf("Simulated Holdings %d Ltd", i), "number": fmt.Sprintf("%08d", i),
				"country_of_incorporation": "GBR",
			},
			"officers":            object{"directors": link(director)},
			"ownership_structure": object{"shareholders": link(owner), "beneficial_owners": link(owner)},
		}, "standard"))
	}
	return ids
}

// Profiles returns how many profiles there are.
func (s *Server) Profiles() int {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return s.world.roster.count
}

func madeUpPerson(i int) object {
	given := []string{"Alex", "Billie", "Charlie", "Dana", "Eden", "Frankie", "Glenn", "Harper", "Indigo", "Jules"}
	family := []string{"Ashdown", "Brook", "Carrow", "Dunmore", "Elling", "Farrow", "Garth", "Hallam", "Ingram",
		"Jarrow", "Kestle"}
	return object{
		"entity_type":  "INDIVIDUAL",
		"customer_ref": fmt.Sprintf("made-up-%06d", i),
		"personal_details": object{
			"name": object{
				"given_names": []string{given[i%len(given)]}, "family_name": fmt.Sprintf("%s %d", family[i%len(family)],
					i),
			},
			"dob": fmt.Sprintf("%d-%02d-%02d", 1950+i%50, 1+i%12, 1+i%28), "nationality": "GBR",
		},
		"address_history": []object{{"address": object{
			"type": "STRUCTURED", "country": "GBR", "street_number": itoa(1 + i%99), "route": "Simulated Street",
			"locality": "Sampleton",
		}}},
	}
}

// makeUp creates a made-up profile, which is never refused.
func (s *Server) makeUp(role string, data object, product string) string {
	w := s.world.enter()
	defer w.leave()
	id, err := w.createAs(role, data, product)
	if err != nil {
		panic("passforttest: a made-up profile is refused: " + err.Error())
	}
	return id
}

// createAs creates a profile as a call with the master key would.
func (w *world) createAs(role string, data object, product string) (string, error) {
	body := object{"role": role, "collected_data": data, "applications": []object{}}
	if product != "" {
		body["applications"] = []object{{"product": object{"alias": product}}}
	}
	c := &call{body: encode(body), key: w.state.Keys[w.cfg.apiKey]}
	if _, err := withObject((*world).createProfile)(w, c); err != nil {
		return "", err
	}
	return w.roster.page(w.roster.count-1, 1)[0].ID, nil
}

func (w *world) tagWire(name string) object {
	return object{"id": w.state.Tags[name], "name": name, "is_automatic": false}
}

func (w *world) tagsWire(p *profile) []object {
	out := []object{}
	for _, name := range p.TagNames {
		out = append(out, w.tagWire(name))
	}
	return out
}

func (w *world) addTag(c *call, p *profile, body object) (*reply, error) {
	name := text(body, "name")
	switch {
	case name == "":
		return nil, missing("name")
	case utf8.RuneCountInString(name) > 64:
		return nil, invalid("a tag has at most 64 characters")
	}
	if w.state.Tags[name] == "" {
		w.addTagName(name)
	}
	if !slices.Contains(p.TagNames, name) {
		p.TagNames = append(p.TagNames, name)
		w.audit(p, byKey(c), "added-a-tag", object{"name": name})
	}
	return ok(w.tagWire(name)), nil
}

func (w *world) removeTag(c *call, p *profile) (*reply, error) {
	id := strings.ToLower(c.params["tag_id"])
	i := slices.IndexFunc(p.TagNames, func(name string) bool { return w.state.Tags[name] == id })
	if i < 0 {
		return nil, notFound("tag")
	}
	name := p.TagNames[i]
	p.TagNames = slices.Delete(p.TagNames, i, i+1)
	w.audit(p, byKey(c), "removed-a-tag", object{"name": name})
	return ok(w.tagWire(name)), nil
}

func (w *world) searchTags(c *call) (*reply, error) {
	limit, err := intQuery(c, "limit", 50, 1, 1000)
	if err != nil {
		return nil, err
	}
	term := strings.ToLower(c.params["term"])
	var names []string
	for name := range w.state.Tags {
		if strings.Contains(strings.ToLower(name), term) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	out := []object{}
	for _, name := range names[:min(limit, len(names))] {
		out = append(out, w.tagWire(name))
	}
	return ok(ordered(w, out)), nil
}
