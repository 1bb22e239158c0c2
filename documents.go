package passfort

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/passfort-go/passfort/internal/imagebody"
)

// DocumentsService keeps documents and the images they are made of. Upload the images, create the
// document, and run a document check with its ID; Submit does the first two.
type DocumentsService struct{ road *road }

// UploadImage streams an image into the profile's document images. What
// Files.Upload says of type, size, repeats and the body holds here too. The
// portal shows the image once a document refers to it.
func (s *DocumentsService) UploadImage(
	ctx context.Context, profileID string, image *ImageUpload, opts ...CallOption,
) (*DocumentImage, error) {
	problem := image.problem()
	if problem == "" && image.ID != "" {
		problem = "the image is already stored"
	}
	if problem != "" {
		return nil, s.road.refuse("Documents.UploadImage", problem)
	}
	return s.uploadImage(ctx, profileID, s.upload(image), opts)
}

func (s *DocumentsService) upload(image *ImageUpload) *upload {
	up := s.road.upload(image.Body, image.Open, image.Size, image.Progress)
	if image.Type != "" {
		up.options.Members = []imagebody.Member{{Name: "image_type", Value: string(image.Type)}}
	}
	return up
}

func (s *DocumentsService) uploadImage(
	ctx context.Context, profileID string, up *upload, opts []CallOption,
) (*DocumentImage, error) {
	out := new(DocumentImage)
	c := call{args: []string{profileID}, upload: up, out: out, opts: opts}
	if err := s.road.describe(ctx, operationNamed("Documents.UploadImage"), c); err != nil {
		return nil, err
	}
	return out, nil
}

// GetImage reads what describes an image, and asks the API to leave its
// content out.
func (s *DocumentsService) GetImage(
	ctx context.Context, profileID, imageID string, opts ...CallOption,
) (*DocumentImage, error) {
	out := new(DocumentImage)
	c := call{args: []string{profileID, imageID}, query: url.Values{"full": {"false"}}, out: out, opts: opts}
	if err := s.road.describe(ctx, operationNamed("Documents.GetImage"), c); err != nil {
		return nil, err
	}
	return out, nil
}

// ListImages reads what describes the images of a profile, also of those that
// no document refers to.
func (s *DocumentsService) ListImages(
	ctx context.Context, profileID string, opts ...CallOption,
) ([]DocumentImage, error) {
	return list[DocumentImage](ctx, s.road, "Documents.ListImages", call{args: []string{profileID}, opts: opts})
}

// DownloadImage streams the content of an image into w, where the API makes images readable
// (docs/api/documents.md#content-is-encrypted). Where it does not, the error is
// ErrContentUnavailable, w is untouched, and the DocumentImage is returned with it. Once something
// was written to w the call is not repeated: after any other error discard what w holds.
func (s *DocumentsService) DownloadImage(
	ctx context.Context, profileID, imageID string, w io.Writer, opts ...CallOption,
) (*DocumentImage, error) {
	out := new(DocumentImage)
	c := call{args: []string{profileID, imageID}, out: out, opts: opts}
	err := s.road.download(ctx, operationNamed("Documents.GetImage"), c, w)
	return described(out, err)
}

// Create makes a document of images that were uploaded before. It adds to the collected data
// without an ETag, so it loses no race (docs/api/documents.md#documents). It is sent once; if its
// answer is lost, Create looks for a document of the same images and returns it if there is exactly
// one. Otherwise the error is ErrOutcomeUnknown.
func (s *DocumentsService) Create(
	ctx context.Context, profileID string, req *DocumentRequest, opts ...CallOption,
) (*Document, error) {
	if problem := req.problem(); problem != "" {
		return nil, s.road.refuse("Documents.Create", problem)
	}
	body := &Document{Category: req.Category, Type: req.Type, Images: make([]DocumentImage, len(req.ImageIDs))}
	for i, id := range req.ImageIDs {
		body.Images[i].ID = id
	}
	made, err := result[Document](ctx, s.road, "Documents.Create", call{
		args: []string{profileID}, body: body, opts: opts,
	})
	return settle(made, err, func() (*Document, error) { return s.find(ctx, profileID, req) },
		func(d *Document) bool { return d != nil })
}

// find returns the one document that is what req asks for, nil if there is not
// exactly one.
func (s *DocumentsService) find(ctx context.Context, profileID string, req *DocumentRequest) (*Document, error) {
	documents, err := s.List(ctx, profileID)
	if err != nil {
		return nil, err
	}
	var found *Document
	for i := range documents {
		if !documents[i].answers(req) {
			continue
		}
		if found != nil {
			return nil, nil
		}
		found = &documents[i]
	}
	return found, nil
}

