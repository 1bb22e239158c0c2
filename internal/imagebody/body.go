package imagebody

import (
	"encoding/base64"
	"io"
	"sync"
)

// rawSize is how much of the image is held at once: whole groups of three, and
// as much as fills the buffer net/http copies with.
const rawSize = 3 * 8 << 10

// body is one pass over a source. It encodes straight into the buffer it is
// given; the only buffer of its own holds raw image bytes. Close may be called
// while Read runs, as net/http does, and does not wait for it.
type body struct {
	src   *Source
	done  chan struct{}
	close sync.Once

	ready []byte // encoded, to be handed out first
	group [4]byte
	buf   []byte
	raw   []byte // what of buf is not encoded yet
	taken int64  // image bytes read from the source
	sent  int64  // image bytes encoded
	// placed: the reader stands where taken says. ended: no raw bytes come after
	// raw. closing: the suffix has been put into ready.
	placed, ended, closing bool
	err                    error

	ask chan []byte // to the goroutine that waits for a reader, and its answer
	got chan got
}

func (b *body) Close() error {
	b.close.Do(func() { close(b.done) })
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if closed(b.done) || b.src.latest.Load() != b || closed(b.src.released) {
		return 0, errClosed
	}
	before, n := b.sent, 0
	for n < len(p) && b.err == nil {
		switch {
		case len(b.ready) > 0:
			c := copy(p[n:], b.ready)
			b.ready = b.ready[c:]
			n += c
		case len(b.raw) > 0:
			n += b.encode(p[n:])
		case !b.ended:
			b.err = b.fill()
		case !b.closing:
			b.ready, b.closing = b.src.suffix, true
		default:
			b.err = io.EOF
		}
	}
	if b.sent > before && b.src.progress != nil && b.src.enter(b) {
		b.src.progress(b.sent, max(b.src.size, 0))
		b.src.leave()
	}
	return n, b.err
}

// encode turns raw bytes into p, as many groups as fit. A group that does not
// fit goes by way of ready.
func (b *body) encode(p []byte) int {
	dst, groups := p, len(p)/4
	if groups == 0 {
		dst, groups = b.group[:], 1
	}
	n := min(groups*3, len(b.raw))
	if n < len(b.raw) || !b.ended {
		n -= n % 3
	}
	encodeBase64(dst, b.raw[:n])
	b.raw = b.raw[n:]
	b.sent += int64(n)
	encoded := base64.StdEncoding.EncodedLen(n)
	if len(p) < 4 {
		b.ready = b.group[:]
		return 0
	}
	return encoded
}

// fill reads until the buffer is full, so that only the last one may end
// within a group.
func (b *body) fill() error {
	if b.buf == nil {
		b.buf = make([]byte, rawSize)
	}
	n := 0
	for n < len(b.buf) && !b.ended {
		c, err := b.src.read(b, b.buf[n:])
		n += c
		if err == io.EOF { //nolint:errorlint // a reader ends with io.EOF itself; one that wraps it has failed
			b.ended = true
		} else if err != nil {
			return err
		}
	}
	b.raw = b.buf[:n]
	return nil
}
