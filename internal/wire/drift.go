package wire

// DriftKind says how a document differs from the model.
type DriftKind int

// The kinds of drift.
const (
	UnknownMember DriftKind = iota + 1 // a member without a typed field
	UnknownValue                       // an enum value that is not in the list
	TypeChanged                        // a value of another JSON type than the field's
)

// Drift is one difference between a document and the model. List indexes, map keys
// and what is no plain name are written as "*" in the pointer.
type Drift struct {
	Pointer string
	Kind    DriftKind
}

// enter appends a step to the path of reported drift and returns the length
// that leave goes back to.
func (d *decoder) enter(step string) int {
	depth := len(d.path)
	if d.report != nil {
		d.path = append(append(d.path, '/'), plainName(step)...)
	}
	return depth
}

func (d *decoder) leave(depth int) { d.path = d.path[:depth] }

func (d *decoder) drift(k DriftKind) {
	if d.report != nil {
		d.report(Drift{string(d.path), k})
	}
}

// maxName is the longest name of a member that is reported, in bytes, and
// maxDigits the most digits that it may have.
const (
	maxName   = 48
	maxDigits = 4
)

// plainName returns the name of a member if it looks like one: letters, digits,
// "_" and "-". A key that may be data, such as an e-mail address, is "*".
func plainName(name string) string {
	digits := 0
	for i := range min(len(name), maxName+1) {
		switch c := name[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '-' && i > 0:
		default:
			return "*"
		}
	}
	if name == "" || len(name) > maxName || digits > maxDigits || '0' <= name[0] && name[0] <= '9' {
		return "*"
	}
	return name
}
