package passfort_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/unreachable"
)

var errReader = errors.New("mary-poppins-passport.png is gone")

// oneShot hides every method but Read, and counts what was read.
type oneShot struct {
	io.Reader
	read atomic.Int64
}

func (o *oneShot) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	o.read.Add(int64(n))
	return n, err
}

func once(b []byte) *oneShot { return &oneShot{Reader: bytes.NewReader(b)} }

// uploads are the two ways to send one image.
var uploads = map[string]func(context.Context, *passfort.Client, io.Reader, int64) error{
	"file": func(ctx context.Context, c *passfort.Client, r io.Reader, size int64) error {
		return failed(c.Files.Upload(ctx, pid, &passfort.FileUpload{Body: r, Size: size}))
	},
	"document image": func(ctx context.Context, c *passfort.Client, r io.Reader, size int64) error {
		return failed(c.Documents.UploadImage(ctx, pid, &passfort.ImageUpload{Body: r, Size: size}))
	},
}

func TestTransfersOnTheWire(t *testing.T) {
	t.Parallel()
	img := []byte(pngHead + "1")
	profile := "/profiles/" + pid
	files, images, documents := profile+"/files", profile+"/document_images", profile+"/collected_data/documents"
	data := `"data":"` + base64Of(img) + `"`
	readable := `{"id":"` + oid + `","decrypted_data":"` + base64Of(img) + `"}`
	for _, row := range []struct {
		name string
		call func(context.Context, *passfort.Client) error
		opts []passfort.Option
		want received
		body string // of the answer
	}{
		{"Files.Upload", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, pid, &passfort.FileUpload{
				Name: `a "form".png`, Body: bytes.NewReader(img),
			}))
		}, nil, received{Method: "POST", URI: files, Body: `{"name":"a \"form\".png",` + data + `}`}, identity},
		{"Files.Upload without a name", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, pid, &passfort.FileUpload{Body: bytes.NewReader(img)}))
		}, nil, received{Method: "POST", URI: files, Body: `{` + data + `}`}, identity},
		{"Files.Get", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Get(ctx, pid, oid))
		}, nil, received{Method: "GET", URI: files + "/" + oid}, identity},
		{"Files.Get by POST", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Get(ctx, pid, oid))
		}, []passfort.Option{passfort.WithFilesReadByPOST()}, received{Method: "POST", URI: files + "/" + oid},
			identity},
		{"Files.Download", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Download(ctx, pid, oid, io.Discard))
		}, nil, received{Method: "GET", URI: files + "/" + oid}, readable},
		{"Files.Download by POST", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Download(ctx, pid, oid, io.Discard))
		}, []passfort.Option{passfort.WithFilesReadByPOST()}, received{Method: "POST", URI: files + "/" + oid},
			readable},
		{"Documents.UploadImage", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.UploadImage(ctx, pid, &passfort.ImageUpload{
				Type: passfort.ImageTypeFace, Body: bytes.NewReader(img),
			}))
		}, nil, received{Method: "POST", URI: images, Body: `{"image_type":"FACE",` + data + `}`}, identity},
		{"Documents.GetImage", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.GetImage(ctx, pid, oid))
		}, nil, received{Method: "GET", URI: images + "/" + oid + "?full=false"}, identity},
		{"Documents.DownloadImage", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.DownloadImage(ctx, pid, oid, io.Discard))
		}, []passfort.Option{passfort.WithFilesReadByPOST()}, received{Method: "GET", URI: images + "/" + oid},
			readable},
		{"Documents.ListImages", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.ListImages(ctx, pid))
		}, nil, received{Method: "GET", URI: images}, `[` + identity + `]`},
		{"Documents.Create", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Create(ctx, pid, &passfort.DocumentRequest{
				Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
				ImageIDs: []string{nid, oid},
			}))
		}, nil, received{Method: "POST", URI: documents, Body: `{"category":"PROOF_OF_IDENTITY",` +
			`"document_type":"PASSPORT","images":[{"id":"` + nid + `"},{"id":"` + oid + `"}]}`}, identity},
		{"Documents.List", func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.List(ctx, pid))
		}, nil, received{Method: "GET", URI: "/profiles/" + pid + "/collected_data"}, person},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, respond(http.StatusCreated, row.body))
			require.NoError(t, row.call(t.Context(), newClient(t, s, row.opts...)))
			require.Len(t, s.seen(), 1)
			got := s.seen()[0]
			require.Equal(t, row.want.Method, got.Method)
			require.Equal(t, "/base/4.0"+row.want.URI, got.URI)
			require.Equal(t, row.want.Body, got.Body)
			require.Equal(t, []string{testKey}, got.Header.Values("apikey"))
			require.Equal(t, []string{"application/json"}, got.Header.Values("Accept"))
			if row.want.Body != "" {
				require.Equal(t, "application/json", got.Header.Get("Content-Type"))
				require.Equal(t, strconv.Itoa(len(row.want.Body)), got.Header.Get("Content-Length"))
			}
		})
	}
}

