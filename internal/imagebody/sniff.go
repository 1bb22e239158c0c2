package imagebody

import "bytes"

// Type is an image type the API accepts, as its media type. The zero value is
// no accepted type.
type Type string

// The accepted types (sheet 2.4).
const (
	GIF  Type = "image/gif"
	JPEG Type = "image/jpeg"
	PNG  Type = "image/png"
	PDF  Type = "application/pdf"
	TIFF Type = "image/tiff"
)

// Sniff tells the type from the first bytes of the content, "" if it is none
// of the accepted ones. Names play no part. A PDF may have a byte order mark
// and white space before its marker, nothing else: a text that merely mentions
// the marker is not one. TIFF is known in both byte orders, BigTIFF included.
func Sniff(head []byte) Type {
	starts := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case starts("GIF87a"), starts("GIF89a"):
		return GIF
	case starts("\xff\xd8\xff"):
		return JPEG
	case starts("\x89PNG\r\n\x1a\n"):
		return PNG
	case starts("II*\x00"), starts("MM\x00*"), starts("II+\x00"), starts("MM\x00+"):
		return TIFF
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n\f\x00")
	if bytes.HasPrefix(text, []byte("%PDF-")) {
		return PDF
	}
	return ""
}
