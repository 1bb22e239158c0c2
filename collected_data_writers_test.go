package passfort_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
)

func TestUpdateAgainstAnotherWriter(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		switches passforttest.Switches
		gets     int
		posts    int
	}{
		{"latest data and ETag in the answer", passforttest.Switches{}, 1, 2},
		{"single quoted ETags", passforttest.Switches{SingleQuotedETags: true}, 1, 2},
		{"no ETag in the answer", passforttest.Switches{PreconditionWithoutETag: true}, 2, 2},
		{"an error envelope in the answer", passforttest.Switches{PreconditionEnvelope: true}, 2, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sim, c, id := simulated(t, passforttest.WithSwitches(row.switches))

			runs := 0
			got, err := c.CollectedData.Update(t.Context(), id, func(d *passfort.EntityData) error {
				if runs++; runs == 1 {
					_, err := sim.EditCollectedData(id, func(data map[string]any) { data["customer_ref"] = "portal" })
					require.NoError(t, err)
				}
				d.PersonalDetails.DOB = "1990-02-03"
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, 2, runs)
			require.Equal(t, "portal", got.CustomerRef)
			require.Equal(t, "1990-02-03", got.PersonalDetails.DOB)
			require.Equal(t, row.gets, sim.Count("CollectedData.Get"))
			require.Equal(t, row.posts, sim.Count("CollectedData.Replace"))
			_, etag := sim.CollectedData(id)
			require.Equal(t, etag, got.ETag)
		})
	}
}

func TestUpdateThatLosesEveryRace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			status := http.StatusOK
			if r.Method == http.MethodPost {
				writes++
				status = http.StatusPreconditionFailed
			}
			return answered(status, fmt.Sprintf(`{"entity_type":"INDIVIDUAL","customer_ref":"%d"}`, writes), "Etag",
				fmt.Sprint(writes)), nil
		})
		_, err := clientOn(t, transport).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
			d.CustomerRef += "!"
			return nil
		})
		require.ErrorIs(t, err, passfort.ErrPreconditionFailed)
		var conflict *passfort.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, "50", conflict.Latest.CustomerRef)
		require.Equal(t, 50, writes)
		require.False(t, conflict.Stuck)
	})
}

func TestCancelledInTheMiddleOfARace(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			return answered(412, `{"entity_type":"INDIVIDUAL"}`, "Etag", `W/"1"`), nil
		}
		return answered(200, `{"entity_type":"INDIVIDUAL"}`, "Etag", `W/"1"`), nil
	})
	_, err := clientOn(t, transport).CollectedData.Update(ctx, pid, func(d *passfort.EntityData) error {
		d.CustomerRef = "x"
		return nil
	})
	require.Error(t, err)
}

// An update that waited for another one of the same client goes on from what that
// stored, and one that came later reads for itself.
func TestUpdatesHandOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := passforttest.New()
		defer sim.Close()
		c := sim.Client(quick)
		id := newPerson(t, sim, c)
		var wg sync.WaitGroup
		const writers = 16
		started := make(chan struct{})
		first := sync.OnceFunc(func() { close(started) })
		for i := range writers {
			wg.Go(func() {
				_, err := c.CollectedData.Update(t.Context(), id, func(d *passfort.EntityData) error {
					first()
					return appendAddress(fmt.Sprint(i, " High Street"))(d)
				})
				require.NoError(t, err)
			})
			<-started
		}
		wg.Wait()
		require.Equal(t, writers, sim.Count("CollectedData.Replace"))
		require.Less(t, sim.Count("CollectedData.Get"), writers/2)
		stored, err := c.CollectedData.Get(t.Context(), id)
		require.NoError(t, err)
		require.Len(t, stored.AddressHistory, writers)

		before := sim.Count("CollectedData.Get")
		_, err = c.CollectedData.Update(t.Context(), id, appendAddress("later"))
		require.NoError(t, err)
		require.Equal(t, before+1, sim.Count("CollectedData.Get"))
	})
}

