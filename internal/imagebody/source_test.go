package imagebody_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/imagebody"
)

func object(img []byte) string {
	return `{"data":"` + base64.StdEncoding.EncodeToString(img) + `"}`
}

func open(t testing.TB, s *imagebody.Source) io.ReadCloser {
	b, err := s.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// drain reads with a buffer of the given size.
func drain(r io.Reader, buffer int) (string, error) {
	var out strings.Builder
	_, err := io.CopyBuffer(struct{ io.Writer }{&out}, plain(r), make([]byte, buffer))
	return out.String(), err
}

// statOnly is an opened file that has its size by Stat and cannot seek.
type statOnly struct{ fs.File }

func TestBodyIsExact(t *testing.T) {
	t.Parallel()
	readers := map[string]struct {
		of    func(t *testing.T, img []byte) io.Reader
		known bool
	}{
		"seekable": {func(_ *testing.T, img []byte) io.Reader { return bytes.NewReader(img) }, true},
		"length":   {func(_ *testing.T, img []byte) io.Reader { return bytes.NewBuffer(img) }, true},
		"stat": {func(t *testing.T, img []byte) io.Reader {
			f, err := fstest.MapFS{"a": {Data: img}}.Open("a")
			require.NoError(t, err)
			return statOnly{f}
		}, true},
		"unknown": {func(_ *testing.T, img []byte) io.Reader { return plain(bytes.NewReader(img)) }, false},
		"one by one": {func(_ *testing.T, img []byte) io.Reader {
			return iotest.OneByteReader(bytes.NewReader(img))
		}, false},
		"by halves": {func(_ *testing.T, img []byte) io.Reader {
			return iotest.HalfReader(bytes.NewReader(img))
		}, false},
		"EOF together": {func(_ *testing.T, img []byte) io.Reader {
			return iotest.DataErrReader(bytes.NewReader(img))
		}, false},
	}
	for name, row := range readers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{8, 9, 10, 11, 1022, 1023, 1024, 1025, 1026, 24575, 24576, 24577, 24578, 49152,
				49153, 1_000_003} {
				img := image(t, n)
				s, err := imagebody.NewSource(row.of(t, img), imagebody.Options{})
				require.NoError(t, err)
				require.Equal(t, imagebody.PNG, s.Type())
				size, known := s.Size()
				// What ends within the head is known whatever the reader says.
				require.Equal(t, row.known || n < 1024, known, n)
				want := object(img)
				if known {
					require.EqualValues(t, n, size)
					require.EqualValues(t, len(want), s.ContentLength())
				} else {
					require.EqualValues(t, -1, s.ContentLength())
				}
				got, err := drain(open(t, s), 32<<10)
				require.NoError(t, err)
				require.True(t, want == got, n)
				require.NoError(t, s.Err())
			}
		})
	}
}

func TestBodyFitsAnyBuffer(t *testing.T) {
	t.Parallel()
	for extra := range 4 {
		img := append([]byte("\xff\xd8\xff"), image(t, 50_000)[:49_997-3+extra]...)
		s, err := imagebody.NewSource(bytes.NewReader(img), imagebody.Options{})
		require.NoError(t, err)
		for _, buffer := range []int{1, 2, 3, 4, 5, 7, 512, 4096, 32767, 32768, 32769, 1 << 20} {
			got, err := drain(open(t, s), buffer)
			require.NoError(t, err)
			require.True(t, object(img) == got, buffer)
		}
	}
	for _, img := range []string{"\xff\xd8\xff", "\xff\xd8\xff1", "\xff\xd8\xff12"} {
		s, err := imagebody.NewSource(strings.NewReader(img), imagebody.Options{})
		require.NoError(t, err)
		got, err := drain(open(t, s), 1)
		require.NoError(t, err)
		require.Equal(t, object([]byte(img)), got)
	}
}

