package passfort

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// turns lets the updates of one profile through one Client follow each other,
// so that they do not spend the account's quota on races that only one of them
// can win. It is a courtesy and no lock: whenever the line has not moved for as
// long as patience, one of those who wait goes ahead, and the ETag decides as it
// does between processes. So an update inside the change function of another one
// of the same profile gets through.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is the updates of one profile.
type line struct {
	turn    chan struct{} // holds one token while nobody has the turn
	waiting int           // how many wait or have the turn
	moved   atomic.Int64  // how many turns have ended or were not waited for
}

// patience is how long an update waits while the line stands still.
const patience = time.Second

// take waits for the turn of a profile, and returns how to end it.
func (t *turns) take(ctx context.Context, profileID string) (end func()) {
	t.mu.Lock()
	if t.lines == nil {
		t.lines = map[string]*line{}
	}
	l := t.lines[profileID]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		t.lines[profileID] = l
	}
	l.waiting++
	t.mu.Unlock()

	has := l.wait(ctx)
	return func() {
		if has {
			l.moved.Add(1)
			l.turn <- struct{}{}
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if l.waiting--; l.waiting == 0 {
			delete(t.lines, profileID)
		}
	}
}

// wait reports whether the turn came.
func (l *line) wait(ctx context.Context) bool {
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for moved := l.moved.Load(); ; {
		select {
		case <-l.turn:
			return true
		case <-ctx.Done():
			return false
		case <-ticker.C:
			if l.moved.CompareAndSwap(moved, moved+1) {
				return false
			}
			moved = l.moved.Load()
		}
	}
}
