// Command onboarding takes a person and a company through Passfort, from the
// first profile to the approval of their product applications, and prints what
// happens on the way.
//
//	go run ./examples/onboarding
//
// Without a key it talks to a simulator inside the program. With
// PASSFORT_API_KEY, and PASSFORT_BASE_URL if the API is not at its usual
// address, it does the same to a real account, after asking.
//
// onboard.go is the part to copy. main.go reads flags and environment, tell.go
// is the story, print.go puts it on the screen.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// run is the program. It ends soon after ctx does.
func run(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string,
) int {
	cfg, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	telling := stdout
	if cfg.json {
		telling = stderr
	}
	out := newPrinter(telling, getenv)

	o := &onboarding{config: cfg, out: out, counter: &requestCounter{}}
	var options []passfort.Option
	if cfg.debug {
		options = append(options, passfort.WithLogger(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{
			Level: slog.LevelDebug,
		}))))
	}
	if key := getenv("PASSFORT_API_KEY"); key != "" {
		o.live = true
		if base := getenv("PASSFORT_BASE_URL"); base != "" {
			options = append(options, passfort.WithBaseURL(base))
		}
		if o.portal, err = passfort.New(key, options...); err == nil {
			o.client, err = passfort.New(key, append(options, passfort.WithObserver(o.counter))...)
		}
	} else {
		sim := simulator()
		defer sim.Close()
		o.portal = sim.Client(options...)
		o.client = sim.Client(append(options, passfort.WithObserver(o.counter))...)
	}
	if err == nil {
		err = o.tell(ctx, func(plan []string) error { return confirm(ctx, stdin, out, cfg.yes, plan) })
	}
	if err != nil {
		return explain(ctx, err, newPrinter(stderr, getenv), out)
	}
	if cfg.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(&o.summary); err != nil {
			return exitFailed
		}
		return exitOK
	}
	o.printSummary()
	return exitOK
}

// simulator returns a Passfort with two products. The second one asks for one
// task more. A check takes longer than a synchronous call is willing to wait.
func simulator() *passforttest.Server {
	const account, savings = "current_account", "savings_account"
	identity := []passforttest.ProductTask{{Type: "INDIVIDUAL_VERIFY_IDENTITY"}, {Type: "COMPANY_VERIFY_IDENTITY"}}
	address := []passforttest.ProductTask{{Type: "INDIVIDUAL_VERIFY_ADDRESS"}, {Type: "COMPANY_VERIFY_ADDRESS"}}
	return passforttest.New(
		passforttest.WithProducts(
			passforttest.Product{Alias: account, Tasks: identity},
			passforttest.Product{Alias: savings, Tasks: append(address, identity...)},
		),
		passforttest.WithAutomationTime(50*time.Millisecond),
		passforttest.WithCheckTime(1500*time.Millisecond),
		passforttest.WithSyncLimit(400*time.Millisecond),
	)
}

