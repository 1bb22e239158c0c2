package passforttest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// formRoutes are the operations on customer requests.
func formRoutes() []*route {
	return []*route{
		{Operation: "Forms.CreateCustomerRequest", Method: post, Path: "/forms/profile/{profile_id}/customer_request",
			handle: withBoth((*world).createCustomerRequest), creates: true, master: true},
		{Operation: "Forms.CustomerRequest", Method: get, Path: "/forms/profile/{profile_id}/customer_request",
			handle: withProfile((*world).latestCustomerRequest)},
	}
}

// Flow is a flow template: the forms a customer request asks for.
type Flow struct {
	Alias string `json:"alias"`
	// Forms are shown one after the other. Nil is two plain forms for a person or
	// a company.
	Forms []Form `json:"forms"`
	// Lifetime is how long the request stays open. Default 30 days; the real
	// figure is not documented.
	Lifetime time.Duration `json:"lifetime,omitempty"`
	// Product is the alias of a product the profile applies for once the request
	// is completed.
	Product string `json:"product,omitempty"`
	// RedirectURL is where the applicant is sent then.
	RedirectURL string `json:"redirect_url,omitempty"`
}

// Form is one form of a flow.
type Form struct {
	Name   string  `json:"name"`
	Title  string  `json:"title"`
	Fields []Field `json:"fields"`
}

// Field is one question of a form. Its Path says where in the collected data
// the answer goes, with dots between members.
type Field struct {
	Path     string `json:"path"`
	Label    string `json:"label"`
	Type     string `json:"type,omitempty"` // an HTML input type; text if empty
	Required bool   `json:"required,omitempty"`
	// Autocomplete is the HTML autofill token of the input, such as "given-name".
	Autocomplete string `json:"autocomplete,omitempty"`
}

// oldest is how many years ago a date of birth may be.
const oldest = 130

// bounds returns the first and the last date that a field takes, empty for any:
// a date of birth is in the past.
func (f Field) bounds(now time.Time) (first, last string) {
	if f.Type != "date" || !strings.HasSuffix(f.Path, ".dob") {
		return "", ""
	}
	return now.AddDate(-oldest, 0, 0).Format(time.DateOnly), now.Format(time.DateOnly)
}

// The states of a customer request and of its forms (docs/api/customer-requests.md#states). A
// request is never CANCELLED.
const (
	StateSent      = "SENT"
	StateCompleted = "COMPLETED"
	StateExpired   = "EXPIRED"
	StateCancelled = "CANCELLED"
)

const requestLife = 30 * 24 * time.Hour

type formRequest struct {
	ID       string       `json:"id"`
	Flow     string       `json:"flow"` // alias
	Theme    string       `json:"theme"`
	Created  time.Time    `json:"created"`
	Expires  time.Time    `json:"expires"`
	State    string       `json:"state"`
	Forms    []*formState `json:"forms"`
	Redirect string       `json:"redirect,omitempty"`
	Product  string       `json:"product,omitempty"`
}

type formState struct {
	ID    string `json:"id"`
	Form  Form   `json:"form"`
	State string `json:"state"`
	Order int    `json:"order,omitempty"` // in which forms became terminal, from 1
}

// CustomerRequest is what the server knows about a customer request.
type CustomerRequest struct {
	ID, ProfileID, APIKey string
	FlowTemplate, Theme   string
	State                 string
	Forms                 []FormStatus
	CreatedOn, ExpiresOn  time.Time
	IsCompleted           bool
}

// FormStatus is one form of a customer request.
type FormStatus struct{ ID, Name, State string }

// overall derives the state of a request from its forms: SENT until all are
// terminal, then what the last one to become terminal is. A last form that was
// cancelled counts as the one before it, since a request has no such state; a
// request with nothing but cancelled forms is EXPIRED. Both are guesses.
func overall(forms []*formState) string {
	last, state := 0, StateExpired
	for _, f := range forms {
		switch {
		case f.State == StateSent:
			return StateSent
		case f.State != StateCancelled && f.Order > last:
			last, state = f.Order, f.State
		}
	}
	return state
}

func (w *world) addFlow(f Flow) *Flow {
	if old := find(w.state.Flows, func(o *Flow) bool { return o.Alias == f.Alias }); old != nil {
		*old = f
		w.changes.flows = append(w.changes.flows, old)
		return old
	}
	w.state.Flows = append(w.state.Flows, &f)
	w.changes.flows = append(w.changes.flows, &f)
	return &f
}