func TestMembersComeFirst(t *testing.T) {
	t.Parallel()
	s, err := imagebody.NewSource(strings.NewReader(pngHead), imagebody.Options{Members: []imagebody.Member{
		{Name: "name", Value: "a \"quoted\" name\n\u2028.png"}, {Name: "image_type", Value: "FRONT"},
	}})
	require.NoError(t, err)
	got, err := drain(open(t, s), 100)
	require.NoError(t, err)
	require.EqualValues(t, len(got), s.ContentLength())
	require.True(t, strings.HasPrefix(got, `{"name":`))
	var back map[string]string
	require.NoError(t, json.Unmarshal([]byte(got), &back))
	require.Equal(t, map[string]string{
		"name": "a \"quoted\" name\n\u2028.png", "image_type": "FRONT",
		"data": base64.StdEncoding.EncodeToString([]byte(pngHead)),
	}, back)
}

func TestStartsWhereTheReaderStood(t *testing.T) {
	t.Parallel()
	img := image(t, 40_000)
	path := filepath.Join(t.TempDir(), "scan")
	require.NoError(t, os.WriteFile(path, append([]byte("before"), img...), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Seek(6, io.SeekStart)
	require.NoError(t, err)

	s, err := imagebody.NewSource(f, imagebody.Options{Size: int64(len(img))})
	require.NoError(t, err)
	require.True(t, s.Replayable())
	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.EqualValues(t, 6, at, "put back")
	for range 2 {
		got, err := drain(open(t, s), 32<<10)
		require.NoError(t, err)
		require.True(t, object(img) == got)
	}
}

func TestRefusedBeforeAByteLeaves(t *testing.T) {
	t.Parallel()
	cause := errors.New("secret-name.png is gone")
	for name, row := range map[string]struct {
		r    io.Reader
		o    imagebody.Options
		want error
	}{
		"nil":               {nil, imagebody.Options{}, imagebody.ErrNilReader},
		"nil pointer":       {(*bytes.Buffer)(nil), imagebody.Options{}, imagebody.ErrNilReader},
		"empty seekable":    {strings.NewReader(""), imagebody.Options{}, imagebody.ErrEmpty},
		"empty stream":      {plain(strings.NewReader("")), imagebody.Options{}, imagebody.ErrEmpty},
		"no body":           {http.NoBody, imagebody.Options{}, imagebody.ErrEmpty},
		"text":              {strings.NewReader("hello, this is no image"), imagebody.Options{}, imagebody.ErrType},
		"seekable too long": {bytes.NewReader(image(t, 101)), imagebody.Options{Limit: 100}, imagebody.ErrTooLarge},
		"short too long": {plain(bytes.NewReader(image(t, 101))), imagebody.Options{Limit: 100},
			imagebody.ErrTooLarge},
		"given too long": {plain(&picture{n: 1 << 30}), imagebody.Options{Size: 50<<20 + 1}, imagebody.ErrTooLarge},
		"longer than given": {bytes.NewReader(image(t, 5001)), imagebody.Options{Size: 5000},
			imagebody.ErrSizeMismatch},
		"less than given":  {bytes.NewReader(image(t, 4999)), imagebody.Options{Size: 5000}, imagebody.ErrSizeMismatch},
		"length disagrees": {bytes.NewBuffer(image(t, 4999)), imagebody.Options{Size: 5000}, imagebody.ErrSizeMismatch},
		"head ends early": {plain(bytes.NewReader(image(t, 99))), imagebody.Options{Size: 100},
			imagebody.ErrSizeMismatch},
		"head goes on": {plain(bytes.NewReader(image(t, 101))), imagebody.Options{Size: 100},
			imagebody.ErrSizeMismatch},
		"negative size": {bytes.NewReader(image(t, 99)), imagebody.Options{Size: -1}, imagebody.ErrSizeMismatch},
		"broken":        {iotest.ErrReader(cause), imagebody.Options{}, imagebody.ErrSource},
		"bad name": {bytes.NewReader(image(t, 99)), imagebody.Options{
			Members: []imagebody.Member{{Name: "name", Value: "caf\xe9"}}}, imagebody.ErrMember},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := imagebody.NewSource(row.r, row.o)
			require.Nil(t, s)
			require.ErrorIs(t, err, row.want)
			require.NotContains(t, err.Error(), "secret")
			if errors.Is(row.want, imagebody.ErrSource) {
				require.ErrorIs(t, err, cause)
			}
			if seeker, ok := row.r.(io.Seeker); ok {
				at, err := seeker.Seek(0, io.SeekCurrent)
				require.NoError(t, err)
				require.Zero(t, at, "put back")
			}
		})
	}
}

