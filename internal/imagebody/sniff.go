package imagebody

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
)

// Type is an image type the API accepts, as its media type. The zero value is
// no accepted type.
type Type string

// The accepted types (docs/api/documents.md#files).
const (
	GIF  Type = "image/gif"
	JPEG Type = "image/jpeg"
	PNG  Type = "image/png"
	PDF  Type = "application/pdf"
	TIFF Type = "image/tiff"
)

// Sniff returns the type from the first bytes of the content, "" if it is none
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

// foreignTypes are what people try to send instead: the start of the content, or what
// follows at an offset, and a name for it.
var foreignTypes = []struct {
	at    int
	magic string
	name  string
}{
	{4, "ftypheic", "HEIC"}, {4, "ftypheix", "HEIC"}, {4, "ftyphevc", "HEIC"}, {4, "ftyphevx", "HEIC"},
	{4, "ftypheim", "HEIC"}, {4, "ftypheis", "HEIC"}, {4, "ftypmif1", "HEIF"}, {4, "ftypmsf1", "HEIF"},
	{4, "ftypavif", "AVIF"}, {4, "ftypavis", "AVIF"}, {4, "ftyp", "a video"}, {4, "JXL ", "JPEG XL"},
	{0, "\xff\x0a", "JPEG XL"}, {4, "jP  ", "JPEG 2000"}, {0, "\xff\x4f\xff\x51", "JPEG 2000"},
	{8, "WEBP", "WebP"}, {0, "BM", "BMP"}, {0, "\x00\x00\x01\x00", "an icon"}, {0, "8BPS", "a Photoshop file"},
	{0, "PK\x03\x04", "a ZIP archive or an Office document"},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"}, {0, "{\\rtf", "RTF"},
	{0, "%!PS", "PostScript"}, {0, "\x1f\x8b", "gzip"}, {0, "7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{0, "Rar!", "a RAR archive"}, {0, "\x1aE\xdf\xa3", "a video"}, {0, "data:", "a data URI: decode its Base64 first"},
}

// foreign names what the content is if it is none of the accepted types, "" if
// that cannot be known. The name never repeats any of the content.
func foreign(head []byte) string {
	for _, t := range foreignTypes {
		if len(head) > t.at && bytes.HasPrefix(head[t.at:], []byte(t.magic)) {
			return t.name
		}
	}
	kind, _, _ := strings.Cut(http.DetectContentType(head), ";")
	text := bytes.ToLower(head)
	switch {
	case kind == "text/html":
		return "HTML"
	case kind == "text/xml" && !bytes.Contains(text, []byte("<svg")):
		return "XML"
	case kind == "text/xml", bytes.HasPrefix(text, []byte("<svg")):
		return "SVG"
	case kind != "text/plain":
		return ""
	case isEncoded(head):
		return "Base64 text: give the image itself"
	}
	return "text"
}

// isEncoded reports whether text is the Base64 of one of the accepted types.
func isEncoded(text []byte) bool {
	start := bytes.TrimSpace(text)
	start = start[:min(len(start)/4*4, 12)]
	raw, err := base64.StdEncoding.DecodeString(string(start))
	return err == nil && Sniff(raw) != ""
}
