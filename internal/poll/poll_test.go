package poll_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/poll"
)

var pace = poll.Pace{Min: time.Second, Max: 10 * time.Second, Long: 10 * time.Second}

// bubble runs a test in which waiting takes no time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func TestUntilAsksAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, (&poll.Plan{Pace: pace}).Until(t.Context(), func() (bool, error) { return true, nil }))
		require.Zero(t, time.Since(began))
	})
}

// Pauses grow by half, up to the longest, and each is anywhere in its upper
// half.
func TestPausesGrow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked []time.Time
		require.NoError(t, (&poll.Plan{Pace: pace}).Until(t.Context(), func() (bool, error) {
			asked = append(asked, time.Now())
			return len(asked) == 200, nil
		}))
		longest := time.Second
		least, most := time.Hour, time.Duration(0)
		for i := 1; i < len(asked); i++ {
			pause := asked[i].Sub(asked[i-1])
			require.GreaterOrEqual(t, pause, longest/2, i)
			require.LessOrEqual(t, pause, longest, i)
			if longest == pace.Max {
				least, most = min(least, pause), max(most, pause)
			}
			longest = min(longest+longest/2, pace.Max)
		}
		require.Less(t, least, 6*time.Second, "the pauses are spread")
		require.Greater(t, most, 9*time.Second)
	})
}

func TestUntilFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failed := errors.New("failed")
		asked := 0
		err := (&poll.Plan{Pace: pace}).Until(t.Context(), func() (bool, error) {
			if asked++; asked == 3 {
				return false, failed
			}
			return false, nil
		})
		require.Equal(t, failed, err)
		require.Equal(t, 3, asked)
	})
}

func TestUntilDoneAndFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failed := errors.New("failed")
		require.Equal(t, failed, (&poll.Plan{Pace: pace}).Until(t.Context(), func() (bool, error) {
			return true, failed
		}))
	})
}

func TestUntilEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began, asked := time.Now(), 0
		err := (&poll.Plan{Pace: pace}).Until(ctx, func() (bool, error) { asked++; return false, nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		require.Equal(t, 1, asked)
	})
}

// A wake-up asks at once, and the pauses start over.
func TestWakeUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		wake := make(chan struct{}, 1)
		var asked []time.Time
		var woken time.Time
		require.NoError(t, (&poll.Plan{Pace: pace, Wake: wake}).Until(t.Context(), func() (bool, error) {
			asked = append(asked, time.Now())
			if len(asked) == 10 { // the pause would be more than 5 s
				woken = time.Now().Add(time.Millisecond)
				time.AfterFunc(time.Millisecond, func() { wake <- struct{}{} })
			}
			return len(asked) == 12, nil
		}))
		require.Equal(t, woken, asked[10])
		require.LessOrEqual(t, asked[11].Sub(asked[10]), time.Second)
	})
}

func TestPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		woken, err := poll.Pause(t.Context(), 3*time.Second, nil)
		require.NoError(t, err)
		require.False(t, woken)
		require.Equal(t, 3*time.Second, time.Since(began))

		wake := make(chan struct{}, 1)
		wake <- struct{}{}
		woken, err = poll.Pause(t.Context(), time.Hour, wake)
		require.NoError(t, err)
		require.True(t, woken)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		woken, err = poll.Pause(ctx, time.Hour, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, woken)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestDoubled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		first, most time.Duration
		further     int
		want        time.Duration
	}{
		{"the first failure", time.Second, time.Minute, 0, time.Second},
		{"the third", time.Second, time.Minute, 2, 4 * time.Second},
		{"the most", time.Second, time.Minute, 6, time.Minute},
		{"a first that is the most", time.Minute, time.Minute, 1, time.Minute},
		{"more than a duration holds", 10 * time.Second, math.MaxInt64, 1000, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, poll.Doubled(test.first, test.most, test.further))
		})
	}
}
