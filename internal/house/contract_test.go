package house_test

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// The names and signatures that programs outside are written against. This
// file fails to compile when one of them changes.
var (
	_ func(string, ...passfort.Option) (*passfort.Client, error) = passfort.New

	_ func(string) passfort.Option               = passfort.WithBaseURL
	_ func(*http.Client) passfort.Option         = passfort.WithHTTPClient
	_ func(*slog.Logger) passfort.Option         = passfort.WithLogger
	_ func(passfort.RetryPolicy) passfort.Option = passfort.WithRetry
	_ func(string) passfort.Option               = passfort.WithUserAgent
	_ func(passfort.Observer) passfort.Option    = passfort.WithObserver
	_ func(func(passfort.Drift)) passfort.Option = passfort.WithDriftReporter

	_ = passfort.Client{
		Profiles: (*passfort.ProfilesService)(nil), CollectedData: (*passfort.CollectedDataService)(nil),
		Files: (*passfort.FilesService)(nil), Documents: (*passfort.DocumentsService)(nil),
		Applications: (*passfort.ApplicationsService)(nil), Checks: (*passfort.ChecksService)(nil),
		Tasks: (*passfort.TasksService)(nil), Events: (*passfort.EventsService)(nil),
		Tags:  (*passfort.TagsService)(nil),
		Forms: (*passfort.FormsService)(nil), Collect: (*passfort.CollectService)(nil),
		Search: (*passfort.SearchService)(nil), Audit: (*passfort.AuditService)(nil),
	}
	_ = passfort.RetryPolicy{MaxAttempts: 1, MinBackoff: time.Second, MaxBackoff: time.Second, MaxElapsed: time.Second}

	_ func(*passfort.Client, context.Context, ...passfort.CallOption) (*passfort.WhoAmI,
		error) = (*passfort.Client).WhoAmI
	_ func(context.Context, *passfort.Client, passfort.Request, ...passfort.CallOption) (*json.RawMessage,
		error) = passfort.Do[json.RawMessage]
	_ = passfort.Request{
		Method: "", Path: "", Query: url.Values{}, Body: any(nil), Header: http.Header{},
	}
	_ func(*passfort.Response) passfort.CallOption = passfort.CaptureResponse
	_                                              = passfort.Response{
		StatusCode: 0, Header: http.Header{}, Attempts: 0,
	}
	_ func(*passfort.ProfilesService, context.Context, *passfort.ProfileRequest,
		...passfort.CallOption) (*passfort.Profile, error) = (*passfort.ProfilesService).Create
	_ func(*passfort.ProfilesService, context.Context, string, ...passfort.CallOption) (*passfort.Profile,
		error) = (*passfort.ProfilesService).Get
	_ func(*passfort.ProfilesService, context.Context, *passfort.ProfileListOptions,
		...passfort.CallOption) (*passfort.ProfilePage, error) = (*passfort.ProfilesService).List
	_ func(*passfort.ProfilesService, context.Context, *passfort.ProfileListOptions,
		...passfort.CallOption) iter.Seq2[*passfort.Profile, error] = (*passfort.ProfilesService).All
	_ = passfort.ProfileRequest{
		Role: passfort.Role(""), CollectedData: (*passfort.EntityData)(nil),
		Applications: []passfort.ApplicationRequest{},
	}

	_ = passfort.EntityData{
		EntityType: passfort.EntityType(""), CustomerRef: "", Documents: []passfort.Document{},
		CustomFieldsData: map[string]any{},
		PersonalDetails:  (*passfort.PersonalDetails)(nil), AddressHistory: []passfort.DatedAddress{},
		ContactDetails: (*passfort.ContactDetails)(nil), Metadata: (*passfort.CompanyMetadata)(nil),
		OwnershipStructure: (*passfort.OwnershipStructure)(nil), Officers: (*passfort.Officers)(nil),
	}
	_ func() *passfort.EntityData = passfort.NewIndividual
	_ func() *passfort.EntityData = passfort.NewCompany

	_ = passfort.CollectedData{EntityData: passfort.EntityData{}, ETag: ""}
	_ func(*passfort.CollectedDataService, context.Context, string, ...passfort.CallOption) (*passfort.CollectedData,
		error) = (*passfort.CollectedDataService).Get
	_ func(*passfort.CollectedDataService, context.Context, string, func(*passfort.EntityData) error,
		...passfort.CallOption) (*passfort.CollectedData, error) = (*passfort.CollectedDataService).Update
	_ func(*passfort.CollectedDataService, context.Context, string, *passfort.CollectedData,
		...passfort.CallOption) (*passfort.CollectedData, error) = (*passfort.CollectedDataService).Replace
	_ func() passfort.CallOption = passfort.Overwrite
	_ error                      = &passfort.ConflictError{Latest: (*passfort.CollectedData)(nil)}

	_ = passfort.FileUpload{Name: "", Body: io.Reader(nil), Size: int64(0), Progress: func(_, _ int64) {}}
	_ func(*passfort.FilesService, context.Context, string, *passfort.FileUpload,
		...passfort.CallOption) (*passfort.File, error) = (*passfort.FilesService).Upload
	_ func(*passfort.FilesService, context.Context, string, string, ...passfort.CallOption) (*passfort.File,
		error) = (*passfort.FilesService).Get
	_ func(*passfort.FilesService, context.Context, string, string, io.Writer, ...passfort.CallOption) (*passfort.File,
		error) = (*passfort.FilesService).Download
	_ = passfort.ImageUpload{
		Type: passfort.ImageType(""), Body: io.Reader(nil), Size: int64(0), Progress: func(_, _ int64) {},
	}
	_ func(*passfort.DocumentsService, context.Context, string, *passfort.ImageUpload,
		...passfort.CallOption) (*passfort.DocumentImage, error) = (*passfort.DocumentsService).UploadImage
	_ func(*passfort.DocumentsService, context.Context, string, *passfort.DocumentRequest,
		...passfort.CallOption) (*passfort.Document, error) = (*passfort.DocumentsService).Create
	_ func(*passfort.DocumentsService, context.Context, string, ...passfort.CallOption) ([]passfort.Document,
		error) = (*passfort.DocumentsService).List
	_ func(*passfort.DocumentsService, context.Context, string, *passfort.DocumentSubmission,
		...passfort.CallOption) (*passfort.Document, error) = (*passfort.DocumentsService).Submit
	_ = passfort.DocumentRequest{
		Category: passfort.DocumentCategory(""), Type: passfort.DocumentType(""), ImageIDs: []string{},
	}
	_ = passfort.DocumentSubmission{
		Category: passfort.DocumentCategory(""), Type: passfort.DocumentType(""), Images: []passfort.ImageUpload{},
	}

	_ = passfort.ApplicationRequest{
		Product: passfort.ProductRef{Alias: "", ID: ""}, AssociatedRole: passfort.AssociatedRole(""),
	}
	_ func(*passfort.ApplicationsService, context.Context, string, string, passfort.ApplicationStatus,
		...passfort.CallOption) (*passfort.Application, error) = (*passfort.ApplicationsService).SetStatus
	_ func(*passfort.ApplicationsService, context.Context, string, string, string,
		...passfort.CallOption) (*passfort.Application, error) = (*passfort.ApplicationsService).RevertDecision
	_ func(*passfort.ApplicationsService, context.Context, string, string, func(*passfort.Application) bool,
		*passfort.WaitOptions, ...passfort.CallOption) (*passfort.Application,
		error) = (*passfort.ApplicationsService).Wait

	_ = passfort.CheckRequest{
		Type: passfort.CheckType(""), Mode: passfort.CheckMode(""), TaskIDs: []string{},
		Variant: (*passfort.VariantRef)(nil), DocumentID: "",
	}
	_ func(*passfort.ChecksService, context.Context, string, *passfort.CheckRequest,
		...passfort.CallOption) (*passfort.Check, error) = (*passfort.ChecksService).Run
	_ func(*passfort.ChecksService, context.Context, string, string, *passfort.WaitOptions,
		...passfort.CallOption) (*passfort.Check, error) = (*passfort.ChecksService).Wait
	_ func(*passfort.ChecksService, context.Context, string, *passfort.CheckRequest, *passfort.WaitOptions,
		...passfort.CallOption) (*passfort.Check, error) = (*passfort.ChecksService).RunAndWait
	_ func(*passfort.Check) bool = (*passfort.Check).Done
	_                            = passfort.WaitOptions{
		MinInterval: time.Second, MaxInterval: time.Second, Inbox: (*passfort.CheckInbox)(nil), OnPoll: func(int) {},
	}
	_ error = &passfort.WaitError{Check: (*passfort.Check)(nil)}

	_ func(*passfort.FormsService, context.Context, string, *passfort.CustomerRequestParams,
		...passfort.CallOption) (*passfort.CustomerRequest, error) = (*passfort.FormsService).CreateCustomerRequest
	_ func(*passfort.FormsService, context.Context, string, ...passfort.CallOption) (*passfort.CustomerRequest,
		error) = (*passfort.FormsService).CustomerRequest
	_ func(*passfort.FormsService, context.Context, *passfort.RegistrationParams,
		...passfort.CallOption) (*passfort.Registration, error) = (*passfort.FormsService).StartRegistration
	_ = passfort.CustomerRequestParams{FlowTemplate: "", Theme: ""}
	_ = passfort.CustomerRequest{
		ID: "", APIKey: passfort.NewSecret(""), IsCompleted: (*bool)(nil),
	}
	_ = passfort.RegistrationParams{
		Role: passfort.Role(""), FlowTemplate: "", Theme: "", CollectedData: (*passfort.EntityData)(nil), ProfileID: "",
	}
	_ func(passfort.Secret) string              = passfort.Secret.Reveal
	_ func(passfort.LoaderOptions) http.Handler = passfort.StaticLoader
	_ func(func(*http.Request) (passfort.LoaderCredentials, error),
		passfort.LoaderOptions) http.Handler = passfort.DynamicLoader
	_ = passfort.LoaderCredentials{RequestID: "", APIKey: passfort.NewSecret("")}

	_ func([]string, ...passfort.WebhookOption) (*passfort.WebhookHandler,
		error) = passfort.NewWebhookHandler
	_ http.Handler = (*passfort.WebhookHandler)(nil)
	_ func(*passfort.WebhookHandler, passfort.EventName,
		func(context.Context, *passfort.WebhookEvent) error) = (*passfort.WebhookHandler).Handle
	_ func(*passfort.WebhookHandler, func(context.Context,
		*passfort.WebhookEvent) error) = (*passfort.WebhookHandler).HandleAll
	_ = passfort.WebhookEvent{
		ID: "", Event: passfort.EventName(""), Timestamp: time.Time{}, ProfileID: "", CustomerRef: "",
		User: (*passfort.User)(nil), APIKeyName: "", Data: json.RawMessage(nil),
	}
	_ func(*passfort.WebhookEvent) passfort.Origin = (*passfort.WebhookEvent).Origin
	_                                              = []passfort.Origin{passfort.OriginUser,
		passfort.OriginAPIKey, passfort.OriginSystem}
	_ func(*passfort.WebhookEvent) (*passfort.CollectedDataChange,
		error) = (*passfort.WebhookEvent).CollectedDataChange
	_ = passfort.CollectedDataChange{
		Old: (*passfort.EntityData)(nil), New: (*passfort.EntityData)(nil),
	}
	_ func(*passfort.CollectedDataChange) []passfort.Change = (*passfort.CollectedDataChange).Changes
	_ func(*passfort.WebhookEvent) (*passfort.CheckCompleted,
		error) = (*passfort.WebhookEvent).CheckCompleted
	_ func(http.Header, []byte, ...string) ([]passfort.WebhookEvent, error) = passfort.ParseWebhook
	_                                                                       = []error{
		passfort.ErrWebhookUnauthorized, passfort.ErrWebhookMalformed,
	}
	_ func(passfort.WebhookStore) passfort.WebhookOption                        = passfort.WithWebhookStore
	_ func() *passfort.CheckInbox                                               = passfort.NewCheckInbox
	_ func(*passfort.CheckInbox, context.Context, *passfort.WebhookEvent) error = (*passfort.CheckInbox).Deliver

	_ error = &passfort.Error{
		Operation: "", Route: "", StatusCode: 0, Errors: []passfort.ErrorDetail{
			{Code: passfort.ErrorCode(0), Message: "", Source: "", Info: json.RawMessage(nil)},
		},
		RequestID: "", Attempts: 0, RetryAfter: time.Second, Outcome: passfort.OutcomeNotSent,
	}
	_ = []passfort.Outcome{passfort.OutcomeNotSent, passfort.OutcomeRejected, passfort.OutcomeUnknown}
	_ = []error{
		passfort.ErrNotFound, passfort.ErrUnauthorized, passfort.ErrForbidden, passfort.ErrRateLimited,
		passfort.ErrPreconditionFailed,
		passfort.ErrOutcomeUnknown, passfort.ErrContentUnavailable, passfort.ErrImageTooLarge, passfort.ErrImageType,
		passfort.CodeChargeableLimitReached,
	}

	_ func(...passforttest.Option) *passforttest.Server               = passforttest.NewServer
	_ func(*passforttest.Server) string                               = (*passforttest.Server).URL
	_ func(*passforttest.Server) string                               = (*passforttest.Server).APIKey
	_ func(*passforttest.Server, ...passfort.Option) *passfort.Client = (*passforttest.Server).Client
	_ func(*passforttest.Server) []passforttest.RecordedRequest       = (*passforttest.Server).Requests
	_ func(*passforttest.Server, passforttest.Fault)                  = (*passforttest.Server).Inject
	_ func(*passforttest.Server, string, string, bool)                = (*passforttest.Server).SetWebhook
	_                                                                 = passforttest.Fault{
		Operation: "", Status: 0, DropBeforeWrite: true, DropAfterWrite: true, Delay: time.Second, StaleETag: true,
		Times: 0,
	}
)

