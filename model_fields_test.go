package passfort_test

import (
	"bufio"
	"encoding"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/wire/wiretest"
)

// listed is the content of testdata/model_fields.tsv, which was made from the description of the
// API and not from the code.
type listed struct {
	fields map[string][]string // by Go type
	values map[string][]string // by Go enum type
}

func readModelFields(t *testing.T) listed {
	t.Helper()
	file, err := os.Open("testdata/model_fields.tsv")
	require.NoError(t, err)
	defer file.Close()
	l := listed{map[string][]string{}, map[string][]string{}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		columns := strings.Split(lines.Text(), "\t")
		require.Len(t, columns, 3, lines.Text())
		if columns[0] == "enum" {
			l.values[columns[1]] = append(l.values[columns[1]], columns[2])
		} else {
			l.fields[columns[2]] = append(l.fields[columns[2]], columns[1])
		}
	}
	require.NoError(t, lines.Err())
	require.Greater(t, len(l.fields), 100)
	require.Greater(t, len(l.values), 40)
	return l
}

// modelTypes returns every struct type of the model by name: all that can be reached from the
// types that services return and from the outputs of checks.
func modelTypes() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	var reach func(reflect.Type)
	reach = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			reach(t.Elem())
		case reflect.Struct:
			if _, seen := types[t.Name()]; seen || t == reflect.TypeFor[passfort.Unknown]() ||
				t == reflect.TypeFor[passfort.Secret]() {
				return
			}
			types[t.Name()] = t
			for i := range t.NumField() {
				reach(t.Field(i).Type)
			}
		}
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[passfort.ProfilePage](),
		reflect.TypeFor[passfort.File](),
		reflect.TypeFor[passfort.Note](),
		reflect.TypeFor[passfort.CompanySearchResult](),
		reflect.TypeFor[passfort.AddressSearchResult](),
		reflect.TypeFor[passfort.CollectKey](),
		reflect.TypeFor[passfort.AuditItem](),
		reflect.TypeFor[passfort.WhoAmI](),
		reflect.TypeFor[passfort.IdentityOutput](),
		reflect.TypeFor[passfort.DocumentOutput](),
		reflect.TypeFor[passfort.ScreeningOutput](),
		reflect.TypeFor[passfort.BankAccountOutput](),
		reflect.TypeFor[passfort.DeviceFraudOutput](),
		reflect.TypeFor[passfort.VisaOutput](),
		reflect.TypeFor[passfort.RiskComponent](),
		reflect.TypeFor[passfort.CategoryGroupOutput](),
		reflect.TypeFor[passfort.MonetaryValue](),
	} {
		reach(t)
	}
	delete(types, "ErrorDetail") // not part of the data model: see errors.go
	return types
}

func known[T interface {
	~string
	Known() bool
}](value string) bool {
	return T(value).Known()
}

