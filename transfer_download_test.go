package passfort_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"

	"github.com/passfort-go/passfort/passforttest"
)

// downloads are the two ways to read an image back.
var downloads = map[string]func(context.Context, *passfort.Client, io.Writer, ...passfort.CallOption) (string, error){
	"file": func(ctx context.Context, c *passfort.Client, w io.Writer, opts ...passfort.CallOption) (string, error) {
		got, err := c.Files.Download(ctx, pid, oid, w, opts...)
		if got == nil {
			return "", err
		}
		return got.ID, err
	},
	"document image": func(ctx context.Context, c *passfort.Client, w io.Writer, opts ...passfort.CallOption) (string,
		error) {
		got, err := c.Documents.DownloadImage(ctx, pid, oid, w, opts...)
		if got == nil {
			return "", err
		}
		return got.ID, err
	},
}

func TestContentUnavailable(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]string{
		"absent":    ``,
		"empty":     `,"decrypted_data":""`,
		"null":      `,"decrypted_data":null`,
		"encrypted": `,"encrypted_data":{"data":"c2VjcmV0"}`,
		"bare URI":  `,"decrypted_data":"data:image/png;base64,"`,
	} {
		for kind, download := range downloads {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, respond(200, `{"id":"`+oid+`"`+rest+`}`))
				var w bytes.Buffer
				var response passfort.Response
				id, err := download(t.Context(), newClient(t, s), &w, passfort.CaptureResponse(&response))
				require.ErrorIs(t, err, passfort.ErrContentUnavailable)
				require.Equal(t, oid, id, "what describes it comes all the same")
				require.Zero(t, w.Len())
				require.Len(t, s.seen(), 1)
				require.Equal(t, 200, response.StatusCode)
				require.Equal(t, 200, requireOutcome(t, err, 0).StatusCode)
			})
		}
	}
}

func TestDownloadForms(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4, 5, 100, 24<<10 - 1, 24 << 10, 24<<10 + 1, 300_000} {
		img := picture(n)
		text := base64Of(img)
		for name, form := range map[string]string{
			"padded": text, "unpadded": strings.TrimRight(text, "="), "URI": "data:image/png;base64," + text,
			"escaped": strings.ReplaceAll(text, "/", `\/`),
		} {
			s := serve(t, respond(200, `{"decrypted_data":"`+form+`","id":"`+oid+`","name":"x","new":{"a":[1]}}`))
			c := newClient(t, s)
			for kind, download := range downloads {
				var w bytes.Buffer
				var last int64
				id, err := download(t.Context(), c, &w, passfort.OnProgress(func(done, total int64) {
					require.Zero(t, total)
					last = done
				}))
				require.NoError(t, err, "%s %s %d", kind, name, n)
				require.Equal(t, oid, id)
				require.True(t, bytes.Equal(img, w.Bytes()), "%s %s %d", kind, name, n)
				require.EqualValues(t, n, last)
			}
			file, err := c.Files.Get(t.Context(), pid, oid)
			require.NoError(t, err)
			require.Empty(t, file.DecryptedData)
			require.Equal(t, "x", file.Name)
			back, err := json.Marshal(file)
			require.NoError(t, err)
			require.JSONEq(t, `{"id":"`+oid+`","name":"x","new":{"a":[1]}}`, string(back))
		}
	}
}

