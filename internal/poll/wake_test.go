package poll_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/poll"
)

func live() bool { return true }

// A storm of news costs as many questions as the news of one application and then one in
// half a second, and the last of it is followed.
func TestStormOfWakeUps(t *testing.T) {
	t.Parallel()
	for storm, most := range map[time.Duration]int{time.Second: 24, time.Minute: 142} {
		t.Run(storm.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				began, asked := time.Now(), 0
				wake := make(chan struct{}, 1)
				plan := &poll.Plan{Pace: client, Wake: wake, Live: live}
				go func() {
					for time.Since(began) < storm {
						<-time.After(time.Millisecond) // of the bubble
						select {
						case wake <- struct{}{}:
						default:
						}
					}
				}()
				require.NoError(t, plan.Until(t.Context(), func() (bool, error) {
					asked++
					plan.Heard = time.Now()
					return time.Since(began) >= storm, nil
				}))
				require.LessOrEqual(t, time.Since(began), storm+500*time.Millisecond)
				require.LessOrEqual(t, asked, most)
			})
		})
	}
}

// The news of one application, 20 within seconds, are followed within 100 ms.
func TestNewsOfAnApplication(t *testing.T) {
	t.Parallel()
	for _, ms := range []int{0, 50, 100, 200, 300} {
		gap := time.Duration(ms) * time.Millisecond
		t.Run(gap.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				wake := make(chan struct{}, 1)
				plan := &poll.Plan{Pace: client, Wake: wake, Live: live}
				last := time.Now().Add(3*time.Second + 20*gap)
				go func() {
					<-time.After(3 * time.Second) // of the bubble
					for range 20 {
						<-time.After(gap)
						select {
						case wake <- struct{}{}:
						default:
						}
					}
				}()
				require.NoError(t, plan.Until(t.Context(), func() (bool, error) {
					is := !time.Now().Before(last)
					<-time.After(50 * time.Millisecond)
					plan.Heard = time.Now()
					return is, nil
				}))
				require.LessOrEqual(t, time.Since(last), 150*time.Millisecond, "with the question")
			})
		})
	}
}

// News that come one at a time are followed at once, whatever their number.
func TestWakeUpsNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		wake := make(chan struct{}, 1)
		plan := &poll.Plan{Pace: client, Wake: wake, Live: live}
		var sent time.Time
		asked := 0
		require.NoError(t, plan.Until(t.Context(), func() (bool, error) {
			if asked++; asked > 1 {
				require.Zero(t, time.Since(sent))
			}
			plan.Heard = time.Now()
			time.AfterFunc(time.Second, func() {
				sent = time.Now()
				wake <- struct{}{}
			})
			return asked == 100, nil
		}))
	})
}

// What woke a wait has not been looked at while the questions fail, however long the
// wait relied on webhooks before.
func TestFailureAfterAWakeUp(t *testing.T) {
	t.Parallel()
	for _, precise := range []bool{false, true} {
		for _, failures := range []int{1, 8} {
			t.Run(fmt.Sprint(precise, failures), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					began := time.Now()
					wake := make(chan struct{}, 1)
					plan := &poll.Plan{Pace: client, Wake: wake, Live: live, Precise: precise}
					time.AfterFunc(time.Hour, func() { wake <- struct{}{} })
					require.NoError(t, plan.Until(t.Context(), func() (bool, error) {
						if time.Since(began) < time.Hour {
							plan.Heard = time.Now()
							return false, nil
						}
						failures--
						return failures < 0, nil
					}))
					require.Less(t, time.Since(began)-time.Hour, 30*time.Second)
				})
			})
		}
	}
}

// Waits of what began long before do not ask together either, at first and later.
func TestOldOnesBegunTogether(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]int{100: 400, 1000: 1500, 10_000: 7500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				var wg sync.WaitGroup
				heard := time.Now()
				<-time.After(10 * time.Second) // of the bubble
				began, crowd := time.Now(), &poll.Crowd{}
				asked := map[int]int{} // by the second
				for range n {
					wg.Go(func() {
						plan := &poll.Plan{Pace: client, Crowd: crowd, Began: heard, Heard: heard}
						_ = plan.Until(t.Context(), func() (bool, error) {
							mu.Lock()
							defer mu.Unlock()
							plan.Heard = time.Now()
							asked[int(time.Since(began)/time.Second)]++
							return time.Since(began) >= 10*time.Second, nil
						})
					})
				}
				wg.Wait()
				for second, questions := range asked {
					require.LessOrEqual(t, questions, most, "in second %d", second)
				}
			})
		})
	}
}

