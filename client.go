package passfort

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort/internal/bounded"
	"github.com/passfort-go/passfort/internal/transport"
	"github.com/passfort-go/passfort/internal/wiredump"
)

// Version is the version of this module. It is part of the User-Agent header.
const Version = "0.1.0"

// DefaultBaseURL is the API's address in the EU under its older name, version
// included.
const DefaultBaseURL = "https://api.passfort.com/4.0"

// The API's addresses in its regions, version included. An account lives in one
// region and its key is refused in the others: the address of the portal, such
// as "https://identity.us.maxsight.com", names it. BaseURLEU and DefaultBaseURL
// lead to the same region.
const (
	BaseURLEU = "https://api.eu.maxsight.com/4.0"
	BaseURLUS = "https://api.us.maxsight.com/4.0"
	BaseURLAE = "https://api.ae.maxsight.com/4.0"
)

// Client is the entry to the API: one field for each part of it. Make it with
// New or NewFromEnv, and those of further API keys with WithKey, which shares
// the connections. A Client is safe for concurrent use and never changes; make
// one for each key and keep it.
type Client struct {
	Profiles      *ProfilesService
	CollectedData *CollectedDataService
	Files         *FilesService
	Documents     *DocumentsService
	Applications  *ApplicationsService
	Checks        *ChecksService
	Tasks         *TasksService
	Events        *EventsService
	Tags          *TagsService
	Forms         *FormsService
	Collect       *CollectService
	Search        *SearchService
	Audit         *AuditService

	road *road
}

// New returns a Client that calls the API with the given key. It does not
// connect; WhoAmI tests key and connection. The error is an ErrInvalidInput:
// an empty or unreadable key, a base URL that is not one, or plain http to
// another host than this machine, which would send the key in the clear, without
// WithPlainHTTP.
func New(apiKey string, opts ...Option) (*Client, error) {
	s := settings{baseURL: DefaultBaseURL, calls: clientSettings{maxAnswer: defaultMaxAnswer}}
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	if s.calls.maxAnswer <= 0 {
		return nil, inputError("the limit of an answer is not positive")
	}
	base, err := checkBaseURL(s.baseURL, s.plain)
	if err != nil {
		return nil, err
	}
	if err := checkKey(apiKey); err != nil {
		return nil, err
	}
	userAgent := fmt.Sprintf("passfort-go/%s (%s)", Version, runtime.Version())
	if s.product != "" {
		userAgent = s.product + " " + userAgent
	}
	if !isHeaderText(userAgent) {
		return nil, inputError("the user agent has characters that a header cannot hold")
	}
	if few := idleConnections(s.http); few > 0 && s.logger != nil {
		const advice = "build its Transport on DefaultTransport"
		s.logger.Warn("passfort: the HTTP client keeps few idle connections to the API: "+advice,
			slog.Int("idle_connections", few))
	}
	attempts := transport.New(s.http, s.retry.withDefaults())
	if s.dump != nil {
		attempts.Wrap(wiredump.New(s.dump, routes()).Over)
	}
	return clientOn(&road{
		base:      base,
		transport: attempts,
		userAgent: userAgent,
		header:    headerWith(apiKey, userAgent),
		logger:    s.logger,
		observer:  s.observer,
		limiter:   s.limiter,
		drift:     newDriftFilter(s.drift, s.calls.maxAnswer/2),
		waits:     newWaits(),
		settings:  s.calls,
	}), nil
}

// NewFromEnv returns a Client as New does, with the key of PASSFORT_API_KEY and
// the address of PASSFORT_BASE_URL or, if that is not set, of PASSFORT_REGION:
// eu, us or ae. Without either the address is DefaultBaseURL. The options apply
// after the environment. The error is an ErrInvalidInput that names the variable
// and never its value.
func NewFromEnv(opts ...Option) (*Client, error) {
	key := os.Getenv("PASSFORT_API_KEY")
	if key == "" {
		return nil, inputError("PASSFORT_API_KEY is not set")
	}
	base := os.Getenv("PASSFORT_BASE_URL")
	if base == "" {
		switch strings.ToLower(os.Getenv("PASSFORT_REGION")) {
		case "":
			base = DefaultBaseURL
		case "eu":
			base = BaseURLEU
		case "us":
			base = BaseURLUS
		case "ae":
			base = BaseURLAE
		default:
			return nil, inputError("PASSFORT_REGION is none of eu, us and ae")
		}
	}
	return New(key, append([]Option{WithBaseURL(base)}, opts...)...)
}

