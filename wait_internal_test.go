package passfort

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/poll"
)

func TestPaceOfWaits(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, row := range []struct {
		name    string
		options *WaitOptions
		want    poll.Pace
	}{
		{"no options", nil, poll.Pace{Min: 500 * ms, Max: 30 * time.Second}},
		{"nothing said", &WaitOptions{}, poll.Pace{Min: 500 * ms, Max: 30 * time.Second}},
		{"less than nothing", &WaitOptions{MinInterval: -1, MaxInterval: -1}, poll.Pace{Min: 500 * ms, Max: 30 * time.Second}},
		{"a first pause", &WaitOptions{MinInterval: 1}, poll.Pace{Min: 1, Max: 30 * time.Second}},
		{"a first pause longer than the longest", &WaitOptions{MinInterval: time.Minute}, poll.Pace{Min: time.Minute, Max: time.Minute}},
		{"a longest pause", &WaitOptions{MaxInterval: time.Minute}, poll.Pace{Min: 500 * ms, Max: time.Minute}},
		{"a longest pause shorter than the first", &WaitOptions{MaxInterval: 1}, poll.Pace{Min: 1, Max: 1}},
		{"both", &WaitOptions{MinInterval: 2, MaxInterval: 3}, poll.Pace{Min: 2, Max: 3}},
		{"both, the wrong way round", &WaitOptions{MinInterval: 3, MaxInterval: 2}, poll.Pace{Min: 2, Max: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, row.options.pace())
		})
	}
}
