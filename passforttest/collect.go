package passforttest

import (
	"slices"
	"strings"
)

// stepRoutes are the operations on collection steps.
func stepRoutes() []*route {
	return []*route{
		{Operation: "Collect.Steps", Method: get, Path: onProfile + "/collection_steps",
			handle: withProfile((*world).getSteps), collect: true},
		{Operation: "Collect.SetSteps", Method: post, Path: onProfile + "/collection_steps",
			handle: withProfile((*world).setSteps)},
	}
}

func (w *world) getSteps(_ *call, p *profile) (*reply, error) {
	return ok(orEmpty(p.Steps)), nil
}

// setSteps replaces the collection steps. Steps whose data exists vanish at once.
func (w *world) setSteps(c *call, p *profile) (*reply, error) {
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
			o["id"] = w.newID()
		}
		steps = append(steps, o)
	}
	w.audit(p, byKey(c), "requested-data", nil)
	had := len(p.Steps) > 0
	p.Steps = steps
	w.dropSatisfied(p)
	w.stepsChanged(p, had, byKey(c))
	return ok(orEmpty(p.Steps)), nil
}

// satisfySteps drops the steps whose data has arrived.
func (w *world) satisfySteps(p *profile, by actor) {
	if len(p.Steps) == 0 {
		return
	}
	w.dropSatisfied(p)
	w.stepsChanged(p, true, by)
}

func (w *world) dropSatisfied(p *profile) {
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
func (w *world) stepsChanged(p *profile, had bool, by actor) {
	if len(p.Steps) == 0 && had {
		for _, ch := range p.Checks {
			if ch.State == "PENDING" && ch.RunsAt.IsZero() && ch.DueAt.IsZero() {
				w.instruct(p, ch, false)
			}
		}
		if w.switches().DeprecatedEvents {
			w.emit(p, by, "COLLECTION_STEPS_COMPLETED", object{})
		}
	}
	w.review(p)
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
