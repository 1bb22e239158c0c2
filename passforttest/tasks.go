package passforttest

import (
	"slices"
	"strings"
	"time"
)

// taskRoutes are the operations on tasks and their notes.
func taskRoutes() []*route {
	return []*route{
		{Operation: "Tasks.List", Method: get, Path: onProfile + "/tasks",
			handle: withProfile((*world).listTasks)},
		{Operation: "Tasks.Create", Method: post, Path: onProfile + "/tasks",
			handle: withBoth((*world).createTask), creates: true},
		{Operation: "Tasks.Get", Method: get, Path: onProfile + "/tasks/{task_id}",
			handle: below("task", (*profile).task, (*world).getTask)},
		{Operation: "Tasks.Update", Method: post, Path: onProfile + "/tasks/{task_id}",
			handle: belowWithObject("task", (*profile).task, (*world).updateTask)},
		{Operation: "Tasks.Notes", Method: get, Path: onProfile + "/tasks/{task_id}/notes",
			handle: below("task", (*profile).task, (*world).listNotes)},
		{Operation: "Tasks.AddNote", Method: post, Path: onProfile + "/tasks/{task_id}/notes",
			handle: belowWithObject("task", (*profile).task, (*world).addNote), creates: true},
		{Operation: "Tasks.DeleteNote", Method: del, Path: onProfile + "/tasks/{task_id}/notes/{note_id}",
			handle: below("task", (*profile).task, (*world).deleteNote)},
	}
}

type task struct {
	ID           string        `json:"id"`
	Type         string        `json:"type"`
	VariantID    string        `json:"variant_id"`
	Alias        string        `json:"alias"`
	Name         string        `json:"name"`
	Description  string        `json:"description,omitempty"`
	State        string        `json:"state"`
	Expired      bool          `json:"expired,omitempty"`
	ExpiredAt    string        `json:"expired_at,omitempty"`
	ExpiryReason string        `json:"expiry_reason,omitempty"`
	Deleted      bool          `json:"deleted,omitempty"`
	Created      time.Time     `json:"created"`
	ExpiresAfter time.Duration `json:"expires_after,omitempty"`
	WillExpire   time.Time     `json:"will_expire,omitzero"`
	Passed       time.Time     `json:"passed,omitzero"`
	NoticeAt     time.Time     `json:"notice_at,omitzero"` // when the next version appears
	Next         string        `json:"next,omitempty"`     // id of the version after this one
	OpenedByHand bool          `json:"opened_by_hand,omitempty"`
	Checks       []string      `json:"checks,omitempty"`
	Forms        []string      `json:"forms,omitempty"`
	Accept       []string      `json:"accept,omitzero"`
	PassOn       []string      `json:"pass_on,omitzero"`
	FailOn       []string      `json:"fail_on,omitempty"`
	Notes        []*note       `json:"notes,omitempty"`
}

type note struct {
	ID          string   `json:"id"`
	Text        string   `json:"text"`
	Attachments []object `json:"attachments"`
	Created     string   `json:"created_on"`
	AuthorName  string   `json:"author_name"`
	Customised  bool     `json:"author_name_customised"`
	Author      *User    `json:"author"`
}

func taskEntity(taskType string) string {
	entity, _, _ := strings.Cut(taskType, "_")
	return entity
}

func (p *profile) task(id string) *task {
	return find(p.Tasks, func(t *task) bool { return t.ID == id })
}

// newTask makes a task of a variant and adds it to the profile.
func (w *world) newTask(p *profile, want ProductTask, by actor) *task {
	alias := want.Variant
	if alias == "" {
		alias = "default"
	}
	name := want.Name
	if name == "" {
		_, rest, _ := strings.Cut(want.Type, "_")
		name = title(rest)
	}
	t := &task{
		ID: w.newID(), Type: want.Type, VariantID: nameID("task variant", want.Type+" "+alias), Alias: alias,
		Name: name, Description: want.Description, State: "INCOMPLETE", Created: w.tick,
		ExpiresAfter: want.ExpiresAfter, Accept: want.Accept, PassOn: want.PassOn, FailOn: want.FailOn,
	}
	p.Tasks = append(p.Tasks, t)
	w.audit(p, by, "added-a-task", object{"task_id": t.ID})
	w.emit(p, by, "TASK_CREATED", object{"task": t.short()})
	return t
}

// requireTask returns the profile's current task of a variant, and adds it if there is
// none: two products that require the same task share it.
func (w *world) requireTask(p *profile, want ProductTask, by actor) *task {
	alias := want.Variant
	if alias == "" {
		alias = "default"
	}
	t := find(p.Tasks, func(t *task) bool {
		return t.Type == want.Type && t.Alias == alias && !t.Expired && !t.Deleted
	})
	if t == nil {
		t = w.newTask(p, want, by)
	}
	return t
}

