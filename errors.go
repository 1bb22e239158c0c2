package passfort

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort/internal/imagebody"
	"github.com/passfort-go/passfort/internal/transport"
	"github.com/passfort-go/passfort/internal/wire"
)

// The errors to branch on with errors.Is. Each matches the *Error of a call,
// also when that is wrapped.
var (
	// ErrInvalidInput: an argument was refused here, and nothing was done.
	ErrInvalidInput = errors.New("passfort: invalid input")
	// ErrNotFound: status 404.
	ErrNotFound = errors.New("passfort: not found")
	// ErrUnauthorized: status 401, or the code of a missing or invalid API key.
	ErrUnauthorized = errors.New("passfort: unauthorized")
	// ErrForbidden: status 403.
	ErrForbidden = errors.New("passfort: forbidden")
	// ErrRateLimited: status 429, also after the waits that the call could afford.
	ErrRateLimited = errors.New("passfort: rate limited")
	// ErrPreconditionFailed: status 412. The collected data changed after it
	// was read. See ConflictError.
	ErrPreconditionFailed = errors.New("passfort: precondition failed")
	// ErrOutcomeUnknown: a write may have been carried out, and nothing shows whether.
	// Look before you repeat it.
	ErrOutcomeUnknown = errors.New("passfort: outcome unknown")
	// ErrContentUnavailable: Passfort keeps the content encrypted and gives only what describes it
	// (docs/api/documents.md#content-is-encrypted).
	ErrContentUnavailable = errors.New("passfort: content unavailable")
	// ErrImageTooLarge: the image is larger than the API accepts; see
	// WithImageLimit.
	ErrImageTooLarge = errors.New("passfort: image too large")
	// ErrAnswerTooLarge means that an answer, or the content of a file, image or
	// report, is larger than its limit: see WithMaxAnswer and docs/limits.md. It would
	// be so again. What was streamed up to the limit is in the writer.
	ErrAnswerTooLarge = errors.New("passfort: answer too large")
	// ErrImageType: the content is none of GIF, JPG, PNG, PDF and TIFF.
	ErrImageType = errors.New("passfort: image type not accepted")
)

// Outcome says what a failed call did to the data at Passfort. A read that was
// sent and not answered has none, the zero Outcome: there is nothing to know.
type Outcome int

// The outcomes.
const (
	// OutcomeNotSent: the request never left, or an upload broke off before its
	// end because of what it was read from. Nothing was done.
	OutcomeNotSent Outcome = iota + 1
	// OutcomeRejected: the server answered that it did not do it.
	OutcomeRejected
	// OutcomeUnknown: the write may have been done.
	OutcomeUnknown
)

// String returns the outcome in words.
func (o Outcome) String() string {
	switch o {
	case OutcomeNotSent:
		return "not sent"
	case OutcomeRejected:
		return "rejected"
	case OutcomeUnknown:
		return "outcome unknown"
	default:
		return "no outcome"
	}
}

// ErrorCode is Passfort's own code of an error, unrelated to HTTP statuses although some look like
// them (docs/api/basics.md#errors). It is an error itself, so errors.Is(err,
// passfort.CodeChargeableLimitReached) works.
type ErrorCode int

// The published codes. Others may appear at any time.
const (
	CodeMissingRequiredFields   ErrorCode = 101
	CodeEntityAlreadyApproved   ErrorCode = 102
	CodeEntityAlreadyRejected   ErrorCode = 103
	CodeChargeableLimitReached  ErrorCode = 104
	CodeConstraintsNotSatisfied ErrorCode = 105
	CodeCountryNotSupported     ErrorCode = 106
	CodeCheckLimitReached       ErrorCode = 107
	// CodeTooManyMatches: a provider found too many matches and processed none. Info
	// has count and limit; a person has to narrow the data down.
	CodeTooManyMatches   ErrorCode = 108
	CodeInvalidInputData ErrorCode = 201
	CodeDataPresent      ErrorCode = 202
	CodeMissingAPIKey    ErrorCode = 203
	CodeInvalidAPIKey    ErrorCode = 204
	// CodeProviderMisconfigured: a provider is set up wrongly or refused its
	// credentials. A person has to mend the configuration.
	CodeProviderMisconfigured   ErrorCode = 205
	CodeUserMigrationError      ErrorCode = 301
	CodeProviderConnectionError ErrorCode = 302
	CodeProviderUnknownError    ErrorCode = 303
	CodeUnknownInternalError    ErrorCode = 401
	CodeTransitionError         ErrorCode = 402
	// CodeProviderTimeout: a provider did not answer in time. It may later.
	CodeProviderTimeout ErrorCode = 403
	CodeLegacyError     ErrorCode = 501
	CodeProcessNotSetUp ErrorCode = 502
)

