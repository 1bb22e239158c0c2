package passfort

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// AssociatedEntity is a person or company related to a company (docs/api/companies.md#associates).
// It comes in two forms of 2019, with the data inline (ImmediateData) or in a profile of its own
// (LinkedProfile), and in a newer one with AssociateID and Relationships. Which of the other fields
// apply depends on the list it is in.
type AssociatedEntity struct {
	EntityType EntityType `json:"entity_type"`
	// ImmediateData holds the associate's data inline.
	ImmediateData *EntityData `json:"immediate_data"`
	// ProviderName is where ImmediateData comes from.
	ProviderName string `json:"provider_name"`
	// LinkedProfile is the associate's own profile. Write only its ID; what is read is a subset of
	// the profile (docs/api/companies.md#associates).
	LinkedProfile *Profile `json:"linked_profile"`
	// MergedResolverIDs are ResolverIDs that were merged into this associate.
	MergedResolverIDs []string `json:"merged_resolver_ids"`
	// ResolverID identifies the associate within the company.
	ResolverID string `json:"resolver_id"`
	// Relationship is given for authorised persons.
	Relationship string `json:"relationship"`
	// AppointedOn and ResignedOn (YYYY-MM-DD) are given for officers.
	AppointedOn string `json:"appointed_on"`
	ResignedOn  string `json:"resigned_on"`
	// OriginalRole is an officer's role in the provider's words.
	OriginalRole string `json:"original_role"`
	// TotalPercentage (0 to 100) is given for shareholders and owners.
	TotalPercentage *float64       `json:"total_percentage"`
	Shareholdings   []Shareholding `json:"shareholdings"`
	// NotifiedOn and CeasedOn (YYYY-MM-DD) are given for persons of significant control.
	NotifiedOn       string   `json:"notified_on"`
	CeasedOn         string   `json:"ceased_on"`
	NaturesOfControl []string `json:"natures_of_control"`
	// Kind is company, person, secure-person,...
	Kind string `json:"kind"`
	// TaskVariantIDs are the task variants the associate is to be verified for.
	TaskVariantIDs []string `json:"task_variant_ids"`
	// UnverifiedTaskVariantIDs is newer than 2019.
	UnverifiedTaskVariantIDs []string `json:"unverified_task_variant_ids"`
	// AssociateID and Relationships belong to the newer form, seen on the data provider side.
	AssociateID   string                  `json:"associate_id"`
	Relationships []AssociateRelationship `json:"relationships"`

	Unknown Unknown `json:"-"`
}

// AssociatedRole is what an associate is to a company (docs/api/applications.md#apply,
// docs/api/profiles.md#roles-and-states).
type AssociatedRole string

// Values of AssociatedRole. Others may appear at any time.
const (
	AssociatedRoleAuthorizedPerson   AssociatedRole = "AUTHORIZED_PERSON"
	AssociatedRoleUnauthorizedPerson AssociatedRole = "UNAUTHORIZED_PERSON"
	AssociatedRoleDirector           AssociatedRole = "DIRECTOR"
	AssociatedRoleCompanySecretary   AssociatedRole = "COMPANY_SECRETARY"
	AssociatedRoleShareholder        AssociatedRole = "SHAREHOLDER"
	AssociatedRolePartner            AssociatedRole = "PARTNER"
	AssociatedRoleTrustee            AssociatedRole = "TRUSTEE"
	AssociatedRoleBeneficialOwner    AssociatedRole = "BENEFICIAL_OWNER"
	AssociatedRoleResignedOfficer    AssociatedRole = "RESIGNED_OFFICER"
	AssociatedRoleOther              AssociatedRole = "OTHER"
	// AssociatedRoleGlobalUltimateOwner and the two roles below were seen on the data provider
	// side.
	AssociatedRoleGlobalUltimateOwner        AssociatedRole = "GLOBAL_ULTIMATE_OWNER"
	AssociatedRoleControllingShareholder     AssociatedRole = "CONTROLLING_SHAREHOLDER"
	AssociatedRolePersonOfSignificantControl AssociatedRole = "PERSON_OF_SIGNIFICANT_CONTROL"
)

// Shareholding is a number of shares of one class.
type Shareholding struct {
	ProviderName string   `json:"provider_name"`
	ShareClass   string   `json:"share_class"`
	Amount       *int     `json:"amount"`
	Percentage   *float64 `json:"percentage"`
	// Currency is an ISO 4217 code.
	Currency string `json:"currency"`

	Unknown Unknown `json:"-"`
}

