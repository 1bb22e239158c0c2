package imagebody

import (
	"bytes"
	"encoding/base64"

	vector "github.com/segmentio/asm/base64"
)

// Base64 is most of the work of a transfer, and at the standard library's pace
// it decides what an upload costs. The package used here takes whole groups
// with vector instructions where the processor has them, and is the standard
// library elsewhere and at the edges. It trusts the length of dst, so that is
// checked before.

// encodeBase64 writes the padded Base64 form of src to dst.
func encodeBase64(dst, src []byte) {
	vector.StdEncoding.Encode(dst[:base64.StdEncoding.EncodedLen(len(src))], src)
}

// decodeBase64 writes what the whole groups in src stand for to dst and returns
// how many bytes that was. Only the last group may be padded.
func decodeBase64(dst, src []byte) (int, error) {
	n, err := vector.StdEncoding.Decode(dst[:base64.StdEncoding.DecodedLen(len(src))], src)
	padded := len(src) - len(bytes.TrimRight(src, "="))
	if err != nil || n != len(src)/4*3-padded { // a line break is skipped
		return 0, ErrBadBase64
	}
	return n, nil
}

// decodeUnpadded is decodeBase64 for a last group without padding.
func decodeUnpadded(dst, src []byte) (int, error) {
	n, err := base64.RawStdEncoding.Decode(dst, src)
	if err != nil || n != base64.RawStdEncoding.DecodedLen(len(src)) {
		return 0, ErrBadBase64
	}
	return n, nil
}
