package passforttest

import (
	"errors"
	"slices"
	"time"

	"github.com/passfort-go/passfort"
)

// Webhook is one message on its way to the endpoint.
type Webhook struct {
	ID        string
	Event     string
	Timestamp int64 // Unix seconds
	ProfileID string
	Data      []byte // the data member, as JSON
	Attempts  int    // deliveries tried
}

// SetWebhook sets the endpoint that gets the messages of everything that
// happens from now on, the shared secret, and whether messages travel in
// batches. An empty url turns webhooks off and forgets what is queued.
//
// The secret is sent in the Authorization header and in every message. A message is sent again
// until it is answered with 200. Unless batching, one message is sent at a time, in order; a
// message that is not accepted holds up all after it (docs/api/webhooks.md#delivery).
func (s *Server) SetWebhook(url, secret string, batching bool) {
	w := s.world.enter()
	defer w.leave()
	w.changes.sent = append(w.changes.sent, w.out.configure(endpoint{url, secret, batching})...)
	w.changed()
	if url != "" {
		w.out.begin(w)
	}
}

// EnableWebhooks limits the events that are sent, as the portal does. Without
// names all are. An unknown name panics.
func (s *Server) EnableWebhooks(events ...string) {
	for _, event := range events {
		if !passfort.EventName(event).Known() {
			mustBe("event", event, eventNames())
		}
	}
	s.world.out.enable(events)
}

// PendingWebhooks returns the messages that were not acknowledged yet, in the
// order in which they wait.
func (s *Server) PendingWebhooks() []Webhook {
	w := s.world.enter()
	defer w.leave()
	return w.out.waiting()
}

// DeliveredWebhooks returns the newest acknowledged messages, oldest first. A
// message that was delivered twice is listed twice.
func (s *Server) DeliveredWebhooks() []Webhook {
	w := s.world.enter()
	defer w.leave()
	return w.out.acknowledged()
}

// eventNames returns the known events: suggestions for an unknown name, and samples to
// send.
func eventNames() []string {
	return []string{
		string(passfort.EventProductStatusChanged), string(passfort.EventCollectedDataUpdated),
		string(passfort.EventCollectedDataChanged),
		string(passfort.EventCheckCompleted), string(passfort.EventManualActionRequired),
		string(passfort.EventProductBadgeChanged), string(passfort.EventTaskCreated),
		string(passfort.EventTaskStateChanged),
		string(passfort.EventRiskLevelChanged), string(passfort.EventRiskScoreChanged),
		string(passfort.EventFormStateChanged),
		string(passfort.EventCustomerRequestChanged), string(passfort.EventEventsCreated),
		string(passfort.EventEventsUpdated),
		string(passfort.EventProfileStatusChanged), string(passfort.EventTaskIsCompleteChanged),
		string(passfort.EventCollectionStepsCompleted),
	}
}

// emit queues a message about a profile, with the members most payloads share.
func (w *world) emit(p *profile, by actor, event string, data object) {
	data["apikey"], data["user"] = by.keyValue(), by.userValue()
	w.emitBare(p, event, data)
}

// emitBare queues a message about a profile.
func (w *world) emitBare(p *profile, event string, data object) {
	if !w.out.wants(event) {
		return
	}
	data["profile_id"], data["customer_ref"] = p.ID, nullable(p.Summary.CustomerRef)
	w.queue(Webhook{ID: w.newID(), Event: event, Timestamp: w.tick.Unix(), ProfileID: p.ID, Data: encode(data)})
}

func (w *world) queue(m Webhook) {
	w.out.add(m)
	w.changes.queued = append(w.changes.queued, m)
	w.changed()
}

// noteDelivery records the answer to a batch. It takes the lock.
func (w *world) noteDelivery(batch []*Webhook, status int, took time.Duration) {
	w.mu.Lock()
	defer w.leave()
	w.changes.sent = append(w.changes.sent, w.out.settle(batch, status, w.clockNow(), took)...)
	w.changed()
}

// keepTime lets things happen when they are due, not only at the next call: a webhook
// is sent at once. It takes the lock.
func (w *world) keepTime() {
	var next time.Time
	var timer <-chan time.Time
	for {
		w.enter()
		moved := w.moved
		switch {
		case w.due.Len() == 0:
			next, timer = time.Time{}, nil
		case !w.due.items[0].at.Equal(next):
			next, timer = w.due.items[0].at, w.nextDue()
		}
		w.leave()
		select {
		case <-timer:
			next = time.Time{}
		case <-moved:
		case <-w.closed:
			return
		}
	}
}

// nextDue returns a channel that receives when the next thing is due, nil for never.
func (w *world) nextDue() <-chan time.Time {
	if w.due.Len() == 0 {
		return nil
	}
	return w.cfg.clock.After(w.due.items[0].at.Sub(w.tick))
}

// sendSample queues a message of an event that did not happen. It has the members of a
// real one, filled from the profile.
func (w *world) sendSample(profileID, event string) error {
	if !slices.Contains(eventNames(), event) {
		return errors.New("unknown event")
	}
	if !w.out.hasEndpoint() {
		return errors.New("no endpoint is set")
	}
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	if !w.out.wants(event) {
		return errors.New("the event is not enabled")
	}
	switch data := w.sampleOf(p, event); event {
	case "CHECK_COMPLETED":
		w.emitBare(p, event, data)
	case "MANUAL_ACTION_REQUIRED", "PRODUCT_BADGE_CHANGED", "RISK_LEVEL_CHANGED", "RISK_SCORE_CHANGED":
		w.emit(p, actor{}, event, data)
	default:
		w.emit(p, portal(), event, data)
	}
	return nil
}

// sampleOf returns the payload of a sample.
func (w *world) sampleOf(p *profile, event string) object {
	application, product := nameID("sample", "application"), (&Product{ID: nameID("product", "sample"),
		Alias: "sample", Name: "Sample"}).short()
	if len(p.Applications) > 0 {
		a := p.Applications[0]
		application, product = a.ID, w.product(a).short()
	}
	t := &task{
		ID: nameID("sample", "task"), Type: p.Summary.EntityType + "_VERIFY_IDENTITY", Name: "Verify identity",
		Alias: "default", State: "COMPLETED_PASS",
	}
	if len(p.Tasks) > 0 {
		t = p.Tasks[0]
	}
	switch event {
	case "CHECK_COMPLETED":
		ch := &check{
			ID: nameID("sample", "check"), Type: "IDENTITY_CHECK", Result: "2+2", Decision: "PASS",
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
			"state": StateSent, "customer_request": object{"id": nameID("sample", "request"), "state": StateSent},
		}
	case "EVENTS_CREATED", "EVENTS_UPDATED":
		return object{
			"events": []object{
				{"id": nameID("sample", "event"), "resolution": "UNRESOLVED", "event_type": "PEP_FLAG"},
			},
		}
	case "FORM_STATE_CHANGED":
		return object{
			"customer_request_id": nameID("sample", "request"), "form": object{
				"id": nameID("sample", "form"), "name": "person", "state": StateCompleted,
			},
		}
	case "MANUAL_ACTION_REQUIRED":
		return object{"actions": w.manualActions(p)}
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

// deliverAgain queues a delivered message again, under its id.
func (w *world) deliverAgain(id string) error {
	if !w.out.hasEndpoint() {
		return errors.New("no endpoint is set")
	}
	for _, m := range slices.Backward(w.out.acknowledged()) {
		if m.ID == id {
			w.queue(m)
			return nil
		}
	}
	return notFound("delivered message")
}
