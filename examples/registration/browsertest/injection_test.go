package browsertest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// recordingScript stands in for Passfort's: it keeps what it is given.
const recordingScript = `window.PassFortCollect = {
	init(options) { window.given = options; },
	initFromUrl() {
		const query = new URLSearchParams(window.location.search);
		window.given = {request_id: query.get("request_id"), apikey: query.get("apikey")};
		window.history.replaceState(null, "", window.location.pathname);
	},
};`

// TestCredentialsStayData gives a browser ids and keys that try to run.
func TestCredentialsStayData(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte(recordingScript))
	}))
	t.Cleanup(origin.Close)
	var text string
	options := passfort.LoaderOptions{CollectionOrigin: origin.URL}
	mux := http.NewServeMux()
	mux.Handle("/dynamic", passfort.DynamicLoader(func(*http.Request) (passfort.LoaderCredentials, error) {
		return passfort.LoaderCredentials{RequestID: text, APIKey: passfort.NewSecret(text + "!")}, nil
	}, options))
	mux.Handle("/static", passfort.StaticLoader(options))
	mux.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)

	for _, row := range []struct{ name, text string }{
		{"end of the script", `</script><script>window.ran = 1</script>`},
		{"end of the script with a handler", `</ScRiPt ><img src=x onerror="window.ran=1">`},
		{"comment", `<!--<script>window.ran = 1//-->`},
		{"double quotes", `"});window.ran=1;({a:"`},
		{"single quotes", `'});window.ran=1;({a:'`},
		{"backslash", `\"});window.ran=1;//`},
		{"template literal", "`;window.ran=1;`${window.ran=1}${alert(1)}"},
		{"template action", `{{.Form}}`},
		{"line separators", "a\u2028window.ran=1\u2029b\nwindow.ran=1\r\nc"},
		{"entities", `&quot;});window.ran=1;//&lt;/script&gt;`},
		{"scheme", `javascript:window.ran=1`},
		{"unicode", "\U0001F600\u202e\ufeff\u0000é"},
		{"10 KB", strings.Repeat(`"</script>${1}`, 750)},
	} {
		t.Run(row.name, func(t *testing.T) {
			text = row.text
			v := newVisitor(browser, t, desktop, "injection")
			for _, target := range []string{
				site.URL + "/dynamic",
				site.URL + "/static?" + url.Values{"request_id": {row.text}, "apikey": {row.text + "!"}}.Encode(),
			} {
				v.open(target)
				for !eval[bool](v, "Boolean(window.given)") {
					v.pause()
				}
				require.Equal(t, row.text, eval[string](v, "window.given.request_id"))
				require.Equal(t, row.text+"!", eval[string](v, "window.given.apikey"))
				require.True(t, eval[bool](v, "window.ran === undefined"))
				require.Equal(t, 2, eval[int](v, "document.scripts.length"))
				require.Equal(t, 0, eval[int](v, "document.images.length"))
				require.Empty(t, eval[string](v, "location.search"))
			}
			v.quiet()
		})
	}
}

// TestThePolicyHolds tries what the page must not be able to do.
func TestThePolicyHolds(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write([]byte(recordingScript))
	}))
	t.Cleanup(origin.Close)
	reached := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached <- r.URL.Path
	}))
	t.Cleanup(elsewhere.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/{$}", passfort.DynamicLoader(func(*http.Request) (passfort.LoaderCredentials, error) {
		return passfort.LoaderCredentials{RequestID: "id", APIKey: passfort.NewSecret("key")}, nil
	}, passfort.LoaderOptions{CollectionOrigin: origin.URL}))
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	v := newVisitor(browser, t, desktop, "policy")
	v.open(site.URL)
	v.quiet()
	eval[any](
		v, `window.broken = []; document.addEventListener("securitypolicyviolation", (e) => `+
			`broken.push(e.effectiveDirective)); null`,
	)
	for _, row := range []struct{ directive, attempt string }{
		{"script-src-elem", `document.body.append(Object.assign(document.createElement("script"), {src: "` +
			elsewhere.URL + `/script"}))`},
		{"script-src-elem", `document.body.append(Object.assign(document.createElement("script"), {textContent: ` +
			`"window.ran = 1"}))`},
		{"script-src-attr", `document.body.setAttribute("onclick", "window.ran = 1")`},
		{"frame-src", `document.body.append(Object.assign(document.createElement("iframe"), {src: "` + elsewhere.URL +
			`/frame"}))`},
		{"connect-src", `fetch("` + elsewhere.URL + `/fetch").catch(() => {})`},
		{"img-src", `document.body.append(Object.assign(document.createElement("img"), {src: "` + elsewhere.URL +
			`/image"}))`},
		{"base-uri", `document.head.prepend(Object.assign(document.createElement("base"), {href: "` + elsewhere.URL +
			`"}))`},
	} {
		before := eval[int](v, "broken.length")
		eval[any](v, "void ("+row.attempt+")")
		for eval[int](v, "broken.length") == before {
			v.pause()
		}
		require.Equal(t, row.directive, eval[string](v, "broken.at(-1)"))
	}
	require.True(t, eval[bool](v, "window.ran === undefined"))
	require.True(t, eval[bool](v, `(async () => (await fetch("`+origin.URL+`")).ok)().constructor === Promise`))
	require.Empty(t, reached)
}
