package passfort

// RiskOverview is the risk of a profile (docs/api/audit-and-risk.md#risk-of-a-profile). It may be
// empty; newer accounts have ApplicationRisk instead.
type RiskOverview struct {
	OverallRisk *RiskLevel      `json:"overall_risk"`
	Components  []ComponentRisk `json:"components"`
	// MissingRequiredComponents names what is needed before the risk can be computed.
	MissingRequiredComponents []string `json:"missing_required_components"`
	// IsPending says that the score is stale.
	IsPending *bool          `json:"is_pending"`
	Inherited *InheritedRisk `json:"inherited"`

	Unknown Unknown `json:"-"`
}

// RiskLevel is a risk as a number and in words.
type RiskLevel struct {
	Score    *float64     `json:"score"`
	Category RiskCategory `json:"category"`

	Unknown Unknown `json:"-"`
}

// RiskCategory is a risk in words (docs/api/audit-and-risk.md#risk-of-a-profile).
type RiskCategory string

// Values of RiskCategory. Others may appear at any time.
const (
	RiskCategoryLow          RiskCategory = "LOW"
	RiskCategoryMedium       RiskCategory = "MEDIUM"
	RiskCategoryHigh         RiskCategory = "HIGH"
	RiskCategoryUndetermined RiskCategory = "UNDETERMINED"
)

// InheritedRisk names the profile at the top from which a risk was inherited.
type InheritedRisk struct {
	TopParentName string `json:"top_parent_name"`
	TopParentID   string `json:"top_parent_id"`

	Unknown Unknown `json:"-"`
}

// ComponentRisk is the risk of one component of a RiskOverview.
type ComponentRisk struct {
	Name       string     `json:"name"`
	RiskLevel  *RiskLevel `json:"risk_level"`
	InputValue string     `json:"input_value"`
	RawValue   string     `json:"raw_value"`
	Required   *bool      `json:"required"`
	// MinOverallScore is unused, according to the API.
	MinOverallScore *float64      `json:"min_overall_score"`
	Errors          []ErrorDetail `json:"errors"`

	Unknown Unknown `json:"-"`
}

// RiskComponent is a component of the newer risk model
// (docs/api/audit-and-risk.md#risk-of-a-profile). No known operation returns it.
type RiskComponent struct {
	Name       string                 `json:"name"`
	Category   *RiskComponentCategory `json:"category"`
	CategoryID string                 `json:"category_id"`
	Score      *float64               `json:"score"`
	Required   *bool                  `json:"required"`
	// Expiry is YYYY-MM-DD.
	Expiry          string `json:"expiry"`
	InputValue      string `json:"input_value"`
	RawValue        string `json:"raw_value"`
	MatchedRuleName string `json:"matched_rule_name"`

	Unknown Unknown `json:"-"`
}

// RiskComponentCategory is what a RiskComponent looks at.
type RiskComponentCategory struct {
	Type            string `json:"type"`
	CustomFieldName string `json:"custom_field_name"`
	OverrideName    string `json:"override_name"`

	Unknown Unknown `json:"-"`
}

// CategoryGroupOperator is how a CategoryGroup combines scores.
type CategoryGroupOperator string

// Values of CategoryGroupOperator. Others may appear at any time.
const (
	CategoryGroupOperatorMax  CategoryGroupOperator = "MAX"
	CategoryGroupOperatorMin  CategoryGroupOperator = "MIN"
	CategoryGroupOperatorMean CategoryGroupOperator = "MEAN"
	CategoryGroupOperatorSum  CategoryGroupOperator = "SUM"
)

// CategoryGroup combines categories of the newer risk model
// (docs/api/audit-and-risk.md#risk-of-a-profile). No known operation returns it.
type CategoryGroup struct {
	CategoryIDs []string              `json:"category_ids"`
	Name        string                `json:"name"`
	Operator    CategoryGroupOperator `json:"operator"`

	Unknown Unknown `json:"-"`
}

// CategoryGroupOutput is the combined score of a CategoryGroup.
type CategoryGroupOutput struct {
	GroupConfig   *CategoryGroup `json:"group_config"`
	CombinedScore *float64       `json:"combined_score"`

	Unknown Unknown `json:"-"`
}
