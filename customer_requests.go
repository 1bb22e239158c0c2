package passfort

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/passfort-go/passfort/internal/wire"
)

// FormsService asks customers to fill in forms that Passfort hosts, by customer requests
// (docs/api/customer-requests.md#create-a-customer-request, docs/api/customer-requests.md#states).
// The forms are shown on a page of yours: see DynamicLoader and StaticLoader.
type FormsService struct{ road *road }

// CreateCustomerRequest makes a customer request of type FLOW for a profile and returns its id and
// its key. Store both: a page needs them each time it shows the forms, and nothing says that they
// can be read again. It takes the account's master key (docs/api/basics.md#keys).
//
// A profile has one active request at a time. What the API does about a second
// one is not documented; its answer is returned as it is. It is sent once:
// after ErrOutcomeUnknown look with CustomerRequest before you repeat it. An
// answer without id or key is such an unknown outcome.
func (s *FormsService) CreateCustomerRequest(
	ctx context.Context, profileID string, params *CustomerRequestParams, opts ...CallOption,
) (*CustomerRequest, error) {
	var out *CustomerRequest
	c := call{args: []string{profileID}, problem: params.problem(), opts: opts}
	if c.problem == "" {
		c.body = params.body()
	}
	c.unique = true
	c.accept = func(doc wire.Document) (err error) {
		out, err = s.decode("Forms.CreateCustomerRequest", doc)
		return err
	}
	c.verify = func() error {
		if out.ID == "" || out.APIKey.IsZero() {
			return wire.ErrShape
		}
		return nil
	}
	if _, err := s.road.do(ctx, "Forms.CreateCustomerRequest", c); err != nil {
		return nil, err
	}
	return out, nil
}

