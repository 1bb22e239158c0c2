package passforttest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

// problems returns the pointers that a refusal names.
func (a answer) problems(t *testing.T) (pointers []string) {
	t.Helper()
	for _, e := range a.object(t)["errors"].([]any) {
		o := e.(map[string]any)
		require.Equal(t, "201", o["code"].(interface{ String() string }).String())
		require.True(t, strings.HasPrefix(text(o, "message"), text(o, "info", "pointer")+": "), o["message"])
		pointers = append(pointers, text(o, "info", "pointer"))
	}
	return pointers
}

// What the pages of docs/api rule out is refused with the place, and the switch
// lets it in.
func TestStrictData(t *testing.T) {
	t.Parallel()
	individual := func(members string) string { return `{"entity_type":"INDIVIDUAL",` + members + `}` }
	company := func(members string) string { return `{"entity_type":"COMPANY",` + members + `}` }
	tests := []struct{ name, data, pointer string }{
		{"a date of another form", individual(`"personal_details":{"dob":"31/12/1990"}`), "/personal_details/dob"},
		{"a day that is none", individual(`"personal_details":{"dob":"1990-02-30"}`), "/personal_details/dob"},
		{"a nationality in words", individual(`"personal_details":{"nationality":"British"}`),
			"/personal_details/nationality"},
		{"an unknown gender", individual(`"personal_details":{"gender":"male"}`), "/personal_details/gender"},
		{"a number as a name", individual(`"personal_details":{"name":{"family_name":5}}`),
			"/personal_details/name/family_name"},
		{"one given name", individual(`"personal_details":{"name":{"given_names":"Kim"}}`),
			"/personal_details/name/given_names"},
		{"a list of numbers", individual(`"personal_details":{"name":{"given_names":["Kim",5]}}`),
			"/personal_details/name/given_names/1"},
		{"an identity number of no country", individual(`"personal_details":{"national_identity_number":{"U/K":"1"}}`),
			"/personal_details/national_identity_number/U~1K"},
		{"a member in another case", individual(`"Personal_Details":{}`), "/Personal_Details"},
		{"a list as an object", individual(`"personal_details":[]`), "/personal_details"},
		{"an address without a type", individual(`"address_history":[{"address":{"country":"GBR"}}]`),
			"/address_history/0/address/type"},
		{"a free text without a country", individual(`"address_history":[{"address":{"type":"FREEFORM","text":"x"}}]`),
			"/address_history/0/address/country"},
		{"an entry without an address", individual(`"address_history":[{"start_date":"1999-03"}]`),
			"/address_history/0/address"},
		{"two letters of a country", individual(`"address_history":[{"address":{"type":"STRUCTURED","country":"UK"}}]`),
			"/address_history/0/address/country"},
		{"an unknown document",
			individual(`"documents":[{"category":"PROOF_OF_IDENTITY","document_type":"LIBRARY_CARD"}]`),
			"/documents/0/document_type"},
		{"text as a flag", company(`"metadata":{"is_active":"true"}`), "/metadata/is_active"},
		{"text as a number", company(`"metadata":{"number_of_employees":"5"}`), "/metadata/number_of_employees"},
		{"a year of incorporation", company(`"metadata":{"incorporation_date":"1990"}`),
			"/metadata/incorporation_date"},
		{"a country in small letters", company(`"metadata":{"country_of_incorporation":"gbr"}`),
			"/metadata/country_of_incorporation"},
		{"a list as the result of a check", individual(`"electronic_id_check":[]`), "/electronic_id_check"},
		{"text as the results of a screening", individual(`"sanctions_results":"x"`), "/sanctions_results"},
		{"inside an associate",
			company(`"officers":{"directors":[{"immediate_data":{"entity_type":"INDIVIDUAL",` +
				`"personal_details":{"dob":5}}}]}`),
			"/officers/directors/0/immediate_data/personal_details/dob"},
		{"half a share", company(`"ownership_structure":{"shareholders":[{"shareholdings":[{"amount":1.5}]}]}`),
			"/ownership_structure/shareholders/0/shareholdings/0/amount"},
	}
	w, lenient := start(t), start(t, passforttest.WithSwitches(passforttest.Switches{Lenient: true}))
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			role := "INDIVIDUAL_CUSTOMER"
			if strings.Contains(tc.data, "COMPANY") {
				role = "COMPANY_CUSTOMER"
			}
			body := `{"role":"` + role + `","collected_data":` + tc.data + `}`
			refused := w.post("/profiles", body)
			require.Equal(t, http.StatusBadRequest, refused.status, refused.raw)
			require.Equal(t, []string{"/collected_data" + tc.pointer}, refused.problems(t))
			id := lenient.created("/profiles", body)
			require.JSONEq(t, lenient.get("/profiles/"+id+"/collected_data").raw,
				lenient.post("/profiles/"+id+"/collected_data", tc.data).raw)
		})
	}
	require.Empty(t, w.get("/profiles").object(t)["results"], "nothing was stored")
}

