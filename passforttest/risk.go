package passforttest

import "time"

// RiskModel makes a product need a risk score. What the real models compute
// from is an account's configuration; here a score is given, by Default or by
// SetRiskScore. Higher is riskier.
type RiskModel struct {
	// LowMedium and MediumHigh are the scores at which MEDIUM and HIGH begin.
	// Both zero are 35 and 70.
	LowMedium  float64 `json:"low_medium,omitempty"`
	MediumHigh float64 `json:"medium_high,omitempty"`
	// Default is the score the smart policy gives a new application. Nil leaves
	// it undetermined until SetRiskScore: the flag is REQUIRES_RISK_SCORE.
	Default *float64 `json:"default,omitempty"`
	// RejectHigh rejects an application that is APPLIED when its risk is HIGH.
	RejectHigh bool `json:"reject_high,omitempty"`
}

func (m *RiskModel) thresholds() (lowMedium, mediumHigh float64) {
	if m == nil || m.LowMedium == 0 && m.MediumHigh == 0 {
		return 35, 70
	}
	return m.LowMedium, m.MediumHigh
}

func (m *RiskModel) level(score *float64) string {
	if score == nil {
		return "UNDETERMINED"
	}
	lowMedium, mediumHigh := m.thresholds()
	switch {
	case *score >= mediumHigh:
		return "HIGH"
	case *score >= lowMedium:
		return "MEDIUM"
	}
	return "LOW"
}

// SetRiskScore gives a profile a risk score, as the risk model would. In newer
// accounts risk belongs to applications: those whose product has a RiskModel
// get the score and have webhooks of their own. A profile without any has the
// older, profile-wide risk (sheet 3.8).
func (s *Server) SetRiskScore(profileID string, score float64) error {
	s.enter()
	defer s.leave()
	p, err := s.profileByID(profileID)
	if err != nil {
		return err
	}
	modelled := false
	for _, a := range p.Applications {
		if a.Hidden || s.product(a).Risk == nil {
			continue
		}
		modelled = true
		s.score(p, a, score)
	}
	old := p.Risk
	p.Risk = &score
	if !modelled {
		s.riskChanged(p, nil, old, &score)
	}
	s.review(p)
	return nil
}

func (s *Server) score(p *profile, a *application, score float64) {
	old := a.Risk
	a.Risk, a.RiskDate = &score, s.tick
	p.Modified = s.tick
	s.riskChanged(p, a, old, &score)
}

// riskChanged sends the webhooks of a new score. Their payloads are not
// documented: these are guesses after the ones that are.
func (s *Server) riskChanged(p *profile, a *application, old, now *float64) {
	if old != nil && *old == *now {
		return
	}
	var m *RiskModel
	about := func() object { return object{} }
	if a != nil {
		m = s.product(a).Risk
		about = func() object { return object{"application_id": a.ID, "product": s.product(a).short()} }
	}
	data := about()
	data["old_score"], data["new_score"] = nil, *now
	if old != nil {
		data["old_score"] = *old
	}
	s.emit(p, actor{}, "RISK_SCORE_CHANGED", data)
	if was, is := m.level(old), m.level(now); was != is {
		data := about()
		data["old_level"], data["new_level"] = was, is
		s.emit(p, actor{}, "RISK_LEVEL_CHANGED", data)
	}
}

// riskWire is the risk of an application.
func (s *Server) riskWire(a *application) object {
	m := s.product(a).Risk
	lowMedium, mediumHigh := m.thresholds()
	o := object{
		"risk_model": object{"id": s.nameID("risk model", a.Product), "version": dateTime(time.Unix(0, 0))},
		"is_pending": a.Automating, "thresholds": object{"low_medium": lowMedium, "medium_high": mediumHigh},
		"overall": object{"score": nil, "level": m.level(a.Risk)},
	}
	if a.Risk != nil {
		o["overall"] = object{"score": *a.Risk, "level": m.level(a.Risk)}
	}
	return o
}

// overallRisk is the older risk of a whole profile: {} while there is none.
func (p *profile) overallRisk() object {
	if p.Risk == nil {
		return object{}
	}
	var m *RiskModel
	return object{
		"overall_risk": object{"score": *p.Risk, "category": m.level(p.Risk)},
		"components":   []any{}, "missing_required_components": []any{}, "is_pending": false,
	}
}
