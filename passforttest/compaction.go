package passforttest

import (
	"maps"
	"slices"
	"time"
)

// Compacter is a Journal whose records can be replaced by fewer while the server
// goes on appending, so that no call waits for it.
type Compacter interface {
	Journal
	// Compact begins. Until the Compaction ends, what is appended goes to the
	// old records as before, and to the end of the new ones as well.
	Compact() (Compaction, error)
	// Holds sets how many bytes of what the journal held when it was opened are
	// still needed, so that it knows when it is full.
	Holds(bytes int64)
}

// Compaction is a set of new records on its way to replace the old ones.
type Compaction interface {
	// Write adds a record to the new ones, before everything that is appended.
	Write(record []byte) error
	// Commit replaces the old records. If it fails, they stay.
	Commit() error
	// Abort leaves everything as it was.
	Abort()
}

// awaitCompaction gives the lock up until no compaction is under way.
func (s *Server) awaitCompaction() {
	for s.compacting {
		moved := s.moved
		s.mu.Unlock()
		<-moved
		s.mu.Lock()
	}
}

// compactionStep is how long the server is locked at a time while its state is
// written anew.
const compactionStep = 2 * time.Millisecond

// compact writes the state anew, a few profiles at a time. What changes meanwhile
// is appended behind, as whole profiles, so the last word on each is right.
func (s *Server) compact(c Compaction) {
	committed := false
	defer func() {
		if !committed {
			c.Abort()
		}
		s.mu.Lock()
		s.compacting = false
		s.changed()
		s.mu.Unlock()
	}()
	first, queue := s.beginCompaction()
	if c.Write(first) != nil {
		return
	}
	for next, more := uint32(0), true; more; {
		var records [][]byte
		records, next, more = s.profileRecords(next)
		for _, r := range records {
			if c.Write(r) != nil {
				return
			}
		}
		select {
		case <-s.closed:
			return
		default:
		}
	}
	for some := range slices.Chunk(queue, 256) {
		s.mu.Lock()
		r := record{Time: s.tick, Random: s.randomState(), Queued: some}
		raw := encode(r)
		s.mu.Unlock()
		if c.Write(raw) != nil {
			return
		}
	}
	committed = c.Commit() == nil
}

// beginCompaction returns the record of everything that is not a profile, and the
// webhooks that wait.
func (s *Server) beginCompaction() ([]byte, []*Webhook) {
	s.mu.Lock()
	r := s.globals()
	for _, p := range s.state.Products {
		again := *p
		r.Products = append(r.Products, &again)
	}
	for _, f := range s.state.Flows {
		again := *f
		r.Flows = append(r.Flows, &again)
	}
	r.Keys, r.Tags, r.Charges = maps.Clone(s.state.Keys), maps.Clone(s.state.Tags), maps.Clone(s.state.Charges)
	delete(r.Keys, s.cfg.apiKey)
	queue := slices.Clone(s.hooks.queue)
	s.mu.Unlock()
	return encode(r), queue
}

// profileRecords returns records of profiles from one on, as many as can be made
// in a step, and where to go on.
func (s *Server) profileRecords(seq uint32) (records [][]byte, next uint32, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	random := s.randomState()
	began := time.Now()
	for {
		profiles := s.roster.from(seq, 16)
		for _, p := range profiles {
			records = append(records, encode(record{Time: s.tick, Random: random, Profiles: []*profile{p}}))
			seq = p.place.seq + 1
		}
		if len(profiles) == 0 || time.Since(began) > compactionStep {
			return records, seq, len(profiles) > 0
		}
	}
}

func (s *Server) randomState() []byte {
	random, _ := s.source.MarshalBinary() // a ChaCha8 always has a state
	return random
}
