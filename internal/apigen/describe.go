package main

import (
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// object makes an object of keys and values by turns, in that order. A nil
// value leaves its key out.
func object(pairs ...any) yaml.MapSlice {
	o := yaml.MapSlice{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != nil {
			o = append(o, yaml.MapItem{Key: pairs[i], Value: pairs[i+1]})
		}
	}
	return o
}

// text is nil if it is empty, so that object leaves its key out.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func ref(kind, name string) yaml.MapSlice { return object("$ref", "#/components/"+kind+"/"+name) }

// describer makes the description of a source.
type describer struct {
	*source
	samples map[string]string // calls in Go, by operation
}

// description returns the whole document.
func (d *describer) description(version string) yaml.MapSlice {
	return object(
		"openapi", "3.1.0",
		"info", object(
			"title", "Passfort API 4.0, as it is known",
			"version", version,
			"summary", "Onboarding of people and companies: profiles, checks, tasks, applications.",
			"description", about,
			"license", object("name", "MIT", "identifier", "MIT"),
		),
		"externalDocs", object("description", "Every fact with its source and certainty", "url", docsURL+"README.md"),
		"servers", []any{
			object("url", "https://api.eu.maxsight.com/4.0", "description", "European Union"),
			object("url", "https://api.us.maxsight.com/4.0", "description", "United States"),
			object("url", "https://api.ae.maxsight.com/4.0", "description", "United Arab Emirates"),
			object("url", "https://api.passfort.com/4.0", "description", "European Union, the older name"),
		},
		"security", []any{object("key", []any{})},
		"tags", d.tags(),
		"paths", d.paths(),
		"webhooks", d.webhooks(),
		"components", object(
			"securitySchemes", object("key", object(
				"type", "apiKey", "in", "header", "name", "apikey",
				"description", "A key of the account. Narrow keys, of customer requests and collection, may do little.",
			), "secret", object("type", "http", "scheme", "bearer", "description", "The secret of the account's "+
				"webhooks.")),
			"headers", headers(),
			"responses", responses(),
			"schemas", d.schemas(),
		),
	)
}

const docsURL = "https://github.com/passfort-go/passfort/blob/main/docs/api/"

const about = `Written from public sources, without access to the API: what a fact
rests on stands behind x-source, how sure it is behind x-certainty.

- Objects may have more members than these, and may lack any that is not required.
- A member that is null is absent. Nulls that were sent may come back.
- Enums are open: x-known-values are those that are known.
- A success is any status 2xx. Errors may also come with status 200: an object with
  errors and without what was asked for.
- x-replay says whether a call may be sent again when its answer was lost.
`

// tags returns one for each service, in the order of the table.
func (d *describer) tags() []any {
	var all []any
	var seen []string
	for _, op := range d.operations {
		if tag := tagOf(op.name); !slices.Contains(seen, tag) {
			seen = append(seen, tag)
			all = append(all, object("name", tag, "description", tagText[tag]))
		}
	}
	return append(all, object("name", "Webhooks", "description", tagText["Webhooks"]))
}

var tagText = map[string]string{
	"Profiles": "Customers and their associates.", "CollectedData": "What customers said about themselves.",
	"Documents": "Documents and their images.", "Applications": "What profiles apply for.",
	"Checks": "Questions to data providers.", "Tasks": "Due diligence that applications require.",
	"Events": "Findings, such as a sanction.", "Files": "Files of a profile.", "Tags": "Words on profiles.",
	"Audit": "What happened to a profile.", "Collect": "Data that customers still have to give.",
	"Search": "Companies and addresses.", "WhoAmI": "The key itself.", "Forms": "Forms that customers fill in.",
	"Webhooks": "Messages of Passfort to an endpoint of yours.",
}

func tagOf(operation string) string { tag, _, _ := strings.Cut(operation, "."); return tag }

// paths returns the operations by path, both in the order of the table.
func (d *describer) paths() yaml.MapSlice {
	var paths yaml.MapSlice
	at := map[string]int{}
	for _, op := range d.operations {
		if _, known := at[op.route]; !known {
			at[op.route] = len(paths)
			paths = append(paths, yaml.MapItem{Key: op.route, Value: object()})
		}
		item := &paths[at[op.route]]
		item.Value = append(item.Value.(yaml.MapSlice), yaml.MapItem{Key: op.method, Value: d.operation(op)})
	}
	return paths
}

func (d *describer) operation(op operation) yaml.MapSlice {
	s := d.shapes[op.name]
	responses := object("200", d.success(s))
	if s.etag == "write" {
		responses = append(responses, yaml.MapItem{Key: "412", Value: object(
			"description", "Another writer came first. The body is the latest data and the header its ETag, as a rule.",
			"headers", object("Etag", ref("headers", "ETag")), "content", d.content("EntityData"),
		)})
	}
	responses = append(responses,
		yaml.MapItem{Key: "429", Value: ref("responses", "TooMany")},
		yaml.MapItem{Key: "4XX", Value: ref("responses", "Refused")},
		yaml.MapItem{Key: "5XX", Value: ref("responses", "Failed")},
	)
	page, anchor, _ := strings.Cut(s.page, "#")
	return object(
		"operationId", strings.ReplaceAll(op.name, ".", ""),
		"tags", []any{tagOf(op.name)},
		"summary", s.summary,
		"externalDocs", object("url", docsURL+page+"#"+anchor),
		"parameters", d.parameters(op, s),
		"requestBody", d.requestBody(s),
		"responses", responses,
		"x-sdk-name", op.name,
		"x-since", op.since,
		"x-certainty", op.sure,
		"x-source", "docs/api/"+s.page,
		"x-replay", op.class,
		"x-replay-meaning", replayed[op.class],
		"x-charge", text(op.charged),
		"x-own-rate-limit", yes(op.rateLimited),
		"x-codeSamples", []any{object("lang", "Go", "source", d.samples[op.name]+"\n")},
	)
}

func yes(b bool) any {
	if b {
		return true
	}
	return nil
}

var braces = regexp.MustCompile(`\{([a-z_]+)\}`)

func (d *describer) parameters(op operation, s shape) any {
	var all []any
	for _, name := range braces.FindAllStringSubmatch(op.route, -1) {
		schema := object("type", "string", "minLength", 1)
		if strings.HasSuffix(name[1], "_id") {
			schema = append(schema, yaml.MapItem{Key: "description", Value: "A UUID."})
		}
		all = append(all, object("name", name[1], "in", "path", "required", true, "schema", schema))
	}
	parts := s.queryParts
	if st := d.structs[s.query]; st != nil {
		for _, f := range st.fields {
			parts = append(parts, part{f.name, typeName(f.typ), prose(f.doc, "", st.fields)})
		}
	}
	for _, p := range parts {
		var style, explode any
		if strings.HasPrefix(p.typ, "[]") {
			style, explode = "form", false
		}
		all = append(all, object(
			"name", p.name, "in", "query", "required", yes(slices.Contains(requiredParameters[s.query], p.name)),
			"description", text(p.doc), "style", style, "explode", explode, "schema", d.named(p.typ),
		))
	}
	if s.etag == "write" {
		all = append(all, object(
			"name", "If-Match", "in", "header", "schema", object("type", "string"),
			"description", "The ETag of the data that the change was made to. Without it the last writer wins.",
		))
	}
	if all == nil {
		return nil
	}
	return all
}

func (d *describer) requestBody(s shape) any {
	if s.body == "" && s.bodyParts == nil {
		return nil
	}
	var schema yaml.MapSlice
	if s.bodyParts != nil {
		members := object()
		for _, p := range s.bodyParts {
			members = append(members, yaml.MapItem{Key: p.name, Value: described(d.named(p.typ), p.doc)})
		}
		schema = object("type", "object", "properties", members, "required", list(s.required), "additionalProperties",
			true)
	} else if schema = d.named(s.body); len(s.required) > 0 {
		demand := object("required", list(s.required))
		if element, isList := strings.CutPrefix(s.body, "[]"); isList {
			schema = object("type", "array", "items", object("allOf", []any{d.named(element), demand}))
		} else {
			schema = object("allOf", []any{schema, demand})
		}
	}
	return object("required", yes(s.body != "revert"), "content", object("application/json", object("schema", schema)))
}

func list(names []string) any {
	if len(names) == 0 {
		return nil
	}
	return names
}

func (d *describer) content(typ string) yaml.MapSlice {
	return object("application/json", object("schema", d.named(typ)))
}

// success returns the response of a call that was carried out.
func (d *describer) success(s shape) yaml.MapSlice {
	o := object("description", "What was asked for.")
	switch {
	case s.answer == "pdf":
		return object("description", "The report.", "content",
			object("application/pdf", object("schema", object("type", "string", "format", "binary"))))
	case s.answer == "":
		return object("description", "It was done. The body is null, or there is none.",
			"content", object("application/json", object("schema", object("type", "null"))))
	case s.id:
		o = append(o, yaml.MapItem{Key: "content", Value: object("application/json", object("schema",
			object("allOf", []any{d.named(s.answer), object("required", []string{"id"})})))})
	default:
		o = append(o, yaml.MapItem{Key: "content", Value: d.content(s.answer)})
	}
	if s.etag != "" {
		o = slices.Insert(o, 1, yaml.MapItem{Key: "headers", Value: object("Etag", ref("headers", "ETag"))})
	}
	return o
}

func headers() yaml.MapSlice {
	seconds := func(what string) yaml.MapSlice {
		return object("description", what, "schema", object("type", "string", "examples", []any{"12"}))
	}
	return object(
		"ETag", object("description", "The version of the data, weak: for If-Match.", "schema",
			object("type", "string", "examples", []any{`W/"1700000000.123"`})),
		"RateLimitReset", seconds("Seconds until the whole quota is back."),
		"RateLimitRetry", seconds("Seconds until one call is allowed."),
	)
}

func responses() yaml.MapSlice {
	errors := object("application/json", object("schema", ref("schemas", "Errors")))
	return object(
		"Refused", object("description", "Refused, and as a rule nothing was done.", "content", errors),
		"Failed", object("description", "The server failed. Whether a write was done is not known.", "content", errors),
		"TooMany", object("description", "Too many calls. Nothing was done.", "headers", object(
			"X-RateLimit-Reset-Secs", ref("headers", "RateLimitReset"), "X-RateLimit-Retry-Secs",
			ref("headers", "RateLimitRetry"),
		), "content", errors),
	)
}

// schemas returns the model types and the enums, sorted.
func (d *describer) schemas() yaml.MapSlice {
	all := map[string]yaml.MapSlice{"Errors": object(
		"description", "The body of a refusal. Some answers had one object where the list is.",
		"type", "object", "properties", object("errors", object("anyOf", []any{
			object("type", "array", "items", ref("schemas", "ErrorDetail")), ref("schemas", "ErrorDetail"),
		})), "required", []string{"errors"}, "additionalProperties", true,
	)}
	for name, st := range d.structs {
		if st.model || name == "customerRequestBody" || name == "aliasRef" {
			all[schemaName(name)] = d.structure(name, st)
		}
	}
	for name, e := range d.enums {
		if len(e.values) > 0 && d.isAPI(name) {
			all[name] = object("description", text(prose(e.doc, name, nil)), "type", "string", "x-known-values",
				e.values)
		}
	}
	all["WebhookMessage"], all["WebhookBatch"] = webhookMessage(), webhookBatch()
	sorted := object()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, yaml.MapItem{Key: name, Value: all[name]})
	}
	return sorted
}

