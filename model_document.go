package passfort

import (
	"encoding/json"
	"strconv"
)

// Document is a document of a profile, made of images that were uploaded before
// (docs/api/documents.md#documents, docs/api/documents.md#kinds-of-documents).
type Document struct {
	// ID is what a document check is run with.
	ID       string           `json:"id"`
	Category DocumentCategory `json:"category"`
	Type     DocumentType     `json:"document_type"`
	// Images need only their IDs when you write.
	Images []DocumentImage `json:"images"`
	// ExtractedData is what was read from the document.
	ExtractedData      *DocumentData   `json:"extracted_data"`
	VerificationResult *DocumentResult `json:"verification_result"`
	// Files are files that a check added, such as a liveness video. Newer than 2019.
	Files []DocumentFile `json:"files"`

	Unknown Unknown `json:"-"`
}

func (v *Document) identity() string { return v.ID }

// DocumentImage is an uploaded image (docs/api/documents.md#document-images). The portal shows it
// once a document refers to it.
type DocumentImage struct {
	ID   string    `json:"id"`
	Type ImageType `json:"image_type"`
	// UploadDate is a date-time.
	UploadDate       string           `json:"upload_date"`
	DocumentType     DocumentType     `json:"document_type"`
	DocumentCategory DocumentCategory `json:"document_category"`
	// Data is Base64 or a data URI. It is only ever sent; Documents.UploadImage streams it
	// instead.
	Data string `json:"data"`
	// EncryptedData is opaque.
	EncryptedData json.RawMessage `json:"encrypted_data"`
	// DecryptedData is a data URI, present only where the API makes images readable
	// (docs/api/documents.md#content-is-encrypted). Documents.GetImage and DownloadImage leave it
	// empty: DownloadImage streams it instead.
	DecryptedData string `json:"decrypted_data"`
	// ProviderReference and FileID are newer than 2019.
	ProviderReference string `json:"provider_reference"`
	FileID            string `json:"file_id"`

	Unknown Unknown `json:"-"`
}

func (v *DocumentImage) identity() string { return v.ID }

// DocumentCategory is what a document proves, and so how a provider treats it
// (docs/api/documents.md#kinds-of-documents).
type DocumentCategory string

// Values of DocumentCategory. Others may appear at any time.
const (
	DocumentCategoryProofOfIdentity       DocumentCategory = "PROOF_OF_IDENTITY"
	DocumentCategoryProofOfSourceOfWealth DocumentCategory = "PROOF_OF_SOURCE_OF_WEALTH"
	DocumentCategoryProofOfSourceOfFunds  DocumentCategory = "PROOF_OF_SOURCE_OF_FUNDS"
	DocumentCategoryProofOfAddress        DocumentCategory = "PROOF_OF_ADDRESS"
	DocumentCategorySupporting            DocumentCategory = "SUPPORTING"
	DocumentCategoryCompanyFiling         DocumentCategory = "COMPANY_FILING"
	DocumentCategoryDataSummary           DocumentCategory = "DATA_SUMMARY"
	DocumentCategoryProofOfBankAccount    DocumentCategory = "PROOF_OF_BANK_ACCOUNT"
	DocumentCategoryProofOfTaxStatus      DocumentCategory = "PROOF_OF_TAX_STATUS"
)

// DocumentType is the kind of a document (docs/api/documents.md#kinds-of-documents).
type DocumentType string

