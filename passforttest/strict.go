package passforttest

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/countries"
)

// problem is one thing in a body that the pages of docs/api rule out. The text
// never holds what was sent.
type problem struct{ pointer, text string }

// problemsShown is how many problems one refusal names.
const problemsShown = 20

// refuseProblems returns a refusal that names what is wrong with a body, or nil.
func refuseProblems(found []problem) error {
	if len(found) == 0 {
		return nil
	}
	no := invalid(found[0].text)
	for i, p := range found[:min(len(found), problemsShown)] {
		e := ErrorObject{
			Code: CodeInvalidInputData, Message: p.pointer + ": " + p.text, Source: "API", Info: object{
				"pointer": p.pointer,
			},
		}
		if i == 0 {
			no.err = e
			continue
		}
		no.more = append(no.more, e)
	}
	return no
}

// form is what a JSON value may look like. One without any field set allows
// everything.
type form struct {
	kind    reflect.Kind // String, Bool, Int, Float64, Slice, Map or Struct; Invalid for anything
	loose   bool         // a string that may be a number too
	known   func(string) bool
	what    string // a value that known accepts, for the text of a problem
	elem    *form  // of a list or a map
	key     func(string) bool
	keys    string
	members map[string]*form
	folded  map[string]string // names of members by their lower case
	needs   []string          // members that must be present
	also    func(o object, at string, found []problem) []problem
}

// forms has the form of the body of each operation. They follow from the types
// of package passfort, so that both know the same names, types and values.
type forms struct {
	once    sync.Once
	byName  map[string]*form
	made    map[reflect.Type]*form
	results *forms // of what checks and providers say, of which the types are known
}

type (
	idRef struct {
		ID string `json:"id"`
	}
	aliasRef struct {
		Alias string `json:"alias"`
	}
	confirmBody struct {
		ConfirmID string `json:"confirm_id"`
		Message   string `json:"message"`
	}
	decisionBody struct {
		Status  passfort.ApplicationStatus `json:"status"`
		Comment string                     `json:"comment"`
	}
	commentBody struct {
		Comment string `json:"comment"`
	}
	taskIDsBody struct {
		TaskIDs []string `json:"task_ids"`
	}
	noteBody struct {
		Text        string                    `json:"text"`
		AuthorName  string                    `json:"author_name"`
		Attachments []passfort.NoteAttachment `json:"attachments"`
	}
	tagBody struct {
		Name string `json:"name"`
	}
	collectBody struct {
		ProfileIDs []string `json:"profile_ids"`
	}
	requestBody struct {
		Type         string   `json:"type"`
		FlowTemplate aliasRef `json:"flow_template"`
		Theme        aliasRef `json:"theme"`
	}
)

// collectedData is the name of the form of collected data, which is judged only
// once the ETag fits.
const collectedData = "collected data"

// of returns the form of the body of an operation, or nil.
func (f *forms) of(operation string) *form {
	f.once.Do(func() {
		f.made, f.results = map[reflect.Type]*form{}, &forms{made: map[reflect.Type]*form{}}
		f.byName = map[string]*form{
			collectedData:                 f.form(reflect.TypeFor[passfort.EntityData]()),
			"Profiles.Create":             f.form(reflect.TypeFor[passfort.ProfileRequest]()),
			"Profiles.Delete":             f.form(reflect.TypeFor[confirmBody]()),
			"Documents.Create":            f.form(reflect.TypeFor[passfort.Document]()),
			"Applications.Create":         f.form(reflect.TypeFor[passfort.ApplicationRequest]()),
			"Applications.SetStatus":      f.form(reflect.TypeFor[decisionBody]()),
			"Applications.RevertDecision": f.form(reflect.TypeFor[commentBody]()),
			"Checks.Run":                  f.form(reflect.TypeFor[passfort.CheckRequest]()),
			"Checks.SetTasks":             f.form(reflect.TypeFor[taskIDsBody]()),
			"Tasks.Create":                f.form(reflect.TypeFor[passfort.TaskRequest]()),
			"Tasks.Update":                f.form(reflect.TypeFor[passfort.TaskUpdate]()),
			"Tasks.AddNote":               f.form(reflect.TypeFor[noteBody]()),
			"Events.Create":               f.form(reflect.TypeFor[passfort.Event]()),
			"Events.Update":               f.form(reflect.TypeFor[passfort.Event]()),
			"Events.BulkUpdate":           f.form(reflect.TypeFor[[]passfort.Event]()),
			"Tags.Add":                    f.form(reflect.TypeFor[tagBody]()),
			"Collect.SetSteps":            f.form(reflect.TypeFor[[]passfort.CollectionStep]()),
			"Collect.CreateKey":           f.form(reflect.TypeFor[collectBody]()),
			"Forms.CreateCustomerRequest": f.form(reflect.TypeFor[requestBody]()),
		}
	})
	return f.byName[operation]
}

