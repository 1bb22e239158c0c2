package poll_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/poll"
)

// client is the pace of a client.
var client = poll.Pace{Min: 500 * time.Millisecond, Max: 30 * time.Second, Long: 10 * time.Minute}

// took draws how long the next one of a kind takes; began is since the load began.
type took func(r *rand.Rand, began time.Duration) time.Duration

func fixed(d time.Duration) took {
	return func(*rand.Rand, time.Duration) time.Duration { return d }
}

func uniform(d time.Duration) took { // 30 % up and down
	return func(r *rand.Rand, _ time.Duration) time.Duration {
		return time.Duration(float64(d) * (0.7 + 0.6*r.Float64()))
	}
}

func logNormal(d time.Duration) took {
	return func(r *rand.Rand, _ time.Duration) time.Duration {
		return time.Duration(float64(d) * math.Exp(0.3*r.NormFloat64()))
	}
}

// mixed takes the second for a share of all.
func mixed(one, other took, share float64) took {
	return func(r *rand.Rand, began time.Duration) time.Duration {
		if r.Float64() < share {
			return other(r, began)
		}
		return one(r, began)
	}
}

// from takes the second from a time on.
func from(one, other took, at time.Duration) took {
	return func(r *rand.Rand, began time.Duration) time.Duration {
		if began >= at {
			return other(r, began)
		}
		return one(r, began)
	}
}

// seen is how a wait went.
type seen struct {
	began     time.Duration // since the load began
	took      time.Duration
	late      float64 // parts of what it took
	questions int
}

// load has so many waits begin each second, for a time.
type load struct {
	perSecond float64
	lasts     time.Duration
	kinds     map[string]took
	known     bool // the server says how long it took

	// webhooks says whether one is sent at a time; nil: there is no inbox.
	webhooks func(at time.Duration) bool
}

func (l load) run(ctx context.Context) map[string][]seen {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		all    = map[string][]seen{}
		memory = poll.NewMemory()
		crowd  = &poll.Crowd{}
		start  = time.Now()
		random = rand.New(rand.NewPCG(1, 2))
		last   time.Time // webhook
	)
	for time.Since(start) < l.lasts {
		for kind, draw := range l.kinds {
			began := time.Now()
			d := draw(random, began.Sub(start))
			wake := make(chan struct{}, 1)
			plan := &poll.Plan{
				Pace: client, Crowd: crowd, Wake: wake, Began: began, Heard: began, Precise: true,
				Known: func() poll.Sample { return memory.Of(kind) },
			}
			if l.webhooks != nil {
				plan.Live = func() bool {
					mu.Lock()
					defer mu.Unlock()
					return !last.IsZero() && time.Since(last) <= 2*time.Second
				}
				time.AfterFunc(d, func() {
					if l.webhooks(time.Since(start)) {
						mu.Lock()
						last = time.Now()
						mu.Unlock()
						wake <- struct{}{}
					}
				})
			}
			wg.Go(func() {
				questions := 0
				_ = plan.Until(ctx, func() (bool, error) {
					questions++
					if time.Since(began) >= d {
						return true, nil
					}
					plan.Heard = time.Now()
					return false, nil
				})
				late := float64(time.Since(began)-d) / float64(d)
				about := time.Duration(0)
				if l.known {
					about = d.Truncate(time.Second)
				}
				if took, ok := plan.Took(about); ok {
					memory.Add(kind, took)
				}
				mu.Lock()
				defer mu.Unlock()
				all[kind] = append(all[kind], seen{began.Sub(start), d, late, questions})
			})
		}
		<-time.After(time.Duration(random.ExpFloat64() / l.perSecond * float64(time.Second)))
	}
	wg.Wait()
	return all
}

// after returns the waits that began at or after a time, and before another one.
func between(all []seen, from, to time.Duration) []seen {
	return slices.DeleteFunc(slices.Clone(all), func(s seen) bool { return s.began < from || s.began >= to })
}

func figures(all []seen) (median, late95, questions float64) {
	slices.SortFunc(all, func(a, b seen) int {
		switch {
		case a.late < b.late:
			return -1
		case a.late > b.late:
			return 1
		}
		return 0
	})
	for _, s := range all {
		questions += float64(s.questions) / float64(len(all))
	}
	return all[len(all)/2].late, all[len(all)*95/100].late, questions
}

