package passfort_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// passport is a submission of n images, each of another size.
func passport(n int) *passfort.DocumentSubmission {
	sub := &passfort.DocumentSubmission{
		Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport,
	}
	for i := range n {
		sub.Images = append(sub.Images, passfort.ImageUpload{
			Type: passfort.ImageTypeFront, Body: bytes.NewReader(picture(1000 + i)),
		})
	}
	return sub
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	t.Cleanup(srv.Close)
	c := srv.Client()
	profile := newPerson(t, srv, c)

	var response passfort.Response
	document, err := c.Documents.Submit(t.Context(), profile, passport(7), passfort.CaptureResponse(&response))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NotEmpty(t, document.ID)
	require.Len(t, document.Images, 7)
	for i, image := range document.Images {
		stored := storedImage(srv, profile, image.ID)
		require.EqualValues(t, 1000+i, stored.Size, "in the order of the submission")
		require.Equal(t, document.ID, stored.DocumentID)
	}
	listed, err := c.Documents.List(t.Context(), profile)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, document.ID, listed[0].ID)
	require.Equal(t, 7, srv.Count("Documents.UploadImage"))
}

func storedImage(srv *passforttest.Server, profile, id string) passforttest.StoredImage {
	for _, image := range srv.Images(profile) {
		if image.ID == id {
			return image
		}
	}
	return passforttest.StoredImage{}
}

func TestSubmitUploadsAFewAtATime(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	var n atomic.Int64
	all := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/documents") {
			_, _ = io.WriteString(w, identity)
			return
		}
		at := now.Add(1)
		for old := most.Load(); at > old && !most.CompareAndSwap(old, at); old = most.Load() {
		}
		if n.Add(1) == 3 {
			close(all) // so many are under way at once
		}
		<-all
		now.Add(-1)
		_, _ = fmt.Fprintf(w, `{"id":"%d"}`, n.Load())
	})
	_, err := newClient(t, s).Documents.Submit(t.Context(), pid, passport(20))
	require.NoError(t, err)
	require.LessOrEqual(t, most.Load(), int32(4))
	require.GreaterOrEqual(t, most.Load(), int32(2))
}

// What is stored is not uploaded again, wherever the first try failed.
func TestSubmitAgain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		fault   passforttest.Fault
		unknown bool
		stored  int // at least
		created bool
	}{
		{"an upload is refused", passforttest.Fault{Operation: "Documents.UploadImage", Skip: 2, Status: 400}, false, 2,
			false},
		{"an upload is lost", passforttest.Fault{Operation: "Documents.UploadImage", Skip: 2, DropAfterWrite: true},
			true, 2, false},
		{"the first upload fails", passforttest.Fault{Operation: "Documents.UploadImage", Status: 503}, true, 0, false},
		{"the document is refused", passforttest.Fault{Operation: "Documents.Create", Status: 400}, false, 6, false},
		{"the document fails", passforttest.Fault{Operation: "Documents.Create", DropBeforeWrite: true}, true, 6,
			false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			srv, c, profile := simulated(t)
			srv.Inject(row.fault)
			sub := passport(6)

			var response passfort.Response
			_, err := c.Documents.Submit(t.Context(), profile, sub, passfort.CaptureResponse(&response))
			var half *passfort.SubmitError
			require.ErrorAs(t, err, &half)
			var failure *passfort.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, row.fault.Status, response.StatusCode)
			require.Equal(t, row.unknown, errors.Is(err, passfort.ErrOutcomeUnknown))
			require.GreaterOrEqual(t, len(half.Stored), row.stored)
			for _, stored := range half.Stored {
				require.EqualValues(t, 1000+stored.Index, storedImage(srv, profile, stored.ID).Size)
				sub.Images[stored.Index].ID = stored.ID
				require.NotContains(t, printed(t, half), stored.ID)
			}

			srv.ForgetRequests()
			document, err := c.Documents.Submit(t.Context(), profile, sub)
			require.NoError(t, err)
			require.Len(t, document.Images, 6)
			for i, image := range document.Images {
				require.EqualValues(t, 1000+i, storedImage(srv, profile, image.ID).Size)
			}
			require.Equal(t, 6-len(half.Stored), srv.Count("Documents.UploadImage"))
		})
	}
}

// A document whose answer was lost is found by its images, which belong to no
// other.
func TestLostDocumentIsFound(t *testing.T) {
	t.Parallel()
	srv, c, profile := simulated(t)
	srv.Inject(passforttest.Fault{Operation: "Documents.Create", DropAfterWrite: true})
	document, err := c.Documents.Submit(t.Context(), profile, passport(2))
	require.NoError(t, err)
	listed, err := c.Documents.List(t.Context(), profile)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, listed[0].ID, document.ID)
	require.Equal(t, 1, srv.Count("Documents.Create"))

	// Twice the same document: which is the lost one cannot be known.
	req := &passfort.DocumentRequest{Category: document.Category, Type: document.Type}
	for _, image := range document.Images {
		req.ImageIDs = append(req.ImageIDs, image.ID)
	}
	srv.Inject(passforttest.Fault{Operation: "Documents.Create", DropAfterWrite: true})
	_, err = c.Documents.Create(t.Context(), profile, req)
	_ = requireOutcome(t, err, passfort.OutcomeUnknown)
}

