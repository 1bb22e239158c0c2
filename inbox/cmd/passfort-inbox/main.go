// Passfort-inbox looks after an inbox from a shell: how it is, what was parked, and
// what becomes of it. See usage.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"text/tabwriter"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
)

const usage = `Usage: passfort-inbox [flags] command [ids]

Commands:
  health          pending, oldest, parked, paused
  check           whether the tables are those of this version
  plan            the SQL of the migrations that are missing
  migrate         make them
  parked          list parked messages that are selected, or all
  show id         print a message with its payload, which is personal data
  replay [ids]    hand out parked messages again
  purge [ids]     delete parked messages
  pause, resume   hand out no message, in any process
  erase           delete everything about the profile of -profile

Environment:
  DATABASE_URL    PostgreSQL; with -sqlite a file is used

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "passfort-inbox:", err)
		os.Exit(1)
	}
}

// command is what was asked for.
type command struct {
	box       *inbox.Inbox
	selection inbox.Selection
	output    io.Writer
}

func run(ctx context.Context, args []string, getenv func(string) string, output, help io.Writer) error {
	c := command{output: output}
	var file, prefix, schema, event string
	var before time.Duration
	f := flag.NewFlagSet("passfort-inbox", flag.ContinueOnError)
	f.SetOutput(help)
	f.Usage = func() {
		_, _ = fmt.Fprint(help, usage)
		f.PrintDefaults()
	}
	f.StringVar(&file, "sqlite", "", "SQLite file, in place of DATABASE_URL")
	f.StringVar(&prefix, "prefix", "passfort_inbox_", "prefix of the tables")
	f.StringVar(&schema, "schema", "", "schema of the tables, on PostgreSQL")
	f.StringVar(&c.selection.ProfileID, "profile", "", "select messages of a profile")
	f.StringVar(&event, "event", "", "select messages of an event")
	f.DurationVar(&before, "older", 0, "select messages that were parked longer ago")
	f.BoolVar(&c.selection.All, "all", false, "select every parked message")
	if err := f.Parse(args); err != nil {
		return err
	}
	c.selection.Event = passfort.EventName(event)
	if before > 0 {
		c.selection.Before = time.Now().Add(-before)
	}
	if f.NArg() == 0 {
		f.Usage()
		return flag.ErrHelp
	}
	for _, arg := range f.Args()[1:] {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return errors.New("an id is a number; flags come before the command")
		}
		c.selection.IDs = append(c.selection.IDs, id)
	}
	db, dialect, err := open(file, getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if c.box, err = inbox.New(db, dialect, inbox.WithPrefix(prefix), inbox.WithSchema(schema)); err != nil {
		return err
	}
	return printable(c.do(ctx, f.Arg(0)))
}

func open(file, databaseURL string) (*sql.DB, sqldb.Dialect, error) {
	if file != "" {
		if _, err := os.Stat(file); err != nil { // SQLite would create it
			return nil, 0, err
		}
		options := url.Values{"_pragma": {"busy_timeout(30000)"}}
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+options.Encode())
		return db, inbox.SQLite, err
	}
	if databaseURL == "" {
		return nil, 0, errors.New("DATABASE_URL is missing, or -sqlite")
	}
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return nil, 0, errors.New("DATABASE_URL is not valid") // the cause would print it, password included
	}
	return db, inbox.PostgreSQL, nil
}

// printable returns an error without what a database or an address may put into one.
func printable(err error) error {
	if err == nil || errors.Is(err, inbox.ErrSchema) || errors.Is(err, inbox.ErrSelection) || errors.Is(err, errUsage) {
		return err
	}
	return errors.New("the database says: " + sqldb.Word(err))
}

var errUsage = errors.New("see -h")

func (c command) do(ctx context.Context, name string) error {
	switch name {
	case "plan", "migrate":
		return c.migrate(ctx, name == "plan")
	}
	if err := c.box.Check(ctx); err != nil {
		return err
	}
	switch name {
	case "health":
		h, err := c.box.Health(ctx)
		if err != nil {
			return err
		}
		c.print("pending %d, of %d profiles, oldest %s, retrying %d\nparked %d\npaused %t\n",
			h.Pending, h.Profiles, h.Oldest.Round(time.Second), h.Retrying, h.Parked, h.Paused)
		return nil
	case "check":
		c.print("the tables are those of this version\n")
		return nil
	case "parked":
		return c.parked(ctx)
	case "show":
		return c.show(ctx)
	case "replay":
		n, err := c.box.Replay(ctx, c.selection)
		c.print("%d replayed\n", n)
		return err
	case "purge":
		n, err := c.box.Purge(ctx, c.selection)
		c.print("%d deleted\n", n)
		return err
	case "erase":
		n, err := c.box.Erase(ctx, c.selection.ProfileID)
		c.print("%d deleted\n", n)
		return err
	case "pause":
		return c.box.Pause(ctx)
	case "resume":
		return c.box.Resume(ctx)
	}
	return fmt.Errorf("unknown command: %w", errUsage)
}

func (c command) print(format string, args ...any) { _, _ = fmt.Fprintf(c.output, format, args...) }

func (c command) migrate(ctx context.Context, dry bool) error {
	apply := c.box.Migrate
	if dry {
		apply = c.box.Plan
	}
	list, err := apply(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		c.print("-- migration %d: %s\n", m.Number, m.Name)
		for _, statement := range m.SQL {
			if dry {
				c.print("%s;\n", statement)
			}
		}
	}
	if len(list) == 0 {
		c.print("-- nothing to migrate\n")
	}
	return nil
}

func (c command) parked(ctx context.Context) error {
	s := c.selection
	if s.ProfileID == "" && s.Event == "" && s.Before.IsZero() && len(s.IDs) == 0 {
		s.All = true
	}
	w := tabwriter.NewWriter(c.output, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tEVENT\tPROFILE\tTRIES\tPARKED")
	for after := int64(0); ; {
		list, err := c.box.Parked(ctx, s, after, 0)
		if err != nil {
			return err
		}
		for _, p := range list {
			_, _ = fmt.Fprintf(w, "%d\t%q\t%q\t%d\t%s\n", p.ID, p.Event, p.ProfileID, p.Tries,
				p.ParkedAt.Format(time.RFC3339))
			after = p.ID
		}
		if len(list) == 0 {
			return w.Flush()
		}
	}
}

func (c command) show(ctx context.Context) error {
	if len(c.selection.IDs) != 1 {
		return fmt.Errorf("show wants one id: %w", errUsage)
	}
	m, err := c.box.Show(ctx, c.selection.IDs[0])
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	c.print("%s\n", raw)
	return err
}
