package passfort_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/internal/wire/wiretest"
	"github.com/passfort-go/passfort/passforttest"
)

// stored is a transport that keeps one document, as the API keeps collected
// data, and nothing else.
type stored struct {
	doc     string
	version int
	posts   int
}

func (s *stored) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		s.posts++
		if r.Header.Get("If-Match") != s.etag() {
			return answered(412, s.doc, "Etag", s.etag()), nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.doc = string(body)
		s.version++
	}
	return answered(200, s.doc, "Etag", s.etag()), nil
}

func (s *stored) etag() string { return fmt.Sprintf(`W/"%d.5"`, s.version) }

// TestUpdateLosesNothing sends 10,000 random documents through Get, a change
// of one field, and Post: the document plus that field must arrive.
func TestUpdateLosesNothing(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	source := wiretest.New(seed, 0.15)
	documents := 10_000
	if testing.Short() {
		documents = 300
	}
	for i := range documents {
		doc := withType(t, source.Object(reflect.TypeFor[passfort.EntityData](), 5))
		server := &stored{doc: doc}
		ref := fmt.Sprint("ref-", i)
		_, err := clientOn(t, server).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
			d.CustomerRef = ref
			return nil
		})
		require.NoError(t, err, "seed %d, document %d: %s", seed, i, doc)
		want := tree(t, doc).(map[string]any)
		want["customer_ref"] = ref
		require.Equal(t, want, tree(t, server.doc), "seed %d, document %d", seed, i)
	}
}

// withType returns a document with an entity type, without which it is not all of
// the data.
func withType(t *testing.T, doc string) string {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(doc), &members))
	members["entity_type"] = json.RawMessage(`"INDIVIDUAL"`)
	whole, err := json.Marshal(members)
	require.NoError(t, err)
	return string(whole)
}

// A name that was cut inside an emoji neither hides the data nor changes with it.
func TestUpdateBesideBrokenText(t *testing.T) {
	t.Parallel()
	server := &stored{
		doc: `{"entity_type":"INDIVIDUAL","personal_details":{"name":{"family_name":"Doe \ud83d"}},"new":"\ud83d"}`,
	}
	_, err := clientOn(t, server).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
		require.Equal(t, "Doe \ufffd", d.PersonalDetails.Name.FamilyName)
		d.PersonalDetails.Nationality = "GBR"
		return nil
	})
	require.NoError(t, err)
	require.Equal(
		t, `{"entity_type":"INDIVIDUAL","personal_details":{"name":{"family_name":"Doe \ud83d"},"nationality":"GBR"},`+
			`"new":"\ud83d"}`, server.doc,
	)
	var d passfort.EntityData
	require.NoError(t, json.Unmarshal([]byte(server.doc), &d))
	out, err := json.Marshal(&d)
	require.NoError(t, err)
	require.Equal(t, server.doc, string(out))
}

func TestUpdateWithoutChangeSendsNothing(t *testing.T) {
	t.Parallel()
	server := &stored{doc: `{"entity_type":"INDIVIDUAL","customer_ref":"","x":null}`}
	got, err := clientOn(t, server).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
		d.CustomerRef = ""
		return nil
	})
	require.NoError(t, err)
	require.Zero(t, server.posts)
	require.Equal(t, `W/"0.5"`, got.ETag)
	require.Equal(t, passfort.EntityTypeIndividual, got.EntityType)
}

// A POST replaces everything, so data that was made anew would take the rest away.
func TestDataWithoutItsTypeIsNotSent(t *testing.T) {
	t.Parallel()
	server := &stored{doc: `{"entity_type":"INDIVIDUAL","customer_ref":"a"}`}
	c := clientOn(t, server)
	_, err := c.CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
		*d = passfort.EntityData{CustomerRef: "b"}
		return nil
	})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	_, err = c.CollectedData.Replace(t.Context(), pid, &passfort.CollectedData{ETag: server.etag()})
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	_, err = c.CollectedData.Replace(t.Context(), pid, &passfort.CollectedData{}, passfort.Overwrite())
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	require.Equal(t, `{"entity_type":"INDIVIDUAL","customer_ref":"a"}`, server.doc)
}

