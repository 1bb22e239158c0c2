package syncer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

// Mapping says what a kind of customers has in common with their profiles: one for
// people, one for companies.
type Mapping struct {
	// Entity is the kind of the profiles.
	Entity passfort.EntityType
	// Table holds the customers.
	Table Table
	// Fields are what both sides have. What a profile has beside them is unchanged.
	Fields []Field
	// Create makes a profile of the role Role for each customer without one; without
	// it such customers are only reported by Reconcile. Before, the profiles are listed,
	// and each without a customer is read once: one whose customer_ref is the key is linked
	// instead.
	Create bool
	// Add adds a customer for a profile without one, in tx, and returns its key: without
	// it such profiles are only reported by Reconcile. It is called if no customer has the
	// customer_ref of the profile for its key, by a Reconcile that repairs and for a message
	// about the profile. The row may be empty: it is brought in step. An error rolls tx back,
	// and it is tried again.
	Add func(ctx context.Context, tx *sql.Tx, profileID string) (key string, err error)
	// Role is that of profiles that are created. The default is that of a customer of
	// the entity.
	Role passfort.Role
}

// Kind is the type of a field.
type Kind string

// The kinds, and the text that Values hold of them.
const (
	KindText    Kind = "text"    // single spaces, none around
	KindDate    Kind = "date"    // YYYY-MM-DD
	KindBool    Kind = "bool"    // true or false
	KindNumber  Kind = "number"  // the shortest decimal
	KindList    Kind = "list"    // a JSON array of strings
	KindAddress Kind = "address" // a JSON object of the members of an address
)

// Field is a value that both sides have. What only makes sense as a whole, such as an
// address, is one field: two fields may take their values from different sides.
type Field struct {
	// Name is that of the column.
	Name string
	Kind Kind

	get func(*passfort.EntityData) (string, error)
	set func(*passfort.EntityData, string) error
}

// Text is a field of text. The function returns where it is in collected data, and
// may make the objects on the way: see passfort.Ensure.
func Text(name string, at func(*passfort.EntityData) *string) Field {
	return Field{name, KindText,
		func(d *passfort.EntityData) (string, error) { return *at(d), nil },
		func(d *passfort.EntityData, v string) error { *at(d) = v; return nil },
	}
}

// Date is a field with a date. See Text.
func Date(name string, at func(*passfort.EntityData) *string) Field {
	f := Text(name, at)
	f.Kind = KindDate
	return f
}

// Words is a field of text that is a list of words at Passfort, such as given names.
func Words(name string, at func(*passfort.EntityData) *[]string) Field {
	return Field{name, KindText,
		func(d *passfort.EntityData) (string, error) { return strings.Join(*at(d), " "), nil },
		func(d *passfort.EntityData, v string) error { *at(d) = strings.Fields(v); return nil },
	}
}

// Bool is a field that is true, false or absent. See Text.
func Bool(name string, at func(*passfort.EntityData) **bool) Field {
	return Field{name, KindBool,
		func(d *passfort.EntityData) (string, error) {
			if b := *at(d); b != nil {
				return strconv.FormatBool(*b), nil
			}
			return "", nil
		},
		func(d *passfort.EntityData, v string) error {
			if v == "" {
				*at(d) = nil
				return nil
			}
			b, err := strconv.ParseBool(v)
			*at(d) = &b
			return err
		},
	}
}

// Number is a field with a number. See Text.
func Number(name string, at func(*passfort.EntityData) **float64) Field {
	return Field{name, KindNumber,
		func(d *passfort.EntityData) (string, error) {
			if n := *at(d); n != nil {
				return strconv.FormatFloat(*n, 'f', -1, 64), nil
			}
			return "", nil
		},
		func(d *passfort.EntityData, v string) error {
			if v == "" {
				*at(d) = nil
				return nil
			}
			n, err := strconv.ParseFloat(v, 64)
			*at(d) = &n
			return err
		},
	}
}

// List is a field with a list of texts, a JSON array in its column. See Text.
func List(name string, at func(*passfort.EntityData) *[]string) Field {
	return Field{name, KindList,
		func(d *passfort.EntityData) (string, error) { return encoded(*at(d)) },
		func(d *passfort.EntityData, v string) error {
			*at(d) = nil
			if v == "" {
				return nil
			}
			return json.Unmarshal([]byte(v), at(d))
		},
	}
}

func encoded(list []string) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(list)
	return string(raw), err
}

