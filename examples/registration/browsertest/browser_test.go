package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// newBrowser starts Chromium with a profile of its own.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		const missing = "no Chromium here: apt-get install chromium"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	allocator, cancel := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		// The frame of another site stays in the page's process, where it can be driven.
		chromedp.Flag("disable-site-isolation-trials", true),
		chromedp.Flag("disable-features", "IsolateOrigins,site-per-process"),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true),
	)
	t.Cleanup(cancel)
	browser, cancelBrowser := chromedp.NewContext(allocator)
	t.Cleanup(cancelBrowser)
	require.NoError(t, chromedp.Do(browser))
	return browser
}

// device is what a visitor holds.
type device struct {
	name          string
	width, height int64
	mobile, dark  bool
}

var (
	desktop = device{name: "desktop", width: 1280, height: 900}
	phone   = device{name: "phone", width: 360, height: 740, mobile: true}
)

func (d device) inTheDark() device {
	d.dark = true
	d.name += "-dark"
	return d
}

// visitor is one person with one window and no cookies at first.
type visitor struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // a window is its context: chromedp keeps the target in it
	name string          // of the screenshots

	mu        sync.Mutex
	complaint []string // what the browser's console says
}

func newVisitor(browser context.Context, t *testing.T, d device, name string) *visitor {
	t.Helper()
	window, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancelTimeout := context.WithTimeout(window, 90*time.Second)
	t.Cleanup(cancelTimeout)
	v := &visitor{t: t, ctx: ctx, name: name + "-" + d.name}
	messages := chromedp.Console(window)
	go func() {
		for message, err := range messages {
			if err != nil {
				return
			}
			v.listen(message)
		}
	}()
	scheme := "light"
	if d.dark {
		scheme = "dark"
	}
	call(v, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: d.width, Height: d.height, DeviceScaleFactor: 1, Mobile: d.mobile,
	})
	call(v, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: d.mobile})
	call(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	return v
}

// call sends one command of the browser's protocol.
func call[P, R any](v *visitor, command cdp.Command[P, R], params P) R {
	v.t.Helper()
	out, err := chromedp.Call(v.ctx, command, params)
	require.NoError(v.t, err)
	return out
}

func (v *visitor) listen(message chromedp.ConsoleMessage) {
	switch message.Type {
	case chromedp.ConsoleLog, chromedp.ConsoleDebug, chromedp.ConsoleInfo:
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.complaint = append(v.complaint, string(message.Type)+": "+message.Text+" "+message.URL)
}

// quiet requires that the browser had nothing to complain about: neither errors
// nor violations of a policy.
func (v *visitor) quiet() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	require.Empty(v.t, v.complaint)
}

func (v *visitor) run(actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	require.NoError(v.t, chromedp.Do(v.ctx, actions...))
}

func (v *visitor) open(target string) {
	v.t.Helper()
	v.run(chromedp.Navigate(target))
}

func (v *visitor) see(selector string) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.WaitVisible(chromedp.CSS(selector))); err != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		require.NoError(v.t, err, "waiting for %s, %q", selector, v.complaint)
	}
}

func (v *visitor) click(selector string) {
	v.t.Helper()
	v.run(chromedp.Click(chromedp.CSS(selector)))
}

// eval runs an expression in the page.
func eval[T any](v *visitor, expression string, opts ...chromedp.EvaluateOption) T {
	v.t.Helper()
	out, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression, opts...))
	require.NoError(v.t, err)
	return out
}

// back goes to the page before. It does so in a moment: the browser has to answer
// while there is a page to ask.
func (v *visitor) back() {
	v.t.Helper()
	eval[any](v, "void setTimeout(() => history.back())")
}

// arrive waits until the page has this path. While the browser is on its way,
// there is no page to ask.
func (v *visitor) arrive(path string) {
	v.t.Helper()
	for ; ; v.pause() {
		if now, err := chromedp.Run(v.ctx, chromedp.Evaluate[string]("location.pathname")); err == nil && now == path {
			return
		}
	}
}

// frame is the document of the hosted form in the page.
type frame struct {
	v  *visitor
	id runtime.ExecutionContextID
}

