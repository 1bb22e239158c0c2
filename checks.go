package passfort

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/passfort-go/passfort/internal/bounded"
	"github.com/passfort-go/passfort/internal/poll"
)

// ChecksService runs checks on a profile and gets their results (docs/api/checks.md#run-a-check,
// docs/api/checks.md#modes-and-waiting).
type ChecksService struct {
	road *road
	ran  ranChecks
}

// Run runs a check. On a live account it may be charged.
//
// Without a mode, identity checks answer with the finished check and all
// others at once with a check that is not Done. Even in CheckModeSync the API
// gives up waiting after 120 s and answers with an unfinished check: always be
// ready to Wait, or use RunAndWait. A finished check may have Errors; that is
// a result, not an error of Run.
//
// The request is sent once. If the answer is lost, the checks of the profile
// are listed: a single one of the same type, variant, tasks, document, filing
// and so on, instructed since the call by the server's clock and not returned by
// an earlier Run, is the one, and is returned. Otherwise the error is
// ErrOutcomeUnknown: look before you run it again.
func (s *ChecksService) Run(
	ctx context.Context, profileID string, req *CheckRequest, opts ...CallOption,
) (*Check, error) {
	c := call{args: []string{profileID}, problem: req.problem(), body: req, opts: opts}
	if req != nil {
		c.query = struct {
			Mode CheckMode `url:"mode,omitempty"`
		}{req.Mode}
	}
	began := time.Now()
	check, err := result[Check](ctx, s.road, "Checks.Run", c)
	if err == nil {
		s.ran.add(check, began)
	}
	if !errors.Is(err, ErrOutcomeUnknown) {
		return check, err
	}
	if lost := s.find(ctx, profileID, req, began); lost != nil {
		return lost, nil
	}
	return nil, err
}

// Get reads one check.
func (s *ChecksService) Get(ctx context.Context, profileID, checkID string, opts ...CallOption) (*Check, error) {
	return result[Check](ctx, s.road, "Checks.Get", call{args: []string{profileID, checkID}, opts: opts})
}

// List reads all checks of a profile.
func (s *ChecksService) List(ctx context.Context, profileID string, opts ...CallOption) ([]Check, error) {
	return list[Check](ctx, s.road, "Checks.List", call{args: []string{profileID}, opts: opts})
}

// SetTasks sets which tasks a check is for: the only thing about a check that
// can be changed. It may be repeated. If an answer was lost, the check is read
// to find out.
func (s *ChecksService) SetTasks(
	ctx context.Context, profileID, checkID string, taskIDs []string, opts ...CallOption,
) (*Check, error) {
	body := struct {
		TaskIDs []string `json:"task_ids"`
	}{append([]string{}, taskIDs...)}
	out, err := result[Check](ctx, s.road, "Checks.SetTasks", call{
		args: []string{profileID, checkID}, body: &body, opts: opts,
	})
	return settle(out, err, func() (*Check, error) { return s.Get(ctx, profileID, checkID) },
		func(c *Check) bool { return sameSet(c.TaskIDs, taskIDs) })
}

// Approve approves the result of a check by hand. The API makes a new check of
// it and does not say which: List the checks to find it. It is sent once.
func (s *ChecksService) Approve(ctx context.Context, profileID, checkID string, opts ...CallOption) error {
	_, err := s.road.do(ctx, "Checks.Approve", call{args: []string{profileID, checkID}, opts: opts})
	return err
}

// Reject rejects the result of a check by hand. Like Approve it makes a new
// check and is sent once.
func (s *ChecksService) Reject(ctx context.Context, profileID, checkID string, opts ...CallOption) error {
	_, err := s.road.do(ctx, "Checks.Reject", call{args: []string{profileID, checkID}, opts: opts})
	return err
}