// isAPI reports whether a member or a parameter of the API has the enum.
func (d *describer) isAPI(name string) bool {
	for _, st := range d.structs {
		for _, f := range st.fields {
			if strings.TrimLeft(typeName(f.typ), "[]*") == name || strings.HasSuffix(typeName(f.typ), "]"+name) {
				return true
			}
		}
	}
	for _, s := range d.shapes {
		if s.answer == name || s.body == name ||
			slices.ContainsFunc(slices.Concat(s.queryParts, s.bodyParts), func(p part) bool { return p.typ == name }) {
			return true
		}
	}
	return false
}

// schemaName is the Go name of a type with a capital.
func schemaName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func (d *describer) structure(name string, st *structure) yaml.MapSlice {
	members := object()
	for _, p := range guessed[name] {
		members = append(members, yaml.MapItem{Key: p.name, Value: described(d.named(p.typ), p.doc)})
	}
	for _, f := range st.fields {
		typ := typeName(f.typ)
		if known := kept[name+"."+f.name]; known != "" {
			typ = known
		}
		schema := d.named(typ)
		if mayBeNull(name, f.name) {
			schema = orNull(schema)
		}
		members = append(members, yaml.MapItem{Key: f.name, Value: described(schema, prose(f.doc, "", st.fields))})
	}
	return object("description", text(prose(st.doc, name, st.fields)), "type", "object", "properties", members,
		"additionalProperties", true)
}