// Once learnt, the end is seen soon, with few questions, at any load.
func TestSteadyLoad(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []float64{10, 100} {
		for _, d := range []time.Duration{5 * time.Second, 20 * time.Second, time.Minute} {
			if perSecond == 100 && d == time.Minute && os.Getenv("PASSFORT_LONG") == "" {
				continue
			}
			for name, draw := range map[string]took{"fixed": fixed(d), "uniform": uniform(d),
				"log-normal": logNormal(d)} {
				for _, known := range []bool{true, false} {
					t.Run(fmt.Sprintf("%v a second, %v, %s, known %v", perSecond, d, name, known), func(t *testing.T) {
						bubble(t, func(t *testing.T) {
							learnt := 3 * d
							lasts := learnt + time.Duration(1000/perSecond*float64(time.Second))
							all := load{perSecond, lasts, map[string]took{"a": draw}, known, nil}.run(t.Context())["a"]
							median, late95, questions := figures(between(all, learnt, time.Hour))
							t.Logf("late by %.1f %% and %.1f %%, %.2f questions", 100*median, 100*late95, questions)
							require.LessOrEqual(t, median, 0.08)
							require.LessOrEqual(t, late95, 0.25)
							require.LessOrEqual(t, questions, 6.0)
						})
					})
				}
			}
		}
	}
}

// A person who takes an hour where a provider takes seconds costs few questions.
func TestTwoPeaks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		provider, person := uniform(20*time.Second), uniform(time.Hour)
		all := load{1, 3 * time.Hour, map[string]took{"a": mixed(provider, person, 0.1)}, false,
			nil}.run(t.Context())["a"]
		all = between(all, 90*time.Minute, 24*time.Hour)
		fast := slices.DeleteFunc(slices.Clone(all), func(s seen) bool { return s.took > time.Minute })
		slow := slices.DeleteFunc(all, func(s seen) bool { return s.took < time.Minute })
		median, late95, questions := figures(fast)
		require.LessOrEqual(t, median, 0.08)
		require.LessOrEqual(t, late95, 0.25)
		require.LessOrEqual(t, questions, 6.0)
		median, late95, questions = figures(slow)
		require.LessOrEqual(t, median, 0.12)
		require.LessOrEqual(t, late95, 0.25)
		require.LessOrEqual(t, questions, 30.0, "40 at the pace of a tenth")
	})
}

// A provider that becomes slow or fast is followed, and meanwhile the end is not
// seen later than by a tenth or a quarter, of what it takes then.
func TestProviderThatChanges(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		then  time.Duration
		first float64 // late by at most, at the median, of the first ones
	}{"slow": {time.Minute, 0.12}, "fast": {5 * time.Second, 3}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				changes := 3 * time.Minute
				draw := from(uniform(20*time.Second), uniform(row.then), changes)
				all := load{10, 8 * time.Minute, map[string]took{"a": draw}, false, nil}.run(t.Context())["a"]
				median, _, questions := figures(between(all, changes, changes+time.Minute))
				require.LessOrEqual(t, median, row.first)
				require.LessOrEqual(t, questions, 20.0)
				median, late95, questions := figures(between(all, changes+2*time.Minute, time.Hour))
				require.LessOrEqual(t, median, 0.08)
				require.LessOrEqual(t, late95, 0.25)
				require.LessOrEqual(t, questions, 6.0)
			})
		})
	}
}

func TestTwoKindsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		kinds := map[string]took{"a": logNormal(5 * time.Second), "b": logNormal(time.Minute)}
		for kind, all := range (load{10, 5 * time.Minute, kinds, false, nil}).run(t.Context()) {
			median, late95, questions := figures(between(all, 3*time.Minute, time.Hour))
			require.LessOrEqual(t, median, 0.08, kind)
			require.LessOrEqual(t, late95, 0.25, kind)
			require.LessOrEqual(t, questions, 6.0, kind)
		}
	})
}