// form makes the form of a type of package passfort, or of a body above.
func (f *forms) form(t reflect.Type) *form {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if made := f.made[t]; made != nil {
		return made
	}
	made := &form{}
	f.made[t] = made // before its members: associates have data, which has associates
	switch t {
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[passfort.Unknown]():
		return made
	case reflect.TypeFor[passfort.Profile]():
		// A link: the client sends back what the server expanded it to.
		*made = *f.form(reflect.TypeFor[idRef]())
		return made
	}
	switch t.Kind() {
	case reflect.String:
		made.kind = reflect.String
		if _, closed := reflect.Zero(t).Interface().(interface{ Known() bool }); closed && f.results != nil {
			made.what = "one of the values of docs/api"
			made.known = func(v string) bool {
				return reflect.ValueOf(v).Convert(t).Interface().(interface{ Known() bool }).Known()
			}
		}
	case reflect.Bool:
		made.kind = reflect.Bool
	case reflect.Int, reflect.Int64:
		made.kind = reflect.Int
	case reflect.Float64:
		made.kind = reflect.Float64
	case reflect.Slice:
		made.kind, made.elem = reflect.Slice, f.form(t.Elem())
	case reflect.Map:
		made.kind, made.elem = reflect.Map, f.form(t.Elem())
	case reflect.Struct:
		f.structure(made, t)
	}
	return made
}

func (f *forms) structure(made *form, t reflect.Type) {
	made.kind, made.members, made.folded = reflect.Struct, map[string]*form{}, map[string]string{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		member := f.form(field.Type)
		switch full := t.Name() + "." + name; {
		case f.results == nil:
		case isResult(full):
			member = f.results.form(field.Type)
		default:
			if special := specialForm(full, member); special != nil {
				member = special
			}
		}
		made.members[name] = member
		if f.results != nil {
			made.folded[strings.ToLower(name)] = name
		}
	}
	if f.results == nil {
		return
	}
	switch t {
	case reflect.TypeFor[passfort.Address]():
		made.needs, made.also = []string{"type"}, freeformAddress
	case reflect.TypeFor[passfort.DatedAddress]():
		made.needs = []string{"address"}
	}
}

// freeformAddress checks the members that a free text must have.
func freeformAddress(o object, at string, found []problem) []problem {
	if text(o, "type") != string(passfort.AddressTypeFreeform) {
		return found
	}
	for _, name := range []string{"country", "text"} {
		if o[name] == nil || o[name] == "" {
			found = append(found, problem{at + "/" + name, "is required in a FREEFORM address"})
		}
	}
	return found
}

// specialForm returns the form of a member whose Go type is too general, or nil.
func specialForm(member string, plain *form) *form {
	switch member {
	case "PersonalDetails.dob", "DatedAddress.start_date", "DatedAddress.end_date":
		return &form{kind: reflect.String, known: isPartialDate, what: "a date such as 1990, 1990-12 or 1990-12-31"}
	case "CompanyMetadata.incorporation_date", "PreviousName.start", "PreviousName.end",
		"AssociatedEntity.appointed_on",
		"AssociatedEntity.resigned_on", "AssociatedEntity.notified_on", "AssociatedEntity.ceased_on",
		"CompanyFiling.date_of_filing", "CharityData.registration_date", "DocumentData.issued", "DocumentData.expiry",
		"FraudMatch.supply_date", "FraudMatch.application_date", "FraudMatch.claim_date":
		return &form{kind: reflect.String, known: isDate, what: "a date such as 1990-12-31"}
	case "Address.country", "IPLocation.country", "CompanyMetadata.country_of_incorporation", "BankAccount.country":
		return &form{kind: reflect.String, known: countries.Country, what: "a country of three letters such as GBR"}
	case "PersonalDetails.nationality", "DocumentData.issuing_country", "DocumentMetadata.country_code":
		return &form{
			kind: reflect.String, known: countries.Nationality, what: "a nationality of three letters such as GBR",
		}
	case "PersonalDetails.national_identity_number":
		return &form{
			kind: reflect.Map, elem: plain.elem, key: countries.Country, keys: "a country of three letters such as GBR",
		}
	case "CompanyMetadata.number":
		return &form{kind: reflect.String, loose: true}
	case "EntityData.custom_fields_data", "CheckRequest.output_data":
		return &form{kind: reflect.Map, elem: &form{}}
	}
	return nil
}

// isResult reports whether a member holds what checks and providers say.
func isResult(member string) bool {
	switch member {
	case "EntityData.electronic_id_check", "EntityData.credit_ref", "EntityData.db_matches",
		"EntityData.sanctions_results", "EntityData.bank_account_verifications",
		"EntityData.bank_account_validations", "EntityData.field_checks", "Document.verification_result",
		"DocumentData.result":
		return true
	}
	return false
}

var dateForm = regexp.MustCompile(`^\d{4}(-\d{2}(-\d{2})?)?$`)

// isPartialDate reports whether v is a year, a month or a day of the calendar.
func isPartialDate(v string) bool {
	if !dateForm.MatchString(v) {
		return false
	}
	_, err := time.Parse(time.DateOnly[:len(v)], v)
	return err == nil
}

func isDate(v string) bool { return len(v) == len(time.DateOnly) && isPartialDate(v) }

