package passfort_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// endlessPicture is a picture of n bytes that is never in memory.
func endlessPicture(n int64) io.Reader {
	return io.MultiReader(strings.NewReader(pngHead), io.LimitReader(new(noise), n-int64(len(pngHead))))
}

// noise is the same bytes however they are read.
type noise struct{ at int }

var noiseBytes = picture(1 << 16)

func (r *noise) Read(p []byte) (int, error) {
	n := copy(p, noiseBytes[r.at:])
	r.at = (r.at + n) % len(noiseBytes)
	return n, nil
}

// hashing is a cheap server that hashes what it gets and answers with the hash
// as the id, and sends one file of 50 MB.
func hashing(t testing.TB) *httptest.Server {
	buffers := sync.Pool{New: func() any { b := make([]byte, 8<<10); return &b }}
	chunk := bytes.Repeat([]byte("iVBORw0K"), 1000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"id":"x","decrypted_data":"`)
			for range fiftyMB / 6000 {
				_, _ = w.Write(chunk)
			}
			_, _ = io.WriteString(w, `"}`)
			return
		}
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		h := sha256.New()
		_, err := io.CopyBuffer(struct{ io.Writer }{h}, r.Body, *buffer)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = fmt.Fprintf(w, `{"id":"%x"}`, h.Sum(nil))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// expected is the hash of the request for endlessPicture(n), by the standard library.
func expected(n int64) string {
	h := sha256.New()
	_, _ = io.WriteString(h, `{"data":"`)
	e := base64.NewEncoder(base64.StdEncoding, h)
	_, _ = io.Copy(e, endlessPicture(n))
	_ = e.Close()
	_, _ = io.WriteString(h, `"}`)
	return hex.EncodeToString(h.Sum(nil))
}

// allocated counts all bytes the process allocates while f runs, freed ones
// too: a ceiling for the heap that no collection can hide anything from.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// The memory tests are not parallel: they count what the whole process
// allocates, the server's part included.
func TestTransferMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("images of 50 MB")
	}
	srv := hashing(t)
	c := clientOf(t, srv)
	want := expected(fiftyMB)
	upload := func(size int64) {
		got, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{Body: &oneShot{Reader: endlessPicture(fiftyMB)}, Size: size})
		require.NoError(t, err)
		require.Equal(t, want, got.ID)
	}
	for name, f := range map[string]func(){
		"upload":          func() { upload(fiftyMB) },
		"upload, chunked": func() { upload(0) },
		"download": func() {
			_, err := c.Files.Download(t.Context(), pid, oid, io.Discard)
			require.NoError(t, err)
		},
		"what describes it": func() {
			_, err := c.Files.Get(t.Context(), pid, oid)
			require.NoError(t, err)
		},
	} {
		f() // connections, pools
		spent := allocated(f)
		t.Logf("%s: %d KiB allocated", name, spent>>10)
		require.Less(t, spent, uint64(1<<20), name)
	}
}

func TestManyUploadsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("64 uploads of 50 MB")
	}
	const many = 64
	srv := hashing(t)
	c := clientOf(t, srv)
	want := expected(fiftyMB)
	spent := allocated(func() {
		var wait sync.WaitGroup
		for range many {
			wait.Go(func() {
				got, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{Body: endlessPicture(fiftyMB), Size: fiftyMB})
				if err != nil || got.ID != want {
					t.Errorf("lost or altered: %v", err)
				}
			})
		}
		wait.Wait()
	})
	t.Logf("%d KiB allocated for each upload", spent/many>>10)
	require.Less(t, spent, uint64(many*256<<10))
}