func modelEnums() map[string]func(string) bool {
	return map[string]func(string) bool{
		"AddressType":            known[passfort.AddressType],
		"ApplicationFlag":        known[passfort.ApplicationFlag],
		"ApplicationStatus":      known[passfort.ApplicationStatus],
		"AssociatedRole":         known[passfort.AssociatedRole],
		"AuditAction":            known[passfort.AuditAction],
		"BankAccountCommentType": known[passfort.BankAccountCommentType],
		"BankAccountComponent":   known[passfort.BankAccountComponent],
		"BankAccountType":        known[passfort.BankAccountType],
		"BlockerType":            known[passfort.BlockerType],
		"Capability":             known[passfort.Capability],
		"CategoryGroupOperator":  known[passfort.CategoryGroupOperator],
		"CheckMode":              known[passfort.CheckMode],
		"CheckResult":            known[passfort.CheckResult],
		"CheckState":             known[passfort.CheckState],
		"CheckType":              known[passfort.CheckType],
		"ClassificationType":     known[passfort.ClassificationType],
		"CollectionType":         known[passfort.CollectionType],
		"CompanyAddressType":     known[passfort.CompanyAddressType],
		"CompanyField":           known[passfort.CompanyField],
		"CompanyFieldResult":     known[passfort.CompanyFieldResult],
		"Continent":              known[passfort.Continent],
		"DatabaseType":           known[passfort.DatabaseType],
		"DatePrecision":          known[passfort.DatePrecision],
		"Decision":               known[passfort.Decision],
		"DocumentCategory":       known[passfort.DocumentCategory],
		"DocumentFetchSource":    known[passfort.DocumentFetchSource],
		"DocumentField":          known[passfort.DocumentField],
		"DocumentFieldResult":    known[passfort.DocumentFieldResult],
		"DocumentFileType":       known[passfort.DocumentFileType],
		"DocumentType":           known[passfort.DocumentType],
		"EntityType":             known[passfort.EntityType],
		"EventResolution":        known[passfort.EventResolution],
		"EventType":              known[passfort.EventType],
		"FraudDatabase":          known[passfort.FraudDatabase],
		"Gender":                 known[passfort.Gender],
		"ImageType":              known[passfort.ImageType],
		"MatchCountryType":       known[passfort.MatchCountryType],
		"MatchDateType":          known[passfort.MatchDateType],
		"MatchedField":           known[passfort.MatchedField],
		"OwnershipType":          known[passfort.OwnershipType],
		"ProfileCategory":        known[passfort.ProfileCategory],
		"ProfileStatus":          known[passfort.ProfileStatus],
		"ProxyType":              known[passfort.ProxyType],
		"RiskCategory":           known[passfort.RiskCategory],
		"Role":                   known[passfort.Role],
		"ScreeningFlagType":      known[passfort.ScreeningFlagType],
		"ScreeningHitStatus":     known[passfort.ScreeningHitStatus],
		"TaskExpiryReason":       known[passfort.TaskExpiryReason],
		"TaskState":              known[passfort.TaskState],
		"TaskType":               known[passfort.TaskType],
		"TaxIDType":              known[passfort.TaxIDType],
		"TenureType":             known[passfort.TenureType],
		"VisaEntitlement":        known[passfort.VisaEntitlement],
	}
}

func TestModelHasEveryListedField(t *testing.T) {
	t.Parallel()
	types := modelTypes()
	for name, fields := range readModelFields(t).fields {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, types, name)
			require.Subset(t, jsonNames(types[name]), fields)
		})
	}
}

func TestModelHasOnlyListedFields(t *testing.T) {
	t.Parallel()
	list := readModelFields(t)
	for name, typ := range modelTypes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Subset(t, list.fields[name], jsonNames(typ))
		})
	}
}

func TestModelTypesKeepUnknownMembers(t *testing.T) {
	t.Parallel()
	for name, typ := range modelTypes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := typ.Field(typ.NumField() - 1)
			require.Equal(t, reflect.TypeFor[passfort.Unknown](), last.Type)
			require.Equal(t, "-", last.Tag.Get("json"))
		})
	}
}

func TestFieldsAreNamedAfterTheirMembers(t *testing.T) {
	t.Parallel()
	exceptions := map[string]string{
		"Check.Type":         "check_type",
		"Document.Type":      "document_type",
		"DocumentImage.Type": "image_type",
		"DocumentResult.ImageChecksPassedMisspelt":   "image_Checks_passed",
		"DocumentResult.ForgeryChecksPassedMisspelt": "forgery_Checks_passed",
	}
	for name, typ := range modelTypes() {
		for i := range typ.NumField() - 1 {
			field := typ.Field(i)
			member := field.Tag.Get("json")
			if want, ok := exceptions[name+"."+field.Name]; ok {
				require.Equal(t, want, member)
				continue
			}
			require.Equal(t, strings.ReplaceAll(strings.ToLower(member), "_", ""), strings.ToLower(field.Name), name)
		}
	}
}

func TestEnumsKnowTheListedValues(t *testing.T) {
	t.Parallel()
	enums := modelEnums()
	for name, values := range readModelFields(t).values {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, enums, name)
			for _, value := range values {
				require.True(t, enums[name](value), value)
				require.False(t, enums[name](value+"_"), "extended %s", value)
			}
			require.False(t, enums[name](""))
		})
	}
	require.Len(t, enums, len(readModelFields(t).values))
}

func jsonNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("json"); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// scribble changes in place whatever can be changed in place.
func scribble(t *testing.T, v reflect.Value) {
	t.Helper()
	if v.CanAddr() {
		if unknown, is := v.Addr().Interface().(*passfort.Unknown); is {
			for name, raw := range unknown.All() {
				raw[0] = ' '
				require.NoError(t, unknown.Set(name, "scribbled"))
			}
			return
		}
		if _, is := v.Addr().Interface().(*passfort.Secret); is {
			return
		}
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("scribbled")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8:
		v.SetUint('1')
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Pointer, reflect.Interface:
		if elem := v.Elem(); elem.CanSet() || elem.Kind() == reflect.Slice || elem.Kind() == reflect.Map {
			scribble(t, elem)
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(t, v.Index(i))
		}
		_ = reflect.Append(v, reflect.Zero(v.Type().Elem())) // into what is left of its array
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if elem := v.MapIndex(key); elem.Kind() == reflect.Interface {
				scribble(t, elem)
			}
			v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			scribble(t, v.Field(i))
		}
	}
}

// What is done to a clone is not done to what it was made from.
func TestCloneOfEveryModel(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	types := toleranceTypes(t)
	types["CollectedData"] = reflect.TypeFor[passfort.CollectedData]()
	for name, of := range types {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := wiretest.New(seed, 0.5)
			document := of
			if name == "CollectedData" {
				document = reflect.TypeFor[passfort.EntityData]()
			}
			full := (specimen{}).value(document, 4)
			docs := []string{full[:len(full)-1] + `,"new_member":{"a":[1.50,null]}}`}
			for range 2 {
				docs = append(docs, source.Object(document, 3))
			}
			for i, doc := range docs {
				v := reflect.New(of)
				require.NoError(t, json.Unmarshal([]byte(doc), v.Interface()))
				clone := v.MethodByName("Clone").Call(nil)[0]
				require.Equal(t, v.Type(), clone.Type())
				before := encoded(t, v)
				require.Equal(t, before, encoded(t, clone), "seed %d", seed)
				scribble(t, clone.Elem())
				require.Equal(t, before, encoded(t, v), "seed %d", seed)
				require.True(t, i > 0 || encoded(t, clone) != before)
			}
			require.True(t, reflect.Zero(reflect.PointerTo(of)).MethodByName("Clone").Call(nil)[0].IsNil())
		})
	}
}

func encoded(t *testing.T, v reflect.Value) string {
	t.Helper()
	out, err := json.Marshal(v.Interface())
	require.NoError(t, err)
	return string(out)
}

// forms are the methods that encoders other than encoding/json look for.
type forms interface {
	encoding.TextMarshaler
	encoding.TextUnmarshaler
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
	MarshalBSON() ([]byte, error)
	UnmarshalBSON(doc []byte) error
	UnmarshalYAML(unmarshal func(any) error) error
}