// errorCodeNames are the names that Passfort gives the codes.
var errorCodeNames = map[ErrorCode]string{
	CodeMissingRequiredFields:   "MISSING_REQUIRED_FIELDS",
	CodeEntityAlreadyApproved:   "ENTITY_ALREADY_APPROVED",
	CodeEntityAlreadyRejected:   "ENTITY_ALREADY_REJECTED",
	CodeChargeableLimitReached:  "CHARGEABLE_LIMIT_REACHED",
	CodeConstraintsNotSatisfied: "CONSTRAINTS_NOT_SATISFIED",
	CodeCountryNotSupported:     "COUNTRY_NOT_SUPPORTED",
	CodeCheckLimitReached:       "CHECK_LIMIT_REACHED",
	CodeTooManyMatches:          "TOO_MANY_MATCHES",
	CodeProviderMisconfigured:   "PROVIDER_MISCONFIGURED",
	CodeProviderTimeout:         "PROVIDER_TIMEOUT",
	CodeInvalidInputData:        "INVALID_INPUT_DATA",
	CodeDataPresent:             "DATA_PRESENT",
	CodeMissingAPIKey:           "MISSING_API_KEY",
	CodeInvalidAPIKey:           "INVALID_API_KEY",
	CodeUserMigrationError:      "USER_MIGRATION_ERROR",
	CodeProviderConnectionError: "PROVIDER_CONNECTION_ERROR",
	CodeProviderUnknownError:    "PROVIDER_UNKNOWN_ERROR",
	CodeUnknownInternalError:    "UNKNOWN_INTERNAL_ERROR",
	CodeTransitionError:         "TRANSITION_ERROR",
	CodeLegacyError:             "LEGACY_ERROR",
	CodeProcessNotSetUp:         "PROCESS_NOT_SETUP",
}

// Known reports whether this version of the package has a constant for the code.
func (c ErrorCode) Known() bool { return errorCodeNames[c] != "" }

// Error returns the number and the name of the code.
func (c ErrorCode) Error() string {
	return strings.TrimSpace(fmt.Sprintf("passfort: code %d %s", int(c), errorCodeNames[c]))
}

// ErrorDetail is one item of the API's errors (docs/api/basics.md#errors): of a refused call, or
// what went wrong while a check ran. With fmt and as a slog value it shows only the code, because
// the message may repeat what you sent. Its JSON is the whole of it, also where slog encodes a list
// of these as JSON: log the *Error instead.
type ErrorDetail struct {
	Code    ErrorCode `json:"code"`
	Message string    `json:"message"`
	// Source is ENGINE, API or PROVIDER.
	Source string          `json:"source"`
	Info   json.RawMessage `json:"info"`
	// StageName and StageType are newer than 2019 and not explained.
	StageName string `json:"stage_name"`
	StageType string `json:"stage_type"`
	// Type, SubType and Data were seen on the data provider side.
	Type    string          `json:"type"`
	SubType string          `json:"sub_type"`
	Data    json.RawMessage `json:"data"`

	Unknown Unknown `json:"-"`
}

// String returns the code, without the message.
func (v ErrorDetail) String() string { return strings.TrimPrefix(v.Code.Error(), "passfort: ") }

// Format prints what String returns for every verb.
func (v ErrorDetail) Format(f fmt.State, verb rune) { formatText(f, verb, v.String()) }

// GoString returns what String returns.
func (v ErrorDetail) GoString() string { return v.String() }

