package passfort

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/internal/poll"
)

func TestPaceOfWaits(t *testing.T) {
	t.Parallel()
	const (
		ms   = time.Millisecond
		long = 10 * time.Minute
	)
	for _, row := range []struct {
		name    string
		options *WaitOptions
		want    poll.Pace
	}{
		{"no options", nil, poll.Pace{Min: 500 * ms, Max: 30 * time.Second, Long: long}},
		{"nothing said", &WaitOptions{}, poll.Pace{Min: 500 * ms, Max: 30 * time.Second, Long: long}},
		{"less than nothing", &WaitOptions{MinInterval: -1, MaxInterval: -1},
			poll.Pace{Min: 500 * ms, Max: 30 * time.Second, Long: long}},
		{"a first pause", &WaitOptions{MinInterval: 1}, poll.Pace{Min: 1, Max: 30 * time.Second, Long: long}},
		{"a first pause longer than the longest", &WaitOptions{MinInterval: time.Minute},
			poll.Pace{Min: time.Minute, Max: time.Minute, Long: long}},
		{"a longest pause", &WaitOptions{MaxInterval: time.Minute},
			poll.Pace{Min: 500 * ms, Max: time.Minute, Long: time.Minute}},
		{"a longest pause shorter than the first", &WaitOptions{MaxInterval: 1}, poll.Pace{Min: 1, Max: 1, Long: 1}},
		{"both", &WaitOptions{MinInterval: 2, MaxInterval: 3}, poll.Pace{Min: 2, Max: 3, Long: 3}},
		{"both, the wrong way round", &WaitOptions{MinInterval: 3, MaxInterval: 2}, poll.Pace{Min: 2, Max: 2, Long: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, row.options.pace())
		})
	}
}

func woken(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	default:
		return false
	}
}

func completed(id string) *WebhookEvent {
	data, _ := json.Marshal(map[string]any{"check": map[string]string{"id": id}})
	return &WebhookEvent{Event: EventCheckCompleted, Data: data}
}

func TestCheckInbox(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	early, cancelEarly := b.subscribe("a")
	defer cancelEarly()
	other, cancelOther := b.subscribe("b")
	defer cancelOther()
	require.False(t, woken(early))

	require.NoError(t, b.Deliver(t.Context(), completed("a")))
	require.True(t, woken(early))
	require.False(t, woken(early), "one delivery wakes once")
	require.False(t, woken(other))

	late, cancelLate := b.subscribe("a")
	defer cancelLate()
	require.True(t, woken(late), "a delivery before the subscription is not lost")

	b.Completed("a")
	b.Completed("a")
	require.True(t, woken(early))
	require.True(t, woken(late), "every waiter is woken")
}

func TestZeroCheckInboxIsAnEmptyOne(t *testing.T) {
	t.Parallel()
	var b CheckInbox
	wake, cancel := b.subscribe("a")
	defer cancel()
	require.NoError(t, b.Deliver(t.Context(), completed("a")))
	require.True(t, woken(wake))
	b.RequestChanged("profile", "request", CustomerRequestStateExpired)
	heard, stop := b.listen("profile")
	defer stop()
	require.Equal(t, CustomerRequestStateExpired, heard.state("request"))
}

func TestCheckInboxLeavesOtherEventsAlone(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	wake, cancel := b.subscribe("a")
	defer cancel()
	e := completed("a")
	e.Event = EventTaskCreated
	require.NoError(t, b.Deliver(t.Context(), e))
	for _, data := range []string{``, `{}`, `{"check":null}`, `{"check":{}}`, `{"check":"a"}`, `{`} {
		require.NoError(t, b.Deliver(t.Context(), &WebhookEvent{
			Event: EventCheckCompleted, Data: json.RawMessage(data),
		}))
	}
	require.False(t, woken(wake))
}

func TestNilCheckInbox(t *testing.T) {
	t.Parallel()
	var b *CheckInbox
	b.Completed("a")
	require.NoError(t, b.Deliver(t.Context(), completed("a")))
	wake, cancel := b.subscribe("a")
	defer cancel()
	require.False(t, woken(wake))
}

func TestCheckInboxIsBounded(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	for i := range 3 * rememberedChecks {
		id := fmt.Sprint(i)
		_, cancel := b.subscribe(id)
		b.Completed(id)
		cancel()
		cancel()
	}
	require.Empty(t, b.signals.waiting)
	require.Equal(t, rememberedChecks, b.signals.recent.Len())
	wake, cancel := b.subscribe("0")
	defer cancel()
	require.False(t, woken(wake))
}

func TestCheckInboxConcurrently(t *testing.T) {
	t.Parallel()
	b := NewCheckInbox()
	var wg sync.WaitGroup
	for i := range 100 {
		id := fmt.Sprint(i)
		wg.Go(func() { b.Completed(id) })
		wg.Go(func() {
			wake, cancel := b.subscribe(id)
			defer cancel()
			<-wake
		})
	}
	wg.Wait()
}

func TestPulse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pulse
		require.False(t, p.live())
		p.beat()
		p.beat()
		require.False(t, p.live(), "one burst says nothing of the next one")
		<-time.After(10 * time.Second) // of the bubble
		p.beat()
		require.True(t, p.live())
		<-time.After(30 * time.Second)
		require.True(t, p.live(), "three times as long as the gap before")
		<-time.After(time.Second)
		require.False(t, p.live())
		p.beat()
		require.True(t, p.live())
		p.doubt()
		require.False(t, p.live())
		p.beat()
		require.True(t, p.live())
		for range 200 {
			<-time.After(300 * time.Millisecond)
			p.beat()
		}
		<-time.After(2 * time.Second)
		require.False(t, p.live(), "the gaps of late count")
	})
}
