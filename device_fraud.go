package passfort

// DeviceFraudOutput is the output of a DEVICE_FRAUD_DETECTION check (sheet 3.5, newer than 2019).
type DeviceFraudOutput struct {
	EntityType           EntityType            `json:"entity_type"`
	DeviceMetadata       *DeviceMetadata       `json:"device_metadata"`
	DeviceFraudDetection *DeviceFraudDetection `json:"device_fraud_detection"`
	IPLocation           *IPLocation           `json:"ip_location"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// DeviceMetadata describes the device a customer used. A DEVICE_FRAUD_DETECTION check needs it,
// with Token.
type DeviceMetadata struct {
	Token       string `json:"token"`
	StatedIP    string `json:"stated_ip"`
	Action      string `json:"action"`
	ReferenceID string `json:"reference_id"`
	DeviceID    string `json:"device_id"`
	DeviceType  string `json:"device_type"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// DeviceFraudDetection is what a provider thinks of a device.
type DeviceFraudDetection struct {
	ProviderReference    string            `json:"provider_reference"`
	Recommendation       string            `json:"recommendation"`
	RecommendationReason string            `json:"recommendation_reason"`
	TotalScore           *int              `json:"total_score"`
	MatchedRules         []DeviceFraudRule `json:"matched_rules"`
	UsedTestEnvironment  *bool             `json:"used_test_environment"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// DeviceFraudRule is a rule that contributed to the score of a device.
type DeviceFraudRule struct {
	Name   string   `json:"name"`
	Reason string   `json:"reason"`
	Score  *float64 `json:"score"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