func TestUnknownSizeIsSentInChunks(t *testing.T) {
	t.Parallel()
	for name, upload := range uploads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, respond(http.StatusOK, identity))
			img := picture(100_000)
			require.NoError(t, upload(t.Context(), newClient(t, s), once(img), 0))
			require.NoError(t, upload(t.Context(), newClient(t, s), once(img), int64(len(img))))
			require.Empty(t, s.seen()[0].Header.Get("Content-Length"))
			require.NotEmpty(t, s.seen()[1].Header.Get("Content-Length"))
			for _, got := range s.seen() {
				require.Equal(t, `{"data":"`+base64Of(img)+`"}`, got.Body)
			}
		})
	}
}

func TestBadImagesAreNotSent(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		body func() io.Reader
		size int64
		want error
		text string
	}{
		{"no reader", func() io.Reader { return nil }, 0, passfort.ErrInvalidInput, "the body is nil"},
		{"nil pointer", func() io.Reader { return (*os.File)(nil) }, 0, passfort.ErrInvalidInput, "the body is nil"},
		{"empty", func() io.Reader { return strings.NewReader("") }, 0, passfort.ErrInvalidInput, "the body is empty"},
		{"empty stream", func() io.Reader { return once(nil) }, 0, passfort.ErrInvalidInput, "the body is empty"},
		{"text", func() io.Reader { return strings.NewReader("%PNG but not really") }, 0, passfort.ErrImageType,
			"not a GIF, JPG, PNG, PDF or TIFF"},
		{"two bytes", func() io.Reader { return strings.NewReader("\xff\xd8") }, 0, passfort.ErrImageType, "not a GIF"},
		{"too large", func() io.Reader { return bytes.NewReader(picture(1001)) }, 0, passfort.ErrImageTooLarge,
			"larger than the limit"},
		{"too large by its size", func() io.Reader { return once(picture(10)) }, 1001, passfort.ErrImageTooLarge,
			"larger than the limit"},
		{"longer than its size", func() io.Reader { return bytes.NewReader(picture(100)) }, 99,
			passfort.ErrInvalidInput, "not of the given size"},
		{"shorter than its size", func() io.Reader {
			return bytes.NewReader(picture(100))
		}, 101, passfort.ErrInvalidInput, "not of the given size"},
		{"negative size", func() io.Reader { return bytes.NewReader(picture(100)) }, -1, passfort.ErrInvalidInput,
			"not of the given size"},
		{"failing", func() io.Reader { return iotest.ErrReader(errReader) }, 0, errReader, "the body cannot be read"},
	} {
		for name, upload := range uploads {
			t.Run(name+" "+row.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, respond(http.StatusOK, identity))
				err := upload(t.Context(), newClient(t, s, passfort.WithImageLimit(1000)), row.body(), row.size)
				_ = requireOutcome(t, err, passfort.OutcomeNotSent)
				require.ErrorIs(t, err, row.want)
				require.ErrorContains(t, err, row.text)
				require.NotContains(t, err.Error(), "mary-poppins")
				require.Empty(t, s.seen())
			})
		}
	}
}