// LogValue returns what String returns.
func (v ErrorDetail) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Error is how every failed call ends: refused by the server, lost on the
// way, or stopped before it was sent. Its print forms (Error, every fmt verb,
// JSON, slog) show the operation, the route template, the status, codes and
// the outcome, and nothing of what was sent or received.
type Error struct {
	// Operation is the name of the API operation, such as "Profiles.Get".
	Operation string
	// Method is the HTTP method.
	Method string
	// Route is the path with names in place of ids.
	Route string
	// StatusCode of the last answer, 0 if there was none.
	StatusCode int
	// Errors are the API's own error items, if it sent any: the first 20.
	Errors []ErrorDetail `json:"-"`
	// RequestID is the X-Request-Id of the last answer, if it had one. Texts and logs
	// show it only if it cannot be anything but an id.
	RequestID string `json:"-"`
	// Attempts is how many times the request was tried.
	Attempts int
	// RetryAfter is how long the last answer asked to wait.
	RetryAfter time.Duration
	// Outcome says what the call did.
	Outcome Outcome

	problem string // what went wrong, in words that hold no data
	cause   error
	answer  func() *answer // a closure, because a pointer could be followed
}

// Error describes the failure without any data.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("passfort: " + e.Operation + ": " + e.Method + " " + e.Route)
	if e.StatusCode != 0 {
		b.WriteString(": " + strconv.Itoa(e.StatusCode))
		if text := http.StatusText(e.StatusCode); text != "" {
			b.WriteString(" " + text)
		}
	}
	for _, detail := range e.Errors[:min(len(e.Errors), printedErrors)] {
		b.WriteString(": " + detail.String())
	}
	if more := len(e.Errors) - printedErrors; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	if slices.ContainsFunc(e.Errors, func(d ErrorDetail) bool { return d.Message != "" }) {
		b.WriteString(" (messages in Errors)") // which may repeat what was sent
	}
	if e.problem != "" {
		b.WriteString(": " + e.problem)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " after %d attempts", e.Attempts)
	}
	if e.RetryAfter > 0 {
		b.WriteString("; the server asks to wait " + e.RetryAfter.Round(time.Millisecond).String())
	}
	switch e.Outcome {
	case OutcomeNotSent:
		b.WriteString("; not sent")
	case OutcomeUnknown:
		b.WriteString("; it may have been done: look before repeating it")
	}
	if id := printedID(e.RequestID); id != "" {
		b.WriteString(" (request " + id + ")")
	}
	return b.String()
}

// Format prints what Error returns for every verb.
func (e Error) Format(f fmt.State, verb rune) { formatText(f, verb, e.Error()) }

// GoString returns what Error returns.
func (e Error) GoString() string { return e.Error() }

// LogValue returns what JSON shows as slog attributes.
func (e Error) LogValue() slog.Value {
	codes := make([]int, min(len(e.Errors), printedErrors))
	for i := range codes {
		codes[i] = int(e.Errors[i].Code)
	}
	return slog.GroupValue(
		slog.String("operation", e.Operation),
		slog.String("method", e.Method),
		slog.String("route", e.Route),
		slog.Int("status", e.StatusCode),
		slog.Any("codes", codes),
		slog.String("problem", e.problem),
		slog.String("request_id", printedID(e.RequestID)),
		slog.Int("attempts", e.Attempts),
		slog.Duration("retry_after", e.RetryAfter),
		slog.String("outcome", e.Outcome.String()),
	)
}

// MarshalJSON encodes what LogValue shows.
func (e Error) MarshalJSON() ([]byte, error) {
	members := map[string]any{}
	for _, attr := range e.LogValue().Group() {
		members[attr.Key] = attr.Value.Any()
	}
	return json.Marshal(members)
}

// MarshalText returns what Error returns, for encoders such as YAML, TOML and XML.
func (e Error) MarshalText() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBinary returns what Error returns, for encoders such as MessagePack and CBOR.
func (e Error) MarshalBinary() ([]byte, error) { return []byte(e.Error()), nil }

// MarshalBSON fails: an error is no document.
func (e Error) MarshalBSON() ([]byte, error) { return nil, errNoDocument }

