package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"time"

	"github.com/passfort-go/passfort/passforttest"
)

// runSimulator serves a simulated Passfort until ctx ends. It prints its base
// URL first.
func runSimulator(ctx context.Context, p *program, args []string) error {
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	addr := flags.String("addr", defaultSimulator, "`address` to listen on")
	webhook := flags.String("webhook", "", "`URL` to send webhooks to, in batches, with the secret in "+envSecret)
	hourly := flags.Int("hourly", 3_600_000,
		"`requests` an hour that may replace collected data; the real API allows 10000; 0: no limit")
	child := flags.Bool("child", false, "stop when standard input ends")
	if err := p.parse(flags, args); err != nil {
		return err
	}
	if err := p.atLeast("sim", 0, *hourly, "hourly"); err != nil {
		return err
	}
	sim := newSimulator(*hourly)
	defer sim.Close()
	if *webhook != "" {
		sim.SetWebhook(*webhook, p.getenv(envSecret), true)
	}
	listener, err := takeAddress(ctx, *addr, "addr")
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: sim, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	if *child {
		ctx = untilEOF(ctx, p.stdin)
	}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	_, _ = fmt.Fprintf(p.stdout, "http://%s/4.0\n", listener.Addr())
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newSimulator returns a Passfort whose profiles can be created at any speed,
// so that there can be many.
func newSimulator(hourly int) *passforttest.Server {
	options := []passforttest.Option{
		passforttest.WithoutRateLimits(), passforttest.WithAPIKey(simulatorKey), passforttest.WithRecorder(100, 0),
		passforttest.WithWebhookPace(20 * time.Millisecond), passforttest.WithCheckTime(300 * time.Millisecond),
	}
	if hourly > 0 {
		options = append(options, passforttest.WithRateLimit("CollectedData.Replace", passforttest.RateLimit{
			Requests: hourly, Per: time.Hour,
		}))
	}
	sim := passforttest.New(options...)
	sim.SetSwitches(passforttest.Switches{RateLimitRetrySecs: true})
	return sim
}
