package passfort_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

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
			sim, c, id := simulated(t)
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

func TestReplace(t *testing.T) {
	t.Parallel()
	sim, c, id := simulated(t)
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
	sim, c, id := simulated(t)
	read, err := c.CollectedData.Get(t.Context(), id)
	require.NoError(t, err)
	read.CustomerRef = "mine"
	sim.Inject(passforttest.Fault{Operation: "CollectedData.Replace", DropAfterWrite: true})
	stored, err := c.CollectedData.Replace(t.Context(), id, read)
	require.NoError(t, err, "the latest data is what was sent")
	require.Equal(t, "mine", stored.CustomerRef)
}

// What Update returns belongs to the caller, who may change it while the next update
// of the profile in line goes on from the same version.
func TestUpdateReturnsDataOfItsOwn(t *testing.T) {
	t.Parallel()
	sim := passforttest.NewServer()
	t.Cleanup(sim.Close)
	c := sim.Client(quick)
	id := newPerson(t, sim, c)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			data, err := c.CollectedData.Update(t.Context(), id, func(data *passfort.EntityData) error {
				data.AddressHistory = append(data.AddressHistory, passfort.DatedAddress{
					Address: passfort.NewFreeformAddress("GBR", strconv.Itoa(i)+" Sample Street"),
				})
				return nil
			})
			if !assert.NoError(t, err) {
				return
			}
			data.ETag, data.EntityType, data.AddressHistory = "", "", nil
		})
	}
	all.Wait()
	data, err := c.CollectedData.Get(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, data.AddressHistory, 8)
}

// An update decodes what it read once and what it wrote once: it does not run beside
// others.
func TestUpdateDecodesTwice(t *testing.T) {
	large := `{"entity_type":"INDIVIDUAL","address_history":[` +
		strings.Repeat(`{"address":{"type":"FREEFORM","text":"1 Sample Street","country":"GBR"}},`, 500) + `{}]}`
	c := clientOn(t, roundTrip(func(*http.Request) (*http.Response, error) {
		return answered(200, large, "ETag", `"1"`), nil
	}))
	var data *passfort.CollectedData
	get := testing.AllocsPerRun(5, func() {
		var err error
		data, err = c.CollectedData.Get(t.Context(), pid)
		require.NoError(t, err)
	})
	replace := testing.AllocsPerRun(5, func() {
		require.NoError(t, failed(c.CollectedData.Replace(t.Context(), pid, data)))
	})
	encode := testing.AllocsPerRun(5, func() { require.NoError(t, failed(json.Marshal(data))) })
	update := testing.AllocsPerRun(5, func() {
		require.NoError(t, failed(c.CollectedData.Update(t.Context(), pid, func(data *passfort.EntityData) error {
			data.CustomerRef = "changed"
			return nil
		})))
	})
	require.LessOrEqual(t, update, get+replace+encode+100, "get %v, replace %v, encode %v", get, replace, encode)
}
