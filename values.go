package passfort

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/passfort-go/passfort/internal/countries"
	"github.com/passfort-go/passfort/internal/wire"
)

//go:generate go run ./internal/modelgen

// Unknown holds the members of one JSON object that this package does not
// model, so that they go back to the API exactly as they came. It also keeps
// what the typed fields of the object cannot tell from absent (an explicit
// null, an empty string) until the field gets another value.
//
// The zero value is ready to use. Copies of a struct share the content of its
// Unknown safely: Set and Delete never change it in place. An assignment copies
// only the outermost struct; Clone, which every model has, copies all of it.
//
// Every model is kept whole by encoding/json and what follows its interfaces, and
// as its JSON text by encoders that ask for MarshalText (YAML, TOML, XML),
// MarshalBinary (gob, MessagePack, CBOR) or MarshalBSON. As the whole of a TOML
// file a model is an error: give it a field. Encoders and copiers that ask for
// nothing and go by reflection keep what is here as far as they follow exported
// fields, but some of them make empty lists of lists that are nil, and an empty
// list is sent: use Clone to copy. A converter that reads the JSON into values of
// its own, as from JSON to YAML, keeps numbers only as long as a float64 does.
//
// A struct of yours that embeds a model has the model's methods, so its JSON, and
// every other form, is that of the model alone and its own fields are left out:
// make the model a field with a name.
type Unknown struct{ wire.Members }

// Get returns the raw JSON of the unmodelled member called name.
func (u Unknown) Get(name string) (json.RawMessage, bool) { return wire.Get(&u.Members, name) }

// Set adds or replaces the unmodelled member called name. The value may be
// anything encoding/json can encode, a json.RawMessage included. What
// encoding/json would change is an error: a []byte, an io.Reader, and text that is
// not valid UTF-8. Use it only for names the struct has no field for: encoding
// fails otherwise.
func (u *Unknown) Set(name string, value any) error {
	if name == "" {
		return errors.New("passfort: an unknown member needs a name")
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("passfort: the name of an unknown member: %w", wire.ErrUTF8)
	}
	raw, err := wire.Encode(value)
	if err != nil {
		return fmt.Errorf("passfort: unknown member cannot be encoded: %w", err)
	}
	wire.Set(&u.Members, name, raw)
	return nil
}

// Delete removes the unmodelled member called name, if it is there.
func (u *Unknown) Delete(name string) { wire.Delete(&u.Members, name) }

// Len returns the number of unmodelled members.
func (u Unknown) Len() int { return wire.Len(&u.Members) }

// All yields the unmodelled members in the order in which they were received.
func (u Unknown) All() iter.Seq2[string, json.RawMessage] { return wire.All(&u.Members) }

// Equal reports whether u and other hold the same: the same unmodelled members, in
// any order, and the same of what typed fields cannot tell from absent. Values are
// compared as JSON: white space, the order of members and the spelling of strings
// and numbers make no difference, while null and absent are two things. It is what
// makes go-cmp compare models.
func (u Unknown) Equal(other Unknown) bool { return wire.Same(&u.Members, &other.Members) }

// string returns the member called name if it is a string.
func (u Unknown) string(name string) string {
	var s string
	if raw, ok := u.Get(name); !ok || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// Secret is a key that is not printed. The verbs of fmt, JSON, text, slog and
// whatever reads fields or follows pointers give "[redacted]" or nothing; only
// Reveal gives the key. It is the zero Secret if there is none. Compare with Equal.
//
// Because its JSON is redacted too, store what Reveal returns, not the JSON of
// a value that holds a Secret: "[redacted]" is read as no key.
type Secret struct {
	reveal func() string // a closure, because a pointer could be followed
}

const redacted = "[redacted]"

// NewSecret returns a Secret of the key. That of "" is the zero Secret.
func NewSecret(key string) Secret {
	if key == "" || key == redacted {
		return Secret{}
	}
	return Secret{func() string { return key }}
}

// Reveal returns the key itself, "" if there is none.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no key.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal reports whether both are the same key, in constant time for keys of one
// length.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format prints [redacted] for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns [redacted].
func (s Secret) String() string { return redacted }

// LogValue returns [redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns "[redacted]" in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes a key. [redacted] is none.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// UnmarshalJSON takes a string, or an object that has the key under "key" or
// "apikey": how the API sends the key of a customer request is not published. A
// string "[redacted]" is no key.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var plain string
	if json.Unmarshal(data, &plain) == nil {
		*s = NewSecret(plain)
		return nil
	}
	var object struct {
		Key    string `json:"key"`
		APIKey string `json:"apikey"`
	}
	if json.Unmarshal(data, &object) == nil {
		if *s = NewSecret(cmp.Or(object.Key, object.APIKey)); !s.IsZero() {
			return nil
		}
	}
	return errors.New("passfort: no key in the JSON of a secret")
}

