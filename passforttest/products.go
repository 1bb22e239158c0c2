package passforttest

import (
	"net/http"
	"time"
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
	Checks      []string `json:"checks,omitempty"` // check types run without anyone asking
	// PassOn lists the decisions that complete the task. Nil is PASS alone.
	PassOn []string `json:"pass_on,omitempty"`
	// FailOn lists the decisions that complete the task as failed. Nil is none:
	// the task waits for a person.
	FailOn []string `json:"fail_on,omitempty"`
	// ExpiresAfter lets a completed task expire. Zero is never.
	ExpiresAfter time.Duration `json:"expires_after,omitempty"`
}

// AddProduct configures one more product, or replaces the one with the same
// alias for applications still to come.
func (s *Server) AddProduct(p Product) {
	s.enter()
	defer s.leave()
	s.addProduct(p)
}

func (s *Server) addProduct(p Product) *Product {
	if p.ID == "" {
		p.ID = s.nameID("product", p.Alias)
	}
	if p.Name == "" {
		p.Name = title(p.Alias)
	}
	if old := find(s.state.Products, func(o *Product) bool { return o.Alias == p.Alias }); old != nil {
		*old = p
		s.changes.products = append(s.changes.products, old)
		return old
	}
	s.state.Products = append(s.state.Products, &p)
	s.changes.products = append(s.changes.products, &p)
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

func (s *Server) productByID(id string) *Product {
	return find(s.state.Products, func(p *Product) bool { return p.ID == id })
}

// wantedProduct reads one application request: {product: {alias or id},
// associated_role}.
func (s *Server) wantedProduct(o object, entity string) (wanted, error) {
	ref := child(o, "product")
	if ref == nil {
		return wanted{}, missing("product")
	}
	alias, id := text(ref, "alias"), text(ref, "id")
	var p *Product
	switch {
	case id != "":
		if p = s.productByID(id); p == nil {
			return wanted{}, invalid("unknown product")
		}
	case alias != "":
		if p = find(s.state.Products, func(p *Product) bool { return p.Alias == alias }); p == nil {
			p = s.addProduct(Product{Alias: alias})
		}
	default:
		return wanted{}, missing("product.alias")
	}
	if p.Deleted || !p.fits(entity) {
		return wanted{}, refuse(http.StatusBadRequest, CodeConstraintsNotSatisfied, "the product is not open to this profile")
	}
	return wanted{p, text(o, "associated_role")}, nil
}
