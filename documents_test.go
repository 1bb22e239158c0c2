package passfort_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// passport is a submission of n images, each of another size.
func passport(n int) *passfort.DocumentSubmission {
	sub := &passfort.DocumentSubmission{Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypePassport}
	for i := range n {
		sub.Images = append(sub.Images, passfort.ImageUpload{Type: passfort.ImageTypeFront, Body: bytes.NewReader(picture(1000 + i))})
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
		{"an upload is refused", passforttest.Fault{Operation: "Documents.UploadImage", Skip: 2, Status: 400}, false, 2, false},
		{"an upload is lost", passforttest.Fault{Operation: "Documents.UploadImage", Skip: 2, DropAfterWrite: true}, true, 2, false},
		{"the first upload fails", passforttest.Fault{Operation: "Documents.UploadImage", Status: 503}, true, 0, false},
		{"the document is refused", passforttest.Fault{Operation: "Documents.Create", Status: 400}, false, 6, false},
		{"the document fails", passforttest.Fault{Operation: "Documents.Create", DropBeforeWrite: true}, true, 6, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			srv := passforttest.NewServer()
			t.Cleanup(srv.Close)
			c := srv.Client(quick)
			profile := newPerson(t, srv, c)
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
	srv := passforttest.NewServer()
	t.Cleanup(srv.Close)
	c := srv.Client(quick)
	profile := newPerson(t, srv, c)
	srv.Inject(passforttest.Fault{Operation: "Documents.Create", DropAfterWrite: true})
	document, err := c.Documents.Submit(t.Context(), profile, passport(2))
	require.NoError(t, err)
	listed, err := c.Documents.List(t.Context(), profile)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, listed[0].ID, document.ID)
	require.Equal(t, 1, srv.Count("Documents.Create"))

	// Twice the same document: nobody can tell which is the lost one.
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
	image, err := c.Documents.UploadImage(t.Context(), profile, &passfort.ImageUpload{Type: passfort.ImageTypeFace, Body: bytes.NewReader(picture(100))})
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
		Category: passfort.DocumentCategoryProofOfIdentity, Type: passfort.DocumentTypeStateID, ImageIDs: []string{image.ID},
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
