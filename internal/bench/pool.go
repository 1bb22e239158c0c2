package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort"
)

// measurePool makes calls over HTTP/1.1 with TLS, where each call has a connection to
// itself: from ever more goroutines at once, through the SDK's transport and through the
// standard one, which keeps two idle connections.
func measurePool(ctx context.Context, s scale) ([]figure, error) {
	profile := profileJSON(profileID)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(profile)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are closed early
	srv.StartTLS()
	defer srv.Close()
	trust := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	var figures []figure
	for _, way := range []struct {
		name      string
		transport *http.Transport
		rounds    int
		atLeast   float64
	}{
		{"SDK", passfort.DefaultTransport(), 5, 0.6},
		{"`http.DefaultTransport`", http.DefaultTransport.(*http.Transport).Clone(), 1, 0}, // handshakes take long
	} {
		way.transport.TLSClientConfig = &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}
		client, err := passfort.New(apiKey, passfort.WithBaseURL(srv.URL),
			passfort.WithHTTPClient(&http.Client{Transport: way.transport}))
		if err != nil {
			return nil, err
		}
		crowds := []int{8, 32, 128, 256, 512}
		rates := make([]float64, len(crowds)) // the best of the rounds, in turn: what else runs only takes away
		for range way.rounds {
			for i, n := range crowds {
				rate, err := callsPerSecond(ctx, client, n, s.crowd/5)
				if err != nil {
					return nil, fmt.Errorf("%s, %d goroutines: %w", way.name, n, err)
				}
				rates[i] = max(rates[i], rate)
			}
		}
		var seen []string
		for i, n := range crowds {
			seen = append(seen, fmt.Sprintf("%d: %.0f", n, rates[i]))
		}
		way.transport.CloseIdleConnections()
		figures = append(figures, figure{
			what:  "Calls over HTTP/1.1 with TLS by 8 to 512 goroutines, " + way.name + ": the slowest",
			value: spreadOf(slices.Min(rates) / slices.Max(rates)), unit: "of the fastest", atLeast: way.atLeast,
			seen: "calls per second, " + strings.Join(seen, ", "),
		})
	}
	return figures, nil
}

// callsPerSecond makes calls from n goroutines at once, after one of each that opens
// what connections there are.
func callsPerSecond(ctx context.Context, client *passfort.Client, n int, lasting time.Duration) (float64, error) {
	crowd := func(until time.Time) (int64, error) {
		var calls atomic.Int64
		var once sync.Once
		var failure error
		var work sync.WaitGroup
		for range n {
			work.Go(func() {
				for again := true; again; again = time.Now().Before(until) {
					if _, err := client.Profiles.Get(ctx, profileID); err != nil {
						once.Do(func() { failure = err })
						return
					}
					calls.Add(1)
				}
			})
		}
		work.Wait()
		return calls.Load(), failure
	}
	if _, err := crowd(time.Now()); err != nil {
		return 0, err
	}
	began := time.Now()
	calls, err := crowd(began.Add(lasting))
	return float64(calls) / time.Since(began).Seconds(), err
}