// Ensure allocates *p if it is nil and returns it, to set a member of an object that
// may be missing:
//
//	passfort.Ensure(&data.ContactDetails).Email = "robin@sampleton.example"
func Ensure[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// Deref returns what p points to, or the zero value if it is nil, to read a boolean,
// number or object that may be missing.
func Deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// timeOf reads a date-time of the API, and reports whether there is one.
func timeOf(s string) (time.Time, bool) {
	t, err := ParseDateTime(s)
	return t, err == nil
}

// ParseDateTime reads a date-time of the API, YYYY-MM-DD hh:mm:ss, as UTC
// (docs/api/basics.md#values). It also takes fractions of a second and RFC 3339. The error does not
// repeat the value.
func ParseDateTime(s string) (time.Time, error) {
	for _, layout := range []string{time.DateTime, time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("passfort: not a date-time of the form YYYY-MM-DD hh:mm:ss")
}

// FormatDateTime writes t as a date-time of the API: YYYY-MM-DD hh:mm:ss in UTC.
func FormatDateTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

// PartialDate is a date of which only the year, or only the year and the month, may be known
// (docs/api/basics.md#values). Month and Day are 0 when absent.
type PartialDate struct{ Year, Month, Day int }

// ParsePartialDate reads YYYY, YYYY-MM or YYYY-MM-DD. The date must exist in the calendar. The
// error does not repeat the value.
func ParsePartialDate(s string) (PartialDate, error) {
	layout := map[int]string{4: "2006", 7: "2006-01", 10: time.DateOnly}[len(s)]
	t, err := time.Parse(layout, s)
	if layout == "" || err != nil || t.Year() == 0 {
		return PartialDate{}, errors.New("passfort: not a date of the form YYYY, YYYY-MM or YYYY-MM-DD")
	}
	d := PartialDate{Year: t.Year()}
	if len(s) >= 7 {
		d.Month = int(t.Month())
	}
	if len(s) == 10 {
		d.Day = t.Day()
	}
	return d, nil
}

// String returns the date as YYYY, YYYY-MM or YYYY-MM-DD, and "" for the zero value.
func (d PartialDate) String() string {
	switch {
	case d.Year == 0:
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// CustomField is one of the account's own fields in collected data. Its methods
// report false if the field is absent, null, or of another kind.
type CustomField struct{ value any }

// CustomField returns the account's own field called name; the field may be absent.
func (v *EntityData) CustomField(name string) CustomField {
	return CustomField{v.CustomFieldsData[name]}
}

// IsSet reports whether the field has a value. A null is none.
func (f CustomField) IsSet() bool { return f.value != nil }

// Text returns the value of a text field.
func (f CustomField) Text() (string, bool) {
	if _, isNumber := f.value.(json.Number); isNumber {
		return "", false
	}
	v := reflect.ValueOf(f.value)
	if v.Kind() != reflect.String {
		return "", false
	}
	return v.String(), true
}

// Number returns the value of a number field with all its digits, however many
// there are.
func (f CustomField) Number() (json.Number, bool) {
	if n, ok := f.value.(json.Number); ok {
		return n, true
	}
	switch v := reflect.ValueOf(f.value); {
	case v.CanInt(), v.CanUint(), v.CanFloat():
		raw, err := json.Marshal(f.value)
		return json.Number(raw), err == nil
	}
	return "", false
}

// Bool returns the value of a yes-or-no field.
func (f CustomField) Bool() (value, ok bool) {
	value, ok = f.value.(bool)
	return value, ok
}

// Date returns the value of a date field: YYYY-MM-DD, YYYY-MM or YYYY.
func (f CustomField) Date() (PartialDate, bool) {
	text, _ := f.Text()
	date, err := ParsePartialDate(text)
	return date, err == nil
}

// Values returns the values of a field that may have several, such as a multi
// select. A field with one value that is no list gives that one, an absent one none.
func (f CustomField) Values() []CustomField {
	if f.value == nil {
		return nil
	}
	v := reflect.ValueOf(f.value)
	if v.Kind() != reflect.Slice {
		return []CustomField{f}
	}
	values := make([]CustomField, v.Len())
	for i := range values {
		values[i] = CustomField{v.Index(i).Interface()}
	}
	return values
}

// nation takes what travel documents have beside countries (ICAO 9303), too.
func (p *problems) nation(pointer, code string) {
	if code != "" && !countries.Nationality(code) {
		p.add(pointer, notCountry(code))
	}
}

func (p *problems) state(pointer, country, state string) {
	if (country == "USA" || country == "CAN") && state == "" {
		p.add(pointer, "is missing: it is required in the USA and Canada")
	}
}

func notCountry(code string) string {
	switch {
	case code == "XKX":
		return "is not the code of Kosovo, which is RKS here"
	case countries.Country(strings.ToUpper(code)):
		return "is not in capitals"
	case len(code) == 2:
		return "has two letters: ISO 3166-1 alpha-3 has three"
	}
	return "is no ISO 3166-1 alpha-3 code"
}

// walk finds, anywhere below v, what needs no knowledge of what is around it: values that
// are not of a closed set, members under a name in another case, addresses without what
// their form needs. A place that has a problem already gets no second one.
func (p *problems) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		p.walk(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // JSON that is kept raw
		}
		for i := range v.Len() {
			p.in("/"+strconv.Itoa(i), func() { p.walk(v.Index(i)) })
		}
	case reflect.Map:
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), byText) {
			p.in("/"+escaped(key.String()), func() { p.walk(v.MapIndex(key)) })
		}
	case reflect.String:
		if set, closed := v.Interface().(interface{ Known() bool }); closed && v.Len() > 0 && !set.Known() {
			p.once("", "is not one of the values that are known")
		}
	case reflect.Struct:
		p.members(v)
	}
}

