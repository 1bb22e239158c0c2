package passforttest

import (
	"slices"
)

// review brings everything up to date that follows from tasks, checks, steps,
// findings and status: status of approved applications, flags, automatic
// decisions and the call for a person.
func (w *world) review(p *profile) {
	manual := false
	for _, a := range p.Applications {
		if a.Hidden {
			continue
		}
		if a.Status == "APPROVED" && !w.switches().ApprovedStays && p.hasOpenTask(a) {
			w.reopen(p, a)
		}
		w.setFlag(p, a)
		w.rejectByPolicy(p, a)
		if w.approvesAutomatically(p, a) {
			w.audit(p, actor{}, "auto-decision", nil)
			w.decide(p, a, "APPROVED", "", actor{})
		}
		manual = manual || a.Flag == "REQUIRES_MANUAL_TASK_COMPLETION"
	}
	if manual && !p.ManualNeeded {
		w.emit(p, actor{}, "MANUAL_ACTION_REQUIRED", object{"actions": w.manualActions(p)})
	}
	p.ManualNeeded = manual
}

// hasOpenTask reports whether a task that the application requires now has not
// passed.
func (p *profile) hasOpenTask(a *application) bool {
	return slices.ContainsFunc(a.Tasks, func(id string) bool {
		t := p.task(id)
		return t != nil && !t.passed()
	})
}

// reopen puts an approved application in review, as the smart policy, which
// then runs the checks of its open tasks.
func (w *world) reopen(p *profile, a *application) {
	a.Automating = w.cfg.automationTime > 0
	w.decide(p, a, "IN_REVIEW", "", actor{})
	a.Reopened = true
	w.automateSoon(p, a)
}

// approvesAutomatically reports whether the smart policy approves an application
// now: a new one, or one that it put in review itself. One that a person put in
// review, or that teams decided on, is a person's to approve.
func (w *world) approvesAutomatically(p *profile, a *application) bool {
	product := w.product(a)
	return product.AutoApprove && len(product.EscalateTo) == 0 && a.Flag == "READY_FOR_DECISION" &&
		(a.Status == "APPLIED" || a.Status == "IN_REVIEW" && a.Reopened && !w.switches().ReviewByHand) &&
		len(w.blockers(p, a)) == 0
}

// automateSoon schedules automate.
func (w *world) automateSoon(p *profile, a *application) {
	pid, aid := p.ID, a.ID
	w.at(w.tick.Add(w.cfg.automationTime), func() { w.automate(pid, aid) })
}

// automate lets the smart policy run the checks that a product's tasks ask for, on an
// application that is new or that it put in review.
func (w *world) automate(profileID, applicationID string) {
	p := w.waiting(profileID)
	if p == nil {
		return
	}
	a := p.application(applicationID)
	if a == nil {
		return
	}
	a.Automating = false
	product := w.productByID(a.Product)
	if product != nil && (a.Status == "APPLIED" || a.Status == "IN_REVIEW" && a.Reopened) {
		if product.Risk != nil && product.Risk.Default != nil && a.Risk == nil {
			w.score(p, a, *product.Risk.Default)
		}
		w.autoRun(p, a, product)
	}
	w.review(p)
}

// autoRun runs the checks the product's tasks ask for, as the smart policy: on
// tasks that are open, unless a person opened them.
func (w *world) autoRun(p *profile, a *application, product *Product) {
	for i, want := range product.tasksFor(p.Summary.EntityType) {
		if i >= len(a.Tasks) {
			break
		}
		t := p.task(a.Tasks[i])
		if t == nil || t.complete() || t.OpenedByHand {
			continue
		}
		for _, checkType := range want.Checks {
			if p.underWay(t, checkType) {
				continue
			}
			ch := &check{
				Type: checkType, State: "PENDING", Instructed: w.tick, Tasks: []string{t.ID}, Extra: object{},
				VariantAlias: "default", VariantName: "Default", VariantID: nameID("check variant",
					checkType+" default"),
			}
			w.addCheck(p, ch, actor{})
			w.instruct(p, ch, false)
		}
	}
}

// underWay reports whether a check of the type is running for the task.
func (p *profile) underWay(t *task, checkType string) bool {
	return slices.ContainsFunc(p.Checks, func(c *check) bool {
		return c.State != "COMPLETE" && c.Type == checkType && slices.Contains(c.Tasks, t.ID)
	})
}

// isMatch reports whether an event is what a screening finds.
func isMatch(e object) bool {
	return slices.Contains([]string{"PEP_FLAG", "SANCTION_FLAG", "ADVERSE_MEDIA_FLAG", "REFER_FLAG"},
		text(child(e, "data"), "event_type"))
}

