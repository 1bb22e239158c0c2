package passfort_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

const fiftyMB = 50_000_000

// discarding is the cheapest server there is: it drops what it gets. A GET is
// answered with the given body.
func discarding(t testing.TB, content []byte) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write(content)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, identity)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func clientOf(t testing.TB, srv *httptest.Server, opts ...passfort.Option) *passfort.Client {
	c, err := passfort.New("key", append([]passfort.Option{passfort.WithBaseURL(srv.URL)}, opts...)...)
	require.NoError(t, err)
	return c
}

// rival is one of several ways to do the same.
type rival struct {
	name string
	run  func(context.Context) error
}

// race runs the rivals in turn, so that noise hits all of them, and returns
// the best time of each. Each run has a connection of its own: some are fast
// for as long as they last and some are slow.
func race(b *testing.B, srv *httptest.Server, rivals []rival) map[string]time.Duration {
	best := map[string]time.Duration{}
	for b.Loop() {
		for _, r := range rivals {
			srv.CloseClientConnections()
			began := time.Now()
			require.NoError(b, r.run(b.Context()), r.name)
			if took := time.Since(began); best[r.name] == 0 || took < best[r.name] {
				best[r.name] = took
			}
		}
	}
	for _, r := range rivals {
		b.ReportMetric(float64(best[r.name].Microseconds())/1000, r.name+"-ms")
	}
	b.ReportMetric(0, "ns/op")
	return best
}

func exchange(ctx context.Context, method, url string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // errClose closes it
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errClose(err, resp.Body)
}

func errClose(err error, c io.Closer) error {
	if closed := c.Close(); err == nil {
		return closed
	}
	return err
}

// BenchmarkUpload prints how long one image of 50 MB takes, against a raw POST
// of the same bytes already encoded and against reading, encoding and
// marshalling it in memory.
func BenchmarkUpload(b *testing.B) {
	img := picture(fiftyMB)
	encoded := []byte(`{"data":"` + base64.StdEncoding.EncodeToString(img) + `"}`)
	srv := discarding(b, nil)
	url := srv.URL + "/profiles/" + pid + "/files"
	best := race(b, srv, []rival{
		{"sdk", func(ctx context.Context) error {
			client := clientOf(b, srv)
			return failed(client.Files.Upload(ctx, pid, &passfort.FileUpload{Body: bytes.NewReader(img)}))
		}},
		{"raw", func(ctx context.Context) error {
			return exchange(ctx, http.MethodPost, url, bytes.NewReader(encoded))
		}},
		{"naive", func(ctx context.Context) error {
			all, err := io.ReadAll(bytes.NewReader(img))
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]string{"data": base64.StdEncoding.EncodeToString(all)})
			if err != nil {
				return err
			}
			return exchange(ctx, http.MethodPost, url, bytes.NewReader(body))
		}},
	})
	b.ReportMetric(best["sdk"].Seconds()/best["raw"].Seconds(), "sdk/raw")
	b.ReportMetric(best["naive"].Seconds()/best["sdk"].Seconds(), "naive/sdk")
}

// BenchmarkDownload prints how long one image of 50 MB takes, against a raw GET
// of the same answer that is thrown away.
func BenchmarkDownload(b *testing.B) {
	srv := discarding(b, []byte(`{"id":"`+oid+`","decrypted_data":"`+base64.StdEncoding.EncodeToString(picture(fiftyMB))+`"}`))
	best := race(b, srv, []rival{
		{"sdk", func(ctx context.Context) error {
			client := clientOf(b, srv)
			return failed(client.Files.Download(ctx, pid, oid, io.Discard))
		}},
		{"raw", func(ctx context.Context) error { return exchange(ctx, http.MethodGet, srv.URL, nil) }},
	})
	b.ReportMetric(best["sdk"].Seconds()/best["raw"].Seconds(), "sdk/raw")
}

// picture returns a PNG by its head, n bytes long.
func picture(n int) []byte {
	img := make([]byte, n)
	for i := range img {
		img[i] = byte(i ^ i>>8*31 ^ i>>16)
	}
	copy(img, pngHead)
	return img
}

const pngHead = "\x89PNG\r\n\x1a\n"
