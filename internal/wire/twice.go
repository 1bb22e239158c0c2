package wire

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// placeBits are those of a number that hold a place in a text, the rest is of a hash.
const placeBits = 40

// hasTwice reports whether a text that is JSON has a name twice in an object, however it
// is spelled, with U+FFFD for what is not Unicode. It holds eight bytes for each name of
// the objects that are open at once.
func hasTwice(text []byte) bool {
	most, twice := 0, false
	eachName(text, func(n int, _ span) { most = max(most, n+1) }, func(int, int) bool { return true })
	seed, names := maphash.MakeSeed(), make([]uint64, most)
	eachName(text, func(n int, at span) {
		names[n] = hashOf(seed, text[at.from:at.to])<<placeBits | uint64(at.from) //nolint:gosec // a place
	}, func(from, to int) bool {
		twice = hasSame(text, names[from:to])
		return !twice
	})
	return twice
}

// eachName calls name with each name in quotes, and with how many others there are in the
// objects that are open, and end with which of them are those of an object that ends.
func eachName(text []byte, name func(n int, at span), end func(from, to int) (goOn bool)) {
	g := grammar{text: text}
	var begins []int // where the names of each object that is open begin
	var last span
	for at, n := 0, 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			last = span{at, g.stringEnd(at)}
			at = last.to - 1
		case ':':
			name(n, last)
			n++
		case '{':
			begins = append(begins, n)
		case '}':
			to := n
			n, begins = begins[len(begins)-1], begins[:len(begins)-1]
			if !end(n, to) {
				return
			}
		}
	}
}

// hashOf returns a hash of what a name in quotes stands for.
func hashOf(seed maphash.Seed, name []byte) uint64 {
	if plain := name[1 : len(name)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return maphash.Bytes(seed, plain)
	}
	var h maphash.Hash
	h.SetSeed(seed)
	var room [utf8.UTFMax]byte
	for at := 1; at < len(name)-1; {
		var r rune
		r, at = runeAt(name, at)
		_, _ = h.Write(utf8.AppendRune(room[:0], r))
	}
	return h.Sum64()
}

// hasSame reports whether two of the names are the same. It sorts them.
func hasSame(text []byte, names []uint64) bool {
	const place = 1<<placeBits - 1
	slices.Sort(names)
	for i, one := range names {
		for _, other := range names[i+1:] {
			if one>>placeBits != other>>placeBits {
				break
			}
			if isSame(text[one&place:], text[other&place:]) {
				return true
			}
		}
	}
	return false
}

// isSame reports whether two texts begin with the same string.
func isSame(a, b []byte) bool {
	for i, j := 1, 1; ; {
		if a[i] == '"' || b[j] == '"' {
			return a[i] == b[j]
		}
		var r, other rune
		r, i = runeAt(a, i)
		other, j = runeAt(b, j)
		if r != other {
			return false
		}
	}
}

// runeAt returns what stands at a place inside a string, and the place behind it.
func runeAt(text []byte, at int) (rune, int) {
	if text[at] != '\\' {
		r, n := utf8.DecodeRune(text[at:])
		return r, at + n
	}
	c := text[at+1]
	if c == 'u' {
		r := unit(text[at+2:])
		if !utf16.IsSurrogate(r) {
			return r, at + 6
		}
		if text[at+6] == '\\' && text[at+7] == 'u' {
			if pair := utf16.DecodeRune(r, unit(text[at+8:])); pair != utf8.RuneError {
				return pair, at + 12
			}
		}
		return utf8.RuneError, at + 6
	}
	if i := strings.IndexByte("bfnrt", c); i >= 0 {
		c = "\b\f\n\r\t"[i]
	}
	return rune(c), at + 2
}

// unit returns the number that four hexadecimal digits stand for.
func unit(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(n) //nolint:gosec // of 16 bits
}
