package passforttest_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/journal"
	"github.com/passfort-go/passfort/passforttest"
)

// The handler alone, without sockets.
func BenchmarkServer(b *testing.B) {
	srv := passforttest.New(passforttest.WithoutRateLimits())
	b.Cleanup(srv.Close)
	serve := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(b.Context(), method, "/4.0"+path, strings.NewReader(body))
		r.Header.Set("apikey", srv.APIKey())
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, r)
		return rec
	}
	rec := serve(http.MethodPost, "/profiles", newPerson)
	_, id, _ := strings.Cut(rec.Body.String(),
		`"document_images":[],"events":[],"has_associates":false,"has_collection_steps":false,"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	for name, c := range map[string][3]string{
		"whoami":             {http.MethodGet, "/whoami", ""},
		"get profile":        {http.MethodGet, "/profiles/" + id, ""},
		"get collected data": {http.MethodGet, "/profiles/" + id + "/collected_data", ""},
		"create profile":     {http.MethodPost, "/profiles", newPerson},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rec := serve(c[0], c[1], c[2]); rec.Code != http.StatusOK {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}

// BenchmarkKept creates profiles from many callers at once on a server that
// keeps its state in a file.
func BenchmarkKept(b *testing.B) {
	file, err := journal.Open(filepath.Join(b.TempDir(), "state"))
	require.NoError(b, err)
	srv := passforttest.New(passforttest.WithoutRateLimits(), passforttest.WithRecorder(0, 0))
	b.Cleanup(func() {
		srv.Close()
		require.NoError(b, file.Close())
	})
	require.NoError(b, srv.KeepIn(file))
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if rec := serveOnce(srv, http.MethodPost, "/profiles", newPerson, srv.APIKey()); rec.Code != http.StatusOK {
				b.Error(rec.Code)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
