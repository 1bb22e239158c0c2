package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/syncer"
	"github.com/passfort-go/passfort/syncer/statuspage"
)

// service is a database of customers and what keeps them in step.
type service struct {
	db   *sql.DB
	box  *inbox.Inbox
	sync *syncer.Syncer
	log  *slog.Logger
}

// prepare makes or takes over what is not in the database yet.
func (s *service) prepare(ctx context.Context, c *config, dialect sqldb.Dialect, client *passfort.Client) error {
	takenOver, err := syncer.HasExample(ctx, s.db)
	if err != nil {
		return err
	}
	if s.box, err = inbox.New(s.db, dialect, inbox.WithLogger(s.log), inbox.WithGrace(grace)); err != nil {
		return err
	}
	if s.sync, err = syncer.New(s.db, dialect, client, mappings(dialect, takenOver, c), syncer.WithLogger(s.log),
		syncer.WithKeyName(c.keyName), syncer.WithGrace(grace), syncer.WithPoll(c.poll)); err != nil {
		return err
	}
	_, first := tables(dialect).Apply(ctx, s.db)
	_, second := s.box.Migrate(ctx)
	_, third := s.sync.Migrate(ctx)
	if err = errors.Join(first, second, third); err == nil && takenOver {
		_, err = s.sync.ImportExample(ctx, s.box)
	}
	if err == nil && c.sweepNow {
		err = s.sync.SweepNow(ctx, nightly.Name)
	}
	if err == nil {
		err = s.sync.InstallTriggers(ctx) // an edit is noted, whoever makes it
	}
	return err
}

// serve runs the parts of the service until ctx ends or one of them fails.
func (s *service) serve(ctx context.Context, c *config, live func(context.Context, *service, string)) error {
	hooks, err := s.box.WebhookHandler(c.secrets, passfort.WithWebhookLogger(s.log))
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var running sync.WaitGroup
	var urls []string
	for _, part := range []struct {
		flag, address string
		handler       http.Handler
	}{{"listen", c.listen, hooks}, {"status", c.status, statuspage.Page(s.box, s.sync)},
		{"ops", c.ops, statuspage.Ops(s.box, s.sync)}} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", part.address)
		if err != nil {
			return fmt.Errorf("%w; choose another address with -%s", err, part.flag)
		}
		urls = append(urls, "http://"+listener.Addr().String())
		server := &http.Server{Handler: part.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
			ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		running.Go(func() { fail(server.Serve(listener)) })
		running.Go(func() {
			<-ctx.Done()
			patience, giveUp := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer giveUp()
			_ = server.Shutdown(patience)
			_ = server.Close() // what is not finished is not acknowledged
		})
	}
	running.Go(func() { fail(s.box.Run(ctx, s.sync.Handle)) })
	running.Go(func() { fail(s.sync.Run(ctx)) })
	running.Go(func() { fail(s.sync.ReconcileEvery(ctx, c.sweep, nightly, s.swept)) })
	running.Go(func() { live(ctx, s, urls[0]+"/webhooks") })
	s.log.Info("ready", "webhooks", urls[0]+"/webhooks", "status", urls[1]+"/", "ops", urls[2])
	running.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

var nightly = syncer.Sweep{Name: "nightly", Repair: true, PerSecond: 50}

// swept logs what a sweep for what no message and no trigger reported found.
func (s *service) swept(report *syncer.Report, err error) {
	s.log.Info("swept", "complete", report.Complete, "read", report.Read, "repaired", report.Repaired,
		"problem", syncer.Word(err))
}