// What the simulator refuses of dates, countries and addresses, EntityData.Validate
// reports at the same place.
func TestStrictDataIsWhatValidateReports(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, tc := range []struct{ data, pointer string }{
		{`{"entity_type":"INDIVIDUAL","personal_details":{"dob":"31/12/1990"}}`, "/personal_details/dob"},
		{`{"entity_type":"INDIVIDUAL","personal_details":{"dob":"1990-02-30"}}`, "/personal_details/dob"},
		{`{"entity_type":"INDIVIDUAL","personal_details":{"nationality":"British"}}`, "/personal_details/nationality"},
		{`{"entity_type":"INDIVIDUAL","personal_details":{"gender":"male"}}`, "/personal_details/gender"},
		{`{"entity_type":"INDIVIDUAL","address_history":[{"address":{"country":"GBR"}}]}`,
			"/address_history/0/address/type"},
		{`{"entity_type":"INDIVIDUAL","address_history":[{"address":{"type":"FREEFORM","text":"x"}}]}`,
			"/address_history/0/address/country"},
		{`{"entity_type":"INDIVIDUAL","address_history":[{"address":{"type":"FREEFORM","country":"GBR"}}]}`,
			"/address_history/0/address/text"},
		{`{"entity_type":"INDIVIDUAL","address_history":[{"address":{"type":"STRUCTURED","country":"UK"}}]}`,
			"/address_history/0/address/country"},
		{`{"entity_type":"INDIVIDUAL","ip_location":{"country":"XKX"}}`, "/ip_location/country"},
		{`{"entity_type":"INDIVIDUAL","documents_metadata":[{"document_type":"PASSPORT","country_code":"UK"}]}`,
			"/documents_metadata/0/country_code"},
		{`{"entity_type":"INDIVIDUAL","banking_details":{"bank_accounts":[{"country":"GBR"},{"country":"UK"}]}}`,
			"/banking_details/bank_accounts/1/country"},
		{`{"entity_type":"INDIVIDUAL","documents":[{},{"extracted_data":{"issued":"2020"}}]}`,
			"/documents/1/extracted_data/issued"},
		{`{"entity_type":"INDIVIDUAL","documents":[{"extracted_data":{"expiry":"31/12/2030"}}]}`,
			"/documents/0/extracted_data/expiry"},
		{`{"entity_type":"COMPANY","documents":[{"extracted_data":{"issuing_country":"UK"}}]}`,
			"/documents/0/extracted_data/issuing_country"},
		{`{"entity_type":"COMPANY","metadata":{"incorporation_date":"1990"}}`, "/metadata/incorporation_date"},
		{`{"entity_type":"COMPANY","metadata":{"country_of_incorporation":"gbr"}}`,
			"/metadata/country_of_incorporation"},
		{`{"entity_type":"COMPANY","metadata":{"previous_names":[{"start":"May"}]}}`,
			"/metadata/previous_names/0/start"},
		{`{"entity_type":"COMPANY","metadata":{"addresses":[{"type":"REGISTERED_ADDRESS",` +
			`"address":{"type":"STRUCTURED","country":"GBR"}}]}}`, "/metadata/addresses/0/type"},
	} {
		var data passfort.EntityData
		require.NoError(t, json.Unmarshal([]byte(tc.data), &data))
		var reported []string
		for _, p := range data.Validate() {
			reported = append(reported, p.Pointer)
		}
		require.Contains(t, reported, tc.pointer, tc.data)
		refused := w.post("/profiles", `{"role":"`+string(data.EntityType)+`_CUSTOMER","collected_data":`+tc.data+`}`)
		require.Equal(t, []string{"/collected_data" + tc.pointer}, refused.problems(t), tc.data)
	}
}

