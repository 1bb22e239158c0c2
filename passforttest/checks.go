package passforttest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// checkRoutes are the operations on checks.
func checkRoutes() []*route {
	return []*route{
		{Operation: "Checks.List", Method: get, Path: onProfile + "/checks",
			handle: withProfile((*world).listChecks)},
		{Operation: "Checks.Run", Method: post, Path: onProfile + "/checks",
			handle: withBoth((*world).runCheck), creates: true},
		{Operation: "Checks.Get", Method: get, Path: onProfile + "/checks/{check_id}",
			handle: below("check", (*profile).check, (*world).getCheck)},
		{Operation: "Checks.SetTasks", Method: post, Path: onProfile + "/checks/{check_id}",
			handle: belowWithObject("check", (*profile).check, (*world).setCheckTasks)},
		{Operation: "Checks.Approve", Method: post, Path: onProfile + "/checks/{check_id}/approve",
			handle: below("check", (*profile).check, (*world).approveCheck)},
		{Operation: "Checks.Reject", Method: post, Path: onProfile + "/checks/{check_id}/reject",
			handle: below("check", (*profile).check, (*world).rejectCheck)},
	}
}

const providerName = "Simulated provider"

type check struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	VariantID    string          `json:"variant_id"`
	VariantAlias string          `json:"variant_alias"`
	VariantName  string          `json:"variant_name"`
	State        string          `json:"state"`
	Result       string          `json:"result,omitempty"`
	Decision     string          `json:"decision,omitempty"`
	Instructed   time.Time       `json:"instructed"`
	Completed    time.Time       `json:"completed,omitzero"`
	RunsAt       time.Time       `json:"runs_at,omitzero"`
	DueAt        time.Time       `json:"due_at,omitzero"`
	Tasks        []string        `json:"tasks"`
	Errors       []ErrorObject   `json:"errors,omitempty"`
	Input        json.RawMessage `json:"input,omitempty"`
	Output       json.RawMessage `json:"output,omitempty"`
	External     bool            `json:"external,omitempty"`
	Extra        object          `json:"extra,omitempty"` // what the caller sent and gets back
	Outcome      outcome         `json:"outcome"`
	Findings     []string        `json:"findings,omitempty"`
	Tried        []string        `json:"tried,omitempty"` // names of the variants before this one
}

// checkKind is what a check type is for.
type checkKind struct {
	entity string   // "" for both
	tasks  []string // parts of the names of task types it serves
	needs  []string // members its request must have
}

