package passfort

import "context"

// WhoAmI tells whose key the client uses: the test of key and connection.
func (c *Client) WhoAmI(ctx context.Context, opts ...CallOption) (*WhoAmI, error) {
	return result[WhoAmI](ctx, c.road, opWhoAmI, call{opts: opts})
}

// WhoAmI says whose key a call was made with (sheet 2.17).
type WhoAmI struct {
	// AuditeeName is the name of the key.
	AuditeeName string       `json:"auditee_name"`
	Institution *Institution `json:"institution"`
	// User is nil for an API key.
	User *User `json:"user"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// Institution is the account a key belongs to.
type Institution struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	LogoURL string `json:"logo_url"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// User is a person with access to the portal (sheet 3.4).
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	// IsActive is newer than 2019.
	IsActive *bool `json:"is_active"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}

// APIKeyRef names an API key. It never holds the key itself.
type APIKeyRef struct {
	Name string `json:"name"`
	// Expiry is a date-time.
	Expiry string `json:"expiry"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
