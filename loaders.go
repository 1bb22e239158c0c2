package passfort

import (
	"bytes"
	"crypto/rand"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The origins where Passfort serves the hosted forms and the script that embeds
// them. Both are in the EU. The newer is known since 2025; that it has the script
// too is a guess, so the older is the default. Those of other regions are not known
// (docs/api/basics.md#hosts-and-regions).
const (
	DefaultCollectionOrigin = "https://collection.passfort.com"
	CollectionOriginEU      = "https://collection.eu.maxsight.com"
)

// StaticLoader returns the page behind the link in the e-mail that Passfort sends for a customer
// request (docs/api/customer-requests.md#loader-pages). The link has the id and the key of the
// request in its query; the script reads them there, and takes them out of the address bar and the
// history.
//
// That query is part of the first request for the page, so keep it out of access
// logs, here and in every proxy in front: log RedactRequest(r) in place of r.
// The page itself never repeats it.
//
// The handler answers GET and HEAD, on whatever path it is mounted at. It panics
// if the options cannot be used.
func StaticLoader(options LoaderOptions) http.Handler {
	return newLoader(options, nil)
}

// DynamicLoader returns the page that shows a customer request to the signed-in applicant it
// belongs to: the third step of a registration flow (docs/api/customer-requests.md#loader-pages).
// For each request for the page, credentials says which customer request this visitor may fill in.
// It must decide by the visitor's session, never by something the visitor can choose. Nothing that
// it returns is kept, and the page must not be cached by anyone.
//
// When credentials fails with ErrNotSignedIn, the visitor is sent to SignInURL
// or gets status 403; with any other error, and with an empty id or key, status
// 500. These pages tell nothing of the error, which LoaderOptions.OnError gets.
//
// The handler answers GET and HEAD, on whatever path it is mounted at. It panics
// if the options cannot be used or credentials is nil.
func DynamicLoader(credentials func(*http.Request) (LoaderCredentials, error), options LoaderOptions) http.Handler {
	if credentials == nil {
		panic("passfort: nil credentials function")
	}
	return newLoader(options, credentials)
}

// LoaderCredentials open one customer request: what CreateCustomerRequest
// returned. The key is that of the request, never the account's.
type LoaderCredentials struct {
	RequestID string
	APIKey    Secret
}

// ErrNotSignedIn is for the function given to DynamicLoader: the visitor has no
// session, or no customer request to fill in.
var ErrNotSignedIn = errors.New("passfort: not signed in")

// LoaderOptions shape the page around the forms. The zero value is a plain page
// in English for Passfort's own origin.
type LoaderOptions struct {
	// CollectionOrigin is the only origin, besides the page's own, that the page
	// may run scripts of, frame and talk to. It is https, or http on this machine
	// for tests, such as CollectionOriginEU. Default: DefaultCollectionOrigin.
	CollectionOrigin string
	// FormOrigins are more origins that the page may use as it does
	// CollectionOrigin, such as CollectionOriginEU while Passfort moves forms there.
	// Each is written like CollectionOrigin. Which origins the real script uses is
	// not published; ReportURL shows what is missing.
	FormOrigins []string
	// Title of the document. Default "Customer".
	Title string
	// Language of the page, a BCP 47 tag. Default "en".
	Language string
	// Header and Footer are put before and after the form, inside the body.
	Header, Footer template.HTML
	// Stylesheets are URLs on the page's own origin.
	Stylesheets []string
	// Unavailable is shown when the script of the form cannot be loaded or
	// JavaScript is off. Default: a sentence in English.
	Unavailable string
	// Template is a page of your own, executed with a LoaderPage. It must print its Form once. Give
	// #collection-wrapper iframe a width and a height in a stylesheet of yours: the policy stops
	// style attributes.
	Template *template.Template
	// Data returns what Template gets as its Data, for example the name of the visitor.
	Data func(*http.Request) any
	// InlineStyles lets the page have style attributes and style elements without
	// a nonce. Passfort's script may need it: what it does is not published.
	InlineStyles bool
	// Microphone lets the form record sound, which a check with a video needs.
	// Otherwise no page may.
	Microphone bool
	// ReportURL is where browsers post what the policy of the page stopped, one
	// JSON object each (application/csp-report). It is a path of the page's own
	// origin: a report has the whole URL of the page, and with StaticLoader that is
	// the link with the key. Log no more of it than the directive and the origin of
	// what was stopped. Default: nowhere.
	ReportURL string
	// Framed lets pages of the same origin frame this one. Otherwise no page may.
	Framed bool
	// SignInURL is where visitors go for whom the credentials function returns
	// ErrNotSignedIn.
	SignInURL string
	// OnError receives why a page could not be shown. Do not log more of the
	// request than RedactRequest leaves.
	OnError func(*http.Request, error)
}

// LoaderPage is what LoaderOptions.Template is executed with. The document needs <base href="/">
// (docs/api/customer-requests.md#loader-pages), so write links in it from the root.
type LoaderPage struct {
	Title    string
	Language string
	// Nonce makes a script or style element of yours run: <script nonce="{{.Nonce}}">.
	Nonce string
	// Form is the element that the form is put into, and the scripts that do it.
	// It holds the key of the request.
	Form template.HTML
	// Data is the result of LoaderOptions.Data.
	Data any

	Header, Footer template.HTML
	Stylesheets    []string
}

// RedactRequest returns a copy of r that is fit for an access log: without the
// query of its URL, and with no headers but those that logs are made of, the
// Referer without query and fragment. Cookies and keys are gone, and so are the
// URLs that proxies put into headers. The method, path, protocol and remote
// address are as they were. The copy has no body.
func RedactRequest(r *http.Request) *http.Request {
	clean := r.Clone(r.Context())
	clean.Body, clean.GetBody, clean.ContentLength = http.NoBody, nil, 0
	clean.Form, clean.PostForm, clean.MultipartForm = nil, nil, nil
	if clean.URL == nil { // a request that no server made
		clean.URL = &url.URL{}
	}
	redactURL(clean.URL)
	clean.RequestURI = clean.URL.RequestURI()
	maps.DeleteFunc(clean.Header, func(name string, _ []string) bool {
		return !slices.Contains(loggedHeaders, http.CanonicalHeaderKey(name))
	})
	clean.Trailer = nil
	if referer := clean.Header.Get("Referer"); referer != "" {
		clean.Header.Del("Referer")
		if from, err := url.Parse(referer); err == nil {
			redactURL(from)
			clean.Header.Set("Referer", from.String())
		}
	}
	return clean
}

// loggedHeaders are the headers that RedactRequest leaves.
var loggedHeaders = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Forwarded", "Referer", "Traceparent", "User-Agent",
	"Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id",
}