// Every form of every model gives back what the server sent.
func TestFormsOfEveryModel(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	types := toleranceTypes(t)
	types["CollectedData"] = reflect.TypeFor[passfort.CollectedData]()
	for name, of := range types {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := of
			if name == "CollectedData" {
				document = reflect.TypeFor[passfort.EntityData]()
			}
			source := wiretest.New(seed, 0.4)
			for range 5 {
				doc := source.Object(document, 3)
				from := reflect.New(of)
				require.NoError(t, json.Unmarshal([]byte(doc), from.Interface()))
				value := from.Interface().(forms)
				text, err := from.Elem().Interface().(encoding.TextMarshaler).MarshalText()
				require.NoError(t, err)
				data, err := from.Elem().Interface().(encoding.BinaryMarshaler).MarshalBinary()
				require.NoError(t, err)
				bson, err := value.MarshalBSON()
				require.NoError(t, err)
				for form, read := range map[string]func(forms) error{
					"text":   func(to forms) error { return to.UnmarshalText(text) },
					"binary": func(to forms) error { return to.UnmarshalBinary(data) },
					"BSON":   func(to forms) error { return to.UnmarshalBSON(bson) },
					"YAML": func(to forms) error {
						return to.UnmarshalYAML(func(into any) error {
							*into.(*string) = string(text)
							return nil
						})
					},
				} {
					to := reflect.New(of)
					require.NoError(t, read(to.Interface().(forms)), form)
					require.Equal(t, encoded(t, from), encoded(t, to), "%s, seed %d", form, seed)
				}
			}
			for form, err := range map[string]error{
				"text":   reflect.New(of).Interface().(forms).UnmarshalText([]byte("entity_type: Kim")),
				"binary": reflect.New(of).Interface().(forms).UnmarshalBinary([]byte("\x81\xa3Kim")),
				"BSON":   reflect.New(of).Interface().(forms).UnmarshalBSON([]byte("\x05\x00\x00\x00\x00")),
				"YAML": reflect.New(of).Interface().(forms).UnmarshalYAML(func(any) error {
					return errors.New("a mapping: Kim")
				}),
			} {
				require.Error(t, err, form)
				require.NotContains(t, err.Error(), "Kim")
			}
		})
	}
}

func pointers(problems []passfort.Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.Pointer)
	}
	return all
}

