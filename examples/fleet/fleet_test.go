package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort/fleet"
)

// asChild makes the test binary the program itself, so that tests can start
// and kill real processes.
const asChild = "FLEET_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if len(os.Args) == 5 && os.Args[1] == "engine" {
		os.Exit(engineProcess(ctx, os.Args[2], os.Args[3], os.Args[4]))
	}
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}

// How an engine process syncs.
const (
	alwaysSync = "always"
	lazySync   = "lazy"
)

// engineProcess is a NATS server that can be killed.
func engineProcess(ctx context.Context, dir, port, sync string) int {
	n, err := strconv.Atoi(port)
	if err != nil {
		return exitUsage
	}
	s, err := startEngine(engineOptions{Host: "127.0.0.1", Port: n, Dir: dir, Lazy: sync == lazySync})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	fmt.Println(s.ClientURL())
	<-untilEOF(ctx, os.Stdin).Done()
	s.Shutdown()
	return exitOK
}

// full reports whether the tests run at the sizes of the figures in README.md.
func full() bool { return os.Getenv("FLEET_FULL") != "" }

// pick returns the size of a test.
func pick[T any](short, long T) T {
	if full() {
		return long
	}
	return short
}

const testSecret = "made-up-secret"

// The fleet of the tests, and its streams.
const (
	testPrefix    = "sim"
	webhookStream = "sim_WEBHOOKS"
	effectStream  = "sim_EFFECTS"
	parkedStream  = "sim_PARKED"
)

// testLayout is one in which tests do not wait long for what a killed worker
// had in hand, and in which the engine forgets messages soon, so that the
// table of effects has duplicates to find.
func testLayout() fleet.Layout {
	return fleet.Layout{AckWait: time.Second, Duplicates: 2 * time.Second}
}

// processes is an engine, and workers as processes.
type processes struct {
	*supervisor
	js     jetstream.JetStream
	fleet  *fleet.Fleet
	conn   *nats.Conn
	engine string
	end    func() // ends the workers before the test does
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newEngine returns the URL of an engine inside the test, laid out.
func newEngine(t *testing.T, l fleet.Layout) string {
	t.Helper()
	s, err := startEngine(engineOptions{Host: "127.0.0.1", Port: -1, Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.NoError(t, prepare(t.Context(), s.ClientURL(), testPrefix, l, io.Discard, quietLog()))
	return s.ClientURL()
}

func dialEngine(t *testing.T, url string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn, _, err := join(url, testPrefix, "test", quietLog())
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return conn, js
}

// newFleet starts workers on an engine. They use the API at baseURL.
func newFleet(t *testing.T, engineURL, baseURL string, workers int) *processes {
	t.Helper()
	f := &processes{engine: engineURL}
	f.conn, f.js = dialEngine(t, engineURL)
	var err error
	f.fleet, err = fleet.New(f.conn, fleet.Options{Prefix: testPrefix, Log: quietLog()})
	require.NoError(t, err)
	p := &program{stderr: io.Discard, log: quietLog()}
	f.supervisor, err = newSupervisor(p, "127.0.0.1:0", defaultReadTimeout, []string{
		asChild + "=1", envEngine + "=" + engineURL, envSecret + "=" + testSecret,
		envPrefix + "=" + testPrefix, envKey + "=" + simulatorKey, envBase + "=" + baseURL,
	})
	require.NoError(t, err)
	f.end = sync.OnceFunc(f.stop)
	t.Cleanup(f.end)
	for i := range workers {
		require.NoError(t, f.keep(t.Context(), fmt.Sprintf("w%d", i+1)))
	}
	return f
}

// worker returns the process of a worker, nil while it is being started again.
func (f *processes) worker(name string) *child {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// killing kills a random one of the named workers with SIGKILL at every tick,
// until it is stopped. It returns how many it killed.
func (f *processes) killing(every time.Duration, names ...string) (stop func() int) {
	done, killed := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if c := f.worker(names[rand.IntN(len(names))]); c != nil && c.cmd.Process.Kill() == nil {
					n++
				}
			case <-done:
				killed <- n
				return
			}
		}
	}()
	return func() int {
		close(done)
		return <-killed
	}
}

// process is a child of the test that is not one of the supervisor's.
type process struct {
	cmd  *exec.Cmd
	said string
}

func startEngineProcess(t *testing.T, dir string, port int, sync string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	//nolint:noctx // it ends with its input
	cmd := exec.Command(self, "engine", dir, strconv.Itoa(port), sync)
	cmd.Env = append(os.Environ(), asChild+"=1")
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = input.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	return &process{cmd, strings.TrimSpace(line)}
}

// freePort returns a port for a server that is to start on it, or to come back to it.
// Each call returns another one, outside of what the system gives to connections and to
// servers that leave the choice to it: one of those may be given away before the server
// listens. Processes begin at different ports.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 10_000 + (os.Getpid()*64+int(portsTried.Add(1)))%20_000
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	require.Fail(t, "no port is free")
	return 0
}

var portsTried atomic.Int64

// eventually waits for something that other processes do. It looks less often
// the longer that takes, because looking takes time from them.
func eventually(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	late := time.After(limit)
	for wait := 10 * time.Millisecond; !is(); wait = min(wait*3/2, time.Second) {
		select {
		case <-time.After(wait):
		case <-late:
			require.Fail(t, "too late: "+what)
		case <-t.Context().Done():
			require.Fail(t, "the test ended before: "+what)
		}
	}
}

// message is a webhook that a lane sends: the nth of its profile.
type message struct{ profile, n int }