// Values of DocumentType. Others may appear at any time.
const (
	DocumentTypePassport DocumentType = "PASSPORT"
	// DocumentTypeDrivingLicence has the British spelling on the wire.
	DocumentTypeDrivingLicence         DocumentType = "DRIVING_LICENCE"
	DocumentTypeStateID                DocumentType = "STATE_ID"
	DocumentTypeVoterID                DocumentType = "VOTER_ID"
	DocumentTypeBirthCertificate       DocumentType = "BIRTH_CERTIFICATE"
	DocumentTypeBankStatement          DocumentType = "BANK_STATEMENT"
	DocumentTypeFaceImage              DocumentType = "FACE_IMAGE"
	DocumentTypeUnknown                DocumentType = "UNKNOWN"
	DocumentTypeCompanyAccounts        DocumentType = "COMPANY_ACCOUNTS"
	DocumentTypeCompanyChangeOfAddress DocumentType = "COMPANY_CHANGE_OF_ADDRESS"
	DocumentTypeAnnualReturn           DocumentType = "ANNUAL_RETURN"
	DocumentTypeConfirmationStatement  DocumentType = "CONFIRMATION_STATEMENT"
	DocumentTypeStatementOfCapital     DocumentType = "STATEMENT_OF_CAPITAL"
	DocumentTypeChangeOfName           DocumentType = "CHANGE_OF_NAME"
	DocumentTypeIncorporation          DocumentType = "INCORPORATION"
	DocumentTypeLiquidation            DocumentType = "LIQUIDATION"
	DocumentTypeMiscellaneous          DocumentType = "MISCELLANEOUS"
	DocumentTypeMortgage               DocumentType = "MORTGAGE"
	DocumentTypeChangeOfOfficers       DocumentType = "CHANGE_OF_OFFICERS"
	DocumentTypeResolution             DocumentType = "RESOLUTION"
	DocumentTypeCreditReport           DocumentType = "CREDIT_REPORT"
	DocumentTypeCreditCheck            DocumentType = "CREDIT_CHECK"
	DocumentTypeRegisterReport         DocumentType = "REGISTER_REPORT"
	DocumentTypeRegisterCheck          DocumentType = "REGISTER_CHECK"
	DocumentTypeDataSummary            DocumentType = "DATA_SUMMARY"
	DocumentTypeChangeOfPSC            DocumentType = "CHANGE_OF_PSC"
	DocumentTypeAdverseMedia           DocumentType = "ADVERSE_MEDIA"
	DocumentTypeTax                    DocumentType = "TAX"
	// DocumentTypeBiometricStateID and the ones below are newer than 2019.
	DocumentTypeBiometricStateID DocumentType = "BIOMETRIC_STATE_ID"
	DocumentTypePassportCard     DocumentType = "PASSPORT_CARD"
	DocumentTypeHealthcareID     DocumentType = "HEALTHCARE_ID"
	DocumentTypeResidenceID      DocumentType = "RESIDENCE_ID"
	DocumentTypeResidenceOther   DocumentType = "RESIDENCE_OTHER"
	DocumentTypeTaxID            DocumentType = "TAX_ID"
	DocumentTypeUtilityBill      DocumentType = "UTILITY_BILL"
	DocumentTypeVisa             DocumentType = "VISA"
)

// ImageType is the side of a document an image shows, or the holder's face
// (docs/api/documents.md#document-images).
type ImageType string

// Values of ImageType. Others may appear at any time.
const (
	ImageTypeFront ImageType = "FRONT"
	ImageTypeBack  ImageType = "BACK"
	ImageTypeFace  ImageType = "FACE"
)

// DocumentData is what was read from a document
// (docs/api/documents.md#extracted-data-and-verification).
type DocumentData struct {
	Issuer string `json:"issuer"`
	// IssuingCountry is an alpha-3 or ICAO code.
	IssuingCountry string `json:"issuing_country"`
	Number         string `json:"number"`
	// Issued and Expiry are YYYY-MM-DD.
	Issued          string           `json:"issued"`
	Expiry          string           `json:"expiry"`
	PersonalDetails *PersonalDetails `json:"personal_details"`
	AddressHistory  []DatedAddress   `json:"address_history"`
	// MRZ1, MRZ2 and MRZ3 are the lines of the machine readable zone.
	MRZ1            string          `json:"mrz1"`
	MRZ2            string          `json:"mrz2"`
	MRZ3            string          `json:"mrz3"`
	Result          *DocumentResult `json:"result"`
	ExternalService string          `json:"external_service"`
	ExternalRef     string          `json:"external_ref"`

	Unknown Unknown `json:"-"`
}

func (p *problems) documents(documents []Document) {
	for i, d := range documents {
		read := Deref(d.ExtractedData)
		p.in("/documents/"+strconv.Itoa(i)+"/extracted_data", func() {
			p.nation("/issuing_country", read.IssuingCountry)
			p.date("/issued", read.Issued)
			p.date("/expiry", read.Expiry)
		})
	}
}

// DocumentResult is the outcome of a document's verification
// (docs/api/documents.md#extracted-data-and-verification).
type DocumentResult struct {
	ProviderName      string `json:"provider_name"`
	ImageChecksPassed *bool  `json:"image_checks_passed"`
	// ImageChecksPassedMisspelt is ImageChecksPassed in a spelling that one description of the API
	// has as well.
	ImageChecksPassedMisspelt *bool `json:"image_Checks_passed"`
	DocumentTypePassed        *bool `json:"document_type_passed"`
	ForgeryChecksPassed       *bool `json:"forgery_checks_passed"`
	// ForgeryChecksPassedMisspelt is ForgeryChecksPassed in a spelling that one description of the
	// API has as well.
	ForgeryChecksPassedMisspelt *bool                `json:"forgery_Checks_passed"`
	AllPassed                   *bool                `json:"all_passed"`
	ImageChecks                 []DocumentCheck      `json:"image_checks"`
	ForgeryChecks               []DocumentCheck      `json:"forgery_checks"`
	FieldChecks                 []DocumentFieldCheck `json:"field_checks"`
	ErrorReason                 string               `json:"error_reason"`
	// ReviewDate is a date-time. It and ProviderInformation are newer than 2019.
	ReviewDate          string                `json:"review_date"`
	ProviderInformation []ProviderInformation `json:"provider_information"`

	Unknown Unknown `json:"-"`
}

