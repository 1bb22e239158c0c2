package passfort_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

func given(id, key string) func(*http.Request) (passfort.LoaderCredentials, error) {
	return func(*http.Request) (passfort.LoaderCredentials, error) {
		return passfort.LoaderCredentials{RequestID: id, APIKey: passfort.NewSecret(key)}, nil
	}
}

func load(t *testing.T, h http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w
}

var nonceInPolicy = regexp.MustCompile(`'nonce-([A-Za-z0-9]+)'`)

func TestLoaderHeaders(t *testing.T) {
	t.Parallel()
	failing := func(*http.Request) (passfort.LoaderCredentials, error) {
		return passfort.LoaderCredentials{}, errors.New("the database of " + requestKey)
	}
	signedOut := func(*http.Request) (passfort.LoaderCredentials, error) {
		return passfort.LoaderCredentials{}, fmt.Errorf("no session %s: %w", requestKey, passfort.ErrNotSignedIn)
	}
	const (
		passfortOrigin = "https://collection.passfort.com"
		policy         = "default-src 'none'; script-src %[1]s 'nonce-N'; frame-src %[1]s; connect-src %[1]s; " +
			"style-src 'self' %[1]s %[2]s; " +
			"img-src 'self' data: %[1]s; font-src 'self' %[1]s; base-uri 'self'; form-action 'self'; frame-ancestors " +
			"%[3]s"
	)
	nonced, inline := "'nonce-N'", "'unsafe-inline'"
	for _, row := range []struct {
		name    string
		handler http.Handler
		method  string
		status  int
		policy  string
		extra   map[string]string
	}{
		{"static", passfort.StaticLoader(passfort.LoaderOptions{}), "GET", 200,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"static HEAD", passfort.StaticLoader(passfort.LoaderOptions{}), "HEAD", 200,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"static POST", passfort.StaticLoader(passfort.LoaderOptions{}), "POST", 405,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), map[string]string{"Allow": "GET, HEAD"}},
		{"dynamic", passfort.DynamicLoader(given(requestID, requestKey), passfort.LoaderOptions{}), "GET", 200,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"dynamic HEAD", passfort.DynamicLoader(given(requestID, requestKey), passfort.LoaderOptions{}), "HEAD", 200,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"dynamic DELETE", passfort.DynamicLoader(given(requestID, requestKey), passfort.LoaderOptions{}), "DELETE",
			405, fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), map[string]string{"Allow": "GET, HEAD"}},
		{"another origin", passfort.StaticLoader(passfort.LoaderOptions{CollectionOrigin: "http://127.0.0.1:4011/"}),
			"GET", 200, fmt.Sprintf(policy, "http://127.0.0.1:4011", nonced, "'none'"), nil},
		{"the newer host", passfort.StaticLoader(passfort.LoaderOptions{CollectionOrigin: passfort.CollectionOriginEU}),
			"GET", 200, fmt.Sprintf(policy, "https://collection.eu.maxsight.com", nonced, "'none'"), nil},
		{"framed", passfort.StaticLoader(passfort.LoaderOptions{Framed: true}), "GET", 200,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'self'"), map[string]string{"X-Frame-Options": "SAMEORIGIN"}},
		{"inline styles", passfort.StaticLoader(passfort.LoaderOptions{InlineStyles: true}), "GET", 200,
			fmt.Sprintf(policy, passfortOrigin, inline, "'none'"), nil},
		{"callback fails", passfort.DynamicLoader(failing, passfort.LoaderOptions{}), "GET", 500,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"callback fails, HEAD", passfort.DynamicLoader(failing, passfort.LoaderOptions{}), "HEAD", 500,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"empty credentials", passfort.DynamicLoader(given("", ""), passfort.LoaderOptions{}), "GET", 500,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"empty key", passfort.DynamicLoader(given(requestID, ""), passfort.LoaderOptions{}), "GET", 500,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"signed out", passfort.DynamicLoader(signedOut, passfort.LoaderOptions{}), "GET", 403,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), nil},
		{"signed out, sent to sign in", passfort.DynamicLoader(signedOut,
			passfort.LoaderOptions{SignInURL: "/sign-in"}), "GET", 303,
			fmt.Sprintf(policy, passfortOrigin, nonced, "'none'"), map[string]string{"Location": "/sign-in"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := load(t, row.handler, row.method, "/form?request_id=from-the-url&apikey=key-from-the-url")
			require.Equal(t, row.status, w.Code)
			want := map[string]string{
				"Content-Security-Policy": row.policy,
				"Cache-Control":           "no-store, private",
				"Vary":                    "*",
				"Referrer-Policy":         "no-referrer",
				"X-Content-Type-Options":  "nosniff",
				"X-Frame-Options":         "DENY",
			}
			for name, value := range row.extra {
				want[name] = value
			}
			header := w.Header().Clone()
			header.Set("Content-Security-Policy", nonceInPolicy.ReplaceAllString(header.Get("Content-Security-Policy"),
				"'nonce-N'"))
			for name, value := range want {
				require.Equal(t, value, header.Get(name), name)
			}
			require.Contains(t, header.Get("Permissions-Policy"), `camera=(self "http`)
			for _, name := range []string{"Etag", "Last-Modified", "Expires", "Set-Cookie"} {
				require.Empty(t, header.Get(name), name)
			}
			require.NotContains(t, fmt.Sprint(w.Header()), "key")
			require.NotContains(t, w.Body.String(), "from-the-url")
			if row.status != 200 {
				require.NotContains(t, w.Body.String(), requestKey)
				require.NotContains(t, w.Body.String(), "database")
			}
			if row.method == "HEAD" {
				require.Zero(t, w.Body.Len())
			}
		})
	}
}

