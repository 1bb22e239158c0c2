package passforttest

import (
	"errors"
	"net/http"
	"slices"
	"time"
)

type webhooksView struct {
	URL              string
	Batching, Paused bool
	Last             int
	Watching         bool
	Waiting          int
	Since            string
	Pending, Sent    []webhookRow
	Attempts         []attemptRow
	Events           []string
	Profiles         []option
}

type webhookRow struct {
	ID, Event, Time, ProfileID, Data string
	Attempts                         int
}

type attemptRow struct {
	Time, What string
	Messages   int
	Status     int
	Took       time.Duration
}

// attempt is one delivery that was tried.
type attempt struct {
	at       time.Time
	event    string // of the first message
	id       string
	messages int
	status   int // 0 if there was no answer
	took     time.Duration
}

// attemptsKept is how many of them are remembered.
const attemptsKept = 200

// webhooks shows what waits and what was delivered last. The secret is not
// part of it.
func (a *admin) webhooks(w http.ResponseWriter, r *http.Request) {
	s := a.s
	s.enter()
	h := &s.hooks
	v := webhooksView{
		URL: withoutUser(h.url), Batching: h.batching, Paused: h.paused, Last: h.last, Waiting: len(h.queue),
		Watching: r.URL.Query().Get("watch") != "", Events: slices.Sorted(slices.Values(eventNames())),
	}
	if len(h.queue) > 0 {
		v.Since = dateTime(time.Unix(h.queue[0].Timestamp, 0))
	}
	for _, m := range h.queue[:min(len(h.queue), adminPage)] {
		v.Pending = append(v.Pending, webhookRowOf(m))
	}
	for _, m := range slices.Backward(h.delivered) {
		if len(v.Sent) == adminPage {
			break
		}
		v.Sent = append(v.Sent, webhookRowOf(&m))
	}
	for _, t := range slices.Backward(h.attempts) {
		if len(v.Attempts) == adminPage {
			break
		}
		v.Attempts = append(v.Attempts, attemptRow{dateTime(t.at), t.event + " " + short(t.id), t.messages, t.status,
			t.took.Round(time.Millisecond)})
	}
	for _, p := range slices.Backward(s.roster.page(max(0, s.roster.count-20), 20)) {
		v.Profiles = append(v.Profiles, option{Value: p.ID, Label: nameOf(p)})
	}
	s.leave()
	a.show(w, r, "webhooks", "Webhooks", v)
}

func nameOf(p *profile) string {
	if p.Summary.Name != "" {
		return p.Summary.Name
	}
	return "Profile " + short(p.ID)
}

func webhookRowOf(m *Webhook) webhookRow {
	return webhookRow{m.ID, m.Event, dateTime(time.Unix(m.Timestamp, 0)), m.ProfileID, indented(m.Data), m.Attempts}
}

func (a *admin) pause(w http.ResponseWriter, r *http.Request) {
	on := r.PostFormValue("paused") == "true"
	a.s.enter()
	a.s.hooks.paused = on
	a.s.changed()
	a.s.leave()
	what := "Deliveries go on"
	if on {
		what = "Deliveries are paused"
	}
	a.done(w, r, "webhooks", nil, what)
}

func (a *admin) sample(w http.ResponseWriter, r *http.Request) {
	event := r.PostFormValue("event")
	a.done(w, r, "webhooks", a.s.sendSample(r.PostFormValue("profile"), event), "A sample waits: "+event)
}

// sendSample queues a message of an event that did not happen, about what the
// profile has, with the members that a real one has.
func (s *Server) sendSample(profileID, event string) error {
	s.enter()
	defer s.leave()
	if !slices.Contains(eventNames(), event) {
		return errors.New("unknown event")
	}
	if s.hooks.url == "" {
		return errors.New("no endpoint is set")
	}
	p, err := s.profileByID(profileID)
	if err != nil {
		return err
	}
	if s.hooks.events != nil && !slices.Contains(s.hooks.events, event) {
		return errors.New("the event is not enabled")
	}
	switch data := s.sampleOf(p, event); event {
	case "CHECK_COMPLETED":
		s.emitBare(p, event, data)
	case "MANUAL_ACTION_REQUIRED", "PRODUCT_BADGE_CHANGED", "RISK_LEVEL_CHANGED", "RISK_SCORE_CHANGED":
		s.emit(p, actor{}, event, data)
	default:
		s.emit(p, s.portal(), event, data)
	}
	return nil
}

