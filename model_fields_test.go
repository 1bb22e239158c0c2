package passfort_test

import (
	"bufio"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
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
			if _, seen := types[t.Name()]; seen || t == reflect.TypeFor[passfort.Unknown]() || t == reflect.TypeFor[passfort.Secret]() {
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
