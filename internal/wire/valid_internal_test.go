package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

// standsForItself reports whether a byte needs no look in a string.
func standsForItself(c byte) bool { return c >= 0x20 && c != '"' && c != '\\' }

// Each pair of bytes is at each place, as a borrow goes to the next byte, among bytes at
// the edges of what is special.
func TestSpecialFindsTheFirst(t *testing.T) {
	t.Parallel()
	edges := []byte{0x00, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x5b, 0x5c, 0x5d, 0x7f, 0x80, 0xa0, 0xa1, 0xa2, 0xdc, 0xff}
	for _, edge := range edges {
		for at := range 7 {
			eight := [8]byte(bytes.Repeat([]byte{edge}, 8))
			for pair := range 1 << 16 {
				binary.LittleEndian.PutUint16(eight[at:], uint16(pair))
				first := 0
				for first < 8 && standsForItself(eight[first]) {
					first++
				}
				found := special(binary.LittleEndian.Uint64(eight[:]))
				if bits.TrailingZeros64(found)/8 != first {
					require.Failf(t, "another first", "% x: %016x, not %d", eight, found, first)
				}
			}
		}
	}
}

// An escape in a value, of half a pair too, leaves nothing to a slower reader.
func TestLookIsSure(t *testing.T) {
	t.Parallel()
	for text, expected := range map[string]bool{
		`{"a":"\ud83d\ude00 \n"}`: true, `["\ud83d"]`: true, `{"\u0061":1}`: false,
	} {
		doc := Look([]byte(text), "", true)
		require.True(t, doc.Valid(), text)
		require.Equal(t, expected, !doc.unsure, text)
	}
}
