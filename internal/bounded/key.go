package bounded

import (
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"
)

// maxKey is the longest key that is kept as it is, in bytes.
const maxKey = 128

// Key returns what a Map keeps for a key from outside, so that no key takes more
// than its part: the key itself if it is short, and its hash otherwise.
func Key(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Bytes is an amount of memory that many take from.
type Bytes struct{ free atomic.Int64 }

// NewBytes returns an amount of n bytes.
func NewBytes(n int64) *Bytes {
	b := &Bytes{}
	b.free.Store(n)
	return b
}

// Take takes n bytes, or reports that there are not as many.
func (b *Bytes) Take(n int64) bool {
	if b.free.Add(-n) >= 0 {
		return true
	}
	b.free.Add(n)
	return false
}

// Give gives n bytes back.
func (b *Bytes) Give(n int64) { b.free.Add(n) }
