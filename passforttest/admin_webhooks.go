package passforttest

import (
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

// webhooks shows what waits and what was delivered last. The secret is not
// part of it.
func (a *admin) webhooks(w http.ResponseWriter, r *http.Request) {
	v := a.s.world.out.view()
	v.Watching, v.Events = r.URL.Query().Get("watch") != "", slices.Sorted(slices.Values(eventNames()))
	v.Profiles = a.s.world.newest(20)
	a.show(w, r, "webhooks", "Webhooks", v)
}

// view is what the page shows of the queue.
func (d *deliveries) view() webhooksView {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := webhooksView{
		URL: withoutUser(d.endpoint.url), Batching: d.endpoint.batching, Paused: d.paused, Last: d.last,
		Waiting: len(d.queue),
	}
	if len(d.queue) > 0 {
		v.Since = dateTime(time.Unix(d.queue[0].Timestamp, 0))
	}
	for _, m := range d.queue[:min(len(d.queue), adminPage)] {
		v.Pending = append(v.Pending, webhookRowOf(m))
	}
	for _, m := range slices.Backward(d.delivered) {
		if len(v.Sent) == adminPage {
			break
		}
		v.Sent = append(v.Sent, webhookRowOf(&m))
	}
	for _, t := range slices.Backward(d.attempts) {
		if len(v.Attempts) == adminPage {
			break
		}
		v.Attempts = append(v.Attempts, attemptRow{
			dateTime(t.at), t.event + " " + short(t.id), t.messages, t.status, t.took.Round(time.Millisecond),
		})
	}
	return v
}

// about is what the page of a profile shows of the queue: the messages about it among
// those that wait in front, and the newest that were acknowledged.
func (d *deliveries) about(profileID string) (pending, sent []webhookRow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.queue[:min(len(d.queue), 20*adminPage)] {
		if m.ProfileID == profileID && len(pending) < adminPage {
			pending = append(pending, webhookRowOf(m))
		}
	}
	for _, m := range slices.Backward(d.delivered) {
		if m.ProfileID == profileID && len(sent) < adminPage {
			sent = append(sent, webhookRowOf(&m))
		}
	}
	return pending, sent
}

// newest returns the newest profiles to choose from. It takes the lock.
func (w *world) newest(n int) []option {
	w.enter()
	defer w.leave()
	var out []option
	for _, p := range slices.Backward(w.roster.page(max(0, w.roster.count-n), n)) {
		out = append(out, option{Value: p.ID, Label: nameOf(p)})
	}
	return out
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
	a.s.world.out.pause(on)
	what := "Deliveries go on"
	if on {
		what = "Deliveries are paused"
	}
	a.done(w, r, "webhooks", nil, what)
}

func (a *admin) sample(w http.ResponseWriter, r *http.Request) {
	event := r.PostFormValue("event")
	err := a.s.world.change(func(w *world) error { return w.sendSample(r.PostFormValue("profile"), event) })
	a.done(w, r, "webhooks", err, "A sample waits: "+event)
}

func (a *admin) redeliver(w http.ResponseWriter, r *http.Request) {
	err := a.s.world.change(func(w *world) error { return w.deliverAgain(r.PostFormValue("id")) })
	a.done(w, r, "webhooks", err, "The message waits once more")
}
