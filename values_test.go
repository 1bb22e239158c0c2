package passfort_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/wire/wiretest"
)

func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	var address passfort.Address
	require.NoError(t, json.Unmarshal([]byte(`{"country":"GBR","what3words":"a.b.c","floors":[1,2]}`), &address))
	require.Equal(t, 2, address.Unknown.Len())
	words, found := address.Unknown.Get("what3words")
	require.True(t, found)
	require.Equal(t, `"a.b.c"`, string(words))
	_, found = address.Unknown.Get("country")
	require.False(t, found, "a member with a field is not unknown")

	copied := address
	require.NoError(t, copied.Unknown.Set("what3words", "d.e.f"))
	require.NoError(t, copied.Unknown.Set("lift", map[string]bool{"works": true}))
	copied.Unknown.Delete("floors")
	copied.Unknown.Delete("not there")
	encoded, err := json.Marshal(copied)
	require.NoError(t, err)
	require.JSONEq(t, `{"country":"GBR","what3words":"d.e.f","lift":{"works":true}}`, string(encoded))

	encoded, err = json.Marshal(address)
	require.NoError(t, err)
	require.JSONEq(t, `{"country":"GBR","what3words":"a.b.c","floors":[1,2]}`, string(encoded),
		"the copy's changes are its own")
}

func TestUnknownMembersOfANewValue(t *testing.T) {
	t.Parallel()
	var person passfort.EntityData
	require.Zero(t, person.Unknown.Len())
	_, found := person.Unknown.Get("x")
	require.False(t, found)
	person.Unknown.Delete("x")
	for range person.Unknown.All() {
		require.Fail(t, "there is none")
	}

	require.NoError(t, person.Unknown.Set("b", 1))
	require.NoError(t, person.Unknown.Set("a", json.RawMessage(`12345678901234567890.10`)))
	require.NoError(t, person.Unknown.Set("b", nil))
	var names []string
	for name, value := range person.Unknown.All() {
		names = append(names, name+"="+string(value))
	}
	require.Equal(t, []string{"a=12345678901234567890.10", "b=null"}, names)
	for name := range person.Unknown.All() {
		require.Equal(t, "a", name)
		break
	}
}

func TestUnknownMembersThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what, name string
		value      any
		want       string
	}{
		{"no name", "", 1, "an unknown member needs a name"},
		{"a name that is not Unicode", "n\xe9e", 1, "name of an unknown member: string is not valid UTF-8"},
		{"what has no JSON form", "x", make(chan int), "the value has no JSON form"},
		{"text that is not Unicode", "x", "caf\xe9", "string is not valid UTF-8"},
		{"a list of such texts", "x", []string{"a", "caf\xe9"}, "string is not valid UTF-8"},
		{"JSON text that is not Unicode", "x", json.RawMessage("\"caf\xe9\""), "string is not valid UTF-8"},
		{"a model with such a text", "x", passfort.Address{Locality: "caf\xe9"}, "string is not valid UTF-8"},
		{"bytes", "x", []byte(`{}`), "json.RawMessage"},
		{"a reader", "x", strings.NewReader(`{}`), "json.RawMessage"},
		{"a reader inside", "x", map[string]any{"r": strings.NewReader(`{}`)}, "json.RawMessage"},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			var person passfort.EntityData
			err := person.Unknown.Set(row.name, row.value)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "caf")
			require.Zero(t, person.Unknown.Len())
		})
	}
}

// What the wire tests compare member by member, for the method that go-cmp calls.
func TestUnknownEqual(t *testing.T) {
	t.Parallel()
	read := func(doc string) passfort.Address {
		var v passfort.Address
		require.NoError(t, json.Unmarshal([]byte(doc), &v))
		return v
	}
	a := read(`{"country":"GBR","what3words":"a.b.c","floors":[1,2.0],"postal_code":null}`)
	b := read(`{"postal_code":null,"floors":[1,2],"what3words":"a.b.c","country":"FRA"}`)
	require.True(t, a.Unknown.Equal(b.Unknown), "of fields it says nothing")
	require.NoError(t, b.Unknown.Set("floors", []int{1}))
	require.False(t, a.Unknown.Equal(b.Unknown))
	require.False(t, a.Unknown.Equal(read(`{"what3words":"a.b.c","floors":[1,2]}`).Unknown),
		"null and absent are two things")
	require.True(t, a.Unknown.Equal(a.Clone().Unknown))
	require.True(t, passfort.Unknown{}.Equal((&passfort.Address{}).Unknown))
}

