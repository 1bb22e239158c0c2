package passfort

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort/internal/countries"
)

// EntityData is what is known about a person or a company: the collected data of a profile, its
// verified data, and the output of many checks (docs/api/profiles.md#collected-data). It has the
// members of individuals and of companies side by side, as they are on the wire; EntityType says
// which apply.
//
// Writing collected data replaces all of it, so change what you read and send the whole: whatever
// this package does not model comes along in Unknown, here and in every nested object.
//
// A struct of yours that embeds it encodes as EntityData alone, in JSON too: give it a field.
type EntityData struct {
	// EntityType must always be sent. NewIndividual and NewCompany set it.
	EntityType EntityType `json:"entity_type"`
	// CustomerRef is your own reference for the customer. Webhooks repeat it.
	CustomerRef string `json:"customer_ref"`
	// Documents are the documents of the profile. Add one with Documents.Create, which needs no
	// ETag.
	Documents []Document `json:"documents"`
	// ExternalRefs are references of the customer at data providers.
	ExternalRefs *ExternalRefs `json:"external_refs"`
	// CustomFieldsData holds the account's own fields by name; values are numbers, strings,
	// booleans or lists of them. A number is a float64, or a json.Number if a float64 would
	// change it, so read fields with CustomField. Newer than 2019.
	CustomFieldsData map[string]any `json:"custom_fields_data"`
	// FraudDetection is the outcome of a search in a fraud database. Newer than 2019.
	FraudDetection *FraudDetection `json:"fraud_detection"`
	// PersonalDetails and the fields up to BankAccountValidations belong to individuals.
	PersonalDetails *PersonalDetails `json:"personal_details"`
	// AddressHistory is ordered by start, then end; an undated address is current.
	AddressHistory []DatedAddress `json:"address_history"`
	// ContactDetails of a person. A company's are in Metadata.
	ContactDetails *ContactDetails `json:"contact_details"`
	// IPLocation holds the IP address you send and the location the server found for it.
	IPLocation *IPLocation `json:"ip_location"`
	// BankingDetails holds the person's own bank accounts. Newer than 2019.
	BankingDetails *BankingDetails `json:"banking_details"`
	// DocumentsMetadata describes identity documents by number, without an image. Newer than 2019.
	DocumentsMetadata []DocumentMetadata `json:"documents_metadata"`
	// ElectronicIDCheck appears in check outputs only, like the fields up to
	// BankAccountValidations.
	ElectronicIDCheck *ElectronicIDCheck `json:"electronic_id_check"`
	// CreditRef maps a credit reference category, such as "ccj_exact", to its matches
	// (docs/api/checks.md#the-check).
	CreditRef map[string]MatchResult `json:"credit_ref"`
	// DBMatches maps "<source>_<kind>", such as "electoral_exact_dob", to its matches
	// (docs/api/checks.md#the-check).
	DBMatches                map[string]MatchResult    `json:"db_matches"`
	SanctionsResults         []SanctionsResult         `json:"sanctions_results"`
	BankAccountVerifications []BankAccountVerification `json:"bank_account_verifications"`
	// BankAccountValidations is newer than 2019.
	BankAccountValidations []BankAccountVerification `json:"bank_account_validations"`
	// Metadata and the fields below belong to companies.
	Metadata          *CompanyMetadata   `json:"metadata"`
	AuthorizedPersons []AssociatedEntity `json:"authorized_persons"`
	// UnauthorizedPersons are no longer authorised to act for the company.
	UnauthorizedPersons []AssociatedEntity  `json:"unauthorized_persons"`
	OwnershipStructure  *OwnershipStructure `json:"ownership_structure"`
	Officers            *Officers           `json:"officers"`
	Filings             []CompanyFiling     `json:"filings"`
	CharityData         *CharityData        `json:"charity_data"`
	// AssociatedEntities is the newer, single list of all related to the company. It was seen
	// on the data provider side (docs/api/profiles.md#collected-data).
	AssociatedEntities []AssociatedEntity `json:"associated_entities"`
	// FieldChecks compares given with registered data. It was seen in newer check outputs.
	FieldChecks []CompanyFieldCheck `json:"field_checks"`

	Unknown Unknown `json:"-"`
}

