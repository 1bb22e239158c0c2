package passforttest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

const flow = `{"type":"FLOW","flow_template":{"alias":"onboarding_flow"},"theme":{"alias":"brand"}}`

func forms(n int) passforttest.Option {
	f := passforttest.Flow{Alias: "onboarding_flow", Forms: []passforttest.Form{}, Lifetime: time.Hour}
	for range n {
		f.Forms = append(f.Forms, passforttest.Form{Name: "form"})
	}
	return passforttest.WithFlows(f)
}

func TestCustomerRequest(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.created("/profiles", `{"role":"COMPANY_CUSTOMER","collected_data":{"entity_type":"COMPANY"}}`)
	path := "/forms/profile/" + id + "/customer_request"
	require.Equal(t, http.StatusNotFound, w.get(path).status)
	req := w.post(path, flow).object(t)
	require.NotEmpty(t, req["id"])
	require.NotEmpty(t, req["apikey"])
	require.Equal(t, false, w.get(path).object(t)["is_completed"])
	require.NotContains(t, w.get(path).object(t), "apikey")

	second := w.post(path, flow)
	require.Equal(t, http.StatusConflict, second.status, "one active request per profile")
	require.Equal(t, "202", second.code(t))
	require.Equal(t, http.StatusForbidden,
		w.do(http.MethodGet, "/profiles/"+id, "", "apikey",
			text(req, "apikey")).status, "the request's key opens nothing else")

	w.srv.AdvanceClock(31 * 24 * time.Hour)
	require.Equal(t, true, w.get(path).object(t)["is_completed"], "expired counts as completed")
	require.Equal(t, passforttest.StateExpired, w.srv.CustomerRequests(id)[0].State)
	require.NotEqual(t, req["id"], w.created(path, flow), "now there may be another")
}

func TestCustomerRequestRefusals(t *testing.T) {
	t.Parallel()
	w := start(t)
	path := "/forms/profile/" + w.person() + "/customer_request"
	for body, code := range map[string]string{
		`{}`:                                    "101",
		`{"type":"ONE"}`:                        "201",
		`{"type":"FLOW","theme":{"alias":"x"}}`: "101",
	} {
		require.Equal(t, code, w.post(path, body).code(t), body)
	}
}

// The request is SENT until every form is terminal, then what the last one to
// become terminal is.
func TestRequestStates(t *testing.T) {
	t.Parallel()
	terminal := []string{"COMPLETED", "EXPIRED", "CANCELLED"}
	var sequences [][]string
	for n, level := 1, [][]string{{}}; n <= 4; n++ {
		var longer [][]string
		for _, s := range level {
			for _, e := range terminal {
				longer = append(longer, append(append([]string{}, s...), e))
			}
		}
		level = longer
		sequences = append(sequences, longer...)
	}
	require.Len(t, sequences, 3+9+27+81)
	servers := map[int]*wire{}
	for _, seq := range sequences {
		w := servers[len(seq)]
		if w == nil {
			w = inMemory(t, forms(len(seq)))
			servers[len(seq)] = w
		}
		id := w.person()
		w.created("/forms/profile/"+id+"/customer_request", flow)
		want := "EXPIRED"
		for i, state := range seq {
			require.Equal(t, "SENT", w.srv.CustomerRequests(id)[0].State)
			form := w.srv.CustomerRequests(id)[0].Forms[len(seq)-1-i].ID
			require.NoError(t, w.srv.EndForm(id, form, state))
			if state != "CANCELLED" {
				want = state
			}
		}
		require.Equal(t, want, w.srv.CustomerRequests(id)[0].State, strings.Join(seq, " "))
	}
}

func TestRequestWebhooks(t *testing.T) {
	t.Parallel()
	w := start(t, forms(2))
	in := receive(t)
	w.srv.SetWebhook(in.URL, "s", false)
	w.srv.EnableWebhooks("CUSTOMER_REQUEST_CHANGED", "FORM_STATE_CHANGED")
	id := w.person()
	w.created("/forms/profile/"+id+"/customer_request", flow)
	require.NoError(t, w.srv.EndForm(id, "", "COMPLETED"))
	require.NoError(t, w.srv.WaitWebhooks(t.Context()))
	require.Equal(t, []string{"CUSTOMER_REQUEST_CHANGED", "FORM_STATE_CHANGED", "FORM_STATE_CHANGED",
		"CUSTOMER_REQUEST_CHANGED"}, in.events())
	got := in.data("CUSTOMER_REQUEST_CHANGED")
	require.Equal(t, "SENT", got[0]["state"])
	require.Equal(t, "COMPLETED", text(got[1], "customer_request", "state"))
}