func TestUpdateReturnsTheErrorOfTheChange(t *testing.T) {
	t.Parallel()
	server := &stored{doc: `{"entity_type":"INDIVIDUAL"}`}
	refuse := errors.New("not this one")
	_, err := clientOn(t, server).CollectedData.Update(t.Context(), pid, func(*passfort.EntityData) error {
		return refuse
	})
	require.Equal(t, refuse, err)
	require.Zero(t, server.posts)
}

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
			sim := passforttest.NewServer(passforttest.WithSwitches(row.switches))
			t.Cleanup(sim.Close)
			c := sim.Client(quick)
			id := newPerson(t, sim, c)

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

func appendAddress(text string) func(*passfort.EntityData) error {
	return func(d *passfort.EntityData) error {
		d.AddressHistory = append(d.AddressHistory, passfort.DatedAddress{
			Address: &passfort.Address{Type: passfort.AddressTypeFreeform, Country: "GBR", Text: text},
		})
		return nil
	}
}

func TestUpdateAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		lose passforttest.Fault
	}{
		{"applied, then reset", passforttest.Fault{DropAfterWrite: true}},
		{"applied, then reset at every attempt", passforttest.Fault{DropAfterWrite: true, Times: 3}},
		{"reset before it was applied", passforttest.Fault{DropBeforeWrite: true}},
		{"applied, then 503", passforttest.Fault{AfterWrite: true, Status: 503}},
		{"applied, answer cut", passforttest.Fault{Truncate: true}},
		{"applied, answer not JSON", passforttest.Fault{AfterWrite: true, Body: []byte("<html>")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sim := passforttest.NewServer()
			t.Cleanup(sim.Close)
			c := sim.Client(quick)
			id := newPerson(t, sim, c)
			row.lose.Operation = "CollectedData.Replace"
			sim.Inject(row.lose)
			got, err := c.CollectedData.Update(t.Context(), id, appendAddress("1 Sample Street, Sampletown"))
			require.NoError(t, err)
			require.Len(t, got.AddressHistory, 1)
			data, etag := sim.CollectedData(id)
			require.Equal(t, 1, strings.Count(string(data), "1 Sample Street, Sampletown"))
			require.Equal(t, etag, got.ETag)
		})
	}
}

// TestUpdateCannotTell: the answer is lost, and then another writer stores what
// hides whether our write was done.
func TestUpdateCannotTell(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		applied bool
	}{{"it was done", true}, {"it was not done", false}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			server := &stored{doc: `{"entity_type":"INDIVIDUAL","customer_ref":"a"}`}
			lost := false
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && !lost {
					lost = true
					if row.applied {
						_, err := server.RoundTrip(r)
						require.NoError(t, err)
					}
					server.doc = `{"entity_type":"INDIVIDUAL","customer_ref":"theirs"}`
					server.version++
					return nil, io.ErrUnexpectedEOF
				}
				return server.RoundTrip(r)
			})
			_, err := clientOn(t, transport).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
				d.CustomerRef = "ours"
				return nil
			})
			require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
			var conflict *passfort.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, "theirs", conflict.Latest.CustomerRef)
			require.Equal(t, server.etag(), conflict.Latest.ETag)
			require.Equal(t, `{"entity_type":"INDIVIDUAL","customer_ref":"theirs"}`, server.doc,
				"nothing is written over it")
		})
	}
}

