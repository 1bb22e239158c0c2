package imagebody

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// The vector code must agree with the standard library on every length around
// its strides, and find a wrong byte wherever it is.
func TestBase64AgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 300)
	for i := range raw {
		raw[i] = byte(i*151 + i>>3)
	}
	for n := range len(raw) {
		want := base64.StdEncoding.EncodeToString(raw[:n])
		// What lies behind the text must stay as it was.
		encoded := bytes.Repeat([]byte{0xaa}, len(want)+64)
		encodeBase64(encoded, raw[:n])
		require.Equal(t, want, string(encoded[:len(want)]))
		require.Equal(t, bytes.Repeat([]byte{0xaa}, 64), encoded[len(want):])

		decoded := make([]byte, base64.StdEncoding.DecodedLen(len(want)))
		got, err := decodeBase64(decoded, []byte(want))
		require.NoError(t, err)
		require.Equal(t, raw[:n], decoded[:got])
	}
	text := []byte(base64.StdEncoding.EncodeToString(raw[:150]))
	out := make([]byte, 150)
	for at := range text {
		for c := range 256 {
			if bytes.IndexByte([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
				byte(c)) >= 0 || c == '=' && at == len(text)-1 {
				continue
			}
			was := text[at]
			text[at] = byte(c)
			_, err := decodeBase64(out, text)
			text[at] = was
			require.ErrorIs(t, err, ErrBadBase64, "%q at %d", c, at)
		}
	}
}
