package passforttest

import (
	"encoding/json"
	"fmt"
	"time"
)

// snapshot is the form in which a server's state is saved.
type snapshot struct {
	Format int       `json:"format"`
	Time   time.Time `json:"time"`
	Random []byte    `json:"random"`
	State  *state    `json:"state"`
}

const snapshotFormat = 1

// Snapshot returns the server's state as JSON: profiles and everything below
// them, products, flows, keys and the position of the random source. Faults,
// recorded requests, programmed outcomes and queued webhooks are not part of
// it.
func (s *Server) Snapshot() ([]byte, error) {
	s.enter()
	defer s.leave()
	random, err := s.source.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("passforttest: snapshot: %w", err)
	}
	return encode(snapshot{snapshotFormat, s.tick, random, s.state}), nil
}

// Restore replaces the server's state by a snapshot. The clock is moved
// forward to the time of the snapshot if it is behind; checks that were
// running go on. The server's own master key stays valid.
func (s *Server) Restore(saved []byte) error {
	var in snapshot
	if err := json.Unmarshal(saved, &in); err != nil {
		return fmt.Errorf("passforttest: restore: %w", err)
	}
	if in.Format != snapshotFormat || in.State == nil {
		return fmt.Errorf("passforttest: restore: format %d is not known", in.Format)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.adopt(in.State, in.Time, in.Random); err != nil {
		return fmt.Errorf("passforttest: restore: %w", err)
	}
	if s.journal == nil {
		return nil
	}
	s.changes = changes{}
	return s.journal.Rewrite(s.records())
}

// resume schedules what was to happen to a profile.
func (s *Server) resume(p *profile) {
	for _, a := range p.Applications {
		if a.Automating {
			pid, aid := p.ID, a.ID
			s.at(s.tick.Add(s.cfg.automationTime), func() { s.automate(pid, aid) })
		}
	}
	for _, a := range p.Applications {
		if a.Status == "APPROVED" && !a.WillExpire.IsZero() {
			s.scheduleApplication(p.ID, a, s.product(a))
		}
	}
	for _, ch := range p.Checks {
		if ch.State != "COMPLETE" {
			s.schedule(p.ID, ch)
		}
	}
	for _, t := range p.Tasks {
		if !t.WillExpire.IsZero() && !t.Expired {
			s.scheduleExpiry(p.ID, t)
		}
	}
	if r := p.activeRequest(); r != nil {
		s.scheduleRequest(p.ID, r)
	}
}
