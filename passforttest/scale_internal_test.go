package passforttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/journal"
)

// keptFile is a journal that counts what it wrote anew.
type keptFile struct {
	*journal.File
	compacted atomic.Int64
	small     bool // full at once
}

func (f *keptFile) Full() bool { return f.small || f.File.Full() }

func (f *keptFile) Compact() (Compaction, error) {
	f.compacted.Add(1)
	r, err := f.Replace()
	if err != nil {
		return nil, err
	}
	return r, nil
}

func openKept(t testing.TB, path string) *keptFile {
	t.Helper()
	f, err := journal.Open(path)
	require.NoError(t, err)
	return &keptFile{File: f}
}

func ask(t testing.TB, s *Server, method, path, body string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/4.0"+path, strings.NewReader(body))
	r.Header.Set("apikey", s.APIKey())
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	require.Equal(t, http.StatusOK, rec.Code, "%s %s: %s", method, path, rec.Body)
	return rec.Body.String()
}

func idIn(t testing.TB, answer string) string {
	t.Helper()
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(answer), &made))
	return made.ID
}

// Each call looks at as many profiles in a large world as in a small one.
func TestCallsDoNotGrow(t *testing.T) {
	t.Parallel()
	sizes := []int{100, 2_500}
	looked := map[string][]int{}
	for _, size := range sizes {
		s := New(WithSeed(1), WithoutRateLimits(), WithRecorder(0, 0), WithClock(NewClock(time.Unix(1e9, 0))))
		ids := s.MakeUp(size)
		associate := idIn(t, ask(t, s, http.MethodPost, "/profiles",
			`{"role":"INDIVIDUAL_ASSOCIATED","collected_data":{"entity_type":"INDIVIDUAL"}}`))
		company := idIn(t, ask(t, s, http.MethodPost, "/profiles",
			`{"role":"COMPANY_CUSTOMER","collected_data":{"entity_type":"COMPANY"}}`))
		rare := idIn(t, ask(t, s, http.MethodPost, "/profiles",
			`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL",`+
				`"personal_details":{"name":{"family_name":"Xyzzyq"}}}}`))
		ask(t, s, http.MethodPost, "/profiles/"+rare+"/tags", `{"name":"seldom"}`)
		for _, c := range []struct{ name, method, path, body string }{
			{"create", http.MethodPost, "/profiles",
				`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL"}}`},
			{"create an associate", http.MethodPost, "/profiles",
				`{"role":"INDIVIDUAL_ASSOCIATED","collected_data":{"entity_type":"INDIVIDUAL"}}`},
			{"link", http.MethodPost, "/profiles/" + company + "/collected_data",
				`{"entity_type":"COMPANY","officers":{"directors":[{"linked_profile":{"id":"` + associate + `"}}]}}`},
			{"get an associate", http.MethodGet, "/profiles/" + associate, ""},
			{"get a company", http.MethodGet, "/profiles/" + company, ""},
			{"apply", http.MethodPost, "/profiles/" + company + "/applications", `{"product":{"alias":"gold"}}`},
			{"write", http.MethodPost, "/profiles/" + ids[size/2] + "/collected_data",
				`{"entity_type":"INDIVIDUAL","personal_details":{"name":{"family_name":"New"}}}`},
			{"first page", http.MethodGet, "/profiles", ""},
			{"last page", http.MethodGet, "/profiles?offset=" + strconv.Itoa(size), ""},
			{"search a name", http.MethodGet, "/profiles?q=xYZZyq", ""},
			{"search two letters", http.MethodGet, "/profiles?q=zy", ""},
			{"search a tag", http.MethodGet, "/profiles?q=seldom", ""},
			{"search nothing", http.MethodGet, "/profiles?q=qqqqq", ""},
			{"category", http.MethodGet, "/profiles?categories=CUSTOMER", ""},
			{"tag", http.MethodPost, "/profiles/" + ids[1] + "/tags", `{"name":"x"}`},
			{"delete", http.MethodPost, "/profiles/" + rare + "/delete", `{"confirm_id":"` + rare + `"}`},
		} {
			before := s.world.roster.looked
			ask(t, s, c.method, c.path, c.body)
			looked[c.name] = append(looked[c.name], s.world.roster.looked-before)
		}
		require.Contains(t, ask(t, s, http.MethodGet, "/profiles/"+associate, ""), company, "the index knows the link")
		s.Close()
	}
	for name, counts := range looked {
		require.Equal(t, counts[0], counts[1], "%s: profiles looked at among %v", name, sizes)
		require.LessOrEqual(t, counts[0], 60, name)
	}
}