// DocumentCheck is one test of a document's images or of its genuineness.
type DocumentCheck struct {
	Category string   `json:"category"`
	Type     string   `json:"type"`
	Result   Decision `json:"result"`

	Unknown Unknown `json:"-"`
}

// DocumentField names what is printed on a document, such as the date of birth.
type DocumentField string

// Values of DocumentField. Others may appear at any time.
const (
	DocumentFieldGivenNames     DocumentField = "FIELD_GIVEN_NAMES"
	DocumentFieldFamilyName     DocumentField = "FIELD_FAMILY_NAME"
	DocumentFieldDOB            DocumentField = "FIELD_DOB"
	DocumentFieldNationality    DocumentField = "FIELD_NATIONALITY"
	DocumentFieldExpiry         DocumentField = "FIELD_EXPIRY"
	DocumentFieldNumber         DocumentField = "FIELD_NUMBER"
	DocumentFieldGender         DocumentField = "FIELD_GENDER"
	DocumentFieldIssued         DocumentField = "FIELD_ISSUED"
	DocumentFieldAddress        DocumentField = "FIELD_ADDRESS"
	DocumentFieldIssuingCountry DocumentField = "FIELD_ISSUING_COUNTRY"
	DocumentFieldMRZ            DocumentField = "FIELD_MRZ"
)

// DocumentFieldResult is the outcome of a DocumentFieldCheck.
type DocumentFieldResult string

// Values of DocumentFieldResult. Others may appear at any time.
const (
	DocumentFieldResultUncertain DocumentFieldResult = "CHECK_UNCERTAIN"
	DocumentFieldResultInvalid   DocumentFieldResult = "CHECK_INVALID"
	DocumentFieldResultValid     DocumentFieldResult = "CHECK_VALID"
)

// DocumentFieldCheck says whether a field of a document is valid.
type DocumentFieldCheck struct {
	Field  DocumentField       `json:"field"`
	Result DocumentFieldResult `json:"result"`

	Unknown Unknown `json:"-"`
}

// ProviderInformation is a further detail in a provider's words
// (docs/api/documents.md#kinds-of-documents, newer than 2019).
type ProviderInformation struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Value string `json:"value"`
	// APIOnly says that the portal does not show it.
	APIOnly *bool `json:"api_only"`

	Unknown Unknown `json:"-"`
}

// DocumentFileType is the kind of a DocumentFile.
type DocumentFileType string

// Values of DocumentFileType. Others may appear at any time.
const (
	DocumentFileTypeLiveVideo  DocumentFileType = "LIVE_VIDEO"
	DocumentFileTypeVideoFrame DocumentFileType = "VIDEO_FRAME"
)

// DocumentFile is a file that belongs to a document besides its images
// (docs/api/documents.md#kinds-of-documents, newer than 2019).
type DocumentFile struct {
	Type      DocumentFileType `json:"type"`
	FileID    string           `json:"file_id"`
	Reference string           `json:"reference"`

	Unknown Unknown `json:"-"`
}

// DocumentMetadata describes a document by its number, without an image
// (docs/api/documents.md#document-metadata, newer than 2019). A VISA_CHECK needs it.
type DocumentMetadata struct {
	DocumentType DocumentType `json:"document_type"`
	Number       string       `json:"number"`
	// CountryCode is an alpha-3 code.
	CountryCode string `json:"country_code"`
	// IssuingState is a 2-letter code.
	IssuingState string `json:"issuing_state"`
	Version      string `json:"version"`

	Unknown Unknown `json:"-"`
}

// DocumentFetchSource is where a DOCUMENT_FETCH check gets documents from
// (docs/api/checks.md#run-a-check).
type DocumentFetchSource string

// Values of DocumentFetchSource. Others may appear at any time.
const (
	DocumentFetchSourceJumio  DocumentFetchSource = "JUMIO"
	DocumentFetchSourceOnfido DocumentFetchSource = "ONFIDO"
	// DocumentFetchSourceGeneric is newer than 2019.
	DocumentFetchSourceGeneric DocumentFetchSource = "GENERIC"
)