// checkKinds returns the known check types (docs/api/checks.md#the-check).
func checkKinds() map[string]checkKind {
	const person, company = "INDIVIDUAL", "COMPANY"
	screening := []string{"_ASSESS_POLITICAL", "_ASSESS_SANCTIONS", "_ASSESS_MEDIA"}
	registry := []string{"COMPANY_VERIFY_IDENTITY", "COMPANY_IDENTIFY_", "COMPANY_VERIFY_ADDRESS"}
	document := []string{"document_id"}
	return map[string]checkKind{
		"IDENTITY_CHECK": {person, []string{"INDIVIDUAL_VERIFY_IDENTITY",
			"INDIVIDUAL_VERIFY_ADDRESS"}, nil},
		"DOCUMENT_VERIFICATION": {person, []string{"INDIVIDUAL_VERIFY_IDENTITY"}, document},
		"DOCUMENT_FETCH": {person, []string{"INDIVIDUAL_VERIFY_IDENTITY"},
			[]string{"source", "reference"}},
		"DOCUMENT_CAPTURE":              {person, []string{"INDIVIDUAL_VERIFY_IDENTITY"}, nil},
		"PEPS_AND_SANCTIONS_SCREEN":     {person, screening, nil},
		"CRA_BANK_ACCOUNT_VERIFICATION": {"", []string{"_VERIFY_BANK_ACCOUNT"}, nil},
		"DEVICE_FRAUD_DETECTION": {person, []string{"_ASSESS_DEVICE_REPUTATION"},
			[]string{"device_metadata"}},
		"VISA_CHECK": {person, []string{"_VERIFY_IMMIGRATION_STATUS"},
			[]string{"document_metadata"}},
		"FRAUD_SCREENING":            {person, []string{"INDIVIDUAL_FRAUD_SCREENING"}, nil},
		"GEOCODING":                  {"", []string{"_VERIFY_ADDRESS"}, nil},
		"INDIVIDUAL_MANUAL_FORM":     {person, []string{"INDIVIDUAL_MANUAL_TASK"}, []string{"form_id"}},
		"INDIVIDUAL_CUSTOM":          {person, []string{"INDIVIDUAL_MANUAL_TASK"}, nil},
		"COMPANY_REGISTRY":           {company, registry, nil},
		"COMPANY_DATA":               {company, registry, nil},
		"COMPANY_CHARITIES_REGISTRY": {company, []string{"COMPANY_VERIFY_CHARITY"}, nil},
		"COMPANY_OWNERSHIP": {company, []string{"COMPANY_IDENTIFY_BENEFICIAL_OWNERS",
			"COMPANY_ASSESS_OWNERSHIP"}, nil},
		"COMPANY_FILINGS":                   {company, []string{"COMPANY_REVIEW_FILINGS"}, nil},
		"COMPANY_FILING_PURCHASE":           {company, []string{"COMPANY_REVIEW_FILINGS"}, []string{"source_id"}},
		"COMPANY_PEPS_AND_SANCTIONS_SCREEN": {company, screening, nil},
		"COMPANY_DOCUMENT_VERIFICATION":     {company, []string{"COMPANY_VERIFY_IDENTITY"}, document},
		"COMPANY_FRAUD_SCREENING":           {company, []string{"COMPANY_FRAUD_SCREENING"}, nil},
		"COMPANY_MERCHANT_FRAUD_SCREENING":  {company, []string{"COMPANY_MERCHANT_FRAUD_SCREENING"}, nil},
		"COMPANY_MANUAL_FORM":               {company, []string{"COMPANY_MANUAL_TASK"}, []string{"form_id"}},
		"COMPANY_CUSTOM":                    {company, []string{"COMPANY_MANUAL_TASK"}, nil},
	}
}

func (k checkKind) serves(taskType string) bool {
	return slices.ContainsFunc(k.tasks, func(part string) bool { return strings.Contains(taskType, part) })
}

func (p *profile) check(id string) *check {
	return find(p.Checks, func(c *check) bool { return c.ID == id })
}

func (c *check) variantWire() object {
	return object{"id": c.VariantID, "name": c.VariantName, "alias": c.VariantAlias}
}

// completion returns the payload of the webhook of a complete check.
func (c *check) completion() object {
	return object{"check": object{
		"id": c.ID, "check_type": c.Type, "result": c.Result, "decision": c.Decision, "variant": c.variantWire(),
	}}
}

func (c *check) wire() object {
	o := object{}
	for k, v := range c.Extra {
		o[k] = v
	}
	o["id"], o["check_type"], o["state"], o["variant"] = c.ID, c.Type, c.State, c.variantWire()
	o["task_ids"], o["instructed_externally"] = orEmpty(c.Tasks), c.External
	at := dateTime(c.Instructed)
	o["instructed_on"], o["performed_on"], o["started_on"], o["providers"] = at, at, at, []any{}
	if c.State != "COMPLETE" {
		return o
	}
	o["result"], o["decision"], o["errors"] = c.Result, c.Decision, orEmpty(c.Errors)
	o["completed_on"], o["performed_on"] = dateTime(c.Completed), dateTime(c.Completed)
	o["input_data"], o["output_data"] = c.Input, c.Output
	providers := []object{}
	for _, variant := range append(slices.Clone(c.Tried), c.VariantName) {
		providers = append(providers, object{
			"provider_name": providerName, "is_monitored": screens(c.Type) && c.Extra["disable_monitoring"] != true,
			"variant_name": variant, "instructed_on": at, "primary": variant == c.VariantName,
		})
	}
	o["providers"] = providers
	return o
}

