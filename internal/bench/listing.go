package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/passfort-go/passfort"
)

const pageSize = 200

// registry lists n profiles of about 2 KB, each page after the given latency.
func registry(n int, latency time.Duration) *httptest.Server {
	one := profileJSON("%ID")
	head, tail, _ := bytes.Cut(one, []byte("%ID"))
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		time.Sleep(latency)
		var page bytes.Buffer
		fmt.Fprintf(&page, `{"count":%d,"limit":%d,"offset":%d,"results":[`, n, pageSize, offset)
		for i := offset; i < min(offset+pageSize, n); i++ {
			if i > offset {
				page.WriteByte(',')
			}
			page.Write(head)
			fmt.Fprintf(&page, "6a0a7a10-0000-4000-8000-%012d", i)
			page.Write(tail)
		}
		page.WriteString(`],"hidden":0,"capabilities":{},"associated_results":[]}`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page.Bytes())
	}))
}

// measureListing goes through all profiles.
func measureListing(ctx context.Context, s scale) ([]figure, error) {
	flat, err := listingMemory(ctx, s)
	if err != nil {
		return nil, err
	}
	ahead, err := listingAhead(ctx, s)
	return append(flat, ahead...), err
}

// listingMemory looks at the heap early and late.
func listingMemory(ctx context.Context, s scale) ([]figure, error) {
	srv := registry(s.profiles, 0)
	defer srv.Close()
	client, err := passfort.New(apiKey, passfort.WithBaseURL(srv.URL))
	if err != nil {
		return nil, err
	}
	var early, late uint64
	seen, began := 0, time.Now()
	for _, err := range client.Profiles.All(ctx, &passfort.ProfileListOptions{Limit: pageSize}) {
		if err != nil {
			return nil, err
		}
		switch seen++; seen {
		case s.profiles / 10:
			early = heap()
		case s.profiles * 9 / 10:
			late = heap()
		}
	}
	took := time.Since(began)
	if seen != s.profiles {
		return nil, fmt.Errorf("%d profiles of %d", seen, s.profiles)
	}
	what := fmt.Sprintf("List %d profiles of 2 KB", s.profiles)
	return []figure{
		{what: what + ": memory from the first tenth to the last",
			value: spreadOf(max(0, float64(late)-float64(early)) / 1e6), unit: "MB more", atMost: 1},
		{what: what + ": speed", value: spreadOf(float64(seen) / took.Seconds()), unit: "profiles per second",
			seen: "server included"},
	}, nil
}

// listingAhead compares four pages side by side with one after the other, where a page
// takes 50 ms to come.
func listingAhead(ctx context.Context, s scale) ([]figure, error) {
	const latency, pages, sequential = 50 * time.Millisecond, 40, "one page after the other"
	s.turns, s.rounds, s.turn = 1, min(s.rounds, 3), 1
	srv := registry(pages*pageSize, latency)
	defer srv.Close()
	client, err := passfort.New(apiKey, passfort.WithBaseURL(srv.URL))
	if err != nil {
		return nil, err
	}
	walk := func(ahead int) func(context.Context) error {
		return func(ctx context.Context) error {
			n := 0
			options := passfort.ProfileListOptions{Limit: pageSize, Ahead: ahead}
			for _, err := range client.Profiles.All(ctx, &options) {
				if err != nil {
					return err
				}
				n++
			}
			if n != pages*pageSize {
				return fmt.Errorf("%d profiles of %d", n, pages*pageSize)
			}
			return nil
		}
	}
	rivals := []rival{{name: "SDK", run: walk(4)}, {name: sequential, run: walk(0)}}
	t, err := race(ctx, s, rivals...)
	if err != nil {
		return nil, err
	}
	figures := t.ratios(fmt.Sprintf("List %d pages of 50 ms, four ahead", pages), rivals...)
	promised(figures, sequential, 1.0/3)
	return figures, nil
}
