package passforttest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/passfort-go/passfort/api"
)

// AdminPath is where the pages of AdminHandler live.
const AdminPath = "/_sim/"

// adminPage is how many profiles a page lists.
const adminPage = 50

// AdminHandler returns pages that show what the server holds and let a person
// do what someone in the portal, a data provider or time would: complete a
// check, decide an application, change collected data, move the clock, watch
// the webhooks. They live under AdminPath.
//
// The pages need no API key, and show none. They answer callers on this
// machine only, and only under a name of it, so that no site can reach them
// through a visitor's browser; changes are refused across origins. Naming hosts
// opens them to any caller that asks for one of these hosts: name one only on a
// network you trust.
//
// What came through a proxy that says so (Forwarded, Via, X-Forwarded-For and the
// like) is not from this machine, even if the proxy is. A proxy on this machine that
// neither says so nor passes on the name it was asked for makes strangers look
// local: keep AdminPath out of it.
func (s *Server) AdminHandler(hosts ...string) http.Handler {
	a := &admin{
		s: s, pages: template.Must(template.New("").Funcs(template.FuncMap{"short": short}).ParseFS(web,
			"web/admin.html", "web/window.html")),
	}
	mux := http.NewServeMux()
	const p = AdminPath + "profiles/{profile_id}"
	mux.HandleFunc("GET "+AdminPath+"{$}", a.home)
	mux.HandleFunc("GET "+AdminPath+"style.css", a.style)
	mux.HandleFunc("GET "+AdminPath+"openapi.yaml", serve("application/yaml", api.OpenAPI()))
	mux.HandleFunc("GET "+AdminPath+"openapi", serve("text/html; charset=utf-8", api.Page()))
	mux.HandleFunc("POST "+AdminPath+"clock", a.moveClock)
	mux.HandleFunc("GET "+p, a.profile)
	mux.HandleFunc("POST "+p+"/data", a.changeData)
	mux.HandleFunc("POST "+p+"/checks/{id}", a.endCheck)
	mux.HandleFunc("POST "+p+"/tasks/{id}", a.setTask)
	mux.HandleFunc("POST "+p+"/applications/{id}", a.decide)
	mux.HandleFunc("POST "+p+"/forms/{id}", a.endForm)
	a.window(mux)
	s.calls.turnOn()
	protected := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		if !mayAdminister(r, hosts) {
			http.Error(w, "the admin page is for this machine", http.StatusForbidden)
			return
		}
		hurry(w, r)
		r.Body = http.MaxBytesReader(w, r.Body, s.cfg.bodyLimit)
		protected.ServeHTTP(w, r)
	})
}

// mayAdminister reports whether a request is from this machine and to it, or to
// one of the hosts that were opened. A foreign name stays foreign if it is rebound to
// this machine.
func mayAdminister(r *http.Request, hosts []string) bool {
	host := hostOf(r)
	if slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return true
	}
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLoopback(from) && isOwnName(host) && !wasForwarded(r)
}

// wasForwarded reports whether a request says that it came through a proxy.
func wasForwarded(r *http.Request) bool {
	for name := range r.Header {
		switch name {
		case "Forwarded", "Via", "X-Real-Ip":
			return true
		}
		if strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}

func isLoopback(address string) bool {
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}

// short returns the part of an id that a person compares.
func short(id string) string { return id[:min(8, len(id))] }

// serve returns a handler of a fixed content.
func serve(mediaType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(content)
	}
}

type admin struct {
	s     *Server
	pages *template.Template
	notes notes
}

// view is the data of every page.
type view struct {
	Title, Path string
	Now         string
	pageNote
	Refresh bool
	Body    any
}

func (a *admin) show(w http.ResponseWriter, r *http.Request, page, title string, body any) {
	q := r.URL.Query()
	v := view{
		Title: title, Path: AdminPath, Now: dateTime(a.s.Now()), pageNote: a.notes.of(q.Get("note"), pageOf(r)),
		Refresh: q.Get("watch") != "", Body: body,
	}
	var b strings.Builder
	if err := a.pages.ExecuteTemplate(&b, page, v); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}

// done redirects to a page, which shows how it went.
func (a *admin) done(w http.ResponseWriter, r *http.Request, page string, err error, what string) {
	a.back(w, r, page, err, what, "")
}

// back is done for an edit, which the page shows again if it was not stored.
func (a *admin) back(w http.ResponseWriter, r *http.Request, page string, err error, what, edit string) {
	say := pageNote{Page: page, Done: what}
	if err == nil {
		err = a.s.world.kept()
	}
	if err != nil {
		say = pageNote{Page: page, Error: err.Error(), Edit: edit}
	}
	id := rand.Text()
	a.notes.put(id, say)
	http.Redirect(w, r, AdminPath+page+"?note="+id, http.StatusSeeOther)
}

// pageOf returns the page a request asks for, below AdminPath.
func pageOf(r *http.Request) string { return strings.TrimPrefix(r.URL.EscapedPath(), AdminPath) }

func (a *admin) style(w http.ResponseWriter, _ *http.Request) {
	css, err := web.ReadFile("web/admin.css")
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(css)
}

