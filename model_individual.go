package passfort

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/passfort-go/passfort/internal/countries"
)

// PersonalDetails is who a person is (docs/api/people.md#individual-data).
type PersonalDetails struct {
	Name *FullName `json:"name"`
	// DOB is a partial date: YYYY, YYYY-MM or YYYY-MM-DD. See ParsePartialDate.
	DOB string `json:"dob"`
	// Nationality is an ISO 3166-1 alpha-3 code or one of the additional ICAO codes
	// (docs/api/basics.md#values).
	Nationality string `json:"nationality"`
	Gender      Gender `json:"gender"`
	// NationalIdentityNumber maps an alpha-3 country code to the number issued there.
	NationalIdentityNumber map[string]string `json:"national_identity_number"`

	Unknown Unknown `json:"-"`
}

// FullName is the name of a person (docs/api/people.md#individual-data). Title and AltFamilyNames
// can be set only through the API, not in the portal.
type FullName struct {
	Title string `json:"title"`
	// GivenNames are the first and middle names. The server splits them at white space and trims
	// them.
	GivenNames []string `json:"given_names"`
	FamilyName string   `json:"family_name"`
	// AltFamilyNames are other family names, for example a maiden name.
	AltFamilyNames []string `json:"alt_family_names"`

	Unknown Unknown `json:"-"`
}

// Gender of a person (docs/api/profiles.md#roles-and-states). Leave it out when it is neither.
type Gender string

// Values of Gender. Others may appear at any time.
const (
	GenderMale   Gender = "M"
	GenderFemale Gender = "F"
)

// ContactDetails are a person's phone number and email address
// (docs/api/people.md#individual-data).
type ContactDetails struct {
	PhoneNumber string `json:"phone_number"`
	Email       string `json:"email"`

	Unknown Unknown `json:"-"`
}

// Continent is the two-letter code of a continent.
type Continent string

// Values of Continent. Others may appear at any time.
const (
	ContinentAfrica       Continent = "AF"
	ContinentAntarctica   Continent = "AN"
	ContinentAsia         Continent = "AS"
	ContinentEurope       Continent = "EU"
	ContinentNorthAmerica Continent = "NA"
	ContinentOceania      Continent = "OC"
	ContinentSouthAmerica Continent = "SA"
)

// ProxyType is the kind of proxy an IP address belongs to.
type ProxyType string

// Values of ProxyType. Others may appear at any time.
const (
	ProxyTypeAnonymous ProxyType = "ANONYMOUS"
)

// IPLocation is an IP address and where the server located it (docs/api/people.md#individual-data).
// Only IPAddress is yours to send.
type IPLocation struct {
	IPAddress string `json:"ip_address"`
	// Country is an alpha-3 code.
	Country   string    `json:"country"`
	Continent Continent `json:"continent"`
	// Region and the fields below are newer than 2019.
	Region      string       `json:"region"`
	City        string       `json:"city"`
	Coordinates *Coordinates `json:"coordinates"`
	Proxy       ProxyType    `json:"proxy"`

	Unknown Unknown `json:"-"`
}

// Coordinates is a point in degrees, with an optional name.
type Coordinates struct {
	Longitude *float64 `json:"longitude"`
	Latitude  *float64 `json:"latitude"`
	Name      string   `json:"name"`

	Unknown Unknown `json:"-"`
}

func (p *problems) person(d *PersonalDetails) {
	if _, err := ParsePartialDate(d.DOB); d.DOB != "" && err != nil {
		p.add("/dob", "is not a date of the form YYYY, YYYY-MM or YYYY-MM-DD")
	}
	p.nation("/nationality", d.Nationality)
	if d.Gender != "" && !d.Gender.Known() {
		p.add("/gender", "is neither M nor F: leave it out")
	}
	for _, country := range slices.Sorted(maps.Keys(d.NationalIdentityNumber)) {
		if !countries.Country(country) {
			p.add("/national_identity_number", "has a key that is no ISO 3166-1 alpha-3 code")
		}
	}
	isBlank := func(name string) bool { return strings.TrimSpace(name) == "" }
	if d.Name != nil && slices.ContainsFunc(d.Name.GivenNames, isBlank) {
		p.add("/name/given_names", "has an empty name")
	}
}

