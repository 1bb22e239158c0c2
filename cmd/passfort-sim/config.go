package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort/passforttest"
)

//go:embed config.schema.json
var configSchema []byte

// world is what the file of -config may hold.
type world struct {
	Profiles  int                    `json:"profiles"`
	Products  []passforttest.Product `json:"products"`
	Flows     []passforttest.Flow    `json:"flows"`
	Companies []passforttest.Company `json:"companies"`
	Outcomes  map[string][]outcome   `json:"outcomes"`
	Switches  passforttest.Switches  `json:"switches"`
}

// outcome is a passforttest.Outcome as the file has it.
type outcome struct {
	Result   string                     `json:"result"`
	Decision string                     `json:"decision"`
	Errors   []passforttest.ErrorObject `json:"errors"`
	Output   any                        `json:"output"`
	After    time.Duration              `json:"after"`
	Never    bool                       `json:"never"`
}

// setOutcomes hands the outcomes of the file to the simulator.
func setOutcomes(sim *passforttest.Server, byType map[string][]outcome) error {
	for _, name := range slices.Sorted(maps.Keys(byType)) {
		var out []passforttest.Outcome
		for _, o := range byType[name] {
			out = append(out, passforttest.Outcome{
				Result: o.Result, Decision: o.Decision, Errors: o.Errors, Output: o.Output, After: o.After,
				Never: o.Never,
			})
		}
		if err := misspelled("/outcomes/"+name, func() { sim.SetCheckOutcome(name, out...) }); err != nil {
			return err
		}
	}
	return nil
}

// misspelled calls what panics at a word that the simulator does not know: in the
// file that is a mistake at this place.
func misspelled(at string, hand func()) (err error) {
	defer func() {
		switch said := recover().(type) {
		case nil:
		case string:
			err = fmt.Errorf("-config: %s: %s", at, strings.TrimPrefix(said, "passforttest: "))
		default:
			panic(said)
		}
	}()
	hand()
	return nil
}

// configLimit is how large the file may be.
const configLimit = 16 << 20

// readConfig reads the file of -config and holds it to its schema. Errors say where
// they are, as line and column or as a JSON pointer.
func readConfig(path string) (*world, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, configLimit+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > configLimit:
		return nil, errors.New("-config: the file is too large")
	}
	v, err := parseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("-config: %w", err)
	}
	var schema rule
	if err := json.Unmarshal(configSchema, &schema); err != nil {
		return nil, err
	}
	respell(v)
	if err := schema.check(&schema, v, ""); err != nil {
		return nil, fmt.Errorf("-config: %w", err)
	}
	v = schema.convert(&schema, v)
	nameSwitches(v)
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var w world
	if err := json.Unmarshal(plain, &w); err != nil {
		return nil, fmt.Errorf("-config: %w", err)
	}
	return &w, nil
}

// parseConfig decodes JSON and says where it is none.
func parseConfig(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if err == nil {
		return v, nil
	}
	at := d.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
	}
	before := raw[:min(int(at), len(raw))]
	line := bytes.Count(before, []byte("\n")) + 1
	return nil, fmt.Errorf("line %d, column %d: %w", line, len(before)-bytes.LastIndexByte(before, '\n')-1, err)
}

// rule is a schema, as far as ours uses the language.
type rule struct {
	Ref        string           `json:"$ref"`
	Type       string           `json:"type"`
	Format     string           `json:"format"`
	Enum       []string         `json:"enum"`
	Required   []string         `json:"required"`
	Minimum    *float64         `json:"minimum"`
	Items      *rule            `json:"items"`
	Properties map[string]*rule `json:"properties"`
	Additional json.RawMessage  `json:"additionalProperties"`
	Defs       map[string]*rule `json:"$defs"`
}

// resolve follows a reference.
func (r *rule) resolve(root *rule) *rule {
	if name, is := strings.CutPrefix(r.Ref, "#/$defs/"); is {
		return root.Defs[name]
	}
	return r
}