// Wait reads the check until it is Done. A client remembers how long the last checks
// of a type and variant took, and asks first when the fast ones would be done, then
// after about a tenth of what has passed. Where it does not know, the pauses grow
// from half a second to 30 seconds, and after five minutes to that tenth, up to 10
// minutes. A check that this client ran lately is not asked about at once. With an
// Inbox a webhook ends the pause.
//
// There is no time limit but the context's: some data providers have people
// look at documents, and checks stay PENDING while a profile has collection
// steps. When the wait ends without the result, the error is a *WaitError with
// the last check seen, which is also returned.
func (s *ChecksService) Wait(
	ctx context.Context, profileID, checkID string, options *WaitOptions, opts ...CallOption,
) (*Check, error) {
	wake, stop := options.inbox().subscribe(checkID)
	defer stop()
	plan := s.road.waits.plan(options, wake)
	plan.Precise = true
	if inbox := options.inbox(); inbox != nil {
		plan.Trust = &inbox.checks
	}
	ran, _ := s.ran.get(checkID)
	plan.Began, plan.Heard = ran.began, ran.heard
	plan.Known = func() poll.Sample { return s.road.waits.checks.Of(ran.kind) }
	last, ended := waitFor(ctx, options, plan, func() (*Check, error) {
		out, at := new(Check), time.Now()
		got, err := s.road.do(ctx, "Checks.Get", call{args: []string{profileID, checkID}, out: out, opts: opts})
		if err != nil {
			return nil, err
		}
		if ran.kind == "" {
			ran.kind, plan.Began = out.kind(), out.instructed(got.header, at)
		}
		return out, nil
	}, (*Check).Done)
	if ended != nil {
		ended.Check, ended.waitedFor = last, "check"
		return last, ended
	}
	if took, known := plan.Took(last.took()); known {
		s.road.waits.checks.Add(ran.kind, took)
	}
	if inbox := options.inbox(); inbox != nil && plan.Missed() {
		inbox.pulse.Doubt()
	}
	return last, nil
}

// RunAndWait is Run and, unless the check is Done then, Wait. When the wait
// fails, the *WaitError holds the check as Run returned it or as it was last
// seen: it goes on at Passfort, so Wait for it again rather than run another.
func (s *ChecksService) RunAndWait(
	ctx context.Context, profileID string, req *CheckRequest, options *WaitOptions, opts ...CallOption,
) (*Check, error) {
	check, err := s.Run(ctx, profileID, req, opts...)
	if err != nil || check.Done() {
		return check, err
	}
	last, err := s.Wait(ctx, profileID, check.ID, options, opts...)
	var ended *WaitError
	if errors.As(err, &ended) && last == nil {
		ended.Check = check
		return check, err
	}
	return last, err
}

// find looks for the check of a Run whose answer was lost. The check may show
// up only after a moment.
func (s *ChecksService) find(ctx context.Context, profileID string, req *CheckRequest, began time.Time) *Check {
	var since time.Time // of the call, by the server's clock
	for _, pause := range []time.Duration{0, 300 * time.Millisecond, time.Second} {
		if _, err := poll.Pause(ctx, pause, nil); err != nil {
			return nil
		}
		var seen Response
		checks, err := s.List(ctx, profileID, CaptureResponse(&seen))
		if err != nil {
			return nil
		}
		now, err := http.ParseTime(seen.Header.Get("Date"))
		if err != nil {
			return nil
		}
		// The header and the checks count whole seconds; the latest estimate is
		// the best, because each is early by the time its own answer took.
		if at := now.Add(-time.Since(began)).Truncate(time.Second); at.After(since) {
			since = at
		}
		fits := slices.DeleteFunc(checks, func(c Check) bool { return s.ran.has(c.ID) || !req.fits(&c, since) })
		switch len(fits) {
		case 0:
		case 1:
			if s.ran.add(&fits[0], began) {
				return &fits[0]
			}
		default:
			return nil
		}
	}
	return nil
}

// ranChecks are the checks that Run has returned lately.
type ranChecks struct {
	mu  sync.Mutex
	ids *bounded.Map[ranCheck]
}

// ranCheck is what is known of a check that Run returned.
type ranCheck struct {
	kind         string
	began, heard time.Time // when Run was called, and when it returned
}

const rememberedRuns = 10_000

func (r *ranChecks) has(id string) bool {
	_, known := r.get(id)
	return known
}

func (r *ranChecks) get(id string) (ranCheck, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ids.Get(bounded.Key(id))
}

// add notes a check of a Run that began at that time, and reports whether it is new.
func (r *ranChecks) add(c *Check, began time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := bounded.Key(c.ID)
	_, known := r.ids.Get(id)
	r.ids.Put(id, ranCheck{bounded.Key(c.kind()), began, time.Now()})
	return !known
}

