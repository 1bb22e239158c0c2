package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/passfort-go/passfort/verify"
)

// stopWithin is how long deliveries under way get when the process ends.
const stopWithin = 2 * time.Second

// listen receives webhooks until ctx ends, and then prints what it heard.
func (p *program) listen(ctx context.Context, args []string) int {
	var o verify.ListenOptions
	fs := p.flags("listen")
	addr := fs.String("addr", "127.0.0.1:4011", "the `address` to listen on; port 0 is any free one")
	file := fs.String("json", "", "the `file` to write the report to")
	fs.IntVar(&o.Refuse, "refuse", 0, "answer the first `n` deliveries with 500, to see how they are repeated")
	fs.BoolVar(&o.Batching, "batching", false, "batching is on in the portal")
	if status, ok := p.parse(fs, args); !ok {
		return status
	}
	secret := p.env("PASSFORT_WEBHOOK_SECRET")
	if secret == "" {
		return p.fail(badUsage, errors.New("PASSFORT_WEBHOOK_SECRET is not set"))
	}
	o.Secrets = []string{secret}
	o.Progress = func(status int, events []string) {
		p.print(cut(fmt.Sprintf("%d  %s", status, strings.Join(events, " "))) + "\n")
	}
	listener, err := verify.NewListener(o)
	if err != nil {
		return p.fail(badUsage, err)
	}
	out, err := p.create(*file)
	if err != nil {
		return p.fail(badUsage, err)
	}
	defer func() { _ = out.Close() }()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return p.fail(badUsage, errors.New("nothing can listen on the address of -addr"))
	}
	p.print("http://" + l.Addr().String() + "/\n")
	srv := &http.Server{
		Handler: listener, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // it would print addresses
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case <-ctx.Done():
	case err := <-ended:
		ended <- err
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if srv.Shutdown(within) != nil {
		_ = srv.Close()
	}
	served := <-ended
	report := listener.Report()
	if err := p.finish(report, out); err != nil {
		return p.fail(notAll, err)
	}
	if !errors.Is(served, http.ErrServerClosed) {
		return p.fail(notAll, errors.New("nothing more could be accepted on the address"))
	}
	if report.Requests == 0 {
		return notAll
	}
	return allAsked
}
