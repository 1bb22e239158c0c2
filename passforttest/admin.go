package passforttest

import (
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
func (s *Server) AdminHandler(hosts ...string) http.Handler {
	a := &admin{s, template.Must(template.New("").Funcs(template.FuncMap{"short": short}).ParseFS(web, "web/admin.html"))}
	mux := http.NewServeMux()
	const p = AdminPath + "profiles/{profile_id}"
	mux.HandleFunc("GET "+AdminPath+"{$}", a.home)
	mux.HandleFunc("GET "+AdminPath+"style.css", a.style)
	mux.HandleFunc("GET "+AdminPath+"webhooks", a.webhooks)
	mux.HandleFunc("GET "+AdminPath+"openapi.yaml", serve("application/yaml", api.OpenAPI()))
	mux.HandleFunc("GET "+AdminPath+"openapi", serve("text/html; charset=utf-8", api.Page()))
	mux.HandleFunc("POST "+AdminPath+"clock", a.moveClock)
	mux.HandleFunc("GET "+p, a.profile)
	mux.HandleFunc("POST "+p+"/data", a.changeData)
	mux.HandleFunc("POST "+p+"/checks/{id}", a.endCheck)
	mux.HandleFunc("POST "+p+"/tasks/{id}", a.setTask)
	mux.HandleFunc("POST "+p+"/applications/{id}", a.decide)
	mux.HandleFunc("POST "+p+"/forms/{id}", a.endForm)
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

// mayAdminister says whether a request is from this machine and to it, or to
// one of the hosts that were opened. A Host that a foreign name was rebound
// from stays foreign.
func mayAdminister(r *http.Request, hosts []string) bool {
	host := hostOf(r)
	if slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return true
	}
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLoopback(from) && isOwnName(host)
}

func isLoopback(address string) bool {
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}

// short is the part of an id that a person compares.
func short(id string) string { return id[:min(8, len(id))] }

// serve answers with what never changes.
func serve(mediaType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(content)
	}
}

type admin struct {
	s     *Server
	pages *template.Template
}

// view is what every page is made from.
type view struct {
	Title, Path string
	Now         string
	Done, Error string
	Refresh     bool
	Body        any
}

