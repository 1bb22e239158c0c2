package passfort_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/growth"
	"github.com/passfort-go/passfort/internal/wire"
)

// specimen writes JSON for a Go type of the model in which every field has a
// value that is not its zero value.
type specimen struct{ enums map[string][]string }

// value returns JSON for the type. Objects below the given depth are empty.
func (s specimen) value(t reflect.Type, depth int) string {
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return `{"raw":[1.50,null]}`
	case t == reflect.TypeFor[passfort.ErrorCode]():
		return `104`
	case t == reflect.TypeFor[passfort.Secret]():
		return `"[redacted]"` // all that its JSON ever shows
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.value(t.Elem(), depth)
	case reflect.Slice:
		return "[" + s.value(t.Elem(), depth) + "]"
	case reflect.Map:
		return `{"key":` + s.value(t.Elem(), depth) + `}`
	case reflect.Struct:
		if depth == 0 {
			return `{}`
		}
		return object(s.members(t, depth-1))
	case reflect.Bool:
		return `true`
	case reflect.Int, reflect.Int64:
		return `7`
	case reflect.Float64:
		return `12.50`
	case reflect.Interface:
		return `{"any":1.0}`
	default:
		if values := s.enums[t.Name()]; len(values) > 0 {
			return `"` + values[0] + `"`
		}
		return `"text"`
	}
}

// member is one member of a JSON object.
type member struct{ name, value string }

func (s specimen) members(t reflect.Type, depth int) []member {
	var members []member
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("json"); name != "-" {
			members = append(members, member{name, s.value(t.Field(i).Type, depth)})
		}
	}
	return members
}

