package ratelimit_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/ratelimit"
)

var _ passfort.Limiter = (*ratelimit.Limiter)(nil)

func TestDocumentedQuotas(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		operation string
		calls     int
		takes     time.Duration // after the burst
	}{
		{"Profiles.Create", 10_000, time.Hour},
		{"CollectedData.Replace", 10_000, time.Hour},
		{"Audit.PDFReport", 3, 4 * time.Second},
	} {
		t.Run(row.operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := ratelimit.New(nil)
				began := time.Now()
				burst := ratelimit.Documented()[row.operation].Burst
				for range burst {
					require.NoError(t, l.Wait(t.Context(), row.operation))
				}
				require.Zero(t, time.Since(began), "a burst does not wait")
				for range row.calls {
					require.NoError(t, l.Wait(t.Context(), row.operation))
				}
				require.InDelta(t, row.takes.Seconds(), time.Since(began).Seconds(), 0.001)
			})
		})
	}
}

func TestOperationsHaveTheirOwnQuotas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.New(map[string]ratelimit.Quota{
			"a": {Calls: 1, Per: time.Minute, Burst: 1},
			"b": {Calls: 1, Per: time.Minute, Burst: 1},
		})
		began := time.Now()
		for _, operation := range []string{"a", "b", "not limited", "not limited"} {
			require.NoError(t, l.Wait(t.Context(), operation))
		}
		require.Zero(t, time.Since(began))
		require.NoError(t, l.Wait(t.Context(), "a"))
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestWaitsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.New(map[string]ratelimit.Quota{"a": {Calls: 1, Per: time.Second, Burst: 1}})
		began := time.Now()
		var mu sync.Mutex
		var turns []int
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if err := l.Wait(t.Context(), "a"); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				turns = append(turns, i)
			})
			synctest.Wait()
		}
		wg.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4}, turns)
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

func TestDeadlineAndCancellation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.New(map[string]ratelimit.Quota{"a": {Calls: 1, Per: time.Minute, Burst: 1}})
		require.NoError(t, l.Wait(t.Context(), "a"))
		began := time.Now()

		soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := l.Wait(soon, "a")
		require.ErrorIs(t, err, ratelimit.ErrTooLate)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, time.Since(began), "a wait that cannot end in time is not begun")

		cancelled, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		require.ErrorIs(t, l.Wait(cancelled, "a"), context.Canceled)
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, l.Wait(cancelled, "a"), context.Canceled)
		require.ErrorIs(t, l.Wait(cancelled, "not limited"), context.Canceled)

		require.NoError(t, l.Wait(t.Context(), "a"))
		require.Equal(t, time.Minute, time.Since(began), "what was not called used up nothing")
	})
}

func TestShare(t *testing.T) {
	t.Parallel()
	whole := ratelimit.Quota{Calls: 10_000, Per: time.Hour, Burst: 10}
	require.Equal(t, ratelimit.Quota{Calls: 2_500, Per: time.Hour, Burst: 2}, whole.Share(4))
	require.Equal(t, 1, whole.Share(100).Burst)
	require.Equal(t, whole, whole.Share(0))
}

func TestNewRefusesWhatLetsNothingThrough(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]ratelimit.Quota{
		"no calls": {Per: time.Second, Burst: 1},
		"no time":  {Calls: 1, Burst: 1},
		"no burst": {Calls: 1, Per: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Panics(t, func() { ratelimit.New(map[string]ratelimit.Quota{"a": q}) })
		})
	}
}

// TestClientAsksBeforeEachAttempt runs a client against a simulator with the
// documented limits, which no call exceeds.
func TestClientAsksBeforeEachAttempt(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	t.Cleanup(srv.Close)
	asked := &counting{Limiter: ratelimit.New(nil), calls: map[string]int{}}
	client := srv.Client(passfort.WithLimiter(asked))
	profile, err := client.Profiles.Create(t.Context(), &passfort.ProfileRequest{
		Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
	})
	require.NoError(t, err)
	_, err = client.CollectedData.Update(t.Context(), profile.ID, func(data *passfort.EntityData) error {
		data.CustomerRef = "7"
		return nil
	})
	require.NoError(t, err)
	_, err = client.Audit.PDFReport(t.Context(), profile.ID, io.Discard)
	require.NoError(t, err)
	want := map[string]int{}
	for operation := range ratelimit.Documented() {
		want[operation] = 1
	}
	require.Equal(t, want, asked.calls, "every limited operation by its name, and no other")
}

func TestClientDoesNotSendWhatWouldBeTooLate(t *testing.T) {
	t.Parallel()
	srv := passforttest.NewServer()
	t.Cleanup(srv.Close)
	client := srv.Client(passfort.WithLimiter(ratelimit.New(map[string]ratelimit.Quota{
		"Profiles.Create": {Calls: 1, Per: time.Hour, Burst: 1},
	})))
	create := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		})
		return err
	}
	require.NoError(t, create())
	err := create()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var failure *passfort.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, passfort.OutcomeNotSent, failure.Outcome)
	require.Len(t, srv.Requests(), 1)
}

type counting struct {
	*ratelimit.Limiter

	mu    sync.Mutex
	calls map[string]int
}

func (c *counting) Wait(ctx context.Context, operation string) error {
	c.mu.Lock()
	c.calls[operation]++
	c.mu.Unlock()
	return c.Limiter.Wait(ctx, operation)
}

// A nightly import that shares its API key with one other process, and leaves
// half of the quota for profiles to it.
func ExampleNew() {
	quotas := ratelimit.Documented()
	quotas["Profiles.Create"] = quotas["Profiles.Create"].Share(2)
	limiter := ratelimit.New(quotas)

	client, err := passfort.New("the-api-key", passfort.WithLimiter(limiter))
	fmt.Println(client != nil, err)
	// Output: true <nil>
}