func (w *world) checksWire(p *profile) []object {
	out := []object{}
	for _, c := range p.Checks {
		out = append(out, c.wire())
	}
	return out
}

func (w *world) listChecks(_ *call, p *profile) (*reply, error) {
	return ok(ordered(w, w.checksWire(p))), nil
}

func (w *world) getCheck(_ *call, _ *profile, ch *check) (*reply, error) {
	return ok(ch.wire()), nil
}

// runCheck begins a check and asks the provider. In sync mode it holds the answer until the provider is
// done or the limit has passed.
func (w *world) runCheck(c *call, p *profile, body object) (*reply, error) {
	ch, until, err := w.startCheck(c, p, body)
	if err != nil {
		return nil, err
	}
	return w.held(ch, until), nil
}

// held answers with a check at the given time, or later as long as a waterfall goes on
// within the limit.
func (w *world) held(ch *check, until time.Time) *reply {
	return &reply{until: until, then: func(w *world) *reply {
		if until.IsZero() || ch.State == "COMPLETE" || !ch.DueAt.After(until) ||
			ch.DueAt.After(ch.Instructed.Add(w.cfg.syncLimit)) {
			return ok(ch.wire())
		}
		return w.held(ch, ch.DueAt)
	}}
}

func (w *world) startCheck(c *call, p *profile, body object) (*check, time.Time, error) {
	var never time.Time
	ch, err := w.wantedCheck(p, body)
	if err != nil {
		return nil, never, err
	}
	mode := c.query.Get("mode")
	switch mode {
	case "sync", "async":
	case "":
		mode = "async"
		if ch.Type == "IDENTITY_CHECK" {
			mode = "sync"
		}
	default:
		return nil, never, invalid("mode is neither sync nor async")
	}
	if ch.External {
		w.addCheck(p, ch, byKey(c))
		w.complete(p, ch, ch.Outcome)
		return ch, never, nil
	}
	if w.cfg.chargeable > 0 && w.charged() >= w.cfg.chargeable {
		return nil, never, refuse(wrong, CodeChargeableLimitReached, "chargeable limit reached")
	}
	w.addCheck(p, ch, byKey(c))
	w.instruct(p, ch, mode == "sync")
	w.review(p)
	if mode == "async" {
		return ch, never, nil
	}
	hold := w.cfg.syncLimit
	if !ch.DueAt.IsZero() && ch.DueAt.Sub(w.tick) <= hold {
		return ch, ch.DueAt, nil
	}
	if w.cfg.syncHold > 0 {
		hold = w.cfg.syncHold
	}
	return ch, w.tick.Add(hold), nil
}

// wantedCheck reads a check request.
func (w *world) wantedCheck(p *profile, body object) (*check, error) {
	ch := &check{Type: text(body, "check_type"), State: "PENDING", Instructed: w.tick, Extra: object{}}
	if ch.Type == "" {
		return nil, missing("check_type")
	}
	kind, known := checkKinds()[ch.Type]
	if !known {
		return nil, invalid("unknown check type")
	}
	if kind.entity != "" && kind.entity != p.Summary.EntityType {
		return nil, invalid("the check type does not fit the profile")
	}
	for _, need := range kind.needs {
		if v := body[need]; v == nil || v == "" {
			return nil, missing(need)
		}
	}
	if id := text(body, "document_id"); id != "" && p.document(id) == nil {
		return nil, invalid("document_id names a document the profile does not have")
	}
	if err := w.checkTasks(p, ch, kind, body); err != nil {
		return nil, err
	}
	ref := child(body, "variant")
	ch.VariantAlias, ch.VariantID = text(ref, "alias"), text(ref, "id")
	if ch.VariantAlias == "" {
		ch.VariantAlias = "default"
	}
	if ch.VariantID == "" {
		ch.VariantID = nameID("check variant", ch.Type+" "+ch.VariantAlias)
	}
	ch.VariantName = title(ch.VariantAlias)
	ch.External, _ = body["instructed_externally"].(bool)
	if ch.External {
		result := text(body, "result")
		if result == "" {
			return nil, missing("result")
		}
		if known := resultsOf(ch.Type); !w.switches().Lenient && known != nil && !slices.Contains(known, result) {
			return nil, refuseProblems([]problem{{"/result", "is not a result of this type of check"}})
		}
		ch.Outcome = w.finished(ch.Type, outcome{Result: text(body, "result"), Output: body["output_data"]})
	}
	for k, v := range body {
		switch k {
		case "id", "check_type", "state", "variant", "task_ids", "result", "decision", "errors", "input_data",
			"output_data", "providers", "instructed_externally", "performed_on", "instructed_on", "started_on",
			"completed_on":
		default:
			ch.Extra[k] = v
		}
	}
	return ch, nil
}

