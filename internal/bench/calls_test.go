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

// BenchmarkCall compares the processor's time for a call with all that the process does
// meanwhile, over loopback and without a connection. On a machine that has other work to
// do it says more than the time that passes:
//
//	go test -C internal/bench -run '^$' -bench Call
func BenchmarkCall(b *testing.B) {
	profile := profileJSON(profileID)
	srv := profileServer(profile)
	defer srv.Close()
	inMemory := &http.Client{Transport: memory(profile)}
	for _, row := range []struct {
		name string
		hand *http.Client
		ours []passfort.Option
	}{
		{"loopback", byHand(), nil},
		{
			"memory",
			&http.Client{Transport: memory(profile), Timeout: handTimeout},
			[]passfort.Option{passfort.WithHTTPClient(inMemory)},
		},
	} {
		client, err := passfort.New(apiKey, append(row.ours, passfort.WithBaseURL(srv.URL))...)
		require.NoError(b, err)
		for what, rivals := range map[string][]rival{
			"bytes":   readBytes(client, row.hand, srv.URL),
			"decoded": readDecoded(client, row.hand, srv.URL),
		} {
			b.Run(row.name+"/"+what, func(b *testing.B) { compare(b, rivals[0], rivals[1]) })
		}
	}
}

// compare reports what both take, in turn.
func compare(b *testing.B, ours, hand rival) {
	var took [2][]float64
	var ratios []float64
	for b.Loop() {
		for i, r := range []rival{ours, hand} {
			const runs = 50
			began := processorTime(b)
			for range runs {
				require.NoError(b, r.run(b.Context()))
			}
			took[i] = append(took[i], float64(processorTime(b)-began)/runs)
		}
		ratios = append(ratios, took[0][len(ratios)]/took[1][len(ratios)])
	}
	b.ReportMetric(spreadOf(ratios...).median, "ratio")
	for i, r := range []rival{ours, hand} {
		side := []string{"ours", "hand"}[i]
		b.ReportMetric(spreadOf(took[i]...).median, side+"-cpu-ns")
		b.ReportMetric(testing.AllocsPerRun(100, func() { require.NoError(b, r.run(b.Context())) }), side+"-allocs")
	}
}

func processorTime(b *testing.B) int64 {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return used.Utime.Nano() + used.Stime.Nano()
}