func TestLimitIsInclusive(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{50_000_000, 50 << 20} {
		_, err := imagebody.NewSource(plain(&picture{n: n}), imagebody.Options{Size: n})
		require.NoError(t, err)
	}
	for _, n := range []int64{100, 50_000} {
		s, err := imagebody.NewSource(plain(&picture{n: n}), imagebody.Options{Limit: n})
		require.NoError(t, err)
		_, err = drain(open(t, s), 4096)
		require.NoError(t, err)
	}
}

func TestReadersThatDoNotTellTheirSize(t *testing.T) {
	t.Parallel()
	img := image(t, 50_000)
	noEnd := func(r *bytes.Reader, offset int64, whence int) (int64, error) {
		if whence == io.SeekEnd {
			return 7, errors.New("no end")
		}
		return r.Seek(offset, whence)
	}
	for name, row := range map[string]struct {
		r          io.Reader
		replayable bool
	}{
		"end cannot be sought": {&seeker{bytes.NewReader(img), noEnd}, true},
		"size of 0":            {silent{bytes.NewReader(img)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := imagebody.NewSource(row.r, imagebody.Options{})
			require.NoError(t, err)
			require.EqualValues(t, -1, s.ContentLength())
			require.Equal(t, row.replayable, s.Replayable())
			got, err := drain(open(t, s), 4096)
			require.NoError(t, err)
			require.True(t, object(img) == got)
		})
	}
}

func TestReaderThatStandsElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	elsewhere := func(r *bytes.Reader, offset int64, whence int) (int64, error) {
		at, err := r.Seek(offset, whence)
		if whence == io.SeekStart {
			at++
		}
		return at, err
	}
	_, err := imagebody.NewSource(&seeker{bytes.NewReader(image(t, 5000)), elsewhere}, imagebody.Options{})
	require.ErrorIs(t, err, imagebody.ErrSource)
}

// What follows the image in the caller's reader is the caller's.
func TestTakesOneByteTooManyAtMost(t *testing.T) {
	t.Parallel()
	p := &picture{n: 100_000}
	s, err := imagebody.NewSource(plain(p), imagebody.Options{Size: 5000})
	require.NoError(t, err)
	_, err = drain(open(t, s), 4096)
	require.ErrorIs(t, err, imagebody.ErrGrew)
	require.EqualValues(t, 5001, p.at)
}

// A body that meets trouble never ends its string, so the server cannot take
// it for an image.
func TestTroubleWhileSending(t *testing.T) {
	t.Parallel()
	cause := errors.New("secret-name.png is gone")
	for name, row := range map[string]struct {
		r    io.Reader
		o    imagebody.Options
		want error
	}{
		"shrank":       {plain(&picture{n: 49_999}), imagebody.Options{Size: 50_000}, imagebody.ErrShrank},
		"grew":         {plain(&picture{n: 50_001}), imagebody.Options{Size: 50_000}, imagebody.ErrGrew},
		"grew at edge": {plain(&picture{n: 24_577}), imagebody.Options{Size: 24_576}, imagebody.ErrGrew},
		"file grew":    {&growing{bytes.NewReader(image(t, 50_000))}, imagebody.Options{}, imagebody.ErrGrew},
		"over limit":   {plain(&picture{n: 50_001}), imagebody.Options{Limit: 50_000}, imagebody.ErrTooLarge},
		"reader fails": {io.MultiReader(&picture{n: 30_000}, iotest.ErrReader(cause)), imagebody.Options{},
			imagebody.ErrSource},
		"cannot seek": {&stuck{bytes.NewReader(image(t, 50_000))}, imagebody.Options{}, imagebody.ErrSource},
		"idle":        {io.MultiReader(&picture{n: 30_000}, idle{}), imagebody.Options{}, imagebody.ErrSource},
		"lying count": {io.MultiReader(&picture{n: 30_000}, lying{}), imagebody.Options{}, imagebody.ErrSource},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := imagebody.NewSource(row.r, row.o)
			require.NoError(t, err)
			if g, ok := row.r.(*growing); ok {
				g.Reader = bytes.NewReader(image(t, 50_001))
			}
			body := open(t, s)
			got, err := drain(body, 4096)
			require.ErrorIs(t, err, row.want)
			require.ErrorIs(t, s.Err(), row.want)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, got, `"}`)
			_, again := body.Read(make([]byte, 10))
			require.Equal(t, err, again)
			_, err = s.Open()
			require.ErrorIs(t, err, row.want, "a broken source is not opened again")
		})
	}
}

