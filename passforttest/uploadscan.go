package passforttest

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

var (
	errUploadJSON   = errors.New("the body is not a JSON object")
	errUploadBase64 = errors.New("data is not valid Base64")
	errUploadSize   = errors.New("the image is too large")
	errUploadTwice  = errors.New("data is there twice")
)

// smallMembers bounds everything in an upload's body but its data.
const smallMembers = 1 << 20

// upload is what the body of an upload held.
type upload struct {
	members map[string]json.RawMessage
	hasData bool
	data    *imageSink
}

func (u *upload) text(name string) (string, bool) {
	raw, there := u.members[name]
	if !there || string(raw) == "null" {
		return "", true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// scanUpload reads a JSON object from r and streams the string called data
// into the sink, so that the body is never in memory as a whole.
func scanUpload(r io.Reader, sink *imageSink) (*upload, error) {
	s := &uploadScanner{r: bufio.NewReaderSize(r, 32<<10)}
	u := &upload{members: map[string]json.RawMessage{}, data: sink}
	if b, err := s.next(); err != nil || b != '{' {
		return nil, errUploadJSON
	}
	for first := true; ; first = false {
		b, err := s.next()
		if err != nil {
			return nil, errUploadJSON
		}
		if b == '}' && first {
			break
		}
		if !first {
			if b == '}' {
				break
			}
			if b != ',' {
				return nil, errUploadJSON
			}
			if b, err = s.next(); err != nil {
				return nil, errUploadJSON
			}
		}
		if b != '"' {
			return nil, errUploadJSON
		}
		if err := s.member(u); err != nil {
			return nil, err
		}
	}
	if _, err := s.next(); !errors.Is(err, io.EOF) {
		return nil, errUploadJSON
	}
	return u, nil
}

type uploadScanner struct {
	r    *bufio.Reader
	used int
}

// next returns the next byte that is not white space.
func (s *uploadScanner) next() (byte, error) {
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
func (s *uploadScanner) member(u *upload) error {
	rawKey, err := s.capture('"')
	if err != nil {
		return err
	}
	var key string
	if json.Unmarshal(rawKey, &key) != nil {
		return errUploadJSON
	}
	if b, err := s.next(); err != nil || b != ':' {
		return errUploadJSON
	}
	b, err := s.next()
	if err != nil {
		return errUploadJSON
	}
	if key == "data" && b == '"' {
		if u.hasData {
			return errUploadTwice
		}
		u.hasData = true
		return s.stream(u.data)
	}
	raw, err := s.capture(b)
	if err != nil {
		return err
	}
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return errUploadJSON
	}
	u.members[key] = raw
	return nil
}

// capture reads the rest of a value that starts with b.
func (s *uploadScanner) capture(b byte) ([]byte, error) {
	out := []byte{b}
	depth, inString := 0, b == '"'
	if b == '{' || b == '[' {
		depth = 1
	}
	scalar := !inString && depth == 0
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, errUploadJSON
		}
		if scalar && (c == ',' || c == '}' || c <= ' ') {
			return out, s.r.UnreadByte()
		}
		if s.used++; s.used > smallMembers {
			return nil, errUploadJSON
		}
		out = append(out, c)
		switch {
		case inString && c == '\\':
			if c, err = s.r.ReadByte(); err != nil {
				return nil, errUploadJSON
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
func (s *uploadScanner) stream(sink *imageSink) error {
	for {
		if _, err := s.r.Peek(1); err != nil {
			return errUploadJSON
		}
		chunk, _ := s.r.Peek(s.r.Buffered())
		end := len(chunk)
		if i := bytes.IndexByte(chunk, '"'); i >= 0 {
			end = i
		}
		if i := bytes.IndexByte(chunk[:end], '\\'); i >= 0 {
			end = i
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

// escape handles what follows a backslash. Line breaks, which some encoders put
// into Base64, are dropped.
func (s *uploadScanner) escape(sink *imageSink) error {
	b, err := s.r.ReadByte()
	if err != nil {
		return errUploadJSON
	}
	switch b {
	case 'n', 'r':
		return nil
	case '/':
		return sink.write([]byte{'/'})
	case 'u':
		digits := make([]byte, 4)
		if _, err := io.ReadFull(s.r, digits); err != nil {
			return errUploadJSON
		}
		code, err := hex.DecodeString(string(digits))
		if err != nil {
			return errUploadJSON
		}
		if code[0] != 0 || code[1] >= utf8.RuneSelf {
			return errUploadBase64
		}
		return sink.write(code[1:])
	case '"', '\\', 'b', 'f', 't':
		return errUploadBase64
	}
	return errUploadJSON
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
			return errUploadBase64
		case comma < 0:
			return nil
		case !bytes.HasSuffix(k.head[:comma], []byte(";base64")):
			return errUploadBase64
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
		return errUploadJSON
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
		return errUploadBase64
	}
	n, err := base64.StdEncoding.Decode(k.out, p)
	if err != nil {
		return errUploadBase64
	}
	k.padded = n < len(p)/4*3
	if k.size += int64(n); k.size > k.limit {
		return errUploadSize
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
		return errUploadBase64
	}
	if len(k.carry) > 0 {
		return errUploadBase64
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