type config struct {
	product, secondProduct  string
	variant, companyVariant string
	patience                time.Duration
	person, company         bool
	json, yes, debug        bool
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	var only string
	flags := flag.NewFlagSet("onboarding", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.product, "product", "current_account", "`alias` of the product to apply for")
	flags.StringVar(&cfg.secondProduct, "second-product", "savings_account", "`alias` of the product to add later")
	flags.StringVar(&cfg.variant, "variant", "", "`alias` of the variant of the identity checks")
	flags.StringVar(&cfg.companyVariant, "company-variant", "", "`alias` of the variant of the company check")
	flags.StringVar(&only, "only", "", "onboard only this `kind` of customer: person or company")
	flags.DurationVar(&cfg.patience, "patience", 2*time.Minute, "how long to wait for one check or application")
	flags.BoolVar(&cfg.json, "json", false,
		"print the summary as JSON to standard output,\nand everything else to standard error")
	flags.BoolVar(&cfg.yes, "yes", false, "do not ask before writing to a real account")
	flags.BoolVar(&cfg.debug, "debug", false, "log every request to standard error, without data")
	flags.Usage = func() {
		_, _ = io.WriteString(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	cfg.person, cfg.company = only != "company", only != "person"
	problem := ""
	switch {
	case flags.NArg() > 0:
		problem = "arguments without a flag are not understood"
	case only != "" && only != "person" && only != "company":
		problem = "-only takes person or company"
	case cfg.product == "" || cfg.secondProduct == "":
		problem = "a product has no alias"
	case cfg.product == cfg.secondProduct:
		problem = "-product and -second-product are the same"
	case cfg.patience <= 0:
		problem = "-patience is not positive"
	}
	if problem != "" {
		_, _ = fmt.Fprintf(stderr, "onboarding: %s; see -help\n", problem)
		return cfg, errors.New(problem)
	}
	return cfg, nil
}

const usage = `Onboards a made-up person and a made-up company with Passfort.

Without PASSFORT_API_KEY in the environment it talks to a simulator inside
this program. With it, it writes to that account, after asking. Set
PASSFORT_BASE_URL too if the API is not at ` + passfort.DefaultBaseURL + `.

`

// errNotConfirmed reports that writing to a real account was not confirmed.
var errNotConfirmed = errors.New("not confirmed")

// confirm says what is going to happen to a real account and asks, unless yes
// was said before.
func confirm(ctx context.Context, stdin io.Reader, out *printer, yes bool, plan []string) error {
	out.heading("Before anything is written")
	for _, line := range plan {
		out.bullet(line)
	}
	if yes {
		return nil
	}
	if !isTerminal(stdin) {
		return fmt.Errorf("%w: there is no terminal to ask on, so give -yes to go on", errNotConfirmed)
	}
	out.ask("Go on? [y/N] ")
	// Reading a terminal cannot be interrupted, so it is left behind when ctx
	// ends; the program ends then too.
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdin).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case line := <-answer:
		if strings.HasSuffix(line, "\n") {
			out.answered()
		}
		out.end()
		if line = strings.ToLower(strings.TrimSpace(line)); line != "y" && line != "yes" {
			return fmt.Errorf("%w: nothing was written", errNotConfirmed)
		}
		return nil
	}
}

// explain prints how the story ended early and what can be done about it, and
// returns the exit code.
func explain(ctx context.Context, err error, out, story *printer) int {
	story.end()
	if ctx.Err() != nil {
		line := "Interrupted"
		if story.step != "" {
			line += ": " + story.step
		}
		if errors.Is(err, passfort.ErrOutcomeUnknown) {
			line += " (it may have been done)"
		}
		out.line(line + ".")
		return exitInterrupted
	}
	if errors.Is(err, errNotConfirmed) {
		out.line("Stopped, " + err.Error() + ".")
		return exitUsage
	}
	if story.step != "" {
		out.bad("Failed: " + story.step)
	}
	out.item(err.Error())
	var failed *passfort.Error
	if errors.As(err, &failed) {
		for _, detail := range failed.Errors {
			if detail.Message != "" {
				// The message may repeat what was sent: good on the screen of
				// whoever sent it, not in a log.
				out.item("Passfort says: " + detail.Message)
			}
		}
	}
	if hint := advice(err); hint != "" {
		out.item(hint)
	}
	return exitFailed
}

func advice(err error) string {
	var failed *passfort.Error
	switch {
	case errors.Is(err, passfort.ErrOutcomeUnknown):
		return "The answer was lost, so this may have been done. Look in the portal before you run this again."
	case errors.Is(err, passfort.ErrUnauthorized):
		return "Check PASSFORT_API_KEY: the key is not accepted at this address."
	case errors.Is(err, passfort.ErrForbidden):
		return "The key has no permission for this. Look at the key's permissions and at the list of allowed IP " +
			"addresses in the portal."
	case errors.Is(err, passfort.ErrRateLimited):
		return "The account's quota is used up for now. Wait, then run this again."
	case errors.Is(err, passfort.CodeChargeableLimitReached):
		return "The account's limit of charged checks is reached."
	case errors.Is(err, passfort.CodeProcessNotSetUp):
		return "The account is not set up for this check. Name a variant that it has with -variant or -company-variant."
	case errors.Is(err, passfort.ErrInvalidInput):
		return "Check PASSFORT_API_KEY and PASSFORT_BASE_URL, such as " + passfort.DefaultBaseURL + "."
	case !errors.As(err, &failed):
		return ""
	case failed.StatusCode == 0:
		return "No answer came. Check PASSFORT_BASE_URL, the network and the proxy."
	case failed.Operation == "Profiles.Create" || failed.Operation == "Applications.Create":
		return "Does the account have these products? Name two that it has with -product and -second-product, and " +
			"use -only if they are not for both people and companies."
	case failed.Operation == "Checks.Run":
		return "Does the account have this check? Name a variant that it has with -variant or -company-variant."
	case failed.Transient():
		return "This may work a little later."
	}
	return ""
}