// TestUpdateInsideAnUpdate: updates of one profile take turns, and one that is
// made by the change function of another still gets through.
func TestUpdateInsideAnUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &stored{doc: person}
		c := clientOn(t, server)
		inside := false
		got, err := c.CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
			d.CustomerRef = "outer"
			if inside {
				return nil
			}
			inside = true
			return failed(c.CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
				d.ContactDetails = &passfort.ContactDetails{Email: "inner@example.com"}
				return nil
			}))
		})
		require.NoError(t, err)
		require.Equal(t, "outer", got.CustomerRef)
		require.Equal(t, "inner@example.com", got.ContactDetails.Email)

		// A turn is not waited for longer than the context lives.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err = c.CollectedData.Update(t.Context(), pid, func(*passfort.EntityData) error {
			return failed(c.CollectedData.Update(ctx, pid, func(*passfort.EntityData) error { return nil }))
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Millisecond, time.Since(start))
	})
}

// An update that races keeps its turn: the others of its Client do not join the race,
// however long it takes.
func TestManyWritersInSeveralProcesses(t *testing.T) {
	t.Parallel()
	for clients, most := range map[int]float64{1: 1.1, 4: 1.7, 8: 2.3} {
		t.Run(fmt.Sprint(clients), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const writers, each = 32, 20
				var mu sync.Mutex
				requests, version := 0, 0
				data := []byte(`{"entity_type":"COMPANY"}`)
				var all []*passfort.Client
				for range clients {
					all = append(all, clientOn(t, roundTrip(func(r *http.Request) (*http.Response, error) {
						<-time.After(10 * time.Millisecond) // of the bubble, on the way there and back
						defer func() { <-time.After(10 * time.Millisecond) }()
						mu.Lock()
						defer mu.Unlock()
						requests++
						status := http.StatusOK
						switch {
						case r.Method == http.MethodGet:
						case r.Header.Get("If-Match") != fmt.Sprint(version):
							status = http.StatusPreconditionFailed
						default:
							version++
							var err error
							if data, err = io.ReadAll(r.Body); err != nil {
								return nil, err
							}
						}
						return answered(status, string(data), "Etag", fmt.Sprint(version)), nil
					})))
				}
				var wg sync.WaitGroup
				for i := range writers {
					wg.Go(func() {
						for n := range each {
							_, err := all[i%clients].CollectedData.Update(t.Context(), pid,
								func(d *passfort.EntityData) error {
									return d.Unknown.Set(fmt.Sprint(i, "_", n), true)
								})
							assert.NoError(t, err)
						}
					})
				}
				wg.Wait()
				require.Equal(t, writers*each, version)
				var d passfort.EntityData
				require.NoError(t, d.UnmarshalJSON(data))
				require.Equal(t, writers*each, d.Unknown.Len())
				require.LessOrEqual(t, float64(requests)/(writers*each), most)
			})
		})
	}
}

