package passfort

import (
	"encoding/json"
	"errors"
	"iter"
	"log/slog"

	"github.com/passfort-go/passfort/internal/wire"
)

// The reasons of an *OutputError, to branch on with errors.Is.
var (
	// ErrNoOutput: the check has none, because it is not complete yet or because
	// it ended with Errors.
	ErrNoOutput = errors.New("passfort: the check has no output")
	// ErrOtherOutput: checks of this type have another output than the one asked
	// for. OutputData has it unchanged.
	ErrOtherOutput = errors.New("passfort: the check has another output")
	// ErrNoInput: the check does not tell its input, because it is not complete yet.
	ErrNoInput = errors.New("passfort: the check has no input")
)

// OutputError is why an accessor such as Check.IdentityResult has nothing to
// return: ErrNoOutput, ErrOtherOutput or ErrNoInput.
type OutputError struct {
	// Type and State are the check's.
	Type  CheckType
	State CheckState

	reason error
}

// Error returns the reason, the type and the state of the check. Values that
// have no constant are left out.
func (e *OutputError) Error() string {
	text := e.reason.Error()
	if e.Type.Known() {
		text += ": " + string(e.Type)
	}
	if e.State.Known() {
		text += ", " + string(e.State)
	}
	return text
}

// Unwrap returns ErrNoOutput, ErrOtherOutput or ErrNoInput.
func (e *OutputError) Unwrap() error { return e.reason }

