package poll

import (
	"sync"
	"time"
)

// Pulse says whether something that arrives now and then still does. The zero value
// has not begun. It is safe for concurrent use.
type Pulse struct {
	mu      sync.Mutex
	last    time.Time     // the last arrival
	longest time.Duration // about the longest gap of late, 0 before the first
	doubted bool          // something did not arrive
	silent  bool          // nor did it after a while
}

// The gaps of a pulse.
const (
	oneBurst  = 250 * time.Millisecond // what arrives within it is one arrival
	leastLive = time.Second
	mostLive  = time.Hour
)

// Beat notes an arrival.
func (p *Pulse) Beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubted, p.silent = false, false
	now := time.Now()
	gap := now.Sub(p.last)
	switch {
	case p.last.IsZero():
	case gap < oneBurst:
		return
	default:
		p.longest = max(gap, p.longest*19/20)
	}
	p.last = now
}

// Live reports whether the last gap, and so far this one, are no longer than usual.
func (p *Pulse) Live() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.longest > 0 && !p.doubted && time.Since(p.last) <= min(max(leastLive, 3*p.longest), mostLive)
}

// Doubt notes that something did not arrive. It may only be late.
func (p *Pulse) Doubt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubted = true
}

// Silence notes that something did not arrive however long it was waited for.
func (p *Pulse) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubted, p.silent = true, true
}

// Silent reports whether nothing has arrived since Silence.
func (p *Pulse) Silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent
}

// Trust says whether the ends of waits come with a wake-up, and not after a question
// has seen them. The zero value trusts. It is safe for concurrent use.
type Trust struct {
	mu   sync.Mutex
	lost int
}

// One end without a wake-up needs four with one to be made up for.
const (
	lostEnd  = 4
	mostLost = 2 * lostEnd
)

// ended notes how a wait ended.
func (t *Trust) ended(p *Plan) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case p.woken:
		t.lost = max(0, t.lost-1)
	case p.Missed():
		t.lost = min(t.lost+lostEnd, mostLost)
	}
}

func (t *Trust) holds() bool {
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost < lostEnd
}
