package imagebody

import "errors"

// What can be wrong with an image to send.
var (
	ErrNilReader    = errors.New("imagebody: no reader")
	ErrMember       = errors.New("imagebody: a member is not valid UTF-8")
	ErrEmpty        = errors.New("imagebody: the image is empty")
	ErrType         = errors.New("imagebody: not a GIF, JPG, PNG, PDF or TIFF")
	ErrSizeMismatch = errors.New("imagebody: the image is not of the given size")
	// ErrTooLarge is also the error of an image that passes its limit while it is read back.
	ErrTooLarge = errors.New("imagebody: the image is larger than the limit")
	// ErrShrank and ErrGrew are found while sending. The request was broken off.
	ErrShrank = errors.New("imagebody: the image ended before its size")
	ErrGrew   = errors.New("imagebody: the image goes on after its size")
	// ErrSource wraps what the caller's reader failed with.
	ErrSource = errors.New("imagebody: the image cannot be read")
	// ErrConsumed refuses a second pass over a reader that cannot go back.
	ErrConsumed = errors.New("imagebody: the image can be read only once")
)

// What can be wrong with an answer that holds an image.
var (
	ErrMalformed = errors.New("imagebody: the answer is not a valid JSON object")
	ErrTruncated = errors.New("imagebody: the answer ends early")
	ErrDuplicate = errors.New("imagebody: the answer holds two images")
	ErrBadBase64 = errors.New("imagebody: the image is not valid Base64")
	// ErrMetaTooLarge means that the members beside the image exceed their limit.
	ErrMetaTooLarge = errors.New("imagebody: the answer's other members are too large")
	// ErrResponse wraps what the response failed with while it was read.
	ErrResponse = errors.New("imagebody: the answer cannot be read")
	// ErrWrite wraps what the caller's writer failed with.
	ErrWrite = errors.New("imagebody: the image cannot be written")
)

// typeError is ErrType with what the content is instead, "" if that is not known.
type typeError struct{ seen string }

func (e *typeError) Error() string        { return ErrType.Error() }
func (e *typeError) Is(target error) bool { return target == ErrType }

// Seen says what an image that failed with ErrType is, and which types are accepted.
func Seen(err error) string {
	var foreign *typeError
	if errors.As(err, &foreign) && foreign.seen != "" {
		return foreign.seen + ", not a GIF, JPG, PNG, PDF or TIFF"
	}
	return "of no known type, not a GIF, JPG, PNG, PDF or TIFF"
}

var errClosed = errors.New("imagebody: closed")

// fault is one of the errors above with its cause. The text leaves the cause
// out: the errors of readers and writers like to name files and people.
type fault struct{ kind, cause error }

func (f *fault) Error() string   { return f.kind.Error() }
func (f *fault) Unwrap() []error { return []error{f.kind, f.cause} }