// While webhooks arrive few questions are asked. When they stop, waits ask as if
// there had been none.
func TestWebhooksThatStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stop, end := 3*time.Minute, 6*time.Minute
		kinds := map[string]took{"a": logNormal(20 * time.Second)}
		without := load{10, end, kinds, false, nil}.run(t.Context())["a"]
		with := load{10, end, kinds, false, func(at time.Duration) bool { return at < stop }}.run(t.Context())["a"]
		median, late95, questions := figures(between(with, time.Minute, stop-time.Minute))
		require.Zero(t, median)
		require.Zero(t, late95)
		require.LessOrEqual(t, questions, 2.0)
		median, late95, _ = figures(between(without, stop, end))
		medianStopped, late95Stopped, questions := figures(between(with, stop, end))
		require.InDelta(t, median, medianStopped, 0.02)
		require.InDelta(t, late95, late95Stopped, 0.05)
		require.LessOrEqual(t, questions, 6.0)
	})
}

// A webhook that is lost while others arrive is made up for.
func TestLostWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sent atomic.Int32
		kinds := map[string]took{"a": logNormal(20 * time.Second)}
		all := load{10, 5 * time.Minute, kinds, false, func(time.Duration) bool {
			return sent.Add(1)%10 != 0
		}}.run(t.Context())["a"]
		for _, s := range between(all, 2*time.Minute, time.Hour) {
			require.Less(t, s.late, 2.5, "it took %v", s.took)
			require.LessOrEqual(t, s.questions, 8)
		}
	})
}

// Where nothing is known, the questions are those of pauses that grow by half, and
// after five minutes of a tenth of what has passed.
func TestLongWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for d, most := range map[time.Duration]int{20 * time.Second: 13, 5 * time.Minute: 30, 24 * time.Hour: 300} {
			began, asked := time.Now(), 0
			require.NoError(t, (&poll.Plan{Pace: client}).Until(t.Context(), func() (bool, error) {
				asked++
				return time.Since(began) >= d, nil
			}))
			require.LessOrEqual(t, asked, most, d)
			require.LessOrEqual(t, time.Since(began)-d, 10*time.Minute)
		}
	})
}

func TestWaitsBegunTogether(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]int{1: 3, 100: 300, 1000: 1500, 10_000: 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				var wg sync.WaitGroup
				began, first, asked, crowd := time.Now(), 0, 0, &poll.Crowd{}
				for range n {
					wg.Go(func() {
						_ = (&poll.Plan{Pace: client, Crowd: crowd}).Until(t.Context(), func() (bool, error) {
							mu.Lock()
							defer mu.Unlock()
							asked++
							if time.Since(began) < time.Second {
								first++
							}
							return time.Since(began) >= 5*time.Second, nil
						})
					})
				}
				wg.Wait()
				t.Logf("%d questions in the first second, %d in all", first, asked)
				require.LessOrEqual(t, first, most)
				require.LessOrEqual(t, asked, 9*n)
				require.Less(t, time.Since(began), 10*time.Second)
			})
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := poll.NewMemory()
	for range 1000 {
		m.Add("kept", time.Second)
	}
	for i := range 1000 {
		m.Add(fmt.Sprint(i), time.Second)
		m.Add("kept", time.Minute)
	}
	require.Len(t, m.Of("kept"), 128)
	require.Equal(t, time.Minute, m.Of("kept")[0])
	require.Empty(t, m.Of("0"), "the one that was not used for longest is gone")
	require.Len(t, m.Of("999"), 1)
}

// What is waited for rarely is learnt beside what is waited for all the time.
func TestRareKindIsLearnt(t *testing.T) {
	t.Parallel()
	m := poll.NewMemory()
	for range 20 {
		m.Add("rare", time.Minute)
		for range 1000 {
			m.Add("busy", time.Second)
		}
	}
	require.Len(t, m.Of("rare"), 20)
	require.Len(t, m.Of("busy"), 128)
}

func TestWithin(t *testing.T) {
	t.Parallel()
	require.Equal(t, 7*time.Second, poll.Within(5*time.Second, 9*time.Second, 7*time.Second))
	require.Equal(t, 5*time.Second, poll.Within(5*time.Second, 9*time.Second, time.Second))
	require.Equal(t, 9*time.Second, poll.Within(5*time.Second, 9*time.Second, time.Hour))
	require.Equal(t, time.Second, poll.Within(time.Second, time.Second, 0))
	for range 100 {
		d := poll.Within(0, 10*time.Second, 0)
		require.GreaterOrEqual(t, d, 8*time.Second)
		require.LessOrEqual(t, d, 10*time.Second)
	}
}