func TestDownloadFailures(t *testing.T) {
	t.Parallel()
	long := `{"id":"` + oid + `","decrypted_data":"` + base64Of(picture(200_000))
	cut := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)+10))
			_, _ = io.WriteString(w, body)
		}
	}
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		sent   int
		status int
		text   string
	}{
		{"cut before the content", cut(`{"id":"`), 3, 200, "ends early"},
		{"cut in the content", cut(long), 1, 200, "ends early"},
		{"ends within the content", respond(200, long), 1, 200, "ends early"},
		{"empty", respond(200, ""), 3, 200, "ends early"},
		{"503", respond(503, ""), 3, 503, "503"},
		{"404", respond(404, `{"errors":[{"code":201}]}`), 1, 404, "404"},
		{"errors in a 200", respond(200, `{"errors":[{"code":203}]}`), 1, 200, "MISSING_API_KEY"},
		{"HTML", respond(200, "<html>"), 1, 200, "not valid JSON"},
		{"bad Base64", respond(200, `{"id":"x","decrypted_data":"AAAA!AAA"}`), 1, 200, "not valid Base64"},
		{"two contents", respond(200, `{"id":"x","decrypted_data":"AAAA","decrypted_data":"AAAA"}`), 1, 200,
			"not valid JSON"},
	} {
		for kind, download := range downloads {
			t.Run(kind+" "+row.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, row.answer)
				var w bytes.Buffer
				id, err := download(t.Context(), newClient(t, s), &w)
				failure := requireOutcome(t, err, failureOutcome(row.status, row.text))
				require.Empty(t, id)
				require.Equal(t, row.status, failure.StatusCode)
				require.ErrorContains(t, err, row.text)
				require.NotErrorIs(t, err, passfort.ErrContentUnavailable)
				require.Len(t, s.seen(), row.sent)
			})
		}
	}
}

// failureOutcome is the outcome of a read: none, unless the server refused it.
func failureOutcome(status int, text string) passfort.Outcome {
	if status/100 != 2 || text == "MISSING_API_KEY" {
		return passfort.OutcomeRejected
	}
	return 0
}

func TestWriterThatFails(t *testing.T) {
	t.Parallel()
	full := errors.New("scans/mary/passport.png: no space left")
	s := serve(t, respond(200, `{"id":"x","decrypted_data":"`+base64Of(picture(100_000))+`"}`))
	for kind, download := range downloads {
		_, err := download(t.Context(), newClient(t, s), writerFunc(func([]byte) (int, error) { return 0, full }))
		require.ErrorIs(t, err, full, kind)
		require.ErrorContains(t, err, "cannot be written")
		require.NotContains(t, err.Error(), "mary")
	}
	require.Len(t, s.seen(), 2)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

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
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	onHTTP1(t) // over HTTP/2 the server of the test takes more
	if testing.Short() {
		t.Skip("images of 50 MB")
	}
	srv := hashing(t)
	c := clientOf(t, srv)
	want := expected(fiftyMB)
	upload := func(size int64) {
		got, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{
			Body: &oneShot{Reader: endlessPicture(fiftyMB)}, Size: size,
		})
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
	onHTTP1(t)
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
				got, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{
					Body: endlessPicture(fiftyMB), Size: fiftyMB,
				})
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

// A download ends at the image limit, however little came over the wire.
func TestDownloadsHaveALimit(t *testing.T) {
	t.Parallel()
	for name, download := range downloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				zip := gzip.NewWriter(w)
				_, _ = io.WriteString(zip, `{"id":"x","decrypted_data":"`)
				chunk := strings.Repeat("AAAA", 16<<10)
				for range 2000 { // 98 MB of image
					if _, err := io.WriteString(zip, chunk); err != nil {
						return
					}
				}
				_, _ = io.WriteString(zip, `"}`)
				_ = zip.Close()
			})
			var n counted
			_, err := download(t.Context(), newClient(t, s), &n)
			require.ErrorIs(t, err, passfort.ErrAnswerTooLarge)
			require.LessOrEqual(t, int64(n), int64(50<<20))
			require.Len(t, s.seen(), 1)
		})
	}
}

