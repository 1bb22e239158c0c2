// Command passfort-sim runs the simulator of package passforttest as a process:
// a stateful Passfort 4.0 for a laptop, a container or a program in another
// language.
//
//	passfort-sim -addr 127.0.0.1:4010 -api-key KEY
//
// The first line on standard output is the base URL of the API. The log, one
// JSON object for each call, goes to standard error; it holds no key and no
// personal data. Beside the API there are:
//
//   - /healthz, which answers 200 while the process serves,
//   - /_sim/, pages to look at the state and play the portal or a provider,
//   - /embed.js and /form, the stand-in for the origin of hosted forms.
//
// Every flag can be set by an environment variable: PASSFORT_SIM_ and the name
// in capitals, such as PASSFORT_SIM_API_KEY. Keys and secrets belong there,
// where a list of processes does not show them.
//
// With -tls it speaks https with a certificate made at start; the authority to
// trust follows the base URL and is written to a file.
//
// With -state the state is kept in a file and outlives the process, however it
// ends: no answer is sent before what it says is on the disk.
package main

//go:generate go run -C ../.. ./internal/notices -package ./cmd/passfort-sim -out cmd/passfort-sim/THIRD_PARTY.txt

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/passfort-go/passfort/internal/journal"
	"github.com/passfort-go/passfort/passforttest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "passfort-sim:", err)
		os.Exit(1)
	}
}

// stopWithin is how long calls that are under way get when the process ends.
const stopWithin = 10 * time.Second

// run serves until ctx ends.
func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) error {
	o, err := parse(args, env, stderr)
	if err != nil {
		return err
	}
	if o.schema {
		_, err := stdout.Write(configSchema)
		return err
	}
	logger := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: o.level}))
	options, err := o.server(logger)
	if err != nil {
		return err
	}
	sim := passforttest.New(options...)
	defer sim.Close()
	if o.state != "" {
		file, err := journal.Open(o.state)
		if err != nil {
			return err
		}
		defer func() {
			sim.Close()
			if err := file.Close(); err != nil {
				logger.Error("the state file cannot be closed", "error", err.Error())
			}
		}()
		if err := sim.KeepIn(stateFile{file}); err != nil {
			return err
		}
	}
	if err := setOutcomes(sim, o.outcomes); err != nil {
		return err
	}
	if sim.Profiles() == 0 {
		sim.MakeUp(o.profiles)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	hello := fmt.Sprintf("http://%s/4.0\n", reachable(l.Addr().String()))
	if o.tls != "" {
		config, authority, err := certify(o.certifiedNames(), time.Now())
		if err == nil {
			err = publish(o.tls, authority)
		}
		if err != nil {
			return errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, config)
		hello = strings.Replace(hello, "http:", "https:", 1) + string(authority)
	}
	sim.SetWebhook(o.webhook, o.secret, o.batch)
	srv := &http.Server{
		Handler: handler(sim, o), ReadHeaderTimeout: time.Minute, IdleTimeout: 5 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), // it would print addresses of callers
	}
	if _, err := io.WriteString(stdout, hello); err != nil {
		return errors.Join(err, l.Close())
	}
	logger.Info("serving", "state", o.state != "", "webhook", o.webhook != "")
	return serve(ctx, srv, l, logger)
}

func serve(ctx context.Context, srv *http.Server, l net.Listener, logger *slog.Logger) error {
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping")
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := srv.Shutdown(within); err != nil {
		_ = srv.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler puts the API, the admin pages and the collection origin on one
// address.
func handler(sim *passforttest.Server, o *options) http.Handler {
	mux := http.NewServeMux()
	api := sim.Handler()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.Handle(passforttest.AdminPath, keyed(o.apiKey, o.adminHosts, sim.AdminHandler(o.adminHosts...)))
	mux.Handle("/", sim.CollectionHandler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Past the mux, which would clean the path of an API call.
		if isAPI(r.URL.Path) {
			api.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// stateFile is the journal as the simulator takes it.
type stateFile struct{ *journal.File }

// Compact begins to replace what the file holds.
func (f stateFile) Compact() (passforttest.Compaction, error) {
	r, err := f.Replace()
	if err != nil {
		return nil, err
	}
	return r, nil
}

// keyed lets callers from other machines in with the API key as the password of
// basic authentication. Callers on this machine need none, unless they ask for one
// of the hosts: that may be a proxy, which others call.
func keyed(key string, hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _, _ := net.SplitHostPort(r.RemoteAddr)
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		opened := slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
		_, sent, _ := r.BasicAuth()
		if (opened || !net.ParseIP(from).IsLoopback()) && subtle.ConstantTimeCompare([]byte(sent), []byte(key)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="passfort-sim: any name, and the API key as the password"`)
			http.Error(w, "the API key is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isAPI(path string) bool { return path == "/4.0" || len(path) > 4 && path[:5] == "/4.0/" }

// reachable is the address to call: one that listens everywhere is called on
// this machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
