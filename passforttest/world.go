package passforttest

import (
	"container/heap"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const dateTimeForm = "2006-01-02 15:04:05"

func dateTime(t time.Time) string { return t.UTC().Format(dateTimeForm) }

// state is everything a Snapshot saves.
type state struct {
	Profiles map[string]*profile `json:"profiles"`
	Order    []string            `json:"order"` // profile ids as created; only while it is saved or loaded
	Products []*Product          `json:"products"`
	Flows    []*Flow             `json:"flows"`
	Keys     map[string]*keyInfo `json:"keys"`
	Version  int64               `json:"version"` // of the last collected data written
	Charges  map[string]int      `json:"charges"` // by check type
	Tags     map[string]string   `json:"tags"`    // id by name
}

func newState() *state {
	return &state{
		Profiles: map[string]*profile{}, Keys: map[string]*keyInfo{},
		Charges: map[string]int{}, Tags: map[string]string{},
	}
}

// profile is one profile and everything below it.
type profile struct {
	ID           string          `json:"id"`
	Role         string          `json:"role"`
	Status       string          `json:"status"`
	Created      time.Time       `json:"created"`
	Modified     time.Time       `json:"modified"`
	Data         json.RawMessage `json:"data"` // collected data as it was sent
	Version      int64           `json:"version"`
	Summary      summary         `json:"summary"`
	Applications []*application  `json:"applications,omitempty"`
	Tasks        []*task         `json:"tasks,omitempty"`
	Checks       []*check        `json:"checks,omitempty"`
	Steps        []object        `json:"steps,omitempty"`
	Events       []object        `json:"events,omitempty"`
	TagNames     []string        `json:"tag_names,omitempty"`
	Images       []*image        `json:"images,omitempty"`
	Files        []*image        `json:"files,omitempty"`
	Requests     []*formRequest  `json:"requests,omitempty"`
	Audit        []auditItem     `json:"audit,omitempty"`
	Viewed       string          `json:"viewed,omitempty"` // day and key of the last audited view
	ManualNeeded bool            `json:"manual_needed,omitempty"`
	Risk         *float64        `json:"risk,omitempty"`

	place place // in the roster
}

// summary is what the server reads out of collected data.
type summary struct {
	EntityType  string `json:"entity_type"`
	Name        string `json:"name"`
	CustomerRef string `json:"customer_ref"`
	HasLinks    bool   `json:"has_links"`
	Associates  bool   `json:"associates"`
	Links       []link `json:"links,omitempty"`
}

// link is one profile that a company names, in one role.
type link struct {
	ID   string `json:"id"`
	Role string `json:"role,omitempty"`
}

// actor is who caused a change: a portal user, an API key, or, with neither,
// the smart policy.
type actor struct {
	user *User
	key  string
}

// User is a person who works in the portal.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// PortalUser is the person behind everything the control methods do.
func (s *Server) PortalUser() User {
	return User{ID: s.nameID("user", "portal"), Name: "Portal User", Email: "portal.user@example.com"}
}

func (s *Server) portal() actor {
	u := s.PortalUser()
	return actor{user: &u}
}

func byKey(c *call) actor { return actor{key: c.key.Name} }

func (a actor) userValue() any {
	if a.user == nil {
		return nil
	}
	return *a.user
}

func (a actor) keyValue() any {
	if a.key == "" {
		return nil
	}
	return object{"name": a.key}
}

func newSource(seed *uint64) *mathrand.ChaCha8 {
	var b [32]byte
	if seed == nil {
		_, _ = rand.Read(b[:])
	} else {
		binary.LittleEndian.PutUint64(b[:], *seed)
	}
	return mathrand.NewChaCha8(b)
}

func uuid(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	x := hex.EncodeToString(b[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// newID returns a fresh UUID.
func (s *Server) newID() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], s.random.Uint64())
	binary.LittleEndian.PutUint64(b[8:], s.random.Uint64())
	return uuid(b)
}

// newKey returns a fresh narrow key.
func (s *Server) newKey() string {
	return fmt.Sprintf("simkey%016x%016x", s.random.Uint64(), s.random.Uint64())
}

// nameID returns the id of something that is known by a name: always the same.
func (s *Server) nameID(kind, name string) string {
	sum := sha256.Sum256([]byte("passfort simulator\x00" + kind + "\x00" + name))
	return uuid([16]byte(sum[:16]))
}

func (s *Server) requestID() string { return fmt.Sprintf("sim-%08d", s.requests.Add(1)) }

// profile returns the profile of a call. A call that is not a GET may change it.
func (s *Server) profile(c *call) (*profile, error) {
	if c.req.Method == http.MethodGet {
		return s.look(c.params["profile_id"])
	}
	return s.profileByID(c.params["profile_id"])
}

// profileByID returns a profile that may be changed.
func (s *Server) profileByID(id string) (*profile, error) {
	p, err := s.look(id)
	if err == nil {
		s.touch(p)
	}
	return p, err
}

// look returns a profile that is only read.
func (s *Server) look(id string) (*profile, error) {
	p := s.state.Profiles[strings.ToLower(id)]
	if p == nil {
		return nil, notFound("profile")
	}
	return p, nil
}

// waiting returns the profile something is due for, or nil.
func (s *Server) waiting(id string) *profile {
	p := s.state.Profiles[id]
	if p != nil {
		s.touch(p)
	}
	return p
}

// changed wakes everything that waits for the state to move.
func (s *Server) changed() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// dueItem is something that will happen at a time.
type dueItem struct {
	at   time.Time
	seq  int
	what func()
}

type dueQueue struct {
	items []dueItem
	seq   int
}

func (q *dueQueue) Len() int { return len(q.items) }
func (q *dueQueue) Less(i, j int) bool {
	a, b := q.items[i], q.items[j]
	if a.at.Equal(b.at) {
		return a.seq < b.seq
	}
	return a.at.Before(b.at)
}
func (q *dueQueue) Swap(i, j int) { q.items[i], q.items[j] = q.items[j], q.items[i] }
func (q *dueQueue) Push(x any)    { q.items = append(q.items, x.(dueItem)) }
func (q *dueQueue) Pop() any {
	last := q.items[len(q.items)-1]
	q.items[len(q.items)-1] = dueItem{}
	q.items = q.items[:len(q.items)-1]
	return last
}

// at schedules what for a time. It runs under the lock, with tick set to that
// time, and must look its objects up anew.
func (s *Server) at(t time.Time, what func()) {
	s.due.seq++
	heap.Push(&s.due, dueItem{t, s.due.seq, what})
	s.changed()
}

// settle lets everything happen that is due, in order, and sets tick to now. A
// list that is asked for next finds it.
func (s *Server) settle() {
	now := s.clockNow()
	for s.due.Len() > 0 && !s.due.items[0].at.After(now) {
		item := heap.Pop(&s.due).(dueItem)
		s.tick = item.at
		item.what()
		s.changed()
	}
	s.tick = now
	s.reindex()
}

// reindex brings the roster to what the profiles that changed are now.
func (s *Server) reindex() {
	for id := range s.changes.profiles {
		if p := s.state.Profiles[id]; p != nil {
			s.roster.update(p)
		}
	}
}

func find[T any](l []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(l, is); i >= 0 {
		return l[i]
	}
	return nil
}

// Clock is the time of a Server. The default is the real clock, or the
// synthetic one of a testing/synctest bubble.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// After returns a channel that receives once d has passed.
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// ManualClock is a Clock that stands still until it is moved. It is
// safe for concurrent use.
type ManualClock struct {
	mu      sync.Mutex
	now     time.Time
	auto    time.Duration
	waiters []clockWaiter
}

type clockWaiter struct {
	at time.Time
	ch chan time.Time
}

// NewClock returns a ManualClock that shows start.
func NewClock(start time.Time) *ManualClock { return &ManualClock{now: start} }

// Now returns the time the clock shows.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After returns a channel that receives once the clock was moved by at least d.
func (c *ManualClock) After(d time.Duration) <-chan time.Time {
	ch := make(chan time.Time, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if d <= 0 {
		ch <- c.now
		return ch
	}
	c.waiters = append(c.waiters, clockWaiter{c.now.Add(d), ch})
	return ch
}

// Advance moves the clock forward by d and wakes everything that waited for
// the time it now shows.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(d)
}

func (c *ManualClock) advance(d time.Duration) {
	c.now = c.now.Add(d)
	kept := c.waiters[:0]
	for _, w := range c.waiters {
		if w.at.After(c.now) {
			kept = append(kept, w)
			continue
		}
		w.ch <- c.now
	}
	clear(c.waiters[len(kept):])
	c.waiters = kept
}

// AutoAdvance makes the clock move automatically: by step with every request a
// Server answers, and over the wait for a synchronous check at once, so that
// nothing takes real time and polling still comes to an end. Zero stops it.
func (c *ManualClock) AutoAdvance(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.auto = step
}

func (c *ManualClock) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.auto > 0 {
		c.advance(c.auto)
	}
}

