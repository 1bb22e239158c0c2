package browsertest

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// answers are those to the simulator's two forms.
type answers struct{ kind, first, second []string }

var (
	person = answers{
		kind:   []string{"person"},
		first:  []string{"Robin", "Sample", "1990-02-03"},
		second: []string{"robin.sample@example.com", "+44 20 7946 0000"},
	}
	company = answers{
		kind:   []string{"company"},
		first:  []string{"Sample Widgets Ltd", "01234567", "GBR"},
		second: []string{"office@example.com"},
	}
)

// register goes from the first page to the form.
func (v *visitor) register(w *world, a answers) {
	v.t.Helper()
	v.open(w.front.url + "/")
	v.see("h1")
	v.readable()
	v.picture("1-start")
	v.click("input[value=" + a.kind[0] + "]")
	v.click("main button")
	v.see("#collection-wrapper iframe")
}

// static leaves the page for the link of the e-mail.
func (v *visitor) static(w *world) {
	v.t.Helper()
	r := w.request(v.t)
	link := w.front.url + "/request?" + url.Values{"request_id": {r.ID}, "apikey": {r.APIKey}}.Encode()
	eval[any](v, `(() => {
		const link = Object.assign(document.createElement("a"), {
			href: "`+link+`", rel: "noreferrer", id: "email", textContent: "Update information",
		});
		document.querySelector("main").prepend(link);
	})()`)
	v.click("#email")
	v.arrive("/request")
	v.see("#collection-wrapper iframe")
}

// complete fills in both forms and waits for the page that follows.
func (v *visitor) complete(w *world, a answers) {
	v.t.Helper()
	f := v.form(w.sim.CollectionURL(), "document.querySelectorAll('input').length === "+string(rune('0'+len(a.first))))
	v.readable()
	v.picture("2-form")
	require.True(v.t, inFrame[bool](f, "document.featurePolicy.allowsFeature('camera')"), "the form may use the camera")
	require.False(v.t, inFrame[bool](f, "document.featurePolicy.allowsFeature('microphone')"))
	require.Empty(v.t, inFrame[string](f, "document.referrer"))
	found := inFrame[findings](f, findingsOf(v.t))
	require.Empty(v.t, found.Violations)
	require.Positive(v.t, found.Passes)
	f.fill(a.first...)
	f = v.form(w.sim.CollectionURL(), "document.querySelectorAll('input').length === "+string(rune('0'+len(a.second))))
	v.picture("3-form")
	f.fill(a.second...)
	v.see("#status")
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	for _, row := range []struct {
		name    string
		answers answers
		static  bool
		device  device
	}{
		{"person-dynamic", person, false, desktop},
		{"person-dynamic", person, false, phone},
		{"person-static", person, true, desktop},
		{"person-static", person, true, phone.inTheDark()},
		{"company-dynamic", company, false, desktop.inTheDark()},
		{"company-dynamic", company, false, phone},
		{"company-static", company, true, desktop},
		{"company-static", company, true, phone},
	} {
		t.Run(row.name+"-"+row.device.name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, row.device, row.name)
			v.register(w, row.answers)
			if row.static {
				v.static(w)
			}
			v.complete(w, row.answers)
			v.see(`#status[data-stage="checking"]`)
			v.readable()
			v.picture("4-checking")
			v.see(`#status[data-stage="approved"]`)
			v.readable()
			v.picture("5-approved")
			require.True(t, strings.HasPrefix(eval[string](v, "document.title"), "You are approved"))
			require.Equal(t, "4", eval[string](v, `document.querySelector("[aria-current=step]").dataset.step`))
			v.quiet()
			r := w.request(t)
			require.Equal(t, passforttest.StateCompleted, r.State)
		})
	}
}

func TestTheOtherEnds(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	t.Run("review", func(t *testing.T) {
		w := newWorld(t, false)
		v := newVisitor(browser, t, phone, "review")
		v.register(w, person)
		failing := person
		failing.first = []string{"Robin", "Fail", "1990-02-03"}
		v.complete(w, failing)
		v.see(`#status[data-stage="review"]`)
		v.readable()
		v.picture("5-review")
		v.quiet()
	})
	for _, d := range []device{desktop, phone.inTheDark()} {
		t.Run("expired-"+d.name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, d, "expired")
			v.register(w, person)
			v.open(w.front.url + "/checking")
			v.see(`#status[data-stage="open"]`)
			v.readable()
			v.picture("4-open")
			w.sim.AdvanceClock(31 * 24 * time.Hour)
			v.see(`#status[data-stage="expired"]`)
			v.readable()
			v.picture("5-expired")
			v.quiet()
			v.click("header button")
			v.see("fieldset")
			v.quiet()
		})
	}
	t.Run("half done", func(t *testing.T) {
		w := newWorld(t, false)
		w.sim.Inject(passforttest.Fault{Operation: "Forms.CreateCustomerRequest", Status: 500, Times: 1})
		v := newVisitor(browser, t, desktop, "half-done")
		v.open(w.front.url + "/")
		v.click("input[value=person]")
		v.click("main button")
		v.see("[role=alert]")
		v.readable()
		v.picture("1-problem")
		v.click("input[value=person]")
		v.click("main button")
		v.see("#collection-wrapper iframe")
		require.Equal(t, 1, w.sim.Count("Profiles.Create"))
	})
	t.Run("without a session", func(t *testing.T) {
		w := newWorld(t, false)
		v := newVisitor(browser, t, desktop, "nobody")
		v.open(w.front.url + "/form")
		v.see("fieldset")
		require.Equal(t, w.front.url+"/", eval[string](v, "location.href"))
		v.open(w.front.url + "/checking")
		v.see("main h1")
		require.Equal(t, "Thank you", eval[string](v, "document.querySelector('h1').textContent"))
		v.readable()
		v.picture("thanks")
		v.quiet()
	})
}

