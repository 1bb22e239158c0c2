package passfort

import (
	"slices"
	"strconv"
)

// CompanyMetadata is what a register knows about a company
// (docs/api/companies.md#company-metadata). Its canonical identity is the country of incorporation
// together with the number.
type CompanyMetadata struct {
	// Number is the register number. Its format depends on country and provider.
	Number string `json:"number"`
	// Name is the legal name.
	Name string `json:"name"`
	// BVDID and BVD9 are Bureau van Dijk identifiers.
	BVDID                     string           `json:"bvd_id"`
	BVD9                      string           `json:"bvd9"`
	ISIN                      string           `json:"isin"`
	LEI                       string           `json:"lei"`
	UKCharityCommissionNumber string           `json:"uk_charity_commission_number"`
	TaxIDs                    []TaxID          `json:"tax_ids"`
	PreviousNames             []PreviousName   `json:"previous_names"`
	Addresses                 []CompanyAddress `json:"addresses"`
	// CountryOfIncorporation is an alpha-3 code.
	CountryOfIncorporation string `json:"country_of_incorporation"`
	// StateOfIncorporation is needed for USA and Canada.
	StateOfIncorporation string           `json:"state_of_incorporation"`
	Jurisdiction         string           `json:"jurisdiction"`
	AreasOfActivity      []AreaOfActivity `json:"areas_of_activity"`
	Description          string           `json:"description"`
	// TradeDescription was seen on the data provider side.
	TradeDescription  string   `json:"trade_description"`
	NumberOfEmployees *float64 `json:"number_of_employees"`
	Registry          string   `json:"registry"`
	// SICCodes is the older form of IndustryClassifications.
	SICCodes []SICCode `json:"sic_codes"`
	// IndustryClassifications was seen on the data provider side, in place of SICCodes.
	IndustryClassifications []IndustryClassification `json:"industry_classifications"`
	IsActive                *bool                    `json:"is_active"`
	// IsActiveDetails was seen on the data provider side.
	IsActiveDetails string                 `json:"is_active_details"`
	ContactDetails  *CompanyContactDetails `json:"contact_details"`
	// ContactInformation is the name of ContactDetails on the data provider side.
	ContactInformation *CompanyContactDetails `json:"contact_information"`
	// IncorporationDate is YYYY-MM-DD.
	IncorporationDate string `json:"incorporation_date"`
	// CompanyType is the provider's code.
	CompanyType            string                 `json:"company_type"`
	CompanyTypeDescription string                 `json:"company_type_description"`
	StructuredCompanyType  *StructuredCompanyType `json:"structured_company_type"`

	Unknown Unknown `json:"-"`
}

// Contact returns the company's contact details, whichever of its two names
// they came under: ContactDetails, or else ContactInformation. It is nil if there
// are none, or no metadata; what it points to is part of the metadata.
func (v *CompanyMetadata) Contact() *CompanyContactDetails {
	switch {
	case v == nil:
		return nil
	case v.ContactDetails != nil:
		return v.ContactDetails
	default:
		return v.ContactInformation
	}
}

// ScreeningAddress returns the one address that a screening of the company sends: the
// head office, else the registered address, else the trading address, else the first
// one without a type. It is nil if there is none of them. It points into the data.
func (v *CompanyMetadata) ScreeningAddress() *CompanyAddress {
	if v == nil {
		return nil
	}
	for _, kind := range []CompanyAddressType{
		CompanyAddressTypeHeadOfficeAddress, CompanyAddressTypeRegisteredAddress, CompanyAddressTypeTradingAddress, "",
	} {
		for i := range v.Addresses {
			if v.Addresses[i].Type == kind {
				return &v.Addresses[i]
			}
		}
	}
	return nil
}

// Industries returns what the company does: IndustryClassifications, or else
// SICCodes in their form. The list is a copy, and empty if there is no metadata.
func (v *CompanyMetadata) Industries() []IndustryClassification {
	if v == nil {
		return nil
	}
	if len(v.IndustryClassifications) > 0 {
		return slices.Clone(v.IndustryClassifications)
	}
	var industries []IndustryClassification
	for _, sic := range v.SICCodes {
		industries = append(industries, IndustryClassification{
			ClassificationType: ClassificationTypeSIC, Code: sic.Code, Description: sic.Description,
		})
	}
	return industries
}

