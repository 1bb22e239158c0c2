package passfort

import "encoding/json"

// IdentityOutput is the output of an IDENTITY_CHECK (sheet 3.5).
type IdentityOutput struct {
	EntityType        EntityType         `json:"entity_type"`
	ElectronicIDCheck *ElectronicIDCheck `json:"electronic_id_check"`
	// CreditRef maps a credit reference category, such as "ccj_exact", to its matches.
	CreditRef map[string]MatchResult `json:"credit_ref"`
	// DBMatches maps "<source>_<kind>", such as "electoral_exact_dob", to its matches.
	DBMatches map[string]MatchResult `json:"db_matches"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// MatchResult says how often a person was found in a database.
type MatchResult struct {
	Count *int  `json:"count"`
	Match *bool `json:"match"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// ElectronicIDCheck lists the databases in which a person was found (sheet 3.5).
type ElectronicIDCheck struct {
	Matches []ElectronicIDMatch `json:"matches"`
	// Rules and the fields below are newer than 2019.
	Rules                   []ElectronicIDRule `json:"rules"`
	CreditFiles             []CreditFile       `json:"credit_files"`
	ProviderReferenceNumber string             `json:"provider_reference_number"`
	ProviderURL             string             `json:"provider_url"`
	ProviderResult          *bool              `json:"provider_result"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// DatabaseType is the kind of a database that knows a person.
type DatabaseType string

// Values of DatabaseType. Others may appear at any time (sheet 1.11).
const (
	DatabaseTypeCivil     DatabaseType = "CIVIL"
	DatabaseTypeCredit    DatabaseType = "CREDIT"
	DatabaseTypeMortality DatabaseType = "MORTALITY"
	// DatabaseTypeIgnored and DatabaseTypeAlert are newer than 2019.
	DatabaseTypeIgnored DatabaseType = "IGNORED"
	DatabaseTypeAlert   DatabaseType = "ALERT"
)

// Known reports whether this version of the package has a constant for the value.
func (d DatabaseType) Known() bool {
	switch d {
	case DatabaseTypeCivil,
		DatabaseTypeCredit,
		DatabaseTypeMortality,
		DatabaseTypeIgnored,
		DatabaseTypeAlert:
		return true
	}
	return false
}

// MatchedField is a field that agreed with a database.
type MatchedField string

// Values of MatchedField. Others may appear at any time (sheet 1.11).
const (
	MatchedFieldForename MatchedField = "FORENAME"
	MatchedFieldSurname  MatchedField = "SURNAME"
	MatchedFieldAddress  MatchedField = "ADDRESS"
	MatchedFieldDOB      MatchedField = "DOB"
	// MatchedFieldIdentityNumber and MatchedFieldIdentityNumberSuffix are newer than 2019.
	MatchedFieldIdentityNumber       MatchedField = "IDENTITY_NUMBER"
	MatchedFieldIdentityNumberSuffix MatchedField = "IDENTITY_NUMBER_SUFFIX"
)

// Known reports whether this version of the package has a constant for the value.
func (m MatchedField) Known() bool {
	switch m {
	case MatchedFieldForename,
		MatchedFieldSurname,
		MatchedFieldAddress,
		MatchedFieldDOB,
		MatchedFieldIdentityNumber,
		MatchedFieldIdentityNumberSuffix:
		return true
	}
	return false
}

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

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// NameValue is a named detail in a provider's words.
type NameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// ElectronicIDRule is a rule of the account for when an identity counts as confirmed (sheet 3.5,
// newer than 2019).
type ElectronicIDRule struct {
	Name   string `json:"name"`
	Active *bool  `json:"active"`
	// DistinctSources has a type the API does not state, and is kept as it came.
	DistinctSources json.RawMessage            `json:"distinct_sources"`
	DatabaseTypes   []DatabaseType             `json:"database_types"`
	Requires        []ElectronicIDRequirement  `json:"requires"`
	SatisfiedBy     []ElectronicIDSatisfaction `json:"satisfied_by"`
	// Result has a type the API does not state, and is kept as it came.
	Result json.RawMessage `json:"result"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// ElectronicIDRequirement is how often which fields have to match for a rule.
type ElectronicIDRequirement struct {
	MatchedFields []MatchedField `json:"matched_fields"`
	Count         *int           `json:"count"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// ElectronicIDSatisfaction is a match that satisfied a rule.
type ElectronicIDSatisfaction struct {
	DatabaseName   string         `json:"database_name"`
	MatchedFields  []MatchedField `json:"matched_fields"`
	RequiredFields []MatchedField `json:"required_fields"`
	Count          *int           `json:"count"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// CreditFile is a person's file at a credit bureau.
type CreditFile struct {
	UniqueNumber string      `json:"unique_number"`
	BureauName   string      `json:"bureau_name"`
	Extra        []NameValue `json:"extra"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
