package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/inbox/sqldb"
	"github.com/passfort-go/passfort/internal/postgrestest"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// postgres is the server of all tests.
var postgres postgrestest.Shared

// full reports whether figures are to be measured in full.
func full() bool { return os.Getenv("PASSFORT_LONG") == "1" }

// report prints a figure, and in CI writes it where it can be looked at.
func report(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
	dir := os.Getenv("CI_OUT")
	if dir == "" {
		return
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	f, err := os.OpenFile(filepath.Join(dir, "sync.txt"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	require.NoError(t, err)
	defer f.Close()
	_, err = fmt.Fprintf(f, t.Name()+": "+format+"\n", args...)
	require.NoError(t, err)
}

// seedOf returns PASSFORT_SEED or a new seed, and prints it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("PASSFORT_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	report(t, "PASSFORT_SEED=%d", seed)
	return seed
}

const (
	canary = "Zqcanary" // in every value, so that a log can be searched for it
	secret = "Zqcanary-secret"
	apiKey = "Zqcanary-key"
)

// world is a simulated Passfort, a database with the processes of the service, and people
// who edit on both sides and remember what they did.
type world struct {
	t    *testing.T
	sim  *passforttest.Server
	own  *service // the test's, which does not run
	url  string   // of PostgreSQL
	file string   // of SQLite

	endpoint *httptest.Server
	random   *rand.Rand

	mu        sync.Mutex
	hooks     []string // of processes that run
	customers map[string]syncer.State
	profiles  []string
	number    int
	edits     map[place][]edit
	notes     map[string]string // by profile: what only the portal knows
	log       bytes.Buffer
}

type place struct{ profile, column string }

// edit is what one person did: they saw from and made it to.
type edit struct{ from, to string }

// newWorld makes so many profiles at Passfort, each third of a company, and the tables.
func newWorld(t *testing.T, seed uint64, profiles int, databaseURL string) *world {
	t.Helper()
	w := &world{t: t, url: databaseURL, file: filepath.Join(t.TempDir(), "sync.db"),
		random: rand.New(rand.NewPCG(seed, 1)), customers: map[string]syncer.State{}, edits: map[place][]edit{},
		notes: map[string]string{}}
	w.sim = passforttest.NewServer(
		passforttest.WithSeed(seed), passforttest.WithAPIKey(apiKey), passforttest.WithAPIKeyName("sync"),
		passforttest.WithoutRateLimits(), passforttest.WithWebhookShuffle(), passforttest.WithWebhookDuplicates(0.2),
		passforttest.WithWebhookPace(20*time.Millisecond),
		passforttest.WithWebhookBackoff(10*time.Millisecond, 100*time.Millisecond))
	t.Cleanup(w.sim.Close)
	w.endpoint = httptest.NewServer(http.HandlerFunc(w.forward))
	t.Cleanup(w.endpoint.Close)
	w.sim.SetWebhook(w.endpoint.URL, secret, true)
	w.own = w.service(w.sim.Client())
	for i := range profiles {
		role, data := passfort.RoleIndividualCustomer, passfort.NewIndividual()
		if i%3 == 2 {
			role, data = passfort.RoleCompanyCustomer, passfort.NewCompany()
			company(data).Name = canary
		} else {
			name(data).FamilyName = canary
		}
		p, err := w.sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{Role: role, CollectedData: data})
		require.NoError(t, err)
		w.profiles = append(w.profiles, p.ID)
	}
	return w
}

// service opens the database as a process does.
func (w *world) service(client *passfort.Client) *service {
	w.t.Helper()
	db, dialect, err := sqldb.Open(w.url, w.file)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = db.Close() })
	s := &service{db: db, log: slog.New(slog.DiscardHandler)}
	c := &config{keyName: "sync", add: true, poll: time.Second}
	require.NoError(w.t, s.prepare(w.t.Context(), c, dialect, client))
	return s
}

// forward is a load balancer that loses deliveries and answers to them.
func (w *world) forward(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	chance, to := w.random.Float64(), ""
	if len(w.hooks) > 0 {
		to = w.hooks[w.random.IntN(len(w.hooks))]
	}
	w.mu.Unlock()
	if chance >= 0.05 && to != "" {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, to, r.Body)
		if err != nil {
			panic(err)
		}
		request.Header = r.Header
		if resp, err := http.DefaultClient.Do(request); err == nil {
			defer resp.Body.Close()
			if chance >= 0.1 {
				out.WriteHeader(resp.StatusCode)
				_, _ = io.Copy(out, resp.Body)
				return
			}
		}
	}
	panic(http.ErrAbortHandler)
}

