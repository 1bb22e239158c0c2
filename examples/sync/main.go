// Sync keeps a customer table of your own and the profiles at Passfort in
// step, in both directions. It is a small service to start from.
//
// Without PASSFORT_API_KEY it runs against a simulated Passfort with a little
// life on both sides, to be watched on its status page. See docs/sync.md for how
// it works and what it promises.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/passfort-go/passfort"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sync:", err)
		os.Exit(1)
	}
}

const usage = `Usage: sync [flags]

Environment:
  PASSFORT_API_KEY         key of the account; without it a simulator is used
  PASSFORT_BASE_URL        address of the API, version included
  PASSFORT_API_KEY_NAME    name of the key in the portal; give this service a key
                           of its own, so that it can tell its own writes
  WEBHOOK_SECRET           shared secret of the webhooks
  WEBHOOK_SECRET_PREVIOUS  the one before, while you rotate it
  DATABASE_URL             PostgreSQL database; without it a SQLite file is used
  LISTEN, STATUS_LISTEN    defaults of -listen and -status

Flags:
`

// config is everything that can be configured.
type config struct {
	apiKey, baseURL, keyName string
	secrets                  []string
	databaseURL, file        string
	listen, status           string
	importAll                bool
	poll, grace              time.Duration
}

func configure(args []string, getenv func(string) string, output io.Writer) (*config, error) {
	c := &config{
		apiKey: getenv("PASSFORT_API_KEY"), baseURL: getenv("PASSFORT_BASE_URL"),
		keyName:     getenv("PASSFORT_API_KEY_NAME"),
		databaseURL: getenv("DATABASE_URL"),
	}
	for _, name := range []string{"WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS"} {
		if secret := getenv(name); secret != "" {
			c.secrets = append(c.secrets, secret)
		}
	}
	f := flag.NewFlagSet("sync", flag.ContinueOnError)
	f.SetOutput(output)
	f.Usage = func() {
		_, _ = fmt.Fprint(output, usage)
		f.PrintDefaults()
	}
	f.StringVar(&c.listen, "listen", cmp.Or(getenv("LISTEN"), "127.0.0.1:8082"), "address for POST /webhooks")
	f.StringVar(&c.status, "status", cmp.Or(getenv("STATUS_LISTEN"), "127.0.0.1:8081"),
		"address of the status page, which shows personal data")
	f.StringVar(&c.file, "database", "", "SQLite file (default sync.db, in the demo a temporary one)")
	f.BoolVar(&c.importAll, "import", false, "add a customer for every profile of a person")
	f.DurationVar(&c.poll, "poll", time.Second, "how often to look for edits made by other processes")
	f.DurationVar(&c.grace, "grace", time.Second, "how long to let work finish when stopped")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case f.NArg() > 0:
		return nil, errors.New("unexpected arguments")
	case c.poll <= 0:
		return nil, errors.New("-poll must be positive")
	case c.apiKey != "" && len(c.secrets) == 0:
		return nil, errors.New("WEBHOOK_SECRET is missing")
	}
	return c, nil
}

// run is the whole service; it ends in good order when ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, output io.Writer) error {
	c, err := configure(args, getenv, output)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(output, nil))
	var d *demo
	if c.apiKey == "" {
		if d, err = newDemo(ctx); err != nil {
			return err
		}
		defer d.sim.Close()
		c.apiKey, c.baseURL, c.keyName, c.secrets = d.sim.APIKey(), d.sim.URL(), "sync example", []string{"demo-secret"}
		if c.file == "" {
			dir, err := os.MkdirTemp("", "passfort-sync-")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			c.file = filepath.Join(dir, "demo.db")
		}
	}
	client, err := newClient(c, log)
	if err != nil {
		return err
	}
	st, err := openStore(ctx, c.databaseURL, cmp.Or(c.file, "sync.db"), c.keyName)
	if err != nil {
		return err
	}
	defer func() { _ = st.close() }()
	if c.importAll {
		if err := importAll(ctx, client, st); err != nil {
			return err
		}
	}
	return serve(ctx, c, st, client, d, log)
}

func newClient(c *config, log *slog.Logger) (*passfort.Client, error) {
	opts := []passfort.Option{passfort.WithUserAgent("passfort-sync-example/1"), passfort.WithLogger(log)}
	if c.baseURL != "" {
		opts = append(opts, passfort.WithBaseURL(c.baseURL))
	}
	return passfort.New(c.apiKey, opts...)
}

// importAll adds a customer for every profile of a person that has none.
func importAll(ctx context.Context, client *passfort.Client, st *store) error {
	for p, err := range client.Profiles.All(ctx, nil) {
		if err != nil {
			return err
		}
		if p.Role != passfort.RoleIndividualCustomer && p.Role != passfort.RoleIndividualAssociated {
			continue
		}
		if err := st.link(ctx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

func serve(ctx context.Context, c *config, st *store, client *passfort.Client, d *demo, log *slog.Logger) error {
	syncer := newSyncer(st, client, log)
	syncer.poll, syncer.grace = c.poll, c.grace
	webhooks, err := newWebhookHandler(st, c.secrets, log, syncer.wake)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks", webhooks)

	var listen net.ListenConfig
	hooks, err := listen.Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with -listen", err)
	}
	page, err := listen.Listen(ctx, "tcp", c.status)
	if err != nil {
		_ = hooks.Close()
		return fmt.Errorf("%w; choose another address with -status", err)
	}
	servers := []*http.Server{server(mux), server(newStatusPage(st, syncer.failing, d != nil))}
	log.Info("ready", "webhooks", "http://"+hooks.Addr().String()+"/webhooks", "status",
		"http://"+page.Addr().String()+"/")

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for i, l := range []net.Listener{hooks, page} {
		running.Go(func() {
			if err := servers[i].Serve(l); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
		})
	}
	running.Go(func() { syncer.run(ctx) })
	if d != nil {
		running.Go(func() {
			d.run(ctx, st, "http://"+hooks.Addr().String()+"/webhooks", c.secrets[0], log, syncer.wake)
		})
	}
	<-ctx.Done()
	log.Info("stopping")
	patience, giveUp := context.WithTimeout(context.WithoutCancel(ctx), c.grace)
	defer giveUp()
	_ = webhooks.Shutdown(patience) // what it cannot finish is not acknowledged
	for _, s := range servers {
		if s.Shutdown(patience) != nil {
			_ = s.Close()
		}
	}
	running.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}