// mayBeNull reports whether a member of a type may be null.
func mayBeNull(typ, member string) bool {
	return slices.Contains(nullable[typ], member) ||
		slices.Contains(causes, member) && slices.Contains(slices.Collect(maps.Values(payloads)), typ)
}

// described adds a description to a schema. Beside a reference it may stand as
// well, since 3.1.
func described(schema yaml.MapSlice, doc string) yaml.MapSlice {
	if doc == "" {
		return schema
	}
	return append(slices.Clip(schema), yaml.MapItem{Key: "description", Value: doc})
}

// orNull lets a schema be null as well.
func orNull(schema yaml.MapSlice) yaml.MapSlice {
	if schema[0].Key == "type" {
		schema = slices.Clone(schema)
		schema[0].Value = []any{schema[0].Value, "null"}
		return schema
	}
	return object("anyOf", []any{schema, object("type", "null")})
}

// typeName prints a type as it is in Go.
func typeName(typ ast.Expr) string {
	switch t := typ.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.ArrayType:
		return "[]" + typeName(t.Elt)
	case *ast.MapType:
		return "map[" + typeName(t.Key) + "]" + typeName(t.Value)
	case *ast.SelectorExpr:
		return typeName(t.X) + "." + t.Sel.Name
	}
	return fmt.Sprintf("%T", typ)
}