// Fields of the account that are not Unicode, or no JSON, stay here.
func TestCustomFieldsThatCannotLeave(t *testing.T) {
	t.Parallel()
	s := serve(t, respond(200, `{}`))
	c := newClient(t, s)
	for name, value := range map[string]any{
		"a text":                 "caf\xe9",
		"a list of texts":        []string{"a", "caf\xe9"},
		"a list of values":       []any{"caf\xe9"},
		"an object":              map[string]any{"a": "caf\xe9"},
		"an object of texts":     map[string]string{"a": "caf\xe9"},
		"the key of an object":   map[string]int{"caf\xe9": 1},
		"a key of such a type":   map[passfort.EntityType]int{"caf\xe9": 1},
		"a struct":               struct{ A string }{"caf\xe9"},
		"a type of text":         passfort.EntityType("caf\xe9"),
		"JSON text":              json.RawMessage("\"caf\xe9\""),
		"bytes":                  []byte("x"),
		"a list with bytes":      []any{[]byte("x")},
		"a reader":               strings.NewReader("x"),
		"a number that is none":  math.NaN(),
		"a list of such numbers": []float64{math.Inf(1)},
		"a function":             func() {},
	} {
		data := &passfort.CollectedData{EntityData: *passfort.NewIndividual(), ETag: "v1"}
		data.CustomFieldsData = map[string]any{"kim": value}
		_, err := c.CollectedData.Replace(t.Context(), pid, data)
		require.ErrorIs(t, err, passfort.ErrInvalidInput, name)
		require.ErrorContains(t, err, "custom_fields_data", name)
		require.NotContains(t, err.Error(), "caf", name)
		require.NotContains(t, err.Error(), "kim", name)
		require.Error(t, failed(json.Marshal(data)), name)
	}
	require.Error(t, failed(json.Marshal(passfort.EntityData{CustomFieldsData: map[string]any{"caf\xe9": 1}})),
		"the name of a field")
	require.Empty(t, s.seen())
}

func TestCustomField(t *testing.T) {
	t.Parallel()
	var data passfort.EntityData
	require.NoError(t, json.Unmarshal([]byte(`{"custom_fields_data":{
		"account":"00123","iban":12345678901234567890123,"price":1.50,"zero":0,"share":1e-9,"huge":1e999,
		"pep":false,"born":"1990-02","since":"2020-03-18","sectors":["a","b",3],"none":null,
		"no sectors":[],"empty":"","object":{"a":1}
	}}`), &data))
	data.CustomFieldsData["mine"] = passfort.EntityTypeIndividual
	data.CustomFieldsData["count"] = uint8(7)
	data.CustomFieldsData["flags"] = []string{"x", "y"}
	date := func(year, month, day int) passfort.PartialDate {
		return passfort.PartialDate{Year: year, Month: month, Day: day}
	}
	type texts []string
	for _, row := range []struct {
		name    string
		set     bool
		text    any // a string, a json.Number, a bool, or nil
		date    passfort.PartialDate
		several texts
	}{
		{"account", true, "00123", passfort.PartialDate{}, texts{"00123"}},
		{"iban", true, json.Number("12345678901234567890123"), passfort.PartialDate{},
			texts{"12345678901234567890123"}},
		{"price", true, json.Number("1.5"), passfort.PartialDate{}, texts{"1.5"}},
		{"zero", true, json.Number("0"), passfort.PartialDate{}, texts{"0"}},
		{"share", true, json.Number("1e-9"), passfort.PartialDate{}, texts{"1e-9"}},
		{"huge", true, json.Number("1e999"), passfort.PartialDate{}, texts{"1e999"}},
		{"pep", true, false, passfort.PartialDate{}, texts{"false"}},
		{"born", true, "1990-02", date(1990, 2, 0), texts{"1990-02"}},
		{"since", true, "2020-03-18", date(2020, 3, 18), texts{"2020-03-18"}},
		{"sectors", true, nil, passfort.PartialDate{}, texts{"a", "b", "3"}},
		{"none", false, nil, passfort.PartialDate{}, nil},
		{"no sectors", true, nil, passfort.PartialDate{}, nil},
		{"absent", false, nil, passfort.PartialDate{}, nil},
		{"empty", true, "", passfort.PartialDate{}, texts{""}},
		{"object", true, nil, passfort.PartialDate{}, texts{"?"}},
		{"mine", true, "INDIVIDUAL", passfort.PartialDate{}, texts{"INDIVIDUAL"}},
		{"count", true, json.Number("7"), passfort.PartialDate{}, texts{"7"}},
		{"flags", true, nil, passfort.PartialDate{}, texts{"x", "y"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			field := data.CustomField(row.name)
			require.Equal(t, row.set, field.IsSet())
			require.Equal(t, row.text, valueOf(field))
			got, isDate := field.Date()
			require.Equal(t, row.date, got)
			require.Equal(t, row.date != passfort.PartialDate{}, isDate)
			var several texts
			for _, value := range field.Values() {
				switch value := valueOf(value).(type) {
				case nil:
					several = append(several, "?")
				default:
					several = append(several, fmt.Sprint(value))
				}
			}
			require.Equal(t, row.several, several)
		})
	}
	require.False(t, (&passfort.EntityData{}).CustomField("x").IsSet())
	whole := passfort.CollectedData{EntityData: data}
	require.True(t, whole.CustomField("account").IsSet())
}

