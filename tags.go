package passfort

// Tag is a label on a profile (sheet 2.11).
type Tag struct {
	ID string `json:"id"`
	// Name has at most 64 characters.
	Name string `json:"name"`
	// IsAutomatic is deprecated and always false.
	IsAutomatic *bool `json:"is_automatic"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