// LogValue returns what Error returns.
func (e OutputError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// IdentityResult decodes the output of an IDENTITY_CHECK. Like all accessors of
// outputs it decodes OutputData anew each time and never changes it; the error
// is an *OutputError. A type of check without an accessor has an output that
// is not described anywhere: decode OutputData yourself.
func (v *Check) IdentityResult() (*IdentityOutput, error) {
	return outputOf[IdentityOutput](v, v.output())
}

// DocumentResults decodes the output of a DOCUMENT_VERIFICATION, COMPANY_DOCUMENT_VERIFICATION or
// DOCUMENT_FETCH. That DOCUMENT_CAPTURE has the same output is known from the data provider side
// only (docs/api/checks.md#the-check).
func (v *Check) DocumentResults() (*DocumentOutput, error) {
	return outputOf[DocumentOutput](v, v.output())
}

// ScreeningResults decodes the output of a PEPS_AND_SANCTIONS_SCREEN or
// COMPANY_PEPS_AND_SANCTIONS_SCREEN. ScreeningOutput.Matches reads both of its
// generations.
func (v *Check) ScreeningResults() (*ScreeningOutput, error) {
	return outputOf[ScreeningOutput](v, v.output())
}

// BankAccountResult decodes the output of a CRA_BANK_ACCOUNT_VERIFICATION.
func (v *Check) BankAccountResult() (*BankAccountOutput, error) {
	return outputOf[BankAccountOutput](v, v.output())
}

// DeviceFraudResult decodes the output of a DEVICE_FRAUD_DETECTION.
func (v *Check) DeviceFraudResult() (*DeviceFraudOutput, error) {
	return outputOf[DeviceFraudOutput](v, v.output())
}

// VisaResult decodes the output of a VISA_CHECK.
func (v *Check) VisaResult() (*VisaOutput, error) { return outputOf[VisaOutput](v, v.output()) }

// CompanyResult decodes what a COMPANY_REGISTRY, COMPANY_CHARITIES_REGISTRY,
// COMPANY_OWNERSHIP, COMPANY_FILINGS, COMPANY_FILING_PURCHASE or COMPANY_DATA
// check found: see Metadata, CharityData, Filings and Associates of the result.
func (v *Check) CompanyResult() (*EntityData, error) {
	out, err := outputOf[companyOutput](v, v.output())
	if err != nil {
		return nil, err
	}
	return (*EntityData)(out), nil
}

// FormResult decodes the output of an INDIVIDUAL_MANUAL_FORM or
// COMPANY_MANUAL_FORM: the data that was filled in.
func (v *Check) FormResult() (*EntityData, error) {
	out, err := outputOf[formOutput](v, v.output())
	if err != nil {
		return nil, err
	}
	return (*EntityData)(out), nil
}

// InputEntity decodes what the server took from the collected data for the
// check. A pending check has none yet: the error is then ErrNoInput.
func (v *Check) InputEntity() (*EntityData, error) {
	in := new(EntityData)
	if len(v.InputData) == 0 || wire.Unmarshal(v.InputData, in) != nil {
		return nil, &OutputError{Type: v.Type, State: v.State, reason: ErrNoInput}
	}
	return in, nil
}

// companyOutput and formOutput tell two outputs of the same shape apart.
type (
	companyOutput EntityData
	formOutput    EntityData
)

// output returns a value for the output of the check's type to be decoded into, nil for a type
// whose output is not described (docs/api/checks.md#the-check).
func (v *Check) output() any {
	switch v.Type {
	case CheckTypeIdentityCheck:
		return new(IdentityOutput)
	case CheckTypeDocumentVerification, CheckTypeCompanyDocumentVerification, CheckTypeDocumentFetch,
		CheckTypeDocumentCapture:
		return new(DocumentOutput)
	case CheckTypePEPsAndSanctionsScreen, CheckTypeCompanyPEPsAndSanctionsScreen:
		return new(ScreeningOutput)
	case CheckTypeCRABankAccountVerification:
		return new(BankAccountOutput)
	case CheckTypeDeviceFraudDetection:
		return new(DeviceFraudOutput)
	case CheckTypeVisaCheck:
		return new(VisaOutput)
	case CheckTypeCompanyRegistry, CheckTypeCompanyCharitiesRegistry, CheckTypeCompanyOwnership,
		CheckTypeCompanyFilings, CheckTypeCompanyFilingPurchase, CheckTypeCompanyData:
		return new(companyOutput)
	case CheckTypeIndividualManualForm, CheckTypeCompanyManualForm:
		return new(formOutput)
	}
	return nil
}

// CheckProvider is a data provider that took part in a check.
type CheckProvider struct {
	ProviderName string `json:"provider_name"`
	// IsMonitored says that the provider keeps watching for changes.
	IsMonitored *bool `json:"is_monitored"`
	// VariantName and the two below are newer than 2019.
	VariantName string `json:"variant_name"`
	// InstructedOn is a date-time.
	InstructedOn string `json:"instructed_on"`
	Primary      *bool  `json:"primary"`

	Unknown Unknown `json:"-"`
}

// outputOf decodes the output of the check into out, which must be a *T.
func outputOf[T any](v *Check, out any) (*T, error) {
	result, fits := out.(*T)
	if fits && (len(v.OutputData) == 0 || string(v.OutputData) == "null") {
		return nil, &OutputError{Type: v.Type, State: v.State, reason: ErrNoOutput}
	}
	if !fits || wire.Unmarshal(v.OutputData, result) != nil {
		return nil, &OutputError{Type: v.Type, State: v.State, reason: ErrOtherOutput}
	}
	return result, nil
}

// ScreeningMatch is a person or company a screening found, in whichever generation the output has
// it (docs/api/checks.md#screening-results).
type ScreeningMatch struct {
	// ID is the provider's: the match or hit id.
	ID string
	// Flags say why the match matters.
	Flags []ScreeningFlagType
	// Dismissed reports that a person decided that it is not the profile's person
	// or company.
	Dismissed bool
	// Result is the element of SanctionsResults, nil in the newer generation.
	Result *SanctionsResult
	// Hit is the element of ScreeningHits, nil in the older generation.
	Hit *ScreeningHit
}

// Matches yields what the screening found, of both generations. Flags of the
// older one follow from its members: a sanction, a PEP entry or a media article
// that is present, and otherwise refer.
func (v *ScreeningOutput) Matches() iter.Seq[ScreeningMatch] {
	return func(yield func(ScreeningMatch) bool) {
		for i := range v.SanctionsResults {
			r := &v.SanctionsResults[i]
			if !yield(ScreeningMatch{ID: r.MatchID, Flags: r.flags(), Dismissed: r.FalsePositive != nil, Result: r}) {
				return
			}
		}
		for i := range v.ScreeningHits {
			h := &v.ScreeningHits[i]
			m := ScreeningMatch{Dismissed: h.Status == ScreeningHitStatusMismatch, Hit: h}
			if h.Provider != nil {
				m.ID = h.Provider.HitID
			}
			for _, flag := range h.Flags {
				m.Flags = append(m.Flags, flag.Type)
			}
			if !yield(m) {
				return
			}
		}
	}
}

func (v *SanctionsResult) flags() []ScreeningFlagType {
	var flags []ScreeningFlagType
	if v.PEP != nil {
		flags = append(flags, ScreeningFlagTypePEP)
	}
	if len(v.Sanctions) > 0 {
		flags = append(flags, ScreeningFlagTypeSanction)
	}
	if len(v.Media) > 0 {
		flags = append(flags, ScreeningFlagTypeAdverseMedia)
	}
	if len(flags) == 0 {
		flags = append(flags, ScreeningFlagTypeRefer)
	}
	return flags
}

// VisaOutput is the output of a VISA_CHECK (docs/api/checks.md#visas, newer than 2019).
type VisaOutput struct {
	EntityType EntityType `json:"entity_type"`
	VisaCheck  *VisaCheck `json:"visa_check"`

	Unknown Unknown `json:"-"`
}

// VisaCheck lists the visas that were found, or says why there are none.
type VisaCheck struct {
	Visas         []Visa `json:"visas"`
	FailureReason string `json:"failure_reason"`

	Unknown Unknown `json:"-"`
}

// VisaEntitlement is what a visa allows.
type VisaEntitlement string

// Values of VisaEntitlement. Others may appear at any time.
const (
	VisaEntitlementWork  VisaEntitlement = "WORK"
	VisaEntitlementStudy VisaEntitlement = "STUDY"
)

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
	// FieldChecks has a shape the API does not state, and is kept unchanged.
	FieldChecks json.RawMessage `json:"field_checks"`

	Unknown Unknown `json:"-"`
}

