//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// memory answers each request at once, so that only what a call does itself is left.
type memory []byte

// RoundTrip returns the answer.
func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		ContentLength: -1, Body: io.NopCloser(bytes.NewReader(m)), Request: req,
	}, nil
}

// BenchmarkCall compares the processor's time for one call, with all that the
// process does meanwhile, over loopback and without a connection:
//
//	go test -C internal/bench -run '^$' -bench Call -benchmem
func BenchmarkCall(b *testing.B) {
	profile := profileJSON(profileID, 2<<10)
	srv := profileServer(profile)
	defer srv.Close()
	for _, way := range []struct {
		name  string
		hands *http.Client
		ours  []passfort.Option
	}{
		{"loopback", byHand(), nil},
		{"memory", &http.Client{Transport: memory(profile), Timeout: handTimeout}, []passfort.Option{
			passfort.WithHTTPClient(&http.Client{Transport: memory(profile)}),
		}},
	} {
		client, err := passfort.New(apiKey, append(way.ours, passfort.WithBaseURL(srv.URL))...)
		require.NoError(b, err)
		for _, r := range append(readBytes(client, way.hands, srv.URL), readDecoded(client, way.hands, srv.URL)...) {
			b.Run(way.name+"/"+r.name, func(b *testing.B) {
				b.ReportAllocs()
				began := processorTime(b)
				for b.Loop() {
					require.NoError(b, r.run(b.Context()))
				}
				b.ReportMetric(float64(processorTime(b)-began)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

func processorTime(b *testing.B) int64 {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return used.Utime.Nano() + used.Stime.Nano()
}
