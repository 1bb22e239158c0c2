// Command registration is a small sign-up site: a person or a company
// registers, fills in the forms of a customer request that Passfort hosts, and
// watches the application until it is decided.
//
//	go run ./examples/registration
//
// Without more it runs with a simulated Passfort inside, so the whole way can be
// walked with a mouse. With PASSFORT_API_KEY set to the account's master key it
// uses the real one; then tell it the flow template and the theme that Passfort
// configured for you, and, so that an expired request differs from a
// completed one, PASSFORT_WEBHOOK_SECRET. Without it an applicant whose time ran
// out hears after ten minutes that it takes longer.
//
// What to copy: begin and find in site.go (one profile for each applicant,
// however often a step fails: after a lost answer the profile is looked for by
// the reference it was given, and as long as it is unknown whether there is
// one, no other is made), the loader in newSite (only the applicant's own key,
// for one response), requestChanged and follow in progress.go (how a request
// ended only from a webhook, the flag live), and accessLog (no key in a log).
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/passfort-go/passfort"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "registration:", err)
		os.Exit(1)
	}
}

// run serves the site until ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("registration", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on")
	public := flags.String("url", "",
		"`URL` of the site as visitors see it, if a proxy is in front; https makes the cookie secure")
	flow := flags.String("flow", "registration_flow", "`alias` of the flow template")
	theme := flags.String("theme", "brand_theme", "`alias` of the theme")
	baseURL := flags.String("base-url", passfort.DefaultBaseURL, "base `URL` of the API, with PASSFORT_API_KEY")
	collection := flags.String("collection", passfort.DefaultCollectionOrigin,
		"`origins` of the hosted forms with commas between, that of the script first, with PASSFORT_API_KEY")
	microphone := flags.Bool("microphone", false, "let the forms record sound, which checks with a video need")
	each := flags.Int("per-hour", defaultEachPerHour, "registrations that may begin from one address in an hour")
	all := flags.Int("per-minute", defaultAllPerMinute, "registrations that may begin in a minute")
	header := flags.String("client-header", "",
		"`header` in which the proxy in front puts the address of the visitor, such as X-Real-IP")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no flag: see -help", flags.Arg(0))
	case *each < 1 || *all < 1:
		return errors.New("-per-hour and -per-minute must be at least 1")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("%w; choose another port with -addr, for example -addr 127.0.0.1:0", err)
	}
	if *public == "" {
		// By name, and not by the address that the simulated forms have: cookies
		// know no ports.
		*public = "http://" + strings.Replace(listener.Addr().String(), "127.0.0.1", "localhost", 1)
	}
	*public = strings.TrimRight(*public, "/")
	settings := siteSettings{
		flow: *flow, theme: *theme, microphone: *microphone,
		admission:     newAdmission(*header, *each, *all),
		webhookSecret: getenv("PASSFORT_WEBHOOK_SECRET"),
		secure:        strings.HasPrefix(*public, "https://"),
		log:           slog.New(slog.NewTextHandler(stderr, nil)),
	}
	origins := strings.Split(*collection, ",")
	settings.collection, settings.formOrigins = origins[0], origins[1:]
	if settings.secure && *header == "" {
		settings.log.Warn("all visitors behind the proxy count as one address: give -client-header")
	}
	key := getenv("PASSFORT_API_KEY")
	if key == "" {
		settings.webhookSecret = rand.Text()
		settings.simulated = startSimulator(*flow, "http://"+listener.Addr().String()+"/webhook",
			settings.webhookSecret)
		defer settings.simulated.server.Close()
		server := settings.simulated.server
		key, *baseURL, settings.collection = server.APIKey(), server.URL(), server.CollectionURL()
	}
	settings.client, err = passfort.New(key, passfort.WithBaseURL(*baseURL), passfort.WithLogger(settings.log),
		passfort.WithUserAgent("registration-example"))
	if err != nil {
		return err
	}
	site, err := newSite(settings)
	if err != nil {
		return err
	}
	defer site.close()
	settings.log.Info("listening", "address", listener.Addr().String())
	fmt.Fprintln(stdout, *public+"/")
	return serve(ctx, listener, site)
}

// serve ends within a second after ctx: a page that is being followed ends with
// ctx, and what takes longer is cut off.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 700*time.Millisecond)
	defer cancel()
	if server.Shutdown(ending) != nil {
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