// AssociateRelationship is one relation of an associate to the company, in the newer form
// (docs/api/companies.md#associates, data provider side).
type AssociateRelationship struct {
	AssociatedRole AssociatedRole `json:"associated_role"`
	Tenure         *Tenure        `json:"tenure"`
	OriginalRole   string         `json:"original_role"`
	// TotalPercentage is the direct share, 0 to 100.
	TotalPercentage *float64       `json:"total_percentage"`
	Shareholdings   []Shareholding `json:"shareholdings"`
	// Distance is the number of steps between associate and company.
	Distance             *float64 `json:"distance"`
	CalculatedPercentage *float64 `json:"calculated_percentage"`

	Unknown Unknown `json:"-"`
}

// TenureType says whether a relationship still holds.
type TenureType string

// Values of TenureType. Others may appear at any time.
const (
	TenureTypeCurrent TenureType = "CURRENT"
	TenureTypeFormer  TenureType = "FORMER"
)

// Tenure is the time for which a relationship held.
type Tenure struct {
	TenureType TenureType `json:"tenure_type"`
	Start      string     `json:"start"`
	End        string     `json:"end"`

	Unknown Unknown `json:"-"`
}

// Associate is one person or company that a company's data names as related to it, in whichever
// generation the data has it (docs/api/companies.md#associates). A person in two lists, such
// as a director who owns shares, is two of them: see Same.
type Associate struct {
	// Entity is the element of the data itself. Change it to change the data,
	// for example in the change function of CollectedData.Update. It is valid
	// until an element is added to or removed from its list.
	Entity *AssociatedEntity
	// Relationships say what the associate is to the company. In the generation
	// of 2019 there is one, which follows from the list the associate is in and
	// from its dates and shares. It is a copy: change Entity instead.
	Relationships []AssociateRelationship
}

// Associates yields every associate named in the data of a company: authorised and
// formerly authorised persons, officers, shareholders and beneficial owners,
// and then the associated_entities of the newer generation. People that only a
// screening names are not among them.
func (v *EntityData) Associates() iter.Seq[Associate] {
	return func(yield func(Associate) bool) {
		for _, l := range v.associateLists() {
			for i := range *l.list {
				entity := &(*l.list)[i]
				as := append([]AssociateRelationship{entity.relationAs(l.role)}, entity.Relationships...)
				if !yield(Associate{Entity: entity, Relationships: as}) {
					return
				}
			}
		}
		for i := range v.AssociatedEntities {
			entity := &v.AssociatedEntities[i]
			if !yield(Associate{Entity: entity, Relationships: slices.Clone(entity.Relationships)}) {
				return
			}
		}
	}
}

// associateList is a list of the 2019 generation and what being in it means.
type associateList struct {
	role   AssociatedRole
	list   *[]AssociatedEntity
	attach func() // puts what holds the list into the data
}

// associateLists returns the lists of the 2019 generation. Where the data has
// no officers or owners, their lists are empty and belong to nothing until
// attach is called.
func (v *EntityData) associateLists() []associateList {
	officers, owners := v.Officers, v.OwnershipStructure
	if officers == nil {
		officers = new(Officers)
	}
	if owners == nil {
		owners = new(OwnershipStructure)
	}
	attached := func() {}
	asOfficers := func() { v.Officers = officers }
	asOwners := func() { v.OwnershipStructure = owners }
	return []associateList{
		{AssociatedRoleAuthorizedPerson, &v.AuthorizedPersons, attached},
		{AssociatedRoleUnauthorizedPerson, &v.UnauthorizedPersons, attached},
		{AssociatedRoleDirector, &officers.Directors, asOfficers},
		{AssociatedRoleCompanySecretary, &officers.Secretaries, asOfficers},
		{AssociatedRolePartner, &officers.Partners, asOfficers},
		{AssociatedRoleTrustee, &officers.Trustees, asOfficers},
		{AssociatedRoleOther, &officers.Other, asOfficers},
		{AssociatedRoleResignedOfficer, &officers.Resigned, asOfficers},
		{AssociatedRoleShareholder, &owners.Shareholders, asOwners},
		{AssociatedRoleBeneficialOwner, &owners.BeneficialOwners, asOwners},
	}
}

// relationAs returns what the list of the role says of the entity, in the
// newer form.
func (v *AssociatedEntity) relationAs(role AssociatedRole) AssociateRelationship {
	tenure := &Tenure{TenureType: TenureTypeCurrent}
	tenure.Start = cmp.Or(v.AppointedOn, v.NotifiedOn)
	tenure.End = cmp.Or(v.ResignedOn, v.CeasedOn)
	if tenure.End != "" || role == AssociatedRoleResignedOfficer || role == AssociatedRoleUnauthorizedPerson {
		tenure.TenureType = TenureTypeFormer
	}
	return AssociateRelationship{
		AssociatedRole:  role,
		Tenure:          tenure,
		OriginalRole:    v.OriginalRole,
		TotalPercentage: v.TotalPercentage,
		Shareholdings:   v.Shareholdings,
	}
}