func redactURL(u *url.URL) {
	if u.RawQuery != "" {
		u.RawQuery = "redacted"
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
}

// loader serves one kind of page.
type loader struct {
	options     LoaderOptions
	origins     []string                                       // that of the script first
	credentials func(*http.Request) (LoaderCredentials, error) // nil: they are in the URL
	page        *template.Template
}

func newLoader(options LoaderOptions, credentials func(*http.Request) (LoaderCredentials, error)) *loader {
	if options.CollectionOrigin == "" {
		options.CollectionOrigin = DefaultCollectionOrigin
	}
	origin, problem := checkOrigin(options.CollectionOrigin)
	if problem != "" {
		panic("passfort: " + problem)
	}
	options.CollectionOrigin = origin
	l := &loader{origins: []string{origin}, credentials: credentials}
	for _, more := range options.FormOrigins {
		if more, problem = checkOrigin(more); problem != "" {
			panic("passfort: " + problem)
		}
		if !slices.Contains(l.origins, more) {
			l.origins = append(l.origins, more)
		}
	}
	if options.ReportURL != "" && !isOwnPath(options.ReportURL) {
		panic("passfort: the report URL is not a path of the page's own origin")
	}
	if options.Title == "" {
		options.Title = "Customer"
	}
	if options.Language == "" {
		options.Language = "en"
	}
	if options.Unavailable == "" {
		options.Unavailable = "The form cannot be shown. Please turn JavaScript on, or try again later."
	}
	l.options, l.page = options, options.Template
	if l.page == nil {
		l.page = loaderPage
	}
	return l
}

// checkOrigin returns an origin as it stands in a policy: scheme and host. Only
// characters of host names and ports get through, so that it can be put there.
func checkOrigin(s string) (origin, problem string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", "the collection origin is not scheme://host"
	case strings.ContainsFunc(u.Host, func(r rune) bool { return !isHostRune(r) }):
		return "", "the collection origin has characters that no host has"
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return u.Scheme + "://" + strings.ToLower(u.Host), ""
	}
	return "", "the collection origin is neither https nor on this machine"
}

// isOwnPath reports whether s is a path from the root that can stand in a policy.
func isOwnPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.ContainsFunc(s, func(r rune) bool {
		return !isHostRune(r) && !strings.ContainsRune("/_~%?=&", r)
	})
}

func isHostRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(".-:[]", r)
}

// ServeHTTP answers with the page.
func (l *loader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	l.setHeader(w.Header(), nonce)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		l.fail(w, r, http.StatusMethodNotAllowed)
		return
	}
	page, err := l.render(r, nonce)
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.Method == http.MethodGet {
			_, _ = w.Write(page)
		}
		return
	case l.options.OnError != nil:
		l.options.OnError(r, err)
	}
	switch {
	case !errors.Is(err, ErrNotSignedIn):
		l.fail(w, r, http.StatusInternalServerError)
	case l.options.SignInURL != "":
		w.Header().Set("Location", l.options.SignInURL)
		w.WriteHeader(http.StatusSeeOther)
	default:
		l.fail(w, r, http.StatusForbidden)
	}
}

