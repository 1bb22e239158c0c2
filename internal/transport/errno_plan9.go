package transport

// SystemText returns "": the errors of this system are texts that may hold an
// address.
func SystemText(error) string { return "" }
