package passforttest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// wire is a plain HTTP client of one server.
type wire struct {
	t   *testing.T
	srv *passforttest.Server
	hc  *http.Client

	journal *memory // everything the server received is in it
}

type answer struct {
	status int
	header http.Header
	raw    string
}

func start(t *testing.T, opts ...passforttest.Option) *wire {
	t.Helper()
	srv := passforttest.NewServer(opts...)
	hc := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		hc.CloseIdleConnections()
		srv.Close()
	})
	return &wire{t, srv, hc, keep(t, srv)}
}

// send makes one request; header is a list of names and values.
func (w *wire) send(method, path, body string, header ...string) (answer, error) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL()+path, strings.NewReader(body))
	require.NoError(w.t, err)
	req.Header.Set("apikey", w.srv.APIKey())
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.hc.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	raw, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(raw)}, err
}

func (w *wire) do(method, path, body string, header ...string) answer {
	w.t.Helper()
	a, err := w.send(method, path, body, header...)
	require.NoError(w.t, err)
	return a
}

func (w *wire) get(path string) answer { w.t.Helper(); return w.do(http.MethodGet, path, "") }

func (w *wire) post(path, body string, header ...string) answer {
	w.t.Helper()
	return w.do(http.MethodPost, path, body, header...)
}

// created posts and returns the id in the answer.
func (w *wire) created(path, body string) string {
	w.t.Helper()
	a := w.post(path, body)
	require.Equal(w.t, http.StatusOK, a.status, a.raw)
	return a.object(w.t)["id"].(string)
}

func (w *wire) person() string {
	w.t.Helper()
	return w.created("/profiles", `{"role":"INDIVIDUAL_CUSTOMER","collected_data":`+person+
		`,"applications":[{"product":{"alias":"gold_account"}}]}`)
}

func (w *wire) company() string {
	w.t.Helper()
	return w.created("/profiles",
		`{"role":"COMPANY_CUSTOMER","collected_data":{"entity_type":"COMPANY","metadata":{"name":"Acme Ltd"}},`+
			`"applications":[{"product":{"alias":"gold_account"}}]}`)
}

const person = `{"entity_type":"INDIVIDUAL","personal_details":{"name":{"given_names":["Kim"],"family_name":"Doe"}}}`

func decode(t *testing.T, raw string) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(raw)))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), raw)
	return v
}

func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	o, is := decode(t, a.raw).(map[string]any)
	require.True(t, is, a.raw)
	return o
}

func (a answer) list(t *testing.T) []map[string]any {
	t.Helper()
	l, is := decode(t, a.raw).([]any)
	require.True(t, is, a.raw)
	out := make([]map[string]any, len(l))
	for i, e := range l {
		out[i] = e.(map[string]any)
	}
	return out
}

// code returns the Passfort code of a refusal.
func (a answer) code(t *testing.T) string {
	t.Helper()
	var e struct {
		Errors []struct {
			Code    json.Number
			Message string
			Source  string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(a.raw), &e), a.raw)
	require.Len(t, e.Errors, 1, a.raw)
	require.NotEmpty(t, e.Errors[0].Message)
	require.Equal(t, "API", e.Errors[0].Source)
	return e.Errors[0].Code.String()
}

func text(v any, path ...string) string {
	for _, p := range path {
		v = v.(map[string]any)[p]
	}
	s, _ := v.(string)
	return s
}
