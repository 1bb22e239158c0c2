// Command soak onboards people through a simulator that keeps failing, for as
// long as it should, and counts.
//
//	go run ./internal/soak            # 10 minutes
//	go run ./internal/soak -for 60s
//
// At any time 200 onboardings are under way, and about one request in ten meets
// a fault: a connection that is reset before or after the write, an error
// status before or after it, a rate limit, an answer that breaks off or comes
// late, a writer that was faster. Each onboarding is written as a careful user
// would write it: after an unknown outcome it looks before it repeats.
//
// It fails unless every profile ends in the right state, every check was
// charged once, memory stays flat, and no goroutine is left.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

func main() {
	var o options
	flag.DurationVar(&o.length, "for", 10*time.Minute, "how long")
	flag.IntVar(&o.workers, "workers", 200, "onboardings at the same time")
	flag.Float64Var(&o.faults, "faults", 0.1, "share of requests that meet a fault")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the faults")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

type options struct {
	length  time.Duration
	workers int
	faults  float64
	seed    uint64
}

// settled is how long one onboarding may take to end after the time is up.
const settled = 2 * time.Minute

func run(ctx context.Context, o options, out io.Writer) error {
	before := runtime.NumGoroutine()
	srv := passforttest.NewServer(
		passforttest.WithSeed(o.seed), passforttest.WithoutRateLimits(), passforttest.WithRecorder(0, 0),
	)
	for _, f := range faults(o.faults) {
		srv.Inject(f)
	}
	count := &tally{}
	c := srv.Client(passfort.WithObserver(count), passfort.WithRetry(passfort.RetryPolicy{
		MinBackoff: 10 * time.Millisecond, MaxBackoff: 200 * time.Millisecond,
	}))
	began := time.Now()
	stopAt := began.Add(o.length)
	ctx, cancel := context.WithDeadline(ctx, stopAt.Add(settled))
	defer cancel()
	memory := watch(ctx, stopAt)
	var all sync.WaitGroup
	for worker := range o.workers {
		all.Go(func() {
			for n := 0; time.Now().Before(stopAt) && ctx.Err() == nil; n++ {
				a := applicant{client: c, count: count, name: fmt.Sprintf("Person%dx%d", worker, n)}
				count.onboarded(a.onboard(ctx))
			}
		})
	}
	all.Wait()
	samples := <-memory
	charges, hits := srv.Charges(), srv.Count("")
	srv.Close()
	left := goroutines(before)
	count.print(out, time.Since(began), hits, charges["IDENTITY_CHECK"])
	early, late := thirds(samples)
	fmt.Fprintf(out, "memory: %.1f MB early, %.1f MB late; goroutines: %d before, %d after\n", early, late, before,
		left)
	switch done := int(count.done.Load()); {
	case count.first() != nil:
		return fmt.Errorf("%d onboardings failed, the first: %w", count.failed.Load(), count.first())
	case done == 0:
		return fmt.Errorf("no onboarding ended")
	case charges["IDENTITY_CHECK"] != done:
		return fmt.Errorf("%d checks were charged for %d onboardings", charges["IDENTITY_CHECK"], done)
	case late > 1.25*early+8:
		return fmt.Errorf("memory grew from %.1f to %.1f MB", early, late)
	case left > before:
		return fmt.Errorf("%d goroutines are left", left-before)
	}
	return nil
}

// faults share out a share of all requests.
func faults(share float64) []passforttest.Fault {
	all := []passforttest.Fault{
		{DropBeforeWrite: true}, {DropAfterWrite: true}, {Status: 503}, {Status: 500, AfterWrite: true},
		{Status: 502, AfterWrite: true}, {Status: 429}, {Truncate: true}, {Delay: 100 * time.Millisecond},
		{AfterWrite: true, Body: []byte{}}, {StaleETag: true},
	}
	if share <= 0 {
		return nil
	}
	for i := range all {
		all[i].Times, all[i].Probability = -1, share/float64(len(all))
		if all[i].StaleETag {
			all[i].Probability = share // of the writes with a precondition, which are few
		}
	}
	return all
}

// watch samples the heap, in MB, until the time is up.
func watch(ctx context.Context, until time.Time) <-chan []float64 {
	out := make(chan []float64, 1)
	every := max(time.Until(until)/30, 50*time.Millisecond)
	go func() {
		var samples []float64
		tick := time.NewTicker(every)
		defer tick.Stop()
		for time.Now().Before(until) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				out <- samples
				return
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			samples = append(samples, float64(m.HeapAlloc)/(1<<20))
		}
		out <- samples
	}()
	return out
}

// thirds are the medians of the first and the last third.
func thirds(samples []float64) (early, late float64) {
	n := len(samples) / 3
	if n == 0 {
		return 0, 0
	}
	median := func(l []float64) float64 {
		l = slices.Clone(l)
		slices.Sort(l)
		return l[len(l)/2]
	}
	return median(samples[:n]), median(samples[len(samples)-n:])
}

// goroutines waits for what is ending and returns how many run.
func goroutines(expected int) int {
	for range 100 {
		if runtime.NumGoroutine() <= expected {
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	return runtime.NumGoroutine()
}
