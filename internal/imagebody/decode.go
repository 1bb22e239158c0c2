package imagebody

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// DefaultMetaLimit bounds what is kept beside the image.
const DefaultMetaLimit = 1 << 20

// windowSize is how much of the response is held at once.
const windowSize = 32 << 10

// imageMember is the member that holds the image in an answer (docs/api/documents.md#files,
// docs/api/documents.md#document-images).
const imageMember = "decrypted_data"

// DecodeOptions say how an answer is taken apart. The zero value is usable.
type DecodeOptions struct {
	// Limit is the largest image in bytes, 0 for none.
	Limit int64
	// MetaLimit is the largest size of the other members, 0 for DefaultMetaLimit.
	MetaLimit int
	// Progress receives the image bytes written so far. The total is always 0:
	// the API does not tell it.
	Progress func(written, total int64)
}

// Content says what an answer holds for the image.
type Content int

// The API may leave the image out, and it answers "" for one that it keeps encrypted
// (docs/api/documents.md#content-is-encrypted).
const (
	Absent  Content = iota // no such member
	Other                  // not a string, null for example; the value is left in Meta
	Empty                  // a string with no image bytes in it
	Present                // an image
)

// Result is an answer without its image.
type Result struct {
	Content   Content
	Written   int64  // image bytes given to the writer
	MediaType string // what a data URI says about itself, "" without one
	Meta      []byte // a JSON object of the other members, each unchanged, in order
}

// Decode reads one JSON object from r to its end, writes the image in its
// member "decrypted_data" to w, and keeps the other members. The image is
// Base64 in the standard alphabet, with or without padding, with line breaks or
// without, bare or in a data URI; the string may use any JSON escape.
//
// Memory does not depend on the size of the image. After an error w may have
// received a part of it; Result then says how much and has no Meta. The errors
// are ErrMalformed, ErrTruncated, ErrDuplicate, ErrBadBase64, ErrTooLarge,
// ErrMetaTooLarge, ErrResponse and ErrWrite. A nil w takes no image: its string
// is passed over, whatever it holds.
func Decode(r io.Reader, w io.Writer, o DecodeOptions) (Result, error) {
	d := &decoder{
		in:        bufio.NewReaderSize(r, windowSize),
		metaLimit: o.MetaLimit,
		image:     image{w: w, limit: o.Limit, progress: o.Progress},
	}
	if d.metaLimit <= 0 {
		d.metaLimit = DefaultMetaLimit
	}
	if mark, _ := d.in.Peek(3); string(mark) == "\xef\xbb\xbf" { // RFC 8259, 8.1
		_, _ = d.in.Discard(3)
	}
	err := d.object()
	result := Result{Content: d.content, Written: d.image.written, MediaType: d.image.mediaType}
	if err == nil {
		result.Meta = d.meta
	}
	return result, err
}

// decoder walks the members of the object. It finds where values end and
// leaves their grammar to encoding/json, which checks Meta as a whole.
type decoder struct {
	in        *bufio.Reader
	meta      []byte
	metaLimit int
	content   Content
	image     image
	seq       [2]byte // of an escape
}

func (d *decoder) object() error {
	if err := d.expect('{'); err != nil {
		return err
	}
	d.meta = append(d.meta, '{')
	c, err := d.token()
	if err == nil && c != '}' {
		err = d.members(c)
	}
	if err != nil {
		return err
	}
	d.meta = append(d.meta, '}')
	if !json.Valid(d.meta) {
		return ErrMalformed
	}
	return d.end()
}

// members reads the members, the first of which starts with c, and the
// closing brace.
func (d *decoder) members(c byte) error {
	for {
		if c != '"' {
			return ErrMalformed
		}
		err := d.member()
		if err != nil {
			return err
		}
		if c, err = d.token(); err != nil || c == '}' {
			return err
		}
		if c != ',' {
			return ErrMalformed
		}
		if c, err = d.token(); err != nil {
			return err
		}
	}
}

// member reads a member whose opening quote is consumed.
func (d *decoder) member() error {
	before := len(d.meta)
	if before > 1 {
		if err := d.keep(','); err != nil {
			return err
		}
	}
	name := len(d.meta)
	if err := d.keep('"'); err != nil {
		return err
	}
	if err := d.keepString(); err != nil {
		return err
	}
	isImage := named(d.meta[name:], imageMember)
	if err := d.expect(':'); err != nil {
		return err
	}
	c, err := d.token()
	if err != nil {
		return err
	}
	if isImage {
		if d.content != Absent {
			return ErrDuplicate
		}
		if c == '"' {
			d.meta = d.meta[:before]
			return d.imageString()
		}
		d.content = Other
	}
	if err := d.keep(':'); err != nil {
		return err
	}
	return d.keepValue(c)
}