// WithKey returns a Client for another API key that shares everything else with
// c: connections, limiter, logger, observer and settings. It costs a few hundred
// bytes and no connection, so a service with many accounts makes one for each.
// The shared limiter counts all of them together: give accounts with quotas of
// their own a Client made by New each. The error is an ErrInvalidInput: an empty
// or unreadable key.
func (c *Client) WithKey(apiKey string) (*Client, error) {
	if err := checkKey(apiKey); err != nil {
		return nil, err
	}
	r := *c.road
	r.header = headerWith(apiKey, r.userAgent)
	return clientOn(&r), nil
}

// CloseIdleConnections closes the connections that no call uses, of every
// Client that shares them through WithKey. Calls that follow open new ones. Use
// it when the last such Client is given up.
func (c *Client) CloseIdleConnections() { c.road.transport.CloseIdleConnections() }

// idleConnections returns how many idle connections to the API a client of the
// caller's keeps if they are few, and 0 otherwise.
func idleConnections(hc *http.Client) int {
	const enough = 16
	if hc == nil {
		return 0
	}
	t, plain := hc.Transport.(*http.Transport)
	if !plain || t.DisableKeepAlives || t.MaxIdleConnsPerHost >= enough {
		return 0
	}
	return cmp.Or(max(t.MaxIdleConnsPerHost, 0), http.DefaultMaxIdleConnsPerHost)
}

// DefaultTransport returns a fresh copy of the transport that a Client uses
// unless WithHTTPClient brings another one, to give it a proxy or a certificate:
//
//	hc := &http.Client{Transport: passfort.DefaultTransport()}
//
// Beside what http.DefaultTransport has, it keeps up to 1,024 idle connections
// to the API for 90 s, finds a dead HTTP/2 connection by pings within 25 s, takes
// headers of answers up to 256 KiB, and sees whether a request left, so that fewer
// outcomes are unknown.
func DefaultTransport() *http.Transport { return transport.Default() }

// headerWith returns what makes the header of a request. The key is kept in the
// closure, which no print form reaches.
func headerWith(apiKey, userAgent string) func() http.Header {
	return func() http.Header {
		values := []string{apiKey, userAgent, "application/json"}
		return http.Header{"Apikey": values[0:1:1], "User-Agent": values[1:2:2], "Accept": values[2:3:3]}
	}
}

func clientOn(r *road) *Client {
	return &Client{
		Profiles:      &ProfilesService{r},
		CollectedData: &CollectedDataService{r, &turns{}},
		Files:         &FilesService{r},
		Documents:     &DocumentsService{r},
		Applications:  &ApplicationsService{r},
		Checks:        &ChecksService{road: r, ran: ranChecks{ids: bounded.New[ranCheck](rememberedRuns)}},
		Tasks:         &TasksService{r},
		Events:        &EventsService{r},
		Tags:          &TagsService{r},
		Forms:         &FormsService{r},
		Collect:       &CollectService{r},
		Search:        &SearchService{r},
		Audit:         &AuditService{r},
		road:          r,
	}
}

// Option configures a Client in New. A later option overrides an earlier one.
type Option func(*settings)

type settings struct {
	baseURL  string
	http     *http.Client
	logger   *slog.Logger
	retry    RetryPolicy
	product  string
	observer Observer
	limiter  Limiter
	drift    func(Drift)
	dump     io.Writer
	calls    clientSettings
	plain    bool
}

// clientSettings change how some operations are sent.
type clientSettings struct {
	imageLimit    int64
	maxAnswer     int64
	filesReadPOST bool
}

// WithBaseURL sets the API's address, version included, such as
// "https://api.passfort.com/4.0", the default. Plain http is accepted only for
// this machine, unless WithPlainHTTP is given.
func WithBaseURL(u string) Option { return func(s *settings) { s.baseURL = u } }

// WithPlainHTTP allows a base URL with http:// and the name of another machine:
// for a simulator in another container, never for a real key, which every machine on
// the way could read.
func WithPlainHTTP() Option { return func(s *settings) { s.plain = true } }