// TestLoaderOptionsInTheHeaders: more origins, the microphone, and reports of
// what the policy stops.
func TestLoaderOptionsInTheHeaders(t *testing.T) {
	t.Parallel()
	const both = "https://collection.passfort.com https://collection.eu.maxsight.com"
	w := load(t, passfort.StaticLoader(passfort.LoaderOptions{
		FormOrigins: []string{passfort.CollectionOriginEU, passfort.DefaultCollectionOrigin + "/"},
		Microphone:  true,
		ReportURL:   "/policy-report?page=form",
	}), "GET", "/")
	policy := nonceInPolicy.ReplaceAllString(w.Header().Get("Content-Security-Policy"), "'nonce-N'")
	require.Equal(t, "default-src 'none'; script-src "+both+" 'nonce-N'; frame-src "+both+"; connect-src "+both+
		"; style-src 'self' "+both+" 'nonce-N'; img-src 'self' data: "+both+"; font-src 'self' "+both+
		"; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; report-uri /policy-report?page=form", policy)
	passedOn := `(self "https://collection.passfort.com" "https://collection.eu.maxsight.com")`
	require.Equal(t, "camera="+passedOn+", microphone="+passedOn+
		", geolocation=(), payment=(), usb=(), display-capture=()",
		w.Header().Get("Permissions-Policy"))
	require.Contains(t, w.Body.String(), `src="https://collection.passfort.com/embed.js"`)

	usual := load(t, passfort.StaticLoader(passfort.LoaderOptions{}), "GET", "/")
	require.Contains(t, usual.Header().Get("Permissions-Policy"), "microphone=()")
	nonce := nonceInPolicy.FindStringSubmatch(usual.Header().Get("Content-Security-Policy"))[1]
	require.Contains(t, usual.Body.String(), `<style nonce="`+nonce+`">`,
		"the frame has a size without style attributes")

	for _, row := range []struct {
		name    string
		options passfort.LoaderOptions
	}{
		{"an origin with a directive", passfort.LoaderOptions{
			FormOrigins: []string{"https://a.example; script-src *"},
		}},
		{"an empty origin", passfort.LoaderOptions{FormOrigins: []string{""}}},
		{"reports go elsewhere", passfort.LoaderOptions{ReportURL: "https://reports.example/"}},
		{"reports go elsewhere without a scheme", passfort.LoaderOptions{ReportURL: "//reports.example/"}},
		{"reports with a directive", passfort.LoaderOptions{ReportURL: "/report; script-src *"}},
		{"reports with a line end", passfort.LoaderOptions{ReportURL: "/report\r\nSet-Cookie: a=b"}},
	} {
		require.Panics(t, func() { passfort.StaticLoader(row.options) }, row.name)
	}
}

func TestLoaderTellsItsErrorsToTheSite(t *testing.T) {
	t.Parallel()
	broken := errors.New("no database")
	var seen []error
	h := passfort.DynamicLoader(
		func(*http.Request) (passfort.LoaderCredentials, error) { return passfort.LoaderCredentials{}, broken },
		passfort.LoaderOptions{OnError: func(_ *http.Request, err error) { seen = append(seen, err) }},
	)
	load(t, h, "GET", "/form")
	require.Equal(t, []error{broken}, seen)
}

