package encodings_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
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
	"entity_type": "INDIVIDUAL", "customer_ref": "", "documents": null,
	"new_member": {"a": [1.50, null, 12345678901234567890.5]},
	"personal_details": {"name": {"given_names": ["Ada", null], "family_name": "Example", "shape": 1E+40},
		"nationality": null},
	"address_history": [{"address": {"type": "STRUCTURED", "country": "GBR", "plus_code": "9C3W+X"},
		"start_date": null}, "odd"],
	"custom_fields_data": {"account": 123456789012345678901234567890, "price": 1.50, "many": ["a", "b"], "none": null},
	"contact_details": {}, "credit_ref": {"ccj_exact": {"count": "seven", "more": [{}]}},
	"ownership_structure": {"shareholders": [{"shareholdings": [{"amount": 4200000000}]}]}
}`

// broken has half an emoji too, which is no Unicode: an encoder may refuse it.
var broken = strings.Replace(document, `"odd"`, `"odd \ud83d"`, 1)

const (
	kept  = "kept"
	fails = "fails loudly"
	adds  = "makes nil lists empty" // a copier that nothing can stop: passfort.Unknown names Clone
)

// As the field of a struct, which is how programs store models.
type holder struct {
	Data passfort.CollectedData
}

// outcomes are what becomes of a model as the whole value, as the field of a struct, and of one
// with broken text.
var outcomes = map[string][3]string{
	"encoding/json":           {kept, kept, kept},
	"encoding/json/v2":        {kept, kept, fails},
	"goccy/go-json":           {kept, kept, kept},
	"json-iterator":           {kept, kept, kept},
	"sonic":                   {kept, kept, kept},
	"segmentio/encoding/json": {kept, kept, kept},
	"ugorji/codec json":       {kept, kept, kept},
	"encoding/gob":            {kept, kept, kept},
	"encoding/xml":            {kept, kept, kept},
	"vmihailenco/msgpack":     {kept, kept, kept},
	"shamaton/msgpack":        {fails, fails, fails},
	"ugorji/codec msgpack":    {kept, kept, kept},
	"fxamacker/cbor":          {kept, kept, kept},
	"ugorji/codec cbor":       {kept, kept, kept},
	"ugorji/codec binc":       {kept, kept, kept},
	"yaml.v2":                 {kept, kept, kept},
	"yaml.v3":                 {kept, kept, kept},
	"goccy/go-yaml":           {kept, kept, kept},
	"BurntSushi/toml":         {fails, kept, fails},
	"pelletier/go-toml":       {fails, kept, fails},
	"mongo-driver/bson":       {kept, kept, kept},
	"mongo-driver/v2/bson":    {kept, kept, kept},
	"mapstructure":            {fails, fails, fails},
	"assignment":              {kept, kept, kept},
	"Clone":                   {kept, kept, kept},
	"copystructure":           {kept, kept, kept},
	"mohae/deepcopy":          {kept, kept, kept},
	"copier":                  {kept, kept, kept},
	"copier, deep":            {adds, adds, adds},
}

// server answers with document and keeps the body and the ETag of what replaces it.
type server struct {
	document string

	body  []byte
	match string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.body, _ = io.ReadAll(r.Body)
		s.match = r.Header.Get("If-Match")
	}
	w.Header().Set("Etag", `"v1"`)
	_, _ = io.WriteString(w, s.document)
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
			got := [3]string{
				outcome(t, document, way, whole), outcome(t, document, way, field), outcome(t, broken, way, whole),
			}
			t.Logf("%-24s as a value: %s; in a field: %s; with broken text: %s", way.Name, got[0], got[1], got[2])
			require.Equal(t, outcomes[way.Name], got)
		})
	}
}

func outcome(t *testing.T, document string, way encodings.Way,
	through func(encodings.Way, *passfort.CollectedData) (*passfort.CollectedData, error),
) string {
	t.Helper()
	s := &server{document: document}
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
	if isSameButEmpty(want, have) {
		return adds
	}
	t.Log(cmp.Diff(want, have))
	return "lost"
}

// isSameButEmpty reports whether have is want with empty lists and objects in place of what is absent or
// null.
func isSameButEmpty(want, have any) bool {
	switch have := have.(type) {
	case map[string]any:
		want, ok := want.(map[string]any)
		for name, value := range have {
			ok = ok && isSameButEmpty(want[name], value)
		}
		for name := range want {
			_, is := have[name]
			ok = ok && is
		}
		return ok || want == nil && len(have) == 0
	case []any:
		want, _ := want.([]any)
		return slices.EqualFunc(want, have, isSameButEmpty)
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
