package passfort

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A name that may hold anything else than a name is not reported.
func TestNewsworthyEventNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"AZaz09_-.", strings.Repeat("x", 64)} {
		require.Equal(t, name, EventName(name).newsworthy())
	}
	for _, odd := range []string{"@", "[", "`", "{", "/", ":", " ", "é", strings.Repeat("x", 65)} {
		require.Equal(t, "unknown", EventName(odd).newsworthy(), odd)
	}
}

func TestDriftIsBounded(t *testing.T) {
	t.Parallel()
	reported := 0
	f := newDriftFilter(func(Drift) { reported++ })
	for i := range maxDrift + 10 {
		f.tell(Drift{Pointer: fmt.Sprint(i)})
		f.tell(Drift{Pointer: fmt.Sprint(i)})
	}
	require.Equal(t, maxDrift, reported)
}