// sampleOf is the payload of such a message.
func (s *Server) sampleOf(p *profile, event string) object {
	application, product := s.nameID("sample", "application"), (&Product{ID: s.nameID("product", "sample"),
		Alias: "sample", Name: "Sample"}).short()
	if len(p.Applications) > 0 {
		a := p.Applications[0]
		application, product = a.ID, s.product(a).short()
	}
	t := &task{
		ID: s.nameID("sample", "task"), Type: p.Summary.EntityType + "_VERIFY_IDENTITY", Name: "Verify identity",
		Alias: "default", State: "COMPLETED_PASS",
	}
	if len(p.Tasks) > 0 {
		t = p.Tasks[0]
	}
	switch event {
	case "CHECK_COMPLETED":
		ch := &check{
			ID: s.nameID("sample", "check"), Type: "IDENTITY_CHECK", Result: "2+2", Decision: "PASS",
			VariantAlias: "default", VariantName: "Default",
		}
		if len(p.Checks) > 0 {
			ch = p.Checks[0]
		}
		return ch.completion()
	case "COLLECTED_DATA_CHANGED", "COLLECTED_DATA_UPDATED":
		return object{"old_data": p.Data, "new_data": p.Data}
	case "CUSTOMER_REQUEST_CHANGED":
		return object{
			"state": StateSent, "customer_request": object{"id": s.nameID("sample", "request"), "state": StateSent},
		}
	case "EVENTS_CREATED", "EVENTS_UPDATED":
		return object{
			"events": []object{
				{"id": s.nameID("sample", "event"), "resolution": "UNRESOLVED", "event_type": "PEP_FLAG"},
			},
		}
	case "FORM_STATE_CHANGED":
		return object{
			"customer_request_id": s.nameID("sample", "request"), "form": object{
				"id": s.nameID("sample", "form"), "name": "person", "state": StateCompleted,
			},
		}
	case "MANUAL_ACTION_REQUIRED":
		return object{"actions": s.manualActions(p)}
	case "PRODUCT_BADGE_CHANGED":
		return object{
			"application_id": application, "product": product, "old_flag": "AUTOMATING",
			"new_flag": "READY_FOR_DECISION",
		}
	case "PRODUCT_STATUS_CHANGED":
		return object{"application_id": application, "product": product, "new_status": "APPROVED"}
	case "PROFILE_STATUS_CHANGED":
		return object{"new_status": p.Status}
	case "RISK_LEVEL_CHANGED":
		return object{"application_id": application, "product": product, "old_level": "LOW", "new_level": "HIGH"}
	case "RISK_SCORE_CHANGED":
		return object{"application_id": application, "product": product, "old_score": 10, "new_score": 80}
	case "TASK_CREATED":
		return object{"task": t.short()}
	case "TASK_IS_COMPLETE_CHANGED":
		return object{"task": t.short(), "is_complete": t.complete()}
	case "TASK_STATE_CHANGED":
		return object{"task": t.short(), "new_state": t.State}
	}
	return object{}
}

func (a *admin) redeliver(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "webhooks", a.s.deliverAgain(r.PostFormValue("id")), "The message waits once more")
}

// deliverAgain queues a delivered message again, under its id.
func (s *Server) deliverAgain(id string) error {
	s.enter()
	defer s.leave()
	if s.hooks.url == "" {
		return errors.New("no endpoint is set")
	}
	for _, m := range slices.Backward(s.hooks.delivered) {
		if m.ID == id {
			again := m
			s.hooks.queue = append(s.hooks.queue, &again)
			s.changes.queued = append(s.changes.queued, &again)
			s.changed()
			return nil
		}
	}
	return notFound("delivered message")
}
