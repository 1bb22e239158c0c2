// Package otelpassfort traces and measures the calls of a passfort.Client with
// OpenTelemetry:
//
//	client, err := passfort.New(apiKey, passfort.WithObserver(otelpassfort.NewObserver()))
//
// Each call is a client span, a child of the span in its context, named after
// method and route template, such as "GET /profiles/{profile_id}", with an event
// for each attempt. Its attributes, which are all there is, are
//
//	passfort.operation         Profiles.Get
//	http.request.method        GET
//	url.template               /profiles/{profile_id}
//	http.response.status_code  of the last answer, absent without one
//	passfort.attempts          how many attempts it took
//	passfort.outcome           see below
//	error.type                 absent on success
//
// passfort.outcome is ok, or how a call failed: not_sent, rejected, unknown, and
// for reads without an answer failed. error.type is the status of the answer,
// or a word for what went wrong without a usable one.
//
// The metrics are passfort.client.call.duration, a histogram in seconds, and
// passfort.client.attempts, a counter. Both have the attributes operation,
// status code, outcome and error type.
//
// No URL, id, query, header, body, key or error text is ever recorded. The
// template of a passfort.Do is the Route of its Request.
package otelpassfort

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"github.com/passfort-go/passfort"
)

// scope is the name of the instrumentation.
const scope = "github.com/passfort-go/passfort/otelpassfort"

// The attributes. See the package comment.
const (
	operationKey = attribute.Key("passfort.operation")
	methodKey    = attribute.Key("http.request.method")
	templateKey  = attribute.Key("url.template")
	statusKey    = attribute.Key("http.response.status_code")
	attemptsKey  = attribute.Key("passfort.attempts")
	attemptKey   = attribute.Key("passfort.attempt")
	durationKey  = attribute.Key("passfort.attempt.duration")
	outcomeKey   = attribute.Key("passfort.outcome")
	errorKey     = attribute.Key("error.type")
)

// Observer is a passfort.Observer that records spans and metrics. It is safe
// for concurrent use, by several clients too.
type Observer struct {
	tracer   trace.Tracer
	duration metric.Float64Histogram
	attempts metric.Int64Counter
}

var _ passfort.Observer = (*Observer)(nil)

// Option configures NewObserver.
type Option func(*settings)

type settings struct {
	traces  trace.TracerProvider
	metrics metric.MeterProvider
}

// WithTracerProvider sets where spans go, in place of the global provider.
func WithTracerProvider(p trace.TracerProvider) Option { return func(s *settings) { s.traces = p } }

// WithMeterProvider sets where metrics go, in place of the global provider.
func WithMeterProvider(p metric.MeterProvider) Option { return func(s *settings) { s.metrics = p } }

// NewObserver returns an observer for passfort.WithObserver.
func NewObserver(opts ...Option) *Observer {
	s := settings{traces: otel.GetTracerProvider(), metrics: otel.GetMeterProvider()}
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	meter := s.metrics.Meter(scope, metric.WithInstrumentationVersion(passfort.Version))
	o := &Observer{tracer: s.traces.Tracer(scope, trace.WithInstrumentationVersion(passfort.Version))}
	var err error
	o.duration, err = meter.Float64Histogram("passfort.client.call.duration",
		metric.WithUnit("s"),
		metric.WithDescription("Duration of calls of the Passfort API, with all attempts and waits."),
		metric.WithExplicitBucketBoundaries(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300))
	if err != nil {
		otel.Handle(err)
		o.duration = noop.Float64Histogram{}
	}
	o.attempts, err = meter.Int64Counter("passfort.client.attempts",
		metric.WithUnit("{attempt}"),
		metric.WithDescription("Requests sent to the Passfort API."))
	if err != nil {
		otel.Handle(err)
		o.attempts = noop.Int64Counter{}
	}
	return o
}

// CallStarted starts the span of a call.
func (o *Observer) CallStarted(ctx context.Context, call passfort.CallInfo) context.Context {
	method := knownMethod(call.Method)
	ctx, _ = o.tracer.Start(ctx, method+" "+call.Route,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			operationKey.String(call.Operation),
			methodKey.String(method),
			templateKey.String(call.Route)))
	return ctx
}

// knownMethod returns the method, or _OTHER for one that a caller of passfort.Do
// made up.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return "_OTHER"
}

// AttemptEnded adds an event to the span of the call and counts the attempt.
func (o *Observer) AttemptEnded(ctx context.Context, attempt passfort.AttemptInfo) {
	outcome, errorType := "ok", ""
	switch {
	case attempt.Problem != "":
		outcome, errorType = "failed", "no_answer"
	case attempt.StatusCode/100 != 2:
		outcome, errorType = "rejected", strconv.Itoa(attempt.StatusCode)
	}
	attrs := ending(attempt.StatusCode, outcome, errorType)
	o.attempts.Add(ctx, 1, metric.WithAttributes(append(attrs, operationKey.String(attempt.Operation))...))
	trace.SpanFromContext(ctx).AddEvent("passfort.attempt", trace.WithAttributes(append(attrs,
		attemptKey.Int(attempt.Attempt),
		durationKey.Float64(attempt.Duration.Seconds()))...))
}

// CallEnded ends the span of the call and records its duration.
func (o *Observer) CallEnded(ctx context.Context, result passfort.CallResult) {
	outcome, errorType := "ok", ""
	if result.Err != nil {
		outcome, errorType = outcomeOf(result.Err), errorTypeOf(result.Err)
	}
	attrs := ending(result.StatusCode, outcome, errorType)
	o.duration.Record(ctx, result.Duration.Seconds(), metric.WithAttributes(append(attrs,
		operationKey.String(result.Operation))...))
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(append(attrs, attemptsKey.Int(result.Attempts))...)
	if errorType != "" {
		span.SetStatus(codes.Error, errorType)
	}
	span.End()
}

// ending returns the attributes of how an attempt or a call ended. The slice
// has no room, so that two appends to it do not share memory.
func ending(status int, outcome, errorType string) []attribute.KeyValue {
	attrs := []attribute.KeyValue{outcomeKey.String(outcome)}
	if status != 0 {
		attrs = append(attrs, statusKey.Int(status))
	}
	if errorType != "" {
		attrs = append(attrs, errorKey.String(errorType))
	}
	return attrs[:len(attrs):len(attrs)]
}

func outcomeOf(err *passfort.Error) string {
	switch err.Outcome {
	case passfort.OutcomeNotSent:
		return "not_sent"
	case passfort.OutcomeRejected:
		return "rejected"
	case passfort.OutcomeUnknown:
		return "unknown"
	default:
		return "failed"
	}
}

// errorTypeOf returns a word of a fixed set, or a status.
func errorTypeOf(err *passfort.Error) string {
	switch {
	case errors.Is(err, passfort.ErrInvalidInput):
		return "invalid_input"
	case err.StatusCode != 0 && err.StatusCode/100 != 2:
		return strconv.Itoa(err.StatusCode)
	case len(err.Errors) > 0:
		return "refused_in_" + strconv.Itoa(err.StatusCode)
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline_exceeded"
	case err.StatusCode != 0:
		return "unusable_answer"
	default:
		return "no_answer"
	}
}
