package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

// statusFor delivers a body to a handler that fails for some messages and
// parks some of those. It returns the status, and an error if the delivery was
// acknowledged without all of it being handled or parked, or if the answer says
// anything.
func statusFor(ctx context.Context, body []byte, header bool, logged io.Writer) (int, error) {
	committed := map[string]bool{}
	handled, failed, parked := 0, 0, 0
	h, err := passfort.NewWebhookHandler([]string{goldenSecret},
		passfort.WithWebhookLogger(slog.New(slog.NewTextHandler(logged, nil))),
		passfort.WithWebhookStore(&scriptedStore{
			seen:   func(id string) (bool, error) { return committed[id], nil },
			commit: func(id string) error { committed[id] = true; return nil },
		}),
		passfort.WithPark(1, func(_ context.Context, e *passfort.WebhookEvent, _ error) error {
			if crc32.ChecksumIEEE(e.Data)%2 == 0 {
				return errors.New("nowhere to put it")
			}
			parked++
			return nil
		}))
	if err != nil {
		return 0, err
	}
	h.HandleAll(func(_ context.Context, e *passfort.WebhookEvent) error {
		if crc32.ChecksumIEEE([]byte(e.ID))%3 == 0 {
			failed++
			return errors.New("no")
		}
		handled++
		return nil
	})
	r := delivery(ctx, string(body))
	r.Header = http.Header{}
	if header {
		r.Header = bearer(goldenSecret)
	}
	w := send(h, r)
	answer := http.StatusText(w.Code) + "\n"
	if w.Code == http.StatusOK {
		answer = ""
	}
	switch {
	case w.Body.String() != answer:
		return w.Code, fmt.Errorf("status %d with an answer of its own", w.Code)
	case len(committed) != handled+parked:
		return w.Code, fmt.Errorf("%d committed, %d handled, %d parked", len(committed), handled, parked)
	}
	switch w.Code {
	case http.StatusOK:
		if handled+parked == 0 || failed != parked {
			return w.Code, fmt.Errorf("acknowledged with %d handled, %d failed, %d parked", handled, failed, parked)
		}
	case http.StatusInternalServerError:
		if failed != parked+1 {
			return w.Code, fmt.Errorf("refused with %d failed, %d parked", failed, parked)
		}
	case http.StatusBadRequest, http.StatusUnauthorized:
		if handled+failed+parked > 0 {
			return w.Code, fmt.Errorf("status %d after a message was handled", w.Code)
		}
	default:
		return w.Code, fmt.Errorf("status %d", w.Code)
	}
	return w.Code, nil
}

