package passforttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rehearsal is how many profiles PASSFORT_SIM_REHEARSAL asks for.
func rehearsal(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("PASSFORT_SIM_REHEARSAL"))
	if err != nil {
		t.Skip("PASSFORT_SIM_REHEARSAL is not a number of profiles")
	}
	return n
}

// TestRehearsal seeds many profiles over HTTP, a tenth of them companies with
// people, into a server that keeps them in a file, and measures what a user who
// rehearses a migration would notice.
func TestRehearsal(t *testing.T) {
	n := rehearsal(t)
	path := filepath.Join(t.TempDir(), "state")
	file := openKept(t, path)
	before := heapInUse()
	s := NewServer(WithoutRateLimits(), WithRecorder(0, 0))
	require.NoError(t, s.KeepIn(file))
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	c := &seeder{t, s, hc, atomic.Int64{}}
	c.seed(1_000)
	small := c.times()
	began := time.Now()
	c.seed(n - 1_000)
	t.Logf("%d profiles over HTTP, kept in a file: %.1f s", n, time.Since(began).Seconds())
	t.Logf("longest of these calls: %v", time.Duration(c.longest.Load()))
	large := c.times()
	for _, name := range sortedNames(small) {
		t.Logf("%-20s at 1,000: %v, at %d: %v (%.2f x)", name, small[name], n, large[name],
			float64(large[name])/float64(small[name]))
	}
	t.Logf("memory for each profile: %d bytes", (heapInUse()-before)/uint64(n))

	c.longest.Store(0)
	compacted := file.compacted.Load()
	s.world.mu.Lock()
	file.small = true
	s.world.mu.Unlock()
	began = time.Now()
	for file.compacted.Load() < compacted+2 { // the first has ended when the second begins
		c.seed(20)
	}
	t.Logf("written anew beside calls in %v, longest call meanwhile %v", time.Since(began),
		time.Duration(c.longest.Load()))
	hc.CloseIdleConnections()
	s.Close()
	require.NoError(t, file.Close())

	info, err := os.Stat(path)
	require.NoError(t, err)
	began = time.Now()
	file = openKept(t, path)
	again := New(WithoutRateLimits(), WithRecorder(0, 0))
	require.NoError(t, again.KeepIn(file))
	t.Logf("opened from a file of %d MB in %.1f s", info.Size()>>20, time.Since(began).Seconds())
	require.GreaterOrEqual(t, again.world.roster.count, n)
	again.Close()
	require.NoError(t, file.Close())
}

type seeder struct {
	t       *testing.T
	s       *Server
	hc      *http.Client
	longest atomic.Int64
}

func (c *seeder) call(method, path string, body any) []byte {
	began := time.Now()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.s.URL()+path, bytes.NewReader(encode(body)))
	require.NoError(c.t, err)
	req.Header.Set("apikey", c.s.APIKey())
	resp, err := c.hc.Do(req)
	require.NoError(c.t, err)
	var answer bytes.Buffer
	answer.Grow(int(max(resp.ContentLength, 0)) + bytes.MinRead)
	_, err = answer.ReadFrom(resp.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, resp.Body.Close())
	raw := answer.Bytes()
	require.Equal(c.t, http.StatusOK, resp.StatusCode, "%s %s: %s", method, path, raw)
	took := int64(time.Since(began))
	for was := c.longest.Load(); took > was && !c.longest.CompareAndSwap(was, took); was = c.longest.Load() {
	}
	return raw
}

func (c *seeder) create(role string, data object, applications ...object) string {
	var made struct{ ID string }
	raw := c.call(http.MethodPost, "/profiles", object{
		"role": role, "collected_data": data, "applications": orEmpty(applications),
	})
	require.NoError(c.t, json.Unmarshal(raw, &made))
	return made.ID
}

