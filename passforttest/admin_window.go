package passforttest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// window registers the pages beside profiles: calls, faults, webhooks, settings.
func (a *admin) window(mux *http.ServeMux) {
	mux.HandleFunc("GET "+AdminPath+"calls", a.calls)
	mux.HandleFunc("GET "+AdminPath+"faults", a.faults)
	mux.HandleFunc("POST "+AdminPath+"faults", a.arm)
	mux.HandleFunc("POST "+AdminPath+"faults/clear", a.disarm)
	mux.HandleFunc("GET "+AdminPath+"webhooks", a.webhooks)
	mux.HandleFunc("POST "+AdminPath+"webhooks/pause", a.pause)
	mux.HandleFunc("POST "+AdminPath+"webhooks/sample", a.sample)
	mux.HandleFunc("POST "+AdminPath+"webhooks/redeliver", a.redeliver)
	mux.HandleFunc("GET "+AdminPath+"settings", a.settings)
	mux.HandleFunc("POST "+AdminPath+"switches", a.setSwitches)
	mux.HandleFunc("POST "+AdminPath+"profiles", a.create)
	mux.HandleFunc("POST "+AdminPath+"reset", a.reset)
}

type callsView struct {
	Calls             []shownCall
	Statuses          []option
	Watching          bool
	ProfileID, Name   string
	Watch, Still, All string
}

// option is one choice of a list.
type option struct {
	Value, Label string
	Chosen       bool
}

// calls shows the log, of one profile or one class of statuses if asked to.
func (a *admin) calls(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	v := callsView{Watching: q.Get("watch") != "", All: AdminPath + "calls"}
	class := ""
	for _, o := range []option{
		{Label: "every status"}, {Value: "2", Label: "2xx"}, {Value: "4", Label: "4xx"}, {Value: "429", Label: "429"},
		{Value: "5", Label: "5xx"}, {Value: "0", Label: "dropped"},
	} {
		if o.Value == q.Get("status") {
			o.Chosen, class = true, o.Value
		}
		v.Statuses = append(v.Statuses, o)
	}
	v.ProfileID, v.Name = a.s.world.called(q.Get("profile"))
	v.Calls = a.s.calls.newest(func(c *shownCall) bool {
		return (class == "" || strings.HasPrefix(fmt.Sprint(c.Status), class)) &&
			(v.ProfileID == "" || c.ProfileID == v.ProfileID)
	})
	v.Calls = v.Calls[:min(len(v.Calls), 2*adminPage)]
	v.Still = AdminPath + "calls?status=" + class + "&profile=" + v.ProfileID
	v.Watch = v.Still + "&watch=1"
	a.show(w, r, "calls", "Calls", v)
}

type faultsView struct {
	Operations []string
	Kinds      []option
	Armed      []armedRow
}

type armedRow struct{ Operation, What, Left string }

// faultKinds are the faults that the pages offer.
func faultKinds() []option {
	return []option{
		{Value: "before", Label: "drop the connection before the write"},
		{Value: "after", Label: "drop the connection after the write"},
		{Value: "429", Label: "answer 429"}, {Value: "502", Label: "answer 502"},
		{Value: "500", Label: "answer 500 after the write"},
		{Value: "delay", Label: "delay by 5 seconds"}, {Value: "stale", Label: "another writer was there: 412"},
	}
}

func (a *admin) faults(w http.ResponseWriter, r *http.Request) {
	v := faultsView{Operations: Operations(), Kinds: faultKinds()}
	v.Armed = a.s.faults.rows()
	a.show(w, r, "faults", "Faults", v)
}

// rows lists the armed faults.
func (l *faults) rows() []armedRow {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rows []armedRow
	for _, f := range l.armed {
		row := armedRow{Operation: f.Operation, What: f.describe(), Left: "every call"}
		if f.left >= 0 {
			row.Left = fmt.Sprintf("%d", f.left)
		}
		rows = append(rows, row)
	}
	return rows
}

// describe returns what a fault does, in words.
func (f *Fault) describe() string {
	var parts []string
	add := func(is bool, what string) {
		if is {
			parts = append(parts, what)
		}
	}
	add(f.Delay > 0, "delay by "+f.Delay.String())
	add(f.DropBeforeWrite, "drop before the write")
	add(f.DropAfterWrite, "drop after the write")
	add(f.Status != 0, "answer "+fmt.Sprint(f.Status))
	add(f.AfterWrite, "after the write")
	add(f.StaleETag, "another writer: 412")
	add(f.Truncate, "half an answer")
	add(f.Trickle > 0, "a slow answer")
	add(f.Gzip, "compressed")
	return strings.Join(parts, ", ")
}

func (a *admin) arm(w http.ResponseWriter, r *http.Request) {
	f := Fault{Operation: r.PostFormValue("operation"), Times: 1}
	var err error
	if f.Operation != "" && !slices.Contains(Operations(), f.Operation) {
		err = errors.New("unknown operation")
	}
	switch r.PostFormValue("kind") {
	case "before":
		f.DropBeforeWrite = true
	case "after":
		f.DropAfterWrite = true
	case "429":
		f.Status = http.StatusTooManyRequests
	case "502":
		f.Status = http.StatusBadGateway
	case "500":
		f.Status, f.AfterWrite = http.StatusInternalServerError, true
	case "delay":
		f.Delay = 5 * time.Second
	case "stale":
		f.Operation, f.StaleETag = opReplace, true
	default:
		err = errors.New("unknown fault")
	}
	if n := r.PostFormValue("times"); n != "" && n != "1" {
		if _, bad := fmt.Sscanf(n, "%d", &f.Times); bad != nil || f.Times < 1 || f.Times > 1000 {
			err = errors.New("a fault hits 1 to 1,000 calls")
		}
	}
	if err == nil {
		a.s.Inject(f)
	}
	a.done(w, r, "faults", err, "Armed: "+f.describe())
}