// address are the members of an address that a field has, as JSON.
type address struct {
	Type          passfort.AddressType `json:"type,omitempty"`
	Country       string               `json:"country,omitempty"`
	Text          string               `json:"text,omitempty"`
	StateProvince string               `json:"state_province,omitempty"`
	County        string               `json:"county,omitempty"`
	PostalCode    string               `json:"postal_code,omitempty"`
	Locality      string               `json:"locality,omitempty"`
	PostalTown    string               `json:"postal_town,omitempty"`
	Route         string               `json:"route,omitempty"`
	StreetNumber  string               `json:"street_number,omitempty"`
	Premise       string               `json:"premise,omitempty"`
	Subpremise    string               `json:"subpremise,omitempty"`
}

func addressOf(a *passfort.Address) address {
	if a == nil {
		return address{}
	}
	return address{a.Type, a.Country, a.Text, a.StateProvince, a.County, a.PostalCode, a.Locality, a.PostalTown,
		a.Route, a.StreetNumber, a.Premise, a.Subpremise}
}

// Address is a field with an address, a JSON object in its column. What the server
// adds to an address stays with it. See Text.
func Address(name string, at func(*passfort.EntityData) **passfort.Address) Field {
	return Field{name, KindAddress,
		func(d *passfort.EntityData) (string, error) {
			a := addressOf(*at(d))
			if a == (address{}) {
				return "", nil
			}
			raw, err := json.Marshal(a)
			return string(raw), err
		},
		func(d *passfort.EntityData, v string) error {
			place := at(d)
			if v == "" {
				*place = nil
				return nil
			}
			var a address
			if err := json.Unmarshal([]byte(v), &a); err != nil {
				return err
			}
			to := passfort.Ensure(place)
			to.Type, to.Country, to.Text, to.StateProvince = a.Type, a.Country, a.Text, a.StateProvince
			to.County, to.PostalCode, to.Locality, to.PostalTown = a.County, a.PostalCode, a.Locality, a.PostalTown
			to.Route, to.StreetNumber, to.Premise, to.Subpremise = a.Route, a.StreetNumber, a.Premise, a.Subpremise
			return nil
		},
	}
}

// CurrentAddress is where the first entry of the address history is, for Address.
func CurrentAddress(d *passfort.EntityData) **passfort.Address {
	if len(d.AddressHistory) == 0 {
		d.AddressHistory = []passfort.DatedAddress{{}}
	}
	return &d.AddressHistory[0].Address
}

// Custom is a field of the account's own, by its name at Passfort.
func Custom(name string, kind Kind, custom string) Field {
	return Field{name, kind,
		func(d *passfort.EntityData) (string, error) {
			switch v := d.CustomFieldsData[custom].(type) {
			case nil:
				return "", nil
			case string:
				return v, nil
			case bool:
				return strconv.FormatBool(v), nil
			case []any, []string:
				raw, err := json.Marshal(v)
				return string(raw), err
			default:
				return fmt.Sprint(v), nil
			}
		},
		func(d *passfort.EntityData, v string) error {
			if v == "" {
				delete(d.CustomFieldsData, custom)
				return nil
			}
			var value any = v
			switch kind {
			case KindBool, KindNumber, KindList:
				if err := json.Unmarshal([]byte(v), &value); err != nil {
					return err
				}
			}
			if d.CustomFieldsData == nil {
				d.CustomFieldsData = map[string]any{}
			}
			d.CustomFieldsData[custom] = value
			return nil
		},
	}
}

// Values are the values of fields by name, as text in the form of their kinds. An
// absent or empty one is none: NULL in a column.
type Values map[string]string

// normal returns a value in the form of its kind. The error names the field, not the
// value.
func (f Field) normal(v string) (string, error) {
	v = strings.TrimSpace(v)
	if v == "" {
		return "", nil
	}
	var err error
	switch f.Kind {
	case KindText:
		return strings.Join(strings.Fields(v), " "), nil
	case KindDate:
		if n := len(time.DateOnly); len(v) > n && (v[n] == 'T' || v[n] == ' ') { // a date with the time of midnight
			v = v[:n]
		}
		_, err = time.Parse(time.DateOnly, v)
	case KindBool:
		var b bool
		b, err = strconv.ParseBool(v)
		v = strconv.FormatBool(b)
	case KindNumber:
		var n float64
		n, err = strconv.ParseFloat(v, 64)
		if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
			err = ErrValue // JSON has no such number
		}
		v = strconv.FormatFloat(n, 'f', -1, 64)
	case KindList:
		var list []string
		err = json.Unmarshal([]byte(v), &list)
		if err == nil {
			v, err = encoded(list)
		}
	case KindAddress:
		var a address
		err = json.Unmarshal([]byte(v), &a)
		if err == nil && a == (address{}) {
			return "", nil
		}
		if err == nil {
			var raw []byte
			raw, err = json.Marshal(a)
			v = string(raw)
		}
	default:
		return "", fmt.Errorf("syncer: field %q has an unknown kind", f.Name)
	}
	if err != nil {
		return "", fmt.Errorf("%w: field %q has a value that is no %s", ErrValue, f.Name, f.Kind)
	}
	return v, nil
}

