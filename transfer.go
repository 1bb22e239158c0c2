package passfort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/passfort-go/passfort/internal/imagebody"
	"github.com/passfort-go/passfort/internal/transport"
)

// WithImageLimit sets the largest file or document image in bytes that is sent, for accounts whose
// own limit is smaller. The default is 50 MiB, the larger reading of the API's 50 MB
// (docs/api/documents.md#files).
func WithImageLimit(bytes int64) Option { return func(s *settings) { s.calls.imageLimit = bytes } }

// WithFilesReadByPOST makes Files.Get and Files.Download send POST instead of GET. One guide prints
// POST for the path of a file, everything else says GET (docs/api/disagreements.md#rulings). Use it
// only if your account refuses GET.
func WithFilesReadByPOST() Option { return func(s *settings) { s.calls.filesReadPOST = true } }

// OnProgress calls fn with how many bytes of content Files.Download or
// Documents.DownloadImage have written. The total is 0, because the API does
// not tell it. Uploads have a Progress field instead.
func OnProgress(fn func(done, total int64)) CallOption {
	return func(s *callSettings) { s.progress = fn }
}

// releaseWait is how long the end of an upload waits for a Read of the
// caller's reader that is still under way.
const releaseWait = 20 * time.Millisecond

// upload is an image on its way to the API, in the body of one call. What open
// returns is for one attempt: the first one sends the opening whose type and size
// were checked before.
type upload struct {
	body    io.Reader
	open    func() (io.ReadCloser, error) // instead of the body, or nil
	options imagebody.Options
	opening
	used   bool  // by an attempt
	failed error // of an opening after the first
	free   bool  // nothing reads the body any more
}

func (r *road) upload(
	body io.Reader, open func() (io.ReadCloser, error), size int64, progress func(sent, total int64),
) *upload {
	options := imagebody.Options{Size: size, Limit: r.settings.imageLimit, Progress: progress}
	return &upload{body: body, open: open, options: options}
}

// opening is a body whose type and size are known.
type opening struct {
	source *imagebody.Source
	closer io.Closer // nil: the caller's own reader, or closed already
}

// prepare finds type and size of the image and checks both, so that what the
// API would refuse is not sent.
func (u *upload) prepare(ctx context.Context) error {
	if u.source != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return u.look(ctx)
}

