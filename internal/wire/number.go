package wire

import (
	"strings"
)

// sameNumber reports whether two JSON number literals have the same decimal
// value. It compares digits and exponents as text, so no literal is too long
// or too large for it.
func sameNumber(a, b string) bool { return normalize(a) == normalize(b) }

// decimal is a number as 0.digits x 10^exponent, digits without zeros at
// either end. The exponent is kept as text where it is beyond any use.
type decimal struct {
	negative bool
	digits   string
	exponent int
	huge     string
}

func normalize(literal string) decimal {
	var d decimal
	rest, negative := strings.CutPrefix(literal, "-")
	mantissa, exponent := rest, ""
	if at := strings.IndexAny(rest, "eE"); at >= 0 {
		mantissa, exponent = rest[:at], strings.TrimPrefix(rest[at+1:], "+")
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	leading := len(whole+fraction) - len(digits)
	d.digits = strings.TrimRight(digits, "0")
	if d.digits == "" {
		return decimal{}
	}
	d.negative = negative
	sign := 1
	magnitude, minus := strings.CutPrefix(exponent, "-")
	if minus {
		sign = -1
	}
	magnitude = strings.TrimLeft(magnitude, "0")
	if len(magnitude) > 9 {
		d.huge = exponent
		return d
	}
	for _, digit := range magnitude {
		d.exponent = d.exponent*10 + int(digit-'0')
	}
	d.exponent = sign*d.exponent + len(whole) - leading
	return d
}
