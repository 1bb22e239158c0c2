package wire

import "bytes"

// WithoutOddNumbers returns a JSON text with null in the place of NaN, Infinity and
// -Infinity, which some encoders write although JSON does not have them, and
// reports whether there were any.
func WithoutOddNumbers(text []byte) (plain []byte, odd bool) {
	out := make([]byte, 0, len(text)+bytes.Count(text, []byte("NaN"))) // null is longer
	inside := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inside && c == '\\' && i+1 < len(text):
			out = append(out, c, text[i+1])
			i++
			continue
		case c == '"':
			inside = !inside
		case !inside:
			if n := oddNumber(text[i:]); n > 0 {
				out, odd = append(out, "null"...), true
				i += n - 1
				continue
			}
		}
		out = append(out, text[i])
	}
	return out, odd
}

func oddNumber(text []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return len(word)
		}
	}
	return 0
}
