package transport

import "errors"

// SystemText returns "": the errors of this system are texts that may hold an
// address.
func SystemText(error) string { return "" }

// ConnectionRefused returns the error of a connection that nobody accepts.
func ConnectionRefused() error { return errors.New("connection refused") }
