package passfort

import (
	"context"
	"encoding/json"
	"time"
)

// ApplicationsService adds product applications to profiles, follows them and decides them
// (docs/api/applications.md#apply).
type ApplicationsService struct{ road *road }

// Create applies for a product on behalf of a profile. It is sent once: after
// ErrOutcomeUnknown look with List before you repeat it.
func (s *ApplicationsService) Create(
	ctx context.Context, profileID string, req *ApplicationRequest, opts ...CallOption,
) (*Application, error) {
	return result[Application](ctx, s.road, "Applications.Create", call{
		args: []string{profileID}, problem: req.problem(), body: req, opts: opts,
	})
}

// Get reads one application of a profile.
func (s *ApplicationsService) Get(
	ctx context.Context, profileID, applicationID string, opts ...CallOption,
) (*Application, error) {
	return result[Application](ctx, s.road, "Applications.Get", call{
		args: []string{profileID, applicationID}, opts: opts,
	})
}

// List reads all applications of a profile.
func (s *ApplicationsService) List(ctx context.Context, profileID string, opts ...CallOption) ([]Application, error) {
	return list[Application](ctx, s.road, "Applications.List", call{args: []string{profileID}, opts: opts})
}

// SetStatus decides an application: approve, reject, review or cancel it. The
// API accepts APPLIED to APPROVED or REJECTED, APPROVED to IN_REVIEW or
// CANCELLED, and IN_REVIEW to APPROVED or CANCELLED. Approval needs every
// required task passed; the application's ApprovalBlockers say what is
// missing. A decision for a company does not decide for its associates.
//
// It may be repeated. If an answer was lost, the application is read to find
// out, and returned if it has the status.
func (s *ApplicationsService) SetStatus(
	ctx context.Context, profileID, applicationID string, status ApplicationStatus, opts ...CallOption,
) (*Application, error) {
	body := struct {
		Status ApplicationStatus `json:"status"`
	}{status}
	out, err := result[Application](ctx, s.road, "Applications.SetStatus", call{
		args: []string{profileID, applicationID}, problem: missing("status", string(status)), body: &body, opts: opts,
	})
	return settle(out, err, func() (*Application, error) { return s.Get(ctx, profileID, applicationID) },
		func(a *Application) bool { return a.Status == status })
}

// RevertDecision takes back the rejection or cancellation of an application. The comment may be
// empty. Use the id of the result from then on: the API may hide the old application and make a new
// one (docs/api/applications.md#revert-a-decision). It is sent once.
func (s *ApplicationsService) RevertDecision(
	ctx context.Context, profileID, applicationID, comment string, opts ...CallOption,
) (*Application, error) {
	body := struct {
		Comment string `json:"comment"`
	}{comment}
	return result[Application](ctx, s.road, "Applications.RevertDecision", call{
		args: []string{profileID, applicationID}, body: &body, opts: opts,
	})
}

// Wait reads the application until the condition reports true, for example
// (*Application).Settled. Nil options wait with pauses that grow from half a second
// to 30 seconds, and after five minutes to a tenth of what has passed, up to 10
// minutes. With an Inbox that is given all webhooks, any message about the profile
// ends a pause, and while messages arrive few questions are asked without one. There
// is no time limit but the context's, so let the condition accept everything the
// application can stop at: a product may decide automatically, or leave a task to a
// person. When the wait ends without success, the error is a *WaitError with the last
// application seen, which is also returned.
func (s *ApplicationsService) Wait(
	ctx context.Context, profileID, applicationID string, until func(*Application) bool, options *WaitOptions,
	opts ...CallOption,
) (*Application, error) {
	if until == nil {
		return nil, s.road.refuse("Applications.Get", "the condition to wait for is nil")
	}
	wake, stop := options.inbox().follow(profileID)
	defer stop()
	last, ended := waitFor(ctx, options, s.road.waits.plan(options, wake),
		func() (*Application, error) { return s.Get(ctx, profileID, applicationID, opts...) }, until)
	if ended != nil {
		ended.Application, ended.waitedFor = last, "application"
		return last, ended
	}
	return last, nil
}

// ApplicationRequest asks for a product.
type ApplicationRequest struct {
	// Product is required, by alias or id.
	Product ProductRef `json:"product"`
	// AssociatedRole is the role of a company's associate; only for the
	// application of an associate's profile.
	AssociatedRole AssociatedRole `json:"associated_role"`

	// Unknown holds members to send that this type has no field for.
	Unknown Unknown `json:"-"`
}

func (v *ApplicationRequest) problem() string {
	switch {
	case v == nil:
		return "the application request is nil"
	case v.Product.Alias == "" && v.Product.ID == "":
		return "the product has neither alias nor id"
	}
	return ""
}

// ProductRef names a product by alias, which is recommended, or by id.
type ProductRef struct {
	Alias string `json:"alias"`
	ID    string `json:"id"`

	// Unknown holds members to send that this type has no field for.
	Unknown Unknown `json:"-"`
}

