// Package lanes runs work side by side where only some of it has an order.
package lanes

import (
	"sync"
	"sync/atomic"
)

// Run calls do for items, at most n at a time: those with the same key one after
// the other and in their order, whatever goes on beside them. Once a call returns
// false no other one begins. Run returns when all calls that began have returned,
// and reports whether all items were done. One lane runs on the goroutine of the
// caller. A call that panics ends the program, as on any goroutine.
func Run[T any](items []T, n int, key func(*T) string, do func(*T) bool) bool {
	lanes := split(items, n, key)
	var failed atomic.Bool
	var next atomic.Int64
	work := func() {
		for {
			mine := int(next.Add(1)) - 1
			if mine >= len(lanes) {
				return
			}
			for _, item := range lanes[mine] {
				if failed.Load() {
					return
				}
				if !do(item) {
					failed.Store(true)
					return
				}
			}
		}
	}
	var beside sync.WaitGroup
	for range min(n, len(lanes)) - 1 {
		beside.Go(work)
	}
	work()
	beside.Wait()
	return !failed.Load()
}

// split returns the items by their key, in the order in which the keys appear. If
// nothing runs beside anything, that is one lane with all of them.
func split[T any](items []T, n int, key func(*T) string) [][]*T {
	var lanes [][]*T
	of := map[string]int{}
	for i := range items {
		name := ""
		if n > 1 {
			name = key(&items[i])
		}
		lane, known := of[name]
		if !known {
			lane = len(lanes)
			of[name] = lane
			lanes = append(lanes, nil)
		}
		lanes[lane] = append(lanes[lane], &items[i])
	}
	return lanes
}
