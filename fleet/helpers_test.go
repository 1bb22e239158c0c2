package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

const (
	testSecret = "made-up-secret"
	testPrefix = "test"
)

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// notes is a log that tests read.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func (n *notes) logger() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }

// startServer runs a NATS server inside the test, changed by the functions.
func startServer(t *testing.T, change ...func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{
		ServerName: "one", Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true,
		StoreDir: t.TempDir(), JetStreamMaxStore: 64 << 30, MaxPayload: 8 << 20,
	}
	for _, c := range change {
		c(o)
	}
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(20*time.Second))
	return s
}

func dial(t *testing.T, url string, log *slog.Logger, options ...nats.Option) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(url, append(ConnOptions(log), options...)...)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func newFleet(t *testing.T, conn *nats.Conn, o Options) *Fleet {
	t.Helper()
	if o.Prefix == "" {
		o.Prefix = testPrefix
	}
	if o.Log == nil {
		o.Log = quietLog()
	}
	f, err := New(conn, o)
	require.NoError(t, err)
	return f
}

// testLayout is one in which tests do not wait long.
func testLayout() Layout { return Layout{AckWait: 2 * time.Second} }

func apply(t *testing.T, f *Fleet, l Layout) {
	t.Helper()
	plan, err := f.Plan(t.Context(), l)
	require.NoError(t, err)
	require.NoError(t, plan.Apply(t.Context()))
}

// madeFleet returns a fleet on a server of its own, set up.
func madeFleet(t *testing.T) *Fleet {
	t.Helper()
	f := newFleet(t, dial(t, startServer(t).ClientURL(), quietLog()), Options{Name: "x"})
	apply(t, f, testLayout())
	return f
}

func newFront(t *testing.T, f *Fleet) *Front {
	t.Helper()
	front, err := f.Front(FrontOptions{Secrets: []string{testSecret}})
	require.NoError(t, err)
	return front
}

// newWorker returns a worker that only does what a test calls.
func newWorker(t *testing.T, f *Fleet, o WorkOptions) *worker {
	t.Helper()
	w := &worker{Fleet: f, WorkOptions: o}
	_, err := w.layout(t.Context())
	require.NoError(t, err)
	return w
}

// work runs Work until the function is called, or the test ends.
func work(t *testing.T, f *Fleet, o WorkOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Work(ctx, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

func profileName(n int) string { return fmt.Sprintf("a2c40000-0000-4000-8000-%012d", n) }

// message is the nth webhook of a profile.
func message(profile, n int) string {
	return sizedOf(profile, fmt.Sprintf("m-%d-%d", profile, n), "x", 10)
}

// sized is a webhook of profile 1 whose note is n times text.
func sized(id, text string, n int) string { return sizedOf(1, id, text, n) }

func sizedOf(profile int, id, text string, n int) string {
	return fmt.Sprintf(`{"id":%q,"event":"TASK_STATE_CHANGED","timestamp":1700000000,"secret":%q,`+
		`"data":{"profile_id":%q,"task":{"note":%q}}}`,
		id, testSecret, profileName(profile), "note:"+strings.Repeat(text, n))
}

func event(t *testing.T, body string) *passfort.WebhookEvent {
	t.Helper()
	events, err := passfort.ParseWebhook(http.Header{}, []byte(body), testSecret)
	require.NoError(t, err)
	return &events[0]
}

// post sends a body to an endpoint and returns the status.
func post(t *testing.T, h http.Handler, body string) int {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+testSecret)
	req.Header.Set("Content-Type", "application/json")
	out := httptest.NewRecorder()
	h.ServeHTTP(out, req)
	return out.Code
}

// held returns how many messages a stream has.
func held(t *testing.T, f *Fleet, kind string) int {
	t.Helper()
	info, err := f.info(t.Context(), kind)
	if err != nil {
		return -1
	}
	return int(info.State.Msgs)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(30 * time.Second)
	for wait := 10 * time.Millisecond; !is(); wait = min(wait*3/2, 300*time.Millisecond) {
		select {
		case <-time.After(wait):
		case <-late:
			require.Fail(t, "too late: "+what)
		}
	}
}

// handleTry lets w handle the next message of profile 1 at its nth try. Those
// before are given back at once.
func handleTry(t *testing.T, w *worker, n uint64) {
	t.Helper()
	of := int(w.partitions.Load())
	p := partition(profileName(1), of)
	consumer, err := w.js.Consumer(t.Context(), w.names.stream(webhookStream), partitionConsumer(p, of))
	require.NoError(t, err)
	for {
		msg, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		require.NoError(t, err)
		about, err := msg.Metadata()
		require.NoError(t, err)
		if about.NumDelivered >= n {
			w.handle(t.Context(), p, msg)
			return
		}
		require.NoError(t, msg.Nak())
	}
}

// effects returns the ids of the messages that have an effect, in their order.
func effects(t *testing.T, f *Fleet) []string {
	t.Helper()
	stream, err := f.stream(t.Context(), effectStream)
	require.NoError(t, err)
	info, err := stream.Info(t.Context())
	require.NoError(t, err)
	var ids []string
	for at := info.State.FirstSeq; at <= info.State.LastSeq && info.State.Msgs > 0; at++ {
		msg, err := stream.GetMsg(t.Context(), at)
		require.NoError(t, err)
		var r record
		require.NoError(t, json.Unmarshal(msg.Data, &r))
		ids = append(ids, r.Message[strings.LastIndexByte(r.Message, '/')+1:])
	}
	return ids
}

// leafURLs returns where a server takes leaf nodes.
func leafURLs(t *testing.T, s *server.Server) []*url.URL {
	t.Helper()
	info, err := s.Varz(nil)
	require.NoError(t, err)
	return []*url.URL{{Scheme: "nats-leaf", Host: fmt.Sprintf("127.0.0.1:%d", info.LeafNode.Port)}}
}