// TaxIDType is the kind of a tax number.
type TaxIDType string

// Values of TaxIDType. Others may appear at any time.
const (
	TaxIDTypeEuroVAT TaxIDType = "EUROVAT"
	TaxIDTypeVAT     TaxIDType = "VAT"
	TaxIDTypeEIN     TaxIDType = "EIN"
	// TaxIDTypeOther was seen on the data provider side; the name is in TaxIDName.
	TaxIDTypeOther TaxIDType = "OTHER"
)

// TaxID is a company's tax number.
type TaxID struct {
	TaxIDType TaxIDType `json:"tax_id_type"`
	Value     string    `json:"value"`
	// TaxIDName was seen on the data provider side.
	TaxIDName string `json:"tax_id_name"`

	Unknown Unknown `json:"-"`
}

// PreviousName is a name a company had from Start to End (YYYY-MM-DD).
type PreviousName struct {
	Name  string `json:"name"`
	Start string `json:"start"`
	End   string `json:"end"`

	Unknown Unknown `json:"-"`
}

// CompanyAddressType is what a company uses an address for. Its values are in lower case, unlike
// all others.
type CompanyAddressType string

// Values of CompanyAddressType. Others may appear at any time.
const (
	CompanyAddressTypeRegisteredAddress CompanyAddressType = "registered_address"
	CompanyAddressTypeBranchAddress     CompanyAddressType = "branch_address"
	CompanyAddressTypeHeadOfficeAddress CompanyAddressType = "head_office_address"
	CompanyAddressTypeContactAddress    CompanyAddressType = "contact_address"
	// CompanyAddressTypeTradingAddress was seen on the data provider side.
	CompanyAddressTypeTradingAddress CompanyAddressType = "trading_address"
)

// CompanyAddress says what a company uses an address for. Type may be missing.
type CompanyAddress struct {
	Type    CompanyAddressType `json:"type"`
	Address *Address           `json:"address"`

	Unknown Unknown `json:"-"`
}

// AreaOfActivity is a place where a company is active.
type AreaOfActivity struct {
	Location string `json:"location"`

	Unknown Unknown `json:"-"`
}

// SICCode is a standard industrial classification of a company.
type SICCode struct {
	Code        string `json:"code"`
	Description string `json:"description"`

	Unknown Unknown `json:"-"`
}

// ClassificationType is the scheme of an IndustryClassification.
type ClassificationType string

// Values of ClassificationType. Others may appear at any time.
const (
	ClassificationTypeSIC   ClassificationType = "SIC"
	ClassificationTypeNACE  ClassificationType = "NACE"
	ClassificationTypeNAICS ClassificationType = "NAICS"
	ClassificationTypeOther ClassificationType = "OTHER"
)

// IndustryClassification says what a company does, in a named scheme
// (docs/api/companies.md#company-data, data provider side).
type IndustryClassification struct {
	ClassificationType    ClassificationType `json:"classification_type"`
	Code                  string             `json:"code"`
	ClassificationVersion string             `json:"classification_version"`
	Description           string             `json:"description"`

	Unknown Unknown `json:"-"`
}

// CompanyContactDetails are a company's phone number, web site and email address.
type CompanyContactDetails struct {
	PhoneNumber string `json:"phone_number"`
	URL         string `json:"url"`
	Email       string `json:"email"`

	Unknown Unknown `json:"-"`
}

// OwnershipType is the broad legal form of a company.
type OwnershipType string

// Values of OwnershipType. Others may appear at any time.
const (
	OwnershipTypePartnership        OwnershipType = "PARTNERSHIP"
	OwnershipTypeCompany            OwnershipType = "COMPANY"
	OwnershipTypeSoleProprietorship OwnershipType = "SOLE_PROPRIETORSHIP"
	OwnershipTypeAssociation        OwnershipType = "ASSOCIATION"
	OwnershipTypeTrust              OwnershipType = "TRUST"
	OwnershipTypeOther              OwnershipType = "OTHER"
)

// StructuredCompanyType describes a company's legal form independently of the country.
type StructuredCompanyType struct {
	IsPublic      *bool         `json:"is_public"`
	IsLimited     *bool         `json:"is_limited"`
	OwnershipType OwnershipType `json:"ownership_type"`

	Unknown Unknown `json:"-"`
}

