package passfort

import "encoding/json"

// ScreeningOutput is the output of a PEPS_AND_SANCTIONS_SCREEN or COMPANY_PEPS_AND_SANCTIONS_SCREEN
// check (docs/api/checks.md#the-check).
type ScreeningOutput struct {
	EntityType       EntityType        `json:"entity_type"`
	SanctionsResults []SanctionsResult `json:"sanctions_results"`
	// ScreeningHits is the newer form, seen on the data provider side. Whether this API sends it
	// is not known.
	ScreeningHits []ScreeningHit `json:"screening_hits"`

	Unknown Unknown `json:"-"`
}

// SanctionsResult is an entry of a screening database that may be the profile's person or company
// (docs/api/checks.md#screening-results). The fields from IsEnhanced to Locations occur for
// individuals only.
type SanctionsResult struct {
	MatchID string `json:"match_id"`
	// ModifiedDate is a date-time.
	ModifiedDate string `json:"modified_date"`
	// FalsePositive is set when a person decided that this is another person or company.
	FalsePositive *FalsePositive `json:"false_positive"`
	MatchName     string         `json:"match_name"`
	// MatchDates are partial dates, like all the dates below.
	MatchDates []string `json:"match_dates"`
	// MatchCountries are free strings, not always country codes.
	MatchCountries       []string             `json:"match_countries"`
	Score                *float64             `json:"score"`
	Sanctions            []Sanction           `json:"sanctions"`
	PEP                  *PEP                 `json:"pep"`
	Media                []MediaArticle       `json:"media"`
	Documents            []Document           `json:"documents"`
	Aliases              []string             `json:"aliases"`
	PreviousNames        []string             `json:"previous_names"`
	Associates           []ScreeningAssociate `json:"associates"`
	ProfileNotes         string               `json:"profile_notes"`
	Details              []ScreeningDetail    `json:"details"`
	Sources              []ScreeningSource    `json:"sources"`
	IsEnhanced           *bool                `json:"is_enhanced"`
	Gender               string               `json:"gender"`
	PEPRating            string               `json:"pep_rating"`
	Remarks              []string             `json:"remarks"`
	Deceased             *bool                `json:"deceased"`
	DisqualifiedDirector *bool                `json:"disqualified_director"`
	Insolvent            *bool                `json:"insolvent"`
	LawEnforcement       *bool                `json:"law_enforcement"`
	Riskography          string               `json:"riskography"`
	DeceasedDates        []string             `json:"deceased_dates"`
	// InactiveAsRCARelatedToPEPDates are when a relative or close associate of a PEP stopped
	// counting as one.
	InactiveAsRCARelatedToPEPDates []string                  `json:"inactive_as_rca_related_to_pep_dates"`
	InactiveAsPEPDates             []string                  `json:"inactive_as_pep_dates"`
	Identifications                []ScreeningIdentification `json:"identifications"`
	Locations                      []ScreeningLocation       `json:"locations"`
	// MatchCustomLabel and the fields below are newer than 2019.
	MatchCustomLabel string      `json:"match_custom_label"`
	MatchDatesData   []MatchDate `json:"match_dates_data"`
	// MatchCountriesAddress are alpha-3 codes.
	MatchCountriesAddress []string       `json:"match_countries_address"`
	MatchCountriesData    []MatchCountry `json:"match_countries_data"`

	Unknown Unknown `json:"-"`
}

// FalsePositive is the decision that a screening result is not about the profile.
type FalsePositive struct {
	MatchID string `json:"match_id"`
	// MatchModifiedDate is the date-time of the version that was decided on.
	MatchModifiedDate string   `json:"match_modified_date"`
	Reasons           []string `json:"reasons"`
	Issuer            string   `json:"issuer"`

	Unknown Unknown `json:"-"`
}

