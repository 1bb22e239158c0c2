//go:build !plan9

// Package unreachable has the error of a connection that is not accepted, on every system.
package unreachable

import "syscall"

// Error returns the system's error.
func Error() error { return syscall.ECONNREFUSED }
