//go:build !unix

package journal

import "os"

// lock does nothing where there is no advisory lock.
func lock(*os.File) error { return nil }

// unlock has nothing to end.
func unlock(*os.File) error { return nil }

// syncDir does nothing where a directory cannot be synced.
func syncDir(string) error { return nil }
