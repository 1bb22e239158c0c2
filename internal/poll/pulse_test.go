package poll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/poll"
)

func TestPulse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p poll.Pulse
		require.False(t, p.Live())
		p.Beat()
		p.Beat()
		require.False(t, p.Live(), "one burst says nothing of the next one")
		<-time.After(10 * time.Second) // of the bubble
		p.Beat()
		require.True(t, p.Live())
		<-time.After(30 * time.Second)
		require.True(t, p.Live(), "three times as long as the gap before")
		<-time.After(time.Second)
		require.False(t, p.Live())
		p.Beat()
		require.True(t, p.Live())
		p.Doubt()
		require.False(t, p.Live())
		require.False(t, p.Silent(), "it may be late")
		p.Silence()
		require.False(t, p.Live())
		require.True(t, p.Silent())
		p.Beat()
		require.False(t, p.Silent())
		require.True(t, p.Live())
		for range 200 {
			<-time.After(300 * time.Millisecond)
			p.Beat()
		}
		<-time.After(2 * time.Second)
		require.False(t, p.Live(), "the gaps of late count")
	})
}
