package poll

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/passfort-go/passfort/internal/bounded"
)

// Bounds of what is remembered.
const (
	maxKinds   = 256 // the ones used last
	maxSample  = 128 // of a kind, the last ones
	leastKnown = 8   // of a kind, before they count
)

// Sample is how long things of one kind took, the shortest first.
type Sample []time.Duration

func (s Sample) enough() bool { return len(s) >= leastKnown }

// at returns the percentile of a sample that has enough.
func (s Sample) at(percent int) time.Duration { return s[len(s)*percent/100] }

// next returns after how long in all the next question is asked of what is not
// done after passed: when the fast ones would be, and then so that about a third of
// those that are left end in a pause, which is an eighth of what has passed, half or
// twice as much, and up to four times as much where none has ended yet.
func (s Sample) next(passed time.Duration) time.Duration {
	if early := s.at(4); passed < early {
		return early + part(early, (rand.Float64()-0.5)/20)
	}
	ended, _ := slices.BinarySearch(s, passed+1)
	left := s[ended:]
	share := 0.12
	if len(left) >= 3 {
		if first := ratio(left[0], passed); first > 1.25 {
			share = min(first-1, 0.5)
		} else {
			share = min(max(ratio(left[len(left)*3/10], passed)-1, 0.06), 0.25)
		}
	}
	return passed + part(passed, share*(0.9+rand.Float64()/5))
}

func ratio(a, b time.Duration) float64                  { return float64(a) / float64(b) }
func part(d time.Duration, share float64) time.Duration { return time.Duration(float64(d) * share) }

// Memory remembers how long things of different kinds took lately. It is safe for
// concurrent use.
type Memory struct {
	mu    sync.Mutex
	kinds *bounded.Map[*took]
}

// took is what is remembered of one kind. A sorted Sample is never altered.
type took struct {
	last   [maxSample]time.Duration
	count  int
	sorted Sample
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{kinds: bounded.New[*took](maxKinds)} }

// Of returns how long the last ones of a kind took.
func (m *Memory) Of(kind string) Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.kinds.Get(bounded.Key(kind))
	if !ok {
		return nil
	}
	return t.sorted
}

// Add notes how long one of a kind took.
func (m *Memory) Add(kind string, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := bounded.Key(kind)
	t, ok := m.kinds.Get(key)
	if !ok {
		t = &took{}
	}
	m.kinds.Remove(key) // the one used last is the youngest
	m.kinds.Put(key, t)
	sorted := slices.Clone(t.sorted)
	if at := t.count % maxSample; t.count >= maxSample {
		oldest, _ := slices.BinarySearch(sorted, t.last[at])
		sorted = slices.Delete(sorted, oldest, oldest+1)
	}
	place, _ := slices.BinarySearch(sorted, d)
	t.sorted = slices.Insert(sorted, place, d)
	t.last[t.count%maxSample] = d
	t.count++
}

// Within returns a duration of which is known that it is between two bounds, and
// about the third, if that is not 0. What was done at the first question may have
// been much faster: by taking it for anything down to four fifths of the bound, a
// memory follows what becomes faster.
func Within(least, most, about time.Duration) time.Duration {
	if about > 0 {
		return min(max(about, least), most)
	}
	least = max(least, most*4/5)
	return least + rand.N(most-least+1)
}
