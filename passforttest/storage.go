package passforttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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
	w := s.world.enter()
	defer w.leave()
	random, err := w.source.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("passforttest: snapshot: %w", err)
	}
	st := *w.state
	st.Order = make([]string, 0, w.roster.count)
	for p := range w.roster.all() {
		st.Order = append(st.Order, p.ID)
	}
	return encode(snapshot{snapshotFormat, w.tick, random, &st}), nil
}

// Restore replaces the server's state by a snapshot. The clock is moved
// forward to the time of the snapshot if it is behind; checks that were
// running go on. The server's own master key stays valid.
func (s *Server) Restore(saved []byte) error {
	var in snapshot
	var flat bytes.Buffer // the data of profiles is sent as it is stored
	if err := errors.Join(json.Compact(&flat, saved), decodeState(flat.Bytes(), &in)); err != nil {
		return fmt.Errorf("passforttest: restore: %w", err)
	}
	if in.Format != snapshotFormat || in.State == nil {
		return fmt.Errorf("passforttest: restore: format %d is not known", in.Format)
	}
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaitCompaction()
	if err := w.adopt(in.State, in.Time, in.Random); err != nil {
		return fmt.Errorf("passforttest: restore: %w", err)
	}
	return w.rewrite()
}

// Reset makes the server like a new one: no profiles, keys, tags, charges, faults,
// programmed outcomes or waiting webhooks, with the products and flows it was
// configured with. Switches, the endpoint of webhooks, a function of DecideChecks and
// the clock stay. It may be repeated. The error is that of the journal of KeepIn.
func (s *Server) Reset() error {
	s.ClearFaults()
	s.limiter.reset()
	w := s.world.enter()
	defer w.mu.Unlock()
	w.awaitCompaction()
	st := newState()
	st.Version = w.state.Version
	if err := w.adopt(st, w.tick, w.randomState()); err != nil {
		return fmt.Errorf("passforttest: reset: %w", err)
	}
	w.configure()
	w.outcome.queued = nil
	w.out.reset()
	return w.rewrite()
}

// rewrite puts the state, which is another one, in place of all records.
func (w *world) rewrite() error {
	w.changes = changes{}
	if j := w.journal(); j != nil {
		return j.Rewrite(w.records())
	}
	return nil
}

// refresh brings a saved profile to its form in memory: a check shares the data of the
// profile if they are equal, and what an earlier version did not save is read out of the
// data.
func (p *profile) refresh() {
	for _, ch := range p.Checks {
		if bytes.Equal(ch.Input, p.Data) {
			ch.Input = p.Data
		}
	}
	if p.Summary.HasLinks && p.Summary.Links == nil {
		if o, err := decodeObject(p.Data); err == nil {
			p.Summary.Links = linksIn(o)
		}
	}
}

// resume schedules what was to happen to a profile.
func (w *world) resume(p *profile) {
	for _, a := range p.Applications {
		if a.Automating {
			w.automateSoon(p, a)
		}
	}
	for _, a := range p.Applications {
		if a.Status == "APPROVED" && !a.WillExpire.IsZero() {
			w.scheduleApplication(p.ID, a, w.product(a))
		}
	}
	for _, ch := range p.Checks {
		if ch.State != "COMPLETE" {
			w.schedule(p.ID, ch)
		}
	}
	for _, t := range p.Tasks {
		if !t.WillExpire.IsZero() && !t.Expired {
			w.scheduleExpiry(p.ID, t)
		}
	}
	if r := p.activeRequest(); r != nil {
		w.scheduleRequest(p.ID, r)
	}
}

// Journal keeps the state of a Server beyond the life of its process: see
// KeepIn. The server appends one record for everything that changed at once,
// and the records in order restore the state.
type Journal interface {
	// Records returns everything that was kept, in order.
	Records() iter.Seq2[[]byte, error]
	// Append adds a record. It is called while the server is locked and must
	// not wait for a disk.
	Append(record []byte)
	// Sync returns once every record appended before is kept permanently. No answer
	// leaves the server before that. It is called by many goroutines at once.
	Sync() error
	// Full reports whether the records should be replaced by fewer.
	Full() bool
	// Rewrite replaces all records. No Append runs at the same time.
	Rewrite(records iter.Seq[[]byte]) error
}

// record is what changed at once: whole profiles, and the parts of the rest of the
// state.
type record struct {
	Time     time.Time           `json:"time"`
	Random   []byte              `json:"random,omitempty"`
	Version  int64               `json:"version,omitempty"`
	Charges  map[string]int      `json:"charges,omitempty"`
	Profiles []*profile          `json:"profiles,omitempty"`
	Deleted  []string            `json:"deleted,omitempty"`
	Products []*Product          `json:"products,omitempty"`
	Flows    []*Flow             `json:"flows,omitempty"`
	Keys     map[string]*keyInfo `json:"keys,omitempty"`
	Tags     map[string]string   `json:"tags,omitempty"`
	Queued   []Webhook           `json:"queued,omitempty"`
	Sent     []string            `json:"sent,omitempty"` // ids of webhooks that were acknowledged
}