func (t *task) variantWire() object {
	return object{
		"id": t.VariantID, "name": t.Name, "alias": t.Alias, "description": t.Description, "task_type": t.Type,
	}
}

func (t *task) short() object {
	return object{"id": t.ID, "type": t.Type, "state": t.State, "is_complete": t.complete(), "variant": t.variantWire()}
}

func (t *task) complete() bool { return t.State != "INCOMPLETE" }

func (w *world) taskWire(t *task) object {
	o := object{
		"id": t.ID, "type": t.Type, "variant": t.variantWire(), "state": t.State, "is_complete": t.complete(),
		"is_expired": t.Expired || w.switches().ExpiredInWindow &&
			t.Next != "", "is_skipped": false, "is_deleted": t.Deleted, "creation_date": dateTime(t.Created),
		"check_ids": orEmpty(t.Checks), "form_instance_ids": orEmpty(t.Forms), "needs_check_automation": false,
	}
	if t.Expired {
		o["expired_at"], o["expiry_reason"] = t.ExpiredAt, t.ExpiryReason
	}
	if !t.WillExpire.IsZero() && !t.Expired {
		o["will_expire_at"], o["expiry_date"] = dateTime(t.WillExpire), dateTime(t.WillExpire)
	}
	return o
}

func (w *world) tasksWire(p *profile) []object {
	out := []object{}
	for _, t := range p.Tasks {
		out = append(out, w.taskWire(t))
	}
	return out
}

func (w *world) listTasks(_ *call, p *profile) (*reply, error) {
	return ok(ordered(w, w.tasksWire(p))), nil
}

func (w *world) getTask(_ *call, _ *profile, t *task) (*reply, error) {
	return ok(w.taskWire(t)), nil
}

// createTask adds a task. With the variant of an existing task it makes a
// new version: the old one expires and the applications require the new one.
func (w *world) createTask(c *call, p *profile, body object) (*reply, error) {
	want, old, err := w.wantedTask(p, body)
	if err != nil {
		return nil, err
	}
	checks, err := p.checkIDs(body)
	if err != nil {
		return nil, err
	}
	by := byKey(c)
	t := w.newTask(p, want, by)
	t.Checks = checks
	if old != nil {
		w.expire(p, old, t, "NEW_TASK_VERSION")
	}
	if done, _ := body["is_complete"].(bool); done {
		w.setTaskState(p, t, "COMPLETED_PASS", by)
	}
	w.review(p)
	return ok(w.taskWire(t)), nil
}

// wantedTask reads a task request and finds the task it is a new version of.
func (w *world) wantedTask(p *profile, body object) (ProductTask, *task, error) {
	want := ProductTask{Type: text(body, "type")}
	ref := child(body, "variant")
	id, alias := text(ref, "id"), text(ref, "alias")
	if want.Type == "" && id == "" && alias == "" {
		return want, nil, missing("type")
	}
	var old *task
	if id != "" || alias != "" {
		old = find(p.Tasks, func(t *task) bool {
			return !t.superseded() && !t.Deleted && (want.Type == "" || t.Type == want.Type) &&
				(id != "" && t.VariantID == id || id == "" && t.Alias == alias)
		})
	}
	switch known, found := w.configuredTask(p, want.Type, id, alias); {
	case old != nil:
		want = old.wanted()
	case found:
		want = known
	case want.Type == "" || id != "":
		return want, nil, invalid("unknown task variant")
	default:
		want.Variant = alias
	}
	if e := taskEntity(want.Type); e != "INDIVIDUAL" && e != "COMPANY" {
		return want, nil, invalid("unknown task type")
	} else if e != p.Summary.EntityType {
		return want, nil, invalid("the task type does not fit the profile")
	}
	return want, old, nil
}

func (w *world) configuredTask(p *profile, taskType, id, alias string) (ProductTask, bool) {
	if id == "" && alias == "" {
		return ProductTask{}, false
	}
	for _, product := range w.state.Products {
		for _, t := range product.tasksFor(p.Summary.EntityType) {
			a := t.Variant
			if a == "" {
				a = "default"
			}
			if (taskType == "" || taskType == t.Type) &&
				(id == nameID("task variant", t.Type+" "+a) || id == "" && alias == a) {
				return t, true
			}
		}
	}
	return ProductTask{}, false
}

func (p *profile) checkIDs(body object) ([]string, error) {
	if v, there := body["check_ids"]; !there || v == nil {
		return nil, nil
	}
	ids, is := stringList(body, "check_ids")
	if !is {
		return nil, invalid("check_ids is not a list of ids")
	}
	for _, id := range ids {
		if p.check(id) == nil {
			return nil, invalid("check_ids names a check the profile does not have")
		}
	}
	return ids, nil
}