// rest is the rule of members that have none of their own: nil allows anything.
func (r *rule) rest() (other *rule, allowed bool) {
	if string(r.Additional) == "false" {
		return nil, false
	}
	if len(r.Additional) > 0 && json.Unmarshal(r.Additional, &other) != nil {
		return nil, true
	}
	return other, true
}

// check holds a value to a rule.
func (r *rule) check(root *rule, v any, at string) error {
	r = r.resolve(root)
	wrong := func(text string) error {
		if at == "" {
			at = "/"
		}
		return fmt.Errorf("%s: %s", at, text)
	}
	if r.Enum != nil {
		if s, is := v.(string); !is || !slices.Contains(r.Enum, s) {
			return wrong("is not one of " + strings.Join(r.Enum, ", "))
		}
	}
	if r.Type != "" && !r.fits(v) {
		if r.Format == "duration" {
			return wrong("is not a duration such as \"90s\" or \"720h\"")
		}
		return wrong("is not of the type " + r.Type)
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if r.Items == nil {
				break
			}
			if err := r.Items.check(root, e, at+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range r.Required {
			if _, there := v[name]; !there {
				return wrong("has no " + name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			member := r.Properties[name]
			if member == nil {
				other, allowed := r.rest()
				if !allowed {
					return wrong("has a member that is not known: " + strconv.Quote(name))
				}
				if member = other; member == nil {
					continue
				}
			}
			if err := member.check(root, v[name], at+"/"+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rule) fits(v any) bool {
	switch v := v.(type) {
	case string:
		if r.Format == "duration" {
			d, err := time.ParseDuration(v)
			return err == nil && d >= 0
		}
		return r.Type == "string"
	case bool:
		return r.Type == "boolean"
	case json.Number:
		n, err := v.Float64()
		if err != nil || r.Minimum != nil && n < *r.Minimum {
			return false
		}
		_, err = v.Int64()
		return r.Type == "number" || r.Type == "integer" && err == nil
	case []any:
		return r.Type == "array"
	case map[string]any:
		return r.Type == "object"
	}
	return false
}

// convert makes durations what encoding/json takes for them.
func (r *rule) convert(root *rule, v any) any {
	if r == nil {
		return v
	}
	r = r.resolve(root)
	switch v := v.(type) {
	case string:
		if d, err := time.ParseDuration(v); r.Format == "duration" && err == nil {
			return int64(d)
		}
	case []any:
		for i, e := range v {
			v[i] = r.Items.convert(root, e)
		}
	case map[string]any:
		other, _ := r.rest()
		for name, e := range v {
			if member := r.Properties[name]; member != nil {
				v[name] = member.convert(root, e)
			} else {
				v[name] = other.convert(root, e)
			}
		}
	}
	return v
}

// respell lets switches have the names they have in Go.
func respell(v any) {
	eachSwitch(v, func(switches map[string]any, field, name string) {
		if value, there := switches[field]; there {
			delete(switches, field)
			switches[name] = value
		}
	})
}

// nameSwitches gives switches the names and values they have in Go.
func nameSwitches(v any) {
	eachSwitch(v, func(switches map[string]any, field, name string) {
		value, there := switches[name]
		if !there {
			return
		}
		delete(switches, name)
		switch name {
		case "list_order":
			value = slices.Index([]string{"oldest_first", "newest_first", "shuffled"}, value.(string))
		case "batch_shape":
			value = slices.Index([]string{"array", "object", "single"}, value.(string))
		}
		switches[field] = value
	})
}

func eachSwitch(v any, visit func(switches map[string]any, field, name string)) {
	o, _ := v.(map[string]any)
	switches, is := o["switches"].(map[string]any)
	if !is {
		return
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[passforttest.Switches]()) {
		visit(switches, f.Name, snake(f.Name))
	}
}

// snake is the name of a Go field as JSON has it.
func snake(field string) string {
	field = strings.NewReplacer("ETags", "Etags", "ETag", "Etag", "OK", "Ok", "POST", "Post").Replace(field)
	var b strings.Builder
	for i, r := range field {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
