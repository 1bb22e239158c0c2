package wire

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// bestSum is the highest sum of scores of pairs that rise in both indices,
// worked out by trying everything.
func bestSum(n, m int, score func(i, j int) float32) float32 {
	var try func(i, j int) float32
	try = func(i, j int) float32 {
		if i == n || j == m {
			return 0
		}
		top := max(try(i+1, j), try(i, j+1))
		if s := score(i, j); s > 0 {
			top = max(top, s+try(i+1, j+1))
		}
		return top
	}
	return try(0, 0)
}

// requireRising fails unless the pairs rise in both indices.
func requireRising(t *testing.T, pairs [][2]int, n, m int) {
	t.Helper()
	before := [2]int{-1, -1}
	for _, p := range pairs {
		require.Greater(t, p[0], before[0], pairs)
		require.Greater(t, p[1], before[1], pairs)
		before = p
	}
	require.Less(t, before[0], n)
	require.Less(t, before[1], m)
}

func TestBestIsTheBest(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 500 {
		n, m := r.IntN(6), r.IntN(6)
		scores := make([]float32, n*m)
		for i := range scores {
			scores[i] = float32(max(r.IntN(7)-2, 0)) / 4 // exact in binary, a third of them 0
		}
		score := func(i, j int) float32 { return scores[i*m+j] }
		pairs := best(n, m, score)
		requireRising(t, pairs, n, m)
		var sum float32
		for _, p := range pairs {
			require.Positive(t, score(p[0], p[1]), "a score of 0 makes no pair")
			sum += score(p[0], p[1])
		}
		require.InDelta(t, bestSum(n, m, score), sum, 0, "seed %d", seed)
	}
}

func numbered(n int) marks { return marks{uint64(n), uint64(n)} }

func TestAlignIsTheLongest(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	for range 500 {
		a, b := make([]int, r.IntN(9)), make([]int, r.IntN(9))
		for _, list := range [][]int{a, b} {
			for i := range list {
				list[i] = r.IntN(3)
			}
		}
		equal := func(i, j int) bool { return a[i] == b[j] }
		pairs := align(marksOfAll(a, numbered), marksOfAll(b, numbered), equal)
		requireRising(t, pairs, len(a), len(b))
		for _, p := range pairs {
			require.True(t, equal(p[0], p[1]))
		}
		longest := bestSum(len(a), len(b), func(i, j int) float32 {
			if equal(i, j) {
				return 1
			}
			return 0
		})
		require.Len(t, pairs, int(longest), "seed %d", seed)
	}
}

// Lists whose table would be too large are aligned by looking a window ahead.
func TestAlignLongLists(t *testing.T) {
	t.Parallel()
	numbers := func(from, to int) []int {
		var list []int
		for i := from; i < to; i++ {
			list = append(list, i)
		}
		return list
	}
	whole := numbers(0, 3000)
	for _, row := range []struct {
		name string
		a, b []int
		want int
	}{
		{"first and last differ", slices.Concat([]int{-1}, whole, []int{-2}),
			slices.Concat([]int{-3}, whole, []int{-4}), 3000},
		{"first and last missing", whole, numbers(1, 2999), 2998},
		{"equal ends", slices.Concat([]int{-1}, whole, []int{-2, -7, -8}),
			slices.Concat([]int{-3, -3}, whole, []int{-4, -7, -8}), 3002},
		{"within the window", slices.Concat([]int{-1}, whole, []int{-2}),
			slices.Concat(numbers(-5000, -5000+window-1), whole, []int{-4}), 3000},
		{"beyond the window", slices.Concat([]int{-1}, whole, []int{-2}),
			slices.Concat(numbers(-5000, -5000+window), whole, []int{-4}), 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pairs := align(marksOfAll(row.a, numbered), marksOfAll(row.b, numbered), func(i, j int) bool {
				return row.a[i] == row.b[j]
			})
			requireRising(t, pairs, len(row.a), len(row.b))
			require.Len(t, pairs, row.want)
		})
	}
}

// Elements of lists of different length are paired from half of their content
// in common.
func TestAlike(t *testing.T) {
	t.Parallel()
	p := parser{seed: maphash.MakeSeed()}
	parsed := func(doc string) *node {
		n, err := p.parse([]byte(doc))
		require.NoError(t, err)
		return n
	}
	for _, row := range []struct {
		name, a, b string
		likeness   float32
		pairs      int
	}{
		{"the same", `{"a":1,"b":2}`, `{"b":2,"a":1.0}`, 1, 1},
		{"half", `{"a":1,"b":2}`, `{"a":1,"b":3}`, 0.5, 1},
		{"a quarter", `{"a":1,"b":2,"c":3,"d":4}`, `{"a":1,"b":0,"c":0,"d":0}`, 0.25, 0},
		{"half of a half", `{"a":{"x":1,"y":2},"b":2}`, `{"a":{"x":1,"y":3},"b":3}`, 0.25, 0},
		{"another id", `{"id":"1","a":1,"b":2}`, `{"id":"2","a":1,"b":2}`, 2.0 / 3, 0},
		{"nothing", `{"a":1}`, `{"b":1}`, 0, 0},
		{"no objects", `"a"`, `"b"`, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, b := parsed(row.a), parsed(row.b)
			require.InDelta(t, row.likeness, likeness(a, b), 1e-6)
			require.Len(t, alike([]*node{a}, []*node{parsed(`7`), b}), row.pairs)
		})
	}
}

// What is compared grows with the lists, not with their product.
func TestAlignGrows(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]func(i, n int) int{
		"the same":      func(i, _ int) int { return i },
		"all different": func(i, _ int) int { return -1 - i },
		"one more":      func(i, _ int) int { return i - 1 },
		"the other way": func(i, n int) int { return n - i },
		"two by two":    func(i, _ int) int { return i ^ 1 },
		"all alike":     func(int, int) int { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{10, 1000, 100_000} {
				a, b := make([]int, n), make([]int, n)
				for i := range n {
					a[i], b[i] = i, other(i, n)
				}
				compared := 0
				align(marksOfAll(a, numbered), marksOfAll(b, numbered), func(i, j int) bool {
					compared++
					return a[i] == b[j]
				})
				require.LessOrEqual(t, compared, 4*n)
			}
		})
	}
}
