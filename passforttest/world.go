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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// rules is what a world is configured with.
type rules struct {
	apiKey, apiKeyName, institution string
	clock                           Clock
	seed                            *uint64
	switches                        Switches
	products                        []Product
	flows                           []Flow
	companies                       []Company
	pageSize                        int
	checkTime                       time.Duration
	syncLimit                       time.Duration
	syncHold                        time.Duration
	automationTime                  time.Duration
	chargeable                      int
	waterfalls                      map[string][]string
	imageLimit                      int64
}

// world is what the simulated Passfort holds, and the rules by which it changes. Its
// methods need the lock, which enter takes, unless their comment says that they take it.
// A rule cannot reach HTTP.
type world struct {
	*lifetime

	cfg   rules
	forms forms
	out   *deliveries

	mu         sync.Mutex
	state      *state
	roster     *roster
	sw         atomic.Pointer[Switches] // changes under the lock
	offset     atomic.Int64             // of the clock, nanoseconds; changes under the lock
	tick       time.Time                // the time of what is being applied
	due        dueQueue
	source     *mathrand.ChaCha8
	random     *mathrand.Rand
	moved      chan struct{} // closed and replaced whenever something changed
	outcome    outcomes
	keeping    atomic.Pointer[Journal] // changes under the lock
	compacting bool
	changes    changes
}

func newWorld(cfg config, life *lifetime) *world {
	w := &world{
		lifetime: life, cfg: cfg.rules, out: newDeliveries(cfg, life), moved: make(chan struct{}),
		state: newState(), roster: newRoster(), source: newSource(cfg.seed, forRules),
	}
	w.random = mathrand.New(w.source)
	w.sw.Store(&w.cfg.switches)
	w.tick = w.clockNow()
	w.configure()
	w.state.Keys[cfg.apiKey] = &keyInfo{Name: cfg.apiKeyName, Kind: keyMaster}
	return w
}

// configure adds the products and flows of the options.
func (w *world) configure() {
	for _, p := range w.cfg.products {
		w.addProduct(p)
	}
	for _, f := range w.cfg.flows {
		w.addFlow(f)
	}
}

// enter takes the lock, lets everything happen that is due and returns the world. A
// panic of what is due, such as of a function of DecideChecks, releases the lock.
func (w *world) enter() *world {
	w.mu.Lock()
	settled := false
	defer func() {
		if !settled {
			w.mu.Unlock()
		}
	}()
	w.settle()
	settled = true
	return w
}

// leave records what changed and releases the lock, even if a journal panics.
func (w *world) leave() {
	defer w.mu.Unlock()
	w.commit()
}

// chance reports true with the given probability. It takes the lock.
func (w *world) chance(probability float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64() < probability
}

// change calls do in the world. It takes the lock.
func (w *world) change(do func(*world) error) error {
	w.enter()
	defer w.leave()
	return do(w)
}

// switches returns the switches. It needs no lock: a call asks more than once, and each
// time it would wait behind all others.
func (w *world) switches() Switches { return *w.sw.Load() }

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

// summary is what the rules need of collected data.
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

// PortalUser returns the person in whose name the control methods act.
func (s *Server) PortalUser() User { return portalUser() }

func portalUser() User {
	return User{ID: nameID("user", "portal"), Name: "Portal User", Email: "portal.user@example.com"}
}

func portal() actor {
	u := portalUser()
	return actor{user: &u}
}

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

// The uses of a seed, each with a source of its own.
const (
	forRules      = 0
	forDeliveries = 1
)

func newSource(seed *uint64, use byte) *mathrand.ChaCha8 {
	var b [32]byte
	if seed == nil {
		_, _ = rand.Read(b[:])
	} else {
		binary.LittleEndian.PutUint64(b[:], *seed)
		b[8] = use
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
func (w *world) newID() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], w.random.Uint64())
	binary.LittleEndian.PutUint64(b[8:], w.random.Uint64())
	return uuid(b)
}

// newKey returns a fresh narrow key.
func (w *world) newKey() string {
	return fmt.Sprintf("simkey%016x%016x", w.random.Uint64(), w.random.Uint64())
}

// nameID returns an id that follows from a name.
func nameID(kind, name string) string {
	sum := sha256.Sum256([]byte("passfort simulator\x00" + kind + "\x00" + name))
	return uuid([16]byte(sum[:16]))
}

// profileOf returns the profile of a call.
func (w *world) profileOf(c *call) (*profile, error) {
	if c.reads {
		return w.look(c.params["profile_id"])
	}
	return w.profileByID(c.params["profile_id"])
}

// profileByID returns a profile that may be changed.
func (w *world) profileByID(id string) (*profile, error) {
	p, err := w.look(id)
	if err == nil {
		w.touch(p)
	}
	return p, err
}

// look returns a profile that is only read.
func (w *world) look(id string) (*profile, error) {
	p := w.state.Profiles[strings.ToLower(id)]
	if p == nil {
		return nil, notFound("profile")
	}
	return p, nil
}

// waiting returns the profile that something is due for, or nil. It may be changed.
func (w *world) waiting(id string) *profile {
	p := w.state.Profiles[id]
	if p != nil {
		w.touch(p)
	}
	return p
}

// changed wakes everything that waits for the state to move.
func (w *world) changed() {
	close(w.moved)
	w.moved = make(chan struct{})
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
func (w *world) at(t time.Time, what func()) {
	w.due.seq++
	heap.Push(&w.due, dueItem{t, w.due.seq, what})
	w.changed()
}

// settle lets everything happen that is due, in order, sets tick to now and updates the
// roster.
func (w *world) settle() {
	now := w.clockNow()
	for w.due.Len() > 0 && !w.due.items[0].at.After(now) {
		item := heap.Pop(&w.due).(dueItem)
		w.tick = item.at
		item.what()
		w.changed()
	}
	w.tick = now
	w.reindex()
}

// reindex updates the roster with the profiles that changed.
func (w *world) reindex() {
	for id := range w.changes.profiles {
		if p := w.state.Profiles[id]; p != nil {
			w.roster.update(p)
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
	return s.world.clockNow()
}

// clockNow returns the time. It needs no lock.
func (w *world) clockNow() time.Time { return w.cfg.clock.Now().Add(w.advanced()).UTC() }

// advanced returns by how much the clock was moved. It needs no lock.
func (w *world) advanced() time.Duration { return time.Duration(w.offset.Load()) }

// AdvanceClock moves the server's time forward by d, on any Clock, and lets
// everything happen that is due: checks complete, requests expire, webhooks
// are queued.
func (s *Server) AdvanceClock(d time.Duration) {
	s.world.mu.Lock()
	defer s.world.leave()
	s.world.offset.Add(int64(d))
	s.world.settle()
	s.world.changed()
}

// wait blocks until the server's time reaches at, ctx ends or the server is
// closed. It takes the lock.
func (w *world) wait(ctx context.Context, at time.Time) {
	for {
		w.mu.Lock()
		left := at.Sub(w.clockNow())
		moved := w.moved
		w.mu.Unlock()
		if left <= 0 {
			return
		}
		timer := w.cfg.clock.After(left)
		if c, is := w.cfg.clock.(*ManualClock); is {
			c.skip(left)
		}
		select {
		case <-timer:
		case <-moved:
		case <-ctx.Done():
			return
		case <-w.closed:
			return
		}
	}
}
