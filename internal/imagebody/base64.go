package imagebody

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"sync"
)

// Base64 is most of the work of a transfer, and the standard library's pace
// decides what an upload costs. The loops here take whole groups by table, at
// about twice that pace; everything at the edges and everything wrong is left
// to the standard library.

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

type base64Tables struct {
	pair pairTable
	bits [4][256]uint32 // the bits of a character by its place in the group
}

type pairTable [1 << 12]uint16 // two characters for twelve bits

// notBase64 marks a character outside the alphabet.
const notBase64 = 1 << 31

var tables = sync.OnceValue(func() *base64Tables {
	t := new(base64Tables)
	for i := range t.pair {
		t.pair[i] = uint16(alphabet[i>>6])<<8 | uint16(alphabet[i&63])
	}
	for c := range 256 {
		value := strings.IndexByte(alphabet, byte(c))
		for place := range 4 {
			t.bits[place][c] = notBase64
			if value >= 0 {
				t.bits[place][c] = uint32(value) << (18 - 6*place)
			}
		}
	}
	return t
})

// encodeBase64 writes the padded Base64 form of src to dst.
func encodeBase64(dst, src []byte) {
	t := &tables().pair
	for len(src) >= 26 && len(dst) >= 32 {
		// Each load takes six bytes and two more that the next one takes again.
		s, d := src[:26:26], dst[:32:32]
		binary.BigEndian.PutUint64(d, t.eight(binary.BigEndian.Uint64(s)))
		binary.BigEndian.PutUint64(d[8:], t.eight(binary.BigEndian.Uint64(s[6:])))
		binary.BigEndian.PutUint64(d[16:], t.eight(binary.BigEndian.Uint64(s[12:])))
		binary.BigEndian.PutUint64(d[24:], t.eight(binary.BigEndian.Uint64(s[18:])))
		src, dst = src[24:], dst[32:]
	}
	base64.StdEncoding.Encode(dst, src)
}

// eight returns the eight characters for the upper six bytes of v.
func (t *pairTable) eight(v uint64) uint64 {
	return uint64(t[v>>52])<<48 | uint64(t[v>>40&0xfff])<<32 | uint64(t[v>>28&0xfff])<<16 | uint64(t[v>>16&0xfff])
}

// decodeBase64 writes what the whole groups in src stand for to dst and returns
// how many bytes that was. Only the last group may be padded. Unlike the
// standard library it does not skip line breaks.
func decodeBase64(dst, src []byte) (int, error) {
	t := &tables().bits
	n := 0
	for len(src) >= 8 && len(dst)-n >= 8 {
		s := src[:8:8]
		x := t[0][s[0]] | t[1][s[1]] | t[2][s[2]] | t[3][s[3]]
		y := t[0][s[4]] | t[1][s[5]] | t[2][s[6]] | t[3][s[7]]
		if (x|y)&notBase64 != 0 {
			break
		}
		binary.BigEndian.PutUint64(dst[n:], uint64(x)<<40|uint64(y)<<16)
		src, n = src[8:], n+6
	}
	tail, err := decodeTail(base64.StdEncoding, dst[n:], src)
	return n + tail, err
}

func decodeTail(enc *base64.Encoding, dst, src []byte) (int, error) {
	if bytes.IndexByte(src, '\n') >= 0 || bytes.IndexByte(src, '\r') >= 0 {
		return 0, ErrBadBase64
	}
	n, err := enc.Decode(dst, src)
	if err != nil {
		return 0, ErrBadBase64
	}
	return n, nil
}