func TestImagesUntilADocumentRefersToThem(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	t.Cleanup(srv.Close)
	c := srv.Client()
	profile := newPerson(t, srv, c)
	image, err := c.Documents.UploadImage(t.Context(), profile, &passfort.ImageUpload{
		Type: passfort.ImageTypeFace, Body: bytes.NewReader(picture(100)),
	})
	require.NoError(t, err)
	require.Equal(t, passfort.ImageTypeFace, image.Type)
	require.NotEmpty(t, image.UploadDate)
	require.Empty(t, srv.PortalImages(profile))

	listed, err := c.Documents.ListImages(t.Context(), profile)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	one, err := c.Documents.GetImage(t.Context(), profile, image.ID)
	require.NoError(t, err)
	require.Equal(t, listed[0], *one)

	_, err = c.Documents.Create(t.Context(), profile, &passfort.DocumentRequest{
		Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypeStateID,
		ImageIDs: []string{image.ID},
	})
	require.NoError(t, err)
	require.Len(t, srv.PortalImages(profile), 1)
}

func TestFilesByPOST(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer(passforttest.WithSwitches(passforttest.Switches{FileReadByPOST: true}))
	t.Cleanup(srv.Close)
	c := srv.Client(passfort.WithFilesReadByPOST())
	profile := newPerson(t, srv, c)
	file, err := c.Files.Upload(t.Context(), profile, &passfort.FileUpload{Body: bytes.NewReader(picture(100))})
	require.NoError(t, err)
	require.Equal(t, "Untitled", file.Name)
	got, err := c.Files.Download(t.Context(), profile, file.ID, io.Discard)
	require.ErrorIs(t, err, passfort.ErrContentUnavailable)
	require.Equal(t, file.ID, got.ID)
	last := srv.Requests()[len(srv.Requests())-1]
	require.Equal(t, http.MethodPost, last.Method)
	require.Zero(t, last.Size)
}

// openable opens one image anew, and counts.
type openable struct {
	images        [][]byte // of each opening, the last one from then on
	fail          int      // the opening that fails, from 1
	opens, closes atomic.Int32
	seekable      bool
}

func (s *openable) open() (io.ReadCloser, error) {
	n := int(s.opens.Add(1))
	if n == s.fail {
		s.closes.Add(1) // there is nothing to close
		return nil, errReader
	}
	img := bytes.NewReader(s.images[min(n, len(s.images))-1])
	if s.seekable {
		return struct {
			io.ReadSeeker
			closer
		}{img, func() { s.closes.Add(1) }}, nil
	}
	return struct {
		io.Reader
		closer
	}{iotest.HalfReader(img), func() { s.closes.Add(1) }}, nil
}

type closer func()

func (c closer) Close() error {
	c()
	return nil
}

