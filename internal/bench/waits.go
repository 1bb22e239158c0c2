package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"
	"time"

	"github.com/passfort-go/passfort"
)

// provider answers questions about checks, each of which takes between 0.7 and 1.3
// of a time: a whole number of a person's ticks would measure nothing.
type provider struct {
	*httptest.Server
	asked atomic.Int64
	ends  map[string]time.Time // by check
	last  time.Time            // of them
}

func newProvider(checkFor time.Duration, checks []string) *provider {
	p := &provider{ends: map[string]time.Time{}}
	began, random := time.Now(), rand.New(rand.NewPCG(1, 1))
	for _, id := range checks {
		end := began.Add(checkFor*7/10 + time.Duration(random.Int64N(int64(checkFor)*6/10)))
		p.ends[id] = end
		if end.After(p.last) {
			p.last = end
		}
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		id, state := path.Base(r.URL.Path), passfort.CheckStateRunning
		if !time.Now().Before(p.ends[id]) {
			state = passfort.CheckStateComplete
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%q,"check_type":"IDENTITY_CHECK","state":%q}`, id, state)
	}))
	return p
}

// waiter returns when the check is complete.
type waiter func(ctx context.Context, checkID string) error

// measureWaits waits for many checks at once.
func measureWaits(ctx context.Context, s scale) ([]figure, error) {
	var figures []figure
	what := fmt.Sprintf("%d waits at once for checks of about %s", s.waits, short(s.checkFor))
	for _, way := range []struct {
		name string
		wait func(*provider, *passfort.CheckInbox) (waiter, error)
		wake bool
	}{
		{name: "SDK", wait: sdkWaiter},
		{name: "SDK with webhooks", wait: sdkWaiter, wake: true},
		{name: "by hand: ask every second", wait: func(p *provider, _ *passfort.CheckInbox) (waiter, error) {
			return handWaiter(p.URL), nil
		}},
	} {
		got, err := waitAll(ctx, s, way.wait, way.wake)
		if err != nil {
			return nil, err
		}
		seen := "noticed " + short(got.lag.Round(time.Millisecond)) + " after the end, at the median"
		figures = append(figures,
			figure{
				what: what + ", " + way.name, value: spreadOf(got.perSecond), unit: "requests per second", seen: seen,
			},
			figure{
				what: what + ", " + way.name + ": memory", value: spreadOf(got.memory / 1024),
				unit: "KiB for each, connections and server included",
			},
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

func waitAll(
	ctx context.Context, s scale, of func(*provider, *passfort.CheckInbox) (waiter, error), wake bool,
) (*waited, error) {
	before := heap()
	checks := make([]string, s.waits)
	for i := range checks {
		checks[i] = fmt.Sprintf("ea560000-0000-4000-8000-%012d", i)
	}
	p := newProvider(s.checkFor, checks)
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
		at, complete time.Time
		err          error
	}
	ends := make(chan end, s.waits)
	for _, id := range checks {
		if wake {
			webhook := time.AfterFunc(time.Until(p.ends[id]), func() { inbox.Completed(id) })
			defer webhook.Stop()
		}
		go func() {
			err := wait(ctx, id)
			ends <- end{time.Now(), p.ends[id], err}
		}()
	}
	var got waited
	half := time.NewTimer(time.Until(p.last) / 2)
	defer half.Stop()
	select {
	case <-half.C:
		got.memory = (float64(heap()) - float64(before)) / float64(s.waits)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var lags []float64
	last := began
	for range s.waits {
		e := <-ends
		err = errors.Join(err, e.err)
		lags = append(lags, e.at.Sub(e.complete).Seconds())
		if e.at.After(last) {
			last = e.at
		}
	}
	got.perSecond = float64(p.asked.Load()) / last.Sub(began).Seconds()
	got.lag = time.Duration(spreadOf(lags...).median * float64(time.Second))
	return &got, err
}