// valueOf returns the value of the one kind that a field says it has, or nil.
func valueOf(f passfort.CustomField) any {
	var values []any
	if text, ok := f.Text(); ok {
		values = append(values, text)
	}
	if number, ok := f.Number(); ok {
		values = append(values, number)
	}
	if yes, ok := f.Bool(); ok {
		values = append(values, yes)
	}
	if len(values) != 1 {
		return nil
	}
	return values[0]
}

func TestParseDateTime(t *testing.T) {
	t.Parallel()
	want := time.Date(2020, time.March, 18, 14, 33, 23, 0, time.UTC)
	tests := []struct {
		name, in string
		want     time.Time
	}{
		{"as documented", "2020-03-18 14:33:23", want},
		{"fraction", "2020-03-18 14:33:23.25", want.Add(250 * time.Millisecond)},
		{"RFC 3339 in UTC", "2020-03-18T14:33:23Z", want},
		{"RFC 3339 with offset", "2020-03-18T16:33:23+02:00", want},
		{"RFC 3339 with fraction", "2020-03-18T14:33:23.000001Z", want.Add(time.Microsecond)},
		{"T without zone", "2020-03-18T14:33:23", want},
		{"leap day", "2020-02-29 00:00:00", time.Date(2020, time.February, 29, 0, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := passfort.ParseDateTime(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, time.UTC, got.Location())
		})
	}
}

func TestParseDateTimeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in string }{
		{"empty", ""},
		{"date only", "2020-03-18"},
		{"no such day", "2021-02-29 00:00:00"},
		{"no such hour", "2020-03-18 25:00:00"},
		{"trailing text", "2020-03-18 14:33:23 Canary"},
		{"word", "Canary"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := passfort.ParseDateTime(tt.in)
			require.Error(t, err)
			require.Zero(t, got)
			require.NotContains(t, err.Error(), "Canary")
			require.NotContains(t, err.Error(), "202")
		})
	}
}

func TestFormatDateTime(t *testing.T) {
	t.Parallel()
	in := time.Date(2020, time.March, 18, 16, 33, 23, 999, time.FixedZone("two hours east", 2*60*60))
	require.Equal(t, "2020-03-18 14:33:23", passfort.FormatDateTime(in))
}

func TestParsePartialDate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     passfort.PartialDate
	}{
		{"year", "1992", passfort.PartialDate{Year: 1992}},
		{"month", "1992-11", passfort.PartialDate{Year: 1992, Month: 11}},
		{"day", "1992-11-24", passfort.PartialDate{Year: 1992, Month: 11, Day: 24}},
		{"leap day", "2000-02-29", passfort.PartialDate{Year: 2000, Month: 2, Day: 29}},
		{"first of January", "2000-01-01", passfort.PartialDate{Year: 2000, Month: 1, Day: 1}},
		{"early year", "0987", passfort.PartialDate{Year: 987}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := passfort.ParsePartialDate(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.in, got.String())
		})
	}
}

func TestParsePartialDateRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in string }{
		{"empty", ""},
		{"year zero", "0000"},
		{"short year", "192"},
		{"month zero", "1987-00"},
		{"month thirteen", "1987-13"},
		{"no such day", "1987-02-29"},
		{"day zero", "1987-01-00"},
		{"one digit", "1987-1-1"},
		{"compact", "19870101"},
		{"sign", "-987"},
		{"date-time", "1987-01-01 00:00:00"},
		{"word of ten letters", "Canary1987"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := passfort.ParsePartialDate(tt.in)
			require.Error(t, err)
			require.Zero(t, got)
			require.NotContains(t, err.Error(), "Canary")
			require.NotContains(t, err.Error(), "1987")
		})
	}
}

func TestPartialDateStringLeavesOutWhatIsAbsent(t *testing.T) {
	t.Parallel()
	require.Empty(t, passfort.PartialDate{}.String())
	require.Empty(t, passfort.PartialDate{Month: 2, Day: 3}.String())
	require.Equal(t, "1992", passfort.PartialDate{Year: 1992, Day: 3}.String())
}

// TestEncodingJSONIsAsLossless: what encoding/json makes of a model value is
// what the SDK sends.
func TestEncodingJSONIsAsLossless(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	source := wiretest.New(seed, 0.2)
	for range 1_000 {
		doc := source.Object(reflect.TypeFor[passfort.CompanyMetadata](), 4)
		var inside struct{ M []passfort.CompanyMetadata }
		require.NoError(t, json.Unmarshal([]byte(`{"M":[`+doc+`]}`), &inside))
		out, err := json.Marshal(inside)
		require.NoError(t, err)
		require.Equal(t, tree(t, `{"M":[`+doc+`]}`), tree(t, string(out)), "seed %d", seed)
	}
}

// encoding/json hands a null to the element of a list or a map, but not to a pointer.
func TestEncodingJSONKeepsNulls(t *testing.T) {
	t.Parallel()
	const doc = `{"List":[null,{"id":"d","new":1}],"Map":{"a":null},"One":null,"Data":null}`
	var got struct {
		List []passfort.Document
		Map  map[string]passfort.DatedAddress
		One  passfort.Profile
		Data passfort.CollectedData
	}
	got.One.ID = "before"
	require.NoError(t, json.Unmarshal([]byte(doc), &got))
	require.Empty(t, got.One.ID)
	out, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, doc, string(out))
	got.List[0].ID = "filled in"
	out, err = json.Marshal(got.List)
	require.NoError(t, err)
	require.JSONEq(t, `[{"id":"filled in"},{"id":"d","new":1}]`, string(out))
	require.Error(t, json.Unmarshal([]byte(`5`), &got.One))
}

func TestEnsureAndDeref(t *testing.T) {
	t.Parallel()
	data := passfort.NewIndividual()
	passfort.Ensure(&data.ContactDetails).Email = "robin@sampleton.example"
	details := data.ContactDetails
	passfort.Ensure(&data.ContactDetails).PhoneNumber = "+44 20 7946 0958"
	require.Same(t, details, data.ContactDetails, "what is there stays")
	require.Equal(t, "robin@sampleton.example", details.Email)
	require.Empty(t, passfort.Deref(data.PersonalDetails).Nationality)
	require.Equal(t, "robin@sampleton.example", passfort.Deref(data.ContactDetails).Email)
	require.False(t, passfort.Deref[bool](nil))
}

func TestSettled(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		status  passfort.ApplicationStatus
		flag    passfort.ApplicationFlag
		settled bool
	}{
		{passfort.ApplicationStatusApplied, passfort.ApplicationFlagAutomating, false},
		{passfort.ApplicationStatusApplied, passfort.ApplicationFlagWaitingOnChecks, false},
		{passfort.ApplicationStatusApplied, passfort.ApplicationFlagRecalculatingRisk, false},
		{passfort.ApplicationStatusApplied, "", false},
		{passfort.ApplicationStatusApplied, "NEW_FLAG", false},
		{passfort.ApplicationStatusApplied, passfort.ApplicationFlagReadyForDecision, true},
		{passfort.ApplicationStatusApplied, passfort.ApplicationFlagRequiresData, true},
		{passfort.ApplicationStatusApplied, passfort.ApplicationFlagWaitingOnCollectionSteps, true},
		{passfort.ApplicationStatusApplied, passfort.ApplicationFlagWaitingOnEscalation, true},
		{passfort.ApplicationStatusInReview, passfort.ApplicationFlagRequiresManualTaskCompletion, true},
		{passfort.ApplicationStatusInReview, passfort.ApplicationFlagWaitingOnChecks, false},
		{passfort.ApplicationStatusApproved, passfort.ApplicationFlagNearingExpiry, true},
		{passfort.ApplicationStatusRejected, "", true},
		{passfort.ApplicationStatusCancelled, passfort.ApplicationFlagDecided, true},
	} {
		require.Equal(t, row.settled, (&passfort.Application{Status: row.status, Flag: row.flag}).Settled(), row)
	}
}

