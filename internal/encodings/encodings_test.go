package encodings_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/encodings"
	"github.com/passfort-go/passfort/internal/wire/wiretest"
)

// document has everything that typed fields cannot hold: unmodelled members, nulls, empty values,
// long numbers, a list with an odd element, a text with half an emoji.
const document = `{
	"entity_type": "INDIVIDUAL", "customer_ref": "", "documents": null, "new_member": {"a": [1.50, null, 12345678901234567890.5]},
	"personal_details": {"name": {"given_names": ["Ada", null], "family_name": "Example", "shape": 1e400}, "nationality": null},
	"address_history": [{"address": {"type": "STRUCTURED", "country": "GBR", "plus_code": "9C3W+X"}, "start_date": null}, "odd"],
	"custom_fields_data": {"account": 123456789012345678901234567890, "price": 1.50, "many": ["a", "b"], "none": null},
	"contact_details": {}, "credit_ref": {"ccj_exact": {"count": "seven", "more": [{}]}},
	"ownership_structure": {"shareholders": [{"shareholdings": [{"amount": 4200000000}]}]}, "half": "\ud83d"
}`

const (
	kept  = "kept"
	fails = "fails loudly"
	adds  = "adds empty lists" // what was there is kept; see passfort.Unknown
)

// As the field of a struct, which is how programs store models.
type holder struct {
	Data passfort.CollectedData
}

var outcomes = map[string][2]string{ // as the whole value, in a field
}

// server answers with document and keeps the body and the ETag of what replaces it.
type server struct {
	body  []byte
	match string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.body, _ = io.ReadAll(r.Body)
		s.match = r.Header.Get("If-Match")
	}
	w.Header().Set("Etag", `"v1"`)
	_, _ = io.WriteString(w, document)
}

// Read, through another encoding and back, one field set, Replace: nothing else changes on the wire.
func TestEncoders(t *testing.T) {
	t.Parallel()
	whole := func(way encodings.Way, from *passfort.CollectedData) (*passfort.CollectedData, error) {
		to := new(passfort.CollectedData)
		return to, way.Through(from, to)
	}
	field := func(way encodings.Way, from *passfort.CollectedData) (*passfort.CollectedData, error) {
		to := new(holder)
		return &to.Data, way.Through(&holder{*from}, to)
	}
	for _, way := range encodings.Ways() {
		t.Run(way.Name, func(t *testing.T) {
			t.Parallel()
			got := [2]string{outcome(t, way, whole), outcome(t, way, field)}
			t.Logf("%-26s as a value: %-18s in a field: %s", way.Name, got[0], got[1])
			require.Equal(t, outcomes[way.Name], got)
		})
	}
}

func outcome(t *testing.T, way encodings.Way,
	through func(encodings.Way, *passfort.CollectedData) (*passfort.CollectedData, error),
) string {
	t.Helper()
	s := &server{}
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	client, err := passfort.New("key", passfort.WithBaseURL(listening.URL+"/4.0"))
	require.NoError(t, err)
	data, err := client.CollectedData.Get(t.Context(), "p1")
	require.NoError(t, err)
	copied, err := through(way, data)
	if err != nil {
		t.Log(err)
		return fails
	}
	copied.CustomerRef = "changed"
	if _, err := client.CollectedData.Replace(t.Context(), "p1", copied); err != nil {
		copied.ETag = `"v1"` // JSON has none
		_, err = client.CollectedData.Replace(t.Context(), "p1", copied)
		require.NoError(t, err)
	}
	require.Equal(t, `"v1"`, s.match)
	want, err := wiretest.Tree([]byte(document))
	require.NoError(t, err)
	want.(map[string]any)["customer_ref"] = "changed"
	have, err := wiretest.Tree(s.body)
	require.NoError(t, err)
	if reflect.DeepEqual(want, have) {
		return kept
	}
	if withoutEmptyLists(want, have) {
		return adds
	}
	t.Log(cmp.Diff(want, have))
	return "lost"
}

// withoutEmptyLists reports whether have is want with more members that are empty lists.
func withoutEmptyLists(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		for name, value := range have {
			if list, isList := value.([]any); want[name] == nil && isList && len(list) == 0 {
				if _, was := want[name]; !was {
					delete(have, name)
				}
			}
		}
		for name, value := range want {
			if !withoutEmptyLists(value, have[name]) {
				return false
			}
		}
		return ok && len(want) == len(have)
	case []any:
		have, ok := have.([]any)
		if !ok || len(want) != len(have) {
			return false
		}
		for i := range want {
			if !withoutEmptyLists(want[i], have[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(want, have)
	}
}

// go-cmp compares models, with what their typed fields cannot hold.
func TestCmp(t *testing.T) {
	t.Parallel()
	var a, b passfort.EntityData
	require.NoError(t, json.Unmarshal([]byte(document), &a))
	require.NoError(t, json.Unmarshal([]byte(document), &b))
	require.Empty(t, cmp.Diff(a, b))
	require.Empty(t, cmp.Diff(&a, b.Clone()))
	b.AddressHistory[0].Address.Unknown.Delete("plus_code")
	require.NotEmpty(t, cmp.Diff(a, b))
	require.NotPanics(t, func() { _ = cmp.Diff(&passfort.CustomerRequest{}, &passfort.CustomerRequest{ID: "other"}) })
}
