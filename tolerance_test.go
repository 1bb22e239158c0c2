package passfort_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
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
	addresses := func(n int, street string) []byte {
		var b bytes.Buffer
		b.WriteString(`{"entity_type":"INDIVIDUAL","address_history":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"address":{"type":"STRUCTURED","country":"GBR","route":"%s %d"},"start_date":null}`,
				street, i)
		}
		b.WriteString(`]}`)
		return b.Bytes()
	}
	decoded := func(text []byte) *passfort.EntityData {
		e := new(passfort.EntityData)
		require.NoError(t, e.UnmarshalJSON(text))
		return e
	}
	for name, prepare := range map[string]func(n int) func(){
		"decode": func(n int) func() {
			text := addresses(n, "A")
			return func() { decoded(text) }
		},
		"encode": func(n int) func() {
			e := decoded(addresses(n, "A"))
			return func() { _, _ = e.MarshalJSON() }
		},
		"encode what was changed": func(n int) func() {
			e := decoded(addresses(n, "A"))
			for i := range e.AddressHistory {
				e.AddressHistory[i].StartDate = "2020-01-01"
			}
			return func() { _, _ = e.MarshalJSON() }
		},
		"encode a list with one element more and nulls": func(n int) func() {
			text := bytes.ReplaceAll(addresses(n, "A"), []byte(`{"address"`), []byte(`null,{"address"`))
			e := decoded(text)
			e.AddressHistory = append(e.AddressHistory, e.AddressHistory[0])
			return func() { _, _ = e.MarshalJSON() }
		},
		"encode a list of plain values with a null": func(n int) func() {
			e := decoded([]byte(`{"entity_type":"INDIVIDUAL","personal_details":{"name":{"given_names":[null` +
				strings.Repeat(`,"Alex"`, n) + `]}}}`))
			e.PersonalDetails.Name.GivenNames = append(e.PersonalDetails.Name.GivenNames, "Sam")
			return func() { _, _ = e.MarshalJSON() }
		},
		"unknown members": func(n int) func() {
			return func() {
				var u passfort.Unknown
				for i := range n {
					_ = u.Set(fmt.Sprint("m", i), i)
				}
				for i := range n {
					_, _ = u.Get(fmt.Sprint("m", i))
				}
				for range u.All() {
				}
				for i := range n {
					u.Delete(fmt.Sprint("m", i))
				}
			}
		},
		"changes": func(n int) func() {
			c := passfort.CollectedDataChange{Old: decoded(addresses(n, "A")), New: decoded(addresses(n, "B"))}
			return func() { require.Len(t, c.Changes(), n) }
		},
		"changes that are fewer": func(n int) func() {
			c := passfort.CollectedDataChange{Old: decoded(addresses(n, "A")), New: decoded(addresses(n/2, "B"))}
			return func() { require.NotEmpty(t, c.Changes()) }
		},
		"equal": func(n int) func() {
			a, b := decoded(addresses(n, "A")), decoded(addresses(n, "A"))
			return func() { require.Empty(t, (&passfort.CollectedDataChange{Old: a, New: b}).Changes()) }
		},
		"an error": func(n int) func() {
			text := []byte(`{"errors":[` + strings.Repeat(`{"code":205,"message":"x","source":"y"},`, n) +
				`{"code":205}]}`)
			c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
				return answered(400, string(text)), nil
			}))
			return func() { _, err := c.Profiles.Get(t.Context(), pid); _ = err.Error() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) (allocations, bytes float64) {
				run := prepare(n)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				run()
				runtime.ReadMemStats(&after)
				return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
			}
			sizes := []int{10, 100, 1000}
			if os.Getenv("PASSFORT_LONG") != "" {
				sizes = []int{10, 1000, 100_000}
			}
			_, _ = cost(1) // what is made once
			var before [2]float64
			for i, n := range sizes {
				allocations, bytes := cost(n)
				if i > 0 {
					more := float64(n) / float64(sizes[i-1])
					most := 1.5 * more * math.Log(float64(n)) / math.Log(float64(sizes[i-1]))
					require.LessOrEqual(t, allocations, most*max(before[0], 1000), "allocations at %d", n)
					require.LessOrEqual(t, bytes, most*max(before[1], 100_000), "bytes at %d", n)
				}
				before = [2]float64{allocations, bytes}
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