// TestDoTo: what is no JSON goes into the writer unchanged.
func TestDoTo(t *testing.T) {
	t.Parallel()
	export := strings.Repeat("id;name\n\x00\xff\n", 10_000)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, export)
	})
	c := newClient(t, s)
	var out bytes.Buffer
	var captured passfort.Response
	got, err := passfort.DoTo(t.Context(), c, passfort.Request{
		Method: "post", Path: passfort.Path("profiles", "a/b", "export"), Query: map[string][]string{"as": {"a b"}},
		Body: json.RawMessage(`{"from": 1.50}`), Header: http.Header{"X-New": {"1"}},
	}, &out, passfort.CaptureResponse(&captured))
	require.NoError(t, err)
	require.Equal(t, export, out.String())
	require.Equal(t, 202, got.StatusCode)
	require.Equal(t, 1, got.Attempts)
	require.Equal(t, "text/csv", got.Header.Get("Content-Type"))
	require.Equal(t, captured, *got)

	sent := s.seen()[0]
	require.Equal(t, "POST /base/4.0/profiles/a%2Fb/export?as=a+b", sent.Method+" "+sent.URI)
	require.Equal(t, `{"from":1.50}`, sent.Body)
	require.Equal(t, "*/*", sent.Header.Get("Accept"))
	require.Equal(t, "1", sent.Header.Get("X-New"))
	require.Equal(t, "application/json", sent.Header.Get("Content-Type"))
	require.Equal(t, testKey, sent.Header.Get("Apikey"))

	_, err = passfort.DoTo(t.Context(), c, passfort.Request{Method: "GET", Path: "/x",
		Header: http.Header{"Accept": {"text/csv"}}}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []string{"text/csv"}, s.seen()[1].Header["Accept"])
	require.Empty(t, s.seen()[1].Body)
}

func TestDoToOfOddAnswers(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("x", 200_000)
	for _, row := range []struct {
		name, method string
		answers      []http.HandlerFunc // the last one permanently
		want         error
		wrote        string
		sent         int
	}{
		{"nothing", "GET", []http.HandlerFunc{respond(204, "")}, nil, "", 1},
		{"JSON", "GET", []http.HandlerFunc{respond(200, `{"a":1}`)}, nil, `{"a":1}`, 1},
		{"broken JSON", "GET", []http.HandlerFunc{respond(200, `{"errors":[`)}, nil, `{"errors":[`, 1},
		{"no errors", "GET", []http.HandlerFunc{respond(200, `{"errors":[]}`)}, nil, `{"errors":[]}`, 1},
		{"a refusal with status 200", "GET", []http.HandlerFunc{respond(200, ` {"errors":[{"code":204}]}`)},
			passfort.CodeInvalidAPIKey, "", 1},
		{"a refusal", "POST", []http.HandlerFunc{respond(403, `{"errors":[{"code":204}]}`)}, passfort.CodeInvalidAPIKey,
			"", 1},
		{"a read that comes later", "GET", []http.HandlerFunc{respond(503, ""), respond(200, "x")}, nil, "x", 2},
		{"a write that does not", "POST", []http.HandlerFunc{respond(503, ""), respond(200, "x")},
			passfort.ErrOutcomeUnknown, "", 1},
		{"cut at once", "GET", []http.HandlerFunc{cut("x"), respond(200, "whole")}, nil, "whole", 2},
		{"a write cut at once", "POST", []http.HandlerFunc{cut("x"), respond(200, "whole")}, passfort.ErrOutcomeUnknown,
			"", 1},
		{"cut later", "GET", []http.HandlerFunc{cut(whole), respond(200, "whole")}, errAny, whole, 1},
		{"never there", "GET", []http.HandlerFunc{hangUp}, errAny, "", 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				row.answers[min(int(n.Add(1)), len(row.answers))-1](w, r)
			})
			var out bytes.Buffer
			captured := passfort.Response{Attempts: -1}
			got, err := passfort.DoTo(t.Context(), newClient(t, s), passfort.Request{Method: row.method, Path: "/x"},
				&out, passfort.CaptureResponse(&captured))
			if row.want == nil {
				require.NoError(t, err)
				require.Equal(t, captured, *got)
			} else {
				require.ErrorAs(t, err, new(*passfort.Error))
				require.Nil(t, got)
				require.ErrorIs(t, errors.Join(err, errAny), row.want)
			}
			require.Equal(t, row.wrote, out.String())
			require.Len(t, s.seen(), row.sent)
			require.Equal(t, row.sent, captured.Attempts)
		})
	}
}