// IdentityOutput is the output of an IDENTITY_CHECK (docs/api/checks.md#identity-outputs).
type IdentityOutput struct {
	EntityType        EntityType         `json:"entity_type"`
	ElectronicIDCheck *ElectronicIDCheck `json:"electronic_id_check"`
	// CreditRef maps a credit reference category, such as "ccj_exact", to its matches.
	CreditRef map[string]MatchResult `json:"credit_ref"`
	// DBMatches maps "<source>_<kind>", such as "electoral_exact_dob", to its matches.
	DBMatches map[string]MatchResult `json:"db_matches"`

	Unknown Unknown `json:"-"`
}

// MatchResult says how often a person was found in a database.
type MatchResult struct {
	Count *int  `json:"count"`
	Match *bool `json:"match"`

	Unknown Unknown `json:"-"`
}

// ElectronicIDCheck lists the databases in which a person was found
// (docs/api/checks.md#identity-outputs).
type ElectronicIDCheck struct {
	Matches []ElectronicIDMatch `json:"matches"`
	// Rules and the fields below are newer than 2019.
	Rules                   []ElectronicIDRule `json:"rules"`
	CreditFiles             []CreditFile       `json:"credit_files"`
	ProviderReferenceNumber string             `json:"provider_reference_number"`
	ProviderURL             string             `json:"provider_url"`
	ProviderResult          *bool              `json:"provider_result"`

	Unknown Unknown `json:"-"`
}

// DatabaseType is the kind of a database that knows a person.
type DatabaseType string

// Values of DatabaseType. Others may appear at any time.
const (
	DatabaseTypeCivil     DatabaseType = "CIVIL"
	DatabaseTypeCredit    DatabaseType = "CREDIT"
	DatabaseTypeMortality DatabaseType = "MORTALITY"
	// DatabaseTypeIgnored and DatabaseTypeAlert are newer than 2019.
	DatabaseTypeIgnored DatabaseType = "IGNORED"
	DatabaseTypeAlert   DatabaseType = "ALERT"
)

// MatchedField is a field that agreed with a database.
type MatchedField string

// Values of MatchedField. Others may appear at any time.
const (
	MatchedFieldForename MatchedField = "FORENAME"
	MatchedFieldSurname  MatchedField = "SURNAME"
	MatchedFieldAddress  MatchedField = "ADDRESS"
	MatchedFieldDOB      MatchedField = "DOB"
	// MatchedFieldIdentityNumber and MatchedFieldIdentityNumberSuffix are newer than 2019.
	MatchedFieldIdentityNumber       MatchedField = "IDENTITY_NUMBER"
	MatchedFieldIdentityNumberSuffix MatchedField = "IDENTITY_NUMBER_SUFFIX"
)

// ElectronicIDMatch is a find of a person in one database.
type ElectronicIDMatch struct {
	DatabaseName  string         `json:"database_name"`
	DatabaseType  DatabaseType   `json:"database_type"`
	MatchedFields []MatchedField `json:"matched_fields"`
	Count         *int           `json:"count"`
	// DateFirstSeen and DateOfLastActivity are YYYY-MM-DD. They and Extra are newer than 2019.
	DateFirstSeen      string      `json:"date_first_seen"`
	DateOfLastActivity string      `json:"date_of_last_activity"`
	Extra              []NameValue `json:"extra"`

	Unknown Unknown `json:"-"`
}