func defaultForms(entity string) []Form {
	if entity == "COMPANY" {
		return []Form{
			{Name: "company", Title: "Your company", Fields: []Field{
				{Path: "metadata.name", Label: "Legal name", Required: true, Autocomplete: "organization"},
				{Path: "metadata.number", Label: "Register number", Required: true},
				{Path: "metadata.country_of_incorporation", Label: "Country (three letters)"},
			}},
			{Name: "contact", Title: "How to reach the company", Fields: []Field{
				{Path: "metadata.contact_details.email", Label: "E-mail", Type: "email", Required: true,
					Autocomplete: "email"},
			}},
		}
	}
	return []Form{
		{Name: "person", Title: "About you", Fields: []Field{
			{Path: "personal_details.name.given_names", Label: "First names", Required: true,
				Autocomplete: "given-name"},
			{Path: "personal_details.name.family_name", Label: "Family name", Required: true,
				Autocomplete: "family-name"},
			{Path: "personal_details.dob", Label: "Date of birth", Type: "date", Required: true, Autocomplete: "bday"},
		}},
		{Name: "contact", Title: "How to reach you", Fields: []Field{
			{Path: "contact_details.email", Label: "E-mail", Type: "email", Required: true, Autocomplete: "email"},
			{Path: "contact_details.phone_number", Label: "Telephone", Type: "tel", Autocomplete: "tel"},
		}},
	}
}

func (p *profile) activeRequest() *formRequest {
	return find(p.Requests, func(r *formRequest) bool { return r.State == StateSent })
}

func (w *world) createCustomerRequest(c *call, p *profile, body object) (*reply, error) {
	alias, theme := text(child(body, "flow_template"), "alias"), text(child(body, "theme"), "alias")
	switch {
	case text(body, "type") == "":
		return nil, missing("type")
	case text(body, "type") != "FLOW":
		return nil, invalid("unknown type")
	case alias == "":
		return nil, missing("flow_template.alias")
	case p.activeRequest() != nil:
		return nil, refuse(conflicting, CodeDataPresent, "the profile has an active customer request")
	}
	flow := find(w.state.Flows, func(f *Flow) bool { return f.Alias == alias })
	if flow == nil {
		flow = w.addFlow(Flow{Alias: alias})
	}
	forms, life := flow.Forms, flow.Lifetime
	if forms == nil {
		forms = defaultForms(p.Summary.EntityType)
	}
	if life == 0 {
		life = requestLife
	}
	r := &formRequest{
		ID: w.newID(), Flow: alias, Theme: theme, Created: w.tick, Expires: w.tick.Add(life), State: StateSent,
		Redirect: flow.RedirectURL, Product: flow.Product,
	}
	for _, f := range forms {
		r.Forms = append(r.Forms, &formState{ID: w.newID(), Form: f, State: StateSent})
	}
	key := w.newKey()
	info := &keyInfo{Name: "Customer request", Kind: keyRequest, Profiles: []string{p.ID}, Request: r.ID}
	w.addKey(key, info)
	p.Requests = append(p.Requests, r)
	w.audit(p, byKey(c), "requested-data", object{"customer_request_id": r.ID})
	w.requestChanged(p, r, byKey(c))
	w.scheduleRequest(p.ID, r)
	w.review(p)
	o := r.wire()
	o["apikey"] = key
	if w.switches().RequestKeyObject {
		o["apikey"] = object{"name": info.Name, "key": key, "expiry": dateTime(r.Expires)}
	}
	return ok(o), nil
}

func (r *formRequest) wire() object {
	return object{
		"id": r.ID, "type": "FLOW", "flow_template": object{"alias": r.Flow}, "theme": object{"alias": r.Theme},
		"is_completed": r.State != StateSent,
	}
}

func (w *world) latestCustomerRequest(_ *call, p *profile) (*reply, error) {
	if len(p.Requests) == 0 {
		return nil, notFound("customer request")
	}
	return ok(p.Requests[len(p.Requests)-1].wire()), nil
}

func (w *world) requestChanged(p *profile, r *formRequest, by actor) {
	w.emit(p, by, "CUSTOMER_REQUEST_CHANGED", object{
		"state": r.State, "customer_request": object{"id": r.ID, "state": r.State},
	})
}

// scheduleRequest lets every open form expire when the request does.
func (w *world) scheduleRequest(profileID string, r *formRequest) {
	w.at(r.Expires, func() {
		p := w.waiting(profileID)
		if p == nil {
			return
		}
		if r := find(p.Requests, func(o *formRequest) bool { return o.ID == r.ID }); r != nil {
			for _, f := range r.Forms {
				w.endForm(p, r, f, StateExpired, actor{})
			}
		}
	})
}

// endForm moves a form to a terminal state and the request with it.
func (w *world) endForm(p *profile, r *formRequest, f *formState, state string, by actor) {
	if f.State != StateSent {
		return
	}
	f.State = state
	for _, o := range r.Forms {
		f.Order = max(f.Order, o.Order+1)
	}
	w.emit(p, by, "FORM_STATE_CHANGED", object{
		"customer_request_id": r.ID, "form": object{"id": f.ID, "name": f.Form.Name, "state": f.State},
	})
	now := overall(r.Forms)
	if now == r.State {
		return
	}
	r.State = now
	w.audit(p, by, "submitted-data", object{"customer_request_id": r.ID, "state": now})
	w.requestChanged(p, r, by)
	if now == StateCompleted && r.Product != "" {
		asked := object{"product": object{"alias": r.Product}}
		if want, err := w.wantedProduct(asked, p.Summary.EntityType); err == nil {
			w.apply(p, want.product, "", by)
		}
	}
	w.review(p)
}