func object(members []member) string {
	var parts []string
	for _, m := range members {
		parts = append(parts, fmt.Sprintf("%q:%s", m.name, m.value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// misfits returns values of another JSON type than the field's.
func misfits(t reflect.Type) map[string]string {
	if t == reflect.TypeFor[json.RawMessage]() || t.Kind() == reflect.Interface {
		return nil // takes anything
	}
	switch t.Kind() {
	case reflect.Pointer:
		return misfits(t.Elem())
	case reflect.Slice:
		return map[string]string{"wrong scalar": `"7"`, "wrong container": `{"a":[1]}`}
	case reflect.Map, reflect.Struct:
		return map[string]string{"wrong scalar": `7.0`, "wrong container": `[{"a":1}]`}
	case reflect.Bool:
		return map[string]string{"wrong scalar": `"true"`, "wrong container": `[true]`}
	case reflect.Int, reflect.Int64:
		return map[string]string{"wrong scalar": `"7"`, "wrong container": `{"a":7}`, "not whole": `7.5`}
	case reflect.Float64:
		return map[string]string{"wrong scalar": `"12.5"`, "wrong container": `[12.5]`}
	default:
		return map[string]string{"wrong scalar": `7.0`, "wrong container": `["text"]`}
	}
}

// toleranceTypes returns every type that keeps what it does not model: those of
// the data model, and what webhooks and requests have besides.
func toleranceTypes(t *testing.T) map[string]reflect.Type {
	t.Helper()
	types := modelTypes()
	for _, typ := range []reflect.Type{
		reflect.TypeFor[passfort.ApplicationRequest](),
		reflect.TypeFor[passfort.CheckCompleted](),
		reflect.TypeFor[passfort.CheckRequest](),
		reflect.TypeFor[passfort.CollectedDataChange](),
		reflect.TypeFor[passfort.CustomerRequest](),
		reflect.TypeFor[passfort.CustomerRequestChanged](),
		reflect.TypeFor[passfort.ErrorDetail](),
		reflect.TypeFor[passfort.EventsChanged](),
		reflect.TypeFor[passfort.ManualAction](),
		reflect.TypeFor[passfort.ManualActionRequired](),
		reflect.TypeFor[passfort.NoteRequest](),
		reflect.TypeFor[passfort.ProductRef](),
		reflect.TypeFor[passfort.ProductStatusChanged](),
		reflect.TypeFor[passfort.ProfileRequest](),
		reflect.TypeFor[passfort.TaskRequest](),
		reflect.TypeFor[passfort.TaskUpdate](),
		reflect.TypeFor[passfort.WebhookFinding](),
	} {
		types[typ.Name()] = typ
	}
	generated, err := os.ReadFile("model_json.go")
	require.NoError(t, err)
	var names []string
	for _, match := range regexp.MustCompile(`func \(v (\w+)\) MarshalJSON`).FindAllSubmatch(generated, -1) {
		names = append(names, string(match[1]))
	}
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(types)))
	return types
}

// TestToleranceOfEveryField puts in the place of each field of each type what
// the model does not expect there.
func TestToleranceOfEveryField(t *testing.T) {
	t.Parallel()
	s := specimen{readModelFields(t).values}
	cases := 0
	for name, typ := range toleranceTypes(t) {
		members := s.members(typ, 2)
		fields := map[string]reflect.StructField{}
		for i := range typ.NumField() {
			fields[typ.Field(i).Tag.Get("json")] = typ.Field(i)
		}
		whole := decoded(t, typ, object(members), 0)
		for i, m := range members {
			field := fields[m.name]
			replacements := misfits(field.Type)
			for what, raw := range replacements {
				changed := slices.Clone(members)
				changed[i].value = raw
				var seen []wire.Drift
				got := decodedReporting(t, typ, object(changed), &seen)
				require.Equal(t, []wire.Drift{{Pointer: "/" + m.name, Kind: wire.TypeChanged}}, seen, "%s.%s: %s", name,
					field.Name, what)
				requireRest(t, whole, got, field, name+"."+field.Name+": "+what)
				cases++
			}
			changed := slices.Clone(members)
			changed[i].value = "null"
			requireRest(t, whole, decoded(t, typ, object(changed), 0), field, name+"."+field.Name+": null")
			changed = slices.Delete(changed, i, i+1)
			requireRest(t, whole, decoded(t, typ, object(changed), 0), field, name+"."+field.Name+": missing")
			cases += 2
		}
		unknown := append(slices.Clone(members), member{"brand_new", `{"a":[1.0,null,""]}`})
		var seen []wire.Drift
		got := decodedReporting(t, typ, object(unknown), &seen)
		require.Equal(t, []wire.Drift{{Pointer: "/brand_new", Kind: wire.UnknownMember}}, seen, name)
		requireRest(t, whole, got, reflect.StructField{}, name+": unknown member")
		cases++
	}
	require.Greater(t, cases, 2500)
	t.Logf("%d types, %d cases", len(toleranceTypes(t)), cases)
}

// TestToleranceOfEveryEnum gives each enum field of each type a value that no
// constant has.
func TestToleranceOfEveryEnum(t *testing.T) {
	t.Parallel()
	s := specimen{readModelFields(t).values}
	cases := 0
	for name, typ := range toleranceTypes(t) {
		for i := range typ.NumField() {
			field := typ.Field(i)
			pointer := "/" + field.Tag.Get("json")
			elem := field.Type
			raw := `"BRAND_NEW"`
			if elem.Kind() == reflect.Slice && elem != reflect.TypeFor[json.RawMessage]() {
				elem, raw, pointer = elem.Elem(), `["BRAND_NEW","BRAND_NEW"]`, pointer+"/*"
			}
			if len(s.enums[elem.Name()]) == 0 || pointer == "/-" {
				continue
			}
			var seen []wire.Drift
			got := decodedReporting(t, typ, object([]member{{field.Tag.Get("json"), raw}}), &seen)
			require.NotEmpty(t, seen)
			for _, d := range seen {
				require.Equal(t, wire.Drift{Pointer: pointer, Kind: wire.UnknownValue}, d, name)
			}
			require.Contains(t, fmt.Sprint(got.Elem().Field(i).Interface()), "BRAND_NEW",
				"the value is there all the same")
			cases++
		}
	}
	require.Greater(t, cases, 40)
}

// decoded decodes raw into a new value of the type, wants that many reports of
// drift, and wants exactly raw back.
func decoded(t *testing.T, typ reflect.Type, raw string, drift int) reflect.Value {
	t.Helper()
	var seen []wire.Drift
	v := decodedReporting(t, typ, raw, &seen)
	require.Len(t, seen, drift, "%s: %v", typ.Name(), seen)
	return v
}

func decodedReporting(t *testing.T, typ reflect.Type, raw string, seen *[]wire.Drift) reflect.Value {
	t.Helper()
	v := reflect.New(typ)
	require.NoError(t, json.Unmarshal([]byte(raw), v.Interface()), typ.Name())
	require.NoError(t, wire.UnmarshalReporting([]byte(raw), v.Interface(), func(d wire.Drift) {
		*seen = append(*seen, d)
	}), typ.Name())
	again, err := json.Marshal(v.Interface())
	require.NoError(t, err, typ.Name())
	require.Equal(t, raw, string(again), typ.Name())
	return v
}

// requireRest wants every typed field but one to be what it was.
func requireRest(t *testing.T, whole, got reflect.Value, but reflect.StructField, what string) {
	t.Helper()
	typ := whole.Elem().Type()
	for i := range typ.NumField() {
		switch field := typ.Field(i); {
		case field.Tag.Get("json") == "-":
		case field.Type == reflect.TypeFor[passfort.Secret]():
			want := whole.Elem().Field(i).Interface().(passfort.Secret)
			got := got.Elem().Field(i).Interface().(passfort.Secret)
			require.True(t, field.Name == but.Name && got.IsZero() || want.Equal(got), "%s: %s", what, field.Name)
		case field.Name == but.Name && but.Type.Kind() == reflect.Struct:
			requireRest(t, reflect.New(but.Type), got.Elem().Field(i).Addr(), reflect.StructField{}, what+": inside")
		case field.Name == but.Name && but.Type != reflect.TypeFor[json.RawMessage]() &&
			but.Type.Kind() != reflect.Interface:
			require.True(t, got.Elem().Field(i).IsZero(), "%s: the field itself", what)
		case field.Name == but.Name:
		default:
			require.True(t, reflect.DeepEqual(whole.Elem().Field(i).Interface(), got.Elem().Field(i).Interface()),
				"%s: %s", what, field.Name)
		}
	}
}

// A number that no int of this platform holds is not what it wraps around to: an
// update of something else gives it back. With GOARCH=386 that begins at 32 bits.
func TestNumbersThatNoIntHolds(t *testing.T) {
	t.Parallel()
	for _, number := range []string{
		"2147483648", "4200000000", "-2147483649", "4200000000.0", "9223372036854775807", "9223372036854775808",
		"-9223372036854775809", "4.2e9", "1e30", "99999999999999999999999999",
	} {
		t.Run(number, func(t *testing.T) {
			t.Parallel()
			doc := fmt.Sprintf(`{"entity_type":"COMPANY",
				"ownership_structure":{"shareholders":[{"shareholdings":[{"amount":%[1]s}]}]},
				"credit_ref":{"ccj_exact":{"count":%[1]s}},"products":[{"price":%[1]s}],
				"custom_fields_data":{"price":%[1]s}}`, number)
			server := &stored{doc: doc}
			got, err := clientOn(t, server).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
				d.CustomerRef = "ref"
				return nil
			})
			require.NoError(t, err)
			want := tree(t, doc).(map[string]any)
			want["customer_ref"] = "ref"
			require.Equal(t, want, tree(t, server.doc))
			exact, parseErr := strconv.ParseFloat(number, 64)
			require.NoError(t, parseErr)
			amount := got.OwnershipStructure.Shareholders[0].Shareholdings[0].Amount
			require.True(t, amount == nil || float64(*amount) == exact)
			_, noInt := strconv.ParseInt(number, 10, strconv.IntSize)
			require.True(t, amount != nil || noInt != nil)
		})
	}
}