// Everything that the pages allow is accepted, and so is what is not described.
func TestStrictDataAllows(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, data := range map[string]string{
		"absent in three ways": `"customer_ref":"","personal_details":null,"documents":[],"address_history":null`,
		"partial dates": `"personal_details":{"dob":"1992"},` +
			`"address_history":[{"address":{"type":"STRUCTURED"},"start_date":"1992-11"}]`,
		"unknown members":     `"new_member":{"Personal_Details":5},"personal_details":{"shoe_size":44}`,
		"custom fields":       `"custom_fields_data":{"Dob":1e400,"a":[1,"b",null]}`,
		"other nationalities": `"personal_details":{"nationality":"RKS","national_identity_number":{"XXX":"1"}}`,
		"what checks say":     `"electronic_id_check":{"x":5},"sanctions_results":[{"x":5}],"db_matches":{}`,
	} {
		t.Run(name, func(t *testing.T) {
			sent := `{"entity_type":"INDIVIDUAL",` + data + `}`
			id := w.created("/profiles", `{"role":"INDIVIDUAL_CUSTOMER","collected_data":`+sent+`}`)
			require.Equal(t, sent, w.get("/profiles/"+id+"/collected_data").raw)
		})
	}
}

// What the portal stored may be sent back as it was read, and not otherwise.
func TestStrictDataFromThePortal(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	_, err := w.srv.EditCollectedData(id, func(data map[string]any) {
		data["personal_details"] = map[string]any{"nationality": "London"}
	})
	require.NoError(t, err)
	path := "/profiles/" + id + "/collected_data"
	stored := w.get(path).raw
	require.Equal(t, http.StatusOK, w.post(path, stored).status)
	worse := w.post(path, strings.Replace(stored, "London", "Leeds", 1))
	require.Equal(t, []string{"/personal_details/nationality"}, worse.problems(t))
	require.Equal(t, stored, w.get(path).raw)
	stale := w.post(path, strings.Replace(stored, "London", "Leeds", 1), "If-Match", `W/"1.000"`)
	require.Equal(t, http.StatusPreconditionFailed, stale.status, "a stale ETag comes first")
}

// What the portal stored may move within its list, as when a newer address is put
// before it, but not be copied into another.
func TestStrictDataFromThePortalMoves(t *testing.T) {
	t.Parallel()
	const fromPortal = `{"address":{"locality":"Old Town","country":"England"}}`
	w := start(t)
	id := w.person()
	_, err := w.srv.EditCollectedData(id, func(data map[string]any) {
		data["address_history"] = []any{decode(t, fromPortal)}
	})
	require.NoError(t, err)
	path := "/profiles/" + id + "/collected_data"
	history := func(entries string) string { return `{"entity_type":"INDIVIDUAL","address_history":[` + entries + `]}` }
	for name, tc := range map[string]struct {
		entries  string
		pointers []string
	}{
		"a country of its own": {`{"address":{"type":"STRUCTURED","country":"Wales"}},` + fromPortal,
			[]string{"/address_history/0/address/country"}},
		"without type, behind": {fromPortal + `,{"address":{"locality":"New Town"}}`,
			[]string{"/address_history/1/address/type"}},
	} {
		refused := w.post(path, history(tc.entries))
		require.Equal(t, http.StatusBadRequest, refused.status, name)
		require.Equal(t, tc.pointers, refused.problems(t), name)
	}
	require.Equal(t, http.StatusOK, w.post(path, history(`{"address":{"type":"STRUCTURED","country":"GBR"}},`+
		fromPortal)).status)
}

func TestStrictBodies(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	p := "/profiles/" + id
	task := text(w.get(p + "/tasks").list(t)[0], "id")
	application := text(w.get(p + "/applications").list(t)[0], "id")
	for name, tc := range map[string]struct{ path, body, pointer string }{
		"role": {"/profiles", `{"role":"FRIEND","collected_data":{"entity_type":"INDIVIDUAL"}}`,
			"/role"},
		"applications": {"/profiles",
			`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL"},"applications":{}}`,
			"/applications"},
		"role of an associate": {p + "/applications", `{"product":{"alias":"a"},"associated_role":"BOSS"}`,
			"/associated_role"},
		"product":    {p + "/applications", `{"product":"a"}`, "/product"},
		"status":     {p + "/applications/" + application, `{"status":"approved"}`, "/status"},
		"check type": {p + "/checks", `{"check_type":"PALM_READING"}`, "/check_type"},
		"external": {p + "/checks", `{"check_type":"IDENTITY_CHECK","instructed_externally":"true"}`,
			"/instructed_externally"},
		"external result": {p + "/checks",
			`{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"Great"}`, "/result"},
		"member of a check": {p + "/checks", `{"Check_Type":"IDENTITY_CHECK"}`, "/Check_Type"},
		"task type":         {p + "/tasks", `{"type":"INDIVIDUAL_LAUNDRY"}`, "/type"},
		"task state":        {p + "/tasks/" + task, `{"state":"DONE"}`, "/state"},
		"task completion":   {p + "/tasks/" + task, `{"is_complete":1}`, "/is_complete"},
		"note":              {p + "/tasks/" + task + "/notes", `{"text":["x"]}`, "/text"},
		"event type":        {p + "/events", `{"data":{"event_type":"RUMOUR"}}`, "/data/event_type"},
		"score":             {p + "/events", `{"data":{"event_type":"PEP_FLAG","score":"high"}}`, "/data/score"},
		"tag":               {p + "/tags", `{"name":{}}`, "/name"},
		"kind of step": {p + "/collection_steps",
			`[{"collection_type":"DOB"},{"collection_type":"SHOE_SIZE"}]`, "/1/collection_type"},
		"profiles of a key": {"/api_keys/collect", `{"profile_ids":"` + id + `"}`, "/profile_ids"},
		"template": {"/forms" + strings.Replace(p, "profiles", "profile", 1) + "/customer_request",
			`{"type":"FLOW","flow_template":"x"}`, "/flow_template"},
		"category of documents": {p + "/collected_data/documents",
			`{"category":"FUN","document_type":"PASSPORT","images":[{"id":"x"}]}`, "/category"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.get(p + "/audit-items").raw
			refused := w.post(tc.path, tc.body)
			require.Equal(t, http.StatusBadRequest, refused.status, refused.raw)
			require.Equal(t, []string{tc.pointer}, refused.problems(t))
			require.Equal(t, before, w.get(p+"/audit-items").raw, "nothing changed")
		})
	}
}

