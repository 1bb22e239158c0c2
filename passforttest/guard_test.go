package passforttest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// stalled is a body whose second half never comes.
type stalled struct{ sent, done chan struct{} }

func (b *stalled) Read(p []byte) (int, error) {
	select {
	case <-b.sent:
	default:
		close(b.sent)
		return copy(p, `{"role":`), nil
	}
	<-b.done
	return 0, io.ErrUnexpectedEOF
}

func TestBodyThatNeverArrives(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/profiles", "/profiles/%s/files"} {
		synctest.Test(t, func(t *testing.T) {
			srv := passforttest.New()
			defer srv.Close()
			hc := &http.Client{Transport: srv.Transport()}
			id := srvPerson(t, srv)
			body := &stalled{make(chan struct{}), make(chan struct{})}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
				srv.URL()+strings.Replace(path, "%s", id, 1), body)
			require.NoError(t, err)
			req.Header.Set("apikey", srv.APIKey())
			began := time.Now()
			resp, err := hc.Do(req)
			require.NoError(t, err)
			require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, time.Minute, time.Since(began))
			close(body.done)
			hc.CloseIdleConnections()
		})
	}
}

func srvPerson(t *testing.T, srv *passforttest.Server) string {
	t.Helper()
	rec := serveOnce(srv, http.MethodPost, "/profiles", newPerson, srv.APIKey())
	require.Equal(t, http.StatusOK, rec.Code)
	return text(decode(t, rec.Body.String()), "id")
}

// A name that leads to this machine is refused before anything happens, and
// WithHosts lets it in.
func TestForeignNamesAreRefused(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithHosts("sim.internal"))
	status := func(base, path, host string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(newPerson))
		require.NoError(t, err)
		req.Host = host
		req.Header.Set("apikey", w.srv.APIKey())
		resp, err := w.hc.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusMisdirectedRequest, status(w.srv.URL(), "/profiles", "evil.example"))
	require.Equal(t, http.StatusMisdirectedRequest, status(w.srv.CollectionURL(), "/api/forms/x", "evil.example"))
	require.Empty(t, w.srv.Requests())
	require.Empty(t, w.srv.Visits())
	require.Equal(t, http.StatusOK, status(w.srv.URL(), "/profiles", "SIM.internal:80"))
	require.Equal(t, http.StatusOK, status(w.srv.URL(), "/profiles", "localhost"))

	hc := &http.Client{Transport: w.srv.Transport()}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://any.example/4.0/whoami", nil)
	require.NoError(t, err)
	resp, err := hc.Do(req)
	require.NoError(t, err, "a transport in memory has no machine")
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

// flood sends requests with large headers to paths that are none.
func flood(h http.Handler, n int, t *testing.T) {
	for i := range n {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/4.0/"+strings.Repeat("x", 20_000), nil)
		r.Header.Set("X", strings.Repeat(string(rune('a'+i%26)), 40_000))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestRecorderIsBounded(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	defer srv.Close()
	flood(srv, 2_000, t)
	require.Equal(t, 2_000, srv.Count(""))
	kept, whole := 0, 0
	for _, r := range srv.Requests() {
		kept += len(r.Path)
		for name := range r.Header {
			kept += len(name) + len(r.Header.Get(name))
			whole++
		}
	}
	require.LessOrEqual(t, kept, 32<<20)
	require.Greater(t, whole, 500, "the newest are whole")

	w := start(t)
	_, err := w.send(http.MethodGet, "/whoami", "", "X", strings.Repeat("x", 80<<10))
	if err == nil {
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge,
			w.do(http.MethodGet, "/whoami", "", "X", strings.Repeat("x", 80<<10)).status)
	}
}

func TestVisitsAreBounded(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	defer srv.Close()
	flood(srv.CollectionHandler(), 2_000, t)
	kept := 0
	visits := srv.Visits()
	for _, v := range visits {
		kept += len(v.Path) + len(v.Header.Get("X"))
	}
	require.LessOrEqual(t, kept, 8<<20)
	require.Greater(t, len(visits), 100)

	off := passforttest.New(passforttest.WithRecorder(0, 0))
	defer off.Close()
	flood(off.CollectionHandler(), 10, t)
	flood(off, 10, t)
	require.Empty(t, off.Visits())
	require.Empty(t, off.Requests())
}

// A request for another machine moves no clock.
func TestMisdirectedRequestMovesNoClock(t *testing.T) {
	t.Parallel()
	start := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := passforttest.NewClock(start)
	clock.AutoAdvance(time.Hour)
	srv := passforttest.NewServer(passforttest.WithClock(clock))
	t.Cleanup(srv.Close)
	for host, status := range map[string]int{
		"rebound.example": http.StatusMisdirectedRequest, "localhost": http.StatusOK,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL()+"/whoami", nil)
		require.NoError(t, err)
		req.Host = host
		req.Header.Set("apikey", srv.APIKey())
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode)
	}
	require.Equal(t, start.Add(time.Hour), clock.Now())
}
