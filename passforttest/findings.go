package passforttest

import (
	"maps"
	"slices"
	"strings"
)

// findingRoutes are the operations on events.
func findingRoutes() []*route {
	return []*route{
		{Operation: "Events.List", Method: get, Path: onProfile + "/events",
			handle: withProfile((*world).listEvents)},
		{Operation: "Events.Create", Method: post, Path: onProfile + "/events",
			handle: withBoth((*world).createEvent), creates: true},
		{Operation: "Events.Get", Method: get, Path: onProfile + "/events/{event_id}",
			handle: withProfile((*world).getEvent)},
		{Operation: "Events.Update", Method: post, Path: onProfile + "/events/{event_id}",
			handle: withBoth((*world).updateEvent)},
		{Operation: "Events.BulkUpdate", Method: post, Path: onProfile + "/events/bulk_update",
			handle: withProfile((*world).bulkUpdateEvents)},
	}
}

// Findings are what the API calls events: a PEP, a sanction, adverse media.

func (p *profile) event(id string) object {
	id = strings.ToLower(id)
	for _, e := range p.Events {
		if text(e, "id") == id {
			return e
		}
	}
	return nil
}

func (p *profile) unresolvedTypes() []string {
	out := []string{}
	for _, e := range p.Events {
		if t := text(child(e, "data"), "event_type"); text(e, "resolution") == "UNRESOLVED" &&
			!slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func validResolution(r string) bool {
	return slices.Contains([]string{"UNRESOLVED", "MISMATCH", "MATCH", "IGNORE", "CREATED_TASK"}, r)
}

func (w *world) listEvents(_ *call, p *profile) (*reply, error) {
	return ok(ordered(w, p.Events)), nil
}

func (w *world) getEvent(c *call, p *profile) (*reply, error) {
	e := p.event(c.params["event_id"])
	if e == nil {
		return nil, notFound("event")
	}
	return ok(e), nil
}

func (w *world) createEvent(c *call, p *profile, body object) (*reply, error) {
	e, err := w.newEvent(body)
	if err != nil {
		return nil, err
	}
	w.addEvents(p, byKey(c), e)
	return ok(e), nil
}

// newEvent completes an event that was sent.
func (w *world) newEvent(body object) (object, error) {
	if text(child(body, "data"), "event_type") == "" {
		return nil, missing("data.event_type")
	}
	e := maps.Clone(body)
	e["id"], e["creation_date"] = w.newID(), dateTime(w.tick)
	if e["resolution"] == nil {
		e["resolution"] = "UNRESOLVED"
	}
	if !validResolution(text(e, "resolution")) {
		return nil, invalid("unknown resolution")
	}
	if text(e, "resolution") != "UNRESOLVED" {
		e["resolution_date"] = dateTime(w.tick)
	}
	return e, nil
}

func (w *world) addEvents(p *profile, by actor, events ...object) {
	p.Events = append(p.Events, events...)
	p.Modified = w.tick
	w.audit(p, by, "added-event", nil)
	w.emit(p, by, "EVENTS_CREATED", object{"events": eventsForWebhook(events)})
	if by == (actor{}) {
		w.openScreened(p, events)
	}
	w.review(p)
}

func eventsForWebhook(events []object) []object {
	out := []object{}
	for _, e := range events {
		out = append(out, object{
			"id": e["id"], "resolution": e["resolution"], "event_type": child(e, "data")["event_type"],
		})
	}
	return out
}

// AddEvent adds a finding to a profile, as monitoring would, and returns its
// id. The data must name its event_type; the rest of the event is added. A PEP,
// a sanction, adverse media or a referral opens the screening tasks of the profile,
// which puts approved applications in review.
func (s *Server) AddEvent(profileID string, data map[string]any) (string, error) {
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return "", err
	}
	own, err := decodeObject(encode(data))
	if err != nil {
		return "", err
	}
	e, err := w.newEvent(object{"data": own})
	if err != nil {
		return "", err
	}
	w.addEvents(p, actor{}, e)
	return text(e, "id"), nil
}

// addFindings makes events of what a screening found.
func (w *world) addFindings(p *profile, findings []string) {
	kinds := map[string]string{
		"PEP": "PEP_FLAG", "Sanction": "SANCTION_FLAG", "Media": "ADVERSE_MEDIA_FLAG", "Refer": "REFER_FLAG",
	}
	var events []object
	for _, f := range findings {
		if kinds[f] == "" {
			continue
		}
		data := w.screeningResult(p, f)
		data["event_type"], data["provider_name"] = kinds[f], providerName
		events = append(events, object{
			"id": w.newID(), "creation_date": dateTime(w.tick), "resolution": "UNRESOLVED", "data": data,
		})
	}
	if events != nil {
		w.addEvents(p, actor{}, events...)
	}
}

func (w *world) updateEvent(c *call, p *profile, body object) (*reply, error) {
	e := p.event(c.params["event_id"])
	if e == nil {
		return nil, notFound("event")
	}
	if err := w.checkEvent(e, body); err != nil {
		return nil, err
	}
	w.changeEvent(e, body)
	w.eventsChanged(p, byKey(c), "event-resolution", []object{e})
	return ok(e), nil
}

func (w *world) bulkUpdateEvents(c *call, p *profile) (*reply, error) {
	v, err := decode(c.body)
	items, is := v.([]any)
	if err != nil || !is {
		return nil, invalid("the body is not a list of events")
	}
	events := []object{}
	for _, item := range items {
		o, _ := item.(object)
		e := p.event(text(o, "id"))
		if e == nil {
			return nil, invalid("the list names an event the profile does not have")
		}
		if err := w.checkEvent(e, o); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	for i, item := range items {
		w.changeEvent(events[i], item.(object))
	}
	if len(events) > 0 {
		w.eventsChanged(p, byKey(c), "event-bulk-resolution", events)
	}
	return ok(events), nil
}

func (w *world) checkEvent(e, body object) error {
	if id := text(body, "id"); id != "" && !strings.EqualFold(id, text(e, "id")) {
		return invalid("the id in the body is another event's")
	}
	switch data, there := body["data"]; {
	case body["resolution"] == nil:
		return missing("resolution")
	case !validResolution(text(body, "resolution")):
		return invalid("unknown resolution")
	case there && data != nil && text(child(body, "data"), "event_type") == "":
		return missing("data.event_type")
	}
	return nil
}

// changeEvent stores what was sent. What the server sets stays.
func (w *world) changeEvent(e, body object) {
	was := text(e, "resolution")
	for k, v := range body {
		if k != "id" && k != "creation_date" && k != "resolution_date" && (k != "data" || v != nil) {
			e[k] = v
		}
	}
	switch now := text(e, "resolution"); {
	case now == "UNRESOLVED":
		delete(e, "resolution_date")
	case now != was:
		e["resolution_date"] = dateTime(w.tick)
	}
}

func (w *world) eventsChanged(p *profile, by actor, action string, events []object) {
	p.Modified = w.tick
	w.audit(p, by, action, nil)
	w.emit(p, by, "EVENTS_UPDATED", object{"events": eventsForWebhook(events)})
	w.review(p)
}