func (w *world) updateTask(c *call, p *profile, t *task, body object) (*reply, error) {
	state := t.State
	switch done, is := body["is_complete"].(bool); {
	case body["state"] != nil:
		state = text(body, "state")
		if !validTaskState(state) {
			return nil, invalid("unknown task state")
		}
	case is && done && t.State == "INCOMPLETE":
		state = "COMPLETED_PASS"
	case is && !done:
		state = "INCOMPLETE"
	case !is && body["check_ids"] == nil:
		return nil, missing("state")
	}
	checks, err := p.checkIDs(body)
	if err != nil {
		return nil, err
	}
	if t.superseded() && (checks != nil || state != t.State) {
		return nil, refuse(wrong, CodeConstraintsNotSatisfied, "the task has a newer version")
	}
	if checks != nil {
		t.Checks = checks
	}
	w.setTaskState(p, t, state, byKey(c))
	w.review(p)
	return ok(w.taskWire(t)), nil
}

func validTaskState(state string) bool {
	return slices.Contains([]string{"INCOMPLETE", "COMPLETED_PASS", "COMPLETED_FAIL"}, state)
}

func (w *world) setTaskState(p *profile, t *task, state string, by actor) {
	if t.State == state {
		return
	}
	t.State, t.OpenedByHand = state, state == "INCOMPLETE" && by != actor{}
	t.Passed, t.WillExpire, t.NoticeAt = time.Time{}, time.Time{}, time.Time{}
	p.Modified = w.tick
	action := "completed-a-task"
	if state == "INCOMPLETE" {
		action = "uncompleted-a-task"
	}
	if state == "COMPLETED_PASS" {
		w.startExpiry(p, t)
	}
	w.audit(p, by, action, object{"task_id": t.ID})
	w.emit(p, by, "TASK_STATE_CHANGED", object{"task": t.short(), "new_state": state})
	if w.switches().DeprecatedEvents {
		w.emit(p, by, "TASK_IS_COMPLETE_CHANGED", object{"task": t.short(), "is_complete": t.complete()})
	}
}

// SetTaskState sets a task to INCOMPLETE, COMPLETED_PASS or COMPLETED_FAIL as a
// person in the portal would. An approved application that requires it goes into
// review when it has not passed. A version that was replaced, or is about to be,
// cannot be set.
func (s *Server) SetTaskState(profileID, taskID, state string) error {
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	t := p.task(taskID)
	switch {
	case t == nil:
		return notFound("task")
	case !validTaskState(state):
		return invalid("unknown task state")
	case t.superseded() && t.State != state:
		return refuse(wrong, CodeConstraintsNotSatisfied, "the task has a newer version")
	}
	w.setTaskState(p, t, state, portal())
	w.review(p)
	return nil
}

func (w *world) listNotes(_ *call, _ *profile, t *task) (*reply, error) {
	return ok(ordered(w, t.Notes)), nil
}

func (w *world) addNote(c *call, p *profile, t *task, body object) (*reply, error) {
	n := &note{
		ID: w.newID(), Text: text(body, "text"), Attachments: []object{}, Created: dateTime(w.tick),
		AuthorName: c.key.Name,
	}
	if name := text(body, "author_name"); name != "" {
		n.AuthorName, n.Customised = name, true
	}
	for _, e := range list(body, "attachments") {
		a, _ := e.(object)
		f := p.file(text(a, "id"))
		if f == nil {
			return nil, invalid("attachments names a file the profile does not have")
		}
		name := text(a, "name")
		if name == "" {
			name = f.Name
		}
		n.Attachments = append(n.Attachments, object{"id": f.ID, "name": name})
	}
	if n.Text == "" && len(n.Attachments) == 0 {
		return nil, missing("text")
	}
	t.Notes = append(t.Notes, n)
	w.audit(p, byKey(c), "added-a-task-note", object{"task_id": t.ID, "note_id": n.ID})
	return ok(n), nil
}

func (w *world) deleteNote(c *call, p *profile, t *task) (*reply, error) {
	id := strings.ToLower(c.params["note_id"])
	i := slices.IndexFunc(t.Notes, func(n *note) bool { return n.ID == id })
	if i < 0 {
		return nil, notFound("note")
	}
	t.Notes = slices.Delete(t.Notes, i, i+1)
	w.audit(p, byKey(c), "deleted-a-task-note", object{"task_id": t.ID, "note_id": id})
	return w.nothing(), nil
}

// title returns a readable name for an alias or an enum value.
func title(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == '_' || r == '-' || r == ' ' })
	t := strings.Join(words, " ")
	if t == "" {
		return s
	}
	return strings.ToUpper(t[:1]) + t[1:]
}
