package passfort

import "encoding/json"

// ProfileStatus is the standing of a profile. On the wire it is a bare JSON string (sheet 2.16).
type ProfileStatus string

// Values of ProfileStatus. Others may appear at any time (sheet 1.11).
const (
	ProfileStatusNormal    ProfileStatus = "NORMAL"
	ProfileStatusSuspended ProfileStatus = "SUSPENDED"
	ProfileStatusBanned    ProfileStatus = "BANNED"
)

// Known reports whether this version of the package has a constant for the value.
func (p ProfileStatus) Known() bool {
	switch p {
	case ProfileStatusNormal,
		ProfileStatusSuspended,
		ProfileStatusBanned:
		return true
	}
	return false
}

// ProfileCategory says how far a profile has come (sheet 3.1). Profiles can be listed by it.
type ProfileCategory string

// Values of ProfileCategory. Others may appear at any time (sheet 1.11).
const (
	ProfileCategoryCustomer          ProfileCategory = "CUSTOMER"
	ProfileCategoryPreviousCustomer  ProfileCategory = "PREVIOUS_CUSTOMER"
	ProfileCategoryApplicant         ProfileCategory = "APPLICANT"
	ProfileCategoryInactiveApplicant ProfileCategory = "INACTIVE_APPLICANT"
)

// Known reports whether this version of the package has a constant for the value.
func (p ProfileCategory) Known() bool {
	switch p {
	case ProfileCategoryCustomer,
		ProfileCategoryPreviousCustomer,
		ProfileCategoryApplicant,
		ProfileCategoryInactiveApplicant:
		return true
	}
	return false
}

// Profile is everything Passfort holds about one customer or associate (sheet 3.2). The server
// sets all fields but Role, CollectedData and Applications. Lists and linked profiles carry a
// subset, so any field may be absent.
type Profile struct {
	ID string `json:"id"`
	// CreationDate and LastModifiedDate are date-times. See ParseDateTime.
	CreationDate string `json:"creation_date"`
	// LastModifiedDate is newer than 2019.
	LastModifiedDate string `json:"last_modified_date"`
	Role             Role   `json:"role"`
	// CollectedData is what the customer gave you. Change it with CollectedData.Update.
	CollectedData *EntityData `json:"collected_data"`
	// VerifiedData is what checks have confirmed.
	VerifiedData    *EntityData      `json:"verified_data"`
	Checks          []Check          `json:"checks"`
	CollectionSteps []CollectionStep `json:"collection_steps"`
	DisplayName     string           `json:"display_name"`
	Applications    []Application    `json:"applications"`
	TaskTypes       []TaskType       `json:"task_types"`
	Tasks           []Task           `json:"tasks"`
	Events          []Event          `json:"events"`
	Category        ProfileCategory  `json:"category"`
	Status          ProfileStatus    `json:"status"`
	DocumentImages  []DocumentImage  `json:"document_images"`
	Tags            []Tag            `json:"tags"`
	// Risk of the profile. It may be an empty object, and newer accounts have risk per application
	// instead.
	Risk                 *RiskOverview `json:"risk"`
	UnresolvedEventTypes []EventType   `json:"unresolved_event_types"`
	TaskProgress         *TaskProgress `json:"task_progress"`
	HasAssociates        *bool         `json:"has_associates"`
	HasCollectionSteps   *bool         `json:"has_collection_steps"`
	// LinkedTo lists the profiles this one is an associate of.
	LinkedTo []LinkedProfile `json:"linked_to"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// TaskProgress counts the tasks of a profile.
type TaskProgress struct {
	CompletedCount *int `json:"completed_count"`
	TotalCount     *int `json:"total_count"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// LinkedProfile is a profile that another one is linked to, with its roles there. A later
// description has only its ID (sheet 3.2).
type LinkedProfile struct {
	Profile *Profile         `json:"profile"`
	Roles   []AssociatedRole `json:"roles"`
	ID      string           `json:"id"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// ProfilePage is one page of profiles (sheet 2.2).
type ProfilePage struct {
	// Count is the number of matches on all pages.
	Count  *int `json:"count"`
	Limit  *int `json:"limit"`
	Offset *int `json:"offset"`
	// Results carry a subset of each profile. There may be fewer than Limit before the last page,
	// because of hidden profiles.
	Results []Profile `json:"results"`
	// Hidden is the number of profiles left out because the key may not see them.
	Hidden *int `json:"hidden"`
	// Capabilities maps a profile id to what the key may do with it.
	Capabilities map[string][]Capability `json:"capabilities"`
	// AssociatedResults is required but nowhere described by the API, and kept as it came.
	AssociatedResults json.RawMessage `json:"associated_results"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