// NameValue is a named detail in a provider's words.
type NameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`

	Unknown Unknown `json:"-"`
}

// ElectronicIDRule is a rule of the account for when an identity counts as confirmed
// (docs/api/checks.md#identity-outputs, newer than 2019).
type ElectronicIDRule struct {
	Name   string `json:"name"`
	Active *bool  `json:"active"`
	// DistinctSources has a type the API does not state, and is kept unchanged.
	DistinctSources json.RawMessage            `json:"distinct_sources"`
	DatabaseTypes   []DatabaseType             `json:"database_types"`
	Requires        []ElectronicIDRequirement  `json:"requires"`
	SatisfiedBy     []ElectronicIDSatisfaction `json:"satisfied_by"`
	// Result has a type the API does not state, and is kept unchanged.
	Result json.RawMessage `json:"result"`

	Unknown Unknown `json:"-"`
}

// ElectronicIDRequirement is how often which fields have to match for a rule.
type ElectronicIDRequirement struct {
	MatchedFields []MatchedField `json:"matched_fields"`
	Count         *int           `json:"count"`

	Unknown Unknown `json:"-"`
}

// ElectronicIDSatisfaction is a match that satisfied a rule.
type ElectronicIDSatisfaction struct {
	DatabaseName   string         `json:"database_name"`
	MatchedFields  []MatchedField `json:"matched_fields"`
	RequiredFields []MatchedField `json:"required_fields"`
	Count          *int           `json:"count"`

	Unknown Unknown `json:"-"`
}

// CreditFile is a person's file at a credit bureau.
type CreditFile struct {
	UniqueNumber string      `json:"unique_number"`
	BureauName   string      `json:"bureau_name"`
	Extra        []NameValue `json:"extra"`

	Unknown Unknown `json:"-"`
}

// BankAccountOutput is the output of a CRA_BANK_ACCOUNT_VERIFICATION check
// (docs/api/checks.md#bank-accounts).
type BankAccountOutput struct {
	EntityType               EntityType                `json:"entity_type"`
	BankAccountVerifications []BankAccountVerification `json:"bank_account_verifications"`
	// BankAccountValidations is newer than 2019.
	BankAccountValidations []BankAccountVerification `json:"bank_account_validations"`
	AddressHistory         []DatedAddress            `json:"address_history"`

	Unknown Unknown `json:"-"`
}

// BankAccountVerification says whether a bank account belongs to a person.
type BankAccountVerification struct {
	// PerformedOn is a date-time.
	PerformedOn string               `json:"performed_on"`
	Match       *bool                `json:"match"`
	BankAccount *BankAccount         `json:"bank_account"`
	Comments    []BankAccountComment `json:"comments"`

	Unknown Unknown `json:"-"`
}

// BankAccountCommentType is the weight of a BankAccountComment.
type BankAccountCommentType string

// Values of BankAccountCommentType. Others may appear at any time.
const (
	BankAccountCommentTypeComment  BankAccountCommentType = "COMMENT"
	BankAccountCommentTypeMatch    BankAccountCommentType = "MATCH"
	BankAccountCommentTypeMismatch BankAccountCommentType = "MISMATCH"
	BankAccountCommentTypeWarning  BankAccountCommentType = "WARNING"
)

// BankAccountComponent is the part of a bank account a comment is about.
type BankAccountComponent string

// Values of BankAccountComponent. Others may appear at any time.
const (
	BankAccountComponentUKSortCode      BankAccountComponent = "UK_SORT_CODE"
	BankAccountComponentUKAccountNumber BankAccountComponent = "UK_ACCOUNT_NUMBER"
)

// BankAccountComment is a remark of the provider on a bank account.
type BankAccountComment struct {
	Type      BankAccountCommentType `json:"type"`
	Message   string                 `json:"message"`
	Component BankAccountComponent   `json:"component"`

	Unknown Unknown `json:"-"`
}

// BankingDetails holds a person's own bank accounts (docs/api/checks.md#bank-accounts, newer than
// 2019).
type BankingDetails struct {
	BankAccounts []BankAccount `json:"bank_accounts"`

	Unknown Unknown `json:"-"`
}

// BankAccountType is the form of a bank account's numbers.
type BankAccountType string

// Values of BankAccountType. Others may appear at any time.
const (
	BankAccountTypeUKAccount BankAccountType = "UK_ACCOUNT"
)

// BankAccount is a bank account (docs/api/checks.md#bank-accounts).
type BankAccount struct {
	// Country is an alpha-3 code.
	Country string          `json:"country"`
	Type    BankAccountType `json:"type"`
	// SortCode is 6 digits, or nn-nn-nn.
	SortCode string `json:"sort_code"`
	// AccountNumber is 8 digits.
	AccountNumber string `json:"account_number"`

	Unknown Unknown `json:"-"`
}

// MonetaryValue is an amount in a currency (ISO 4217). The API describes it but uses it in no known
// operation (docs/api/documents.md#document-metadata).
type MonetaryValue struct {
	CurrencyCode string   `json:"currency_code"`
	Value        *float64 `json:"value"`

	Unknown Unknown `json:"-"`
}

func (p *problems) accounts(d *BankingDetails) {
	for i, a := range Deref(d).BankAccounts {
		p.country("/banking_details/bank_accounts/"+strconv.Itoa(i)+"/country", a.Country)
	}
}
