package imagebody_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// gate lets the first reads pass and stops at the next one until it may proceed.
type gate struct {
	r                io.Reader
	free             int
	started, proceed chan struct{}
	once             sync.Once
}

func (g *gate) Read(p []byte) (int, error) {
	if g.free--; g.free < 0 {
		g.once.Do(func() { close(g.started) })
		<-g.proceed
	}
	return g.r.Read(p)
}

func (g *gate) Seek(offset int64, whence int) (int64, error) {
	if s, ok := g.r.(io.Seeker); ok {
		return s.Seek(offset, whence)
	}
	return 0, errors.ErrUnsupported
}

// growing is a file that someone appends to after it was measured.
type growing struct{ *bytes.Reader }

// stuck can be measured and put back but not moved anywhere else.
type stuck struct{ *bytes.Reader }

func (s *stuck) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart && offset != 0 {
		return 0, errors.New("the tape is stuck")
	}
	return s.Reader.Seek(offset, whence)
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

type lying struct{}

func (lying) Read(p []byte) (int, error) { return len(p) + 1, nil }

// seeker answers Seek itself.
type seeker struct {
	*bytes.Reader
	seek func(r *bytes.Reader, offset int64, whence int) (int64, error)
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	return s.seek(s.Reader, offset, whence)
}
func (*seeker) Len() {} // hides the reader's

// silent is a file like those of /proc, which have a size of 0.
type silent struct{ io.Reader }

func (silent) Stat() (fs.FileInfo, error) {
	return fs.Stat(fstest.MapFS{"empty": {}}, "empty")
}

const pngHead = "\x89PNG\r\n\x1a\n"

// picture is an endless PNG by its head, n bytes of it, never held whole.
type picture struct{ at, n int64 }

func (p *picture) Read(b []byte) (int, error) {
	if p.at == p.n {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.n-p.at)]
	for i := range b {
		if at := p.at + int64(i); at < int64(len(pngHead)) {
			b[i] = pngHead[at]
		} else {
			b[i] = byte(at ^ at>>8*31 ^ at>>16)
		}
	}
	p.at += int64(len(b))
	return len(b), nil
}

func image(t testing.TB, n int) []byte {
	b, err := io.ReadAll(&picture{n: int64(n)})
	require.NoError(t, err)
	return b
}

// plain hides every method but Read.
func plain(r io.Reader) io.Reader { return struct{ io.Reader }{r} }
