package passforttest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// browse sends one request to the admin pages.
func browse(
	t *testing.T, h http.Handler, method, path string, form url.Values, change func(*http.Request),
) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:4010"+passforttest.AdminPath+path,
		strings.NewReader(form.Encode()))
	r.RemoteAddr = "127.0.0.1:5000"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// press sends a form and returns the page that the browser then shows.
func press(t *testing.T, h http.Handler, path string, form url.Values) string {
	t.Helper()
	rec := browse(t, h, http.MethodPost, path, form, nil)
	require.Equal(t, http.StatusSeeOther, rec.Code, rec.Body.String())
	return browse(t, h, http.MethodGet, strings.TrimPrefix(rec.Header().Get("Location"), passforttest.AdminPath), nil,
		nil).Body.String()
}

func TestAdminPlaysTheOthers(t *testing.T) {
	t.Parallel()
	w := start(t, byHand(passforttest.WithAPIKey("canary-key"))...)
	sent := hooked(t, w)
	h := w.srv.AdminHandler()
	id := w.person()
	page := "profiles/" + id
	check := text(w.post("/profiles/"+id+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`).object(t), "id")
	app := w.application(id)
	task := text(w.get("/profiles/" + id + "/tasks").list(t)[0], "id")

	home := browse(t, h, http.MethodGet, "", nil, nil)
	require.Equal(t, http.StatusOK, home.Code)
	require.Contains(t, home.Body.String(), "Kim Doe")
	require.Contains(t, home.Body.String(), "1, 1 open")
	require.Contains(t, browse(t, h, http.MethodGet, "?q=nobody", nil, nil).Body.String(), "No profiles")

	require.Contains(t, press(t, h, page+"/checks/"+check, url.Values{"decision": {"WARN"}}),
		"The check is complete: WARN")
	require.Equal(t, "WARN", w.get("/profiles/" + id + "/checks/" + check).object(t)["decision"])
	require.Contains(t, press(t, h, page+"/checks/"+check, url.Values{"decision": {"PASS"}}),
		"Not done: the check is complete")
	require.Contains(t, press(t, h, page+"/checks/"+check, url.Values{"decision": {"MAYBE"}}), "Not done")

	require.Contains(t, press(t, h, page+"/tasks/"+task, url.Values{"state": {"COMPLETED_PASS"}}),
		"The task is COMPLETED_PASS")
	require.Contains(t, press(t, h, page+"/tasks/"+task, url.Values{"state": {"PERFECT"}}),
		"Not done: unknown task state")
	require.Contains(t, press(t, h, page+"/applications/"+text(app, "id"), url.Values{"status": {"APPROVED"}}),
		"The application is APPROVED")
	require.Equal(t, "APPROVED", w.application(id)["status"])

	_, etag := w.srv.CollectedData(id)
	changed := `{"entity_type":"INDIVIDUAL","customer_ref":"<script>alert(1)</script>"}`
	shown := press(t, h, page+"/data", url.Values{"data": {changed}, "etag": {etag}})
	require.Contains(t, shown, "The collected data was changed")
	require.NotContains(t, shown, "<script>")
	require.Contains(t, press(t, h, page+"/data", url.Values{"data": {changed}, "etag": {etag}}),
		"has changed since this page was shown")
	_, etag = w.srv.CollectedData(id)
	require.Contains(t, press(t, h, page+"/data", url.Values{"data": {`{"entity_type":"COMPANY"}`}, "etag": {etag}}),
		"Not done")
	require.Contains(t, press(t, h, page+"/data", url.Values{"data": {`{`}, "etag": {etag}}), "Not done")
	last := sent("COLLECTED_DATA_UPDATED")
	require.Equal(t, w.srv.PortalUser().Name, text(last[0], "user", "name"))

	w.post("/forms/profile/"+id+"/customer_request",
		`{"type":"FLOW","flow_template":{"alias":"f"},"theme":{"alias":"t"}}`)
	form := w.srv.CustomerRequests(id)[0].Forms[0].ID
	require.Contains(t, press(t, h, page+"/forms/"+form, url.Values{"state": {"COMPLETED"}}), "The form is COMPLETED")
	before := w.srv.Now()
	require.Contains(t, press(t, h, "clock", url.Values{"by": {"48h"}}), "The clock moved by 48h")
	require.Equal(t, 48*time.Hour, w.srv.Now().Sub(before))
	require.Contains(t, press(t, h, "clock", url.Values{"by": {"-1h"}}), "Not done")

	hooks := browse(t, h, http.MethodGet, "webhooks?watch=1", nil, nil).Body.String()
	require.Contains(t, hooks, "COLLECTED_DATA_UPDATED")
	require.Contains(t, hooks, `http-equiv="refresh"`)
	for _, p := range []string{"", page, "webhooks"} {
		body := browse(t, h, http.MethodGet, p, nil, nil).Body.String()
		require.NotContains(t, body, "canary-key")
		require.NotContains(t, body, "secret")
		require.Contains(t, body, `<html lang="en">`)
	}
	require.Equal(t, http.StatusNotFound, browse(t, h, http.MethodGet, "profiles/nobody", nil, nil).Code)
	require.Contains(t, browse(t, h, http.MethodGet, "style.css", nil, nil).Header().Get("Content-Type"), "text/css")
}

func TestAdminIsForThisMachine(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	t.Cleanup(srv.Close)
	h, opened := srv.AdminHandler(), srv.AdminHandler("sim.internal", "localhost")
	for name, c := range map[string]struct {
		handler http.Handler
		change  func(*http.Request)
		want    int
	}{
		"this machine":   {h, nil, 200},
		"by its address": {h, func(r *http.Request) { r.Host = "127.0.0.1:4010" }, 200},
		"by IPv6": {h, func(r *http.Request) {
			r.Host, r.RemoteAddr = "[::1]:4010", "[::1]:5000"
		}, 200},
		"a name that was rebound": {h, func(r *http.Request) { r.Host = "evil.example" }, 403},
		"one that looks like it":  {h, func(r *http.Request) { r.Host = "localhost.evil.example" }, 403},
		"no host":                 {h, func(r *http.Request) { r.Host = "" }, 403},
		"another machine":         {h, func(r *http.Request) { r.RemoteAddr = "192.0.2.7:5000" }, 403},
		"another, to an opened host": {opened, func(r *http.Request) {
			r.Host, r.RemoteAddr = "sim.internal", "192.0.2.7:5000"
		}, 200},
		"another, to no opened host": {opened, func(r *http.Request) {
			r.Host, r.RemoteAddr = "evil.example", "192.0.2.7:5000"
		}, 403},
		"a container's mapped port":   {opened, func(r *http.Request) { r.RemoteAddr = "172.17.0.1:5000" }, 200},
		"an address that is no place": {h, func(r *http.Request) { r.RemoteAddr = "@" }, 403},
		"a proxy on this machine":     {h, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") }, 403},
		"one that names the host": {h, func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "sim.example")
		}, 403},
		"one that names the caller": {h, func(r *http.Request) { r.Header.Set("X-Real-IP", "192.0.2.7") }, 403},
		"one after the standard":    {h, func(r *http.Request) { r.Header.Set("Forwarded", "for=192.0.2.7") }, 403},
		"one that names itself":     {h, func(r *http.Request) { r.Header.Set("Via", "1.1 proxy") }, 403},
		"a proxy, to an opened host": {opened, func(r *http.Request) {
			r.Header.Set("Via", "1.1 proxy")
			r.Host = "sim.internal"
		}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := browse(t, c.handler, http.MethodGet, "", nil, c.change)
			require.Equal(t, c.want, rec.Code)
			require.Contains(t, rec.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'")
		})
	}
}

func TestAdminRefusesOtherSites(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	t.Cleanup(srv.Close)
	h := srv.AdminHandler()
	before := srv.Now()
	for name, change := range map[string]func(*http.Request){
		"another site":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"the same site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"an old browser": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
		},
		"a sandboxed frame": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
	} {
		rec := browse(t, h, http.MethodPost, "clock", url.Values{"by": {"48h"}}, change)
		require.Equal(t, http.StatusForbidden, rec.Code, name)
	}
	require.Less(t, srv.Now().Sub(before).Hours(), 1.0)
	require.Equal(t, http.StatusMethodNotAllowed, browse(t, h, http.MethodGet, "clock?by=48h", nil, nil).Code,
		"a link changes nothing")
}

func TestAdminServesTheDescription(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	t.Cleanup(srv.Close)
	h := srv.AdminHandler()
	for path, c := range map[string]struct{ mediaType, has string }{
		"openapi.yaml": {"application/yaml", "openapi: 3.1.0"},
		"openapi":      {"text/html; charset=utf-8", "Create a profile"},
	} {
		rec := browse(t, h, http.MethodGet, path, nil, nil)
		require.Equal(t, http.StatusOK, rec.Code, path)
		require.Equal(t, c.mediaType, rec.Header().Get("Content-Type"), path)
		require.Contains(t, rec.Body.String(), c.has, path)
	}
}