// hasOpenMatch reports whether a match of a screening waits to be resolved.
func (p *profile) hasOpenMatch() bool {
	return slices.ContainsFunc(p.Events, func(e object) bool {
		return isMatch(e) && text(e, "resolution") == "UNRESOLVED"
	})
}

// screened reports whether a task is passed by a screening.
func (t *task) screened() bool { return checkKinds()["PEPS_AND_SANCTIONS_SCREEN"].serves(t.Type) }

// openScreened opens the screening tasks of a profile when a screening or its
// monitoring found something.
func (w *world) openScreened(p *profile, events []object) {
	if !slices.ContainsFunc(events, isMatch) {
		return
	}
	for _, t := range p.Tasks {
		if t.screened() && t.complete() && !t.superseded() && !t.Deleted && p.monitors(t) {
			w.setTaskState(p, t, "INCOMPLETE", actor{})
		}
	}
}

// monitors reports whether what monitoring finds concerns a task: not if its
// latest screening was ordered without.
func (p *profile) monitors(t *task) bool {
	for _, c := range slices.Backward(p.Checks) {
		if screens(c.Type) && slices.Contains(c.Tasks, t.ID) {
			return c.Extra["disable_monitoring"] != true
		}
	}
	return true
}

// settles reports whether the decision of a check counts for a task: the check
// is an acceptance check, and none that was ordered later is complete.
func (p *profile) settles(ch *check, t *task) bool {
	accepts := func(c *check) bool { return t.Accept == nil || slices.Contains(t.Accept, c.Type) }
	return accepts(ch) && !slices.ContainsFunc(p.Checks, func(c *check) bool {
		return c.State == "COMPLETE" && accepts(c) && slices.Contains(c.Tasks, t.ID) &&
			c.Instructed.After(ch.Instructed)
	})
}

// concludes passes or fails the tasks of a check that is complete.
func (w *world) concludes(p *profile, ch *check) {
	for _, id := range ch.Tasks {
		t := p.task(id)
		if t == nil || t.complete() || t.superseded() || !p.settles(ch, t) {
			continue
		}
		pass := t.PassOn
		if pass == nil {
			pass = []string{"PASS"}
		}
		switch {
		case slices.Contains(pass, ch.Decision):
			if !t.screened() || !p.hasOpenMatch() || w.switches().OpenMatchesPass {
				w.setTaskState(p, t, "COMPLETED_PASS", actor{})
			}
		case slices.Contains(t.FailOn, ch.Decision):
			w.setTaskState(p, t, "COMPLETED_FAIL", actor{})
		}
	}
}

// escalation has the decisions of the teams that an application was escalated to:
// whether each approved, by name.
type escalation map[string]bool

// waits reports whether a team has not decided yet. One rejection ends it.
func (e escalation) waits(teams []string) bool {
	return !e.rejected() && slices.ContainsFunc(teams, func(team string) bool {
		_, decided := e[team]
		return !decided
	})
}

func (e escalation) rejected() bool {
	for _, approved := range e {
		if !approved {
			return true
		}
	}
	return false
}

// escalated reports whether an application is with the teams of its product:
// once every task has passed and until it is decided.
func (w *world) escalated(p *profile, a *application) bool {
	return len(w.product(a).EscalateTo) > 0 && (a.Status == "APPLIED" || a.Status == "IN_REVIEW") &&
		!a.Automating && !p.hasOpenTask(a)
}

// escalationBlocker returns what an escalation blocks an approval with.
func (w *world) escalationBlocker(p *profile, a *application) []object {
	switch {
	case !w.escalated(p, a):
	case a.Escalation.rejected():
		return []object{{"blocker_type": "REJECTION_OUTCOME"}}
	case a.Escalation.waits(w.product(a).EscalateTo):
		return []object{{"blocker_type": "WAITING_ON_ESCALATION"}}
	}
	return nil
}

// DecideEscalation lets a team that an application was escalated to approve or
// reject it: see [Product]. When all have approved, the application may be
// approved; when one has rejected, it may only be rejected. It fails if the
// application is not with the team, or the team has decided.
func (s *Server) DecideEscalation(profileID, applicationID, team string, approve bool) error {
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	a := p.application(applicationID)
	switch {
	case a == nil:
		return notFound("application")
	case !slices.Contains(w.product(a).EscalateTo, team):
		return notFound("team")
	case !w.escalated(p, a) || !a.Escalation.waits(w.product(a).EscalateTo):
		return invalid("the application is not with a team")
	}
	if _, decided := a.Escalation[team]; decided {
		return invalid("the team has decided")
	}
	if a.Escalation == nil {
		a.Escalation = escalation{}
	}
	a.Escalation[team] = approve
	w.review(p)
	return nil
}
