package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort"
)

// provider answers questions about checks that are complete at one moment.
type provider struct {
	*httptest.Server
	asked    atomic.Int64
	complete time.Time
}

func newProvider(checkFor time.Duration) *provider {
	p := &provider{complete: time.Now().Add(checkFor)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		state := passfort.CheckStateRunning
		if !time.Now().Before(p.complete) {
			state = passfort.CheckStateComplete
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%q,"check_type":"IDENTITY_CHECK","state":%q}`, path.Base(r.URL.Path), state)
	}))
	return p
}

// waiter returns when the check is complete.
type waiter func(ctx context.Context, checkID string) error

// measureWaits waits for many checks at once.
func measureWaits(ctx context.Context, s scale) ([]figure, error) {
	var figures []figure
	what := fmt.Sprintf("%d waits at once for checks of %s", s.waits, short(s.checkFor))
	for _, way := range []struct {
		name string
		wait func(*provider, *passfort.CheckInbox) (waiter, error)
		wake bool
	}{
		{name: "SDK", wait: sdkWaiter},
		{name: "SDK with webhooks", wait: sdkWaiter, wake: true},
		{name: "by hand: ask every second", wait: func(p *provider, _ *passfort.CheckInbox) (waiter, error) { return handWaiter(p.URL), nil }},
	} {
		got, err := waitAll(ctx, s, way.wait, way.wake)
		if err != nil {
			return nil, err
		}
		seen := "noticed " + short(got.lag.Round(time.Millisecond)) + " after the end, at the median"
		figures = append(figures,
			figure{what: what + ", " + way.name, value: spreadOf(got.perSecond), unit: "requests per second", seen: seen},
			figure{what: what + ", " + way.name + ": memory", value: spreadOf(got.memory / 1024), unit: "KiB for each, connections and server included"},
		)
	}
	return figures, nil
}

func sdkWaiter(p *provider, inbox *passfort.CheckInbox) (waiter, error) {
	client, err := passfort.New(apiKey, passfort.WithBaseURL(p.URL))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, checkID string) error {
		_, err := client.Checks.Wait(ctx, profileID, checkID, &passfort.WaitOptions{Inbox: inbox})
		return err
	}, nil
}

func handWaiter(url string) waiter {
	hand := byHand()
	hand.Transport.(*http.Transport).MaxIdleConnsPerHost = 128 // as the SDK has
	return func(ctx context.Context, checkID string) error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			body, err := exchange(ctx, hand, http.MethodGet, url+"/profiles/"+profileID+"/checks/"+checkID, nil)
			if err != nil {
				return err
			}
			var check struct {
				State string `json:"state"`
			}
			if err := json.Unmarshal(body, &check); err != nil || check.State == "COMPLETE" {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

type waited struct {
	perSecond float64
	memory    float64 // bytes for each wait
	lag       time.Duration
}

func waitAll(ctx context.Context, s scale, of func(*provider, *passfort.CheckInbox) (waiter, error), wake bool) (*waited, error) {
	before := heap()
	p := newProvider(s.checkFor)
	defer p.Close()
	var inbox *passfort.CheckInbox
	if wake {
		inbox = passfort.NewCheckInbox()
	}
	wait, err := of(p, inbox)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	type end struct {
		at  time.Time
		err error
	}
	ends := make(chan end, s.waits)
	checkID := func(i int) string { return fmt.Sprintf("ea560000-0000-4000-8000-%012d", i) }
	for i := range s.waits {
		go func() {
			err := wait(ctx, checkID(i))
			ends <- end{time.Now(), err}
		}()
	}
	var got waited
	half := time.NewTimer(time.Until(p.complete) / 2)
	defer half.Stop()
	select {
	case <-half.C:
		got.memory = (float64(heap()) - float64(before)) / float64(s.waits)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if wake {
		notice := time.NewTimer(time.Until(p.complete))
		defer notice.Stop()
		select {
		case <-notice.C:
		case <-ctx.Done():
		}
		for i := range s.waits {
			inbox.Completed(checkID(i))
		}
	}
	var lags []float64
	last := began
	for range s.waits {
		e := <-ends
		err = errors.Join(err, e.err)
		lags = append(lags, e.at.Sub(p.complete).Seconds())
		if e.at.After(last) {
			last = e.at
		}
	}
	got.perSecond = float64(p.asked.Load()) / last.Sub(began).Seconds()
	got.lag = time.Duration(spreadOf(lags...).median * float64(time.Second))
	return &got, err
}