func byText(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }

func (p *problems) members(v reflect.Value) {
	names := map[string]string{}
	for field, value := range v.Fields() {
		name := field.Tag.Get("json")
		names[strings.ToLower(name)] = name
		switch v.Type().Name() + "." + name {
		case "EntityData.electronic_id_check", "EntityData.credit_ref", "EntityData.db_matches",
			"EntityData.sanctions_results", "EntityData.bank_account_verifications",
			"EntityData.bank_account_validations", "EntityData.field_checks", "Document.verification_result",
			"DocumentData.result", "AssociatedEntity.linked_profile":
			continue // of checks and providers, and of another profile
		case "CompanyFiling.date_of_filing", "CharityData.registration_date", "FraudMatch.supply_date",
			"FraudMatch.application_date", "FraudMatch.claim_date":
			p.date("/"+name, value.String())
		}
		if name != "" && name != "-" {
			p.in("/"+name, func() { p.walk(value) })
		}
	}
	unknown, _ := v.FieldByName("Unknown").Interface().(Unknown)
	for name := range unknown.All() {
		if right := names[strings.ToLower(name)]; right != "" && right != name {
			p.once("/"+escaped(name), "is called "+right)
		}
	}
	switch a := v.Interface().(type) {
	case Address:
		p.country("/country", a.Country)
		if a.Type == "" {
			p.once("/type", "is missing")
		}
		if a.Type == AddressTypeFreeform {
			p.required("/country", a.Country)
			p.required("/text", a.Text)
		}
	case DatedAddress:
		if a.Address == nil {
			p.once("/address", "is missing")
		}
	}
}

// escaped is a name as a JSON pointer (RFC 6901) has it.
func escaped(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

func sameSet(a, b []string) bool {
	has := setOf(b, func(s string) string { return s })
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s string) bool { return !has[s] })
}

// setOf returns what has one of the forms of a list.
func setOf(list []string, form func(string) string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[form(s)] = true
	}
	return set
}