// TestNoDeadEnd walks where applicants got stuck: going back, another browser, a
// time that ran out, a site that was restarted, a form without a redirect.
func TestNoDeadEnd(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	for _, d := range []device{desktop, desktop.inTheDark(), phone, phone.inTheDark()} {
		t.Run("back before the end-"+d.name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, d, "back-early")
			v.register(w, person)
			v.form(w.sim.CollectionURL(), "document.querySelectorAll('input').length === 3")
			v.back()
			v.arrive("/")
			v.see("main a.button")
			v.readable()
			v.picture("3-home")
			v.click("main a.button")
			v.arrive("/form")
			v.complete(w, person)
			v.see(`#status[data-stage="approved"]`)
			require.Equal(t, 1, w.sim.Count("Profiles.Create"))
			v.quiet()
		})
		t.Run("back-"+d.name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, d, "back")
			v.register(w, person)
			v.complete(w, person)
			v.see(`#status[data-stage="approved"]`)
			v.back()
			v.arrive("/form")
			v.see(`main a[href="/checking"]`)
			require.Zero(t, eval[int](v, "document.querySelectorAll('iframe').length"))
			v.readable()
			v.picture("6-closed")
			v.back()
			v.arrive("/")
			v.see("main a.button")
			require.Contains(t, eval[string](v, "document.querySelector('main').textContent"), "You are approved")
			v.readable()
			v.picture("7-home")
			v.click("main a.button")
			v.see(`#status[data-stage="approved"]`)
			v.quiet()
		})
		t.Run("another browser-"+d.name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, d, "first-browser")
			v.register(w, person)
			r := w.request(t)
			other := newVisitor(browser, t, d, "second-browser")
			other.open(w.front.url + "/request?" + url.Values{"request_id": {r.ID}, "apikey": {r.APIKey}}.Encode())
			f := other.form(w.sim.CollectionURL(), "document.querySelectorAll('input').length === 3")
			f.fill(person.first...)
			f = other.form(w.sim.CollectionURL(), "document.querySelectorAll('input').length === 2")
			f.fill(person.second...)
			other.arrive("/checking")
			other.see("main h1")
			require.Equal(t, "Thank you", eval[string](other, "document.querySelector('h1').textContent"))
			other.readable()
			other.picture("thanks")
			other.quiet()
			v.click(`.onwards a`)
			v.see(`#status[data-stage="approved"]`)
			require.Equal(t, 1, w.sim.Count("Profiles.Create"))
			v.quiet()
		})
		t.Run("expired and begun again-"+d.name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, d, "again")
			v.register(w, person)
			v.open(w.front.url + "/checking")
			v.see(`#status[data-stage="open"]`)
			w.sim.AdvanceClock(31 * 24 * time.Hour)
			v.see("#again button")
			v.readable()
			v.picture("5-expired")
			v.click("#again button")
			v.arrive("/form")
			v.complete(w, person)
			v.see(`#status[data-stage="approved"]`)
			require.Equal(t, 1, w.sim.Count("Profiles.Create"))
			v.quiet()
		})
		t.Run("restart-"+d.name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, d, "restart")
			v.register(w, person)
			v.open(w.front.url + "/checking")
			v.see(`#status[data-stage="open"]`)
			w.restart(t)
			v.see(`#status[data-stage="ended"]`)
			v.readable()
			v.picture("5-ended")
			v.click(".to-start a")
			v.see("[role=alert]")
			v.readable()
			v.picture("6-home")
		})
		t.Run("no redirect-"+d.name, func(t *testing.T) {
			w := newWorldWith(t, false, "")
			v := newVisitor(browser, t, d, "no-redirect")
			v.register(w, person)
			f := v.form(w.sim.CollectionURL(), "document.querySelectorAll('input').length === 3")
			f.fill(person.first...)
			f = v.form(w.sim.CollectionURL(), "document.querySelectorAll('input').length === 2")
			f.fill(person.second...)
			v.form(w.sim.CollectionURL(), "document.querySelector('h1').textContent.startsWith('Thank you')")
			v.readable()
			v.picture("3-sent")
			v.click(".onwards a")
			v.see(`#status[data-stage="approved"]`)
			v.quiet()
		})
	}
}

