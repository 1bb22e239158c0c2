package passforttest

import (
	"slices"
	"time"

	"github.com/passfort-go/passfort"
)

// Product is something a profile can apply for.
type Product struct {
	ID          string `json:"id,omitempty"` // made from the alias if empty
	Alias       string `json:"alias"`
	Name        string `json:"name,omitempty"`
	AutoApply   bool   `json:"auto_apply,omitempty"`   // every new profile that names no product applies
	AutoApprove bool   `json:"auto_approve,omitempty"` // approved as soon as nothing blocks it
	Deleted     bool   `json:"deleted,omitempty"`
	// AutoReject rejects an application that is APPLIED as soon as a task it
	// requires has failed.
	AutoReject bool `json:"auto_reject,omitempty"`
	// ExpiresAfter lets an approval expire: the application goes IN_REVIEW. Zero
	// is never. NearingExpiry is how long before that the flag says so.
	ExpiresAfter  time.Duration `json:"expires_after,omitempty"`
	NearingExpiry time.Duration `json:"nearing_expiry,omitempty"`
	// Risk makes applications need a risk score.
	Risk *RiskModel `json:"risk,omitempty"`
	// EscalateTo names the teams that have to approve an application once all its
	// tasks have passed: see [Server.DecideEscalation].
	EscalateTo []string `json:"escalate_to,omitempty"`
	// ReasonToReject makes the API refuse a rejection, as an account may where
	// decision reasons are configured: their form on the wire is not known.
	ReasonToReject bool `json:"reason_to_reject,omitempty"`
	// EntityType is INDIVIDUAL or COMPANY, or empty for both.
	EntityType string `json:"entity_type,omitempty"`
	// Tasks are the tasks an application requires. Nil is one task, to verify the
	// identity; an empty list is none.
	Tasks []ProductTask `json:"tasks"`
}

// ProductTask is a task a product requires, and the checks that the smart
// policy runs on it.
type ProductTask struct {
	Type        string   `json:"type"`              // a TaskType, such as INDIVIDUAL_VERIFY_IDENTITY
	Variant     string   `json:"variant,omitempty"` // alias of the task variant; "default" if empty
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Checks      []string `json:"checks,omitempty"` // check types that run automatically
	// Accept lists the check types whose decision counts for the task. Nil is
	// all. Of several checks the latest counts.
	Accept []string `json:"accept,omitzero"`
	// PassOn lists the decisions that complete the task. Nil is PASS alone.
	PassOn []string `json:"pass_on,omitzero"`
	// FailOn lists the decisions that complete the task as failed. Nil is none:
	// the task waits for a person.
	FailOn []string `json:"fail_on,omitempty"`
	// ExpiresAfter lets a task expire that long after it was passed. Zero is
	// never. ExpiresByRisk has other times for levels of risk, such as HIGH. Where
	// several applications require the task, the shortest counts.
	ExpiresAfter  time.Duration            `json:"expires_after,omitempty"`
	ExpiresByRisk map[string]time.Duration `json:"expires_by_risk,omitempty"`
	// Notice is how long before that the next version of the task appears. Zero is
	// 30 days, less than zero none. If it is not shorter than the whole time, the
	// next version appears when the old one expires.
	Notice time.Duration `json:"notice,omitempty"`
}

// AddProduct configures one more product, or replaces the one with the same
// alias for applications still to come.
func (s *Server) AddProduct(p Product) {
	p.check()
	w := s.world.enter()
	defer w.leave()
	w.addProduct(p)
}

// check panics at a word that the API does not know.
func (p Product) check() {
	if p.EntityType != "" {
		mustBe("entity type", p.EntityType, []string{"INDIVIDUAL", "COMPANY"})
	}
	for _, t := range p.Tasks {
		if !passfort.TaskType(t.Type).Known() {
			mustBe("task type", t.Type, nil)
		}
		for _, checkType := range slices.Concat(t.Checks, t.Accept) {
			mustBeCheckType(checkType)
		}
		for _, decision := range slices.Concat(t.PassOn, t.FailOn) {
			mustBe("decision", decision, checkDecisions())
		}
	}
}

func (w *world) addProduct(p Product) *Product {
	if p.ID == "" {
		p.ID = nameID("product", p.Alias)
	}
	if p.Name == "" {
		p.Name = title(p.Alias)
	}
	if old := find(w.state.Products, func(o *Product) bool { return o.Alias == p.Alias }); old != nil {
		*old = p
		w.changes.products = append(w.changes.products, old)
		return old
	}
	w.state.Products = append(w.state.Products, &p)
	w.changes.products = append(w.changes.products, &p)
	return &p
}

func (p *Product) fits(entity string) bool { return p.EntityType == "" || p.EntityType == entity }

// tasksFor returns what the product requires of an entity of that type.
func (p *Product) tasksFor(entity string) []ProductTask {
	if p.Tasks == nil {
		return []ProductTask{{Type: entity + "_VERIFY_IDENTITY"}}
	}
	var out []ProductTask
	for _, t := range p.Tasks {
		if taskEntity(t.Type) == entity {
			out = append(out, t)
		}
	}
	return out
}

func (p *Product) wire() object {
	return object{
		"id": p.ID, "name": p.Name, "alias": p.Alias, "automatically_apply": p.AutoApply,
		"automatically_approve": p.AutoApprove, "is_deleted": p.Deleted,
	}
}

func (p *Product) short() object { return object{"id": p.ID, "name": p.Name, "alias": p.Alias} }

