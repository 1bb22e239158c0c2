package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/passfort-go/passfort/fleet"
)

// top shows the workers until ctx ends. On a terminal the table stays in place.
func top(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("top", flag.ContinueOnError)
	every := flags.Duration("every", time.Second, "`time` between two looks")
	times := flags.Int("n", 0, "`number` of looks; 0: until interrupted")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if err := p.atLeast("top", 0, *times, "n"); err != nil {
		return err
	}
	if *every <= 0 {
		_, _ = fmt.Fprintln(p.stderr, "fleet top: -every must be positive")
		return errUsage
	}
	conn, f, err := p.dial(ctx, "fleet-top")
	if err != nil {
		return err
	}
	defer conn.Close()
	board := &board{workers: map[string]*row{}}
	sub, err := conn.Subscribe(f.Subject("stats", "*"), func(msg *nats.Msg) {
		var s stats
		if json.Unmarshal(msg.Data, &s) == nil {
			board.note(s, time.Now())
		}
	})
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	terminal := isTerminal(p.stdout)
	if terminal {
		_, _ = io.WriteString(p.stdout, "\x1b[?25l\x1b[2J")
		defer func() { _, _ = io.WriteString(p.stdout, "\x1b[?25h") }()
	}
	ticker := time.NewTicker(*every)
	defer ticker.Stop()
	for look := 1; ; look++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		text := board.render(time.Now(), queues(ctx, f))
		if terminal {
			text = "\x1b[H" + string(bytes.ReplaceAll([]byte(text), []byte("\n"), []byte("\x1b[K\n"))) + "\x1b[J"
		}
		_, _ = io.WriteString(p.stdout, text)
		if look == *times {
			return nil
		}
	}
}

// queues asks what waits, nil if the engine does not answer.
func queues(ctx context.Context, f *fleet.Fleet) *fleet.Queues {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	q, err := f.Queues(ctx)
	if err != nil {
		return nil
	}
	return &q
}

// board is what is known of the workers.
type board struct {
	mu      sync.Mutex
	workers map[string]*row
}

// row is the last two reports of a worker.
type row struct {
	before, last     stats
	beforeAt, lastAt time.Time
}

func (b *board) note(s stats, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.workers[s.Worker]
	if r == nil || r.last.Pid != s.Pid {
		r = &row{last: s, lastAt: at}
		b.workers[s.Worker] = r
	}
	r.before, r.beforeAt = r.last, r.lastAt
	r.last, r.lastAt = s, at
}

// rate returns how much a count grows in a second.
func (r *row) rate(count func(*stats) int64) string {
	took := r.lastAt.Sub(r.beforeAt).Seconds()
	if took <= 0 {
		return "-"
	}
	return strconv.FormatFloat(float64(count(&r.last)-count(&r.before))/took, 'f', 0, 64)
}

// silent is after how long without a word a worker counts as gone, and
// forgotten when it leaves the table.
const (
	silent    = 3 * time.Second
	forgotten = time.Minute
)

// render returns the table.
func (b *board) render(now time.Time, q *fleet.Queues) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out bytes.Buffer
	if q == nil {
		out.WriteString("the engine does not answer\n")
	} else {
		jobs := ""
		if q.JobsPaused {
			jobs = " (paused)"
		}
		_, _ = fmt.Fprintf(&out, "waiting: %d webhooks, %d of bulk jobs%s   committed: %d effects   parked: %d\n",
			q.Webhooks, q.Jobs, jobs, q.Effects, q.Parked)
	}
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "worker\tin/s\tdup\tdone/s\tagain\tlag\tbulk/s\tretries\t429\tbudget\tMB\t")
	for _, name := range slices.Sorted(maps.Keys(b.workers)) {
		r := b.workers[name]
		age := now.Sub(r.lastAt)
		if age > forgotten {
			delete(b.workers, name)
			continue
		}
		if age > silent {
			_, _ = fmt.Fprintf(table, "%s\tsilent\t\t\t\t\t\t\t\t\t\t\n", name)
			continue
		}
		budget := "-"
		if r.last.Remaining >= 0 {
			budget = strconv.Itoa(r.last.Remaining)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%s\t%s\t%d\t%d\t%s\t%d\t\n", name,
			r.rate(func(s *stats) int64 { return s.Received }), r.last.Duplicates,
			r.rate(func(s *stats) int64 { return s.Handled }), r.last.Redone,
			r.last.Lag.Round(100*time.Microsecond),
			r.rate(func(s *stats) int64 { return s.JobDone }), r.last.Retries, r.last.Limited, budget,
			r.last.Memory>>20)
	}
	_ = table.Flush()
	return out.String()
}

// isTerminal reports whether w shows what is written to a person.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