// EndForm ends one form of a customer request: COMPLETED, EXPIRED or
// CANCELLED. With "" as the form it ends all that are open.
func (s *Server) EndForm(profileID, formID, state string) error {
	if !slices.Contains([]string{StateCompleted, StateExpired, StateCancelled}, state) {
		return invalid("not a terminal form state")
	}
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	for _, r := range p.Requests {
		for _, f := range r.Forms {
			if f.State == StateSent && (formID == "" || f.ID == formID) {
				w.endForm(p, r, f, state, portal())
				if formID != "" {
					return nil
				}
			}
		}
	}
	if formID != "" {
		return notFound("open form")
	}
	return nil
}

// CustomerRequests returns the customer requests of a profile, oldest first.
func (s *Server) CustomerRequests(profileID string) []CustomerRequest {
	w := s.world.enter()
	defer w.leave()
	p, err := w.look(profileID)
	if err != nil {
		return nil
	}
	var out []CustomerRequest
	for _, r := range p.Requests {
		o := CustomerRequest{
			ID: r.ID, ProfileID: p.ID, FlowTemplate: r.Flow, Theme: r.Theme, State: r.State,
			CreatedOn: r.Created, ExpiresOn: r.Expires, IsCompleted: r.State != StateSent,
		}
		for _, f := range r.Forms {
			o.Forms = append(o.Forms, FormStatus{f.ID, f.Form.Name, f.State})
		}
		for key, info := range w.state.Keys {
			if info.Request == r.ID {
				o.APIKey = key
			}
		}
		out = append(out, o)
	}
	return out
}

// visit calls do with the customer request of an id and its key. It returns what the
// form's script gets: the request after that. It takes the lock.
func (w *world) visit(requestID, key string, do func(*world, *profile, *formRequest) error) ([]byte, error) {
	w.enter()
	defer w.leave()
	p, r := w.requestOf(requestID, key)
	if r == nil {
		return nil, refuse(forbidden, CodeInvalidAPIKey, "no such customer request")
	}
	if err := do(w, p, r); err != nil {
		return nil, err
	}
	forms := []object{}
	for _, f := range r.Forms {
		fields := []visitorField{}
		for _, field := range f.Form.Fields {
			first, last := field.bounds(w.tick)
			fields = append(fields, visitorField{field, first, last})
		}
		forms = append(forms, object{
			"id": f.ID, "name": f.Form.Name, "title": f.Form.Title, "state": f.State, "fields": fields,
		})
	}
	return encode(object{"state": r.State, "theme": r.Theme, "redirect": r.Redirect, "forms": forms}), nil
}

// visitorField is a field as the form's script gets it.
type visitorField struct {
	Field

	Min string `json:"min,omitempty"`
	Max string `json:"max,omitempty"`
}

// requestOf finds a customer request by its id and key.
func (w *world) requestOf(id, key string) (*profile, *formRequest) {
	k := w.state.Keys[key]
	if k == nil || k.Kind != keyRequest || k.Request != id {
		return nil, nil
	}
	p := w.waiting(k.Profiles[0])
	if p == nil {
		return nil, nil
	}
	return p, find(p.Requests, func(r *formRequest) bool { return r.ID == id })
}

// submit takes the answers to one form and completes it.
func (w *world) submit(p *profile, r *formRequest, formID string, values map[string]string) error {
	f := find(r.Forms, func(f *formState) bool { return f.ID == formID })
	switch {
	case f == nil:
		return notFound("form")
	case f.State != StateSent:
		return refuse(conflicting, CodeDataPresent, "the form is closed")
	}
	data, err := decodeObject(p.Data)
	if err != nil {
		return err
	}
	known := maps.Clone(values)
	for _, field := range f.Form.Fields {
		v := strings.TrimSpace(values[field.Path])
		delete(known, field.Path)
		first, last := field.bounds(w.tick)
		switch {
		case v != "" && last != "" && (v < first || v > last):
			return invalid("the date must be from " + first + " to " + last)
		case v != "":
			setPath(data, strings.Split(field.Path, "."), v)
		case field.Required:
			return missing(field.Path)
		}
	}
	if len(known) > 0 {
		return invalid("the form does not ask for that")
	}
	raw, sum, err := w.storable(encode(data))
	if err != nil {
		return err
	}
	by := actor{key: "Customer request"}
	w.storeData(p, raw, sum, by)
	w.endForm(p, r, f, StateCompleted, by)
	return nil
}

func setPath(o object, path []string, value string) {
	for _, name := range path[:len(path)-1] {
		next := child(o, name)
		if next == nil {
			next = object{}
			o[name] = next
		}
		o = next
	}
	last := path[len(path)-1]
	if last == "given_names" {
		names := []any{}
		for _, n := range strings.Fields(value) {
			names = append(names, n)
		}
		o[last] = names
		return
	}
	o[last] = value
}