// Application is a profile's application for a product (docs/api/applications.md#the-application).
type Application struct {
	ID      string   `json:"id"`
	Product *Product `json:"product"`
	// AssociatedRole is given for associates of a company.
	AssociatedRole AssociatedRole    `json:"associated_role"`
	Status         ApplicationStatus `json:"status"`
	// Flag may be missing in old data.
	Flag          ApplicationFlag           `json:"flag"`
	RequiredTasks []RequiredTask            `json:"required_tasks"`
	History       []ApplicationStatusChange `json:"history"`
	FlagHistory   []ApplicationFlagChange   `json:"flag_history"`
	// ApprovalBlockers say what is missing for an approval.
	ApprovalBlockers []ApprovalBlocker `json:"approval_blockers"`
	// Assignments has a shape the API does not describe, and is kept unchanged.
	Assignments json.RawMessage `json:"assignments"`
	// Hidden is true for an application that a revert replaced.
	Hidden *bool `json:"hidden"`
	// WillExpireAt is a date-time. Newer than 2019.
	WillExpireAt string `json:"will_expire_at"`
	// Risk of this application. Newer than 2019.
	Risk *ApplicationRisk `json:"risk"`

	Unknown Unknown `json:"-"`
}

func (v *Application) identity() string { return v.ID }

// Settled reports whether the application is decided, or only a person or new data
// can move it: nothing automatic will. It is the condition to give to
// Applications.Wait. An application with a flag of another version is not settled.
func (v *Application) Settled() bool {
	switch v.Status {
	case ApplicationStatusApproved, ApplicationStatusRejected, ApplicationStatusCancelled:
		return true
	}
	switch v.Flag {
	case ApplicationFlagDecided, ApplicationFlagReadyForDecision, ApplicationFlagRequiresData,
		ApplicationFlagRequiresRiskScore, ApplicationFlagRequiresManualTaskCompletion,
		ApplicationFlagWaitingOnCollectionSteps, ApplicationFlagWaitingOnEscalation:
		return true
	}
	return false
}

// WillExpire returns WillExpireAt as a time in UTC, and reports whether there is one.
func (v *Application) WillExpire() (time.Time, bool) { return timeOf(v.WillExpireAt) }

// ApplicationStatus is where a product application stands
// (docs/api/applications.md#status-machine). Applied leads to Approved or Rejected, Approved to
// InReview or Cancelled, InReview to Approved or Cancelled; Rejected and Cancelled are final but
// for a revert.
type ApplicationStatus string

// Values of ApplicationStatus. Others may appear at any time.
const (
	ApplicationStatusApplied   ApplicationStatus = "APPLIED"
	ApplicationStatusApproved  ApplicationStatus = "APPROVED"
	ApplicationStatusInReview  ApplicationStatus = "IN_REVIEW"
	ApplicationStatusRejected  ApplicationStatus = "REJECTED"
	ApplicationStatusCancelled ApplicationStatus = "CANCELLED"
)

// ApplicationFlag says what an application is waiting for; the portal calls it the badge
// (docs/api/applications.md#flags). There is one at a time.
type ApplicationFlag string

// Values of ApplicationFlag. Others may appear at any time.
const (
	// ApplicationFlagAutomating: automation is running.
	ApplicationFlagAutomating ApplicationFlag = "AUTOMATING"
	// ApplicationFlagDecided: approved, rejected or cancelled, nothing to do.
	ApplicationFlagDecided ApplicationFlag = "DECIDED"
	// ApplicationFlagRequiresRiskScore: the risk cannot be computed yet.
	ApplicationFlagRequiresRiskScore ApplicationFlag = "REQUIRES_RISK_SCORE"
	// ApplicationFlagRecalculatingRisk: the risk is being computed again.
	ApplicationFlagRecalculatingRisk ApplicationFlag = "RECALCULATING_RISK"
	// ApplicationFlagWaitingOnCollectionSteps: the customer has to give data.
	ApplicationFlagWaitingOnCollectionSteps ApplicationFlag = "WAITING_ON_COLLECTION_STEPS"
	// ApplicationFlagWaitingOnChecks: checks are running.
	ApplicationFlagWaitingOnChecks ApplicationFlag = "WAITING_ON_CHECKS"
	// ApplicationFlagRequiresManualTaskCompletion: a task needs a person.
	ApplicationFlagRequiresManualTaskCompletion ApplicationFlag = "REQUIRES_MANUAL_TASK_COMPLETION"
	// ApplicationFlagReadyForDecision: approve or reject.
	ApplicationFlagReadyForDecision ApplicationFlag = "READY_FOR_DECISION"
	// ApplicationFlagRequiresData: the smart policy lacks data to reach an outcome. Newer than
	// 2019, like the two below.
	ApplicationFlagRequiresData ApplicationFlag = "REQUIRES_DATA"
	// ApplicationFlagNearingExpiry is not explained by the API.
	ApplicationFlagNearingExpiry ApplicationFlag = "NEARING_EXPIRY"
	// ApplicationFlagWaitingOnEscalation is not explained by the API.
	ApplicationFlagWaitingOnEscalation ApplicationFlag = "WAITING_ON_ESCALATION"
)

