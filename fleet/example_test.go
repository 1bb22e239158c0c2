package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/fleet"
)

// engine stands for the cluster of NATS that a team has.
func engine() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "fleet-example-")
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir,
		JetStreamMaxStore: 16 << 30,
	})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		panic("the engine does not start")
	}
	return s.ClientURL(), func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
}

// A process that takes webhooks and handles them. Any number of them do the same.
func Example() {
	url, stop := engine()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)

	conn, err := nats.Connect(url, fleet.ConnOptions(log)...)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	f, err := fleet.New(conn, fleet.Options{Prefix: "test", Log: log})
	if err != nil {
		panic(err)
	}

	// Once, by whoever sets the fleet up. On a cluster of three: Replicas 3.
	plan, err := f.Plan(ctx, fleet.Layout{Partitions: 4})
	if err != nil {
		panic(err)
	}
	fmt.Println(plan.Changes[0])
	if err := plan.Apply(ctx); err != nil {
		panic(err)
	}

	front, err := f.Front(fleet.FrontOptions{Secrets: []string{"made-up-secret"}})
	if err != nil {
		panic(err)
	}
	// While the secret changes, both are valid.
	if err := front.SetSecrets([]string{"new-secret", "made-up-secret"}); err != nil {
		panic(err)
	}
	web := httptest.NewServer(front)
	defer web.Close()

	handled, worked := make(chan string), make(chan error)
	go func() {
		worked <- f.Work(ctx, fleet.WorkOptions{
			Handle: func(_ context.Context, e *passfort.WebhookEvent) error {
				handled <- string(e.Event)
				return nil
			},
		})
	}()

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, web.URL, strings.NewReader(
		`{"id":"m1","event":"TASK_STATE_CHANGED","secret":"made-up-secret","data":{"profile_id":"p1"}}`))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer made-up-secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	fmt.Println(resp.StatusCode, <-handled)

	cancel()
	fmt.Println(<-worked)
	// Output:
	// stream test_LARGE: new, replicas 1
	// 200 TASK_STATE_CHANGED
	// <nil>
}

// What a process that only takes webhooks must be allowed.
func ExamplePermissionsFor() {
	fmt.Print(fleet.PermissionsFor(fleet.Options{Prefix: "live"}, fleet.RoleFront))
	// Output:
	// permissions: {
	//   publish: {
	//     allow: [
	//       "$JS.API.STREAM.INFO.live_EFFECTS"
	//       "$JS.API.STREAM.INFO.live_LARGE"
	//       "$JS.API.STREAM.INFO.live_WEBHOOKS"
	//       "$JS.API.STREAM.MSG.GET.live_EFFECTS"
	//       "$JS.API.STREAM.PURGE.live_LARGE"
	//       "live.large.>"
	//       "live.wake"
	//       "live.webhooks.>"
	//     ]
	//   }
	//   subscribe: {
	//     allow: [
	//       "_INBOX.>"
	//     ]
	//   }
	// }
}

// Messages that were put aside: look at why, mend it, then replay them.
func ExampleFleet_Parked() {
	replay := func(ctx context.Context, f *fleet.Fleet) error {
		for m, err := range f.Parked(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(m.ID, m.At, m.Tries, m.Cause)
			if err := f.Replay(ctx, m.ID); err != nil {
				return err
			}
		}
		return nil
	}
	_ = replay
}

// One check on every profile of the account, once each, by all processes together.
func ExampleFleet_StartJob() {
	check := func(ctx context.Context, f *fleet.Fleet, client *passfort.Client) error {
		// In every process:
		go func() {
			_ = f.Work(ctx, fleet.WorkOptions{
				Client: client,
				Jobs:   map[string]fleet.Job{"recheck": fleet.RunCheck(client, passfort.CheckTypeIdentityCheck)},
			})
		}()
		// In one, or from a command:
		if err := f.StartJob(ctx, "recheck-2026", "recheck"); err != nil {
			return err
		}
		status, err := f.Job(ctx, "recheck-2026")
		fmt.Println(status.Listed, status.Recorded, status.Finished)
		return err
	}
	_ = check
}

// A wait ends on this process when any other one receives the webhook.
func ExampleFleet_Listen() {
	wait := func(ctx context.Context, f *fleet.Fleet, client *passfort.Client, profile, check string) error {
		inbox := passfort.NewCheckInbox()
		stop, err := f.Listen(inbox, nil)
		if err != nil {
			return err
		}
		defer func() { _ = stop() }()
		_, err = client.Checks.Wait(ctx, profile, check, &passfort.WaitOptions{Inbox: inbox})
		return err
	}
	_ = wait
}

// A job of your own that spends money: a try that follows a crash finds the note of the
// one before, and asks whether it was done.
func ExampleItem_Note() {
	order := func(paid func(order string) bool, pay func(order string) error) fleet.Job {
		return func(ctx context.Context, item *fleet.Item) error {
			name, err := item.Note(ctx, []byte(item.Job+"/"+item.ProfileID))
			if err != nil {
				return err
			}
			if item.Tries > 1 && paid(string(name)) {
				return nil
			}
			return pay(string(name))
		}
	}
	_ = order
}

// More partitions while processes work, and jobs held meanwhile.
func ExampleFleet_Repartition() {
	grow := func(ctx context.Context, f *fleet.Fleet) error {
		if err := f.PauseJobs(ctx); err != nil {
			return err
		}
		err := f.Repartition(ctx, 64, func(waiting uint64) { fmt.Println(waiting, "messages wait") })
		if err != nil {
			return err // webhooks are refused until it is run again
		}
		return f.ResumeJobs(ctx)
	}
	_ = grow
}

// Health and metrics on an address of their own, and the same by hand.
func ExampleFleet_Ops() {
	serve := func(ctx context.Context, f *fleet.Fleet) error {
		if err := f.Ready(ctx); err != nil {
			fmt.Println(f.Name(), "is not ready:", fleet.Cause(err)) // such as: no fleet of this prefix
		}
		if q, err := f.Queues(ctx); err == nil && q.Parked > 0 {
			fmt.Println(q.Parked, "messages wait for a person,", f.Stats().Parked, "of them parked here")
		}
		if err := f.WriteMetrics(ctx, os.Stdout); err != nil {
			return err
		}
		ops := &http.Server{Addr: "127.0.0.1:9480", Handler: f.Ops(), ReadTimeout: 5 * time.Second}
		return ops.ListenAndServe()
	}
	_ = serve
}

// A plan is shown before it is applied. What would lose safety is refused.
func ExampleFleet_Plan() {
	set := func(ctx context.Context, f *fleet.Fleet) error {
		plan, err := f.Plan(ctx, fleet.Layout{Replicas: 3, AckWait: time.Minute, ParkedKeep: fleet.Forever})
		if errors.Is(err, fleet.ErrPartitions) {
			return err // Repartition changes their number
		}
		if err != nil {
			return err
		}
		for _, change := range plan.Changes {
			fmt.Println(change) // test_EFFECTS replicas: 1 -> 3
		}
		err = plan.Apply(ctx)
		if errors.Is(err, fleet.ErrLessSafe) {
			fmt.Println("nothing was changed; Layout.Force does it all the same")
		}
		return err
	}
	_ = set
}

// A message that was parked because of what it is: read it, then remove it for good.
func ExampleFleet_Purge() {
	look := func(ctx context.Context, f *fleet.Fleet, id uint64) error {
		e, err := f.ParkedEvent(ctx, id)
		if errors.Is(err, fleet.ErrNotParked) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(e.Event)
		return f.Purge(ctx, id)
	}
	_ = look
}