// WithHTTPClient sets the HTTP client to send with: for a proxy, a TLS
// configuration, a test. It is copied, never altered. Its Timeout, if any,
// bounds each attempt; sync checks need 130 s. Redirects are handled here.
//
// Build its Transport on DefaultTransport. One with few idle connections, such as
// the two for each host of an http.Transport made anew, opens a connection for
// almost every call of a busy service: with 256 calls at once it is 13 to 25 times as
// slow. New logs a warning then, if there is a logger. One that retries on its own is stopped
// before it sends a request a second time, as far as it calls the hooks of
// net/http/httptrace, as everything above an http.Transport does; the call then
// ends or is repeated by its own rule. After a timeout a clone of an
// http.Transport takes its place here, so that no call waits on what fell silent;
// of any other RoundTripper the connection is closed, with the calls that share it.
func WithHTTPClient(hc *http.Client) Option { return func(s *settings) { s.http = hc } }

// WithLogger makes the client log each attempt and each call at level Debug,
// and each failed call at level Warn. It logs operation, route template,
// status, duration and request id, never a key, an id, a query or a body. The
// default is silence.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.logger = l } }

// WithMaxAnswer bounds the answers that are read into memory: their text may have so
// many bytes, and text and value together take up at most four times as much. Beyond
// it a call fails with ErrAnswerTooLarge; the outcome of a write is unknown then. The
// default is 64 MiB. What is streamed, such as images, has limits of its own.
func WithMaxAnswer(bytes int64) Option { return func(s *settings) { s.calls.maxAnswer = bytes } }

// WithWireDump writes what each attempt sends and gets to w, for a support case:
// method, route, status, the names of headers and of queries, and the shape of
// JSON bodies, in which each value is replaced by its kind, such as uuid, date or
// text(12). It holds no key, id, name or value; member names that no program
// would choose are written as *. Bodies of more than 256 KiB are only counted.
// It is slower than WithLogger and keeps up to 512 KiB for each attempt under
// way: leave it off otherwise. Writes to w do not overlap.
func WithWireDump(w io.Writer) Option { return func(s *settings) { s.dump = w } }

// WithRetry bounds how calls are repeated. Whether a call may be repeated at
// all depends on its operation, not on this.
func WithRetry(p RetryPolicy) Option { return func(s *settings) { s.retry = p } }

// WithUserAgent puts the name of your product, such as "acme-onboarding/2.1",
// before the SDK's own in the User-Agent header.
func WithUserAgent(product string) Option { return func(s *settings) { s.product = product } }

// WithObserver sets who is notified of every attempt and call, for metrics and
// tracing.
func WithObserver(o Observer) Option { return func(s *settings) { s.observer = o } }

// WithLimiter sets who is asked before each attempt of an operation that the API limits
// (docs/api/basics.md#rate-limits): Profiles.Create, CollectedData.Replace and Audit.PDFReport. The
// default is to send, and to wait when the API answers 429.
func WithLimiter(l Limiter) Option { return func(s *settings) { s.limiter = l } }

// RetryPolicy bounds how a call is repeated. Zero fields have defaults.
type RetryPolicy struct {
	// MaxAttempts counts the first try. The default is 4; 1 means no repeat.
	MaxAttempts int
	// MinBackoff is the wait before the first repeat, about; the wait doubles
	// with each. The default is 250 ms.
	MinBackoff time.Duration
	// MaxBackoff bounds the wait. A wait that the server asks for may be
	// longer. The default is 8 s.
	MaxBackoff time.Duration
	// MaxElapsed is how long after the call began the last repeat may start. A
	// wait that would end later is not begun: the call returns its error, with
	// the wait that the server asked for in RetryAfter. The default is 2 min.
	MaxElapsed time.Duration
}

func (p RetryPolicy) withDefaults() transport.Policy {
	out := transport.Policy{
		MaxAttempts: 4, MinBackoff: 250 * time.Millisecond, MaxBackoff: 8 * time.Second, MaxElapsed: 2 * time.Minute,
	}
	if p.MaxAttempts > 0 {
		out.MaxAttempts = p.MaxAttempts
	}
	if p.MinBackoff > 0 {
		out.MinBackoff = p.MinBackoff
	}
	if p.MaxBackoff > 0 {
		out.MaxBackoff = p.MaxBackoff
	}
	if p.MaxElapsed > 0 {
		out.MaxElapsed = p.MaxElapsed
	}
	out.MinBackoff = min(out.MinBackoff, out.MaxBackoff)
	return out
}