// No operation takes more than n log n allocations or bytes. It counts what the whole
// process allocates, so it does not run beside others.
func TestGrowth(t *testing.T) {
	for _, c := range growth.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			sizes := []int{10, 100, 1000}
			if os.Getenv("PASSFORT_LONG") != "" {
				sizes = []int{10, 1000, 100_000}
			}
			_, err := growth.Of(c, 1) // what is made once
			require.NoError(t, err)
			before, err := growth.Of(c, sizes[0])
			require.NoError(t, err)
			for i, n := range sizes[1:] {
				cost, err := growth.Of(c, n)
				require.NoError(t, err)
				most := growth.Most(sizes[i], before, n)
				require.LessOrEqual(t, cost.Allocations, most.Allocations, "allocations at %d", n)
				require.LessOrEqual(t, cost.Bytes, most.Bytes, "bytes at %d", n)
				before = cost
			}
		})
	}
}

// A read of bytes over a connection takes at most 80 allocations, net/http's own
// included: it does not run beside others.
func TestReadOfBytesAllocatesLittle(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n" + `{"id":"x"}`
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() { // a server that allocates nothing for a request
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				lines, raw := bufio.NewReader(conn), []byte(answer)
				for {
					line, err := lines.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == len("\r\n") {
						_, _ = conn.Write(raw)
					}
				}
			}()
		}
	}()
	c, err := passfort.New(testKey, passfort.WithBaseURL("http://"+l.Addr().String()))
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	read := func() {
		raw, err := passfort.Do[json.RawMessage](t.Context(), c, passfort.Request{
			Method: http.MethodGet, Path: "/profiles/x",
		})
		if err != nil || string(*raw) != `{"id":"x"}` {
			t.Fatal(err)
		}
	}
	read() // the pool is filled, and the protocol known
	require.LessOrEqual(t, testing.AllocsPerRun(200, read), 80.0)
}