// args are those of a process.
func (w *world) args() []string {
	return append(anywhere(), "-poll", "50ms", "-database", w.file, "-import")
}

func (w *world) getenv(variable string) string {
	return map[string]string{"PASSFORT_API_KEY": apiKey, "PASSFORT_BASE_URL": w.sim.URL(),
		"PASSFORT_API_KEY_NAME": "sync", "WEBHOOK_SECRET": secret, "DATABASE_URL": w.url}[variable]
}

// output is what a process prints, and its addresses once it is ready.
type output struct {
	w     *world
	ready chan map[string]string
}

var readyLine = regexp.MustCompile(`msg=ready webhooks=(\S+) status=(\S+) ops=(\S+)`)

func (o *output) Write(p []byte) (int, error) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	if m := readyLine.FindStringSubmatch(string(p)); m != nil {
		o.ready <- map[string]string{"webhooks": m[1], "status": m[2], "ops": m[3]}
	}
	return o.w.log.Write(p)
}

func (w *world) output() *output { return &output{w, make(chan map[string]string, 1)} }

func (w *world) listens(webhooks string, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if on {
		w.hooks = append(w.hooks, webhooks)
		return
	}
	var left []string
	for _, h := range w.hooks {
		if h != webhooks {
			left = append(left, h)
		}
	}
	w.hooks = left
}

// start runs the service inside the test.
func (w *world) start() (addresses map[string]string, stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	out := w.output()
	go func() { done <- run(ctx, w.args(), w.getenv, out) }()
	select {
	case addresses = <-out.ready:
	case err := <-done:
		require.NoError(w.t, err)
	}
	w.listens(addresses["webhooks"], true)
	return addresses, func() {
		w.listens(addresses["webhooks"], false)
		cancel()
		require.NoError(w.t, <-done)
	}
}

// process starts the program.
func (w *world) process(program string) (cmd *exec.Cmd, webhooks string) {
	w.t.Helper()
	out := w.output()
	cmd = exec.CommandContext(context.WithoutCancel(w.t.Context()), program, w.args()...)
	for _, variable := range []string{"PASSFORT_API_KEY", "PASSFORT_BASE_URL", "PASSFORT_API_KEY_NAME",
		"WEBHOOK_SECRET", "DATABASE_URL"} {
		cmd.Env = append(cmd.Env, variable+"="+w.getenv(variable))
	}
	cmd.Stderr = out
	require.NoError(w.t, cmd.Start())
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	webhooks = (<-out.ready)["webhooks"]
	w.listens(webhooks, true)
	return cmd, webhooks
}

// settle waits until nothing is pending anywhere.
func (w *world) settle() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		ctx := w.t.Context()
		if w.sim.WaitWebhooks(ctx) != nil || len(w.sim.PendingWebhooks()) > 0 {
			return false
		}
		in, err := w.own.box.Health(ctx)
		if err != nil || in.Pending > 0 {
			return false
		}
		out, err := w.own.sync.Health(ctx)
		return err == nil && out.Working == 0 && out.Customers == int64(len(w.profiles))
	}, 3*time.Minute, 20*time.Millisecond)
}

// meet learns which customer each profile got.
func (w *world) meet() {
	w.t.Helper()
	w.settle()
	for _, m := range w.own.sync.Mappings() {
		states, err := w.own.sync.States(w.t.Context(), m.Entity, "")
		require.NoError(w.t, err)
		for _, state := range states {
			w.customers[state.ProfileID] = state
		}
	}
	require.Len(w.t, w.customers, len(w.profiles))
}

func (w *world) at(profile string) *passfort.EntityData {
	w.t.Helper()
	raw, _ := w.sim.CollectedData(profile)
	return decoded(w.t, json.RawMessage(raw))
}

func decoded(t *testing.T, data any) *passfort.EntityData {
	t.Helper()
	raw, err := json.Marshal(data)
	require.NoError(t, err)
	d := &passfort.EntityData{}
	require.NoError(t, json.Unmarshal(raw, d))
	return d
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// program is the service, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "passfort-sync-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sync")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
})
