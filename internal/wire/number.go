package wire

import (
	"strconv"
	"strings"
)

// sameNumber reports whether two JSON number literals have the same decimal
// value. It works on the digits as text, so no literal is too long for it.
func sameNumber(a, b string) bool { return exactNumber(a) == exactNumber(b) }

// exactNumber brings a JSON number to one spelling of its exact value: digits
// without outer zeros and a power of ten. A number whose exponent has more than
// 18 digits keeps its spelling, unless it is zero.
func exactNumber(s string) string {
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
	}
	sign := ""
	if rest, ok := strings.CutPrefix(mantissa, "-"); ok {
		sign, mantissa = "-", rest
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	negative := strings.HasPrefix(exponent, "-")
	exponent = strings.TrimLeft(strings.TrimLeft(exponent, "+-"), "0")
	if len(exponent) > 18 {
		return s
	}
	var power int64
	if exponent != "" {
		power, _ = strconv.ParseInt(exponent, 10, 64)
	}
	if negative {
		power = -power
	}
	power -= int64(len(fraction))
	short := strings.TrimRight(digits, "0")
	power += int64(len(digits) - len(short))
	return sign + short + "e" + strconv.FormatInt(power, 10)
}
