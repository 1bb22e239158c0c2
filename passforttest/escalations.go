package passforttest

import (
	"slices"
)

// escalation is what the teams that an application was escalated to said:
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
func (s *Server) escalated(p *profile, a *application) bool {
	return len(s.product(a).EscalateTo) > 0 && (a.Status == "APPLIED" || a.Status == "IN_REVIEW") &&
		!a.Automating && !p.hasOpenTask(a)
}

// escalationBlocker is what an escalation puts in the way of an approval.
func (s *Server) escalationBlocker(p *profile, a *application) []object {
	switch {
	case !s.escalated(p, a):
	case a.Escalation.rejected():
		return []object{{"blocker_type": "REJECTION_OUTCOME"}}
	case a.Escalation.waits(s.product(a).EscalateTo):
		return []object{{"blocker_type": "WAITING_ON_ESCALATION"}}
	}
	return nil
}

// DecideEscalation lets a team that an application was escalated to approve or
// reject it: see [Product]. When all have approved, the application may be
// approved; when one has rejected, it may only be rejected. It fails if the
// application is not with the team, or the team has decided.
func (s *Server) DecideEscalation(profileID, applicationID, team string, approve bool) error {
	s.enter()
	defer s.leave()
	p, err := s.profileByID(profileID)
	if err != nil {
		return err
	}
	a := find(p.Applications, func(a *application) bool { return a.ID == applicationID })
	switch {
	case a == nil:
		return notFound("application")
	case !slices.Contains(s.product(a).EscalateTo, team):
		return notFound("team")
	case !s.escalated(p, a) || !a.Escalation.waits(s.product(a).EscalateTo):
		return invalid("the application is not with a team")
	}
	if _, decided := a.Escalation[team]; decided {
		return invalid("the team has decided")
	}
	if a.Escalation == nil {
		a.Escalation = escalation{}
	}
	a.Escalation[team] = approve
	s.review(p)
	return nil
}
