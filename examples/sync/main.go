// Sync keeps customer tables of your own and the profiles at Passfort in step, in both
// directions, for people and companies. Start it as often as you like on one database.
//
// Without PASSFORT_API_KEY it runs against a simulated Passfort with a little life on both
// sides, to be watched on its status page. docs/sync.md says how it works.
package main

import (
	"cmp"
	"context"
	_ "embed" // the usage
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/syncer"
)

//go:embed usage.txt
var usage string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sync:", err)
		os.Exit(1)
	}
}

// config is everything that can be configured.
type config struct {
	apiKey, baseURL, keyName, databaseURL, file string
	secrets                                     []string
	listen, status, ops                         string
	add, create, sweepNow                       bool
	poll, sweep                                 time.Duration
}

// grace is how long work may take to finish when the service is stopped.
const grace = time.Second

func configure(args []string, getenv func(string) string, output io.Writer) (*config, error) {
	c := &config{apiKey: getenv("PASSFORT_API_KEY"), keyName: getenv("PASSFORT_API_KEY_NAME"),
		baseURL:     cmp.Or(getenv("PASSFORT_BASE_URL"), passfort.DefaultBaseURL),
		databaseURL: getenv("DATABASE_URL"),
		secrets: slices.DeleteFunc([]string{getenv("WEBHOOK_SECRET"), getenv("WEBHOOK_SECRET_PREVIOUS")},
			func(secret string) bool { return secret == "" })}
	f := flag.NewFlagSet("sync", flag.ContinueOnError)
	f.SetOutput(output)
	f.Usage = func() { _, _ = fmt.Fprint(output, usage); f.PrintDefaults() }
	f.StringVar(&c.listen, "listen", cmp.Or(getenv("LISTEN"), "127.0.0.1:8082"), "`address` for POST /webhooks")
	f.StringVar(&c.status, "status", cmp.Or(getenv("STATUS_LISTEN"), "127.0.0.1:8081"),
		"`address` of the status page, which shows personal data")
	f.StringVar(&c.ops, "ops", cmp.Or(getenv("OPS_LISTEN"), "127.0.0.1:8083"),
		"`address` of /healthz, /readyz, /metrics")
	f.StringVar(&c.file, "database", "sync.db", "SQLite `file`; the demo has one of its own")
	f.BoolVar(&c.add, "import", false, "add a customer for each profile that has none, now and later")
	f.BoolVar(&c.create, "create", false, "make a profile for each customer that has none")
	f.DurationVar(&c.poll, "poll", time.Second, "how often to look for edits made by other processes")
	f.DurationVar(&c.sweep, "sweep", 24*time.Hour, "how often to look for what no message reported")
	f.BoolVar(&c.sweepNow, "sweep-now", false, "do it now too, as after webhooks were off")
	err := f.Parse(args)
	switch {
	case err != nil:
		return nil, err
	case f.NArg() > 0:
		return nil, errors.New("unexpected arguments")
	case c.poll <= 0 || c.sweep <= 0:
		return nil, errors.New("-poll and -sweep must be positive")
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
	live := func(context.Context, *service, string) {}
	if c.apiKey == "" {
		var end func()
		if live, end, err = demo(c); err != nil {
			return err
		}
		defer end()
	}
	log := slog.New(slog.NewTextHandler(output, nil))
	client, err := passfort.New(c.apiKey, passfort.WithBaseURL(c.baseURL), passfort.WithLogger(log),
		passfort.WithUserAgent("passfort-sync-example/2"))
	if err != nil {
		return err
	}
	db, dialect, err := sqldb.Open(c.databaseURL, c.file)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(30)
	s := &service{db: db, log: log}
	if err := s.prepare(ctx, c, dialect, client); err != nil {
		return fmt.Errorf("the database cannot be used: %s", syncer.Word(err)) // another text might hold a row
	}
	return s.serve(ctx, c, live)
}