// A refusal names what is wrong, twenty things at most, and never the values.
func TestStrictRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	w := start(t)
	refused := w.post("/profiles",
		`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL","address_history":[`+
			strings.Repeat(`{"address":{"type":"SECRET"}},`, 50)+`{}]}}`)
	require.Len(t, refused.problems(t), 20)
	require.NotContains(t, refused.raw, "SECRET")
}

// A finding stays open, and its application undecided, whatever is sent without
// a resolution.
func TestEventIsNotResolvedByNothing(t *testing.T) {
	t.Parallel()
	for _, lenient := range []bool{false, true} {
		w := start(t, byHand(passforttest.WithSwitches(passforttest.Switches{Lenient: lenient}),
			passforttest.WithProducts(passforttest.Product{Alias: "auto", AutoApprove: true,
				Tasks: []passforttest.ProductTask{}}))...)
		id := w.applied("auto")
		finding, err := w.srv.AddEvent(id, map[string]any{"event_type": "PEP_FLAG"})
		require.NoError(t, err)
		w.srv.AdvanceClock(0)
		p := "/profiles/" + id
		for _, body := range []string{
			`null`, `{}`, `{"resolution":null}`, `{"resolution":""}`, `{"resolution":5}`, `{"resolution":"SOLVED"}`,
			`{"data":5}`,
			`{"resolution":"MATCH","data":5}`, `{"resolution":"MATCH","data":{}}`, `{"resolution_reason":"x"}`,
			`{"Resolution":"MATCH"}`,
		} {
			before := w.get(p + "/events").raw
			for path, sent := range map[string]string{"/events/" + finding: body,
				"/events/bulk_update": `[{"id":"` + finding + `",` + strings.TrimPrefix(body, "{") + `]`} {
				if body == `null` && strings.HasSuffix(path, "bulk_update") {
					sent = `[null]`
				}
				refused := w.post(p+path, strings.Replace(sent, ",}", "}", 1))
				require.Equal(t, http.StatusBadRequest, refused.status, "%s %s", path, sent)
				require.Equal(t, before, w.get(p+"/events").raw, "%s %s", path, sent)
			}
			require.Equal(t, []any{"PEP_FLAG"}, w.get(p).object(t)["unresolved_event_types"])
		}
		require.Equal(t, "APPLIED", text(w.application(id), "status"))
		require.Equal(t, http.StatusOK, w.post(p+"/events/"+finding, `{"resolution":"MISMATCH","data":null}`).status)
		require.Empty(t, w.get(p).object(t)["unresolved_event_types"])
	}
}

// A result that is unknown does not pass.
func TestUnknownExternalResult(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithSwitches(passforttest.Switches{Lenient: true}))
	checks := "/profiles/" + w.person() + "/checks"
	require.Equal(t, "ERROR",
		w.post(
			checks, `{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"Great"}`,
		).object(t)["decision"])
	w.srv.SetSwitches(passforttest.Switches{})
	require.Equal(t, "201",
		w.post(
			checks, `{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"Sanction"}`,
		).code(t), "a result of another type")
	for result, decision := range map[string]string{"2+2": "PASS", "1+1": "PARTIAL", "Fail": "FAIL", "Error": "ERROR"} {
		got := w.post(checks, `{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"`+result+
			`"}`).object(t)
		require.Equal(t, decision, got["decision"], result)
	}
}