// Sanction is an entry on a sanctions list.
type Sanction struct {
	Issuer      string       `json:"issuer"`
	Name        string       `json:"name"`
	Kind        string       `json:"kind"`
	List        string       `json:"list"`
	Type        string       `json:"type"`
	IsCurrent   *bool        `json:"is_current"`
	IsPast      *bool        `json:"is_past"`
	TimePeriods []TimePeriod `json:"time_periods"`

	Unknown Unknown `json:"-"`
}

// TimePeriod is a time between two dates, which may be partial ones.
type TimePeriod struct {
	FromDate string `json:"from_date"`
	ToDate   string `json:"to_date"`

	Unknown Unknown `json:"-"`
}

// PEP describes a person who is, or was, politically exposed.
type PEP struct {
	Name string `json:"name"`
	// FromDate and ToDate are partial dates.
	FromDate  string    `json:"from_date"`
	ToDate    string    `json:"to_date"`
	IsCurrent *bool     `json:"is_current"`
	Match     *bool     `json:"match"`
	Tier      *int      `json:"tier"`
	Roles     []PEPRole `json:"roles"`

	Unknown Unknown `json:"-"`
}

// PEPRole is an office of a politically exposed person.
type PEPRole struct {
	Name string `json:"name"`
	Tier *int   `json:"tier"`
	// FromDate and ToDate are partial dates.
	FromDate  string `json:"from_date"`
	ToDate    string `json:"to_date"`
	IsCurrent *bool  `json:"is_current"`

	Unknown Unknown `json:"-"`
}

// MediaArticle is an adverse media report.
type MediaArticle struct {
	URL     string `json:"url"`
	PDFURL  string `json:"pdf_url"`
	Title   string `json:"title"`
	Snippet string `json:"snippet"`
	// Date is YYYY-MM-DD.
	Date string `json:"date"`

	Unknown Unknown `json:"-"`
}

// ScreeningAssociate is a relative or associate named by a screening database. It has nothing to
// do with the associates of a company.
type ScreeningAssociate struct {
	Name        string `json:"name"`
	Association string `json:"association"`
	IsPEP       *bool  `json:"is_pep"`
	WasPEP      *bool  `json:"was_pep"`
	IsSanction  *bool  `json:"is_sanction"`
	WasSanction *bool  `json:"was_sanction"`
	// DeceasedDates and the lists below are partial dates.
	DeceasedDates                  []string `json:"deceased_dates"`
	InactiveAsRCARelatedToPEPDates []string `json:"inactive_as_rca_related_to_pep_dates"`
	InactiveAsPEPDates             []string `json:"inactive_as_pep_dates"`
	// DOBs is newer than 2019.
	DOBs []string `json:"dobs"`

	Unknown Unknown `json:"-"`
}

// ScreeningDetail is a titled text of a screening database.
type ScreeningDetail struct {
	Title string `json:"title"`
	Text  string `json:"text"`

	Unknown Unknown `json:"-"`
}

// ScreeningSource is where a screening database has its knowledge from.
type ScreeningSource struct {
	Name        string `json:"name"`
	URL         string `json:"url"`
	Description string `json:"description"`

	Unknown Unknown `json:"-"`
}

// ScreeningIdentification lists numbers of one kind that identify a match.
type ScreeningIdentification struct {
	Type   string                `json:"type"`
	Values []IdentificationValue `json:"values"`

	Unknown Unknown `json:"-"`
}

// IdentificationValue is a number that identifies a match.
type IdentificationValue struct {
	Notes string `json:"notes"`
	Value string `json:"value"`

	Unknown Unknown `json:"-"`
}

// ScreeningLocation is a place connected with a match.
type ScreeningLocation struct {
	City    string `json:"city"`
	Country string `json:"country"`
	Address string `json:"address"`
	Type    string `json:"type"`
	// Region is newer than 2019.
	Region string `json:"region"`

	Unknown Unknown `json:"-"`
}

// MatchDateType is the meaning of a MatchDate.
type MatchDateType string

