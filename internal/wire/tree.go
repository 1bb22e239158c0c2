package wire

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// node is one JSON value brought to its meaning.
type node struct {
	kind    nodeKind
	text    string // of a string, a number (canonical) or a literal
	members []namedNode
	elems   []*node
	raw     []byte
	// hash is the same for all values that are the same; so different hashes
	// spare a comparison.
	hash uint64
	// marks are hashes of all there is: as it stands, and with the text in place of
	// an address that has one, FREEFORM or STRUCTURED.
	marks marks
	// freeform is the original_freeform_address of an object.
	freeform string
	// resplit says that the elements are not the ones that stand in raw.
	resplit bool
}

type namedNode struct {
	name  string
	value *node
}

type nodeKind uint8

const (
	empty nodeKind = iota // null, "", [], {}: as good as absent
	literal
	text
	number
	object
	array
)

const (
	freeformKey   = "original_freeform_address"
	structuredKey = "original_structured_address"
	givenNamesKey = "given_names"
)

// none stands for a value that is not there.
func none() *node { return &node{} }

func (n *node) member(name string) *node {
	i, ok := slices.BinarySearchFunc(n.members, name, func(m namedNode, name string) int {
		return strings.Compare(m.name, name)
	})
	if !ok {
		return none()
	}
	return n.members[i].value
}

// isObject also holds for {} and an object of nothing but empty values.
func (n *node) isObject() bool { return bytes.HasPrefix(n.raw, []byte("{")) }

// isArray also holds for [].
func (n *node) isArray() bool { return bytes.HasPrefix(n.raw, []byte("[")) }

// addressType returns FREEFORM or STRUCTURED for an address, "" for anything else.
func (n *node) addressType() string {
	if n.kind != object {
		return ""
	}
	t := n.member("type")
	if t.kind == text && (t.text == "FREEFORM" || t.text == "STRUCTURED") {
		return t.text
	}
	return ""
}

type parser struct {
	seed maphash.Seed
	data []byte
	dec  *jsontext.Decoder
}

var errTrailing = errors.New("wire: text after the JSON value")

func (p *parser) parse(data []byte) (*node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return none(), nil
	}
	p.data = data
	p.dec = jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowInvalidUTF8(true))
	n, err := p.value("")
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	return n, nil
}

// value reads the next value, the one of the member called name.
func (p *parser) value(name string) (*node, error) {
	before := p.dec.InputOffset()
	tok, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &node{}
	switch tok.Kind() {
	case 'n':
	case '"':
		n.setText(p.seed, tok.String())
	case '0':
		n.kind, n.text = number, exactNumber(tok.String())
		n.hash = maphash.String(p.seed, "0"+n.text)
	case '{':
		err = p.object(n)
	case '[':
		err = p.array(n, name)
	default:
		n.kind, n.text = literal, tok.String()
		n.hash = maphash.String(p.seed, "l"+n.text)
	}
	if err != nil {
		return nil, err
	}
	if n.kind != object && n.kind != array {
		n.marks = marks{n.hash, n.hash}
	}
	n.raw = bytes.TrimLeft(p.data[before:p.dec.InputOffset()], " \t\r\n,:")
	return n, nil
}

func (n *node) setText(seed maphash.Seed, s string) {
	if s == "" {
		return
	}
	n.kind, n.text = text, s
	n.hash = maphash.String(seed, "s"+s)
	n.marks = marks{n.hash, n.hash}
}

func (p *parser) object(n *node) error {
	for p.dec.PeekKind() != '}' {
		tok, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		v, err := p.value(name)
		if err != nil {
			return err
		}
		switch {
		case name == freeformKey:
			n.freeform = v.text
		case name == structuredKey, v.kind == empty:
		default:
			n.members = append(n.members, namedNode{name, v})
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	if len(n.members) == 0 {
		return nil
	}
	n.kind = object
	slices.SortFunc(n.members, func(a, b namedNode) int { return strings.Compare(a.name, b.name) })
	n.marks = marks{n.sum(p.seed, 0), n.sum(p.seed, 1)}
	if n.addressType() != "" {
		if text := n.addressText(); text != "" {
			n.marks[1] = maphash.String(p.seed, "a"+n.member("country").text+"/"+text)
		}
		n.hash = maphash.String(p.seed, "a"+n.member("country").text)
		return nil
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
	h.WriteByte('{')
	for _, m := range n.members {
		h.WriteString(m.name)
		h.WriteByte(0)
		maphash.WriteComparable(&h, m.value.hash)
	}
	n.hash = h.Sum64()
	return nil
}

func (p *parser) array(n *node, name string) error {
	for p.dec.PeekKind() != ']' {
		v, err := p.value("")
		if err != nil {
			return err
		}
		n.elems = append(n.elems, v)
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	if name == givenNamesKey {
		p.splitNames(n)
	}
	if len(n.elems) == 0 {
		return nil
	}
	n.kind = array
	n.marks = marks{n.sum(p.seed, 0), n.sum(p.seed, 1)}
	var h maphash.Hash
	h.SetSeed(p.seed)
	h.WriteByte('[')
	for _, e := range n.elems {
		maphash.WriteComparable(&h, e.hash)
	}
	n.hash = h.Sum64()
	return nil
}

// sum returns the hash of the marks of all members and elements.
func (n *node) sum(seed maphash.Seed, mark int) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteByte(byte(n.kind))
	for _, m := range n.members {
		h.WriteString(m.name)
		h.WriteByte(0)
		maphash.WriteComparable(&h, m.value.marks[mark])
	}
	for _, e := range n.elems {
		maphash.WriteComparable(&h, e.marks[mark])
	}
	return h.Sum64()
}

// addressText returns the text that says what the server makes of a FREEFORM
// address, and what it made a STRUCTURED one of, if it did.
func (n *node) addressText() string {
	if n.addressType() == "FREEFORM" {
		return strings.TrimSpace(n.member("text").text)
	}
	return strings.TrimSpace(n.freeform)
}

// splitNames does to given names what the server does: it splits them at white
// space and drops what is empty.
func (p *parser) splitNames(n *node) {
	var names []*node
	resplit := false
	for _, e := range n.elems {
		if e.kind != text && e.kind != empty {
			return
		}
		fields := strings.Fields(e.text)
		if len(fields) == 1 && fields[0] == e.text {
			names = append(names, e)
			continue
		}
		resplit = true
		for _, f := range fields {
			name := &node{}
			name.setText(p.seed, f)
			names = append(names, name)
		}
	}
	n.elems, n.resplit = names, resplit
}
