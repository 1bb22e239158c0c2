// Command passfort finds out what an account does where sources about the
// Passfort API disagree or say nothing.
//
//	passfort verify [-tier read|careful|demo] [-profile ID] [-json FILE]
//	passfort listen [-addr HOST:PORT] [-json FILE]
//
// The key is in PASSFORT_API_KEY, the address in PASSFORT_BASE_URL or
// PASSFORT_REGION: eu, us or ae. passfort listen reads the shared secret of webhooks
// from PASSFORT_WEBHOOK_SECRET.
//
// verify asks with GET requests only, unless -tier says otherwise; it says before
// what it may do, and asks for consent to anything but reading. What it prints and
// writes holds no key, id, name or value. The status of the process is 0 if all
// was asked, 1 if not, 2 for flags that cannot be right.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/verify"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{env: os.Getenv, in: os.Stdin, out: os.Stdout, errs: os.Stderr, terminal: isTerminal(os.Stdout)}
	status := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// The statuses of the process.
const (
	allAsked = 0
	notAll   = 1
	badUsage = 2
)

// program is the command with what it reads and writes.
type program struct {
	env       func(string) string
	in        io.Reader
	out, errs io.Writer
	terminal  bool // out is one
}

const usage = `passfort verify [-tier read|careful|demo] [-profile ID] [-json FILE]
passfort listen [-addr HOST:PORT] [-json FILE]

verify asks the account of PASSFORT_API_KEY what it does where the SDK has to
guess. listen receives webhooks and notes their shapes. -h after either has more.
`

func (p *program) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		args = []string{"help"}
	}
	switch args[0] {
	case "verify":
		return p.verify(ctx, args[1:])
	case "listen":
		return p.listen(ctx, args[1:])
	case "help", "-h", "-help", "--help":
		p.print(usage)
		return badUsage
	}
	return p.fail(badUsage, errors.New("the command is none of verify and listen"))
}

func (p *program) print(text string) { _, _ = io.WriteString(p.out, text) }

func (p *program) fail(status int, err error) int {
	_, _ = fmt.Fprintln(p.errs, "passfort:", err)
	return status
}

func (p *program) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet("passfort "+name, flag.ContinueOnError)
	fs.SetOutput(p.errs)
	return fs
}

// parse reads flags; ok is false if the program ends with the status.
func (p *program) parse(fs *flag.FlagSet, args []string) (status int, ok bool) {
	if err := fs.Parse(args); err != nil {
		return badUsage, false // fs has said why
	}
	if fs.NArg() > 0 {
		return p.fail(badUsage, errors.New("there are no arguments, only flags")), false
	}
	return allAsked, true
}

func (p *program) verify(ctx context.Context, args []string) int {
	var o verify.Options
	fs := p.flags("verify")
	fs.TextVar(&o.Tier, "tier", verify.TierRead, "`read`, careful or demo")
	fs.StringVar(&o.ProfileID, "profile", "", "the `id` of the profile to look at; the newest if empty")
	fs.BoolVar(&o.Aliases, "aliases", false, "put aliases of products into the report")
	file := fs.String("json", "", "the `file` to write the report to")
	yes := fs.Bool("yes", false, "agree to what the tier may do without being asked")
	if status, ok := p.parse(fs, args); !ok {
		return status
	}
	client, err := passfort.NewFromEnv(passfort.WithUserAgent("passfort-verify/" + passfort.Version))
	if err != nil {
		return p.fail(badUsage, err)
	}
	out, err := p.create(*file)
	if err != nil {
		return p.fail(badUsage, err)
	}
	defer func() { _ = out.Close() }()
	p.announce(o.Tier.Plan())
	o.Confirm = func(verify.Plan) bool { return *yes || p.agrees(ctx) }
	o.Progress = p.progress
	report, err := verify.Run(ctx, client, o)
	if errors.Is(err, passfort.ErrInvalidInput) {
		return p.fail(badUsage, err)
	}
	if report == nil {
		return p.fail(notAll, err)
	}
	if err := p.finish(report, out); err != nil {
		return p.fail(notAll, err)
	}
	if !report.Complete {
		return notAll
	}
	return allAsked
}

// create opens the file of -json before anything is asked, so that a name that
// cannot be written costs nothing. What it holds stays until there is a report. No
// name is no file.
func (p *program) create(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.New("the file of -json cannot be written")
	}
	return f, nil
}

// finish prints the report and writes it to the file.
func (p *program) finish(report *verify.Report, file *os.File) error {
	p.clear()
	p.print("\n")
	if err := report.WriteText(p.out); err != nil {
		return err
	}
	if file == nil {
		return nil
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		if err := file.Truncate(0); err != nil {
			return err
		}
	}
	if err := report.WriteJSON(file); err != nil {
		return err
	}
	return file.Close()
}

// announce says what a tier may do before it begins.
func (p *program) announce(plan verify.Plan) {
	p.paragraph(fmt.Sprintf("Tier %s %s", plan.Tier, plan.May))
	p.paragraph(fmt.Sprintf("At most %d requests, two a second. Ctrl-C ends it with what it has.", plan.MaxRequests))
	p.print("\n")
}

// paragraph prints text in lines of at most 80 characters.
func (p *program) paragraph(text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > 80 {
			p.print(line + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	p.print(line + "\n")
}

// agrees asks for consent.
func (p *program) agrees(ctx context.Context) bool {
	p.print("Type yes to go on: ")
	answer := make(chan string, 1)
	go func() { // a read of a terminal cannot be ended
		line, _ := bufio.NewReader(io.LimitReader(p.in, 64)).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		return strings.EqualFold(line, "yes") || strings.EqualFold(line, "y")
	case <-ctx.Done():
		return false
	}
}

// progress prints a line for each probe; on a terminal also what is asked now.
func (p *program) progress(s verify.Step) {
	switch {
	case s.Finding != nil:
		p.clear()
		f := s.Finding
		p.print(cut(fmt.Sprintf("%3d/%d  %-20s %-10s %s", s.Number, s.Of, f.Probe, f.Verdict, f.Seen)) + "\n")
	case p.terminal:
		p.clear()
		p.print(cut(fmt.Sprintf("%3d/%d  %s", s.Number, s.Of, s.Probe.Asks)))
	}
}

// clear removes what a terminal shows of the probe that is asked.
func (p *program) clear() {
	if p.terminal {
		p.print("\r\x1b[K")
	}
}

// cut shortens a line to 80 characters.
func cut(line string) string {
	if len(line) > 80 {
		return line[:77] + "..."
	}
	return line
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