func (a *admin) disarm(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "faults", nil, fmt.Sprintf("%d faults disarmed", a.s.ClearFaults()))
}

type switchRow struct {
	Name    string
	On      bool
	Choices []option // of a switch that is neither on nor off
	Text    string
	IsText  bool
}

// settings shows what the server is configured to do.
func (a *admin) settings(w http.ResponseWriter, r *http.Request) {
	c := &a.s.cfg
	v := settingsView{
		Rows: []settingRow{
			{"Institution", c.institution}, {"Name of the master key", c.apiKeyName},
			{"A check takes", c.checkTime.String()},
			{"A check in sync mode is held for", c.syncLimit.String()},
			{"An application automates for", c.automationTime.String()},
			{"Checks that may be charged", counted(c.chargeable)}, {"Body of a call", bytesOf(c.bodyLimit)},
			{"Image or file", bytesOf(c.imageLimit)}, {"Recorded requests", counted(c.recordLimit)},
			{"Messages of a batch", fmt.Sprint(c.delivery.batch)}, {"Time between batches", c.delivery.pace.String()},
			{"Time before a message is sent again", c.delivery.shortest.String() + " to " +
				c.delivery.longest.String()},
		},
	}
	a.s.world.settings(&v)
	for _, name := range slices.Sorted(maps.Keys(c.limits)) {
		l := c.limits[name]
		v.Limits = append(v.Limits, fmt.Sprintf("%s: %d in %s", name, l.Requests, l.Per))
	}
	a.show(w, r, "settings", "Settings", v)
}

func counted(n int) string {
	if n == 0 {
		return "none set"
	}
	return fmt.Sprint(n)
}

func bytesOf(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// switchRows lists the switches as a form shows them.
func switchRows(sw Switches) []switchRow {
	var rows []switchRow
	v := reflect.ValueOf(sw)
	for _, f := range reflect.VisibleFields(v.Type()) {
		row := switchRow{Name: f.Name}
		switch value := v.FieldByIndex(f.Index); {
		case f.Type.Kind() == reflect.Bool:
			row.On = value.Bool()
		case f.Type.Kind() == reflect.String:
			row.IsText, row.Text = true, value.String()
		default:
			for i, label := range switchChoices(f.Name) {
				row.Choices = append(row.Choices, option{fmt.Sprint(i), label, int64(i) == value.Int()})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func switchChoices(name string) []string {
	if name == "ListOrder" {
		return []string{"oldest first", "newest first", "shuffled"}
	}
	return []string{"a list", "an object with events", "one at a time"}
}

func (a *admin) setSwitches(w http.ResponseWriter, r *http.Request) {
	var sw Switches
	was := a.s.world.switches()
	v := reflect.ValueOf(&sw).Elem()
	var err error
	for _, f := range reflect.VisibleFields(v.Type()) {
		sent := r.PostFormValue(f.Name)
		switch field := v.FieldByIndex(f.Index); f.Type.Kind() {
		case reflect.Bool:
			field.SetBool(sent == "on")
		case reflect.String:
			if sent != "" && sent != was.CollectedDataEvent && !slices.Contains(eventNames(), sent) {
				err = errors.New("unknown event")
			}
			field.SetString(sent)
		default:
			choice := slices.Index([]string{"0", "1", "2"}, sent)
			if choice < 0 {
				err = errors.New("unknown choice")
			}
			field.SetInt(int64(max(choice, 0)))
		}
	}
	if err == nil {
		a.s.SetSwitches(sw)
	}
	a.done(w, r, "settings", err, "The switches are set")
}

// create creates a profile with a name, as a call would.
func (a *admin) create(w http.ResponseWriter, r *http.Request) {
	role, name, product := r.PostFormValue("role"), strings.TrimSpace(r.PostFormValue("name")), strings.TrimSpace(
		r.PostFormValue("product"),
	)
	entity := entityOf(role)
	if entity == "" {
		a.done(w, r, "", invalid("unknown role"), "")
		return
	}
	data := object{"entity_type": entity}
	words := strings.Fields(name)
	switch {
	case name == "":
	case entity == "COMPANY":
		data["metadata"] = object{"name": name}
	default:
		given := words[:len(words)-1]
		data["personal_details"] = object{
			"name": object{"given_names": orEmpty(given), "family_name": words[len(words)-1]},
		}
	}
	id := ""
	err := a.s.world.change(func(w *world) (err error) {
		id, err = w.createAs(role, data, product)
		return err
	})
	if err != nil {
		a.done(w, r, "", err, "")
		return
	}
	a.done(w, r, "profiles/"+id, nil, "The profile was created")
}

func (a *admin) reset(w http.ResponseWriter, r *http.Request) {
	err := errors.New("tick the box: every profile will be gone")
	if r.PostFormValue("sure") == "on" {
		err = a.s.Reset()
	}
	a.done(w, r, "", err, "Profiles, keys, tags, faults, programmed outcomes and waiting webhooks are gone")
}

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

// view returns what the page shows of the queue.
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

// about returns the messages about a profile: some of those that wait, and the newest
// acknowledged ones.
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
