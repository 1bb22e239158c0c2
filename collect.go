package passfort

// CollectKey is a narrow API key that lets a customer give data for one or several profiles (sheet
// 2.14).
type CollectKey struct {
	Name string `json:"name"`
	Key  Secret `json:"key"`
	// Expiry is a date-time.
	Expiry string `json:"expiry"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// CollectionType is the data a collection step asks for (sheet 2.14).
type CollectionType string

// Values of CollectionType. Others may appear at any time (sheet 1.11).
const (
	CollectionTypeFullName       CollectionType = "FULL_NAME"
	CollectionTypeDOB            CollectionType = "DOB"
	CollectionTypeAddressHistory CollectionType = "ADDRESS_HISTORY"
	CollectionTypeNationality    CollectionType = "NATIONALITY"
	CollectionTypeDocument       CollectionType = "DOCUMENT"
	CollectionTypeEmail          CollectionType = "EMAIL"
	CollectionTypePhoneNumber    CollectionType = "PHONE_NUMBER"
	// CollectionTypeDocumentForTask is newer than 2019.
	CollectionTypeDocumentForTask CollectionType = "DOCUMENT_FOR_TASK"
)

// Known reports whether this version of the package has a constant for the value.
func (c CollectionType) Known() bool {
	switch c {
	case CollectionTypeFullName,
		CollectionTypeDOB,
		CollectionTypeAddressHistory,
		CollectionTypeNationality,
		CollectionTypeDocument,
		CollectionTypeEmail,
		CollectionTypePhoneNumber,
		CollectionTypeDocumentForTask:
		return true
	}
	return false
}

// DatePrecision is how much of a date a collection step asks for.
type DatePrecision string

// Values of DatePrecision. Others may appear at any time (sheet 1.11).
const (
	DatePrecisionYear      DatePrecision = "YEAR"
	DatePrecisionYearMonth DatePrecision = "YEAR_MONTH"
	// DatePrecisionYearMonthDay is the default.
	DatePrecisionYearMonthDay DatePrecision = "YEAR_MONTH_DAY"
)

// Known reports whether this version of the package has a constant for the value.
func (d DatePrecision) Known() bool {
	switch d {
	case DatePrecisionYear,
		DatePrecisionYearMonth,
		DatePrecisionYearMonthDay:
		return true
	}
	return false
}

// CollectionStep is data the customer is asked for (sheet 2.14). It vanishes when the data
// arrives. While a profile has collection steps, its checks stay pending.
type CollectionStep struct {
	CollectionType CollectionType `json:"collection_type"`
	// Precision belongs to CollectionTypeDOB.
	Precision DatePrecision `json:"precision"`
	// ID and the three below belong to CollectionTypeDocument; ID also to
	// CollectionTypeDocumentForTask.
	ID           string           `json:"id"`
	Category     DocumentCategory `json:"category"`
	AllowedTypes []DocumentType   `json:"allowed_types"`
	// FacialSimilarity asks for a selfie too. The default is false.
	FacialSimilarity *bool `json:"facial_similarity"`
	// TaskID belongs to CollectionTypeDocumentForTask.
	TaskID string `json:"task_id"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
