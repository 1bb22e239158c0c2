package otelpassfort_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/passfort-go/passfort"
	"github.com/passfort-go/passfort/otelpassfort"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	w := otelpassfort.NewWebhooks(
		otelpassfort.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))), nil,
	)
	w.Received(passfort.WebhookResult{
		Event: passfort.EventCheckCompleted, Outcome: passfort.WebhookHandled, Duration: time.Second,
	})
	w.Received(passfort.WebhookResult{Outcome: passfort.WebhookDenied})
	w.Handled("Zqcanary", "handled", 2*time.Second, time.Second)
	w.Handled(passfort.EventCheckCompleted, "stored", 0, time.Second)

	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	points := map[string]int{}
	for _, m := range got.ScopeMetrics[0].Metrics {
		for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
			points[m.Name+" "+p.Attributes.Encoded(printed{})] += int(p.Count)
		}
	}
	require.Equal(t, map[string]int{
		"passfort.webhook.duration passfort.event=CHECK_COMPLETED passfort.outcome=handled ": 1,
		"passfort.webhook.duration passfort.outcome=unauthorized ":                           1,
		"passfort.webhook.duration passfort.event=unknown passfort.outcome=handled ":         1,
		"passfort.webhook.duration passfort.event=CHECK_COMPLETED passfort.outcome=stored ":  1,
		"passfort.webhook.wait passfort.event=unknown passfort.outcome=handled ":             1,
	}, points)
}

// printed prints attributes in their order.
type printed struct{}

func (printed) Encode(i attribute.Iterator) (s string) {
	for i.Next() {
		s += string(i.Attribute().Key) + "=" + i.Attribute().Value.String() + " "
	}
	return s
}

func (printed) ID() attribute.EncoderID { return attribute.EncoderID{} }

func ExampleNewWebhooks() {
	w := otelpassfort.NewWebhooks()
	_, err := passfort.NewWebhookHandler([]string{"example secret"}, passfort.WithWebhookObserver(w.Received))
	fmt.Println(err)
	w.Handled(passfort.EventCheckCompleted, "handled", time.Second, time.Millisecond)
	// Output: <nil>
}