func (a *admin) show(w http.ResponseWriter, r *http.Request, page, title string, body any) {
	q := r.URL.Query()
	v := view{
		Title: title, Path: AdminPath, Now: dateTime(a.s.Now()), Done: q.Get("done"), Error: q.Get("error"),
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

// done goes back to a page and says there how it went.
func (a *admin) done(w http.ResponseWriter, r *http.Request, page string, err error, what string) {
	q := url.Values{"done": {what}}
	if err == nil {
		err = a.s.kept()
	}
	if err != nil {
		q = url.Values{"error": {err.Error()}}
	}
	http.Redirect(w, r, AdminPath+page+"?"+q.Encode(), http.StatusSeeOther)
}

func (a *admin) style(w http.ResponseWriter, _ *http.Request) {
	css, err := web.ReadFile("web/admin.css")
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(css)
}

type homeView struct {
	Query             string
	Count, From, To   int
	Newer, Older      string
	Profiles          []profileRow
	Pending, Sent     int
	Products, Charges []string
}

type profileRow struct {
	ID, Name, Role, Category string
	Applications             []string
	Checks                   string
	Created                  string
}

// home lists profiles, the newest first.
func (a *admin) home(w http.ResponseWriter, r *http.Request) {
	s := a.s
	q := r.URL.Query()
	v := homeView{Query: q.Get("q")}
	offset := 0
	_, _ = fmt.Sscanf(q.Get("from"), "%d", &offset)
	s.enter()
	v.Pending, v.Sent = len(s.hooks.queue), s.hooks.sent
	for _, p := range s.state.Products {
		v.Products = append(v.Products, p.Alias)
	}
	for kind, n := range s.state.Charges {
		v.Charges = append(v.Charges, fmt.Sprintf("%s %d", kind, n))
	}
	var found []*profile
	if wanted := strings.ToLower(v.Query); wanted == "" {
		v.Count = s.roster.count
		last := v.Count - max(0, offset)
		found = s.roster.page(max(0, last-adminPage), min(adminPage, max(0, last)))
	} else {
		found = s.roster.search(wanted)
		if p := s.state.Profiles[wanted]; p != nil {
			found = append(found, p)
		}
		v.Count = len(found)
		last := max(0, v.Count-max(0, offset))
		found = found[max(0, last-adminPage):last]
	}
	for _, p := range slices.Backward(found) {
		v.Profiles = append(v.Profiles, s.row(p))
	}
	s.leave()
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

func (s *Server) row(p *profile) profileRow {
	row := profileRow{
		ID: p.ID, Name: p.Summary.Name, Role: p.Role, Category: p.category(),
		Created: dateTime(p.Created),
	}
	for _, app := range p.Applications {
		if !app.Hidden {
			row.Applications = append(row.Applications, s.product(app).Alias+": "+app.Status+", "+app.Flag)
		}
	}
	open := 0
	for _, ch := range p.Checks {
		if ch.State != "COMPLETE" {
			open++
		}
	}
	row.Checks = fmt.Sprintf("%d, %d open", len(p.Checks), open)
	return row
}

type profileView struct {
	profileRow
	Status, Data, ETag string
	Applications       []applicationRow
	Tasks              []*task
	Checks             []checkRow
	Findings           []string
	Forms              []formRow
}

type applicationRow struct {
	ID, Product, Status, Flag string
	Next                      []string
}

type checkRow struct {
	ID, Type, State, Decision, Result string
	Open                              bool
}

type formRow struct{ ID, Name, Flow, State string }

func (a *admin) profile(w http.ResponseWriter, r *http.Request) {
	s := a.s
	s.enter()
	p, err := s.look(r.PathValue("profile_id"))
	if err != nil {
		s.leave()
		http.NotFound(w, r)
		return
	}
	v := profileView{profileRow: s.row(p), Status: p.Status, Data: indented(p.Data), ETag: s.etag(p)}
	for _, app := range p.Applications {
		if app.Hidden {
			continue
		}
		row := applicationRow{ID: app.ID, Product: s.product(app).Name, Status: app.Status, Flag: app.Flag}
		for _, to := range []string{"APPROVED", "REJECTED", "IN_REVIEW", "CANCELLED"} {
			if mayBecome(app.Status, to) {
				row.Next = append(row.Next, to)
			}
		}
		v.Applications = append(v.Applications, row)
	}
	for _, t := range p.Tasks {
		shown := *t
		v.Tasks = append(v.Tasks, &shown)
	}
	for _, ch := range p.Checks {
		v.Checks = append(v.Checks, checkRow{ch.ID, ch.Type, ch.State, ch.Decision, ch.Result, ch.State != "COMPLETE"})
	}
	for _, e := range p.Events {
		v.Findings = append(v.Findings, text(child(e, "data"), "event_type")+": "+text(e, "resolution"))
	}
	for _, req := range p.Requests {
		for _, f := range req.Forms {
			v.Forms = append(v.Forms, formRow{f.ID, f.Form.Name, req.Flow, f.State})
		}
	}
	s.leave()
	name := v.Name
	if name == "" {
		name = "Profile " + short(v.ID)
	}
	a.show(w, r, "profile", name, v)
}

func profilePage(r *http.Request) string {
	return "profiles/" + url.PathEscape(r.PathValue("profile_id"))
}

func (a *admin) endCheck(w http.ResponseWriter, r *http.Request) {
	decision := r.PostFormValue("decision")
	var err error = invalid("unknown decision")
	if slices.Contains([]string{"PASS", "FAIL", "PARTIAL", "WARN", "ERROR"}, decision) {
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
	a.done(w, r, profilePage(r), a.replaceData(r), "The collected data was changed")
}

func (a *admin) replaceData(r *http.Request) error {
	s := a.s
	s.enter()
	defer s.leave()
	p, err := s.profileByID(r.PathValue("profile_id"))
	if err != nil {
		return err
	}
	if r.PostFormValue("etag") != s.etag(p) {
		return errors.New("the data has changed since this page was shown")
	}
	raw, sum, err := s.storable([]byte(r.PostFormValue("data")))
	switch {
	case err != nil:
		return err
	case sum.EntityType != p.Summary.EntityType:
		return invalid("the entity_type of a profile cannot change")
	}
	s.storeData(p, raw, sum, s.portal())
	return nil
}

func (a *admin) moveClock(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.PostFormValue("by"))
	switch {
	case err != nil, d < 0:
		err = errors.New("a span of time looks like 90s, 24h or 720h")
	default:
		a.s.AdvanceClock(d)
	}
	a.done(w, r, "", err, "The clock moved by "+d.String())
}

type webhooksView struct {
	URL      string
	Batching bool
	Last     int
	Watching bool
	Pending  []webhookRow
	Sent     []webhookRow
}

type webhookRow struct {
	ID, Event, Time, ProfileID, Data string
	Attempts                         int
}

// webhooks shows what waits and what was delivered last. The secret is not
// part of it.
func (a *admin) webhooks(w http.ResponseWriter, r *http.Request) {
	s := a.s
	s.enter()
	h := &s.hooks
	v := webhooksView{URL: withoutUser(h.url), Batching: h.batching, Last: h.last, Watching: r.URL.Query().Get("watch") != ""}
	for _, m := range h.queue[:min(len(h.queue), adminPage)] {
		v.Pending = append(v.Pending, webhookRowOf(m))
	}
	for _, m := range slices.Backward(h.delivered) {
		if len(v.Sent) == adminPage {
			break
		}
		v.Sent = append(v.Sent, webhookRowOf(&m))
	}
	s.leave()
	a.show(w, r, "webhooks", "Webhooks", v)
}

func webhookRowOf(m *Webhook) webhookRow {
	return webhookRow{m.ID, m.Event, dateTime(time.Unix(m.Timestamp, 0)), m.ProfileID, indented(m.Data), m.Attempts}
}

// withoutUser is an address without what may be a password in it.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