// checkTasks fills in the tasks of a check: those asked for, or all it serves.
func (w *world) checkTasks(p *profile, ch *check, kind checkKind, body object) error {
	if v, there := body["task_ids"]; there && v != nil {
		ids, is := stringList(body, "task_ids")
		if !is {
			return invalid("task_ids is not a list of ids")
		}
		for _, id := range ids {
			switch t := p.task(id); {
			case t == nil:
				return invalid("task_ids names a task the profile does not have")
			case t.superseded() && !slices.Contains(ch.Tasks, id):
				return invalid("task_ids names a version of a task that was replaced")
			}
		}
		ch.Tasks = ids
		return nil
	}
	for _, t := range p.Tasks {
		if !t.superseded() && !t.Deleted && kind.serves(t.Type) {
			ch.Tasks = append(ch.Tasks, t.ID)
		}
	}
	return nil
}

func (w *world) addCheck(p *profile, ch *check, by actor) {
	ch.ID = w.newID()
	ch.Input = p.Data
	p.Checks = append(p.Checks, ch)
	p.Modified = w.tick
	for _, id := range ch.Tasks {
		t := p.task(id)
		t.Checks = append(t.Checks, ch.ID)
	}
	w.audit(p, by, "instructed-check", object{"check_id": ch.ID, "check_type": ch.Type})
}

// instruct sends a check to its provider, which is when it is charged. While the profile has
// collection steps it stays PENDING (docs/api/customer-requests.md#collection-steps).
func (w *world) instruct(p *profile, ch *check, atOnce bool) {
	if len(p.Steps) > 0 {
		return
	}
	ch.Outcome = w.chooseOutcome(p, ch)
	ch.Findings = ch.Outcome.findings
	w.charge(ch.Type)
	if atOnce {
		ch.State = "RUNNING"
	} else {
		ch.RunsAt = w.tick.Add(ch.Outcome.After / 4)
	}
	if !ch.Outcome.Never {
		ch.DueAt = w.tick.Add(ch.Outcome.After)
	}
	w.schedule(p.ID, ch)
}

func (w *world) schedule(profileID string, ch *check) {
	id := ch.ID
	open := func() (*profile, *check) {
		if p := w.waiting(profileID); p != nil {
			if ch := p.check(id); ch != nil && ch.State != "COMPLETE" {
				return p, ch
			}
		}
		return nil, nil
	}
	if ch.State == "PENDING" && !ch.RunsAt.IsZero() {
		w.at(ch.RunsAt, func() {
			if _, ch := open(); ch != nil {
				ch.State = "RUNNING"
			}
		})
	}
	if !ch.DueAt.IsZero() {
		w.at(ch.DueAt, func() {
			if p, ch := open(); ch != nil && !w.nextVariant(p, ch) {
				w.complete(p, ch, ch.Outcome)
			}
		})
	}
}

