// Package imagebody carries one image inside a JSON object, as the API wants
// it: Base64 in a string of up to 67 MB. It streams both ways in constant
// memory. A [Source] is a request body made from a caller's reader, [Decode]
// takes a response apart into the image and the other members.
//
// The package knows neither the client nor its transport: it sees readers,
// writers and bytes, so that what must hold for every image (exact lengths, no
// byte lost, no body sent twice by accident, no growing buffer) can be proved
// here without a network. Its errors are its own; the client translates them.
package imagebody

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// DefaultLimit is the largest image that is sent when no limit is given. The API says 50 MB and
// does not say which; this is the larger reading (docs/api/documents.md#files).
const DefaultLimit = 50 << 20

// headSize is how much is read ahead to tell the type.
const headSize = 1 << 10

// Options say how a source is sent. The zero value is usable.
type Options struct {
	// Size of the image in bytes, 0 if unknown. It is needed only for readers
	// that do not tell their own.
	Size int64
	// Limit is the largest accepted size in bytes, 0 for DefaultLimit.
	Limit int64
	// Members are written before the image, in this order.
	Members []Member
	// Progress receives the image bytes handed to the connection so far and the
	// size of the image, 0 if unknown. A repeated attempt starts over. It runs
	// on the goroutine that sends, and never after Release has returned nil.
	Progress func(sent, total int64)
}

// Member is one string member of the request object.
type Member struct{ Name, Value string }

// Source is an image ready to be sent as the string member "data" of a JSON
// object. It may be opened once for each attempt.
type Source struct {
	reader   io.Reader
	seeker   io.Seeker // nil if the reader cannot go back
	start    int64     // where the reader stood
	head     []byte    // the first bytes, already read
	whole    bool      // head is all there is
	size     int64     // -1 if unknown
	limit    int64
	kind     Type
	prefix   []byte
	suffix   []byte
	progress func(sent, total int64)

	turn     chan struct{} // holds one token while the reader or progress is in use
	touched  atomic.Bool   // something after head was read
	latest   atomic.Pointer[body]
	broken   atomic.Pointer[error]
	released chan struct{}
	release  sync.Once
}

// NewSource reads the first bytes of r to tell the type, finds the size, and
// checks both. A reader that can seek is put back to where it stood, whatever
// the outcome. The size comes from seeking, from Len() int, from o.Size or from
// Stat, in this order; what the reader says must agree with o.Size. A reader
// that only has Stat and was partly read before needs o.Size. A given size
// means that r ends there: a body reads on to see that it does.
//
// The errors are ErrNilReader, ErrMember, ErrEmpty, ErrType, ErrTooLarge,
// ErrSizeMismatch and ErrSource.
func NewSource(r io.Reader, o Options) (*Source, error) {
	if IsNil(r) {
		return nil, ErrNilReader
	}
	s := &Source{
		reader:   r,
		size:     -1,
		limit:    o.Limit,
		suffix:   []byte(`"}`),
		progress: o.Progress,
		turn:     make(chan struct{}, 1),
		released: make(chan struct{}),
	}
	if s.limit <= 0 {
		s.limit = DefaultLimit
	}
	var err error
	if s.prefix, err = prefix(o.Members); err != nil {
		return nil, err
	}
	if err := s.measure(o.Size); err != nil {
		return nil, err
	}
	if s.size > s.limit {
		return nil, ErrTooLarge
	}
	if err := s.readHead(); err != nil {
		return nil, err
	}
	if s.kind = Sniff(s.head); s.kind == "" {
		return nil, &typeError{foreign(s.head)}
	}
	return s, nil
}

// IsNil reports whether r is nil or holds a nil pointer.
func IsNil(r io.Reader) bool {
	if r == nil {
		return true
	}
	v := reflect.ValueOf(r)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

func prefix(members []Member) ([]byte, error) {
	b := []byte{'{'}
	for _, m := range members {
		if !utf8.ValidString(m.Name) || !utf8.ValidString(m.Value) {
			return nil, ErrMember
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(append(b, name...), ':'), value...), ',')
	}
	return append(b, `"data":"`...), nil
}

