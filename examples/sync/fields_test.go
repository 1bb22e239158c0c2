package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name               string
		base, ours, theirs string
		sent               []values
		want               string
		lost               bool
	}{
		{name: "nobody", base: "a", ours: "a", theirs: "a", want: "a"},
		{name: "we", base: "a", ours: "b", theirs: "a", want: "b"},
		{name: "they", base: "a", ours: "a", theirs: "b", want: "b"},
		{name: "both the same", base: "a", ours: "b", theirs: "b", want: "b"},
		{name: "both", base: "a", ours: "b", theirs: "c", want: "c", lost: true},
		{name: "we removed", base: "a", ours: "", theirs: "a", want: ""},
		{name: "they removed", base: "a", ours: "a", theirs: "", want: ""},
		{name: "we changed, they removed", base: "a", ours: "b", theirs: "", want: "", lost: true},
		{name: "both added", base: "", ours: "b", theirs: "c", want: "c", lost: true},
		{name: "our lost write arrived", base: "a", ours: "b", theirs: "b", sent: []values{{"email": "b"}}, want: "b"},
		{name: "our lost write arrived and we went on", base: "a", ours: "c", theirs: "b",
			sent: []values{{"email": "b"}}, want: "c"},
		{name: "our lost write arrived and we went back", base: "a", ours: "a", theirs: "b",
			sent: []values{{"email": "b"}}, want: "a"},
		{name: "the first of two lost writes arrived", base: "a", ours: "d", theirs: "b",
			sent: []values{{"email": "b"}, {"email": "c"}}, want: "d"},
		{name: "a lost write of another field", base: "a", ours: "c", theirs: "b", sent: []values{{"phone": "b"}},
			want: "b", lost: true},
		{name: "they wrote over our lost write", base: "a", ours: "b", theirs: "c", sent: []values{{"email": "b"}},
			want: "c", lost: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			merged, lost := merge(values{"email": tt.base}, values{"email": tt.ours}, values{"email": tt.theirs},
				tt.sent)
			require.Equal(t, tt.want, merged["email"])
			if !tt.lost {
				require.Empty(t, lost)
				return
			}
			require.Equal(t, []conflict{{"email", tt.base, tt.ours, tt.theirs}}, lost)
		})
	}
}

func TestMappingGoesBothWays(t *testing.T) {
	t.Parallel()
	const doc = `{"entity_type":"INDIVIDUAL","x_new":[1],"personal_details":{"name":{"given_names":["Ann","Marie"],` +
		`"family_name":"Sample","x":1},"gender":"F"}}`
	var d passfort.EntityData
	require.NoError(t, json.Unmarshal([]byte(doc), &d))
	v := valuesOf(&d)
	require.Equal(t, values{"given_names": "Ann Marie", "family_name": "Sample"}, v)
	v.writeTo(&d)
	same, err := json.Marshal(&d)
	require.NoError(t, err)
	require.JSONEq(t, doc, string(same), "nothing changes that need not")

	for _, f := range mapping() {
		v[f.name] = "new " + f.name
	}
	v.writeTo(&d)
	require.Equal(t, v, valuesOf(&d))
	changed, err := json.Marshal(&d)
	require.NoError(t, err)
	require.Contains(t, string(changed), `"x_new":[1]`)
	require.Contains(t, string(changed), `"gender":"F"`)
	values{}.writeTo(&d)
	require.Empty(t, valuesOf(&d))
	require.Empty(t, valuesOf(nil))
}

func TestPortalEditsWhatTheMappingReads(t *testing.T) {
	t.Parallel()
	for _, name := range fieldNames() {
		data := map[string]any{"entity_type": "INDIVIDUAL"}
		portalEdit(values{name: "v"})(data)
		require.Equal(t, values{name: "v"}, decoded(data))
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	require.Equal(t, values{"email": "a"}.fingerprint(), values{"email": "a", "phone": ""}.fingerprint())
	require.NotEqual(t, values{"email": "a"}.fingerprint(), values{"phone": "a"}.fingerprint())
}
