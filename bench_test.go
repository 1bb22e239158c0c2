package passfort_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// entity returns the JSON of collected data of about the given size.
func entityJSON(size int) []byte {
	address := `{"address":{"type":"STRUCTURED","country":"GBR","postal_code":"AB%d 2CD","locality":"Sampletown","route":"High Street","street_number":"%d","premise":"","original_structured_address":{"route":"HIGH STREET","locality":"SAMPLETOWN"}},"start_date":"2001-0%d","end_date":null,"verified":true}`
	officer := `{"entity_type":"INDIVIDUAL","immediate_data":{"entity_type":"INDIVIDUAL","personal_details":{"name":{"given_names":["Sam","%d"],"family_name":"Sample","title":"Dr"},"dob":"1970-01-0%d","nationality":"GBR"}},"appointed_on":"2010-05-0%d","natures_of_control":["ownership-of-shares-75-to-100-percent"],"shareholdings":[{"share_class":"ORDINARY","amount":100,"percentage":12.5,"currency":"GBP"}],"resolver_id":"a2c4393a-e219-67a4-5ab4-2186952e9038"}`
	head := `{"entity_type":"COMPANY","customer_ref":"crm-1","metadata":{"name":"Sample Ltd","number":"01234567","country_of_incorporation":"GBR","is_active":true,"number_of_employees":12,"contact_information":{"email":"info@example.com"},"new_member":{"a":[1,2,3]}},"custom_fields_data":{"tier":"gold","limit":2500.5,"vip":false},"address_history":[`
	var a, o []string
	for i := 1; len(head)+len(strings.Join(a, ","))+len(strings.Join(o, ",")) < size-700; i++ {
		a = append(a, fmt.Sprintf(address, i, i, i%9+1))
		o = append(o, fmt.Sprintf(officer, i, i%9+1, i%9+1))
	}
	return []byte(head + strings.Join(a, ",") + `],"officers":{"directors":[` + strings.Join(o, ",") + `]}}`)
}

// plain returns a type like t, but without methods and unknown members: what
// a client that drops everything it does not know would use.
func plain(t reflect.Type, depth int) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.PointerTo(plain(t.Elem(), depth))
	case reflect.Slice:
		return reflect.SliceOf(plain(t.Elem(), depth))
	case reflect.Map:
		return reflect.MapOf(t.Key(), plain(t.Elem(), depth))
	case reflect.Struct:
		if depth == 0 {
			return reflect.TypeFor[struct{}]()
		}
		var fields []reflect.StructField
		for i := range t.NumField() {
			f := t.Field(i)
			name := f.Tag.Get("json")
			if name == "-" {
				continue
			}
			fields = append(fields, reflect.StructField{Name: f.Name, Type: plain(f.Type, depth-1), Tag: reflect.StructTag(fmt.Sprintf(`json:"%s,omitempty"`, name))})
		}
		return reflect.StructOf(fields)
	case reflect.String:
		return reflect.TypeFor[string]()
	default:
		return t
	}
}

func BenchmarkEntity(b *testing.B) {
	typ := plain(reflect.TypeFor[passfort.EntityData](), 7)
	for _, size := range []int{4 << 10, 200 << 10} {
		doc := entityJSON(size)
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			var ours, theirs time.Duration
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				start := time.Now()
				var e passfort.EntityData
				require.NoError(b, e.UnmarshalJSON(doc))
				out, err := e.MarshalJSON()
				require.NoError(b, err)
				_ = out
				mid := time.Now()
				v := reflect.New(typ)
				require.NoError(b, json.Unmarshal(doc, v.Interface()))
				_, err = json.Marshal(v.Interface())
				require.NoError(b, err)
				theirs += time.Since(mid)
				ours += mid.Sub(start)
			}
			b.ReportMetric(float64(ours)/float64(theirs), "ratio")
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "us-ours")
			b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "us-v1")
		})
	}
}
