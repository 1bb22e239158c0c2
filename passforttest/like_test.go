package passforttest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/verify"
)

func TestLikeSetsWhatWasSeen(t *testing.T) {
	t.Parallel()
	report := &verify.Report{
		Findings: []verify.Finding{
			{Switch: "ErrorsInOK", Verdict: verify.Differs},
			{Switch: "ErrorsAsObject", Verdict: verify.Confirmed},
			{Switch: "SingleQuotedETags", Verdict: verify.NotSeen},
			{Switch: "NewerThanThis", Verdict: verify.Differs},
			{Switch: "ListOrder", Verdict: verify.Differs, Value: "by name"},
			{Switch: "CollectedDataEvent", Verdict: verify.Differs, Value: "not a name"},
			{Verdict: verify.Differs},
		},
		Products: []verify.Product{{Alias: "gold", Tasks: []string{"INDIVIDUAL_VERIFY_ADDRESS"}}, {Tasks: []string{}}},
	}
	srv := passforttest.NewServer(
		passforttest.WithSwitches(passforttest.Switches{ErrorsAsObject: true, SingleQuotedETags: true}),
		passforttest.Like(report), passforttest.Like(nil))
	defer srv.Close()
	client := srv.Client()
	_, err := client.Profiles.Get(t.Context(), "missing")
	var failed *passfort.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, http.StatusOK, failed.StatusCode)
	require.Contains(t, string(failed.Body()), `"errors":[`)
	p, err := client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		Applications: []passfort.ApplicationRequest{
			{Product: passfort.ProductRef{Alias: "gold"}}, {Product: passfort.ProductRef{Alias: "product-2"}},
		},
	})
	require.NoError(t, err)
	require.Len(t, p.Tasks, 1)
	require.Equal(t, passfort.TaskType("INDIVIDUAL_VERIFY_ADDRESS"), p.Tasks[0].Type)
	data, err := client.CollectedData.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Contains(t, data.ETag, "'")
}