// What is there now may make the change needless, or make it fail.
func TestUpdateThatIsNotNeededAnyMore(t *testing.T) {
	t.Parallel()
	cause := errors.New("not with theirs")
	for _, row := range []struct {
		name  string
		again func(*passfort.EntityData) error
		ok    bool
	}{
		{"needless", func(*passfort.EntityData) error { return nil }, true},
		{"fails", func(*passfort.EntityData) error { return cause }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			server := &stored{doc: `{"entity_type":"INDIVIDUAL"}`}
			lost := false
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && !lost {
					lost = true
					server.doc = `{"entity_type":"INDIVIDUAL","customer_ref":"theirs"}`
					server.version++
					return nil, io.ErrUnexpectedEOF
				}
				return server.RoundTrip(r)
			})
			got, err := clientOn(t, transport).CollectedData.Update(t.Context(), pid,
				func(d *passfort.EntityData) error {
					if d.CustomerRef != "" {
						return row.again(d)
					}
					d.CustomerRef = "ours"
					return nil
				})
			if row.ok {
				require.NoError(t, err)
				require.Equal(t, "theirs", got.CustomerRef)
				return
			}
			require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
			var conflict *passfort.ConflictError
			require.ErrorAs(t, err, &conflict)
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

// A 412 that is no race comes out the same way again: at most two writes.
func TestUpdateThatIsStuck(t *testing.T) {
	t.Parallel()
	const data = `{"entity_type":"INDIVIDUAL","customer_ref":"theirs"}`
	for _, row := range []struct {
		name   string
		etag   func(asked int) string // of an answer to GET
		refuse func(r *http.Request, asked int) *http.Response
		writes int
	}{
		{"the very ETag that was sent", func(int) string { return `"5"` }, func(r *http.Request, _ int) *http.Response {
			return answered(412, data, "Etag", r.Header.Get("If-Match"))
		}, 1},
		{"an error item", func(int) string { return `"5"` }, func(*http.Request, int) *http.Response {
			return answered(412, `{"errors":[{"code":201}]}`, "Etag", `"5"`)
		}, 1},
		{"no body", func(int) string { return `"5"` }, func(*http.Request,
			int) *http.Response {
			return answered(412, ``)
		}, 1},
		{"HTML", func(int) string { return `"5"` }, func(*http.Request,
			int) *http.Response {
			return answered(412, `<html>`)
		}, 1},
		{"weakened by a gateway", func(int) string { return `W/"5"` }, func(*http.Request, int) *http.Response {
			return answered(412, data, "Etag", `W/"5"`)
		}, 1},
		{"a suffix on what is read", func(int) string { return `"5-gzip"` }, func(*http.Request, int) *http.Response {
			return answered(412, data, "Etag", `"5-gzip"`)
		}, 1},
		{"another ETag for the same data, always", func(asked int) string { return fmt.Sprintf(`"5-%d"`, asked) },
			func(_ *http.Request, asked int) *http.Response {
				return answered(412, data, "Etag", fmt.Sprintf(`"6-%d"`, asked))
			}, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			writes, asked := 0, 0
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				asked++
				if r.Method == http.MethodPost {
					writes++
					return row.refuse(r, asked), nil
				}
				return answered(200, data, "Etag", row.etag(asked)), nil
			})
			_, err := clientOn(t, transport).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
				d.CustomerRef = "ours"
				return nil
			})
			require.ErrorIs(t, err, passfort.ErrPreconditionFailed)
			var conflict *passfort.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.True(t, conflict.Stuck)
			require.Equal(t, "theirs", conflict.Latest.CustomerRef)
			require.Equal(t, row.writes, writes)
			require.ErrorContains(t, err, "changes ETags")
		})
	}
}

// A gateway that knows the strong form of an ETag only, but gives the weak one
// for the read, is met with the form of its refusal.
func TestUpdateTakesTheETagOfTheRefusal(t *testing.T) {
	t.Parallel()
	posts := 0
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "identity", r.Header.Get("Accept-Encoding"), "nothing is to compress")
		if r.Method == http.MethodGet {
			return answered(200, `{"entity_type":"INDIVIDUAL"}`, "Etag", `W/"5"`), nil
		}
		if posts++; r.Header.Get("If-Match") == `W/"5"` {
			return answered(412, `{"entity_type":"INDIVIDUAL"}`, "Etag", `"5"`), nil
		}
		return answered(200, `{"entity_type":"INDIVIDUAL","customer_ref":"ours"}`, "Etag", `"6"`), nil
	})
	got, err := clientOn(t, transport).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
		d.CustomerRef = "ours"
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 2, posts)
	require.Equal(t, `"6"`, got.ETag)
}

// The ETag * is every version, so it is no precondition.
func TestReplaceOfEveryVersion(t *testing.T) {
	t.Parallel()
	server := &stored{doc: `{"entity_type":"INDIVIDUAL"}`}
	data := &passfort.CollectedData{EntityData: *passfort.NewIndividual(), ETag: "*"}
	_, err := clientOn(t, server).CollectedData.Replace(t.Context(), pid, data)
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	require.ErrorContains(t, err, "give Overwrite")
	require.Zero(t, server.posts)
}