// VisaHolder is the person a visa was issued to.
type VisaHolder struct {
	// FullName has a shape the API does not state, and is kept unchanged.
	FullName json.RawMessage `json:"full_name"`
	// DOB is a partial date.
	DOB string `json:"dob"`
	// DocumentChecked has a shape the API does not state, and is kept unchanged.
	DocumentChecked json.RawMessage `json:"document_checked"`

	Unknown Unknown `json:"-"`
}

// DeviceFraudOutput is the output of a DEVICE_FRAUD_DETECTION check (docs/api/checks.md#devices,
// newer than 2019).
type DeviceFraudOutput struct {
	EntityType           EntityType            `json:"entity_type"`
	DeviceMetadata       *DeviceMetadata       `json:"device_metadata"`
	DeviceFraudDetection *DeviceFraudDetection `json:"device_fraud_detection"`
	IPLocation           *IPLocation           `json:"ip_location"`

	Unknown Unknown `json:"-"`
}

// DeviceMetadata describes the device a customer used. A DEVICE_FRAUD_DETECTION check needs it,
// with Token.
type DeviceMetadata struct {
	Token       string `json:"token"`
	StatedIP    string `json:"stated_ip"`
	Action      string `json:"action"`
	ReferenceID string `json:"reference_id"`
	DeviceID    string `json:"device_id"`
	DeviceType  string `json:"device_type"`

	Unknown Unknown `json:"-"`
}

// DeviceFraudDetection is what a provider thinks of a device.
type DeviceFraudDetection struct {
	ProviderReference    string            `json:"provider_reference"`
	Recommendation       string            `json:"recommendation"`
	RecommendationReason string            `json:"recommendation_reason"`
	TotalScore           *int              `json:"total_score"`
	MatchedRules         []DeviceFraudRule `json:"matched_rules"`
	UsedTestEnvironment  *bool             `json:"used_test_environment"`

	Unknown Unknown `json:"-"`
}

// DeviceFraudRule is a rule that contributed to the score of a device.
type DeviceFraudRule struct {
	Name   string   `json:"name"`
	Reason string   `json:"reason"`
	Score  *float64 `json:"score"`

	Unknown Unknown `json:"-"`
}

// DocumentOutput is the output of DOCUMENT_VERIFICATION, DOCUMENT_FETCH and
// COMPANY_DOCUMENT_VERIFICATION checks (docs/api/checks.md#the-check).
type DocumentOutput struct {
	EntityType EntityType `json:"entity_type"`
	Documents  []Document `json:"documents"`

	Unknown Unknown `json:"-"`
}