func (w *world) productByID(id string) *Product {
	return find(w.state.Products, func(p *Product) bool { return p.ID == id })
}

// wantedProduct reads one application request: {product: {alias or id},
// associated_role}.
func (w *world) wantedProduct(o object, entity string) (wanted, error) {
	ref := child(o, "product")
	if ref == nil {
		return wanted{}, missing("product")
	}
	alias, id := text(ref, "alias"), text(ref, "id")
	var p *Product
	switch {
	case id != "":
		if p = w.productByID(id); p == nil {
			return wanted{}, invalid("unknown product")
		}
	case alias != "":
		if p = find(w.state.Products, func(p *Product) bool { return p.Alias == alias }); p == nil {
			p = w.addProduct(Product{Alias: alias})
		}
	default:
		return wanted{}, missing("product.alias")
	}
	if p.Deleted || !p.fits(entity) {
		return wanted{}, refuse(wrong, CodeConstraintsNotSatisfied,
			"the product is not open to this profile")
	}
	return wanted{p, text(o, "associated_role")}, nil
}

// RiskModel makes a product need a risk score. What the real models compute
// from is an account's configuration; here a score is given, by Default or by
// SetRiskScore. Higher is riskier.
type RiskModel struct {
	// LowMedium and MediumHigh are the scores at which MEDIUM and HIGH begin.
	// Both zero are 35 and 70.
	LowMedium  float64 `json:"low_medium,omitempty"`
	MediumHigh float64 `json:"medium_high,omitempty"`
	// Default is the score the smart policy gives a new application. Nil leaves
	// it undetermined until SetRiskScore: the flag is REQUIRES_RISK_SCORE.
	Default *float64 `json:"default,omitempty"`
	// RejectHigh rejects an application that is APPLIED when its risk is HIGH.
	RejectHigh bool `json:"reject_high,omitempty"`
}

func (m *RiskModel) thresholds() (lowMedium, mediumHigh float64) {
	if m == nil || m.LowMedium == 0 && m.MediumHigh == 0 {
		return 35, 70
	}
	return m.LowMedium, m.MediumHigh
}

func (m *RiskModel) level(score *float64) string {
	if score == nil {
		return "UNDETERMINED"
	}
	lowMedium, mediumHigh := m.thresholds()
	switch {
	case *score >= mediumHigh:
		return "HIGH"
	case *score >= lowMedium:
		return "MEDIUM"
	}
	return "LOW"
}

// SetRiskScore gives a profile a risk score, as the risk model would. In newer accounts risk
// belongs to applications: those whose product has a RiskModel get the score and have webhooks of
// their own. A profile without any has the older, profile-wide risk
// (docs/api/audit-and-risk.md#risk-of-a-profile).
func (s *Server) SetRiskScore(profileID string, score float64) error {
	w := s.world.enter()
	defer w.leave()
	p, err := w.profileByID(profileID)
	if err != nil {
		return err
	}
	modelled := false
	for _, a := range p.Applications {
		if a.Hidden || w.product(a).Risk == nil {
			continue
		}
		modelled = true
		w.score(p, a, score)
	}
	old := p.Risk
	p.Risk = &score
	if !modelled {
		w.riskChanged(p, nil, old, &score)
		w.shortenExpiry(p)
	}
	w.review(p)
	return nil
}

func (w *world) score(p *profile, a *application, score float64) {
	old := a.Risk
	a.Risk, a.RiskDate = &score, w.tick
	p.Modified = w.tick
	w.riskChanged(p, a, old, &score)
	w.shortenExpiry(p)
}

// riskChanged sends the webhooks of a new score. Their payloads are not
// documented: these are guesses after the ones that are.
func (w *world) riskChanged(p *profile, a *application, old, now *float64) {
	if old != nil && *old == *now {
		return
	}
	var m *RiskModel
	about := func() object { return object{} }
	if a != nil {
		m = w.product(a).Risk
		about = func() object { return object{"application_id": a.ID, "product": w.product(a).short()} }
	}
	data := about()
	data["old_score"], data["new_score"] = nil, *now
	if old != nil {
		data["old_score"] = *old
	}
	w.emit(p, actor{}, "RISK_SCORE_CHANGED", data)
	if was, is := m.level(old), m.level(now); was != is {
		data := about()
		data["old_level"], data["new_level"] = was, is
		w.emit(p, actor{}, "RISK_LEVEL_CHANGED", data)
	}
}

// riskWire returns the risk of an application.
func (w *world) riskWire(a *application) object {
	m := w.product(a).Risk
	lowMedium, mediumHigh := m.thresholds()
	o := object{
		"risk_model": object{"id": nameID("risk model", a.Product), "version": dateTime(time.Unix(0, 0))},
		"is_pending": a.Automating, "thresholds": object{"low_medium": lowMedium, "medium_high": mediumHigh},
		"overall": object{"score": nil, "level": m.level(a.Risk)},
	}
	if a.Risk != nil {
		o["overall"] = object{"score": *a.Risk, "level": m.level(a.Risk)}
	}
	return o
}

// overallRisk returns the older risk of a whole profile, {} while there is none.
func (p *profile) overallRisk() object {
	if p.Risk == nil {
		return object{}
	}
	var m *RiskModel
	return object{
		"overall_risk": object{"score": *p.Risk, "category": m.level(p.Risk)},
		"components":   []any{}, "missing_required_components": []any{}, "is_pending": false,
	}
}
