package passforttest

import "time"

// scheduleApplication lets an approved application expire: it goes into review
// (a guess: only will_expire_at and the flag NEARING_EXPIRY are known), and
// before that its flag says that it is near.
func (s *Server) scheduleApplication(profileID string, a *application, product *Product) {
	id, at := a.ID, a.WillExpire
	open := func() (*profile, *application) {
		p := s.waiting(profileID)
		if p == nil {
			return nil, nil
		}
		return p, find(p.Applications, func(a *application) bool {
			return a.ID == id && a.Status == "APPROVED" && a.WillExpire.Equal(at)
		})
	}
	if product.NearingExpiry > 0 {
		s.at(at.Add(-product.NearingExpiry), func() {
			if p, a := open(); a != nil {
				s.review(p)
			}
		})
	}
	s.at(at, func() {
		p, a := open()
		if a == nil {
			return
		}
		s.audit(p, actor{}, "auto-decision", object{"application_id": a.ID})
		s.decide(p, a, "IN_REVIEW", "expired", actor{})
		s.review(p)
	})
}

// begins starts the time an approval is good for, or ends it.
func (s *Server) begins(p *profile, a *application) {
	product := s.product(a)
	if a.Status != "APPROVED" || product.ExpiresAfter <= 0 {
		a.WillExpire = time.Time{}
		return
	}
	a.WillExpire = s.tick.Add(product.ExpiresAfter)
	s.scheduleApplication(p.ID, a, product)
}

// nearingExpiry says whether an approval ends soon.
func (s *Server) nearingExpiry(a *application) bool {
	if a.Status != "APPROVED" || a.WillExpire.IsZero() {
		return false
	}
	return !s.tick.Before(a.WillExpire.Add(-s.product(a).NearingExpiry)) && s.product(a).NearingExpiry > 0
}
