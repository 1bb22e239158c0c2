// Command bench measures the SDK beside what one would use in its place, side
// by side in one process, and prints ratios with their spread:
//
//	go run -C internal/bench .
//	go run -C internal/bench . -run upload
//	go run -C internal/bench . -write
//
// -write puts the results into docs/figures.md, docs/figures.svg and the README.
// Peers are net/http and encoding/json by hand, a client that oapi-codegen
// generated from openapi.yaml, and reading an image whole. All talk to servers
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
	write := flags.Bool("write", false, "write docs/figures.md, docs/figures.svg and the table of the README")
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

var cases = []benchCase{
	{"call", measureCall},
	{"json", measureJSON},
	{"upload", measureUpload},
	{"download", measureDownload},
	{"webhooks", measureWebhooks},
	{"updates", measureUpdates},
	{"waits", measureWaits},
	{"listing", measureListing},
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
}

var full = scale{
	rounds: 11, turns: 51, turn: 2 * time.Millisecond,
	image:   50_000_000,
	writers: 32, appends: 20,
	waits: 1000, checkFor: 20 * time.Second,
	profiles: 100_000,
}

// smoke is just enough to see that every case works.
var smoke = scale{
	rounds: 1, turns: 1, turn: time.Microsecond,
	image:   100_000,
	writers: 4, appends: 2,
	waits: 10, checkFor: 50 * time.Millisecond,
	profiles: 1000,
}