// NewIndividual returns collected data of a person, as small as the API accepts it.
func NewIndividual() *EntityData { return &EntityData{EntityType: EntityTypeIndividual} }

// NewCompany returns collected data of a company, as small as the API accepts it.
func NewCompany() *EntityData { return &EntityData{EntityType: EntityTypeCompany} }

// EntityType says whether collected data describes a person or a company
// (docs/api/profiles.md#roles-and-states).
type EntityType string

// Values of EntityType. Others may appear at any time.
const (
	EntityTypeIndividual EntityType = "INDIVIDUAL"
	EntityTypeCompany    EntityType = "COMPANY"
)

// Role says what a profile is: a customer, or an associate of a company customer
// (docs/api/profiles.md#roles-and-states). It is set on creation and never changes.
type Role string

// Values of Role. Others may appear at any time.
const (
	RoleIndividualCustomer   Role = "INDIVIDUAL_CUSTOMER"
	RoleIndividualAssociated Role = "INDIVIDUAL_ASSOCIATED"
	RoleCompanyCustomer      Role = "COMPANY_CUSTOMER"
	RoleCompanyAssociated    Role = "COMPANY_ASSOCIATED"
)

// ExternalRefs holds references of a customer at data providers
// (docs/api/profiles.md#collected-data).
type ExternalRefs struct {
	// JumioNetverify lists Jumio Netverify references (UUIDs).
	JumioNetverify []string `json:"jumio_netverify"`
	// Generic is newer than 2019.
	Generic string `json:"generic"`
	// Provider was seen on the data provider side.
	Provider []ProviderReference `json:"provider"`

	Unknown Unknown `json:"-"`
}

// ProviderReference is the reference of an entity at a data provider, with the label it is shown
// under.
type ProviderReference struct {
	Reference string `json:"reference"`
	Label     string `json:"label"`

	Unknown Unknown `json:"-"`
}

// FraudDatabase names a fraud database.
type FraudDatabase string

// Values of FraudDatabase. Others may appear at any time.
const (
	FraudDatabaseCIFAS FraudDatabase = "CIFAS"
)

// FraudDetection is the outcome of a search in a fraud database
// (docs/api/profiles.md#collected-data, newer than 2019).
type FraudDetection struct {
	DatabaseType    FraudDatabase `json:"database_type"`
	SearchReference string        `json:"search_reference"`
	MatchCount      *int          `json:"match_count"`
	Matches         []FraudMatch  `json:"matches"`

	Unknown Unknown `json:"-"`
}

// FraudMatch is one case found in a fraud database.
type FraudMatch struct {
	DatabaseType     FraudDatabase `json:"database_type"`
	ID               string        `json:"id"`
	ReportingCompany string        `json:"reporting_company"`
	CaseType         string        `json:"case_type"`
	Product          string        `json:"product"`
	DoNotFilter      *bool         `json:"do_not_filter"`
	// SupplyDate is YYYY-MM-DD, like the other dates of the match.
	SupplyDate      string   `json:"supply_date"`
	ApplicationDate string   `json:"application_date"`
	ClaimDate       string   `json:"claim_date"`
	FilingReason    []string `json:"filing_reason"`

	Unknown Unknown `json:"-"`
}

// DatedAddress is an entry of a person's address history (docs/api/people.md#addresses).
type DatedAddress struct {
	Address *Address `json:"address"`
	// StartDate and EndDate are approximate dates, YYYY-MM. An address without dates is current.
	StartDate string `json:"start_date"`
	EndDate   string `json:"end_date"`

	Unknown Unknown `json:"-"`
}