// Product is a product that profiles apply for.
type Product struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Alias is the stable name to write into code.
	Alias string `json:"alias"`
	// AutomaticallyApply says that new profiles apply for it when they name no product.
	AutomaticallyApply   *bool `json:"automatically_apply"`
	AutomaticallyApprove *bool `json:"automatically_approve"`
	IsDeleted            *bool `json:"is_deleted"`
	// IsDeletable and RiskModels are newer than 2019.
	IsDeletable *bool              `json:"is_deletable"`
	RiskModels  *ProductRiskModels `json:"risk_models"`

	Unknown Unknown `json:"-"`
}

// ProductRiskModels holds the ids of a product's risk models by entity type.
type ProductRiskModels struct {
	Individual string `json:"INDIVIDUAL"`
	Company    string `json:"COMPANY"`

	Unknown Unknown `json:"-"`
}

// RequiredTask is a task that an application needs (docs/api/applications.md#the-application).
type RequiredTask struct {
	// ID is the id of a task or of a task variant: the sources disagree. Match it with Task.ID
	// first, then with Task.Variant.ID.
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	TaskType    TaskType `json:"task_type"`

	Unknown Unknown `json:"-"`
}

// ApplicationStatusChange is an entry of an application's history.
type ApplicationStatusChange struct {
	Status ApplicationStatus `json:"status"`
	// Date is a date-time.
	Date string `json:"date"`
	// Decisioner is who decided, nil when no person did.
	Decisioner *User  `json:"decisioner"`
	Comment    string `json:"comment"`

	Unknown Unknown `json:"-"`
}

// ApplicationFlagChange is an entry of an application's flag history.
type ApplicationFlagChange struct {
	Status ApplicationStatus `json:"status"`
	Flag   ApplicationFlag   `json:"flag"`
	// Date is a date-time.
	Date string `json:"date"`

	Unknown Unknown `json:"-"`
}

// BlockerType says why an application cannot be approved
// (docs/api/applications.md#approval-blockers).
type BlockerType string

// Values of BlockerType. Others may appear at any time.
const (
	// BlockerTypeIncompleteTask comes with TaskType and TaskVariant.
	BlockerTypeIncompleteTask BlockerType = "INCOMPLETE_TASK"
	// BlockerTypeUnresolvedEvent comes with EventID.
	BlockerTypeUnresolvedEvent  BlockerType = "UNRESOLVED_EVENT"
	BlockerTypeSuspendedProfile BlockerType = "SUSPENDED_PROFILE"
	BlockerTypeUndeterminedRisk BlockerType = "UNDETERMINED_RISK"
	// BlockerTypeRiskScore and the three below are newer than 2019.
	BlockerTypeRiskScore           BlockerType = "RISK_SCORE"
	BlockerTypeUndeterminedOutcome BlockerType = "UNDETERMINED_OUTCOME"
	BlockerTypeRejectionOutcome    BlockerType = "REJECTION_OUTCOME"
	BlockerTypeWaitingOnEscalation BlockerType = "WAITING_ON_ESCALATION"
)

// ApprovalBlocker is one thing that keeps an application from being approved.
type ApprovalBlocker struct {
	BlockerType BlockerType `json:"blocker_type"`
	TaskType    TaskType    `json:"task_type"`
	// TaskVariant may be missing.
	TaskVariant *TaskVariant `json:"task_variant"`
	EventID     string       `json:"event_id"`

	Unknown Unknown `json:"-"`
}

// ApplicationRisk is the risk of one product application (docs/api/applications.md#the-application,
// newer than 2019).
type ApplicationRisk struct {
	RiskModel *RiskModel `json:"risk_model"`
	// IsPending says that the score is stale.
	IsPending *bool                 `json:"is_pending"`
	Overall   *ApplicationRiskScore `json:"overall"`
	// Expiry is YYYY-MM-DD.
	Expiry     string          `json:"expiry"`
	Thresholds *RiskThresholds `json:"thresholds"`

	Unknown Unknown `json:"-"`
}

// RiskModel names a version of a risk model.
type RiskModel struct {
	ID string `json:"id"`
	// Version is a date-time.
	Version string `json:"version"`

	Unknown Unknown `json:"-"`
}

// ApplicationRiskScore is the overall risk of an application.
type ApplicationRiskScore struct {
	Score *float64     `json:"score"`
	Level RiskCategory `json:"level"`

	Unknown Unknown `json:"-"`
}

// RiskThresholds are the scores between low, medium and high risk.
type RiskThresholds struct {
	LowMedium  *float64 `json:"low_medium"`
	MediumHigh *float64 `json:"medium_high"`

	Unknown Unknown `json:"-"`
}
