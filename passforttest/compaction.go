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
	// old records as before, and to the end of the new ones as well. Unlike Append it
	// may wait for a disk: the server is not locked.
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

// awaitCompaction releases the lock until no compaction is under way.
func (w *world) awaitCompaction() {
	for w.compacting {
		moved := w.moved
		w.mu.Unlock()
		<-moved
		w.mu.Lock()
	}
}

// compactionStep is how long the world is locked at a time while its state is
// written anew.
const compactionStep = 2 * time.Millisecond

// compact writes the state anew, a few profiles at a time. What changes meanwhile
// is appended after it as whole profiles, so the last record of each is right. It takes
// the lock.
func (w *world) compact(j Compacter) {
	defer func() {
		w.mu.Lock()
		w.compacting = false
		w.changed()
		w.mu.Unlock()
	}()
	c, err := j.Compact()
	if err != nil {
		return
	}
	committed := false
	defer func() {
		if !committed {
			c.Abort()
		}
	}()
	first, queue := w.beginCompaction()
	if c.Write(first) != nil {
		return
	}
	for next, more := uint32(0), true; more; {
		var records [][]byte
		records, next, more = w.profileRecords(next)
		for _, r := range records {
			if c.Write(r) != nil {
				return
			}
		}
		select {
		case <-w.closed:
			return
		default:
		}
	}
	for some := range slices.Chunk(queue, 256) {
		w.mu.Lock()
		r := record{Time: w.tick, Random: w.randomState(), Queued: some}
		w.mu.Unlock()
		if c.Write(encode(r)) != nil {
			return
		}
	}
	committed = c.Commit() == nil
}

// beginCompaction returns the record of everything that is not a profile, and the
// webhooks that wait. It takes the lock.
func (w *world) beginCompaction() ([]byte, []Webhook) {
	w.mu.Lock()
	r := w.globals()
	for _, p := range w.state.Products {
		again := *p
		r.Products = append(r.Products, &again)
	}
	for _, f := range w.state.Flows {
		again := *f
		r.Flows = append(r.Flows, &again)
	}
	r.Keys, r.Tags, r.Charges = maps.Clone(w.state.Keys), maps.Clone(w.state.Tags), maps.Clone(w.state.Charges)
	delete(r.Keys, w.cfg.apiKey)
	w.mu.Unlock()
	return encode(r), w.out.waiting()
}

// profileRecords returns records of profiles from one on, as many as can be made
// in a step, and the next one. It takes the lock.
func (w *world) profileRecords(seq uint32) (records [][]byte, next uint32, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	random := w.randomState()
	began := time.Now()
	for {
		profiles := w.roster.from(seq, 16)
		for _, p := range profiles {
			records = append(records, encode(record{Time: w.tick, Random: random, Profiles: []*profile{p}}))
			seq = p.place.seq + 1
		}
		if len(profiles) == 0 || time.Since(began) > compactionStep {
			return records, seq, len(profiles) > 0
		}
	}
}

func (w *world) randomState() []byte {
	random, _ := w.source.MarshalBinary() // a ChaCha8 always has a state
	return random
}
