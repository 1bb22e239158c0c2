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

// nearingExpiry reports whether an approval ends soon, its own or that of a task
// it rests on.
func (s *Server) nearingExpiry(p *profile, a *application) bool {
	if a.Status != "APPROVED" {
		return false
	}
	before := s.product(a).NearingExpiry
	return p.hasNotice(a) || before > 0 && !a.WillExpire.IsZero() && !s.tick.Before(a.WillExpire.Add(-before))
}

// approvalEnds returns when an approval ends, zero for never or if there is
// none: of its own and of its tasks the nearest date.
func (s *Server) approvalEnds(p *profile, a *application) time.Time {
	if a.Status != "APPROVED" {
		return time.Time{}
	}
	first := p.nearest(a)
	if first.IsZero() || !a.WillExpire.IsZero() && a.WillExpire.Before(first) {
		return a.WillExpire
	}
	return first
}
