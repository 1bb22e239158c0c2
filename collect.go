package passfort

import "context"

// CollectService makes narrow keys that let a customer's own device give data, and keeps the steps
// that ask for it (docs/api/customer-requests.md#collection-steps). Customer requests, see
// FormsService, are the newer way.
type CollectService struct{ road *road }

// CreateKey makes a key for several profiles. It is sent once; a key whose
// answer was lost expires unused.
func (s *CollectService) CreateKey(ctx context.Context, profileIDs []string, opts ...CallOption) (*CollectKey, error) {
	problem := ""
	if len(profileIDs) == 0 {
		problem = "there are no profile ids"
	}
	for _, id := range profileIDs {
		if problem == "" {
			problem = checkSegment("profile_id", id)
		}
	}
	body := struct {
		ProfileIDs []string `json:"profile_ids"`
	}{profileIDs}
	return result[CollectKey](ctx, s.road, "Collect.CreateKey", call{problem: problem, body: &body, opts: opts})
}

// CreateProfileKey makes a key for one profile. It is sent once.
func (s *CollectService) CreateProfileKey(
	ctx context.Context, profileID string, opts ...CallOption,
) (*CollectKey, error) {
	return result[CollectKey](ctx, s.road, "Collect.CreateProfileKey", call{args: []string{profileID}, opts: opts})
}

// Steps reads what is still to be collected. While there are steps, every
// check of the profile stays PENDING.
func (s *CollectService) Steps(ctx context.Context, profileID string, opts ...CallOption) ([]CollectionStep, error) {
	return list[CollectionStep](ctx, s.road, "Collect.Steps", call{args: []string{profileID}, opts: opts})
}

// SetSteps replaces all steps and returns those of the profile then; an empty
// list removes them. It may be repeated.
func (s *CollectService) SetSteps(
	ctx context.Context, profileID string, steps []CollectionStep, opts ...CallOption,
) ([]CollectionStep, error) {
	problem := ""
	for i := range steps {
		if steps[i].CollectionType == "" {
			problem = "a collection step has no type"
		}
	}
	body := append([]CollectionStep{}, steps...)
	return list[CollectionStep](ctx, s.road, "Collect.SetSteps", call{
		args: []string{profileID}, problem: problem, body: &body, opts: opts,
	})
}

// CollectKey is a narrow API key that lets a customer give data for one or several profiles
// (docs/api/customer-requests.md#collect-keys).
type CollectKey struct {
	Name string `json:"name"`
	Key  Secret `json:"key"`
	// Expiry is a date-time.
	Expiry string `json:"expiry"`

	Unknown Unknown `json:"-"`
}

// CollectionStep is data the customer is asked for
// (docs/api/customer-requests.md#collection-steps). It vanishes when the data arrives. While a
// profile has collection steps, its checks stay pending.
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

	Unknown Unknown `json:"-"`
}

// CollectionType is the data a collection step asks for
// (docs/api/customer-requests.md#collection-steps).
type CollectionType string

// Values of CollectionType. Others may appear at any time.
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

// DatePrecision is how much of a date a collection step asks for.
type DatePrecision string

// Values of DatePrecision. Others may appear at any time.
const (
	DatePrecisionYear      DatePrecision = "YEAR"
	DatePrecisionYearMonth DatePrecision = "YEAR_MONTH"
	// DatePrecisionYearMonthDay is the default.
	DatePrecisionYearMonthDay DatePrecision = "YEAR_MONTH_DAY"
)