// seed creates n profiles with 64 callers, ten at a time: seven people and a company
// with two.
func (c *seeder) seed(n int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := next.Add(10) - 10; i < int64(n); i = next.Add(10) - 10 {
				product := object{"product": object{"alias": "standard"}}
				for k := range 7 {
					c.create("INDIVIDUAL_CUSTOMER", madeUpPerson(int(i)+k), product)
				}
				link := func() []object {
					return []object{
						{"entity_type": "INDIVIDUAL", "linked_profile": object{
							"id": c.create("INDIVIDUAL_ASSOCIATED", madeUpPerson(int(i))),
						}},
					}
				}
				c.create("COMPANY_CUSTOMER", object{
					"entity_type": "COMPANY", "metadata": object{"name": fmt.Sprintf("Simulated Holdings %d Ltd", i)},
					"officers": object{"directors": link()}, "ownership_structure": object{"shareholders": link()},
				}, product)
			}
		})
	}
	wg.Wait()
}

// times measures calls, the median of many each.
func (c *seeder) times() map[string]time.Duration {
	person := c.create("INDIVIDUAL_CUSTOMER", madeUpPerson(1))
	associate := c.create("INDIVIDUAL_ASSOCIATED", madeUpPerson(2))
	c.create("COMPANY_CUSTOMER", object{
		"entity_type": "COMPANY", "officers": object{
			"directors": []object{{"linked_profile": object{"id": associate}}},
		},
	})
	rare := c.create("INDIVIDUAL_CUSTOMER", object{
		"entity_type": "INDIVIDUAL", "personal_details": object{"name": object{"family_name": "Xyzzyq"}},
	})
	out := map[string]time.Duration{}
	for name, call := range map[string]func(){
		"create":           func() { c.create("INDIVIDUAL_CUSTOMER", madeUpPerson(3)) },
		"create associate": func() { c.create("INDIVIDUAL_ASSOCIATED", madeUpPerson(3)) },
		"get":              func() { c.call(http.MethodGet, "/profiles/"+rare, nil) },
		"get associate":    func() { c.call(http.MethodGet, "/profiles/"+associate, nil) },
		"write":            func() { c.call(http.MethodPost, "/profiles/"+person+"/collected_data", madeUpPerson(4)) },
		"list, ten":        func() { c.call(http.MethodGet, "/profiles?limit=10&offset=500", nil) },
		"search, one hit":  func() { c.call(http.MethodGet, "/profiles?q=xyzzyq", nil) },
		"create and delete": func() {
			id := c.create("INDIVIDUAL_CUSTOMER", madeUpPerson(5))
			c.call(http.MethodPost, "/profiles/"+id+"/delete", object{"confirm_id": id})
		},
	} {
		var took []time.Duration
		for range 200 {
			began := time.Now()
			call()
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		out[name] = took[len(took)/2].Round(time.Microsecond)
	}
	return out
}

func sortedNames(m map[string]time.Duration) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestRehearsalOfWebhooks delivers a backlog of three messages for each profile,
// in batches, and measures each tenth of it.
func TestRehearsalOfWebhooks(t *testing.T) {
	n := 3 * rehearsal(t)
	for _, batching := range []bool{true, false} {
		var got atomic.Int64
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			got.Add(1)
		}))
		s := New(WithWebhookPace(0), WithRecorder(0, 0))
		ids := s.MakeUp(100)
		s.Refuse(true)
		s.world.mu.Lock()
		s.world.out.configure(endpoint{url: "x", batching: batching}) // queues, and sends nothing yet
		for i := range n {
			s.world.emit(s.world.state.Profiles[ids[i%100]], portal(), "COLLECTED_DATA_UPDATED", object{
				"old_data": s.world.state.Profiles[ids[0]].Data, "new_data": nil,
			})
		}
		s.world.mu.Unlock()
		s.SetWebhook(receiver.URL, "secret", batching)
		began, last := time.Now(), 0
		for tenth := 1; tenth <= 10; tenth++ {
			at := time.Now()
			for {
				s.world.mu.Lock()
				_, sent := s.world.out.counts()
				moved := s.world.moved
				s.world.mu.Unlock()
				if sent >= n/10*tenth {
					t.Logf("batching %v, backlog %d: %.0f a second", batching, n-last,
						float64(sent-last)/time.Since(at).Seconds())
					last = sent
					break
				}
				<-moved
			}
		}
		require.NoError(t, s.WaitWebhooks(context.Background()))
		t.Logf("batching %v: %d messages in %d requests, %.0f a second", batching, n, got.Load(),
			float64(n)/time.Since(began).Seconds())
		s.Close()
		receiver.Close()
	}
}