func (v *Document) answers(req *DocumentRequest) bool {
	return v.ID != "" && v.Category == req.Category && v.Type == req.Type &&
		slices.EqualFunc(v.Images, req.ImageIDs, func(image DocumentImage, id string) bool {
			return strings.EqualFold(image.ID, id)
		})
}

// List reads the documents in the collected data of a profile. It reads with GET: what one guide
// prints, a POST on that path, would replace the data (docs/api/disagreements.md#rulings).
func (s *DocumentsService) List(ctx context.Context, profileID string, opts ...CallOption) ([]Document, error) {
	data, err := result[EntityData](ctx, s.road, "CollectedData.Get", call{args: []string{profileID}, opts: opts})
	if err != nil {
		return nil, err
	}
	return data.Documents, nil
}

// submitWorkers is how many images Submit uploads at once.
const submitWorkers = 3

// Submit uploads the images, a few at a time, and creates the document of them
// in their order. All images are looked at before the first is sent, so all are
// open then. The first bytes of a body that cannot seek have been consumed; give
// Open instead, and the submission can be tried again.
//
// If something fails half-way, the error is a *SubmitError that lists the
// images that are stored. Set their ids in the submission, and a second try
// uploads only the others:
//
//	var half *passfort.SubmitError
//	if errors.As(err, &half) {
//		for _, stored := range half.Stored {
//			submission.Images[stored.Index].ID = stored.ID
//		}
//	}
//
// An upload whose outcome is unknown is not among them and must be decided by
// you: nothing relates an id of ListImages to its image, and an image
// that no document refers to does no harm.
//
// The Progress functions of the images may be called at the same time.
func (s *DocumentsService) Submit(
	ctx context.Context, profileID string, sub *DocumentSubmission, opts ...CallOption,
) (*Document, error) {
	if problem := sub.problem(); problem != "" {
		return nil, s.road.refuse("Documents.Create", problem)
	}
	if ctx == nil {
		return nil, s.road.refuse("Documents.Create", "the context is nil")
	}
	if problem := checkSegment("profile_id", profileID); problem != "" {
		return nil, s.road.refuse("Documents.Create", problem)
	}
	uploads := make([]*upload, len(sub.Images))
	defer func() {
		for _, up := range uploads {
			up.release(ctx)
		}
	}()
	for i := range sub.Images {
		if sub.Images[i].ID != "" {
			continue
		}
		uploads[i] = s.upload(&sub.Images[i])
		if err := uploads[i].prepare(ctx); err != nil {
			return nil, s.road.refused("Documents.UploadImage", err)
		}
	}
	var last Response
	ids, half := s.uploadAll(ctx, profileID, sub, uploads, &last, opts)
	if half != nil {
		if settings := settingsOf(opts); settings.capture != nil {
			*settings.capture = last
		}
		return nil, half
	}
	request := &DocumentRequest{Category: sub.Category, Type: sub.Type, ImageIDs: ids}
	made, err := s.Create(ctx, profileID, request, opts...)
	if err != nil {
		return nil, &SubmitError{Stored: storedImages(ids), failed: []error{err}}
	}
	return made, nil
}

// uploadAll uploads the images that have no id yet. After a failure no other
// image is begun, but those under way are finished: cut off, it would be unknown
// what became of them.
func (s *DocumentsService) uploadAll(
	ctx context.Context, profileID string, sub *DocumentSubmission, uploads []*upload, last *Response,
	opts []CallOption,
) ([]string, *SubmitError) {
	var (
		mu     sync.Mutex
		wait   sync.WaitGroup
		next   int
		failed []error
		ids    = make([]string, len(uploads))
	)
	for i := range sub.Images {
		ids[i] = sub.Images[i].ID
	}
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		for next < len(uploads) && uploads[next] == nil {
			next++
		}
		next++
		return next - 1, next <= len(uploads) && len(failed) == 0
	}
	work := func() {
		for i, ok := take(); ok; i, ok = take() {
			var response Response
			image, err := s.uploadImage(ctx, profileID, uploads[i],
				append(slices.Clip(opts), CaptureResponse(&response)))
			mu.Lock()
			if err != nil {
				failed = append(failed, err)
				*last = response
			} else {
				ids[i] = image.ID
			}
			mu.Unlock()
		}
	}
	for range min(submitWorkers, len(uploads)) {
		wait.Go(work)
	}
	wait.Wait()
	if len(failed) > 0 {
		return nil, &SubmitError{Stored: storedImages(ids), failed: failed}
	}
	return ids, nil
}