func (m message) id() string        { return fmt.Sprintf("m-%d-%d", m.profile, m.n) }
func (m message) profileID() string { return profileName(m.profile) }

func profileName(n int) string { return fmt.Sprintf("a2c40000-0000-4000-8000-%012d", n) }

func (m message) json() string {
	return fmt.Sprintf(`{"id":%q,"event":"TASK_STATE_CHANGED","timestamp":1700000000,"secret":%q,`+
		`"data":{"profile_id":%q,"customer_ref":null,"task":{"note":%q}}}`,
		m.id(), testSecret, m.profileID(), strings.Repeat("x", 200))
}

// lane sends webhooks as Passfort does: one batch after the other, each until
// it is answered with 200. Profiles have all their messages in one lane.
type lane struct {
	url      string
	messages []message
	random   *rand.Rand
	client   *http.Client
	pace     time.Duration // of a message; 0: none
	repeats  bool          // send some of them more often than needed

	answered   func(sent time.Time, status int)
	deliveries int
}

// newLanes spreads total messages of so many profiles over n lanes.
func newLanes(url string, n, total, profiles int) []*lane {
	lanes := make([]*lane, n)
	for i := range lanes {
		lanes[i] = &lane{
			url: url, random: rand.New(rand.NewPCG(uint64(i), 7)), answered: func(time.Time, int) {},
			client: &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
		}
	}
	random, count := rand.New(rand.NewPCG(1, 2)), map[int]int{}
	for range total {
		p := random.IntN(profiles)
		count[p]++
		lanes[p%n].messages = append(lanes[p%n].messages, message{p, count[p]})
	}
	return lanes
}

func (l *lane) run(ctx context.Context) {
	began := time.Now()
	for at := 0; at < len(l.messages) && ctx.Err() == nil; {
		n := min(1+l.random.IntN(100), len(l.messages)-at)
		batch := append([]message(nil), l.messages[at:at+n]...)
		if l.repeats && at > 0 && l.random.IntN(3) == 0 {
			// Some that were sent before, and one of this batch twice.
			for range 5 {
				batch = append(batch, l.messages[l.random.IntN(at)])
			}
			batch = append(batch, batch[0])
		}
		l.deliver(ctx, batch)
		if l.repeats && l.random.IntN(10) == 0 {
			l.deliver(ctx, batch)
		}
		at += n
		if l.pace > 0 {
			timer := time.NewTimer(time.Until(began.Add(time.Duration(at) * l.pace)))
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
	}
	l.client.CloseIdleConnections()
}

// deliver sends a batch until it is answered with 200.
func (l *lane) deliver(ctx context.Context, batch []message) {
	var body bytes.Buffer
	body.WriteByte('[')
	for i, m := range batch {
		if i > 0 {
			body.WriteByte(',')
		}
		body.WriteString(m.json())
	}
	body.WriteByte(']')
	for ctx.Err() == nil {
		sent := time.Now()
		status := l.post(ctx, body.Bytes())
		l.answered(sent, status)
		if status == http.StatusOK {
			l.deliveries += len(batch)
			return
		}
		rest(ctx, 50*time.Millisecond)
	}
}

func (l *lane) post(ctx context.Context, body []byte) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+testSecret)
	resp, err := l.client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// drive runs the lanes until all of them have delivered everything.
func drive(ctx context.Context, lanes []*lane) {
	var running sync.WaitGroup
	for _, l := range lanes {
		running.Go(func() { l.run(ctx) })
	}
	running.Wait()
}

// waiting returns how many messages of a stream were not handled yet.
func waiting(t *testing.T, js jetstream.JetStream, stream string) int {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		return -1
	}
	return int(s.CachedInfo().State.Msgs)
}

// requireEffects reads the table of effects from its beginning, and requires
// each message in it once, and those of a profile in the order of the lanes.
func requireEffects(t *testing.T, js jetstream.JetStream, lanes []*lane) (tried, total int) {
	t.Helper()
	want := map[string]string{} // profile of each message
	for _, l := range lanes {
		for _, m := range l.messages {
			want[m.id()] = m.profileID()
		}
	}
	found, last := map[string]int{}, map[string]int{}
	stream, err := js.Stream(t.Context(), effectStream)
	require.NoError(t, err)
	n := int(stream.CachedInfo().State.Msgs)
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	messages, err := consumer.Messages()
	require.NoError(t, err)
	defer messages.Stop()
	for range n {
		msg, err := messages.Next(jetstream.NextMaxWait(10 * time.Second))
		require.NoError(t, err)
		var e struct {
			Message string
			Tries   uint64
		}
		require.NoError(t, json.Unmarshal(msg.Data(), &e))
		id := e.Message[strings.LastIndexByte(e.Message, '/')+1:] // a key is profile/id
		profile := want[id]
		require.NotEmpty(t, profile, "an effect of nothing that was sent: %s", e.Message)
		require.True(t, strings.HasPrefix(msg.Subject(), testPrefix+".effects.webhook."+profile+"."), msg.Subject())
		found[id]++
		require.Equal(t, 1, found[id], "committed more than once: %s", e.Message)
		position, err := strconv.Atoi(e.Message[strings.LastIndexByte(e.Message, '-')+1:])
		require.NoError(t, err)
		require.Equal(t, last[profile]+1, position, "out of order: %s", e.Message)
		last[profile] = position
		if e.Tries > 1 {
			tried++
		}
	}
	require.Len(t, found, len(want), "messages were lost")
	return tried, n
}

// cpuTime returns how much processor time a process has used.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	require.NoError(t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
