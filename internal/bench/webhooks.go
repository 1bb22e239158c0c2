package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/passfort-go/passfort"
)

// webhookBatch is a batch of 100 messages of about 20 KB each.
func webhookBatch() []byte {
	data := companyJSON(10 << 10)
	var messages []string
	for i := range 100 {
		messages = append(messages, fmt.Sprintf(
			`{"id":"5f0e7a10-0000-4000-8000-%012d","event":"COLLECTED_DATA_CHANGED","secret":"s3cr3t",`+
				`"timestamp":1700000120,"data":{"profile_id":%q,"old_data":%s,"new_data":%s}}`,
			i, profileID, data, data))
	}
	return []byte("[" + strings.Join(messages, ",") + "]")
}

// measureWebhooks authenticates, decodes and dispatches one batch, and refuses what
// strangers send.
func measureWebhooks(ctx context.Context, s scale) ([]figure, error) {
	body := webhookBatch()
	type envelope struct {
		ID, Event, Secret string
		Timestamp         int64
		Data              json.RawMessage
	}
	const bare = "encoding/json into raw envelopes, nothing more"
	rivals := []rival{
		{name: "SDK", run: func(ctx context.Context) error {
			handled := 0
			h, err := passfort.NewWebhookHandler([]string{"s3cr3t"}) // a store of its own: nothing is a duplicate
			if err != nil {
				return err
			}
			h.HandleAll(func(context.Context, *passfort.WebhookEvent) error { handled++; return nil })
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks", bytes.NewReader(body))
			r.Header.Set("Authorization", "Bearer s3cr3t")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusOK || handled != 100 {
				return fmt.Errorf("status %d, %d handled", w.Code, handled)
			}
			return nil
		}},
		{name: bare, run: func(context.Context) error {
			var envelopes []envelope
			if err := json.Unmarshal(body, &envelopes); err != nil {
				return err
			}
			if len(envelopes) != 100 {
				return fmt.Errorf("%d messages", len(envelopes))
			}
			return nil
		}},
	}
	t, err := race(ctx, s, rivals...)
	if err != nil {
		return nil, err
	}
	figures := t.ratios("Receive a batch of 100 webhooks of 20 KB", rivals...)
	promised(figures, bare, 0.3)
	strangers, err := measureStrangers(ctx, s)
	return append(figures, strangers...), err
}
