package faultmatrix

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/passforttest"
)

// wire is a simulator with a proxy in front of it.
type wire struct {
	*world
	proxy    *toxiproxy.Proxy
	tls      *httptest.Server
	nameless atomic.Bool   // names are not found
	left     chan struct{} // is closed when the client has left its connection
}

func wired(t *testing.T) *wire {
	t.Helper()
	srv := passforttest.NewServer(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
	t.Cleanup(srv.Close)
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	address := strings.TrimSuffix(strings.TrimPrefix(srv.URL(), "http://"), "/4.0")
	w := &wire{proxy: toxiproxy.NewProxy(proxies, "between", "127.0.0.1:0", address)}
	require.NoError(t, w.proxy.Start())
	t.Cleanup(w.proxy.Stop)
	w.tls = httptest.NewUnstartedServer(srv.Handler())
	w.tls.Config.ErrorLog = quiet()
	w.tls.StartTLS()
	t.Cleanup(w.tls.Close)
	w.world = fill(t, srv, srv.Client())
	return w
}

// client is a client with connections of its own, so that no fault meets what
// another left.
func (w *wire) client(t *testing.T, f fault, watch *watcher) *passfort.Client {
	t.Helper()
	base := "http://" + w.proxy.Listen + "/4.0"
	options := []passfort.Option{
		passfort.WithObserver(watch),
		passfort.WithRetry(passfort.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond}),
	}
	switch f.net {
	case noName:
		tr := &http.Transport{DialContext: w.dial}
		t.Cleanup(tr.CloseIdleConnections)
		options = append(options, passfort.WithHTTPClient(&http.Client{Transport: tr}))
	case closedWhileIdle:
		tr := passfort.DefaultTransport()
		tr.DialContext = w.dialToLeave
		options = append(options, passfort.WithHTTPClient(&http.Client{Transport: tr}))
	case untrusted:
		base = w.tls.URL + "/4.0"
	case plainAnswer:
		base = "https://" + w.proxy.Listen + "/4.0"
	}
	c, err := passfort.New(w.srv.APIKey(), append(options, passfort.WithBaseURL(base))...)
	require.NoError(t, err)
	return c
}

// dial looks a name up that does not exist, or reaches the proxy.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !w.nameless.Load() {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	empty := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}
	return (&net.Dialer{Resolver: empty}).DialContext(ctx, network, "no-such-host.invalid:443")
}

// dialToLeave notes when the client closes its connection.
func (w *wire) dialToLeave(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	left := make(chan struct{})
	w.left = left
	return leaving{conn, sync.OnceFunc(func() { close(left) })}, err
}

type leaving struct {
	net.Conn
	left func()
}

func (c leaving) Close() error {
	defer c.left()
	return c.Conn.Close()
}

// toxics are the faults that the proxy makes.
var toxics = map[network]string{
	resetBeforeRead: `{"name":"fault","type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`,
	resetAfterApply: `{"name":"fault","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`,
	cutInHeaders:    `{"name":"fault","type":"limit_data","stream":"downstream","attributes":{"bytes":20}}`,
}

// arm makes the fault happen from now on and returns what ends it.
func (w *wire) arm(t *testing.T, f fault, op cases.Case, always bool) (heal func()) {
	t.Helper()
	switch f.net {
	case refused:
		w.proxy.Stop()
		return func() { _ = w.proxy.Start() }
	case noName:
		w.nameless.Store(true)
		return func() { w.nameless.Store(false) }
	case resetAfterRead:
		drop := f.sim
		drop.Operation, drop.Times = op.Name, 1
		if always {
			drop.Times = -1
		}
		w.srv.Inject(drop)
		return func() {}
	}
	if toxic := toxics[f.net]; toxic != "" {
		_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
		require.NoError(t, err)
		return func() { _ = w.proxy.Toxics.RemoveToxic(context.Background(), "fault") }
	}
	return func() {}
}

// onTheNetwork runs every operation against one fault over real connections.
func onTheNetwork(t *testing.T, f fault, always bool, found *results, class map[string]string) {
	w := wired(t)
	for _, op := range operations() {
		require.NoError(t, w.srv.Restore(w.snapshot))
		watch := &watcher{operation: op.Name}
		c := w.client(t, f, watch)
		if f.net == closedWhileIdle {
			w.leaveIdle(t, c)
		}
		watch.attempts.Store(0)
		w.srv.ForgetRequests()
		heal := sync.OnceFunc(w.arm(t, f, op, always))
		if !always {
			watch.ended = heal
		}
		const limit = 30 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		began := time.Now()
		err := op.Call(ctx, c, w.World)
		require.Less(t, time.Since(began), limit, "%s hangs", op.Name)
		cancel()
		heal()
		w.srv.ClearFaults()
		found.add(result{f.name, op.Name, always, look(t, w.world, op, class[op.Name], int(watch.attempts.Load()),
			err)})
	}
}

// leaveIdle makes a connection, and returns when the client knows that it was closed.
func (w *wire) leaveIdle(t *testing.T, c *passfort.Client) {
	t.Helper()
	_, err := c.WhoAmI(t.Context())
	require.NoError(t, err)
	w.proxy.Stop()
	require.NoError(t, w.proxy.Start())
	<-w.left
}
