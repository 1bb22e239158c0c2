package passforttest_test

import (
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passfort-go/passfort/passforttest"
	"github.com/stretchr/testify/require"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	a := start(t, byHand()...)
	id := a.person()
	path := "/profiles/" + id
	const odd = `{"entity_type":"INDIVIDUAL","n":1.10,"x":null,"y":""}`
	tag := a.post(path+"/collected_data", odd).header.Get("Etag")
	check := text(a.post(path+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`).object(t), "id")
	saved, err := a.srv.Snapshot()
	require.NoError(t, err)

	b := start(t, byHand()...)
	require.NoError(t, b.srv.Restore(saved))
	require.Equal(t, a.get(path).raw, b.get(path).raw)
	got := b.get(path + "/collected_data")
	require.Equal(t, odd, got.raw)
	require.Equal(t, tag, got.header.Get("Etag"))
	require.Equal(t, a.person(), b.person(), "the random source goes on where it was")
	b.srv.AdvanceClock(time.Minute)
	require.Equal(t, "COMPLETE", b.get(path + "/checks/" + check).object(t)["state"])
	require.Equal(t, "READY_FOR_DECISION", text(b.get(path + "/applications").list(t)[0], "flag"))

	require.Error(t, b.srv.Restore([]byte(`{}`)))
	require.Error(t, b.srv.Restore([]byte(`{"format":1,"state":{}}`)))
	require.Error(t, b.srv.Restore([]byte(`x`)))
}

// memory is a Journal that keeps everything and can fail.
type memory struct {
	mu      sync.Mutex
	records [][]byte
	synced  int
	fails   error
	full    bool
}

func (m *memory) Records() iter.Seq2[[]byte, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	records := slices.Clone(m.records)
	return func(yield func([]byte, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memory) Append(record []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = append(m.records, record)
}

func (m *memory) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced = len(m.records)
	return m.fails
}

func (m *memory) Full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.full
}

func (m *memory) Rewrite(records iter.Seq[[]byte]) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = slices.Collect(records)
	return nil
}

func (m *memory) clone() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{records: slices.Clone(m.records)}
}

// stateOf is the state part of a snapshot.
func stateOf(t *testing.T, srv *passforttest.Server) string {
	t.Helper()
	saved, err := srv.Snapshot()
	require.NoError(t, err)
	var in struct{ State json.RawMessage }
	require.NoError(t, json.Unmarshal(saved, &in))
	return string(in.State)
}

// masterName is the name of the master key, which is the server's own and not
// part of the journal.
func masterName(t *testing.T, state string, srv *passforttest.Server) string {
	t.Helper()
	return text(decode(t, state), "keys", srv.APIKey(), "name")
}

// keep makes the server of a test write a journal and, when the test is over,
// checks that a second server gets the same state out of it.
func keep(t *testing.T, srv *passforttest.Server) *memory {
	t.Helper()
	j := &memory{}
	require.NoError(t, srv.KeepIn(j))
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		srv.Close() // nothing falls due between the two looks
		want := stateOf(t, srv)
		again := passforttest.New(passforttest.WithAPIKey(srv.APIKey()),
			passforttest.WithClock(passforttest.NewClock(time.Time{})))
		defer again.Close()
		require.NoError(t, again.KeepIn(j.clone()))
		got := strings.Replace(stateOf(t, again), `"name":"Simulator key"`, `"name":"`+masterName(t, want, srv)+`"`, 1)
		require.Equal(t, decode(t, want), decode(t, got), "the journal does not give the state again")
	})
	return j
}

func TestJournal(t *testing.T) {
	t.Parallel()
	w := start(t, byHand()...)
	id := w.person()
	check := text(w.post("/profiles/"+id+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`).object(t), "id")
	gone := w.person()
	w.post("/profiles/"+gone+"/delete", `{"confirm_id":"`+gone+`"}`)
	require.Equal(t, len(w.journal.records), w.journal.synced, "an answer left before its record was kept")

	b := passforttest.New(byHand()...)
	defer b.Close()
	copied := w.journal.clone()
	copied.full = true
	require.NoError(t, b.KeepIn(copied))
	require.Len(t, copied.records, 2, "the rest and one profile")
	b.AdvanceClock(time.Minute)
	require.Contains(t, stateOf(t, b), check)
	require.Equal(t, 1, b.Charges()["IDENTITY_CHECK"])
}

func TestJournalKeepsWaitingWebhooks(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	defer refuses.Close()
	w := start(t)
	w.srv.SetWebhook(refuses.URL, "secret", false)
	w.person()
	want := w.srv.PendingWebhooks()
	require.NotEmpty(t, want)

	b := passforttest.New()
	defer b.Close()
	require.NoError(t, b.KeepIn(w.journal.clone()))
	got := b.PendingWebhooks()
	require.Equal(t, ids(want), ids(got))
	w.srv.SetWebhook("", "", false)
}

func ids(hooks []passforttest.Webhook) (out []string) {
	for _, h := range hooks {
		out = append(out, h.ID)
	}
	return out
}

func TestJournalRewritesItself(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.journal.full = true
	for range 5 {
		w.person()
	}
	require.Len(t, w.journal.records, 6, "the rest and five profiles")
}

func TestJournalThatFails(t *testing.T) {
	t.Parallel()
	w := start(t)
	profile := w.person()
	request := w.post("/forms/profile/"+profile+"/customer_request", flow).object(t)
	w.journal.fails = errors.New("no space")
	require.Equal(t, http.StatusInternalServerError, w.post("/profiles", newPerson).status)
	require.False(t, w.srv.Requests()[2].Applied)
	for method, path := range map[string]string{http.MethodGet: "/api/request",
		http.MethodPost: "/api/forms/" + text(request, "id")} {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"values":{}}`))
		r.Header.Set("apikey", text(request, "apikey"))
		r.Header.Set("request-id", text(request, "id"))
		rec := httptest.NewRecorder()
		w.srv.CollectionHandler().ServeHTTP(rec, r)
		require.Equal(t, http.StatusInternalServerError, rec.Code, path)
	}
	w.journal.fails = nil
}

func TestKeepInRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"no JSON":   `x`,
		"no random": `{"time":"2030-01-01T00:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := passforttest.New()
			defer srv.Close()
			require.Error(t, srv.KeepIn(&memory{records: [][]byte{[]byte(raw)}}))
		})
	}
}