// Roles returns the roles of the relationships, each once.
func (a Associate) Roles() []AssociatedRole {
	var roles []AssociatedRole
	seen := map[AssociatedRole]bool{"": true}
	for _, r := range a.Relationships {
		if !seen[r.AssociatedRole] {
			seen[r.AssociatedRole] = true
			roles = append(roles, r.AssociatedRole)
		}
	}
	return roles
}

// Has reports whether the associate has the role, now or formerly.
func (a Associate) Has(role AssociatedRole) bool {
	return role != "" && slices.ContainsFunc(a.Relationships, func(r AssociateRelationship) bool {
		return r.AssociatedRole == role
	})
}

// Current reports whether any relationship holds: one that does not say that it
// has ended.
func (a Associate) Current() bool {
	return len(a.Relationships) == 0 || slices.ContainsFunc(a.Relationships, func(r AssociateRelationship) bool {
		return r.Tenure == nil || r.Tenure.TenureType != TenureTypeFormer
	})
}

// Percentage returns the largest direct share of the relationships, 0 to 100,
// and whether one is known. Where no total is given, it is the sum of the
// shareholdings that tell a percentage.
func (a Associate) Percentage() (float64, bool) {
	var largest float64
	known := false
	for _, r := range a.Relationships {
		share, ok := r.share()
		if ok && (!known || share > largest) {
			largest, known = share, true
		}
	}
	return largest, known
}

func (v *AssociateRelationship) share() (share float64, ok bool) {
	if v.TotalPercentage != nil {
		return *v.TotalPercentage, true
	}
	for _, s := range v.Shareholdings {
		if s.Percentage != nil {
			share, ok = share+*s.Percentage, true
		}
	}
	return share, ok
}

// ProfileID returns the id of the associate's own profile, "" if it has none.
func (a Associate) ProfileID() string {
	if a.Entity.LinkedProfile == nil {
		return ""
	}
	return a.Entity.LinkedProfile.ID
}

// Data returns what is known about the associate: the inline data, or what was
// read of the collected data of the linked profile. It is nil if there is
// neither, as with a link that was just made. Change the data of a linked
// profile in that profile, not here.
func (a Associate) Data() *EntityData {
	switch {
	case a.Entity.ImmediateData != nil:
		return a.Entity.ImmediateData
	case a.Entity.LinkedProfile != nil:
		return a.Entity.LinkedProfile.CollectedData
	}
	return nil
}

// Same reports whether both are known to be the same person or company: by the
// linked profile, by the resolver id or one that was merged into it, or by the
// associate id. Names are not compared.
func (a Associate) Same(b Associate) bool {
	x, y := a.Entity, b.Entity
	if x == y || sameID(a.ProfileID(), b.ProfileID()) || sameID(x.AssociateID, y.AssociateID) {
		return true
	}
	has := setOf(y.resolverIDs(), folded)
	return slices.ContainsFunc(x.resolverIDs(), func(id string) bool { return has[folded(id)] })
}

func (v *AssociatedEntity) resolverIDs() []string {
	all := append(slices.Clone(v.MergedResolverIDs), v.ResolverID)
	return slices.DeleteFunc(all, func(id string) bool { return id == "" })
}

// sameID compares two UUIDs, whose case means nothing (docs/api/basics.md#values).
func sameID(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// folded is a form of an id that sameID takes for the same.
func folded(id string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, id)
}

// AssociateLink says which profile is to be linked to a company, and as what.
type AssociateLink struct {
	// ProfileID is the associate's profile, made with an associated role.
	ProfileID string
	// EntityType is what the associate is.
	EntityType EntityType
	// Role decides the list that the associate is put in.
	Role AssociatedRole
	// TaskVariantIDs are the task variants of the company that the associate is
	// to be verified for.
	TaskVariantIDs []string
}

// LinkAssociate links the profile of an associate to the company that the data belongs to, and
// returns the element for details such as AppointedOn or TotalPercentage to be set. Passfort then
// adds the matching product application to the associate's profile
// (docs/api/companies.md#link-an-associate).
//
// It is made for the change function of CollectedData.Update: an associate that
// is linked already in that role is not linked again, and only lacks the task
// variants it does not have yet; if nothing is left to do, nothing changes. The
// list is that of the 2019 generation, the only one whose links are described.
// A role without a list in it is an ErrInvalidInput, like missing fields and
// the data of a person.
func (v *EntityData) LinkAssociate(link AssociateLink) (*AssociatedEntity, error) {
	if v.EntityType == EntityTypeIndividual {
		return nil, inputError("only a company has associates")
	}
	entity, problem := v.linked(link)
	if problem != "" {
		return nil, inputError(problem)
	}
	has := setOf(entity.TaskVariantIDs, folded)
	for _, id := range link.TaskVariantIDs {
		if !has[folded(id)] || id == "" { // an empty id is none, and like no other
			has[folded(id)] = true
			entity.TaskVariantIDs = append(entity.TaskVariantIDs, id)
		}
	}
	return entity, nil
}