func TestNoncesDiffer(t *testing.T) {
	t.Parallel()
	h := passfort.StaticLoader(passfort.LoaderOptions{})
	seen := map[string]bool{}
	for range 100 {
		w := load(t, h, "GET", "/")
		found := nonceInPolicy.FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
		require.Len(t, found, 2)
		require.GreaterOrEqual(t, len(found[1]), 22)
		require.Contains(t, w.Body.String(), `<script nonce="`+found[1]+`">`)
		seen[found[1]] = true
	}
	require.Len(t, seen, 100)
}

func TestLoaderPageIsThatOfTheGuide(t *testing.T) {
	t.Parallel()
	static := load(t, passfort.StaticLoader(passfort.LoaderOptions{Title: "Ihre Daten & mehr", Language: "de"}), "GET",
		"/").Body.String()
	for _, part := range []string{
		"<!DOCTYPE html>", `<html lang="de">`, `<meta charset="utf-8">`, `<meta name="viewport"`,
		`<title>Ihre Daten &amp; mehr</title>`, `<base href="/">`,
		`<div id="collection-wrapper"></div>`, `src="https://collection.passfort.com/embed.js"`, "window.onload",
		"PassFortCollect.initFromUrl()",
	} {
		require.Contains(t, static, part)
	}
	require.NotContains(t, static, "PassFortCollect.init(")
	dynamic := load(t, passfort.DynamicLoader(given(requestID, requestKey), passfort.LoaderOptions{
		Header: "<header>ours</header>", Footer: "<footer>too</footer>", Stylesheets: []string{"/style.css"},
	}), "GET", "/").Body.String()
	for _, part := range []string{
		"<header>ours</header>", "<footer>too</footer>", `<link rel="stylesheet" href="/style.css">`,
		`<div id="collection-wrapper"></div>`,
		`PassFortCollect.init({request_id: "` + requestID + `", apikey: "` + requestKey + `"})`,
	} {
		require.Contains(t, dynamic, part)
	}
	require.NotContains(t, dynamic, "initFromUrl")
}

var initCall = regexp.MustCompile(`PassFortCollect\.init\(\{request_id: (".*"), apikey: (".*")\}\);`)

// TestCredentialsStayData puts what could break out of a script into the
// credentials. A browser test does the same with a browser.
func TestCredentialsStayData(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text string }{
		{"end of the script", `</script><script>alert(1)</script>`},
		{"comment", `<!--<script>`},
		{"double quote", `");alert(1);("`},
		{"single quote", `');alert(1);('`},
		{"backslash", `\");alert(1);//`},
		{"template", "${alert(1)}`"},
		{"template action", `{{.APIKey}}`},
		{"line separators", "a\u2028alert(1)\u2029b\nc\rd"},
		{"entities", `&quot;);alert(1);&#x27;`},
		{"controls", "\x00\x01\x7f"},
		{"long", strings.Repeat("0123456789abcdef", 640)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			body := load(t, passfort.DynamicLoader(given(row.text, row.text), passfort.LoaderOptions{}), "GET",
				"/").Body.String()
			require.Equal(t, 2, strings.Count(body, "<script"))
			require.Equal(t, 2, strings.Count(body, "</script>"))
			found := initCall.FindStringSubmatch(body)
			require.Len(t, found, 3)
			for _, literal := range found[1:] {
				var back string
				require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(literal, `\'`, `'`)), &back))
				require.Equal(t, row.text, back)
				require.NotContains(t, literal, "\u2028")
			}
		})
	}
}

func TestOwnTemplate(t *testing.T) {
	t.Parallel()
	page := template.Must(template.New("mine").Parse(
		`<title>{{.Title}}</title><p>{{.Data}}</p>{{.Form}}<script nonce="{{.Nonce}}">let name = {{.Data}};</script>`))
	h := passfort.DynamicLoader(given(requestID, requestKey), passfort.LoaderOptions{
		Template: page, Title: "Mine", Data: func(r *http.Request) any { return r.URL.Path + "</p>" },
	})
	w := load(t, h, "GET", "/Ada")
	require.Contains(t, w.Body.String(), "<title>Mine</title><p>/Ada&lt;/p&gt;</p>")
	require.Contains(t, w.Body.String(), requestKey)
	nonce := nonceInPolicy.FindStringSubmatch(w.Header().Get("Content-Security-Policy"))[1]
	require.Equal(t, 2, strings.Count(w.Body.String(), `nonce="`+nonce+`"`))
}