// Address is a postal address in one of two forms, distinguished by Type
// (docs/api/people.md#addresses).
type Address struct {
	Type AddressType `json:"type"`
	// Country is an ISO 3166-1 alpha-3 code, or RKS for Kosovo. Always send it.
	Country string `json:"country"`
	// Text is the whole address, parts separated by commas. It belongs to the freeform form, all
	// fields below to the structured one.
	Text string `json:"text"`
	// StateProvince is required for USA and Canada. It is not a UK county.
	StateProvince string `json:"state_province"`
	// County is not a US state.
	County     string `json:"county"`
	PostalCode string `json:"postal_code"`
	// Locality is the city or town.
	Locality string `json:"locality"`
	// PostalTown is newer than 2019.
	PostalTown string `json:"postal_town"`
	// Route is the street.
	Route        string `json:"route"`
	StreetNumber string `json:"street_number"`
	// Premise is the name of the building.
	Premise string `json:"premise"`
	// Subpremise is the flat or unit.
	Subpremise string `json:"subpremise"`
	// AddressLines was seen on the data provider side.
	AddressLines []string `json:"address_lines"`
	// Longitude and Latitude, in degrees, are newer than 2019.
	Longitude *float64 `json:"longitude"`
	Latitude  *float64 `json:"latitude"`
	// OriginalFreeformAddress is the text this address was made from, kept by the server. Send it
	// back unchanged.
	OriginalFreeformAddress string `json:"original_freeform_address"`
	// OriginalStructuredAddress is the address before the server changed it. Send it back
	// unchanged.
	OriginalStructuredAddress *Address `json:"original_structured_address"`

	Unknown Unknown `json:"-"`
}

// NewFreeformAddress returns an address that is one text, parts separated by commas.
// The server turns it into a structured one. The country is an alpha-3 code.
func NewFreeformAddress(country, text string) *Address {
	return &Address{Type: AddressTypeFreeform, Country: country, Text: text}
}

// NewStructuredAddress returns an address whose parts are to be filled in: Route,
// StreetNumber, Locality, PostalCode and others. The country is an alpha-3 code.
func NewStructuredAddress(country string) *Address {
	return &Address{Type: AddressTypeStructured, Country: country}
}

// AddressType is the form of an address.
type AddressType string

// Values of AddressType. Others may appear at any time.
const (
	// AddressTypeFreeform needs Country and Text. The server turns it into a structured address
	// and keeps the text in OriginalFreeformAddress.
	AddressTypeFreeform AddressType = "FREEFORM"
	// AddressTypeStructured has the address in parts.
	AddressTypeStructured AddressType = "STRUCTURED"
)

// Problem is something in collected data, or in a request, that the API or a check
// will probably not take. See EntityData.Validate.
type Problem struct {
	Pointer string // where: a JSON pointer (RFC 6901) into the value
	Text    string // what, in words; without the value itself
}

// String returns the pointer and the text.
func (p Problem) String() string { return p.Pointer + ": " + p.Text }

// Validate returns what is probably wrong with the data: a country that is no ISO
// 3166-1 alpha-3 code, a date of another form or not in the calendar, an address
// without what its form needs, a value that is not of a closed set, a member under a
// name in another case, members of the other entity type, and more than one company
// address that a screening could send. It is empty if there is nothing to say.
//
// The simulator of passforttest refuses the same places, and lets advice pass. Values
// of the wrong type, which only decoded data can have, are not reported.
//
// It is advice for a form or an import: the client never calls it, and the API may
// accept what it reports or refuse what it does not. A company without a number is
// valid, and so is data with nothing but its entity type. What a check needs beyond
// that is reported by ValidateFor.
func (v *EntityData) Validate() []Problem {
	var p problems
	if v == nil {
		p.add("", "is nil")
		return p.found
	}
	p.entity(v)
	p.walk(reflect.ValueOf(v))
	return p.found
}

