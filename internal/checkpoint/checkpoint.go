// Package checkpoint keeps the place of a walk over pages that many workers handle at
// once: where to go on after a kill, and what of the pages from there on was handled.
package checkpoint

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
)

// remembered is how many of the items handled last are kept, for lists whose items
// move to other pages.
const remembered = 1000

// Most is how many pages may be begun and not finished.
const Most = 50

// ErrBehind means that too many pages are begun and not finished.
var ErrBehind = errors.New("checkpoint: too many items were taken and not added")

// mark stands for an item: no id is kept.
type mark [16]byte

func markOf(id string) mark {
	sum := sha256.Sum256([]byte(id))
	return mark(sum[:16])
}

// Checkpoint is such a place. It is safe for concurrent use.
type Checkpoint struct {
	mu    sync.Mutex
	next  int    // the offset behind the last page
	count *int   // of all items, as the last page said
	done  int    // items handled
	open  []page // begun and not finished, in order
	keep  int    // how many marks of finished pages are kept
	old   []mark // of finished pages
	known map[mark]bool
}

// page is a page of which not all items are handled.
type page struct {
	offset  int
	left    map[mark]bool
	handled []mark
}

// Place returns where to go on, and how many items there were.
func (c *Checkpoint) Place() (offset int, count *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset(), c.count
}

func (c *Checkpoint) offset() int {
	if len(c.open) > 0 {
		return c.open[0].offset
	}
	return c.next
}

// Begin notes a page and returns which of its items are still to be handled.
func (c *Checkpoint) Begin(offset, next int, count *int, ids []string) ([]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= Most {
		return nil, ErrBehind
	}
	p := page{offset: offset, left: map[mark]bool{}}
	fresh := make([]bool, len(ids))
	for i, id := range ids {
		m := markOf(id)
		if c.known[m] {
			p.handled = append(p.handled, m)
			continue
		}
		fresh[i], p.left[m] = true, true
	}
	c.open, c.next, c.count = append(c.open, p), next, count
	c.close()
	return fresh, nil
}

// Fell notes that n items before the next page are gone, and so all places are
// smaller.
func (c *Checkpoint) Fell(n, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.open {
		c.open[i].offset = max(0, c.open[i].offset-n)
	}
	c.next, c.count = max(0, c.next-n), &count
}

// Add notes that an item is handled.
func (c *Checkpoint) Add(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := markOf(id)
	if c.known[m] {
		return
	}
	c.note(m)
	c.done++
	for i := range c.open {
		if p := &c.open[i]; p.left[m] {
			delete(p.left, m)
			p.handled = append(p.handled, m)
			c.close()
			return
		}
	}
	c.old = append(c.old, m)
	c.close()
}

func (c *Checkpoint) note(m mark) {
	if c.known == nil {
		c.known = map[mark]bool{}
	}
	c.known[m] = true
}

// close drops the pages at the front that are handled whole.
func (c *Checkpoint) close() {
	for len(c.open) > 0 && len(c.open[0].left) == 0 {
		for _, m := range c.open[0].handled {
			c.old = append(c.old, m)
			c.known[m] = true
		}
		c.open = c.open[1:]
	}
	if n := len(c.old) - max(c.keep, remembered); n > 0 {
		kept := c.old[n:]
		for _, m := range c.old[:n] {
			delete(c.known, m)
		}
		for _, m := range kept { // a mark may be there twice
			c.known[m] = true
		}
		for _, p := range c.open {
			for _, m := range p.handled {
				c.known[m] = true
			}
		}
		c.old = append([]mark(nil), kept...)
	}
}

// Done returns how many items were handled.
func (c *Checkpoint) Done() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// saved is the JSON form.
type saved struct {
	Offset  int    `json:"offset"`
	Count   *int   `json:"count,omitempty"`
	Done    int    `json:"done"`
	Handled []byte `json:"handled"`
}

// MarshalJSON returns the place as it is now.
func (c *Checkpoint) MarshalJSON() ([]byte, error) {
	c.mu.Lock()
	s := saved{Offset: c.offset(), Count: c.count, Done: c.done}
	for _, m := range c.old {
		s.Handled = append(s.Handled, m[:]...)
	}
	for _, p := range c.open {
		for _, m := range p.handled {
			s.Handled = append(s.Handled, m[:]...)
		}
	}
	c.mu.Unlock()
	return json.Marshal(s)
}

// UnmarshalJSON takes what MarshalJSON returned.
func (c *Checkpoint) UnmarshalJSON(data []byte) error {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return errors.New("not a checkpoint")
	}
	const largest = (Most*200 + 2*remembered) * len(mark{})
	if s.Offset < 0 || s.Done < 0 || s.Count != nil && *s.Count < 0 || len(s.Handled)%len(mark{}) != 0 ||
		len(s.Handled) > 2*largest {
		return errors.New("not a checkpoint")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next, c.count, c.done, c.open, c.old, c.known = s.Offset, s.Count, s.Done, nil, nil, nil
	for len(s.Handled) > 0 {
		m := mark(s.Handled[:len(mark{})])
		c.old, s.Handled = append(c.old, m), s.Handled[len(mark{}):]
		c.note(m)
	}
	c.keep = len(c.old)
	return nil
}
