package passfort

import (
	"context"
	"encoding/json"
	"io"

	"github.com/passfort-go/passfort/internal/imagebody"
)

// FilesService keeps files: single images that attach to task notes and form
// answers. Checks cannot use them; document images are for that. There is no list of files, so keep
// the ids.
type FilesService struct{ road *road }

// Upload streams an image into the profile's files. It must be a GIF, JPG,
// PNG, PDF or TIFF by its content, else ErrImageType, and within the limit,
// else ErrImageTooLarge; see WithImageLimit. Both are found before anything is
// sent, except that an image of unknown size is broken off at the limit.
//
// It is sent once: after ErrOutcomeUnknown the file may be stored, and nothing
// knows. A success that comes before all of the image was sent is such an outcome.
// A body that fails, shrinks or grows on the way breaks the request off,
// and the outcome is OutcomeNotSent: nothing is stored.
//
// When Upload returns it reads the body no more, unless a Read is stuck. After
// an error a body that can seek stands where it stood. What Open returned is closed.
func (s *FilesService) Upload(ctx context.Context, profileID string, f *FileUpload, opts ...CallOption) (*File, error) {
	if f == nil {
		return nil, s.road.refuse("Files.Upload", "the file is nil")
	}
	if f.Body != nil && f.Open != nil {
		return nil, s.road.refuse("Files.Upload", "the file has both Body and Open")
	}
	up := s.road.upload(f.Body, f.Open, f.Size, f.Progress)
	if f.Name != "" {
		up.options.Members = []imagebody.Member{{Name: "name", Value: f.Name}}
	}
	out := new(File)
	c := call{args: []string{profileID}, upload: up, out: out, opts: opts}
	if err := s.road.describe(ctx, operationNamed("Files.Upload"), c); err != nil {
		return nil, err
	}
	return out, nil
}

// Get reads what describes a file. If the answer has the content too, it is
// dropped as it comes: Download keeps it.
func (s *FilesService) Get(ctx context.Context, profileID, fileID string, opts ...CallOption) (*File, error) {
	out := new(File)
	c := call{args: []string{profileID, fileID}, out: out, opts: opts}
	if err := s.road.describe(ctx, s.read(), c); err != nil {
		return nil, err
	}
	return out, nil
}

// Download streams the content of a file into w. Passfort encrypts files as they arrive and rarely
// gives the content back (docs/api/documents.md#content-is-encrypted): then the error is
// ErrContentUnavailable, w is untouched, and the File is returned with it. Once something was
// written to w the call is not repeated: after any other error discard what w holds.
func (s *FilesService) Download(
	ctx context.Context, profileID, fileID string, w io.Writer, opts ...CallOption,
) (*File, error) {
	out := new(File)
	err := s.road.download(ctx, s.read(), call{args: []string{profileID, fileID}, out: out, opts: opts}, w)
	return described(out, err)
}

func (s *FilesService) read() operation {
	op := operationNamed("Files.Get")
	if s.road.settings.filesReadPOST {
		op.method = post
	}
	return op
}

// FileUpload is an image, which may be a PDF, for Files.Upload.
type FileUpload struct {
	// Name is shown in the portal, which says "Untitled" without one.
	Name string
	// Body is read from where it stands to its end. If it can seek, it can be
	// sent again where that is safe; other bodies are sent once, ever.
	Body io.Reader
	// Open is given instead of Body, for an image that can be opened anew: a file,
	// an object in a store. It is called once for each attempt, so that every
	// attempt that is safe can be made. What it returns is read from its start,
	// looked at, sent, and always closed. It has to be the same image each time.
	Open func() (io.ReadCloser, error)
	// Size is the number of bytes of the image. It may be 0 if the reader can seek
	// or returns its size (Len, Stat), else the size is unknown and the request chunked.
	Size int64
	// Progress receives how many bytes of the image were handed to the connection, and
	// how many there are, 0 if unknown. It runs on a goroutine of the call and
	// starts over when the call is repeated.
	Progress func(sent, total int64)
}

// File is an uploaded file (docs/api/documents.md#files). Files attach to task notes or form
// answers; checks cannot use them.
type File struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// DecryptedData is always empty in what this package returns: it is empty as
	// long as the API keeps the content encrypted, which is the rule, and
	// Files.Download streams it otherwise.
	DecryptedData string `json:"decrypted_data"`
	// EncryptedData is opaque.
	EncryptedData json.RawMessage `json:"encrypted_data"`

	Unknown Unknown `json:"-"`
}

func (v *File) identity() string { return v.ID }
