package passforttest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

type profileView struct {
	profileRow
	Status, Data, ETag, Modified string
	Applications                 []applicationRow
	Tasks                        []taskRow
	Checks                       []checkRow
	Findings                     []findingRow
	Forms                        []formRow
	Documents                    []string
	Images, Files                []StoredImage
	Tags, Steps                  []string
	Audit                        []string
	Pending, Sent                []webhookRow
	Calls                        []shownCall
}

type applicationRow struct {
	ID, Product, Status, Flag, Expires, Risk string
	Next, History, Flags, Blockers           []string
}

type taskRow struct {
	ID, Name, Type, Alias, State, Expired, Expires, Created string
	Notes, Checks                                           []string
}

type checkRow struct {
	ID, Type, Variant, State, Decision, Result string
	Instructed, Completed, Due                 string
	Input, Output                              string
	Errors                                     []string
	Open                                       bool
}

type findingRow struct{ ID, Type, Resolution, Created, Data string }

type formRow struct{ ID, Name, Flow, State string }

// page returns the page of a profile, and its title. It takes the lock.
func (w *world) page(id string) (profileView, string, error) {
	w.enter()
	defer w.leave()
	p, err := w.look(id)
	if err != nil {
		return profileView{}, "", err
	}
	return w.viewOf(p), nameOf(p), nil
}

// viewOf returns what the page of a profile shows.
func (w *world) viewOf(p *profile) profileView {
	v := profileView{
		profileRow: w.row(p), Status: p.Status, Data: indented(p.Data), ETag: w.etag(p), Modified: dateTime(p.Modified),
		Tags: slices.Clone(p.TagNames),
	}
	for _, app := range p.Applications {
		if !app.Hidden {
			v.Applications = append(v.Applications, w.applicationRow(p, app))
		}
	}
	for _, t := range p.Tasks {
		row := taskRow{
			ID: t.ID, Name: t.Name, Type: t.Type, Alias: t.Alias, State: t.State, Created: dateTime(t.Created),
			Checks: slices.Clone(t.Checks),
		}
		if t.Expired {
			row.Expired = t.ExpiryReason + ", " + t.ExpiredAt
		} else if !t.WillExpire.IsZero() {
			row.Expires = dateTime(t.WillExpire)
		}
		for _, n := range t.Notes {
			row.Notes = append(row.Notes, n.AuthorName+": "+n.Text)
		}
		v.Tasks = append(v.Tasks, row)
	}
	for _, ch := range p.Checks {
		v.Checks = append(v.Checks, checkRowOf(ch))
	}
	for _, e := range p.Events {
		v.Findings = append(v.Findings, findingRow{
			text(e, "id"), text(child(e, "data"), "event_type"), text(e, "resolution"), text(e, "creation_date"),
			indented(encode(e["data"])),
		})
	}
	for _, req := range p.Requests {
		for _, f := range req.Forms {
			v.Forms = append(v.Forms, formRow{f.ID, f.Form.Name, req.Flow, f.State})
		}
	}
	if data, err := decodeObject(p.Data); err == nil {
		for _, e := range list(data, "documents") {
			d, _ := e.(object)
			v.Documents = append(v.Documents, text(d, "document_type")+", "+text(d, "category")+", "+
				short(text(d, "id")))
		}
	}
	for _, i := range p.Images {
		v.Images = append(v.Images, i.stored())
	}
	for _, f := range p.Files {
		v.Files = append(v.Files, f.stored())
	}
	for _, step := range p.Steps {
		v.Steps = append(v.Steps, text(step, "collection_type"))
	}
	for _, item := range slices.Backward(p.Audit) {
		if len(v.Audit) == adminPage {
			break
		}
		who := "smart policy"
		if item.User != nil {
			who = item.User.Name
		} else if item.Key != "" {
			who = item.Key
		}
		v.Audit = append(v.Audit, dateTime(time.UnixMilli(int64(item.Time*1000)))+" "+item.Action+", "+who)
	}
	v.Pending, v.Sent = w.out.about(p.ID)
	return v
}

