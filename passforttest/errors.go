package passforttest

// The codes Passfort puts into an error object. They are independent of HTTP statuses
// (docs/api/basics.md#errors).
const (
	CodeMissingRequiredFields   = 101
	CodeEntityAlreadyApproved   = 102
	CodeEntityAlreadyRejected   = 103
	CodeChargeableLimitReached  = 104
	CodeConstraintsNotSatisfied = 105
	CodeInvalidInputData        = 201
	CodeDataPresent             = 202
	CodeMissingAPIKey           = 203
	CodeInvalidAPIKey           = 204
	CodeProviderConnectionError = 302
	CodeUnknownInternalError    = 401
	CodeTransitionError         = 402
)

// ErrorObject is one entry of an error envelope, or of a check's errors.
type ErrorObject struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Source  string `json:"source,omitempty"` // API, ENGINE or PROVIDER
	// Info is anything more. A refusal of a body has {"pointer": ...}, a JSON
	// pointer to what is wrong.
	Info any `json:"info,omitempty"`
}

// kind is how a call ended. HTTP makes a status of it.
type kind int

const (
	carriedOut kind = iota
	wrong
	unauthorized
	forbidden
	absent
	notAllowed // the method
	late
	conflicting
	stale // the ETag
	tooLarge
	misdirected
	tooMany
	broken
)

// refusal is the answer to a call that fails.
type refusal struct {
	kind  kind
	err   ErrorObject
	more  []ErrorObject
	allow string // methods, if the method is not allowed
}

func (r *refusal) Error() string { return r.err.Message }

func refuse(k kind, code int, message string) *refusal {
	return &refusal{kind: k, err: ErrorObject{Code: code, Message: message, Source: "API"}}
}

func invalid(message string) *refusal {
	return refuse(wrong, CodeInvalidInputData, message)
}

func missing(field string) *refusal {
	return refuse(wrong, CodeMissingRequiredFields, "missing required field: "+field)
}

func notFound(what string) *refusal {
	return refuse(absent, CodeInvalidInputData, what+" not found")
}

// envelope is the body of a refused call: an array of error objects, or the
// single object older clients saw.
func envelope(sw Switches, errs ...ErrorObject) []byte {
	if sw.ErrorsAsObject && len(errs) == 1 {
		return encode(object{"errors": errs[0]})
	}
	return encode(object{"errors": errs})
}