func TestWordsForVisitorsWithoutTheForm(t *testing.T) {
	t.Parallel()
	require.Contains(t, load(t, passfort.StaticLoader(passfort.LoaderOptions{}), "GET", "/").Body.String(),
		"<p>The form cannot be shown. ")
	page := load(t, passfort.StaticLoader(passfort.LoaderOptions{Unavailable: "Bitte sp\u00e4ter <hier>"}), "GET",
		"/").Body.String()
	require.Contains(t, page, "<p>Bitte sp\u00e4ter &lt;hier&gt;</p>")
	require.NotContains(t, page, "The form cannot be shown")
}

func TestTemplateThatFailsGivesNoHalfPage(t *testing.T) {
	t.Parallel()
	page := template.Must(template.New("broken").Parse(`{{.Form}}{{.Data.Missing}}`))
	h := passfort.DynamicLoader(given(requestID, requestKey), passfort.LoaderOptions{
		Template: page, Data: func(*http.Request) any { return struct{}{} },
	})
	w := load(t, h, "GET", "/")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), requestKey)
}

func TestCollectionOriginIsChecked(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"https://forms.example.com", "https://forms.example.com:8443/",
		"http://localhost:1", "http://[::1]:2", "https://a-Z.example:90", "https://AZaz09.example"} {
		require.NotPanics(t, func() { passfort.StaticLoader(passfort.LoaderOptions{CollectionOrigin: origin}) }, origin)
	}
	for _, origin := range []string{
		"http://forms.example.com", "forms.example.com", "//forms.example.com", "https://", "https://a.example/path",
		"https://a.example?x",
		"https://a.example#x", "https://user@a.example", "javascript:alert(1)", "https://a.example; script-src *",
		"https://*.example", "https://a.example'", " https://a.example", "https://a_b.example", "https://a@b.example",
		"https://a`.example", "https://a{.example",
	} {
		require.Panics(t, func() { passfort.StaticLoader(passfort.LoaderOptions{CollectionOrigin: origin}) }, origin)
	}
	require.Panics(t, func() { passfort.DynamicLoader(nil, passfort.LoaderOptions{}) })
}

// TestTwoVisitorsAtOnce asks with two sessions from many goroutines.
func TestTwoVisitorsAtOnce(t *testing.T) {
	t.Parallel()
	h := passfort.DynamicLoader(func(r *http.Request) (passfort.LoaderCredentials, error) {
		who := r.Header.Get("Cookie")
		return passfort.LoaderCredentials{RequestID: "id-of-" + who, APIKey: passfort.NewSecret("key-of-" + who)}, nil
	}, passfort.LoaderOptions{})
	var running sync.WaitGroup
	for i := range 200 {
		mine, other := "ada", "bob"
		if i%2 == 1 {
			mine, other = other, mine
		}
		running.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/form", nil)
			r.Header.Set("Cookie", mine)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body := w.Body.String()
			if !strings.Contains(body, "key-of-"+mine) || strings.Contains(body, "key-of-"+other) {
				t.Errorf("the page of %s has other credentials", mine)
			}
		})
	}
	running.Wait()
}

func TestRedactRequest(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), "GET",
		"https://site.example/form?request_id=the-id&apikey="+requestKey, strings.NewReader("body "+requestKey))
	r.Header.Set("Cookie", "session="+requestKey)
	r.Header.Set("Authorization", "Bearer "+requestKey)
	r.Header.Set("Referer", "https://user:"+requestKey+"@site.example/form?apikey="+requestKey+"#"+requestKey)
	r.Header.Set("User-Agent", "browser")
	for _, name := range []string{"X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url", "X-Rewrite-Url", "Apikey",
		"X-Whatever"} {
		r.Header.Set(name, "/form?request_id=R&apikey="+requestKey)
	}
	r.Header["cookie"] = []string{requestKey}
	r.Trailer = http.Header{"X-Key": {requestKey}}
	clean := passfort.RedactRequest(r)
	require.NotContains(t, fmt.Sprintf("%+v %v %v", clean, clean.URL, clean.Header), requestKey)
	require.NotContains(t, clean.Header, "cookie")
	body, err := io.ReadAll(clean.Body)
	require.NoError(t, err)
	require.Empty(t, body)
	require.Equal(t, "/form", clean.URL.Path)
	require.Equal(t, "/form?redacted", clean.RequestURI)
	require.Equal(t, "https://site.example/form?redacted", clean.Referer())
	require.Equal(t, "browser", clean.UserAgent())
	require.Equal(t, r.RemoteAddr, clean.RemoteAddr)

	require.Equal(t, requestKey, r.URL.Query().Get("apikey"), "the request itself is left alone")
	require.NotEmpty(t, r.Header.Get("Cookie"))
}

