package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

const envPrefix = "PASSFORT_SIM_"

type options struct {
	addr, apiKey, state, config string
	like                        list // reports of verify
	webhook, secret             string
	batch, schema               bool
	batchSize, profiles         int
	pace                        time.Duration
	adminHosts, hosts           list
	tls                         string
	seed                        uint64
	seeded                      bool
	checkTime                   time.Duration
	unlimited                   bool
	level                       slog.Level
	outcomes                    map[string][]outcome
}

// list is a flag of names with commas between them.
type list []string

// String returns the names as they are given.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set takes the names over.
func (l *list) Set(v string) error {
	*l = nil
	for _, name := range strings.Split(v, ",") {
		if name = strings.TrimSpace(name); name != "" {
			*l = append(*l, name)
		}
	}
	return nil
}

// parse reads the environment, and then the flags, which win.
func parse(args []string, env func(string) string, stderr io.Writer) (*options, error) {
	var o options
	fs := flag.NewFlagSet("passfort-sim", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.addr, "addr", "127.0.0.1:4010", "the `address` to listen on; port 0 is any free one")
	fs.StringVar(&o.apiKey, "api-key", "",
		"the master `key`; \"sim-master-key\" if the address is on this machine only")
	fs.StringVar(&o.webhook, "webhook", "", "the `URL` that webhooks are sent to")
	fs.StringVar(&o.secret, "webhook-secret", "", "the shared `secret` of webhooks")
	fs.BoolVar(&o.batch, "batch", false, "send webhooks in batches")
	fs.IntVar(&o.batchSize, "webhook-batch-size", 100, "how many messages a batch holds at most")
	fs.DurationVar(&o.pace, "webhook-pace", 200*time.Millisecond, "the time between two batches; 0 is none")
	fs.Var(&o.hosts, "hosts",
		"further `names` under which it may be called on an address of this machine, and that its certificate is for")
	fs.StringVar(&o.tls, "tls", "", "speak https, and write the authority to trust to this `file`")
	fs.StringVar(&o.state, "state", "", "the `file` that keeps the state; none: it is gone with the process")
	fs.StringVar(&o.config, "config", "",
		"a JSON `file` with products, flows, companies, outcomes and switches: see -config-schema")
	schema := fs.Bool("config-schema", false, "print the JSON Schema of that file and end")
	fs.Var(&o.like, "like", "`files` of passfort verify and passfort listen: answer as that account did")
	fs.Var(&o.adminHosts, "admin-hosts",
		"`names` under which callers from other machines, or through a proxy, may use the pages at "+
			passforttest.AdminPath+", with the API key as password; a proxy on this machine must pass such a name on,"+
			" or keep the pages out")
	fs.Uint64Var(&o.seed, "seed", 0, "make ids and keys follow from this `number`")
	fs.IntVar(&o.profiles, "profiles", 0, "start with so many made-up profiles, unless the state has some")
	fs.DurationVar(&o.checkTime, "check-time", 0, "how long a provider takes for a check")
	fs.BoolVar(&o.unlimited, "no-rate-limits", false, "lift every rate limit")
	fs.TextVar(&o.level, "log-level", slog.LevelInfo, "DEBUG, INFO, WARN or ERROR")
	var problem error
	fs.VisitAll(func(f *flag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v := env(name); v != "" && fs.Set(f.Name, v) != nil && problem == nil {
			problem = fmt.Errorf("%s cannot be used", name) // its value may be a secret
		}
	})
	if problem != nil {
		return nil, problem
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	fs.Visit(func(f *flag.Flag) { o.seeded = o.seeded || f.Name == "seed" })
	if fs.NArg() > 0 {
		return nil, errors.New("there are no arguments, only flags")
	}
	o.schema = *schema
	return &o, o.check()
}

func (o *options) check() error {
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return errors.New("-addr is not host:port")
	}
	local := host == "localhost" || net.ParseIP(host).IsLoopback()
	switch {
	case o.apiKey == "" && !local:
		return errors.New("-api-key is needed when others can reach the address")
	case o.apiKey == "":
		o.apiKey = "sim-master-key"
	}
	if o.profiles < 0 {
		return errors.New("-profiles is negative")
	}
	if o.batchSize < 1 || o.pace < 0 {
		return errors.New("-webhook-batch-size is at least 1, and -webhook-pace not negative")
	}
	if o.webhook == "" {
		return nil
	}
	u, err := url.Parse(o.webhook)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("-webhook is not a URL")
	}
	if o.secret == "" {
		return errors.New("-webhook needs -webhook-secret")
	}
	return nil
}

// server returns the options of the simulator.
func (o *options) server(logger *slog.Logger) ([]passforttest.Option, error) {
	out := []passforttest.Option{passforttest.WithAPIKey(o.apiKey), passforttest.WithLogger(logger),
		passforttest.WithRecorder(0, 0),
		passforttest.WithHosts(o.hosts...), passforttest.WithWebhookPace(o.pace), passforttest.WithWebhookBatchSize(
			o.batchSize,
		)}
	if o.seeded {
		out = append(out, passforttest.WithSeed(o.seed))
	}
	if o.checkTime > 0 {
		out = append(out, passforttest.WithCheckTime(o.checkTime))
	}
	if o.unlimited {
		out = append(out, passforttest.WithoutRateLimits())
	}
	like, err := o.reports(logger)
	if err != nil {
		return nil, err
	}
	if o.config == "" {
		return append(out, like...), nil
	}
	w, err := readConfig(o.config)
	if err != nil {
		return nil, err
	}
	o.outcomes, o.profiles = w.Outcomes, max(o.profiles, w.Profiles)
	for i, p := range w.Products {
		err := misspelled(fmt.Sprintf("/products/%d", i), func() { out = append(out, passforttest.WithProducts(p)) })
		if err != nil {
			return nil, err
		}
	}
	out = append(out, passforttest.WithFlows(w.Flows...), passforttest.WithCompanies(w.Companies...),
		passforttest.WithSwitches(w.Switches))
	return append(out, like...), nil
}

// reports returns an option for each report of -like. They come after -config, and
// what they did not see stays as that says.
func (o *options) reports(logger *slog.Logger) ([]passforttest.Option, error) {
	var out []passforttest.Option
	seen, unseen := map[string]bool{}, []string{}
	for _, name := range o.like {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("-like: %w", err)
		}
		report, err := verify.ReadReport(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("-like: %w", err)
		}
		for _, finding := range report.Findings {
			seen[finding.Switch] = seen[finding.Switch] || finding.Verdict == verify.Confirmed ||
				finding.Verdict == verify.Differs
		}
		out = append(out, passforttest.Like(report))
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if name != "" && !seen[name] {
			unseen = append(unseen, name)
		}
	}
	if len(o.like) > 0 {
		logger.Info("answering as an account did", "not_seen", unseen)
	}
	return out, nil
}