// What takes a known time is due for all that began together at one moment. They are
// spread, as far as the caller lets them.
func TestKnownOnesBegunTogether(t *testing.T) {
	t.Parallel()
	known := poll.Sample{}
	for range 128 {
		known = append(known, 2*time.Second)
	}
	for longest, apart := range map[time.Duration]time.Duration{
		client.Long: time.Second, 2 * time.Second: 0,
	} {
		t.Run(longest.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				var wg sync.WaitGroup
				began, crowd := time.Now(), &poll.Crowd{}
				first, last := time.Hour, time.Duration(0)
				for range 5000 {
					wg.Go(func() {
						pace := client
						pace.Long = longest
						plan := &poll.Plan{Pace: pace, Crowd: crowd, Began: began, Heard: began,
							Known: func() poll.Sample { return known }}
						_ = plan.Until(t.Context(), func() (bool, error) {
							mu.Lock()
							defer mu.Unlock()
							first, last = min(first, time.Since(began)), max(last, time.Since(began))
							return true, nil
						})
					})
				}
				wg.Wait()
				require.GreaterOrEqual(t, last-first, apart)
				require.LessOrEqual(t, last, longest)
			})
		})
	}
}

// Where the webhooks of others arrive, those of these waits are late, or half of them
// do not come, waits are no later than without an inbox.
func TestWebhooksOfOthers(t *testing.T) {
	t.Parallel()
	for name, arrives := range map[string]func() (after time.Duration, comes bool){
		"of others only": func() (time.Duration, bool) { return 0, false },
		"half":           func() (time.Duration, bool) { return 0, rand.N(2) == 0 },
		"5 s late":       func() (time.Duration, bool) { return 5 * time.Second, true },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var late []seen
				memory, trust := poll.NewMemory(), &poll.Trust{}
				for range 300 {
					began, d := time.Now(), 14*time.Second+rand.N(12*time.Second)
					wake := make(chan struct{}, 1)
					plan := &poll.Plan{Pace: client, Wake: wake, Began: began, Heard: began, Precise: true,
						Known: func() poll.Sample { return memory.Of("a") }, Live: live, Trust: trust}
					if after, comes := arrives(); comes {
						time.AfterFunc(d+after, func() { wake <- struct{}{} })
					}
					questions := 0
					require.NoError(t, plan.Until(t.Context(), func() (bool, error) {
						questions++
						if time.Since(began) >= d {
							return true, nil
						}
						plan.Heard = time.Now()
						return false, nil
					}))
					late = append(late, seen{0, d, float64(time.Since(began)-d) / float64(d), questions})
					took, known := plan.Took(d.Truncate(time.Second))
					require.True(t, known)
					require.InDelta(t, d.Seconds(), took.Seconds(), 2.5, "a late webhook is not taken for the end")
					memory.Add("a", took)
				}
				median, late95, questions := figures(late[50:])
				require.LessOrEqual(t, median, 0.08)
				require.LessOrEqual(t, late95, 0.25)
				require.LessOrEqual(t, questions, 6.0)
			})
		})
	}
}

// A wait that ends with its context asks once more before, if there is the time.
func TestLastLook(t *testing.T) {
	t.Parallel()
	known := poll.Sample{}
	for range 10 {
		known = append(known, time.Hour)
	}
	for limit, asked := range map[time.Duration]int{
		0: 0, 100 * time.Millisecond: 0, 900 * time.Millisecond: 0, 5 * time.Second: 1, 30 * time.Minute: 3,
	} {
		t.Run(limit.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				began, got := time.Now(), 0
				var last time.Duration
				plan := &poll.Plan{Pace: client, Began: began, Heard: began,
					Known: func() poll.Sample { return known }, Live: live}
				err := plan.Until(ctx, func() (bool, error) {
					got++
					plan.Heard = time.Now()
					last = time.Since(began)
					return false, nil
				})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, limit, time.Since(began))
				require.Equal(t, asked, got)
				if asked > 0 {
					require.Equal(t, limit-500*time.Millisecond, last)
				}
			})
		})
	}
}

// Waits that began together and end together do not look together for the last time.
func TestLastLookOfACrowd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var mu sync.Mutex
		var wg sync.WaitGroup
		began, crowd := time.Now(), &poll.Crowd{}
		late, asked := map[time.Duration]int{}, 0 // questions in the last minute, by 100 ms
		for range 1000 {
			wg.Go(func() {
				plan := &poll.Plan{Pace: client, Crowd: crowd, Began: began, Heard: began, Live: live}
				err := plan.Until(ctx, func() (bool, error) {
					mu.Lock()
					defer mu.Unlock()
					plan.Heard = time.Now()
					if at := time.Since(began); at > 59*time.Minute {
						late[at.Truncate(100*time.Millisecond)]++
						asked++
					}
					return false, nil
				})
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		wg.Wait()
		require.GreaterOrEqual(t, asked, 1000)
		for at, questions := range late {
			require.LessOrEqual(t, questions, 400, at)
		}
	})
}

// Waits of a crowd whose context ends before their turn ask once all the same.
func TestCrowdWithLittleTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		crowd := &poll.Crowd{}
		for range 5000 {
			wg.Go(func() {
				asked := 0
				plan := &poll.Plan{Pace: client, Crowd: crowd}
				err := plan.Until(ctx, func() (bool, error) {
					asked++
					plan.Heard = time.Now()
					return false, nil
				})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Contains(t, []int{1, 2, 3}, asked)
			})
		}
		wg.Wait()
	})
}