// TestTheFormItself looks at the simulator's form in the frame.
func TestTheFormItself(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	w := newWorld(t, false)
	v := newVisitor(browser, t, phone, "form")
	v.register(w, person)
	origin := w.sim.CollectionURL()
	f := v.form(origin, "document.querySelectorAll('input').length === 3")
	require.Equal(t, []string{"given-name", "family-name", "bday"},
		inFrame[[]string](f, "Array.from(document.querySelectorAll('input'), i => i.autocomplete)"))
	// Typed into the page and not refused by the browser: the form says it.
	inFrame[any](f, "document.querySelector('form').noValidate = true")
	f.fill("Robin", "Sample", "2999-01-01")
	f = v.form(origin, "document.querySelector('.error').textContent.includes('the date must be from') && "+
		"document.documentElement.scrollHeight <= window.innerHeight") // the frame has grown with it
	v.picture("error")

	w.sim.Close()
	inFrame[any](f, "document.querySelector('form').requestSubmit()")
	v.form(origin, "document.querySelector('.error').textContent.startsWith('There is no connection.')")
	require.Equal(t, "Robin", inFrame[string](f, "document.querySelector('input').value"))
}

// TestKeyHygiene looks for keys in everything that the site, its log, the
// collection origin and the history of the browser hold after two sign-ups.
func TestKeyHygiene(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	for _, static := range []bool{false, true} {
		name := map[bool]string{false: "dynamic", true: "static"}[static]
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false)
			v := newVisitor(browser, t, desktop, "hygiene-"+name)
			v.register(w, person)
			r := w.request(t)
			if static {
				v.static(w)
			}
			v.form(w.sim.CollectionURL(), "document.querySelector('input')")
			require.NotContains(t, eval[string](v, "location.href"), r.APIKey)
			require.NotContains(t, eval[string](v, "location.href"), r.ID)
			v.complete(w, person)
			v.see(`#status[data-stage="approved"]`)

			entries := call(v, page.GetNavigationHistory, cdp.Empty{}).Entries
			require.NotEmpty(t, entries)
			for _, e := range entries {
				for _, secret := range []string{r.APIKey, r.ID, masterKey} {
					require.NotContains(t, e.URL, secret)
				}
			}

			pages := 0
			for _, e := range w.front.exchanges() {
				head := headers(e.requestHeader) + headers(e.responseHeader)
				require.NotContains(t, head, r.APIKey, e.uri)
				require.NotContains(t, head+e.uri+string(e.body), masterKey)
				require.NotContains(t, e.requestHeader.Get("Referer"), "apikey")
				if strings.Contains(string(e.body), r.APIKey) {
					require.Equal(t, "/form", e.uri, "the only page with the key")
					require.Contains(t, e.responseHeader.Get("Cache-Control"), "no-store")
					pages++
				}
			}
			require.Equal(t, 1, pages)

			require.NotEmpty(t, w.sim.Visits())
			for _, visit := range w.sim.Visits() {
				require.Empty(t, visit.Header.Get("Cookie"))
				require.NotContains(t, visit.Header.Get("Referer"), w.front.url, "the page does not tell where it is")
				require.NotContains(t, visit.Header.Get("Referer")+visit.RawQuery+visit.Path, r.APIKey)
				require.NotContains(t, headers(visit.Header)+visit.RawQuery+visit.Path, masterKey)
			}

			require.Contains(t, w.log.String(), "uri=/form")
			if static {
				require.Contains(t, w.log.String(), "uri=/request?redacted")
			}
			for _, secret := range []string{r.APIKey, r.ID, r.ProfileID, masterKey, webhookSecret, "Robin"} {
				require.NotContains(t, w.log.String(), secret)
			}
		})
	}
}

func headers(h map[string][]string) string {
	var b strings.Builder
	for name, values := range h {
		b.WriteString(name + ": " + strings.Join(values, "\n") + "\n")
	}
	return b.String()
}

// TestTwoUsersBehindACache lets two applicants look at the same URLs through a
// proxy that stores whatever it may.
func TestTwoUsersBehindACache(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	w := newWorld(t, true)
	users := []*visitor{newVisitor(browser, t, desktop, "ada"), newVisitor(browser, t, desktop, "bob")}
	keys := make([]string, len(users))
	for i, v := range users {
		v.register(w, person)
		keys[i] = w.request(t).APIKey
	}
	require.NotEqual(t, keys[0], keys[1])
	for range 3 {
		for i, v := range users {
			v.open(w.front.url + "/form")
			v.form(w.sim.CollectionURL(), "document.querySelector('input')")
			source := eval[string](v, "document.documentElement.outerHTML")
			require.Contains(t, source, keys[i])
			require.NotContains(t, source, keys[1-i])
			v.open(w.front.url + "/checking")
			v.see(`#status[data-stage="open"]`)
		}
	}
	fromCache := 0
	for _, e := range w.front.exchanges() {
		if e.fromCache {
			fromCache++
			require.NotContains(t, string(e.body), keys[0])
			require.NotContains(t, string(e.body), keys[1])
		}
	}
	require.Positive(t, fromCache, "the cache does store what is the same for all")
	for _, v := range users {
		v.quiet()
	}
}
