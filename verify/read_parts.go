package verify

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/passfort-go/passfort"
)

// partProbes look at what is below a profile.
func partProbes() []Probe {
	return []Probe{
		listProbe("applications", "GET the applications of the profile", "docs/api/applications.md#the-application",
			func(o object) bool {
				return text(o, "status") != "" && text(o, "flag") != "" && inner(o, "product") != nil
			},
			"an application has a status, a flag and a product"),
		listProbe("checks", "GET the checks of the profile", "docs/api/checks.md#the-check",
			func(o object) bool {
				state := text(o, "state")
				return text(o, "check_type") != "" && passfort.CheckState(state).Known() &&
					(state == "COMPLETE" || text(o, "decision") == "")
			}, "a check has a type and one of three states, and a decision only when it is complete"),
		listProbe("tasks", "GET the tasks of the profile", "docs/api/tasks.md#the-task",
			func(o object) bool {
				complete, is := o["is_complete"].(bool)
				return text(o, "state") == "" || !is || complete == (text(o, "state") != "INCOMPLETE")
			}, "state and is_complete of a task say the same"),
		listProbe("events", "GET the events of the profile", "docs/api/checks.md#events",
			func(o object) bool { return text(o, "resolution") != "" }, "an event has a resolution"),
		listProbe("document_images", "GET the document images of the profile", "docs/api/documents.md#document-images",
			func(o object) bool { return text(o, "image_type") != "" }, "a document image has a type"),
		listProbe("audit-items", "GET the audit items of the profile", "docs/api/audit-and-risk.md#audit-items",
			func(o object) bool { return text(o, "profileID") != "" && text(o, "action") != "" },
			"an audit item has profileID, in camel case, and an action"),
		listProbe("collection_steps", "GET the collection steps of the profile",
			"docs/api/customer-requests.md#collection-steps",
			func(o object) bool { return text(o, "collection_type") != "" }, "a collection step has a type"),
		{
			Name:   "approval-blockers",
			Asks:   "nothing more",
			Belief: "an approval blocker has a blocker_type",
			Page:   "docs/api/applications.md#approval-blockers",
			Means:  "Application.ApprovalBlockers does not say why",
			judge: func(s *session) judgement {
				_, items := s.first("applications", func(o object) bool {
					return len(objects(o["approval_blockers"])) > 0
				})
				for _, o := range items {
					for _, b := range objects(o["approval_blockers"]) {
						if text(b, "blocker_type") == "" {
							return differs("one without")
						}
					}
				}
				if items == nil {
					return notSeen("no application with blockers")
				}
				return confirmed("so it has")
			},
		},
		{
			Name:   "required-tasks",
			Switch: "RequiredTaskIsVariant",
			Asks:   "nothing more",
			Belief: "required_tasks of an application hold ids of tasks",
			Means:  "they hold ids of task variants: match Task.Variant.ID",
			Page:   "docs/api/applications.md#the-application",
			judge:  requiredTasks,
		},
		{
			Name:   "next-version",
			Switch: "VersionsAtExpiry",
			Asks:   "GET the tasks of up to four profiles",
			Belief: "30 days before a task expires its next version is listed",
			Means:  "it comes later, or the product has another notice: look for it when the old one expires",
			Page:   "docs/api/applications.md#expiry",
			judge: func(s *session) judgement {
				old := s.expiring()
				if len(old) == 0 {
					return notSeen("no task that expires within 30 days")
				}
				next := slices.ContainsFunc(old, func(t expiringTask) bool { return t.next })
				return either(next, "it is", "a task that expires sooner, and no next version")
			},
		},
		{
			Name:   "expired-early",
			Switch: "ExpiredInWindow",
			Asks:   "nothing more",
			Belief: "is_expired of a task is false until its time is over, beside its next version too",
			Means:  "is_expired says that there is a next version: the old one still counts until will_expire_at",
			Page:   "docs/api/applications.md#expiry",
			judge: func(s *session) judgement {
				for _, t := range s.expiring() {
					if t.next {
						return either(!t.expired, "it is false", "it is true")
					}
				}
				return notSeen("no task that expires within 30 days and has a next version")
			},
		},
		{
			Name:   "image-full",
			Asks:   "GET a document image with full=false",
			Belief: "with full=false there is no content",
			Means:  "the list of images is as cheap as it gets: reading one transfers its content",
			Page:   "docs/api/documents.md#document-images",
			judge: func(s *session) judgement {
				a := s.image("full", "false")
				if a == nil || !a.ok() {
					return notSeen("no document image that can be read")
				}
				return either(!hasContent(a), "none", "the content is there")
			},
		},
		{
			Name:   "image-content",
			Switch: "ReadableImages",
			Asks:   "GET a document image",
			Belief: "the content of an image cannot be read back",
			Means:  "Documents.DownloadImage works here: think of who may use it",
			Page:   "docs/api/documents.md#content-is-encrypted",
			judge: func(s *session) judgement {
				a := s.image()
				if a == nil || !a.ok() {
					return notSeen("no document image that can be read")
				}
				return either(!hasContent(a), "no content", "the content is there")
			},
		},
		{
			Name:   "file-content",
			Switch: "ReadableFiles",
			Asks:   "GET a file that a note or an audit item names",
			Belief: "the content of a file cannot be read back",
			Means:  "Files.Download works here: think of who may use it",
			Page:   "docs/api/documents.md#content-is-encrypted",
			judge: func(s *session) judgement {
				id, file := s.file()
				if file == "" {
					return notSeen("no file to read")
				}
				a := s.get(passfort.Path("profiles", id, "files", file))
				if !a.ok() {
					return notSeen(a.said())
				}
				return either(!hasContent(a), "no content", "the content is there")
			},
		},
		{
			Name:   "customer-request",
			Asks:   "GET the latest customer request of the profile",
			Belief: "is_completed is a boolean",
			Means:  "CustomerRequest.IsCompleted stays nil",
			Page:   "docs/api/customer-requests.md#read-a-customer-request",
			judge: func(s *session) judgement {
				id := s.profileID()
				if id == "" {
					return notSeen("no profile to look at")
				}
				a := s.get("/forms" + passfort.Path("profile", id, "customer_request"))
				if !a.ok() {
					return notSeen("none: " + a.said())
				}
				_, is := a.object()["is_completed"].(bool)
				return either(is, "so it is", kindOf(a.object()["is_completed"]))
			},
		},
	}
}

