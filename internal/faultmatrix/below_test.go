package faultmatrix

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// impatient repeats at once.
func impatient() passfort.Option {
	return passfort.WithRetry(passfort.RetryPolicy{
		MaxAttempts: 3, MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
	})
}

// A server that wants a client certificate refuses the handshake, under TLS 1.3
// after the request was sent. It read none of it.
func TestHandshakeRefused(t *testing.T) {
	t.Parallel()
	sim := passforttest.New(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
	t.Cleanup(sim.Close)
	w := fill(t, sim, sim.Client())
	h2 := newH2server(t, sim.Handler(), tls.RequireAnyClientCert)
	h1 := httptest.NewUnstartedServer(sim.Handler())
	h1.Config.ErrorLog = quiet()
	h1.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	h1.StartTLS()
	t.Cleanup(h1.Close)
	for name, start := range map[string]func(tr *http.Transport) string{
		"HTTP/1.1": func(tr *http.Transport) string {
			tr.TLSClientConfig = h1.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			return h1.URL
		},
		"HTTP/2": func(tr *http.Transport) string { h2.trust(tr); return "https://" + h2.address },
	} {
		t.Run(name, func(t *testing.T) {
			named := 0
			for _, op := range operations() {
				tr := passfort.DefaultTransport()
				base := start(tr)
				c, err := passfort.New(sim.APIKey(), passfort.WithBaseURL(base+"/4.0"),
					passfort.WithHTTPClient(&http.Client{Transport: tr}), impatient())
				require.NoError(t, err)
				sim.ForgetRequests()
				err = op.Call(t.Context(), c, w.World)
				tr.CloseIdleConnections()
				var failure *passfort.Error
				require.ErrorAs(t, err, &failure, op.Name)
				require.Empty(t, sim.Requests())
				if !strings.Contains(err.Error(), "certificate required") || failure.Attempts > 1 {
					continue // a reset overtook the alert at least once, which proves nothing
				}
				named++
				require.Equal(t, passfort.OutcomeNotSent, failure.Outcome, "%s: %v", op.Name, err)
				require.False(t, failure.Transient(), op.Name)
			}
			require.Greater(t, named, 26)
		})
	}
}

// A body whose end was never handed over cannot have been stored.
func TestBodyCut(t *testing.T) {
	t.Parallel()
	const size = 24 << 20 // more than buffers on the way hold
	image := append([]byte("%PDF-1.7\n"), make([]byte, size)...)
	body := int64(len(image)) * 4 / 3
	type upload func(context.Context, *passfort.Client) error
	uploads := map[string]upload{
		"file": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, "p", &passfort.FileUpload{Name: "scan", Body: bytes.NewReader(image)}))
		},
		"image": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.UploadImage(ctx, "p", &passfort.ImageUpload{
				Type: passfort.ImageTypeFront, Body: bytes.NewReader(image),
			}))
		},
		"image that cannot seek": func(ctx context.Context, c *passfort.Client) error {
			once := struct{ io.Reader }{bytes.NewReader(image)}
			return failed(c.Documents.UploadImage(ctx, "p", &passfort.ImageUpload{
				Type: passfort.ImageTypeFront, Body: once, Size: int64(len(image)),
			}))
		},
	}
	for _, percent := range []int64{0, 10, 50, 99} {
		for _, end := range []struct {
			name   string
			status int
		}{{"closed", 0}, {"413", 413}, {"503", 503}} {
			for name, send := range uploads {
				t.Run(fmt.Sprintf("HTTP/1.1/%s/%s at %d %%", name, end.name, percent), func(t *testing.T) {
					var whole atomic.Int32
					srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if n, _ := io.CopyN(io.Discard, r.Body, body*percent/100); n > body {
							whole.Add(1)
						}
						if end.status != 0 {
							w.WriteHeader(end.status)
							_ = http.NewResponseController(w).Flush()
						}
						panic(http.ErrAbortHandler)
					}))
					srv.Config.ErrorLog = quiet()
					t.Cleanup(srv.Close)
					c, err := passfort.New("key", passfort.WithBaseURL(srv.URL+"/4.0"), impatient())
					require.NoError(t, err)
					requireCut(t, send(t.Context(), c), percent, end.status, whole.Load())
				})
				t.Run(fmt.Sprintf("HTTP/2/%s/%s at %d %%", name, end.name, percent), func(t *testing.T) {
					server := newH2server(t, http.NotFoundHandler(), tls.NoClientCert)
					plan := func(st *h2stream) verdict {
						if int64(st.body.Len()) < body*percent/100 {
							return handle
						}
						if end.status != 0 {
							answer := httptest.NewRecorder()
							answer.WriteHeader(end.status)
							st.answer(answer)
							st.reset(http2.ErrCodeNo)
							return drop
						}
						st.reset(http2.ErrCodeInternal)
						return drop
					}
					server.plan.Store(&plan)
					tr := passfort.DefaultTransport()
					server.trust(tr)
					c, err := passfort.New("key", passfort.WithBaseURL("https://"+server.address+"/4.0"), impatient(),
						passfort.WithHTTPClient(&http.Client{Transport: tr}))
					require.NoError(t, err)
					requireCut(t, send(t.Context(), c), percent, end.status, 0)
				})
			}
		}
	}
}

// requireCut checks what a call says whose body was cut. Near the end all of it
// may have been handed over, which is not known to be harmless.
func requireCut(t *testing.T, err error, percent int64, status int, whole int32) {
	t.Helper()
	require.Zero(t, whole)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	if percent == 99 {
		return
	}
	require.NotErrorIs(t, err, passfort.ErrOutcomeUnknown, "%v", err)
	if failure.StatusCode == http.StatusRequestEntityTooLarge {
		require.Equal(t, passfort.OutcomeRejected, failure.Outcome)
	} else {
		require.Equal(t, passfort.OutcomeNotSent, failure.Outcome, "%v (%d)", err, status)
	}
}

