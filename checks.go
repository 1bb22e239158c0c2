package passfort

import "encoding/json"

// CheckType is the kind of a check. It decides the inputs, the results and the output (sheet 3.5).
type CheckType string

// Values of CheckType. Others may appear at any time (sheet 1.11).
const (
	CheckTypeIdentityCheck              CheckType = "IDENTITY_CHECK"
	CheckTypeDocumentVerification       CheckType = "DOCUMENT_VERIFICATION"
	CheckTypeDocumentFetch              CheckType = "DOCUMENT_FETCH"
	CheckTypePEPsAndSanctionsScreen     CheckType = "PEPS_AND_SANCTIONS_SCREEN"
	CheckTypeCRABankAccountVerification CheckType = "CRA_BANK_ACCOUNT_VERIFICATION"
	CheckTypeCompanyRegistry            CheckType = "COMPANY_REGISTRY"
	CheckTypeCompanyCharitiesRegistry   CheckType = "COMPANY_CHARITIES_REGISTRY"
	CheckTypeCompanyOwnership           CheckType = "COMPANY_OWNERSHIP"
	CheckTypeCompanyFilings             CheckType = "COMPANY_FILINGS"
	// CheckTypeCompanyFilingPurchase buys the filing named by SourceID.
	CheckTypeCompanyFilingPurchase         CheckType = "COMPANY_FILING_PURCHASE"
	CheckTypeCompanyPEPsAndSanctionsScreen CheckType = "COMPANY_PEPS_AND_SANCTIONS_SCREEN"
	CheckTypeCompanyDocumentVerification   CheckType = "COMPANY_DOCUMENT_VERIFICATION"
	CheckTypeIndividualManualForm          CheckType = "INDIVIDUAL_MANUAL_FORM"
	CheckTypeCompanyManualForm             CheckType = "COMPANY_MANUAL_FORM"
	// CheckTypeDeviceFraudDetection and the ones up to CheckTypeCompanyCustom are newer than 2019.
	CheckTypeDeviceFraudDetection          CheckType = "DEVICE_FRAUD_DETECTION"
	CheckTypeVisaCheck                     CheckType = "VISA_CHECK"
	CheckTypeFraudScreening                CheckType = "FRAUD_SCREENING"
	CheckTypeCompanyFraudScreening         CheckType = "COMPANY_FRAUD_SCREENING"
	CheckTypeCompanyMerchantFraudScreening CheckType = "COMPANY_MERCHANT_FRAUD_SCREENING"
	CheckTypeGeocoding                     CheckType = "GEOCODING"
	CheckTypeCompanyData                   CheckType = "COMPANY_DATA"
	CheckTypeDocumentCapture               CheckType = "DOCUMENT_CAPTURE"
	CheckTypeIndividualCustom              CheckType = "INDIVIDUAL_CUSTOM"
	CheckTypeCompanyCustom                 CheckType = "COMPANY_CUSTOM"
	// CheckTypePEPsScreen, CheckTypeSanctionsScreen and CheckTypeAdverseMediaScreen are old and
	// probably retired.
	CheckTypePEPsScreen         CheckType = "PEPS_SCREEN"
	CheckTypeSanctionsScreen    CheckType = "SANCTIONS_SCREEN"
	CheckTypeAdverseMediaScreen CheckType = "ADVERSE_MEDIA_SCREEN"
)

// Known reports whether this version of the package has a constant for the value.
func (c CheckType) Known() bool {
	switch c {
	case CheckTypeIdentityCheck,
		CheckTypeDocumentVerification,
		CheckTypeDocumentFetch,
		CheckTypePEPsAndSanctionsScreen,
		CheckTypeCRABankAccountVerification,
		CheckTypeCompanyRegistry,
		CheckTypeCompanyCharitiesRegistry,
		CheckTypeCompanyOwnership,
		CheckTypeCompanyFilings,
		CheckTypeCompanyFilingPurchase,
		CheckTypeCompanyPEPsAndSanctionsScreen,
		CheckTypeCompanyDocumentVerification,
		CheckTypeIndividualManualForm,
		CheckTypeCompanyManualForm,
		CheckTypeDeviceFraudDetection,
		CheckTypeVisaCheck,
		CheckTypeFraudScreening,
		CheckTypeCompanyFraudScreening,
		CheckTypeCompanyMerchantFraudScreening,
		CheckTypeGeocoding,
		CheckTypeCompanyData,
		CheckTypeDocumentCapture,
		CheckTypeIndividualCustom,
		CheckTypeCompanyCustom,
		CheckTypePEPsScreen,
		CheckTypeSanctionsScreen,
		CheckTypeAdverseMediaScreen:
		return true
	}
	return false
}

// CheckMode says whether running a check waits for its result (sheet 2.8). Empty leaves it to the
// server: identity checks wait, all others do not.
type CheckMode string

// Values of CheckMode. Others may appear at any time (sheet 1.11).
const (
	// CheckModeSync waits up to 120 s; after that the check goes on asynchronously.
	CheckModeSync  CheckMode = "sync"
	CheckModeAsync CheckMode = "async"
)

// Known reports whether this version of the package has a constant for the value.
func (c CheckMode) Known() bool {
	switch c {
	case CheckModeSync,
		CheckModeAsync:
		return true
	}
	return false
}

// CheckState is how far a check has come (sheet 5.3).
type CheckState string

// Values of CheckState. Others may appear at any time (sheet 1.11).
const (
	// CheckStatePending: accepted, not instructed yet. It stays so while the profile has
	// collection steps.
	CheckStatePending CheckState = "PENDING"
	CheckStateRunning CheckState = "RUNNING"
	// CheckStateComplete: decision, result and output are there.
	CheckStateComplete CheckState = "COMPLETE"
)