func TestOpenIsCalledForEachAttempt(t *testing.T) {
	t.Parallel()
	busy := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusTooManyRequests) }
	small, large := []byte(pngHead+"1"), picture(300_000)
	for _, row := range []struct {
		name    string
		store   *openable
		dials   int32
		answers []http.HandlerFunc
		opens   int32
		sent    int
		outcome passfort.Outcome // 0: it succeeds
		text    string
	}{
		{"one attempt", &openable{images: [][]byte{large}}, 0, nil, 1, 1, 0, ""},
		{"one attempt, seekable", &openable{images: [][]byte{large}, seekable: true}, 0, nil, 1, 1, 0, ""},
		{"small", &openable{images: [][]byte{small}}, 0, []http.HandlerFunc{busy, busy}, 3, 3, 0, ""},
		{"429 twice", &openable{images: [][]byte{large}}, 0, []http.HandlerFunc{busy, busy}, 3, 3, 0, ""},
		{"429 always", &openable{images: [][]byte{large}}, 0, []http.HandlerFunc{busy, busy, busy}, 3, 3,
			passfort.OutcomeRejected, "429"},
		{"reset before the first byte", &openable{images: [][]byte{large}}, 2, nil, 3, 1, 0, ""},
		{"reset after", &openable{images: [][]byte{large}}, 0, []http.HandlerFunc{hangUp}, 1, 1,
			passfort.OutcomeUnknown, "may have been done"},
		{"does not open", &openable{images: [][]byte{large}, fail: 1}, 0, nil, 1, 0, passfort.OutcomeNotSent,
			"cannot be opened"},
		{"does not open again", &openable{images: [][]byte{large}, fail: 2}, 0, []http.HandlerFunc{busy}, 2, 1,
			passfort.OutcomeRejected, "cannot be opened"},
		{"does not open again, never sent", &openable{images: [][]byte{large}, fail: 2}, 1, nil, 2, 0,
			passfort.OutcomeNotSent, "cannot be opened"},
		{"no image any more", &openable{images: [][]byte{large, large[1:]}, seekable: true}, 1, nil, 2, 0,
			passfort.OutcomeNotSent, "not a GIF"},
		{"shorter", &openable{images: [][]byte{large, large[:1000]}, seekable: true}, 1, nil, 2, 0,
			passfort.OutcomeNotSent, "of the size"},
		{"no image", &openable{images: [][]byte{[]byte("text")}}, 0, nil, 1, 0, passfort.OutcomeNotSent,
			"the content is text, not a GIF"},
	} {
		uploads := map[string]func(context.Context, *passfort.Client) error{
			"file": func(ctx context.Context, c *passfort.Client) error {
				return failed(c.Files.Upload(ctx, pid, &passfort.FileUpload{Open: row.store.open}))
			},
			"image": func(ctx context.Context, c *passfort.Client) error {
				return failed(c.Documents.UploadImage(ctx, pid, &passfort.ImageUpload{Open: row.store.open}))
			},
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for name, upload := range uploads {
				row.store.opens.Store(0)
				row.store.closes.Store(0)
				var n atomic.Int32
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if i := int(n.Add(1)) - 1; i < len(row.answers) {
						row.answers[i](w, r)
						return
					}
					_, _ = io.WriteString(w, identity)
				})
				err := upload(t.Context(), newClient(t, s, passfort.WithHTTPClient(failingDials(s, row.dials))))
				require.Equal(t, row.opens, row.store.opens.Load(), name)
				require.Equal(t, row.opens, row.store.closes.Load(), name)
				require.Len(t, s.seen(), row.sent, name)
				for _, got := range s.seen() {
					require.Equal(t, `{"data":"`+base64Of(row.store.images[0])+`"}`, got.Body, name)
				}
				if row.outcome == 0 {
					require.NoError(t, err, name)
					continue
				}
				_ = requireOutcome(t, err, row.outcome)
				require.ErrorContains(t, err, row.text, name)
				require.NotContains(t, err.Error(), "mary-poppins", name)
				require.Equal(t, row.store.fail > 0, errors.Is(err, errReader), name)
			}
		})
	}
}

func TestOpenAndBody(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(http.StatusOK, identity))
	c, img := newClient(t, s), &openable{images: [][]byte{picture(100)}}
	_, err := c.Files.Upload(t.Context(), pid, &passfort.FileUpload{Open: img.open, Body: strings.NewReader("")})
	require.ErrorContains(t, err, "both Body and Open")
	_, err = c.Documents.UploadImage(t.Context(), pid, &passfort.ImageUpload{
		Open: img.open, Body: strings.NewReader(""),
	})
	require.ErrorContains(t, err, "both Body and Open")
	for name, nothing := range map[string]func() (io.ReadCloser, error){
		"nil":         func() (io.ReadCloser, error) { return nil, nil },
		"nil pointer": func() (io.ReadCloser, error) { return (*os.File)(nil), nil },
	} {
		_, err = c.Files.Upload(t.Context(), pid, &passfort.FileUpload{Open: nothing})
		require.ErrorIs(t, err, passfort.ErrInvalidInput, name)
	}
	require.Zero(t, img.opens.Load())
	require.Empty(t, s.seen())
}

// An Open that hangs ends with the context, and what it returns late is closed.
func TestOpenThatHangs(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t, respond(http.StatusOK, identity)))
	ctx, cancel := context.WithCancel(t.Context())
	proceed, closed := make(chan struct{}), make(chan struct{})
	_, err := c.Files.Upload(ctx, pid, &passfort.FileUpload{Open: func() (io.ReadCloser, error) {
		cancel()
		<-proceed
		return struct {
			io.Reader
			closer
		}{bytes.NewReader(picture(10)), func() { close(closed) }}, nil
	}})
	require.ErrorIs(t, err, context.Canceled)
	close(proceed)
	<-closed
}

// All images are open before the first is sent, and closed whatever happens.
func TestSubmitClosesWhatItOpened(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		last   []byte
		answer int
	}{"sent": {picture(10), 200}, "refused": {picture(10), 400}, "the last one is no image": {[]byte("%PNG"), 200}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores := []*openable{
				{images: [][]byte{picture(5000)}}, {images: [][]byte{picture(10)}}, {images: [][]byte{row.last}},
			}
			sub := &passfort.DocumentSubmission{Category: "SUPPORTING", Type: "PASSPORT"}
			for range 3 {
				for _, s := range stores {
					sub.Images = append(sub.Images, passfort.ImageUpload{Open: s.open})
				}
			}
			_, _ = newClient(t, serve(t, respond(row.answer, identity))).Documents.Submit(t.Context(), pid, sub)
			for _, s := range stores {
				require.Positive(t, s.opens.Load())
				require.Equal(t, s.opens.Load(), s.closes.Load())
			}
		})
	}
}