// mutated returns a body with a few changes of the kind that break decoders.
func mutated(random *rand.Rand, bodies [][]byte) []byte {
	b := bytes.Clone(bodies[random.IntN(len(bodies))])
	if random.IntN(4) == 0 { // still JSON
		i := random.IntN(len(b) + 1)
		for range random.IntN(3) {
			if j := bytes.IndexByte(b[i:], '"'); j >= 0 {
				i += j + 1
			}
		}
		if i < len(b) && 'a' <= b[i]|0x20 && b[i]|0x20 <= 'z' {
			b[i] ^= byte(random.UintN(8))
		}
		return b
	}
	for range 1 + random.IntN(4) {
		if len(b) == 0 {
			b = []byte("{")
		}
		i, j := random.IntN(len(b)), random.IntN(len(b))
		i, j = min(i, j), max(i, j)
		switch random.IntN(8) {
		case 0:
			b[i] = byte(random.UintN(256))
		case 1:
			b = b[:i]
		case 2:
			b = append(b[:i:i], b[j:]...)
		case 3:
			b = append(b[:j:j], b[i:]...)
		case 4:
			tokens := `{}[]",:\` + "\xff\x00"
			b = append(b[:i:i], append([]byte{tokens[random.IntN(len(tokens))]}, b[i:]...)...)
		case 5:
			other := bodies[random.IntN(len(bodies))]
			b = append(b[:i:i], other[random.IntN(len(other)+1):]...)
		case 6:
			words := []string{`"event"`, `"id"`, `"secret"`, `"data"`, `null`, `1e999`, `"\ud800"`, goldenSecret,
				`[{"event":"X"}]`, `"event":"X",`}
			b = append(b[:i:i], append([]byte(words[random.IntN(len(words))]), b[i:]...)...)
		case 7:
			b = bytes.ReplaceAll(b, []byte(goldenSecret), []byte("X"+goldenSecret[1:]))
		}
	}
	return b
}

// privacy passes on what is written and notes whether it says what it must not.
type privacy struct {
	secrets []string
	lines   atomic.Int64
	leaked  atomic.Bool
}

func (p *privacy) Write(line []byte) (int, error) {
	p.lines.Add(1)
	for _, s := range p.secrets {
		if bytes.Contains(line, []byte(s)) {
			p.leaked.Store(true)
		}
	}
	return len(line), nil
}

func TestWebhookMutatedBodies(t *testing.T) {
	t.Parallel()
	n := 50_000
	if testing.Short() {
		n = 1000
	}
	if os.Getenv("PASSFORT_LONG") == "1" {
		n = 1_000_000
	}
	seed := rand.Uint64()
	if s := os.Getenv("PASSFORT_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("PASSFORT_SEED=%d", seed)
	var bodies [][]byte
	for _, tt := range shapes {
		if len(tt.body) < 1000 {
			bodies = append(bodies, []byte(tt.body))
		}
	}
	for _, tt := range authCases {
		bodies = append(bodies, []byte(tt.body))
	}
	for _, name := range []string{"product_status_changed", "collected_data_updated", "check_completed",
		"manual_action_required", "customer_request_changed", "events_created"} {
		message := golden(t, name)
		bodies = append(bodies, message, batchOf(message, 3))
	}
	logged := &privacy{secrets: []string{goldenSecret, goldenSecret[1:], "Robin", "Specimen"}}
	workers := runtime.GOMAXPROCS(0)
	statuses := make([]map[int]int, workers)
	var running sync.WaitGroup
	for w := range workers {
		statuses[w] = map[int]int{}
		running.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := w; i < n; i += workers {
				body := mutated(random, bodies)
				status, err := statusFor(t.Context(), body, random.IntN(8) > 0, logged)
				if err != nil {
					t.Errorf("%v: %q", err, body)
					return
				}
				statuses[w][status]++
			}
		})
	}
	running.Wait()
	require.False(t, logged.leaked.Load(), "the log says nothing")
	total := map[int]int{}
	for _, s := range statuses {
		for status, times := range s {
			total[status] += times
		}
	}
	t.Logf("%d bodies, by status: %v; %d log lines", n, total, logged.lines.Load())
	for _, status := range []int{200, 400, 401, 500} {
		require.Greater(t, total[status], n/100, "the bodies reach every answer")
	}
	require.GreaterOrEqual(t, logged.lines.Load(), int64(n))
}

// batchOf returns a batch of n times the message, with ids of their own.
func batchOf(message []byte, n int) []byte {
	var all []string
	for i := range n {
		all = append(all, strings.Replace(string(message), `"id"`, fmt.Sprintf(`"number":%d,"id"`, i), 1))
	}
	return []byte("[" + strings.Join(all, ",") + "]")
}

// zeros is a long body. It counts what is read of it, by a transport that may still
// read when the call is over: until it is closed.
type zeros struct {
	left   int
	read   atomic.Int64
	closed chan struct{}
	once   sync.Once
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	z.read.Add(int64(n))
	return n, nil
}

func (z *zeros) Close() error {
	z.once.Do(func() { close(z.closed) })
	return nil
}

func TestWebhookHugeBodyOverTheWire(t *testing.T) {
	t.Parallel()
	const size = 100_000_000
	for name, length := range map[string]int64{"announced": size, "in chunks": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t)
			status := make(chan int, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				status <- rec.Code
				w.Header().Set("Connection", "close")
				w.WriteHeader(rec.Code)
			}))
			defer server.Close()
			body := &zeros{left: size, closed: make(chan struct{})}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
			require.NoError(t, err)
			r.ContentLength = length
			r.Header = bearer("s0")
			resp, err := server.Client().Do(r)
			if err == nil { // else the server hung up while the body was on its way
				defer resp.Body.Close()
				require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
			}
			require.Equal(t, http.StatusRequestEntityTooLarge, <-status)
			<-body.closed
			require.Less(t, body.read.Load(), int64(size/2), "it was not read to the end")
		})
	}
}

// fuzzSeeds adds every body of the tables.
func fuzzSeeds(f *testing.F) {
	for _, tt := range shapes {
		if len(tt.body) < 20_000 {
			f.Add([]byte(tt.body), true)
		}
	}
	for _, tt := range authCases {
		f.Add([]byte(tt.body), false)
	}
	for _, name := range []string{"product_status_changed", "collected_data_updated", "check_completed",
		"manual_action_required", "customer_request_changed", "events_created"} {
		f.Add(golden(f, name), true)
	}
}

func FuzzParseWebhook(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte, header bool) {
		h := http.Header{}
		if header {
			h = bearer(goldenSecret)
		}
		before := bytes.Clone(body)
		events, err := passfort.ParseWebhook(h, body, goldenSecret)
		require.Equal(t, before, body)
		if err != nil {
			require.Empty(t, events)
			require.True(t, errors.Is(err, passfort.ErrWebhookMalformed) != errors.Is(err,
				passfort.ErrWebhookUnauthorized))
			return
		}
		require.NotEmpty(t, events)
		require.True(t, header || bytes.Contains(body, []byte(`secret`)) || bytes.Contains(body, []byte(`\u`)))
		for _, e := range events {
			require.NotEmpty(t, e.Event)
			require.True(t, len(e.Data) == 0 || json.Valid(e.Data))
			_ = e.Origin()
			_, _ = e.CheckCompleted()
			_, _ = e.ProductStatusChanged()
			_, _ = e.ManualActionRequired()
			_, _ = e.CustomerRequestChanged()
			_, _ = e.EventsChanged()
			if c, err := e.CollectedDataChange(); err == nil {
				c.Changes()
			}
		}
	})
}

func FuzzHandler(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte, header bool) {
		_, err := statusFor(t.Context(), body, header, io.Discard)
		require.NoError(t, err)
	})
}

// largeBatch returns 100 messages of about 20 KB.
func largeBatch() []byte {
	var address strings.Builder
	for i := range 40 {
		fmt.Fprintf(&address,
			`,{"address":{"type":"STRUCTURED","country":"GBR","locality":"Sampletown","route":"Sample Street",`+
				`"street_number":"%d","postal_code":"SA1 1MP"},"start_date":"2001-02","end_date":"2003-04",`+
				`"note":"made up text that is a little longer"}`, i)
	}
	entity := `{"entity_type":"INDIVIDUAL","address_history":[` + address.String()[1:] + `],` +
		`"custom_fields_data":{"limit":1000.50,"ok":true}}`
	var b bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(
			&b, `,{"id":"%d","event":"COLLECTED_DATA_UPDATED","secret":"s0","timestamp":1700000000,`+
				`"data":{"profile_id":"p","customer_ref":"r","user":null,"apikey":{"name":"CRM"},"old_data":%s,`+
				`"new_data":%s}}`, i, entity, entity,
		)
	}
	b.WriteByte(']')
	b.Bytes()[0] = '['
	return b.Bytes()
}

// BenchmarkWebhookBatch authenticates, decodes and dispatches a batch of 100
// messages of 20 KB. "ratio" is its time by the time encoding/json needs to
// decode the same bytes into bare envelopes.
func BenchmarkWebhookBatch(b *testing.B) {
	body := largeBatch()
	b.SetBytes(int64(len(body)))
	type envelope struct {
		ID, Event, Secret string
		Timestamp         int64
		Data              json.RawMessage
	}
	var bare, ours time.Duration
	for b.Loop() {
		start := time.Now()
		var envelopes []envelope
		if err := json.Unmarshal(body, &envelopes); err != nil || len(envelopes) != 100 {
			b.Fatal(err)
		}
		bare += time.Since(start)

		h, err := passfort.NewWebhookHandler([]string{"old", "s0"})
		require.NoError(b, err)
		handled := 0
		h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { handled++; return nil })
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", bytes.NewReader(body))
		r.Header = bearer("s0")
		start = time.Now()
		w := send(h, r)
		ours += time.Since(start)
		if w.Code != http.StatusOK || handled != 100 {
			b.Fatal(w.Code, handled)
		}
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ours-ns/op")
}
