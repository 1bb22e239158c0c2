package passforttest

import (
	"bytes"
	"slices"
	"time"
)

// applicationRoutes are the operations on applications.
func applicationRoutes() []*route {
	return []*route{
		{Operation: "Applications.List", Method: get, Path: onProfile + "/applications",
			handle: withProfile((*world).listApplications)},
		{Operation: "Applications.Create", Method: post, Path: onProfile + "/applications",
			handle: withBoth((*world).createApplication), creates: true},
		{Operation: "Applications.Get", Method: get, Path: onProfile + "/applications/{application_id}",
			handle: below("application", (*profile).application, (*world).getApplication)},
		{Operation: "Applications.SetStatus", Method: post, Path: onProfile + "/applications/{application_id}",
			handle: belowWithObject("application", (*profile).application, (*world).setApplicationStatus)},
		{Operation: "Applications.RevertDecision", Method: post,
			Path:   onProfile + "/applications/{application_id}/revert_decision",
			handle: below("application", (*profile).application, (*world).revertDecision)},
	}
}

type application struct {
	ID          string       `json:"id"`
	Product     string       `json:"product"` // id
	Role        string       `json:"role,omitempty"`
	Status      string       `json:"status"`
	Flag        string       `json:"flag"`
	Tasks       []string     `json:"tasks"` // ids of required tasks
	History     []statusStep `json:"history"`
	FlagHistory []flagStep   `json:"flag_history"`
	Hidden      bool         `json:"hidden,omitempty"`
	Automating  bool         `json:"automating,omitempty"`
	Reopened    bool         `json:"reopened,omitempty"` // the smart policy put it in review
	Escalation  escalation   `json:"escalation,omitempty"`
	Risk        *float64     `json:"risk,omitempty"`
	RiskDate    time.Time    `json:"risk_date,omitzero"`
	WillExpire  time.Time    `json:"will_expire,omitzero"`
}

type statusStep struct {
	Status     string `json:"status"`
	Date       string `json:"date"`
	Decisioner *User  `json:"decisioner"`
	Comment    string `json:"comment,omitempty"`
}

type flagStep struct {
	Status string `json:"status"`
	Flag   string `json:"flag"`
	Date   string `json:"date"`
}

// mayBecome reports whether an application may go from one status to another
// (docs/api/applications.md#apply).
func mayBecome(from, to string) bool {
	switch from {
	case "APPLIED":
		return to == "APPROVED" || to == "REJECTED"
	case "APPROVED":
		return to == "IN_REVIEW" || to == "CANCELLED"
	case "IN_REVIEW":
		return to == "APPROVED" || to == "CANCELLED"
	}
	return false
}

// apply adds an application and the tasks it requires.
func (w *world) apply(p *profile, product *Product, role string, by actor) *application {
	a := &application{ID: w.newID(), Product: product.ID, Role: role}
	for _, want := range product.tasksFor(p.Summary.EntityType) {
		a.Tasks = append(a.Tasks, w.requireTask(p, want, by).ID)
	}
	a.Automating = w.cfg.automationTime > 0
	p.Applications = append(p.Applications, a)
	p.Modified = w.tick
	w.setStatusOf(a, "APPLIED", "", by)
	w.audit(p, by, "added-product", object{"product": product.short()})
	w.review(p)
	w.automateSoon(p, a)
	return a
}

func (w *world) setStatusOf(a *application, status, comment string, by actor) {
	a.Status, a.Reopened, a.Escalation = status, false, nil
	a.History = append(a.History, statusStep{status, dateTime(w.tick), by.user, comment})
}

// rejectByPolicy lets the smart policy reject an application, which it does only from APPLIED
// (docs/api/applications.md#apply).
func (w *world) rejectByPolicy(p *profile, a *application) {
	product := w.product(a)
	if a.Status != "APPLIED" || a.Automating {
		return
	}
	action := ""
	if product.AutoReject && slices.ContainsFunc(a.Tasks, func(id string) bool {
		t := p.task(id)
		return t != nil && t.State == "COMPLETED_FAIL" && !t.Expired
	}) {
		action = "auto-decision"
	}
	if product.Risk != nil && product.Risk.RejectHigh && product.Risk.level(a.Risk) == "HIGH" {
		action = "risk-auto-reject-application"
	}
	if action != "" {
		w.audit(p, actor{}, action, object{"application_id": a.ID})
		w.decide(p, a, "REJECTED", "", actor{})
	}
}

