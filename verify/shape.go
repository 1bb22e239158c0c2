package verify

import (
	"encoding/json"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

type object = map[string]any

func objects(v any) []object {
	items, _ := v.([]any)
	var out []object
	for _, item := range items {
		if o, is := item.(object); is {
			out = append(out, o)
		}
	}
	return out
}

func text(o object, name string) string { s, _ := o[name].(string); return s }

func inner(o object, name string) object { i, _ := o[name].(object); return i }

func integer(o object, name string) (int, bool) {
	n, is := o[name].(json.Number)
	if !is {
		return 0, false
	}
	i, err := strconv.Atoi(n.String())
	return i, err == nil
}

// statusText is a status in digits. Words of a server are never used.
func statusText(status int) string { return "status " + strconv.Itoa(status) }

// plural returns a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// kindOf names the JSON type of a value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case object:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a text"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}

var (
	plainName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+){0,6}$`)
	uuidForm  = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	weakETag  = regexp.MustCompile(`^W/["'].*["']$`)
	timedETag = regexp.MustCompile(`^(?:W/)?["']\d{9,11}\.\d{1,6}["']$`)
)

const thisMachine = "this machine"

// hostName says which host is called, in words: other names than those of the API
// stay out of the report.
func hostName(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	for name, base := range map[string]string{
		"the EU": passfort.BaseURLEU, "the US": passfort.BaseURLUS, "the UAE": passfort.BaseURLAE,
		"the EU, by its older name": passfort.DefaultBaseURL,
	} {
		if strings.HasPrefix(base, "https://"+host+"/") {
			return name
		}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return thisMachine
	}
	return ""
}

// gateways are the names that a Server or Via header is searched for.
var gateways = []string{
	"cloudflare", "cloudfront", "nginx", "envoy", "awselb", "gunicorn", "openresty", "varnish", "akamai", "istio",
	"google",
}

func gatewayOf(h http.Header) string {
	said := strings.ToLower(h.Get("Server") + " " + h.Get("Via"))
	for _, name := range gateways {
		if strings.Contains(said, name) {
			return name
		}
	}
	if strings.TrimSpace(said) != "" {
		return "one that is not on the list"
	}
	return ""
}

var unknownType = reflect.TypeFor[passfort.Unknown]()

// unknownMembers adds to names those of the members that a model has no field for. A
// name that no program would choose is *.
func unknownMembers(v reflect.Value, names map[string]bool) {
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if !v.IsNil() {
			unknownMembers(v.Elem(), names)
		}
		return
	}
	switch v.Kind() { //nolint:exhaustive // the rest has no members
	case reflect.Slice:
		for i := range v.Len() {
			unknownMembers(v.Index(i), names)
		}
	case reflect.Struct:
		if v.Type() == unknownType {
			u, _ := v.Interface().(passfort.Unknown)
			for name := range u.All() {
				if len(name) > 40 || !plainName.MatchString(name) {
					name = "*"
				}
				names[name] = true
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				unknownMembers(v.Field(i), names)
			}
		}
	}
}

// direction of a list by the dates of its items.
type direction struct{ up, down int }

func (d *direction) add(times []time.Time) {
	for i := 1; i < len(times); i++ {
		switch times[i].Compare(times[i-1]) {
		case 1:
			d.up++
		case -1:
			d.down++
		}
	}
}

// timesOf returns the dates of items that have one, in their order.
func timesOf(items []object) []time.Time {
	var out []time.Time
	for _, o := range items {
		if n, is := o["timestamp"].(json.Number); is {
			if f, err := n.Float64(); err == nil {
				out = append(out, time.UnixMilli(int64(f*1000)))
			}
			continue
		}
		for _, name := range []string{"creation_date", "instructed_on", "upload_date", "created_on"} {
			if t, err := passfort.ParseDateTime(text(o, name)); err == nil {
				out = append(out, t)
				break
			}
		}
	}
	return out
}

func idsOf(items []object) []string {
	var out []string
	for _, o := range items {
		out = append(out, text(o, "id"))
	}
	return out
}

// sameInAnotherOrder reports whether two lists have the same items in two orders.
func sameInAnotherOrder(a, b []string) bool {
	if len(a) != len(b) || slices.Equal(a, b) {
		return false
	}
	x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(x, y)
}
