package passfort

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a key that must not be printed. The verbs of fmt, JSON and slog give
// "[redacted]"; only Reveal gives the key. fmt does not ask for %p, nor for an
// unexported field of a struct that it prints: keep Secrets in exported fields or
// behind a pointer.
//
// Because its JSON is redacted too, store what Reveal returns, not the JSON of
// a value that holds a Secret.
type Secret string

const redacted = "[redacted]"

// Reveal returns the key itself.
func (s Secret) Reveal() string { return string(s) }

// Format prints [redacted] for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns [redacted].
func (s Secret) String() string { return redacted }

// LogValue returns [redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns "[redacted]" in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalJSON takes a string, or an object that has the key under "key" or
// "apikey": how the API sends the key of a customer request is not published
// (sheet 2.13).
func (s *Secret) UnmarshalJSON(data []byte) error {
	var plain string
	if json.Unmarshal(data, &plain) == nil {
		*s = Secret(plain)
		return nil
	}
	var object struct {
		Key    string `json:"key"`
		APIKey string `json:"apikey"`
	}
	if json.Unmarshal(data, &object) == nil {
		*s = Secret(object.Key)
		if object.Key == "" {
			*s = Secret(object.APIKey)
		}
		if *s != "" {
			return nil
		}
	}
	return errors.New("passfort: no key in the JSON of a secret")
}
