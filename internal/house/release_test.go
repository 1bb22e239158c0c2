package house_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestReleaseHasOneVersion(t *testing.T) {
	t.Parallel()
	newest := regexp.MustCompile(`(?m)^## \[(\S+)\] - \d{4}-\d\d-\d\d$`).FindStringSubmatch(readFile(t, "CHANGELOG.md"))
	require.NotNil(t, newest)
	require.Equal(t, passfort.Version, newest[1])
	for _, module := range []string{"ratelimit", "otelpassfort"} {
		require.Contains(t, readFile(t, module+"/go.mod"), "github.com/passfort-go/passfort v"+passfort.Version+"\n")
	}
}