// CustomerRequest reads the request of a profile that was made last. Its
// IsCompleted is true when it is completed and when it is expired; only the
// webhook distinguishes these. The error is ErrNotFound if there is none.
func (s *FormsService) CustomerRequest(
	ctx context.Context, profileID string, opts ...CallOption,
) (*CustomerRequest, error) {
	var out *CustomerRequest
	_, err := s.road.do(ctx, "Forms.CustomerRequest", call{
		args: []string{profileID}, opts: opts, unique: true,
		accept: func(doc wire.Document) (err error) {
			out, err = s.decode("Forms.CustomerRequest", doc)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// StartRegistration makes a stub profile and a customer request for it: the
// first two steps of a registration flow. The third is to send the applicant to a page with
// DynamicLoader.
//
// The two steps are two calls. When the second fails, the error is a
// *RegistrationError with the id of the profile, and the Registration is
// returned without its Request. Store the id and call StartRegistration again
// with it in ProfileID: no second profile is made then. Such a call first reads
// the latest request of the profile and takes it if it is still open and the
// API shows its key; otherwise it makes one, and if the API refuses that
// because the request of the first try is still active, says so.
//
// When the outcome of the first step is unknown, the error is ErrOutcomeUnknown and no
// *RegistrationError: a profile may exist, and only Profiles.List can tell. Give CollectedData a
// CustomerRef of your own, stored before the call, to know the profile by; the search of List does
// not look at it (docs/api/profiles.md#list-profiles), so go through All.
func (s *FormsService) StartRegistration(
	ctx context.Context, params *RegistrationParams, opts ...CallOption,
) (*Registration, error) {
	if problem := params.problem(); problem != "" {
		return nil, s.road.refuse("Forms.CreateCustomerRequest", problem)
	}
	if ctx == nil {
		return nil, s.road.refuse("Forms.CreateCustomerRequest", "the context is nil")
	}
	out := &Registration{ProfileID: params.ProfileID}
	var err error
	if out.ProfileID == "" {
		out.Profile, err = (&ProfilesService{s.road}).Create(ctx, params.profile(), opts...)
		if err != nil {
			return nil, err
		}
		out.ProfileID = out.Profile.ID
	} else if out.Request, err = s.open(ctx, out.ProfileID, opts); err != nil {
		return out, &RegistrationError{ProfileID: out.ProfileID, failed: err}
	}
	if out.Request != nil {
		return out, nil
	}
	request := &CustomerRequestParams{FlowTemplate: params.FlowTemplate, Theme: params.Theme}
	out.Request, err = s.CreateCustomerRequest(ctx, out.ProfileID, request, opts...)
	if errors.Is(err, ErrOutcomeUnknown) {
		if made, readErr := s.open(ctx, out.ProfileID, opts); readErr == nil && made != nil {
			out.Request, err = made, nil
		}
	}
	if err != nil {
		return out, &RegistrationError{ProfileID: out.ProfileID, failed: err}
	}
	return out, nil
}

// open returns the latest request of a profile if it is open and its id and key
// are known, else nil. It fails only where asking again may help: what the API
// answers for a profile without a request is not documented.
func (s *FormsService) open(ctx context.Context, profileID string, opts []CallOption) (*CustomerRequest, error) {
	latest, err := s.CustomerRequest(ctx, profileID, opts...)
	var failed *Error
	switch {
	case err == nil:
	case errors.As(err, &failed) && (failed.Transient() || failed.StatusCode == 0), ctx.Err() != nil:
		return nil, err
	default:
		return nil, nil
	}
	if latest.IsCompleted == nil || *latest.IsCompleted || latest.ID == "" || latest.APIKey.IsZero() {
		return nil, nil
	}
	return latest, nil
}

// Wait reads the latest customer request of a profile until it IsCompleted:
// completed or expired. Nil options ask with pauses that grow from half a second
// to 30 seconds, and after five minutes to a tenth of what has passed, up to 10
// minutes. There is no time limit but the context's, and an applicant may
// take days. When the wait ends early, the error is a *WaitError with the last
// request seen, which is also returned.
//
// With an Inbox that gets EventCustomerRequestChanged, a webhook ends the pause, and the result has
// the State in it. As the answer of the API can be faster than the webhook, Wait then gives
// it up to 10 seconds, the time between two batches (docs/api/webhooks.md#delivery), but after it did
// so in vain only once webhooks come again; State is empty if nothing came, or if what came before
// the wait does not say which request it is about.
func (s *FormsService) Wait(
	ctx context.Context, profileID string, options *WaitOptions, opts ...CallOption,
) (*CustomerRequest, error) {
	heard, stop := options.inbox().listen(profileID)
	defer stop()
	before := 0 // the news that was there when the last question was asked
	last, ended := waitFor(ctx, options, s.road.waits.plan(options, heard.wake),
		func() (*CustomerRequest, error) {
			before = heard.number()
			return s.CustomerRequest(ctx, profileID, opts...)
		},
		func(request *CustomerRequest) bool {
			if request.IsCompleted != nil && *request.IsCompleted {
				return true
			}
			heard.settled = before
			return false
		})
	if ended != nil {
		ended.CustomerRequest, ended.waitedFor = last, "customer request"
		return last, ended
	}
	last.State = heard.await(ctx, last.ID)
	return last, nil
}

// CustomerRequestParams say which forms to ask for and how they look. Both are
// aliases that Passfort gives you when it configures them.
type CustomerRequestParams struct {
	FlowTemplate string // required
	// Theme is left out of the request if it is empty. The guide shows one in every
	// request; whether the API requires it is not known.
	Theme string
}

func (v *CustomerRequestParams) problem() string {
	if v == nil {
		return "the customer request is nil"
	}
	return missing("flow template", v.FlowTemplate)
}

// customerRequestBody is what is sent.
type customerRequestBody struct {
	Type         string    `json:"type"`
	FlowTemplate aliasRef  `json:"flow_template"`
	Theme        *aliasRef `json:"theme"`
}

type aliasRef struct {
	Alias string `json:"alias"`
}

func (v *CustomerRequestParams) body() *customerRequestBody {
	body := &customerRequestBody{Type: "FLOW", FlowTemplate: aliasRef{v.FlowTemplate}}
	if v.Theme != "" {
		body.Theme = &aliasRef{v.Theme}
	}
	return body
}

// CustomerRequest asks the customer to fill in one or more forms. The API's answer is published in
// words only (docs/api/customer-requests.md#create-a-customer-request), so id and key are looked
// for in every plausible place.
type CustomerRequest struct {
	ID string `json:"id"`
	// APIKey is the key of this request alone, which the page of the forms needs.
	// It may be missing when the request is read again. It is redacted in JSON:
	// store what Reveal returns.
	APIKey Secret `json:"apikey"`
	// IsCompleted is true when the request is completed or expired, false while a
	// form can still be filled in.
	IsCompleted *bool `json:"is_completed"`
	// State is not in the API's answer. Wait sets it when a webhook has it.
	State CustomerRequestState `json:"-"`

	Unknown Unknown `json:"-"`
}

// CustomerRequestState says how far a customer has come with a request. Only the webhook has it
// (docs/api/customer-requests.md#states).
//
// A request holds one or more forms. Each form starts as SENT and ends as
// COMPLETED, CANCELLED or EXPIRED, and then stays as it is. The request is SENT
// until all its forms have ended; from then on it has the state of the form
// that ended last. So a request with many completed forms is EXPIRED if the last
// one expired. Then a profile may get another request. CustomerRequestStateOf
// computes this.
type CustomerRequestState string

// Values of CustomerRequestState. Others may appear at any time.
const (
	// CustomerRequestStateSent lasts until every form is completed, cancelled or expired.
	CustomerRequestStateSent      CustomerRequestState = "SENT"
	CustomerRequestStateCompleted CustomerRequestState = "COMPLETED"
	// CustomerRequestStateExpired means that the last form to end expired; others
	// may have been completed.
	CustomerRequestStateExpired CustomerRequestState = "EXPIRED"
)

// Terminal reports whether the state is final. States this package does not
// know are not.
func (c CustomerRequestState) Terminal() bool {
	return c == CustomerRequestStateCompleted || c == CustomerRequestStateExpired
}

// FormState is the state of one form of a customer request (docs/api/customer-requests.md#states).
type FormState string

// Values of FormState. Others may appear at any time.
const (
	// FormStateSent means in progress: the customer can fill it in.
	FormStateSent      FormState = "SENT"
	FormStateCancelled FormState = "CANCELLED"
	FormStateCompleted FormState = "COMPLETED"
	FormStateExpired   FormState = "EXPIRED"
)

// Known reports whether this version of the package has a constant for the value.
func (f FormState) Known() bool { return f == FormStateSent || f.Terminal() }

// Terminal reports whether the form has ended. States this package does not
// know have not.
func (f FormState) Terminal() bool {
	switch f {
	case FormStateCancelled,
		FormStateCompleted,
		FormStateExpired:
		return true
	}
	return false
}

// CustomerRequestStateOf returns the state of a request whose forms are given
// in the order in which they ended; forms that have not ended stand anywhere.
//
// The guide does not say what becomes of a request whose last form was
// cancelled, as a request has no such state. This function, as the simulator,
// then lets the form that ended before decide, and calls a request with nothing
// but cancelled forms EXPIRED.
func CustomerRequestStateOf(forms ...FormState) CustomerRequestState {
	if len(forms) == 0 {
		return CustomerRequestStateSent
	}
	state := CustomerRequestStateExpired
	for _, form := range forms {
		switch {
		case !form.Terminal():
			return CustomerRequestStateSent
		case form != FormStateCancelled:
			state = CustomerRequestState(form)
		}
	}
	return state
}

// RegistrationParams say who registers and which forms to show.
type RegistrationParams struct {
	// Role is required unless ProfileID is given: RoleIndividualCustomer or
	// RoleCompanyCustomer.
	Role Role
	// FlowTemplate is required. See CustomerRequestParams.
	FlowTemplate string
	Theme        string
	// CollectedData is what you know already. Nil is a bare person or company, as
	// the role says; the applicant fills in the rest.
	CollectedData *EntityData
	// Applications are the products to apply for at once. Which one is applied
	// for when the forms are completed is part of the flow's configuration.
	Applications []ApplicationRequest
	// ProfileID continues with a profile that was made before: the one of a
	// RegistrationError. Role, CollectedData and Applications are not used then.
	ProfileID string
}

func (v *RegistrationParams) problem() string {
	if v == nil {
		return "the registration is nil"
	}
	if problem := (&CustomerRequestParams{v.FlowTemplate, v.Theme}).problem(); problem != "" || v.ProfileID != "" {
		return problem
	}
	return v.profile().problem()
}

func (v *RegistrationParams) profile() *ProfileRequest {
	req := &ProfileRequest{Role: v.Role, CollectedData: v.CollectedData, Applications: v.Applications}
	if req.CollectedData == nil {
		switch v.Role {
		case RoleIndividualCustomer, RoleIndividualAssociated:
			req.CollectedData = NewIndividual()
		case RoleCompanyCustomer, RoleCompanyAssociated:
			req.CollectedData = NewCompany()
		}
	}
	return req
}

// Registration is a registration that was started.
type Registration struct {
	ProfileID string
	// Profile is the stub as it was made, nil if it was made before.
	Profile *Profile
	// Request has the credentials for the page with the forms. Nil after a
	// *RegistrationError.
	Request *CustomerRequest
}

// RegistrationError says that the profile of a registration exists and its
// customer request could not be made. Its print forms are those of the failed
// call, without the id.
type RegistrationError struct {
	// ProfileID goes into RegistrationParams to continue.
	ProfileID string `json:"-"`

	failed error
}

// Error returns the text of the failed call.
func (e *RegistrationError) Error() string { return failedText(e.failed) }

// MarshalText returns what Error returns, for encoders such as YAML, TOML and XML.
func (e RegistrationError) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBinary returns what Error returns, for encoders such as MessagePack and CBOR.
func (e RegistrationError) MarshalBinary() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBSON fails: an error is no document.
func (e RegistrationError) MarshalBSON() ([]byte, error) { return nil, errNoDocument }

// Unwrap returns the *Error of the failed call.
func (e *RegistrationError) Unwrap() error { return e.failed }

// Format prints what Error returns for every verb.
func (e RegistrationError) Format(f fmt.State, verb rune) { formatText(f, verb, e.Error()) }

// GoString returns what Error returns.
func (e RegistrationError) GoString() string { return e.Error() }

// LogValue returns what Error returns.
func (e RegistrationError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON encodes what Error returns, as a string.
func (e RegistrationError) MarshalJSON() ([]byte, error) { return jsonText(&e), nil }

// decode reads a customer request from an answer: id, key and completion stand
// at the top or in an object, under the names the API uses for them elsewhere.
// What is a request of its own goes before what is in it. Keys in other places
// than their own are taken away from there, so that Secrets alone hold them.
func (s *FormsService) decode(operation string, doc wire.Document) (*CustomerRequest, error) {
	out := new(CustomerRequest)
	room := s.road.room(doc)
	if err := doc.Unmarshal(out, s.road.drift.reporter(operation), room); err != nil {
		return nil, err
	}
	out.lift(doc.Text())
	for _, name := range []string{"customer_request", "request", "data"} {
		raw, _ := out.Unknown.Get(name)
		var inner CustomerRequest
		if len(raw) == 0 || raw[0] != '{' {
			continue
		}
		err := wire.UnmarshalWithin(raw, &inner, nil, max(1, room-2*int64(len(raw))))
		if errors.Is(err, wire.ErrSize) {
			return nil, err
		}
		if err != nil {
			continue
		}
		inner.lift(raw)
		out.Unknown.Delete(name)
		if out.ID != "" && (!out.APIKey.IsZero() || out.IsCompleted != nil) {
			if inner.ID == "" || inner.ID == out.ID {
				out.adopt(&inner)
			} else if withoutKeys, err := wire.Marshal(&inner); err == nil {
				wire.Set(&out.Unknown.Members, name, withoutKeys)
			}
			continue
		}
		inner.adopt(out)
		out = &inner
	}
	return out, nil
}

// adopt takes what v lacks from another object of the same answer.
func (v *CustomerRequest) adopt(other *CustomerRequest) {
	if v.ID == "" {
		v.ID = other.ID
	}
	if v.APIKey.IsZero() {
		v.APIKey = other.APIKey
	}
	if v.IsCompleted == nil {
		v.IsCompleted = other.IsCompleted
	}
	for member, value := range other.Unknown.All() {
		if _, own := v.Unknown.Get(member); !own {
			wire.Set(&v.Unknown.Members, member, value)
		}
	}
}

// lift fills empty fields from members of other names or types of v's object.
func (v *CustomerRequest) lift(object []byte) {
	var members struct {
		ID                json.RawMessage `json:"id"`
		CustomerRequestID json.RawMessage `json:"customer_request_id"`
		RequestID         json.RawMessage `json:"request_id"`
		APIKey            json.RawMessage `json:"api_key"`
		Key               json.RawMessage `json:"key"`
		IsCompleted       json.RawMessage `json:"is_completed"`
	}
	if wire.Unmarshal(object, &members) != nil {
		return
	}
	type member struct {
		name  string
		value json.RawMessage
	}
	for _, id := range []member{
		{"id", members.ID}, {"customer_request_id", members.CustomerRequestID}, {"request_id", members.RequestID},
	} {
		if v.ID == "" {
			if v.ID = text(id.value); v.ID != "" {
				v.Unknown.Delete(id.name)
			}
		}
	}
	for _, found := range []member{{"api_key", members.APIKey}, {"key", members.Key}} {
		var key Secret
		if json.Unmarshal(found.value, &key) != nil {
			continue
		}
		v.Unknown.Delete(found.name)
		if v.APIKey.IsZero() {
			v.APIKey = key
		}
	}
	if v.IsCompleted == nil {
		if done, err := strconv.ParseBool(strings.ToLower(text(members.IsCompleted))); err == nil {
			v.IsCompleted = &done
		}
	}
}

// text returns a JSON string, or a number as it is written.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}
