package passfort

// TaskType is what a task establishes (sheet 3.8).
type TaskType string

// Values of TaskType. Others may appear at any time (sheet 1.11).
const (
	TaskTypeIndividualVerifyIdentity                              TaskType = "INDIVIDUAL_VERIFY_IDENTITY"
	TaskTypeIndividualVerifyAddress                               TaskType = "INDIVIDUAL_VERIFY_ADDRESS"
	TaskTypeIndividualVerifySourceOfFunds                         TaskType = "INDIVIDUAL_VERIFY_SOURCE_OF_FUNDS"
	TaskTypeIndividualAssessMediaAndPoliticalAndSanctionsExposure TaskType = "INDIVIDUAL_ASSESS_MEDIA_AND_POLITICAL_AND_SANCTIONS_EXPOSURE"
	TaskTypeIndividualAssessPoliticalAndSanctionsExposure         TaskType = "INDIVIDUAL_ASSESS_POLITICAL_AND_SANCTIONS_EXPOSURE"
	TaskTypeIndividualAssessPoliticalExposure                     TaskType = "INDIVIDUAL_ASSESS_POLITICAL_EXPOSURE"
	TaskTypeIndividualAssessSanctionsExposure                     TaskType = "INDIVIDUAL_ASSESS_SANCTIONS_EXPOSURE"
	TaskTypeIndividualVerifyBankAccount                           TaskType = "INDIVIDUAL_VERIFY_BANK_ACCOUNT"
	TaskTypeIndividualManualTask                                  TaskType = "INDIVIDUAL_MANUAL_TASK"
	TaskTypeCompanyVerifyIdentity                                 TaskType = "COMPANY_VERIFY_IDENTITY"
	TaskTypeCompanyVerifyCharity                                  TaskType = "COMPANY_VERIFY_CHARITY"
	TaskTypeCompanyIdentifyAuthorizedPersons                      TaskType = "COMPANY_IDENTIFY_AUTHORIZED_PERSONS"
	TaskTypeCompanyIdentifyOfficers                               TaskType = "COMPANY_IDENTIFY_OFFICERS"
	TaskTypeCompanyIdentifyTrustees                               TaskType = "COMPANY_IDENTIFY_TRUSTEES"
	TaskTypeCompanyIdentifyBeneficialOwners                       TaskType = "COMPANY_IDENTIFY_BENEFICIAL_OWNERS"
	TaskTypeCompanyReviewFilings                                  TaskType = "COMPANY_REVIEW_FILINGS"
	TaskTypeCompanyAssessSanctionsExposure                        TaskType = "COMPANY_ASSESS_SANCTIONS_EXPOSURE"
	TaskTypeCompanyAssessMediaExposure                            TaskType = "COMPANY_ASSESS_MEDIA_EXPOSURE"
	TaskTypeCompanyAssessMediaAndSanctionsExposure                TaskType = "COMPANY_ASSESS_MEDIA_AND_SANCTIONS_EXPOSURE"
	TaskTypeCompanyManualTask                                     TaskType = "COMPANY_MANUAL_TASK"
	TaskTypeCompanyVerifyBankAccount                              TaskType = "COMPANY_VERIFY_BANK_ACCOUNT"
	TaskTypeCompanyVerifyTaxStatus                                TaskType = "COMPANY_VERIFY_TAX_STATUS"
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
	// TaskTypeCompanyIdentifyAuthorizedPersons. Send the one with a Z, accept both (sheet 6.1).
	TaskTypeCompanyIdentifyAuthorisedPersons TaskType = "COMPANY_IDENTIFY_AUTHORISED_PERSONS"
)

