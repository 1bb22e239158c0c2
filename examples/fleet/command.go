package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/fleet"
)

// dial connects a command to a fleet that is up.
func (p *program) dial(ctx context.Context, name string) (*nats.Conn, *fleet.Fleet, error) {
	conn, f, err := join(p.engineURL(), p.prefix(), name, p.log)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Ready(ctx); err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("%w; %s is %s", err, envPrefix, p.prefix())
	}
	return conn, f, nil
}

// runBulk starts a bulk job, or holds, resumes or watches what is running.
func runBulk(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("bulk", flag.ContinueOnError)
	profiles := flags.Int("profiles", 0, "let the simulator have so many `profiles` first")
	what := flags.String("kind", kindResync, "`what` to do with each profile: resync or recheck")
	job := flags.String("job", "", "`name` of the job; the same name goes on with the same job")
	yes := flags.Bool("yes", false, "write to every profile of a real account")
	detach := flags.Bool("detach", false, "do not wait for the end")
	word := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		word, args = args[0], args[1:]
	}
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "pause", "resume", "watch"}, word) ||
		!slices.Contains([]string{kindResync, kindRecheck}, *what) {
		_, _ = fmt.Fprintln(p.stderr, "fleet bulk: say pause, resume, watch or nothing; -kind is resync or recheck")
		return errUsage
	}
	if err := p.atLeast("bulk", 0, *profiles, "profiles"); err != nil {
		return err
	}
	if *profiles > 0 && p.live() {
		_, _ = fmt.Fprintln(p.stderr, "fleet bulk: -profiles makes up profiles, so it is for the simulator alone")
		return errUsage
	}
	if word == "" && p.live() && !*yes {
		_, _ = fmt.Fprintln(p.stderr,
			"fleet bulk: this changes every profile of a real account, or runs a check on it; give -yes to do that")
		return errUsage
	}
	conn, f, err := p.dial(ctx, "fleet-bulk")
	if err != nil {
		return err
	}
	defer conn.Close()
	switch word {
	case "pause":
		return f.PauseJobs(ctx)
	case "resume":
		return f.ResumeJobs(ctx)
	case "watch":
		if *job == "" {
			_, _ = fmt.Fprintln(p.stderr, "fleet bulk watch: which -job?")
			return errUsage
		}
		return p.watch(ctx, f, *job)
	}
	if *profiles > 0 {
		client, err := passfort.New(simulatorKey, passfort.WithBaseURL(p.baseURL()))
		if err != nil {
			return err
		}
		if err := seed(ctx, client, *profiles); err != nil {
			return err
		}
	}
	if *job == "" {
		*job = *what + "-" + time.Now().UTC().Format("20060102-150405")
	}
	if err := f.StartJob(ctx, *job, *what); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.stdout, "job %s\n", *job)
	if *detach {
		return nil
	}
	return p.watch(ctx, f, *job)
}

// seed creates profiles until there are n.
func seed(ctx context.Context, client *passfort.Client, n int) error {
	page, err := client.Profiles.List(ctx, &passfort.ProfileListOptions{Limit: 1})
	if err != nil {
		return err
	}
	missing := n
	if page.Count != nil {
		missing -= *page.Count
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan struct{})
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range todo {
				data := passfort.NewIndividual()
				data.PersonalDetails = &passfort.PersonalDetails{
					Name: &passfort.FullName{GivenNames: []string{"Made"}, FamilyName: "Up"},
				}
				if _, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{Role: passfort.RoleIndividualCustomer,
					CollectedData: data}); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for range missing {
		select {
		case todo <- struct{}{}:
		case <-ctx.Done():
		}
	}
	close(todo)
	running.Wait()
	return context.Cause(ctx)
}

// watch prints the progress of a job until it is finished or ctx ends, which
// does not end the job.
func (p *program) watch(ctx context.Context, f *fleet.Fleet, job string) error {
	terminal := isTerminal(p.stdout)
	start, end := "", "\n"
	if terminal {
		start, end = "\r\x1b[K", ""
	}
	failures := 0
	for ; ctx.Err() == nil; rest(ctx, time.Second) {
		now, err := f.Job(ctx, job)
		if err != nil {
			// The engine may be away for a moment.
			if failures++; failures == 10 || errors.Is(err, fleet.ErrNoJob) {
				return err
			}
			continue
		}
		failures = 0
		paused := ""
		if now.Paused {
			paused = "   paused"
		}
		_, _ = fmt.Fprintf(p.stdout, "%slisted %d of %d   done %d   waiting %d%s%s", start, now.Listed, now.Total,
			now.Recorded, now.Waiting, paused, end)
		if now.Finished {
			if terminal {
				_, _ = fmt.Fprintln(p.stdout)
			}
			_, _ = fmt.Fprintf(p.stdout, "finished after %s\n", time.Since(now.Begun).Round(time.Second))
			return nil
		}
	}
	_, _ = fmt.Fprintf(p.stdout, "%sthe job goes on: %s bulk watch -job %s\n", start, called(os.Args), job)
	return nil
}

// runChecks lets workers run checks and reports how long their waits took to end.
func runChecks(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	n := flags.Int("n", 10, "`number` of checks")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if err := p.atLeast("check", 1, *n, "n"); err != nil {
		return err
	}
	if p.live() {
		return errors.New("this makes up profiles and runs checks, so it is for the simulator alone")
	}
	conn, f, err := p.dial(ctx, "fleet-check")
	if err != nil {
		return err
	}
	defer conn.Close()
	var woken []time.Duration
	for range *n {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		msg, err := conn.RequestWithContext(ctx, f.Subject("check"), []byte("{}"))
		cancel()
		if err != nil {
			return err
		}
		var answer checkAnswer
		if err := json.Unmarshal(msg.Data, &answer); err != nil {
			return err
		}
		switch {
		case answer.Problem != "":
			_, _ = fmt.Fprintf(p.stdout, "%s  %s\n", answer.WaitedAt, answer.Problem)
		case answer.ReceivedAt == "":
			_, _ = fmt.Fprintf(p.stdout, "%s waited; the check was complete before a webhook came\n", answer.WaitedAt)
		default:
			woken = append(woken, answer.Woken)
			_, _ = fmt.Fprintf(p.stdout, "%s waited, %s got the webhook: %s later, after %d polls\n",
				answer.WaitedAt, answer.ReceivedAt, answer.Woken.Round(10*time.Microsecond), answer.Polls)
		}
	}
	if len(woken) > 0 {
		slices.Sort(woken)
		_, _ = fmt.Fprintf(p.stdout, "half within %s, all within %s\n",
			woken[len(woken)/2].Round(10*time.Microsecond), woken[len(woken)-1].Round(10*time.Microsecond))
	}
	return nil
}