// ErrValue means that a value is not of the kind of its field. The text names the
// field.
var ErrValue = errors.New("syncer: a value does not fit")

// ErrMapping means that a mapping does not fit its table, or itself. The text says
// how.
var ErrMapping = errors.New("syncer: the mapping does not fit")

// problem reports what is wrong with a mapping in itself.
func (m *Mapping) problem() error {
	if m.Table == nil || len(m.Fields) == 0 || m.Entity == "" {
		return fmt.Errorf("%w: a mapping needs an entity, a table and fields", ErrMapping)
	}
	seen := map[string]bool{}
	for _, f := range m.Fields {
		switch {
		case f.get == nil || f.set == nil:
			return fmt.Errorf("%w: field %q was not made by a function of this package", ErrMapping, f.Name)
		case seen[f.Name]:
			return fmt.Errorf("%w: two fields have the column %q", ErrMapping, f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

// valuesOf reads the fields out of collected data, which is unchanged.
func (m *Mapping) valuesOf(d *passfort.EntityData) (Values, error) {
	v := Values{}
	if d == nil {
		return v, nil
	}
	d = d.Clone() // reading makes objects on the way
	for _, f := range m.Fields {
		s, err := f.get(d)
		if err == nil {
			s, err = f.normal(s)
		}
		if err != nil {
			return nil, err
		}
		if s != "" {
			v[f.Name] = s
		}
	}
	return v, nil
}

// write sets the fields of d that differ from v.
func (m *Mapping) write(d *passfort.EntityData, v Values) error {
	now, err := m.valuesOf(d)
	if err != nil {
		return err
	}
	for _, f := range m.Fields {
		if now[f.Name] != v[f.Name] {
			if err := f.set(d, v[f.Name]); err != nil {
				return fmt.Errorf("%w: field %q", ErrValue, f.Name)
			}
		}
	}
	return nil
}

// changes returns the fields in which to differs from from, with their values in to.
func (m *Mapping) changes(from, to Values) Values {
	diff := Values{}
	for _, f := range m.Fields {
		if from[f.Name] != to[f.Name] {
			diff[f.Name] = to[f.Name]
		}
	}
	return diff
}

// carry returns what both sides have now, with what base has of fields that this mapping
// does not: a process of another version has them.
func (m *Mapping) carry(base, now Values) Values {
	all := maps.Clone(base)
	for _, f := range m.Fields {
		delete(all, f.Name)
	}
	for name, v := range now {
		if all == nil {
			all = Values{}
		}
		all[name] = v
	}
	return all
}

// holds reports whether v has the value of every field in part.
func (v Values) holds(part Values) bool {
	for name, s := range part {
		if v[name] != s {
			return false
		}
	}
	return true
}

// fingerprint is the same for the same values.
func (m *Mapping) fingerprint(v Values) string {
	h := sha256.New()
	for _, f := range m.Fields {
		_ = json.NewEncoder(h).Encode([]string{f.Name, v[f.Name]})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// version changes with the fields of a mapping, whatever their order.
func (m *Mapping) version() string {
	var names []string
	for _, f := range m.Fields {
		names = append(names, f.Name+" "+string(f.Kind))
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(sum[:8])
}

// lost is a field that both sides changed to different values.
type lost struct{ field, base, ours, theirs string }

// merge brings two sides together that both started from base, field by field: who
// changed a field decides it, and if both did, Passfort wins, because that is where
// people review the customer. What loses is returned.
//
// sent holds values that may have been written to Passfort since base was read, never
// those of a write that was refused. Finding one of them there means that no other writer
// changed the field.
func (m *Mapping) merge(base, ours, theirs Values, sent []Values) (Values, []lost) {
	merged := Values{}
	var losses []lost
	for _, f := range m.Fields {
		b, o, t := base[f.Name], ours[f.Name], theirs[f.Name]
		own := slices.ContainsFunc(sent, func(v Values) bool { s, ok := v[f.Name]; return ok && s == t })
		value := t
		switch {
		case t == b, own:
			value = o
		case o == b, o == t:
		default:
			losses = append(losses, lost{f.Name, b, o, t})
		}
		if value != "" {
			merged[f.Name] = value
		}
	}
	return merged, losses
}

func encodeValues(v Values) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
}
