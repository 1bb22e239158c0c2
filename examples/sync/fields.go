package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/passfort-go/passfort"
)

// field is one column of the customer table and its place in collected data.
// What only makes sense as a whole (an address) belongs in one field: two
// fields may take their values from different sides.
type field struct {
	name string
	get  func(*passfort.EntityData) string
	set  func(*passfort.EntityData, string)
}

// mapping is the one place to change for a table of your own. Columns are
// created in this order.
func mapping() []field {
	return []field{
		{"given_names",
			func(d *passfort.EntityData) string { return strings.Join(fullName(d).GivenNames, " ") },
			func(d *passfort.EntityData, v string) { nameOf(d).GivenNames = strings.Fields(v) }},
		{"family_name",
			func(d *passfort.EntityData) string { return fullName(d).FamilyName },
			func(d *passfort.EntityData, v string) { nameOf(d).FamilyName = v }},
		{"date_of_birth",
			func(d *passfort.EntityData) string { return personal(d).DOB },
			func(d *passfort.EntityData, v string) { personalOf(d).DOB = v }},
		{"nationality",
			func(d *passfort.EntityData) string { return personal(d).Nationality },
			func(d *passfort.EntityData, v string) { personalOf(d).Nationality = v }},
		{"email",
			func(d *passfort.EntityData) string { return contact(d).Email },
			func(d *passfort.EntityData, v string) { contactOf(d).Email = v }},
		{"phone",
			func(d *passfort.EntityData) string { return contact(d).PhoneNumber },
			func(d *passfort.EntityData, v string) { contactOf(d).PhoneNumber = v }},
		{"segment", // a custom field of the account
			func(d *passfort.EntityData) string { s, _ := d.CustomFieldsData["segment"].(string); return s },
			setSegment},
	}
}

func fieldNames() []string {
	var names []string
	for _, f := range mapping() {
		names = append(names, f.name)
	}
	return names
}

func personal(d *passfort.EntityData) passfort.PersonalDetails {
	if d.PersonalDetails == nil {
		return passfort.PersonalDetails{}
	}
	return *d.PersonalDetails
}

func fullName(d *passfort.EntityData) passfort.FullName {
	if p := personal(d); p.Name != nil {
		return *p.Name
	}
	return passfort.FullName{}
}

func contact(d *passfort.EntityData) passfort.ContactDetails {
	if d.ContactDetails == nil {
		return passfort.ContactDetails{}
	}
	return *d.ContactDetails
}

func personalOf(d *passfort.EntityData) *passfort.PersonalDetails {
	if d.PersonalDetails == nil {
		d.PersonalDetails = &passfort.PersonalDetails{}
	}
	return d.PersonalDetails
}

func nameOf(d *passfort.EntityData) *passfort.FullName {
	p := personalOf(d)
	if p.Name == nil {
		p.Name = &passfort.FullName{}
	}
	return p.Name
}

func contactOf(d *passfort.EntityData) *passfort.ContactDetails {
	if d.ContactDetails == nil {
		d.ContactDetails = &passfort.ContactDetails{}
	}
	return d.ContactDetails
}

func setSegment(d *passfort.EntityData, v string) {
	if v == "" {
		delete(d.CustomFieldsData, "segment")
		return
	}
	if d.CustomFieldsData == nil {
		d.CustomFieldsData = map[string]any{}
	}
	d.CustomFieldsData["segment"] = v
}

// values are the values of fields by name. An absent one is empty.
type values map[string]string

// valuesOf reads the fields out of collected data. Whatever else is in there,
// the marks of the server (original_structured_address, split given names)
// included, is not looked at and goes back untouched.
func valuesOf(d *passfort.EntityData) values {
	v := values{}
	if d == nil {
		return v
	}
	for _, f := range mapping() {
		if s := normal(f.get(d)); s != "" {
			v[f.name] = s
		}
	}
	return v
}

// writeTo sets the fields of d that differ from v.
func (v values) writeTo(d *passfort.EntityData) {
	for _, f := range mapping() {
		if normal(f.get(d)) != v[f.name] {
			f.set(d, v[f.name])
		}
	}
}

// normal is a value as it is kept and compared: single spaces, none around.
func normal(s string) string { return strings.Join(strings.Fields(s), " ") }

// changes returns the fields in which to differs from from, with their values
// in to.
func (v values) changes(to values) values {
	diff := values{}
	for _, name := range fieldNames() {
		if v[name] != to[name] {
			diff[name] = to[name]
		}
	}
	return diff
}

// holds reports whether v has the value of every field in part.
func (v values) holds(part values) bool {
	for name, s := range part {
		if v[name] != s {
			return false
		}
	}
	return true
}

// fingerprint is the same for the same values.
func (v values) fingerprint() string {
	h := sha256.New()
	for _, name := range fieldNames() {
		_ = json.NewEncoder(h).Encode([]string{name, v[name]})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// conflict is a field that both sides changed to different values.
type conflict struct{ field, base, ours, theirs string }

// merge brings two sides together that both started from base, field by field:
// who changed a field decides it, and if both did, Passfort wins, because that
// is where people review the customer. What loses is returned, to be recorded.
//
// sent holds values that this service may have written to Passfort since base
// was read, never those of a write that was refused. Finding one of them there
// means that the field is unchanged elsewhere.
func merge(base, ours, theirs values, sent []values) (values, []conflict) {
	merged := values{}
	var lost []conflict
	for _, name := range fieldNames() {
		b, o, t := base[name], ours[name], theirs[name]
		own := slices.ContainsFunc(sent, func(v values) bool { s, ok := v[name]; return ok && s == t })
		switch {
		case t == b, own:
			merged[name] = o
		case o == b, o == t:
			merged[name] = t
		default:
			merged[name] = t
			lost = append(lost, conflict{name, b, o, t})
		}
	}
	return merged, lost
}
