// Package browsertest walks the registration example with a real browser. It is
// a module of its own, so that the SDK needs no browser driver.
package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

const (
	masterKey     = "master-key-that-only-the-server-may-have"
	webhookSecret = "secret-of-the-webhook"
	flowAlias     = "registration_flow"
)

// exe is the example, built once by TestMain.
var exe string

func TestMain(m *testing.M) { os.Exit(withExample(m.Run)) }

func withExample(run func() int) int {
	dir, err := os.MkdirTemp("", "registration")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	exe = filepath.Join(dir, "registration")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", exe, ".")
	build.Dir = ".."
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the example does not build:", err)
		return 1
	}
	return run()
}

// world is a simulated Passfort, the example as a process of its own that knows
// only the keys, and a proxy in front of it that records everything.
type world struct {
	sim      *passforttest.Server
	front    *front
	log      *output
	stopSite func()
}

func newWorld(t *testing.T, caching bool) *world {
	t.Helper()
	return newWorldWith(t, caching, "/checking")
}

// newWorldWith ends the form at a path of the site, or in its frame if that is "".
func newWorldWith(t *testing.T, caching bool, redirect string) *world {
	t.Helper()
	w := &world{
		front: &front{caching: caching, stored: map[string]exchange{}}, log: &output{address: make(chan string, 1)},
	}
	server := httptest.NewServer(w.front)
	t.Cleanup(server.Close)
	// By this name the site is another site than the collection origin, which
	// has an address: cookies know no ports.
	w.front.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if redirect != "" {
		redirect = w.front.url + redirect
	}
	w.sim = passforttest.NewServer(
		passforttest.WithAPIKey(masterKey),
		passforttest.WithCheckTime(1500*time.Millisecond),
		passforttest.WithAutomationTime(300*time.Millisecond),
		passforttest.WithProducts(passforttest.Product{Alias: "account", AutoApprove: true,
			Tasks: []passforttest.ProductTask{
				{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"}},
				{Type: "COMPANY_VERIFY_IDENTITY", Checks: []string{"COMPANY_REGISTRY"}},
			}}),
		passforttest.WithFlows(passforttest.Flow{Alias: flowAlias, Product: "account", RedirectURL: redirect}),
	)
	t.Cleanup(w.sim.Close)

	w.startSite(t)
	w.sim.SetWebhook(w.front.url+"/webhook", webhookSecret, true)
	return w
}

// startSite starts the example and points the proxy at it.
func (w *world) startSite(t *testing.T) {
	t.Helper()
	site := exec.CommandContext(t.Context(), exe, "-addr", "127.0.0.1:0", "-url", w.front.url, "-flow", flowAlias,
		"-base-url", w.sim.URL(), "-collection", w.sim.CollectionURL())
	site.Env = append(os.Environ(), "PASSFORT_API_KEY="+masterKey, "PASSFORT_WEBHOOK_SECRET="+webhookSecret)
	site.Stdout, site.Stderr = w.log, w.log
	site.Cancel = func() error { return site.Process.Signal(syscall.SIGTERM) }
	require.NoError(t, site.Start())
	w.stopSite = sync.OnceFunc(func() {
		_ = site.Process.Signal(syscall.SIGTERM)
		_ = site.Wait()
	})
	t.Cleanup(w.stopSite)
	select {
	case address := <-w.log.address:
		w.front.to(&url.URL{Scheme: "http", Host: address})
	case <-time.After(20 * time.Second):
		t.Fatal("the example does not listen: " + w.log.String())
	}
}

// restart ends the example, which keeps nothing, and starts it anew.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.stopSite()
	w.log.again()
	w.startSite(t)
}

// request returns the customer request of the applicant who registered last.
func (w *world) request(t *testing.T) passforttest.CustomerRequest {
	t.Helper()
	const before, after = "/4.0/forms/profile/", "/customer_request"
	profile := ""
	for _, r := range w.sim.Requests() {
		if r.Method == http.MethodPost && strings.HasPrefix(r.Path, before) {
			profile = strings.TrimSuffix(strings.TrimPrefix(r.Path, before), after)
		}
	}
	requests := w.sim.CustomerRequests(profile)
	require.Len(t, requests, 1)
	return requests[0]
}

