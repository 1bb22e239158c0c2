package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/ratelimit"
)

var (
	_ passfort.Limiter  = (*ratelimit.Adaptive)(nil)
	_ passfort.Observer = (*ratelimit.Adaptive)(nil)
)

// TestQuotaIsShared lets three clients, which know nothing of each other, use
// one account's quota for some simulated hours.
func TestQuotaIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hourly, reserve, hours = 1_000, 100, 4
		sim := passforttest.New(passforttest.WithRecorder(10, 0),
			passforttest.WithRateLimit("CollectedData.Replace", passforttest.RateLimit{
				Requests: hourly, Per: time.Hour,
			}))
		defer sim.Close()
		sim.SetSwitches(passforttest.Switches{RateLimitRetrySecs: true})
		profile, err := sim.Client().Profiles.Create(t.Context(), &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		})
		require.NoError(t, err)
		data, err := sim.Client().CollectedData.Get(t.Context(), profile.ID)
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), hours*time.Hour)
		defer cancel()
		budgets := make([]*ratelimit.Adaptive, 3)
		done := make([]atomic.Int64, len(budgets))
		var running sync.WaitGroup
		for i := range budgets {
			budgets[i] = ratelimit.NewAdaptive(reserve)
			client := sim.Client(passfort.WithLimiter(budgets[i]), passfort.WithObserver(budgets[i]),
				passfort.WithRetry(passfort.RetryPolicy{MaxElapsed: 20 * time.Second}))
			for range 4 {
				running.Go(func() {
					for ctx.Err() == nil {
						_, err := client.CollectedData.Replace(ctx, profile.ID, data, passfort.Overwrite())
						if errors.Is(err, ratelimit.ErrTooLate) {
							return
						}
						if err == nil {
							done[i].Add(1)
						}
					}
				})
			}
		}
		running.Wait()
		total, limited, attempts := int64(0), int64(0), int64(0)
		for _, b := range budgets {
			limited += b.Seen().Limited
			attempts += b.Seen().Attempts
		}
		var shares []int64
		for i := range done {
			shares = append(shares, done[i].Load())
			total += done[i].Load()
		}
		left, known := budgets[0].Remaining("CollectedData.Replace")
		require.True(t, known)
		const possible = hourly + hourly*hours // the full bucket, and what flows in
		t.Logf("%d of %d possible writes, %v by worker; %d of %d attempts refused; %d left", total, possible, shares,
			limited, attempts, left)
		require.Greater(t, total, int64(possible*8/10))
		require.Less(t, limited, attempts/20)
		for _, n := range shares {
			require.Greater(t, n, total/6)
		}
		require.Positive(t, left, "others are served too")
	})
}

// A walk over many profiles keeps the quota, and leaves the reserve.
func TestEachKeepsTheQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hourly, reserve, profiles = 200, 40, 600
		sim := passforttest.New(passforttest.WithoutRateLimits(), passforttest.WithRecorder(10, 0),
			passforttest.WithRateLimit("CollectedData.Replace", passforttest.RateLimit{
				Requests: hourly, Per: time.Hour,
			}))
		defer sim.Close()
		sim.SetSwitches(passforttest.Switches{RateLimitRetrySecs: true})
		pace := ratelimit.NewAdaptive(reserve)
		client := sim.Client(passfort.WithLimiter(pace), passfort.WithObserver(pace),
			passfort.WithRetry(passfort.RetryPolicy{MaxAttempts: 20, MaxElapsed: time.Hour}))
		for range profiles {
			_, err := client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
				Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
			})
			require.NoError(t, err)
		}
		began := time.Now()
		err := passfort.Each(t.Context(), client.Profiles.All(t.Context(), nil), 4,
			func(ctx context.Context, p *passfort.Profile) error {
				_, err := client.CollectedData.Update(ctx, p.ID, func(data *passfort.EntityData) error {
					data.CustomerRef = "walked"
					return nil
				})
				return err
			})
		require.NoError(t, err)
		took := time.Since(began)
		require.GreaterOrEqual(t, took, (profiles-hourly)*time.Hour/hourly, "no faster than the quota")
		require.Less(t, took, 2*profiles*time.Hour/hourly)
		require.Less(t, pace.Seen().Limited, int64(profiles/20))
	})
}

func TestAdaptiveSlowsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := ratelimit.NewAdaptive(10)
		heard := func(status, remaining int) {
			info := passfort.AttemptInfo{CallInfo: passfort.CallInfo{Operation: "a"}, Attempt: 1, StatusCode: status}
			if remaining >= 0 {
				info.Quota = &passfort.Quota{Remaining: remaining}
			}
			pace.AttemptEnded(t.Context(), info)
		}
		wait := func() time.Duration {
			began := time.Now()
			require.NoError(t, pace.Wait(t.Context(), "a"))
			return time.Since(began)
		}
		_, known := pace.Remaining("a")
		require.False(t, known)
		heard(http.StatusOK, -1)
		require.Zero(t, wait(), "nothing is known")
		heard(http.StatusOK, 11)
		require.Zero(t, wait(), "enough is left")
		heard(http.StatusOK, 10)
		require.Zero(t, wait())
		require.Positive(t, wait(), "the rest is for others")
		heard(http.StatusTooManyRequests, -1)
		require.Positive(t, wait())
		left, known := pace.Remaining("a")
		require.True(t, known)
		require.Equal(t, 10, left)
		require.Equal(t, ratelimit.Seen{Attempts: 4, Limited: 1}, pace.Seen())

		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		require.ErrorIs(t, pace.Wait(ctx, "a"), ratelimit.ErrTooLate)
		require.Zero(t, time.Since(began))
		ended, stop := context.WithCancel(t.Context())
		stop()
		require.ErrorIs(t, pace.Wait(ended, "b"), context.Canceled)
	})
}

// Every process has an Adaptive of its own, and none knows of the others.
func ExampleAdaptive() {
	srv := passforttest.New()
	defer srv.Close()
	pace := ratelimit.NewAdaptive(500)
	client := srv.Client(passfort.WithLimiter(pace), passfort.WithObserver(pace))
	_, err := client.WhoAmI(context.Background())
	_, known := pace.Remaining("Profiles.Create")
	fmt.Println(pace.Seen().Attempts, known, err)
	// Output: 1 false <nil>
}
