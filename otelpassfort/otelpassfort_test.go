package otelpassfort_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/otelpassfort"
	"github.com/passfort-go/passfort/passforttest"
)

// recorder is a client whose spans and metrics stay in memory.
type recorder struct {
	spans   *tracetest.InMemoryExporter
	reader  *sdkmetric.ManualReader
	traces  *sdktrace.TracerProvider
	options []passfort.Option
}

func record() *recorder {
	r := &recorder{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	r.traces = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans))
	observer := otelpassfort.NewObserver(
		otelpassfort.WithTracerProvider(r.traces),
		otelpassfort.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader))),
		nil)
	r.options = []passfort.Option{
		passfort.WithObserver(observer),
		passfort.WithRetry(passfort.RetryPolicy{
			MaxAttempts: 3, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond,
		}),
	}
	return r
}

// clientOf returns a client of a server that answers with each handler in turn,
// the last one permanently.
func (r *recorder) clientOf(t *testing.T, answers ...http.HandlerFunc) *passfort.Client {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answers[min(int(n.Add(1)), len(answers))-1](w, req)
	}))
	t.Cleanup(s.Close)
	client, err := passfort.New("the-key", append([]passfort.Option{passfort.WithBaseURL(s.URL)}, r.options...)...)
	require.NoError(t, err)
	return client
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func attributes(kvs []attribute.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range kvs {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

func (r *recorder) metrics(t *testing.T) map[string]metricdata.Aggregation {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, r.reader.Collect(t.Context(), &all))
	got := map[string]metricdata.Aggregation{}
	for _, scope := range all.ScopeMetrics {
		require.Equal(t, "github.com/passfort-go/passfort/otelpassfort", scope.Scope.Name)
		require.Equal(t, passfort.Version, scope.Scope.Version)
		for _, m := range scope.Metrics {
			require.NotEmpty(t, m.Description)
			got[m.Name+" in "+m.Unit] = m.Data
		}
	}
	return got
}

func TestSpanAndMetricsOfACall(t *testing.T) {
	t.Parallel()
	r := record()
	client := r.clientOf(t, respond(503, ""), respond(200, `{"id":"p"}`))
	ctx, parent := r.traces.Tracer("test").Start(t.Context(), "parent")
	_, err := client.Profiles.Get(ctx, "p-1")
	require.NoError(t, err)
	parent.End()

	spans := r.spans.GetSpans()
	require.Len(t, spans, 2)
	span := spans[0]
	require.Equal(t, "GET /profiles/{profile_id}", span.Name)
	require.Equal(t, trace.SpanKindClient, span.SpanKind)
	require.Equal(t, parent.SpanContext().SpanID(), span.Parent.SpanID())
	require.Equal(t, codes.Unset, span.Status.Code)
	require.Equal(t, map[string]any{
		"passfort.operation": "Profiles.Get", "http.request.method": "GET", "url.template": "/profiles/{profile_id}",
		"http.response.status_code": int64(200), "passfort.attempts": int64(2), "passfort.outcome": "ok",
	}, attributes(span.Attributes))

	require.Len(t, span.Events, 2)
	for i, want := range []map[string]any{
		{"passfort.attempt": int64(1), "http.response.status_code": int64(503), "passfort.outcome": "rejected",
			"error.type": "503"},
		{"passfort.attempt": int64(2), "http.response.status_code": int64(200), "passfort.outcome": "ok"},
	} {
		require.Equal(t, "passfort.attempt", span.Events[i].Name)
		got := attributes(span.Events[i].Attributes)
		require.Positive(t, got["passfort.attempt.duration"])
		delete(got, "passfort.attempt.duration")
		require.Equal(t, want, got)
	}

	metrics := r.metrics(t)
	require.Len(t, metrics, 2)
	calls := metrics["passfort.client.call.duration in s"].(metricdata.Histogram[float64]).DataPoints
	require.Len(t, calls, 1)
	require.EqualValues(t, 1, calls[0].Count)
	require.Positive(t, calls[0].Sum)
	require.Equal(t, map[string]any{
		"passfort.operation": "Profiles.Get", "http.response.status_code": int64(200), "passfort.outcome": "ok",
	},
		attributes(calls[0].Attributes.ToSlice()))
	attempts := metrics["passfort.client.attempts in {attempt}"].(metricdata.Sum[int64])
	require.True(t, attempts.IsMonotonic)
	require.Len(t, attempts.DataPoints, 2)
	for _, p := range attempts.DataPoints {
		require.EqualValues(t, 1, p.Value)
		status, _ := p.Attributes.Value("http.response.status_code")
		require.Contains(t, []int64{503, 200}, status.AsInt64())
	}
}

func TestHowCallsEnd(t *testing.T) {
	t.Parallel()
	read := func(ctx context.Context, c *passfort.Client) error {
		_, err := c.Profiles.Get(ctx, "p-1")
		return err
	}
	create := func(ctx context.Context, c *passfort.Client) error {
		_, err := c.Profiles.Create(ctx, &passfort.ProfileRequest{
			Role: passfort.RoleIndividualCustomer, CollectedData: passfort.NewIndividual(),
		})
		return err
	}
	cancelled := func(ctx context.Context, c *passfort.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return read(ctx, c)
	}
	late := func(ctx context.Context, c *passfort.Client) error {
		ctx, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
		defer cancel()
		return read(ctx, c)
	}
	for _, row := range []struct {
		name               string
		answer             http.HandlerFunc
		call               func(context.Context, *passfort.Client) error
		outcome, errorType string
		status             any
	}{
		{"refused", respond(403, `{"errors":[{"code":201}]}`), create, "rejected", "403", int64(403)},
		{"refused in a 200", respond(200, `{"errors":[{"code":204}]}`), create, "rejected", "refused_in_200",
			int64(200)},
		{"a read that is refused", respond(404, ""), read, "rejected", "404", int64(404)},
		{"a write that may have been done", hangUp, create, "unknown", "no_answer", nil},
		{"a write that failed there", respond(502, "<html>"), create, "unknown", "502", int64(502)},
		{"a write with an unusable answer", respond(200, "<html>"), create, "unknown", "unusable_answer", int64(200)},
		{"a read without an answer", hangUp, read, "failed", "no_answer", nil},
		{"a read with an unusable answer", respond(200, "<html>"), read, "failed", "unusable_answer", int64(200)},
		{"input that is not sent", respond(200, ""), func(ctx context.Context, c *passfort.Client) error {
			_, err := c.Profiles.Get(ctx, "")
			return err
		}, "not_sent", "invalid_input", nil},
		{"cancelled", respond(200, ""), cancelled, "not_sent", "canceled", nil},
		{"too late", respond(200, ""), late, "not_sent", "deadline_exceeded", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := record()
			require.Error(t, row.call(t.Context(), r.clientOf(t, row.answer)))
			spans := r.spans.GetSpans()
			require.Len(t, spans, 1)
			require.Equal(t, codes.Error, spans[0].Status.Code)
			require.Equal(t, row.errorType, spans[0].Status.Description)
			got := attributes(spans[0].Attributes)
			require.Equal(t, row.outcome, got["passfort.outcome"])
			require.Equal(t, row.errorType, got["error.type"])
			require.Equal(t, row.status, got["http.response.status_code"])
			calls := r.metrics(t)["passfort.client.call.duration in s"].(metricdata.Histogram[float64]).DataPoints
			require.Len(t, calls, 1)
			outcome, _ := calls[0].Attributes.Value("passfort.outcome")
			require.Equal(t, row.outcome, outcome.AsString())
		})
	}
}