func TestConcurrentWritersLoseNothing(t *testing.T) {
	t.Parallel()
	const writers, appends = 32, 20
	for _, row := range []struct {
		name    string
		clients int // 1: they take turns; as many as writers: like that many processes
		most    int // requests for an update, on average
	}{
		{"through one client", 1, 3},
		{"through a client each", writers, 2 * writers},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sim := passforttest.NewServer(passforttest.WithoutRateLimits(), passforttest.WithSeed(rand.Uint64()))
			t.Cleanup(sim.Close)
			clients := make([]*passfort.Client, row.clients)
			for i := range clients {
				clients[i] = sim.Client(quick)
			}
			id := newPerson(t, sim, clients[0])
			sim.Inject(passforttest.Fault{
				Operation: "CollectedData.Replace", DropAfterWrite: true, Probability: 0.05, Times: -1,
			})

			var wg sync.WaitGroup
			var unknown sync.Map
			for w := range writers {
				wg.Go(func() {
					for n := range appends {
						number := fmt.Sprintf("%d-%d", w, n)
						_, err := clients[w%row.clients].CollectedData.Update(t.Context(), id,
							func(d *passfort.EntityData) error {
								d.DocumentsMetadata = append(d.DocumentsMetadata, passfort.DocumentMetadata{
									Number: number,
								})
								return nil
							})
						if errors.Is(err, passfort.ErrOutcomeUnknown) {
							unknown.Store(number, true)
						} else if err != nil {
							t.Errorf("%s: %v", number, err)
						}
					}
				})
			}
			wg.Wait()
			sim.ClearFaults()

			data, err := clients[0].CollectedData.Get(t.Context(), id)
			require.NoError(t, err)
			found := map[string]int{}
			for _, metadata := range data.DocumentsMetadata {
				found[metadata.Number]++
			}
			for w := range writers {
				for n := range appends {
					number := fmt.Sprintf("%d-%d", w, n)
					if _, reported := unknown.Load(number); !reported {
						require.Equal(t, 1, found[number], number)
					}
					require.LessOrEqual(t, found[number], 1, number)
				}
			}
			gets, posts := sim.Count("CollectedData.Get"), sim.Count("CollectedData.Replace")
			t.Logf("%d updates: %d GET, %d POST", writers*appends, gets, posts)
			require.LessOrEqual(t, gets+posts, row.most*writers*appends)
		})
	}
}

// Clients in processes of their own that fight over one profile all get through, and
// none of them writes more than 50 times for one change.
func TestContention(t *testing.T) {
	clients, changes := 8, 10
	if os.Getenv("PASSFORT_LONG") != "" {
		clients, changes = 32, 20
	}
	if base := os.Getenv("PASSFORT_CONTENDER"); base != "" {
		contend(t, base, os.Getenv("PASSFORT_CONTENDER_PROFILE"), changes)
		return
	}
	sim := passforttest.NewServer(passforttest.WithoutRateLimits())
	t.Cleanup(sim.Close)
	id := newPerson(t, sim, sim.Client(quick))
	self, err := os.Executable()
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			process := exec.CommandContext(t.Context(), self, "-test.run=^TestContention$", "-test.count=1")
			process.Env = append(os.Environ(), "PASSFORT_CONTENDER="+sim.URL(), "PASSFORT_CONTENDER_PROFILE="+id,
				"PASSFORT_CONTENDER_KEY="+sim.APIKey())
			out, err := process.CombinedOutput()
			assert.NoError(t, err, string(out))
		})
	}
	wg.Wait()
	stored, err := sim.Client().CollectedData.Get(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, stored.AddressHistory, clients*changes)
	t.Logf("%.2f writes for each change", float64(sim.Count("CollectedData.Replace"))/float64(clients*changes))
}

// contend is one of the processes.
func contend(t *testing.T, base, profileID string, changes int) {
	t.Helper()
	writes := &counter{operation: "CollectedData.Replace"}
	c, err := passfort.New(os.Getenv("PASSFORT_CONTENDER_KEY"), passfort.WithBaseURL(base), quick,
		passfort.WithObserver(writes))
	require.NoError(t, err)
	for i := range changes {
		before := writes.attempts.Load()
		_, err := c.CollectedData.Update(t.Context(), profileID,
			appendAddress(fmt.Sprintf("%d-%d Fought Street", os.Getpid(), i)))
		require.NoError(t, err)
		require.LessOrEqual(t, writes.attempts.Load()-before, int64(50))
	}
}

// counter counts the attempts of an operation.
type counter struct {
	operation string
	attempts  atomic.Int64
}

func (c *counter) CallStarted(ctx context.Context, _ passfort.CallInfo) context.Context { return ctx }

func (c *counter) AttemptEnded(_ context.Context, a passfort.AttemptInfo) {
	if a.Operation == c.operation {
		c.attempts.Add(1)
	}
}

func (c *counter) CallEnded(context.Context, passfort.CallResult) {}