// CheckRequest says which check to run. Type is required; which of the other fields are depends on
// it (docs/api/checks.md#run-a-check).
type CheckRequest struct {
	Type CheckType `json:"check_type"`
	// Mode says whether to wait for the result; empty leaves it to the server.
	Mode CheckMode `json:"-"`
	// TaskIDs are the tasks the check is for. The server fills them in if there
	// are none.
	TaskIDs []string `json:"task_ids"`
	// Variant is one of the configured variants, by id or alias.
	Variant *VariantRef `json:"variant"`
	// DocumentID is required for DOCUMENT_VERIFICATION and
	// COMPANY_DOCUMENT_VERIFICATION.
	DocumentID string `json:"document_id"`
	// Source, Reference and Category are for DOCUMENT_FETCH.
	Source    DocumentFetchSource `json:"source"`
	Reference string              `json:"reference"`
	Category  DocumentCategory    `json:"category"`
	// SourceID is the filing to buy with COMPANY_FILING_PURCHASE.
	SourceID string `json:"source_id"`
	// FormID is for INDIVIDUAL_MANUAL_FORM and COMPANY_MANUAL_FORM.
	FormID string `json:"form_id"`
	// DeviceMetadata is required for DEVICE_FRAUD_DETECTION.
	DeviceMetadata *DeviceMetadata `json:"device_metadata"`
	// DocumentMetadata is required for VISA_CHECK.
	DocumentMetadata *DocumentMetadata `json:"document_metadata"`
	// DisableInitialScreen and DisableMonitoring are for PEPS_AND_SANCTIONS_SCREEN.
	DisableInitialScreen *bool `json:"disable_initial_screen"`
	DisableMonitoring    *bool `json:"disable_monitoring"`
	// InstructedExternally says that OutputData and Result hold what was
	// produced elsewhere.
	InstructedExternally *bool           `json:"instructed_externally"`
	OutputData           json.RawMessage `json:"output_data"`
	Result               CheckResult     `json:"result"`

	// Unknown holds members to send that this type has no field for.
	Unknown Unknown `json:"-"`
}

// Validate returns what the type of the check requires and the request does not have.
// It is advice, as EntityData.Validate is: the client never calls it. What the check
// needs of the collected data is reported by EntityData.ValidateFor.
func (v *CheckRequest) Validate() []Problem {
	var p problems
	if problem := v.problem(); problem != "" {
		p.add("", problem)
		return p.found
	}
	switch v.Type {
	case CheckTypeDocumentVerification, CheckTypeCompanyDocumentVerification:
		p.required("/document_id", v.DocumentID)
	case CheckTypeDocumentFetch:
		p.required("/source", string(v.Source))
		p.required("/reference", v.Reference)
	case CheckTypeCompanyFilingPurchase:
		p.required("/source_id", v.SourceID)
	case CheckTypeIndividualManualForm, CheckTypeCompanyManualForm:
		p.required("/form_id", v.FormID)
	case CheckTypeDeviceFraudDetection:
		if v.DeviceMetadata == nil {
			p.add("/device_metadata", "is missing")
		}
	case CheckTypeVisaCheck:
		if v.DocumentMetadata == nil {
			p.add("/document_metadata", "is missing")
		}
	}
	if Deref(v.InstructedExternally) {
		p.required("/result", string(v.Result))
	}
	return p.found
}

func (v *CheckRequest) problem() string {
	switch {
	case v == nil:
		return "the check request is nil"
	case v.Type == "":
		return "the check type is empty"
	}
	return ""
}

// fits reports whether c may be the check that the request ran at or after
// since.
func (v *CheckRequest) fits(c *Check, since time.Time) bool {
	if c.Type != v.Type || len(v.TaskIDs) > 0 && !sameSet(c.TaskIDs, v.TaskIDs) {
		return false
	}
	for _, repeated := range [][2]string{
		{v.DocumentID, c.DocumentID}, {string(v.Source), string(c.Source)}, {v.Reference, c.Reference},
		{v.SourceID, c.SourceID}, {v.FormID, c.FormID}, {string(v.Category), string(c.Category)},
	} {
		if repeated[0] != "" && repeated[1] != "" && repeated[0] != repeated[1] {
			return false
		}
	}
	if want := v.Variant; want != nil {
		got := c.Variant
		if got == nil || want.ID != "" && got.ID != want.ID || want.Alias != "" && got.Alias != want.Alias {
			return false
		}
	}
	for _, at := range []string{c.InstructedOn, c.PerformedOn, c.StartedOn} {
		if instructed, err := ParseDateTime(at); err == nil {
			return !instructed.Before(since)
		}
	}
	return false
}