// nextVariant hands a check that did not pass on to the next variant of its
// waterfall, which is charged as well, and reports whether there was one.
func (w *world) nextVariant(p *profile, ch *check) bool {
	if !slices.Contains([]string{"FAIL", "ERROR", "PARTIAL"}, ch.Outcome.Decision) {
		return false
	}
	variants := w.cfg.waterfalls[ch.Type]
	i := slices.Index(variants, ch.VariantAlias) + 1
	if i == 0 || i == len(variants) {
		return false
	}
	ch.Tried = append(ch.Tried, ch.VariantName)
	ch.VariantAlias, ch.VariantName = variants[i], title(variants[i])
	ch.VariantID = nameID("check variant", ch.Type+" "+ch.VariantAlias)
	ch.State, ch.RunsAt, ch.DueAt = "PENDING", time.Time{}, time.Time{}
	w.instruct(p, ch, true)
	return true
}

// complete ends a check and applies what follows from it.
func (w *world) complete(p *profile, ch *check, o outcome) {
	if o.findings == nil {
		o.findings = ch.Findings
	}
	ch.State, ch.Result, ch.Decision, ch.Errors, ch.Completed = "COMPLETE", o.Result, o.Decision, o.Errors, w.tick
	if o.Output == nil {
		o.Output = w.outputFor(p, ch, o)
	}
	ch.Output = compact(encode(o.Output)) // an Outcome may have JSON that is not
	p.Modified = w.tick
	w.audit(p, actor{}, "updated-check", object{"check_id": ch.ID})
	w.emitBare(p, "CHECK_COMPLETED", ch.completion())
	if screens(ch.Type) {
		w.addFindings(p, o.findings)
	}
	w.concludes(p, ch)
	w.review(p)
}

func (w *world) setCheckTasks(c *call, p *profile, ch *check, body object) (*reply, error) {
	if body["task_ids"] == nil {
		return nil, missing("task_ids")
	}
	if err := w.checkTasks(p, ch, checkKind{}, body); err != nil {
		return nil, err
	}
	for _, t := range p.Tasks {
		has, want := slices.Contains(t.Checks, ch.ID), slices.Contains(ch.Tasks, t.ID)
		switch {
		case want && !has:
			t.Checks = append(t.Checks, ch.ID)
		case has && !want:
			t.Checks = slices.DeleteFunc(t.Checks, func(id string) bool { return id == ch.ID })
		}
	}
	w.audit(p, byKey(c), "updated-check", object{"check_id": ch.ID})
	w.review(p)
	return ok(ch.wire()), nil
}

func (w *world) approveCheck(c *call, p *profile, ch *check) (*reply, error) {
	return w.judge(c, p, ch, "Pass")
}

func (w *world) rejectCheck(c *call, p *profile, ch *check) (*reply, error) {
	return w.judge(c, p, ch, "Fail")
}

// judge adds a check like an old one, with the result that a person gives.
func (w *world) judge(c *call, p *profile, old *check, result string) (*reply, error) {
	again := *old
	again.State, again.Instructed = "PENDING", w.tick
	again.Completed, again.RunsAt, again.DueAt = time.Time{}, time.Time{}, time.Time{}
	again.Tasks, again.Findings = slices.Clone(old.Tasks), []string{}
	if result == "Pass" && again.Type == "IDENTITY_CHECK" {
		result = "2+2"
	}
	w.addCheck(p, &again, byKey(c))
	w.complete(p, &again, w.finished(again.Type, outcome{Result: result}))
	return w.nothing(), nil
}

// CompleteCheck ends a check now, whatever its provider would have done. It
// fails if the check is unknown or complete.
func (s *Server) CompleteCheck(profileID, checkID string, o Outcome) error {
	words := o.checked()
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	ch := p.check(checkID)
	switch {
	case ch == nil:
		return notFound("check")
	case ch.State == "COMPLETE":
		return invalid("the check is complete")
	}
	ch.Findings = nil
	w.complete(p, ch, w.finished(ch.Type, words))
	return nil
}

// Charges returns how often each check type, and "address/format", was charged.
func (s *Server) Charges() map[string]int {
	w := s.world.enter()
	defer w.leave()
	out := map[string]int{}
	for k, n := range w.state.Charges {
		out[k] = n
	}
	return out
}

func (w *world) charged() int {
	n := 0
	for _, c := range w.state.Charges {
		n += c
	}
	return n
}