func TestBadArgumentsAreNotSent(t *testing.T) {
	t.Parallel()
	img := func() io.Reader { return bytes.NewReader(picture(10)) }
	shared := img()
	for name, call := range map[string]func(context.Context, *passfort.Client) error{
		"nil file": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, pid, nil))
		},
		"no profile": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, "", &passfort.FileUpload{Body: img()}))
		},
		"bad name": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Upload(ctx, pid, &passfort.FileUpload{Name: "\xff", Body: img()}))
		},
		"nil image": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.UploadImage(ctx, pid, nil))
		},
		"image type": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.UploadImage(ctx, pid, &passfort.ImageUpload{Type: "SIDE", Body: img()}))
		},
		"stored image": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.UploadImage(ctx, pid, &passfort.ImageUpload{ID: oid, Body: img()}))
		},
		"no file id": func(ctx context.Context, c *passfort.Client) error { return failed(c.Files.Get(ctx, pid, "")) },
		"odd file id": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Download(ctx, pid, "../x", io.Discard))
		},
		"nil writer": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Files.Download(ctx, pid, oid, nil))
		},
		"nil image writer": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.DownloadImage(ctx, pid, oid, nil))
		},
		"nil document": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Create(ctx, pid, nil))
		},
		"no category": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Create(ctx, pid, &passfort.DocumentRequest{
				Type: "PASSPORT", ImageIDs: []string{oid},
			}))
		},
		"no type": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Create(ctx, pid, &passfort.DocumentRequest{
				Category: "SUPPORTING", ImageIDs: []string{oid},
			}))
		},
		"no images": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Create(ctx, pid, &passfort.DocumentRequest{
				Category: "SUPPORTING", Type: "PASSPORT",
			}))
		},
		"empty image id": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Create(ctx, pid, &passfort.DocumentRequest{
				Category: "SUPPORTING", Type: "PASSPORT", ImageIDs: []string{""},
			}))
		},
		"nil submission": func(ctx context.Context, c *passfort.Client) error {
			return failed(c.Documents.Submit(ctx, pid, nil))
		},
		"empty submission": submitting(passfort.DocumentSubmission{Category: "SUPPORTING", Type: "PASSPORT"}),
		"third image bad": submitting(passfort.DocumentSubmission{
			Category: "SUPPORTING", Type: "PASSPORT", Images: []passfort.ImageUpload{
				{Body: img()}, {Body: img()}, {Body: strings.NewReader("text")},
			},
		}),
		"image type of one": submitting(passfort.DocumentSubmission{
			Category: "SUPPORTING", Type: "PASSPORT", Images: []passfort.ImageUpload{
				{Body: img()}, {Body: img(), Type: "TOP"},
			},
		}),
		"one reader twice": submitting(passfort.DocumentSubmission{
			Category: "SUPPORTING", Type: "PASSPORT", Images: []passfort.ImageUpload{{Body: shared}, {Body: shared}},
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, respond(http.StatusOK, identity))
			c := newClient(t, s)
			err := call(t.Context(), c)
			require.ErrorIs(t, err, passfort.ErrInvalidInput)
			_ = requireOutcome(t, err, passfort.OutcomeNotSent)
			require.Empty(t, s.seen())
		})
	}
}

func submitting(sub passfort.DocumentSubmission) func(context.Context, *passfort.Client) error {
	return func(ctx context.Context, c *passfort.Client) error { return failed(c.Documents.Submit(ctx, pid, &sub)) }
}