// CompanyFiling is a document at the register. It has a Document, or a Price for which a
// COMPANY_FILING_PURCHASE check buys it (docs/api/companies.md#company-data).
type CompanyFiling struct {
	Document *Document    `json:"document"`
	Type     DocumentType `json:"type"`
	// SourceID names the filing in a purchase check.
	SourceID string `json:"source_id"`
	// DateOfFiling is YYYY-MM-DD.
	DateOfFiling string `json:"date_of_filing"`
	Description  string `json:"description"`
	// ResolutionDescriptions belongs to filings of type RESOLUTION.
	ResolutionDescriptions []string     `json:"resolution_descriptions"`
	Source                 string       `json:"source"`
	Error                  *ErrorDetail `json:"error"`
	// Price has a unit that the API does not state.
	Price *int `json:"price"`

	Unknown Unknown `json:"-"`
}

// CharityData is what a charities register knows.
type CharityData struct {
	Activities         []string `json:"activities"`
	Beneficiaries      []string `json:"beneficiaries"`
	Purposes           []string `json:"purposes"`
	NumberOfVolunteers *float64 `json:"number_of_volunteers"`
	// RegistrationDate is YYYY-MM-DD.
	RegistrationDate string `json:"registration_date"`

	Unknown Unknown `json:"-"`
}

// CompanyField names what a CompanyFieldCheck compares.
type CompanyField string

// Values of CompanyField. Others may appear at any time.
const (
	CompanyFieldName                   CompanyField = "NAME"
	CompanyFieldNumber                 CompanyField = "NUMBER"
	CompanyFieldIsActive               CompanyField = "IS_ACTIVE"
	CompanyFieldLEI                    CompanyField = "LEI"
	CompanyFieldCountryOfIncorporation CompanyField = "COUNTRY_OF_INCORPORATION"
	CompanyFieldAddress                CompanyField = "ADDRESS"
)

// CompanyFieldResult is the outcome of a CompanyFieldCheck.
type CompanyFieldResult string

// Values of CompanyFieldResult. Others may appear at any time.
const (
	CompanyFieldResultMatch    CompanyFieldResult = "MATCH"
	CompanyFieldResultMismatch CompanyFieldResult = "MISMATCH"
)

// CompanyFieldCheck says whether a field of the collected data agrees with the register
// (docs/api/companies.md#company-data, data provider side).
type CompanyFieldCheck struct {
	Field  CompanyField       `json:"field"`
	Result CompanyFieldResult `json:"result"`

	Unknown Unknown `json:"-"`
}

func (p *problems) company(m *CompanyMetadata) {
	p.country("/country_of_incorporation", m.CountryOfIncorporation)
	p.state("/state_of_incorporation", m.CountryOfIncorporation, m.StateOfIncorporation)
	p.date("/incorporation_date", m.IncorporationDate)
	for i, name := range m.PreviousNames {
		p.in("/previous_names/"+strconv.Itoa(i), func() {
			p.date("/start", name.Start)
			p.date("/end", name.End)
		})
	}
	sent := m.ScreeningAddress()
	for i := range m.Addresses {
		a := &m.Addresses[i]
		p.in("/addresses/"+strconv.Itoa(i), func() {
			p.address("/address", a.Address)
			if a.Type != "" && !a.Type.Known() {
				p.add("/type", "is no address type, which are in lower case")
			}
			if a != sent && a.Type == sent.typeOf() && screened(a.Type) {
				p.add("/type", "is that of an earlier address: a screening sends one address, the first of that type")
			}
			if a.Type == "" && len(m.Addresses) > 1 {
				p.add("/type", "is missing: a screening sends one address, by its type")
			}
		})
	}
}

func (v *CompanyAddress) typeOf() CompanyAddressType {
	if v == nil {
		return ""
	}
	return v.Type
}

// screened reports whether a screening chooses an address by this type.
func screened(kind CompanyAddressType) bool {
	return kind == CompanyAddressTypeHeadOfficeAddress || kind == CompanyAddressTypeRegisteredAddress ||
		kind == CompanyAddressTypeTradingAddress
}