// listProbe looks at a list that is a bare array, and at each item of it.
func listProbe(list, asks, page string, as func(object) bool, belief string) Probe {
	return Probe{
		Name:   strings.NewReplacer("_", "-", "document_", "").Replace(list),
		Asks:   asks,
		Belief: "the list is a bare array; " + belief,
		Means:  "fields of its items stay empty, or decoding fails", Page: page,
		judge: func(s *session) judgement {
			a := s.below(list)
			if !a.ok() {
				return notSeen(a.said())
			}
			items, is := a.json().([]any)
			switch {
			case !is:
				return differs("the list is " + kindOf(a.json()))
			case len(items) == 0:
				return notSeen("the list is empty")
			}
			for _, o := range objects(a.json()) {
				if !as(o) {
					return differs("an array with an item that is otherwise")
				}
			}
			return confirmed("an array")
		},
	}
}

// noticePeriod is how long before a task expires its next version appears.
const noticePeriod = 30 * 24 * time.Hour

// expiringTask is a task that was passed and expires within the notice period.
type expiringTask struct {
	expired bool // by its is_expired
	next    bool // there is a newer task of its type and variant
}

// expiring returns the tasks of the first profile that has any. Tasks that were made
// within the notice period have no next version before they expire.
func (s *session) expiring() []expiringTask {
	kind := func(t object) string { return text(t, "type") + " " + text(inner(t, "variant"), "id") }
	for _, id := range s.subjects() {
		a := s.get(passfort.Path("profiles", id, "tasks"))
		now, err := http.ParseTime(a.header.Get("Date"))
		if err != nil {
			continue
		}
		var old []expiringTask
		tasks := a.list()
		for _, t := range tasks {
			made, madeErr := passfort.ParseDateTime(text(t, "creation_date"))
			ends, endErr := passfort.ParseDateTime(cmp.Or(text(t, "will_expire_at"), text(t, "expiry_date")))
			if madeErr != nil || endErr != nil || ends.Before(now) || ends.Sub(now) >= noticePeriod ||
				ends.Sub(made) <= noticePeriod {
				continue
			}
			expired, _ := t["is_expired"].(bool)
			old = append(old, expiringTask{expired: expired, next: slices.ContainsFunc(tasks, func(o object) bool {
				later, err := passfort.ParseDateTime(text(o, "creation_date"))
				return err == nil && kind(o) == kind(t) && later.After(made)
			})})
		}
		if len(old) > 0 {
			return old
		}
	}
	return nil
}