// measure finds out whether the reader can go back, and its size.
func (s *Source) measure(given int64) error {
	if given < 0 {
		return ErrSizeMismatch
	}
	known := int64(-1)
	if seeker, ok := s.reader.(io.Seeker); ok {
		// A pipe has the method too; there it fails and nothing has moved.
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			s.seeker, s.start = seeker, start
			if end, err := seeker.Seek(0, io.SeekEnd); err == nil {
				known = end - start
			}
			if err := s.seek(s.start); err != nil {
				return err
			}
		}
	}
	if l, ok := s.reader.(interface{ Len() int }); ok && known < 0 {
		known = int64(l.Len())
	}
	// Some special files tell nothing and hold something: reading decides.
	switch {
	case known > 0 && given > 0 && known != given:
		return ErrSizeMismatch
	case known > 0:
		s.size = known
	case given > 0:
		s.size = given
	case s.seeker == nil:
		s.size = statSize(s.reader)
	}
	return nil
}

func statSize(r io.Reader) int64 {
	file, ok := r.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return -1
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() <= 0 {
		return -1
	}
	return info.Size()
}

func (s *Source) readHead() error {
	head := make([]byte, headSize)
	n, err := io.ReadFull(s.reader, head)
	s.head = head[:n]
	if s.seeker != nil {
		if err := s.seek(s.start); err != nil {
			return err
		}
	}
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		s.whole = true
	default:
		return &fault{ErrSource, err}
	}
	if n == 0 {
		return ErrEmpty
	}
	if s.size >= 0 && (int64(n) > s.size || s.whole && int64(n) != s.size) {
		return ErrSizeMismatch
	}
	if s.whole {
		s.size = int64(n)
	}
	if int64(n) > s.limit {
		return ErrTooLarge
	}
	return nil
}

func (s *Source) seek(to int64) error {
	at, err := s.seeker.Seek(to, io.SeekStart)
	if err == nil && at != to {
		err = fmt.Errorf("imagebody: asked for offset %d, got %d", to, at)
	}
	if err != nil {
		return &fault{ErrSource, err}
	}
	return nil
}

// Type returns the type by the content.
func (s *Source) Type() Type { return s.kind }

// Size returns the size of the image in bytes, and whether it is known.
func (s *Source) Size() (int64, bool) { return max(s.size, 0), s.size >= 0 }

// ContentLength returns the exact length of the body, or -1 if the size of the
// image is unknown and the body must be sent chunked.
func (s *Source) ContentLength() int64 {
	if s.size < 0 {
		return -1
	}
	return int64(len(s.prefix)) + (s.size+2)/3*4 + int64(len(s.suffix))
}

// Replayable reports whether the image can be sent again after some of it was
// sent: the reader can seek, or was so short that all of it is held.
func (s *Source) Replayable() bool { return s.seeker != nil || s.whole }

// Whole reports whether a body opened now would give the whole image: nothing
// went wrong, and either it can be sent again or nothing of it was.
func (s *Source) Whole() bool {
	return s.Err() == nil && (s.Replayable() || !s.touched.Load())
}

// Open returns a body that starts at the first byte. Nothing is read before the
// body is, so opening and closing one costs nothing and uses up nothing. The
// body opened last is the one that counts: the ones before it fail from then on
// and take nothing from the reader.
//
// The error is ErrConsumed if the reader cannot go back and was read, or that
// of Err.
func (s *Source) Open() (io.ReadCloser, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	if closed(s.released) {
		return nil, errClosed
	}
	if s.touched.Load() && !s.Replayable() {
		return nil, ErrConsumed
	}
	b := &body{src: s, ready: s.prefix, done: make(chan struct{})}
	s.latest.Store(b)
	return b, nil
}

