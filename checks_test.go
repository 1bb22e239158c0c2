package passfort_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestCheckDone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		state passfort.CheckState
		done  bool
	}{
		{"complete", passfort.CheckStateComplete, true},
		{"pending", passfort.CheckStatePending, false},
		{"running", passfort.CheckStateRunning, false},
		{"unknown", "PAUSED", false},
		{"absent", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.done, (&passfort.Check{State: tt.state}).Done())
		})
	}
}
