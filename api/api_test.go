package api_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/api"
)

func Example() {
	fmt.Println(bytes.Contains(api.OpenAPI(), []byte("\n      operationId: ChecksRun\n")))
	// Output: true
}

func TestPageNeedsNoScript(t *testing.T) {
	t.Parallel()
	require.Contains(t, string(api.Page()), `href="openapi.yaml"`)
	require.NotContains(t, string(api.Page()), "<script")
	require.NotContains(t, string(api.Page()), "style=")
}

func TestCallersCannotChangeIt(t *testing.T) {
	t.Parallel()
	api.OpenAPI()[0] = 'x'
	require.True(t, bytes.HasPrefix(api.OpenAPI(), []byte("# Code generated")))
}
