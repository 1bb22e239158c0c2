package passfort

import "encoding/json"

// VisaOutput is the output of a VISA_CHECK (sheet 3.5, newer than 2019).
type VisaOutput struct {
	EntityType EntityType `json:"entity_type"`
	VisaCheck  *VisaCheck `json:"visa_check"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// VisaCheck lists the visas that were found, or says why there are none.
type VisaCheck struct {
	Visas         []Visa `json:"visas"`
	FailureReason string `json:"failure_reason"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// VisaEntitlement is what a visa allows.
type VisaEntitlement string

// Values of VisaEntitlement. Others may appear at any time (sheet 1.11).
const (
	VisaEntitlementWork  VisaEntitlement = "WORK"
	VisaEntitlementStudy VisaEntitlement = "STUDY"
)

// Known reports whether this version of the package has a constant for the value.
func (v VisaEntitlement) Known() bool {
	switch v {
	case VisaEntitlementWork,
		VisaEntitlementStudy:
		return true
	}
	return false
}

// Visa is a right to stay in a country.
type Visa struct {
	// CountryCode is an alpha-3 code.
	CountryCode string `json:"country_code"`
	// GrantDate and ExpiryDate are partial dates. See ParsePartialDate.
	GrantDate   string          `json:"grant_date"`
	ExpiryDate  string          `json:"expiry_date"`
	Name        string          `json:"name"`
	Entitlement VisaEntitlement `json:"entitlement"`
	Source      string          `json:"source"`
	Details     []NameValue     `json:"details"`
	Holder      *VisaHolder     `json:"holder"`
	// FieldChecks has a shape the API does not state, and is kept as it came.
	FieldChecks json.RawMessage `json:"field_checks"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// VisaHolder is the person a visa was issued to.
type VisaHolder struct {
	// FullName has a shape the API does not state, and is kept as it came.
	FullName json.RawMessage `json:"full_name"`
	// DOB is a partial date.
	DOB string `json:"dob"`
	// DocumentChecked has a shape the API does not state, and is kept as it came.
	DocumentChecked json.RawMessage `json:"document_checked"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
