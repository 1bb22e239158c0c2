package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/passfort-go/passfort"
)

const (
	profileID = "6a0a7a10-0000-4000-8000-000000000001"
	fileID    = "6a0a7a10-0000-4000-8000-000000000002"
	apiKey    = "a-key-that-opens-nothing"
)

// companyJSON is made-up collected data of a company, of about the given size.
func companyJSON(size int) []byte {
	const (
		head = `{"entity_type":"COMPANY","customer_ref":"crm-1","metadata":{"name":"Sampleton Teapots Ltd",` +
			`"number":"09999999","country_of_incorporation":"GBR","is_active":true,"number_of_employees":12,` +
			`"contact_information":{"email":"info@teapots.example"},"new_member":{"a":[1,2,3]}},` +
			`"custom_fields_data":{"tier":"gold","limit":2500.5,"vip":false},"address_history":[`
		address = `{"address":{"type":"STRUCTURED","country":"GBR","postal_code":"AB%[1]d 2CD",` +
			`"locality":"Sampleton","route":"High Street","street_number":"%[1]d","premise":"",` +
			`"original_structured_address":{"route":"HIGH STREET","locality":"SAMPLETON"}},` +
			`"start_date":"2001-0%[2]d","end_date":null,"verified":true}`
		officer = `{"entity_type":"INDIVIDUAL","immediate_data":{"entity_type":"INDIVIDUAL",` +
			`"personal_details":{"name":{"given_names":["Robin","%[1]d"],"family_name":"Sampleton","title":"Dr"},` +
			`"dob":"1970-01-0%[2]d","nationality":"GBR"}},"appointed_on":"2010-05-0%[2]d",` +
			`"natures_of_control":["ownership-of-shares-75-to-100-percent"],` +
			`"shareholdings":[{"share_class":"ORDINARY","amount":100,"percentage":12.5,"currency":"GBP"}],` +
			`"resolver_id":"a2c4393a-e219-67a4-5ab4-2186952e9038"}`
	)
	var addresses, officers []string
	for n, i := len(head), 1; n < size-700; i++ {
		addresses = append(addresses, fmt.Sprintf(address, i, i%9+1))
		officers = append(officers, fmt.Sprintf(officer, i, i%9+1))
		n += len(addresses[i-1]) + len(officers[i-1]) + 2
	}
	return []byte(head + strings.Join(addresses, ",") + `],"officers":{"directors":[` + strings.Join(officers, ",") +
		`]}}`)
}

// profileJSON is a made-up profile of about 2 KB.
func profileJSON(id string) []byte {
	return []byte(`{"id":"` + id +
		`","role":"COMPANY_CUSTOMER","display_name":"Sampleton Teapots Ltd","collected_data":` + string(
		companyJSON(2<<10),
	) +
		`,"applications":[{"id":"` + fileID + `","status":"APPLIED","flag":"AUTOMATING",` +
		`"product":{"alias":"business_account"}}],"tasks":[]}`)
}

// picture is a PNG by its head.
func picture(n int) []byte {
	img := make([]byte, n)
	for i := range img {
		img[i] = byte(i ^ i>>8*31 ^ i>>16)
	}
	copy(img, "\x89PNG\r\n\x1a\n")
	return img
}

// modelDepth is how deep the plain types go: data of data, as of an officer of
// a company, has no end.
const modelDepth = 7

// plain is a type with the same fields as one of the SDK's, but without methods
// and unknown members: what decodes the same and drops everything else. With
// keep it holds unknown members in the way of encoding/json/v2.
func plain(t reflect.Type, depth int, keep bool) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.PointerTo(plain(t.Elem(), depth, keep))
	case reflect.Slice:
		return reflect.SliceOf(plain(t.Elem(), depth, keep))
	case reflect.Map:
		return reflect.MapOf(t.Key(), plain(t.Elem(), depth, keep))
	case reflect.String:
		return reflect.TypeFor[string]()
	case reflect.Struct:
		if depth == 0 {
			return reflect.TypeFor[struct{}]()
		}
	default:
		return t
	}
	var fields []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("json")
		if name == "-" {
			continue
		}
		tag := reflect.StructTag(fmt.Sprintf(`json:"%s,omitempty"`, name))
		fields = append(fields, reflect.StructField{Name: f.Name, Type: plain(f.Type, depth-1, keep), Tag: tag})
	}
	if keep {
		fields = append(fields, reflect.StructField{
			Name: "Unknown", Type: reflect.TypeFor[jsontext.Value](), Tag: `json:",embed"`,
		})
	}
	return reflect.StructOf(fields)
}

var (
	plainEntity  = plain(reflect.TypeFor[passfort.EntityData](), modelDepth, false)
	plainProfile = plain(reflect.TypeFor[passfort.Profile](), modelDepth, false)
	keptEntity   = plain(reflect.TypeFor[passfort.EntityData](), modelDepth, true)
)