func (w *world) setFlag(p *profile, a *application) {
	flag := w.flagFor(p, a)
	if flag == a.Flag {
		return
	}
	old := a.Flag
	a.Flag = flag
	a.FlagHistory = append(a.FlagHistory, flagStep{a.Status, flag, dateTime(w.tick)})
	if old != "" {
		w.emit(p, actor{}, "PRODUCT_BADGE_CHANGED", object{
			"application_id": a.ID, "product": w.product(a).short(), "old_flag": old, "new_flag": flag,
		})
	}
}

func (w *world) flagFor(p *profile, a *application) string {
	if w.nearingExpiry(p, a) {
		return "NEARING_EXPIRY"
	}
	if a.Status != "APPLIED" && a.Status != "IN_REVIEW" {
		return "DECIDED"
	}
	if a.Automating {
		return "AUTOMATING"
	}
	waiting, open := false, false
	for _, id := range a.Tasks {
		t := p.task(id)
		if t == nil || t.State == "COMPLETED_PASS" && !t.Expired {
			continue
		}
		open = true
		for _, ch := range p.Checks {
			if ch.State != "COMPLETE" && slices.Contains(ch.Tasks, id) {
				waiting = true
			}
		}
	}
	switch {
	case open && len(p.Steps) > 0, open && p.activeRequest() != nil && !waiting:
		return "WAITING_ON_COLLECTION_STEPS"
	case waiting:
		return "WAITING_ON_CHECKS"
	case !open && w.product(a).Risk != nil && a.Risk == nil:
		return "REQUIRES_RISK_SCORE"
	case w.escalated(p, a) && len(w.blockers(p, a)) == 1 && a.Escalation.waits(w.product(a).EscalateTo):
		return "WAITING_ON_ESCALATION"
	case open || len(w.blockers(p, a)) > 0:
		return "REQUIRES_MANUAL_TASK_COMPLETION"
	}
	return "READY_FOR_DECISION"
}

// blockers returns what keeps an application from being approved.
func (w *world) blockers(p *profile, a *application) []object {
	out := []object{}
	if a.Status != "APPLIED" && a.Status != "IN_REVIEW" {
		return out
	}
	for _, id := range a.Tasks {
		if t := p.task(id); t != nil && (t.State != "COMPLETED_PASS" || t.Expired) {
			out = append(out, object{
				"blocker_type": "INCOMPLETE_TASK", "task_type": t.Type, "task_variant": t.variantWire(),
			})
		}
	}
	for _, e := range p.Events {
		if text(e, "resolution") == "UNRESOLVED" {
			out = append(out, object{"blocker_type": "UNRESOLVED_EVENT", "event_id": e["id"]})
		}
	}
	if w.product(a).Risk != nil && a.Risk == nil {
		out = append(out, object{"blocker_type": "UNDETERMINED_RISK"})
	}
	if p.Status == "SUSPENDED" {
		out = append(out, object{"blocker_type": "SUSPENDED_PROFILE"})
	}
	return append(out, w.escalationBlocker(p, a)...)
}

func (w *world) product(a *application) *Product {
	if p := w.productByID(a.Product); p != nil {
		return p
	}
	return &Product{ID: a.Product}
}

func (w *world) applicationWire(p *profile, a *application) object {
	required := []object{}
	for _, id := range a.Tasks {
		t := p.task(id)
		if t == nil {
			continue
		}
		if w.switches().RequiredTaskIsVariant {
			id = t.VariantID
		}
		required = append(required, object{
			"id": id, "name": t.Name, "description": t.Description, "task_type": t.Type,
		})
	}
	o := object{
		"id": a.ID, "product": w.product(a).wire(), "status": a.Status, "flag": a.Flag,
		"required_tasks": required, "history": orEmpty(a.History), "flag_history": orEmpty(a.FlagHistory),
		"approval_blockers": w.blockers(p, a), "assignments": []any{}, "hidden": a.Hidden,
	}
	if a.Role != "" {
		o["associated_role"] = a.Role
	}
	if w.product(a).Risk != nil {
		o["risk"] = w.riskWire(a)
	}
	if at := w.approvalEnds(p, a); !at.IsZero() {
		o["will_expire_at"] = dateTime(at)
	}
	return o
}