// linked returns the element for the link: the existing one, or a new one.
func (v *EntityData) linked(link AssociateLink) (entity *AssociatedEntity, problem string) {
	switch {
	case link.ProfileID == "":
		return nil, "the id of the associate's profile is empty"
	case link.EntityType == "":
		return nil, "the entity type of the associate is empty"
	}
	if entity := v.associateOf(link); entity != nil {
		return entity, ""
	}
	for _, l := range v.associateLists() {
		if l.role != link.Role {
			continue
		}
		l.attach()
		*l.list = append(*l.list, AssociatedEntity{
			EntityType: link.EntityType, LinkedProfile: &Profile{ID: link.ProfileID},
		})
		return &(*l.list)[len(*l.list)-1], ""
	}
	return nil, "collected data has no list for the role of the associate"
}

// associateOf returns the associate that is linked in the role already, nil if there
// is none. It looks at the profile first, as that of almost every one is another.
func (v *EntityData) associateOf(link AssociateLink) *AssociatedEntity {
	linked := func(list []AssociatedEntity, inRole bool) *AssociatedEntity {
		for i := range list {
			p, as := list[i].LinkedProfile, Associate{Relationships: list[i].Relationships}
			if p != nil && sameID(p.ID, link.ProfileID) && (inRole || as.Has(link.Role)) {
				return &list[i]
			}
		}
		return nil
	}
	for _, l := range v.associateLists() {
		if entity := linked(*l.list, l.role == link.Role); entity != nil {
			return entity
		}
	}
	return linked(v.AssociatedEntities, false)
}

// OwnershipStructure holds who owns a company.
type OwnershipStructure struct {
	Shareholders []AssociatedEntity `json:"shareholders"`
	ShareClasses []ShareClass       `json:"share_classes"`
	// BeneficialOwners own more than 25 % or control the company otherwise.
	BeneficialOwners []AssociatedEntity `json:"beneficial_owners"`

	Unknown Unknown `json:"-"`
}

// ShareClass is a kind of share a company has issued.
type ShareClass struct {
	Name string `json:"name"`
	// Currency is an ISO 4217 code.
	Currency string   `json:"currency"`
	Value    *float64 `json:"value"`
	Votes    *float64 `json:"votes"`

	Unknown Unknown `json:"-"`
}

// Officers holds a company's officers by function.
type Officers struct {
	Directors   []AssociatedEntity `json:"directors"`
	Secretaries []AssociatedEntity `json:"secretaries"`
	Partners    []AssociatedEntity `json:"partners"`
	Resigned    []AssociatedEntity `json:"resigned"`
	Trustees    []AssociatedEntity `json:"trustees"`
	Other       []AssociatedEntity `json:"other"`

	Unknown Unknown `json:"-"`
}

func (p *problems) associates(v *EntityData) {
	entities := func(pointer string, list []AssociatedEntity) {
		for i := range list {
			p.in(pointer+"/"+strconv.Itoa(i), func() { p.associate(&list[i]) })
		}
	}
	entities("/authorized_persons", v.AuthorizedPersons)
	entities("/unauthorized_persons", v.UnauthorizedPersons)
	if o := v.Officers; o != nil {
		entities("/officers/directors", o.Directors)
		entities("/officers/secretaries", o.Secretaries)
		entities("/officers/partners", o.Partners)
		entities("/officers/resigned", o.Resigned)
		entities("/officers/trustees", o.Trustees)
		entities("/officers/other", o.Other)
	}
	if o := v.OwnershipStructure; o != nil {
		entities("/ownership_structure/shareholders", o.Shareholders)
		entities("/ownership_structure/beneficial_owners", o.BeneficialOwners)
	}
	entities("/associated_entities", v.AssociatedEntities)
}

func (p *problems) associate(e *AssociatedEntity) {
	p.date("/appointed_on", e.AppointedOn)
	p.date("/resigned_on", e.ResignedOn)
	p.date("/notified_on", e.NotifiedOn)
	p.date("/ceased_on", e.CeasedOn)
	if share := e.TotalPercentage; share != nil && (*share < 0 || *share > 100) {
		p.add("/total_percentage", "is not between 0 and 100")
	}
	if e.ImmediateData != nil {
		p.in("/immediate_data", func() { p.entity(e.ImmediateData) })
	}
}