func named(quoted []byte, name string) bool {
	if !bytes.Contains(quoted, []byte{'\\'}) {
		return string(quoted[1:len(quoted)-1]) == name
	}
	var s string
	return json.Unmarshal(quoted, &s) == nil && s == name
}

// keepValue keeps a value that starts with c.
func (d *decoder) keepValue(c byte) error {
	for depth := 0; ; {
		err := d.keep(c)
		switch c {
		case '"':
			if err == nil {
				err = d.keepString()
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if err != nil {
			return err
		}
		if c, err = d.byte(); err != nil {
			return err
		}
		if depth <= 0 && (c == ',' || c == '}' || isSpace(c)) {
			return d.in.UnreadByte()
		}
	}
}

// keepString keeps what is left of a string whose opening quote is kept.
func (d *decoder) keepString() error {
	for escaped := false; ; {
		c, err := d.byte()
		if err == nil {
			err = d.keep(c)
		}
		if err != nil || c == '"' && !escaped {
			return err
		}
		escaped = c == '\\' && !escaped
	}
}

func (d *decoder) keep(c byte) error {
	if len(d.meta) >= d.metaLimit {
		return ErrMetaTooLarge
	}
	d.meta = append(d.meta, c)
	return nil
}

// imageString hands the string whose opening quote is consumed to the image,
// window by window, escapes resolved.
func (d *decoder) imageString() error {
	plain := 0 // this much of the window holds no quote
	for {
		if plain <= 0 {
			if _, err := d.in.Peek(1); err != nil {
				return readError(err)
			}
			window, _ := d.in.Peek(d.in.Buffered())
			if plain = bytes.IndexByte(window, '"'); plain < 0 {
				plain = len(window)
			}
			if plain == 0 {
				_, _ = d.in.Discard(1)
				break
			}
		}
		span, _ := d.in.Peek(plain)
		slash := bytes.IndexByte(span, '\\')
		if slash >= 0 {
			span = span[:slash]
		}
		if err := d.image.add(span); err != nil {
			return err
		}
		plain -= len(span)
		_, _ = d.in.Discard(len(span))
		if slash >= 0 {
			n, err := d.escape()
			if err != nil {
				return err
			}
			plain -= n
		}
	}
	if err := d.image.finish(); err != nil {
		return err
	}
	d.content = Present
	if d.image.written == 0 && !d.image.passed {
		d.content = Empty
	}
	return nil
}

// notBase64 stands for every character that is not ASCII or controls something.
const notBase64 = 0x7f

// escape resolves the escape at the head of the window and returns its length.
func (d *decoder) escape() (int, error) {
	seq := d.seq[:]
	for i := range 2 {
		c, err := d.byte()
		if err != nil {
			return 0, err
		}
		seq[i] = c
	}
	switch c := seq[1]; c {
	case '"', '\\', '/':
		return 2, d.image.add(seq[1:2])
	case 'n', 'r':
		return 2, nil
	case 'b', 'f', 't':
		seq[1] = notBase64
		return 2, d.image.add(seq[1:2])
	case 'u':
	default:
		return 0, ErrMalformed
	}
	var r rune
	for i := 2; i < 6; i++ {
		c, err := d.byte()
		if err != nil {
			return 0, err
		}
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if c < '0' || digit < 0 {
			return 0, ErrMalformed
		}
		r = r<<4 | rune(digit)
	}
	switch {
	case r == '\n' || r == '\r':
		return 6, nil
	case r >= 0x80:
		r = notBase64
	}
	seq[0] = byte(r)
	return 6, d.image.add(seq[:1])
}

// token returns the first byte that is not white space.
func (d *decoder) token() (byte, error) {
	for {
		if c, err := d.byte(); err != nil || !isSpace(c) {
			return c, err
		}
	}
}

func (d *decoder) expect(want byte) error {
	c, err := d.token()
	if err == nil && c != want {
		err = ErrMalformed
	}
	return err
}

// end reads on to the end of the response, which also lets the connection be
// used again.
func (d *decoder) end() error {
	for {
		switch c, err := d.in.ReadByte(); {
		case err == io.EOF:
			return nil
		case err != nil:
			return readError(err)
		case !isSpace(c):
			return ErrMalformed
		}
	}
}

func (d *decoder) byte() (byte, error) {
	c, err := d.in.ReadByte()
	if err != nil {
		return 0, readError(err)
	}
	return c, nil
}

func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &fault{ErrTruncated, io.ErrUnexpectedEOF}
	}
	return &fault{ErrResponse, err}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