func (w *world) applicationsWire(p *profile) []object {
	out := []object{}
	for _, a := range p.Applications {
		if !a.Hidden {
			out = append(out, w.applicationWire(p, a))
		}
	}
	return out
}

func (p *profile) application(id string) *application {
	return find(p.Applications, func(a *application) bool { return a.ID == id })
}

func (w *world) listApplications(_ *call, p *profile) (*reply, error) {
	return ok(ordered(w, w.applicationsWire(p))), nil
}

func (w *world) getApplication(_ *call, p *profile, a *application) (*reply, error) {
	return ok(w.applicationWire(p, a)), nil
}

func (w *world) createApplication(c *call, p *profile, body object) (*reply, error) {
	want, err := w.wantedProduct(body, p.Summary.EntityType)
	if err != nil {
		return nil, err
	}
	a := w.apply(p, want.product, want.role, byKey(c))
	w.linkAssociates(p, byKey(c))
	return ok(w.applicationWire(p, a)), nil
}

func (w *world) setApplicationStatus(c *call, p *profile, a *application, body object) (*reply, error) {
	status := text(body, "status")
	if status == "REJECTED" && a.Status == "APPLIED" && w.product(a).ReasonToReject {
		return nil, refuse(wrong, CodeConstraintsNotSatisfied, "a rejection needs a reason")
	}
	if err := w.changeStatus(p, a, status, byKey(c)); err != nil {
		return nil, err
	}
	return ok(w.applicationWire(p, a)), nil
}

func (w *world) changeStatus(p *profile, a *application, status string, by actor) error {
	switch {
	case status == "":
		return missing("status")
	case !slices.Contains([]string{"APPLIED", "APPROVED", "IN_REVIEW", "REJECTED", "CANCELLED"}, status):
		return invalid("unknown application status")
	case a.Status == status && w.switches().RepeatedDecisionRefused && status == "APPROVED":
		return refuse(wrong, CodeEntityAlreadyApproved, "the application is already approved")
	case a.Status == status && w.switches().RepeatedDecisionRefused && status == "REJECTED":
		return refuse(wrong, CodeEntityAlreadyRejected, "the application is already rejected")
	case a.Status == status:
		return nil
	case a.Hidden || !mayBecome(a.Status, status):
		return refuse(wrong, CodeTransitionError,
			"an application that is "+a.Status+" cannot become "+status)
	case status == "APPROVED" && len(w.blockers(p, a)) > 0:
		return refuse(wrong, CodeConstraintsNotSatisfied, "the application still has approval blockers")
	}
	w.audit(p, by, "manual-decision", object{"status": status})
	w.decide(p, a, status, "", by)
	w.review(p)
	return nil
}

func (w *world) decide(p *profile, a *application, status, comment string, by actor) {
	w.setStatusOf(a, status, comment, by)
	w.begins(p, a)
	p.Modified = w.tick
	w.setFlag(p, a)
	w.audit(p, by, "profile-application-status-changed", object{"status": status})
	w.emit(p, by, "PRODUCT_STATUS_CHANGED", object{
		"application_id": a.ID, "new_status": status, "product": w.product(a).short(),
	})
}

func (w *world) revertDecision(c *call, p *profile, a *application) (*reply, error) {
	comment := ""
	if body := bytes.TrimSpace(c.body); len(body) > 0 && string(body) != "null" {
		body, err := c.object()
		if err != nil {
			return nil, err
		}
		comment = text(body, "comment")
	}
	if a.Hidden || a.Status != "REJECTED" && a.Status != "CANCELLED" {
		return nil, refuse(wrong, CodeTransitionError,
			"only a rejected or cancelled application can be reverted")
	}
	by := byKey(c)
	w.audit(p, by, "revert-decision", nil)
	if w.switches().RevertCreatesApplication {
		again := *a
		again.ID = w.newID()
		again.History = slices.Clone(a.History)
		again.FlagHistory = slices.Clone(a.FlagHistory)
		again.Tasks = slices.Clone(a.Tasks)
		a.Hidden = true
		a = &again
		p.Applications = append(p.Applications, a)
	}
	w.decide(p, a, "APPLIED", comment, by)
	w.renewScreening(p, a)
	w.review(p)
	return ok(w.applicationWire(p, a)), nil
}

