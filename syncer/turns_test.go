package syncer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// Of two processes one sweeps, a restart sweeps no sooner, and a failed sweep is resumed.
func TestReconcileEvery(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		for n := range 4 {
			w.add(n)
		}
		_, other := services(t, w.db, w.dialect, w.sim.Client(), people(w.dialect), companies(w.dialect))
		nightly := syncer.Sweep{Name: "nightly", PerSecond: 10_000}
		require.ErrorContains(t, w.sync.ReconcileEvery(t.Context(), 0, nightly, nil), "pause")
		w.sim.ForgetRequests()
		w.sim.Inject(passforttest.Fault{Operation: "CollectedData.Get", Status: 403})
		ctx, cancel := context.WithCancel(t.Context())
		reports := make(chan *syncer.Report, 10)
		var failed []error
		var mu sync.Mutex
		var running sync.WaitGroup
		for _, s := range []*syncer.Syncer{w.sync, other} {
			running.Go(func() {
				err := s.ReconcileEvery(ctx, 2*time.Second, nightly, func(r *syncer.Report, err error) {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
					reports <- r
				})
				if err != nil {
					t.Errorf("a sweep ended: %v", err)
				}
			})
		}
		require.False(t, (<-reports).Complete, "refused")
		require.True(t, (<-reports).Complete)
		gets := w.sim.Count("CollectedData.Get")
		require.LessOrEqual(t, gets, 8, "one process read them, resumed")
		cancel()
		running.Wait()
		mu.Lock()
		require.ErrorIs(t, errors.Join(failed...), passfort.ErrForbidden)
		mu.Unlock()
		w.exec(`UPDATE passfort_sync_turns SET ready_at = ready_at + 3600000`)
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		require.NoError(t, w.sync.ReconcileEvery(ctx, time.Hour, nightly, nil))
		require.Equal(t, gets, w.sim.Count("CollectedData.Get"), "a restart is no reason to sweep")
		require.NoError(t, w.sync.SweepNow(t.Context(), "nightly"))
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		require.NoError(t, w.sync.ReconcileEvery(ctx, time.Hour, nightly, func(*syncer.Report, error) { cancel() }))
		require.Equal(t, gets+4, w.sim.Count("CollectedData.Get"))
	})
}

// A process that ends in a sweep leaves the rest to another.
func TestReconcileEveryGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		for n := range 3 {
			w.add(n)
		}
		stop := w.start()
		w.quiet()
		stop()
		w.sim.ForgetRequests()
		sweep := syncer.Sweep{Name: "nightly", PerSecond: 10}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = w.sync.ReconcileEvery(ctx, time.Hour, sweep, nil)
		}()
		require.Eventually(t, func() bool { return w.sim.Count("CollectedData.Get") > 0 }, timeout, time.Millisecond)
		cancel()
		<-ended
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		_, other := services(t, w.db, w.dialect, w.sim.Client(), people(w.dialect), companies(w.dialect))
		require.NoError(t, other.ReconcileEvery(ctx, time.Hour, sweep, func(r *syncer.Report, err error) {
			require.NoError(t, err)
			require.True(t, r.Complete)
			cancel()
		}))
	})
}
