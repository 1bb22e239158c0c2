package countries_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/countries"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	known, nationalities := 0, 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				if countries.Country(code) {
					known++
				}
				if countries.Nationality(code) {
					nationalities++
				}
			}
		}
	}
	require.Equal(t, 250+3, known, "ISO 3166-1 with RKS, and three for an unknown country")
	require.Equal(t, 253+17, nationalities)
	for _, code := range []string{"", "UK", "gbr", "XKX", " GB", "GB ", "\n B", "British", "GBRUSA", "London"} {
		require.False(t, countries.Country(code), "%q", code)
		require.False(t, countries.Nationality(code), "%q", code)
	}
	require.True(t, countries.Country("BHS"), "the last of a line")
	require.True(t, countries.Nationality("GBN"))
	require.False(t, countries.Country("GBN"))
}
