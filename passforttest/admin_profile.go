package passforttest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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

// page is the page of a profile, and its title. It takes the lock.
func (w *world) page(id string) (profileView, string, error) {
	w.enter()
	defer w.leave()
	p, err := w.look(id)
	if err != nil {
		return profileView{}, "", err
	}
	return w.viewOf(p), nameOf(p), nil
}

// viewOf is a profile as its page shows it.
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