func TestTimesOfModels(t *testing.T) {
	t.Parallel()
	const text = "2026-05-01 10:00:00"
	want := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	for name, at := range map[string]func(string) (time.Time, bool){
		"instructed": func(s string) (time.Time, bool) { return (&passfort.Check{InstructedOn: s}).InstructedAt() },
		"completed":  func(s string) (time.Time, bool) { return (&passfort.Check{CompletedOn: s}).CompletedAt() },
		"performed":  func(s string) (time.Time, bool) { return (&passfort.Check{PerformedOn: s}).CompletedAt() },
		"task":       func(s string) (time.Time, bool) { return (&passfort.Task{CreationDate: s}).CreatedAt() },
		"note":       func(s string) (time.Time, bool) { return (&passfort.Note{CreatedOn: s}).CreatedAt() },
		"event":      func(s string) (time.Time, bool) { return (&passfort.Event{CreationDate: s}).CreatedAt() },
		"resolved":   func(s string) (time.Time, bool) { return (&passfort.Event{ResolutionDate: s}).ResolvedAt() },
		"expiry":     func(s string) (time.Time, bool) { return (&passfort.Application{WillExpireAt: s}).WillExpire() },
	} {
		got, ok := at(text)
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
		for _, odd := range []string{"", "yesterday"} {
			_, ok := at(odd)
			require.False(t, ok, name)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	secret := passfort.NewSecret("canary-key")
	require.Equal(t, "canary-key", secret.Reveal())
	holder := struct {
		Key *passfort.Secret
		All []passfort.Secret
	}{&secret, []passfort.Secret{secret}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s"} {
		fmt.Fprintf(&out, verb, secret)
		fmt.Fprintf(&out, verb, holder)
	}
	fmt.Fprintln(&out, secret, holder)
	asJSON, err := json.Marshal(holder)
	require.NoError(t, err)
	out.Write(asJSON)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", secret, "holder", holder)
	require.NotContains(t, out.String(), "canary")
	require.Contains(t, out.String(), "[redacted]")

	for _, doc := range []string{`"k"`, `{"key":"k"}`, `{"apikey":"k"}`} {
		var got passfort.Secret
		require.NoError(t, json.Unmarshal([]byte(doc), &got))
		require.Equal(t, "k", got.Reveal())
	}
	var got passfort.Secret
	require.Error(t, json.Unmarshal([]byte(`7`), &got))
}

func TestSecretValues(t *testing.T) {
	t.Parallel()
	key := passfort.NewSecret("canary-key")
	require.True(t, key.Equal(passfort.NewSecret("canary-key")))
	require.False(t, key.Equal(passfort.NewSecret("another-key")))
	require.False(t, key.Equal(passfort.Secret{}))
	require.True(t, passfort.Secret{}.IsZero())
	require.True(t, passfort.NewSecret("").IsZero())
	require.Empty(t, passfort.Secret{}.Reveal())

	// A customer request that was stored as JSON comes back without its key.
	stored, err := json.Marshal(&passfort.CustomerRequest{ID: "r", APIKey: key})
	require.NoError(t, err)
	var back passfort.CustomerRequest
	require.NoError(t, json.Unmarshal(stored, &back))
	require.Equal(t, "r", back.ID)
	require.True(t, back.APIKey.IsZero())

	text, err := key.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[redacted]", string(text))
	var read passfort.Secret
	require.NoError(t, read.UnmarshalText([]byte("canary-key")))
	require.True(t, read.Equal(key))

	// What only follows pointers and reads fields finds nothing either.
	require.NotContains(t, fmt.Sprintf("%p %#v", &key, struct{ hidden passfort.Secret }{key}), "canary")
	recorder := &failure{}
	require.Equal(recorder, passfort.CollectKey{Key: key}, passfort.CollectKey{})
	require.NotEmpty(t, recorder.text)
	require.NotContains(t, recorder.text, "canary")
}

// failure is a test that keeps how it fails.
type failure struct{ text string }

func (f *failure) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }

func (f *failure) FailNow() {}
