package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/passfort-go/passfort/fleet"
)

// layoutFlags lets the user choose a layout. What is not given stays as it is.
func layoutFlags(flags *flag.FlagSet, l *fleet.Layout) {
	flags.IntVar(&l.Partitions, "partitions", 0, "`number` of partitions of profile ids; of a new fleet 16")
	flags.IntVar(&l.Replicas, "replicas", 0,
		"`number` of servers of a cluster that keep each message; of a new fleet 1")
	flags.DurationVar(&l.AckWait, "ack-wait", 0,
		"`time` after which the message of a silent worker goes to another; of a new fleet 10s")
	flags.DurationVar(&l.Duplicates, "duplicates", 0,
		"`time` for which the engine knows a message again; of a new fleet 2h")
	keepFlag(flags, "keep", &l.Keep, "for which effects are remembered")
	keepFlag(flags, "parked-keep", &l.ParkedKeep, "for which parked messages and parts of large ones are kept")
	flags.Int64Var(&l.StoreBytes, "store-bytes", 0,
		"`bytes` of webhooks that may wait, and once more of large ones; of a new fleet 4 GiB")
	flags.Int64Var(&l.JobQueue, "bulk-queue", 0,
		"`number` of profiles that may wait in the queue of bulk jobs; of a new fleet 20000")
	flags.BoolVar(&l.Force, "force", false, "accept what makes an existing fleet less safe")
}

// keepFlag takes a time, or the word forever.
func keepFlag(flags *flag.FlagSet, name string, to *time.Duration, what string) {
	flags.Func(name, "`time` "+what+", or forever; of a new fleet 2160h", func(text string) error {
		if text == "forever" {
			*to = fleet.Forever
			return nil
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return errors.New("not a time such as 2160h, nor forever")
		}
		*to = d
		return nil
	})
}

// lay makes the streams of a fleet, and prints to w what that changes.
func lay(ctx context.Context, f *fleet.Fleet, l fleet.Layout, dry bool, w io.Writer) error {
	plan, err := f.Plan(ctx, l)
	if errors.Is(err, fleet.ErrPartitions) {
		return fmt.Errorf("%w; %s partitions -n %d does it", err, called(os.Args), l.Partitions)
	}
	if err != nil {
		return err
	}
	for _, c := range plan.Changes {
		_, _ = fmt.Fprintln(w, c)
	}
	if len(plan.Changes) == 0 {
		_, _ = fmt.Fprintln(w, "nothing changes")
	}
	if dry {
		return nil
	}
	if err = plan.Apply(ctx); errors.Is(err, fleet.ErrLessSafe) {
		return fmt.Errorf("%w; give -force to do it", err)
	}
	return err
}

// prepare is lay on an engine.
func prepare(ctx context.Context, engineURL, prefix string, l fleet.Layout, w io.Writer, log *slog.Logger) error {
	conn, f, err := join(engineURL, prefix, "fleet-setup", log)
	if err != nil {
		return err
	}
	defer conn.Close()
	return lay(ctx, f, l, false, w)
}

// setup makes the streams of a fleet whose engine and workers run elsewhere.
func setup(ctx context.Context, p *program, args []string) error {
	var l fleet.Layout
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	layoutFlags(flags, &l)
	dry := flags.Bool("plan", false, "show what would change, and change nothing")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	conn, f, err := join(p.engineURL(), p.prefix(), "fleet-setup", p.log)
	if err != nil {
		return err
	}
	defer conn.Close()
	return lay(ctx, f, l, *dry, p.stdout)
}

// runPartitions changes the number of partitions of a fleet that runs.
func runPartitions(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("partitions", flag.ContinueOnError)
	n := flags.Int("n", 0, "`number` of partitions to have")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if err := p.atLeast("partitions", 1, *n, "n"); err != nil {
		return err
	}
	conn, f, err := p.dial(ctx, "fleet-partitions")
	if err != nil {
		return err
	}
	defer conn.Close()
	err = f.Repartition(ctx, *n, func(waiting uint64) {
		_, _ = fmt.Fprintf(p.stdout, "%d messages are still to be handled\n", waiting)
	})
	if err == nil {
		_, _ = fmt.Fprintf(p.stdout, "%d partitions\n", *n)
	}
	return err
}

// runPermissions prints what the engine must permit to a process.
func runPermissions(_ context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("permissions", flag.ContinueOnError)
	role := flags.String("role", "front,worker", "`roles` of the process: setup, front, worker, operator")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	var roles []fleet.Role
	for word := range strings.SplitSeq(*role, ",") {
		if !slices.Contains([]fleet.Role{
			fleet.RoleSetup, fleet.RoleFront, fleet.RoleWorker, fleet.RoleOperator,
		}, fleet.Role(word)) {
			_, _ = fmt.Fprintln(p.stderr,
				"fleet permissions: -role is setup, front, worker or operator, with commas between")
			return errUsage
		}
		roles = append(roles, fleet.Role(word))
	}
	_, err := fmt.Fprint(p.stdout, fleet.PermissionsFor(fleet.Options{Prefix: p.prefix()}, roles...))
	return err
}