// A body that breaks off on the way is never a complete request, so nothing is
// stored, and the error says so.
func TestBrokenBodyIsNotStored(t *testing.T) {
	t.Parallel()
	img := picture(2_000_000)
	for _, row := range []struct {
		name string
		body io.Reader
		size int64
		want error
		text string
	}{
		{"shrinks", once(img[:1_900_000]), 1_900_001, passfort.ErrInvalidInput, "shrank"},
		{"grows", once(img), 1_999_999, passfort.ErrInvalidInput, "grew"},
		{"unknown size beyond the limit", once(append(img, 1)), 0, passfort.ErrImageTooLarge, "larger than the limit"},
		{"fails", io.MultiReader(bytes.NewReader(img[:1_000_000]), iotest.ErrReader(errReader)), 0, errReader,
			"cannot be read"},
		{"fails, known size", io.MultiReader(bytes.NewReader(img[:1_000_000]), iotest.ErrReader(errReader)), 2_000_000,
			errReader, "cannot be read"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var complete atomic.Int32
			srv := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err == nil {
					complete.Add(1)
				}
			}))
			c := clientOf(t, srv, passfort.WithImageLimit(2_000_000), quick)
			err := uploads["file"](t.Context(), c, row.body, row.size)
			srv.Close()
			failure := requireOutcome(t, err, passfort.OutcomeNotSent)
			require.Equal(t, 1, failure.Attempts)
			require.ErrorIs(t, err, row.want)
			require.ErrorContains(t, err, row.text)
			require.NotContains(t, err.Error(), "mary-poppins")
			require.Zero(t, complete.Load())
		})
	}
}

// A server that says "stored" before the end of a body that then breaks off
// leaves the caller with nothing to rely on.
func TestStoredBeforeTheEnd(t *testing.T) {
	t.Parallel()
	early := roundTrip(func(r *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, r.Body)
		require.ErrorIs(t, err, errReader)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(identity)), Request: r}, nil
	})
	c, err := passfort.New(testKey, passfort.WithHTTPClient(&http.Client{Transport: early}))
	require.NoError(t, err)
	err = uploads["file"](t.Context(), c, io.MultiReader(bytes.NewReader(picture(100_000)),
		iotest.ErrReader(errReader)), 0)
	require.Equal(t, 200, requireOutcome(t, err, passfort.OutcomeUnknown).StatusCode)
	require.ErrorIs(t, err, errReader)
}

// failingDials makes the first n connections fail before a byte is written.
func failingDials(s *server, n int32) *http.Client {
	var dials atomic.Int32
	tr := trusting(s.Server)
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) <= n {
			return nil, &net.OpError{Op: "dial", Net: network, Err: unreachable.Error()}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Client{Transport: tr}
}

func TestRepeatedUploads(t *testing.T) {
	t.Parallel()
	img := picture(300_000)
	seekable := func() io.Reader {
		r := bytes.NewReader(append([]byte("before"), img...))
		_, _ = r.Seek(6, io.SeekStart)
		return r
	}
	single := func() io.Reader { return once(img) }
	busy := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusTooManyRequests) }
	for _, row := range []struct {
		name    string
		body    func() io.Reader
		dials   int32
		answers []http.HandlerFunc
		sent    int
		outcome passfort.Outcome // 0: it succeeds
	}{
		{"seekable, reset before the first byte", seekable, 2, nil, 1, 0},
		{"one-shot, reset before the first byte", single, 2, nil, 1, 0},
		{"seekable, 429", seekable, 0, []http.HandlerFunc{busy, busy}, 3, 0},
		{"one-shot, 429", single, 0, []http.HandlerFunc{busy}, 1, passfort.OutcomeRejected},
		{"seekable, reset after", seekable, 0, []http.HandlerFunc{hangUp}, 1, passfort.OutcomeUnknown},
		{"one-shot, reset after", single, 0, []http.HandlerFunc{hangUp}, 1, passfort.OutcomeUnknown},
		{"seekable, 503", seekable, 0, []http.HandlerFunc{respond(503, "")}, 1, passfort.OutcomeUnknown},
		{"one-shot, 400", single, 0, []http.HandlerFunc{respond(400, "")}, 1, passfort.OutcomeRejected},
		{"no id in the answer", seekable, 0, []http.HandlerFunc{respond(200, `{}`)}, 1, passfort.OutcomeUnknown},
		{"no answer in the answer", seekable, 0, []http.HandlerFunc{respond(200, ``)}, 1, passfort.OutcomeUnknown},
		{"half an answer", seekable, 0, []http.HandlerFunc{respond(200, `{"id":"`)}, 1, passfort.OutcomeUnknown},
		{"errors in a 200", seekable, 0, []http.HandlerFunc{respond(200, `{"errors":[{"code":201}]}`)}, 1,
			passfort.OutcomeRejected},
	} {
		for name, upload := range uploads {
			t.Run(name+" "+row.name, func(t *testing.T) {
				t.Parallel()
				var n atomic.Int32
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if i := int(n.Add(1)) - 1; i < len(row.answers) {
						row.answers[i](w, r)
						return
					}
					_, _ = io.WriteString(w, identity)
				})
				body := row.body()
				err := upload(t.Context(), newClient(t, s, passfort.WithHTTPClient(failingDials(s, row.dials))), body,
					0)
				require.Len(t, s.seen(), row.sent)
				for _, got := range s.seen() {
					require.Equal(t, `{"data":"`+base64Of(img)+`"}`, got.Body)
				}
				if o, is := body.(*oneShot); is {
					require.EqualValues(t, len(img), o.read.Load())
				}
				if row.outcome == 0 {
					require.NoError(t, err)
					return
				}
				_ = requireOutcome(t, err, row.outcome)
				if s, is := body.(io.Seeker); is {
					at, err := s.Seek(0, io.SeekCurrent)
					require.NoError(t, err)
					require.EqualValues(t, 6, at, "the caller can send it again")
				}
			})
		}
	}
}