func requiredTasks(s *session) judgement {
	tasks, variants, neither := 0, 0, 0
	for _, id := range s.subjects() {
		var ids, variantIDs []string
		applications := s.get(passfort.Path("profiles", id, "applications")).list()
		if !slices.ContainsFunc(applications, func(o object) bool { return len(objects(o["required_tasks"])) > 0 }) {
			continue
		}
		for _, t := range s.get(passfort.Path("profiles", id, "tasks")).list() {
			ids, variantIDs = append(ids, text(t, "id")), append(variantIDs, text(inner(t, "variant"), "id"))
		}
		for _, o := range applications {
			for _, want := range idsOf(objects(o["required_tasks"])) {
				switch {
				case slices.Contains(ids, want):
					tasks++
				case slices.Contains(variantIDs, want):
					variants++
				default:
					neither++
				}
			}
		}
		break
	}
	switch {
	case variants > 0:
		return differs("ids of task variants")
	case tasks > 0:
		return confirmed("ids of tasks")
	case neither > 0:
		return notSeen("ids of no task that is listed")
	}
	return notSeen("no application that requires a task")
}

// image reads the first document image there is, or returns nil.
func (s *session) image(query ...string) *answer {
	id, images := s.first("document_images", func(o object) bool { return text(o, "id") != "" })
	if id == "" {
		return nil
	}
	return s.get(passfort.Path("profiles", id, "document_images", text(images[0], "id")), query...)
}

// file returns a file and its profile.
func (s *session) file() (profileID, fileID string) {
	if s.made != nil {
		return s.made.id, s.made.file
	}
	ids := s.subjects()
	for _, id := range ids {
		for _, o := range s.get(passfort.Path("profiles", id, "audit-items")).list() {
			if file := text(inner(o, "ref_data"), "file_id"); uuidForm.MatchString(file) {
				return id, file
			}
		}
	}
	for _, id := range ids[:min(1, len(ids))] {
		tasks := idsOf(s.get(passfort.Path("profiles", id, "tasks")).list())
		for _, task := range tasks[:min(maxNotes, len(tasks))] {
			for _, note := range s.get(passfort.Path("profiles", id, "tasks", task, "notes")).list() {
				if files := idsOf(objects(note["attachments"])); len(files) > 0 {
					return id, files[0]
				}
			}
		}
	}
	return "", ""
}

// maxNotes is how many tasks are searched for notes with a file.
const maxNotes = 2

// maxProducts is how many products a report holds.
const maxProducts = 50

// products returns the shapes of the products of the applications that were seen.
func (s *session) products() []Product {
	var applications []object
	for _, p := range objects(s.seen("/profiles?")["results"]) {
		applications = append(applications, objects(p["applications"])...)
	}
	found := map[string]Product{}
	for _, o := range applications {
		of := inner(o, "product")
		p := Product{Tasks: []string{}}
		if s.opts.Aliases {
			p.Alias = text(of, "alias")
		}
		for _, t := range objects(o["required_tasks"]) {
			if kind := text(t, "task_type"); passfort.TaskType(kind).Known() && !slices.Contains(p.Tasks, kind) {
				p.Tasks = append(p.Tasks, kind)
			}
		}
		slices.Sort(p.Tasks)
		key := text(of, "id") + text(of, "alias")
		if known, there := found[key]; !there || len(known.Tasks) < len(p.Tasks) {
			found[key] = p
		}
	}
	out := slices.SortedFunc(maps.Values(found), func(a, b Product) int {
		return cmp.Or(strings.Compare(a.Alias, b.Alias), slices.Compare(a.Tasks, b.Tasks))
	})
	return out[:min(maxProducts, len(out))]
}

