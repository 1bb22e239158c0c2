package passfortkyc

import (
	"context"
	"fmt"
	"sync"

	"github.com/passfort-go/passfort"
)

//go:generate go tool mockgen -source accounts.go -destination mock_test.go -package passfortkyc

// profiles is what this service needs of passfort.ProfilesService. The SDK has no
// interfaces: each user names the few methods that it calls, and mocks those.
type profiles interface {
	FindByCustomerRef(ctx context.Context, customerRef string, opts ...passfort.CallOption) (*passfort.Profile, error)
	Delete(ctx context.Context, profileID, message string, opts ...passfort.CallOption) error
}

var _ profiles = (*passfort.ProfilesService)(nil)

// forget deletes the case with our reference, which is how a person leaves.
func forget(ctx context.Context, p profiles, reference string) error {
	profile, err := p.FindByCustomerRef(ctx, reference)
	if err != nil {
		return translated("find", err)
	}
	if err := p.Delete(ctx, profile.ID, "asked for by the customer"); err != nil {
		return translated("delete", err)
	}
	return nil
}

// Accounts are the Passfort accounts of the brands of this service. They share the
// connections, the limits of time and the observer of one client.
type Accounts struct {
	first *passfort.Client

	mu      sync.Mutex
	clients map[string]*passfort.Client // by brand
}

// NewAccounts returns the accounts of brands that Add is still to name. The client
// decides everything but the key.
func NewAccounts(client *passfort.Client) *Accounts {
	return &Accounts{first: client, clients: map[string]*passfort.Client{}}
}

// Set gives a brand its key, or another one: calls under way end on the old key.
func (a *Accounts) Set(ctx context.Context, brand, apiKey string) error {
	client, err := a.first.WithKey(apiKey)
	if err != nil {
		return err
	}
	if _, err := client.WhoAmI(ctx); err != nil {
		return fmt.Errorf("the key of %s: %w", brand, err) // the old one stays in use
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients[brand] = client
	return nil
}

// Forget deletes the case that a brand has with our reference.
func (a *Accounts) Forget(ctx context.Context, brand, reference string) error {
	a.mu.Lock()
	client := a.clients[brand]
	a.mu.Unlock()
	if client == nil {
		return fmt.Errorf("there is no brand %s", brand)
	}
	return forget(ctx, client.Profiles, reference)
}