// store is all that an own WebhookStore needs.
type store struct{}

func (store) Seen(context.Context, string) (bool, error) { return false, nil }
func (store) Commit(context.Context, string) error       { return nil }

var _ passfort.WebhookStore = store{}

// The second part: names since 0.2.0.
var (
	_ = [...]string{passfort.BaseURLEU, passfort.BaseURLUS, passfort.BaseURLAE, passfort.DefaultBaseURL}

	_ func(...passfort.Option) (*passfort.Client,
		error) = passfort.NewFromEnv
	_ func(*passfort.Client, string) (*passfort.Client,
		error) = (*passfort.Client).WithKey
	_ func(*passfort.Client)                   = (*passfort.Client).CloseIdleConnections
	_ func() *http.Transport                   = passfort.DefaultTransport
	_ func() passfort.Option                   = passfort.WithPlainHTTP
	_ func(int64) passfort.Option              = passfort.WithMaxAnswer
	_ error                                    = passfort.ErrAnswerTooLarge
	_ func(string, string) passfort.CallOption = passfort.Header
	_ func(string, string) passfort.CallOption = passfort.Query
	_ func(int) passfort.CallOption            = passfort.MaxAttempts
	_ func(time.Duration) passfort.CallOption  = passfort.AttemptTimeout
	_ func(string) passfort.Secret             = passfort.NewSecret
	_ func(passfort.Unknown,
		passfort.Unknown) bool = passfort.Unknown.Equal
	_ func(*passfort.EntityData) *passfort.EntityData            = (*passfort.EntityData).Clone
	_ func(*passfort.EntityData) []passfort.Problem              = (*passfort.EntityData).Validate
	_ func(**passfort.PersonalDetails) *passfort.PersonalDetails = passfort.Ensure[passfort.PersonalDetails]
	_ func(*bool) bool                                           = passfort.Deref[bool]
	_ func(*passfort.Check) (time.Time,
		bool) = (*passfort.Check).CompletedAt
	_ func(*passfort.Application) bool  = (*passfort.Application).Settled
	_ func(*passfort.WaitError) []error = (*passfort.WaitError).Unwrap
	_                                   = passfort.ConflictError{Stuck: true}
	_                                   = passfort.Problem{Pointer: "", Text: ""}
	_                                   = passfort.FileUpload{Open: func() (io.ReadCloser, error) { return nil, nil }}
	_                                   = passfort.ImageUpload{Open: func() (io.ReadCloser, error) { return nil, nil }}
	_ [3]passfort.ErrorCode             = [...]passfort.ErrorCode{passfort.CodeTooManyMatches,
		passfort.CodeProviderMisconfigured, passfort.CodeProviderTimeout}
	_ func(context.Context, *passfort.Client, passfort.Request, io.Writer, ...passfort.CallOption) (*passfort.Response,
		error) = passfort.DoTo
)
