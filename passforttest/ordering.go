package passforttest

import "slices"

// ListOrder is the order of lists. None is documented (sheet 1.7).
type ListOrder int

// The orders that the simulator knows.
const (
	OldestFirst ListOrder = iota // as things were made
	NewestFirst
	Shuffled // another order each time
)

// ordered returns what a list answers with, in the order of the switch.
func ordered[T any](s *Server, l []T) []T {
	switch s.sw.ListOrder {
	case NewestFirst:
		l = slices.Clone(l)
		slices.Reverse(l)
	case Shuffled:
		l = slices.Clone(l)
		s.random.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
	}
	return orEmpty(l)
}