// The connection breaks in the middle of the body.
func TestResetWhileSending(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.ReadFull(r.Body, make([]byte, 1000))
		hangUp(w, r)
	}))
	t.Cleanup(srv.Close)
	path := filepath.Join(t.TempDir(), "scan.png")
	require.NoError(t, os.WriteFile(path, picture(20_000_000), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })

	err = uploads["document image"](t.Context(), clientOf(t, srv, quick), f, 0)
	// The end of the JSON was never handed over, so nothing can be stored.
	failure := requireOutcome(t, err, passfort.OutcomeNotSent)
	require.EqualValues(t, 3, requests.Load(), "so it is sent again")
	require.Equal(t, 3, failure.Attempts)
	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.Zero(t, at)
}

func TestUploadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, head := range map[string][]byte{"before the type is known": nil, "while sending": picture(100_000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			release := make(chan struct{})
			defer close(release)
			started := make(chan struct{}, 1)
			stuck := readerFunc(func([]byte) (int, error) {
				started <- struct{}{}
				<-release
				return 0, io.EOF
			})
			go func() {
				<-started
				cancel()
			}()
			srv := discarding(t, nil)
			err := uploads["file"](ctx, clientOf(t, srv), io.MultiReader(bytes.NewReader(head), stuck), 0)
			srv.CloseClientConnections()
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// What an upload answers about the content is of no use.
func TestUploadIsNotLostToOddContent(t *testing.T) {
	t.Parallel()
	for _, content := range []string{`""`, `"[encrypted]"`, `"***"`, `"data:image/png,raw"`, `"YWJj-_"`, `null`,
		`{"key":"x"}`} {
		t.Run(content, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, serve(t, respond(200, `{"id":"F1","name":"x","decrypted_data":`+content+`}`)))
			file, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{Body: bytes.NewReader([]byte(pngHead))})
			require.NoError(t, err)
			require.Equal(t, "F1", file.ID)
			file, err = c.Files.Get(t.Context(), pid, "F1")
			require.NoError(t, err)
			require.Equal(t, "x", file.Name)
		})
	}
}

func TestUploadProgress(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, identity))
	c := newClient(t, s)
	img := picture(500_000)
	for name, row := range map[string]struct {
		body  io.Reader
		total int64
	}{"known size": {bytes.NewReader(img), 500_000}, "unknown size": {once(img), 0}} {
		var seen []int64
		progress := func(sent, total int64) {
			require.Equal(t, row.total, total, name)
			seen = append(seen, sent)
		}
		_, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{Body: row.body, Progress: progress})
		require.NoError(t, err)
		require.IsIncreasing(t, seen)
		require.EqualValues(t, 500_000, seen[len(seen)-1])
	}
}
