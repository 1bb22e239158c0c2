// Package bounded has a map that holds only so much.
package bounded

import "slices"

// Map is a map that drops its oldest key when it is full.
type Map[V any] struct {
	limit  int
	values map[string]entry[V]
	// order holds the keys from the oldest; a key that was removed or put again
	// since stands there with another number.
	order  []aged
	number uint64
}

type entry[V any] struct {
	value  V
	number uint64
}

type aged struct {
	key    string
	number uint64
}

// New returns a map of at most limit keys, and of at least one.
func New[V any](limit int) *Map[V] {
	return &Map[V]{limit: max(limit, 1), values: map[string]entry[V]{}}
}

// Get returns the value of a key and reports whether the map has it.
func (m *Map[V]) Get(key string) (V, bool) {
	v, ok := m.values[key]
	return v.value, ok
}

// Put sets the value of a key. A key that the map has keeps its age.
func (m *Map[V]) Put(key string, value V) {
	if old, ok := m.values[key]; ok {
		m.values[key] = entry[V]{value, old.number}
		return
	}
	for len(m.values) >= m.limit {
		oldest := m.order[0]
		m.order = m.order[1:]
		if m.stands(oldest) {
			delete(m.values, oldest.key)
		}
	}
	if len(m.order) >= 2*m.limit { // at least every second one was removed
		m.order = slices.DeleteFunc(m.order, func(a aged) bool { return !m.stands(a) })
	}
	m.number++
	m.values[key] = entry[V]{value, m.number}
	m.order = append(m.order, aged{key, m.number})
}

// stands reports whether a place in the order is that of the key today.
func (m *Map[V]) stands(a aged) bool { return m.values[a.key].number == a.number }

// Remove drops a key.
func (m *Map[V]) Remove(key string) { delete(m.values, key) }

// Len returns the number of keys.
func (m *Map[V]) Len() int { return len(m.values) }