// Unwrap returns the cause of a call that got no answer: the context's error,
// a network error, an error of your own reader. Its text is not covered by
// the promise that Error makes.
func (e *Error) Unwrap() error { return e.cause }

// Is matches the sentinels of this package and ErrorCode values.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized || e.hasCode(CodeMissingAPIKey) || e.hasCode(CodeInvalidAPIKey)
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrPreconditionFailed:
		return e.StatusCode == http.StatusPreconditionFailed
	case ErrOutcomeUnknown:
		return e.Outcome == OutcomeUnknown
	case ErrAnswerTooLarge:
		return isTooLarge(e.cause)
	}
	code, ok := target.(ErrorCode)
	return ok && e.hasCode(code)
}

// isTooLarge reports whether an answer took more than its limit.
func isTooLarge(err error) bool {
	for _, too := range []error{
		transport.ErrBodyTooLarge, wire.ErrSize, imagebody.ErrMetaTooLarge, imagebody.ErrTooLarge,
	} {
		if errors.Is(err, too) {
			return true
		}
	}
	return false
}

func (e *Error) hasCode(code ErrorCode) bool {
	return slices.ContainsFunc(e.Errors, func(d ErrorDetail) bool { return d.Code == code })
}

// Transient reports whether the same call may succeed later: nothing was
// answered, the answer broke off, the service was busy or failing (every 5xx but
// 501 and 505), or a data provider was. What a person has to change first is not
// transient: a certificate that is not accepted, a proxy that refuses, http where
// the server speaks TLS. It says nothing about whether a repeat is safe; Outcome
// does.
func (e *Error) Transient() bool {
	if e.StatusCode == 0 {
		return !errors.Is(e.cause, ErrInvalidInput) && !transport.IsLasting(e.cause)
	}
	if transport.IsTransient(e.StatusCode) {
		return true
	}
	if e.StatusCode/100 == 2 && e.cause != nil { // its body did not arrive
		return !transport.IsFinal(e.cause) && !isTooLarge(e.cause) && describeTransfer(e.cause) == "" &&
			!errors.Is(e.cause, wire.ErrSyntax) && !errors.Is(e.cause, wire.ErrShape)
	}
	return e.hasCode(CodeProviderTimeout) || e.hasCode(CodeProviderConnectionError) ||
		e.hasCode(CodeProviderUnknownError) || e.hasCode(CodeUserMigrationError)
}

// Body returns what the server sent with a refusal, at most 1 MiB of it. It
// may hold personal data.
func (e *Error) Body() []byte {
	if e.answer == nil {
		return nil
	}
	body := e.answer().body
	return slices.Clone(body[:min(len(body), 1<<20)])
}

// failedText is the text of the failed call in the error types that hold one. A
// value that a program made itself has none.
func failedText(failed error) string {
	if failed == nil {
		return "passfort: the call failed"
	}
	return failed.Error()
}

// formatText prints a text as a string, also for verbs that strings do not have:
// fmt would print the fields of the value then.
func formatText(f fmt.State, verb rune, text string) {
	if !strings.ContainsRune("qxX", verb) {
		verb = 's'
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), text)
}

// errNoDocument is how the encoders end that keep documents only: going by the
// fields of an error they would print its data.
var errNoDocument = errors.New("passfort: an error is no document")

// jsonText encodes the text of an error as a JSON string.
func jsonText(err error) []byte {
	text, _ := json.Marshal(err.Error())
	return text
}

// inputError is an argument that was refused before anything was sent.
type inputError string

func (e inputError) Error() string        { return "passfort: invalid input: " + string(e) }
func (e inputError) Is(target error) bool { return target == ErrInvalidInput }

