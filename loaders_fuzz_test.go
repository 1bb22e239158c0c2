package passfort_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

var (
	loaderElement = regexp.MustCompile(`(?i)<\s*/?\s*(script|iframe|img|svg|object|embed|link|meta|base)\b`)
	loaderInit    = regexp.MustCompile(`PassFortCollect\.init\(\{request_id: ("(?:[^"\\]|\\.)*"), apikey: ("(?:[^"\\]|\\.)*")\}\);`)
)

// FuzzLoaders puts any credentials, origin and address into the loader pages:
// none of them may break out of where it stands, and no address may come back.
func FuzzLoaders(f *testing.F) {
	f.Add("id", "key", "https://collection.passfort.com", "/form?request_id=a&apikey=b", "https://mail.example/?token=t")
	f.Add(`</script><script>alert(1)//`, `"});alert(1);({"`, "https://evil.example;script-src *", "/?x=<img src=x>", "javascript:alert(1)")
	f.Add("\u2028\x00", "\\", "http://127.0.0.1:4011/", "//evil.example/", "::")
	f.Add(`<!--<script>`, "{{.APIKey}}", "https://a b", "/%zz", "https://user:pass@site.example/#key")
	ctx := f.Context()
	plain := httptest.NewRecorder()
	passfort.DynamicLoader(given("id", "key"), passfort.LoaderOptions{}).ServeHTTP(plain, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
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
		passfort.DynamicLoader(given(id, key), options).ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
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
		r := &http.Request{Method: http.MethodGet, URL: u, RequestURI: target, Header: http.Header{"Referer": {referer}, "Cookie": {"s=1"}}}
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
