package passfort

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/passfort-go/passfort/internal/wire"
)

//go:generate go run ./internal/modelgen

// Unknown holds the members of one JSON object that this package does not
// model, so that they go back to the API exactly as they came. It also keeps
// what the typed fields of the object cannot tell from absent (an explicit
// null, an empty string) until the field gets another value.
//
// The zero value is ready to use. Copies of a struct share the content of its
// Unknown safely: Set and Delete never change it in place.
type Unknown struct{ wire.Members }

// Get returns the raw JSON of the unmodelled member called name.
func (u Unknown) Get(name string) (json.RawMessage, bool) { return wire.Get(&u.Members, name) }

// Set adds or replaces the unmodelled member called name. The value may be
// anything encoding/json can encode, a json.RawMessage included. Use it only
// for names the struct has no field for: encoding fails otherwise.
func (u *Unknown) Set(name string, value any) error {
	if name == "" {
		return errors.New("passfort: an unknown member needs a name")
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("passfort: unknown member cannot be encoded: %w", err)
	}
	wire.Set(&u.Members, name, raw)
	return nil
}

// Delete removes the unmodelled member called name, if it is there.
func (u *Unknown) Delete(name string) { wire.Delete(&u.Members, name) }

// Len returns the number of unmodelled members.
func (u Unknown) Len() int { return wire.Len(&u.Members) }

// All yields the unmodelled members in the order in which they were received.
func (u Unknown) All() iter.Seq2[string, json.RawMessage] { return wire.All(&u.Members) }

// string returns the member called name if it is a string.
func (u Unknown) string(name string) string {
	var s string
	if raw, ok := u.Get(name); !ok || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
