// Package generated is what a code generator makes of openapi.yaml: a peer of
// the benchmarks.
package generated

//go:generate go tool oapi-codegen -config ../oapi-codegen.yaml ../openapi.yaml