// form waits for the frame of an origin, until it is ready by an expression.
func (v *visitor) form(origin, ready string) frame {
	v.t.Helper()
	for ; ; v.pause() {
		for _, child := range call(v, page.GetFrameTree, cdp.Empty{}).FrameTree.ChildFrames {
			if !strings.HasPrefix(child.Frame.URL, origin) {
				continue
			}
			// The frame may be on its way elsewhere; then it is asked again.
			world, err := chromedp.Call(v.ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{
				FrameID: child.Frame.ID,
			})
			f := frame{v, world.ExecutionContextID}
			if err == nil && inFrame[bool](f, "document.readyState === 'complete' && Boolean("+ready+")") {
				return f
			}
		}
	}
}

// pause lets a moment pass, or fails when the visit takes too long.
func (v *visitor) pause() {
	v.t.Helper()
	v.run(chromedp.Sleep(30 * time.Millisecond))
}

// inFrame runs an expression in the frame. It gives the zero value if the frame
// has gone.
func inFrame[T any](f frame, expression string) T {
	f.v.t.Helper()
	var out T
	yes := true
	answer, err := chromedp.Call(f.v.ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, ContextID: f.id, ReturnByValue: &yes, AwaitPromise: &yes,
	})
	require.NoError(f.v.t, f.v.ctx.Err())
	if err == nil && answer.ExceptionDetails == nil {
		_ = json.Unmarshal(answer.Result.Value, &out)
	}
	return out
}

// fill types the answers into the fields in their order and sends the form with
// the Enter key.
func (f frame) fill(answers ...string) {
	f.v.t.Helper()
	fields := inFrame[[]string](f, "Array.from(document.querySelectorAll('input'), i => i.type)")
	require.Len(f.v.t, fields, len(answers))
	for i, answer := range answers {
		field := "document.querySelectorAll('input')[" + strconv.Itoa(i) + "]"
		inFrame[any](f, field+".focus()")
		if fields[i] == "date" {
			inFrame[any](f, field+".value = '"+answer+"'")
			continue
		}
		call(f.v, input.InsertText, input.InsertTextParams{Text: answer})
	}
	f.v.run(chromedp.KeyEvent(kb.Enter))
}

// picture writes a screenshot of the whole page.
func (v *visitor) picture(step string) {
	v.t.Helper()
	png, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	require.NoError(v.t, err)
	dir := pictures()
	require.NoError(v.t, os.MkdirAll(dir, 0o755))
	require.NoError(v.t, os.WriteFile(filepath.Join(dir, v.name+"-"+step+".png"), png, 0o644))
}

// pictures is where screenshots go: the output folder of CI, or a temporary one.
func pictures() string {
	if dir := os.Getenv("CI_OUT"); dir != "" {
		return filepath.Join(dir, "registration")
	}
	return filepath.Join(os.TempDir(), "passfort-registration")
}

// readable requires what every page must have: nothing for axe to find, one heading
// and nothing wider than the window.
func (v *visitor) readable() {
	v.t.Helper()
	require.Equal(v.t, 1, eval[int](v, "document.querySelectorAll('h1').length"))
	require.LessOrEqual(v.t, eval[int](v, "document.documentElement.scrollWidth"), eval[int](v, "window.innerWidth"))
	found := eval[findings](v, findingsOf(v.t), chromedp.EvalAwaitPromise)
	require.Empty(v.t, found.Violations)
	require.Positive(v.t, found.Passes)
}

// findings is what axe says of a page.
type findings struct {
	Violations []string
	Passes     int
}

// findingsOf is the expression of them. A frame of another origin is judged there.
func findingsOf(t *testing.T) string {
	t.Helper()
	source, err := axe()
	require.NoError(t, err)
	return source + `
axe.run(document, {iframes: false}).then((found) => ({
	Passes: found.passes.length,
	Violations: found.violations.map((v) => v.id + v.nodes.map((n) => ": " + n.html + " " + n.failureSummary).join()),
}))`
}

// axe returns the script of axe-core, as npm has it in the version of axe/. It needs
// npm, which the packages of a system and of Node do not have under one name.
var axe = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS("axe")); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if printed, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, printed)
	}
	script, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(script), err
})
