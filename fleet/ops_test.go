package fleet

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

func TestOps(t *testing.T) {
	t.Parallel()
	conn := dial(t, startServer(t).ClientURL(), quietLog())
	f := newFleet(t, conn, Options{})
	ask := func(path string) (int, string) {
		out := httptest.NewRecorder()
		f.Ops().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return out.Code, out.Body.String()
	}
	code, text := ask("/readyz")
	require.Equal(t, 503, code)
	require.Equal(t, "no fleet of this prefix\n", text)
	_, text = ask("/metrics")
	require.Contains(t, text, "fleet_ready{prefix=\"test\"} 0\n")
	apply(t, f, testLayout())
	require.Equal(t, 200, post(t, newFront(t, f), message(1, 1)))
	for _, path := range []string{"/healthz", "/readyz"} {
		code, text := ask(path)
		require.Equal(t, 200, code, text)
	}
	_, text = ask("/metrics")
	require.Contains(t, text,
		"# TYPE fleet_webhooks_received_total counter\nfleet_webhooks_received_total{prefix=\"test\"} 1\n")
	require.Contains(t, text, "fleet_queue_webhooks{prefix=\"test\"} 1\n")
	require.NotContains(t, text, profileName(1))
	conn.Close()
	for _, path := range []string{"/healthz", "/readyz"} {
		code, text := ask(path)
		require.Equal(t, 503, code)
		require.Equal(t, "the connection is closed\n", text)
	}
}

// users are the users of an engine: an administrator, and one for each set of roles.
func users(o Options, roles map[string][]Role) func(*server.Options) {
	return func(options *server.Options) {
		options.Users = []*server.User{{Username: "admin", Password: "p"}}
		for name, of := range roles {
			p := PermissionsFor(o, of...)
			options.Users = append(options.Users, &server.User{
				Username: name, Password: "p", Permissions: &server.Permissions{
					Publish:   &server.SubjectPermission{Allow: p.Publish},
					Subscribe: &server.SubjectPermission{Allow: p.Subscribe},
				},
			})
		}
	}
}

// TestPermissionsAreEnough runs each role as a user with exactly its permissions, and
// all that the role does. No log has a violation.
func TestPermissionsAreEnough(t *testing.T) {
	t.Parallel()
	o := Options{Prefix: "live"}
	s := startServer(t, users(o, map[string][]Role{
		"setup": {RoleSetup}, "front": {RoleFront}, "worker": {RoleWorker}, "operator": {RoleOperator},
	}))
	log := &notes{}
	as := func(user string) *Fleet {
		return newFleet(t, dial(t, s.ClientURL(), log.logger(), nats.UserInfo(user, "p")),
			Options{Prefix: "live", Log: log.logger()})
	}
	setup, frontUser, worker, operator := as("setup"), as("front"), as("worker"), as("operator")
	apply(t, setup, testLayout())
	apply(t, setup, Layout{AckWait: 3 * time.Second})
	front := newFront(t, frontUser)
	require.NoError(t, frontUser.Ready(t.Context()))
	require.NoError(t, worker.Ready(t.Context()))
	heard := make(chan Hint, 1)
	unlisten, err := worker.Listen(passfort.NewCheckInbox(), func(h Hint) { heard <- h })
	require.NoError(t, err)
	t.Cleanup(func() { _ = unlisten() })
	require.NoError(t, worker.conn.Flush())
	sim, ids := account(t, 3)
	stop := work(t, worker, WorkOptions{
		Client: sim.Client(), Jobs: map[string]Job{"check": RunCheck(sim.Client(), checkType)},
	})
	require.Equal(t, 200, post(t, front, message(1, 1)))
	require.Equal(t, 200, post(t, front, sized("big", "x", 9<<20)))
	require.Equal(t, 200, post(t, front, sized("big", "x", 9<<20)))
	require.Equal(t, 200, post(t, front, `{"id":"1","event":"customer_request_changed","secret":"`+testSecret+
		`","data":{"profile_id":"p","state":"COMPLETED","request_id":"r"}}`))
	require.Equal(t, "p", (<-heard).ProfileID)
	require.NoError(t, operator.StartJob(t.Context(), "job", "check"))
	eventually(t, "the job is finished", func() bool {
		status, err := operator.Job(t.Context(), "job")
		require.NoError(t, err)
		return status.Finished && status.Recorded == len(ids)
	})
	require.NoError(t, operator.PauseJobs(t.Context()))
	require.NoError(t, operator.ResumeJobs(t.Context()))
	eventually(t, "everything is handled", func() bool { return held(t, worker, webhookStream) == 0 })
	require.NoError(t, setup.Repartition(t.Context(), 4, nil))
	stop()

	// A parked message, small and large, shown, replayed and purged.
	w := newWorker(t, worker, WorkOptions{
		Handle: func(context.Context, *passfort.WebhookEvent) error { return ErrMessage },
	})
	for _, body := range []string{message(1, 2), sized("big-2", "x", 9<<20)} {
		require.Equal(t, 200, post(t, front, body))
		handleTry(t, w, parkAfter)
	}
	n := 0
	for m, err := range operator.Parked(t.Context()) {
		require.NoError(t, err)
		_, err := operator.ParkedEvent(t.Context(), m.ID)
		require.NoError(t, err)
		if n++; n == 1 {
			require.NoError(t, operator.Replay(t.Context(), m.ID))
		} else {
			require.NoError(t, operator.Purge(t.Context(), m.ID))
		}
	}
	require.Equal(t, 2, n)
	for _, f := range []*Fleet{worker, operator} {
		require.NoError(t, f.conn.Publish(f.Subject("stats", "x"), nil))
		require.NoError(t, f.conn.Flush())
		_, err := f.Queues(t.Context())
		require.NoError(t, err)
	}
	require.NotContains(t, log.String(), "permission")
}

