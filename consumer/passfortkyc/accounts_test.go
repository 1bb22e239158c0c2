package passfortkyc

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/mock/gomock"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"

	"teapots.example/accounts/kyc"
)

// What is to be sent is asserted on a mock; no server runs.
func TestForgetDeletesWhatItFinds(t *testing.T) {
	t.Parallel()
	p := NewMockprofiles(gomock.NewController(t))
	p.EXPECT().FindByCustomerRef(gomock.Any(), "teapot-1").Return(&passfort.Profile{ID: "p1"}, nil)
	p.EXPECT().Delete(gomock.Any(), "p1", gomock.Not("")).Return(nil)
	require.NoError(t, forget(t.Context(), p, "teapot-1"))

	p.EXPECT().FindByCustomerRef(gomock.Any(), "teapot-2").Return(nil, passfort.ErrNotFound)
	require.ErrorIs(t, forget(t.Context(), p, "teapot-2"), kyc.ErrUnknownCase)
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	srv := passforttest.New()
	t.Cleanup(srv.Close)
	accounts := NewAccounts(srv.Client())
	require.Error(t, accounts.Forget(t.Context(), "teapots", "r"), "no such brand")
	require.ErrorIs(t, accounts.Set(t.Context(), "teapots", "wrong"), passfort.ErrUnauthorized)
	require.NoError(t, accounts.Set(t.Context(), "teapots", srv.AddAPIKey("teapots")))

	person := passfort.NewIndividual()
	person.CustomerRef = "r"
	made, err := srv.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: person,
	})
	require.NoError(t, err)
	require.NoError(t, accounts.Forget(t.Context(), "teapots", "r"))
	_, err = srv.Client().Profiles.Get(t.Context(), made.ID)
	require.ErrorIs(t, err, passfort.ErrNotFound)
	require.ErrorIs(t, accounts.Forget(t.Context(), "teapots", "r"), kyc.ErrUnknownCase)
}
