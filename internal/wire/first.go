package wire

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// First returns the first n elements of a JSON array, and reports whether the text
// is one as far as it was read.
func First(text []byte, n int) (elements [][]byte, isArray bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if d.PeekKind() != '[' {
		return nil, false
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	for len(elements) < n && d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		elements = append(elements, bytes.Clone(value))
	}
	return elements, true
}