// seen returns what a GET of this run answered, without making one.
func (s *session) seen(key string) object {
	if a := s.kept[key]; a != nil && a.ok() {
		return a.object()
	}
	return nil
}

// hasContent reports whether an image or a file came with content. It looks at the
// text, because a long answer is not read to its end.
func hasContent(a *answer) bool {
	_, rest, there := bytes.Cut(a.body, []byte(`"decrypted_data"`))
	rest = bytes.TrimLeft(rest, " \t\r\n:")
	return there && len(rest) > 1 && rest[0] == '"' && rest[1] != '"'
}

// limitProbes come late: a limit that is reached must not stand in the way.
func limitProbes() []Probe {
	return []Probe{
		{
			Name:   "audit-report",
			Asks:   "GET the audit report",
			Belief: "the report is a PDF",
			Means:  "look at AuditReport.MediaType",
			Page:   "docs/api/audit-and-risk.md#the-audit-report",
			judge: func(s *session) judgement {
				a := s.report1()
				if !a.ok() {
					return notSeen(a.said())
				}
				return either(bytes.HasPrefix(a.body, []byte("%PDF")), "a PDF", "something else")
			},
		},
		{
			Name:   "rate-limit-headers",
			Asks:   "nothing more",
			Belief: "a limited operation says how much is left in X-RateLimit-Remaining",
			Page:   "docs/api/basics.md#rate-limits",
			judge: func(s *session) judgement {
				if a := s.report1(); a.header.Get("X-RateLimit-Remaining") != "" {
					return confirmed("so it does")
				}
				return notSeen("no such header on the audit report")
			},
		},
		{
			Name:   "rate-limit-status",
			Tier:   TierDemo,
			Asks:   "GET the audit report again and again: two in a second are over its documented limit",
			Belief: "a call over the limit is answered with 429",
			Means:  "errors.Is(err, passfort.ErrRateLimited) may be false",
			Page:   "docs/api/basics.md#rate-limits",
			judge: func(s *session) judgement {
				if s.overLimit() == nil {
					return notSeen("no limit was reached")
				}
				return confirmed(statusText(http.StatusTooManyRequests))
			},
		},
		headerProbe("rate-limit-retry", "RateLimitRetrySecs", "X-RateLimit-Retry-Secs",
			"the SDK waits so long, which is shorter than until the quota is full"),
		headerProbe("retry-after", "RetryAfter", "Retry-After", "the SDK waits so long"),
	}
}

func headerProbe(name, switchName, header, means string) Probe {
	return Probe{
		Name:   name,
		Tier:   TierDemo,
		Switch: switchName,
		Asks:   "nothing more",
		Belief: "a 429 has no header " + header,
		Means:  means,
		Page:   "docs/api/basics.md#rate-limits",
		judge: func(s *session) judgement {
			a := s.overLimit()
			if a == nil {
				return notSeen("no limit was reached")
			}
			return either(a.header.Get(header) == "", "it has none", "it has one")
		},
	}
}

func (s *session) report1() *answer { return s.below("audit", "pdf_report") }

// overLimit returns a 429. It asks for the report three times in a row, once in a run.
// A limit may be that of a whole institution, so that only a demo run reaches for one.
func (s *session) overLimit() *answer {
	if s.limited != nil || s.reports {
		return s.limited
	}
	s.reports = true
	id := s.profileID()
	if id == "" || !s.report1().ok() {
		return s.limited
	}
	path := passfort.Path("profiles", id, "audit", "pdf_report")
	for range 2 {
		if s.limited == nil && s.fresh(path).status == 0 {
			break
		}
	}
	return s.limited
}
