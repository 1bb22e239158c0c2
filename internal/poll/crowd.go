package poll

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Crowd counts waits that begin together, so that they do not ask together.
type Crowd struct {
	mu     sync.Mutex
	second time.Time // when the current second began
	now    int       // waits begun in it
	before int       // waits begun in the one before
}

const (
	few       = 100 // waits begun within a second are no crowd
	maxSpread = 2 * time.Second
)

// spread returns the time over which the waits that began lately are to ask: a
// millisecond for each.
func (c *Crowd) spread(now time.Time) time.Duration {
	switch since := now.Sub(c.second); {
	case since >= 2*time.Second:
		c.second, c.now, c.before = now, 0, 0
	case since >= time.Second:
		c.second, c.now, c.before = c.second.Add(time.Second), 0, c.now
	}
	return min(max(0, time.Duration(c.now+c.before-few)*time.Millisecond), maxSpread)
}

// join counts a wait, and returns when after now it may ask first.
func (c *Crowd) join(now time.Time) time.Duration {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	return rand.N(c.spread(now) + 1)
}

// floor returns how long a pause is at least.
func (c *Crowd) floor(now time.Time) time.Duration {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	spread := c.spread(now)
	return spread*4/5 + rand.N(spread/2+1)
}