// Whoever sends below the SDK and sends again does not do so with a request that
// may have been carried out.
func TestClientThatRetriesBelow(t *testing.T) {
	t.Parallel()
	class := classes()
	for name, below := range map[string]func() *http.Client{
		"retryablehttp": func() *http.Client {
			c := retryablehttp.NewClient()
			c.RetryWaitMin, c.RetryWaitMax, c.Logger = time.Millisecond, 2*time.Millisecond, nil
			return c.StandardClient()
		},
		"a loop over GetBody": func() *http.Client {
			return &http.Client{Transport: stubborn{passfort.DefaultTransport()}}
		},
	} {
		for fault, arm := range map[string]passforttest.Fault{
			"answer lost twice": {DropAfterWrite: true, Times: 2},
			"503 twice":         {AfterWrite: true, Status: 503, Times: 2},
			"always lost":       {DropAfterWrite: true, Times: -1},
		} {
			t.Run(name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				sim := passforttest.NewServer(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
				t.Cleanup(sim.Close)
				w := fill(t, sim, sim.Client())
				for _, op := range operations() {
					require.NoError(t, sim.Restore(w.snapshot))
					sim.ClearFaults()
					sim.ForgetRequests()
					arm := arm
					arm.Operation = op.Name
					sim.Inject(arm)
					c, err := passfort.New(sim.APIKey(), passfort.WithBaseURL(sim.URL()),
						passfort.WithHTTPClient(below()), impatient())
					require.NoError(t, err)
					err = op.Call(t.Context(), c, w.World)
					applied := 0
					for _, r := range sim.RequestsTo(op.Name) {
						if r.Applied {
							applied++
						}
					}
					if class[op.Name] == "once" {
						require.LessOrEqual(t, applied, 1, "%s was carried out twice", op.Name)
						require.Equal(t, 1, sim.Count(op.Name), op.Name)
						if op.Name != "Checks.Run" && op.Name != "Documents.Create" { // which are looked for
							require.ErrorIs(t, err, passfort.ErrOutcomeUnknown, op.Name)
						}
					}
					require.LessOrEqual(t, sim.Count(op.Name), 4, op.Name)
				}
			})
		}
	}
}

// stubborn sends everything again until there is an answer, as a transport of
// a user's might.
type stubborn struct{ base http.RoundTripper }

func (s stubborn) RoundTrip(req *http.Request) (*http.Response, error) {
	var text []byte
	if req.Body != nil {
		text, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	for range 5 {
		again := req.Clone(req.Context())
		if req.Body != nil {
			again.Body = io.NopCloser(bytes.NewReader(text))
		}
		resp, err := s.base.RoundTrip(again)
		if err == nil && resp.StatusCode < 500 {
			return resp, nil
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	return nil, errors.New("gave up")
}

// Causes that a person has to change are named, and met once.
func TestLastingCauses(t *testing.T) {
	t.Parallel()
	proxy := func(status int) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		}))
		t.Cleanup(srv.Close)
		return srv
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet()
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	raw := newAlerting(t)
	for _, row := range []struct {
		name, base, want string
		proxy            *httptest.Server
	}{
		{"a proxy's password", "https://api.example/4.0",
			"the proxy refused to connect: 407 Proxy Authentication Required", proxy(407)},
		{"a proxy's refusal", "https://api.example/4.0", "the proxy refused to connect: 403 Forbidden", proxy(403)},
		{"a proxy's gateway", "https://api.example/4.0", "the proxy refused to connect: 502 Bad Gateway", proxy(502)},
		{"http at an https address", strings.Replace(plain.URL, "http:", "https:", 1) + "/4.0",
			"the server speaks plain HTTP where the base URL says https", nil},
		{"https at an http address", strings.Replace(secure.URL, "https:", "http:", 1) + "/4.0",
			"the server speaks TLS where the base URL says http", nil},
		{"a TLS alert at an http address", "http://" + raw + "/4.0",
			"the server speaks TLS where the base URL says http", nil},
		{"a certificate", secure.URL + "/4.0", "the server's certificate was not accepted", nil},
	} {
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, own transport %v", row.name, own), func(t *testing.T) {
				t.Parallel()
				tr := passfort.DefaultTransport()
				if own {
					tr = &http.Transport{}
				}
				if row.proxy != nil {
					tr.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(row.proxy.URL) }
				}
				t.Cleanup(tr.CloseIdleConnections)
				c, err := passfort.New("key", passfort.WithBaseURL(row.base),
					passfort.WithHTTPClient(&http.Client{Transport: tr}), impatient())
				require.NoError(t, err)
				_, err = c.Profiles.Create(t.Context(), &passfort.ProfileRequest{
					Role: passfort.RoleCompanyCustomer, CollectedData: passfort.NewCompany(),
				})
				require.ErrorContains(t, err, row.want, "%v", errors.Unwrap(err))
				require.Equal(t, 1, strings.Count(err.Error(), "passfort:"))
				require.NotErrorIs(t, err, passfort.ErrOutcomeUnknown)
				_, err = c.WhoAmI(t.Context())
				var failure *passfort.Error
				require.ErrorAs(t, err, &failure)
				require.Equal(t, 1, failure.Attempts, "%v", err)
				require.False(t, failure.Transient())
			})
		}
	}
}

// newAlerting listens and answers whatever comes with a TLS alert.
func newAlerting(t *testing.T) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
			}
			_, _ = conn.Write([]byte("\x15\x03\x01\x00\x02\x02\x16"))
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}
