// Package api holds the description of the Passfort 4.0 API in OpenAPI 3.1, made
// from the operations, the model types and their comments.
//
// Objects may have more members than it names, and enums more values than its
// x-known-values. Each operation says since when and how surely it is known
// (x-since, x-certainty), where that stands (x-source), whether a call may be
// sent again when its answer was lost (x-replay) and what it may cost (x-charge).
package api

import _ "embed"

var (
	//go:embed openapi.yaml
	openAPI string
	//go:embed openapi.html
	page string
)

// OpenAPI returns the description, as YAML.
func OpenAPI() []byte { return []byte(openAPI) }

// Page returns the description as a page to read: HTML without scripts, that
// links to openapi.yaml beside it.
func Page() []byte { return []byte(page) }
