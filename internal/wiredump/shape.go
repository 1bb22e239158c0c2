package wiredump

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxElements is how many elements of an array are printed.
const maxElements = 3

// shapeOf returns a JSON text with the kind of each value in its place, and
// reports whether it was JSON.
func shapeOf(text []byte) ([]byte, bool) {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var b bytes.Buffer
	if shapeValue(d, &b) != nil {
		return nil, false
	}
	return b.Bytes(), true
}

func shapeValue(d *jsontext.Decoder, b *bytes.Buffer) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	switch token.Kind() {
	case '"':
		b.WriteString(kindOf(token.String()))
	case '0':
		b.WriteString("number")
	case 't', 'f':
		b.WriteString("bool")
	case 'n':
		b.WriteString("null")
	case '{':
		return shapeObject(d, b)
	default:
		return shapeArray(d, b)
	}
	return nil
}

func shapeObject(d *jsontext.Decoder, b *bytes.Buffer) error {
	b.WriteByte('{')
	for first := true; d.PeekKind() == '"'; first = false {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if !first {
			b.WriteString(", ")
		}
		b.WriteString(plainName(name.String()) + ": ")
		if err := shapeValue(d, b); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	_, err := d.ReadToken()
	return err
}

func shapeArray(d *jsontext.Decoder, b *bytes.Buffer) error {
	b.WriteByte('[')
	n := 0
	for ; d.PeekKind() != ']'; n++ {
		if n >= maxElements {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if n > 0 {
			b.WriteString(", ")
		}
		if err := shapeValue(d, b); err != nil {
			return err
		}
	}
	if n > maxElements {
		fmt.Fprintf(b, ", ... %d more", n-maxElements)
	}
	b.WriteByte(']')
	_, err := d.ReadToken()
	return err
}

var (
	uuid     = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	date     = regexp.MustCompile(`^\d{4}-\d\d(-\d\d)?$`)
	dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$`)
	plain    = regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,47}[0-9]{0,3}$`)
)

// kindOf returns what sort of text a string is.
func kindOf(s string) string {
	switch {
	case s == "":
		return `""`
	case uuid.MatchString(s):
		return "uuid"
	case date.MatchString(s):
		return "date"
	case dateTime.MatchString(s):
		return "date-time"
	default:
		return "text(" + strconv.Itoa(len(s)) + ")"
	}
}

// plainName returns a name of a member, a header or a query as it is if it looks
// like one that a program chose, and * otherwise.
func plainName(name string) string {
	if plain.MatchString(name) {
		return name
	}
	return "*"
}

// printable returns text without what a terminal could take for an instruction.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