var (
	loaderElement = regexp.MustCompile(`(?i)<\s*/?\s*(script|iframe|img|svg|object|embed|link|meta|base)\b`)
	loaderInit    = regexp.MustCompile(
		`PassFortCollect\.init\(\{request_id: ("(?:[^"\\]|\\.)*"), apikey: ("(?:[^"\\]|\\.)*")\}\);`,
	)
)

// FuzzLoaders puts any credentials, origin and address into the loader pages:
// none of them may break out of where it stands, and no address may come back.
func FuzzLoaders(f *testing.F) {
	f.Add("id", "key", "https://collection.passfort.com", "/form?request_id=a&apikey=b",
		"https://mail.example/?token=t")
	f.Add(`</script><script>alert(1)//`, `"});alert(1);({"`, "https://evil.example;script-src *", "/?x=<img src=x>",
		"javascript:alert(1)")
	f.Add("\u2028\x00", "\\", "http://127.0.0.1:4011/", "//evil.example/", "::")
	f.Add(`<!--<script>`, "{{.APIKey}}", "https://a b", "/%zz", "https://user:pass@site.example/#key")
	ctx := f.Context()
	plain := httptest.NewRecorder()
	passfort.DynamicLoader(given("id", "key"), passfort.LoaderOptions{}).ServeHTTP(plain,
		httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	usual := len(loaderElement.FindAllString(plain.Body.String(), -1))
	f.Fuzz(func(t *testing.T, id, key, origin, target, referer string) {
		ctx := t.Context()
		options := passfort.LoaderOptions{}
		func() {
			defer func() { _ = recover() }() // an origin that cannot be used panics, and is not used
			passfort.StaticLoader(passfort.LoaderOptions{CollectionOrigin: origin})
			options.CollectionOrigin = origin
		}()
		rec := httptest.NewRecorder()
		passfort.DynamicLoader(given(id, key), options).ServeHTTP(rec,
			httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		for _, values := range rec.Header() {
			require.False(t, strings.ContainsFunc(values[0], unicode.IsControl))
		}
		require.NotContains(t, rec.Header().Get("Content-Security-Policy"), "*")
		require.Equal(t, 9, strings.Count(rec.Header().Get("Content-Security-Policy"), ";"), "a directive more")
		if id == "" || key == "" {
			require.Equal(t, http.StatusInternalServerError, rec.Code)
		} else {
			require.Len(t, loaderElement.FindAllString(rec.Body.String(), -1), usual, "an element more")
			require.Regexp(t, loaderInit, rec.Body.String())
		}

		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{
			Method: http.MethodGet, URL: u, RequestURI: target, Header: http.Header{
				"Referer": {referer}, "Cookie": {"s=1"},
			},
		}
		rec = httptest.NewRecorder()
		passfort.StaticLoader(options).ServeHTTP(rec, r)
		require.Len(t, loaderElement.FindAllString(rec.Body.String(), -1), usual)
		clean := passfort.RedactRequest(r.WithContext(ctx))
		require.Contains(t, []string{"", "redacted"}, clean.URL.RawQuery)
		require.Nil(t, clean.URL.User)
		require.Empty(t, clean.Header.Get("Cookie"))
		if from, err := url.Parse(clean.Header.Get("Referer")); err == nil {
			require.Contains(t, []string{"", "redacted"}, from.RawQuery)
			require.Nil(t, from.User)
			require.Empty(t, from.Fragment)
		}
	})
}

// Requests that no server made have no body, and perhaps no URL.
func TestRequestsWithoutABody(t *testing.T) {
	t.Parallel()
	require.NotPanics(t, func() { passfort.RedactRequest(&http.Request{}) })
	bare := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/webhooks"}, Header: http.Header{}}
	w := httptest.NewRecorder()
	newHandler(t).ServeHTTP(w, bare)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	sim := passforttest.New()
	defer sim.Close()
	for _, path := range []string{"/4.0/profiles", "/4.0/profiles/x/files", "/4.0/profiles/x/document_images"} {
		upload := &http.Request{
			Method: http.MethodPost, URL: &url.URL{Path: path}, Header: http.Header{"Apikey": {sim.APIKey()}},
			Host: "127.0.0.1",
		}
		w := httptest.NewRecorder()
		require.NotPanics(t, func() { sim.ServeHTTP(w, upload) })
		require.GreaterOrEqual(t, w.Code, 400)
	}
}
