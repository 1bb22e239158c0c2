package passforttest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// world calls one server at random and remembers the ids of what it made.
type world struct {
	t      *testing.T
	srv    *passforttest.Server
	random *rand.Rand
	ids    map[string][]string // by kind; what is below a profile as "profile/id"
}

func (w *world) any(kind string) string {
	if l := w.ids[kind]; len(l) > 0 {
		return l[w.random.IntN(len(l))]
	}
	return "none"
}

func (w *world) pick(from ...string) string { return from[w.random.IntN(len(from))] }

// odd is a JSON value that a careless codec changes or cannot read again.
func (w *world) odd() string {
	return w.pick(`1e400`, `-0`, `1.10`, `12345678901234567890.12345678901234567890`, `1E5`, `"\u2028<&>\ud800"`, `""`,
		`null`, `[]`, `{}`,
		`[[null,{"a":[1.0]}]]`, strings.Repeat(`[`, 490)+strings.Repeat(`]`, 490), strings.Repeat(`[`,
			9990)+strings.Repeat(`]`, 9990), `false`, `0`)
}

func (w *world) call(method, path, body, kind string) {
	rec := serveOnce(w.srv, method, path, body, w.srv.APIKey())
	require.Less(w.t, rec.Code, 500, "%s %s %.200s", method, path, body)
	require.True(w.t, json.Valid(rec.Body.Bytes()) || strings.HasPrefix(rec.Body.String(), "%PDF"), "%s %s", method,
		path)
	var made struct{ ID string }
	if kind != "" && json.Unmarshal(rec.Body.Bytes(), &made) == nil && made.ID != "" {
		id := made.ID
		if kind != "profile" {
			id = strings.Split(path, "/")[2] + "/" + id
		}
		w.ids[kind] = append(w.ids[kind], id)
	}
}

