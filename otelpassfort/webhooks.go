package otelpassfort

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/passfort-go/passfort"
)

const eventKey = attribute.Key("passfort.event")

// Webhooks measures webhooks, where they are received and where they are handled:
//
//	passfort.webhook.duration  a histogram in seconds: what receiving or handling took
//	passfort.webhook.wait      a histogram in seconds: from storing to handling
//
// Both have the attributes passfort.event, which is "unknown" for an event without a
// constant, and passfort.outcome. Nothing else of a message is recorded. It is safe for
// concurrent use.
type Webhooks struct {
	duration, wait metric.Float64Histogram
}

// NewWebhooks returns Webhooks. Of the options, WithMeterProvider applies.
func NewWebhooks(opts ...Option) *Webhooks {
	s := settings{metrics: otel.GetMeterProvider()}
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	meter := s.metrics.Meter(scope, metric.WithInstrumentationVersion(passfort.Version))
	histogram := func(name, description string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3600))
		if err != nil {
			otel.Handle(err)
			return noop.Float64Histogram{}
		}
		return h
	}
	return &Webhooks{
		duration: histogram("passfort.webhook.duration", "What receiving or handling a webhook message took."),
		wait:     histogram("passfort.webhook.wait", "How long a stored webhook message waited to be handled."),
	}
}

// Received records a message or a delivery: give it to passfort.WithWebhookObserver.
func (w *Webhooks) Received(r passfort.WebhookResult) {
	w.record(w.duration, r.Event, string(r.Outcome), r.Duration)
}

// Handled records what became of a message of the module inbox, from the members of its
// Result:
//
//	inbox.WithObserver(func(r inbox.Result) { w.Handled(r.Event, string(r.Outcome), r.Wait, r.Duration) })
//
// A wait of 0 is not recorded.
func (w *Webhooks) Handled(event passfort.EventName, outcome string, wait, duration time.Duration) {
	w.record(w.duration, event, outcome, duration)
	if wait > 0 {
		w.record(w.wait, event, outcome, wait)
	}
}

func (w *Webhooks) record(h metric.Float64Histogram, event passfort.EventName, outcome string, d time.Duration) {
	attrs := []attribute.KeyValue{outcomeKey.String(outcome)}
	if event != "" {
		if !event.Known() {
			event = "unknown"
		}
		attrs = append(attrs, eventKey.String(string(event)))
	}
	h.Record(context.Background(), d.Seconds(), metric.WithAttributes(attrs...))
}