func TestNothingIsReadBeforeTheBodyIs(t *testing.T) {
	t.Parallel()
	s, err := imagebody.NewSource(plain(&picture{n: 50_000}), imagebody.Options{})
	require.NoError(t, err)
	require.False(t, s.Replayable())
	for range 3 {
		body, err := s.Open()
		require.NoError(t, err)
		require.NoError(t, body.Close())
		_, err = body.Read(make([]byte, 10))
		require.Error(t, err)
	}
	first, second := open(t, s), open(t, s)
	_, err = first.Read(make([]byte, 10))
	require.Error(t, err, "a later body counts")
	got, err := drain(second, 4096)
	require.NoError(t, err)
	require.True(t, object(image(t, 50_000)) == got)
	_, err = s.Open()
	require.ErrorIs(t, err, imagebody.ErrConsumed)
	require.NoError(t, s.Err())
}

func TestConsumedBetweenOpenAndRead(t *testing.T) {
	t.Parallel()
	started, proceed := make(chan struct{}), make(chan struct{})
	s, err := imagebody.NewSource(&gate{r: &picture{n: 50_000}, free: 1, started: started, proceed: proceed},
		imagebody.Options{})
	require.NoError(t, err)
	first := open(t, s)
	read := make(chan error)
	go func() { _, err := first.Read(make([]byte, 4096)); read <- err }()
	<-started
	_, err = s.Open()
	require.ErrorIs(t, err, imagebody.ErrConsumed)
	close(proceed)
	require.NoError(t, <-read)
}

// An attempt that is given up may still be in a Read when the next one starts.
func TestOldBodyStealsNothing(t *testing.T) {
	t.Parallel()
	img := image(t, 100_000)
	started, proceed := make(chan struct{}), make(chan struct{})
	r := &gate{r: bytes.NewReader(img), free: 1, started: started, proceed: proceed}
	s, err := imagebody.NewSource(r, imagebody.Options{})
	require.NoError(t, err)
	old := open(t, s)
	read := make(chan error)
	go func() { _, err := io.Copy(io.Discard, plain(old)); read <- err }()
	<-started
	require.NoError(t, old.Close())
	body := open(t, s)
	go close(proceed)
	got, err := drain(body, 32<<10)
	require.NoError(t, err)
	require.True(t, object(img) == got)
	require.Error(t, <-read)
	require.NoError(t, s.Err(), "the old body's end is not the image's")
}

func TestCloseFreesABodyThatWaitsItsTurn(t *testing.T) {
	t.Parallel()
	started, proceed := make(chan struct{}), make(chan struct{})
	s, err := imagebody.NewSource(&gate{r: bytes.NewReader(image(t, 50_000)), free: 1, started: started,
		proceed: proceed}, imagebody.Options{})
	require.NoError(t, err)
	old := open(t, s)
	read := make(chan error)
	go func() { _, err := old.Read(make([]byte, 4096)); read <- err }()
	<-started
	waits := open(t, s)
	freed := make(chan error)
	go func() { _, err := waits.Read(make([]byte, 4096)); freed <- err }()
	require.NoError(t, waits.Close())
	require.Error(t, <-freed)
	close(proceed)
	require.NoError(t, <-read)
	_, err = old.Read(make([]byte, 4096))
	require.Error(t, err)
}