var errAny = errors.New("any error")

// cut answers with a part of a longer body.
func cut(part string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(part)+1000))
		_, _ = io.WriteString(w, part)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// A writer that fails is at fault itself: its call is not repeated.
func TestDoToAWriterThatFails(t *testing.T) {
	t.Parallel()
	full := errors.New("exports/mary.csv: no space left")
	for name, write := range map[string]writerFunc{
		"at once": func([]byte) (int, error) { return 0, full },
		"short":   func(p []byte) (int, error) { return len(p) - 1, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, respond(200, "id;name"))
			_, err := passfort.DoTo(t.Context(), newClient(t, s), passfort.Request{Method: "GET", Path: "/x"}, write)
			require.ErrorContains(t, err, "cannot be written")
			require.NotContains(t, err.Error(), "mary")
			if name == "at once" {
				require.ErrorIs(t, err, full)
			} else {
				require.ErrorIs(t, err, io.ErrShortWrite)
			}
			require.Len(t, s.seen(), 1)
		})
	}
}

// An answer that is streamed ends at 500 MB, whatever comes.
func TestDoToHasALimit(t *testing.T) {
	t.Parallel()
	c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
		resp := answered(200, "")
		resp.Body, resp.ContentLength = io.NopCloser(&noise{}), -1
		return resp, nil
	}))
	var n counted
	_, err := passfort.DoTo(t.Context(), c, passfort.Request{Method: "GET", Path: "/x"}, &n)
	require.ErrorIs(t, err, passfort.ErrAnswerTooLarge)
	require.EqualValues(t, 500_000_000, n)
}

// Byte for byte to the server and back, at all sizes around the edges of
// groups and buffers.
func TestImagesComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer(passforttest.WithSwitches(passforttest.Switches{
		ReadableFiles: true, ReadableImages: true,
	}))
	t.Cleanup(srv.Close)
	c := srv.Client()
	profile := newPerson(t, srv, c)
	sizes := []int{3, 4, 5, 6, 7, 8, 1023, 1024, 1025, 1 << 20, 1_000_003}
	for _, edge := range []int{24 << 10, 32 << 10, 48 << 10, 64 << 10} {
		sizes = append(sizes, edge-1, edge, edge+1)
	}
	for range 10 {
		sizes = append(sizes, 3+rand.IntN(300_000))
	}
	for _, n := range sizes {
		img := picture(n + 8)[8:]
		copy(img, "\xff\xd8\xff")
		var reader io.Reader = bytes.NewReader(img)
		if n%2 == 0 {
			reader = iotest.HalfReader(bytes.NewReader(img)) // neither size nor seeking
		}
		file, err := c.Files.Upload(t.Context(), profile, &passfort.FileUpload{Name: strconv.Itoa(n), Body: reader})
		require.NoError(t, err, n)
		stored := srv.Files(profile)
		require.Equal(t, sum(img), stored[len(stored)-1].SHA256, n)

		var back bytes.Buffer
		got, err := c.Files.Download(t.Context(), profile, file.ID, &back)
		require.NoError(t, err, n)
		require.True(t, bytes.Equal(img, back.Bytes()), n)
		require.Equal(t, strconv.Itoa(n), got.Name)

		image, err := c.Documents.UploadImage(t.Context(), profile, &passfort.ImageUpload{
			Type: passfort.ImageTypeBack, Body: bytes.NewReader(img),
		})
		require.NoError(t, err, n)
		back.Reset()
		same, err := c.Documents.DownloadImage(t.Context(), profile, image.ID, &back) // a data URI
		require.NoError(t, err, n)
		require.True(t, bytes.Equal(img, back.Bytes()), n)
		require.Equal(t, image.UploadDate, same.UploadDate)
		require.Empty(t, same.DecryptedData)
	}
}
