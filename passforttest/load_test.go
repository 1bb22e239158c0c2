package passforttest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// BenchmarkLoad serves simple requests over sockets while the server holds
// many profiles: 100,000, or PASSFORT_SIM_PROFILES. It reports requests a
// second and bytes of memory for each profile. The clients are part of the
// process, and of the figure.
func BenchmarkLoad(b *testing.B) {
	profiles := 100_000
	if v := os.Getenv("PASSFORT_SIM_PROFILES"); v != "" {
		var err error
		profiles, err = strconv.Atoi(v)
		require.NoError(b, err)
	}
	before := heap()
	srv := passforttest.NewServer(passforttest.WithoutRateLimits(), passforttest.WithRecorder(1000, 1024))
	b.Cleanup(srv.Close)
	ids := make([]string, profiles)
	for i := range ids {
		ids[i] = populate(b, srv, i)
	}
	perProfile := float64(heap()-before) / float64(profiles)
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	b.Cleanup(transport.CloseIdleConnections)
	hc := &http.Client{Transport: transport}
	for _, c := range []struct{ name, method, path, body string }{
		{"status", http.MethodGet, "/profiles/%s/status", ""},
		{"collected data", http.MethodGet, "/profiles/%s/collected_data", ""},
		{"checks", http.MethodGet, "/profiles/%s/checks", ""},
		{"write data", http.MethodPost, "/profiles/%s/collected_data", person},
		{"list", http.MethodGet, "/profiles?limit=1&offset=%.0s40000", ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					path := fmt.Sprintf(c.path, ids[n*7919%len(ids)])
					if err := call(b.Context(), hc, c.method, srv.URL()+path, srv.APIKey(), c.body); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			b.ReportMetric(perProfile, "B/profile")
		})
	}
}

func populate(b *testing.B, srv *passforttest.Server, n int) string {
	body := strings.Replace(newPerson, "Doe", "Doe "+strconv.Itoa(n), 1)
	body = body[:len(body)-1] + `,"applications":[{"product":{"alias":"gold"}}]}`
	rec := serveOnce(srv, http.MethodPost, "/profiles", body, srv.APIKey())
	require.Equal(b, http.StatusOK, rec.Code)
	_, id, _ := strings.Cut(rec.Body.String(), `"has_collection_steps":false,"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	require.Len(b, id, 36)
	return id
}

func call(ctx context.Context, hc *http.Client, method, url, key, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("apikey", key)
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
