package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// generator makes values of schemas, and spoils them.
type generator struct {
	*rand.Rand
	description map[string]any
	ids         func(member string) []string // ids to put in a member
}

func newGenerator(t *testing.T, random *rand.Rand) *generator {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "api", "openapi.yaml"))
	require.NoError(t, err)
	g := &generator{Rand: random, ids: func(string) []string { return nil }}
	require.NoError(t, yaml.Unmarshal(raw, &g.description))
	return g
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) chance(p float64) bool { return g.Float64() < p }

// resolved follows a reference and returns the name of the schema with it.
func (g *generator) resolved(schema map[string]any) (is map[string]any, name string) {
	for {
		at, isRef := schema["$ref"].(string)
		if !isRef {
			return schema, name
		}
		var v any = g.description
		for part := range strings.SplitSeq(strings.TrimPrefix(at, "#/"), "/") {
			v = v.(map[string]any)[part]
			name = part
		}
		schema = v.(map[string]any)
	}
}

// always are members that a value is of no use without.
var always = map[string][]string{
	"Address": {"type", "country", "text"}, "DatedAddress": {"address"}, "EntityData": {"entity_type"},
	"ApplicationRequest": {"product"}, "ProductRef": {"alias"}, "CheckRequest": {"result"},
	"DocumentImage": {"id"}, "Event": {"resolution"},
}

// value makes one of a schema; member is what it is called.
func (g *generator) value(schema map[string]any, member string, depth int) any {
	schema, name := g.resolved(schema)
	for _, of := range []string{"anyOf", "oneOf"} {
		if options, is := schema[of].([]any); is {
			return g.value(pick(g, options...).(map[string]any), member, depth)
		}
	}
	if parts, is := schema["allOf"].([]any); is {
		return g.merged(parts, member, depth)
	}
	kind, _ := schema["type"].(string)
	if kinds, is := schema["type"].([]any); is {
		kind = pick(g, kinds...).(string)
	}
	switch kind {
	case "object":
		return g.object(schema, name, nil, depth)
	case "array":
		list := []any{}
		for range g.IntN(3) {
			list = append(list, g.value(schema["items"].(map[string]any), member, depth+1))
		}
		return list
	case "string":
		return g.text(schema, member)
	case "integer":
		return g.IntN(1000)
	case "number":
		return json.Number(pick(g, "0", "5", "0.10", "1e-7", "-3.5", "1000000"))
	case "boolean":
		return g.chance(0.5)
	case "null":
		return nil
	}
	return pick[any](g, nil, "text", 5, []any{}, map[string]any{"a": 1})
}

// merged makes a value of all parts: of the first, with what the others require.
func (g *generator) merged(parts []any, member string, depth int) any {
	var required []any
	for _, p := range parts[1:] {
		demand, _ := p.(map[string]any)["required"].([]any)
		required = append(required, demand...)
	}
	schema, name := g.resolved(parts[0].(map[string]any))
	if schema["type"] == "object" {
		return g.object(schema, name, required, depth)
	}
	return g.value(schema, member, depth)
}

func (g *generator) object(schema map[string]any, name string, required []any, depth int) any {
	o := map[string]any{}
	if more, is := schema["additionalProperties"].(map[string]any); is {
		for range g.IntN(3) {
			o[pick(g, "GBR", "USA", "RKS", "a_b", "x")] = g.value(more, "", depth+1)
		}
	}
	demanded, _ := schema["required"].([]any)
	required = append(required, demanded...)
	members, _ := schema["properties"].(map[string]any)
	names := make([]string, 0, len(members))
	for member := range members {
		names = append(names, member)
	}
	slices.Sort(names) // the same values in each run
	for _, member := range names {
		if slices.Contains(required, any(member)) || slices.Contains(always[name], member) ||
			g.chance(0.4/float64(depth*depth+1)) {
			o[member] = g.value(members[member].(map[string]any), member, depth+1)
		}
	}
	return o
}

// text makes a string that fits its member, as a rule.
func (g *generator) text(schema map[string]any, member string) string {
	if found := g.ids(member); len(found) > 0 {
		return pick(g, found...)
	}
	if member == "status" && g.chance(0.5) {
		return pick(g, "APPROVED", "REJECTED", "CANCELLED") // what leads on
	}
	full, _ := g.resolved(schema)
	if known, is := full["x-known-values"].([]any); is {
		return pick(g, known...).(string)
	}
	switch {
	case strings.Contains(member, "country") || member == "nationality":
		return pick(g, "GBR", "USA", "DEU")
	case member == "dob" || strings.HasSuffix(member, "date") || strings.HasSuffix(member, "_on") ||
		slices.Contains([]string{"issued", "expiry", "start", "end", "date_of_filing"}, member):
		return pick(g, "1990-12-31", "2001-02-03")
	case member == "alias":
		return pick(g, "rich", "plain", "gold")
	case member == "data":
		return "JVBERi0xLjcKJSVFT0YK"
	case member == "result":
		return "2+2"
	case member == "type":
		return "FLOW"
	}
	return pick(g, "", "Kim", "Doe Sanction", "A St, B", "1", "vip", "Ünïcödé")
}

// odd is a JSON text that a careless program cannot take.
func (g *generator) odd() json.RawMessage {
	nested := func(levels int) string { return strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels) }
	return json.RawMessage(pick(g, `null`, `true`, `0`, `-0`, `5`, `1.5`, `1e400`, `-1e400`, `1E5`, `1e-400`,
		`9223372036854775808`, `123456789012345678901234567890.5`, `""`, `" "`, `"null"`, `"\u0000"`, `"\ud800"`,
		`"\u2028<&>'\""`, `"../../x"`, `"%00"`, `"2+2"`, `"31/12/1990"`, `"9999-99-99"`, `"true"`, `[]`, `[null]`,
		`[[],{}]`, `{}`, `{"":null}`, `{"id":5}`, `{"__proto__":{"a":1}}`, `{"a":1,"a":2}`, `{"$ref":"#"}`,
		nested(40), nested(600), `"`+strings.Repeat("long ", 2000)+`"`))
}

// spoiled changes one thing somewhere in a value.
func (g *generator) spoiled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 || g.chance(0.25) {
			return g.spoiledObject(v)
		}
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		name := pick(g, names...)
		v[name] = g.spoiled(v[name])
		return v
	case []any:
		if len(v) == 0 || g.chance(0.2) {
			return pick[any](g, append(v, g.odd()), append(v, v...), nil, map[string]any{"0": v})
		}
		i := g.IntN(len(v))
		v[i] = g.spoiled(v[i])
		return v
	}
	return g.odd()
}

func (g *generator) spoiledObject(v map[string]any) any {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	switch g.IntN(5) {
	case 0:
		return g.odd()
	case 1:
		return []any{v}
	case 2:
		v[pick(g, "new_member", "", "a/b~c", "__proto__", "\u2028")] = g.odd()
	case 3:
		if len(names) > 0 {
			name := pick(g, names...)
			v[strings.ToUpper(name)] = v[name]
			delete(v, name)
		}
	default:
		if len(names) > 0 {
			delete(v, pick(g, names...))
		}
	}
	return v
}

// broken is a text that is no JSON any more, or not of the right kind.
func (g *generator) broken(body string) string {
	switch g.IntN(6) {
	case 0:
		return body[:g.IntN(len(body)+1)]
	case 1:
		return ""
	case 2:
		return body + body
	case 3:
		return "\xef\xbb\xbf" + body
	case 4:
		return strings.Replace(body, `"`, "\"\xff", 1)
	}
	return string(g.odd())
}