// step makes one call of any kind.
func (w *world) step() {
	profile := w.any("profile")
	p := "/profiles/" + profile
	under := func(kind string) (string, string) {
		owner, id, _ := strings.Cut(w.any(kind), "/")
		return "/profiles/" + owner, id
	}
	x := w.odd()
	switch w.random.IntN(24) {
	case 0, 1:
		w.call(http.MethodPost, "/profiles", `{"role":"INDIVIDUAL_`+w.pick("CUSTOMER", "ASSOCIATED")+
			`","collected_data":`+w.data("INDIVIDUAL")+
			`,"applications":[{"product":{"alias":"`+w.pick("a", "b", "scored")+`"}}]}`, "profile")
	case 2:
		w.call(http.MethodPost, "/profiles", `{"role":"COMPANY_CUSTOMER","collected_data":`+w.data("COMPANY")+`}`,
			"profile")
	case 3, 4:
		w.call(http.MethodPost, p+"/collected_data", w.data(w.pick("INDIVIDUAL", "COMPANY")), "")
	case 5:
		w.call(http.MethodPost, p+"/applications", `{"product":{"alias":"`+w.pick("a", "b", "c")+`"}}`, "application")
	case 6:
		o, id := under("application")
		w.call(http.MethodPost, o+"/applications/"+id, `{"status":"`+
			w.pick("APPROVED", "REJECTED", "IN_REVIEW", "CANCELLED")+`"}`, "")
	case 7:
		o, id := under("application")
		w.call(http.MethodPost, o+"/applications/"+id+"/revert_decision", w.pick(``, `null`, `{"comment":"x"}`), "")
	case 8, 9:
		w.call(http.MethodPost, p+"/checks?mode=async", `{"check_type":"`+
			w.pick("IDENTITY_CHECK", "PEPS_AND_SANCTIONS_SCREEN", "COMPANY_OWNERSHIP", "GEOCODING")+
			`","x":`+x+`}`, "check")
	case 10:
		w.call(http.MethodPost, p+"/checks",
			`{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"1+1","output_data":{"x":`+x+`}}`,
			"check")
	case 11:
		o, id := under("check")
		w.call(http.MethodPost, o+"/checks/"+id+"/"+w.pick("approve", "reject"), "", "")
	case 12:
		w.call(http.MethodPost, p+"/tasks", `{"type":"`+w.pick("INDIVIDUAL_MANUAL_TASK", "COMPANY_MANUAL_TASK",
			"INDIVIDUAL_VERIFY_IDENTITY")+
			`","is_complete":`+w.pick("true", "false")+`,"variant":{"alias":"`+w.pick("default", "v")+`"}}`, "task")
	case 13:
		o, id := under("task")
		w.call(http.MethodPost, o+"/tasks/"+id, `{"state":"`+w.pick("INCOMPLETE", "COMPLETED_PASS", "COMPLETED_FAIL")+
			`"}`, "")
	case 14:
		o, id := under("task")
		w.call(http.MethodPost, o+"/tasks/"+id+"/notes", `{"text":"`+w.pick("x", `\u0000`, "\u2028")+`"}`, "")
	case 15, 16:
		w.call(http.MethodPost, p+"/events", `{"data":{"event_type":"PEP_FLAG","score":`+
			w.pick("1e400", "0.10", "1e-7", "12345678901234567890")+`,"x":`+x+`}}`, "event")
	case 17:
		o, id := under("event")
		w.call(http.MethodPost, o+"/events/"+id, `{"resolution":`+w.pick(`"MATCH"`, `"UNRESOLVED"`, `null`)+`,"y":`+x+
			`}`, "")
	case 18:
		w.call(http.MethodPost, p+"/tags", `{"name":"`+w.pick("vip", "old", "new")+`"}`, "tag")
	case 19:
		o, id := under("tag")
		w.call(http.MethodDelete, o+"/tags/"+id, "", "")
	case 20:
		w.call(http.MethodPost, p+"/collection_steps", w.pick(`[]`, `[{"collection_type":"DOB","x":`+x+`}]`,
			`[{"collection_type":"EMAIL"}]`), "")
	case 21:
		w.call(http.MethodPost, p+"/"+w.pick("files", "document_images"), `{"data":"JVBERi0x","name":"n"}`, "")
	case 22:
		w.call(http.MethodPost, "/forms/profile/"+profile+"/customer_request", flow, "")
	case 23:
		switch w.random.IntN(6) {
		case 0:
			w.call(http.MethodPost, p+"/delete", `{"confirm_id":"`+profile+`"}`, "")
		case 1:
			w.call(http.MethodPost, p+"/status", w.pick(`"SUSPENDED"`, `"NORMAL"`), "")
		case 2:
			w.call(http.MethodGet, p, "", "")
		case 3:
			w.srv.AdvanceClock(time.Duration(w.random.IntN(1000)) * time.Second)
		case 4:
			w.call(http.MethodPost, "/api_keys/collect/"+strings.ToUpper(profile), "", "")
		default:
			_ = w.srv.SetRiskScore(profile, w.random.Float64()*100)
		}
	}
}

func (w *world) data(entity string) string {
	link := ""
	if entity == "COMPANY" {
		role := w.pick("directors", "secretaries")
		link = `,"officers":{"` + role + `":[{"linked_profile":{"id":"` + w.any("profile") + `"}}]}`
	}
	given := "Kim " + w.pick("Pep", "Fail", "Lee")
	return `{"entity_type":"` + entity + `","x":` + w.odd() + link +
		`,"personal_details":{"name":{"given_names":["` + given + `"],"family_name":"Doe"}},` +
		`"address_history":[{"address":{"type":"FREEFORM","country":"GBR","text":"1 A St, B","y":` + w.odd() + `}}]}`
}