// renewScreening lets the screening tasks of an application that was reverted
// expire, and runs their checks again.
func (w *world) renewScreening(p *profile, a *application) {
	for _, id := range slices.Clone(a.Tasks) {
		t := p.task(id)
		if t == nil || !t.screened() || !t.complete() {
			continue
		}
		w.replace(p, t, "PROFILE_DEACTIVATED")
		if !a.Automating {
			a.Automating = w.cfg.automationTime > 0
			w.automateSoon(p, a)
		}
	}
}

// SetApplicationStatus decides an application as a person in the portal would.
// It is refused where the API refuses it.
func (s *Server) SetApplicationStatus(profileID, applicationID, status string) error {
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	a := p.application(applicationID)
	if a == nil {
		return notFound("application")
	}
	return w.changeStatus(p, a, status, portal())
}

// manualActions lists the open tasks and the applications they hold up.
func (w *world) manualActions(p *profile) []object {
	out := []object{}
	for _, t := range p.Tasks {
		if t.State != "INCOMPLETE" || t.Expired || t.Deleted {
			continue
		}
		var held []object
		for _, a := range p.Applications {
			if !a.Hidden && slices.Contains(a.Tasks, t.ID) && a.Flag == "REQUIRES_MANUAL_TASK_COMPLETION" {
				held = append(held, object{"id": a.ID, "status": a.Status, "product": w.product(a).short()})
			}
		}
		if held == nil {
			continue
		}
		out = append(out, object{
			"action_type": "COMPLETE_TASK", "due": dateTime(w.tick.Add(24 * time.Hour)), "applications": held,
			"task": object{
				"id": t.ID, "state": t.State, "type": t.Type,
				"variant": object{"id": t.VariantID, "name": t.Name, "alias": t.Alias},
			},
		})
	}
	return out
}

// scheduleApplication lets an approved application expire: it goes into review
// (a guess: only will_expire_at and the flag NEARING_EXPIRY are known), and
// before that its flag says that it is near.
func (w *world) scheduleApplication(profileID string, a *application, product *Product) {
	id, at := a.ID, a.WillExpire
	open := func() (*profile, *application) {
		p := w.waiting(profileID)
		if p == nil {
			return nil, nil
		}
		return p, find(p.Applications, func(a *application) bool {
			return a.ID == id && a.Status == "APPROVED" && a.WillExpire.Equal(at)
		})
	}
	if product.NearingExpiry > 0 {
		w.at(at.Add(-product.NearingExpiry), func() {
			if p, a := open(); a != nil {
				w.review(p)
			}
		})
	}
	w.at(at, func() {
		p, a := open()
		if a == nil {
			return
		}
		w.audit(p, actor{}, "auto-decision", object{"application_id": a.ID})
		w.decide(p, a, "IN_REVIEW", "expired", actor{})
		w.review(p)
	})
}

// begins starts the time for which an approval is valid, or clears it.
func (w *world) begins(p *profile, a *application) {
	product := w.product(a)
	if a.Status != "APPROVED" || product.ExpiresAfter <= 0 {
		a.WillExpire = time.Time{}
		return
	}
	a.WillExpire = w.tick.Add(product.ExpiresAfter)
	w.scheduleApplication(p.ID, a, product)
}

// nearingExpiry reports whether an approval ends soon, its own or that of a task
// it rests on.
func (w *world) nearingExpiry(p *profile, a *application) bool {
	if a.Status != "APPROVED" {
		return false
	}
	before := w.product(a).NearingExpiry
	return p.hasNotice(a) || before > 0 && !a.WillExpire.IsZero() && !w.tick.Before(a.WillExpire.Add(-before))
}

// approvalEnds returns when an approval ends: the nearest of its own date and those of
// its tasks. It is zero for never, and if there is no approval.
func (w *world) approvalEnds(p *profile, a *application) time.Time {
	if a.Status != "APPROVED" {
		return time.Time{}
	}
	first := p.nearest(a)
	if first.IsZero() || !a.WillExpire.IsZero() && a.WillExpire.Before(first) {
		return a.WillExpire
	}
	return first
}