var errEmptyCredentials = errors.New("passfort: the credentials function returned an empty id or key")

// render returns the whole page, so that an error can still be answered with
// its own status.
func (l *loader) render(r *http.Request, nonce string) ([]byte, error) {
	form := loaderForm{
		Nonce: nonce, Script: l.options.CollectionOrigin + "/embed.js", Unavailable: l.options.Unavailable,
	}
	if l.credentials != nil {
		given, err := l.credentials(r)
		if err != nil {
			return nil, err
		}
		if given.RequestID == "" || given.APIKey.IsZero() {
			return nil, errEmptyCredentials
		}
		form.Given = &givenCredentials{given.RequestID, given.APIKey.Reveal()}
	}
	var b bytes.Buffer
	if err := loaderFormTemplate.Execute(&b, form); err != nil {
		return nil, err
	}
	page := LoaderPage{
		Title: l.options.Title, Language: l.options.Language, Nonce: nonce,
		Form:   template.HTML(b.String()), // escaped by its own template
		Header: l.options.Header, Footer: l.options.Footer, Stylesheets: l.options.Stylesheets,
	}
	if l.options.Data != nil {
		page.Data = l.options.Data(r)
	}
	b.Reset()
	if err := l.page.Execute(&b, page); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// setHeader sets what keeps the key on the page: nothing may store the page, no
// request names where it came from, and nothing else than the collection origin
// and what has the nonce may run.
func (l *loader) setHeader(h http.Header, nonce string) {
	origins := strings.Join(l.origins, " ")
	styles := "'nonce-" + nonce + "'"
	if l.options.InlineStyles {
		styles = "'unsafe-inline'"
	}
	ancestors, frame := "'none'", "DENY"
	if l.options.Framed {
		ancestors, frame = "'self'", "SAMEORIGIN"
	}
	policy := []string{
		"default-src 'none'",
		"script-src " + origins + " 'nonce-" + nonce + "'",
		"frame-src " + origins,
		"connect-src " + origins,
		"style-src 'self' " + origins + " " + styles,
		"img-src 'self' data: " + origins,
		"font-src 'self' " + origins,
		"base-uri 'self'",
		"form-action 'self'",
		"frame-ancestors " + ancestors,
	}
	if l.options.ReportURL != "" {
		policy = append(policy, "report-uri "+l.options.ReportURL)
	}
	h.Set("Content-Security-Policy", strings.Join(policy, "; "))
	h.Set("Cache-Control", "no-store, private")
	// A cache that stores in spite of that must not reuse the page for anyone.
	h.Set("Vary", "*")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", frame)
	// The camera is for the form, which photographs documents. The page itself
	// must have it to pass it on.
	passedOn, microphone := `(self "`+strings.Join(l.origins, `" "`)+`")`, "()"
	if l.options.Microphone {
		microphone = passedOn
	}
	h.Set("Permissions-Policy",
		"camera="+passedOn+", microphone="+microphone+", geolocation=(), payment=(), usb=(), display-capture=()")
}

// fail answers with a page with the status and nothing else.
func (l *loader) fail(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_ = loaderFailure.Execute(w, struct{ Language, Text string }{l.options.Language, http.StatusText(status)})
}

// loaderForm is the part of the page that Passfort's script works with. Given
// is nil where the credentials are in the URL. A Secret would print redacted, so
// the key is a string here and nowhere else.
type loaderForm struct {
	Nonce, Script, Unavailable string
	Given                      *givenCredentials
}

type givenCredentials struct{ RequestID, APIKey string }

var loaderFormTemplate = template.Must(template.New("form").Parse(`<div id="collection-wrapper"></div>
<noscript><p>{{.Unavailable}}</p></noscript>
<script src="{{.Script}}"></script>
<script nonce="{{.Nonce}}">
window.onload = function () {
	if (!window.PassFortCollect) {
		document.getElementById("collection-wrapper").textContent = {{.Unavailable}};
		return;
	}
	{{with .Given -}}
	PassFortCollect.init({request_id: {{.RequestID}}, apikey: {{.APIKey}}});
	{{- else -}}
	PassFortCollect.initFromUrl();
	{{- end}}
};
</script>`))

// The style element gives the frame a size where the policy stops the style
// attribute that a script sets; one that is not stopped wins.
var loaderPage = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="{{.Language}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<base href="/">
<style nonce="{{.Nonce}}">
#collection-wrapper iframe { width: 100%; height: 80vh; border: 0; }
</style>
{{range .Stylesheets}}<link rel="stylesheet" href="{{.}}">
{{end}}</head>
<body>
{{.Header}}
<main>
{{.Form}}
</main>
{{.Footer}}
</body>
</html>
`))

var loaderFailure = template.Must(template.New("failure").Parse(`<!DOCTYPE html>
<html lang="{{.Language}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Text}}</title>
</head>
<body>
<main><h1>{{.Text}}</h1></main>
</body>
</html>
`))