func TestNamesOfCallsThatTheSDKHasNoMethodFor(t *testing.T) {
	t.Parallel()
	r := record()
	client := r.clientOf(t, respond(200, `{}`))
	for _, request := range []passfort.Request{
		{Method: "GET", Path: "/profiles/canary/news"},
		{Method: "get", Path: "/profiles/canary/news", Route: "/profiles/{profile_id}/news"},
		{Method: "CANARY", Path: "/profiles/canary/news", Route: "/profiles/{profile_id}/news"},
	} {
		_, err := passfort.Do[any](t.Context(), client, request)
		require.NoError(t, err)
	}
	var names []string
	for _, span := range r.spans.GetSpans() {
		names = append(names, span.Name)
	}
	require.Equal(t, []string{"GET (custom path)", "GET /profiles/{profile_id}/news",
		"_OTHER /profiles/{profile_id}/news"}, names)
}

// TestNothingLeaks puts a mark in everything a caller or the server can say,
// and looks for it in everything that is recorded.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	const mark = "canary-5e1c"
	r := record()
	body := `{"errors":[{"code":201,"message":"` + mark + `","info":"` + mark + `"}],"id":"` + mark + `"}`
	answers := []http.HandlerFunc{
		respond(200, `{"id":"`+mark+`"}`), respond(400, body), respond(500, mark), respond(200, body),
		respond(200, mark), hangUp,
	}
	for i, answer := range answers {
		marked := func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("X-Request-Id", mark)
			w.Header().Set("Location", "https://example.com/"+mark)
			answer(w, req)
		}
		client := r.clientOf(t, marked)
		person := passfort.NewIndividual()
		person.CustomerRef = mark
		ctx := t.Context()
		_, _ = client.Profiles.Create(ctx, &passfort.ProfileRequest{Role: mark, CollectedData: person})
		_, _ = client.Profiles.Get(ctx, mark)
		_, _ = client.Profiles.List(ctx, &passfort.ProfileListOptions{Query: mark})
		_, _ = client.Checks.Get(ctx, mark, mark)
		_, _ = client.Tags.Search(ctx, mark, 1)
		_, _ = client.Audit.PDFReport(ctx, mark, failing(mark))
		_, _ = client.Files.Upload(ctx, mark, &passfort.FileUpload{
			Name: mark, Body: strings.NewReader("%PDF-1.7 " + mark),
		})
		_, _ = client.Profiles.Get(ctx, mark+"/../")
		_, _ = passfort.Do[any](ctx, client, passfort.Request{
			Method: mark, Path: "/" + mark, Header: http.Header{"X-Mark": {mark}}, Body: mark,
		})
		require.Greater(t, len(r.spans.GetSpans()), 8*i)
	}
	recorded := fmt.Sprintf("%+v", r.spans.GetSpans())
	var all metricdata.ResourceMetrics
	require.NoError(t, r.reader.Collect(t.Context(), &all))
	metrics, err := json.Marshal(all)
	require.NoError(t, err)
	require.Contains(t, recorded, "/profiles/{profile_id}")
	require.Contains(t, string(metrics), "Profiles.Get")
	require.NotContains(t, strings.ToLower(recorded+string(metrics)), mark)
	require.NotContains(t, recorded+string(metrics), "the-key")
	require.NotContains(t, recorded+string(metrics), "127.0.0.1")
}

