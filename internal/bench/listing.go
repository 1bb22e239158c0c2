package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/passfort-go/passfort"
)

const pageSize = 200

// registry lists n profiles of about 2 KB, each page after the given latency.
func registry(n int, latency time.Duration) *httptest.Server {
	one := profileJSON("%ID", 2<<10)
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

// listingAhead compares the iterator with one that reads the next page while
// the caller works on this one. A page takes 5 ms to come and 5 ms to work on,
// which is when reading ahead gains most.
func listingAhead(ctx context.Context, s scale) ([]figure, error) {
	const latency = 5 * time.Millisecond
	s.turns, s.rounds, s.turn = min(s.turns, 1), min(s.rounds, 7), 1
	srv := registry(s.profiles/20, latency)
	defer srv.Close()
	client, err := passfort.New(apiKey, passfort.WithBaseURL(srv.URL))
	if err != nil {
		return nil, err
	}
	work := func(profiles iter.Seq2[*passfort.Profile, error]) error {
		n := 0
		for _, err := range profiles {
			if err != nil {
				return err
			}
			if n++; n%pageSize == 0 {
				time.Sleep(latency)
			}
		}
		return nil
	}
	rivals := []rival{
		{name: "SDK", run: func(ctx context.Context) error {
			return work(client.Profiles.All(ctx, &passfort.ProfileListOptions{Limit: pageSize}))
		}},
		{name: "the next page read ahead", run: func(ctx context.Context) error {
			return work(readAhead(ctx, client))
		}},
	}
	t, err := race(ctx, s, rivals...)
	if err != nil {
		return nil, err
	}
	return t.ratios(fmt.Sprintf("List %d profiles, pages of 5 ms worked on for 5 ms", s.profiles/20), rivals...), nil
}

// readAhead yields all profiles, and reads a page while the one before it is
// worked on.
func readAhead(ctx context.Context, client *passfort.Client) iter.Seq2[*passfort.Profile, error] {
	type page struct {
		page *passfort.ProfilePage
		err  error
	}
	return func(yield func(*passfort.Profile, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pages := make(chan page)
		go func() {
			defer close(pages)
			for offset := 0; ; offset += pageSize {
				got, err := client.Profiles.List(ctx, &passfort.ProfileListOptions{Limit: pageSize, Offset: offset})
				select {
				case pages <- page{got, err}:
				case <-ctx.Done():
					return
				}
				if err != nil || got.Count == nil || offset+pageSize >= *got.Count {
					return
				}
			}
		}()
		for p := range pages {
			if p.err != nil {
				yield(nil, p.err)
				return
			}
			for i := range p.page.Results {
				if !yield(&p.page.Results[i], nil) {
					return
				}
			}
		}
	}
}