func TestCollectionOrigin(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithFlows(passforttest.Flow{
		Alias: "onboarding_flow", Product: "gold_account", RedirectURL: "https://shop.example/done",
	}))
	origin := httptest.NewServer(w.srv.CollectionHandler())
	t.Cleanup(origin.Close)
	id := w.created("/profiles", `{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL"}}`)
	req := w.post("/forms/profile/"+id+"/customer_request", flow).object(t)
	visit := func(method, path, body, key string) answer {
		r, err := http.NewRequestWithContext(t.Context(), method, origin.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("apikey", key)
		r.Header.Set("request-id", text(req, "id"))
		rec := httptest.NewRecorder()
		w.srv.CollectionHandler().ServeHTTP(rec, r)
		return answer{rec.Code, rec.Header(), rec.Body.String()}
	}
	for path, part := range map[string]string{
		"/embed.js": "PassFortCollect", "/form": "<main", "/form.js": "request_id", "/form.css": "color-scheme",
	} {
		a := visit(http.MethodGet, path, "", "")
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.raw, part)
		require.Equal(t, "no-referrer", a.header.Get("Referrer-Policy"))
	}
	key := text(req, "apikey")
	require.Equal(t, http.StatusForbidden, visit(http.MethodGet, "/api/request", "", w.srv.APIKey()).status)
	shown := visit(http.MethodGet, "/api/request", "", key).object(t)
	list := shown["forms"].([]any)
	require.Len(t, list, 2)
	post := func(i int, values string) answer {
		return visit(http.MethodPost, "/api/forms/"+text(list[i], "id"), `{"values":`+values+`}`, key)
	}
	require.Equal(t, "101", post(0, `{"personal_details.dob":"1990-01-01"}`).code(t))
	fields := list[0].(map[string]any)["fields"].([]any)
	require.Equal(t, "given-name", text(fields[0], "autocomplete"))
	today := w.srv.Now().UTC()
	require.Equal(t, map[string]any{
		"path": "personal_details.dob", "label": "Date of birth", "type": "date", "required": true,
		"autocomplete": "bday",
		"min":          today.AddDate(-130, 0, 0).Format(time.DateOnly), "max": today.Format(time.DateOnly),
	}, fields[2])
	for _, born := range []string{"2999-01-01", "1066-10-14"} {
		refused := post(
			0, `{"personal_details.name.given_names":"a","personal_details.name.family_name":"b",`+
				`"personal_details.dob":"`+born+`"}`,
		)
		require.Equal(t, "201", refused.code(t), born)
		require.Contains(t, refused.raw, "the date must be from")
	}
	require.Equal(t, "201",
		post(
			0, `{"personal_details.name.given_names":"a","personal_details.name.family_name":"b",`+
				`"personal_details.dob":"1990-01-01","entity_type":"COMPANY"}`,
		).code(t))
	require.Equal(t, http.StatusOK,
		post(
			0, `{"personal_details.name.given_names":"Kim  Lee","personal_details.name.family_name":"Doe",`+
				`"personal_details.dob":"1990-01-01"}`,
		).status)
	require.Equal(t, http.StatusConflict, post(0, `{}`).status)
	done := post(1, `{"contact_details.email":"kim@example.com","contact_details.phone_number":""}`).object(t)
	require.Equal(t, "COMPLETED", done["state"])
	require.Equal(t, "https://shop.example/done", done["redirect"])
	require.JSONEq(t,
		`{"entity_type":"INDIVIDUAL","personal_details":{"name":{"given_names":["Kim","Lee"],"family_name":"Doe"},`+
			`"dob":"1990-01-01"},"contact_details":{"email":"kim@example.com"}}`,
		w.get("/profiles/"+id+"/collected_data").raw)
	require.Equal(t, "gold_account", text(w.get("/profiles/" + id + "/applications").list(t)[0], "product", "alias"))
	require.NotEmpty(t, w.srv.Visits())
	require.True(t, strings.HasPrefix(w.srv.CollectionURL(), "http://127.0.0.1:"))
}
