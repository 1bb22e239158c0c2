package passforttest

import (
	"slices"
	"strings"
	"time"
)

const collectKeyLife = 24 * time.Hour

func (s *Server) getSteps(c *call) (*reply, error) {
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	return ok(orEmpty(p.Steps)), nil
}

// setSteps replaces the collection steps. Steps whose data is there already
// vanish at once.
func (s *Server) setSteps(c *call) (*reply, error) {
	p, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	v, err := decode(c.body)
	items, is := v.([]any)
	if err != nil || !is {
		return nil, invalid("the body is not a list of collection steps")
	}
	var steps []object
	for _, item := range items {
		o, _ := item.(object)
		kind := text(o, "collection_type")
		if kind == "" {
			return nil, missing("collection_type")
		}
		if !slices.Contains([]string{
			"FULL_NAME", "DOB", "ADDRESS_HISTORY", "NATIONALITY", "DOCUMENT", "EMAIL", "PHONE_NUMBER",
			"DOCUMENT_FOR_TASK",
		}, kind) {
			return nil, invalid("unknown collection_type")
		}
		if kind == "DOCUMENT" && (o["category"] == nil || o["allowed_types"] == nil) {
			return nil, missing("category or allowed_types")
		}
		if o["id"] == nil && strings.HasPrefix(kind, "DOCUMENT") {
			o["id"] = s.newID()
		}
		steps = append(steps, o)
	}
	s.audit(p, byKey(c), "requested-data", nil)
	had := len(p.Steps) > 0
	p.Steps = steps
	s.dropSatisfied(p)
	s.stepsChanged(p, had, byKey(c))
	return ok(orEmpty(p.Steps)), nil
}

// satisfySteps drops the steps whose data has arrived.
func (s *Server) satisfySteps(p *profile, by actor) {
	if len(p.Steps) == 0 {
		return
	}
	s.dropSatisfied(p)
	s.stepsChanged(p, true, by)
}

func (s *Server) dropSatisfied(p *profile) {
	if len(p.Steps) == 0 {
		return
	}
	data, err := decodeObject(p.Data)
	if err != nil {
		return
	}
	p.Steps = slices.DeleteFunc(p.Steps, func(step object) bool { return satisfied(step, data) })
}

// stepsChanged sends waiting checks to their providers once nothing is
// outstanding.
func (s *Server) stepsChanged(p *profile, had bool, by actor) {
	if len(p.Steps) == 0 && had {
		for _, ch := range p.Checks {
			if ch.State == "PENDING" && ch.RunsAt.IsZero() && ch.DueAt.IsZero() {
				s.instruct(p, ch, false)
			}
		}
		if s.sw.DeprecatedEvents {
			s.emit(p, by, "COLLECTION_STEPS_COMPLETED", object{})
		}
	}
	s.review(p)
}

func satisfied(step, data object) bool {
	person := child(data, "personal_details")
	switch text(step, "collection_type") {
	case "FULL_NAME":
		n := child(person, "name")
		return text(n, "family_name") != "" && len(list(n, "given_names")) > 0
	case "DOB":
		least := map[string]int{"YEAR": 4, "YEAR_MONTH": 7}[text(step, "precision")]
		if least == 0 {
			least = 10
		}
		return len(text(person, "dob")) >= least
	case "ADDRESS_HISTORY":
		return len(list(data, "address_history")) > 0
	case "NATIONALITY":
		return text(person, "nationality") != ""
	case "EMAIL":
		return text(child(data, "contact_details"), "email") != ""
	case "PHONE_NUMBER":
		return text(child(data, "contact_details"), "phone_number") != ""
	}
	allowed, _ := stringList(step, "allowed_types")
	for _, e := range list(data, "documents") {
		d, _ := e.(object)
		if (step["category"] == nil || d["category"] == step["category"]) &&
			(len(allowed) == 0 || slices.Contains(allowed, text(d, "document_type"))) {
			return true
		}
	}
	return false
}

func (s *Server) createCollectKey(c *call) (*reply, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	ids, is := stringList(body, "profile_ids")
	if !is || len(ids) == 0 {
		return nil, missing("profile_ids")
	}
	return s.collectKey(ids)
}

func (s *Server) createProfileKey(c *call) (*reply, error) {
	return s.collectKey([]string{c.params["profile_id"]})
}

func (s *Server) collectKey(ids []string) (*reply, error) {
	for i, id := range ids {
		p, err := s.look(id)
		if err != nil {
			return nil, err
		}
		ids[i] = p.ID
	}
	k := &keyInfo{Name: "Collect key", Kind: keyCollect, Profiles: ids, Expiry: s.tick.Add(collectKeyLife)}
	key := s.newKey()
	s.addKey(key, k)
	return ok(object{"name": k.Name, "key": key, "expiry": dateTime(k.Expiry)}), nil
}