// look opens the image and looks at it. It returns when ctx ends, even if the
// reader does not; what is opened after that is closed.
func (u *upload) look(ctx context.Context) error {
	var looked opening
	done := make(chan error)
	go func() {
		var err error
		looked, err = u.begin()
		select {
		case done <- err:
		case <-ctx.Done():
			looked.close()
		}
	}()
	select {
	case err := <-done:
		if err == nil {
			u.opening = looked
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (u *upload) begin() (opening, error) {
	body, looked := u.body, opening{}
	if u.open != nil {
		opened, err := u.open()
		if err != nil {
			return opening{}, &imageError{problem: "the body cannot be opened", cause: err}
		}
		body = opened
		if !imagebody.IsNil(opened) {
			looked.closer = opened
		}
	}
	var err error
	if looked.source, err = imagebody.NewSource(body, u.options); err != nil {
		looked.close()
		return opening{}, imageProblem(err)
	}
	return looked, nil
}

func (o *opening) close() {
	if o.closer != nil {
		_ = o.closer.Close() // of what was only read
		o.closer = nil
	}
}

func (u *upload) transportBody(ctx context.Context) *transport.Body {
	b := &transport.Body{Open: u.source.Open, Length: u.source.ContentLength(), Replayable: u.source.Whole}
	if u.open != nil {
		b.Open = func() (io.ReadCloser, error) { return u.next(ctx) }
		b.Replayable = func() bool { return u.failed == nil && u.source.Err() == nil }
	}
	return b
}

// next returns the body of the next attempt, opened anew unless it is the first.
func (u *upload) next(ctx context.Context) (io.ReadCloser, error) {
	if !u.used {
		u.used = true
		return u.source.Open()
	}
	length := u.source.ContentLength()
	u.release(ctx)
	if u.failed = u.look(ctx); u.failed == nil && u.source.ContentLength() != length {
		u.failed = &imageError{problem: "the body is not of the size that it had when it was opened first"}
	}
	if u.failed != nil {
		return nil, u.failed
	}
	return u.source.Open()
}

// release ends all use of the reader and closes it if it was opened here.
func (u *upload) release(ctx context.Context) {
	if u == nil || u.source == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWait)
	defer cancel()
	u.free = u.source.Release(ctx) == nil
	u.close()
}

// finish ends all use of the caller's reader. An image that broke off is what
// failed the call: its request never reached the end of the JSON, so nothing
// can have been stored, unless the server says that it was.
func (u *upload) finish(ctx context.Context, res *transport.Result) {
	u.release(ctx)
	if err := u.source.Err(); err != nil && (res.Err != nil || res.Status/100 == 2) {
		if res.Status/100 != 2 && !res.Lost {
			res.Sent = transport.No
		}
		res.Err = imageProblem(err)
	}
	if u.failed != nil && ctx.Err() == nil {
		res.Err = u.failed
	}
}

// rewind puts a reader that can seek back to where it stood before a call that
// failed.
func (u *upload) rewind() {
	if u != nil && u.free && u.open == nil {
		_ = u.source.Rewind() // the call has an error already
	}
}

// describe makes a call whose answer describes a file or an image, and decodes
// that into out. Content in the answer is passed over, whatever it is.
func (r *road) describe(ctx context.Context, op operation, c call) error {
	c.consume = r.contentTo(nil, nil, nil)
	_, err := r.send(ctx, op, c)
	return err
}

// download reads a file or an image and streams its content into w. A content
// that the API keeps to itself is ErrContentUnavailable, with out filled in
// all the same.
func (r *road) download(ctx context.Context, op operation, c call, w io.Writer) error {
	if w == nil {
		c.problem = "the writer is nil"
	}
	var content imagebody.Content
	c.consume = r.contentTo(w, settingsOf(c.opts).progress, &content)
	c.verify = func() error {
		if content != imagebody.Present {
			return ErrContentUnavailable
		}
		return nil
	}
	_, err := r.send(ctx, op, c)
	return err
}

// described returns out also where only its content is missing.
func described[T any](out *T, err error) (*T, error) {
	if err != nil && !errors.Is(err, ErrContentUnavailable) {
		return nil, err
	}
	return out, err
}

// contentTo returns a consumer that writes the content of an answer to w, unless
// that is nil, and keeps the rest.
func (r *road) contentTo(
	w io.Writer, progress func(done, total int64), content *imagebody.Content,
) func(int, http.Header, io.Reader) ([]byte, error) {
	options := imagebody.DecodeOptions{
		Limit: max(r.settings.imageLimit, imagebody.DefaultLimit), MetaLimit: int(r.settings.maxAnswer / 16),
		Progress: progress,
	}
	return func(_ int, _ http.Header, body io.Reader) ([]byte, error) {
		got, err := imagebody.Decode(body, w, options)
		if content != nil {
			*content = got.Content
		}
		if err == nil {
			return got.Meta, nil
		}
		lost := errors.Is(err, imagebody.ErrTruncated) || errors.Is(err, imagebody.ErrResponse)
		if lost && got.Written == 0 {
			return nil, err
		}
		return nil, transport.Final(err)
	}
}

// maxReport is how large an answer may be that is streamed as it comes.
const maxReport = 500_000_000

// maxRefusal is how long a refusal with status 200 may be.
const maxRefusal = 64 << 10

// rawContent streams an answer that is no JSON into w.
type rawContent struct {
	w       io.Writer
	check   func(start []byte, h http.Header) error // of what may be written
	written int64
}

func (c *rawContent) problem() string {
	if c.w == nil {
		return "the writer is nil"
	}
	return ""
}

// consume returns a refusal with status 200 and writes everything else.
func (c *rawContent) consume(_ int, h http.Header, r io.Reader) ([]byte, error) {
	c.written = 0
	start, err := io.ReadAll(io.LimitReader(r, maxRefusal))
	if err != nil {
		return nil, err
	}
	text := bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")) // RFC 8259, 8.1
	_, plain := lookForErrors(text, false)
	if details, err := errorsRefuse.refusals(plain); len(details) > 0 || err != nil {
		return text, nil //nolint:nilerr // the road finds it in the text
	}
	if err := c.check(start, h); err != nil {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(start), r)
	w := &failingWriter{Writer: c.w}
	c.written, err = io.Copy(w, io.LimitReader(whole, maxReport))
	if w.failed {
		return nil, transport.Final(fmt.Errorf("%w: %w", imagebody.ErrWrite, err))
	}
	if err == nil && c.written == maxReport {
		if more, _ := io.ReadFull(whole, make([]byte, 1)); more > 0 {
			err = transport.ErrBodyTooLarge
		}
	}
	if err != nil && c.written > 0 {
		return nil, transport.Final(err)
	}
	return nil, err
}

// failingWriter notes that its writer failed.
type failingWriter struct {
	io.Writer
	failed bool
}

func (w *failingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.failed = err != nil || n < len(p)
	return n, err
}

// imageError is what is wrong with an image, found on this side.
type imageError struct {
	problem string
	kind    error // what it is for errors.Is, beside ErrInvalidInput
	cause   error
}

// Error says what is wrong, without a name or any content.
func (e *imageError) Error() string { return "passfort: " + e.problem }

// Unwrap returns the error of the caller's reader, if there is one.
func (e *imageError) Unwrap() error { return e.cause }

// Is matches the sentinels for bad images.
func (e *imageError) Is(target error) bool {
	return target == e.kind || target == ErrInvalidInput && e.cause == nil
}

// imageProblem puts an error of imagebody into the words of this package.
func imageProblem(err error) error {
	is := func(kind error) bool { return errors.Is(err, kind) }
	switch {
	case is(imagebody.ErrNilReader):
		return &imageError{problem: "invalid input: the body is nil"}
	case is(imagebody.ErrEmpty):
		return &imageError{problem: "invalid input: the body is empty"}
	case is(imagebody.ErrMember):
		return &imageError{problem: "invalid input: the name is not valid UTF-8"}
	case is(imagebody.ErrSizeMismatch):
		return &imageError{problem: "invalid input: the body is not of the given size"}
	case is(imagebody.ErrType):
		return &imageError{problem: "invalid input: the content is " + imagebody.Seen(err), kind: ErrImageType}
	case is(imagebody.ErrTooLarge):
		return &imageError{problem: "invalid input: the image is larger than the limit", kind: ErrImageTooLarge}
	case is(imagebody.ErrShrank):
		return &imageError{problem: "the body ended before its size: it shrank while it was sent"}
	case is(imagebody.ErrGrew):
		return &imageError{problem: "the body goes on after its size: it grew while it was sent"}
	case is(imagebody.ErrConsumed):
		return &imageError{problem: "the body can be read only once"}
	default:
		return &imageError{problem: "the body cannot be read", cause: err}
	}
}

// describeTransfer puts what went wrong with a body into words, "" if it was
// something else.
func describeTransfer(err error) string {
	var image *imageError
	is := func(kind error) bool { return errors.Is(err, kind) }
	switch {
	case errors.As(err, &image):
		return image.problem
	case is(ErrContentUnavailable):
		return "the content is kept encrypted"
	case is(imagebody.ErrShrank), is(imagebody.ErrGrew), is(imagebody.ErrTooLarge), is(imagebody.ErrSource),
		is(imagebody.ErrConsumed):
		return describeTransfer(imageProblem(err))
	case is(imagebody.ErrWrite):
		return "the content cannot be written"
	case is(imagebody.ErrTruncated):
		return "the answer ends early"
	case is(imagebody.ErrBadBase64):
		return "the content is not valid Base64"
	case is(imagebody.ErrMalformed), is(imagebody.ErrDuplicate):
		return "the answer is not valid JSON"
	case is(imagebody.ErrMetaTooLarge):
		return "the answer is larger than the limit"
	default:
		return ""
	}
}
