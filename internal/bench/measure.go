package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"gonum.org/v1/plot/plotter"
)

// figure is one line of the results.
type figure struct {
	what    string // is measured, of the SDK
	against string // which peer; empty for a count
	value   spread
	unit    string  // of a count; a ratio has none
	atMost  float64 // what the SDK promises, 0: nothing
	atLeast float64
	seen    string // the absolute values behind it
	command string
	curve   plotter.XYs // of a growth, which is drawn
}

func (f figure) ratio() bool { return f.unit == "" }

// holds reports whether the promise is kept.
func (f figure) holds() bool {
	return (f.atMost == 0 || f.value.median <= f.atMost) && (f.atLeast == 0 || f.value.median >= f.atLeast)
}

// between is the noise that the rounds of one run do not show: how far medians of the same
// code were apart within a day on one machine (0.28 and 0.35, 1.09 and 1.36).
const between = 1.25

// missed reports whether the promise is not kept by more than the noise of the figure:
// by none of its rounds.
func (f figure) missed() bool {
	return f.atMost > 0 && f.value.min > f.atMost*between || f.atLeast > 0 && f.value.max*between < f.atLeast
}

func (f figure) promise() string {
	switch {
	case f.atMost > 0:
		return "at most " + number(f.atMost)
	case f.atLeast > 0:
		return "at least " + number(f.atLeast)
	}
	return ""
}

func (f figure) String() string {
	line := f.what
	if f.against != "" {
		line += " vs " + f.against
	}
	line += ": " + f.value.String()
	if f.unit != "" {
		line += " " + f.unit
	}
	if f.seen != "" {
		line += " (" + f.seen + ")"
	}
	if p := f.promise(); p != "" {
		line += ", promised " + p
		if !f.holds() {
			line += ": NOT KEPT"
		}
	}
	return line
}

// spread is the median of several values, and the smallest and largest of them.
type spread struct {
	median, min, max float64
	n                int
}

func spreadOf(values ...float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	middle := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		middle = (middle + sorted[len(sorted)/2-1]) / 2
	}
	return spread{median: middle, min: sorted[0], max: sorted[len(sorted)-1], n: len(sorted)}
}

func (s spread) String() string {
	if s.n < 2 {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s to %s)", number(s.median), number(s.min), number(s.max))
}

func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// rival is one of several ways to do the same.
type rival struct {
	name   string
	before func() // each run, outside of the time; may be nil
	run    func(context.Context) error
}

// times are how long one run of each rival took on average, by round.
type times [][]time.Duration

// race lets the rivals run in turn, so that noise hits all of them alike. A
// round is many short turns of each. Its time is that of the median turn, so a
// turn in which the machine did something else does not count.
func race(ctx context.Context, s scale, rivals ...rival) (times, error) {
	once := func(r rival, runs int) (float64, error) {
		var took time.Duration
		for range runs {
			if r.before != nil {
				r.before()
			}
			began := time.Now()
			if err := r.run(ctx); err != nil {
				return 0, fmt.Errorf("%s: %w", r.name, err)
			}
			took += time.Since(began)
		}
		return took.Seconds() / float64(runs), ctx.Err()
	}
	runs := make([]int, len(rivals))
	for i, r := range rivals {
		took := math.Inf(1)
		for range 5 { // the first ones warm up
			again, err := once(r, 1)
			if err != nil {
				return nil, err
			}
			if took = min(took, again); took > s.turn.Seconds() {
				break // so that a turn is one run
			}
		}
		runs[i] = max(1, int(s.turn.Seconds()/took))
	}
	out := make(times, len(rivals))
	for range s.rounds {
		if s.round != nil {
			s.round()
		}
		runtime.GC()
		turns := make([][]float64, len(rivals))
		for turn := range s.turns {
			for i := range rivals {
				at := (i + turn) % len(rivals)
				took, err := once(rivals[at], runs[at])
				if err != nil {
					return nil, err
				}
				turns[at] = append(turns[at], took)
			}
		}
		for i := range rivals {
			out[i] = append(out[i], time.Duration(spreadOf(turns[i]...).median*float64(time.Second)))
		}
	}
	return out, nil
}

// ratios are the times of the first rival in proportion to each of the others.
func (t times) ratios(what string, rivals ...rival) []figure {
	var figures []figure
	for i, r := range rivals[1:] {
		var ratios []float64
		for round, ours := range t[0] {
			ratios = append(ratios, float64(ours)/float64(t[i+1][round]))
		}
		figures = append(figures, figure{
			what: what, against: r.name, value: spreadOf(ratios...),
			seen: short(t.median(0)) + " against " + short(t.median(i+1)),
		})
	}
	return figures
}

func (t times) median(rival int) time.Duration {
	sorted := slices.Sorted(slices.Values(t[rival]))
	return sorted[len(sorted)/2]
}

func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	default:
		return fmt.Sprintf("%.0f µs", d.Seconds()*1e6)
	}
}

// promised sets the promise of the figure against the named peer.
func promised(figures []figure, against string, atMost float64) {
	for i := range figures {
		if figures[i].against == against {
			figures[i].atMost = atMost
		}
	}
}

// heap is how much memory is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// allocated is how much memory run asks for in all, with everything else in the
// process.
func allocated(ctx context.Context, r rival) (float64, error) {
	var before, after runtime.MemStats
	if r.before != nil {
		r.before()
	}
	runtime.ReadMemStats(&before)
	if err := r.run(ctx); err != nil {
		return 0, err
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc), nil
}