// Limiter spreads the calls of operations that have a quota. It is asked
// before each attempt, with the name of the operation.
type Limiter interface {
	// Wait returns when the attempt may be made, or with an error if it may
	// not or ctx has ended: the call then ends with that error, not sent.
	Wait(ctx context.Context, operation string) error
}

// Observer is notified of calls and attempts as they happen. Its methods are
// called from the goroutine of the call and must be safe for concurrent use.
// What they receive holds no id, query, header or body.
type Observer interface {
	// CallStarted is notified of a call before its first attempt. The context it
	// returns is the one the rest of the call uses, so it may carry a span.
	CallStarted(ctx context.Context, call CallInfo) context.Context
	// AttemptEnded is notified of each attempt.
	AttemptEnded(ctx context.Context, attempt AttemptInfo)
	// CallEnded is notified of how the call ended.
	CallEnded(ctx context.Context, result CallResult)
}

// CallInfo names what is called.
type CallInfo struct {
	Operation string // such as "Profiles.Get"
	Method    string // the HTTP method
	Route     string // the path with names in place of ids
}

// AttemptInfo is one try of a call.
type AttemptInfo struct {
	CallInfo
	Attempt    int // from 1
	StatusCode int // 0: no answer
	RequestID  string
	Duration   time.Duration
	RetryAfter time.Duration // the wait that a refusal asked for
	Quota      *Quota        // what is left of the operation's quota; nil: not known
	Problem    string        // what went wrong without an answer, in words without data
}

// Quota is what the API reports of the rate limit of an operation, which all programs with the key,
// and perhaps all of the account, share (docs/api/basics.md#rate-limits).
type Quota struct {
	// Remaining is how many requests are left.
	Remaining int
	// Reset is how long it takes until the quota is full again; 0 if that is not
	// known.
	Reset time.Duration
}

// CallResult is how a call ended.
type CallResult struct {
	CallInfo
	Attempts   int
	StatusCode int // of the last answer, 0: none
	RequestID  string
	Duration   time.Duration
	Err        *Error // nil: it succeeded
}

func checkKey(key string) error {
	if key == "" {
		return inputError("the API key is empty")
	}
	for _, r := range key {
		if r <= ' ' || r > '~' {
			return inputError("the API key has characters that no key has (a space, a line end, a non-ASCII letter)")
		}
	}
	return nil
}

func isHeaderText(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// checkBaseURL returns the URL without a slash at its end.
func checkBaseURL(raw string, plain bool) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", inputError("the base URL cannot be parsed")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return "", inputError("the base URL needs https:// and a host")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", inputError("the base URL has more than scheme, host and path")
	case u.Scheme == "http" && !plain && !isLoopback(u.Hostname()):
		return "", inputError("the base URL is plain http to another machine, which would show the key on the way")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// hasVersion reports whether the last element of a base URL is a version, such
// as 4.0.
func hasVersion(base string) bool {
	last := base[strings.LastIndexByte(base, '/')+1:]
	_, err := strconv.ParseFloat(strings.TrimPrefix(last, "v"), 64)
	return err == nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// WhoAmI returns whose key the client uses: the test of key and connection.
func (c *Client) WhoAmI(ctx context.Context, opts ...CallOption) (*WhoAmI, error) {
	return result[WhoAmI](ctx, c.road, "WhoAmI", call{opts: opts})
}

// WhoAmI says whose key a call was made with (docs/api/basics.md#who-am-i).
type WhoAmI struct {
	// AuditeeName is the name of the key.
	AuditeeName string       `json:"auditee_name"`
	Institution *Institution `json:"institution"`
	// User is nil for an API key.
	User *User `json:"user"`

	Unknown Unknown `json:"-"`
}

// Institution is the account a key belongs to.
type Institution struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	LogoURL string `json:"logo_url"`

	Unknown Unknown `json:"-"`
}

// User is a person with access to the portal.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	// IsActive is newer than 2019.
	IsActive *bool `json:"is_active"`

	Unknown Unknown `json:"-"`
}

// APIKeyRef names an API key. It never holds the key itself.
type APIKeyRef struct {
	Name string `json:"name"`
	// Expiry is a date-time.
	Expiry string `json:"expiry"`

	Unknown Unknown `json:"-"`
}

// Capability is a permission of a user or an API key (docs/api/basics.md#permissions).
type Capability string