// judge appends what is wrong with v, which is at the given pointer. Null and ""
// are absent members, wherever they stand.
func (f *form) judge(v any, at string, found []problem) []problem {
	if f == nil || f.kind == reflect.Invalid || v == nil {
		return found
	}
	say := func(text string) []problem { return append(found, problem{at, text}) }
	switch v := v.(type) {
	case string:
		switch {
		case f.kind != reflect.String:
			return say(f.expects())
		case v != "" && f.known != nil && !f.known(v):
			return say("is not " + f.what)
		}
	case bool:
		if f.kind != reflect.Bool {
			return say(f.expects())
		}
	case json.Number:
		whole := f.kind == reflect.Int && !strings.ContainsAny(v.String(), ".eE")
		if f.kind != reflect.Float64 && !whole && !f.loose {
			return say(f.expects())
		}
	case []any:
		if f.kind != reflect.Slice {
			return say(f.expects())
		}
		for i, e := range v {
			found = f.elem.judge(e, at+"/"+itoa(i), found)
		}
	case object:
		switch f.kind {
		case reflect.Struct:
			return f.judgeObject(v, at, found)
		case reflect.Map:
			for _, name := range sortedKeys(v) {
				here := at + "/" + escaped(name)
				if f.key != nil && !f.key(name) {
					found = append(found, problem{here, "its name is not " + f.keys})
				}
				found = f.elem.judge(v[name], here, found)
			}
		default:
			return say(f.expects())
		}
	}
	return found
}

func (f *form) judgeObject(o object, at string, found []problem) []problem {
	for _, name := range sortedKeys(o) {
		here := at + "/" + escaped(name)
		if member, known := f.members[name]; known {
			found = member.judge(o[name], here, found)
		} else if right := f.folded[strings.ToLower(name)]; right != "" {
			found = append(found, problem{here, "the member is called " + right})
		}
	}
	for _, name := range f.needs {
		if o[name] == nil || o[name] == "" {
			found = append(found, problem{at + "/" + name, "is required"})
		}
	}
	if f.also != nil {
		found = f.also(o, at, found)
	}
	return found
}

// expects returns what is wrong with a value of another type.
func (f *form) expects() string {
	switch f.kind {
	case reflect.String:
		return "is not a string"
	case reflect.Bool:
		return "is neither true nor false"
	case reflect.Int:
		return "is not a whole number"
	case reflect.Float64:
		return "is not a number"
	case reflect.Slice:
		return "is not a list"
	}
	return "is not an object"
}

func sortedKeys(o object) []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// escaped returns a name in the form of a JSON pointer (RFC 6901).
func escaped(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// judgeBody checks the body of a call against the pages of docs/api, and returns it
// decoded. A body that is no JSON of the right kind is left to the operation.
func (f *forms) judgeBody(operation string, body []byte) (any, error) {
	form := f.of(operation)
	if form == nil {
		return nil, nil
	}
	v, unread := decode(body)
	if unread != nil {
		return nil, nil //nolint:nilerr // the operation refuses what cannot be read, in its own words
	}
	if _, isList := v.([]any); isList != (form.kind == reflect.Slice) {
		return v, nil
	}
	if _, isObject := v.(object); !isObject && form.kind == reflect.Struct {
		return v, nil
	}
	return v, refuseProblems(form.judge(v, "", nil))
}

// judgeData does the same for collected data that replaces what is stored. What
// was wrong with that before is accepted again, also at another place of its list:
// it may have come from the portal, and a caller sends back what it read.
func (w *world) judgeData(now, before json.RawMessage) error {
	if w.switches().Lenient {
		return nil
	}
	f := w.forms.of(collectedData)
	o, unread := decodeObject(now)
	if unread != nil {
		return nil //nolint:nilerr // the operation refuses what cannot be read, in its own words
	}
	found := f.judge(o, "", nil)
	if len(found) == 0 {
		return nil
	}
	if old, err := decodeObject(before); err == nil {
		was := map[string]bool{}
		for _, p := range f.judge(old, "", nil) {
			stays, moves := p.traces(old)
			was[stays], was[moves] = true, true
		}
		found = slices.DeleteFunc(found, func(p problem) bool {
			stays, moves := p.traces(o)
			return was[stays] || was[moves]
		})
	}
	return refuseProblems(found)
}

// traces are what a problem of a document is known by in another one: with its value
// at the same place, and at any place of the lists it is in. Of a member that is
// missing the object counts that may have moved.
func (p problem) traces(document object) (stays, moves string) {
	value := at(document, p.pointer)
	stays = p.pointer + ": " + p.text + " " + string(encode(value))
	names := strings.Split(p.pointer, "/")
	if value == nil {
		value = at(document, strings.Join(names[:len(names)-1], "/"))
	}
	for i, name := range names {
		if strings.Trim(name, "0123456789") == "" && name != "" {
			names[i] = "*"
		}
	}
	return stays, strings.Join(names, "/") + ": " + p.text + " " + string(encode(value))
}

func at(v any, pointer string) any {
	for _, name := range strings.Split(pointer, "/")[1:] {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch parent := v.(type) {
		case object:
			v = parent[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(parent) {
				return nil
			}
			v = parent[i]
		default:
			return nil
		}
	}
	return v
}
