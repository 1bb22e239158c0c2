package syncer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/passforttest"
	"github.com/passfort-go/passfort/syncer"
)

// A pause that doubled very often is the most, and not over at once.
func TestManyFailures(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w *world) {
		w.add(0)
		w.sim.Inject(passforttest.Fault{Status: 400, Times: -1})
		w.exec(`UPDATE passfort_sync_work SET tries = 30`)
		failed := make(chan struct{}, 1)
		s, err := syncer.New(w.db, w.dialect, w.sim.Client(), []syncer.Mapping{people(w.dialect)}, syncer.WithBackoff(10*time.Second, time.Hour),
			syncer.WithObserver(func(syncer.Result) {
				select {
				case failed <- struct{}{}:
				default:
				}
			}))
		require.NoError(t, err)
		start(t, w.box, s)
		<-failed
		require.Equal(t, "1", w.one(fmt.Sprintf(`SELECT COUNT(*) FROM passfort_sync_work WHERE ready_at > %d`, time.Now().Add(30*time.Minute).UnixMilli())))
	})
}
