//go:build tools

package passfort

import (
	_ "github.com/google/go-querystring/query"
	_ "github.com/hashicorp/go-retryablehttp"
	_ "github.com/stretchr/testify/require"
	_ "github.com/go-json-experiment/json/jsontext"
)