// changes is what the next record has to hold.
type changes struct {
	profiles map[string]bool
	keys     map[string]*keyInfo
	tags     map[string]string
	products []*Product
	flows    []*Flow
	queued   []Webhook
	sent     []string
	charged  bool
}

func (c *changes) any() bool {
	return c.charged || len(c.profiles)+len(c.keys)+len(c.tags)+len(c.products)+len(c.flows)+len(
		c.queued,
	)+len(c.sent) > 0
}

// KeepIn brings the server to the state that the journal holds and from then
// on keeps every change in it: an answer leaves the server only when the
// journal holds everything the answer could be about. Unlike a Snapshot it
// holds the webhooks that wait too. Call it before the server is used, and
// before SetWebhook.
//
// When the journal fails, every call is answered with status 500.
func (s *Server) KeepIn(j Journal) error {
	st, last, waiting := newState(), record{}, map[string]*Webhook{}
	var order []string
	found := false
	sizes := map[string]int64{} // of the newest record of each profile
	for r, err := range decodedRecords(j.Records()) {
		if err != nil {
			return fmt.Errorf("passforttest: journal: %w", err)
		}
		found = true
		st.apply(&r.record)
		for _, p := range r.Profiles {
			sizes[p.ID] = r.size / int64(len(r.Profiles))
		}
		for _, id := range r.Deleted {
			delete(sizes, id)
		}
		for _, m := range r.Queued {
			waiting[m.ID] = &m
			order = append(order, m.ID)
		}
		for _, id := range r.Sent {
			delete(waiting, id)
		}
		last.Time, last.Random = r.Time, r.Random
	}
	if c, can := j.(Compacter); can {
		needed := int64(0)
		for _, n := range sizes {
			needed += n
		}
		c.Holds(needed)
	}
	st.Order = slices.DeleteFunc(st.Order, func(id string) bool { return st.Profiles[id] == nil })
	w := s.world.enter()
	defer w.mu.Unlock()
	if found {
		if err := w.adopt(st, last.Time, last.Random); err != nil {
			return fmt.Errorf("passforttest: journal: %w", err)
		}
		w.configure()
		for _, id := range order {
			if m := waiting[id]; m != nil {
				w.out.add(*m)
				delete(waiting, id)
			}
		}
	}
	w.keeping.Store(&j)
	w.changes = changes{products: w.state.Products, flows: w.state.Flows}
	w.commit()
	return j.Sync()
}

// recordsAtOnce is how many records of a journal are decoded together.
const recordsAtOnce = 512

// sizedRecord is a record and how long its JSON is.
type sizedRecord struct {
	record
	size int64
	err  error
}

// decodedRecords decodes the records of a journal, many at once, and yields them
// in order.
func decodedRecords(records iter.Seq2[[]byte, error]) iter.Seq2[*sizedRecord, error] {
	return func(yield func(*sizedRecord, error) bool) {
		var raw [][]byte
		flush := func() bool {
			out := make([]sizedRecord, len(raw))
			var workers sync.WaitGroup
			var next atomic.Int64
			for range min(runtime.GOMAXPROCS(0), len(raw)) {
				workers.Go(func() {
					for i := int(next.Add(1) - 1); i < len(raw); i = int(next.Add(1) - 1) {
						out[i].size = int64(len(raw[i]))
						out[i].err = decodeState(raw[i], &out[i].record)
					}
				})
			}
			workers.Wait()
			raw = raw[:0]
			for i := range out {
				if !yield(&out[i], out[i].err) || out[i].err != nil {
					return false
				}
			}
			return true
		}
		for record, err := range records {
			if err != nil {
				yield(nil, err)
				return
			}
			if raw = append(raw, record); len(raw) == recordsAtOnce && !flush() {
				return
			}
		}
		flush()
	}
}

// apply adds what a record holds.
func (st *state) apply(r *record) {
	st.Version = max(st.Version, r.Version)
	maps.Copy(st.Charges, r.Charges)
	maps.Copy(st.Keys, r.Keys)
	maps.Copy(st.Tags, r.Tags)
	for _, p := range r.Products {
		st.Products = put(st.Products, p, func(o *Product) bool { return o.Alias == p.Alias })
	}
	for _, f := range r.Flows {
		st.Flows = put(st.Flows, f, func(o *Flow) bool { return o.Alias == f.Alias })
	}
	for _, p := range r.Profiles {
		if st.Profiles[p.ID] == nil {
			st.Order = append(st.Order, p.ID)
		}
		st.Profiles[p.ID] = p
	}
	for _, id := range r.Deleted {
		delete(st.Profiles, id)
	}
}

