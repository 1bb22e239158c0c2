package lanes_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/lanes"
)

type item struct {
	key string
	n   int
}

func keyOf(i *item) string { return i.key }

func TestRun(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		n    int
		took time.Duration // each call takes a second
	}{
		{"one after the other", 1, 60 * time.Second},
		{"two at a time", 2, 30 * time.Second},
		{"as many as there are keys", 6, 10 * time.Second},
		{"more than there are keys", 100, 10 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var items []item
				for n := range 60 {
					items = append(items, item{string(rune('a' + n%6)), n})
				}
				var mu sync.Mutex
				last, running, most := map[string]int{}, 0, 0
				began := time.Now()
				require.True(t, lanes.Run(items, row.n, keyOf, func(i *item) bool {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					<-time.After(time.Second)
					mu.Lock()
					defer mu.Unlock()
					running--
					require.True(t, last[i.key] == 0 || last[i.key] == i.n-6, "the order of %s", i.key)
					last[i.key] = i.n
					return true
				}))
				require.Equal(t, row.took, time.Since(began))
				require.LessOrEqual(t, most, row.n)
				require.Len(t, last, 6)
			})
		})
	}
	require.True(t, lanes.Run(nil, 4, keyOf, func(*item) bool { return false }), "nothing to do is done")
}

// TestRunAfterAFailure begins nothing more, and waits for what was begun.
func TestRunAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		items := []item{{"a", 1}, {"b", 2}, {"a", 3}, {"b", 4}, {"c", 5}}
		var mu sync.Mutex
		done := map[int]bool{}
		require.False(t, lanes.Run(items, 2, keyOf, func(i *item) bool {
			if i.n == 1 {
				<-time.After(time.Second)
				return false
			}
			<-time.After(2 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			done[i.n] = true
			return true
		}))
		require.Equal(t, map[int]bool{2: true}, done)
	})
}