// output collects what the example prints, and finds its address in it.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	address chan string
	found   bool
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if at := listening.FindSubmatch(o.text.Bytes()); at != nil && !o.found {
		o.found = true
		o.address <- string(at[1])
	}
	return len(p), nil
}

// again makes ready for the address of another process.
func (o *output) again() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
	o.found = false
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// exchange is one request and its answer.
type exchange struct {
	method, uri    string
	requestHeader  http.Header
	status         int
	responseHeader http.Header
	body           []byte
	fromCache      bool
}

// front is the proxy. When caching, it stores every answer to a GET that HTTP
// lets it store, by the URL alone.
type front struct {
	url     string
	caching bool

	mu       sync.Mutex
	upstream *httputil.ReverseProxy
	stored   map[string]exchange
	seen     []exchange
}

func (f *front) to(upstream *url.URL) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upstream = &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(upstream)
		r.Out.Host = r.In.Host
	}}
}

func (f *front) exchanges() []exchange {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]exchange(nil), f.seen...)
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	upstream := f.upstream
	stored, hit := f.stored[r.URL.RequestURI()]
	f.mu.Unlock()
	this := exchange{method: r.Method, uri: r.URL.RequestURI(), requestHeader: r.Header.Clone()}
	if f.caching && hit && r.Method == http.MethodGet {
		for name, values := range stored.responseHeader {
			w.Header()[name] = values
		}
		w.WriteHeader(stored.status)
		_, _ = w.Write(stored.body)
		this.status, this.responseHeader, this.body = stored.status, stored.responseHeader, stored.body
		this.fromCache = true
		f.keep(this)
		return
	}
	copied := &copier{ResponseWriter: w, status: http.StatusOK}
	// A stream that the browser leaves ends in a panic which the server expects.
	defer func() {
		this.status, this.responseHeader, this.body = copied.status, w.Header().Clone(), copied.body.Bytes()
		f.keep(this)
	}()
	upstream.ServeHTTP(copied, r)
}

func (f *front) keep(e exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, e)
	control := strings.Join(e.responseHeader.Values("Cache-Control"), ",")
	forbidden := strings.Contains(control, "no-store") || strings.Contains(control, "private") ||
		e.responseHeader.Get("Vary") == "*"
	if e.method == http.MethodGet && e.status == http.StatusOK && !forbidden {
		f.stored[e.uri] = e
	}
}

// copier keeps a copy of an answer.
type copier struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *copier) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copier) Write(p []byte) (int, error) {
	c.body.Write(p)
	return c.ResponseWriter.Write(p)
}

func (c *copier) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// TestTheSiteStops ends the example while a page is being followed.
func TestTheSiteStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	site := exec.CommandContext(ctx, exe, "-addr", "127.0.0.1:0")
	site.Env = append(os.Environ(), "PASSFORT_API_KEY=")
	stdout, err := site.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, site.Start())
	base, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	base = strings.TrimSpace(base)

	session := &cookieClient{}
	session.do(t, http.MethodGet, base, "")
	session.do(t, http.MethodPost, base+"register", "kind=person")
	events := session.do(t, http.MethodGet, base+"events", "")
	line, err := bufio.NewReader(events).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "event: stage\n", line)

	require.NoError(t, site.Process.Signal(os.Interrupt))
	_, _ = io.Copy(io.Discard, events)
	require.NoError(t, site.Wait(), "it ends on its own")
}

// cookieClient is a visitor without a browser.
type cookieClient struct{ cookie string }

func (c *cookieClient) do(t *testing.T, method, target, form string) io.ReadCloser {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form))
	require.NoError(t, err)
	r.Header.Set("Cookie", c.cookie)
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	if set := answer.Header.Get("Set-Cookie"); set != "" {
		c.cookie, _, _ = strings.Cut(set, ";")
	}
	require.Less(t, answer.StatusCode, 400, target)
	return answer.Body
}
