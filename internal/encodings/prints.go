package encodings

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	"github.com/davecgh/go-spew/spew"
	"github.com/google/go-cmp/cmp"
	"github.com/kr/pretty"
	"github.com/stretchr/testify/assert"
)

// Print is one way to make a text of a value.
type Print struct {
	Name string
	// IgnoresMethods says that it reads fields, and follows pointers, whatever the methods of a value
	// say. Nothing but a closure is safe from it.
	IgnoresMethods bool
	// Text returns what the value looks like, and the error or the panic if there is one.
	Text func(v any) string
}

// Prints are the encoders of Ways and what prints values for people.
func Prints() []Print {
	var prints []Print
	for _, way := range Ways() {
		if way.Encode != nil {
			prints = append(prints, Print{way.Name, false, func(v any) string {
				return caught(func() string {
					data, err := way.Encode(v)
					return string(data) + fmt.Sprint(err)
				})
			}})
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%U", "%c", "%e", "%p",
		"%T"} {
		prints = append(prints, printer("fmt "+verb, verb == "%p", func(v any) string { return fmt.Sprintf(verb, v) }))
	}
	deep := spew.ConfigState{Indent: " ", DisableMethods: true}
	pointers := spew.ConfigState{Indent: " ", DisablePointerMethods: true}
	return append(prints,
		printer("slog text", false, func(v any) string {
			var out bytes.Buffer
			slog.New(slog.NewTextHandler(&out, nil)).Info("value", "value", v)
			return out.String()
		}),
		printer("slog JSON", false, func(v any) string {
			var out bytes.Buffer
			slog.New(slog.NewJSONHandler(&out, nil)).Info("value", "value", v)
			return out.String()
		}),
		printer("errors.Join", false, func(v any) string {
			err, _ := v.(error)
			return fmt.Sprintf("%+v", errors.Join(err, errors.New("another")))
		}),
		printer("spew", false, func(v any) string { return spew.Sdump(v) }),
		printer("spew, one line", false, func(v any) string { return spew.Sprintf("%#+v", v) }),
		printer("spew without pointer methods", true, func(v any) string { return pointers.Sdump(v) }),
		printer("spew without methods", true, func(v any) string { return deep.Sdump(v) }),
		printer("kr/pretty", true, func(v any) string { return fmt.Sprintf("%# v", pretty.Formatter(v)) }),
		printer("kr/pretty, differences", true, func(v any) string {
			return strings.Join(pretty.Diff(v, reflect.Zero(reflect.TypeOf(v)).Interface()), "\n")
		}),
		printer("testify, differences", true, func(v any) string {
			var t failures
			assert.Equal(&t, reflect.Zero(reflect.TypeOf(v)).Interface(), v)
			assert.Nil(&t, v)
			assert.EqualValues(&t, "another", v)
			assert.Contains(&t, []any{v}, "another")
			return t.text.String()
		}),
		printer("go-cmp, differences", false, func(v any) string {
			return cmp.Diff(v, reflect.Zero(reflect.TypeOf(v)).Interface())
		}),
		printer("go-cmp, differences of all fields", true, func(v any) string {
			all := cmp.Exporter(func(reflect.Type) bool { return true })
			return cmp.Diff([]any{v}, []any{reflect.Zero(reflect.TypeOf(v)).Interface()}, all)
		}),
	)
}

func printer(name string, ignoresMethods bool, text func(any) string) Print {
	return Print{name, ignoresMethods, func(v any) string { return caught(func() string { return text(v) }) }}
}

// caught returns the text of a panic in its place.
func caught(text func() string) (out string) {
	defer func() {
		if p := recover(); p != nil {
			out = fmt.Sprint("panic: ", p)
		}
	}()
	return text()
}

// failures keeps what a test that fails would print.
type failures struct{ text strings.Builder }

func (f *failures) Errorf(format string, args ...any) { fmt.Fprintf(&f.text, format, args...) }
