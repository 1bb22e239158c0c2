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
	a.s.enter()
	if p, err := a.s.look(q.Get("profile")); err == nil {
		v.ProfileID, v.Name = p.ID, p.Summary.Name
	}
	a.s.leave()
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
	s := a.s
	s.mu.Lock()
	for _, f := range s.faults {
		row := armedRow{Operation: f.Operation, What: f.describe(), Left: "every call"}
		if f.left >= 0 {
			row.Left = fmt.Sprintf("%d", f.left)
		}
		v.Armed = append(v.Armed, row)
	}
	s.mu.Unlock()
	a.show(w, r, "faults", "Faults", v)
}

// describe says what a fault does.
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

type settingsView struct {
	Rows     []settingRow
	Switches []switchRow
	Limits   []string
	Products string
	Flows    string
	Outcomes []string
}

type settingRow struct{ Name, Value string }

type switchRow struct {
	Name    string
	On      bool
	Choices []option // of a switch that is no yes or no
	Text    string
	IsText  bool
}

// settings shows what the server is configured to do.
func (a *admin) settings(w http.ResponseWriter, r *http.Request) {
	s := a.s
	c := &s.cfg
	s.enter()
	v := settingsView{
		Rows: []settingRow{
			{"Institution", c.institution}, {"Name of the master key", c.apiKeyName},
			{"A check takes", c.checkTime.String()},
			{"A check in sync mode is held for", c.syncLimit.String()},
			{"An application automates for", c.automationTime.String()},
			{"Checks that may be charged", counted(c.chargeable)}, {"Body of a call", bytesOf(c.bodyLimit)},
			{"Image or file", bytesOf(c.imageLimit)}, {"Recorded requests", counted(c.recordLimit)},
			{"Messages of a batch", fmt.Sprint(c.webhookBatch)}, {"Time between batches", c.webhookPace.String()},
			{"Time before a message is sent again", c.webhookBackoff[0].String() + " to " +
				c.webhookBackoff[1].String()},
			{"Kept in a file", yesNo(s.journal != nil)},
		},
		Switches: switchRows(s.sw), Products: indented(encode(orEmpty(s.state.Products))),
		Flows: indented(encode(orEmpty(s.state.Flows))),
	}
	for _, name := range slices.Sorted(maps.Keys(c.limits)) {
		l := c.limits[name]
		v.Limits = append(v.Limits, fmt.Sprintf("%s: %d in %s", name, l.Requests, l.Per))
	}
	for _, name := range slices.Sorted(maps.Keys(s.outcome.queued)) {
		v.Outcomes = append(v.Outcomes, fmt.Sprintf("%s: %d", name, len(s.outcome.queued[name])))
	}
	s.leave()
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
	was := a.s.switches()
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

// create makes a profile of a name, as a call would.
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
	id, err := a.s.createAs(role, data, product)
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

// Reset makes the server as it was made: no profiles, keys, tags, charges, faults,
// programmed outcomes or waiting webhooks, with the products and flows it was
// configured with. Switches, the endpoint of webhooks, a function of DecideChecks and
// the clock stay. It may be repeated. The error is that of the journal of KeepIn.
func (s *Server) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.awaitCompaction()
	st := newState()
	st.Version = s.state.Version
	if err := s.adopt(st, s.tick, s.randomState()); err != nil {
		return fmt.Errorf("passforttest: reset: %w", err)
	}
	s.configure()
	s.faults, s.outcome.queued, s.buckets = nil, nil, map[string]*bucket{}
	s.hooks.queue, s.hooks.delivered, s.hooks.attempts, s.hooks.sent = nil, nil, nil, 0
	s.changes = changes{}
	if s.journal == nil {
		return nil
	}
	return s.journal.Rewrite(s.records())
}
