package imagebody

import (
	"io"
	"strings"
)

const (
	uriScheme = "data:"
	// uriLimit bounds what a data URI may say before its comma.
	uriLimit = 1 << 10
)

// image decodes the text of one image string, which comes in pieces without
// their line breaks, into a writer.
type image struct {
	w         io.Writer // nil: the text is passed over
	passed    bool      // some text was
	limit     int64
	progress  func(written, total int64)
	written   int64
	mediaType string

	uri     []byte  // the text so far, while it may start a data URI
	encoded bool    // uri is dealt with, Base64 follows
	carry   [4]byte // text of an incomplete group
	held    int     // how much of carry is used
	padded  bool    // padding has ended the image
	out     []byte  // image bytes not yet written
}

func (m *image) add(text []byte) error {
	if m.w == nil {
		m.passed = m.passed || len(text) > 0
		return nil
	}
	for len(text) > 0 && !m.encoded {
		c := text[0]
		text = text[1:]
		if c < 0x20 || c >= 0x7f || len(m.uri) == uriLimit {
			return ErrBadBase64
		}
		m.uri = append(m.uri, c)
		if n := len(m.uri); n <= len(uriScheme) {
			if c|0x20 == uriScheme[n-1]|0x20 {
				continue
			}
			if err := m.bare(); err != nil {
				return err
			}
		} else if c == ',' {
			if err := m.header(); err != nil {
				return err
			}
		}
	}
	if len(text) == 0 {
		return nil
	}
	return m.decode(text)
}

// bare finds that the text is no data URI: it is Base64 from its start.
func (m *image) bare() error {
	m.encoded = true
	return m.decode(m.uri)
}

// header reads a complete head of a data URI.
func (m *image) header() error {
	m.encoded = true
	head := string(m.uri[len(uriScheme) : len(m.uri)-1])
	mediaType, params, _ := strings.Cut(head, ";")
	if i := strings.LastIndexByte(params, ';'); !strings.EqualFold(params[i+1:], "base64") {
		return ErrBadBase64
	}
	m.mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return nil
}

func (m *image) decode(text []byte) error {
	for len(text) > 0 {
		if m.padded {
			return ErrBadBase64
		}
		if m.held > 0 || len(text) < 4 {
			n := copy(m.carry[m.held:], text)
			m.held += n
			text = text[n:]
			if m.held < 4 {
				return nil
			}
			m.held = 0
			if err := m.groups(m.carry[:]); err != nil {
				return err
			}
			continue
		}
		n := min(len(text), rawSize/3*4) / 4 * 4
		if err := m.groups(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// groups decodes whole groups of four, at most as many as fill out.
func (m *image) groups(text []byte) error {
	if err := m.room(len(text) / 4 * 3); err != nil {
		return err
	}
	free := m.out[len(m.out):cap(m.out)]
	n, err := decodeBase64(free, text)
	if err != nil {
		return err
	}
	m.padded = n < len(text)/4*3
	m.out = m.out[:len(m.out)+n]
	return nil
}

// finish decodes a last group without padding and writes what is left.
func (m *image) finish() error {
	if m.w == nil {
		return nil
	}
	if !m.encoded {
		if len(m.uri) >= len(uriScheme) {
			return ErrBadBase64
		}
		if err := m.bare(); err != nil {
			return err
		}
	}
	if m.held > 0 {
		if err := m.room(3); err != nil {
			return err
		}
		free := m.out[len(m.out):cap(m.out)]
		n, err := decodeUnpadded(free, m.carry[:m.held])
		if err != nil {
			return err
		}
		m.out = m.out[:len(m.out)+n]
	}
	return m.flush()
}

// room makes out able to take n more bytes.
func (m *image) room(n int) error {
	if m.out == nil {
		m.out = make([]byte, 0, rawSize)
	}
	if cap(m.out)-len(m.out) >= n {
		return nil
	}
	return m.flush()
}

func (m *image) flush() error {
	if len(m.out) == 0 {
		return nil
	}
	if m.limit > 0 && m.written+int64(len(m.out)) > m.limit {
		return ErrTooLarge
	}
	n, err := m.w.Write(m.out)
	m.written += int64(max(0, min(n, len(m.out))))
	if err == nil && n != len(m.out) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return &fault{ErrWrite, err}
	}
	m.out = m.out[:0]
	if m.progress != nil {
		m.progress(m.written, 0)
	}
	return nil
}
