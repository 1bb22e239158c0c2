package cases_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/cases"
	"github.com/passfort-go/passfort/passforttest"
)

// The simulator carries out every case in a world that Fill made, and has no
// operation without a case.
func TestCasesSucceed(t *testing.T) {
	t.Parallel()
	sim := passforttest.New(passforttest.WithSeed(1), passforttest.WithoutRateLimits())
	t.Cleanup(sim.Close)
	client := sim.Client()
	world := cases.Fill(t, client)
	start, err := sim.Snapshot()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, op := range cases.All() {
		require.False(t, names[op.Name], "%s has two cases", op.Name)
		names[op.Name] = true
		require.NoError(t, sim.Restore(start))
		sim.ForgetRequests()
		require.NoError(t, op.Call(t.Context(), client, world), op.Name)
		require.Equal(t, 1, sim.Count(op.Name), op.Name)
	}
	for _, name := range passforttest.Operations() {
		require.True(t, names[name], "%s has no case", name)
	}
}
