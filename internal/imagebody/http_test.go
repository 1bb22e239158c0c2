package imagebody_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/imagebody"
)

// The transport probes a body before the first attempt and asks for a new one
// for each repeat.
func TestUnderRetryableHTTP(t *testing.T) {
	t.Parallel()
	img := image(t, 3_000_001)
	for name, row := range map[string]struct {
		r      io.Reader
		fail   int
		length int64
	}{
		"replayed":      {bytes.NewReader(img), 2, int64(len(object(img)))},
		"once, chunked": {plain(bytes.NewReader(img)), 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attempts := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				attempts++
				if attempts <= row.fail {
					w.WriteHeader(http.StatusServiceUnavailable) // the body unread
					return
				}
				got, err := io.ReadAll(r.Body)
				if err != nil || r.ContentLength != row.length || string(got) != object(img) {
					w.WriteHeader(http.StatusBadRequest)
				}
			}))
			defer srv.Close()
			s, err := imagebody.NewSource(row.r, imagebody.Options{})
			require.NoError(t, err)
			req, err := retryablehttp.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL,
				retryablehttp.ReaderFunc(func() (io.Reader, error) { return s.Open() }))
			require.NoError(t, err)
			req.ContentLength = s.ContentLength()
			c := retryablehttp.NewClient()
			c.Logger, c.RetryWaitMin, c.RetryWaitMax = nil, 1, 1
			c.CheckRetry = func(_ context.Context, res *http.Response, _ error) (bool, error) {
				return res == nil || res.StatusCode == http.StatusServiceUnavailable, nil
			}
			res, err := c.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusOK, res.StatusCode)
			require.NoError(t, s.Release(t.Context()))
		})
	}
}

func TestServerNeverTakesABrokenBody(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]imagebody.Options{
		"known length": {Size: 2_000_000},
		"chunked":      {Limit: 2_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			complete := make(chan error, 1)
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				complete <- err
			}))
			defer srv.Close()
			s, err := imagebody.NewSource(plain(&picture{n: 2_000_001}), o)
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, open(t, s))
			require.NoError(t, err)
			req.ContentLength = s.ContentLength()
			res, err := http.DefaultClient.Do(req)
			if err == nil {
				require.NoError(t, res.Body.Close())
			}
			require.Error(t, err)
			require.Error(t, <-complete)
			require.ErrorIs(t, err, s.Err())
		})
	}
}