func storedImages(ids []string) []StoredImage {
	var stored []StoredImage
	for i, id := range ids {
		if id != "" {
			stored = append(stored, StoredImage{i, id})
		}
	}
	return stored
}

// DocumentRequest is what Create sends. All fields are required.
type DocumentRequest struct {
	// Category says how the data provider treats the document.
	Category DocumentCategory
	Type     DocumentType
	// ImageIDs come from UploadImage or ListImages.
	ImageIDs []string
}

func (v *DocumentRequest) problem() string {
	switch {
	case v == nil:
		return "the document request is nil"
	case v.Category == "":
		return "the category is empty"
	case v.Type == "":
		return "the document type is empty"
	case len(v.ImageIDs) == 0:
		return "the document has no images"
	case slices.Contains(v.ImageIDs, ""):
		return "an image id is empty"
	}
	return ""
}

// DocumentSubmission is a document for Submit. All fields are required.
type DocumentSubmission struct {
	// Category says how the data provider treats the document.
	Category DocumentCategory
	Type     DocumentType
	Images   []ImageUpload
}

func (v *DocumentSubmission) problem() string {
	switch {
	case v == nil:
		return "the document is nil"
	case v.Category == "":
		return "the category is empty"
	case v.Type == "":
		return "the document type is empty"
	case len(v.Images) == 0:
		return "the document has no images"
	}
	for i := range v.Images {
		if problem := v.Images[i].problem(); problem != "" {
			return problem
		}
		for j := range i {
			if sameReader(v.Images[i].Body, v.Images[j].Body) {
				return "two images have the same body"
			}
		}
	}
	return ""
}

// sameReader reports whether both are the same pointer, which two uploads
// would read from at once.
func sameReader(a, b io.Reader) bool {
	if a == nil || b == nil || reflect.TypeOf(a) != reflect.TypeOf(b) || reflect.TypeOf(a).Kind() != reflect.Pointer {
		return false
	}
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// ImageUpload is an image for UploadImage and Submit.
type ImageUpload struct {
	// Type is the side of the document, or the face of its holder. Whether it is
	// required depends on the data provider; the API has a default.
	Type ImageType
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
	// ID is set for an image that is stored already: Submit then uses it as it
	// is and ignores Body and Open. See SubmitError.
	ID string
}

func (v *ImageUpload) problem() string {
	switch {
	case v == nil:
		return "the image is nil"
	case v.ID != "":
		return ""
	case v.Body != nil && v.Open != nil:
		return "an image has both Body and Open"
	case v.Type != "" && !v.Type.Known():
		return "the image type is none of FRONT, BACK and FACE"
	}
	return ""
}

// SubmitError says that Submit failed after it began to send.
type SubmitError struct {
	// Stored are the images that are stored at Passfort. No print form shows
	// their ids.
	Stored []StoredImage `json:"-"`

	failed []error
}

// StoredImage is an image of a DocumentSubmission that Passfort has.
type StoredImage struct {
	Index int // in DocumentSubmission.Images
	ID    string
}

// String returns the index, without the id.
func (v StoredImage) String() string { return fmt.Sprintf("image %d", v.Index) }

// Format prints what String returns for every verb.
func (v StoredImage) Format(f fmt.State, verb rune) { formatText(f, verb, v.String()) }

// GoString returns what String returns.
func (v StoredImage) GoString() string { return v.String() }

// Error says how many images are stored and what failed first.
func (e *SubmitError) Error() string {
	var first error
	if len(e.failed) > 0 {
		first = e.failed[0]
	}
	return fmt.Sprintf("%s; %d of the images are stored", failedText(first), len(e.Stored))
}

// MarshalText returns what Error returns, for encoders such as YAML, TOML and XML.
func (e SubmitError) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBinary returns what Error returns, for encoders such as MessagePack and CBOR.
func (e SubmitError) MarshalBinary() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBSON fails: an error is no document.
func (e SubmitError) MarshalBSON() ([]byte, error) { return nil, errNoDocument }

// Unwrap returns the *Error of each call that failed: uploads, or the creation
// of the document.
func (e *SubmitError) Unwrap() []error { return e.failed }

// Format prints what Error returns for every verb.
func (e SubmitError) Format(f fmt.State, verb rune) { formatText(f, verb, e.Error()) }

// GoString returns what Error returns.
func (e SubmitError) GoString() string { return e.Error() }

// LogValue returns what Error returns.
func (e SubmitError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON encodes what Error returns, as a string.
func (e SubmitError) MarshalJSON() ([]byte, error) { return jsonText(&e), nil }