// put replaces the element that is the same, or appends.
func put[T any](l []*T, v *T, same func(*T) bool) []*T {
	if i := slices.IndexFunc(l, same); i >= 0 {
		l[i] = v
		return l
	}
	return append(l, v)
}

// touch records that a profile changes.
func (w *world) touch(p *profile) {
	if w.changes.profiles == nil {
		w.changes.profiles = map[string]bool{}
	}
	w.changes.profiles[p.ID] = true
}

// addKey makes a key valid.
func (w *world) addKey(key string, info *keyInfo) {
	w.state.Keys[key] = info
	if w.changes.keys == nil {
		w.changes.keys = map[string]*keyInfo{}
	}
	w.changes.keys[key] = info
}

// charge counts something that is charged.
func (w *world) charge(what string) {
	w.state.Charges[what]++
	w.changes.charged = true
}

// addTagName makes a tag known.
func (w *world) addTagName(name string) {
	id := w.newID()
	w.state.Tags[name] = id
	if w.changes.tags == nil {
		w.changes.tags = map[string]string{}
	}
	w.changes.tags[name] = id
}

// commit appends what changed since the last time.
func (w *world) commit() {
	w.reindex()
	j := w.journal()
	if j == nil {
		w.changes = changes{}
		return
	}
	if !w.changes.any() {
		return
	}
	c := &w.changes
	r := w.globals()
	r.Products, r.Flows, r.Keys, r.Tags, r.Queued, r.Sent = c.products, c.flows, c.keys, c.tags, c.queued, c.sent
	for id := range c.profiles {
		if p := w.state.Profiles[id]; p != nil {
			r.Profiles = append(r.Profiles, p)
		} else {
			r.Deleted = append(r.Deleted, id)
		}
	}
	slices.SortFunc(r.Profiles, func(a, b *profile) int { return a.Created.Compare(b.Created) })
	w.changes = changes{}
	j.Append(encode(r))
	w.shrink(j)
}

// shrink writes the journal anew if it is full, beside the calls if it can do that.
// Sync returns the error of a journal that fails.
func (w *world) shrink(j Journal) {
	if w.compacting || !j.Full() {
		return
	}
	c, can := j.(Compacter)
	if !can {
		_ = j.Rewrite(w.records())
		return
	}
	w.compacting = w.start(func() { w.compact(c) })
}

// globals returns a record with what is in every record.
func (w *world) globals() record {
	return record{Time: w.tick, Random: w.randomState(), Version: w.state.Version, Charges: w.state.Charges}
}

// records yields the whole state, a record for each profile.
func (w *world) records() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		r := w.globals()
		st := w.state
		r.Products, r.Flows, r.Tags, r.Queued = st.Products, st.Flows, st.Tags, w.out.waiting()
		r.Keys = maps.Clone(st.Keys)
		delete(r.Keys, w.cfg.apiKey) // every server has its own
		if !yield(encode(r)) {
			return
		}
		for p := range w.roster.all() {
			if !yield(encode(record{Time: w.tick, Random: r.Random, Profiles: []*profile{p}})) {
				return
			}
		}
	}
}

// journal returns where the state is kept, nil if it is gone with the process. It needs
// no lock.
func (w *world) journal() Journal {
	if j := w.keeping.Load(); j != nil {
		return *j
	}
	return nil
}

// kept waits until everything that has happened is in the journal. It needs no lock.
func (w *world) kept() error {
	if j := w.journal(); j != nil {
		return j.Sync()
	}
	return nil
}

// errNotKept refuses a call while the journal fails.
func errNotKept() *refusal {
	return refuse(broken, CodeUnknownInternalError, "the state cannot be kept")
}

// adopt replaces the state.
func (w *world) adopt(st *state, at time.Time, random []byte) error {
	if st.Profiles == nil || st.Keys == nil || st.Charges == nil || st.Tags == nil {
		return errors.New("the state is incomplete")
	}
	for _, id := range st.Order {
		if st.Profiles[id] == nil {
			return errors.New("the order names a profile that is missing")
		}
	}
	if err := w.source.UnmarshalBinary(random); err != nil {
		return err
	}
	if behind := at.Sub(w.clockNow()); behind > 0 {
		w.offset.Add(int64(behind))
	}
	maps.DeleteFunc(st.Keys, func(_ string, k *keyInfo) bool { return k.Kind == keyMaster })
	st.Keys[w.cfg.apiKey] = &keyInfo{Name: w.cfg.apiKeyName, Kind: keyMaster}
	w.state, w.tick = st, at
	w.due.items = nil
	w.roster = newRoster()
	for _, id := range st.Order {
		p := st.Profiles[id]
		p.refresh()
		w.roster.add(p)
		w.resume(p)
	}
	st.Order = nil
	w.changed()
	return nil
}
