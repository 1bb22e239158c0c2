package passforttest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/passfort-go/passfort/passforttest"
)

// FuzzServer sends two requests of any kind to a server with something in it:
// no panic, no 500, JSON in every answer, nothing without a key, and a state
// that can still be saved and restored.
func FuzzServer(f *testing.F) {
	seeded := func() (*passforttest.Server, string) {
		srv := passforttest.New(passforttest.WithSeed(1), passforttest.WithClock(passforttest.NewClock(time.Unix(1e9,
			0))), passforttest.WithSyncHold(time.Nanosecond))
		rec := serveOnce(srv, http.MethodPost, "/profiles",
			newPerson[:len(newPerson)-1]+`,"applications":[{"product":{"alias":"gold"}}]}`, srv.APIKey())
		var made struct{ ID string }
		if err := json.Unmarshal(rec.Body.Bytes(), &made); err != nil {
			panic(err)
		}
		return srv, made.ID
	}
	bodies := []string{
		``, `null`, `[]`, `{}`, `"BANNED"`, newPerson, person, `{"check_type":"IDENTITY_CHECK"}`,
		`{"type":"INDIVIDUAL_MANUAL_TASK"}`,
		`{"text":"x"}`, `{"data":{"event_type":"REVIEW_NEEDED"}}`, `[{"id":"x","resolution":"MATCH"}]`,
		`{"name":"vip"}`,
		`{"data":"JVBERi0x","image_type":"FRONT"}`, `[{"collection_type":"DOB"}]`, `{"profile_ids":["x"]}`,
		`{"status":"REJECTED"}`,
		`{"type":"FLOW","flow_template":{"alias":"f"},"theme":{"alias":"t"}}`,
		`{"category":"X","document_type":"Y","images":[{"id":"z"}]}`,
	}
	for i, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		for _, path := range []string{
			"/profiles", "/profiles/ID", "/profiles/ID/collected_data", "/profiles/ID/checks?mode=async",
			"/profiles/ID/tasks", "/profiles/ID/events",
			"/profiles/ID/events/bulk_update", "/profiles/ID/files", "/profiles/ID/document_images",
			"/profiles/ID/tags", "/profiles/ID/delete",
			"/profiles/ID/collection_steps", "/profiles/ID/applications", "/profiles/ID/status", "/api_keys/collect",
			"/address/search?address=1&country_code=GBR",
			"/forms/profile/ID/customer_request", "/tags/search/%2F", "/profiles/ID/audit/pdf_report",
			"/profiles/ID/collected_data/documents",
		} {
			f.Add(method, path, bodies[(i*7+len(path))%len(bodies)], `W/"1.000"`, bodies[(i+len(path))%len(bodies)])
		}
	}
	f.Fuzz(func(t *testing.T, method, path, body, match, second string) {
		if !acceptable(method, path, match) {
			return
		}
		srv, id := seeded()
		defer srv.Close()
		path = strings.ReplaceAll(path, "ID", id)
		if rec := serveOnce(srv, method, path, body, ""); rec.Code != http.StatusUnauthorized {
			t.Fatalf("%d without a key", rec.Code)
		}
		for _, b := range []string{body, second} {
			rec := serveOnce(srv, method, path, b, srv.APIKey(), "If-Match", match)
			if rec.Code >= http.StatusInternalServerError {
				t.Fatalf("status %d: %s", rec.Code, rec.Body)
			}
			if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") &&
				!json.Valid(rec.Body.Bytes()) {
				t.Fatalf("not JSON: %q", rec.Body)
			}
		}
		srv.AdvanceClock(time.Hour)
		saved, err := srv.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := srv.Restore(saved); err != nil {
			t.Fatal(err)
		}
		if rec := serveOnce(srv, http.MethodGet, "/profiles", "", srv.APIKey()); rec.Code != http.StatusOK {
			t.Fatalf("status %d after a restore", rec.Code)
		}
	})
}

// acceptable says whether net/http would let such a request through.
func acceptable(method, path, match string) bool {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(match, "\r\n\x00") {
		return false
	}
	_, err := http.NewRequest(method, "http://127.0.0.1/4.0"+path, nil) //nolint:noctx // it is not sent
	return err == nil
}

func serveOnce(srv *passforttest.Server, method, path, body, key string, header ...string) *httptest.ResponseRecorder {
	r, err := http.NewRequest(method, "http://127.0.0.1/4.0"+path, strings.NewReader(body)) //nolint:noctx // not sent
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = "127.0.0.1:5000"
	if key != "" {
		r.Header.Set("apikey", key)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, r)
	return rec
}

// FuzzAdmin sends anything to the admin pages: no panic, no script that was
// not there, nothing for others.
func FuzzAdmin(f *testing.F) {
	for _, path := range []string{"", "webhooks", "style.css", "clock", "profiles/ID", "profiles/ID/data",
		"profiles/ID/checks/x", "?q=%3Cscript%3E&from=1"} {
		f.Add(http.MethodGet, path, "done=<script>")
		f.Add(http.MethodPost, path, "by=1h&data={}&etag=x&decision=PASS&state=x&status=APPROVED")
	}
	srv := passforttest.New(passforttest.WithSeed(1))
	f.Cleanup(srv.Close)
	serveOnce(srv, http.MethodPost, "/profiles", strings.Replace(newPerson, "Kim", "<script>", 1), srv.APIKey())
	h := srv.AdminHandler()
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+passforttest.AdminPath+path,
			strings.NewReader(body))
		if err != nil || !strings.HasPrefix(r.URL.Path, passforttest.AdminPath) {
			return
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, from := range []string{"127.0.0.1:1", "192.0.2.1:1"} {
			r.RemoteAddr = from
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			page, _ := io.ReadAll(rec.Body)
			if rec.Code >= http.StatusInternalServerError ||
				strings.Contains(strings.ToLower(string(page)), "<script") {
				t.Fatalf("%d %s", rec.Code, page)
			}
			if from != "127.0.0.1:1" && rec.Code != http.StatusForbidden {
				t.Fatalf("%d for another machine", rec.Code)
			}
		}
	})
}