// Replace says so where the data is unchanged.
func TestReplaceThatIsStuck(t *testing.T) {
	t.Parallel()
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			return answered(412, `{"entity_type":"INDIVIDUAL"}`, "Etag", `"5"`), nil
		}
		return answered(200, `{"entity_type":"INDIVIDUAL"}`, "Etag", `"5"`), nil
	})
	data := &passfort.CollectedData{EntityData: *passfort.NewIndividual(), ETag: `"5"`}
	_, err := clientOn(t, transport).CollectedData.Replace(t.Context(), pid, data)
	var conflict *passfort.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.True(t, conflict.Stuck)
	data.ETag = `"4"`
	_, err = clientOn(t, transport).CollectedData.Replace(t.Context(), pid, data)
	require.ErrorAs(t, err, &conflict)
	require.False(t, conflict.Stuck)
}

// Data without its type is not all of it, also where the server answered so.
func TestUpdateOfNothing(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{`{}`, `{"customer_ref":"a"}`, `{"entity_type":null}`, `{"entity_type":""}`} {
		server := &stored{doc: doc}
		_, err := clientOn(t, server).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
			d.CustomerRef = "ours"
			return nil
		})
		require.ErrorContains(t, err, "no entity type", doc)
		require.Zero(t, server.posts)
	}
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

// TestRemovalThatWasNotDoneIsNotSuccess: data that holds more than what was
// sent does not prove a removal.
func TestRemovalThatWasNotDoneIsNotSuccess(t *testing.T) {
	t.Parallel()
	server := &stored{
		doc: `{"entity_type":"INDIVIDUAL","customer_ref":"a","address_history":[{"start_date":"2001-01"}]}`,
	}
	lost := false
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost && !lost {
			lost = true
			server.doc = strings.Replace(server.doc, `"a"`, `"b"`, 1)
			server.version++
			return nil, io.ErrUnexpectedEOF
		}
		return server.RoundTrip(r)
	})
	_, err := clientOn(t, transport).CollectedData.Update(t.Context(), pid, func(d *passfort.EntityData) error {
		d.AddressHistory = nil
		return nil
	})
	require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
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

func TestReplace(t *testing.T) {
	t.Parallel()
	sim := passforttest.NewServer()
	t.Cleanup(sim.Close)
	c := sim.Client(quick)
	id := newPerson(t, sim, c)
	read, err := c.CollectedData.Get(t.Context(), id)
	require.NoError(t, err)

	mine := *read
	mine.CustomerRef = "mine"
	stored, err := c.CollectedData.Replace(t.Context(), id, &mine)
	require.NoError(t, err)
	require.NotEqual(t, read.ETag, stored.ETag)

	stale := *read
	stale.CustomerRef = "stale"
	_, err = c.CollectedData.Replace(t.Context(), id, &stale)
	require.ErrorIs(t, err, passfort.ErrPreconditionFailed)
	require.NotErrorIs(t, err, passfort.ErrOutcomeUnknown)
	var conflict *passfort.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, "mine", conflict.Latest.CustomerRef)
	require.Equal(t, stored.ETag, conflict.Latest.ETag)

	sim.ForgetRequests()
	stale.ETag = ""
	_, err = c.CollectedData.Replace(t.Context(), id, &stale)
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	_, err = c.CollectedData.Replace(t.Context(), id, nil)
	require.ErrorIs(t, err, passfort.ErrInvalidInput)
	require.Empty(t, sim.Requests())

	stale.ETag = "whatever"
	_, err = c.CollectedData.Replace(t.Context(), id, &stale, passfort.Overwrite())
	require.NoError(t, err)
	require.Empty(t, sim.Requests()[0].Header.Values("If-Match"))

	sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", Status: 503, Times: -1})
	sim.ForgetRequests()
	stale.CustomerRef = "other"
	_, err = c.CollectedData.Replace(t.Context(), id, &stale, passfort.Overwrite())
	require.ErrorIs(t, err, passfort.ErrOutcomeUnknown)
	require.Equal(t, 1, sim.Count("CollectedData.Replace"))
}

func TestReplaceAfterALostAnswer(t *testing.T) {
	t.Parallel()
	sim := passforttest.NewServer()
	t.Cleanup(sim.Close)
	c := sim.Client(quick)
	id := newPerson(t, sim, c)
	read, err := c.CollectedData.Get(t.Context(), id)
	require.NoError(t, err)
	read.CustomerRef = "mine"
	sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", DropAfterWrite: true})
	stored, err := c.CollectedData.Replace(t.Context(), id, read)
	require.NoError(t, err, "the latest data is what was sent")
	require.Equal(t, "mine", stored.CustomerRef)
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
