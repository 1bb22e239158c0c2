package passfort

// EntityData is what is known about a person or a company: the collected data of a profile, its
// verified data, and the output of many checks (sheet 3.3). It has the members of individuals and
// of companies side by side, as they are on the wire; EntityType tells which apply.
//
// Writing collected data replaces all of it, so change what you read and send the whole: whatever
// this package does not model comes along in Unknown, here and in every nested object.
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
	// CreditRef maps a credit reference category, such as "ccj_exact", to its matches (sheet 3.5).
	CreditRef map[string]MatchResult `json:"credit_ref"`
	// DBMatches maps "<source>_<kind>", such as "electoral_exact_dob", to its matches (sheet 3.5).
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
	// AssociatedEntities is the newer, single list of everybody related to the company. It was
	// seen on the data provider side (sheet 3.3).
	AssociatedEntities []AssociatedEntity `json:"associated_entities"`
	// FieldChecks compares given with registered data. It was seen in newer check outputs.
	FieldChecks []CompanyFieldCheck `json:"field_checks"`

	Unknown Unknown `json:"-"`
}

// NewIndividual returns collected data of a person, as small as the API accepts it.
func NewIndividual() *EntityData { return &EntityData{EntityType: EntityTypeIndividual} }

// NewCompany returns collected data of a company, as small as the API accepts it.
func NewCompany() *EntityData { return &EntityData{EntityType: EntityTypeCompany} }

// EntityType says whether collected data describes a person or a company (sheet 3.1).
type EntityType string

// Values of EntityType. Others may appear at any time (sheet 1.11).
const (
	EntityTypeIndividual EntityType = "INDIVIDUAL"
	EntityTypeCompany    EntityType = "COMPANY"
)

// Role says what a profile is: a customer, or an associate of a company customer (sheet 3.1). It
// is set on creation and never changes.
type Role string

// Values of Role. Others may appear at any time (sheet 1.11).
const (
	RoleIndividualCustomer   Role = "INDIVIDUAL_CUSTOMER"
	RoleIndividualAssociated Role = "INDIVIDUAL_ASSOCIATED"
	RoleCompanyCustomer      Role = "COMPANY_CUSTOMER"
	RoleCompanyAssociated    Role = "COMPANY_ASSOCIATED"
)

// ExternalRefs holds references of a customer at data providers (sheet 3.3).
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

// Values of FraudDatabase. Others may appear at any time (sheet 1.11).
const (
	FraudDatabaseCIFAS FraudDatabase = "CIFAS"
)

// FraudDetection is the outcome of a search in a fraud database (sheet 3.3, newer than 2019).
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

// DatedAddress is an entry of a person's address history (sheet 3.3).
type DatedAddress struct {
	Address *Address `json:"address"`
	// StartDate and EndDate are approximate dates, YYYY-MM. An address without dates is current.
	StartDate string `json:"start_date"`
	EndDate   string `json:"end_date"`

	Unknown Unknown `json:"-"`
}

// Address is a postal address in one of two forms, told apart by Type (sheet 3.3).
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

// AddressType tells the two forms of an address apart.
type AddressType string

// Values of AddressType. Others may appear at any time (sheet 1.11).
const (
	// AddressTypeFreeform needs Country and Text. The server turns it into a structured address
	// and keeps the text in OriginalFreeformAddress.
	AddressTypeFreeform AddressType = "FREEFORM"
	// AddressTypeStructured has the address in parts.
	AddressTypeStructured AddressType = "STRUCTURED"
)
