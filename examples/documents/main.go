// Command documents has the identity document of a person checked: it uploads
// the images in a folder (front, back and face, by file name), makes a document
// of them, runs a document verification check and waits for its result.
//
//	go run .                        # made-up images, a simulator in the program
//	go run . -dir ~/scans -type DRIVING_LICENCE
//
// It is a module of its own, so run it in its folder. With PASSFORT_API_KEY,
// and PASSFORT_BASE_URL if the API is not at its usual address, it does the same
// to a real account, after asking.
//
// main.go reads flags and environment, verify.go is the part to copy, images.go
// finds the images and progress.go shows how far they are.
package main

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"golang.org/x/term"
)

//go:embed images
var drawings embed.FS

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
	if err := verify(ctx, cfg, stdin, stdout, getenv); err != nil {
		return explain(ctx, err, stderr)
	}
	return exitOK
}

type config struct {
	dir      string
	profile  string
	category passfort.DocumentCategory
	kind     passfort.DocumentType
	variant  string
	patience time.Duration
	yes      bool
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("documents", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.dir, "dir", "", "`folder` with the images; empty takes made-up ones")
	flags.StringVar(&cfg.profile, "profile", "", "`id` of the person's profile; empty makes one")
	flags.StringVar((*string)(&cfg.category), "category", string(passfort.DocumentCategoryProofOfIdentity),
		"what the document proves")
	flags.StringVar((*string)(&cfg.kind), "type", string(passfort.DocumentTypePassport), "the kind of document")
	flags.StringVar(&cfg.variant, "variant", "", "`alias` of the variant of the check")
	flags.DurationVar(&cfg.patience, "patience", 2*time.Minute, "how long to wait for the check")
	flags.BoolVar(&cfg.yes, "yes", false, "do not ask before writing to a real account")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	if flags.NArg() > 0 || cfg.patience <= 0 {
		_, _ = fmt.Fprintln(stderr, "documents: there is an argument that is not understood; see -help")
		return cfg, errUsage
	}
	return cfg, nil
}

// errUsage: the arguments make no sense, and that was said.
var errUsage = errors.New("usage")

// connect returns a client of the account in the environment, or of a
// simulator.
func connect(getenv func(string) string) (client *passfort.Client, live bool, closing func(), err error) {
	key := getenv("PASSFORT_API_KEY")
	if key == "" {
		sim := passforttest.New(passforttest.WithCheckTime(1500*time.Millisecond),
			passforttest.WithSyncLimit(400*time.Millisecond))
		return sim.Client(), false, sim.Close, nil
	}
	var options []passfort.Option
	if base := getenv("PASSFORT_BASE_URL"); base != "" {
		options = append(options, passfort.WithBaseURL(base))
	}
	client, err = passfort.New(key, options...)
	return client, true, func() {}, err
}

// folder returns the images of a folder, or the ones in the program.
func folder(dir string) (fs.FS, error) {
	if dir == "" {
		return fs.Sub(drawings, "images")
	}
	switch info, err := os.Stat(dir); {
	case err != nil:
		return nil, fmt.Errorf("%w: the folder of -dir: %w", errImages, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%w: %s is no folder", errImages, dir)
	}
	return os.DirFS(dir), nil
}

// errNotConfirmed: writing to a real account was not confirmed.
var errNotConfirmed = errors.New("not confirmed")

// confirm says what is going to happen to a real account and asks, unless yes
// was said before.
func confirm(ctx context.Context, cfg config, stdin io.Reader, stdout io.Writer) error {
	_, _ = fmt.Fprintln(stdout, "This writes to a real account: it adds images and a document, and runs a document")
	_, _ = fmt.Fprintln(stdout, "verification check, which is charged on a live account.")
	if cfg.profile == "" {
		_, _ = fmt.Fprintln(stdout, "It also makes a profile, which counts towards your profiles under management.")
	}
	if cfg.yes {
		return nil
	}
	if file, is := stdin.(*os.File); !is || !term.IsTerminal(int(file.Fd())) {
		return fmt.Errorf("%w: there is no terminal to ask on: give -yes to go on", errNotConfirmed)
	}
	_, _ = fmt.Fprint(stdout, "Go on? [y/N] ")
	// Reading a terminal cannot be interrupted, so it is left behind when ctx
	// ends; the program ends then too.
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case line := <-answer:
		if line != "y" && line != "yes" {
			return fmt.Errorf("%w: nothing was written", errNotConfirmed)
		}
		return nil
	}
}

// explain prints how it ended early and what can be done about it, and returns
// the exit code.
func explain(ctx context.Context, err error, stderr io.Writer) int {
	if ctx.Err() != nil {
		_, _ = fmt.Fprintln(stderr, "Interrupted.")
		return exitInterrupted
	}
	_, _ = fmt.Fprintln(stderr, "Failed:", err)
	if hint := advice(err); hint != "" {
		_, _ = fmt.Fprintln(stderr, hint)
	}
	if errors.Is(err, errNotConfirmed) || errors.Is(err, errImages) {
		return exitUsage
	}
	return exitFailed
}

func advice(err error) string {
	switch {
	case errors.Is(err, passfort.ErrOutcomeUnknown):
		return "The answer was lost, so this may have been done. Look in the portal before you run this again."
	case errors.Is(err, passfort.ErrImageType):
		return "Passfort takes GIF, JPG, PNG, PDF and TIFF, by what is in the file."
	case errors.Is(err, passfort.ErrImageTooLarge):
		return "Passfort takes images up to 50 MB."
	case errors.Is(err, passfort.ErrUnauthorized):
		return "Check PASSFORT_API_KEY: the key is not accepted at this address."
	case errors.Is(err, passfort.CodeProcessNotSetUp):
		return "The account is not set up for this check. Name a variant that it has with -variant."
	case errors.Is(err, passfort.CodeChargeableLimitReached):
		return "The account's limit of charged checks is reached."
	}
	return ""
}
