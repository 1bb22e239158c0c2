package wire

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSameNumber(t *testing.T) {
	t.Parallel()
	eighteen, nineteen := strings.Repeat("1", 18), strings.Repeat("1", 19)
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"1", "1", true},
		{"1", "2", false},
		{"1", "-1", false},
		{"1.0", "1", true},
		{"-0", "0.00", true},
		{"0e99", "0", true},
		{"1e2", "100", true},
		{"1E+02", "100", true},
		{"1.50", "15e-1", true},
		{"150e-2", "1.5", true},
		{"0.015", "15e-3", true},
		{"0.015", "15e-2", false},
		{"1e-2", "1e2", false},
		{"10", "1", false},
		{"12345678901234567890.10", "12345678901234567890.1", true},
		{"12345678901234567890.1", "12345678901234567890.2", false},
		{"1e" + eighteen, "10e" + eighteen[:17] + "0", true},
		{"1e" + nineteen, "1e" + nineteen, true},
		{"1e" + nineteen, "10e" + nineteen[:18] + "0", false},
		{"0e" + nineteen, "0", true},
	} {
		require.Equal(t, row.want, sameNumber(row.a, row.b), "%s and %s", row.a, row.b)
		require.Equal(t, row.want, sameNumber(row.b, row.a), "%s and %s", row.b, row.a)
	}
}

// Floats are spelled as by encoding/json.
func TestAppendFloat(t *testing.T) {
	t.Parallel()
	floats := []float64{
		0, math.Copysign(0, -1), 1, -1.5, 1e-6, 9.99e-7, 1e-7, 1e-9, 1.5e-10, 1e20, 1e21, 9.99e20, -1e21, 1e22, 1e100,
		math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-100, 1.25e-9,
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	for range 1000 {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			floats = append(floats, f)
		}
	}
	for _, f := range floats {
		want, err := json.Marshal(f)
		require.NoError(t, err)
		require.Equal(t, "x"+string(want), string(appendFloat([]byte("x"), f)), "seed %d", seed)
	}
}
