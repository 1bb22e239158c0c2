package passfort

import "encoding/json"

// FilesService keeps files.
type FilesService struct{ road *road }

// File is an uploaded file (sheet 2.4). Files attach to task notes or form answers; checks cannot
// use them.
type File struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// DecryptedData is empty as long as the API keeps the content encrypted, which is the rule.
	DecryptedData string `json:"decrypted_data"`
	// EncryptedData is opaque.
	EncryptedData json.RawMessage `json:"encrypted_data"`

	// Unknown holds the members this type has no field for.
	Unknown Unknown `json:"-"`
}
