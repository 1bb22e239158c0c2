//go:build !plan9

package transport

import (
	"errors"
	"syscall"
)

// SystemText returns the text of the system's error in err, such as "connection
// refused", or "". It holds no address.
func SystemText(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return ""
}