// Values of MatchDateType. Others may appear at any time.
const (
	MatchDateTypeDOB           MatchDateType = "DOB"
	MatchDateTypeDeceased      MatchDateType = "DECEASED"
	MatchDateTypeEndOfPEP      MatchDateType = "END_OF_PEP"
	MatchDateTypeEndOfRCAToPEP MatchDateType = "END_OF_RCA_TO_PEP"
)

// MatchDate is a date of a match, with its meaning (docs/api/checks.md#screening-results, newer
// than 2019).
type MatchDate struct {
	Type MatchDateType `json:"type"`
	// Date is a partial date.
	Date string `json:"date"`

	Unknown Unknown `json:"-"`
}

// MatchCountryType is how a match is connected with a country.
type MatchCountryType string

// Values of MatchCountryType. Others may appear at any time.
const (
	MatchCountryTypeAffiliation        MatchCountryType = "AFFILIATION"
	MatchCountryTypeCitizenship        MatchCountryType = "CITIZENSHIP"
	MatchCountryTypeCurrentOwnership   MatchCountryType = "CURRENT_OWNERSHIP"
	MatchCountryTypeOwnership          MatchCountryType = "OWNERSHIP"
	MatchCountryTypeJurisdiction       MatchCountryType = "JURISDICTION"
	MatchCountryTypeRegistration       MatchCountryType = "REGISTRATION"
	MatchCountryTypeAllegation         MatchCountryType = "ALLEGATION"
	MatchCountryTypeResidence          MatchCountryType = "RESIDENCE"
	MatchCountryTypeRisk               MatchCountryType = "RISK"
	MatchCountryTypeFormerlySanctioned MatchCountryType = "FORMERLY_SANCTIONED"
	MatchCountryTypeSanctioned         MatchCountryType = "SANCTIONED"
	MatchCountryTypeNationality        MatchCountryType = "NATIONALITY"
)

// MatchCountry is a country of a match, with its meaning (docs/api/checks.md#screening-results,
// newer than 2019).
type MatchCountry struct {
	Type MatchCountryType `json:"type"`
	// CountryCode is an alpha-3 code.
	CountryCode string `json:"country_code"`

	Unknown Unknown `json:"-"`
}

// ScreeningFlagType is what a screening hit is about.
type ScreeningFlagType string

// Values of ScreeningFlagType. Others may appear at any time.
const (
	ScreeningFlagTypePEP          ScreeningFlagType = "PEP"
	ScreeningFlagTypeSanction     ScreeningFlagType = "SANCTION"
	ScreeningFlagTypeAdverseMedia ScreeningFlagType = "ADVERSE_MEDIA"
	ScreeningFlagTypeRefer        ScreeningFlagType = "REFER"
)

// ScreeningHitStatus is the decision on a screening hit.
type ScreeningHitStatus string

// Values of ScreeningHitStatus. Others may appear at any time.
const (
	ScreeningHitStatusMatch      ScreeningHitStatus = "MATCH"
	ScreeningHitStatusMismatch   ScreeningHitStatus = "MISMATCH"
	ScreeningHitStatusUnresolved ScreeningHitStatus = "UNRESOLVED"
)

// ScreeningHit is the newer form of a screening result (docs/api/checks.md#screening-results, data
// provider side).
type ScreeningHit struct {
	Provider *ScreeningProvider `json:"provider"`
	Flags    []ScreeningFlag    `json:"flags"`
	Status   ScreeningHitStatus `json:"status"`
	// Data is described nowhere, and kept unchanged.
	Data json.RawMessage `json:"data"`

	Unknown Unknown `json:"-"`
}

// ScreeningProvider names the provider of a screening hit and the hit there.
type ScreeningProvider struct {
	HitID string `json:"hit_id"`
	Label string `json:"label"`
	Name  string `json:"name"`

	Unknown Unknown `json:"-"`
}

// ScreeningFlag is a reason why a screening hit matters.
type ScreeningFlag struct {
	Type  ScreeningFlagType `json:"type"`
	Label string            `json:"label"`

	Unknown Unknown `json:"-"`
}
