package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
)

// It counts goroutines, so nothing may run beside it.
func TestSoak(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), options{length: 2 * time.Second, workers: 20, faults: 0.1, seed: 1}, &out),
		out.String())
	t.Log(out.String())
}

func TestFaultsMakeTheShare(t *testing.T) {
	t.Parallel()
	require.Empty(t, faults(0))
	sum := 0.0
	for _, f := range faults(0.1) {
		require.NotEqual(t, passforttest.Fault{Times: f.Times, Probability: f.Probability}, f)
		if !f.StaleETag {
			sum += f.Probability
		}
	}
	require.InDelta(t, 0.09, sum, 1e-9)
}