// Values of Capability. Some forty newer ones exist whose names are not public.
const (
	CapabilityRoot                         Capability = "ROOT"
	CapabilityEditProfile                  Capability = "EDIT_PROFILE"
	CapabilityReadProfile                  Capability = "READ_PROFILE"
	CapabilityCreateProfile                Capability = "CREATE_PROFILE"
	CapabilityDeleteProfile                Capability = "DELETE_PROFILE"
	CapabilityCreateRole                   Capability = "CREATE_ROLE"
	CapabilityEditRole                     Capability = "EDIT_ROLE"
	CapabilityDeleteRole                   Capability = "DELETE_ROLE"
	CapabilityEditProfileCollectedData     Capability = "EDIT_PROFILE_COLLECTED_DATA"
	CapabilityReadProfileCollectedData     Capability = "READ_PROFILE_COLLECTED_DATA"
	CapabilityReadProfileCollectionSteps   Capability = "READ_PROFILE_COLLECTION_STEPS"
	CapabilityEditProfileCollectionSteps   Capability = "EDIT_PROFILE_COLLECTION_STEPS"
	CapabilityEditDocumentImage            Capability = "EDIT_DOCUMENT_IMAGE"
	CapabilityReadDocumentImage            Capability = "READ_DOCUMENT_IMAGE"
	CapabilityUploadDocumentImage          Capability = "UPLOAD_DOCUMENT_IMAGE"
	CapabilityPurchaseFilingDocument       Capability = "PURCHASE_FILING_DOCUMENT"
	CapabilityCreateTaskNote               Capability = "CREATE_TASK_NOTE"
	CapabilityDeleteTaskNote               Capability = "DELETE_TASK_NOTE"
	CapabilityCustomAuthorNote             Capability = "CUSTOM_AUTHOR_NOTE"
	CapabilityAssignProductApplication     Capability = "ASSIGN_PRODUCT_APPLICATION"
	CapabilityReadProductApplication       Capability = "READ_PRODUCT_APPLICATION"
	CapabilityCreateProductApplication     Capability = "CREATE_PRODUCT_APPLICATION"
	CapabilityEditProductApplicationStatus Capability = "EDIT_PRODUCT_APPLICATION_STATUS"
	CapabilityCreateProfileTask            Capability = "CREATE_PROFILE_TASK"
	CapabilityEditConversation             Capability = "EDIT_CONVERSATION"
	CapabilityRunCheck                     Capability = "RUN_CHECK"
	CapabilityCreateProfileTag             Capability = "CREATE_PROFILE_TAG"
	CapabilityDeleteProfileTag             Capability = "DELETE_PROFILE_TAG"
	CapabilityReadTask                     Capability = "READ_TASK"
	CapabilityEditTaskCompletionStatus     Capability = "EDIT_TASK_COMPLETION_STATUS"
	CapabilityManagePEPAndSanctionsMatches Capability = "MANAGE_PEP_AND_SANCTIONS_MATCHES"
	CapabilitySearch                       Capability = "SEARCH"
	CapabilityCreateUser                   Capability = "CREATE_USER"
	CapabilityViewUsers                    Capability = "VIEW_USERS"
	CapabilityViewUser                     Capability = "VIEW_USER"
	CapabilityEditUser                     Capability = "EDIT_USER"
	CapabilityEditUserRole                 Capability = "EDIT_USER_ROLE"
	CapabilityEditUserPassword             Capability = "EDIT_USER_PASSWORD"
	CapabilityEditUserFilterSets           Capability = "EDIT_USER_FILTER_SETS"
	CapabilityViewApplication              Capability = "VIEW_APPLICATION"
	CapabilityEditPayment                  Capability = "EDIT_PAYMENT"
	CapabilityViewConfig                   Capability = "VIEW_CONFIG"
	CapabilityEditConfig                   Capability = "EDIT_CONFIG"
	CapabilityViewConfigCredentials        Capability = "VIEW_CONFIG_CREDENTIALS"
	CapabilityViewReport                   Capability = "VIEW_REPORT"
	CapabilityCreateReport                 Capability = "CREATE_REPORT"
	CapabilityDeleteReport                 Capability = "DELETE_REPORT"
	CapabilityEditReport                   Capability = "EDIT_REPORT"
	// CapabilityDataExport and CapabilityCreateCustomerRequest are newer than 2019.
	CapabilityDataExport            Capability = "DATA_EXPORT"
	CapabilityCreateCustomerRequest Capability = "CREATE_CUSTOMER_REQUEST"
)