// Err returns what went wrong with the image while it was sent: ErrShrank,
// ErrGrew, ErrTooLarge or ErrSource, nil if nothing did. Such a body never
// reached its end, so a server that reads the whole object has not stored it.
// It lasts: a source that failed is not opened again.
func (s *Source) Err() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Release ends all use of the caller's reader, for net/http may go on reading a
// body after its request has returned. It waits for a read under way. If ctx
// ends first, its error is returned and that one read may still run.
func (s *Source) Release(ctx context.Context) error {
	s.release.Do(func() { close(s.released) })
	select {
	case s.turn <- struct{}{}:
		<-s.turn
		return nil
	default:
	}
	select {
	case s.turn <- struct{}{}:
		<-s.turn
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rewind puts a reader that can seek back to where it stood, so that the caller
// can send it again. Call it after Release has returned nil.
func (s *Source) Rewind() error {
	if s.seeker == nil {
		return nil
	}
	return s.seek(s.start)
}

// enter takes the turn for b, if b is still the body that counts.
func (s *Source) enter(b *body) bool {
	select {
	case s.turn <- struct{}{}:
	case <-b.done:
		return false
	case <-s.released:
		return false
	}
	if s.latest.Load() != b || closed(b.done) || closed(s.released) {
		<-s.turn
		return false
	}
	return true
}

func (s *Source) leave() { <-s.turn }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// read fills p, which is not empty, with what follows the bytes b has taken.
// io.EOF means that the image is complete.
func (s *Source) read(b *body, p []byte) (int, error) {
	if b.taken < int64(len(s.head)) {
		n := copy(p, s.head[b.taken:])
		b.taken += int64(n)
		return n, nil
	}
	if s.whole {
		return 0, io.EOF
	}
	if s.seeker != nil {
		return s.readOn(b, p)
	}
	return s.await(b, p)
}

// await is readOn for readers that cannot seek. They may wait for a network or
// a person, and net/http waits for a body that is being read, so it is another
// goroutine that waits for them. It ends with the body.
func (s *Source) await(b *body, p []byte) (int, error) {
	if b.ask == nil {
		b.ask, b.got = make(chan []byte), make(chan got, 1)
		go s.pump(b)
	}
	select {
	case b.ask <- p:
	case <-b.done:
		return 0, errClosed
	case <-s.released:
		return 0, errClosed
	}
	select {
	case g := <-b.got:
		return g.n, g.err
	case <-b.done:
	case <-s.released:
	}
	return 0, errClosed
}

// got is what came of a read.
type got struct {
	n   int
	err error
}

func (s *Source) pump(b *body) {
	for {
		select {
		case p := <-b.ask:
			n, err := s.readOn(b, p)
			b.got <- got{n, err}
			if err != nil {
				return
			}
		case <-b.done:
			return
		case <-s.released:
			return
		}
	}
}

// readOn reads from where b got to.
func (s *Source) readOn(b *body, p []byte) (int, error) {
	if !s.enter(b) {
		return 0, errClosed
	}
	defer s.leave()
	if !b.placed {
		if s.seeker == nil && s.touched.Swap(true) {
			return 0, ErrConsumed
		}
		b.placed = true
		if s.seeker != nil {
			if err := s.seek(s.start + int64(len(s.head))); err != nil {
				return 0, s.fail(err)
			}
		}
	}
	n, err := s.next(b, p)
	if err != nil && err != io.EOF { //nolint:errorlint // the end is io.EOF itself, as io.Reader says
		return 0, s.fail(err)
	}
	return n, err
}

func (s *Source) fail(err error) error {
	s.broken.CompareAndSwap(nil, &err)
	return err
}

func (s *Source) next(b *body, p []byte) (int, error) {
	end := s.size
	if end < 0 {
		end = s.limit
	}
	// One byte more than may come shows that an image goes on.
	p = p[:min(int64(len(p)), end-b.taken+1)]
	for range 100 {
		n, err := s.reader.Read(p)
		if n < 0 || n > len(p) {
			return 0, &fault{ErrSource, fmt.Errorf("imagebody: invalid count %d from Read", n)}
		}
		b.taken += int64(n)
		switch {
		case b.taken > end && s.size < 0:
			return 0, ErrTooLarge
		case b.taken > end:
			return 0, ErrGrew
		case err == io.EOF && b.taken < s.size:
			return 0, ErrShrank
		case err == io.EOF:
			return n, io.EOF
		case err != nil:
			return 0, &fault{ErrSource, err}
		case n > 0:
			return n, nil
		}
	}
	return 0, &fault{ErrSource, io.ErrNoProgress}
}
