package passfort

import (
	"context"
	"errors"
	"time"
)

// TasksService reads, adds and completes the tasks of a profile and keeps their notes
// (docs/api/tasks.md#complete-a-task).
type TasksService struct{ road *road }

// List reads all tasks of a profile, expired versions included.
func (s *TasksService) List(ctx context.Context, profileID string, opts ...CallOption) ([]Task, error) {
	return list[Task](ctx, s.road, "Tasks.List", call{args: []string{profileID}, opts: opts})
}

// Get reads one task by its id, which is not the id of its variant.
func (s *TasksService) Get(ctx context.Context, profileID, taskID string, opts ...CallOption) (*Task, error) {
	return result[Task](ctx, s.road, "Tasks.Get", call{args: []string{profileID, taskID}, opts: opts})
}

// Create adds a task. A type or a variant suffices. It is sent once: after
// ErrOutcomeUnknown look with List before you repeat it.
func (s *TasksService) Create(
	ctx context.Context, profileID string, req *TaskRequest, opts ...CallOption,
) (*Task, error) {
	return result[Task](ctx, s.road, "Tasks.Create", call{
		args: []string{profileID}, problem: req.problem(), body: req, opts: opts,
	})
}

// Complete sets the state of a task: passed, failed, or incomplete again. It may be repeated. If an
// answer was lost, the task is read to find out, and returned if it has the state. An account that
// knows only the fields of 2019 may pass over the state: see that the result has it, and use Update
// there (docs/api/tasks.md#complete-a-task).
func (s *TasksService) Complete(
	ctx context.Context, profileID, taskID string, state TaskState, opts ...CallOption,
) (*Task, error) {
	out, err := s.update(ctx, profileID, taskID, &TaskUpdate{State: state}, missing("state", string(state)), opts)
	return settle(out, err, func() (*Task, error) { return s.Get(ctx, profileID, taskID) },
		func(t *Task) bool { return t.State == state })
}

// Update changes a task in the ways that Complete does not: the fields of 2019,
// for accounts that do not know State yet. It may be repeated.
func (s *TasksService) Update(
	ctx context.Context, profileID, taskID string, update *TaskUpdate, opts ...CallOption,
) (*Task, error) {
	problem := ""
	if update == nil {
		problem = "the task update is nil"
	}
	return s.update(ctx, profileID, taskID, update, problem, opts)
}

func (s *TasksService) update(
	ctx context.Context, profileID, taskID string, update *TaskUpdate, problem string, opts []CallOption,
) (*Task, error) {
	return result[Task](ctx, s.road, "Tasks.Update", call{
		args: []string{profileID, taskID}, problem: problem, body: update, opts: opts,
	})
}

// Notes reads the notes of a task.
func (s *TasksService) Notes(ctx context.Context, profileID, taskID string, opts ...CallOption) ([]Note, error) {
	return list[Note](ctx, s.road, "Tasks.Notes", call{args: []string{profileID, taskID}, opts: opts})
}

// AddNote writes a note on a task. Upload attachments with Files.Upload first.
// It is sent once: after ErrOutcomeUnknown look with Notes before you repeat it.
func (s *TasksService) AddNote(
	ctx context.Context, profileID, taskID string, req *NoteRequest, opts ...CallOption,
) (*Note, error) {
	return result[Note](ctx, s.road, "Tasks.AddNote", call{
		args: []string{profileID, taskID}, problem: req.problem(), body: req, opts: opts,
	})
}

