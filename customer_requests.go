package passfort

// FormsService makes customer requests.
type FormsService struct{ road *road }
