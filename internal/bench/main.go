// Command bench measures the SDK beside what one would use in its place, side
// by side in one process, and prints ratios with their spread:
//
//	go run -C internal/bench .
//	go run -C internal/bench . -run upload
//	go run -C internal/bench . -write
//	go run -C internal/bench . -gate -run call
//
// -write puts the results into docs/figures.md and its pictures.
// -gate measures less, and fails when a promise is missed by more than its noise in
// three runs of three.
// Peers are net/http and encoding/json by hand, a client that oapi-codegen
// generated from openapi.yaml, four well-known clients of other APIs, and reading an
// image whole. All talk to servers
// in this process, so no figure holds a network.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	pattern := flags.String("run", "", "measure only cases whose name matches this `expression`")
	write := flags.Bool("write", false, "write docs/figures.md and its pictures")
	gate := flags.Bool("gate", false,
		"measure up to three times, and fail when a promise is missed by more than its noise each time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	var figures []figure
	for _, c := range cases {
		if !chosen.MatchString(c.name) {
			continue
		}
		if *gate {
			if err := c.gate(ctx, gated, stdout); err != nil {
				return err
			}
			continue
		}
		began := time.Now()
		measured, err := c.measure(ctx, full)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for i := range measured {
			measured[i].command = "go run -C internal/bench . -run " + c.name
			fmt.Fprintln(stdout, measured[i])
		}
		fmt.Fprintf(stdout, "  (%s: %s)\n", c.name, time.Since(began).Round(time.Second/10))
		figures = append(figures, measured...)
		runtime.GC()
	}
	if !*write {
		return nil
	}
	if *pattern != "" {
		return fmt.Errorf("-write needs all figures: leave -run away")
	}
	return writeReport("../..", report{figures: figures, machine: machine(), when: time.Now()})
}

// benchCase measures one thing in several ways.
type benchCase struct {
	name    string
	measure func(context.Context, scale) ([]figure, error)
}

// gate measures until each promise was kept once, or missed by no more than its noise,
// and fails when one was missed by more in three runs of three.
func (c benchCase) gate(ctx context.Context, s scale, stdout io.Writer) error {
	const runs = 3
	missed := map[string]int{}
	for range runs {
		figures, err := c.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		again := false
		for i, f := range figures {
			name := fmt.Sprint(i, " ", f.what, " ", f.against)
			switch {
			case f.promise() == "" || missed[name] < 0:
			case !f.missed():
				missed[name] = -1 // kept once
				fmt.Fprintln(stdout, f)
			default:
				missed[name]++
				again = true
				fmt.Fprintln(stdout, f)
				if missed[name] == runs {
					return fmt.Errorf("%s: missed in %d runs of %d", f, runs, runs)
				}
			}
		}
		if !again {
			break
		}
	}
	fmt.Fprintf(stdout, "  (%s: nothing missed by more than its noise)\n", c.name)
	return nil
}

var cases = []benchCase{
	{"call", measureCall},
	{"json", measureJSON},
	{"upload", measureUpload},
	{"download", measureDownload},
	{"webhooks", measureWebhooks},
	{"updates", measureUpdates},
	{"waits", measureWaits},
	{"listing", measureListing},
	{"pool", measurePool},
	{"growth", measureGrowth},
}

// scale says how much work a measurement is.
type scale struct {
	rounds   int           // of each ratio
	turns    int           // of each rival in a round
	turn     time.Duration // about how long a turn is
	image    int           // bytes
	writers  int
	appends  int // of each writer
	waits    int
	checkFor time.Duration // how long a check takes
	profiles int
	elements int // of a list, a power of ten
	crowd    time.Duration
	round    func() // before each round; nil: nothing
}

var full = scale{
	rounds: 11, turns: 51, turn: 2 * time.Millisecond,
	image:   50_000_000,
	writers: 32, appends: 20,
	waits: 1000, checkFor: 20 * time.Second,
	profiles: 100_000,
	elements: 100_000,
	crowd:    2 * time.Second,
}

// gated is what each run of CI has time for.
var gated = scale{
	rounds: 7, turns: 21, turn: 2 * time.Millisecond,
	image:   50_000_000,
	writers: 32, appends: 20,
	waits: 100, checkFor: time.Second,
	profiles: 40_000,
	elements: 10_000,
	crowd:    time.Second,
}

// smoke is just enough to see that every case works.
var smoke = scale{
	rounds: 1, turns: 1, turn: time.Microsecond,
	image:   100_000,
	writers: 4, appends: 2,
	waits: 10, checkFor: 50 * time.Millisecond,
	profiles: 1000,
	elements: 1000,
	crowd:    10 * time.Millisecond,
}