// The roster agrees with a look at every profile, whatever is changed.
func TestRosterAgreesWithALookAtAll(t *testing.T) {
	t.Parallel()
	s := New(WithSeed(2), WithoutRateLimits(), WithRecorder(0, 0))
	defer s.Close()
	ids := s.MakeUp(1_500)
	names := []string{"Ann Ümlaut", "ann", "Äß", "", "Zoë Zoë", "li", "x y z"}
	for i := range 700 {
		id := ids[s.world.random.IntN(len(ids))]
		if s.world.state.Profiles[id] == nil {
			continue
		}
		switch i % 4 {
		case 0:
			ask(t, s, http.MethodPost, "/profiles/"+id+"/delete", `{"confirm_id":"`+id+`"}`)
		case 1:
			ask(t, s, http.MethodPost, "/profiles/"+id+"/tags", `{"name":"`+names[i%3]+`x"}`)
		default:
			entity := s.world.state.Profiles[id].Summary.EntityType
			name := `"personal_details":{"name":{"family_name":"` + names[i%len(names)] + `"}}`
			if entity == "COMPANY" {
				name = `"metadata":{"name":"` + names[i%len(names)] + `"},` +
					`"officers":{"other":[{"linked_profile":{"id":"` + ids[i] + `"}}]}`
			}
			ask(t, s, http.MethodPost, "/profiles/"+id+"/collected_data", `{"entity_type":"`+entity+`",`+name+`}`)
		}
	}
	require.Equal(t, len(s.world.state.Profiles), s.world.roster.count)
	for _, q := range []string{"a", "an", "ann", "Ü", "üml", "umlaut", "zoë z", "x y", "z", "li", "nothing of it",
		"annx", "ß", "holdings", "1"} {
		var want []string
		for p := range s.world.roster.all() {
			hit := strings.Contains(strings.ToLower(p.Summary.Name), strings.ToLower(q))
			for _, tag := range p.TagNames {
				hit = hit || strings.Contains(strings.ToLower(tag), strings.ToLower(q))
			}
			if hit {
				want = append(want, p.ID)
			}
		}
		var got []string
		for _, p := range s.world.roster.search(strings.ToLower(q)) {
			got = append(got, p.ID)
		}
		require.Equal(t, want, got, q)
	}
	for i := 0; i < s.world.roster.count; i += 97 {
		var want []*profile
		n := 0
		for p := range s.world.roster.all() {
			if n >= i && n < i+50 {
				want = append(want, p)
			}
			n++
		}
		require.Len(t, s.world.roster.page(i, 50), len(want))
		require.Same(t, want[0], s.world.roster.page(i, 50)[0])
	}
	for _, p := range s.world.roster.of([]string{"APPLICANT", "INACTIVE_APPLICANT"}) {
		require.Contains(t, []string{"APPLICANT", "INACTIVE_APPLICANT"}, p.category())
	}
}

// While the state is written anew, calls go on and nothing is lost.
func TestCompactionBesideCalls(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	file := openKept(t, path)
	s := New(WithSeed(3), WithoutRateLimits(), WithRecorder(0, 0))
	require.NoError(t, s.KeepIn(file))
	ids := s.MakeUp(300)
	s.world.mu.Lock()
	file.small = true
	s.world.mu.Unlock()
	for i := range 120 {
		id := ids[i*7%len(ids)]
		switch {
		case i%10 == 0 && s.world.state.Profiles[id] != nil:
			ask(t, s, http.MethodPost, "/profiles/"+id+"/delete", `{"confirm_id":"`+id+`"}`)
		case i%2 == 0:
			ask(t, s, http.MethodPost, "/profiles",
				fmt.Sprintf(`{"role":"INDIVIDUAL_CUSTOMER","collected_data":{"entity_type":"INDIVIDUAL","n":%d}}`, i))
		default:
			ask(t, s, http.MethodPost, "/profiles/"+ids[i*11%50]+"/tags", fmt.Sprintf(`{"name":"tag %d"}`, i))
		}
		if i%10 == 0 {
			ids = append(ids[:i*7%len(ids)], ids[i*7%len(ids)+1:]...)
		}
	}
	require.Positive(t, file.compacted.Load())
	s.Close()
	want, err := s.Snapshot()
	require.NoError(t, err)
	require.NoError(t, file.Close())
	again := New(WithSeed(4), WithoutRateLimits(), WithRecorder(0, 0))
	defer again.Close()
	file = openKept(t, path)
	require.NoError(t, again.KeepIn(file))
	got, err := again.Snapshot()
	require.NoError(t, err)
	var a, b struct{ State any }
	require.NoError(t, decodeState(want, &a))
	require.NoError(t, decodeState(got, &b))
	require.Equal(t, a, b)
	again.Close()
	require.NoError(t, file.Close())
}

// slowToCompact begins a compaction once a call was answered.
type slowToCompact struct {
	*keptFile
	begins   sync.Once
	answered chan struct{}
	late     atomic.Bool
}

func (f *slowToCompact) Compact() (Compaction, error) {
	f.begins.Do(func() {
		select {
		case <-f.answered:
		case <-time.After(10 * time.Second):
			f.late.Store(true)
		}
	})
	return f.keptFile.Compact()
}

// No call waits while a compaction begins: it makes a file.
func TestCompactionBeginsBesideCalls(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	file := &slowToCompact{keptFile: openKept(t, path), answered: make(chan struct{})}
	file.small = true
	s := New()
	require.NoError(t, s.KeepIn(file))
	person := string(encode(object{"role": "INDIVIDUAL_CUSTOMER", "collected_data": madeUpPerson(1)}))
	id := idIn(t, ask(t, s, "POST", "/profiles", person))
	close(file.answered)
	require.NoError(t, s.Reset(), "waits for the compaction")
	require.False(t, file.late.Load())
	again := idIn(t, ask(t, s, "POST", "/profiles", person))
	s.Close()
	require.NoError(t, file.Close())

	reopened := New()
	t.Cleanup(reopened.Close)
	kept := openKept(t, path)
	t.Cleanup(func() { require.NoError(t, kept.Close()) })
	require.NoError(t, reopened.KeepIn(kept))
	require.Nil(t, reopened.world.state.Profiles[id])
	require.NotNil(t, reopened.world.state.Profiles[again])
}