// Check is one check of a profile (docs/api/checks.md#the-check). A check never changes after it
// was run, but for its tasks; approving, rejecting or running again makes a new one.
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
	// InputData is what the server took from the collected data, unchanged. It is an EntityData.
	InputData json.RawMessage `json:"input_data"`
	// OutputData is the output, unchanged. Its shape depends on Type.
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

	Unknown Unknown `json:"-"`
}

func (v *Check) identity() string { return v.ID }

// InstructedAt returns InstructedOn as a time in UTC, and reports whether there is
// one.
func (v *Check) InstructedAt() (time.Time, bool) { return timeOf(v.InstructedOn) }

// CompletedAt returns CompletedOn, or PerformedOn without it, as a time in UTC, and
// reports whether there is one.
func (v *Check) CompletedAt() (time.Time, bool) { return timeOf(cmp.Or(v.CompletedOn, v.PerformedOn)) }

// kind names checks that take about as long as this one.
func (v *Check) kind() string {
	if v.Variant == nil {
		return string(v.Type)
	}
	return string(v.Type) + "/" + cmp.Or(v.Variant.ID, v.Variant.Alias)
}

// instructed returns when the check was instructed, by the clock here: the server's
// clock in the header of an answer to a question of at says how long ago that is. It
// is zero if that is not known.
func (v *Check) instructed(h http.Header, at time.Time) time.Time {
	then, known := v.InstructedAt()
	now, err := http.ParseTime(h.Get("Date"))
	if !known || err != nil || now.Before(then.Truncate(time.Second)) {
		return time.Time{}
	}
	return at.Add(-max(0, now.Sub(then)))
}

// took returns how long the check took by the server's clock, 0 if that is not known.
func (v *Check) took() time.Duration {
	from, known := v.InstructedAt()
	to, ended := v.CompletedAt()
	if !known || !ended {
		return 0
	}
	return max(0, to.Sub(from))
}

// Done reports whether the check is complete. States this package does not know are not done.
func (v *Check) Done() bool { return v.State == CheckStateComplete }

// VariantRef names a configured variant of a check. Either ID or Alias is enough to send.
type VariantRef struct {
	ID    string `json:"id"`
	Alias string `json:"alias"`
	// Name is set by the server.
	Name string `json:"name"`

	Unknown Unknown `json:"-"`
}

// CheckType is the kind of a check. It decides the inputs, the results and the output
// (docs/api/checks.md#types-and-results).
type CheckType string

// Values of CheckType. Others may appear at any time.
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

// CheckMode says whether running a check waits for its result (docs/api/checks.md#run-a-check).
// Empty leaves it to the server: identity checks wait, all others do not.
type CheckMode string

// Values of CheckMode. Others may appear at any time.
const (
	// CheckModeSync waits up to 120 s; after that the check goes on asynchronously.
	CheckModeSync  CheckMode = "sync"
	CheckModeAsync CheckMode = "async"
)

// CheckState is how far a check has come (docs/api/checks.md#modes-and-waiting).
type CheckState string

// Values of CheckState. Others may appear at any time.
const (
	// CheckStatePending: accepted, not instructed yet. It stays so while the profile has
	// collection steps.
	CheckStatePending CheckState = "PENDING"
	CheckStateRunning CheckState = "RUNNING"
	// CheckStateComplete: decision, result and output are there.
	CheckStateComplete CheckState = "COMPLETE"
)

// CheckResult is the precise outcome of a check; which values occur depends on its type
// (docs/api/checks.md#types-and-results). Branch on the Decision, show the result.
type CheckResult string

// Values of CheckResult, in mixed case as on the wire. Others may appear at any time.
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

// Decision is the unified outcome of a check (docs/api/checks.md#decisions). The account's
// configuration decides which results lead to which decision.
type Decision string

// Values of Decision. Others may appear at any time.
const (
	DecisionPass    Decision = "PASS"
	DecisionFail    Decision = "FAIL"
	DecisionPartial Decision = "PARTIAL"
	DecisionWarn    Decision = "WARN"
	DecisionError   Decision = "ERROR"
)