// named returns the schema of a Go type.
func (d *describer) named(typ string) yaml.MapSlice {
	if element, isList := strings.CutPrefix(typ, "[]"); isList {
		return object("type", "array", "items", d.named(element))
	}
	if value, isMap := strings.CutPrefix(typ, "map[string]"); isMap {
		return object("type", "object", "additionalProperties", d.named(value))
	}
	switch typ {
	case "output":
		return d.output()
	case "requestKey":
		return object("anyOf", []any{d.named("Secret"), object("type", "object", "properties", object(
			"name", d.named("string"), "key", d.named("Secret"), "expiry", orNull(d.named("string")),
		), "required", []string{"key"}, "additionalProperties", true)})
	}
	switch typ {
	case "string":
		return object("type", "string")
	case "Secret":
		return object("type", "string", "format", "password")
	case "bool":
		return object("type", "boolean")
	case "int", "ErrorCode":
		return object("type", "integer")
	case "float64", "json.Number":
		return object("type", "number")
	case "json.RawMessage", "any":
		return object()
	}
	if d.structs[typ] == nil && d.enums[typ] == nil {
		panic("no schema of " + typ)
	}
	return ref("schemas", schemaName(typ))
}

// output is what a check came to: the shape depends on its type.
func (d *describer) output() yaml.MapSlice {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(d.structs)) {
		if strings.HasSuffix(name, "Output") && d.structs[name].model && name != "CategoryGroupOutput" {
			all = append(all, d.named(name))
		}
	}
	return object("anyOf", append(all, object("type", []any{"object", "null"})))
}

func webhookMessage() yaml.MapSlice {
	return object(
		"description", "One message. The secret of the account is in it, and in the header Authorization.",
		"type", "object", "properties", object(
			"id", object("type", "string", "description", "The same when the message is sent again."),
			"event", object("type", "string", "description", "A name, in any case."),
			"secret", object("type", "string", "format", "password"),
			"timestamp", object("type", "number", "description", "Unix seconds."),
			"data", object("type", "object", "additionalProperties", true),
		), "required", []string{"event", "data"}, "additionalProperties", true,
	)
}

func webhookBatch() yaml.MapSlice {
	batch := object("type", "array", "items", ref("schemas", "WebhookMessage"), "minItems", 1)
	return object(
		"description", "Several messages of any events. Neither form is published: both are guesses.",
		"oneOf", []any{batch, object(
			"type", "object", "properties", object("events", batch), "required", []string{"events"},
		)},
	)
}

// webhooks returns every event that is known or guessed.
func (d *describer) webhooks() yaml.MapSlice {
	all := object()
	for _, e := range d.events {
		message := ref("schemas", "WebhookMessage")
		data := object("type", "object", "additionalProperties", true)
		if typ := payloads[e.name]; typ != "" {
			data = d.named(typ)
		}
		message = object("allOf", []any{message, object("properties", object(
			"event", object("const", e.name), "data", data,
		))})
		all = append(all, yaml.MapItem{Key: e.name, Value: object("post", object(
			"operationId", "on"+strings.ReplaceAll(title(e.name), " ", ""),
			"tags", []any{"Webhooks"},
			"summary", e.name,
			"description", text(schemaName(prose(e.doc, "", nil))),
			"externalDocs", object("url", docsURL+"webhooks.md#event-names"),
			"security", []any{object("secret", []any{})},
			"requestBody", object("required", true, "content", object("application/json", object("schema", object(
				"description", "One message, or several of any events in a batch.",
				"oneOf", []any{message, ref("schemas", "WebhookBatch")},
			)))),
			"responses", object(
				"200", object("description",
					"Taken. Whatever else is answered, the message comes again and holds up those behind it."),
				"4XX", object("description", "Not taken: it comes again."),
			),
			"x-certainty", certaintyOf(e.doc),
			"x-source", "docs/api/webhooks.md#event-names",
		))})
	}
	return all
}

func certaintyOf(doc string) string {
	switch {
	case strings.Contains(doc, "guess"):
		return "guess"
	case strings.Contains(doc, "observed"):
		return "medium"
	}
	return "high"
}

// title makes PRODUCT_STATUS_CHANGED "Product Status Changed".
func title(event string) string {
	words := strings.Split(strings.ToLower(event), "_")
	for i, w := range words {
		words[i] = schemaName(w)
	}
	return strings.Join(words, " ")
}