// A reader that cannot seek may wait for a network.
func TestCloseEndsAReadThatHangs(t *testing.T) {
	t.Parallel()
	started, proceed := make(chan struct{}), make(chan struct{})
	s, err := imagebody.NewSource(&gate{r: &picture{n: 50_000}, free: 1, started: started, proceed: proceed},
		imagebody.Options{})
	require.NoError(t, err)
	body := open(t, s)
	read := make(chan error)
	go func() { _, err := io.Copy(io.Discard, plain(body)); read <- err }()
	<-started
	require.NoError(t, body.Close())
	require.Error(t, <-read)
	close(proceed)
}

func TestRelease(t *testing.T) {
	t.Parallel()
	started, proceed := make(chan struct{}), make(chan struct{})
	calls := 0
	s, err := imagebody.NewSource(&gate{r: &picture{n: 50_000}, free: 1, started: started, proceed: proceed},
		imagebody.Options{Progress: func(int64, int64) { calls++ }})
	require.NoError(t, err)
	body := open(t, s)
	read := make(chan error)
	go func() { _, err := io.Copy(io.Discard, plain(body)); read <- err }()
	<-started
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Release(done), context.Canceled, "the read is stuck")
	close(proceed)
	require.NoError(t, s.Release(t.Context()))
	require.Zero(t, calls)
	require.Error(t, <-read)
	_, err = s.Open()
	require.Error(t, err)
	require.NoError(t, s.Release(done), "nothing to wait for")
}

func TestProgress(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		r     io.Reader
		total int64
		chunk int
	}{
		"known":         {bytes.NewReader(image(t, 100_001)), 100_001, 32 << 10},
		"unknown":       {plain(bytes.NewReader(image(t, 100_001))), 0, 32 << 10},
		"byte for byte": {bytes.NewReader(image(t, 100_001)), 100_001, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent []int64
			s, err := imagebody.NewSource(row.r, imagebody.Options{Progress: func(n, total int64) {
				require.Equal(t, row.total, total)
				sent = append(sent, n)
			}})
			require.NoError(t, err)
			_, err = drain(open(t, s), row.chunk)
			require.NoError(t, err)
			require.Greater(t, len(sent), 3)
			require.IsIncreasing(t, sent)
			require.EqualValues(t, 100_001, sent[len(sent)-1])
		})
	}
}

// Not parallel: it counts what the whole process allocates.
func TestUploadMemory(t *testing.T) {
	const n = 50_000_000
	spent := allocated(func() {
		s, err := imagebody.NewSource(plain(&picture{n: n}), imagebody.Options{Size: n})
		require.NoError(t, err)
		sum := sha256.New()
		written, err := io.CopyBuffer(struct{ io.Writer }{sum}, plain(open(t, s)), make([]byte, 32<<10))
		require.NoError(t, err)
		require.Equal(t, s.ContentLength(), written)
	})
	require.Less(t, spent, uint64(128<<10))
}

// allocated counts all bytes f allocates, freed ones too. The first run pays
// for tables and pools.
func allocated(f func()) uint64 {
	f()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkEncode(b *testing.B) {
	img := image(b, 50_000_000)
	buffer := make([]byte, 32<<10)
	b.Run("stream", func(b *testing.B) {
		b.SetBytes(int64(len(img)))
		b.ReportAllocs()
		for b.Loop() {
			s, err := imagebody.NewSource(bytes.NewReader(img), imagebody.Options{})
			require.NoError(b, err)
			body, err := s.Open()
			require.NoError(b, err)
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, plain(body), buffer)
			require.NoError(b, err)
		}
	})
	b.Run("naive", func(b *testing.B) {
		b.SetBytes(int64(len(img)))
		b.ReportAllocs()
		for b.Loop() {
			all, err := io.ReadAll(plain(bytes.NewReader(img)))
			require.NoError(b, err)
			_, err = json.Marshal(map[string]string{"data": base64.StdEncoding.EncodeToString(all)})
			require.NoError(b, err)
		}
	})
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(int64(len(img)))
		for b.Loop() {
			_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, plain(bytes.NewReader(img)), buffer)
			require.NoError(b, err)
		}
	})
}
