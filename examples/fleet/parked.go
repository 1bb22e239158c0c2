package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/passfort-go/passfort/fleet"
)

// runParked lists, shows, replays or purges the messages that were put aside.
func runParked(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("parked", flag.ContinueOnError)
	id := flags.Uint64("id", 0, "`number` of a message, as list prints it; 0: all of them, for replay and purge")
	yes := flags.Bool("yes", false, "purge for good")
	word := ""
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	if !slices.Contains([]string{"list", "show", "replay", "purge"}, word) {
		_, _ = fmt.Fprintln(p.stderr, "fleet parked: say list, show, replay or purge")
		return errUsage
	}
	if err := p.parse(flags, args); err != nil {
		return err
	}
	switch {
	case word == "show" && *id == 0:
		_, _ = fmt.Fprintln(p.stderr, "fleet parked show: which -id?")
		return errUsage
	case word == "purge" && !*yes:
		_, _ = fmt.Fprintln(p.stderr,
			"fleet parked purge: this removes messages that were never handled; give -yes to do that")
		return errUsage
	}
	conn, f, err := p.dial(ctx, "fleet-parked")
	if err != nil {
		return err
	}
	defer conn.Close()
	if word == "show" {
		e, err := f.ParkedEvent(ctx, *id)
		if err != nil {
			return err
		}
		return json.NewEncoder(p.stdout).Encode(e)
	}
	act := map[string]func(context.Context, uint64) error{"replay": f.Replay, "purge": f.Purge}[word]
	if *id != 0 && act != nil {
		if err := act(ctx, *id); err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.stdout, "1 message")
		return err
	}
	return p.allParked(ctx, f, act)
}

// allParked lists all parked messages, or does one thing with each. What fails stays
// parked, and the rest goes on.
func (p *program) allParked(ctx context.Context, f *fleet.Fleet, act func(context.Context, uint64) error) error {
	n, failed := 0, 0
	for m, err := range f.Parked(ctx) {
		if err != nil {
			return err
		}
		if act == nil {
			_, _ = fmt.Fprintf(p.stdout, "%d  %s  %d bytes  %d tries  %s\n", m.ID, m.At.UTC().Format(time.RFC3339),
				m.Bytes, m.Tries, m.Cause)
		} else if err := act(ctx, m.ID); err != nil {
			_, _ = fmt.Fprintf(p.stderr, "message %d stays parked: %s\n", m.ID, fleet.Cause(err))
			failed++
			continue
		}
		n++
	}
	_, _ = fmt.Fprintf(p.stdout, "%d messages\n", n)
	if failed > 0 {
		return fmt.Errorf("%d messages stay parked", failed)
	}
	return nil
}
