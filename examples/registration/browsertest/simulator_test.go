package browsertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// The pages of the simulator, used as a person would, on small and large windows,
// light and dark: what each form says comes true, the browser has nothing to
// complain about, and every page is readable.
func TestPagesOfTheSimulator(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	for _, d := range []device{
		{name: "320", width: 320, height: 640, mobile: true}, {name: "390", width: 390, height: 844, mobile: true},
		desktop,
		device{name: "320", width: 320, height: 640, mobile: true}.inTheDark(), device{name: "390", width: 390,
			height: 844, mobile: true}.inTheDark(),
		desktop.inTheDark(),
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			srv := passforttest.NewServer()
			t.Cleanup(srv.Close)
			pages := httptest.NewServer(srv.AdminHandler())
			t.Cleanup(pages.Close)
			endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			}))
			t.Cleanup(endpoint.Close)
			srv.SetWebhook(endpoint.URL, "secret", false)
			visitPages(newVisitor(browser, t, d, "simulator"), srv, pages.URL+passforttest.AdminPath)
		})
	}
}

// visitPages goes through the five parts.
func visitPages(v *visitor, srv *passforttest.Server, base string) {
	// On its way from one page to the next the browser has no page to ask.
	until := func(expression string) {
		v.t.Helper()
		for ; ; v.pause() {
			if is, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && "+
				expression)); err == nil && is {
				return
			}
		}
	}
	says := func(text string) {
		v.t.Helper()
		until("Boolean(document.querySelector('[role=status]')?.textContent.includes('" + text + "'))")
		v.readable()
	}
	body := func() string { return eval[string](v, "document.body.innerText") }

	v.open(base)
	v.readable()
	v.run(chromedp.SendKeys(chromedp.CSS("#name"), "Kim Lee"), chromedp.SendKeys(chromedp.CSS("#product"), "gold"))
	v.click("form[action$=profiles] button")
	says("The profile was created")
	require.Equal(v.t, 1, srv.Profiles())
	profile := eval[string](v, "location.pathname")
	id := profile[strings.LastIndex(profile, "/")+1:]

	v.click("button[value=COMPLETED_PASS]")
	says("The task is COMPLETED_PASS")
	v.run(chromedp.SetValue(chromedp.CSS("#data"), `{"entity_type": "INDIVIDUAL", `))
	v.click("form[action$=data] button")
	until("Boolean(document.querySelector('[role=alert]'))")
	require.Equal(v.t, `{"entity_type": "INDIVIDUAL", `, eval[string](v, "document.querySelector('#data').value"),
		"the edit is kept")
	v.run(chromedp.SetValue(chromedp.CSS("#data"), `{"entity_type": "INDIVIDUAL", "customer_ref": "r1"}`))
	v.click("form[action$=data] button")
	says("The collected data was changed")
	v.picture("profile")

	v.open(base + "faults")
	v.run(chromedp.SetValue(chromedp.CSS("#operation"), "Tags.Add"))
	v.click("button[value='429']")
	says("Armed: answer 429")
	client := srv.Client()
	_, err := client.Tags.Add(v.ctx, id, "important")
	require.NoError(v.t, err, "repeated after the 429")
	require.Equal(v.t, 2, srv.Count("Tags.Add"))

	v.open(base + "calls")
	v.readable()
	require.Contains(v.t, body(), "429, by a fault")
	v.click("details summary")
	require.Contains(v.t, body(), "important")
	v.run(chromedp.SetValue(chromedp.CSS("#status"), "429"))
	v.click("form button")
	until("location.search.includes('status=429') && document.querySelectorAll('tbody tr').length === 1")
	v.picture("calls")

	v.open(base + "webhooks")
	v.click("button[value=true]")
	says("Deliveries are paused")
	v.run(chromedp.SetValue(chromedp.CSS("#event"), "RISK_SCORE_CHANGED"))
	v.click("form[action$=sample] button")
	says("A sample waits: RISK_SCORE_CHANGED")
	v.click("button[value=false]")
	says("Deliveries go on")
	require.NoError(v.t, srv.WaitWebhooks(v.ctx))
	v.open(base + "webhooks")
	v.click("form[action$=redeliver] button")
	says("The message waits once more")
	v.picture("webhooks")

	v.open(base + "settings")
	v.click("input[name=CreatedStatus]")
	v.click("form[action$=switches] button")
	says("The switches are set")
	require.True(v.t, eval[bool](v, "document.querySelector('input[name=CreatedStatus]').checked"))

	v.open(base)
	before := srv.Now()
	v.click("button[value='720h']")
	says("The clock moved by 720h")
	require.GreaterOrEqual(v.t, srv.Now().Sub(before).Hours(), 720.0)
	v.click("input[name=sure]")
	v.click("form[action$=reset] button")
	says("Profiles, keys, tags, faults, programmed outcomes and waiting webhooks are gone")
	require.Zero(v.t, srv.Profiles())
	v.quiet()
}
