package passfort

// ErrorDetail is a stub.
type ErrorDetail struct {
	Unknown Unknown `json:"-"`
}

// Secret is a stub.
type Secret string
