// Package uploadscan reads the body of an upload, a JSON object whose member data is
// an image in Base64, without ever having all of it in memory.
package uploadscan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"unicode/utf8"
)

// ErrSize is the error of an image that is larger than the limit.
var ErrSize = errors.New("the image is too large")

var (
	errJSON   = errors.New("the body is not a JSON object")
	errBase64 = errors.New("data is not valid Base64")
	errTwice  = errors.New("data is there twice")
)

// smallMembers bounds everything in an upload's body but its data.
const smallMembers = 1 << 20

// Upload is what the body of an upload held.
type Upload struct {
	Image

	// HasData reports whether data is a string.
	HasData bool

	members map[string]json.RawMessage
}

// Image is what was in data.
type Image struct {
	Media   string // GIF, JPG, PNG, PDF or TIFF by the first bytes, as a media type; "" for anything else
	Size    int64
	SHA256  string // hexadecimal
	Content []byte // if it is kept
}

// Has reports whether the body has a member of that name. A string called data
// does not count: see HasData.
func (u *Upload) Has(name string) bool { return u.members[name] != nil }

// Text returns a member that is a string. It reports false for one of another type;
// one that is absent or null is "".
func (u *Upload) Text(name string) (string, bool) {
	raw, there := u.members[name]
	if !there || string(raw) == "null" {
		return "", true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// Scan reads a JSON object from r and decodes the string called data piece by piece.
// It fails with ErrSize if the image has more than limit bytes. The content of the
// image is in memory only if it is kept.
func Scan(r io.Reader, limit int64, keep bool) (*Upload, error) {
	sink := newImageSink(limit, keep)
	s := &scanner{r: bufio.NewReaderSize(r, 32<<10)}
	u := &Upload{members: map[string]json.RawMessage{}}
	if err := s.object(u, sink); err != nil {
		return nil, err
	}
	u.Image = Image{mediaType(sink.first), sink.size, hex.EncodeToString(sink.hash.Sum(nil)), sink.content}
	return u, nil
}

// object reads the whole body.
func (s *scanner) object(u *Upload, sink *imageSink) error {
	if b, err := s.next(); err != nil || b != '{' {
		return errJSON
	}
	for first := true; ; first = false {
		b, err := s.next()
		if err != nil {
			return errJSON
		}
		if b == '}' {
			break
		}
		if !first {
			if b != ',' {
				return errJSON
			}
			if b, err = s.next(); err != nil {
				return errJSON
			}
		}
		if b != '"' {
			return errJSON
		}
		if err := s.member(u, sink); err != nil {
			return err
		}
	}
	if _, err := s.next(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

type scanner struct {
	r    *bufio.Reader
	used int
}

// next returns the next byte that is not white space.
func (s *scanner) next() (byte, error) {
	for {
		b, err := s.r.ReadByte()
		if err != nil {
			return 0, err
		}
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b, nil
		}
	}
}

// member reads one member whose opening quote has been read.
func (s *scanner) member(u *Upload, sink *imageSink) error {
	rawKey, err := s.capture('"')
	if err != nil {
		return err
	}
	var key string
	if json.Unmarshal(rawKey, &key) != nil {
		return errJSON
	}
	if b, err := s.next(); err != nil || b != ':' {
		return errJSON
	}
	b, err := s.next()
	if err != nil {
		return errJSON
	}
	if key == "data" && b == '"' {
		if u.HasData {
			return errTwice
		}
		u.HasData = true
		return s.stream(sink)
	}
	raw, err := s.capture(b)
	if err != nil {
		return err
	}
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return errJSON
	}
	u.members[key] = raw
	return nil
}

// capture reads the rest of a value that starts with b.
func (s *scanner) capture(b byte) ([]byte, error) {
	out := []byte{b}
	depth, inString := 0, b == '"'
	if b == '{' || b == '[' {
		depth = 1
	}
	scalar := !inString && depth == 0
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, errJSON
		}
		if scalar && (c == ',' || c == '}' || c <= ' ') {
			return out, s.r.UnreadByte()
		}
		if s.used++; s.used > smallMembers {
			return nil, errJSON
		}
		out = append(out, c)
		switch {
		case inString && c == '\\':
			if c, err = s.r.ReadByte(); err != nil {
				return nil, errJSON
			}
			out = append(out, c)
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if !scalar && !inString && depth == 0 {
			return out, nil
		}
	}
}

// stream sends a string whose opening quote has been read to the sink.
func (s *scanner) stream(sink *imageSink) error {
	for {
		if _, err := s.r.Peek(1); err != nil {
			return errJSON
		}
		chunk, _ := s.r.Peek(s.r.Buffered())
		end := len(chunk)
		if i := bytes.IndexByte(chunk, '"'); i >= 0 {
			end = i
		}
		if i := bytes.IndexByte(chunk[:end], '\\'); i >= 0 {
			end = i
		}
		if !sink.started && bytes.ContainsFunc(chunk[:end], isControl) { // Base64 has none anyway
			return errJSON
		}
		if err := sink.write(chunk[:end]); err != nil {
			return err
		}
		stop := byte(0)
		if end < len(chunk) {
			stop = chunk[end]
		}
		_, _ = s.r.Discard(end)
		if stop == 0 {
			continue
		}
		_, _ = s.r.Discard(1)
		if stop == '"' {
			return sink.finish()
		}
		if err := s.escape(sink); err != nil {
			return err
		}
	}
}

// isControl reports whether a character must be escaped in JSON.
func isControl(r rune) bool { return r < ' ' }

// escape handles what follows a backslash. Line breaks, which some encoders put
// into Base64, are dropped.
func (s *scanner) escape(sink *imageSink) error {
	b, err := s.r.ReadByte()
	if err != nil {
		return errJSON
	}
	switch b {
	case 'n', 'r':
		return nil
	case '/':
		return sink.write([]byte{'/'})
	case 'u':
		digits := make([]byte, 4)
		if _, err := io.ReadFull(s.r, digits); err != nil {
			return errJSON
		}
		code, err := hex.DecodeString(string(digits))
		if err != nil {
			return errJSON
		}
		if code[0] != 0 || code[1] >= utf8.RuneSelf {
			return errBase64
		}
		return sink.write(code[1:])
	case '"', '\\', 'b', 'f', 't':
		return errBase64
	}
	return errJSON
}

// imageSink decodes Base64, or a data URI, piece by piece.
type imageSink struct {
	limit int64
	keep  bool

	started bool   // it is known whether this is a data URI
	head    []byte // until then
	carry   []byte
	padded  bool
	out     []byte

	size    int64
	hash    hash.Hash
	first   []byte
	content []byte
}

func newImageSink(limit int64, keep bool) *imageSink {
	return &imageSink{limit: limit, keep: keep, hash: sha256.New(), out: make([]byte, 24<<10)}
}

const dataURI = "data:"

func (k *imageSink) write(p []byte) error {
	if k.started {
		return k.decode(p)
	}
	k.head = append(k.head, p...)
	n := min(len(k.head), len(dataURI))
	if string(k.head[:n]) == dataURI[:n] {
		if n < len(dataURI) {
			return nil
		}
		comma := bytes.IndexByte(k.head, ',')
		switch {
		case comma < 0 && len(k.head) > 1024:
			return errBase64
		case comma < 0:
			return nil
		case !bytes.HasSuffix(k.head[:comma], []byte(";base64")):
			return errBase64
		}
		k.head = k.head[comma+1:]
	}
	k.started = true
	rest := k.head
	k.head = nil
	return k.decode(rest)
}

// decode decodes whole groups of four and carries the rest.
func (k *imageSink) decode(p []byte) error {
	if bytes.IndexByte(p, '\n') >= 0 || bytes.IndexByte(p, '\r') >= 0 {
		return errJSON
	}
	if len(k.carry) > 0 {
		n := min(4-len(k.carry), len(p))
		k.carry = append(k.carry, p[:n]...)
		p = p[n:]
		if len(k.carry) < 4 {
			return nil
		}
		if err := k.groups(k.carry); err != nil {
			return err
		}
		k.carry = k.carry[:0]
	}
	whole := len(p) / 4 * 4
	for part := p[:whole]; len(part) > 0; {
		n := min(len(part), len(k.out)/3*4)
		if err := k.groups(part[:n]); err != nil {
			return err
		}
		part = part[n:]
	}
	k.carry = append(k.carry, p[whole:]...)
	return nil
}

func (k *imageSink) groups(p []byte) error {
	if k.padded {
		return errBase64
	}
	n, err := base64.StdEncoding.Decode(k.out, p)
	if err != nil {
		return errBase64
	}
	k.padded = n < len(p)/4*3
	if k.size += int64(n); k.size > k.limit {
		return ErrSize
	}
	if len(k.first) < sniffed {
		k.first = append(k.first, k.out[:min(n, sniffed-len(k.first))]...)
	}
	k.hash.Write(k.out[:n])
	if k.keep {
		k.content = append(k.content, k.out[:n]...)
	}
	return nil
}

func (k *imageSink) finish() error {
	if !k.started && (bytes.HasPrefix(k.head, []byte(dataURI)) || k.decode(k.head) != nil) {
		return errBase64
	}
	if len(k.carry) > 0 {
		return errBase64
	}
	return nil
}

const sniffed = 64

// mediaType returns the type of an image by its first bytes, or "".
func mediaType(first []byte) string {
	if text := bytes.TrimPrefix(first, []byte("\xef\xbb\xbf")); bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"),
		[]byte("%PDF-")) {
		return "application/pdf"
	}
	for _, kind := range []struct{ magic, media string }{
		{"GIF87a", "image/gif"}, {"GIF89a", "image/gif"}, {"\xff\xd8\xff", "image/jpeg"},
		{"\x89PNG\r\n\x1a\n", "image/png"},
		{"II*\x00", "image/tiff"}, {"MM\x00*", "image/tiff"}, {"II+\x00", "image/tiff"}, {"MM\x00+", "image/tiff"},
	} {
		if bytes.HasPrefix(first, []byte(kind.magic)) {
			return kind.media
		}
	}
	return ""
}