// skip moves a clock set to AutoAdvance over a wait.
func (c *ManualClock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.auto > 0 {
		c.advance(d)
	}
}

// Now returns the time of the simulated world: the clock plus everything
// AdvanceClock added.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clockNow()
}

func (s *Server) clockNow() time.Time { return s.cfg.clock.Now().Add(s.offset).UTC() }

// AdvanceClock moves the server's time forward by d, on any Clock, and lets
// everything happen that is due: checks complete, requests expire, webhooks
// are queued.
func (s *Server) AdvanceClock(d time.Duration) {
	s.mu.Lock()
	defer s.leave()
	s.offset += d
	s.settle()
	s.changed()
}

// wait blocks until the server's time reaches at, ctx ends or the server is
// closed. The caller does not hold the lock.
func (s *Server) wait(ctx context.Context, at time.Time) {
	for {
		s.mu.Lock()
		left := at.Sub(s.clockNow())
		moved := s.moved
		s.mu.Unlock()
		if left <= 0 {
			return
		}
		timer := s.cfg.clock.After(left)
		if c, is := s.cfg.clock.(*ManualClock); is {
			c.skip(left)
		}
		select {
		case <-timer:
		case <-moved:
		case <-ctx.Done():
			return
		case <-s.closed:
			return
		}
	}
}

// Reset makes the server as it was made: no profiles, keys, tags, charges, faults,
// programmed outcomes or waiting webhooks, with the products and flows it was
// configured with. Switches, the endpoint of webhooks, a function of DecideChecks and
// the clock stay. It may be repeated. The error is that of the journal of KeepIn.
func (s *Server) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.awaitCompaction()
	st := newState()
	st.Version = s.state.Version
	if err := s.adopt(st, s.tick, s.randomState()); err != nil {
		return fmt.Errorf("passforttest: reset: %w", err)
	}
	s.configure()
	s.faults, s.outcome.queued, s.buckets = nil, nil, map[string]*bucket{}
	s.hooks.queue, s.hooks.delivered, s.hooks.attempts, s.hooks.sent = nil, nil, nil, 0
	s.changes = changes{}
	if s.journal == nil {
		return nil
	}
	return s.journal.Rewrite(s.records())
}
