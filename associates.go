package passfort

// AssociatedEntity is a person or company related to a company (sheet 3.3). It comes in two forms
// of 2019, with the data inline (ImmediateData) or in a profile of its own (LinkedProfile), and in
// a newer one with AssociateID and Relationships. Which of the other fields apply depends on the
// list it is in.
type AssociatedEntity struct {
	EntityType EntityType `json:"entity_type"`
	// ImmediateData holds the associate's data inline.
	ImmediateData *EntityData `json:"immediate_data"`
	// ProviderName is where ImmediateData comes from.
	ProviderName string `json:"provider_name"`
	// LinkedProfile is the associate's own profile. Write only its ID; what is read is a subset of
	// the profile (sheet 3.3).
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
	// Kind is company, person, secure-person, ...
	Kind string `json:"kind"`
	// TaskVariantIDs are the task variants the associate is to be verified for.
	TaskVariantIDs []string `json:"task_variant_ids"`
	// UnverifiedTaskVariantIDs is newer than 2019.
	UnverifiedTaskVariantIDs []string `json:"unverified_task_variant_ids"`
	// AssociateID and Relationships belong to the newer form, seen on the data provider side.
	AssociateID   string                  `json:"associate_id"`
	Relationships []AssociateRelationship `json:"relationships"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// AssociatedRole is what an associate is to a company (sheet 2.7, 3.1).
type AssociatedRole string

// Values of AssociatedRole. Others may appear at any time (sheet 1.11).
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

// Known reports whether this version of the package has a constant for the value.
func (a AssociatedRole) Known() bool {
	switch a {
	case AssociatedRoleAuthorizedPerson,
		AssociatedRoleUnauthorizedPerson,
		AssociatedRoleDirector,
		AssociatedRoleCompanySecretary,
		AssociatedRoleShareholder,
		AssociatedRolePartner,
		AssociatedRoleTrustee,
		AssociatedRoleBeneficialOwner,
		AssociatedRoleResignedOfficer,
		AssociatedRoleOther,
		AssociatedRoleGlobalUltimateOwner,
		AssociatedRoleControllingShareholder,
		AssociatedRolePersonOfSignificantControl:
		return true
	}
	return false
}

// Shareholding is a number of shares of one class.
type Shareholding struct {
	ProviderName string   `json:"provider_name"`
	ShareClass   string   `json:"share_class"`
	Amount       *int     `json:"amount"`
	Percentage   *float64 `json:"percentage"`
	// Currency is an ISO 4217 code.
	Currency string `json:"currency"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// AssociateRelationship is one relation of an associate to the company, in the newer form (sheet
// 3.3, data provider side).
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

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// TenureType says whether a relationship still holds.
type TenureType string

// Values of TenureType. Others may appear at any time (sheet 1.11).
const (
	TenureTypeCurrent TenureType = "CURRENT"
	TenureTypeFormer  TenureType = "FORMER"
)

// Known reports whether this version of the package has a constant for the value.
func (t TenureType) Known() bool {
	switch t {
	case TenureTypeCurrent,
		TenureTypeFormer:
		return true
	}
	return false
}

// Tenure is the time for which a relationship held.
type Tenure struct {
	TenureType TenureType `json:"tenure_type"`
	Start      string     `json:"start"`
	End        string     `json:"end"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
