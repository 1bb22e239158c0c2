package passforttest_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

func TestCollectedDataKeepsEveryMember(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	const sent = `{"entity_type":"INDIVIDUAL","zz":null,"customer_ref":"","a":[],"b":{},` +
		`"n":12345678901234567890.12345678901234567890,"deep":[{"x":[null,false,0,""]}],` +
		`"custom_fields_data":{"f":1e400}}`
	got := w.post("/profiles/"+id+"/collected_data", sent)
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, sent, got.raw)
	require.Equal(t, sent, w.get("/profiles/"+id+"/collected_data").raw)
}

func TestETag(t *testing.T) {
	t.Parallel()
	w := start(t)
	path := "/profiles/" + w.person() + "/collected_data"

	first := w.get(path)
	tag := first.header.Get("Etag")
	require.Regexp(t, `^W/"\d{10}\.\d{3}"$`, tag)
	require.Equal(t, tag, w.get(path).header.Get("Etag"), "reading moves nothing")

	won := w.post(path, person, "If-Match", tag)
	require.Equal(t, http.StatusOK, won.status)
	require.NotEqual(t, tag, won.header.Get("Etag"), "every write moves the tag")

	lost := w.post(path, `{"entity_type":"INDIVIDUAL","customer_ref":"x"}`, "If-Match", tag)
	require.Equal(t, http.StatusPreconditionFailed, lost.status)
	require.JSONEq(t, person, lost.raw, "a 412 holds the latest data")
	require.Equal(t, won.header.Get("Etag"), lost.header.Get("Etag"))

	for _, other := range []string{strings.TrimPrefix(lost.header.Get("Etag"), "W/"), "*",
		`"` + lost.header.Get("Etag") + `"`} {
		require.Equal(t, http.StatusPreconditionFailed, w.post(path, person, "If-Match", other).status, other)
	}
	require.Equal(t, http.StatusOK, w.post(path, person).status, "no If-Match: the last write wins")
}

func TestOneWriterWins(t *testing.T) {
	t.Parallel()
	w := start(t)
	path := "/profiles/" + w.person() + "/collected_data"
	tag := w.get(path).header.Get("Etag")
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			switch a, err := w.send(http.MethodPost, path, person, "If-Match", tag); {
			case err != nil:
			case a.status == http.StatusOK:
				won.Add(1)
			case a.status == http.StatusPreconditionFailed:
				lost.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 15, lost.Load())
}

func TestGivenNamesAreSplit(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithSwitches(passforttest.Switches{Lenient: true}))
	path := "/profiles/" + w.person() + "/collected_data"
	for sent, stored := range map[string]string{
		`{"given_names":[" Anna  Maria ","","Lee"],"family_name":"van der Doe"}`: `{"given_names":["Anna","Maria",` +
			`"Lee"],"family_name":"van der Doe"}`,
		`{"given_names":["Kim\u00a0Lee",null,{"a":" b "},7]}`: `{"given_names":["Kim","Lee",null,{"a":" b "},7]}`,
		`{"given_names":["Kim"],"title":1.50}`:                `{"given_names":["Kim"],"title":1.50}`,
		`{"given_names":"Kim Lee"}`:                           `{"given_names":"Kim Lee"}`,
	} {
		got := w.post(path, `{"entity_type":"INDIVIDUAL","personal_details":{"name":`+sent+`}}`)
		require.Equal(t, http.StatusOK, got.status)
		require.JSONEq(t, `{"entity_type":"INDIVIDUAL","personal_details":{"name":`+stored+`}}`, got.raw)
	}
	got := w.post(path, `{"entity_type":"INDIVIDUAL","others":[{"name":{"given_names":["A B"]}}]}`)
	require.Contains(t, got.raw, `["A","B"]`)
}

func TestFreeformAddressBecomesStructured(t *testing.T) {
	t.Parallel()
	w := start(t)
	path := "/profiles/" + w.person() + "/collected_data"
	got := w.post(
		path, `{"entity_type":"INDIVIDUAL","address_history":[{"address":{"type":"FREEFORM","country":"GBR",`+
			`"text":"12 High Street, London, N1 1AA","x":null},"start_date":"1999-03"}]}`,
	)
	require.JSONEq(
		t, `{"entity_type":"INDIVIDUAL","address_history":[{"address":{"type":"STRUCTURED","country":"GBR",`+
			`"original_freeform_address":"12 High Street, London, N1 1AA","street_number":"12","route":"High Street",`+
			`"locality":"London","postal_code":"N1 1AA","x":null},"start_date":"1999-03"}]}`, got.raw,
	)
	require.JSONEq(t, got.raw, w.post(path, got.raw).raw, "what came back can be sent again")
}

func TestCollectedDataRefusals(t *testing.T) {
	t.Parallel()
	w := start(t)
	path := "/profiles/" + w.person() + "/collected_data"
	tag := w.get(path).header.Get("Etag")
	for name, c := range map[string]struct{ body, code string }{
		"empty":           {"", "201"},
		"not JSON":        {"{", "201"},
		"a list":          {"[]", "201"},
		"null":            {"null", "201"},
		"two values":      {person + person, "201"},
		"no entity type":  {"{}", "101"},
		"unknown type":    {`{"entity_type":"ROBOT"}`, "201"},
		"another type":    {`{"entity_type":"COMPANY"}`, "201"},
		"not even UTF-8":  {"{\"entity_type\":\"INDIVIDUAL\",\"x\":\"\xff\"}", "201"},
		"text after data": {person + "x", "201"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post(path, c.body)
			require.Equal(t, http.StatusBadRequest, a.status)
			require.Equal(t, c.code, a.code(t))
		})
	}
	require.Equal(t, tag, w.get(path).header.Get("Etag"), "nothing was stored")
}

func TestETagSwitches(t *testing.T) {
	t.Parallel()
	w := start(t, passforttest.WithSwitches(passforttest.Switches{
		SingleQuotedETags: true, PreconditionEnvelope: true, PreconditionWithoutETag: true,
	}))
	path := "/profiles/" + w.person() + "/collected_data"
	tag := w.get(path).header.Get("Etag")
	require.Regexp(t, `^W/'\d{10}\.\d{3}'$`, tag)
	require.Equal(t, http.StatusOK, w.post(path, person, "If-Match", tag).status)
	lost := w.post(path, person, "If-Match", tag)
	require.Equal(t, http.StatusPreconditionFailed, lost.status)
	require.Empty(t, lost.header.Get("Etag"))
	require.Equal(t, "105", lost.code(t))
}

func TestEditAsThePortal(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.person()
	path := "/profiles/" + id + "/collected_data"
	tag := w.get(path).header.Get("Etag")
	now, err := w.srv.EditCollectedData(id, func(d map[string]any) { d["customer_ref"] = "C-1" })
	require.NoError(t, err)
	require.NotEqual(t, tag, now)
	lost := w.post(path, person, "If-Match", tag)
	require.Equal(t, http.StatusPreconditionFailed, lost.status)
	require.Equal(t, now, lost.header.Get("Etag"))
	require.Equal(t, "C-1", lost.object(t)["customer_ref"])
	_, err = w.srv.EditCollectedData("nobody", func(map[string]any) {})
	require.Error(t, err)
}