// DeleteNote removes a note. It stays in the audit log. It may be repeated; a
// note that is gone already gives ErrNotFound. If an answer was lost and the
// note is then not found, it has been removed, and that is no error.
func (s *TasksService) DeleteNote(ctx context.Context, profileID, taskID, noteID string, opts ...CallOption) error {
	_, err := s.road.do(ctx, "Tasks.DeleteNote", call{args: []string{profileID, taskID, noteID}, opts: opts})
	if errors.Is(err, ErrOutcomeUnknown) && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// TaskRequest is what Create sends.
type TaskRequest struct {
	// Type alone suffices.
	Type TaskType `json:"type"`
	// Variant names the configured flavour of the task, by id or alias.
	Variant *TaskVariant `json:"variant"`
	// IsComplete adds the task as completed.
	IsComplete *bool    `json:"is_complete"`
	CheckIDs   []string `json:"check_ids"`

	// Unknown holds members to send that this type has no field for.
	Unknown Unknown `json:"-"`
}

func (v *TaskRequest) problem() string {
	switch {
	case v == nil:
		return "the task request is nil"
	case v.Type == "" && (v.Variant == nil || v.Variant.ID == "" && v.Variant.Alias == ""):
		return "the task has neither type nor variant"
	}
	return ""
}

// TaskUpdate is what Update sends.
type TaskUpdate struct {
	// State is the newer way; IsComplete and CheckIDs are those of 2019
	// (docs/api/tasks.md#complete-a-task).
	State      TaskState `json:"state"`
	IsComplete *bool     `json:"is_complete"`
	CheckIDs   []string  `json:"check_ids"`

	// Unknown holds members to send that this type has no field for.
	Unknown Unknown `json:"-"`
}

// NoteRequest is what AddNote sends.
type NoteRequest struct {
	Text        string           `json:"text"`
	Attachments []NoteAttachment `json:"attachments"`

	// Unknown holds members to send that this type has no field for.
	Unknown Unknown `json:"-"`
}

func (v *NoteRequest) problem() string {
	switch {
	case v == nil:
		return "the note request is nil"
	case v.Text == "" && len(v.Attachments) == 0:
		return "the note is empty"
	}
	return ""
}

// Task is a piece of due diligence on a profile (docs/api/tasks.md#the-task). Where several tasks
// share a variant, the current one has IsExpired false.
type Task struct {
	// ID is the task's own id, not that of its variant.
	ID      string       `json:"id"`
	Type    TaskType     `json:"type"`
	Variant *TaskVariant `json:"variant"`
	State   TaskState    `json:"state"`
	// IsComplete is the older form of State.
	IsComplete *bool `json:"is_complete"`
	// IsExpired says that this is an older version of the task.
	IsExpired *bool `json:"is_expired"`
	IsSkipped *bool `json:"is_skipped"`
	IsDeleted *bool `json:"is_deleted"`
	// CreationDate and ExpiryDate are date-times, like ExpiredAt and WillExpireAt.
	CreationDate    string           `json:"creation_date"`
	ExpiryDate      string           `json:"expiry_date"`
	CheckIDs        []string         `json:"check_ids"`
	FormInstanceIDs []string         `json:"form_instance_ids"`
	ExpiredAt       string           `json:"expired_at"`
	WillExpireAt    string           `json:"will_expire_at"`
	ExpiryReason    TaskExpiryReason `json:"expiry_reason"`
	// NeedsCheckAutomation says that the task waits for automatic checks.
	NeedsCheckAutomation *bool `json:"needs_check_automation"`

	Unknown Unknown `json:"-"`
}

func (v *Task) identity() string { return v.ID }

// CreatedAt returns CreationDate as a time in UTC, and reports whether there is one.
func (v *Task) CreatedAt() (time.Time, bool) { return timeOf(v.CreationDate) }

// TaskVariant is a configured flavour of a task type.
type TaskVariant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Alias is the stable name to write into code.
	Alias       string   `json:"alias"`
	Description string   `json:"description"`
	TaskType    TaskType `json:"task_type"`

	Unknown Unknown `json:"-"`
}

// Note is a note on a task (docs/api/tasks.md#notes). A deleted note stays in the audit log.
type Note struct {
	ID          string           `json:"id"`
	Text        string           `json:"text"`
	Attachments []NoteAttachment `json:"attachments"`
	// CreatedOn is a date-time.
	CreatedOn string `json:"created_on"`
	// AuthorName is the name of the author or the API key, or a custom one.
	AuthorName           string `json:"author_name"`
	AuthorNameCustomised *bool  `json:"author_name_customised"`
	// Author is probably nil when an API key wrote the note.
	Author *User `json:"author"`

	Unknown Unknown `json:"-"`
}

func (v *Note) identity() string { return v.ID }

// CreatedAt returns CreatedOn as a time in UTC, and reports whether there is one.
func (v *Note) CreatedAt() (time.Time, bool) { return timeOf(v.CreatedOn) }

// NoteAttachment is a file that was uploaded and attached to a note.
type NoteAttachment struct {
	ID   string `json:"id"`
	Name string `json:"name"`

	Unknown Unknown `json:"-"`
}

// TaskType is what a task establishes (docs/api/tasks.md#task-types).
type TaskType string