// Known reports whether this version of the package has a constant for the value.
func (t TaskType) Known() bool {
	switch t {
	case TaskTypeIndividualVerifyIdentity,
		TaskTypeIndividualVerifyAddress,
		TaskTypeIndividualVerifySourceOfFunds,
		TaskTypeIndividualAssessMediaAndPoliticalAndSanctionsExposure,
		TaskTypeIndividualAssessPoliticalAndSanctionsExposure,
		TaskTypeIndividualAssessPoliticalExposure,
		TaskTypeIndividualAssessSanctionsExposure,
		TaskTypeIndividualVerifyBankAccount,
		TaskTypeIndividualManualTask,
		TaskTypeCompanyVerifyIdentity,
		TaskTypeCompanyVerifyCharity,
		TaskTypeCompanyIdentifyAuthorizedPersons,
		TaskTypeCompanyIdentifyOfficers,
		TaskTypeCompanyIdentifyTrustees,
		TaskTypeCompanyIdentifyBeneficialOwners,
		TaskTypeCompanyReviewFilings,
		TaskTypeCompanyAssessSanctionsExposure,
		TaskTypeCompanyAssessMediaExposure,
		TaskTypeCompanyAssessMediaAndSanctionsExposure,
		TaskTypeCompanyManualTask,
		TaskTypeCompanyVerifyBankAccount,
		TaskTypeCompanyVerifyTaxStatus,
		TaskTypeIndividualVerifyImmigrationStatus,
		TaskTypeIndividualAssessDeviceReputation,
		TaskTypeIndividualFraudScreening,
		TaskTypeIndividualVerifyTaxStatus,
		TaskTypeCompanyVerifyAddress,
		TaskTypeCompanyAssessFinancials,
		TaskTypeCompanyFraudScreening,
		TaskTypeCompanyMerchantFraudScreening,
		TaskTypeCompanyAssessOwnership,
		TaskTypeCompanyAssessWebsiteContent,
		TaskTypeCompanyIdentifyAuthorisedPersons:
		return true
	}
	return false
}

// TaskState is whether a task is complete, and how it ended (sheet 2.9).
type TaskState string

// Values of TaskState. Others may appear at any time (sheet 1.11).
const (
	TaskStateIncomplete    TaskState = "INCOMPLETE"
	TaskStateCompletedPass TaskState = "COMPLETED_PASS"
	TaskStateCompletedFail TaskState = "COMPLETED_FAIL"
)

// Known reports whether this version of the package has a constant for the value.
func (t TaskState) Known() bool {
	switch t {
	case TaskStateIncomplete,
		TaskStateCompletedPass,
		TaskStateCompletedFail:
		return true
	}
	return false
}

// TaskExpiryReason is why a task expired (sheet 3.8).
type TaskExpiryReason string

// Values of TaskExpiryReason. Others may appear at any time (sheet 1.11).
const (
	TaskExpiryReasonCheckExpired       TaskExpiryReason = "CHECK_EXPIRED"
	TaskExpiryReasonProfileDeactivated TaskExpiryReason = "PROFILE_DEACTIVATED"
	TaskExpiryReasonNewTaskVersion     TaskExpiryReason = "NEW_TASK_VERSION"
	TaskExpiryReasonExpiryPeriodEnded  TaskExpiryReason = "EXPIRY_PERIOD_ENDED"
)

// Known reports whether this version of the package has a constant for the value.
func (t TaskExpiryReason) Known() bool {
	switch t {
	case TaskExpiryReasonCheckExpired,
		TaskExpiryReasonProfileDeactivated,
		TaskExpiryReasonNewTaskVersion,
		TaskExpiryReasonExpiryPeriodEnded:
		return true
	}
	return false
}

// Task is a piece of due diligence on a profile (sheet 3.8). Where several tasks share a variant,
// the current one has IsExpired false.
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

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// TaskVariant is a configured flavour of a task type.
type TaskVariant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Alias is the stable name to write into code.
	Alias       string   `json:"alias"`
	Description string   `json:"description"`
	TaskType    TaskType `json:"task_type"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// Note is a note on a task (sheet 2.9). A deleted note stays in the audit log.
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

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// NoteAttachment is a file that was uploaded and attached to a note.
type NoteAttachment struct {
	ID   string `json:"id"`
	Name string `json:"name"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