// ValidateFor returns what Validate does, and what the checks of these types need
// and the data does not have: the name and the current address of a person whose
// identity is checked, what identifies a company in a register, the name of what is
// screened. What a data provider needs depends on its configuration, so the list is
// a guess: what nearly all need.
func (v *EntityData) ValidateFor(checks ...CheckType) []Problem {
	p := problems{found: v.Validate()}
	if v == nil {
		return p.found
	}
	for _, check := range checks {
		p.check(v, check)
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	p.found = slices.Compact(p.found)
	return p.found
}

// problems collects what is wrong below the place where it stands.
type problems struct {
	at    []byte // a pointer, made a text only for a problem
	found []Problem
	noted map[string]bool // the pointers of found that once has looked at
	looks int             // how many those are
}

func (p *problems) add(pointer, text string) {
	p.found = append(p.found, Problem{string(p.at) + pointer, text})
}

// once adds a problem where there is none.
func (p *problems) once(pointer, text string) {
	if p.noted == nil {
		p.noted = map[string]bool{}
	}
	for ; p.looks < len(p.found); p.looks++ {
		p.noted[p.found[p.looks].Pointer] = true
	}
	if !p.noted[string(p.at)+pointer] {
		p.add(pointer, text)
	}
}

// in runs what checks a member.
func (p *problems) in(pointer string, check func()) {
	was := len(p.at)
	p.at = append(p.at, pointer...)
	check()
	p.at = p.at[:was]
}

func (p *problems) entity(v *EntityData) {
	switch v.EntityType {
	case "":
		p.add("/entity_type", "is missing: it must always be sent")
	case EntityTypeIndividual, EntityTypeCompany:
	default:
		p.add("/entity_type", "is neither INDIVIDUAL nor COMPANY")
	}
	p.belongs(v)
	if d := v.PersonalDetails; d != nil {
		p.in("/personal_details", func() { p.person(d) })
	}
	for i := range v.AddressHistory {
		p.in("/address_history/"+strconv.Itoa(i), func() { p.dated(&v.AddressHistory[i]) })
	}
	if ip := v.IPLocation; ip != nil {
		if _, err := netip.ParseAddr(ip.IPAddress); ip.IPAddress != "" && err != nil {
			p.add("/ip_location/ip_address", "is not an IP address")
		}
		p.country("/ip_location/country", ip.Country)
	}
	for i, d := range v.DocumentsMetadata {
		p.in("/documents_metadata/"+strconv.Itoa(i), func() {
			p.required("/document_type", string(d.DocumentType))
			p.nation("/country_code", d.CountryCode)
		})
	}
	if m := v.Metadata; m != nil {
		p.in("/metadata", func() { p.company(m) })
	}
	p.accounts(v.BankingDetails)
	p.documents(v.Documents)
	p.associates(v)
}

// belongs finds members of the other entity type.
func (p *problems) belongs(v *EntityData) {
	person := []struct {
		member string
		is     bool
	}{
		{"/personal_details", v.PersonalDetails != nil}, {"/address_history", len(v.AddressHistory) > 0},
		{"/contact_details", v.ContactDetails != nil}, {"/ip_location", v.IPLocation != nil},
		{"/banking_details", v.BankingDetails != nil}, {"/documents_metadata", len(v.DocumentsMetadata) > 0},
	}
	company := []struct {
		member string
		is     bool
	}{
		{"/metadata", v.Metadata != nil}, {"/ownership_structure", v.OwnershipStructure != nil},
		{"/officers", v.Officers != nil}, {"/authorized_persons", len(v.AuthorizedPersons) > 0},
		{"/associated_entities", len(v.AssociatedEntities) > 0},
	}
	members, text := person, "belongs to a person, and this is a company"
	switch v.EntityType {
	case EntityTypeIndividual:
		members, text = company, "belongs to a company, and this is a person"
	case EntityTypeCompany:
	default:
		return
	}
	for _, m := range members {
		if m.is {
			p.add(m.member, text)
		}
	}
}

func (p *problems) dated(d *DatedAddress) {
	p.address("/address", d.Address)
	p.month("/start_date", d.StartDate)
	p.month("/end_date", d.EndDate)
	if d.StartDate != "" && d.EndDate != "" && d.EndDate < d.StartDate {
		p.add("/end_date", "is before the start")
	}
}

func (p *problems) address(pointer string, a *Address) {
	p.in(pointer, func() {
		if a == nil {
			p.add("", "is missing")
			return
		}
		p.required("/country", a.Country)
		p.country("/country", a.Country)
		switch a.Type {
		case AddressTypeFreeform:
			p.required("/text", a.Text)
		case AddressTypeStructured:
			if a.Text != "" {
				p.add("/text", "belongs to the FREEFORM form")
			}
			p.state("/state_province", a.Country, a.StateProvince)
		case "":
			p.add("/type", "is missing")
		default:
			p.add("/type", "is neither FREEFORM nor STRUCTURED")
		}
	})
}

// check finds what a check of this type needs.
func (p *problems) check(v *EntityData, check CheckType) {
	individual, company := check.subject()
	if v.EntityType == EntityTypeIndividual && company || v.EntityType == EntityTypeCompany && individual {
		p.add("/entity_type", "is not what a check of type "+string(check)+" is for")
		return
	}
	switch check {
	case CheckTypeIdentityCheck, CheckTypePEPsAndSanctionsScreen, CheckTypePEPsScreen, CheckTypeSanctionsScreen,
		CheckTypeAdverseMediaScreen, CheckTypeCRABankAccountVerification:
		if v.EntityType != EntityTypeCompany {
			p.named(v, check)
		}
	case CheckTypeCompanyRegistry, CheckTypeCompanyOwnership, CheckTypeCompanyFilings, CheckTypeCompanyData,
		CheckTypeCompanyCharitiesRegistry:
		m := Deref(v.Metadata)
		p.required("/metadata/country_of_incorporation", m.CountryOfIncorporation)
		if m.Number == "" && m.Name == "" && m.BVDID == "" && m.UKCharityCommissionNumber == "" {
			p.add("/metadata", "has neither a name nor a number to find the company by")
		}
	case CheckTypeCompanyPEPsAndSanctionsScreen:
		p.required("/metadata/name", Deref(v.Metadata).Name)
		if m := v.Metadata; m != nil && len(m.Addresses) > 0 && m.ScreeningAddress() == nil {
			p.add("/metadata/addresses",
				"has no address that a screening sends: head office, registered, trading, or without a type")
		}
	}
}

func (p *problems) named(v *EntityData, check CheckType) {
	details := Deref(v.PersonalDetails)
	name := Deref(details.Name)
	if len(name.GivenNames) == 0 {
		p.add("/personal_details/name/given_names", "is missing")
	}
	p.required("/personal_details/name/family_name", name.FamilyName)
	switch check {
	case CheckTypeIdentityCheck:
		p.required("/personal_details/dob", details.DOB)
		if len(v.AddressHistory) == 0 {
			p.add("/address_history", "is missing")
		}
	case CheckTypeCRABankAccountVerification:
		if v.BankingDetails == nil {
			p.add("/banking_details", "is missing")
		}
	}
}

// subject reports whether a check is for people only, or for companies only.
func (t CheckType) subject() (individual, company bool) {
	switch t {
	case CheckTypeIdentityCheck, CheckTypePEPsAndSanctionsScreen, CheckTypeCRABankAccountVerification,
		CheckTypeVisaCheck:
		individual = true
	default:
		individual = strings.HasPrefix(string(t), "INDIVIDUAL_")
	}
	return individual, strings.HasPrefix(string(t), "COMPANY_")
}

func (p *problems) required(pointer, value string) {
	if strings.TrimSpace(value) == "" {
		p.once(pointer, "is missing")
	}
}

func (p *problems) date(pointer, value string) {
	if _, err := ParsePartialDate(value); value != "" && (err != nil || len(value) != len(time.DateOnly)) {
		p.once(pointer, "is not a date of the form YYYY-MM-DD")
	}
}

func (p *problems) month(pointer, value string) {
	if _, err := ParsePartialDate(value); value != "" && (err != nil || len(value) != len("YYYY-MM")) {
		p.add(pointer, "is not of the form YYYY-MM")
	}
}

func (p *problems) country(pointer, code string) {
	if code != "" && !countries.Country(code) {
		p.once(pointer, notCountry(code))
	}
}