// TestDeniedNamesItsCause: each role at another one's work, and at another prefix's.
func TestDeniedNamesItsCause(t *testing.T) {
	t.Parallel()
	s := startServer(t, users(Options{Prefix: "live"}, map[string][]Role{
		"front": {RoleFront}, "worker": {RoleWorker}, "operator": {RoleOperator},
	}))
	for _, prefix := range []string{"live", "test"} {
		apply(t, newFleet(t, dial(t, s.ClientURL(), quietLog(), nats.UserInfo("admin", "p")), Options{Prefix: prefix}),
			testLayout())
	}
	for _, row := range []struct {
		name, user, prefix string
		do                 func(*testing.T, *Fleet) error
		want               string
	}{
		{"a front handles", "front", "live", func(t *testing.T, f *Fleet) error {
			return f.commit(t.Context(), &nats.Msg{Subject: "live.effects.webhook.secret.x"})
		}, "permission missing: publish to live.effects.>"},
		{"a worker takes webhooks", "worker", "live", func(t *testing.T, f *Fleet) error {
			return newFront(t, f).store(t.Context(), event(t, message(1, 1)))
		}, "permission missing: publish to live.webhooks.>"},
		{"an operator sets up", "operator", "live", func(t *testing.T, f *Fleet) error {
			return f.Repartition(t.Context(), 3, nil)
		}, "permission missing: publish to $JS.API.STREAM.UPDATE.live_WEBHOOKS"},
		{"a worker of another prefix", "worker", "test", func(t *testing.T, f *Fleet) error {
			return f.Ready(t.Context())
		}, "permission missing: publish to $JS.API.STREAM.INFO.test_WEBHOOKS"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, s.ClientURL(), quietLog(), nats.UserInfo(row.user, "p"))
			f := newFleet(t, conn, Options{Prefix: row.prefix})
			err := row.do(t, f)
			require.ErrorIs(t, err, ErrDenied)
			require.Equal(t, row.want, Cause(err))
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

// TestDeniedAcknowledgement: the one thing that the engine denies without an answer to
// wait for.
func TestDeniedAcknowledgement(t *testing.T) {
	t.Parallel()
	s := startServer(t, users(Options{Prefix: "live"}, nil), func(o *server.Options) {
		allowed := slices.DeleteFunc(PermissionsFor(Options{Prefix: "live"}, RoleWorker).Publish,
			func(subject string) bool { return strings.HasPrefix(subject, "$JS.ACK.") })
		o.Users = append(o.Users, &server.User{Username: "worker", Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: allowed},
		}})
	})
	admin := newFleet(t, dial(t, s.ClientURL(), quietLog(), nats.UserInfo("admin", "p")), Options{Prefix: "live"})
	apply(t, admin, testLayout())
	require.Equal(t, 200, post(t, newFront(t, admin), message(1, 1)))
	log := &notes{}
	work(t, newFleet(t, dial(t, s.ClientURL(), log.logger(), nats.UserInfo("worker", "p")), Options{Prefix: "live"}),
		WorkOptions{})
	eventually(t, "the log names it", func() bool {
		return strings.Contains(log.String(), "permission missing: publish to $JS.ACK.>")
	})
	require.Equal(t, []string{"m-1-1"}, effects(t, admin))
}

func TestPermissionsText(t *testing.T) {
	t.Parallel()
	text := PermissionsFor(Options{Prefix: "live", Domain: "hub"}, RoleFront).String()
	require.True(t, strings.HasPrefix(text,
		"permissions: {\n  publish: {\n    allow: [\n      \"$JS.hub.API.STREAM.INFO."))
	var parsed server.Options
	require.NoError(t, parsed.ProcessConfigString("authorization { users = [ { user: u, password: p, "+text+" } ] }"))
	require.Equal(t, PermissionsFor(Options{Prefix: "live", Domain: "hub"}, RoleFront).Publish,
		parsed.Users[0].Permissions.Publish.Allow)
	both := PermissionsFor(Options{Prefix: "live"}, RoleFront, RoleWorker)
	require.Contains(t, both.Publish, "live.webhooks.>")
	require.Contains(t, both.Publish, "live.effects.>")
}
