package passfort

import (
	"context"
	"sync"
)

// WebhookStore remembers which messages were handled. An implementation on a
// database needs one table with the id as its key; share it between all
// processes that receive webhooks. It may forget what is old: nobody knows how
// long Passfort repeats a message, and one repeated later is handled again. The
// id is the message's own, or a hash of its
// content if it has none; it is at most 128 bytes long. Both methods must be
// safe for concurrent use; if one fails the delivery is not acknowledged.
type WebhookStore interface {
	// Seen reports whether the message was committed.
	Seen(ctx context.Context, id string) (bool, error)
	// Commit records that the message was handled or parked. Committing twice is
	// no error.
	Commit(ctx context.Context, id string) error
}

// MemoryWebhookStore is a WebhookStore that forgets: with the process, and the
// oldest message when it is full.
type MemoryWebhookStore struct {
	mu   sync.Mutex
	seen *boundedMap[struct{}]
}

// NewMemoryWebhookStore returns a store for the last n messages (at least 1).
func NewMemoryWebhookStore(n int) *MemoryWebhookStore {
	return &MemoryWebhookStore{seen: newBoundedMap[struct{}](n)}
}

// Seen reports whether the message was committed and is not forgotten.
func (s *MemoryWebhookStore) Seen(_ context.Context, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.seen.get(id)
	return ok, nil
}

// Commit remembers the message.
func (s *MemoryWebhookStore) Commit(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.put(id, struct{}{})
	return nil
}

// boundedMap is a map that drops its oldest key when it is full.
type boundedMap[V any] struct {
	limit  int
	values map[string]boundedValue[V]
	// order holds the keys from the oldest; a key that was removed or put again
	// since stands there with another number.
	order  []boundedKey
	number uint64
}

type boundedValue[V any] struct {
	value  V
	number uint64
}

type boundedKey struct {
	key    string
	number uint64
}

func newBoundedMap[V any](limit int) *boundedMap[V] {
	return &boundedMap[V]{limit: max(limit, 1), values: map[string]boundedValue[V]{}}
}

func (m *boundedMap[V]) get(key string) (V, bool) {
	v, ok := m.values[key]
	return v.value, ok
}

// put sets the value of a key. A key that is there keeps its age.
func (m *boundedMap[V]) put(key string, value V) {
	if old, ok := m.values[key]; ok {
		m.values[key] = boundedValue[V]{value, old.number}
		return
	}
	for len(m.values) >= m.limit || len(m.order) >= 2*m.limit {
		oldest := m.order[0]
		m.order = m.order[1:]
		if m.values[oldest.key].number == oldest.number {
			delete(m.values, oldest.key)
		}
	}
	m.number++
	m.values[key] = boundedValue[V]{value, m.number}
	m.order = append(m.order, boundedKey{key, m.number})
}

func (m *boundedMap[V]) remove(key string) { delete(m.values, key) }