// look is every resource of a server, by path.
func look(srv *passforttest.Server) map[string]string {
	out := map[string]string{}
	get := func(path string) string {
		rec := serveOnce(srv, http.MethodGet, path, "", srv.APIKey())
		out[path] = fmt.Sprintf("%d %s %s", rec.Code, rec.Header().Get("Etag"), rec.Body)
		return rec.Body.String()
	}
	items := func(list string) (found []string) {
		var all []struct{ ID string }
		_ = json.Unmarshal([]byte(list), &all)
		for _, e := range all {
			found = append(found, e.ID)
		}
		return found
	}
	for offset := 0; ; offset += 200 {
		var page struct{ Results []struct{ ID string } }
		_ = json.Unmarshal([]byte(get("/profiles?limit=200&offset="+fmt.Sprint(offset))), &page)
		for _, found := range page.Results {
			p := "/profiles/" + found.ID
			for _, below := range []string{
				"", "/status", "/collected_data", "/collection_steps", "/document_images", "/audit-items",
			} {
				get(p + below)
			}
			for _, list := range []string{"/applications", "/checks", "/events", "/tasks"} {
				for _, id := range items(get(p + list)) {
					get(p + list + "/" + id)
					if list == "/tasks" {
						get(p + list + "/" + id + "/notes")
					}
				}
			}
			get("/forms/profile/" + found.ID + "/customer_request")
			for _, f := range srv.Files(found.ID) {
				get(p + "/files/" + f.ID)
			}
		}
		if len(page.Results) == 0 {
			return out
		}
	}
}

// After any calls, a server that is opened from the journal answers byte for
// byte as the one before.
func TestRestart(t *testing.T) {
	t.Parallel()
	calls := 1_000
	if testing.Short() {
		calls = 300
	}
	if os.Getenv("PASSFORT_LONG") != "" {
		calls = 10_000
	}
	score := 50.0
	options := func() []passforttest.Option {
		return []passforttest.Option{
			passforttest.WithSeed(3), passforttest.WithClock(passforttest.NewClock(time.Unix(1e9, 0))),
			passforttest.WithoutRateLimits(),
			passforttest.WithProducts(
				passforttest.Product{Alias: "scored", AutoApprove: true, ExpiresAfter: time.Hour,
					NearingExpiry: time.Minute, Risk: &passforttest.RiskModel{Default: &score},
					Tasks: []passforttest.ProductTask{
						{Type: "INDIVIDUAL_VERIFY_IDENTITY", Checks: []string{"IDENTITY_CHECK"},
							ExpiresAfter: time.Hour},
					}},
				passforttest.Product{
					Alias: "b", Tasks: []passforttest.ProductTask{
						{Type: "INDIVIDUAL_VERIFY_IDENTITY", PassOn: []string{}}, {Type: "COMPANY_VERIFY_IDENTITY"},
					},
				},
			),
		}
	}
	srv := passforttest.New(options()...)
	defer srv.Close()
	j := &memory{}
	require.NoError(t, srv.KeepIn(j))
	w := &world{t: t, srv: srv, random: rand.New(rand.NewPCG(1, 2)), ids: map[string][]string{}}
	for range calls {
		w.step()
	}
	again := passforttest.New(options()...)
	defer again.Close()
	require.NoError(t, again.KeepIn(j.clone()))
	saved, err := srv.Snapshot()
	require.NoError(t, err)
	restored := passforttest.New(options()...)
	defer restored.Close()
	require.NoError(t, restored.Restore(saved))
	want := look(srv)
	require.Greater(t, len(want), calls/4)
	for name, other := range map[string]*passforttest.Server{"journal": again, "snapshot": restored} {
		got := look(other)
		require.Len(t, got, len(want), name)
		for path := range want {
			require.Equal(t, want[path], got[path], "%s: %s", name, path)
		}
	}
}

// What could not be read again is refused, in every body.
func TestDepthOfBodies(t *testing.T) {
	t.Parallel()
	w := start(t)
	p := "/profiles/" + w.person()
	nested := func(levels int) string { return strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels) }
	for path, body := range map[string]string{
		p + "/collected_data":   `{"entity_type":"INDIVIDUAL","x":%s}`,
		p + "/events":           `{"data":{"event_type":"PEP_FLAG","x":%s}}`,
		p + "/collection_steps": `[{"collection_type":"DOB","x":%s}]`,
		p + "/checks": `{"check_type":"IDENTITY_CHECK","instructed_externally":true,"result":"2+2",` +
			`"output_data":{"x":%s}}`,
	} {
		require.Equal(t, http.StatusOK, w.post(path, fmt.Sprintf(body, nested(489))).status, path)
		require.Equal(t, "201", w.post(path, fmt.Sprintf(body, nested(501))).code(t), path)
	}
	require.Equal(t, http.StatusOK, w.post(p+"/tags", `{"name":"`+strings.Repeat("[", 60)+`\"["}`).status)
}