// Values of TaskType. Others may appear at any time.
const (
	TaskTypeIndividualVerifyIdentity                              TaskType = "INDIVIDUAL_VERIFY_IDENTITY"
	TaskTypeIndividualVerifyAddress                               TaskType = "INDIVIDUAL_VERIFY_ADDRESS"
	TaskTypeIndividualVerifySourceOfFunds                         TaskType = "INDIVIDUAL_VERIFY_SOURCE_OF_FUNDS"
	TaskTypeIndividualAssessMediaAndPoliticalAndSanctionsExposure TaskType = "INDIVIDUAL_ASSESS_MEDIA_AND_POLITICAL_" +
		"AND_SANCTIONS_EXPOSURE"
	TaskTypeIndividualAssessPoliticalAndSanctionsExposure TaskType = "INDIVIDUAL_ASSESS_POLITICAL_AND_" +
		"SANCTIONS_EXPOSURE"

	TaskTypeIndividualAssessPoliticalExposure      TaskType = "INDIVIDUAL_ASSESS_POLITICAL_EXPOSURE"
	TaskTypeIndividualAssessSanctionsExposure      TaskType = "INDIVIDUAL_ASSESS_SANCTIONS_EXPOSURE"
	TaskTypeIndividualVerifyBankAccount            TaskType = "INDIVIDUAL_VERIFY_BANK_ACCOUNT"
	TaskTypeIndividualManualTask                   TaskType = "INDIVIDUAL_MANUAL_TASK"
	TaskTypeCompanyVerifyIdentity                  TaskType = "COMPANY_VERIFY_IDENTITY"
	TaskTypeCompanyVerifyCharity                   TaskType = "COMPANY_VERIFY_CHARITY"
	TaskTypeCompanyIdentifyAuthorizedPersons       TaskType = "COMPANY_IDENTIFY_AUTHORIZED_PERSONS"
	TaskTypeCompanyIdentifyOfficers                TaskType = "COMPANY_IDENTIFY_OFFICERS"
	TaskTypeCompanyIdentifyTrustees                TaskType = "COMPANY_IDENTIFY_TRUSTEES"
	TaskTypeCompanyIdentifyBeneficialOwners        TaskType = "COMPANY_IDENTIFY_BENEFICIAL_OWNERS"
	TaskTypeCompanyReviewFilings                   TaskType = "COMPANY_REVIEW_FILINGS"
	TaskTypeCompanyAssessSanctionsExposure         TaskType = "COMPANY_ASSESS_SANCTIONS_EXPOSURE"
	TaskTypeCompanyAssessMediaExposure             TaskType = "COMPANY_ASSESS_MEDIA_EXPOSURE"
	TaskTypeCompanyAssessMediaAndSanctionsExposure TaskType = "COMPANY_ASSESS_MEDIA_AND_SANCTIONS_EXPOSURE"
	TaskTypeCompanyManualTask                      TaskType = "COMPANY_MANUAL_TASK"
	TaskTypeCompanyVerifyBankAccount               TaskType = "COMPANY_VERIFY_BANK_ACCOUNT"
	TaskTypeCompanyVerifyTaxStatus                 TaskType = "COMPANY_VERIFY_TAX_STATUS"
	// TaskTypeIndividualVerifyImmigrationStatus and the ones below are newer than 2019.
	TaskTypeIndividualVerifyImmigrationStatus TaskType = "INDIVIDUAL_VERIFY_IMMIGRATION_STATUS"
	TaskTypeIndividualAssessDeviceReputation  TaskType = "INDIVIDUAL_ASSESS_DEVICE_REPUTATION"
	TaskTypeIndividualFraudScreening          TaskType = "INDIVIDUAL_FRAUD_SCREENING"
	TaskTypeIndividualVerifyTaxStatus         TaskType = "INDIVIDUAL_VERIFY_TAX_STATUS"
	TaskTypeCompanyVerifyAddress              TaskType = "COMPANY_VERIFY_ADDRESS"
	TaskTypeCompanyAssessFinancials           TaskType = "COMPANY_ASSESS_FINANCIALS"
	TaskTypeCompanyFraudScreening             TaskType = "COMPANY_FRAUD_SCREENING"
	TaskTypeCompanyMerchantFraudScreening     TaskType = "COMPANY_MERCHANT_FRAUD_SCREENING"
	TaskTypeCompanyAssessOwnership            TaskType = "COMPANY_ASSESS_OWNERSHIP"
	TaskTypeCompanyAssessWebsiteContent       TaskType = "COMPANY_ASSESS_WEBSITE_CONTENT"
	// TaskTypeCompanyIdentifyAuthorisedPersons is another spelling of
	// TaskTypeCompanyIdentifyAuthorizedPersons. Send the one with a Z, accept both
	// (docs/api/disagreements.md#rulings).
	TaskTypeCompanyIdentifyAuthorisedPersons TaskType = "COMPANY_IDENTIFY_AUTHORISED_PERSONS"
)

// TaskState is whether a task is complete, and how it ended (docs/api/tasks.md#complete-a-task).
type TaskState string

// Values of TaskState. Others may appear at any time.
const (
	TaskStateIncomplete    TaskState = "INCOMPLETE"
	TaskStateCompletedPass TaskState = "COMPLETED_PASS"
	TaskStateCompletedFail TaskState = "COMPLETED_FAIL"
)

// TaskExpiryReason is why a task expired (docs/api/tasks.md#the-task).
type TaskExpiryReason string

// Values of TaskExpiryReason. Others may appear at any time.
const (
	TaskExpiryReasonCheckExpired       TaskExpiryReason = "CHECK_EXPIRED"
	TaskExpiryReasonProfileDeactivated TaskExpiryReason = "PROFILE_DEACTIVATED"
	TaskExpiryReasonNewTaskVersion     TaskExpiryReason = "NEW_TASK_VERSION"
	TaskExpiryReasonExpiryPeriodEnded  TaskExpiryReason = "EXPIRY_PERIOD_ENDED"
)