// describe puts the cause of a missing answer into words that hold no address,
// id or data, whatever the text of the cause itself may hold.
func describe(err error) string {
	var input inputError
	var reason *transport.Reason
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var timeout net.Error
	var ended *transport.Ended
	switch {
	case err == nil:
		return ""
	case errors.As(err, &ended):
		text := "the deadline passed"
		if errors.Is(err, context.Canceled) {
			text = "the context was cancelled"
		}
		if ended.Before != nil {
			text += "; before that: " + describe(ended.Before)
		}
		return text
	case errors.As(err, &input):
		return strings.TrimPrefix(input.Error(), "passfort: ")
	case errors.As(err, &reason):
		return reason.Error()
	case describeTransfer(err) != "":
		return describeTransfer(err)
	case errors.Is(err, context.Canceled):
		return "the context was cancelled"
	case errors.Is(err, transport.ErrAttemptTimeout):
		return transport.ErrAttemptTimeout.Error()
	case errors.Is(err, transport.ErrBodyTooLarge), errors.Is(err, wire.ErrSize):
		return "the answer is larger than the limit"
	case errors.Is(err, context.DeadlineExceeded):
		return "the deadline passed"
	case errors.As(err, &dns):
		return "the host name was not resolved"
	case errors.As(err, &certificate), errors.As(err, &authority):
		return "the server's certificate was not accepted"
	case transport.SystemText(err) != "":
		return transport.SystemText(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the network timed out"
	case errors.Is(err, wire.ErrSyntax):
		return "the answer is not valid JSON"
	case errors.Is(err, wire.ErrShape):
		return "the answer has another shape than this operation's"
	default:
		return "no usable answer"
	}
}

// errorsRule says what a member "errors" means in the answer of an operation. The API may refuse a
// call with status 200 and nothing but that member, and some resources have a member of that name
// of their own (docs/api/basics.md#errors).
type errorsRule uint8

const (
	errorsRefuse        errorsRule = iota // the call was refused
	errorsUnlessID                        // only without an "id": a check has errors of its own
	errorsUnlessResults                   // only without "companies": the search had errors
)

// refusals returns the error items of a 2xx answer that refuses the call. An error means
// that a name appears twice in an answer that may.
func (r errorsRule) refusals(doc wire.Document) ([]ErrorDetail, error) {
	if !doc.Has() {
		return nil, nil
	}
	var found struct {
		ID        string          `json:"id"`
		Companies json.RawMessage `json:"companies"`
		Errors    json.RawMessage `json:"errors"`
	}
	if err := wire.Unmarshal(doc.Text(), &found); err != nil {
		return nil, err
	}
	hasCompanies := bytes.ContainsAny(found.Companies, "{") // an array that is not empty
	if r == errorsUnlessID && found.ID != "" || r == errorsUnlessResults && hasCompanies {
		return nil, nil
	}
	return errorItems(found.Errors), nil
}

// errorItems decodes the value of "errors": a list, one bare object, or a text.
// An empty one of them is no error.
func errorItems(raw json.RawMessage) []ErrorDetail {
	if items, is := wire.First(raw, keptErrors); is {
		var list []ErrorDetail
		for _, item := range items {
			if detail, is := errorItem(item); is {
				list = append(list, detail)
			}
		}
		return list
	}
	if one, is := errorItem(raw); is && !isEmptyObject(raw) {
		return []ErrorDetail{one}
	}
	if message := text(raw); message != "" && raw[0] == '"' {
		return []ErrorDetail{{Message: message}}
	}
	return nil
}

// errorItem decodes an object. One that would take many times the memory of its text is
// an item without anything in it.
func errorItem(raw json.RawMessage) (detail ErrorDetail, is bool) {
	room := int64(len(raw)) + 64<<10
	err := wire.UnmarshalWithin(raw, &detail, nil, room)
	return detail, err == nil || errors.Is(err, wire.ErrSize)
}

const (
	keptErrors    = 20 // items of an answer
	printedErrors = 5  // codes in a text or log line
)

func isEmptyObject(raw json.RawMessage) bool {
	return len(bytes.Trim(raw, "{} \t\r\n")) == 0
}

// refusedWith returns the error items of an answer outside 2xx, if it has any.
func refusedWith(body []byte) []ErrorDetail {
	var answer struct {
		Errors json.RawMessage `json:"errors"`
	}
	_, plain := lookForErrors(body, true)
	if plain.Unmarshal(&answer, nil, 0) != nil {
		return nil
	}
	return errorItems(answer.Errors)
}