func TestValidate(t *testing.T) {
	t.Parallel()
	street := passfort.NewStructuredAddress
	company := func(m passfort.CompanyMetadata) *passfort.EntityData {
		return &passfort.EntityData{EntityType: passfort.EntityTypeCompany, Metadata: &m}
	}
	person := func(d passfort.PersonalDetails) *passfort.EntityData {
		return &passfort.EntityData{EntityType: passfort.EntityTypeIndividual, PersonalDetails: &d}
	}
	living := func(a ...passfort.DatedAddress) *passfort.EntityData {
		return &passfort.EntityData{EntityType: passfort.EntityTypeIndividual, AddressHistory: a}
	}
	addresses := func(kinds ...passfort.CompanyAddressType) *passfort.EntityData {
		var all []passfort.CompanyAddress
		for _, kind := range kinds {
			all = append(all, passfort.CompanyAddress{Type: kind, Address: street("GBR")})
		}
		return company(passfort.CompanyMetadata{Addresses: all})
	}
	const registered, trading = passfort.CompanyAddressTypeRegisteredAddress, passfort.CompanyAddressTypeTradingAddress
	for name, row := range map[string]struct {
		data *passfort.EntityData
		want []string
	}{
		"nil":               {nil, []string{""}},
		"smallest person":   {passfort.NewIndividual(), nil},
		"smallest company":  {passfort.NewCompany(), nil},
		"no entity type":    {&passfort.EntityData{}, []string{"/entity_type"}},
		"other entity type": {&passfort.EntityData{EntityType: "PERSON"}, []string{"/entity_type"}},
		"year of birth":     {person(passfort.PersonalDetails{DOB: "1990"}), nil},
		"day that does not exist": {person(passfort.PersonalDetails{DOB: "1990-02-30"}),
			[]string{"/personal_details/dob"}},
		"british date": {person(passfort.PersonalDetails{DOB: "30/12/1990"}),
			[]string{"/personal_details/dob"}},
		"nationality":              {person(passfort.PersonalDetails{Nationality: "GBR"}), nil},
		"nationality of passports": {person(passfort.PersonalDetails{Nationality: "GBN"}), nil},
		"two letters": {person(passfort.PersonalDetails{Nationality: "GB"}),
			[]string{"/personal_details/nationality"}},
		"small letters": {person(passfort.PersonalDetails{Nationality: "gbr"}),
			[]string{"/personal_details/nationality"}},
		"gender": {person(passfort.PersonalDetails{Gender: "X"}), []string{"/personal_details/gender"}},
		"identity number": {person(passfort.PersonalDetails{NationalIdentityNumber: map[string]string{"US": "1"}}),
			[]string{"/personal_details/national_identity_number"}},
		"empty given name": {person(passfort.PersonalDetails{Name: &passfort.FullName{GivenNames: []string{" "}}}),
			[]string{"/personal_details/name/given_names"}},
		"person with metadata": {&passfort.EntityData{
			EntityType: passfort.EntityTypeIndividual, Metadata: &passfort.CompanyMetadata{},
		},
			[]string{"/metadata"}},
		"address": {living(passfort.DatedAddress{Address: street("GBR"), StartDate: "1999-03",
			EndDate: "1999-04"}), nil},
		"address without an address": {living(passfort.DatedAddress{}), []string{"/address_history/0/address"}},
		"address without a country": {living(passfort.DatedAddress{Address: street("")}),
			[]string{"/address_history/0/address/country"}},
		"town as a country": {living(passfort.DatedAddress{Address: street("Sampleton")}),
			[]string{"/address_history/0/address/country"}},
		"kosovo": {living(passfort.DatedAddress{Address: street("RKS")}), nil},
		"kosovo by its other code": {living(passfort.DatedAddress{Address: street("XKX")}),
			[]string{"/address_history/0/address/country"}},
		"passport code as a country": {living(passfort.DatedAddress{Address: street("GBN")}),
			[]string{"/address_history/0/address/country"}},
		"address without a type": {living(passfort.DatedAddress{Address: &passfort.Address{Country: "GBR"}}),
			[]string{"/address_history/0/address/type"}},
		"american address": {living(passfort.DatedAddress{Address: street("USA")}),
			[]string{"/address_history/0/address/state_province"}},
		"free american address": {living(passfort.DatedAddress{Address: passfort.NewFreeformAddress("USA",
			"1 Sample Street")}), nil},
		"free address without a text": {living(passfort.DatedAddress{Address: passfort.NewFreeformAddress("GBR", "")}),
			[]string{"/address_history/0/address/text"}},
		"day in an address date": {living(passfort.DatedAddress{Address: street("GBR"), StartDate: "1999-03-01"}),
			[]string{"/address_history/0/start_date"}},
		"address that ends early": {living(passfort.DatedAddress{
			Address: street("GBR"), StartDate: "1999-03", EndDate: "1998-03",
		}),
			[]string{"/address_history/0/end_date"}},
		"company without a number": {company(passfort.CompanyMetadata{Name: "Sample Ltd",
			CountryOfIncorporation: "GBR"}), nil},
		"american company": {company(passfort.CompanyMetadata{CountryOfIncorporation: "USA"}),
			[]string{"/metadata/state_of_incorporation"}},
		"incorporated in a year": {company(passfort.CompanyMetadata{IncorporationDate: "1990"}),
			[]string{"/metadata/incorporation_date"}},
		"one address":            {addresses(""), nil},
		"registered and trading": {addresses(registered, trading), nil},
		"registered twice":       {addresses(trading, registered, registered), []string{"/metadata/addresses/2/type"}},
		"branches":               {addresses("branch_address", "branch_address"), nil},
		"two without a type": {addresses("", ""), []string{"/metadata/addresses/0/type",
			"/metadata/addresses/1/type"}},
		"type in capitals": {addresses("REGISTERED_ADDRESS"), []string{"/metadata/addresses/0/type"}},
		"director born in no month": {&passfort.EntityData{EntityType: passfort.EntityTypeCompany,
			Officers: &passfort.Officers{
				Directors: []passfort.AssociatedEntity{
					{}, {AppointedOn: "May", ImmediateData: person(passfort.PersonalDetails{DOB: "1990-13"})},
				}}},
			[]string{"/officers/directors/1/appointed_on",
				"/officers/directors/1/immediate_data/personal_details/dob"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := row.data.Validate()
			require.Equal(t, row.want, pointers(problems))
			for _, p := range problems {
				require.NotEmpty(t, p.Text)
				require.NotContains(t, p.Text, "Sampleton", "a text repeats no value")
			}
		})
	}
}
