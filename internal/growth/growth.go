// Package growth counts what operations on n elements cost, in allocations and bytes:
// for the test that holds them to n log n, and for the curves of docs/figures.md.
package growth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"

	"github.com/passfort-go/passfort"
)

// Case is an operation whose cost is to grow as the number of elements does.
type Case struct {
	Name    string
	Prepare func(n int) (run func() error, err error)
}

// Cost is what one run asks for.
type Cost struct{ Allocations, Bytes float64 }

// Of prepares a case with n elements and returns the cost of a run. Nothing else may
// run in the process meanwhile.
func Of(c Case, n int) (Cost, error) {
	run, err := c.Prepare(n)
	if err != nil {
		return Cost{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = run()
	runtime.ReadMemStats(&after)
	return Cost{float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)}, err
}

// Most returns what a run with n elements may cost by n log n, if one with fewer of
// them costs what is given. What a run costs however few they are does not count.
func Most(few int, cost Cost, n int) Cost {
	most := 1.5 * float64(n) / float64(few) * math.Log(float64(n)) / math.Log(float64(few))
	return Cost{most * max(cost.Allocations, 1000), most * max(cost.Bytes, 100_000)}
}

// Cases returns every kind of operation on what a caller can make long.
func Cases() []Case {
	return []Case{
		{"decode", func(n int) (func() error, error) {
			text := addresses(n, "A")
			return func() error { return new(passfort.EntityData).UnmarshalJSON(text) }, nil
		}},
		{"encode", func(n int) (func() error, error) {
			return encode(addresses(n, "A"), func(*passfort.EntityData) {})
		}},
		{"encode what was changed", func(n int) (func() error, error) {
			return encode(addresses(n, "A"), func(e *passfort.EntityData) {
				for i := range e.AddressHistory {
					e.AddressHistory[i].StartDate = "2020-01-01"
				}
			})
		}},
		{"encode a list with one element more and nulls", func(n int) (func() error, error) {
			text := bytes.ReplaceAll(addresses(n, "A"), []byte(`{"address"`), []byte(`null,{"address"`))
			return encode(text, func(e *passfort.EntityData) {
				e.AddressHistory = append(e.AddressHistory, e.AddressHistory[0])
			})
		}},
		{"encode a list of plain values with a null", func(n int) (func() error, error) {
			text := `{"entity_type":"INDIVIDUAL","personal_details":{"name":{"given_names":[null` +
				strings.Repeat(`,"Alex"`, n) + `]}}}`
			return encode([]byte(text), func(e *passfort.EntityData) {
				e.PersonalDetails.Name.GivenNames = append(e.PersonalDetails.Name.GivenNames, "Sam")
			})
		}},
		{"unknown members", func(n int) (func() error, error) {
			return func() error { return unknown(n) }, nil
		}},
		{"changes", func(n int) (func() error, error) { return changes(addresses(n, "A"), addresses(n, "B"), n) }},
		{"changes that are fewer", func(n int) (func() error, error) {
			return changes(addresses(n, "A"), addresses(n/2, "B"), max(n/2, 1))
		}},
		{"equal", func(n int) (func() error, error) { return changes(addresses(n, "A"), addresses(n, "A"), 0) }},
		{"an error", refusal},
		{"problems", func(n int) (func() error, error) {
			var e passfort.EntityData
			err := e.UnmarshalJSON(bytes.ReplaceAll(addresses(n, "A"), []byte("GBR"), []byte("UK")))
			return func() error {
				if found := len(e.Validate()); found != n {
					return fmt.Errorf("%d problems where there are %d", found, n)
				}
				return nil
			}, err
		}},
		{"problems of associates of associates", func(n int) (func() error, error) {
			top := passfort.NewCompany()
			for at := top; n > 0; n-- {
				at.AssociatedEntities = []passfort.AssociatedEntity{{ImmediateData: passfort.NewCompany()}}
				at = at.AssociatedEntities[0].ImmediateData
			}
			return func() error {
				if found := top.Validate(); len(found) > 0 {
					return fmt.Errorf("%d problems where there are none", len(found))
				}
				return nil
			}, nil
		}},
		{"links of associates", links},
		{"ids of associates", func(n int) (func() error, error) {
			a, b := associate(0, n), associate(n, n)
			return func() error {
				if a.Same(b) || !a.Same(a) || len(a.Roles()) != n {
					return errors.New("an associate is taken for another one")
				}
				return nil
			}, nil
		}},
	}
}

// addresses is an individual with n of them.
func addresses(n int, street string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"entity_type":"INDIVIDUAL","address_history":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"address":{"type":"STRUCTURED","country":"GBR","route":"%s %d"},"start_date":null}`,
			street, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func encode(text []byte, change func(*passfort.EntityData)) (func() error, error) {
	var e passfort.EntityData
	if err := e.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	change(&e)
	return func() error {
		_, err := e.MarshalJSON()
		return err
	}, nil
}

func unknown(n int) error {
	var u passfort.Unknown
	for i := range n {
		if err := u.Set(fmt.Sprint("m", i), i); err != nil {
			return err
		}
	}
	for i := range n {
		if _, ok := u.Get(fmt.Sprint("m", i)); !ok {
			return fmt.Errorf("member %d is lost", i)
		}
	}
	met := 0
	for range u.All() {
		met++
	}
	for i := range n {
		u.Delete(fmt.Sprint("m", i))
	}
	if met != n {
		return fmt.Errorf("%d members of %d", met, n)
	}
	return nil
}

// changes looks for them between two individuals, and wants at least some.
func changes(from, to []byte, least int) (func() error, error) {
	c := passfort.CollectedDataChange{Old: new(passfort.EntityData), New: new(passfort.EntityData)}
	if err := errors.Join(c.Old.UnmarshalJSON(from), c.New.UnmarshalJSON(to)); err != nil {
		return nil, err
	}
	return func() error {
		if found := len(c.Changes()); found < least || least == 0 && found > 0 {
			return fmt.Errorf("%d changes where there are %d", found, least)
		}
		return nil
	}, nil
}

// links links n associates, each twice, in up to a thousand calls.
func links(n int) (func() error, error) {
	return func() error {
		company := passfort.NewCompany()
		variants := make([]string, n)
		for i := range variants {
			variants[i] = fmt.Sprint("variant", i)
		}
		for i := range 2 * min(n, 1000) {
			_, err := company.LinkAssociate(passfort.AssociateLink{
				ProfileID: fmt.Sprint("p", i/2), EntityType: passfort.EntityTypeIndividual,
				Role: passfort.AssociatedRoleDirector, TaskVariantIDs: variants[:n/min(n, 1000)],
			})
			if err != nil {
				return err
			}
		}
		if linked := len(company.Officers.Directors); linked != min(n, 1000) {
			return fmt.Errorf("%d associates are linked", linked)
		}
		_, err := company.LinkAssociate(passfort.AssociateLink{
			ProfileID: "p0", EntityType: passfort.EntityTypeIndividual,
			Role: passfort.AssociatedRoleDirector, TaskVariantIDs: variants,
		})
		if has := len(company.Officers.Directors[0].TaskVariantIDs); has != n {
			return fmt.Errorf("%d task variants of %d", has, n)
		}
		return err
	}, nil
}

// associate is one that was merged of n, with as many roles.
func associate(from, n int) passfort.Associate {
	a := passfort.Associate{Entity: &passfort.AssociatedEntity{}}
	for i := range n {
		a.Entity.MergedResolverIDs = append(a.Entity.MergedResolverIDs, fmt.Sprint("resolver", from+i))
		a.Relationships = append(a.Relationships, passfort.AssociateRelationship{
			AssociatedRole: passfort.AssociatedRole(fmt.Sprint("ROLE_", i)),
		})
	}
	return a
}

// refusal is a call that is refused with n reasons.
func refusal(n int) (func() error, error) {
	text := `{"errors":[` + strings.Repeat(`{"code":205,"message":"x","source":"y"},`, n) + `{"code":205}]}`
	client, err := passfort.New("a-key-that-opens-nothing",
		passfort.WithHTTPClient(&http.Client{Transport: refusing(text)}))
	return func() error {
		_, err := client.Profiles.Get(context.Background(), "6a0a7a10-0000-4000-8000-000000000001")
		if err == nil || err.Error() == "" {
			return errors.New("the call was not refused")
		}
		return nil
	}, err
}

// refusing answers each request with status 400 and this text.
type refusing string

// RoundTrip returns the refusal.
func (r refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusBadRequest, Header: http.Header{}, ContentLength: int64(len(r)),
		Body: io.NopCloser(strings.NewReader(string(r))),
	}, nil
}