func (w *world) applicationRow(p *profile, app *application) applicationRow {
	row := applicationRow{ID: app.ID, Product: w.product(app).Name, Status: app.Status, Flag: app.Flag}
	if !app.WillExpire.IsZero() {
		row.Expires = dateTime(app.WillExpire)
	}
	if m := w.product(app).Risk; m != nil {
		row.Risk = m.level(app.Risk)
	}
	for _, to := range []string{"APPROVED", "REJECTED", "IN_REVIEW", "CANCELLED"} {
		if mayBecome(app.Status, to) {
			row.Next = append(row.Next, to)
		}
	}
	for _, h := range app.History {
		who := ""
		if h.Decisioner != nil {
			who = ", " + h.Decisioner.Name
		}
		row.History = append(row.History, h.Date+" "+h.Status+who+" "+h.Comment)
	}
	for _, f := range app.FlagHistory {
		row.Flags = append(row.Flags, f.Date+" "+f.Flag)
	}
	for _, b := range w.blockers(p, app) {
		row.Blockers = append(row.Blockers, text(b, "blocker_type")+" "+text(b, "task_type"))
	}
	return row
}

func checkRowOf(ch *check) checkRow {
	row := checkRow{
		ID: ch.ID, Type: ch.Type, Variant: ch.VariantAlias, State: ch.State, Decision: ch.Decision, Result: ch.Result,
		Instructed: dateTime(ch.Instructed), Open: ch.State != "COMPLETE", Input: indented(ch.Input),
		Output: indented(ch.Output),
	}
	if !row.Open {
		row.Completed = dateTime(ch.Completed)
	} else if !ch.DueAt.IsZero() {
		row.Due = dateTime(ch.DueAt)
	}
	for _, e := range ch.Errors {
		row.Errors = append(row.Errors, fmt.Sprintf("%d %s", e.Code, e.Message))
	}
	return row
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

// home returns a page of the profiles that a query finds. It takes the lock.
func (w *world) home(query string, offset int) homeView {
	w.enter()
	defer w.leave()
	v := homeView{Query: query}
	v.Pending, v.Sent = w.out.counts()
	for _, p := range w.state.Products {
		v.Products = append(v.Products, p.Alias)
	}
	for kind, n := range w.state.Charges {
		v.Charges = append(v.Charges, fmt.Sprintf("%s %d", kind, n))
	}
	var found []*profile
	if wanted := strings.ToLower(query); wanted == "" {
		v.Count = w.roster.count
		last := v.Count - max(0, offset)
		found = w.roster.page(max(0, last-adminPage), min(adminPage, max(0, last)))
	} else {
		found = w.roster.search(wanted)
		if p := w.state.Profiles[wanted]; p != nil {
			found = append(found, p)
		}
		v.Count = len(found)
		last := max(0, v.Count-max(0, offset))
		found = found[max(0, last-adminPage):last]
	}
	for _, p := range slices.Backward(found) {
		v.Profiles = append(v.Profiles, w.row(p))
	}
	return v
}

func (w *world) row(p *profile) profileRow {
	row := profileRow{
		ID: p.ID, Name: p.Summary.Name, Role: p.Role, Category: p.category(),
		Created: dateTime(p.Created),
	}
	for _, app := range p.Applications {
		if !app.Hidden {
			row.Applications = append(row.Applications, w.product(app).Alias+": "+app.Status+", "+app.Flag)
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

// newest returns the newest profiles to choose from. It takes the lock.
func (w *world) newest(n int) []option {
	w.enter()
	defer w.leave()
	var out []option
	for _, p := range slices.Backward(w.roster.page(max(0, w.roster.count-n), n)) {
		out = append(out, option{Value: p.ID, Label: nameOf(p)})
	}
	return out
}

func nameOf(p *profile) string {
	if p.Summary.Name != "" {
		return p.Summary.Name
	}
	return "Profile " + short(p.ID)
}

type settingsView struct {
	Rows     []settingRow
	Switches []switchRow
	Limits   []string
	Products string
	Flows    string
	Outcomes []string
}

type settingRow struct{ Name, Value string }

// settings adds the settings of the world to a view. It takes the lock.
func (w *world) settings(v *settingsView) {
	w.enter()
	defer w.leave()
	v.Rows = append(v.Rows, settingRow{"Kept in a file", yesNo(w.journal() != nil)})
	v.Switches = switchRows(w.switches())
	v.Products, v.Flows = indented(encode(orEmpty(w.state.Products))), indented(encode(orEmpty(w.state.Flows)))
	for _, name := range slices.Sorted(maps.Keys(w.outcome.queued)) {
		v.Outcomes = append(v.Outcomes, fmt.Sprintf("%s: %d", name, len(w.outcome.queued[name])))
	}
}

// called returns the id and the name of a profile, if it exists. It takes the lock.
func (w *world) called(id string) (string, string) {
	w.enter()
	defer w.leave()
	p, err := w.look(id)
	if err != nil {
		return "", ""
	}
	return p.ID, p.Summary.Name
}