// Known reports whether this version of the package has a constant for the value.
func (c CheckState) Known() bool {
	switch c {
	case CheckStatePending,
		CheckStateRunning,
		CheckStateComplete:
		return true
	}
	return false
}

// CheckResult is the precise outcome of a check; which values occur depends on its type (sheet
// 3.5). Branch on the Decision, show the result.
type CheckResult string

// Values of CheckResult, in mixed case as on the wire. Others may appear at any time (sheet 1.11).
const (
	CheckResultPass     CheckResult = "Pass"
	CheckResultFail     CheckResult = "Fail"
	CheckResultError    CheckResult = "Error"
	CheckResultRefer    CheckResult = "Refer"
	CheckResultPEP      CheckResult = "PEP"
	CheckResultSanction CheckResult = "Sanction"
	CheckResultMedia    CheckResult = "Media"
	CheckResultPartial  CheckResult = "Partial"
	// CheckResultTwoPlusTwo and CheckResultOnePlusOne are results of identity checks.
	CheckResultTwoPlusTwo CheckResult = "2+2"
	CheckResultOnePlusOne CheckResult = "1+1"
)

// Known reports whether this version of the package has a constant for the value.
func (c CheckResult) Known() bool {
	switch c {
	case CheckResultPass,
		CheckResultFail,
		CheckResultError,
		CheckResultRefer,
		CheckResultPEP,
		CheckResultSanction,
		CheckResultMedia,
		CheckResultPartial,
		CheckResultTwoPlusTwo,
		CheckResultOnePlusOne:
		return true
	}
	return false
}

// Decision is the unified outcome of a check (sheet 3.5). The account's configuration decides
// which results lead to which decision.
type Decision string

// Values of Decision. Others may appear at any time (sheet 1.11).
const (
	DecisionPass    Decision = "PASS"
	DecisionFail    Decision = "FAIL"
	DecisionPartial Decision = "PARTIAL"
	DecisionWarn    Decision = "WARN"
	DecisionError   Decision = "ERROR"
)

// Known reports whether this version of the package has a constant for the value.
func (d Decision) Known() bool {
	switch d {
	case DecisionPass,
		DecisionFail,
		DecisionPartial,
		DecisionWarn,
		DecisionError:
		return true
	}
	return false
}

// DocumentFetchSource is where a DOCUMENT_FETCH check gets documents from (sheet 2.8).
type DocumentFetchSource string

// Values of DocumentFetchSource. Others may appear at any time (sheet 1.11).
const (
	DocumentFetchSourceJumio  DocumentFetchSource = "JUMIO"
	DocumentFetchSourceOnfido DocumentFetchSource = "ONFIDO"
	// DocumentFetchSourceGeneric is newer than 2019.
	DocumentFetchSourceGeneric DocumentFetchSource = "GENERIC"
)

// Known reports whether this version of the package has a constant for the value.
func (d DocumentFetchSource) Known() bool {
	switch d {
	case DocumentFetchSourceJumio,
		DocumentFetchSourceOnfido,
		DocumentFetchSourceGeneric:
		return true
	}
	return false
}

// Check is one check of a profile (sheet 3.5). A check never changes after it was run, but for its
// tasks; approving, rejecting or running again makes a new one.
type Check struct {
	ID   string    `json:"id"`
	Type CheckType `json:"check_type"`
	// Variant is which of the configured variants of the check was run.
	Variant *VariantRef `json:"variant"`
	State   CheckState  `json:"state"`
	// Result and Decision are absent until the check is complete.
	Result   CheckResult `json:"result"`
	Decision Decision    `json:"decision"`
	// PerformedOn and the three below are date-times. See ParseDateTime.
	PerformedOn  string `json:"performed_on"`
	InstructedOn string `json:"instructed_on"`
	StartedOn    string `json:"started_on"`
	CompletedOn  string `json:"completed_on"`
	// Errors are what went wrong while the check ran. A check with errors is a complete check, not
	// a failed call.
	Errors  []ErrorDetail `json:"errors"`
	TaskIDs []string      `json:"task_ids"`
	// InstructedExternally says that the result was produced elsewhere and given to Passfort.
	InstructedExternally *bool           `json:"instructed_externally"`
	Providers            []CheckProvider `json:"providers"`
	// InputData is what the server took from the collected data, as it came. It is an EntityData.
	InputData json.RawMessage `json:"input_data"`
	// OutputData is the output, as it came. Its shape depends on Type.
	OutputData json.RawMessage `json:"output_data"`
	// DocumentID and the fields below repeat what the check was run with.
	DocumentID string              `json:"document_id"`
	Source     DocumentFetchSource `json:"source"`
	// Reference is the provider's reference of a DOCUMENT_FETCH check.
	Reference string `json:"reference"`
	// SourceID is the filing of a COMPANY_FILING_PURCHASE check.
	SourceID string `json:"source_id"`
	// FormID is the form of a manual form check.
	FormID           string            `json:"form_id"`
	DeviceMetadata   *DeviceMetadata   `json:"device_metadata"`
	DocumentMetadata *DocumentMetadata `json:"document_metadata"`
	Category         DocumentCategory  `json:"category"`
	// DisableInitialScreen makes a screening check only monitor.
	DisableInitialScreen *bool `json:"disable_initial_screen"`
	DisableMonitoring    *bool `json:"disable_monitoring"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// Done reports whether the check is complete. States this package does not know are not done.
func (v *Check) Done() bool { return v.State == CheckStateComplete }

// VariantRef names a configured variant of a check. Either ID or Alias is enough to send.
type VariantRef struct {
	ID    string `json:"id"`
	Alias string `json:"alias"`
	// Name is set by the server.
	Name string `json:"name"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
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

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