// home lists profiles, the newest first.
func (a *admin) home(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	offset := 0
	_, _ = fmt.Sscanf(q.Get("from"), "%d", &offset)
	v := a.s.world.home(q.Get("q"), offset)
	slices.Sort(v.Charges)
	v.From, v.To = min(offset+1, v.Count), min(offset+adminPage, v.Count)
	page := func(from int) string { return "?" + url.Values{"q": {v.Query}, "from": {itoa(from)}}.Encode() }
	if offset > 0 {
		v.Newer = page(max(0, offset-adminPage))
	}
	if v.To < v.Count {
		v.Older = page(offset + adminPage)
	}
	a.show(w, r, "home", "Profiles", v)
}

// farthest is how far the pages move the clock in all. Dates have years of four digits,
// and a time.Duration ends after 292 years.
const farthest = 200 * 365 * 24 * time.Hour

func (a *admin) moveClock(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.PostFormValue("by"))
	switch {
	case err != nil, d < 0:
		err = errors.New("a span of time looks like 90s, 24h or 720h")
	case d > farthest-a.s.world.advanced():
		err = errors.New("the clock moves by 200 years at most")
	default:
		a.s.AdvanceClock(d)
	}
	a.done(w, r, "", err, "The clock moved by "+d.String())
}

// withoutUser returns an address without the parts that may hold a password.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// notes are shown once, after a form was sent. Only the id of a note is in the address,
// so that no link can put words on a page.
type notes struct {
	mu    sync.Mutex
	notes map[string]pageNote
	order []string
}

// pageNote is what an action of a person came to, for the page that it was begun on.
type pageNote struct {
	Page        string
	Done, Error string
	Edit        string // what was typed and is not stored
}

// The bounds of notes.
const (
	notesKept = 32
	editKept  = 1 << 20
)

func (n *notes) put(id string, say pageNote) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes == nil {
		n.notes = map[string]pageNote{}
	}
	if len(say.Edit) > editKept {
		say.Edit = ""
	}
	n.notes[id] = say
	n.order = append(n.order, id)
	if len(n.order) > notesKept {
		delete(n.notes, n.order[0])
		n.order = n.order[1:]
	}
}

// of returns the note with an id, if it is for that page.
func (n *notes) of(id, page string) pageNote {
	n.mu.Lock()
	defer n.mu.Unlock()
	if say := n.notes[id]; say.Page == page {
		return say
	}
	return pageNote{}
}

// profile shows one profile with everything below it.
func (a *admin) profile(w http.ResponseWriter, r *http.Request) {
	v, name, err := a.s.world.page(r.PathValue("profile_id"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if edit := a.notes.of(r.URL.Query().Get("note"), pageOf(r)).Edit; edit != "" {
		v.Data = edit
	}
	v.Calls = a.s.calls.newest(func(c *shownCall) bool { return c.ProfileID == v.ID })
	v.Calls = v.Calls[:min(len(v.Calls), adminPage)]
	a.show(w, r, "profile", name, v)
}

func profilePage(r *http.Request) string {
	return "profiles/" + url.PathEscape(r.PathValue("profile_id"))
}

func (a *admin) endCheck(w http.ResponseWriter, r *http.Request) {
	decision := r.PostFormValue("decision")
	var err error = invalid("unknown decision")
	if slices.Contains(checkDecisions(), decision) {
		err = a.s.CompleteCheck(r.PathValue("profile_id"), r.PathValue("id"), Outcome{Decision: decision})
	}
	a.done(w, r, profilePage(r), err, "The check is complete: "+decision)
}

func (a *admin) setTask(w http.ResponseWriter, r *http.Request) {
	state := r.PostFormValue("state")
	err := a.s.SetTaskState(r.PathValue("profile_id"), r.PathValue("id"), state)
	a.done(w, r, profilePage(r), err, "The task is "+state)
}

func (a *admin) decide(w http.ResponseWriter, r *http.Request) {
	status := r.PostFormValue("status")
	err := a.s.SetApplicationStatus(r.PathValue("profile_id"), r.PathValue("id"), status)
	a.done(w, r, profilePage(r), err, "The application is "+status)
}

func (a *admin) endForm(w http.ResponseWriter, r *http.Request) {
	state := r.PostFormValue("state")
	err := a.s.EndForm(r.PathValue("profile_id"), r.PathValue("id"), state)
	a.done(w, r, profilePage(r), err, "The form is "+state)
}

// changeData replaces collected data as the portal would, unless it has
// changed since the page was shown.
func (a *admin) changeData(w http.ResponseWriter, r *http.Request) {
	a.back(w, r, profilePage(r), a.replaceData(r), "The collected data was changed", r.PostFormValue("data"))
}

func (a *admin) replaceData(r *http.Request) error {
	w := a.s.world.enter()
	defer w.leave()
	p, err := w.profileByID(r.PathValue("profile_id"))
	if err != nil {
		return err
	}
	if r.PostFormValue("etag") != w.etag(p) {
		return errors.New("the data has changed since this page was shown")
	}
	raw, sum, err := w.storable([]byte(r.PostFormValue("data")))
	switch {
	case err != nil:
		return err
	case sum.EntityType != p.Summary.EntityType:
		return invalid("the entity_type of a profile cannot change")
	}
	w.storeData(p, raw, sum, portal())
	return nil
}