// failing is a writer whose error names what it holds.
type failing string

func (f failing) Write([]byte) (int, error) { return 0, errors.New(string(f)) }

// TestObserverWithoutMetrics has a provider that cannot make instruments.
func TestObserverWithoutMetrics(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	client := record().clientOf(t, respond(200, `{"id":"p"}`))
	require.NotNil(t, client)
	observer := otelpassfort.NewObserver(
		otelpassfort.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))),
		otelpassfort.WithMeterProvider(broken{}))
	ctx := observer.CallStarted(t.Context(), passfort.CallInfo{Operation: "X", Method: "GET", Route: "/x"})
	observer.AttemptEnded(ctx, passfort.AttemptInfo{})
	observer.CallEnded(ctx, passfort.CallResult{})
	require.Len(t, spans.GetSpans(), 1)
}

type broken struct{ noop.MeterProvider }

func (broken) Meter(string, ...metric.MeterOption) metric.Meter { return brokenMeter{} }

type brokenMeter struct{ noop.Meter }

func (brokenMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, errors.New("no histograms here")
}

func (brokenMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errors.New("no counters here")
}

// A program that sends its spans somewhere sets the providers of package otel
// once, and needs no options here.
func ExampleNewObserver() {
	exporter := tracetest.NewInMemoryExporter() // or one that sends them
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)))

	srv := passforttest.NewServer()
	defer srv.Close()
	client := srv.Client(passfort.WithObserver(otelpassfort.NewObserver()))
	if _, err := client.WhoAmI(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output: GET /whoami
}
