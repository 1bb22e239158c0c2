package passfort_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/passfort-go/passfort"
)

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
	for _, name := range []string{"product_status_changed", "collected_data_updated", "check_completed", "manual_action_required", "customer_request_changed", "events_created"} {
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
			require.True(t, errors.Is(err, passfort.ErrWebhookMalformed) != errors.Is(err, passfort.ErrWebhookUnauthorized))
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
		fmt.Fprintf(&address, `,{"address":{"type":"STRUCTURED","country":"GBR","locality":"Sampletown","route":"Sample Street","street_number":"%d","postal_code":"SA1 1MP"},"start_date":"2001-02","end_date":"2003-04","note":"made up text that is a little longer"}`, i)
	}
	entity := `{"entity_type":"INDIVIDUAL","address_history":[` + address.String()[1:] + `],"custom_fields_data":{"limit":1000.50,"ok":true}}`
	var b bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(&b, `,{"id":"%d","event":"COLLECTED_DATA_UPDATED","secret":"s","timestamp":1700000000,"data":{"profile_id":"p","customer_ref":"r","user":null,"apikey":{"name":"CRM"},"old_data":%s,"new_data":%s}}`, i, entity, entity)
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

		h, err := passfort.NewWebhookHandler([]string{"old", "s"})
		require.NoError(b, err)
		handled := 0
		h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { handled++; return nil })
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", bytes.NewReader(body))
		r.Header = bearer("s")
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
